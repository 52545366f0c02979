//! Real servers, fetched by the real binary: `tests/backends/run test` starts, loads and stops them.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test says what went wrong by panicking"
)]

#[path = "backends/server.rs"]
mod server;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use server::{
    Api, HOUR, Server, Window, differences, findings, in_directory, jaegers, last, program, report, servers, spans_of,
    written,
};

/// How many requests a verbose run says it made.
fn requests(stderr: &str) -> usize {
    let words: Vec<&str> = stderr.split_whitespace().collect();
    let at = words.iter().position(|it| *it == "requests").expect(stderr);
    words[at - 1].parse().expect(stderr)
}

fn assert_same(server: &Server, found: Value, expected: Value) {
    let differing = differences(&findings(found), &findings(expected));
    assert!(differing.is_empty(), "{}: {differing:#?}", server.name);
}

/// The report on a service of a server, which is the report on its own answer saved to a file.
fn agrees(server: &Server, service: &str) -> Value {
    let file = server.saved(service, last(HOUR));
    let flags = ["--service", service, "--verbose"];
    let output = program(&server.args(&[&flags[..], &["--page-size", "100", "--json", "--top", "0"]].concat()));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{}: {stderr}", server.name);
    let fetched: Value = serde_json::from_slice(&output.stdout).unwrap();
    let n_traces = &fetched["summary"]["trace_count"];
    println!("{}: {n_traces} traces of {service} in {} requests", server.name, requests(&stderr));
    assert_eq!(fetched["input"]["complete"], true, "{}", server.name);
    assert_same(server, fetched.clone(), report(&[&[file.path().to_str().unwrap()], &flags[..]].concat()));
    fetched
}

/// Ids of the traces of a run, with how many spans each has.
fn traces(args: &[&str]) -> BTreeMap<String, usize> {
    let mut traces = BTreeMap::new();
    for span in spans_of(args) {
        *traces.entry(span["trace_id"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    traces
}

/// The same of what a link leads to.
fn traces_at(server: &Server, path: &str) -> BTreeMap<String, usize> {
    let args = server.link(path);
    traces(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

fn map(traces: &[(&str, usize)]) -> BTreeMap<String, usize> {
    traces.iter().map(|(id, n_spans)| ((*id).to_owned(), *n_spans)).collect()
}

#[test]
fn everything_of_a_service_is_analyzed_though_pages_hold_a_hundred() {
    for server in servers() {
        let service = if server.api == Api::Zipkin { "web" } else { "tg-00" };
        let fetched = agrees(&server, service);
        assert_eq!(fetched["summary"]["trace_count"], server.loaded[service], "{}", server.name);
    }
}

/// Traces that begin at once can't be told apart by time.
#[test]
fn more_traces_in_a_microsecond_than_on_a_page() {
    for server in jaegers() {
        let fetched = report(&server.args(&["--service", "burst", "--time-range", "4h", "--page-size", "100"]));
        assert_eq!(fetched["input"]["complete"], true, "{}", server.name);
        assert_eq!(fetched["summary"]["trace_count"], server.loaded["burst"], "{}", server.name);
    }
}

/// What a span is, as far as every API tells: two of three cut times to microseconds.
fn identity(span: &Value) -> impl Ord + Clone + std::fmt::Debug + use<> {
    let text = |name: &str| span[name].as_str().unwrap_or("-").to_owned();
    let words = ["trace_id", "span_id", "parent_span_id", "service", "operation", "kind"].map(text);
    (words, span["start_us"].as_i64(), span["duration_us"].as_i64(), span["error"].as_bool())
}

/// A demo application's traces are analyzed whole; what is exported is what is analyzed; and as all servers were told
/// the same, all give the same spans.
#[test]
fn a_real_application_analyzed_exported_and_compared() {
    let directory = tempfile::tempdir().unwrap();
    let mut first: Option<(String, BTreeSet<_>)> = None;
    for server in jaegers() {
        let fetched = agrees(&server, "frontend");
        assert!(fetched["summary"]["trace_count"].as_u64().unwrap() >= 200, "{}", server.name);
        assert!(fetched["summary"]["service_count"].as_u64().unwrap() >= 6, "{}", server.name);

        let file = in_directory(&directory, &format!("{}.jsonl.gz", server.name.replace('/', "-")));
        let flags = server.args(&["--service", "frontend", "--to", "otlp", "-o", &file]);
        written(&[&["export"], &flags[..]].concat());
        assert_same(&server, report(&[&file, "--service", "frontend", "--verbose"]), fetched);

        let spans = spans_of(&[&file]);
        let found: BTreeSet<_> = spans.iter().map(identity).collect();
        assert_eq!(found.len(), spans.len(), "{}: a span twice", server.name);
        match &first {
            None => first = Some((server.name, found)),
            Some((name, expected)) => {
                let differing: Vec<_> = found.symmetric_difference(expected).take(4).collect();
                assert!(differing.is_empty(), "{} and {name}: {differing:#?}", server.name);
            }
        }
    }
}

#[test]
fn an_export_of_zipkin_is_what_is_analyzed() {
    let directory = tempfile::tempdir().unwrap();
    for server in servers().into_iter().filter(|it| it.api == Api::Zipkin) {
        let file = in_directory(&directory, "web.json.zst");
        let flags = server.args(&["--service", "web", "--to", "zipkin", "-o", &file]);
        written(&[&["export"], &flags[..]].concat());
        let window = last(HOUR);
        let saved = server.saved("web", window);
        assert_same(&server, report(&[&file]), report(&[saved.path().to_str().unwrap()]));
    }
}

/// One server asked by both of its APIs: nanoseconds cut to microseconds, the findings are the same.
#[test]
fn both_apis_of_a_jaeger_lead_to_the_same_findings() {
    let all: Vec<Server> = jaegers().collect();
    let named = |name: &str| all.iter().find(|it| it.name == name);
    // The one is the other, with less of it to be seen.
    let (Some(v3), Some(legacy)) = (named("jaeger-legacy-gone"), named("jaeger-2.13")) else { return };
    let directory = tempfile::tempdir().unwrap();
    let mut reports = Vec::new();
    for server in [v3, legacy] {
        let mut lines = String::new();
        for mut span in spans_of(&server.args(&["--service", "frontend"])) {
            let us = |name: &str| span[name].as_i64().unwrap() * 1_000;
            let (start_ns, duration_ns) = (us("start_us"), us("duration_us"));
            span["start_ns"] = start_ns.to_string().into();
            span["duration_ns"] = duration_ns.into();
            lines.push_str(&span.to_string());
            lines.push('\n');
        }
        let file = in_directory(&directory, &format!("{}.jsonl", server.name));
        std::fs::write(&file, lines).unwrap();
        reports.push(report(&[&file]));
    }
    let expected = reports.pop().unwrap();
    assert_same(v3, reports.pop().unwrap(), expected);
}

/// Traces that were posted by hand, with how many spans each has: two of one service.
const BY_HAND: [(&str, usize); 2] = [("0dd00000000000000000000000000001", 2), ("0dd00000000000000000000000000002", 1)];

#[test]
fn a_link_to_a_trace_gives_the_trace() {
    for server in servers() {
        let [one, other] = match server.api {
            Api::Zipkin => [("c0de000000000001", 3), ("c0de000000000002", 3)],
            _ => BY_HAND,
        };
        let id = one.0;
        let paths = match server.api {
            Api::Zipkin => vec![format!("/zipkin/traces/{id}"), format!("/api/v2/trace/{id}")],
            Api::Legacy => vec![
                format!("/trace/{id}"),
                format!("/trace/{id}?uiFind=redis&uiTimelineHeight=20"),
                format!("/api/traces/{id}?prettyPrint=true"),
            ],
            Api::V3 => vec![format!("/trace/{id}"), format!("/api/v3/traces/{id}")],
        };
        for path in paths {
            assert_eq!(traces_at(&server, &path), map(&[one]), "{}: {path}", server.name);
        }
        if server.api != Api::Zipkin {
            let comparison = format!("/trace/{id}...{}?cohort={id}&cohort={}", other.0, other.0);
            assert_eq!(traces_at(&server, &comparison), map(&[one, other]), "{}: {comparison}", server.name);
        }
        let both = traces(&server.args(&["--trace-id", id, "--trace-id", other.0]));
        assert_eq!(both, map(&[one, other]), "{}: ids", server.name);
    }
}

#[test]
fn a_trace_that_is_not_there_is_an_error() {
    for server in servers() {
        let output = program(&server.args(&["--trace-id", "00000000000000000000000000abcdef"]));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{}: {stderr}", server.name);
        assert!(stderr.contains("abcdef") && stderr.contains("hint:"), "{}: {stderr}", server.name);
    }
}

/// The traces of a part of an hour, as a search page names it, are those that began in it.
#[test]
fn a_link_to_a_search_gives_what_it_shows() {
    for server in servers() {
        let service = if server.api == Api::Zipkin { "web" } else { "tg-01" };
        let begun = server.begun(service, last(HOUR));
        let (Window { from_us, until_us }, expected) = part(&begun);
        assert!(expected.len() > 200, "{}: {}", server.name, expected.len());
        let time = |us: i64| jiff::Timestamp::from_microsecond(us).unwrap().to_string();
        let path = match server.api {
            Api::Legacy => format!(
                "/search?end={until_us}&limit=20&lookback=custom&maxDuration&minDuration&service={service}&start={from_us}"
            ),
            Api::V3 => format!(
                "/api/v3/traces?query.serviceName={service}&query.startTimeMin={}&query.startTimeMax={}&query.searchDepth=20",
                time(from_us),
                time(until_us)
            ),
            Api::Zipkin => format!(
                "/zipkin/?serviceName={service}&lookback=range&startTs={}&endTs={}&limit=10",
                from_us / 1_000,
                until_us / 1_000
            ),
        };
        let found: BTreeSet<String> = traces_at(&server, &path).into_keys().collect();
        let differing: Vec<_> = found.symmetric_difference(&expected).take(4).collect();
        assert!(differing.is_empty(), "{}: {path}: {} traces, {differing:?}", server.name, found.len());
    }
}

/// An eighth of the traces, between two whole milliseconds, and their ids.
fn part(begun: &BTreeMap<String, i64>) -> (Window, BTreeSet<String>) {
    let mut starts: Vec<i64> = begun.values().copied().collect();
    starts.sort_unstable();
    let rounded = |nth: usize| starts[nth] / 1_000 * 1_000;
    let window = Window { from_us: rounded(starts.len() / 2), until_us: rounded(starts.len() * 5 / 8) };
    let is_within = |it: i64| window.from_us <= it && it < window.until_us;
    (window, begun.iter().filter(|it| is_within(*it.1)).map(|it| it.0.clone()).collect())
}

/// What a search page is asked for most: traces with an error, which OTLP has no tag for.
#[test]
fn a_link_to_a_search_brings_its_filters() {
    let service = "p%C3%A4yment+%2F+a%2Bb%2520%26c%3Dd%3F%23";
    for server in jaegers() {
        let search = format!("/search?limit=20&lookback=1h&service={service}");
        for (filter, n_expected) in [
            ("&tags=%7B%22error%22%3A%22true%22%7D", 1),
            ("&tags=%7B%22db.system%22%3A%22postgresql%22%7D", 1),
            ("&tags=%7B%22db.system%22%3A%22mysql%22%7D", 0),
            ("&operation=SELECT", 1),
            ("&minDuration=200ms", 1),
            ("&minDuration=300ms", 0),
            ("", 2),
        ] {
            let found = traces_at(&server, &format!("{search}{filter}"));
            assert_eq!(found.len(), n_expected, "{}: {filter}: {found:?}", server.name);
        }
    }
}

#[test]
fn names_and_ages_of_every_kind() {
    for server in jaegers() {
        let fetched = agrees(&server, "päyment / a+b%20&c=d?#");
        assert_eq!(fetched["summary"]["failing_traces"], 1, "{}", server.name);
        assert_eq!(fetched["summary"]["trace_count"], 2, "{}", server.name);
        let operations = |range: &str| -> BTreeSet<String> {
            let spans = spans_of(&server.args(&["--service", "aged", "--time-range", range]));
            spans.iter().map(|it| it["operation"].as_str().unwrap().to_owned()).collect()
        };
        let set = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<BTreeSet<String>>();
        // A trace counts when it began in the range, wherever its spans reach.
        assert_eq!(operations("80m"), set(&["today"]), "{}", server.name);
        assert_eq!(operations("4h"), set(&["today", "long", "its end"]), "{}", server.name);
        assert_eq!(operations("1d"), set(&["today", "long", "its end", "hours ago"]), "{}", server.name);
        let all = set(&["today", "long", "its end", "hours ago", "before the weekend"]);
        assert_eq!(operations("7d"), all, "{}", server.name);
    }
}

/// What the server counts itself. Jaeger 2.13 counts calls within a service too, which are no dependencies here.
#[test]
fn calls_between_services_are_as_many_as_the_server_counts() {
    for server in servers() {
        let service = if server.api == Api::Zipkin { "web" } else { "frontend" };
        let flags = ["--service", service, "--dependencies", "--check"];
        let checked = report(&server.args(&flags));
        let edges = checked["dependencies"]["dependencies"][service].as_object().unwrap();
        assert!(!edges.is_empty(), "{}", server.name);
        let counted_otherwise = |report: &Value| -> Vec<Value> {
            let rows = report["dependencies"]["check"].as_array().unwrap();
            rows.iter().filter(|it| it["from"] != it["to"]).cloned().collect()
        };
        assert_eq!(counted_otherwise(&checked), Vec::<Value>::new(), "{}", server.name);
        // Where not all traces are looked at, the counts differ, and that is seen.
        let narrower = report(&server.args(&[&flags[..], &["--errors-only"]].concat()));
        assert!(!counted_otherwise(&narrower).is_empty(), "{}", server.name);
    }
}

/// A number that JSON has no word for: the server refuses whatever page it stands on.
#[test]
fn a_trace_that_its_server_cannot_write_costs_only_itself() {
    for server in jaegers() {
        let flags = ["--service", "poisoned", "--time-range", "6h", "--json"];
        let output = program(&server.args(&flags));
        let stderr = String::from_utf8(output.stderr).unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).expect(&stderr);
        if server.api == Api::V3 {
            assert_eq!(output.status.code(), Some(0), "{}: {stderr}", server.name);
            assert_eq!(report["summary"]["trace_count"], 3, "{}", server.name);
            continue;
        }
        assert_eq!(output.status.code(), Some(2), "{}: {stderr}", server.name);
        assert!(stderr.contains("hint: --partial"), "{}: {stderr}", server.name);
        assert_eq!(report["input"]["complete"], false, "{}", server.name);
        let reasons = report["input"]["incomplete_reasons"].to_string();
        assert!(reasons.contains("unsupported value: NaN"), "{}: {reasons}", server.name);
        assert_eq!(report["summary"]["trace_count"], 2, "{}", server.name);
        let partial = program(&server.args(&[&flags[..], &["--partial"]].concat()));
        assert!(partial.status.success(), "{}", server.name);
    }
}

#[test]
fn a_service_that_is_not_there_is_said() {
    for server in servers() {
        let service = server.loaded.keys().next().unwrap();
        let output = program(&server.args(&["--service", &format!("{service}x")]));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{}: {stderr}", server.name);
        assert!(stderr.contains(service), "{}: {stderr}", server.name);
    }
}
