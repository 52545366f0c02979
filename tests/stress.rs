//! Traces of shapes that break recursion and hide quadratic work, through the real binary.
//!
//! How long they take is measured by hand (`docs/performance.md`), not asserted: what is asserted is
//! that they end, and with the right numbers.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code, reason = "a test that fails says where")]

#[path = "support/binary.rs"]
mod binary;

use std::fmt::Write;

use serde_json::{Value, json};

/// A capture of one trace: each span is (parent, start, duration) in microseconds, ids are positions.
fn capture(spans: impl Iterator<Item = (Option<usize>, u64, u64)>) -> String {
    let mut text = String::from(r#"{"data":[{"traceID":"abc","spans":["#);
    for (nth, (parent, start, duration)) in spans.enumerate() {
        let comma = if nth > 0 { "," } else { "" };
        let references = parent
            .map_or(String::new(), |it| format!(r#"{{"refType":"CHILD_OF","traceID":"abc","spanID":"{:x}"}}"#, it + 1));
        let start = 1_793_527_200_000_000 + start;
        write!(
            text,
            r#"{comma}{{"traceID":"abc","spanID":"{:x}","operationName":"step","references":[{references}],"startTime":{start},"duration":{duration},"tags":[],"logs":[],"processID":"p1"}}"#,
            nth + 1
        )
        .unwrap();
    }
    text.push_str(r#"],"processes":{"p1":{"serviceName":"s","tags":[]}}}]}"#);
    text
}

fn analyze(capture: &str) -> Value {
    let output = binary::run_with_input(&["--json", "-"], capture.as_bytes());
    assert!(output.status.success(), "{}", binary::stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn check(n_spans: usize, capture: &str, path_ms: f64, n_on_path: usize) {
    let report = analyze(capture);
    assert_eq!(report["summary"]["span_count"], json!(n_spans));
    let path = &report["critical_paths"][0];
    assert_eq!(path["critical_path_duration_ms"], json!(path_ms));
    assert_eq!(path["span_count"], json!(n_on_path));
    // The sections tile the root.
    let mut at = 0;
    for section in path["sections"].as_array().unwrap() {
        assert_eq!(section["start_offset_ns"], json!(at));
        at = section["end_offset_ns"].as_u64().unwrap();
    }
    assert_eq!(at as f64 / 1e6, path_ms);
}

#[test]
fn a_chain_of_100_000_calls() {
    let n: usize = 100_000;
    // Each call a microsecond shorter than its caller, at its end.
    let spans = (0..n).map(|nth| (nth.checked_sub(1), nth as u64, (n - nth) as u64));
    check(n, &capture(spans), 100.0, n);
}

#[test]
fn a_span_with_a_million_children() {
    let n = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
    // One after the other, a gap between two.
    let children = (0..n).map(|nth| (Some(0), nth as u64 * 2, 1));
    let spans = std::iter::once((None, 0, n as u64 * 2)).chain(children);
    check(n + 1, &capture(spans), n as f64 * 2.0 / 1000.0, n + 1);
}

#[test]
fn fifty_thousand_touching_siblings() {
    let n = 50_000;
    let children = (0..n).map(|nth| (Some(0), nth as u64, 1));
    let spans = std::iter::once((None, 0, n as u64)).chain(children);
    check(n + 1, &capture(spans), 50.0, n);
}

#[test]
fn fifty_thousand_overlapping_siblings() {
    // All at once, each ending a microsecond after the one before: only the last is waited for.
    let n = 50_000;
    let children = (0..n).map(|nth| (Some(0), 0, nth as u64 + 1));
    let spans = std::iter::once((None, 0, n as u64)).chain(children);
    check(n + 1, &capture(spans), 50.0, 1);
}

#[test]
fn fifty_thousand_roots_and_orphans() {
    let n = 50_000;
    let spans = (0..n).map(|nth| (if nth % 2 == 0 { None } else { Some(n * 2) }, nth as u64, 10));
    let report = analyze(&capture(spans));
    assert_eq!(report["critical_paths_total"], json!(n));
    assert_eq!(report["input"]["repaired"]["orphans"], json!(n / 2));
    assert_eq!(report["input"]["repaired"]["extra_roots"], json!(n / 2 - 1));
}
