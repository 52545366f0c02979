//! The operations that requests waited on: self time on the main critical path.
//!
//! An operation is listed if in at least one trace its share of the main root's duration reaches the
//! threshold. A root is never listed for time that its children account for: that is theirs.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::by_operation::ByOperation;
use super::share::{self, Share};
use super::{Pass, PassOptions};
use crate::model::{Id, Kind, Known, Name, Trace, semantics};
use crate::report::{Cell, Column, Json, Report, Section, Table, words};
use crate::stats::{Top, ms, percent};

/// Waited time of every (service, operation).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Bottlenecks {
    options: Options,
    operations: ByOperation<(Name, Name), Operation>,
    /// Numbers the traces, to count each once for an operation.
    #[serde(skip)]
    n_observed: u64,
    /// For each span of the trace at hand how long it was waited on; 0 throughout, before and after.
    #[serde(skip)]
    waited_ns: Vec<i64>,
    /// The places of the operations that the trace at hand waited on.
    #[serde(skip)]
    waited_on: Vec<usize>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Options {
    threshold: Share,
    examples: usize,
    cut: Option<usize>,
    rows: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Operation {
    n_traces: u64,
    n_over: u64,
    waited_ns: u128,
    /// Shares add up in whole parts, so that their order cannot show.
    shares: u128,
    largest: Share,
    /// How many spans there are of each kind, in the order of [`kinds`].
    n_of_kind: [u64; 6],
    patterns: BTreeMap<String, u64>,
    has_error: bool,
    examples: Top<Example>,
    #[serde(skip)]
    last_trace: u64,
    #[serde(skip)]
    in_trace: Waited,
}

/// What a trace waited on one operation.
#[derive(Clone, Copy, Debug, Default)]
struct Waited {
    ns: i64,
    /// The span it waited on longest (of several the first), and how long.
    span: u32,
    span_ns: i64,
    has_error: bool,
}

/// A trace in which an operation reached the threshold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Example {
    waited_ns: i64,
    trace_id: Id,
    span_id: Id,
    duration_ns: Option<i64>,
    share: Share,
    trace_duration_ns: i64,
}

impl Ord for Example {
    /// Most waited first, then by trace.
    fn cmp(&self, other: &Example) -> Ordering {
        (Reverse(self.waited_ns), &self.trace_id).cmp(&(Reverse(other.waited_ns), &other.trace_id))
    }
}

impl PartialOrd for Example {
    fn partial_cmp(&self, other: &Example) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct BottlenecksArgs {
    /// List operations that reach this share of a request's time in at least one trace
    #[arg(long, value_name = "PERCENT", default_value = "20", value_parser = share::parse, help_heading = "Analysis")]
    bottleneck_threshold: Share,
}

/// The `bottlenecks` key.
#[derive(Debug)]
pub(super) struct BottlenecksReport {
    bottlenecks: Vec<Bottleneck>,
    total: usize,
    options: Options,
}

#[derive(Debug, Serialize)]
struct Bottleneck {
    service: Name,
    operation: Name,
    kind: Option<Kind>,
    traces: u64,
    traces_over_threshold: u64,
    mean_share_percent: f64,
    max_share_percent: f64,
    waited_ms: f64,
    pattern: Option<String>,
    has_error: bool,
    trace_id: Id,
    span_id: Id,
    duration_ms: Option<f64>,
    percentage: Option<f64>,
    trace_duration_ms: f64,
    examples: Vec<ExampleReport>,
    #[serde(skip)]
    waited_ns: u128,
}

#[derive(Clone, Debug, Serialize)]
struct ExampleReport {
    trace_id: Id,
    span_id: Id,
    duration_ms: Option<f64>,
    percentage: Option<f64>,
    share_percent: f64,
    trace_duration_ms: f64,
}

impl Pass for Bottlenecks {
    const NAME: &'static str = "bottlenecks";
    const ABOUT: &'static str = "The operations that requests waited on most";
    const READS: &'static [&'static [Known]] = &[semantics::PATTERN_KEYS, semantics::FAILURE_KEYS];
    type Args = BottlenecksArgs;
    type Report = BottlenecksReport;

    fn new(args: &BottlenecksArgs, options: &PassOptions) -> Bottlenecks {
        let options = Options {
            threshold: args.bottleneck_threshold,
            examples: options.examples,
            cut: options.cut(),
            rows: options.rows(),
        };
        Bottlenecks {
            options,
            operations: ByOperation::default(),
            n_observed: 0,
            waited_ns: Vec::new(),
            waited_on: Vec::new(),
        }
    }

    fn observe(&mut self, trace: &Trace) {
        self.n_observed += 1;
        let options = self.options;
        for span in trace.spans() {
            let place = self.operations.place(span, (span.service, span.operation), || Operation::new(&options));
            let operation = self.operations.at(place);
            if operation.last_trace != self.n_observed {
                operation.last_trace = self.n_observed;
                operation.n_traces += 1;
            }
            operation.n_of_kind[span.kind.map_or(0, |it| it as usize + 1)] += 1;
        }
        let path = trace.critical_path(trace.main_root());
        let (Some(first), Some(last)) = (path.first(), path.last()) else { return };
        let root_ns = last.end_ns - first.start_ns;
        self.sum_up(trace);
        for place in self.waited_on.drain(..) {
            let operation = self.operations.at(place);
            let waited = std::mem::take(&mut operation.in_trace);
            operation.add(trace, &waited, root_ns, options.threshold);
        }
    }

    fn merge(&mut self, other: Bottlenecks) {
        let options = self.options;
        self.operations.merge(other.operations, || Operation::new(&options), Operation::merge);
    }

    fn finish(self) -> BottlenecksReport {
        let mut bottlenecks: Vec<Bottleneck> =
            self.operations.entries().into_iter().filter_map(|(key, it)| it.report(*key, &self.options)).collect();
        // Stable: equal times stay in the order of names.
        bottlenecks.sort_by_key(|it| Reverse(it.waited_ns));
        let total = bottlenecks.len();
        bottlenecks.truncate(self.options.cut.unwrap_or(total));
        BottlenecksReport { bottlenecks, total, options: self.options }
    }
}

impl Bottlenecks {
    /// Sums the sections of the main critical path by span, then by operation.
    fn sum_up(&mut self, trace: &Trace) {
        let path = trace.critical_path(trace.main_root());
        self.waited_ns.resize(self.waited_ns.len().max(trace.spans().len()), 0);
        for section in path {
            self.waited_ns[section.span as usize] += section.end_ns - section.start_ns;
        }
        for section in path {
            let ns = std::mem::take(&mut self.waited_ns[section.span as usize]);
            // Summed up with an earlier section of the same span: every section takes some time.
            if ns == 0 {
                continue;
            }
            let span = trace.span(section.span);
            let place = self.operations.place(span, (span.service, span.operation), || Operation::new(&self.options));
            let waited = &mut self.operations.at(place).in_trace;
            if waited.ns == 0 {
                self.waited_on.push(place);
            }
            waited.ns += ns;
            waited.has_error |= span.error;
            if (ns, Reverse(section.span)) > (waited.span_ns, Reverse(waited.span)) {
                (waited.span, waited.span_ns) = (section.span, ns);
            }
        }
    }
}

impl Operation {
    fn new(options: &Options) -> Operation {
        Operation {
            n_traces: 0,
            n_over: 0,
            waited_ns: 0,
            shares: 0,
            largest: Share::default(),
            n_of_kind: [0; 6],
            patterns: BTreeMap::new(),
            has_error: false,
            // The old keys tell of one example even if none is listed.
            examples: Top::new(Some(options.examples.max(1))),
            last_trace: 0,
            in_trace: Waited::default(),
        }
    }

    fn add(&mut self, trace: &Trace, waited: &Waited, root_ns: i64, threshold: Share) {
        let share = Share::of(waited.ns, root_ns);
        self.waited_ns += waited.ns.unsigned_abs() as u128;
        self.shares += u128::from(share.parts());
        self.largest = self.largest.max(share);
        self.has_error |= waited.has_error;
        if share < threshold {
            return;
        }
        self.n_over += 1;
        let span = trace.span(waited.span);
        if let Some(pattern) = semantics::pattern(trace, span) {
            *self.patterns.entry(pattern).or_default() += 1;
        }
        self.examples.push(Example {
            waited_ns: waited.ns,
            trace_id: trace.id.clone(),
            span_id: span.id.clone(),
            duration_ns: span.duration_ns,
            share,
            trace_duration_ns: trace.duration_ns(),
        });
    }

    fn merge(&mut self, other: Operation) {
        self.n_traces += other.n_traces;
        self.n_over += other.n_over;
        self.waited_ns += other.waited_ns;
        self.shares += other.shares;
        self.largest = self.largest.max(other.largest);
        self.n_of_kind.iter_mut().zip(other.n_of_kind).for_each(|(mine, theirs)| *mine += theirs);
        for (pattern, n) in other.patterns {
            *self.patterns.entry(pattern).or_default() += n;
        }
        self.has_error |= other.has_error;
        self.examples.merge(other.examples);
    }

    fn report(&self, (service, operation): (Name, Name), options: &Options) -> Option<Bottleneck> {
        let mut examples: Vec<ExampleReport> = self.examples.iter_sorted().map(Example::report).collect();
        let first = examples.first()?.clone();
        examples.truncate(options.examples);
        Some(Bottleneck {
            service,
            operation,
            kind: kinds().zip(self.n_of_kind).min_by_key(|it| Reverse(it.1)).and_then(|it| it.0),
            traces: self.n_traces,
            traces_over_threshold: self.n_over,
            mean_share_percent: share::mean_percent(self.shares, self.n_traces),
            max_share_percent: self.largest.percent(),
            waited_ms: ms(i128::try_from(self.waited_ns).unwrap_or(i128::MAX)),
            pattern: most_frequent(&self.patterns).cloned(),
            has_error: self.has_error,
            trace_id: first.trace_id,
            span_id: first.span_id,
            duration_ms: first.duration_ms,
            percentage: first.percentage,
            trace_duration_ms: first.trace_duration_ms,
            examples,
            waited_ns: self.waited_ns,
        })
    }
}

/// All kinds in order, and before them none.
fn kinds() -> impl Iterator<Item = Option<Kind>> {
    std::iter::once(None).chain(Kind::ALL.map(Some))
}

/// The key with the largest count; of several the first.
fn most_frequent<K: Ord>(counts: &BTreeMap<K, u64>) -> Option<&K> {
    counts.iter().min_by_key(|(_, n)| Reverse(**n)).map(|(key, _)| key)
}

impl Example {
    fn report(&self) -> ExampleReport {
        let trace_ns = self.trace_duration_ns.unsigned_abs();
        ExampleReport {
            trace_id: self.trace_id.clone(),
            span_id: self.span_id.clone(),
            duration_ms: self.duration_ns.map(ms),
            percentage: self.duration_ns.map(|it| percent(it.unsigned_abs(), trace_ns)),
            share_percent: self.share.percent(),
            trace_duration_ms: ms(self.trace_duration_ns),
        }
    }
}

impl Report for BottlenecksReport {
    fn json(&self) -> Vec<(&'static str, &dyn Json)> {
        vec![("bottlenecks", &self.bottlenecks), ("bottlenecks_total", &self.total)]
    }

    fn section(&self) -> Section {
        let mut section = Section {
            title: "Bottlenecks".to_owned(),
            about: "what requests waited on: self time on the critical path".to_owned(),
            ..Section::default()
        };
        if let Some(worst) = self.bottlenecks.first() {
            section.notes.push(format!(
                "Requests wait longest on {} {}: {} of their time on average, up to {}",
                worst.service,
                worst.operation,
                words::percent(worst.mean_share_percent),
                words::percent(worst.max_share_percent),
            ));
            let flag = |flag: &str, name: Name| match name.as_str() {
                it if it.starts_with('-') => vec![format!("{flag}={it}")],
                it => vec![flag.to_owned(), it.to_owned()],
            };
            let mut next = [flag("--service", worst.service), flag("--operation", worst.operation)].concat();
            next.extend(["--critical-path".to_owned(), "--top".to_owned(), "3".to_owned()]);
            section.next = Some(next);
        }
        section.tables.push(self.table());
        section
    }
}

impl BottlenecksReport {
    fn table(&self) -> Table {
        let rows = self.bottlenecks.iter().take(self.options.rows).map(|it| {
            vec![
                Cell::Name(it.service.to_string()),
                Cell::Name(it.operation.to_string()),
                it.kind.map_or(Cell::Unknown, |it| Cell::Text(it.as_str().to_owned())),
                Cell::Share(it.mean_share_percent),
                Cell::Percent(it.max_share_percent),
                Cell::DurationNs(i64::try_from(it.waited_ns).unwrap_or(i64::MAX)),
                Cell::Count(it.traces_over_threshold),
                Cell::Count(it.traces),
                it.pattern.clone().map_or(Cell::Unknown, Cell::Name),
                Cell::Id(it.trace_id.to_string()),
            ]
        });
        Table {
            columns: vec![
                Column::new("service"),
                Column::new("operation"),
                Column::ranked("kind", 6),
                Column::new("mean share"),
                Column::ranked("max", 2),
                Column::new("waited"),
                Column::ranked("traces over", 3),
                Column::ranked("of", 4),
                Column::ranked("pattern", 5),
                Column::ranked("worst trace", 7),
            ],
            rows: rows.collect(),
            total_rows: self.total,
            if_empty: format!(
                "No operation reaches {} of a request's time in any trace.",
                words::percent(self.options.threshold.percent())
            ),
            ..Table::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sketch;

    fn check(sketches: &[&str], expected: &[&str]) {
        let args = BottlenecksArgs { bottleneck_threshold: share::parse("20").unwrap() };
        let mut pass = Bottlenecks::new(&args, &PassOptions::default());
        for sketch in sketches {
            pass.observe(&sketch::trace(sketch));
        }
        let lines: Vec<String> = pass
            .finish()
            .bottlenecks
            .iter()
            .map(|it| {
                let (service, operation, over, traces) =
                    (it.service, it.operation, it.traces_over_threshold, it.traces);
                let (mean, max, waited) = (it.mean_share_percent, it.max_share_percent, it.waited_ms);
                format!("{service} {operation} {over}/{traces} mean {mean} max {max} waited {waited}")
            })
            .collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn the_root_is_not_blamed_for_its_children() {
        check(&["web GET / 0..100\n  db SELECT 5..95"], &["db SELECT 1/1 mean 90 max 90 waited 90"]);
    }

    #[test]
    fn the_mean_is_over_the_traces_it_occurs_in() {
        check(
            &["web GET / 0..100\n  db SELECT 5..95", "web GET / 0..100\n  db SELECT 50..60", "web GET / 0..10"],
            &["web GET / 2/3 mean 66.6667 max 100 waited 110", "db SELECT 1/2 mean 50 max 90 waited 100"],
        );
    }

    #[test]
    fn what_nobody_waited_for_is_no_bottleneck() {
        check(&["web GET / 0..100\n  mail send 0..100 ~"], &["web GET / 1/1 mean 100 max 100 waited 100"]);
    }

    #[test]
    fn calls_in_parallel_count_once() {
        check(
            &["web GET / 0..100\n  db SELECT 0..90\n  cache GET 0..100"],
            &["cache GET 1/1 mean 100 max 100 waited 100"],
        );
    }
}
