//! The traces that pass the filters, written down in another form.
//!
//! Everything is read twice: first by all threads, to find what is wrong with the input, which traces
//! have copies that differ and which is the newest; then by one, in the order of the input, writing
//! each trace as it comes. So a broken capture writes nothing, no trace is written before all of it is
//! known, and the same input gives the same bytes.

use std::io;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context;

use super::output_file::OutputFile;
use super::packed::Packed;
use super::progress::Progress;
use super::sieve::Sieve;
use super::{
    Exit, Findings, Surroundings, check_kept, check_output, explain, find_sources, newest_start_ns, warn,
    warn_of_losses,
};
use crate::cli::{ExportPlan, Plan};
use crate::export::{Losses, TARGETS, Writer};
use crate::input::source::Source;
use crate::model::{Trace, Wanted};
use crate::pipeline::{self, Consumer, Differing, Reading};
use crate::render;

/// Does an export.
pub(super) fn export(plan: ExportPlan, surroundings: &mut Surroundings<'_>) -> anyhow::Result<Exit> {
    let ExportPlan { mut plan, target } = plan;
    let sources = find_sources(&mut plan, surroundings)?;
    check_output(&plan, sources.iter().map(|it| it.name.as_str()))?;
    let target = TARGETS[target];
    let path = plan.output.file.clone();
    let (findings, losses) = {
        let progress = Progress::new(&mut *surroundings.err, surroundings.err_is_terminal, &sources);
        let show = |n_bytes| progress.show(n_bytes);
        let now_ns = surroundings.now_ns;
        let outcome = match &path {
            None => {
                let packed = Packed::by_name(None, &mut *surroundings.out)?;
                transfer(&mut plan, &sources, now_ns, &show, target.writer(), packed)
            }
            Some(path) => {
                let failed = || format!("failed to write {}", path.display());
                let mut file = OutputFile::create(path, surroundings.unfinished).with_context(failed)?;
                let packed = Packed::by_name(Some(path), file.writer()).with_context(failed)?;
                transfer(&mut plan, &sources, now_ns, &show, target.writer(), packed)
                    .and_then(|it| file.finish().with_context(failed).map(|()| it))
            }
        };
        progress.clear();
        outcome?
    };
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
    warn(&plan, &findings, surroundings.err)?;
    Ok(Exit::Success)
}

/// Reads, filters and writes.
fn transfer(
    plan: &mut Plan,
    sources: &[Source],
    now_ns: i64,
    progress: &(dyn Fn(u64) + Sync),
    writer: Box<dyn Writer>,
    out: Packed<'_>,
) -> anyhow::Result<(Findings, Losses)> {
    let started = Instant::now();
    let mut reading = Reading {
        sources,
        threads: plan.threads,
        split: plan.split,
        max_decompressed: plan.max_decompressed,
        wanted: Wanted::all().into(),
        derive: plan.derive,
        progress,
    };
    let mut differing = Differing::default();
    let newest_ns = newest_start_ns(&reading, &mut differing)?;
    plan.resolve_time_range(now_ns, newest_ns);
    reading.threads = NonZeroUsize::MIN;
    let output = Mutex::new(Output { writer, out, losses: Losses::default(), has_begun: false, failure: None });
    let fresh = || {
        output.lock().unwrap_or_else(PoisonError::into_inner).expect_nothing_written();
        Exporter { sieve: Sieve::new(&plan.filter), output: &output }
    };
    let (exporters, tally) = pipeline::read_knowing(&reading, &fresh, &mut differing)?;
    let sieve = exporters.into_iter().next().map_or_else(|| Sieve::new(&plan.filter), |it| it.sieve);
    let output = output.into_inner().unwrap_or_else(PoisonError::into_inner);
    let findings = Findings::new(sources, &tally, sieve, Vec::new(), started.elapsed(), &plan.filter);
    let target = plan.output.file.as_ref().map_or("the traces".to_owned(), |it| it.display().to_string());
    let failed = || format!("failed to write {target}");
    if let Some(failure) = output.failure {
        return Err(failure).with_context(failed);
    }
    check_kept(plan, &findings)?;
    let losses = output.end().with_context(failed)?;
    Ok((findings, losses))
}

/// Where traces are written, and how well that went.
struct Output<'a> {
    writer: Box<dyn Writer>,
    out: Packed<'a>,
    losses: Losses,
    has_begun: bool,
    failure: Option<io::Error>,
}

impl Output<'_> {
    /// Reading begins, maybe again.
    fn expect_nothing_written(&mut self) {
        if self.has_begun {
            self.failure = Some(io::Error::other("the captures changed while they were read"));
        }
    }

    fn trace(&mut self, trace: &Trace) {
        if self.failure.is_none() {
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
}

impl Consumer for Exporter<'_, '_, '_> {
    fn trace(&mut self, trace: &Trace) {
        if self.sieve.keeps(trace) {
            self.output.lock().unwrap_or_else(PoisonError::into_inner).trace(trace);
        }
    }

    fn wants_more(&self) -> bool {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).failure.is_none()
    }
}
