//! Zipkin's rules for one id in several reports: late parts of a span, and the two sides of a call.
//!
//! Any process may report a span bit by bit, and a server reports under the id of the client that called
//! it. So what tells spans of one id apart is which side they are (`shared`) and where they were recorded;
//! and of a parent's id, a child means the side that was recorded where it was itself.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::canonical;
use super::duplicates::{drop_gone, rename};
use crate::model::attributes::{Attribute, Key, Known, Run};
use crate::model::draft::{Draft, NoDuration, Process, UNKNOWN_OPERATION, longest_written};
use crate::model::{Id, Kind, Name, Repairs};

/// Where a span was recorded, as far as was said; the order puts what was not said first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Endpoint<'a> {
    service: Option<Name>,
    ip: Option<&'a str>,
    port: Option<&'a str>,
}

/// What tells the instances of a service from each other.
pub(super) const ENDPOINT_KEYS: &[Known] = &[Known::Ip, Known::Port];

impl<'a> Endpoint<'a> {
    fn of(draft: &'a Draft, idx: u32) -> Endpoint<'a> {
        let process = &draft.processes[draft.spans[idx as usize].process as usize];
        let find = |key| {
            let found = draft.attributes_of(process.attributes).iter().find(|it| it.key == Key::Known(key));
            found.map(|it| draft.text(it.value))
        };
        Endpoint { service: process.is_known.then_some(process.service), ip: find(Known::Ip), port: find(Known::Port) }
    }

    /// What both say together, unless they contradict each other.
    fn joined(self, other: Endpoint<'a>) -> Option<Endpoint<'a>> {
        fn either<T: PartialEq>(mine: Option<T>, theirs: Option<T>) -> Option<Option<T>> {
            match (mine, theirs) {
                (Some(mine), Some(theirs)) if mine != theirs => None,
                (mine, theirs) => Some(mine.or(theirs)),
            }
        }
        Some(Endpoint {
            service: either(self.service, other.service)?,
            ip: either(self.ip, other.ip)?,
            port: either(self.port, other.port)?,
        })
    }
}

/// Joins the reports of each span, and settles who is who under one id; gives spans with the parents
/// that follow from that.
pub(super) fn settle(draft: &mut Draft, repairs: &mut Repairs) -> Vec<(u32, u32)> {
    let mut groups: BTreeMap<Id, Vec<u32>> = BTreeMap::new();
    for (idx, span) in draft.spans.iter().enumerate() {
        groups.entry(span.id.clone()).or_default().push(idx as u32);
    }
    let mut sides = Sides { taken: groups.keys().cloned().collect(), ..Sides::default() };
    let mut gone = vec![false; draft.spans.len()];
    for (id, mut group) in groups {
        if group.len() > 1 {
            group.sort_unstable_by(|a, b| in_order(draft, *a, *b));
            group = join_reports(draft, &group, &mut gone, repairs);
        }
        share(draft, &group);
        sides.settle(draft, id, &group, repairs);
    }
    let mut parents = sides.children_of_servers(draft, &gone);
    parents.append(&mut sides.parents);
    drop_gone(draft, &gone, &mut parents);
    parents
}

/// The client before what shares its id, then by endpoint.
fn in_order(draft: &Draft, a: u32, b: u32) -> Ordering {
    let side = |idx: u32| {
        let span = &draft.spans[idx as usize];
        (span.shared, !span.shared && span.kind != Some(Kind::Client))
    };
    side(a)
        .cmp(&side(b))
        .then_with(|| Endpoint::of(draft, a).cmp(&Endpoint::of(draft, b)))
        .then_with(|| canonical(draft, a, b))
}

/// Reports that may be of one span.
struct Class<'a> {
    endpoint: Endpoint<'a>,
    kind: Option<Kind>,
    reports: Vec<u32>,
}

/// Joins the reports that may be of one span; gives the first of each.
fn join_reports(draft: &mut Draft, group: &[u32], gone: &mut [bool], repairs: &mut Repairs) -> Vec<u32> {
    let classes = classes(draft, group);
    for reports in classes.iter().filter(|it| it.len() > 1) {
        let equal = reports.windows(2).filter(|it| canonical(draft, it[0], it[1]) == Ordering::Equal).count();
        join(draft, reports);
        reports[1..].iter().for_each(|it| gone[*it as usize] = true);
        repairs.duplicate_spans += equal as u64;
        repairs.merged_spans += (reports.len() - 1 - equal) as u64;
    }
    classes.iter().map(|it| it[0]).collect()
}

/// Puts each report to the first with which it agrees, rather at the same endpoint than at one that may be.
fn classes(draft: &Draft, group: &[u32]) -> Vec<Vec<u32>> {
    let mut classes: Vec<Class<'_>> = Vec::new();
    for &idx in group {
        let span = &draft.spans[idx as usize];
        let endpoint = Endpoint::of(draft, idx);
        let agrees = |it: &Class<'_>| {
            let is_other_side = it.kind.zip(span.kind).is_some_and(|(one, two)| one != two);
            span.shared == draft.spans[it.reports[0] as usize].shared && !is_other_side
        };
        let same = classes.iter().position(|it| agrees(it) && it.endpoint == endpoint);
        let place = same.or_else(|| classes.iter().position(|it| agrees(it) && it.endpoint.joined(endpoint).is_some()));
        match place {
            Some(place) => {
                let class = &mut classes[place];
                class.endpoint = class.endpoint.joined(endpoint).unwrap_or(class.endpoint);
                class.kind = class.kind.or(span.kind);
                class.reports.push(idx);
            }
            None => classes.push(Class { endpoint, kind: span.kind, reports: vec![idx] }),
        }
    }
    classes.into_iter().map(|it| it.reports).collect()
}

/// Puts into the first report what the others know besides; of a tag's values the last counts.
fn join(draft: &mut Draft, reports: &[u32]) {
    let mut span = draft.spans[reports[0] as usize].clone();
    let mut tags: Vec<Attribute> = Vec::new();
    let mut events = Vec::new();
    let mut seen = HashSet::new();
    for &idx in reports {
        let other = &draft.spans[idx as usize];
        for attribute in draft.attributes_of(other.attributes) {
            match tags.iter_mut().find(|it| it.key == attribute.key) {
                Some(known) => *known = *attribute,
                None => tags.push(*attribute),
            }
        }
        for event in &draft.events[other.events.range()] {
            let words = draft.attributes_of(event.attributes).iter().map(|it| (it.key.as_str(), draft.text(it.value)));
            if seen.insert((event.at_ns, words.collect::<Vec<_>>())) {
                events.push(*event);
            }
        }
        if span.operation.as_str() == UNKNOWN_OPERATION {
            span.operation = other.operation;
        }
        span.id = longest_written(span.id, &other.id);
        span.kind = span.kind.or(other.kind);
        span.start_ns = span.start_ns.or(other.start_ns);
        span.duration_ns = match (span.duration_ns, other.duration_ns) {
            (Err(_), Ok(ns)) => Ok(ns),
            (Err(NoDuration::Missing), Err(why)) => Err(why),
            (known, _) => known,
        };
        span.failed = span.failed.max(other.failed);
        if span.references.range().is_empty() {
            span.references = other.references;
        }
    }
    span.attributes = appended(&mut draft.attributes, tags);
    span.events = appended(&mut draft.events, events);
    span.process = joined_process(draft, reports);
    draft.spans[reports[0] as usize] = span;
}

/// The process of all these reports: one of theirs, or what they say together.
fn joined_process(draft: &mut Draft, reports: &[u32]) -> u32 {
    let first = draft.spans[reports[0] as usize].process;
    let processes: Vec<u32> = reports.iter().map(|it| draft.spans[*it as usize].process).collect();
    if processes.iter().all(|it| *it == first) {
        return first;
    }
    let known = processes.iter().copied().find(|it| draft.processes[*it as usize].is_known).unwrap_or(first);
    let mut attributes: Vec<Attribute> = Vec::new();
    for process in processes {
        for attribute in draft.attributes_of(draft.processes[process as usize].attributes) {
            if !attributes.iter().any(|it| it.key == attribute.key) {
                attributes.push(*attribute);
            }
        }
    }
    let attributes = appended(&mut draft.attributes, attributes);
    draft.processes.push(Process { attributes, ..draft.processes[known as usize].clone() });
    draft.processes.len() as u32 - 1
}

fn appended<T>(list: &mut Vec<T>, values: Vec<T>) -> Run {
    let start = list.len() as u32;
    list.extend(values);
    Run { start, end: list.len() as u32 }
}

/// Some servers do not say that they share the client's id, or leave out the parent.
fn share(draft: &mut Draft, group: &[u32]) {
    for pair in group.windows(2) {
        let (before, idx) = (&draft.spans[pair[0] as usize], pair[1] as usize);
        let (parent, is_first) = (before.references, !before.shared);
        let answers = matches!(
            (before.kind, draft.spans[idx].kind),
            (Some(Kind::Client), Some(Kind::Server)) | (Some(Kind::Producer), Some(Kind::Consumer))
        );
        let span = &mut draft.spans[idx];
        span.shared |= answers && is_first;
        if span.shared && span.references.range().is_empty() {
            span.references = parent;
        }
    }
}

/// Who is who under each id.
#[derive(Debug, Default)]
struct Sides {
    taken: HashSet<Id>,
    /// Servers, by the id they share.
    servers: HashMap<Id, Vec<u32>>,
    /// Servers whose client is not there.
    lone: HashSet<u32>,
    parents: Vec<(u32, u32)>,
}

impl Sides {
    /// Hangs the servers of an id on its client, and gives names of their own to all but one of each.
    fn settle(&mut self, draft: &mut Draft, id: Id, group: &[u32], repairs: &mut Repairs) {
        let (servers, others): (Vec<u32>, Vec<u32>) = group.iter().partition(|it| draft.spans[**it as usize].shared);
        let client = others.first().copied();
        match client {
            Some(client) => {
                self.parents.extend(servers.iter().map(|it| (*it, client)));
                repairs.shared_spans += servers.len() as u64;
            }
            // Nobody is there to share with: its parent is the one it names.
            None => {
                servers.iter().for_each(|it| draft.spans[*it as usize].shared = false);
                self.lone.extend(&servers);
            }
        }
        let mut n = 0;
        for &idx in others.iter().skip(1).chain(servers.iter().skip(1)) {
            rename(draft, idx, &mut self.taken, &mut n);
            repairs.renamed_spans += 1;
        }
        if !servers.is_empty() {
            self.servers.insert(id, servers);
        }
    }

    /// Children whose parent's id is shared, and who are below one of its servers rather than its client.
    fn children_of_servers(&self, draft: &Draft, gone: &[bool]) -> Vec<(u32, u32)> {
        let mut found = Vec::new();
        for (idx, span) in draft.spans.iter().enumerate().filter(|(idx, span)| !gone[*idx] && !span.shared) {
            let Some(reference) = draft.references[span.references.range()].first() else { continue };
            let servers = self.servers.get(&reference.span).map_or(&[][..], Vec::as_slice);
            let own = Endpoint::of(draft, idx as u32);
            let is_there = |it: &&u32| Endpoint::of(draft, **it) == own;
            // What one says and the other does not makes them no strangers, if both say the service.
            let may_be_there = |it: &&u32| {
                let other = Endpoint::of(draft, **it);
                own.service.is_some() && own.service == other.service && own.joined(other).is_some()
            };
            // The client that was lost worked for whoever answered.
            let lost = || servers.first().filter(|_| servers.len() == 1 && self.lone.contains(&(idx as u32)));
            let server = servers.iter().find(is_there).or_else(|| servers.iter().find(may_be_there)).or_else(lost);
            found.extend(server.filter(|it| **it != idx as u32).map(|it| (idx as u32, *it)));
        }
        found
    }
}
