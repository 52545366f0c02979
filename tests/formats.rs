//! One incident in every format: understood alike, whoever wrote it down.
//!
//! The files of `fixtures/formats` are named after their format: `FORMAT[.VARIANT].EXT`.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code, reason = "a test that fails says where")]

#[path = "support/binary.rs"]
mod binary;

use binary::{fixture, json, stdout};
use serde_json::Value;

/// What a format, or one file of it, does not carry: the beginning of its file names, and fields that are
/// not compared, each with the reason.
///
/// A field is a key of the normalized spans, which is then left out of the analysis too wherever it
/// occurs; `attributes.KEY` is one attribute; `analysis.KEY` is a whole section of the report. Without
/// ids (`ids`) spans and traces are told apart by everything else.
const LOSSES: &[(&str, &[(&str, &str)])] = &[
    (
        "py",
        &[
            ("resource", "there is no place for what is said of a process"),
            ("attributes.error.message", "where the script's own `error` is kept"),
            ("attributes.error.type", "where the script's own `error` is kept"),
        ],
    ),
    ("zipkin", &[("analysis.dependencies", "calls are found by Zipkin's own rules")]),
];

/// Attributes that some formats have as attributes and others as fields of the span, which are compared.
const SIGNALS: [&str; 4] = ["span.kind", "error", "otel.status_code", "otel.status_description"];

const IDS: [&str; 4] = ["trace_id", "span_id", "parent_span_id", "root_span_id"];

fn files() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(fixture("formats"))
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .filter(|it| it != "jaeger.json")
        .collect();
    names.sort();
    assert!(names.len() >= 4, "{names:?}");
    names
}

fn ignored(file: &str) -> Vec<&'static str> {
    let losses = LOSSES.iter().filter(|(prefix, _)| file.starts_with(prefix));
    losses.flat_map(|(_, fields)| fields.iter().map(|it| it.0)).collect()
}

/// The normalized spans, sorted, without what is not compared.
fn spans(file: &str, ignored: &[&str]) -> Vec<String> {
    let text = stdout(&["export", &fixture(&format!("formats/{file}")), "--to", "spans"]);
    let mut lines: Vec<String> = text.lines().map(|it| compared(it, ignored)).collect();
    lines.sort();
    lines
}

fn compared(line: &str, ignored: &[&str]) -> String {
    let mut span: Value = serde_json::from_str(line).unwrap();
    let fields = span.as_object_mut().unwrap();
    fields.retain(|key, _| !is_ignored(key, ignored));
    if let Some(Value::Object(attributes)) = fields.get_mut("attributes") {
        attributes.retain(|key, _| {
            !SIGNALS.contains(&key.as_str()) && !ignored.iter().any(|it| it.strip_prefix("attributes.") == Some(key))
        });
    }
    span.to_string()
}

fn is_ignored(key: &str, ignored: &[&str]) -> bool {
    ignored.contains(&key) || (ignored.contains(&"ids") && IDS.contains(&key))
}

fn analysis(file: &str, ignored: &[&str]) -> Value {
    let mut report = json(&[&fixture(&format!("formats/{file}"))]);
    let sections = report.as_object_mut().unwrap();
    sections.retain(|key, _| key != "input" && !ignored.iter().any(|it| it.strip_prefix("analysis.") == Some(key)));
    forget(&mut report, ignored);
    report
}

/// Leaves a field out wherever it is.
fn forget(value: &mut Value, ignored: &[&str]) {
    match value {
        Value::Object(members) => {
            members.retain(|key, _| !is_ignored(key, ignored));
            members.values_mut().for_each(|it| forget(it, ignored));
        }
        Value::Array(items) => items.iter_mut().for_each(|it| forget(it, ignored)),
        _ => {}
    }
}

#[test]
fn every_format_says_the_same_of_every_span() {
    for file in files() {
        let ignored = ignored(&file);
        let (found, expected) = (spans(&file, &ignored), spans("jaeger.json", &ignored));
        assert_eq!(found.len(), expected.len(), "{file}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{file}");
        }
    }
}

#[test]
fn every_format_gives_the_same_analysis() {
    for file in files() {
        let ignored = ignored(&file);
        let (found, expected) = (analysis(&file, &ignored), analysis("jaeger.json", &ignored));
        for (key, section) in expected.as_object().unwrap() {
            assert_eq!(&found[key], section, "{file}: {key}");
        }
    }
}

#[test]
fn the_format_is_the_one_in_the_name() {
    for file in files() {
        let report = json(&[&fixture(&format!("formats/{file}"))]);
        let format = file.split('.').next().unwrap();
        assert_eq!(report["input"]["sources"][0]["format"], format, "{file}");
        assert_eq!(report["input"]["skipped"], Value::Array(Vec::new()), "{file}");
    }
}

#[test]
fn no_loss_is_listed_for_nothing() {
    let names = files();
    for (prefix, fields) in LOSSES.iter().filter(|(prefix, _)| names.iter().any(|it| it.starts_with(prefix))) {
        for (field, why) in *fields {
            let others: Vec<&str> = ignored(prefix).into_iter().filter(|it| it != field).collect();
            let differs = names.iter().filter(|it| it.starts_with(prefix)).any(|file| {
                spans(file, &others) != spans("jaeger.json", &others)
                    || analysis(file, &others) != analysis("jaeger.json", &others)
            });
            assert!(differs, "{prefix}: {field} does not differ ({why})");
        }
    }
}
