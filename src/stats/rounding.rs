//! Numbers as the report writes them: milliseconds with six decimals, percent with four.

/// Whole nanoseconds in milliseconds: six decimals at most, nothing is lost.
pub fn ms(ns: impl Into<i128>) -> f64 {
    ns.into() as f64 / 1e6
}

/// Computed nanoseconds (a mean, a deviation) in milliseconds, rounded to six decimals.
pub fn ms_rounded(ns: f64) -> f64 {
    // The sixth decimal of a millisecond is a nanosecond.
    ns.round() / 1e6
}

/// How much of `whole` the `part` is, 0 to 100 with four decimals; 0 of nothing.
pub fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    let (part, whole) = (u128::from(part), u128::from(whole));
    // Rounded half up in integers: the same on every machine.
    let ten_thousandths = (part * 2_000_000 + whole) / (2 * whole);
    ten_thousandths as f64 / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_have_six_decimals_at_most() {
        assert_eq!(ms(1_234_567u64), 1.234567);
        assert_eq!(ms(-1i64), -0.000001);
        assert_eq!(ms(0u64), 0.0);
        assert_eq!(ms_rounded(1_234_567.4), 1.234567);
        assert_eq!(ms_rounded(0.5), 0.000001);
    }

    #[test]
    fn percent_has_four_decimals_and_is_0_of_nothing() {
        assert_eq!(percent(1, 3), 33.3333);
        assert_eq!(percent(2, 3), 66.6667);
        assert_eq!(percent(3, 3), 100.0);
        assert_eq!(percent(5, 0), 0.0);
        assert_eq!(percent(u64::MAX, u64::MAX), 100.0);
    }

    proptest::proptest! {
        #[test]
        fn no_duration_prints_more_than_six_decimals(ns in 0u64..1 << 62) {
            let printed = ms(ns).to_string();
            let decimals = printed.split_once('.').map_or(0, |(_, decimals)| decimals.len());
            proptest::prop_assert!(decimals <= 6, "{ns} ns is {printed}");
        }
    }
}
