//! Which traces were met, so that one met twice is one.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;

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
    /// Whole copies that differ, or loose spans beside one.
    pub(super) n_copies: u64,
    /// Copies equal to one of those.
    pub(super) n_repeats: u64,
    fingerprints: HashSet<u64>,
}

impl Seen {
    /// One that keeps these traces until the end.
    pub(super) fn holding(ids: &HashSet<u128>) -> Seen {
        // The order of a map does not show: held traces are sorted at the end.
        let held = ids.iter().map(|it| (*it, Held::default())).collect();
        Seen { held, ..Seen::default() }
    }

    /// Judges a whole trace.
    pub(super) fn admit(&mut self, draft: &Draft) -> Admission {
        let id = draft.id.as_ref().map_or(0, crate::model::Id::compact);
        // 0 is taken.
        let fingerprint = draft.fingerprint().max(1);
        if let Some(held) = self.held.get_mut(&id) {
            if held.fingerprints.is_empty() && held.n_copies > 0 {
                // Loose spans were there before; this copy belongs to them.
                self.conflicts.insert(id);
            }
            if !held.fingerprints.insert(fingerprint) {
                held.n_repeats += 1;
                return Admission::Repeat;
            }
            held.n_copies += 1;
            held.draft.append(draft);
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
    pub(super) fn hold(&mut self, draft: &Draft) {
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
        held.n_copies = held.n_copies.max(1);
        held.draft.append(draft);
    }

    /// The ids whose copies differ, to be held back in another pass; and what was held in this one, by id.
    pub(super) fn finish(self) -> (HashSet<u128>, Vec<Held>) {
        let mut held: Vec<Held> = self.held.into_values().filter(|it| !it.draft.spans.is_empty()).collect();
        held.sort_unstable_by(|a, b| a.draft.id.cmp(&b.draft.id));
        (self.conflicts, held)
    }
}
