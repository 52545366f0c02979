//! Spans as the Collector's Elasticsearch exporter stores them in its `otel` mode; their events are documents of their own.

use std::sync::Arc;

use super::document::{Document, ENVELOPES, judge, sniff_without_document};
use super::json::{Fault, Node};
use super::{Batch, Format, Frame, Frames, Head, Judgement, NewSpan, Parser, Sink, Sniff, decimal_ns, rfc3339_ns};
use crate::model::{Id, Kind, NoDuration, Run, Wanted};

/// The format.
pub(super) struct ElasticOtel;

impl Format for ElasticOtel {
    fn name(&self) -> &'static str {
        "elastic-otel"
    }

    fn about(&self) -> &'static str {
        "OpenTelemetry in Elasticsearch: documents of traces-*.otel-*, and of logs-*.otel-* for events"
    }

    fn how_to_export(&self) -> &'static str {
        "elasticdump --input=http://ELASTICSEARCH:9200/traces-generic.otel-default --output=traces.json --type=data"
    }

    fn sniff(&self, head: &Head<'_>) -> Sniff {
        let document = Document::first_of(head);
        let has = |path: &str| document.get(path).scalar().is_some();
        let is_ours = document.has("resource") || document.has("data_stream");
        let is_span = has("duration") && (has("name") || has("kind") || has("@timestamp"));
        // Datadog's ids are numbers.
        let is_text = |path: &str| document.get(path).as_str().is_some();
        if is_text("trace_id") && is_text("span_id") && is_ours && (is_span || event_name(&document).is_some()) {
            return Sniff::Yes;
        }
        sniff_without_document(head)
    }

    fn frame(&self) -> Frame {
        Frame {
            envelopes: ENVELOPES,
            element_keys: &["_source", "fields", "trace_id", "span_id", "data_stream", "resource"],
            sure_keys: &["_source", "data_stream", "resource"],
            element: "document",
        }
    }

    fn parser(&self, wanted: &Arc<Wanted>) -> Box<dyn Parser> {
        Box::new(ElasticOtelParser { batch: Batch::new(wanted) })
    }

    fn judge(&self, frames: &Frames) -> Judgement {
        judge(frames)
    }
}

/// What happened, if it is the document of an event.
fn event_name<'n>(document: &Document<'n, '_>) -> Option<&'n str> {
    document.any(&["event_name", "attributes.event.name"])
}

struct ElasticOtelParser {
    batch: Batch,
}

impl Parser for ElasticOtelParser {
    fn element(&mut self, text: &str, sink: &mut dyn Sink) -> Result<(), Fault> {
        let element = Node::parse(text)?;
        let document = Document::of(&element);
        let is_span = !document.get("duration").is_null() || document.get("name").scalar().is_some();
        let outcome = match event_name(&document) {
            _ if is_span => self.span(&document),
            Some(name) => self.event(&document, name),
            None => Err("a document that is no span"),
        };
        if let Err(reason) = outcome {
            sink.skip(reason, 0);
        }
        self.batch.emit_spans(sink);
        Ok(())
    }
}

impl ElasticOtelParser {
    fn span(&mut self, document: &Document<'_, '_>) -> Result<(), &'static str> {
        let id_at = |path: &str| document.get(path).scalar().and_then(Id::parse);
        let id = id_at("span_id").ok_or("a span without an id")?;
        let trace = id_at("trace_id").ok_or("a span without a trace id")?;
        let start_ns = time_of(document)?;
        let duration_ns = match document.get("duration") {
            it if it.is_null() => Err(NoDuration::Missing),
            it => Ok(it.scalar().and_then(|it| decimal_ns(it, 9)).ok_or("a span whose duration is not a number")?),
        };
        let mark = self.batch.mark_attributes();
        document.leaves("resource.attributes", |key, value| self.batch.attribute(key, value));
        let of_process = self.batch.attributes_since(mark);
        let process =
            self.batch.resource_process(document.get("resource.attributes.service.name").scalar(), of_process);
        let mark = self.batch.mark_attributes();
        document.leaves("attributes", |key, value| self.batch.attribute(key, value));
        if let Some(words) = document.get("status.message").filled() {
            self.batch.text_attribute("otel.status_description", words);
        }
        let attributes = self.batch.attributes_since(mark);
        let failed = match document.get("status.code").scalar() {
            Some(it) if it.eq_ignore_ascii_case("error") || it == "2" => Some(true),
            Some(it) if it.eq_ignore_ascii_case("ok") || it == "1" => Some(false),
            _ => None,
        };
        self.batch.push(NewSpan {
            trace,
            id,
            parent: id_at("parent_span_id"),
            links: document.links("span_id", "trace_id"),
            operation: document.get("name").scalar().unwrap_or(""),
            process,
            kind: document.get("kind").as_str().and_then(Kind::from_text),
            start_ns,
            duration_ns,
            failed,
            shared: false,
            attributes,
            events: Run::default(),
        })
    }

    fn event(&mut self, document: &Document<'_, '_>, name: &str) -> Result<(), &'static str> {
        let id_at = |path: &str| document.get(path).scalar().and_then(Id::parse);
        let span = id_at("span_id").ok_or("an event outside of any span")?;
        let trace = id_at("trace_id").ok_or("an event outside of any trace")?;
        let at_ns = time_of(document)?;
        let mark = self.batch.mark_attributes();
        self.batch.text_attribute("event", name);
        document.leaves("attributes", |key, value| self.batch.attribute(key, value));
        let attributes = self.batch.attributes_since(mark);
        let events = self.batch.mark_events();
        self.batch.event(at_ns, attributes);
        let events = self.batch.events_since(events);
        self.batch.supplement(&trace, span, Run::default(), events);
        Ok(())
    }
}

fn time_of(document: &Document<'_, '_>) -> Result<Option<i64>, &'static str> {
    match document.get("@timestamp") {
        it if it.is_null() => Ok(None),
        it => it.scalar().and_then(timestamp_ns).map(Some).ok_or("a span whose time is none"),
    }
}

/// Milliseconds, and behind the dot the nanoseconds beyond them as a number of their own: `5.7` is 5 ms
/// and 7 ns. Once indexed it may come back as a date.
fn timestamp_ns(text: &str) -> Option<i64> {
    let Some((millis, nanos)) = text.split_once('.').filter(|(millis, _)| millis.parse::<i64>().is_ok()) else {
        return decimal_ns(text, 3).or_else(|| rfc3339_ns(text));
    };
    let is_number = !nanos.is_empty() && nanos.bytes().all(|it| it.is_ascii_digit());
    let nanos: i64 = nanos.parse().ok().filter(|it| is_number && *it < 1_000_000)?;
    millis.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::parsed::{batter, parse, sure_of};

    const SPAN: &str = r#"{"@timestamp":"1700000000001.5","trace_id":"a1","span_id":"b","parent_span_id":"c","name":"POST /x","kind":"Server",
        "duration":410000001,"attributes":{"http.route":"/x","http":{"response":{"status_code":500}}},"status":{"code":"Error","message":"no"},
        "links":[{"trace_id":"ff","span_id":"9"}],"resource":{"attributes":{"service.name":"shop","host.name":"h1"}},
        "scope":{"name":"s"},"data_stream":{"type":"traces","dataset":"generic.otel","namespace":"default"}}"#;

    #[test]
    fn nanoseconds_stand_behind_the_dot() {
        for (text, ns) in [
            ("1700000000001.5", Some(1_700_000_000_001_000_005)),
            ("1700000000001.500000", Some(1_700_000_000_001_500_000)),
            ("1700000000001", Some(1_700_000_000_001_000_000)),
            ("2023-11-14T22:13:20.001Z", Some(1_700_000_000_001_000_000)),
            ("1700000000001.1000000", None),
            ("1700000000001.", None),
            ("1700000000001.+5", None),
            ("soon", None),
            ("9223372036854775807.1", None),
        ] {
            assert_eq!(timestamp_ns(text), ns, "{text}");
        }
    }

    #[test]
    fn a_document_is_a_span() {
        let parsed = parse(&ElasticOtel, &[SPAN]);
        let span = parsed.only();
        assert_eq!((span.service, span.kind, span.failed), ("shop", Some(Kind::Server), Some(true)));
        assert_eq!((span.start_ns, span.duration_ns), (Some(1_700_000_000_001_000_005), Ok(410_000_001)));
        assert_eq!((span.parent.as_deref(), span.links.len()), (Some("c"), 2));
        assert_eq!(
            (span.attributes["http.route"].as_str(), span.attributes["http.response.status_code"].as_str()),
            ("/x", "500")
        );
        assert_eq!((span.of_process["host.name"].as_str(), sure_of(SPAN)), ("h1", vec!["elastic-otel"]));
        let fields = r#"{"_index":"traces-generic.otel-default","_id":"1","fields":{"@timestamp":["2023-11-14T22:13:20.001Z"],"trace_id":["a1"],
            "span_id":["b"],"name":["x"],"kind":["Client"],"duration":[5],"resource.attributes.service.name":["shop"],
            "attributes.http.route":["/x"],"data_stream.type":["traces"]}}"#;
        let parsed = parse(&ElasticOtel, &[fields]);
        assert_eq!((parsed.only().service, parsed.only().attributes["http.route"].as_str()), ("shop", "/x"));
        assert_eq!(sure_of(fields), ["elastic-otel"]);
    }

    #[test]
    fn an_event_joins_its_span() {
        let event = r#"{"@timestamp":"1700000000001.7","trace_id":"a1","span_id":"b","event_name":"exception","attributes":{"exception.type":"E"},
            "resource":{"attributes":{"service.name":"shop"}},"data_stream":{"type":"logs"}}"#;
        let parsed = parse(&ElasticOtel, &[event]);
        let span = parsed.only();
        assert!(span.supplement && span.id == "b");
        assert_eq!(
            (span.events[0].0, span.events[0].1["exception.type"].as_str()),
            (Some(1_700_000_000_001_000_007), "E")
        );
        assert_eq!(sure_of(event), ["elastic-otel"]);
        let log = r#"{"@timestamp":"1.0","trace_id":"a1","span_id":"b","body":{"text":"hello"},"data_stream":{"type":"logs"}}"#;
        assert_eq!(parse(&ElasticOtel, &[log]).skips, ["a document that is no span"]);
        batter(&ElasticOtel, event);
        batter(&ElasticOtel, SPAN);
    }
}
