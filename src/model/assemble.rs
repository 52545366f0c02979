//! From spans in any order to trees: who is whose parent, what was wrong, who comes first.
//!
//! The rules are those of the critical path's specification (`docs/definitions.md`): references
//! choose the parent, doubled ids are joined or told apart, cycles are cut, and every place where
//! an order matters uses the canonical one, never the order in the file.

mod duplicates;
mod skew;
mod zipkin;

use std::cmp::{Ordering, Reverse};
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::attributes::{Known, Run, ValueType};
use super::derive::{self, DeriveOptions};
use super::draft::{Draft, DraftSpan, LinkRules, NoDuration};
use super::{
    FARTHEST_NS, Id, Kind, Name, PLAUSIBLE_FROM_NS, Repairs, Root, Section, Span, Trace, critical_path, semantics,
};

const NONE: u32 = u32::MAX;

/// Builds traces out of drafts, one after the other, in the same memory.
#[derive(Debug, Default)]
pub struct Assembler {
    options: DeriveOptions,
    hasher: FixedState,
    index: HashTable<u32>,
    links: Links,
    walker: critical_path::Walker,
    /// Where each span of the draft has gone.
    place: Vec<u32>,
    operations: Operations,
    spares: Spares,
}

/// What an operation is told from others by: its service, its name, its kind.
type OperationKey = (Name, Name, Option<Kind>);

/// The number of each operation met.
#[derive(Debug, Default)]
struct Operations {
    numbers: HashMap<OperationKey, u32, FixedState>,
    /// Those met last, at places that follow from their names: most spans are of one of these.
    recent: Vec<Option<(OperationKey, u32)>>,
}

impl Operations {
    const N_RECENT: usize = 1024;

    #[inline]
    fn number(&mut self, key: OperationKey) -> u32 {
        let (service, operation, kind) = key;
        // Names are kept 16 bytes apart at least.
        let mixed = (service.address() >> 4).wrapping_mul(31) ^ operation.address() >> 4;
        let place = mixed as usize * 8 + kind.map_or(0, |it| it as usize + 1);
        if let Some(Some((known, number))) = self.recent.get(place % Operations::N_RECENT)
            && *known == key
        {
            return *number;
        }
        let next = self.numbers.len() as u32;
        let number = *self.numbers.entry(key).or_insert(next);
        self.recent.resize(Operations::N_RECENT, None);
        self.recent[place % Operations::N_RECENT] = Some((key, number));
        number
    }
}

/// Memory of the trace before, for the next.
#[derive(Debug, Default)]
struct Spares {
    spans: Vec<Span>,
    roots: Vec<Root>,
    sections: Vec<Section>,
}

/// Who is below whom, by index into the draft's spans.
#[derive(Debug, Default)]
struct Links {
    /// The parent of each span, or `NONE`.
    parent: Vec<u32>,
    /// Whether the parent was only followed.
    followed: Vec<bool>,
    /// Whether the span named a parent in this trace.
    named: Vec<bool>,
    /// Resolved starts.
    start_ns: Vec<i64>,
    /// Children of all spans, span after span; the roots last.
    children: Vec<u32>,
    /// Where each span's children begin in `children`; one more entry for the roots, and one for the end.
    offsets: Vec<u32>,
    /// Parents before children, siblings together in canonical order.
    order: Vec<u32>,
}

impl Assembler {
    /// One that derives under these options.
    pub fn new(options: DeriveOptions) -> Assembler {
        Assembler { options, ..Assembler::default() }
    }

    /// The attributes that span trees are made of.
    pub fn reads(options: &DeriveOptions) -> impl Iterator<Item = Known> {
        let hosts = if options.skew_correction { &skew::HOST_KEYS[..] } else { &[] };
        [&[Known::SpanKind], semantics::ERROR_KEYS, zipkin::ENDPOINT_KEYS, hosts].into_iter().flatten().copied()
    }

    /// Builds the trees of a draft that has an id and at least one span.
    pub fn assemble(&mut self, mut draft: Draft) -> Trace {
        let mut repairs = Repairs::default();
        let supplements = draft.take_supplements();
        forget_zero_starts(&mut draft);
        let mut decided = Vec::new();
        let is_doubled = self.index_spans(&draft);
        if is_doubled && draft.links == LinkRules::ParentChild {
            decided = duplicates::settle(&mut draft, &mut repairs);
        } else if draft.links == LinkRules::Zipkin && (is_doubled || draft.spans.iter().any(|it| it.shared)) {
            decided = zipkin::settle(&mut draft, &mut repairs);
        }
        if is_doubled {
            self.index_spans(&draft);
        }
        repairs.lone_supplements = draft.join_supplements(supplements);
        self.link(&draft, &decided, &mut repairs);
        self.cut_cycles(&draft, &mut repairs);
        self.links.list_children();
        self.links.fill_starts(&draft, &mut repairs);
        self.links.put_in_order(&draft);
        self.links.hand_down_processes(&mut draft);
        count_gaps(&draft, &mut repairs);
        if self.options.skew_correction && !draft.skew_corrected {
            let moved = skew::correct(&mut draft, &mut self.links, &mut repairs);
            if moved {
                self.links.put_in_order(&draft);
            }
        }
        self.emit(draft, repairs)
    }

    /// Finds spans by id from now on; says whether any id occurs twice. The last of a doubled id is found.
    fn index_spans(&mut self, draft: &Draft) -> bool {
        let Assembler { index, hasher, .. } = self;
        index.clear();
        let spans = &draft.spans;
        index.reserve(spans.len(), |&it| hasher.hash_one(&spans[it as usize].id));
        let mut doubled = false;
        for (idx, span) in spans.iter().enumerate() {
            let hash = hasher.hash_one(&span.id);
            match index.find_mut(hash, |&it| spans[it as usize].id == span.id) {
                Some(slot) => {
                    doubled = true;
                    // After settling only pairs are left: children hang on the server half. By Zipkin's
                    // rules it has got its children, and others are the client's.
                    let is_better = match draft.links {
                        LinkRules::ParentChild => span.shared || !spans[*slot as usize].shared,
                        LinkRules::Zipkin => !span.shared,
                    };
                    if is_better {
                        *slot = idx as u32;
                    }
                }
                None => {
                    index.insert_unique(hash, idx as u32, |&it| hasher.hash_one(&spans[it as usize].id));
                }
            }
        }
        doubled
    }

    fn find(&self, draft: &Draft, id: &Id) -> Option<u32> {
        self.index.find(self.hasher.hash_one(id), |&it| draft.spans[it as usize].id == *id).copied()
    }

    /// Chooses each span's parent out of its references, where it was not decided already.
    fn link(&mut self, draft: &Draft, decided: &[(u32, u32)], repairs: &mut Repairs) {
        let n_spans = draft.spans.len();
        let mut links = std::mem::take(&mut self.links);
        links.reset(n_spans);
        let with_parent: HashSet<u32> = decided.iter().map(|(span, _)| *span).collect();
        for (idx, span) in draft.spans.iter().enumerate() {
            let has_parent = with_parent.contains(&(idx as u32));
            let mut chosen = (NONE, false);
            let mut named = false;
            let mut of_itself = false;
            for reference in draft.references[span.references.range()].iter().filter(|it| !it.is_link) {
                if reference.trace.as_deref().is_some_and(|it| Some(it) != draft.id.as_ref()) {
                    repairs.foreign_references += 1;
                    continue;
                }
                // A server's parent is its client, whatever else it says.
                if has_parent {
                    continue;
                }
                if reference.span == span.id {
                    of_itself = true;
                    named = true;
                    continue;
                }
                let found = self.find(draft, &reference.span);
                if found.is_none() && reference.span.is_zero() {
                    continue;
                }
                named = true;
                // The first CHILD_OF wins; the first FOLLOWS_FROM only where no CHILD_OF is found.
                if let Some(parent) = found
                    && (chosen.0 == NONE || (chosen.1 && !reference.follows_from))
                {
                    chosen = (parent, reference.follows_from);
                }
            }
            repairs.cycles += u64::from(of_itself);
            links.parent[idx] = chosen.0;
            links.followed[idx] = chosen.1;
            links.named[idx] = named;
        }
        for &(span, parent) in decided {
            links.parent[span as usize] = parent;
            links.followed[span as usize] = false;
            links.named[span as usize] = true;
        }
        self.links = links;
    }

    /// Cuts the edge into the canonically first span of every cycle of parents.
    fn cut_cycles(&mut self, draft: &Draft, repairs: &mut Repairs) {
        let parent = &mut self.links.parent;
        // 0 not seen, otherwise the number of the walk that saw it. The memory serves twice.
        let seen = &mut self.place;
        seen.clear();
        seen.resize(parent.len(), 0);
        for from in 0..parent.len() {
            let walk = from as u32 + 1;
            let mut at = from as u32;
            while at != NONE && seen[at as usize] == 0 {
                seen[at as usize] = walk;
                at = parent[at as usize];
            }
            if at == NONE || seen[at as usize] != walk {
                continue;
            }
            let mut first = at;
            let mut member = parent[at as usize];
            while member != at {
                if canonical(draft, member, first) == Ordering::Less {
                    first = member;
                }
                member = parent[member as usize];
            }
            parent[first as usize] = NONE;
            repairs.cycles += 1;
        }
    }

    /// Writes the spans down in order, judges them, and derives the rest.
    fn emit(&mut self, draft: Draft, mut repairs: Repairs) -> Trace {
        let links = &self.links;
        let place = &mut self.place;
        place.clear();
        place.resize(links.order.len(), 0);
        for (new, &old) in links.order.iter().enumerate() {
            place[old as usize] = new as u32;
        }
        let Spares { mut spans, mut roots, sections } = std::mem::take(&mut self.spares);
        spans.reserve(links.order.len());
        // Children are written right behind those of the spans before them.
        let mut next_child = links.n_roots() as u32;
        for &old in &links.order {
            let idx = old as usize;
            let n_children = links.offsets[idx + 1] - links.offsets[idx];
            let children = Run { start: next_child, end: next_child + n_children };
            next_child += n_children;
            let parent = (links.parent[idx] != NONE).then(|| links.parent[idx]);
            spans.push(emit_span(&draft, idx, parent, place, children, links, &mut self.operations));
        }
        let n_roots = links.n_roots() as u32;
        repairs.orphans = spans[..n_roots as usize].iter().filter(|it| it.orphan).count() as u64;
        repairs.extra_roots = (u64::from(n_roots) - repairs.orphans).saturating_sub(1);
        roots.extend((0..n_roots).map(|it| Root { span: it, main: false, partial: false, sections: Run::default() }));
        let start_ns = spans.iter().map(|it| it.start_ns).min().unwrap_or(0);
        let end_ns = spans.iter().map(Span::end_ns).max().unwrap_or(0);
        let mut trace = Trace {
            id: draft.id.clone().expect("a draft that is assembled has an id"),
            repairs,
            spans,
            roots,
            sections,
            draft,
            start_ns,
            end_ns,
        };
        derive::derive(&mut trace, &self.options, &mut self.walker);
        trace
    }

    /// Takes a trace apart when it is done with; gives its draft back, empty, for the next.
    pub fn recycle(&mut self, trace: Trace) -> Draft {
        let Trace { mut draft, mut spans, mut roots, mut sections, .. } = trace;
        spans.clear();
        roots.clear();
        sections.clear();
        self.spares = Spares { spans, roots, sections };
        draft.clear();
        draft
    }
}

/// Beside real times a 0 is a field that nobody filled; where all is small it is the first tick.
fn forget_zero_starts(draft: &mut Draft) {
    if draft.spans.iter().any(|it| it.start_ns.is_some_and(|it| it >= PLAUSIBLE_FROM_NS)) {
        for span in &mut draft.spans {
            span.start_ns = span.start_ns.filter(|it| *it != 0);
        }
    }
}

fn count_gaps(draft: &Draft, repairs: &mut Repairs) {
    for span in &draft.spans {
        match span.duration_ns {
            Ok(_) => {}
            Err(NoDuration::Negative) => repairs.negative_durations += 1,
            Err(NoDuration::Missing) => repairs.missing_durations += 1,
        }
        repairs.missing_processes += u64::from(!draft.processes[span.process as usize].is_known);
    }
}

fn emit_span(
    draft: &Draft,
    idx: usize,
    parent: Option<u32>,
    place: &[u32],
    children: Run,
    links: &Links,
    operations: &mut Operations,
) -> Span {
    let span = &draft.spans[idx];
    let start_ns = links.start_ns[idx];
    let service = draft.service(span);
    let operation_number = operations.number((service, span.operation, span.kind));
    let of_message = parent
        .is_some_and(|it| draft.spans[it as usize].kind == Some(Kind::Producer) && span.kind == Some(Kind::Consumer));
    Span {
        id: span.id.clone(),
        service,
        operation: span.operation,
        start_ns,
        // A start that was filled in may leave no room for the duration.
        duration_ns: span.duration_ns.ok().filter(|it| *it <= FARTHEST_NS - start_ns.max(0)),
        self_ns: None,
        kind: span.kind,
        error: span.failed.unwrap_or_else(|| semantics::is_error(draft, span.attributes)),
        parent: parent.map(|it| place[it as usize]),
        blocking: !(links.followed[idx] || of_message),
        orphan: parent.is_none() && links.named[idx],
        shared: span.shared,
        children,
        operation_number,
        drafted: idx as u32,
    }
}

impl Links {
    fn reset(&mut self, n_spans: usize) {
        self.parent.clear();
        self.parent.resize(n_spans, NONE);
        self.followed.clear();
        self.followed.resize(n_spans, false);
        self.named.clear();
        self.named.resize(n_spans, false);
    }

    /// Gives spans that are of their parents' process that process.
    fn hand_down_processes(&self, draft: &mut Draft) {
        if !draft.processes.iter().any(|it| it.is_parents) {
            return;
        }
        for &idx in &self.order {
            let (idx, parent) = (idx as usize, self.parent[idx as usize]);
            if parent != NONE && draft.processes[draft.spans[idx].process as usize].is_parents {
                draft.spans[idx].process = draft.spans[parent as usize].process;
            }
        }
    }

    fn n_spans(&self) -> usize {
        self.parent.len()
    }

    fn n_roots(&self) -> usize {
        (self.offsets[self.n_spans() + 1] - self.offsets[self.n_spans()]) as usize
    }

    /// Where the children of `parent` stand; `n_spans` stands for the roots.
    fn run(&self, parent: usize) -> std::ops::Range<usize> {
        self.offsets[parent] as usize..self.offsets[parent + 1] as usize
    }

    /// Sorts all spans under their parents by counting.
    fn list_children(&mut self) {
        let n_spans = self.n_spans();
        let slot = |parent: u32| if parent == NONE { n_spans } else { parent as usize };
        self.offsets.clear();
        self.offsets.resize(n_spans + 2, 0);
        for &parent in &self.parent {
            self.offsets[slot(parent) + 1] += 1;
        }
        for it in 1..self.offsets.len() {
            self.offsets[it] += self.offsets[it - 1];
        }
        let mut next = self.offsets.clone();
        self.children.clear();
        self.children.resize(n_spans, 0);
        for (idx, &parent) in self.parent.iter().enumerate() {
            let slot = slot(parent);
            self.children[next[slot] as usize] = idx as u32;
            next[slot] += 1;
        }
    }

    /// Parents before children, in whatever order siblings are listed.
    fn walk_down(&mut self) {
        self.order.clear();
        self.order.extend_from_slice(&self.children[self.run(self.n_spans())]);
        let mut at = 0;
        while at < self.order.len() {
            let run = self.run(self.order[at] as usize);
            self.order.extend_from_slice(&self.children[run]);
            at += 1;
        }
        debug_assert_eq!(self.order.len(), self.n_spans(), "every span hangs on a root once cycles are cut");
    }

    /// Gives spans without a start their parent's, or a root its earliest child's (which, without one
    /// of its own, passes on its own earliest child's), or else the trace's.
    fn fill_starts(&mut self, draft: &Draft, repairs: &mut Repairs) {
        self.start_ns.clear();
        self.start_ns.extend(draft.spans.iter().map(|it| it.start_ns.unwrap_or(i64::MAX)));
        let missing = self.start_ns.iter().filter(|it| **it == i64::MAX).count() as u64;
        if missing == 0 {
            return;
        }
        repairs.missing_starts += missing;
        // A root on its own happened sometime in its trace, not in 1970.
        let fallback = self.start_ns.iter().copied().filter(|it| *it != i64::MAX).min().unwrap_or(0);
        self.walk_down();
        let mut earliest = self.start_ns.clone();
        for &idx in self.order.iter().rev() {
            let parent = self.parent[idx as usize];
            if parent != NONE && self.start_ns[parent as usize] == i64::MAX {
                earliest[parent as usize] = earliest[parent as usize].min(earliest[idx as usize]);
            }
        }
        for &idx in &self.order {
            let idx = idx as usize;
            if self.start_ns[idx] == i64::MAX {
                let parent = self.parent[idx];
                let from = if parent == NONE { earliest[idx] } else { self.start_ns[parent as usize] };
                self.start_ns[idx] = if from == i64::MAX { fallback } else { from };
            }
        }
    }

    /// Sorts siblings (and roots) canonically and walks down.
    fn put_in_order(&mut self, draft: &Draft) {
        let Links { children, offsets, start_ns, .. } = self;
        for parent in 0..offsets.len() - 1 {
            let siblings = &mut children[offsets[parent] as usize..offsets[parent + 1] as usize];
            let compare = |a: &u32, b: &u32| {
                start_ns[*a as usize].cmp(&start_ns[*b as usize]).then_with(|| beyond_start(draft, *a, *b))
            };
            if siblings.len() > 1 && !siblings.is_sorted_by(|a, b| compare(a, b) != Ordering::Greater) {
                siblings.sort_unstable_by(compare);
            }
        }
        self.walk_down();
    }
}

/// The canonical order of two spans as they were read: earlier start, longer duration, smaller id, smaller content.
fn canonical(draft: &Draft, a: u32, b: u32) -> Ordering {
    let start = |idx: u32| draft.spans[idx as usize].start_ns.unwrap_or(i64::MAX);
    start(a).cmp(&start(b)).then_with(|| beyond_start(draft, a, b))
}

fn beyond_start(draft: &Draft, a: u32, b: u32) -> Ordering {
    let (one, two) = (&draft.spans[a as usize], &draft.spans[b as usize]);
    let duration = |span: &DraftSpan| Reverse(span.duration_ns.unwrap_or(-1));
    duration(one)
        .cmp(&duration(two))
        .then_with(|| one.id.cmp(&two.id))
        .then_with(|| draft.service(one).cmp(&draft.service(two)))
        .then_with(|| one.operation.cmp(&two.operation))
        .then_with(|| one.kind.cmp(&two.kind))
        .then_with(|| content(draft, one).cmp(&content(draft, two)))
}

/// All else that a span says, for the rare case that nothing tells two spans apart: attributes, its
/// process's, events, references (in the order in which they choose the parent), why there is no duration.
fn content<'a>(draft: &'a Draft, span: &'a DraftSpan) -> Content<'a> {
    let process = &draft.processes[span.process as usize];
    let attributes = |run: Run| {
        let mut all: Vec<_> =
            draft.attributes_of(run).iter().map(|it| (it.key.as_str(), draft.text(it.value), it.value_type)).collect();
        all.sort_unstable();
        all
    };
    let events = draft.events[span.events.range()].iter();
    let mut events: Vec<_> = events.map(|it| (it.at_ns, attributes(it.attributes))).collect();
    events.sort_unstable();
    let references = draft.references[span.references.range()].iter();
    Content {
        attributes: attributes(span.attributes),
        of_process: attributes(process.attributes),
        events,
        references: references.map(|it| (&it.span, it.trace.as_deref(), it.follows_from)).collect(),
        duration_is_missing: span.duration_ns == Err(NoDuration::Missing),
    }
}

type Words<'a> = Vec<(&'static str, &'a str, ValueType)>;

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Content<'a> {
    attributes: Words<'a>,
    of_process: Words<'a>,
    events: Vec<(Option<i64>, Words<'a>)>,
    references: Vec<(&'a Id, Option<&'a Id>, bool)>,
    duration_is_missing: bool,
}
