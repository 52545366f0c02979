//! What is there only before or only after, and what is called more often.
//!
//! None of it is worse by itself: the verdict is `suspect`, and what it costs is judged by latency.

use std::collections::BTreeSet;

use super::ADVISORY_MIN;
use super::alike::Alike;
use super::change::{Change, Measure, Metric, Verdict};
use super::collection::{Collection, Operation, Seen};
use super::latency::round;
use crate::model::Name;
use crate::stats::percent;
use crate::stats::significance::normal::critical_value;
use crate::stats::significance::wilson_interval;

/// What fewer traces have is an accident.
const MIN_TRACES: u64 = 5;

/// The least share of the traces that has it, surely.
const MIN_SHARE: f64 = 0.01;

/// How sure shares are.
const SHARE_LEVEL: f64 = 0.95;

/// So many times as many calls are a change.
const MIN_RATIO: f64 = 1.5;

/// How sure the ratio is.
const RATIO_LEVEL: f64 = 0.99;

/// New and gone operations and calls between services, and operations called more or less often.
pub(super) fn changes(before: &Collection, after: &Collection, alike: &Alike) -> Vec<Change> {
    let mut changes = Vec::new();
    let n = (before.n_traces, after.n_traces);
    let operations: BTreeSet<&Operation> = before.operations.keys().chain(after.operations.keys()).collect();
    for operation in operations {
        let seen = (before.operations.get(operation), after.operations.get(operation));
        let n_traces = |it: Option<&Seen>| it.map_or(0, |it| it.n_traces);
        if let Some(mut change) = appearance((n_traces(seen.0), n_traces(seen.1)), n, operation.service) {
            (change.operation, change.kind) = (Some(operation.operation), operation.kind);
            changes.push(change);
        }
        if let (Some(before), Some(after)) = seen {
            changes.extend(calls(operation, before, after, alike));
        }
    }
    let edges: BTreeSet<&(Name, Name)> = before.calls.keys().chain(after.calls.keys()).collect();
    for edge in edges {
        let n_traces = |it: &Collection| it.calls.get(edge).copied().unwrap_or(0);
        if let Some(mut change) = appearance((n_traces(before), n_traces(after)), n, edge.0) {
            change.to = Some(edge.1);
            changes.push(change);
        }
    }
    changes
}

/// Whether what only one side has would have been seen on the other.
fn appearance(having: (u64, u64), n: (u64, u64), service: Name) -> Option<Change> {
    let (metric, (n_having, n_there), n_elsewhere) = match having {
        (0, after) => (Metric::New, (after, n.1), n.0),
        (before, 0) => (Metric::Gone, (before, n.0), n.1),
        _ => return None,
    };
    if n_having < MIN_TRACES || n.0.min(n.1) < ADVISORY_MIN {
        return None;
    }
    let share = wilson_interval(n_having, n_there, SHARE_LEVEL)?;
    let share_elsewhere = wilson_interval(0, n_elsewhere, SHARE_LEVEL)?;
    if share.low < MIN_SHARE || share.low <= share_elsewhere.high {
        return None;
    }
    let mut change = Change::new(metric, service, None);
    change.verdict = Verdict::Suspect;
    let measure = |having, n| Measure { n, rate_percent: Some(percent(having, n)), ..Measure::default() };
    (change.before, change.after) = (measure(having.0, n.0), measure(having.1, n.1));
    Some(change)
}

/// Whether a trace that calls an operation calls it more or less often.
fn calls(operation: &Operation, before: &Seen, after: &Seen, alike: &Alike) -> Option<Change> {
    let values = alike.values(&before.calls, &after.calls);
    if values.before.len().min(values.after.len()) < ADVISORY_MIN as usize {
        return None;
    }
    let (from, to) = (CallsPerTrace::of(&values.before), CallsPerTrace::of(&values.after));
    let ratio = to.mean / from.mean;
    // The logarithm of a ratio of means, by its first-order errors.
    let error = (from.relative_error.powi(2) + to.relative_error.powi(2)).sqrt() * critical_value(RATIO_LEVEL)?;
    let (low, high) = (ratio * libm::exp(-error), ratio * libm::exp(error));
    if low < MIN_RATIO && high > 1.0 / MIN_RATIO {
        return None;
    }
    let mut change = Change::new(Metric::Calls, operation.service, Some(operation.operation));
    change.kind = operation.kind;
    change.verdict = if ratio > 1.0 { Verdict::Suspect } else { Verdict::Improved };
    let measure = |it: CallsPerTrace, n| Measure { n, per_trace: Some(round(it.mean)), ..Measure::default() };
    (change.before, change.after) = (measure(from, before.n_traces), measure(to, after.n_traces));
    change.change_percent = Some(round((ratio - 1.0) * 100.0));
    Some(change)
}

#[derive(Clone, Copy)]
struct CallsPerTrace {
    mean: f64,
    /// The standard error of the mean, as a part of it.
    relative_error: f64,
}

impl CallsPerTrace {
    /// Of traces that have any.
    fn of(calls: &[i64]) -> CallsPerTrace {
        let n = calls.len() as f64;
        let mean = calls.iter().sum::<i64>() as f64 / n;
        let squares: f64 = calls.iter().map(|it| (*it as f64 - mean).powi(2)).sum();
        CallsPerTrace { mean, relative_error: (squares / (n - 1.0).max(1.0) / n).sqrt() / mean }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sketches::many;
    use super::*;

    fn found(before: &Collection, after: &Collection) -> Vec<String> {
        let text = |it: &Change| {
            let name = it.operation.map_or_else(|| format!("→ {}", it.to.unwrap()), |it| it.to_string());
            format!("{} {} {name} {}", it.metric.as_str(), it.service, it.verdict.as_str())
        };
        let alike = Alike::new(before, after, &super::super::endpoint::join(before, after).places);
        changes(before, after, &alike).iter().map(text).collect()
    }

    /// A hundred requests of which the first few call a cache, and all a database so many times.
    fn capture(n_cached: usize, n_queries: impl Fn(usize) -> usize) -> Collection {
        many(100, |it| {
            let mut text = "web GET / 0..1000".to_owned();
            if it < n_cached {
                text.push_str("\n  cache GET 1..2");
            }
            (0..n_queries(it)).for_each(|nth| text.push_str(&format!("\n  db SELECT {}..{}", 10 + nth, 11 + nth)));
            text
        })
    }

    #[test]
    fn what_a_tenth_of_the_traces_has_is_new_or_gone() {
        let (without, with) = (capture(0, |_| 1), capture(10, |_| 1));
        assert_eq!(found(&without, &with), ["new cache GET suspect", "new web → cache suspect"]);
        assert_eq!(found(&with, &without), ["gone cache GET suspect", "gone web → cache suspect"]);
        assert!(found(&without, &capture(4, |_| 1)).is_empty(), "four traces are an accident");
        assert!(found(&with, &capture(60, |_| 1)).is_empty(), "what is in both is neither");
        assert!(found(&many(15, |_| "web GET / 0..1".to_owned()), &with).is_empty(), "too few to be sure of anything");
    }

    #[test]
    fn half_as_many_calls_again_are_more_calls() {
        let once = capture(0, |_| 2);
        assert_eq!(found(&once, &capture(0, |_| 3)), ["calls db SELECT suspect"]);
        assert_eq!(found(&capture(0, |_| 3), &once), ["calls db SELECT improved"]);
        assert!(found(&once, &capture(0, |it| if it == 0 { 90 } else { 2 })).is_empty(), "one trace is no rule");
    }
}
