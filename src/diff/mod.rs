//! Two captures compared: what changed, is it real, who is to blame.
//!
//! A [`Collector`] keeps of each capture what can be compared, in bounded memory: counts, exact sums
//! and samples chosen by a hash of the trace id. [`compare()`] judges, in this order: durations, self
//! times and edges by ranks (`latency`), failures exactly (`errors`), what is new, gone or called more
//! often (`structure`); which of these are causes (`cause`); what the mean's change is made of, exactly
//! (`decomposition`, over the endpoints of `endpoint`); and which services are to blame (`suspects`).
//! `docs/diff.md` has the rules, and how often they are wrong.

mod alike;
mod baseline;
mod bulletin;
mod calibrate;
mod cause;
mod change;
mod collect;
mod collection;
mod compare;
mod decomposition;
mod endpoint;
mod errors;
mod increase;
mod kinds;
mod latency;
mod novel;
mod rows;
mod sample;
mod sentences;
mod side_by_side;
#[cfg(test)]
mod sketches;
mod structure;
mod suspects;
mod tables;

pub use baseline::{Baseline, HEAD_BYTES, Unreadable, is_baseline};
pub use bulletin::{alerts, cases};
pub use calibrate::{Calibration, calibrate};
pub use change::{Cause, Change, Measure, Metric, Verdict};
pub use collect::Collector;
pub use collection::{Collection, Operation};
pub use compare::{Comparison, Options, compare};
pub use decomposition::{EndpointChange, Part, Total};
pub use increase::{Increases, P95Increase};
pub use novel::{NewError, new_errors};
pub use sentences::Totals;
pub use suspects::{Evidence, EvidenceKind, Suspect};
pub use tables::{Shown, sections};

/// Traces a side from which anything is compared.
pub const ADVISORY_MIN: u64 = 20;
