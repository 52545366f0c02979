//! The many ways to write the same capture down.

use std::fmt::Write;

use serde_json::Value;

use super::captures::shows_a_trace;
use super::random::Random;

/// How values are written.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub space: Space,
    pub order: Order,
    /// One character in so many is written as `\uXXXX`; 0 is none but those that must be.
    pub escape: u64,
}

/// The white space between tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    None,
    Pretty,
    Random,
}

/// The order of an object's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As servers write them: processes behind the spans.
    Usual,
    /// By name: processes before the spans.
    ByName,
    Shuffled,
}

/// Where the elements stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Envelope,
    Array,
    Lines,
    /// Several documents, each of any shape.
    Documents,
}

pub const PLAIN: Style = Style { space: Space::None, order: Order::Usual, escape: 0 };

impl Style {
    pub fn any(random: &mut Random) -> Style {
        Style {
            space: [Space::None, Space::Pretty, Space::Random][random.below(3) as usize],
            order: [Order::Usual, Order::ByName, Order::Shuffled][random.below(3) as usize],
            escape: [0, 0, 1, 5, 40][random.below(5) as usize],
        }
    }
}

impl Shape {
    pub fn any(random: &mut Random) -> Shape {
        [Shape::Envelope, Shape::Array, Shape::Lines, Shape::Documents][random.below(4) as usize]
    }
}

/// A capture as text.
pub fn write(elements: &[Value], shape: Shape, style: Style, random: &mut Random) -> String {
    let mut text = String::new();
    let mut writer = Writer { style, random, out: &mut text };
    match shape {
        Shape::Envelope => writer.envelope(elements),
        Shape::Array => writer.array(elements),
        Shape::Lines => elements.iter().for_each(|it| writer.alone(it)),
        Shape::Documents => writer.documents(elements),
    }
    text
}

/// One value as text.
pub fn write_value(value: &Value, style: Style, random: &mut Random) -> String {
    let mut text = String::new();
    Writer { style, random, out: &mut text }.value(value, 0);
    text
}

struct Writer<'a> {
    style: Style,
    random: &'a mut Random,
    out: &'a mut String,
}

impl Writer<'_> {
    fn envelope(&mut self, elements: &[Value]) {
        let mut members = vec![Some("data")];
        for key in ["total", "limit", "offset", "errors"] {
            if self.random.one_in(2) {
                members.push(Some(key));
            }
        }
        if self.style.order == Order::Shuffled {
            self.random.shuffle(&mut members);
        }
        self.out.push('{');
        for (nth, key) in members.into_iter().flatten().enumerate() {
            self.comma(nth, 1);
            self.string(key);
            self.colon();
            match key {
                "data" if elements.len() == 1 && self.random.one_in(3) && elements[0].is_object() => {
                    self.value(&elements[0], 1);
                }
                "data" => self.array(elements),
                "errors" => self.out.push_str("null"),
                _ => self.out.push('0'),
            }
        }
        self.space(0);
        self.out.push('}');
    }

    fn array(&mut self, elements: &[Value]) {
        self.out.push('[');
        for (nth, element) in elements.iter().enumerate() {
            self.comma(nth, 1);
            self.value(element, 1);
        }
        self.space(0);
        self.out.push(']');
    }

    /// An element as a document of its own, if it can be told from an envelope.
    fn alone(&mut self, element: &Value) {
        let keys = ["traceID", "spans", "spanID"];
        if keys.iter().any(|it| element.get(it).is_some()) {
            self.value(element, 0);
        } else {
            self.array(std::slice::from_ref(element));
        }
        self.out.push('\n');
    }

    fn documents(&mut self, elements: &[Value]) {
        let mut rest = elements;
        while !rest.is_empty() {
            let (some, others) = rest.split_at(self.random.between(1, rest.len() as u64) as usize);
            rest = others;
            match self.random.below(3) {
                0 => self.envelope(some),
                1 => self.array(some),
                _ => some.iter().for_each(|it| self.alone(it)),
            }
            self.out.push_str(
                ["", "\n", " \r\n\t", "{}", "[]", "{\"data\":[]}", "{\"data\":null,\"total\":0}"]
                    [self.random.below(7) as usize],
            );
        }
    }

    fn value(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Object(object) => {
                let mut keys: Vec<&String> = object.keys().collect();
                match self.style.order {
                    Order::Usual => keys.sort_by_key(|it| match it.as_str() {
                        "traceID" => 0,
                        "processes" => 2,
                        _ => 1,
                    }),
                    Order::ByName => {}
                    Order::Shuffled => self.random.shuffle(&mut keys),
                }
                self.out.push('{');
                for (nth, key) in keys.iter().enumerate() {
                    self.comma(nth, depth + 1);
                    self.string(key);
                    self.colon();
                    self.value(&object[*key], depth + 1);
                }
                self.close('}', keys.is_empty(), depth);
            }
            Value::Array(items) => {
                self.out.push('[');
                for (nth, item) in items.iter().enumerate() {
                    self.comma(nth, depth + 1);
                    self.value(item, depth + 1);
                }
                self.close(']', items.is_empty(), depth);
            }
            Value::String(text) => self.string(text),
            other => write!(self.out, "{other}").unwrap(),
        }
    }

    fn comma(&mut self, nth: usize, depth: usize) {
        if nth > 0 {
            if self.style.space == Space::Random {
                self.space(depth);
            }
            self.out.push(',');
        }
        self.space(depth);
    }

    fn colon(&mut self) {
        match self.style.space {
            Space::None => self.out.push(':'),
            Space::Pretty => self.out.push_str(": "),
            Space::Random => {
                self.space(0);
                self.out.push(':');
                self.space(0);
            }
        }
    }

    fn close(&mut self, bracket: char, empty: bool, depth: usize) {
        if !empty || self.style.space == Space::Random {
            self.space(depth);
        }
        self.out.push(bracket);
    }

    fn space(&mut self, depth: usize) {
        match self.style.space {
            Space::None => {}
            Space::Pretty => {
                self.out.push('\n');
                self.out.extend(std::iter::repeat_n(' ', 2 * depth));
            }
            Space::Random => {
                self.out.push_str(["", "", " ", "\n", "\t", "\r\n", "  \n \t "][self.random.below(7) as usize]);
            }
        }
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        for char in text.chars() {
            if self.style.escape > 0 && self.random.one_in(self.style.escape) {
                let mut units = [0; 2];
                for unit in char.encode_utf16(&mut units) {
                    if self.random.one_in(2) {
                        write!(self.out, "\\u{unit:04x}").unwrap();
                    } else {
                        write!(self.out, "\\u{unit:04X}").unwrap();
                    }
                }
                continue;
            }
            match char {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '/' if self.style.escape > 0 => self.out.push_str("\\/"),
                '\0'..='\u{1f}' => write!(self.out, "\\u{:04x}", u32::from(char)).unwrap(),
                other => self.out.push(other),
            }
        }
        self.out.push('"');
    }
}

/// The same elements in another order, a trace beyond doubt first.
pub fn reordered(elements: &[Value], random: &mut Random) -> Vec<Value> {
    let mut elements = elements.to_vec();
    random.shuffle(&mut elements);
    for element in &mut elements {
        if let Some(Value::Array(spans)) = element.get_mut("spans") {
            random.shuffle(spans);
        }
    }
    with_a_trace_first(elements).expect("every capture has one")
}

/// With a trace beyond doubt in front, if there is one.
pub fn with_a_trace_first(mut elements: Vec<Value>) -> Option<Vec<Value>> {
    let sure = elements.iter().position(shows_a_trace)?;
    elements.swap(0, sure);
    Some(elements)
}
