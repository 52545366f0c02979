//! The reader against plain readings of random captures: the same content however it is written,
//! what it says, and which bytes are JSON at all.
//!
//! `ANALYZE_TRACES_CASES=20` makes twenty times as many cases, beginning with the usual ones. A
//! failing case is made small before it is shown.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code, reason = "a test that fails says where")]

#[path = "support/in_process.rs"]
mod in_process;
mod reader_reference;

use std::collections::BTreeMap;

use in_process::analyze;
use reader_reference::captures::{self, Taste};
use reader_reference::random::Random;
use reader_reference::writing::{self, Order, PLAIN, Shape, Space, Style};
use reader_reference::{Duration, Reading};
use serde_json::{Value, json};

/// As many cases as the environment asks for.
fn cases(usual: u64) -> std::ops::Range<u64> {
    let times = std::env::var("ANALYZE_TRACES_CASES").ok().and_then(|it| it.parse().ok()).unwrap_or(1);
    let from = std::env::var("ANALYZE_TRACES_FIRST").ok().and_then(|it| it.parse().ok()).unwrap_or(0);
    from..from + usual * times
}

/// Checks random captures, and makes the first that fails as small as it goes.
fn for_each_capture(usual: u64, taste: Taste, check: impl Fn(&[Value], u64) -> Result<(), String>) {
    for seed in cases(usual) {
        let capture = captures::capture(&mut Random::new(seed), taste);
        if check(&capture, seed).is_err() {
            let small = smaller(Value::from(capture), &|it| check(it, seed).is_err());
            let why = check(&small, seed).unwrap_err();
            panic!("seed {seed}: {why}\nof the capture {}", Value::from(small));
        }
    }
}

/// Takes away whatever can be taken away while it still fails.
fn smaller(mut capture: Value, fails: &dyn Fn(&[Value]) -> bool) -> Vec<Value> {
    let still_fails = |it: &Value| {
        let elements = it.as_array().unwrap();
        elements.first().is_some_and(captures::shows_a_trace) && fails(elements)
    };
    loop {
        let Some(next) = taken_away(&capture).find(|it| still_fails(it)) else {
            return capture.as_array().unwrap().clone();
        };
        capture = next;
    }
}

/// The value without one of its parts, for every part.
fn taken_away(value: &Value) -> Box<dyn Iterator<Item = Value> + '_> {
    match value {
        Value::Array(items) => Box::new((0..items.len()).flat_map(move |nth| {
            let mut without = items.clone();
            without.remove(nth);
            let within = taken_away(&items[nth]).map(move |it| {
                let mut changed = items.clone();
                changed[nth] = it;
                Value::from(changed)
            });
            std::iter::once(Value::from(without)).chain(within)
        })),
        Value::Object(object) => Box::new(object.iter().flat_map(move |(key, member)| {
            let mut without = object.clone();
            without.remove(key);
            let within = taken_away(member).map(move |it| {
                let mut changed = object.clone();
                changed[key] = it;
                Value::from(changed)
            });
            std::iter::once(Value::from(without)).chain(within)
        })),
        _ => Box::new(std::iter::empty()),
    }
}

/// The report without what depends on how the capture was written.
fn content(mut report: Value) -> Value {
    let input = report["input"].as_object_mut().unwrap();
    input.remove("sources");
    for skipped in input["skipped"].as_array_mut().unwrap() {
        skipped.as_object_mut().unwrap().remove("example");
    }
    report
}

/// What differs first, and where.
fn difference(one: &Value, two: &Value, path: &str) -> Option<String> {
    match (one, two) {
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            a.iter().find_map(|(key, it)| difference(it, &b[key], &format!("{path}.{key}")))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(nth, (a, b))| difference(a, b, &format!("{path}[{nth}]")))
        }
        _ => (one != two).then(|| format!("{path}: {one} and {two}")),
    }
}

fn expect_same(one: &Value, two: &Value, how: impl Fn() -> String) -> Result<(), String> {
    difference(one, two, "").map_or(Ok(()), |it| Err(format!("{it}\nwritten {}", how())))
}

// ------------------------------------------------------------------------- written differently

const EVERYTHING: [&str; 4] = ["--top", "0", "--examples", "1000000"];

fn report_of(args: &[&str], text: &str) -> Result<Value, String> {
    analyze(&[&EVERYTHING[..], args].concat(), text.as_bytes()).map(content)
}

#[test]
fn the_same_content_written_differently_gives_the_same_report() {
    for_each_capture(20, Taste::Odd, |capture, seed| {
        let mut random = Random::new(seed ^ 0x5eed);
        let plain = writing::write(capture, Shape::Envelope, PLAIN, &mut random);
        let expected = report_of(&["--threads", "1"], &plain)?;
        let fixed = [
            (Shape::Envelope, Style { space: Space::Pretty, ..PLAIN }),
            (Shape::Array, Style { space: Space::Random, ..PLAIN }),
            (Shape::Lines, Style { order: Order::ByName, ..PLAIN }),
            (Shape::Documents, Style { order: Order::Shuffled, ..PLAIN }),
            (Shape::Envelope, Style { escape: 3, ..PLAIN }),
        ];
        let random_ones = [0; 3].map(|_| (Shape::any(&mut random), Style::any(&mut random)));
        for (shape, style) in fixed.into_iter().chain(random_ones) {
            let threads = ["1", "3"][random.below(2) as usize];
            let text = writing::write(capture, shape, style, &mut random);
            let how = || format!("as {shape:?} in {style:?} for {threads} threads: {text}");
            let found = report_of(&["--threads", threads], &text).map_err(|it| format!("{it}\nwritten {}", how()))?;
            expect_same(&expected, &found, how)?;
        }
        Ok(())
    });
}

#[test]
fn the_order_of_traces_and_spans_cannot_be_seen() {
    for_each_capture(30, Taste::Odd, |capture, seed| {
        let mut random = Random::new(seed ^ 0x04de4);
        let plain = writing::write(capture, Shape::Envelope, PLAIN, &mut random);
        let expected = report_of(&["--threads", "1"], &plain)?;
        for _ in 0..3 {
            let text = writing::write(&writing::reordered(capture, &mut random), Shape::Array, PLAIN, &mut random);
            let found = report_of(&["--threads", "1"], &text)?;
            expect_same(&expected, &found, || format!("as {text}"))?;
        }
        Ok(())
    });
}

#[test]
fn two_files_say_the_same_as_one() {
    let directory = tempfile::tempdir().unwrap();
    let paths = ["a.json", "b.json"].map(|it| directory.path().join(it));
    let [a, b] = paths.each_ref().map(|it| it.to_str().unwrap());
    for_each_capture(30, Taste::Odd, |capture, seed| {
        let mut random = Random::new(seed ^ 0x2f11e5);
        let plain = writing::write(capture, Shape::Envelope, PLAIN, &mut random);
        let expected = report_of(&["--threads", "1"], &plain)?;
        let mut parts = [Vec::new(), Vec::new()];
        for element in capture {
            parts[random.below(2) as usize].push(element.clone());
        }
        let [Some(one), Some(two)] = parts.map(writing::with_a_trace_first) else { return Ok(()) };
        for (path, part) in paths.iter().zip([one, two]) {
            let (shape, style) = (Shape::any(&mut random), Style::any(&mut random));
            std::fs::write(path, writing::write(&part, shape, style, &mut random)).unwrap();
        }
        let threads = ["1", "3"][random.below(2) as usize];
        let found = report_of(&["--threads", threads, b, a], "")?;
        expect_same(&expected, &found, || format!("to two files for {threads} threads"))
    });
}

// -------------------------------------------------------------------------------- large captures

/// How many bytes the program reads before it hands elements on.
const PIECE: usize = 1 << 20;

#[test]
fn elements_may_lie_across_the_pieces_that_are_read() {
    for seed in cases(2) {
        let mut random = Random::new(seed ^ 0x9ece);
        let mut capture = Vec::new();
        for nth in 0..2 {
            capture.extend(captures::capture(&mut Random::new(seed * 10 + nth), Taste::Odd));
        }
        let style = Style { escape: 0, ..Style::any(&mut random) };
        let parts: Vec<String> = capture.iter().map(|it| writing::write_value(it, style, &mut random)).collect();
        let expected = report_of(&["--threads", "1"], &format!("[{}]", parts.join(","))).unwrap();
        let mut text = "[".to_owned();
        for (nth, part) in parts.iter().enumerate() {
            if nth > 0 {
                text.push(',');
                push_up_to_an_edge(&mut text, part, &mut random);
            } else {
                text.push_str(part);
            }
        }
        text.push(']');
        for threads in ["1", "3"] {
            let found = report_of(&["--threads", threads], &text).unwrap();
            if let Some(it) = difference(&expected, &found, "") {
                panic!("seed {seed}, {threads} threads, {} bytes: {it}", text.len());
            }
        }
    }
}

/// Adds an element, every other time behind so much white space, or with an unknown member so full of
/// what looks like structure, that the edge of a piece lies within it.
fn push_up_to_an_edge(text: &mut String, element: &str, random: &mut Random) {
    let before_edge = random.below(element.len() as u64 + 40) as usize;
    let n_bytes = (PIECE - text.len() % PIECE).saturating_sub(before_edge);
    let has_members = element.starts_with('{') && !element[1..].trim_start().starts_with('}');
    match random.below(4) {
        0 | 1 => text.push_str(element),
        2 if has_members => {
            let filler = ["xx", "\\\"", "}}", "\\\\", "é", "[{"][random.below(6) as usize].repeat(n_bytes / 2);
            text.push_str(&format!("{{\"filler\":\"{filler}\",{}", &element[1..]));
        }
        _ => {
            text.push_str(&" \n".repeat(n_bytes / 2));
            text.push_str(element);
        }
    }
}

#[test]
fn a_trace_may_be_larger_than_a_piece() {
    for seed in cases(1) {
        let mut random = Random::new(seed ^ 0xb16);
        let capture = captures::capture(&mut random, Taste::Odd);
        let span = json!({"traceID": "b19", "operationName": "step", "startTime": 1_700_000_000_000_000_u64, "duration": 5,
            "processID": "p", "references": [{"refType": "CHILD_OF", "traceID": "b19", "spanID": "0"}]});
        let spans: Vec<Value> = (0..6_000)
            .map(|nth| {
                let mut span = span.clone();
                span["spanID"] = json!(format!("{:x}", nth + 1));
                span
            })
            .collect();
        let huge = json!({"traceID": "b19", "spans": spans, "processes": {"p": {"serviceName": "web"}}});
        let of_huge = analyze(&EVERYTHING, Value::from(vec![huge.clone()]).to_string().as_bytes()).unwrap();
        assert_eq!(of_huge["summary"]["span_count"], json!(6_000));
        let mut all = capture.clone();
        all.insert(random.between(1, capture.len() as u64) as usize, huge);
        let plain = writing::write(&all, Shape::Lines, PLAIN, &mut random);
        assert!(plain.len() > PIECE);
        let expected = report_of(&["--threads", "1"], &plain).unwrap();
        for threads in ["1", "3"] {
            let style = Style { space: Space::Random, order: Order::Shuffled, escape: 50 };
            let text = writing::write(&all, Shape::Envelope, style, &mut random);
            let found = report_of(&["--threads", threads], &text).unwrap();
            assert_eq!(difference(&expected, &found, ""), None, "seed {seed}, {threads} threads");
        }
    }
}

// ------------------------------------------------------------------------------- a second reading

#[test]
fn a_plain_reading_finds_the_same() {
    for_each_capture(150, Taste::Odd, |capture, seed| {
        let mut random = Random::new(seed ^ 0x4ead);
        let (shape, style) = (Shape::any(&mut random), Style::any(&mut random));
        let text = writing::write(capture, shape, style, &mut random);
        let flags = ["--performance", "--critical-path", "--errors", "--dependencies"];
        let found = report_of(&[&flags[..], &["--threads", "2"]].concat(), &text)?;
        let reading = reader_reference::read(capture);
        compare(&reading, &found).map_err(|it| format!("{it}\nread {reading:#?}"))
    });
}

fn compare(reading: &Reading, found: &Value) -> Result<(), String> {
    let same = |what: &str, expected: Value, found: &Value| expect_same(&expected, found, || format!("in {what}"));
    let spans = || reading.traces.iter().flat_map(|it| &it.spans);
    let sum = |of: fn(&reader_reference::Trace) -> u64| Value::from(reading.traces.iter().map(of).sum::<u64>());
    same("summary.trace_count", reading.traces.len().into(), &found["summary"]["trace_count"])?;
    same("summary.span_count", spans().count().into(), &found["summary"]["span_count"])?;

    let skipped = found["input"]["skipped"].as_array().unwrap();
    let skipped: BTreeMap<&str, u64> =
        skipped.iter().map(|it| (it["reason"].as_str().unwrap(), it["count"].as_u64().unwrap())).collect();
    same("input.skipped", json!(reading.skipped), &json!(skipped))?;

    let repaired = &found["input"]["repaired"];
    let joined = repaired["duplicate_spans"].as_u64().unwrap() + repaired["merged_spans"].as_u64().unwrap();
    same("duplicate_spans and merged_spans", sum(|it| it.joined), &joined.into())?;
    same("renamed_spans", sum(|it| it.renamed), &repaired["renamed_spans"])?;
    same("shared_spans", sum(|it| it.shared), &repaired["shared_spans"])?;
    same("cycles", sum(|it| it.cycles), &repaired["cycles"])?;
    same("foreign_references", sum(|it| it.foreign_references), &repaired["foreign_references"])?;
    same("missing_starts", sum(|it| it.missing_starts), &repaired["missing_starts"])?;
    same("repeated_traces", reading.repeated_traces.into(), &repaired["repeated_traces"])?;
    same("split_traces", reading.split_traces.into(), &repaired["split_traces"])?;
    let count = |test: fn(&reader_reference::Span) -> bool| Value::from(spans().filter(|it| test(it)).count());
    let (negative, missing) =
        (count(|it| it.duration == Duration::Negative), count(|it| it.duration == Duration::Missing));
    if joined == 0 {
        same("negative_durations", negative, &repaired["negative_durations"])?;
        same("missing_durations", missing, &repaired["missing_durations"])?;
    } else {
        // Of two reports without a duration either reason may be the one that is told.
        let both = [&repaired["negative_durations"], &repaired["missing_durations"]].map(|it| it.as_u64().unwrap());
        let expected = negative.as_u64().unwrap() + missing.as_u64().unwrap();
        same("unknown durations", expected.into(), &both.iter().sum::<u64>().into())?;
    }
    same("missing_processes", count(|it| it.service.is_none()), &repaired["missing_processes"])?;
    same("orphans", count(|it| it.parent.is_none() && it.named), &repaired["orphans"])?;

    let mut roots: Vec<[&str; 2]> =
        reading.traces.iter().flat_map(|trace| trace.roots().map(|it| [trace.id.as_str(), it.id.as_str()])).collect();
    roots.sort_unstable();
    let mut found_roots: Vec<[&str; 2]> = found["critical_paths"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| ["trace_id", "root_span_id"].map(|key| it[key].as_str().unwrap()))
        .collect();
    found_roots.sort_unstable();
    same("the roots of critical_paths", json!(roots), &json!(found_roots))?;
    compare_operations(reading, found)?;
    compare_services(reading, found)
}

fn compare_operations(reading: &Reading, found: &Value) -> Result<(), String> {
    let mut operations: BTreeMap<(&str, &str, Option<String>), [u64; 3]> = BTreeMap::new();
    for span in reading.traces.iter().flat_map(|it| &it.spans) {
        let kind = span.kind.map(|it| format!("{it:?}").to_lowercase());
        let [count, errors, total_ns] = operations.entry((span.service(), &span.operation, kind)).or_default();
        *count += 1;
        *errors += u64::from(span.error);
        if let Duration::Ns(ns) = span.duration {
            *total_ns += ns as u64;
        }
    }
    let mut found_operations = BTreeMap::new();
    for it in found["performance"]["operations"].as_array().unwrap() {
        let kind = it["kind"].as_str().map(str::to_owned);
        let total_ns = (it["total_ms"].as_f64().unwrap_or(0.0) * 1e6).round() as u64;
        found_operations.insert(
            (it["service"].as_str().unwrap(), it["operation"].as_str().unwrap(), kind),
            [it["count"].as_u64().unwrap(), it["errors"].as_u64().unwrap(), total_ns],
        );
    }
    if operations == found_operations {
        return Ok(());
    }
    Err(format!("the operations are {operations:?} and not {found_operations:?}"))
}

fn compare_services(reading: &Reading, found: &Value) -> Result<(), String> {
    let mut services: BTreeMap<&str, u64> = BTreeMap::new();
    let mut errors: BTreeMap<&str, Vec<[&str; 2]>> = BTreeMap::new();
    for trace in &reading.traces {
        for span in &trace.spans {
            *services.entry(span.service()).or_default() += 1;
            if span.error {
                errors.entry(span.service()).or_default().push([&trace.id, &span.id]);
            }
        }
    }
    errors.values_mut().for_each(|it| it.sort_unstable());
    let mut found_errors = BTreeMap::new();
    for (service, it) in found["errors"]["errors_by_service"].as_object().unwrap() {
        let examples = it["examples"].as_array().unwrap().iter();
        let mut ids: Vec<[&str; 2]> =
            examples.map(|it| ["trace_id", "span_id"].map(|key| it[key].as_str().unwrap())).collect();
        ids.sort_unstable();
        found_errors.insert(service.as_str(), ids);
    }
    expect_same(&json!(errors), &json!(found_errors), || "in errors.errors_by_service".to_owned())?;
    let mut found_services = BTreeMap::new();
    for (service, it) in found["dependencies"]["services"].as_object().unwrap() {
        if it["instrumented"] == json!(true) {
            found_services.insert(service.as_str(), it["call_count"].as_u64().unwrap());
        }
    }
    expect_same(&json!(services), &json!(found_services), || "in dependencies.services".to_owned())
}

// -------------------------------------------------------------------------------- broken captures

/// Bytes changed somewhere.
fn mutated(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..[1, 1, 1, 2, 4][random.below(5) as usize] {
        let at = random.below(bytes.len() as u64) as usize;
        let longest = [1, 1, 9, 200][random.below(4) as usize];
        let to = (at + random.between(1, longest) as usize).min(bytes.len());
        match random.below(6) {
            0 => bytes[at] = some_byte(random),
            1 => bytes[at] ^= 1 << random.below(8),
            2 => drop(bytes.drain(at..to)),
            3 => bytes.insert(at, some_byte(random)),
            4 => bytes.truncate(at.max(1)),
            _ => {
                let piece = bytes[at..to].to_vec();
                let there = random.below(bytes.len() as u64) as usize;
                bytes.splice(there..there, piece);
            }
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

fn some_byte(random: &mut Random) -> u8 {
    const TELLING: &[u8] = b"{}[]\",:\\ \n0-+.eEtfnu/x\x00\x1f\x7f\x80\xc3\xed\xef\xff";
    if random.one_in(3) { random.below(256) as u8 } else { TELLING[random.below(TELLING.len() as u64) as usize] }
}

/// A capture as bytes, now and then with a value nested about as deep as can be read.
fn written(capture: &[Value], random: &mut Random) -> String {
    let mut style = Style::any(random);
    style.escape = style.escape.min(5) * 8;
    let mut text = writing::write(capture, Shape::any(random), style, random);
    if random.one_in(4) {
        let depth = random.between(110, 135) as usize;
        let (open, close) = if random.one_in(2) { ("[", "]") } else { ("{\"a\":", "}") };
        let deep = format!("{}0{}", open.repeat(depth), close.repeat(depth));
        if let Some(at) = text.find("null").filter(|_| random.one_in(2)) {
            text.replace_range(at..at + 4, &deep);
        } else {
            text.push_str(&format!("{{\"data\":[],\"deep\":{deep}}}"));
        }
    }
    text
}

#[test]
fn exactly_json_is_read() {
    for_each_capture(25, Taste::Odd, |capture, seed| {
        let mut random = Random::new(seed ^ 0xb4d);
        let text = written(capture, &mut random);
        for nth in 0..10 {
            let bytes = if nth == 0 { text.clone().into_bytes() } else { mutated(text.as_bytes(), &mut random) };
            let threads = ["1", "3"][random.below(2) as usize];
            let found = analyze(&["--threads", threads], &bytes);
            agrees_with_serde(&bytes, found.as_ref())
                .map_err(|it| format!("{it}\nof the bytes {}", String::from_utf8_lossy(&bytes)))?;
        }
        Ok(())
    });
}

/// Whether a run judged bytes as serde_json does.
fn agrees_with_serde(bytes: &[u8], found: Result<&Value, &String>) -> Result<(), String> {
    // A mark at the very beginning is read over.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let expected = match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::Deserializer::from_str(text)
            .into_iter::<Value>()
            .collect::<Result<Vec<Value>, _>>()
            .map_err(|it| it.to_string()),
        Err(err) => Err(err.to_string()),
    };
    match (&expected, found) {
        (Ok(_), Ok(_)) | (Err(_), Err(_)) => Ok(()),
        // Depth is counted from the element, which stands below the envelope and its array.
        (Err(theirs), Ok(_)) if theirs.starts_with("recursion limit") && depth(bytes) < 128 + 2 => Ok(()),
        (Ok(values), Err(ours)) if is_json_but_no_capture(values, ours) => Ok(()),
        _ => Err(format!("serde_json says {expected:?}, we say {found:?}")),
    }
}

/// How deep brackets are nested.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Whether these values, well-formed as they are, are refused for this reason and rightly so.
fn is_json_but_no_capture(values: &[Value], why: &str) -> bool {
    let says = |words: &str| why.contains(words);
    let is_scalar = |it: &Value| !it.is_object() && !it.is_array();
    let Some(first) = values.first() else { return says("it is empty") };
    if says("expected `{` or `[`") {
        return values.iter().any(is_scalar);
    }
    if says("of no format known here") || says("a list of names") {
        return !shows_jaeger(first);
    }
    if says("expected an array, an object or null") {
        return values.iter().any(|it| it.get("data").is_some_and(|it| is_scalar(it) && !it.is_null()));
    }
    if says("a server's error") {
        return values.iter().any(|it| !it["errors"].is_null() || !it["error"].is_null());
    }
    false
}

/// Whether the first thing in a document that could be a trace or a span has a trace id.
fn shows_jaeger(document: &Value) -> bool {
    let elements = match document.get("data").unwrap_or(document) {
        Value::Array(elements) => elements.as_slice(),
        other => std::slice::from_ref(other),
    };
    let first = elements.iter().find(|it| it.as_object().is_some_and(|it| !it.is_empty()));
    first.is_some_and(|it| it.get("traceID").is_some())
}

/// Sound traces as separate texts, in a frame.
struct Framed {
    text: String,
    /// Where each trace stands.
    traces: Vec<(std::ops::Range<usize>, String)>,
}

fn framed(capture: &[Value], random: &mut Random) -> Framed {
    let style = Style { escape: 0, ..Style::any(random) };
    let (open, between, close) = [
        ("{\"data\":[", ",", "],\"total\":0,\"limit\":0,\"offset\":0,\"errors\":null}"),
        ("[", " ,\n", "]"),
        ("", "\n", "\n"),
        ("{\"data\":[", "]}\n{\"data\":[", "]}"),
    ][random.below(4) as usize];
    let mut text = open.to_owned();
    let mut traces = Vec::new();
    for trace in capture {
        if !traces.is_empty() {
            text.push_str(between);
        }
        let start = text.len();
        text.push_str(&writing::write_value(trace, style, random));
        traces.push((start..text.len(), trace["traceID"].as_str().unwrap_or_default().to_owned()));
    }
    text.push_str(close);
    Framed { text, traces }
}

fn trace_ids(report: &Value) -> Vec<&str> {
    report["critical_paths"].as_array().unwrap().iter().map(|it| it["trace_id"].as_str().unwrap()).collect()
}

/// Why a source is given up whatever `--lenient` says: nothing at its head shows what it is.
const NOT_DETECTED: [&str; 4] = ["of no format known here", "a list of names", "it is empty", "not JSON"];

#[test]
fn lenient_loses_no_trace_before_the_fault() {
    for_each_capture(20, Taste::Sound, |capture, seed| {
        let mut random = Random::new(seed ^ 0x1e41e47);
        let Framed { text, traces } = framed(capture, &mut random);
        for _ in 0..10 {
            let bytes = mutated(text.as_bytes(), &mut random);
            let at = bytes.iter().zip(text.as_bytes()).take_while(|(a, b)| a == b).count();
            let threads = ["1", "3"][random.below(2) as usize];
            let found = analyze(&["--lenient", "--top", "0", "--threads", threads], &bytes);
            let shown = || format!("changed at {at}: {}", String::from_utf8_lossy(&bytes));
            let intact: Vec<&str> = traces.iter().filter(|it| it.0.end <= at).map(|it| it.1.as_str()).collect();
            match found {
                Err(why) if intact.is_empty() => {
                    if !NOT_DETECTED.iter().chain(&["a server's error"]).any(|it| why.contains(it)) {
                        return Err(format!("{why}\n{}", shown()));
                    }
                }
                Err(why) => return Err(format!("{why}\n{}", shown())),
                Ok(report) => {
                    let found = trace_ids(&report);
                    if let Some(lost) = intact.iter().find(|it| !found.contains(it)) {
                        return Err(format!("trace {lost} is lost\n{}", shown()));
                    }
                    let n_ids = String::from_utf8_lossy(&bytes).matches("\"spanID\"").count() as u64;
                    if report["summary"]["span_count"].as_u64().unwrap() > n_ids {
                        return Err(format!("more spans than there are\n{}", shown()));
                    }
                }
            }
        }
        Ok(())
    });
}

#[test]
fn lenient_loses_only_the_trace_that_is_broken() {
    for_each_capture(20, Taste::Sound, |capture, seed| {
        let mut random = Random::new(seed ^ 0x0417);
        let Framed { text, traces } = framed(capture, &mut random);
        for _ in 0..10 {
            // One byte, strictly inside a trace.
            let (broken, id) = &traces[random.below(traces.len() as u64) as usize];
            let at = random.between(broken.start as u64 + 1, broken.end as u64 - 2) as usize;
            let mut bytes = text.clone().into_bytes();
            match random.below(3) {
                0 => bytes[at] = some_byte(&mut random),
                1 => bytes.insert(at, some_byte(&mut random)),
                _ => drop(bytes.remove(at)),
            }
            let threads = ["1", "3"][random.below(2) as usize];
            let shown = || format!("changed at {at}, in {id}: {}", String::from_utf8_lossy(&bytes));
            let report = match analyze(&["--lenient", "--top", "0", "--threads", threads], &bytes) {
                Err(why) if NOT_DETECTED.iter().any(|it| why.contains(it)) && broken.start == traces[0].0.start => {
                    continue;
                }
                other => other.map_err(|it| format!("{it}\n{}", shown()))?,
            };
            let found = trace_ids(&report);
            if let Some((_, lost)) = traces.iter().find(|it| it.1 != *id && !found.contains(&it.1.as_str())) {
                return Err(format!("trace {lost} is lost\n{}", shown()));
            }
            let n_lost = &report["input"]["skipped"];
            let is_broken = report["input"]["complete"] == json!(false);
            let n_pieces = n_lost.as_array().unwrap().iter().find(|it| it["reason"] == "a broken piece of the file");
            let n_pieces = n_pieces.map_or(0, |it| it["count"].as_u64().unwrap());
            if is_broken != (n_pieces > 0) || n_pieces > 2 {
                return Err(format!("{n_pieces} pieces are broken\n{}", shown()));
            }
        }
        Ok(())
    });
}

// ------------------------------------------------------------------------- found by the tests above

fn span(trace: &str, id: &str) -> Value {
    json!({"traceID": trace, "spanID": id, "operationName": "op", "startTime": 1_700_000_000_000_000_u64, "duration": 5})
}

fn trace(id: &str, spans: &[Value]) -> Value {
    json!({"traceID": id, "spans": spans})
}

/// The same report from these elements in both orders.
fn both_ways(elements: &[Value]) -> Value {
    let mut elements = elements.to_vec();
    let forwards = report_of(&[], &Value::from(elements.clone()).to_string()).unwrap();
    elements.reverse();
    let backwards = report_of(&[], &Value::from(elements).to_string()).unwrap();
    assert_eq!(difference(&forwards, &backwards, ""), None);
    forwards
}

#[test]
fn a_span_that_stands_alone_is_joined_with_its_trace_before_or_after_it() {
    // Before it, everything was read again and again without end; after it, no trace counted as split.
    let report = both_ways(&[span("1", "a"), trace("1", &[span("1", "b")]), trace("2", &[span("2", "a")])]);
    assert_eq!(report["summary"]["span_count"], json!(3));
    assert_eq!(report["input"]["repaired"]["split_traces"], json!(1));
}

#[test]
fn a_copy_met_again_beside_another_copy_counts_once() {
    let copies = [trace("1", &[span("1", "a")]), trace("1", &[span("1", "b")]), trace("1", &[span("1", "a")])];
    let repaired = &both_ways(&copies)["input"]["repaired"];
    assert_eq!([&repaired["repeated_traces"], &repaired["split_traces"]], [&json!(1), &json!(1)]);
}

#[test]
fn a_start_that_cannot_be_is_counted_however_its_trace_is_put_together() {
    let at_5 = |id: &str| {
        let mut span = span("1", id);
        span["startTime"] = json!(5);
        span
    };
    let (a, b) = (at_5("a"), at_5("b"));
    for elements in [
        vec![trace("1", &[a.clone(), b.clone()])],
        vec![trace("1", std::slice::from_ref(&a)), trace("1", std::slice::from_ref(&b))],
        vec![a, b],
    ] {
        assert_eq!(both_ways(&elements)["input"]["skipped"][0]["count"], json!(1), "{elements:?}");
    }
}

#[test]
fn a_trace_id_is_shown_in_one_spelling_whichever_comes_first() {
    for (elements, shown) in [
        // Equally long ones in one trace, in two copies of it; a longer one on the element of several traces.
        (vec![trace("aB", &[span("AB", "1"), span("ab", "2")])], "AB"),
        (vec![trace("aB", &[span("ab", "2"), span("AB", "1")])], "AB"),
        (vec![trace("ab", &[span("ab", "1")]), trace("AB", &[span("AB", "1")])], "AB"),
        (vec![trace("ab", &[span("ab", "1")]), trace("00ab", &[span("00ab", "1")])], "00ab"),
        (vec![trace("00ab", &[span("ab", "1"), span("cd", "2")])], "00ab"),
    ] {
        let report = both_ways(&elements);
        assert!(trace_ids(&report).contains(&shown), "{elements:?}: {:?}", trace_ids(&report));
    }
}

#[test]
fn copies_that_differ_in_why_a_duration_is_unknown_are_two() {
    let copies = [json!(-5), Value::Null].map(|duration| {
        let mut span = span("1", "a");
        span["duration"] = duration;
        trace("1", &[span])
    });
    assert_eq!(both_ways(&copies)["input"]["repaired"]["split_traces"], json!(1));
}

#[test]
fn an_object_as_a_tag_reads_the_same_however_it_is_written() {
    let report = |statement: &str| {
        let span = span("1", "a").to_string();
        let tags = format!("{{\"tags\":[{{\"key\":\"db.statement\",\"value\":{statement}}}],");
        report_of(&[], &format!("[{{\"spans\":[{tags}{}]}}]", &span[1..])).unwrap()
    };
    let plain = report(r#"{"find":"users","where":{"id":1}}"#);
    assert_eq!(difference(&plain, &report("{ \"where\" : {\"id\": 1},\n\"f\\u0069nd\":\"users\" }"), ""), None);
}

#[test]
fn lenient_goes_on_with_the_very_next_line() {
    // Every other line behind the fault was lost.
    let line = |id: &str| trace(id, &[span(id, "a")]).to_string();
    let broken = line("2").replace("spanID\":", "spanID\";");
    let lines = [line("1"), broken, line("3"), line("4"), line("5")].join("\n");
    let report = analyze(&["--lenient"], lines.as_bytes()).unwrap();
    assert_eq!(trace_ids(&report), ["1", "3", "4", "5"]);
    assert_eq!(report["input"]["incomplete_reasons"].as_array().unwrap().len(), 1);
}

#[test]
fn lenient_goes_on_with_the_next_line_of_bare_spans() {
    let span = |trace: &str| {
        format!(
            r#"{{"traceID":"{trace}","spanID":"1","operationName":"x","startTime":1793527200000000,"duration":10,"process":{{"serviceName":"s"}}}}"#
        )
    };
    let lines = format!("{}\n{}\n{}\n{}\n", span("a1"), &span("a2")[..70], span("a3"), span("a4"));
    let report = analyze(&["--lenient"], lines.as_bytes()).unwrap();
    assert_eq!(report["summary"]["trace_count"], 3, "{report}");
}

#[test]
fn lenient_keeps_the_trace_before_which_a_comma_is_missing() {
    let text = |id: &str| trace(id, &[span(id, "a")]).to_string();
    let capture = format!("[{}{},{}]", text("1"), text("2"), text("3"));
    let report = analyze(&["--lenient"], capture.as_bytes()).unwrap();
    assert_eq!(trace_ids(&report), ["1", "2", "3"]);
    assert_eq!(report["input"]["complete"], json!(false));
}
