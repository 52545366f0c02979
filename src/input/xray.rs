//! AWS X-Ray: segment documents, in the answers of its API or as they are sent to the daemon.
//!
//! A segment is a service's part of a request, its subsegments are the calls and steps inside. In the
//! API's answers each document is JSON inside a text; with OpenTelemetry's format the documents are
//! spans instead.

mod otel;
mod segment;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::json::{Fault, Node};
use super::{Batch, Format, Frame, Frames, Head, Judgement, Parser, Sink, Sniff};
use crate::model::{Id, Wanted};

const FETCH: &str = "aws xray batch-get-traces --trace-ids ID ID > traces.json";

/// The format.
pub(super) struct Xray;

impl Format for Xray {
    fn name(&self) -> &'static str {
        "xray"
    }

    fn about(&self) -> &'static str {
        "AWS X-Ray: batch-get-traces, list-retrieved-traces, segment documents"
    }

    fn how_to_export(&self) -> &'static str {
        FETCH
    }

    fn sniff(&self, head: &Head<'_>) -> Sniff {
        let element = head.element();
        let answers = ["UnprocessedTraceIds", "RetrievalStatus", "TraceFormat"].iter().any(|it| element.has(it));
        let trace = match traces_of(element) {
            Some(traces) => traces.first(),
            None => element,
        };
        if is_trace(trace) || is_segment(element) || otel::is_span(element) || is_header(element) || answers {
            Sniff::Yes
        } else if element.has("Traces") && trace.is_null() {
            Sniff::Maybe
        } else {
            Sniff::No
        }
    }

    fn frame(&self) -> Frame {
        Frame {
            envelopes: &["Traces", "traces"],
            element_keys: &[
                "Id",
                "Segments",
                "Spans",
                "id",
                "segments",
                "name",
                "trace_id",
                "start_time",
                "parent_id",
                "traceId",
                "spanId",
                "startTimeUnixNano",
                "attributes",
            ],
            sure_keys: &["Segments", "segments", "Spans", "trace_id", "startTimeUnixNano"],
            element: "trace",
        }
    }

    fn parser(&self, wanted: &Arc<Wanted>) -> Box<dyn Parser> {
        Box::new(XrayParser { batch: Batch::new(wanted) })
    }

    /// The daemon's clients write a line before each document: `{"format":"json","version":1}`.
    fn headers(&self) -> &'static [&'static str] {
        &["format", "version"]
    }

    fn judge(&self, frames: &Frames) -> Judgement {
        let mut judgement = Judgement::default();
        for (key, value) in &frames.members {
            judgement.incomplete.extend(Node::parse(value).ok().and_then(|it| missing(key, &it)));
        }
        judgement.incomplete.sort();
        judgement.incomplete.dedup();
        judgement
    }
}

/// Why a member beside the traces says that there are more.
fn missing(key: &str, value: &Node<'_>) -> Option<String> {
    match key {
        "NextToken" | "nextToken" => {
            value.filled().map(|_| "the answer is one page of several (it has a NextToken)".to_owned())
        }
        "UnprocessedTraceIds" | "unprocessedTraceIds" => match value.items().len() {
            0 => None,
            1 => Some("1 trace asked for is not in the answer (UnprocessedTraceIds)".to_owned()),
            n => Some(format!("{n} traces asked for are not in the answer (UnprocessedTraceIds)")),
        },
        "RetrievalStatus" => value
            .filled()
            .filter(|it| *it != "COMPLETE")
            .map(|it| format!("the retrieval was not complete when it was asked for (RetrievalStatus {it})")),
        _ => None,
    }
}

/// The value of a key that some clients write with a small first letter.
fn either<'n, 'a>(node: &'n Node<'a>, key: &str, small: &str) -> &'n Node<'a> {
    if node.has(key) { node.get(key) } else { node.get(small) }
}

fn traces_of<'n, 'a>(node: &'n Node<'a>) -> Option<&'n Node<'a>> {
    Some(either(node, "Traces", "traces")).filter(|it| it.is_list())
}

/// Whether it holds documents, or is one of the API's traces without any.
fn is_trace(node: &Node<'_>) -> bool {
    let holds = |documents: &Node<'_>| {
        let first = documents.first();
        first.has("Document") || first.has("document") || is_segment(first)
    };
    let documents = either(node, "Segments", "segments");
    let spans = node.get("Spans");
    holds(documents)
        || holds(spans)
        || (either(node, "Id", "id").as_str().is_some_and(is_trace_id) && !node.has("trace_id"))
}

fn is_segment(node: &Node<'_>) -> bool {
    let has_trace = node.get("trace_id").as_str().is_some_and(is_trace_id);
    let has_time = node.get("start_time").is_number();
    node.get("id").as_str().is_some() && !node.has("span_id") && (has_trace || (has_time && node.has("name")))
}

fn is_trace_id(text: &str) -> bool {
    text.starts_with("1-") && text.len() == 35
}

fn is_header(node: &Node<'_>) -> bool {
    node.members().len() == 2 && node.get("format").as_str() == Some("json") && node.get("version").is_number()
}

struct XrayParser {
    batch: Batch,
}

/// What the documents of an element say of each other.
#[derive(Default)]
struct Context<'n> {
    /// The trace of documents that name none.
    trace: Option<Id>,
    /// Exceptions by id: a cause may name one that another (sub)segment tells of.
    exceptions: HashMap<&'n str, &'n Node<'n>>,
    /// Segments that X-Ray made up for what was called and reports nothing: of which span.
    inferred: HashMap<Id, Id>,
    /// The names of those, by the span that called.
    peers: HashMap<Id, &'n str>,
    /// Spans that are there with their end.
    complete: HashSet<Id>,
}

impl Parser for XrayParser {
    fn element(&mut self, text: &str, sink: &mut dyn Sink) -> Result<(), Fault> {
        let element = Node::parse(text)?;
        if let Some(traces) = traces_of(&element) {
            // An answer among several in an array.
            for (key, value) in element.members() {
                missing(key, value).iter().for_each(|it| sink.incomplete(it));
            }
            traces.items().iter().for_each(|it| self.trace(it, sink));
        } else if element.get("id").as_str().is_some_and(|it| !is_trace_id(it)) || otel::is_span(&element) {
            self.documents(&[element], None, sink);
            self.batch.emit_spans(sink);
        } else if !is_header(&element) {
            self.trace(&element, sink);
        }
        Ok(())
    }
}

impl XrayParser {
    fn trace(&mut self, trace: &Node<'_>, sink: &mut dyn Sink) {
        if !trace.is_object() {
            sink.skip("not a trace where one belongs", 0);
            return;
        }
        if either(trace, "LimitExceeded", "limitExceeded").truth() == Some(true) {
            sink.incomplete("traces have more segments than X-Ray gives (LimitExceeded)");
        }
        let mut documents = Vec::new();
        let segments = either(trace, "Segments", "segments").items();
        let spans = either(trace, "Spans", "spans").items();
        if segments.is_empty() && spans.is_empty() {
            sink.skip("a trace without spans", 0);
        }
        for item in segments.iter().chain(spans) {
            match either(item, "Document", "document") {
                Node::Text(text) => match Node::parse(text) {
                    Ok(document) => documents.push(document),
                    Err(_) => sink.skip("a segment whose document is not JSON", 0),
                },
                Node::Object(members) => documents.push(Node::Object(members.clone())),
                _ if item.has("id") || otel::is_span(item) => documents.push(item.clone()),
                _ => sink.skip("a segment without a document", 0),
            }
        }
        self.documents(&documents, either(trace, "Id", "id").scalar().and_then(Id::parse), sink);
        self.batch.emit_traces(sink);
    }

    fn documents(&mut self, documents: &[Node<'_>], trace: Option<Id>, sink: &mut dyn Sink) {
        let context = Context::of(documents, trace);
        for document in documents {
            if otel::is_span(document) {
                if let Err(reason) = self.otel_span(document, &context) {
                    sink.skip(reason, 0);
                }
            } else {
                self.segment(document, &context, sink);
            }
        }
    }
}

impl<'n> Context<'n> {
    fn of(documents: &'n [Node<'n>], trace: Option<Id>) -> Context<'n> {
        let mut context = Context { trace, ..Context::default() };
        for document in documents {
            let id = id_of(document, "id");
            if let (Some(id), Some(parent)) = (&id, id_of(document, "parent_id"))
                && document.get("inferred").truth() == Some(true)
            {
                context.peers.extend(document.get("name").filled().map(|it| (parent.clone(), it)));
                context.inferred.insert(id.clone(), parent);
            } else if document.has("end_time") {
                context.complete.extend(id);
            }
            let mut open = vec![document];
            while let Some(node) = open.pop() {
                for exception in node.at(&["cause", "exceptions"]).items() {
                    context.exceptions.extend(exception.get("id").filled().map(|it| (it, exception)));
                }
                open.extend(node.get("subsegments").items());
            }
        }
        context
    }

    /// The span that a segment made up stands for, as often as it takes.
    fn real(&self, mut id: Id) -> Id {
        for _ in 0..self.inferred.len() {
            match self.inferred.get(&id) {
                Some(parent) => id = parent.clone(),
                None => break,
            }
        }
        id
    }
}

fn id_of(node: &Node<'_>, key: &str) -> Option<Id> {
    node.get(key).scalar().and_then(Id::parse)
}

#[cfg(test)]
mod tests;
