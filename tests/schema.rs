//! Every output against the published JSON Schema, closed: no key that it does not name.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    dead_code,
    reason = "a test says what went wrong by panicking"
)]

#[path = "support/schema.rs"]
mod schema;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

const ALWAYS: [&str; 4] = ["schema_version", "tool", "input", "summary"];
const SECTIONS: [(&str, &[&str]); 5] = [
    ("--bottlenecks", &["bottlenecks", "bottlenecks_total"]),
    ("--critical-path", &["critical_paths", "critical_paths_total", "critical_path_summary"]),
    ("--errors", &["errors"]),
    ("--dependencies", &["dependencies"]),
    ("--performance", &["performance"]),
];

fn fixtures() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut files: Vec<PathBuf> = ["", "shapes", "quirks"]
        .iter()
        .flat_map(|it| std::fs::read_dir(root.join(it)).unwrap())
        .map(|it| it.unwrap().path())
        .filter(|it| it.extension().is_some_and(|it| it == "json"))
        // What SciPy and R say about samples is no capture.
        .filter(|it| !it.ends_with("fixtures/significance.json"))
        .collect();
    files.sort();
    assert!(files.len() > 40, "{} fixtures", files.len());
    files
}

/// The report; `None` where the capture is refused.
fn report(file: &Path, flags: &[&str]) -> Option<Value> {
    let output =
        Command::new(env!("CARGO_BIN_EXE_analyze-traces")).arg(file).arg("--json").args(flags).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(2) {
        assert!(output.stdout.is_empty(), "{}: a report of a capture refused", file.display());
        assert!(errors.starts_with("error: "), "{}: {errors}", file.display());
        return None;
    }
    assert!(output.status.success(), "{}: {} {errors}", file.display(), output.status);
    Some(serde_json::from_slice(&output.stdout).unwrap_or_else(|it| panic!("{}: {it}", file.display())))
}

fn keys(report: &Value) -> Vec<&str> {
    report.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn every_fixture_gives_what_the_schema_says() {
    let schema = schema::closed();
    let mut wrong = Vec::new();
    let mut refused = Vec::new();
    for file in fixtures() {
        for flags in [&[][..], &["--top", "0", "--verbose", "--examples", "0"], &["--top", "1"]] {
            let Some(report) = report(&file, flags) else {
                refused.push(file.file_name().unwrap().to_string_lossy().into_owned());
                continue;
            };
            let found = schema::violations(&schema, &report);
            wrong.extend(found.into_iter().map(|it| format!("{} {flags:?}: {it}", file.display())));
        }
    }
    wrong.truncate(40);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // A server's error in place of an answer, and nothing else.
    refused.dedup();
    assert_eq!(refused, ["nested-error-body.json"]);
}

#[test]
fn without_a_pass_flag_every_section_is_there() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/checkout-incident.json");
    let report = report(&file, &[]).unwrap();
    let mut all: Vec<&str> = ALWAYS.to_vec();
    all.extend(SECTIONS.iter().flat_map(|it| it.1));
    all.sort_unstable();
    let mut found = keys(&report);
    found.sort_unstable();
    assert_eq!(found, all);
}

#[test]
fn a_pass_flag_gives_its_section_alone() {
    let schema = schema::closed();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/checkout-incident.json");
    for (flag, sections) in SECTIONS {
        let report = report(&file, &[flag]).unwrap();
        assert_eq!(schema::violations(&schema, &report), [""; 0], "{flag}");
        let mut expected = [&ALWAYS[..], sections].concat();
        expected.sort_unstable();
        let mut found = keys(&report);
        found.sort_unstable();
        assert_eq!(found, expected, "{flag}");
    }
}

#[test]
fn the_version_of_the_schema_comes_first() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/checkout-incident.json");
    let output = Command::new(env!("CARGO_BIN_EXE_analyze-traces")).arg(file).arg("--json").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("{\"schema_version\":1,"), "{:.60}", text);
}

#[test]
fn a_capture_without_traces_has_unknown_statistics() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/quirks/empty-data.json");
    let report = report(&file, &[]).unwrap();
    assert_eq!(report["summary"]["trace_count"], 0);
    assert_eq!(report["summary"]["error_rate"], Value::Null);
    for statistic in report["summary"]["duration_stats"].as_object().unwrap().values() {
        assert_eq!(*statistic, Value::Null);
    }
}

/// A test of the test: the closed schema refuses what it must.
#[test]
fn the_closed_schema_refuses_what_it_does_not_know() {
    let schema = schema::closed();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/checkout-incident.json");
    let good = report(&file, &["--performance"]).unwrap();
    assert_eq!(schema::violations(&schema, &good), [""; 0]);
    let spoilt: [(&str, Value); 7] = [
        ("/new", json!(1)),
        ("/summary/new", json!(1)),
        ("/performance/operations/0/self/new", json!(1)),
        ("/performance/operations/0/p95_ms", json!("1")),
        ("/summary/error_rate", json!(101)),
        ("/summary/time_range/start", json!("2026-01-01 00:00:00")),
        ("/critical_paths", json!([])),
    ];
    for (place, value) in spoilt {
        let mut report = good.clone();
        let (parent, key) = place.rsplit_once('/').unwrap();
        report.pointer_mut(parent).unwrap()[key] = value;
        assert!(!schema::violations(&schema, &report).is_empty(), "{place}");
    }
    let mut report = good;
    report["summary"].as_object_mut().unwrap().remove("services");
    assert!(!schema::violations(&schema, &report).is_empty());
}

/// New keys may come; whoever validates with the published file is not broken by them.
#[test]
fn the_published_schema_is_open() {
    let schema = jsonschema::validator_for(&schema::published()).unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/checkout-incident.json");
    let mut report = report(&file, &["--performance"]).unwrap();
    report["summary"]["new"] = json!(1);
    assert!(schema.is_valid(&report));
}
