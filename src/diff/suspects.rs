//! Which service is to blame, most suspicious first.
//!
//! For each wait (self time by operation and caller, or the way to another service) the robust shift
//! against the baseline's own spread: a jump from 3 to 30 ms in a quiet service says more than one from
//! 300 to 360 in a noisy one. A slow way is the callee's fault first, for a host that is slow to answer
//! looks like a slow network, and the caller's a little less. No test and no verdict is asked: a
//! culprit's strongest evidence often is the few requests that reached it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::collection::{Collection, Wait};
use super::decomposition::Decomposition;
use super::endpoint::Spot;
use super::latency::round;
use crate::model::Name;
use crate::stats::ms_rounded;
use crate::stats::robust::{mean_quantile_difference, median, median_absolute_deviation};

/// Values a side from which a wait says something.
const MIN_VALUES: u64 = 2;

/// What a median absolute deviation is multiplied by to estimate a standard deviation.
const TO_DEVIATION: f64 = 1.4826;

/// No service is so regular that less than these are news: a part of the median, and a time.
const RELATIVE_FLOOR: f64 = 0.05;
const FLOOR_NS: f64 = 50_000.0;

/// How much of an edge's score its caller gets.
const CALLER_PART: f64 = 0.8;

/// What so few values say may be an accident, whatever their deviations.
const STRONG_MIN_VALUES: u64 = 5;

/// Not seen between captures that are alike, if the median moves as well.
const STRONG_DEVIATIONS: f64 = 10.0;

/// A service that may be to blame.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suspect {
    /// Which.
    pub service: Name,
    /// The sum of its evidence, in deviations.
    pub score: f64,
    /// How much of the slow-down within endpoints is its own and on the way to it; `None` where there is none.
    pub share_percent: Option<f64>,
    /// How far the next one is behind, 0 to 100 percent of this one's score.
    pub lead_percent: f64,
    /// What speaks against it, strongest first.
    pub evidence: Vec<Evidence>,
}

/// A wait that grew.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// What grew.
    pub kind: EvidenceKind,
    /// Who waits, where it is not the suspect.
    pub service: Name,
    /// In which operation.
    pub operation: Name,
    /// Called by whom, of a self time.
    pub caller: Option<Name>,
    /// For which service.
    pub to: Option<Name>,
    /// How many values there are.
    pub n_before: u64,
    /// How many values there are.
    pub n_after: u64,
    /// The median before.
    pub before_ms: Option<f64>,
    /// The median after.
    pub after_ms: Option<f64>,
    /// The mean difference of the quantiles from 5 to 95 %.
    pub shift_ms: f64,
    /// The same in deviations of the baseline.
    pub score: f64,
    /// How much of the slow-down within endpoints the operation explains; `None` where there is none.
    pub share_percent: Option<f64>,
}

/// What a wait is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceKind {
    /// Its own work.
    SelfTime,
    /// The way to another service and back.
    EdgeTime,
}

/// Ranks the services by how much their waits grew.
pub(super) fn rank(before: &Collection, after: &Collection, decomposition: &Decomposition) -> Vec<Suspect> {
    let mut of_service: BTreeMap<Name, Vec<Evidence>> = BTreeMap::new();
    for (wait, sample) in &before.waits {
        let Some(after) = after.waits.get(wait) else { continue };
        let Some(evidence) = Evidence::of(wait, sample.n(), &sample.ascending(), after.n(), &after.ascending()) else {
            continue;
        };
        let evidence = Evidence { share_percent: share(decomposition, [wait.place()]), ..evidence };
        if let Wait::Edge { service, to, .. } = *wait {
            let of_caller = Evidence { score: CALLER_PART * evidence.score, ..evidence.clone() };
            of_service.entry(service).or_default().push(of_caller);
            of_service.entry(to).or_default().push(evidence);
        } else {
            of_service.entry(evidence.service).or_default().push(evidence);
        }
    }
    let mut suspects: Vec<Suspect> =
        of_service.into_iter().map(|(service, evidence)| suspect(service, evidence, decomposition)).collect();
    suspects.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.service.cmp(&b.service)));
    for nth in 0..suspects.len() {
        let next = suspects.get(nth + 1).map_or(0.0, |it| it.score);
        suspects[nth].lead_percent = round((1.0 - next / suspects[nth].score) * 100.0);
    }
    for it in &mut suspects {
        it.score = round(it.score);
        it.evidence.iter_mut().for_each(|it| it.score = round(it.score));
    }
    suspects
}

impl Suspect {
    /// Whether it is worth a look though no verdict says that anything is worse: too few traces had it.
    pub fn is_strong(&self) -> bool {
        self.evidence.first().is_some_and(Evidence::is_strong)
    }
}

impl Evidence {
    /// Most of its values grew, far beyond what is usual: some slow ones move the quantiles, but no median.
    fn is_strong(&self) -> bool {
        let moved_ms = self.before_ms.zip(self.after_ms).map_or(0.0, |(before, after)| after - before);
        self.n_before.min(self.n_after) >= STRONG_MIN_VALUES
            && self.score >= STRONG_DEVIATIONS
            && moved_ms >= self.shift_ms / 2.0
    }

    /// `None` if it did not grow, or there are too few values.
    fn of(wait: &Wait, n_before: u64, before: &[i64], n_after: u64, after: &[i64]) -> Option<Evidence> {
        if n_before.min(n_after) < MIN_VALUES {
            return None;
        }
        let shift_ns = mean_quantile_difference(before, after).filter(|it| *it > 0.0)?;
        let spread_ns = TO_DEVIATION * median_absolute_deviation(before)?;
        let median_ns = median(before)?;
        let (kind, service, operation, caller, to) = match *wait {
            Wait::Own { service, operation, caller } => (EvidenceKind::SelfTime, service, operation, caller, None),
            Wait::Edge { service, operation, to } => (EvidenceKind::EdgeTime, service, operation, None, Some(to)),
        };
        Some(Evidence {
            kind,
            service,
            operation,
            caller,
            to,
            n_before,
            n_after,
            before_ms: Some(ms_rounded(median_ns)),
            after_ms: median(after).map(ms_rounded),
            shift_ms: ms_rounded(shift_ns),
            score: shift_ns / (spread_ns + RELATIVE_FLOOR * median_ns + FLOOR_NS),
            share_percent: None,
        })
    }
}

fn suspect(service: Name, mut evidence: Vec<Evidence>, decomposition: &Decomposition) -> Suspect {
    evidence.sort_by(|a, b| {
        let names = |it: &Evidence| (it.service, it.operation, it.caller, it.to);
        b.score.total_cmp(&a.score).then_with(|| names(a).cmp(&names(b)))
    });
    // The way from it to others is theirs: shares of all suspects together are no more than the whole.
    let is_own = |it: &&Evidence| it.kind == EvidenceKind::SelfTime || it.to == Some(service);
    let spots: BTreeSet<Spot> = evidence.iter().filter(is_own).map(|it| (it.service, it.operation)).collect();
    Suspect {
        service,
        // In the order of the evidence, so that the sum is the same every time.
        score: evidence.iter().map(|it| it.score).sum(),
        share_percent: share(decomposition, spots),
        lead_percent: 0.0,
        evidence,
    }
}

/// How much of the slow-down within endpoints these operations add.
fn share(decomposition: &Decomposition, spots: impl IntoIterator<Item = Spot>) -> Option<f64> {
    if decomposition.within_ns <= 0.0 {
        return None;
    }
    let of = |spot: Spot| decomposition.within.get(&spot).map_or(0.0, |it| it.sum_ns());
    let sum: f64 = spots.into_iter().map(of).sum();
    Some(round(sum / decomposition.within_ns * 100.0))
}

#[cfg(test)]
mod tests {
    use super::super::sketches::many;
    use super::super::{Options, compare};
    use super::*;

    fn suspects(before: &Collection, after: &Collection) -> Vec<Suspect> {
        compare(before, after, &Options::default()).suspects
    }

    fn names(suspects: &[Suspect]) -> Vec<&'static str> {
        suspects.iter().map(|it| it.service.as_str()).collect()
    }

    #[test]
    fn a_jump_in_a_quiet_service_beats_a_larger_one_in_a_noisy_one() {
        let capture = |db: usize, slow: usize| {
            many(30, |it| {
                let (from, to) = (200 + it * 10 % 90 + slow, 203 + it * 10 % 90 + slow + db);
                format!("web GET / 0..{}\n  db SELECT {from}..{to}", to + 1)
            })
        };
        let found = suspects(&capture(0, 0), &capture(27, 60));
        assert_eq!(names(&found), ["db", "web"]);
        assert_eq!(found[0].evidence[0].shift_ms, 27.0);
        assert_eq!((found[0].evidence[0].before_ms, found[0].evidence[0].after_ms), (Some(3.0), Some(30.0)));
    }

    #[test]
    fn a_slow_way_is_the_callees_first() {
        let capture = |way: usize| {
            many(20, |it| {
                let end = 30 + it % 3 + 2 * way;
                format!(
                    "web GET / 0..{}\n  web call 2..{}\n    api GET {}..{}\n      db SELECT {}..{}\n      db SELECT {}..{}",
                    end + 10,
                    end + 5,
                    5 + way,
                    end - way,
                    6 + way,
                    7 + way,
                    8 + way,
                    9 + way
                )
            })
        };
        let found = suspects(&capture(0), &capture(50));
        assert_eq!(names(&found), ["api", "web"]);
        let evidence = &found[0].evidence[0];
        assert_eq!((evidence.kind, evidence.to), (EvidenceKind::EdgeTime, Some(Name::new("api"))));
        assert!((found[1].score - CALLER_PART * found[0].score).abs() < 1e-3, "{found:?}");
        assert_eq!(found[0].share_percent, Some(100.0), "all of it is on the way to it");
        assert_eq!(found[1].share_percent, Some(0.0));
    }

    #[test]
    fn the_score_is_the_formula() {
        // Self times of 10, 20, 30, 40, 50 ms, then each 100 ms more: MAD 10 ms, median 30 ms.
        let capture = |more: usize| many(5, |it| format!("web GET / 0..{}", (it + 1) * 10 + more));
        let found = suspects(&capture(0), &capture(100));
        let expected = 100e6 / (1.4826 * 10e6 + 0.05 * 30e6 + 50e3);
        assert!((found[0].score - expected).abs() < 1e-4, "{} is not {expected}", found[0].score);
    }

    #[test]
    fn two_values_a_side_are_enough_and_one_is_not() {
        let capture = |n: usize, ms: usize| many(n, |_| format!("web GET / 0..{ms}"));
        assert_eq!(names(&suspects(&capture(2, 10), &capture(2, 20))), ["web"]);
        assert!(suspects(&capture(1, 10), &capture(2, 20)).is_empty());
        assert!(suspects(&capture(2, 10), &capture(2, 10)).is_empty(), "what is the same is not suspicious");
    }
}
