//! Which traces were met, so that one met twice is one.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use foldhash::fast::FixedState;

use crate::input::Place;
use crate::model::Draft;

/// What to do with a trace that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Analyze it.
    First,
    /// It was analyzed before, the very same.
    Repeat,
    /// A different copy was analyzed before: nothing can be done in this pass.
    Differs,
    /// It is kept until the end.
    Held,
}

/// Spans that come without their trace's others have no fingerprint of their own.
const LOOSE: u64 = 0;

/// The ids met so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// 24 bytes a trace, and the map's own.
    fingerprints: HashMap<u128, u64, FixedState>,
    conflicts: HashSet<u128>,
    held: HashMap<u128, Held>,
}

/// A trace of which there may be more to come.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) draft: Draft,
    /// Where its parts stood: the first place in each source.
    pub(super) places: BTreeMap<usize, Place>,
    /// Sources of loose spans only, which no copy has been counted for.
    pub(super) loose_in: BTreeSet<usize>,
    /// The whole copies, which all differ.
    fingerprints: HashSet<u64>,
}

impl Held {
    /// Whether it had to be joined out of parts that differ.
    pub(super) fn is_split(&self) -> bool {
        self.fingerprints.len() + usize::from(!self.loose_in.is_empty()) > 1
    }

    fn append(&mut self, draft: &Draft, source: usize, place: Place) {
        self.draft.append(draft);
        let first = self.places.entry(source).or_insert(place);
        *first = place.min(*first);
    }
}

impl Seen {
    /// One that keeps these traces until the end.
    pub(super) fn holding(ids: &HashSet<u128>) -> Seen {
        Seen { held: ids.iter().map(|it| (*it, Held::default())).collect(), ..Seen::default() }
    }

    /// Judges a whole trace by its fingerprint.
    pub(super) fn admit(&mut self, draft: &Draft, fingerprint: u64, source: usize, place: Place) -> Admission {
        let id = draft.key();
        // 0 is taken.
        let fingerprint = fingerprint.max(1);
        if let Some(held) = self.held.get_mut(&id) {
            if !held.fingerprints.insert(fingerprint) {
                return Admission::Repeat;
            }
            held.append(draft, source, place);
            return Admission::Held;
        }
        match self.fingerprints.entry(id) {
            Entry::Vacant(entry) => {
                entry.insert(fingerprint);
                Admission::First
            }
            Entry::Occupied(entry) if *entry.get() == fingerprint => Admission::Repeat,
            Entry::Occupied(_) => {
                self.conflicts.insert(id);
                Admission::Differs
            }
        }
    }

    /// Keeps loose spans.
    pub(super) fn hold(&mut self, draft: &Draft, source: usize, place: Place) {
        let id = draft.key();
        if !self.held.contains_key(&id) {
            match self.fingerprints.entry(id) {
                // A whole copy was analyzed without these spans.
                Entry::Occupied(_) => {
                    self.conflicts.insert(id);
                    return;
                }
                Entry::Vacant(entry) => entry.insert(LOOSE),
            };
        }
        let held = self.held.entry(id).or_default();
        held.append(draft, source, place);
        held.loose_in.insert(source);
    }

    /// The ids whose copies differ, to be held back in another pass; and what was held in this one, by id.
    pub(super) fn finish(self) -> (HashSet<u128>, Vec<Held>) {
        let mut held: Vec<Held> = self.held.into_values().filter(|it| !it.draft.spans.is_empty()).collect();
        held.sort_unstable_by(|a, b| a.draft.id.cmp(&b.draft.id));
        (self.conflicts, held)
    }
}
