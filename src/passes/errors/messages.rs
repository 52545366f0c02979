//! Messages made alike, each text only once.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::model::normalize;

/// Most errors of a capture say one of a few things; those that do not are not worth the memory.
const REMEMBERED: usize = 1_024;

/// Longer messages are rare, and rarely the same.
const MAX_BYTES: usize = 512;

/// A memory of [`normalize::message`], which takes microseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Messages {
    known: HashMap<String, String, FixedState>,
}

impl Messages {
    pub(super) fn normalized(&mut self, text: &str) -> String {
        if let Some(known) = self.known.get(text) {
            return known.clone();
        }
        let normalized = normalize::message(text);
        if text.len() <= MAX_BYTES {
            if self.known.len() == REMEMBERED {
                self.known.clear();
            }
            self.known.insert(text.to_owned(), normalized.clone());
        }
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
            assert_eq!(messages.normalized(&format!("attempt {it} failed")), "attempt ? failed");
        }
        assert!(messages.known.len() <= REMEMBERED);
    }
}
