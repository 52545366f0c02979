//! Gates from flags and file to the lines and reports that say what became of them.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::Surroundings;
use super::output_file::OutputFile;
use crate::cli::{ConfigFile, GatePlan, Limits, Output, ReportTarget, USUAL_CONFIG_FILE};
use crate::failure::Failure;
use crate::gates::{Gate, Judgement, Rule};
use crate::render;
use crate::report::bulletin::{Alert, Bulletin, Case, CaseResult};

/// No file with gates is larger.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// What a run is held to, and who is told.
pub(super) struct Held {
    pub(super) limits: Limits,
    targets: Vec<ReportTarget>,
    /// The file that said something.
    config: Option<PathBuf>,
}

impl Held {
    /// Joins what was typed with what a file says.
    pub(super) fn to(plan: &GatePlan, output: &Output, err: &mut dyn Write) -> anyhow::Result<Held> {
        let targets = plan.report_targets()?;
        let path = match &plan.config {
            ConfigFile::None => None,
            ConfigFile::Named(path) => Some(path.as_path()),
            ConfigFile::Usual => Some(Path::new(USUAL_CONFIG_FILE)),
        };
        let is_usual = plan.config == ConfigFile::Usual;
        let text = path.map(|it| read(it, is_usual)).transpose()?.flatten();
        let config = path.filter(|_| text.is_some()).map(Path::to_owned);
        let file = path.map(|it| it.display().to_string()).zip(text);
        let limits = plan.settle(file.as_ref().map(|(name, text)| (name.as_str(), text.as_str())))?;
        if let Some((name, _)) = file.as_ref().filter(|_| output.verbose) {
            writeln!(err, "gates: read {}", render::sanitize::line(name))?;
        }
        let held = Held { limits, targets, config };
        held.check_files(output)?;
        Ok(held)
    }

    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.targets.iter().filter_map(|it| match it {
            ReportTarget::Markdown(path) | ReportTarget::Junit(path) => Some(path),
            ReportTarget::Github => None,
        })
    }

    /// Two reports in one file would be the last of them, and one in the place of the gates the end of those.
    fn check_files(&self, output: &Output) -> anyhow::Result<()> {
        if let Some(config) = self.config.as_deref().map(resolved) {
            let mut files = output.file.iter().chain(self.files());
            if let Some(path) = files.find(|it| it.is_file() && resolved(it) == config) {
                let message = format!("failed to write {}: the gates are in it", path.display());
                return Err(Failure::with_hint(message, "name another file").into());
            }
        }
        let mut taken: Vec<PathBuf> = output.file.iter().map(|it| resolved(it)).collect();
        for path in self.files() {
            let path_resolved = resolved(path);
            // A device or a pipe takes what comes.
            let is_replaced = path.metadata().map_or(true, |it| it.is_file());
            if is_replaced && taken.contains(&path_resolved) {
                let message = format!("failed to write {}: it is to hold another report too", path.display());
                return Err(Failure::with_hint(message, "name another file").into());
            }
            taken.push(path_resolved);
        }
        Ok(())
    }

    /// A report in the place of a capture would be the end of the capture.
    pub(super) fn check_sources(&self, sources: impl Iterator<Item = impl AsRef<Path>> + Clone) -> anyhow::Result<()> {
        self.files().try_for_each(|it| super::check_target(it, sources.clone()))
    }

    /// A report about gates and changes says nothing without any.
    pub(super) fn check_is_something_to_report(&self) -> anyhow::Result<()> {
        let without = self.targets.iter().find(|it| !matches!(it, ReportTarget::Markdown(_)));
        if let Some(target) = without.filter(|_| self.limits.gates.is_empty()) {
            let name = if *target == ReportTarget::Github { "github" } else { "junit" };
            let hint = "set one, as with --max-p95 'checkout:POST /pay=300ms', or take --report markdown=FILE";
            return Err(Failure::with_hint(format!("--report {name} tells of gates, and there are none"), hint).into());
        }
        Ok(())
    }

    /// The first gate on what was counted of single calls.
    pub(super) fn gate_on_calls(&self) -> Option<&Gate> {
        self.limits.gates.iter().find(|it| !matches!(it.rule, Rule::NewEdges | Rule::NewErrors))
    }

    /// Writes the reports that were asked for.
    pub(super) fn report(
        &self,
        surroundings: &mut Surroundings<'_>,
        bulletin: impl FnOnce() -> Bulletin,
    ) -> anyhow::Result<()> {
        if self.targets.is_empty() {
            return Ok(());
        }
        let bulletin = bulletin();
        for target in &self.targets {
            match target {
                ReportTarget::Github => render::annotations::write(surroundings.err, &bulletin.alerts)?,
                ReportTarget::Markdown(path) => {
                    write_file(path, surroundings, |out| render::markdown::write(out, &bulletin))?;
                }
                ReportTarget::Junit(path) => {
                    write_file(path, surroundings, |out| render::junit::write(out, &bulletin))?;
                }
            }
        }
        Ok(())
    }
}

/// Says on standard error which gates failed or could not be judged; whether none failed.
pub(super) fn tell(judgements: &[Judgement], err: &mut dyn Write) -> io::Result<bool> {
    for it in judgements {
        let line = format!("{}: {}", it.gate, it.message);
        let line = render::sanitize::line(&line);
        if !it.passed {
            writeln!(err, "failed: {line}")?;
        } else if !it.judged {
            writeln!(err, "warning: {line}")?;
        }
    }
    Ok(judgements.iter().all(|it| it.passed))
}

/// The cases of gates.
pub(super) fn cases(judgements: &[Judgement]) -> Vec<Case> {
    let case = |it: &Judgement| Case {
        class: "gates".to_owned(),
        name: it.gate.clone(),
        result: match (it.passed, it.judged) {
            (false, _) => CaseResult::Failed,
            (true, true) => CaseResult::Passed,
            (true, false) => CaseResult::Skipped,
        },
        text: it.message.clone(),
    };
    judgements.iter().map(case).collect()
}

/// What must not be missed of gates: those that failed, then those that could not be judged.
pub(super) fn alerts(judgements: &[Judgement]) -> Vec<Alert> {
    let alert = |it: &Judgement| Alert { is_error: !it.passed, title: it.gate.clone(), message: it.message.clone() };
    let failed = judgements.iter().filter(|it| !it.passed);
    failed.chain(judgements.iter().filter(|it| it.passed && !it.judged)).map(alert).collect()
}

/// The text of a file with gates; `None` where it may be missing and is.
fn read(path: &Path, may_be_missing: bool) -> anyhow::Result<Option<String>> {
    let failed = || format!("failed to read {}", path.display());
    let file = match File::open(path) {
        Err(err) if may_be_missing && err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(err) => {
            let hint = "--config names a TOML file with gates; docs/ci.md has one";
            return Err(Failure::with_hint(format!("{}: {err}", failed()), hint).into());
        }
        Ok(file) => file,
    };
    let mut text = String::new();
    file.take(MAX_CONFIG_BYTES + 1).read_to_string(&mut text).with_context(failed)?;
    if text.len() as u64 > MAX_CONFIG_BYTES {
        let hint = "--config names a file with gates, not a capture";
        return Err(Failure::with_hint(format!("{}: it is larger than 1 MiB", failed()), hint).into());
    }
    Ok(Some(text))
}

/// Where a file is or will be.
fn resolved(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| {
        let directory = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match (directory.canonicalize(), path.file_name()) {
            (Ok(directory), Some(name)) => directory.join(name),
            _ => path.to_owned(),
        }
    })
}

fn write_file(
    path: &Path,
    surroundings: &mut Surroundings<'_>,
    render: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    let write = || {
        let mut file = OutputFile::create(path, surroundings.unfinished)?;
        render(file.writer())?;
        file.finish()
    };
    write().with_context(|| format!("failed to write {}", path.display()))
}
