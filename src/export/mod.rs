//! Traces in other forms. A target is one file here and one line in [`TARGETS`].
//!
//! A writer gets traces one by one, assembled and repaired, and keeps nothing of them. What its form
//! has no place for it counts, in words, so that nothing is lost silently.

mod csv;
mod fields;
mod ids;
mod jaeger;
mod json;
mod otlp;
mod relations;
mod spans;
mod zipkin;

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::model::Trace;

/// All targets; the first is the default.
pub(crate) const TARGETS: &[&dyn Target] = &[&jaeger::Jaeger, &otlp::Otlp, &zipkin::Zipkin, &spans::Spans, &csv::Csv];

/// One way to write traces down.
pub(crate) trait Target: Sync {
    /// The name in options.
    fn name(&self) -> &'static str;

    /// What it is, in a few words.
    fn about(&self) -> &'static str;

    /// Whether it is lines, any number of which may follow.
    fn is_lines(&self) -> bool {
        false
    }

    /// One that has written nothing.
    fn writer(&self) -> Box<dyn Writer>;
}

/// Writes traces of one run.
pub(crate) trait Writer: Send {
    /// What stands before all traces.
    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()>;

    /// Writes a trace; counts what it has to leave out.
    fn trace(&mut self, trace: &Trace, losses: &mut Losses, out: &mut dyn Write) -> io::Result<()>;

    /// Says, where the form has a place for it, why there are more traces than these.
    fn mark_incomplete(&mut self, why: &[String]) {
        let _ = why;
    }

    /// What stands behind all traces.
    fn end(&mut self, out: &mut dyn Write) -> io::Result<()>;
}

/// What a target could not carry, in words, with counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Losses(BTreeMap<&'static str, u64>);

impl Losses {
    /// Counts so many more.
    pub(crate) fn add(&mut self, what: &'static str, count: usize) {
        if count > 0 {
            *self.0.entry(what).or_default() += count as u64;
        }
    }

    /// Counts one more where a condition holds.
    fn add_if(&mut self, condition: bool, what: &'static str) {
        self.add(what, usize::from(condition));
    }

    /// Each with its count, in one order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(what, count)| (*what, *count))
    }
}

/// Said of several targets alike.
const SUB_MICROSECONDS: &str = "spans with times finer than microseconds, cut to those";
const UNKNOWN_DURATIONS: &str = "spans of unknown duration, written without one";
const DOUBLED_KEYS: &str = "attributes whose key a span has twice, of which the first is kept";
const SKEW_CORRECTED: &str = "traces corrected for clock skew, which is not said";
const HASHED_IDS: &str = "spans with ids that do not fit, which hashes stand for";
