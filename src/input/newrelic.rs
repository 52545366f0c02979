//! New Relic: what its trace API takes, and rows of `Span` as NRQL and NerdGraph give them.

use std::sync::Arc;

use super::json::{Fault, Node};
use super::{Batch, Format, Frame, Frames, Head, Judgement, NewSpan, Parser, Sink, Sniff, decimal_ns};
use crate::model::{Id, Kind, NoDuration, Run, Wanted};

/// The format.
pub(super) struct NewRelic;

impl Format for NewRelic {
    fn name(&self) -> &'static str {
        "newrelic"
    }

    fn about(&self) -> &'static str {
        "New Relic: trace API payloads, rows of Span out of NRQL or NerdGraph"
    }

    fn how_to_export(&self) -> &'static str {
        "newrelic nrql query --accountId N --query \"SELECT * FROM Span WHERE trace.id = 'ID' LIMIT MAX\" > spans.json"
    }

    fn sniff(&self, head: &Head<'_>) -> Sniff {
        let element = head.element();
        let events = element.get("results").first().get("events");
        let answers = element.get("data").has("actor") || element.at(&["actor", "account"]).has("nrql");
        let is_empty = events.is_list() && events.items().is_empty() && element.has("performanceStats");
        let is_known = is_row(element) || is_payload(element) || is_row(events.first()) || answers;
        if is_known || is_empty { Sniff::Yes } else { Sniff::No }
    }

    fn frame(&self) -> Frame {
        Frame {
            envelopes: &[
                "results",
                "data.actor.account.nrql.results",
                "data.actor.nrql.results",
                "data.actor.distributedTracing.trace",
                "actor.account.nrql.results",
                "actor.nrql.results",
                "actor.distributedTracing.trace",
            ],
            element_keys: &["spans", "common", "trace.id", "traceId", "guid", "id", "span.id", "timestamp"],
            sure_keys: &["spans", "trace.id", "traceId", "events"],
            element: "span",
        }
    }

    fn parser(&self, wanted: &Arc<Wanted>) -> Box<dyn Parser> {
        Box::new(NewRelicParser { batch: Batch::new(wanted) })
    }

    fn judge(&self, frames: &Frames) -> Judgement {
        let mut judgement = Judgement::default();
        let errors: Vec<String> =
            frames.members.iter().filter(|(key, _)| key == "errors").flat_map(|(_, value)| messages(value)).collect();
        if !errors.is_empty() && frames.n_elements == 0 {
            judgement.refusal = Some(errors.join("; "));
        } else if !errors.is_empty() {
            judgement.warnings.extend(errors.iter().map(|it| format!("the server said: {it}")));
            judgement.incomplete.push("the server reported errors with its answer".to_owned());
        }
        // A list of rows; payloads are few.
        if (frames.has_array || frames.has_envelope) && CAPS.contains(&frames.n_elements) {
            let words = capped(frames.n_elements);
            judgement.warnings.push(format!("{words}: ask for the rows of one trace, or page through them"));
            judgement.incomplete.push(words);
        }
        judgement
    }
}

/// How many rows NRQL gives without a `LIMIT`, and how many it gives at most, before and now.
const CAPS: [u64; 3] = [100, 2_000, 5_000];

fn capped(n_rows: u64) -> String {
    format!("exactly {n_rows} rows, as many as NRQL gives at most")
}

/// The server's words in `[{"message":"..."}]`.
fn messages(errors: &str) -> Vec<String> {
    let errors = Node::parse(errors).unwrap_or_default();
    errors.items().iter().map(|it| it.get("message").filled().unwrap_or("no message").to_owned()).collect()
}

/// A row of `Span`; the keys tell it from a span of Zipkin, which has a `traceId` and an `id` too.
fn is_row(row: &Node<'_>) -> bool {
    let has = |keys: &[&str]| keys.iter().any(|it| row.has(it));
    let is_dotted = row.has("trace.id") && has(&["id", "guid", "span.id"]) && !row.has("processor.event");
    let is_agents = row.has("traceId")
        && has(&["guid", "id"])
        && has(&[
            "duration.ms",
            "durationMs",
            "entity.guid",
            "entityGuid",
            "entity.name",
            "appName",
            "nr.entryPoint",
            "transactionId",
        ]);
    row.get("timestamp").is_number() && (is_dotted || is_agents)
}

/// A batch as the trace API takes it.
fn is_payload(batch: &Node<'_>) -> bool {
    let span = batch.get("spans").first();
    let names_trace = span.has("trace.id") || batch.at(&["common", "attributes"]).has("trace.id");
    let has_common = batch.at(&["common", "attributes"]).is_object();
    (span.has("id") && (names_trace || has_common)) || (has_common && batch.get("spans").is_list())
}

struct NewRelicParser {
    batch: Batch,
}

/// Where the values of a span stand, the most particular first.
struct Values<'n, 'a> {
    places: [&'n Node<'a>; 3],
}

impl<'n, 'a> Values<'n, 'a> {
    /// The first of these keys that has a value.
    fn get(&self, keys: &[&str]) -> &'n Node<'a> {
        let all = keys.iter().flat_map(|key| self.places.iter().map(move |place| place.get(key)));
        let mut last = None;
        for value in all {
            if !value.is_null() {
                return value;
            }
            last = Some(value);
        }
        last.unwrap_or(self.places[0])
    }

    fn text(&self, keys: &[&str]) -> Option<&'n str> {
        self.get(keys).scalar()
    }

    fn id(&self, keys: &[&str]) -> Option<Id> {
        self.text(keys).and_then(Id::parse)
    }
}

impl Parser for NewRelicParser {
    fn element(&mut self, text: &str, sink: &mut dyn Sink) -> Result<(), Fault> {
        let element = Node::parse(text)?;
        let events = element.get("events");
        if events.is_list() {
            if CAPS.contains(&(events.items().len() as u64)) {
                sink.incomplete(&capped(events.items().len() as u64));
            }
            self.spans(events, &Node::Null, &Node::Null, sink);
        } else if element.get("spans").is_list() {
            self.spans(element.get("spans"), element.at(&["common", "attributes"]), &element, sink);
        } else {
            self.checked(&element, &Node::Null, &Node::Null, sink);
        }
        self.batch.emit_spans(sink);
        Ok(())
    }
}

impl NewRelicParser {
    fn spans(&mut self, spans: &Node<'_>, common: &Node<'_>, trace: &Node<'_>, sink: &mut dyn Sink) {
        if spans.items().is_empty() && trace.is_object() {
            sink.skip("a trace without spans", 0);
        }
        spans.items().iter().for_each(|it| self.checked(it, common, trace, sink));
    }

    fn checked(&mut self, span: &Node<'_>, common: &Node<'_>, trace: &Node<'_>, sink: &mut dyn Sink) {
        if !span.is_object() {
            sink.skip("not a span where one belongs", 0);
        } else if let Err(reason) = self.span(span, common, trace) {
            sink.skip(reason, 0);
        }
    }

    fn span(&mut self, span: &Node<'_>, common: &Node<'_>, trace: &Node<'_>) -> Result<(), &'static str> {
        let values = Values { places: [span, span.get("attributes"), common] };
        let id = values.id(&["id", "guid", "span.id"]).ok_or("a span without an id")?;
        let of_trace = || trace.get("traceId").scalar().and_then(Id::parse);
        let trace_id = values.id(&["trace.id", "traceId"]).or_else(of_trace).ok_or("a span without a trace id")?;
        let start_ns = match values.text(&["timestamp"]) {
            None => None,
            Some(text) => Some(decimal_ns(text, 3).ok_or("a span whose time is not a number")?),
        };
        let duration_ns = match (values.text(&["duration.ms", "durationMs"]), values.text(&["duration"])) {
            (Some(text), _) => Ok(decimal_ns(text, 3).ok_or("a span whose duration is not a number")?),
            (None, Some(text)) => Ok(decimal_ns(text, 0).ok_or("a span whose duration is not a number")?),
            (None, None) => Err(NoDuration::Missing),
        };
        let process = self.process(&values, trace);
        let mark = self.batch.mark_attributes();
        for place in values.places {
            for (key, value) in place.members().iter().filter(|(key, _)| !FIELDS.contains(&key.as_ref())) {
                self.batch.attribute(convention(key), value);
            }
        }
        // A datastore is called by the name of its product.
        let has_system = !values.get(&["db.system", "db.system.name"]).is_null();
        if !has_system && values.text(&["category"]) == Some("datastore") {
            self.batch.attribute("db.system", values.get(&["component"]));
        }
        let attributes = self.batch.attributes_since(mark);
        self.batch.push(NewSpan {
            trace: trace_id,
            id,
            parent: values.id(&["parent.id", "parentId"]).filter(|it| !it.is_zero()),
            links: Vec::new(),
            operation: values.text(&["name"]).unwrap_or(""),
            process,
            kind: kind(&values),
            start_ns,
            duration_ns,
            failed: failed(&values),
            shared: false,
            attributes,
            events: Run::default(),
        })
    }

    fn process(&mut self, values: &Values<'_, '_>, trace: &Node<'_>) -> u32 {
        let mark = self.batch.mark_attributes();
        self.batch.attribute("host.name", values.get(&["host.name", "host", "hostname"]));
        let attributes = self.batch.attributes_since(mark);
        let of_entity = || {
            let guid = values.text(&["entityGuid", "entity.guid"])?;
            let entities = trace.get("entities").items();
            entities.iter().find(|it| it.get("guid").as_str() == Some(guid))?.get("name").filled()
        };
        let service = values.text(&["service.name", "entity.name", "appName", "entityName"]).or_else(of_entity);
        self.batch.process(service, attributes)
    }
}

/// What a span is made of, which is no attribute besides.
const FIELDS: [&str; 14] = [
    "attributes",
    "id",
    "guid",
    "span.id",
    "trace.id",
    "traceId",
    "parent.id",
    "parentId",
    "timestamp",
    "name",
    "duration",
    "duration.ms",
    "durationMs",
    "service.name",
];

/// The convention that an attribute of this vendor stands for.
fn convention(key: &str) -> &str {
    match key {
        "http.statusCode" | "httpResponseCode" | "response.status" | "response.statusCode" => {
            "http.response.status_code"
        }
        "http.statusText" => "http.status_text",
        "request.method" => "http.request.method",
        "request.uri" => "url.path",
        "request.url" => "url.full",
        "db.collection" => "db.collection.name",
        "error.class" => "error.type",
        "error.stack" | "error.stack_trace" => "exception.stacktrace",
        other => other,
    }
}

fn kind(values: &Values<'_, '_>) -> Option<Kind> {
    if let Some(kind) = values.text(&["span.kind"]).and_then(Kind::from_text) {
        return Some(kind);
    }
    if values.text(&["nr.entryPoint"]) == Some("true") {
        return Some(Kind::Server);
    }
    let is_call = !values.get(&["clientType"]).is_null();
    match (values.text(&["processBoundary"]), values.text(&["category"])) {
        (Some("ENTRY"), _) => Some(Kind::Server),
        (Some("EXIT"), _) | (_, Some("http" | "datastore")) => Some(Kind::Client),
        _ if is_call => Some(Kind::Client),
        (Some("IN_PROCESS"), _) | (_, Some("generic")) => Some(Kind::Internal),
        _ => None,
    }
}

fn failed(values: &Values<'_, '_>) -> Option<bool> {
    let error = values.get(&["error"]);
    let status = values.text(&["otel.status_code"]).unwrap_or("");
    let is_told = values.text(&["error.class"]).or(values.text(&["error.message"])).is_some();
    if is_told || error.truth() == Some(true) || status.eq_ignore_ascii_case("error") {
        Some(true)
    } else if error.truth() == Some(false) || status.eq_ignore_ascii_case("ok") {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
