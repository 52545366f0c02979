//! The requests of one endpoint, told apart by the operations below them.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

use super::sample::Sample;

/// Nobody compares as many kinds of request under one name: beyond, something in the names of the
/// operations differs from trace to trace, and would fill the memory.
const MAX_SETS: usize = 1_024;

/// Requests alike.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Requests<K> {
    /// Main roots whose duration is known.
    pub(super) n: u64,
    /// All their durations.
    pub(super) total_ns: u128,
    pub(super) durations: Sample,
    /// What they waited on, by operation; each operation of the traces once, on the critical path or not.
    pub(super) path: Vec<(K, OnPath)>,
}

/// The part of an operation in critical paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OnPath {
    /// How many of its spans are on a path.
    pub(super) n_visits: u64,
    pub(super) total_ns: u128,
}

impl<K: Ord> Default for Requests<K> {
    fn default() -> Requests<K> {
        Requests { n: 0, total_ns: 0, durations: Sample::default(), path: Vec::new() }
    }
}

impl<K: Ord + Clone> Requests<K> {
    pub(super) fn merge(&mut self, other: Requests<K>) {
        self.n += other.n;
        self.total_ns += other.total_ns;
        self.durations.merge(other.durations);
        if self.path.is_empty() {
            self.path = other.path;
            return;
        }
        for (key, theirs) in other.path {
            match self.path.binary_search_by(|it| it.0.cmp(&key)) {
                Ok(at) => self.path[at].1.add(theirs),
                Err(at) => self.path.insert(at, (key, theirs)),
            }
        }
    }

    /// The operations of the traces.
    pub(super) fn operations(&self) -> impl Iterator<Item = &K> {
        self.path.iter().map(|it| &it.0)
    }
}

impl OnPath {
    pub(super) fn add(&mut self, other: OnPath) {
        self.n_visits += other.n_visits;
        self.total_ns += other.total_ns;
    }
}

/// Requests by a hash of the set of their operations' names; those of too many sets in one.
///
/// Kept are the sets whose hashes are smallest. A set among them at the end was among them all the
/// time, so the order of adding and merging cannot be seen.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kinds<K: Ord> {
    pub(super) by_set: BTreeMap<u128, Requests<K>>,
    pub(super) rest: Option<Requests<K>>,
}

impl<K: Ord> Default for Kinds<K> {
    fn default() -> Kinds<K> {
        Kinds { by_set: BTreeMap::new(), rest: None }
    }
}

impl<K: Ord + Clone> Kinds<K> {
    /// The requests of a set of operations; `keys` are those, sorted.
    ///
    /// A set that has no place gets the requests of all such sets, and they get its operations.
    pub(super) fn of_set(&mut self, set_hash: u128, keys: &[K]) -> &mut Requests<K> {
        let is_full = self.by_set.len() >= MAX_SETS;
        let has_place = !is_full || self.by_set.last_key_value().is_some_and(|it| set_hash <= *it.0);
        if !has_place {
            let rest = self.rest.get_or_insert_default();
            rest.merge(Requests { path: Self::empty_path(keys), ..Requests::default() });
            return rest;
        }
        if is_full && !self.by_set.contains_key(&set_hash) {
            self.evict();
        }
        self.by_set.entry(set_hash).or_insert_with(|| Requests { path: Self::empty_path(keys), ..Requests::default() })
    }

    fn empty_path(keys: &[K]) -> Vec<(K, OnPath)> {
        keys.iter().map(|it| (it.clone(), OnPath::default())).collect()
    }

    fn evict(&mut self) {
        if let Some((_, gone)) = self.by_set.pop_last() {
            self.rest.get_or_insert_default().merge(gone);
        }
    }

    pub(super) fn merge(&mut self, other: Kinds<K>) {
        for (set_hash, theirs) in other.by_set {
            match self.by_set.get_mut(&set_hash) {
                Some(mine) => mine.merge(theirs),
                None => {
                    self.by_set.insert(set_hash, theirs);
                }
            }
        }
        if let Some(theirs) = other.rest {
            self.rest.get_or_insert_default().merge(theirs);
        }
        while self.by_set.len() > MAX_SETS {
            self.evict();
        }
        // What either had no place for has none in both together.
        debug_assert!(self.rest.is_none() || self.by_set.len() == MAX_SETS, "sets are only put together when full");
    }

    /// All requests, whatever their operations.
    pub(super) fn whole(&self) -> Requests<K>
    where
        K: Hash,
    {
        let mut whole = Requests::default();
        // Keys are hashed rather than compared: names are long, and mostly met before.
        let mut path: HashMap<&K, OnPath, FixedState> = HashMap::default();
        for requests in self.by_set.values().chain(&self.rest) {
            whole.n += requests.n;
            whole.total_ns += requests.total_ns;
            whole.durations.merge(requests.durations.clone());
            for (key, on_path) in &requests.path {
                path.entry(key).or_default().add(*on_path);
            }
        }
        whole.path = path.into_iter().map(|(key, on_path)| (key.clone(), on_path)).collect();
        whole.path.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        whole.durations.settle();
        whole
    }

    pub(super) fn n(&self) -> u64 {
        self.by_set.values().chain(&self.rest).map(|it| it.n).sum()
    }

    pub(super) fn settle(&mut self) {
        self.by_set.values_mut().chain(&mut self.rest).for_each(|it| it.durations.settle());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests of sets, each of one operation named as its hash.
    fn kinds(sets: impl IntoIterator<Item = u64>) -> Kinds<u64> {
        let mut kinds = Kinds::default();
        for it in sets {
            let requests = kinds.of_set(u128::from(it), &[it]);
            requests.n += 1;
            requests.total_ns += u128::from(it);
            requests.durations.record(it, it as i64);
            let at = requests.path.binary_search_by_key(&it, |it| it.0).unwrap();
            requests.path[at].1.add(OnPath { n_visits: 1, total_ns: u128::from(it) });
        }
        kinds
    }

    fn bytes(mut kinds: Kinds<u64>) -> Vec<u8> {
        kinds.settle();
        postcard::to_stdvec(&kinds).unwrap()
    }

    #[test]
    fn the_order_of_too_many_sets_cannot_be_seen() {
        let n = MAX_SETS as u64 + 300;
        let all = bytes(kinds(0..n));
        assert_eq!(bytes(kinds((0..n).rev())), all);
        for cut in [0, 1, 300, 1_024, 1_200] {
            let mut merged = kinds(cut..n);
            merged.merge(kinds(0..cut));
            assert_eq!(bytes(merged), all, "cut at {cut}");
        }
        let whole = kinds(0..n);
        assert_eq!(whole.rest.as_ref().map(|it| it.n), Some(300));
        assert_eq!((whole.n(), whole.whole().total_ns), (n, (0..u128::from(n)).sum()));
    }
}
