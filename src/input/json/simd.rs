//! The few vector instructions, each beside a plain version that must agree with it.
//!
//! This is the only file with `unsafe`: since SSE2 belongs to every x86-64 processor and NEON to every one of
//! AArch64, the one condition for calling these functions always holds, but the language still wants it said.

/// One bit a byte, the first byte lowest.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Masks {
    pub(super) quotes: u64,
    pub(super) backslashes: u64,
    pub(super) opens: u64,
    pub(super) closes: u64,
}

/// Where the bytes that matter for the structure are; `[` and `{` are the same, `]` and `}` as well.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline]
#[expect(unsafe_code, reason = "see the module")]
pub(super) fn masks(block: &[u8; 64]) -> Masks {
    // SAFETY: every processor this is compiled for has these instructions.
    unsafe { vector::masks(block) }
}

/// Where the plain part of a string ends: at a quote, a backslash, a control character, or the end.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline]
#[expect(unsafe_code, reason = "see the module")]
pub(super) fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    // Most texts end within the first 32 bytes.
    while let Some(block) = bytes.get(at..).and_then(|it| it.first_chunk::<32>()) {
        // SAFETY: every processor this is compiled for has these instructions.
        let found = unsafe { vector::not_plain(block) };
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += 32;
    }
    plain::plain_end(bytes, at)
}

/// Where two blocks are equal, one bit a byte, the first byte lowest.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline]
#[expect(unsafe_code, reason = "see the module")]
pub(super) fn equal(one: &[u8; 64], two: &[u8; 64]) -> u64 {
    // SAFETY: every processor this is compiled for has these instructions.
    unsafe { vector::equal(one, two) }
}

/// The number of 16 hexadecimal digits, letters small.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline]
#[expect(unsafe_code, reason = "see the module")]
pub(crate) fn hexadecimal(digits: &[u8; 16]) -> Option<u64> {
    // SAFETY: every processor this is compiled for has these instructions.
    unsafe { vector::hexadecimal(digits) }
}

/// The number of 16 decimal digits.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline]
#[expect(unsafe_code, reason = "see the module")]
pub(crate) fn decimal(digits: &[u8; 16]) -> Option<u64> {
    // SAFETY: every processor this is compiled for has these instructions.
    unsafe { vector::decimal(digits) }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) use plain::{decimal, hexadecimal};
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) use plain::{equal, masks, plain_end};

#[cfg(target_arch = "aarch64")]
#[path = "simd/neon.rs"]
mod vector;
#[cfg(target_arch = "x86_64")]
#[path = "simd/sse2.rs"]
mod vector;

#[cfg_attr(not(test), allow(dead_code, reason = "the tests compare, other machines call"))]
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

    pub(crate) fn hexadecimal(digits: &[u8; 16]) -> Option<u64> {
        let value = |it: &u8| match it {
            b'0'..=b'9' => Some(it - b'0'),
            b'a'..=b'f' => Some(it - b'a' + 10),
            _ => None,
        };
        digits.iter().try_fold(0, |number, it| Some(number << 4 | u64::from(value(it)?)))
    }

    pub(crate) fn decimal(digits: &[u8; 16]) -> Option<u64> {
        let value = |it: &u8| it.is_ascii_digit().then(|| it - b'0');
        digits.iter().try_fold(0, |number, it| Some(number * 10 + u64::from(value(it)?)))
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
        fn both_ways_to_read_digits_agree(
            mut digits in prop::collection::vec(prop::sample::select(&b"0123456789abcdef"[..]), 16),
            byte: Option<(prop::sample::Index, u8)>,
            is_decimal: bool,
        ) {
            if is_decimal {
                digits.iter_mut().for_each(|it| *it = b'0' + *it % 10);
            }
            if let Some((at, byte)) = byte {
                digits[at.index(16)] = byte;
            }
            let digits = digits.first_chunk::<16>().unwrap();
            prop_assert_eq!(hexadecimal(digits), plain::hexadecimal(digits));
            prop_assert_eq!(decimal(digits), plain::decimal(digits));
        }

        #[test]
        fn both_ways_to_find_the_end_agree(bytes in prop::collection::vec(prop_oneof![Just(b'a'), any::<u8>()], 0..100), at in 0usize..110) {
            prop_assert_eq!(plain_end(&bytes, at), plain::plain_end(&bytes, at));
        }
    }
}
