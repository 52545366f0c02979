//! The standard normal distribution.

use std::f64::consts::SQRT_2;

/// The probability of a value at least `z` away from 0, on either side; its relative error is about z² · 1e-16.
pub fn two_sided_tail(z: f64) -> f64 {
    libm::erfc(z.abs() / SQRT_2)
}

/// The `z` within which a value lies with probability `level`, on either side of 0: 1.96 for 0.95.
/// `None` unless 0 < `level` < 1.
///
/// Found by bisection of the tail down to neighbouring numbers: as exact as the tail is, and without
/// the tables of a rational approximation. It takes about 60 evaluations.
pub fn critical_value(level: f64) -> Option<f64> {
    if !(level > 0.0 && level < 1.0) {
        return None;
    }
    let tail = 1.0 - level;
    // Beyond 9 the tail is smaller than the least 1 - level above 0.
    let (mut low, mut high) = (0.0, 9.0);
    loop {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            return Some(middle);
        }
        if two_sided_tail(middle) > tail {
            low = middle;
        } else {
            high = middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        assert_eq!(two_sided_tail(0.0), 1.0);
        assert!((critical_value(0.95).unwrap() - 1.959963984540054).abs() < 1e-14);
        assert!((critical_value(0.99).unwrap() - 2.5758293035489004).abs() < 1e-14);
    }

    #[test]
    fn levels_outside_0_to_1_have_no_critical_value() {
        for level in [0.0, 1.0, -0.5, 95.0, f64::NAN, f64::INFINITY] {
            assert_eq!(critical_value(level), None, "{level}");
        }
        assert!(critical_value(f64::MIN_POSITIVE).unwrap() < 1e-15);
        assert!((8.0..8.5).contains(&critical_value(1.0 - f64::EPSILON / 2.0).unwrap()));
    }

    proptest::proptest! {
        #[test]
        fn tail_and_critical_value_are_inverse(level in 0.0001f64..0.9999) {
            let back = 1.0 - two_sided_tail(critical_value(level).unwrap());
            proptest::prop_assert!((back - level).abs() < 1e-14, "{level} became {back}");
        }
    }
}
