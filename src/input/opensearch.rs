//! OpenSearch's trace analytics: the documents that Data Prepper stores, with `@` for dots in the keys of attributes.

use std::sync::Arc;

use super::document::{Document, ENVELOPES, judge, sniff_without_document};
use super::json::{Fault, Node};
use super::{Batch, Format, Frame, Frames, Head, Judgement, NewSpan, Parser, Sink, Sniff, decimal_ns, rfc3339_ns};
use crate::model::{Id, Kind, NoDuration, Run, Wanted};

/// The format.
pub(super) struct OpenSearch;

impl Format for OpenSearch {
    fn name(&self) -> &'static str {
        "opensearch"
    }

    fn about(&self) -> &'static str {
        "OpenSearch trace analytics: documents of otel-v1-apm-span-* as Data Prepper writes them"
    }

    fn how_to_export(&self) -> &'static str {
        "elasticdump --input=http://OPENSEARCH:9200/otel-v1-apm-span-000001 --output=traces.json --type=data"
    }

    fn sniff(&self, head: &Head<'_>) -> Sniff {
        let document = Document::first_of(head);
        let has = |path: &str| document.get(path).scalar().is_some();
        let is_span = has("traceId") && has("spanId") && (has("durationInNanos") || has("traceGroup"));
        if is_span { Sniff::Yes } else { sniff_without_document(head) }
    }

    fn frame(&self) -> Frame {
        Frame {
            envelopes: ENVELOPES,
            element_keys: &["_source", "fields", "traceId", "spanId", "durationInNanos"],
            sure_keys: &["_source", "durationInNanos"],
            element: "document",
        }
    }

    fn parser(&self, wanted: &Arc<Wanted>) -> Box<dyn Parser> {
        Box::new(OpenSearchParser { batch: Batch::new(wanted) })
    }

    fn judge(&self, frames: &Frames) -> Judgement {
        judge(frames)
    }
}

struct OpenSearchParser {
    batch: Batch,
}

impl Parser for OpenSearchParser {
    fn element(&mut self, text: &str, sink: &mut dyn Sink) -> Result<(), Fault> {
        let element = Node::parse(text)?;
        if let Err(reason) = self.span(&Document::of(&element)) {
            sink.skip(reason, 0);
        }
        self.batch.emit_spans(sink);
        Ok(())
    }
}

impl OpenSearchParser {
    fn span(&mut self, document: &Document<'_, '_>) -> Result<(), &'static str> {
        let id_at = |path: &str| document.get(path).scalar().and_then(Id::parse);
        let id = id_at("spanId").ok_or("a span without an id")?;
        let trace = id_at("traceId").ok_or("a span without a trace id")?;
        let time = |path: &str| match document.get(path) {
            it if it.is_null() => Ok(None),
            it => it.filled().and_then(rfc3339_ns).map(Some).ok_or("a span whose time is none"),
        };
        let (start_ns, end_ns) = (time("startTime")?, time("endTime")?);
        let duration_ns = match (document.get("durationInNanos"), start_ns, end_ns) {
            (it, Some(start), Some(end)) if it.is_null() => Ok(end.saturating_sub(start)),
            (it, ..) if it.is_null() => Err(NoDuration::Missing),
            (it, ..) => {
                Ok(it.scalar().and_then(|it| decimal_ns(it, 9)).ok_or("a span whose duration is not a number")?)
            }
        };
        let process = self.process(document);
        let mark = self.batch.mark_attributes();
        for attributes in ["span.attributes", "attributes"] {
            document.leaves(attributes, |key, value| self.batch.attribute(&key.replace('@', "."), value));
        }
        if let Some(words) = document.get("status.message").filled() {
            self.batch.text_attribute("otel.status_description", words);
        }
        let attributes = self.batch.attributes_since(mark);
        let events = self.events(document.list("events"));
        self.batch.push(NewSpan {
            trace,
            id,
            parent: id_at("parentSpanId"),
            links: document.links("spanId", "traceId"),
            operation: document.get("name").scalar().unwrap_or(""),
            process,
            kind: document.get("kind").as_str().and_then(Kind::from_text),
            start_ns,
            duration_ns,
            failed: failed(document.get("status.code")),
            shared: false,
            attributes,
            events,
        })
    }

    fn process(&mut self, document: &Document<'_, '_>) -> u32 {
        let mark = self.batch.mark_attributes();
        let mut named = None;
        document.leaves("resource.attributes", |key, value| {
            let key = key.replace('@', ".");
            if key == "service.name" {
                named = value.scalar();
            }
            self.batch.attribute(&key, value);
        });
        let attributes = self.batch.attributes_since(mark);
        self.batch.resource_process(document.get("serviceName").scalar().or(named), attributes)
    }

    fn events(&mut self, events: &[Node<'_>]) -> Run {
        let all = self.batch.mark_events();
        for event in events.iter().filter(|it| it.is_object()) {
            let mark = self.batch.mark_attributes();
            let event = Document::of(event);
            if let Some(name) = event.get("name").filled() {
                self.batch.text_attribute("event", name);
            }
            event.leaves("attributes", |key, value| self.batch.attribute(&key.replace('@', "."), value));
            let attributes = self.batch.attributes_since(mark);
            self.batch.event(event.any(&["time", "timestamp"]).and_then(rfc3339_ns), attributes);
        }
        self.batch.events_since(all)
    }
}

/// The status of OpenTelemetry by its number; 0 says nothing.
fn failed(code: &Node<'_>) -> Option<bool> {
    match code.scalar() {
        Some("2") => Some(true),
        Some("1") => Some(false),
        Some(word) if word.eq_ignore_ascii_case("error") || word == "STATUS_CODE_ERROR" => Some(true),
        Some(word) if word.eq_ignore_ascii_case("ok") || word == "STATUS_CODE_OK" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::parsed::{batter, parse, sure_of};

    const DOTTED: &str = r#"{"traceId":"a1","droppedLinksCount":0,"kind":"SPAN_KIND_SERVER","traceGroup":"POST /x","parentSpanId":"",
        "traceGroupFields":{"endTime":"2026-11-01T10:00:00.5Z","durationInNanos":500000000,"statusCode":2},
        "spanId":"b","name":"POST /x","startTime":"2026-11-01T10:00:00.000000001Z","endTime":"2026-11-01T10:00:00.5Z",
        "durationInNanos":499999999,"serviceName":"shop","status.code":2,"status.message":"no","span.attributes.http@route":"/x",
        "span.attributes.http@response@status_code":500,"resource.attributes.host@name":"h1","resource.attributes.service@name":"shop",
        "events":[{"name":"exception","time":"2026-11-01T10:00:00.4Z","attributes":{"exception@type":"E"},"droppedAttributesCount":0}],
        "links":[{"traceId":"ff","spanId":"9","attributes":{}}]}"#;

    #[test]
    fn at_signs_are_dots() {
        let parsed = parse(&OpenSearch, &[DOTTED]);
        let span = parsed.only();
        assert_eq!((span.parent.as_deref(), span.kind, span.failed), (None, Some(Kind::Server), Some(true)));
        assert_eq!((span.start_ns, span.duration_ns), (Some(1_793_527_200_000_000_001), Ok(499_999_999)));
        assert_eq!((span.attributes["http.route"].as_str(), span.of_process["host.name"].as_str()), ("/x", "h1"));
        assert_eq!((span.events[0].1["exception.type"].as_str(), span.links.len()), ("E", 1));
        assert_eq!((span.attributes["otel.status_description"].as_str(), sure_of(DOTTED)), ("no", vec!["opensearch"]));
    }

    #[test]
    fn nested_keys_say_the_same() {
        let nested = DOTTED
            .replace(r#""status.code":2,"status.message":"no""#, r#""status":{"code":2,"message":"no"}"#)
            .replace(r#""span.attributes.http@route":"/x","#, r#""span":{"attributes":{"http@route":"/x"}},"#);
        assert_ne!(nested, DOTTED);
        assert_eq!(parse(&OpenSearch, &[&nested]).spans, parse(&OpenSearch, &[DOTTED]).spans);
        let hit = format!("{{\"hits\":{{\"hits\":[{{\"_index\":\"otel-v1-apm-span-000001\",\"_source\":{nested}");
        assert_eq!(sure_of(&hit), ["opensearch"]);
    }

    #[test]
    fn nonsense_is_skipped() {
        for (element, reason) in [
            ("{}", "a span without an id"),
            (r#"{"spanId":"b"}"#, "a span without a trace id"),
            (r#"{"traceId":"a","spanId":"b","startTime":5}"#, "a span whose time is none"),
            (r#"{"traceId":"a","spanId":"b","durationInNanos":"x"}"#, "a span whose duration is not a number"),
        ] {
            assert_eq!(parse(&OpenSearch, &[element]).skips, [reason], "{element}");
        }
        batter(&OpenSearch, DOTTED);
    }
}
