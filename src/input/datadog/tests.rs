use super::*;
use crate::input::parsed::{batter, parse, sure_of};

const LIST: &str = r#"[
    {"trace_id":9223372036854775809,"span_id":18446744073709551615,"parent_id":0,"service":"shop","name":"web.request","resource":"GET /users",
     "type":"web","start":1793527200000000001,"duration":9007199254740993,"error":0,"meta":{"_dd.p.tid":"66a1b2c300000000","http.status_code":"503"},
     "metrics":{"_sampling_priority_v1":1}},
    {"trace_id":9223372036854775809,"span_id":7,"parent_id":18446744073709551615,"service":null,"name":"pg.query","resource":"SELECT * FROM t WHERE id = 42",
     "type":"sql","start":1793527200000000002,"duration":5,"error":1,
     "meta":{"error.msg":"refused","error.type":"E","error.stack":"at x","out.host":"pg-1","_dd.hostname":"h1"},
     "span_links":[{"trace_id":5,"trace_id_high":1,"span_id":9}],
     "span_events":[{"name":"exception","time_unix_nano":17,"attributes":{"exception.message":{"type":0,"string_value":"no"}}}]}]"#;

const ROW: &str = r#"{"id":"AAAAAWgN8Xwgr1vKDQ","type":"spans","attributes":{
    "start_timestamp":"2026-11-01T10:00:00.123Z","end_timestamp":"2026-11-01T10:00:00.323Z","service":"shop","resource_name":"GET /users",
    "trace_id":"2604137125391430","span_id":"7","parent_id":"0","env":"prod","host":"h1","tags":["team:a","odd"],"type":"web","status":"error",
    "custom":{"duration":200123456,"http":{"status_code":"500","method":"GET"},"span":{"kind":"server"},"error":{"type":"E","message":"no","stack":"at x"}}}}"#;

const UI: &str = r#"{"trace":{"root_id":"1","spans":{"1":{"trace_id":"77","span_id":"1","parent_id":"0","service":"shop","resource":"GET /",
    "start":1793527200.000001,"duration":0.25,"error":1,"meta":{"span.kind":"server"}}}},
    "orphaned":[{"trace_id":"77","span_id":"3","parent_id":"2","service":"shop","resource":"x","start":1793527200.1,"duration":1e-3}]}"#;

#[test]
fn a_list_of_the_agent_is_a_trace() {
    let parsed = parse(&Datadog, &[LIST]);
    assert_eq!((parsed.n_whole, parsed.spans.len(), parsed.skips.len()), (1, 2, 0));
    let [web, query] = &parsed.spans[..] else { panic!() };
    for span in [web, query] {
        assert_eq!(span.trace, "66a1b2c3000000008000000000000001", "the upper half is said once");
    }
    assert_eq!((web.id.as_str(), web.parent.as_deref()), ("ffffffffffffffff", None));
    assert_eq!((web.service, web.operation, web.kind), ("shop", "GET /users", Some(Kind::Server)));
    assert_eq!(web.failed, Some(false), "whatever the status");
    assert_eq!((web.start_ns, web.duration_ns), (Some(1_793_527_200_000_000_001), Ok(9_007_199_254_740_993)));
    assert_eq!(web.attributes["http.status_code"], "503");
    assert_eq!((query.id.as_str(), query.parent.as_deref()), ("0000000000000007", Some("ffffffffffffffff")));
    assert_eq!((query.service, query.operation), (crate::model::UNKNOWN_SERVICE, "SELECT * FROM t WHERE id = ?"));
    assert_eq!((query.kind, query.failed), (Some(Kind::Client), Some(true)));
    for (key, value) in [
        ("error.message", "refused"),
        ("error.type", "E"),
        ("exception.stacktrace", "at x"),
        ("server.address", "pg-1"),
        ("db.statement", "SELECT * FROM t WHERE id = 42"),
    ] {
        assert_eq!(query.attributes[key], value, "{key}");
    }
    assert_eq!(query.of_process["host.name"], "h1");
    assert_eq!((query.events[0].0, query.events[0].1["exception.message"].as_str()), (Some(17), "no"));
    let linked = query.links.iter().find_map(|it| it.0.clone()).unwrap();
    assert_eq!(linked.to_string(), "00000000000000010000000000000005");
}

#[test]
fn spans_alone_keep_to_the_lower_half() {
    // Only the first of a trace says the upper one.
    let node = Node::parse(LIST).unwrap();
    let lines: Vec<String> = node.items().iter().map(Node::to_json).collect();
    let parsed = parse(&Datadog, &[&lines[0], &lines[1]]);
    assert!(parsed.spans.iter().all(|it| it.trace == "8000000000000001"));
}

#[test]
fn events_may_be_a_text() {
    let span = r#"{"trace_id":1,"span_id":2,"resource":"x","meta":{"events":"[{\"name\":\"retry\",\"time_unix_nano\":5,\"attributes\":{\"n\":1}}]"}}"#;
    let parsed = parse(&Datadog, &[span]);
    assert_eq!(parsed.only().events[0].0, Some(5));
    assert_eq!(parsed.only().events[0].1["event"], "retry");
    assert_eq!(parsed.only().failed, None);
}

#[test]
fn rows_of_the_api_are_spans() {
    let parsed = parse(&Datadog, &[ROW]);
    let row = parsed.only();
    assert_eq!(
        (row.trace.as_str(), row.id.as_str(), row.parent.as_deref()),
        ("00094072ec4e2c46", "0000000000000007", None)
    );
    assert_eq!(
        (row.service, row.operation, row.kind, row.failed),
        ("shop", "GET /users", Some(Kind::Server), Some(true))
    );
    assert_eq!((row.start_ns, row.duration_ns), (Some(1_793_527_200_123_000_000), Ok(200_123_456)));
    assert_eq!(row.attributes["http.status_code"], "500");
    assert_eq!((row.attributes["error.type"].as_str(), row.attributes["error.message"].as_str()), ("E", "no"));
    assert_eq!((row.attributes["exception.stacktrace"].as_str(), row.attributes["team"].as_str()), ("at x", "a"));
    assert_eq!(row.of_process["host.name"], "h1");
    let long = ROW.replace("2604137125391430", "66a1b2c3000000008000000000000001");
    assert_eq!(parse(&Datadog, &[&long]).only().trace, "66a1b2c3000000008000000000000001");
    let untold = ROW.replace(r#""status":"error","#, "");
    assert_eq!(parse(&Datadog, &[&untold]).only().failed, Some(true), "it tells of an error");
    let measured = ROW.replace(r#""duration":200123456,"#, "");
    assert_eq!(parse(&Datadog, &[&measured]).only().duration_ns, Ok(200_000_000));
}

#[test]
fn the_user_interface_writes_seconds() {
    let parsed = parse(&Datadog, &[UI]);
    let [root, orphan] = &parsed.spans[..] else { panic!("{parsed:?}") };
    assert_eq!((root.trace.as_str(), root.id.as_str()), ("000000000000004d", "0000000000000001"));
    assert_eq!((root.start_ns, root.duration_ns), (Some(1_793_527_200_000_001_000), Ok(250_000_000)));
    assert_eq!((root.kind, root.failed), (Some(Kind::Server), Some(true)));
    assert_eq!((orphan.parent.as_deref(), orphan.duration_ns), (Some("0000000000000002"), Ok(1_000_000)));
    // As the stream is cut: the trace and each orphan on their own.
    let node = Node::parse(UI).unwrap();
    let (trace, alone) = (node.get("trace").to_json(), node.get("orphaned").first().to_json());
    assert_eq!(parse(&Datadog, &[&trace, &alone]).spans, parsed.spans);
}

#[test]
fn a_page_says_when_there_is_more() {
    let judged = |key: &str, value: &str| {
        let members = vec![(key.to_owned(), value.to_owned())];
        Datadog.judge(&Frames { members, ..Frames::default() }).incomplete.len()
    };
    assert_eq!(judged("links", r#"{"next":"https://x"}"#), 1);
    assert_eq!(judged("meta", r#"{"page":{"after":"x"}}"#), 1);
    assert_eq!((judged("links", "{}"), judged("links", "null"), judged("meta", r#"{"page":{}}"#)), (0, 0, 0));
    let parsed = parse(&Datadog, &[&format!(r#"{{"data":[{ROW}],"links":{{"next":"x"}}}}"#)]);
    assert_eq!((parsed.spans.len(), parsed.incomplete.len()), (1, 1), "an answer as an element");
}

#[test]
fn heads_are_told() {
    for text in [
        format!("[{LIST}]"),
        format!("[[],null,{LIST}]"),
        LIST.to_owned(),
        format!(r#"{{"meta":{{}},"data":[{}"#, &ROW[..150]),
        format!("[{ROW}]"),
        ROW.to_owned(),
        UI.to_owned(),
        r#"{"data":[],"meta":{"page":{}}}"#.to_owned(),
    ] {
        assert_eq!(sure_of(&text), ["datadog"], "{text}");
    }
    for text in [
        r#"[[{"traceId":"1","id":"2"}]]"#,
        r#"{"data":[{"traceID":"1","spans":[]}]}"#,
        r#"{"trace_id":"t","spans":[{"span_id":"1","service_name":"x"}]}"#,
        r#"{"trace":{"resourceSpans":[]}}"#,
        r#"{"data":{"actor":{}}}"#,
        "[]",
        "[[]]",
        "{}",
    ] {
        assert_eq!(Datadog.sniff(&Head::new(text)), Sniff::No, "{text}");
    }
}

#[test]
fn what_makes_no_sense_is_skipped_and_the_rest_kept() {
    let parsed = parse(
        &Datadog,
        &[r#"[1,{"span_id":1},{"trace_id":1},{"trace_id":1,"span_id":2,"start":"x"},{"trace_id":1,"span_id":3}]"#, "7"],
    );
    assert_eq!(parsed.spans.len(), 1);
    assert_eq!(
        parsed.skips,
        [
            "not a span where one belongs",
            "a span without a trace id",
            "a span without an id",
            "a span whose time is not a number",
            "not a span where one belongs",
        ]
    );
    for element in [LIST, ROW, UI] {
        batter(&Datadog, element);
    }
}
