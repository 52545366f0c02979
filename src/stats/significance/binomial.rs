//! How many of n independent trials succeed.

use super::discrete::Weights;

/// A binomial distribution.
pub(super) struct Binomial {
    n: u64,
    weights: Weights,
    total: f64,
}

impl Binomial {
    /// Of `n` trials that succeed with probability `p` each; `None` unless 0 < `p` < 1.
    pub(super) fn new(n: u64, p: f64) -> Option<Binomial> {
        if !(p > 0.0 && p < 1.0) {
            return None;
        }
        let peak = (((n + 1) as f64 * p) as u64).min(n);
        let weights = Weights::around(peak, 0, n, |k| [((n - k) as f64, (k + 1) as f64), (p, 1.0 - p)]);
        let total = weights.total();
        Some(Binomial { n, weights, total })
    }

    /// The largest k such that fewer than k successes have a probability of at most `tail`.
    pub(super) fn lower_end(&self, tail: f64) -> u64 {
        self.weights.first + self.n_within(self.weights.weights.iter(), tail)
    }

    /// The smallest k such that k or more successes have a probability of at most `tail`; n + 1 if
    /// there is no smaller one.
    pub(super) fn upper_end(&self, tail: f64) -> u64 {
        let past_last = self.weights.first + self.weights.weights.len() as u64;
        (past_last - self.n_within(self.weights.weights.iter().rev(), tail)).min(self.n + 1)
    }

    fn n_within<'a>(&self, weights: impl Iterator<Item = &'a f64>, tail: f64) -> u64 {
        let mut sum = 0.0;
        let within = weights.take_while(|&&it| {
            sum += it;
            sum <= tail * self.total
        });
        within.count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fair(n: u64) -> Binomial {
        Binomial::new(n, 0.5).unwrap()
    }

    #[test]
    fn ends_of_ten_fair_tosses() {
        // P(0) = 1/1024, P(1) = 10/1024, P(2) = 45/1024.
        let tosses = fair(10);
        for (tail, lower) in [(0.9 / 1024.0, 0), (1.1 / 1024.0, 1), (10.9 / 1024.0, 1), (11.1 / 1024.0, 2)] {
            assert_eq!(tosses.lower_end(tail), lower, "{tail}");
            assert_eq!(tosses.upper_end(tail), 11 - lower, "{tail}");
        }
    }

    #[test]
    fn certain_trials_are_no_distribution() {
        for p in [0.0, 1.0, -1.0, f64::NAN] {
            assert!(Binomial::new(10, p).is_none());
        }
        assert_eq!(fair(0).lower_end(0.1), 0);
        assert_eq!(fair(0).upper_end(0.1), 1);
    }

    #[test]
    fn many_trials_are_nearly_normal() {
        // 1,000,000 tosses deviate by 500: 2.576 of that at 0.5 % a side.
        let tosses = fair(1_000_000);
        assert_eq!(tosses.lower_end(0.005), 498_712);
        assert_eq!(tosses.upper_end(0.005), 501_289);
    }
}
