//! OTLP as it is found in the field: ids, numbers and names in every spelling, and what wraps it.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code, reason = "a test that fails says where")]

#[path = "support/in_process.rs"]
mod in_process;

use in_process::analyze;
use serde_json::{Value, json};

const START: u64 = 1_793_527_200_000_000_000;

/// A span of 100 ms, with these members beside or in the place of the usual ones.
fn span(id: &str, more: Value) -> Value {
    let mut span = json!({
        "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": id, "name": "op",
        "startTimeUnixNano": START.to_string(), "endTimeUnixNano": (START + 100_000_000).to_string(),
    });
    for (key, value) in more.as_object().unwrap() {
        span[key] = value.clone();
    }
    span
}

fn document(spans: &[Value]) -> Value {
    json!({"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "web"}}]},
        "scopeSpans": [{"spans": spans}],
    }]})
}

fn report(document: &Value) -> Value {
    analyze(&[], document.to_string().as_bytes()).unwrap()
}

fn report_of(spans: &[Value]) -> Value {
    report(&document(spans))
}

#[test]
fn ids_in_base64_are_those_in_digits() {
    let hex = report_of(&[span("b7ad6b7169203331", json!({}))]);
    let base64 = report_of(&[span("t61rcWkgMzE=", json!({"traceId": "CvdlGRbNQ92ESOshHIAxnA=="}))]);
    assert_eq!(hex["critical_paths"], base64["critical_paths"]);
    assert_eq!(hex["critical_paths"][0]["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(hex["critical_paths"][0]["root_span_id"], "b7ad6b7169203331");
}

#[test]
fn a_parent_of_zeros_or_nothing_is_none() {
    for parent in ["", "0000000000000000", "AAAAAAAAAAA="] {
        let report = report_of(&[span("1", json!({"parentSpanId": parent}))]);
        assert_eq!(report["input"]["repaired"]["orphans"], 0, "{parent}");
    }
    assert_eq!(report_of(&[span("1", json!({"parentSpanId": "2"}))])["input"]["repaired"]["orphans"], 1);
}

#[test]
fn times_are_exact_as_text_and_as_numbers() {
    let (start, end) = (START + 1, START + 8);
    for (start, end) in [(json!(start), json!(end)), (json!(start.to_string()), json!(end.to_string()))] {
        let report = report_of(&[span("1", json!({"startTimeUnixNano": start, "endTimeUnixNano": end}))]);
        assert_eq!(report["summary"]["duration_stats"]["max_ms"], json!(0.000_007));
    }
}

#[test]
fn an_end_of_0_is_unknown() {
    let report = report_of(&[span("1", json!({"endTimeUnixNano": "0"}))]);
    assert_eq!(report["summary"]["duration_stats"]["max_ms"], json!(null));
    assert_eq!(report["input"]["repaired"]["missing_durations"], 1);
}

#[test]
fn an_end_before_the_start_is_no_duration() {
    let report = report_of(&[span("1", json!({"endTimeUnixNano": (START - 5).to_string()}))]);
    assert_eq!(report["input"]["repaired"]["negative_durations"], 1);
}

#[test]
fn the_status_decides_and_only_without_one_the_code_of_the_answer() {
    let code = |status: Value, http: u32| {
        let http = json!([{"key": "http.response.status_code", "value": {"intValue": http.to_string()}}]);
        let report = report_of(&[span("1", json!({"status": status, "attributes": http}))]);
        report["summary"]["failing_traces"].as_u64().unwrap()
    };
    assert_eq!(code(json!({"code": 2}), 200), 1);
    assert_eq!(code(json!({"code": "STATUS_CODE_ERROR"}), 200), 1);
    assert_eq!(code(json!({"code": 1}), 500), 0);
    assert_eq!(code(json!({}), 500), 1);
    assert_eq!(code(json!({"code": 0}), 404), 0);
    assert_eq!(code(json!(null), 200), 0);
}

#[test]
fn the_message_is_the_exception_then_the_status() {
    let failed = |events: Value| {
        let status = json!({"code": 2, "message": "no stock"});
        let report = report_of(&[span("1", json!({"status": status, "events": events}))]);
        report["errors"]["patterns"][0].clone()
    };
    assert_eq!(failed(json!([]))["error_message"], "no stock");
    let attribute = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let exception = json!([{"timeUnixNano": START.to_string(), "name": "exception", "attributes": [
        attribute("exception.type", "StockError"), attribute("exception.message", "none left")]}]);
    let found = failed(exception);
    assert_eq!((&found["error_message"], &found["error_type"]), (&json!("none left"), &json!("StockError")));
}

#[test]
fn a_span_sent_twice_counts_once() {
    let line = document(&[span("1", json!({}))]).to_string();
    let report = analyze(&[], format!("{line}\n{line}\n").as_bytes()).unwrap();
    assert_eq!(report["summary"]["span_count"], 1);
    assert_eq!(report["input"]["repaired"]["duplicate_spans"], 1);
}

#[test]
fn lists_and_maps_are_kept_as_plain_json() {
    let list = json!({"arrayValue": {"values": [{"stringValue": "a"}, {"intValue": "5"}]}});
    let map = json!({"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": true}}]}});
    let spans = [span("1", json!({"attributes": [{"key": "list", "value": list}, {"key": "map", "value": map}]}))];
    let text = document(&spans).to_string();
    for tag in [r#"list=["a","5"]"#, r#"map={"k":true}"#] {
        let report = analyze(&["--tag", tag], text.as_bytes()).unwrap();
        assert_eq!(report["summary"]["trace_count"], 1, "{tag}");
    }
}

/// Whoever asks for `error=true`, as one does of Jaeger, means the status that OTLP has instead.
#[test]
fn a_status_is_found_as_the_tag_it_is_elsewhere() {
    let text = document(&[span("1", json!({"status": {"code": 2}}))]).to_string();
    for (tag, n_traces) in [("error=true", 1), ("error", 1), ("error=false", 0), ("error!=true", 0)] {
        let report = analyze(&["--tag", tag], text.as_bytes()).unwrap();
        assert_eq!(report["summary"]["trace_count"], n_traces, "{tag}");
    }
}

#[test]
fn a_resource_without_a_name_has_an_unknown_service() {
    let report =
        report(&json!({"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": [span("1", json!({}))]}]}]}));
    assert_eq!(report["summary"]["services"], json!(["unknown-service"]));
    assert_eq!(report["input"]["repaired"]["missing_processes"], 1);
}

#[test]
fn tempo_says_when_its_answer_is_partial() {
    let request = document(&[span("1", json!({}))]);
    let answer = json!({"trace": request, "status": "PARTIAL", "message": "too many spans"});
    let report = report(&answer);
    assert_eq!(report["input"]["sources"][0]["format"], "tempo");
    assert_eq!(report["input"]["complete"], json!(false));
    assert!(report["input"]["incomplete_reasons"][0].as_str().unwrap().contains("too many spans"));
}

#[test]
fn jaegers_stream_may_end_in_an_error() {
    let result = json!({"result": document(&[span("1", json!({}))])});
    let error = json!({"error": {"httpCode": 500, "message": "backend is gone"}});
    let report = analyze(&[], format!("{result}\n{error}\n").as_bytes()).unwrap();
    assert_eq!(report["input"]["sources"][0]["format"], "jaeger-v3");
    assert_eq!(report["input"]["complete"], json!(false));
    assert_eq!(report["summary"]["span_count"], 1);
}

#[test]
fn jaegers_warnings_are_the_servers_words_about_the_trace() {
    let warnings = json!({"arrayValue": {"values": [
        {"stringValue": "trace has more than 2 spans, showing first 2 spans only"}]}});
    let attributes = json!([{"key": "@jaeger@warnings", "value": warnings}]);
    let report = report(&json!({"result": document(&[span("1", json!({"attributes": attributes}))])}));
    assert_eq!(report["input"]["complete"], json!(false), "{report}");
}

#[test]
fn senseless_spans_are_skipped_and_counted() {
    let senseless = [
        json!({"traceId": ""}),
        json!({"spanId": null}),
        json!({"startTimeUnixNano": "soon"}),
        json!({"endTimeUnixNano": {"a": 1}}),
        json!({"startTimeUnixNano": "9223372036854775807"}),
    ];
    for more in senseless {
        let report = report_of(&[span("1", json!({})), span("2", more.clone())]);
        assert_eq!(report["summary"]["span_count"], 1, "{more}");
        assert_eq!(report["input"]["skipped"][0]["count"], 1, "{more}");
    }
}

#[test]
fn what_is_cut_or_of_the_wrong_kind_never_panics() {
    let text = document(&[span("1", json!({"attributes": [{"key": "a", "value": {"arrayValue": {"values": []}}}]}))]);
    let text = text.to_string();
    for end in 0..text.len() {
        let _ = analyze(&["--lenient"], &text.as_bytes()[..end]);
    }
    for wrong in ["null", "[]", "{}", "5", "\"x\"", "[null]", "[[]]"] {
        for key in ["resource", "scopeSpans", "spans", "attributes", "status", "kind", "name", "traceId"] {
            let mut spans = span("1", json!({"kind": 2, "status": {}, "attributes": []}));
            let wrong: Value = serde_json::from_str(wrong).unwrap();
            if spans.get(key).is_some() {
                spans[key] = wrong.clone();
            }
            let mut document = document(&[spans]);
            if key == "spans" {
                document["resourceSpans"][0]["scopeSpans"][0][key] = wrong;
            } else if document["resourceSpans"][0].get(key).is_some() {
                document["resourceSpans"][0][key] = wrong;
            }
            let _ = analyze(&[], document.to_string().as_bytes());
        }
    }
}
