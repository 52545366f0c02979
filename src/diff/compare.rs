//! One comparison from two collections to a verdict.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::change::{Change, Metric, Verdict};
use super::collection::{Collection, Operation, Seen, Wait};
use super::decomposition::{self, EndpointChange, Total};
use super::endpoint::{self, Endpoint};
use super::latency::{self, Pair};
use super::suspects::{self, Suspect};
use super::{cause, errors, structure};

/// How a difference is judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// What a location may move and still be the same, as a part of the baseline's median.
    pub tolerance: f64,
    /// The least shift that matters.
    pub min_abs_ns: i64,
    /// The share of false discoveries among all.
    pub alpha: f64,
}

impl Default for Options {
    fn default() -> Options {
        Options { tolerance: 0.13, min_abs_ns: 1_000_000, alpha: 0.05 }
    }
}

/// What came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What is thought of all of it.
    pub verdict: Verdict,
    /// Everything that was compared, most important first.
    pub changes: Vec<Change>,
    /// Who is to blame for what got slower, most suspicious first.
    pub suspects: Vec<Suspect>,
    /// What the change of the mean is made of.
    pub total: Total,
    /// The same by endpoint.
    pub endpoints: Vec<EndpointChange>,
}

/// Compares two captures.
pub fn compare(before: &Collection, after: &Collection, options: &Options) -> Comparison {
    let endpoints = endpoint::join(before, after);
    let decomposition = decomposition::decompose(&endpoints);
    let pairs = pairs(before, after, &endpoints);
    let mut changes = latency::locations(&pairs, options);
    let mut tails = Vec::new();
    let mut self_tails = Vec::new();
    for (pair, change) in pairs.iter().zip(&changes) {
        match pair.metric {
            Metric::Duration if !change.verdict.is_change() => tails.extend(latency::tail(pair, options)),
            Metric::SelfTime => self_tails.extend(latency::tail(pair, options)),
            _ => {}
        }
    }
    changes.extend(tails);
    changes.extend(errors::changes(before, after, options));
    changes.extend(structure::changes(before, after));
    cause::assign(&mut changes, &self_tails, (before, after), &decomposition.endpoints);
    changes.sort_by(|a, b| importance(a).cmp(&importance(b)));
    let suspects = suspects::rank(before, after, &decomposition);
    Comparison {
        verdict: overall(&changes),
        changes,
        suspects,
        total: decomposition.total,
        endpoints: decomposition.endpoints,
    }
}

/// Everything whose time is compared.
fn pairs(before: &Collection, after: &Collection, endpoints: &[Endpoint]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for endpoint in endpoints {
        let (service, operation) = endpoint.root;
        let root = Operation { service, operation, kind: None };
        let sides = (&endpoint.before.durations, &endpoint.after.durations);
        let pair = Pair::new(Metric::Duration, root, Some(sides.0), Some(sides.1));
        pairs.push(Pair { endpoint: Some(endpoint.name.clone()), ..pair });
    }
    let operations: BTreeSet<&Operation> = before.operations.keys().chain(after.operations.keys()).collect();
    for operation in operations {
        let sides = (before.operations.get(operation), after.operations.get(operation));
        let pair = |metric, of: fn(&Seen) -> &super::sample::Sample| {
            Pair::new(metric, *operation, sides.0.map(of), sides.1.map(of))
        };
        pairs.push(pair(Metric::Duration, |it| &it.durations));
        pairs.push(pair(Metric::SelfTime, |it| &it.self_times));
    }
    let waits: BTreeSet<&Wait> = before.waits.keys().chain(after.waits.keys()).collect();
    for wait in waits {
        let Wait::Edge { service, operation, to } = *wait else { continue };
        let operation = Operation { service, operation, kind: None };
        let pair = Pair::new(Metric::EdgeTime, operation, before.waits.get(wait), after.waits.get(wait));
        pairs.push(Pair { to: Some(to), ..pair });
    }
    pairs
}

/// Regressed if any change is, else suspect, else improved, else unchanged, else insufficient.
fn overall(changes: &[Change]) -> Verdict {
    changes.iter().map(|it| it.verdict).min().unwrap_or(Verdict::Insufficient)
}

/// What comes first, down to the names.
fn importance(change: &Change) -> impl Ord + '_ {
    let size = |it: Option<f64>| Reverse((it.unwrap_or(0.0).abs() * 1e6) as u64);
    (
        change.verdict,
        Reverse(change.cause),
        // Failures before delays, delays before what is only different.
        match change.metric {
            Metric::ErrorRate => 0,
            Metric::Duration | Metric::SelfTime | Metric::EdgeTime | Metric::Tail => 1,
            Metric::Calls | Metric::New | Metric::Gone => 2,
        },
        size(change.change_points),
        size(change.shift_ms),
        size(change.change_percent),
        (change.service, change.operation, change.kind, change.to),
        change.metric,
        (&change.endpoint, &change.pattern),
    )
}
