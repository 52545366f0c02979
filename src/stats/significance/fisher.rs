//! Whether a share differs between two groups, exactly.

use super::discrete::Weights;

/// How much likelier than the observed table another may be and still count as equally likely: SciPy's.
const TOLERANCE: f64 = 1e-14;

/// More observations than this would take seconds.
const MAX_TOTAL: u64 = 1 << 36;

/// Fisher's exact test of a 2 by 2 table, two-sided: the probability, margins given, of all tables
/// that are no likelier than this one. `None` for more than 2^36 observations.
///
/// As `scipy.stats.fisher_exact(table).pvalue`. SciPy adds tails of Boost's hypergeometric
/// distribution; this walks from the likeliest table by the ratios of neighbours, compensated, so
/// that tables of equal probability are told from nearly equal ones among millions of observations
/// too. (R's `fisher.test` takes tables for equally likely that differ by 1e-7.) What is below
/// 1e-300 may come out as 0. If a row or a column is empty p is 1.
pub fn fisher_exact(table: [[u64; 2]; 2]) -> Option<f64> {
    let [[a, b], [c, d]] = table;
    let total = [b, c, d].into_iter().try_fold(a, u64::checked_add)?;
    if total > MAX_TOTAL {
        return None;
    }
    let (row, other_row, column) = (a + b, c + d, a + c);
    let (least, greatest) = (column.saturating_sub(other_row), column.min(row));
    let peak = (u128::from(row) + 1) * (u128::from(column) + 1) / (u128::from(total) + 2);
    // The last cell belongs to k in the first; it is row + column more than the total then.
    let last_cell = |k: u64| (other_row + k) - column;
    let likelihoods = Weights::around(peak as u64, least, greatest, |k| {
        [((row - k) as f64, (k + 1) as f64), ((column - k) as f64, last_cell(k + 1) as f64)]
    });
    let limit = likelihoods.of(a) * (1.0 + TOLERANCE);
    let no_likelier: f64 = likelihoods.weights.iter().filter(|&&it| it <= limit).sum();
    Some(no_likelier / likelihoods.total())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Binomial coefficients of up to 120 in integers.
    fn choose(n: u64, k: u64) -> u128 {
        (0..u128::from(k)).fold(1, |product, i| product * (u128::from(n) - i) / (i + 1))
    }

    /// In integers throughout.
    fn plain(table: [[u64; 2]; 2]) -> f64 {
        let [[a, b], [c, d]] = table;
        let (row, other_row, column) = (a + b, c + d, a + c);
        let ways = |k: u64| {
            if k > column || column - k > other_row { 0 } else { choose(row, k) * choose(other_row, column - k) }
        };
        let all: Vec<u128> = (0..=row).map(ways).collect();
        let no_likelier: u128 = all.iter().filter(|&&it| it <= ways(a)).sum();
        no_likelier as f64 / all.iter().sum::<u128>() as f64
    }

    fn p(table: [[u64; 2]; 2]) -> f64 {
        fisher_exact(table).unwrap()
    }

    #[test]
    fn the_lady_tasting_tea() {
        assert!((p([[3, 1], [1, 3]]) - 34.0 / 70.0).abs() < 1e-15);
        assert!((p([[4, 0], [0, 4]]) - 2.0 / 70.0).abs() < 1e-15);
    }

    #[test]
    fn an_empty_row_or_column_says_nothing() {
        for table in [[[0, 0], [0, 0]], [[0, 0], [3, 4]], [[3, 4], [0, 0]], [[0, 3], [0, 4]], [[3, 0], [4, 0]]] {
            assert_eq!(p(table), 1.0, "{table:?}");
        }
    }

    #[test]
    fn the_likeliest_table_has_p_1() {
        assert_eq!(p([[1000, 2000], [3000, 6000]]), 1.0);
    }

    #[test]
    fn the_mirrored_table_counts_among_millions_too() {
        // Equal rows: mirroring doubles the tail exactly.
        let two_sided = p([[500_000, 500_000], [501_000, 499_000]]);
        let mirrored = p([[501_000, 499_000], [500_000, 500_000]]);
        assert!((two_sided - mirrored).abs() < 1e-12);
        assert!((two_sided - 0.157714504869766).abs() < 1e-9);
    }

    #[test]
    fn hopeless_counts_are_0_and_too_many_have_no_answer() {
        assert_eq!(p([[0, 1_000_000], [1_000_000, 0]]), 0.0);
        assert!(fisher_exact([[u64::MAX, 1], [1, 1]]).is_none());
        assert!(fisher_exact([[1 << 36, 1], [1, 1]]).is_none());
    }

    proptest! {
        #[test]
        fn agrees_with_integers(a in 0u64..30, b in 0u64..30, c in 0u64..30, d in 0u64..30) {
            let (found, expected) = (p([[a, b], [c, d]]), plain([[a, b], [c, d]]));
            prop_assert!((found - expected).abs() <= 1e-12 * expected, "{found} is not {expected}");
        }

        #[test]
        fn turning_the_table_changes_nothing(a in 0u64..3000, b in 0u64..3000, c in 0u64..3000, d in 0u64..3000) {
            let found = p([[a, b], [c, d]]);
            for turned in [[[a, c], [b, d]], [[c, d], [a, b]], [[b, a], [d, c]]] {
                prop_assert!((found - p(turned)).abs() <= 1e-10 * found);
            }
        }
    }
}
