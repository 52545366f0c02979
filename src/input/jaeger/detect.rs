//! What Jaeger JSON looks like from outside, and what a server says around the traces.

use crate::input::json::{Cursor, Value};
use crate::input::{Frames, Judgement, Sniff};

/// Page sizes people ask for, or get unasked: exactly so many traces are probably not all.
const USUAL_LIMITS: [u64; 5] = [20, 100, 200, 1_000, 1_500];

/// What can be seen of a document in its first bytes.
#[derive(Debug, Default)]
struct Head {
    /// Keys of the top-level object.
    top: Vec<String>,
    /// Keys of the first element: the top-level object itself, or the first in an array or `data`.
    element: Vec<String>,
    /// The first element is no object but a text or number.
    scalar: bool,
    /// There was an array, or a `data`, without elements.
    empty: bool,
}

pub(super) fn sniff(head: &str) -> Sniff {
    let mut seen = Head::default();
    let mut cursor = Cursor::new(head);
    // A head may end anywhere, and what is broken further on is the parser's to say.
    let _ = match cursor.peek() {
        Some(b'{') => top_object(&mut cursor, &mut seen),
        Some(b'[') => first_of_array(&mut cursor, &mut seen),
        _ => return Sniff::No,
    };
    let has = |keys: &[String], key: &str| keys.iter().any(|it| it == key);
    let is_element = |keys: &[String]| {
        has(keys, "spans") && (has(keys, "traceID") || has(keys, "processes"))
            || has(keys, "spanID") && (has(keys, "operationName") || has(keys, "traceID"))
            || has(keys, "traceID")
    };
    if seen.scalar && seen.element.is_empty() {
        return Sniff::No;
    }
    if has(&seen.element, "rootServiceName") {
        return Sniff::No;
    }
    if is_element(&seen.element) || is_element(&seen.top) {
        return Sniff::Yes;
    }
    let is_answer = ["data", "errors", "error"].iter().any(|it| has(&seen.top, it));
    if (is_answer && seen.element.is_empty()) || (seen.empty && seen.top.is_empty()) || has(&seen.element, "spans") {
        return Sniff::Maybe;
    }
    Sniff::No
}

fn top_object(cursor: &mut Cursor<'_>, seen: &mut Head) -> super::Result<()> {
    cursor.object(|cursor, key| {
        seen.top.push(key.to_owned());
        match (key, cursor.peek()) {
            ("data", Some(b'[')) => first_of_array(cursor, seen),
            ("data", Some(b'{')) => element(cursor, seen),
            ("data", Some(b'n')) => {
                seen.empty = true;
                cursor.skip()
            }
            _ => cursor.skip(),
        }
    })
}

fn first_of_array(cursor: &mut Cursor<'_>, seen: &mut Head) -> super::Result<()> {
    seen.empty = true;
    cursor.array(|cursor| {
        seen.empty = false;
        match cursor.peek() {
            Some(b'{') if seen.element.is_empty() => element(cursor, seen),
            Some(b'"' | b'0'..=b'9' | b'-') if seen.element.is_empty() => {
                seen.scalar = true;
                cursor.skip()
            }
            _ => cursor.skip(),
        }
    })
}

fn element(cursor: &mut Cursor<'_>, seen: &mut Head) -> super::Result<()> {
    cursor.object(|cursor, key| {
        seen.element.push(key.to_owned());
        cursor.skip()
    })
}

pub(in crate::input) fn judge(frames: &Frames) -> Judgement {
    let mut judgement = Judgement::default();
    let errors: Vec<String> = frames
        .members
        .iter()
        .flat_map(|(key, value)| match key.as_str() {
            "errors" => messages(value),
            // The newer API answers with one, not in a list.
            "error" => messages(&format!("[{value}]")),
            _ => Vec::new(),
        })
        .collect();
    if !errors.is_empty() && frames.n_elements == 0 {
        judgement.refusal = Some(errors.join("; "));
    } else if !errors.is_empty() {
        judgement.warnings.extend(errors.iter().map(|it| format!("the server said: {it}")));
        judgement.incomplete.push(format!("the server reported {} with its answer", plural(errors.len(), "error")));
    }
    let is_answer = ["total", "limit", "offset"].iter().all(|it| frames.members.iter().any(|(key, _)| key == it));
    if is_answer && USUAL_LIMITS.contains(&frames.n_elements) {
        judgement.warnings.push(format!(
            "exactly {} traces: probably cut by the limit of the request that fetched them",
            frames.n_elements
        ));
    }
    judgement
}

fn plural(n: usize, word: &str) -> String {
    if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") }
}

/// The server's words in `[{"code":404,"msg":"trace not found"}]`.
fn messages(errors: &str) -> Vec<String> {
    let mut messages = Vec::new();
    let mut cursor = Cursor::new(errors);
    if cursor.peek() != Some(b'[') {
        return messages;
    }
    let outcome = cursor.array(|cursor| {
        let (mut code, mut message, mut trace) = (None, None, None);
        if cursor.peek() == Some(b'{') {
            cursor.object(|cursor, key| {
                let value = cursor.value()?;
                match (key, value) {
                    ("code" | "httpCode", Value::Number(text)) => code = Some(text.to_owned()),
                    ("msg" | "message" | "reason", Value::String(text)) => message = Some(text.into_owned()),
                    ("traceID", Value::String(text)) => trace = Some(text.into_owned()),
                    _ => {}
                }
                Ok(())
            })?;
        } else if let Value::String(text) = cursor.value()? {
            message = Some(text.into_owned());
        }
        let mut words = message.unwrap_or_else(|| "no message".to_owned());
        if let Some(trace) = trace.filter(|it| !it.is_empty()) {
            words = format!("{words} ({trace})");
        }
        if let Some(code) = code {
            words = format!("{words} (code {code})");
        }
        messages.push(words);
        Ok(())
    });
    debug_assert!(outcome.is_ok(), "the value was parsed before");
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_told_apart() {
        for yes in [
            r#"{"data":[{"traceID":"1","spans":[{"#,
            r#"{"data":{"traceID":"1"}}"#,
            r#"[{"processes":{},"spans":[]}]"#,
            r#"{"traceID":"1","spans":[]}"#,
            r#"[{"traceID":"1","spanID":"2","operationName":"x"}]"#,
            r#"{"total":0,"data":[{"traceID":"#,
        ] {
            assert_eq!(sniff(yes), Sniff::Yes, "{yes}");
        }
        for maybe in ["[]", r#"{"data":[]}"#, r#"{"data":null,"errors":[{"msg":"no"}]}"#, r#"{"errors":[]}"#] {
            assert_eq!(sniff(maybe), Sniff::Maybe, "{maybe}");
        }
        for no in [
            r#"{"hello":"world"}"#,
            "5",
            "hello",
            r#"[{"id":1}]"#,
            r#"{"resourceSpans":[]}"#,
            r#"["frontend"]"#,
            r#"{"data":["a","b"]}"#,
        ] {
            assert_eq!(sniff(no), Sniff::No, "{no}");
        }
    }
}
