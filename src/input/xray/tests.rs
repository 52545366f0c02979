use super::*;
use crate::input::parsed::{batter, parse, sure_of};
use crate::model::{Assembler, DeriveOptions, Draft, Kind, NoDuration, Trace};

const SEGMENT: &str = r#"{
    "trace_id":"1-5759e988-bd862e3fe1be46a994272793","id":"53995c3f42cd8ad8","name":"shop",
    "start_time":1.461096053370E9,"end_time":1461096053.403123456,"fault":true,
    "http":{"request":{"method":"POST","url":"https://shop/api/user/42?x=1","client_ip":"10.0.0.1"},"response":{"status":502}},
    "aws":{"ec2":{"instance_id":"i-1"}},
    "cause":{"exceptions":[{"id":"a0","type":"IOError","message":"broken pipe","stack":[{"path":"io.js","line":7,"label":"write"}]}]},
    "annotations":{"customer":"c1"},"metadata":{"debug":{"n":1},"default":{"messaging.system":"kafka","plain":2}},
    "subsegments":[
        {"id":"53995c3f42cd8ad9","name":"DynamoDB","namespace":"aws","start_time":1461096053.3719999,"end_time":1461096053.39,
         "aws":{"operation":"PutItem","region":"eu-west-1","table_name":"users","request_id":"r1"},"http":{"response":{"status":400}},
         "error":true,"throttle":true,"cause":"a0"},
        {"id":"53995c3f42cd8ada","name":"step","start_time":1461096053.375,"in_progress":true,"subsegments":[
            {"id":"53995c3f42cd8adb","name":"db@host","namespace":"remote","start_time":1461096053.376,"end_time":1461096053.377,
             "sql":{"sanitized_query":"SELECT ?","database_type":"PostgreSQL"}}]}]}"#;

fn answer(documents: &[&str]) -> String {
    let quoted = |it: &&str| serde_json::Value::from(*it).to_string();
    let segments: Vec<String> =
        documents.iter().map(|it| format!(r#"{{"Id":"x","Document":{}}}"#, quoted(it))).collect();
    format!(r#"{{"Id":"1-5759e988-bd862e3fe1be46a994272793","Duration":0.03,"Segments":[{}]}}"#, segments.join(","))
}

/// The documents as they come, joined into one trace.
fn assembled(elements: &[&str]) -> Trace {
    struct Joined(Draft);
    impl Sink for Joined {
        fn trace(&mut self, draft: &mut Draft) {
            self.0.append(draft);
        }
        fn spans(&mut self, draft: &mut Draft) {
            self.0.append(draft);
        }
        fn batch(&mut self, batch: &Batch) {
            batch.drafts().iter().for_each(|it| self.0.append(it));
        }
        fn incomplete(&mut self, _: &str) {}
        fn skip(&mut self, reason: &'static str, _: usize) {
            panic!("{reason}");
        }
    }
    let mut joined = Joined(Draft::default());
    let mut parser = Xray.parser(&Arc::new(Wanted::all()));
    elements.iter().for_each(|it| parser.element(it, &mut joined).unwrap());
    Assembler::new(DeriveOptions::default()).assemble(joined.0)
}

#[test]
fn a_segment_is_a_server_and_its_subsegments_are_calls_and_steps() {
    let parsed = parse(&Xray, &[&answer(&[SEGMENT])]);
    assert_eq!((parsed.n_whole, parsed.skips.len()), (1, 0));
    let by_name = |name: &str| parsed.spans.iter().find(|it| it.operation == name).unwrap();
    let segment = by_name("POST /api/user/*");
    assert_eq!(segment.trace, "1-5759e988-bd862e3fe1be46a994272793");
    assert_eq!((segment.service, segment.kind, segment.failed), ("shop", Some(Kind::Server), Some(true)));
    assert_eq!(segment.start_ns, Some(1_461_096_053_370_000_000));
    assert_eq!(segment.duration_ns, Ok(33_123_456));
    assert_eq!(segment.of_process["host.id"], "i-1");
    for (key, value) in [
        ("http.response.status_code", "502"),
        ("exception.type", "IOError"),
        ("error.message", "broken pipe"),
        ("exception.stacktrace", "IOError: broken pipe\n  at write (io.js:7)"),
        ("customer", "c1"),
        ("debug.n", "1"),
        ("messaging.system", "kafka"),
        ("default.plain", "2"),
    ] {
        assert_eq!(segment.attributes[key], value, "{key}");
    }
    let call = by_name("DynamoDB");
    assert_eq!((call.service, call.kind, call.failed), ("shop", Some(Kind::Client), Some(true)));
    assert_eq!(call.parent.as_deref(), Some("53995c3f42cd8ad8"));
    assert_eq!(call.start_ns, Some(1_461_096_053_371_999_900));
    assert_eq!(call.attributes["error.message"], "broken pipe", "the exception that it names");
    assert_eq!(call.attributes["rpc.method"], "PutItem");
    assert_eq!(call.attributes["db.collection.name"], "users");
    let step = by_name("step");
    assert_eq!((step.kind, step.duration_ns), (Some(Kind::Internal), Err(NoDuration::Missing)));
    assert_eq!(step.failed, None, "without a flag the status decides");
    let query = by_name("db@host");
    assert_eq!(query.parent.as_deref(), Some("53995c3f42cd8ada"));
    assert_eq!(query.attributes["db.query.text"], "SELECT ?");
    assert_eq!(query.attributes["db.system.name"], "postgresql");
    assert_eq!(query.attributes["db.namespace"], "db");
    assert_eq!(query.attributes["service.peer.name"], "db@host");
}

#[test]
fn what_makes_no_sense_is_skipped_and_the_rest_kept() {
    let good = r#"{"trace_id":"1-5759e988-bd862e3fe1be46a994272793","id":"a1","name":"a","start_time":1,"end_time":2,
        "subsegments":[7,{"name":"no id","start_time":1,"subsegments":[{"id":"a2","name":"kept","start_time":1,"end_time":2}]},
        {"id":"a3","name":"x","start_time":"soon"}]}"#;
    let parsed = parse(&Xray, &[&answer(&[good, "{cut", "[]"])]);
    assert_eq!(parsed.spans.iter().map(|it| it.operation).collect::<Vec<_>>(), ["a", "kept"]);
    assert_eq!(parsed.spans[1].parent.as_deref(), Some("a1"));
    let mut skips = parsed.skips;
    skips.sort_unstable();
    assert_eq!(
        skips,
        [
            "a segment whose document is not JSON",
            "a segment whose time is not a number",
            "a segment without an id",
            "not a segment where one belongs",
            "not a subsegment where one belongs",
        ]
    );
    assert_eq!(
        parse(&Xray, &[r#"{"Id":"1-5759e988-bd862e3fe1be46a994272793","Segments":[]}"#]).skips,
        ["a trace without spans"]
    );
    assert_eq!(parse(&Xray, &["5", "[]"]).skips.len(), 2);
}

#[test]
fn independent_subsegments_are_of_the_service_of_their_segment() {
    let segment =
        r#"{"trace_id":"1-5759e988-bd862e3fe1be46a994272793","id":"a1","name":"shop","start_time":1,"end_time":9}"#;
    let call = r#"{"type":"subsegment","trace_id":"1-5759e988-bd862e3fe1be46a994272793","id":"a2","parent_id":"a1","name":"step","start_time":2,"end_time":8}"#;
    let inner = r#"{"type":"subsegment","trace_id":"1-5759e988-bd862e3fe1be46a994272793","id":"a3","parent_id":"a2","name":"bank","namespace":"remote","start_time":3,"end_time":7}"#;
    for elements in [vec![inner, call, segment], vec![segment, call, inner]] {
        let trace = assembled(&elements);
        assert_eq!(trace.spans().iter().map(|it| it.service.as_str()).collect::<Vec<_>>(), ["shop"; 3]);
        assert_eq!(trace.repairs.missing_processes, 0);
    }
    // Without its segment nobody knows.
    assert_eq!(assembled(&[call]).repairs.missing_processes, 1);
}

#[test]
fn inferred_segments_name_the_peer_and_are_no_call() {
    let segment = r#"{"trace_id":"1-5759e988-bd862e3fe1be46a994272793","id":"a1","name":"shop","start_time":1,"end_time":9,
        "subsegments":[{"id":"a2","name":"DynamoDB","namespace":"aws","start_time":2,"end_time":8}]}"#;
    let inferred = r#"{"trace_id":"1-5759e988-bd862e3fe1be46a994272793","id":"b1","parent_id":"a2","name":"users-table","inferred":true,
        "origin":"AWS::DynamoDB::Table","start_time":2,"end_time":8,"subsegments":[{"id":"b2","name":"inside","start_time":3,"end_time":4}]}"#;
    let below = r#"{"trace_id":"1-5759e988-bd862e3fe1be46a994272793","id":"c1","parent_id":"b1","name":"stream","start_time":3,"end_time":4}"#;
    let parsed = parse(&Xray, &[&answer(&[inferred, below, segment])]);
    let by_id = |id: &str| parsed.spans.iter().find(|it| it.id == id).unwrap();
    assert_eq!(parsed.spans.len(), 4);
    assert_eq!(by_id("a2").attributes["peer.service"], "users-table");
    assert_eq!(by_id("c1").parent.as_deref(), Some("a2"), "the span it stands for");
    assert_eq!(by_id("b2").parent.as_deref(), Some("a2"));
    // One a line: the name joins the call once both are there.
    let trace = assembled(&[inferred, segment]);
    let call = trace.spans().iter().find(|it| it.operation.as_str() == "DynamoDB").unwrap();
    assert_eq!(trace.spans().len(), 3);
    assert_eq!(trace.value(call, crate::model::Known::PeerService), Some("users-table"));
}

#[test]
fn a_segment_sent_again_when_it_ended_is_one() {
    let begun = r#"{"trace_id":"1-5759e988-bd862e3fe1be46a994272793","id":"a1","name":"shop","start_time":1,"in_progress":true}"#;
    let ended =
        r#"{"trace_id":"1-5759e988-bd862e3fe1be46a994272793","id":"a1","name":"shop","start_time":1,"end_time":3}"#;
    let parsed = parse(&Xray, &[&answer(&[begun, ended])]);
    assert_eq!(parsed.only().duration_ns, Ok(2_000_000_000));
}

#[test]
fn documents_may_be_spans_of_opentelemetry() {
    let span = r#"{"resource":{"attributes":{"service.name":"shop","host.name":"h1"}},"traceId":"5759e988bd862e3fe1be46a994272793",
        "spanId":"53995c3f42cd8ad8","parentSpanId":"0000000000000000","name":"GET /","kind":"SPAN_KIND_SERVER",
        "startTimeUnixNano":1461096053370000001,"endTimeUnixNano":"1461096053370000003","attributes":{"http.route":"/"},
        "events":[{"timeUnixNano":5,"name":"exception","attributes":{"exception.type":"E"}}],"status":{"code":"ERROR","message":"no"},
        "links":[{"traceId":"ab","spanId":"cd"}]}"#;
    for element in [&answer(&[span]), span] {
        let parsed = parse(&Xray, &[element]);
        let only = parsed.only();
        assert_eq!((only.service, only.kind, only.failed), ("shop", Some(Kind::Server), Some(true)));
        assert_eq!((only.start_ns, only.duration_ns), (Some(1_461_096_053_370_000_001), Ok(2)));
        assert_eq!((only.parent.as_deref(), only.of_process["host.name"].as_str()), (None, "h1"));
        assert_eq!(only.attributes["otel.status_description"], "no");
        assert_eq!((only.events[0].0, only.events[0].1["exception.type"].as_str()), (Some(5), "E"));
        assert_eq!(only.links.len(), 1);
    }
    assert_eq!(sure_of(span), ["xray"]);
    batter(&Xray, span);
}

#[test]
fn an_answer_says_when_there_is_more() {
    let judged = |members: &[(&str, &str)]| {
        let members = members.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        Xray.judge(&Frames { members, ..Frames::default() }).incomplete
    };
    assert!(
        judged(&[("NextToken", "null"), ("UnprocessedTraceIds", "[]"), ("RetrievalStatus", "\"COMPLETE\"")]).is_empty()
    );
    assert_eq!(judged(&[("NextToken", "\"x\"")]).len(), 1);
    assert_eq!(judged(&[("RetrievalStatus", "\"RUNNING\"")]).len(), 1);
    assert!(judged(&[("UnprocessedTraceIds", r#"["a","b"]"#)])[0].starts_with("2 traces"));
    let limited = answer(&[SEGMENT]).replace(r#""Duration""#, r#""LimitExceeded":true,"Duration""#);
    assert_eq!(parse(&Xray, &[&limited]).incomplete.len(), 1);
    let whole = format!(r#"{{"NextToken":"t","Traces":[{}]}}"#, answer(&[SEGMENT]));
    let parsed = parse(&Xray, &[&whole]);
    assert_eq!((parsed.incomplete.len(), parsed.spans.len()), (1, 4), "an answer as an element");
}

#[test]
fn heads_are_told() {
    let trace = answer(&[SEGMENT]);
    for text in [
        format!(r#"{{"UnprocessedTraceIds":[],"Traces":[{trace}]}}"#),
        format!(r#"{{"Traces":[{}"#, &trace[..150]),
        format!("[{trace}]"),
        r#"{"Traces":[],"UnprocessedTraceIds":["1-5759e988-bd862e3fe1be46a994272793"]}"#.to_owned(),
        r#"{"format":"json","version":1}"#.to_owned(),
        SEGMENT.to_owned(),
        r#"{"traces":[{"id":"1-5759e988-bd862e3fe1be46a994272793","segments":[{"id":"a","document":"{}"}]}]}"#
            .to_owned(),
    ] {
        assert_eq!(sure_of(&text), ["xray"], "{text}");
    }
    for text in
        [r#"{"TraceSummaries":[{"Id":"1-5759e988-bd862e3fe1be46a994272793"}]}"#, r#"{"Services":[{"ReferenceId":1}]}"#]
    {
        assert!(Xray.sniff(&Head::new(text)) == Sniff::No, "{text}");
    }
    for text in
        [r#"[{"traceId":"1","id":"2","name":"x"}]"#, r#"{"traces":[{"trace_id":"t","spans":[]}]}"#, "[]", "{}", "5"]
    {
        assert_eq!(Xray.sniff(&Head::new(text)), Sniff::No, "{text}");
    }
}

#[test]
fn broken_documents_break_nothing() {
    batter(&Xray, SEGMENT);
    batter(&Xray, &answer(&[SEGMENT]));
    let mut deep = SEGMENT.to_owned();
    for _ in 0..100 {
        deep = format!(r#"{{"id":"1","name":"x","trace_id":"1","start_time":1,"end_time":2,"subsegments":[{deep}]}}"#);
    }
    // Deeper than a document may be nested: its fault, where it stands alone; a skip, inside an answer.
    assert_eq!(parse(&Xray, &[&deep]).n_faults, 1);
    assert_eq!(parse(&Xray, &[&answer(&[&deep])]).skips, ["a segment whose document is not JSON"]);
}
