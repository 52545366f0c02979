//! What a format reads, as plain values to be compared with a plain reading: for tests and fuzzing.

use std::sync::Arc;

use super::split::{Emit, SplitError, SplitOptions, Window, split};
use super::stream::{Buffer, Chunk, Origin, Stream};
use super::{Ahead, Batch, FORMATS, Parser, Sink, format_by_name, jaeger, parse};
use crate::model::{Draft, Id, Kind, NoDuration, Run, ValueType, Wanted};

/// Everything that was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Plain {
    pub(super) spans: Vec<PlainSpan>,
    /// Reasons, each with the byte.
    pub(super) skips: Vec<(u64, &'static str)>,
    /// The traces given on, whole or not, each with what its server says of its clocks and of spans it left out.
    pub(super) traces: Vec<(String, bool, Said)>,
}

/// What a server says of its clocks, and of spans it left out.
pub(super) type Said = (bool, Option<String>);

/// A span, with all that belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PlainSpan {
    pub(super) trace: String,
    pub(super) id: String,
    /// The trace if it is another one, the span, and whether it follows from it.
    pub(super) references: Vec<(Option<String>, String, bool)>,
    /// None if it is not known.
    pub(super) service: Option<String>,
    pub(super) operation: String,
    pub(super) kind: Option<Kind>,
    pub(super) start_ns: Option<i64>,
    pub(super) duration_ns: Result<i64, NoDuration>,
    pub(super) attributes: Attributes,
    pub(super) of_process: Attributes,
    pub(super) events: Vec<(Option<i64>, Attributes)>,
}

/// Keys and values in their order.
pub(super) type Attributes = Vec<(String, ValueType, String)>;

impl Plain {
    fn take(&mut self, draft: &Draft, is_whole: bool) {
        let text = |id: &Id| id.to_string();
        let trace = draft.id.as_ref().map(text).unwrap_or_default();
        self.traces.push((trace.clone(), is_whole, (draft.skew_corrected, draft.cut.clone())));
        let attributes = |run: Run| -> Attributes {
            let all = draft.attributes_of(run).iter();
            all.map(|it| (it.key.as_str().to_owned(), it.value_type, draft.text(it.value).to_owned())).collect()
        };
        for span in &draft.spans {
            let process = &draft.processes[span.process as usize];
            let references = draft.references[span.references.range()].iter();
            let events = draft.events[span.events.range()].iter();
            self.spans.push(PlainSpan {
                trace: trace.clone(),
                id: text(&span.id),
                references: references
                    .map(|it| (it.trace.as_deref().map(text), text(&it.span), it.follows_from))
                    .collect(),
                service: process.is_known.then(|| process.service.as_str().to_owned()),
                operation: span.operation.as_str().to_owned(),
                kind: span.kind,
                start_ns: span.start_ns,
                duration_ns: span.duration_ns,
                attributes: attributes(span.attributes),
                of_process: attributes(process.attributes),
                events: events.map(|it| (it.at_ns, attributes(it.attributes))).collect(),
            });
        }
    }

    /// With each trace's spans together, in an order that does not tell which trace came first.
    pub(super) fn in_order(mut self) -> Plain {
        self.spans.sort_by(|a, b| a.trace.cmp(&b.trace));
        self.traces.sort();
        self.skips.sort_unstable();
        self
    }
}

/// Reads a source to its end on one thread, as a run does up to the assembling; `None` if it is broken. Elements
/// are cut out, or parsed where they stand if their format's are, and taken to be lines if they look so.
pub(super) fn read(format: &str, bytes: &[u8], wanted: &Arc<Wanted>, in_place: bool) -> Option<Plain> {
    let reading = read_once(format, bytes, wanted, in_place, in_place);
    let reading = if reading.is_wrong_guess { read_once(format, bytes, wanted, in_place, false) } else { reading };
    (!reading.is_broken).then_some(reading.plain)
}

fn read_once(format: &str, mut bytes: &[u8], wanted: &Arc<Wanted>, in_place: bool, takes_lines: bool) -> Reading {
    let format = format_by_name(format).expect("a format's own test names it");
    let mut reading = Reading {
        parser: FORMATS[format].parser(wanted),
        plain: Plain::default(),
        is_broken: false,
        in_place,
        takes_lines,
        is_wrong_guess: false,
        element: 0,
    };
    let options = SplitOptions { lenient: false, max_element_bytes: u64::MAX, format: Some(format) };
    let mut stream = Stream::new(&mut bytes);
    let origin = Origin { source: 0, format };
    let (_, outcome) = split(&mut stream, FORMATS[format].frame(), origin, options, &mut reading);
    reading.is_broken |= matches!(outcome, Err(SplitError::Syntax { .. }));
    reading
}

struct Reading {
    parser: Box<dyn Parser>,
    plain: Plain,
    is_broken: bool,
    in_place: bool,
    takes_lines: bool,
    is_wrong_guess: bool,
    /// Where the element at hand begins in the source.
    element: u64,
}

impl Emit for Reading {
    fn emit(&mut self, chunk: Chunk) -> bool {
        let mut sink = PlainSink { offset: chunk.place.offset, element: &mut self.element, plain: &mut self.plain };
        let is_broken = parse(&mut *self.parser, &chunk, &mut sink).is_err();
        self.is_broken |= is_broken;
        self.is_wrong_guess |= is_broken && chunk.is_guessed;
        !self.is_broken
    }

    fn spare(&mut self) -> Option<Buffer> {
        None
    }

    fn items(&mut self, window: &Window<'_>) -> Option<Ahead> {
        let mut sink = PlainSink { offset: window.place.offset, element: &mut self.element, plain: &mut self.plain };
        if self.in_place { self.parser.items(window, &mut sink) } else { None }
    }

    fn takes_lines(&self) -> bool {
        self.takes_lines
    }
}

struct PlainSink<'a> {
    /// Where the bytes at hand begin in the source.
    offset: u64,
    element: &'a mut u64,
    plain: &'a mut Plain,
}

impl Sink for PlainSink<'_> {
    fn begin(&mut self, start: usize) {
        *self.element = self.offset + start as u64;
    }

    fn trace(&mut self, draft: &mut Draft) {
        self.plain.take(draft, true);
    }

    fn spans(&mut self, draft: &mut Draft) {
        self.plain.take(draft, false);
    }

    fn batch(&mut self, batch: &Batch) {
        batch.drafts().iter().for_each(|it| self.plain.take(it, false));
    }

    fn incomplete(&mut self, _: &str) {}

    fn skip(&mut self, reason: &'static str, at: usize) {
        self.plain.skips.push((*self.element + at as u64, reason));
    }
}

/// Panics unless Jaeger's JSON is read as by the plain reference, all of it and what reports need of it.
pub fn check_jaeger(bytes: &[u8]) {
    for (wanted, in_place) in [(Wanted::all(), false), (Wanted::all(), true), (Wanted::with([]), true)] {
        let expected = jaeger::reference::read(bytes, &wanted).map(Plain::in_order);
        let found = read("jaeger", bytes, &Arc::new(wanted), in_place).map(Plain::in_order);
        if found == expected {
            continue;
        }
        let text = String::from_utf8_lossy(bytes);
        match (found, expected) {
            (Some(found), Some(expected)) => {
                assert_eq!(found.skips, expected.skips, "skipped in {text}");
                assert_eq!(found.traces, expected.traces, "traces in {text}");
                for (one, other) in found.spans.iter().zip(&expected.spans) {
                    assert_eq!(one, other, "in {text}");
                }
                panic!("{} spans instead of {} in {text}", found.spans.len(), expected.spans.len());
            }
            (found, _) => panic!("{} should be {} in {text}", found.is_some(), found.is_none()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixtures() -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        for directory in ["shapes", "quirks", "malformed"] {
            let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(directory);
            let mut paths: Vec<_> = directory.read_dir().unwrap().map(|it| it.unwrap().path()).collect();
            paths.sort();
            found.extend(paths.iter().map(|it| std::fs::read(it).unwrap()));
        }
        found
    }

    #[test]
    fn fixtures_are_read_as_by_the_reference() {
        fixtures().iter().for_each(|it| check_jaeger(it));
        // There is something to compare.
        let all = Arc::new(Wanted::all());
        let spans: Vec<PlainSpan> =
            fixtures().iter().flat_map(|it| read("jaeger", it, &all, true)).flat_map(|it| it.spans).collect();
        let count = |test: fn(&PlainSpan) -> bool| spans.iter().filter(|it| test(it)).count();
        assert!(count(|it| !it.attributes.is_empty() && it.service.is_some()) > 50);
        assert!(count(|it| !it.references.is_empty()) > 20 && count(|it| !it.events.is_empty()) > 5);
    }

    #[test]
    fn what_the_trace_before_has_left_does_not_matter_where_the_bytes_end() {
        let tag = |value: &str| format!(r#"{{"key":"k","type":"string","value":"{value}"}}"#);
        let tags: Vec<String> = (0..60).map(|_| tag("éééé")).collect();
        for length in 1..9 {
            let span = format!(r#"{{"traceID":"a1","spanID":"b1","tags":[{}]}}"#, tag(&"x".repeat(length)));
            let process = format!(r#"{{"serviceName":"web","tags":[{}]}}"#, tags.join(","));
            let text = format!(
                r#"{{"data":[{{"traceID":"a1","spans":[{span}]}},{{"processes":{{"p1":{process}}},"traceID":"a1","spans":[{span}]}}]}}"#
            );
            check_jaeger(text.as_bytes());
        }
    }

    #[test]
    fn fixtures_with_bytes_changed_are_read_as_by_the_reference() {
        let mut state = 1u32;
        let mut random = |below: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % below
        };
        const BYTES: &[u8] = b"{}[]\",:\\ \n0-.eEtfnus\x00\x80\xc3\xed";
        for fixture in fixtures().iter().filter(|it| !it.is_empty() && it.len() < 8_000) {
            for _ in 0..8 {
                let mut bytes = fixture.clone();
                let at = random(bytes.len());
                match random(3) {
                    0 => bytes[at] = BYTES[random(BYTES.len())],
                    1 => bytes.insert(at, BYTES[random(BYTES.len())]),
                    _ => drop(bytes.drain(at..(at + 1 + random(30)).min(fixture.len()))),
                }
                check_jaeger(&bytes);
            }
        }
    }
}
