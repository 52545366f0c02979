//! What is read, how, and what is said when it can't be.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code, reason = "a test that fails says where")]

#[path = "support/binary.rs"]
mod binary;

use binary::{fixture, json, run, run_with_input, stderr, stdout};
use serde_json::{Value, json};

/// Captures that no flag makes readable, and words of the error.
const UNREADABLE: &[(&str, &[&str])] = &[
    ("empty.json", &["it is empty", "hint: save traces with"]),
    ("blank.json", &["it is empty"]),
    ("page.html", &["a web page (HTML)", "base path"]),
    ("not-json.json", &["expected `{` or `[` at byte 0 (line 1)", "not JSON"]),
    ("other-json.json", &["of no format known here (tried: jaeger"]),
    ("names-list.json", &["a list of names, not of traces", "/api/traces?service="]),
    ("jaeger-error.json", &["trace not found (code 404)"]),
];

/// Captures with one broken trace: where, what, and how many traces are intact.
const BROKEN: &[(&str, &[&str], u64)] = &[
    ("bad-escape.json", &["an invalid escape inside a string"], 2),
    ("broken-middle.json", &["expected `:`"], 2),
    ("control-character.json", &["a control character inside a string"], 2),
    ("deep-nesting.json", &["nested deeper than 128 levels"], 2),
    ("invalid-utf8.json", &["invalid UTF-8"], 2),
    ("leading-zero.json", &["without a leading zero"], 2),
    ("lone-surrogate.json", &["half of a surrogate pair"], 2),
    ("nan.json", &["expected a value"], 2),
    ("number-overflow.json", &["a number too large for a double"], 2),
    ("trailing-comma.json", &["expected a key in quotes"], 2),
    ("truncated.json", &["the text ends inside a value", "looks cut off"], 1),
    ("truncated-in-string.json", &["the text ends inside a value", "looks cut off"], 1),
];

fn malformed(name: &str) -> String {
    fixture(&format!("malformed/{name}"))
}

#[test]
fn every_malformed_fixture_is_expected() {
    let mut expected: Vec<&str> = UNREADABLE.iter().map(|it| it.0).chain(BROKEN.iter().map(|it| it.0)).collect();
    expected.sort_unstable();
    let mut found: Vec<String> = std::fs::read_dir(fixture("malformed"))
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn what_cannot_be_read_is_an_error_with_a_hint() {
    for (name, words) in UNREADABLE {
        for flags in [&[][..], &["--lenient"]] {
            let path = malformed(name);
            let output = run(&[&[path.as_str()], flags].concat());
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{name} {flags:?}: {said}");
            assert!(output.stdout.is_empty(), "{name}: nothing is reported");
            assert!(said.starts_with(&format!("error: failed to read {path}")) && said.contains("\nhint: "), "{said}");
            for word in *words {
                assert!(said.contains(word), "{name}: {said}");
            }
        }
    }
}

#[test]
fn broken_json_is_an_error_with_its_place() {
    for (name, words, _) in BROKEN {
        for threads in ["1", "4"] {
            let output = run(&[&malformed(name), "--threads", threads]);
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{name}: {said}");
            assert!(output.stdout.is_empty(), "{name}: nothing is reported");
            for word in words.iter().chain(&[" at byte ", "(line 1, column ", "--lenient"]) {
                assert!(said.contains(word), "{name}: {said}");
            }
        }
    }
}

#[test]
fn the_place_is_that_of_the_fault() {
    let text = std::fs::read(malformed("nan.json")).unwrap();
    let at = text.windows(3).position(|it| it == b"NaN").unwrap();
    let said = stderr(&run(&[&malformed("nan.json")]));
    assert!(said.contains(&format!("at byte {at} (line 1, column {})", at + 1)), "{said}");
    // In a pretty-printed file lines are counted.
    let pretty = b"[\n  {\"traceID\": \"1\",\n   \"spans\": nope\n  }\n]";
    let said = stderr(&run_with_input(&["-"], pretty));
    assert!(said.contains("<stdin>") && said.contains("at byte 33 (line 3, column 13)"), "{said}");
}

#[test]
fn lenient_reports_what_is_intact_and_says_what_was_lost_first() {
    for (name, words, n_intact) in BROKEN {
        let path = malformed(name);
        let report = json(&[&path, "--lenient"]);
        assert_eq!(report["input"]["traces_read"], json!(n_intact), "{name}");
        assert_eq!(report["input"]["complete"], json!(false), "{name}");
        let reason = report["input"]["incomplete_reasons"][0].as_str().unwrap();
        assert!(reason.contains("bytes could not be read") && reason.contains(words[0]), "{name}: {reason}");
        assert_eq!(report["input"]["skipped"][0]["count"], json!(1), "{name}");
        assert!(stdout(&[&path, "--lenient"]).starts_with("incomplete: "), "{name}");
        let said = stderr(&run(&[&path, "--lenient", "--json"]));
        assert!(said.starts_with("warning: "), "{said}");
    }
}

#[test]
fn a_missing_file_is_an_error() {
    let output = run(&["no-such-file.json"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stderr(&output), "error: failed to read no-such-file.json: No such file or directory (os error 2)\n");
    let output = run(&["no-such-*.json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).starts_with("error: failed to read no-such-*.json: no file matches"));
}

#[test]
fn a_missing_file_with_a_bracket_in_its_name_is_a_missing_file() {
    let said = stderr(&run(&["trace[1.json"]));
    assert_eq!(said, "error: failed to read trace[1.json: No such file or directory (os error 2)\n");
}

/// All that the analysis says, without what names the file.
fn analysis(path: &str) -> Value {
    let mut report = json(&[path]);
    report.as_object_mut().unwrap().remove("input");
    report
}

#[test]
fn every_shape_of_a_capture_gives_the_same_report() {
    let whole = analysis(&fixture("shapes/envelope.json"));
    for name in [
        "array",
        "lines-envelopes",
        "lines-traces",
        "concatenated",
        "pretty",
        "processes-first",
        "bom-crlf",
        "download",
        "bare-spans",
    ] {
        assert_eq!(analysis(&fixture(&format!("shapes/{name}.json"))), whole, "{name}");
    }
    let one = analysis(&fixture("shapes/data-object.json"));
    assert_eq!(analysis(&fixture("shapes/bare-trace.json")), one);
}

#[test]
fn standard_input_is_read_when_named_or_when_nothing_is() {
    let bytes = std::fs::read(fixture("shapes/envelope.json")).unwrap();
    for args in [&["--json", "-"][..], &["--json"]] {
        let output = run_with_input(args, &bytes);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["input"]["sources"][0]["name"], json!("<stdin>"));
        assert_eq!(report["summary"]["trace_count"], json!(2));
    }
}

#[test]
fn standard_input_can_be_looked_at_twice_however_long_it_is() {
    let long = std::fs::read(fixture("checkout-incident.json")).unwrap();
    // More than is kept in memory, and less.
    let short = &long[..900_000];
    assert!(long.len() > 1 << 20);
    for bytes in [&long, short] {
        // The newest trace has to be known first.
        let output = run_with_input(&["--json", "--lenient", "-", "--time-range", "5m"], bytes);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let kept = report["input"]["traces_kept"].as_u64().unwrap();
        let read = report["input"]["traces_read"].as_u64().unwrap();
        assert!(kept > 0 && kept < read && read > 70, "{kept} of {read}");
    }
}

#[test]
fn short_standard_input_needs_no_temporary_file_and_long_says_that_it_does() {
    let traces = std::fs::read(fixture("shapes/envelope.json")).unwrap();
    // Random letters, so that it stays long when compressed.
    let mut state = 1u32;
    let letters = (0..3 << 20).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b'a' + (state >> 24) as u8 % 26
    });
    let long = [&traces[..], b"\n[\"", &letters.collect::<Vec<u8>>(), b"\"]\n"].concat();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, &long).unwrap();
    let run_nowhere = |args: &[&str], input: &[u8]| {
        let directory = [("TMPDIR", "/nowhere/to/be/found")];
        binary::run_in_environment(args, input, &directory)
    };
    assert!(run_nowhere(&["--json", "-"], &traces).status.success());
    for long in [long, packed.finish().unwrap()] {
        assert!(run_with_input(&["--json", "-"], &long).status.success());
        for args in [&["-"][..], &["-", "--lenient"]] {
            let output = run_nowhere(args, &long);
            let said = stderr(&output);
            let words = "failed to read <stdin>: failed to keep it in a temporary file for a second look";
            assert!(output.status.code() == Some(2) && said.contains(words), "{said}");
        }
    }
}

#[test]
fn directories_are_searched_and_other_files_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let below = directory.path().join("a/b");
    std::fs::create_dir_all(&below).unwrap();
    std::fs::copy(fixture("shapes/envelope.json"), below.join("one.json")).unwrap();
    std::fs::write(directory.path().join("notes.txt"), "not a capture").unwrap();
    let path = directory.path().to_str().unwrap();
    let report = json(&[path]);
    assert_eq!(report["summary"]["trace_count"], json!(2));
    assert_eq!(report["input"]["sources"].as_array().unwrap().len(), 1);
    assert_eq!(report["input"]["skipped"][0]["reason"], json!("a file without traces"));
    let pattern = format!("{path}/*/*/*.json");
    assert_eq!(json(&[&pattern])["summary"]["trace_count"], json!(2));
}

#[test]
fn a_report_is_no_capture() {
    let directory = tempfile::tempdir().unwrap();
    let report = directory.path().join("report.json");
    std::fs::write(&report, stdout(&[&fixture("shapes/envelope.json"), "--json"])).unwrap();
    let output = run(&[report.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("it is a report of analyze-traces, not a capture"), "{}", stderr(&output));
    // Beside captures it is passed over like any other file.
    std::fs::copy(fixture("shapes/envelope.json"), directory.path().join("one.json")).unwrap();
    let again = json(&[directory.path().to_str().unwrap()]);
    assert_eq!(again["input"]["sources"].as_array().unwrap().len(), 1);
}

#[cfg(unix)]
#[test]
fn links_that_lead_nowhere_do_not_stop_a_search() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    std::fs::copy(fixture("shapes/envelope.json"), path.join("one.json")).unwrap();
    std::os::unix::fs::symlink("gone.json", path.join("dangling.json")).unwrap();
    std::os::unix::fs::symlink(".", path.join("loop")).unwrap();
    let report = json(&[path.to_str().unwrap()]);
    assert_eq!(report["summary"]["trace_count"], json!(2));
    assert_eq!(report["input"]["sources"].as_array().unwrap().len(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn files_whose_names_look_alike_are_all_read() {
    use std::os::unix::ffi::OsStrExt;
    let directory = tempfile::tempdir().unwrap();
    for (name, capture) in [(&b"\xfe.json"[..], "shapes/envelope.json"), (b"\xff.json", "quirks/orphan.json")] {
        std::fs::copy(fixture(capture), directory.path().join(std::ffi::OsStr::from_bytes(name))).unwrap();
    }
    let report = json(&[directory.path().to_str().unwrap()]);
    assert_eq!(report["input"]["sources"].as_array().unwrap().len(), 2);
    assert_eq!(report["summary"]["trace_count"], json!(3));
}

#[test]
fn a_trace_in_two_files_is_one_trace() {
    let incident = fixture("checkout-incident.json");
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("copy.json");
    std::fs::copy(&incident, &copy).unwrap();
    let once = json(&[&incident]);
    let twice = json(&[&incident, copy.to_str().unwrap()]);
    assert_eq!(twice["input"]["repaired"]["repeated_traces"], json!(100));
    for key in
        ["summary", "bottlenecks", "critical_paths", "critical_path_summary", "errors", "dependencies", "performance"]
    {
        assert_eq!(twice[key], once[key], "{key}");
    }
}

#[test]
fn the_parts_of_a_trace_in_two_files_are_joined() {
    // Each trace's spans dealt out to two files: whole again when both are read.
    let text = std::fs::read_to_string(fixture("checkout-incident.json")).unwrap();
    let capture: Value = serde_json::from_str(&text).unwrap();
    let part = |odd: usize| {
        let mut part = capture.clone();
        for trace in part["data"].as_array_mut().unwrap() {
            let mut nth = 0;
            trace["spans"].as_array_mut().unwrap().retain(|_| {
                nth += 1;
                nth % 2 == odd
            });
        }
        part.to_string()
    };
    let directory = tempfile::tempdir().unwrap();
    let paths = [0, 1].map(|odd| {
        let path = directory.path().join(format!("{odd}.json"));
        std::fs::write(&path, part(odd)).unwrap();
        path.to_str().unwrap().to_owned()
    });
    let whole = json(&[&fixture("checkout-incident.json")]);
    let joined = json(&[&paths[0], &paths[1]]);
    assert_eq!(joined["input"]["repaired"]["split_traces"], json!(100));
    assert_eq!(joined["input"]["traces_read"], json!(100));
    for key in
        ["summary", "bottlenecks", "critical_paths", "critical_path_summary", "errors", "dependencies", "performance"]
    {
        assert_eq!(joined[key], whole[key], "{key}");
    }
    assert_eq!(json(&[&paths[1], &paths[0]]), joined);
}

#[test]
fn a_trace_larger_than_allowed_is_refused_by_name() {
    let path = fixture("checkout-incident.json");
    let output = run(&[&path, "--max-trace-bytes", "1K"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said.contains("a trace of more than 1024 bytes (see --max-trace-bytes), which begins {\"traceID\":\""),
        "{said}"
    );
    assert!(run(&[&path, "--max-trace-bytes", "1M"]).status.success());
}

#[test]
fn senseless_spans_and_traces_are_skipped_and_counted() {
    let report = json(&[&fixture("quirks/senseless-among-good.json")]);
    assert_eq!(report["summary"]["trace_count"], json!(2));
    assert_eq!(report["input"]["complete"], json!(true));
    let reasons: Vec<(&str, u64)> = report["input"]["skipped"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["reason"].as_str().unwrap(), it["count"].as_u64().unwrap()))
        .collect();
    assert_eq!(
        reasons,
        [
            ("a span whose start is not a number", 1),
            ("a span without an id", 1),
            ("a trace without spans", 1),
            ("not a span where one belongs", 2),
            ("not a trace where one belongs", 1),
        ]
    );
}

#[test]
fn a_server_that_cut_a_trace_makes_the_capture_incomplete() {
    let report = json(&[&fixture("quirks/warnings.json")]);
    assert_eq!(report["input"]["complete"], json!(false));
    let report = json(&[&fixture("quirks/partial-with-errors.json")]);
    assert_eq!(report["input"]["complete"], json!(false));
    assert!(report["input"]["sources"][0]["warnings"][0].as_str().unwrap().starts_with("the server said: "));
}

#[test]
fn a_capture_that_looks_cut_is_warned_of() {
    let capture: Value =
        serde_json::from_str(&std::fs::read_to_string(fixture("checkout-incident.json")).unwrap()).unwrap();
    let envelope = json!({"data": capture["data"], "total": 0, "limit": 0, "offset": 0, "errors": null});
    let output = run_with_input(&["--json", "-"], envelope.to_string().as_bytes());
    assert!(stderr(&output).contains("exactly 100 traces: probably cut by the limit"), "{}", stderr(&output));
}

#[test]
fn no_traces_is_no_error_unless_asked_for() {
    let path = fixture("quirks/empty-data.json");
    let report = json(&[&path]);
    assert_eq!(report["summary"]["trace_count"], json!(0));
    assert_eq!(report["summary"]["error_rate"], Value::Null);
    assert_eq!(report["summary"]["duration_stats"]["p95_ms"], Value::Null);
    let output = run(&[&path, "--fail-empty"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stderr(&output), "error: no traces in the input\n");
}

#[test]
fn loose_spans_beside_a_whole_copy_are_joined_whichever_comes_first() {
    // A bare span of a trace that also stands whole, and one of its own, in either order.
    let loose = r#"{"traceID":"1","spanID":"b","operationName":"late","references":[{"refType":"CHILD_OF","traceID":"1","spanID":"a"}],"startTime":1793527200000010,"duration":5,"process":{"serviceName":"s"}}"#;
    let whole = r#"{"traceID":"1","spans":[{"traceID":"1","spanID":"a","operationName":"root","startTime":1793527200000000,"duration":100,"processID":"p"}],"processes":{"p":{"serviceName":"s"}}}"#;
    let mut reports = Vec::new();
    for text in [format!("{loose}\n{whole}"), format!("{whole}\n{loose}"), format!("[{loose},{whole},{whole}]")] {
        for threads in ["1", "3"] {
            let output = run_with_input(&["--json", "-", "--threads", threads], text.as_bytes());
            let mut report: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(report["summary"]["span_count"], json!(2), "{text}");
            assert_eq!(report["input"]["repaired"]["split_traces"], json!(1), "{text}");
            report.as_object_mut().unwrap().remove("input");
            reports.push(report);
        }
    }
    assert!(reports.windows(2).all(|it| it[0] == it[1]));
}

#[test]
fn a_file_of_bare_spans_says_how_many_traces_it_holds() {
    let report = json(&[&fixture("shapes/bare-spans.json")]);
    assert_eq!(report["input"]["sources"][0]["traces"], json!(2));
    assert_eq!(report["input"]["repaired"]["split_traces"], json!(0));
}

#[test]
fn lists_behind_a_broken_one_are_no_losses() {
    let span = |n: u32| format!(r#"{{"traceId":"{n}","id":"{n}","name":"x","timestamp":{n},"duration":1}}"#);
    let broken = span(2).replace(r#","name""#, r#" "name""#);
    for text in [
        format!("[[{}],[{broken}],[{}],[{}]]", span(1), span(3), span(4)),
        format!("[[{}],[{broken}],[{},{}],[{}]]\n[[{}]]", span(1), span(3), span(3), span(4), span(5)),
        format!("[[{broken},{}],[{}]]", span(3), span(4)),
    ] {
        let output = run_with_input(&["--json", "--lenient", "-"], text.as_bytes());
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let n_traces = (1..=5).filter(|it| *it != 2 && text.contains(&span(*it))).count();
        assert_eq!(report["input"]["skipped"][0]["count"], json!(1), "{text}");
        assert_eq!(report["input"]["traces_read"], json!(n_traces), "{text}");
    }
}

#[test]
fn a_loss_is_said_once() {
    let path = malformed("broken-middle.json");
    let text = stdout(&[&path, "--lenient"]);
    assert!(text.starts_with("incomplete: ") && !text.contains("a broken piece"), "{text}");
    let said = stderr(&run(&["export", &path, "--lenient"]));
    assert_eq!(said.matches("broken-middle.json").count(), 1, "{said}");
}

#[test]
fn a_span_cut_out_of_a_cycle_is_not_said_to_miss_its_parent() {
    let said = |name: &str| stdout(&[&fixture(&format!("quirks/{name}.json")), "--errors"]);
    let (cut, orphan) = (said("cycle"), said("orphan"));
    assert!(cut.contains("orphans (parent not in the trace, or cut off in a cycle): 1, parent cycles cut: 1"), "{cut}");
    assert!(orphan.contains("orphans (parent not in the trace): 1"), "{orphan}");
}

#[test]
fn files_with_marks_may_be_put_together() {
    let marked = std::fs::read(fixture("shapes/bom-crlf.json")).unwrap();
    let other = [b"\xef\xbb\xbf".to_vec(), std::fs::read(fixture("checkout-incident.json")).unwrap()].concat();
    for files in [[&marked, &other], [&other, &marked]] {
        let output = run_with_input(&["--json", "-"], &files.map(|it| it.clone()).concat());
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["input"]["traces_read"], json!(102));
        assert_eq!(report["input"]["skipped"], json!([]));
    }
    // Half a mark is none.
    let output = run_with_input(&["-"], &[&marked[..], b"\xef\xbb"].concat());
    assert!(stderr(&output).contains("expected `{` or `[`"), "{}", stderr(&output));
}

/// What a pipe brings comes once, and yet two looks may be needed: where items begin is guessed wrongly here.
#[cfg(target_os = "linux")]
#[test]
fn a_pipe_may_be_looked_at_twice() {
    let directory = tempfile::tempdir().unwrap();
    let files = ["shapes/bom-crlf.json", "checkout-incident.json"].map(|it| std::fs::read(fixture(it)).unwrap());
    let pipe = directory.path().join("pipe.json");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for threads in ["1", "2"] {
        let (target, bytes) = (pipe.clone(), files.concat());
        let writer = std::thread::spawn(move || std::fs::write(target, bytes).unwrap());
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_analyze-traces"))
            .arg(&pipe)
            .args(["--json", "--threads", threads])
            .output()
            .unwrap();
        writer.join().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
        assert_eq!(report["input"]["traces_read"], json!(102), "{threads}");
    }
}

/// Lines are taken for elements by the looks of them: two in one line, or one over two, are read all the same.
#[test]
fn what_looks_like_a_line_need_not_be_one() {
    let line = |n: u32| {
        format!(
            r#"{{"resourceSpans":[{{"resource":{{"attributes":[]}},"scopeSpans":[{{"spans":[{{"traceId":"{:032x}","spanId":"{n:016x}","name":"x","startTimeUnixNano":"1793527200000000000","endTimeUnixNano":"1793527200000001000"}}]}}]}}]}}"#,
            n % 2 + 1
        )
    };
    let lines = [1, 2, 3, 4].map(line);
    let plain = lines.join("\n");
    let in_two = lines[2].replacen(r#"}],"scopeSpans""#, "}\n],\"scopeSpans\"", 1);
    let in_two_at_a_brace =
        lines[2].replacen(r#""resource":{"attributes":[]}"#, "\"resource\":{\"attributes\":[]}\n", 1);
    assert!(in_two_at_a_brace.contains("}\n"));
    let one_element = lines[3].strip_prefix(r#"{"resourceSpans":["#).unwrap().strip_suffix("]}").unwrap();
    let with_one_element = format!(r#"{},"resourceSpans":{one_element}}}"#, lines[2].strip_suffix('}').unwrap());
    let texts = [
        plain.clone(),
        plain.clone() + "\n",
        plain.replace('\n', " \r\n\t"),
        [&lines[0], "\n", &lines[1], &lines[2], "\n", &lines[3]].concat(),
        [&lines[0], "\n", &lines[1], "\n", &with_one_element].concat(),
        [&lines[0], "\n", &lines[1], "\n", &in_two, "\n", &lines[3]].concat(),
        [&lines[0], "\n", &lines[1], "\n", &in_two_at_a_brace, "\n", &lines[3]].concat(),
    ];
    for threads in ["1", "2"] {
        for text in &texts {
            let output = run_with_input(&["--json", "--threads", threads, "-"], text.as_bytes());
            let report: Value =
                serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
            assert_eq!(report["input"]["sources"][0]["spans"], json!(4), "{text}");
            assert_eq!(report["input"]["traces_read"], json!(2), "{text}");
            assert_eq!(report["input"]["skipped"], json!([]), "{text}");
        }
        let broken = texts[3].replacen(r#""name":"x""#, r#""name":x"#, 3);
        let output = run_with_input(&["--threads", threads, "-"], broken.as_bytes());
        assert!(stderr(&output).contains("line 1, column 154"), "{}", stderr(&output));
        let fault = plain.replace(&lines[2], &lines[2].replace(r#""name":"x""#, r#""name":x"#));
        let output = run_with_input(&["--threads", threads, "-"], fault.as_bytes());
        assert!(stderr(&output).contains("line 3, column 154"), "{}", stderr(&output));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_may_have_any_name() {
    use std::os::unix::ffi::OsStrExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(std::ffi::OsStr::from_bytes(b"\xfe[1].json"));
    std::fs::copy(fixture("shapes/envelope.json"), &path).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_analyze-traces")).arg(&path).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("2 traces"), "{said}");
    assert!(!said.contains("\nnext: "), "it could not be copied: {said}");
}
