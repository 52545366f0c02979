//! The traces that pass the filters, written down in another form.
//!
//! Everything is read twice: first by all threads, to find what is wrong with the input, which traces
//! have copies that differ and which is the newest; then by one, in the order of the input, writing
//! each trace as it comes. So a broken capture writes nothing, no trace is written before all of it is
//! known, and the same input gives the same bytes.
//!
//! What comes from a server is written to a file while it arrives, in one reading by one thread: where
//! a copy that differs turns up after all, the file is begun anew, from what has been kept.

mod append;

use std::collections::HashSet;
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context;

use super::fetching::Fetched;
use super::output_file::OutputFile;
use super::packed::Packed;
use super::progress::Progress;
use super::sieve::Sieve;
use super::{
    Exit, Findings, Surroundings, check_kept, check_output, explain, find_sources, newest_start_ns, warn,
    warn_of_losses,
};
use crate::cli::{ExportPlan, Plan};
use crate::export::{Losses, TARGETS, Target, Writer};
use crate::failure::Failure;
use crate::input::source::Source;
use crate::model::{Trace, Wanted};
use crate::pipeline::{self, Consumer, Differing, Reading};
use crate::render;

/// Does an export.
pub(super) fn export(plan: ExportPlan, surroundings: &mut Surroundings<'_>) -> anyhow::Result<Exit> {
    let ExportPlan { mut plan, target, append } = plan;
    let (sources, _) = find_sources(&mut plan, surroundings)?;
    check_output(&plan, sources.iter().map(|it| it.name.as_str()))?;
    let target = TARGETS[target];
    let path = plan.output.file.clone();
    let is_fed = sources.iter().any(|it| it.feed().is_some());
    let held = match &path {
        Some(path) if append => append::ids_in(path, target, &plan)?,
        None if append => {
            return Err(Failure::with_hint("failed to append: there is no file", "name it with -o FILE").into());
        }
        _ => HashSet::new(),
    };
    let mut transfer = Transfer {
        held,
        target,
        is_written_at_once: is_fed && path.is_some(),
        ..Transfer::new(&sources, surroundings.now_ns)
    };
    let interrupts = surroundings.interrupts;
    // What has arrived is not thrown away.
    interrupts.are_awaited.store(is_fed, Ordering::SeqCst);
    let (findings, losses) = {
        let is_shown = surroundings.err_is_terminal && !plan.server.quiet;
        let progress = Progress::new(&mut *surroundings.err, is_shown, &sources);
        let show = |n_bytes| progress.show(n_bytes);
        let outcome = match &path {
            None => {
                let packed = Packed::by_name(None, &mut *surroundings.out)?;
                progress.ticking(|| transfer.run(&mut plan, &show, packed))
            }
            Some(path) => progress.ticking(|| {
                loop {
                    let failed = || format!("failed to write {}", path.display());
                    let mut file = OutputFile::create(path, surroundings.unfinished).with_context(failed)?;
                    if append {
                        append::copy(path, file.writer()).with_context(failed)?;
                    }
                    let packed = Packed::by_name(Some(path), file.writer()).with_context(failed)?;
                    match transfer.run(&mut plan, &show, packed) {
                        Err(err) if transfer.is_written_at_once && err.is::<Changed>() => {}
                        outcome => return outcome.and_then(|it| file.finish().with_context(failed).map(|()| it)),
                    }
                }
            }),
        };
        progress.clear();
        outcome?
    };
    interrupts.are_awaited.store(false, Ordering::SeqCst);
    let fetched = Fetched::of(&sources)?;
    if plan.output.verbose {
        explain(&plan, &findings, surroundings.err)?;
    }
    warn_of_losses(&findings, surroundings.err)?;
    for what in findings.input.skip_lines() {
        writeln!(surroundings.err, "warning: {}", render::sanitize::line(&what))?;
    }
    for (what, count) in losses.iter() {
        writeln!(surroundings.err, "warning: --to {}: {what}: {count}", target.name())?;
    }
    if transfer.n_held > 0 {
        writeln!(surroundings.err, "left out {} traces that the file holds already", transfer.n_held)?;
    }
    fetched.warn(surroundings.err)?;
    warn(&plan, &findings, surroundings.err)?;
    if is_fed && interrupts.came.load(Ordering::SeqCst) {
        return Ok(Exit::Interrupted);
    }
    fetched.exit(&plan.server, surroundings)
}

/// Reads, filters and writes.
struct Transfer<'a> {
    sources: &'a [Source],
    now_ns: i64,
    target: &'static dyn Target,
    /// Traces that the file holds already.
    held: HashSet<u128>,
    n_held: u64,
    is_written_at_once: bool,
    differing: Differing,
}

/// Something was written of traces of which other copies came later.
#[derive(Debug)]
struct Changed;

impl std::fmt::Display for Changed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the captures changed while they were read")
    }
}

impl std::error::Error for Changed {}

impl<'a> Transfer<'a> {
    fn new(sources: &'a [Source], now_ns: i64) -> Transfer<'a> {
        Transfer {
            sources,
            now_ns,
            target: TARGETS[0],
            held: HashSet::new(),
            n_held: 0,
            is_written_at_once: false,
            differing: Differing::default(),
        }
    }

    fn run(
        &mut self,
        plan: &mut Plan,
        progress: &(dyn Fn(u64) + Sync),
        out: Packed<'_>,
    ) -> anyhow::Result<(Findings, Losses)> {
        let started = Instant::now();
        let mut reading = Reading {
            sources: self.sources,
            threads: plan.threads,
            split: plan.split,
            max_decompressed: plan.max_decompressed,
            wanted: Wanted::all().into(),
            derive: plan.derive,
            // What is written stays written.
            may_guess: false,
            progress,
        };
        // For what is fed a range counts back from the clock.
        let is_known = self.is_written_at_once && !plan.needs_newest();
        let newest_ns = if is_known { 0 } else { newest_start_ns(&reading, &mut self.differing)? };
        plan.resolve_time_range(self.now_ns, newest_ns);
        reading.threads = NonZeroUsize::MIN;
        let writer = self.target.writer();
        let output = Output {
            writer,
            out,
            losses: Losses::default(),
            n_held: 0,
            has_begun: false,
            failure: None,
            changed: false,
        };
        let output = Mutex::new(output);
        let fresh = || {
            output.lock().unwrap_or_else(PoisonError::into_inner).expect_nothing_written();
            Exporter { sieve: Sieve::new(&plan.filter), output: &output, held: &self.held }
        };
        let read = pipeline::read_knowing(&reading, &fresh, &mut self.differing)
            .map(|(exporters, tally)| (exporters.into_iter().next().map(|it| it.sieve), tally));
        let mut output = output.into_inner().unwrap_or_else(PoisonError::into_inner);
        if output.changed {
            return Err(Changed.into());
        }
        let (sieve, tally) = read?;
        let sieve = sieve.unwrap_or_else(|| Sieve::new(&plan.filter));
        let findings = Findings::new(self.sources, &tally, sieve, Vec::new(), started.elapsed(), &plan.filter);
        let target = plan.output.file.as_ref().map_or("the traces".to_owned(), |it| it.display().to_string());
        let failed = || format!("failed to write {target}");
        if let Some(failure) = output.failure {
            return Err(failure).with_context(failed);
        }
        // What nothing could be had of is no file.
        Fetched::of(self.sources)?;
        check_kept(plan, &findings)?;
        self.n_held = output.n_held;
        if self.sources.iter().any(|it| it.feed().is_some()) {
            output.writer.mark_incomplete(&findings.input.incomplete_reasons);
        }
        let losses = output.end().with_context(failed)?;
        Ok((findings, losses))
    }
}

/// Where traces are written, and how well that went.
struct Output<'a> {
    writer: Box<dyn Writer>,
    out: Packed<'a>,
    losses: Losses,
    n_held: u64,
    has_begun: bool,
    failure: Option<io::Error>,
    changed: bool,
}

impl Output<'_> {
    /// Reading begins, maybe again.
    fn expect_nothing_written(&mut self) {
        if self.has_begun {
            self.changed = true;
        }
    }

    fn trace(&mut self, trace: &Trace) {
        if self.failure.is_none() && !self.changed {
            self.failure = self.begin().and_then(|()| self.writer.trace(trace, &mut self.losses, &mut self.out)).err();
        }
    }

    fn begin(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.has_begun, true) { Ok(()) } else { self.writer.begin(&mut self.out) }
    }

    /// Writes what is behind all traces.
    fn end(mut self) -> io::Result<Losses> {
        self.begin()?;
        self.writer.end(&mut self.out)?;
        self.out.finish()?;
        Ok(self.losses)
    }
}

/// Gives the traces that are kept to the output.
struct Exporter<'f, 'a, 'o> {
    sieve: Sieve<'f>,
    output: &'a Mutex<Output<'o>>,
    held: &'a HashSet<u128>,
}

impl Consumer for Exporter<'_, '_, '_> {
    fn trace(&mut self, trace: &Trace) {
        if self.sieve.keeps(trace) {
            let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
            if self.held.contains(&trace.id.compact()) {
                output.n_held += 1;
            } else {
                output.trace(trace);
            }
        }
    }

    fn wants_more(&self) -> bool {
        let output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        output.failure.is_none() && !output.changed
    }
}
