//! Zipkin's JSON, both versions: lists of traces and of spans, lines of either, single spans.
//!
//! Whether a span is of version 1 or 2 is its own matter (servers and topics mix them); the names of
//! the two formats only say what stood at the head. Version 1 is turned into what version 2 would have
//! said, so that everything behind knows only that.

mod detect;
mod endpoint;
mod event;
mod span;
mod v1;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::json::{Cursor, Fault, Layout, Value, nonempty_text_of as text_of};
use super::tags::{Mention, RememberedLists};
use super::{Batch, Format, Frame, Head, NewSpan, Parser, Sink, Sniff, decimal_ns};
use crate::model::{Id, Kind, Known, LinkRules, NoDuration, Run, Wanted};
use endpoint::Endpoint;

type Result<T> = std::result::Result<T, Fault>;

/// Version 2.
pub(super) struct Zipkin;

/// Version 1: annotations with endpoints.
pub(super) struct ZipkinV1;

/// Elements are lists (one trace each) or spans.
const FRAME: Frame = Frame {
    envelopes: &[],
    element_keys: &["traceId", "id", "localEndpoint", "binaryAnnotations"],
    sure_keys: &["traceId"],
    element: "trace",
};

impl Format for Zipkin {
    fn name(&self) -> &'static str {
        "zipkin"
    }

    fn about(&self) -> &'static str {
        "Zipkin v2: the query API's lists of traces, or spans"
    }

    fn how_to_export(&self) -> &'static str {
        "curl 'http://ZIPKIN:9411/api/v2/traces?limit=1000' > traces.json"
    }

    fn sniff(&self, head: &Head<'_>) -> Sniff {
        detect::sniff(&head.value, false)
    }

    fn frame(&self) -> Frame {
        FRAME
    }

    fn parser(&self, wanted: &Arc<Wanted>) -> Box<dyn Parser> {
        Box::new(ZipkinParser {
            batch: Batch::new(wanted),
            layout: Layout::default(),
            lists: RememberedLists::default(),
            mentions: Vec::new(),
        })
    }
}

impl Format for ZipkinV1 {
    fn name(&self) -> &'static str {
        "zipkin-v1"
    }

    fn about(&self) -> &'static str {
        "Zipkin v1: spans with annotations and binaryAnnotations"
    }

    fn how_to_export(&self) -> &'static str {
        "curl 'http://ZIPKIN:9411/api/v1/traces?limit=1000' > traces.json"
    }

    fn sniff(&self, head: &Head<'_>) -> Sniff {
        detect::sniff(&head.value, true)
    }

    fn frame(&self) -> Frame {
        FRAME
    }

    fn parser(&self, wanted: &Arc<Wanted>) -> Box<dyn Parser> {
        Zipkin.parser(wanted)
    }
}

struct ZipkinParser {
    batch: Batch,
    layout: Layout<span::Field>,
    /// The tags of spans, by operation.
    lists: RememberedLists,
    /// Where the values of the tags at hand stand.
    mentions: Vec<Mention>,
}

/// An endpoint, as it is written, and the name of its host.
type ProcessKey<'a> = (Cow<'a, str>, Cow<'a, str>);

/// What is known of an element while it is read.
struct Element<'a> {
    text: &'a str,
    processes: HashMap<ProcessKey<'a>, u32, FixedState>,
    /// The one asked for last: mostly the next one too.
    last_process: Option<(ProcessKey<'a>, u32)>,
    /// The endpoint read last, as it is written.
    last_local: &'a str,
    /// The trace id read last, and its spelling.
    last_trace: Option<(Cow<'a, str>, Id)>,
}

impl Parser for ZipkinParser {
    fn element(&mut self, text: &str, sink: &mut dyn Sink) -> Result<()> {
        self.batch.clear();
        self.batch.draft.links = LinkRules::Zipkin;
        let mut element =
            Element { text, processes: HashMap::default(), last_process: None, last_local: "", last_trace: None };
        let mut cursor = Cursor::new(text);
        match cursor.peek() {
            Some(b'[') => {
                cursor.array(|cursor| self.item(cursor, &mut element, sink))?;
                cursor.end()?;
                self.batch.emit_traces(sink);
            }
            _ => {
                self.item(&mut cursor, &mut element, sink)?;
                cursor.end()?;
                self.batch.emit_spans(sink);
            }
        }
        Ok(())
    }
}

impl ZipkinParser {
    /// Reads what should be a span.
    fn item<'a>(&mut self, cursor: &mut Cursor<'a>, element: &mut Element<'a>, sink: &mut dyn Sink) -> Result<()> {
        if cursor.peek() == Some(b'{') {
            return self.span(cursor, element, sink);
        }
        // Lists in lists of lists, and padding such as null.
        let at = cursor.position();
        if cursor.value()? != Value::Null {
            sink.skip("not a span where one belongs", at);
        }
        Ok(())
    }

    /// Adds a report of a span to the batch.
    fn push(&mut self, report: Report<'_>) -> std::result::Result<(), &'static str> {
        self.batch.push(NewSpan {
            parent: report.parent.filter(|it| !it.is_zero() && *it != report.id),
            trace: report.trace,
            id: report.id,
            links: Vec::new(),
            // What some instrumentations write for none.
            operation: if report.operation == "unknown" { "" } else { report.operation },
            process: report.process,
            kind: report.kind,
            start_ns: report.start_ns,
            duration_ns: report.duration_ns.ok_or(NoDuration::Missing),
            failed: Some(report.failed),
            // The caller's half is the one that is shared with.
            shared: report.shared && report.kind != Some(Kind::Client),
            attributes: report.attributes,
            events: report.events,
        })
    }

    /// Adds what a span says of the other side to its attributes.
    fn remote(&mut self, remote: &Endpoint<'_>, has_peer: bool) {
        if let Some(service) = &remote.service {
            // For the links, which ask for no tag.
            self.batch.text_attribute(Known::RemoteServiceName.as_str(), service);
            if !has_peer {
                self.batch.text_attribute(Known::PeerService.as_str(), service);
            }
        }
        if let Some(ip) = &remote.ip {
            self.batch.text_attribute("network.peer.address", ip);
        }
        if let Some(port) = &remote.port {
            self.batch.text_attribute("network.peer.port", port);
        }
    }

    /// The process of an endpoint on a host.
    fn process<'a>(&mut self, element: &mut Element<'a>, key: ProcessKey<'a>, local: &Endpoint<'_>) -> u32 {
        let mark = self.batch.mark_attributes();
        if let Some(ip) = &local.ip {
            self.batch.text_attribute(Known::Ip.as_str(), ip);
        }
        if let Some(port) = &local.port {
            self.batch.text_attribute(Known::Port.as_str(), port);
        }
        if !key.1.is_empty() {
            self.batch.text_attribute(Known::HostName.as_str(), &key.1);
        }
        let attributes = self.batch.attributes_since(mark);
        let process = self.batch.process(local.service.as_deref(), attributes);
        element.processes.insert(key.clone(), process);
        element.last_process = Some((key, process));
        process
    }
}

impl<'a> Element<'a> {
    /// The endpoint that reports a span, as it is written: mostly the one before again.
    fn local(&mut self, cursor: &mut Cursor<'a>) -> Result<&'a str> {
        if !self.last_local.is_empty() && cursor.exactly(self.last_local.as_bytes()) {
            return Ok(self.last_local);
        }
        self.last_local = match cursor.value()? {
            Value::Container(text) => text,
            _ => "",
        };
        Ok(self.last_local)
    }

    /// The process of this endpoint and host, if they were met before.
    fn known_process(&mut self, local: &str, host: &str) -> Option<u32> {
        if let Some((last, process)) = &self.last_process
            && last.0 == local
            && last.1 == host
        {
            return Some(*process);
        }
        let process = *self.processes.get(&(Cow::Borrowed(local), Cow::Borrowed(host)))?;
        self.last_process = Some(((Cow::Owned(local.to_owned()), Cow::Owned(host.to_owned())), process));
        Some(process)
    }

    /// Reads a trace id; one of 128 bits whose upper half is zero is one of 64.
    fn trace_id(&mut self, text: Cow<'a, str>) -> Option<Id> {
        if let Some((last, id)) = &self.last_trace
            && *last == text
        {
            return Some(id.clone());
        }
        let short = text.strip_prefix("0000000000000000").filter(|it| it.len() == 16);
        let id = Id::parse(short.unwrap_or(&text)).filter(|it| !it.is_zero())?;
        self.last_trace = Some((text, id.clone()));
        Some(id)
    }
}

/// A span as one side reported it.
struct Report<'a> {
    trace: Id,
    id: Id,
    parent: Option<Id>,
    operation: &'a str,
    process: u32,
    kind: Option<Kind>,
    start_ns: Option<i64>,
    duration_ns: Option<i64>,
    shared: bool,
    failed: bool,
    attributes: Run,
    events: Run,
}

/// A number of microseconds as it was written; what is not above zero was not said.
fn micros(value: &Value<'_>) -> std::result::Result<Option<i64>, NoTime> {
    let (text, is_number) = match value {
        Value::Null => return Ok(None),
        Value::Number(text) => (*text, true),
        Value::String(text) => (text.trim(), false),
        Value::Bool(_) | Value::Container(_) => return Err(NoTime::NoNumber),
    };
    let whole = text.parse::<i64>().ok().and_then(|it| it.checked_mul(1000));
    match whole.or_else(|| decimal_ns(text, 6)) {
        Some(ns) => Ok(Some(ns).filter(|it| *it > 0)),
        None => Err(if is_number { NoTime::TooLarge } else { NoTime::NoNumber }),
    }
}

/// Why a time is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoTime {
    NoNumber,
    TooLarge,
}

impl NoTime {
    /// Why the span it stands in is left out.
    fn reason(self, no_number: &'static str) -> &'static str {
        match self {
            NoTime::NoNumber => no_number,
            NoTime::TooLarge => "a span whose times do not fit",
        }
    }
}

#[cfg(test)]
mod tests;
