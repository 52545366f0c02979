//! One span of Jaeger JSON.

use std::borrow::Cow;

use super::{Element, JaegerParser, N_RECENT_KEYS, ProcessRef, RawReference, RecentKey, Result, TraceWord, text_of};
use crate::input::Sink;
use crate::input::json::{Cursor, Layout, Value};
use crate::model::{
    Draft, DraftSpan, Event, Id, Kind, Known, NoDuration, Reference, Run, UNKNOWN_OPERATION, longest_written,
};

/// Starts and ends beyond this are refused.
pub(super) const LIMIT_NS: i64 = crate::model::FARTHEST_NS;

/// A span's fields as they come.
#[derive(Default)]
struct Fields<'a> {
    trace: TraceWord,
    id: Option<Id>,
    operation: Option<crate::model::Name>,
    /// The number of the operation, by which its tags are remembered.
    owner: Option<u32>,
    start: Time,
    duration: Time,
    process: ProcessField<'a>,
    attributes: Run,
    events: Run,
    parent: Option<Id>,
    /// What makes no sense about it.
    nonsense: Option<&'static str>,
}

/// A member of a span.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    TraceId,
    SpanId,
    Operation,
    References,
    Start,
    Duration,
    Tags,
    Logs,
    ProcessId,
    Process,
    Parent,
    Warnings,
    Other,
}

impl Field {
    pub(super) fn of(key: &str) -> Field {
        match key {
            "traceID" => Field::TraceId,
            "spanID" => Field::SpanId,
            "operationName" => Field::Operation,
            "references" => Field::References,
            "startTime" => Field::Start,
            "duration" => Field::Duration,
            "tags" => Field::Tags,
            "logs" => Field::Logs,
            "processID" => Field::ProcessId,
            "process" => Field::Process,
            "parentSpanID" => Field::Parent,
            "warnings" => Field::Warnings,
            _ => Field::Other,
        }
    }
}

/// A member of a reference.
#[derive(Clone, Copy, Debug)]
pub(super) enum ReferenceField {
    Type,
    TraceId,
    SpanId,
    Other,
}

impl ReferenceField {
    fn of(key: &str) -> ReferenceField {
        match key {
            "refType" => ReferenceField::Type,
            "traceID" => ReferenceField::TraceId,
            "spanID" => ReferenceField::SpanId,
            _ => ReferenceField::Other,
        }
    }
}

/// A member of a log.
#[derive(Clone, Copy, Debug)]
pub(super) enum EventField {
    Timestamp,
    Fields,
    Other,
}

impl EventField {
    fn of(key: &str) -> EventField {
        match key {
            "timestamp" => EventField::Timestamp,
            "fields" => EventField::Fields,
            _ => EventField::Other,
        }
    }
}

/// Which process a span says it is of.
#[derive(Default)]
enum ProcessField<'a> {
    #[default]
    None,
    Key(Cow<'a, str>),
    Embedded(u32),
}

/// A number of microseconds as it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::input) enum Time {
    #[default]
    Missing,
    Ns(i64),
    /// A number, but beyond all sense.
    TooLarge,
    /// No number.
    Nonsense,
}

impl JaegerParser {
    /// Reads a span into the draft, or counts it as skipped.
    pub(super) fn span(&mut self, cursor: &mut Cursor<'_>, element: &mut Element, sink: &mut dyn Sink) -> Result<()> {
        if self.usual_span(cursor, element)? {
            return Ok(());
        }
        let at = self.in_element(cursor);
        let mut fields = Fields::default();
        element.references.clear();
        let (references, last_trace) = (&mut element.references, element.last_trace.as_str());
        let mut way = cursor.enter_fields(&mut self.layouts.span)?;
        while let Some(field) = cursor.next_field(&mut self.layouts.span, &mut way, Field::of)? {
            self.field(cursor, field, &mut fields, references, last_trace)?;
        }
        match self.push_span(fields, element) {
            Ok(()) => {}
            Err(reason) => sink.skip(reason, at),
        }
        Ok(())
    }

    #[inline]
    fn field<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        field: Field,
        fields: &mut Fields<'a>,
        references: &mut Vec<RawReference>,
        last_trace: &str,
    ) -> Result<()> {
        match field {
            Field::TraceId => fields.trace = trace_word(cursor, last_trace)?,
            Field::SpanId => fields.id = id(cursor)?,
            Field::Operation => match cursor.value()? {
                Value::Null => {}
                value => match text_of(value) {
                    Some(text) => {
                        let (name, number) = self.names.numbered(&text);
                        (fields.operation, fields.owner) = (Some(name).filter(|_| !text.is_empty()), Some(number));
                    }
                    None => fields.nonsense = Some("a span whose operation is not a text"),
                },
            },
            Field::References => read_references(cursor, references, &mut self.layouts.reference, last_trace)?,
            Field::Start => fields.start = read_micros(cursor)?,
            Field::Duration => fields.duration = read_micros(cursor)?,
            Field::Tags => fields.attributes = self.attributes(cursor, fields.owner)?,
            Field::Logs => fields.events = self.events(cursor, fields.owner)?,
            Field::ProcessId => {
                if let Some(key) = text_of(cursor.value()?) {
                    // An embedded process is the span's own word, and an empty key is none.
                    if !key.is_empty() && !matches!(fields.process, ProcessField::Embedded(_)) {
                        fields.process = ProcessField::Key(key);
                    }
                }
            }
            Field::Process if cursor.peek() == Some(b'{') => {
                fields.process = ProcessField::Embedded(self.process(cursor)?);
            }
            Field::Parent => fields.parent = id(cursor)?,
            Field::Warnings => self.warnings(cursor)?,
            Field::Process | Field::Other => cursor.skip()?,
        }
        Ok(())
    }

    pub(super) fn events(&mut self, cursor: &mut Cursor<'_>, owner: Option<u32>) -> Result<Run> {
        let start = self.draft.events.len() as u32;
        if cursor.exactly(b"[]") {
            return Ok(Run::default());
        }
        if cursor.peek() != Some(b'[') {
            cursor.skip()?;
            return Ok(Run::default());
        }
        cursor.array(|cursor| {
            if cursor.peek() != Some(b'{') {
                return cursor.skip();
            }
            let mut at_ns = None;
            let mut attributes = Run::default();
            let mut way = cursor.enter_fields(&mut self.layouts.event)?;
            while let Some(field) = cursor.next_field(&mut self.layouts.event, &mut way, EventField::of)? {
                match field {
                    EventField::Timestamp => {
                        at_ns = match read_micros(cursor)? {
                            Time::Ns(ns) => Some(ns),
                            _ => None,
                        };
                    }
                    EventField::Fields => {
                        std::mem::swap(&mut self.tags, &mut self.event_tags);
                        let read = self.attributes(cursor, owner);
                        std::mem::swap(&mut self.tags, &mut self.event_tags);
                        attributes = read?;
                    }
                    EventField::Other => cursor.skip()?,
                }
            }
            // Most logs say nothing that a pass reads.
            if attributes.start < attributes.end {
                self.draft.events.push(Event { at_ns, attributes });
            }
            Ok(())
        })?;
        Ok(Run { start, end: self.draft.events.len() as u32 })
    }

    /// Puts a span into the draft, unless it makes no sense.
    fn push_span(&mut self, fields: Fields<'_>, element: &mut Element) -> std::result::Result<(), &'static str> {
        if let Some(reason) = fields.nonsense {
            return Err(reason);
        }
        let Some(id) = fields.id.clone() else { return Err("a span without an id") };
        let start_ns = match fields.start {
            Time::Ns(ns) => Some(ns),
            Time::Missing => None,
            Time::TooLarge => return Err("a span whose times do not fit"),
            Time::Nonsense => return Err("a span whose start is not a number"),
        };
        let duration_ns = match fields.duration {
            Time::Ns(ns) if ns < 0 => Err(NoDuration::Negative),
            Time::Ns(ns) => Ok(ns),
            Time::Missing => Err(NoDuration::Missing),
            Time::TooLarge => return Err("a span whose times do not fit"),
            Time::Nonsense => return Err("a span whose duration is not a number"),
        };
        let end_ns = start_ns.unwrap_or(0).checked_add(duration_ns.unwrap_or(0));
        if end_ns.is_none_or(|it| it > LIMIT_NS) {
            return Err("a span whose times do not fit");
        }
        let trace = element.tag(&fields.trace);
        let references = self.push_references(&fields, element, trace);
        let operation = fields.operation.unwrap_or_else(|| self.names.get(UNKNOWN_OPERATION));
        let kind = kind_of(&self.draft, fields.attributes);
        self.draft.spans.push(DraftSpan {
            id,
            operation,
            process: 0,
            start_ns,
            duration_ns,
            kind,
            failed: None,
            shared: false,
            supplement: false,
            attributes: fields.attributes,
            events: fields.events,
            references,
        });
        let process = match fields.process {
            ProcessField::None => ProcessRef::None,
            ProcessField::Key(key) => ProcessRef::Key(element.process_place(&key)),
            ProcessField::Embedded(process) => ProcessRef::Embedded(process),
        };
        element.spans.push((trace, process));
        Ok(())
    }

    fn push_references(&mut self, fields: &Fields<'_>, element: &Element, tag: u32) -> Run {
        let start = self.draft.references.len() as u32;
        for raw in &element.references {
            let trace = match &raw.trace {
                // Spelled alike: the usual case, and no id to parse.
                TraceWord::None | TraceWord::Last => None,
                theirs if *theirs == fields.trace => None,
                TraceWord::Text(theirs) => {
                    Id::parse(theirs).filter(|it| tag == 0 || element.trace_ids[tag as usize - 1] != *it).map(Box::new)
                }
            };
            let reference = Reference { span: raw.span.clone(), trace, follows_from: raw.follows_from, is_link: false };
            self.draft.references.push(reference);
        }
        // The old dialect's parent, where references do not say it already.
        if let Some(parent) = &fields.parent
            && !element.references.iter().any(|it| it.span == *parent)
        {
            self.draft.references.push(Reference {
                span: parent.clone(),
                trace: None,
                follows_from: false,
                is_link: false,
            });
        }
        Run { start, end: self.draft.references.len() as u32 }
    }
}

/// The kind that attributes tell.
#[inline]
pub(super) fn kind_of(draft: &Draft, attributes: Run) -> Option<Kind> {
    draft.find(attributes, Known::SpanKind).and_then(Kind::from_text)
}

fn read_references(
    cursor: &mut Cursor<'_>,
    references: &mut Vec<RawReference>,
    layout: &mut Layout<ReferenceField>,
    last_trace: &str,
) -> Result<()> {
    if cursor.exactly(b"[]") {
        return Ok(());
    }
    if let Some(span) = usual_reference(cursor, last_trace) {
        references.push(RawReference { trace: TraceWord::Last, span, follows_from: false });
        return Ok(());
    }
    if cursor.peek() != Some(b'[') {
        return cursor.skip();
    }
    cursor.array(|cursor| {
        if cursor.peek() != Some(b'{') {
            return cursor.skip();
        }
        let (mut trace, mut span, mut follows_from) = (TraceWord::None, None, false);
        cursor.fields(layout, ReferenceField::of, |cursor, field| {
            match field {
                ReferenceField::Type => {
                    follows_from =
                        matches!(cursor.value()?, Value::String(it) if it.eq_ignore_ascii_case("follows_from"));
                }
                ReferenceField::TraceId => trace = trace_word(cursor, last_trace)?,
                ReferenceField::SpanId => span = id(cursor)?,
                ReferenceField::Other => cursor.skip()?,
            }
            Ok(())
        })?;
        if let Some(span) = span {
            references.push(RawReference { trace, span, follows_from });
        }
        Ok(())
    })
}

/// Reads a list of one reference, to the parent in the same trace, spelled as servers do.
#[inline]
pub(super) fn usual_reference(cursor: &mut Cursor<'_>, last_trace: &str) -> Option<Id> {
    let at = cursor.position();
    let is_usual = !last_trace.is_empty()
        && cursor.exactly(br#"[{"refType":"CHILD_OF","traceID":""#)
        && cursor.exactly(last_trace.as_bytes())
        && cursor.exactly(br#"","spanID":"#);
    let span = if is_usual { cursor.quoted(16).and_then(Id::of_digits) } else { None };
    if span.is_some() && cursor.exactly(b"}]") {
        return span;
    }
    cursor.back_to(at);
    None
}

/// Reads the id of a trace, which is probably spelled as the last one (empty for none).
#[inline]
fn trace_word(cursor: &mut Cursor<'_>, last: &str) -> Result<TraceWord> {
    if !last.is_empty() {
        let at = cursor.position();
        if cursor.quoted(last.len()).is_some_and(|it| it == last.as_bytes()) {
            return Ok(TraceWord::Last);
        }
        cursor.back_to(at);
    }
    Ok(match text_of(cursor.value()?) {
        Some(text) if !text.is_empty() => TraceWord::Text(text.into_owned()),
        _ => TraceWord::None,
    })
}

/// Reads an id, of 16 digits as a rule.
#[inline]
fn id(cursor: &mut Cursor<'_>) -> Result<Option<Id>> {
    let at = cursor.position();
    if let Some(id) = cursor.quoted(16).and_then(Id::of_digits) {
        return Ok(Some(id));
    }
    cursor.back_to(at);
    Ok(text_of(cursor.value()?).and_then(|it| Id::parse(&it)))
}

/// Consumes whole microseconds, if plain digits are what is next and not too many; gives nanoseconds.
#[inline]
pub(super) fn usual_micros(cursor: &mut Cursor<'_>) -> Option<i64> {
    let micros = cursor.whole_number().filter(|it| *it <= (LIMIT_NS / 1000) as u64)?;
    Some(micros as i64 * 1000)
}

/// As [`micros`], of the value that is next: plain digits as a rule.
#[inline]
fn read_micros(cursor: &mut Cursor<'_>) -> Result<Time> {
    let at = cursor.position();
    if let Some(ns) = usual_micros(cursor) {
        return Ok(Time::Ns(ns));
    }
    cursor.back_to(at);
    Ok(micros(&cursor.value()?))
}

/// The bytes of a key of up to 7, and one more than their number; 0 for a longer one.
#[inline]
fn word(key: &str) -> u64 {
    if key.len() > 7 {
        return 0;
    }
    key.bytes().fold(key.len() as u64 + 1, |word, byte| word << 8 | u64::from(byte))
}

impl Element {
    /// The place of a process's key.
    #[inline]
    pub(super) fn process_place(&mut self, key: &str) -> u32 {
        let word = word(key);
        // Fibonacci hashing.
        let slot = (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % N_RECENT_KEYS;
        let recent = self.recent_keys[slot];
        if word != 0 && recent.word == word && recent.element == self.number {
            return recent.place;
        }
        let place = self.new_place(key);
        self.recent_keys[slot] = RecentKey { word, element: self.number, place };
        place
    }

    fn new_place(&mut self, key: &str) -> u32 {
        let next = self.processes.len() as u32;
        let (number, place) = match self.process_keys.get_mut(key) {
            Some(known) => known,
            None => self.process_keys.entry(key.to_owned()).or_insert((0, 0)),
        };
        if *number != self.number {
            (*number, *place) = (self.number, next);
            self.processes.push(None);
        }
        *place
    }

    /// The tag of the trace a span names; 0 if it names none. References that name it as the last one did
    /// name that one from here on.
    #[inline]
    fn tag(&mut self, trace: &TraceWord) -> u32 {
        match trace {
            TraceWord::Last => self.last_tag,
            TraceWord::None => {
                self.spell_out_last();
                0
            }
            TraceWord::Text(text) => {
                self.spell_out_last();
                self.new_tag(text)
            }
        }
    }

    /// References to the trace of the span before, of a span of another one.
    fn spell_out_last(&mut self) {
        for reference in self.references.iter_mut().filter(|it| it.trace == TraceWord::Last) {
            reference.trace = TraceWord::Text(self.last_trace.clone());
        }
    }

    fn new_tag(&mut self, text: &str) -> u32 {
        let Some(id) = Id::parse(text) else { return 0 };
        let next = self.trace_ids.len() as u32 + 1;
        let tag = *self.by_id.entry(id.clone()).or_insert(next);
        match self.trace_ids.get_mut(tag as usize - 1) {
            None => self.trace_ids.push(id),
            Some(known) => *known = longest_written(known.clone(), &id),
        }
        self.last_trace.clear();
        self.last_tag = tag;
        // What is written with escapes is never compared as it stands.
        if !text.bytes().any(|it| it < 0x20 || matches!(it, b'"' | b'\\')) {
            self.last_trace.push_str(text);
        }
        tag
    }

    /// The id of the trace with a tag, in the longest form that was written.
    pub(super) fn id(&self, tag: u32) -> Option<Id> {
        let Some(named) = (tag as usize).checked_sub(1).map(|it| &self.trace_ids[it]) else {
            return self.trace_id.clone();
        };
        let own = self.trace_id.as_ref().filter(|it| *it == named);
        Some(own.map_or_else(|| named.clone(), |it| longest_written(named.clone(), it)))
    }
}

/// Reads microseconds: a number, or a number in quotes; what wrapped below zero is below zero again.
pub(in crate::input) fn micros(value: &Value<'_>) -> Time {
    let text = match value {
        Value::Null => return Time::Missing,
        Value::Number(text) => text,
        Value::String(text) => text.trim(),
        Value::Bool(_) | Value::Container(_) => return Time::Nonsense,
    };
    if let Some(time) = whole(text) {
        return time;
    }
    match text.split_once('.') {
        Some((micros, fraction)) if !text.contains(['e', 'E']) => decimal(micros, fraction),
        _ => match text.parse::<f64>() {
            Ok(micros)
                if micros.is_finite() && !text.trim_start_matches(['-', '+']).starts_with(char::is_alphabetic) =>
            {
                let ns = (micros * 1000.0).round();
                if ns.abs() <= LIMIT_NS as f64 { Time::Ns(ns as i64) } else { too_far(ns < 0.0) }
            }
            _ => Time::Nonsense,
        },
    }
}

/// Whole microseconds; `None` for any other text.
fn whole(text: &str) -> Option<Time> {
    // Servers write negative numbers as unsigned ones.
    let micros = text.parse::<u64>().map(|it| it as i64).or_else(|_| text.parse::<i64>());
    if let Ok(micros) = micros {
        let ns = micros.checked_mul(1000).filter(|it| it.abs() <= LIMIT_NS);
        return Some(ns.map_or_else(|| too_far(micros < 0), Time::Ns));
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
    is_number.then(|| too_far(text.starts_with('-')))
}

/// What wrapped is below zero, however far; what is too large is no time.
fn too_far(negative: bool) -> Time {
    if negative { Time::Ns(-LIMIT_NS) } else { Time::TooLarge }
}

/// Microseconds with a fraction, exactly to the nanosecond.
fn decimal(micros: &str, fraction: &str) -> Time {
    if !fraction.bytes().all(|it| it.is_ascii_digit()) {
        return Time::Nonsense;
    }
    let digits = |nth: usize| fraction.as_bytes().get(nth).map_or(0, |it| i64::from(it - b'0'));
    let ns = digits(0) * 100 + digits(1) * 10 + digits(2);
    match whole(micros) {
        // What is as far below zero as may be stays there.
        Some(farthest @ Time::Ns(base)) if base == -LIMIT_NS => farthest,
        Some(Time::Ns(base)) => {
            let ns = if micros.starts_with('-') { base - ns } else { base + ns };
            if ns.abs() <= LIMIT_NS { Time::Ns(ns) } else { too_far(ns < 0) }
        }
        Some(other) => other,
        None => Time::Nonsense,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Time {
        micros(&Cursor::new(text).value().unwrap())
    }

    #[test]
    fn microseconds_come_in_many_spellings() {
        for (text, ns) in [
            ("1700000000000000", 1_700_000_000_000_000_000),
            ("\"1700000000000000\"", 1_700_000_000_000_000_000),
            ("0", 0),
            ("1.5", 1_500),
            ("1700000000000000.123456", 1_700_000_000_000_000_123),
            ("1e3", 1_000_000),
            ("-5", -5_000),
            ("18446744073709551516", -100_000),
            ("18446744073709551516.0", -100_000),
            ("-9000000000000000000", -LIMIT_NS),
            ("15532559262904483838.5", -LIMIT_NS),
            ("-1e30", -LIMIT_NS),
            ("-4611686018427387.999", -LIMIT_NS),
        ] {
            assert_eq!(read(text), Time::Ns(ns), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_said_to_be_none() {
        assert_eq!(read("null"), Time::Missing);
        for text in ["\"soon\"", "true", "[]", "{}", "\"\"", "\"NaN\"", "\"inf\"", "\"1.x\""] {
            assert_eq!(read(text), Time::Nonsense, "{text}");
        }
        for text in
            ["9000000000000000000", "1e30", "5000000000000000", "99999999999999999999", "99999999999999999999.5"]
        {
            assert_eq!(read(text), Time::TooLarge, "{text}");
        }
    }
}
