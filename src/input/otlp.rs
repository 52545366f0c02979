//! OTLP JSON and what wraps it: the Collector's files, Tempo's answers, Jaeger's newer API.
//!
//! An element is a `ResourceSpans`, as a rule cut out of its envelope; a bare span or a whole request
//! in an array is read likewise. Spans of one trace may stand anywhere in a file, so that none of these
//! formats ever says that a trace is complete.

mod span;
mod value;

use std::sync::Arc;

use super::json::{Cursor, Fault, Node, nonempty_text_of as text_of};
use super::{Batch, Format, Frame, Frames, Head, Judgement, Parser, Sink, Sniff, server_errors};
use crate::model::{Run, Wanted};

type Result<T> = std::result::Result<T, Fault>;

/// OTLP JSON: requests, one a line or in any other number.
pub(super) struct Otlp;

/// Tempo's answers for one trace.
pub(super) struct Tempo;

/// Jaeger's `/api/v3`.
pub(super) struct JaegerV3;

const ELEMENT_KEYS: &[&str] =
    &["scopeSpans", "scope_spans", "instrumentationLibrarySpans", "instrumentation_library_spans", "startTimeUnixNano"];

/// How a request is written.
const REQUEST: &[u8] = br#"{"resourceSpans":["#;

/// Keys by which a broken file is picked up again: of requests and of their parts.
const SURE_KEYS: &[&str] = &[
    "resourceSpans",
    "resource_spans",
    "scopeSpans",
    "scope_spans",
    "instrumentationLibrarySpans",
    "instrumentation_library_spans",
];

fn is_resource_spans(node: &Node<'_>) -> bool {
    ELEMENT_KEYS[..4].iter().any(|it| node.has(it))
}

fn is_request(node: &Node<'_>) -> bool {
    ["resourceSpans", "resource_spans"].iter().any(|it| node.has(it))
}

impl Format for Otlp {
    fn name(&self) -> &'static str {
        "otlp"
    }

    fn about(&self) -> &'static str {
        "OTLP JSON: the Collector's file exporter, requests, one or many"
    }

    fn how_to_export(&self) -> &'static str {
        "add to the Collector: exporters: {file: {path: traces.jsonl}}"
    }

    fn sniff(&self, head: &Head<'_>) -> Sniff {
        let element = head.element();
        let is_span = element.has_all(&["traceId", "spanId"])
            && (element.has("startTimeUnixNano") || element.has("endTimeUnixNano"))
            && !element.has("durationNano")
            // Documents of X-Ray have these keys too, but plain maps of attributes.
            && !element.get("attributes").is_object();
        // A line of metrics or logs may be the first of a file that holds spans further on.
        let is_other_signal = ["resourceMetrics", "resourceLogs"].iter().any(|it| element.has(it));
        if is_request(element) || is_resource_spans(element) || is_span {
            Sniff::Yes
        } else if is_other_signal {
            Sniff::Maybe
        } else {
            Sniff::No
        }
    }

    fn frame(&self) -> Frame {
        Frame {
            envelopes: &["resourceSpans", "resource_spans"],
            element_keys: ELEMENT_KEYS,
            sure_keys: SURE_KEYS,
            element: "batch of spans",
        }
    }

    fn parses_lines(&self) -> Option<&'static [u8]> {
        Some(REQUEST)
    }

    fn parser(&self, wanted: &Arc<Wanted>) -> Box<dyn Parser> {
        Box::new(OtlpParser::new(wanted))
    }
}

impl Format for Tempo {
    fn name(&self) -> &'static str {
        "tempo"
    }

    fn about(&self) -> &'static str {
        "Grafana Tempo: /api/traces and /api/v2/traces, Grafana's downloads"
    }

    fn how_to_export(&self) -> &'static str {
        "curl http://TEMPO:3200/api/v2/traces/ID > trace.json"
    }

    fn sniff(&self, head: &Head<'_>) -> Sniff {
        let element = head.element();
        let trace = element.get("trace");
        let is_first =
            is_resource_spans(element.get("batches").first()) || is_resource_spans(trace.get("batches").first());
        let is_empty = element.has("batches") && element.get("batches").items().is_empty();
        if is_first || is_request(trace) {
            Sniff::Yes
        } else if is_empty {
            Sniff::Maybe
        } else {
            Sniff::No
        }
    }

    fn frame(&self) -> Frame {
        Frame {
            envelopes: &["batches", "trace.batches", "trace.resourceSpans", "trace.resource_spans"],
            element_keys: &[],
            sure_keys: SURE_KEYS,
            element: "batch of spans",
        }
    }

    fn parser(&self, wanted: &Arc<Wanted>) -> Box<dyn Parser> {
        Box::new(OtlpParser::new(wanted))
    }

    fn judge(&self, frames: &Frames) -> Judgement {
        let mut judgement = Judgement::default();
        let value = |key: &str| frames.members.iter().find(|it| it.0 == key).map(|it| it.1.trim_matches('"'));
        if value("status").is_some_and(|it| it.ends_with("PARTIAL")) {
            let why = value("message").filter(|it| !it.is_empty()).unwrap_or("its answer is partial");
            judgement.incomplete.push(format!("the server gave only part of the trace: {why}"));
        }
        judgement
    }
}

impl Format for JaegerV3 {
    fn name(&self) -> &'static str {
        "jaeger-v3"
    }

    fn about(&self) -> &'static str {
        "Jaeger: the newer API, /api/v3"
    }

    fn how_to_export(&self) -> &'static str {
        "curl 'http://JAEGER:16686/api/v3/traces?query.service_name=NAME&query.start_time_min=…&query.start_time_max=…' > traces.json"
    }

    fn sniff(&self, head: &Head<'_>) -> Sniff {
        let result = head.element().get("result");
        if is_request(result) { Sniff::Yes } else { Sniff::No }
    }

    fn frame(&self) -> Frame {
        Frame {
            envelopes: &["result.resourceSpans", "result.resource_spans"],
            element_keys: &[],
            sure_keys: SURE_KEYS,
            element: "batch of spans",
        }
    }

    fn parser(&self, wanted: &Arc<Wanted>) -> Box<dyn Parser> {
        Box::new(OtlpParser::new(wanted))
    }

    fn judge(&self, frames: &Frames) -> Judgement {
        server_errors(frames)
    }
}

struct OtlpParser {
    batch: Batch,
    /// Traces whose spans the server has moved, and traces it has cut short in its own words.
    said: Vec<(usize, Said)>,
    scratch: span::Scratch,
}

/// What Jaeger says of a trace in an attribute of a span.
enum Said {
    SkewCorrected,
    Cut(String),
}

impl OtlpParser {
    fn new(wanted: &Arc<Wanted>) -> OtlpParser {
        OtlpParser { batch: Batch::new(wanted), said: Vec::new(), scratch: span::Scratch::default() }
    }
}

impl Parser for OtlpParser {
    fn element(&mut self, text: &str, sink: &mut dyn Sink) -> Result<()> {
        self.batch.clear();
        self.said.clear();
        let mut cursor = Cursor::new(text);
        let outcome = self.any(&mut cursor, sink).and_then(|()| cursor.end());
        outcome?;
        if self.said.is_empty() {
            self.batch.emit_spans(sink);
            return Ok(());
        }
        let mut drafts = self.batch.drafts();
        for (span, said) in self.said.drain(..) {
            let draft = &mut drafts[self.batch.trace_of[span] as usize];
            match said {
                Said::SkewCorrected => draft.skew_corrected = true,
                Said::Cut(words) => draft.cut = draft.cut.take().max(Some(words)),
            }
        }
        drafts.iter_mut().for_each(|it| sink.spans(it));
        self.batch.clear();
        Ok(())
    }
}

impl OtlpParser {
    /// Reads whatever an element, or a part of a request, may be.
    fn any(&mut self, cursor: &mut Cursor<'_>, sink: &mut dyn Sink) -> Result<()> {
        cursor.peek();
        let at = cursor.position();
        if cursor.peek() != Some(b'{') {
            cursor.skip()?;
            sink.skip("not a batch of spans where one belongs", at);
            return Ok(());
        }
        match self.resource_spans(cursor, sink)? {
            Shape::Batch | Shape::Request => Ok(()),
            Shape::Span => {
                cursor.back_to(at);
                let process = self.batch.process(None, Run::default());
                self.span(cursor, process, sink)
            }
            Shape::Other => {
                sink.skip("a batch without spans", at);
                Ok(())
            }
        }
    }

    /// Reads a `ResourceSpans` or a request, or finds that it is something else.
    fn resource_spans(&mut self, cursor: &mut Cursor<'_>, sink: &mut dyn Sink) -> Result<Shape> {
        // The resource may come last: its process is filled in then.
        let process = self.batch.process(None, Run::default());
        let mut shape = Shape::Other;
        cursor.object(|cursor, key| match key {
            "resourceSpans" | "resource_spans" => {
                shape = Shape::Request;
                match cursor.peek() {
                    Some(b'[') => cursor.array(|cursor| self.any(cursor, sink)),
                    Some(b'{') => self.any(cursor, sink),
                    _ => cursor.skip(),
                }
            }
            // A request has nothing else, as for whoever cuts one.
            _ if matches!(shape, Shape::Request) => cursor.skip(),
            "resource" if cursor.peek() == Some(b'{') => self.resource(cursor, process),
            "scopeSpans" | "scope_spans" | "instrumentationLibrarySpans" | "instrumentation_library_spans" => {
                shape = Shape::Batch;
                self.scopes(cursor, process, sink)
            }
            "spanId" | "span_id" if matches!(shape, Shape::Other) => {
                shape = Shape::Span;
                cursor.skip()
            }
            _ => cursor.skip(),
        })?;
        Ok(shape)
    }

    fn scopes(&mut self, cursor: &mut Cursor<'_>, process: u32, sink: &mut dyn Sink) -> Result<()> {
        if cursor.peek() != Some(b'[') {
            return cursor.skip();
        }
        cursor.array(|cursor| {
            if cursor.peek() != Some(b'{') {
                return cursor.skip();
            }
            cursor.object(|cursor, key| match key {
                "spans" if cursor.peek() == Some(b'[') => cursor.array(|cursor| match cursor.peek() {
                    Some(b'{') => self.span(cursor, process, sink),
                    _ => {
                        sink.skip("not a span where one belongs", cursor.position());
                        cursor.skip()
                    }
                }),
                _ => cursor.skip(),
            })
        })
    }

    fn resource(&mut self, cursor: &mut Cursor<'_>, process: u32) -> Result<()> {
        let mut service = None;
        let mark = self.batch.mark_attributes();
        cursor.object(|cursor, key| match key {
            "attributes" => value::attributes(cursor, |key, value, _| {
                if key == "service.name" {
                    service = value.text().map(|it| it.into_owned());
                } else {
                    value.keep(&mut self.batch, key);
                }
            }),
            _ => cursor.skip(),
        })?;
        let attributes = self.batch.attributes_since(mark);
        let service = service.filter(|it| !it.is_empty()).map(|it| self.batch.name(&it));
        let process = &mut self.batch.draft.processes[process as usize];
        process.attributes = attributes;
        if let Some(service) = service {
            process.service = service;
            process.is_known = true;
        }
        Ok(())
    }
}

/// What an object turned out to be.
enum Shape {
    Batch,
    Request,
    Span,
    Other,
}
