//! Numbers as people read them: with three significant digits and thousands set apart.

/// What a table shows where a number is not known or is no number.
pub(crate) const UNKNOWN: &str = "–";

pub(crate) struct Unit {
    pub(crate) name: &'static str,
    pub(crate) ns: u64,
    /// The smallest duration that reads better in this unit than in the one before.
    from_ns: u64,
}

const MINUTE: u64 = 60_000_000_000;
const HOUR: u64 = 60 * MINUTE;

/// Smallest first. Minutes and hours start late: everybody reads 90 s, nobody reads 1.5 min.
pub(crate) const UNITS: [Unit; 6] = [
    Unit { name: "ns", ns: 1, from_ns: 0 },
    Unit { name: "µs", ns: 1_000, from_ns: 1_000 },
    Unit { name: "ms", ns: 1_000_000, from_ns: 1_000_000 },
    Unit { name: "s", ns: 1_000_000_000, from_ns: 1_000_000_000 },
    Unit { name: "min", ns: MINUTE, from_ns: 2 * MINUTE },
    Unit { name: "h", ns: HOUR, from_ns: 2 * HOUR },
];

/// The largest unit that the duration has at least one of.
pub(crate) fn natural_unit(ns: u64) -> usize {
    UNITS.iter().rposition(|it| it.from_ns <= ns).unwrap_or(0)
}

/// As many decimals as make three digits, and no more than three.
pub(crate) fn decimals_for(ns: u64, unit: usize) -> usize {
    match ns / UNITS[unit].ns {
        _ if unit == 0 || ns == 0 => 0,
        100.. => 0,
        10.. => 1,
        1.. => 2,
        0 => 3,
    }
}

/// The duration in steps of the last decimal, half a step rounded up.
pub(crate) fn rounded(ns: u64, unit: usize, decimals: usize) -> u64 {
    let unit = u128::from(UNITS[unit].ns);
    let steps = (u128::from(ns) * 10u128.pow(decimals as u32) + unit / 2) / unit;
    u64::try_from(steps).unwrap_or(u64::MAX)
}

/// `1234567` with two decimals is `12,345.67`.
pub(crate) fn decimal(steps: u64, decimals: usize) -> String {
    let power = 10u64.pow(decimals as u32);
    let whole = count(steps / power);
    match decimals {
        0 => whole,
        _ => format!("{whole}.{:0decimals$}", steps % power),
    }
}

/// One duration in a sentence, with its unit: `1.25 s`, `250 ms`.
pub fn duration(ns: i64) -> String {
    if ns == 0 {
        return "0 s".to_owned();
    }
    let size = ns.unsigned_abs();
    let sign = if ns < 0 { "-" } else { "" };
    let natural = natural_unit(size);
    let mut unit = natural;
    let mut decimals = decimals_for(size, unit);
    // Rounding can reach what belongs to the next unit: 999.9 ms is 1 s.
    if let Some(next) = UNITS.get(unit + 1)
        && u128::from(rounded(size, unit, decimals)) * u128::from(UNITS[unit].ns)
            >= u128::from(next.from_ns) * 10u128.pow(decimals as u32)
    {
        unit += 1;
        decimals = 2;
    }
    let shown = decimal(rounded(size, unit, decimals), decimals);
    format!("{sign}{} {}", without_trailing_zeros(&shown), UNITS[unit].name)
}

/// A duration in the unit that reads best for another: `1,250 ms` beside `250 ms`.
pub fn duration_in_unit_of(ns: i64, other_ns: i64) -> String {
    let unit = natural_unit(other_ns.unsigned_abs());
    let size = ns.unsigned_abs();
    let shown = decimal(rounded(size, unit, decimals_for(size, unit)), decimals_for(size, unit));
    let sign = if ns < 0 { "-" } else { "" };
    format!("{sign}{} {}", without_trailing_zeros(&shown), UNITS[unit].name)
}

/// A number of things on average: `1.5`, `12`.
pub fn average(n: f64) -> String {
    without_trailing_zeros(&format!("{n:.2}")).to_owned()
}

fn without_trailing_zeros(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

/// So many of something: `1 trace`, `1,075 spans`.
pub fn some(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// A number of things: `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A size, in powers of 1000 as files and networks are measured: `14.6 MB`.
pub fn bytes(n: u64) -> String {
    const NAMES: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut power = 1u64;
    let mut name = 0;
    // Half a unit of the third digit below 1000 would be rounded to 1000.
    while name + 1 < NAMES.len() && u128::from(n) * 2 >= u128::from(power) * 1999 {
        power *= 1000;
        name += 1;
    }
    let decimals = match n / power {
        _ if name == 0 => 0,
        100.. => 0,
        10.. => 1,
        _ => 2,
    };
    let steps = (u128::from(n) * 10u128.pow(decimals as u32) + u128::from(power) / 2) / u128::from(power);
    let shown = decimal(u64::try_from(steps).unwrap_or(u64::MAX), decimals);
    format!("{} {}", without_trailing_zeros(&shown), NAMES[name])
}

/// One share in a sentence: `8.0 %`, `0.05 %`, `<0.01 %`; only exactly nothing and all are `0 %` and `100 %`.
pub fn percent(share: f64) -> String {
    match share {
        _ if !share.is_finite() => UNKNOWN.to_owned(),
        0.0 => "0 %".to_owned(),
        100.0 => "100 %".to_owned(),
        _ if share.abs() < 0.995 => percent_with(share, 2),
        _ => percent_with(share, 1),
    }
}

/// How many decimals read best for all the shares of one column.
pub(crate) fn percent_decimals(column: impl Iterator<Item = f64>) -> usize {
    let largest = column.filter(|it| it.is_finite()).map(f64::abs).fold(0.0, f64::max);
    if largest > 0.0 && largest < 0.995 { 2 } else { 1 }
}

/// A share with so many decimals; what is little does not look like nothing, nor most like all.
pub(crate) fn percent_with(share: f64, decimals: usize) -> String {
    if !share.is_finite() {
        return UNKNOWN.to_owned();
    }
    let step = 0.1f64.powi(decimals as i32);
    if share != 0.0 && share.abs() < step / 2.0 {
        let sign = if share < 0.0 { ">-" } else { "<" };
        return format!("{sign}{step:.decimals$} %");
    }
    if share < 100.0 && share > 100.0 - step / 2.0 {
        // Not quite all is what somebody with an objective to keep is looking for.
        return format!(">{:.decimals$} %", 100.0 - step);
    }
    let shown = format!("{:.decimals$}", share.abs());
    let (whole, rest) = shown.split_once('.').unwrap_or((&shown, ""));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), count);
    let sign = if share < 0.0 { "-" } else { "" };
    format!("{sign}{whole}.{rest} %")
}

/// A moment in UTC, down to milliseconds: `2026-11-01 10:00:00.123`. The heading says UTC.
pub fn timestamp(us: i64) -> String {
    match jiff::Timestamp::from_microsecond(us) {
        Ok(moment) => {
            let civil = moment.to_zoned(jiff::tz::TimeZone::UTC).datetime();
            // Cut, not rounded: a moment must not be shown before the second it belongs to is over.
            let milliseconds = us.rem_euclid(1_000_000) / 1_000;
            format!("{} {}.{milliseconds:03}", civil.date(), civil.time().strftime("%H:%M:%S"))
        }
        // Beyond the year 9999 a number says more than a date would.
        Err(_) => format!("{us} µs"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: i64 = 1_000;
    const MS: i64 = 1_000_000;
    const S: i64 = 1_000_000_000;

    #[test]
    fn durations_in_sentences() {
        for (ns, shown) in [
            (0, "0 s"),
            (1, "1 ns"),
            (999, "999 ns"),
            (13_400, "13.4 µs"),
            (250 * MS, "250 ms"),
            (-250 * MS, "-250 ms"),
            (999_499 * US, "999 ms"),
            (999_500 * US, "1 s"),
            (1_250 * MS, "1.25 s"),
            (1_000 * MS, "1 s"),
            (90 * S, "90 s"),
            (119_700 * MS, "2 min"),
            (150 * S, "2.5 min"),
            (7_200 * S, "2 h"),
            (i64::MIN, "-2,562,048 h"),
        ] {
            assert_eq!(duration(ns), shown);
        }
    }

    #[test]
    fn durations_in_one_unit() {
        assert_eq!(duration_in_unit_of(1_250 * MS, 250 * MS), "1,250 ms");
        assert_eq!(duration_in_unit_of(250 * MS, 250 * MS), "250 ms");
        assert_eq!(duration_in_unit_of(-1_500 * US, 20 * MS), "-1.5 ms");
        assert_eq!(duration_in_unit_of(3 * S, 0), "3,000,000,000 ns");
        assert_eq!([1.0, 1.5, 2.333, 12.0].map(average), ["1", "1.5", "2.33", "12"]);
    }

    #[test]
    fn counts_and_bytes() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0, 999, 1_000, 14_600_000, 999_499, 999_500, u64::MAX].map(bytes),
            ["0 B", "999 B", "1 kB", "14.6 MB", "999 kB", "1 MB", "18.4 EB"]
        );
    }

    #[test]
    fn percents_in_sentences() {
        for (share, shown) in [
            (0.0, "0 %"),
            (100.0, "100 %"),
            (8.0, "8.0 %"),
            (0.05, "0.05 %"),
            (0.996, "1.0 %"),
            (0.004, "<0.01 %"),
            (-0.004, ">-0.01 %"),
            (99.97, ">99.9 %"),
            (-12.34, "-12.3 %"),
            (1234.5, "1,234.5 %"),
            (f64::NAN, "–"),
        ] {
            assert_eq!(percent(share), shown);
        }
    }

    #[test]
    fn the_shares_of_a_column_have_as_many_decimals() {
        let column = |shares: [f64; 4]| {
            let decimals = percent_decimals(shares.into_iter());
            shares.map(|it| percent_with(it, decimals))
        };
        assert_eq!(column([71.23, 0.02, 0.0, 100.0]), ["71.2 %", "<0.1 %", "0.0 %", "100.0 %"]);
        assert_eq!(column([0.5, 0.02, 0.0, 0.001]), ["0.50 %", "0.02 %", "0.00 %", "<0.01 %"]);
    }

    #[test]
    fn moments_are_utc() {
        assert_eq!(timestamp(1_793_527_200_123_999), "2026-11-01 10:00:00.123");
        assert_eq!(timestamp(-1), "1969-12-31 23:59:59.999");
        assert_eq!(timestamp(i64::MAX), "9223372036854775807 µs");
    }
}
