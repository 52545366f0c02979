//! Distributions on the integers that rise to one peak and fall, known by the ratios of neighbours.

/// Probabilities but for a factor: the peak weighs 1.
///
/// No factorials are needed and nothing overflows. What weighs less than the least normal number is
/// left out, so there are about 75 standard deviations of weights at most.
pub(super) struct Weights {
    /// The integer that the first weight is of.
    pub(super) first: u64,
    /// The weights of this and the following integers.
    pub(super) weights: Vec<f64>,
}

impl Weights {
    /// The weights of the integers from `least` to `greatest`, which `peak` lies between. How much
    /// more k + 1 weighs than k is the product of all (numerator, denominator) of `ratio(k)`.
    pub(super) fn around(peak: u64, least: u64, greatest: u64, ratio: impl Fn(u64) -> [(f64, f64); 2]) -> Weights {
        let mut weights = Vec::new();
        let mut product = Product::ONE;
        for k in (least..peak).rev() {
            product = ratio(k).into_iter().fold(product, |it, (above, below)| it.times(below).over(above));
            if product.value < f64::MIN_POSITIVE {
                break;
            }
            weights.push(product.rounded());
        }
        let first = peak - weights.len() as u64;
        weights.reverse();
        weights.push(1.0);
        product = Product::ONE;
        for k in peak..greatest {
            product = ratio(k).into_iter().fold(product, |it, (above, below)| it.times(above).over(below));
            if product.value < f64::MIN_POSITIVE {
                break;
            }
            weights.push(product.rounded());
        }
        Weights { first, weights }
    }

    /// What an integer weighs; 0 if it was left out.
    pub(super) fn of(&self, k: u64) -> f64 {
        let place = k.checked_sub(self.first).and_then(|it| usize::try_from(it).ok());
        place.and_then(|it| self.weights.get(it)).copied().unwrap_or(0.0)
    }

    /// What all weigh together.
    pub(super) fn total(&self) -> f64 {
        self.weights.iter().sum()
    }
}

/// A product of many factors, with the sum of what rounding took from it.
///
/// The compensated product of Ogita, Rump and Oishi, "Accurate Sum and Dot Product" (2005), with
/// divisions: after n factors the relative error is of the order (n · 1e-16)² and not n · 1e-16. Two
/// weights that are equal come out equal to 15 digits, however far apart they are.
#[derive(Clone, Copy)]
struct Product {
    value: f64,
    missing: f64,
}

impl Product {
    const ONE: Product = Product { value: 1.0, missing: 0.0 };

    fn times(self, factor: f64) -> Product {
        let value = self.value * factor;
        let missing = self.value.mul_add(factor, -value);
        Product { value, missing: self.missing * factor + missing }
    }

    fn over(self, divisor: f64) -> Product {
        let value = self.value / divisor;
        let remainder = (-value).mul_add(divisor, self.value);
        Product { value, missing: (self.missing + remainder) / divisor }
    }

    fn rounded(self) -> f64 {
        self.value + self.missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_binomial_coefficients() {
        let ratio = |k: u64| [((5 - k) as f64, (k + 1) as f64), (1.0, 1.0)];
        let five = Weights::around(2, 0, 5, ratio);
        assert_eq!(five.first, 0);
        assert_eq!(five.weights, [0.1, 0.5, 1.0, 1.0, 0.5, 0.1]);
        assert_eq!((five.of(1), five.of(6)), (0.5, 0.0));
        assert!((five.total() - 3.2).abs() < 1e-15);
    }

    #[test]
    fn a_hundred_thousand_factors_later_mirrored_weights_are_still_equal() {
        // Binomial coefficients of 4,000,001 are symmetric; these lie 60,001 apart.
        let n = 4_000_001u64;
        let ratio = |k: u64| [((n - k) as f64, (k + 1) as f64), (1.0, 1.0)];
        let all = Weights::around(2_000_000 - 30_000, 0, n, ratio);
        for distance in [1u64, 10, 1000, 30_000] {
            let (left, right) = (all.of(2_000_000 - distance), all.of(2_000_001 + distance));
            assert!((left / right - 1.0).abs() < 1e-15, "{left} and {right}");
        }
        assert!(all.first > 1_900_000, "the negligible is left out");
        assert_eq!(all.of(0), 0.0);
    }
}
