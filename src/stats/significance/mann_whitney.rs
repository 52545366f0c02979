//! Whether values of one sample tend to be larger than those of another.

use std::cmp::Ordering;

use super::normal::two_sided_tail;
use crate::stats::ascending::{ascending, tie_sizes};

/// What [`mann_whitney`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MannWhitney {
    /// In how many pairs the value of the first sample is the larger one; equal ones count half.
    pub u: f64,
    /// How likely a `u` at least as far from its mean is if both samples come from one distribution.
    pub p: f64,
    /// The effect size of Vargha and Delaney (2000): the probability that a value drawn from the
    /// first sample is larger than one drawn from the second, ties counted half.
    pub a12: f64,
}

/// The Mann–Whitney U test (Wilcoxon's rank sum test), two-sided; `None` if a sample is empty.
///
/// The normal approximation with corrections for ties and for continuity, as
/// `scipy.stats.mannwhitneyu(x, y, alternative="two-sided", method="asymptotic", use_continuity=True)`
/// and R's `wilcox.test(x, y, exact=FALSE)`. Unlike SciPy this counts pairs in integers, so `u` is
/// exact. If all values are equal p is 1, as in SciPy; R says NaN.
pub fn mann_whitney(x: &[i64], y: &[i64]) -> Option<MannWhitney> {
    let (x, y) = (ascending(x), ascending(y));
    let sizes = x.len() as f64 * y.len() as f64;
    if sizes == 0.0 {
        return None;
    }
    let u = twice_u(&x, &y) as f64 / 2.0;
    let deviation = standard_deviation(x.len(), y.len(), tie_term_of_both(&x, &y));
    let distance = (u - sizes / 2.0).abs() - 0.5;
    // At a distance of 0 the correction points the other way; and where all values are equal nothing deviates.
    let p = if distance <= 0.0 { 1.0 } else { two_sided_tail(distance / deviation) };
    Some(MannWhitney { u, p, a12: u / sizes })
}

/// The standard deviation of U; 0 if all values are tied.
pub(super) fn standard_deviation(n: usize, m: usize, tie_term: f64) -> f64 {
    let (n, m) = (n as f64, m as f64);
    let all = n + m;
    (n * m / 12.0 * (all + 1.0 - tie_term / (all * (all - 1.0)))).sqrt()
}

/// The sum of t³ - t over all groups of t equal values of a sorted sample.
pub(super) fn tie_term(sorted: &[i64]) -> f64 {
    tie_sizes(sorted).map(|it| cube_less_self(it as f64)).sum()
}

fn cube_less_self(t: f64) -> f64 {
    t * t * t - t
}

/// [`tie_term`] of two sorted samples thrown together.
fn tie_term_of_both(x: &[i64], y: &[i64]) -> f64 {
    let mut all: Vec<i64> = Vec::with_capacity(x.len() + y.len());
    all.extend_from_slice(x);
    all.extend_from_slice(y);
    // Stable, as that merges two runs in linear time.
    all.sort();
    tie_term(&all)
}

/// Twice the number of pairs in which the value of `x` is larger, equal ones counted half; both are sorted.
fn twice_u(x: &[i64], y: &[i64]) -> u128 {
    let (mut n_smaller, mut n_not_larger) = (0, 0);
    let mut twice = 0u128;
    for value in x {
        n_smaller += count_while(&y[n_smaller..], |it| it.cmp(value) == Ordering::Less);
        n_not_larger += count_while(&y[n_not_larger..], |it| it.cmp(value) != Ordering::Greater);
        twice += (n_smaller + n_not_larger) as u128;
    }
    twice
}

fn count_while(values: &[i64], holds: impl Fn(&i64) -> bool) -> usize {
    values.iter().take_while(|it| holds(it)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By the definitions: every pair, and the rank of every value among all.
    fn plain(x: &[i64], y: &[i64]) -> MannWhitney {
        let mut u = 0.0;
        for a in x {
            for b in y {
                u += if a > b {
                    1.0
                } else if a == b {
                    0.5
                } else {
                    0.0
                };
            }
        }
        let all: Vec<i64> = x.iter().chain(y).copied().collect();
        let (n, m, count) = (x.len() as f64, y.len() as f64, all.len() as f64);
        // The variance of the mid-ranks is that of U but for a factor.
        let rank = |it: &i64| {
            let smaller = all.iter().filter(|other| *other < it).count() as f64;
            let equal = all.iter().filter(|other| *other == it).count() as f64;
            smaller + (equal + 1.0) / 2.0
        };
        let squares: f64 = all.iter().map(|it| (rank(it) - (count + 1.0) / 2.0).powi(2)).sum();
        let deviation = (n * m / (count * (count - 1.0)) * squares).sqrt();
        let distance = (u - n * m / 2.0).abs() - 0.5;
        let p = if distance <= 0.0 { 1.0 } else { two_sided_tail(distance / deviation) };
        MannWhitney { u, p, a12: u / (n * m) }
    }

    #[test]
    fn empty_samples_have_no_answer() {
        assert_eq!(mann_whitney(&[], &[]), None);
        assert_eq!(mann_whitney(&[1], &[]), None);
        assert_eq!(mann_whitney(&[], &[1]), None);
    }

    #[test]
    fn equal_values_do_not_differ() {
        assert_eq!(mann_whitney(&[5, 5, 5], &[5, 5]), Some(MannWhitney { u: 3.0, p: 1.0, a12: 0.5 }));
        assert_eq!(mann_whitney(&[5], &[5]), Some(MannWhitney { u: 0.5, p: 1.0, a12: 0.5 }));
    }

    #[test]
    fn samples_that_do_not_overlap_differ_most() {
        let (low, high): (Vec<i64>, Vec<i64>) = ((0..20).collect(), (100..120).rev().collect());
        let found = mann_whitney(&high, &low).unwrap();
        assert_eq!((found.u, found.a12), (400.0, 1.0));
        assert!(found.p < 1e-7);
        let swapped = mann_whitney(&low, &high).unwrap();
        assert_eq!((swapped.u, swapped.a12, swapped.p), (0.0, 0.0, found.p));
    }

    fn sample(largest: i64) -> impl Strategy<Value = Vec<i64>> {
        prop::collection::vec(prop_oneof![0..=largest, -5i64..5], 1..40)
    }

    proptest! {
        #[test]
        fn agrees_with_the_definitions(x in sample(1_000_000), y in sample(1_000_000)) {
            let (found, expected) = (mann_whitney(&x, &y).unwrap(), plain(&x, &y));
            prop_assert_eq!(found.u, expected.u);
            prop_assert_eq!(found.a12, expected.a12);
            prop_assert!((found.p - expected.p).abs() <= 1e-12 * expected.p, "{found:?} is not {expected:?}");
        }

        #[test]
        fn agrees_with_the_definitions_among_ties(x in sample(3), y in sample(3)) {
            let (found, expected) = (mann_whitney(&x, &y).unwrap(), plain(&x, &y));
            prop_assert_eq!(found.u, expected.u);
            prop_assert!((found.p - expected.p).abs() <= 1e-12 * expected.p, "{found:?} is not {expected:?}");
        }
    }
}
