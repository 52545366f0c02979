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
        let time = |key: &str| match span.get(key) {
            Node::Null => Ok(None),
            it if it.as_str() == Some("") => Ok(None),
            it => it.as_str().and_then(rfc3339_ns).map(Some).ok_or("a span whose time is none"),
        };
        let (start_ns, end_ns) = (time("start_time")?, time("end_time")?);
        let duration_ns = match (span.get("duration_ms"), start_ns, end_ns) {
            (Node::Null, Some(start), Some(end)) => Ok(end.saturating_sub(start)),
            (Node::Null, ..) => Err(NoDuration::Missing),
            (it, ..) => {
                Ok(it.scalar().and_then(|it| decimal_ns(it, 3)).ok_or("a span whose duration is not a number")?)
            }
        };
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
        // A null or absent error says nothing: a tag or a status may.
        let is_said = !error.is_null() && error.truth() != Some(false);
        let failed = (is_said || is_true(span.at(&["tags", "error"]))).then_some(true);
        self.batch.push(NewSpan {
            trace,
            id,
            parent: id_of("parent_span_id"),
            links: Vec::new(),
            operation: span.get("operation_name").scalar().unwrap_or(""),
            process,
            kind,
            start_ns,
            duration_ns,
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

/// What the script took for true, but for texts and numbers that say the opposite.
fn is_true(tag: &Node<'_>) -> bool {
    match tag {
        Node::List(items) => !items.is_empty(),
        Node::Object(members) => !members.is_empty(),
        Node::Number(text) => text.parse::<f64>().is_ok_and(|it| it != 0.0),
        scalar => scalar.scalar().is_some() && scalar.truth() != Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::parsed::{batter, parse, sure_of};

    const TRACE: &str = r#"{"trace_id":"t1","spans":[{"trace_id":"t1","span_id":"a","service_name":"shop","operation_name":"POST /x",
        "start_time":"2026-11-01T10:00:00Z","end_time":"2026-11-01T10:00:00.500000","duration_ms":500.5,"tags":{"span.kind":"server","http":{"method":"POST"}},
        "error":{"type":"E","message":"no"},"logs":[{"timestamp":"2026-11-01T10:00:00.4","fields":{"event":"error","message":"m"}},{"level":"info"}]},
        {"span_id":"b","parent_span_id":"a","service_name":"shop","operation_name":"y","start_time":"2026-11-01T10:00:00+00:00","duration_ms":1,"error":null}]}"#;

    #[test]
    fn a_trace_is_read_from_both_envelopes() {
        let parsed = parse(&Py, &[TRACE]);
        let [root, child] = &parsed.spans[..] else { panic!("{parsed:?}") };
        assert_eq!((root.start_ns, root.duration_ns), (Some(1_793_527_200_000_000_000), Ok(500_500_000)));
        assert_eq!(
            (root.failed, root.attributes["error.message"].as_str(), root.kind),
            (Some(true), "no", Some(Kind::Server))
        );
        assert_eq!((root.attributes["http.method"].as_str(), root.events[0].1["message"].as_str()), ("POST", "m"));
        assert_eq!(
            (child.trace.as_str(), child.parent.as_deref(), child.failed, parsed.n_whole),
            ("t1", Some("a"), None, 1)
        );
        for text in [TRACE.to_owned(), format!("[{TRACE}]"), format!("{{\"traces\":[{TRACE}]}}")] {
            assert_eq!(sure_of(&text), ["py"], "{text}");
        }
        batter(&Py, TRACE);
    }

    #[test]
    fn an_error_is_what_is_not_null_or_a_tag_that_is_true() {
        let failed = |more: &str| {
            let text = format!(r#"{{"trace_id":"t","spans":[{{"span_id":"a","service_name":"s",{more}}}]}}"#);
            parse(&Py, &[&text]).only().failed
        };
        for yes in [
            r#""error":{}"#,
            r#""error":"""#,
            r#""error":"timeout""#,
            r#""error":true"#,
            r#""tags":{"error":true}"#,
            r#""tags":{"error":"timeout"}"#,
            r#""tags":{"error":"True"}"#,
            r#""tags":{"error":1}"#,
            r#""tags":{"error":{"code":1}}"#,
            r#""error":null,"tags":{"error":[0]}"#,
        ] {
            assert_eq!(failed(yes), Some(true), "{yes}");
        }
        for no in [
            r#""error":null"#,
            r#""error":false"#,
            r#""tags":{"error":"false"}"#,
            r#""tags":{"error":false}"#,
            r#""tags":{"error":""}"#,
            r#""tags":{"error":0.0}"#,
            r#""tags":{"error":{}}"#,
        ] {
            assert_eq!(failed(no), None, "{no}");
        }
    }

    #[test]
    fn nonsense_is_skipped_and_the_rest_kept() {
        for (span, reason) in [
            ("{}", "a span without an id"),
            (r#"{"span_id":"x","start_time":5}"#, "a span whose time is none"),
            (r#"{"span_id":"x","end_time":"soon"}"#, "a span whose time is none"),
            (r#"{"span_id":"x","duration_ms":"long"}"#, "a span whose duration is not a number"),
            (r#"{"span_id":"x","duration_ms":[]}"#, "a span whose duration is not a number"),
        ] {
            let text =
                format!(r#"{{"trace_id":"t","spans":[{span},{{"span_id":"a","start_time":"","duration_ms":-1}}]}}"#);
            let parsed = parse(&Py, &[&text]);
            assert_eq!((parsed.skips.as_slice(), parsed.spans.len()), (&[reason][..], 1), "{span}");
            assert_eq!(parsed.spans[0].duration_ns, Err(NoDuration::Negative));
        }
        assert_eq!(
            parse(&Py, &["5", r#"{"trace_id":"t"}"#]).skips,
            ["not a trace where one belongs", "a trace without spans"]
        );
    }
}
