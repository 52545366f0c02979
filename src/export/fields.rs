//! The normalized fields of a span, by which any format can be compared with any other.

use std::collections::HashSet;

use super::json::Json;
use super::relations::{Relations, is_foreign};
use super::{DOUBLED_KEYS, Losses, SKEW_CORRECTED};
use crate::model::{Attribute, Id, Span, Trace, semantics};

/// The value of a field.
#[derive(Clone, Debug)]
pub(super) enum Field {
    Null,
    Text(String),
    Integer(i64),
    Bool(bool),
    /// JSON: a list or an object.
    Json(String),
}

/// The names of the fields, in their order.
pub(super) const NAMES: [&str; 20] = [
    "trace_id",
    "span_id",
    "parent_span_id",
    "service",
    "operation",
    "kind",
    "start_us",
    "start_ns",
    "duration_us",
    "duration_ns",
    "shared",
    "error",
    "error_message",
    "error_type",
    "code",
    "peer",
    "statement",
    "links",
    "attributes",
    "resource",
];

/// The fields of a span, in the order of their names.
pub(super) fn of(trace: &Trace, trace_id: &str, span: &Span, losses: &mut Losses) -> [Field; 20] {
    let failure = if span.error { semantics::failure(trace, span) } else { semantics::Failure::default() };
    let relations = Relations::of(trace, span);
    losses.add("events, left out (their message and type are fields)", trace.events(span).len());
    [
        Field::Text(trace_id.to_owned()),
        Field::Text(span.id.to_string()),
        text(relations.parent.map(|it| it.id.to_string())),
        text(Some(span.service)),
        text(Some(span.operation)),
        text(span.kind.map(crate::model::Kind::as_str)),
        Field::Integer(span.start_ns.div_euclid(1_000)),
        Field::Text(span.start_ns.to_string()),
        span.duration_ns.map_or(Field::Null, |it| Field::Integer(it / 1_000)),
        span.duration_ns.map_or(Field::Null, Field::Integer),
        Field::Bool(span.shared),
        Field::Bool(span.error),
        text(failure.message),
        text(failure.error_type),
        text(failure.code),
        text(semantics::peer(trace, span).map(|it| it.0)),
        text(semantics::statement(trace, span)),
        Field::Json(links(trace, trace_id, &relations)),
        Field::Json(object(trace, trace.attributes(span), losses)),
        Field::Json(object(trace, trace.process_attributes(span), losses)),
    ]
}

/// What is lost of a whole trace.
pub(super) fn count_losses(trace: &Trace, losses: &mut Losses) {
    losses.add_if(trace.is_skew_corrected(), SKEW_CORRECTED);
}

fn text(value: Option<impl ToString>) -> Field {
    value.map_or(Field::Null, |it| Field::Text(it.to_string()))
}

/// Other spans, and the parent once more if it does not wait.
fn links(trace: &Trace, trace_id: &str, relations: &Relations<'_>) -> String {
    let mut json = Json::default();
    json.open(b'[');
    let mut link = |trace_id: &str, span: &Id, followed: bool| {
        json.open(b'{');
        json.key("trace_id").text(trace_id);
        json.key("span_id").text(&span.to_string());
        json.key("type").text(if followed { "follows_from" } else { "child_of" });
        json.close(b'}');
    };
    if let Some(parent) = relations.parent.filter(|it| it.followed) {
        link(trace_id, parent.id, true);
    }
    for it in &relations.links {
        match it.trace.as_deref().filter(|_| is_foreign(trace, it)) {
            Some(other) => link(&other.to_string(), &it.span, it.follows_from),
            None => link(trace_id, &it.span, it.follows_from),
        }
    }
    json.close(b']');
    json.into_text()
}

fn object(trace: &Trace, attributes: &[Attribute], losses: &mut Losses) -> String {
    let mut json = Json::default();
    let mut seen = HashSet::new();
    json.open(b'{');
    for attribute in attributes {
        if seen.insert(attribute.key.as_str()) {
            json.key(attribute.key.as_str()).value(trace.text(attribute.value), attribute.value_type);
        } else {
            losses.add(DOUBLED_KEYS, 1);
        }
    }
    json.close(b'}');
    json.into_text()
}
