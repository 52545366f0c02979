//! Like with like: values of both captures in the same mix of endpoints.
//!
//! What an operation takes depends on what it is called for. Were all its values compared, more requests
//! of an expensive kind would look like a slow operation. So each capture gives, of every endpoint, as
//! many values as make its share the same in both: the smaller of the two shares.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::FixedState;

use super::collection::{Collection, RequestKind};
use super::sample::Sample;

/// Which endpoint each trace of both captures belongs to, as far as samples have it.
#[derive(Debug)]
pub(super) struct Alike {
    before: HashMap<u64, usize, FixedState>,
    after: HashMap<u64, usize, FixedState>,
}

/// Values in the same mix.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Values {
    /// In ascending order.
    pub(super) before: Vec<i64>,
    /// In ascending order.
    pub(super) after: Vec<i64>,
}

impl Alike {
    /// By the places that kinds of requests have among the endpoints.
    pub(super) fn new(before: &Collection, after: &Collection, places: &BTreeMap<RequestKind, usize>) -> Alike {
        let side = |it: &Collection| {
            let place = |number: u32| it.kinds.get(number as usize).and_then(|kind| places.get(kind));
            it.kind_of.iter().filter_map(|(hash, number)| Some((*hash, *place(*number)?))).collect()
        };
        Alike { before: side(before), after: side(after) }
    }

    /// The values of two samples, as many of each endpoint as have a counterpart.
    pub(super) fn values(&self, before: &Sample, after: &Sample) -> Values {
        // Which endpoint, then the values in the order of their traces' hashes: any first few are a sample.
        let mut endpoints: BTreeMap<Option<usize>, (Vec<i64>, Vec<i64>)> = BTreeMap::new();
        for (hash, value) in before.hashed() {
            endpoints.entry(self.before.get(hash).copied()).or_default().0.push(*value);
        }
        for (hash, value) in after.hashed() {
            endpoints.entry(self.after.get(hash).copied()).or_default().1.push(*value);
        }
        let (n_before, n_after) = (before.hashed().len(), after.hashed().len());
        let mut values = Values::default();
        for (mut of_before, mut of_after) in endpoints.into_values() {
            let (n1, n2) = (of_before.len(), of_after.len());
            // n1 / n_before or n2 / n_after, whichever is less, of either side.
            of_before.truncate((n2 * n_before).checked_div(n_after).unwrap_or(0));
            of_after.truncate((n1 * n_after).checked_div(n_before).unwrap_or(0));
            values.before.append(&mut of_before);
            values.after.append(&mut of_after);
        }
        values.before.sort_unstable();
        values.after.sort_unstable();
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(values: &[(u64, i64)]) -> Sample {
        let mut sample = Sample::default();
        values.iter().for_each(|it| sample.record(it.0, it.1));
        sample.settle();
        sample
    }

    fn alike(before: &[(u64, usize)], after: &[(u64, usize)]) -> Alike {
        Alike { before: before.iter().copied().collect(), after: after.iter().copied().collect() }
    }

    #[test]
    fn the_smaller_share_counts() {
        // Before: 6 of endpoint 0, 2 of 1. After: 1 of 0, 3 of 1.
        let before: Vec<(u64, i64)> = (0..8).map(|it| (it, it as i64)).collect();
        let after: Vec<(u64, i64)> = (0..4).map(|it| (it, 100 + it as i64)).collect();
        let place = |values: &[(u64, i64)], from: u64| -> Vec<(u64, usize)> {
            values.iter().map(|it| (it.0, usize::from(it.0 >= from))).collect()
        };
        let found = alike(&place(&before, 6), &place(&after, 1)).values(&sample(&before), &sample(&after));
        // A quarter each: 2 of 8 and 1 of 4.
        assert_eq!(found, Values { before: vec![0, 1, 6, 7], after: vec![100, 101] });
    }

    #[test]
    fn one_endpoint_gives_all_values() {
        let values: Vec<(u64, i64)> = (0..9).map(|it| (it, 3 * it as i64)).collect();
        let all: Vec<i64> = values.iter().map(|it| it.1).collect();
        let found = alike(&[], &[]).values(&sample(&values), &sample(&values[..4]));
        assert_eq!(found, Values { before: all.clone(), after: all[..4].to_vec() });
    }

    proptest! {
        #[test]
        fn shares_are_the_same_but_for_rounding(
            before in prop::collection::vec(0usize..4, 1..200),
            after in prop::collection::vec(0usize..4, 1..200),
        ) {
            let side = |places: &[usize]| -> Vec<(u64, i64)> {
                places.iter().enumerate().map(|(nth, place)| (nth as u64, *place as i64)).collect()
            };
            let of = |places: &[usize]| -> Vec<(u64, usize)> {
                places.iter().enumerate().map(|(nth, place)| (nth as u64, *place)).collect()
            };
            let found = alike(&of(&before), &of(&after)).values(&sample(&side(&before)), &sample(&side(&after)));
            for place in 0..4 {
                let n = |values: &[i64]| values.iter().filter(|it| **it == place).count() as f64;
                let (one, other) = (n(&found.before) / before.len() as f64, n(&found.after) / after.len() as f64);
                let rounding = 1.0 / before.len() as f64 + 1.0 / after.len() as f64;
                prop_assert!((one - other).abs() <= rounding, "{place}: {one} and {other}");
            }
        }
    }
}
