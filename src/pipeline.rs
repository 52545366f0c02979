//! Sources to traces to a consumer, over threads: each parses and analyzes what it has read, or what one has cut.
//!
//! Nothing here depends on how many threads there are or which finishes first: counts are sums,
//! the first error is the first in the order of the bytes, and consumers merge under the passes' laws.
//!
//! A trace met twice is one trace. While streaming only its id and a digest are kept; when a
//! copy turns up that differs, everything is read again with such traces held back until complete.

mod keep;
mod seen;
mod worker;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;

use crate::failure::Failure;
use crate::input::PIECE;
use crate::input::source::Source;
use crate::input::{
    Ahead, BOM, Buffer, CUT_OFF, Chunk, DecodeFault, Decoded, Emit, FORMATS, Frames, Loss, NotDetected, Origin, Place,
    Skips, SplitError, SplitOptions, Stream, Stretch, Stretches, Window, detect, split,
};
use crate::model::{DeriveOptions, Repairs, Trace, Wanted};
use keep::Keeper;
use seen::{Complete, Conflicts, Seen};
use worker::{Finished, Finisher, Worker};

/// Takes traces, one after the other, each complete and analyzed.
pub(crate) trait Consumer: Send {
    /// Takes the next one.
    fn trace(&mut self, trace: &Trace);

    /// Whether there is any use in another.
    fn wants_more(&self) -> bool {
        true
    }
}

/// What is read, and how.
pub(crate) struct Reading<'a> {
    pub(crate) sources: &'a [Source],
    pub(crate) threads: NonZeroUsize,
    pub(crate) split: SplitOptions,
    /// The largest text that a compressed source may hold.
    pub(crate) max_decompressed: u64,
    pub(crate) wanted: Arc<Wanted>,
    pub(crate) derive: DeriveOptions,
    /// Whether guesses are worth it: where one is wrong, all is read again with fresh consumers.
    pub(crate) may_guess: bool,
    /// Told now and then how many bytes have been read: those of the files, compressed or not.
    pub(crate) progress: &'a (dyn Fn(u64) + Sync),
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) sources: BTreeMap<usize, SourceTally>,
    pub(crate) n_traces: u64,
    pub(crate) n_spans: u64,
    pub(crate) repairs: Repairs,
    pub(crate) skips: Skips,
    /// Why there may be more than was read.
    pub(crate) incomplete: Vec<String>,
    /// Files in directories that hold no traces.
    pub(crate) without_traces: Vec<String>,
    /// Traces that their server had cut short.
    pub(crate) n_cut_traces: u64,
    /// Whether it took a second look because copies of a trace differed.
    pub(crate) read_twice: bool,
}

/// What was read of one source.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceTally {
    pub(crate) format: String,
    pub(crate) n_bytes: u64,
    pub(crate) n_traces: u64,
    pub(crate) n_spans: u64,
    pub(crate) warnings: Vec<String>,
    /// Why there may be more than it holds, in its own words.
    pub(crate) incomplete: BTreeSet<String>,
}

impl Tally {
    fn merge(&mut self, other: Tally) {
        for (source, theirs) in other.sources {
            let mine = self.sources.entry(source).or_default();
            mine.n_traces += theirs.n_traces;
            mine.n_spans += theirs.n_spans;
            mine.warnings.extend(theirs.warnings);
            mine.incomplete.extend(theirs.incomplete);
        }
        self.n_traces += other.n_traces;
        self.n_spans += other.n_spans;
        self.repairs.add(&other.repairs);
        self.skips.merge(&other.skips);
        self.incomplete.extend(other.incomplete);
        self.n_cut_traces += other.n_cut_traces;
    }
}

/// State that threads share.
pub(super) struct Shared {
    seen: Mutex<Seen>,
    fault: Mutex<Option<Fault>>,
    stopped: AtomicBool,
    /// Whether everything may be read again where a guess was wrong.
    may_guess: bool,
    /// A stretch of an array was none, or a line no element.
    is_wrong_guess: AtomicBool,
    /// Sources whose text is not the bytes of the file, and what it is.
    decoded: Mutex<BTreeMap<usize, &'static str>>,
    /// Memory of chunks that are done with.
    spares: Mutex<Vec<Buffer>>,
}

/// The first thing wrong in the order of the bytes.
struct Fault {
    at: (Origin, Place),
    what: String,
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spare(&self) -> Option<Buffer> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Keeps a chunk's memory for the next, unless it grew for one huge trace.
    fn give_back(&self, bytes: Buffer) {
        if bytes.capacity() <= 2 * PIECE {
            self.spares.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        }
    }

    fn guessed_wrong(&self) {
        self.is_wrong_guess.store(true, Ordering::Relaxed);
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn report(&self, origin: Origin, place: Place, what: String) {
        let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        // A source may go from one format to the next.
        if fault.as_ref().is_none_or(|it| (origin.source, place) < (it.at.0.source, it.at.1)) {
            *fault = Some(Fault { at: (origin, place), what });
        }
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// What a reading has to know of traces of which copies differ: held back from the beginning, all can be read
/// in one pass.
#[derive(Debug, Default)]
pub(crate) struct Differing(Conflicts);

/// Reads all sources; gives the consumers, whose parts have yet to be joined, and what was counted.
pub(crate) fn read<C: Consumer>(
    reading: &Reading<'_>,
    fresh: &(dyn Fn() -> C + Sync),
) -> anyhow::Result<(Vec<C>, Tally)> {
    read_knowing(reading, fresh, &mut Differing::default())
}

/// As [`read`], with the differing traces known that an earlier reading of the same sources found, and
/// those added that this one finds: where there are none, consumers are made once.
pub(crate) fn read_knowing<C: Consumer>(
    reading: &Reading<'_>,
    fresh: &(dyn Fn() -> C + Sync),
    differing: &mut Differing,
) -> anyhow::Result<(Vec<C>, Tally)> {
    let known = &mut differing.0;
    let mut read_twice = false;
    let mut may_guess = reading.may_guess;
    loop {
        let Some((consumers, mut tally, conflicts)) = read_once(reading, fresh, known, may_guess)? else {
            may_guess = false;
            continue;
        };
        if conflicts.is_empty() {
            tally.read_twice = read_twice;
            return Ok((consumers, tally));
        }
        known.extend(conflicts);
        read_twice = true;
    }
}

type Read1<C> = (Vec<C>, Tally, Conflicts);

/// Reads all sources once; `None` if a guess about where items begin was wrong.
fn read_once<C: Consumer>(
    reading: &Reading<'_>,
    fresh: &(dyn Fn() -> C + Sync),
    known: &Conflicts,
    may_guess: bool,
) -> anyhow::Result<Option<Read1<C>>> {
    let shared = Shared {
        seen: Mutex::new(Seen::knowing(known)),
        fault: Mutex::default(),
        stopped: AtomicBool::new(false),
        may_guess,
        is_wrong_guess: AtomicBool::new(false),
        decoded: Mutex::default(),
        spares: Mutex::default(),
    };
    let (workers, mut tally) = if reading.threads.get() == 1 {
        let mut worker = Worker::new(reading, &shared, 0, fresh()).context(NO_SPOOL)?;
        let outcome = read_sources(reading, &shared, &mut worker);
        if shared.is_wrong_guess.load(Ordering::Relaxed) {
            return Ok(None);
        }
        (vec![worker.finish()], outcome?)
    } else {
        match read_threaded(reading, &shared, fresh)? {
            Some(read) => read,
            None => return Ok(None),
        }
    };
    let seen = shared.seen.into_inner().unwrap_or_else(PoisonError::into_inner).finish();
    let (mut finishers, keepers): (Vec<_>, Vec<_>) = workers.into_iter().map(|it| (it.finisher, it.keeper)).unzip();
    if seen.conflicts.is_empty() {
        let came_again = reading.sources.iter().filter_map(Source::feed).flat_map(|it| it.ended().came_again).collect();
        finish_held(&mut finishers, &keepers, &seen.complete, &came_again)
            .context("failed to read back what was kept for later")?;
    }
    for (source, n_traces) in &seen.n_loose {
        tally.sources.entry(*source).or_default().n_traces += n_traces;
    }
    let mut consumers = Vec::with_capacity(finishers.len());
    for finisher in finishers {
        consumers.push(finisher.consumer);
        tally.merge(finisher.tally);
    }
    for source in reading.sources {
        let incomplete = source.feed().map(|it| it.ended().incomplete).unwrap_or_default();
        tally.incomplete.extend(incomplete.iter().map(|it| format!("{}: {it}", source.name)));
    }
    for (idx, source) in &tally.sources {
        tally.incomplete.extend(source.incomplete.iter().map(|it| format!("{}: {it}", reading.sources[*idx].name)));
    }
    if tally.n_cut_traces > 0 {
        tally
            .incomplete
            .push(format!("{} cut short by their server (more spans than it shows)", traces(tally.n_cut_traces)));
    }
    Ok(Some((consumers, tally, seen.conflicts)))
}

const NO_SPOOL: &str = "failed to make a temporary file for spans whose traces are not complete yet";

/// Gives on the traces that were held back, in the order of their ids, to one thread or to whichever is free.
fn finish_held<C: Consumer>(
    finishers: &mut [Finisher<C>],
    keepers: &[Keeper],
    complete: &[Complete],
    came_again: &HashSet<u128>,
) -> io::Result<()> {
    let taken = AtomicUsize::new(0);
    let next = || complete.get(taken.fetch_add(1, Ordering::Relaxed));
    if let [finisher] = finishers {
        return finisher.run(keepers, came_again, &mut { next });
    }
    std::thread::scope(|scope| {
        let handles: Vec<_> =
            finishers.iter_mut().map(|it| scope.spawn(|| it.run(keepers, came_again, &mut { next }))).collect();
        handles.into_iter().try_for_each(|it| it.join().expect("a worker does not panic"))
    })
}

fn traces(n: u64) -> String {
    if n == 1 { "1 trace".to_owned() } else { format!("{n} traces") }
}

fn read_threaded<C: Consumer>(
    reading: &Reading<'_>,
    shared: &Shared,
    fresh: &(dyn Fn() -> C + Sync),
) -> anyhow::Result<Option<(Vec<Finished<C>>, Tally)>> {
    let n_workers = reading.threads.get();
    // As many chunks may wait as are being worked on: memory stays bounded.
    let (sender, receiver) = mpsc::sync_channel::<Chunk>(n_workers);
    let receiver = Mutex::new(receiver);
    let workers: io::Result<Vec<_>> =
        (0..n_workers).map(|number| Worker::new(reading, shared, number, fresh()).map(Mutex::new)).collect();
    let workers = workers.context(NO_SPOOL)?;
    // This thread parses what cannot be shared.
    let own = Worker::new(reading, shared, n_workers, fresh()).context(NO_SPOOL)?;
    let (outcome, own) = std::thread::scope(|scope| {
        let receiver = &receiver;
        for worker in &workers {
            scope.spawn(move || {
                loop {
                    let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(chunk) = next else { break };
                    worker.lock().unwrap_or_else(PoisonError::into_inner).emit(chunk);
                }
            });
        }
        let has_others = reading.sources.len() > 1;
        let mut dispatch = Dispatch { sender, shared, workers: &workers, own, has_others };
        let outcome = read_sources(reading, shared, &mut dispatch);
        (outcome, dispatch.own)
    });
    if shared.is_wrong_guess.load(Ordering::Relaxed) {
        return Ok(None);
    }
    // Whatever stopped the reading, chunks handed over before may hold an earlier fault.
    fail_on_fault(reading, shared)?;
    let tally = outcome?;
    let workers = workers.into_iter().map(|it| it.into_inner().unwrap_or_else(PoisonError::into_inner));
    Ok(Some((workers.chain([own]).map(Worker::finish).collect(), tally)))
}

/// Gives chunks to whichever worker is free; gone when there are no more.
struct Dispatch<'a, 'w, C> {
    sender: mpsc::SyncSender<Chunk>,
    shared: &'a Shared,
    workers: &'w [Mutex<Worker<'a, C>>],
    /// The worker of the thread that reads.
    own: Worker<'a, C>,
    has_others: bool,
}

impl<C: Consumer> Emit for Dispatch<'_, '_, C> {
    fn emit(&mut self, chunk: Chunk) -> bool {
        self.sender.send(chunk).is_ok() && !self.shared.stopped.load(Ordering::Relaxed)
    }

    fn spare(&mut self) -> Option<Buffer> {
        self.shared.spare()
    }

    fn items(&mut self, window: &Window<'_>) -> Option<Ahead> {
        if self.shared.may_guess { self.own.items(window) } else { None }
    }

    fn wants_more(&mut self) -> bool {
        self.own.wants_more()
    }

    fn takes_stretches(&self) -> bool {
        self.shared.may_guess
    }

    fn takes_lines(&self) -> bool {
        self.shared.may_guess
    }

    fn stretches(&mut self, first: Stretch, rest: &mut Stretches<'_, '_>) -> u64 {
        let rest = &Mutex::new(rest);
        let mut first = Some(first);
        std::thread::scope(|scope| {
            let threads: Vec<_> = self
                .workers
                .iter()
                .map(|worker| {
                    let first = first.take();
                    scope.spawn(|| worker.lock().unwrap_or_else(PoisonError::into_inner).process_stretches(first, rest))
                })
                .collect();
            threads.into_iter().map(|it| it.join().expect("a worker does not panic")).sum()
        })
    }

    fn has_others(&self) -> bool {
        self.has_others
    }
}

/// Cuts every source into chunks.
fn read_sources(reading: &Reading<'_>, shared: &Shared, emit: &mut dyn Emit) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut n_bytes = 0;
    for (idx, source) in reading.sources.iter().enumerate() {
        n_bytes += read_source(reading, shared, idx, source, n_bytes, emit, &mut tally)?;
        if shared.stopped.load(Ordering::Relaxed) {
            break;
        }
    }
    fail_on_fault(reading, shared)?;
    if tally.sources.is_empty() && !shared.stopped.load(Ordering::Relaxed) {
        let names: Vec<&str> = tally.without_traces.iter().map(String::as_str).take(5).collect();
        return Err(Failure::with_hint(
            format!("failed to find a capture: none of the files holds traces (looked at {})", names.join(", ")),
            "name a capture directly to see why it is not read",
        )
        .into());
    }
    Ok(tally)
}

/// Cuts one source; gives how many bytes were read of it.
fn read_source(
    reading: &Reading<'_>,
    shared: &Shared,
    idx: usize,
    source: &Source,
    n_before: u64,
    emit: &mut dyn Emit,
    tally: &mut Tally,
) -> anyhow::Result<u64> {
    let failed = || format!("failed to read {}", source.name);
    let mut decoded = Decoded::new(source.open()?, reading.max_decompressed).with_context(failed)?;
    let head = std::mem::take(&mut decoded.head);
    let format = detect(&head, reading.split.format);
    if let Some(fault) = decoded.fault.as_ref().filter(|it| format.is_err() || it.is_a_limit())
        && source.is_named
    {
        return Err(unreadable(&source.name, fault, head.len()));
    }
    let origin = match format {
        Ok(format) => Origin { source: idx, format },
        Err(_) if source.is_named && head.is_empty() && source.holds_lines() => {
            let found = SourceTally { format: NO_LINES.to_owned(), ..SourceTally::default() };
            tally.sources.insert(idx, found);
            return Ok(decoded.n_raw().load(Ordering::Relaxed));
        }
        Err(NotDetected { what, hint }) if source.is_named => {
            return Err(Failure::with_hint(format!("failed to read {}: {what}", source.name), hint).into());
        }
        Err(_) => {
            tally.without_traces.push(source.name.clone());
            return Ok(0);
        }
    };
    if let Some(text) = decoded.text {
        shared.decoded.lock().unwrap_or_else(PoisonError::into_inner).insert(idx, text);
    }
    let format = FORMATS[origin.format];
    let n_mark = if head.starts_with(BOM) { BOM.len() } else { 0 };
    let mut text = Text {
        n_raw: decoded.n_raw(),
        input: io::Cursor::new(&head[n_mark..]).chain(decoded.rest),
        fault: decoded.fault,
        n_before,
        progress: reading.progress,
    };
    let mut stream = Stream::new(&mut text);
    let (mut frames, mut outcome) = split(&mut stream, format.frame(), origin, reading.split, emit);
    let end = stream.place(stream.bytes.len());
    if let Some(fault) = text.fault.take() {
        if fault.is_a_limit() {
            return Err(unreadable(&source.name, &fault, 0));
        }
        if matches!(&outcome, Err(SplitError::Syntax { what, .. }) if what == CUT_OFF) {
            outcome = Ok(());
        }
        note_fault(reading, shared, origin, &fault, end, &mut frames);
    }
    match outcome {
        Ok(()) => {}
        Err(SplitError::Io(err)) => return Err(err).with_context(failed),
        Err(SplitError::Syntax { place, what }) => shared.report(origin, place, what),
        Err(SplitError::Stopped) => {}
    }
    if shared.stopped.load(Ordering::Relaxed) {
        return Ok(0);
    }
    let judgement = format.judge(&frames);
    if let Some(words) = judgement.refusal {
        return Err(refusal(&source.name, &words));
    }
    let n_bytes = frames.n_bytes + n_mark as u64;
    let formats: Vec<&str> = frames.formats.iter().map(|it| FORMATS[*it].name()).collect();
    for (key, (count, place)) in &frames.foreign {
        let reason = format!("a value without spans (its first key is `{key}`)");
        tally.skips.add_many(&reason, *count, idx, *place);
    }
    let found =
        SourceTally { format: formats.join("+"), n_bytes, warnings: judgement.warnings, ..SourceTally::default() };
    tally.sources.insert(idx, found);
    tally.incomplete.extend(judgement.incomplete.iter().map(|it| format!("{}: {it}", source.name)));
    note_losses(&frames, idx, source, tally);
    Ok(text.n_raw.load(Ordering::Relaxed))
}

/// The format of a file of lines that has none.
const NO_LINES: &str = "no lines";

/// Says that a source stops where it should go on: an error, or with `--lenient` a loss.
fn note_fault(
    reading: &Reading<'_>,
    shared: &Shared,
    origin: Origin,
    fault: &DecodeFault,
    end: Place,
    frames: &mut Frames,
) {
    if !reading.split.lenient {
        shared.report(origin, end, fault.to_string());
        return;
    }
    let why = format!("{fault} behind {} bytes of text,", end.offset);
    match frames.losses.last_mut() {
        // The piece that it left unfinished was found broken for no other reason.
        Some(loss) if loss.why == CUT_OFF => loss.why = why,
        _ => frames.losses.push(Loss { place: end, n_bytes: None, why }),
    }
}

/// A source whose wrapping can't be taken off.
fn unreadable(name: &str, fault: &DecodeFault, n_decoded: usize) -> anyhow::Error {
    match fault {
        DecodeFault::TooLarge(_) => Failure::with_hint(
            format!("failed to read {name}: {fault}"),
            "if it is no mistake, allow more: --max-decompressed SIZE",
        ),
        _ => Failure::with_hint(
            format!("failed to read {name}: {fault} behind {n_decoded} bytes of text"),
            "export or copy it again",
        ),
    }
    .into()
}

/// The reason of what `--lenient` passed over. `incomplete` has a sentence on each such piece besides.
pub(crate) const BROKEN_PIECE: &str = "a broken piece of the file";

/// Counts the pieces that `--lenient` passed over.
fn note_losses(frames: &Frames, idx: usize, source: &Source, tally: &mut Tally) {
    for loss in &frames.losses {
        tally.skips.add(BROKEN_PIECE, idx, || loss.place);
        let lost = loss.n_bytes.map_or_else(|| "the rest".to_owned(), |it| format!("{it} bytes"));
        tally.incomplete.push(format!(
            "{}: {lost} could not be read: {} at line {}, column {}",
            source.name,
            loss.why,
            loss.place.line,
            loss.place.column()
        ));
    }
}

fn refusal(name: &str, words: &str) -> anyhow::Error {
    Failure::with_hint(
        format!("failed to read {name}: it holds no traces but a server's error: {words}"),
        "fetch it again, and look at what the server answers",
    )
    .into()
}

fn fail_on_fault(reading: &Reading<'_>, shared: &Shared) -> anyhow::Result<()> {
    let fault = shared.fault.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(Fault { at: (origin, place), what }) = &*fault else { return Ok(()) };
    let name = &reading.sources[origin.source].name;
    let format = FORMATS[origin.format].name();
    let decoded = shared.decoded.lock().unwrap_or_else(PoisonError::into_inner).get(&origin.source).copied();
    let of_text = decoded.map(|it| format!(" of {it}")).unwrap_or_default();
    let message = format!(
        "failed to read {name} as {format}: {what} at byte {}{of_text} (line {}, column {})",
        place.offset,
        place.line,
        place.column()
    );
    let hint = if what == CUT_OFF || what.ends_with(" data ends early") {
        "the file looks cut off: export it again, or report the traces before the cut with --lenient"
    } else {
        "report the traces that are intact with --lenient"
    };
    Err(Failure::with_hint(message, hint).into())
}

/// A source's text; shows the progress, and keeps what ended it too early.
struct Text<'a, R> {
    input: R,
    fault: Option<DecodeFault>,
    n_raw: Arc<AtomicU64>,
    n_before: u64,
    progress: &'a (dyn Fn(u64) + Sync),
}

impl<R: Read> Read for Text<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n_read = match self.input.read(buf) {
            Ok(n_read) => n_read,
            Err(err) => {
                // What came before it is read to its end first: it may hold an earlier fault.
                self.fault = Some(DecodeFault::from_error(err)?);
                0
            }
        };
        (self.progress)(self.n_before + self.n_raw.load(Ordering::Relaxed));
        Ok(n_read)
    }
}
