//! Texts that are looked for where they probably stand.
//!
//! They are compared 64 bytes at a time, whatever their length: a branch on it would be guessed wrongly more
//! often than not, which costs as much as comparing a hundred bytes. And they stand one behind the other, in the
//! order in which they are met, so that each is on its way into the cache when the one before is compared.

use super::simd::equal;

const BLOCK: usize = 64;

/// Texts to compare with.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    /// All of them, and a block of zeros.
    text: Vec<u8>,
}

/// One of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pattern {
    start: u32,
    length: u32,
}

impl Pattern {
    /// Where it begins among all texts.
    pub(crate) fn start(self) -> usize {
        self.start as usize
    }

    /// How many bytes it has.
    #[inline]
    pub(crate) fn length(self) -> usize {
        self.length as usize
    }
}

impl Patterns {
    /// Adds a text.
    pub(crate) fn add(&mut self, text: &[u8]) -> Pattern {
        let start = self.text.len().saturating_sub(BLOCK);
        self.text.truncate(start);
        self.text.extend_from_slice(text);
        self.text.extend_from_slice(&[0; BLOCK]);
        Pattern { start: start as u32, length: text.len() as u32 }
    }

    /// A text.
    pub(crate) fn text(&self, pattern: Pattern) -> &[u8] {
        &self.text[pattern.start as usize..][..pattern.length as usize]
    }

    /// Puts other bytes in the place of those that stand there.
    pub(crate) fn overwrite(&mut self, at: usize, bytes: &[u8]) {
        self.text[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Whether the bytes begin with one.
    #[inline]
    pub(crate) fn begin(&self, pattern: Pattern, bytes: &[u8]) -> bool {
        let (mut mine, mut theirs) = (self.text.get(pattern.start as usize..).unwrap_or_default(), bytes);
        let mut length = pattern.length;
        while let (Some((one, my_rest)), Some((two, their_rest))) =
            (mine.split_first_chunk::<BLOCK>(), theirs.split_first_chunk::<BLOCK>())
        {
            let equal = equal(one, two);
            if length <= BLOCK as u32 {
                // What is behind its end is equal or not, and no matter.
                return length == 0 || !equal << (BLOCK as u32 - length) == 0;
            }
            if equal != u64::MAX {
                return false;
            }
            (mine, theirs, length) = (my_rest, their_rest, length - BLOCK as u32);
        }
        mine.get(..length as usize).is_some_and(|it| theirs.starts_with(it))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_starts_with(
            texts in prop::collection::vec(prop::collection::vec(0u8..2, 0..200), 1..4),
            bytes in prop::collection::vec(0u8..2, 0..300),
            at: Option<prop::sample::Index>,
            is_alike: bool,
        ) {
            let mut patterns = Patterns::default();
            let added: Vec<Pattern> = texts.iter().map(|it| patterns.add(it)).collect();
            for (text, pattern) in texts.iter().zip(added) {
                let mut bytes = if is_alike { [&text[..], &bytes].concat() } else { bytes.clone() };
                if let Some(at) = at.filter(|_| !bytes.is_empty()) {
                    let at = at.index(bytes.len());
                    bytes[at] ^= 1;
                }
                prop_assert_eq!(patterns.begin(pattern, &bytes), bytes.starts_with(text));
                prop_assert_eq!(pattern.length(), text.len());
            }
        }
    }
}
