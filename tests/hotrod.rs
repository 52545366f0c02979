//! Captures of a real program through two real Jaegers: every number of the report, counted again.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test says what went wrong by panicking"
)]

mod recount;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use recount::{Capture, differences, falls, sorted_by};
use serde_json::Value;

const CAPTURES: [&str; 2] = ["jaeger-2.13", "jaeger-1.42"];

/// Where the captures are, if they are anywhere: `ANALYZE_TRACES_HOTROD`, or beside the repository.
fn directory() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/hotrod");
    let directory = std::env::var_os("ANALYZE_TRACES_HOTROD").map_or_else(beside, PathBuf::from);
    if directory.is_dir() {
        return Some(directory);
    }
    println!("SKIPPED: there is no {} (ANALYZE_TRACES_HOTROD says where the captures are)", directory.display());
    None
}

fn unpacked(directory: &Path, name: &str) -> String {
    let packed = std::fs::read(directory.join(format!("{name}.jaeger.json.gz"))).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
    text
}

/// Gives each capture, counted again, and what the program reports of it, to a check.
fn each(flags: &[&str], check: fn(&str, &Capture, &Value) -> Vec<String>) {
    let Some(directory) = directory() else { return };
    let mut wrong = Vec::new();
    for name in CAPTURES {
        let text = unpacked(&directory, name);
        let file = tempfile::Builder::new().prefix(name).suffix(".json").tempfile().unwrap();
        std::fs::write(file.path(), &text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_analyze-traces"))
            .arg(file.path())
            .args(["--json", "--top", "0", "--examples", "1000000"])
            .args(flags)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.is_empty(), "{}: {errors}", output.status);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let found = check(file.path().to_str().unwrap(), &Capture::read(&text), &report);
        wrong.extend(found.into_iter().map(|it| format!("{name}: {it}")));
    }
    let shown: Vec<&str> = wrong.iter().take(40).map(String::as_str).collect();
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), shown.join("\n"));
}

#[test]
fn input_and_summary() {
    each(&[], |name, capture, report| {
        let mut wrong = differences(&report["input"], &capture.input(name), &[]);
        wrong.extend(differences(&report["summary"], &capture.summary(), &[]));
        wrong
    });
}

#[test]
fn performance() {
    each(&["--performance"], |_, capture, report| {
        let keys = ["service", "operation", "kind"];
        let mut found = report["performance"].clone();
        assert!(falls(&found["operations"], "total_ms"), "longest in total first");
        found["operations"] = sorted_by(&found["operations"], &keys);
        let mut expected = capture.performance();
        expected["operations"] = sorted_by(&expected["operations"], &keys);
        differences(&found, &expected, &[])
    });
}

#[test]
fn bottlenecks() {
    each(&["--bottlenecks"], |_, capture, report| {
        let found = &report["bottlenecks"];
        assert!(falls(found, "waited_ms"), "most waited time first");
        let keys = ["service", "operation"];
        let expected = sorted_by(&Value::from(capture.bottlenecks()), &keys);
        assert_eq!(report["bottlenecks_total"], expected.as_array().unwrap().len());
        // Patterns are no numbers; the keys of the first example are checked with the examples.
        let free = ["pattern", "examples", "trace_id", "span_id", "duration_ms", "percentage", "trace_duration_ms"];
        let mut wrong = differences(&sorted_by(found, &keys), &expected, &free);
        for row in found.as_array().unwrap() {
            wrong.extend(wrong_examples(capture, row));
        }
        wrong
    });
}

/// Most waited first, ties by trace id; each of a span that was waited on longest in its trace.
fn wrong_examples(capture: &Capture, row: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let examples = row["examples"].as_array().unwrap();
    let first = examples.first().expect("an example");
    for key in ["trace_id", "span_id", "duration_ms", "percentage", "trace_duration_ms"] {
        if row[key] != first[key] {
            wrong.push(format!("{}/{key} is not that of the first example", row["operation"]));
        }
    }
    // (waited, trace id) of every trace in which it reaches the threshold.
    let mut expected: Vec<(i64, &str)> = Vec::new();
    for (trace, by_span) in capture.waited() {
        let of_row = |span: usize| {
            let span = &trace.spans[span];
            row["service"] == span.service && row["operation"] == span.operation
        };
        let here: BTreeMap<usize, i64> = by_span.into_iter().filter(|it| of_row(it.0)).collect();
        let waited: i64 = here.values().sum();
        let roots = trace.spans.iter().filter(|it| it.parent.is_none());
        let root = roots.map(|it| it.duration).max().unwrap();
        // Where it is no bottleneck it is no example of one.
        if waited * 100 < root * 20 {
            continue;
        }
        expected.push((waited, &trace.id));
        let Some(example) = examples.iter().find(|it| it["trace_id"] == trace.id) else {
            continue;
        };
        let start = trace.spans.iter().map(|it| it.start).min().unwrap();
        let ends = trace.spans.iter().map(|it| it.start + it.duration);
        let end = ends.max().unwrap();
        let span = trace.spans.iter().position(|it| example["span_id"] == it.id).unwrap();
        let duration = trace.spans[span].duration;
        let ms = |ns: i64| ns as f64 / 1e6;
        let is_longest = here.get(&span) == here.values().max();
        let numbers = serde_json::json!({
            "duration_ms": ms(duration),
            "percentage": duration as f64 / (end - start) as f64 * 100.0,
            "share_percent": waited as f64 / root as f64 * 100.0,
            "trace_duration_ms": ms(end - start),
        });
        wrong.extend(differences(example, &numbers, &["trace_id", "span_id"]));
        if !is_longest {
            wrong.push(format!("{}: span {} was not waited on longest", trace.id, example["span_id"]));
        }
    }
    expected.sort_by_key(|it| (std::cmp::Reverse(it.0), it.1));
    let expected: Vec<&str> = expected.iter().map(|it| it.1).collect();
    let found: Vec<&str> = examples.iter().map(|it| it["trace_id"].as_str().unwrap()).collect();
    if found != expected {
        wrong.push(format!("{}: examples are not the most waited first", row["operation"]));
    }
    wrong
}

#[test]
fn critical_paths() {
    each(&["--critical-path"], |_, capture, report| {
        let expected = Value::from(capture.critical_paths());
        let mut wrong = differences(&report["critical_paths"], &expected, &[]);
        assert_eq!(report["critical_paths_total"], expected.as_array().unwrap().len());
        let summary = &report["critical_path_summary"];
        let mut found = summary.clone();
        let mut expected = capture.critical_path_summary();
        for (list, keys) in [("operations", &["service", "operation"][..]), ("paths", &["path"])] {
            assert!(falls(&summary[list], "self_ms"), "most waited on first");
            found[list] = sorted_by(&found[list], keys);
            expected[list] = sorted_by(&expected[list], keys);
        }
        wrong.extend(differences(&found, &expected, &[]));
        wrong
    });
}

#[test]
fn errors() {
    each(&["--errors"], |_, capture, report| {
        let mut found = report["errors"].clone();
        let mut expected = capture.errors();
        for list in ["patterns", "root_causes", "absorbed"] {
            let keys = ["service", "operation", "error_type", "code", "by_service", "by_operation"];
            found[list] = sorted_by(&found[list], &keys);
            expected[list] = sorted_by(&expected[list], &keys);
        }
        let mut wrong = differences(&found, &expected, &["examples"]);
        for (service, errors) in found["errors_by_service"].as_object().into_iter().flatten() {
            let examples = errors["examples"].as_array().unwrap();
            if examples.len() as u64 != errors["count"].as_u64().unwrap() {
                wrong.push(format!("{service}: {} examples", examples.len()));
            }
            for example in examples {
                let trace = capture.traces.iter().find(|it| example["trace_id"] == it.id).unwrap();
                let span = trace.spans.iter().find(|it| example["span_id"] == it.id).unwrap();
                if !span.error || span.service != *service || example["operation"] != span.operation {
                    wrong.push(format!("{service}: {example}"));
                }
            }
        }
        wrong
    });
}

#[test]
fn dependencies() {
    each(&["--dependencies"], |_, capture, report| {
        let keys = ["from", "to"];
        let mut found = report["dependencies"].clone();
        let mut expected = capture.dependencies();
        found["edges"] = sorted_by(&found["edges"], &keys);
        expected["edges"] = sorted_by(&expected["edges"], &keys);
        differences(&found, &expected, &[])
    });
}

#[test]
fn call_counts_are_the_servers_but_for_calls_inside_a_service() {
    each(&["--dependencies"], |name, _, report| {
        let directory = directory().expect("it was there a moment ago");
        let file = CAPTURES.into_iter().find(|it| name.contains(*it)).unwrap();
        let said = std::fs::read(directory.join(format!("{file}.dependencies.json"))).unwrap();
        let said: Value = serde_json::from_slice(&said).unwrap();
        let mut expected = serde_json::json!({});
        for edge in said["data"].as_array().unwrap() {
            let (parent, child) = (edge["parent"].as_str().unwrap(), edge["child"].as_str().unwrap());
            if parent != child {
                expected[parent][child] = edge["callCount"].clone();
            }
        }
        differences(&report["dependencies"]["dependencies"], &expected, &[])
    });
}

/// The recount itself, where the servers say what they counted.
#[test]
fn the_recount_counts_calls_as_the_servers_do() {
    let Some(directory) = directory() else { return };
    for name in CAPTURES {
        let text = unpacked(&directory, name);
        let capture = Capture::read(&text);
        let said = std::fs::read(directory.join(format!("{name}.dependencies.json"))).unwrap();
        let said: Value = serde_json::from_slice(&said).unwrap();
        let said: BTreeMap<(&str, &str), u64> = said["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| {
                let of = |key: &str| it[key].as_str().unwrap();
                ((of("parent"), of("child")), it["callCount"].as_u64().unwrap())
            })
            .filter(|it| it.0.0 != it.0.1)
            .collect();
        let edges = capture.edges();
        let edges = edges.iter().map(|(edge, spans)| (*edge, spans.len() as u64));
        assert_eq!(edges.collect::<BTreeMap<_, _>>(), said, "{name}");
    }
}

/// The recount itself, where the captures' story is known.
#[test]
fn the_recount_tells_the_story_that_is_known() {
    let Some(directory) = directory() else { return };
    for name in CAPTURES {
        let capture = Capture::read(&unpacked(&directory, name));
        let errors = capture.errors();
        let cause = &errors["root_causes"][0];
        assert_eq!((&cause["service"], &cause["operation"]), (&"customer".into(), &"/customer".into()), "{name}");
        assert_eq!(cause["error_message"], "invalid customer ID");
        assert_eq!(cause["failed_callers"], serde_json::json!(["frontend"]));
        assert_eq!((&errors["root_causes_total"], &errors["absorbed_total"]), (&1.into(), &1.into()));
        let absorbed = &errors["absorbed"][0];
        assert_eq!((&absorbed["operation"], &absorbed["by_service"]), (&"GetDriver".into(), &"driver".into()));
        assert_eq!((&absorbed["count"], &absorbed["error_message"]), (&150.into(), &"redis timeout".into()));
        assert_eq!(capture.dependencies()["depth"], 2);
    }
}
