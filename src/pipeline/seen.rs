//! Which traces were met, so that one met twice is one.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

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
    /// A different copy was analyzed before, or will be: nothing can be done in this pass.
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
    /// Where the first of it stands, and in which source.
    pub(super) at: Option<(usize, Place)>,
    /// Of the whole copies that differ.
    fingerprints: HashSet<u64>,
    /// Some of its spans came without the others.
    has_loose: bool,
}

impl Held {
    /// Whether it was put together from several parts.
    pub(super) fn is_joined(&self) -> bool {
        self.fingerprints.len() + usize::from(self.has_loose) > 1
    }

    fn append(&mut self, draft: &Draft, at: (usize, Place)) {
        self.draft.append(draft);
        self.at = Some(self.at.map_or(at, |it| it.min(at)));
    }
}

impl Seen {
    /// One that keeps these traces until the end.
    pub(super) fn holding(ids: &HashSet<u128>) -> Seen {
        // The order of a map does not show: held traces are sorted at the end.
        let held = ids.iter().map(|it| (*it, Held::default())).collect();
        Seen { held, ..Seen::default() }
    }

    /// Judges a whole trace by its fingerprint; `at` says where it stands.
    pub(super) fn admit(&mut self, draft: &Draft, fingerprint: u64, at: impl FnOnce() -> (usize, Place)) -> Admission {
        let id = draft.id.as_ref().map_or(0, crate::model::Id::compact);
        // 0 is taken.
        let fingerprint = fingerprint.max(1);
        if let Some(held) = self.held.get_mut(&id) {
            if !held.fingerprints.insert(fingerprint) {
                return Admission::Repeat;
            }
            held.append(draft, at());
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
    pub(super) fn hold(&mut self, draft: &Draft, at: impl FnOnce() -> (usize, Place)) {
        let id = draft.id.as_ref().map_or(0, crate::model::Id::compact);
        match self.fingerprints.entry(id) {
            // A whole copy was analyzed without these spans.
            Entry::Occupied(entry) if *entry.get() != LOOSE => {
                self.conflicts.insert(id);
                return;
            }
            Entry::Occupied(_) => {}
            Entry::Vacant(entry) => {
                entry.insert(LOOSE);
            }
        }
        let held = self.held.entry(id).or_default();
        held.has_loose = true;
        held.append(draft, at());
    }

    /// The ids whose copies differ, to be held back in another pass; and what was held in this one, by id.
    pub(super) fn finish(self) -> (HashSet<u128>, Vec<Held>) {
        let mut held: Vec<Held> = self.held.into_values().filter(|it| !it.draft.spans.is_empty()).collect();
        held.sort_unstable_by(|a, b| a.draft.id.cmp(&b.draft.id));
        (self.conflicts, held)
    }
}
