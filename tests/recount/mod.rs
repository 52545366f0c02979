//! A capture counted again: every number of the report, worked out from `DESIGN.md` section 6 and
//! the specification of the critical path, slowly and without a line of the program under test.
//!
//! Sound captures only: every span has an id of its own, a start, a duration and at most one
//! reference, to a span of its trace. [`Capture::read`] panics where that does not hold.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// The default of `--overlap-tolerance`.
const TOLERANCE_PERCENT: i64 = 1;
/// The default of `--bottleneck-threshold`.
const THRESHOLD_PERCENT: f64 = 20.0;

#[derive(Debug)]
pub struct Capture {
    pub traces: Vec<Trace>,
    n_bytes: usize,
}

#[derive(Debug)]
pub struct Trace {
    pub id: String,
    pub spans: Vec<Span>,
}

#[derive(Debug)]
pub struct Span {
    pub id: String,
    pub service: String,
    pub operation: String,
    pub kind: Option<String>,
    /// Nanoseconds.
    pub start: i64,
    pub duration: i64,
    pub parent: Option<usize>,
    pub follows: bool,
    pub error: bool,
    pub message: Option<String>,
    pub error_type: Option<String>,
    pub code: Option<String>,
    peer: Option<String>,
}

impl Span {
    fn end(&self) -> i64 {
        self.start + self.duration
    }

    fn key(&self) -> (String, String) {
        (self.service.clone(), self.operation.clone())
    }
}

// ------------------------------------------------------------------------------------ reading

impl Capture {
    pub fn read(text: &str) -> Capture {
        let capture: Value = serde_json::from_str(text).unwrap();
        let traces = capture["data"].as_array().unwrap().iter().map(read_trace).collect();
        Capture { traces, n_bytes: text.len() }
    }
}

fn read_trace(trace: &Value) -> Trace {
    let spans = trace["spans"].as_array().unwrap();
    let ids: Vec<&str> = spans.iter().map(|it| it["spanID"].as_str().unwrap()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "an id twice");
    let spans = spans.iter().map(|span| {
        let tags = texts(&span["tags"]);
        let tag = |key: &str| tags.get(key).cloned().filter(|it| !it.is_empty());
        let references = span["references"].as_array().unwrap();
        assert!(references.len() <= 1, "several references");
        assert_eq!(span["traceID"], trace["traceID"]);
        let parent = references.first().map(|it| {
            assert_eq!(it["traceID"], trace["traceID"]);
            let parent = it["spanID"].as_str().unwrap();
            ids.iter().position(|it| *it == parent).expect("an orphan")
        });
        let logs: Vec<BTreeMap<String, String>> =
            span["logs"].as_array().unwrap().iter().map(|it| texts(&it["fields"])).collect();
        let log = |key: &str| logs.iter().find_map(|it| it.get(key).cloned());
        let code = tag("http.response.status_code")
            .or_else(|| tag("http.status_code"))
            .filter(|it| it.parse::<u16>().is_ok_and(|it| it >= 400))
            .or_else(|| tag("rpc.grpc.status_code").filter(|it| it != "0"));
        let process = span["processID"].as_str().unwrap();
        let service = trace["processes"][process]["serviceName"].as_str().unwrap();
        Span {
            id: span["spanID"].as_str().unwrap().to_owned(),
            service: service.to_owned(),
            operation: span["operationName"].as_str().unwrap().to_owned(),
            kind: tag("span.kind"),
            start: span["startTime"].as_i64().unwrap() * 1000,
            duration: span["duration"].as_i64().unwrap() * 1000,
            parent,
            follows: references.first().is_some_and(|it| it["refType"] == "FOLLOWS_FROM"),
            error: is_error(&tags),
            message: log("exception.message")
                .or_else(|| log("error"))
                .or_else(|| log("error.object"))
                .or_else(|| {
                    let event = logs.iter().find(|it| it.get("event").is_some_and(|it| it == "error"));
                    event.and_then(|it| it.get("message").cloned())
                })
                .or_else(|| tag("error.message"))
                .or_else(|| tag("otel.status_description").filter(|it| it != "An error occurred"))
                .or_else(|| tag("http.status_text"))
                .or_else(|| code.as_ref().map(|it| format!("HTTP {it}"))),
            error_type: log("exception.type")
                .or_else(|| tag("error.type").filter(|it| it != "_OTHER"))
                .or_else(|| code.clone()),
            code,
            peer: [
                "peer.service",
                "db.name",
                "db.system",
                "messaging.destination",
                "messaging.system",
                "server.address",
                "net.peer.name",
            ]
            .into_iter()
            .find_map(tag),
        }
    });
    Trace { id: trace["traceID"].as_str().unwrap().to_owned(), spans: spans.collect() }
}

fn texts(list: &Value) -> BTreeMap<String, String> {
    let entries = list.as_array().unwrap().iter();
    entries
        .map(|it| {
            let value = match &it["value"] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            (it["key"].as_str().unwrap().to_owned(), value)
        })
        .collect()
}

/// The explicit signal decides; only without one HTTP 5xx, or gRPC's codes for a server's fault.
fn is_error(tags: &BTreeMap<String, String>) -> bool {
    match (tags.get("error").map(String::as_str), tags.get("otel.status_code").map(String::as_str)) {
        (Some("true"), _) => true,
        (_, Some("ERROR")) => true,
        (Some("false"), _) | (_, Some("OK")) => false,
        _ => {
            let number = |key: &str| tags.get(key).and_then(|it| it.parse::<u16>().ok());
            let http = number("http.response.status_code").or_else(|| number("http.status_code"));
            http.is_some_and(|it| it >= 500) || matches!(number("rpc.grpc.status_code"), Some(2 | 4 | 12..=15))
        }
    }
}

// --------------------------------------------------------------------------------- one trace

/// A time in which the root waited on a span.
type Section = (usize, i64, i64);

impl Trace {
    fn start(&self) -> i64 {
        self.spans.iter().map(|it| it.start).min().unwrap()
    }

    fn duration(&self) -> i64 {
        self.spans.iter().map(Span::end).max().unwrap() - self.start()
    }

    /// In canonical order.
    fn children(&self, parent: Option<usize>) -> Vec<usize> {
        let mut list: Vec<usize> = (0..self.spans.len()).filter(|it| self.spans[*it].parent == parent).collect();
        list.sort_by_key(|it| {
            let span = &self.spans[*it];
            (span.start, Reverse(span.duration), u128::from_str_radix(&span.id, 16).unwrap())
        });
        list
    }

    fn is_blocking(&self, at: usize) -> bool {
        let span = &self.spans[at];
        let kind = |it: usize| self.spans[it].kind.as_deref();
        let message = span.parent.is_some_and(|it| kind(it) == Some("producer") && kind(at) == Some("consumer"));
        !span.follows && !message
    }

    fn waited_children(&self, at: usize) -> Vec<usize> {
        self.children(Some(at)).into_iter().filter(|it| self.is_blocking(*it)).collect()
    }

    /// Duration minus the union of the direct children's intervals, clipped.
    fn self_time(&self, at: usize) -> i64 {
        let span = &self.spans[at];
        let mut covered: Vec<(i64, i64)> = Vec::new();
        for child in self.waited_children(at) {
            let child = &self.spans[child];
            let (from, to) = (child.start.max(span.start), child.end().min(span.end()));
            match covered.last_mut() {
                _ if from >= to => {}
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => covered.push((from, to)),
            }
        }
        span.duration - covered.iter().map(|it| it.1 - it.0).sum::<i64>()
    }

    fn main_root(&self) -> usize {
        let roots = self.children(None);
        *roots.iter().rev().max_by_key(|it| self.spans[**it].duration).unwrap()
    }

    fn path(&self, root: usize) -> Vec<Section> {
        let mut sections = Vec::new();
        self.walk(root, (self.spans[root].start, self.spans[root].end()), &mut sections);
        sections.reverse();
        sections
    }

    /// Latest first. A child is clamped when it is walked: whatever its parent's window has become.
    fn walk(&self, at: usize, window: (i64, i64), sections: &mut Vec<Section>) {
        let emit = |sections: &mut Vec<Section>, start: i64, end: i64| match sections.last_mut() {
            _ if start >= end => {}
            Some(last) if last.0 == at && last.1 == end => last.1 = start,
            _ => sections.push((at, start, end)),
        };
        let clamped = |it: usize| {
            let span = &self.spans[it];
            (it, span.start.max(window.0), span.end().min(window.1))
        };
        let mut kept: Vec<Section> =
            self.waited_children(at).into_iter().map(clamped).filter(|it| it.1 < it.2).collect();
        kept.sort_by_key(|it| Reverse(it.2));
        let mut t = window.1;
        let mut last: Option<(i64, i64)> = None;
        for &(child, start, end) in &kept {
            let mut accepted_end = end;
            if end > t {
                let Some((s, e)) = last else { continue };
                let ends: Vec<i64> = kept.iter().flat_map(|it| [it.1, it.2]).collect();
                let small = (end - s) * 100 < TOLERANCE_PERCENT * (window.1 - window.0);
                let alone = ends.iter().filter(|it| **it >= s && **it <= end).count() == 2;
                if !(start < s && end < e && small && alone) {
                    continue;
                }
                accepted_end = s;
            }
            emit(sections, accepted_end, t);
            self.walk(child, (start, accepted_end), sections);
            t = start;
            last = Some((start, accepted_end));
        }
        emit(sections, window.0, t);
    }

    /// Services and operations from the root down to a span.
    fn call_path(&self, at: usize) -> Vec<String> {
        let span = &self.spans[at];
        let mut path = span.parent.map_or_else(Vec::new, |it| self.call_path(it));
        path.push(format!("{} {}", span.service, span.operation));
        path
    }

    fn has_error_below(&self, at: usize) -> bool {
        self.children(Some(at)).iter().any(|it| self.spans[*it].error)
    }

    /// The erroring spans joined to an erroring one through erroring children, itself among them.
    fn joined_errors(&self, at: usize) -> Vec<usize> {
        let mut joined = vec![at];
        for child in self.children(Some(at)) {
            if self.spans[child].error {
                joined.extend(self.joined_errors(child));
            }
        }
        joined
    }
}

// -------------------------------------------------------------------------------- the numbers

fn ms(ns: i64) -> f64 {
    ns as f64 / 1e6
}

fn percent(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole * 100.0 }
}

/// The value at the nearest rank.
fn quantile(sorted: &[i64], quantile: f64) -> i64 {
    let rank = (quantile * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted[rank - 1]
}

fn statistics(values: &[i64]) -> Value {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let n = sorted.len() as f64;
    let total: i64 = sorted.iter().sum();
    let mean = total as f64 / n;
    let squares: f64 = sorted.iter().map(|it| (*it as f64 - mean).powi(2)).sum();
    let stddev = if sorted.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 };
    let at = |q| ms(quantile(&sorted, q));
    json!({
        "mean_ms": mean / 1e6,
        "median_ms": at(0.5),
        "min_ms": ms(sorted[0]),
        "max_ms": ms(sorted[sorted.len() - 1]),
        "p90_ms": at(0.9),
        "p95_ms": at(0.95),
        "p99_ms": at(0.99),
        "stddev_ms": stddev / 1e6,
        "total_ms": ms(total),
    })
}

fn only(value: &Value, keys: &[&str]) -> Value {
    keys.iter().map(|it| ((*it).to_owned(), value[*it].clone())).collect()
}

/// Microseconds since the epoch as the report writes them (days to dates after Hinnant).
fn rfc3339(ns: i64) -> String {
    let us = ns.div_euclid(1000);
    let (days, in_day) = (us.div_euclid(86_400_000_000), us.rem_euclid(86_400_000_000));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    let (s, us) = (in_day / 1_000_000, in_day % 1_000_000);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{us:06}Z", s / 3600, s / 60 % 60, s % 60)
}

impl Capture {
    fn spans(&self) -> impl Iterator<Item = (&Trace, usize, &Span)> {
        self.traces.iter().flat_map(|trace| trace.spans.iter().enumerate().map(move |(idx, span)| (trace, idx, span)))
    }

    fn failing(&self) -> usize {
        self.traces.iter().filter(|it| it.spans.iter().any(|it| it.error)).count()
    }

    fn failed(&self) -> Vec<&Trace> {
        self.traces.iter().filter(|it| it.spans[it.main_root()].error).collect()
    }

    pub fn input(&self, name: &str) -> Value {
        json!({
            "sources": [{
                "name": name,
                "format": "jaeger",
                "bytes": self.n_bytes,
                "traces": self.traces.len(),
                "spans": self.spans().count(),
                "warnings": [],
            }],
            "complete": true,
            "incomplete_reasons": [],
            "traces_read": self.traces.len(),
            "traces_kept": self.traces.len(),
            "filters": [],
            "skipped": [],
            "repaired": {
                "orphans": 0,
                "extra_roots": self.traces.iter().map(|it| it.children(None).len() - 1).sum::<usize>(),
                "cycles": 0, "duplicate_spans": 0, "renamed_spans": 0, "shared_spans": 0, "merged_spans": 0,
                "negative_durations": 0, "missing_durations": 0, "missing_starts": 0, "missing_processes": 0,
                "foreign_references": 0, "clock_skew": 0, "clock_skew_max_us": 0,
                "repeated_traces": 0, "split_traces": 0, "lone_supplements": 0,
            },
        })
    }

    pub fn summary(&self) -> Value {
        let services: BTreeSet<&str> = self.spans().map(|it| it.2.service.as_str()).collect();
        let durations: Vec<i64> = self.traces.iter().map(Trace::duration).collect();
        let n = self.traces.len() as f64;
        let stats = statistics(&durations);
        let start = self.traces.iter().map(Trace::start).min().unwrap();
        let end = self.traces.iter().map(|it| it.start() + it.duration()).max().unwrap();
        json!({
            "trace_count": self.traces.len(),
            "span_count": self.spans().count(),
            "service_count": services.len(),
            "services": services,
            "error_rate": percent(self.failing() as f64, n),
            "failing_traces": self.failing(),
            "root_error_rate": percent(self.failed().len() as f64, n),
            "root_failing_traces": self.failed().len(),
            "duration_stats": only(&stats, &["mean_ms", "median_ms", "min_ms", "max_ms", "p95_ms", "p99_ms"]),
            "time_range": {"start": rfc3339(start), "end": rfc3339(end)},
            "timeline": self.timeline(),
        })
    }

    fn timeline(&self) -> Value {
        const MS: i64 = 1_000_000;
        const S: i64 = 1000 * MS;
        const MIN: i64 = 60 * S;
        const H: i64 = 60 * MIN;
        let widths = [
            MS,
            2 * MS,
            10 * MS,
            20 * MS,
            100 * MS,
            200 * MS,
            S,
            2 * S,
            10 * S,
            20 * S,
            MIN,
            2 * MIN,
            10 * MIN,
            20 * MIN,
            H,
            2 * H,
            6 * H,
            12 * H,
            24 * H,
        ];
        let starts: Vec<i64> = self.traces.iter().map(Trace::start).collect();
        let (first, last) = (*starts.iter().min().unwrap(), *starts.iter().max().unwrap());
        let width = *widths.iter().find(|it| last / **it - first / **it < 20).expect("below 20 days");
        let buckets = (first / width..=last / width).map(|nth| {
            let here: Vec<&Trace> = self.traces.iter().filter(|it| it.start() / width == nth).collect();
            let failing = here.iter().filter(|it| it.spans.iter().any(|it| it.error)).count();
            let durations: Vec<i64> = here.iter().map(|it| it.duration()).collect();
            let stats = (!durations.is_empty()).then(|| statistics(&durations));
            json!({
                "start": rfc3339(nth * width),
                "end": rfc3339((nth + 1) * width),
                "traces": here.len(),
                "failing": failing,
                "rate_per_s": here.len() as f64 / (width as f64 / 1e9),
                "p50_ms": stats.as_ref().map(|it| it["median_ms"].clone()),
                "p95_ms": stats.as_ref().map(|it| it["p95_ms"].clone()),
            })
        });
        buckets.collect()
    }

    /// By (service, operation, kind).
    pub fn performance(&self) -> Value {
        #[derive(Default)]
        struct Operation<'a> {
            durations: Vec<i64>,
            own: Vec<i64>,
            errors: usize,
            traces: BTreeSet<&'a str>,
        }
        let mut operations: BTreeMap<_, Operation<'_>> = BTreeMap::new();
        for (trace, idx, span) in self.spans() {
            let operation = operations.entry((&span.service, &span.operation, &span.kind)).or_default();
            operation.durations.push(span.duration);
            operation.own.push(trace.self_time(idx));
            operation.errors += usize::from(span.error);
            operation.traces.insert(&trace.id);
        }
        let rows = operations.iter().map(|((service, operation, kind), it)| {
            let mut row = json!({
                "service": service,
                "operation": operation,
                "kind": kind,
                "count": it.durations.len(),
                "errors": it.errors,
                "traces": it.traces.len(),
                "self": statistics(&it.own),
            });
            for (key, value) in statistics(&it.durations).as_object().unwrap() {
                row[key] = value.clone();
            }
            row
        });
        json!({
            "operation_count": operations.len(),
            "operations_total": operations.len(),
            "operations": rows.collect::<Vec<_>>(),
        })
    }

    /// What each trace's main root waited on: by trace, by (service, operation), by span.
    pub fn waited(&self) -> Vec<(&Trace, BTreeMap<usize, i64>)> {
        self.traces
            .iter()
            .map(|trace| {
                let mut by_span = BTreeMap::new();
                for (span, start, end) in trace.path(trace.main_root()) {
                    *by_span.entry(span).or_insert(0) += end - start;
                }
                (trace, by_span)
            })
            .collect()
    }

    /// One for each (service, operation) that reaches the threshold somewhere; without examples.
    pub fn bottlenecks(&self) -> Vec<Value> {
        let waited = self.waited();
        let keys: BTreeSet<_> = self.spans().map(|it| it.2.key()).collect();
        let mut rows = Vec::new();
        for key in keys {
            let (mut shares, mut total) = (Vec::new(), 0);
            for (trace, by_span) in &waited {
                if !trace.spans.iter().any(|it| it.key() == key) {
                    continue;
                }
                let of_key = by_span.iter().filter(|it| trace.spans[*it.0].key() == key);
                let here: i64 = of_key.map(|it| it.1).sum();
                total += here;
                shares.push(percent(here as f64, trace.spans[trace.main_root()].duration as f64));
            }
            let over = shares.iter().filter(|it| **it >= THRESHOLD_PERCENT).count();
            if over == 0 {
                continue;
            }
            let spans: Vec<&Span> = self.spans().map(|it| it.2).filter(|it| it.key() == key).collect();
            let mut kinds: BTreeMap<&Option<String>, usize> = BTreeMap::new();
            for span in &spans {
                *kinds.entry(&span.kind).or_default() += 1;
            }
            rows.push(json!({
                "service": key.0,
                "operation": key.1,
                "kind": kinds.iter().max_by_key(|it| it.1).unwrap().0,
                "traces": shares.len(),
                "traces_over_threshold": over,
                "mean_share_percent": shares.iter().sum::<f64>() / shares.len() as f64,
                "max_share_percent": shares.iter().copied().fold(0.0, f64::max),
                "waited_ms": ms(total),
                "has_error": spans.iter().any(|it| it.error),
            }));
        }
        rows
    }

    /// Longest root first, then trace id, root start, root span id.
    pub fn critical_paths(&self) -> Vec<Value> {
        let mut roots: Vec<(&Trace, usize)> = self
            .traces
            .iter()
            .flat_map(|trace| trace.children(None).into_iter().map(move |root| (trace, root)))
            .collect();
        roots.sort_by_key(|(trace, root)| {
            let span = &trace.spans[*root];
            (Reverse(span.duration), trace.id.clone(), span.start, span.id.clone())
        });
        roots.into_iter().map(|(trace, root)| critical_path(trace, root)).collect()
    }

    pub fn critical_path_summary(&self) -> Value {
        let waited = self.waited();
        let whole: i64 = self.traces.iter().map(|it| it.spans[it.main_root()].duration).sum();
        let mut operations: BTreeMap<_, (i64, BTreeSet<&str>)> = BTreeMap::new();
        let mut paths: BTreeMap<_, (i64, BTreeSet<&str>)> = BTreeMap::new();
        for (trace, by_span) in &waited {
            for (&span, &ns) in by_span {
                for row in [
                    operations.entry(trace.spans[span].key()).or_default(),
                    paths.entry(trace.call_path(span)).or_default(),
                ] {
                    row.0 += ns;
                    row.1.insert(&trace.id);
                }
            }
        }
        let numbers = |mut row: Value, (ns, traces): &(i64, BTreeSet<&str>)| {
            row["self_ms"] = json!(ms(*ns));
            row["share_percent"] = json!(percent(*ns as f64, whole as f64));
            row["traces"] = json!(traces.len());
            row
        };
        let of_operation = operations
            .iter()
            .map(|((service, operation), it)| numbers(json!({"service": service, "operation": operation}), it));
        let of_path = paths.iter().map(|(path, it)| numbers(json!({"path": path, "depth": path.len()}), it));
        json!({
            "operations": of_operation.collect::<Vec<_>>(),
            "operations_total": operations.len(),
            "paths": of_path.collect::<Vec<_>>(),
            "paths_total": paths.len(),
        })
    }

    /// Without examples; messages as they were written.
    pub fn errors(&self) -> Value {
        let failing = self.failing();
        let mut by_service: BTreeMap<&str, usize> = BTreeMap::new();
        let mut patterns: BTreeMap<_, Vec<(&Trace, &Span)>> = BTreeMap::new();
        for (trace, _, span) in self.spans().filter(|it| it.2.error) {
            *by_service.entry(&span.service).or_default() += 1;
            let message = span.message.as_deref().map(str::trim);
            let key = (&span.service, &span.operation, message, &span.error_type, &span.code);
            patterns.entry(key).or_default().push((trace, span));
        }
        let patterns: Vec<Value> = patterns
            .iter()
            .map(|((service, operation, message, error_type, code), spans)| {
                let traces: BTreeSet<&str> = spans.iter().map(|it| it.0.id.as_str()).collect();
                let starts = || spans.iter().map(|it| it.1.start);
                json!({
                    "service": service, "operation": operation,
                    "error_message": message, "error_type": error_type, "code": code,
                    "count": spans.len(), "traces": traces.len(),
                    "percentage": percent(traces.len() as f64, failing as f64),
                    "first_seen": rfc3339(starts().min().unwrap()),
                    "last_seen": rfc3339(starts().max().unwrap()),
                })
            })
            .collect();
        let (root_causes, absorbed) = (self.root_causes(), self.absorbed());
        json!({
            "error_rate": percent(failing as f64, self.traces.len() as f64),
            "total_traces": self.traces.len(),
            "failing_traces": failing,
            "patterns_total": patterns.len(),
            "root_causes_total": root_causes.len(),
            "absorbed_total": absorbed.len(),
            "errors_by_service": by_service.iter().map(|(service, count)| ((*service).to_owned(), json!({"count": count}))).collect::<Value>(),
            "patterns": patterns,
            "root_causes": root_causes,
            "absorbed": absorbed,
        })
    }

    fn root_causes(&self) -> Vec<Value> {
        let failed = self.failed();
        let mut causes: BTreeMap<_, (usize, BTreeSet<&str>)> = BTreeMap::new();
        for trace in &failed {
            let joined = trace.joined_errors(trace.main_root());
            let deepest = joined.iter().filter(|it| !trace.has_error_below(**it));
            let cause = *deepest.min_by_key(|it| trace.spans[**it].end()).unwrap();
            let span = &trace.spans[cause];
            let message = span.message.as_deref().map(str::trim);
            let row = causes.entry((&span.service, &span.operation, message)).or_default();
            row.0 += 1;
            let mut above = span.parent;
            while let Some(at) = above {
                let caller = &trace.spans[at];
                if caller.service != span.service {
                    row.1.insert(&caller.service);
                }
                above = caller.parent;
            }
        }
        causes
            .iter()
            .map(|((service, operation, message), (traces, callers))| {
                json!({
                    "service": service, "operation": operation, "error_message": message, "traces": traces,
                    "share_percent": percent(*traces as f64, failed.len() as f64), "failed_callers": callers,
                })
            })
            .collect()
    }

    fn absorbed(&self) -> Vec<Value> {
        let mut rows: BTreeMap<_, Vec<&str>> = BTreeMap::new();
        for (trace, _, span) in self.spans() {
            let Some(parent) = span.parent.map(|it| &trace.spans[it]) else { continue };
            if span.error && !parent.error && !trace.spans[trace.main_root()].error {
                let message = span.message.as_deref().map(str::trim);
                let key = (&span.service, &span.operation, message, &parent.service, &parent.operation);
                rows.entry(key).or_default().push(&trace.id);
            }
        }
        rows.iter()
            .map(|((service, operation, message, by_service, by_operation), traces)| {
                json!({
                    "service": service, "operation": operation, "error_message": message,
                    "by_service": by_service, "by_operation": by_operation,
                    "count": traces.len(), "traces": traces.iter().collect::<BTreeSet<_>>().len(),
                })
            })
            .collect()
    }

    /// Calls that leave their service: (from, to) and the called spans.
    pub fn edges(&self) -> BTreeMap<(&str, &str), Vec<&Span>> {
        let mut edges: BTreeMap<(&str, &str), Vec<&Span>> = BTreeMap::new();
        for (trace, idx, span) in self.spans() {
            let caller = span.parent.map(|it| trace.spans[it].service.as_str());
            if let Some(caller) = caller.filter(|it| *it != span.service) {
                assert!(trace.is_blocking(idx), "an edge of messages");
                edges.entry((caller, &span.service)).or_default().push(span);
            }
            // A peer without instrumentation would be one more; here the only one named is the service itself.
            let is_leaf = trace.children(Some(idx)).is_empty();
            if is_leaf && matches!(span.kind.as_deref(), Some("client" | "producer")) {
                assert!(span.peer.as_ref().is_none_or(|it| *it == span.service), "a peer: {span:?}");
            }
        }
        edges
    }

    pub fn dependencies(&self) -> Value {
        let edges = self.edges();
        let errors = |spans: &[&Span]| spans.iter().filter(|it| it.error).count();
        let mut services = serde_json::Map::new();
        let names: BTreeSet<&str> = self.spans().map(|it| it.2.service.as_str()).collect();
        for name in names {
            let spans: Vec<&Span> = self.spans().map(|it| it.2).filter(|it| it.service == name).collect();
            let durations: Vec<i64> = spans.iter().map(|it| it.duration).collect();
            let stats = statistics(&durations);
            let mut operations: BTreeMap<&str, usize> = BTreeMap::new();
            for span in &spans {
                *operations.entry(&span.operation).or_default() += 1;
            }
            let mut top: Vec<_> = operations.into_iter().collect();
            top.sort_by_key(|it| Reverse(it.1));
            top.truncate(5);
            // Who calls a root is not in the capture, but it is a call all the same.
            let calls_in: usize = edges.iter().filter(|it| it.0.1 == name).map(|it| it.1.len()).sum();
            let roots = spans.iter().filter(|it| it.parent.is_none()).count();
            services.insert(
                name.to_owned(),
                json!({
                    "call_count": spans.len(),
                    "total_duration_ms": stats["total_ms"],
                    "error_count": errors(&spans),
                    "avg_duration_ms": stats["mean_ms"],
                    "error_rate": percent(errors(&spans) as f64, spans.len() as f64),
                    "p95_ms": stats["p95_ms"],
                    "entry_count": calls_in + roots,
                    "fan_in": edges.keys().filter(|it| it.1 == name).count(),
                    "fan_out": edges.keys().filter(|it| it.0 == name).count(),
                    "top_operations": top.iter().map(|it| json!({"operation": it.0, "count": it.1})).collect::<Vec<_>>(),
                    "instrumented": true,
                    "type": "service",
                }),
            );
        }
        let mut counts: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
        let mut rows = Vec::new();
        for ((from, to), spans) in &edges {
            counts.entry(from).or_default().insert(to, spans.len());
            let durations: Vec<i64> = spans.iter().map(|it| it.duration).collect();
            let stats = statistics(&durations);
            rows.push(json!({
                "from": from, "to": to, "call_count": spans.len(), "error_count": errors(spans),
                "error_rate": percent(errors(spans) as f64, spans.len() as f64),
                "p50_ms": stats["median_ms"], "p95_ms": stats["p95_ms"], "async": false, "inferred": false,
            }));
        }
        let pairs: Vec<(&str, &str)> = edges.keys().copied().collect();
        json!({
            "services": services,
            "dependencies": counts,
            "edges": rows,
            "cycles": [],
            "depth": pairs.iter().map(|it| depth(&pairs, it.0, pairs.len())).max().unwrap_or(0),
        })
    }
}

/// Edges on the longest path from a service; panics on a cycle.
fn depth(edges: &[(&str, &str)], from: &str, left: usize) -> usize {
    assert!(left + 1 > 0);
    let below = edges.iter().filter(|it| it.0 == from);
    below.map(|it| 1 + depth(edges, it.1, left.checked_sub(1).expect("a cycle"))).max().unwrap_or(0)
}

fn critical_path(trace: &Trace, root: usize) -> Value {
    let path = trace.path(root);
    let duration = trace.spans[root].duration;
    let share = |ns: i64| percent(ns as f64, duration as f64);
    let mut order: Vec<usize> = Vec::new();
    for section in &path {
        if !order.contains(&section.0) {
            order.push(section.0);
        }
    }
    let spans: Vec<Value> = order
        .iter()
        .map(|it| {
            let span = &trace.spans[*it];
            let own: i64 = path.iter().filter(|section| section.0 == *it).map(|it| it.2 - it.1).sum();
            json!({
                "span_id": span.id, "service": span.service, "operation": span.operation,
                "duration_ms": ms(span.duration), "self_ms": ms(own), "share_percent": share(own), "has_error": span.error,
            })
        })
        .collect();
    let sections: Vec<Value> = path
        .iter()
        .map(|(it, start, end)| {
            let span = &trace.spans[*it];
            json!({
                "span_id": span.id, "service": span.service, "operation": span.operation,
                "start_us": start / 1000, "end_us": end / 1000,
                "start_offset_ns": start - trace.start(), "end_offset_ns": end - trace.start(),
                "share_percent": share(end - start),
            })
        })
        .collect();
    let span = &trace.spans[root];
    json!({
        "trace_id": trace.id, "root_span_id": span.id, "service": span.service, "operation": span.operation,
        "main": root == trace.main_root(), "partial": false,
        "total_duration_ms": ms(trace.duration()), "critical_path_duration_ms": ms(duration),
        "span_count": order.len(), "spans": spans, "sections": sections,
    })
}

// ----------------------------------------------------------------------------- the comparison

/// Where two values differ, by their places; numbers are compared as exactly as they are meant.
/// What is in `free` may be there and is not compared.
pub fn differences(found: &Value, expected: &Value, free: &[&str]) -> Vec<String> {
    let mut list = Vec::new();
    differ("", "", found, expected, free, &mut list);
    list
}

fn differ(at: &str, key: &str, found: &Value, expected: &Value, free: &[&str], list: &mut Vec<String>) {
    match (found, expected) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                if !free.contains(&key.as_str()) {
                    let null = |it: Option<&Value>| it.cloned().unwrap_or_else(|| json!("(no such key)"));
                    differ(&format!("{at}/{key}"), key, &null(a.get(key)), &null(b.get(key)), free, list);
                }
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            if a.len() != b.len() {
                list.push(format!("{at}: {} entries, expected {}", a.len(), b.len()));
            }
            for (nth, (a, b)) in a.iter().zip(b).enumerate() {
                differ(&format!("{at}/{nth}"), key, a, b, free, list);
            }
        }
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            let is_quantile = key == "median_ms" || (key.starts_with('p') && key.ends_with("_ms"));
            let is_percent = key.ends_with("_percent") || key.ends_with("_rate") || key == "percentage";
            let tolerance = if is_quantile {
                b.abs() * 1e-3
            } else if is_percent {
                1e-4
            } else if expected.is_i64() || expected.is_u64() {
                0.0
            } else {
                // Milliseconds have six decimals.
                (b.abs() * 1e-6).max(1e-6)
            };
            if (a - b).abs() > tolerance {
                list.push(format!("{at}: {a}, expected {b}"));
            }
        }
        (Value::String(a), Value::String(b)) if key == "error_message" => {
            // Normalized in the report, as written in the recount.
            let plain = |it: &str| {
                let text: String = it.trim().chars().map(|it| if it.is_ascii_digit() { '?' } else { it }).collect();
                text.split('?').filter(|it| !it.is_empty()).collect::<Vec<_>>().join("?")
            };
            if plain(a) != plain(b) {
                list.push(format!("{at}: {a:?}, expected {b:?}"));
            }
        }
        (a, b) if a != b => list.push(format!("{at}: {a}, expected {b}")),
        _ => {}
    }
}

/// A list whose order is not compared (but by the caller), sorted by these keys.
pub fn sorted_by(list: &Value, keys: &[&str]) -> Value {
    let mut list = list.as_array().cloned().unwrap_or_default();
    list.sort_by_key(|it| keys.iter().map(|key| it[*key].to_string()).collect::<Vec<_>>());
    Value::Array(list)
}

/// Whether the numbers under a key never grow from one row to the next.
pub fn falls(list: &Value, key: &str) -> bool {
    let numbers: Vec<f64> = list.as_array().unwrap().iter().map(|it| it[key].as_f64().unwrap()).collect();
    numbers.is_sorted_by(|a, b| a >= b)
}
