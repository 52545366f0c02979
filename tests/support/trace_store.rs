//! A store of traces in this process, and the APIs of the servers that real ones stand behind.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::server::{Asked, Reply};

/// One trace: a call of `frontend` to a service.
#[derive(Clone, Debug)]
pub struct Stored {
    pub id: u128,
    pub service: &'static str,
    pub operation: String,
    pub start_us: i64,
    pub duration_us: i64,
    pub failed: bool,
}

/// 2026-01-01T00:00:00Z.
pub const START_US: i64 = 1_767_225_600_000_000;

/// The hour from there, as an option.
pub const HOUR: &str = "2026-01-01T00:00:00Z..2026-01-01T01:00:00Z";

/// Many traces of an hour, in an order that is not that of their starts; some begin together.
pub fn traces(n: usize) -> Vec<Stored> {
    let mut state = 7u64;
    let mut random = move |upto: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % upto
    };
    (0..n)
        .map(|nth| Stored {
            id: (nth as u128 + 1) << 40,
            service: if nth % 5 == 4 { "payment" } else { "checkout" },
            operation: format!("op{}", random(3)),
            start_us: START_US + (random(3_500_000_000) as i64 / 1_000_000) * 1_000_000 + random(400) as i64,
            duration_us: 1_000 + random(500_000) as i64,
            failed: random(10) == 0,
        })
        .collect()
}

impl Stored {
    fn spans(&self) -> [(u64, &'static str, &str, i64, i64, bool); 2] {
        let own = self.start_us + 50;
        [
            (1, "frontend", "GET /", self.start_us, self.duration_us, false),
            (2, self.service, &self.operation, own, self.duration_us - 100, self.failed),
        ]
    }

    /// As Jaeger's older API has it.
    pub fn jaeger(&self) -> Value {
        let id = format!("{:032x}", self.id);
        let spans = self.spans().map(|(nth, service, operation, start, duration, failed)| {
            let parent = json!({"refType": "CHILD_OF", "traceID": id, "spanID": "0000000000000001"});
            json!({
                "traceID": id, "spanID": format!("{nth:016x}"), "operationName": operation,
                "references": if nth == 1 { json!([]) } else { json!([parent]) },
                "startTime": start, "duration": duration,
                "tags": if failed { json!([{"key": "error", "type": "bool", "value": true}]) } else { json!([]) },
                "logs": [], "processID": if service == "frontend" { "p1" } else { "p2" }, "warnings": null
            })
        });
        let process = |name: &str| json!({"serviceName": name, "tags": []});
        json!({"traceID": id, "spans": spans, "processes": {"p1": process("frontend"), "p2": process(self.service)}, "warnings": null})
    }

    /// As OTLP: two batches.
    pub fn otlp(&self) -> Vec<Value> {
        self.spans()
            .map(|(nth, service, operation, start, duration, failed)| {
                let mut span = json!({
                    "traceId": format!("{:032x}", self.id), "spanId": format!("{nth:016x}"), "name": operation,
                    "startTimeUnixNano": (start * 1_000).to_string(),
                    "endTimeUnixNano": ((start + duration) * 1_000).to_string(),
                    "status": if failed { json!({"code": 2}) } else { json!({}) }
                });
                if nth > 1 {
                    span["parentSpanId"] = json!("0000000000000001");
                }
                let name = json!({"key": "service.name", "value": {"stringValue": service}});
                json!({"resource": {"attributes": [name]}, "scopeSpans": [{"scope": {}, "spans": [span]}]})
            })
            .to_vec()
    }

    /// As Zipkin has it.
    pub fn zipkin(&self) -> Value {
        let spans = self.spans().map(|(nth, service, operation, start, duration, failed)| {
            let mut span = json!({
                "traceId": format!("{:032x}", self.id), "id": format!("{nth:016x}"), "name": operation.to_lowercase(),
                "timestamp": start, "duration": duration, "localEndpoint": {"serviceName": service}
            });
            if nth > 1 {
                span["parentId"] = json!("0000000000000001");
            }
            if failed {
                span["tags"] = json!({"error": "true"});
            }
            span
        });
        json!(spans)
    }
}

/// The traces that a search gives: those last stored, of a service, with a span of it in the time.
pub fn search<'a>(
    traces: &'a [Stored],
    service: Option<&str>,
    operation: Option<&str>,
    us: std::ops::RangeInclusive<i64>,
    limit: usize,
) -> Vec<&'a Stored> {
    let fits = |it: &&Stored| {
        it.spans().iter().any(|span| {
            service.is_none_or(|it| it == span.1) && operation.is_none_or(|it| it == span.2) && us.contains(&span.3)
        })
    };
    traces.iter().rev().filter(fits).take(limit).collect()
}

pub fn services(traces: &[Stored]) -> Vec<&'static str> {
    let names: BTreeSet<&str> = traces.iter().flat_map(|it| it.spans().map(|it| it.1)).collect();
    names.into_iter().collect()
}

pub fn reply(value: &Value) -> Reply {
    // As Jaeger does: JSON that says it is plain text.
    Reply::ok(value.to_string()).with("content-type", "text/plain; charset=utf-8")
}

pub fn envelope(data: Value) -> Value {
    json!({"data": data, "total": 0, "limit": 0, "offset": 0, "errors": null})
}

pub fn error(code: u16, message: &str) -> Reply {
    let body = json!({"data": null, "total": 0, "limit": 0, "offset": 0, "errors": [{"code": code, "msg": message}]});
    Reply::new(code, body.to_string())
}

pub fn not_found() -> Reply {
    Reply::new(404, "404 page not found\n").with("content-type", "text/plain; charset=utf-8")
}

/// Jaeger before 2.21, by its older API.
pub fn jaeger(traces: &[Stored], asked: &Asked) -> Reply {
    let get = |name: &str| asked.query.get(name).map(String::as_str).filter(|it| !it.is_empty());
    match asked.path.as_str() {
        "/api/services" => reply(&envelope(json!(services(traces)))),
        "/api/traces" => {
            if get("service").is_none() {
                return error(400, "parameter 'service' is required");
            }
            let us = asked.number("start")..=asked.number("end");
            let limit = asked.query.get("limit").map_or(100, |it| it.parse().unwrap());
            let found = search(traces, get("service"), get("operation"), us, limit);
            reply(&envelope(found.into_iter().map(Stored::jaeger).collect()))
        }
        "/api/dependencies" => {
            let count = |service: &str| traces.iter().filter(|it| it.service == service).count();
            reply(&envelope(json!([
                {"parent": "frontend", "child": "checkout", "callCount": count("checkout") + 1},
                {"parent": "frontend", "child": "payment", "callCount": count("payment")},
                {"parent": "frontend", "child": "gone", "callCount": 3}
            ])))
        }
        path => match path.strip_prefix("/api/traces/") {
            Some(id) => by_id(traces, id)
                .map_or_else(|| error(404, "trace not found"), |it| reply(&envelope(json!([it.jaeger()])))),
            None => not_found(),
        },
    }
}

fn by_id<'a>(traces: &'a [Stored], id: &str) -> Option<&'a Stored> {
    let id = u128::from_str_radix(id, 16).ok()?;
    traces.iter().find(|it| it.id == id)
}

fn moment_us(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_microsecond()
}

/// Jaeger 2.21 and later, but with the spelling of older ones: nothing else is known.
pub fn jaeger_v3(traces: &[Stored], asked: &Asked) -> Reply {
    let error = |code: u16, message: &str| {
        Reply::new(code, json!({"error": {"httpCode": code, "message": message}}).to_string())
    };
    let wrapped = |batches: Vec<Value>| reply(&json!({"result": {"resourceSpans": batches}}));
    let get = |name: &str| asked.query.get(name).map(String::as_str);
    match asked.path.as_str() {
        "/api/v3/services" => reply(&json!({"services": services(traces)})),
        "/api/v3/traces" => {
            let (Some(from), Some(until)) = (get("query.start_time_min"), get("query.start_time_max")) else {
                return error(400, "malformed parameter query.start_time_min");
            };
            let Some(limit) = get("query.num_traces").and_then(|it| it.parse().ok()) else {
                return error(500, "search depth must be greater than 0 and less than max traces");
            };
            let us = moment_us(from)..=moment_us(until);
            let found = search(traces, get("query.service_name"), get("query.operation_name"), us, limit);
            if found.is_empty() {
                return error(404, "No traces found");
            }
            // All spans in one list, in no order.
            let mut batches: Vec<Value> = found.into_iter().flat_map(Stored::otlp).collect();
            batches.reverse();
            wrapped(batches)
        }
        path => match path.strip_prefix("/api/v3/traces/") {
            Some(id) => by_id(traces, id).map_or_else(|| error(404, "trace not found"), |it| wrapped(it.otlp())),
            None => not_found(),
        },
    }
}

/// Zipkin.
pub fn zipkin(traces: &[Stored], asked: &Asked) -> Reply {
    let get = |name: &str| asked.query.get(name).map(String::as_str);
    match asked.path.as_str() {
        "/api/v2/services" => reply(&json!(services(traces))),
        "/api/v2/traces" => {
            let end_ms = asked.number("endTs");
            let us = (end_ms - asked.number("lookback")) * 1_000..=end_ms * 1_000;
            let fits = |it: &&Stored| {
                get("serviceName").is_none_or(|service| it.spans().iter().any(|it| it.1 == service))
                    && us.contains(&it.start_us)
            };
            let found: Vec<Value> =
                traces.iter().rev().filter(fits).take(asked.number("limit") as usize).map(Stored::zipkin).collect();
            reply(&json!(found))
        }
        "/api/v2/dependencies" => reply(&json!([{"parent": "frontend", "child": "payment", "callCount": 1}])),
        path => match path.strip_prefix("/api/v2/trace/") {
            Some(id) => {
                by_id(traces, id).map_or_else(|| Reply::new(404, format!("{id} not found")), |it| reply(&it.zipkin()))
            }
            None => Reply::new(404, ""),
        },
    }
}

/// Tempo; old ones have only one way to a trace.
pub fn tempo(traces: &[Stored], asked: &Asked, is_old: bool) -> Reply {
    match asked.path.as_str() {
        "/api/search/tags" => reply(&json!({"tagNames": ["service.name"]})),
        "/api/search/tag/service.name/values" => reply(&json!({"tagValues": services(traces)})),
        "/api/search" => {
            let q = asked.query["q"].clone();
            let service = q.split_once("service.name = \"").map(|it| it.1.split('"').next().unwrap().to_owned());
            let us = asked.number("start") * 1_000_000..=asked.number("end") * 1_000_000 - 1;
            let limit = asked.number("limit") as usize;
            let found: Vec<Value> = search(traces, service.as_deref(), None, us, limit)
                .into_iter()
                // Without leading zeros, as it has them here.
                .map(|it| json!({"traceID": format!("{:x}", it.id), "rootServiceName": "frontend"}))
                .collect();
            reply(&json!({"traces": found, "metrics": {}}))
        }
        path => {
            let (new, old) = (path.strip_prefix("/api/v2/traces/"), path.strip_prefix("/api/traces/"));
            match (new.filter(|_| !is_old), old) {
                (Some(id), _) => by_id(traces, id).map_or_else(not_found, |it| {
                    reply(&json!({"trace": {"resourceSpans": it.otlp()}, "status": "COMPLETE"}))
                }),
                (None, Some(id)) => {
                    by_id(traces, id).map_or_else(not_found, |it| reply(&json!({"batches": it.otlp()})))
                }
                (None, None) => not_found(),
            }
        }
    }
}
