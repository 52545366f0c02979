//! Jaeger's documents in Elasticsearch or OpenSearch: spans with their process inside, tags in a list,
//! or as an object whose keys have `@` for dots.

use std::borrow::Cow;
use std::sync::Arc;

use super::document::{Document, ENVELOPES, judge, one, sniff_without_document};
use super::jaeger::{Time, micros};
use super::json::{Fault, Node, Value};
use super::{Batch, Format, Frame, Frames, Head, Judgement, NewSpan, Parser, Sink, Sniff, decimal_ns};
use crate::model::{Id, Kind, NoDuration, Reference, Run, ValueType, Wanted};

/// The format.
pub(super) struct JaegerEs;

impl Format for JaegerEs {
    fn name(&self) -> &'static str {
        "jaeger-es"
    }

    fn about(&self) -> &'static str {
        "Jaeger's documents in Elasticsearch or OpenSearch: a search's answer, elasticdump's lines, bare sources"
    }

    fn how_to_export(&self) -> &'static str {
        "elasticdump --input=http://ELASTICSEARCH:9200/jaeger-span-2026-11-01 --output=traces.json --type=data"
    }

    fn sniff(&self, head: &Head<'_>) -> Sniff {
        let document = Document::first_of(head);
        let has = |path: &str| document.get(path).scalar().is_some();
        let is_span = has("traceID") && has("spanID") && (has("operationName") || has("startTime"));
        // Without these a bare source is a span as the query API has it.
        let is_stored = !head.element().has("traceID") || has("startTimeMillis") || document.get("tag").is_object();
        match (is_span, is_stored) {
            (true, true) => Sniff::Yes,
            (true, false) => Sniff::Maybe,
            (false, _) => sniff_without_document(head),
        }
    }

    fn frame(&self) -> Frame {
        Frame {
            envelopes: ENVELOPES,
            element_keys: &["_source", "fields", "traceID", "spanID", "operationName", "process"],
            sure_keys: &["_source", "operationName"],
            element: "document",
        }
    }

    fn parser(&self, wanted: &Arc<Wanted>) -> Box<dyn Parser> {
        Box::new(JaegerEsParser { batch: Batch::new(wanted) })
    }

    fn judge(&self, frames: &Frames) -> Judgement {
        judge(frames)
    }
}

struct JaegerEsParser {
    batch: Batch,
}

impl Parser for JaegerEsParser {
    fn element(&mut self, text: &str, sink: &mut dyn Sink) -> Result<(), Fault> {
        let element = Node::parse(text)?;
        if let Err(reason) = self.span(&Document::of(&element)) {
            sink.skip(reason, 0);
        }
        self.batch.emit_spans(sink);
        Ok(())
    }
}

impl JaegerEsParser {
    fn span(&mut self, document: &Document<'_, '_>) -> Result<(), &'static str> {
        let id = id_of(document.get("spanID")).ok_or("a span without an id")?;
        let trace = id_of(document.get("traceID")).ok_or("a span without a trace id")?;
        let mut links = references(document, &trace);
        // The old way to name the parent, where references do not say it already.
        if let Some(parent) = id_of(document.get("parentSpanID"))
            && !links.iter().any(|it| it.span == parent)
        {
            links.push(Reference { span: parent, trace: None, follows_from: false, is_link: false });
        }
        let start_ns = start(document)?;
        let duration_ns = match time(document.get("duration")) {
            Time::Ns(ns) => Ok(ns),
            Time::Missing => Err(NoDuration::Missing),
            Time::TooLarge => return Err("a span whose times do not fit"),
            Time::Nonsense => return Err("a span whose duration is not a number"),
        };
        let (of_process, _) = self.tags(document, "process.tags", "process.tag");
        let process = self.batch.process(document.get("process.serviceName").scalar(), of_process);
        let (attributes, kind) = self.tags(document, "tags", "tag");
        let events = self.logs(document.list("logs"));
        self.batch.push(NewSpan {
            trace,
            id,
            parent: None,
            links,
            operation: document.get("operationName").scalar().unwrap_or(""),
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

    /// The tags of a list and those of an object; and what they say of the span's side.
    fn tags(&mut self, document: &Document<'_, '_>, list: &str, object: &str) -> (Run, Option<Kind>) {
        let mark = self.batch.mark_attributes();
        let mut kind = None;
        for tag in document.list(list) {
            if let Some((key, value)) = self.tag(tag)
                && key == "span.kind"
            {
                kind = kind.or_else(|| value.as_str().and_then(Kind::from_text));
            }
        }
        document.leaves(object, |key, value| {
            let key = key.replace('@', ".");
            self.batch.attribute(&key, value);
            if key == "span.kind" {
                kind = kind.or_else(|| value.as_str().and_then(Kind::from_text));
            }
        });
        (self.batch.attributes_since(mark), kind)
    }

    /// Adds a `{key, type, value}`, whose value may be a text of another type.
    fn tag<'n, 'a>(&mut self, tag: &'n Node<'a>) -> Option<(&'n str, &'n Node<'a>)> {
        let key = one(tag.get("key")).filled()?;
        let value = one(tag.get("value"));
        match (one(tag.get("type")).as_str().map(str::to_ascii_lowercase).as_deref(), value) {
            (Some("bool"), Node::Text(text)) => self.batch.typed_attribute(key, text, ValueType::Bool),
            (Some("int64" | "float64"), Node::Text(text)) => self.batch.typed_attribute(key, text, ValueType::Number),
            _ => self.batch.attribute(key, value),
        }
        Some((key, value))
    }

    fn logs(&mut self, logs: &[Node<'_>]) -> Run {
        let events = self.batch.mark_events();
        for log in logs {
            let mark = self.batch.mark_attributes();
            for field in log.get("fields").items() {
                self.tag(field);
            }
            let attributes = self.batch.attributes_since(mark);
            let at_ns = match time(one(log.get("timestamp"))) {
                Time::Ns(ns) => Some(ns),
                _ => None,
            };
            self.batch.event(at_ns, attributes);
        }
        self.batch.events_since(events)
    }
}

fn id_of(node: &Node<'_>) -> Option<Id> {
    match node {
        Node::Text(_) | Node::Number(_) => node.scalar().and_then(Id::parse),
        _ => None,
    }
}

fn references(document: &Document<'_, '_>, own: &Id) -> Vec<Reference> {
    let of = |node: &Node<'_>| {
        let trace = id_of(one(node.get("traceID"))).filter(|it| it != own).map(Box::new);
        let kind = one(node.get("refType")).as_str().unwrap_or("");
        let follows_from = kind.eq_ignore_ascii_case("follows_from");
        id_of(one(node.get("spanID"))).map(|span| Reference { span, trace, follows_from, is_link: false })
    };
    document.list("references").iter().filter_map(of).collect()
}

fn start(document: &Document<'_, '_>) -> Result<Option<i64>, &'static str> {
    match time(document.get("startTime")) {
        Time::Ns(ns) => Ok(Some(ns)),
        Time::Missing => Ok(document.get("startTimeMillis").scalar().and_then(|it| decimal_ns(it, 3))),
        Time::TooLarge => Err("a span whose times do not fit"),
        Time::Nonsense => Err("a span whose start is not a number"),
    }
}

fn time(node: &Node<'_>) -> Time {
    match node {
        Node::Null => Time::Missing,
        Node::Number(text) => micros(&Value::Number(text)),
        Node::Text(text) => micros(&Value::String(Cow::Borrowed(text))),
        Node::Bool(_) | Node::List(_) | Node::Object(_) => Time::Nonsense,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::parsed::{batter, parse, sure_of};

    const BARE: &str = r#"{"traceID":"0ab1","spanID":"2","parentSpanID":"1","flags":1,"operationName":"GET /x",
        "references":[{"refType":"CHILD_OF","traceID":"ab1","spanID":"1"},{"refType":"FOLLOWS_FROM","traceID":"ff","spanID":"9"}],
        "startTime":1700000000000001,"startTimeMillis":1700000000000,"duration":1500,
        "tags":[{"key":"error","type":"bool","value":"true"},{"key":"http.status_code","type":"int64","value":"500"},
                {"key":"span.kind","type":"string","value":"server"},{"key":"raw","type":"binary","value":"00ff"}],
        "logs":[{"timestamp":1700000000000002,"fields":[{"key":"event","type":"string","value":"error"},{"key":"message","value":"no"}]}],
        "process":{"serviceName":"shop","tags":[{"key":"host.name","type":"string","value":"h1"}]}}"#;

    #[test]
    fn a_bare_source_is_a_span() {
        let parsed = parse(&JaegerEs, &[BARE]);
        let span = parsed.only();
        assert_eq!((span.service, span.operation, span.kind), ("shop", "GET /x", Some(Kind::Server)));
        assert_eq!((span.start_ns, span.duration_ns), (Some(1_700_000_000_000_001_000), Ok(1_500_000)));
        assert_eq!((span.trace.as_str(), span.parent.as_deref(), span.links.len()), ("0ab1", Some("1"), 2));
        assert_eq!((span.attributes["error"].as_str(), span.attributes["http.status_code"].as_str()), ("true", "500"));
        assert_eq!(span.events[0].1["message"], "no");
        assert_eq!(span.of_process["host.name"], "h1");
        assert_eq!(sure_of(BARE)[0], "jaeger-es");
    }

    #[test]
    fn tags_as_an_object_have_at_signs_for_dots() {
        let element = r#"{"_index":"jaeger-span","_id":"1","_source":{"traceID":"a","spanID":"b","operationName":"x",
            "startTime":1,"duration":2,"tags":[],"tag":{"http@status_code":200,"span@kind":"client","error":true},
            "process":{"serviceName":"s","tag":{"host@name":"h"}}}}"#;
        let parsed = parse(&JaegerEs, &[element]);
        let span = parsed.only();
        assert_eq!((span.kind, span.attributes["http.status_code"].as_str()), (Some(Kind::Client), "200"));
        assert_eq!(span.of_process["host.name"], "h");
        assert_eq!(sure_of(element), ["jaeger-es"]);
        assert_eq!(sure_of(&format!("{{\"took\":1,\"hits\":{{\"hits\":[{element}")), ["jaeger-es"]);
    }

    #[test]
    fn copies_out_of_kibana_have_lists() {
        let element = r#"{"_index":"jaeger-span","_id":"1","fields":{"traceID":["a"],"spanID":["b"],"operationName":["x"],
            "startTime":[1700000000000001],"duration":[2],"process.serviceName":["s"],"tag.span@kind":["server"],
            "tags":[{"key":["error"],"type":["bool"],"value":["true"]}],"process.tag.host@name":["h"],
            "references":[{"refType":["CHILD_OF"],"traceID":["a"],"spanID":["c"]}]}}"#;
        let parsed = parse(&JaegerEs, &[element]);
        let span = parsed.only();
        assert_eq!((span.service, span.kind, span.parent.as_deref()), ("s", Some(Kind::Server), Some("c")));
        assert_eq!((span.attributes["error"].as_str(), span.of_process["host.name"].as_str()), ("true", "h"));
        assert_eq!(sure_of(element), ["jaeger-es"]);
    }

    #[test]
    fn the_old_parent_and_milliseconds_do_where_nothing_else_is_said() {
        let element = r#"{"traceID":"a","spanID":"b","parentSpanID":"c","operationName":"x","startTimeMillis":5,"duration":18446744073709551516}"#;
        let parsed = parse(&JaegerEs, &[element]);
        let span = parsed.only();
        assert_eq!((span.parent.as_deref(), span.start_ns), (Some("c"), Some(5_000_000)));
        assert_eq!(span.duration_ns, Err(NoDuration::Negative));
    }

    #[test]
    fn nonsense_is_skipped() {
        for (element, reason) in [
            ("5", "a span without an id"),
            (r#"{"_source":{"traceID":"a"}}"#, "a span without an id"),
            (r#"{"traceID":{},"spanID":"b"}"#, "a span without a trace id"),
            (r#"{"traceID":"a","spanID":"b","startTime":"soon"}"#, "a span whose start is not a number"),
            (r#"{"traceID":"a","spanID":"b","duration":"long"}"#, "a span whose duration is not a number"),
        ] {
            assert_eq!(parse(&JaegerEs, &[element]).skips, [reason], "{element}");
        }
        batter(&JaegerEs, BARE);
    }
}
