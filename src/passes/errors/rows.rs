//! What is kept of errors, all of it adding up in any order.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::{Id, Name};
use crate::stats::{Merge, Top};

/// What a failure says, the same for all that differ only from call to call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct What {
    pub(super) message: Option<String>,
    pub(super) error_type: Option<String>,
    pub(super) code: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Service {
    pub(super) n_errors: u64,
    pub(super) examples: Top<ServiceExample>,
}

/// A span that failed, with its message as it was written; the earliest come first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct ServiceExample {
    pub(super) start_ns: i64,
    pub(super) trace_id: Id,
    pub(super) span_id: Id,
    pub(super) operation: Name,
    pub(super) message: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Pattern {
    pub(super) n_errors: u64,
    pub(super) n_traces: u64,
    pub(super) first_ns: i64,
    pub(super) last_ns: i64,
    pub(super) examples: Top<Example>,
}

/// A span that failed; the earliest come first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Example {
    pub(super) start_ns: i64,
    pub(super) trace_id: Id,
    pub(super) span_id: Id,
    pub(super) stack: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct RootCause {
    pub(super) n_traces: u64,
    pub(super) failed_callers: BTreeSet<Name>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Absorbed {
    pub(super) n_errors: u64,
    pub(super) n_traces: u64,
}

impl Service {
    pub(super) fn new(examples: usize) -> Service {
        Service { n_errors: 0, examples: Top::new(Some(examples)) }
    }

    pub(super) fn add(&mut self, example: ServiceExample) {
        self.n_errors += 1;
        self.examples.push(example);
    }
}

impl Pattern {
    /// One trace's, before its first error is added.
    pub(super) fn of_trace(examples: usize) -> Pattern {
        Pattern { n_errors: 0, n_traces: 1, first_ns: i64::MAX, last_ns: i64::MIN, examples: Top::new(Some(examples)) }
    }

    pub(super) fn add(&mut self, example: Example) {
        self.n_errors += 1;
        self.first_ns = self.first_ns.min(example.start_ns);
        self.last_ns = self.last_ns.max(example.start_ns);
        self.examples.push(example);
    }
}

impl Merge for Service {
    fn merge(&mut self, other: Service) {
        self.n_errors += other.n_errors;
        self.examples.merge(other.examples);
    }
}

impl Merge for Pattern {
    fn merge(&mut self, other: Pattern) {
        self.n_errors += other.n_errors;
        self.n_traces += other.n_traces;
        self.first_ns = self.first_ns.min(other.first_ns);
        self.last_ns = self.last_ns.max(other.last_ns);
        self.examples.merge(other.examples);
    }
}

impl Merge for RootCause {
    fn merge(&mut self, other: RootCause) {
        self.n_traces += other.n_traces;
        self.failed_callers.extend(other.failed_callers);
    }
}

impl Merge for Absorbed {
    fn merge(&mut self, other: Absorbed) {
        self.n_errors += other.n_errors;
        self.n_traces += other.n_traces;
    }
}
