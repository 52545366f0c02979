//! Zipkin's captures, against what Zipkin's own code makes of them.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code, reason = "a test that fails says where")]

#[path = "support/binary.rs"]
mod binary;

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Calls and errors between services in lower case; what is 0 is left out.
type Links = BTreeMap<(String, String), (u64, u64)>;

fn links(list: &Value, from: &str, to: &str, calls: &str, errors: &str) -> Links {
    let mut found = Links::new();
    for link in list.as_array().unwrap() {
        let name = |key: &str| link[key].as_str().unwrap().to_lowercase();
        let sums = found.entry((name(from), name(to))).or_default();
        sums.0 += link[calls].as_u64().unwrap();
        sums.1 += link[errors].as_u64().unwrap_or(0);
    }
    found
}

fn theirs(list: &Value) -> Links {
    links(list, "parent", "child", "callCount", "errorCount")
}

fn report(input: &str, flag: &str) -> Value {
    let output = binary::run_with_input(&["-", "--json", flag], input.as_bytes());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn ours(input: &str) -> Links {
    links(&report(input, "--dependencies")["dependencies"]["edges"], "from", "to", "call_count", "error_count")
}

/// Random traces and the links that Zipkin's linker finds in them.
fn vectors() -> Vec<(Value, Value)> {
    let text = std::fs::read_to_string(binary::fixture("zipkin-links.jsonl")).unwrap();
    let vectors = text.lines().map(|it| serde_json::from_str::<Value>(it).unwrap());
    vectors.map(|mut it| (it["spans"].take(), it["links"].take())).collect()
}

#[test]
fn every_link_is_zipkins() {
    let vectors = vectors();
    assert!(vectors.len() >= 200);
    for (nth, (spans, expected)) in vectors.iter().enumerate() {
        assert_eq!(ours(&json!([spans]).to_string()), theirs(expected), "line {}", nth + 1);
    }
}

#[test]
fn links_add_up_over_traces_however_they_are_written() {
    let vectors = vectors();
    let mut expected = Links::new();
    for (_, links) in &vectors {
        for (pair, (calls, errors)) in theirs(links) {
            let sums = expected.entry(pair).or_default();
            *sums = (sums.0 + calls, sums.1 + errors);
        }
    }
    let traces: Vec<&Value> = vectors.iter().map(|it| &it.0).collect();
    let spans: Vec<&Value> = traces.iter().flat_map(|it| it.as_array().unwrap()).collect();
    let lines: Vec<String> = spans.iter().map(|it| it.to_string()).collect();
    for input in [json!(traces).to_string(), json!(spans).to_string(), lines.join("\n")] {
        assert_eq!(ours(&input), expected);
    }
}

/// `id parent kind service`, a dash for none; an `s` behind the id for shared, `!` behind the service for an error.
fn check(spans: &[&str], expected: &[&str]) {
    let spans: Vec<Value> = spans.iter().map(|it| span(it)).collect();
    let edges = report(&json!([spans]).to_string(), "--dependencies");
    let edges = edges["dependencies"]["edges"].as_array().unwrap();
    let lines: Vec<String> = edges
        .iter()
        .map(|it| {
            let text = |key: &str| it[key].as_str().unwrap().to_owned();
            let marks = [("async", " async"), ("inferred", " inferred")]
                .map(|(key, mark)| if it[key] == true { mark } else { "" });
            let errors = it["error_count"].as_u64().filter(|it| *it > 0).map_or(String::new(), |it| format!(" !{it}"));
            format!("{} -> {} x{}{errors}{}", text("from"), text("to"), it["call_count"], marks.concat())
        })
        .collect();
    assert_eq!(lines, expected);
}

fn span(words: &str) -> Value {
    let words: Vec<&str> = words.split(' ').collect();
    let mut span = json!({"traceId": "7ace", "id": words[0].trim_end_matches('s'), "timestamp": 1_793_527_200_000_000_u64, "duration": 5});
    if words[0].ends_with('s') {
        span["shared"] = json!(true);
    }
    for (key, value) in [("parentId", words[1]), ("kind", words[2])] {
        if value != "-" {
            span[key] = json!(value);
        }
    }
    let service = words[3].trim_end_matches('!');
    if service != "-" {
        span["localEndpoint"] = json!({"serviceName": service});
    }
    if let Some(remote) = words.get(4) {
        span["remoteEndpoint"] = json!({"serviceName": remote});
    }
    if words[3].ends_with('!') {
        span["tags"] = json!({"error": ""});
    }
    span
}

#[test]
fn names_meet_in_lower_case_and_are_shown_as_their_service_writes_them() {
    check(
        &["1 - SERVER Web", "2 1 CLIENT Web API", "3 1 CLIENT Web Redis", "4 - SERVER Api web"],
        &["Web -> Api x2", "Web -> redis x1 inferred"],
    );
}

#[test]
fn brokers_and_databases_are_peers_and_a_service_may_call_itself() {
    check(
        &[
            "1 - SERVER web",
            "2 1 PRODUCER web kafka",
            "3 2 CONSUMER mail! kafka",
            "4 3 CLIENT mail db",
            "5 3 CLIENT mail",
            "6 5 SERVER mail",
            "7 3 CLIENT mail",
        ],
        &[
            "kafka -> mail x1 !1 async inferred",
            "mail -> db x1 inferred",
            "mail -> mail x1",
            "web -> kafka x1 async inferred",
        ],
    );
}

#[test]
fn loops_keep_their_calls() {
    check(&["1 2 SERVER a b", "2 1 SERVER b a"], &["a -> b x1", "b -> a x1"]);
}

#[test]
fn a_server_whose_client_was_lost_is_called_by_the_service_above() {
    check(
        &["1 - SERVER web", "2 1 CLIENT web", "2s 1 SERVER api", "4s 2 SERVER db!"],
        &["api -> db x1 !1", "web -> api x1"],
    );
}

#[test]
fn a_trace_whose_services_write_ids_of_both_lengths_is_one() {
    let mut spans = ["1 - SERVER web", "2 1 CLIENT web", "2s 1 SERVER api"].map(span);
    spans[2]["traceId"] = json!("463ac35c9f6413ad0000000000007ace");
    let lines = spans.each_ref().map(Value::to_string).join("\n");
    for input in [
        json!([spans]).to_string(),
        json!(spans).to_string(),
        lines,
        json!([[spans[0]], [spans[1], spans[2]]]).to_string(),
    ] {
        let report = report(&input, "--critical-path");
        assert_eq!(report["input"]["traces_read"], 1, "{input}");
        assert_eq!(report["critical_paths"][0]["trace_id"], "463ac35c9f6413ad0000000000007ace");
    }
}

#[test]
fn formats_are_told_by_their_heads() {
    for (name, format) in [
        ("zipkin.json", "zipkin"),
        ("zipkin.list.json", "zipkin"),
        ("zipkin.lines.jsonl", "zipkin"),
        ("zipkin.lists.jsonl", "zipkin"),
        ("zipkin.shared.json", "zipkin"),
        ("zipkin-v1.json", "zipkin-v1"),
    ] {
        let output = binary::run(&[&binary::fixture(&format!("formats/{name}")), "--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["input"]["sources"][0]["format"], format, "{name}");
        assert_eq!(report["input"]["traces_read"], 3, "{name}");
        assert_eq!(report["summary"]["span_count"], 15, "{name}");
    }
}

/// How many traces there are in spans of Jaeger's and of Zipkin's, all with one id, under these trace ids.
fn n_traces(jaeger: &[&str], zipkin: &[&str], flags: &[&str]) -> (Value, Value) {
    let spans = |ids: &[&str], text: fn(&str) -> String| ids.iter().map(|it| text(it)).collect::<Vec<_>>();
    let of_jaeger = spans(jaeger, |id| {
        format!(
            r#"{{"traceID":"{id}","spans":[{{"traceID":"{id}","spanID":"a","operationName":"x","startTime":1793527200000000,"duration":5,"processID":"p"}}],"processes":{{"p":{{"serviceName":"web"}}}}}}"#
        )
    });
    let of_zipkin = spans(zipkin, |id| {
        format!(
            r#"{{"traceId":"{id}","id":"a","name":"x","timestamp":1793527200000000,"duration":5,"localEndpoint":{{"serviceName":"web"}}}}"#
        )
    });
    let forwards: Vec<String> = of_jaeger.iter().chain(&of_zipkin).cloned().collect();
    let backwards: Vec<String> = forwards.iter().rev().cloned().collect();
    let [one, other] = [forwards, backwards].map(|it| {
        let output = binary::run_with_input(&[&["-", "--json"], flags].concat(), it.join("\n").as_bytes());
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        (report["input"]["traces_read"].clone(), report["summary"]["span_count"].clone())
    });
    assert_eq!(one, other);
    one
}

#[test]
fn a_trace_that_jaeger_and_zipkin_tell_of_is_one() {
    let (upper, other, lower) = ("1111111111111111", "2222222222222222", "3333333333333333");
    let (full, false_friend) = (format!("{upper}{lower}"), format!("{other}{lower}"));
    for threads in ["1", "3"] {
        let check = |jaeger: &[&str], zipkin: &[&str], expected: u64| {
            let found = n_traces(jaeger, zipkin, &["--threads", threads]);
            assert_eq!(found.0, expected, "{jaeger:?} {zipkin:?}");
        };
        check(&[&full], &[&full], 1);
        check(&[&full], &[lower], 1);
        check(&[lower], &[&full], 1);
        check(&[&full], &[lower, &full], 1);
        check(&[&full, &full], &[lower], 1);
        check(&[&full], &[&false_friend], 2);
        check(&[&full, &false_friend], &[lower], 3);
        check(&[&full, &false_friend], &[], 2);
    }
    assert_eq!(n_traces(&[&full], &[lower], &[]).1, 1, "the span is one, too");
}
