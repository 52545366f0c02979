//! One id, several spans: reported twice, the two sides of a call, or simply wrong.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::canonical;
use crate::model::attributes::{Attribute, Run};
use crate::model::draft::{Draft, Event, NoDuration, longest_written};
use crate::model::{Id, Kind, Repairs};

/// Leaves at most the two halves of a shared id under one id; gives those as (server, client).
pub(super) fn settle(draft: &mut Draft, repairs: &mut Repairs) -> Vec<(u32, u32)> {
    let mut groups: BTreeMap<Id, Vec<u32>> = BTreeMap::new();
    for (idx, span) in draft.spans.iter().enumerate() {
        groups.entry(span.id.clone()).or_default().push(idx as u32);
    }
    let mut taken: HashSet<Id> = groups.keys().cloned().collect();
    let mut gone = vec![false; draft.spans.len()];
    let mut pairs = Vec::new();
    for (_, mut group) in groups.into_iter().filter(|(_, group)| group.len() > 1) {
        group.sort_unstable_by(|a, b| canonical(draft, *a, *b));
        let kept = join_reports(draft, &group, &mut gone, repairs);
        if let Some(pair) = tell_apart(draft, &kept, &mut taken, repairs) {
            pairs.push(pair);
        }
    }
    drop_gone(draft, &gone, &mut pairs);
    pairs
}

/// Joins reports of one and the same span: equal but for attributes and a finer clock.
fn join_reports(draft: &mut Draft, group: &[u32], gone: &mut [bool], repairs: &mut Repairs) -> Vec<u32> {
    let mut order = Vec::new();
    let mut classes: HashMap<_, Vec<u32>> = HashMap::new();
    for &idx in group {
        let span = &draft.spans[idx as usize];
        let key = (
            draft.service(span),
            span.operation,
            span.kind,
            span.start_ns.map(|it| it.div_euclid(1000)),
            span.duration_ns.ok().map(|it| it.div_euclid(1000)),
        );
        let class = classes.entry(key).or_default();
        if class.is_empty() {
            order.push(key);
        }
        class.push(idx);
    }
    for class in order.iter().map(|it| &classes[it]).filter(|it| it.len() > 1) {
        // In canonical order equal reports stand beside each other.
        let equal = class.windows(2).filter(|it| canonical(draft, it[0], it[1]) == Ordering::Equal).count();
        join(draft, class);
        for &idx in &class[1..] {
            gone[idx as usize] = true;
        }
        repairs.duplicate_spans += equal as u64;
        repairs.merged_spans += (class.len() - 1 - equal) as u64;
    }
    order.iter().map(|it| classes[it][0]).collect()
}

/// Puts into the first of a class what the others know besides.
fn join(draft: &mut Draft, class: &[u32]) {
    let first = class[0] as usize;
    let mut attributes = Union::default();
    let mut events = Union::default();
    let mut references = Union::default();
    for &idx in class {
        let span = &draft.spans[idx as usize];
        for attribute in draft.attributes_of(span.attributes) {
            let words =
                format!("{}\0{}\0{:?}", attribute.key.as_str(), draft.text(attribute.value), attribute.value_type);
            attributes.add(words, *attribute);
        }
        for event in &draft.events[span.events.range()] {
            events.add(event_words(draft, event), *event);
        }
        for reference in &draft.references[span.references.range()] {
            references.add(format!("{reference:?}"), reference.clone());
        }
        let kept = &draft.spans[first];
        let start_ns = finer(kept.start_ns, span.start_ns);
        let duration_ns = finer(kept.duration_ns.ok(), span.duration_ns.ok()).ok_or(NoDuration::Missing);
        let id = longest_written(kept.id.clone(), &span.id);
        let kept = &mut draft.spans[first];
        (kept.start_ns, kept.id) = (start_ns, id);
        kept.duration_ns = duration_ns.or(kept.duration_ns);
    }
    draft.spans[first].attributes = append(&mut draft.attributes, attributes.values);
    draft.spans[first].events = append(&mut draft.events, events.values);
    draft.spans[first].references = append(&mut draft.references, references.values);
}

fn event_words(draft: &Draft, event: &Event) -> String {
    let attributes: &[Attribute] = draft.attributes_of(event.attributes);
    let mut words: Vec<_> = attributes.iter().map(|it| (it.key.as_str(), draft.text(it.value))).collect();
    words.sort_unstable();
    format!("{:?}\0{words:?}", event.at_ns)
}

/// The one with nanoseconds, where the other has whole microseconds; otherwise the first.
fn finer(mine: Option<i64>, theirs: Option<i64>) -> Option<i64> {
    match (mine, theirs) {
        (Some(a), Some(b)) if a % 1000 == 0 && b % 1000 != 0 => Some(b),
        (None, theirs) => theirs,
        (mine, _) => mine,
    }
}

/// Values in the order in which they first came, each once.
struct Union<T> {
    seen: HashSet<String>,
    values: Vec<T>,
}

impl<T> Default for Union<T> {
    fn default() -> Union<T> {
        Union { seen: HashSet::new(), values: Vec::new() }
    }
}

impl<T> Union<T> {
    fn add(&mut self, words: String, value: T) {
        if self.seen.insert(words) {
            self.values.push(value);
        }
    }
}

fn append<T>(list: &mut Vec<T>, values: Vec<T>) -> Run {
    let start = list.len() as u32;
    list.extend(values);
    Run { start, end: list.len() as u32 }
}

/// Pairs a client with a server; gives every other span beyond the first a name of its own.
fn tell_apart(draft: &mut Draft, kept: &[u32], taken: &mut HashSet<Id>, repairs: &mut Repairs) -> Option<(u32, u32)> {
    let of_kind =
        |draft: &Draft, kind: Kind| kept.iter().copied().find(|it| draft.spans[*it as usize].kind == Some(kind));
    let pair = of_kind(draft, Kind::Server).zip(of_kind(draft, Kind::Client));
    if let Some((server, _)) = pair {
        draft.spans[server as usize].shared = true;
        repairs.shared_spans += 1;
    }
    let keeps_name = |idx: u32| match pair {
        Some((server, client)) => idx == server || idx == client,
        None => idx == kept[0],
    };
    let mut n = 0;
    for &idx in kept.iter().filter(|it| !keeps_name(**it)) {
        rename(draft, idx, taken, &mut n);
        repairs.renamed_spans += 1;
    }
    pair
}

/// Gives a span a name that no other has: the next `id_n` that is free.
pub(super) fn rename(draft: &mut Draft, idx: u32, taken: &mut HashSet<Id>, n: &mut usize) {
    let span = &mut draft.spans[idx as usize];
    span.id = loop {
        *n += 1;
        let renamed = span.id.renamed(*n);
        if taken.insert(renamed.clone()) {
            break renamed;
        }
    };
}

/// Removes spans; `pairs` are of those that stay.
pub(super) fn drop_gone(draft: &mut Draft, gone: &[bool], pairs: &mut [(u32, u32)]) {
    if !gone.contains(&true) {
        return;
    }
    let mut place = Vec::with_capacity(gone.len());
    let mut n_kept = 0u32;
    for &gone in gone {
        place.push(n_kept);
        n_kept += u32::from(!gone);
    }
    for (server, client) in pairs {
        (*server, *client) = (place[*server as usize], place[*client as usize]);
    }
    let mut nth = 0;
    draft.spans.retain(|_| {
        nth += 1;
        !gone[nth - 1]
    });
}
