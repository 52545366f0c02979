//! One thread's share: parse, assemble, give to the consumer.

use std::collections::HashSet;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use super::keep::{Arena, Keeper, Segment, recall};
use super::seen::{Admission, Complete, Seen};
use super::{Consumer, Reading, Shared, Tally};
use crate::input::{
    Ahead, AheadEnd, Batch, Buffer, Chunk, Emit, FORMATS, Origin, Parser, Place, Sink, Stretch, Stretches, Window,
    parse,
};
use crate::model::{Assembler, Draft, DraftSpan, Id, Wanted, is_plausible};

pub(super) struct Worker<'a, C> {
    shared: &'a Shared,
    wanted: Arc<Wanted>,
    /// One for each format met, by its index.
    parsers: Vec<Option<Box<dyn Parser>>>,
    stage: Stage<C>,
    /// Where the item began that the window before ended in, counted from the end of what was parsed.
    open: isize,
    max_item_bytes: u64,
}

/// What is behind the parser.
struct Stage<C> {
    assembler: Assembler,
    consumer: C,
    tally: Tally,
    keeper: Keeper,
}

impl<'a, C: Consumer> Worker<'a, C> {
    /// The worker of thread `number`.
    pub(super) fn new(
        reading: &Reading<'_>,
        shared: &'a Shared,
        number: usize,
        consumer: C,
    ) -> io::Result<Worker<'a, C>> {
        let arena = if reading.wanted.is_all() { Arena::spool()? } else { Arena::memory() };
        let stage = Stage {
            assembler: Assembler::new(reading.derive),
            consumer,
            tally: Tally::default(),
            keeper: Keeper::new(number, arena),
        };
        let parsers = FORMATS.iter().map(|_| None).collect();
        Ok(Worker {
            shared,
            wanted: Arc::clone(&reading.wanted),
            parsers,
            stage,
            open: 0,
            max_item_bytes: reading.split.max_element_bytes,
        })
    }

    /// Parses and analyzes a chunk; says whether to go on.
    fn process(&mut self, chunk: &Chunk) -> bool {
        let format = chunk.origin.format;
        let parser = self.parsers[format].get_or_insert_with(|| FORMATS[format].parser(&self.wanted));
        let piece = Piece { bytes: &chunk.bytes, origin: chunk.origin, place: chunk.place };
        let mut sink = ElementSink {
            shared: self.shared,
            stage: &mut self.stage,
            known: (0, chunk.place),
            piece,
            start: 0,
            begun: None,
        };
        if let Err(fault) = parse(&mut **parser, chunk, &mut sink) {
            if chunk.is_guessed {
                self.shared.guessed_wrong();
                return false;
            }
            self.shared.report(chunk.origin, chunk.place(fault.at), fault.problem.to_string());
            return false;
        }
        self.goes_on()
    }

    /// Parses and analyzes stretches of an array until others have taken the rest; gives how many items there were.
    pub(super) fn process_stretches(&mut self, mut next: Option<Stretch>, rest: &Mutex<&mut Stretches<'_, '_>>) -> u64 {
        let mut memory = Buffer::default();
        let mut n_items = 0;
        while self.goes_on() {
            let take = || rest.lock().unwrap_or_else(PoisonError::into_inner).next(std::mem::take(&mut memory));
            let Some(stretch) = next.take().or_else(take) else { break };
            n_items += self.process_stretch(&stretch);
            memory = stretch.bytes;
        }
        n_items
    }

    /// Parses and analyzes a stretch of an array, if it is one.
    fn process_stretch(&mut self, stretch: &Stretch) -> u64 {
        let ahead = simdutf8::basic::from_utf8(&stretch.bytes).ok().and_then(|text| {
            let (origin, place, max_item_bytes) = (stretch.origin, stretch.place, self.max_item_bytes);
            let begun = None;
            self.items(&Window { text, is_first: true, is_single: false, origin, place, begun, max_item_bytes })
        });
        let n_items = ahead.filter(|it| matches!(it.end, AheadEnd::BeforeItem)).map_or(0, |it| it.n_items);
        if n_items == 0 {
            self.shared.guessed_wrong();
        }
        n_items
    }

    fn goes_on(&self) -> bool {
        if !self.stage.consumer.wants_more() {
            self.shared.stopped.store(true, Ordering::Relaxed);
        }
        !self.shared.stopped.load(Ordering::Relaxed)
    }

    pub(super) fn finish(self) -> Finished<C> {
        let Stage { assembler, consumer, tally, keeper } = self.stage;
        Finished { finisher: Finisher { assembler, consumer, tally }, keeper }
    }
}

impl<C: Consumer> Emit for Worker<'_, C> {
    fn emit(&mut self, chunk: Chunk) -> bool {
        let goes_on = self.process(&chunk);
        self.shared.give_back(chunk.bytes);
        goes_on
    }

    fn spare(&mut self) -> Option<Buffer> {
        self.shared.spare()
    }

    fn items(&mut self, window: &Window<'_>) -> Option<Ahead> {
        let format = window.origin.format;
        let parser = self.parsers[format].get_or_insert_with(|| FORMATS[format].parser(&self.wanted));
        let piece = Piece { bytes: window.text.as_bytes(), origin: window.origin, place: window.place };
        let (shared, stage) = (self.shared, &mut self.stage);
        let mut sink =
            ElementSink { shared, stage, known: (0, window.place), piece, start: self.open, begun: window.begun };
        let ahead = parser.items(window, &mut sink)?;
        if let AheadEnd::Starved { begun: Some(begun) } = ahead.end {
            self.open = begun - ahead.at as isize;
        }
        Some(ahead)
    }

    fn wants_more(&mut self) -> bool {
        self.goes_on()
    }

    fn takes_lines(&self) -> bool {
        self.shared.may_guess
    }
}

/// The bytes at hand, and where they are from.
struct Piece<'a> {
    bytes: &'a [u8],
    origin: Origin,
    place: Place,
}

impl Piece<'_> {
    fn place(&self, at: usize) -> Place {
        self.place.after(&self.bytes[..at.min(self.bytes.len())])
    }
}

struct ElementSink<'a, C> {
    shared: &'a Shared,
    stage: &'a mut Stage<C>,
    piece: Piece<'a>,
    /// Where the element begins, counted from the beginning of the bytes.
    start: isize,
    /// Where it began, if that was before these bytes.
    begun: Option<Place>,
    /// A byte whose place is known: lines are counted on from there.
    known: (usize, Place),
}

impl<C> ElementSink<'_, C> {
    /// Where the element stands in its source.
    fn element_place(&mut self) -> Place {
        let start = usize::try_from(self.start).unwrap_or(0);
        let (at, place) = self.known;
        self.begun.unwrap_or_else(|| {
            let place = match self.piece.bytes.get(at..start) {
                Some(between) => place.after(between),
                None => self.piece.place(start),
            };
            self.known = (start, place);
            place
        })
    }

    fn hold_loose(&mut self, draft: &Draft, id: &Id, spans: impl Iterator<Item = usize> + Clone) {
        let source = self.stage.tally.sources.entry(self.piece.origin.source).or_default();
        source.n_spans += n_spans(spans.clone().map(|it| &draft.spans[it]));
        let key = draft.links.trace_key(id);
        self.hold(draft, id, spans, |seen, segment, source, place| {
            seen.note(draft.links, id);
            seen.hold_loose(key, segment, source, place)
        });
    }

    /// Keeps spans of a trace until all of its parts have come.
    fn hold(
        &mut self,
        draft: &Draft,
        id: &Id,
        spans: impl Iterator<Item = usize>,
        chain: impl FnOnce(&mut Seen, Segment, usize, Place) -> Option<Segment>,
    ) {
        let (source, place) = (self.piece.origin.source, self.element_place());
        let keeper = &mut self.stage.keeper;
        let outcome = keeper.keep(draft, id, spans).and_then(|segment| {
            let before = chain(&mut self.shared.seen(), segment, source, place);
            before.map_or(Ok(()), |it| keeper.chain(segment, it))
        });
        if let Err(err) = outcome {
            self.shared.report(self.piece.origin, place, format!("failed to keep spans for later ({err})"));
        }
    }
}

impl<C: Consumer> Sink for ElementSink<'_, C> {
    fn begin(&mut self, start: usize) {
        self.start = start as isize;
        self.begun = None;
    }

    fn trace(&mut self, draft: &mut Draft) {
        let Some(id) = draft.id.clone().filter(|_| !draft.spans.is_empty()) else { return };
        let source = self.stage.tally.sources.entry(self.piece.origin.source).or_default();
        source.n_traces += 1;
        source.n_spans += n_spans(draft.spans.iter());
        // Before the lock, which all threads want.
        let digest = draft.digest();
        let key = draft.key();
        let admission = {
            let mut seen = self.shared.seen();
            seen.note(draft.links, &id);
            seen.admit(key, digest, || draft.fingerprint())
        };
        match admission {
            Admission::First => {
                if !self.stage.take(draft) {
                    let source = self.piece.origin.source;
                    let place = self.element_place();
                    self.stage.tally.skips.add(IMPLAUSIBLE, source, || place);
                }
            }
            Admission::Repeat => self.stage.tally.repairs.repeated_traces += 1,
            Admission::Differs => {}
            Admission::Hold => {
                self.stage.keeper.next_draft();
                let all = 0..draft.spans.len();
                self.hold(draft, &id, all, |seen, segment, source, place| {
                    Some(seen.hold_copy(key, segment, source, place))
                });
            }
        }
    }

    fn spans(&mut self, draft: &mut Draft) {
        let Some(id) = draft.id.clone().filter(|_| !draft.spans.is_empty()) else { return };
        self.stage.keeper.next_draft();
        self.hold_loose(draft, &id, 0..draft.spans.len());
    }

    fn batch(&mut self, batch: &Batch) {
        // Each trace's spans together: sorted by counting.
        let mut ends = vec![0u32; batch.traces.len() + 1];
        batch.trace_of.iter().for_each(|it| ends[*it as usize + 1] += 1);
        (1..ends.len()).for_each(|it| ends[it] += ends[it - 1]);
        let mut next = ends.clone();
        let mut order = vec![0u32; batch.trace_of.len()];
        for (span, trace) in batch.trace_of.iter().enumerate() {
            let place = &mut next[*trace as usize];
            order[*place as usize] = span as u32;
            *place += 1;
        }
        self.stage.keeper.next_draft();
        for (trace, id) in batch.traces.iter().enumerate() {
            let spans = &order[ends[trace] as usize..ends[trace + 1] as usize];
            self.hold_loose(&batch.draft, id, spans.iter().map(|it| *it as usize));
        }
    }

    fn incomplete(&mut self, why: &str) {
        let source = self.stage.tally.sources.entry(self.piece.origin.source).or_default();
        source.incomplete.insert(why.to_owned());
    }

    fn skip(&mut self, reason: &'static str, at: usize) {
        let place = || match self.start.checked_add_unsigned(at).map(usize::try_from) {
            Some(Ok(at)) => self.piece.place(at),
            _ => self.begun.unwrap_or(self.piece.place),
        };
        self.stage.tally.skips.add(reason, self.piece.origin.source, place);
    }
}

/// How many of these are spans, and not what is said of spans elsewhere.
fn n_spans<'a>(spans: impl Iterator<Item = &'a DraftSpan>) -> u64 {
    spans.filter(|it| !it.supplement).count() as u64
}

/// Said of traces that count everywhere but where their time matters.
const IMPLAUSIBLE: &str = "a trace start before 2000 or after 2099 (left out of the timeline and of time ranges)";

impl<C: Consumer> Stage<C> {
    fn take(&mut self, draft: &mut Draft) -> bool {
        take(&mut self.assembler, &mut self.consumer, &mut self.tally, draft)
    }
}

/// Assembles a draft and gives the trace on; says whether its start is plausible.
fn take<C: Consumer>(assembler: &mut Assembler, consumer: &mut C, tally: &mut Tally, draft: &mut Draft) -> bool {
    if draft.spans.iter().all(|it| it.supplement) {
        tally.repairs.lone_supplements += draft.spans.len() as u64;
        draft.clear();
        return true;
    }
    tally.n_cut_traces += u64::from(draft.cut.is_some());
    let trace = assembler.assemble(std::mem::take(draft));
    tally.n_traces += 1;
    tally.n_spans += trace.spans().len() as u64;
    tally.repairs.add(&trace.repairs);
    consumer.trace(&trace);
    let plausible = is_plausible(trace.start_ns());
    *draft = assembler.recycle(trace);
    plausible
}

/// A worker that has parsed all there was.
pub(super) struct Finished<C> {
    pub(super) finisher: Finisher<C>,
    pub(super) keeper: Keeper,
}

/// Gives on the traces that were held back until all their parts had come.
pub(super) struct Finisher<C> {
    assembler: Assembler,
    pub(super) consumer: C,
    pub(super) tally: Tally,
}

impl<C: Consumer> Finisher<C> {
    /// Gives on every trace that `next` names, until it names none.
    pub(super) fn run<'a>(
        &mut self,
        keepers: &[Keeper],
        came_again: &HashSet<u128>,
        next: &mut dyn FnMut() -> Option<&'a Complete>,
    ) -> io::Result<()> {
        let mut draft = Draft::default();
        while let Some(complete) = next() {
            recall(keepers, complete.last, &mut draft)?;
            if came_again.contains(&complete.key) {
                // Its spans were in the first copy already, as they should be.
                let n_duplicates = self.tally.repairs.duplicate_spans;
                take(&mut self.assembler, &mut self.consumer, &mut self.tally, &mut draft);
                self.tally.repairs.duplicate_spans = n_duplicates;
                continue;
            }
            self.tally.repairs.split_traces += u64::from(complete.is_split);
            if !take(&mut self.assembler, &mut self.consumer, &mut self.tally, &mut draft) {
                // They come by id, not by place.
                let (source, place) = complete.first;
                self.tally.skips.add_many(IMPLAUSIBLE, 1, source, place);
            }
        }
        Ok(())
    }
}
