//! After a broken element: find the next whole one.

use super::{FORMATS, Loss, Result, Splitter};
use crate::input::json::{Cursor, Problem};
use crate::input::stream::{PIECE, Place};

/// What stands at a bracket that might begin an element.
enum Candidate {
    /// A whole element.
    Element,
    /// Something else, or broken.
    No,
    /// The buffer ends inside.
    Open,
}

impl Splitter<'_, '_> {
    /// Skips to the next whole element and stands before it, as behind another; `false` if there is none.
    pub(super) fn resync(&mut self, fault: Place, why: String) -> Result<bool> {
        self.anchor = None;
        self.forget_broken_context()?;
        let lost_from = self.stream.place(self.stream.at);
        // What stands here may be whole: a comma is missing before it.
        let found = self.next_element()?;
        let lost_to = self.stream.place(self.stream.at).offset;
        let n_bytes = Some(lost_to - lost_from.offset.min(lost_to));
        self.found.losses.push(Loss { place: fault, n_bytes, why });
        if !found {
            return Ok(false);
        }
        self.element()?;
        self.adrift = true;
        Ok(true)
    }

    /// Where an element is broken that would have held for all that follow, none does.
    fn forget_broken_context(&mut self) -> Result<()> {
        let Some(key) = FORMATS[self.origin.format].context_key() else { return Ok(()) };
        let bytes = &self.stream.bytes[self.stream.at..];
        let begins = [b"{\"", key.as_bytes(), b"\""].concat();
        let shown = bytes.iter().filter(|it| !it.is_ascii_whitespace()).take(begins.len());
        if shown.eq(&begins) {
            // The parser must not go on from what is before: that is another chunk.
            self.flush()?;
            self.context = None;
            self.context_before = None;
        }
        Ok(())
    }

    fn next_element(&mut self) -> Result<bool> {
        loop {
            let Some(open) = memchr::memchr(b'{', &self.stream.bytes[self.stream.at..]) else {
                self.stream.at = self.stream.bytes.len();
                if !self.more()? {
                    return Ok(false);
                }
                continue;
            };
            self.stream.at += open;
            match self.candidate() {
                Candidate::Element => return Ok(true),
                Candidate::No => self.stream.at += 1,
                Candidate::Open => {
                    let too_large = (self.stream.bytes.len() - self.stream.at) as u64 > self.options.max_element_bytes;
                    if too_large || !self.more()? {
                        self.stream.at += 1;
                    }
                }
            }
        }
    }

    /// Judges the bracket at the stream's position: an element has one of the keys that show it. Where
    /// it begins a line, as in files of lines, any key of an element will do.
    fn candidate(&self) -> Candidate {
        let begins_line = self.has_lines == Some(true) && self.stream.begins_line();
        let bytes = &self.stream.bytes[self.stream.at..];
        // Look at a little first: most brackets are tags.
        let mut window = PIECE / 64;
        loop {
            let shown = &bytes[..window.min(bytes.len())];
            let (text, whole) = match std::str::from_utf8(shown) {
                Ok(text) => (text, true),
                Err(err) => (std::str::from_utf8(&shown[..err.valid_up_to()]).unwrap_or(""), err.error_len().is_none()),
            };
            let mut cursor = Cursor::new(text);
            let mut shows = false;
            let outcome = cursor.object(|cursor, key| {
                shows |= self.frame.sure_keys.contains(&key);
                shows |= begins_line && self.frame.element_keys.contains(&key);
                cursor.skip()
            });
            match outcome {
                Ok(()) if shows => return Candidate::Element,
                Err(fault) if fault.problem == Problem::End && whole => {
                    if shown.len() == bytes.len() {
                        return if self.stream.ended() { Candidate::No } else { Candidate::Open };
                    }
                    window = window.saturating_mul(8);
                }
                _ => return Candidate::No,
            }
        }
    }
}
