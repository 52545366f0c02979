//! Every oddity of both versions, from JSON to spans and to trees.

use super::*;
use crate::model::{Assembler, Attribute, DeriveOptions, Draft, DraftSpan, Name, Trace};

/// What a parser gave.
#[derive(Default)]
struct Found {
    traces: Vec<Draft>,
    loose: Vec<Draft>,
    skips: Vec<&'static str>,
}

impl Sink for Found {
    fn trace(&mut self, draft: &mut Draft) {
        self.traces.push(std::mem::take(draft));
    }

    fn spans(&mut self, draft: &mut Draft) {
        self.loose.push(std::mem::take(draft));
    }

    fn batch(&mut self, batch: &Batch) {
        self.loose.extend(batch.drafts());
    }

    fn incomplete(&mut self, _: &str) {}

    fn skip(&mut self, reason: &'static str, _: usize) {
        self.skips.push(reason);
    }
}

fn read(text: &str) -> Found {
    let wanted = Wanted::with(["network.peer.address", "custom"].map(Name::new));
    let mut found = Found::default();
    Zipkin.parser(&Arc::new(wanted)).element(text, &mut found).unwrap();
    found
}

/// A list of spans, given without `traceId` where that is 1.
fn list(spans: &[&str]) -> Draft {
    let spans: Vec<String> = spans
        .iter()
        .map(|it| if it.contains("traceId") { (*it).to_owned() } else { it.replacen('{', r#"{"traceId":"1","#, 1) })
        .collect();
    let mut found = read(&format!("[{}]", spans.join(",")));
    assert_eq!((found.traces.len(), &found.skips[..]), (1, &[][..]));
    found.traces.remove(0)
}

fn attributes(draft: &Draft, attributes: &[Attribute]) -> String {
    attributes.iter().map(|it| format!(" {}={}", it.key.as_str(), draft.text(it.value))).collect()
}

/// A span in a line: service, operation, kind, microseconds, and what else it says.
fn line(draft: &Draft, span: &DraftSpan) -> String {
    let process = &draft.processes[span.process as usize];
    let micros = |ns: Option<i64>| ns.map_or("?".to_owned(), |it| format!("{}", it as f64 / 1000.0));
    let marks = [(span.shared, " shared"), (span.failed == Some(true), " !")].map(|it| if it.0 { it.1 } else { "" });
    let events = draft.events[span.events.range()].iter();
    let events: String = events
        .map(|it| format!(" @{}{}", micros(it.at_ns), attributes(draft, draft.attributes_of(it.attributes))))
        .collect();
    format!(
        "{} {} {} {}+{}{}{}{}",
        process.service,
        span.operation,
        span.kind.map_or("-", Kind::as_str),
        micros(span.start_ns),
        micros(span.duration_ns.ok()),
        marks.concat(),
        attributes(draft, draft.attributes_of(span.attributes)),
        events
    )
}

/// The spans of one span's JSON, with the trace's and its own id filled in.
#[track_caller]
fn check(members: &str, expected: &[&str]) {
    let text = format!(r#"[{{"traceId":"1","id":"2",{members}}}]"#);
    let spaced = ["\"", "{", "["]
        .iter()
        .fold(text.clone(), |text, it| text.replace(&format!("\":{it}"), &format!("\" :\t{it}")));
    // Spelled as servers do, and not; the keys of the outer object the other way round.
    let reversed = format!(r#"[{{{members},"id":"2","traceId":"1"}}]"#);
    for text in [text, spaced, reversed] {
        let found = read(&text);
        assert_eq!(found.skips, [""; 0], "{text}");
        let draft = &found.traces[0];
        let lines: Vec<String> = draft.spans.iter().map(|it| line(draft, it)).collect();
        assert_eq!(lines, expected, "{text}");
        assert_eq!(draft.links, LinkRules::Zipkin);
    }
}

fn assembled(draft: Draft) -> Trace {
    Assembler::new(DeriveOptions::default()).assemble(draft)
}

/// The tree of a list of spans: a line each, indented below its parent.
#[track_caller]
fn check_tree(spans: &[&str], expected: &[&str]) -> Trace {
    let mut trees = Vec::new();
    let mut last = None;
    let mut backwards = spans.to_vec();
    backwards.reverse();
    // The order of reports must not matter.
    for spans in [spans.to_vec(), backwards] {
        let trace = assembled(list(&spans));
        let mut lines = Vec::new();
        let mut stack: Vec<(u32, usize)> = trace.roots().iter().rev().map(|it| (it.span, 0)).collect();
        while let Some((idx, depth)) = stack.pop() {
            let span = trace.span(idx);
            let kind = span.kind.map_or("-", Kind::as_str);
            let marks = [(span.shared, " shared"), (span.error, " !"), (span.orphan, " orphan")]
                .map(|it| if it.0 { it.1 } else { "" });
            lines.push(format!("{}{} {} {kind}{}", "  ".repeat(depth), span.id, span.service, marks.concat()));
            stack.extend(trace.children(idx).rev().map(|it| (it, depth + 1)));
        }
        trees.push(lines);
        last = Some(trace);
    }
    assert_eq!(trees[0], expected);
    assert_eq!(trees[1], expected, "backwards");
    last.unwrap()
}

#[test]
fn a_span_of_version_2_is_all_it_says() {
    check(
        r#""kind":"CLIENT","name":"get","timestamp":1700000000000000,"duration":1500,"localEndpoint":{"serviceName":"web","ipv4":"10.0.0.1"},"remoteEndpoint":{"serviceName":"Redis","ipv6":"::1","port":6379},"annotations":[{"timestamp":1700000000000001,"value":"ws"}],"tags":{"http.method":"GET","custom":"a\"b","unwanted":"x"}"#,
        &[
            r#"web get client 1700000000000000+1500 http.method=GET custom=a"b remoteEndpoint.serviceName=Redis peer.service=Redis network.peer.address=::1 @1700000000000001 event=ws"#,
        ],
    );
    check(r#""parentId":null"#, &["unknown-service unknown-operation - ?+?"]);
    check(
        r#""name":"","localEndpoint":{"serviceName":""},"kind":"WHATEVER""#,
        &["unknown-service unknown-operation - ?+?"],
    );
    check(r#""name":"unknown""#, &["unknown-service unknown-operation - ?+?"]);
}

#[test]
fn any_error_tag_is_an_error_and_nothing_else_is() {
    for value in [r#""""#, r#""false""#, r#""true""#, "true", "1", r#""no bank""#] {
        let draft = list(&[&format!(r#"{{"id":"2","tags":{{"error":{value}}}}}"#)]);
        assert_eq!(draft.spans[0].failed, Some(true), "{value}");
    }
    for tags in [r#"{"error":null}"#, r#"{"http.status_code":"500","otel.status_code":"ERROR"}"#, "{}", "null"] {
        let span = format!(r#"{{"id":"2","annotations":[{{"timestamp":1,"value":"error"}}],"tags":{tags}}}"#);
        assert_eq!(list(&[&span]).spans[0].failed, Some(false), "{tags}");
    }
}

#[test]
fn the_error_tag_is_the_message_where_it_says_more_than_true() {
    let message = |value: &str| {
        let trace = assembled(list(&[&format!(r#"{{"id":"2","tags":{{"error":"{value}"}}}}"#)]));
        crate::model::semantics::failure(&trace, trace.span(0)).message.map(std::borrow::Cow::into_owned)
    };
    assert_eq!(message("no bank").as_deref(), Some("no bank"));
    assert_eq!(message("true"), None);
    assert_eq!(message(""), None);
}

#[test]
fn times_that_are_not_above_zero_were_not_said() {
    check(r#""timestamp":0,"duration":-5"#, &["unknown-service unknown-operation - ?+?"]);
    check(
        r#""timestamp":"1700000000000000","duration":"1""#,
        &["unknown-service unknown-operation - 1700000000000000+1"],
    );
    check(r#""timestamp":1.7e15,"duration":1.5"#, &["unknown-service unknown-operation - 1700000000000000+1.5"]);
}

#[test]
fn tags_of_other_types_are_texts() {
    check(
        r#""tags":{"http.status_code":200,"error":false,"db.name":null,"custom":{"a":[1]}}"#,
        &[r#"unknown-service unknown-operation - ?+? ! http.status_code=200 error=false custom={"a":[1]}"#],
    );
}

#[test]
fn the_remote_side_is_the_peer_unless_a_tag_says_who() {
    check(
        r#""remoteEndpoint":{"serviceName":"redis"},"tags":{"peer.service":"cache"}"#,
        &["unknown-service unknown-operation - ?+? peer.service=cache remoteEndpoint.serviceName=redis"],
    );
    check(
        r#""remoteEndpoint":{"serviceName":"","ipv4":"::FFFF:10.0.0.9","port":0}"#,
        &["unknown-service unknown-operation - ?+? network.peer.address=10.0.0.9"],
    );
}

#[test]
fn what_exporters_of_opentelemetry_pack_is_unpacked() {
    let draft = list(&[
        r#"{"id":"2","localEndpoint":{"serviceName":"pay"},"annotations":[{"timestamp":5,"value":"{\"exception\":{\"exception.type\":\"E\",\"exception.message\":\"no\"}}"},{"value":"retry"},{"timestamp":6}],"tags":{"error":"","host.name":"pay-1","span.kind":"internal"}}"#,
    ]);
    assert_eq!(
        line(&draft, &draft.spans[0]),
        "pay unknown-operation internal ?+? ! error= span.kind=internal @5 exception.type=E exception.message=no @? event=retry"
    );
    assert_eq!(attributes(&draft, draft.attributes_of(draft.processes[0].attributes)), " host.name=pay-1");
}

#[test]
fn spans_of_one_endpoint_are_of_one_process() {
    let endpoint = |port: u32| format!(r#""localEndpoint":{{"serviceName":"a","ipv4":"10.0.0.1","port":{port}}}"#);
    let spans = [8080, 8080, 8081, 8080].map(|it| format!(r#"{{"id":"2",{}}}"#, endpoint(it)));
    let draft = list(&spans.each_ref().map(String::as_str));
    assert_eq!(draft.spans.iter().map(|it| it.process).collect::<Vec<_>>(), [0, 0, 1, 0]);
    assert_eq!(attributes(&draft, draft.attributes_of(draft.processes[0].attributes)), " ip=10.0.0.1 port=8080");
}

#[test]
fn ids_of_64_and_128_bits_are_one_trace_by_the_longest_spelling() {
    let found = read(
        r#"[{"traceId":"48485a3953bb6124","id":"1"},{"traceId":"463ac35c9f6413ad48485a3953bb6124","id":"2","parentId":"1"},{"traceId":"48485A3953BB6124","id":"3"},{"traceId":"b","id":"4"}]"#,
    );
    let ids: Vec<(String, usize)> =
        found.traces.iter().map(|it| (it.id.as_ref().unwrap().to_string(), it.spans.len())).collect();
    assert_eq!(ids, [("463ac35c9f6413ad48485a3953bb6124".to_owned(), 3), ("b".to_owned(), 1)]);
    assert_eq!(found.traces[0].key(), u128::from(0x4848_5a39_53bb_6124_u64), "and met again they are the same");
    let found = read(r#"{"traceId":"0000000000000000000000000000000a","id":"1"}"#);
    assert_eq!(found.loose[0].id.as_ref().unwrap().to_string(), "000000000000000a");
    // The upper half alone is an id too.
    let found = read(
        r#"[{"traceId":"10000000000000000000000000000000","id":"1"},{"traceId":"20000000000000000000000000000000","id":"1"}]"#,
    );
    assert_eq!(found.traces.len(), 2);
}

#[test]
fn a_list_is_a_trace_and_a_span_is_loose() {
    let found = read(r#"[{"traceId":"1","id":"2"},null,{"traceId":"1","id":"3"}]"#);
    assert_eq!((found.traces.len(), found.loose.len(), found.skips.len()), (1, 0, 0));
    let found = read(r#"{"traceId":"1","id":"2"}"#);
    assert_eq!((found.traces.len(), found.loose.len()), (0, 1));
    assert!(read("[]").traces.is_empty());
}

#[test]
fn senseless_spans_are_left_out_and_the_others_kept() {
    let found = read(
        r#"[{"traceId":"1"},{"id":"2"},{"traceId":"1","id":"0000"},{"traceId":"00","id":"1"},5,[],
            {"traceId":"1","id":"3","timestamp":"soon"},{"traceId":"1","id":"3","duration":{}},
            {"traceId":"1","id":"3","timestamp":99999999999999999999},{"traceId":"1","id":"3","timestamp":9000000000000000},
            {"traceId":[],"id":{}},{"traceId":"1","id":"9"}]"#,
    );
    assert_eq!(found.traces[0].spans.len(), 1);
    assert_eq!(
        found.skips,
        [
            "a span without an id",
            "a span without a trace id",
            "a span without an id",
            "a span without a trace id",
            "not a span where one belongs",
            "not a span where one belongs",
            "a span whose start is not a number",
            "a span whose duration is not a number",
            "a span whose times do not fit",
            "a span whose times do not fit",
            "a span without an id",
        ]
    );
}

#[test]
fn a_parent_that_is_zero_or_oneself_is_none() {
    for parent in ["0000000000000000", "2", "0002"] {
        let trace = assembled(list(&[&format!(r#"{{"id":"2","parentId":"{parent}"}}"#)]));
        assert_eq!((trace.repairs.cycles, trace.span(0).orphan), (0, false), "{parent}");
    }
}

const CLIENT: &str =
    r#"{"id":"2","parentId":"1","kind":"CLIENT","timestamp":10,"duration":80,"localEndpoint":{"serviceName":"web"}}"#;
const SERVER: &str = r#"{"id":"2","parentId":"1","kind":"SERVER","shared":true,"timestamp":20,"duration":50,"localEndpoint":{"serviceName":"api"}}"#;
const ROOT: &str = r#"{"id":"1","kind":"SERVER","timestamp":1,"duration":100,"localEndpoint":{"serviceName":"web"}}"#;

#[test]
fn both_sides_of_a_call_share_an_id() {
    let below = r#"{"id":"3","parentId":"2","timestamp":30,"duration":5,"localEndpoint":{"serviceName":"api"}}"#;
    let retry = r#"{"id":"4","parentId":"2","timestamp":40,"duration":5,"localEndpoint":{"serviceName":"web"}}"#;
    let trace = check_tree(
        &[ROOT, CLIENT, SERVER, below, retry],
        &["1 web server", "  2 web client", "    2 api server shared", "      3 api -", "    4 web -"],
    );
    assert_eq!(trace.repairs.shared_spans, 1);
    assert_eq!(trace.repairs.merged_spans + trace.repairs.duplicate_spans + trace.repairs.renamed_spans, 0);
}

#[test]
fn a_server_that_does_not_say_that_it_shares_or_whose_child_it_is_does() {
    let silent = SERVER.replace(r#""shared":true,"#, "").replace(r#""parentId":"1","#, "");
    check_tree(&[ROOT, CLIENT, &silent], &["1 web server", "  2 web client", "    2 api server shared"]);
    // The flag is the server's.
    let wrong = CLIENT.replace("\"CLIENT\"", "\"CLIENT\",\"shared\":true");
    check_tree(&[ROOT, &wrong, &silent], &["1 web server", "  2 web client", "    2 api server shared"]);
}

#[test]
fn a_server_without_its_client_is_where_its_client_would_be() {
    let below = r#"{"id":"3","parentId":"2","timestamp":30,"localEndpoint":{"serviceName":"api"}}"#;
    let trace = check_tree(&[ROOT, SERVER, below], &["1 web server", "  2 api server", "    3 api -"]);
    assert_eq!(trace.repairs.shared_spans, 0);
    let trace = check_tree(&[&SERVER.replace(r#""parentId":"1","#, "")], &["2 api server"]);
    assert_eq!((trace.repairs.orphans, trace.repairs.extra_roots), (0, 0));
    check_tree(&[SERVER], &["2 api server orphan"]);
}

#[test]
fn servers_that_answer_one_id_stay_apart_and_keep_their_children() {
    let at = |ip: &str| format!(r#""localEndpoint":{{"serviceName":"api","ipv4":"{ip}"}}"#);
    let server = |ip: &str, start: u32| {
        format!(
            r#"{{"id":"2","parentId":"1","kind":"SERVER","shared":true,"timestamp":{start},"duration":5,{}}}"#,
            at(ip)
        )
    };
    let child = |id: u32, ip: &str| format!(r#"{{"id":"{id}","parentId":"2","timestamp":50,"duration":1,{}}}"#, at(ip));
    let (one, two) = (server("10.0.0.1", 20), server("10.0.0.2", 30));
    let (below_one, below_two) = (child(3, "10.0.0.1"), child(4, "10.0.0.2"));
    let trace = check_tree(
        &[ROOT, CLIENT, &one, &two, &below_one, &below_two],
        &[
            "1 web server",
            "  2 web client",
            "    2 api server shared",
            "      3 api -",
            "    2_1 api server shared",
            "      4 api -",
        ],
    );
    assert_eq!((trace.repairs.shared_spans, trace.repairs.renamed_spans), (2, 1));
}

#[test]
fn reports_of_one_span_are_one_span() {
    let at = r#""localEndpoint":{"serviceName":"web","ipv4":"10.0.0.1"}"#;
    let started = format!(r#"{{"id":"1","kind":"SERVER","name":"get","timestamp":1000,{at}}}"#);
    let finished = format!(r#"{{"id":"1","duration":70,"tags":{{"http.method":"GET"}},{at}}}"#);
    let late =
        r#"{"id":"1","tags":{"error":"gone","http.route":"/"},"annotations":[{"timestamp":1050,"value":"flush"}]}"#;
    let trace = check_tree(&[&started, &finished, late], &["1 web server !"]);
    let span = trace.span(0);
    assert_eq!((span.start_ns, span.duration_ns, span.operation.as_str()), (1_000_000, Some(70_000), "get"));
    assert_eq!(attributes(&trace.draft, trace.attributes(span)).split(' ').count(), 4);
    assert_eq!(trace.events(span).len(), 1);
    assert_eq!(trace.repairs.merged_spans, 2);
    let trace = check_tree(&[&started, &started], &["1 web server"]);
    assert_eq!((trace.repairs.merged_spans, trace.repairs.duplicate_spans), (0, 1));
}

#[test]
fn reports_of_each_side_join_their_own() {
    let finish = |side: &str| format!(r#"{{"id":"2","duration":60,{side}}}"#);
    let client = finish(r#""localEndpoint":{"serviceName":"web"}"#);
    let server = finish(r#""shared":true,"localEndpoint":{"serviceName":"api"}"#);
    let no_duration = |span: &str| span.replace(r#""duration":80,"#, "").replace(r#""duration":50,"#, "");
    let trace = check_tree(
        &[ROOT, &no_duration(CLIENT), &no_duration(SERVER), &client, &server],
        &["1 web server", "  2 web client", "    2 api server shared"],
    );
    assert!(trace.spans().iter().all(|it| it.duration_ns.is_some()));
    assert_eq!(trace.repairs.merged_spans, 2);
}

#[test]
fn a_late_report_finds_its_side_behind_a_server_that_hides() {
    let server = r#"{"id":"2","parentId":"1","kind":"SERVER","localEndpoint":{"serviceName":"api"}}"#;
    let late = r#"{"id":"2","tags":{"error":""},"localEndpoint":{"serviceName":"web"}}"#;
    check_tree(&[ROOT, CLIENT, server, late], &["1 web server", "  2 web client !", "    2 api server shared"]);
}

#[test]
fn both_sides_at_one_endpoint_are_two_spans() {
    let there = SERVER.replace("api", "web").replace(r#""shared":true,"#, "");
    check_tree(&[ROOT, CLIENT, &there], &["1 web server", "  2 web client", "    2 web server shared"]);
}

#[test]
fn cycles_end_and_keep_their_spans() {
    let trace = check_tree(
        &[r#"{"id":"2","parentId":"3","timestamp":5}"#, r#"{"id":"3","parentId":"2","timestamp":6}"#],
        &["2 unknown-service - orphan", "  3 unknown-service -"],
    );
    assert_eq!(trace.repairs.cycles, 1);
}

/// An annotation of version 1.
fn annotation(at: u32, word: &str, service: &str) -> String {
    format!(r#"{{"timestamp":{at},"value":"{word}","endpoint":{{"serviceName":"{service}"}}}}"#)
}

/// Checks the halves of a span of version 1: members beside the ids, annotations, binary annotations.
#[track_caller]
fn check_v1(members: &str, annotations: &[(u32, &str, &str)], binary: &str, expected: &[&str]) {
    let annotations: Vec<String> = annotations.iter().map(|it| annotation(it.0, it.1, it.2)).collect();
    check(&format!(r#"{members}"annotations":[{}],"binaryAnnotations":[{binary}]"#, annotations.join(",")), expected);
}

#[test]
fn core_annotations_make_the_kind_and_the_times() {
    check_v1("", &[(10, "sr", "a"), (30, "ss", "a")], "", &["a unknown-operation server 10+20 shared"]);
    check_v1(
        r#""timestamp":10,"duration":25,"#,
        &[(10, "sr", "a"), (30, "ss", "a")],
        "",
        &["a unknown-operation server 10+25"],
    );
    check_v1("", &[(10, "cs", "a"), (30, "cr", "a")], "", &["a unknown-operation client 10+20"]);
    check_v1("", &[(10, "ms", "a"), (12, "ws", "a")], "", &["a unknown-operation producer 10+2"]);
    check_v1("", &[(10, "mr", "a"), (8, "wr", "a")], "", &["a unknown-operation consumer 8+2"]);
    check_v1("", &[(10, "ws", "a")], "", &["a unknown-operation - ?+? @10 event=ws"]);
    check(
        r#""binaryAnnotations":[],"annotations":[{"timestamp":10,"value":"sr"}]"#,
        &["unknown-service unknown-operation - ?+? @10 event=sr"],
    );
}

#[test]
fn both_sides_in_one_span_are_two_spans() {
    let both = [(10, "cs", "web"), (20, "sr", "api"), (30, "ss", "api"), (50, "cr", "web")];
    check_v1("", &both, "", &["web unknown-operation client 10+40", "api unknown-operation server 20+10 shared"]);
    let loopback = both.map(|it| (it.0, it.1, "web"));
    check_v1("", &loopback, "", &["web unknown-operation client 10+40", "web unknown-operation server 20+10 shared"]);
    // Nobody answered: no duration.
    check_v1(
        r#""timestamp":10,"#,
        &both[..2],
        "",
        &["web unknown-operation client 10+?", "api unknown-operation server 20+? shared"],
    );
    check_v1(
        "",
        &[(10, "ms", "web"), (40, "mr", "mail")],
        "",
        &["web unknown-operation producer 10+?", "mail unknown-operation consumer 40+? shared"],
    );
}

#[test]
fn a_lone_end_implies_its_start_or_stays_a_word() {
    check_v1(r#""timestamp":10,"duration":20,"#, &[(30, "cr", "a")], "", &["a unknown-operation client 10+20"]);
    check_v1("", &[(30, "ss", "a")], "", &["a unknown-operation server ?+? @30 event=ss"]);
    check_v1("", &[(30, "cs", "a")], "", &["a unknown-operation client 30+?"]);
}

#[test]
fn addresses_are_the_other_side() {
    let address = |key: &str, service: &str, value: &str| {
        format!(r#"{{"key":"{key}","value":{value},"endpoint":{{"serviceName":"{service}"}}}}"#)
    };
    let remote = |name: &str| format!(" remoteEndpoint.serviceName={name} peer.service={name}");
    for value in ["true", "\"1\""] {
        check_v1(
            "",
            &[(1, "cs", "a")],
            &address("sa", "db", value),
            &[&format!("a unknown-operation client 1+?{}", remote("db"))],
        );
    }
    check_v1(
        "",
        &[(1, "cs", "a")],
        &address("sa", "db", "\"no\""),
        &["a unknown-operation client 1+?", "db unknown-operation - ?+?"],
    );
    check_v1(
        "",
        &[(1, "sr", "a")],
        &address("ca", "b", "true"),
        &[&format!("a unknown-operation server 1+? shared{}", remote("b"))],
    );
    check_v1("", &[(1, "sr", "a")], &address("ca", "a", "true"), &["a unknown-operation server 1+? shared"]);
    check_v1(
        "",
        &[(1, "ms", "a")],
        &address("ma", "q", "true"),
        &[&format!("a unknown-operation producer 1+?{}", remote("q"))],
    );
    let both = format!("{},{}", address("ca", "a", "true"), address("sa", "b", "true"));
    check_v1("", &[], &both, &[&format!("a unknown-operation - ?+?{}", remote("b"))]);
    check_v1(
        "",
        &[],
        &address("sa", "b", "true"),
        &[&format!("unknown-service unknown-operation - ?+?{}", remote("b"))],
    );
    check_v1(
        "",
        &[],
        &address("ca", "b", "true"),
        &[&format!("unknown-service unknown-operation server ?+?{}", remote("b"))],
    );
}

#[test]
fn tags_go_to_the_side_that_said_them() {
    let tag = |key: &str, value: &str, service: &str| {
        format!(r#"{{"key":"{key}","value":"{value}","endpoint":{{"serviceName":"{service}"}}}}"#)
    };
    let binary = [
        tag("http.method", "GET", "web"),
        tag("error", "", "api"),
        tag("lc", "", "web"),
        r#"{"key":"db.name","value":"x"}"#.to_owned(),
    ];
    check_v1(
        "",
        &[(10, "cs", "web"), (20, "sr", "api"), (22, "note", "api")],
        &binary.join(","),
        &[
            "web unknown-operation client 10+? http.method=GET db.name=x",
            "api unknown-operation server 20+? shared ! error= @22 event=note",
        ],
    );
    check_v1("", &[], &tag("lc", "", "web"), &["web unknown-operation - ?+?"]);
}

#[test]
fn versions_mix_span_by_span() {
    let draft = list(&[
        r#"{"id":"1","kind":"SERVER","localEndpoint":{"serviceName":"web"}}"#,
        r#"{"id":"2","annotations":[{"timestamp":5,"value":"cs","endpoint":{"serviceName":"web"}}],"binaryAnnotations":[]}"#,
    ]);
    assert_eq!(draft.spans.iter().map(|it| it.kind).collect::<Vec<_>>(), [Some(Kind::Server), Some(Kind::Client)]);
}

/// Every value of a document replaced by others, one after the other, and the document cut everywhere.
#[test]
fn no_broken_span_is_more_than_skipped() {
    let v2 = r#"[{"traceId":"1","id":"2","parentId":"1","kind":"CLIENT","name":"x","timestamp":5,"duration":6,"localEndpoint":{"serviceName":"a","ipv4":"1","port":1},"remoteEndpoint":{"serviceName":"b"},"annotations":[{"timestamp":1,"value":"{\"a\":{}}"}],"tags":{"error":"x"},"shared":true}]"#;
    let v1 = r#"[{"traceId":"1","id":"2","parentId":"1","name":"x","timestamp":5,"duration":6,"annotations":[{"timestamp":1,"value":"sr","endpoint":{"serviceName":"a"}}],"binaryAnnotations":[{"key":"sa","value":true,"endpoint":{"serviceName":"b"}}]}]"#;
    let good = r#",{"traceId":"f","id":"f"}]"#;
    for text in [v2, v1] {
        for at in (0..text.len()).filter(|it| text.is_char_boundary(*it)) {
            let mut found = Found::default();
            let cut = Zipkin.parser(&Arc::default()).element(&text[..at], &mut found);
            assert!(cut.is_err(), "{at}");
            let Some(colon) = text[at..].strip_prefix(':') else { continue };
            let Ok(end) = value_end(colon) else { continue };
            for other in
                ["null", "{}", "[]", "[null,[],{},5]", "{\"a\":null}", "-1", "1e300", "\"\"", "\"\u{0}\"", "true"]
            {
                let changed = format!("{}:{other}{}", &text[..at], &colon[end..text.len() - at - 2]);
                let outcome = Zipkin.parser(&Arc::default()).element(&format!("{changed}{good}"), &mut found);
                if outcome.is_ok() {
                    assert!(found.traces.iter().any(|it| it.id == Id::parse("f")), "{changed}");
                }
                found.traces.drain(..).for_each(|it| drop(assembled(it)));
            }
        }
    }
}

fn value_end(text: &str) -> Result<usize> {
    let mut cursor = Cursor::new(text);
    cursor.skip().map(|()| cursor.position())
}
