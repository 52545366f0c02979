//! The statistics of comparisons against SciPy, statsmodels and R, by `fixtures/significance.json`.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code, reason = "a test that fails says where")]

use std::path::Path;
use std::sync::LazyLock;

use analyze_traces::stats::robust;
use analyze_traces::stats::significance::{
    Interval, benjamini_hochberg, difference_interval, fisher_exact, hodges_lehmann, mann_whitney, normal,
    quantile_interval, wilson_interval,
};
use serde_json::Value;

static VECTORS: LazyLock<Value> = LazyLock::new(|| {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/significance.json");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
});

/// The cases of a list, which has at least so many.
fn cases(list: &str, at_least: usize) -> &'static [Value] {
    let cases = VECTORS[list]["cases"].as_array().unwrap();
    assert!(cases.len() >= at_least, "{list} has {} cases", cases.len());
    cases
}

fn integers(list: &Value) -> Vec<i64> {
    list.as_array().unwrap().iter().map(|it| it.as_i64().unwrap()).collect()
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).collect()
}

fn pair(counts: &Value) -> (u64, u64) {
    (counts[0].as_u64().unwrap(), counts[1].as_u64().unwrap())
}

/// The samples that a case is about: name, before, after.
fn sample(index: &Value) -> (&'static str, Vec<i64>, Vec<i64>) {
    let sample = &cases("samples", 200)[index.as_u64().unwrap() as usize];
    (sample["name"].as_str().unwrap(), integers(&sample["before"]), integers(&sample["after"]))
}

/// Within a relative error; below 1e-300 there are too few digits left to compare.
#[track_caller]
fn assert_close(found: f64, expected: &Value, relative: f64, what: &str) {
    let expected = expected.as_f64().unwrap();
    let error = (found - expected).abs();
    assert!(error <= relative * expected.abs() + 1e-300, "{what}: {found} is not {expected}");
}

#[track_caller]
fn assert_ends(found: Interval, expected: &Value, absolute: f64, what: &str) {
    let (low, high) = (expected[0].as_f64().unwrap(), expected[1].as_f64().unwrap());
    let error = (found.low - low).abs().max((found.high - high).abs());
    assert!(error <= absolute, "{what}: {found:?} is not {expected}");
}

#[test]
fn mann_whitney_is_scipys() {
    for (case, it) in cases("samples", 200).iter().zip(cases("mann_whitney", 200)) {
        let name = case["name"].as_str().unwrap();
        let found = mann_whitney(&integers(&case["after"]), &integers(&case["before"])).unwrap();
        assert_eq!(found.u, it["u"].as_f64().unwrap(), "{name}");
        assert_close(found.a12, &it["a12"], 1e-15, name);
        assert_close(found.p, &it["p"], 1e-9, name);
    }
}

#[test]
fn hodges_lehmann_is_rs() {
    for it in cases("hodges_lehmann", 50) {
        let (name, before, after) = sample(&it["sample"]);
        let found = hodges_lehmann(&before, &after, 0.99).unwrap();
        assert_eq!(found.estimate, it["median_of_differences"].as_f64().unwrap(), "{name}");
        // R stops within its tolerance of the root, which is an integer.
        let [low, high, usual_low, usual_high] =
            ["low", "high", "default_low", "default_high"].map(|key| it[key].as_f64().unwrap());
        for (found, exact, usual) in [(found.interval.low, low, usual_low), (found.interval.high, high, usual_high)] {
            assert!((found - exact).abs() <= 1e-6, "{name}: {found} is not {exact}");
            assert!((found - usual).abs() <= 2e-4, "{name}: {found} is not {usual}");
        }
        // R's estimate has half of the differences on either side.
        let estimate = it["estimate"].as_f64().unwrap();
        let differences = || after.iter().flat_map(|a| before.iter().map(move |b| (a - b) as f64));
        let half = (before.len() * after.len()) as f64 / 2.0;
        assert!(differences().filter(|&it| it < estimate - 1e-6).count() as f64 <= half, "{name}: {estimate}");
        assert!(differences().filter(|&it| it > estimate + 1e-6).count() as f64 <= half, "{name}: {estimate}");
    }
}

#[test]
fn robust_summaries_are_numpys() {
    for it in cases("robust", 200) {
        let (name, before, after) = sample(&it["sample"]);
        assert_close(robust::median(&before).unwrap(), &it["median"], 0.0, name);
        let deviation = robust::median_absolute_deviation(&before).unwrap();
        assert_close(deviation, &it["median_absolute_deviation"], 0.0, name);
        for pair in it["quantiles"].as_array().unwrap() {
            let found = robust::quantile(&before, pair[0].as_f64().unwrap()).unwrap();
            assert_close(found, &pair[1], 1e-14, name);
        }
        // The difference of nearly equal quantiles has fewer digits than they have.
        let found = robust::mean_quantile_difference(&before, &after).unwrap();
        let error = (found - it["mean_quantile_difference"].as_f64().unwrap()).abs();
        assert!(error <= 1e-12 * robust::quantile(&after, 0.95).unwrap(), "{name}: off by {error}");
    }
}

#[test]
fn quantile_intervals_are_scipys() {
    let mut n_none = 0;
    for it in cases("order_statistics", 200) {
        let (name, before, _) = sample(&it["sample"]);
        let found = quantile_interval(&before, it["q"].as_f64().unwrap(), it["level"].as_f64().unwrap());
        match found {
            Some(found) => assert_ends(found, &it["interval"], 0.0, name),
            None => assert!(it["interval"].is_null(), "{name}: {it}"),
        }
        n_none += usize::from(found.is_none());
    }
    assert!((50..200).contains(&n_none), "both happen");
}

#[test]
fn fisher_is_scipys() {
    for it in cases("fisher", 100) {
        let [row, other_row] = [0, 1].map(|at| pair(&it["table"][at]));
        let found = fisher_exact([[row.0, row.1], [other_row.0, other_row.1]]).unwrap();
        assert_close(found, &it["p"], 1e-9, &it["table"].to_string());
    }
}

#[test]
fn q_values_are_scipys() {
    for it in cases("benjamini_hochberg", 8) {
        let (found, expected) = (benjamini_hochberg(&numbers(&it["p"])), numbers(&it["q"]));
        assert_eq!(found.len(), expected.len());
        for (q, expected) in found.iter().zip(&expected) {
            assert!((q - expected).abs() <= 1e-14 * expected, "{found:?} is not {expected:?}");
        }
    }
}

#[test]
fn proportions_are_scipys_and_statsmodels() {
    for it in cases("wilson", 30) {
        let (hits, n) = (it["hits"].as_u64().unwrap(), it["n"].as_u64().unwrap());
        let found = wilson_interval(hits, n, it["level"].as_f64().unwrap()).unwrap();
        assert_ends(found, &it["interval"], 1e-13, &it.to_string());
    }
    for it in cases("newcombe", 200) {
        let found = difference_interval(pair(&it["before"]), pair(&it["after"]), 0.95).unwrap();
        assert_ends(found, &it["interval"], 1e-13, &it.to_string());
    }
}

#[test]
fn the_normal_distribution_is_scipys() {
    for it in cases("normal", 17) {
        match it["level"].as_f64() {
            Some(level) => assert_close(normal::critical_value(level).unwrap(), &it["z"], 1e-12, &it.to_string()),
            None => {
                assert_close(normal::two_sided_tail(it["z"].as_f64().unwrap()), &it["tail"], 1e-12, &it.to_string())
            }
        }
    }
}
