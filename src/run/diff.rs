//! Two captures to a comparison, and one to a baseline.

use std::io::Write;

use anyhow::Context;

use super::output_file::OutputFile;
use super::side::Side;
use super::{Exit, Surroundings, Tool, heading, written};
use crate::cli::{DiffPlan, FailOn, Plan};
use crate::diff::{self, Calibration, Comparison, Shown, Verdict};
use crate::failure::Failure;
use crate::render::{self, Look};
use crate::report::Section;

/// Does a comparison.
pub(super) fn diff(plan: DiffPlan, surroundings: &mut Surroundings<'_>) -> anyhow::Result<Exit> {
    let DiffPlan { mut before, mut after, .. } = plan;
    let options = plan.options;
    if before.inputs == after.inputs && before.inputs.iter().any(|it| it == "-") {
        let hint = "save one of the captures to a file first";
        return Err(Failure::with_hint("standard input can be one side only", hint).into());
    }
    // Tables say it themselves, above everything else.
    let quiet = !before.output.json && before.output.file.is_none();
    let one = Side::read(&mut before, surroundings, quiet)?;
    let other = Side::read(&mut after, surroundings, quiet)?;
    let comparison = diff::compare(&one.collection, &other.collection, &options);
    let shown = Shown { rows: plan.rows, all: plan.all, alpha: options.alpha };
    let verdict = comparison.verdict;
    let outcome = Outcome {
        before: one,
        after: other,
        calibration: plan.calibrate.then(|| diff::calibrate(&comparison, &options)),
        comparison,
    };
    written(&before.output, surroundings, |out, look, pretty| {
        if before.output.json { outcome.write_json(out, pretty) } else { outcome.write_tables(out, &shown, look) }
    })?;
    if plan.calibrate {
        return Ok(Exit::Success);
    }
    if plan.require_data && verdict == Verdict::Insufficient {
        let hint = "capture more traces, or leave --require-data away";
        return Err(Failure::with_hint("too few traces to compare anything", hint).into());
    }
    let fails = match plan.fail_on {
        FailOn::Never => false,
        FailOn::Regressed => verdict == Verdict::Regressed,
        FailOn::Suspect => matches!(verdict, Verdict::Regressed | Verdict::Suspect),
    };
    Ok(if fails { Exit::LimitExceeded } else { Exit::Success })
}

/// What there is to write.
struct Outcome {
    before: Side,
    after: Side,
    comparison: Comparison,
    calibration: Option<Calibration>,
}

impl Outcome {
    fn write_json(&self, out: &mut dyn Write, pretty: bool) -> anyhow::Result<()> {
        let gates: [(); 0] = [];
        let comparison = &self.comparison;
        let mut fields: Vec<(&str, &dyn erased_serde::Serialize)> = vec![
            ("schema_version", &1u32),
            ("tool", &Tool::THIS),
            ("before", &self.before),
            ("after", &self.after),
            ("verdict", &comparison.verdict),
            ("changes", &comparison.changes),
            ("suspects", &comparison.suspects),
            ("total", &comparison.total),
            ("endpoints", &comparison.endpoints),
            ("gates", &gates),
        ];
        if let Some(calibration) = &self.calibration {
            fields.push(("calibration", calibration));
        }
        Ok(render::json::report(out, &fields, pretty)?)
    }

    fn write_tables(&self, out: &mut dyn Write, shown: &Shown, look: &Look) -> anyhow::Result<()> {
        heading::write_side(out, "before: ", &self.before.input, look)?;
        heading::write_side(out, "after: ", &self.after.input, look)?;
        writeln!(out)?;
        let (before, after) = (self.before.totals(), self.after.totals());
        let mut sections: Vec<Section> = self.calibration.iter().map(Calibration::section).collect();
        if self.calibration.is_none() || shown.all {
            sections.extend(diff::sections(&self.comparison, &before, &after, shown));
        }
        Ok(render::sections(out, &sections, look)?)
    }
}

/// Writes a baseline.
pub(super) fn baseline(mut plan: Plan, surroundings: &mut Surroundings<'_>) -> anyhow::Result<Exit> {
    let side = Side::read_capture(&mut plan, surroundings, false)?;
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
    Ok(Exit::Success)
}
