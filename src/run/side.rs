//! One side of a comparison: a capture that is read, or a baseline that was.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use serde::Serialize;

use super::fetching::Fetched;
use super::input_report::InputReport;
use super::progress::Progress;
use super::sieve::Sieve;
use super::{
    Findings, Surroundings, check_kept, check_output, explain, find_sources, heading, prepare, warn, warn_of_losses,
};
use crate::cli::Plan;
use crate::diff::{Baseline, Collection, Collector, HEAD_BYTES, Totals, Unreadable, is_baseline};
use crate::failure::Failure;
use crate::filter::Filter;
use crate::gates::Meter;
use crate::input::source::{self, Source};
use crate::model::Trace;
use crate::passes::{self, AnyPass};
use crate::pipeline::{self, Consumer};

/// A capture as far as it is compared.
#[derive(Serialize)]
pub(super) struct Side {
    pub(super) input: InputReport,
    summary: serde_json::Value,
    #[serde(skip)]
    pub(super) collection: Collection,
    /// What gates ask of single calls, which a baseline does not know.
    #[serde(skip)]
    pub(super) meter: Option<Meter>,
    /// The flags under which it was read.
    #[serde(skip)]
    pub(super) conditions: Vec<String>,
    /// How fetching went, where it was fetched.
    #[serde(skip)]
    pub(super) fetched: Fetched,
    /// The files that were read.
    #[serde(skip)]
    pub(super) paths: Vec<PathBuf>,
}

impl Side {
    /// Reads a capture, or a baseline made under the same conditions.
    pub(super) fn read(
        plan: &mut Plan,
        surroundings: &mut Surroundings<'_>,
        meter: &Meter,
        quiet: bool,
    ) -> anyhow::Result<Side> {
        if let Some(path) = baseline_path(plan) {
            let bytes = std::fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
            check_output(plan, std::iter::once(&path))?;
            let side = Side::of_baseline(plan, &path.display().to_string(), &bytes)?;
            return Ok(Side { paths: vec![path], ..side });
        }
        if let Some(bytes) = fed_baseline(plan, surroundings)? {
            return Side::of_baseline(plan, source::STDIN, &bytes);
        }
        Side::read_capture(plan, surroundings, meter, quiet)
    }

    /// Reads a capture; `quiet` where what was lost is said in the report itself.
    pub(super) fn read_capture(
        plan: &mut Plan,
        surroundings: &mut Surroundings<'_>,
        meter: &Meter,
        quiet: bool,
    ) -> anyhow::Result<Side> {
        let (sources, _) = find_sources(plan, surroundings)?;
        let paths = sources.iter().filter_map(Source::path);
        check_output(plan, paths.clone())?;
        let paths = paths.map(PathBuf::from).collect();
        let now_ns = surroundings.now_ns;
        let (findings, collection, meter) = {
            let is_shown = surroundings.err_is_terminal && !plan.server.quiet;
            let progress = Progress::new(&mut *surroundings.err, is_shown, &sources);
            let show = |n_bytes| progress.show(n_bytes);
            let outcome = progress.ticking(|| collect(plan, &sources, now_ns, meter, &show));
            progress.clear();
            outcome?
        };
        let fetched = Fetched::of(&sources)?;
        check_kept(plan, &findings)?;
        if plan.output.verbose {
            fetched.explain(surroundings.err)?;
            explain(plan, &findings, surroundings.err)?;
        }
        if !quiet {
            warn_of_losses(&findings, surroundings.err)?;
        }
        fetched.warn(surroundings.err)?;
        warn(plan, &findings, surroundings.err)?;
        let mut summary = serde_json::Map::new();
        for report in &findings.reports {
            for (key, value) in report.json() {
                summary.insert(key.to_owned(), value.value()?);
            }
        }
        let summary = summary.remove("summary").unwrap_or_default();
        let (input, conditions) = (findings.input, conditions(plan));
        Ok(Side { input, summary, collection, meter: Some(meter), conditions, fetched, paths })
    }

    fn of_baseline(plan: &Plan, name: &str, bytes: &[u8]) -> anyhow::Result<Side> {
        let failed = || format!("failed to read {name}");
        let again = "make it again: analyze-traces baseline CAPTURE -o FILE";
        let baseline = Baseline::read(bytes, plan.max_decompressed).map_err(|err| {
            let why = match err {
                Unreadable::OtherVersion => "it is a baseline of another version of this program".to_owned(),
                Unreadable::Damaged(why) => format!("the baseline is damaged: {why}"),
            };
            Failure::with_hint(format!("{}: {why}", failed()), again)
        })?;
        let asked = conditions(plan);
        if asked != baseline.conditions {
            let flags = |it: &[String]| if it.is_empty() { "no filters".to_owned() } else { it.join(" ") };
            let (made, asked) = (flags(&baseline.conditions), flags(&asked));
            let hint = match baseline.conditions.is_empty() {
                true => "leave the filters away, or make a baseline with them".to_owned(),
                false => format!("compare with what it was made with: {made}"),
            };
            let message =
                format!("{}: the baseline was made with {made}, and this is a comparison with {asked}", failed());
            return Err(Failure::with_hint(message, hint).into());
        }
        let mut input: InputReport = serde_json::from_str(&baseline.input).with_context(failed)?;
        input.n_spans = input.sources.iter().map(|it| it.spans).sum();
        Ok(Side {
            input,
            summary: serde_json::from_str(&baseline.summary).with_context(failed)?,
            collection: baseline.collection,
            meter: None,
            conditions: baseline.conditions,
            fetched: Fetched::default(),
            paths: Vec::new(),
        })
    }

    /// Writes it down.
    pub(super) fn write(self, out: &mut dyn Write) -> anyhow::Result<()> {
        let baseline = Baseline {
            conditions: self.conditions,
            input: serde_json::to_string(&self.input)?,
            summary: self.summary.to_string(),
            collection: self.collection,
        };
        Ok(baseline.write(out)?)
    }

    /// What sentences need of the summary.
    pub(super) fn totals(&self) -> Totals {
        let count = |key: &str| self.summary[key].as_u64().unwrap_or(0);
        let duration = |key: &str| self.summary["duration_stats"][key].as_f64();
        Totals {
            n_traces: count("trace_count"),
            n_failing: count("failing_traces"),
            mean_ms: duration("mean_ms"),
            p95_ms: duration("p95_ms"),
        }
    }
}

/// What standard input holds, if it is the one input and a baseline.
fn fed_baseline(plan: &Plan, surroundings: &mut Surroundings<'_>) -> anyhow::Result<Option<Vec<u8>>> {
    if plan.inputs.len() != 1 || plan.inputs[0] != "-" {
        return Ok(None);
    }
    let Some(mut stdin) = surroundings.stdin.take() else { return Ok(None) };
    let failed = || format!("failed to read {}", source::STDIN);
    let mut bytes = Vec::new();
    stdin.by_ref().take(HEAD_BYTES).read_to_end(&mut bytes).with_context(failed)?;
    if !is_baseline(&bytes) {
        surroundings.stdin = Some(Box::new(io::Cursor::new(bytes).chain(stdin)));
        return Ok(None);
    }
    stdin.take(plan.max_decompressed).read_to_end(&mut bytes).with_context(failed)?;
    Ok(Some(bytes))
}

/// The one input, if it is a baseline.
fn baseline_path(plan: &Plan) -> Option<PathBuf> {
    let [path] = &plan.inputs[..] else { return None };
    let path = Path::new(path);
    if !path.is_file() {
        return None;
    }
    let mut head = Vec::new();
    // What can't be opened is no baseline; reading it as a capture says why.
    File::open(path).ok()?.take(HEAD_BYTES).read_to_end(&mut head).ok()?;
    is_baseline(&head).then(|| path.to_owned())
}

/// The flags that decide which traces there are and how they are read, in an order of their own.
fn conditions(plan: &Plan) -> Vec<String> {
    let mut filter = plan.filter.clone();
    filter.services.sort();
    filter.operations.sort();
    filter.trace_ids.sort();
    filter.roots.sort();
    filter.tags.sort_by_key(|it| format!("{it:?}"));
    let mut conditions = filter.names();
    conditions.extend(heading::reading_flags(plan));
    conditions
}

/// Filters traces, sums them up and collects what is compared, on one thread.
struct Collecting<'a> {
    sieve: Sieve<'a>,
    passes: Vec<Box<dyn AnyPass>>,
    collector: Collector,
    meter: Meter,
}

impl Consumer for Collecting<'_> {
    fn trace(&mut self, trace: &Trace) {
        if self.sieve.keeps(trace) {
            self.passes.iter_mut().for_each(|it| it.observe(trace));
            self.collector.observe(trace);
            self.meter.observe(trace);
        }
    }
}

fn collect(
    plan: &mut Plan,
    sources: &[Source],
    now_ns: i64,
    meter: &Meter,
    progress: &(dyn Fn(u64) + Sync),
) -> anyhow::Result<(Findings, Collection, Meter)> {
    let started = Instant::now();
    let reading = prepare(plan, sources, now_ns, progress, Collector::READS)?;
    let templates = std::mem::take(&mut plan.passes);
    let filter: &Filter = &plan.filter;
    let fresh = || Collecting {
        sieve: Sieve::new(filter),
        passes: templates.clone(),
        collector: Collector::default(),
        meter: meter.clone(),
    };
    let (parts, tally) = pipeline::read(&reading, &fresh)?;
    let Collecting { mut sieve, mut meter, .. } = fresh();
    let mut collection = Collection::default();
    let mut passes = Vec::with_capacity(parts.len());
    for part in parts {
        sieve.merge(part.sieve);
        meter.merge(part.meter);
        collection.merge(part.collector.finish());
        passes.push(part.passes);
    }
    collection.settle();
    let reports = passes::reports(passes, plan.threads);
    let findings = Findings::new(sources, &tally, sieve, reports, started.elapsed(), filter);
    Ok((findings, collection, meter))
}
