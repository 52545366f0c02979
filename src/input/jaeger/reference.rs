//! Jaeger's JSON read a second time, plainly: whole values in memory, made by serde_json, in which every
//! field is looked up. It shares with the reader what ids, kinds and spans are, but nothing that reads.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::input::plain::{Attributes, Plain, PlainSpan, Said};
use crate::model::{FARTHEST_NS, Id, Kind, NoDuration, UNKNOWN_OPERATION, ValueType, Wanted};

/// The members of an object in their order, doubled keys and all.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members<'a>, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// The members of what is an object.
fn members(raw: &RawValue) -> Option<Vec<(String, &RawValue)>> {
    serde_json::from_str::<Members<'_>>(raw.get()).ok().map(|it| it.0)
}

/// The items of what is a list.
fn items(raw: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(raw.get()).ok()
}

/// Whether serde_json takes it: no deeper than it goes, no half of a surrogate pair, no number too large.
fn is_sound(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok()
}

/// A text, or a number as it is written.
fn text_of(raw: &RawValue) -> Option<String> {
    match raw.get().as_bytes()[0] {
        b'"' => serde_json::from_str(raw.get()).ok(),
        b'-' | b'0'..=b'9' => Some(raw.get().to_owned()),
        _ => None,
    }
}

/// What the bytes of a source hold; `None` if they are not such JSON from end to end.
pub(in crate::input) fn read<'a>(bytes: &'a [u8], wanted: &Wanted) -> Option<Plain> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut elements = Vec::new();
    // Between values there may be byte order marks: of files that were put together.
    let next = |rest: &'a str| rest.trim_start_matches([' ', '\n', '\r', '\t', '\u{feff}']);
    let mut rest = next(text);
    while !rest.is_empty() {
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
        let value = values.next()?.ok()?;
        rest = next(&rest[values.byte_offset()..]);
        match value.get().as_bytes()[0] {
            b'{' => elements_of_object(value, &mut elements)?,
            b'[' => elements.extend(items(value)?),
            _ => return None,
        }
    }
    let mut reading = Reading { text, wanted, plain: Plain::default() };
    for element in elements {
        if !is_sound(element.get()) {
            return None;
        }
        reading.element(element);
    }
    Some(reading.plain)
}

/// The elements of an envelope, or the object itself; what stands beside an envelope must be sound.
fn elements_of_object<'a>(object: &'a RawValue, elements: &mut Vec<&'a RawValue>) -> Option<()> {
    let mut is_envelope = false;
    for (key, value) in members(object)? {
        let shows = ["traceID", "spans", "processes", "spanID", "operationName", "process"].contains(&key.as_str());
        if key == "data" {
            is_envelope = true;
            match value.get().as_bytes()[0] {
                b'[' => elements.extend(items(value)?),
                b'{' => elements.push(value),
                b'n' => {}
                _ => return None,
            }
        } else if shows && !is_envelope {
            elements.push(object);
            return Some(());
        } else if !is_sound(value.get()) {
            return None;
        }
    }
    Some(())
}

struct Reading<'a> {
    text: &'a str,
    wanted: &'a Wanted,
    plain: Plain,
}

/// A span that makes sense, the trace it names, and where it says its process is.
struct Span {
    trace: Option<Id>,
    process: Process,
    span: PlainSpan,
}

#[derive(Clone, Debug)]
enum Process {
    None,
    Key(String),
    Embedded(ProcessFields),
}

#[derive(Clone, Debug, Default)]
struct ProcessFields {
    service: Option<String>,
    attributes: Attributes,
}

impl Reading<'_> {
    fn skip(&mut self, reason: &'static str, at: &RawValue) {
        let at = at.get().as_ptr().addr() - self.text.as_ptr().addr();
        self.plain.skips.push((at as u64, reason));
    }

    fn element(&mut self, raw: &RawValue) {
        let Some(fields) = members(raw) else { return self.skip("not a trace where one belongs", raw) };
        let spans: Vec<&RawValue> =
            fields.iter().filter(|it| it.0 == "spans").flat_map(|it| items(it.1).unwrap_or_default()).collect();
        let has = |key: &str| fields.iter().any(|it| it.0 == key);
        let mut said = Said::default();
        if spans.is_empty() && ["spanID", "operationName", "startTime", "process"].into_iter().any(has) {
            let span = self.span(raw, &mut said);
            return self.finish(raw, span.into_iter().collect(), None, &said, false);
        }
        if spans.is_empty() {
            return self.skip("a trace without spans", raw);
        }
        let mut processes = BTreeMap::new();
        let mut trace = None;
        for (key, value) in &fields {
            match key.as_str() {
                "traceID" => trace = text_of(value).and_then(|it| Id::parse(&it)),
                "warnings" => warnings(value, &mut said),
                "processes" => {
                    for (key, value) in members(value).unwrap_or_default() {
                        processes.insert(key, self.process(value));
                    }
                }
                _ => {}
            }
        }
        let mut read = Vec::new();
        for span in spans {
            if members(span).is_some() {
                read.extend(self.span(span, &mut said));
            } else {
                self.skip("not a span where one belongs", span);
            }
        }
        for span in &mut read {
            if let Process::Key(key) = &span.process {
                span.process = processes.get(key).map_or(Process::None, |it| Process::Embedded(it.clone()));
            }
        }
        self.finish(raw, read, trace, &said, true);
    }

    /// Gives every span its process, and each trace its spans.
    fn finish(&mut self, element: &RawValue, mut spans: Vec<Span>, own: Option<Id>, said: &Said, is_whole: bool) {
        // The spelling that stands for all of a trace's.
        let mut spellings: Vec<Id> = Vec::new();
        for id in spans.iter().filter_map(|it| it.trace.clone()) {
            match spellings.iter_mut().find(|it| **it == id) {
                Some(known) => *known = longest(known, &id),
                None => spellings.push(id),
            }
        }
        if let Some(own) = &own {
            match spellings.iter_mut().find(|it| *it == own) {
                Some(known) => *known = longest(known, own),
                None => spellings.push(own.clone()),
            }
        }
        let mut parts: Vec<Option<Id>> = Vec::new();
        for span in &mut spans {
            let id = span.trace.as_ref().or(own.as_ref());
            let id = id.map(|it| spellings.iter().find(|known| *known == it).expect("all are there").clone());
            if !parts.contains(&id) {
                parts.push(id.clone());
            }
            span.trace = id;
        }
        for id in parts {
            let Some(id) = id else {
                for _ in spans.iter().filter(|it| it.trace.is_none()) {
                    self.skip("a span without a trace id", element);
                }
                continue;
            };
            self.plain.traces.push((id.to_string(), is_whole, said.clone()));
            for of_this in spans.iter().filter(|it| it.trace.as_ref() == Some(&id)) {
                let mut span = PlainSpan { trace: id.to_string(), ..of_this.span.clone() };
                if let Process::Embedded(process) = &of_this.process {
                    span.service = process.service.clone();
                    span.of_process = process.attributes.clone();
                }
                self.plain.spans.push(span);
            }
        }
    }

    fn span(&mut self, raw: &RawValue, said: &mut Said) -> Option<Span> {
        match self.span_fields(raw, said) {
            Ok(span) => Some(span),
            Err(reason) => {
                self.skip(reason, raw);
                None
            }
        }
    }

    fn span_fields(&mut self, raw: &RawValue, said: &mut Said) -> Result<Span, &'static str> {
        let fields = members(raw).unwrap_or_default();
        let all = |key: &'static str| fields.iter().filter(move |it| it.0 == key).map(|it| it.1);
        // Of a key that is there twice the last counts.
        let last = |key: &'static str| all(key).next_back();
        let text = |key: &'static str| last(key).and_then(text_of);
        all("warnings").for_each(|it| warnings(it, said));
        let mut operations = all("operationName").filter(|it| it.get() != "null").map(text_of);
        if operations.clone().any(|it| it.is_none()) {
            return Err("a span whose operation is not a text");
        }
        let operation = operations.next_back().flatten().filter(|it| !it.is_empty());
        let id = text("spanID").and_then(|it| Id::parse(&it)).ok_or("a span without an id")?;
        let (start_ns, duration_ns) = times(last("startTime"), last("duration"))?;
        let trace = text("traceID");
        let references = references(
            all("references").flat_map(|it| items(it).unwrap_or_default()),
            trace.as_deref(),
            text("parentSpanID").and_then(|it| Id::parse(&it)),
        );
        let key = all("processID").filter_map(text_of).rfind(|it| !it.is_empty());
        let process = match all("process").rfind(|it| members(it).is_some()) {
            Some(embedded) => Process::Embedded(self.process(embedded)),
            None => key.map_or(Process::None, Process::Key),
        };
        let attributes = last("tags").map(|it| self.attributes(it)).unwrap_or_default();
        let events = last("logs").map(|it| self.events(it)).unwrap_or_default();
        let kind = attributes.iter().find(|it| it.0 == "span.kind").and_then(|it| Kind::from_text(&it.2));
        let span = PlainSpan {
            trace: String::new(),
            id: id.to_string(),
            references,
            service: None,
            operation: operation.unwrap_or_else(|| UNKNOWN_OPERATION.to_owned()),
            kind,
            start_ns,
            duration_ns,
            attributes,
            of_process: Vec::new(),
            events,
        };
        Ok(Span { trace: trace.and_then(|it| Id::parse(&it)), process, span })
    }

    fn process(&self, raw: &RawValue) -> ProcessFields {
        let mut process = ProcessFields::default();
        for (key, value) in members(raw).unwrap_or_default() {
            match key.as_str() {
                "serviceName" => process.service = text_of(value).filter(|it| !it.is_empty()),
                "tags" => process.attributes = self.attributes(value),
                _ => {}
            }
        }
        process
    }

    fn events(&self, raw: &RawValue) -> Vec<(Option<i64>, Attributes)> {
        let mut events = Vec::new();
        for event in items(raw).unwrap_or_default() {
            let (mut at_ns, mut attributes) = (None, Vec::new());
            for (key, value) in members(event).unwrap_or_default() {
                match key.as_str() {
                    "timestamp" => at_ns = ns(Some(value)).ok().flatten(),
                    "fields" => attributes = self.attributes(value),
                    _ => {}
                }
            }
            if !attributes.is_empty() {
                events.push((at_ns, attributes));
            }
        }
        events
    }

    fn attributes(&self, raw: &RawValue) -> Attributes {
        items(raw).unwrap_or_default().into_iter().filter_map(|it| self.attribute(it)).collect()
    }

    fn attribute(&self, raw: &RawValue) -> Option<(String, ValueType, String)> {
        let (mut keys, mut found) = (Vec::new(), None);
        for (key, value) in members(raw)? {
            if key == "key" {
                let text = text_of(value).filter(|_| value.get().starts_with('"'));
                keys.push(text.filter(|it| self.wanted.key(it).is_some()));
            } else if key == "value" && keys.last().is_none_or(Option::is_some) {
                found = Some(value);
            }
        }
        let key = keys.pop()??;
        let value = found?;
        let (value_type, value) = match value.get().as_bytes()[0] {
            b'n' => return None,
            b't' | b'f' => (ValueType::Bool, value.get().to_owned()),
            b'{' | b'[' => (ValueType::Text, serde_json::from_str::<Value>(value.get()).ok()?.to_string()),
            b'"' => (ValueType::Text, text_of(value)?),
            _ => (ValueType::Number, value.get().to_owned()),
        };
        Some((key, value_type, value))
    }
}

fn warnings(raw: &RawValue, said: &mut Said) {
    for warning in items(raw).unwrap_or_default() {
        let Some(text) = text_of(warning).filter(|_| warning.get().starts_with('"')) else { continue };
        if text.contains("timestamps were adjusted by") {
            said.0 = true;
        } else if text.contains("spans, showing first") {
            said.1 = said.1.take().max(Some(text));
        }
    }
}

/// The longest spelling; of equally long ones the first by name.
fn longest(one: &Id, two: &Id) -> Id {
    let [a, b] = [one, two].map(ToString::to_string);
    if (std::cmp::Reverse(b.len()), &b) < (std::cmp::Reverse(a.len()), &a) { two.clone() } else { one.clone() }
}

/// Each reference's trace, where it is another one, its span, and whether it follows from it.
fn references<'a>(
    raw: impl Iterator<Item = &'a RawValue>,
    own: Option<&str>,
    parent: Option<Id>,
) -> Vec<(Option<String>, String, bool)> {
    let own_id = own.and_then(Id::parse);
    let mut references = Vec::new();
    for reference in raw {
        let (mut trace, mut span, mut follows) = (None, None, false);
        for (key, value) in members(reference).unwrap_or_default() {
            match key.as_str() {
                "refType" => {
                    let text = text_of(value).filter(|_| value.get().starts_with('"'));
                    follows = text.is_some_and(|it| it.eq_ignore_ascii_case("follows_from"));
                }
                "traceID" => trace = text_of(value).and_then(|it| Id::parse(&it)),
                "spanID" => span = text_of(value).and_then(|it| Id::parse(&it)),
                _ => {}
            }
        }
        if let Some(span) = span {
            references.push((trace.filter(|it| own_id.as_ref() != Some(it)), span, follows));
        }
    }
    if let Some(parent) = parent.filter(|it| !references.iter().any(|known| known.1 == *it)) {
        references.push((None, parent, false));
    }
    let text = |it: Id| it.to_string();
    references.into_iter().map(|(trace, span, follows)| (trace.map(text), text(span), follows)).collect()
}

type Times = (Option<i64>, Result<i64, NoDuration>);

fn times(start: Option<&RawValue>, duration: Option<&RawValue>) -> Result<Times, &'static str> {
    const FAR: &str = "a span whose times do not fit";
    let start_ns =
        ns(start).map_err(|it| if it == NoTime::TooLarge { FAR } else { "a span whose start is not a number" })?;
    let duration_ns = ns(duration)
        .map_err(|it| if it == NoTime::TooLarge { FAR } else { "a span whose duration is not a number" })?;
    let duration_ns = match duration_ns {
        None => Err(NoDuration::Missing),
        Some(ns) if ns < 0 => Err(NoDuration::Negative),
        Some(ns) => Ok(ns),
    };
    let end_ns = i128::from(start_ns.unwrap_or(0)) + i128::from(duration_ns.unwrap_or(0));
    if end_ns > i128::from(FARTHEST_NS) { Err(FAR) } else { Ok((start_ns, duration_ns)) }
}

#[derive(Debug, PartialEq, Eq)]
enum NoTime {
    TooLarge,
    Nonsense,
}

/// Nanoseconds of microseconds, however they are written; unsigned numbers beyond half their range are
/// below zero, and what is too far below is as far as may be.
fn ns(raw: Option<&RawValue>) -> Result<Option<i64>, NoTime> {
    let Some(raw) = raw.filter(|it| it.get() != "null") else { return Ok(None) };
    let text = text_of(raw).ok_or(NoTime::Nonsense)?;
    // Of a number there is nothing to trim.
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = whole.strip_prefix(['-', '+']).unwrap_or(whole);
    let is_decimal = |it: &str| it.bytes().all(|it| it.is_ascii_digit());
    let exact = if !digits.is_empty() && is_decimal(digits) && is_decimal(fraction) {
        let is_negative = whole.starts_with('-');
        // What does not even fit here is far beyond what may be.
        let micros = whole.parse().unwrap_or(if is_negative { -(1i128 << 100) } else { 1 << 100 });
        let is_wrapped = (1 << 63..1 << 64).contains(&micros);
        let micros = if is_wrapped { micros - (1 << 64) } else { micros };
        let below: i128 = format!("{fraction:0<3}")[..3].parse().map_err(|_| NoTime::Nonsense)?;
        micros.saturating_mul(1000).saturating_add(if is_negative { -below } else { below })
    } else if text.contains('.') && !text.contains(['e', 'E']) {
        return Err(NoTime::Nonsense);
    } else {
        let number: f64 = text.parse().map_err(|_| NoTime::Nonsense)?;
        let is_word = text.trim_start_matches(['-', '+']).starts_with(char::is_alphabetic);
        if is_word || !number.is_finite() {
            return Err(NoTime::Nonsense);
        }
        (number * 1000.0).round() as i128
    };
    if exact > i128::from(FARTHEST_NS) {
        return Err(NoTime::TooLarge);
    }
    Ok(Some(exact.max(-i128::from(FARTHEST_NS)) as i64))
}
