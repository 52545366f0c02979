//! Gates held against what a meter has counted.

use std::cell::LazyCell;

use serde::Serialize;

use super::changes;
use super::gate::{Gate, PARTS_PER_PERCENT, Quantile, Rule, Target};
use super::meter::{Meter, Watch};
use crate::diff::{Collection, Comparison, Increases, Options};
use crate::near;
use crate::report::words;
use crate::stats::percent;

/// What became of a gate: an entry of the `gates` key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Judgement {
    /// As a flag.
    pub gate: String,
    /// Whether it holds, as far as can be told.
    pub passed: bool,
    /// Whether that could be told: too few traces never fail.
    pub judged: bool,
    /// What was found.
    pub message: String,
}

/// Two captures and what came out of comparing them.
#[derive(Clone, Copy, Debug)]
pub struct Between<'a> {
    /// The one.
    pub before: &'a Collection,
    /// The other.
    pub after: &'a Collection,
    /// What differs.
    pub comparison: &'a Comparison,
    /// How differences were judged.
    pub options: &'a Options,
}

/// What a gate comes to.
pub(super) enum Finding {
    Holds(String),
    Fails(String),
    TooFew(String),
}

/// Judges gates by a capture, those on what changed by a comparison too; without one they are left out.
pub fn judge(gates: &[Gate], meter: &Meter, between: Option<Between<'_>>) -> Vec<Judgement> {
    let increases = LazyCell::new(|| between.map(|it| Increases::new(it.before, it.after)));
    let finding = |rule: &Rule| {
        if let Some(target) = rule.target()
            && meter.watch(target).n_calls == 0
        {
            return Some(Finding::Fails(absent(target, meter)));
        }
        Some(match rule {
            Rule::Require(target) => present(meter.watch(target)),
            Rule::Latency { target, quantile, limit_ns } => latency(meter.watch(target), *quantile, *limit_ns),
            Rule::ErrorRate { target, limit_ppb } => error_rate(meter.watch(target), target, *limit_ppb),
            Rule::P95Increase { target, limit_ppb } => changes::p95_increase(increases.as_ref()?, target, *limit_ppb),
            Rule::NewEdges => changes::new_edges(between?),
            Rule::NewErrors => changes::new_errors(between?),
        })
    };
    let judged = gates.iter().filter_map(|it| Some((it, finding(&it.rule)?)));
    judged.map(|(gate, finding)| Judgement::new(gate, finding)).collect()
}

impl Judgement {
    fn new(gate: &Gate, finding: Finding) -> Judgement {
        let (passed, judged, message) = match finding {
            Finding::Holds(message) => (true, true, message),
            Finding::Fails(message) => (false, true, message),
            Finding::TooFew(message) => (true, false, message),
        };
        Judgement { gate: gate.text.clone(), passed, judged, message }
    }
}

fn absent(target: &Target, meter: &Meter) -> String {
    let services = meter.services();
    let offered = |near: Vec<&str>| match &near[..] {
        [] => String::new(),
        near => format!("; there is {}", near.join(", ")),
    };
    match &target.operation {
        Some(operation) if services.contains(target.service.as_str()) => {
            let near = near::names(operation, meter.operations(&target.service));
            format!("{} has no operation '{operation}'{}", target.service, offered(near))
        }
        _ => format!("there is no service '{}'{}", target.service, offered(near::names(&target.service, services))),
    }
}

fn present(watch: &Watch) -> Finding {
    Finding::Holds(format!("seen {}", words::some(watch.n_calls, "time", "times")))
}

/// By nearest rank: the limit holds if enough calls are within it, to the nanosecond.
fn latency(watch: &Watch, quantile: Quantile, limit_ns: i64) -> Finding {
    let n_calls = watch.durations.count();
    let q = quantile.percent();
    let Some(value_ns) = watch.durations.quantile_ns(q as f64 / 100.0) else {
        return Finding::Fails("no call has a known duration".to_owned());
    };
    let n_within = watch.n_within(limit_ns);
    let rank = (u128::from(n_calls) * u128::from(q)).div_ceil(100);
    let value_ns = i64::try_from(value_ns).unwrap_or(i64::MAX);
    if u128::from(n_within) >= rank {
        let value = words::duration(value_ns.min(limit_ns));
        return Finding::Holds(format!("p{q} is {value} over {}", words::some(n_calls, "call", "calls")));
    }
    Finding::Fails(format!(
        "p{q} is {}: {} of {} take longer than {}",
        words::duration(value_ns),
        words::count(n_calls - n_within),
        words::some(n_calls, "call", "calls"),
        words::duration(limit_ns)
    ))
}

fn error_rate(watch: &Watch, target: &Target, limit_ppb: i64) -> Finding {
    let (n_failed, n_calls) = (watch.n_failed, watch.n_calls);
    let calls = match target.operation {
        Some(_) => words::some(n_calls, "call", "calls"),
        None => format!("{} into {}", words::some(n_calls, "request", "requests"), target.service),
    };
    let share = words::percent(percent(n_failed, n_calls));
    let verb = if n_failed == 1 { "fails" } else { "fail" };
    let message = format!("{} of {calls} {verb} ({share})", words::count(n_failed));
    let most = i128::from(limit_ppb) * i128::from(n_calls);
    let is_beyond = i128::from(n_failed) * 100 * i128::from(PARTS_PER_PERCENT) > most;
    if is_beyond { Finding::Fails(message) } else { Finding::Holds(message) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holds(finding: Finding) -> bool {
        matches!(finding, Finding::Holds(_))
    }

    proptest! {
        /// By the definition: sorted, the value at the nearest rank is no larger.
        #[test]
        fn a_latency_holds_if_the_value_of_nearest_rank_is_within(
            mut values in prop::collection::vec(prop_oneof![0i64..5, 299_999_990i64..300_000_010], 1..200),
            limit_ns in prop_oneof![0i64..5, 299_999_990i64..300_000_010],
        ) {
            let target = Target { service: "a".to_owned(), operation: None };
            let mut watch = Watch::new(target);
            watch.within.push((limit_ns, 0));
            values.iter().for_each(|it| watch.record(false, Some(*it)));
            values.sort_unstable();
            for (quantile, q) in [(Quantile::P50, 50), (Quantile::P95, 95), (Quantile::P99, 99)] {
                let value_ns = values[(values.len() * q).div_ceil(100) - 1];
                prop_assert_eq!(holds(latency(&watch, quantile, limit_ns)), value_ns <= limit_ns);
            }
        }

        #[test]
        fn an_error_rate_holds_up_to_its_limit(n_failed in 0u64..50, n_more in 0u64..50, per_mille in 0i64..1_000) {
            let n_calls = n_failed + n_more;
            prop_assume!(n_calls > 0);
            let target = Target { service: "a".to_owned(), operation: None };
            let mut watch = Watch::new(target.clone());
            (0..n_calls).for_each(|nth| watch.record(nth < n_failed, None));
            let found = holds(error_rate(&watch, &target, per_mille * PARTS_PER_PERCENT / 10));
            prop_assert_eq!(found, n_failed * 1_000 <= per_mille as u64 * n_calls);
        }
    }
}
