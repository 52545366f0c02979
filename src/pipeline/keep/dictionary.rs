//! What recurs from span to span, by number.

use std::collections::HashMap;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::model::Name;

/// Names, processes and short values, each kept once.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    hasher: FixedState,
    names: Vec<Name>,
    by_name: HashMap<Name, u32, FixedState>,
    processes: Texts,
    values: Texts,
}

/// Byte strings one behind the other, found by content.
#[derive(Debug, Default)]
struct Texts {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    by_content: HashTable<u32>,
}

/// Longer values rarely recur, shorter ones take no more than their number.
const LENGTHS: std::ops::RangeInclusive<usize> = 3..=64;

/// Values that recur were met among the first so many, whatever came between them.
const MOST_VALUES: usize = 1 << 16;

impl Dictionary {
    pub(super) fn name(&mut self, name: Name) -> u32 {
        let next = self.names.len() as u32;
        let number = *self.by_name.entry(name).or_insert(next);
        if number == next {
            self.names.push(name);
        }
        number
    }

    pub(super) fn name_of(&self, number: u32) -> Name {
        self.names[number as usize]
    }

    pub(super) fn process(&mut self, written: &[u8]) -> u32 {
        self.processes.number(&self.hasher, written, usize::MAX).expect("there is no limit")
    }

    pub(super) fn process_of(&self, number: u32) -> &[u8] {
        self.processes.get(number)
    }

    /// The number of a value, if it is worth one.
    pub(super) fn value(&mut self, text: &str) -> Option<u32> {
        if LENGTHS.contains(&text.len()) {
            self.values.number(&self.hasher, text.as_bytes(), MOST_VALUES)
        } else {
            None
        }
    }

    pub(super) fn value_of(&self, number: u32) -> &str {
        std::str::from_utf8(self.values.get(number)).expect("it was a text when it was kept")
    }
}

impl Texts {
    fn get(&self, number: u32) -> &[u8] {
        let number = number as usize;
        let start = number.checked_sub(1).map_or(0, |it| self.ends[it]);
        &self.bytes[start..self.ends[number]]
    }

    /// The number of these bytes; none if they are new and there are `most` already.
    fn number(&mut self, hasher: &FixedState, bytes: &[u8], most: usize) -> Option<u32> {
        let hash = hasher.hash_one(bytes);
        if let Some(number) = self.by_content.find(hash, |it| self.get(*it) == bytes) {
            return Some(*number);
        }
        let number = self.ends.len();
        if number >= most {
            return None;
        }
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
        let Texts { by_content, ends, bytes: all, .. } = self;
        let content = |it: &u32| {
            let start = (*it as usize).checked_sub(1).map_or(0, |it| ends[it]);
            hasher.hash_one(&all[start..ends[*it as usize]])
        };
        by_content.insert_unique(hash, number as u32, content);
        Some(number as u32)
    }
}
