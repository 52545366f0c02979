//! Changes in the order in which people read them: each cause once, with what it causes below it.
//!
//! One slow query shows as its duration, its self time and the endpoint's duration. Of the changes of
//! one operation the one that says most is kept: the way to another service, else its duration if that
//! is its own, else its self time.

use std::collections::BTreeMap;

use super::change::{Change, Metric, Verdict};
use super::endpoint::Spot;

/// A change and its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) change: &'a Change,
    /// Whether it is only because of the row above that is no such.
    pub(super) is_below: bool,
}

pub(super) fn is_latency(change: &Change) -> bool {
    matches!(change.metric, Metric::Duration | Metric::SelfTime | Metric::EdgeTime | Metric::Tail)
}

/// The changes that meet a condition, as rows; most important first, as they are.
pub(super) fn rows<'a>(changes: &'a [Change], is: impl Fn(&Change) -> bool) -> Vec<Row<'a>> {
    let changes: Vec<&Change> = changes.iter().filter(|it| is(it)).collect();
    let mut best: BTreeMap<(Spot, Verdict), &Change> = BTreeMap::new();
    for change in changes.iter().filter(|it| it.caused_by.is_none()) {
        let Some(key) = key(change) else { continue };
        let kept = best.entry(key).or_insert(change);
        if says(change) < says(kept) {
            *kept = change;
        }
    }
    let mut below: BTreeMap<Spot, Vec<&Change>> = BTreeMap::new();
    for change in &changes {
        if let Some(cause) = &change.caused_by {
            below.entry((cause.service, cause.operation)).or_default().push(change);
        }
    }
    let mut rows = Vec::new();
    for change in changes.iter().filter(|it| it.caused_by.is_none()) {
        let Some(key) = key(change) else {
            rows.push(Row { change, is_below: false });
            continue;
        };
        let Some(change) = best.remove(&key) else { continue };
        rows.push(Row { change, is_below: false });
        let victims = below.remove(&key.0).unwrap_or_default();
        rows.extend(
            victims.iter().enumerate().filter(|(nth, it)| is_first(&victims[..*nth], it)).map(|(_, it)| below_row(it)),
        );
    }
    // What is caused by something that is no row here, such as more calls.
    rows.extend(below.into_values().flatten().map(|change| Row { change, is_below: false }));
    rows
}

fn below_row(change: &Change) -> Row<'_> {
    Row { change, is_below: true }
}

/// An endpoint and its root operation are one row, if they say the same.
fn is_first(before: &[&Change], change: &Change) -> bool {
    let name = |it: &Change| (it.service, it.operation, it.metric, it.pattern.clone());
    let values = |it: &Change| (it.before.median_ms, it.shift_ms);
    !before.iter().any(|it| name(it) == name(change) && values(it) == values(change))
}

/// What has one row; endpoints, patterns and what is compared by count have each their own.
fn key(change: &Change) -> Option<(Spot, Verdict)> {
    let operation = change.operation.filter(|_| is_latency(change) && change.endpoint.is_none())?;
    Some(((change.service, operation), change.verdict))
}

/// How much a metric says of a cause, most first.
fn says(change: &Change) -> u8 {
    match change.metric {
        Metric::EdgeTime => 0,
        Metric::Duration => 1,
        Metric::Tail => 2,
        _ => 3,
    }
}
