//! Captures the way programs write them: every object of a kind with the same keys in the same order, and
//! the same white space throughout.

use serde_json::{Map, Value};

use super::captures::{self, Taste};
use super::random::Random;

/// The orders in which keys are written; others follow by name.
const ORDERS: [&[&str]; 4] = [
    // Jaeger's query service.
    &[
        "data",
        "traceID",
        "spanID",
        "parentSpanID",
        "flags",
        "operationName",
        "references",
        "startTime",
        "duration",
        "tags",
        "logs",
        "timestamp",
        "fields",
        "processID",
        "process",
        "refType",
        "key",
        "type",
        "value",
        "serviceName",
        "spans",
        "processes",
        "warnings",
    ],
    // By name.
    &[],
    // Those of a span behind what they hold.
    &["processes", "spans", "logs", "tags", "references", "value", "type", "key", "spanID", "traceID"],
    // A trace's id behind its spans.
    &["spanID", "operationName", "processID", "duration", "startTime", "spans", "traceID", "refType", "key", "value"],
];

#[derive(Clone, Copy)]
struct Layout {
    order: &'static [&'static str],
    comma: &'static str,
    colon: &'static str,
    /// Spaces for each level, on lines of their own.
    indent: Option<usize>,
    /// Whether what is not ASCII is escaped, as Python does it.
    ascii: bool,
}

/// Many spans alike and a few odd ones.
pub fn capture(random: &mut Random) -> String {
    let taste = if random.one_in(2) { Taste::Odd } else { Taste::Sound };
    let mut elements = captures::capture(random, taste);
    if random.one_in(2) {
        elements.iter_mut().for_each(|it| multiply_spans(it, random));
    }
    let layout = Layout {
        order: ORDERS[random.below(8).saturating_sub(4) as usize],
        comma: [",", ",", ", ", " ,"][random.below(4) as usize],
        colon: [":", ":", ": ", " : "][random.below(4) as usize],
        indent: [None, None, Some(2), Some(4)][random.below(4) as usize],
        ascii: random.one_in(4),
    };
    let (open, between, close) = [
        ("{\"data\":[", ",", "],\"total\":0,\"limit\":0,\"offset\":0,\"errors\":null}\n"),
        ("{\"data\":[", ",", "]}"),
        ("[", ",", "]"),
        ("", "\n", "\n"),
    ][random.below(4) as usize];
    let mut text = open.to_owned();
    for (nth, element) in elements.iter().enumerate() {
        if nth > 0 {
            text.push_str(between);
        }
        layout.write(element, 1, &mut text);
    }
    text.push_str(close);
    text
}

/// Spans that differ from others in ids and times alone, as most of a capture's do.
fn multiply_spans(element: &mut Value, random: &mut Random) {
    let spans = element.get_mut("spans").and_then(Value::as_array_mut);
    let Some(spans) = spans.filter(|it| !it.is_empty()) else { return };
    for nth in 0..random.below(20) {
        let mut copy = spans[random.below(spans.len() as u64) as usize].clone();
        if copy.get("spanID").is_some() {
            copy["spanID"] = format!("{:016x}", 0xc000 + nth).into();
            let most = 1 << random.below(40);
            copy["startTime"] = (1_700_000_000_000_000 + random.below(most)).into();
            copy["duration"] = random.below(most).into();
        }
        spans.push(copy);
    }
}

impl Layout {
    fn write(self, value: &Value, depth: usize, out: &mut String) {
        match value {
            Value::Object(members) => {
                let keys = self.in_order(members);
                self.list('{', '}', keys.len(), depth, out, |nth, out| {
                    self.text(keys[nth], out);
                    out.push_str(self.colon);
                    self.write(&members[keys[nth]], depth + 1, out);
                });
            }
            Value::Array(items) => {
                self.list('[', ']', items.len(), depth, out, |nth, out| self.write(&items[nth], depth + 1, out));
            }
            Value::String(text) => self.text(text, out),
            other => out.push_str(&other.to_string()),
        }
    }

    fn in_order<'v>(self, members: &'v Map<String, Value>) -> Vec<&'v str> {
        let mut keys: Vec<&str> = members.keys().map(String::as_str).collect();
        keys.sort_by_key(|key| (self.order.iter().position(|it| it == key).unwrap_or(usize::MAX), *key));
        keys
    }

    fn list(
        self,
        open: char,
        close: char,
        n_items: usize,
        depth: usize,
        out: &mut String,
        write: impl Fn(usize, &mut String),
    ) {
        out.push(open);
        for nth in 0..n_items {
            if nth > 0 {
                out.push_str(self.comma);
            }
            self.line(depth + 1, out);
            write(nth, out);
        }
        if n_items > 0 {
            self.line(depth, out);
        }
        out.push(close);
    }

    fn line(self, depth: usize, out: &mut String) {
        if let Some(width) = self.indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', width * depth));
        }
    }

    fn text(self, text: &str, out: &mut String) {
        let written = Value::from(text).to_string();
        for char in written.chars() {
            if self.ascii && !char.is_ascii() {
                let mut units = [0; 2];
                char.encode_utf16(&mut units).iter().for_each(|it| out.push_str(&format!("\\u{it:04x}")));
            } else {
                out.push(char);
            }
        }
    }
}
