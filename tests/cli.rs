//! What can go wrong on the command line itself: flags, files written, commands suggested.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code, reason = "a test that fails says where")]

#[path = "support/binary.rs"]
mod binary;

use binary::{fixture, json, run, stderr, stdout};
use serde_json::json;

#[test]
fn names_in_hints_do_not_drive_the_terminal() {
    let output = run(&[&fixture("quirks/unicode-names.json"), "--service", "evil", "--fail-empty"]);
    let said = stderr(&output);
    assert!(said.contains("hint: ") && said.contains(r"evil\u{1b}]0;title"), "{said}");
    assert!(!said.contains('\u{1b}'), "{said}");
}

#[test]
fn a_report_does_not_replace_its_capture() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("capture.json");
    std::fs::copy(fixture("shapes/envelope.json"), &path).unwrap();
    let before = std::fs::read(&path).unwrap();
    let output = run(&[path.to_str().unwrap(), "-o", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("it is a capture that was read"), "{}", stderr(&output));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn output_that_cannot_be_written_is_named() {
    let output = run(&[&fixture("shapes/envelope.json"), "-o", "no-such-directory/report.json"]);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.starts_with("error: failed to write no-such-directory/report.json: "), "{said}");
    assert!(!said.contains(".analyze-traces-"), "{said}");
}

#[test]
fn output_to_a_dash_is_standard_output() {
    let path = fixture("shapes/envelope.json");
    assert_eq!(stdout(&[&path, "-o", "-"]), stdout(&[&path]));
}

#[cfg(unix)]
#[test]
fn a_link_to_nothing_is_written_through() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("link.json");
    std::os::unix::fs::symlink("target.json", &link).unwrap();
    stdout(&[&fixture("shapes/envelope.json"), "--json", "-o", link.to_str().unwrap()]);
    assert!(link.is_symlink() && directory.path().join("target.json").is_file());
}

#[test]
fn now_alone_means_nothing() {
    let output = run(&[&fixture("shapes/envelope.json"), "--now"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--time-range <RANGE>"), "{}", stderr(&output));
}

#[test]
fn times_may_be_copied_from_the_tables() {
    let report =
        json(&[&fixture("checkout-incident.json"), "--time-range", "2026-11-01 10:06:00.000..2026-11-01 10:08:00.000"]);
    assert_eq!(report["input"]["traces_kept"], json!(10));
}

#[test]
fn an_unknown_service_of_the_blast_radius_is_said() {
    let path = fixture("checkout-incident.json");
    let nobody = "warning: --blast-radius: there is no service nobody\n";
    assert_eq!(stderr(&run(&[&path, "--json", "--blast-radius", "nobody"])), nobody);
    // A database that only its callers name is known, whatever the filter.
    assert_eq!(stderr(&run(&[&path, "--json", "--blast-radius", "users", "--service", "gateway"])), "");
}

#[test]
fn the_filter_that_left_nothing_is_named() {
    let output = run(&[&fixture("checkout-incident.json"), "--json", "--min-duration", "1.5s", "--max-duration", "1s"]);
    let said = stderr(&output);
    assert!(said.starts_with("warning: no trace is left of 100: --max-duration 1s keeps none of 10\n"), "{said}");
}
