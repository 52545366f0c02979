//! The few vector instructions, each beside a plain version that must agree with it.
//!
//! This is the only file with `unsafe`: since SSE2 belongs to every x86-64 processor, the one
//! condition for calling these functions always holds, but the language still wants it said.

/// One bit a byte, the first byte lowest.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Masks {
    pub(super) quotes: u64,
    pub(super) backslashes: u64,
    pub(super) opens: u64,
    pub(super) closes: u64,
}

/// Where the bytes that matter for the structure are; `[` and `{` are the same, `]` and `}` as well.
#[cfg(target_arch = "x86_64")]
#[inline]
#[expect(unsafe_code, reason = "see the module")]
pub(super) fn masks(block: &[u8; 64]) -> Masks {
    // SAFETY: every x86-64 processor has SSE2.
    unsafe { vector::masks(block) }
}

/// Where the plain part of a string ends: at a quote, a backslash, a control character, or the end.
#[cfg(target_arch = "x86_64")]
#[inline]
#[expect(unsafe_code, reason = "see the module")]
pub(super) fn plain_end(bytes: &[u8], at: usize) -> usize {
    // SAFETY: every x86-64 processor has SSE2.
    unsafe { vector::plain_end(bytes, at) }
}

/// Where two blocks are equal, one bit a byte, the first byte lowest.
#[cfg(target_arch = "x86_64")]
#[inline]
#[expect(unsafe_code, reason = "see the module")]
pub(super) fn equal(one: &[u8; 64], two: &[u8; 64]) -> u64 {
    // SAFETY: every x86-64 processor has SSE2.
    unsafe { vector::equal(one, two) }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) use plain::{equal, masks, plain_end};

#[cfg(target_arch = "x86_64")]
mod vector {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
    };

    use super::Masks;

    #[inline]
    #[target_feature(enable = "sse2")]
    fn load(word: &[u8; 16]) -> __m128i {
        let bits = u128::from_le_bytes(*word);
        _mm_set_epi64x((bits >> 64) as i64, bits as i64)
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn find(lane: __m128i, byte: u8) -> u64 {
        u64::from(_mm_movemask_epi8(_mm_cmpeq_epi8(lane, _mm_set1_epi8(byte as i8))) as u32)
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn masks(block: &[u8; 64]) -> Masks {
        let mut masks = Masks { quotes: 0, backslashes: 0, opens: 0, closes: 0 };
        let (words, _) = block.as_chunks::<16>();
        for (nth, word) in words.iter().enumerate() {
            let lane = load(word);
            // The two kinds of brackets differ in one bit only.
            let folded = _mm_or_si128(lane, _mm_set1_epi8(0x20));
            let shift = nth * 16;
            masks.quotes |= find(lane, b'"') << shift;
            masks.backslashes |= find(lane, b'\\') << shift;
            masks.opens |= find(folded, b'{') << shift;
            masks.closes |= find(folded, b'}') << shift;
        }
        masks
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn equal(one: &[u8; 64], two: &[u8; 64]) -> u64 {
        let ([a, b, c, d], []) = one.as_chunks::<16>() else { return 0 };
        let ([e, f, g, h], []) = two.as_chunks::<16>() else { return 0 };
        same(a, e) | same(b, f) << 16 | same(c, g) << 32 | same(d, h) << 48
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn same(one: &[u8; 16], two: &[u8; 16]) -> u64 {
        u64::from(_mm_movemask_epi8(_mm_cmpeq_epi8(load(one), load(two))) as u32)
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn plain_end(bytes: &[u8], mut at: usize) -> usize {
        // Most texts end within the first two words: both are looked at without asking which.
        while let Some([one, other]) = bytes.get(at..).and_then(|it| it.as_chunks::<16>().0.first_chunk::<2>()) {
            let found = not_plain(load(one)) | not_plain(load(other)) << 16;
            if found != 0 {
                return at + found.trailing_zeros() as usize;
            }
            at += 32;
        }
        super::plain::plain_end(bytes, at)
    }

    /// The bytes that are not the plain part of a string.
    #[inline]
    #[target_feature(enable = "sse2")]
    fn not_plain(lane: __m128i) -> u32 {
        let quotes = _mm_cmpeq_epi8(lane, _mm_set1_epi8(b'"' as i8));
        let backslashes = _mm_cmpeq_epi8(lane, _mm_set1_epi8(b'\\' as i8));
        // A control character is its own minimum with the largest of them.
        let controls = _mm_cmpeq_epi8(_mm_min_epu8(lane, _mm_set1_epi8(0x1f)), lane);
        _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quotes, backslashes), controls)) as u32
    }
}

#[cfg_attr(all(target_arch = "x86_64", not(test)), allow(dead_code, reason = "the tests compare, other machines call"))]
mod plain {
    use super::Masks;

    pub(in super::super) fn masks(block: &[u8; 64]) -> Masks {
        let of = |test: fn(u8) -> bool| {
            block.iter().enumerate().fold(0, |mask, (nth, byte)| mask | (u64::from(test(*byte)) << nth))
        };
        Masks {
            quotes: of(|it| it == b'"'),
            backslashes: of(|it| it == b'\\'),
            opens: of(|it| it | 0x20 == b'{'),
            closes: of(|it| it | 0x20 == b'}'),
        }
    }

    pub(in super::super) fn equal(one: &[u8; 64], two: &[u8; 64]) -> u64 {
        one.iter().zip(two).enumerate().fold(0, |mask, (nth, (one, two))| mask | u64::from(one == two) << nth)
    }

    pub(in super::super) fn plain_end(bytes: &[u8], mut at: usize) -> usize {
        while let Some(&byte) = bytes.get(at) {
            if byte == b'"' || byte == b'\\' || byte < 0x20 {
                break;
            }
            at += 1;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn both_ways_to_make_masks_agree(bytes in prop::collection::vec(any::<u8>(), 64)) {
            let block = bytes.first_chunk::<64>().unwrap();
            prop_assert_eq!(masks(block), plain::masks(block));
        }

        #[test]
        fn both_ways_to_compare_agree(one in prop::collection::vec(0u8..2, 64), two in prop::collection::vec(0u8..2, 64)) {
            let (one, two) = (one.first_chunk::<64>().unwrap(), two.first_chunk::<64>().unwrap());
            prop_assert_eq!(equal(one, two), plain::equal(one, two));
        }

        #[test]
        fn both_ways_to_find_the_end_agree(bytes in prop::collection::vec(prop_oneof![Just(b'a'), any::<u8>()], 0..100), at in 0usize..110) {
            prop_assert_eq!(plain_end(&bytes, at), plain::plain_end(&bytes, at));
        }
    }
}
