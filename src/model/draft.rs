//! Spans as a reader found them: not yet a tree, nothing judged or repaired.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};

use super::attributes::{Attribute, Key, Known, Run, Text, ValueType};
use super::{Id, Kind, Name};

/// The spans of one trace as they were read, in any order.
///
/// Texts live in one arena and lists in shared vectors, so that reading a span allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// The trace's id; `None` only while it is being read.
    pub id: Option<Id>,
    /// The spans.
    pub spans: Vec<DraftSpan>,
    /// Which process each is of.
    pub processes: Vec<Process>,
    /// The server says that it moved spans to correct clock skew.
    pub skew_corrected: bool,
    /// The server's words that it left spans out.
    pub cut: Option<String>,
    /// By which rules its calls between services are found.
    pub links: LinkRules,
    pub(crate) text: String,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) events: Vec<Event>,
    pub(crate) references: Vec<Reference>,
}

/// A span as it was read.
#[derive(Clone, Debug)]
pub struct DraftSpan {
    /// Its id.
    pub id: Id,
    /// What it does.
    pub operation: Name,
    /// Index into [`Draft::processes`].
    pub process: u32,
    /// Nanoseconds since the epoch; `None` when it was not said.
    pub start_ns: Option<i64>,
    /// How long it took, or why that is not known.
    pub duration_ns: Result<i64, NoDuration>,
    /// Its side of a call.
    pub kind: Option<Kind>,
    /// The format's own word on whether it failed; without one the attributes decide.
    pub failed: Option<bool>,
    /// The halves of a Zipkin id used on both sides of a call.
    pub shared: bool,
    /// No span, but attributes and events that belong to the span of this id.
    pub supplement: bool,
    pub(crate) attributes: Run,
    pub(crate) events: Run,
    pub(crate) references: Run,
}

/// How calls between services are told from spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkRules {
    /// A span of another service than its parent is a call, as Jaeger has it.
    #[default]
    ParentChild,
    /// Kinds and remote endpoints decide, as Zipkin has it.
    Zipkin,
}

impl LinkRules {
    /// What stands for a trace where many are remembered. In Zipkin's world some services write 64 bits
    /// of an id and others 128, of which those 64 are the lower half: it is one trace.
    pub(crate) fn trace_key(self, id: &Id) -> u128 {
        let low = id.value().map_or(0, |it| it & u128::from(u64::MAX));
        if self == LinkRules::Zipkin && low != 0 { low } else { id.compact() }
    }
}

/// Who reported spans.
#[derive(Clone, Debug)]
pub struct Process {
    /// The service; [`UNKNOWN_SERVICE`] when it was not said.
    pub service: Name,
    /// Whether that was said.
    pub is_known: bool,
    /// The spans are of their parents' process, which the format writes elsewhere.
    pub is_parents: bool,
    pub(crate) attributes: Run,
}

/// The service of spans that name none, as Jaeger's user interface calls it.
pub const UNKNOWN_SERVICE: &str = "unknown-service";

/// The operation of spans that name none.
pub const UNKNOWN_OPERATION: &str = "unknown-operation";

/// Something that happened at one moment of a span, such as an exception.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// Nanoseconds since the epoch, where said.
    pub at_ns: Option<i64>,
    pub(crate) attributes: Run,
}

/// A span's word about another.
#[derive(Clone, Debug)]
pub struct Reference {
    /// The other span.
    pub span: Id,
    /// The other trace; `None` for the same.
    pub trace: Option<Box<Id>>,
    /// Whether the other waits for this one.
    pub follows_from: bool,
    /// Whether it is a mere hint at another span, never its parent.
    pub is_link: bool,
}

/// Why a span has no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoDuration {
    /// It was below zero, often wrapped to a huge number.
    Negative,
    /// It was not said.
    Missing,
}

/// Keys and values of attributes.
type SpelledOut = Vec<(&'static str, String)>;

/// How much a draft holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DraftMark {
    text: usize,
    attributes: usize,
    events: usize,
    references: usize,
    processes: usize,
    spans: usize,
}

impl Draft {
    /// How much it holds now.
    pub(crate) fn mark(&self) -> DraftMark {
        DraftMark {
            text: self.text.len(),
            attributes: self.attributes.len(),
            events: self.events.len(),
            references: self.references.len(),
            processes: self.processes.len(),
            spans: self.spans.len(),
        }
    }

    /// Forgets what came behind a mark.
    pub(crate) fn back_to(&mut self, mark: &DraftMark) {
        self.text.truncate(mark.text);
        self.attributes.truncate(mark.attributes);
        self.events.truncate(mark.events);
        self.references.truncate(mark.references);
        self.processes.truncate(mark.processes);
        self.spans.truncate(mark.spans);
    }

    /// Empties the draft and keeps its memory.
    pub fn clear(&mut self) {
        self.id = None;
        self.spans.clear();
        self.processes.clear();
        self.skew_corrected = false;
        self.cut = None;
        self.links = LinkRules::default();
        self.text.clear();
        self.attributes.clear();
        self.events.clear();
        self.references.clear();
    }

    /// What stands for the trace where many are remembered; 0 for none.
    pub(crate) fn key(&self) -> u128 {
        self.id.as_ref().map_or(0, |it| self.links.trace_key(it))
    }

    /// Keeps a text.
    pub(crate) fn keep(&mut self, text: &str) -> Text {
        let start = self.text.len();
        self.text.push_str(text);
        Text { start: start as u32, len: text.len() as u32 }
    }

    /// The text kept.
    pub(crate) fn text(&self, text: Text) -> &str {
        &self.text[text.start as usize..(text.start + text.len) as usize]
    }

    pub(crate) fn push_attribute(&mut self, key: Key, value: &str, value_type: ValueType) {
        let value = self.keep(value);
        self.attributes.push(Attribute::new(key, value, value_type));
    }

    /// Keeps attributes whose values lie in this text.
    #[inline]
    pub(crate) fn keep_attributes(&mut self, attributes: &[Attribute], text: &str) {
        let base = self.text.len() as u32;
        self.text.push_str(text);
        self.attributes.extend(attributes.iter().map(|it| {
            let value = Text { start: it.value.start + base, ..it.value };
            Attribute { value, ..*it }
        }));
    }

    /// Where the next attribute will stand.
    pub(crate) fn attribute_mark(&self) -> u32 {
        self.attributes.len() as u32
    }

    /// The service of a span.
    pub fn service(&self, span: &DraftSpan) -> Name {
        self.processes[span.process as usize].service
    }

    pub(crate) fn attributes_of(&self, run: Run) -> &[Attribute] {
        &self.attributes[run.range()]
    }

    /// The value of the first attribute of a run with this key.
    pub(crate) fn find(&self, run: Run, key: Known) -> Option<&str> {
        self.attributes_of(run).iter().find(|it| it.key == Key::Known(key)).map(|it| self.text(it.value))
    }

    /// The first of these keys that is in a run and not empty, in the order of the keys.
    pub(crate) fn first_value(&self, run: Run, keys: &[Known]) -> Option<&str> {
        keys.iter().find_map(|it| self.find(run, *it).filter(|it| !it.is_empty()))
    }

    /// Adds another copy, or another part, of the same trace.
    pub fn append(&mut self, other: &Draft) {
        let text = self.text.len() as u32;
        let attributes = self.attributes.len() as u32;
        let events = self.events.len() as u32;
        let references = self.references.len() as u32;
        let processes = self.processes.len() as u32;
        self.text.push_str(&other.text);
        self.attributes.extend(
            other
                .attributes
                .iter()
                .map(|it| Attribute { value: Text { start: it.value.start + text, ..it.value }, ..*it }),
        );
        self.events
            .extend(other.events.iter().map(|it| Event { attributes: it.attributes.shifted(attributes), ..*it }));
        self.references.extend_from_slice(&other.references);
        self.processes.extend(
            other.processes.iter().map(|it| Process { attributes: it.attributes.shifted(attributes), ..it.clone() }),
        );
        self.spans.extend(other.spans.iter().map(|it| DraftSpan {
            process: it.process + processes,
            attributes: it.attributes.shifted(attributes),
            events: it.events.shifted(events),
            references: it.references.shifted(references),
            ..it.clone()
        }));
        self.skew_corrected |= other.skew_corrected;
        self.cut = self.cut.take().max(other.cut.clone());
        self.links = self.links.max(other.links);
        if let Some(id) = &other.id {
            self.add_id(id.clone());
        }
    }

    /// Takes another spelling of its id, if that is longer.
    pub fn add_id(&mut self, id: Id) {
        self.id = Some(match self.id.take() {
            Some(mine) => longest_written(mine, &id),
            None => id,
        });
    }

    /// Adds a copy of one span of another draft, with all that belongs to it.
    pub fn append_span(&mut self, other: &Draft, span: &DraftSpan, process: u32) {
        let attributes = self.append_attributes(other, span.attributes);
        let first_event = self.events.len() as u32;
        for event in &other.events[span.events.range()] {
            let attributes = self.append_attributes(other, event.attributes);
            self.events.push(Event { attributes, ..*event });
        }
        let first_reference = self.references.len() as u32;
        self.references.extend_from_slice(&other.references[span.references.range()]);
        self.spans.push(DraftSpan {
            process,
            attributes,
            events: Run { start: first_event, end: self.events.len() as u32 },
            references: Run { start: first_reference, end: self.references.len() as u32 },
            ..span.clone()
        });
    }

    /// Parts the spans into as many drafts, each span into the one named for it. The parts have no ids.
    pub fn parted(&self, n_parts: usize, part_of: impl Iterator<Item = usize>) -> Vec<Draft> {
        let mut parts: Vec<(Draft, HashMap<u32, u32>)> = Vec::new();
        parts.resize_with(n_parts, Default::default);
        for (span, part) in self.spans.iter().zip(part_of) {
            let (part, processes) = &mut parts[part];
            let process = *processes.entry(span.process).or_insert_with(|| part.append_process(self, span.process));
            part.append_span(self, span, process);
        }
        let says = |part: Draft| Draft {
            skew_corrected: self.skew_corrected,
            cut: self.cut.clone(),
            links: self.links,
            ..part
        };
        parts.into_iter().map(|(part, _)| says(part)).collect()
    }

    /// Adds a copy of a process of another draft; gives its index here.
    pub fn append_process(&mut self, other: &Draft, process: u32) -> u32 {
        let process = &other.processes[process as usize];
        let attributes = self.append_attributes(other, process.attributes);
        self.processes.push(Process { attributes, ..process.clone() });
        self.processes.len() as u32 - 1
    }

    fn append_attributes(&mut self, other: &Draft, run: Run) -> Run {
        let start = self.attribute_mark();
        for attribute in other.attributes_of(run) {
            let value = self.keep(other.text(attribute.value));
            self.attributes.push(Attribute { value, ..*attribute });
        }
        Run { start, end: self.attribute_mark() }
    }

    /// Takes the supplements out from among the spans.
    pub(crate) fn take_supplements(&mut self) -> Vec<DraftSpan> {
        if !self.spans.iter().any(|it| it.supplement) {
            return Vec::new();
        }
        let (supplements, spans) = std::mem::take(&mut self.spans).into_iter().partition(|it| it.supplement);
        self.spans = spans;
        supplements
    }

    /// Joins supplements with the spans they belong to, of which no two are the same any more; gives how many
    /// belong to none that is there. Of the two halves of a shared id the server's is meant.
    pub(crate) fn join_supplements(&mut self, supplements: Vec<DraftSpan>) -> u64 {
        if supplements.is_empty() {
            return 0;
        }
        let mut by_id: HashMap<Id, Vec<DraftSpan>> = HashMap::new();
        for supplement in supplements {
            by_id.entry(supplement.id.clone()).or_default().push(supplement);
        }
        let (servers, others): (Vec<usize>, Vec<usize>) = (0..self.spans.len()).partition(|it| self.spans[*it].shared);
        for idx in servers.into_iter().chain(others) {
            let Some(mut found) = by_id.remove(&self.spans[idx].id) else { continue };
            if found.len() > 1 {
                // They may have come in any order.
                found.sort_by_cached_key(|it| self.spelled_out(it));
            }
            let runs = std::iter::once(&self.spans[idx]).chain(&found);
            let (attributes, events): (Vec<Run>, Vec<Run>) = runs.map(|it| (it.attributes, it.events)).unzip();
            self.spans[idx].attributes = joined(&mut self.attributes, &attributes);
            self.spans[idx].events = joined(&mut self.events, &events);
        }
        by_id.values().map(|it| it.len() as u64).sum()
    }

    /// All that is said of a span by a supplement, to be sorted by.
    fn spelled_out(&self, supplement: &DraftSpan) -> (Vec<(Option<i64>, SpelledOut)>, SpelledOut) {
        let spelled = |run| self.attributes_of(run).iter().map(|it| (it.key.as_str(), self.text(it.value).to_owned()));
        let events = self.events[supplement.events.range()].iter();
        let events = events.map(|it| (it.at_ns, spelled(it.attributes).collect())).collect();
        (events, spelled(supplement.attributes).collect())
    }

    /// A number that is the same for the same spans in any order, and (almost surely) no other.
    pub fn fingerprint(&self) -> u64 {
        let hasher = || foldhash::quality::FoldHasher::with_seed(SEED, foldhash::SharedSeed::global_fixed());
        let mut of_trace = hasher();
        self.id.iter().for_each(|it| it.hash_written(&mut of_trace));
        (self.spans.len(), self.skew_corrected, &self.cut, self.links).hash(&mut of_trace);
        let mut sum = of_trace.finish();
        for span in &self.spans {
            let mut hasher = hasher();
            self.hash_span(span, &mut hasher);
            sum = sum.wrapping_add(hasher.finish());
        }
        sum
    }

    fn hash_span(&self, span: &DraftSpan, hasher: &mut impl Hasher) {
        // How it was written shows in the report, so it belongs to what is equal.
        span.id.hash_written(hasher);
        // Texts rather than addresses: the same number in every run and on every machine.
        span.operation.as_str().hash(hasher);
        let process = &self.processes[span.process as usize];
        process.service.as_str().hash(hasher);
        (process.is_known, process.is_parents, span.start_ns, span.duration_ns, span.kind).hash(hasher);
        (span.failed, span.shared, span.supplement).hash(hasher);
        for reference in &self.references[span.references.range()] {
            (reference.follows_from, reference.is_link).hash(hasher);
            (&reference.span, &reference.trace).hash(hasher);
        }
        self.hash_attributes(span.attributes, hasher);
        self.hash_attributes(process.attributes, hasher);
        for event in &self.events[span.events.range()] {
            event.at_ns.hash(hasher);
            self.hash_attributes(event.attributes, hasher);
        }
    }

    fn hash_attributes(&self, run: Run, hasher: &mut impl Hasher) {
        // The order of attributes means nothing, and exporters differ in it.
        let mut sum = u64::from(run.end - run.start);
        for attribute in self.attributes_of(run) {
            let mut one = foldhash::fast::FoldHasher::with_seed(SEED, foldhash::SharedSeed::global_fixed());
            attribute.key.as_str().hash(&mut one);
            self.text(attribute.value).hash(&mut one);
            attribute.value_type.hash(&mut one);
            sum = sum.wrapping_add(one.finish());
        }
        hasher.write_u64(sum);
    }
}

/// Copies runs of a list to its end, one behind the other.
fn joined<T: Clone>(list: &mut Vec<T>, runs: &[Run]) -> Run {
    let start = list.len() as u32;
    for run in runs {
        list.extend_from_within(run.range());
    }
    Run { start, end: list.len() as u32 }
}

/// Not 0: multiplied with a first value of 0, that would forget the second.
pub(super) const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// The longer spelling; of two equally long ones the one whose text sorts first.
pub(crate) fn longest_written(mine: Id, theirs: &Id) -> Id {
    if mine.is_written_as(theirs) {
        return mine;
    }
    let key = |id: &Id| (std::cmp::Reverse(id.written_len()), id.to_string());
    if key(theirs) < key(&mine) { theirs.clone() } else { mine }
}
