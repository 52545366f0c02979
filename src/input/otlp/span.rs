//! One span of OTLP.

use std::borrow::Cow;

use super::value::{self, AnyValue};
use super::{OtlpParser, Result, Said, text_of};
use crate::input::base64;
use crate::input::json::{Cursor, Layout, Value, decimal, hexadecimal};
use crate::input::tags::{Mention, RememberedLists};
use crate::input::{Mark, NewSpan, Sink, decimal_ns};
use crate::model::{Id, Kind, NoDuration, Reference, Run};

/// Memory of the span before, for the next.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    events: Vec<(Option<i64>, Run)>,
    /// Taken out and put back for every span.
    layout: Option<Box<Layout<Field>>>,
    /// The attributes of spans, by operation.
    attributes: RememberedLists,
    mentions: Vec<Mention>,
}

/// A member of a span.
#[derive(Clone, Copy, Debug)]
enum Field {
    TraceId,
    SpanId,
    Parent,
    Name,
    Kind,
    Start,
    End,
    Attributes,
    Events,
    Links,
    Status,
    Other,
}

impl Field {
    fn of(key: &str) -> Field {
        match key {
            "traceId" | "trace_id" => Field::TraceId,
            "spanId" | "span_id" => Field::SpanId,
            "parentSpanId" | "parent_span_id" => Field::Parent,
            "name" => Field::Name,
            "kind" => Field::Kind,
            "startTimeUnixNano" | "start_time_unix_nano" => Field::Start,
            "endTimeUnixNano" | "end_time_unix_nano" => Field::End,
            "attributes" => Field::Attributes,
            "events" => Field::Events,
            "links" => Field::Links,
            "status" => Field::Status,
            _ => Field::Other,
        }
    }
}

/// A span's fields as they come.
#[derive(Default)]
struct Fields<'a> {
    trace: Option<Cow<'a, str>>,
    id: Option<Cow<'a, str>>,
    parent: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    kind: Option<Kind>,
    start: Instant,
    end: Instant,
    failed: Option<bool>,
    description: Option<Cow<'a, str>>,
    attributes: Run,
    links: Vec<Reference>,
    said: Vec<Said>,
}

/// A moment as it was written.
#[derive(Clone, Copy, Debug, Default)]
enum Instant {
    #[default]
    Missing,
    Ns(i64),
    Nonsense,
}

impl OtlpParser {
    /// Reads a span into the batch, or counts it as skipped.
    pub(super) fn span(&mut self, cursor: &mut Cursor<'_>, process: u32, sink: &mut dyn Sink) -> Result<()> {
        let at = cursor.position();
        let mut fields = Fields::default();
        self.scratch.events.clear();
        let mut layout = self.scratch.layout.take().unwrap_or_default();
        let outcome = cursor.fields(&mut layout, Field::of, |cursor, field| self.field(cursor, field, &mut fields));
        self.scratch.layout = Some(layout);
        outcome?;
        if let Err(reason) = self.push(fields, process) {
            sink.skip(reason, at);
        }
        Ok(())
    }

    #[inline]
    fn field<'a>(&mut self, cursor: &mut Cursor<'a>, field: Field, fields: &mut Fields<'a>) -> Result<()> {
        match field {
            Field::TraceId => fields.trace = read_text(cursor)?,
            Field::SpanId => fields.id = read_text(cursor)?,
            Field::Parent => fields.parent = read_text(cursor)?,
            Field::Name => fields.name = read_text(cursor)?,
            Field::Kind => fields.kind = kind_of(&cursor.value()?),
            Field::Start => fields.start = read_instant(cursor)?,
            Field::End => fields.end = read_instant(cursor)?,
            Field::Attributes => fields.attributes = self.attributes(cursor, fields)?,
            Field::Events => self.events(cursor)?,
            Field::Links => links(cursor, &mut fields.links, self.batch.wants_all())?,
            Field::Status => status(cursor, fields)?,
            Field::Other => cursor.skip()?,
        }
        Ok(())
    }

    /// Reads a span's attributes; those of one operation look alike.
    fn attributes(&mut self, cursor: &mut Cursor<'_>, fields: &mut Fields<'_>) -> Result<Run> {
        let owner = match &fields.name {
            Some(name) if cursor.peek() == Some(b'[') => Some(self.batch.number(name)),
            _ => None,
        };
        if let Some(owner) = owner
            && let Some(run) = self.scratch.attributes.read(owner, cursor, &mut self.batch.draft)?
        {
            return Ok(run);
        }
        let (at, text) = (cursor.position(), cursor.rest());
        let mark = self.batch.mark_attributes();
        let Scratch { mentions, attributes: remembered, .. } = &mut self.scratch;
        mentions.clear();
        let mut is_plain = true;
        value::attributes(cursor, |key, value, value_at| {
            let before = self.batch.draft.attribute_mark();
            match key {
                "@jaeger@warnings" => {
                    is_plain = false;
                    fields.said.extend(warnings(&value));
                }
                "@jaeger@format" | "@jaeger@hash" => is_plain = false,
                _ => value.keep(&mut self.batch, key),
            }
            let kept = (self.batch.draft.attribute_mark() > before).then_some(before);
            mentions.push(Mention { value: value_at, kept });
        })?;
        if let Some(owner) = owner.filter(|_| is_plain) {
            remembered.learn(owner, &text[..cursor.position() - at], at, mentions, &self.batch.draft);
        }
        Ok(self.batch.attributes_since(mark))
    }

    fn events(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        if cursor.peek() != Some(b'[') {
            return cursor.skip();
        }
        cursor.array(|cursor| {
            if cursor.peek() != Some(b'{') {
                return cursor.skip();
            }
            let mut at = Instant::Missing;
            let mut name = None;
            let mark = self.batch.mark_attributes();
            cursor.object(|cursor, key| {
                match key {
                    "timeUnixNano" | "time_unix_nano" => at = instant(&cursor.value()?),
                    "name" => name = text_of(cursor.value()?),
                    "attributes" => value::attributes(cursor, |key, value, _| value.keep(&mut self.batch, key))?,
                    _ => cursor.skip()?,
                }
                Ok(())
            })?;
            self.event(at, name.as_deref(), mark);
            Ok(())
        })
    }

    /// Keeps an event that says something; the name alone does so only where everything is kept.
    fn event(&mut self, at: Instant, name: Option<&str>, mark: Mark) {
        let has_more = !self.batch.attributes_since(mark).is_empty();
        if let Some(name) = name.filter(|_| has_more || self.batch.wants_all()) {
            self.batch.text_attribute("event", name);
        }
        let attributes = self.batch.attributes_since(mark);
        if !attributes.is_empty() {
            let at_ns = if let Instant::Ns(ns) = at { Some(ns) } else { None };
            self.scratch.events.push((at_ns, attributes));
        }
    }

    fn push(&mut self, fields: Fields<'_>, process: u32) -> std::result::Result<(), &'static str> {
        let id_of = |text: &Option<Cow<'_, str>>| text.as_ref().and_then(|it| id(it));
        let trace = id_of(&fields.trace).ok_or("a span without a trace id")?;
        let span_id = id_of(&fields.id).ok_or("a span without an id")?;
        let start_ns = match fields.start {
            Instant::Ns(0) | Instant::Missing => None,
            Instant::Ns(ns) => Some(ns),
            Instant::Nonsense => return Err("a span whose start is not a number"),
        };
        let duration_ns = match (start_ns, fields.end) {
            (_, Instant::Nonsense) => return Err("a span whose end is not a number"),
            (_, Instant::Ns(0) | Instant::Missing) | (None, _) => Err(NoDuration::Missing),
            (Some(start_ns), Instant::Ns(end_ns)) => Ok(end_ns.saturating_sub(start_ns)),
        };
        let mut attributes = fields.attributes;
        if let Some(words) = &fields.description {
            attributes = self.batch.with_attribute(attributes, "otel.status_description", words);
        }
        let mark = self.batch.mark_events();
        for &(at_ns, attributes) in &self.scratch.events {
            self.batch.event(at_ns, attributes);
        }
        let events = self.batch.events_since(mark);
        // A parent that a link says was only followed is none that waits.
        let is_followed = |parent: &Id| fields.links.iter().any(|it| !it.is_link && it.span == *parent);
        self.batch.push(NewSpan {
            trace,
            id: span_id,
            parent: id_of(&fields.parent).filter(|it| !it.is_zero() && !is_followed(it)),
            links: fields.links,
            operation: fields.name.as_deref().unwrap_or(""),
            process,
            kind: fields.kind,
            start_ns,
            duration_ns,
            failed: fields.failed,
            shared: false,
            attributes,
            events,
        })?;
        let span = self.batch.trace_of.len() - 1;
        self.said.extend(fields.said.into_iter().map(|it| (span, it)));
        Ok(())
    }
}

/// Hexadecimal, or base64 as tools write that know nothing of OTLP's exception for ids.
pub(super) fn id(text: &str) -> Option<Id> {
    if let Some(usual) = usual_id(text.as_bytes()) {
        return Some(usual);
    }
    let n_bytes = match text.len() {
        24 if text.ends_with("==") => 16,
        12 if text.ends_with('=') => 8,
        _ => return Id::parse(text),
    };
    let Some(bytes) = base64::decode(text).filter(|it| it.len() == n_bytes) else { return Id::parse(text) };
    let value = bytes.iter().fold(0u128, |it, byte| it << 8 | u128::from(*byte));
    Some(Id::of_number((value >> 64) as u64, value as u64, 2 * n_bytes as u8))
}

/// An id of 16 or 32 digits, letters small.
fn usual_id(text: &[u8]) -> Option<Id> {
    match text.as_chunks::<16>() {
        ([low], []) => hexadecimal(low).map(|it| Id::of_number(0, it, 16)),
        ([high, low], []) => Some(Id::of_number(hexadecimal(high)?, hexadecimal(low)?, 32)),
        _ => None,
    }
}

fn kind_of(value: &Value<'_>) -> Option<Kind> {
    match value {
        Value::Number(text) => match *text {
            "1" => Some(Kind::Internal),
            "2" => Some(Kind::Server),
            "3" => Some(Kind::Client),
            "4" => Some(Kind::Producer),
            "5" => Some(Kind::Consumer),
            _ => None,
        },
        Value::String(text) => Kind::from_text(text),
        _ => None,
    }
}

/// A text that is not empty: without escapes nearly always.
#[inline]
fn read_text<'a>(cursor: &mut Cursor<'a>) -> Result<Option<Cow<'a, str>>> {
    match cursor.plain_string() {
        Some("") => Ok(None),
        Some(text) => Ok(Some(Cow::Borrowed(text))),
        None => Ok(text_of(cursor.value()?)),
    }
}

/// Nanoseconds, as a text nearly always.
#[inline]
fn read_instant(cursor: &mut Cursor<'_>) -> Result<Instant> {
    match cursor.plain_string() {
        Some(text) => Ok(instant_of(text)),
        None => Ok(instant(&cursor.value()?)),
    }
}

fn instant(value: &Value<'_>) -> Instant {
    match value {
        Value::Null => Instant::Missing,
        Value::Number(text) => instant_of(text),
        Value::String(text) => instant_of(text),
        _ => Instant::Nonsense,
    }
}

fn instant_of(text: &str) -> Instant {
    if text.is_empty() {
        return Instant::Missing;
    }
    // Plain digits, nearly always.
    if let Some(ns) = nineteen_digits(text).or_else(|| text.parse().ok()) {
        return Instant::Ns(ns);
    }
    decimal_ns(text, 9).map_or(Instant::Nonsense, Instant::Ns)
}

/// The number of 19 digits, as nanoseconds have since 2001.
fn nineteen_digits(text: &str) -> Option<i64> {
    let (first, rest) = text.as_bytes().split_first_chunk::<16>()?;
    let rest = <[u8; 3]>::try_from(rest).ok().filter(|it| it.iter().all(u8::is_ascii_digit))?;
    let rest = rest.iter().fold(0, |number, it| number * 10 + u64::from(it - b'0'));
    i64::try_from(decimal(first)? * 1000 + rest).ok()
}

fn status<'a>(cursor: &mut Cursor<'a>, fields: &mut Fields<'a>) -> Result<()> {
    if cursor.peek() != Some(b'{') {
        return cursor.skip();
    }
    cursor.object(|cursor, key| {
        match key {
            "code" => {
                fields.failed = match cursor.value()? {
                    Value::Number("2") => Some(true),
                    Value::Number("1") => Some(false),
                    Value::String(text) => match text.strip_prefix("STATUS_CODE_").unwrap_or(&text) {
                        "ERROR" | "Error" | "2" => Some(true),
                        "OK" | "Ok" | "1" => Some(false),
                        _ => None,
                    },
                    _ => None,
                };
            }
            "message" => fields.description = text_of(cursor.value()?),
            _ => cursor.skip()?,
        }
        Ok(())
    })
}

/// Reads links: those that OpenTracing's users meant as references, and with `all` the others too.
fn links(cursor: &mut Cursor<'_>, links: &mut Vec<Reference>, all: bool) -> Result<()> {
    if cursor.peek() != Some(b'[') {
        return cursor.skip();
    }
    cursor.array(|cursor| {
        if cursor.peek() != Some(b'{') {
            return cursor.skip();
        }
        let (mut trace, mut span, mut follows_from) = (None, None, false);
        cursor.object(|cursor, key| {
            match key {
                "attributes" => value::attributes(cursor, |key, value, _| {
                    follows_from |= key == "opentracing.ref_type" && value.text().as_deref() == Some("follows_from");
                })?,
                "traceId" | "trace_id" => trace = text_of(cursor.value()?).and_then(|it| id(&it)),
                "spanId" | "span_id" => span = text_of(cursor.value()?).and_then(|it| id(&it)),
                _ => cursor.skip()?,
            }
            Ok(())
        })?;
        if let Some(span) = span.filter(|_| all || follows_from) {
            let trace = trace.map(Box::new);
            links.push(Reference { span, trace, follows_from: true, is_link: !follows_from });
        }
        Ok(())
    })
}

/// The server's warnings, of which two matter.
fn warnings(value: &AnyValue<'_>) -> Vec<Said> {
    let words = value.plain_json();
    let mut said = Vec::new();
    if words.contains("timestamps were adjusted by") {
        said.push(Said::SkewCorrected);
    }
    if let Some(at) = words.find("trace has more than") {
        said.push(Said::Cut(words[at..].trim_end_matches(['"', ']']).to_owned()));
    }
    said
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ids_and_times_read_at_once_are_those_read_plainly(
            mut text in "[0-9a-f]{15,33}|[0-9]{18,20}",
            other: Option<(prop::sample::Index, char)>,
        ) {
            if let Some((at, other)) = other {
                let at = at.index(text.len());
                text.replace_range(at..=at, &other.to_string());
            }
            if let Some(usual) = usual_id(text.as_bytes()) {
                prop_assert_eq!(format!("{usual:?}"), format!("{:?}", Id::parse(&text).unwrap()));
            }
            if let Some(ns) = nineteen_digits(&text) {
                prop_assert_eq!(Ok(ns), text.parse());
            }
        }
    }

    #[test]
    fn what_is_usual_is_read_at_once() {
        assert!(usual_id(b"0123456789abcdef").is_some() && usual_id(b"0123456789abcdef0123456789abcdef").is_some());
        assert_eq!(nineteen_digits("1793527200016540000"), Some(1_793_527_200_016_540_000));
        assert_eq!(nineteen_digits("9999999999999999999"), None);
    }
}
