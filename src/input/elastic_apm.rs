//! Elastic APM: the documents its server stores (transactions, spans and errors), and the lines that
//! agents send it.
//!
//! Both say the same in other words: [`Call`] is what they say in common.

mod documents;
mod intake;

use std::sync::Arc;

use super::document::{Document, ENVELOPES, judge, sniff_without_document};
use super::json::{Fault, Node};
use super::{Batch, Format, Frame, Frames, Head, Judgement, Parser, Sink, Sniff};
use crate::model::{Id, Kind, Run, Wanted};

/// The format.
pub(super) struct ElasticApm;

impl Format for ElasticApm {
    fn name(&self) -> &'static str {
        "elastic-apm"
    }

    fn about(&self) -> &'static str {
        "Elastic APM: documents of traces-apm* and logs-apm.error*, or an agent's intake lines"
    }

    fn how_to_export(&self) -> &'static str {
        "elasticdump --input=http://ELASTICSEARCH:9200/traces-apm-default,logs-apm.error-default --output=traces.json --type=data"
    }

    fn sniff(&self, head: &Head<'_>) -> Sniff {
        let document = Document::first_of(head);
        if documents::is_document(&document) || intake::is_line(&head.value) {
            return Sniff::Yes;
        }
        sniff_without_document(head)
    }

    fn frame(&self) -> Frame {
        Frame {
            envelopes: ENVELOPES,
            element_keys: &[
                "_source",
                "fields",
                "processor",
                "processor.event",
                "trace",
                "trace.id",
                "metadata",
                "transaction",
                "span",
                "error",
                "metricset",
                "log",
            ],
            sure_keys: &["_source", "processor", "processor.event", "metadata", "metricset"],
            element: "document",
        }
    }

    /// What an agent says first holds for all that it sends.
    fn context_key(&self) -> Option<&'static str> {
        Some("metadata")
    }

    fn parser(&self, wanted: &Arc<Wanted>) -> Box<dyn Parser> {
        Box::new(ApmParser { batch: Batch::new(wanted), metadata: intake::Metadata::default() })
    }

    fn judge(&self, frames: &Frames) -> Judgement {
        judge(frames)
    }
}

struct ApmParser {
    batch: Batch,
    metadata: intake::Metadata,
}

impl Parser for ApmParser {
    fn begin(&mut self, context: Option<&str>) {
        // What is wrong with it was said where it stood.
        let metadata = context.and_then(|it| Node::parse(it).ok());
        self.metadata = metadata.map(|it| intake::Metadata::of(it.get("metadata"))).unwrap_or_default();
    }

    fn element(&mut self, text: &str, sink: &mut dyn Sink) -> Result<(), Fault> {
        let element = Node::parse(text)?;
        let outcome =
            if intake::is_line(&element) { self.line(&element) } else { self.document(&Document::of(&element)) };
        if let Err(reason) = outcome {
            sink.skip(reason, 0);
        }
        self.batch.emit_spans(sink);
        Ok(())
    }
}

/// What documents and lines say of a transaction or span in common.
#[derive(Clone, Debug, Default)]
struct Call<'n> {
    is_transaction: bool,
    kind: Option<&'n str>,
    /// `db.postgresql.query` in old agents' words, or its first part.
    of_type: &'n str,
    subtype: Option<&'n str>,
    action: Option<&'n str>,
    method: Option<&'n str>,
    url: Option<&'n str>,
    path: Option<&'n str>,
    status: Option<&'n str>,
    db_instance: Option<&'n str>,
    statement: Option<&'n str>,
    queue: Option<&'n str>,
    address: Option<&'n str>,
    /// `postgresql/shop`, `kafka/orders`, `bank:443`.
    resource: Option<&'n str>,
    target_type: Option<&'n str>,
    target_name: Option<&'n str>,
}

impl<'n> Call<'n> {
    fn main_type(&self) -> &'n str {
        self.of_type.split('.').next().unwrap_or("")
    }

    fn subtype(&self) -> Option<&'n str> {
        self.subtype.or_else(|| self.of_type.split('.').nth(1))
    }

    fn action(&self) -> &'n str {
        self.action.or_else(|| self.of_type.split('.').nth(2)).unwrap_or("")
    }

    fn kind(&self) -> Option<Kind> {
        let said = self.kind.and_then(Kind::from_text);
        let is_one_of = |words: &[&str]| words.iter().any(|it| self.action().eq_ignore_ascii_case(it));
        said.or(match (self.is_transaction, self.main_type()) {
            (true, "messaging") => Some(Kind::Consumer),
            (true, "request") => Some(Kind::Server),
            (true, _) => None,
            (false, "messaging") if is_one_of(&["send", "publish", "produce"]) => Some(Kind::Producer),
            (false, "db" | "external" | "messaging" | "storage" | "cache") => Some(Kind::Client),
            (false, _) if self.resource.is_some() || self.target_type.is_some() => Some(Kind::Client),
            (false, _) => Some(Kind::Internal),
        })
    }

    /// Adds what it says under the names of the conventions.
    fn add_to(&self, batch: &mut Batch) {
        let mut add = |key: &str, value: Option<&str>| {
            if let Some(value) = value {
                batch.text_attribute(key, value);
            }
        };
        // Old agents write it in small letters.
        add("http.request.method", self.method.map(str::to_ascii_uppercase).as_deref());
        add("url.full", self.url);
        add("url.path", self.path);
        add("http.response.status_code", self.status);
        add("server.address", self.address);
        let (from_resource, name_in_resource) = match self.resource.and_then(|it| it.split_once('/')) {
            Some((system, name)) => (Some(system), Some(name)),
            None => (self.resource, None),
        };
        let system = self.target_type.or(self.subtype()).or(from_resource);
        let name = self.target_name.or(name_in_resource);
        match self.main_type() {
            "db" | "cache" => {
                add("db.system.name", system);
                add("db.namespace", self.db_instance.or(name));
                add("db.query.text", self.statement);
            }
            "messaging" => {
                add("messaging.system", system);
                add("messaging.destination.name", self.queue.or(name));
            }
            _ if !self.is_transaction => add("peer.service", self.target_name.or(self.resource)),
            _ => {}
        }
    }
}

/// What an agent says of an error.
struct ErrorWords<'n> {
    of_type: Option<&'n str>,
    message: Option<&'n str>,
    stack: Option<String>,
    /// An exception that nobody caught makes a span that says nothing itself a failed one.
    fails: bool,
    at_ns: Option<i64>,
}

impl ErrorWords<'_> {
    /// Adds it to the span it happened in.
    fn add_to(self, batch: &mut Batch, trace: &Id, span: Id) {
        let mark = batch.mark_attributes();
        if self.fails {
            batch.attribute("error", &Node::Bool(true));
        }
        let attributes = batch.attributes_since(mark);
        let mark = batch.mark_attributes();
        let words = [
            ("exception.type", self.of_type),
            ("exception.message", self.message),
            ("exception.stacktrace", self.stack.as_deref()),
        ];
        for (key, value) in words {
            if let Some(value) = value {
                batch.text_attribute(key, value);
            }
        }
        let of_event = batch.attributes_since(mark);
        let events = batch.mark_events();
        batch.event(self.at_ns, of_event);
        let events: Run = batch.events_since(events);
        batch.supplement(trace, span, attributes, events);
    }
}

/// The frames of a stack trace as lines, in the order in which they are written.
fn stack(of_type: Option<&str>, frames: &[Node<'_>]) -> Option<String> {
    if frames.iter().all(|it| !it.is_object()) {
        return None;
    }
    let mut text = of_type.unwrap_or("").to_owned();
    for frame in frames {
        let frame = Document::of(frame);
        let function = frame.any(&["function"]).unwrap_or("?");
        let file = frame.any(&["filename", "abs_path", "classname", "module"]).unwrap_or("?");
        let line = frame.any(&["line.number", "lineno"]).unwrap_or("?");
        text.push_str(&format!("\n  at {function} ({file}:{line})"));
    }
    Some(text)
}

/// `success` or `failure`; anything else is no word on it.
fn failed(outcome: Option<&str>) -> Option<bool> {
    match outcome {
        Some("failure") => Some(true),
        Some("success") => Some(false),
        _ => None,
    }
}

/// Attributes that the server keeps as labels, because its documents have no field for them; dots are underscores there.
const LABELS: &[(&str, &str)] = &[
    ("http_route", "http.route"),
    ("http_request_resend_count", "http.request.resend_count"),
    ("messaging_operation_type", "messaging.operation.type"),
    ("peer_service", "peer.service"),
    ("server_address", "server.address"),
    ("error_type", "error.type"),
    ("rpc_service", "rpc.service"),
    ("rpc_method", "rpc.method"),
    ("rpc_grpc_status_code", "rpc.grpc.status_code"),
    ("db_collection_name", "db.collection.name"),
    ("db_operation_name", "db.operation.name"),
];

/// Adds a label under its own name, or under that of the convention it comes from.
fn add_label(batch: &mut Batch, key: &str, value: &Node<'_>) {
    let known = LABELS.iter().find(|(label, _)| *label == key);
    batch.attribute(known.map_or(key, |(_, convention)| convention), value);
}
