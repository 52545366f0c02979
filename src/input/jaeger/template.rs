//! The whole of a span, as those before it were written: what stands between the values that differ.
//!
//! Exporters write every span with the same keys in the same order, so the text from one value to the next is
//! always the same, but for the trace's id, which is the same within a trace. It is compared in one go.

use std::ops::Range;

use crate::input::json::{Pattern, Patterns};
use crate::input::trust::Trust;

/// A longer span, its values aside, is not remembered.
const LONGEST: usize = 4096;

/// A shorter id may occur by chance.
const SHORTEST_ID: usize = 16;

/// A value of a span that differs from that of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The 16 digits of its id, without the quotes.
    Id,
    /// The text of its operation, without the quotes.
    Operation,
    /// The 16 digits of its parent's id, without the quotes.
    Parent,
    Start,
    Duration,
    Tags,
    Logs,
    /// The key of its process, without the quotes.
    Process,
}

/// Text that is compared, and the value behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) text: Pattern,
    pub(super) part: Part,
}

/// Spans as they were written.
#[derive(Debug, Default)]
pub(super) struct Template {
    pub(super) steps: Vec<Step>,
    /// Behind the last value.
    pub(super) end: Pattern,
    pub(super) texts: Patterns,
    /// The id of the trace in the texts, and where it stands in them.
    trace: Vec<u8>,
    places: Vec<usize>,
}

/// The templates of the two kinds of span that were met last: such with a parent and such without, as a rule.
#[derive(Debug, Default)]
pub(super) struct Templates {
    known: [Template; 2],
    trust: Trust,
    /// The values of the span at hand, in order, and where they stand.
    parts: Vec<(Part, Range<usize>)>,
    /// It says something that must be read each time, and is none of the parts.
    is_spoiled: bool,
}

impl Templates {
    pub(super) const N: usize = 2;

    /// Whether the next span should be compared.
    #[inline]
    pub(super) fn try_next(&mut self) -> bool {
        self.trust.tries()
    }

    /// A template made for the trace with this id.
    #[inline]
    pub(super) fn of_trace(&mut self, nth: usize, trace: &str) -> &Template {
        let template = &mut self.known[nth];
        if template.trace != trace.as_bytes() {
            template.set_trace(trace.as_bytes());
        }
        template
    }

    #[inline]
    pub(super) fn get(&self, nth: usize) -> &Template {
        &self.known[nth]
    }

    /// Notes which of them the last span was like.
    #[inline]
    pub(super) fn count(&mut self, like: Option<usize>) {
        self.trust.count(like.is_some());
        if like == Some(1) {
            self.known.swap(0, 1);
        }
    }

    /// Forgets the values of the span before.
    pub(super) fn begin(&mut self) {
        self.parts.clear();
        self.is_spoiled = false;
    }

    /// The span at hand is not to be remembered.
    pub(super) fn spoil(&mut self) {
        self.is_spoiled = true;
    }

    /// Notes a value of the span at hand.
    #[inline]
    pub(super) fn note(&mut self, part: Part, at: Range<usize>) {
        self.parts.push((part, at));
    }

    /// Remembers the span at hand, of the trace with this id; `at` is where its text stands.
    pub(super) fn learn(&mut self, text: &[u8], at: usize, trace: &str) {
        let n_constant = text.len().saturating_sub(self.parts.iter().map(|it| it.1.len()).sum());
        let is_double = |nth: usize| self.parts[..nth].iter().any(|it| it.0 == self.parts[nth].0);
        if self.is_spoiled || !self.trust.learns() || trace.len() < SHORTEST_ID || n_constant > LONGEST {
            return;
        }
        // Which of two counts is for the general way to say.
        if (0..self.parts.len()).any(is_double) {
            return;
        }
        let mut template = Template::default();
        let mut from = 0;
        for (part, range) in &self.parts {
            let text = template.texts.add(&text[from..range.start - at]);
            template.steps.push(Step { text, part: *part });
            from = range.end - at;
        }
        template.end = template.texts.add(&text[from..]);
        template.find_trace(trace.as_bytes());
        self.known.swap(0, 1);
        self.known[0] = template;
    }
}

impl Template {
    fn find_trace(&mut self, trace: &[u8]) {
        for pattern in self.steps.iter().map(|it| it.text).chain([self.end]) {
            let (start, text) = (pattern.start(), self.texts.text(pattern));
            self.places.extend(memchr::memmem::find_iter(text, trace).map(|it| start + it));
        }
        self.trace.extend_from_slice(trace);
    }

    /// Puts another id into the texts.
    #[inline(never)]
    fn set_trace(&mut self, trace: &[u8]) {
        if trace.len() != self.trace.len() {
            *self = Template::default();
            return;
        }
        for place in &self.places {
            self.texts.overwrite(*place, trace);
        }
        self.trace.copy_from_slice(trace);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::input::plain::check_jaeger;

    const TRACES: [&str; 3] =
        ["96474537b4223ebfcfcf2c1f526e3a6d", "0000000000000000aaaaaaaaaaaaaaaa", "5a9e000000000001"];

    /// A change of a span's members, which are keys and values as they are written.
    type Change = fn(&mut Vec<(&'static str, String)>);

    const CHANGES: [Change; 14] = [
        |_| {},
        |it| it.retain(|it| it.0 != "references"),
        |it| it[3].1 = "[]".to_owned(),
        |it| it.swap(2, 6),
        |it| it.swap(1, 8),
        |it| it.push(("flags", "1".to_owned())),
        |it| it.push(("warnings", "null".to_owned())),
        |it| it.push(("warnings", r#"["adjusted by 3ms: clock skew"]"#.to_owned())),
        |it| it.push(("duration", "7".to_owned())),
        |it| it.push(("references", "[]".to_owned())),
        |it| it[1].1 = r#""A1""#.to_owned(),
        |it| it[0].1 = format!(r#""{}""#, TRACES[1]),
        |it| it[2].1 = r#""GET \/\u00e9""#.to_owned(),
        |it| it[7].1 = "[]".to_owned(),
    ];

    fn span(trace: usize, number: u64, change: usize) -> String {
        let trace = TRACES[trace];
        let tags = [
            r#"[{"key":"span.kind","type":"string","value":"client"},{"key":"n","type":"int64","value":1}]"#,
            r#"[{"key":"http.url","type":"string","value":"/x?a=96474537b4223ebfcfcf2c1f526e3a6d"}]"#,
            "[]",
        ];
        let logs = r#"[{"timestamp":1793527200168999,"fields":[{"key":"event","type":"string","value":"error"}]}]"#;
        let mut members = vec![
            ("traceID", format!(r#""{trace}""#)),
            ("spanID", format!(r#""{number:016x}""#)),
            ("operationName", format!(r#""op {}""#, number % 3)),
            ("references", format!(r#"[{{"refType":"CHILD_OF","traceID":"{trace}","spanID":"{:016x}"}}]"#, number / 2)),
            ("startTime", format!("{}", 1_793_527_200_168_885 + number)),
            ("duration", format!("{}", number * 37)),
            ("tags", tags[number as usize % 3].to_owned()),
            ("logs", if number.is_multiple_of(5) { logs.to_owned() } else { "[]".to_owned() }),
            ("processID", format!(r#""p{}""#, number % 2)),
        ];
        CHANGES[change](&mut members);
        let members: Vec<String> = members.iter().map(|(key, value)| format!(r#""{key}":{value}"#)).collect();
        format!("{{{}}}", members.join(","))
    }

    proptest! {
        #[test]
        fn whatever_changes_from_span_to_span_the_plain_reader_finds_the_same(
            traces in prop::collection::vec(
                (
                    0..TRACES.len(),
                    0..CHANGES.len(),
                    prop::collection::vec((1u64..40, prop::option::weighted(0.2, 0..CHANGES.len())), 1..9),
                ),
                1..5,
            ),
        ) {
            let traces: Vec<String> = traces
                .into_iter()
                .map(|(trace, usual, spans)| {
                    let spans: Vec<String> =
                        spans.into_iter().map(|(number, change)| span(trace, number, change.unwrap_or(usual))).collect();
                    format!(
                        r#"{{"traceID":"{}","spans":[{}],"processes":{{"p0":{{"serviceName":"a","tags":[]}},"p1":{{"serviceName":"b","tags":[]}}}}}}"#,
                        TRACES[trace],
                        spans.join(","),
                    )
                })
                .collect();
            check_jaeger(format!(r#"{{"data":[{}]}}"#, traces.join(",")).as_bytes());
        }
    }
}
