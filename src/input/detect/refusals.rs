//! What is recognized but holds no spans, or none that can be read: what it is, and what to export instead.

use super::NotDetected;
use crate::input::head::Head;
use crate::input::json::Node;

/// What it is, and what to do instead.
type Words = (&'static str, &'static str);

const FETCH: &str = "fetch traces: curl 'http://JAEGER:16686/api/traces?service=NAME&limit=1000'";
const FETCH_EITHER: &str = "fetch traces: curl 'http://JAEGER:16686/api/traces?service=NAME&limit=1000', \
     or curl 'http://ZIPKIN:9411/api/v2/traces?serviceName=NAME&limit=1000'";
const FETCH_V3: &str = "fetch the traces themselves: curl 'http://JAEGER:16686/api/v3/traces/TRACE_ID'";
const AS_JSON: &str =
    "export JSON: the Collector's file exporter with `format: json`, or an OTLP exporter with the protocol http/json";
const TRACES_TOO: &str = "export traces: add the exporter to the Collector's traces pipeline";
const UNPACK: &str = "unpack it first";

/// Judges bytes that are no JSON, from the first that is not blank.
pub(super) fn of_bytes(bytes: &[u8]) -> Option<NotDetected> {
    let (what, hint) = match bytes {
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => ("it is compressed more than 3 times over", UNPACK),
        _ if bytes.starts_with(b"analyze-traces baseline ") => (
            "it is a baseline of analyze-traces, which holds no traces",
            "compare with it, as a file of its own and unpacked: analyze-traces diff BASELINE CAPTURE",
        ),
        [b'<', b'?', b'x', b'm', b'l', ..] => (
            "it is XML, not JSON",
            "a storage service answers so when it refuses: look at what it says, then save the JSON",
        ),
        [b'<', ..] => (
            "it is a web page (HTML), not JSON",
            "an address without the server's base path, or a login, answers with a page: check the URL, then save the JSON",
        ),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => ("it is a zip archive", "unpack it: unzip -p FILE | analyze-traces -"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => ("it is compressed with xz", "pipe it: xz -dc FILE | analyze-traces -"),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => {
            ("it is compressed with bzip2", "pipe it: bzip2 -dc FILE | analyze-traces -")
        }
        [0x04, 0x22, 0x4d, 0x18, ..] => ("it is compressed with lz4", "pipe it: lz4 -dc FILE | analyze-traces -"),
        [b'7', b'z', 0xbc, 0xaf, ..] => ("it is a 7z archive", UNPACK),
        _ if bytes.get(257..262) == Some(b"ustar") => {
            ("it is a tar archive", "unpack it: tar -xf FILE, then name the directory")
        }
        _ if contains(bytes, b"ResourceSpans #") => {
            ("it is the text of the Collector's debug exporter, not JSON", AS_JSON)
        }
        _ => return None,
    };
    Some(NotDetected { what: what.to_owned(), hint: hint.to_owned() })
}

/// Judges the very first bytes: binary protobuf may begin with what looks like a line feed.
pub(super) fn of_protobuf(bytes: &[u8]) -> Option<NotDetected> {
    let message = match bytes {
        [0x0a, ..] => bytes,
        // Behind its length, as the Collector's file exporter writes it.
        [0, _, _, _, 0x0a, ..] => &bytes[4..],
        _ => return None,
    };
    let shown = &message[..message.len().min(64)];
    let is_control = |it: &u8| *it < b' ' && !matches!(it, b'\t' | b'\n' | b'\r');
    let is_binary =
        shown.iter().any(is_control) || std::str::from_utf8(shown).is_err_and(|it| it.error_len().is_some());
    is_binary.then(|| NotDetected {
        what: "it is binary protobuf (OTLP or Zipkin), not JSON".to_owned(),
        hint: AS_JSON.to_owned(),
    })
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    memchr::memmem::find(bytes, text).is_some()
}

/// Judges a value by its keys.
pub(super) fn of_value(head: &Head<'_>) -> Option<NotDetected> {
    // Grafana puts a trace id, of its own, beside the words.
    if head.value.has_all(&["message", "traceID"])
        && let Some(refusal) = of_error(head)
    {
        return Some(refusal);
    }
    let (what, hint) = recognized(head)?;
    Some(NotDetected { what: format!("it is {what}"), hint: hint.to_owned() })
}

/// Whether a value is of a signal that files mix with traces, a line each.
pub(super) fn is_other_signal(value: &Node<'_>) -> bool {
    other_signal(value).is_some()
}

fn recognized(head: &Head<'_>) -> Option<Words> {
    let value = &head.value;
    // What a server's envelope holds, or the value itself.
    let data = value.get("data");
    let items = if data.is_list() { data } else { value };
    let first = if items.is_list() { items.first() } else { data };
    None.or_else(|| ours(value))
        .or_else(|| console_text(head.text))
        .or_else(|| names(items, value))
        .or_else(|| dependencies(&[first, head.element(), value.get("dependencies").first()]))
        .or_else(|| operations(&[first, value.get("operations").first()]))
        .or_else(|| summaries(value))
        .or_else(|| other_signal(value))
        .or_else(|| other_tools(value, head.element()))
}

fn ours(value: &Node<'_>) -> Option<Words> {
    let is_report = value.has_all(&["schema_version", "tool"]);
    is_report.then_some(("a report of analyze-traces, not a capture", "name the capture it was made from"))
}

/// What Node's console prints of objects: keys without quotes.
fn console_text(text: &str) -> Option<Words> {
    let rest = text.trim_start().trim_start_matches('[').trim_start().strip_prefix('{')?.trim_start();
    let key = rest.split(|it: char| !it.is_ascii_alphanumeric() && it != '_').next().unwrap_or("");
    let is_key = key.starts_with(|it: char| it.is_ascii_alphabetic()) && rest[key.len()..].starts_with(':');
    is_key.then_some((
        "what a JavaScript console prints (keys without quotes), not JSON",
        "the ConsoleSpanExporter is for eyes: export with OTLPTraceExporter (http/json) to a Collector's file exporter",
    ))
}

fn names(items: &Node<'_>, value: &Node<'_>) -> Option<Words> {
    let is_name = |it: &Node<'_>| it.as_str().is_some() || it.is_number();
    let is_names =
        |list: &Node<'_>| list.items().iter().any(is_name) && list.items().iter().all(|it| is_name(it) || it.is_null());
    if is_names(items) {
        return Some(("a list of names, not of traces", FETCH_EITHER));
    }
    if is_names(value.get("services")) {
        return Some(("a list of services, not of traces", FETCH));
    }
    let is_tags = value.get("tagNames").is_list() || value.get("tagValues").is_list();
    is_tags
        .then_some(("a list of Tempo's tags, not of traces", "fetch a trace: curl 'http://TEMPO:3200/api/traces/ID'"))
}

fn dependencies(firsts: &[&Node<'_>]) -> Option<Words> {
    let is_link = |it: &Node<'_>| it.has_all(&["parent", "child", "callCount"]);
    firsts.iter().any(|it| is_link(it)).then_some(("a list of service dependencies, not of traces", FETCH_EITHER))
}

fn operations(firsts: &[&Node<'_>]) -> Option<Words> {
    let is_operation = |it: &Node<'_>| {
        it.has("name")
            && !it.members().is_empty()
            && it.members().iter().all(|(key, _)| key == "name" || key == "spanKind")
    };
    firsts.iter().any(|it| is_operation(it)).then_some(("a list of operations, not of traces", FETCH))
}

/// Lists of traces without their spans.
fn summaries(value: &Node<'_>) -> Option<Words> {
    let trace = value.get("traces").first();
    let is_found = trace.has("traceID")
        && ["rootServiceName", "rootTraceName", "spanSets", "spanSet"].iter().any(|it| trace.has(it));
    let is_nothing_found = value.get("traces").is_list()
        && trace.is_null()
        && value.at(&["metrics"]).members().iter().any(|(key, _)| key.starts_with("inspected"));
    if is_found || is_nothing_found {
        return Some((
            "the result of a Tempo search, which holds no spans",
            "fetch each trace by its id: curl 'http://TEMPO:3200/api/traces/TRACE_ID'",
        ));
    }
    if value.get("TraceSummaries").is_list() {
        return Some((
            "a list of X-Ray trace summaries, which hold no spans",
            "fetch the traces by their ids, five at a time: aws xray batch-get-traces --trace-ids ID ...",
        ));
    }
    if value.get("Services").is_list() {
        return Some((
            "an X-Ray service graph, which holds no spans",
            "fetch traces: aws xray get-trace-summaries for their ids, then aws xray batch-get-traces --trace-ids ID ...",
        ));
    }
    let is_v3 = value.get("summaries").is_list() || value.at(&["result", "summaries"]).is_list();
    is_v3.then_some(("a list of trace summaries, which hold no spans", FETCH_V3))
}

fn other_signal(value: &Node<'_>) -> Option<Words> {
    let has = |keys: [&str; 2]| keys.iter().any(|it| value.has(it));
    if has(["resourceSpans", "resource_spans"]) {
        return None;
    }
    if has(["resourceMetrics", "resource_metrics"]) {
        return Some(("OpenTelemetry metrics, not traces", TRACES_TOO));
    }
    has(["resourceLogs", "resource_logs"]).then_some(("OpenTelemetry logs, not traces", TRACES_TOO))
}

fn other_tools(value: &Node<'_>, element: &Node<'_>) -> Option<Words> {
    let is_event = element.get("ph").as_str().is_some() && (element.has("ts") || element.has("pid"));
    if value.get("traceEvents").is_list() || is_event {
        return Some((
            "a profile in Chrome's trace format, not a distributed trace",
            "export the traces themselves from the tracing backend",
        ));
    }
    if value.get("$schema").as_str().is_some_and(|it| it.contains("speedscope")) {
        return Some((
            "a speedscope profile, not a distributed trace",
            "export the traces themselves from the tracing backend",
        ));
    }
    value.get("data").has_all(&["resultType", "result"]).then_some((
        "an answer of Prometheus or Loki, which holds no spans",
        "fetch traces from the tracing backend, such as Tempo: curl 'http://TEMPO:3200/api/traces/TRACE_ID'",
    ))
}

/// Keys that servers put around their words when they refuse; nothing else may be there.
const AROUND_AN_ERROR: &[&str] = &[
    "error",
    "errors",
    "message",
    "msg",
    "Message",
    "code",
    "status",
    "statusCode",
    "statusText",
    "timestamp",
    "path",
    "title",
    "detail",
    "details",
    "type",
    "__type",
    "reason",
    "requestId",
    "traceID",
    "messageId",
    "data",
];

/// A backend's answer that it has none: its own words. Asked last, since formats judge their own servers' answers.
pub(super) fn of_error(head: &Head<'_>) -> Option<NotDetected> {
    let value = &head.value;
    let is_error = value.members().iter().all(|(key, _)| AROUND_AN_ERROR.contains(&key.as_ref()));
    if !is_error || !value.get("data").items().is_empty() || !value.get("data").members().is_empty() {
        return None;
    }
    let words = ["message", "msg", "Message", "detail", "error", "errors", "title", "reason"]
        .iter()
        .find_map(|key| words_in(value.get(key)))?;
    let code = ["code", "status", "statusCode"].iter().find_map(|it| value.get(it).scalar());
    let code = code.map(|it| format!(" (code {it})")).unwrap_or_default();
    Some(NotDetected {
        what: format!("it holds no traces but a server's error: {words}{code}"),
        hint: "fetch it again, and look at what the server answers".to_owned(),
    })
}

fn words_in(node: &Node<'_>) -> Option<String> {
    let node = if node.is_list() { node.first() } else { node };
    let inner = ["message", "msg", "reason", "detail"].iter().find_map(|it| node.get(it).filled());
    node.filled().or(inner).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protobuf_is_told_from_blank_lines() {
        let resource = b"\n\xfe\x02\n\x2a\n\x28\n\x0cservice.name\x12\x18\n\x16checkout";
        assert!(of_protobuf(resource).is_some());
        assert!(of_protobuf(&[b"\0\0\x01\x80", &resource[..]].concat()).is_some());
        for text in [&b"\n{\n\"data\": \"\xc3\xbc\"}"[..], b"\n\n\n[", b"\n", b"{\x01", b"\0\0\0\0"] {
            assert!(of_protobuf(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn what_a_console_prints_has_bare_keys() {
        for text in ["{\n  traceId: 'a',", "[ { name: 1", "{resource:{"] {
            assert!(console_text(text).is_some(), "{text}");
        }
        for text in ["{\"a\":1}", "{", "{ a", "{1: 2}", "[1]", "", "{}", "{:"] {
            assert!(console_text(text).is_none(), "{text}");
        }
    }
}
