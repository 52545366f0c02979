//! What recurs from span to span, by number.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::ops::Range;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::model::{Attribute, Draft, Name, Text};

/// Names, processes and short values, each kept once.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    hasher: FixedState,
    names: Vec<Name>,
    by_name: HashMap<Name, u32, FixedState>,
    processes: Numbered<Vec<u8>>,
    values: Numbered<String>,
    lists: Lists,
}

/// Lists of attributes by their numbers; what varies in them is kept elsewhere.
#[derive(Debug, Default)]
struct Lists {
    all: Vec<List>,
    by_number: HashMap<u32, u32, FixedState>,
    n_bytes: usize,
}

/// What lists of attributes have in common.
#[derive(Debug)]
pub(super) struct List {
    pub(super) attributes: Vec<Attribute>,
    pub(super) text: String,
    /// Whose values are yet to come.
    pub(super) varying: Vec<Varying>,
}

/// An attribute whose value differs from list to list.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Varying {
    /// Which of the list's.
    pub(super) place: u16,
    n_tried: u16,
    n_known: u16,
}

/// Of so many values a few have to be those of others: no more of them are looked up otherwise.
const SAMPLE: u16 = 256;
const FEWEST_KNOWN: u16 = SAMPLE / 4;

impl Varying {
    fn is_looked_up(&self) -> bool {
        self.n_tried < SAMPLE || self.n_known >= FEWEST_KNOWN
    }

    fn count(&mut self, is_known: bool) {
        if self.n_tried < SAMPLE {
            self.n_tried += 1;
            self.n_known += u16::from(is_known);
        }
    }
}

/// Lists beyond so many bytes are not kept.
const MOST_BYTES_OF_LISTS: usize = 4 << 20;

/// Byte strings or texts one behind the other, found by content.
#[derive(Debug, Default)]
struct Numbered<S> {
    all: S,
    /// Where each ends.
    ends: Vec<usize>,
    by_content: HashTable<u32>,
}

/// What byte strings or texts are kept in.
trait Store: AsRef<[u8]> {
    type Piece: ?Sized + AsRef<[u8]>;

    fn add(&mut self, piece: &Self::Piece);
}

impl Store for Vec<u8> {
    type Piece = [u8];

    fn add(&mut self, piece: &[u8]) {
        self.extend_from_slice(piece);
    }
}

impl Store for String {
    type Piece = str;

    fn add(&mut self, piece: &str) {
        self.push_str(piece);
    }
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
        &self.processes.all[self.processes.range(number)]
    }

    /// The number of a value, if it is worth one.
    pub(super) fn value(&mut self, text: &str) -> Option<u32> {
        if LENGTHS.contains(&text.len()) { self.values.number(&self.hasher, text, MOST_VALUES) } else { None }
    }

    /// As [`Dictionary::value`], of the nth value of a list that varies: many of these never recur.
    pub(super) fn varying_value(&mut self, list: u32, nth: usize, text: &str) -> Option<u32> {
        if !self.lists.all[list as usize].varying[nth].is_looked_up() {
            return None;
        }
        let n_values = self.values.ends.len();
        let number = self.value(text);
        let is_known = number.is_some_and(|it| (it as usize) < n_values);
        self.lists.all[list as usize].varying[nth].count(is_known);
        number
    }

    /// The number of what these attributes have in common with others, if they are of a list that is known.
    pub(super) fn list(&mut self, draft: &Draft, attributes: &[Attribute]) -> Option<u32> {
        let Attribute { list_number: number, list_length, .. } = *attributes.first()?;
        // What was put together of several lists begins as the first of them.
        if number == 0 || attributes.len() != usize::from(list_length) {
            return None;
        }
        let Lists { all, by_number, n_bytes } = &mut self.lists;
        match by_number.get(&number) {
            Some(place) => Some(*place),
            None if *n_bytes > MOST_BYTES_OF_LISTS => None,
            None => {
                let list = List::of(draft, attributes);
                *n_bytes += list.n_bytes();
                by_number.insert(number, all.len() as u32);
                all.push(list);
                Some(all.len() as u32 - 1)
            }
        }
    }

    pub(super) fn list_of(&self, place: u32) -> &List {
        &self.lists.all[place as usize]
    }

    pub(super) fn value_of(&self, number: u32) -> &str {
        &self.values.all[self.values.range(number)]
    }
}

impl List {
    fn of(draft: &Draft, attributes: &[Attribute]) -> List {
        let mut list = List { attributes: attributes.to_vec(), text: String::new(), varying: Vec::new() };
        for (attribute, place) in list.attributes.iter_mut().zip(0..) {
            let start = list.text.len() as u32;
            if attribute.varies {
                list.varying.push(Varying { place, ..Varying::default() });
                attribute.value = Text { start, len: 0 };
            } else {
                list.text.push_str(draft.text(attribute.value));
                attribute.value.start = start;
            }
        }
        list
    }

    fn n_bytes(&self) -> usize {
        self.text.len() + size_of_val(&self.attributes[..]) + size_of_val(&self.varying[..])
    }
}

impl<S: Store> Numbered<S> {
    /// Where one stands.
    fn range(&self, number: u32) -> Range<usize> {
        let number = number as usize;
        number.checked_sub(1).map_or(0, |it| self.ends[it])..self.ends[number]
    }

    /// The number of this piece; none if it is new and there are `most` already.
    fn number(&mut self, hasher: &FixedState, piece: &S::Piece, most: usize) -> Option<u32> {
        let bytes = piece.as_ref();
        let hash = hasher.hash_one(bytes);
        if let Some(number) = self.by_content.find(hash, |it| self.all.as_ref()[self.range(*it)] == *bytes) {
            return Some(*number);
        }
        let number = self.ends.len();
        if number >= most {
            return None;
        }
        self.all.add(piece);
        self.ends.push(self.all.as_ref().len());
        let Numbered { by_content, ends, all } = self;
        let content = |it: &u32| {
            let start = (*it as usize).checked_sub(1).map_or(0, |it| ends[it]);
            hasher.hash_one(&all.as_ref()[start..ends[*it as usize]])
        };
        by_content.insert_unique(hash, number as u32, content);
        Some(number as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_recurs_is_not_looked_up_for_long() {
        let mut dictionary = Dictionary::default();
        let varying = vec![Varying::default(); 2];
        dictionary.lists.all.push(List { attributes: Vec::new(), text: String::new(), varying });
        for nth in 0..2_000 {
            let number = dictionary.varying_value(0, 0, &format!("order {nth}"));
            assert_eq!(number.is_some(), nth < usize::from(SAMPLE));
            let number = dictionary.varying_value(0, 1, ["GET", "POST"][nth % 2]).unwrap();
            assert_eq!(dictionary.value_of(number), ["GET", "POST"][nth % 2]);
        }
        assert_eq!(dictionary.values.ends.len(), usize::from(SAMPLE) + 2);
    }
}
