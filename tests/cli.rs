//! What can go wrong on the command line itself: flags, files written, commands suggested.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code, reason = "a test that fails says where")]

#[path = "support/binary.rs"]
mod binary;

use binary::{fixture, json, run, run_with_input, stderr, stdout};
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

/// The command that a report suggests, as words.
fn next_command(report: &str) -> Vec<String> {
    let line = report.lines().find_map(|it| it.strip_prefix("next: ")).unwrap();
    let script = format!("printf '%s\\n' {line}");
    let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().skip(1).map(str::to_owned).collect()
}

#[cfg(unix)]
#[test]
fn the_next_command_works_and_is_about_the_same_traces() {
    let incident = fixture("checkout-incident.json");
    let text = std::fs::read(&incident).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let cut = directory.path().join("it's cut.json");
    std::fs::write(&cut, &text[..text.len() / 2]).unwrap();
    let cut = cut.to_str().unwrap();
    for args in [
        &[cut, "--lenient"][..],
        &[&incident, "--time-range", "5m", "--now=2026-11-01 10:10", "--skew-correction", "--overlap-tolerance", "2.5"],
        &[&incident, "--format", "jaeger", "--errors-only"],
        &[&incident, "--root", r"gateway:POST /checkout", "--errors-only", "--async-children", "ignore"],
    ] {
        let first = json(args);
        let command = next_command(&stdout(args));
        assert_eq!(command.contains(&"--format".to_owned()), args.contains(&"--format"), "{command:?}");
        let again = json(&command.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(again["input"]["traces_kept"], first["input"]["traces_kept"], "{command:?}");
        assert!(again["input"]["traces_kept"] != json!(0));
    }
}

#[test]
fn the_next_command_reads_standard_input_again() {
    let bytes = std::fs::read(fixture("shapes/envelope.json")).unwrap();
    let output = run_with_input(&["-"], &bytes);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("\nnext: COMMAND | analyze-traces - --service "), "{said}");
}

#[test]
fn names_that_look_like_flags_are_none_in_the_next_command() {
    let capture =
        std::fs::read_to_string(fixture("shapes/envelope.json")).unwrap().replace("\"GET /cart\"", "\"-x y\"");
    let output = run_with_input(&["-"], capture.as_bytes());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains(" '--operation=-x y' "), "{said}");
}

#[test]
fn a_directory_that_is_not_there_is_said() {
    for command in [&[][..], &["export"]] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("nodir/x.json");
        let path = path.to_str().unwrap();
        let output = run(&[command, &[&fixture("shapes/envelope.json"), "-o", path]].concat());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2));
        let nodir = path.strip_suffix("/x.json").unwrap();
        let expected = format!("error: failed to write {path}: there is no directory {nodir}\n\nhint: make it first");
        assert!(said.starts_with(&expected), "{said}");
    }
}

#[test]
fn a_trace_id_may_have_white_space_around_it() {
    let path = fixture("checkout-incident.json");
    let id = json(&[&path])["critical_paths"][0]["trace_id"].as_str().unwrap().to_owned();
    assert_eq!(json(&[&path, "--trace-id", &format!(" {id}\n")])["input"]["traces_kept"], json!(1));
}

#[test]
fn an_unknown_root_gets_the_near_names() {
    let hint = |root: &str| {
        let said = stderr(&run(&[&fixture("checkout-incident.json"), "--json", "--root", root]));
        said.lines().find_map(|it| it.strip_prefix("hint: ").map(str::to_owned)).unwrap()
    };
    assert_eq!(hint("gatewy"), "no service is called 'gatewy'; there is gateway");
    assert_eq!(hint("gatewy:POST /checkout"), "no service is called 'gatewy'; there is gateway");
    assert_eq!(hint("gateway:POST /chekout"), "no operation is called 'POST /chekout'; there is POST /checkout");
}
