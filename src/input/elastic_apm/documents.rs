//! Documents as the APM server stores them.

use super::{ApmParser, Call, ErrorWords, add_label, failed, stack};
use crate::input::document::{Document, one};
use crate::input::{NewSpan, decimal_ns, rfc3339_ns};
use crate::model::{Id, NoDuration, Run};

/// What a document is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Event {
    Transaction,
    Span,
    Error,
    Other,
}

/// Newer servers leave `processor.event` out of what they store.
fn event_of(document: &Document<'_, '_>) -> Event {
    let has = |paths: &[&str]| document.any(paths).is_some();
    match document.get("processor.event").scalar() {
        Some("transaction") => Event::Transaction,
        Some("span") => Event::Span,
        Some("error") => Event::Error,
        Some(_) => Event::Other,
        None if has(&["error.id", "error.exception.type", "error.exception.message", "error.log.message"]) => {
            Event::Error
        }
        None if has(&["span.duration.us", "span.name"]) => Event::Span,
        None if has(&["transaction.duration.us", "transaction.name"]) => Event::Transaction,
        None => Event::Other,
    }
}

/// Whether it is one that the APM server writes.
pub(super) fn is_document(document: &Document<'_, '_>) -> bool {
    let is_said = document.get("processor.event").scalar().is_some();
    let is_of_trace = document.get("trace.id").scalar().is_some() && document.get("@timestamp").scalar().is_some();
    is_said || (is_of_trace && event_of(document) != Event::Other)
}

impl ApmParser {
    pub(super) fn document(&mut self, document: &Document<'_, '_>) -> Result<(), &'static str> {
        match event_of(document) {
            Event::Transaction => self.span(document, true),
            Event::Span => self.span(document, false),
            Event::Error => self.error(document),
            Event::Other => Err("a document that is no transaction, span or error"),
        }
    }

    fn span(&mut self, document: &Document<'_, '_>, is_transaction: bool) -> Result<(), &'static str> {
        let id_at = |path: &str| document.get(path).scalar().and_then(Id::parse);
        let id = id_at(if is_transaction { "transaction.id" } else { "span.id" }).ok_or("a span without an id")?;
        let trace = id_at("trace.id").ok_or("a span without a trace id")?;
        let start_ns = time_of(document)?;
        let duration = if is_transaction { "transaction.duration.us" } else { "span.duration.us" };
        let duration_ns = match document.get(duration) {
            it if it.is_null() => Err(NoDuration::Missing),
            it => Ok(it.scalar().and_then(|it| decimal_ns(it, 6)).ok_or("a span whose duration is not a number")?),
        };
        let process = self.process(document);
        let call = call_of(document, is_transaction);
        let mark = self.batch.mark_attributes();
        call.add_to(&mut self.batch);
        for labels in ["labels", "numeric_labels"] {
            document.leaves(labels, |key, value| add_label(&mut self.batch, key, value));
        }
        let attributes = self.batch.attributes_since(mark);
        let name = if is_transaction { "transaction.name" } else { "span.name" };
        self.batch.push(NewSpan {
            trace,
            id,
            parent: id_at("parent.id"),
            links: Vec::new(),
            operation: document.get(name).scalar().unwrap_or(""),
            process,
            kind: call.kind(),
            start_ns,
            duration_ns,
            failed: failed(document.get("event.outcome").scalar()),
            shared: false,
            attributes,
            events: Run::default(),
        })
    }

    fn process(&mut self, document: &Document<'_, '_>) -> u32 {
        let mark = self.batch.mark_attributes();
        if let Some(host) = document.any(&["host.name", "host.hostname"]) {
            self.batch.text_attribute("host.name", host);
        }
        for key in ["service.version", "service.environment", "service.node.name"] {
            if let Some(value) = document.get(key).scalar() {
                self.batch.text_attribute(key, value);
            }
        }
        let attributes = self.batch.attributes_since(mark);
        self.batch.process(document.get("service.name").scalar(), attributes)
    }

    fn error(&mut self, document: &Document<'_, '_>) -> Result<(), &'static str> {
        let id_at = |path: &str| document.get(path).scalar().and_then(Id::parse);
        let trace = id_at("trace.id").ok_or("an error outside of any trace")?;
        let span = ["parent.id", "span.id", "transaction.id"].into_iter().find_map(id_at);
        let span = span.ok_or("an error outside of any span")?;
        let at_ns = time_of(document)?;
        let of_type = document.get("error.exception.type").scalar();
        let frames = document.list("error.exception.stacktrace");
        let words = ErrorWords {
            of_type,
            message: document.any(&["error.exception.message", "error.log.message", "error.message", "message"]),
            stack: document.get("error.stack_trace").filled().map(str::to_owned).or_else(|| stack(of_type, frames)),
            fails: document.has("error.exception")
                && one(document.get("error.exception.handled")).truth() != Some(true),
            at_ns,
        };
        words.add_to(&mut self.batch, &trace, span);
        Ok(())
    }
}

/// Microseconds where they are said; the text has only milliseconds.
fn time_of(document: &Document<'_, '_>) -> Result<Option<i64>, &'static str> {
    let micros = document.get("timestamp.us");
    if !micros.is_null() {
        return micros.scalar().and_then(|it| decimal_ns(it, 6)).map(Some).ok_or("a span whose start is not a number");
    }
    match document.get("@timestamp") {
        it if it.is_null() => Ok(None),
        it => it.filled().and_then(rfc3339_ns).map(Some).ok_or("a span whose start is no time"),
    }
}

fn call_of<'n>(document: &Document<'n, '_>, is_transaction: bool) -> Call<'n> {
    let at = |path: &str| document.get(path).scalar();
    let own = |of_transaction, of_span| at(if is_transaction { of_transaction } else { of_span });
    Call {
        is_transaction,
        kind: own("transaction.kind", "span.kind").or_else(|| at("span.kind")),
        of_type: own("transaction.type", "span.type").unwrap_or(""),
        subtype: at("span.subtype"),
        action: at("span.action"),
        method: document.any(&["http.request.method", "span.http.method"]),
        url: document.any(&["url.full", "url.original", "span.http.url.original"]),
        path: at("url.path"),
        status: document.any(&["http.response.status_code", "span.http.response.status_code"]),
        db_instance: at("span.db.instance"),
        statement: at("span.db.statement"),
        queue: own("transaction.message.queue.name", "span.message.queue.name"),
        address: document.any(&["destination.address", "destination.domain"]),
        resource: at("span.destination.service.resource"),
        target_type: at("service.target.type"),
        target_name: at("service.target.name"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ElasticApm;
    use crate::input::parsed::{batter, parse, sure_of};
    use crate::model::Kind;

    const TRANSACTION: &str = r#"{"@timestamp":"2026-11-01T10:00:00.001Z","processor":{"event":"transaction","name":"transaction"},
        "timestamp":{"us":1793527200001500},"trace":{"id":"a1"},"transaction":{"id":"00xxxxFFaaaa1234","name":"POST /pay","type":"request",
        "duration":{"us":410000.5},"result":"HTTP 5xx"},"parent":{"id":"98765432109876543210"},"service":{"name":"payment","environment":"prod"},
        "host":{"hostname":"h1"},"http":{"request":{"method":"post"},"response":{"status_code":500}},"url":{"path":"/pay"},
        "event":{"outcome":"failure"},"labels":{"http_route":"/pay","customer":"c"},"numeric_labels":{"tries":2}}"#;

    #[test]
    fn a_transaction_is_a_server_span() {
        let parsed = parse(&ElasticApm, &[TRANSACTION]);
        let span = parsed.only();
        assert_eq!((span.id.as_str(), span.parent.as_deref()), ("00xxxxFFaaaa1234", Some("98765432109876543210")));
        assert_eq!((span.service, span.operation, span.kind), ("payment", "POST /pay", Some(Kind::Server)));
        assert_eq!((span.start_ns, span.duration_ns), (Some(1_793_527_200_001_500_000), Ok(410_000_500)));
        assert_eq!((span.failed, span.of_process["host.name"].as_str()), (Some(true), "h1"));
        let attribute = |key: &str| span.attributes.get(key).map(String::as_str);
        assert_eq!(attribute("http.request.method"), Some("POST"));
        assert_eq!((attribute("http.route"), attribute("http.response.status_code")), (Some("/pay"), Some("500")));
        assert_eq!((attribute("customer"), attribute("tries")), (Some("c"), Some("2")));
        assert_eq!(sure_of(TRANSACTION), ["elastic-apm"]);
    }

    #[test]
    fn dotted_keys_and_lists_say_the_same() {
        let dotted = r#"{"_index":"traces-apm","_source":{"processor.event":"span","trace.id":"a","span":{"id":"b","name":"SELECT"},
            "span.type":"db","span.subtype":"postgresql","span.duration.us":5,"parent.id":"c","timestamp.us":1700000000000000,
            "service.name":"s","span.db.statement":"SELECT 1","service.target.type":"postgresql","service.target.name":"shop"}}"#;
        let fields = r#"{"_index":"traces-apm","fields":{"processor.event":["span"],"trace.id":["a"],"span.id":["b"],"span.name":["SELECT"],
            "span.name.text":["SELECT"],"span.type":["db"],"span.subtype":["postgresql"],"span.duration.us":[5],"parent.id":["c"],
            "timestamp.us":[1700000000000000],"service.name":["s"],"span.db.statement":["SELECT 1"],
            "service.target.type":["postgresql"],"service.target.name":["shop"]}}"#;
        let [one, two] = [dotted, fields].map(|it| parse(&ElasticApm, &[it]).only().clone());
        assert_eq!(one, two);
        assert_eq!((one.kind, one.failed), (Some(Kind::Client), None));
        assert_eq!(
            (one.attributes["db.system.name"].as_str(), one.attributes["db.namespace"].as_str()),
            ("postgresql", "shop")
        );
        assert_eq!(one.attributes["db.query.text"], "SELECT 1");
        assert_eq!((sure_of(dotted), sure_of(fields)), (vec!["elastic-apm"], vec!["elastic-apm"]));
    }

    #[test]
    fn what_is_called_has_its_name_in_the_resource_of_old_servers() {
        let span = |more: &str| {
            let text = format!(
                r#"{{"processor":{{"event":"span"}},"trace":{{"id":"a"}},"span":{{"id":"b","name":"x",{more}}},"parent":{{"id":"c"}}}}"#
            );
            parse(&ElasticApm, &[&text]).only().clone()
        };
        let db = span(r#""type":"db.mysql.query","destination":{"service":{"resource":"mysql/shop"}}"#);
        assert_eq!(
            (db.attributes["db.system.name"].as_str(), db.attributes["db.namespace"].as_str()),
            ("mysql", "shop")
        );
        let http = span(r#""type":"external","subtype":"http","destination":{"service":{"resource":"bank:443"}}"#);
        assert_eq!((http.kind, http.attributes["peer.service"].as_str()), (Some(Kind::Client), "bank:443"));
        let sent =
            span(r#""type":"messaging","subtype":"kafka","action":"send","message":{"queue":{"name":"orders"}}"#);
        assert_eq!(
            (sent.kind, sent.attributes["messaging.destination.name"].as_str()),
            (Some(Kind::Producer), "orders")
        );
        assert_eq!(span(r#""type":"app""#).kind, Some(Kind::Internal));
    }

    #[test]
    fn an_error_joins_its_span() {
        let error = r#"{"@timestamp":"2026-11-01T10:00:00.500Z","processor":{"event":"error"},"trace":{"id":"a"},"parent":{"id":"b"},
            "error":{"id":"e","exception":[{"type":"BankError","message":"no","handled":false,
            "stacktrace":[{"function":"pay","filename":"pay.js","line":{"number":10}}]}]}}"#;
        let parsed = parse(&ElasticApm, &[error]);
        let span = parsed.only();
        assert!(span.supplement && span.id == "b" && span.attributes["error"] == "true", "{span:?}");
        assert_eq!(
            (span.events[0].0, span.events[0].1["exception.type"].as_str()),
            (Some(1_793_527_200_500_000_000), "BankError")
        );
        assert_eq!(span.events[0].1["exception.stacktrace"], "BankError\n  at pay (pay.js:10)");
        let logged = r#"{"processor":{"event":"error"},"trace":{"id":"a"},"transaction":{"id":"t"},"error":{"log":{"message":"m"}}}"#;
        let parsed = parse(&ElasticApm, &[logged]);
        assert_eq!((parsed.only().id.as_str(), parsed.only().events[0].1["exception.message"].as_str()), ("t", "m"));
        assert!(parsed.only().attributes.is_empty());
        batter(&ElasticApm, error);
    }

    #[test]
    fn what_is_no_span_is_skipped() {
        for (element, reason) in [
            (r#"{"processor":{"event":"metric"}}"#, "a document that is no transaction, span or error"),
            (r#"{"processor":{"event":"span"},"trace":{"id":"a"}}"#, "a span without an id"),
            (r#"{"processor":{"event":"span"},"span":{"id":"a"}}"#, "a span without a trace id"),
            (r#"{"processor":{"event":"error"}}"#, "an error outside of any trace"),
        ] {
            assert_eq!(parse(&ElasticApm, &[element]).skips, [reason], "{element}");
        }
        batter(&ElasticApm, TRANSACTION);
    }
}
