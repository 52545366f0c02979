//! Durations, moments, sizes and the like, as people type them.

use crate::filter::{Bound, TagFilter};
use crate::input;
use crate::model::Id;

/// A range of time as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeSpec {
    /// So many nanoseconds back from something.
    Back(i64),
    /// From a moment (inclusive) until another (exclusive), in nanoseconds since the epoch.
    Between(Option<i64>, Option<i64>),
}

const MS: i64 = 1_000_000;
const S: i64 = 1_000 * MS;

/// A duration as Go writes it, or a plain number of milliseconds.
fn duration_ns(text: &str) -> Result<i64, String> {
    let refused = || {
        format!("'{text}' is not a duration: expected milliseconds (250) or a number with a unit (1.5s, 300ms, 1m30s)")
    };
    if text.bytes().all(|it| it.is_ascii_digit() || it == b'.') && !text.is_empty() {
        return scaled(text, MS).ok_or_else(refused);
    }
    let mut rest = text;
    let mut sum = 0i64;
    while !rest.is_empty() {
        let n_number = rest.bytes().take_while(|it| it.is_ascii_digit() || *it == b'.').count();
        let (number, tail) = rest.split_at(n_number);
        let n_unit = tail.find(|it: char| it.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(n_unit);
        let unit_ns = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => MS,
            "s" => S,
            "m" => 60 * S,
            "h" => 3_600 * S,
            "d" => 86_400 * S,
            _ => return Err(refused()),
        };
        let part = scaled(number, unit_ns).ok_or_else(refused)?;
        sum = sum.checked_add(part).ok_or_else(refused)?;
        rest = tail;
    }
    if text.is_empty() { Err(refused()) } else { Ok(sum) }
}

/// A decimal number of units, exactly.
fn scaled(number: &str, unit_ns: i64) -> Option<i64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut ns = i128::from(whole) * i128::from(unit_ns);
    let mut step = i128::from(unit_ns);
    for digit in fraction.bytes() {
        step /= 10;
        ns += step * i128::from(digit.checked_sub(b'0')?);
    }
    i64::try_from(ns).ok()
}

/// How long something may take.
pub(super) fn timeout(text: &str) -> Result<std::time::Duration, String> {
    match duration_ns(text)? {
        0 => Err("expected a duration above zero (30s, 2m)".to_owned()),
        ns => Ok(std::time::Duration::from_nanos(ns.unsigned_abs())),
    }
}

/// A bound on durations.
pub fn bound(text: &str) -> Result<Bound, String> {
    Ok(Bound { ns: duration_ns(text)?, typed: text.to_owned() })
}

/// A moment: RFC 3339, a date with or without a time (UTC), or a number since the epoch in s, ms, µs or ns by its size.
pub(super) fn moment_ns(text: &str) -> Result<i64, String> {
    let refused = || {
        format!(
            "'{text}' is not a moment: expected RFC 3339 (2026-01-31T10:00:00Z), a date or a number since the epoch"
        )
    };
    if let Ok(number) = text.parse::<i64>() {
        // A number of seconds has ten digits until the year 2286.
        let unit_ns = match text.trim_start_matches('-').len() {
            0..=11 => S,
            12..=14 => MS,
            15..=17 => 1_000,
            _ => 1,
        };
        return number.checked_mul(unit_ns).ok_or_else(refused);
    }
    // Without a zone it is UTC, as in the tables, from which moments are copied.
    let utc = |it: jiff::civil::DateTime| jiff::tz::Offset::UTC.to_timestamp(it);
    let timestamp: jiff::Timestamp = text.parse().or_else(|_| text.parse().and_then(utc)).map_err(|_| refused())?;
    i64::try_from(timestamp.as_nanosecond()).map_err(|_| refused())
}

/// A length or two ends, and how it was typed.
pub fn time_range(text: &str) -> Result<(TimeSpec, String), String> {
    let spec = match text.split_once("..") {
        Some((from, until)) => {
            let end = |text: &str| if text.is_empty() { Ok(None) } else { moment_ns(text).map(Some) };
            let (from, until) = (end(from)?, end(until)?);
            if from.zip(until).is_some_and(|(from, until)| from > until) {
                return Err("the range ends before it starts".to_owned());
            }
            TimeSpec::Between(from, until)
        }
        None if text.ends_with(|it: char| it.is_ascii_digit()) => {
            return Err(format!("'{text}' has no unit: expected a length (1h, 30m, 2d) or START..END"));
        }
        None => TimeSpec::Back(
            duration_ns(text)
                .map_err(|_| format!("'{text}' is not a range: expected a length (1h, 30m, 2d) or START..END"))?,
        ),
    };
    Ok((spec, text.to_owned()))
}

pub(super) fn tag(text: &str) -> Result<TagFilter, String> {
    TagFilter::parse(text).ok_or_else(|| "expected key=value, key!=value or key".to_owned())
}

pub(super) fn id(text: &str) -> Result<Id, String> {
    // Copied out of a table or a log line, it may have white space around it.
    Id::parse(text.trim()).ok_or_else(|| "expected a trace id".to_owned())
}

/// `service:operation` at the first colon; `\:` is a colon.
pub(super) fn root(text: &str) -> Result<(String, Option<String>), String> {
    let mut service = String::new();
    let mut rest = text.char_indices();
    while let Some((at, it)) = rest.next() {
        match it {
            '\\' if text[at..].starts_with("\\:") => {
                rest.next();
                service.push(':');
            }
            ':' => return Ok((service, Some(text[at + 1..].replace("\\:", ":")))),
            _ => service.push(it),
        }
    }
    if service.is_empty() { Err("expected service:operation or service".to_owned()) } else { Ok((service, None)) }
}

/// A size with K, M, G or T behind it, in powers of 1024.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let refused = || format!("'{text}' is not a size: expected bytes, or a number with K, M, G or T");
    let upper = text.trim().to_ascii_uppercase();
    let upper = upper.strip_suffix("IB").or_else(|| upper.strip_suffix('B')).unwrap_or(&upper);
    let (number, shift) = match upper.as_bytes().last() {
        Some(b'K') => (&upper[..upper.len() - 1], 10),
        Some(b'M') => (&upper[..upper.len() - 1], 20),
        Some(b'G') => (&upper[..upper.len() - 1], 30),
        Some(b'T') => (&upper[..upper.len() - 1], 40),
        _ => (upper, 0),
    };
    let number: u64 = number.trim().parse().map_err(|_| refused())?;
    number.checked_mul(1 << shift).ok_or_else(refused)
}

/// A percentage in parts per million: `1`, `1%`, `0.5`.
pub(super) fn percent_ppm(text: &str) -> Result<u64, String> {
    let whole = |it: &u64| *it <= 1_000_000;
    any_percent_ppm(text).ok().filter(whole).ok_or_else(|| "expected a percentage from 0 to 100".to_owned())
}

/// The same of what may be more than all of it.
pub(super) fn any_percent_ppm(text: &str) -> Result<u64, String> {
    let number = text.trim().trim_end_matches('%').trim_end();
    match number.parse::<f64>() {
        Ok(percent) if (0.0..=MOST_PERCENT).contains(&percent) => Ok((percent * 10_000.0).round() as u64),
        _ => Err("expected a percentage, 0 or more".to_owned()),
    }
}

/// Ten thousand times as much is as good as any more.
const MOST_PERCENT: f64 = 1e6;

/// A percentage with its sign, `1%` or `0.5%`, in parts of which a percent has so many.
///
/// A bare number is refused: `0.01` may be meant as a share of 1 as well.
pub(super) fn percent_of(text: &str, parts_per_percent: i64) -> Result<i64, String> {
    let number = text.strip_suffix('%').map(str::trim_end).filter(|it| !it.starts_with(['-', '+']));
    number
        .and_then(|it| scaled(it, parts_per_percent))
        .ok_or_else(|| format!("'{text}' is not a percentage: expected a number with its sign (1%, 0.5%)"))
}

/// A rate of chance.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|it| *it > 0.0 && *it < 1.0).ok_or_else(|| "expected a number between 0 and 1".to_owned())
}

/// The name of a format: its index.
pub(super) fn format(text: &str) -> Result<usize, String> {
    input::format_by_name(text).ok_or_else(|| {
        let names: Vec<&str> = input::format_names().collect();
        format!("the formats are {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos_or_milliseconds() {
        for (text, ns) in [
            ("250", 250 * MS),
            ("0", 0),
            ("1.5", 1_500_000),
            ("1.5s", 1_500 * MS),
            ("300ms", 300 * MS),
            ("500us", 500_000),
            ("500µs", 500_000),
            ("1h30m", 5_400 * S),
            ("1m1.001s", 61_001 * MS),
            ("2d", 172_800 * S),
            ("7ns", 7),
        ] {
            assert_eq!(duration_ns(text), Ok(ns), "{text}");
        }
        for text in ["", "s", "1x", "-5", "1h30", "1.2.3s", "abc", ".", "99999999999999h"] {
            assert!(duration_ns(text).is_err(), "{text}");
        }
    }

    #[test]
    fn moments_are_rfc_3339_or_numbers() {
        let at = 1_793_527_200 * S;
        for text in [
            "2026-11-01T10:00:00Z",
            "2026-11-01T12:00:00+02:00",
            "1793527200",
            "1793527200000",
            "1793527200000000",
            "1793527200000000000",
        ] {
            assert_eq!(moment_ns(text), Ok(at), "{text}");
        }
        for text in ["2026-11-01 10:00:00.000", "2026-11-01 10:00", "2026-11-01T10:00:00"] {
            assert_eq!(moment_ns(text), Ok(at), "{text}");
        }
        assert_eq!(moment_ns("2026-11-01"), Ok(at - 36_000 * S));
        assert!(moment_ns("yesterday").is_err() && moment_ns("10:00").is_err());
    }

    #[test]
    fn ranges_are_lengths_or_two_ends() {
        let spec = |text: &str| time_range(text).map(|it| it.0);
        assert_eq!(spec("30m"), Ok(TimeSpec::Back(1_800 * S)));
        assert_eq!(spec("2d"), Ok(TimeSpec::Back(172_800 * S)));
        assert_eq!(spec("10..20"), Ok(TimeSpec::Between(Some(10 * S), Some(20 * S))));
        assert_eq!(spec("..1970-01-01T00:00:01Z"), Ok(TimeSpec::Between(None, Some(S))));
        assert!(spec("20..10").is_err() && spec("90").is_err() && spec("1y").is_err());
    }

    #[test]
    fn a_root_splits_at_the_first_colon() {
        assert_eq!(root("web:GET /a:b"), Ok(("web".to_owned(), Some("GET /a:b".to_owned()))));
        assert_eq!(root(r"a\:b:c"), Ok(("a:b".to_owned(), Some("c".to_owned()))));
        assert_eq!(root("web"), Ok(("web".to_owned(), None)));
    }

    #[test]
    fn percentages_have_a_sign() {
        let parts = |text: &str| percent_of(text, 1_000).ok();
        assert_eq!(["1%", "0.5%", "12.25 %", "250%", "0%"].map(parts), [1_000, 500, 12_250, 250_000, 0].map(Some));
        assert_eq!(["1", "0.01", "%", "", "-1%", "+1%", "1%%", "x%"].map(parts), [None; 8]);
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!((size("2G"), size("512"), size("1 MiB")), (Ok(2 << 30), Ok(512), Ok(1 << 20)));
        assert!(size("lots").is_err() && size("99999999T").is_err());
    }
}
