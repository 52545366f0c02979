//! JSON written piece by piece, commas put where they belong.

use std::io::{self, Write};

use crate::model::ValueType;

/// What is written and not yet handed on.
#[derive(Debug, Default)]
pub(super) struct Json {
    bytes: Vec<u8>,
    /// The last byte that counts: whether a comma has to come next.
    last: u8,
}

impl Json {
    /// Opens `{` or `[`.
    pub(super) fn open(&mut self, bracket: u8) {
        self.comma();
        self.push(bracket);
    }

    /// Closes with `}` or `]`.
    pub(super) fn close(&mut self, bracket: u8) {
        self.push(bracket);
    }

    /// A key; its value has to follow.
    pub(super) fn key(&mut self, key: &str) -> &mut Json {
        self.text(key);
        self.push(b':');
        self
    }

    pub(super) fn text(&mut self, text: &str) {
        self.comma();
        serde_json::to_writer(&mut self.bytes, text).expect("memory takes any text");
        self.last = b'"';
    }

    /// A value that needs no quotes: a number, `true`, `null`, or JSON that is finished.
    pub(super) fn raw(&mut self, value: impl std::fmt::Display) {
        self.comma();
        write!(self.bytes, "{value}").expect("memory takes any text");
        self.last = b'0';
    }

    /// An attribute's value as what it was before it became text.
    pub(super) fn value(&mut self, text: &str, value_type: ValueType) {
        let is_raw = match value_type {
            ValueType::Text => false,
            ValueType::Bool => matches!(text, "true" | "false"),
            ValueType::Number => is_number(text),
        };
        if is_raw { self.raw(text) } else { self.text(text) }
    }

    /// A new line inside a list, before its next item.
    pub(super) fn next_line(&mut self) {
        self.comma();
        self.push(b'\n');
    }

    /// The end of a line, and nothing that goes on behind it.
    pub(super) fn end_line(&mut self) {
        self.push(b'\n');
    }

    /// Hands on what is there.
    pub(super) fn flush_to(&mut self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&self.bytes)?;
        self.bytes.clear();
        Ok(())
    }

    /// What is there, as text of its own.
    pub(super) fn into_text(self) -> String {
        String::from_utf8(self.bytes).expect("only texts were written")
    }

    fn comma(&mut self) {
        if !matches!(self.last, 0 | b'{' | b'[' | b':' | b'\n') {
            self.bytes.push(b',');
        }
    }

    fn push(&mut self, byte: u8) {
        self.bytes.push(byte);
        self.last = byte;
    }
}

/// Whether a text is a JSON number that fits a double.
pub(super) fn is_number(text: &str) -> bool {
    // Formats that are not JSON have other spellings: +1, 0x1, .5, NaN.
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|it| it.is_ascii_digit() || matches!(it, b'.' | b'e' | b'E' | b'+' | b'-'));
    plain && serde_json::from_str::<f64>(text).is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_stand_between_items_also_after_handing_on() {
        let mut json = Json::default();
        let mut out = Vec::new();
        json.open(b'[');
        for nth in 0..3 {
            json.next_line();
            json.open(b'{');
            json.key("n\"").raw(nth);
            json.flush_to(&mut out).unwrap();
            json.key("list").open(b'[');
            json.text("]");
            json.raw("null");
            json.close(b']');
            json.close(b'}');
        }
        json.close(b']');
        json.end_line();
        json.raw(1);
        json.flush_to(&mut out).unwrap();
        let item = |n: u8| format!("{{\"n\\\"\":{n},\"list\":[\"]\",null]}}");
        assert_eq!(String::from_utf8(out).unwrap(), format!("[\n{},\n{},\n{}]\n1", item(0), item(1), item(2)));
    }

    #[test]
    fn only_what_json_calls_a_number_is_one() {
        for text in ["0", "-1", "2.50", "1e5", "1E-5", "9007199254740993"] {
            assert!(is_number(text), "{text}");
        }
        for text in ["", "-", "+1", ".5", "1.", "01", "0x1", "NaN", "Infinity", "1e999", "1 ", "1,2", "--1"] {
            assert!(!is_number(text), "{text}");
        }
    }
}
