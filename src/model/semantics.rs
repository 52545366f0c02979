//! What attributes mean: failed or not, why, with whom, by which statement; old and stable conventions alike.

use std::borrow::Cow;

use super::attributes::{Attribute, Key, Known, Run, Text, ValueType};
use super::draft::{Draft, Event};
use super::{Kind, Span, Trace, normalize, proxy};

/// What [`is_error`] reads.
pub(super) const ERROR_KEYS: &[Known] = &[
    Known::Error,
    Known::StatusCode,
    Known::HttpStatusCode,
    Known::HttpResponseStatusCode,
    Known::GrpcStatusCode,
    Known::GrpcStatusCodeOld,
    Known::RpcResponseStatusCode,
];

/// Whether a span failed: its explicit signal, or else its HTTP or gRPC status.
pub(super) fn is_error(draft: &Draft, run: Run) -> bool {
    let mut said_fine = false;
    let mut http = None;
    let mut grpc = None;
    for attribute in draft.attributes_of(run) {
        let Key::Known(key) = attribute.key else { continue };
        let text = || draft.text(attribute.value);
        match key {
            Known::Error => match flag(text()) {
                Some(true) => return true,
                Some(false) => said_fine = true,
                None => {}
            },
            Known::StatusCode => {
                if text().eq_ignore_ascii_case("error") {
                    return true;
                }
                said_fine |= text().eq_ignore_ascii_case("ok");
            }
            Known::HttpStatusCode | Known::HttpResponseStatusCode => http = text().parse::<u16>().ok(),
            Known::GrpcStatusCode | Known::GrpcStatusCodeOld | Known::RpcResponseStatusCode => {
                grpc = grpc_code(text());
            }
            _ => {}
        }
    }
    // The caller's mistakes (4xx, NOT_FOUND, CANCELLED...) are not this span's failure.
    !said_fine && (http.is_some_and(|it| it >= 500) || matches!(grpc, Some(2 | 4 | 12 | 13 | 14 | 15)))
}

/// Whether a span's attributes say that it failed, whatever its format said itself.
pub(crate) fn says_error(trace: &Trace, span: &Span) -> bool {
    is_error(&trace.draft, trace.drafted(span).attributes)
}

/// What a text says that may be a flag: true, false, or something else.
pub(crate) fn flag(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

const GRPC_CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// A gRPC status, written as a number or as a name.
fn grpc_code(text: &str) -> Option<u8> {
    text.parse::<u8>()
        .ok()
        .or_else(|| GRPC_CODES.iter().position(|it| text.eq_ignore_ascii_case(it)).map(|it| it as u8))
}

/// Why a span failed, as far as it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure<'a> {
    /// In its own words.
    pub message: Option<Cow<'a, str>>,
    /// The type of the exception, or else the code.
    pub error_type: Option<Cow<'a, str>>,
    /// The HTTP or gRPC status.
    pub code: Option<Cow<'a, str>>,
    /// The stack trace of its exception.
    pub stack: Option<&'a str>,
}

/// What [`failure`] reads, of spans and of their events.
pub const FAILURE_KEYS: &[Known] = &[
    Known::ExceptionMessage,
    Known::ExceptionType,
    Known::ExceptionStacktrace,
    Known::Error,
    Known::ErrorObject,
    Known::ErrorMessage,
    Known::ErrorReason,
    Known::ErrorKind,
    Known::ErrorType,
    Known::Event,
    Known::Message,
    Known::Stack,
    Known::StatusDescription,
    Known::HttpStatusText,
    Known::HttpStatusMessage,
    Known::ResponseFlags,
    Known::HttpStatusCode,
    Known::HttpResponseStatusCode,
    Known::GrpcStatusCode,
    Known::GrpcStatusCodeOld,
    Known::RpcResponseStatusCode,
];

/// Says why a span failed.
pub fn failure<'a>(trace: &'a Trace, span: &Span) -> Failure<'a> {
    failure_of(&trace.draft, trace.drafted(span).attributes, trace.events(span))
}

/// Says why a span with these attributes and events failed.
pub(crate) fn failure_of<'a>(draft: &'a Draft, attributes: Run, events: &[Event]) -> Failure<'a> {
    let value = |key| draft.find(attributes, key).filter(|it| !it.is_empty());
    let (code, code_words) = match status_code(draft, attributes) {
        Some((code, words)) => (Some(Cow::from(code)), Some(words)),
        None => (None, None),
    };
    let event = |keys: &[Known]| {
        events.iter().find_map(|event| {
            // A flag is no message.
            let words = |it: &&str| !it.is_empty() && flag(it).is_none();
            keys.iter().find_map(|key| draft.find(event.attributes, *key).filter(words))
        })
    };
    let message = event(&[Known::ExceptionMessage])
        .or_else(|| event(&[Known::Error, Known::ErrorObject]))
        .or_else(|| error_event_message(draft, events))
        .or_else(|| value(Known::ErrorMessage))
        .or_else(|| value(Known::Error).filter(|it| flag(it).is_none()))
        .or_else(|| value(Known::StatusDescription).filter(|it| *it != "An error occurred"))
        .or_else(|| value(Known::HttpStatusText))
        .or_else(|| value(Known::HttpStatusMessage))
        .or_else(|| value(Known::ErrorReason));
    // What went wrong on the way says more than the status it made.
    let in_words = || value(Known::ResponseFlags).and_then(proxy::flags_in_words).or(code_words).map(Cow::from);
    let error_type = event(&[Known::ExceptionType])
        .or_else(|| value(Known::ExceptionType))
        .or_else(|| event(&[Known::ErrorKind]))
        .or_else(|| value(Known::ErrorType).filter(|it| *it != "_OTHER"))
        .or_else(|| value(Known::ErrorKind));
    Failure {
        message: message.map(Cow::from).or_else(in_words),
        error_type: error_type.map(Cow::from).or_else(|| code.clone()),
        code,
        stack: event(&[Known::ExceptionStacktrace, Known::Stack]).or_else(|| value(Known::ExceptionStacktrace)),
    }
}

/// The message of a log that says `event=error`, as OpenTracing had it.
fn error_event_message<'a>(draft: &'a Draft, events: &[Event]) -> Option<&'a str> {
    events.iter().find_map(|event| {
        let is_error = draft.find(event.attributes, Known::Event) == Some("error");
        draft.find(event.attributes, Known::Message).filter(|it| is_error && !it.is_empty())
    })
}

/// The status of an answer that was not good, as it was written and in words.
fn status_code(draft: &Draft, attributes: Run) -> Option<(&str, String)> {
    let http = draft.first_value(attributes, &[Known::HttpResponseStatusCode, Known::HttpStatusCode]);
    if let Some(text) = http.filter(|it| it.parse::<u16>().is_ok_and(|it| it >= 400)) {
        return Some((text, format!("HTTP {text}")));
    }
    let keys = [Known::GrpcStatusCode, Known::RpcResponseStatusCode, Known::GrpcStatusCodeOld];
    let text = draft.first_value(attributes, &keys)?;
    match grpc_code(text) {
        Some(0) => None,
        Some(code) => {
            let name = GRPC_CODES.get(usize::from(code)).unwrap_or(&"");
            Some((text, format!("gRPC {code} {name}").trim_end().to_owned()))
        }
        None => Some((text, format!("RPC {text}"))),
    }
}

/// What kind of thing answers a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PeerType {
    /// A service, or nothing more is known.
    Service,
    /// A database or cache.
    Database,
    /// A message broker.
    Messaging,
    /// Something that speaks HTTP.
    Http,
}

const MESSAGING_KEYS: [Known; 4] = [
    Known::MessagingDestinationName,
    Known::MessagingDestination,
    Known::MessageBusDestination,
    Known::MessagingSystem,
];

/// What [`peer`] and [`broker`] read.
pub const PEER_KEYS: &[Known] = &[
    Known::PeerService,
    Known::ServicePeerName,
    Known::DbNamespace,
    Known::DbName,
    Known::DbInstance,
    Known::DbSystemName,
    Known::DbSystem,
    Known::DbType,
    Known::DbStatement,
    Known::MessagingDestinationName,
    Known::MessagingDestination,
    Known::MessageBusDestination,
    Known::MessagingSystem,
    Known::ServerAddress,
    Known::NetPeerName,
    Known::PeerHostname,
    Known::HttpRequestMethod,
    Known::HttpMethod,
    Known::UrlFull,
    Known::HttpUrl,
];

/// The other side of a call as its caller names it.
///
/// One look at each attribute: this runs for every call that leaves what is instrumented.
pub fn peer<'a>(trace: &'a Trace, span: &Span) -> Option<(&'a str, PeerType)> {
    peer_of(&trace.draft, trace.drafted(span).attributes)
}

/// The other side of a call with these attributes.
pub(crate) fn peer_of(draft: &Draft, attributes: Run) -> Option<(&str, PeerType)> {
    let mut peer_type = PeerType::Service;
    let mut best: Option<(u8, Text)> = None;
    for attribute in draft.attributes_of(attributes) {
        let Key::Known(key) = attribute.key else { continue };
        let Some((rank, says)) = peer_key(key).filter(|_| attribute.value.len > 0) else { continue };
        if weight(says) > weight(peer_type) {
            peer_type = says;
        }
        if let Some(rank) = rank
            && best.is_none_or(|it| rank < it.0)
        {
            best = Some((rank, attribute.value));
        }
    }
    best.map(|(_, name)| (draft.text(name), peer_type))
}

/// How good a name of the other side this key gives, 0 being the best, and what kind of thing it tells of.
fn peer_key(key: Known) -> Option<(Option<u8>, PeerType)> {
    let name = |rank, says| Some((Some(rank), says));
    match key {
        Known::PeerService => name(0, PeerType::Service),
        Known::ServicePeerName => name(1, PeerType::Service),
        Known::DbNamespace => name(2, PeerType::Database),
        Known::DbName => name(3, PeerType::Database),
        Known::DbInstance => name(4, PeerType::Database),
        Known::DbSystemName => name(5, PeerType::Database),
        Known::DbSystem => name(6, PeerType::Database),
        Known::DbType => name(7, PeerType::Database),
        Known::MessagingDestinationName => name(8, PeerType::Messaging),
        Known::MessagingDestination => name(9, PeerType::Messaging),
        Known::MessageBusDestination => name(10, PeerType::Messaging),
        Known::MessagingSystem => name(11, PeerType::Messaging),
        Known::ServerAddress => name(12, PeerType::Service),
        Known::NetPeerName => name(13, PeerType::Service),
        Known::PeerHostname => name(14, PeerType::Service),
        Known::DbStatement => Some((None, PeerType::Database)),
        Known::HttpRequestMethod | Known::HttpMethod | Known::UrlFull | Known::HttpUrl => Some((None, PeerType::Http)),
        _ => None,
    }
}

/// A database that is asked by HTTP is a database.
fn weight(peer_type: PeerType) -> u8 {
    match peer_type {
        PeerType::Service => 0,
        PeerType::Http => 1,
        PeerType::Messaging => 2,
        PeerType::Database => 3,
    }
}

/// The broker's side of a message, for a consumer whose producer is not in the trace.
pub fn broker<'a>(trace: &'a Trace, span: &Span) -> Option<&'a str> {
    trace.first_value(span, &MESSAGING_KEYS)
}

const STATEMENT_KEYS: [Known; 3] = [Known::DbQueryText, Known::DbStatement, Known::SqlQuery];

/// The statement that a span with these attributes sent to a database, as it was sent.
pub(crate) fn statement_of(draft: &Draft, attributes: Run) -> Option<&str> {
    draft.first_value(attributes, &STATEMENT_KEYS)
}

/// The statement that a span sent to a database, as it was sent.
pub fn statement<'a>(trace: &'a Trace, span: &Span) -> Option<&'a str> {
    statement_of(&trace.draft, trace.drafted(span).attributes)
}

/// What [`pattern`] reads, besides what [`failure`] does.
pub const PATTERN_KEYS: &[Known] = &[
    Known::DbQueryText,
    Known::DbStatement,
    Known::SqlQuery,
    Known::DbQuerySummary,
    Known::HttpRequestMethod,
    Known::HttpMethod,
    Known::HttpRoute,
    Known::RpcMethod,
    Known::RpcService,
    Known::UrlPath,
    Known::HttpTarget,
    Known::UrlFull,
    Known::HttpUrl,
    Known::DbOperationName,
    Known::DbOperation,
    Known::DbCollectionName,
    Known::DbSqlTable,
];

/// What a span does, with the values left out: statement, route, method or exception.
pub fn pattern(trace: &Trace, span: &Span) -> Option<String> {
    let first = |keys: &[Known]| trace.first_value(span, keys);
    if let Some(statement) = statement(trace, span) {
        return Some(normalize::sql(statement));
    }
    if let Some(summary) = first(&[Known::DbQuerySummary]) {
        return Some(summary.to_owned());
    }
    let method = first(&[Known::HttpRequestMethod, Known::HttpMethod]);
    let with_method = |path: String| match method {
        Some(method) => format!("{method} {path}"),
        None => path,
    };
    if let Some(route) = first(&[Known::HttpRoute]) {
        return Some(with_method(route.to_owned()));
    }
    if let Some(method) = first(&[Known::RpcMethod]) {
        let service = first(&[Known::RpcService]).filter(|_| !method.contains('/'));
        return Some(service.map_or_else(|| method.to_owned(), |it| format!("{it}/{method}")));
    }
    if let Some(url) = first(&[Known::UrlPath, Known::HttpTarget, Known::UrlFull, Known::HttpUrl]) {
        return Some(with_method(normalize::url_path(url)));
    }
    let operation = first(&[Known::DbOperationName, Known::DbOperation]);
    let collection = first(&[Known::DbCollectionName, Known::DbSqlTable]);
    if operation.is_some() || collection.is_some() {
        return Some([operation, collection].into_iter().flatten().collect::<Vec<_>>().join(" "));
    }
    if span.error {
        let failure = failure(trace, span);
        return failure.error_type.or(failure.message).map(|it| normalize::message(&it));
    }
    None
}

/// Whether a span is one of two that may stand at either end of a message.
pub fn sends(span: &Span) -> bool {
    span.kind == Some(Kind::Producer)
}

/// The value of an attribute as the filter compares it.
pub(crate) fn has_value(trace: &Trace, attribute: &Attribute, value: Option<&str>) -> bool {
    value.is_none_or(|it| {
        let own = trace.text(attribute.value);
        own == it || (attribute.value_type == ValueType::Bool && own.eq_ignore_ascii_case(it))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Assembler, sketch};

    /// The trace of one span with these attributes and one event with those.
    fn trace(of_span: &[(Known, &str)], of_event: &[(Known, &str)]) -> Trace {
        let mut draft = sketch::draft("web GET / 0..10");
        let mut run = |attributes: &[(Known, &str)]| {
            let start = draft.attribute_mark();
            for (key, value) in attributes {
                draft.push_attribute(Key::Known(*key), value, ValueType::Text);
            }
            Run { start, end: draft.attribute_mark() }
        };
        let (of_span, of_event) = (run(of_span), run(of_event));
        draft.events.push(Event { at_ns: None, attributes: of_event });
        draft.spans[0].attributes = of_span;
        draft.spans[0].events = Run { start: 0, end: 1 };
        Assembler::default().assemble(draft)
    }

    fn attributes() -> impl Strategy<Value = Vec<(Known, &'static str)>> {
        const VALUES: &[&str] =
            &["true", "error", "500", "14", "OK", "", "SELECT 1", "/x?y=1", "proxy", "a.b.svc", "UH"];
        prop::collection::vec((prop::sample::select(Known::ALL), prop::sample::select(VALUES)), 0..8)
    }

    /// What is asked of a trace of one span.
    type Question = fn(&Trace) -> String;

    proptest! {
        #[test]
        fn what_is_read_is_said(of_span in attributes(), of_event in attributes()) {
            let questions: [(&[&[Known]], Question); 5] = [
                (&[ERROR_KEYS], |it| it.span(0).error.to_string()),
                (&[FAILURE_KEYS], |it| format!("{:?}", failure(it, it.span(0)))),
                (&[PEER_KEYS], |it| format!("{:?} {:?}", peer(it, it.span(0)), broker(it, it.span(0)))),
                (&[PATTERN_KEYS, FAILURE_KEYS, ERROR_KEYS], |it| format!("{:?}", pattern(it, it.span(0)))),
                (&[proxy::KEYS], |it| {
                    let (any, span) = (proxy::any(it), it.span(0));
                    format!("{any} {:?} {:?}", proxy::side(it, span), proxy::upstream(it, span))
                }),
            ];
            for (reads, asked) in questions {
                let read = |it: &&(Known, &'static str)| reads.iter().any(|keys| keys.contains(&it.0));
                let only = |all: &[(Known, &'static str)]| all.iter().filter(read).copied().collect::<Vec<_>>();
                let (whole, part) = (trace(&of_span, &of_event), trace(&only(&of_span), &only(&of_event)));
                prop_assert_eq!(asked(&whole), asked(&part), "{:?}", reads);
            }
        }
    }
}
