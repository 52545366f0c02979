//! Moments as the JSON writes them.

use jiff::Timestamp;

/// RFC 3339 in UTC with microseconds: `2026-01-01T00:00:00.000000Z`; `None` where no calendar reaches.
pub(super) fn rfc3339(ns: i64) -> Option<String> {
    Some(format!("{:.6}", Timestamp::from_microsecond(ns.div_euclid(1000)).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_six_decimals_and_a_z() {
        assert_eq!(rfc3339(0).as_deref(), Some("1970-01-01T00:00:00.000000Z"));
        assert_eq!(rfc3339(1_793_527_200_123_456_789).as_deref(), Some("2026-11-01T10:00:00.123456Z"));
    }
}
