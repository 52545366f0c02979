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
    Api, HOUR, Server, Window, findings, in_directory, jaegers, last, program, report, servers, spans_of, written,
};

/// How many requests a verbose run says it made.
fn requests(stderr: &str) -> usize {
    let words: Vec<&str> = stderr.split_whitespace().collect();
    let at = words.iter().position(|it| it.trim_end_matches(',') == "requests").expect(stderr);
    words[at - 1].parse().expect(stderr)
}

/// The report on a service of a server, which is the report on its own answer saved to a file.
fn agrees(server: &Server, service: &str) -> Value {
    let window = last(HOUR);
    let file = server.saved(service, window);
    let flags = ["--service", service, "--json", "--top", "0", "--page-size", "100", "--verbose"];
    let output = program(&server.args(&flags));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{}: {stderr}", server.name);
    let fetched: Value = serde_json::from_slice(&output.stdout).unwrap();
    let n_traces = &fetched["summary"]["trace_count"];
    println!("{}: {n_traces} traces of {service} in {} requests", server.name, requests(&stderr));
    assert_eq!(fetched["input"]["complete"], true, "{}", server.name);
    let expected = findings(report(&[file.path().to_str().unwrap(), "--service", service]));
    assert_eq!(findings(fetched.clone()), expected, "{}, {service}", server.name);
    fetched
}

#[test]
fn everything_of_a_service_is_analyzed_though_pages_hold_a_hundred() {
    for server in servers() {
        for (service, n_traces) in server.loaded.iter().filter(|it| it.0 != "burst") {
            let fetched = agrees(&server, service);
            assert_eq!(fetched["summary"]["trace_count"], *n_traces, "{}, {service}", server.name);
        }
    }
}

#[test]
fn a_real_application_is_analyzed_whole() {
    for server in jaegers() {
        let fetched = agrees(&server, "frontend");
        assert!(fetched["summary"]["trace_count"].as_u64().unwrap() >= 200, "{}", server.name);
        assert!(fetched["summary"]["service_count"].as_u64().unwrap() >= 6, "{}", server.name);
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

/// Every server holds the same traces, however it was told of them and gives them out.
#[test]
fn the_servers_agree_on_every_span() {
    let key = |span: &Value| {
        let text = |name: &str| span[name].as_str().unwrap_or("-").to_owned();
        let words = ["trace_id", "span_id", "parent_span_id", "service", "operation", "kind"].map(text);
        // Two of three APIs tell microseconds.
        (words, span["start_us"].as_i64(), span["duration_us"].as_i64(), span["error"].as_bool())
    };
    let mut first: Option<(String, BTreeSet<_>)> = None;
    for server in jaegers() {
        let spans = spans_of(&server.args(&["--service", "frontend"]));
        let keys: BTreeSet<_> = spans.iter().map(key).collect();
        assert_eq!(keys.len(), spans.len(), "{}: a span twice", server.name);
        match &first {
            None => first = Some((server.name, keys)),
            Some((name, expected)) => {
                let differing: Vec<_> = keys.symmetric_difference(expected).take(4).collect();
                assert!(differing.is_empty(), "{} and {name}: {differing:#?}", server.name);
            }
        }
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
            for name in ["start", "duration"] {
                let us = span[format!("{name}_us")].as_i64().unwrap();
                let ns = us.checked_mul(1_000).unwrap();
                span[format!("{name}_ns")] = if name == "start" { ns.to_string().into() } else { ns.into() };
            }
            lines.push_str(&span.to_string());
            lines.push('\n');
        }
        let file = in_directory(&directory, &format!("{}.jsonl", server.name));
        std::fs::write(&file, lines).unwrap();
        reports.push(findings(report(&[&file])));
    }
    assert_eq!(reports[0], reports[1]);
}

/// Ids of a service's traces of the last hour, with when each began.
fn begun(server: &Server, service: &str) -> BTreeMap<String, i64> {
    let mut begun: BTreeMap<String, i64> = BTreeMap::new();
    for span in server.spans(service, last(HOUR)) {
        let start_us = span["start_us"].as_i64().unwrap();
        let earliest = begun.entry(span["trace_id"].as_str().unwrap().to_owned()).or_insert(start_us);
        *earliest = (*earliest).min(start_us);
    }
    begun
}

/// Ids of the traces that a link leads to.
fn ids_at(server: &Server, path: &str) -> BTreeSet<String> {
    let args = server.link(path);
    ids(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Ids of the traces of a run.
fn ids(args: &[&str]) -> BTreeSet<String> {
    spans_of(args).iter().map(|it| it["trace_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_link_to_a_trace_gives_the_trace() {
    for server in servers() {
        let service = if server.api == Api::Zipkin { "web" } else { "frontend" };
        let some: Vec<String> = begun(&server, service).into_keys().take(2).collect();
        let [first, second] = some.as_slice() else { panic!("{}: {some:?}", server.name) };
        let paths = match server.api {
            Api::Zipkin => vec![format!("/zipkin/traces/{first}"), format!("/api/v2/trace/{first}")],
            Api::Legacy => vec![
                format!("/trace/{first}"),
                format!("/trace/{first}?uiFind=redis&uiTimelineHeight=20"),
                format!("/api/traces/{first}?prettyPrint=true"),
            ],
            Api::V3 => vec![format!("/trace/{first}"), format!("/api/v3/traces/{first}")],
        };
        for path in paths {
            let found = ids_at(&server, &path);
            assert_eq!(found, BTreeSet::from([first.clone()]), "{}: {path}", server.name);
        }
        if server.api != Api::Zipkin {
            let found = ids_at(&server, &format!("/trace/{first}...{second}?cohort={first}&cohort={second}"));
            assert_eq!(found, BTreeSet::from([first.clone(), second.clone()]), "{}: a comparison", server.name);
        }
        let found = ids(&server.args(&["--trace-id", first, "--trace-id", second]));
        assert_eq!(found, BTreeSet::from([first.clone(), second.clone()]), "{}: ids", server.name);
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
        let begun = begun(&server, service);
        let (window, expected) = part(&begun);
        assert!(expected.len() > 150, "{}: {}", server.name, expected.len());
        let Window { from_us, until_us } = window;
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
        assert_eq!(ids_at(&server, &path), expected, "{}: {path}", server.name);
    }
}

/// A quarter of the traces, between two whole milliseconds, and their ids.
fn part(begun: &BTreeMap<String, i64>) -> (Window, BTreeSet<String>) {
    let mut starts: Vec<i64> = begun.values().copied().collect();
    starts.sort_unstable();
    let rounded = |nth: usize| starts[nth] / 1_000 * 1_000;
    let window = Window { from_us: rounded(starts.len() / 2), until_us: rounded(starts.len() * 3 / 4) };
    let is_within = |it: i64| window.from_us <= it && it < window.until_us;
    (window, begun.iter().filter(|it| is_within(*it.1)).map(|it| it.0.clone()).collect())
}

#[test]
fn a_link_to_a_search_brings_its_filters() {
    for server in jaegers() {
        let mut expected = BTreeSet::new();
        for span in server.spans("redis-manual", last(HOUR)) {
            if span["service"] == "redis-manual" && span["error"] == true {
                expected.insert(span["trace_id"].as_str().unwrap().to_owned());
            }
        }
        assert!(!expected.is_empty(), "{}: HotROD's redis times out now and then", server.name);
        let tags = "tags=%7B%22error%22%3A%22true%22%7D";
        let link = format!("/search?limit=20&lookback=1h&service=redis-manual&{tags}");
        assert_eq!(ids_at(&server, &link), expected, "{}", server.name);
    }
}

#[test]
fn names_and_ages_of_every_kind() {
    for server in jaegers() {
        let name = "päyment / a+b%20&c=d?#";
        let fetched = agrees(&server, name);
        assert_eq!(fetched["summary"]["failing_traces"], 1, "{}", server.name);
        assert_eq!(fetched["summary"]["trace_count"], 2, "{}", server.name);
        let operations = |range: &str| -> BTreeSet<String> {
            let spans = spans_of(&server.args(&["--service", "aged", "--time-range", range]));
            spans.iter().map(|it| it["operation"].as_str().unwrap().to_owned()).collect()
        };
        let set = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<BTreeSet<String>>();
        // A trace counts when it began in the range, wherever its spans reach.
        assert_eq!(operations("1h"), set(&["today"]), "{}", server.name);
        assert_eq!(operations("2h"), set(&["today", "long", "its end"]), "{}", server.name);
        assert_eq!(operations("1d"), set(&["today", "long", "its end", "hours ago"]), "{}", server.name);
        let all = set(&["today", "long", "its end", "hours ago", "before the weekend"]);
        assert_eq!(operations("7d"), all, "{}", server.name);
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

#[test]
fn what_is_exported_is_what_is_analyzed() {
    let directory = tempfile::tempdir().unwrap();
    for server in servers() {
        let service = if server.api == Api::Zipkin { "web" } else { "frontend" };
        let target = if server.api == Api::Zipkin { "zipkin" } else { "otlp" };
        let ending = if server.api == Api::Zipkin { "json.zst" } else { "jsonl.gz" };
        let file = in_directory(&directory, &format!("{}.{ending}", server.name.replace('/', "-")));
        let flags = server.args(&["--service", service, "--to", target, "-o", &file]);
        written(&[&["export"], &flags[..]].concat());
        let expected = findings(report(&server.args(&["--service", service])));
        assert_eq!(findings(report(&[&file, "--service", service])), expected, "{}", server.name);
    }
}
