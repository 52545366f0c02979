//! A service mesh in every format: proxies are seen through, and say what went wrong.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code, reason = "a test that fails says where")]

#[path = "support/binary.rs"]
mod binary;
#[path = "support/in_process.rs"]
mod in_process;

use binary::run;
use in_process::analyze;
use serde_json::Value;

fn files() -> Vec<String> {
    let directory = std::fs::read_dir("fixtures/mesh").unwrap();
    let mut files: Vec<String> = directory.map(|it| it.unwrap().path().to_str().unwrap().to_owned()).collect();
    files.sort();
    assert!(files.len() >= 20, "{files:?}");
    files
}

/// The edges of a report, and the messages of its error patterns.
fn found(file: &str) -> (Vec<String>, Vec<String>) {
    let report = analyze(&[file], b"").unwrap();
    assert_eq!(report["input"]["skipped"], serde_json::json!([]), "{file}");
    let list = |value: &Value| value.as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let edges = list(&report["dependencies"]["edges"]).into_iter().map(|it| {
        let marks = if it["inferred"] == true { " inferred" } else { "" };
        let (from, to) = (text(&it["from"]), text(&it["to"]));
        format!("{from} -> {to} x{} !{} {}ms{marks}", it["call_count"], it["error_count"], it["p95_ms"])
    });
    let patterns = list(&report["errors"]["patterns"]).into_iter().map(|it| text(&it["error_message"]));
    (edges.collect(), patterns.collect())
}

#[test]
fn every_format_knows_proxies() {
    for file in files() {
        let (edges, messages) = found(&file);
        // Zipkin's own rules, which know no proxies.
        if file.contains("zipkin") {
            assert!(edges.iter().any(|it| it.starts_with("front.shop -> cart.shop ")), "{edges:?}");
            continue;
        }
        assert_eq!(
            edges,
            [
                "front -> cart x1 !0 120.0ms",
                "front -> pay x1 !1 5.0ms inferred",
                "front -> reviews x1 !0 70.0ms",
                "gate -> front x1 !0 180.0ms",
                "reviews -> ratings x1 !0 40.0ms inferred",
            ],
            "{file}"
        );
        assert!(messages.contains(&"no healthy upstream (UH)".to_owned()), "{file}: {messages:?}");
    }
}

#[test]
fn the_tables_say_the_services_not_the_proxies() {
    let output = run(&["fixtures/mesh/jaeger.json", "--dependencies", "--errors"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("no healthy upstream (UH)"), "{text}");
    let (_, calls) = text.split_once("Calls").unwrap();
    let (calls, _) = calls.split_once("Services").unwrap();
    assert!(!calls.contains(".shop") && calls.contains("gate"), "{text}");
}
