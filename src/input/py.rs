//! The format of `analyze_traces.py`, the script this tool descends from: traces as lists of spans with
//! `service_name`, `operation_name`, ISO times and `duration_ms`.

use std::sync::Arc;

use super::json::{Fault, Node};
use super::{Batch, Format, Frame, Head, NewSpan, Parser, Sink, Sniff, decimal_ns, rfc3339_ns};
use crate::model::{Id, Kind, NoDuration, Run, Wanted};

/// The format.
pub(super) struct Py;

impl Format for Py {
    fn name(&self) -> &'static str {
        "py"
    }

    fn about(&self) -> &'static str {
        "analyze_traces.py: a list of traces, or {\"traces\": [...]}"
    }

    fn how_to_export(&self) -> &'static str {
        "whatever wrote traces.json for analyze_traces.py"
    }

    fn sniff(&self, head: &Head<'_>) -> Sniff {
        let element = head.element();
        let trace = if element.has("traces") { element.get("traces").first() } else { element };
        let span = trace.get("spans").first();
        let is_span = span.has("span_id") && (span.has("service_name") || span.has("operation_name"));
        if trace.get("trace_id").as_str().is_some() && is_span { Sniff::Yes } else { Sniff::No }
    }

    fn frame(&self) -> Frame {
        Frame { envelopes: &["traces"], element_keys: &["trace_id", "spans"], sure_keys: &["spans"], element: "trace" }
    }

    fn parser(&self, wanted: &Arc<Wanted>) -> Box<dyn Parser> {
        Box::new(PyParser { batch: Batch::new(wanted) })
    }
}

struct PyParser {
    batch: Batch,
}

impl Parser for PyParser {
    fn element(&mut self, text: &str, sink: &mut dyn Sink) -> Result<(), Fault> {
        let trace = Node::parse(text)?;
        if !trace.is_object() {
            sink.skip("not a trace where one belongs", 0);
            return Ok(());
        }
        for span in trace.get("spans").items() {
            if let Err(reason) = self.span(&trace, span) {
                sink.skip(reason, 0);
            }
        }
        if self.batch.is_empty() {
            sink.skip("a trace without spans", 0);
        }
        self.batch.emit_traces(sink);
        Ok(())
    }
}

impl PyParser {
    fn span(&mut self, trace: &Node<'_>, span: &Node<'_>) -> Result<(), &'static str> {
        let id_of = |key: &str| span.get(key).scalar().and_then(Id::parse);
        let id = id_of("span_id").ok_or("a span without an id")?;
        let trace = id_of("trace_id")
            .or_else(|| trace.get("trace_id").scalar().and_then(Id::parse))
            .ok_or("a span without a trace id")?;
        let time = |key: &str| match span.get(key).filled() {
            None => Ok(None),
            Some(text) => rfc3339_ns(text).map(Some).ok_or("a span whose time is none"),
        };
        let (start_ns, end_ns) = (time("start_time")?, time("end_time")?);
        let duration_ns = match span.get("duration_ms").scalar() {
            Some(text) => decimal_ns(text, 3).ok_or("a span whose duration is not a number")?,
            None => match (start_ns, end_ns) {
                (Some(start), Some(end)) => end.saturating_sub(start),
                _ => -1,
            },
        };
        let has_duration = span.get("duration_ms").scalar().is_some() || (start_ns.is_some() && end_ns.is_some());
        let process = self.batch.process(span.get("service_name").scalar(), Run::default());
        let mark = self.batch.mark_attributes();
        self.batch.flat_attributes("", span.get("tags"));
        let error = span.get("error");
        if let Some(message) = error.get("message").scalar().or_else(|| error.scalar()) {
            self.batch.text_attribute("error.message", message);
        }
        if let Some(error_type) = error.get("type").scalar() {
            self.batch.text_attribute("error.type", error_type);
        }
        let attributes = self.batch.attributes_since(mark);
        let events = self.logs(span.get("logs"));
        let kind = span.at(&["tags", "span.kind"]).as_str().and_then(Kind::from_text);
        // A null or absent error says nothing: a tag may.
        let failed = (!error.is_null()).then_some(true);
        self.batch.push(NewSpan {
            trace,
            id,
            parent: id_of("parent_span_id"),
            links: Vec::new(),
            operation: span.get("operation_name").scalar().unwrap_or(""),
            process,
            kind,
            start_ns,
            duration_ns: if has_duration { Ok(duration_ns) } else { Err(NoDuration::Missing) },
            failed,
            shared: false,
            attributes,
            events,
        })
    }

    fn logs(&mut self, logs: &Node<'_>) -> Run {
        let mut found = Vec::new();
        for log in logs.items() {
            let mark = self.batch.mark_attributes();
            for (key, value) in log.members().iter().filter(|(key, _)| key != "timestamp") {
                if value.is_object() { self.batch.flat_attributes("", value) } else { self.batch.attribute(key, value) }
            }
            found.push((log.get("timestamp").filled().and_then(rfc3339_ns), self.batch.attributes_since(mark)));
        }
        let mark = self.batch.mark_events();
        for (at_ns, attributes) in found {
            self.batch.event(at_ns, attributes);
        }
        self.batch.events_since(mark)
    }
}
