//! Bytes as they come, in pieces that hold whole elements.

mod buffer;

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

pub(crate) use buffer::Buffer;

/// How many bytes are read before a piece is handed on: large enough that handing on costs nothing,
/// small enough that the pieces in flight fit the second-level cache of several cores. Fuzzed texts are
/// small, and have edges of pieces all the same.
pub(crate) const PIECE: usize = if cfg!(fuzzing) { 1 << 12 } else { 1 << 20 };

/// How many bytes are read at once: what is parsed where it stands is still in the second-level cache then, and so
/// is what it is compared with.
const READ: usize = PIECE / 8;

/// Some whole elements of a source, to be parsed on their own.
#[derive(Debug)]
pub struct Chunk {
    /// The bytes; elements are ranges of them.
    pub(crate) bytes: Buffer,
    /// Where the elements lie among them.
    pub(crate) elements: Vec<Range<usize>>,
    /// Where it is from.
    pub(crate) origin: Origin,
    /// Where the first byte stands in the source.
    pub(crate) place: Place,
    /// The element before these that holds for them, where the format has such.
    pub(crate) context: Option<Arc<str>>,
    /// Some elements were taken to be lines: a fault in one may be none.
    pub(crate) is_guessed: bool,
}

/// Which source bytes are of, and how they are to be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// Index of the source.
    pub source: usize,
    /// Index of the format in the list of all.
    pub format: usize,
}

/// A position in a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Bytes before it.
    pub offset: u64,
    /// Its line, from 1.
    pub line: u64,
    /// The offset of that line's first byte.
    pub line_start: u64,
}

impl Place {
    pub(crate) const START: Place = Place { offset: 0, line: 1, line_start: 0 };

    /// The place behind these bytes.
    pub(crate) fn after(self, bytes: &[u8]) -> Place {
        let offset = self.offset + bytes.len() as u64;
        // Captures are often one line, and to see that is faster than to count.
        let Some(first) = memchr::memchr(b'\n', bytes) else { return Place { offset, ..self } };
        let rest = &bytes[first + 1..];
        let n_lines = 1 + memchr::memchr_iter(b'\n', rest).count() as u64;
        let last = memchr::memrchr(b'\n', rest).map_or(first, |at| first + 1 + at);
        Place { offset, line: self.line + n_lines, line_start: self.offset + last as u64 + 1 }
    }

    /// The place before these bytes, which end here; `None` if their lines would have to be counted.
    pub(crate) fn before(self, bytes: &[u8]) -> Option<Place> {
        let is_one_line = memchr::memchr(b'\n', bytes).is_none();
        is_one_line.then(|| Place { offset: self.offset - bytes.len() as u64, ..self })
    }

    /// The column, in bytes from 1.
    pub fn column(self) -> u64 {
        self.offset - self.line_start + 1
    }
}

impl Chunk {
    /// Where a byte of this chunk stands in its source.
    pub(crate) fn place(&self, at: usize) -> Place {
        self.place.after(&self.bytes[..at.min(self.bytes.len())])
    }
}

/// A buffer over a source that grows only as far as one element needs.
pub(crate) struct Stream<'r> {
    input: &'r mut (dyn Read + Send),
    pub(crate) bytes: Buffer,
    /// The next byte to look at.
    pub(crate) at: usize,
    /// Where the first byte of the buffer stands in the source.
    pub(crate) place: Place,
    ended: bool,
}

impl<'r> Stream<'r> {
    pub(crate) fn new(input: &'r mut (dyn Read + Send)) -> Stream<'r> {
        Stream { input, bytes: Buffer::default(), at: 0, place: Place::START, ended: false }
    }

    /// Where a byte of the buffer stands in the source.
    pub(crate) fn place(&self, at: usize) -> Place {
        self.place.after(&self.bytes[..at])
    }

    /// Whether the next byte is the first of a line.
    pub(crate) fn begins_line(&self) -> bool {
        match self.at.checked_sub(1) {
            Some(before) => self.bytes[before] == b'\n',
            None => self.place.column() == 1,
        }
    }

    /// How many bytes have come so far.
    pub(crate) fn n_read(&self) -> u64 {
        self.place.offset + self.bytes.len() as u64
    }

    /// Whether the source is at its end (known once a read came back empty).
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// Reads more behind the bytes that are there; `false` at the end.
    pub(crate) fn more(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let start = self.bytes.len();
        let upto = if start < PIECE { PIECE.min(start + READ) } else { 2 * start };
        self.ended = self.bytes.fill(self.input, upto)? == 0;
        Ok(!self.ended)
    }

    /// Hands over the bytes before `keep`, and says where they stand; the rest moves to the front of `spare`, to go
    /// on with.
    pub(crate) fn hand_over(&mut self, keep: usize, mut spare: Buffer) -> (Buffer, Place) {
        spare.become_copy(&self.bytes[keep..]);
        let place = self.place;
        self.place = place.after(&self.bytes[..keep]);
        let mut bytes = std::mem::replace(&mut self.bytes, spare);
        bytes.truncate(keep);
        self.at -= keep;
        (bytes, place)
    }

    /// Goes on in other memory with what is not passed yet; gives the memory it was in.
    pub(crate) fn move_to(&mut self, mut memory: Buffer) -> Buffer {
        memory.become_copy(&self.bytes[self.at..]);
        self.place = self.place.after(&self.bytes[..self.at]);
        self.at = 0;
        std::mem::replace(&mut self.bytes, memory)
    }

    /// Forgets the bytes before `keep`.
    pub(crate) fn forget(&mut self, keep: usize) {
        self.forget_up_to(keep, self.place.after(&self.bytes[..keep]));
    }

    /// Forgets the bytes before `keep`, which stands at this place.
    pub(crate) fn forget_up_to(&mut self, keep: usize, place: Place) {
        self.place = place;
        self.bytes.drop_front(keep);
        self.at -= keep;
    }
}
