//! Two captures to a comparison, and one to a baseline.

use std::io::Write;

use anyhow::Context;

use super::output_file::OutputFile;
use super::side::Side;
use super::{Exit, Surroundings, Tool, heading, written};
use crate::cli::{DiffPlan, FailOn, Plan};
use crate::diff::{self, Comparison, Shown, Verdict};
use crate::failure::Failure;
use crate::render::{self, Look};

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
    written(&before.output, surroundings, |out, look, pretty| {
        if before.output.json {
            write_json(out, &one, &other, &comparison, pretty)
        } else {
            write_tables(out, &one, &other, &comparison, &shown, look)
        }
    })?;
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

fn write_json(
    out: &mut dyn Write,
    before: &Side,
    after: &Side,
    comparison: &Comparison,
    pretty: bool,
) -> anyhow::Result<()> {
    let gates: [(); 0] = [];
    let fields: [(&str, &dyn erased_serde::Serialize); 10] = [
        ("schema_version", &1u32),
        ("tool", &Tool::THIS),
        ("before", before),
        ("after", after),
        ("verdict", &comparison.verdict),
        ("changes", &comparison.changes),
        ("suspects", &comparison.suspects),
        ("total", &comparison.total),
        ("endpoints", &comparison.endpoints),
        ("gates", &gates),
    ];
    Ok(render::json::report(out, &fields, pretty)?)
}

fn write_tables(
    out: &mut dyn Write,
    before: &Side,
    after: &Side,
    comparison: &Comparison,
    shown: &Shown,
    look: &Look,
) -> anyhow::Result<()> {
    heading::write_side(out, "before: ", &before.input, look)?;
    heading::write_side(out, "after:  ", &after.input, look)?;
    writeln!(out)?;
    let sections = diff::sections(comparison, &before.totals(), &after.totals(), shown);
    Ok(render::sections(out, &sections, look)?)
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
