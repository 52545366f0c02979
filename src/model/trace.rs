//! A trace: spans in trees, parents before children, every repair counted.

use super::attributes::{Attribute, Known, Run, Text};
use super::draft::{Draft, DraftSpan, Event, LinkRules, Process, Reference};
use super::{Id, Name};

/// A span's side of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Answers a call.
    Server,
    /// Makes a call and waits.
    Client,
    /// Sends a message and does not wait.
    Producer,
    /// Handles a message.
    Consumer,
    /// Work inside a service.
    Internal,
}

impl Kind {
    /// All of them, in order.
    pub const ALL: [Kind; 5] = [Kind::Server, Kind::Client, Kind::Producer, Kind::Consumer, Kind::Internal];

    /// Reads `server`, `SERVER` and `SPAN_KIND_SERVER`.
    pub fn from_text(text: &str) -> Option<Kind> {
        // As it is written nearly always.
        match text {
            "server" => return Some(Kind::Server),
            "client" => return Some(Kind::Client),
            "internal" => return Some(Kind::Internal),
            _ => {}
        }
        let word = match text.get(..10) {
            Some(prefix) if prefix.eq_ignore_ascii_case("span_kind_") => &text[10..],
            _ => text,
        };
        let is = |name: &str| word.eq_ignore_ascii_case(name);
        if is("server") {
            Some(Kind::Server)
        } else if is("client") {
            Some(Kind::Client)
        } else if is("internal") {
            Some(Kind::Internal)
        } else if is("producer") {
            Some(Kind::Producer)
        } else if is("consumer") {
            Some(Kind::Consumer)
        } else {
            None
        }
    }

    /// In small letters.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Server => "server",
            Kind::Client => "client",
            Kind::Producer => "producer",
            Kind::Consumer => "consumer",
            Kind::Internal => "internal",
        }
    }
}

/// A span at its place in a tree.
#[derive(Clone, Debug)]
pub struct Span {
    /// Its id.
    pub id: Id,
    /// Whose work it is.
    pub service: Name,
    /// What it does.
    pub operation: Name,
    /// Nanoseconds since the epoch.
    pub start_ns: i64,
    /// `None` when unknown, which is not 0.
    pub duration_ns: Option<i64>,
    /// Duration minus the union of its direct blocking children; `None` when its duration is unknown.
    pub self_ns: Option<i64>,
    /// Its side of a call.
    pub kind: Option<Kind>,
    /// Whether it failed.
    pub error: bool,
    /// Index of its parent, always smaller than its own.
    pub parent: Option<u32>,
    /// Whether its parent waits for it: not when it only FOLLOWS_FROM it, nor for a message handled.
    pub blocking: bool,
    /// A root that named a parent which is not there.
    pub orphan: bool,
    /// The server half of an id used on both sides of a call.
    pub shared: bool,
    pub(crate) children: Run,
    /// The number of its service, operation and kind among those that its assembler met.
    pub(crate) operation_number: u32,
    /// Which span of the draft it was, where its attributes, events and process are found.
    pub(crate) drafted: u32,
}

impl Span {
    /// Where it ends; where it starts, if its duration is unknown.
    pub fn end_ns(&self) -> i64 {
        // Checked when the span was read: the end is a time too.
        self.start_ns + self.duration_ns.unwrap_or(0)
    }
}

/// A piece of a critical path: from `start_ns` to `end_ns` the root waited on `span`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// Index of the span.
    pub span: u32,
    /// Nanoseconds since the epoch.
    pub start_ns: i64,
    /// Nanoseconds since the epoch.
    pub end_ns: i64,
}

/// A root and its critical path.
#[derive(Clone, Copy, Debug)]
pub struct Root {
    /// Index of the root span.
    pub span: u32,
    /// Whether it is the trace's main root.
    pub main: bool,
    /// Whether the trace's true root is missing, and this is the longest of the orphans.
    pub partial: bool,
    pub(crate) sections: Run,
}

/// What was mended in a trace, each a number of spans unless it says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Repairs {
    /// Spans whose parent is not in the trace, or was cut off in a cycle: roots of their own.
    pub orphans: u64,
    /// True roots beyond the first.
    pub extra_roots: u64,
    /// Parent cycles cut, self-parents among them.
    pub cycles: u64,
    /// Spans reported twice with equal content, dropped.
    pub duplicate_spans: u64,
    /// Different spans under one id, told apart by a suffix.
    pub renamed_spans: u64,
    /// Server halves of an id used on both sides of a call.
    pub shared_spans: u64,
    /// Spans reported twice with different content, joined.
    pub merged_spans: u64,
    /// Durations below zero: unknown.
    pub negative_durations: u64,
    /// Durations not said: unknown.
    pub missing_durations: u64,
    /// Starts not said: the parent's, or the earliest child's.
    pub missing_starts: u64,
    /// Spans of no process.
    pub missing_processes: u64,
    /// References to another trace: links.
    pub foreign_references: u64,
    /// Spans moved because their host's clock was off.
    pub clock_skew: u64,
    /// The farthest any was moved.
    pub clock_skew_max_us: u64,
    /// Errors and events of spans that are not there.
    pub lone_supplements: u64,
    /// Traces met again, equal.
    pub repeated_traces: u64,
    /// Traces met again, different, joined.
    pub split_traces: u64,
}

impl Repairs {
    /// Adds another count.
    pub fn add(&mut self, other: &Repairs) {
        self.orphans += other.orphans;
        self.extra_roots += other.extra_roots;
        self.cycles += other.cycles;
        self.duplicate_spans += other.duplicate_spans;
        self.renamed_spans += other.renamed_spans;
        self.shared_spans += other.shared_spans;
        self.merged_spans += other.merged_spans;
        self.negative_durations += other.negative_durations;
        self.missing_durations += other.missing_durations;
        self.missing_starts += other.missing_starts;
        self.missing_processes += other.missing_processes;
        self.foreign_references += other.foreign_references;
        self.clock_skew += other.clock_skew;
        self.clock_skew_max_us = self.clock_skew_max_us.max(other.clock_skew_max_us);
        self.lone_supplements += other.lone_supplements;
        self.repeated_traces += other.repeated_traces;
        self.split_traces += other.split_traces;
    }

    /// Each count with the words for it, in the order they are shown; the largest skew is not a count.
    pub fn counts(&self) -> [(u64, &'static str); 16] {
        let orphans = match self.cycles {
            0 => "orphans (parent not in the trace)",
            _ => "orphans (parent not in the trace, or cut off in a cycle)",
        };
        [
            (self.orphans, orphans),
            (self.extra_roots, "extra roots"),
            (self.cycles, "parent cycles cut"),
            (self.duplicate_spans, "duplicate spans dropped"),
            (self.renamed_spans, "spans renamed (one id, different spans)"),
            (self.shared_spans, "shared span ids split"),
            (self.merged_spans, "span reports merged"),
            (self.negative_durations, "negative durations (unknown now)"),
            (self.missing_durations, "missing durations"),
            (self.missing_starts, "missing start times"),
            (self.missing_processes, "spans without a service"),
            (self.foreign_references, "references to other traces (links)"),
            (self.clock_skew, "spans moved for clock skew"),
            (self.lone_supplements, "errors of spans that are not there"),
            (self.repeated_traces, "traces met again (equal)"),
            (self.split_traces, "traces merged from differing copies"),
        ]
    }
}

/// Span trees and everything derived from them once.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Its id.
    pub id: Id,
    /// What was mended.
    pub repairs: Repairs,
    pub(crate) spans: Vec<Span>,
    pub(crate) roots: Vec<Root>,
    pub(crate) sections: Vec<Section>,
    /// What it was made of: texts, attributes, events and processes live on here.
    pub(crate) draft: Draft,
    pub(crate) start_ns: i64,
    pub(crate) end_ns: i64,
}

impl Trace {
    /// The spans: parents before children, siblings together and in canonical order.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// The span at an index.
    pub fn span(&self, idx: u32) -> &Span {
        &self.spans[idx as usize]
    }

    /// The indices of a span's children.
    pub fn children(&self, idx: u32) -> std::ops::Range<u32> {
        let run = self.spans[idx as usize].children;
        run.start..run.end
    }

    /// The roots, in canonical order: one or more.
    pub fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// The root that stands for the request.
    pub fn main_root(&self) -> &Root {
        self.roots.iter().find(|it| it.main).expect("every trace has a main root")
    }

    /// The critical path of a root: sections that tile it, earliest first.
    pub fn critical_path(&self, root: &Root) -> &[Section] {
        &self.sections[root.sections.range()]
    }

    /// By which rules its calls between services are found.
    pub fn link_rules(&self) -> LinkRules {
        self.draft.links
    }

    /// The earliest start, in nanoseconds since the epoch.
    pub fn start_ns(&self) -> i64 {
        self.start_ns
    }

    /// The latest end, in nanoseconds since the epoch.
    pub fn end_ns(&self) -> i64 {
        self.end_ns
    }

    /// Latest end minus earliest start.
    pub fn duration_ns(&self) -> i64 {
        self.end_ns - self.start_ns
    }

    /// [`Trace::duration_ns`], if any span says how long it took.
    pub fn known_duration_ns(&self) -> Option<i64> {
        self.spans.iter().any(|it| it.duration_ns.is_some()).then(|| self.duration_ns())
    }

    /// Whether any span failed.
    pub fn contains_error(&self) -> bool {
        self.spans.iter().any(|it| it.error)
    }

    /// Whether the main root failed.
    pub fn failed(&self) -> bool {
        self.span(self.main_root().span).error
    }

    pub(crate) fn text(&self, text: Text) -> &str {
        self.draft.text(text)
    }

    /// A span's own attributes.
    pub fn attributes(&self, span: &Span) -> &[Attribute] {
        self.draft.attributes_of(self.drafted(span).attributes)
    }

    pub(crate) fn drafted(&self, span: &Span) -> &DraftSpan {
        &self.draft.spans[span.drafted as usize]
    }

    /// The attributes of the process that reported a span.
    pub fn process_attributes(&self, span: &Span) -> &[Attribute] {
        self.draft.attributes_of(self.process(span).attributes)
    }

    /// Whether the service of a span was said, rather than filled in.
    pub fn names_service(&self, span: &Span) -> bool {
        self.process(span).is_known
    }

    /// The value of a span's own attribute.
    pub fn value(&self, span: &Span, key: Known) -> Option<&str> {
        self.find(self.drafted(span).attributes, key)
    }

    /// The first of these keys that a span has, in the order of the keys.
    pub fn first_value(&self, span: &Span, keys: &[Known]) -> Option<&str> {
        self.draft.first_value(self.drafted(span).attributes, keys)
    }

    pub(crate) fn find(&self, run: Run, key: Known) -> Option<&str> {
        self.draft.find(run, key)
    }

    pub(crate) fn events(&self, span: &Span) -> &[Event] {
        &self.draft.events[self.drafted(span).events.range()]
    }

    /// The attributes of an event.
    pub(crate) fn event_attributes(&self, event: &Event) -> &[Attribute] {
        self.draft.attributes_of(event.attributes)
    }

    /// What a span said of others, its parent among them, in the order in which it was read.
    pub(crate) fn references(&self, span: &Span) -> &[Reference] {
        &self.draft.references[self.drafted(span).references.range()]
    }

    /// Which process of the trace reported a span.
    pub(crate) fn process(&self, span: &Span) -> &Process {
        &self.draft.processes[self.drafted(span).process as usize]
    }

    /// The server's words that it left spans out.
    pub(crate) fn cut(&self) -> Option<&str> {
        self.draft.cut.as_deref()
    }

    /// Whether its times were corrected for clock skew, by its server or here.
    pub(crate) fn is_skew_corrected(&self) -> bool {
        self.draft.skew_corrected || self.repairs.clock_skew > 0
    }
}
