use super::*;
use crate::input::parsed::{batter, parse, sure_of};

const V1: &str = r#"{"projectId":"p","traceId":"0af7651916cd43dd8448eb211c80319c","spans":[
    {"spanId":"13235353014750950193","kind":"RPC_SERVER","name":"/cart","startTime":"2026-11-01T10:00:00.123456789Z","endTime":"2026-11-01T10:00:01Z",
     "labels":{"/http/method":"GET","/http/status_code":"503","/http/url":"http://shop/cart","g.co/gae/app/module":"shop","g.co/r/k8s_pod/pod_name":"pod-1"}},
    {"spanId":5,"kind":"RPC_CLIENT","name":"call","startTime":"2026-11-01T10:00:00.2Z","parentSpanId":"13235353014750950193",
     "labels":{"/error/name":"IOError","/error/message":"refused","/stacktrace":"at x","service.name":"other"}},
    {"spanId":"6","kind":"SPAN_KIND_UNSPECIFIED","name":"step","startTime":"2026-11-01T10:00:00.2Z","endTime":"2026-11-01T10:00:00.1Z","parentSpanId":"0"}]}"#;

const V2: &str = r#"{"name":"projects/p/traces/0af7651916cd43dd8448eb211c80319c/spans/b7ad6b7169203331","spanId":"b7ad6b7169203331",
    "parentSpanId":"b7ad6b7169203330","displayName":{"value":"GET /cart"},"startTime":"2026-11-01T10:00:00Z","endTime":"2026-11-01T10:00:00.000000001Z",
    "attributes":{"attributeMap":{"/http/status_code":{"intValue":"500"},"/http/route":{"stringValue":{"value":"/cart","truncatedByteCount":0}},
        "g.co/gae/app/module":{"stringValue":{"value":"shop"}},"vip":{"boolValue":true}}},
    "timeEvents":{"timeEvent":[{"time":"2026-11-01T10:00:00.5Z","annotation":{"description":{"value":"exception"},
        "attributes":{"attributeMap":{"exception.message":{"stringValue":{"value":"no"}}}}}},{"time":"x","messageEvent":{"type":"SENT"}}]},
    "stackTrace":{"stackFrames":{"frame":[{"functionName":{"value":"pay"},"fileName":{"value":"pay.js"},"lineNumber":"7"}]}},
    "links":{"link":[{"traceId":"ab","spanId":"cd","type":"PARENT_LINKED_SPAN"},{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"1"}]},
    "status":{"code":13,"message":"internal"},"spanKind":"SERVER"}"#;

#[test]
fn version_1_has_decimal_ids_and_labels() {
    let parsed = parse(&Gcp, &[V1]);
    assert_eq!((parsed.n_whole, parsed.spans.len(), parsed.skips.len()), (1, 3, 0));
    let [server, call, step] = &parsed.spans[..] else { panic!() };
    // The number of the hexadecimal id that version 2 writes.
    assert_eq!((server.id.as_str(), server.parent.as_deref()), ("b7ad6b7169203331", None));
    assert_eq!((server.service, server.kind, server.failed), ("shop", Some(Kind::Server), None));
    assert_eq!((server.start_ns, server.duration_ns), (Some(1_793_527_200_123_456_789), Ok(876_543_211)));
    assert_eq!(server.attributes["http.response.status_code"], "503");
    assert_eq!(server.attributes["url.full"], "http://shop/cart");
    assert_eq!(server.of_process["host.name"], "pod-1");
    assert_eq!((call.id.as_str(), call.parent.as_deref()), ("0000000000000005", Some("b7ad6b7169203331")));
    assert_eq!((call.service, call.kind, call.failed), ("other", Some(Kind::Client), Some(true)));
    assert_eq!(call.duration_ns, Err(NoDuration::Missing));
    assert_eq!(
        (call.attributes["error.type"].as_str(), call.attributes["error.message"].as_str()),
        ("IOError", "refused")
    );
    assert_eq!(call.attributes["exception.stacktrace"], "at x");
    assert_eq!((step.kind, step.parent.as_deref(), step.failed), (None, None, None));
    assert_eq!(step.duration_ns, Err(NoDuration::Negative));
}

#[test]
fn version_2_has_hexadecimal_ids_and_statuses() {
    let body = format!(r#"{{"spans":[{V2}]}}"#);
    for element in [V2, &body] {
        let parsed = parse(&Gcp, &[element]);
        let span = parsed.only();
        assert_eq!(parsed.n_whole, 0, "a trace may go on in the next body");
        assert_eq!(span.trace, "0af7651916cd43dd8448eb211c80319c");
        assert_eq!((span.id.as_str(), span.parent.as_deref()), ("b7ad6b7169203331", Some("b7ad6b7169203330")));
        assert_eq!((span.service, span.operation, span.kind), ("shop", "GET /cart", Some(Kind::Server)));
        assert_eq!((span.duration_ns, span.failed), (Ok(1), Some(true)));
        assert_eq!(span.attributes["http.response.status_code"], "500");
        assert_eq!(span.attributes["http.route"], "/cart");
        assert_eq!(span.attributes["vip"], "true");
        assert_eq!(span.attributes["otel.status_description"], "internal");
        assert_eq!(span.attributes["exception.stacktrace"], "  at pay (pay.js:7)");
        assert_eq!(span.events[0].0, Some(1_793_527_200_500_000_000));
        assert_eq!(span.events[0].1["exception.message"], "no");
        assert_eq!(span.links.iter().filter(|it| it.0.is_some()).count(), 1, "one into another trace");
    }
}

#[test]
fn a_status_that_is_there_decides() {
    for (status, failed) in
        [(r#"{"code":0}"#, Some(false)), ("{}", Some(false)), (r#"{"code":"UNKNOWN"}"#, Some(true)), ("null", None)]
    {
        let element = format!(
            r#"{{"name":"projects/p/traces/ab/spans/cd","displayName":{{"value":"x"}},"startTime":"2026-11-01T10:00:00Z","status":{status}}}"#
        );
        let parsed = parse(&Gcp, &[&element]);
        assert_eq!((parsed.only().failed, parsed.only().id.as_str()), (failed, "cd"), "{status}");
    }
}

#[test]
fn an_answer_says_when_there_is_more() {
    let parsed = parse(&Gcp, &[r#"{"projectId":"p","traceId":"ab"}"#]);
    assert_eq!((parsed.skips.len(), parsed.incomplete.len()), (1, 1));
    assert!(parsed.incomplete[0].contains("view=MINIMAL"));
    let judged = |value: &str| {
        let members = vec![("nextPageToken".to_owned(), value.to_owned())];
        Gcp.judge(&Frames { members, ..Frames::default() }).incomplete.len()
    };
    assert_eq!((judged("\"t\""), judged("\"\""), judged("null")), (1, 0, 0));
    let parsed = parse(&Gcp, &[&format!(r#"{{"traces":[{V1}],"nextPageToken":"t"}}"#)]);
    assert_eq!((parsed.spans.len(), parsed.incomplete.len()), (3, 1), "an answer as an element");
}

#[test]
fn heads_are_told() {
    for text in [
        format!(r#"{{"traces":[{V1}"#),
        format!(r#"{{"nextPageToken":"","traces":[{}"#, &V1[..120]),
        V1.to_owned(),
        V2.to_owned(),
        format!("[{V2},{V2}]"),
        format!(r#"{{"spans":[{V2}]}}"#),
        r#"{"traces":[{"projectId":"p","traceId":"ab"}]}"#.to_owned(),
    ] {
        assert_eq!(sure_of(&text), ["gcp"], "{text}");
    }
    for text in [
        r#"{"traces":[{"trace_id":"t","spans":[{"span_id":"1","service_name":"x"}]}]}"#,
        r#"{"traces":[{"traceID":"t","rootServiceName":"x"}]}"#,
        r#"{"spans":[{"id":"1","trace.id":"2"}]}"#,
        r#"[{"traceId":"1","id":"2"}]"#,
        "[]",
        "{}",
    ] {
        assert_eq!(Gcp.sniff(&Head::new(text)), Sniff::No, "{text}");
    }
}

#[test]
fn what_makes_no_sense_is_skipped_and_the_rest_kept() {
    let broken = V1.replace(r#""spanId":5"#, r#""spanId":null"#);
    let parsed = parse(&Gcp, &[&broken, "7", &V1.replace("2026-11-01T10:00:00.1Z", "soon")]);
    assert_eq!(parsed.spans.len(), 4);
    assert_eq!(parsed.skips, ["a span without an id", "not a trace where one belongs", "a span whose time is none"]);
    batter(&Gcp, V1);
    batter(&Gcp, V2);
    batter(&Gcp, &format!(r#"{{"spans":[{V2}]}}"#));
}
