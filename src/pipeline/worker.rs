//! One thread's share: parse, assemble, give to the consumer.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::seen::{Admission, Held};
use super::{Consumer, Reading, Shared, Tally};
use crate::input::{Batch, Chunk, Emit, FORMATS, Parser, Place, Sink, fault_in};
use crate::model::{Assembler, Draft, Wanted, is_plausible};

pub(super) struct Worker<'a, C> {
    shared: &'a Shared,
    wanted: Arc<Wanted>,
    /// One for each format met, by its index.
    parsers: Vec<Option<Box<dyn Parser>>>,
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
        let parsers = FORMATS.iter().map(|_| None).collect();
        Worker { shared, wanted: Arc::clone(&reading.wanted), parsers, stage }
    }

    /// Parses and analyzes a chunk; says whether to go on.
    fn process(&mut self, chunk: &Chunk) -> bool {
        let format = chunk.origin.format;
        let parser = self.parsers[format].get_or_insert_with(|| FORMATS[format].parser(&self.wanted));
        parser.begin(chunk.context.as_deref());
        for element in &chunk.elements {
            let bytes = &chunk.bytes[element.clone()];
            let mut sink = ElementSink { shared: self.shared, stage: &mut self.stage, chunk, start: element.start };
            let fault = match std::str::from_utf8(bytes) {
                Ok(text) => parser.element(text, &mut sink).err(),
                Err(_) => fault_in(bytes),
            };
            if let Some(fault) = fault {
                let place = chunk.place(element.start + fault.at);
                self.shared.report(chunk.origin, place, fault.problem.to_string());
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

struct ElementSink<'a, C> {
    shared: &'a Shared,
    stage: &'a mut Stage<C>,
    chunk: &'a Chunk,
    start: usize,
}

impl<C> ElementSink<'_, C> {
    /// About where the element stands: its chunk's place, which costs nothing to know.
    fn place(&self) -> Place {
        self.chunk.place
    }
}

impl<C: Consumer> Sink for ElementSink<'_, C> {
    fn trace(&mut self, draft: &mut Draft) {
        if draft.spans.is_empty() {
            return;
        }
        let source = self.stage.tally.sources.entry(self.chunk.origin.source).or_default();
        source.n_traces += 1;
        source.n_spans += draft.spans.len() as u64;
        let (source, place) = (self.chunk.origin.source, self.place());
        // Before the lock, which all threads want.
        let fingerprint = draft.fingerprint();
        let mut seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let admission = seen.admit(draft, fingerprint, source, place);
        drop(seen);
        match admission {
            Admission::First => {
                if !self.stage.take(draft) {
                    self.stage.tally.skips.add(IMPLAUSIBLE, source, || self.chunk.place(self.start));
                }
            }
            Admission::Repeat => self.stage.tally.repairs.repeated_traces += 1,
            Admission::Differs | Admission::Held => {}
        }
    }

    fn spans(&mut self, draft: &mut Draft) {
        let source = self.stage.tally.sources.entry(self.chunk.origin.source).or_default();
        source.n_spans += draft.spans.len() as u64;
        let (source, place) = (self.chunk.origin.source, self.place());
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).hold(draft, source, place);
    }

    fn batch(&mut self, batch: &Batch) {
        batch.drafts().iter_mut().for_each(|it| self.spans(it));
    }

    fn incomplete(&mut self, why: &str) {
        let source = self.stage.tally.sources.entry(self.chunk.origin.source).or_default();
        source.incomplete.insert(why.to_owned());
    }

    fn skip(&mut self, reason: &'static str, at: usize) {
        let place = || self.chunk.place(self.start + at);
        self.stage.tally.skips.add(reason, self.chunk.origin.source, place);
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
        *draft = self.assembler.recycle(trace);
        plausible
    }
}

/// Gives on the traces that were held back until all their parts had come.
pub(super) fn finish_held<C: Consumer>(
    reading: &Reading<'_>,
    held: Vec<Held>,
    consumer: C,
    tally: Tally,
) -> (C, Tally) {
    let mut stage = Stage { assembler: Assembler::new(reading.derive), consumer, tally };
    for mut held in held {
        stage.tally.repairs.split_traces += u64::from(held.is_split());
        for source in &held.loose_in {
            stage.tally.sources.entry(*source).or_default().n_traces += 1;
        }
        let first = held.places.pop_first();
        if !stage.take(&mut held.draft)
            && let Some((source, place)) = first
        {
            stage.tally.skips.add(IMPLAUSIBLE, source, || place);
        }
    }
    (stage.consumer, stage.tally)
}
