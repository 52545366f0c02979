//! Lines as agents send them: who they are first, then transactions, spans, errors and metrics.

use super::{ApmParser, Call, ErrorWords, add_label, failed, stack};
use crate::input::json::Node;
use crate::input::{NewSpan, decimal_ns};
use crate::model::{Id, NoDuration, Run};

/// What an agent says of itself, for all that it sends.
#[derive(Clone, Debug, Default)]
pub(super) struct Metadata {
    service: Option<String>,
    /// Attributes of its process.
    attributes: Vec<(&'static str, String)>,
}

impl Metadata {
    pub(super) fn of(metadata: &Node<'_>) -> Metadata {
        let system = metadata.get("system");
        let host =
            ["configured_hostname", "detected_hostname", "hostname"].iter().find_map(|it| system.get(it).scalar());
        let service = metadata.get("service");
        let said = [
            ("host.name", host),
            ("service.version", service.get("version").scalar()),
            ("service.environment", service.get("environment").scalar()),
            ("service.node.name", service.at(&["node", "configured_name"]).scalar()),
        ];
        Metadata {
            service: service.get("name").scalar().map(str::to_owned),
            attributes: said.into_iter().filter_map(|(key, value)| Some((key, value?.to_owned()))).collect(),
        }
    }
}

/// Whether it is such a line: one key, and behind it what belongs to it.
pub(super) fn is_line(value: &Node<'_>) -> bool {
    let [(key, inner)] = value.members() else { return false };
    match key.as_ref() {
        "metadata" => inner.get("service").has("name") || inner.get("service").has("agent"),
        "transaction" | "span" => inner.has("id") && (inner.has("trace_id") || inner.has("transaction_id")),
        "error" => inner.has("id") && (inner.has("exception") || inner.has("log") || inner.has("trace_id")),
        "metricset" => inner.has("samples"),
        "log" => inner.has("message") && inner.has("@timestamp"),
        _ => false,
    }
}

impl ApmParser {
    pub(super) fn line(&mut self, line: &Node<'_>) -> Result<(), &'static str> {
        let Some((key, inner)) = line.members().first() else { return Ok(()) };
        match key.as_ref() {
            "metadata" => {
                self.metadata = Metadata::of(inner);
                Ok(())
            }
            "transaction" => self.sent_span(inner, true),
            "span" => self.sent_span(inner, false),
            "error" => self.sent_error(inner),
            _ => Err("a line that is no transaction, span or error"),
        }
    }

    fn sent_span(&mut self, span: &Node<'_>, is_transaction: bool) -> Result<(), &'static str> {
        let id_of = |key: &str| span.get(key).scalar().and_then(Id::parse);
        let id = id_of("id").ok_or("a span without an id")?;
        let trace = id_of("trace_id").ok_or("a span without a trace id")?;
        // A `start` beside no `timestamp` counts from that of the transaction, which comes later.
        let start_ns = time_of(span)?;
        let duration_ns = match span.get("duration") {
            Node::Null => Err(NoDuration::Missing),
            it => Ok(it.scalar().and_then(|it| decimal_ns(it, 3)).ok_or("a span whose duration is not a number")?),
        };
        let process = self.sender(span);
        let call = call_of(span, is_transaction);
        let mark = self.batch.mark_attributes();
        call.add_to(&mut self.batch);
        for (key, value) in span.at(&["context", "tags"]).members() {
            add_label(&mut self.batch, key, value);
        }
        self.batch.flat_attributes("", span.at(&["otel", "attributes"]));
        let attributes = self.batch.attributes_since(mark);
        let parent = id_of("parent_id").or_else(|| id_of("transaction_id").filter(|_| !is_transaction));
        self.batch.push(NewSpan {
            trace,
            id,
            parent,
            links: Vec::new(),
            operation: span.get("name").scalar().unwrap_or(""),
            process,
            kind: call.kind(),
            start_ns,
            duration_ns,
            failed: failed(span.get("outcome").scalar()),
            shared: false,
            attributes,
            events: Run::default(),
        })
    }

    /// The process that sent it; a span may name a service of its own.
    fn sender(&mut self, span: &Node<'_>) -> u32 {
        let mark = self.batch.mark_attributes();
        for (key, value) in &self.metadata.attributes {
            self.batch.text_attribute(key, value);
        }
        let attributes = self.batch.attributes_since(mark);
        let service = span.at(&["context", "service", "name"]).scalar().or(self.metadata.service.as_deref());
        self.batch.process(service, attributes)
    }

    fn sent_error(&mut self, error: &Node<'_>) -> Result<(), &'static str> {
        let id_of = |key: &str| error.get(key).scalar().and_then(Id::parse);
        let trace = id_of("trace_id").ok_or("an error outside of any trace")?;
        let span = id_of("parent_id").or_else(|| id_of("transaction_id")).ok_or("an error outside of any span")?;
        let at_ns = time_of(error)?;
        let exception = error.get("exception");
        let of_type = exception.get("type").scalar();
        let words = ErrorWords {
            of_type,
            message: exception.get("message").scalar().or_else(|| error.at(&["log", "message"]).scalar()),
            stack: stack(of_type, exception.get("stacktrace").items()),
            fails: exception.is_object() && exception.get("handled").truth() != Some(true),
            at_ns,
        };
        words.add_to(&mut self.batch, &trace, span);
        Ok(())
    }
}

fn time_of(event: &Node<'_>) -> Result<Option<i64>, &'static str> {
    match event.get("timestamp") {
        Node::Null => Ok(None),
        it => it.scalar().and_then(|it| decimal_ns(it, 6)).map(Some).ok_or("a span whose start is not a number"),
    }
}

fn call_of<'n>(span: &'n Node<'_>, is_transaction: bool) -> Call<'n> {
    let context = span.get("context");
    let of = |keys: &[&str]| context.at(keys).scalar();
    let http = |keys: &[&str], of_request: &[&str]| of(if is_transaction { of_request } else { keys });
    Call {
        is_transaction,
        kind: span.at(&["otel", "span_kind"]).scalar(),
        of_type: span.get("type").as_str().unwrap_or(""),
        subtype: span.get("subtype").scalar(),
        action: span.get("action").scalar(),
        method: http(&["http", "method"], &["request", "method"]),
        url: http(&["http", "url"], &["request", "url", "full"]),
        path: of(&["request", "url", "pathname"]),
        status: http(&["http", "response", "status_code"], &["response", "status_code"])
            .or_else(|| of(&["http", "status_code"])),
        db_instance: of(&["db", "instance"]),
        statement: of(&["db", "statement"]),
        queue: of(&["message", "queue", "name"]),
        address: of(&["destination", "address"]),
        resource: of(&["destination", "service", "resource"]),
        target_type: of(&["service", "target", "type"]),
        target_name: of(&["service", "target", "name"]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ElasticApm;
    use crate::input::parsed::{batter, parse, sure_of};
    use crate::model::Kind;

    const METADATA: &str = r#"{"metadata":{"service":{"name":"shop","agent":{"name":"nodejs","version":"1"}},"system":{"detected_hostname":"h1"}}}"#;
    const SPAN: &str = r#"{"span":{"id":"2","transaction_id":"1","trace_id":"a","parent_id":"1","name":"GET bank","type":"external",
        "subtype":"http","timestamp":1700000000000000,"duration":1.5,"outcome":"failure",
        "context":{"http":{"url":"http://bank/","method":"GET","status_code":503},"destination":{"address":"bank"},
        "service":{"target":{"type":"http","name":"bank:80"}},"tags":{"customer":"c"}}}}"#;

    #[test]
    fn what_is_said_first_holds_for_all() {
        let transaction = r#"{"transaction":{"id":"1","trace_id":"a","name":"POST /x","type":"request","timestamp":1700000000000000,
            "duration":10,"outcome":"success","otel":{"span_kind":"SERVER","attributes":{"http.route":"/x"}},
            "context":{"request":{"method":"POST","url":{"pathname":"/x"}},"response":{"status_code":200}}}}"#;
        let parsed = parse(&ElasticApm, &[METADATA, SPAN, transaction, r#"{"metricset":{"samples":{}}}"#]);
        assert_eq!(parsed.skips, ["a line that is no transaction, span or error"]);
        let [span, transaction] = &parsed.spans[..] else { panic!("{parsed:?}") };
        assert_eq!(
            (span.service, span.of_process["host.name"].as_str(), span.kind),
            ("shop", "h1", Some(Kind::Client))
        );
        assert_eq!((span.duration_ns, span.failed, span.parent.as_deref()), (Ok(1_500_000), Some(true), Some("1")));
        assert_eq!(
            (span.attributes["peer.service"].as_str(), span.attributes["server.address"].as_str()),
            ("bank:80", "bank")
        );
        assert_eq!(
            (span.attributes["http.response.status_code"].as_str(), span.attributes["customer"].as_str()),
            ("503", "c")
        );
        assert_eq!((transaction.service, transaction.kind), ("shop", Some(Kind::Server)));
        assert_eq!((transaction.attributes["http.route"].as_str(), transaction.failed), ("/x", Some(false)));
        for line in [METADATA, SPAN] {
            assert_eq!(sure_of(line), ["elastic-apm"]);
        }
    }

    #[test]
    fn a_context_is_taken_over_and_forgotten() {
        let mut parser = crate::input::Format::parser(&ElasticApm, &std::sync::Arc::new(crate::model::Wanted::all()));
        let mut parsed = crate::input::parsed::Parsed::default();
        for context in [Some(METADATA), None, Some("{\"metadata\":")] {
            parser.begin(context);
            parser.element(SPAN, &mut parsed).unwrap();
        }
        assert_eq!(
            parsed.spans.iter().map(|it| it.service).collect::<Vec<_>>(),
            ["shop", "unknown-service", "unknown-service"]
        );
    }

    #[test]
    fn errors_join_their_spans() {
        let error = r#"{"error":{"id":"e","trace_id":"a","transaction_id":"1","parent_id":"2","timestamp":5,"culprit":"pay",
            "exception":{"type":"E","message":"m","handled":true,"stacktrace":[{"filename":"f","lineno":3,"function":"g"}]}}}"#;
        let parsed = parse(&ElasticApm, &[error]);
        let span = parsed.only();
        assert!(span.supplement && span.id == "2" && span.attributes.is_empty());
        assert_eq!(span.events[0].1["exception.stacktrace"], "E\n  at g (f:3)");
        batter(&ElasticApm, error);
        batter(&ElasticApm, SPAN);
        batter(&ElasticApm, METADATA);
    }
}
