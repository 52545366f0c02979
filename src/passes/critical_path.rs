//! Where requests spent their time, section by section: per root, per operation and per call path.

mod call_paths;

use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize, Serializer};

use super::by_operation::ByOperation;
use super::share::Share;
use super::{Pass, PassOptions};
use crate::model::{Id, Name, Root, Trace};
use crate::report::{Cell, Column, Json, Report, Section, Table, words};
use crate::stats::{Top, ms, percent};
use call_paths::{CallPath, CallPaths};

/// The longest paths in full, and all main paths summed up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct CriticalPath {
    options: Options,
    longest: Top<RootPath>,
    /// The durations of all main roots.
    total_ns: u128,
    operations: ByOperation<(Name, Name), OnPath>,
    call_paths: CallPaths,
    /// Numbers the traces, to count each once for an operation.
    #[serde(skip)]
    n_observed: u64,
    /// For each span of the trace at hand its place on the path at hand.
    #[serde(skip)]
    place: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Options {
    cut: Option<usize>,
    rows: usize,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct OnPath {
    self_ns: u128,
    n_traces: u64,
    #[serde(skip)]
    last_trace: u64,
}

/// The critical path of one root.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct RootPath {
    path_ns: i64,
    trace_id: Id,
    root_start_ns: i64,
    root_span_id: Id,
    /// Empty while it is only asked whether the path would be kept.
    main: bool,
    partial: bool,
    trace_start_ns: i64,
    trace_duration_ns: i64,
    /// In order of first appearance; the root itself is `root`.
    spans: Vec<PathSpan>,
    root: (Name, Name),
    /// Services and operations of the spans.
    operations: Vec<(Name, Name)>,
    /// Index into `spans`, and start in nanoseconds since the epoch: each ends where the next one starts.
    sections: Vec<(u32, i64)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct PathSpan {
    id: Id,
    /// Index into the path's operations: there are few, and a huge trace has many spans.
    operation: u32,
    has_error: bool,
    duration_ns: Option<i64>,
    self_ns: i64,
}

impl RootPath {
    fn key(&self) -> (Reverse<i64>, &Id, i64, &Id) {
        (Reverse(self.path_ns), &self.trace_id, self.root_start_ns, &self.root_span_id)
    }
}

impl PartialEq for RootPath {
    fn eq(&self, other: &RootPath) -> bool {
        self.key() == other.key()
    }
}

impl Eq for RootPath {}

impl PartialOrd for RootPath {
    fn partial_cmp(&self, other: &RootPath) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RootPath {
    /// Longest first, then by trace, start and root: unique, as a trace is met once.
    fn cmp(&self, other: &RootPath) -> Ordering {
        self.key().cmp(&other.key())
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct CriticalPathArgs {}

/// The keys `critical_paths` and `critical_path_summary`.
#[derive(Debug)]
pub(super) struct CriticalPathReport {
    paths: Paths,
    total: u64,
    summary: SummaryReport,
    options: Options,
}

/// Written down path by path: all sections of a huge trace, twice over, would not fit.
#[derive(Debug)]
struct Paths(Vec<RootPath>);

impl Serialize for Paths {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(RootPath::report))
    }
}

#[derive(Serialize)]
struct PathReport<'a> {
    trace_id: &'a Id,
    root_span_id: &'a Id,
    service: Name,
    operation: Name,
    main: bool,
    partial: bool,
    total_duration_ms: f64,
    critical_path_duration_ms: f64,
    span_count: usize,
    #[serde(serialize_with = "RootPath::serialize_spans")]
    spans: &'a RootPath,
    #[serde(serialize_with = "RootPath::serialize_sections")]
    sections: &'a RootPath,
}

#[derive(Serialize)]
struct SpanReport<'a> {
    span_id: &'a Id,
    service: Name,
    operation: Name,
    duration_ms: Option<f64>,
    self_ms: f64,
    share_percent: f64,
    has_error: bool,
}

#[derive(Serialize)]
struct SectionReport<'a> {
    span_id: &'a Id,
    service: Name,
    operation: Name,
    start_us: i64,
    end_us: i64,
    start_offset_ns: i64,
    end_offset_ns: i64,
    share_percent: f64,
}

#[derive(Debug, Serialize)]
struct SummaryReport {
    operations: Vec<OperationReport>,
    operations_total: usize,
    paths: Vec<CallPath>,
    paths_total: usize,
}

#[derive(Debug, Serialize)]
struct OperationReport {
    service: Name,
    operation: Name,
    self_ms: f64,
    share_percent: f64,
    traces: u64,
    #[serde(skip)]
    self_ns: u128,
}

impl Pass for CriticalPath {
    const NAME: &'static str = "critical-path";
    const ABOUT: &'static str = "Where requests spent their time, section by section";
    type Args = CriticalPathArgs;
    type Report = CriticalPathReport;

    fn new(_: &CriticalPathArgs, options: &PassOptions) -> CriticalPath {
        CriticalPath {
            longest: Top::new(options.always_cut()),
            options: Options { cut: options.cut(), rows: options.rows() },
            total_ns: 0,
            operations: ByOperation::default(),
            call_paths: CallPaths::default(),
            n_observed: 0,
            place: Vec::new(),
        }
    }

    fn observe(&mut self, trace: &Trace) {
        self.n_observed += 1;
        for root in trace.roots() {
            let mut path = RootPath::outline(trace, root);
            if self.longest.admits(&path) {
                path.fill(trace, root, &mut self.place);
                self.longest.push(path);
            } else {
                self.longest.count_only();
            }
        }
        for section in trace.critical_path(trace.main_root()) {
            let span = trace.span(section.span);
            let self_ns = (section.end_ns - section.start_ns).unsigned_abs();
            self.total_ns += u128::from(self_ns);
            let place = self.operations.place(span, (span.service, span.operation), OnPath::default);
            let operation = self.operations.at(place);
            operation.self_ns += u128::from(self_ns);
            if operation.last_trace != self.n_observed {
                operation.last_trace = self.n_observed;
                operation.n_traces += 1;
            }
        }
        self.call_paths.observe(trace);
    }

    fn merge(&mut self, other: CriticalPath) {
        self.longest.merge(other.longest);
        self.total_ns += other.total_ns;
        self.operations.merge(other.operations, OnPath::default, |mine, theirs| {
            mine.self_ns += theirs.self_ns;
            mine.n_traces += theirs.n_traces;
        });
        self.call_paths.merge(&other.call_paths);
    }

    fn finish(self) -> CriticalPathReport {
        let total_ns = self.total_ns;
        let mut operations: Vec<OperationReport> = self
            .operations
            .entries()
            .into_iter()
            .map(|&((service, operation), ref it)| OperationReport {
                service,
                operation,
                self_ms: wide_ms(it.self_ns),
                share_percent: wide_percent(it.self_ns, total_ns),
                traces: it.n_traces,
                self_ns: it.self_ns,
            })
            .collect();
        // Stable: equal times stay in the order of names.
        operations.sort_by_key(|it| Reverse(it.self_ns));
        let operations_total = operations.len();
        operations.truncate(self.options.cut.unwrap_or(operations_total));
        let (paths, paths_total) = self.call_paths.finish(total_ns, self.options.cut);
        CriticalPathReport {
            total: self.longest.seen(),
            paths: Paths(self.longest.into_sorted_vec()),
            summary: SummaryReport { operations, operations_total, paths, paths_total },
            options: self.options,
        }
    }
}

fn wide_ms(ns: u128) -> f64 {
    ms(i128::try_from(ns).unwrap_or(i128::MAX))
}

/// As [`percent`], of sums that may not fit 64 bits.
fn wide_percent(part: u128, whole: u128) -> f64 {
    // Beyond 64 bits the lowest ones are far below the four decimals shown.
    let shift = whole.checked_ilog2().map_or(0, |it| it.saturating_sub(63));
    percent((part >> shift) as u64, (whole >> shift) as u64)
}

impl RootPath {
    /// All that decides its place.
    fn outline(trace: &Trace, root: &Root) -> RootPath {
        let span = trace.span(root.span);
        let path = trace.critical_path(root);
        RootPath {
            path_ns: path.first().zip(path.last()).map_or(0, |(first, last)| last.end_ns - first.start_ns),
            trace_id: trace.id.clone(),
            root_start_ns: span.start_ns,
            root_span_id: span.id.clone(),
            main: root.main,
            partial: root.partial,
            trace_start_ns: trace.start_ns(),
            trace_duration_ns: trace.duration_ns(),
            root: (span.service, span.operation),
            spans: Vec::new(),
            operations: Vec::new(),
            sections: Vec::new(),
        }
    }

    /// Adds spans and sections; `place` is `NOT_YET` throughout, before and after.
    fn fill(&mut self, trace: &Trace, root: &Root, place: &mut Vec<u32>) {
        const NOT_YET: u32 = u32::MAX;
        place.resize(place.len().max(trace.spans().len()), NOT_YET);
        self.sections.reserve_exact(trace.critical_path(root).len());
        let mut numbers: HashMap<(Name, Name), u32, FixedState> = HashMap::default();
        for section in trace.critical_path(root) {
            let nth = &mut place[section.span as usize];
            if *nth == NOT_YET {
                *nth = self.spans.len() as u32;
                let span = trace.span(section.span);
                let operation = *numbers.entry((span.service, span.operation)).or_insert_with_key(|key| {
                    self.operations.push(*key);
                    self.operations.len() as u32 - 1
                });
                self.spans.push(PathSpan {
                    id: span.id.clone(),
                    operation,
                    has_error: span.error,
                    duration_ns: span.duration_ns,
                    self_ns: 0,
                });
            }
            self.spans[*nth as usize].self_ns += section.end_ns - section.start_ns;
            self.sections.push((*nth, section.start_ns));
        }
        for section in trace.critical_path(root) {
            place[section.span as usize] = NOT_YET;
        }
    }

    fn report(&self) -> PathReport<'_> {
        PathReport {
            trace_id: &self.trace_id,
            root_span_id: &self.root_span_id,
            service: self.root.0,
            operation: self.root.1,
            main: self.main,
            partial: self.partial,
            total_duration_ms: ms(self.trace_duration_ns),
            critical_path_duration_ms: ms(self.path_ns),
            span_count: self.spans.len(),
            spans: self,
            sections: self,
        }
    }

    /// Service and operation of a span of the path.
    fn operation(&self, span: &PathSpan) -> (Name, Name) {
        self.operations[span.operation as usize]
    }

    /// Each section's span, start and end: they tile the path.
    fn sections(&self) -> impl Iterator<Item = (&PathSpan, i64, i64)> {
        let end_ns = self.sections.first().map_or(0, |first| first.1 + self.path_ns);
        let ends = self.sections.iter().skip(1).map(|it| it.1).chain([end_ns]);
        self.sections.iter().zip(ends).map(|(&(nth, start_ns), end_ns)| (&self.spans[nth as usize], start_ns, end_ns))
    }

    fn share(&self, ns: i64) -> f64 {
        Share::of(ns, self.path_ns).percent()
    }

    fn serialize_spans<S: Serializer>(path: &&RootPath, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(path.spans.iter().map(|it| SpanReport {
            span_id: &it.id,
            service: path.operation(it).0,
            operation: path.operation(it).1,
            duration_ms: it.duration_ns.map(ms),
            self_ms: ms(it.self_ns),
            share_percent: path.share(it.self_ns),
            has_error: it.has_error,
        }))
    }

    fn serialize_sections<S: Serializer>(path: &&RootPath, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(path.sections().map(|(span, start_ns, end_ns)| {
            let (service, operation) = path.operation(span);
            SectionReport {
                span_id: &span.id,
                service,
                operation,
                start_us: start_ns.div_euclid(1000),
                end_us: end_ns.div_euclid(1000),
                start_offset_ns: start_ns - path.trace_start_ns,
                end_offset_ns: end_ns - path.trace_start_ns,
                share_percent: path.share(end_ns - start_ns),
            }
        }))
    }
}

impl Report for CriticalPathReport {
    fn json(&self) -> Vec<(&'static str, &dyn Json)> {
        vec![
            ("critical_paths", &self.paths),
            ("critical_paths_total", &self.total),
            ("critical_path_summary", &self.summary),
        ]
    }

    fn section(&self) -> Section {
        let mut section = Section {
            title: "Critical path".to_owned(),
            about: "what the requests were waiting on, moment by moment; self is on the path only".to_owned(),
            ..Section::default()
        };
        let n_others = self.paths.0.iter().filter(|it| !it.main).count();
        if n_others > 0 {
            section.notes.push(
                "Roots beside the main one of their trace have a path of their own, left out of the sums.".to_owned(),
            );
        }
        section.tables.extend([self.operations_table(), self.paths_table()]);
        section.tables.extend(self.paths.0.first().map(|it| it.table(self.options.rows)));
        section
    }
}

impl CriticalPathReport {
    fn operations_table(&self) -> Table {
        let rows = self.summary.operations.iter().take(self.options.rows).map(|it| {
            vec![
                Cell::Name(it.service.to_string()),
                Cell::Name(it.operation.to_string()),
                Cell::Share(it.share_percent),
                Cell::DurationNs(i64::try_from(it.self_ns).unwrap_or(i64::MAX)),
                Cell::Count(it.traces),
            ]
        });
        Table {
            title: Some("By operation, all requests".to_owned()),
            columns: vec![
                Column::new("service"),
                Column::new("operation"),
                Column::new("share"),
                Column::new("self"),
                Column::ranked("traces", 2),
            ],
            rows: rows.collect(),
            total_rows: self.summary.operations_total,
            if_empty: "No request took any time.".to_owned(),
        }
    }

    fn paths_table(&self) -> Table {
        let rows = self.summary.paths.iter().take(self.options.rows).map(|it| {
            vec![
                Cell::Name(it.words(" › ")),
                Cell::Count(it.depth as u64),
                Cell::Share(it.share_percent),
                Cell::DurationNs(i64::try_from(it.self_ns).unwrap_or(i64::MAX)),
                Cell::Count(it.traces),
            ]
        });
        Table {
            title: Some("By call path, all requests".to_owned()),
            columns: vec![
                Column::new("call path"),
                Column::ranked("depth", 4),
                Column::new("share"),
                Column::new("self"),
                Column::ranked("traces", 2),
            ],
            rows: rows.collect(),
            total_rows: self.summary.paths_total,
            if_empty: "No request took any time.".to_owned(),
        }
    }
}

impl RootPath {
    /// The first sections.
    fn table(&self, most: usize) -> Table {
        let rows = self.sections().take(most).map(|(span, start_ns, end_ns)| {
            let (service, operation) = self.operation(span);
            vec![
                Cell::DurationNs(start_ns - self.trace_start_ns),
                Cell::DurationNs(end_ns - start_ns),
                Cell::Share(self.share(end_ns - start_ns)),
                Cell::Name(service.to_string()),
                Cell::Name(operation.to_string()),
                Cell::Id(span.id.to_string()),
            ]
        });
        let partial = if self.partial { ", its true root is missing" } else { "" };
        let title = format!(
            "The longest: trace {}, {} in {} {}{partial}",
            self.trace_id,
            words::duration(self.path_ns),
            self.root.0,
            self.root.1,
        );
        Table {
            title: Some(title),
            columns: vec![
                Column::new("at"),
                Column::new("for"),
                Column::ranked("share", 2),
                Column::new("service"),
                Column::new("operation"),
                Column::ranked("span", 3),
            ],
            rows: rows.collect(),
            total_rows: self.sections.len(),
            if_empty: "It took no time.".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sketch;

    fn report(sketches: &[&str], top: Option<usize>) -> CriticalPathReport {
        let options = PassOptions { top, ..PassOptions::default() };
        let mut pass = CriticalPath::new(&CriticalPathArgs {}, &options);
        for sketch in sketches {
            pass.observe(&sketch::trace(sketch));
        }
        pass.finish()
    }

    #[test]
    fn every_root_has_a_path_but_only_main_ones_are_summed() {
        let report = report(&["web GET / 0..100\n  db SELECT 20..80\njob tick 0..10 ?99"], None);
        let roots: Vec<_> = report.paths.0.iter().map(|it| (it.root.0.as_str(), it.main, it.partial)).collect();
        assert_eq!(roots, [("web", true, false), ("job", false, false)]);
        let sums: Vec<_> = report.summary.operations.iter().map(|it| (it.service.as_str(), it.self_ms)).collect();
        assert_eq!(sums, [("db", 60.0), ("web", 40.0)]);
    }

    #[test]
    fn spans_stand_in_order_of_first_appearance_and_sections_tile() {
        let report = report(&["web GET / 0..100\n  db SELECT 20..80"], None);
        let path = &report.paths.0[0];
        let spans: Vec<_> = path.spans.iter().map(|it| (path.operation(it).0.as_str(), ms(it.self_ns))).collect();
        assert_eq!(spans, [("web", 40.0), ("db", 60.0)]);
        let sections: Vec<_> =
            path.sections().map(|it| (it.1 - path.trace_start_ns, it.2 - path.trace_start_ns)).collect();
        assert_eq!(sections, [(0, 20_000_000), (20_000_000, 80_000_000), (80_000_000, 100_000_000)]);
    }

    #[test]
    fn top_cuts_and_the_totals_say_so() {
        let report = report(&["web GET / 0..100\n  db SELECT 20..80\n  db UPDATE 80..90"], Some(1));
        assert_eq!((report.summary.operations.len(), report.summary.operations_total), (1, 3));
        assert_eq!((report.summary.paths.len(), report.summary.paths_total), (1, 3));
    }
}
