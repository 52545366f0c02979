//! Spans of OpenTelemetry as X-Ray keeps them: one object each, attributes as plain members.

use super::{Context, XrayParser, id_of};
use crate::input::json::Node;
use crate::input::{NewSpan, decimal_ns};
use crate::model::{Id, Kind, NoDuration, Reference, Run};

/// Told from a bare OTLP span by its attributes, which are no list.
pub(super) fn is_span(node: &Node<'_>) -> bool {
    let is_flat = node.get("attributes").is_object() || node.has("durationNano");
    node.has_all(&["traceId", "spanId", "startTimeUnixNano"]) && is_flat && !node.get("attributes").is_list()
}

impl XrayParser {
    pub(super) fn otel_span(&mut self, span: &Node<'_>, context: &Context<'_>) -> Result<(), &'static str> {
        let id = id_of(span, "spanId").ok_or("a span without an id")?;
        let trace = id_of(span, "traceId").or_else(|| context.trace.clone()).ok_or("a span without a trace id")?;
        let time = |key: &str| match span.get(key).scalar() {
            None => Ok(None),
            Some(text) => decimal_ns(text, 9).map(Some).ok_or("a span whose time is not a number"),
        };
        let start_ns = time("startTimeUnixNano")?;
        let end_ns = time("endTimeUnixNano")?.filter(|it| *it != 0);
        let duration_ns = match (start_ns, end_ns, time("durationNano")?) {
            (Some(start), Some(end), _) => Ok(end.saturating_sub(start)),
            (_, _, Some(duration)) => Ok(duration),
            _ => Err(NoDuration::Missing),
        };
        let events = self.otel_events(span.get("events"));
        let resource = span.at(&["resource", "attributes"]);
        let mark = self.batch.mark_attributes();
        self.batch.flat_attributes("", resource);
        let of_process = self.batch.attributes_since(mark);
        let attributes = span.get("attributes");
        let service = resource.get("service.name").filled().or_else(|| attributes.get("aws.local.service").filled());
        let process = self.batch.resource_process(service, of_process);
        let mark = self.batch.mark_attributes();
        self.batch.flat_attributes("", attributes);
        let status = span.get("status");
        if let Some(message) = status.get("message").filled() {
            self.batch.text_attribute("otel.status_description", message);
        }
        let attributes = self.batch.attributes_since(mark);
        let links = span.get("links").items().iter().filter_map(|it| link(it, "traceId", "spanId")).collect();
        self.batch.push(NewSpan {
            trace,
            id,
            parent: id_of(span, "parentSpanId").filter(|it| !it.is_zero()),
            links,
            operation: span.get("name").scalar().unwrap_or(""),
            process,
            kind: kind(span.get("kind")),
            start_ns,
            duration_ns,
            failed: failed(status.get("code")),
            shared: false,
            attributes,
            events,
        })
    }

    fn otel_events(&mut self, events: &Node<'_>) -> Run {
        let mut found = Vec::new();
        for event in events.items() {
            let mark = self.batch.mark_attributes();
            self.batch.flat_attributes("", event.get("attributes"));
            if let Some(name) = event.get("name").filled().filter(|it| *it != "exception") {
                self.batch.text_attribute("event", name);
            }
            let at_ns = event.get("timeUnixNano").scalar().and_then(|it| decimal_ns(it, 9));
            found.push((at_ns, self.batch.attributes_since(mark)));
        }
        let mark = self.batch.mark_events();
        found.into_iter().for_each(|(at_ns, attributes)| self.batch.event(at_ns, attributes));
        self.batch.events_since(mark)
    }
}

/// A reference to a span of another trace.
pub(super) fn link(link: &Node<'_>, trace: &str, span: &str) -> Option<Reference> {
    let trace: Id = id_of(link, trace)?;
    Some(Reference { span: id_of(link, span)?, trace: Some(Box::new(trace)), follows_from: true, is_link: true })
}

fn kind(kind: &Node<'_>) -> Option<Kind> {
    match kind.integer() {
        Some(1) => Some(Kind::Internal),
        Some(2) => Some(Kind::Server),
        Some(3) => Some(Kind::Client),
        Some(4) => Some(Kind::Producer),
        Some(5) => Some(Kind::Consumer),
        Some(_) => None,
        None => kind.as_str().and_then(Kind::from_text),
    }
}

fn failed(code: &Node<'_>) -> Option<bool> {
    match code.scalar()?.to_ascii_uppercase().as_str() {
        "2" | "ERROR" | "STATUS_CODE_ERROR" => Some(true),
        "1" | "OK" | "STATUS_CODE_OK" => Some(false),
        _ => None,
    }
}
