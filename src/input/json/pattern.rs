//! Texts that are looked for where they probably stand.
//!
//! They are compared 64 bytes at a time, whatever their length: a branch on it would be guessed wrongly more
//! often than not, which costs as much as comparing a hundred bytes.

use super::simd::equal;

const BLOCK: usize = 64;

/// A text to compare with.
#[derive(Debug, Default)]
pub(crate) struct Pattern {
    /// The text, filled up with zeros.
    blocks: Box<[[u8; BLOCK]]>,
    length: usize,
    /// A bit for each byte of the last block that is none of the text's.
    behind: u64,
}

impl Pattern {
    pub(crate) fn new(text: &[u8]) -> Pattern {
        let blocks = text.chunks(BLOCK).map(|chunk| {
            let mut block = [0; BLOCK];
            block[..chunk.len()].copy_from_slice(chunk);
            block
        });
        let behind = if text.len() % BLOCK == 0 { 0 } else { u64::MAX << (text.len() % BLOCK) };
        Pattern { blocks: blocks.collect(), length: text.len(), behind }
    }

    /// How many bytes it has.
    #[inline]
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Whether the bytes begin with it.
    #[inline]
    pub(crate) fn begins(&self, bytes: &[u8]) -> bool {
        let Some((last, whole)) = self.blocks.split_last() else { return true };
        let mut theirs = bytes;
        for mine in whole {
            let Some((block, rest)) = theirs.split_first_chunk::<BLOCK>() else { return false };
            if equal(mine, block) != u64::MAX {
                return false;
            }
            theirs = rest;
        }
        match theirs.first_chunk::<BLOCK>() {
            // What fills up the last block is equal or not, and no matter.
            Some(block) => (equal(last, block) | self.behind) == u64::MAX,
            None => self.begins_near_end(bytes),
        }
    }

    /// As [`Pattern::begins`], where fewer bytes are left than the blocks have.
    #[cold]
    fn begins_near_end(&self, bytes: &[u8]) -> bool {
        bytes.len() >= self.length && self.blocks.as_flattened().iter().take(self.length).eq(&bytes[..self.length])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_starts_with(
            text in prop::collection::vec(0u8..2, 0..200),
            bytes in prop::collection::vec(0u8..2, 0..300),
            at: Option<prop::sample::Index>,
            is_alike: bool,
        ) {
            let mut bytes = if is_alike { [&text[..], &bytes].concat() } else { bytes };
            if let Some(at) = at.filter(|_| !bytes.is_empty()) {
                let at = at.index(bytes.len());
                bytes[at] ^= 1;
            }
            prop_assert_eq!(Pattern::new(&text).begins(&bytes), bytes.starts_with(&text));
            prop_assert_eq!(Pattern::new(&text).length(), text.len());
        }
    }
}
