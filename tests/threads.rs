//! The same traces give the same bytes, whatever the threads and the order of files.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code, reason = "a test that fails says where")]

#[path = "support/binary.rs"]
mod binary;
#[path = "../benches/throughput/generate.rs"]
mod generate;

use binary::{fixture, run, stdout};

#[test]
fn the_bytes_are_the_same_from_any_number_of_threads() {
    // Several chunks, so that threads have something to share.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("capture.json");
    let mut bytes = Vec::new();
    generate::write_capture(&mut bytes, 12_000_000, 7).unwrap();
    std::fs::write(&path, bytes).unwrap();
    let path = path.to_str().unwrap();
    for flags in [&["--json"][..], &["--json", "--top", "0", "--time-range", "30s"], &["--errors-only"]] {
        let alone = stdout(&[&[path, "--threads", "1"], flags].concat());
        for threads in ["2", "7", "16"] {
            assert!(stdout(&[&[path, "--threads", threads], flags].concat()) == alone, "{threads} threads, {flags:?}");
        }
    }
}

#[test]
fn the_order_of_files_cannot_be_seen() {
    let names = ["checkout-incident.json", "checkout-fixed.json", "shapes/pretty.json", "quirks/several-roots.json"];
    let paths = names.map(fixture);
    let forwards: Vec<&str> = paths.iter().map(String::as_str).collect();
    let backwards: Vec<&str> = forwards.iter().rev().copied().collect();
    let whole = stdout(&[&["--json"], &forwards[..]].concat());
    assert_eq!(stdout(&[&["--json"], &backwards[..]].concat()), whole);
    assert_eq!(stdout(&[&["--json", "--threads", "5"], &backwards[..]].concat()), whole);
}

#[test]
fn the_first_fault_is_reported_whatever_the_threads() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broken.json");
    let mut bytes = Vec::new();
    generate::write_capture(&mut bytes, 8_000_000, 3).unwrap();
    // Two faults, megabytes apart: the second is met first by another thread now and then.
    for at in [3_000_000, 5_000_000] {
        let colon = at + bytes[at..].windows(2).position(|it| it == b"\":").unwrap();
        bytes[colon + 1] = b';';
    }
    std::fs::write(&path, bytes).unwrap();
    let path = path.to_str().unwrap();
    let alone = run(&[path, "--threads", "1"]);
    assert_eq!(alone.status.code(), Some(2));
    for threads in ["2", "3", "8"] {
        for _ in 0..5 {
            assert_eq!(run(&[path, "--threads", threads]), alone, "{threads} threads");
        }
    }
}

#[test]
fn the_first_place_is_the_example_whichever_trace_comes_first_by_its_id() {
    let directory = tempfile::tempdir().unwrap();
    let paths: Vec<String> = [("a.jsonl", "f"), ("b.jsonl", "1")]
        .map(|(name, digit)| {
            let span = format!(
                r#"{{"traceId":"{0}","spanId":"{1}","name":"o","startTimeUnixNano":"600000000000000000","endTimeUnixNano":"600000000000000009"}}"#,
                digit.repeat(32),
                digit.repeat(16),
            );
            let path = directory.path().join(name);
            std::fs::write(&path, format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span}]}}]}}]}}"#)).unwrap();
            path.to_str().unwrap().to_owned()
        })
        .into();
    for threads in ["1", "2"] {
        let report = stdout(&["--json", "--threads", threads, &paths[0], &paths[1]]);
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        let skipped = &report["input"]["skipped"][0];
        assert_eq!(skipped["count"], 2);
        assert!(skipped["example"].as_str().unwrap().contains("a.jsonl"), "{threads} threads: {skipped}");
    }
}

#[test]
fn the_errors_of_a_span_are_told_alike_in_whatever_order_they_come() {
    let directory = tempfile::tempdir().unwrap();
    let capture = std::fs::read_to_string(fixture("formats/elastic-apm-intake.json")).unwrap();
    let error = capture.lines().find(|it| it.starts_with(r#"{"error""#)).unwrap();
    let other = error.replace("bank answered", "a clerk answered").replace("e000000000000003", "e000000000000004");
    // Reports of the failing span, equal and not, in any order as well.
    let span = capture.lines().find(|it| it.contains(r#""id":"1000000000000003""#) && *it != error).unwrap();
    let longer = span.replacen(r#""context":{"#, r#""context":{"tags":{"x":"y"},"#, 1);
    assert_ne!(longer, span);
    let reports =
        [[error, &other, span, &longer], [&longer, &other, span, error], [span, &longer, error, &other]].map(|lines| {
            let path = directory.path().join("capture.json");
            std::fs::write(&path, capture.replace(error, &lines.join("\n"))).unwrap();
            stdout(&["--json", path.to_str().unwrap()])
        });
    assert!(reports[0].contains("a clerk answered"));
    assert_eq!(reports[0], reports[1]);
    assert_eq!(reports[0], reports[2]);
}

/// A capture made larger than what one thread takes at once.
fn capture(seed: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    generate::write_capture(&mut bytes, 3_200_000, seed).unwrap();
    bytes
}

fn alike_from_all_threads(name: &str, bytes: &[u8], code: i32) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("capture.json");
    std::fs::write(&path, bytes).unwrap();
    let path = path.to_str().unwrap();
    for flags in [&["--json"][..], &["--json", "--max-trace-bytes", "100KiB"], &["--json", "--lenient"]] {
        let alone = run(&[&[path, "--threads", "1"], flags].concat());
        if flags.len() == 1 {
            assert_eq!(alone.status.code(), Some(code), "{name}: {}", String::from_utf8_lossy(&alone.stderr));
        }
        let together = run(&[&[path, "--threads", "3"], flags].concat());
        assert!(
            together == alone,
            "{name}, {flags:?}: {} instead of {}",
            String::from_utf8_lossy(&together.stderr),
            String::from_utf8_lossy(&alone.stderr)
        );
    }
}

#[test]
fn what_looks_like_a_trace_inside_of_one_is_none() {
    let text = String::from_utf8(capture(11)).unwrap();
    // Sound JSON in which traces seem to begin where none does.
    let inside = r#"],"related":[{"a":1},{"traceID":"ff","spans":[{"traceID":"ff","spanID":"1"}]}],"processes":{"#;
    let nested = text.replace(r#"],"processes":{"#, inside);
    assert!(nested.len() > text.len());
    alike_from_all_threads("nested", nested.as_bytes(), 0);
    let several = format!("{text}\n{text}{{\"data\":[]}}\n");
    alike_from_all_threads("several documents", several.as_bytes(), 0);
    let without_spans = text.replacen(r#"{"data":["#, r#"{"data":[{"traceID":"ee","spans":null},"#, 1);
    alike_from_all_threads("a trace without spans", without_spans.as_bytes(), 0);
}

#[test]
fn places_of_traces_that_were_held_back_are_the_same() {
    // Copies that differ, of times that are none.
    let text = String::from_utf8(capture(16)).unwrap().replace(r#""startTime":179"#, r#""startTime":17"#);
    let end = text.rfind(']').unwrap();
    let behind = text[text.find('[').unwrap() + 1..end].replace(r#""GET""#, r#""PUT""#);
    let both = format!("{},\n{behind}{}", &text[..end], &text[end..]);
    alike_from_all_threads("held back", both.as_bytes(), 0);
}

#[test]
fn one_trace_of_many_megabytes_among_others_is_read() {
    let (small, mut huge) = (String::from_utf8(capture(12)).unwrap(), Vec::new());
    generate::write_one_huge_trace(&mut huge, 4_000).unwrap();
    let huge = String::from_utf8(huge).unwrap();
    let items = |text: &str| {
        let end = text.rfind("]").unwrap();
        text[text.find('[').unwrap() + 1..end].to_owned()
    };
    let all = format!(
        r#"{{"data":[{},{},{}]}}"#,
        items(&small),
        items(&huge),
        items(&String::from_utf8(capture(13)).unwrap())
    );
    alike_from_all_threads("huge", all.as_bytes(), 0);
    let cut = &all[..items(&small).len() + items(&huge).len() / 2];
    alike_from_all_threads("cut inside of the huge one", cut.as_bytes(), 2);
}

#[test]
fn faults_are_reported_alike_wherever_they_stand() {
    let whole = capture(14);
    for at in [1_500_000, whole.len() - 300_000] {
        let mut bytes = whole.clone();
        bytes[at] = 0xff;
        alike_from_all_threads("no UTF-8", &bytes, 2);
        bytes[at] = 0;
        alike_from_all_threads("a control character", &bytes, 2);
        alike_from_all_threads("cut", &whole[..at], 2);
    }
}

#[test]
fn of_faults_in_several_formats_the_first_is_reported() {
    let fixture = |name: &str| std::fs::read_to_string(format!("fixtures/formats/{name}")).unwrap();
    // The one is found where the value is parsed, the other where it is cut out.
    let first = fixture("otel-console-go.json").replacen(r#""Code":"Unset""#, r#""Code":2026-11"#, 1);
    let second = fixture("elastic-apm-dump.json").replacen(r#""span":{"id":""#, r#""span":{"id{"a":":"}"#, 1);
    alike_from_all_threads("two formats", format!("{first}{second}").as_bytes(), 2);
}
