//! Ids for targets that know only hexadecimal ones of a fixed length.

use std::hash::Hasher;

use crate::model::{Id, Span, Trace};

/// Not 0: multiplied with a first value of 0, that would forget the second.
const SEED: u64 = 0x2545_F491_4F6C_DD1D;

/// A span's id as 16 digits; a hash where it is none, is longer, or is zero, which stands for no span.
pub(super) fn span_id(id: &Id) -> String {
    format!("{:016x}", fitting_span(id).unwrap_or_else(|| hash(id)))
}

/// A trace's id as 32 digits.
pub(super) fn trace_id(id: &Id) -> String {
    format!("{:032x}", fitting_trace(id).unwrap_or_else(|| id.compact().max(1)))
}

/// A trace's id as 16 digits, or 32 where it needs them.
pub(super) fn short_trace_id(id: &Id) -> String {
    let long = trace_id(id);
    long.strip_prefix("0000000000000000").map_or(long.clone(), str::to_owned)
}

/// Whether hashes have to stand for ids of a span.
pub(super) fn do_not_fit(trace: &Trace, span: &Span) -> bool {
    fitting_span(&span.id).is_none() || fitting_trace(&trace.id).is_none()
}

fn fitting_span(id: &Id) -> Option<u64> {
    id.value().and_then(|it| u64::try_from(it).ok()).filter(|it| *it != 0)
}

fn fitting_trace(id: &Id) -> Option<u128> {
    id.value().filter(|it| *it != 0)
}

fn hash(id: &Id) -> u64 {
    let mut hasher = foldhash::quality::FoldHasher::with_seed(SEED, foldhash::SharedSeed::global_fixed());
    hasher.write_u128(id.compact());
    hasher.finish().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_padded_or_hashed() {
        let id = |text: &str| Id::parse(text).unwrap();
        assert_eq!(span_id(&id("AB")), "00000000000000ab");
        assert_eq!(trace_id(&id("aB")), "000000000000000000000000000000ab");
        assert_eq!(short_trace_id(&id("ab")), "00000000000000ab");
        assert_eq!(short_trace_id(&id("100000000000000ab")), "000000000000000100000000000000ab");
        for text in ["span-1", "ab_1", "0", "00112233445566778899aabbccddeeff"] {
            let hashed = span_id(&id(text));
            assert!(hashed.len() == 16 && hashed != "0000000000000000", "{text}: {hashed}");
        }
        assert_ne!(span_id(&id("span-1")), span_id(&id("span-2")));
        assert_ne!(trace_id(&id("0")), "00000000000000000000000000000000");
    }
}
