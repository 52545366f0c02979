//! Whether something takes longer: its location by ranks, its tail by order statistics.
//!
//! Durations have long tails and several modes, and no two captures are quite alike. A mean or a p95
//! that moved by 10 % says nothing (on equal captures one in five does). Here a location has moved if
//! the Mann–Whitney test says so among all tests of the run (Benjamini and Hochberg), and the whole
//! confidence interval of the Hodges–Lehmann shift lies beyond a tolerance. The idea of such an interval
//! is that of Netflix's Kayenta; the tolerance here is of the baseline's median, not of the shift.

use super::alike::{Alike, Values};
use super::change::{Change, Measure, Metric, Verdict};
use super::collection::Operation;
use super::sample::Sample;
use super::side_by_side;
use super::{ADVISORY_MIN, Options};
use crate::model::Name;
use crate::stats::ms_rounded;
use crate::stats::robust::quantile;
use crate::stats::significance::{benjamini_hochberg, hodges_lehmann, mann_whitney, quantile_interval};

/// Traces a side from which a location counts.
const LOCATION_MIN: u64 = 50;

/// How sure the shift is.
pub(super) const LOCATION_LEVEL: f64 = 0.99;

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
    /// Traces with a value.
    pub(super) n: (u64, u64),
    /// As many of them as are compared, fewer if the mix of endpoints differs.
    pub(super) n_alike: u64,
    /// Whether the mix could be made the same.
    pub(super) is_alike: bool,
    pub(super) values: Values,
}

impl Pair {
    /// Values that belong to one endpoint.
    pub(super) fn whole(metric: Metric, operation: Operation, before: &Sample, after: &Sample) -> Pair {
        let n = (before.n(), after.n());
        Pair {
            metric,
            endpoint: None,
            operation,
            to: None,
            n,
            n_alike: n.0.min(n.1),
            is_alike: true,
            values: Values { before: before.ascending(), after: after.ascending() },
        }
    }

    /// Values of many endpoints, in the same mix if that leaves enough of them.
    pub(super) fn mixed(metric: Metric, operation: Operation, sides: [&Sample; 2], alike: &Alike) -> Pair {
        let [before, after] = sides;
        let whole = Pair::whole(metric, operation, before, after);
        let values = alike.values(before, after);
        let scaled = |n: u64, kept: usize, of: usize| (u128::from(n) * kept as u128 / of.max(1) as u128) as u64;
        let n_alike = scaled(whole.n.0, values.before.len(), whole.values.before.len()).min(scaled(
            whole.n.1,
            values.after.len(),
            whole.values.after.len(),
        ));
        match n_alike {
            ADVISORY_MIN.. => Pair { n_alike, values, ..whole },
            _ => Pair { is_alike: false, ..whole },
        }
    }

    fn n_least(&self) -> u64 {
        self.n_alike
    }

    /// What is worse on few traces, or maybe only because of other requests, is no more than suspect.
    fn worse(&self, counts_from: u64) -> Verdict {
        if self.is_alike && self.n_least() >= counts_from { Verdict::Regressed } else { Verdict::Suspect }
    }

    fn is_testable(&self) -> bool {
        self.n_least() >= ADVISORY_MIN
    }

    fn change(&self) -> Change {
        let Operation { service, operation, kind } = self.operation;
        let mut change = Change::new(self.metric, service, Some(operation));
        (change.kind, change.to) = (kind, self.to);
        change.endpoint.clone_from(&self.endpoint);
        change.before = measure(self.n.0, &self.values.before);
        change.after = measure(self.n.1, &self.values.after);
        change
    }
}

fn measure(n: u64, values: &[i64]) -> Measure {
    let at = |q: f64| quantile(values, q).map(ms_rounded);
    Measure { n, median_ms: at(0.5), p95_ms: at(0.95), ..Measure::default() }
}

/// Judges where all pairs lie, together: as many changes as pairs, in their order.
pub(super) fn locations(pairs: &[Pair], options: &Options) -> Vec<Change> {
    // Nearly all of a comparison's time.
    let tests: Vec<_> = side_by_side::map(pairs, options.threads, |it| {
        let test = mann_whitney(&it.values.after, &it.values.before).filter(|_| it.is_testable());
        (test, hodges_lehmann(&it.values.before, &it.values.after, LOCATION_LEVEL))
    });
    // What was not tested does not count.
    let p: Vec<f64> = tests.iter().map(|(test, _)| test.map_or(f64::NAN, |it| it.p)).collect();
    let q = benjamini_hochberg(&p);
    let each = pairs.iter().zip(&tests).zip(&q);
    each.map(|((pair, test_and_shift), q)| {
        let mut change = pair.change();
        let (Some(test), Some(shift)) = test_and_shift else {
            change.verdict = Verdict::Insufficient;
            return change;
        };
        let median_ns = quantile(&pair.values.before, 0.5).unwrap_or(0.0);
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
                change.verdict = pair.worse(LOCATION_MIN);
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
    let before = quantile_interval(&pair.values.before, q, TAIL_LEVEL)?;
    let after = quantile_interval(&pair.values.after, q, TAIL_LEVEL)?;
    let min_abs_ns = options.min_abs_ns as f64;
    let beyond = |low: f64, high: f64| low > (1.0 + TAIL_TOLERANCE) * high && low - high >= min_abs_ns;
    let (factor, verdict) = if beyond(after.low, before.high) {
        (after.low / before.high, pair.worse(if q > 0.95 { P99_MIN } else { TAIL_MIN }))
    } else if beyond(before.low, after.high) {
        (before.low / after.high, Verdict::Improved)
    } else {
        return None;
    };
    let mut change = pair.change();
    let value = |values: &[i64]| quantile(values, q).unwrap_or(0.0);
    let (from, to) = (value(&pair.values.before), value(&pair.values.after));
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

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    /// `n` values around `ms`, evenly spread over ±5 %.
    fn values(n: usize, ms: f64) -> Vec<i64> {
        let spread = |it: usize| 0.95 + 0.1 * (it * 37 % n) as f64 / n as f64;
        (0..n).map(|it| (ms * MS as f64 * spread(it)) as i64).collect()
    }

    fn pair(before: Vec<i64>, after: Vec<i64>) -> Pair {
        let operation = Operation { service: Name::new("s"), operation: Name::new("o"), kind: None };
        let sample = |values: &[i64]| {
            let mut sample = Sample::default();
            values.iter().enumerate().for_each(|(nth, it)| sample.record(nth as u64, *it));
            sample.settle();
            sample
        };
        Pair::whole(Metric::Duration, operation, &sample(&before), &sample(&after))
    }

    fn verdict(before: Vec<i64>, after: Vec<i64>) -> Verdict {
        locations(&[pair(before, after)], &Options::default())[0].verdict
    }

    #[test]
    fn how_much_counts_depends_on_how_many_there_are() {
        let slower = |n: usize| verdict(values(n, 100.0), values(n, 150.0));
        assert_eq!(slower(19), Verdict::Insufficient);
        assert_eq!([slower(20), slower(49)], [Verdict::Suspect; 2]);
        assert_eq!(slower(50), Verdict::Regressed);
        assert_eq!(verdict(values(100, 100.0), values(19, 150.0)), Verdict::Insufficient);
        assert_eq!(verdict(values(100, 100.0), vec![]), Verdict::Insufficient);
    }

    #[test]
    fn the_whole_interval_has_to_clear_the_tolerance() {
        let moved = |factor: f64| verdict(values(200, 100.0), values(200, 100.0 * factor));
        assert_eq!([moved(1.0), moved(1.12), moved(0.88)], [Verdict::Unchanged; 3]);
        assert_eq!([moved(1.2), moved(0.8)], [Verdict::Regressed, Verdict::Improved]);
    }

    #[test]
    fn what_is_less_than_a_millisecond_does_not_matter() {
        assert_eq!(verdict(values(200, 0.5), values(200, 1.4)), Verdict::Unchanged);
        assert_eq!(verdict(values(200, 0.5), values(200, 1.6)), Verdict::Regressed);
    }

    #[test]
    fn more_values_than_are_kept_count_as_many_as_there_are() {
        let change = &locations(&[pair(values(5_000, 10.0), values(5_000, 20.0))], &Options::default())[0];
        assert_eq!((change.before.n, change.verdict), (5_000, Verdict::Regressed));
    }

    fn with_tail(n: usize, every: usize, ms: f64) -> Vec<i64> {
        let mut all = values(n, 100.0);
        all.iter_mut().step_by(every).for_each(|it| *it = (ms * MS as f64) as i64);
        all
    }

    #[test]
    fn a_tail_may_move_alone() {
        let tail = |n: usize| tail(&pair(values(n, 100.0), with_tail(n, 8, 900.0)), &Options::default());
        assert!(tail(99).is_none());
        assert_eq!(tail(100).map(|it| it.verdict), Some(Verdict::Suspect));
        let found = tail(300).unwrap();
        assert_eq!((found.metric, found.verdict), (Metric::Tail, Verdict::Regressed));
        assert!(found.low_ms.is_some_and(|it| it > 700.0), "{found:?}");
        let back = super::tail(&pair(with_tail(300, 8, 900.0), values(300, 100.0)), &Options::default());
        assert_eq!(back.map(|it| it.verdict), Some(Verdict::Improved));
    }

    #[test]
    fn a_p99_alone_counts_from_a_thousand() {
        let tail = |n: usize| tail(&pair(values(n, 100.0), with_tail(n, 33, 900.0)), &Options::default());
        assert_eq!(tail(900).map(|it| (it.quantile, it.verdict)), Some((Some(0.99), Verdict::Suspect)));
        assert_eq!(tail(1_000).map(|it| (it.quantile, it.verdict)), Some((Some(0.99), Verdict::Regressed)));
    }
}
