//! A comparison for CI: what passes or fails by itself, and what must not be missed.

use std::collections::BTreeSet;

use super::change::{Change, Metric, Verdict};
use super::compare::Comparison;
use super::sentences;
use crate::report::bulletin::{Alert, Case, CaseResult};
use crate::report::words;

/// Everything that was compared, most important first; `fails` says which verdicts do.
pub fn cases(comparison: &Comparison, fails: impl Fn(Verdict) -> bool) -> Vec<Case> {
    let case = |change: &Change| {
        let result = match change.verdict {
            it if fails(it) => CaseResult::Failed,
            Verdict::Insufficient => CaseResult::Skipped,
            _ => CaseResult::Passed,
        };
        let text = match change.verdict {
            Verdict::Insufficient => "too few traces to compare".to_owned(),
            Verdict::Unchanged => String::new(),
            it => format!("{}: {}", it.as_str(), explained(change)),
        };
        Case { class: format!("diff.{}", change.metric.as_str()), name: name(change), result, text }
    };
    comparison.changes.iter().map(case).collect()
}

/// What got worse by itself, each operation once, and who is most suspicious.
pub fn alerts(comparison: &Comparison, fails: impl Fn(Verdict) -> bool) -> Vec<Alert> {
    let is_worse = |it: &&Change| matches!(it.verdict, Verdict::Regressed | Verdict::Suspect) && it.cause;
    let mut named = BTreeSet::new();
    let mut alerts = Vec::new();
    for change in comparison.changes.iter().filter(is_worse) {
        // Of an operation whose duration, self time and tail got worse the first says enough.
        let kind = match change.metric {
            Metric::ErrorRate => 0,
            Metric::Duration | Metric::SelfTime | Metric::EdgeTime | Metric::Tail => 1,
            Metric::Calls | Metric::New | Metric::Gone => 2,
        };
        if !named.insert((kind, change.service, change.operation, change.to)) {
            continue;
        }
        let title = match change.verdict {
            Verdict::Regressed => "Regressed",
            _ => "Suspect",
        };
        alerts.push(Alert { is_error: fails(change.verdict), title: title.to_owned(), message: explained(change) });
    }
    if let Some(first) = comparison.suspects.first().filter(|it| !alerts.is_empty() || it.is_strong()) {
        let evidence = first.evidence.first().map_or(String::new(), |it| {
            let longer = words::duration((it.shift_ms * 1e6).round() as i64);
            format!(": {} {} takes {longer} longer", it.service, it.operation)
        });
        let message = format!("{}{evidence}", first.service);
        alerts.push(Alert { is_error: false, title: "Most suspicious".to_owned(), message });
    }
    alerts
}

/// What a change is about, apart from everything else of its metric.
fn name(change: &Change) -> String {
    let mut name = sentences::what(change);
    if let Some(kind) = change.kind {
        name.push_str(&format!(" ({})", kind.as_str()));
    }
    if let Some(quantile) = change.quantile {
        name.push_str(&format!(" p{}", (quantile * 100.0).round()));
    }
    if let Some(pattern) = &change.pattern {
        name.push_str(&format!(": {pattern}"));
    }
    name
}

fn explained(change: &Change) -> String {
    let mut text = sentences::sentence(change);
    if let Some(pattern) = &change.pattern {
        text.push_str(&format!(", with '{pattern}'"));
    }
    if let Some(cause) = &change.caused_by {
        let to = cause.to.map_or(String::new(), |it| format!(" → {it}"));
        text.push_str(&format!(", because of {} {}{to}", cause.service, cause.operation));
    }
    text
}
