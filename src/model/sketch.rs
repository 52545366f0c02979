//! A notation for traces that tests are written in and can be read at a glance.
//!
//! ```text
//! web GET / 0..100
//!   web render 0..10
//!   db SELECT 10..40 client ! db.system=postgresql
//!   queue handle 90..200 ~
//! ```
//!
//! One span a line: service, operation, start and end in milliseconds from 2026-11-01 10:00 UTC; two
//! spaces more make a child. After the interval: a kind, `!` for an error, `~` for FOLLOWS_FROM,
//! `key=value` for an attribute, `host=name` for its process, `?parent` for a parent that is not there.
//! An end of `?` is an unknown duration. A first line `zipkin` has Zipkin's rules find the calls.
//! Several traces are several calls.

use super::attributes::{Run, ValueType, Wanted};
use super::draft::{LinkRules, NoDuration, Process, Reference};
use super::{Assembler, DeriveOptions, Draft, DraftSpan, Id, Key, Kind, Known, Name, Trace};

/// What the milliseconds count from.
pub const EPOCH_NS: i64 = 1_793_527_200_000_000_000;

/// The trace of a sketch, under the usual options.
pub fn trace(sketch: &str) -> Trace {
    trace_with(sketch, DeriveOptions::default())
}

/// The trace of a sketch under other options.
pub fn trace_with(sketch: &str, options: DeriveOptions) -> Trace {
    Assembler::new(options).assemble(draft(sketch))
}

/// The spans of a sketch as a reader would give them; ids are the numbers of the lines.
pub fn draft(sketch: &str) -> Draft {
    let mut draft = Draft { id: Id::parse("7ace"), ..Draft::default() };
    let mut above: Vec<Id> = Vec::new();
    let (rules, lines): (Vec<&str>, Vec<&str>) =
        sketch.lines().filter(|it| !it.trim().is_empty()).partition(|it| it.trim() == "zipkin");
    if !rules.is_empty() {
        draft.links = LinkRules::Zipkin;
    }
    let indent = |line: &str| line.len() - line.trim_start().len();
    let outer = lines.iter().map(|it| indent(it)).min().unwrap_or(0);
    for (nth, line) in lines.into_iter().enumerate() {
        let depth = (indent(line) - outer) / 2;
        above.truncate(depth);
        let id = Id::parse(&format!("{:016x}", nth + 1)).expect("a number is an id");
        add_span(&mut draft, line, id.clone(), above.last().cloned());
        above.push(id);
    }
    draft
}

fn add_span(draft: &mut Draft, line: &str, id: Id, parent: Option<Id>) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|it| it.contains("..")).expect("every line has an interval");
    let (start, end) = words[at].split_once("..").expect("an interval has two ends");
    let ms = |text: &str| (text.parse::<f64>().expect("milliseconds") * 1e6) as i64;
    let start_ns = EPOCH_NS + ms(start);
    let mut span = DraftSpan {
        id,
        operation: Name::new(&words[1..at].join(" ")),
        process: 0,
        start_ns: Some(start_ns),
        duration_ns: if end == "?" { Err(NoDuration::Missing) } else { Ok(EPOCH_NS + ms(end) - start_ns) },
        kind: None,
        failed: None,
        shared: false,
        supplement: false,
        attributes: Run::default(),
        events: Run::default(),
        references: Run::default(),
    };
    let mut follows_from = false;
    let mut parent = parent;
    let mut host = None;
    let attributes = draft.attribute_mark();
    for word in &words[at + 1..] {
        if let Some(kind) = Kind::from_text(word) {
            span.kind = Some(kind);
        } else if *word == "!" {
            draft.push_attribute(Key::Known(Known::Error), "true", ValueType::Bool);
        } else if *word == "~" {
            follows_from = true;
        } else if let Some(gone) = word.strip_prefix('?') {
            parent = Id::parse(gone);
        } else if let Some(name) = word.strip_prefix("host=") {
            host = Some(name.to_owned());
        } else {
            let (key, value) = word.split_once('=').expect("an attribute is key=value");
            let key = Wanted::with([Name::new(key)]).key(key).expect("a wanted key");
            draft.push_attribute(key, value, ValueType::Text);
        }
    }
    span.attributes = Run { start: attributes, end: draft.attribute_mark() };
    span.process = add_process(draft, words[0], host.as_deref());
    if let Some(parent) = parent {
        let start = draft.references.len() as u32;
        draft.references.push(Reference { span: parent, trace: None, follows_from, is_link: false });
        span.references = Run { start, end: start + 1 };
    }
    draft.spans.push(span);
}

fn add_process(draft: &mut Draft, service: &str, host: Option<&str>) -> u32 {
    let start = draft.attribute_mark();
    if let Some(host) = host {
        draft.push_attribute(Key::Known(Known::HostName), host, ValueType::Text);
    }
    let attributes = Run { start, end: draft.attribute_mark() };
    draft.processes.push(Process { service: Name::new(service), is_known: true, is_parents: false, attributes });
    draft.processes.len() as u32 - 1
}

/// The critical path of the main root as `service operation start..end` lines, in milliseconds.
pub fn path(trace: &Trace) -> Vec<String> {
    let ms = |ns: i64| (ns - EPOCH_NS) as f64 / 1e6;
    trace
        .critical_path(trace.main_root())
        .iter()
        .map(|it| {
            let span = trace.span(it.span);
            format!("{} {} {}..{}", span.service, span.operation, ms(it.start_ns), ms(it.end_ns))
        })
        .collect()
}
