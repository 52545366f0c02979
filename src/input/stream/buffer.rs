//! Memory that is read into again and again.

use std::io::{self, Read};
use std::ops::Deref;

/// How many bytes are asked for at once: memory is made while it is still in the cache, and only as much
/// as is filled.
const STEP: usize = 1 << 18;

/// Bytes that were read, in memory that stays initialized when it is emptied: a vector would have to be
/// filled with zeros for every read.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    memory: Vec<u8>,
    filled: usize,
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[..self.filled]
    }
}

impl Buffer {
    /// How much it holds without growing.
    pub(crate) fn capacity(&self) -> usize {
        self.memory.capacity()
    }

    /// Forgets the bytes from `len` on.
    pub(super) fn truncate(&mut self, len: usize) {
        self.filled = self.filled.min(len);
    }

    /// Forgets the first bytes.
    pub(super) fn drop_front(&mut self, n: usize) {
        if n > 0 {
            self.memory.copy_within(n..self.filled, 0);
            self.filled -= n;
        }
    }

    /// Holds these bytes and no others.
    pub(super) fn become_copy(&mut self, bytes: &[u8]) {
        self.filled = 0;
        self.make_room(bytes.len());
        self.memory[..bytes.len()].copy_from_slice(bytes);
        self.filled = bytes.len();
    }

    /// Reads until it holds `upto` bytes or there are no more; gives how many have come.
    pub(super) fn fill(&mut self, input: &mut dyn Read, upto: usize) -> io::Result<usize> {
        let start = self.filled;
        self.memory.reserve_exact(upto.saturating_sub(self.memory.len()));
        while self.filled < upto {
            self.make_room(upto.min(self.filled + STEP));
            let end = upto.min(self.memory.len());
            match input.read(&mut self.memory[self.filled..end]) {
                Ok(0) => break,
                Ok(n) => self.filled += n,
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => return Err(err),
            }
        }
        Ok(self.filled - start)
    }

    fn make_room(&mut self, upto: usize) {
        if self.memory.len() < upto {
            self.memory.resize(upto, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_there_and_nothing_of_before() {
        let mut buffer = Buffer::default();
        assert_eq!(buffer.fill(&mut &b"0123456789"[..], 8).unwrap(), 8);
        assert_eq!(*buffer, *b"01234567");
        buffer.drop_front(3);
        assert_eq!(*buffer, *b"34567");
        buffer.truncate(2);
        assert_eq!(buffer.fill(&mut &b"ab"[..], 8).unwrap(), 2);
        assert_eq!(*buffer, *b"34ab");
        assert_eq!(buffer.fill(&mut &b""[..], 8).unwrap(), 0);
        buffer.become_copy(b"xyz");
        assert_eq!(*buffer, *b"xyz");
    }

    /// Gives a few bytes at a time, and is interrupted now and then.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.1 += 1;
            if self.1.is_multiple_of(5) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let n = buf.len().min(self.1 * 977);
            self.0.read(&mut buf[..n])
        }
    }

    #[test]
    fn a_source_may_give_little_at_a_time() {
        let bytes: Vec<u8> = (0..1_000_000u32).map(|it| it as u8).collect();
        let mut buffer = Buffer::default();
        assert_eq!(buffer.fill(&mut Drip(&bytes, 0), 900_000).unwrap(), 900_000);
        assert_eq!(*buffer, bytes[..900_000]);
    }
}
