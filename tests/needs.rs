//! Each pass says which attributes it reads, and others are not kept: alone it must say what it says among all.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code, reason = "a test that fails says where")]

#[path = "support/in_process.rs"]
mod in_process;

use std::path::PathBuf;

use serde_json::Value;

/// The flags of the passes.
const PASSES: [&str; 5] = ["--bottlenecks", "--critical-path", "--errors", "--dependencies", "--performance"];

/// Every capture of the repository's, in all formats.
fn captures() -> Vec<PathBuf> {
    let fixtures = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures"));
    let mut found = vec![fixtures.join("checkout-incident.json"), fixtures.join("checkout-fixed.json")];
    for folder in ["formats", "mesh", "quirks", "shapes"] {
        let entries = std::fs::read_dir(fixtures.join(folder)).unwrap();
        found.extend(entries.map(|it| it.unwrap().path()).filter(|it| it.is_file()));
    }
    found.sort();
    found
}

fn report(args: &[&str], capture: &[u8]) -> Option<serde_json::Map<String, Value>> {
    match in_process::analyze(args, capture).ok()? {
        Value::Object(report) => Some(report),
        other => panic!("a report is an object: {other}"),
    }
}

#[test]
fn a_pass_alone_says_what_it_says_among_all() {
    let mut n_compared = 0;
    for path in captures() {
        let capture = std::fs::read(&path).unwrap();
        let Some(whole) = report(&["-"], &capture) else { continue };
        for pass in PASSES {
            let alone = report(&["-", pass], &capture).unwrap_or_else(|| panic!("{} {pass}", path.display()));
            // What was read is told of each reading: how long, by which command.
            for (key, value) in alone.iter().filter(|it| !matches!(it.0.as_str(), "input" | "meta")) {
                assert_eq!(Some(value), whole.get(key), "{key} of {} {pass}", path.display());
                n_compared += 1;
            }
        }
    }
    assert!(n_compared > 300, "{n_compared} values compared");
}

#[test]
fn a_filter_has_what_it_asks_for() {
    let capture = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/checkout-incident.json")).unwrap();
    for tag in ["http.route", "http.method", "thread.id", "host.name"] {
        let kept = |args: &[&str]| report(args, &capture).unwrap()["summary"]["trace_count"].clone();
        let arguments = ["-", "--tag", tag];
        assert!(kept(&arguments).as_u64() > Some(0), "{tag}");
        assert_eq!(kept(&[&arguments[..], &["--critical-path"]].concat()), kept(&arguments), "{tag}");
    }
}
