//! One analysis from plan to printed report.

mod diff;
mod export;
mod fetching;
mod formats;
mod gates;
mod heading;
mod input_report;
mod output_file;
mod packed;
mod progress;
mod side;
mod sieve;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;

use crate::cli::{self, ColorWhen, Invocation, Output, Plan};
use crate::failure::Failure;
use crate::fetch::Server;
use crate::filter::Filter;
use crate::gates::{Judgement, Meter, judge, section};
use crate::input::source::{self, Source};
use crate::model::{Assembler, Known, Name, Trace, Wanted, is_plausible};
use crate::near;
use crate::passes::{self, AnyPass};
use crate::pipeline::{self, Consumer, Differing, Reading, Tally};
use crate::render::{self, Look};
use crate::report::bulletin::Bulletin;
use crate::report::{Json, Report, Section, words as units};
use fetching::Fetched;
use gates::Held;
use input_report::InputReport;
use output_file::OutputFile;
use progress::Progress;
use sieve::Sieve;

/// What the process has: given in, so that nothing below reaches for it.
pub struct Surroundings<'a> {
    /// Standard output.
    pub out: &'a mut (dyn Write + Send),
    /// Standard error; shared with the thread that shows progress.
    pub err: &'a mut (dyn Write + Send),
    /// Opens standard input, once.
    pub stdin: Option<Box<dyn Read + Send>>,
    /// Whether standard input is a terminal: then nobody means to be read from it.
    pub stdin_is_terminal: bool,
    /// Whether standard output is one.
    pub out_is_terminal: bool,
    /// Whether standard error is one.
    pub err_is_terminal: bool,
    /// The terminal's columns.
    pub terminal_width: Option<usize>,
    /// NO_COLOR is set to something, or the terminal is dumb.
    pub no_color: bool,
    /// The clock, in nanoseconds since the epoch.
    pub now_ns: i64,
    /// A file being written, to be removed if the process is stopped.
    pub unfinished: &'a Mutex<Option<PathBuf>>,
    /// The environment's variables.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// What a stop does.
    pub interrupts: &'a Interrupts,
}

/// How the process takes Ctrl-C.
#[derive(Debug, Default)]
pub struct Interrupts {
    /// The first is not the end: what there is will be finished.
    pub are_awaited: AtomicBool,
    /// There was one.
    pub came: Arc<AtomicBool>,
}

/// How it went, if it went at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It ran.
    Success,
    /// It ran, and a limit that the user set was exceeded.
    LimitExceeded,
    /// It ran, but a server did not give all; that has been said.
    Incomplete,
    /// It was stopped, and finished what it had begun.
    Interrupted,
}

/// Whether whoever was reading does not any more.
pub fn is_closed_pipe(err: &io::Error) -> bool {
    err.kind() == io::ErrorKind::BrokenPipe
}

/// Whether something ended because nobody reads what it writes.
pub fn was_cut_short(err: &anyhow::Error) -> bool {
    err.chain().any(|it| it.downcast_ref::<io::Error>().is_some_and(is_closed_pipe))
}

/// Does what was asked for.
pub fn run(invocation: Invocation, surroundings: &mut Surroundings<'_>) -> anyhow::Result<Exit> {
    match invocation {
        Invocation::Analyze(plan) => analyze(*plan, surroundings),
        Invocation::Export(plan) => export::export(*plan, surroundings),
        Invocation::Diff(plan) => diff::diff(*plan, surroundings),
        Invocation::Baseline(plan) => diff::baseline(*plan, surroundings),
        Invocation::ListFormats { json } => {
            formats::write(surroundings.out, json, surroundings.out_is_terminal)?;
            Ok(Exit::Success)
        }
        Invocation::Completions(shell) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut cli::command(), "analyze-traces", &mut script);
            surroundings.out.write_all(&script)?;
            Ok(Exit::Success)
        }
        Invocation::Man => {
            let mut page = Vec::new();
            clap_mangen::Man::new(cli::command()).render(&mut page)?;
            surroundings.out.write_all(&page)?;
            Ok(Exit::Success)
        }
    }
}

/// Everything the report is made of.
struct Findings {
    input: InputReport,
    reports: Vec<Box<dyn Report>>,
    /// Services there are, for hints.
    services: BTreeSet<Name>,
    operations: BTreeSet<Name>,
    /// Which of the trace ids asked for are there.
    found_ids: Vec<bool>,
    elapsed: Duration,
}

fn analyze(mut plan: Plan, surroundings: &mut Surroundings<'_>) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let held = Held::to(&plan.gates, &plan.output, surroundings.err)?;
    held.check_is_something_to_report()?;
    let (sources, servers) = find_sources(&mut plan, surroundings)?;
    let now_ns = surroundings.now_ns;
    let meter = Meter::new(&held.limits.gates);
    let (mut findings, meter) = {
        let is_shown = surroundings.err_is_terminal && !plan.server.quiet;
        let progress = Progress::new(&mut *surroundings.err, is_shown, &sources);
        let show = |n_bytes| progress.show(n_bytes);
        let outcome = progress.ticking(|| read(&mut plan, &sources, now_ns, &meter, &show, started));
        progress.clear();
        outcome?
    };
    let fetched = Fetched::of(&sources)?;
    if plan.check {
        let theirs = fetching::calls(&plan, &servers, now_ns, surroundings.err)?;
        findings.reports.iter_mut().for_each(|it| it.compare_calls(&theirs));
    }
    check_kept(&plan, &findings)?;
    let paths = || sources.iter().filter_map(Source::path);
    check_output(&plan, paths())?;
    held.check_sources(paths())?;
    if plan.output.verbose {
        fetched.explain(surroundings.err)?;
        explain(&plan, &findings, surroundings.err)?;
    }
    // Tables say it themselves, above everything else.
    if plan.output.json || plan.output.file.is_some() {
        warn_of_losses(&findings, surroundings.err)?;
    }
    fetched.warn(surroundings.err)?;
    warn(&plan, &findings, surroundings.err)?;
    let judgements = judge(&held.limits.gates, &meter, None);
    written(&plan.output, surroundings, |out, look, pretty| {
        render_report(&plan, &findings, &judgements, look, pretty, out)
    })?;
    held.report(surroundings, || bulletin(&findings, &judgements))?;
    let all_passed = gates::tell(&judgements, surroundings.err)?;
    // What was not all read holds no limit.
    match fetched.exit(&plan.server, surroundings)? {
        Exit::Success if !all_passed => Ok(Exit::LimitExceeded),
        exit => Ok(exit),
    }
}

/// What CI is told of an analysis.
fn bulletin(findings: &Findings, judgements: &[Judgement]) -> Bulletin {
    let n_failed = judgements.iter().filter(|it| !it.passed).count() as u64;
    let result = match n_failed {
        0 => String::new(),
        n => format!(": {} failed", units::some(n, "gate", "gates")),
    };
    let mut sections: Vec<Section> = section(judgements).into_iter().collect();
    sections.extend(findings.sections());
    Bulletin {
        title: format!("analyze-traces{result}"),
        inputs: heading::lines("", &findings.input),
        sections,
        cases: gates::cases(judgements),
        alerts: gates::alerts(judgements),
    }
}

/// What is read, and the servers among it.
fn find_sources(
    plan: &mut Plan,
    surroundings: &mut Surroundings<'_>,
) -> anyhow::Result<(Vec<Source>, Vec<Arc<Server>>)> {
    if plan.inputs.is_empty() {
        if surroundings.stdin_is_terminal {
            let hint = "name a capture: analyze-traces traces.json (or - for standard input; see --help)";
            return Err(Failure::with_hint("nothing to read", hint).into());
        }
        plan.inputs.push("-".into());
    }
    let (fed, servers) = fetching::sources(plan, surroundings)?;
    // Of two sides only one may be standard input: it is left to that one.
    let stdin = if plan.inputs.iter().any(|it| it == "-") { surroundings.stdin.take() } else { None };
    let named: Vec<OsString> = plan.inputs.iter().filter(|it| fetching::address(it).is_none()).cloned().collect();
    let mut sources = source::find(&named, || stdin.unwrap_or_else(|| Box::new(io::empty())))?;
    sources.extend(fed);
    Ok((source::in_order(sources), servers))
}

fn read(
    plan: &mut Plan,
    sources: &[Source],
    now_ns: i64,
    meter: &Meter,
    progress: &(dyn Fn(u64) + Sync),
    started: Instant,
) -> anyhow::Result<(Findings, Meter)> {
    let reading = prepare(plan, sources, now_ns, progress, &[])?;
    let templates = std::mem::take(&mut plan.passes);
    let fresh = || Runner { sieve: Sieve::new(&plan.filter), passes: templates.clone(), meter: meter.clone() };
    let (runners, tally) = pipeline::read(&reading, &fresh)?;
    let Runner { mut sieve, mut meter, .. } = fresh();
    let mut parts = Vec::with_capacity(runners.len());
    for runner in runners {
        sieve.merge(runner.sieve);
        meter.merge(runner.meter);
        parts.push(runner.passes);
    }
    let reports = passes::reports(parts, plan.threads);
    let findings = Findings::new(sources, &tally, sieve, reports, started.elapsed(), &plan.filter);
    Ok((findings, meter))
}

/// How an analysis reads whose passes are not all that reads attributes; settles what the time range counts back from.
fn prepare<'a>(
    plan: &mut Plan,
    sources: &'a [Source],
    now_ns: i64,
    progress: &'a (dyn Fn(u64) + Sync),
    others_read: &[&[Known]],
) -> anyhow::Result<Reading<'a>> {
    let passes_read = plan.passes.iter().flat_map(|it| it.reads());
    let reads = passes_read.chain(others_read).copied().flatten().copied().chain(Assembler::reads(&plan.derive));
    let reading = Reading {
        sources,
        threads: plan.threads,
        split: plan.split,
        max_decompressed: plan.max_decompressed,
        wanted: Wanted::of(reads, plan.filter.tags.iter().map(|it| it.key)).into(),
        derive: plan.derive,
        may_guess: true,
        progress,
    };
    if plan.needs_newest() {
        let newest_ns = newest_start_ns(&reading, &mut Differing::default())?;
        plan.resolve_time_range(now_ns, newest_ns);
    } else {
        plan.resolve_time_range(now_ns, 0);
    }
    Ok(reading)
}

impl Findings {
    fn new(
        sources: &[Source],
        tally: &Tally,
        sieve: Sieve<'_>,
        reports: Vec<Box<dyn Report>>,
        elapsed: Duration,
        filter: &Filter,
    ) -> Findings {
        Findings {
            input: InputReport::new(sources, tally, filter, &sieve.kept),
            reports,
            services: sieve.services.iter().copied().collect(),
            operations: sieve.operations.iter().copied().collect(),
            found_ids: sieve.found_ids,
            elapsed,
        }
    }

    /// What is shown: of no traces there is nothing to say but that.
    fn sections(&self) -> Vec<Section> {
        let n_sections = if self.input.traces_kept == 0 { 1 } else { usize::MAX };
        self.reports.iter().take(n_sections).map(|it| it.section()).collect()
    }
}

/// Filters traces and shows them to the passes, on one thread.
struct Runner<'a> {
    sieve: Sieve<'a>,
    passes: Vec<Box<dyn AnyPass>>,
    meter: Meter,
}

impl Consumer for Runner<'_> {
    fn trace(&mut self, trace: &Trace) {
        if self.sieve.keeps(trace) {
            for pass in &mut self.passes {
                pass.observe(trace);
            }
            self.meter.observe(trace);
        }
    }
}

/// The newest trace start of all inputs, by a pass that does nothing else; starts that cannot be are left out.
fn newest_start_ns(reading: &Reading<'_>, differing: &mut Differing) -> anyhow::Result<i64> {
    struct Newest(i64);
    impl Consumer for Newest {
        fn trace(&mut self, trace: &Trace) {
            if is_plausible(trace.start_ns()) {
                self.0 = self.0.max(trace.start_ns());
            }
        }
    }
    let (parts, _) = pipeline::read_knowing(reading, &|| Newest(i64::MIN), differing)?;
    Ok(parts.iter().map(|it| it.0).max().unwrap_or(i64::MIN))
}

/// Whether what is left is what was asked for.
fn check_kept(plan: &Plan, findings: &Findings) -> anyhow::Result<()> {
    if !findings.found_ids.is_empty() && !findings.found_ids.contains(&true) {
        let ids: Vec<String> = plan.filter.trace_ids.iter().map(ToString::to_string).collect();
        let message = format!("failed to find trace {} among {} traces", ids.join(", "), findings.input.traces_read);
        return Err(
            Failure::with_hint(message, "check the id, and that the capture covers the time of the trace").into()
        );
    }
    if plan.fail_empty && findings.input.traces_kept == 0 {
        let message = match findings.input.traces_read {
            0 => "no traces in the input".to_owned(),
            n => format!("no trace is left of {n}{}", dropped_by(findings)),
        };
        return Err(match hint_for_empty(plan, findings) {
            Some(hint) => Failure::with_hint(message, hint).into(),
            None => Failure::new(message).into(),
        });
    }
    Ok(())
}

fn check_output(plan: &Plan, sources: impl Iterator<Item = impl AsRef<Path>>) -> anyhow::Result<()> {
    plan.output.file.as_ref().map_or(Ok(()), |it| check_target(it, sources))
}

/// A report in the place of the capture it was made from would be the end of the capture.
fn check_target(path: &Path, mut sources: impl Iterator<Item = impl AsRef<Path>>) -> anyhow::Result<()> {
    let Some(target) = path.canonicalize().ok().filter(|it| it.is_file()) else { return Ok(()) };
    if sources.any(|it| it.as_ref().canonicalize().is_ok_and(|it| it == target)) {
        let message = format!("failed to write {}: it is a capture that was read", path.display());
        return Err(Failure::with_hint(message, "name another file").into());
    }
    Ok(())
}

/// The filter that left nothing, and how many traces had come to it where that is not all.
fn dropped_by(findings: &Findings) -> String {
    let filters = &findings.input.filters;
    let Some(nth) = filters.iter().position(|it| it.kept == 0) else { return String::new() };
    let before = nth.checked_sub(1).map(|it| format!(" of {}", filters[it].kept)).unwrap_or_default();
    format!(": {} keeps none{before}", filters[nth].filter)
}

/// What may have been meant when nothing is left.
fn hint_for_empty(plan: &Plan, findings: &Findings) -> Option<String> {
    let unknown_name = |asked: &[String], known: &BTreeSet<Name>, what: &str| {
        let unknown = asked.iter().find(|it| !known.iter().any(|name| name.as_str() == it.as_str()))?;
        let names = near::names(unknown, known.iter().map(|it| it.as_str()));
        (!names.is_empty()).then(|| format!("no {what} is called '{unknown}'; there is {}", names.join(", ")))
    };
    let roots = || plan.filter.roots.iter();
    let services: Vec<String> = plan.filter.services.iter().chain(roots().map(|it| &it.0)).cloned().collect();
    let operations: Vec<String> =
        plan.filter.operations.iter().chain(roots().filter_map(|it| it.1.as_ref())).cloned().collect();
    unknown_name(&services, &findings.services, "service")
        .or_else(|| unknown_name(&operations, &findings.operations, "operation"))
        .or_else(|| {
            let names: Vec<&str> = findings.services.iter().map(|it| it.as_str()).collect();
            let shown = names.iter().take(20).copied().collect::<Vec<_>>().join(", ");
            let more = if names.len() > 20 { format!(" and {} more", names.len() - 20) } else { String::new() };
            (!names.is_empty()).then(|| format!("the capture has the services {shown}{more}"))
        })
}

/// Says on standard error what there is beyond what was read, where the output does not.
fn warn_of_losses(findings: &Findings, err: &mut dyn Write) -> anyhow::Result<()> {
    let mut lines = findings.input.incomplete_reasons.clone();
    for source in &findings.input.sources {
        lines.extend(source.warnings.iter().map(|it| format!("{}: {it}", source.name)));
    }
    lines.extend(findings.reports.iter().flat_map(|it| it.warnings()));
    for line in lines {
        writeln!(err, "warning: {}", render::sanitize::line(&line))?;
    }
    Ok(())
}

/// Says on standard error what must not be missed: that not all, or nothing, was there.
fn warn(plan: &Plan, findings: &Findings, err: &mut dyn Write) -> anyhow::Result<()> {
    let mut lines = Vec::new();
    for (id, _) in plan.filter.trace_ids.iter().zip(&findings.found_ids).filter(|(_, found)| !**found) {
        lines.push(format!("--trace-id: there is no trace {id}"));
    }
    for line in lines {
        writeln!(err, "warning: {}", render::sanitize::line(&line))?;
    }
    if findings.input.traces_kept == 0 {
        let what = match findings.input.traces_read {
            0 => "the input holds no traces".to_owned(),
            n => format!("no trace is left of {n}{}", dropped_by(findings)),
        };
        writeln!(err, "warning: {}", render::sanitize::line(&what))?;
        if let Some(hint) = hint_for_empty(plan, findings) {
            writeln!(err, "hint: {}", render::sanitize::line(&hint))?;
        }
    }
    Ok(())
}

/// Says on standard error what was decided.
fn explain(plan: &Plan, findings: &Findings, err: &mut dyn Write) -> anyhow::Result<()> {
    let input = &findings.input;
    for source in &input.sources {
        writeln!(
            err,
            "read {} as {}: {} bytes, {} traces, {} spans",
            render::sanitize::line(&source.name),
            source.format,
            source.bytes,
            source.traces,
            source.spans
        )?;
    }
    for name in &input.without_traces {
        writeln!(err, "passed over {}: no traces in it", render::sanitize::line(name))?;
    }
    if input.read_twice {
        writeln!(err, "read everything again: copies of a trace differ and had to be joined")?;
    }
    for (filter, kept) in input.filters.iter().map(|it| (&it.filter, it.kept)) {
        writeln!(err, "{}: {kept} traces left", render::sanitize::line(filter))?;
    }
    for line in heading::losses(input) {
        writeln!(err, "{}", render::sanitize::line(&line))?;
    }
    if !plan.pass_names.is_empty() {
        writeln!(err, "passes: {}", plan.pass_names.join(", "))?;
    }
    let n_bytes: u64 = input.sources.iter().map(|it| it.bytes).sum();
    let seconds = findings.elapsed.as_secs_f64();
    let rate = n_bytes as f64 / 1e6 / seconds.max(1e-9);
    writeln!(err, "took {:.1} ms on {} threads, {rate:.0} MB/s", seconds * 1e3, plan.threads)?;
    Ok(())
}

/// Writes where and how it was asked for; `render` gets the writer, the look and whether JSON is pretty.
fn written(
    output: &Output,
    surroundings: &mut Surroundings<'_>,
    render: impl FnOnce(&mut dyn Write, &Look, bool) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    match &output.file {
        None => {
            let look = Look {
                width: output.width.or(surroundings.terminal_width.filter(|_| surroundings.out_is_terminal)),
                color: match output.color {
                    ColorWhen::Always => true,
                    ColorWhen::Never => false,
                    ColorWhen::Auto => surroundings.out_is_terminal && !surroundings.no_color,
                },
            };
            let out = &mut *surroundings.out;
            match render(out, &look, surroundings.out_is_terminal).and_then(|()| Ok(out.flush()?)) {
                // Whoever reads has seen enough; limits hold or fail all the same, and reports are still due.
                Err(err) if was_cut_short(&err) => Ok(()),
                written => written.context("failed to write the report"),
            }
        }
        Some(path) => {
            let look = Look { width: output.width, color: output.color == ColorWhen::Always };
            let write = || {
                let mut file = OutputFile::create(path, surroundings.unfinished)?;
                render(file.writer(), &look, false)?;
                file.finish()
            };
            write().with_context(|| format!("failed to write {}", path.display()))
        }
    }
}

fn render_report(
    plan: &Plan,
    findings: &Findings,
    judgements: &[Judgement],
    look: &Look,
    pretty: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if plan.output.json {
        let version = 1u32;
        let mut fields: Vec<(&str, &dyn Json)> =
            vec![("schema_version", &version), ("tool", &Tool::THIS), ("input", &findings.input)];
        for report in &findings.reports {
            fields.extend(report.json());
        }
        if !judgements.is_empty() {
            fields.push(("gates", &judgements));
        }
        render::json::report(out, &fields, pretty)?;
    } else {
        let mut sections = findings.sections();
        sections.extend(section(judgements));
        heading::write(out, &findings.input, look)?;
        render::sections(out, &sections, look)?;
        heading::write_next(out, plan, &sections, look)?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

impl Tool {
    const THIS: Tool = Tool { name: "analyze-traces", version: env!("CARGO_PKG_VERSION") };
}
