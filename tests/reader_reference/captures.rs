//! Random small captures, with everything wrong with them that captures have wrong.

use serde_json::{Map, Value, json};

use super::random::Random;

/// How a capture may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taste {
    /// In every way that was ever met, now and then.
    Odd,
    /// Not at all: whole traces under ids of their own.
    Sound,
}

/// The elements of a capture, of which the first is a trace beyond doubt.
pub fn capture(random: &mut Random, taste: Taste) -> Vec<Value> {
    let mut maker = Maker { random, odd: taste == Taste::Odd, trace: 0 };
    let n_traces = maker.random.between(1, 5);
    let mut elements = Vec::new();
    for nth in 0..n_traces {
        maker.trace = nth;
        elements.push(maker.element());
    }
    if taste == Taste::Odd {
        maker.repeat_some(&mut elements);
        maker.mix_some(&mut elements);
        maker.loosen_some(&mut elements);
        maker.add_nonsense(&mut elements);
        if !shows_a_trace(&elements[0]) {
            maker.trace = 90;
            let sure = maker.sure_trace();
            elements.insert(0, sure);
        }
    }
    elements
}

/// Whether anybody would take it for a trace.
pub fn shows_a_trace(element: &Value) -> bool {
    element.get("traceID").is_some() && element["spans"].as_array().is_some_and(|it| !it.is_empty())
}

struct Maker<'r> {
    random: &'r mut Random,
    odd: bool,
    /// Which trace is being made.
    trace: u64,
}

const SERVICES: [&str; 6] = ["web", "cart", "db", "béta 😀", "a:b", "quo\"te\\ \n{[\u{7f}"];
const OPERATIONS: [&str; 5] = ["GET /", "SELECT", "handle", "publish ]}", "\t\u{1}"];

impl Maker<'_> {
    /// Something odd, once in so many times.
    fn odd(&mut self, one_in: u64) -> bool {
        self.odd && self.random.below(one_in) == 0
    }

    fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.random.below(items.len() as u64) as usize].clone()
    }

    fn element(&mut self) -> Value {
        let n_spans = self.random.between(1, 8);
        let base = self.base_us();
        let mut spans: Vec<Value> = (0..n_spans).map(|nth| self.span(nth, n_spans, base)).collect();
        if self.odd(6) {
            let copy = self.doubled(&spans);
            spans.push(copy);
        }
        if self.odd(12) {
            let nonsense = self.pick(&[Value::Null, json!(5), json!("span"), json!([]), json!(true)]);
            let at = self.random.below(spans.len() as u64 + 1) as usize;
            spans.insert(at, nonsense);
        }
        let mut element = Map::new();
        if !self.odd(12) {
            let id = self.trace_id(self.trace);
            element.insert("traceID".to_owned(), id);
        }
        element.insert("spans".to_owned(), spans.into());
        if !self.odd(12) {
            let processes = self.processes();
            element.insert("processes".to_owned(), processes);
        }
        match self.random.below(4) {
            0 if self.odd => {
                let warnings = self.warnings();
                element.insert("warnings".to_owned(), warnings);
            }
            1 => {}
            _ => {
                element.insert("warnings".to_owned(), Value::Null);
            }
        }
        if self.odd(6) {
            element.insert("unknown".to_owned(), json!({"a": [1, {"spans": []}, "}"], "é\u{2028}": -0.5e-7}));
        }
        element.into()
    }

    /// Microseconds around which a trace lies.
    fn base_us(&mut self) -> i64 {
        let plausible = 1_700_000_000_000_000 + self.random.below(100) as i64 * 1_000_003;
        if self.odd(12) { self.pick(&[0, 1_000, 4_200_000_000_000_000, 946_684_799_999_990]) } else { plausible }
    }

    /// A trace's id, spelled as one likes.
    fn trace_id(&mut self, trace: u64) -> Value {
        let number = 0x000a_bc00_0000_0001_u64 + trace;
        if self.odd && trace % 4 == 3 {
            return format!("trace-{trace}").into();
        }
        if self.odd && trace % 4 == 2 {
            // All digits: may be written without quotes.
            let digits = 4_711 + trace;
            return if self.odd(3) {
                digits.into()
            } else {
                format!("{}{digits}", self.pick(&["", "0", "000"])).into()
            };
        }
        self.spelled(number)
    }

    fn span_id(&mut self, nth: u64) -> Value {
        if self.odd && nth == 5 {
            return "span-5".into();
        }
        self.spelled(0xb000 + self.trace * 0x100 + nth)
    }

    fn spelled(&mut self, number: u64) -> Value {
        let text = format!("{number:016x}");
        if !self.odd(4) {
            return text.into();
        }
        match self.random.below(5) {
            0 => format!("{number:x}"),
            1 => format!("{number:032x}"),
            2 => format!("{number:016X}"),
            3 => text.replace('b', "B"),
            _ => format!("{number:x}").replace('a', "A"),
        }
        .into()
    }

    fn span(&mut self, nth: u64, n_spans: u64, base_us: i64) -> Value {
        let mut span = Map::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                span.insert(key.to_owned(), value);
            }
        };
        let trace_id = self.trace_id(self.trace);
        put("traceID", self.unless(10, Some(trace_id), &[None, Some(Value::Null), Some("".into())]));
        let id = self.span_id(nth);
        put("spanID", self.unless(25, Some(id), &[None, Some(Value::Null), Some("".into()), Some(json!({}))]));
        let operation = self.pick(&OPERATIONS);
        put(
            "operationName",
            self.unless(
                12,
                Some(operation.into()),
                &[None, Some(Value::Null), Some("".into()), Some(json!(12)), Some(json!(true)), Some(json!(["x"]))],
            ),
        );
        let start = base_us + self.random.below(1_000) as i64;
        put("startTime", self.start(start));
        put("duration", self.duration());
        self.parents(nth, n_spans, &mut put);
        put("tags", self.tags());
        put("logs", self.logs(start));
        self.process(&mut put);
        put("warnings", if self.odd(10) { Some(self.warnings()) } else { Some(Value::Null) });
        if self.random.below(3) == 0 {
            put("flags", Some(json!(1)));
        }
        span.into()
    }

    fn unless(&mut self, one_in: u64, usual: Option<Value>, odd: &[Option<Value>]) -> Option<Value> {
        if self.odd(one_in) { self.pick(odd) } else { usual }
    }

    fn start(&mut self, start: i64) -> Option<Value> {
        let odd = [
            None,
            Some(Value::Null),
            Some(json!(0)),
            Some(json!(start.to_string())),
            Some(json!(format!(" {start}.25 "))),
            Some(json!(start as f64 + 0.5)),
            Some(json!(-5)),
            Some(json!("soon")),
            Some(json!("")),
            Some(json!(true)),
            Some(json!([start])),
            Some(json!(9_000_000_000_000_000_000_u64)),
            Some(json!("99999999999999999999.5")),
            Some(json!(1e30)),
        ];
        self.unless(10, Some(json!(start)), &odd)
    }

    fn duration(&mut self) -> Option<Value> {
        let usual = self.random.below(500);
        let odd = [
            None,
            Some(Value::Null),
            Some(json!(0)),
            Some(json!(usual.to_string())),
            Some(json!(usual as f64 + 0.125)),
            Some(json!("2e2")),
            Some(json!(-5)),
            Some(json!(18_446_744_073_709_551_516_u64)),
            Some(json!("18446744073709551516")),
            Some(json!("long")),
            Some(json!(false)),
            Some(json!({"us": 5})),
            Some(json!(5_000_000_000_000_000_u64)),
        ];
        self.unless(8, Some(json!(usual)), &odd)
    }

    fn parents(&mut self, nth: u64, n_spans: u64, put: &mut impl FnMut(&str, Option<Value>)) {
        let mut references = Vec::new();
        if nth > 0 {
            let parent = self.random.below(nth);
            references.push(self.reference(parent));
        }
        while self.odd(6) {
            let other = self.random.below(n_spans + 2);
            let reference = self.reference(other);
            let at = self.random.below(references.len() as u64 + 1) as usize;
            references.insert(at, reference);
        }
        if self.odd(10) {
            // The old dialect, alone or beside the new one.
            let parent = self.random.below(n_spans);
            let id = self.span_id(parent);
            let zero = Some(json!("0000000000000000"));
            put("parentSpanID", self.unless(4, Some(id), &[zero, Some(json!("")), Some(Value::Null)]));
            if self.odd(2) {
                references.clear();
            }
        }
        if references.is_empty() && self.odd(2) {
            put("references", self.pick(&[None, Some(Value::Null), Some(json!("none"))]));
        } else {
            put("references", Some(references.into()));
        }
    }

    fn reference(&mut self, to: u64) -> Value {
        if self.odd(15) {
            return self.pick(&[json!(5), json!({}), Value::Null, json!({"refType": "CHILD_OF", "spanID": ""})]);
        }
        let mut reference = Map::new();
        let follows = self.random.below(5) == 0;
        let words = if follows { "FOLLOWS_FROM" } else { "CHILD_OF" };
        let odd = if follows { "follows_from" } else { "child_of" };
        let kind = self.unless(10, Some(words.into()), &[Some(odd.into())]);
        reference.insert("refType".to_owned(), kind.expect("always some"));
        let own = self.trace_id(self.trace);
        let foreign = self.trace_id(77);
        let odd = [None, Some(Value::Null), Some("".into()), Some(foreign.clone()), Some(foreign)];
        if let Some(trace) = self.unless(6, Some(own), &odd) {
            reference.insert("traceID".to_owned(), trace);
        }
        let id = if self.odd(15) { json!("0") } else { self.span_id(to) };
        reference.insert("spanID".to_owned(), id);
        reference.into()
    }

    fn tags(&mut self) -> Option<Value> {
        if self.odd(12) {
            return self.pick(&[None, Some(Value::Null), Some(json!({"error": true})), Some(json!([]))]);
        }
        let mut tags = Vec::new();
        if self.random.below(2) == 0 {
            let kind = self.pick(&["client", "server", "producer", "consumer", "internal"]);
            tags.push(tag("span.kind", "string", kind.into()));
        } else if self.odd(8) {
            let kind =
                self.pick(&[json!("SPAN_KIND_SERVER"), json!("Client"), json!("none"), json!(1), json!(["server"])]);
            tags.push(tag("span.kind", "string", kind));
        }
        if self.random.below(5) == 0 {
            let error = self.pick(&[
                json!(true),
                json!("true"),
                json!(false),
                json!("false"),
                json!("TRUE"),
                json!("1"),
                json!(1),
                json!(0),
                json!("disk full"),
                Value::Null,
                json!([true]),
                json!(""),
            ]);
            tags.push(tag("error", "bool", error));
        }
        if self.random.below(8) == 0 {
            let code = self.pick(&[json!("ERROR"), json!("OK"), json!("Error"), json!("UNSET"), json!(2), Value::Null]);
            tags.push(tag("otel.status_code", "string", code));
        }
        if self.random.below(8) == 0 {
            let key = self.pick(&["http.status_code", "http.response.status_code"]);
            let code =
                self.pick(&[json!(200), json!(404), json!(500), json!("503"), json!("5xx"), json!(100_000), json!({})]);
            tags.push(tag(key, "int64", code));
        }
        if self.random.below(8) == 0 {
            let key = self.pick(&["rpc.grpc.status_code", "grpc.status_code", "rpc.response.status_code"]);
            let code = self.pick(&[
                json!(0),
                json!(1),
                json!(2),
                json!("4"),
                json!("UNAVAILABLE"),
                json!("not_found"),
                json!(99),
            ]);
            tags.push(tag(key, "int64", code));
        }
        for _ in 0..self.random.below(3) {
            let value =
                self.pick(&[json!("}]\"\\"), json!(12), json!(-0.25), json!({"a": [[]]}), json!([]), json!("ü\u{0}")]);
            let key = self.pick(&["thread.id", "peer.service", "db.statement", "http.route", ""]);
            tags.push(tag(key, "string", value));
        }
        while self.odd(10) {
            let odd = self.pick(&[
                json!(5),
                Value::Null,
                json!([]),
                json!({}),
                json!({"key": "error"}),
                json!({"value": true}),
                json!({"key": null, "value": true}),
                json!({"key": ["error"], "value": true}),
                json!({"key": "level", "type": null, "value": "info", "more": [1]}),
                json!({"key": "db.statement", "type": "string", "value": "a long text of more than thirty-two bytes: \u{1f680}"}),
            ]);
            let at = self.random.below(tags.len() as u64 + 1) as usize;
            tags.insert(at, odd);
        }
        Some(tags.into())
    }

    fn logs(&mut self, start: i64) -> Option<Value> {
        if self.odd(12) {
            return self.pick(&[None, Some(Value::Null), Some(json!(["log"])), Some(json!([{"timestamp": 1}]))]);
        }
        let mut logs = Vec::new();
        for _ in 0..self.random.below(3) {
            let at = self.random.below(100) as i64 + start;
            let at =
                self.unless(8, Some(json!(at)), &[Some(Value::Null), Some(json!("x")), Some(json!(at.to_string()))]);
            let fields = self.pick(&[
                json!([
                    tag("event", "string", json!("exception")),
                    tag("exception.type", "string", json!("Timeout")),
                    tag("exception.message", "string", json!("took \"5\" ms\n"))
                ]),
                json!([tag("event", "string", json!("error")), tag("message", "string", json!("no\\such row"))]),
                json!([tag("event", "string", json!("cache miss"))]),
                json!([]),
                Value::Null,
            ]);
            logs.push(json!({"timestamp": at, "fields": fields}));
        }
        Some(logs.into())
    }

    fn process(&mut self, put: &mut impl FnMut(&str, Option<Value>)) {
        let key = self.pick(&["p1", "p2", "p é"]);
        put(
            "processID",
            self.unless(8, Some(key.into()), &[None, Some(Value::Null), Some("".into()), Some("p9".into())]),
        );
        if self.odd(10) {
            let process = self.process_object();
            put("process", self.unless(4, Some(process), &[Some(Value::Null), Some(json!("p1")), Some(json!({}))]));
        }
    }

    fn process_object(&mut self) -> Value {
        let service = self.pick(&SERVICES);
        let odd = [None, Some(Value::Null), Some("".into()), Some(json!(7)), Some(json!([]))];
        let mut process = Map::new();
        if let Some(service) = self.unless(12, Some(service.into()), &odd) {
            process.insert("serviceName".to_owned(), service);
        }
        let tags = json!([tag("host.name", "string", json!("h1")), tag("ip", "string", json!("10.0.0.1"))]);
        if let Some(tags) = self.unless(6, Some(tags), &[None, Some(Value::Null), Some(json!([]))]) {
            process.insert("tags".to_owned(), tags);
        }
        process.into()
    }

    fn processes(&mut self) -> Value {
        if self.odd(20) {
            return self.pick(&[Value::Null, json!([]), json!({})]);
        }
        let mut processes = Map::new();
        for key in ["p1", "p2", "p é"] {
            let process = self.process_object();
            processes
                .insert(key.to_owned(), self.unless(25, Some(process), &[Some(Value::Null)]).expect("always some"));
        }
        processes.into()
    }

    fn warnings(&mut self) -> Value {
        self.pick(&[
            json!([]),
            json!(["Duplicate tag \"a:b\""]),
            json!("no list"),
            json!([null, 5, {"a": "timestamps were adjusted by 5ms"}]),
            json!(["this span's timestamps were adjusted by 5ms"]),
            json!(["trace has 9 spans, showing first 5"]),
            json!(["trace has 8 spans, showing first 5", "trace has 9 spans, showing first 5"]),
        ])
    }

    /// Another span under the id of one that is there.
    fn doubled(&mut self, spans: &[Value]) -> Value {
        let mut copy = self.pick(spans);
        match self.random.below(6) {
            0 | 1 => {}
            2 => copy["operationName"] = json!("another"),
            3 => copy["startTime"] = json!(1_700_000_000_000_777_u64),
            4 => copy["tags"] = json!([tag("span.kind", "string", json!("server"))]),
            _ => copy["duration"] = Value::Null,
        }
        copy
    }

    /// Whole traces met twice, and thrice, equal or not.
    fn repeat_some(&mut self, elements: &mut Vec<Value>) {
        while self.odd(4) {
            let mut copy = self.pick(elements);
            let spans = copy["spans"].as_array_mut().expect("all are traces so far");
            match self.random.below(5) {
                0 => spans.reverse(),
                1 => spans.truncate(1),
                2 if spans[0].is_object() => spans[0]["duration"] = json!(12_345),
                3 if spans[0].is_object() => {
                    let id = spans[0].get("spanID").and_then(Value::as_str).map(str::to_uppercase);
                    if let Some(id) = id.filter(|it| it.starts_with('0')) {
                        spans[0]["spanID"] = id.into();
                    }
                }
                _ => {}
            }
            elements.push(copy);
        }
    }

    /// Spans that stand in the element of another trace.
    fn mix_some(&mut self, elements: &mut [Value]) {
        while self.odd(4) {
            let mut spans = self.pick(elements)["spans"].as_array().expect("all are traces so far").clone();
            let moved = self.pick(&spans);
            spans.clear();
            let to = self.random.below(elements.len() as u64) as usize;
            elements[to]["spans"].as_array_mut().expect("all are traces so far").push(moved);
        }
    }

    /// Spans that stand alone.
    fn loosen_some(&mut self, elements: &mut Vec<Value>) {
        while self.odd(6) {
            let spans = self.pick(elements)["spans"].as_array().cloned().unwrap_or_default();
            let loose: Vec<Value> = spans.into_iter().filter(Value::is_object).collect();
            if !loose.is_empty() {
                let mut span = self.pick(&loose);
                if self.odd(2) {
                    span["process"] = self.process_object();
                }
                let at = self.random.below(elements.len() as u64 + 1) as usize;
                elements.insert(at, span);
            }
        }
    }

    fn add_nonsense(&mut self, elements: &mut Vec<Value>) {
        while self.odd(5) {
            let id = self.trace_id(50);
            let nonsense = self.pick(&[
                Value::Null,
                json!(5),
                json!("a trace"),
                json!([]),
                json!({}),
                json!({"traceID": id, "spans": []}),
                json!({"traceID": id, "spans": null, "processes": {}}),
                json!({"traceID": id}),
                json!({"spans": {"a": 1}}),
                json!({"spans": [1, 2]}),
                json!([[{"spans": [{}]}]]),
            ]);
            let at = self.random.below(elements.len() as u64 + 1) as usize;
            elements.insert(at, nonsense);
        }
    }

    fn sure_trace(&mut self) -> Value {
        let span = self.span(0, 1, 1_700_000_000_000_000);
        let id = self.trace_id(self.trace);
        json!({"traceID": id, "spans": [span], "processes": {"p1": {"serviceName": "web", "tags": []}}})
    }
}

fn tag(key: &str, value_type: &str, value: Value) -> Value {
    json!({"key": key, "type": value_type, "value": value})
}
