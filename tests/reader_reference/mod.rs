//! Jaeger captures read a second time, plainly: from `DESIGN.md` section 6 and the list of quirks,
//! over whole values in memory, without a line of the program under test.

pub mod captures;
pub mod random;
pub mod writing;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// 2000-01-01 and 2100-01-01.
const PLAUSIBLE_NS: std::ops::Range<i64> = 946_684_800_000_000_000..4_102_444_800_000_000_000;
/// No time is farther from 1970.
const FARTHEST_NS: i64 = i64::MAX / 2;

/// What a capture says.
#[derive(Debug, Default)]
pub struct Reading {
    pub traces: Vec<Trace>,
    /// What was left out, by reason.
    pub skipped: BTreeMap<String, u64>,
    pub repeated_traces: u64,
    pub split_traces: u64,
}

/// One trace with its doubled spans settled and its parents found.
#[derive(Debug)]
pub struct Trace {
    pub id: String,
    pub spans: Vec<Span>,
    /// Spans dropped because another report of them was kept.
    pub joined: u64,
    pub renamed: u64,
    pub shared: u64,
    pub cycles: u64,
    pub foreign_references: u64,
    pub missing_starts: u64,
    start_ns: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub id: String,
    pub service: Option<String>,
    pub operation: String,
    pub kind: Option<Kind>,
    /// After gaps were filled, always some.
    pub start_ns: Option<i64>,
    pub duration: Duration,
    pub error: bool,
    references: Vec<Reference>,
    /// Tags and logs, to tell copies apart.
    rest: Vec<Value>,
    shared: bool,
    /// Index of the parent.
    pub parent: Option<usize>,
    /// A parent in this trace was named, found or not.
    pub named: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Server,
    Client,
    Producer,
    Consumer,
    Internal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Duration {
    Ns(i64),
    Negative,
    Missing,
}

#[derive(Clone, Debug)]
struct Reference {
    trace: Option<String>,
    span: String,
    follows: bool,
}

impl PartialEq for Reference {
    /// However the ids are spelled.
    fn eq(&self, other: &Reference) -> bool {
        let key = |it: &Reference| (it.trace.as_deref().map(id_key), id_key(&it.span), it.follows);
        key(self) == key(other)
    }
}

impl Eq for Reference {}

/// A trace, or a part of one, as it stands in the capture.
#[derive(Clone, Debug)]
struct Part {
    id: String,
    spans: Vec<Span>,
    /// What its server says of its clocks, and of spans it left out.
    said: (bool, Option<String>),
    /// A span that stands alone, of a trace whose others stand elsewhere.
    loose: bool,
}

impl Span {
    pub fn service(&self) -> &str {
        self.service.as_deref().unwrap_or("unknown-service")
    }
}

impl Trace {
    pub fn roots(&self) -> impl Iterator<Item = &Span> {
        self.spans.iter().filter(|it| it.parent.is_none())
    }
}

/// Reads the elements of a capture.
pub fn read(elements: &[Value]) -> Reading {
    let mut reading = Reading::default();
    let mut by_id: BTreeMap<IdKey, Vec<Part>> = BTreeMap::new();
    for element in elements {
        for part in parts(element, &mut reading.skipped) {
            by_id.entry(id_key(&part.id)).or_default().push(part);
        }
    }
    for parts in by_id.into_values() {
        let mut copies: Vec<Part> = Vec::new();
        let mut loose: Vec<Part> = Vec::new();
        for part in parts {
            if part.loose {
                loose.push(part);
            } else if copies.iter().any(|it| is_same(it, &part)) {
                reading.repeated_traces += 1;
            } else {
                copies.push(part);
            }
        }
        reading.split_traces += u64::from(copies.len() + usize::from(!loose.is_empty()) > 1);
        copies.extend(loose);
        let id = copies.iter().map(|it| it.id.clone()).reduce(longer).unwrap();
        let trace = settle(id, copies.into_iter().flat_map(|it| it.spans).collect());
        if !PLAUSIBLE_NS.contains(&trace.start_ns) {
            let reason = "a trace start before 2000 or after 2099 (left out of the timeline and of time ranges)";
            *reading.skipped.entry(reason.to_owned()).or_default() += 1;
        }
        reading.traces.push(trace);
    }
    reading
}

fn is_same(one: &Part, two: &Part) -> bool {
    let mut rest: Vec<&Span> = two.spans.iter().collect();
    one.id == two.id
        && one.said == two.said
        && one.spans.len() == two.spans.len()
        && one.spans.iter().all(|it| rest.iter().position(|other| *other == it).map(|at| rest.remove(at)).is_some())
}

// ------------------------------------------------------------------------------------------- ids

/// What of an id is compared: the number, or else the text.
type IdKey = (Option<u128>, String);

fn id_key(text: &str) -> IdKey {
    let is_hex = text.len() <= 32 && text.bytes().all(|it| it.is_ascii_hexdigit());
    match u128::from_str_radix(text, 16) {
        Ok(number) if is_hex => (Some(number), String::new()),
        _ => (None, text.to_owned()),
    }
}

/// Numbers before texts.
fn id_order(text: &str) -> (bool, IdKey) {
    let key = id_key(text);
    (key.0.is_none(), key)
}

fn same_id(one: &str, two: &str) -> bool {
    id_key(one) == id_key(two)
}

/// The longest spelling; of equally long ones the first by name.
fn longer(one: String, two: String) -> String {
    let key = |it: &String| (std::cmp::Reverse(it.len()), it.clone());
    if key(&two) < key(&one) { two } else { one }
}

// --------------------------------------------------------------------------------------- reading

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn some_text(value: &Value) -> Option<String> {
    text(value).filter(|it| !it.is_empty())
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The traces of which an element holds spans.
fn parts(element: &Value, skipped: &mut BTreeMap<String, u64>) -> Vec<Part> {
    let mut skip = |reason: &str| *skipped.entry(reason.to_owned()).or_default() += 1;
    let Some(object) = element.as_object() else {
        skip("not a trace where one belongs");
        return Vec::new();
    };
    let mut spans = items(&element["spans"]);
    let mut trace_id = some_text(&element["traceID"]);
    let mut loose = false;
    if spans.is_empty() {
        if !["spanID", "operationName", "startTime", "process"].iter().any(|it| object.contains_key(*it)) {
            skip("a trace without spans");
            return Vec::new();
        }
        loose = true;
        trace_id = None;
        spans = std::slice::from_ref(element);
    }
    let said = server_says(element);
    let processes = if loose { &Value::Null } else { &element["processes"] };
    let mut parts: Vec<Part> = Vec::new();
    for span in spans {
        if !span.is_object() {
            skip("not a span where one belongs");
            continue;
        }
        match read_span(span, processes) {
            Err(reason) => skip(reason),
            Ok(read) => {
                let Some(id) = some_text(&span["traceID"]).or_else(|| trace_id.clone()) else {
                    skip("a span without a trace id");
                    continue;
                };
                match parts.iter_mut().find(|it| same_id(&it.id, &id)) {
                    Some(part) => {
                        part.id = longer(std::mem::take(&mut part.id), id);
                        part.spans.push(read);
                    }
                    None => parts.push(Part { id, spans: vec![read], said: said.clone(), loose }),
                }
            }
        }
    }
    for part in &mut parts {
        if let Some(id) = trace_id.as_ref().filter(|it| same_id(it, &part.id)) {
            part.id = longer(std::mem::take(&mut part.id), id.clone());
        }
        // A reference to the own trace is none to another.
        for reference in part.spans.iter_mut().flat_map(|it| &mut it.references) {
            reference.trace = reference.trace.take().filter(|it| !same_id(it, &part.id));
        }
    }
    parts
}

fn server_says(element: &Value) -> (bool, Option<String>) {
    let lists = std::iter::once(element).chain(items(&element["spans"])).map(|it| &it["warnings"]);
    let words: Vec<&str> = lists.flat_map(items).filter_map(Value::as_str).collect();
    let has = |text: &str| words.iter().filter(|it| it.contains(text)).max().map(|it| (*it).to_owned());
    (has("timestamps were adjusted by").is_some(), has("spans, showing first"))
}

fn read_span(span: &Value, processes: &Value) -> Result<Span, &'static str> {
    let operation = match &span["operationName"] {
        Value::Null => String::new(),
        other => text(other).ok_or("a span whose operation is not a text")?,
    };
    let id = some_text(&span["spanID"]).ok_or("a span without an id")?;
    let start_ns = match micros(&span["startTime"]) {
        Time::Ns(ns) => Some(ns),
        Time::Missing => None,
        Time::TooLarge => return Err("a span whose times do not fit"),
        Time::Nonsense => return Err("a span whose start is not a number"),
    };
    let duration = match micros(&span["duration"]) {
        Time::Ns(ns) if ns < 0 => Duration::Negative,
        Time::Ns(ns) => Duration::Ns(ns),
        Time::Missing => Duration::Missing,
        Time::TooLarge => return Err("a span whose times do not fit"),
        Time::Nonsense => return Err("a span whose duration is not a number"),
    };
    if let Duration::Ns(ns) = duration
        && start_ns.unwrap_or(0) + ns > FARTHEST_NS
    {
        return Err("a span whose times do not fit");
    }
    let process = match &span["process"] {
        embedded @ Value::Object(_) => embedded,
        _ => some_text(&span["processID"]).map_or(&Value::Null, |it| &processes[it]),
    };
    let tags = tags(&span["tags"]);
    let logs = items(&span["logs"]).iter().map(|it| {
        let fields: Vec<Value> = known(&it["fields"]);
        let at = if fields.is_empty() { Value::Null } else { it["timestamp"].clone() };
        (at, fields)
    });
    Ok(Span {
        id,
        service: some_text(&process["serviceName"]),
        operation: if operation.is_empty() { "unknown-operation".to_owned() } else { operation },
        kind: tags.iter().find(|it| it.0 == "span.kind").and_then(|it| kind(&it.1)),
        start_ns,
        duration,
        error: is_error(&tags),
        references: references(span),
        rest: vec![
            known(&span["tags"]).into(),
            known(&process["tags"]).into(),
            logs.filter(|it| !it.1.is_empty()).map(|it| Value::from(vec![it.0, it.1.into()])).collect(),
        ],
        shared: false,
        parent: None,
        named: false,
    })
}

enum Time {
    Missing,
    Ns(i64),
    TooLarge,
    Nonsense,
}

/// Microseconds, however they are written; unsigned numbers beyond half their range wrapped below zero.
fn micros(value: &Value) -> Time {
    let text = match value {
        Value::Null => return Time::Missing,
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return Time::Nonsense,
    };
    if let Ok(number) = text.parse::<i128>() {
        let number = if (1 << 63..1 << 64).contains(&number) { number - (1 << 64) } else { number };
        let ns = (number * 1000).max(-i128::from(FARTHEST_NS));
        return if ns > i128::from(FARTHEST_NS) { Time::TooLarge } else { Time::Ns(ns as i64) };
    }
    if !text.starts_with(['-', '+', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']) {
        return Time::Nonsense;
    }
    match text.parse::<f64>() {
        Ok(number) if number > 9e15 => Time::TooLarge,
        // Captures made here have halves, quarters and eighths of microseconds: exact in a double.
        Ok(number) => Time::Ns(number.trunc() as i64 * 1000 + (number.fract() * 1000.0) as i64),
        Err(_) => Time::Nonsense,
    }
}

/// Keys and values of well-formed tags, the values as texts.
fn tags(list: &Value) -> Vec<(String, String)> {
    let read = |it: &Value| {
        let value = match &it["value"] {
            Value::Null => return None,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Some((it["key"].as_str()?.to_owned(), value))
    };
    items(list).iter().filter_map(read).collect()
}

/// The tags that mean something, in an order of their own.
fn known(list: &Value) -> Vec<Value> {
    let nobody_reads = ["thread.id", "level", ""];
    let mut known: Vec<String> = tags(list)
        .into_iter()
        .filter(|it| !nobody_reads.contains(&it.0.as_str()))
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    known.sort();
    known.into_iter().map(Value::from).collect()
}

fn kind(text: &str) -> Option<Kind> {
    Some(match text.to_lowercase().trim_start_matches("span_kind_") {
        "server" => Kind::Server,
        "client" => Kind::Client,
        "producer" => Kind::Producer,
        "consumer" => Kind::Consumer,
        "internal" => Kind::Internal,
        _ => return None,
    })
}

/// The explicit signal decides; without one the HTTP or gRPC status does.
fn is_error(tags: &[(String, String)]) -> bool {
    let values = |keys: &'static [&'static str]| {
        tags.iter().filter(|it| keys.contains(&it.0.as_str())).map(|it| it.1.to_lowercase())
    };
    let flags: Vec<String> = values(&["error"]).collect();
    let status: Vec<String> = values(&["otel.status_code"]).collect();
    let has = |list: &[String], words: &[&str]| list.iter().any(|it| words.contains(&it.as_str()));
    if has(&flags, &["true", "1"]) || has(&status, &["error"]) {
        return true;
    }
    if has(&flags, &["false", "0"]) || has(&status, &["ok"]) {
        return false;
    }
    let http =
        values(&["http.status_code", "http.response.status_code"]).any(|it| it.parse().is_ok_and(|it: u16| it >= 500));
    let failed = [
        "2",
        "unknown",
        "4",
        "deadline_exceeded",
        "12",
        "unimplemented",
        "13",
        "internal",
        "14",
        "unavailable",
        "15",
        "data_loss",
    ];
    let rpc: Vec<String> = values(&["rpc.grpc.status_code", "grpc.status_code", "rpc.response.status_code"]).collect();
    http || has(&rpc, &failed)
}

fn references(span: &Value) -> Vec<Reference> {
    let mut references: Vec<Reference> = items(&span["references"])
        .iter()
        .filter_map(|it| {
            let follows = it["refType"].as_str().is_some_and(|it| it.eq_ignore_ascii_case("follows_from"));
            Some(Reference { trace: some_text(&it["traceID"]), span: some_text(&it["spanID"])?, follows })
        })
        .collect();
    if let Some(parent) = some_text(&span["parentSpanID"])
        && !references.iter().any(|it| same_id(&it.span, &parent))
    {
        references.push(Reference { trace: None, span: parent, follows: false });
    }
    references
}

// -------------------------------------------------------------------------------------- settling

type Order<'a> = (i64, std::cmp::Reverse<i64>, (bool, IdKey), &'a str, &'a str, Option<Kind>);

/// Which of two spans comes first wherever an order matters.
fn canonical(span: &Span) -> Order<'_> {
    let duration = match span.duration {
        Duration::Ns(ns) => ns,
        _ => -1,
    };
    (
        span.start_ns.unwrap_or(i64::MAX),
        std::cmp::Reverse(duration),
        id_order(&span.id),
        span.service(),
        &span.operation,
        span.kind,
    )
}

fn settle(id: String, mut spans: Vec<Span>) -> Trace {
    if spans.iter().any(|it| it.start_ns.is_some_and(|it| it >= PLAUSIBLE_NS.start)) {
        // Beside real times a 0 is a field that nobody filled.
        spans.iter_mut().for_each(|it| it.start_ns = it.start_ns.filter(|it| *it != 0));
    }
    let n_reports = spans.len() as u64;
    let taken: BTreeSet<IdKey> = spans.iter().map(|it| id_key(&it.id)).collect();
    let mut groups: BTreeMap<IdKey, Vec<Span>> = BTreeMap::new();
    for span in spans {
        groups.entry(id_key(&span.id)).or_default().push(span);
    }
    let mut trace = Trace {
        id,
        spans: Vec::new(),
        joined: 0,
        renamed: 0,
        shared: 0,
        cycles: 0,
        foreign_references: 0,
        missing_starts: 0,
        start_ns: 0,
    };
    for (_, mut group) in groups {
        group.sort_by(|a, b| canonical(a).cmp(&canonical(b)));
        let mut kept: Vec<Vec<Span>> = Vec::new();
        for span in group {
            match kept.iter_mut().find(|it| is_same_report(&it[0], &span)) {
                Some(class) => class.push(span),
                None => kept.push(vec![span]),
            }
        }
        let mut kept: Vec<Span> = kept.into_iter().map(join).collect();
        let of_kind = |kind| kept.iter().position(|it| it.kind == Some(kind));
        let pair = of_kind(Kind::Server).zip(of_kind(Kind::Client)).filter(|_| kept.len() > 1);
        if let Some((server, _)) = pair {
            kept[server].shared = true;
            trace.shared += 1;
        }
        let mut n = 0;
        for (idx, span) in kept.iter_mut().enumerate() {
            let keeps_name = pair.map_or(idx == 0, |(server, client)| idx == server || idx == client);
            if !keeps_name {
                n += 1;
                assert!(!taken.contains(&id_key(&format!("{}_{n}", span.id))), "no capture made here has such ids");
                span.id = format!("{}_{n}", span.id);
                trace.renamed += 1;
            }
        }
        trace.spans.extend(kept);
    }
    trace.joined = n_reports - trace.spans.len() as u64;
    find_parents(&mut trace);
    cut_cycles(&mut trace);
    fill_starts(&mut trace);
    trace
}

/// Reports of one and the same span differ in attributes and a finer clock only.
fn is_same_report(one: &Span, two: &Span) -> bool {
    let us = |ns: i64| ns.div_euclid(1000);
    let duration = |span: &Span| match span.duration {
        Duration::Ns(ns) => Some(us(ns)),
        _ => None,
    };
    (one.service(), &one.operation, one.kind, one.start_ns.map(us), duration(one))
        == (two.service(), &two.operation, two.kind, two.start_ns.map(us), duration(two))
}

fn join(reports: Vec<Span>) -> Span {
    let mut reports = reports.into_iter();
    let mut kept = reports.next().expect("no class is empty");
    for other in reports {
        if let (Some(a), Some(b)) = (kept.start_ns, other.start_ns)
            && a % 1000 == 0
            && b % 1000 != 0
        {
            kept.start_ns = Some(b);
        }
        if let (Duration::Ns(a), Duration::Ns(b)) = (kept.duration, other.duration)
            && a % 1000 == 0
            && b % 1000 != 0
        {
            kept.duration = other.duration;
        }
        kept.id = longer(kept.id, other.id);
        kept.error |= other.error;
        for reference in other.references {
            if !kept.references.contains(&reference) {
                kept.references.push(reference);
            }
        }
    }
    kept
}

fn find_parents(trace: &mut Trace) {
    // Children hang on the server half of a shared id.
    let find = |spans: &[Span], id: &str| {
        (0..spans.len()).filter(|it| same_id(&spans[*it].id, id)).max_by_key(|it| spans[*it].shared)
    };
    for idx in 0..trace.spans.len() {
        let span = trace.spans[idx].clone();
        let client = trace
            .spans
            .iter()
            .position(|it| span.shared && !it.shared && it.kind == Some(Kind::Client) && same_id(&it.id, &span.id));
        let (mut parent, mut named, mut of_itself) = (None, false, false);
        let mut followed = None;
        for reference in &span.references {
            if reference.trace.is_some() {
                trace.foreign_references += 1;
            } else if client.is_some() {
            } else if same_id(&reference.span, &span.id) {
                (named, of_itself) = (true, true);
            } else {
                let found = find(&trace.spans, &reference.span);
                named |= found.is_some() || id_key(&reference.span).0 != Some(0);
                let slot = if reference.follows { &mut followed } else { &mut parent };
                *slot = slot.or(found);
            }
        }
        trace.cycles += u64::from(of_itself);
        trace.spans[idx].parent = client.or(parent).or(followed);
        trace.spans[idx].named = named || client.is_some();
    }
}

fn cut_cycles(trace: &mut Trace) {
    for from in 0..trace.spans.len() {
        let mut path = vec![from];
        while let Some(parent) = trace.spans[path[path.len() - 1]].parent {
            if let Some(at) = path.iter().position(|it| *it == parent) {
                let first =
                    path[at..].iter().min_by(|a, b| canonical(&trace.spans[**a]).cmp(&canonical(&trace.spans[**b])));
                let first = *first.expect("a cycle has members");
                trace.spans[first].parent = None;
                trace.cycles += 1;
                break;
            }
            path.push(parent);
        }
    }
}

fn fill_starts(trace: &mut Trace) {
    let given: Vec<Option<i64>> = trace.spans.iter().map(|it| it.start_ns).collect();
    trace.missing_starts = given.iter().filter(|it| it.is_none()).count() as u64;
    trace.start_ns = given.iter().flatten().min().copied().unwrap_or(0);
}
