//! One comparison from two collections to a verdict.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use super::alike::Alike;
use super::change::{Change, Metric, Verdict};
use super::collection::{Collection, Operation, Seen, Wait};
use super::decomposition::{self, EndpointChange, Total};
use super::endpoint::{self, Endpoint};
use super::latency::{self, Pair};
use super::sample::Sample;
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
    /// How many threads compare.
    pub threads: NonZeroUsize,
}

impl Default for Options {
    fn default() -> Options {
        Options { tolerance: 0.13, min_abs_ns: 1_000_000, alpha: 0.05, threads: NonZeroUsize::MIN }
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
    let joined = endpoint::join(before, after);
    let alike = Alike::new(before, after, &joined.places);
    let decomposition = decomposition::decompose(&joined.endpoints);
    let pairs = pairs(before, after, &joined.endpoints, &alike);
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
    changes.extend(structure::changes(before, after, &alike));
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
fn pairs(before: &Collection, after: &Collection, endpoints: &[Endpoint], alike: &Alike) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for endpoint in endpoints.iter().filter(|it| it.before.n + it.after.n > 0) {
        let (service, operation) = endpoint.root;
        let root = Operation { service, operation, kind: None };
        let pair = Pair::whole(Metric::Duration, root, &endpoint.before.durations, &endpoint.after.durations);
        pairs.push(Pair { endpoint: Some(endpoint.name.clone()), ..pair });
    }
    let (nothing, no_values) = (Seen::default(), Sample::default());
    let operations: BTreeSet<&Operation> = before.operations.keys().chain(after.operations.keys()).collect();
    for operation in operations {
        let seen = [before, after].map(|it| it.operations.get(operation).unwrap_or(&nothing));
        let pair = |metric, of: fn(&Seen) -> &Sample| Pair::mixed(metric, *operation, seen.map(of), alike);
        pairs.push(pair(Metric::Duration, |it| &it.durations));
        pairs.push(pair(Metric::SelfTime, |it| &it.self_times));
    }
    let waits: BTreeSet<&Wait> = before.waits.keys().chain(after.waits.keys()).collect();
    for wait in waits {
        let Wait::Edge { service, operation, to } = *wait else { continue };
        let operation = Operation { service, operation, kind: None };
        let samples = [before, after].map(|it| it.waits.get(wait).unwrap_or(&no_values));
        pairs.push(Pair { to: Some(to), ..Pair::mixed(Metric::EdgeTime, operation, samples, alike) });
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
