//! The specification of trees and critical paths, written down a second time: slowly, recursively,
//! from the text alone, and compared with the assembler on random traces.
//!
//! Numbers such as 1.4 are sections of `reference/critical-path.md`. Nothing here is shared with the
//! code under test but ids' texts and the input's types.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::attributes::{Run, ValueType};
use super::draft::{NoDuration, Process, Reference};
use super::{
    Assembler, AsyncChildren, DeriveOptions, Draft, DraftSpan, Event, Id, Key, Kind, Known, Name, Repairs, Trace,
};

const US: i64 = 1_000;
const MS: i64 = 1_000_000;

// ---------------------------------------------------------------------------------- the input

/// A span as a file has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Raw {
    id: u32,
    /// Index into [`PROCESSES`].
    process: usize,
    operation: u8,
    kind: Option<Kind>,
    start: Option<i64>,
    /// `Err(true)` was negative, `Err(false)` was not there.
    duration: Result<i64, bool>,
    tags: Vec<(u8, u8)>,
    event: Option<i64>,
    references: Vec<Ref>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ref {
    span: u32,
    foreign: bool,
    follows_from: bool,
}

/// Service and host; a service of nobody is of a process that is not listed.
const PROCESSES: [(&str, Option<&str>); 6] =
    [("a", None), ("a", Some("h1")), ("b", None), ("b", Some("h1")), ("b", Some("h2")), ("", None)];

const TAGS: [Known; 2] = [Known::DbSystem, Known::HttpRoute];

fn id_text(id: u32) -> String {
    format!("{id:04x}")
}

/// The draft that a reader would make of it.
fn draft_of(spans: &[Raw]) -> Draft {
    let mut draft = Draft { id: Id::parse("7ace"), ..Draft::default() };
    for (service, host) in PROCESSES {
        let start = draft.attribute_mark();
        if let Some(host) = host {
            draft.push_attribute(Key::Known(Known::HostName), host, ValueType::Text);
        }
        let attributes = Run { start, end: draft.attribute_mark() };
        let is_known = !service.is_empty();
        let service = Name::new(if is_known { service } else { super::UNKNOWN_SERVICE });
        draft.processes.push(Process { service, is_known, is_parents: false, attributes });
    }
    for span in spans {
        let start = draft.attribute_mark();
        for (key, value) in &span.tags {
            draft.push_attribute(Key::Known(TAGS[usize::from(*key)]), &value.to_string(), ValueType::Number);
        }
        let attributes = Run { start, end: draft.attribute_mark() };
        let first_event = draft.events.len() as u32;
        if let Some(at) = span.event {
            let start = draft.attribute_mark();
            draft.push_attribute(Key::Known(Known::Message), "m", ValueType::Text);
            let end = draft.attribute_mark();
            draft.events.push(Event { at_ns: Some(at), attributes: Run { start, end } });
        }
        let events = Run { start: first_event, end: draft.events.len() as u32 };
        let first_reference = draft.references.len() as u32;
        for reference in &span.references {
            draft.references.push(Reference {
                span: Id::parse(&id_text(reference.span)).unwrap(),
                trace: reference.foreign.then(|| Box::new(Id::parse("bad").unwrap())),
                follows_from: reference.follows_from,
                is_link: false,
            });
        }
        let references = Run { start: first_reference, end: draft.references.len() as u32 };
        draft.spans.push(DraftSpan {
            id: Id::parse(&id_text(span.id)).unwrap(),
            operation: Name::new(&format!("op{}", span.operation)),
            process: span.process as u32,
            start_ns: span.start,
            duration_ns: span.duration.map_err(
                |negative| {
                    if negative { NoDuration::Negative } else { NoDuration::Missing }
                },
            ),
            kind: span.kind,
            failed: None,
            shared: false,
            supplement: false,
            attributes,
            events,
            references,
        });
    }
    draft
}

// ------------------------------------------------------------------------------ the reference

/// A span at its place.
#[derive(Clone, Debug)]
struct Node {
    /// As it is printed: renamed ones end in `_1`.
    id: String,
    raw: Raw,
    start: i64,
    parent: Option<usize>,
    followed: bool,
    named_parent: bool,
    shared: bool,
}

impl Node {
    fn duration(&self) -> Option<i64> {
        self.raw.duration.ok()
    }

    /// Id and kind: no two spans of a trace have the same once duplicates are settled.
    fn key(&self) -> String {
        key(&self.id, self.raw.kind)
    }
}

fn key(id: &str, kind: Option<Kind>) -> String {
    format!("{id} {}", kind.map_or("-", Kind::as_str))
}

#[derive(Clone, Copy, Debug)]
struct Rules {
    tolerance_ppm: i128,
    ignore_outliving: bool,
    correct_skew: bool,
}

struct Specified {
    nodes: Vec<Node>,
    repairs: Repairs,
    rules: Rules,
}

/// Beside real times a start of 0 is a field that nobody filled.
fn as_said(spans: &[Raw]) -> Vec<Raw> {
    let real = |it: &Raw| it.start.is_some_and(|it| it >= super::PLAUSIBLE_FROM_NS);
    let has_real = spans.iter().any(real);
    let mut spans = spans.to_vec();
    for span in &mut spans {
        span.start = span.start.filter(|it| *it != 0 || !has_real);
    }
    spans
}

/// 1.0, on starts as they are known at the time; unknown is later and shorter than anything known.
fn canonical(a: (&Node, Option<i64>), b: (&Node, Option<i64>)) -> Ordering {
    let order = |(node, start): (&Node, Option<i64>)| {
        let is_renamed = node.id.contains('_');
        let raw = &node.raw;
        let service = PROCESSES[raw.process].0;
        (
            (start.is_none(), start),
            Reverse(raw.duration.unwrap_or(-1)),
            (is_renamed, node.id.clone()),
            if service.is_empty() { super::UNKNOWN_SERVICE } else { service },
            raw.operation,
            raw.kind,
            content(raw),
        )
    };
    order(a).cmp(&order(b))
}

type Content = (Vec<(String, u8)>, Option<&'static str>, Option<i64>, Vec<Ref>, bool);

/// All that a span says besides what has been compared before.
fn content(raw: &Raw) -> Content {
    let mut tags: Vec<_> =
        raw.tags.iter().map(|(key, value)| (TAGS[usize::from(*key)].as_str().to_owned(), *value)).collect();
    tags.sort();
    (tags, PROCESSES[raw.process].1, raw.event, raw.references.clone(), raw.duration == Err(false))
}

impl Specified {
    fn of(spans: &[Raw], rules: Rules) -> Specified {
        let mut this = Specified { nodes: Vec::new(), repairs: Repairs::default(), rules };
        let spans = &as_said(spans);
        this.settle_duplicates(spans);
        for node in &this.nodes {
            match node.raw.duration {
                Ok(_) => {}
                Err(true) => this.repairs.negative_durations += 1,
                Err(false) => this.repairs.missing_durations += 1,
            }
            this.repairs.missing_processes += u64::from(PROCESSES[node.raw.process].0.is_empty());
        }
        this.choose_parents();
        this.cut_cycles();
        this.fill_starts();
        if rules.correct_skew {
            this.correct_skew();
        }
        let roots = this.roots();
        let orphans = roots.iter().filter(|it| this.nodes[**it].named_parent).count();
        this.repairs.orphans = orphans as u64;
        this.repairs.extra_roots = (roots.len() - orphans).saturating_sub(1) as u64;
        this
    }

    /// 1.1 (i) to (iii).
    fn settle_duplicates(&mut self, spans: &[Raw]) {
        let node = |raw: &Raw| Node {
            id: id_text(raw.id),
            raw: raw.clone(),
            start: 0,
            parent: None,
            followed: false,
            named_parent: false,
            shared: false,
        };
        let mut groups: BTreeMap<u32, Vec<Node>> = BTreeMap::new();
        for raw in spans {
            groups.entry(raw.id).or_default().push(node(raw));
        }
        for mut group in groups.into_values() {
            group.sort_by(|a, b| canonical((a, a.raw.start), (b, b.raw.start)));
            // (i) One span reported several times.
            let mut classes: Vec<Vec<Node>> = Vec::new();
            for node in group {
                let alike = |class: &&mut Vec<Node>| {
                    let (a, b) = (&class[0].raw, &node.raw);
                    let cut = |ns: i64| ns.div_euclid(US);
                    PROCESSES[a.process].0 == PROCESSES[b.process].0
                        && a.operation == b.operation
                        && a.kind == b.kind
                        && a.start.map(cut) == b.start.map(cut)
                        && a.duration.ok().map(cut) == b.duration.ok().map(cut)
                };
                match classes.iter_mut().find(alike) {
                    Some(class) => class.push(node),
                    None => classes.push(vec![node]),
                }
            }
            let mut kept: Vec<Node> = classes.into_iter().map(|it| self.join(it)).collect();
            // (ii) Both sides of a call under one id.
            let first = |kind| kept.iter().position(|it| it.raw.kind == Some(kind));
            let pair = first(Kind::Client).zip(first(Kind::Server));
            let mut keep_name = vec![0];
            if let Some((client, server)) = pair {
                kept[server].shared = true;
                self.repairs.shared_spans += 1;
                keep_name = vec![client, server];
            }
            // (iii) Anything else.
            let mut n = 0;
            for (idx, node) in kept.iter_mut().enumerate() {
                if !keep_name.contains(&idx) {
                    n += 1;
                    node.id = format!("{}_{n}", node.id);
                    self.repairs.renamed_spans += 1;
                }
            }
            let base = self.nodes.len();
            self.nodes.extend(kept);
            if let Some((client, server)) = pair {
                self.nodes[base + server].parent = Some(base + client);
            }
        }
    }

    /// One span out of its reports: the finer time, and all that any of them says.
    fn join(&mut self, class: Vec<Node>) -> Node {
        let mut contents: Vec<_> = class.iter().map(|it| (it.raw.start, it.raw.duration, content(&it.raw))).collect();
        contents.sort();
        contents.dedup();
        self.repairs.merged_spans += contents.len() as u64 - 1;
        self.repairs.duplicate_spans += (class.len() - contents.len()) as u64;
        let finer = |times: Vec<Option<i64>>| {
            let fine = times.iter().flatten().find(|it| **it % US != 0);
            fine.copied().or(times[0])
        };
        let mut one = class[0].clone();
        one.raw.start = finer(class.iter().map(|it| it.raw.start).collect());
        let duration = finer(class.iter().map(|it| it.raw.duration.ok()).collect());
        one.raw.duration = duration.ok_or(one.raw.duration == Err(true));
        if class.len() > 1 {
            one.raw.references.clear();
        }
        for other in &class {
            for reference in other.raw.references.iter().filter(|_| class.len() > 1) {
                if !one.raw.references.contains(reference) {
                    one.raw.references.push(reference.clone());
                }
            }
        }
        one
    }

    /// Whom a reference means: the server, where two sides share an id.
    fn find(&self, id: u32) -> Option<usize> {
        let named: Vec<usize> = (0..self.nodes.len()).filter(|it| self.nodes[*it].id == id_text(id)).collect();
        let server = named.iter().find(|it| self.nodes[**it].shared);
        server.or(named.first()).copied()
    }

    /// 1.1 (a) and (b).
    fn choose_parents(&mut self) {
        for idx in 0..self.nodes.len() {
            let node = &self.nodes[idx];
            let here: Vec<Ref> = node.raw.references.iter().filter(|it| !it.foreign).cloned().collect();
            self.repairs.foreign_references += (node.raw.references.len() - here.len()) as u64;
            if node.shared {
                // Its client was made its parent.
                self.nodes[idx].named_parent = true;
                continue;
            }
            let is_itself = |it: &&Ref| id_text(it.span) == node.id;
            let of_itself = here.iter().any(|it| is_itself(&it));
            let others: Vec<&Ref> = here.iter().filter(|it| !is_itself(it)).collect();
            let existing = |follows_from: bool| {
                others.iter().filter(|it| it.follows_from == follows_from).find_map(|it| self.find(it.span))
            };
            let child_of = existing(false);
            let follows = existing(true);
            // Id 0 is how some say that there is no parent.
            let named = of_itself || others.iter().any(|it| it.span != 0 || self.find(it.span).is_some());
            self.repairs.cycles += u64::from(of_itself);
            let node = &mut self.nodes[idx];
            node.parent = child_of.or(follows);
            node.followed = child_of.is_none() && follows.is_some();
            node.named_parent = named;
        }
    }

    fn cut_cycles(&mut self) {
        for from in 0..self.nodes.len() {
            let mut members = vec![from];
            let mut at = self.nodes[from].parent;
            while let Some(up) = at.filter(|it| !members.contains(it)) {
                members.push(up);
                at = self.nodes[up].parent;
            }
            if at != Some(from) {
                continue;
            }
            let nodes = &self.nodes;
            let first = *members
                .iter()
                .min_by(|a, b| {
                    let with = |it: usize| (&nodes[it], nodes[it].raw.start);
                    canonical(with(**a), with(**b))
                })
                .unwrap();
            self.nodes[first].parent = None;
            self.repairs.cycles += 1;
        }
    }

    /// DESIGN section 6, "missing start": its parent's; for a root, its earliest child's.
    fn fill_starts(&mut self) {
        for root in self.roots() {
            self.fill_start(root, None);
        }
    }

    fn fill_start(&mut self, at: usize, of_parent: Option<i64>) {
        let said = self.nodes[at].raw.start;
        self.repairs.missing_starts += u64::from(said.is_none());
        let start = said
            .or(of_parent)
            .or_else(|| self.earliest_child(at))
            // A root on its own happened sometime in its trace.
            .or_else(|| self.nodes.iter().filter_map(|it| it.raw.start).min())
            .unwrap_or(0);
        self.nodes[at].start = start;
        for child in self.children_in_any_order(at) {
            self.fill_start(child, Some(start));
        }
    }

    /// The earliest start of the children, or of theirs where a child has none.
    fn earliest_child(&self, at: usize) -> Option<i64> {
        self.children_in_any_order(at)
            .into_iter()
            .filter_map(|it| self.nodes[it].raw.start.or_else(|| self.earliest_child(it)))
            .min()
    }

    fn children_in_any_order(&self, at: usize) -> Vec<usize> {
        (0..self.nodes.len()).filter(|it| self.nodes[*it].parent == Some(at)).collect()
    }

    fn sorted(&self, mut list: Vec<usize>) -> Vec<usize> {
        list.sort_by(|a, b| {
            let with = |it: usize| (&self.nodes[it], Some(self.nodes[it].start));
            canonical(with(*a), with(*b))
        });
        list
    }

    fn children(&self, at: usize) -> Vec<usize> {
        self.sorted(self.children_in_any_order(at))
    }

    fn roots(&self) -> Vec<usize> {
        let roots = (0..self.nodes.len()).filter(|it| self.nodes[*it].parent.is_none());
        self.sorted(roots.collect())
    }

    /// 1.3.
    fn correct_skew(&mut self) {
        let before: Vec<i64> = self.nodes.iter().map(|it| it.start).collect();
        for root in self.roots() {
            self.correct_skew_below(root);
        }
        for (node, before) in self.nodes.iter().zip(before) {
            self.repairs.clock_skew += u64::from(node.start != before);
        }
    }

    fn correct_skew_below(&mut self, at: usize) {
        let children = self.children(at);
        if let [server] = children[..] {
            let delta = self.skew(at, server);
            self.repairs.clock_skew_max_us =
                self.repairs.clock_skew_max_us.max(delta.unsigned_abs() / US.unsigned_abs());
            self.shift(server, delta);
        }
        for child in children {
            self.correct_skew_below(child);
        }
    }

    fn skew(&self, client: usize, server: usize) -> i64 {
        let (one, two) = (&self.nodes[client], &self.nodes[server]);
        let (Some(client_dur), Some(server_dur)) = (one.duration(), two.duration()) else {
            return 0;
        };
        let other_host = match (PROCESSES[one.raw.process].1, PROCESSES[two.raw.process].1) {
            (Some(a), Some(b)) => a != b,
            _ => one.raw.process != two.raw.process,
        };
        let sticks_out = two.start < one.start || two.start + server_dur > one.start + client_dur;
        let fits = server_dur * 100 <= client_dur * 101;
        let kinds = (one.raw.kind, two.raw.kind) == (Some(Kind::Client), Some(Kind::Server));
        if !(kinds && other_host && sticks_out && fits) {
            return 0;
        }
        let dur = server_dur.min(client_dur);
        one.start + (client_dur - dur) / 2 - two.start
    }

    fn shift(&mut self, at: usize, by: i64) {
        self.nodes[at].start += by;
        for child in self.children(at) {
            self.shift(child, by);
        }
    }

    /// 1.2.
    fn is_blocking(&self, at: usize) -> bool {
        let node = &self.nodes[at];
        let of_message = node
            .parent
            .is_some_and(|it| self.nodes[it].raw.kind == Some(Kind::Producer) && node.raw.kind == Some(Kind::Consumer));
        !node.followed && !of_message
    }

    /// Where a span ends for a path: its end, or the latest end below it, or its own start.
    fn end(&self, at: usize) -> i64 {
        let node = &self.nodes[at];
        match node.duration() {
            Some(duration) => node.start + duration,
            None => self.latest_below(at).map_or(node.start, |it| it.max(node.start)),
        }
    }

    fn latest_below(&self, at: usize) -> Option<i64> {
        self.children(at).into_iter().map(|it| self.end(it).max(self.latest_below(it).unwrap_or(i64::MIN))).max()
    }

    /// DESIGN section 6, "self time".
    fn self_time(&self, at: usize) -> Option<i64> {
        let node = &self.nodes[at];
        let duration = node.duration()?;
        let end = node.start + duration;
        let counted: Vec<(i64, i64)> = self
            .children(at)
            .into_iter()
            .filter(|it| self.is_blocking(*it))
            .filter_map(|it| {
                let child = &self.nodes[it];
                Some((child.start, child.start + child.duration()?))
            })
            .filter(|it| !(self.rules.ignore_outliving && it.1 > end))
            .collect();
        let mut bounds: Vec<i64> = counted.iter().flat_map(|it| [it.0, it.1]).collect();
        bounds.extend([node.start, end]);
        bounds.sort_unstable();
        let own = bounds.windows(2).filter(|it| {
            let inside = it[0] >= node.start && it[1] <= end;
            inside && !counted.iter().any(|child| child.0 <= it[0] && it[1] <= child.1)
        });
        Some(own.map(|it| it[1] - it[0]).sum())
    }

    /// 1.4: the windows of all spans at and below `at`, given its own.
    fn clamp(&self, at: usize, window: (i64, i64), windows: &mut BTreeMap<usize, (i64, i64)>) {
        windows.insert(at, window);
        for child in self.children(at) {
            self.forget(child, windows);
            let outlives = self.rules.ignore_outliving && self.end(child) > self.end(at);
            if !self.is_blocking(child) || outlives {
                continue;
            }
            let start = self.nodes[child].start.max(window.0);
            let end = self.end(child).min(window.1);
            if start < end {
                self.clamp(child, (start, end), windows);
            }
        }
    }

    fn forget(&self, at: usize, windows: &mut BTreeMap<usize, (i64, i64)>) {
        windows.remove(&at);
        for child in self.children(at) {
            self.forget(child, windows);
        }
    }

    /// The sections of a root, earliest first.
    fn path(&self, root: usize) -> Vec<(usize, i64, i64)> {
        let mut windows = BTreeMap::new();
        let window = (self.nodes[root].start, self.end(root));
        self.clamp(root, window, &mut windows);
        let mut sections = Vec::new();
        self.walk(root, window.1, &mut windows, &mut sections);
        sections.reverse();
        let mut joined: Vec<(usize, i64, i64)> = Vec::new();
        for section in sections {
            match joined.last_mut() {
                Some(last) if last.0 == section.0 && last.2 == section.1 => last.2 = section.2,
                _ => joined.push(section),
            }
        }
        joined
    }

    /// 1.5 and 1.6; sections come latest first.
    fn walk(
        &self,
        at: usize,
        upper: i64,
        windows: &mut BTreeMap<usize, (i64, i64)>,
        sections: &mut Vec<(usize, i64, i64)>,
    ) {
        let emit = |sections: &mut Vec<_>, start: i64, end: i64| {
            if start < end {
                sections.push((at, start, end));
            }
        };
        let window = windows[&at];
        let mut kept: Vec<(usize, i64, i64)> = self
            .children(at)
            .into_iter()
            .filter_map(|it| windows.get(&it).map(|window| (it, window.0, window.1)))
            .collect();
        // Stable: ties stay in canonical order.
        kept.sort_by_key(|it| Reverse(it.2));
        let mut t = upper;
        let mut last: Option<(i64, i64)> = None;
        for (idx, &(child, start, end)) in kept.iter().enumerate() {
            if end <= t {
                emit(sections, end, t);
                self.walk(child, end, windows, sections);
                t = start;
                last = Some((start, end));
            } else if let Some((s, e)) = last {
                let small =
                    i128::from(end - s) * 1_000_000 < self.rules.tolerance_ppm * i128::from(window.1 - window.0);
                let boundaries = kept.iter().flat_map(|it| [it.1, it.2]).filter(|it| (s..=end).contains(it)).count();
                if start < s && end < e && small && boundaries == 2 {
                    assert!(kept[..idx].iter().any(|it| it.1 == s), "the accepted one starts there");
                    self.clamp(child, (start, s), windows);
                    self.walk(child, s, windows, sections);
                    t = start;
                    last = Some((start, s));
                }
            }
        }
        emit(sections, window.0, t);
    }

    /// 1.7: the main root, and whether it is partial.
    fn main_root(&self) -> (usize, bool) {
        let roots = self.roots();
        let longest = |orphan: bool| {
            let candidates = roots.iter().copied().filter(|it| self.nodes[*it].named_parent == orphan);
            // The first of the longest: roots are in canonical order.
            candidates.rev().max_by_key(|it| self.end(*it) - self.nodes[*it].start)
        };
        match longest(false) {
            Some(root) => (root, false),
            None => (longest(true).expect("there is a root"), true),
        }
    }
}

// ------------------------------------------------------------------------------ the comparison

/// All that is to be equal, as text that shows what differs.
fn said_by_reference(spans: &[Raw], rules: Rules) -> Vec<String> {
    let reference = Specified::of(spans, rules);
    let mut lines = vec![format!("{:?}", reference.repairs)];
    let mut of_spans: Vec<String> = (0..reference.nodes.len())
        .map(|idx| {
            let node = &reference.nodes[idx];
            let keys =
                |list: Vec<usize>| -> Vec<String> { list.into_iter().map(|it| reference.nodes[it].key()).collect() };
            format!(
                "{} op{} {}+{:?} under {:?} blocking {} orphan {} shared {} self {:?} children {:?}",
                node.key(),
                node.raw.operation,
                node.start,
                node.duration(),
                node.parent.map(|it| reference.nodes[it].key()),
                reference.is_blocking(idx),
                node.parent.is_none() && node.named_parent,
                node.shared,
                reference.self_time(idx),
                keys(reference.children(idx)),
            )
        })
        .collect();
    of_spans.sort();
    lines.extend(of_spans);
    let (main, partial) = reference.main_root();
    for root in reference.roots() {
        let sections: Vec<_> =
            reference.path(root).into_iter().map(|it| (reference.nodes[it.0].key(), it.1, it.2)).collect();
        lines.push(format!(
            "root {} main {} partial {} {sections:?}",
            reference.nodes[root].key(),
            root == main,
            root == main && partial,
        ));
    }
    lines
}

fn said_by_code(trace: &Trace) -> Vec<String> {
    let key_of = |idx: u32| key(&trace.span(idx).id.to_string(), trace.span(idx).kind);
    let mut lines = vec![format!("{:?}", trace.repairs)];
    let mut of_spans: Vec<String> = (0..trace.spans().len() as u32)
        .map(|idx| {
            let span = trace.span(idx);
            format!(
                "{} {} {}+{:?} under {:?} blocking {} orphan {} shared {} self {:?} children {:?}",
                key_of(idx),
                span.operation,
                span.start_ns,
                span.duration_ns,
                span.parent.map(key_of),
                span.blocking,
                span.orphan,
                span.shared,
                span.self_ns,
                trace.children(idx).map(key_of).collect::<Vec<_>>(),
            )
        })
        .collect();
    of_spans.sort();
    lines.extend(of_spans);
    for root in trace.roots() {
        let sections: Vec<_> =
            trace.critical_path(root).iter().map(|it| (key_of(it.span), it.start_ns, it.end_ns)).collect();
        lines.push(format!("root {} main {} partial {} {sections:?}", key_of(root.span), root.main, root.partial));
    }
    lines
}

fn options_of(rules: Rules) -> DeriveOptions {
    DeriveOptions {
        overlap_tolerance_ppm: rules.tolerance_ppm as u64,
        async_children: if rules.ignore_outliving { AsyncChildren::Ignore } else { AsyncChildren::Clip },
        skew_correction: rules.correct_skew,
    }
}

/// The laws that need no reference.
fn check_laws(trace: &Trace) -> Result<(), TestCaseError> {
    for (idx, span) in trace.spans().iter().enumerate() {
        prop_assert!(span.parent.is_none_or(|it| (it as usize) < idx));
    }
    prop_assert_eq!(trace.roots().iter().filter(|it| it.main).count(), 1);
    for root in trace.roots() {
        let path = trace.critical_path(root);
        let span = trace.span(root.span);
        prop_assert!(path.len() < 2 * trace.spans().len(), "at most 2n - 1 sections");
        let mut at = span.start_ns;
        for section in path {
            prop_assert_eq!(section.start_ns, at, "sections tile the root");
            prop_assert!(section.end_ns > at);
            at = section.end_ns;
            let own = trace.span(section.span);
            prop_assert!(own.start_ns <= section.start_ns);
            prop_assert!(own.duration_ns.is_none() || section.end_ns <= own.end_ns());
        }
        if span.duration_ns.is_some() {
            prop_assert_eq!(at, span.end_ns());
        }
    }
    Ok(())
}

fn check_random(spans: &[Raw], order: &[usize], rules: Rules) -> Result<(), TestCaseError> {
    let mut assembler = Assembler::new(options_of(rules));
    let trace = assembler.assemble(draft_of(spans));
    check_laws(&trace)?;
    let said = said_by_code(&trace);
    let expected = said_by_reference(spans, rules);
    prop_assert_eq!(&said, &expected, "code (left), reference (right)");
    let shuffled: Vec<Raw> = order.iter().map(|it| spans[*it].clone()).collect();
    // The same assembler: nothing of the last trace may be left in it.
    let again = said_by_code(&assembler.assemble(draft_of(&shuffled)));
    prop_assert_eq!(&said, &again, "file order (left), another order (right)");
    Ok(())
}

// ------------------------------------------------------------------------------- random traces

fn any_rules() -> impl Strategy<Value = Rules> {
    let tolerance = prop_oneof![Just(0), Just(10_000), Just(200_000)];
    (tolerance, any::<bool>(), any::<bool>()).prop_map(|(tolerance_ppm, ignore_outliving, correct_skew)| Rules {
        tolerance_ppm,
        ignore_outliving,
        correct_skew,
    })
}

fn any_kind() -> impl Strategy<Value = Option<Kind>> {
    prop_oneof![
        4 => Just(None),
        3 => Just(Some(Kind::Client)),
        3 => Just(Some(Kind::Server)),
        2 => Just(Some(Kind::Producer)),
        2 => Just(Some(Kind::Consumer)),
        1 => Just(Some(Kind::Internal)),
    ]
}

/// Mostly whole microseconds, so that all can happen on one of a few.
fn any_time(span_us: i64) -> impl Strategy<Value = i64> {
    (0..=span_us, prop_oneof![8 => Just(0), 1 => Just(1), 1 => Just(300)]).prop_map(|(us, ns)| us * US + ns)
}

fn any_reference(ids: u32) -> impl Strategy<Value = Ref> {
    let span = prop_oneof![20 => 1..=ids, 2 => Just(0x99), 1 => Just(0)];
    (span, prop::bool::weighted(0.1), prop::bool::weighted(0.25)).prop_map(|(span, foreign, follows_from)| Ref {
        span,
        foreign,
        follows_from,
    })
}

/// A span whose id, times and references collide with those of others.
fn any_span(ids: u32) -> impl Strategy<Value = Raw> {
    let start = prop_oneof![12 => any_time(8).prop_map(Some), 1 => Just(None)];
    let duration = prop_oneof![
        12 => any_time(8).prop_map(Ok),
        1 => Just(Err(false)),
        1 => Just(Err(true)),
    ];
    let references = prop_oneof![
        2 => Just(Vec::new()),
        10 => prop::collection::vec(any_reference(ids), 1),
        3 => prop::collection::vec(any_reference(ids), 2..4),
    ];
    let tags = prop_oneof![
        4 => Just(Vec::new()),
        1 => prop::collection::vec((0..2u8, 0..2u8), 1..3),
    ];
    let event = prop_oneof![6 => Just(None), 1 => (0..2i64).prop_map(Some)];
    (1..=ids, 0..PROCESSES.len(), 0..2u8, any_kind(), start, duration, tags, event, references).prop_map(
        |(id, process, operation, kind, start, duration, tags, event, references)| Raw {
            id,
            process,
            operation,
            kind,
            start,
            duration,
            tags,
            event,
            references,
        },
    )
}

/// Nothing is as it should be.
fn any_mess() -> impl Strategy<Value = Vec<Raw>> {
    let base = prop_oneof![4 => Just(0), 1 => Just(-5 * US), 2 => Just(1_793_527_200_000_000_000)];
    (1..=12u32, base, prop::bool::weighted(0.2))
        .prop_flat_map(|(ids, base, copies)| {
            let spans = prop::collection::vec(any_span(ids), 1..=12);
            (spans, Just(base), Just(copies), 0..12usize, any::<u8>())
        })
        .prop_map(|(mut spans, base, copies, which, what)| {
            for span in &mut spans {
                span.start = span.start.map(|it| it + base);
            }
            // A start of 0 beside real ones.
            if base > 0 && what.is_multiple_of(8) {
                let idx = which % spans.len();
                spans[idx].start = Some(0);
            }
            if copies {
                let mut copy = spans[which % spans.len()].clone();
                match what % 5 {
                    0 => copy.references.reverse(),
                    1 => copy.tags.push((0, 0)),
                    2 => copy.references.push(Ref { span: 1, foreign: false, follows_from: false }),
                    3 => copy.start = copy.start.map(|it| it.div_euclid(US) * US),
                    _ => {}
                }
                spans.push(copy);
            }
            spans
        })
}

/// A tree of calls one after the other, beside each other, touching, overlapping a little.
fn any_calls() -> impl Strategy<Value = Vec<Raw>> {
    let jitter = prop_oneof![6 => Just(0i64), 1 => -9..10i64];
    let at = (0..=10i64, jitter).prop_map(|(at, jitter)| (at * 100 + jitter) * US);
    let span = (at.clone(), at, any::<prop::sample::Index>(), any_kind(), 0..PROCESSES.len(), 0..40u8);
    prop::collection::vec(span, 1..=24).prop_map(|spans| {
        let mut made: Vec<Raw> = Vec::new();
        for (idx, (one, two, parent, kind, process, luck)) in spans.into_iter().enumerate() {
            // Mostly few parents with many children each.
            let n_parents = idx.min(1 + idx / 3);
            let references = if idx == 0 {
                Vec::new()
            } else {
                vec![Ref { span: parent.index(n_parents) as u32 + 1, foreign: false, follows_from: luck == 0 }]
            };
            let (start, end) = match idx {
                0 => (0, 1000 * US),
                _ => (one.min(two), one.max(two)),
            };
            made.push(Raw {
                id: idx as u32 + 1,
                process,
                operation: 0,
                kind: kind.filter(|_| luck < 20),
                start: Some(start),
                duration: if luck == 1 { Err(false) } else { Ok(end - start) },
                tags: Vec::new(),
                event: None,
                references,
            });
        }
        made
    })
}

fn with_order(spans: impl Strategy<Value = Vec<Raw>>) -> impl Strategy<Value = (Vec<Raw>, Vec<usize>)> {
    spans.prop_flat_map(|spans| {
        let order: Vec<usize> = (0..spans.len()).collect();
        (Just(spans), Just(order).prop_shuffle())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mess_is_put_in_order_as_specified((spans, order) in with_order(any_mess()), rules in any_rules()) {
        check_random(&spans, &order, rules)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn calls_have_the_path_specified((spans, order) in with_order(any_calls()), rules in any_rules()) {
        check_random(&spans, &order, rules)?;
    }
}

/// Random traces prove nothing about what they never contain.
#[test]
fn random_traces_meet_every_rule() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut sum = Repairs::default();
    let (mut partial, mut slivers, mut ignored, mut non_blocking) = (0, 0, 0, 0);
    let traces = (any_mess(), any_calls());
    for _ in 0..400 {
        let (mess, calls): (Vec<Raw>, Vec<Raw>) = traces.new_tree(&mut runner).unwrap().current();
        for spans in [mess, calls] {
            let with = |tolerance_ppm, ignore_outliving| {
                let rules = Rules { tolerance_ppm, ignore_outliving, correct_skew: true };
                Assembler::new(options_of(rules)).assemble(draft_of(&spans))
            };
            let strict = with(0, false);
            sum.add(&strict.repairs);
            partial += u32::from(strict.main_root().partial);
            slivers += u32::from(with(200_000, false).sections != strict.sections);
            ignored += u32::from(with(0, true).sections != strict.sections);
            non_blocking += u32::from(strict.spans().iter().any(|it| !it.blocking));
        }
    }
    for (count, words) in &sum.counts()[..13] {
        assert!(*count >= 20, "{words}: only {count}");
    }
    for (count, words) in
        [(partial, "partial"), (slivers, "slivers"), (ignored, "outliving"), (non_blocking, "non-blocking")]
    {
        assert!(count >= 20, "{words}: only {count}");
    }
}

// ------------------------------------------------------------------------- vectors, by hand

const EXACT: Rules = Rules { tolerance_ppm: 0, ignore_outliving: false, correct_skew: false };
const ONE_PERCENT: Rules = Rules { tolerance_ppm: 10_000, ..EXACT };
const SKEW: Rules = Rules { correct_skew: true, ..EXACT };

/// A span of [start, end] in milliseconds below another (0 for none).
fn call(id: u32, parent: u32, start: i64, end: i64) -> Raw {
    let reference = Ref { span: parent, foreign: false, follows_from: false };
    Raw {
        id,
        process: 0,
        operation: 0,
        kind: None,
        start: Some(start * MS),
        duration: Ok((end - start) * MS),
        tags: Vec::new(),
        event: None,
        references: if parent == 0 { Vec::new() } else { vec![reference] },
    }
}

/// As [`call`], in the words of Jaeger's tests: start and duration.
fn lasting(id: u32, parent: u32, start: i64, duration: i64) -> Raw {
    call(id, parent, start, start + duration)
}

fn of_kind(kind: Kind, span: Raw) -> Raw {
    Raw { kind: Some(kind), ..span }
}

fn on(process: usize, span: Raw) -> Raw {
    Raw { process, ..span }
}

fn assemble(spans: &[Raw], rules: Rules) -> Trace {
    let trace = Assembler::new(options_of(rules)).assemble(draft_of(spans));
    assert_eq!(said_by_code(&trace), said_by_reference(spans, rules), "code, reference");
    trace
}

/// Sections as (id, start, end) in milliseconds, latest first as Jaeger's tests have them.
#[track_caller]
fn check_path(spans: &[Raw], rules: Rules, expected: &[(u32, i64, i64)]) {
    let trace = assemble(spans, rules);
    let path = trace.critical_path(trace.main_root()).iter().rev();
    let id = |idx: u32| trace.span(idx).id.value().unwrap() as u32;
    let path: Vec<_> = path.map(|it| (id(it.span), it.start_ns / MS, it.end_ns / MS)).collect();
    assert_eq!(path, expected);
}

#[test]
fn what_reaches_into_the_next_call_is_cut_with_all_below_it() {
    let (r, a, a1, b) = (1, 2, 3, 4);
    let spans = [call(r, 0, 0, 1000), call(a, r, 0, 500), call(a1, a, 1, 500), call(b, r, 495, 1000)];
    check_path(&spans, ONE_PERCENT, &[(b, 495, 1000), (a1, 1, 495), (a, 0, 1)]);
    check_path(&spans, EXACT, &[(b, 495, 1000), (r, 0, 495)]);
}

#[test]
fn the_tolerance_is_below_its_percentage_and_between_two_calls_only() {
    let (r, a, b, c) = (1, 2, 3, 4);
    let at = |overlap: i64| [call(r, 0, 0, 1000), call(a, r, 100, 500 + overlap), call(b, r, 500, 1000)];
    // 9 of 1,000 is below 1 %; 10 is not.
    check_path(&at(9), ONE_PERCENT, &[(b, 500, 1000), (a, 100, 500), (r, 0, 100)]);
    check_path(&at(10), ONE_PERCENT, &[(b, 500, 1000), (r, 0, 500)]);
    // A third boundary in the sliver, at either end of it or within.
    for third in [call(c, r, 505, 600), call(c, r, 509, 600), call(c, r, 500, 700), call(c, r, 200, 505)] {
        let mut spans = at(9).to_vec();
        spans.push(third.clone());
        let trace = assemble(&spans, ONE_PERCENT);
        let path = trace.critical_path(trace.main_root());
        let on_path = path.iter().any(|it| trace.span(it.span).id.value() == Some(u128::from(a)));
        assert!(!on_path, "{third:?}");
    }
    // An instant in it holds no time and does not count.
    let mut spans = at(9).to_vec();
    spans.push(call(c, r, 505, 505));
    check_path(&spans, ONE_PERCENT, &[(b, 500, 1000), (a, 100, 500), (r, 0, 100)]);
}

#[test]
fn the_tolerance_is_of_the_clamped_parent() {
    let (r, p, a, b) = (1, 2, 3, 4);
    // p lasts 2,000 but only 500 of it are inside r: 1 % is 5, not 20.
    let at =
        |overlap: i64| [call(r, 0, 0, 500), call(p, r, 0, 2000), call(a, p, 0, 200 + overlap), call(b, p, 200, 500)];
    check_path(&at(4), ONE_PERCENT, &[(b, 200, 500), (a, 0, 200)]);
    check_path(&at(5), ONE_PERCENT, &[(b, 200, 500), (p, 0, 200)]);
}

#[test]
fn a_descendant_wholly_in_the_sliver_is_left_out() {
    let (r, a, a1, a2, b) = (1, 2, 3, 4, 5);
    let spans =
        [call(r, 0, 0, 1000), call(a, r, 0, 505), call(a1, a, 501, 504), call(a2, a, 100, 501), call(b, r, 500, 1000)];
    check_path(&spans, ONE_PERCENT, &[(b, 500, 1000), (a2, 100, 500), (a, 0, 100)]);
}

#[test]
fn jaegers_own_cases_come_out_the_same() {
    let (a, b, c, d, e) = (1, 2, 3, 4, 5);
    // 1
    let spans = [lasting(c, 0, 1, 100), lasting(d, c, 20, 20), lasting(e, c, 50, 10)];
    let sections = [(c, 60, 101), (e, 50, 60), (c, 40, 50), (d, 20, 40), (c, 1, 20)];
    check_path(&spans, EXACT, &sections);
    check_path(&spans, ONE_PERCENT, &sections);
    // 2
    let x = 6;
    let spans = [lasting(x, 0, 1, 100), lasting(a, x, 10, 40), lasting(c, x, 20, 40)];
    check_path(&spans, EXACT, &[(x, 60, 101), (c, 20, 60), (x, 1, 20)]);
    check_path(&spans, ONE_PERCENT, &[(x, 60, 101), (c, 20, 60), (x, 1, 20)]);
    // 4: the child and the grandchild are beyond their ancestor.
    let spans = [lasting(a, 0, 1, 30), lasting(b, a, 40, 40), lasting(c, b, 50, 10)];
    check_path(&spans, EXACT, &[(a, 1, 31)]);
    // 5: nobody waits for a message to be handled.
    let spans = [
        of_kind(Kind::Producer, lasting(a, 0, 1, 30)),
        of_kind(Kind::Consumer, lasting(b, a, 10, 10)),
        lasting(c, b, 12, 2),
    ];
    check_path(&spans, EXACT, &[(a, 1, 31)]);
    // 6
    let spans = [lasting(a, 0, 1, 29), lasting(b, a, 15, 20), lasting(c, b, 10, 15)];
    check_path(&spans, EXACT, &[(b, 25, 30), (c, 15, 25), (a, 1, 15)]);
    // 7
    let spans = [lasting(a, 0, 1, 29), lasting(b, a, 15, 20), lasting(c, b, 20, 20)];
    check_path(&spans, EXACT, &[(c, 20, 30), (b, 15, 20), (a, 1, 15)]);
    // 8: a child that covers its parent.
    let spans = [lasting(a, 0, 10, 20), lasting(b, a, 5, 30)];
    check_path(&spans, EXACT, &[(b, 10, 30)]);
    // 9: a child that was over before.
    let spans = [lasting(a, 0, 10, 20), lasting(b, a, 1, 4)];
    check_path(&spans, EXACT, &[(a, 10, 30)]);
}

#[test]
fn touching_calls_are_all_on_the_path() {
    let spans = [call(1, 0, 0, 100), call(2, 1, 0, 50), call(3, 1, 50, 100)];
    check_path(&spans, EXACT, &[(3, 50, 100), (2, 0, 50)]);
    // An instant at the seam changes nothing.
    let spans = [spans.to_vec(), vec![call(4, 1, 50, 50)]].concat();
    check_path(&spans, EXACT, &[(3, 50, 100), (2, 0, 50)]);
    // Nor does a fan-out after the first call.
    let spans = [call(1, 0, 0, 100), call(2, 1, 0, 50), call(3, 1, 50, 90), call(4, 1, 50, 100)];
    check_path(&spans, ONE_PERCENT, &[(4, 50, 100), (2, 0, 50)]);
}

#[test]
fn times_may_be_0_and_below() {
    check_path(&[call(1, 0, 0, 10), call(2, 1, 0, 4)], EXACT, &[(1, 4, 10), (2, 0, 4)]);
    check_path(&[call(1, 0, -10, 10), call(2, 1, -5, 4)], EXACT, &[(1, 4, 10), (2, -5, 4), (1, -10, -5)]);
}

#[test]
fn an_unknown_duration_reaches_to_the_latest_end_below() {
    let unknown = |span: Raw| Raw { duration: Err(false), ..span };
    let spans = [unknown(call(1, 0, 0, 0)), unknown(call(2, 1, 10, 10)), call(3, 2, 20, 50)];
    check_path(&spans, EXACT, &[(3, 20, 50), (2, 10, 20), (1, 0, 10)]);
    // A known 0 stays 0.
    check_path(&[call(1, 0, 0, 0), call(2, 1, 10, 20)], EXACT, &[]);
    assert_eq!(assemble(&spans, EXACT).span(0).self_ns, None);
}

#[test]
fn nobody_waits_for_a_child_that_outlives_its_parent_if_that_is_said() {
    let rules = Rules { ignore_outliving: true, ..EXACT };
    let spans = [call(1, 0, 0, 100), call(2, 1, 50, 101), call(3, 1, 10, 90)];
    check_path(&spans, rules, &[(1, 90, 100), (3, 10, 90), (1, 0, 10)]);
    assert_eq!(assemble(&spans, rules).span(0).self_ns, Some(20 * MS));
    check_path(&spans, EXACT, &[(2, 50, 100), (1, 0, 50)]);
    assert_eq!(assemble(&spans, EXACT).span(0).self_ns, Some(10 * MS));
    // To end with it is not to outlive it; of equal ends the one that began first explains more.
    let spans = [call(1, 0, 0, 100), call(2, 1, 50, 100), call(3, 1, 10, 100)];
    check_path(&spans, rules, &[(3, 10, 100), (1, 0, 10)]);
}

#[test]
fn self_time_is_what_no_child_covers() {
    // Start and duration of the parent, of its children; the self time.
    type Case = (i64, i64, &'static [(i64, i64)], i64);
    let cases: [Case; 10] = [
        (0, 100, &[(10, 40)], 60),
        (0, 100, &[(10, 20), (50, 20)], 60),
        (0, 100, &[(10, 50), (30, 50)], 30),
        (0, 100, &[(50, 100)], 50),
        (0, 100, &[(120, 30)], 100),
        (0, 100, &[(10, 60), (20, 30)], 40),
        (0, 100, &[(0, 100)], 0),
        (0, 100, &[(0, 60), (0, 120)], 0),
        (0, 100, &[(10, 30), (30, 30), (70, 20)], 30),
        (10, 40, &[(0, 100)], 0),
    ];
    for (start, duration, children, own) in cases {
        let mut spans = vec![lasting(1, 0, start, duration)];
        for (nth, (start, duration)) in children.iter().enumerate() {
            spans.push(lasting(nth as u32 + 2, 1, *start, *duration));
        }
        let trace = assemble(&spans, EXACT);
        assert_eq!(trace.span(trace.main_root().span).self_ns, Some(own * MS), "{children:?}");
    }
}

#[test]
fn self_time_does_not_count_children_nobody_waits_for() {
    let mut follower = call(2, 1, 10, 50);
    follower.references[0].follows_from = true;
    let trace = assemble(&[call(1, 0, 0, 100), follower], EXACT);
    assert_eq!(trace.span(0).self_ns, Some(100 * MS));
    let message = [of_kind(Kind::Producer, call(1, 0, 0, 100)), of_kind(Kind::Consumer, call(2, 1, 10, 50))];
    assert_eq!(assemble(&message, EXACT).span(0).self_ns, Some(100 * MS));
}

/// A client at [start, end] of host 1 and a server on another; gives the server's start, in microseconds.
#[track_caller]
fn check_skew(client: (i64, i64), server: (i64, i64), expected_us: i64) {
    let spans = skewed(client, server);
    let trace = assemble(&spans, SKEW);
    let at = trace.spans().iter().find(|it| it.kind == Some(Kind::Server)).unwrap();
    assert_eq!(at.start_ns / US, expected_us);
    let moved = expected_us - server.0 * 1000;
    assert_eq!(trace.repairs.clock_skew, u64::from(moved != 0));
    assert_eq!(trace.repairs.clock_skew_max_us, moved.unsigned_abs());
}

fn skewed(client: (i64, i64), server: (i64, i64)) -> [Raw; 2] {
    [
        on(3, of_kind(Kind::Client, call(1, 0, client.0, client.1))),
        on(4, of_kind(Kind::Server, call(2, 1, server.0, server.1))),
    ]
}

#[test]
fn a_server_that_sticks_out_is_moved_into_the_middle_of_its_call() {
    // Too early, too late, wholly outside: 100 - 60 leaves 20 on either side.
    check_skew((0, 100), (-10, 50), 20_000);
    check_skew((0, 100), (70, 130), 20_000);
    check_skew((0, 100), (5000, 5060), 20_000);
    // Inside, or touching either end: left alone.
    check_skew((0, 100), (10, 70), 10_000);
    check_skew((0, 100), (0, 60), 0);
    check_skew((0, 100), (40, 100), 40_000);
    // Half of an odd number of milliseconds.
    check_skew((0, 100), (60, 121), 19_500);
    // Up to 1 % longer than the call it fits, from the call's start; beyond it does not.
    check_skew((0, 100), (10, 111), 0);
    check_skew((0, 100), (10, 112), 10_000);
}

#[test]
fn half_a_nanosecond_of_skew_is_rounded_down() {
    let [client, server] = skewed((0, 100), (0, 0));
    for (duration, start) in [(2, 49_999_999), (3, 49_999_998)] {
        let server = Raw { start: Some(-5), duration: Ok(duration), ..server.clone() };
        let trace = assemble(&[client.clone(), server], SKEW);
        assert_eq!(trace.span(1).start_ns, start);
    }
}

#[test]
fn only_a_clients_only_server_on_another_host_is_moved() {
    let [client, server] = skewed((0, 100), (-10, 50));
    let moved = |spans: &[Raw]| assemble(spans, SKEW).repairs.clock_skew;
    assert_eq!(moved(&[client.clone(), server.clone()]), 1);
    // A second child, of whatever kind.
    assert_eq!(moved(&[client.clone(), server.clone(), call(3, 1, 60, 70)]), 0);
    // The same host; a host that is not known but another process; the same process.
    assert_eq!(moved(&[client.clone(), on(3, server.clone())]), 0);
    assert_eq!(moved(&[client.clone(), on(1, server.clone())]), 0, "one host, two services");
    assert_eq!(moved(&[client.clone(), on(2, server.clone())]), 1);
    assert_eq!(moved(&[on(0, client.clone()), server.clone()]), 1);
    assert_eq!(moved(&[on(2, client.clone()), on(2, server.clone())]), 0);
    // Other kinds.
    for kind in [None, Some(Kind::Internal), Some(Kind::Consumer), Some(Kind::Client)] {
        assert_eq!(moved(&[client.clone(), Raw { kind, ..server.clone() }]), 0, "{kind:?}");
    }
    assert_eq!(moved(&[Raw { kind: None, ..client.clone() }, server.clone()]), 0);
    // Nobody asked.
    assert_eq!(assemble(&[client, server], EXACT).repairs.clock_skew, 0);
}

#[test]
fn all_below_a_moved_server_moves_with_it() {
    let [client, server] = skewed((0, 100), (-50, 10));
    let spans = [
        client,
        server,
        // Its own client calls on: a second skew, of the host it calls.
        on(4, of_kind(Kind::Client, call(3, 2, -40, 0))),
        on(3, of_kind(Kind::Server, call(4, 3, 30, 50))),
        on(4, call(5, 2, 0, 5)),
    ];
    let trace = assemble(&spans, SKEW);
    let start = |id: u128| trace.spans().iter().find(|it| it.id.value() == Some(id)).unwrap().start_ns / MS;
    // 2 moves by 70 to 20..80; 3 with it to 30..70; 4 first with it to 100..120, then into 3 at 40..60.
    assert_eq!([2, 3, 4, 5].map(start), [20, 30, 40, 70]);
    assert_eq!(trace.repairs.clock_skew, 4);
    assert_eq!(trace.repairs.clock_skew_max_us, 70_000);
}

#[test]
fn duplicates_are_joined_paired_or_renamed() {
    let ids =
        |trace: &Trace| -> Vec<String> { trace.spans().iter().map(|it| key(&it.id.to_string(), it.kind)).collect() };
    // (i) The same to the microsecond, one with a finer clock.
    let fine = Raw { start: Some(2 * MS + 300), tags: vec![(0, 1)], ..call(2, 1, 2, 5) };
    let trace = assemble(&[call(1, 0, 0, 9), call(2, 1, 2, 5), fine], EXACT);
    assert_eq!((trace.spans().len(), trace.repairs.merged_spans), (2, 1));
    assert_eq!(trace.span(1).start_ns, 2 * MS + 300);
    assert_eq!(trace.attributes(trace.span(1)).len(), 1);
    let trace = assemble(&[call(1, 0, 0, 9), call(1, 0, 0, 9), call(1, 0, 0, 9)], EXACT);
    assert_eq!((trace.spans().len(), trace.repairs.duplicate_spans), (1, 2));
    // (ii) Both sides of a call: children hang on the server.
    let trace = assemble(
        &[
            call(3, 2, 3, 4),
            of_kind(Kind::Server, call(2, 1, 2, 5)),
            of_kind(Kind::Client, call(2, 1, 1, 6)),
            call(1, 0, 0, 9),
        ],
        EXACT,
    );
    assert_eq!(ids(&trace), ["0001 -", "0002 client", "0002 server", "0003 -"]);
    assert_eq!(trace.spans().iter().map(|it| it.parent).collect::<Vec<_>>(), [None, Some(0), Some(1), Some(2)]);
    assert_eq!(trace.repairs.shared_spans, 1);
    // (iii) Anything else: the later one is renamed, children hang on the first.
    let trace = assemble(&[call(3, 2, 5, 6), call(2, 1, 4, 7), call(2, 1, 2, 8), call(1, 0, 0, 9)], EXACT);
    assert_eq!(ids(&trace), ["0001 -", "0002 -", "0002_1 -", "0003 -"]);
    assert_eq!(trace.span(3).parent, Some(1));
    assert_eq!(trace.repairs.renamed_spans, 1);
}

#[test]
fn a_server_half_cut_out_of_a_cycle_is_an_orphan() {
    let spans = [of_kind(Kind::Server, call(5, 0, 0, 9)), of_kind(Kind::Client, call(5, 6, 1, 8)), call(6, 5, 2, 7)];
    let trace = assemble(&spans, EXACT);
    assert!(trace.span(0).orphan && trace.main_root().partial);
    assert_eq!((trace.repairs.cycles, trace.repairs.orphans), (1, 1));
}

#[test]
fn a_span_without_any_start_is_not_from_1970() {
    let at = 1_793_527_200_000 * MS;
    let real = Raw { start: Some(at), ..call(1, 0, 0, 9) };
    for start in [None, Some(0)] {
        let trace = assemble(&[real.clone(), Raw { start, ..call(2, 0, 0, 5) }], EXACT);
        assert_eq!((trace.start_ns(), trace.duration_ns()), (at, 9 * MS));
    }
}

// -------------------------------------------------------------------------------- large traces

/// Large enough to end a recursion, small enough for a build without optimization.
const MANY: u32 = if cfg!(debug_assertions) { 200_000 } else { 1_000_000 };

fn assemble_large(spans: &[Raw], rules: Rules) -> Trace {
    let trace = Assembler::new(options_of(rules)).assemble(draft_of(spans));
    check_laws(&trace).unwrap();
    trace
}

#[test]
fn a_chain_of_100000_levels_is_walked_without_recursion() {
    const DEPTH: u32 = 100_000;
    let end = 2 * i64::from(DEPTH);
    // From the bottom up, as a file may well have it.
    let level = |it: u32| call(it, it - 1, i64::from(it), end - i64::from(it));
    let spans: Vec<Raw> = (1..=DEPTH).rev().map(level).collect();
    let trace = assemble_large(&spans, ONE_PERCENT);
    assert_eq!(trace.critical_path(trace.main_root()).len(), 2 * DEPTH as usize - 3);
    // (The deepest is an instant; the one above it has nothing below it.)
    let unknown: Vec<Raw> = spans.iter().map(|it| Raw { duration: Err(false), start: None, ..it.clone() }).collect();
    assert_eq!(assemble_large(&unknown, ONE_PERCENT).duration_ns(), 0);
    let hosts: Vec<Raw> = spans
        .iter()
        .map(|it| {
            let (kind, process) = match it.id % 2 {
                0 => (Kind::Server, 4),
                _ => (Kind::Client, 3),
            };
            let start = it.start.map(|at| if kind == Kind::Server { at + end * MS } else { at });
            Raw { kind: Some(kind), process, start, ..it.clone() }
        })
        .collect();
    assert_eq!(assemble_large(&hosts, SKEW).repairs.clock_skew, u64::from(DEPTH) - 1);
}

#[test]
fn a_cycle_of_100000_spans_is_cut_once() {
    let mut spans: Vec<Raw> = (1..=100_000).map(|it| call(it, it - 1, 0, 10)).collect();
    spans[0].references.push(Ref { span: 100_000, foreign: false, follows_from: false });
    let trace = assemble_large(&spans, ONE_PERCENT);
    assert_eq!((trace.repairs.cycles, trace.repairs.orphans), (1, 1));
}

#[test]
fn a_span_may_have_a_million_children() {
    let n = i64::from(MANY);
    let mut spans = vec![call(1, 0, 0, n)];
    // All begin in the first half and none ends before it is over.
    spans.extend((0..MANY).map(|it| {
        let start = i64::from(it) * 7_919 % (n / 2);
        call(it + 2, 1, start, n / 2 + 1 + i64::from(it) * 104_729 % (n / 2))
    }));
    let trace = assemble_large(&spans, ONE_PERCENT);
    assert_eq!(trace.spans().len(), MANY as usize + 1);
    assert!(trace.critical_path(trace.main_root()).len() <= 3);
}

#[test]
fn fifty_thousand_touching_siblings_are_all_on_the_path() {
    const N: u32 = 50_000;
    let mut spans: Vec<Raw> = (0..N).map(|it| call(it + 2, 1, i64::from(it), i64::from(it) + 1)).collect();
    spans.push(call(1, 0, 0, i64::from(N)));
    for rules in [EXACT, ONE_PERCENT] {
        let trace = assemble_large(&spans, rules);
        assert_eq!(trace.critical_path(trace.main_root()).len(), N as usize);
        assert_eq!(trace.span(0).self_ns, Some(0));
    }
    // Each reaching a little into the next.
    for span in &mut spans[..N as usize - 1] {
        span.duration = span.duration.map(|it| it + US);
    }
    let trace = assemble_large(&spans, ONE_PERCENT);
    assert_eq!(trace.critical_path(trace.main_root()).len(), N as usize);
}

#[test]
fn fifty_thousand_spans_may_share_an_id() {
    const N: i64 = 50_000;
    let spans: Vec<Raw> = (0..N).map(|it| call(1, 0, it, it + 1)).collect();
    assert_eq!(assemble_large(&spans, EXACT).repairs.renamed_spans, N as u64 - 1);
    let spans = vec![call(1, 0, 0, 1); N as usize];
    assert_eq!(assemble_large(&spans, EXACT).repairs.duplicate_spans, N as u64 - 1);
}

/// As far from 1970 as the reader lets anything be, either way.
const FAR: i64 = i64::MAX / 2;

#[test]
fn a_start_filled_in_leaves_room_for_any_difference() {
    let early = Raw { start: Some(-FAR), duration: Ok(0), ..call(1, 0, 0, 0) };
    let late = Raw { start: Some(FAR), duration: Ok(0), ..call(2, 0, 0, 0) };
    let filled = Raw { start: None, duration: Ok(FAR), ..call(3, 2, 0, 0) };
    let trace = Assembler::default().assemble(draft_of(&[early, late, filled]));
    assert_eq!(trace.duration_ns(), 2 * FAR);
    // What does not fit is not known.
    assert_eq!(trace.spans().iter().filter(|it| it.duration_ns.is_none()).count(), 1);
}

#[test]
fn skew_that_leads_beyond_all_times_is_left_alone() {
    let spans = [
        on(3, of_kind(Kind::Client, Raw { start: Some(-FAR), duration: Ok(10), ..call(1, 0, 0, 0) })),
        on(4, of_kind(Kind::Server, Raw { start: Some(FAR - 10), duration: Ok(4), ..call(2, 1, 0, 0) })),
        on(4, Raw { start: Some(-FAR), duration: Ok(5), ..call(3, 2, 0, 0) }),
    ];
    let trace = Assembler::new(options_of(SKEW)).assemble(draft_of(&spans));
    check_laws(&trace).unwrap();
    assert!(trace.spans().iter().all(|it| it.start_ns >= -FAR));
    assert_eq!(trace.repairs.clock_skew, 1, "the server, but not what is below it");
}
