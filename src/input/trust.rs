//! Whether it pays to compare texts with those before: where they are all unlike each other it does not, and
//! learning costs more than reading.

/// After so many texts it is asked again.
const WINDOW: u32 = 64;

/// If more than so many of them were unlike those before, no more are learned for a window.
const MOST_LEARNED: u32 = WINDOW / 4;

/// If more than so many were, the next are not even compared.
pub(super) const HALF: u32 = WINDOW / 2;
/// The same, for what should be given up only where nothing comes again.
pub(super) const NEARLY_ALL: u32 = WINDOW / 8 * 7;

/// So many are not, and twice as many each time that they were unlike again.
const PAUSE: u32 = 1024;
const MOST_DOUBLINGS: u32 = 4;

/// How it went of late.
#[derive(Debug, Default)]
pub(super) struct Trust<const MOST_UNLIKE: u32 = HALF> {
    n_tried: u32,
    n_unlike: u32,
    n_to_pass: u32,
    is_full: bool,
    /// How many windows in turn were unlike, once there was any.
    n_bad: Option<u32>,
}

impl<const MOST_UNLIKE: u32> Trust<MOST_UNLIKE> {
    /// Whether the next text should be compared.
    #[inline]
    pub(super) fn tries(&mut self) -> bool {
        let tries = self.n_to_pass == 0;
        self.n_to_pass -= u32::from(!tries);
        tries
    }

    /// Whether what is unlike those before should be learned.
    pub(super) fn learns(&self) -> bool {
        self.n_to_pass == 0 && !self.is_full
    }

    /// Counts a text that was compared.
    #[inline]
    pub(super) fn count(&mut self, is_alike: bool) {
        self.n_tried += 1;
        self.n_unlike += u32::from(!is_alike);
        if self.n_tried == WINDOW {
            let is_proved = self.n_unlike <= MOST_UNLIKE;
            let n_before = self.n_bad.unwrap_or(0);
            *self = Trust {
                n_to_pass: if is_proved { 0 } else { PAUSE << n_before.min(MOST_DOUBLINGS) },
                is_full: is_proved && self.n_unlike > MOST_LEARNED,
                n_bad: Some(if is_proved { 0 } else { n_before + 1 }),
                ..Trust::default()
            };
        }
    }

    /// Whether enough was compared to be in doubt, and it did not pay the last time that this was asked.
    #[inline]
    pub(super) fn is_doubted(&self) -> bool {
        self.n_bad.map_or(self.n_tried >= WINDOW / 4, |it| it > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many texts are compared, and how many learned.
    fn outcome(n_texts: u32, is_alike: fn(u32) -> bool) -> (u32, u32) {
        let (mut trust, mut n_tried, mut n_learned) = (Trust::<HALF>::default(), 0, 0);
        for nth in 0..n_texts {
            if trust.tries() {
                n_tried += 1;
                trust.count(is_alike(nth));
            }
            n_learned += u32::from(!is_alike(nth) && trust.learns());
        }
        (n_tried, n_learned)
    }

    #[test]
    fn what_is_alike_is_compared_always_and_what_never_is_seldom() {
        assert_eq!(outcome(10_000, |_| true), (10_000, 0));
        let (n_tried, n_learned) = outcome(10_000, |_| false);
        assert!(n_tried < 300 && n_learned < 300, "{n_tried} {n_learned}");
        // What changes its ways is compared again, in time.
        let (n_tried, _) = outcome(100_000, |it| it > 30_000);
        assert!(n_tried > 50_000, "{n_tried}");
    }

    #[test]
    fn a_third_is_compared_but_seldom_learned() {
        let (n_tried, n_learned) = outcome(10_000, |it| it % 3 > 0);
        assert_eq!(n_tried, 10_000);
        assert!(n_learned < 1_800, "{n_learned}");
    }
}
