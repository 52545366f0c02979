//! A span as Go prints it.

use crate::input::json::Node;
use crate::input::{Batch, NewSpan, rfc3339_ns};
use crate::model::{Id, Kind, NoDuration, Reference, Run, ValueType};

pub(super) fn is_span(span: &Node<'_>) -> bool {
    let has_ids = span.get("SpanContext").has("TraceID") || span.get("SpanContext").has("SpanID");
    has_ids && (span.has("Parent") || span.has("SpanKind") || span.has("Name"))
}

/// Adds it, or says why it makes no sense.
pub(super) fn span(batch: &mut Batch, span: &Node<'_>) -> Result<(), &'static str> {
    let context = span.get("SpanContext");
    let id = id_of(context.get("SpanID")).ok_or("a span without an id")?;
    let trace = id_of(context.get("TraceID")).ok_or("a span without a trace id")?;
    let time = |key: &str| match span.get(key) {
        Node::Null => Ok(None),
        it => it.as_str().and_then(rfc3339_ns).map(Some).ok_or("a span whose time is none"),
    };
    let (start_ns, end_ns) = (time("StartTime")?, time("EndTime")?);
    let mark = batch.mark_attributes();
    let service = attributes(batch, span.get("Resource"), "service.name");
    let of_process = batch.attributes_since(mark);
    let process = batch.resource_process(service, of_process);
    let mark = batch.mark_attributes();
    attributes(batch, span.get("Attributes"), "");
    if let Some(words) = span.at(&["Status", "Description"]).filled() {
        batch.text_attribute("otel.status_description", words);
    }
    let own = batch.attributes_since(mark);
    let events = events(batch, span.get("Events"));
    batch.push(NewSpan {
        trace,
        id,
        parent: id_of(span.get("Parent").get("SpanID")),
        links: span.get("Links").items().iter().filter_map(link).collect(),
        operation: span.get("Name").scalar().unwrap_or(""),
        process,
        kind: kind(span.get("SpanKind")),
        start_ns,
        duration_ns: match (start_ns, end_ns) {
            (Some(start), Some(end)) => Ok(end.saturating_sub(start)),
            _ => Err(NoDuration::Missing),
        },
        failed: match span.at(&["Status", "Code"]).scalar() {
            Some("Error") => Some(true),
            Some("Ok") => Some(false),
            _ => None,
        },
        shared: false,
        attributes: own,
        events,
    })
}

/// All zeros are none.
fn id_of(node: &Node<'_>) -> Option<Id> {
    node.as_str().and_then(Id::parse).filter(|it| !it.is_zero())
}

/// The SDK's own numbers.
fn kind(node: &Node<'_>) -> Option<Kind> {
    match node.integer()? {
        1 => Some(Kind::Internal),
        2 => Some(Kind::Server),
        3 => Some(Kind::Client),
        4 => Some(Kind::Producer),
        5 => Some(Kind::Consumer),
        _ => None,
    }
}

/// Adds a list of `{Key, Value: {Type, Value}}`; gives the value of one of them.
fn attributes<'n>(batch: &mut Batch, list: &'n Node<'_>, asked_for: &str) -> Option<&'n str> {
    let mut found = None;
    for pair in list.items() {
        let Some(key) = pair.get("Key").filled() else { continue };
        let value = pair.at(&["Value", "Value"]);
        match (pair.at(&["Value", "Type"]).as_str(), value) {
            // Numbers that JSON has no word for are texts.
            (Some("FLOAT64" | "INT64"), Node::Text(text)) => batch.typed_attribute(key, text, ValueType::Number),
            _ => batch.attribute(key, value),
        }
        if key == asked_for {
            found = value.scalar();
        }
    }
    found
}

fn link(link: &Node<'_>) -> Option<Reference> {
    let context = link.get("SpanContext");
    let trace = id_of(context.get("TraceID")).map(Box::new);
    Some(Reference { span: id_of(context.get("SpanID"))?, trace, follows_from: true, is_link: true })
}

fn events(batch: &mut Batch, events: &Node<'_>) -> Run {
    let all = batch.mark_events();
    for event in events.items().iter().filter(|it| it.is_object()) {
        let mark = batch.mark_attributes();
        if let Some(name) = event.get("Name").filled() {
            batch.text_attribute("event", name);
        }
        attributes(batch, event.get("Attributes"), "");
        let of_event = batch.attributes_since(mark);
        batch.event(event.get("Time").as_str().and_then(rfc3339_ns), of_event);
    }
    batch.events_since(all)
}

#[cfg(test)]
mod tests {
    use super::super::OtelConsole;
    use crate::input::parsed::{batter, parse, sure_of};
    use crate::model::Kind;

    const SPAN: &str = r#"{"Name":"POST /x","SpanContext":{"TraceID":"000000000000000000000000000000a1","SpanID":"000000000000000b","TraceFlags":"01","TraceState":"","Remote":false},
        "Parent":{"TraceID":"00000000000000000000000000000000","SpanID":"0000000000000000","TraceFlags":"00","TraceState":"","Remote":false},
        "SpanKind":2,"StartTime":"2026-11-01T12:00:00.000000001+02:00","EndTime":"2026-11-01T12:00:00.5+02:00",
        "Attributes":[{"Key":"http.response.status_code","Value":{"Type":"INT64","Value":500}},{"Key":"ratio","Value":{"Type":"FLOAT64","Value":"NaN"}}],
        "Events":[{"Name":"exception","Attributes":[{"Key":"exception.type","Value":{"Type":"STRING","Value":"E"}}],"DroppedAttributeCount":0,"Time":"2026-11-01T12:00:00.4+02:00"}],
        "Links":null,"Status":{"Code":"Error","Description":"no"},"DroppedAttributes":0,"ChildSpanCount":1,
        "Resource":[{"Key":"service.name","Value":{"Type":"STRING","Value":"shop"}},{"Key":"host.name","Value":{"Type":"STRING","Value":"h1"}}],
        "InstrumentationScope":{"Name":"s","Version":"","SchemaURL":""}}"#;

    #[test]
    fn a_span_is_read() {
        let parsed = parse(&OtelConsole, &[SPAN]);
        let span = parsed.only();
        assert_eq!((span.parent.as_deref(), span.kind, span.failed), (None, Some(Kind::Server), Some(true)));
        assert_eq!((span.start_ns, span.duration_ns), (Some(1_793_527_200_000_000_001), Ok(499_999_999)));
        assert_eq!((span.service, span.of_process["host.name"].as_str()), ("shop", "h1"));
        assert_eq!(
            (span.attributes["http.response.status_code"].as_str(), span.attributes["ratio"].as_str()),
            ("500", "NaN")
        );
        assert_eq!(
            (span.events[0].0, span.events[0].1["exception.type"].as_str()),
            (Some(1_793_527_200_400_000_000), "E")
        );
        assert_eq!(sure_of(SPAN), ["otel-console"]);
        batter(&OtelConsole, SPAN);
    }

    #[test]
    fn a_parent_and_links_are_read() {
        let text = SPAN
            .replace("\"SpanID\":\"0000000000000000\"", "\"SpanID\":\"000000000000000c\"")
            .replace("\"Links\":null", r#""Links":[{"SpanContext":{"TraceID":"ff","SpanID":"9"},"Attributes":[]}]"#);
        let parsed = parse(&OtelConsole, &[&text]);
        assert_eq!((parsed.only().parent.as_deref(), parsed.only().links.len()), (Some("000000000000000c"), 2));
    }
}
