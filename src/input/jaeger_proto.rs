//! Jaeger's protobuf messages (`api_v2`) as JSON: what grpcurl prints, what the gateway streamed, what
//! Kafka holds with `encoding: json`. Ids are base64, times RFC 3339, durations `0.5s`.

mod text;

use std::sync::Arc;

use super::json::{Fault, Node};
use super::{Batch, Format, Frame, Head, NewSpan, Parser, Sink, Sniff, rfc3339_ns};
use crate::model::{Kind, NoDuration, Reference, Run, ValueType, Wanted};
use text::{duration_ns, id_of};

/// The format.
pub(super) struct JaegerProto;

impl Format for JaegerProto {
    fn name(&self) -> &'static str {
        "jaeger-proto"
    }

    fn about(&self) -> &'static str {
        "Jaeger's api_v2 messages as JSON: grpcurl's output, Kafka topics with encoding json"
    }

    fn how_to_export(&self) -> &'static str {
        "grpcurl -plaintext -d '{\"trace_id\":\"BASE64\"}' JAEGER:16685 jaeger.api_v2.QueryService/GetTrace > trace.json"
    }

    fn sniff(&self, head: &Head<'_>) -> Sniff {
        let element = head.element();
        let inner = ["result", "batch"].iter().map(|it| element.get(it)).find(|it| it.is_object()).unwrap_or(element);
        let list = inner.get("spans");
        let span = if list.is_list() { list.first() } else { inner };
        let has = |camel, snake| !either(span, camel, snake).is_null();
        // Of those who write `traceId` this one alone has operations.
        let is_span = has("traceId", "trace_id") && has("spanId", "span_id") && has("operationName", "operation_name");
        if is_span && !span.has("service_name") && !span.has("serviceName") { Sniff::Yes } else { Sniff::No }
    }

    fn frame(&self) -> Frame {
        Frame {
            envelopes: &["result"],
            element_keys: &["spans", "processMap", "process_map", "batch", "traceId", "trace_id", "spanId", "span_id"],
            sure_keys: &["spans"],
            element: "trace",
        }
    }

    fn parser(&self, wanted: &Arc<Wanted>) -> Box<dyn Parser> {
        Box::new(ProtoParser { batch: Batch::new(wanted) })
    }
}

/// The value of a field, whose name the mapping may or may not have changed.
fn either<'n, 'a>(node: &'n Node<'a>, camel: &str, snake: &str) -> &'n Node<'a> {
    match node.get(camel) {
        Node::Null => node.get(snake),
        value => value,
    }
}

struct ProtoParser {
    batch: Batch,
}

/// Processes that spans share: by their ids, or one for all.
#[derive(Default)]
struct Processes<'n> {
    by_id: Vec<(&'n str, u32)>,
    of_all: Option<u32>,
}

impl Parser for ProtoParser {
    fn element(&mut self, text: &str, sink: &mut dyn Sink) -> Result<(), Fault> {
        let element = Node::parse(text)?;
        let element = if element.get("batch").is_object() { element.get("batch") } else { &element };
        let map = either(element, "processMap", "process_map");
        let processes = self.processes(element, map);
        let list = element.get("spans");
        let spans = if list.is_list() { list.items() } else { std::slice::from_ref(element) };
        for span in spans {
            if let Err(reason) = self.span(span, &processes) {
                sink.skip(reason, 0);
            }
        }
        // A trace lists its processes; spans that stream in may go on in the next message.
        if map.is_list() {
            self.batch.emit_traces(sink)
        } else {
            self.batch.emit_spans(sink)
        }
        Ok(())
    }
}

impl ProtoParser {
    fn processes<'n>(&mut self, element: &'n Node<'_>, map: &'n Node<'_>) -> Processes<'n> {
        let mut processes = Processes::default();
        for entry in map.items() {
            if let Some(id) = either(entry, "processId", "process_id").as_str() {
                processes.by_id.push((id, self.process(entry.get("process"))));
            }
        }
        if element.get("spans").is_list() && element.get("process").is_object() {
            processes.of_all = Some(self.process(element.get("process")));
        }
        processes
    }

    fn process(&mut self, process: &Node<'_>) -> u32 {
        let (attributes, _) = self.tags(process.get("tags"));
        self.batch.process(either(process, "serviceName", "service_name").scalar(), attributes)
    }

    fn span(&mut self, span: &Node<'_>, processes: &Processes<'_>) -> Result<(), &'static str> {
        let id = id_of(either(span, "spanId", "span_id")).ok_or("a span without an id")?;
        let trace = id_of(either(span, "traceId", "trace_id")).ok_or("a span without a trace id")?;
        let start_ns = match either(span, "startTime", "start_time") {
            Node::Null => None,
            it => Some(it.as_str().and_then(rfc3339_ns).ok_or("a span whose start is no time")?),
        };
        let duration_ns = match span.get("duration") {
            Node::Null => Err(NoDuration::Missing),
            it => Ok(it.as_str().and_then(duration_ns).ok_or("a span whose duration is none")?),
        };
        let named = either(span, "processId", "process_id").as_str();
        let process = match span.get("process") {
            own @ Node::Object(_) => self.process(own),
            _ => {
                let of_id = processes.by_id.iter().find(|(id, _)| Some(*id) == named).map(|(_, process)| *process);
                of_id.or(processes.of_all).unwrap_or_else(|| self.batch.process(None, Run::default()))
            }
        };
        let (attributes, kind) = self.tags(span.get("tags"));
        let events = self.logs(span.get("logs"));
        let reference = |node: &Node<'_>| {
            let other = id_of(either(node, "traceId", "trace_id")).filter(|it| *it != trace).map(Box::new);
            let follows_from = matches!(either(node, "refType", "ref_type").scalar(), Some("FOLLOWS_FROM" | "1"));
            Some(Reference {
                span: id_of(either(node, "spanId", "span_id"))?,
                trace: other,
                follows_from,
                is_link: false,
            })
        };
        let links = span.get("references").items().iter().filter_map(reference).collect();
        self.batch.push(NewSpan {
            trace,
            id,
            parent: None,
            links,
            operation: either(span, "operationName", "operation_name").scalar().unwrap_or(""),
            process,
            kind,
            start_ns,
            duration_ns,
            failed: None,
            shared: false,
            attributes,
            events,
        })
    }

    /// Adds tags; and says what they tell of the span's side.
    fn tags(&mut self, tags: &Node<'_>) -> (Run, Option<Kind>) {
        let mark = self.batch.mark_attributes();
        let mut kind = None;
        for tag in tags.items() {
            let Some(key) = tag.get("key").filled() else { continue };
            let (value, value_type) = value_of(tag);
            self.batch.typed_attribute(key, value, value_type);
            if key == "span.kind" {
                kind = kind.or_else(|| Kind::from_text(value));
            }
        }
        (self.batch.attributes_since(mark), kind)
    }

    fn logs(&mut self, logs: &Node<'_>) -> Run {
        let events = self.batch.mark_events();
        for log in logs.items() {
            let (attributes, _) = self.tags(log.get("fields"));
            self.batch.event(log.get("timestamp").as_str().and_then(rfc3339_ns), attributes);
        }
        self.batch.events_since(events)
    }
}

/// What a tag says. The mapping leaves out what is the default: no type is a text, no value is empty, 0 or false.
fn value_of<'n>(tag: &'n Node<'_>) -> (&'n str, ValueType) {
    let value = |camel, snake| either(tag, camel, snake).scalar();
    let (text, value_type) = match either(tag, "vType", "v_type").scalar() {
        Some("BOOL" | "1") => (value("vBool", "v_bool").or(Some("false")), ValueType::Bool),
        Some("INT64" | "2") => (value("vInt64", "v_int64").or(Some("0")), ValueType::Number),
        Some("FLOAT64" | "3") => (value("vFloat64", "v_float64").or(Some("0")), ValueType::Number),
        Some("BINARY" | "4") => (value("vBinary", "v_binary"), ValueType::Text),
        _ => (value("vStr", "v_str"), ValueType::Text),
    };
    (text.unwrap_or(""), value_type)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::parsed::{batter, parse, sure_of};

    const SPANS: &str = r#"{"spans":[{"traceId":"AAAAAAAAAAAAAAAAAAAAoQ==","spanId":"AAAAAAAAAAs=","operationName":"POST /x",
        "references":[{"traceId":"AAAAAAAAAAAAAAAAAAAAoQ==","spanId":"AAAAAAAAAAw="},{"traceId":"AAAAAAAAAAAAAAAAAAAAog==","spanId":"AAAAAAAAAAw=","refType":"FOLLOWS_FROM"}],
        "startTime":"2026-11-01T10:00:00.000000001Z","duration":"0.500000001s",
        "tags":[{"key":"span.kind","vStr":"server"},{"key":"error","vType":"BOOL","vBool":true},{"key":"fine","vType":"BOOL"},
                {"key":"http.response.status_code","vType":"INT64","vInt64":"500"},{"key":"n","vType":"INT64"}],
        "logs":[{"timestamp":"2026-11-01T10:00:00.4Z","fields":[{"key":"event","vStr":"exception"},{"key":"exception.type","vStr":"E"}]}],
        "process":{"serviceName":"shop","tags":[{"key":"host.name","vStr":"h1"}]}}]}"#;

    #[test]
    fn spans_carry_their_process() {
        let parsed = parse(&JaegerProto, &[SPANS]);
        let span = parsed.only();
        assert_eq!((span.trace.as_str(), span.id.as_str()), ("000000000000000000000000000000a1", "000000000000000b"));
        assert_eq!(
            (span.parent.as_deref(), span.links.len(), span.kind),
            (Some("000000000000000c"), 2, Some(Kind::Server))
        );
        assert_eq!((span.start_ns, span.duration_ns), (Some(1_793_527_200_000_000_001), Ok(500_000_001)));
        let of = |key: &str| span.attributes[key].as_str();
        assert_eq!((of("error"), of("fine"), of("http.response.status_code"), of("n")), ("true", "false", "500", "0"));
        assert_eq!((span.service, span.of_process["host.name"].as_str()), ("shop", "h1"));
        assert_eq!((span.events[0].1["exception.type"].as_str(), parsed.n_whole), ("E", 0));
        assert_eq!(sure_of(SPANS), ["jaeger-proto"]);
        assert_eq!(sure_of(&format!("{{\"result\":{SPANS}}}")), ["jaeger-proto"]);
        batter(&JaegerProto, SPANS);
    }

    #[test]
    fn a_trace_lists_its_processes() {
        let trace = r#"{"spans":[{"trace_id":"AAAAAAAAAKE=","span_id":"AAAAAAAAAAs=","operation_name":"x","duration":"1s","process_id":"p1",
            "tags":[{"key":"k","v_str":"v"}]}],"process_map":[{"process_id":"p1","process":{"service_name":"shop"}}]}"#;
        let parsed = parse(&JaegerProto, &[trace]);
        assert_eq!((parsed.only().service, parsed.only().attributes["k"].as_str(), parsed.n_whole), ("shop", "v", 1));
        assert_eq!(sure_of(trace), ["jaeger-proto"]);
    }

    #[test]
    fn a_batch_has_one_process_and_a_topic_bare_spans() {
        let span = r#"{"traceId":"AAAAAAAAAKE=","spanId":"AAAAAAAAAAs=","operationName":"x","duration":"5000ns"}"#;
        let batch = format!(r#"{{"batch":{{"spans":[{span}],"process":{{"serviceName":"shop"}}}}}}"#);
        assert_eq!(parse(&JaegerProto, &[&batch]).only().service, "shop");
        let bare = parse(&JaegerProto, &[span]);
        assert_eq!((bare.only().service, bare.only().duration_ns), ("unknown-service", Ok(5_000)));
        assert_eq!((sure_of(&batch), sure_of(span)), (vec!["jaeger-proto"], vec!["jaeger-proto"]));
    }

    #[test]
    fn nonsense_is_skipped() {
        for (span, reason) in [
            ("{}", "a span without an id"),
            (r#"{"spanId":"AAAAAAAAAAs="}"#, "a span without a trace id"),
            (r#"{"spanId":"b","traceId":"a","startTime":"soon"}"#, "a span whose start is no time"),
            (r#"{"spanId":"b","traceId":"a","duration":5}"#, "a span whose duration is none"),
        ] {
            assert_eq!(parse(&JaegerProto, &[span]).skips, [reason], "{span}");
        }
    }
}
