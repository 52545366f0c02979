//! Trace and span ids: hexadecimal ones compared as numbers, all others as texts.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The id of a trace or a span, printed as it was written.
///
/// Up to 32 hexadecimal digits are compared without case and leading zeros, so that `0AB` and `ab`
/// are one id, and so is `1-5759e988-bd862e3fe1be46a994272793`, AWS X-Ray's spelling of 32 digits;
/// anything else (`trace-123`) is opaque text.
#[derive(Clone)]
pub enum Id {
    /// Digits of one case: by far the most.
    Hex {
        /// What is compared: the upper half (a whole `u128` would need 8 bytes more, for its alignment).
        high: u64,
        /// The lower half.
        low: u64,
        /// How many digits were written.
        digits: u8,
        /// Whether they were written in capitals.
        upper: bool,
    },
    /// Digits of both cases, or no hexadecimal number at all.
    Odd(Arc<OddId>),
}

/// An id whose spelling does not follow from its value.
#[derive(Debug)]
pub struct OddId {
    value: Option<u128>,
    text: String,
}

/// What each byte is as a hexadecimal digit: its value, and with it that it is a small letter, a capital,
/// or no digit at all.
const DIGITS: [u8; 256] = {
    let mut table = [NO_DIGIT; 256];
    let mut i = 0;
    while i < 10 {
        table[b'0' as usize + i] = i as u8;
        i += 1;
    }
    let mut i = 0;
    while i < 6 {
        table[b'a' as usize + i] = LOWER | (10 + i as u8);
        table[b'A' as usize + i] = UPPER | (10 + i as u8);
        i += 1;
    }
    table
};

const LOWER: u8 = 16;
const UPPER: u8 = 32;
const NO_DIGIT: u8 = 64;

/// The number of up to 16 digits, and all that they are.
fn digits(bytes: &[u8]) -> (u64, u8) {
    bytes.iter().fold((0, 0), |(value, seen), byte| {
        let digit = DIGITS[usize::from(*byte)];
        ((value << 4) | u64::from(digit & 15), seen | digit)
    })
}

impl Id {
    /// Reads an id; `None` for an empty text, which names nothing.
    pub fn parse(text: &str) -> Option<Id> {
        let bytes = text.as_bytes();
        if bytes.is_empty() {
            return None;
        }
        if bytes.len() > 32 {
            return Some(Id::odd(xray_value(bytes), text));
        }
        let (high, low) = bytes.split_at(bytes.len().saturating_sub(16));
        let ((high, seen_high), (low, seen_low)) = (digits(high), digits(low));
        let seen = seen_high | seen_low;
        if seen & NO_DIGIT != 0 {
            return Some(Id::odd(None, text));
        }
        if seen & (LOWER | UPPER) == LOWER | UPPER {
            return Some(Id::odd(Some(joined(high, low)), text));
        }
        Some(Id::Hex { high, low, digits: bytes.len() as u8, upper: seen & UPPER != 0 })
    }

    /// The id that is written as so many digits, letters small.
    #[inline]
    pub(crate) fn of_number(high: u64, low: u64, digits: u8) -> Id {
        Id::Hex { high, low, digits, upper: false }
    }

    /// Reads 16 digits of one case; `None` for anything else.
    #[inline]
    pub(crate) fn of_digits(bytes: &[u8]) -> Option<Id> {
        let (low, seen) = digits(bytes);
        let is_plain = bytes.len() == 16 && seen & NO_DIGIT == 0 && seen & (LOWER | UPPER) != LOWER | UPPER;
        is_plain.then_some(Id::Hex { high: 0, low, digits: 16, upper: seen & UPPER != 0 })
    }

    fn odd(value: Option<u128>, text: &str) -> Id {
        Id::Odd(Arc::new(OddId { value, text: text.to_owned() }))
    }

    /// The number, if it is one.
    pub fn value(&self) -> Option<u128> {
        match self {
            Id::Hex { high, low, .. } => Some(joined(*high, *low)),
            Id::Odd(odd) => odd.value,
        }
    }

    /// Whether all digits are zero: some exporters write that for "no parent".
    pub fn is_zero(&self) -> bool {
        self.value() == Some(0)
    }

    /// How many characters were written.
    pub fn written_len(&self) -> usize {
        match self {
            Id::Hex { digits, .. } => usize::from(*digits),
            Id::Odd(odd) => odd.text.len(),
        }
    }

    /// The id as another with this suffix, for the second of two spans that share one.
    pub fn renamed(&self, n: usize) -> Id {
        Id::odd(None, &format!("{self}_{n}"))
    }

    /// 128 bits that stand for the id where many are remembered: the number itself, or a hash of the text.
    pub fn compact(&self) -> u128 {
        match self {
            Id::Hex { high, low, .. } => joined(*high, *low),
            Id::Odd(odd) => odd.value.unwrap_or_else(|| {
                let half = |seed: u64| {
                    let mut hasher =
                        foldhash::quality::FoldHasher::with_seed(seed, foldhash::SharedSeed::global_fixed());
                    hasher.write(odd.text.as_bytes());
                    hasher.write_u8(0xff);
                    u128::from(hasher.finish())
                };
                (half(0x9E37_79B9_7F4A_7C15) << 64) | half(0xD1B5_4A32_D192_ED03)
            }),
        }
    }

    /// Whether both have one spelling.
    pub(crate) fn is_written_as(&self, other: &Id) -> bool {
        match (self, other) {
            (
                Id::Hex { high, low, digits, upper },
                Id::Hex { high: their_high, low: their_low, digits: their_digits, upper: their_upper },
            ) => (high, low, digits, upper) == (their_high, their_low, their_digits, their_upper),
            (Id::Odd(mine), Id::Odd(theirs)) => mine.text == theirs.text,
            _ => false,
        }
    }

    /// Hashes the spelling, of which there may be several for one id.
    pub(crate) fn hash_written(&self, state: &mut impl Hasher) {
        match self {
            Id::Hex { high, low, digits, upper } => (high, low, digits, upper).hash(state),
            Id::Odd(odd) => odd.text.hash(state),
        }
    }

    /// The id as it was written, in this memory where it has to be put together.
    fn written<'a>(&'a self, memory: &'a mut [u8; 32]) -> &'a str {
        match self {
            Id::Hex { high, low, digits, upper } => {
                let spellings = if *upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
                for (nth, place) in memory.iter_mut().rev().enumerate() {
                    let word = if nth < 16 { *low } else { *high };
                    *place = spellings[(word >> (4 * (nth % 16)) & 15) as usize];
                }
                let digits = &memory[memory.len() - usize::from(*digits).min(memory.len())..];
                std::str::from_utf8(digits).expect("hexadecimal digits are text")
            }
            Id::Odd(odd) => &odd.text,
        }
    }

    fn text(&self) -> &str {
        match self {
            Id::Hex { .. } => "",
            Id::Odd(odd) => &odd.text,
        }
    }
}

/// The digits of `1-5759e988-bd862e3fe1be46a994272793` without its version.
fn xray_value(bytes: &[u8]) -> Option<u128> {
    let rest = bytes.strip_prefix(b"1-")?;
    if rest.len() != 33 || rest[8] != b'-' {
        return None;
    }
    rest[..8].iter().chain(&rest[9..]).try_fold(0, |value, &byte| {
        let digit = DIGITS[usize::from(byte)];
        (digit != NO_DIGIT).then_some((value << 4) | u128::from(digit & 15))
    })
}

fn joined(high: u64, low: u64) -> u128 {
    (u128::from(high) << 64) | u128::from(low)
}

impl PartialEq for Id {
    fn eq(&self, other: &Id) -> bool {
        match (self.value(), other.value()) {
            (Some(a), Some(b)) => a == b,
            (None, None) => self.text() == other.text(),
            _ => false,
        }
    }
}

impl Eq for Id {}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.value() {
            Some(value) => state.write_u128(value),
            None => self.text().hash(state),
        }
    }
}

impl PartialOrd for Id {
    fn partial_cmp(&self, other: &Id) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Id {
    /// Numbers by value, before texts by their bytes.
    fn cmp(&self, other: &Id) -> Ordering {
        match (self.value(), other.value()) {
            (Some(a), Some(b)) => a.cmp(&b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => self.text().cmp(other.text()),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.written(&mut [0; 32]))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.written(&mut [0; 32]))
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Id, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Id::parse(&text).ok_or_else(|| serde::de::Error::custom("an empty id"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Id {
        Id::parse(text).expect("not empty")
    }

    #[test]
    fn an_id_is_three_words() {
        // There are several in every span.
        assert_eq!(size_of::<Id>(), 24);
    }

    #[test]
    fn hexadecimal_ids_are_compared_without_case_and_leading_zeros() {
        assert_eq!(id("00ab"), id("AB"));
        assert_eq!(id("aB"), id("ab"));
        assert_ne!(id("ab"), id("abc"));
        assert_eq!(id("aB").compact(), id("0ab").compact());
    }

    #[test]
    fn ids_are_printed_as_they_were_written() {
        for text in [
            "00ab",
            "AB",
            "aB",
            "0",
            "trace-123",
            "ffffffffffffffffffffffffffffffff",
            "000000000000000000000000000000000a",
        ] {
            assert_eq!(id(text).to_string(), text);
        }
    }

    #[test]
    fn an_id_of_x_ray_is_the_number_that_opentelemetry_makes_of_it() {
        let xray = id("1-5759e988-bd862e3fe1be46a994272793");
        assert_eq!(xray, id("5759e988bd862e3fe1be46a994272793"));
        assert_eq!(xray.compact(), id("5759E988bd862e3fe1be46a994272793").compact());
        assert_eq!(xray.to_string(), "1-5759e988-bd862e3fe1be46a994272793");
        for opaque in [
            "1-5759e988-bd862e3fe1be46a99427279s",
            "1-5759e988abd862e3fe1be46a994272793",
            "2-5759e988-bd862e3fe1be46a994272793",
        ] {
            assert_eq!(id(opaque).value(), None, "{opaque}");
        }
    }

    #[test]
    fn other_ids_are_opaque() {
        assert_ne!(id("trace-1"), id("trace-01"));
        assert_ne!(id("span-A"), id("span-a"));
        assert!(Id::parse("").is_none());
        assert_ne!(id("trace-1").compact(), id("trace-2").compact());
    }

    #[test]
    fn numbers_come_before_texts() {
        let mut ids = [id("z"), id("ff"), id("0a"), id("span-1")];
        ids.sort();
        assert_eq!(ids.map(|it| it.to_string()), ["0a", "ff", "span-1", "z"]);
    }
}
