//! Where a sample lies and how far it spreads, untouched by a few values far out.
//!
//! These are of exact values. A [`super::Distribution`] has quantiles of nearest rank instead, out of
//! its histogram: those can be merged, these interpolate and are what samples are compared by.

use super::ascending::ascending;

/// The quantile at `q` (0 to 1), interpolated linearly between neighbours; `None` of nothing.
///
/// Type 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages" (1996), which is NumPy's and
/// R's default. Differences of neighbours are taken in integers, so large values lose nothing to them.
pub fn quantile(values: &[i64], q: f64) -> Option<f64> {
    interpolate(&ascending(values), q)
}

/// The quantile at one half: the middle value or the mean of the middle two; `None` of nothing.
pub fn median(values: &[i64]) -> Option<f64> {
    let sorted = ascending(values);
    twice_median(sorted.len(), |at| i128::from(sorted[at])).map(|twice| twice as f64 / 2.0)
}

/// The median absolute deviation: the median of the distances from the median; `None` of nothing.
///
/// As `scipy.stats.median_abs_deviation(values, scale=1)`. Times 1.4826 it estimates the standard
/// deviation of normally distributed values; here it is not scaled. Computed in integers throughout.
pub fn median_absolute_deviation(values: &[i64]) -> Option<f64> {
    let sorted = ascending(values);
    // The median may end in one half: everything is counted in halves.
    let center = twice_median(sorted.len(), |at| i128::from(sorted[at]))?;
    let mut distances: Vec<i128> = sorted.iter().map(|&it| (2 * i128::from(it) - center).abs()).collect();
    distances.sort_unstable();
    twice_median(distances.len(), |at| distances[at]).map(|twice| twice as f64 / 4.0)
}

/// How much longer `after` is than `before` on average over the quantiles at 5 %, 6 % … 95 %; `None`
/// if either is empty.
///
/// A trimmed difference of means: every part of the distributions but the outermost tails counts
/// alike, so a few outliers cannot move it and a second mode that grew can.
pub fn mean_quantile_difference(before: &[i64], after: &[i64]) -> Option<f64> {
    let (before, after) = (ascending(before), ascending(after));
    let mut sum = 0.0;
    for percent in QUANTILE_PERCENTS {
        let q = f64::from(percent) / 100.0;
        sum += interpolate(&after, q)? - interpolate(&before, q)?;
    }
    Some(sum / QUANTILE_PERCENTS.count() as f64)
}

const QUANTILE_PERCENTS: std::ops::RangeInclusive<u8> = 5..=95;

fn interpolate(sorted: &[i64], q: f64) -> Option<f64> {
    if !(0.0..=1.0).contains(&q) {
        return None;
    }
    let rank = sorted.len().checked_sub(1)? as f64 * q;
    let below = *sorted.get(rank as usize)?;
    let above = *sorted.get(rank as usize + 1).unwrap_or(&below);
    let gap = i128::from(above) - i128::from(below);
    Some(below as f64 + gap as f64 * rank.fract())
}

/// Twice the median of sorted values, which is an integer.
fn twice_median(count: usize, value: impl Fn(usize) -> i128) -> Option<i128> {
    let last = count.checked_sub(1)?;
    Some(value(last / 2) + value(count / 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_has_no_quantiles() {
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(median(&[]), None);
        assert_eq!(median_absolute_deviation(&[]), None);
        assert_eq!(mean_quantile_difference(&[], &[1]), None);
        assert_eq!(mean_quantile_difference(&[1], &[]), None);
    }

    #[test]
    fn quantiles_outside_0_to_1_do_not_exist() {
        assert_eq!(quantile(&[1, 2], -0.1), None);
        assert_eq!(quantile(&[1, 2], 1.1), None);
        assert_eq!(quantile(&[1, 2], f64::NAN), None);
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        let values = [40, 10, 30, 20];
        assert_eq!(quantile(&values, 0.0), Some(10.0));
        assert_eq!(quantile(&values, 0.5), Some(25.0));
        assert_eq!(quantile(&values, 0.75), Some(32.5));
        assert_eq!(quantile(&values, 1.0), Some(40.0));
        assert_eq!(median(&values), Some(25.0));
        assert_eq!(median(&[3, 1, 2]), Some(2.0));
    }

    #[test]
    fn the_deviation_ignores_an_outlier() {
        assert_eq!(median_absolute_deviation(&[1, 1, 2, 2, 4, 6, 9]), Some(1.0));
        assert_eq!(median_absolute_deviation(&[1, 1, 2, 2, 4, 6, 9_000_000]), Some(1.0));
        assert_eq!(median_absolute_deviation(&[1, 2]), Some(0.5));
        assert_eq!(median_absolute_deviation(&[7]), Some(0.0));
    }

    #[test]
    fn a_shift_is_the_difference_of_quantiles() {
        let before: Vec<i64> = (0..200).map(|it| it * it).collect();
        let mut after: Vec<i64> = before.iter().map(|it| it + 1000).collect();
        assert_eq!(mean_quantile_difference(&before, &after), Some(1000.0));
        after[199] += 1_000_000_000;
        assert_eq!(mean_quantile_difference(&before, &after), Some(1000.0));
    }

    #[test]
    fn extremes_do_not_overflow() {
        let values = [i64::MIN, i64::MAX];
        assert_eq!(median(&values), Some(-0.5));
        assert_eq!(quantile(&values, 0.5), Some(0.0));
        assert_eq!(median_absolute_deviation(&values), Some(9223372036854775807.5));
        assert_eq!(mean_quantile_difference(&[i64::MIN], &[i64::MAX]), Some(u64::MAX as f64));
    }

    proptest! {
        #[test]
        fn medians_are_the_quantile_at_one_half(values in prop::collection::vec(-1000i64..1000, 1..40)) {
            prop_assert_eq!(median(&values), quantile(&values, 0.5));
        }

        #[test]
        fn half_of_the_values_lie_within_the_deviation(values in prop::collection::vec(-1000i64..1000, 1..40)) {
            let (center, deviation) = (median(&values).unwrap(), median_absolute_deviation(&values).unwrap());
            let within = values.iter().filter(|&&it| (it as f64 - center).abs() <= deviation).count();
            let inside = values.iter().filter(|&&it| (it as f64 - center).abs() < deviation).count();
            prop_assert!(within * 2 >= values.len());
            prop_assert!(inside * 2 <= values.len());
        }
    }
}
