//! One incident in the formats of vendors says what it says in Jaeger's.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code, reason = "a test that fails says where")]

#[path = "support/in_process.rs"]
mod in_process;

use in_process::analyze;
use serde_json::Value;

fn report(file: &str) -> Value {
    let mut report = analyze(&[&format!("fixtures/formats/{file}"), "--threads", "1"], b"").unwrap();
    let input = report["input"].take();
    assert_eq!(input["complete"], true, "{file}");
    assert_eq!(input["skipped"], serde_json::json!([]), "{file}");
    assert_eq!(input["sources"][0]["spans"], 15, "{file}");
    let format = file.split(['-', '.']).next().unwrap();
    assert_eq!(input["sources"][0]["format"], format, "{file}");
    report
}

/// The values of a key, wherever they are, in order.
fn values(report: &Value, key: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut open = vec![report];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                found.extend(members.get(key).cloned());
                open.extend(members.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    found.sort_by_key(Value::to_string);
    found
}

#[test]
fn formats_that_carry_everything_say_the_same() {
    let jaeger = report("jaeger.json");
    for file in [
        "datadog-agent.json",
        "datadog-spans.json",
        "gcp-v1-traces.jsonl",
        "gcp-v1.json",
        "gcp-v2.json",
        "newrelic-distributed-tracing.json",
        "newrelic-nerdgraph.json",
        "newrelic-payload.json",
        "newrelic-rows.json",
        "xray-retrieved-otel.json",
    ] {
        assert_eq!(report(file), jaeger, "{file}");
    }
}

#[test]
fn the_user_interface_of_datadog_knows_the_lower_half_of_trace_ids() {
    let jaeger: String = report("jaeger.json").to_string();
    let short = [1, 2, 3]
        .iter()
        .fold(jaeger, |text, digit| text.replace(&digit.to_string().repeat(32), &digit.to_string().repeat(16)));
    assert_eq!(report("datadog-ui.json"), serde_json::from_str::<Value>(&short).unwrap());
}

#[test]
fn agents_of_new_relic_know_servers_calls_and_steps_only() {
    let (jaeger, rows) = (report("jaeger.json"), report("newrelic-nrql.json"));
    for key in ["summary", "bottlenecks", "critical_paths", "critical_path_summary", "errors"] {
        assert_eq!(rows[key], jaeger[key], "{key}");
    }
    for key in ["count", "error_count", "mean_ms", "self_time_ms", "from", "to", "name", "pattern"] {
        assert_eq!(values(&rows, key), values(&jaeger, key), "{key}");
    }
}

#[test]
fn x_ray_names_calls_by_what_they_call() {
    let jaeger = report("jaeger.json");
    for file in ["xray.json", "xray-query.json", "xray-segments.jsonl", "xray-daemon.txt"] {
        let xray = report(file);
        assert_eq!(xray["summary"], jaeger["summary"], "{file}");
        for key in ["dependencies", "edges", "depth", "cycles"] {
            assert_eq!(xray["dependencies"][key], jaeger["dependencies"][key], "{file}: {key}");
        }
        for key in
            ["pattern", "span_id", "self_ms", "kind", "start_us", "end_us", "error_message", "error_type", "has_error"]
        {
            assert!(!values(&jaeger, key).is_empty(), "{key}");
            assert_eq!(values(&xray, key), values(&jaeger, key), "{file}: {key}");
        }
        let paths = xray["critical_paths"].to_string();
        assert!(paths.contains("1-11111111-111111111111111111111111"), "ids as they are written");
        assert!(paths.contains(r#""operation":"bank""#) && paths.contains(r#""operation":"POST /checkout""#));
    }
}

#[test]
fn pages_and_caps_are_incomplete() {
    let incomplete = |text: &str| {
        let report = analyze(&["-"], text.as_bytes()).unwrap();
        assert_eq!(report["input"]["traces_read"], 1);
        report["input"]["incomplete_reasons"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it.as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let segment = r#"{\"trace_id\":\"1-5759e988-bd862e3fe1be46a994272793\",\"id\":\"a1\",\"name\":\"a\",\"start_time\":1461096053,\"end_time\":1461096054}"#;
    let xray = format!(
        r#"{{"Traces":[{{"Id":"1-5759e988-bd862e3fe1be46a994272793","LimitExceeded":true,"Segments":[{{"Id":"a1","Document":"{segment}"}}]}}],"UnprocessedTraceIds":["1"],"NextToken":"t"}}"#
    );
    assert_eq!(incomplete(&xray).len(), 3);
    let row = r#"{"id":"x","type":"spans","attributes":{"trace_id":"1","span_id":"2","resource_name":"r","start_timestamp":"2026-11-01T10:00:00Z"}}"#;
    assert_eq!(
        incomplete(&format!(r#"{{"data":[{row}],"links":{{"next":"n"}},"meta":{{"page":{{"after":"a"}}}}}}"#)).len(),
        1
    );
    let span = r#"{"spanId":"1","name":"x","startTime":"2026-11-01T10:00:00Z","endTime":"2026-11-01T10:00:01Z"}"#;
    assert_eq!(
        incomplete(&format!(
            r#"{{"nextPageToken":"n","traces":[{{"projectId":"p","traceId":"ab","spans":[{span}]}}]}}"#
        ))
        .len(),
        1
    );
    let rows: Vec<String> = (1..=100)
        .map(|n| {
            format!(r#"{{"trace.id":"ab","id":"{n:x}","timestamp":1793527200000,"duration.ms":1,"entity.name":"a"}}"#)
        })
        .collect();
    let rows = rows.join(",");
    for text in [
        format!("[{rows}]"),
        format!(r#"{{"data":{{"actor":{{"account":{{"nrql":{{"results":[{rows}]}}}}}}}}}}"#),
        format!(r#"{{"results":[{{"events":[{rows}]}}],"performanceStats":{{}}}}"#),
    ] {
        let reasons = incomplete(&text);
        assert!(reasons.len() == 1 && reasons[0].contains("exactly 100 rows"), "{reasons:?}");
    }
}

#[test]
fn only_the_headers_of_the_daemon_are_no_loss() {
    let segment = r#"{"trace_id":"1-5759e988-bd862e3fe1be46a994272793","id":"a1","name":"a","start_time":1461096053,"end_time":1461096054}"#;
    let text = format!(
        "{{\"format\":\"json\",\"version\":1}}\n{segment}\n{{\"version\":1,\"format\":\"json\"}}\n{{\"hello\":1}}\n"
    );
    let report = analyze(&["-"], text.as_bytes()).unwrap();
    assert_eq!(report["input"]["skipped"].as_array().unwrap().len(), 1);
    assert!(report["input"]["skipped"][0]["reason"].as_str().unwrap().contains("hello"));
}
