//! What wraps a capture, told by its bytes: every variant gives the report of the plain file.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code, reason = "a test that fails says where")]

#[path = "support/binary.rs"]
mod binary;

use std::io::Write;
use std::process::Output;

use binary::{fixture, json, run, run_with_input, stderr};
use serde_json::{Value, json};

/// Some traces of the incident: more than is looked at to tell what they are.
const N_TRACES: usize = 20;

fn capture() -> Vec<u8> {
    json!({"data": incident()}).to_string().into_bytes()
}

fn incident() -> Vec<Value> {
    let text = std::fs::read(fixture("checkout-incident.json")).unwrap();
    let capture: Value = serde_json::from_slice(&text).unwrap();
    capture["data"].as_array().unwrap()[..N_TRACES].to_vec()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn skippable(content: &[u8]) -> Vec<u8> {
    [b"\x53\x2a\x4d\x18", &(content.len() as u32).to_le_bytes()[..], content].concat()
}

fn prefixed(messages: &[Vec<u8>]) -> Vec<u8> {
    let frames = messages.iter().map(|it| zstd(it));
    frames.flat_map(|it| [&(it.len() as u32).to_be_bytes()[..], &it].concat()).collect()
}

fn utf16(text: &[u8], of_unit: fn(u16) -> [u8; 2], mark: &str) -> Vec<u8> {
    let text = format!("{mark}{}", std::str::from_utf8(text).unwrap());
    text.encode_utf16().flat_map(of_unit).collect()
}

/// The capture's traces, each a line's worth.
fn traces() -> Vec<Vec<u8>> {
    incident().iter().map(|it| it.to_string().into_bytes()).collect()
}

/// A file with these bytes, and a run on it.
fn run_on(name: &str, bytes: &[u8], flags: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    run(&[&[path.to_str().unwrap()], flags].concat())
}

fn report(output: &Output) -> Value {
    assert!(output.status.success(), "{}", stderr(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// All that the analysis says, without what is about the file.
fn analysis(mut report: Value) -> Value {
    report.as_object_mut().unwrap().remove("input");
    report
}

#[test]
fn every_wrapping_gives_the_report_of_the_plain_file() {
    let text = capture();
    let half = text.len() / 2;
    assert!(text.len() > 100_000, "{}", text.len());
    let plain = analysis(report(&run_on("x", &text, &["--json"])));
    let crlf = String::from_utf8(traces().join(&b"\r\n"[..])).unwrap() + "\r\n";
    let with_mark = [b"\xef\xbb\xbf", &text[..]].concat();
    for (what, bytes) in [
        ("gzip", gzip(&text)),
        ("members of gzip, cut anywhere", [gzip(&text[..half]), gzip(&text[half..])].concat()),
        ("an empty member", [gzip(b""), gzip(&text), gzip(b"")].concat()),
        ("gzip padded with zeros", [gzip(&text), vec![0; 1_000]].concat()),
        ("padding between members", [gzip(&text[..half]), vec![0; 512], gzip(&text[half..])].concat()),
        ("a member for every line", traces().iter().flat_map(|it| gzip(&[&it[..], b"\n"].concat())).collect()),
        ("zstd", zstd(&text)),
        ("frames of zstd", [zstd(&text[..half]), zstd(&text[half..])].concat()),
        ("a skippable frame first", [skippable(b"seek"), zstd(&text)].concat()),
        ("skippable frames between", [zstd(&text[..half]), skippable(&[7; 300_000]), zstd(&text[half..])].concat()),
        ("frames behind their lengths", prefixed(&traces())),
        ("one frame behind its length", prefixed(std::slice::from_ref(&text))),
        ("a byte order mark", with_mark.clone()),
        ("gzip of a byte order mark", gzip(&with_mark)),
        ("UTF-16, little endian", utf16(&text, u16::to_le_bytes, "\u{feff}")),
        ("UTF-16, big endian", utf16(&text, u16::to_be_bytes, "\u{feff}")),
        ("UTF-16 without a mark", utf16(&text, u16::to_le_bytes, "")),
        ("big-endian UTF-16 without a mark", utf16(&text, u16::to_be_bytes, "")),
        ("lines that end in CR LF", crlf.clone().into_bytes()),
        ("UTF-16 lines that end in CR LF", utf16(crlf.as_bytes(), u16::to_le_bytes, "\u{feff}")),
        ("gzip in gzip", gzip(&gzip(&text))),
        ("gzip in zstd in gzip", gzip(&zstd(&gzip(&text)))),
        ("zstd of UTF-16", zstd(&utf16(&text, u16::to_le_bytes, "\u{feff}"))),
    ] {
        let found = report(&run_with_input(&["--json", "-", "--threads", "3"], &bytes));
        assert_eq!(analysis(found), plain, "{what}");
    }
}

#[test]
fn the_name_says_nothing() {
    let text = std::fs::read(fixture("shapes/envelope.json")).unwrap();
    let plain = analysis(json(&[&fixture("shapes/envelope.json")]));
    for bytes in [text.clone(), gzip(&text), zstd(&text), utf16(&text, u16::to_le_bytes, "\u{feff}")] {
        for name in ["capture", "capture.json", "capture.gz", "capture.zst", "capture.zip"] {
            for threads in ["1", "3"] {
                let found = report(&run_on(name, &bytes, &["--json", "--threads", threads]));
                assert_eq!(analysis(found), plain, "{name}");
            }
        }
    }
}

#[test]
fn sources_count_the_bytes_of_the_text() {
    let text = capture();
    let n_bytes = |bytes: &[u8]| report(&run_on("x", bytes, &["--json"]))["input"]["sources"][0]["bytes"].clone();
    assert_eq!(n_bytes(&text), json!(text.len()));
    assert_eq!(n_bytes(&gzip(&text)), json!(text.len()));
    assert_eq!(n_bytes(&zstd(&gzip(&text))), json!(text.len()));
    assert_eq!(n_bytes(&utf16(&text, u16::to_le_bytes, "\u{feff}")), json!(text.len()));
}

#[test]
fn a_second_look_starts_again() {
    let expected = report(&run_on("x", &capture(), &["--json", "--time-range", "1m"]));
    assert!(expected["input"]["traces_kept"].as_u64().unwrap() < N_TRACES as u64);
    for bytes in [gzip(&capture()), zstd(&capture()), prefixed(&traces())] {
        let file = report(&run_on("x", &bytes, &["--json", "--time-range", "1m"]));
        assert_eq!(file["input"]["traces_kept"], expected["input"]["traces_kept"]);
        let piped = report(&run_with_input(&["--json", "-", "--time-range", "1m"], &bytes));
        assert_eq!(piped["input"]["traces_kept"], expected["input"]["traces_kept"]);
    }
}

#[test]
fn text_beyond_one_block_comes_in_order() {
    // Larger than what is handed over at once, with traces across the seams.
    let trace = |nth: usize| {
        format!(
            r#"{{"traceID":"{:x}","spans":[{{"traceID":"{:x}","spanID":"a","operationName":"{}","startTime":1793527200000000,"duration":{nth},"processID":"p"}}],"processes":{{"p":{{"serviceName":"s"}}}}}}"#,
            nth + 1,
            nth + 1,
            "x".repeat(nth * 7919 % 5_000),
        )
    };
    let text = (0..1_200).map(trace).collect::<Vec<_>>().join("\n").into_bytes();
    assert!(text.len() > 3_000_000, "{}", text.len());
    let plain = analysis(report(&run_on("x", &text, &["--json"])));
    assert_eq!(plain["summary"]["trace_count"], json!(1_200));
    for bytes in [gzip(&text), zstd(&text), utf16(&text, u16::to_be_bytes, "\u{feff}")] {
        assert_eq!(analysis(report(&run_on("x", &bytes, &["--json"]))), plain);
    }
}

/// Where an error says the text ends.
fn end_in(said: &str) -> usize {
    let (_, behind) = said.split_once("data ends early at byte ").unwrap_or_else(|| panic!("{said}"));
    behind.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_cut_source_is_an_error_with_its_place_in_the_text() {
    let text = capture();
    for (what, bytes) in [
        ("gzip", gzip(&text)),
        ("zstd", [zstd(&text[..50_000]), zstd(&text[50_000..])].concat()),
        ("zstd", prefixed(&traces())),
    ] {
        for threads in ["1", "3"] {
            let cut = &bytes[..bytes.len() * 9 / 10];
            let output = run_on("x.json", cut, &["--threads", threads]);
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(said.contains(&format!("x.json as jaeger: the {what} data ends early at byte ")), "{said}");
            assert!(said.contains(" of the decompressed text (line "), "{said}");
            assert!(said.contains("looks cut off") && said.contains("--lenient"), "{said}");
            let end = end_in(&said);
            assert!(end > 50_000 && end < text.len(), "{end} of {}", text.len());
        }
    }
}

#[test]
fn lenient_reports_what_came_before_a_cut() {
    let text = capture();
    for bytes in [gzip(&text), [zstd(&text[..50_000]), zstd(&text[50_000..])].concat(), prefixed(&traces())] {
        let cut = &bytes[..bytes.len() * 9 / 10];
        let output = run_on("x.gz", cut, &["--json", "--lenient"]);
        let report = report(&output);
        let n_traces = report["input"]["traces_read"].as_u64().unwrap();
        assert!((4..N_TRACES as u64).contains(&n_traces), "{n_traces}");
        assert_eq!(report["input"]["complete"], json!(false));
        let reasons = report["input"]["incomplete_reasons"].as_array().unwrap();
        assert_eq!(reasons.len(), 1, "one cut, one loss: {reasons:?}");
        let reason = reasons[0].as_str().unwrap();
        assert!(reason.contains("could not be read: the ") && reason.contains(" data ends early behind "), "{reason}");
        assert_eq!(report["input"]["skipped"][0]["reason"], json!("a broken piece of the file"));
        assert_eq!(report["input"]["skipped"][0]["count"], json!(1));
        assert!(stderr(&output).starts_with("warning: "), "{}", stderr(&output));
    }
}

#[test]
fn every_cut_of_a_small_file_is_said() {
    let text = std::fs::read(fixture("shapes/lines-traces.json")).unwrap();
    let lines: Vec<Vec<u8>> = text.split(|it| *it == b'\n').filter(|it| !it.is_empty()).map(<[u8]>::to_vec).collect();
    for bytes in [gzip(&text), zstd(&text), prefixed(&lines)] {
        let first = 4 + u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
        for end in (5..bytes.len()).step_by(23) {
            // Between two messages nothing is missing that anybody could know of.
            if end == first || end < 8 && bytes[4..].starts_with(b"\x28\xb5") {
                continue;
            }
            let output = run_with_input(&["--json", "-"], &bytes[..end]);
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "cut at {end}: {said}");
            assert!(said.contains(" data ends early "), "cut at {end}: {said}");
        }
    }
}

#[test]
fn a_fault_in_the_text_is_found_before_the_cut_behind_it() {
    let text = String::from_utf8(capture()).unwrap();
    let broken = text.replacen("\"duration\":", "\"duration\" ", 1).into_bytes();
    let at = text.find("\"duration\":").unwrap() + "\"duration\" ".len();
    let bytes = gzip(&broken);
    for bytes in [&bytes[..], &bytes[..bytes.len() / 2]] {
        let said = stderr(&run_on("x", bytes, &[]));
        assert!(said.contains(&format!("expected `:` at byte {at} of the decompressed text (line 1, ")), "{said}");
    }
    let utf16 = utf16(&broken, u16::to_le_bytes, "\u{feff}");
    let said = stderr(&run_on("x", &utf16, &[]));
    assert!(said.contains(&format!("expected `:` at byte {at} of the text in UTF-8 (line 1, ")), "{said}");
}

#[test]
fn damage_is_an_error_and_with_lenient_a_loss() {
    let text = capture();
    // A checksum that does not fit is noticed at the end, when all has been read.
    let mut wrong_sum = gzip(&text);
    let at = wrong_sum.len() - 6;
    wrong_sum[at] ^= 0xff;
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(&text).unwrap();
    let mut wrong_zstd_sum = encoder.finish().unwrap();
    *wrong_zstd_sum.last_mut().unwrap() ^= 0xff;
    for (bytes, words) in [
        (wrong_sum, "the gzip data is damaged (corrupt"),
        ([gzip(&text), b"more".to_vec()].concat(), "the gzip data is damaged (something else follows it)"),
        ([zstd(&text), b"more".to_vec()].concat(), "the zstd data is damaged ("),
        (wrong_zstd_sum, "the zstd data is damaged ("),
    ] {
        let output = run_on("x", &bytes, &[]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(words) && said.contains(" of the decompressed text (line "), "{said}");
        let report = report(&run_on("x", &bytes, &["--json", "--lenient"]));
        assert_eq!(report["input"]["complete"], json!(false));
        assert!(report["input"]["incomplete_reasons"][0].as_str().unwrap().contains(words));
    }
}

#[test]
fn a_frame_longer_than_its_length_is_damage() {
    let mut bytes = prefixed(&traces());
    let length = u32::from_be_bytes(bytes[..4].try_into().unwrap());
    bytes[..4].copy_from_slice(&(length - 5).to_be_bytes());
    let said = stderr(&run_on("x", &bytes, &[]));
    assert!(said.contains("the zstd data is damaged (a frame is longer than its length)"), "{said}");
}

#[test]
fn a_bomb_is_stopped() {
    // Blanks behind a bracket, a thousandth of that compressed; then the same behind a good trace.
    let blanks = vec![b' '; 8 << 20];
    let trace = traces().remove(0);
    for text in [[b"[]", &blanks[..]].concat(), [&trace[..], &blanks].concat()] {
        for bytes in [gzip(&text), zstd(&text), prefixed(std::slice::from_ref(&text)), gzip(&zstd(&text))] {
            for flags in [&["--max-decompressed", "2M"][..], &["--max-decompressed", "2M", "--lenient"]] {
                let output = run_on("bomb.json", &bytes, flags);
                let said = stderr(&output);
                assert_eq!(output.status.code(), Some(2), "{said}");
                assert!(said.contains("bomb.json: it decompresses to more than 2097152 bytes"), "{said}");
                assert!(said.contains("hint: if it is no mistake, allow more: --max-decompressed SIZE"), "{said}");
            }
        }
    }
    // What fits exactly is read.
    let text = capture();
    let size = text.len().to_string();
    assert!(run_on("x", &gzip(&text), &["--max-decompressed", &size]).status.success());
    let less = (text.len() - 1).to_string();
    assert!(!run_on("x", &gzip(&text), &["--max-decompressed", &less]).status.success());
    // What is not compressed is as large as it is.
    assert!(run_on("x", &text, &["--max-decompressed", "1K"]).status.success());
}

#[test]
fn what_does_not_end_is_not_waited_for() {
    // The fault is in the first block; standard input stays open behind it.
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_analyze-traces"))
        .arg("-")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut text = br#"[{"traceID" 1}]"#.to_vec();
    text.resize(8 << 20, b' ');
    let members = [gzip(&text), gzip(&text)].concat();
    // It may be gone before all is written.
    let _ = stdin.write_all(&members);
    assert_eq!(child.wait().unwrap().code(), Some(2));
    drop(stdin);
}

#[test]
fn too_many_wrappings_are_refused() {
    let bytes = gzip(&gzip(&gzip(&gzip(&capture()))));
    let said = stderr(&run_on("x", &bytes, &[]));
    assert!(said.contains("compressed more than 3 times"), "{said}");
}

#[test]
fn wrapped_things_that_are_no_captures_are_said_to_be_what_they_are() {
    let said = stderr(&run_on("x.json", &gzip(b"<!DOCTYPE html>"), &[]));
    assert!(said.contains("x.json: it is a web page (HTML), not JSON"), "{said}");
    assert!(stderr(&run_on("x", &gzip(b""), &[])).contains("it is empty"));
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a.json"), gzip(&capture())).unwrap();
    std::fs::write(directory.path().join("log.gz"), gzip(b"2026-11-01 started\n")).unwrap();
    std::fs::write(directory.path().join("empty.zst"), &zstd(b"")[..5]).unwrap();
    let report = json(&[directory.path().to_str().unwrap()]);
    assert_eq!(report["summary"]["trace_count"], json!(N_TRACES));
    assert_eq!(report["input"]["skipped"][0]["reason"], json!("a file without traces"));
    assert_eq!(report["input"]["skipped"][0]["count"], json!(2));
}
