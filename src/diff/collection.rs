//! What is kept of a capture to compare it: per operation, per wait, per call and per endpoint.
//!
//! Everything merges exactly: counts and sums are integers, samples choose by hash. A collection is
//! also what a baseline file holds.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

use super::kinds::Kinds;
use super::sample::{CAPACITY, Sample};
use crate::model::{Kind, Name};
use crate::stats::Limited;

/// A service, its operation and the side of the call: what latency and errors are compared of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Operation {
    /// Whose work it is.
    pub service: Name,
    /// What it does.
    pub operation: Name,
    /// Its side of a call.
    pub kind: Option<Kind>,
}

/// What time is spent on that no child accounts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum Wait {
    /// The self time of an operation, called by a service or by nobody.
    Own { service: Name, operation: Name, caller: Option<Name> },
    /// The self time of an operation whose only call goes to another service: what the callee did not
    /// take is the way there and back, and queues.
    Edge { service: Name, operation: Name, to: Name },
}

impl Wait {
    /// Who waits.
    pub(super) fn place(&self) -> (Name, Name) {
        match *self {
            Wait::Own { service, operation, .. } | Wait::Edge { service, operation, .. } => (service, operation),
        }
    }
}

/// What happened in an operation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Seen {
    /// Traces in which it occurs.
    pub(super) n_traces: u64,
    pub(super) n_calls: u64,
    pub(super) n_failed: u64,
    /// How many calls failed with which message, made alike.
    pub(super) patterns: Limited<String, u64>,
    /// How many calls a trace has that has any.
    pub(super) calls: Sample,
    /// The mean of its calls in a trace, with callees and without.
    pub(super) durations: Sample,
    pub(super) self_times: Sample,
    /// The operations it calls and waits for.
    pub(super) below: BTreeSet<Operation>,
}

/// What requests of an endpoint are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct EndpointKey {
    pub(super) service: Name,
    pub(super) operation: Name,
    pub(super) method: Option<Name>,
    pub(super) route: Option<Name>,
}

/// An endpoint, and the hash of the operations below it.
pub(super) type RequestKind = (EndpointKey, u128);

/// A capture, as much of it as is compared.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Collection {
    pub(super) n_traces: u64,
    pub(super) operations: BTreeMap<Operation, Seen>,
    pub(super) waits: BTreeMap<Wait, Sample>,
    /// In how many traces a service calls another.
    pub(super) calls: BTreeMap<(Name, Name), u64>,
    pub(super) endpoints: BTreeMap<EndpointKey, Kinds<(Name, Name)>>,
    /// What traces may be, sorted once settled.
    pub(super) kinds: Vec<RequestKind>,
    /// What those traces are of which there are samples: hash and number, sorted once settled.
    pub(super) kind_of: Vec<(u64, u32)>,
}

impl Collection {
    /// How many traces it has seen.
    pub fn n_traces(&self) -> u64 {
        self.n_traces
    }

    /// Adds what another thread has collected.
    pub fn merge(&mut self, other: Collection) {
        self.n_traces += other.n_traces;
        for (key, theirs) in other.operations {
            self.operations.entry(key).or_default().merge(theirs);
        }
        for (key, theirs) in other.waits {
            self.waits.entry(key).or_default().merge(theirs);
        }
        for (key, n_traces) in other.calls {
            *self.calls.entry(key).or_default() += n_traces;
        }
        for (key, theirs) in other.endpoints {
            self.endpoints.entry(key).or_default().merge(theirs);
        }
        let offset = self.kinds.len() as u32;
        self.kinds.extend(other.kinds);
        self.kind_of.extend(other.kind_of.into_iter().map(|(hash, number)| (hash, number + offset)));
    }

    /// Brings all samples into the form that does not show how they came about.
    pub fn settle(&mut self) {
        for seen in self.operations.values_mut() {
            seen.calls.settle();
            seen.durations.settle();
            seen.self_times.settle();
        }
        self.waits.values_mut().for_each(Sample::settle);
        self.endpoints.values_mut().for_each(Kinds::settle);
        self.settle_kinds();
    }

    /// Each kind once and in order, and no trace of which there is no value.
    fn settle_kinds(&mut self) {
        // Most operations occur in the same traces: however many there are, each trace is there once.
        let mut sampled: HashSet<u64, FixedState> = HashSet::default();
        for seen in self.operations.values() {
            for sample in [&seen.calls, &seen.durations, &seen.self_times] {
                sampled.extend(sample.hashed().iter().map(|it| it.0));
            }
        }
        self.kind_of.retain(|it| sampled.contains(&it.0));
        let kinds = std::mem::take(&mut self.kinds);
        let used: BTreeSet<RequestKind> = self.kind_of.iter().map(|it| kinds[it.1 as usize]).collect();
        self.kinds = used.into_iter().collect();
        for (_, number) in &mut self.kind_of {
            let place = self.kinds.binary_search(&kinds[*number as usize]);
            *number = place.expect("every kind in use is kept") as u32;
        }
        self.kind_of.sort_unstable();
    }

    /// Whether what was read back is what can have been counted.
    pub(super) fn is_sound(&self) -> bool {
        self.n_traces < MOST
            && self.kind_of.iter().all(|it| (it.1 as usize) < self.kinds.len())
            && self.operations.values().all(|it| it.is_sound() && it.n_traces <= self.n_traces)
            && self.calls.values().all(|it| *it <= self.n_traces)
    }
}

/// Nobody counts so far.
const MOST: u64 = 1 << 56;

impl Seen {
    fn is_sound(&self) -> bool {
        let n_failed = self.patterns.rows().try_fold(0u64, |sum, it| sum.checked_add(*it.1));
        let is_count = |it: &i64| (1..MOST as i64 / CAPACITY as i64).contains(it);
        self.n_traces <= self.n_calls
            && self.n_failed <= self.n_calls
            && self.n_calls < MOST
            && n_failed.is_some_and(|it| it <= self.n_failed)
            && self.calls.hashed().iter().all(|it| is_count(&it.1))
    }

    fn merge(&mut self, other: Seen) {
        self.n_traces += other.n_traces;
        self.n_calls += other.n_calls;
        self.n_failed += other.n_failed;
        self.patterns.merge(other.patterns);
        self.calls.merge(other.calls);
        self.durations.merge(other.durations);
        self.self_times.merge(other.self_times);
        self.below.extend(other.below);
    }
}
