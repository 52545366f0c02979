//! How much there is, how long it took and how much of it failed; always shown.

mod timeline;

use serde::{Deserialize, Serialize};

use super::by_operation::ByOperation;
use super::timestamp::rfc3339;
use super::{Pass, PassOptions};
use crate::model::{Name, Trace, is_plausible};
use crate::report::{Cell, Column, Json, Report, Section, Table, words};
use crate::stats::{Distribution, DurationStats, percent};
use timeline::{Timeline, TimelineBucket};

/// Counts over all traces.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Summary {
    n_traces: u64,
    n_spans: u64,
    n_failing: u64,
    n_root_failing: u64,
    services: ByOperation<Name, ()>,
    durations: Distribution,
    time_range_ns: Option<(i64, i64)>,
    timeline: Timeline,
}

#[derive(Debug, clap::Args)]
pub(super) struct SummaryArgs {}

/// The `summary` key.
#[derive(Debug, Serialize)]
pub(super) struct SummaryReport {
    trace_count: u64,
    span_count: u64,
    service_count: usize,
    services: Vec<Name>,
    error_rate: Option<f64>,
    failing_traces: u64,
    root_error_rate: Option<f64>,
    root_failing_traces: u64,
    duration_stats: TraceDurations,
    time_range: TimeRange,
    timeline: Vec<TimelineBucket>,
}

#[derive(Debug, Serialize)]
struct TraceDurations {
    mean_ms: Option<f64>,
    median_ms: Option<f64>,
    min_ms: Option<f64>,
    max_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
}

#[derive(Debug, Serialize)]
struct TimeRange {
    start: Option<String>,
    end: Option<String>,
}

impl Pass for Summary {
    const NAME: &'static str = "summary";
    const ABOUT: &'static str = "Counts, error rates, durations and requests over time";
    const ALWAYS: bool = true;
    type Args = SummaryArgs;
    type Report = SummaryReport;

    fn new(_: &SummaryArgs, _: &PassOptions) -> Summary {
        Summary::default()
    }

    fn observe(&mut self, trace: &Trace) {
        let contains_error = trace.contains_error();
        self.n_traces += 1;
        self.n_spans += trace.spans().len() as u64;
        self.n_failing += u64::from(contains_error);
        self.n_root_failing += u64::from(trace.failed());
        for span in trace.spans() {
            self.services.place(span, span.service, || ());
        }
        let duration_ns = trace.known_duration_ns().map(i64::unsigned_abs);
        duration_ns.into_iter().for_each(|it| self.durations.record(it));
        if is_plausible(trace.start_ns()) {
            let mine = (trace.start_ns(), trace.end_ns());
            self.time_range_ns = Some(self.time_range_ns.map_or(mine, |it| (it.0.min(mine.0), it.1.max(mine.1))));
            self.timeline.add(trace.start_ns(), contains_error, duration_ns);
        }
    }

    fn merge(&mut self, other: Summary) {
        self.n_traces += other.n_traces;
        self.n_spans += other.n_spans;
        self.n_failing += other.n_failing;
        self.n_root_failing += other.n_root_failing;
        self.services.merge(other.services, || (), |(), ()| ());
        self.durations.merge(other.durations);
        self.time_range_ns = match (self.time_range_ns, other.time_range_ns) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
        self.timeline.merge(other.timeline);
    }

    fn finish(self) -> SummaryReport {
        let DurationStats { mean_ms, median_ms, min_ms, max_ms, p95_ms, p99_ms, .. } =
            DurationStats::of(&self.durations);
        let services: Vec<Name> = self.services.entries().iter().map(|it| it.0).collect();
        let rate = |part| (self.n_traces > 0).then(|| percent(part, self.n_traces));
        SummaryReport {
            trace_count: self.n_traces,
            span_count: self.n_spans,
            service_count: services.len(),
            error_rate: rate(self.n_failing),
            failing_traces: self.n_failing,
            root_error_rate: rate(self.n_root_failing),
            root_failing_traces: self.n_root_failing,
            duration_stats: TraceDurations { mean_ms, median_ms, min_ms, max_ms, p95_ms, p99_ms },
            time_range: TimeRange {
                start: self.time_range_ns.and_then(|it| rfc3339(it.0)),
                end: self.time_range_ns.and_then(|it| rfc3339(it.1)),
            },
            timeline: self.timeline.finish(),
            services,
        }
    }
}

impl Report for SummaryReport {
    fn json(&self) -> Vec<(&'static str, &dyn Json)> {
        vec![("summary", self)]
    }

    fn section(&self) -> Section {
        let mut section = Section { title: "Summary".to_owned(), ..Section::default() };
        let Some((error_rate, root_error_rate)) = self.error_rate.zip(self.root_error_rate) else {
            section.notes.push("No traces.".to_owned());
            return section;
        };
        section.notes.push(match self.failing_traces {
            0 => format!("No error in {}", words::some(self.trace_count, "trace", "traces")),
            n => format!(
                "{} of {} contain an error ({}); in {} the request itself failed ({})",
                words::count(n),
                words::some(self.trace_count, "trace", "traces"),
                words::percent(error_rate),
                words::count(self.root_failing_traces),
                words::percent(root_error_rate),
            ),
        });
        section.tables.push(self.durations_table());
        // With fewer traces than buckets it would be mostly holes.
        if self.timeline.len() > 1 && self.trace_count >= self.timeline.len() as u64 {
            section.tables.push(timeline::table(&self.timeline));
        }
        section
    }
}

impl SummaryReport {
    fn durations_table(&self) -> Table {
        let stats = &self.duration_stats;
        let columns = [
            ("mean", stats.mean_ms),
            ("median", stats.median_ms),
            ("p95", stats.p95_ms),
            ("p99", stats.p99_ms),
            ("min", stats.min_ms),
            ("max", stats.max_ms),
        ];
        let mut table = Table { total_rows: 1, ..Table::default() };
        table.columns.push(Column::new(""));
        let mut row = vec![Cell::Text("trace duration".to_owned())];
        for (name, ms) in columns {
            table.columns.push(Column::new(name));
            row.push(ms_cell(ms));
        }
        table.rows.push(row);
        table
    }
}

/// Milliseconds as a duration.
pub(super) fn ms_cell(ms: Option<f64>) -> Cell {
    ms.map_or(Cell::Unknown, |it| Cell::DurationNs((it * 1e6).round() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sketch;

    fn report(sketches: &[&str]) -> SummaryReport {
        let mut summary = Summary::default();
        for sketch in sketches {
            summary.observe(&sketch::trace(sketch));
        }
        summary.finish()
    }

    #[test]
    fn a_trace_with_an_error_below_contains_one_but_did_not_fail() {
        let report = report(&["web GET / 0..100\n  db SELECT 10..20 !", "web GET / 0..50 !", "web GET / 0..30"]);
        assert_eq!((report.failing_traces, report.root_failing_traces), (2, 1));
        assert_eq!(report.error_rate, Some(66.6667));
    }

    #[test]
    fn trace_duration_reaches_from_the_first_start_to_the_last_end() {
        let report = report(&["web GET / 10..100\n  mail send 50..210 ~"]);
        assert_eq!(report.duration_stats.max_ms, Some(200.0));
    }

    #[test]
    fn an_unknown_duration_is_not_zero() {
        let report = report(&["web GET / 0..?"]);
        assert_eq!((report.trace_count, report.duration_stats.max_ms), (1, None));
        assert_eq!((report.timeline[0].traces, report.timeline[0].p95_ms), (1, None));
    }

    #[test]
    fn nothing_has_unknown_statistics() {
        let report = report(&[]);
        assert_eq!((report.error_rate, report.duration_stats.mean_ms), (None, None));
        assert_eq!(report.time_range.start, None);
    }
}
