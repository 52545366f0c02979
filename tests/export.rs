//! Traces written in another form: read again they are the same traces.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    dead_code,
    reason = "a test says what went wrong by panicking"
)]

#[path = "support/binary.rs"]
mod binary;
#[path = "../benches/throughput/generate.rs"]
mod generate;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use binary::{fixture, json, run, run_with_input, stderr, stdout};
use serde_json::{Value, json};

const TARGETS: [&str; 5] = ["jaeger", "otlp", "zipkin", "spans", "csv"];

/// Captures of which a target loses what the analysis shows, and why.
const LOSSES: &[(&str, &[(&str, &str)])] = &[
    ("jaeger", &[]),
    ("spans", &[]),
    (
        "otlp",
        &[
            ("quirks/opaque-ids.json", "ids are hashed"),
            ("quirks/duplicate-ids-different.json", "ids are hashed"),
            ("quirks/int64-as-text.json", "ids are padded"),
            ("quirks/short-ids.json", "ids are padded"),
        ],
    ),
    (
        "zipkin",
        &[
            ("quirks/opaque-ids.json", "ids are hashed"),
            ("quirks/duplicate-ids-different.json", "ids are hashed"),
            ("quirks/int64-as-text.json", "ids are padded"),
            ("quirks/short-ids.json", "ids are padded"),
            ("quirks/follows-from-only.json", "parents that do not wait"),
            ("shapes/", "parents that do not wait"),
            ("quirks/zero-duration.json", "0 µs is unknown there"),
            ("quirks/self-parent.json", "a span that is its own parent is a root there"),
        ],
    ),
];

/// Whether this build reads a format: `--format` says which there are.
fn reads(format: &str) -> bool {
    let output = run(&["--format", "no such format", "x"]);
    let said = stderr(&output).replace([',', '\n'], " ");
    said.split_once("the formats are").unwrap().1.split(' ').any(|it| it == format)
}

fn fixtures() -> Vec<String> {
    let mut names = vec!["checkout-incident.json".to_owned()];
    for directory in ["shapes", "quirks"] {
        for entry in std::fs::read_dir(fixture(directory)).unwrap() {
            names.push(format!("{directory}/{}", entry.unwrap().file_name().into_string().unwrap()));
        }
    }
    // What a server refused is no capture.
    names.retain(|it| it != "quirks/nested-error-body.json");
    names.sort();
    assert!(names.len() > 40);
    names
}

/// The captures of a real program, unpacked; none where they are not to be had.
fn hotrod(directory: &Path) -> Vec<String> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/hotrod");
    let captures = std::env::var_os("ANALYZE_TRACES_HOTROD").map_or_else(beside, PathBuf::from);
    if !captures.is_dir() {
        println!("SKIPPED: there is no {} (ANALYZE_TRACES_HOTROD says where it is)", captures.display());
        return Vec::new();
    }
    let unpack = |name: &str| {
        let packed = std::fs::read(captures.join(format!("{name}.jaeger.json.gz"))).unwrap();
        let path = directory.join(format!("{name}.json"));
        std::fs::write(&path, gunzip(&packed)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    ["jaeger-2.13", "jaeger-1.42"].map(unpack).to_vec()
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut text).unwrap();
    text
}

/// The analysis, all of it, without what is said of the input.
fn analysis(mut report: Value) -> Value {
    report.as_object_mut().unwrap().remove("input");
    report
}

fn analysis_again(target: &str, written: &[u8]) -> Value {
    let output = run_with_input(&["-", "--format", target, "--json", "--top", "0"], written);
    assert!(output.status.success(), "{target}: {}", stderr(&output));
    analysis(serde_json::from_slice(&output.stdout).unwrap())
}

/// Exports captures, reads them again and compares the analysis.
fn round_trip(target: &str, differs: impl Fn(&str, &mut Value)) {
    if !reads(target) {
        println!("SKIPPED: {target} is not read by this build");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let losses = LOSSES.iter().find(|it| it.0 == target).unwrap().1;
    let mut captures: Vec<(String, String)> = fixtures().into_iter().map(|it| (fixture(&it), it)).collect();
    captures.extend(hotrod(directory.path()).into_iter().map(|it| (it, "hotrod".to_owned())));
    for (path, name) in captures {
        if losses.iter().any(|(prefix, _)| name.starts_with(prefix)) {
            continue;
        }
        let mut expected = analysis(json(&[&path, "--top", "0"]));
        let written = stdout(&["export", &path, "--to", target]);
        if written.is_empty() {
            // A format of lines has nothing to say of no traces.
            assert_eq!(expected["summary"]["trace_count"], json!(0), "{name}");
            continue;
        }
        let mut found = analysis_again(target, written.as_bytes());
        differs(&name, &mut expected);
        differs(&name, &mut found);
        for (key, section) in expected.as_object().unwrap() {
            assert!(found[key] == *section, "{name} as {target}: {key}\n{}\n{section}", found[key]);
        }
    }
}

#[test]
fn jaeger_is_read_again_as_the_same() {
    round_trip("jaeger", |_, _| {});
}

#[test]
fn spans_are_read_again_as_the_same() {
    round_trip("spans", |_, _| {});
}

#[test]
fn otlp_is_read_again_as_the_same() {
    round_trip("otlp", |_, _| {});
}

#[test]
fn zipkin_is_read_again_as_the_same() {
    round_trip("zipkin", |_, report| {
        // Calls are found by Zipkin's own rules, and there is no kind for work inside a service.
        report.as_object_mut().unwrap().remove("dependencies");
        forget(report, "kind");
    });
}

fn forget(value: &mut Value, key: &str) {
    match value {
        Value::Object(members) => {
            members.remove(key);
            members.values_mut().for_each(|it| forget(it, key));
        }
        Value::Array(items) => items.iter_mut().for_each(|it| forget(it, key)),
        _ => {}
    }
}

#[test]
fn an_export_of_no_traces_is_read_again() {
    let directory = tempfile::tempdir().unwrap();
    for target in ["otlp", "spans"] {
        for ending in ["jsonl", "JSONL", "ndjson.gz", "jsonl.zst"] {
            let path = directory.path().join(format!("none.{target}.{ending}"));
            let path = path.to_str().unwrap();
            stdout(&["export", &fixture("quirks/empty-data.json"), "--to", target, "-o", path]);
            let input = &json(&[path])["input"];
            assert_eq!((&input["traces_read"], &input["complete"]), (&json!(0), &json!(true)), "{path}");
            assert_eq!(input["sources"][0]["format"], "no lines");
            assert_eq!(run(&[path, "--fail-empty"]).status.code(), Some(2));
        }
    }
    // What is empty and no file of lines is a download that failed, more often than not.
    let path = directory.path().join("traces.json");
    std::fs::write(&path, "").unwrap();
    let said = stderr(&run(&[path.to_str().unwrap()]));
    assert!(said.contains("it is empty") && said.contains("hint: save traces with"), "{said}");
}

#[test]
fn what_is_exported_once_more_is_the_same_bytes() {
    for name in fixtures() {
        for target in ["jaeger", "spans"] {
            let once = stdout(&["export", &fixture(&name), "--to", target]);
            if once.is_empty() {
                continue;
            }
            let twice = run_with_input(&["export", "-", "--format", target, "--to", target], once.as_bytes());
            let twice = String::from_utf8(twice.stdout).unwrap();
            assert_eq!(sorted(&twice), sorted(&once), "{name} as {target}");
        }
    }
}

/// Lines in one order: spans that come one by one are held until the end, and then come by trace id.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().map(|it| it.trim_end_matches(',')).collect();
    lines.sort_unstable();
    lines
}

/// A capture of several chunks.
fn large(directory: &Path) -> String {
    let path = directory.join("large.json");
    let mut bytes = Vec::new();
    generate::write_capture(&mut bytes, 6_000_000, 11).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_bytes_are_the_same_from_any_number_of_threads() {
    let directory = tempfile::tempdir().unwrap();
    let path = large(directory.path());
    for target in TARGETS {
        let alone = stdout(&["export", &path, "--to", target, "--threads", "1"]);
        assert!(stdout(&["export", &path, "--to", target, "--threads", "5"]) == alone, "{target}");
    }
}

#[test]
fn traces_come_in_the_order_of_the_input_those_in_parts_last() {
    let trace = |id: &str, span: &str| {
        format!(
            r#"{{"traceID":"{id}","spans":[{{"traceID":"{id}","spanID":"{span}","operationName":"x","startTime":1700000000000000,"duration":5,"process":{{"serviceName":"s"}}}}]}}"#
        )
    };
    let input = [trace("f", "1"), trace("9", "1"), trace("c", "1"), trace("f", "2")].join("\n");
    for threads in ["1", "4"] {
        let output = run_with_input(&["export", "-", "--to", "csv", "--threads", threads], input.as_bytes());
        let ids: Vec<String> = String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .skip(1)
            .map(|it| it.split(',').take(2).collect::<Vec<_>>().join("."))
            .collect();
        assert_eq!(ids, ["9.1", "c.1", "f.1", "f.2"]);
    }
}

#[test]
fn files_are_compressed_as_their_names_say() {
    let directory = tempfile::tempdir().unwrap();
    let capture = fixture("checkout-incident.json");
    let plain = stdout(&["export", &capture]).into_bytes();
    let write = |name: &str| {
        let path = directory.path().join(name);
        assert_eq!(stdout(&["export", &capture, "-o", path.to_str().unwrap()]), "");
        std::fs::read(path).unwrap()
    };
    assert_eq!(write("plain.json"), plain);
    assert_eq!(gunzip(&write("a.json.gz")), plain);
    assert_eq!(zstd::decode_all(&write("a.json.zst")[..]).unwrap(), plain);
    assert_eq!(write("a.json.GZ"), write("b.json.gz"), "the same bytes every time");
    assert_eq!(left_in(directory.path()).len(), 5, "{:?}", left_in(directory.path()));
}

fn left_in(directory: &Path) -> Vec<String> {
    std::fs::read_dir(directory).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn an_export_that_fails_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let incident = fixture("checkout-incident.json");
    for (name, args) in [
        ("truncated", vec![fixture("malformed/truncated.json")]),
        ("broken", vec![incident.clone(), fixture("malformed/broken-middle.json")]),
        ("nowhere", vec![incident.clone(), "--trace-id".to_owned(), "abcdef".to_owned()]),
        ("empty", vec![incident, "--service".to_owned(), "nobody".to_owned(), "--fail-empty".to_owned()]),
    ] {
        let path = directory.path().join(format!("{name}.json.gz"));
        let mut all = vec!["export"];
        all.extend(args.iter().map(String::as_str));
        let to_stdout = run(&all);
        assert_eq!(to_stdout.status.code(), Some(2), "{name}");
        assert!(to_stdout.stdout.is_empty(), "{name}: nothing is written");
        all.extend(["-o", path.to_str().unwrap()]);
        let output = run(&all);
        assert_eq!(output.status.code(), Some(2), "{name}");
        // What was wrong is the reading, not the writing.
        assert!(!stderr(&output).contains("failed to write"), "{}", stderr(&output));
        assert_eq!(stderr(&output), stderr(&to_stdout), "{name}");
    }
    assert_eq!(left_in(directory.path()), Vec::<String>::new());
}

#[test]
fn a_file_that_is_there_stays_until_the_new_one_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("traces.json");
    std::fs::write(&path, "before").unwrap();
    let target = path.to_str().unwrap();
    run(&["export", &fixture("malformed/truncated.json"), "-o", target]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "before");
    let lenient = run(&["export", &fixture("malformed/truncated.json"), "--lenient", "-o", target]);
    assert!(lenient.status.success() && stderr(&lenient).contains("warning: "), "{}", stderr(&lenient));
    assert_eq!(json(&[target])["input"]["traces_read"], json!(1));
    // And never is it the capture itself.
    let output = run(&["export", target, "-o", target]);
    assert!(stderr(&output).contains("it is a capture that was read"), "{}", stderr(&output));
}

#[test]
fn filters_are_those_of_the_analysis() {
    let capture = fixture("checkout-incident.json");
    for flags in [
        &["--errors-only"][..],
        &["--service", "recommendation-service", "--min-duration", "1s"],
        &["--time-range", "5m"],
        &["--tag", "http.status_code=500"],
        &["--root", "gateway", "--max-duration", "1s"],
    ] {
        let expected = json(&[&[capture.as_str()], flags].concat());
        let written = stdout(&[&["export", capture.as_str()], flags].concat());
        let found = json_of(&written);
        assert_eq!(found["input"]["traces_read"], expected["input"]["traces_kept"], "{flags:?}");
        assert_eq!(found["summary"], expected["summary"], "{flags:?}");
    }
    // A tag that no pass reads is there as well, and one of a process.
    let written = stdout(&["export", &capture]);
    for key in ["\"user_agent.original\"", "\"telemetry.sdk.language\""] {
        let text = std::fs::read_to_string(&capture).unwrap();
        assert!(text.contains(key) && written.contains(key), "{key}");
    }
}

fn json_of(written: &str) -> Value {
    serde_json::from_slice(&run_with_input(&["-", "--json"], written.as_bytes()).stdout).unwrap()
}

#[test]
fn without_traces_it_is_an_empty_document_and_a_hint() {
    let capture = fixture("checkout-incident.json");
    let empty = [
        ("jaeger", "{\"data\":[],\"total\":0,\"limit\":0,\"offset\":0,\"errors\":null}\n"),
        ("otlp", ""),
        ("zipkin", "[]\n"),
        ("spans", ""),
    ];
    for (target, expected) in empty {
        let output = run(&["export", &capture, "--service", "gatway", "--to", target]);
        assert_eq!(
            (output.status.code(), String::from_utf8(output.stdout.clone()).unwrap().as_str()),
            (Some(0), expected)
        );
        assert!(
            stderr(&output).contains("hint: no service is called 'gatway'; there is gateway"),
            "{}",
            stderr(&output)
        );
    }
    let header = stdout(&["export", &capture, "--service", "gatway", "--to", "csv"]);
    assert!(header.starts_with("trace_id,span_id,") && header.lines().count() == 1);
}

#[test]
fn csv_is_read_by_another_as_the_same_spans() {
    for name in ["quirks/unicode-names.json", "quirks/error-signals.json", "formats/jaeger.json"] {
        let lines = stdout(&["export", &fixture(name), "--to", "spans"]);
        let table = stdout(&["export", &fixture(name), "--to", "csv"]);
        let mut reader = csv::Reader::from_reader(table.as_bytes());
        let columns = reader.headers().unwrap().clone();
        let rows: Vec<csv::StringRecord> = reader.records().map(|it| it.unwrap()).collect();
        assert_eq!(rows.len(), lines.lines().count());
        for (row, line) in rows.iter().zip(lines.lines()) {
            let span: Value = serde_json::from_str(line).unwrap();
            assert_eq!(span.as_object().unwrap().len(), columns.len());
            for (column, cell) in columns.iter().zip(row) {
                let same = match &span[column] {
                    Value::Null => cell.is_empty(),
                    Value::String(text) => cell == text,
                    other => serde_json::from_str::<Value>(cell).unwrap() == *other,
                };
                assert!(same, "{name}: {column}: {cell} is not {}", span[column]);
            }
        }
    }
}

#[test]
fn zipkin_and_otlp_have_the_shapes_of_theirs() {
    let capture = fixture("quirks/shared-client-server.json");
    let zipkin: Value = serde_json::from_str(&stdout(&["export", &capture, "--to", "zipkin"])).unwrap();
    let spans = zipkin[0].as_array().unwrap();
    let halves: Vec<&Value> =
        spans.iter().filter(|it| spans.iter().filter(|other| other["id"] == it["id"]).count() == 2).collect();
    assert_eq!(halves.len(), 2);
    assert_eq!(
        (&halves[0]["kind"], &halves[1]["kind"], &halves[1]["shared"]),
        (&json!("CLIENT"), &json!("SERVER"), &json!(true))
    );
    assert_eq!(halves[0]["parentId"], halves[1]["parentId"]);
    assert!(halves[0].get("shared").is_none());

    let lines = stdout(&["export", &fixture("formats/jaeger.json"), "--to", "otlp"]);
    assert_eq!(lines.lines().count(), 3, "a trace a line");
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    let span = &first["resourceSpans"][1]["scopeSpans"][0]["spans"][0];
    assert_eq!(
        (&span["name"], &span["kind"], &span["status"]),
        (&json!("POST /pay"), &json!(2), &json!({"code": 2, "message": "bank is down"}))
    );
    assert_eq!((&span["traceId"], &span["parentSpanId"]), (&json!("1".repeat(32)), &json!("1000000000000002")));
    assert_eq!(span["startTimeUnixNano"], json!("1793527210030000000"));
    assert_eq!(span["events"][0]["name"], json!("exception"));
    let opaque = stdout(&["export", &fixture("quirks/opaque-ids.json"), "--to", "otlp"]);
    let line: Value = serde_json::from_str(opaque.lines().next().unwrap()).unwrap();
    let id = line["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["spanId"].as_str().unwrap();
    assert!(id.len() == 16 && id.bytes().all(|it| it.is_ascii_hexdigit()), "{id}");
}

#[test]
fn what_is_lost_is_said() {
    let said = |name: &str, target: &str| stderr(&run(&["export", &fixture(name), "--to", target]));
    assert_eq!(said("checkout-incident.json", "jaeger"), "");
    assert!(
        said("quirks/foreign-reference.json", "zipkin")
            .contains("warning: --to zipkin: links to other spans, left out: ")
    );
    assert!(
        said("quirks/missing-duration.json", "otlp")
            .contains("--to otlp: spans of unknown duration, written without one: 1\n")
    );
    assert!(said("quirks/opaque-ids.json", "otlp").contains("ids that do not fit, which hashes stand for: "));
    assert!(said("quirks/senseless-among-good.json", "spans").contains("warning: skipped "));
    let finer = r#"{"trace_id":"1","span_id":"1","service":"s","operation":"o","start_ns":"1700000000000000001","duration_ns":5}"#;
    for target in ["jaeger", "zipkin"] {
        let output = run_with_input(&["export", "-", "--to", target], finer.as_bytes());
        assert!(stderr(&output).contains("finer than microseconds, cut to those: 1\n"), "{}", stderr(&output));
    }
}

#[test]
fn clock_skew_is_corrected_where_asked_for() {
    let capture = fixture("quirks/skewed-clocks.json");
    let moved = stdout(&["export", &capture, "--skew-correction"]);
    assert_ne!(moved, stdout(&["export", &capture]));
    assert_eq!(json_of(&moved)["critical_paths"], json(&[&capture, "--skew-correction"])["critical_paths"]);
    // And not once more.
    let again = run_with_input(&["export", "-", "--skew-correction"], moved.as_bytes());
    assert_eq!(String::from_utf8(again.stdout).unwrap(), moved);
}

#[test]
fn a_closed_pipe_is_no_error_and_ends_the_reading() {
    let directory = tempfile::tempdir().unwrap();
    let path = large(directory.path());
    let mut child = Command::new(env!("CARGO_BIN_EXE_analyze-traces"))
        .args(["export", &path, "--to", "csv"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 9];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"trace_id,");
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}
