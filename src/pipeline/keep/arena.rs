//! Segments of bytes, in memory or in a temporary file, each with a link to another.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Mutex, PoisonError};

use crate::model::Id;

/// Where segments are kept.
#[derive(Debug)]
pub(in crate::pipeline) enum Arena {
    /// In blocks, none of which ever moves.
    Memory(Vec<Vec<u8>>),
    /// In an unnamed temporary file.
    Spool(Spool),
}

/// A temporary file whose end is still in memory.
#[derive(Debug)]
pub(in crate::pipeline) struct Spool {
    file: Mutex<File>,
    n_written: u64,
    rest: Vec<u8>,
}

/// A block takes whole segments; one that is larger has a block of its own.
const BLOCK: usize = 4 << 20;
const BITS_OF_OFFSET: u32 = 32;

/// The link and the length before each segment.
const HEADER: usize = 8 + 4;

impl Arena {
    pub(in crate::pipeline) fn memory() -> Arena {
        Arena::Memory(Vec::new())
    }

    pub(in crate::pipeline) fn spool() -> io::Result<Arena> {
        Ok(Arena::Spool(Spool { file: Mutex::new(tempfile::tempfile()?), n_written: 0, rest: Vec::new() }))
    }

    /// Appends a segment, not yet linked; gives its place.
    pub(super) fn append(&mut self, segment: &[u8]) -> io::Result<u64> {
        let n_bytes = u32::try_from(segment.len())
            .map_err(|_| io::Error::other("a trace is too large to be kept until its parts have come"))?;
        let (out, place) = match self {
            Arena::Memory(blocks) => {
                let size = segment.len() + HEADER;
                if blocks.last().is_none_or(|it| it.len() + size > it.capacity()) {
                    blocks.push(Vec::with_capacity(BLOCK.max(size)));
                }
                let nth = blocks.len() - 1;
                let block = &mut blocks[nth];
                let place = (nth as u64) << BITS_OF_OFFSET | block.len() as u64;
                (block, place)
            }
            Arena::Spool(spool) => {
                spool.make_room()?;
                let place = spool.n_written + spool.rest.len() as u64;
                (&mut spool.rest, place)
            }
        };
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&n_bytes.to_le_bytes());
        out.extend_from_slice(segment);
        Ok(place)
    }

    /// Sets the link of a segment.
    pub(super) fn link(&mut self, place: u64, link: u64) -> io::Result<()> {
        match self {
            Arena::Memory(blocks) => {
                let at = (place & u64::from(u32::MAX)) as usize;
                blocks[(place >> BITS_OF_OFFSET) as usize][at..at + 8].copy_from_slice(&link.to_le_bytes());
            }
            Arena::Spool(spool) => match place.checked_sub(spool.n_written) {
                Some(at) => spool.rest[at as usize..at as usize + 8].copy_from_slice(&link.to_le_bytes()),
                None => {
                    let file = spool.file.get_mut().unwrap_or_else(PoisonError::into_inner);
                    file.seek(SeekFrom::Start(place))?;
                    file.write_all(&link.to_le_bytes())?;
                }
            },
        }
        Ok(())
    }

    /// Reads a segment into `bytes`; gives its link.
    pub(super) fn read(&self, place: u64, bytes: &mut Vec<u8>) -> io::Result<u64> {
        bytes.clear();
        let mut header = [0; HEADER];
        match self {
            Arena::Memory(blocks) => {
                let block = &blocks[(place >> BITS_OF_OFFSET) as usize][(place & u64::from(u32::MAX)) as usize..];
                header.copy_from_slice(&block[..HEADER]);
                bytes.extend_from_slice(&block[HEADER..HEADER + length(&header)]);
            }
            Arena::Spool(spool) => match place.checked_sub(spool.n_written) {
                Some(at) => {
                    let rest = &spool.rest[at as usize..];
                    header.copy_from_slice(&rest[..HEADER]);
                    bytes.extend_from_slice(&rest[HEADER..HEADER + length(&header)]);
                }
                None => {
                    let mut file = spool.file.lock().unwrap_or_else(PoisonError::into_inner);
                    file.seek(SeekFrom::Start(place))?;
                    file.read_exact(&mut header)?;
                    bytes.resize(length(&header), 0);
                    file.read_exact(bytes)?;
                }
            },
        }
        Ok(link(&header))
    }
}

fn length(header: &[u8; HEADER]) -> usize {
    u32::from_le_bytes([header[8], header[9], header[10], header[11]]) as usize
}

fn link(header: &[u8; HEADER]) -> u64 {
    let mut link = [0; 8];
    link.copy_from_slice(&header[..8]);
    u64::from_le_bytes(link)
}

impl Spool {
    /// Writes down what is in memory, once there is enough of it.
    fn make_room(&mut self) -> io::Result<()> {
        if self.rest.len() < BLOCK {
            return Ok(());
        }
        let file = self.file.get_mut().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.n_written))?;
        file.write_all(&self.rest)?;
        self.n_written += self.rest.len() as u64;
        self.rest.clear();
        Ok(())
    }
}

/// The bytes of a segment, read from front to back. They were written here, so nothing is amiss with them.
#[derive(Debug)]
pub(super) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Bytes<'a> {
        Bytes(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(n);
        self.0 = rest;
        taken
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    pub(super) fn number(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return value;
            }
            shift += 7;
        }
    }

    pub(super) fn signed(&mut self) -> i64 {
        let value = self.number();
        (value >> 1) as i64 ^ -((value & 1) as i64)
    }

    pub(super) fn text_of(&mut self, n_bytes: usize) -> &'a str {
        std::str::from_utf8(self.take(n_bytes)).expect("it was a text when it was kept")
    }

    pub(super) fn text(&mut self) -> &'a str {
        let n_bytes = self.number() as usize;
        self.text_of(n_bytes)
    }

    pub(super) fn id(&mut self) -> Id {
        let head = self.byte();
        if head & 0x80 != 0 {
            return Id::parse(self.text()).expect("it was an id when it was kept");
        }
        let digits = head & 0x3f;
        let value =
            self.take(usize::from(digits).div_ceil(2)).iter().fold(0u128, |it, byte| it << 8 | u128::from(*byte));
        Id::Hex { high: (value >> 64) as u64, low: value as u64, digits, upper: head & 0x40 != 0 }
    }
}
