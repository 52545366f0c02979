//! How wide each column of a table may be, so that all of it fits.

/// Spaces between two columns.
pub(super) const GAP: usize = 2;

/// Names stay recognizable down to this width, so before they get narrower whole columns go.
const COMFORTABLE: usize = 16;

/// Most names are whole at this width; before they get narrower the columns go that say least.
const ROOMY: usize = 40;

/// Columns from this rank on say least.
const LEAST_RANK: u8 = 4;

/// Names still say a little down to this width.
const TIGHT: usize = 6;

/// What a column would like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    /// Room for everything.
    pub(super) natural: usize,
    /// Room without which a number or an id is cut.
    pub(super) firm: usize,
    /// The larger, the sooner the column gives way; 0 never does.
    pub(super) rank: u8,
}

impl Wish {
    /// The width between its least and its natural one that is nearest to `cap`.
    fn capped(&self, cap: usize, floor: usize) -> usize {
        self.natural.min(cap.max(floor).max(self.firm))
    }
}

/// The width of each column, `None` where it has to go.
pub(super) fn fit(wishes: &[Wish], room: usize) -> Vec<Option<usize>> {
    let mut stay: Vec<usize> = (0..wishes.len()).collect();
    let widths = loop {
        let staying: Vec<Wish> = stay.iter().map(|&idx| wishes[idx]).collect();
        let floor = if staying.iter().any(|it| it.rank >= LEAST_RANK) { ROOMY } else { COMFORTABLE };
        if let Some(widths) = shrink(&staying, room, floor) {
            break widths;
        }
        // Of two columns of one rank the one further right goes first.
        match staying.iter().enumerate().max_by_key(|(at, it)| (it.rank, *at)) {
            Some((at, least)) if least.rank > 0 && stay.len() > 1 => stay.remove(at),
            _ => break shrink(&staying, room, TIGHT).unwrap_or_else(|| cut_off(&staying, room)),
        };
    };
    let mut fitted = vec![None; wishes.len()];
    for (idx, width) in stay.into_iter().zip(widths) {
        fitted[idx] = Some(width);
    }
    fitted
}

/// Takes from the widest until the columns fit, but from none below `floor`; `None` if that is not enough.
fn shrink(wishes: &[Wish], room: usize, floor: usize) -> Option<Vec<usize>> {
    let room = room.checked_sub(gaps(wishes.len()))?;
    let used = |cap: usize| wishes.iter().map(|it| it.capped(cap, floor)).sum::<usize>();
    if used(0) > room {
        return None;
    }
    // The widest cap that fits: `low` always does, `high` is wider than any that does or matters.
    let mut low = 0;
    let mut high = wishes.iter().map(|it| it.natural).max().unwrap_or(0) + 1;
    while low + 1 < high {
        let cap = low.midpoint(high);
        if used(cap) <= room { low = cap } else { high = cap }
    }
    let mut left = room - used(low);
    let width = |it: &Wish| {
        let width = it.capped(low, floor);
        let one_more = it.capped(low + 1, floor) - width;
        let width = width + one_more.min(left);
        left -= one_more.min(left);
        width
    };
    Some(wishes.iter().map(width).collect())
}

/// The last resort: what stands further right falls off the edge.
fn cut_off(wishes: &[Wish], room: usize) -> Vec<usize> {
    let mut left = room;
    let mut widths = Vec::new();
    for wish in wishes {
        let gap = if widths.is_empty() { 0 } else { GAP };
        if left <= gap {
            break;
        }
        let width = wish.capped(0, TIGHT).min(left - gap);
        left -= gap + width;
        widths.push(width);
    }
    widths
}

/// The spaces between so many columns.
pub(super) fn gaps(columns: usize) -> usize {
    columns.saturating_sub(1) * GAP
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAME: Wish = Wish { natural: 40, firm: 0, rank: 0 };
    const NUMBER: Wish = Wish { natural: 8, firm: 8, rank: 0 };

    fn check(wishes: &[Wish], room: usize, widths: &[usize]) {
        let fitted: Vec<usize> = fit(wishes, room).into_iter().map(|it| it.unwrap_or(0)).collect();
        assert_eq!(fitted, widths);
    }

    #[test]
    fn what_fits_is_left_alone() {
        check(&[NAME, NUMBER], 200, &[40, 8]);
        check(&[NAME, NUMBER], 50, &[40, 8]);
        check(&[], 50, &[]);
    }

    #[test]
    fn the_widest_name_gives_first() {
        let service = Wish { natural: 20, ..NAME };
        check(&[service, NAME, NUMBER], 62, &[20, 30, 8]);
        check(&[service, NAME, NUMBER], 49, &[19, 18, 8]);
        check(&[service, NAME, NUMBER], 44, &[16, 16, 8]);
    }

    #[test]
    fn then_columns_go_by_rank_and_names_get_the_room() {
        let ranked = |rank| Wish { rank, ..NUMBER };
        check(&[NAME, NUMBER, ranked(2), ranked(1), ranked(2)], 56, &[16, 8, 8, 8, 8]);
        check(&[NAME, NUMBER, ranked(2), ranked(1), ranked(2)], 55, &[25, 8, 8, 8, 0]);
        check(&[NAME, NUMBER, ranked(2), ranked(1), ranked(2)], 45, &[25, 8, 0, 8, 0]);
        check(&[NAME, NUMBER, ranked(2), ranked(1), ranked(2)], 30, &[20, 8, 0, 0, 0]);
    }

    #[test]
    fn columns_that_say_least_go_before_names_get_narrow() {
        let ranked = |rank| Wish { rank, ..NUMBER };
        let name = Wish { natural: 60, ..NAME };
        check(&[name, NUMBER, ranked(4), ranked(1), ranked(5)], 80, &[40, 8, 8, 8, 8]);
        check(&[name, NUMBER, ranked(4), ranked(1), ranked(5)], 79, &[49, 8, 8, 8, 0]);
        check(&[name, NUMBER, ranked(4), ranked(1), ranked(5)], 69, &[49, 8, 0, 8, 0]);
        check(&[name, NUMBER, ranked(4), ranked(1), ranked(5)], 36, &[16, 8, 0, 8, 0]);
    }

    #[test]
    fn then_names_get_tight_and_the_right_falls_off() {
        check(&[NAME, NUMBER], 20, &[10, 8]);
        check(&[NAME, NUMBER], 16, &[6, 8]);
        check(&[NAME, NUMBER], 12, &[6, 4]);
        check(&[NAME, NUMBER], 8, &[6, 0]);
        check(&[NAME, NUMBER], 3, &[3, 0]);
    }

    #[test]
    fn the_last_column_stays_whatever_its_rank() {
        check(&[Wish { rank: 9, ..NUMBER }], 4, &[4]);
    }

    fn wish() -> impl Strategy<Value = Wish> {
        (0usize..60, 0usize..60, 0u8..4).prop_map(|(natural, firm, rank)| Wish {
            natural,
            firm: firm.min(natural),
            rank,
        })
    }

    proptest! {
        #[test]
        fn never_wider_than_the_room(wishes in prop::collection::vec(wish(), 1..14), room in 1usize..200) {
            let widths: Vec<usize> = fit(&wishes, room).into_iter().flatten().collect();
            prop_assert!(widths.iter().sum::<usize>() + gaps(widths.len()) <= room);
            prop_assert!(!widths.is_empty());
        }

        #[test]
        fn room_is_used_where_something_was_cut(wishes in prop::collection::vec(wish(), 1..14), room in 80usize..200) {
            let fitted = fit(&wishes, room);
            let widths: Vec<usize> = fitted.iter().copied().flatten().collect();
            let cut = std::iter::zip(&wishes, &fitted).any(|(wish, width)| width.is_some_and(|it| it < wish.natural));
            let used = widths.iter().sum::<usize>() + gaps(widths.len());
            // At the edge one more gap may not leave anything for the column behind it.
            prop_assert!(!cut || room - used <= GAP);
        }
    }
}
