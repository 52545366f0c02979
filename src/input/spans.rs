//! Normalized spans, one a line, as `analyze-traces export --to spans` writes them.
//!
//! What the fields say and the attributes do not (a message that stood in an event, a peer named by a
//! field of its format) becomes attributes and an event again, so that the analysis is the same.

use std::sync::Arc;

use super::json::{Fault, Node};
use super::{Batch, Format, Frame, Head, NewSpan, Parser, Sink, Sniff, decimal_ns};
use crate::model::{Id, Kind, Known, NoDuration, Reference, Run, Wanted, semantics};

/// The format.
pub(super) struct Spans;

impl Format for Spans {
    fn name(&self) -> &'static str {
        "spans"
    }

    fn about(&self) -> &'static str {
        "normalized spans, one a line, as `export --to spans` writes them"
    }

    fn how_to_export(&self) -> &'static str {
        "analyze-traces export traces.json --to spans > spans.jsonl"
    }

    fn sniff(&self, head: &Head<'_>) -> Sniff {
        let span = head.element();
        let has_names = span.has_all(&["service", "operation"]) && span.get("trace_id").as_str().is_some();
        let has_times = span.has("start_us") || span.get("start_ns").as_str().is_some();
        if has_names && has_times && span.has("span_id") { Sniff::Yes } else { Sniff::No }
    }

    fn frame(&self) -> Frame {
        Frame {
            envelopes: &[],
            element_keys: &["trace_id", "span_id", "parent_span_id", "service", "operation", "start_us", "start_ns"],
            sure_keys: &["parent_span_id", "start_ns", "duration_ns"],
            element: "span",
        }
    }

    fn parser(&self, wanted: &Arc<Wanted>) -> Box<dyn Parser> {
        Box::new(SpansParser { batch: Batch::new(wanted) })
    }
}

struct SpansParser {
    batch: Batch,
}

impl Parser for SpansParser {
    fn element(&mut self, text: &str, sink: &mut dyn Sink) -> Result<(), Fault> {
        let span = Node::parse(text)?;
        if let Err(reason) = self.span(&span) {
            sink.skip(reason, 0);
        }
        self.batch.emit_spans(sink);
        Ok(())
    }
}

impl SpansParser {
    fn span(&mut self, span: &Node<'_>) -> Result<(), &'static str> {
        if !span.is_object() {
            return Err("not a span where one belongs");
        }
        let id_of = |key: &str| span.get(key).scalar().and_then(Id::parse);
        let id = id_of("span_id").ok_or("a span without an id")?;
        let trace = id_of("trace_id").ok_or("a span without a trace id")?;
        let time = |exact: &str, coarse: &str| match (span.get(exact).scalar(), span.get(coarse).scalar()) {
            (Some(text), _) => decimal_ns(text, 9).map(Some),
            (None, Some(text)) => decimal_ns(text, 6).map(Some),
            (None, None) => Some(None),
        };
        let start_ns = time("start_ns", "start_us").ok_or("a span whose start is not a number")?;
        let duration_ns = time("duration_ns", "duration_us").ok_or("a span whose duration is not a number")?;
        let mark = self.batch.mark_attributes();
        span.get("resource").members().iter().for_each(|(key, value)| self.batch.attribute(key, value));
        let resource = self.batch.attributes_since(mark);
        let process = self.batch.process(span.get("service").scalar(), resource);
        let failed = span.get("error").truth();
        let attributes = self.attributes(span, failed == Some(true));
        let events = if failed == Some(true) { self.exception(span, attributes) } else { Run::default() };
        let (parent, links) = parent_and_links(span, &trace);
        self.batch.push(NewSpan {
            trace,
            id,
            parent,
            links,
            operation: span.get("operation").scalar().unwrap_or(""),
            process,
            kind: span.get("kind").as_str().and_then(Kind::from_text),
            start_ns,
            duration_ns: duration_ns.ok_or(NoDuration::Missing),
            failed,
            shared: span.get("shared").truth() == Some(true),
            attributes,
            events,
        })
    }

    /// The attributes, and those that fields give where the attributes do not already say the same.
    fn attributes(&mut self, span: &Node<'_>, failed: bool) -> Run {
        let mark = self.batch.mark_attributes();
        span.get("attributes").members().iter().for_each(|(key, value)| self.batch.attribute(key, value));
        let given = self.batch.attributes_since(mark);
        let draft = &self.batch.draft;
        let news = |field: &str, told: Option<&str>| {
            span.get(field).scalar().filter(|it| told != Some(*it)).map(str::to_owned)
        };
        let peer = news("peer", semantics::peer_of(draft, given).map(|it| it.0));
        let statement = news("statement", semantics::statement_of(draft, given));
        let code = news("code", semantics::failure_of(draft, given, &[]).code.as_deref()).filter(|_| failed);
        if let Some(peer) = peer {
            self.batch.text_attribute(Known::PeerService.as_str(), &peer);
        }
        if let Some(statement) = statement {
            self.batch.text_attribute(Known::DbQueryText.as_str(), &statement);
        }
        if let Some(code) = code {
            let is_http = code.parse::<u16>().is_ok_and(|it| it >= 400);
            let key = if is_http { Known::HttpResponseStatusCode } else { Known::GrpcStatusCode };
            self.batch.text_attribute(key.as_str(), &code);
        }
        self.batch.attributes_since(mark)
    }

    /// Message and type of a failure, as the exception they mostly come from.
    fn exception(&mut self, span: &Node<'_>, attributes: Run) -> Run {
        let told = semantics::failure_of(&self.batch.draft, attributes, &[]);
        let news = |field: &str, told: Option<&str>| span.get(field).scalar().filter(|it| told != Some(*it));
        let message = news("error_message", told.message.as_deref());
        let error_type = news("error_type", told.error_type.as_deref());
        if message.is_none() && error_type.is_none() {
            return Run::default();
        }
        let mark = self.batch.mark_attributes();
        for (key, value) in [(Known::ExceptionMessage, message), (Known::ExceptionType, error_type)] {
            if let Some(value) = value {
                self.batch.text_attribute(key.as_str(), value);
            }
        }
        let attributes = self.batch.attributes_since(mark);
        let mark = self.batch.mark_events();
        self.batch.event(None, attributes);
        self.batch.events_since(mark)
    }
}

/// The parent that waits, if it does, and the other references; a parent among the links is one that does not.
fn parent_and_links(span: &Node<'_>, trace: &Id) -> (Option<Id>, Vec<Reference>) {
    let parent = span.get("parent_span_id").scalar().and_then(Id::parse);
    let mut links: Vec<Reference> = span.get("links").items().iter().filter_map(|it| link(it, trace)).collect();
    for link in &mut links {
        link.is_link = link.trace.is_some() || Some(&link.span) != parent.as_ref();
    }
    let is_followed = links.iter().any(|it| it.follows_from && it.trace.is_none() && Some(&it.span) == parent.as_ref());
    (parent.filter(|_| !is_followed), links)
}

fn link(link: &Node<'_>, own_trace: &Id) -> Option<Reference> {
    let span = link.get("span_id").scalar().and_then(Id::parse)?;
    let trace = link.get("trace_id").scalar().and_then(Id::parse).filter(|it| it != own_trace);
    let follows_from = link.get("type").as_str() != Some("child_of");
    Some(Reference { span, trace: trace.map(Box::new), follows_from, is_link: true })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Assembler, DeriveOptions, Draft, Trace};

    /// Everything that a parser gives, in one draft.
    #[derive(Default)]
    struct Found {
        draft: Draft,
        skipped: Vec<&'static str>,
    }

    impl Sink for Found {
        fn trace(&mut self, draft: &mut Draft) {
            self.draft.append(draft);
        }

        fn spans(&mut self, draft: &mut Draft) {
            self.draft.append(draft);
        }

        fn batch(&mut self, batch: &Batch) {
            batch.drafts().iter().for_each(|it| self.draft.append(it));
        }

        fn incomplete(&mut self, _: &str) {}

        fn skip(&mut self, reason: &'static str, _: usize) {
            self.skipped.push(reason);
        }
    }

    fn read(lines: &[&str]) -> Found {
        let mut parser = Spans.parser(&Wanted::with([]).into());
        let mut found = Found::default();
        for line in lines {
            parser.element(line, &mut found).unwrap();
        }
        found
    }

    fn trace(lines: &[&str]) -> Trace {
        Assembler::new(DeriveOptions::default()).assemble(read(lines).draft)
    }

    const ROOT: &str = r#"{"trace_id":"1","span_id":"a","parent_span_id":null,"service":"web","operation":"GET /","kind":"client","start_us":1700000000000000,"start_ns":"1700000000000000123","duration_us":5,"duration_ns":5001,"shared":false,"error":false,"links":[],"attributes":{"http.status_code":500},"resource":{"host.name":"h"}}"#;

    #[test]
    fn a_line_is_a_span() {
        let trace = trace(&[ROOT]);
        let span = trace.span(0);
        assert_eq!((span.start_ns, span.duration_ns), (1_700_000_000_000_000_123, Some(5_001)));
        assert_eq!((span.service.as_str(), span.kind), ("web", Some(Kind::Client)));
        // The explicit word goes before the status.
        assert!(!span.error);
    }

    #[test]
    fn fields_say_what_attributes_do_not() {
        let failed = |fields: &str, attributes: &str| {
            format!(
                r#"{{"trace_id":"1","span_id":"a","service":"web","operation":"x","start_us":1,"error":true,{fields}"attributes":{{{attributes}}}}}"#
            )
        };
        let line =
            failed(r#""error_message":"boom","error_type":"E","code":"503","peer":"bank","statement":"SELECT 1","#, "");
        let trace = trace(&[&line]);
        let failure = semantics::failure(&trace, trace.span(0));
        assert_eq!(failure.message.as_deref(), Some("boom"));
        assert_eq!((failure.error_type.as_deref(), failure.code.as_deref()), (Some("E"), Some("503")));
        assert_eq!(semantics::peer(&trace, trace.span(0)).map(|it| it.0), Some("bank"));
        assert_eq!(semantics::statement(&trace, trace.span(0)), Some("SELECT 1"));
        // What attributes say already is not said again.
        let line =
            failed(r#""error_message":"HTTP 503","error_type":"503","code":"503","#, r#""http.status_code":503"#);
        let found = read(&[&line]);
        assert_eq!((found.draft.attributes.len(), found.draft.events.len()), (1, 0));
    }

    #[test]
    fn a_parent_among_the_links_does_not_wait() {
        let child = |links: &str| {
            format!(
                r#"{{"trace_id":"1","span_id":"b","parent_span_id":"a","service":"web","operation":"x","start_ns":"1700000000000000200","duration_ns":10,"links":[{links}]}}"#
            )
        };
        let blocking = |links: &str| trace(&[ROOT, &child(links)]).span(1).blocking;
        assert!(blocking(""));
        assert!(!blocking(r#"{"trace_id":"1","span_id":"a","type":"follows_from"}"#));
        assert!(blocking(r#"{"trace_id":"2","span_id":"a","type":"follows_from"}"#));
    }

    #[test]
    fn what_makes_no_sense_is_skipped() {
        for (line, reason) in [
            ("[]", "not a span where one belongs"),
            (r#"{"trace_id":"1","span_id":null}"#, "a span without an id"),
            (r#"{"span_id":"1"}"#, "a span without a trace id"),
            (r#"{"trace_id":"1","span_id":"1","start_ns":"soon"}"#, "a span whose start is not a number"),
            (r#"{"trace_id":"1","span_id":"1","duration_ns":"long"}"#, "a span whose duration is not a number"),
            (r#"{"trace_id":"1","span_id":"1","start_ns":"9223372036854775807"}"#, "a span whose times do not fit"),
        ] {
            assert_eq!(read(&[line]).skipped, [reason], "{line}");
        }
        let keys =
            ["parent_span_id", "service", "kind", "start_ns", "links", "attributes", "resource", "shared", "error"];
        for value in ["null", "7", "true", "\"x\"", "[null]", "{\"a\":{}}", "[[]]"] {
            for key in keys {
                read(&[&format!(r#"{{"trace_id":"1","span_id":"1","{key}":{value}}}"#)]);
            }
        }
    }

    #[test]
    fn a_head_is_told_wherever_it_ends() {
        let whole = Head::new(ROOT);
        assert_eq!(Spans.sniff(&whole), Sniff::Yes);
        let at = ROOT.find("\"duration_us\"").unwrap();
        assert_eq!(Spans.sniff(&Head::new(&ROOT[..at])), Sniff::Yes);
        for other in [r#"{"trace_id":"1","spans":[]}"#, "[]", r#"{"trace_id":1,"span_id":2,"service":"x","start":1}"#] {
            assert_eq!(Spans.sniff(&Head::new(other)), Sniff::No, "{other}");
        }
    }
}
