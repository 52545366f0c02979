//! Where a share lies, and by how much two differ.

use super::Interval;
use super::normal::critical_value;

/// The Wilson score interval of the share `hits / n`; `None` if there are more hits than n, nothing
/// at all, or unless 0 < `level` < 1.
///
/// Wilson, "Probable Inference, the Law of Succession, and Statistical Inference" (1927), without
/// correction for continuity: as `scipy.stats.binomtest(hits, n).proportion_ci(level, "wilson")`. The
/// ends at no hits and at hits only are exactly 0 and 1.
pub fn wilson_interval(hits: u64, n: u64, level: f64) -> Option<Interval> {
    let z = critical_value(level)?;
    if n == 0 || hits > n {
        return None;
    }
    let (share, n_trials) = (hits as f64 / n as f64, n as f64);
    let shrink = 1.0 + z * z / n_trials;
    let center = (share + z * z / (2.0 * n_trials)) / shrink;
    let half = z / shrink * (share * (1.0 - share) / n_trials + z * z / (4.0 * n_trials * n_trials)).sqrt();
    let low = if hits == 0 { 0.0 } else { (center - half).max(0.0) };
    let high = if hits == n { 1.0 } else { (center + half).min(1.0) };
    Some(Interval { low, high })
}

/// A confidence interval of how much larger the share `after` is than `before`, each as (hits, n).
/// `None` where [`wilson_interval`] is of either.
///
/// Method 10 of Newcombe, "Interval Estimation for the Difference between Independent Proportions"
/// (1998): the squared distances of both Wilson intervals' ends are added. As statsmodels'
/// `confint_proportions_2indep(…, method="newcomb")`.
pub fn difference_interval(before: (u64, u64), after: (u64, u64), level: f64) -> Option<Interval> {
    let of_before = wilson_interval(before.0, before.1, level)?;
    let of_after = wilson_interval(after.0, after.1, level)?;
    let (from, to) = (before.0 as f64 / before.1 as f64, after.0 as f64 / after.1 as f64);
    let below = libm::hypot(to - of_after.low, of_before.high - from);
    let above = libm::hypot(of_after.high - to, from - of_before.low);
    Some(Interval { low: to - from - below, high: to - from + above })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(found: Interval, low: f64, high: f64) -> bool {
        (found.low - low).abs() < 5e-5 && (found.high - high).abs() < 5e-5
    }

    #[test]
    fn nothing_has_no_share() {
        assert_eq!(wilson_interval(0, 0, 0.95), None);
        assert_eq!(wilson_interval(2, 1, 0.95), None);
        assert_eq!(wilson_interval(1, 2, 1.0), None);
        assert_eq!(difference_interval((0, 0), (1, 2), 0.95), None);
        assert_eq!(difference_interval((1, 2), (0, 0), 0.95), None);
    }

    #[test]
    fn examples_from_newcombe() {
        // Table II of the paper: 56/70 - 48/80, 9/10 - 3/10, 10/10 - 0/10.
        assert!(close(difference_interval((48, 80), (56, 70), 0.95).unwrap(), 0.0524, 0.3339));
        assert!(close(difference_interval((3, 10), (9, 10), 0.95).unwrap(), 0.1705, 0.8090));
        assert!(close(difference_interval((0, 10), (10, 10), 0.95).unwrap(), 0.6075, 1.0000));
    }

    #[test]
    fn no_hits_and_hits_only_end_at_0_and_1() {
        assert_eq!(wilson_interval(0, 7, 0.95).unwrap().low, 0.0);
        assert_eq!(wilson_interval(7, 7, 0.95).unwrap().high, 1.0);
    }

    proptest! {
        #[test]
        fn the_ends_are_where_the_score_test_turns(hits in 1u64..400, more in 1u64..400, level in 0.5f64..0.999) {
            let n = hits + more;
            let (share, z) = (hits as f64 / n as f64, critical_value(level).unwrap());
            let found = wilson_interval(hits, n, level).unwrap();
            for end in [found.low, found.high] {
                let score = (share - end) / (end * (1.0 - end) / n as f64).sqrt();
                prop_assert!((score.abs() - z).abs() < 1e-9, "{score} is not {z}");
            }
        }

        #[test]
        fn swapping_the_groups_negates(a in 0u64..50, b in 0u64..50, c in 0u64..50, d in 0u64..50) {
            let (before, after) = ((a, a + b + 1), (c, c + d + 1));
            let found = difference_interval(before, after, 0.95).unwrap();
            let swapped = difference_interval(after, before, 0.95).unwrap();
            prop_assert!((found.low + swapped.high).abs() < 1e-15);
            prop_assert!((found.high + swapped.low).abs() < 1e-15);
            prop_assert!(found.low >= -1.0 - 1e-12 && found.high <= 1.0 + 1e-12);
        }
    }
}
