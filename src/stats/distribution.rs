//! What a set of durations looks like: count, sum, extremes and spread exactly, quantiles to 0.1 %.

use serde::{Deserialize, Serialize};

use super::histogram::Histogram;
use super::rounding::{ms, ms_rounded};

/// A summary of durations in nanoseconds that merges exactly.
///
/// All of it is integers, so neither the order of recording nor that of merging can be seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire")]
pub struct Distribution {
    count: u64,
    sum_ns: u128,
    /// `u64::MAX` and `0` as long as there are no values.
    min_ns: u64,
    max_ns: u64,
    /// The sum of squares modulo 2^128: what overflowed cancels out again, see [`Distribution::stddev_ns`].
    squares: u128,
    histogram: Histogram,
}

impl Distribution {
    /// One without values.
    pub fn new() -> Distribution {
        let histogram = Histogram::new();
        Distribution { count: 0, sum_ns: 0, min_ns: u64::MAX, max_ns: 0, squares: 0, histogram }
    }

    /// Adds a value.
    #[inline]
    pub fn record(&mut self, ns: u64) {
        // Saturating only for states that were made up: nobody records 2^64 values.
        self.count = self.count.saturating_add(1);
        self.sum_ns = self.sum_ns.saturating_add(u128::from(ns));
        self.min_ns = self.min_ns.min(ns);
        self.max_ns = self.max_ns.max(ns);
        self.squares = self.squares.wrapping_add(u128::from(ns) * u128::from(ns));
        self.histogram.record(ns);
    }

    /// Adds all values of the other one.
    pub fn merge(&mut self, other: Distribution) {
        self.count = self.count.saturating_add(other.count);
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.min_ns = self.min_ns.min(other.min_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
        self.squares = self.squares.wrapping_add(other.squares);
        self.histogram.merge(other.histogram);
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The exact sum.
    pub fn sum_ns(&self) -> u128 {
        self.sum_ns
    }

    /// The exact smallest value.
    pub fn min_ns(&self) -> Option<u64> {
        (!self.is_empty()).then_some(self.min_ns)
    }

    /// The exact largest value.
    pub fn max_ns(&self) -> Option<u64> {
        (!self.is_empty()).then_some(self.max_ns)
    }

    /// The exact sum, divided.
    pub fn mean_ns(&self) -> Option<f64> {
        (!self.is_empty()).then(|| self.sum_ns as f64 / self.count as f64)
    }

    /// The standard deviation of a sample, 0 for a single value.
    ///
    /// Exact but for the last rounding. Only where the squares could exceed 2^127 in sum (a
    /// thousand values that differ by a year do not, a hundred million do) the buckets of the
    /// histogram are taken for the values; above `i64::MAX` those know nothing but the maximum.
    pub fn stddev_ns(&self) -> Option<f64> {
        match self.count {
            0 => None,
            1 => Some(0.0),
            n => Some((self.squared_deviations() / (n - 1) as f64).sqrt()),
        }
    }

    /// The value of nearest rank: see [`Distribution::quantiles_ns`].
    pub fn quantile_ns(&self, quantile: f64) -> Option<u64> {
        self.quantiles_ns(&[quantile]).map(|values| values[0])
    }

    /// The values of nearest rank, at most 0.1 % too high and never beyond the exact extremes.
    ///
    /// As many as were asked for, in that order; `None` if there are no values.
    pub fn quantiles_ns(&self, quantiles: &[f64]) -> Option<Vec<u64>> {
        if self.is_empty() {
            return None;
        }
        let mut values = self.histogram.quantiles(quantiles);
        for value in &mut values {
            // The top bucket also has what is above `i64::MAX`.
            *value = (*value).clamp(self.min_ns, self.max_ns);
        }
        Some(values)
    }

    /// The values as the histogram knows them, for whoever compares whole distributions.
    pub fn histogram(&self) -> &Histogram {
        &self.histogram
    }

    /// The sum of (x - mean)², for at least one value.
    fn squared_deviations(&self) -> f64 {
        let n = u128::from(self.count);
        let range = u128::from(self.max_ns - self.min_ns);
        if (range * range).checked_mul(n).is_none_or(|most| most > 1 << 127) {
            return self.squared_deviations_of_buckets();
        }
        // With q = ⌊mean⌋ and r = sum - n·q the sum of (x - q)² is S2 - 2·q·S + n·q². Each term may
        // wrap, the result does not; r²/n is what q is short of the mean.
        let (q, r) = (self.sum_ns / n, self.sum_ns % n);
        let around_q = self
            .squares
            .wrapping_sub(q.wrapping_mul(self.sum_ns).wrapping_mul(2))
            .wrapping_add(q.wrapping_mul(q).wrapping_mul(n));
        // Whole numbers are subtracted as such: only what is left is a float.
        let whole = around_q.saturating_sub(r * r / n);
        (whole as f64 - (r * r % n) as f64 / n as f64).max(0.0)
    }

    fn squared_deviations_of_buckets(&self) -> f64 {
        let mean = self.sum_ns as f64 / self.count as f64;
        let square = |ns: u64, count: u64| (ns as f64 - mean).powi(2) * count as f64;
        let mut sum = 0.0;
        // In rising order always, so that the order of addition does not show.
        for bucket in self.histogram.buckets() {
            let middle = bucket.lowest_ns.midpoint(bucket.highest_ns);
            sum += square(middle.clamp(self.min_ns, self.max_ns), bucket.count);
        }
        sum
    }
}

impl Default for Distribution {
    fn default() -> Distribution {
        Distribution::new()
    }
}

/// A distribution as it was written, not yet believed.
#[derive(Deserialize)]
struct Wire {
    count: u64,
    sum_ns: u128,
    min_ns: u64,
    max_ns: u64,
    squares: u128,
    histogram: Histogram,
}

impl TryFrom<Wire> for Distribution {
    type Error = &'static str;

    fn try_from(wire: Wire) -> Result<Distribution, &'static str> {
        let Wire { count, sum_ns, min_ns, max_ns, squares, histogram } = wire;
        let read = Distribution { count, sum_ns, min_ns, max_ns, squares, histogram };
        if read.histogram.count() != count {
            return Err("a distribution must count what its histogram counts");
        }
        if count == 0 {
            return if read == Distribution::new() {
                Ok(read)
            } else {
                Err("a distribution of nothing has no extremes")
            };
        }
        let n = u128::from(count);
        if min_ns > max_ns || sum_ns < n * u128::from(min_ns) || sum_ns > n * u128::from(max_ns) {
            return Err("the mean of a distribution must lie between its extremes");
        }
        Ok(read)
    }
}

/// What the report says of durations; `null` where there are none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DurationStats {
    /// The mean.
    pub mean_ms: Option<f64>,
    /// Half of the durations are no longer.
    pub median_ms: Option<f64>,
    /// The shortest.
    pub min_ms: Option<f64>,
    /// The longest.
    pub max_ms: Option<f64>,
    /// Nine in ten are no longer.
    pub p90_ms: Option<f64>,
    /// Nineteen in twenty are no longer.
    pub p95_ms: Option<f64>,
    /// Ninety-nine in a hundred are no longer.
    pub p99_ms: Option<f64>,
    /// The standard deviation of the sample.
    pub stddev_ms: Option<f64>,
    /// All of them together, 0 if there are none.
    pub total_ms: Option<f64>,
}

impl DurationStats {
    /// What there is to say of these durations.
    pub fn of(durations: &Distribution) -> DurationStats {
        let quantiles = durations.quantiles_ns(&[0.5, 0.9, 0.95, 0.99]);
        let quantile_ms = |idx: usize| quantiles.as_ref().map(|values| ms(values[idx]));
        DurationStats {
            mean_ms: durations.mean_ns().map(ms_rounded),
            median_ms: quantile_ms(0),
            min_ms: durations.min_ns().map(ms),
            max_ms: durations.max_ns().map(ms),
            p90_ms: quantile_ms(1),
            p95_ms: quantile_ms(2),
            p99_ms: quantile_ms(3),
            stddev_ms: durations.stddev_ns().map(ms_rounded),
            total_ms: Some(ms(i128::try_from(durations.sum_ns()).unwrap_or(i128::MAX))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn distribution(values: &[u64]) -> Distribution {
        let mut distribution = Distribution::new();
        values.iter().for_each(|&it| distribution.record(it));
        distribution
    }

    fn bytes(distribution: &Distribution) -> Vec<u8> {
        postcard::to_stdvec(distribution).unwrap()
    }

    /// Usual durations far from zero, and everything.
    fn values() -> impl Strategy<Value = Vec<u64>> {
        let usual = prop::collection::vec(1_000_000_000u64..1_000_001_000, 0..600);
        prop_oneof![usual, prop::collection::vec(any::<u64>(), 0..300)]
    }

    /// Two passes over the values, each relative to the first so that nothing is cancelled.
    fn reference_stddev(values: &[u64]) -> f64 {
        let first = values[0];
        let offsets: Vec<f64> = values.iter().map(|&it| (i128::from(it) - i128::from(first)) as f64).collect();
        let mean = offsets.iter().sum::<f64>() / offsets.len() as f64;
        let squares: f64 = offsets.iter().map(|it| (it - mean).powi(2)).sum();
        (squares / (offsets.len() - 1) as f64).sqrt()
    }

    fn close(found: f64, expected: f64, tolerance: f64) -> bool {
        (found - expected).abs() <= tolerance * expected.abs()
    }

    #[test]
    fn nothing_has_no_mean_and_a_total_of_0() {
        let stats = DurationStats::of(&Distribution::default());
        assert_eq!(
            serde_json::to_string(&stats).unwrap(),
            r#"{"mean_ms":null,"median_ms":null,"min_ms":null,"max_ms":null,"p90_ms":null,"p95_ms":null,"p99_ms":null,"stddev_ms":null,"total_ms":0.0}"#
        );
    }

    #[test]
    fn a_single_value_is_all_there_is_and_deviates_by_0() {
        let stats = DurationStats::of(&distribution(&[1_234_567]));
        assert_eq!(stats.stddev_ms, Some(0.0));
        for found in [stats.mean_ms, stats.median_ms, stats.min_ms, stats.max_ms, stats.p99_ms, stats.total_ms] {
            assert_eq!(found, Some(1.234567));
        }
    }

    #[test]
    fn the_deviation_is_that_of_a_sample() {
        let few = distribution(&[2, 4, 4, 4, 5, 5, 7, 9]);
        assert_eq!(few.mean_ns(), Some(5.0));
        assert_eq!(few.stddev_ns(), Some((32.0f64 / 7.0).sqrt()));
    }

    #[test]
    fn a_small_deviation_of_large_values_is_not_cancelled() {
        let year_ns = 31_536_000_000_000_000;
        let close_by = distribution(&[year_ns, year_ns + 1, year_ns + 2]);
        assert_eq!(close_by.stddev_ns(), Some(1.0));
        assert_eq!(distribution(&[u64::MAX; 1000]).stddev_ns(), Some(0.0));
    }

    #[test]
    fn squares_that_do_not_fit_are_taken_from_the_buckets() {
        // Each half a range away from the mean: sqrt(n / (n - 1)) times that.
        let far = distribution(&[vec![0; 500], vec![i64::MAX as u64; 500]].concat());
        let expected = i64::MAX as f64 / 2.0 * (1000.0f64 / 999.0).sqrt();
        assert!(close(far.stddev_ns().unwrap(), expected, 0.001));
    }

    #[test]
    fn quantiles_stay_between_the_extremes() {
        let slow = distribution(&[1_000_000_007; 3]);
        assert_eq!(slow.quantile_ns(0.5), Some(1_000_000_007));
        assert_eq!(distribution(&[u64::MAX, u64::MAX - 1]).quantile_ns(0.5), Some(u64::MAX - 1));
        assert_eq!(slow.quantiles_ns(&[]), Some(vec![]));
    }

    #[test]
    fn nonsense_is_not_read() {
        let read = |count: u64, sum: u64, min: u64, max: u64| {
            let histogram = r#"{"buckets":[5,7],"counts":[1,1]}"#;
            let text = format!(
                r#"{{"count":{count},"sum_ns":{sum},"min_ns":{min},"max_ns":{max},"squares":74,"histogram":{histogram}}}"#
            );
            serde_json::from_str::<Distribution>(&text)
        };
        assert_eq!(read(2, 12, 5, 7).unwrap(), distribution(&[5, 7]));
        assert!(read(3, 12, 5, 7).is_err(), "the histogram counts two");
        assert!(read(2, 12, 7, 5).is_err(), "the minimum is above the maximum");
        assert!(read(2, 99, 5, 7).is_err(), "the sum is too large");
        assert!(read(0, 0, u64::MAX, 0).is_err(), "the histogram counts two");
    }

    proptest! {
        #[test]
        fn it_agrees_with_plain_references(mut values in values()) {
            let found = distribution(&values);
            let n = values.len();
            prop_assert_eq!(found.count(), n as u64);
            prop_assert_eq!(found.sum_ns(), values.iter().map(|&it| u128::from(it)).sum::<u128>());
            prop_assert_eq!(found.min_ns(), values.iter().min().copied());
            prop_assert_eq!(found.max_ns(), values.iter().max().copied());
            if n == 0 {
                prop_assert_eq!((found.mean_ns(), found.stddev_ns(), found.quantile_ns(0.5)), (None, None, None));
                return Ok(());
            }
            let mean = values.iter().map(|&it| it as f64).sum::<f64>() / n as f64;
            prop_assert!(close(found.mean_ns().unwrap(), mean, 1e-12));
            if n > 1 {
                // Where squares do not fit the buckets are taken, and those have a test of their own.
                let range = found.max_ns - found.min_ns;
                if range < 1 << 59 {
                    prop_assert!(close(found.stddev_ns().unwrap(), reference_stddev(&values), 1e-9));
                }
            }
            values.sort_unstable();
            for (quantile, percent) in [(0.0, 0), (0.5, 50), (0.9, 90), (0.95, 95), (0.99, 99), (1.0, 100)] {
                let exact = values[(n * percent).div_ceil(100).max(1) - 1];
                let found = found.quantile_ns(quantile).unwrap();
                prop_assert!(exact > i64::MAX as u64 || found.abs_diff(exact) <= exact / 1000);
            }
        }

        #[test]
        fn the_buckets_deviate_as_the_values_do(values in prop::collection::vec(0u64..1 << 40, 2..300)) {
            let found = distribution(&values);
            let of_buckets = (found.squared_deviations_of_buckets() / (values.len() - 1) as f64).sqrt();
            // The middle of a bucket is off by 0.05 % of the value at most.
            let tolerance = 0.001 * found.max_ns as f64;
            prop_assert!((of_buckets - found.stddev_ns().unwrap()).abs() <= tolerance);
        }

        #[test]
        fn order_cannot_be_seen(a in values(), b in values()) {
            let (mut forth, mut back) = (distribution(&a), distribution(&b));
            forth.merge(distribution(&b));
            back.merge(distribution(&a));
            let mut all = [a, b].concat();
            all.sort_unstable();
            for it in [&back, &distribution(&all)] {
                prop_assert_eq!(&forth, it);
                prop_assert_eq!(bytes(&forth), bytes(it));
                prop_assert_eq!(forth.stddev_ns(), it.stddev_ns());
            }
        }

        #[test]
        fn a_fresh_one_is_neutral(values in values()) {
            let recorded = distribution(&values);
            let (mut left, mut right) = (Distribution::new(), recorded.clone());
            left.merge(recorded.clone());
            right.merge(Distribution::new());
            prop_assert_eq!(bytes(&left), bytes(&recorded));
            prop_assert_eq!(bytes(&right), bytes(&recorded));
        }

        #[test]
        fn written_and_read_back_it_is_the_same(values in values()) {
            let recorded = distribution(&values);
            let read: Distribution = postcard::from_bytes(&bytes(&recorded)).unwrap();
            prop_assert_eq!(read, recorded);
        }
    }
}
