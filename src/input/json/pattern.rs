//! Texts that are looked for where they probably stand.
//!
//! They are compared 64 bytes at a time, whatever their length: a branch on it would be guessed wrongly more
//! often than not, which costs as much as comparing a hundred bytes.

const BLOCK: usize = 64;

/// A text to compare with.
#[derive(Debug, Default)]
pub(crate) struct Pattern {
    /// The text, filled up with zeros.
    blocks: Box<[[u8; BLOCK]]>,
    length: usize,
}

/// As many ones as a block has bytes, and zeros behind: from the right place on, a mask of any number of bytes.
const MASKS: [u8; 2 * BLOCK] = {
    let mut masks = [0; 2 * BLOCK];
    let mut nth = 0;
    while nth < BLOCK {
        masks[nth] = 0xff;
        nth += 1;
    }
    masks
};

impl Pattern {
    pub(crate) fn new(text: &[u8]) -> Pattern {
        let blocks = text.chunks(BLOCK).map(|chunk| {
            let mut block = [0; BLOCK];
            block[..chunk.len()].copy_from_slice(chunk);
            block
        });
        Pattern { blocks: blocks.collect(), length: text.len() }
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
        let (theirs, _) = bytes.as_chunks::<BLOCK>();
        match theirs.get(whole.len()) {
            // One by one: a call for all of them would ask for their length first.
            Some(their_last) => {
                whole.iter().zip(theirs).all(|(mine, theirs)| is_same(mine, theirs))
                    && begins_alike(last, their_last, self.length - whole.len() * BLOCK)
            }
            None => self.begins_near_end(bytes),
        }
    }

    /// As [`Pattern::begins`], where fewer bytes are left than the blocks have.
    #[cold]
    fn begins_near_end(&self, bytes: &[u8]) -> bool {
        bytes.len() >= self.length && self.blocks.as_flattened().iter().take(self.length).eq(&bytes[..self.length])
    }
}

/// Whether the first so many bytes of two blocks are the same.
#[inline]
fn begins_alike(one: &[u8; BLOCK], two: &[u8; BLOCK], length: usize) -> bool {
    let Some(mask) = MASKS.get(BLOCK - length..).and_then(|it| it.first_chunk::<BLOCK>()) else { return false };
    let mut differ = 0;
    for ((one, two), mask) in words(one).into_iter().zip(words(two)).zip(words(mask)) {
        differ |= (one ^ two) & mask;
    }
    differ == 0
}

#[inline]
fn is_same(one: &[u8; BLOCK], two: &[u8; BLOCK]) -> bool {
    // Not `==`, which is a call.
    words(one).into_iter().zip(words(two)).fold(0, |differ, (one, two)| differ | (one ^ two)) == 0
}

#[inline]
fn words(block: &[u8; BLOCK]) -> [u64; BLOCK / 8] {
    let (words, _) = block.as_chunks::<8>();
    std::array::from_fn(|nth| u64::from_ne_bytes(words[nth]))
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
