//! One incident in every format: understood alike, whoever wrote it down.
//!
//! The files of `fixtures/formats` are named after their format: `FORMAT[.VARIANT].EXT` or
//! `FORMAT-VARIANT.EXT`, where several fit the one with the longest name.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code, reason = "a test that fails says where")]

#[path = "support/binary.rs"]
mod binary;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use binary::{fixture, json, stdout};
use serde_json::Value;

/// What a format, or one file of it, does not carry: the beginning of its file names, and fields that are
/// not compared, each with the reason.
///
/// A field is a key of the normalized spans, which is then left out of the analysis too wherever it
/// occurs; `attributes.KEY` is one attribute; `analysis.KEY` is a whole section of the report. `types`
/// compares attributes by their text, `older names` takes the older names of conventions for the newer
/// ones, and `order` compares the lists of the report without their order.
const LOSSES: &[(&str, &[(&str, &str)])] = &[
    (
        "azure",
        &[
            ("operation", "calls by HTTP are named with their path"),
            ("path", "calls by HTTP are named with their path"),
            ("order", "calls by HTTP are named with their path"),
            ("types", "attributes are texts"),
            ("attributes.messaging.operation.type", "requests and dependencies have no place for it"),
            ("attributes.messaging.system", "a request knows its source only"),
            ("attributes.peer.service", "a dependency has a target, and one by HTTP is a host"),
            ("attributes.server.address", "the target of a database holds its host too"),
        ],
    ),
    ("clickhouse", &[("types", "attributes are texts")]),
    (
        "datadog",
        &[
            ("older names", "tracers write the older names"),
            ("types", "`meta` holds texts"),
            ("attributes.error.message", "an exception is of its span, without a time"),
            ("attributes.error.type", "an exception is of its span, without a time"),
            ("attributes.exception.stacktrace", "an exception is of its span, without a time"),
        ],
    ),
    (
        "datadog-agent",
        &[
            ("attributes._dd.hostname", "the tracer's own"),
            ("attributes._dd.p.tid", "the tracer's own"),
            ("attributes._sampling_priority_v1", "the tracer's own"),
        ],
    ),
    (
        "datadog-spans",
        &[
            ("attributes.duration", "among the attributes besides"),
            ("attributes.service", "among the attributes besides"),
            ("attributes.env", "where it is deployed is part of every span"),
        ],
    ),
    ("datadog-ui", &[("trace_id", "the lower half of it"), ("attributes._dd.hostname", "the tracer's own")]),
    (
        "elastic-apm",
        &[
            ("types", "status codes are keywords in documents"),
            ("attributes.peer.service", "what is called has a port"),
            ("peer", "what is called has a port"),
            ("attributes.messaging.system", "a transaction has it as a label only"),
            ("attributes.messaging_system", "labels have `_` for dots"),
        ],
    ),
    (
        "gcp",
        &[
            ("types", "labels are texts"),
            ("attributes.g.co/agent", "the exporter's own"),
            ("attributes.g.co/gae/app/module", "the exporter's own"),
            ("attributes.host.name", "what is said of a process is a label of each span"),
        ],
    ),
    (
        "gcp-v1",
        &[
            ("attributes.error.message", "there are no events: an exception is of its span, without a time"),
            ("attributes.error.type", "there are no events: an exception is of its span, without a time"),
            ("attributes.exception.stacktrace", "there are no events: an exception is of its span, without a time"),
        ],
    ),
    (
        "newrelic",
        &[
            ("attributes.error.message", "there are no events: an exception is of its span, without a time"),
            ("attributes.error.type", "there are no events: an exception is of its span, without a time"),
            ("attributes.exception.stacktrace", "there are no events: an exception is of its span, without a time"),
            ("attributes.host.name", "what is said of a process is part of each row"),
            ("attributes.clientType", "New Relic's own"),
            ("attributes.entityGuid", "New Relic's own"),
            ("attributes.entity.guid", "New Relic's own"),
            ("attributes.entity.name", "New Relic's own"),
            ("attributes.processBoundary", "New Relic's own"),
            ("attributes.newRelic.ingestPoint", "New Relic's own"),
        ],
    ),
    (
        "newrelic-nrql",
        &[
            ("older names", "agents write older names"),
            ("kind", "agents know servers, calls and steps only"),
            ("async", "without producers a call through a queue is like any other"),
            ("attributes.appName", "New Relic's own"),
            ("attributes.category", "New Relic's own"),
            ("attributes.component", "New Relic's own"),
            ("attributes.host", "New Relic's own"),
            ("attributes.nr.entryPoint", "New Relic's own"),
            ("attributes.peer.hostname", "a call names its host so"),
            ("attributes.server.address", "a call names its host `peer.hostname`"),
            ("attributes.sampled", "New Relic's own"),
            ("attributes.transactionId", "New Relic's own"),
        ],
    ),
    (
        "py",
        &[
            ("resource", "there is no place for what is said of a process"),
            ("attributes.host.name", "what is said of a process is an attribute of each span"),
            ("attributes.error.message", "where the script's own `error` is kept"),
            ("attributes.error.type", "where the script's own `error` is kept"),
        ],
    ),
    ("xray.", OF_SEGMENTS),
    ("xray-query", OF_SEGMENTS),
    ("xray-segments", OF_SEGMENTS),
    ("xray-daemon", OF_SEGMENTS),
    (
        "zipkin",
        &[
            ("types", "tags are texts"),
            ("kind", "there is no name for `internal`"),
            ("resource", "an endpoint has an address"),
            ("peer", "the other end of a message is the broker"),
            ("attributes.network.peer.address", "the address of the other end"),
            ("attributes.peer.service", "the name of the other end"),
            ("attributes.remoteEndpoint.serviceName", "the name of the other end"),
            ("analysis.dependencies", "calls are found by Zipkin's own rules"),
        ],
    ),
    ("zipkin-v1", &[("attributes.host.name", "what is said of a process is a tag of each span")]),
    (
        "zipkin.shared",
        &[
            ("shared", "both sides of a call have one id"),
            ("span_id", "both sides of a call have one id"),
            ("parent_span_id", "both sides of a call have one id"),
        ],
    ),
];

/// What segments of X-Ray do not carry, unlike the spans of OpenTelemetry that it also gives.
const OF_SEGMENTS: &[(&str, &str)] = &[
    ("operation", "a call is named by what it calls"),
    ("path", "a call is named by what it calls"),
    ("order", "a call is named by what it calls"),
    ("trace_id", "it is written `1-TIME-REST`"),
    ("attributes.db.namespace", "the call to a database is named so"),
    ("attributes.error.message", "an exception is of its span, without a time"),
    ("attributes.exception.stacktrace", "an exception is of its span, without a time"),
    ("attributes.exception.type", "an exception is of its span, without a time"),
    ("attributes.peer.service", "what is called is the name of the call"),
    ("attributes.server.address", "what is called is the name of the call"),
    ("attributes.service.peer.name", "what is called is the name of the call"),
    ("attributes.url.full", "a server has the whole address of its request"),
    ("resource", "the version of a service is of each segment"),
];

/// What else stands in a file on purpose, and is skipped: how often, and the words.
const SKIPPED: &[(&str, u64, &str)] = &[
    ("elastic-apm-intake.json", 4, "a line that is no transaction, span or error"),
    ("otlp.lines.jsonl", 1, "a value without spans (its first key is `resourceMetrics`)"),
];

/// Older names of conventions, and what they are now.
const OLDER_NAMES: [(&str, &str); 7] = [
    ("db.instance", "db.namespace"),
    ("db.name", "db.namespace"),
    ("db.statement", "db.query.text"),
    ("db.system", "db.system.name"),
    ("http.method", "http.request.method"),
    ("http.status_code", "http.response.status_code"),
    ("http.url", "url.full"),
];

/// Attributes that some formats have as attributes and others as fields of the span, which are compared.
const SIGNALS: [&str; 4] = ["span.kind", "error", "otel.status_code", "otel.status_description"];

const REFERENCE: &str = "jaeger.json";

/// What the binary says of each file: the normalized spans and the report.
static OUTPUTS: LazyLock<BTreeMap<String, (Vec<Value>, Value)>> = LazyLock::new(|| {
    let names = std::fs::read_dir(fixture("formats")).unwrap();
    names
        .map(|it| {
            let name = it.unwrap().file_name().into_string().unwrap();
            let path = fixture(&format!("formats/{name}"));
            let text = stdout(&["export", &path, "--to", "spans"]);
            let spans = text.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
            (name, (spans, json(&[&path])))
        })
        .collect()
});

/// All files but the one they are compared with.
fn files() -> Vec<&'static str> {
    OUTPUTS.keys().map(String::as_str).filter(|it| *it != REFERENCE).collect()
}

fn ignored(file: &str) -> Vec<&'static str> {
    let losses = LOSSES.iter().filter(|(prefix, _)| file.starts_with(prefix));
    losses.flat_map(|(_, fields)| fields.iter().map(|it| it.0)).collect()
}

/// The normalized spans, sorted, without what is not compared.
fn spans(file: &str, ignored: &[&str]) -> Vec<String> {
    let mut lines: Vec<String> = OUTPUTS[file].0.iter().map(|it| compared(it.clone(), ignored)).collect();
    lines.sort();
    lines
}

fn compared(mut span: Value, ignored: &[&str]) -> String {
    let fields = span.as_object_mut().unwrap();
    fields.retain(|key, _| !ignored.contains(&key.as_str()));
    if let Some(Value::Object(attributes)) = fields.get_mut("attributes") {
        let is_compared = |key: &str| {
            !SIGNALS.contains(&key) && !ignored.iter().any(|it| it.strip_prefix("attributes.") == Some(key))
        };
        let kept = std::mem::take(attributes).into_iter().filter(|(key, _)| is_compared(key));
        *attributes = kept.map(|(key, value)| attribute(key, value, ignored)).collect();
    }
    // With the keys in order.
    let fields: BTreeMap<&String, &Value> = fields.iter().collect();
    format!("{fields:?}")
}

fn attribute(key: String, value: Value, ignored: &[&str]) -> (String, Value) {
    let newer = OLDER_NAMES.iter().find(|(older, _)| *older == key && ignored.contains(&"older names"));
    let is_text = value.is_string() || !ignored.contains(&"types");
    (newer.map_or(key, |it| it.1.to_owned()), if is_text { value } else { Value::String(value.to_string()) })
}

fn analysis(file: &str, ignored: &[&str]) -> Value {
    let mut report = OUTPUTS[file].1.clone();
    report.as_object_mut().unwrap().retain(|key, _| key != "input");
    for section in ignored.iter().filter_map(|it| it.strip_prefix("analysis.")) {
        report.as_object_mut().unwrap().retain(|key, _| key != section);
    }
    forget(&mut report, ignored);
    report
}

/// Leaves fields out wherever they are, and the order of lists where it says nothing.
fn forget(value: &mut Value, ignored: &[&str]) {
    match value {
        Value::Object(members) => {
            members.retain(|key, _| !ignored.contains(&key.as_str()));
            members.values_mut().for_each(|it| forget(it, ignored));
        }
        Value::Array(items) => {
            items.iter_mut().for_each(|it| forget(it, ignored));
            if ignored.contains(&"order") {
                items.sort_by_key(Value::to_string);
            }
        }
        _ => {}
    }
}

#[test]
fn every_format_says_the_same_of_every_span() {
    for file in files() {
        let ignored = ignored(file);
        let (found, expected) = (spans(file, &ignored), spans(REFERENCE, &ignored));
        assert_eq!(found.len(), expected.len(), "{file}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{file}");
        }
    }
}

#[test]
fn every_format_gives_the_same_analysis() {
    for file in files() {
        let ignored = ignored(file);
        let (found, expected) = (analysis(file, &ignored), analysis(REFERENCE, &ignored));
        for (key, section) in expected.as_object().unwrap() {
            assert_eq!(&found[key], section, "{file}: {key}");
        }
    }
}

#[test]
fn the_format_is_the_one_in_the_name() {
    let formats: Value = serde_json::from_str(&stdout(&["--list-formats", "--json"])).unwrap();
    let formats: Vec<&str> = formats.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    let mut met = Vec::new();
    for (file, (_, report)) in &*OUTPUTS {
        let is_named = |it: &&&str| file.strip_prefix(**it).is_some_and(|rest| rest.starts_with(['.', '-']));
        let format = formats.iter().filter(is_named).max_by_key(|it| it.len()).unwrap();
        assert_eq!(report["input"]["sources"][0]["format"], *format, "{file}");
        met.push(*format);
    }
    for format in formats {
        assert!(met.contains(&format), "no file is in the format {format}");
    }
}

#[test]
fn nothing_is_lost_but_what_is_no_span() {
    for (file, (_, report)) in &*OUTPUTS {
        let input = &report["input"];
        assert_eq!(input["complete"], true, "{file}");
        let skipped: Vec<(u64, &str)> = input["skipped"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (it["count"].as_u64().unwrap(), it["reason"].as_str().unwrap()))
            .collect();
        let expected: Vec<(u64, &str)> = SKIPPED.iter().filter(|it| it.0 == file).map(|it| (it.1, it.2)).collect();
        assert_eq!(skipped, expected, "{file}");
    }
    assert!(SKIPPED.iter().all(|it| OUTPUTS.contains_key(it.0)));
}

#[test]
fn no_loss_is_listed_for_nothing() {
    for (prefix, fields) in LOSSES {
        for (field, why) in *fields {
            let differs = files().iter().filter(|it| it.starts_with(prefix)).any(|file| {
                let others: Vec<&str> = ignored(file).into_iter().filter(|it| it != field).collect();
                spans(file, &others) != spans(REFERENCE, &others)
                    || analysis(file, &others) != analysis(REFERENCE, &others)
            });
            assert!(differs, "{prefix}: {field} does not differ ({why})");
        }
    }
}
