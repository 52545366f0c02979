//! Which changes are causes, and which are only above one.
//!
//! An operation that is slower because of something it calls is no news. The change of a duration is a
//! cause if most of it is the operation's own: self time, or the way to the service it calls. Else it is
//! caused by what changed most, by itself, below it; and failures by the deepest that fail more.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Cause, Change, Metric};
use super::collection::{Collection, Operation};
use super::decomposition::EndpointChange;
use super::endpoint::Spot;

/// How much of a change has to be its own.
const OWN_SHARE: f64 = 0.5;

/// Something that changed by itself.
#[derive(Clone, Copy)]
struct Origin {
    cause: Cause,
    /// By how much its time shifted.
    shift_ms: f64,
    /// By how much a trace that has it is slower for it.
    weight_ms: f64,
}

/// What changed by itself, by place and by whether it is worse now.
#[derive(Default)]
struct Origins {
    times: BTreeMap<(Spot, bool), Origin>,
    tails: BTreeMap<(Spot, bool), Origin>,
    /// By how many percentage points failures changed.
    errors: BTreeMap<(Operation, bool), f64>,
}

/// Marks causes, and says what causes the others. `self_tails` are the changes of self times' tails.
pub(super) fn assign(
    changes: &mut [Change],
    self_tails: &[Change],
    (before, after): (&Collection, &Collection),
    endpoints: &[EndpointChange],
) {
    let origins = Origins::of(changes, self_tails, (before, after));
    let graph = Graph { before, after };
    let by_name: BTreeMap<&str, &EndpointChange> = endpoints.iter().map(|it| (it.endpoint.as_str(), it)).collect();
    for change in changes.iter_mut().filter(|it| it.verdict.is_change()) {
        let cause = match (change.metric, &change.endpoint, operation_of(change)) {
            (Metric::Duration | Metric::Tail, Some(name), _) => {
                by_name.get(name.as_str()).and_then(|it| origins.on_path(change, it))
            }
            (Metric::Duration | Metric::Tail, None, Some(operation)) => {
                origins.below(change, operation, &graph.below(operation))
            }
            (Metric::ErrorRate, _, Some(operation)) => origins.failing_below(change, operation, &graph),
            _ => None,
        };
        change.cause = cause.is_none();
        change.caused_by = cause;
    }
}

fn operation_of(change: &Change) -> Option<Operation> {
    let operation = change.operation?;
    Some(Operation { service: change.service, operation, kind: change.kind })
}

/// Whether something is worse now.
fn is_worse(change: &Change) -> bool {
    let points = change.change_points.or(change.change_percent).unwrap_or(0.0);
    change.shift_ms.unwrap_or(points) > 0.0
}

impl Origins {
    fn of(changes: &[Change], self_tails: &[Change], (before, after): (&Collection, &Collection)) -> Origins {
        let mut origins = Origins::default();
        let seen = |it: &Operation| after.operations.get(it).or_else(|| before.operations.get(it));
        let per_trace = |it: &Operation| seen(it).map_or(1.0, |it| it.n_calls as f64 / it.n_traces.max(1) as f64);
        for change in changes.iter().filter(|it| it.verdict.is_change()) {
            let Some(operation) = operation_of(change) else { continue };
            let spot = (operation.service, operation.operation);
            let shift_ms = change.shift_ms.unwrap_or(0.0);
            let cause = Cause { service: spot.0, operation: spot.1, to: change.to };
            match change.metric {
                Metric::SelfTime | Metric::EdgeTime => {
                    // An edge has no kind: it is called as often as its operation, whatever that is.
                    let weight_ms = shift_ms * per_trace(&operation);
                    keep_largest(&mut origins.times, (spot, shift_ms > 0.0), Origin { cause, shift_ms, weight_ms });
                }
                Metric::Calls => {
                    let more = change.after.per_trace.unwrap_or(0.0) - change.before.per_trace.unwrap_or(0.0);
                    let durations = seen(&operation).map(|it| it.durations.ascending()).unwrap_or_default();
                    let each_ms = crate::stats::robust::median(&durations).unwrap_or(0.0) / 1e6;
                    let origin = Origin { cause, shift_ms: 0.0, weight_ms: more * each_ms };
                    keep_largest(&mut origins.times, (spot, more > 0.0), origin);
                }
                Metric::ErrorRate if change.pattern.is_none() => {
                    origins.errors.insert((operation, is_worse(change)), change.change_points.unwrap_or(0.0));
                }
                _ => {}
            }
        }
        for change in self_tails {
            let Some(operation) = change.operation else { continue };
            let shift_ms = change.shift_ms.unwrap_or(0.0);
            let cause = Cause { service: change.service, operation, to: None };
            let origin = Origin { cause, shift_ms, weight_ms: shift_ms };
            keep_largest(&mut origins.tails, ((change.service, operation), is_worse(change)), origin);
        }
        origins
    }

    /// What of a request's path explains its change: of what changed by itself the largest part.
    fn on_path(&self, change: &Change, endpoint: &EndpointChange) -> Option<Cause> {
        let worse = is_worse(change);
        let part = |spot: Spot| {
            let part = endpoint.operations.iter().find(|it| (it.service, it.operation) == spot)?;
            let ms = part.frequency_ms + part.time_ms;
            (ms != 0.0 && (ms > 0.0) == worse).then_some(ms.abs())
        };
        let of = |origins: &BTreeMap<(Spot, bool), Origin>| {
            let there = origins.iter().filter(|it| it.0.1 == worse).filter_map(|it| Some((part(it.0.0)?, it.1.cause)));
            there.reduce(|best, it| if it.0 > best.0 { it } else { best }).map(|it| it.1)
        };
        // A tail is explained by a tail, if there is one.
        let tail = (change.metric == Metric::Tail).then(|| of(&self.tails)).flatten();
        tail.or_else(|| of(&self.times))
    }

    /// What below an operation explains its change; `None` if it is its own.
    fn below(&self, change: &Change, operation: Operation, below: &BTreeSet<Operation>) -> Option<Cause> {
        let worse = is_worse(change);
        let spot = (operation.service, operation.operation);
        let of = |origins: &BTreeMap<(Spot, bool), Origin>| {
            let own = origins.get(&(spot, worse)).map_or(0.0, |it| it.shift_ms);
            if own.abs() >= OWN_SHARE * change.shift_ms.unwrap_or(0.0).abs() {
                return None;
            }
            let spots: BTreeSet<Spot> = below.iter().map(|it| (it.service, it.operation)).collect();
            let there = spots.into_iter().filter(|it| *it != spot).filter_map(|it| origins.get(&(it, worse)));
            there
                .reduce(|best, it| if it.weight_ms.abs() > best.weight_ms.abs() { it } else { best })
                .map(|it| it.cause)
        };
        if change.metric == Metric::Tail && (self.tails.contains_key(&(spot, worse)) || of(&self.tails).is_some()) {
            return of(&self.tails);
        }
        of(&self.times)
    }

    /// What below an operation fails more as well and nothing below that; `None` if nothing does.
    fn failing_below(&self, change: &Change, operation: Operation, graph: &Graph<'_>) -> Option<Cause> {
        let worse = is_worse(change);
        let fails = |it: &Operation| *it != operation && self.errors.contains_key(&(*it, worse));
        let below = graph.below(operation);
        let deepest = below.iter().filter(|it| fails(it)).filter(|it| {
            let further = graph.below(**it);
            !further.iter().any(|below| below != *it && self.errors.contains_key(&(*below, worse)))
        });
        let points = |it: &Operation| self.errors.get(&(*it, worse)).map_or(0.0, |it| it.abs());
        let worst = deepest.reduce(|best, it| if points(it) > points(best) { it } else { best })?;
        Some(Cause { service: worst.service, operation: worst.operation, to: None })
    }
}

fn keep_largest(origins: &mut BTreeMap<(Spot, bool), Origin>, key: (Spot, bool), origin: Origin) {
    let kept = origins.entry(key).or_insert(origin);
    if origin.weight_ms.abs() > kept.weight_ms.abs() {
        *kept = origin;
    }
}

/// Which operations wait for which, in either capture.
struct Graph<'a> {
    before: &'a Collection,
    after: &'a Collection,
}

impl Graph<'_> {
    /// Everything that an operation waits for, directly or not.
    fn below(&self, operation: Operation) -> BTreeSet<Operation> {
        let mut found = BTreeSet::new();
        let mut open = vec![operation];
        while let Some(next) = open.pop() {
            for side in [self.before, self.after] {
                let below = side.operations.get(&next).into_iter().flat_map(|it| &it.below);
                open.extend(below.copied().filter(|it| found.insert(*it)));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::change::Verdict;
    use super::super::sketches::many;
    use super::super::{Options, compare};
    use super::*;

    /// Regressed and suspect changes as `metric name < cause`; causes of their own have none.
    fn check(before: &Collection, after: &Collection, expected: &[&str]) {
        let found = compare(before, after, &Options::default());
        let text = |it: &Change| {
            let to = it.to.map_or(String::new(), |it| format!(" → {it}"));
            let name = it
                .endpoint
                .clone()
                .map_or_else(|| format!("{} {}{to}", it.service, it.operation.unwrap()), |it| format!("[{it}]"));
            let because = it.caused_by.map_or(String::new(), |it| {
                let to = it.to.map_or(String::new(), |it| format!(" → {it}"));
                format!(" < {} {}{to}", it.service, it.operation)
            });
            assert_eq!(it.cause, it.caused_by.is_none());
            format!("{} {name}{because}", it.metric.as_str())
        };
        let mut lines: Vec<String> =
            found.changes.iter().filter(|it| it.verdict == Verdict::Regressed).map(text).collect();
        lines.sort();
        assert_eq!(lines, expected);
    }

    fn shop(query: usize, own: usize) -> Collection {
        many(60, |it| {
            let end = 10 + it % 7 + query;
            format!(
                "web GET / 0..{} http.route=/\n  api GET 2..{}\n    db SELECT 5..{end}\n    db UPDATE {end}..{}",
                end + 20 + own,
                end + 10 + own,
                end + 5
            )
        })
    }

    #[test]
    fn what_is_slower_only_because_of_what_is_below_is_no_cause() {
        check(
            &shop(20, 0),
            &shop(80, 0),
            &[
                "duration [web GET /] < db SELECT",
                "duration api GET < db SELECT",
                "duration db SELECT",
                "duration web GET / < db SELECT",
                "self_time db SELECT",
            ],
        );
    }

    #[test]
    fn the_larger_of_two_causes_explains_what_is_above_both() {
        check(
            &shop(20, 0),
            &shop(60, 100),
            &[
                "duration [web GET /] < api GET",
                "duration api GET",
                "duration db SELECT",
                "duration web GET / < api GET",
                "self_time api GET",
                "self_time db SELECT",
            ],
        );
    }

    #[test]
    fn more_calls_are_a_cause() {
        let capture = |n: usize| {
            many(60, |it| {
                let mut text = format!("web GET / 0..{} http.route=/", 20 + it % 5 + 20 * n);
                (0..n).for_each(|nth| text.push_str(&format!("\n  db SELECT {}..{}", 20 * nth, 20 * nth + 20)));
                text
            })
        };
        check(&capture(2), &capture(8), &["duration [web GET /] < db SELECT", "duration web GET / < db SELECT"]);
    }

    #[test]
    fn failures_are_caused_by_the_deepest() {
        let capture = |failing: usize| {
            many(100, |it| {
                let bad = if it < failing { " !" } else { "" };
                format!("web GET / 0..50{bad}\n  api GET 1..40{bad}\n    db SELECT 5..9{bad}\n    db SELECT 10..11")
            })
        };
        let found = compare(&capture(0), &capture(20), &Options::default());
        let failing: Vec<_> = found
            .changes
            .iter()
            .filter(|it| it.metric == Metric::ErrorRate && it.pattern.is_none())
            .map(|it| (it.service.as_str(), it.cause, it.caused_by.map(|it| it.service.as_str())))
            .collect();
        assert_eq!(failing, [("db", true, None), ("api", false, Some("db")), ("web", false, Some("db"))]);
    }

    #[test]
    fn operations_that_call_each_other_come_to_an_end() {
        let capture = |slow: usize| {
            many(60, |it| {
                let end = 20 + it % 3 + slow;
                format!("a x 0..{}\n  b y 1..{}\n    a x 2..{end}\n      b y 3..4", end + 2, end + 1)
            })
        };
        let found = compare(&capture(0), &capture(100), &Options::default());
        assert_eq!(found.verdict, Verdict::Regressed);
    }
}
