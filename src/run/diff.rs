//! Two captures to a comparison, and one to a baseline.

use std::io::Write;

use anyhow::Context;

use super::gates::{self, Held};
use super::output_file::OutputFile;
use super::side::Side;
use super::{Exit, Surroundings, Tool, heading, written};
use crate::cli::{DiffPlan, FailOn, Limits, Plan};
use crate::diff::{self, Calibration, Comparison, Shown, Verdict};
use crate::failure::Failure;
use crate::gates::{Between, Gate, Judgement, Meter, judge, section};
use crate::render::{self, Look};
use crate::report::bulletin::Bulletin;
use crate::report::{Json, Section};

/// Does a comparison.
pub(super) fn diff(plan: DiffPlan, surroundings: &mut Surroundings<'_>) -> anyhow::Result<Exit> {
    let DiffPlan { mut before, mut after, .. } = plan;
    let options = plan.options;
    if before.inputs == after.inputs && before.inputs.iter().any(|it| it == "-") {
        let hint = "save one of the captures to a file first";
        return Err(Failure::with_hint("standard input can be one side only", hint).into());
    }
    let held = Held::to(&plan.gates, &before.output, surroundings.err)?;
    // Tables say it themselves, above everything else.
    let quiet = !before.output.json && before.output.file.is_none();
    let one = Side::read(&mut before, surroundings, &Meter::default(), quiet)?;
    let other = Side::read(&mut after, surroundings, &Meter::new(&held.limits.gates), quiet)?;
    held.check_sources([&one, &other].into_iter().flat_map(|it| &it.paths))?;
    let comparison = diff::compare(&one.collection, &other.collection, &options);
    let between =
        Between { before: &one.collection, after: &other.collection, comparison: &comparison, options: &options };
    let judgements = match (&other.meter, held.gate_on_calls()) {
        (None, Some(gate)) => return Err(calls_are_unknown(gate, &after).into()),
        (None, None) => judge(&held.limits.gates, &Meter::default(), Some(between)),
        (Some(meter), _) => judge(&held.limits.gates, meter, Some(between)),
    };
    let outcome = Outcome {
        before: one,
        after: other,
        calibration: plan.calibrate.then(|| diff::calibrate(&comparison, &options)),
        comparison,
        judgements,
        shown: Shown { rows: plan.rows, all: plan.all, alpha: options.alpha },
    };
    written(&before.output, surroundings, |out, look, pretty| {
        if before.output.json { outcome.write_json(out, pretty) } else { outcome.write_tables(out, look) }
    })?;
    let mut exit = Exit::Success;
    if !plan.calibrate {
        held.report(surroundings, || outcome.bulletin(&held.limits))?;
        exit = outcome.exit(&held.limits, surroundings.err)?;
    }
    for side in [&outcome.before, &outcome.after] {
        // What was not all read shows no regression, and no lack of one.
        if side.fetched.exit(&before.server, surroundings)? == Exit::Incomplete {
            exit = Exit::Incomplete;
        }
    }
    Ok(exit)
}

/// A gate on single calls needs those.
fn calls_are_unknown(gate: &Gate, after: &Plan) -> Failure {
    let name = after.inputs.iter().map(|it| it.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let message = format!("{}: {name} is a baseline, which knows no single calls", gate.text);
    Failure::with_hint(message, "compare with the capture itself; only what is before may be a baseline")
}

/// What there is to write.
struct Outcome {
    before: Side,
    after: Side,
    comparison: Comparison,
    calibration: Option<Calibration>,
    judgements: Vec<Judgement>,
    shown: Shown,
}

impl Outcome {
    fn write_json(&self, out: &mut dyn Write, pretty: bool) -> anyhow::Result<()> {
        let comparison = &self.comparison;
        let mut fields: Vec<(&str, &dyn Json)> = vec![
            ("schema_version", &1u32),
            ("tool", &Tool::THIS),
            ("before", &self.before),
            ("after", &self.after),
            ("verdict", &comparison.verdict),
            ("changes", &comparison.changes),
            ("suspects", &comparison.suspects),
            ("total", &comparison.total),
            ("endpoints", &comparison.endpoints),
            ("gates", &self.judgements),
        ];
        if let Some(calibration) = &self.calibration {
            fields.push(("calibration", calibration));
        }
        Ok(render::json::report(out, &fields, pretty)?)
    }

    fn write_tables(&self, out: &mut dyn Write, look: &Look) -> anyhow::Result<()> {
        heading::write_side(out, BEFORE, &self.before.input, look)?;
        heading::write_side(out, AFTER, &self.after.input, look)?;
        writeln!(out)?;
        let mut sections: Vec<Section> = self.calibration.iter().map(Calibration::section).collect();
        if self.calibration.is_none() || self.shown.all {
            sections.extend(self.sections());
        }
        sections.extend(section(&self.judgements));
        Ok(render::sections(out, &sections, look)?)
    }

    fn sections(&self) -> Vec<Section> {
        diff::sections(&self.comparison, &self.before.totals(), &self.after.totals(), &self.shown)
    }

    /// What CI is told.
    fn bulletin(&self, limits: &Limits) -> Bulletin {
        let fails = |it| fails(it, limits.fail_on);
        let mut inputs = heading::lines(BEFORE, &self.before.input);
        inputs.extend(heading::lines(AFTER, &self.after.input));
        let mut sections: Vec<Section> = section(&self.judgements).into_iter().collect();
        sections.extend(self.sections());
        let mut cases = gates::cases(&self.judgements);
        cases.extend(diff::cases(&self.comparison, fails));
        let mut alerts = gates::alerts(&self.judgements);
        alerts.extend(diff::alerts(&self.comparison, fails));
        // Stable: gates stay before changes.
        alerts.sort_by_key(|it| !it.is_error);
        let title = format!("analyze-traces diff: {}", self.comparison.verdict.as_str());
        Bulletin { title, inputs, sections, cases, alerts }
    }

    /// How it ends, and why, a line for each reason.
    fn exit(&self, limits: &Limits, err: &mut dyn Write) -> anyhow::Result<Exit> {
        let all_passed = gates::tell(&self.judgements, err)?;
        let verdict = self.comparison.verdict;
        let fails = fails(verdict, limits.fail_on);
        if fails {
            let name = if limits.fail_on == FailOn::Suspect { "suspect" } else { "regressed" };
            writeln!(err, "failed: --fail-on {name}: the verdict is {}", verdict.as_str())?;
        }
        if fails || !all_passed {
            return Ok(Exit::LimitExceeded);
        }
        let message = match self.judgements.iter().find(|it| !it.judged) {
            _ if verdict == Verdict::Insufficient => "too few traces to compare anything".to_owned(),
            Some(it) => format!("too few traces to judge {}", it.gate),
            None => return Ok(Exit::Success),
        };
        if limits.require_data {
            let hint = "capture more traces, or leave --require-data away";
            return Err(Failure::with_hint(message, hint).into());
        }
        Ok(Exit::Success)
    }
}

const BEFORE: &str = "before: ";
const AFTER: &str = "after: ";

/// Whether a verdict ends with status 1.
fn fails(verdict: Verdict, fail_on: FailOn) -> bool {
    match fail_on {
        FailOn::Never => false,
        FailOn::Regressed => verdict == Verdict::Regressed,
        FailOn::Suspect => matches!(verdict, Verdict::Regressed | Verdict::Suspect),
    }
}

/// Writes a baseline.
pub(super) fn baseline(mut plan: Plan, surroundings: &mut Surroundings<'_>) -> anyhow::Result<Exit> {
    let mut side = Side::read_capture(&mut plan, surroundings, &Meter::default(), false)?;
    let fetched = std::mem::take(&mut side.fetched);
    match &plan.output.file {
        None => side.write(surroundings.out)?,
        Some(path) => {
            let write = || {
                let mut file = OutputFile::create(path, surroundings.unfinished)?;
                side.write(file.writer())?;
                file.finish()
            };
            write().with_context(|| format!("failed to write {}", path.display()))?;
        }
    }
    fetched.exit(&plan.server, surroundings)
}
