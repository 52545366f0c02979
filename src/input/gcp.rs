//! Google Cloud Trace: traces as version 1 of its API gives them, and spans as version 2 takes them.

use std::sync::Arc;

use super::json::{Fault, Node};
use super::{Batch, Format, Frame, Frames, Head, Judgement, NewSpan, Parser, Sink, Sniff, rfc3339_ns};
use crate::model::{Id, Kind, NoDuration, Reference, Run, Wanted};

/// The format.
pub(super) struct Gcp;

impl Format for Gcp {
    fn name(&self) -> &'static str {
        "gcp"
    }

    fn about(&self) -> &'static str {
        "Google Cloud Trace: traces of API v1, spans of v2"
    }

    fn how_to_export(&self) -> &'static str {
        "curl -H \"Authorization: Bearer $(gcloud auth print-access-token)\" \
         'https://cloudtrace.googleapis.com/v1/projects/PROJECT/traces?view=COMPLETE&pageSize=1000' > traces.json"
    }

    fn sniff(&self, head: &Head<'_>) -> Sniff {
        let element = head.element();
        let trace = if element.get("traces").is_list() { element.get("traces").first() } else { element };
        if is_v1(trace) || is_v2(element.get("spans").first()) || is_v2(element) { Sniff::Yes } else { Sniff::No }
    }

    fn frame(&self) -> Frame {
        Frame {
            envelopes: &["traces"],
            element_keys: &["projectId", "traceId", "spans", "spanId", "displayName", "spanKind", "startTime"],
            sure_keys: &["projectId", "spans", "displayName"],
            element: "trace",
        }
    }

    fn parser(&self, wanted: &Arc<Wanted>) -> Box<dyn Parser> {
        Box::new(GcpParser { batch: Batch::new(wanted) })
    }

    fn judge(&self, frames: &Frames) -> Judgement {
        let mut judgement = Judgement::default();
        let token =
            |(key, value): &&(String, String)| key == "nextPageToken" && !matches!(value.as_str(), "\"\"" | "null");
        if frames.members.iter().any(|it| token(&it)) {
            judgement.incomplete.push(MORE_PAGES.to_owned());
        }
        judgement
    }
}

const MORE_PAGES: &str = "the answer is one page of several (it has a nextPageToken)";

/// A trace of version 1; in a minimal view it has no spans.
fn is_v1(trace: &Node<'_>) -> bool {
    let span = trace.get("spans").first();
    let has_spans = span.has("spanId") && !span.has("displayName");
    trace.get("traceId").as_str().is_some() && (trace.has("projectId") || has_spans) && !trace.has("spanId")
}

/// A span of version 2.
fn is_v2(span: &Node<'_>) -> bool {
    let has_name = span.get("name").as_str().is_some_and(|it| it.starts_with("projects/") && it.contains("/traces/"));
    has_name || (span.get("displayName").has("value") && span.has("spanId"))
}

struct GcpParser {
    batch: Batch,
}

impl Parser for GcpParser {
    fn element(&mut self, text: &str, sink: &mut dyn Sink) -> Result<(), Fault> {
        let element = Node::parse(text)?;
        if element.get("traces").is_list() {
            // An answer among several in an array.
            if element.get("nextPageToken").filled().is_some() {
                sink.incomplete(MORE_PAGES);
            }
            element.get("traces").items().iter().for_each(|it| self.trace(it, sink));
        } else if is_v2(&element) {
            self.v2(std::slice::from_ref(&element), sink);
        } else if is_v2(element.get("spans").first()) {
            self.v2(element.get("spans").items(), sink);
        } else {
            self.trace(&element, sink);
        }
        Ok(())
    }
}

impl GcpParser {
    fn trace(&mut self, trace: &Node<'_>, sink: &mut dyn Sink) {
        if !trace.is_object() {
            sink.skip("not a trace where one belongs", 0);
            return;
        }
        let spans = trace.get("spans").items();
        if spans.is_empty() {
            sink.skip("a trace without spans", 0);
            if trace.get("traceId").filled().is_some() {
                sink.incomplete("traces come without their spans (listed with view=MINIMAL? ask for view=COMPLETE)");
            }
        }
        for span in spans {
            if let Err(reason) = self.v1_span(trace, span) {
                sink.skip(reason, 0);
            }
        }
        self.batch.emit_traces(sink);
    }

    fn v2(&mut self, spans: &[Node<'_>], sink: &mut dyn Sink) {
        for span in spans {
            if let Err(reason) = self.v2_span(span) {
                sink.skip(reason, 0);
            }
        }
        // A body holds what was ready when it was sent.
        self.batch.emit_spans(sink);
    }

    fn v1_span(&mut self, trace: &Node<'_>, span: &Node<'_>) -> Result<(), &'static str> {
        let id = decimal_id(span.get("spanId")).ok_or("a span without an id")?;
        let trace = trace.get("traceId").scalar().and_then(Id::parse).ok_or("a span without a trace id")?;
        let (start_ns, duration_ns) = times(span)?;
        let labels = span.get("labels");
        let label = |key: &str| labels.get(key).scalar();
        let process = self.process(label);
        let kind = match span.get("kind").as_str() {
            Some("RPC_SERVER") => Some(Kind::Server),
            Some("RPC_CLIENT") => Some(Kind::Client),
            _ => label("span.kind").and_then(Kind::from_text),
        };
        let mark = self.batch.mark_attributes();
        for (key, value) in labels.members() {
            self.batch.attribute(convention(key), value);
        }
        let attributes = self.batch.attributes_since(mark);
        let has_error = label("/error/name").or(label("/error/message")).is_some();
        self.batch.push(NewSpan {
            trace,
            id,
            parent: decimal_id(span.get("parentSpanId")).filter(|it| !it.is_zero()),
            links: Vec::new(),
            operation: span.get("name").scalar().unwrap_or(""),
            process,
            kind,
            start_ns,
            duration_ns,
            failed: has_error.then_some(true),
            shared: false,
            attributes,
            events: Run::default(),
        })
    }

    fn v2_span(&mut self, span: &Node<'_>) -> Result<(), &'static str> {
        let name = span.get("name").as_str().unwrap_or("");
        let id_of = |key: &str| span.get(key).scalar().and_then(Id::parse);
        let id = id_of("spanId").or_else(|| Id::parse(part_behind(name, "/spans/")?)).ok_or("a span without an id")?;
        let trace = part_behind(name, "/traces/").and_then(Id::parse);
        let trace = trace.or_else(|| id_of("traceId")).ok_or("a span without a trace id")?;
        let (start_ns, duration_ns) = times(span)?;
        let map = span.at(&["attributes", "attributeMap"]);
        let process = self.process(|key| value_of(map.get(key)).scalar());
        let events = self.events(span);
        let mark = self.batch.mark_attributes();
        self.attribute_map(map);
        let status = span.get("status");
        if let Some(message) = status.get("message").filled() {
            self.batch.text_attribute("otel.status_description", message);
        }
        let stack = span.at(&["stackTrace", "stackFrames", "frame"]);
        if !stack.items().is_empty() && self.batch.wants("exception.stacktrace") {
            self.batch.text_attribute("exception.stacktrace", &stack_text(stack));
        }
        let attributes = self.batch.attributes_since(mark);
        let links = span.at(&["links", "link"]).items().iter().filter_map(|it| link(it, &trace)).collect();
        self.batch.push(NewSpan {
            trace,
            id,
            parent: id_of("parentSpanId").filter(|it| !it.is_zero()),
            links,
            operation: text_of(span.get("displayName")).unwrap_or(""),
            process,
            kind: span.get("spanKind").as_str().and_then(Kind::from_text),
            start_ns,
            duration_ns,
            failed: failed(status),
            shared: false,
            attributes,
            events,
        })
    }

    fn process<'n>(&mut self, label: impl Fn(&str) -> Option<&'n str>) -> u32 {
        let mark = self.batch.mark_attributes();
        let hosts =
            ["host.name", "g.co/r/k8s_pod/pod_name", "g.co/r/k8s_container/pod_name", "g.co/r/generic_node/node_id"];
        if let Some(host) = hosts.iter().find_map(|it| label(it)) {
            self.batch.text_attribute("host.name", host);
        }
        if let Some(host) = label("g.co/r/gce_instance/instance_id") {
            self.batch.text_attribute("host.id", host);
        }
        let attributes = self.batch.attributes_since(mark);
        let service = label("service.name").or_else(|| label("g.co/gae/app/module"));
        self.batch.process(service, attributes)
    }

    fn attribute_map(&mut self, map: &Node<'_>) {
        for (key, value) in map.members() {
            self.batch.attribute(convention(key), value_of(value));
        }
    }

    fn events(&mut self, span: &Node<'_>) -> Run {
        let mut found = Vec::new();
        for event in span.at(&["timeEvents", "timeEvent"]).items() {
            let annotation = event.get("annotation");
            let mark = self.batch.mark_attributes();
            self.attribute_map(annotation.at(&["attributes", "attributeMap"]));
            if let Some(text) = text_of(annotation.get("description")).filter(|it| *it != "exception") {
                self.batch.text_attribute("event", text);
            }
            found.push((event.get("time").filled().and_then(rfc3339_ns), self.batch.attributes_since(mark)));
        }
        let mark = self.batch.mark_events();
        found.into_iter().for_each(|(at_ns, attributes)| self.batch.event(at_ns, attributes));
        self.batch.events_since(mark)
    }
}

/// Start and duration out of start and end.
fn times(span: &Node<'_>) -> Result<(Option<i64>, Result<i64, NoDuration>), &'static str> {
    let time = |key: &str| match span.get(key) {
        Node::Null => Ok(None),
        value => value.filled().and_then(rfc3339_ns).map(Some).ok_or("a span whose time is none"),
    };
    let (start, end) = (time("startTime")?, time("endTime")?);
    Ok((start, start.zip(end).map(|(start, end)| end.saturating_sub(start)).ok_or(NoDuration::Missing)))
}

/// A 64-bit number in decimal digits, as the hexadecimal id that all other tools write for it.
fn decimal_id(value: &Node<'_>) -> Option<Id> {
    let text = value.scalar()?;
    match text.parse::<u64>() {
        Ok(number) => Id::parse(&format!("{number:016x}")),
        Err(_) => Id::parse(text),
    }
}

/// The convention that a label of this service stands for.
fn convention(label: &str) -> &str {
    match label {
        "/http/method" => "http.request.method",
        "/http/status_code" => "http.response.status_code",
        "/http/url" => "url.full",
        "/http/route" => "http.route",
        "/http/path" => "url.path",
        "/http/host" => "server.address",
        "/http/user_agent" => "user_agent.original",
        "/error/name" => "error.type",
        "/error/message" => "error.message",
        "/stacktrace" => "exception.stacktrace",
        "/component" => "component",
        other => other,
    }
}

/// The value in `{"stringValue":{"value":"x"}}`, `{"intValue":"5"}` or `{"boolValue":true}`.
fn value_of<'n, 'a>(value: &'n Node<'a>) -> &'n Node<'a> {
    let inner = value.members().first().map_or(value, |(_, it)| it);
    if inner.is_object() { inner.get("value") } else { inner }
}

/// A text that may have been cut: `{"value":"x","truncatedByteCount":0}`.
fn text_of<'n>(text: &'n Node<'_>) -> Option<&'n str> {
    text.get("value").filled().or_else(|| text.filled())
}

/// What follows a word in `projects/P/traces/T/spans/S`.
fn part_behind<'t>(name: &'t str, word: &str) -> Option<&'t str> {
    name.split_once(word)?.1.split('/').next()
}

fn link(link: &Node<'_>, own: &Id) -> Option<Reference> {
    let id = |key: &str| link.get(key).scalar().and_then(Id::parse);
    let trace = id("traceId").filter(|it| it != own)?;
    Some(Reference { span: id("spanId")?, trace: Some(Box::new(trace)), follows_from: true, is_link: true })
}

/// A status that is there says it: 0, which may be left out, is fine.
fn failed(status: &Node<'_>) -> Option<bool> {
    if !status.is_object() {
        return None;
    }
    let code = status.get("code").scalar().unwrap_or("0");
    Some(!(code == "0" || code.eq_ignore_ascii_case("ok")))
}

fn stack_text(frames: &Node<'_>) -> String {
    let lines = frames.items().iter().map(|frame| {
        let function = text_of(frame.get("functionName")).unwrap_or("?");
        let file = text_of(frame.get("fileName")).unwrap_or("?");
        format!("  at {function} ({file}:{})", frame.get("lineNumber").scalar().unwrap_or("?"))
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
