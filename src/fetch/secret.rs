//! What must never be printed, and the one place that takes it out of texts.

use std::fmt;

/// A text that does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text to itself.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text, to be sent.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

const HIDDEN: &str = "***";

/// Shorter texts are found everywhere, and hiding them would make messages unreadable.
const SHORTEST: usize = 4;

/// Takes secrets out of what a server says: it may repeat what it was sent.
#[derive(Clone, Default)]
pub(super) struct Scrubber {
    secrets: Vec<String>,
}

impl Scrubber {
    /// Hides this text from now on, however it is spelled in an address.
    pub(super) fn hide(&mut self, secret: &str) {
        let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        for text in [secret.to_owned(), encoded] {
            if text.len() >= SHORTEST && !self.secrets.contains(&text) {
                self.secrets.push(text);
            }
        }
        // The longest first: one may be part of another.
        self.secrets.sort_by_key(|it| std::cmp::Reverse(it.len()));
    }

    /// The text without secrets.
    pub(super) fn clean(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), HIDDEN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show() {
        let mut scrubber = Scrubber::default();
        scrubber.hide("s3cret/value");
        scrubber.hide("Basic s3cret/value=");
        let said = scrubber.clean("bad s3cret/value, s3cret%2Fvalue, Basic s3cret/value=");
        assert_eq!(said, "bad ***, ***, ***");
        assert_eq!(format!("{:?}", Secret::new("x")), "***");
    }
}
