//! What the filters keep of the traces, and what there was for hints when that is nothing.

use std::collections::HashSet;

use foldhash::fast::FixedState;

use crate::filter::Filter;
use crate::model::{Name, Trace};

/// Filters traces, on one thread, and counts them.
pub(super) struct Sieve<'a> {
    filter: &'a Filter,
    /// How many passed each filter, then how many passed all.
    pub(super) kept: Vec<u64>,
    pub(super) services: HashSet<Name, FixedState>,
    pub(super) operations: HashSet<Name, FixedState>,
    /// Which of the trace ids asked for are there.
    pub(super) found_ids: Vec<bool>,
}

impl<'a> Sieve<'a> {
    pub(super) fn new(filter: &'a Filter) -> Sieve<'a> {
        Sieve {
            filter,
            kept: vec![0; filter.names().len() + 1],
            services: HashSet::default(),
            operations: HashSet::default(),
            found_ids: vec![false; filter.trace_ids.len()],
        }
    }

    /// Whether a trace passes all filters.
    pub(super) fn keeps(&mut self, trace: &Trace) -> bool {
        for (found, id) in self.found_ids.iter_mut().zip(&self.filter.trace_ids) {
            *found |= *id == trace.id;
        }
        // For hints when nothing is left: only filters can leave nothing.
        if self.kept.len() > 1 {
            let asks_for_operations = !self.filter.operations.is_empty() || !self.filter.roots.is_empty();
            for span in trace.spans() {
                self.services.insert(span.service);
                if asks_for_operations {
                    self.operations.insert(span.operation);
                }
            }
        }
        let (whole, steps) = self.kept.split_last_mut().expect("one more than there are filters");
        let keeps = self.filter.keeps(trace, steps);
        *whole += u64::from(keeps);
        keeps
    }

    /// Adds what another thread saw.
    pub(super) fn merge(&mut self, other: Sieve<'_>) {
        for (mine, theirs) in self.kept.iter_mut().zip(&other.kept) {
            *mine += theirs;
        }
        for (mine, theirs) in self.found_ids.iter_mut().zip(other.found_ids) {
            *mine |= theirs;
        }
        self.services.extend(other.services);
        self.operations.extend(other.operations);
    }
}
