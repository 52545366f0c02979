//! What there is only after: calls between services, and ways to fail.

use std::collections::BTreeSet;
use std::fmt;

use super::change::{Change, Metric};
use super::collection::{Collection, Operation};
use super::compare::{Comparison, Options};
use super::sentences;
use crate::model::Name;
use crate::report::words;

/// Fewer failures are an accident.
const MIN_FAILURES: u64 = 5;

impl Collection {
    /// The calls between services that another capture does not have, however rare.
    pub fn calls_not_in(&self, other: &Collection) -> Vec<(Name, Name)> {
        self.calls.keys().filter(|it| !other.calls.contains_key(*it)).copied().collect()
    }
}

/// Failures with a message that an operation did not fail with before.
#[derive(Clone, Debug, PartialEq)]
pub struct NewError {
    what: String,
    message: String,
    n_calls: u64,
    /// Whether there are enough of them to rule out chance.
    pub is_certain: bool,
}

/// Every new way to fail, in the order of the changes.
///
/// Certain are those that the test tells apart from chance, and those of operations that are surely
/// new themselves, where nothing can be tested. How large a share they are does not matter here.
pub fn new_errors(comparison: &Comparison, options: &Options) -> Vec<NewError> {
    let key = |it: &Change| Some(Operation { service: it.service, operation: it.operation?, kind: it.kind });
    let changes = &comparison.changes;
    let new: BTreeSet<Operation> = changes.iter().filter(|it| it.metric == Metric::New).filter_map(key).collect();
    let mut errors = Vec::new();
    for change in changes.iter().filter(|it| it.metric == Metric::ErrorRate && n_failed(&it.before) == 0) {
        let n_calls = n_failed(&change.after);
        // All messages of an operation together are no message; but where they can't be told apart, all there is.
        let Some(message) = change.pattern.clone().or_else(|| unnamed(changes, change)).filter(|_| n_calls > 0) else {
            continue;
        };
        let by_test = change.q_value.is_some_and(|it| it <= options.alpha);
        let is_new = key(change).is_some_and(|it| new.contains(&it));
        let is_certain = n_calls >= MIN_FAILURES && (by_test || is_new);
        errors.push(NewError { what: sentences::what(change), message, n_calls, is_certain });
    }
    errors
}

fn n_failed(it: &super::change::Measure) -> u64 {
    it.rate_percent.map_or(0, |rate| (rate / 100.0 * it.n as f64).round() as u64)
}

/// What stands for the message of an operation whose messages are too many to be told apart.
fn unnamed(changes: &[Change], all: &Change) -> Option<String> {
    let has_messages = changes.iter().any(|it| {
        it.metric == Metric::ErrorRate
            && it.pattern.is_some()
            && (it.service, it.operation, it.kind) == (all.service, all.operation, all.kind)
    });
    (!has_messages).then(|| "many messages".to_owned())
}

impl fmt::Display for NewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.what, self.message, words::some(self.n_calls, "call", "calls"))
    }
}
