//! Which traces were met, so that one met twice is one.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use foldhash::fast::FixedState;

use super::keep::Segment;
use crate::input::Place;
use crate::model::{Id, LinkRules};

/// What to do with a trace that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Analyze it.
    First,
    /// It was analyzed before, the very same.
    Repeat,
    /// A different copy was analyzed before: nothing can be done in this pass.
    Differs,
    /// It is to be kept until the end.
    Hold,
}

/// The ids met so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// 24 bytes a trace, and the map's own.
    digests: HashMap<u128, u64, FixedState>,
    conflicts: HashSet<u128>,
    held: HashMap<u128, Held, FixedState>,
    /// Lower halves of ids that stand for all of them, as an earlier reading found.
    halves: HashSet<u64>,
    /// Of each trace under Zipkin's rules, by the lower half of its id, the upper one: 0 for none, `None` for several.
    upper_halves: HashMap<u64, Option<u64>, FixedState>,
    /// The whole copies of traces that are held, which all differ.
    copies: HashMap<u128, HashSet<u64>>,
    /// Sources of loose spans beyond the first of each trace.
    more_sources: HashMap<u128, BTreeSet<u32>>,
}

/// A trace of which there may be more to come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    /// The part kept last.
    last: Segment,
    /// Where its first part stood.
    source: u32,
    place: Place,
    /// The first source with loose spans of it, which no copy has been counted for.
    loose_in: u32,
}

const NOWHERE: u32 = u32::MAX;

/// A trace that was held, and is complete now.
#[derive(Clone, Debug)]
pub(super) struct Complete {
    /// Its id, as a number.
    pub(super) key: u128,
    /// The part kept last.
    pub(super) last: Segment,
    /// Where its first part stood.
    pub(super) first: (usize, Place),
    /// Whether it had to be joined out of parts that differ.
    pub(super) is_split: bool,
}

/// What one reading finds that the next has to know.
#[derive(Debug, Default)]
pub(super) struct Conflicts {
    /// Ids whose copies differ: to be held back.
    held: HashSet<u128>,
    /// Lower halves of ids that were met in full where Zipkin's rules hold, and where they do not.
    halves: HashSet<u64>,
}

impl Conflicts {
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(super) fn extend(&mut self, more: Conflicts) {
        self.held.extend(more.held);
        self.halves.extend(more.halves);
    }
}

/// What was met of a whole reading.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) conflicts: Conflicts,
    /// What was held in this one, by id.
    pub(super) complete: Vec<Complete>,
    /// For each source, how many traces it has loose spans of.
    pub(super) n_loose: BTreeMap<usize, u64>,
}

impl Held {
    const NONE: Held = Held { last: Segment::NONE, source: NOWHERE, place: Place::START, loose_in: NOWHERE };

    /// Chains another part; gives the one before it.
    fn add(&mut self, segment: Segment, source: usize, place: Place) -> Segment {
        let source = source as u32;
        if (source, place) < (self.source, self.place) {
            (self.source, self.place) = (source, place);
        }
        std::mem::replace(&mut self.last, segment)
    }
}

impl Seen {
    /// One that keeps these traces until the end.
    pub(super) fn knowing(known: &Conflicts) -> Seen {
        let held = known.held.iter().map(|it| (*it, Held::NONE)).collect();
        Seen { held, halves: known.halves.clone(), ..Seen::default() }
    }

    /// Notes the id of a trace that comes next.
    pub(super) fn note(&mut self, links: LinkRules, id: &Id) {
        let Some(value) = id.value().filter(|it| links == LinkRules::Zipkin && *it as u64 != 0) else { return };
        let (upper, lower) = ((value >> 64) as u64, value as u64);
        let known = self.upper_halves.entry(lower).or_insert(Some(upper));
        *known = match *known {
            Some(0) => Some(upper),
            Some(mine) if upper == 0 || upper == mine => Some(mine),
            _ => None,
        };
    }

    /// What stands for a trace in this reading.
    fn key(&self, key: u128) -> u128 {
        let lower = key as u64;
        if !self.halves.is_empty() && self.halves.contains(&lower) { u128::from(lower) } else { key }
    }

    /// The lower halves under which Zipkin's rules know a trace that others know by the whole of its id: by one,
    /// for traces that only happen to share a half are not the same.
    fn halves_of_one_trace(&self) -> HashSet<u64> {
        let mut in_full: HashMap<u64, Option<u64>> = HashMap::new();
        if !self.upper_halves.is_empty() {
            for key in self.digests.keys().chain(self.held.keys()).copied() {
                let (upper, lower) = ((key >> 64) as u64, key as u64);
                if upper != 0 && self.upper_halves.contains_key(&lower) {
                    let known = in_full.entry(lower).or_insert(Some(upper));
                    *known = known.filter(|it| *it == upper);
                }
            }
        }
        let agrees = |(lower, upper): (u64, Option<u64>)| {
            let known = self.upper_halves[&lower]?;
            upper.is_some_and(|it| known == 0 || known == it).then_some(lower)
        };
        in_full.into_iter().filter_map(agrees).collect()
    }

    /// Judges a whole trace by its digest. Copies whose digests differ are held in another reading, and there
    /// `fingerprint` tells whether they say the same in another order.
    pub(super) fn admit(&mut self, key: u128, digest: u64, fingerprint: impl FnOnce() -> u64) -> Admission {
        let key = self.key(key);
        if self.held.contains_key(&key) {
            let is_new = self.copies.entry(key).or_default().insert(fingerprint());
            return if is_new { Admission::Hold } else { Admission::Repeat };
        }
        match self.digests.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(digest);
                Admission::First
            }
            Entry::Occupied(entry) if *entry.get() == digest => Admission::Repeat,
            Entry::Occupied(_) => {
                self.conflicts.insert(key);
                Admission::Differs
            }
        }
    }

    /// Chains a whole copy that is held; gives the part before it.
    pub(super) fn hold_copy(&mut self, key: u128, segment: Segment, source: usize, place: Place) -> Segment {
        let key = self.key(key);
        self.held.entry(key).or_insert(Held::NONE).add(segment, source, place)
    }

    /// Chains loose spans; gives the part before them, or nothing where a whole copy was analyzed
    /// without these spans.
    pub(super) fn hold_loose(&mut self, key: u128, segment: Segment, source: usize, place: Place) -> Option<Segment> {
        let key = self.key(key);
        let held = match self.held.entry(key) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                if !self.digests.is_empty() && self.digests.contains_key(&key) {
                    self.conflicts.insert(key);
                    return None;
                }
                entry.insert(Held::NONE)
            }
        };
        if held.loose_in == NOWHERE {
            held.loose_in = source as u32;
        } else if held.loose_in != source as u32 {
            self.more_sources.entry(key).or_default().insert(source as u32);
        }
        Some(held.add(segment, source, place))
    }

    /// What was met, once all is read.
    pub(super) fn finish(self) -> Finished {
        let halves = self.halves_of_one_trace();
        let Seen { conflicts: mut differing, held, copies, more_sources, .. } = self;
        differing.extend(halves.iter().map(|it| u128::from(*it)));
        let conflicts = Conflicts { held: differing, halves };
        let mut n_loose: BTreeMap<usize, u64> = BTreeMap::new();
        let mut count = |source: u32| *n_loose.entry(source as usize).or_default() += 1;
        #[expect(clippy::iter_over_hash_type, reason = "sums do not show the order")]
        for sources in more_sources.values() {
            sources.iter().copied().for_each(&mut count);
        }
        let mut complete = Vec::with_capacity(held.len());
        complete.extend(held.into_iter().filter(|(_, it)| it.last != Segment::NONE).map(|(key, it)| {
            let is_loose = it.loose_in != NOWHERE;
            if is_loose {
                count(it.loose_in);
            }
            let n_copies = copies.get(&key).map_or(0, HashSet::len);
            Complete {
                key,
                last: it.last,
                first: (it.source as usize, it.place),
                is_split: n_copies + usize::from(is_loose) > 1,
            }
        }));
        complete.sort_unstable_by_key(|it| it.key);
        Finished { conflicts, complete, n_loose }
    }
}
