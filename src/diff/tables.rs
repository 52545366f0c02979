//! A comparison for people: what changed, who is to blame, what the change is made of.

use super::ADVISORY_MIN;
use super::change::{Change, Metric, Verdict};
use super::compare::Comparison;
use super::rows::{self, Row};
use super::sentences::{self, Totals};
use super::suspects::{EvidenceKind, Suspect};
use crate::report::{Cell, Column, Section, Table, words};

/// What is shown of a comparison.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// Rows of each table.
    pub rows: usize,
    /// What did not change as well.
    pub all: bool,
    /// By which rate of chance the error rates of whole captures are said to differ.
    pub alpha: f64,
}

/// How many names a sentence lists.
const NAMED: usize = 5;

/// The sections of a comparison.
pub fn sections(comparison: &Comparison, before: &Totals, after: &Totals, shown: &Shown) -> Vec<Section> {
    let mut first = Section {
        title: "Comparison".to_owned(),
        about: "after against before; causes first, with what is slower only because of them".to_owned(),
        notes: sentences::of(comparison, before, after, shown.alpha),
        ..Section::default()
    };
    first.tables.push(latency(comparison, shown));
    first.tables.push(errors(comparison, shown));
    first.tables.push(structure(comparison, shown));
    first.tables.retain(|it| !it.rows.is_empty());
    first.notes.extend(insufficient(comparison, shown));
    let mut sections = vec![first];
    if shown.all || is_worse(comparison) || comparison.suspects.first().is_some_and(Suspect::is_strong) {
        sections.extend(suspects(comparison, shown));
    }
    if shown.all || comparison.verdict.is_change() {
        sections.extend(decomposition(comparison, shown));
    }
    sections
}

fn is_worse(comparison: &Comparison) -> bool {
    matches!(comparison.verdict, Verdict::Regressed | Verdict::Suspect)
}

/// Names what could not be compared.
fn insufficient(comparison: &Comparison, shown: &Shown) -> Option<String> {
    let few = comparison.changes.iter().filter(|it| it.verdict == Verdict::Insufficient);
    let mut names: Vec<String> = few.map(sentences::what).collect();
    names.sort();
    names.dedup();
    if names.is_empty() || shown.all {
        return None;
    }
    let more = match names.len().checked_sub(NAMED) {
        Some(n) if n > 0 => format!(" and {} more (--all)", words::count(n as u64)),
        _ => String::new(),
    };
    names.truncate(NAMED);
    Some(format!("Too few traces to compare (20 a side are the least): {}{more}", names.join(", ")))
}

fn verdict(change: &Change) -> Cell {
    match change.verdict {
        Verdict::Regressed => Cell::Alert("regressed".to_owned()),
        it => Cell::Text(it.as_str().to_owned()),
    }
}

fn is_shown(change: &Change, shown: &Shown) -> bool {
    shown.all || change.verdict.is_change()
}

fn name(Row { change, is_below }: &Row<'_>) -> Cell {
    let name = sentences::what(change);
    let metric = match change.metric {
        Metric::Tail => change.quantile.map_or(String::new(), |it| format!(" p{}", (it * 100.0).round())),
        Metric::SelfTime => " (self)".to_owned(),
        _ => String::new(),
    };
    Cell::Name(if *is_below { format!("└ {name}{metric}") } else { format!("{name}{metric}") })
}

fn ms(value: Option<f64>) -> Cell {
    value.map_or(Cell::Unknown, |it| Cell::DurationNs((it * 1e6).round() as i64))
}

fn signed_percent(value: Option<f64>) -> Cell {
    value.map_or(Cell::Unknown, |it| {
        let sign = if it > 0.0 { "+" } else { "" };
        Cell::Text(format!("{sign}{}", words::percent(it)))
    })
}

fn latency(comparison: &Comparison, shown: &Shown) -> Table {
    let rows = rows::rows(&comparison.changes, |it| rows::is_latency(it) && is_shown(it, shown));
    let row = |row: &Row<'_>| {
        let change = row.change;
        let at = |measure: &super::change::Measure| ms(measure.quantile_ms.or(measure.median_ms));
        vec![
            name(row),
            at(&change.before),
            at(&change.after),
            ms(change.shift_ms),
            signed_percent(change.change_percent),
            ms(change.low_ms),
            ms(change.high_ms),
            Cell::Count(change.before.n),
            Cell::Count(change.after.n),
            verdict(change),
        ]
    };
    Table {
        title: Some("Durations (medians, one value a trace; at least and at most: what the shift may be)".to_owned()),
        columns: vec![
            Column::new(""),
            Column::new("before"),
            Column::new("after"),
            Column::ranked("shift", 1),
            Column::ranked("change", 2),
            Column::ranked("at least", 4),
            Column::ranked("at most", 5),
            Column::ranked("traces before", 6),
            Column::ranked("traces after", 6),
            Column::new("verdict"),
        ],
        total_rows: rows.len(),
        rows: rows.iter().take(shown.rows).map(row).collect(),
        if_empty: String::new(),
    }
}

fn errors(comparison: &Comparison, shown: &Shown) -> Table {
    let rows = rows::rows(&comparison.changes, |it| it.metric == Metric::ErrorRate && is_shown(it, shown));
    let share = |it: Option<f64>| it.map_or(Cell::Unknown, Cell::Percent);
    let row = |row: &Row<'_>| {
        let change = row.change;
        vec![
            name(row),
            Cell::Name(change.pattern.clone().unwrap_or_else(|| "all failures".to_owned())),
            share(change.before.rate_percent),
            share(change.after.rate_percent),
            Cell::Count(change.before.n),
            Cell::Count(change.after.n),
            verdict(change),
        ]
    };
    Table {
        title: Some("Failing calls".to_owned()),
        columns: vec![
            Column::new(""),
            Column::new("message"),
            Column::new("before"),
            Column::new("after"),
            Column::ranked("calls before", 4),
            Column::ranked("calls after", 4),
            Column::new("verdict"),
        ],
        total_rows: rows.len(),
        rows: rows.iter().take(shown.rows).map(row).collect(),
        if_empty: String::new(),
    }
}

fn structure(comparison: &Comparison, shown: &Shown) -> Table {
    let is_structure = |it: &&Change| matches!(it.metric, Metric::Calls | Metric::New | Metric::Gone);
    let rows: Vec<&Change> = comparison.changes.iter().filter(is_structure).collect();
    let row = |change: &&Change| {
        let at = |it: &super::change::Measure| match (it.per_trace, it.rate_percent) {
            (Some(n), _) => Cell::Text(format!("{} calls a trace", words::average(n))),
            (_, Some(share)) => Cell::Text(format!("in {} of traces", words::percent(share))),
            _ => Cell::Unknown,
        };
        let metric = match change.metric {
            Metric::Calls => "calls",
            it => it.as_str(),
        };
        vec![
            name(&Row { change, is_below: false }),
            Cell::Text(metric.to_owned()),
            at(&change.before),
            at(&change.after),
            verdict(change),
        ]
    };
    Table {
        title: Some("Structure".to_owned()),
        columns: ["", "what", "before", "after", "verdict"].map(Column::new).into(),
        total_rows: rows.len(),
        rows: rows.iter().take(shown.rows).map(row).collect(),
        if_empty: String::new(),
    }
}

fn suspects(comparison: &Comparison, shown: &Shown) -> Option<Section> {
    let first = comparison.suspects.first()?;
    let mut rows = Vec::new();
    for suspect in &comparison.suspects {
        let Some(evidence) = suspect.evidence.first() else { continue };
        let way = evidence.to.map_or(String::new(), |it| format!(" → {it}"));
        let what = match evidence.kind {
            EvidenceKind::SelfTime => evidence.operation.to_string(),
            EvidenceKind::EdgeTime => format!("{} {}{way}", evidence.service, evidence.operation),
        };
        rows.push(vec![
            Cell::Name(suspect.service.to_string()),
            Cell::Text(format!("{:.1}", suspect.score)),
            suspect.share_percent.map_or(Cell::Unknown, Cell::Percent),
            Cell::Name(what),
            ms(evidence.before_ms),
            ms(evidence.after_ms),
            ms(Some(evidence.shift_ms)),
        ]);
    }
    let total_rows = rows.len();
    rows.truncate(shown.rows);
    let lead = words::percent(first.lead_percent);
    let mut notes = vec![format!("Most suspicious: {} (the next is {lead} behind)", first.service)];
    let few = first.evidence.first().filter(|it| it.n_before.min(it.n_after) < ADVISORY_MIN);
    if let Some(few) = few.filter(|_| !is_worse(comparison)) {
        let n = words::some(few.n_before, "trace", "traces");
        notes.push(format!("Too few for a verdict: {n} before and {} after have it", words::count(few.n_after)));
    }
    Some(Section {
        title: "Suspects".to_owned(),
        about: "who got slower by itself, in deviations of what is usual for it".to_owned(),
        notes,
        tables: vec![Table {
            columns: vec![
                Column::new("service"),
                Column::new("score"),
                Column::ranked("of the slow-down", 4),
                Column::new("strongest evidence"),
                Column::new("before"),
                Column::new("after"),
                Column::ranked("shift", 5),
            ],
            rows,
            total_rows,
            ..Table::default()
        }],
        ..Section::default()
    })
}

fn decomposition(comparison: &Comparison, shown: &Shown) -> Option<Section> {
    let total = &comparison.total;
    let (shift, mix, within) = (total.shift_ms?, total.mix_ms?, total.within_ms?);
    let signed = |ms: f64| {
        let sign = if ms > 0.0 { "+" } else { "" };
        format!("{sign}{}", words::duration((ms * 1e6).round() as i64))
    };
    let mut rows = Vec::new();
    for endpoint in &comparison.endpoints {
        let Some(shift_ms) = endpoint.shift_ms else { continue };
        for (nth, part) in endpoint.operations.iter().enumerate() {
            let sum = part.frequency_ms + part.time_ms;
            if sum == 0.0 || !shown.all && sum.abs() < LEAST_PART * shift_ms.abs() {
                continue;
            }
            let name = if nth == 0 { Cell::Name(endpoint.endpoint.clone()) } else { Cell::Text(String::new()) };
            rows.push(vec![
                name,
                Cell::Name(format!("{} {}", part.service, part.operation)),
                ms(Some(sum)),
                ms(Some(part.time_ms)),
                ms(Some(part.frequency_ms)),
            ]);
        }
    }
    let total_rows = rows.len();
    rows.truncate(shown.rows);
    Some(Section {
        title: "Where the mean went".to_owned(),
        about: "the change of the mean request, by what it waited on; parts add up exactly".to_owned(),
        notes: vec![format!(
            "{} on average: {} by other requests, {} within endpoints",
            signed(shift),
            signed(mix),
            signed(within)
        )],
        tables: vec![Table {
            columns: vec![
                Column::new("endpoint"),
                Column::new("operation"),
                Column::new("part"),
                Column::ranked("time", 5),
                Column::ranked("frequency", 2),
            ],
            rows,
            total_rows,
            ..Table::default()
        }],
        ..Section::default()
    })
}

/// A smaller part of an endpoint's change is not shown.
const LEAST_PART: f64 = 0.01;
