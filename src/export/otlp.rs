//! OTLP JSON in lines, one trace each, as OpenTelemetry's file exporter writes it: hexadecimal ids,
//! numbers for enumerations, times as texts.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};

use super::json::{Json, is_number};
use super::relations::{Relations, is_foreign};
use super::{DOUBLED_KEYS, HASHED_IDS, Losses, SKEW_CORRECTED, Target, UNKNOWN_DURATIONS, Writer, ids};
use crate::model::{Attribute, Event, Id, Key, Kind, Known, Span, Trace, ValueType, semantics};

/// The target.
pub(super) struct Otlp;

/// What a link says of itself when it was a parent in Jaeger's terms.
const REFERENCE_TYPE: &str = "opentracing.ref_type";

impl Target for Otlp {
    fn name(&self) -> &'static str {
        "otlp"
    }

    fn about(&self) -> &'static str {
        "OTLP JSON, a trace a line, as OpenTelemetry Collectors read it from files"
    }

    fn is_lines(&self) -> bool {
        true
    }

    fn writer(&self) -> Box<dyn Writer> {
        Box::new(OtlpWriter::default())
    }
}

#[derive(Default)]
struct OtlpWriter {
    json: Json,
}

impl Writer for OtlpWriter {
    fn begin(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn trace(&mut self, trace: &Trace, losses: &mut Losses, out: &mut dyn Write) -> io::Result<()> {
        losses.add_if(trace.is_skew_corrected(), SKEW_CORRECTED);
        let json = &mut self.json;
        let trace_id = ids::trace_id(&trace.id);
        json.open(b'{');
        json.key("resourceSpans").open(b'[');
        for group in by_process(trace) {
            json.open(b'{');
            write_resource(json, trace, trace.span(group[0]), losses);
            json.key("scopeSpans").open(b'[');
            json.open(b'{');
            json.key("spans").open(b'[');
            for idx in group {
                write_span(json, trace, &trace_id, trace.span(idx), losses);
                json.flush_to(out)?;
            }
            json.close(b']');
            json.close(b'}');
            json.close(b']');
            json.close(b'}');
        }
        json.close(b']');
        json.close(b'}');
        json.end_line();
        json.flush_to(out)
    }

    fn end(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// The spans of each process, in the order of the spans.
fn by_process(trace: &Trace) -> Vec<Vec<u32>> {
    let mut groups: Vec<Vec<u32>> = Vec::new();
    let mut places: HashMap<u32, usize> = HashMap::new();
    for (idx, span) in trace.spans().iter().enumerate() {
        let place = *places.entry(trace.drafted(span).process).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Vec::new());
        }
        groups[place].push(idx as u32);
    }
    groups
}

fn write_resource(json: &mut Json, trace: &Trace, span: &Span, losses: &mut Losses) {
    json.key("resource").open(b'{');
    json.key("attributes").open(b'[');
    let own = trace.process_attributes(span);
    let has_service = own.iter().any(|it| it.key.as_str() == "service.name");
    if trace.process(span).is_known && !has_service {
        write_attribute(json, "service.name", span.service.as_str(), ValueType::Text);
    }
    write_attributes(json, trace, own, |_| true, losses);
    json.close(b']');
    json.close(b'}');
}

fn write_span(json: &mut Json, trace: &Trace, trace_id: &str, span: &Span, losses: &mut Losses) {
    losses.add_if(ids::do_not_fit(trace, span), HASHED_IDS);
    losses.add_if(span.duration_ns.is_none(), UNKNOWN_DURATIONS);
    losses.add_if(span.start_ns < 0, "spans that start before 1970, written without a start");
    let relations = Relations::beside_client(trace, span);
    json.open(b'{');
    json.key("traceId").text(trace_id);
    json.key("spanId").text(&ids::span_id(&span.id));
    if let Some(parent) = relations.parent {
        json.key("parentSpanId").text(&ids::span_id(parent.id));
    }
    json.key("name").text(span.operation.as_str());
    json.key("kind").raw(kind_number(span.kind));
    json.key("startTimeUnixNano").text(&span.start_ns.max(0).to_string());
    let end_ns = span.duration_ns.map_or(0, |it| (span.start_ns + it).max(0));
    json.key("endTimeUnixNano").text(&end_ns.to_string());
    let told_kind = trace.value(span, Known::SpanKind).and_then(Kind::from_text);
    let told_by_fields = |it: &Attribute| match it.key {
        Key::Known(Known::SpanKind) => told_kind == span.kind,
        Key::Known(Known::StatusCode) => {
            let code = trace.text(it.value);
            if span.error { code.eq_ignore_ascii_case("error") } else { code.eq_ignore_ascii_case("ok") }
        }
        Key::Known(Known::StatusDescription) => span.error,
        _ => false,
    };
    json.key("attributes").open(b'[');
    write_attributes(json, trace, trace.attributes(span), |it| !told_by_fields(it), losses);
    json.close(b']');
    write_events(json, trace, span, losses);
    write_links(json, trace, trace_id, &relations);
    write_status(json, trace, span);
    json.close(b'}');
}

fn kind_number(kind: Option<Kind>) -> u8 {
    match kind {
        None => 0,
        Some(Kind::Internal) => 1,
        Some(Kind::Server) => 2,
        Some(Kind::Client) => 3,
        Some(Kind::Producer) => 4,
        Some(Kind::Consumer) => 5,
    }
}

fn write_events(json: &mut Json, trace: &Trace, span: &Span, losses: &mut Losses) {
    let events = trace.events(span);
    if events.is_empty() {
        return;
    }
    json.key("events").open(b'[');
    for event in events {
        json.open(b'{');
        if let Some(at_ns) = event.at_ns {
            json.key("timeUnixNano").text(&at_ns.max(0).to_string());
        }
        json.key("name").text(event_name(trace, event));
        json.key("attributes").open(b'[');
        let is_name = |it: &Attribute| it.key == Key::Known(Known::Event);
        write_attributes(json, trace, trace.event_attributes(event), |it| !is_name(it), losses);
        json.close(b']');
        json.close(b'}');
    }
    json.close(b']');
}

fn event_name<'a>(trace: &'a Trace, event: &Event) -> &'a str {
    let attributes = trace.event_attributes(event);
    let is_exception = || attributes.iter().any(|it| it.key.as_str().starts_with("exception."));
    match trace.find(event.attributes, Known::Event) {
        Some(name) => name,
        None if is_exception() => "exception",
        None => "",
    }
}

fn write_links(json: &mut Json, trace: &Trace, trace_id: &str, relations: &Relations<'_>) {
    // A parent that does not wait is a link as well, as where Jaeger's references become OTLP.
    let followed = relations.parent.filter(|it| it.followed);
    if followed.is_none() && relations.links.is_empty() {
        return;
    }
    json.key("links").open(b'[');
    let mut link = |trace: &str, span: &Id, followed: bool| {
        json.open(b'{');
        json.key("traceId").text(trace);
        json.key("spanId").text(&ids::span_id(span));
        json.key("attributes").open(b'[');
        write_attribute(json, REFERENCE_TYPE, if followed { "follows_from" } else { "child_of" }, ValueType::Text);
        json.close(b']');
        json.close(b'}');
    };
    if let Some(parent) = followed {
        link(trace_id, parent.id, true);
    }
    for it in &relations.links {
        match it.trace.as_deref().filter(|_| is_foreign(trace, it)) {
            Some(other) => link(&ids::trace_id(other), &it.span, it.follows_from),
            None => link(trace_id, &it.span, it.follows_from),
        }
    }
    json.close(b']');
}

fn write_status(json: &mut Json, trace: &Trace, span: &Span) {
    let says_fine = trace.value(span, Known::StatusCode).is_some_and(|it| it.eq_ignore_ascii_case("ok"));
    // Said outright where the attributes would be read as the contrary.
    let code = match span.error {
        true => 2,
        false if says_fine || semantics::says_error(trace, span) => 1,
        false => return,
    };
    json.key("status").open(b'{');
    json.key("code").raw(code);
    if let Some(message) = trace.value(span, Known::StatusDescription).filter(|_| span.error) {
        json.key("message").text(message);
    }
    json.close(b'}');
}

/// Attributes with each key once, as OTLP demands.
fn write_attributes(
    json: &mut Json,
    trace: &Trace,
    attributes: &[Attribute],
    keep: impl Fn(&Attribute) -> bool,
    losses: &mut Losses,
) {
    let mut seen = HashSet::new();
    for attribute in attributes.iter().filter(|it| keep(it)) {
        if seen.insert(attribute.key.as_str()) {
            write_attribute(json, attribute.key.as_str(), trace.text(attribute.value), attribute.value_type);
        } else {
            losses.add(DOUBLED_KEYS, 1);
        }
    }
}

fn write_attribute(json: &mut Json, key: &str, value: &str, value_type: ValueType) {
    json.open(b'{');
    json.key("key").text(key);
    json.key("value").open(b'{');
    match value_type {
        ValueType::Bool if matches!(value, "true" | "false") => json.key("boolValue").raw(value),
        ValueType::Number if value.parse::<i64>().is_ok() => json.key("intValue").text(value),
        ValueType::Number if is_number(value) => json.key("doubleValue").raw(value),
        _ => json.key("stringValue").text(value),
    }
    json.close(b'}');
    json.close(b'}');
}
