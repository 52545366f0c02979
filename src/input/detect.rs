//! Which format a source is of, told by its first bytes.

mod refusals;

use super::head::Head;
use super::{FORMATS, Sniff};

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
        None => of_value(valid(first)),
    }
}

/// Tells the format of one value of a stream, if its keys are those of one.
pub(crate) fn of_next_value(bytes: &[u8]) -> Option<usize> {
    let head = Head::new(valid(bytes));
    if refusals::of_value(&head).is_some() {
        return None;
    }
    FORMATS.iter().position(|it| it.sniff(&head) == Sniff::Yes)
}

fn valid(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(err) => std::str::from_utf8(&bytes[..err.valid_up_to()]).unwrap_or(""),
    }
}

fn of_value(text: &str) -> Result<usize, NotDetected> {
    let head = Head::new(text);
    if let Some(refusal) = refusals::of_value(&head) {
        return Err(refusal);
    }
    let mut best = None;
    for (idx, format) in FORMATS.iter().enumerate() {
        match format.sniff(&head) {
            Sniff::Yes => return Ok(idx),
            Sniff::No => {}
            other => best = best.or(Some((idx, other))),
        }
    }
    match best {
        Some((format, Sniff::Maybe)) => Ok(format),
        Some((_, Sniff::Refused { what, hint })) => not_detected(format!("it is {what}"), hint),
        _ => {
            let tried: Vec<&str> = FORMATS.iter().map(|it| it.name()).collect();
            not_detected(format!("its keys are of no format known here (tried: {})", tried.join(", ")), EXPORT)
        }
    }
}
