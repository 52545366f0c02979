//! A value as a tree, for elements that are small or of formats where speed is not the point.

use std::borrow::Cow;

use super::{Cursor, Fault, Value};

/// A JSON value; numbers as they are written, objects with their keys in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Node<'a> {
    #[default]
    Null,
    Bool(bool),
    Number(&'a str),
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

/// What keys that are not there lead to.
static NOTHING: Node<'static> = Node::Null;

impl<'a> Node<'a> {
    /// Reads one value and nothing more.
    pub(crate) fn parse(text: &'a str) -> Result<Node<'a>, Fault> {
        let mut cursor = Cursor::new(text);
        let (node, outcome) = read(&mut cursor);
        outcome.and_then(|()| cursor.end()).map(|()| node)
    }

    /// Reads as much of a value as there is, up to a fault or the end.
    pub(crate) fn of_head(text: &'a str) -> Node<'a> {
        read(&mut Cursor::new(text)).0
    }

    /// The value of a key; null where there is no such key, or no object. The last of doubled keys counts.
    pub(crate) fn get(&self, key: &str) -> &Node<'a> {
        self.members().iter().rfind(|(name, _)| name == key).map_or(&NOTHING, |(_, value)| value)
    }

    /// The value at the end of a way of keys.
    pub(crate) fn at(&self, keys: &[&str]) -> &Node<'a> {
        keys.iter().fold(self, |node, key| node.get(key))
    }

    /// Whether there is a value of this key, even null.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.members().iter().any(|(name, _)| name == key)
    }

    /// Whether all these keys are there.
    pub(crate) fn has_all(&self, keys: &[&str]) -> bool {
        keys.iter().all(|it| self.has(it))
    }

    /// The members of an object; none of anything else.
    pub(crate) fn members(&self) -> &[(Cow<'a, str>, Node<'a>)] {
        match self {
            Node::Object(members) => members,
            _ => &[],
        }
    }

    /// The items of a list; none of anything else.
    pub(crate) fn items(&self) -> &[Node<'a>] {
        match self {
            Node::List(items) => items,
            _ => &[],
        }
    }

    /// The first item that is not null; null if there is none.
    pub(crate) fn first(&self) -> &Node<'a> {
        self.items().iter().find(|it| **it != Node::Null).unwrap_or(&NOTHING)
    }

    pub(crate) fn is_null(&self) -> bool {
        *self == Node::Null
    }

    pub(crate) fn is_object(&self) -> bool {
        matches!(self, Node::Object(_))
    }

    pub(crate) fn is_list(&self) -> bool {
        matches!(self, Node::List(_))
    }

    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Node::Number(_))
    }

    /// A string.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A string that is not empty.
    pub(crate) fn filled(&self) -> Option<&str> {
        self.as_str().filter(|it| !it.is_empty())
    }

    /// A string, number or truth value as text; what is null, empty or no scalar is none.
    pub(crate) fn scalar(&self) -> Option<&str> {
        match self {
            Node::Text(text) => Some(text.as_ref()).filter(|it| !it.is_empty()),
            Node::Number(text) => Some(text),
            Node::Bool(true) => Some("true"),
            Node::Bool(false) => Some("false"),
            _ => None,
        }
    }

    /// `true`, `"true"`, `"True"`, `1`, and their opposites.
    pub(crate) fn truth(&self) -> Option<bool> {
        match self.scalar()? {
            "1" => Some(true),
            "0" => Some(false),
            it if it.eq_ignore_ascii_case("true") => Some(true),
            it if it.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// A whole number, also one written as text.
    pub(crate) fn integer(&self) -> Option<i64> {
        self.scalar()?.parse().ok()
    }

    /// The value as JSON, without white space.
    pub(crate) fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    fn write_json(&self, out: &mut String) {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        match self {
            Node::Null => out.push_str("null"),
            Node::Bool(it) => out.push_str(if *it { "true" } else { "false" }),
            Node::Number(text) => out.push_str(text),
            Node::Text(text) => out.push_str(&quoted(text)),
            Node::List(items) => {
                out.push('[');
                for (nth, item) in items.iter().enumerate() {
                    if nth > 0 {
                        out.push(',');
                    }
                    item.write_json(out);
                }
                out.push(']');
            }
            Node::Object(members) => {
                out.push('{');
                for (nth, (key, value)) in members.iter().enumerate() {
                    if nth > 0 {
                        out.push(',');
                    }
                    out.push_str(&quoted(key));
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }
}

/// What was read before the fault, and the fault. The cursor bounds how deep this goes.
fn read<'a>(cursor: &mut Cursor<'a>) -> (Node<'a>, Result<(), Fault>) {
    match cursor.peek() {
        Some(b'{') => {
            let mut members = Vec::new();
            let outcome = cursor.members(|cursor, key| {
                let (node, outcome) = read(cursor);
                members.push((key, node));
                outcome
            });
            (Node::Object(members), outcome)
        }
        Some(b'[') => {
            let mut items = Vec::new();
            let outcome = cursor.array(|cursor| {
                let (node, outcome) = read(cursor);
                items.push(node);
                outcome
            });
            (Node::List(items), outcome)
        }
        _ => match cursor.value() {
            Ok(Value::Null) => (Node::Null, Ok(())),
            Ok(Value::Bool(it)) => (Node::Bool(it), Ok(())),
            Ok(Value::Number(text)) => (Node::Number(text), Ok(())),
            Ok(Value::String(text)) => (Node::Text(text), Ok(())),
            // Brackets were dealt with above.
            Ok(Value::Container(_)) => (Node::Null, Ok(())),
            Err(fault) => (Node::Null, Err(fault)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_what_was_written() {
        let text = r#"{"a":[1,2.50,"x\n"],"b":{"c":null},"a2":true}"#;
        let node = Node::parse(text).unwrap();
        assert_eq!(node.to_json(), text);
        assert_eq!(node.get("a").items()[1].scalar(), Some("2.50"));
        assert!(node.at(&["b", "c"]).is_null() && node.at(&["b", "d", "e"]).is_null());
        assert!(Node::parse("[1,]").is_err() && Node::parse("1 2").is_err());
    }

    #[test]
    fn a_head_gives_what_is_there() {
        let head = Node::of_head(r#"{"data":[{"traceID":"1","spans":[{"spanID":"2","opera"#);
        let trace = head.get("data").first();
        assert_eq!(trace.get("traceID").as_str(), Some("1"));
        assert_eq!(trace.get("spans").first().get("spanID").as_str(), Some("2"));
    }

    #[test]
    fn deep_nesting_is_a_fault() {
        assert!(Node::parse(&"[".repeat(100_000)).is_err());
    }
}
