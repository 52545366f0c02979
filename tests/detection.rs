//! Which format a value is taken for, and what is said of values that hold no spans.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code, reason = "a test that fails says where")]

#[path = "support/binary.rs"]
mod binary;
mod detection_texts;
#[path = "support/in_process.rs"]
mod in_process;

use std::collections::BTreeSet;

use binary::{fixture, json, run, run_with_input, stderr, stdout};
use detection_texts::{ACCEPTED, REFUSED};
use serde_json::{Value, json};

fn listed() -> BTreeSet<String> {
    let list: Value = serde_json::from_str(&stdout(&["--list-formats", "--json"])).unwrap();
    list.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_text_is_taken_for_its_format() {
    let mut met = BTreeSet::new();
    for (format, text) in ACCEPTED.iter() {
        for text in [(*text).to_owned(), format!("\n  {text}\r\n"), format!("\u{feff}{text}\n{text}")] {
            let output = run_with_input(&["--json", "-"], text.as_bytes());
            assert!(output.status.success(), "{text}: {}", stderr(&output));
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(report["input"]["sources"][0]["format"], json!(format), "{text}");
            assert_eq!(report["summary"]["span_count"], json!(1), "{text}");
            met.insert((*format).to_owned());
        }
    }
    let without_text: Vec<_> = listed().into_iter().filter(|it| !met.contains(it)).collect();
    assert_eq!(without_text, [""; 0], "every format has a text");
}

#[test]
fn what_holds_no_spans_is_said_to_be_what_it_is() {
    for (text, what, hint) in REFUSED {
        for flags in [&["-"][..], &["-", "--lenient", "--json"]] {
            let output = run_with_input(flags, text.as_bytes());
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{text}: {said}");
            assert!(output.stdout.is_empty(), "{text}");
            let (error, advice) = said.split_once("\nhint: ").unwrap_or_else(|| panic!("{text}: {said}"));
            assert!(error.starts_with("error: failed to read <stdin>: ") && error.contains(what), "{text}: {said}");
            assert!(advice.contains(hint), "{text}: {said}");
        }
    }
}

#[test]
fn other_bytes_are_said_to_be_what_they_are() {
    let mut tar = b"capture.json\0".to_vec();
    tar.resize(257, 0);
    tar.extend(b"ustar\x0000");
    for (bytes, what) in [
        (&b"\xfd7zXZ\0\0"[..], "it is compressed with xz"),
        (b"\x04\x22\x4d\x18\x60", "it is compressed with lz4"),
        (b"7z\xbc\xaf\x27\x1c", "it is a 7z archive"),
        (&tar, "it is a tar archive"),
        (b"\0\0\x01\x80\n\xfd\x02\n\x2a\n\x28\n\x0cservice.name", "it is binary protobuf"),
        (b"\x89PNG\r\n\x1a\n", "not JSON"),
    ] {
        let said = stderr(&run_with_input(&["-"], bytes));
        assert!(said.contains(what) && said.contains("\nhint: "), "{bytes:?}: {said}");
    }
}

#[test]
fn an_empty_list_is_no_traces() {
    for text in ["[]", " [ ] ", r#"{"data":[]}"#] {
        let output = run_with_input(&["--json", "-"], text.as_bytes());
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["summary"]["trace_count"], json!(0), "{text}");
    }
}

#[test]
fn a_format_that_was_asked_for_is_not_doubted() {
    for (format, text) in ACCEPTED.iter() {
        let output = run_with_input(&["--json", "-", "--format", format], text.as_bytes());
        assert!(output.status.success(), "{text}: {}", stderr(&output));
    }
    let said = stderr(&run(&["--format", "nonsense", "x.json"]));
    assert!(said.contains("the formats are jaeger-es, jaeger, "), "{said}");
}

#[test]
fn the_formats_are_listed_with_how_to_export_them() {
    let list: Value = serde_json::from_str(&stdout(&["--list-formats", "--json"])).unwrap();
    let text = stdout(&["--list-formats"]);
    for entry in list.as_array().unwrap() {
        assert_eq!(entry.as_object().unwrap().len(), 3, "{entry}");
        for key in ["name", "about", "export"] {
            let words = entry[key].as_str().unwrap();
            assert!(!words.is_empty() && text.contains(words), "{words} in {text}");
        }
    }
    assert_eq!(text.lines().count(), 2 * list.as_array().unwrap().len());
    // Nothing is read for it.
    assert!(run(&["--list-formats", "no-such-file.json"]).status.success());
}

#[test]
fn refusals_hold_wherever_such_a_file_lies() {
    let directory = tempfile::tempdir().unwrap();
    for (nth, (text, ..)) in REFUSED.iter().enumerate() {
        std::fs::write(directory.path().join(format!("{nth:03}.json")), text).unwrap();
    }
    std::fs::copy(fixture("shapes/envelope.json"), directory.path().join("zzz.json")).unwrap();
    // In a directory they are passed over, but for a server's error, which means that traces are missing.
    let output = run(&["--json", directory.path().to_str().unwrap()]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("a server's error: No traces found (code 404)"), "{said}");
    for (nth, (_, what, _)) in REFUSED.iter().enumerate() {
        if what.contains("a server's error") {
            std::fs::remove_file(directory.path().join(format!("{nth:03}.json"))).unwrap();
        }
    }
    let report = json(&[directory.path().to_str().unwrap()]);
    assert_eq!(report["summary"]["trace_count"], json!(2));
}

#[test]
fn texts_cut_somewhere_are_read_without_a_panic() {
    let texts = ACCEPTED.iter().map(|it| it.1);
    for (nth, text) in texts.chain(REFUSED.iter().map(|it| it.0)).enumerate() {
        for end in (nth % 37..text.len()).step_by(37) {
            let flags = if end % 2 == 0 { &["-", "--threads", "1"][..] } else { &["-", "--threads", "1", "--lenient"] };
            if let Err(said) = in_process::analyze(flags, &text.as_bytes()[..end]) {
                assert!(said.starts_with("failed to read <stdin>"), "{said}");
            }
        }
    }
}
