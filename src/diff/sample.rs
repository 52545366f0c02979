//! A sample of bounded size: values of the traces whose ids hash smallest, the same choice on every run.

use serde::{Deserialize, Serialize};

/// How many values are kept. The intervals of a thousand values are narrow beside any tolerance worth
/// setting, and a p99 has an interval at all; every larger sample costs memory and tells no more.
pub(crate) const CAPACITY: usize = 1_024;

/// Values beyond the capacity that may wait for the next cut.
const SLACK: usize = CAPACITY / 4;

/// One value a trace, as many as there is room for.
///
/// "Bottom-k" sampling (Cohen and Kaplan, "Summarizing Data using Bottom-k Sketches", 2007): the
/// values with the k smallest hashes are a uniform sample, and which they are depends on neither order
/// nor threads. Samples of one capture hold the same traces as far as they occur in both.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub(crate) struct Sample {
    /// How many values there were.
    n: u64,
    /// The hash of each value's trace, and the value; sorted once settled.
    values: Vec<(u64, i64)>,
    /// Nothing from here on can be among the smallest any more.
    bound: Option<(u64, i64)>,
}

impl Sample {
    #[inline]
    pub(super) fn record(&mut self, trace_hash: u64, value: i64) {
        self.n += 1;
        self.offer((trace_hash, value));
    }

    #[inline]
    fn offer(&mut self, value: (u64, i64)) {
        if self.bound.is_some_and(|it| value >= it) {
            return;
        }
        self.values.push(value);
        if self.values.len() >= CAPACITY + SLACK {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.values.len() > CAPACITY {
            let (_, first_gone, _) = self.values.select_nth_unstable(CAPACITY);
            self.bound = Some(*first_gone);
            self.values.truncate(CAPACITY);
        }
    }

    /// Adds another one's values.
    pub(super) fn merge(&mut self, other: Sample) {
        self.n += other.n;
        if self.values.is_empty() && self.bound.is_none() {
            (self.values, self.bound) = (other.values, other.bound);
            return;
        }
        other.values.into_iter().for_each(|it| self.offer(it));
    }

    /// Brings it into the form that does not show how it came about.
    pub(super) fn settle(&mut self) {
        self.cut();
        self.values.sort_unstable();
        self.values.shrink_to_fit();
    }

    /// How many values there were, kept or not.
    pub(super) fn n(&self) -> u64 {
        self.n
    }

    /// The values kept, with the hashes of their traces.
    pub(super) fn hashed(&self) -> &[(u64, i64)] {
        &self.values
    }

    /// The values kept, in ascending order.
    pub(super) fn ascending(&self) -> Vec<i64> {
        let mut values: Vec<i64> = self.values.iter().map(|it| it.1).collect();
        values.sort_unstable();
        values
    }
}

/// A settled sample as it is written: the hashes apart, for they are the same in many samples and
/// a compressor sees that.
#[derive(Serialize, Deserialize)]
struct Wire {
    n: u64,
    hashes: Vec<u64>,
    values: Vec<i64>,
}

impl From<Sample> for Wire {
    fn from(sample: Sample) -> Wire {
        let (hashes, values) = sample.values.into_iter().unzip();
        Wire { n: sample.n, hashes, values }
    }
}

impl TryFrom<Wire> for Sample {
    type Error = &'static str;

    fn try_from(wire: Wire) -> Result<Sample, &'static str> {
        let Wire { n, hashes, values } = wire;
        if hashes.len() != values.len() || values.len() > CAPACITY || n < values.len() as u64 {
            return Err("a sample has as many hashes as values, and no more than there is room for");
        }
        let values: Vec<(u64, i64)> = hashes.into_iter().zip(values).collect();
        if !values.is_sorted() {
            return Err("the values of a sample are sorted by their hashes");
        }
        Ok(Sample { n, values, bound: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn settled(mut sample: Sample) -> (u64, Vec<(u64, i64)>) {
        sample.settle();
        (sample.n, sample.values)
    }

    proptest! {
        #[test]
        fn the_values_of_the_smallest_hashes_are_kept_whatever_the_order(
            values in prop::collection::vec((0u64..5_000, -9i64..9), 0..4_000),
            cut in 0usize..4_000,
        ) {
            let mut expected = values.clone();
            expected.sort_unstable();
            expected.truncate(CAPACITY);
            let record = |values: &[(u64, i64)]| {
                let mut sample = Sample::default();
                values.iter().for_each(|it| sample.record(it.0, it.1));
                sample
            };
            let (one, two) = values.split_at(cut.min(values.len()));
            let (mut forth, mut back) = (record(one), record(two));
            forth.merge(record(two));
            back.merge(record(one));
            let expected = (values.len() as u64, expected);
            prop_assert_eq!(&settled(record(&values)), &expected);
            prop_assert_eq!(&settled(forth), &expected);
            prop_assert_eq!(&settled(back.clone()), &expected);
            back.settle();
            let read: Sample = postcard::from_bytes(&postcard::to_stdvec(&back).unwrap()).unwrap();
            prop_assert_eq!(&settled(read), &expected);
        }
    }
}
