//! Formats of documents, rows and lines: the one incident in each of their variants, what holds for the
//! lines that follow, and searches that did not give all they found.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code, reason = "a test that fails says where")]

#[path = "support/binary.rs"]
mod binary;

use binary::{fixture, json, run_with_input};
use serde_json::{Value, json};

/// Files of the incident, and their format.
const FILES: &[(&str, &str)] = &[
    ("jaeger-es-search.json", "jaeger-es"),
    ("jaeger-es-dump.json", "jaeger-es"),
    ("jaeger-es-tag-objects.json", "jaeger-es"),
    ("jaeger-es-fields.json", "jaeger-es"),
    ("jaeger-proto-chunks.json", "jaeger-proto"),
    ("jaeger-proto-traces.json", "jaeger-proto"),
    ("jaeger-proto-topic.json", "jaeger-proto"),
    ("elastic-apm-search.json", "elastic-apm"),
    ("elastic-apm-dotted.json", "elastic-apm"),
    ("elastic-apm-dump.json", "elastic-apm"),
    ("elastic-apm-fields.json", "elastic-apm"),
    ("elastic-apm-intake.json", "elastic-apm"),
    ("elastic-otel-search.json", "elastic-otel"),
    ("elastic-otel-dump.json", "elastic-otel"),
    ("elastic-otel-fields.json", "elastic-otel"),
    ("opensearch-search.json", "opensearch"),
    ("opensearch-nested.json", "opensearch"),
    ("opensearch-sources.json", "opensearch"),
    ("azure-tables.json", "azure"),
    ("azure-workspace.json", "azure"),
    ("clickhouse-rows.json", "clickhouse"),
    ("clickhouse-answer.json", "clickhouse"),
    ("otel-console-python.json", "otel-console"),
    ("otel-console-go.json", "otel-console"),
    ("otel-console-go-pretty.json", "otel-console"),
    ("py-list.json", "py"),
    ("py-traces.json", "py"),
];

const PARTS: [&str; 6] = ["summary", "bottlenecks", "critical_paths", "errors", "dependencies", "performance"];

fn report(name: &str) -> Value {
    json(&[&fixture(&format!("formats/{name}"))])
}

fn report_of(args: &[&str], input: &[u8]) -> Value {
    let output = run_with_input(&[&["--json", "-"], args].concat(), input);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Of each critical path its trace, and the spans on it with their times.
fn span_times(report: &Value) -> Vec<Value> {
    let paths = report["critical_paths"].as_array().unwrap().iter();
    let spans = |it: &Value| {
        let spans = it["spans"].as_array().unwrap().iter();
        json!(
            spans
                .map(|it| json!([it["span_id"], it["service"], it["duration_ms"], it["has_error"]]))
                .collect::<Vec<_>>()
        )
    };
    paths.map(|it| json!([it["trace_id"], spans(it)])).collect()
}

#[test]
fn errors_told_beside_their_spans_are_no_spans() {
    for (name, _) in FILES {
        assert_eq!(report(name)["input"]["sources"][0]["spans"], json!(15), "{name}");
    }
}

#[test]
fn every_format_tells_the_same_incident() {
    let expected = report("jaeger.json");
    for (name, format) in FILES {
        let found = report(name);
        assert_eq!(found["input"]["sources"][0]["format"], json!(format), "{name}");
        assert_eq!(found["input"]["complete"], json!(true), "{name}");
        for part in PARTS {
            if *format != "azure" || part == "summary" {
                assert_eq!(found[part], expected[part], "{name}: {part}");
            }
        }
        // Azure gives calls by HTTP another name, with the path, and with that another place in lists.
        assert_eq!(span_times(&found), span_times(&expected), "{name}");
        assert_eq!(found["dependencies"]["edges"], expected["dependencies"]["edges"], "{name}");
    }
}

/// What an agent of this service sends: who it is, and transactions, each in a trace of its own.
fn sent_by(service: &str, from: u64, n: u64) -> String {
    let mut text =
        format!("{{\"metadata\":{{\"service\":{{\"name\":\"{service}\",\"agent\":{{\"name\":\"x\"}}}}}}}}\n");
    for id in from..from + n {
        text.push_str(&format!(
            "{{\"transaction\":{{\"id\":\"{id:016x}\",\"trace_id\":\"{id:032x}\",\"name\":\"work\",\"type\":\"request\",\
             \"timestamp\":1793527200000000,\"duration\":1,\"outcome\":\"success\",\"context\":{{\"tags\":{{\"pad\":\"{}\"}}}}}}}}\n",
            "x".repeat(300)
        ));
    }
    text
}

fn counts(report: &Value) -> Vec<(String, u64)> {
    let operations = report["performance"]["operations"].as_array().unwrap();
    let mut counts: Vec<_> = operations
        .iter()
        .map(|it| (it["service"].as_str().unwrap().to_owned(), it["count"].as_u64().unwrap()))
        .collect();
    counts.sort();
    counts
}

#[test]
fn what_an_agent_says_of_itself_holds_for_all_its_lines() {
    // Several chunks of each, and a small one.
    let text = sent_by("cart", 1, 6_000) + &sent_by("mail", 10_001, 3) + &sent_by("pay", 20_001, 5_000);
    assert!(text.len() > 4 << 20);
    for threads in ["1", "2", "5"] {
        let report = report_of(&["--performance", "--threads", threads], text.as_bytes());
        let expected = [("cart".to_owned(), 6_000), ("mail".to_owned(), 3), ("pay".to_owned(), 5_000)];
        assert_eq!(counts(&report), expected, "{threads} threads");
    }
}

#[test]
fn a_line_of_another_source_says_nothing_of_this_one() {
    let dir = tempfile::tempdir().unwrap();
    let lines = sent_by("cart", 1, 2);
    let (_, headless) = lines.split_once('\n').unwrap();
    let [one, two] = [("1.json", lines.as_str()), ("2.json", headless)].map(|(name, text)| {
        let path = dir.path().join(name);
        std::fs::write(
            &path,
            text.replace("\"id\":\"000000000000000", &format!("\"id\":\"{}00000000000000", &name[..1])),
        )
        .unwrap();
        path.to_str().unwrap().to_owned()
    });
    let report = json(&["--performance", "--threads", "1", &one, &two]);
    assert_eq!(counts(&report), [("cart".to_owned(), 2), ("unknown-service".to_owned(), 2)]);
}

#[test]
fn a_broken_line_that_would_have_held_leaves_the_service_unknown() {
    let broken = sent_by("pay", 20_001, 2).replacen("\"agent\":{\"name\":\"x\"}", "\"agent\":{\"name\":}", 1);
    let text = sent_by("cart", 1, 2) + &broken + &sent_by("mail", 30_001, 1);
    for threads in ["1", "3"] {
        let report = report_of(&["--performance", "--lenient", "--threads", threads], text.as_bytes());
        let expected = [("cart".to_owned(), 2), ("mail".to_owned(), 1), ("unknown-service".to_owned(), 2)];
        assert_eq!(counts(&report), expected, "{threads} threads");
        assert_eq!(report["input"]["complete"], json!(false));
    }
}

#[test]
fn a_search_says_what_it_left_out() {
    let text = std::fs::read_to_string(fixture("formats/elastic-otel-search.json")).unwrap();
    let mut answer: Value = serde_json::from_str(&text).unwrap();
    answer["hits"]["total"]["value"] = json!(100);
    answer["_shards"]["failed"] = json!(1);
    answer["timed_out"] = json!(true);
    let said = [
        "<stdin>: 1 of 5 shards failed",
        "<stdin>: the search found 100 documents, 16 are here",
        "<stdin>: the search timed out",
    ];
    for wrapped in [answer.clone(), json!({"id": "x", "response": answer.clone()}), json!({"rawResponse": answer})] {
        let report = report_of(&[], wrapped.to_string().as_bytes());
        assert_eq!(report["input"]["incomplete_reasons"], json!(said));
        assert_eq!(report["summary"]["trace_count"], json!(3));
    }
}

#[test]
fn a_search_that_fails_or_finds_nothing() {
    let error = r#"{"error":{"root_cause":[{"type":"index_not_found_exception","reason":"no such index [x]"}],"reason":"y"},"status":404}"#;
    let output = run_with_input(&["-"], error.as_bytes());
    assert_eq!(output.status.code(), Some(2));
    assert!(binary::stderr(&output).contains("no such index [x]"));
    let empty =
        r#"{"took":1,"timed_out":false,"hits":{"total":{"value":0,"relation":"eq"},"max_score":null,"hits":[]}}"#;
    assert_eq!(report_of(&[], empty.as_bytes())["input"]["traces_read"], json!(0));
}
