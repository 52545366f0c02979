//! Jaeger's query-API JSON: `{"data":[…]}` and everything its users make of it.
//!
//! Read in one pass over the bytes of a trace, whatever the order of keys: processes usually follow
//! the spans that name them, and a span's trace id may come last.

mod detect;
mod span;

pub(super) use detect::judge as server_errors;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

pub(super) use span::{Time, micros};

use super::json::{Cursor, Fault, Value};
use super::{Format, Frame, Frames, Head, Judgement, Parser, Sink, Sniff};
use crate::model::{Draft, Id, Key, Name, NameCache, Process, Run, UNKNOWN_SERVICE, ValueType, Wanted};

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

    fn parser(&self, wanted: &Arc<Wanted>) -> Box<dyn Parser> {
        Box::new(JaegerParser { wanted: Arc::clone(wanted), names: NameCache::default(), draft: Draft::default() })
    }

    fn judge(&self, frames: &Frames) -> Judgement {
        detect::judge(frames)
    }
}

struct JaegerParser {
    wanted: Arc<Wanted>,
    names: NameCache,
    draft: Draft,
}

/// What is known of an element while it is read.
#[derive(Default)]
struct Element<'a> {
    /// The element's own trace id.
    trace_id: Option<Id>,
    /// The trace ids its spans name; a span's tag is the index in here, plus one.
    trace_ids: Vec<Id>,
    by_id: HashMap<Id, u32, FixedState>,
    /// The spelling met last, and its tag: mostly the only one.
    last_trace: Option<(Cow<'a, str>, u32)>,
    /// Keys of the `processes` object and of spans, each with its place in `processes`.
    process_keys: HashMap<Cow<'a, str>, u32, FixedState>,
    /// For each of these keys its process, once that has come.
    processes: Vec<Option<u32>>,
    /// The key met last.
    last_process: Option<(Cow<'a, str>, u32)>,
    /// For each span: its trace's tag (0 if it names none), and the process it names.
    spans: Vec<(u32, ProcessRef)>,
    /// The references of the span at hand.
    references: Vec<RawReference<'a>>,
    has_spans: bool,
}

/// A reference as it is written.
struct RawReference<'a> {
    trace: Option<Cow<'a, str>>,
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
        let mut cursor = Cursor::new(text);
        if cursor.peek() != Some(b'{') {
            cursor.skip()?;
            cursor.end()?;
            sink.skip("not a trace where one belongs", 0);
            return Ok(());
        }
        let mut element = Element::default();
        let is_span = self.trace_members(&mut cursor, &mut element, sink)?;
        if is_span {
            cursor = Cursor::new(text);
            self.draft.clear();
            element = Element::default();
            self.span(&mut cursor, &mut element, sink)?;
            cursor.end()?;
            self.finish(element, sink, |sink, draft| sink.spans(draft));
            return Ok(());
        }
        cursor.end()?;
        if !element.has_spans {
            sink.skip("a trace without spans", 0);
            return Ok(());
        }
        self.finish(element, sink, |sink, draft| sink.trace(draft));
        Ok(())
    }
}

impl JaegerParser {
    /// Reads a trace object; says at once if it turns out to be a span.
    fn trace_members<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        element: &mut Element<'a>,
        sink: &mut dyn Sink,
    ) -> Result<bool> {
        let mut is_span = false;
        cursor.object(|cursor, key| {
            match key {
                "traceID" => element.trace_id = text_of(cursor.value()?).and_then(|it| Id::parse(&it)),
                "spans" if cursor.peek() == Some(b'[') => cursor.array(|cursor| {
                    element.has_spans = true;
                    if cursor.peek() == Some(b'{') {
                        return self.span(cursor, element, sink);
                    }
                    sink.skip("not a span where one belongs", cursor.position());
                    cursor.skip()
                })?,
                "processes" if cursor.peek() == Some(b'{') => {
                    cursor.members(|cursor, key| {
                        let process = self.process(cursor)?;
                        let place = element.process_place(key);
                        element.processes[place as usize] = Some(process);
                        Ok(())
                    })?;
                }
                "warnings" => self.warnings(cursor)?,
                "spanID" | "operationName" | "startTime" | "process" => {
                    is_span = true;
                    cursor.skip()?;
                }
                _ => cursor.skip()?,
            }
            Ok(())
        })?;
        Ok(is_span && !element.has_spans)
    }

    /// Reads a process; gives its index.
    fn process(&mut self, cursor: &mut Cursor<'_>) -> Result<u32> {
        let mut service = None;
        let mut attributes = Run::default();
        if cursor.peek() == Some(b'{') {
            cursor.object(|cursor, key| match key {
                "serviceName" => {
                    service = text_of(cursor.value()?).filter(|it| !it.is_empty()).map(|it| self.names.get(&it));
                    Ok(())
                }
                "tags" => {
                    attributes = self.attributes(cursor)?;
                    Ok(())
                }
                _ => cursor.skip(),
            })?;
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

    /// Reads a list of `{key, type, value}`, keeping those that are wanted.
    fn attributes(&mut self, cursor: &mut Cursor<'_>) -> Result<Run> {
        let start = self.draft.attribute_mark();
        if cursor.peek() != Some(b'[') {
            cursor.skip()?;
            return Ok(Run::default());
        }
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

    /// Reads an attribute spelled as servers do: these keys in this order, no space, no escapes.
    /// Everything is looked at; `None` where anything is different.
    #[inline]
    fn usual_attribute(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<()>> {
        if !cursor.exactly(br#"{"key":""#) {
            return Ok(None);
        }
        let Some(key) = cursor.plain_rest() else { return Ok(None) };
        if !cursor.exactly(br#","type":""#) || cursor.plain_rest().is_none() || !cursor.exactly(br#","value":"#) {
            return Ok(None);
        }
        let wanted = self.wanted.key(key);
        let value = if cursor.exactly(b"\"") {
            match cursor.plain_rest() {
                Some(text) => Value::String(Cow::Borrowed(text)),
                None => return Ok(None),
            }
        } else if matches!(cursor.peek(), Some(b'{' | b'[')) {
            // Nesting is counted by the general way only.
            return Ok(None);
        } else {
            cursor.value()?
        };
        if !cursor.exactly(b"}") {
            return Ok(None);
        }
        if let Some(key) = wanted {
            self.keep_attribute(key, &value);
        }
        Ok(Some(()))
    }

    /// Reads an attribute however it is spelled.
    fn any_attribute(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        let mut has_key = false;
        let mut wanted = None;
        let mut value = Value::Null;
        cursor.object(|cursor, key| {
            match key {
                "key" => {
                    has_key = true;
                    wanted = match cursor.value()? {
                        Value::String(text) => self.wanted.key(&text),
                        _ => None,
                    };
                }
                "value" if !has_key || wanted.is_some() => value = cursor.value()?,
                _ => cursor.skip()?,
            }
            Ok(())
        })?;
        if let Some(key) = wanted {
            self.keep_attribute(key, &value);
        }
        Ok(())
    }

    fn keep_attribute(&mut self, key: Key, value: &Value<'_>) {
        match value {
            Value::Null => {}
            Value::Bool(it) => self.draft.push_attribute(key, if *it { "true" } else { "false" }, ValueType::Bool),
            Value::Number(text) => self.draft.push_attribute(key, text, ValueType::Number),
            Value::String(text) => self.draft.push_attribute(key, text, ValueType::Text),
            Value::Container(text) => self.draft.push_attribute(key, &one_spelling(text), ValueType::Text),
        }
    }

    /// Reads a list of the server's warnings for the two that matter here.
    fn warnings(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
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
    fn finish(&mut self, element: Element<'_>, sink: &mut dyn Sink, emit: fn(&mut dyn Sink, &mut Draft)) {
        self.resolve_processes(&element);
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
        self.emit_each(&element, sink, emit);
    }

    fn resolve_processes(&mut self, element: &Element<'_>) {
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
    fn emit_each(&mut self, element: &Element<'_>, sink: &mut dyn Sink, emit: fn(&mut dyn Sink, &mut Draft)) {
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

fn skip_all(sink: &mut dyn Sink, n_spans: usize) {
    for _ in 0..n_spans {
        sink.skip("a span without a trace id", 0);
    }
}

/// An object or array the way it is compared: without white space, its keys sorted.
fn one_spelling(container: &str) -> String {
    // The cursor accepted it, so it is JSON and not too deep.
    serde_json::from_str::<serde_json::Value>(container).map_or_else(|_| container.to_owned(), |it| it.to_string())
}

/// A scalar that may stand where a text belongs.
fn text_of(value: Value<'_>) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(text) => Some(Cow::Borrowed(text)),
        _ => None,
    }
}
