//! Whether something takes longer: its location by ranks, its tail by order statistics.
//!
//! Durations have long tails and several modes, and no two captures are quite alike. A mean or a p95
//! that moved by 10 % says nothing (on equal captures one in five does). Here a location has moved if
//! the Mann–Whitney test says so among all tests of the run (Benjamini and Hochberg), and the whole
//! confidence interval of the Hodges–Lehmann shift lies beyond a tolerance. The idea of such an interval
//! is that of Netflix's Kayenta; the tolerance here is of the baseline's median, not of the shift.

use super::change::{Change, Measure, Metric, Verdict};
use super::collection::Operation;
use super::sample::Sample;
use super::{ADVISORY_MIN, Options};
use crate::model::Name;
use crate::stats::ms_rounded;
use crate::stats::robust::quantile;
use crate::stats::significance::{benjamini_hochberg, hodges_lehmann, mann_whitney, quantile_interval};

/// Traces a side from which a location counts.
const LOCATION_MIN: u64 = 50;

/// How sure the shift is.
const LOCATION_LEVEL: f64 = 0.99;

/// Traces a side from which a tail is looked at, and from which it counts.
const TAIL_ADVISORY_MIN: u64 = 100;
const TAIL_MIN: u64 = 300;

/// Of p99 there are ten values beyond it in so many traces.
const P99_MIN: u64 = 1_000;

/// How sure the quantiles are: two such intervals apart are surer than either.
const TAIL_LEVEL: f64 = 0.90;

/// How much higher a tail has to be.
const TAIL_TOLERANCE: f64 = 0.20;

const TAIL_QUANTILES: [f64; 3] = [0.90, 0.95, 0.99];

/// What is compared, with its values in both captures.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) metric: Metric,
    pub(super) endpoint: Option<String>,
    pub(super) operation: Operation,
    pub(super) to: Option<Name>,
    pub(super) n: (u64, u64),
    pub(super) before: Vec<i64>,
    pub(super) after: Vec<i64>,
}

impl Pair {
    pub(super) fn new(metric: Metric, operation: Operation, before: Option<&Sample>, after: Option<&Sample>) -> Pair {
        let n = |it: Option<&Sample>| it.map_or(0, Sample::n);
        let values = |it: Option<&Sample>| it.map(Sample::ascending).unwrap_or_default();
        Pair {
            metric,
            endpoint: None,
            operation,
            to: None,
            n: (n(before), n(after)),
            before: values(before),
            after: values(after),
        }
    }

    fn n_least(&self) -> u64 {
        self.n.0.min(self.n.1)
    }

    fn is_testable(&self) -> bool {
        self.n_least() >= ADVISORY_MIN
    }

    fn change(&self) -> Change {
        let Operation { service, operation, kind } = self.operation;
        let mut change = Change::new(self.metric, service, Some(operation));
        (change.kind, change.to) = (kind, self.to);
        change.endpoint.clone_from(&self.endpoint);
        change.before = measure(self.n.0, &self.before);
        change.after = measure(self.n.1, &self.after);
        change
    }
}

fn measure(n: u64, values: &[i64]) -> Measure {
    let at = |q: f64| quantile(values, q).map(ms_rounded);
    Measure { n, median_ms: at(0.5), p95_ms: at(0.95), ..Measure::default() }
}

/// Judges where all pairs lie, together: as many changes as pairs, in their order.
pub(super) fn locations(pairs: &[Pair], options: &Options) -> Vec<Change> {
    let tests: Vec<_> =
        pairs.iter().map(|it| mann_whitney(&it.after, &it.before).filter(|_| it.is_testable())).collect();
    // What was not tested does not count.
    let p: Vec<f64> = tests.iter().map(|it| it.map_or(f64::NAN, |it| it.p)).collect();
    let q = benjamini_hochberg(&p);
    let each = pairs.iter().zip(&tests).zip(&q);
    each.map(|((pair, test), q)| {
        let mut change = pair.change();
        let shift = hodges_lehmann(&pair.before, &pair.after, LOCATION_LEVEL);
        let (Some(test), Some(shift)) = (test, shift) else {
            change.verdict = Verdict::Insufficient;
            return change;
        };
        let median_ns = quantile(&pair.before, 0.5).unwrap_or(0.0);
        let tolerance_ns = options.tolerance * median_ns.abs();
        (change.p_value, change.q_value, change.a12) = (Some(test.p), Some(*q), Some(test.a12));
        (change.shift_ms, change.low_ms, change.high_ms) = (
            Some(ms_rounded(shift.estimate)),
            Some(ms_rounded(shift.interval.low)),
            Some(ms_rounded(shift.interval.high)),
        );
        change.change_percent = (median_ns > 0.0).then(|| round(shift.estimate / median_ns * 100.0));
        if *q <= options.alpha {
            let min_abs_ns = options.min_abs_ns as f64;
            if shift.interval.low > tolerance_ns && shift.estimate >= min_abs_ns {
                change.verdict = if pair.n_least() >= LOCATION_MIN { Verdict::Regressed } else { Verdict::Suspect };
            } else if shift.interval.high < -tolerance_ns && shift.estimate <= -min_abs_ns {
                change.verdict = Verdict::Improved;
            }
        }
        change
    })
    .collect()
}

/// Judges the tail of a pair: the quantile that moved most beyond doubt, if any did.
pub(super) fn tail(pair: &Pair, options: &Options) -> Option<Change> {
    if pair.n_least() < TAIL_ADVISORY_MIN {
        return None;
    }
    let moved = TAIL_QUANTILES.iter().filter_map(|q| moved_quantile(pair, *q, options));
    let (_, mut change) = moved.reduce(|best, it| if it.0 > best.0 { it } else { best })?;
    change.metric = Metric::Tail;
    Some(change)
}

/// The change of one quantile and the factor that it surely moved by; `None` if it did not.
fn moved_quantile(pair: &Pair, q: f64, options: &Options) -> Option<(f64, Change)> {
    let before = quantile_interval(&pair.before, q, TAIL_LEVEL)?;
    let after = quantile_interval(&pair.after, q, TAIL_LEVEL)?;
    let min_abs_ns = options.min_abs_ns as f64;
    let beyond = |low: f64, high: f64| low > (1.0 + TAIL_TOLERANCE) * high && low - high >= min_abs_ns;
    let (factor, verdict) = if beyond(after.low, before.high) {
        let counts = pair.n_least() >= if q > 0.95 { P99_MIN } else { TAIL_MIN };
        (after.low / before.high, if counts { Verdict::Regressed } else { Verdict::Suspect })
    } else if beyond(before.low, after.high) {
        (before.low / after.high, Verdict::Improved)
    } else {
        return None;
    };
    let mut change = pair.change();
    let value = |values: &[i64]| quantile(values, q).unwrap_or(0.0);
    let (from, to) = (value(&pair.before), value(&pair.after));
    change.quantile = Some(q);
    change.verdict = verdict;
    (change.before.quantile_ms, change.after.quantile_ms) = (Some(ms_rounded(from)), Some(ms_rounded(to)));
    change.shift_ms = Some(ms_rounded(to - from));
    change.change_percent = (from > 0.0).then(|| round((to - from) / from * 100.0));
    change.low_ms = Some(ms_rounded(after.low - before.high));
    change.high_ms = Some(ms_rounded(after.high - before.low));
    Some((factor, change))
}

/// Four decimals, as all percentages have.
pub(super) fn round(percent: f64) -> f64 {
    (percent * 1e4).round() / 1e4
}
