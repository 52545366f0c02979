//! One span of version 2, read in one pass over its bytes.

use std::borrow::Cow;

use super::endpoint::Endpoint;
use super::{Element, NoTime, Report, Result, ZipkinParser, event, micros, text_of, v1};
use crate::input::json::{Cursor, Node, Value};
use crate::input::{Mark, Sink};
use crate::model::{Id, Kind, Run, ValueType};

/// A span's fields as they come.
#[derive(Default)]
struct Fields<'a> {
    trace: Option<Id>,
    id: Option<Id>,
    parent: Option<Id>,
    operation: Option<Cow<'a, str>>,
    kind: Option<Kind>,
    start_ns: Option<i64>,
    duration_ns: Option<i64>,
    /// As it is written.
    local: &'a str,
    remote: Endpoint<'a>,
    shared: bool,
    annotations: Vec<(Option<i64>, Cow<'a, str>)>,
    attributes: Run,
    tags: Tags<'a>,
    /// It says what only version 1 says.
    is_v1: bool,
    /// What makes no sense about it.
    nonsense: Option<&'static str>,
}

/// Tags that mean more than themselves.
#[derive(Default)]
struct Tags<'a> {
    has_error: bool,
    has_peer: bool,
    is_internal: bool,
    /// Exporters without resources put the host here.
    host: Cow<'a, str>,
}

impl ZipkinParser {
    /// Reads a span into the batch, or counts it as skipped.
    pub(super) fn span<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        element: &mut Element<'a>,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let at = cursor.position();
        let mark = self.batch.mark_attributes();
        let mut fields = Fields::default();
        cursor.object(|cursor, key| self.field(cursor, key, element, &mut fields))?;
        let outcome = if fields.is_v1 {
            let text = &element.text[at..cursor.position()];
            v1::push(self, element, &Node::parse(text)?)
        } else {
            fields.attributes = self.finish_attributes(mark, &fields);
            self.push_fields(fields, element)
        };
        if let Err(reason) = outcome {
            sink.skip(reason, at);
        }
        Ok(())
    }

    fn field<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        key: &str,
        element: &mut Element<'a>,
        fields: &mut Fields<'a>,
    ) -> Result<()> {
        let mut time = |read: std::result::Result<Option<i64>, NoTime>, no_number| {
            read.unwrap_or_else(|why| {
                fields.nonsense = Some(why.reason(no_number));
                None
            })
        };
        match key {
            "traceId" => fields.trace = text_of(cursor.value()?).and_then(|it| element.trace_id(it)),
            "id" => fields.id = text_of(cursor.value()?).and_then(|it| Id::parse(&it)),
            "parentId" => fields.parent = text_of(cursor.value()?).and_then(|it| Id::parse(&it)),
            "name" => fields.operation = text_of(cursor.value()?),
            "kind" => fields.kind = text_of(cursor.value()?).and_then(|it| Kind::from_text(&it)),
            "timestamp" => fields.start_ns = time(micros(&cursor.value()?), "a span whose start is not a number"),
            "duration" => fields.duration_ns = time(micros(&cursor.value()?), "a span whose duration is not a number"),
            "localEndpoint" => {
                fields.local = match cursor.value()? {
                    Value::Container(text) => text,
                    _ => "",
                }
            }
            "remoteEndpoint" => fields.remote = Endpoint::read(cursor)?,
            "annotations" => annotations(cursor, fields)?,
            "tags" => self.tags(cursor, &mut fields.tags)?,
            "shared" => fields.shared = cursor.value()? == Value::Bool(true),
            "binaryAnnotations" => {
                fields.is_v1 |= cursor.peek() == Some(b'[');
                cursor.skip()?;
            }
            _ => cursor.skip()?,
        }
        Ok(())
    }

    /// Reads the tags into the attributes, where the span's own begin.
    fn tags<'a>(&mut self, cursor: &mut Cursor<'a>, tags: &mut Tags<'a>) -> Result<()> {
        if cursor.peek() != Some(b'{') {
            return cursor.skip();
        }
        let start = cursor.position();
        let n_attributes = self.batch.draft.attributes.len();
        if self.usual_tags(cursor, tags).is_none() {
            cursor.back_to(start);
            self.batch.draft.attributes.truncate(n_attributes);
            *tags = Tags::default();
            cursor.members(|cursor, key| {
                match cursor.value()? {
                    Value::Null => {}
                    Value::String(value) => self.tag(&key, value, ValueType::Text, tags),
                    Value::Number(text) => self.tag(&key, Cow::Borrowed(text), ValueType::Number, tags),
                    Value::Bool(it) => {
                        let value = Cow::Borrowed(if it { "true" } else { "false" });
                        self.tag(&key, value, ValueType::Bool, tags);
                    }
                    Value::Container(text) => {
                        self.tag(&key, Cow::Owned(Node::parse(text)?.to_json()), ValueType::Text, tags);
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Reads tags spelled as servers do: texts, no space, no escapes; `None` where anything is different.
    #[inline]
    fn usual_tags<'a>(&mut self, cursor: &mut Cursor<'a>, tags: &mut Tags<'a>) -> Option<()> {
        let mut is_open = cursor.exactly(br#"{""#);
        while is_open {
            let key = cursor.plain_rest()?;
            if !cursor.exactly(br#":""#) {
                return None;
            }
            let value = cursor.plain_rest()?;
            self.tag(key, Cow::Borrowed(value), ValueType::Text, tags);
            is_open = cursor.exactly(br#",""#);
        }
        cursor.exactly(b"}").then_some(())
    }

    #[inline]
    fn tag<'a>(&mut self, key: &str, value: Cow<'a, str>, value_type: ValueType, tags: &mut Tags<'a>) {
        match key {
            "error" => tags.has_error = true,
            "peer.service" => tags.has_peer = true,
            "span.kind" => tags.is_internal = Kind::from_text(&value) == Some(Kind::Internal),
            "host.name" => {
                // Said of the process, as it is elsewhere.
                tags.host = value;
                return;
            }
            _ => {}
        }
        self.batch.typed_attribute(key, &value, value_type);
    }

    /// Ends the span's own attributes.
    fn finish_attributes(&mut self, mark: Mark, fields: &Fields<'_>) -> Run {
        self.remote(&fields.remote, fields.tags.has_peer);
        self.batch.attributes_since(mark)
    }

    fn push_fields<'a>(
        &mut self,
        fields: Fields<'a>,
        element: &mut Element<'a>,
    ) -> std::result::Result<(), &'static str> {
        if let Some(reason) = fields.nonsense {
            return Err(reason);
        }
        let id = fields.id.filter(|it| !it.is_zero()).ok_or("a span without an id")?;
        let trace = fields.trace.ok_or("a span without a trace id")?;
        let key = (Cow::Borrowed(fields.local), fields.tags.host);
        let process = match element.known_process(&key) {
            Some(known) => known,
            None => {
                let local = match fields.local {
                    "" => Endpoint::default(),
                    // It was read over, so it is sound.
                    text => Endpoint::read(&mut Cursor::new(text)).unwrap_or_default(),
                };
                self.process(element, key, &local)
            }
        };
        let mark = self.batch.mark_events();
        for (at_ns, value) in &fields.annotations {
            event::add(&mut self.batch, *at_ns, value);
        }
        self.push(Report {
            trace,
            id,
            parent: fields.parent,
            operation: fields.operation.as_deref().unwrap_or(""),
            process,
            kind: fields.kind.or_else(|| fields.tags.is_internal.then_some(Kind::Internal)),
            start_ns: fields.start_ns,
            duration_ns: fields.duration_ns,
            shared: fields.shared,
            failed: fields.tags.has_error,
            attributes: fields.attributes,
            events: self.batch.events_since(mark),
        })
    }
}

fn annotations<'a>(cursor: &mut Cursor<'a>, fields: &mut Fields<'a>) -> Result<()> {
    if cursor.peek() != Some(b'[') {
        return cursor.skip();
    }
    cursor.array(|cursor| {
        if cursor.peek() != Some(b'{') {
            return cursor.skip();
        }
        let (mut at_ns, mut value) = (None, None);
        cursor.object(|cursor, key| {
            match key {
                "timestamp" => at_ns = micros(&cursor.value()?).unwrap_or(None),
                "value" => value = text_of(cursor.value()?),
                "endpoint" => {
                    fields.is_v1 |= cursor.peek() == Some(b'{');
                    cursor.skip()?;
                }
                _ => cursor.skip()?,
            }
            Ok(())
        })?;
        fields.annotations.extend(value.map(|it| (at_ns, it)));
        Ok(())
    })
}
