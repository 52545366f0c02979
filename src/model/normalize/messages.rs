//! Messages made alike, each text only once.

use std::collections::HashMap;
use std::ops::Range;

use foldhash::fast::FixedState;

use super::{message, values, without};

/// Most errors of a capture say one of a few things; those that do not are not worth the memory.
const REMEMBERED: usize = 1_024;

/// Longer messages are rare, and rarely the same.
const MAX_BYTES: usize = 512;

/// A memory of `values`, which takes microseconds. Messages that differ in digits only are one:
/// their values stand at the same places.
#[derive(Clone, Debug, Default)]
pub struct Messages {
    known: HashMap<Vec<u8>, Vec<Range<usize>>, FixedState>,
    shape: Vec<u8>,
}

impl Messages {
    /// The message made alike.
    pub fn normalized(&mut self, text: &str) -> String {
        if text.len() > MAX_BYTES {
            return message(text);
        }
        self.shape.clear();
        let bytes = text.as_bytes();
        self.shape.extend(bytes.iter().enumerate().map(|(at, byte)| match byte {
            b'0' if matches!(bytes.get(at + 1), Some(b'x' | b'X')) => b'0',
            b'0'..=b'9' => b'1',
            other => *other,
        }));
        if let Some(values) = self.known.get(&self.shape) {
            return without(text, values);
        }
        let values = values(text);
        let normalized = without(text, &values);
        if self.known.len() == REMEMBERED {
            self.known.clear();
        }
        self.known.insert(self.shape.clone(), values);
        normalized
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembering_changes_nothing() {
        let mut messages = Messages::default();
        for it in (0..3_000).chain(0..3_000) {
            let text = format!("attempt {it} of http{it}, {}0x{it}{}", "_".repeat(it % 1_100), "'".repeat(it % 3));
            assert_eq!(messages.normalized(&text), crate::model::normalize::message(&text));
        }
        assert!((500..=REMEMBERED).contains(&messages.known.len()));
    }
}
