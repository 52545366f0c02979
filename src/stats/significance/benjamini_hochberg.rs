//! What many tests at once say together.

/// The q-value of each p-value: the smallest false discovery rate at which its test is a discovery.
///
/// Benjamini and Hochberg, "Controlling the False Discovery Rate" (1995), for independent or positively
/// dependent tests: m · p divided by the rank of p, made monotone from the largest down, at most 1.
/// As `scipy.stats.false_discovery_control(p)`, and as R's `p.adjust(p, "BH")` in that NaN stays NaN
/// and does not count.
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).filter(|&it| !p[it].is_nan()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut q = vec![f64::NAN; p.len()];
    let mut smallest: f64 = 1.0;
    for (index, &test) in order.iter().enumerate().rev() {
        smallest = smallest.min(p[test] * (order.len() as f64 / (index + 1) as f64));
        q[test] = smallest;
    }
    q
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_tests_have_no_q_values() {
        assert_eq!(benjamini_hochberg(&[]), Vec::<f64>::new());
        assert_eq!(benjamini_hochberg(&[0.3]), [0.3]);
    }

    #[test]
    fn a_worked_example() {
        // m · p / rank is 0.04, 0.08, 0.0667, 0.5: the third pulls the second down.
        let q = benjamini_hochberg(&[0.5, 0.04, 0.01, 0.05]);
        let expected = [0.5, 0.2 / 3.0, 0.04, 0.2 / 3.0];
        assert!(q.iter().zip(expected).all(|(q, it)| (q - it).abs() < 1e-15), "{q:?}");
    }

    #[test]
    fn the_example_of_the_paper() {
        // Fifteen p-values of which four are discoveries at 5 %, and three by Bonferroni.
        let p = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528,
            0.7590, 1.0,
        ];
        assert_eq!(benjamini_hochberg(&p).iter().filter(|&&q| q <= 0.05).count(), 4);
        assert_eq!(p.iter().filter(|&&p| p <= 0.05 / 15.0).count(), 3);
    }

    #[test]
    fn equal_p_values_have_equal_q_values() {
        assert_eq!(
            benjamini_hochberg(&[0.02, 0.5, 0.02, 0.02]),
            [0.02 * (4.0 / 3.0), 0.5, 0.02 * (4.0 / 3.0), 0.02 * (4.0 / 3.0)]
        );
        assert_eq!(benjamini_hochberg(&[1.0; 3]), [1.0; 3]);
    }

    #[test]
    fn what_is_no_number_does_not_count() {
        let q = benjamini_hochberg(&[0.01, f64::NAN, 0.04]);
        assert_eq!((q[0], q[2]), (0.02, 0.04));
        assert!(q[1].is_nan());
    }

    proptest! {
        #[test]
        fn discoveries_are_those_of_the_step_up_procedure(
            p in prop::collection::vec(prop_oneof![0.0f64..=1.0, 0.0f64..0.01], 1..60),
            rate in 0.001f64..0.5,
        ) {
            let q = benjamini_hochberg(&p);
            // As in the paper: the largest k whose k-th smallest p is at most k / m · rate.
            let mut sorted = p.clone();
            sorted.sort_by(f64::total_cmp);
            let m = p.len() as f64;
            let k = (1..=p.len()).rev().find(|&k| sorted[k - 1] <= k as f64 / m * rate).unwrap_or(0);
            prop_assert_eq!(q.iter().filter(|&&it| it <= rate).count(), k);
            prop_assert!(p.iter().zip(&q).all(|(p, q)| p <= q && *q <= 1.0));
        }
    }
}
