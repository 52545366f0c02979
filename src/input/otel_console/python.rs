//! A span as Python prints it.

use crate::input::json::Node;
use crate::input::{Batch, NewSpan, rfc3339_ns};
use crate::model::{Id, Kind, NoDuration, Reference, Run};

pub(super) fn is_span(span: &Node<'_>) -> bool {
    let has_ids = span.get("context").has("trace_id") || span.get("context").has("span_id");
    has_ids && (span.has("parent_id") || span.has("start_time") || span.has("kind"))
}

/// Adds it, or says why it makes no sense.
pub(super) fn span(batch: &mut Batch, span: &Node<'_>) -> Result<(), &'static str> {
    let context = span.get("context");
    let id = id_of(context.get("span_id")).ok_or("a span without an id")?;
    let trace = id_of(context.get("trace_id")).ok_or("a span without a trace id")?;
    let time = |key: &str| match span.get(key) {
        Node::Null => Ok(None),
        it => it.as_str().and_then(rfc3339_ns).map(Some).ok_or("a span whose time is none"),
    };
    let (start_ns, end_ns) = (time("start_time")?, time("end_time")?);
    let resource = span.at(&["resource", "attributes"]);
    let mark = batch.mark_attributes();
    batch.flat_attributes("", resource);
    let of_process = batch.attributes_since(mark);
    let process = batch.resource_process(resource.get("service.name").scalar(), of_process);
    let mark = batch.mark_attributes();
    batch.flat_attributes("", span.get("attributes"));
    if let Some(words) = span.at(&["status", "description"]).filled() {
        batch.text_attribute("otel.status_description", words);
    }
    let attributes = batch.attributes_since(mark);
    let events = events(batch, span.get("events"));
    let kind = span.get("kind").as_str().map(|it| it.strip_prefix("SpanKind.").unwrap_or(it));
    batch.push(NewSpan {
        trace,
        id,
        parent: id_of(span.get("parent_id")),
        links: span.get("links").items().iter().filter_map(link).collect(),
        operation: span.get("name").scalar().unwrap_or(""),
        process,
        kind: kind.and_then(Kind::from_text),
        start_ns,
        duration_ns: match (start_ns, end_ns) {
            (Some(start), Some(end)) => Ok(end.saturating_sub(start)),
            _ => Err(NoDuration::Missing),
        },
        failed: match span
            .at(&["status", "status_code"])
            .as_str()
            .map(|it| it.strip_prefix("StatusCode.").unwrap_or(it))
        {
            Some("ERROR") => Some(true),
            Some("OK") => Some(false),
            _ => None,
        },
        shared: false,
        attributes,
        events,
    })
}

fn id_of(node: &Node<'_>) -> Option<Id> {
    let text = node.as_str()?;
    Id::parse(text.strip_prefix("0x").unwrap_or(text))
}

fn link(link: &Node<'_>) -> Option<Reference> {
    let context = link.get("context");
    let trace = id_of(context.get("trace_id")).map(Box::new);
    Some(Reference { span: id_of(context.get("span_id"))?, trace, follows_from: true, is_link: true })
}

fn events(batch: &mut Batch, events: &Node<'_>) -> Run {
    let all = batch.mark_events();
    for event in events.items().iter().filter(|it| it.is_object()) {
        let mark = batch.mark_attributes();
        if let Some(name) = event.get("name").filled() {
            batch.text_attribute("event", name);
        }
        batch.flat_attributes("", event.get("attributes"));
        let attributes = batch.attributes_since(mark);
        batch.event(event.get("timestamp").as_str().and_then(rfc3339_ns), attributes);
    }
    batch.events_since(all)
}

#[cfg(test)]
mod tests {
    use super::super::OtelConsole;
    use crate::input::parsed::{batter, parse, sure_of};
    use crate::model::Kind;

    const SPAN: &str = r#"{
    "name": "POST /x", "context": {"trace_id": "0x000000000000000000000000000000a1", "span_id": "0x000000000000000b", "trace_state": "[]"},
    "kind": "SpanKind.SERVER", "parent_id": "0x000000000000000c", "start_time": "2026-11-01T10:00:00.000001Z", "end_time": "2026-11-01T10:00:00.500001Z",
    "status": {"status_code": "ERROR", "description": "no"}, "attributes": {"http.route": "/x", "list": [1]},
    "events": [{"name": "exception", "timestamp": "2026-11-01T10:00:00.4Z", "attributes": {"exception.type": "E"}}],
    "links": [{"context": {"trace_id": "0xff", "span_id": "0x9", "trace_state": "[]"}, "attributes": {}}],
    "resource": {"attributes": {"service.name": "shop", "host.name": "h1"}, "schema_url": ""}}"#;

    #[test]
    fn a_span_is_read() {
        let parsed = parse(&OtelConsole, &[SPAN]);
        let span = parsed.only();
        assert_eq!((span.trace.as_str(), span.id.as_str()), ("000000000000000000000000000000a1", "000000000000000b"));
        assert_eq!(
            (span.parent.as_deref(), span.kind, span.failed),
            (Some("000000000000000c"), Some(Kind::Server), Some(true))
        );
        assert_eq!((span.start_ns, span.duration_ns), (Some(1_793_527_200_000_001_000), Ok(500_000_000)));
        assert_eq!((span.service, span.of_process["host.name"].as_str(), span.links.len()), ("shop", "h1", 2));
        assert_eq!(
            (span.attributes["otel.status_description"].as_str(), span.attributes["list"].as_str()),
            ("no", "[1]")
        );
        assert_eq!(span.events[0].1["exception.type"], "E");
        assert_eq!(sure_of(SPAN), ["otel-console"]);
        batter(&OtelConsole, SPAN);
    }

    #[test]
    fn nonsense_is_skipped() {
        for (span, reason) in [
            (r#"{"context":null}"#, "a span without an id"),
            (r#"{"context":{"span_id":"0x1"}}"#, "a span without a trace id"),
            (r#"{"context":{"span_id":"0x1","trace_id":"0x2"},"end_time":1}"#, "a span whose time is none"),
        ] {
            assert_eq!(parse(&OtelConsole, &[span]).skips, [reason], "{span}");
        }
    }
}
