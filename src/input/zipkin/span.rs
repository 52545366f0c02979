//! One span of version 2, read in one pass over its bytes.

use std::borrow::Cow;
use std::ops::Range;

use super::endpoint::Endpoint;
use super::{Element, NoTime, Report, Result, ZipkinParser, event, micros, text_of, v1};
use crate::input::json::{Cursor, Node, Value};
use crate::input::tags::Mention;
use crate::input::{Mark, Sink};
use crate::model::{Id, Key, Kind, Known, Run, Text, ValueType};

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
    tags: Tags,
    /// It says what only version 1 says.
    is_v1: bool,
    /// What makes no sense about it.
    nonsense: Option<&'static str>,
}

/// A member of a span.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    TraceId,
    Id,
    Parent,
    Name,
    Kind,
    Start,
    Duration,
    Local,
    Remote,
    Annotations,
    Tags,
    Shared,
    BinaryAnnotations,
    Other,
}

impl Field {
    fn of(key: &str) -> Field {
        match key {
            "traceId" => Field::TraceId,
            "id" => Field::Id,
            "parentId" => Field::Parent,
            "name" => Field::Name,
            "kind" => Field::Kind,
            "timestamp" => Field::Start,
            "duration" => Field::Duration,
            "localEndpoint" => Field::Local,
            "remoteEndpoint" => Field::Remote,
            "annotations" => Field::Annotations,
            "tags" => Field::Tags,
            "shared" => Field::Shared,
            "binaryAnnotations" => Field::BinaryAnnotations,
            _ => Field::Other,
        }
    }
}

/// What tags say beyond themselves.
#[derive(Default)]
struct Tags {
    has_error: bool,
    has_peer: bool,
    is_internal: bool,
    /// Exporters without resources put the host here.
    host: Option<Text>,
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
        let mut layout = std::mem::take(&mut self.layout);
        let outcome =
            cursor.fields(&mut layout, Field::of, |cursor, field| self.field(cursor, field, element, &mut fields));
        self.layout = layout;
        outcome?;
        let outcome = if fields.is_v1 {
            let text = &element.text[at..cursor.position()];
            v1::push(self, element, &Node::parse(text)?)
        } else {
            fields.attributes = self.finish_attributes(mark, &mut fields);
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
        field: Field,
        element: &mut Element<'a>,
        fields: &mut Fields<'a>,
    ) -> Result<()> {
        let mut time = |read: std::result::Result<Option<i64>, NoTime>, no_number| {
            read.unwrap_or_else(|why| {
                fields.nonsense = Some(why.reason(no_number));
                None
            })
        };
        match field {
            Field::TraceId => fields.trace = text_of(cursor.value()?).and_then(|it| element.trace_id(it)),
            Field::Id => fields.id = text_of(cursor.value()?).and_then(|it| Id::parse(&it)),
            Field::Parent => fields.parent = text_of(cursor.value()?).and_then(|it| Id::parse(&it)),
            Field::Name => fields.operation = text_of(cursor.value()?),
            Field::Kind => fields.kind = text_of(cursor.value()?).and_then(|it| Kind::from_text(&it)),
            Field::Start => fields.start_ns = time(micros(&cursor.value()?), "a span whose start is not a number"),
            Field::Duration => {
                fields.duration_ns = time(micros(&cursor.value()?), "a span whose duration is not a number")
            }
            Field::Local => fields.local = element.local(cursor)?,
            Field::Remote => fields.remote = Endpoint::read(cursor)?,
            Field::Annotations => annotations(cursor, fields)?,
            Field::Tags => self.tags(cursor, fields.operation.as_deref())?,
            Field::Shared => fields.shared = cursor.value()? == Value::Bool(true),
            Field::BinaryAnnotations => {
                fields.is_v1 |= cursor.peek() == Some(b'[');
                cursor.skip()?;
            }
            Field::Other => cursor.skip()?,
        }
        Ok(())
    }

    /// Reads the tags into the attributes, where the span's own begin; those of one operation look alike.
    fn tags<'a>(&mut self, cursor: &mut Cursor<'a>, operation: Option<&str>) -> Result<()> {
        if cursor.peek() != Some(b'{') {
            return cursor.skip();
        }
        let owner = operation.map(|it| self.batch.number(it));
        if let Some(owner) = owner
            && self.lists.read(owner, cursor, &mut self.batch.draft)?.is_some()
        {
            return Ok(());
        }
        let (at, text) = (cursor.position(), cursor.rest());
        let n_attributes = self.batch.draft.attributes.len();
        self.mentions.clear();
        if self.usual_tags(cursor).is_none() {
            cursor.back_to(at);
            self.batch.draft.attributes.truncate(n_attributes);
            self.mentions.clear();
            self.any_tags(cursor)?;
        }
        if let Some(owner) = owner {
            self.lists.learn(owner, &text[..cursor.position() - at], at, &self.mentions, &self.batch.draft);
        }
        Ok(())
    }

    /// Reads tags spelled as servers do: texts, no space, no escapes; `None` where anything is different.
    #[inline]
    fn usual_tags(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        let mut is_open = cursor.exactly(br#"{""#);
        while is_open {
            let key = cursor.plain_rest()?;
            if !cursor.exactly(br#":""#) {
                return None;
            }
            let start = cursor.position() - 1;
            let value = cursor.plain_rest()?;
            self.tag(key, value, ValueType::Text, start..cursor.position());
            is_open = cursor.exactly(br#",""#);
        }
        cursor.exactly(b"}").then_some(())
    }

    fn any_tags(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        cursor.members(|cursor, key| {
            cursor.peek();
            let start = cursor.position();
            let value = cursor.value()?;
            let value_at = start..cursor.position();
            match value {
                Value::Null => {}
                Value::String(value) => self.tag(&key, &value, ValueType::Text, value_at),
                Value::Number(text) => self.tag(&key, text, ValueType::Number, value_at),
                Value::Bool(it) => self.tag(&key, if it { "true" } else { "false" }, ValueType::Bool, value_at),
                Value::Container(text) => {
                    let end = value_at.end;
                    self.tag(&key, &Node::parse(text)?.to_json(), ValueType::Text, end..end);
                }
            }
            Ok(())
        })
    }

    #[inline]
    fn tag(&mut self, key: &str, value: &str, value_type: ValueType, value_at: Range<usize>) {
        let wanted = self.batch.wanted(key);
        let kept = wanted.map(|_| self.batch.draft.attribute_mark());
        if let Some(key) = wanted {
            self.batch.draft.push_attribute(key, value, value_type);
        }
        self.mentions.push(Mention { value: value_at, kept });
    }

    /// Finds the tags that mean more than themselves. The host is said of the process, as it is elsewhere.
    fn settle_tags(&mut self, own: Run) -> Tags {
        let mut tags = Tags::default();
        let draft = &mut self.batch.draft;
        for attribute in draft.attributes_of(own) {
            match attribute.key {
                Key::Known(Known::Error) => tags.has_error = true,
                Key::Known(Known::PeerService) => tags.has_peer = true,
                Key::Known(Known::SpanKind) => {
                    tags.is_internal = Kind::from_text(draft.text(attribute.value)) == Some(Kind::Internal);
                }
                Key::Known(Known::HostName) => tags.host = Some(attribute.value),
                _ => {}
            }
        }
        if tags.host.is_some() {
            let mut at = own.start as usize;
            while let Some(attribute) = draft.attributes.get(at) {
                if attribute.key == Key::Known(Known::HostName) {
                    draft.attributes.remove(at);
                } else {
                    at += 1;
                }
            }
        }
        tags
    }

    /// Ends the span's own attributes.
    fn finish_attributes(&mut self, mark: Mark, fields: &mut Fields<'_>) -> Run {
        fields.tags = self.settle_tags(self.batch.attributes_since(mark));
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
        let host = fields.tags.host.map_or("", |it| self.batch.draft.text(it));
        let process = match element.known_process(fields.local, host) {
            Some(known) => known,
            None => {
                let local = match fields.local {
                    "" => Endpoint::default(),
                    // It was read over, so it is sound.
                    text => Endpoint::read(&mut Cursor::new(text)).unwrap_or_default(),
                };
                let key = (Cow::Borrowed(fields.local), Cow::Owned(host.to_owned()));
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
