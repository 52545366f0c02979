//! Stretches of an array that are parsed side by side, before anyone knows that their ends are right.
//!
//! Where an item begins is guessed by the looks of it: `{"traceID":"…","spans":[` behind `},`. Inside of a string such
//! quotes would be escaped, so that in sound JSON it is a guess only as to how deep it lies. Whoever parses a stretch
//! proves the guess: items and commas must reach from the one end to the other. If any does not, all of the
//! reading is done again without guesses, and so it is where anything is wrong, for the exact place of the fault.

use std::io;

use super::{Result, SplitError, Splitter, valid_text};
use crate::input::json::{Cursor, Scanner};
use crate::input::stream::{Buffer, Origin, PIECE, Place, Stream};

/// The key by which an item is known, and how much may stand before it.
const KEY: &[u8] = b"\"spans\"";
const MOST_BEFORE: usize = 256;

/// How long a stretch is, unless its items are longer: what a thread has read is still in its second-level cache
/// when it is parsed.
const STRETCH: usize = PIECE / 2;

/// Items of an array with a comma behind each, if its ends were guessed right: it begins with an item, and the next
/// stretch with another.
pub(crate) struct Stretch {
    pub(crate) bytes: Buffer,
    pub(crate) origin: Origin,
    pub(crate) place: Place,
}

/// The stretches of an array. Whoever parses one reads it first, into memory of his own: reading would be done for
/// nothing if the bytes had to come from another processor's cache.
pub(crate) struct Stretches<'a, 'r> {
    stream: &'a mut Stream<'r>,
    origin: Origin,
    /// Why there are no more.
    end: Option<End>,
}

/// Why there are no more stretches of an array.
#[derive(Debug)]
enum End {
    /// There are no more items.
    NoItem,
    /// What is left is less than a stretch.
    Little,
    /// The next item is so large that it should be parsed alone.
    Huge,
    /// The next items have other looks.
    Strange,
    /// The source could not be read.
    Unread(io::Error),
}

impl From<io::Error> for End {
    fn from(err: io::Error) -> End {
        End::Unread(err)
    }
}

impl Stretches<'_, '_> {
    /// The next one, in this memory.
    pub(crate) fn next(&mut self, memory: Buffer) -> Option<Stretch> {
        if self.end.is_some() {
            return None;
        }
        let memory = self.stream.move_to(memory);
        self.first(memory)
    }

    /// The next one, in the memory where the stream is; it goes on in this.
    fn first(&mut self, memory: Buffer) -> Option<Stretch> {
        match self.length() {
            Ok(length) => {
                self.stream.forget(self.stream.at);
                self.stream.at = length;
                let (bytes, place) = self.stream.hand_over(length, memory);
                Some(Stretch { bytes, origin: self.origin, place })
            }
            Err(end) => {
                self.end = Some(end);
                None
            }
        }
    }

    /// How long the next one is, which begins where the stream stands once it is known that there is one.
    fn length(&mut self) -> std::result::Result<usize, End> {
        if !self.begins_item()? {
            return Err(End::NoItem);
        }
        let mut shown = STRETCH;
        loop {
            let start = self.stream.at;
            while self.stream.bytes.len() - start < shown {
                if !self.stream.more()? {
                    return Err(End::Little);
                }
            }
            let bytes = &self.stream.bytes[start..start + shown];
            if let Some(length) = last_beginning(bytes) {
                return Ok(length);
            }
            if shown == PIECE {
                let is_huge = Scanner::default().scan(bytes).is_none();
                return Err(if is_huge { End::Huge } else { End::Strange });
            }
            shown = PIECE.min(2 * shown);
        }
    }

    /// Passes over white space, up to an item's bracket.
    fn begins_item(&mut self) -> io::Result<bool> {
        loop {
            let rest = &self.stream.bytes[self.stream.at..];
            let n_white = rest.iter().take_while(|it| matches!(it, b' ' | b'\n' | b'\r' | b'\t')).count();
            let first = rest.get(n_white).copied();
            self.stream.at += n_white;
            match first {
                Some(first) => return Ok(first == b'{'),
                None if self.stream.more()? => {}
                None => return Ok(false),
            }
        }
    }
}

impl Splitter<'_, '_> {
    /// Has stretches parsed as long as there are any; the stream stands on an item before and behind. Says whether
    /// the next item is so large that it should be parsed alone.
    pub(super) fn parse_stretches(&mut self) -> Result<bool> {
        if !self.elements.is_empty() {
            self.flush()?;
        }
        if self.peek()? != Some(b'{') {
            return Ok(false);
        }
        let mut stretches = Stretches { stream: self.stream, origin: self.origin, end: None };
        if let Some(first) = stretches.first(Buffer::default()) {
            self.found.n_elements += self.emit.stretches(first, &mut stretches);
        }
        match stretches.end {
            None => return Err(SplitError::Stopped),
            Some(End::Unread(err)) => return Err(err.into()),
            Some(End::Huge) => return Ok(true),
            Some(End::Strange) => self.cut_from_here(),
            Some(End::Little) if self.emit.has_others() => self.cut_from_here(),
            Some(End::Little | End::NoItem) => {}
        }
        Ok(false)
    }
}

/// Where the last item seems to begin.
fn last_beginning(bytes: &[u8]) -> Option<usize> {
    let mut end = bytes.len();
    // A few of them may be something else.
    for _ in 0..4 {
        let key = last_key(&bytes[..end])?;
        let from = key.saturating_sub(MOST_BEFORE);
        if let Some(open) = memchr::memrchr(b'{', &bytes[from..key]).map(|it| from + it)
            && seems_to_begin(bytes, open)
        {
            return Some(open);
        }
        end = key;
    }
    None
}

/// Where the key is found last: searching forwards is so much faster that it pays to search block by block.
fn last_key(bytes: &[u8]) -> Option<usize> {
    const BLOCK: usize = 1 << 14;
    let finder = memchr::memmem::Finder::new(KEY);
    let mut end = bytes.len();
    while end > 0 {
        let from = end.saturating_sub(BLOCK);
        // One that begins in this block may end in the next.
        let block = &bytes[from..bytes.len().min(end + KEY.len() - 1)];
        if let Some(at) = finder.find_iter(block).last() {
            return Some(from + at);
        }
        end = from;
    }
    None
}

fn seems_to_begin(bytes: &[u8], open: usize) -> bool {
    let before = bytes[..open].trim_ascii_end();
    let is_behind_item = before.strip_suffix(b",").is_some_and(|it| it.trim_ascii_end().ends_with(b"}"));
    is_behind_item && has_spans(&bytes[open..bytes.len().min(open + 2 * MOST_BEFORE)]).unwrap_or(false)
}

/// Whether these bytes begin with an object that has a list of spans behind a few scalars.
fn has_spans(bytes: &[u8]) -> Option<bool> {
    let mut cursor = Cursor::new(valid_text(bytes).0);
    let mut from = 0;
    cursor.enter().ok()?;
    while let Some(key) = cursor.next_key(from).ok()? {
        if key == "spans" {
            return Some(cursor.peek() == Some(b'['));
        }
        cursor.value().ok()?;
        from = cursor.position();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_wherever_the_blocks_end() {
        for length in [0, 7, 16_370, 16_384, 40_000] {
            for behind in [0, 1, 6, 7, 16_376, 16_377, 16_380, 16_384, 33_000] {
                let text = [&b"\"spans\" "[..], &vec![b'x'; length], KEY, &vec![b'"'; behind]].concat();
                assert_eq!(last_key(&text), memchr::memmem::rfind(&text, KEY), "{length} {behind}");
            }
        }
        assert_eq!(last_key(b"\"span"), None);
    }

    #[test]
    fn an_item_is_known_by_its_looks() {
        let trace = r#"{"traceID":"aa","spans":[{"traceID":"aa","spanID":"1","tags":[]}],"processes":{}}"#;
        let text = format!("{trace},{trace} ,\n {trace}");
        assert_eq!(last_beginning(text.as_bytes()), text.rfind("{\"traceID\":\"aa\",\"spans\""));
        assert_eq!(last_beginning(trace.as_bytes()), None, "no item is before it");
        let pretty = format!("{trace},\n    {{\n      \"traceID\": \"aa\",\n      \"spans\": [\n");
        assert_eq!(last_beginning(pretty.as_bytes()), Some(trace.len() + 6));
    }

    #[test]
    fn what_only_looks_like_one_is_none() {
        for text in [
            r#"{"a":1},{"x":"{\"traceID\":\"aa\",\"spans\":["}"#,
            r#"{"a":1},{"traceID":"aa","spans":null}"#,
            r#"{"a":1},{"traceID":"aa","spans""#,
            r#"{"a":1,"b":{"traceID":"aa","spans":[]}}"#,
            r#"[],{"traceID":"aa","spans":[]}"#,
            r#""spans""#,
            "",
        ] {
            assert_eq!(last_beginning(text.as_bytes()), None, "{text}");
        }
    }
}
