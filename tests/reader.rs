//! The reader against plain readings of captures.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code, reason = "a test that fails says where")]

#[path = "support/in_process.rs"]
mod in_process;

use in_process::analyze;
use serde_json::{Value, json};

/// The report without what depends on how the capture was written.
fn content(mut report: Value) -> Value {
    let input = report["input"].as_object_mut().unwrap();
    input.remove("sources");
    for skipped in input["skipped"].as_array_mut().unwrap() {
        skipped.as_object_mut().unwrap().remove("example");
    }
    report
}

/// What differs first, and where.
fn difference(one: &Value, two: &Value, path: &str) -> Option<String> {
    match (one, two) {
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            a.iter().find_map(|(key, it)| difference(it, &b[key], &format!("{path}.{key}")))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(nth, (a, b))| difference(a, b, &format!("{path}[{nth}]")))
        }
        _ => (one != two).then(|| format!("{path}: {one} and {two}")),
    }
}

const EVERYTHING: [&str; 4] = ["--top", "0", "--examples", "1000000"];

fn report_of(args: &[&str], text: &str) -> Result<Value, String> {
    analyze(&[&EVERYTHING[..], args].concat(), text.as_bytes()).map(content)
}

fn trace_ids(report: &Value) -> Vec<&str> {
    report["critical_paths"].as_array().unwrap().iter().map(|it| it["trace_id"].as_str().unwrap()).collect()
}

fn span(trace: &str, id: &str) -> Value {
    json!({"traceID": trace, "spanID": id, "operationName": "op", "startTime": 1_700_000_000_000_000_u64, "duration": 5})
}

fn trace(id: &str, spans: &[Value]) -> Value {
    json!({"traceID": id, "spans": spans})
}

/// The same report from these elements in both orders.
fn both_ways(elements: &[Value]) -> Value {
    let mut elements = elements.to_vec();
    let forwards = report_of(&[], &Value::from(elements.clone()).to_string()).unwrap();
    elements.reverse();
    let backwards = report_of(&[], &Value::from(elements).to_string()).unwrap();
    assert_eq!(difference(&forwards, &backwards, ""), None);
    forwards
}

#[test]
fn a_span_that_stands_alone_is_joined_with_its_trace_before_or_after_it() {
    // Before it, everything was read again and again without end; after it, no trace counted as split.
    let report = both_ways(&[span("1", "a"), trace("1", &[span("1", "b")]), trace("2", &[span("2", "a")])]);
    assert_eq!(report["summary"]["span_count"], json!(3));
    assert_eq!(report["input"]["repaired"]["split_traces"], json!(1));
}

#[test]
fn a_copy_met_again_beside_another_copy_counts_once() {
    let copies = [trace("1", &[span("1", "a")]), trace("1", &[span("1", "b")]), trace("1", &[span("1", "a")])];
    let repaired = &both_ways(&copies)["input"]["repaired"];
    assert_eq!([&repaired["repeated_traces"], &repaired["split_traces"]], [&json!(1), &json!(1)]);
}

#[test]
fn a_start_that_cannot_be_is_counted_however_its_trace_is_put_together() {
    let at_5 = |id: &str| {
        let mut span = span("1", id);
        span["startTime"] = json!(5);
        span
    };
    let (a, b) = (at_5("a"), at_5("b"));
    for elements in [
        vec![trace("1", &[a.clone(), b.clone()])],
        vec![trace("1", std::slice::from_ref(&a)), trace("1", std::slice::from_ref(&b))],
        vec![a, b],
    ] {
        assert_eq!(both_ways(&elements)["input"]["skipped"][0]["count"], json!(1), "{elements:?}");
    }
}

#[test]
fn a_trace_id_is_shown_in_one_spelling_whichever_comes_first() {
    for (elements, shown) in [
        // Equally long ones in one trace, in two copies of it; a longer one on the element of several traces.
        (vec![trace("aB", &[span("AB", "1"), span("ab", "2")])], "AB"),
        (vec![trace("aB", &[span("ab", "2"), span("AB", "1")])], "AB"),
        (vec![trace("ab", &[span("ab", "1")]), trace("AB", &[span("AB", "1")])], "AB"),
        (vec![trace("ab", &[span("ab", "1")]), trace("00ab", &[span("00ab", "1")])], "00ab"),
        (vec![trace("00ab", &[span("ab", "1"), span("cd", "2")])], "00ab"),
    ] {
        let report = both_ways(&elements);
        assert!(trace_ids(&report).contains(&shown), "{elements:?}: {:?}", trace_ids(&report));
    }
}

#[test]
fn copies_that_differ_in_why_a_duration_is_unknown_are_two() {
    let copies = [json!(-5), Value::Null].map(|duration| {
        let mut span = span("1", "a");
        span["duration"] = duration;
        trace("1", &[span])
    });
    assert_eq!(both_ways(&copies)["input"]["repaired"]["split_traces"], json!(1));
}

#[test]
fn an_object_as_a_tag_reads_the_same_however_it_is_written() {
    let report = |statement: &str| {
        let span = span("1", "a").to_string();
        let tags = format!("{{\"tags\":[{{\"key\":\"db.statement\",\"value\":{statement}}}],");
        report_of(&[], &format!("[{{\"spans\":[{tags}{}]}}]", &span[1..])).unwrap()
    };
    let plain = report(r#"{"find":"users","where":{"id":1}}"#);
    assert_eq!(difference(&plain, &report("{ \"where\" : {\"id\": 1},\n\"f\\u0069nd\":\"users\" }"), ""), None);
}

#[test]
fn lenient_goes_on_with_the_very_next_line() {
    // Every other line behind the fault was lost.
    let line = |id: &str| trace(id, &[span(id, "a")]).to_string();
    let broken = line("2").replace("spanID\":", "spanID\";");
    let lines = [line("1"), broken, line("3"), line("4"), line("5")].join("\n");
    let report = analyze(&["--lenient"], lines.as_bytes()).unwrap();
    assert_eq!(trace_ids(&report), ["1", "3", "4", "5"]);
    assert_eq!(report["input"]["incomplete_reasons"].as_array().unwrap().len(), 1);
}

#[test]
fn lenient_keeps_the_trace_before_which_a_comma_is_missing() {
    let text = |id: &str| trace(id, &[span(id, "a")]).to_string();
    let capture = format!("[{}{},{}]", text("1"), text("2"), text("3"));
    let report = analyze(&["--lenient"], capture.as_bytes()).unwrap();
    assert_eq!(trace_ids(&report), ["1", "2", "3"]);
    assert_eq!(report["input"]["complete"], json!(false));
}
