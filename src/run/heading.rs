//! What stands above and below the tables: what was read, what was left out, what to type next.

use std::io::{self, Write};

use super::input_report::InputReport;
use crate::cli::Plan;
use crate::filter::{Filter, quoted};
use crate::input::format_names;
use crate::model::{AsyncChildren, DeriveOptions};
use crate::render::{Look, cut, sanitize, units};
use crate::report::Section;

/// How many sources are named before it is only said how many there are.
const NAMED: usize = 3;

/// The lines above the tables.
pub(super) fn write(out: &mut dyn Write, input: &InputReport, look: &Look) -> io::Result<()> {
    write_side(out, "", input, look)?;
    writeln!(out)
}

/// The lines above the tables, of one of several inputs.
pub(super) fn write_side(out: &mut dyn Write, label: &str, input: &InputReport, look: &Look) -> io::Result<()> {
    for line in lines(label, input) {
        for part in cut::wrap(&sanitize::line(&line), look.width.unwrap_or(usize::MAX)) {
            writeln!(out, "{part}")?;
        }
    }
    Ok(())
}

/// What was read and left out, a line each.
pub(super) fn lines(label: &str, input: &InputReport) -> Vec<String> {
    let mut lines = Vec::new();
    // A loss comes first: everything below is about less than was there.
    lines.extend(input.incomplete_reasons.iter().map(|it| format!("incomplete: {it}")));
    lines.push(format!("{label}{}", read_line(input)));
    for source in &input.sources {
        lines.extend(source.warnings.iter().map(|it| format!("warning: {}: {it}", source.name)));
    }
    if !input.filters.is_empty() {
        let steps: Vec<String> =
            input.filters.iter().map(|it| format!("{} ({})", it.filter, units::count(it.kept))).collect();
        let kept = units::some(input.traces_kept, "trace", "traces");
        lines.push(format!("kept {kept}: {}", steps.join(", ")));
    }
    lines.extend(losses(input));
    lines
}

fn read_line(input: &InputReport) -> String {
    let mut names: Vec<String> = input.sources.iter().take(NAMED).map(|it| it.name.clone()).collect();
    if input.sources.len() > NAMED {
        names.push(format!("{} more files", input.sources.len() - NAMED));
    }
    let mut formats: Vec<&str> = input.sources.iter().map(|it| it.format.as_str()).collect();
    formats.sort_unstable();
    formats.dedup();
    format!(
        "{} ({}): {}, {}",
        names.join(", "),
        formats.join(", "),
        units::some(input.traces_read, "trace", "traces"),
        units::some(input.n_spans, "span", "spans")
    )
}

/// What was skipped and what was mended, a line each.
pub(super) fn losses(input: &InputReport) -> Vec<String> {
    let mut lines: Vec<String> = input.skip_lines().collect();
    let mended: Vec<String> = input
        .repaired
        .counts()
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, words)| format!("{words}: {}", units::count(*n)))
        .collect();
    if !mended.is_empty() {
        lines.push(format!("repaired: {}", mended.join(", ")));
    }
    lines
}

/// The command that shows more of what matters most.
pub(super) fn write_next(out: &mut dyn Write, plan: &Plan, sections: &[Section], look: &Look) -> io::Result<()> {
    let Some(next) = sections.iter().find_map(|it| it.next.as_ref()) else { return Ok(()) };
    let mut words = vec!["analyze-traces".to_owned()];
    // What looks like a flag is none behind a directory.
    let input = |it: &str| if it.len() > 1 && it.starts_with('-') { format!("./{it}") } else { it.to_owned() };
    // What is not UTF-8 cannot be shown so that it could be copied.
    let Some(inputs) = plan.inputs.iter().map(|it| it.to_str()).collect::<Option<Vec<&str>>>() else { return Ok(()) };
    words.extend(inputs.iter().map(|it| quoted(&input(it))));
    words.extend(flags_to_repeat(plan));
    words.extend(next.iter().map(|it| quoted(it)));
    if inputs.contains(&"-") {
        // Standard input is used up.
        words.insert(0, "COMMAND |".to_owned());
    }
    let line = format!("next: {}", words.join(" "));
    if sanitize::line(&line) != line {
        // With its control characters escaped it would be another command.
        return Ok(());
    }
    // A command is copied: it is never wrapped by us.
    let (on, off) = if look.color { ("\u{1b}[2m", "\u{1b}[22m") } else { ("", "") };
    writeln!(out, "{on}{line}{off}")
}

/// What was typed and decides which traces there are and how they are read, as words for a shell.
///
/// Without the filters that look for spans: the next command has its own, and one span has to meet all of them.
fn flags_to_repeat(plan: &Plan) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(format) = plan.split.format.and_then(|it| format_names().nth(it)) {
        words.push(format!("--format {format}"));
    }
    if plan.split.lenient {
        words.push("--lenient".to_owned());
    }
    let others = Filter { services: Vec::new(), operations: Vec::new(), tags: Vec::new(), ..plan.filter.clone() };
    words.extend(others.names());
    words.extend(reading_flags(plan));
    words
}

/// What was typed and decides how traces are read, filters aside.
pub(super) fn reading_flags(plan: &Plan) -> Vec<String> {
    let mut words = Vec::new();
    match plan.time_range.as_ref().and_then(|it| it.now) {
        None => {}
        Some(None) => words.push("--now".to_owned()),
        Some(Some(ns)) => words.push(format!("--now={ns}")),
    }
    let usual = DeriveOptions::default();
    if plan.derive.overlap_tolerance_ppm != usual.overlap_tolerance_ppm {
        words.push(format!("--overlap-tolerance {}", plan.derive.overlap_tolerance_ppm as f64 / 10_000.0));
    }
    if plan.derive.async_children == AsyncChildren::Ignore {
        words.push("--async-children ignore".to_owned());
    }
    if plan.derive.skew_correction {
        words.push("--skew-correction".to_owned());
    }
    words
}
