//! Zipkin's v2 JSON: a list of traces, each a list of spans, as its API answers.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{self, Write};

use super::json::Json;
use super::relations::Relations;
use super::{
    DOUBLED_KEYS, HASHED_IDS, Losses, SKEW_CORRECTED, SUB_MICROSECONDS, Target, UNKNOWN_DURATIONS, Writer, ids,
};
use crate::model::{Attribute, Event, Key, Kind, Known, Span, Trace, ValueType, semantics};

/// The target.
pub(super) struct Zipkin;

impl Target for Zipkin {
    fn name(&self) -> &'static str {
        "zipkin"
    }

    fn about(&self) -> &'static str {
        "Zipkin's v2 JSON, a list of lists of spans"
    }

    fn writer(&self) -> Box<dyn Writer> {
        Box::new(ZipkinWriter::default())
    }
}

#[derive(Default)]
struct ZipkinWriter {
    json: Json,
}

impl Writer for ZipkinWriter {
    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.json.open(b'[');
        self.json.flush_to(out)
    }

    fn trace(&mut self, trace: &Trace, losses: &mut Losses, out: &mut dyn Write) -> io::Result<()> {
        losses.add_if(trace.is_skew_corrected(), SKEW_CORRECTED);
        let trace_id = ids::short_trace_id(&trace.id);
        self.json.next_line();
        self.json.open(b'[');
        for span in trace.spans() {
            count_losses(trace, span, losses);
            write_span(&mut self.json, trace, &trace_id, span, losses);
            self.json.flush_to(out)?;
        }
        self.json.close(b']');
        self.json.flush_to(out)
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.json.close(b']');
        self.json.end_line();
        self.json.flush_to(out)
    }
}

fn count_losses(trace: &Trace, span: &Span, losses: &mut Losses) {
    let is_finer = span.start_ns % 1_000 != 0 || span.duration_ns.is_some_and(|it| it % 1_000 != 0);
    losses.add_if(is_finer, SUB_MICROSECONDS);
    losses.add_if(span.duration_ns.is_none(), UNKNOWN_DURATIONS);
    losses.add_if(span.duration_ns.is_some_and(|it| it < 1_000), "durations below 1 µs, which 1 µs stands for");
    losses.add_if(span.start_ns < 1_000, "spans that start before 1970, written without a start");
    losses.add_if(ids::do_not_fit(trace, span), HASHED_IDS);
    losses.add_if(span.kind == Some(Kind::Internal), "spans of kind internal, which have none there");
    let all = trace.attributes(span).iter().chain(trace.process_attributes(span));
    let typed = all.filter(|it| it.value_type != ValueType::Text).count();
    losses.add("numbers and truth values, written as text", typed);
}

fn write_span(json: &mut Json, trace: &Trace, trace_id: &str, span: &Span, losses: &mut Losses) {
    let relations = Relations::beside_client(trace, span);
    losses.add("links to other spans, left out", relations.links.len());
    json.open(b'{');
    json.key("traceId").text(trace_id);
    json.key("id").text(&ids::span_id(&span.id));
    if let Some(parent) = relations.parent {
        json.key("parentId").text(&ids::span_id(parent.id));
        losses.add_if(parent.followed, "parents that do not wait, written as others");
    }
    json.key("name").text(span.operation.as_str());
    if let Some(kind) = span.kind.filter(|it| *it != Kind::Internal) {
        json.key("kind").text(&kind.as_str().to_uppercase());
    }
    if span.start_ns >= 1_000 {
        json.key("timestamp").raw(span.start_ns / 1_000);
    }
    if let Some(duration_ns) = span.duration_ns {
        // There 0 means that it is not known.
        json.key("duration").raw((duration_ns / 1_000).max(1));
    }
    write_endpoint(json, "localEndpoint", Some(span.service.as_str()).filter(|_| trace.process(span).is_known));
    write_endpoint(json, "remoteEndpoint", remote(trace, span));
    write_annotations(json, trace, span, losses);
    write_tags(json, trace, span, losses);
    if span.shared {
        json.key("shared").raw("true");
    }
    json.close(b'}');
}

fn write_endpoint(json: &mut Json, key: &str, service: Option<&str>) {
    if let Some(service) = service {
        json.key(key).open(b'{');
        json.key("serviceName").text(service);
        json.close(b'}');
    }
}

/// The other side. A caller may be told by what it calls; whoever is called only if its caller is named.
fn remote<'a>(trace: &'a Trace, span: &Span) -> Option<&'a str> {
    match span.kind {
        Some(Kind::Client | Kind::Producer | Kind::Consumer) => semantics::peer(trace, span).map(|it| it.0),
        _ => trace.value(span, Known::PeerService).filter(|it| !it.is_empty()),
    }
}

fn write_annotations(json: &mut Json, trace: &Trace, span: &Span, losses: &mut Losses) {
    let events = trace.events(span);
    let timed = || events.iter().filter_map(|event| event.at_ns.map(|at_ns| (event, at_ns)));
    losses.add("events without a time, left out", events.len() - timed().count());
    if timed().next().is_none() {
        return;
    }
    json.key("annotations").open(b'[');
    for (event, at_ns) in timed() {
        json.open(b'{');
        json.key("timestamp").raw(at_ns.div_euclid(1_000));
        json.key("value").text(&annotation(trace, event, losses));
        json.close(b'}');
    }
    json.close(b']');
}

/// An event as text: its name, or the name and attributes as JSON, as OpenTelemetry's exporters have it.
fn annotation<'a>(trace: &'a Trace, event: &Event, losses: &mut Losses) -> Cow<'a, str> {
    let name = trace.find(event.attributes, Known::Event);
    let rest: Vec<&Attribute> =
        trace.event_attributes(event).iter().filter(|it| it.key != Key::Known(Known::Event)).collect();
    if let Some(name) = name.filter(|_| rest.is_empty()) {
        return Cow::Borrowed(name);
    }
    losses.add("events with attributes, written as text", 1);
    let is_exception = rest.iter().any(|it| it.key.as_str().starts_with("exception."));
    let name = name.or(is_exception.then_some("exception"));
    let mut json = Json::default();
    if let Some(name) = name {
        json.open(b'{');
        json.key(name);
    }
    json.open(b'{');
    let mut seen = HashSet::new();
    for attribute in rest.iter().filter(|it| seen.insert(it.key.as_str())) {
        json.key(attribute.key.as_str()).value(trace.text(attribute.value), attribute.value_type);
    }
    json.close(b'}');
    if name.is_some() {
        json.close(b'}');
    }
    Cow::Owned(json.into_text())
}

/// The span's attributes, those of its process that it does not have itself, and why it failed.
fn write_tags(json: &mut Json, trace: &Trace, span: &Span, losses: &mut Losses) {
    json.key("tags").open(b'{');
    let mut seen = HashSet::new();
    let told_kind = trace.value(span, Known::SpanKind).and_then(Kind::from_text);
    for attribute in trace.attributes(span) {
        let value = trace.text(attribute.value);
        match attribute.key {
            Key::Known(Known::SpanKind) if told_kind == span.kind && span.kind != Some(Kind::Internal) => {}
            // Written below: there its mere presence is what counts.
            Key::Known(Known::Error) => {}
            key if seen.insert(key.as_str()) => json.key(key.as_str()).text(value),
            _ => losses.add(DOUBLED_KEYS, 1),
        }
    }
    let said = trace.value(span, Known::Error);
    if span.error {
        write_failure(json, trace, span, said, &mut seen);
    } else {
        losses.add_if(said.is_some(), "`error` tags of spans that did not fail, left out");
    }
    seen.insert(Known::Error.as_str());
    for attribute in trace.process_attributes(span) {
        losses.add("attributes of processes, written as tags of spans", 1);
        if seen.insert(attribute.key.as_str()) {
            json.key(attribute.key.as_str()).text(trace.text(attribute.value));
        }
    }
    json.close(b'}');
}

/// The tag that tells a failure, with its message; and what else is known of it from events alone.
fn write_failure(json: &mut Json, trace: &Trace, span: &Span, said: Option<&str>, seen: &mut HashSet<&'static str>) {
    let failure = semantics::failure(trace, span);
    let words = said.filter(|it| !it.is_empty() && semantics::flag(it).is_none());
    let message = words.or(failure.message.as_deref()).or(said).unwrap_or("");
    json.key(Known::Error.as_str()).text(message);
    let of_event = [
        (Known::ExceptionType, failure.error_type.as_deref().filter(|it| Some(*it) != failure.code.as_deref())),
        (Known::ExceptionStacktrace, failure.stack),
    ];
    for (key, value) in of_event {
        if let Some(value) = value.filter(|it| told_by_attributes(trace, span, key) != Some(*it))
            && seen.insert(key.as_str())
        {
            json.key(key.as_str()).text(value);
        }
    }
}

fn told_by_attributes<'a>(trace: &'a Trace, span: &Span, key: Known) -> Option<&'a str> {
    match key {
        Known::ExceptionType => trace.first_value(span, &[Known::ExceptionType, Known::ErrorType, Known::ErrorKind]),
        _ => trace.value(span, key),
    }
}
