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
        let change = match key(change) {
            None => Some(*change),
            Some(key) => best.remove(&key),
        };
        let Some(change) = change else { continue };
        rows.push(Row { change, is_below: false });
        // Failures with one message follow those of the operation, and cause what these do.
        let spot = change.operation.filter(|_| change.pattern.is_none()).map(|it| (change.service, it));
        let victims = spot.and_then(|it| below.remove(&it));
        rows.extend(without_repeats(victims).map(|change| Row { change, is_below: true }));
    }
    // What is caused by something that is no row here, such as more calls.
    let rest = below.into_values().flat_map(|it| without_repeats(Some(it)).collect::<Vec<_>>());
    rows.extend(rest.map(|change| Row { change, is_below: false }));
    rows
}

/// An endpoint and its root operation are one row, if they say the same.
fn without_repeats(changes: Option<Vec<&Change>>) -> impl Iterator<Item = &Change> {
    let says = |it: &Change| {
        let names = (it.service, it.operation, it.metric, it.pattern.clone());
        (names, it.before.median_ms, it.shift_ms)
    };
    let mut kept: Vec<&Change> = Vec::new();
    for change in changes.into_iter().flatten() {
        if !kept.iter().any(|it| says(it) == says(change)) || change.metric == Metric::ErrorRate {
            kept.push(change);
        }
    }
    kept.into_iter()
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
