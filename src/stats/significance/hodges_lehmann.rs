//! By how much one sample is shifted against another.

use super::Interval;
use super::mann_whitney::{standard_deviation, tie_term};
use super::normal::critical_value;
use crate::stats::ascending::ascending;

/// What [`hodges_lehmann`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// The median of all differences `after - before`.
    pub estimate: f64,
    /// Where the shift lies at the level asked for.
    pub interval: Interval,
}

/// The Hodges–Lehmann estimate of the shift from `before` to `after`, with its confidence interval.
/// `None` if a sample is empty or the level is not between 0 and 1.
///
/// As `wilcox.test(after, before, conf.int=TRUE, exact=FALSE, correct=TRUE, conf.level=level)` of R:
/// the interval has the shifts that a Mann–Whitney test of `after - shift` against `before` would not
/// reject. R looks for the roots of the standardized rank statistic with `uniroot` (to 1e-4 in the unit
/// of the values unless told by `tol.root`). The statistic is a step function that changes at
/// differences of values only, so the root is one of the differences, and here it is exactly that one.
/// Three details follow:
///
/// * Right on a difference R counts the ties that the shift makes. For values on a coarse grid R may
///   step on such a point and stop there; here the steps beside it decide, as they do for nearly all shifts.
/// * Where the statistic is 0 on a whole step (an even number of differences) R's estimate is any point
///   of it; here it is the middle, the usual median.
/// * If all values of each sample are equal R fails; here the shift is known, and the interval has no width.
///
/// In samples too small for the level, the interval is all differences there are, as in R.
///
/// Takes O((n + m) log range): differences are counted, never listed.
pub fn hodges_lehmann(before: &[i64], after: &[i64], level: f64) -> Option<Shift> {
    let z = critical_value(level)?;
    let (before, after) = (ascending(before), ascending(after));
    let differences = Differences::of(&before, &after)?;
    let last = differences.count() - 1;
    let twice_median = differences.nth(last / 2) + differences.nth(last.div_ceil(2));
    let n_outside = differences.outside(z).min(last / 2);
    let interval = Interval { low: differences.nth(n_outside) as f64, high: differences.nth(last - n_outside) as f64 };
    Some(Shift { estimate: twice_median as f64 / 2.0, interval })
}

/// All differences `after - before` of two sorted samples.
struct Differences<'a> {
    before: &'a [i64],
    after: &'a [i64],
    smallest: i128,
    largest: i128,
}

impl<'a> Differences<'a> {
    /// `None` if there are none.
    fn of(before: &'a [i64], after: &'a [i64]) -> Option<Differences<'a>> {
        let smallest = i128::from(*after.first()?) - i128::from(*before.last()?);
        let largest = i128::from(*after.last()?) - i128::from(*before.first()?);
        Some(Differences { before, after, smallest, largest })
    }

    fn count(&self) -> u64 {
        self.before.len() as u64 * self.after.len() as u64
    }

    /// How many differences lie outside the interval of half-width `z` on either side.
    fn outside(&self, z: f64) -> u64 {
        // Between two differences a shift makes no ties across the samples.
        let ties = tie_term(self.before) + tie_term(self.after);
        let deviation = standard_deviation(self.before.len(), self.after.len(), ties);
        // Negative, and so 0, if even the most extreme statistic is not rejected.
        (self.count() as f64 / 2.0 - 0.5 - z * deviation).floor() as u64
    }

    /// The difference that `rank` others come before in ascending order; `rank` is less than the count.
    fn nth(&self, rank: u64) -> i128 {
        let (mut low, mut high) = (self.smallest, self.largest);
        while low < high {
            let middle = (low + high).div_euclid(2);
            if self.count_up_to(middle) > rank {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }

    /// How many differences are at most `limit`.
    fn count_up_to(&self, limit: i128) -> u64 {
        let mut n_after = 0;
        let mut count = 0;
        for &before in self.before {
            let reach = i128::from(before) + limit;
            n_after += self.after[n_after..].iter().take_while(|&&it| i128::from(it) <= reach).count();
            count += n_after as u64;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// R's function of the shift, by the ranks of all values.
    fn statistic(before: &[i64], after: &[i64], shift: f64, correct: bool) -> f64 {
        let shifted: Vec<f64> = after.iter().map(|&it| it as f64 - shift).collect();
        let all: Vec<f64> = shifted.iter().copied().chain(before.iter().map(|&it| it as f64)).collect();
        let (n, m, count) = (after.len() as f64, before.len() as f64, all.len() as f64);
        let rank = |it: f64| {
            let smaller = all.iter().filter(|other| **other < it).count() as f64;
            let equal = all.iter().filter(|other| **other == it).count() as f64;
            smaller + (equal + 1.0) / 2.0
        };
        let dz = shifted.iter().map(|&it| rank(it)).sum::<f64>() - n * (n + 1.0) / 2.0 - n * m / 2.0;
        let squares: f64 = all.iter().map(|&it| (rank(it) - (count + 1.0) / 2.0).powi(2)).sum();
        let deviation = (n * m / (count * (count - 1.0)) * squares).sqrt();
        let correction = if correct && dz != 0.0 { dz.signum() * 0.5 } else { 0.0 };
        (dz - correction) / deviation
    }

    fn all_differences(before: &[i64], after: &[i64]) -> Vec<f64> {
        let mut all: Vec<f64> = after.iter().flat_map(|a| before.iter().map(move |b| (a - b) as f64)).collect();
        all.sort_by(f64::total_cmp);
        all
    }

    /// Where the statistic falls from above `z` to below it, seen from the steps between differences.
    fn root(before: &[i64], after: &[i64], z: f64) -> f64 {
        let mut steps = all_differences(before, after);
        steps.dedup();
        // The values are integers: half a unit beyond a difference is on the next step.
        let falls = |at: &&f64| statistic(before, after, **at + 0.5, true) < z;
        *steps.iter().find(falls).unwrap_or(&steps[steps.len() - 1])
    }

    #[test]
    fn empty_samples_and_senseless_levels_have_no_answer() {
        assert_eq!(hodges_lehmann(&[], &[], 0.99), None);
        assert_eq!(hodges_lehmann(&[1], &[], 0.99), None);
        assert_eq!(hodges_lehmann(&[], &[1], 0.99), None);
        assert_eq!(hodges_lehmann(&[1], &[1], 1.0), None);
        assert_eq!(hodges_lehmann(&[1], &[1], 99.0), None);
    }

    #[test]
    fn a_pure_shift_is_found() {
        let before: Vec<i64> = (0..50).map(|it| it * it).collect();
        let after: Vec<i64> = before.iter().rev().map(|it| it + 700).collect();
        let shift = hodges_lehmann(&before, &after, 0.99).unwrap();
        assert_eq!(shift.estimate, 700.0);
        assert_eq!(shift.interval.high - 700.0, 700.0 - shift.interval.low);
    }

    #[test]
    fn equal_values_leave_no_doubt() {
        let shift = hodges_lehmann(&[3; 30], &[8; 20], 0.99).unwrap();
        assert_eq!(shift, Shift { estimate: 5.0, interval: Interval { low: 5.0, high: 5.0 } });
    }

    #[test]
    fn small_samples_have_all_differences_inside() {
        let shift = hodges_lehmann(&[1, 5], &[10, 20], 0.99).unwrap();
        assert_eq!(shift, Shift { estimate: 12.0, interval: Interval { low: 5.0, high: 19.0 } });
    }

    #[test]
    fn extremes_do_not_overflow() {
        let shift = hodges_lehmann(&[i64::MIN], &[i64::MAX], 0.99).unwrap();
        assert_eq!(shift.estimate, u64::MAX as f64);
        let shift = hodges_lehmann(&[i64::MIN, i64::MAX], &[i64::MIN, i64::MAX], 0.99).unwrap();
        assert_eq!(shift.estimate, 0.0);
    }

    #[test]
    fn three_thousand_a_side_take_no_time() {
        let sample = |seed: i64| (0..3000i64).map(|it| (it * 7919 + seed) % 1_000_003 * 1000).collect::<Vec<_>>();
        let shift = hodges_lehmann(&sample(1), &sample(500), 0.99).unwrap();
        assert!(shift.interval.low <= shift.estimate && shift.estimate <= shift.interval.high);
    }

    fn sample(largest: i64) -> impl Strategy<Value = Vec<i64>> {
        prop::collection::vec(0..=largest, 1..20)
    }

    proptest! {
        #[test]
        fn the_estimate_is_the_median_of_all_differences(x in sample(1000), y in sample(1000)) {
            let all = all_differences(&x, &y);
            let expected = f64::midpoint(all[(all.len() - 1) / 2], all[all.len() / 2]);
            prop_assert_eq!(hodges_lehmann(&x, &y, 0.9).unwrap().estimate, expected);
        }

        #[test]
        fn the_interval_ends_where_the_statistic_crosses(
            x in prop_oneof![sample(1000), sample(4)],
            y in prop_oneof![sample(1000), sample(4)],
            level in 0.5f64..0.999,
        ) {
            let z = critical_value(level).unwrap();
            let found = hodges_lehmann(&x, &y, level).unwrap().interval;
            prop_assert_eq!(found.low, root(&x, &y, z));
            prop_assert_eq!(found.high, root(&x, &y, -z));
        }
    }
}
