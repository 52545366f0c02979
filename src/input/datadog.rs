//! Datadog: what tracers send to the agent, what the spans API answers, what the user interface copies.

use std::collections::HashMap;
use std::sync::Arc;

use super::json::{Fault, Node};
use super::{Batch, Format, Frame, Frames, Head, Judgement, NewSpan, Parser, Sink, Sniff, decimal_ns, rfc3339_ns};
use crate::model::{Id, Kind, NoDuration, Reference, Run, Wanted, normalize};

/// The format.
pub(super) struct Datadog;

impl Format for Datadog {
    fn name(&self) -> &'static str {
        "datadog"
    }

    fn about(&self) -> &'static str {
        "Datadog: the agent's v0.3/v0.4 lists, the spans API v2, the UI's trace JSON"
    }

    fn how_to_export(&self) -> &'static str {
        "curl -H \"DD-API-KEY: $DD_API_KEY\" -H \"DD-APPLICATION-KEY: $DD_APP_KEY\" \
         'https://api.datadoghq.com/api/v2/spans/events?page[limit]=1000' > spans.json"
    }

    fn sniff(&self, head: &Head<'_>) -> Sniff {
        let element = head.element();
        // Lists may be empty before the first that is not.
        let inner = head.value.items().iter().flat_map(|it| it.items()).find(|it| it.is_object());
        let data = element.get("data");
        let rows = if data.is_list() { data.first() } else { data };
        let trace = if element.get("trace").is_object() { element.get("trace") } else { element };
        let is_known = is_span(inner.unwrap_or(element))
            || is_row(element)
            || is_row(rows)
            || ui_spans(trace).next().is_some_and(is_ui_span);
        let is_empty = data.is_list() && data.items().is_empty() && element.at(&["meta", "page"]).is_object();
        if is_known || is_empty { Sniff::Yes } else { Sniff::No }
    }

    fn frame(&self) -> Frame {
        Frame {
            envelopes: &["data", "trace", "orphaned"],
            element_keys: &["trace_id", "span_id", "parent_id", "attributes", "root_id", "spans"],
            sure_keys: &["trace_id", "root_id", "attributes"],
            element: "trace",
        }
    }

    fn parser(&self, wanted: &Arc<Wanted>) -> Box<dyn Parser> {
        Box::new(DatadogParser { batch: Batch::new(wanted) })
    }

    fn judge(&self, frames: &Frames) -> Judgement {
        let mut judgement = Judgement::default();
        let around = frames.members.iter().filter(|(key, _)| matches!(key.as_str(), "links" | "meta"));
        if around.map(|(_, value)| Node::parse(value)).any(|it| it.is_ok_and(|it| has_more(&it))) {
            judgement.incomplete.push(MORE_PAGES.to_owned());
        }
        judgement
    }
}

const MORE_PAGES: &str = "the answer is one page of several (links.next names the next)";

/// `links` or `meta` beside a page that is not the last.
fn has_more(member: &Node<'_>) -> bool {
    member.get("next").filled().is_some() || member.at(&["page", "after"]).filled().is_some()
}

/// A span as tracers send it.
fn is_span(node: &Node<'_>) -> bool {
    let is_id = |key: &str| node.get(key).is_number();
    is_id("trace_id")
        && is_id("span_id")
        && ["start", "duration", "service", "resource", "name"].iter().any(|it| node.has(it))
}

/// A row of the spans API.
fn is_row(node: &Node<'_>) -> bool {
    let attributes = node.get("attributes");
    let is_typed = matches!(node.get("type").as_str(), Some("spans" | "span"));
    attributes.is_object() && (is_typed || attributes.has_all(&["span_id", "trace_id", "resource_name"]))
}

fn is_ui_span(node: &Node<'_>) -> bool {
    node.has("span_id") && (node.has("trace_id") || node.has("resource") || node.has("service"))
}

/// The spans of the user interface's trace: the values of an object whose keys are their ids.
fn ui_spans<'n, 'a>(trace: &'n Node<'a>) -> impl Iterator<Item = &'n Node<'a>> + Clone {
    trace.get("spans").members().iter().map(|(_, span)| span)
}

struct DatadogParser {
    batch: Batch,
}

/// In which unit times are written.
#[derive(Clone, Copy)]
enum Unit {
    Nanoseconds,
    Seconds,
}

impl Unit {
    fn scale(self) -> i32 {
        match self {
            Unit::Nanoseconds => 9,
            Unit::Seconds => 0,
        }
    }
}

/// The upper halves of trace ids, by the lower.
type Uppers<'n> = HashMap<u64, &'n str>;

impl Parser for DatadogParser {
    fn element(&mut self, text: &str, sink: &mut dyn Sink) -> Result<(), Fault> {
        let element = Node::parse(text)?;
        if element.is_list() {
            self.spans(element.items().iter(), Unit::Nanoseconds, sink);
            self.batch.emit_traces(sink);
            return Ok(());
        }
        if element.get("data").is_list() {
            // An answer among several in an array.
            if has_more(element.get("links")) || has_more(element.get("meta")) {
                sink.incomplete(MORE_PAGES);
            }
            element.get("data").items().iter().for_each(|it| self.row(it, sink));
        } else if element.get("trace").is_object() {
            let orphaned = element.get("orphaned").items().iter();
            self.spans(ui_spans(element.get("trace")).chain(orphaned), Unit::Seconds, sink);
        } else if element.get("spans").is_object() {
            self.spans(ui_spans(&element), Unit::Seconds, sink);
        } else if element.get("attributes").is_object() {
            self.row(&element, sink);
        } else {
            // Ids in a browser are texts, and times seconds.
            let is_ui = element.get("span_id").as_str().is_some();
            let unit = if is_ui { Unit::Seconds } else { Unit::Nanoseconds };
            // The upper half of the trace's id is written on its first span only: alone it would part them.
            self.checked(&element, unit, &Uppers::new(), sink);
        }
        self.batch.emit_spans(sink);
        Ok(())
    }
}

impl DatadogParser {
    fn spans<'n, 'a: 'n>(
        &mut self,
        spans: impl Iterator<Item = &'n Node<'a>> + Clone,
        unit: Unit,
        sink: &mut dyn Sink,
    ) {
        let mut uppers = Uppers::new();
        for span in spans.clone() {
            let lower = span.get("trace_id").scalar().and_then(|it| it.parse().ok());
            let upper = span.at(&["meta", "_dd.p.tid"]).filled().filter(|it| u64::from_str_radix(it, 16).is_ok());
            uppers.extend(lower.zip(upper));
        }
        spans.for_each(|it| self.checked(it, unit, &uppers, sink));
    }

    fn checked(&mut self, span: &Node<'_>, unit: Unit, uppers: &Uppers<'_>, sink: &mut dyn Sink) {
        if !span.is_object() {
            sink.skip("not a span where one belongs", 0);
        } else if let Err(reason) = self.span(span, unit, uppers) {
            sink.skip(reason, 0);
        }
    }

    fn span(&mut self, span: &Node<'_>, unit: Unit, uppers: &Uppers<'_>) -> Result<(), &'static str> {
        let id = id_of(span.get("span_id")).ok_or("a span without an id")?;
        let trace = trace_id(span.get("trace_id"), uppers).ok_or("a span without a trace id")?;
        let time = |key: &str, reason| match span.get(key).scalar() {
            None => Ok(None),
            Some(text) => decimal_ns(text, unit.scale()).map(Some).ok_or(reason),
        };
        let start_ns = time("start", "a span whose time is not a number")?;
        let duration_ns = time("duration", "a span whose duration is not a number")?;
        let meta = span.get("meta");
        let process = self.process(span.get("service"), [meta.get("_dd.hostname"), span.get("host")]);
        let events = self.events(span);
        let mark = self.batch.mark_attributes();
        for (key, value) in meta.members().iter().chain(span.get("metrics").members()) {
            self.batch.attribute(convention(key), value);
        }
        let span_type = span.get("type").as_str().unwrap_or("");
        let resource = span.get("resource").scalar().or_else(|| span.get("name").scalar()).unwrap_or("");
        let operation = self.operation(resource, span_type, meta);
        let attributes = self.batch.attributes_since(mark);
        self.batch.push(NewSpan {
            id,
            parent: id_of(span.get("parent_id")).filter(|it| !it.is_zero()),
            links: span.get("span_links").items().iter().filter_map(|it| link(it, &trace)).collect(),
            trace,
            operation: &operation,
            process,
            kind: kind(meta.get("span.kind"), span_type),
            start_ns,
            duration_ns: duration_ns.ok_or(NoDuration::Missing),
            failed: span.get("error").truth(),
            shared: false,
            attributes,
            events,
        })
    }

    fn row(&mut self, row: &Node<'_>, sink: &mut dyn Sink) {
        let attributes = row.get("attributes");
        if !attributes.is_object() {
            sink.skip("not a span where one belongs", 0);
        } else if let Err(reason) = self.row_span(attributes) {
            sink.skip(reason, 0);
        }
    }

    fn row_span(&mut self, row: &Node<'_>) -> Result<(), &'static str> {
        let id = id_of(row.get("span_id")).ok_or("a span without an id")?;
        let trace = trace_id(row.get("trace_id"), &Uppers::new()).ok_or("a span without a trace id")?;
        let time = |key: &str| match row.get(key) {
            Node::Null => Ok(None),
            value => value.filled().and_then(rfc3339_ns).map(Some).ok_or("a span whose time is none"),
        };
        let (start_ns, end_ns) = (time("start_timestamp")?, time("end_timestamp")?);
        let custom = row.get("custom");
        // The times have milliseconds only, the duration all digits.
        let duration_ns = match custom.get("duration").scalar() {
            Some(text) => Some(decimal_ns(text, 9).ok_or("a span whose duration is not a number")?),
            None => start_ns.zip(end_ns).map(|(start, end)| end.saturating_sub(start)),
        };
        let process = self.process(row.get("service"), [row.get("host"), &Node::Null]);
        let mark = self.batch.mark_attributes();
        self.nested("", custom);
        self.nested("", row.get("attributes"));
        for tag in row.get("tags").items() {
            if let Some((key, value)) = tag.as_str().and_then(|it| it.split_once(':')) {
                self.batch.text_attribute(convention(key), value);
            }
        }
        let span_type = row.get("type").as_str().unwrap_or("");
        let resource = row.get("resource_name").scalar().or_else(|| row.get("operation_name").scalar()).unwrap_or("");
        let operation = self.operation(resource, span_type, custom);
        let attributes = self.batch.attributes_since(mark);
        let said_kind = if custom.has("span.kind") { custom.get("span.kind") } else { custom.at(&["span", "kind"]) };
        self.batch.push(NewSpan {
            trace,
            id,
            parent: id_of(row.get("parent_id")).filter(|it| !it.is_zero()),
            links: Vec::new(),
            operation: &operation,
            process,
            kind: kind(said_kind, span_type),
            start_ns,
            duration_ns: duration_ns.ok_or(NoDuration::Missing),
            failed: row_failed(row),
            shared: false,
            attributes,
            events: Run::default(),
        })
    }

    fn process(&mut self, service: &Node<'_>, hosts: [&Node<'_>; 2]) -> u32 {
        let mark = self.batch.mark_attributes();
        if let Some(host) = hosts.iter().find_map(|it| it.filled()) {
            self.batch.text_attribute("host.name", host);
        }
        let attributes = self.batch.attributes_since(mark);
        self.batch.process(service.scalar(), attributes)
    }

    /// Adds the members of an object, nested ones under keys joined with dots.
    fn nested(&mut self, prefix: &str, object: &Node<'_>) {
        for (key, value) in object.members() {
            let key = if prefix.is_empty() { key.to_string() } else { format!("{prefix}.{key}") };
            // The parser bounds how deep this goes.
            if value.is_object() { self.nested(&key, value) } else { self.batch.attribute(convention(&key), value) }
        }
    }

    /// The resource, without the values of a statement, which tracers leave for the agent to take out.
    fn operation(&mut self, resource: &str, span_type: &str, attributes: &Node<'_>) -> String {
        if !matches!(span_type, "sql" | "cassandra") {
            return resource.to_owned();
        }
        let is_said = ["db.statement", "db.query.text", "sql.query"].iter().any(|it| attributes.has(it));
        if !is_said && attributes.at(&["db", "statement"]).is_null() {
            self.batch.text_attribute("db.statement", resource);
        }
        normalize::sql(resource)
    }

    fn events(&mut self, span: &Node<'_>) -> Run {
        // Older tracers write them into a text.
        let text = span.at(&["meta", "events"]).as_str().unwrap_or("");
        let of_text = Node::parse(text).unwrap_or_default();
        let mut found = Vec::new();
        for event in span.get("span_events").items().iter().chain(of_text.items()) {
            let mark = self.batch.mark_attributes();
            for (key, value) in event.get("attributes").members() {
                self.batch.attribute(key, typed(value));
            }
            if let Some(name) = event.get("name").filled().filter(|it| *it != "exception") {
                self.batch.text_attribute("event", name);
            }
            let at_ns = event.get("time_unix_nano").scalar().and_then(|it| decimal_ns(it, 9));
            found.push((at_ns, self.batch.attributes_since(mark)));
        }
        let mark = self.batch.mark_events();
        found.into_iter().for_each(|(at_ns, attributes)| self.batch.event(at_ns, attributes));
        self.batch.events_since(mark)
    }
}

/// The value of an event's attribute, which may stand beside its type: `{"type":0,"string_value":"x"}`.
fn typed<'n, 'a>(value: &'n Node<'a>) -> &'n Node<'a> {
    value.members().iter().find(|(key, _)| key.ends_with("_value")).map_or(value, |(_, it)| it)
}

/// A 64-bit number, as the hexadecimal id that all other tools write for it.
fn id_of(value: &Node<'_>) -> Option<Id> {
    let text = value.scalar()?;
    match text.parse::<u64>() {
        Ok(number) => Id::parse(&format!("{number:016x}")),
        Err(_) => Id::parse(text),
    }
}

/// Longer than decimal digits of 64 bits is hexadecimal of 128.
fn trace_id(value: &Node<'_>, uppers: &Uppers<'_>) -> Option<Id> {
    let text = value.scalar()?;
    match text.parse::<u64>() {
        Ok(lower) if text.len() <= 20 => match uppers.get(&lower) {
            Some(upper) => Id::parse(&format!("{upper:0>16}{lower:016x}")),
            None => Id::parse(&format!("{lower:016x}")),
        },
        _ => Id::parse(text),
    }
}

fn link(link: &Node<'_>, own: &Id) -> Option<Reference> {
    let lower = link.get("trace_id").scalar()?;
    let trace = match (lower.parse::<u64>(), link.get("trace_id_high").scalar().and_then(|it| it.parse::<u64>().ok())) {
        (Ok(lower), Some(upper)) if upper > 0 => Id::parse(&format!("{upper:016x}{lower:016x}")),
        _ => id_of(link.get("trace_id")),
    };
    let trace = trace.filter(|it| it != own)?;
    Some(Reference {
        span: id_of(link.get("span_id"))?,
        trace: Some(Box::new(trace)),
        follows_from: true,
        is_link: true,
    })
}

/// The convention that a tag of this vendor stands for.
fn convention(tag: &str) -> &str {
    match tag {
        "error.msg" => "error.message",
        "error.stack" => "exception.stacktrace",
        "out.host" | "network.destination.name" => "server.address",
        "hostname" => "host.name",
        other => other,
    }
}

/// Old tracers say it by the span's type only.
fn kind(said: &Node<'_>, span_type: &str) -> Option<Kind> {
    said.as_str().and_then(Kind::from_text).or(match span_type {
        "web" => Some(Kind::Server),
        "http" | "sql" | "db" | "cache" | "redis" | "memcached" | "mongodb" | "cassandra" | "elasticsearch" => {
            Some(Kind::Client)
        }
        _ => None,
    })
}

fn row_failed(row: &Node<'_>) -> Option<bool> {
    let custom = row.get("custom");
    match row.get("status").as_str() {
        Some("error") => Some(true),
        Some("ok") => Some(false),
        _ => {
            let error = custom.get("error");
            let is_told = ["type", "message", "stack"].iter().any(|it| error.get(it).filled().is_some())
                || ["error.type", "error.message", "error.stack"].iter().any(|it| custom.get(it).filled().is_some());
            if is_told { Some(true) } else { error.truth() }
        }
    }
}

#[cfg(test)]
mod tests;
