//! By how much the p95 of an operation surely went up: what a limit on that is held against.

use super::alike::{Alike, Values};
use super::collection::{Collection, Operation, Seen};
use super::endpoint;
use crate::model::Kind;
use crate::stats::robust::quantile;
use crate::stats::significance::quantile_interval;

const Q: f64 = 0.95;

/// How sure each p95 is. Two such intervals apart are surer than either.
const LEVEL: f64 = 0.90;

/// Answers by how much a p95 went up between two captures.
#[derive(Debug)]
pub struct Increases<'a> {
    before: &'a Collection,
    after: &'a Collection,
    /// More requests of an expensive kind are no increase.
    alike: Alike,
}

/// The p95 of an operation in two captures, one value a trace, of one side of the call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct P95Increase {
    /// The side of the call.
    pub kind: Option<Kind>,
    /// Traces with a value.
    pub n_before: u64,
    /// Traces with a value.
    pub n_after: u64,
    /// What it was, in the mix of endpoints that both captures have.
    pub before_ms: f64,
    /// What it is, in the same mix.
    pub after_ms: f64,
    /// How much higher it is at the least, in percent: the lowest that it may be now against the highest
    /// that it may have been. `None` if there are too few values.
    pub at_least_percent: Option<f64>,
}

impl<'a> Increases<'a> {
    /// Of two captures.
    pub fn new(before: &'a Collection, after: &'a Collection) -> Increases<'a> {
        let alike = Alike::new(before, after, &endpoint::join(before, after).places);
        Increases { before, after, alike }
    }

    /// Of all sides of the call that both captures have values of; `None` if it does not occur before.
    pub fn of(&self, service: &str, operation: &str) -> Option<Vec<P95Increase>> {
        let is_asked = |it: &&Operation| it.service.as_str() == service && it.operation.as_str() == operation;
        let asked: Vec<&Operation> = self.before.operations.keys().filter(is_asked).collect();
        let increase = |it: &&Operation| {
            let (before, after) = (&self.before.operations[*it], self.after.operations.get(*it)?);
            P95Increase::of(it.kind, before, after, self.alike.values(&before.durations, &after.durations))
        };
        (!asked.is_empty()).then(|| asked.iter().filter_map(increase).collect())
    }
}

impl P95Increase {
    fn of(kind: Option<Kind>, before: &Seen, after: &Seen, values: Values) -> Option<P95Increase> {
        let interval = |it: &[i64]| quantile_interval(it, Q, LEVEL);
        let bounds = interval(&values.before).zip(interval(&values.after));
        // Of what takes no time every increase is without bounds.
        let at_least = bounds.filter(|it| it.0.high > 0.0).map(|(was, is)| (is.low / was.high - 1.0) * 100.0);
        // Where no requests are alike all there are are shown, and nothing is said of them.
        let [was, is] = match values.before.is_empty() || values.after.is_empty() {
            true => [before.durations.ascending(), after.durations.ascending()],
            false => [values.before, values.after],
        };
        Some(P95Increase {
            kind,
            n_before: before.durations.n(),
            n_after: after.durations.n(),
            before_ms: quantile(&was, Q)? / 1e6,
            after_ms: quantile(&is, Q)? / 1e6,
            at_least_percent: at_least,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers between 0 and 1, the same for the same seed.
    fn uniform(seed: u64) -> impl Iterator<Item = f64> {
        let mut state = seed;
        std::iter::repeat_with(move || {
            // splitmix64
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
        })
    }

    /// Calls of 100 ms and a tail as long as most services have.
    fn seen(seed: u64, n: usize, factor: f64) -> Seen {
        let mut seen = Seen::default();
        for (nth, u) in uniform(seed).take(n).enumerate() {
            // Pareto, with a shape of 3.
            let ms = 100.0 * (1.0 - u).powf(-1.0 / 3.0) * factor;
            seen.durations.record(nth as u64, (ms * 1e6) as i64);
        }
        seen.durations.settle();
        seen
    }

    fn increase(seed: u64, n: usize, factor: f64) -> P95Increase {
        let (before, after) = (seen(2 * seed, n, 1.0), seen(2 * seed + 1, n, factor));
        let values = Values { before: before.durations.ascending(), after: after.durations.ascending() };
        P95Increase::of(None, &before, &after, values).unwrap()
    }

    #[test]
    fn equal_captures_do_not_differ_surely_though_their_p95_does() {
        let runs: Vec<P95Increase> = (0..400).map(|seed| increase(seed, 100, 1.0)).collect();
        let n_merely = runs.iter().filter(|it| it.after_ms > 1.1 * it.before_ms).count();
        let n_surely = runs.iter().filter(|it| it.at_least_percent.unwrap() > 10.0).count();
        assert!(n_merely > 80, "{n_merely} of 400 have a p95 that is 10 % higher");
        assert!(n_surely <= 1, "{n_surely} of 400 surely so");
    }

    #[test]
    fn a_p95_that_doubled_is_found() {
        let n_found = (0..100).filter(|seed| increase(*seed, 300, 2.0).at_least_percent.unwrap() > 10.0).count();
        assert!(n_found >= 95, "{n_found} of 100");
    }

    #[test]
    fn few_values_say_nothing() {
        assert_eq!(increase(1, 58, 2.0).at_least_percent, None);
        assert!(increase(1, 59, 2.0).at_least_percent.is_some());
    }
}
