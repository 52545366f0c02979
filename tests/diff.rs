//! Comparisons through the real binary: what is said of known pairs, exit statuses, baselines, the schema.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code, reason = "a test that fails says where")]

#[path = "support/binary.rs"]
mod binary;
#[path = "support/captures.rs"]
mod captures;
#[path = "support/schema.rs"]
mod schema;

use std::path::Path;

use binary::{fixture, run, run_with_input, stderr};
use serde_json::{Value, json};

fn incident() -> String {
    fixture("checkout-incident.json")
}

fn fixed() -> String {
    fixture("checkout-fixed.json")
}

/// What a comparison prints and how it exits.
fn compared(args: &[&str]) -> (String, Option<i32>) {
    let output = run(&[&["diff"], args].concat());
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(!text.is_empty(), "{args:?}: {}", stderr(&output));
    (text, output.status.code())
}

fn report(args: &[&str]) -> Value {
    let (text, _) = compared(&[args, &["--json"]].concat());
    let report = serde_json::from_str(&text).unwrap();
    assert_eq!(schema::violations(&schema::closed_diff(), &report), [""; 0], "{args:?}");
    report
}

/// Changes of a verdict as `metric service operation`.
fn changes(report: &Value, verdict: &str, cause: bool) -> Vec<String> {
    let changes = report["changes"].as_array().unwrap().iter();
    let of_verdict = changes.filter(|it| it["verdict"] == verdict && it["cause"] == cause && it["pattern"].is_null());
    of_verdict
        .map(|it| {
            let text = |key: &str| it[key].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", text("metric"), text("service"), text("operation"))
        })
        .collect()
}

/// A capture with the traces that a rule keeps, by their place.
fn part(name: &str, keep: impl Fn(usize) -> bool, directory: &Path, file: &str) -> String {
    let capture: Value = serde_json::from_slice(&std::fs::read(fixture(name)).unwrap()).unwrap();
    let traces = capture["data"].as_array().unwrap().iter().enumerate();
    let kept: Vec<&Value> = traces.filter(|(nth, _)| keep(*nth)).map(|it| it.1).collect();
    let path = directory.join(file);
    std::fs::write(&path, serde_json::to_vec(&json!({"data": kept})).unwrap()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_fix_is_told_in_the_words_of_who_made_it() {
    let (text, status) = compared(&[&incident(), &fixed()]);
    assert_eq!(status, Some(0));
    for sentence in [
        "Error rate: 0.5 % (down from 8 %)",
        "Mean: 250 ms (down from 1,250 ms)",
        "p95 down 84 %, because user-service database_query is 863 ms faster",
    ] {
        assert!(text.lines().any(|it| it == sentence), "{sentence} is not in {text}");
    }
    let report = report(&[&incident(), &fixed()]);
    assert_eq!(report["verdict"], "improved");
    assert_eq!(changes(&report, "regressed", true), [""; 0]);
}

#[test]
fn an_incident_names_its_cause_and_what_is_only_above_it() {
    let report = report(&[&fixed(), &incident()]);
    assert_eq!(report["verdict"], "regressed");
    let causes = changes(&report, "regressed", true);
    for cause in ["error_rate recommendation-service GET /recommendations", "duration user-service database_query"] {
        assert!(causes.iter().any(|it| it == cause), "{cause} is not in {causes:?}");
    }
    let victims = changes(&report, "regressed", false);
    for victim in [
        "duration gateway POST /checkout",
        "duration user-service GET /users/{id}",
        "error_rate gateway POST /checkout",
    ] {
        assert!(victims.iter().any(|it| it == victim), "{victim} is not in {victims:?}");
    }
    assert_eq!(report["suspects"][0]["service"], "user-service");
    assert_eq!(report["suspects"][0]["evidence"][0]["operation"], "database_query");
    let of_endpoint =
        report["changes"].as_array().unwrap().iter().find(|it| it["endpoint"] == "gateway POST /checkout");
    assert_eq!(of_endpoint.unwrap()["caused_by"]["operation"], "database_query");
}

#[test]
fn parts_add_up_in_what_is_printed() {
    let ns = |it: &Value| (it.as_f64().unwrap() * 1e6).round() as i64;
    for sides in [[incident(), fixed()], [fixed(), incident()]] {
        let report = report(&[&sides[0], &sides[1]]);
        let total = &report["total"];
        assert_eq!(ns(&total["shift_ms"]), ns(&total["mix_ms"]) + ns(&total["within_ms"]));
        let means = ["before", "after"].map(|it| ns(&report[it]["summary"]["duration_stats"]["mean_ms"]));
        // Here roots and traces last equally long.
        assert!((ns(&total["shift_ms"]) - (means[1] - means[0])).abs() <= 1);
        for endpoint in report["endpoints"].as_array().unwrap() {
            let parts = endpoint["operations"].as_array().unwrap().iter();
            let sum: i64 = parts.map(|it| ns(&it["frequency_ms"]) + ns(&it["time_ms"])).sum();
            assert_eq!(sum, ns(&endpoint["shift_ms"]));
        }
    }
}

#[test]
fn the_status_is_that_of_the_verdict() {
    let status = |args: &[&str]| run(&[&["diff"], args].concat()).status.code();
    let (bad, good) = (incident(), fixed());
    assert_eq!(status(&[&good, &bad]), Some(1));
    assert_eq!(status(&[&good, &bad, "--json"]), Some(1));
    assert_eq!(status(&[&good, &bad, "--fail-on", "suspect"]), Some(1));
    assert_eq!(status(&[&good, &bad, "--fail-on", "never"]), Some(0));
    assert_eq!(status(&[&bad, &good, "--fail-on", "suspect"]), Some(0));
    // 30 and 40 traces are enough to suspect and too few to convict.
    let directory = tempfile::tempdir().unwrap();
    let few_good = part("checkout-fixed.json", |it| it < 40, directory.path(), "good.json");
    let few_bad = part("checkout-incident.json", |it| it < 30, directory.path(), "bad.json");
    assert_eq!(status(&[&few_good, &few_bad]), Some(0));
    assert_eq!(status(&[&few_good, &few_bad, "--fail-on", "suspect"]), Some(1));
    assert_eq!(report(&[&few_good, &few_bad])["verdict"], "suspect");
    let empty = fixture("quirks/empty-data.json");
    assert_eq!(status(&[&good, &empty]), Some(0));
    assert_eq!(status(&[&good, &empty, "--require-data"]), Some(2));
    assert_eq!(status(&[&good, &good, "--require-data"]), Some(0));
    assert_eq!(report(&[&good, &empty])["verdict"], "insufficient");
    assert_eq!(status(&[&good]), Some(2));
    assert_eq!(status(&[&good, &bad, "--alpha", "0"]), Some(2));
    assert_eq!(status(&[&good, "no-such-file.json"]), Some(2));
}

#[test]
fn what_is_insufficient_is_listed() {
    let directory = tempfile::tempdir().unwrap();
    let few = part("checkout-fixed.json", |it| it < 19, directory.path(), "few.json");
    let report = report(&[&fixed(), &few]);
    assert_eq!(report["verdict"], "insufficient");
    let listed = changes(&report, "insufficient", false);
    assert!(listed.contains(&"duration user-service database_query".to_owned()), "{listed:?}");
    let (text, _) = compared(&[&fixed(), &few]);
    assert!(text.contains("Too few traces to compare (20 a side are the least): "), "{text}");
}

#[test]
fn a_capture_and_itself_have_not_changed() {
    for file in [incident(), fixed()] {
        let (text, status) = compared(&[&file, &file]);
        assert_eq!(status, Some(0));
        assert!(text.contains("No change: "), "{text}");
        let report = report(&[&file, &file]);
        assert_eq!(report["verdict"], "unchanged");
        assert_eq!(report["suspects"], json!([]));
        assert_eq!(report["total"], json!({"shift_ms": 0.0, "mix_ms": 0.0, "within_ms": 0.0}));
    }
}

#[test]
fn a_half_of_a_capture_is_no_regression() {
    let directory = tempfile::tempdir().unwrap();
    for seed in 0u64..6 {
        let is_kept = |nth: usize| {
            (nth as u64 + 1).wrapping_mul(seed * 2 + 0x9E37_79B9_7F4A_7C15).rotate_left(23).is_multiple_of(2)
        };
        for name in ["checkout-incident.json", "checkout-fixed.json"] {
            let half = part(name, is_kept, directory.path(), "half.json");
            let report = report(&[&fixture(name), &half]);
            assert_ne!(report["verdict"], "regressed", "{name}, seed {seed}");
            assert_eq!(changes(&report, "regressed", true), [""; 0]);
        }
    }
}

#[test]
fn threads_cannot_be_seen() {
    let all = |threads: &str| {
        let args = [&fixed(), &incident(), "--threads", threads];
        (compared(&[&args[..], &["--json"]].concat()), compared(&[&args[..], &["--all"]].concat()))
    };
    let one = all("1");
    for threads in ["2", "7"] {
        assert!(all(threads) == one, "{threads} threads");
    }
}

fn baseline(directory: &Path, name: &str, args: &[&str]) -> String {
    let path = directory.join(name).to_str().unwrap().to_owned();
    let output = run(&[&["baseline"], args, &["-o", &path]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(output.stdout.is_empty());
    path
}

#[test]
fn a_baseline_says_what_its_capture_says() {
    let directory = tempfile::tempdir().unwrap();
    let good = baseline(directory.path(), "good", &[&fixed(), "--threads", "1"]);
    let bad = baseline(directory.path(), "bad", &[&incident()]);
    let again = baseline(directory.path(), "again", &[&fixed(), "--threads", "5"]);
    assert_eq!(std::fs::read(&good).unwrap(), std::fs::read(&again).unwrap());
    let size = |it: &str| std::fs::metadata(it).unwrap().len();
    assert!(size(&good) * 10 < size(&fixed()), "{} bytes", size(&good));
    for flags in [&["--json"][..], &["--all"]] {
        let expected = compared(&[&[&*fixed(), &*incident()], flags].concat());
        for sides in [[&*good, &*incident()], [&*fixed(), &*bad], [&*good, &*bad]] {
            assert_eq!(compared(&[&sides[..], flags].concat()), expected);
        }
    }
}

#[test]
fn a_baseline_is_compared_under_its_own_filters_only() {
    let directory = tempfile::tempdir().unwrap();
    let flags = ["--service", "gateway", "--service", "user-service", "--min-duration", "10ms"];
    let made = baseline(directory.path(), "made", &[&[&*fixed()], &flags[..]].concat());
    let same = ["--min-duration", "10ms", "--service", "user-service", "--service", "gateway"];
    assert_eq!(compared(&[&[&*made, &*incident()], &same[..]].concat()).1, Some(1));
    for other in [
        &[][..],
        &["--service", "gateway"],
        &[&flags[..], &["--errors-only"]].concat(),
        &[&flags[..], &["--skew-correction"]].concat(),
    ] {
        let output = run(&[&["diff", &*made, &*incident()], other].concat());
        assert_eq!(output.status.code(), Some(2), "{other:?}");
        let words = stderr(&output);
        assert!(words.contains("the baseline was made with --service gateway"), "{words}");
        assert!(words.contains("hint: compare with what it was made with"), "{words}");
    }
    let plain = baseline(directory.path(), "plain", &[&fixed()]);
    let output = run(&["diff", &plain, &incident(), "--errors-only"]);
    assert!(stderr(&output).contains("the baseline was made with no filters"), "{}", stderr(&output));
}

#[test]
fn a_baseline_is_no_capture_and_a_damaged_one_no_baseline() {
    let directory = tempfile::tempdir().unwrap();
    let made = baseline(directory.path(), "made", &[&fixed()]);
    let output = run(&[&made]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("it is a baseline of analyze-traces"), "{}", stderr(&output));
    let bytes = std::fs::read(&made).unwrap();
    let cut = directory.path().join("cut");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let output = run(&["diff", cut.to_str().unwrap(), &incident()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("the baseline is damaged"), "{}", stderr(&output));
    let later = directory.path().join("later");
    std::fs::write(&later, [&b"analyze-traces baseline 2\n"[..], &bytes[26..]].concat()).unwrap();
    let output = run(&["diff", later.to_str().unwrap(), &incident()]);
    assert!(stderr(&output).contains("another version"), "{}", stderr(&output));
    // Half a baseline would be worse than none.
    let output = run(&["baseline", &fixture("malformed/truncated.json"), "-o", later.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(std::fs::read(&later).unwrap().starts_with(b"analyze-traces baseline 2"), "what was there is still there");
}

#[test]
fn standard_input_is_one_side() {
    let bytes = std::fs::read(incident()).unwrap();
    let output = run_with_input(&["diff", &fixed(), "-"], &bytes);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let output = run_with_input(&["diff", "-", "-"], &bytes);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("standard input can be one side only"));
}

#[test]
fn a_baseline_may_come_from_standard_input() {
    let output = run(&["baseline", &fixed(), "-o", "-"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let expected = compared(&[&fixed(), &incident(), "--json"]);
    let found = run_with_input(&["diff", "-", &incident(), "--json"], &output.stdout);
    assert_eq!((String::from_utf8(found.stdout).unwrap(), found.status.code()), expected);
    let cut = run_with_input(&["diff", &incident(), "-"], &output.stdout[..300]);
    assert_eq!(cut.status.code(), Some(2));
    assert!(stderr(&cut).contains("failed to read <stdin>: the baseline is damaged"), "{}", stderr(&cut));
    // What is shorter than the first line of a baseline is a capture, or none.
    let nothing = run_with_input(&["diff", &incident(), "-"], b"ana");
    assert!(stderr(&nothing).contains("failed to read <stdin>: expected"), "{}", stderr(&nothing));
}

#[test]
fn filters_hold_for_both_sides() {
    let report = report(&[&fixed(), &incident(), "--errors-only"]);
    assert_eq!(
        (&report["before"]["input"]["traces_kept"], &report["after"]["input"]["traces_kept"]),
        (&json!(1), &json!(8))
    );
    // An hour back from the newest trace of each: all of them.
    let report = self::report(&[&fixed(), &incident(), "--time-range", "1h"]);
    assert_eq!(
        (&report["before"]["input"]["traces_kept"], &report["after"]["input"]["traces_kept"]),
        (&json!(200), &json!(100))
    );
}

#[test]
fn tolerance_and_least_shift_can_be_set() {
    let verdict = |flags: &[&str]| {
        let report = report(&[&[&*fixed(), &*incident()], flags].concat());
        changes(&report, "regressed", true).contains(&"duration user-service database_query".to_owned())
    };
    assert!(verdict(&[]));
    assert!(verdict(&["--tolerance", "100", "--alpha", "0.0001"]));
    assert!(!verdict(&["--tolerance", "6000"]));
    assert!(verdict(&["--min-abs", "800"]));
    assert!(!verdict(&["--min-abs", "900ms"]));
}

#[test]
fn alike_captures_are_calibrated() {
    let directory = tempfile::tempdir().unwrap();
    let one = part("checkout-fixed.json", |it| it % 2 == 0, directory.path(), "one.json");
    let other = part("checkout-fixed.json", |it| it % 2 == 1, directory.path(), "other.json");
    let report = report(&["--calibrate", &one, &other]);
    let tolerance = report["calibration"]["tolerance_percent"].as_f64().unwrap();
    assert!((5.0..=15.0).contains(&tolerance), "{tolerance}");
    let (text, status) = compared(&["--calibrate", &one, &other]);
    assert_eq!(status, Some(0));
    assert!(text.contains(&format!("Use --tolerance {tolerance}")), "{text}");
    // An incident is no run like the others; it is measured all the same.
    let report = self::report(&["--calibrate", &fixed(), &incident()]);
    let tolerance = report["calibration"]["tolerance_percent"].as_f64().unwrap();
    assert!(tolerance > 100.0);
    // What it says to use can be used, and does what it says.
    assert_eq!(run(&["diff", &fixed(), &incident(), "--tolerance", &tolerance.to_string()]).status.code(), Some(1));
    assert_eq!(compared(&["--calibrate", &fixed(), &incident()]).1, Some(0));
}

#[test]
fn a_report_goes_to_a_file_but_not_over_a_side() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("report.json");
    let path = path.to_str().unwrap();
    let output = run(&["diff", &fixed(), &incident(), "--json", "-o", path]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    let (expected, _) = compared(&[&fixed(), &incident(), "--json"]);
    assert_eq!(std::fs::read_to_string(path).unwrap(), expected);
    let made = baseline(directory.path(), "made", &[&fixed()]);
    let output = run(&["diff", &made, &incident(), "-o", &made]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

/// Requests of which one in twelve reaches a bank, which takes so long.
fn shop(bank_ms: f64) -> String {
    captures::capture(120, |nth| {
        let jitter = (nth * 7 % 13) as f64;
        let mut calls = vec![("web", "GET /", 900.0 + jitter, None), ("api", "GET", 100.0 + jitter, None)];
        calls.extend((nth % 12 == 0).then_some(("bank", "charge", bank_ms + jitter / 10.0, None)));
        calls
    })
}

#[test]
fn a_strong_suspect_shows_though_too_few_traces_reached_it_for_a_verdict() {
    let directory = tempfile::tempdir().unwrap();
    let written = |name: &str, text: &str| {
        let path = directory.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(&path, text).unwrap();
        path
    };
    let (before, slow) = (written("before", &shop(5.0)), written("slow", &shop(60.0)));
    let report = report(&[&before, &slow]);
    assert_eq!((&report["verdict"], &report["suspects"][0]["service"]), (&json!("unchanged"), &json!("bank")));
    let (text, status) = compared(&[&before, &slow]);
    assert_eq!(status, Some(0));
    for line in ["Most suspicious: bank (", "Too few for a verdict: 10 traces before and 10 after have it"] {
        assert!(text.lines().any(|it| it.starts_with(line)), "{line} is not in {text}");
    }
    let output = run(&["diff", &before, &slow, "--report", "github"]);
    assert!(stderr(&output).contains("::warning title=Most suspicious::bank: bank charge takes 55 ms longer"));
    // A little slower is nothing to look at, nor is one slow call of few.
    let little = written("little", &shop(5.5));
    let once = shop(5.0).replacen("\"duration\":5000", "\"duration\":90000", 1);
    assert_ne!(once, shop(5.0));
    for after in [little, written("once", &once)] {
        let (text, _) = compared(&[&before, &after]);
        assert!(!text.contains("Most suspicious"), "{text}");
    }
}

#[test]
fn a_time_of_nothing_has_no_unit_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let sides = [0.0, 5.0].map(|ms| {
        let path = directory.path().join(ms.to_string()).to_str().unwrap().to_owned();
        std::fs::write(&path, captures::capture(60, |_| vec![("web", "GET /", ms, None)])).unwrap();
        path
    });
    let (text, _) = compared(&[&sides[0], &sides[1]]);
    assert!(text.contains("\nMean: 5 ms (up from 0 ms)\n"), "{text}");
}

#[test]
fn names_come_before_what_says_less() {
    let directory = tempfile::tempdir().unwrap();
    let sides = [1.0, 2.0].map(|factor| {
        let path = directory.path().join(factor.to_string()).to_str().unwrap().to_owned();
        let ms = |nth: usize| (50 + nth * 7 % 13) as f64 * factor;
        let calls = |nth: usize| vec![("checkout-service", "POST /api/v1/orders/{id}", ms(nth), None)];
        std::fs::write(&path, captures::capture(60, calls)).unwrap();
        path
    });
    let (text, _) = compared(&[&sides[0], &sides[1], "--width", "100"]);
    assert!(text.contains("\ncheckout-service POST /api/v1/orders/{id}  "), "{text}");
    assert!(text.contains("… no room for "), "{text}");
}

/// A test of the test: the closed schema refuses what it must.
#[test]
fn the_closed_schema_refuses_what_it_does_not_know() {
    let good = report(&[&fixed(), &incident()]);
    for (place, value) in [
        ("/new", json!(1)),
        ("/changes/0/new", json!(1)),
        ("/changes/0/before/new", json!(1)),
        ("/changes/0/verdict", json!("worse")),
        ("/suspects/0/evidence/0/kind", json!("x")),
        ("/before/summary/new", json!(1)),
        ("/total/shift_ms", json!("1")),
    ] {
        let mut report = good.clone();
        let (parent, key) = place.rsplit_once('/').unwrap();
        report.pointer_mut(parent).unwrap()[key] = value;
        assert!(!schema::violations(&schema::closed_diff(), &report).is_empty(), "{place}");
    }
}
