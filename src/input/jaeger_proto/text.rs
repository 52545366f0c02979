//! Ids and durations as the protobuf mapping writes them.

use crate::input::base64;
use crate::input::decimal_ns;
use crate::input::json::Node;
use crate::model::Id;

/// An id: the base64 of 8 or 16 bytes, or what other tools write, hexadecimal digits.
pub(super) fn id_of(node: &Node<'_>) -> Option<Id> {
    let text = node.filled()?;
    match bytes_of(text) {
        Some(bytes) => Id::parse(&bytes.iter().map(|it| format!("{it:02x}")).collect::<String>()),
        None => Id::parse(text),
    }
}

/// The 8 or 16 bytes of a base64 text, in either alphabet; none if it is no such text.
fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let n_digits = text.trim_end_matches('=').len();
    // With its padding it is surely base64; without, these lengths are of no hexadecimal id either.
    if !matches!((text.len(), n_digits), (12 | 11, 11) | (24 | 22, 22)) {
        return None;
    }
    base64::decode(text)
}

/// `0.5s`, and the larger and smaller units that Go prints.
pub(super) fn duration_ns(text: &str) -> Option<i64> {
    let units = [("ns", 9), ("us", 6), ("µs", 6), ("ms", 3), ("s", 0)];
    units.iter().find_map(|(unit, scale)| decimal_ns(text.strip_suffix(unit)?, *scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_base64_or_hexadecimal() {
        for (text, id) in [
            ("AAAAAAAAAAs=", "000000000000000b"),
            ("AAAAAAAAAAs", "000000000000000b"),
            ("/+79/Pv6+fg=", "ffeefdfcfbfaf9f8"),
            ("_-79_Pv6-fg=", "ffeefdfcfbfaf9f8"),
            ("EjRWeJq83vASNFZ4mrze8A==", "123456789abcdef0123456789abcdef0"),
            ("000000000000000b", "000000000000000b"),
            ("trace-1", "trace-1"),
            ("AAAAAAAAAA*=", "AAAAAAAAAA*="),
        ] {
            assert_eq!(id_of(&Node::Text(text.into())).unwrap().to_string(), id, "{text}");
        }
        assert!(id_of(&Node::Number("5")).is_none() && id_of(&Node::Text("".into())).is_none());
    }

    #[test]
    fn durations_have_units() {
        for (text, ns) in [
            ("0.500s", Some(500_000_000)),
            ("1.000000001s", Some(1_000_000_001)),
            ("5000ns", Some(5_000)),
            ("1.5ms", Some(1_500_000)),
            ("2µs", Some(2_000)),
            ("-1s", Some(-1_000_000_000)),
            ("s", None),
            ("5", None),
            ("1e400s", None),
        ] {
            assert_eq!(duration_ns(text), ns, "{text}");
        }
    }
}
