//! What was compared and what came out, as plain data: the JSON is this, tables and gates read it.

use serde::Serialize;

use crate::model::{Kind, Name};

/// What is thought of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Worse, beyond chance and tolerance.
    Regressed,
    /// Worse by the same rules but on few traces, or of another shape than before.
    Suspect,
    /// Better, beyond chance and tolerance.
    Improved,
    /// No difference that matters.
    Unchanged,
    /// Too few traces to tell.
    Insufficient,
}

impl Verdict {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Regressed => "regressed",
            Verdict::Suspect => "suspect",
            Verdict::Improved => "improved",
            Verdict::Unchanged => "unchanged",
            Verdict::Insufficient => "insufficient",
        }
    }

    /// Whether it is worth a line.
    pub fn is_change(self) -> bool {
        matches!(self, Verdict::Regressed | Verdict::Suspect | Verdict::Improved)
    }
}

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Calls of an operation that fail.
    ErrorRate,
    /// How long it takes, with what it calls.
    Duration,
    /// How long it takes, without.
    SelfTime,
    /// What the other service does not account for.
    EdgeTime,
    /// How long the slowest calls take, where the usual ones did not change.
    Tail,
    /// Calls per trace.
    Calls,
    /// It is there only after.
    New,
    /// It was there only before.
    Gone,
}

impl Metric {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Metric::ErrorRate => "error_rate",
            Metric::Duration => "duration",
            Metric::SelfTime => "self_time",
            Metric::EdgeTime => "edge_time",
            Metric::Tail => "tail",
            Metric::Calls => "calls",
            Metric::New => "new",
            Metric::Gone => "gone",
        }
    }
}

/// What something was like in one capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Measure {
    /// Traces with a value; of an error rate, calls.
    pub n: u64,
    /// Half of the values are no larger.
    pub median_ms: Option<f64>,
    /// Nineteen in twenty are no larger.
    pub p95_ms: Option<f64>,
    /// The quantile that a tail is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantile_ms: Option<f64>,
    /// Calls that fail; of what is new or gone, traces that have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_percent: Option<f64>,
    /// Calls per trace that has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_trace: Option<f64>,
}

/// An operation that explains the change of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// Whose work it is.
    pub service: Name,
    /// What it does.
    pub operation: Name,
    /// The service it waits for, where it is the way there.
    pub to: Option<Name>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// What differs.
    pub metric: Metric,
    /// The endpoint, where it is one that is compared.
    pub endpoint: Option<String>,
    /// Whose work it is; of a new or gone call, who calls.
    pub service: Name,
    /// What it does; `None` for a call between services.
    pub operation: Option<Name>,
    /// Its side of a call.
    pub kind: Option<Kind>,
    /// The other service.
    pub to: Option<Name>,
    /// Of a tail, which.
    pub quantile: Option<f64>,
    /// Of an error rate, the message of those that count.
    pub pattern: Option<String>,
    /// What is thought of it.
    pub verdict: Verdict,
    /// What it was like.
    pub before: Measure,
    /// What it is like.
    pub after: Measure,
    /// By how much values are shifted.
    pub shift_ms: Option<f64>,
    /// The shift, or the change of the rate, in percent of what was before.
    pub change_percent: Option<f64>,
    /// The lower end of what the shift may be.
    pub low_ms: Option<f64>,
    /// Its upper end.
    pub high_ms: Option<f64>,
    /// The change of a rate, in percentage points.
    pub change_points: Option<f64>,
    /// The lower end of what it may be.
    pub low_points: Option<f64>,
    /// Its upper end.
    pub high_points: Option<f64>,
    /// The probability that a value after is larger than one before.
    pub a12: Option<f64>,
    /// How likely a difference like this is by chance.
    pub p_value: Option<f64>,
    /// The same among all that was tested.
    pub q_value: Option<f64>,
    /// Whether nothing below it explains it.
    pub cause: bool,
    /// What explains it.
    pub caused_by: Option<Cause>,
}

impl Change {
    /// One of which nothing is known but what it is about.
    pub(super) fn new(metric: Metric, service: Name, operation: Option<Name>) -> Change {
        Change {
            metric,
            endpoint: None,
            service,
            operation,
            kind: None,
            to: None,
            quantile: None,
            pattern: None,
            verdict: Verdict::Unchanged,
            before: Measure::default(),
            after: Measure::default(),
            shift_ms: None,
            change_percent: None,
            low_ms: None,
            high_ms: None,
            change_points: None,
            low_points: None,
            high_points: None,
            a12: None,
            p_value: None,
            q_value: None,
            cause: false,
            caused_by: None,
        }
    }
}
