//! One unit for a column of durations, chosen so that the column can be read at a glance.

use super::units::{UNITS, decimal, decimals_for, natural_unit, rounded};

/// The unit of a column without anything to measure.
const MILLISECONDS: usize = 2;

/// A smaller unit is no help when its numbers get longer than this.
const LONGEST_NUMBER: u64 = 100_000;

/// More decimals than that are noise.
const MOST_DECIMALS: usize = 3;

/// How the durations of one column are shown: all in one unit, with as many decimals each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    unit: usize,
    decimals: usize,
}

impl Scale {
    /// The scale in which a column of durations reads best.
    pub fn of(column: &[i64]) -> Scale {
        Spread::of(column).scale()
    }

    /// The scales of columns that stand side by side: the same unit wherever that reads well, since
    /// neighbors get compared and 950 µs beside 1.20 ms is easily misread.
    pub fn of_neighbors(columns: &[Vec<i64>]) -> Vec<Scale> {
        let spreads: Vec<Spread> = columns.iter().map(|it| Spread::of(it)).collect();
        let mut units: Vec<usize> = spreads.iter().filter(|it| it.largest > 0).map(|it| it.scale().unit).collect();
        units.sort_unstable();
        // The middle of the columns decides; a total of hours must not push everything to zero.
        let Some(&common) = units.get(units.len().saturating_sub(1) / 2) else {
            return spreads.iter().map(Spread::scale).collect();
        };
        let scale = |it: &Spread| {
            if it.reads_in(common) { it.scale_in(common) } else { it.scale() }
        };
        spreads.iter().map(scale).collect()
    }

    /// The unit, for the heading: `ms`.
    pub fn unit(&self) -> &'static str {
        UNITS[self.unit].name
    }

    /// The duration without its unit. What is not zero does not look like zero: `<0.01`.
    pub fn show(&self, ns: i64) -> String {
        let sign = if ns < 0 { "-" } else { "" };
        match rounded(ns.unsigned_abs(), self.unit, self.decimals) {
            0 if ns > 0 => format!("<{}", decimal(1, self.decimals)),
            0 if ns < 0 => format!(">-{}", decimal(1, self.decimals)),
            shown => format!("{sign}{}", decimal(shown, self.decimals)),
        }
    }
}

/// What the choice of a scale looks at; zeros are left out.
struct Spread {
    largest: u64,
    median: u64,
    smallest: u64,
}

impl Spread {
    fn of(column: &[i64]) -> Spread {
        let mut sizes: Vec<u64> = column.iter().map(|it| it.unsigned_abs()).filter(|&it| it > 0).collect();
        sizes.sort_unstable();
        Spread {
            largest: sizes.last().copied().unwrap_or(0),
            median: sizes.get(sizes.len() / 2).copied().unwrap_or(0),
            smallest: sizes.first().copied().unwrap_or(0),
        }
    }

    fn scale(&self) -> Scale {
        if self.largest == 0 {
            return Scale { unit: MILLISECONDS, decimals: 0 };
        }
        let mut unit = natural_unit(self.largest);
        while unit > 0
            && self.median_is_coarse(unit, decimals_for(self.largest, unit))
            && self.largest / UNITS[unit - 1].ns < LONGEST_NUMBER
        {
            unit -= 1;
        }
        self.scale_in(unit)
    }

    fn scale_in(&self, unit: usize) -> Scale {
        let mut decimals = decimals_for(self.largest, unit);
        while decimals < MOST_DECIMALS && unit > 0 && self.median_is_coarse(unit, decimals) {
            decimals += 1;
        }
        // Short numbers can afford one more digit for the sake of the smallest.
        if decimals == 0
            && unit > 0
            && self.smallest > 0
            && self.largest / UNITS[unit].ns < 1_000
            && rounded(self.smallest, unit, 0) == 0
        {
            decimals = 1;
        }
        Scale { unit, decimals }
    }

    /// Whether the column can be shown in this unit: not too long, and the median with two digits.
    fn reads_in(&self, unit: usize) -> bool {
        self.largest / UNITS[unit].ns < LONGEST_NUMBER && !self.median_is_coarse(unit, MOST_DECIMALS)
    }

    fn median_is_coarse(&self, unit: usize, decimals: usize) -> bool {
        self.median > 0 && unit > 0 && rounded(self.median, unit, decimals) < 10
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use proptest::prelude::*;

    use super::*;

    const US: i64 = 1_000;
    const MS: i64 = 1_000_000;
    const S: i64 = 1_000_000_000;

    fn check(column: &[i64], unit: &str, shown: &[&str]) {
        let scale = Scale::of(column);
        let cells: Vec<String> = column.iter().map(|&it| scale.show(it)).collect();
        assert_eq!((scale.unit(), cells), (unit, shown.iter().map(|it| (*it).to_owned()).collect()));
    }

    #[test]
    fn the_largest_value_chooses_the_unit() {
        check(&[250 * MS, 1_250 * MS, 980 * MS], "s", &["0.25", "1.25", "0.98"]);
        check(&[12_400 * US, 99_960 * US], "ms", &["12.4", "100.0"]);
        check(&[999, 12], "ns", &["999", "12"]);
        check(&[90 * S, 40 * S], "s", &["90.0", "40.0"]);
        check(&[900 * S, 600 * S], "min", &["15.0", "10.0"]);
        check(&[3 * 3600 * S, 2 * 3600 * S], "h", &["3.00", "2.00"]);
    }

    #[test]
    fn a_median_without_digits_asks_for_a_smaller_unit() {
        check(&[40 * MS, 50 * MS, 2_300 * MS], "ms", &["40", "50", "2,300"]);
        check(&[20 * MS, 20 * MS, 59 * S], "ms", &["20", "20", "59,000"]);
    }

    #[test]
    fn a_unit_that_would_be_too_long_is_not_chosen() {
        check(&[20 * MS, 20 * MS, 600 * S], "s", &["0.020", "0.020", "600.000"]);
    }

    #[test]
    fn little_is_not_nothing() {
        check(
            &[0, 1, -1, 1_250 * MS, 980 * MS, 700 * MS, 500 * MS],
            "s",
            &["0.00", "<0.01", ">-0.01", "1.25", "0.98", "0.70", "0.50"],
        );
    }

    #[test]
    fn the_smallest_gets_a_decimal_where_there_is_room() {
        check(&[160 * MS, 80 * MS, 62 * MS, 360 * US], "ms", &["160.0", "80.0", "62.0", "0.4"]);
        check(&[1_600 * MS, 80 * MS, 62 * MS, 360 * US], "ms", &["1,600", "80", "62", "<1"]);
    }

    #[test]
    fn nothing_to_measure_is_shown_in_milliseconds() {
        check(&[], "ms", &[]);
        check(&[0, 0], "ms", &["0", "0"]);
    }

    #[test]
    fn extremes_do_not_overflow() {
        check(&[i64::MIN, i64::MAX], "h", &["-2,562,048", "2,562,048"]);
    }

    #[test]
    fn neighbors_share_a_unit_where_that_reads_well() {
        let columns = [vec![850 * US], vec![1_200 * US], vec![2_300 * MS], vec![5 * 3600 * S], vec![0]];
        let scales = Scale::of_neighbors(&columns);
        let cells: Vec<String> = iter::zip(&scales, &columns)
            .map(|(scale, column)| format!("{} {}", scale.show(column[0]), scale.unit()))
            .collect();
        assert_eq!(cells, ["0.850 ms", "1.20 ms", "2,300 ms", "5.00 h", "0 ms"]);
    }

    proptest! {
        #[test]
        fn a_column_has_one_number_of_decimals(column in prop::collection::vec(any::<i64>(), 1..20), small in 0u32..60) {
            let column: Vec<i64> = column.into_iter().map(|it| it >> small).collect();
            let scale = Scale::of(&column);
            let decimals = |it: &str| it.split_once('.').map_or(0, |(_, rest)| rest.len());
            for &ns in &column {
                prop_assert_eq!(decimals(&scale.show(ns)), scale.decimals);
            }
            prop_assert!(scale.decimals <= MOST_DECIMALS);
        }
    }
}
