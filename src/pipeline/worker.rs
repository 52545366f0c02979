//! One thread's share: parse, assemble, give to the consumer.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::seen::{Admission, Held};
use super::{Consumer, Reading, Shared, SourceTally, Tally};
use crate::input::{Chunk, Emit, FORMATS, Parser, Place, Sink, fault_in};
use crate::model::{Assembler, Draft, is_plausible};

pub(super) struct Worker<'a, C> {
    shared: &'a Shared,
    parser: Box<dyn Parser>,
    stage: Stage<C>,
}

/// What is behind the parser.
struct Stage<C> {
    assembler: Assembler,
    consumer: C,
    tally: Tally,
}

impl<'a, C: Consumer> Worker<'a, C> {
    pub(super) fn new(reading: &Reading<'_>, shared: &'a Shared, consumer: C) -> Worker<'a, C> {
        let stage = Stage { assembler: Assembler::new(reading.derive), consumer, tally: Tally::default() };
        Worker { shared, parser: FORMATS[0].parser(&reading.wanted), stage }
    }

    /// Parses and analyzes a chunk; says whether to go on.
    fn process(&mut self, chunk: &Chunk) -> bool {
        let mut places = Places::new(chunk);
        for element in &chunk.elements {
            let bytes = &chunk.bytes[element.clone()];
            places.start = element.start;
            let mut sink = ElementSink { shared: self.shared, stage: &mut self.stage, places: &mut places };
            let fault = match std::str::from_utf8(bytes) {
                Ok(text) => self.parser.element(text, &mut sink).err(),
                Err(_) => fault_in(bytes),
            };
            if let Some(fault) = fault {
                let place = chunk.place(element.start + fault.at);
                self.shared.report(chunk.source, place, fault.problem.to_string());
                return false;
            }
        }
        !self.shared.stopped.load(Ordering::Relaxed)
    }

    pub(super) fn finish(self) -> (C, Tally) {
        (self.stage.consumer, self.stage.tally)
    }
}

impl<C: Consumer> Emit for Worker<'_, C> {
    fn emit(&mut self, chunk: Chunk) -> bool {
        let goes_on = self.process(&chunk);
        self.shared.give_back(chunk.bytes);
        goes_on
    }

    fn spare(&mut self) -> Option<Vec<u8>> {
        self.shared.spare()
    }
}

/// Places in a chunk, found one after the other: no byte is looked at again for each of them.
struct Places<'a> {
    chunk: &'a Chunk,
    /// Where the element at hand begins.
    start: usize,
    /// The last place found of the begin of an element.
    element: (usize, Place),
    /// The farthest place found.
    farthest: (usize, Place),
}

impl Places<'_> {
    fn new(chunk: &Chunk) -> Places<'_> {
        let begin = (0, chunk.place(0));
        Places { chunk, start: 0, element: begin, farthest: begin }
    }

    /// Where a byte of the element at hand stands, and in which source.
    fn find(&mut self, at: usize) -> (usize, Place) {
        let at = self.start + at;
        let (from, known) = if self.farthest.0 <= at { self.farthest } else { self.element };
        let place = known.after(&self.chunk.bytes[from..at]);
        if at == self.start {
            self.element = (at, place);
        }
        if at > self.farthest.0 {
            self.farthest = (at, place);
        }
        (self.chunk.source, place)
    }
}

struct ElementSink<'a, 'c, C> {
    shared: &'a Shared,
    stage: &'a mut Stage<C>,
    places: &'a mut Places<'c>,
}

impl<C> ElementSink<'_, '_, C> {
    fn source(&mut self) -> &mut SourceTally {
        self.stage.tally.sources.entry(self.places.chunk.source).or_default()
    }
}

impl<C: Consumer> Sink for ElementSink<'_, '_, C> {
    fn trace(&mut self, draft: &mut Draft) {
        if draft.spans.is_empty() {
            return;
        }
        self.source().n_traces += 1;
        self.source().n_spans += draft.spans.len() as u64;
        // Before the lock, which all threads want.
        let fingerprint = draft.fingerprint();
        let mut seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let admission = seen.admit(draft, fingerprint, || self.places.find(0));
        drop(seen);
        match admission {
            Admission::First => {
                if !self.stage.take(draft) {
                    self.skip(IMPLAUSIBLE, 0);
                }
            }
            Admission::Repeat => self.stage.tally.repairs.repeated_traces += 1,
            Admission::Differs | Admission::Held => {}
        }
    }

    fn spans(&mut self, draft: &mut Draft) {
        self.source().n_spans += draft.spans.len() as u64;
        let mut seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.hold(draft, || self.places.find(0));
    }

    fn skip(&mut self, reason: &'static str, at: usize) {
        let (source, place) = self.places.find(at);
        self.stage.tally.skips.add(reason, source, place);
    }
}

/// Said of traces that count everywhere but where their time matters.
const IMPLAUSIBLE: &str = "a trace start before 2000 or after 2099 (left out of the timeline and of time ranges)";

impl<C: Consumer> Stage<C> {
    /// Assembles a draft and gives the trace on; says whether its start is plausible.
    fn take(&mut self, draft: &mut Draft) -> bool {
        self.tally.n_cut_traces += u64::from(draft.cut.is_some());
        let trace = self.assembler.assemble(std::mem::take(draft));
        self.tally.n_traces += 1;
        self.tally.n_spans += trace.spans().len() as u64;
        self.tally.repairs.add(&trace.repairs);
        self.consumer.trace(&trace);
        let plausible = is_plausible(trace.start_ns());
        trace.into_draft(draft);
        plausible
    }
}

/// Gives on the traces that were held back until all their parts had come.
pub(super) fn finish_held<C: Consumer>(reading: &Reading<'_>, held: Vec<Held>, consumer: &mut C, tally: &mut Tally) {
    let mut assembler = Assembler::new(reading.derive);
    for mut held in held {
        tally.repairs.split_traces += u64::from(held.is_joined());
        let draft = std::mem::take(&mut held.draft);
        tally.n_cut_traces += u64::from(draft.cut.is_some());
        let trace = assembler.assemble(draft);
        tally.n_traces += 1;
        tally.n_spans += trace.spans().len() as u64;
        tally.repairs.add(&trace.repairs);
        consumer.trace(&trace);
        if let Some((source, place)) = held.at.filter(|_| !is_plausible(trace.start_ns())) {
            tally.skips.add(IMPLAUSIBLE, source, place);
        }
    }
}
