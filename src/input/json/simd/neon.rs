//! For AArch64, all of whose processors have NEON.

use std::arch::aarch64::{
    uint8x16_t, vaddq_u8, vandq_u8, vceqq_u8, vcleq_u8, vcltq_u8, vcombine_u64, vcreate_u64, vdupq_n_u8, vget_lane_u64,
    vgetq_lane_u64, vminvq_u8, vmovn_u16, vorrq_u8, vorrq_u16, vpaddq_u8, vreinterpret_u64_u8, vreinterpretq_u8_u64,
    vreinterpretq_u16_u8, vreinterpretq_u64_u8, vshlq_n_u16, vshrq_n_u16, vsubq_u8,
};

use super::Masks;

#[inline]
#[target_feature(enable = "neon")]
fn load(word: &[u8; 16]) -> uint8x16_t {
    let bits = u128::from_le_bytes(*word);
    vreinterpretq_u8_u64(vcombine_u64(vcreate_u64(bits as u64), vcreate_u64((bits >> 64) as u64)))
}

/// The vectors of a block.
#[inline]
#[target_feature(enable = "neon")]
fn lanes(block: &[u8; 64]) -> [uint8x16_t; 4] {
    let ([a, b, c, d], []) = block.as_chunks::<16>() else { return [vdupq_n_u8(0); 4] };
    [load(a), load(b), load(c), load(d)]
}

/// One bit for each byte that is all ones; the others are all zeros.
#[inline]
#[target_feature(enable = "neon")]
fn bits([a, b, c, d]: [uint8x16_t; 4]) -> u64 {
    // Each byte keeps the bit of its place among eight; three times neighbours are added up.
    let places = vreinterpretq_u8_u64(vcombine_u64(vcreate_u64(PLACES), vcreate_u64(PLACES)));
    let low = vpaddq_u8(vandq_u8(a, places), vandq_u8(b, places));
    let high = vpaddq_u8(vandq_u8(c, places), vandq_u8(d, places));
    let both = vpaddq_u8(low, high);
    vgetq_lane_u64::<0>(vreinterpretq_u64_u8(vpaddq_u8(both, both)))
}

const PLACES: u64 = 0x8040_2010_0804_0201;

#[inline]
#[target_feature(enable = "neon")]
fn find(lanes: [uint8x16_t; 4], byte: u8) -> u64 {
    let wanted = vdupq_n_u8(byte);
    let [a, b, c, d] = lanes;
    bits([vceqq_u8(a, wanted), vceqq_u8(b, wanted), vceqq_u8(c, wanted), vceqq_u8(d, wanted)])
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn masks(block: &[u8; 64]) -> Masks {
    let lanes = lanes(block);
    // The two kinds of brackets differ in one bit only.
    let bit = vdupq_n_u8(0x20);
    let [a, b, c, d] = lanes;
    let folded = [vorrq_u8(a, bit), vorrq_u8(b, bit), vorrq_u8(c, bit), vorrq_u8(d, bit)];
    Masks {
        quotes: find(lanes, b'"'),
        backslashes: find(lanes, b'\\'),
        opens: find(folded, b'{'),
        closes: find(folded, b'}'),
    }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn equal(one: &[u8; 64], two: &[u8; 64]) -> u64 {
    let ([a, b, c, d], [e, f, g, h]) = (lanes(one), lanes(two));
    bits([vceqq_u8(a, e), vceqq_u8(b, f), vceqq_u8(c, g), vceqq_u8(d, h)])
}

/// Where bytes are not the plain part of a string, one bit a byte, the first byte lowest.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn not_plain(block: &[u8; 32]) -> u32 {
    let ([one, other], []) = block.as_chunks::<16>() else { return 0 };
    let none = vdupq_n_u8(0);
    bits([marks(load(one)), marks(load(other)), none, none]) as u32
}

#[inline]
#[target_feature(enable = "neon")]
fn marks(lane: uint8x16_t) -> uint8x16_t {
    let quotes = vceqq_u8(lane, vdupq_n_u8(b'"'));
    let backslashes = vceqq_u8(lane, vdupq_n_u8(b'\\'));
    let controls = vcltq_u8(lane, vdupq_n_u8(0x20));
    vorrq_u8(vorrq_u8(quotes, backslashes), controls)
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn hexadecimal(digits: &[u8; 16]) -> Option<u64> {
    let text = load(digits);
    let (from_0, from_a) = (vsubq_u8(text, vdupq_n_u8(b'0')), vsubq_u8(text, vdupq_n_u8(b'a')));
    let (is_digit, is_letter) = (vcleq_u8(from_0, vdupq_n_u8(9)), vcleq_u8(from_a, vdupq_n_u8(5)));
    if vminvq_u8(vorrq_u8(is_digit, is_letter)) == 0 {
        return None;
    }
    let letters = vaddq_u8(from_a, vdupq_n_u8(10));
    let values = vreinterpretq_u16_u8(vorrq_u8(vandq_u8(is_digit, from_0), vandq_u8(is_letter, letters)));
    // Of each pair the first, which is the higher one, is the low byte.
    let pairs = vorrq_u16(vshlq_n_u16::<4>(values), vshrq_n_u16::<8>(values));
    Some(vget_lane_u64::<0>(vreinterpret_u64_u8(vmovn_u16(pairs))).swap_bytes())
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn decimal(digits: &[u8; 16]) -> Option<u64> {
    let values = vsubq_u8(load(digits), vdupq_n_u8(b'0'));
    if vminvq_u8(vcleq_u8(values, vdupq_n_u8(9))) == 0 {
        return None;
    }
    // Of each pair the first, which counts ten times as much, is the low byte; so it goes on.
    let eight = |values: u64| {
        let pairs = (values & 0x00ff_00ff_00ff_00ff) * 10 + (values >> 8 & 0x00ff_00ff_00ff_00ff);
        let fours = (pairs & 0x0000_ffff_0000_ffff) * 100 + (pairs >> 16 & 0x0000_ffff_0000_ffff);
        (fours & 0xffff_ffff) * 10_000 + (fours >> 32)
    };
    let values = vreinterpretq_u64_u8(values);
    Some(eight(vgetq_lane_u64::<0>(values)) * 100_000_000 + eight(vgetq_lane_u64::<1>(values)))
}
