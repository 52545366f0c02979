//! Where a value ends: brackets counted outside of strings, 64 bytes at a time.
//!
//! Nothing is validated here; the parser does that. On valid JSON the end found is the true one, and
//! on invalid JSON the parser stops at the first fault, up to which everything found was right.

use super::simd::{Masks, masks};

/// The state of a scan that may stop and go on at any byte.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scanner {
    depth: u64,
    in_string: bool,
    escaped: bool,
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

    }
}
