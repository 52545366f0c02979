//! Which format a source is of, told by its first bytes.

mod refusals;

#[cfg(test)]
#[path = "../../tests/detection_texts/mod.rs"]
#[allow(unreachable_pub, reason = "the tests of the binary name them too")]
mod texts;

use super::head::Head;
use super::json::Cursor;
use super::{FORMATS, Sniff, valid_text};

/// Why a source has no format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotDetected {
    /// What it is instead, or what is wrong with it.
    pub(crate) what: String,
    /// What to do.
    pub(crate) hint: String,
}

pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

const EXPORT: &str = "save traces with: curl 'http://JAEGER:16686/api/traces?service=NAME&limit=1000' > traces.json";

fn not_detected<T>(what: impl Into<String>, hint: impl Into<String>) -> Result<T, NotDetected> {
    Err(NotDetected { what: what.into(), hint: hint.into() })
}

/// Tells the format of a source by its first bytes: its index in [`FORMATS`]. One that was asked for
/// only needs bytes that are JSON.
pub(crate) fn detect(head: &[u8], asked_for: Option<usize>) -> Result<usize, NotDetected> {
    if let Some(refusal) = refusals::of_protobuf(head) {
        return Err(refusal);
    }
    let bytes = head.strip_prefix(BOM).unwrap_or(head);
    let first = bytes.trim_ascii_start();
    match first {
        [] => return not_detected("it is empty", EXPORT),
        [b'{' | b'[', ..] => {}
        _ => {
            if let Some(refusal) = refusals::of_bytes(first) {
                return Err(refusal);
            }
            let shown: String = String::from_utf8_lossy(&first[..first.len().min(24)]).escape_debug().collect();
            let at = head.len() - first.len();
            return not_detected(
                format!("expected `{{` or `[` at byte {at} (line 1), found `{shown}`: not JSON"),
                EXPORT,
            );
        }
    }
    match asked_for {
        Some(format) => Ok(format),
        None => of_value(valid_text(first).0),
    }
}

/// Tells the format of one value of a stream, if its keys are those of one.
pub(crate) fn of_next_value(bytes: &[u8]) -> Option<usize> {
    let head = Head::new(valid_text(bytes).0);
    if refusals::of_value(&head).is_some() {
        return None;
    }
    FORMATS.iter().position(|it| it.sniff(&head) == Sniff::Yes)
}

fn of_value(text: &str) -> Result<usize, NotDetected> {
    let head = first_of_traces(Head::new(text));
    if let Some(refusal) = refusals::of_value(&head) {
        return Err(refusal);
    }
    let mut maybe = None;
    let mut refused = None;
    for (idx, format) in FORMATS.iter().enumerate() {
        match format.sniff(&head) {
            Sniff::Yes => return Ok(idx),
            Sniff::No => {}
            Sniff::Maybe => maybe = maybe.or(Some(idx)),
            Sniff::Refused { what, hint } => refused = refused.or(Some((what, hint))),
        }
    }
    if let Some((what, hint)) = refused {
        return not_detected(format!("it is {what}"), hint);
    }
    if let Some(format) = maybe {
        return Ok(format);
    }
    if let Some(refusal) = refusals::of_error(&head) {
        return Err(refusal);
    }
    let tried: Vec<&str> = FORMATS.iter().map(|it| it.name()).collect();
    let what = format!("its keys are of no format known here (tried: {})", tried.join(", "));
    not_detected(what, "see --list-formats for what can be read and how to export it")
}

/// The first value of a head that is not of another signal; the first of all if there is none.
fn first_of_traces(first: Head<'_>) -> Head<'_> {
    if !refusals::is_other_signal(&first.value) {
        return first;
    }
    let mut head = first.clone();
    while refusals::is_other_signal(&head.value) {
        let mut cursor = Cursor::new(head.text);
        if cursor.skip().is_err() || cursor.peek().is_none() {
            return first;
        }
        head = Head::new(&head.text[cursor.position()..]);
    }
    head
}

#[cfg(test)]
mod tests {
    use super::texts::{ACCEPTED, REFUSED};
    use super::*;

    #[test]
    fn heads_cut_anywhere_are_judged_without_a_panic() {
        let texts = ACCEPTED.iter().map(|it| it.1);
        for text in texts.chain(REFUSED.iter().map(|it| it.0)) {
            for end in 0..text.len() {
                let head = &text.as_bytes()[..end];
                let of_first = detect(head, None);
                assert!(of_first.map_or_else(|it| !it.what.is_empty() && !it.hint.is_empty(), |it| it < FORMATS.len()));
                assert!(of_next_value(head).is_none_or(|it| it < FORMATS.len()));
            }
        }
    }

    #[test]
    fn another_signal_is_looked_past_as_far_as_the_head_goes() {
        let spans = r#"{"data":[{"traceID":"1","spans":[{"#;
        let metrics = "{\"resourceMetrics\":[{}]}\n";
        let logs = "{\"resourceLogs\":[]}";
        for before in [metrics, logs, &metrics.repeat(50), &format!("{metrics}{logs} {metrics}")] {
            assert!(detect(format!("{before}{spans}").as_bytes(), None).is_ok(), "{before}");
            let refused = detect(before.as_bytes(), None).unwrap_err().what;
            assert!(refused.contains("OpenTelemetry"), "{refused}");
        }
    }
}
