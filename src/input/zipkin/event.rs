//! Annotations: a moment and a word, in which exporters of other systems pack more.

use std::borrow::Cow;

use crate::input::Batch;
use crate::input::json::Node;

/// An event as OpenTelemetry's exporters write it into an annotation: `{"name":{…}}` (Python),
/// `"name":{…}` (Java), `name: {…}` (Go) and `name|{…}|0` (the collector).
fn unpack(value: &str) -> Option<(Cow<'_, str>, Node<'_>)> {
    let open = memchr::memchr(b'{', value.as_bytes())?;
    let close = memchr::memrchr(b'}', value.as_bytes())?;
    let dropped = value[close + 1..].trim_start_matches('|');
    if close < open || !dropped.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let Ok(Node::Object(mut members)) = Node::parse(&value[open..=close]) else { return None };
    let name = value[..open].trim_end_matches([':', '|', ' ']).trim_matches('"');
    if !name.is_empty() {
        return Some((Cow::Borrowed(name), Node::Object(members)));
    }
    match members.pop() {
        Some((name, inner)) if members.is_empty() && inner.is_object() => Some((name, inner)),
        // No event: somebody wrote an object.
        _ => None,
    }
}

/// Adds an annotation to the events of the span at hand, whose attributes are all there.
pub(super) fn add(batch: &mut Batch, at_ns: Option<i64>, value: &str) {
    let mark = batch.mark_attributes();
    match unpack(value) {
        Some((name, attributes)) => {
            batch.flat_attributes("", &attributes);
            // What it was tells its attributes.
            if name != "exception" {
                batch.text_attribute("event", &name);
            }
        }
        None => batch.text_attribute("event", value),
    }
    let attributes = batch.attributes_since(mark);
    batch.event(at_ns, attributes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_unpacked_from_all_exporters_spellings() {
        let inner = r#"{"exception.type":"E","exception.message":"no | {x}"}"#;
        for value in [
            format!(r#"{{"exception":{inner}}}"#),
            format!(r#"{{"exception": {inner}}}"#),
            format!(r#""exception":{inner}"#),
            format!("exception: {inner}"),
            format!("exception|{inner}|0"),
        ] {
            let (name, attributes) = unpack(&value).unwrap();
            assert_eq!(
                (&*name, attributes.get("exception.message").as_str()),
                ("exception", Some("no | {x}")),
                "{value}"
            );
        }
    }

    #[test]
    fn other_words_stay_words() {
        for value in
            ["ws", "", "{", "}{", "{}", r#"{"a":1}"#, "{'a': {}}", "done {\"a\":1} really", r#"{"a":{},"b":{}}"#]
        {
            assert!(unpack(value).is_none(), "{value}");
        }
    }
}
