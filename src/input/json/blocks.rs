//! Short texts that occur in many places, each kept once: what is compared for every span then fits into the
//! first-level cache, as it would not if each operation had its own.

use std::collections::HashMap;

use super::simd::equal;

/// The longest text.
const LONGEST: usize = 64;

/// A text, and zeros behind it: one line of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(align(64))]
struct Block([u8; LONGEST]);

/// Texts by number.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    blocks: Vec<Block>,
    numbers: HashMap<Block, u16>,
}

/// A text among them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockText {
    number: u16,
    length: u8,
}

impl BlockText {
    /// How many bytes it has.
    #[inline]
    pub(crate) fn length(self) -> usize {
        usize::from(self.length)
    }
}

impl Blocks {
    /// Adds a text piece by piece; `None` if there are too many already.
    pub(crate) fn add(&mut self, text: &[u8]) -> Option<Vec<BlockText>> {
        text.chunks(LONGEST).map(|it| self.add_short(it)).collect()
    }

    fn add_short(&mut self, text: &[u8]) -> Option<BlockText> {
        let mut block = Block([0; LONGEST]);
        block.0[..text.len()].copy_from_slice(text);
        let number = match self.numbers.get(&block) {
            Some(number) => *number,
            None => {
                let number = u16::try_from(self.blocks.len()).ok()?;
                self.blocks.push(block);
                self.numbers.insert(block, number);
                number
            }
        };
        Some(BlockText { number, length: text.len() as u8 })
    }

    /// How full it is, from 0 to 1.
    pub(crate) fn fullness(&self) -> f64 {
        self.blocks.len() as f64 / f64::from(u16::MAX)
    }

    /// Whether the bytes begin with a text.
    #[inline]
    pub(crate) fn begin(&self, text: BlockText, bytes: &[u8]) -> bool {
        let Some(Block(block)) = self.blocks.get(usize::from(text.number)) else { return false };
        match bytes.first_chunk::<LONGEST>() {
            // What is behind its end is equal or not, and no matter.
            Some(bytes) => equal(block, bytes) | u64::MAX.checked_shl(u32::from(text.length)).unwrap_or(0) == u64::MAX,
            None => bytes.starts_with(&block[..text.length()]),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_starts_with(
            texts in prop::collection::vec(prop::collection::vec(1u8..3, 0..200), 1..4),
            bytes in prop::collection::vec(1u8..3, 0..300),
            at: Option<prop::sample::Index>,
            is_alike: bool,
        ) {
            let mut blocks = Blocks::default();
            let added: Vec<Vec<BlockText>> = texts.iter().map(|it| blocks.add(it).unwrap()).collect();
            for (text, added) in texts.iter().zip(added) {
                let mut bytes = if is_alike { [&text[..], &bytes].concat() } else { bytes.clone() };
                if let Some(at) = at.filter(|_| !bytes.is_empty()) {
                    let at = at.index(bytes.len());
                    bytes[at] ^= 3;
                }
                let mut rest = &bytes[..];
                let begins = added.iter().all(|it| {
                    let begins = blocks.begin(*it, rest);
                    rest = rest.get(it.length()..).unwrap_or_default();
                    begins
                });
                prop_assert_eq!(begins, bytes.starts_with(text));
            }
        }
    }

    #[test]
    fn a_text_is_kept_once_and_not_without_end() {
        let mut blocks = Blocks::default();
        let numbers = |it: &[BlockText]| it.iter().map(|it| (it.number, it.length)).collect::<Vec<_>>();
        assert_eq!(numbers(&blocks.add(&[b'a'; 150]).unwrap()), [(0, 64), (0, 64), (1, 22)]);
        assert_eq!(numbers(&blocks.add(&[b'a'; 22]).unwrap()), [(1, 22)]);
        assert!((0..65_534u32).all(|it| blocks.add(&it.to_be_bytes().map(|it| it | 1 << 7)).is_some() || it > 16_384));
        for it in 0..u32::from(u16::MAX) * 2 {
            if blocks.add(format!("{it}").as_bytes()).is_none() {
                assert_eq!(blocks.blocks.len(), 65_536);
                assert!(blocks.fullness() >= 1.0);
                return;
            }
        }
        panic!("it took more than it can number");
    }
}
