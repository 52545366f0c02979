//! For x86-64, all of whose processors have SSE2.

use std::arch::x86_64::{
    __m128i, _mm_add_epi8, _mm_add_epi16, _mm_and_si128, _mm_cmpeq_epi8, _mm_cvtsi128_si64, _mm_madd_epi16,
    _mm_min_epu8, _mm_movemask_epi8, _mm_mullo_epi16, _mm_or_si128, _mm_packs_epi32, _mm_packus_epi16, _mm_set_epi64x,
    _mm_set1_epi8, _mm_set1_epi16, _mm_set1_epi32, _mm_slli_epi16, _mm_srli_epi16, _mm_sub_epi8,
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

/// Where bytes are not the plain part of a string, one bit a byte, the first byte lowest.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn not_plain(block: &[u8; 32]) -> u32 {
    let ([one, other], []) = block.as_chunks::<16>() else { return 0 };
    marks(load(one)) | marks(load(other)) << 16
}

#[inline]
#[target_feature(enable = "sse2")]
fn marks(lane: __m128i) -> u32 {
    let quotes = _mm_cmpeq_epi8(lane, _mm_set1_epi8(b'"' as i8));
    let backslashes = _mm_cmpeq_epi8(lane, _mm_set1_epi8(b'\\' as i8));
    // A control character is its own minimum with the largest of them.
    let controls = _mm_cmpeq_epi8(_mm_min_epu8(lane, _mm_set1_epi8(0x1f)), lane);
    _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quotes, backslashes), controls)) as u32
}

/// Which bytes are not above a limit.
#[inline]
#[target_feature(enable = "sse2")]
fn upto(lane: __m128i, limit: u8) -> __m128i {
    _mm_cmpeq_epi8(_mm_min_epu8(lane, _mm_set1_epi8(limit as i8)), lane)
}

#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn hexadecimal(digits: &[u8; 16]) -> Option<u64> {
    let text = load(digits);
    let from_0 = _mm_sub_epi8(text, _mm_set1_epi8(b'0' as i8));
    let from_a = _mm_sub_epi8(text, _mm_set1_epi8(b'a' as i8));
    let (is_digit, is_letter) = (upto(from_0, 9), upto(from_a, 5));
    if _mm_movemask_epi8(_mm_or_si128(is_digit, is_letter)) != 0xffff {
        return None;
    }
    let letters = _mm_add_epi8(from_a, _mm_set1_epi8(10));
    let values = _mm_or_si128(_mm_and_si128(is_digit, from_0), _mm_and_si128(is_letter, letters));
    // Of each pair the first, which is the higher one, is the low byte.
    let pairs = _mm_or_si128(_mm_slli_epi16(values, 4), _mm_srli_epi16(values, 8));
    let pairs = _mm_and_si128(pairs, _mm_set1_epi16(0xff));
    Some((_mm_cvtsi128_si64(_mm_packus_epi16(pairs, pairs)) as u64).swap_bytes())
}

#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn decimal(digits: &[u8; 16]) -> Option<u64> {
    let values = _mm_sub_epi8(load(digits), _mm_set1_epi8(b'0' as i8));
    if _mm_movemask_epi8(upto(values, 9)) != 0xffff {
        return None;
    }
    // Of each pair the first, which counts ten times as much, is the low byte; so it goes on.
    let tens = _mm_mullo_epi16(_mm_and_si128(values, _mm_set1_epi16(0xff)), _mm_set1_epi16(10));
    let pairs = _mm_add_epi16(tens, _mm_srli_epi16(values, 8));
    let fours = _mm_madd_epi16(pairs, _mm_set1_epi32(1 << 16 | 100));
    let eights = _mm_madd_epi16(_mm_packs_epi32(fours, fours), _mm_set1_epi32(1 << 16 | 10_000));
    let both = _mm_cvtsi128_si64(eights) as u64;
    Some((both & 0xffff_ffff) * 100_000_000 + (both >> 32))
}
