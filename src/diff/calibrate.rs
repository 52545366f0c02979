//! How much two captures differ that should not, and which tolerance that needs.
//!
//! No two runs are quite alike: machines, caches and neighbours differ. If every operation's speed drifts
//! by chance from run to run, the relative shift between two runs spreads √2 times as much as a single
//! run's drift, and a tolerance of three such spreads leaves one operation in several hundred beyond it.
//! What sampling alone makes of the shifts is known from their intervals and taken off first, as random
//! effects are estimated in meta-analyses (DerSimonian and Laird, 1986), the mean being 0 here.

use serde::Serialize;

use super::change::{Change, Metric};
use super::compare::{Comparison, Options};
use super::latency::{LOCATION_LEVEL, round};
use crate::report::{Section, words};
use crate::stats::significance::normal::critical_value;

/// How many spreads a tolerance is.
const SPREADS: f64 = 3.0;

/// Two captures that happen to agree are no reason to trust the next two as much.
const LEAST_TOLERANCE_PERCENT: f64 = 5.0;

/// How far apart two captures are that should be alike.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// How many durations and self times could be compared.
    pub compared: u64,
    /// How much one run differs from the usual, beyond what few traces explain; `None` of nothing.
    pub drift_percent: Option<f64>,
    /// What that takes as `--tolerance`.
    pub tolerance_percent: Option<f64>,
    /// The largest relative shift that is no accident of sampling.
    pub largest_percent: Option<f64>,
    /// How many of the comparisons a plain `diff` would report.
    pub reported: u64,
}

/// Measures the drift between two captures that were compared.
pub fn calibrate(comparison: &Comparison, options: &Options) -> Calibration {
    let shifts: Vec<Relative> = comparison.changes.iter().filter_map(|it| Relative::of(it, options)).collect();
    let reported = comparison.changes.iter().filter(|it| it.verdict.is_change()).count() as u64;
    let compared = shifts.len() as u64;
    if shifts.is_empty() {
        return Calibration { compared, drift_percent: None, tolerance_percent: None, largest_percent: None, reported };
    }
    let excess: f64 = shifts.iter().map(|it| it.shift.powi(2) - it.error.powi(2)).sum();
    let spread = (excess / shifts.len() as f64).max(0.0).sqrt();
    // Whatever the spread, none of these two captures' own may be reported.
    let largest = shifts.iter().map(|it| it.surely).fold(0.0, f64::max);
    let tolerance = (SPREADS * spread).max(largest) * 100.0;
    Calibration {
        compared,
        drift_percent: Some(round(spread / std::f64::consts::SQRT_2 * 100.0)),
        tolerance_percent: Some(tolerance.ceil().max(LEAST_TOLERANCE_PERCENT)),
        largest_percent: Some(round(largest * 100.0)),
        reported,
    }
}

/// A shift as a part of the baseline's median.
struct Relative {
    shift: f64,
    /// What sampling explains of it.
    error: f64,
    /// How far it is shifted surely.
    surely: f64,
}

impl Relative {
    /// Of a location that was compared and is long enough to matter.
    fn of(change: &Change, options: &Options) -> Option<Relative> {
        if !matches!(change.metric, Metric::Duration | Metric::SelfTime) || change.endpoint.is_some() {
            return None;
        }
        let q = change.q_value?;
        let median_ms = change.before.median_ms.filter(|it| *it * 1e6 >= options.min_abs_ns as f64 && *it > 0.0)?;
        let (low, high) = (change.low_ms? / median_ms, change.high_ms? / median_ms);
        let error = (high - low) / 2.0 / critical_value(LOCATION_LEVEL)?;
        let surely = if q <= options.alpha { low.max(-high).max(0.0) } else { 0.0 };
        Some(Relative { shift: change.shift_ms? / median_ms, error, surely })
    }
}

impl Calibration {
    /// What it says, for people.
    pub fn section(&self) -> Section {
        let mut section = Section {
            title: "Calibration".to_owned(),
            about: "how much two captures differ that should be alike".to_owned(),
            ..Section::default()
        };
        let (Some(drift), Some(tolerance)) = (self.drift_percent, self.tolerance_percent) else {
            section.notes.push("Too few traces to compare anything (20 a side are the least)".to_owned());
            return section;
        };
        section.notes.push(format!(
            "Of {} one run drifts by {} (what few traces explain taken off)",
            words::some(self.compared, "duration or self time", "durations and self times"),
            words::percent(drift)
        ));
        section.notes.push(format!("Use --tolerance {tolerance}"));
        if self.reported > 0 {
            section.notes.push(format!(
                "With the tolerance as it is {} would be reported; --min-abs 5 leaves out what is small",
                words::some(self.reported, "difference", "differences")
            ));
        }
        section
    }
}
