//! How long each operation takes, with its callees and without.

use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

use super::by_operation::ByOperation;
use super::summary::ms_cell;
use super::{Pass, PassOptions};
use crate::model::{Kind, Name, Trace};
use crate::report::{Cell, Column, Json, Report, Section, Table};
use crate::stats::{Distribution, DurationStats};

type Key = (Name, Name, Option<Kind>);

/// Statistics of every (service, operation, kind).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Performance {
    options: Options,
    operations: ByOperation<Key, Operation>,
    /// Numbers the traces, to count each once for an operation.
    #[serde(skip)]
    n_observed: u64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Options {
    sort: Sort,
    cut: Option<usize>,
    rows: usize,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Operation {
    n_spans: u64,
    n_errors: u64,
    n_traces: u64,
    durations: Distribution,
    self_times: Distribution,
    #[serde(skip)]
    last_trace: u64,
}

#[derive(Debug, clap::Args)]
pub(super) struct PerformanceArgs {
    /// Order operations by this column, largest first
    ///
    /// `self` is the total self time; the others are of whole durations.
    #[arg(long, value_name = "COLUMN", value_enum, default_value_t = Sort::Total, help_heading = "Analysis")]
    sort: Sort,
}

/// A column to sort by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
enum Sort {
    Total,
    Count,
    Errors,
    Mean,
    P50,
    P95,
    P99,
    Max,
    #[value(name = "self")]
    SelfTime,
}

/// The `performance` key.
#[derive(Debug, Serialize)]
pub(super) struct PerformanceReport {
    operation_count: usize,
    operations_total: usize,
    operations: Vec<OperationReport>,
    #[serde(skip)]
    options: Options,
}

#[derive(Debug, Serialize)]
struct OperationReport {
    service: Name,
    operation: Name,
    kind: Option<Kind>,
    count: u64,
    errors: u64,
    traces: u64,
    #[serde(flatten)]
    durations: DurationStats,
    #[serde(rename = "self")]
    self_times: DurationStats,
    #[serde(skip)]
    rank: u128,
}

impl Pass for Performance {
    const NAME: &'static str = "performance";
    const ABOUT: &'static str = "How long each operation takes, with its callees and without";
    type Args = PerformanceArgs;
    type Report = PerformanceReport;

    fn new(args: &PerformanceArgs, options: &PassOptions) -> Performance {
        let options = Options { sort: args.sort, cut: options.cut(), rows: options.rows() };
        Performance { options, operations: ByOperation::default(), n_observed: 0 }
    }

    fn observe(&mut self, trace: &Trace) {
        self.n_observed += 1;
        for span in trace.spans() {
            let key = (span.service, span.operation, span.kind);
            let place = self.operations.place(span, key, Operation::default);
            let operation = self.operations.at(place);
            operation.n_spans += 1;
            operation.n_errors += u64::from(span.error);
            if operation.last_trace != self.n_observed {
                operation.last_trace = self.n_observed;
                operation.n_traces += 1;
            }
            if let Some((duration_ns, self_ns)) = span.duration_ns.zip(span.self_ns) {
                operation.durations.record(duration_ns.unsigned_abs());
                operation.self_times.record(self_ns.unsigned_abs());
            }
        }
    }

    fn merge(&mut self, other: Performance) {
        self.operations.merge(other.operations, Operation::default, |mine, theirs| {
            mine.n_spans += theirs.n_spans;
            mine.n_errors += theirs.n_errors;
            mine.n_traces += theirs.n_traces;
            mine.durations.merge(theirs.durations);
            mine.self_times.merge(theirs.self_times);
        });
    }

    fn finish(self) -> PerformanceReport {
        let sort = self.options.sort;
        let mut operations: Vec<OperationReport> =
            self.operations.entries().into_iter().map(|(key, it)| operation(*key, it, sort)).collect();
        // Stable: equal ranks stay in the order of names.
        operations.sort_by_key(|it| Reverse(it.rank));
        let total = operations.len();
        operations.truncate(self.options.cut.unwrap_or(total));
        PerformanceReport { operation_count: total, operations_total: total, operations, options: self.options }
    }
}

fn operation((service, operation, kind): Key, seen: &Operation, sort: Sort) -> OperationReport {
    let durations = DurationStats::of(&seen.durations);
    let ns = |ms: Option<f64>| ms.map_or(0, |it| (it * 1e6).round() as u128);
    let rank = match sort {
        Sort::Total => seen.durations.sum_ns(),
        Sort::Count => u128::from(seen.n_spans),
        Sort::Errors => u128::from(seen.n_errors),
        Sort::Mean => ns(durations.mean_ms),
        Sort::P50 => ns(durations.median_ms),
        Sort::P95 => ns(durations.p95_ms),
        Sort::P99 => ns(durations.p99_ms),
        Sort::Max => ns(durations.max_ms),
        Sort::SelfTime => seen.self_times.sum_ns(),
    };
    OperationReport {
        service,
        operation,
        kind,
        count: seen.n_spans,
        errors: seen.n_errors,
        traces: seen.n_traces,
        durations,
        self_times: DurationStats::of(&seen.self_times),
        rank,
    }
}

impl Report for PerformanceReport {
    fn json(&self) -> Vec<(&'static str, &dyn Json)> {
        vec![("performance", self)]
    }

    fn section(&self) -> Section {
        let rows: Vec<Vec<Cell>> = self.operations.iter().take(self.options.rows).map(OperationReport::row).collect();
        let column = Column::ranked;
        Section {
            title: "Performance".to_owned(),
            about: "duration of each operation; self is without the calls it waited for".to_owned(),
            tables: vec![Table {
                columns: vec![
                    Column::new("service"),
                    Column::new("operation"),
                    column("kind", 6),
                    column("count", 1),
                    column("errors", 2),
                    column("mean", 3),
                    column("stddev", 8),
                    column("min", 9),
                    Column::new("p50"),
                    column("p90", 7),
                    Column::new("p95"),
                    column("p99", 4),
                    column("max", 7),
                    column("total", 3),
                    column("self p95", 6),
                    Column::new("self total"),
                ],
                rows,
                total_rows: self.operations_total,
                if_empty: "No spans.".to_owned(),
                ..Table::default()
            }],
            ..Section::default()
        }
    }
}

impl OperationReport {
    fn row(&self) -> Vec<Cell> {
        let stats = &self.durations;
        vec![
            Cell::Name(self.service.to_string()),
            Cell::Name(self.operation.to_string()),
            self.kind.map_or(Cell::Unknown, |it| Cell::Text(it.as_str().to_owned())),
            Cell::Count(self.count),
            if self.errors > 0 { Cell::Alert(crate::report::words::count(self.errors)) } else { Cell::Count(0) },
            ms_cell(stats.mean_ms),
            ms_cell(stats.stddev_ms),
            ms_cell(stats.min_ms),
            ms_cell(stats.median_ms),
            ms_cell(stats.p90_ms),
            ms_cell(stats.p95_ms),
            ms_cell(stats.p99_ms),
            ms_cell(stats.max_ms),
            ms_cell(stats.total_ms),
            ms_cell(self.self_times.p95_ms),
            ms_cell(self.self_times.total_ms),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sketch;

    fn check(sort: Sort, sketch: &str, expected: &[&str]) {
        let mut pass = Performance::new(&PerformanceArgs { sort }, &PassOptions::default());
        pass.observe(&sketch::trace(sketch));
        let lines: Vec<String> = pass
            .finish()
            .operations
            .iter()
            .map(|it| {
                let of = |stats: &DurationStats| format!("{:?}", stats.total_ms.unwrap_or_default());
                let (service, operation) = (it.service, it.operation);
                format!("{service} {operation} x{} {} self {}", it.count, of(&it.durations), of(&it.self_times))
            })
            .collect();
        assert_eq!(lines, expected);
    }

    const SKETCH: &str = "
        web GET / 0..100
          db SELECT 10..40
          db SELECT 30..60
          mail send 70..90 ~
    ";

    #[test]
    fn self_time_is_what_no_blocking_child_covers() {
        check(
            Sort::Total,
            SKETCH,
            &["web GET / x1 100.0 self 50.0", "db SELECT x2 60.0 self 60.0", "mail send x1 20.0 self 20.0"],
        );
    }

    #[test]
    fn operations_are_sorted_by_the_column_asked_for() {
        check(
            Sort::SelfTime,
            SKETCH,
            &["db SELECT x2 60.0 self 60.0", "web GET / x1 100.0 self 50.0", "mail send x1 20.0 self 20.0"],
        );
    }

    #[test]
    fn unknown_durations_count_but_stay_out_of_statistics() {
        check(
            Sort::Count,
            "web GET / 0..?\n  db SELECT 0..10",
            &["db SELECT x1 10.0 self 10.0", "web GET / x1 0.0 self 0.0"],
        );
    }
}
