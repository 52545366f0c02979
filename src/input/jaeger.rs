//! Jaeger's query-API JSON: `{"data":[…]}` and everything its users make of it.
//!
//! Read in one pass over the bytes of a trace, whatever the order of keys: processes usually follow
//! the spans that name them, and a span's trace id may come last.

mod detect;
mod in_place;
#[cfg(any(test, fuzzing))]
pub(super) mod reference;
mod span;
mod template;
mod usual;

pub(super) use detect::judge as server_errors;

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::FixedState;

pub(super) use span::{Time, micros};

use super::json::{Cursor, Fault, Layout, Value, text_of};
use super::tags::{self, Mention, RememberedLists};
use super::{Ahead, Format, Frame, Frames, Head, Judgement, Parser, Sink, Sniff, Window};
use crate::model::{Draft, Id, Key, Name, NameCache, Process, Run, UNKNOWN_SERVICE, Wanted};
use template::Templates;

type Result<T> = std::result::Result<T, Fault>;

/// The format.
pub(super) struct Jaeger;

impl Format for Jaeger {
    fn name(&self) -> &'static str {
        "jaeger"
    }

    fn about(&self) -> &'static str {
        "Jaeger: the query API's JSON, and what its UI saves"
    }

    fn how_to_export(&self) -> &'static str {
        "curl 'http://JAEGER:16686/api/traces?service=NAME&limit=1000' > traces.json"
    }

    fn sniff(&self, head: &Head<'_>) -> Sniff {
        detect::sniff(head.text)
    }

    fn frame(&self) -> Frame {
        Frame {
            envelopes: &["data"],
            element_keys: &["traceID", "spans", "processes", "spanID", "operationName", "process"],
            sure_keys: &["spans"],
            element: "trace",
        }
    }

    fn parses_in_place(&self) -> bool {
        true
    }

    fn parser(&self, wanted: &Arc<Wanted>) -> Box<dyn Parser> {
        Box::new(JaegerParser {
            wanted: Arc::clone(wanted),
            names: NameCache::default(),
            draft: Draft::default(),
            tags: RememberedLists::default(),
            event_tags: RememberedLists::default(),
            mentions: Vec::new(),
            layouts: Layouts::default(),
            templates: Templates::default(),
            element: Element::default(),
            level: in_place::Level::Item,
            element_start: 0,
        })
    }

    fn judge(&self, frames: &Frames) -> Judgement {
        detect::judge(frames)
    }
}

struct JaegerParser {
    wanted: Arc<Wanted>,
    names: NameCache,
    draft: Draft,
    /// The tags of spans, by operation, and of processes, by service.
    tags: RememberedLists,
    /// The fields of logs, by the operation of their spans.
    event_tags: RememberedLists,
    /// Where the values of the list at hand stand, if it is to be remembered.
    mentions: Vec<Mention>,
    layouts: Layouts,
    templates: Templates,
    element: Element,
    /// Where in an array of traces the bytes before ended.
    level: in_place::Level,
    /// Where the element at hand begins, counted from the beginning of the text at hand.
    element_start: isize,
}

/// What the parser knows of the layout of spans: apart, so that it can be used while a span is read.
#[derive(Default)]
struct Layouts {
    span: Layout<span::Field>,
    reference: Layout<span::ReferenceField>,
    event: Layout<span::EventField>,
    process: Layout<ProcessMember>,
    tag: Layout<TagField>,
}

/// A member of a tag.
#[derive(Clone, Copy)]
enum TagField {
    Key,
    Value,
    Other,
}

impl TagField {
    fn of(key: &str) -> TagField {
        match key {
            "key" => TagField::Key,
            "value" => TagField::Value,
            _ => TagField::Other,
        }
    }
}

/// A member of a process.
#[derive(Clone, Copy)]
enum ProcessMember {
    Service,
    Tags,
    Other,
}

impl ProcessMember {
    fn of(key: &str) -> ProcessMember {
        match key {
            "serviceName" => ProcessMember::Service,
            "tags" => ProcessMember::Tags,
            _ => ProcessMember::Other,
        }
    }
}

/// So many keys of processes are remembered.
const MOST_PROCESS_KEYS: usize = 4096;

/// What is known of an element while it is read. Its memory serves for the next.
#[derive(Default)]
struct Element {
    /// The element's own trace id.
    trace_id: Option<Id>,
    /// The trace ids its spans name; a span's tag is the index in here, plus one.
    trace_ids: Vec<Id>,
    by_id: HashMap<Id, u32, FixedState>,
    /// The spelling met last (empty for none) and its tag: mostly the only one.
    last_trace: String,
    last_tag: u32,
    /// Keys of the `processes` object and of spans, each with the number of the element it was met in last, and its
    /// place in `processes` then: most elements use the same ones.
    process_keys: HashMap<String, (u64, u32), FixedState>,
    /// The number of the element at hand.
    number: u64,
    /// For each of these keys its process, once that has come.
    processes: Vec<Option<u32>>,
    /// Short keys that this element has met of late, by what their word comes to.
    recent_keys: [RecentKey; N_RECENT_KEYS],
    /// For each span: its trace's tag (0 if it names none), and the process it names.
    spans: Vec<(u32, ProcessRef)>,
    /// The references of the span at hand.
    references: Vec<RawReference>,
    has_spans: bool,
}

/// So many process keys are remembered without a map.
const N_RECENT_KEYS: usize = 32;

/// A short process key.
#[derive(Clone, Copy, Debug, Default)]
struct RecentKey {
    /// Its bytes, and one more than their number; 0 for none.
    word: u64,
    /// The number of the element it was met in.
    element: u64,
    place: u32,
}

impl Element {
    fn clear(&mut self) {
        self.trace_id = None;
        self.trace_ids.clear();
        self.by_id.clear();
        self.last_trace.clear();
        self.last_tag = 0;
        self.number += 1;
        if self.process_keys.len() > MOST_PROCESS_KEYS {
            self.process_keys.clear();
        }
        self.processes.clear();
        self.spans.clear();
        self.references.clear();
        self.has_spans = false;
    }
}

/// The id of a trace as a span or a reference spells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum TraceWord {
    /// Not at all.
    #[default]
    None,
    /// As the span before did.
    Last,
    Text(String),
}

/// A reference as it is written.
struct RawReference {
    trace: TraceWord,
    span: Id,
    follows_from: bool,
}

/// How a span says which process it is of.
#[derive(Clone, Copy)]
enum ProcessRef {
    /// Not at all.
    None,
    /// By a key of the trace's `processes`: its place among the element's.
    Key(u32),
    /// It carries its own.
    Embedded(u32),
}

impl Parser for JaegerParser {
    fn element(&mut self, text: &str, sink: &mut dyn Sink) -> Result<()> {
        self.draft.clear();
        self.element_start = 0;
        let mut cursor = Cursor::new(text);
        if cursor.peek() != Some(b'{') {
            cursor.skip()?;
            cursor.end()?;
            sink.skip("not a trace where one belongs", 0);
            return Ok(());
        }
        let mut element = std::mem::take(&mut self.element);
        element.clear();
        let outcome = self.whole_element(text, &mut element, sink);
        self.element = element;
        outcome
    }

    fn items(&mut self, window: &Window<'_>, sink: &mut dyn Sink) -> Option<Ahead> {
        Some(self.items_in_place(window, sink))
    }
}

impl JaegerParser {
    fn whole_element(&mut self, text: &str, element: &mut Element, sink: &mut dyn Sink) -> Result<()> {
        let mut cursor = Cursor::new(text);
        if self.trace_members(&mut cursor, element, sink)? {
            cursor = Cursor::new(text);
            self.draft.clear();
            element.clear();
            self.span(&mut cursor, element, sink)?;
            cursor.end()?;
            self.finish(element, sink, |sink, draft| sink.spans(draft));
            return Ok(());
        }
        cursor.end()?;
        self.finish_trace(element, sink);
        Ok(())
    }

    /// The cursor's position, counted from the beginning of the element.
    fn in_element(&self, cursor: &Cursor<'_>) -> usize {
        cursor.position().wrapping_add_signed(-self.element_start)
    }

    fn finish_trace(&mut self, element: &Element, sink: &mut dyn Sink) {
        if element.has_spans {
            self.finish(element, sink, |sink, draft| sink.trace(draft));
        } else {
            sink.skip("a trace without spans", 0);
        }
    }

    /// Reads a trace object; says at once if it turns out to be a span.
    fn trace_members(&mut self, cursor: &mut Cursor<'_>, element: &mut Element, sink: &mut dyn Sink) -> Result<bool> {
        let mut is_span = false;
        cursor.object(|cursor, key| {
            if key == "spans" && cursor.peek() == Some(b'[') {
                return cursor.array(|cursor| self.item_of_spans(cursor, element, sink));
            }
            is_span |= is_of_spans(key);
            self.trace_member(cursor, key, element)
        })?;
        Ok(is_span && !element.has_spans)
    }

    fn item_of_spans(&mut self, cursor: &mut Cursor<'_>, element: &mut Element, sink: &mut dyn Sink) -> Result<()> {
        if cursor.peek() == Some(b'{') {
            self.span(cursor, element, sink)?;
        } else {
            let at = self.in_element(cursor);
            cursor.skip()?;
            // A number may go on.
            if cursor.peek().is_none() {
                return cursor.starved();
            }
            sink.skip("not a span where one belongs", at);
        }
        element.has_spans = true;
        Ok(())
    }

    /// A member of a trace other than its list of spans.
    fn trace_member(&mut self, cursor: &mut Cursor<'_>, key: &str, element: &mut Element) -> Result<()> {
        match key {
            "traceID" => element.trace_id = text_of(cursor.value()?).and_then(|it| Id::parse(&it)),
            "processes" if cursor.peek() == Some(b'{') => {
                cursor.object(|cursor, key| {
                    let process = self.process(cursor)?;
                    let place = element.process_place(key);
                    element.processes[place as usize] = Some(process);
                    Ok(())
                })?;
            }
            "warnings" => self.warnings(cursor)?,
            _ => cursor.skip()?,
        }
        Ok(())
    }

    /// Reads a process; gives its index.
    fn process(&mut self, cursor: &mut Cursor<'_>) -> Result<u32> {
        let mut service = None;
        let mut owner = None;
        let mut attributes = Run::default();
        if cursor.peek() == Some(b'{') {
            let mut way = cursor.enter_fields(&mut self.layouts.process)?;
            while let Some(field) = cursor.next_field(&mut self.layouts.process, &mut way, ProcessMember::of)? {
                match field {
                    ProcessMember::Service => {
                        let text = text_of(cursor.value()?).filter(|it| !it.is_empty());
                        (service, owner) = text.map(|it| self.names.numbered(&it)).unzip();
                    }
                    ProcessMember::Tags => attributes = self.attributes(cursor, owner)?,
                    ProcessMember::Other => cursor.skip()?,
                }
            }
        } else {
            cursor.skip()?;
        }
        Ok(self.push_process(service, attributes))
    }

    fn push_process(&mut self, service: Option<Name>, attributes: Run) -> u32 {
        let is_known = service.is_some();
        let service = service.unwrap_or_else(|| self.names.get(UNKNOWN_SERVICE));
        self.draft.processes.push(Process { service, is_known, is_parents: false, attributes });
        self.draft.processes.len() as u32 - 1
    }

    /// Reads a list of `{key, type, value}`, keeping those that are wanted. Lists of one owner look alike.
    fn attributes(&mut self, cursor: &mut Cursor<'_>, owner: Option<u32>) -> Result<Run> {
        if cursor.peek() != Some(b'[') {
            cursor.skip()?;
            return Ok(Run::default());
        }
        if cursor.exactly(b"[]") {
            return Ok(Run::default());
        }
        let Some(owner) = owner else { return self.any_attributes(cursor) };
        if let Some(run) = self.tags.read(owner, cursor, &mut self.draft)? {
            return Ok(run);
        }
        let text = cursor.rest();
        let at = cursor.position();
        let run = self.any_attributes(cursor)?;
        self.tags.learn(owner, &text[..cursor.position() - at], at, &self.mentions, &self.draft);
        Ok(run)
    }

    fn any_attributes(&mut self, cursor: &mut Cursor<'_>) -> Result<Run> {
        let start = self.draft.attribute_mark();
        self.mentions.clear();
        cursor.array(|cursor| if cursor.peek() == Some(b'{') { self.attribute(cursor) } else { cursor.skip() })?;
        Ok(Run { start, end: self.draft.attribute_mark() })
    }

    fn attribute(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        let start = cursor.position();
        if self.usual_attribute(cursor)?.is_none() {
            cursor.back_to(start);
            self.any_attribute(cursor)?;
        }
        Ok(())
    }

    /// Reads an attribute spelled as servers do, its keys in any order: no space, no escapes.
    /// Everything is looked at; `None` where anything is different.
    #[inline]
    fn usual_attribute(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<()>> {
        if !cursor.exactly(b"{\"") {
            return Ok(None);
        }
        let (mut key, mut has_type, mut value) = (None, false, None);
        loop {
            if key.is_none() && cursor.exactly(br#"key":""#) {
                key = cursor.plain_rest();
                if key.is_none() {
                    return Ok(None);
                }
            } else if !has_type && cursor.exactly(br#"type":""#) {
                has_type = cursor.plain_rest().is_some();
                if !has_type {
                    return Ok(None);
                }
            } else if value.is_none() && cursor.exactly(br#"value":"#) {
                value = usual_value(cursor)?;
                if value.is_none() {
                    return Ok(None);
                }
            } else {
                return Ok(None);
            }
            if cursor.exactly(b"}") {
                break;
            }
            if !cursor.exactly(b",\"") {
                return Ok(None);
            }
        }
        let (Some(key), Some((value, range))) = (key, value) else { return Ok(None) };
        let wanted = self.wanted.key(key);
        self.mention(range, wanted, &value);
        Ok(Some(()))
    }

    /// Reads an attribute however it is spelled.
    fn any_attribute(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        let mut has_key = false;
        let mut wanted = None;
        let mut value = Value::Null;
        let mut range = 0..0;
        let mut n_values = 0;
        let mut way = cursor.enter_fields(&mut self.layouts.tag)?;
        while let Some(field) = cursor.next_field(&mut self.layouts.tag, &mut way, TagField::of)? {
            match field {
                TagField::Key => {
                    has_key = true;
                    wanted = match cursor.value()? {
                        Value::String(text) => self.wanted.key(&text),
                        _ => None,
                    };
                }
                TagField::Value => {
                    n_values += 1;
                    cursor.peek();
                    let start = cursor.position();
                    if !has_key || wanted.is_some() {
                        value = cursor.value()?;
                    } else {
                        cursor.skip()?;
                    }
                    range = start..cursor.position();
                }
                TagField::Other => {
                    if cursor.plain_string().is_none() {
                        cursor.skip()?;
                    }
                }
            }
        }
        let is_scalar = n_values == 1 && !matches!(cursor.text_at(range.start), Some(b'{' | b'['));
        let end = cursor.position();
        self.mention(if is_scalar { range } else { end..end }, wanted, &value);
        Ok(())
    }

    /// Keeps an attribute that is wanted, and where its value stands.
    fn mention(&mut self, value_at: Range<usize>, wanted: Option<Key>, value: &Value<'_>) {
        let before = self.draft.attribute_mark();
        if let Some(key) = wanted {
            tags::keep(&mut self.draft, key, value);
        }
        let kept = (self.draft.attribute_mark() > before).then_some(before);
        self.mentions.push(Mention { value: value_at, kept });
    }

    /// Reads a list of the server's warnings for the two that matter here.
    fn warnings(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        if cursor.exactly(b"null") {
            return Ok(());
        }
        if cursor.peek() != Some(b'[') {
            return cursor.skip();
        }
        cursor.array(|cursor| {
            if let Value::String(text) = cursor.value()? {
                if text.contains("timestamps were adjusted by") {
                    self.draft.skew_corrected = true;
                } else if text.contains("spans, showing first") {
                    self.draft.cut = self.draft.cut.take().max(Some(text.into_owned()));
                }
            }
            Ok(())
        })
    }

    /// Gives each span its process, and each trace its spans.
    fn finish(&mut self, element: &Element, sink: &mut dyn Sink, emit: fn(&mut dyn Sink, &mut Draft)) {
        self.resolve_processes(element);
        let mut tags = element.spans.iter().map(|it| it.0);
        let Some(first) = tags.next() else { return };
        if tags.all(|it| it == first) {
            self.draft.id = element.id(first);
            match self.draft.id {
                Some(_) => emit(sink, &mut self.draft),
                None => skip_all(sink, self.draft.spans.len()),
            }
            return;
        }
        self.emit_each(element, sink, emit);
    }

    fn resolve_processes(&mut self, element: &Element) {
        let mut unknown = None;
        for (idx, (_, process)) in element.spans.iter().enumerate() {
            let known = match process {
                ProcessRef::None => None,
                ProcessRef::Embedded(process) => Some(*process),
                ProcessRef::Key(key) => element.processes[*key as usize],
            };
            let process =
                known.unwrap_or_else(|| *unknown.get_or_insert_with(|| self.push_process(None, Run::default())));
            self.draft.spans[idx].process = process;
        }
    }

    /// Several traces in one element: each gets a draft of its own.
    fn emit_each(&mut self, element: &Element, sink: &mut dyn Sink, emit: fn(&mut dyn Sink, &mut Draft)) {
        // Spans that name no trace belong to the element's own.
        let own = element.trace_id.as_ref().and_then(|it| element.by_id.get(it)).copied().unwrap_or(0);
        let tags = element.spans.iter().map(|(tag, _)| if *tag == 0 { own } else { *tag } as usize);
        let parts = self.draft.parted(element.trace_ids.len() + 1, tags);
        for (tag, mut part) in parts.into_iter().enumerate().filter(|(_, part)| !part.spans.is_empty()) {
            part.id = element.id(tag as u32);
            match part.id {
                Some(_) => emit(sink, &mut part),
                None => skip_all(sink, part.spans.len()),
            }
        }
    }
}

/// The value that is next and where it stands, if it is spelled as servers do and no list or object, whose nesting
/// is counted by the general way only.
#[inline]
fn usual_value<'a>(cursor: &mut Cursor<'a>) -> Result<Option<(Value<'a>, Range<usize>)>> {
    let start = cursor.position();
    let value = if cursor.exactly(b"\"") {
        cursor.plain_rest().map(|it| Value::String(Cow::Borrowed(it)))
    } else if let Some(number) = cursor.plain_number() {
        Some(Value::Number(number))
    } else if matches!(cursor.peek(), Some(b'{' | b'[')) {
        None
    } else {
        Some(cursor.value()?)
    };
    Ok(value.map(|it| (it, start..cursor.position())))
}

/// Whether spans have this key and traces do not.
fn is_of_spans(key: &str) -> bool {
    matches!(key, "spanID" | "operationName" | "startTime" | "process")
}

fn skip_all(sink: &mut dyn Sink, n_spans: usize) {
    for _ in 0..n_spans {
        sink.skip("a span without a trace id", 0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::input::parsed::Parsed;

    /// A list of tags as one service or another writes it: few shapes, values that come again or not.
    fn tags() -> impl Strategy<Value = String> {
        let value = prop::sample::select(vec![
            r#""GET""#,
            r#""POST""#,
            r#""a\"b""#,
            r#""""#,
            "200",
            "503",
            "true",
            "null",
            "-1.5e3",
            "[1]",
            r#"{"a":1}"#,
            r#""ü""#,
            " 7",
            r#""x"  "#,
            "1e999",
            r#""\ud800""#,
            "}",
            "",
        ]);
        let shape = prop::sample::select(vec![
            r#"{"key":"http.method","type":"string","value":@}"#,
            r#"{"key":"http.status_code","type":"int64","value":@}"#,
            r#"{"key":"error","type":"bool","value":@}"#,
            r#"{"key":"not.kept","type":"string","value":@}"#,
            r#"{"value":@,"key":"db.statement"}"#,
            r#"{ "key" : "span.kind", "value":@ }"#,
            r#"{"key":"a","value":1,"value":@}"#,
            r#"{"key":"a"}"#,
            r#"@"#,
        ]);
        prop::collection::vec((shape, value), 0..4).prop_map(|tags| {
            let tags: Vec<String> = tags.iter().map(|(shape, value)| shape.replace('@', value)).collect();
            format!("[{}]", tags.join(","))
        })
    }

    fn span() -> impl Strategy<Value = String> {
        let shape = prop::sample::select(vec![
            r#"{"traceID":"a","spanID":"1","operationName":"@o","references":[],"startTime":1,"duration":2,"tags":@t,"logs":[],"processID":"p1"}"#,
            r#"{"traceID":"a","spanID":"1","operationName":"@o","references":[{"refType":"CHILD_OF","traceID":"a","spanID":"2"}],"tags":@t}"#,
            r#"{"tags":@t,"operationName":"@o","spanID":"1","traceID":"a","logs":[{"timestamp":5,"fields":@t}]}"#,
            r#"{"traceID":"a","spanID":"00000000000000a1","operationName":"@o","references":[{"refType":"CHILD_OF","traceID":"a","spanID":"00000000000000a2"}],"startTime":1,"duration":2,"tags":@t,"logs":[],"processID":"p1","warnings":null}"#,
            r#"{"operationName":"@o","traceID":"a","flags":1,"spanID":"00000000000000a3","references":[],"startTime":17,"duration":12345678901,"logs":[{"timestamp":5,"fields":@t}],"tags":@t,"processID":"p1"}"#,
            r#"{"spanID":"3","operationName":"@o","process":{"serviceName":"s","tags":@t},"tags":@t}"#,
        ]);
        (shape, prop::sample::select(vec!["one", "two"]), tags())
            .prop_map(|(shape, operation, tags)| shape.replace("@o", operation).replace("@t", &tags))
    }

    fn element() -> impl Strategy<Value = String> {
        (prop::collection::vec(span(), 1..4), tags()).prop_map(|(spans, tags)| {
            let spans = spans.join(",");
            format!(r#"{{"traceID":"a","spans":[{spans}],"processes":{{"p1":{{"serviceName":"s","tags":{tags}}}}}}}"#)
        })
    }

    fn read(parser: &mut dyn Parser, text: &str) -> String {
        let mut parsed = Parsed::default();
        let outcome = parser.element(text, &mut parsed);
        format!("{outcome:?} {:?} {:?}", parsed.spans, parsed.skips)
    }

    proptest! {
        #[test]
        fn what_was_read_before_never_shows(texts in prop::collection::vec(element(), 1..30), at: prop::sample::Index, byte in prop::sample::select(b"{}[],:\" ax1\\".to_vec())) {
            let wanted: Arc<Wanted> = Arc::new(Wanted::with([]));
            let mut parser = Jaeger.parser(&wanted);
            for text in &texts {
                let at = at.index(text.len());
                let mut broken = text.clone().into_bytes();
                broken[at] = byte;
                let broken = String::from_utf8(broken).unwrap_or_default();
                for text in [text.as_str(), text, &broken, text.get(..at).unwrap_or_default()] {
                    let fresh = read(&mut *Jaeger.parser(&wanted), text);
                    prop_assert_eq!(read(&mut *parser, text), fresh, "{}", text);
                }
            }
        }
    }
}
