//! Limits and reports for CI: what may be typed, and what it means.

use std::path::PathBuf;

use clap::{ArgMatches, Args, FromArgMatches};

use super::diff::FailOn;
use super::{config, parse};
use crate::failure::Failure;
use crate::gates::{Gate, PARTS_PER_PERCENT, Quantile, Rule, Target};

/// Limits as they were typed, still to be joined with those of a file.
#[derive(Clone, Debug, Default)]
pub struct GatePlan {
    /// The key and the text of each, in the order of the keys.
    typed: Vec<(Key, String)>,
    forbidden: Vec<Rule>,
    fail_on: Option<FailOn>,
    require_data: bool,
    /// Whether two captures are compared.
    compares: bool,
    /// Where there may be more of them.
    pub config: ConfigFile,
    /// Where reports for CI go.
    pub reports: Vec<String>,
}

/// Where limits may stand besides the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ConfigFile {
    /// In the usual file, if it is there.
    #[default]
    Usual,
    /// In this one.
    Named(PathBuf),
    /// Nowhere.
    None,
}

/// The file that is read if it is there.
pub const USUAL_CONFIG_FILE: &str = "analyze-traces.toml";

/// What a run is held to.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// The gates, in the order in which they are shown.
    pub gates: Vec<Gate>,
    /// Which verdict fails.
    pub fail_on: FailOn,
    /// Whether too little data is an error.
    pub require_data: bool,
}

/// A report for CI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportTarget {
    /// Markdown, in a file.
    Markdown(PathBuf),
    /// JUnit's XML, in a file.
    Junit(PathBuf),
    /// Annotations of GitHub Actions, on standard error.
    Github,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Gates")]
pub(super) struct GateArgs {
    /// Fail unless this service or operation occurs (repeatable, as are all gates)
    ///
    /// Status 1 says that a gate failed. A gate on an operation that does not occur fails. A colon
    /// within a service's name is written `\:`.
    #[arg(long, value_name = "SERVICE[:OPERATION]")]
    require: Vec<String>,

    /// Fail unless half of an operation's calls take at most this long: 'checkout:POST /pay=80ms'
    #[arg(long, value_name = "SERVICE:OPERATION=DURATION")]
    max_p50: Vec<String>,

    /// Fail unless 95 % of an operation's calls take at most this long: 'checkout:POST /pay=1.5s'
    #[arg(long, value_name = "SERVICE:OPERATION=DURATION")]
    max_p95: Vec<String>,

    /// Fail unless 99 % of an operation's calls take at most this long
    #[arg(long, value_name = "SERVICE:OPERATION=DURATION")]
    max_p99: Vec<String>,

    /// Fail if more of an operation's calls, or of requests into a service, fail: 'checkout=0.5%'
    #[arg(long, value_name = "SERVICE[:OPERATION]=PERCENT%")]
    max_error_rate: Vec<String>,

    /// Read gates from this TOML file, flags win [default: analyze-traces.toml, if it is there]
    ///
    /// It may set all of these, and --fail-on and --require-data, under the names of the flags:
    /// require = ["gateway"], or [max-p95] and below it "checkout:POST /pay" = "300ms". A flag takes the
    /// place of the same gate in the file. What compares two captures holds in diff only.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Take no gates from analyze-traces.toml
    #[arg(long, conflicts_with = "config")]
    no_config: bool,

    /// Report to CI as well: markdown=FILE, junit=FILE, or github for annotations (repeatable)
    ///
    /// Files are written all at once or not at all; annotations go to standard error.
    #[arg(long, value_name = "FORM[=FILE]")]
    report: Vec<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Gates")]
pub(super) struct DiffGateArgs {
    /// Which verdict exits with status 1; gates do in any case [default: regressed]
    #[arg(long, value_name = "VERDICT", value_enum)]
    fail_on: Option<FailOn>,

    /// Exit with status 2 instead of 0 if there are too few traces to tell
    #[arg(long)]
    require_data: bool,

    /// Fail if an operation's p95 surely grew by more: 'checkout:POST /pay=10%'
    ///
    /// Of one value a trace; all of what the increase may be has to lie beyond the limit. A p95 that
    /// merely is so much higher is seen between equal captures too.
    #[arg(long, value_name = "SERVICE:OPERATION=PERCENT%")]
    max_p95_increase: Vec<String>,

    /// Fail if a service calls another that it did not call before
    #[arg(long)]
    forbid_new_edges: bool,

    /// Fail if calls fail with a message that they did not fail with before
    #[arg(long)]
    forbid_new_errors: bool,
}

/// A gate that has a limit or a name, in the order in which gates are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Require,
    MaxP50,
    MaxP95,
    MaxP99,
    MaxErrorRate,
    MaxP95Increase,
}

impl Key {
    /// Those with a limit behind an equals sign.
    pub(super) const LIMITS: [Key; 5] = [Key::MaxP50, Key::MaxP95, Key::MaxP99, Key::MaxErrorRate, Key::MaxP95Increase];

    pub(super) fn name(self) -> &'static str {
        match self {
            Key::Require => "require",
            Key::MaxP50 => "max-p50",
            Key::MaxP95 => "max-p95",
            Key::MaxP99 => "max-p99",
            Key::MaxErrorRate => "max-error-rate",
            Key::MaxP95Increase => "max-p95-increase",
        }
    }

    fn example(self) -> &'static str {
        match self {
            Key::Require => "checkout:POST /pay",
            Key::MaxP50 | Key::MaxP95 | Key::MaxP99 => "checkout:POST /pay=300ms",
            Key::MaxErrorRate => "checkout:POST /pay=1%",
            Key::MaxP95Increase => "checkout:POST /pay=10%",
        }
    }

    fn wrong(self, text: &str, why: &str) -> Failure {
        let (name, example) = (self.name(), self.example());
        Failure::with_hint(format!("--{name} {text}: {why}"), format!("write it like --{name} '{example}'"))
    }

    /// The gate of a flag's text.
    pub(super) fn gate(self, text: &str) -> Result<Gate, Failure> {
        if self == Key::Require {
            let rule = Rule::Require(self.target(text, text)?);
            return Ok(Gate { text: format!("--require {text}"), rule });
        }
        let (subject, limit) = text.rsplit_once('=').ok_or_else(|| self.wrong(text, "there is no limit"))?;
        self.limit(subject, limit)
    }

    /// The gate of what it is about and its limit.
    pub(super) fn limit(self, subject: &str, limit: &str) -> Result<Gate, Failure> {
        let text = format!("{subject}={limit}");
        let target = self.target(subject, &text)?;
        let limit = limit.trim();
        let duration = || parse::bound(limit).map(|it| it.ns).map_err(|why| self.wrong(&text, &why));
        let latency = |quantile| Ok(Rule::Latency { target: target.clone(), quantile, limit_ns: duration()? });
        let rule = match self {
            Key::Require => return Err(self.wrong(&text, "there is nothing to limit")),
            Key::MaxP50 => latency(Quantile::P50)?,
            Key::MaxP95 => latency(Quantile::P95)?,
            Key::MaxP99 => latency(Quantile::P99)?,
            Key::MaxErrorRate => {
                let limit_ppb = parse::percent_of(limit, PARTS_PER_PERCENT).map_err(|why| self.wrong(&text, &why))?;
                if limit_ppb > 100 * PARTS_PER_PERCENT {
                    return Err(self.wrong(&text, "no more than 100 % can fail"));
                }
                Rule::ErrorRate { target, limit_ppb }
            }
            Key::MaxP95Increase => {
                let limit_ppb = parse::percent_of(limit, PARTS_PER_PERCENT).map_err(|why| self.wrong(&text, &why))?;
                Rule::P95Increase { target, limit_ppb }
            }
        };
        Ok(Gate { text: format!("--{} {text}", self.name()), rule })
    }

    fn target(self, subject: &str, text: &str) -> Result<Target, Failure> {
        let (service, operation) = parse::root(subject).map_err(|_| self.wrong(text, "it names no service"))?;
        if service.is_empty() {
            return Err(self.wrong(text, "it names no service"));
        }
        let may_be_whole = matches!(self, Key::Require | Key::MaxErrorRate);
        if operation.as_ref().map_or(!may_be_whole, String::is_empty) {
            return Err(self.wrong(text, "it names no operation"));
        }
        Ok(Target { service, operation })
    }
}

/// What is forbidden, as a flag or a key says it.
pub(super) fn forbidden(name: &str, rule: Rule) -> Gate {
    Gate { text: format!("--{name}"), rule }
}

pub(super) const FORBID_NEW_EDGES: &str = "forbid-new-edges";
pub(super) const FORBID_NEW_ERRORS: &str = "forbid-new-errors";

/// The limits of an analysis.
pub(super) fn gate_plan(matches: &ArgMatches) -> Result<GatePlan, clap::Error> {
    let args = GateArgs::from_arg_matches(matches)?;
    let config = match args.config {
        _ if args.no_config => ConfigFile::None,
        Some(path) => ConfigFile::Named(path),
        None => ConfigFile::Usual,
    };
    let lists = [
        (Key::Require, args.require),
        (Key::MaxP50, args.max_p50),
        (Key::MaxP95, args.max_p95),
        (Key::MaxP99, args.max_p99),
        (Key::MaxErrorRate, args.max_error_rate),
    ];
    let typed = lists.into_iter().flat_map(|(key, texts)| texts.into_iter().map(move |it| (key, it))).collect();
    Ok(GatePlan { typed, config, reports: args.report, ..GatePlan::default() })
}

/// The limits of a comparison.
pub(super) fn diff_gate_plan(matches: &ArgMatches) -> Result<GatePlan, clap::Error> {
    let args = DiffGateArgs::from_arg_matches(matches)?;
    let mut plan = gate_plan(matches)?;
    plan.compares = true;
    plan.typed.extend(args.max_p95_increase.into_iter().map(|it| (Key::MaxP95Increase, it)));
    plan.forbidden.extend(args.forbid_new_edges.then_some(Rule::NewEdges));
    plan.forbidden.extend(args.forbid_new_errors.then_some(Rule::NewErrors));
    (plan.fail_on, plan.require_data) = (args.fail_on, args.require_data);
    Ok(plan)
}

impl GatePlan {
    /// No limits, whatever a file says.
    pub(super) fn of_nothing() -> GatePlan {
        GatePlan { config: ConfigFile::None, ..GatePlan::default() }
    }

    /// What holds, with the name and the text of a file that may say more.
    pub fn settle(&self, file: Option<(&str, &str)>) -> Result<Limits, Failure> {
        let mut gates = Vec::new();
        for (key, text) in &self.typed {
            gates.push(key.gate(text)?);
        }
        for rule in &self.forbidden {
            let name = if *rule == Rule::NewEdges { FORBID_NEW_EDGES } else { FORBID_NEW_ERRORS };
            gates.push(forbidden(name, rule.clone()));
        }
        let config = file.map(|(name, text)| config::read(name, text)).transpose()?.unwrap_or_default();
        let n_typed = gates.len();
        for gate in config.gates {
            if !gates[..n_typed].iter().any(|it| it.rule.limits_the_same_as(&gate.rule)) {
                gates.push(gate);
            }
        }
        gates.retain(|it| self.compares || !it.rule.compares());
        // Stable: within a kind the flags as they were typed, then the file's.
        gates.sort_by_key(|it| place(&it.rule));
        let mut limits: Vec<Gate> = Vec::new();
        for gate in gates {
            if !limits.contains(&gate) {
                limits.push(gate);
            }
        }
        Ok(Limits {
            gates: limits,
            fail_on: self.fail_on.or(config.fail_on).unwrap_or(FailOn::Regressed),
            require_data: self.require_data || config.require_data,
        })
    }

    /// The reports that were asked for.
    pub fn report_targets(&self) -> Result<Vec<ReportTarget>, Failure> {
        let mut targets: Vec<ReportTarget> = Vec::new();
        for text in &self.reports {
            let target = report_target(text)?;
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        Ok(targets)
    }
}

fn report_target(text: &str) -> Result<ReportTarget, Failure> {
    let hint = "write it as --report markdown=FILE, --report junit=FILE or --report github";
    let wrong = |why: &str| Failure::with_hint(format!("--report {text}: {why}"), hint);
    let (form, file) = text.split_once('=').map_or((text, None), |(form, file)| (form, Some(file)));
    match (form, file) {
        ("markdown" | "junit", None | Some("")) => Err(wrong("it names no file")),
        ("markdown" | "junit", Some("-")) => Err(wrong("standard output is for the results")),
        ("markdown", Some(file)) => Ok(ReportTarget::Markdown(file.into())),
        ("junit", Some(file)) => Ok(ReportTarget::Junit(file.into())),
        ("github", None) => Ok(ReportTarget::Github),
        ("github", Some(_)) => Err(wrong("annotations go to standard error, not into a file")),
        _ => Err(wrong("there is no such report")),
    }
}

/// The order in which gates are shown.
fn place(rule: &Rule) -> usize {
    match rule {
        Rule::Require(_) => 0,
        Rule::Latency { quantile, .. } => 1 + quantile.percent() as usize,
        Rule::ErrorRate { .. } => 100 + 1,
        Rule::P95Increase { .. } => 100 + 2,
        Rule::NewEdges => 100 + 3,
        Rule::NewErrors => 100 + 4,
    }
}
