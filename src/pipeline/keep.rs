//! Spans of traces that are not complete yet, in about a tenth of the bytes they were read from.
//!
//! A thread appends the spans of one trace that stood together as one segment: numbers as varints,
//! names, processes, lists and short values that recur by their number. Segments of a trace are chained
//! backwards, whichever thread wrote them. What has to keep every attribute goes to a temporary file.

mod arena;
mod dictionary;

use std::io;

pub(super) use arena::Arena;
use arena::Bytes;
use dictionary::Dictionary;

use crate::model::{
    Attribute, Draft, DraftSpan, Event, Id, Key, Kind, Known, LinkRules, NoDuration, Process, Reference, Run, Text,
    ValueType,
};

/// Where a segment stands: which thread's arena, and where in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment(u64);

impl Segment {
    /// The end of every chain.
    pub(super) const NONE: Segment = Segment(u64::MAX);
    const BITS_OF_PLACE: u32 = 48;

    fn new(keeper: usize, place: u64) -> Segment {
        Segment((keeper as u64) << Segment::BITS_OF_PLACE | place)
    }

    fn keeper(self) -> usize {
        (self.0 >> Segment::BITS_OF_PLACE) as usize
    }

    fn place(self) -> u64 {
        self.0 & ((1 << Segment::BITS_OF_PLACE) - 1)
    }
}

/// What one thread has kept.
#[derive(Debug)]
pub(super) struct Keeper {
    number: usize,
    arena: Arena,
    dictionary: Dictionary,
    segment: Written,
    /// For each process of the draft at hand its number, or `NOT_YET`.
    processes: Vec<u32>,
}

const NOT_YET: u32 = u32::MAX;

const HAS_START: u8 = 1;
const HAS_DURATION: u8 = 2;
const NEGATIVE_DURATION: u8 = 4;
const SHARED: u8 = 8;
const SUPPLEMENT: u8 = 16;
const FAILED: u8 = 32;
const FINE: u8 = 64;

const SKEW_CORRECTED: u8 = 1;
const ZIPKIN: u8 = 2;
const CUT: u8 = 4;

impl Keeper {
    /// The keeper of a thread, of which there are few.
    pub(super) fn new(number: usize, arena: Arena) -> Keeper {
        Keeper { number, arena, dictionary: Dictionary::default(), segment: Written::default(), processes: Vec::new() }
    }

    /// From now on spans are of another draft.
    pub(super) fn next_draft(&mut self) {
        self.processes.clear();
    }

    /// Keeps these spans of a draft, all of the trace with this id; to be chained.
    pub(super) fn keep(&mut self, draft: &Draft, id: &Id, spans: impl Iterator<Item = usize>) -> io::Result<Segment> {
        self.segment.clear();
        let mut flags = 0;
        flags |= if draft.skew_corrected { SKEW_CORRECTED } else { 0 };
        flags |= if draft.links == LinkRules::Zipkin { ZIPKIN } else { 0 };
        flags |= if draft.cut.is_some() { CUT } else { 0 };
        let out = &mut self.segment.numbers;
        out.push(flags);
        put_id(out, id);
        if let Some(words) = &draft.cut {
            put_text(out, words);
        }
        let mut base_ns = 0;
        for idx in spans {
            self.put_span(draft, &draft.spans[idx], &mut base_ns);
        }
        let place = self.arena.append(self.segment.whole())?;
        Ok(Segment::new(self.number, place))
    }

    /// Says which segment of the trace was kept before this one.
    pub(super) fn chain(&mut self, segment: Segment, before: Segment) -> io::Result<()> {
        self.arena.link(segment.place(), before.0)
    }

    fn put_span(&mut self, draft: &Draft, span: &DraftSpan, base_ns: &mut i64) {
        let process = self.process(draft, span.process);
        let operation = self.dictionary.name(span.operation);
        let out = &mut self.segment.numbers;
        let mut flags = 0;
        flags |= if span.start_ns.is_some() { HAS_START } else { 0 };
        flags |= match span.duration_ns {
            Ok(_) => HAS_DURATION,
            Err(NoDuration::Negative) => NEGATIVE_DURATION,
            Err(NoDuration::Missing) => 0,
        };
        flags |= if span.shared { SHARED } else { 0 };
        flags |= if span.supplement { SUPPLEMENT } else { 0 };
        flags |= match span.failed {
            Some(true) => FAILED,
            Some(false) => FINE,
            None => 0,
        };
        out.push(flags);
        out.push(span.kind.map_or(0, |it| 1 + it as u8));
        put_id(out, &span.id);
        put(out, u64::from(operation));
        put(out, u64::from(process));
        if let Some(start_ns) = span.start_ns {
            put_signed(out, start_ns.wrapping_sub(*base_ns));
            *base_ns = start_ns;
        }
        if let Ok(duration_ns) = span.duration_ns {
            put_signed(out, duration_ns);
        }
        let references = &draft.references[span.references.range()];
        put(out, references.len() as u64);
        for reference in references {
            let flags = [reference.follows_from, reference.trace.is_some(), reference.is_link];
            out.push((0..3).fold(0, |byte, bit| byte | u8::from(flags[bit]) << bit));
            put_id(out, &reference.span);
            if let Some(trace) = &reference.trace {
                put_id(out, trace);
            }
        }
        self.put_attributes(draft, span.attributes);
        let events = &draft.events[span.events.range()];
        put(&mut self.segment.numbers, events.len() as u64);
        for event in events {
            let out = &mut self.segment.numbers;
            out.push(u8::from(event.at_ns.is_some()));
            if let Some(at_ns) = event.at_ns {
                put_signed(out, at_ns.wrapping_sub(*base_ns));
            }
            self.put_attributes(draft, event.attributes);
        }
    }

    fn put_attributes(&mut self, draft: &Draft, run: Run) {
        let attributes = draft.attributes_of(run);
        let Keeper { dictionary, segment, .. } = self;
        let Some(list) = dictionary.list(draft, attributes) else {
            return segment.put_attributes(dictionary, draft, attributes);
        };
        put(&mut segment.numbers, u64::from(list) << 1 | 1);
        for (nth, attribute) in attributes.iter().filter(|it| it.varies).enumerate() {
            let text = draft.text(attribute.value);
            segment.put_value(dictionary.varying_value(list, nth, text), text, attribute.value_type);
        }
    }

    /// The number of a process; its attributes are kept once however many spans it has.
    fn process(&mut self, draft: &Draft, idx: u32) -> u32 {
        let place = idx as usize;
        if let Some(number) = self.processes.get(place).filter(|it| **it != NOT_YET) {
            return *number;
        }
        let process = &draft.processes[idx as usize];
        let mut written = Written::default();
        put(&mut written.numbers, u64::from(self.dictionary.name(process.service)));
        written.numbers.push(u8::from(process.is_known) | u8::from(process.is_parents) << 1);
        written.put_attributes(&mut self.dictionary, draft, draft.attributes_of(process.attributes));
        let number = self.dictionary.process(written.whole());
        self.processes.resize(self.processes.len().max(place + 1), NOT_YET);
        self.processes[place] = number;
        number
    }
}

/// Puts a whole trace together again.
pub(super) fn recall(keepers: &[Keeper], mut segment: Segment, draft: &mut Draft) -> io::Result<()> {
    let mut processes = Vec::new();
    let mut bytes = Vec::new();
    while segment != Segment::NONE {
        let keeper = &keepers[segment.keeper()];
        let before = keeper.arena.read(segment.place(), &mut bytes)?;
        let (numbers, texts) = parts(&bytes);
        let mut reader = Reader { bytes: Bytes::new(numbers), texts, keeper, processes: &mut processes };
        reader.segment(draft);
        segment = Segment(before);
    }
    Ok(())
}

/// Reads a segment back.
struct Reader<'a> {
    bytes: Bytes<'a>,
    /// The values that were written as they are.
    texts: &'a str,
    keeper: &'a Keeper,
    /// Processes of the draft, by keeper and number.
    processes: &'a mut Vec<((usize, u32), u32)>,
}

impl Reader<'_> {
    fn segment(&mut self, draft: &mut Draft) {
        let flags = self.bytes.byte();
        draft.skew_corrected |= flags & SKEW_CORRECTED != 0;
        if flags & ZIPKIN != 0 {
            draft.links = LinkRules::Zipkin;
        }
        let id = self.bytes.id();
        draft.add_id(id);
        if flags & CUT != 0 {
            let words = self.bytes.text().to_owned();
            draft.cut = draft.cut.take().max(Some(words));
        }
        let mut base_ns = 0;
        while !self.bytes.is_empty() {
            self.span(draft, &mut base_ns);
        }
    }

    fn span(&mut self, draft: &mut Draft, base_ns: &mut i64) {
        let flags = self.bytes.byte();
        let kind = Kind::ALL.get(usize::from(self.bytes.byte()).wrapping_sub(1)).copied();
        let id = self.bytes.id();
        let operation = self.keeper.dictionary.name_of(self.bytes.number() as u32);
        let process = self.bytes.number() as u32;
        let process = self.process(draft, process);
        let start_ns = (flags & HAS_START != 0).then(|| {
            *base_ns = base_ns.wrapping_add(self.bytes.signed());
            *base_ns
        });
        let duration_ns = if flags & HAS_DURATION != 0 {
            Ok(self.bytes.signed())
        } else if flags & NEGATIVE_DURATION != 0 {
            Err(NoDuration::Negative)
        } else {
            Err(NoDuration::Missing)
        };
        let first_reference = draft.references.len() as u32;
        for _ in 0..self.bytes.number() {
            let flags = self.bytes.byte();
            let span = self.bytes.id();
            let trace = (flags & 2 != 0).then(|| Box::new(self.bytes.id()));
            draft.references.push(Reference { span, trace, follows_from: flags & 1 != 0, is_link: flags & 4 != 0 });
        }
        let references = Run { start: first_reference, end: draft.references.len() as u32 };
        let attributes = self.attributes(draft);
        let events: Vec<Event> = (0..self.bytes.number())
            .map(|_| {
                let at_ns = (self.bytes.byte() != 0).then(|| base_ns.wrapping_add(self.bytes.signed()));
                Event { at_ns, attributes: self.attributes(draft) }
            })
            .collect();
        let first_event = draft.events.len() as u32;
        draft.events.extend(events);
        draft.spans.push(DraftSpan {
            id,
            operation,
            process,
            start_ns,
            duration_ns,
            kind,
            failed: if flags & FAILED != 0 { Some(true) } else { (flags & FINE != 0).then_some(false) },
            shared: flags & SHARED != 0,
            supplement: flags & SUPPLEMENT != 0,
            attributes,
            events: Run { start: first_event, end: draft.events.len() as u32 },
            references,
        });
    }

    fn process(&mut self, draft: &mut Draft, number: u32) -> u32 {
        let key = (self.keeper.number, number);
        if let Some((_, process)) = self.processes.iter().find(|it| it.0 == key) {
            return *process;
        }
        let (numbers, texts) = parts(self.keeper.dictionary.process_of(number));
        let outer = std::mem::replace(&mut self.bytes, Bytes::new(numbers));
        let outer_texts = std::mem::replace(&mut self.texts, texts);
        let service = self.keeper.dictionary.name_of(self.bytes.number() as u32);
        let flags = self.bytes.byte();
        let (is_known, is_parents) = (flags & 1 != 0, flags & 2 != 0);
        let attributes = self.attributes(draft);
        (self.bytes, self.texts) = (outer, outer_texts);
        draft.processes.push(Process { service, is_known, is_parents, attributes });
        let process = draft.processes.len() as u32 - 1;
        self.processes.push((key, process));
        process
    }

    fn attributes(&mut self, draft: &mut Draft) -> Run {
        let start = draft.attributes.len() as u32;
        let head = self.bytes.number();
        if head & 1 != 0 {
            let list = self.keeper.dictionary.list_of((head >> 1) as u32);
            draft.keep_attributes(&list.attributes, &list.text);
            for varying in &list.varying {
                let (value, value_type) = self.value(draft);
                let attribute = &mut draft.attributes[start as usize + usize::from(varying.place)];
                (attribute.value, attribute.value_type) = (value, value_type);
            }
            return Run { start, end: draft.attributes.len() as u32 };
        }
        for _ in 0..head >> 1 {
            let key = self.bytes.number();
            let key = if key & 1 == 0 {
                Key::Known(Known::ALL[(key >> 1) as usize])
            } else {
                Key::Other(self.keeper.dictionary.name_of((key >> 1) as u32))
            };
            let (value, value_type) = self.value(draft);
            draft.attributes.push(Attribute::new(key, value, value_type));
        }
        Run { start, end: draft.attributes.len() as u32 }
    }

    fn value(&mut self, draft: &mut Draft) -> (Text, ValueType) {
        let head = self.bytes.number();
        let value = if head & 4 != 0 {
            draft.keep(self.keeper.dictionary.value_of((head >> 3) as u32))
        } else {
            let (text, rest) = self.texts.split_at((head >> 3) as usize);
            self.texts = rest;
            draft.keep(text)
        };
        (value, VALUE_TYPES[(head & 3) as usize])
    }
}

const VALUE_TYPES: [ValueType; 3] = [ValueType::Text, ValueType::Bool, ValueType::Number];

/// What is written down of a trace or a process: numbers, and behind them texts, which are checked once when they
/// are read back.
#[derive(Debug, Default)]
struct Written {
    numbers: Vec<u8>,
    texts: String,
}

impl Written {
    fn clear(&mut self) {
        self.numbers.clear();
        self.texts.clear();
    }

    fn put_attributes(&mut self, dictionary: &mut Dictionary, draft: &Draft, attributes: &[Attribute]) {
        put(&mut self.numbers, (attributes.len() as u64) << 1);
        for attribute in attributes {
            match attribute.key {
                Key::Known(known) => put(&mut self.numbers, (known as u64) << 1),
                Key::Other(name) => put(&mut self.numbers, u64::from(dictionary.name(name)) << 1 | 1),
            }
            let text = draft.text(attribute.value);
            self.put_value(dictionary.value(text), text, attribute.value_type);
        }
    }

    /// A value by its number, or as it is.
    fn put_value(&mut self, number: Option<u32>, text: &str, value_type: ValueType) {
        match number {
            Some(number) => put(&mut self.numbers, u64::from(number) << 3 | 4 | value_type as u64),
            None => {
                put(&mut self.numbers, (text.len() as u64) << 3 | value_type as u64);
                self.texts.push_str(text);
            }
        }
    }

    /// All of it, one behind the other.
    fn whole(&mut self) -> &[u8] {
        // What is longer cannot be kept, which is for the arena to say.
        let n_texts = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.numbers.extend_from_slice(self.texts.as_bytes());
        self.numbers.extend_from_slice(&n_texts.to_le_bytes());
        &self.numbers
    }
}

/// The numbers and the texts that were written down.
fn parts(whole: &[u8]) -> (&[u8], &str) {
    let (rest, n_texts) = whole.split_last_chunk::<4>().expect("the length was written last");
    let (numbers, texts) = rest.split_at(rest.len() - u32::from_le_bytes(*n_texts) as usize);
    (numbers, simdutf8::basic::from_utf8(texts).expect("they were texts when they were kept"))
}

fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, (value << 1 ^ value >> 63) as u64);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Up to 32 digits as a number of so many bytes, everything else as it is written.
fn put_id(out: &mut Vec<u8>, id: &Id) {
    match id {
        Id::Hex { high, low, digits, upper } => {
            out.push(digits | u8::from(*upper) << 6);
            let bytes = (u128::from(*high) << 64 | u128::from(*low)).to_be_bytes();
            out.extend_from_slice(&bytes[16 - usize::from(*digits).div_ceil(2)..]);
        }
        Id::Odd(_) => {
            out.push(0x80);
            put_text(out, &id.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::input::{Batch, FORMATS, Sink, format_by_name};
    use crate::model::Wanted;

    /// Keeps what it is given, by trace, and a plain copy of it.
    struct Shelf {
        keeper: Keeper,
        traces: Vec<(Id, Segment, Draft)>,
    }

    impl Sink for Shelf {
        fn batch(&mut self, batch: &Batch) {
            self.keeper.next_draft();
            for (nth, draft) in batch.drafts().iter().enumerate() {
                let id = &batch.traces[nth];
                let spans = (0..batch.trace_of.len()).filter(|it| batch.trace_of[*it] == nth as u32);
                let segment = self.keeper.keep(&batch.draft, id, spans).unwrap();
                let known = self.traces.iter_mut().find(|it| it.0 == *id);
                let before = known.as_ref().map_or(Segment::NONE, |it| it.1);
                self.keeper.chain(segment, before).unwrap();
                match known {
                    Some((_, last, whole)) => {
                        *last = segment;
                        whole.append(draft);
                    }
                    None => self.traces.push((id.clone(), segment, draft.clone())),
                }
            }
        }

        fn trace(&mut self, _: &mut Draft) {
            unreachable!("spans of OTLP are of traces that may go on");
        }

        fn spans(&mut self, _: &mut Draft) {}

        fn incomplete(&mut self, _: &str) {}

        fn skip(&mut self, reason: &'static str, _: usize) {
            unreachable!("{reason}");
        }
    }

    fn attribute(key: &str, value: &str) -> String {
        format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#)
    }

    prop_compose! {
        fn span()(
            trace in 1u8..4,
            id in 1u32..1000,
            operation in 0..2,
            status in prop::sample::select(vec!["", "timed out", "timed in", "gone"]),
            statement in prop::sample::select(vec!["", "a", "SELECT 1", "SELECT 2", "\\u00e9", "x\\ny"]),
            status_code in 200..206,
            has_peer in any::<bool>(),
            has_event in any::<bool>(),
        ) -> String {
            let mut attributes = vec![
                attribute("db.system", "postgres"),
                attribute("db.statement", statement),
                format!(r#"{{"key":"http.status_code","value":{{"intValue":"{status_code}"}}}}"#),
                attribute("http.method", ""),
            ];
            if has_peer {
                attributes.push(attribute("peer.service", "db"));
            }
            let events = match has_event {
                true => format!(r#"[{{"timeUnixNano":"7","name":"e","attributes":[{}]}}]"#, attribute("exception.type", status)),
                false => "[]".to_owned(),
            };
            format!(
                r#"{{"traceId":"{trace:032x}","spanId":"{id:016x}","name":"o{operation}","startTimeUnixNano":"5","endTimeUnixNano":"9","attributes":[{}],"events":{events},"status":{{"code":2,"message":"{status}"}}}}"#,
                attributes.join(","),
            )
        }
    }

    proptest! {
        #[test]
        fn what_is_kept_is_recalled(
            lines in prop::collection::vec(prop::collection::vec(prop::collection::vec(span(), 1..5), 1..4), 1..8),
        ) {
            for wanted in [Wanted::default(), Wanted::all()] {
                let mut parser = FORMATS[format_by_name("otlp").unwrap()].parser(&Arc::new(wanted));
                let mut shelf = Shelf { keeper: Keeper::new(0, Arena::memory()), traces: Vec::new() };
                for line in &lines {
                    let parts: Vec<String> = line
                        .iter()
                        .enumerate()
                        .map(|(nth, spans)| {
                            let resource = attribute("service.name", &format!("s{nth}"));
                            let spans = spans.join(",");
                            format!(r#"{{"resource":{{"attributes":[{resource}]}},"scopeSpans":[{{"spans":[{spans}]}}]}}"#)
                        })
                        .collect();
                    parser.element(&format!(r#"{{"resourceSpans":[{}]}}"#, parts.join(",")), &mut shelf).unwrap();
                }
                let keepers = [shelf.keeper];
                for (_, last, whole) in &shelf.traces {
                    let mut draft = Draft::default();
                    recall(&keepers, *last, &mut draft).unwrap();
                    prop_assert_eq!(draft.fingerprint(), whole.fingerprint());
                    prop_assert_eq!(draft.spans.len(), whole.spans.len());
                }
            }
        }
    }
}
