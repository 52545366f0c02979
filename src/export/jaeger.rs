//! Jaeger's JSON, as its query API answers and as its user interface opens it.

use std::collections::HashMap;
use std::io::{self, Write};

use super::json::{Json, is_number};
use super::relations::Relations;
use super::{Losses, SUB_MICROSECONDS, Target, UNKNOWN_DURATIONS, Writer};
use crate::model::{Attribute, Id, Key, Kind, Known, Name, Span, Trace, ValueType, semantics};

/// The target.
pub(super) struct Jaeger;

impl Target for Jaeger {
    fn name(&self) -> &'static str {
        "jaeger"
    }

    fn about(&self) -> &'static str {
        "JSON that Jaeger's user interface opens (Search, JSON File)"
    }

    fn writer(&self) -> Box<dyn Writer> {
        Box::new(JaegerWriter::default())
    }
}

#[derive(Default)]
struct JaegerWriter {
    json: Json,
    incomplete: Vec<String>,
}

impl Writer for JaegerWriter {
    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.json.open(b'{');
        self.json.key("data").open(b'[');
        self.json.flush_to(out)
    }

    fn trace(&mut self, trace: &Trace, losses: &mut Losses, out: &mut dyn Write) -> io::Result<()> {
        let json = &mut self.json;
        let trace_id = trace.id.to_string();
        let mut processes = Processes::default();
        json.next_line();
        json.open(b'{');
        json.key("traceID").text(&trace_id);
        json.key("spans").open(b'[');
        for (idx, span) in trace.spans().iter().enumerate() {
            let process = processes.number(trace, idx as u32);
            write_span(json, trace, &trace_id, span, process);
            let is_finer = span.start_ns % 1_000 != 0 || span.duration_ns.is_some_and(|it| it % 1_000 != 0);
            losses.add_if(is_finer, SUB_MICROSECONDS);
            losses.add_if(span.duration_ns.is_none(), UNKNOWN_DURATIONS);
            json.flush_to(out)?;
        }
        json.close(b']');
        json.key("processes").open(b'{');
        for (nth, span) in processes.first_spans.iter().enumerate() {
            json.key(&format!("p{}", nth + 1)).open(b'{');
            json.key("serviceName").text(trace.span(*span).service.as_str());
            json.key("tags").open(b'[');
            write_tags(json, trace, trace.process_attributes(trace.span(*span)));
            json.close(b']');
            json.close(b'}');
        }
        json.close(b'}');
        write_warnings(json, trace);
        json.close(b'}');
        json.flush_to(out)
    }

    fn mark_incomplete(&mut self, why: &[String]) {
        self.incomplete = why.to_vec();
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let json = &mut self.json;
        json.close(b']');
        for key in ["total", "limit", "offset"] {
            json.key(key).raw(0);
        }
        if self.incomplete.is_empty() {
            json.key("errors").raw("null");
        } else {
            // Where a server says it, and readers look for it.
            json.key("errors").open(b'[');
            for why in &self.incomplete {
                json.open(b'{');
                json.key("msg").text(&format!("incomplete: {why}"));
                json.close(b'}');
            }
            json.close(b']');
        }
        json.close(b'}');
        json.end_line();
        json.flush_to(out)
    }
}

/// Attributes: key, value and what that was.
type Words<'a> = Vec<(&'static str, &'a str, ValueType)>;

/// The distinct processes of a trace, numbered as they are met.
#[derive(Default)]
struct Processes<'a> {
    by_content: HashMap<(Name, Words<'a>), usize>,
    by_index: HashMap<u32, usize>,
    /// For each a span of it.
    first_spans: Vec<u32>,
}

impl<'a> Processes<'a> {
    fn number(&mut self, trace: &'a Trace, idx: u32) -> usize {
        let span = trace.span(idx);
        if let Some(number) = self.by_index.get(&trace.drafted(span).process) {
            return *number;
        }
        let attributes =
            trace.process_attributes(span).iter().map(|it| (it.key.as_str(), trace.text(it.value), it.value_type));
        let next = self.first_spans.len();
        let number = *self.by_content.entry((span.service, attributes.collect())).or_insert(next);
        if number == next {
            self.first_spans.push(idx);
        }
        self.by_index.insert(trace.drafted(span).process, number);
        number
    }
}

fn write_span(json: &mut Json, trace: &Trace, trace_id: &str, span: &Span, process: usize) {
    json.open(b'{');
    json.key("traceID").text(trace_id);
    json.key("spanID").text(&span.id.to_string());
    json.key("operationName").text(span.operation.as_str());
    json.key("references").open(b'[');
    let relations = Relations::of(trace, span);
    let mut reference = |trace: &str, id: &Id, followed: bool| {
        json.open(b'{');
        json.key("refType").text(if followed { "FOLLOWS_FROM" } else { "CHILD_OF" });
        json.key("traceID").text(trace);
        json.key("spanID").text(&id.to_string());
        json.close(b'}');
    };
    if let Some(parent) = relations.parent {
        reference(trace_id, parent.id, parent.followed);
    }
    for link in relations.links {
        let trace = link.trace.as_deref().map_or_else(|| trace_id.to_owned(), Id::to_string);
        reference(&trace, &link.span, link.follows_from);
    }
    json.close(b']');
    json.key("startTime").raw(span.start_ns.div_euclid(1_000));
    if let Some(duration_ns) = span.duration_ns {
        json.key("duration").raw(duration_ns / 1_000);
    }
    json.key("tags").open(b'[');
    write_span_tags(json, trace, span);
    json.close(b']');
    json.key("logs").open(b'[');
    for event in trace.events(span) {
        json.open(b'{');
        if let Some(at_ns) = event.at_ns {
            json.key("timestamp").raw(at_ns.div_euclid(1_000));
        }
        json.key("fields").open(b'[');
        write_tags(json, trace, trace.event_attributes(event));
        json.close(b']');
        json.close(b'}');
    }
    json.close(b']');
    json.key("processID").text(&format!("p{}", process + 1));
    json.key("warnings").raw("null");
    json.close(b'}');
}

/// The span's attributes, and the tags that say what other formats have fields for: kind and failure.
fn write_span_tags(json: &mut Json, trace: &Trace, span: &Span) {
    let told_kind = trace.value(span, Known::SpanKind).and_then(Kind::from_text);
    let told_error = semantics::says_error(trace, span);
    for attribute in trace.attributes(span) {
        let is_wrong = match attribute.key {
            Key::Known(Known::SpanKind) => told_kind != span.kind,
            // What the format said itself goes before its attributes.
            Key::Known(Known::Error) => {
                told_error && !span.error && semantics::flag(trace.text(attribute.value)) == Some(true)
            }
            Key::Known(Known::StatusCode) => {
                told_error && !span.error && trace.text(attribute.value).eq_ignore_ascii_case("error")
            }
            _ => false,
        };
        if !is_wrong {
            write_tag(json, attribute.key.as_str(), trace.text(attribute.value), attribute.value_type);
        }
    }
    if let Some(kind) = span.kind.filter(|_| told_kind != span.kind) {
        write_tag(json, Known::SpanKind.as_str(), kind.as_str(), ValueType::Text);
    }
    if told_error != span.error {
        write_tag(json, Known::Error.as_str(), if span.error { "true" } else { "false" }, ValueType::Bool);
    }
}

fn write_tags(json: &mut Json, trace: &Trace, attributes: &[Attribute]) {
    for attribute in attributes {
        write_tag(json, attribute.key.as_str(), trace.text(attribute.value), attribute.value_type);
    }
}

fn write_tag(json: &mut Json, key: &str, value: &str, value_type: ValueType) {
    json.open(b'{');
    json.key("key").text(key);
    let type_name = match value_type {
        ValueType::Bool => "bool",
        ValueType::Number if value.parse::<i64>().is_ok() => "int64",
        ValueType::Number if is_number(value) => "float64",
        _ => "string",
    };
    json.key("type").text(type_name);
    json.key("value");
    // As Jaeger does: JavaScript would round these.
    match value.parse::<i64>() {
        Ok(whole) if whole.unsigned_abs() >= 1 << 53 => json.text(value),
        _ => json.value(value, value_type),
    }
    json.close(b'}');
}

fn write_warnings(json: &mut Json, trace: &Trace) {
    let skew = trace.is_skew_corrected().then_some("timestamps were adjusted by clock skew correction");
    let warnings: Vec<&str> = trace.cut().into_iter().chain(skew).collect();
    json.key("warnings");
    if warnings.is_empty() {
        json.raw("null");
        return;
    }
    json.open(b'[');
    warnings.iter().for_each(|it| json.text(it));
    json.close(b']');
}
