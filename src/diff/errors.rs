//! Whether more calls fail, by operation and by what they say.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Change, Measure, Metric, Verdict};
use super::collection::{Collection, Operation, Seen};
use super::latency::round;
use super::{ADVISORY_MIN, Options};
use crate::stats::percent;
use crate::stats::significance::{benjamini_hochberg, difference_interval, fisher_exact};

/// Fewer errors more than that are an accident.
const MIN_MORE: u64 = 5;

/// The least change of a rate, in percentage points.
const MIN_POINTS: f64 = 1.0;

/// How sure the difference is.
const LEVEL: f64 = 0.95;

/// Traces a side from which an error rate counts.
const COUNTS_FROM: u64 = 50;

/// Failures of an operation, or those with one message.
struct Rate<'a> {
    operation: Operation,
    pattern: Option<&'a str>,
    /// Traces with the operation, on the side that has fewer.
    n_traces: u64,
    before: (u64, u64),
    after: (u64, u64),
}

/// Judges the error rates of all operations that fail anywhere, together.
pub(super) fn changes(before: &Collection, after: &Collection, options: &Options) -> Vec<Change> {
    let rates = rates(before, after);
    let p: Vec<f64> = rates.iter().map(Rate::p_value).collect();
    let q = benjamini_hochberg(&p);
    rates.iter().zip(p.iter().zip(&q)).map(|(rate, (p, q))| rate.change(*p, *q, options)).collect()
}

fn rates<'a>(before: &'a Collection, after: &'a Collection) -> Vec<Rate<'a>> {
    let mut rates = Vec::new();
    let operations: BTreeSet<&Operation> = before.operations.keys().chain(after.operations.keys()).collect();
    for operation in operations {
        let before = before.operations.get(operation);
        let after = after.operations.get(operation);
        let n_failed = |it: Option<&Seen>| it.map_or(0, |it| it.n_failed);
        if n_failed(before) + n_failed(after) == 0 {
            continue;
        }
        let n_calls = |it: Option<&Seen>| it.map_or(0, |it| it.n_calls);
        let n_traces = |it: Option<&Seen>| it.map_or(0, |it| it.n_traces);
        let rate = |pattern, failed: (u64, u64)| Rate {
            operation: *operation,
            pattern,
            n_traces: n_traces(before).min(n_traces(after)),
            before: (failed.0, n_calls(before)),
            after: (failed.1, n_calls(after)),
        };
        rates.push(rate(None, (n_failed(before), n_failed(after))));
        let mut patterns: BTreeMap<Option<&String>, (u64, u64)> = BTreeMap::new();
        for (said, n) in before.into_iter().flat_map(|it| it.patterns.rows()) {
            patterns.entry(said).or_default().0 += n;
        }
        for (said, n) in after.into_iter().flat_map(|it| it.patterns.rows()) {
            patterns.entry(said).or_default().1 += n;
        }
        // Where a side has too many to tell apart, the other's are no news.
        if !patterns.contains_key(&None) {
            let known = patterns.into_iter().filter_map(|(said, failed)| Some((said?, failed)));
            rates.extend(known.map(|(said, failed)| rate(Some(words(said)), failed)));
        }
    }
    rates
}

/// What a failure says.
fn words(said: &str) -> &str {
    if said.is_empty() { "(no message)" } else { said }
}

impl Rate<'_> {
    fn p_value(&self) -> f64 {
        let [(failed, n), (failed_after, n_after)] = [self.before, self.after];
        if self.n_traces < ADVISORY_MIN {
            return f64::NAN;
        }
        // More calls than the test can take are more than it needs.
        fisher_exact([[failed, n - failed], [failed_after, n_after - failed_after]]).unwrap_or(f64::NAN)
    }

    fn change(&self, p: f64, q: f64, options: &Options) -> Change {
        let Operation { service, operation, kind } = self.operation;
        let mut change = Change::new(Metric::ErrorRate, service, Some(operation));
        change.kind = kind;
        change.pattern = self.pattern.map(str::to_owned);
        let measure = |(failed, n): (u64, u64)| Measure {
            n,
            rate_percent: (n > 0).then(|| percent(failed, n)),
            ..Measure::default()
        };
        (change.before, change.after) = (measure(self.before), measure(self.after));
        if p.is_nan() {
            change.verdict = Verdict::Insufficient;
            return change;
        }
        let share = |(failed, n): (u64, u64)| failed as f64 / n as f64;
        let points = (share(self.after) - share(self.before)) * 100.0;
        let interval = difference_interval(self.before, self.after, LEVEL);
        (change.p_value, change.q_value) = (Some(p), Some(q));
        change.change_points = Some(round(points));
        change.low_points = interval.map(|it| round(it.low * 100.0));
        change.high_points = interval.map(|it| round(it.high * 100.0));
        change.change_percent = (self.before.0 > 0).then(|| round(points / share(self.before)));
        let Some(interval) = interval.filter(|_| q <= options.alpha) else { return change };
        let is_enough = points.abs() >= MIN_POINTS && self.n_more(points) >= MIN_MORE;
        if is_enough && interval.low > 0.0 {
            change.verdict = if self.n_traces >= COUNTS_FROM { Verdict::Regressed } else { Verdict::Suspect };
        } else if is_enough && interval.high < 0.0 {
            change.verdict = Verdict::Improved;
        }
        change
    }

    /// How many calls more fail on the worse side than would at the other's rate.
    fn n_more(&self, points: f64) -> u64 {
        let (worse, better) = if points > 0.0 { (self.after, self.before) } else { (self.before, self.after) };
        let expected = better.0 as f64 / better.1.max(1) as f64 * worse.1 as f64;
        (worse.0 as f64 - expected).round().max(0.0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::super::sketches::many;
    use super::*;

    /// The verdicts of `failing` of `n` calls against others, overall and by message.
    fn verdicts(before: (usize, usize), after: (usize, usize)) -> Vec<(Option<String>, Verdict)> {
        let capture = |(failing, n): (usize, usize)| {
            many(n, |it| format!("web GET / 0..10{}", if it < failing { " ! error.message=broken" } else { "" }))
        };
        let changes = changes(&capture(before), &capture(after), &Options::default());
        changes.into_iter().map(|it| (it.pattern, it.verdict)).collect()
    }

    fn verdict(before: (usize, usize), after: (usize, usize)) -> Verdict {
        let verdicts = verdicts(before, after);
        assert_eq!(verdicts[1].0.as_deref(), Some("broken"));
        assert_eq!(verdicts[0].1, verdicts[1].1, "all failures have one message");
        verdicts[0].1
    }

    #[test]
    fn failures_count_from_five_more_and_a_point_more() {
        assert_eq!(verdict((0, 100), (10, 100)), Verdict::Regressed);
        assert_eq!(verdict((10, 100), (0, 100)), Verdict::Improved);
        assert_eq!(verdict((0, 30), (10, 30)), Verdict::Suspect);
        assert_eq!(verdict((1, 100), (1, 100)), Verdict::Unchanged);
        assert_eq!(verdict((0, 60), (4, 60)), Verdict::Unchanged, "four");
        assert_eq!(verdict((0, 2_000), (12, 2_000)), Verdict::Unchanged, "0.6 points");
        assert_eq!(verdict((0, 10), (10, 10)), Verdict::Insufficient);
    }

    #[test]
    fn captures_need_not_be_of_one_size() {
        assert_eq!(verdict((8, 100), (1, 200)), Verdict::Improved);
        assert_eq!(verdict((1, 200), (8, 100)), Verdict::Regressed);
    }

    #[test]
    fn what_never_fails_is_not_listed() {
        assert!(verdicts((0, 100), (0, 100)).is_empty());
    }

    #[test]
    fn a_new_message_shows_where_the_rate_stays() {
        let capture = |message: &str| {
            many(200, |it| {
                format!(
                    "web GET / 0..10{}",
                    if it < 20 { format!(" ! error.message={message}") } else { String::new() }
                )
            })
        };
        let found = changes(&capture("old"), &capture("new"), &Options::default());
        let verdicts: Vec<_> = found.iter().map(|it| (it.pattern.as_deref(), it.verdict)).collect();
        assert_eq!(
            verdicts,
            [(None, Verdict::Unchanged), (Some("new"), Verdict::Regressed), (Some("old"), Verdict::Improved)]
        );
    }
}
