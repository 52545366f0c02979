//! What is counted of each operation, found by the number that its spans bear rather than by names.

use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::FixedState;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::Span;

/// Values by a key that follows from a span's service, operation and kind.
#[derive(Clone, Debug)]
pub(super) struct ByOperation<K, V> {
    entries: Vec<(K, V)>,
    by_key: HashMap<K, u32, FixedState>,
    /// The entry of each number met. Numbers are one assembler's own: what stands here is only a guess.
    by_number: Vec<u32>,
}

impl<K, V> Default for ByOperation<K, V> {
    fn default() -> ByOperation<K, V> {
        ByOperation { entries: Vec::new(), by_key: HashMap::default(), by_number: Vec::new() }
    }
}

impl<K: Copy + Eq + Hash + Ord, V> ByOperation<K, V> {
    /// The place of a span's entry, made by `new` the first time.
    #[inline]
    pub(super) fn place(&mut self, span: &Span, key: K, new: impl FnOnce() -> V) -> usize {
        let number = span.operation_number as usize;
        if let Some(&place) = self.by_number.get(number)
            && let Some((known, _)) = self.entries.get(place as usize)
            && *known == key
        {
            return place as usize;
        }
        let place = self.place_of_key(key, new);
        if number >= self.by_number.len() {
            self.by_number.resize(number + 1, u32::MAX);
        }
        self.by_number[number] = place as u32;
        place
    }

    /// The place of a key's entry, made by `new` the first time.
    pub(super) fn place_of_key(&mut self, key: K, new: impl FnOnce() -> V) -> usize {
        let next = self.entries.len() as u32;
        let place = *self.by_key.entry(key).or_insert(next);
        if place == next {
            self.entries.push((key, new()));
        }
        place as usize
    }

    /// Whether there is an entry of a key.
    pub(super) fn contains(&self, key: &K) -> bool {
        self.by_key.contains_key(key)
    }

    /// The keys in the order of their places.
    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.entries.iter().map(|it| &it.0)
    }

    /// The key at a place.
    pub(super) fn key(&self, place: usize) -> &K {
        &self.entries[place].0
    }

    /// The value at a place.
    #[inline]
    pub(super) fn at(&mut self, place: usize) -> &mut V {
        &mut self.entries[place].1
    }

    /// Adds all of another: `merge` joins two values of one key.
    pub(super) fn merge(&mut self, other: ByOperation<K, V>, mut new: impl FnMut() -> V, merge: impl Fn(&mut V, V)) {
        for (key, theirs) in other.entries {
            let place = self.place_of_key(key, &mut new);
            merge(self.at(place), theirs);
        }
    }

    /// The entries by key.
    pub(super) fn entries(&self) -> Vec<&(K, V)> {
        let mut entries: Vec<&(K, V)> = self.entries.iter().collect();
        entries.sort_unstable_by_key(|it| it.0);
        entries
    }
}

impl<K: Copy + Eq + Hash + Ord + Serialize, V: Serialize> Serialize for ByOperation<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.entries())
    }
}

impl<'de, K: Copy + Eq + Hash + Ord + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for ByOperation<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ByOperation<K, V>, D::Error> {
        let entries = Vec::<(K, V)>::deserialize(deserializer)?;
        let by_key = entries.iter().zip(0..).map(|((key, _), place)| (*key, place)).collect();
        Ok(ByOperation { entries, by_key, by_number: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Name, sketch};

    #[test]
    fn numbers_of_several_assemblers_are_told_apart() {
        let mut counts: ByOperation<(Name, Name), u32> = ByOperation::default();
        for text in ["web a 0..10\n  db b 1..2\n  db c 3..4", "db c 0..10\n  web a 1..2\n  db b 3..4", "db b 0..1"] {
            let trace = sketch::trace(text);
            for span in trace.spans() {
                let place = counts.place(span, (span.service, span.operation), || 0);
                *counts.at(place) += 1;
            }
        }
        let found: Vec<_> = counts.entries().iter().map(|((_, name), n)| (name.as_str(), *n)).collect();
        assert_eq!(found, [("b", 3), ("c", 2), ("a", 2)]);
        let bytes = postcard::to_stdvec(&counts).unwrap();
        let mut read: ByOperation<(Name, Name), u32> = postcard::from_bytes(&bytes).unwrap();
        read.merge(counts, || 0, |mine, theirs| *mine += theirs);
        assert_eq!(read.entries().iter().map(|it| it.1).collect::<Vec<_>>(), [6, 4, 4]);
    }
}
