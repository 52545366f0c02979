//! Attributes of OTLP: a key and a value that says its type.

use std::borrow::Cow;
use std::ops::Range;

use super::Result;
use crate::input::Batch;
use crate::input::json::{Cursor, Node, Value};
use crate::model::ValueType;

/// A value as it was written.
#[derive(Clone, Debug)]
pub(super) enum AnyValue<'a> {
    Null,
    Text(Cow<'a, str>),
    Bool(bool),
    Number(Cow<'a, str>),
    /// A list or a map, still as OTLP spells it.
    Container(&'a str),
}

impl AnyValue<'_> {
    /// A scalar as text.
    pub(super) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            AnyValue::Text(text) | AnyValue::Number(text) => Some(Cow::Borrowed(text)),
            AnyValue::Bool(it) => Some(Cow::Borrowed(if *it { "true" } else { "false" })),
            AnyValue::Null | AnyValue::Container(_) => None,
        }
    }

    /// Keeps it as an attribute, if any pass or filter reads the key.
    pub(super) fn keep(&self, batch: &mut Batch, key: &str) {
        match self {
            AnyValue::Null => {}
            AnyValue::Text(text) => batch.text_attribute(key, text),
            AnyValue::Bool(it) => batch.typed_attribute(key, if *it { "true" } else { "false" }, ValueType::Bool),
            AnyValue::Number(text) => batch.typed_attribute(key, text, ValueType::Number),
            AnyValue::Container(_) => {
                if batch.wants(key) {
                    batch.text_attribute(key, &self.plain_json());
                }
            }
        }
    }

    /// As JSON that knows nothing of OTLP.
    pub(super) fn plain_json(&self) -> String {
        match self {
            AnyValue::Container(text) => {
                Node::parse(text).map_or_else(|_| (*text).to_owned(), |it| plain(&it).to_json())
            }
            other => other.text().map_or_else(String::new, Cow::into_owned),
        }
    }
}

/// Reads a list of `{key, value}`, or the plain object that some write in its place. `each` is told where
/// the scalar of an attribute stands that is written as exporters do; nowhere otherwise.
pub(super) fn attributes<'a>(
    cursor: &mut Cursor<'a>,
    mut each: impl FnMut(&str, AnyValue<'a>, Range<usize>),
) -> Result<()> {
    match cursor.peek() {
        Some(b'[') => cursor.array(|cursor| {
            if cursor.peek() != Some(b'{') {
                return cursor.skip();
            }
            let start = cursor.position();
            if usual(cursor, &mut each)?.is_none() {
                cursor.back_to(start);
                unusual(cursor, &mut each)?;
            }
            Ok(())
        }),
        Some(b'{') => cursor.object(|cursor, key| {
            let value = flat(cursor)?;
            each(key, value, 0..0);
            Ok(())
        }),
        _ => cursor.skip(),
    }
}

/// An attribute as exporters write it: these keys in this order, no space, no escapes. `None` where
/// anything is different.
#[inline]
fn usual<'a>(cursor: &mut Cursor<'a>, each: &mut impl FnMut(&str, AnyValue<'a>, Range<usize>)) -> Result<Option<()>> {
    if !cursor.exactly(br#"{"key":""#) {
        return Ok(None);
    }
    let Some(key) = cursor.plain_rest() else { return Ok(None) };
    if !cursor.exactly(br#","value":{""#) {
        return Ok(None);
    }
    let is_number = cursor.exactly(br#"intValue":"#);
    let is_double = !is_number && cursor.exactly(br#"doubleValue":"#);
    let is_bool = !is_number && !is_double && cursor.exactly(br#"boolValue":"#);
    if !(is_number || is_double || is_bool || cursor.exactly(br#"stringValue":"#)) {
        return Ok(None);
    }
    let start = cursor.position();
    if matches!(cursor.peek(), Some(b'{' | b'[')) {
        return Ok(None);
    }
    let value = match cursor.value()? {
        Value::String(text) if is_number => AnyValue::Number(text),
        Value::Number(text) if is_number || is_double => AnyValue::Number(Cow::Borrowed(text)),
        Value::Bool(it) if is_bool => AnyValue::Bool(it),
        Value::String(text) if !is_number && !is_double && !is_bool => AnyValue::Text(text),
        _ => return Ok(None),
    };
    let end = cursor.position();
    if !cursor.exactly(b"}}") {
        return Ok(None);
    }
    each(key, value, start..end);
    Ok(Some(()))
}

/// An attribute however it is written.
fn unusual<'a>(cursor: &mut Cursor<'a>, each: &mut impl FnMut(&str, AnyValue<'a>, Range<usize>)) -> Result<()> {
    let mut name = None;
    let mut value = AnyValue::Null;
    cursor.object(|cursor, key| {
        match key {
            "key" => {
                if let Value::String(text) = cursor.value()? {
                    name = Some(text);
                }
            }
            "value" => value = any_value(cursor)?,
            _ => cursor.skip()?,
        }
        Ok(())
    })?;
    if let Some(name) = name {
        let end = cursor.position();
        each(&name, value, end..end);
    }
    Ok(())
}

fn any_value<'a>(cursor: &mut Cursor<'a>) -> Result<AnyValue<'a>> {
    if cursor.peek() != Some(b'{') {
        return flat(cursor);
    }
    let mut found = AnyValue::Null;
    cursor.object(|cursor, key| {
        match (key, cursor.value()?) {
            ("stringValue" | "string_value" | "bytesValue" | "bytes_value", Value::String(text)) => {
                found = AnyValue::Text(text);
            }
            ("intValue" | "int_value" | "doubleValue" | "double_value", Value::String(text)) => {
                found = AnyValue::Number(text);
            }
            (
                "intValue" | "int_value" | "doubleValue" | "double_value" | "stringValue" | "string_value",
                Value::Number(text),
            ) => found = AnyValue::Number(Cow::Borrowed(text)),
            ("boolValue" | "bool_value" | "stringValue" | "string_value", Value::Bool(it)) => {
                found = AnyValue::Bool(it)
            }
            ("arrayValue" | "array_value" | "kvlistValue" | "kvlist_value", Value::Container(text)) => {
                found = AnyValue::Container(text);
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(found)
}

/// A value that does not say its type.
fn flat<'a>(cursor: &mut Cursor<'a>) -> Result<AnyValue<'a>> {
    Ok(match cursor.value()? {
        Value::Null => AnyValue::Null,
        Value::Bool(it) => AnyValue::Bool(it),
        Value::Number(text) => AnyValue::Number(Cow::Borrowed(text)),
        Value::String(text) => AnyValue::Text(text),
        Value::Container(text) => AnyValue::Container(text),
    })
}

/// Turns `{"values":[{"stringValue":"a"}]}` into `["a"]`, and maps likewise.
fn plain<'a>(node: &Node<'a>) -> Node<'a> {
    if let Some((key, value)) = node.members().first().filter(|_| node.members().len() == 1) {
        match key.as_ref() {
            "values" => return plain(value),
            "arrayValue" | "array_value" | "kvlistValue" | "kvlist_value" => return plain(value),
            "stringValue" | "string_value" | "boolValue" | "bool_value" | "bytesValue" | "bytes_value" => {
                return value.clone();
            }
            "intValue" | "int_value" | "doubleValue" | "double_value" => return value.clone(),
            _ => {}
        }
    }
    if let Node::List(items) = node {
        let is_map = !items.is_empty() && items.iter().all(|it| it.has("key"));
        if is_map {
            let member =
                |it: &Node<'a>| (it.get("key").as_str().unwrap_or("").to_owned().into(), plain(it.get("value")));
            return Node::Object(items.iter().map(member).collect());
        }
        return Node::List(items.iter().map(plain).collect());
    }
    node.clone()
}
