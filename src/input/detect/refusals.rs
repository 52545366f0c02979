//! What is recognized but holds no spans, or none that can be read: what it is, and what to export instead.

use super::NotDetected;
use crate::input::head::Head;

/// Judges bytes that are no JSON.
pub(super) fn of_bytes(bytes: &[u8]) -> Option<NotDetected> {
    let (what, hint) = match bytes {
        [0x1f, 0x8b, ..] => ("it is compressed with gzip", "pipe it: gunzip -c FILE | analyze-traces -"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => ("it is compressed with zstd", "pipe it: zstd -dc FILE | analyze-traces -"),
        [b'<', ..] => (
            "it is a web page (HTML), not JSON",
            "an address without the server's base path, or a login, answers with a page: check the URL, then save the JSON",
        ),
        _ => return None,
    };
    Some(NotDetected { what: what.to_owned(), hint: hint.to_owned() })
}

/// Judges a value by its keys.
pub(super) fn of_value(_: &Head<'_>) -> Option<NotDetected> {
    None
}
