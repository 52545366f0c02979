//! The answer in words: what an engineer wants to read first.

use super::change::{Change, Metric, Verdict};
use super::compare::Comparison;
use super::rows;
use crate::report::words;
use crate::stats::percent;
use crate::stats::significance::fisher_exact;

/// What the summary of a capture says, as much of it as sentences need.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Traces.
    pub n_traces: u64,
    /// Traces that contain an error.
    pub n_failing: u64,
    /// The mean of their durations.
    pub mean_ms: Option<f64>,
    /// Nineteen in twenty are no longer.
    pub p95_ms: Option<f64>,
}

/// The sentences above the tables.
pub(super) fn of(comparison: &Comparison, before: &Totals, after: &Totals, alpha: f64) -> Vec<String> {
    let mut sentences = Vec::new();
    if !comparison.verdict.is_change() {
        sentences.push(nothing_changed(comparison));
    }
    sentences.extend(error_rate(before, after, alpha));
    let latency_changed = comparison.changes.iter().any(|it| it.shift_ms.is_some() && it.verdict.is_change());
    sentences.extend(mean(before, after, latency_changed));
    if latency_changed {
        sentences.extend(p95(comparison, before, after));
    }
    if comparison.verdict.is_change() {
        sentences.push(headline(comparison));
    }
    sentences
}

fn nothing_changed(comparison: &Comparison) -> String {
    let n = comparison.changes.iter().filter(|it| it.verdict == Verdict::Unchanged).count() as u64;
    match comparison.verdict {
        Verdict::Insufficient => "Too few traces to compare anything (20 a side are the least)".to_owned(),
        _ => format!("No change: of {} none differs beyond noise", words::some(n, "comparison", "comparisons")),
    }
}

fn error_rate(before: &Totals, after: &Totals, alpha: f64) -> Option<String> {
    if before.n_traces == 0 || after.n_traces == 0 {
        return None;
    }
    let (from, to) = (percent(before.n_failing, before.n_traces), percent(after.n_failing, after.n_traces));
    let table = [before, after].map(|it| [it.n_failing, it.n_traces - it.n_failing.min(it.n_traces)]);
    let differs = fisher_exact(table).is_some_and(|p| p <= alpha);
    let was = direction(differs, from, to);
    (before.n_failing + after.n_failing > 0).then(|| format!("Error rate: {} ({was} {})", share(to), share(from)))
}

fn mean(before: &Totals, after: &Totals, differs: bool) -> Option<String> {
    let (from, to) = (before.mean_ms?, after.mean_ms?);
    let [to_words, from_words] = alike([to, from]);
    Some(format!("Mean: {to_words} ({} {from_words})", direction(differs, from, to)))
}

fn direction(differs: bool, from: f64, to: f64) -> &'static str {
    match differs {
        true if to < from => "down from",
        true if to > from => "up from",
        _ => "before:",
    }
}

fn p95(comparison: &Comparison, before: &Totals, after: &Totals) -> Option<String> {
    let (from, to) = (before.p95_ms.filter(|it| *it > 0.0)?, after.p95_ms?);
    let change = (to - from) / from * 100.0;
    if change.abs() < 1.0 {
        return None;
    }
    let moved = if change < 0.0 { "down" } else { "up" };
    let because = reason(comparison, change > 0.0).map_or(String::new(), |it| format!(", because {it}"));
    Some(format!("p95 {moved} {}{because}", whole_percent(change.abs())))
}

/// What changed most by itself in this direction, as the rest of a sentence.
fn reason(comparison: &Comparison, worse: bool) -> Option<String> {
    let rows = rows::rows(&comparison.changes, |it| it.verdict.is_change() && rows::is_latency(it));
    let causes = rows.iter().map(|it| it.change).filter(|it| it.cause);
    let shifts = causes.filter_map(|it| Some((it, it.shift_ms.filter(|ms| (*ms > 0.0) == worse)?)));
    let largest = shifts.reduce(|best, it| if it.1.abs() > best.1.abs() { it } else { best });
    if let Some((change, shift_ms)) = largest {
        return Some(format!("{} is {}", what(change), by_how_much(change, shift_ms)));
    }
    // Nothing takes longer by itself: then it is done more often.
    let is_more = |it: &&Change| it.change_percent.is_some_and(|it| (it > 0.0) == worse);
    comparison.changes.iter().filter(|it| it.metric == Metric::Calls).find(is_more).map(sentence)
}

fn by_how_much(change: &Change, shift_ms: f64) -> String {
    let direction = if shift_ms > 0.0 { "slower" } else { "faster" };
    let at = change.quantile.map_or(String::new(), |it| format!(" at p{}", (it * 100.0).round()));
    format!("{} {direction}{at}", duration(shift_ms.abs()))
}

/// The verdict and what it is about.
fn headline(comparison: &Comparison) -> String {
    let verdict = comparison.verdict;
    let title = match verdict {
        Verdict::Regressed => "Regressed",
        Verdict::Suspect => "Suspect",
        _ => "Improved",
    };
    let rows = rows::rows(&comparison.changes, |it| it.verdict == verdict);
    let mut causes = rows.iter().filter(|it| it.change.cause && it.change.pattern.is_none());
    // The cause may be of another verdict, as more calls are.
    let Some(first) = causes.next().or(rows.first()) else { return title.to_owned() };
    let n_more = causes.count() as u64;
    let is_below = |it: &&rows::Row<'_>| !it.change.cause && it.change.pattern.is_none();
    let n_below = rows.iter().filter(is_below).filter(|it| !std::ptr::eq(it.change, first.change)).count() as u64;
    let mut text = format!("{title}: {}", sentence(first.change));
    if n_more > 0 {
        text.push_str(&format!("; {} more", words::count(n_more)));
    }
    if n_below > 0 {
        text.push_str(&format!("; {} only because of what is below", words::some(n_below, "change", "changes")));
    }
    text
}

/// One change as a sentence without its end.
pub(super) fn sentence(change: &Change) -> String {
    let name = what(change);
    match change.metric {
        Metric::ErrorRate => {
            let rate = |it: Option<f64>| it.map_or_else(|| "–".to_owned(), share);
            format!(
                "{name} fails in {} of calls (before: {})",
                rate(change.after.rate_percent),
                rate(change.before.rate_percent)
            )
        }
        Metric::Calls => format!(
            "{name} is called {} times a trace (before: {})",
            words::average(change.after.per_trace.unwrap_or(0.0)),
            words::average(change.before.per_trace.unwrap_or(0.0))
        ),
        Metric::New => format!("{name} is new"),
        Metric::Gone => format!("{name} is gone"),
        _ => format!("{name} is {}", by_how_much(change, change.shift_ms.unwrap_or(0.0))),
    }
}

/// What a change is about.
pub(super) fn what(change: &Change) -> String {
    let operation = change.operation.map_or(String::new(), |it| format!(" {it}"));
    let to = change.to.map_or(String::new(), |it| format!(" → {it}"));
    change.endpoint.clone().unwrap_or_else(|| format!("{}{operation}{to}", change.service))
}

fn duration(ms: f64) -> String {
    words::duration((ms * 1e6).round() as i64)
}

/// Two durations in the unit of the shorter, so that they are compared at a glance.
fn alike(ms: [f64; 2]) -> [String; 2] {
    // What takes no time has no unit of its own.
    let shorter = ms.map(f64::abs).into_iter().filter(|it| *it > 0.0).fold(f64::INFINITY, f64::min);
    let shorter = if shorter.is_finite() { shorter } else { 0.0 };
    ms.map(|it| words::duration_in_unit_of((it * 1e6).round() as i64, (shorter * 1e6).round() as i64))
}

/// A share without decimals that say nothing: `8 %`, `0.5 %`.
fn share(percent: f64) -> String {
    let text = words::percent(percent);
    let Some(number) = text.strip_suffix(" %").filter(|it| it.contains('.') && !it.starts_with(['<', '>'])) else {
        return text;
    };
    format!("{} %", number.trim_end_matches('0').trim_end_matches('.'))
}

fn whole_percent(percent: f64) -> String {
    format!("{} %", words::count(percent.round() as u64))
}

#[cfg(test)]
mod tests {
    use super::super::sketches::many;
    use super::super::{Collection, Options, compare};
    use super::*;

    fn sentences(before: &Collection, after: &Collection, totals: [Totals; 2]) -> Vec<String> {
        of(&compare(before, after, &Options::default()), &totals[0], &totals[1], 0.05)
    }

    fn totals(n_failing: u64, mean_ms: f64, p95_ms: f64) -> Totals {
        Totals { n_traces: 100, n_failing, mean_ms: Some(mean_ms), p95_ms: Some(p95_ms) }
    }

    fn queries(n: usize) -> Collection {
        many(60, |it| {
            let mut text = format!("web GET / 0..{} http.route=/", 20 + it % 5 + 20 * n);
            (0..n).for_each(|nth| text.push_str(&format!("\n  db SELECT {}..{}", 20 * nth, 20 * nth + 20)));
            text
        })
    }

    #[test]
    fn more_calls_are_a_reason() {
        assert_eq!(
            sentences(&queries(2), &queries(8), [totals(0, 62.0, 64.0), totals(0, 182.0, 184.0)]),
            [
                "Mean: 182 ms (up from 62 ms)",
                "p95 up 188 %, because db SELECT is called 8 times a trace (before: 2)",
                "Regressed: web GET / is 120 ms slower",
            ]
        );
    }

    #[test]
    fn what_did_not_change_has_no_direction() {
        assert_eq!(
            sentences(&queries(2), &queries(2), [totals(3, 62.0, 64.0), totals(4, 62.5, 64.0)]),
            [
                "No change: of 5 comparisons none differs beyond noise",
                "Error rate: 4 % (before: 3 %)",
                "Mean: 62.5 ms (before: 62 ms)",
            ]
        );
    }

    #[test]
    fn too_little_to_say_is_said() {
        let few = many(5, |_| "web GET / 0..10".to_owned());
        assert_eq!(
            sentences(&few, &few, [Totals::default(); 2]),
            ["Too few traces to compare anything (20 a side are the least)"]
        );
    }

    #[test]
    fn shares_have_no_decimals_that_say_nothing() {
        assert_eq!(
            [0.0, 0.5, 8.0, 12.34, 100.0, 0.001].map(share),
            ["0 %", "0.5 %", "8 %", "12.3 %", "100 %", "<0.01 %"]
        );
    }
}
