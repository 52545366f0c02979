use super::*;
use crate::input::parsed::{batter, parse, sure_of};

const PAYLOAD: &str = r#"{"common":{"attributes":{"service.name":"shop","host":"h1","trace.id":"ab","name":"common"}},"spans":[
    {"id":"abc","trace.id":"cd","timestamp":1793527200001,"attributes":{"duration.ms":12.5,"name":"/home","parent.id":null,"error.message":"no"}},
    {"id":"def","timestamp":1793527200002,"attributes":{"parent.id":"abc","service.name":"other","duration.ms":1}}]}"#;

const ROW: &str = r#"{"timestamp":1793527200001,"duration":0.0125,"traceId":"66a1b2c3000000008000000000000001","guid":"8000000000000001","parentId":"8000000000000000",
    "name":"GET /users","appName":"shop","host":"h1","category":"datastore","component":"Postgres","db.instance":"users","http.statusCode":503,"error.class":"E","peer.hostname":"pg"}"#;

const GRAPH: &str = r#"{"timestamp":1793527200000,"traceId":"ab","entities":[{"guid":"G1","name":"shop"}],"spans":[
    {"id":"1","parentId":null,"name":"GET /","timestamp":1793527200000,"durationMs":5.25,"entityGuid":"G1","processBoundary":"ENTRY","clientType":null,"attributes":{"http.statusCode":200}},
    {"id":"2","parentId":"1","name":"bank","timestamp":1793527200001,"durationMs":2,"entityGuid":"G1","processBoundary":"EXIT","clientType":"EXTERNAL","attributes":{"otel.status_code":"ERROR"}}]}"#;

#[test]
fn a_payload_has_common_attributes() {
    let parsed = parse(&NewRelic, &[PAYLOAD]);
    let [first, second] = &parsed.spans[..] else { panic!("{parsed:?}") };
    assert_eq!((first.trace.as_str(), second.trace.as_str()), ("cd", "ab"));
    assert_eq!((first.service, first.operation, first.failed), ("shop", "/home", Some(true)));
    assert_eq!((first.start_ns, first.duration_ns), (Some(1_793_527_200_001_000_000), Ok(12_500_000)));
    assert_eq!((first.parent.as_deref(), first.of_process["host.name"].as_str()), (None, "h1"));
    assert_eq!(first.attributes["error.message"], "no");
    assert_eq!((second.service, second.operation, second.failed), ("other", "common", None));
    assert_eq!(second.parent.as_deref(), Some("abc"));
}

#[test]
fn rows_have_seconds_and_many_names_for_one_thing() {
    let parsed = parse(&NewRelic, &[ROW]);
    let row = parsed.only();
    assert_eq!((row.trace.as_str(), row.id.as_str()), ("66a1b2c3000000008000000000000001", "8000000000000001"));
    assert_eq!((row.service, row.kind, row.failed), ("shop", Some(Kind::Client), Some(true)));
    assert_eq!(row.duration_ns, Ok(12_500_000));
    for (key, value) in [
        ("http.response.status_code", "503"),
        ("error.type", "E"),
        ("db.system", "Postgres"),
        ("db.instance", "users"),
        ("peer.hostname", "pg"),
    ] {
        assert_eq!(row.attributes[key], value, "{key}");
    }
    let old = format!(r#"{{"events":[{ROW}]}}"#);
    assert_eq!(parse(&NewRelic, &[&old]).spans, parsed.spans);
    let precise = ROW.replace(r#""duration":0.0125"#, r#""duration":0.0125,"duration.ms":12.5001"#);
    assert_eq!(parse(&NewRelic, &[&precise]).only().duration_ns, Ok(12_500_100));
}

#[test]
fn a_trace_of_nerdgraph_names_entities_once() {
    let parsed = parse(&NewRelic, &[GRAPH]);
    let [server, call] = &parsed.spans[..] else { panic!("{parsed:?}") };
    assert_eq!((server.service, call.service, call.trace.as_str()), ("shop", "shop", "ab"));
    assert_eq!((server.kind, call.kind), (Some(Kind::Server), Some(Kind::Client)));
    assert_eq!((server.failed, call.failed), (None, Some(true)));
    assert_eq!((server.duration_ns, server.attributes["http.response.status_code"].as_str()), (Ok(5_250_000), "200"));
}

#[test]
fn kinds_are_told_by_what_there_is() {
    for (keys, kind) in [
        (r#""span.kind":"consumer","nr.entryPoint":true"#, Some(Kind::Consumer)),
        (r#""nr.entryPoint":true,"category":"generic""#, Some(Kind::Server)),
        (r#""category":"http""#, Some(Kind::Client)),
        (r#""category":"generic""#, Some(Kind::Internal)),
        (r#""clientType":"EXTERNAL""#, Some(Kind::Client)),
        (r#""sampled":true"#, None),
    ] {
        let row = format!(r#"{{"trace.id":"a","id":"b",{keys}}}"#);
        assert_eq!(parse(&NewRelic, &[&row]).only().kind, kind, "{keys}");
    }
}

#[test]
fn errors_are_told_by_what_there_is() {
    for (keys, failed) in [
        (r#""error":true"#, Some(true)),
        (r#""error":false"#, Some(false)),
        (r#""error":false,"error.class":"E""#, Some(true)),
        (r#""otel.status_code":"OK""#, Some(false)),
        (r#""otel.status_code":"UNSET","error.message":"""#, None),
    ] {
        let row = format!(r#"{{"trace.id":"a","id":"b",{keys}}}"#);
        assert_eq!(parse(&NewRelic, &[&row]).only().failed, failed, "{keys}");
    }
}

#[test]
fn as_many_rows_as_there_can_be_are_not_all() {
    let judged = |n_elements, has_array| {
        let judgement = NewRelic.judge(&Frames { n_elements, has_array, ..Frames::default() });
        (judgement.warnings.len(), judgement.incomplete.len())
    };
    for n in [100, 2_000, 5_000] {
        assert_eq!(judged(n, true), (1, 1));
        assert_eq!(judged(n, false), (0, 0), "lines have no cap");
    }
    assert_eq!(judged(99, true), (0, 0));
    let rows = vec![ROW; 100].join(",");
    assert_eq!(parse(&NewRelic, &[&format!(r#"{{"events":[{rows}]}}"#)]).incomplete.len(), 1);
}

#[test]
fn the_servers_words_are_a_refusal_where_nothing_else_is() {
    let members = vec![("errors".to_owned(), r#"[{"message":"Access denied"}]"#.to_owned())];
    let judge = |n_elements| NewRelic.judge(&Frames { n_elements, members: members.clone(), ..Frames::default() });
    assert_eq!(judge(0).refusal.as_deref(), Some("Access denied"));
    assert_eq!((judge(3).refusal, judge(3).warnings.len(), judge(3).incomplete.len()), (None, 1, 1));
}

#[test]
fn heads_are_told() {
    for text in [
        format!("[{PAYLOAD}]"),
        format!("[{}", &PAYLOAD[..150]),
        PAYLOAD.to_owned(),
        format!("[{ROW}]"),
        r#"[{"trace.id":"a","id":"b","timestamp":1793527200001}]"#.to_owned(),
        format!(r#"{{"data":{{"actor":{{"account":{{"nrql":{{"results":[{ROW}"#),
        format!(r#"{{"data":{{"actor":{{"distributedTracing":{{"trace":{GRAPH}"#),
        format!(r#"{{"performanceStats":{{}},"results":[{{"events":[{ROW}"#),
        r#"{"results":[{"events":[]}],"performanceStats":{}}"#.to_owned(),
    ] {
        assert_eq!(sure_of(&text), ["newrelic"], "{text}");
    }
    for text in [
        r#"[{"traceId":"1","id":"2","timestamp":1793527200001000,"duration":5,"name":"x"}]"#,
        r#"{"trace.id":"a","span.id":"b","processor.event":"span","timestamp":5}"#,
        r#"{"data":[{"traceID":"1"}]}"#,
        r#"{"traceID":"1","spans":[{"spanID":"2"}],"processes":{}}"#,
        r#"{"spans":[{"spanId":"1","displayName":{"value":"x"}}]}"#,
        "[]",
        "{}",
    ] {
        assert_eq!(NewRelic.sniff(&Head::new(text)), Sniff::No, "{text}");
    }
}

#[test]
fn what_makes_no_sense_is_skipped_and_the_rest_kept() {
    let parsed = parse(
        &NewRelic,
        &[
            r#"{"spans":[1,{"id":"a"},{"trace.id":"a"},{"trace.id":"a","id":"b","timestamp":"x"},{"trace.id":"a","id":"b"}]}"#,
            "7",
        ],
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
    for element in [PAYLOAD, ROW, GRAPH] {
        batter(&NewRelic, element);
    }
}
