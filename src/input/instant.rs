//! Times as formats write them, exactly: no number goes through a float.

use jiff::Timestamp;
use jiff::civil::DateTime;

/// A decimal number in units of 10^-`scale` seconds as nanoseconds, rounded to the nearest;
/// `1.5e3` and `"15"` likewise. `scale` is 0 for seconds, 3, 6 or 9.
pub(crate) fn decimal_ns(text: &str, scale: i32) -> Option<i64> {
    let text = text.trim();
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (is_negative, digits) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value: i128 = 0;
    // More digits than these are beyond all clocks.
    for byte in whole.bytes().chain(fraction.bytes()).take(36) {
        value = value * 10 + i128::from(byte.checked_sub(b'0').filter(|it| *it < 10)?);
    }
    if whole.len() + fraction.len() > 36 {
        return None;
    }
    let shift = 9i32.checked_sub(scale)?.checked_add(exponent)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let value = if shift >= 0 {
        // A 0 with any exponent is 0.
        if value == 0 { 0 } else { value.checked_mul(10i128.checked_pow(shift.unsigned_abs())?)? }
    } else {
        match 10i128.checked_pow(shift.unsigned_abs()) {
            Some(divisor) => (value + divisor / 2) / divisor,
            None => 0,
        }
    };
    i64::try_from(if is_negative { -value } else { value }).ok()
}

/// `2026-11-01T10:00:00.123456789Z`, with any offset, a space for the `T`, or no zone, which means UTC.
pub(crate) fn rfc3339_ns(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return i64::try_from(timestamp.as_nanosecond()).ok();
    }
    let text = text.strip_suffix(" UTC").unwrap_or(text);
    let civil: DateTime = text.parse().ok()?;
    let zoned = jiff::tz::Offset::UTC.to_timestamp(civil).ok()?;
    i64::try_from(zoned.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        for (text, scale, ns) in [
            ("1.499473411677E9", 0, 1_499_473_411_677_000_000),
            ("1700000000000000001", 9, 1_700_000_000_000_000_001),
            ("1700000000000.5", 3, 1_700_000_000_000_500_000),
            ("12.3456789", 3, 12_345_679),
            ("-5", 6, -5_000),
            ("0e999", 0, 0),
            ("1e-300", 0, 0),
        ] {
            assert_eq!(decimal_ns(text, scale), Some(ns), "{text}");
        }
        for text in ["", "-", "1e999", "x", "1e", "9999999999999999999999", "1.2.3", "0x1"] {
            assert_eq!(decimal_ns(text, 0), None, "{text}");
        }
    }

    #[test]
    fn texts_of_any_zone() {
        let ns = 1_793_527_200_123_456_789;
        for text in [
            "2026-11-01T10:00:00.123456789Z",
            "2026-11-01T12:00:00.123456789+02:00",
            "2026-11-01 10:00:00.123456789",
            "2026-11-01T10:00:00.123456789",
            "2026-11-01 10:00:00.123456789 UTC",
        ] {
            assert_eq!(rfc3339_ns(text), Some(ns), "{text}");
        }
        assert_eq!(rfc3339_ns("yesterday"), None);
    }
}
