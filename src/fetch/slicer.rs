//! Getting everything out of a search that only ever gives the newest N: by slices of time.
//!
//! No store pages, none says how many there are, and none promises that a page with fewer than N
//! traces is all. So a window is halved where its page is full; a page that is not full is believed
//! only after its halves, asked for once more, showed nothing new (stores that read N index rows give
//! short pages of long lists). Slices are asked for with a margin on both sides, as stores disagree on
//! whether bounds are part of them and some compare whole milliseconds. What fails is asked for again
//! in smaller pages, then in smaller slices, after everything else: a trace that its server cannot
//! write down costs only the instant around it.
//!
//! This is a pure state machine: it says what to ask for and is told what came.

use std::collections::{BTreeMap, HashSet, VecDeque};

/// How a store is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Slices are not cut below this.
    pub(super) unit_us: i64,
    /// Asked for beyond each end of a slice.
    pub(super) margin_us: i64,
    /// How many traces a page may hold.
    pub(super) page_size: usize,
    /// As many are asked for where a slice can't be cut further.
    pub(super) largest_page: usize,
}

/// One request: all traces between two moments, as many as `limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    id: usize,
    pub(super) from_us: i64,
    pub(super) until_us: i64,
    pub(super) limit: usize,
}

/// What came of a request.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// A page with these traces; one may be there twice.
    Page(Vec<u128>),
    /// Nothing, and why.
    Failed {
        why: String,
        /// The server speaks of how much was asked for.
        is_about_limit: bool,
        /// It took long to fail: counts as so many.
        weight: usize,
    },
}

/// A slice that could not be had, or not all of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Gap {
    pub(super) from_us: i64,
    pub(super) until_us: i64,
    pub(super) why: String,
}

/// Failures in a row after which there is no use in going on.
const HOPELESS_IN_A_ROW: usize = 64;
/// Failures altogether.
const HOPELESS: usize = 2_000;

/// So many full pages in a row that are those of the whole slices they were cut from: the server does
/// not look at the time. A path down to a burst of traces is shorter.
const DEAF_IN_A_ROW: usize = 64;
const DEAF: &str = "the server gives the same traces for every slice of time, as if it did not look at the range";

/// One in so many of the traces that were asked for is few: such a page is not taken for one that was cut.
const FEW: usize = 10;

/// Cuts a window into slices until all of it has been had.
#[derive(Debug)]
pub(super) struct Slicer {
    rules: Rules,
    /// The newest last: it is taken first.
    ready: Vec<Task>,
    /// What failed before, for when nothing else is left.
    deferred: VecDeque<Task>,
    in_flight: BTreeMap<usize, Task>,
    n_requests: usize,
    families: BTreeMap<usize, Family>,
    n_families: usize,
    gaps: Vec<Gap>,
    n_failed_in_a_row: usize,
    n_failed: usize,
    n_deaf_in_a_row: usize,
    /// Why nothing more is asked for.
    abandoned: Option<String>,
}

/// A slice to be asked for, half open.
#[derive(Clone, Debug)]
struct Task {
    from_us: i64,
    until_us: i64,
    limit: usize,
    /// The family it is a half of.
    family: Option<usize>,
    /// Asked for again with a larger limit: what the page before held.
    before: Option<HashSet<u128>>,
    /// Tells an empty window from an empty slice, which is usual.
    is_whole: bool,
    /// What stands for the page of the slice that it was cut from.
    parent: Option<u128>,
}

/// A short page, doubted until its halves have been asked for.
#[derive(Debug)]
struct Family {
    known: HashSet<u128>,
    n_open: usize,
    has_grown: bool,
    /// The halves whose pages were short, and what they held.
    short: Vec<(Task, HashSet<u128>)>,
}

impl Slicer {
    /// One for a window in microseconds, half open.
    pub(super) fn new(from_us: i64, until_us: i64, rules: Rules) -> Slicer {
        let whole = Task {
            from_us,
            until_us,
            limit: rules.page_size,
            family: None,
            before: None,
            is_whole: true,
            parent: None,
        };
        Slicer {
            rules,
            ready: if from_us < until_us { vec![whole] } else { Vec::new() },
            deferred: VecDeque::new(),
            in_flight: BTreeMap::new(),
            n_requests: 0,
            families: BTreeMap::new(),
            n_families: 0,
            gaps: Vec::new(),
            n_failed_in_a_row: 0,
            n_failed: 0,
            n_deaf_in_a_row: 0,
            abandoned: None,
        }
    }

    /// What to ask for next; nothing if there is nothing now. Several may be under way.
    pub(super) fn next(&mut self) -> Option<Request> {
        let task = self.ready.pop().or_else(|| self.deferred.pop_front())?;
        let id = self.n_requests;
        self.n_requests += 1;
        let request = Request {
            id,
            from_us: task.from_us.saturating_sub(self.rules.margin_us),
            until_us: task.until_us.saturating_add(self.rules.margin_us),
            limit: task.limit,
        };
        self.in_flight.insert(id, task);
        Some(request)
    }

    /// Whether everything was asked for and answered.
    pub(super) fn is_done(&self) -> bool {
        self.ready.is_empty() && self.deferred.is_empty() && self.in_flight.is_empty()
    }

    /// How many requests there were, and how many are waiting or under way.
    pub(super) fn n_requests(&self) -> (usize, usize) {
        (self.n_requests, self.ready.len() + self.deferred.len() + self.in_flight.len())
    }

    /// What could not be had; neighbours that failed alike are one.
    pub(super) fn gaps(&self) -> Vec<Gap> {
        let mut gaps = self.gaps.clone();
        gaps.sort();
        gaps.dedup_by(|next, before| {
            let joins = next.from_us <= before.until_us && next.why == before.why;
            if joins {
                before.until_us = before.until_us.max(next.until_us);
            }
            joins
        });
        gaps
    }

    /// Takes what came of a request.
    pub(super) fn answer(&mut self, request: Request, outcome: Outcome) {
        let Some(task) = self.in_flight.remove(&request.id) else { return };
        match outcome {
            Outcome::Page(keys) => {
                self.n_failed_in_a_row = 0;
                let is_full = keys.len() >= task.limit;
                self.take(task, keys.into_iter().collect(), is_full);
            }
            Outcome::Failed { why, is_about_limit, weight } => {
                self.n_failed_in_a_row += weight;
                self.n_failed += weight;
                self.retreat(task, &why, is_about_limit);
                if self.n_failed_in_a_row >= HOPELESS_IN_A_ROW || self.n_failed >= HOPELESS {
                    self.abandon(&why);
                }
            }
        }
        self.drop_rest_if_abandoned();
    }

    /// Asks for nothing more: what is left are gaps.
    pub(super) fn abandon(&mut self, why: &str) {
        self.abandoned.get_or_insert_with(|| why.to_owned());
        self.drop_rest_if_abandoned();
    }

    fn drop_rest_if_abandoned(&mut self) {
        let Some(why) = self.abandoned.clone() else { return };
        let left = self.ready.drain(..).chain(self.deferred.drain(..));
        self.gaps.extend(left.map(|it| Gap { from_us: it.from_us, until_us: it.until_us, why: why.to_owned() }));
        // Doubts can't be settled any more.
        let doubted = std::mem::take(&mut self.families).into_values().flat_map(|it| it.short);
        let why = format!("not asked for a second time: {why}");
        self.gaps.extend(doubted.map(|(it, _)| Gap { from_us: it.from_us, until_us: it.until_us, why: why.clone() }));
    }

    fn take(&mut self, task: Task, keys: HashSet<u128>, is_full: bool) {
        if let Some(before) = &task.before {
            // Asked for with a larger limit, being too short to cut.
            let has_grown = keys.iter().any(|it| !before.contains(it));
            if is_full || has_grown {
                self.enlarge(task, keys, is_full);
            }
            return;
        }
        if let Some(id) = task.family {
            return self.take_half(id, task, keys, is_full);
        }
        self.judge(task, keys, is_full);
    }

    /// A page that stands for itself.
    fn judge(&mut self, task: Task, keys: HashSet<u128>, is_full: bool) {
        if keys.is_empty() && !task.is_whole {
            return;
        }
        if is_full {
            let page = sum_of(&keys);
            self.n_deaf_in_a_row = if task.parent == Some(page) { self.n_deaf_in_a_row + 1 } else { 0 };
            if self.n_deaf_in_a_row >= DEAF_IN_A_ROW {
                self.ready.push(task);
                return self.abandon(DEAF);
            }
        }
        if !self.can_cut(&task) {
            self.enlarge(task, keys, is_full);
        } else if is_full {
            let page = Some(sum_of(&keys));
            self.halves(&task, None, page).into_iter().for_each(|it| self.ready.push(it));
        } else {
            self.doubt(&task, keys);
        }
    }

    /// A page that should show nothing which the page it is a half of did not.
    fn take_half(&mut self, id: usize, mut task: Task, keys: HashSet<u128>, is_full: bool) {
        task.family = None;
        let Some(family) = self.families.get_mut(&id) else { return self.judge(task, keys, is_full) };
        family.n_open -= 1;
        family.has_grown |= keys.iter().any(|it| !family.known.contains(it));
        if is_full {
            self.judge(task, keys, true);
        } else if !keys.is_empty() {
            family.short.push((task, keys));
        }
        self.settle(id);
    }

    /// Believes a family all of whose halves have come, or goes on doubting them.
    fn settle(&mut self, id: usize) {
        if self.families.get(&id).is_none_or(|it| it.n_open > 0) {
            return;
        }
        let Some(family) = self.families.remove(&id) else { return };
        // All in one half: had the page been cut, this one would have been cut alike.
        let shows_nothing = match &family.short[..] {
            [(task, keys)] => keys.len() == family.known.len() && keys.len() * FEW >= task.limit,
            _ => false,
        };
        if family.has_grown || shows_nothing {
            for (task, keys) in family.short {
                self.judge(task, keys, false);
            }
        }
    }

    /// Asks for the halves of a slice whose page was short.
    fn doubt(&mut self, task: &Task, known: HashSet<u128>) {
        let id = self.n_families;
        self.n_families += 1;
        self.families.insert(id, Family { known, n_open: 2, has_grown: false, short: Vec::new() });
        self.halves(task, Some(id), None).into_iter().for_each(|it| self.ready.push(it));
    }

    /// Asks for more of a slice that is too short to cut.
    fn enlarge(&mut self, task: Task, keys: HashSet<u128>, is_full: bool) {
        if task.limit < self.rules.largest_page {
            let limit = (task.limit.max(1) * 2).min(self.rules.largest_page);
            self.ready.push(Task { limit, before: Some(keys), ..task });
        } else if is_full {
            let why = format!("more than {} traces, the most that is asked for at once", task.limit);
            self.gaps.push(Gap { from_us: task.from_us, until_us: task.until_us, why });
        }
    }

    /// Asks for less of a slice that failed.
    fn retreat(&mut self, task: Task, why: &str, is_about_limit: bool) {
        if let Some(before) = task.before {
            // The page before was had. Only if it was full, there may be more.
            if before.len() * 2 >= task.limit {
                self.gaps.push(Gap { from_us: task.from_us, until_us: task.until_us, why: why.to_owned() });
            }
            return;
        }
        if is_about_limit && task.limit <= self.rules.page_size {
            self.rules.page_size = (task.limit / 2).max(1);
        }
        let can_cut = self.can_cut(&task);
        // Everything in smaller pages, then in smaller slices, and those in smaller pages at last.
        let is_first = task.is_whole && task.limit * 4 > self.rules.page_size;
        if task.limit > 1 && (is_about_limit || is_first || !can_cut) {
            let limit = if can_cut { task.limit / 2 } else { task.limit / 4 };
            self.deferred.push_back(Task { limit: limit.max(1), ..task });
            return;
        }
        if can_cut {
            self.halves(&task, None, None).into_iter().rev().for_each(|it| self.deferred.push_back(it));
        } else {
            self.gaps.push(Gap { from_us: task.from_us, until_us: task.until_us, why: why.to_owned() });
        }
        if let Some(id) = task.family {
            if let Some(family) = self.families.get_mut(&id) {
                family.n_open -= 1;
            }
            self.settle(id);
        }
    }

    fn can_cut(&self, task: &Task) -> bool {
        task.until_us - task.from_us > self.rules.unit_us
    }

    /// The older half and the newer, cut at a whole unit.
    fn halves(&self, task: &Task, family: Option<usize>, parent: Option<u128>) -> [Task; 2] {
        let (unit, limit) = (self.rules.unit_us, self.rules.page_size);
        let n_units = (task.until_us - task.from_us + unit - 1) / unit;
        let middle = task.from_us + (n_units / 2).max(1) * unit;
        let half = |from_us, until_us| Task { from_us, until_us, limit, family, before: None, is_whole: false, parent };
        [half(task.from_us, middle), half(middle, task.until_us)]
    }
}

/// What stands for a set of traces, in any order.
fn sum_of(keys: &HashSet<u128>) -> u128 {
    let mixed = keys.iter().map(|it| it.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) ^ (it >> 64));
    mixed.fold(0, u128::wrapping_add)
}

#[cfg(test)]
mod tests;
