//! One analysis from plan to printed report.

mod formats;
mod heading;
mod input_report;

use std::collections::{BTreeSet, HashSet};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use foldhash::fast::FixedState;
use serde::Serialize;

use crate::cli::{self, ColorWhen, Invocation, Plan};
use crate::failure::Failure;
use crate::filter::Filter;
use crate::input::source::{self, Source};
use crate::model::{Name, Trace, Wanted, is_plausible};
use crate::passes::AnyPass;
use crate::pipeline::{self, Consumer, Reading};
use crate::render::{self, Look};
use crate::report::{Report, Section};
use input_report::InputReport;

/// What the process has: given in, so that nothing below reaches for it.
pub struct Surroundings<'a> {
    /// Standard output.
    pub out: &'a mut dyn Write,
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
}

/// How it went, if it went at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It ran.
    Success,
    /// It ran, and a limit that the user set was exceeded.
    LimitExceeded,
}

/// Does what was asked for.
pub fn run(invocation: Invocation, surroundings: &mut Surroundings<'_>) -> anyhow::Result<Exit> {
    match invocation {
        Invocation::Analyze(plan) => analyze(*plan, surroundings),
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
    let sources = find_sources(&mut plan, surroundings)?;
    let now_ns = surroundings.now_ns;
    let findings = {
        let progress = Progress::new(surroundings, &sources);
        let show = |n_bytes| progress.show(n_bytes);
        let findings = read(&mut plan, &sources, now_ns, &show, started);
        progress.clear();
        findings?
    };
    check_kept(&plan, &findings)?;
    check_output(&plan, &findings)?;
    if plan.output.verbose {
        explain(&plan, &findings, surroundings.err)?;
    }
    warn(&plan, &findings, surroundings.err)?;
    write_report(&plan, &findings, surroundings)?;
    Ok(Exit::Success)
}

fn find_sources(plan: &mut Plan, surroundings: &mut Surroundings<'_>) -> anyhow::Result<Vec<Source>> {
    if plan.inputs.is_empty() {
        if surroundings.stdin_is_terminal {
            let hint = "name a capture: analyze-traces traces.json (or - for standard input; see --help)";
            return Err(Failure::with_hint("nothing to read", hint).into());
        }
        plan.inputs.push("-".to_owned());
    }
    let stdin = surroundings.stdin.take();
    source::find(&plan.inputs, || stdin.unwrap_or_else(|| Box::new(io::empty())))
}

fn read(
    plan: &mut Plan,
    sources: &[Source],
    now_ns: i64,
    progress: &(dyn Fn(u64) + Sync),
    started: Instant,
) -> anyhow::Result<Findings> {
    let reading = Reading {
        sources,
        threads: plan.threads,
        split: plan.split,
        max_decompressed: plan.max_decompressed,
        wanted: Wanted::with(plan.filter.tags.iter().map(|it| it.key)).into(),
        derive: plan.derive,
        progress,
    };
    if let Some(range) = &plan.time_range {
        let from = match range.now {
            Some(moment) => moment.unwrap_or(now_ns),
            None if matches!(range.spec, cli::TimeSpec::Back(_)) => newest_start_ns(&reading)?,
            None => 0,
        };
        plan.filter.time_range = Some((range.resolve(from), range.typed.clone()));
    }
    let templates = std::mem::take(&mut plan.passes);
    let (runners, tally) = pipeline::read(&reading, &|| Runner::new(&plan.filter, &templates))?;
    let whole = join(runners, &plan.filter);
    let input = InputReport::new(sources, &tally, &plan.filter, &whole.kept);
    Ok(Findings {
        input,
        reports: whole.passes.into_iter().map(AnyPass::finish).collect(),
        services: whole.services.iter().copied().collect(),
        operations: whole.operations.iter().copied().collect(),
        found_ids: whole.found_ids,
        elapsed: started.elapsed(),
    })
}

/// Filters traces and shows them to the passes, on one thread.
struct Runner<'a> {
    filter: &'a Filter,
    kept: Vec<u64>,
    passes: Vec<Box<dyn AnyPass>>,
    services: HashSet<Name, FixedState>,
    operations: HashSet<Name, FixedState>,
    found_ids: Vec<bool>,
}

impl<'a> Runner<'a> {
    fn new(filter: &'a Filter, templates: &[Box<dyn AnyPass>]) -> Runner<'a> {
        Runner {
            filter,
            kept: vec![0; filter.names().len() + 1],
            passes: templates.iter().map(|it| it.duplicate()).collect(),
            services: HashSet::default(),
            operations: HashSet::default(),
            found_ids: vec![false; filter.trace_ids.len()],
        }
    }
}

impl Consumer for Runner<'_> {
    fn trace(&mut self, trace: &Trace) {
        for (found, id) in self.found_ids.iter_mut().zip(&self.filter.trace_ids) {
            *found |= *id == trace.id;
        }
        // For hints when nothing is left: only filters can leave nothing.
        if self.kept.len() > 1 {
            for span in trace.spans() {
                self.services.insert(span.service);
                if !self.filter.operations.is_empty() {
                    self.operations.insert(span.operation);
                }
            }
        }
        let (whole, steps) = self.kept.split_last_mut().expect("one more than there are filters");
        if self.filter.keeps(trace, steps) {
            *whole += 1;
            for pass in &mut self.passes {
                pass.observe(trace);
            }
        }
    }
}

fn join<'a>(runners: Vec<Runner<'a>>, filter: &'a Filter) -> Runner<'a> {
    let mut runners = runners.into_iter();
    let mut whole = runners.next().unwrap_or_else(|| Runner::new(filter, &[]));
    for runner in runners {
        for (mine, theirs) in whole.kept.iter_mut().zip(&runner.kept) {
            *mine += theirs;
        }
        for (mine, theirs) in whole.passes.iter_mut().zip(runner.passes) {
            mine.merge(theirs);
        }
        for (mine, theirs) in whole.found_ids.iter_mut().zip(runner.found_ids) {
            *mine |= theirs;
        }
        whole.services.extend(runner.services);
        whole.operations.extend(runner.operations);
    }
    whole
}

/// The newest trace start of all inputs, by a pass that does nothing else; starts that cannot be are left out.
fn newest_start_ns(reading: &Reading<'_>) -> anyhow::Result<i64> {
    struct Newest(i64);
    impl Consumer for Newest {
        fn trace(&mut self, trace: &Trace) {
            if is_plausible(trace.start_ns()) {
                self.0 = self.0.max(trace.start_ns());
            }
        }
    }
    let (parts, _) = pipeline::read(reading, &|| Newest(i64::MIN))?;
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

/// A report in the place of the capture it was made from would be the end of the capture.
fn check_output(plan: &Plan, findings: &Findings) -> anyhow::Result<()> {
    let Some(path) = &plan.output.file else { return Ok(()) };
    let Some(target) = path.canonicalize().ok().filter(|it| it.is_file()) else { return Ok(()) };
    let is_target = |name: &str| Path::new(name).canonicalize().is_ok_and(|it| it == target);
    if findings.input.sources.iter().any(|it| is_target(&it.name)) {
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
    let near = |asked: &[String], known: &BTreeSet<Name>, what: &str| {
        let unknown = asked.iter().find(|it| !known.iter().any(|name| name.as_str() == it.as_str()))?;
        let mut close: Vec<(usize, &str)> = known
            .iter()
            .map(|it| (strsim::damerau_levenshtein(&unknown.to_lowercase(), &it.as_str().to_lowercase()), it.as_str()))
            .filter(|(distance, it)| {
                *distance <= 1 + unknown.len() / 3 || it.to_lowercase().contains(&unknown.to_lowercase())
            })
            .collect();
        close.sort_unstable();
        let names: Vec<&str> = close.iter().map(|it| it.1).take(3).collect();
        (!names.is_empty()).then(|| format!("no {what} is called '{unknown}'; there is {}", names.join(", ")))
    };
    near(&plan.filter.services, &findings.services, "service")
        .or_else(|| near(&plan.filter.operations, &findings.operations, "operation"))
        .or_else(|| {
            let names: Vec<&str> = findings.services.iter().map(|it| it.as_str()).collect();
            let shown = names.iter().take(20).copied().collect::<Vec<_>>().join(", ");
            let more = if names.len() > 20 { format!(" and {} more", names.len() - 20) } else { String::new() };
            (!names.is_empty()).then(|| format!("the capture has the services {shown}{more}"))
        })
}

/// Says on standard error what must not be missed even when the report is JSON.
fn warn(plan: &Plan, findings: &Findings, err: &mut dyn Write) -> anyhow::Result<()> {
    let mut lines = Vec::new();
    // Tables say these themselves, above everything else.
    if plan.output.json || plan.output.file.is_some() {
        lines.extend(findings.input.incomplete_reasons.iter().cloned());
        for source in &findings.input.sources {
            lines.extend(source.warnings.iter().map(|it| format!("{}: {it}", source.name)));
        }
        lines.extend(findings.reports.iter().flat_map(|it| it.warnings()));
    }
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
    writeln!(err, "passes: {}", plan.pass_names.join(", "))?;
    let n_bytes: u64 = input.sources.iter().map(|it| it.bytes).sum();
    let seconds = findings.elapsed.as_secs_f64();
    let rate = n_bytes as f64 / 1e6 / seconds.max(1e-9);
    writeln!(err, "took {:.1} ms on {} threads, {rate:.0} MB/s", seconds * 1e3, plan.threads)?;
    Ok(())
}

fn write_report(plan: &Plan, findings: &Findings, surroundings: &mut Surroundings<'_>) -> anyhow::Result<()> {
    match &plan.output.file {
        None => {
            let look = Look {
                width: plan.output.width.or(surroundings.terminal_width.filter(|_| surroundings.out_is_terminal)),
                color: match plan.output.color {
                    ColorWhen::Always => true,
                    ColorWhen::Never => false,
                    ColorWhen::Auto => surroundings.out_is_terminal && !surroundings.no_color,
                },
            };
            let pretty = surroundings.out_is_terminal;
            render_report(plan, findings, &look, pretty, surroundings.out).context("failed to write the report")
        }
        Some(path) => {
            let look = Look { width: plan.output.width, color: plan.output.color == ColorWhen::Always };
            write_file(path, surroundings.unfinished, |out| render_report(plan, findings, &look, false, out))
                .with_context(|| format!("failed to write {}", path.display()))
        }
    }
}

fn render_report(
    plan: &Plan,
    findings: &Findings,
    look: &Look,
    pretty: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if plan.output.json {
        let tool = Tool { name: "analyze-traces", version: env!("CARGO_PKG_VERSION") };
        let version = 1u32;
        let mut fields: Vec<(&str, &dyn erased_serde::Serialize)> =
            vec![("schema_version", &version), ("tool", &tool), ("input", &findings.input)];
        for report in &findings.reports {
            fields.extend(report.json());
        }
        render::json::report(out, &fields, pretty)?;
    } else {
        // Of no traces there is nothing to say but that.
        let n_sections = if findings.input.traces_kept == 0 { 1 } else { usize::MAX };
        let sections: Vec<Section> = findings.reports.iter().take(n_sections).map(|it| it.section()).collect();
        heading::write(out, &findings.input, look)?;
        render::sections(out, &sections, look)?;
        heading::write_next(out, plan, &sections, look)?;
    }
    out.flush()?;
    Ok(())
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

/// Writes beside the target and renames, so that nobody sees half a file.
fn write_file(
    path: &Path,
    unfinished: &Mutex<Option<PathBuf>>,
    write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let is_plain = path.metadata().map_or(true, |it| it.is_file());
    if !is_plain {
        // A pipe or a device cannot be replaced.
        let mut file = io::BufWriter::new(std::fs::OpenOptions::new().write(true).open(path)?);
        write(&mut file)?;
        return Ok(file.flush()?);
    }
    // The file behind a link is replaced, not the link.
    let behind = || Ok::<_, io::Error>(path.with_file_name(path.read_link()?));
    let target = path.canonicalize().or_else(|_| behind()).unwrap_or_else(|_| path.to_owned());
    let directory = target.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".analyze-traces-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Subject to the umask, as any new file; a file that is there keeps what it has.
        let mode = target.metadata().map_or(0o666, |it| it.permissions().mode());
        builder.permissions(std::fs::Permissions::from_mode(mode));
    }
    let mut temporary = builder
        .tempfile_in(directory)
        // Without the name of the temporary file, which says nothing to anybody.
        .map_err(|err| io::Error::from(err.kind()))
        .with_context(|| format!("failed to make a file in {}", directory.display()))?;
    let note = |path: Option<PathBuf>| *unfinished.lock().unwrap_or_else(PoisonError::into_inner) = path;
    note(Some(temporary.path().to_owned()));
    {
        let mut buffered = io::BufWriter::new(temporary.as_file_mut());
        write(&mut buffered)?;
        buffered.flush()?;
    }
    temporary.persist(&target)?;
    note(None);
    Ok(())
}

/// Shows on a terminal how far long reading has come.
struct Progress<'a> {
    err: Mutex<ProgressLine<'a>>,
    total: Option<u64>,
    enabled: bool,
}

struct ProgressLine<'a> {
    err: &'a mut (dyn Write + Send),
    started: Instant,
    last: Option<Instant>,
}

/// Short work shows nothing.
const QUIET: Duration = Duration::from_millis(500);
const BETWEEN: Duration = Duration::from_millis(100);

impl<'a> Progress<'a> {
    fn new(surroundings: &'a mut Surroundings<'_>, sources: &[Source]) -> Progress<'a> {
        let enabled = surroundings.err_is_terminal;
        let line = ProgressLine { err: &mut *surroundings.err, started: Instant::now(), last: None };
        let total = sources.iter().map(Source::size).sum();
        Progress { err: Mutex::new(line), total, enabled }
    }

    fn show(&self, n_bytes: u64) {
        if !self.enabled {
            return;
        }
        let mut line = self.err.lock().unwrap_or_else(PoisonError::into_inner);
        if line.started.elapsed() < QUIET || line.last.is_some_and(|it| it.elapsed() < BETWEEN) {
            return;
        }
        line.last = Some(Instant::now());
        let read = render::units::bytes(n_bytes);
        let of = self.total.map_or(String::new(), |it| format!(" of {}", render::units::bytes(it)));
        // Progress that cannot be shown is no reason to stop.
        let _ = write!(line.err, "\r\u{1b}[Kreading: {read}{of}");
        let _ = line.err.flush();
    }

    fn clear(self) {
        let line = self.err.into_inner().unwrap_or_else(PoisonError::into_inner);
        if line.last.is_some() {
            let _ = write!(line.err, "\r\u{1b}[K");
            let _ = line.err.flush();
        }
    }
}
