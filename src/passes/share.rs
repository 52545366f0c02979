//! Shares of a whole as whole parts: they add up and compare exactly.

use serde::{Deserialize, Serialize};

/// Parts of 10⁹.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Share(u64);

const WHOLE: u64 = 1_000_000_000;

impl Share {
    /// `part` of `whole`; nothing of nothing.
    pub(super) fn of(part: i64, whole: i64) -> Share {
        if whole <= 0 || part <= 0 {
            return Share(0);
        }
        let parts = u128::from(part.unsigned_abs()) * u128::from(WHOLE) / u128::from(whole.unsigned_abs());
        Share(u64::try_from(parts).unwrap_or(u64::MAX))
    }

    pub(super) fn parts(self) -> u64 {
        self.0
    }

    /// 0 to 100, four decimals.
    pub(super) fn percent(self) -> f64 {
        mean_percent(u128::from(self.0), 1)
    }
}

/// The mean of `n` shares that add up to `parts`, 0 to 100 with four decimals; 0 of none.
pub(super) fn mean_percent(parts: u128, n: u64) -> f64 {
    if n == 0 {
        return 0.0;
    }
    // A part is 10⁻⁷ percent; a ten-thousandth of a percent is 1,000 parts.
    let divisor = u128::from(n) * 1_000;
    let ten_thousandths = (parts + divisor / 2) / divisor;
    ten_thousandths as f64 / 1e4
}

/// Reads a percentage: `20`, `12.5`, `20%`.
pub(super) fn parse(text: &str) -> Result<Share, String> {
    let number = text.trim().trim_end_matches('%').trim_end();
    match number.parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Share((percent * 1e7).round() as u64)),
        _ => Err("expected a percentage from 0 to 100".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_exact_to_four_decimals() {
        assert_eq!(Share::of(1, 3).percent(), 33.3333);
        assert_eq!(Share::of(2, 3).percent(), 66.6667);
        assert_eq!(Share::of(0, 0), Share::default());
        assert_eq!(mean_percent(u128::from(Share::of(1, 1).parts()) * 2, 3), 66.6667);
    }

    #[test]
    fn a_fifth_reaches_20_percent() {
        assert!(Share::of(20, 100) >= parse("20").unwrap());
        assert!(Share::of(199_999_999, 1_000_000_000) < parse("20 %").unwrap());
        assert!(parse("101").is_err() && parse("x").is_err() && parse("-1").is_err() && parse("NaN").is_err());
    }
}
