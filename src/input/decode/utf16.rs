//! UTF-16, as PowerShell's `>` writes it, to UTF-8.

use std::io::{self, BufRead, Read};

use super::{Buffered, DecodeFault};

const NAME: &str = "UTF-16";

/// How many bytes of UTF-16 are turned into UTF-8 at once.
const PIECE: usize = 1 << 16;

/// The text in UTF-8, without its byte order mark.
///
/// Half of a surrogate pair becomes bytes that are no UTF-8 either: the reader finds them in their place.
pub(super) struct Utf16 {
    input: Buffered,
    big_endian: bool,
    /// UTF-8 still to be given.
    text: Vec<u8>,
    given: usize,
    /// The first byte of a unit whose second has not come.
    half: Option<u8>,
    /// The first unit of a pair whose second has not come.
    high: Option<u16>,
    begun: bool,
}

impl Utf16 {
    pub(super) fn new(input: Buffered, big_endian: bool) -> Utf16 {
        Utf16 { input, big_endian, text: Vec::new(), given: 0, half: None, high: None, begun: false }
    }

    /// Turns the next piece into UTF-8; `false` at the end.
    fn refill(&mut self) -> io::Result<bool> {
        self.text.clear();
        self.given = 0;
        let bytes = self.input.fill_buf()?;
        let piece = bytes[..bytes.len().min(PIECE)].to_vec();
        self.input.consume(piece.len());
        if piece.is_empty() {
            if self.half.take().is_some() {
                return Err(DecodeFault::Cut(NAME).into());
            }
            self.end_pair();
            return Ok(!self.text.is_empty());
        }
        for byte in piece {
            match self.half.take() {
                None => self.half = Some(byte),
                Some(first) if self.big_endian => self.unit(u16::from_be_bytes([first, byte])),
                Some(first) => self.unit(u16::from_le_bytes([first, byte])),
            }
        }
        Ok(true)
    }

    fn unit(&mut self, unit: u16) {
        let is_mark = !std::mem::replace(&mut self.begun, true) && unit == 0xfeff;
        if is_mark {
            return;
        }
        if let (Some(high), 0xdc00..0xe000) = (self.high, unit) {
            self.high = None;
            let code = 0x10000 + ((u32::from(high) - 0xd800) << 10) + (u32::from(unit) - 0xdc00);
            self.push(code);
            return;
        }
        self.end_pair();
        match unit {
            0xd800..0xdc00 => self.high = Some(unit),
            _ => self.push(u32::from(unit)),
        }
    }

    /// A first half without a second one.
    fn end_pair(&mut self) {
        if let Some(high) = self.high.take() {
            self.push(u32::from(high));
        }
    }

    fn push(&mut self, code: u32) {
        match char::from_u32(code) {
            Some(char) => self.text.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
            None => self
                .text
                .extend([0xe0 | (code >> 12), 0x80 | (code >> 6 & 0x3f), 0x80 | (code & 0x3f)].map(|it| it as u8)),
        }
    }
}

impl Read for Utf16 {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() {
            if !self.refill()? {
                return Ok(0);
            }
        }
        let n = buf.len().min(self.text.len() - self.given);
        buf[..n].copy_from_slice(&self.text[self.given..self.given + n]);
        self.given += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn decoded(bytes: &[u8], big_endian: bool, at_once: usize) -> io::Result<Vec<u8>> {
        let input: Box<dyn Read + Send> = Box::new(io::Cursor::new(bytes.to_vec()));
        let mut text = Vec::new();
        Utf16::new(BufReader::with_capacity(at_once, input), big_endian).read_to_end(&mut text)?;
        Ok(text)
    }

    #[test]
    fn text_is_the_same_in_utf_8_wherever_it_is_cut() {
        let text = "{\"ü€😀\": \"\u{10ffff}\u{ffff}\"}\r\n";
        for at_once in 1..9 {
            for big_endian in [false, true] {
                let bytes: Vec<u8> = format!("\u{feff}{text}")
                    .encode_utf16()
                    .flat_map(|it| if big_endian { it.to_be_bytes() } else { it.to_le_bytes() })
                    .collect();
                assert_eq!(decoded(&bytes, big_endian, at_once).unwrap(), text.as_bytes());
                assert_eq!(decoded(&bytes[2..], big_endian, at_once).unwrap(), text.as_bytes(), "without a mark");
            }
        }
    }

    #[test]
    fn half_a_pair_is_no_utf_8() {
        for units in [&[0xd800u16, 0x41][..], &[0xdc00], &[0xd800], &[0xd800, 0xd800, 0xdc00]] {
            let bytes: Vec<u8> = units.iter().flat_map(|it| it.to_le_bytes()).collect();
            assert!(std::str::from_utf8(&decoded(&bytes, false, 8).unwrap()).is_err(), "{units:x?}");
        }
    }

    #[test]
    fn half_a_unit_is_a_cut() {
        let err = decoded(b"\xff\xfe{\0}", false, 8).unwrap_err();
        assert_eq!(DecodeFault::from_error(err).unwrap(), DecodeFault::Cut(NAME));
    }
}
