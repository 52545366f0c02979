//! Short texts that occur in many places, each kept once: what is compared for every span then fits into the
//! first-level cache, as it would not if each operation had its own.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

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
    /// Found by content.
    numbers: HashTable<u16>,
    hasher: FixedState,
}

/// A text among them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockText {
    number: u16,
    length: u8,
    /// How many bytes of the block are behind it.
    beyond: u8,
}

impl BlockText {
    /// How many bytes it has.
    #[inline]
    pub(crate) fn length(self) -> usize {
        usize::from(self.length)
    }
}

impl Blocks {
    /// The longest text.
    pub(crate) const LONGEST: usize = LONGEST;

    /// Adds a text, which must not be empty nor too long; `None` if there are too many already.
    pub(crate) fn add(&mut self, text: &[u8]) -> Option<BlockText> {
        let mut block = Block([0; LONGEST]);
        block.0[..text.len()].copy_from_slice(text);
        let Blocks { blocks, numbers, hasher } = self;
        let hash = hasher.hash_one(block);
        let number = match numbers.find(hash, |it| blocks[usize::from(*it)] == block) {
            Some(number) => *number,
            None => {
                let number = u16::try_from(blocks.len()).ok()?;
                blocks.push(block);
                numbers.insert_unique(hash, number, |it| hasher.hash_one(blocks[usize::from(*it)]));
                number
            }
        };
        Some(BlockText { number, length: text.len() as u8, beyond: (LONGEST - text.len()) as u8 })
    }

    /// How full it is, from 0 to 1.
    pub(crate) fn fullness(&self) -> f64 {
        self.blocks.len() as f64 / (f64::from(u16::MAX) + 1.0)
    }

    /// Whether the bytes begin with a text.
    #[inline]
    pub(crate) fn begin(&self, text: BlockText, bytes: &[u8]) -> bool {
        let Some(Block(block)) = self.blocks.get(usize::from(text.number)) else { return false };
        match bytes.first_chunk::<LONGEST>() {
            // What is behind its end is equal or not, and no matter.
            Some(bytes) => !equal(block, bytes) << (text.beyond % LONGEST as u8) == 0,
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
            texts in prop::collection::vec(prop::collection::vec(1u8..3, 1..200), 1..4),
            bytes in prop::collection::vec(1u8..3, 0..300),
            at: Option<prop::sample::Index>,
            is_alike: bool,
        ) {
            let mut blocks = Blocks::default();
            let mut added = |it: &Vec<u8>| it.chunks(LONGEST).map(|it| blocks.add(it).unwrap()).collect();
            let added: Vec<Vec<BlockText>> = texts.iter().map(&mut added).collect();
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
        let mut number = |text: &[u8]| blocks.add(text).map(|it| (it.number, it.length));
        assert_eq!(
            [number(&[b'a'; 64]), number(b"a"), number(&[b'a'; 64])],
            [Some((0, 64)), Some((1, 1)), Some((0, 64))]
        );
        let n_added = (0..70_000).take_while(|it| number(format!("{it}").as_bytes()).is_some()).count();
        assert_eq!(n_added, 65_534);
        assert!(blocks.fullness() >= 1.0);
    }
}
