//! What gates ask of a capture, counted while traces pass by.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::FixedState;

use super::gate::{Gate, Rule, Target};
use crate::model::{Name, Span, Trace};
use crate::stats::Distribution;

/// Counts for some gates, on one thread. Without gates it looks at nothing.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    /// One for every service and operation that a gate names.
    watches: Vec<Watch>,
    /// Everything that was met, and which watches see it.
    places: HashMap<(Name, Name), Place, FixedState>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    service: Option<usize>,
    operation: Option<usize>,
}

/// What happened in an operation, or in requests into a service.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    target: Target,
    /// Calls of the operation; of a service those from outside, as its other spans would thin out failures.
    pub(super) n_calls: u64,
    pub(super) n_failed: u64,
    pub(super) durations: Distribution,
    /// The limits on durations, and how many calls are within. A histogram's quantile may be 0.1 %
    /// too high: what is exactly at a limit must not be beyond it.
    pub(super) within: Vec<(i64, u64)>,
}

impl Meter {
    /// One that has seen nothing.
    pub fn new(gates: &[Gate]) -> Meter {
        let mut meter = Meter::default();
        for gate in gates {
            let Some(target) = gate.rule.target() else { continue };
            let at = meter.position(target).unwrap_or_else(|| {
                meter.watches.push(Watch::new(target.clone()));
                meter.watches.len() - 1
            });
            if let Rule::Latency { limit_ns, .. } = gate.rule {
                meter.watches[at].within.push((limit_ns, 0));
            }
        }
        meter
    }

    /// Looks at a trace.
    pub fn observe(&mut self, trace: &Trace) {
        if self.watches.is_empty() {
            return;
        }
        for span in trace.spans() {
            let place = match self.places.get(&(span.service, span.operation)) {
                Some(place) => *place,
                None => self.meet(span.service, span.operation),
            };
            if let Some(at) = place.operation {
                self.watches[at].count(span);
            }
            let enters = span.parent.is_none_or(|it| trace.span(it).service != span.service);
            if let Some(at) = place.service.filter(|_| enters) {
                self.watches[at].count(span);
            }
        }
    }

    /// Adds what another one for the same gates has seen.
    pub fn merge(&mut self, other: Meter) {
        for (mine, theirs) in self.watches.iter_mut().zip(other.watches) {
            mine.merge(theirs);
        }
        self.places.extend(other.places);
    }

    fn meet(&mut self, service: Name, operation: Name) -> Place {
        let at = |asked: Option<&str>| {
            self.watches
                .iter()
                .position(|it| it.target.service == service.as_str() && it.target.operation.as_deref() == asked)
        };
        let place = Place { service: at(None), operation: at(Some(operation.as_str())) };
        self.places.insert((service, operation), place);
        place
    }

    fn position(&self, target: &Target) -> Option<usize> {
        self.watches.iter().position(|it| it.target == *target)
    }

    /// What was seen of something that a gate names.
    pub(super) fn watch(&self, target: &Target) -> &Watch {
        let at = self.position(target).expect("a meter is made for the gates it is asked about");
        &self.watches[at]
    }

    /// The services there are.
    pub(super) fn services(&self) -> BTreeSet<&'static str> {
        self.places.keys().map(|it| it.0.as_str()).collect()
    }

    /// The operations there are of a service.
    pub(super) fn operations(&self, service: &str) -> BTreeSet<&'static str> {
        self.places.keys().filter(|it| it.0.as_str() == service).map(|it| it.1.as_str()).collect()
    }
}

impl Watch {
    pub(super) fn new(target: Target) -> Watch {
        Watch { target, n_calls: 0, n_failed: 0, durations: Distribution::new(), within: Vec::new() }
    }

    fn count(&mut self, span: &Span) {
        self.record(span.error, span.duration_ns);
    }

    pub(super) fn record(&mut self, is_failed: bool, duration_ns: Option<i64>) {
        self.n_calls += 1;
        self.n_failed += u64::from(is_failed);
        if let Some(duration_ns) = duration_ns {
            self.durations.record(duration_ns.unsigned_abs());
            for (limit_ns, n_within) in &mut self.within {
                *n_within += u64::from(duration_ns <= *limit_ns);
            }
        }
    }

    fn merge(&mut self, other: Watch) {
        self.n_calls += other.n_calls;
        self.n_failed += other.n_failed;
        self.durations.merge(other.durations);
        for (mine, theirs) in self.within.iter_mut().zip(other.within) {
            mine.1 += theirs.1;
        }
    }

    /// How many calls take no longer.
    pub(super) fn n_within(&self, limit_ns: i64) -> u64 {
        self.within.iter().find(|it| it.0 == limit_ns).map_or(0, |it| it.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::{Quantile, judge};
    use crate::model::sketch;

    fn target(service: &str, operation: Option<&str>) -> Target {
        Target { service: service.to_owned(), operation: operation.map(str::to_owned) }
    }

    fn gates() -> Vec<Gate> {
        let rules = [
            Rule::Require(target("web", None)),
            Rule::Require(target("db", Some("SELECT"))),
            Rule::Require(target("db", Some("SELEKT"))),
            Rule::Require(target("bd", None)),
            Rule::ErrorRate { target: target("web", None), limit_ppb: 0 },
            Rule::ErrorRate { target: target("db", Some("SELECT")), limit_ppb: 500_000_000 },
            Rule::Latency { target: target("db", Some("SELECT")), quantile: Quantile::P50, limit_ns: 10_000_000 },
            Rule::Latency { target: target("db", Some("SELECT")), quantile: Quantile::P99, limit_ns: 10_000_000 },
            Rule::Latency { target: target("db", Some("INSERT")), quantile: Quantile::P99, limit_ns: 10_000_000 },
        ];
        rules.into_iter().enumerate().map(|(nth, rule)| Gate { text: nth.to_string(), rule }).collect()
    }

    const SKETCHES: [&str; 3] = [
        "web GET / 0..100 !\n  web render 0..10\n  db SELECT 10..20\n  db SELECT 20..31",
        "web GET / 0..50\n  web render 0..10 !\n  db SELECT 10..20 !\n    web retry 12..13",
        "db SELECT 0..?\n  db INSERT 0..?",
    ];

    fn observed(sketches: &[&str]) -> Meter {
        let mut meter = Meter::new(&gates());
        sketches.iter().for_each(|it| meter.observe(&sketch::trace(it)));
        meter
    }

    fn judged(meter: &Meter) -> Vec<(bool, String)> {
        judge(&gates(), meter, None).into_iter().map(|it| (it.passed, it.message)).collect()
    }

    #[test]
    fn gates_are_held_against_calls() {
        let expected = [
            (true, "seen 3 times"),
            (true, "seen 4 times"),
            (false, "db has no operation 'SELEKT'; there is SELECT"),
            (false, "there is no service 'bd'; there is db"),
            (false, "1 of 3 requests into web fails (33.3 %)"),
            (true, "1 of 4 calls fails (25.0 %)"),
            (true, "p50 is 10 ms over 3 calls"),
            (false, "p99 is 11 ms: 1 of 3 calls take longer than 10 ms"),
            (false, "no call has a known duration"),
        ];
        assert_eq!(judged(&observed(&SKETCHES)), expected.map(|(passed, it)| (passed, it.to_owned())));
    }

    #[test]
    fn the_order_of_merging_cannot_be_seen() {
        let whole = judged(&observed(&SKETCHES));
        for cut in 0..=SKETCHES.len() {
            let (one, two) = (observed(&SKETCHES[..cut]), observed(&SKETCHES[cut..]));
            let (mut forth, mut back) = (one.clone(), two.clone());
            forth.merge(two);
            back.merge(one);
            assert_eq!((judged(&forth), judged(&back)), (whole.clone(), whole.clone()), "cut at {cut}");
        }
    }
}
