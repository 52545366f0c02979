//! What OpenTelemetry's SDKs print: Python's `ConsoleSpanExporter` and Go's `stdouttrace`.

mod go;
mod python;

use std::sync::Arc;

use super::json::{Fault, Node};
use super::{Batch, Format, Frame, Head, Parser, Sink, Sniff};
use crate::model::Wanted;

/// The format.
pub(super) struct OtelConsole;

impl Format for OtelConsole {
    fn name(&self) -> &'static str {
        "otel-console"
    }

    fn about(&self) -> &'static str {
        "OpenTelemetry SDKs' console output: Python's ConsoleSpanExporter, Go's stdouttrace"
    }

    fn how_to_export(&self) -> &'static str {
        "OTEL_TRACES_EXPORTER=console opentelemetry-instrument python app.py > traces.json"
    }

    fn sniff(&self, head: &Head<'_>) -> Sniff {
        if is_of_javascript(head.text) {
            return Sniff::Refused {
                what: "what OpenTelemetry's ConsoleSpanExporter for JavaScript prints, which is not JSON",
                hint: "export to a Collector with a file exporter, or to Jaeger",
            };
        }
        let element = head.element();
        if python::is_span(element) || go::is_span(element) { Sniff::Yes } else { Sniff::No }
    }

    fn frame(&self) -> Frame {
        Frame {
            envelopes: &[],
            element_keys: &["context", "parent_id", "start_time", "SpanContext", "Parent", "SpanKind", "Name", "name"],
            sure_keys: &["parent_id", "SpanKind"],
            element: "span",
        }
    }

    fn parser(&self, wanted: &Arc<Wanted>) -> Box<dyn Parser> {
        Box::new(ConsoleParser { batch: Batch::new(wanted) })
    }
}

/// Keys without quotes, those of a span.
fn is_of_javascript(text: &str) -> bool {
    let Some(inside) = text.trim_start().strip_prefix('{') else { return false };
    let begins = ["resource:", "instrumentationScope:", "traceId:", "parentId:"];
    begins.iter().any(|it| inside.trim_start().starts_with(it))
        && (text.contains("traceId:") || text.contains("attributes:"))
}

struct ConsoleParser {
    batch: Batch,
}

impl Parser for ConsoleParser {
    fn element(&mut self, text: &str, sink: &mut dyn Sink) -> Result<(), Fault> {
        let span = Node::parse(text)?;
        let outcome = if span.has("SpanContext") {
            go::span(&mut self.batch, &span)
        } else {
            python::span(&mut self.batch, &span)
        };
        if let Err(reason) = outcome {
            sink.skip(reason, 0);
        }
        self.batch.emit_spans(sink);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_javascript_prints_is_refused() {
        let text = "{\n  resource: {\n    attributes: {\n      'service.name': 'shop',\n    }\n  },\n  traceId: 'a1',";
        assert!(matches!(OtelConsole.sniff(&Head::new(text)), Sniff::Refused { .. }));
        for other in ["{resource}", "{", "{\"resource\":{\"attributes\":{}}}", "[{resource:"] {
            assert_eq!(OtelConsole.sniff(&Head::new(other)), Sniff::No, "{other}");
        }
    }
}
