//! Where a value ends: brackets counted outside of strings, 64 bytes at a time.
//!
//! Nothing is validated here; the parser does that. On valid JSON the end found is the true one, and
//! on invalid JSON the parser stops at the first fault, up to which everything found was right.

/// The state of a scan that may stop and go on at any byte.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scanner {
    depth: u64,
    in_string: bool,
    escaped: bool,
}

/// One bit a byte, the first byte lowest.
struct Masks {
    quotes: u64,
    backslashes: u64,
    opens: u64,
    closes: u64,
}

impl Scanner {
    /// Scans on; gives the position behind the bracket that closes the first one.
    ///
    /// The first byte of all must be an opening bracket.
    pub(crate) fn scan(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        let (blocks, rest) = bytes.as_chunks::<64>();
        for block in blocks {
            if let Some(end) = self.scan_block(masks(block)) {
                return Some(at + end);
            }
            at += 64;
        }
        self.scan_bytes(rest).map(|end| at + end)
    }

    fn scan_block(&mut self, masks: Masks) -> Option<usize> {
        let escaped = self.escaped_bytes(masks.backslashes);
        let quotes = masks.quotes & !escaped;
        let strings = prefix_xor(quotes) ^ if self.in_string { !0 } else { 0 };
        self.in_string = strings >> 63 == 1;
        let outside = !strings & !escaped;
        let (opens, mut closes) = (masks.opens & outside, masks.closes & outside);
        let n_closes = u64::from(closes.count_ones());
        if self.depth > n_closes {
            self.depth = self.depth + u64::from(opens.count_ones()) - n_closes;
            return None;
        }
        // The end may be in this block: look at its brackets one by one.
        let mut before = 0;
        while closes != 0 {
            let at = closes.trailing_zeros();
            let upto = opens & ((1u64 << at) - 1);
            let depth = self.depth + u64::from(upto.count_ones()) - before;
            before += 1;
            if depth <= 1 {
                return Some(at as usize + 1);
            }
            closes &= closes - 1;
        }
        self.depth = self.depth + u64::from(opens.count_ones()) - before;
        None
    }

    /// Which bytes have a backslash that counts before them.
    fn escaped_bytes(&mut self, mut backslashes: u64) -> u64 {
        if backslashes == 0 {
            let escaped = u64::from(self.escaped);
            self.escaped = false;
            return escaped;
        }
        let mut escaped = 0u64;
        if self.escaped {
            escaped = 1;
            backslashes &= !1;
        }
        self.escaped = false;
        while backslashes != 0 {
            let at = backslashes.trailing_zeros();
            if at == 63 {
                self.escaped = true;
                break;
            }
            escaped |= 2 << at;
            backslashes &= !(3 << at);
        }
        escaped
    }

    fn scan_bytes(&mut self, bytes: &[u8]) -> Option<usize> {
        for (at, &byte) in bytes.iter().enumerate() {
            if self.escaped {
                self.escaped = false;
                continue;
            }
            match byte {
                b'\\' => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                b'{' | b'[' if !self.in_string => self.depth += 1,
                b'}' | b']' if !self.in_string => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// Each bit the parity of itself and all lower ones: what lies between quotes.
fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the only way to call vector instructions; nothing else in this function")]
fn masks(block: &[u8; 64]) -> Masks {
    // SAFETY: the one condition is that the processor has SSE2, and every x86-64 has.
    unsafe { vector_masks(block) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
fn vector_masks(block: &[u8; 64]) -> Masks {
    use std::arch::x86_64::{__m128i, _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8};
    #[inline]
    #[target_feature(enable = "sse2")]
    fn find(lane: __m128i, byte: u8) -> u64 {
        u64::from(_mm_movemask_epi8(_mm_cmpeq_epi8(lane, _mm_set1_epi8(byte as i8))) as u32)
    }
    let mut masks = Masks { quotes: 0, backslashes: 0, opens: 0, closes: 0 };
    let (words, _) = block.as_chunks::<16>();
    for (nth, word) in words.iter().enumerate() {
        let bits = u128::from_le_bytes(*word);
        let lane = _mm_set_epi64x((bits >> 64) as i64, bits as i64);
        // `[` and `{`, `]` and `}` differ in one bit only.
        let folded = _mm_or_si128(lane, _mm_set1_epi8(0x20));
        let shift = nth * 16;
        masks.quotes |= find(lane, b'"') << shift;
        masks.backslashes |= find(lane, b'\\') << shift;
        masks.opens |= find(folded, b'{') << shift;
        masks.closes |= find(folded, b'}') << shift;
    }
    masks
}

#[cfg(not(target_arch = "x86_64"))]
fn masks(block: &[u8; 64]) -> Masks {
    plain_masks(block)
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn plain_masks(block: &[u8; 64]) -> Masks {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The end of the first value, one byte at a time.
    fn reference(bytes: &[u8]) -> Option<usize> {
        Scanner::default().scan_bytes(bytes)
    }

    #[test]
    fn finds_the_end_wherever_it_stops_in_between() {
        let text = r#"{"a":"}]\\\"{","b":[1,{"c":[]}],"padding":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\\"} , {"next":1}"#;
        let end = text.find(" ,").unwrap();
        for cut in 0..end {
            let mut scanner = Scanner::default();
            let (one, two) = text.as_bytes().split_at(cut);
            assert_eq!(scanner.scan(one), None);
            assert_eq!(scanner.scan(two).map(|it| it + cut), Some(end));
        }
    }

    proptest! {
        #[test]
        fn agrees_with_counting_byte_by_byte(tail in prop::collection::vec(prop::sample::select(b"{}[]\"\\a".to_vec()), 0..300), cut: prop::sample::Index) {
            let mut bytes = vec![b'{'];
            bytes.extend(tail);
            let cut = cut.index(bytes.len());
            let mut scanner = Scanner::default();
            let found = match scanner.scan(&bytes[..cut]) {
                Some(end) => Some(end),
                None => scanner.scan(&bytes[cut..]).map(|it| it + cut),
            };
            prop_assert_eq!(found, reference(&bytes));
        }

        #[test]
        fn both_ways_to_make_masks_agree(block in prop::array::uniform32(any::<u8>())) {
            let mut double = [0; 64];
            double[..32].copy_from_slice(&block);
            double[32..].copy_from_slice(&block);
            let (a, b) = (masks(&double), plain_masks(&double));
            prop_assert_eq!((a.quotes, a.backslashes, a.opens, a.closes), (b.quotes, b.backslashes, b.opens, b.closes));
        }
    }
}
