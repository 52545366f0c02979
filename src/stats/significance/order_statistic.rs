//! Where the quantile of a distribution lies, seen from a sample.

use super::Interval;
use super::binomial::Binomial;
use crate::stats::ascending::ascending;

/// A confidence interval of the quantile at `q` of what the values were drawn from: two of the values.
/// `None` if there are too few values for both ends, or unless 0 < `q` < 1 and 0 < `level` < 1.
///
/// How many values lie below the quantile is binomial whatever the distribution, so it lies between
/// two order statistics with a known probability (David and Nagaraja, "Order Statistics", 7.1). Each
/// end is missed with at most half of 1 - `level`: the interval is conservative, with ties even more.
/// As `scipy.stats.quantile_test(values, p=q).confidence_interval(level)`, which says NaN for an end
/// that does not exist.
pub fn quantile_interval(values: &[i64], q: f64, level: f64) -> Option<Interval> {
    if !(level > 0.0 && level < 1.0) {
        return None;
    }
    let below = Binomial::new(values.len() as u64, q)?;
    let tail = (1.0 - level) / 2.0;
    let sorted = ascending(values);
    // Ranks from 1: the quantile is below the k-th value if fewer than k values are below it.
    let value = |rank: u64| sorted.get(usize::try_from(rank.checked_sub(1)?).ok()?);
    let (low, high) = (value(below.lower_end(tail))?, value(below.upper_end(tail))?);
    Some(Interval { low: *low as f64, high: *high as f64 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn too_few_values_have_no_interval() {
        assert_eq!(quantile_interval(&[], 0.5, 0.95), None);
        // The extremes of 5 values miss the median with 1/16, those of 6 with 1/32.
        assert_eq!(quantile_interval(&[1, 2, 3, 4, 5], 0.5, 0.95), None);
        let all = Interval { low: 1.0, high: 6.0 };
        assert_eq!(quantile_interval(&[6, 1, 2, 3, 4, 5], 0.5, 0.95), Some(all));
        // The largest of n values is below the 99th percentile with 0.99^n: 5 % at 299.
        let values: Vec<i64> = (1..=299).collect();
        assert!(quantile_interval(&values[..298], 0.99, 0.9).is_none());
        assert_eq!(quantile_interval(&values, 0.99, 0.9).unwrap().high, 299.0);
    }

    #[test]
    fn senseless_quantiles_and_levels_have_no_answer() {
        let values: Vec<i64> = (0..100).collect();
        for wrong in [0.0, 1.0, -1.0, 50.0, f64::NAN] {
            assert_eq!(quantile_interval(&values, wrong, 0.95), None);
            assert_eq!(quantile_interval(&values, 0.5, wrong), None);
        }
    }

    /// P(low rank <= number below < high rank), from binomial coefficients.
    fn coverage(n: u64, q: f64, low: u64, high: u64) -> f64 {
        let mut probability = (1.0 - q).powi(n as i32);
        let mut sum = 0.0;
        for k in 0..high {
            if k >= low {
                sum += probability;
            }
            probability *= (n - k) as f64 / (k + 1) as f64 * q / (1.0 - q);
        }
        sum
    }

    proptest! {
        #[test]
        fn covers_the_level_and_no_narrower_tail_does(n in 20u64..300, q in 0.1f64..0.9, level in 0.5f64..0.98) {
            let ranks: Vec<i64> = (1..=n as i64).collect();
            if let Some(found) = quantile_interval(&ranks, q, level) {
                let (low, high) = (found.low as u64, found.high as u64);
                prop_assert!(coverage(n, q, low, high) >= level - 1e-12);
                let tail = (1.0 - level) / 2.0;
                prop_assert!(coverage(n, q, 0, low + 1) > tail - 1e-12, "the lower end could be higher");
                prop_assert!(coverage(n, q, high - 1, n + 1) > tail - 1e-12, "the upper end could be lower");
            }
        }
    }
}
