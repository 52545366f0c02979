//! A histogram with the buckets of HdrHistogram, of which only those in use are kept.

use std::borrow::Cow;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// How many buckets each doubling of the value has: three significant digits, as HdrHistogram has it.
const BUCKETS_PER_DOUBLING: u64 = 1024;

/// Below this each value has a bucket of its own.
const FIRST_ROUNDED: u64 = 2 * BUCKETS_PER_DOUBLING;

/// The bucket of `i64::MAX`; larger values are counted there too.
const LAST_BUCKET: u16 = 55_295;

/// How many values may wait to be sorted in. One that waits takes 2 bytes, and a bucket 10: what has no more
/// values than this is smallest, and fastest, without buckets.
const MIN_PENDING: usize = 2048;

/// Counts of nanoseconds in buckets at most 0.1 % wide.
///
/// A dense histogram takes 270 KB and there are thousands of these, so only buckets in use are
/// kept; an empty one allocates nothing. Equal contents are equal, and are written as equal bytes,
/// whatever the order of recording and merging.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// Buckets of values not yet counted below, in the order they came.
    pending: Vec<u16>,
    /// In rising order, each once.
    buckets: Vec<u16>,
    /// One for each of `buckets`, never 0.
    counts: Vec<u64>,
}

/// A range of values that are not told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The smallest value in the range.
    pub lowest_ns: u64,
    /// The largest value in the range.
    pub highest_ns: u64,
    /// How many values were recorded, at least one.
    pub count: u64,
}

impl Histogram {
    /// One without values.
    pub fn new() -> Histogram {
        Histogram::default()
    }

    /// Counts a value.
    #[inline]
    pub fn record(&mut self, value_ns: u64) {
        self.pending.push(bucket_of(value_ns));
        if self.pending.len() >= MIN_PENDING.max(self.buckets.len()) {
            self.compact();
        }
    }

    /// Counts a value as if it had been recorded `n` times.
    pub fn record_n(&mut self, value_ns: u64, n: u64) {
        match n {
            0 => {}
            1 => self.record(value_ns),
            _ => self.add(std::iter::once((bucket_of(value_ns), n))),
        }
    }

    /// Counts all that the other one counted.
    pub fn merge(&mut self, other: Histogram) {
        if self.buckets.is_empty() {
            (self.buckets, self.counts) = (other.buckets, other.counts);
        } else if !other.buckets.is_empty() {
            self.add(pairs(&other.buckets, &other.counts));
        }
        self.pending.extend(other.pending);
        if self.pending.len() >= MIN_PENDING.max(self.buckets.len()) {
            self.compact();
        }
    }

    /// How many values were recorded.
    pub fn count(&self) -> u64 {
        let counted = self.counts.iter().fold(0u64, |sum, &n| sum.saturating_add(n));
        counted.saturating_add(self.pending.len() as u64)
    }

    /// The values of nearest rank: that of rank ⌈q·n⌉, and of rank 1 at least, as the highest
    /// value of its bucket. 0 where nothing was recorded.
    ///
    /// This is what HdrHistogram answers, but the rank is computed in integers (its `f64` is off
    /// for 0.07 of 100 values) and no dense copy is made. Quantiles are taken to nine decimals.
    pub fn quantiles(&self, quantiles: &[f64]) -> Vec<u64> {
        if self.buckets.is_empty() && !self.pending.is_empty() {
            let mut sorted = self.pending.clone();
            sort(&mut sorted);
            let at = |quantile: f64| sorted[(rank(quantile, sorted.len() as u128) - 1) as usize];
            return quantiles.iter().map(|it| range_of(at(*it)).1).collect();
        }
        let whole = self.compacted();
        let n_values = whole.counts.iter().map(|&n| u128::from(n)).sum();
        let ranks: Vec<u128> = quantiles.iter().map(|&it| rank(it, n_values)).collect();
        whole.values_at_ranks(&ranks)
    }

    /// The buckets in use, in rising order.
    pub fn buckets(&self) -> Vec<Bucket> {
        let whole = self.compacted();
        let bucket = |(bucket, count)| {
            let (lowest_ns, highest_ns) = range_of(bucket);
            Bucket { lowest_ns, highest_ns, count }
        };
        pairs(&whole.buckets, &whole.counts).map(bucket).collect()
    }

    /// The values of these ranks, found in one go where they rise.
    fn values_at_ranks(&self, ranks: &[u128]) -> Vec<u64> {
        let mut values = Vec::with_capacity(ranks.len());
        let (mut idx, mut n_before) = (0, 0u128);
        let mut last_rank = 0;
        for &rank in ranks {
            if rank < last_rank {
                (idx, n_before) = (0, 0);
            }
            last_rank = rank;
            while idx < self.counts.len() && n_before + u128::from(self.counts[idx]) < rank {
                n_before += u128::from(self.counts[idx]);
                idx += 1;
            }
            values.push(self.buckets.get(idx).map_or(0, |&it| range_of(it).1));
        }
        values
    }

    /// The same with nothing pending.
    fn compacted(&self) -> Cow<'_, Histogram> {
        if self.pending.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut whole = self.clone();
        whole.compact();
        Cow::Owned(whole)
    }

    fn compact(&mut self) {
        let mut pending = std::mem::take(&mut self.pending);
        sort(&mut pending);
        self.add(pending.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u64)));
        // Kept for the values to come: it is no larger than the buckets are.
        pending.clear();
        self.pending = pending;
    }

    /// Adds counts of buckets, which come in rising order, each once.
    fn add(&mut self, more: impl Iterator<Item = (u16, u64)>) {
        // Most have been met before; the others are gathered and make room for themselves at once.
        let mut unmet = Vec::new();
        let mut idx = 0;
        for (bucket, count) in more {
            while idx < self.buckets.len() && self.buckets[idx] < bucket {
                idx += 1;
            }
            if self.buckets.get(idx) == Some(&bucket) {
                self.counts[idx] = self.counts[idx].saturating_add(count);
            } else {
                unmet.push((bucket, count));
            }
        }
        let (mut from, mut to) = (self.buckets.len(), self.buckets.len() + unmet.len());
        self.buckets.reserve_exact(unmet.len());
        self.buckets.resize(to, 0);
        self.counts.reserve_exact(unmet.len());
        self.counts.resize(to, 0);
        // From the back, so that nothing is overwritten before it has moved.
        for (bucket, count) in unmet.into_iter().rev() {
            while from > 0 && self.buckets[from - 1] > bucket {
                (from, to) = (from - 1, to - 1);
                self.buckets[to] = self.buckets[from];
                self.counts[to] = self.counts[from];
            }
            to -= 1;
            (self.buckets[to], self.counts[to]) = (bucket, count);
        }
    }
}

impl PartialEq for Histogram {
    fn eq(&self, other: &Histogram) -> bool {
        let (ours, theirs) = (self.compacted(), other.compacted());
        ours.buckets == theirs.buckets && ours.counts == theirs.counts
    }
}

impl Eq for Histogram {}

/// What is written: nothing pending.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    buckets: Cow<'a, [u16]>,
    counts: Cow<'a, [u64]>,
}

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let whole = self.compacted();
        let (buckets, counts) = (Cow::from(&whole.buckets), Cow::from(&whole.counts));
        Wire { buckets, counts }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Histogram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Histogram, D::Error> {
        let Wire { buckets, counts } = Wire::deserialize(deserializer)?;
        if buckets.len() != counts.len() {
            return Err(D::Error::custom("a histogram needs one count for each bucket"));
        }
        if !buckets.is_sorted_by(|a, b| a < b) {
            return Err(D::Error::custom("the buckets of a histogram must rise"));
        }
        if buckets.last().is_some_and(|&last| last > LAST_BUCKET) {
            return Err(D::Error::custom("a histogram has no such bucket"));
        }
        if counts.contains(&0) {
            return Err(D::Error::custom("a histogram keeps no empty buckets"));
        }
        let (buckets, counts) = (buckets.into_owned(), counts.into_owned());
        Ok(Histogram { pending: Vec::new(), buckets, counts })
    }
}

fn pairs<'a>(buckets: &'a [u16], counts: &'a [u64]) -> impl Iterator<Item = (u16, u64)> + 'a {
    buckets.iter().copied().zip(counts.iter().copied())
}

/// The bucket a value falls into: HdrHistogram's index of it.
#[inline]
fn bucket_of(value: u64) -> u16 {
    let value = value.min(i64::MAX as u64);
    // How many low bits are not told apart.
    let shift = (FIRST_ROUNDED - 1).leading_zeros() - (value | (FIRST_ROUNDED - 1)).leading_zeros();
    (u64::from(shift) * BUCKETS_PER_DOUBLING + (value >> shift)) as u16
}

/// HdrHistogram's own arithmetic of buckets: asked for the value a bucket stands for, never recorded into.
static GEOMETRY: LazyLock<hdrhistogram::Histogram<u8>> =
    LazyLock::new(|| hdrhistogram::Histogram::new_with_max(i64::MAX as u64, 3).expect("three digits are allowed"));

/// The lowest and the highest value in a bucket.
fn range_of(bucket: u16) -> (u64, u64) {
    let bucket = u64::from(bucket);
    if bucket < FIRST_ROUNDED {
        return (bucket, bucket);
    }
    let shift = bucket / BUCKETS_PER_DOUBLING - 1;
    let lowest = (bucket % BUCKETS_PER_DOUBLING + BUCKETS_PER_DOUBLING) << shift;
    (lowest, GEOMETRY.highest_equivalent(lowest))
}

/// Sorts by the low byte, then by the high one: a third of the time a comparing sort takes.
fn sort(buckets: &mut Vec<u16>) {
    let mut sorted = vec![0; buckets.len()];
    for byte in [0, 1] {
        let mut positions = [0u32; 256];
        for bucket in &*buckets {
            positions[usize::from(bucket.to_le_bytes()[byte])] += 1;
        }
        let mut position = 0;
        for it in &mut positions {
            position += std::mem::replace(it, position);
        }
        for &bucket in &*buckets {
            let position = &mut positions[usize::from(bucket.to_le_bytes()[byte])];
            sorted[*position as usize] = bucket;
            *position += 1;
        }
        std::mem::swap(buckets, &mut sorted);
    }
}

/// ⌈q·n⌉, counted from 1, without the rounding of a product of floats.
fn rank(quantile: f64, n_values: u128) -> u128 {
    const BILLION: u128 = 1_000_000_000;
    let billionths = (quantile.clamp(0.0, 1.0) * BILLION as f64).round() as u128;
    (billionths * n_values).div_ceil(BILLION).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the report asks for, with the same as a fraction.
    const QUANTILES: [(f64, usize, usize); 4] = [(0.5, 1, 2), (0.9, 9, 10), (0.95, 19, 20), (0.99, 99, 100)];

    /// Nanoseconds of every magnitude.
    fn values() -> impl Strategy<Value = Vec<u64>> {
        let value = (0u32..64).prop_flat_map(|bits| (1u64 << bits >> 1)..=(u64::MAX >> (63 - bits)));
        // Past the first compaction and past the second.
        let value = prop_oneof![value, 0u64..4000].boxed();
        prop_oneof![prop::collection::vec(value.clone(), 0..300), prop::collection::vec(value, 0..3 * MIN_PENDING)]
    }

    fn histogram(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        values.iter().for_each(|&it| histogram.record(it));
        histogram
    }

    fn dense(sparse: &Histogram) -> hdrhistogram::Histogram<u64> {
        let mut dense = hdrhistogram::Histogram::new(3).unwrap();
        dense.auto(true);
        for bucket in sparse.buckets() {
            dense.record_n(bucket.lowest_ns, bucket.count).unwrap();
        }
        dense
    }

    fn bytes(histogram: &Histogram) -> Vec<u8> {
        postcard::to_stdvec(histogram).unwrap()
    }

    #[test]
    fn an_empty_one_allocates_nothing() {
        let mut empty = Histogram::new();
        empty.merge(Histogram::new());
        assert_eq!(empty.pending.capacity() + empty.buckets.capacity() + empty.counts.capacity(), 0);
        assert_eq!(empty.quantiles(&[0.5]), [0]);
    }

    #[test]
    fn the_buckets_are_those_of_hdrhistogram() {
        let theirs = hdrhistogram::Histogram::<u64>::new_with_max(i64::MAX as u64, 3).unwrap();
        let mut next = 0;
        for bucket in 0..=LAST_BUCKET {
            let (lowest, highest) = range_of(bucket);
            assert_eq!(lowest, next, "no gap before bucket {bucket}");
            assert_eq!((bucket_of(lowest), bucket_of(highest)), (bucket, bucket));
            assert_eq!(theirs.lowest_equivalent(highest), lowest);
            assert_eq!(theirs.highest_equivalent(lowest), highest);
            next = highest + 1;
        }
        assert_eq!(next, 1 << 63);
        assert_eq!(bucket_of(u64::MAX), LAST_BUCKET);
    }

    #[test]
    fn hdrhistogram_and_we_choose_the_same_rank() {
        // The rank alone, as hdrhistogram computes it: a histogram for each n would take hours.
        let theirs = |quantile: f64, n: u64| (quantile * n as f64).ceil() as u128;
        let large = (20..46).flat_map(|bits| (1u64 << bits) - 400..(1 << bits) + 400);
        for n in (1..200_000).chain(large) {
            for (quantile, part, whole) in QUANTILES {
                let exact = (u128::from(n) * part as u128).div_ceil(whole as u128);
                assert_eq!(rank(quantile, n.into()), exact, "{quantile} of {n}");
                assert_eq!(theirs(quantile, n), exact, "{quantile} of {n}");
            }
        }
    }

    #[test]
    fn the_float_rank_of_hdrhistogram_is_off_elsewhere() {
        // Why the rank is computed in integers here.
        assert_eq!((0.07 * 100.0f64).ceil(), 8.0);
        assert_eq!(rank(0.07, 100), 7);
        let odd = (1u64 << 53) + 1;
        assert_eq!((0.5 * odd as f64).ceil() as u64, 1 << 52);
        assert_eq!(rank(0.5, odd.into()), (1 << 52) + 1);
    }

    #[test]
    fn quantiles_out_of_range_are_the_first_and_the_last() {
        let few = histogram(&[1, 2, 3]);
        assert_eq!(few.quantiles(&[-1.0, 0.0, f64::NAN, 1.0, 7.0]), [1, 1, 1, 3, 3]);
    }

    #[test]
    fn counts_that_overflow_are_no_panic() {
        let mut full = histogram(&[5]);
        full.record_n(5, u64::MAX);
        full.record_n(7, u64::MAX);
        full.record_n(9, 0);
        assert_eq!(full.count(), u64::MAX);
        assert_eq!(full.quantiles(&[0.5, 0.51]), [5, 7]);
    }

    #[test]
    fn nonsense_is_not_read() {
        let read = |text: &str| serde_json::from_str::<Histogram>(text).map_err(|err| err.to_string());
        assert!(read(r#"{"buckets":[1,2],"counts":[1,1]}"#).is_ok());
        for (text, why) in [
            (r#"{"buckets":[1,2],"counts":[1]}"#, "one count for each"),
            (r#"{"buckets":[2,1],"counts":[1,1]}"#, "must rise"),
            (r#"{"buckets":[2,2],"counts":[1,1]}"#, "must rise"),
            (r#"{"buckets":[55296],"counts":[1]}"#, "no such bucket"),
            (r#"{"buckets":[1,2],"counts":[1,0]}"#, "no empty buckets"),
        ] {
            let err = read(text).unwrap_err();
            assert!(err.contains(why), "{text}: {err}");
        }
    }

    proptest! {
        // A case is up to 1200 values with a strategy each: slow to make, not to count.
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn quantiles_are_within_a_thousandth_of_the_sorted_values(mut values in values()) {
            let histogram = histogram(&values);
            values.sort_unstable();
            prop_assert_eq!(histogram.count(), values.len() as u64);
            for (quantile, part, whole) in QUANTILES {
                let found = histogram.quantiles(&[quantile])[0];
                let rank = (values.len() * part).div_ceil(whole);
                let exact = rank.checked_sub(1).map_or(0, |idx| values[idx]).min(i64::MAX as u64);
                prop_assert!(found >= exact);
                prop_assert!(found - exact <= exact / 1000, "{} for {}", found, exact);
            }
        }

        #[test]
        fn hdrhistogram_answers_the_same(values in values()) {
            let sparse = histogram(&values);
            let dense = dense(&sparse);
            prop_assert_eq!(dense.len(), sparse.count());
            for (quantile, ..) in QUANTILES {
                prop_assert_eq!(sparse.quantiles(&[quantile]), [dense.value_at_quantile(quantile)]);
            }
        }

        #[test]
        fn order_cannot_be_seen(a in values(), b in values()) {
            let (mut forth, mut back) = (histogram(&a), histogram(&b));
            forth.merge(histogram(&b));
            back.merge(histogram(&a));
            let mut all = [a, b].concat();
            all.sort_unstable();
            let mut counted = Histogram::new();
            for run in all.chunk_by(|a, b| a == b) {
                counted.record_n(run[0], run.len() as u64);
            }
            for it in [&back, &counted, &histogram(&all)] {
                prop_assert_eq!(&forth, it);
                prop_assert_eq!(bytes(&forth), bytes(it));
            }
        }

        #[test]
        fn a_fresh_one_is_neutral(values in values()) {
            let recorded = histogram(&values);
            let (mut left, mut right) = (Histogram::new(), recorded.clone());
            left.merge(recorded.clone());
            right.merge(Histogram::new());
            prop_assert_eq!(bytes(&left), bytes(&recorded));
            prop_assert_eq!(bytes(&right), bytes(&recorded));
        }

        #[test]
        fn written_and_read_back_it_is_the_same(values in values()) {
            let recorded = histogram(&values);
            let read: Histogram = postcard::from_bytes(&bytes(&recorded)).unwrap();
            prop_assert_eq!(read, recorded);
        }
    }
}
