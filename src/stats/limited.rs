//! Rows by key, all put into one where there are too many to be of use.
//!
//! What decides is how many different keys there ever were, not when they came: the order of adding
//! and merging cannot be seen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Nobody reads as many different messages of one operation: beyond, they hold something that
/// differs from call to call, and would fill the memory.
pub const LIMIT: usize = 1_000;

/// Something that adds up, in any order.
pub trait Merge {
    /// Adds another one.
    fn merge(&mut self, other: Self);
}

/// A number of things.
impl Merge for u64 {
    fn merge(&mut self, other: u64) {
        *self += other;
    }
}

/// Rows of up to [`LIMIT`] keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Limited<K: Ord, V> {
    /// Empty once there is a `rest`.
    rows: BTreeMap<K, V>,
    rest: Option<V>,
}

impl<K: Ord, V> Default for Limited<K, V> {
    fn default() -> Limited<K, V> {
        Limited { rows: BTreeMap::new(), rest: None }
    }
}

impl<K: Ord, V: Merge> Limited<K, V> {
    /// Adds to the row of this key.
    pub fn add(&mut self, key: K, value: V) {
        if self.rest.is_some() {
            return self.add_to_rest(value);
        }
        if let Some(row) = self.rows.get_mut(&key) {
            return row.merge(value);
        }
        self.rows.insert(key, value);
        if self.rows.len() > LIMIT {
            self.put_into_one();
        }
    }

    /// Adds another one's rows.
    pub fn merge(&mut self, other: Limited<K, V>) {
        for (key, value) in other.rows {
            self.add(key, value);
        }
        if let Some(rest) = other.rest {
            self.put_into_one();
            self.add_to_rest(rest);
        }
    }

    /// The rows by key; `None` for the one that has all.
    pub fn rows(&self) -> impl Iterator<Item = (Option<&K>, &V)> {
        self.rows.iter().map(|(key, value)| (Some(key), value)).chain(self.rest.iter().map(|it| (None, it)))
    }

    /// [`Limited::rows`], taken out.
    pub fn into_rows(self) -> impl Iterator<Item = (Option<K>, V)> {
        let rest = self.rest.map(|it| (None, it));
        self.rows.into_iter().map(|(key, value)| (Some(key), value)).chain(rest)
    }

    fn put_into_one(&mut self) {
        for value in std::mem::take(&mut self.rows).into_values() {
            self.add_to_rest(value);
        }
    }

    fn add_to_rest(&mut self, value: V) {
        match &mut self.rest {
            Some(rest) => rest.merge(value),
            rest => *rest = Some(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(keys: impl IntoIterator<Item = usize>) -> Limited<usize, u64> {
        let mut limited = Limited::default();
        keys.into_iter().for_each(|it| limited.add(it, 1));
        limited
    }

    fn rows(limited: Limited<usize, u64>) -> Vec<(Option<usize>, u64)> {
        limited.into_rows().collect()
    }

    #[test]
    fn as_many_keys_as_allowed_have_rows_of_their_own() {
        let full = rows(limited((0..LIMIT).chain(0..1)));
        assert_eq!(full.len(), LIMIT);
        assert_eq!(full[..2], [(Some(0), 2), (Some(1), 1)]);
    }

    #[test]
    fn one_more_puts_all_into_one_for_good() {
        let all = LIMIT as u64 + 1;
        assert_eq!(rows(limited(0..=LIMIT)), [(None, all)]);
        assert_eq!(rows(limited((0..=LIMIT).chain(0..2))), [(None, all + 2)]);
    }

    #[test]
    fn the_order_of_merging_cannot_be_seen() {
        let parts = [0..LIMIT, LIMIT / 2..LIMIT + 1, 0..1, 0..0, 0..LIMIT + 5];
        let all = rows(limited(parts.iter().cloned().flatten()));
        for first in 0..parts.len() {
            let mut merged = Limited::default();
            for it in 0..parts.len() {
                merged.merge(limited(parts[(first + it) % parts.len()].clone()));
            }
            assert_eq!(rows(merged), all);
        }
    }
}
