//! `diff` and `baseline`: what may be typed, and what it means.

use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::gates::{DiffGateArgs, GateArgs, GatePlan, diff_gate_plan};
use super::{DeriveArgs, FilterArgs, InputArgs, OutputArgs, Plan, ServerArgs, file_of, parse, plan_of};
use crate::cli::{ColorWhen, Output};
use crate::diff::Options;
use crate::filter::Bound;
use crate::passes::{AnyPass, PASSES, PassOptions};

/// A comparison as it was asked for.
#[derive(Clone)]
pub struct DiffPlan {
    /// What is read and kept of the one side, and where the report goes.
    pub before: Plan,
    /// What is read and kept of the other.
    pub after: Plan,
    /// How differences are judged.
    pub options: Options,
    /// Both sides should be alike: measure how much they differ.
    pub calibrate: bool,
    /// Show what did not change as well.
    pub all: bool,
    /// Rows of each table.
    pub rows: usize,
    /// What it is held to.
    pub gates: GatePlan,
}

/// What ends with status 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum FailOn {
    /// Something is worse beyond doubt
    Regressed,
    /// That, or something may be
    Suspect,
    /// Nothing
    Never,
}

const DIFF_AFTER_HELP: &str = "\
BEFORE and AFTER are captures (a file, a directory, a pattern in quotes, an address, - for one of
them) or baselines. Filters hold for both; a length of --time-range counts back from the newest
trace of each.

Exit status:
  0    it ran, whatever changed (see --fail-on)
  1    the verdict is regressed, or a gate failed
  2    it could not run; with --require-data also: there were too few traces to tell
  130  stopped by Ctrl-C or kill

Examples:
  analyze-traces diff before.json after.json
  analyze-traces diff main.baseline after.json --service checkout --json
  analyze-traces diff main.baseline after.json --max-p95 'checkout:POST /pay=300ms' --report github
  analyze-traces diff --calibrate monday.json tuesday.json";

#[derive(Debug, Args)]
#[command(next_help_heading = "Comparison")]
struct DiffArgs {
    /// How far a duration may move and still be the same, in percent of what it was
    ///
    /// The whole confidence interval of the shift has to lie beyond it.
    #[arg(long, value_name = "PERCENT", default_value = "13", value_parser = parse::any_percent_ppm)]
    tolerance: u64,

    /// The least shift of a duration that matters: 1 (ms), 500us; in CI rather 5
    #[arg(long, value_name = "DURATION", default_value = "1", value_parser = parse::bound)]
    min_abs: Bound,

    /// The share of false discoveries among all differences found
    #[arg(long, value_name = "RATE", default_value = "0.05", value_parser = parse::rate)]
    alpha: f64,

    /// Take both captures for equal: say how much they differ, and which --tolerance that needs
    #[arg(long, conflicts_with_all = ["tolerance", "fail_on", "require", "max_p50", "max_p95", "max_p99",
        "max_error_rate", "max_p95_increase", "forbid_new_edges", "forbid_new_errors", "report",
        "require_data"])]
    calibrate: bool,

    /// Show what did not change, or could not be compared, as well
    #[arg(long)]
    all: bool,

    /// Rows of each table (0: all) [default: 10; JSON is never cut]
    #[arg(long, value_name = "N")]
    top: Option<usize>,
}

const BASELINE_AFTER_HELP: &str = "\
A baseline holds counts, exact sums and up to 1,024 values of everything that diff compares.
Comparing with it gives what comparing with the capture gives. It is compared under the
filters it was made with, and no others.

Examples:
  analyze-traces baseline traces/ --service checkout -o checkout.baseline
  analyze-traces diff checkout.baseline after.json --service checkout";

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct BaselineArgs {
    /// Write to this file, all at once or not at all
    #[arg(short, long, value_name = "FILE", required = true)]
    output: std::path::PathBuf,

    /// Explain on standard error what was decided
    #[arg(short, long)]
    verbose: bool,
}

pub(super) fn diff_command() -> Command {
    let command = Command::new("diff")
        .about("Compare two captures: what changed, is it real, who is to blame")
        .after_help(DIFF_AFTER_HELP);
    let command = FilterArgs::augment_args(InputArgs::augment_args(command));
    let command = ServerArgs::augment_args(command).mut_arg("inputs", |it| {
        it.value_names(["BEFORE", "AFTER"])
            .num_args(2)
            .required_unless_present("list_formats")
            .help("Two captures or baselines: files, directories, patterns, addresses, or - for standard input")
            .long_help(None::<&str>)
    });
    let command = DeriveArgs::augment_args(DiffArgs::augment_args(command));
    OutputArgs::augment_args(GateArgs::augment_args(DiffGateArgs::augment_args(command)))
        .mut_arg("verbose", |it| it.help("Explain on standard error what was decided"))
}

pub(super) fn baseline_command() -> Command {
    let command = Command::new("baseline")
        .about("Keep of a capture what diff needs, in a small file")
        .after_help(BASELINE_AFTER_HELP);
    let command = ServerArgs::augment_args(FilterArgs::augment_args(InputArgs::augment_args(command)));
    let command = DeriveArgs::augment_args(command);
    BaselineArgs::augment_args(command)
}

pub(super) fn diff_plan(matches: &ArgMatches) -> Result<DiffPlan, clap::Error> {
    let args = DiffArgs::from_arg_matches(matches)?;
    let output = || Ok::<_, clap::Error>(Output::from(OutputArgs::from_arg_matches(matches)?));
    let (mut before, mut after) = (side(matches, output()?)?, side(matches, output()?)?);
    before.inputs.truncate(1);
    after.inputs.drain(..1);
    let threads = before.threads;
    Ok(DiffPlan {
        before,
        after,
        options: Options {
            tolerance: args.tolerance as f64 / 1e6,
            min_abs_ns: args.min_abs.ns,
            alpha: args.alpha,
            threads,
        },
        calibrate: args.calibrate,
        all: args.all,
        rows: PassOptions { top: args.top, ..PassOptions::default() }.rows(),
        // Captures that are taken for equal are held to nothing.
        gates: if args.calibrate { GatePlan::of_nothing() } else { diff_gate_plan(matches)? },
    })
}

pub(super) fn baseline_plan(matches: &ArgMatches) -> Result<Plan, clap::Error> {
    let args = BaselineArgs::from_arg_matches(matches)?;
    let file = file_of(Some(args.output));
    let output = Output { json: false, file, color: ColorWhen::Never, width: None, verbose: args.verbose };
    side(matches, output)
}

/// One side of a comparison: read, filtered and summed up.
fn side(matches: &ArgMatches, output: Output) -> Result<Plan, clap::Error> {
    let (input, filter) = (InputArgs::from_arg_matches(matches)?, FilterArgs::from_arg_matches(matches)?);
    let (server, derive) = (ServerArgs::from_arg_matches(matches)?, DeriveArgs::from_arg_matches(matches)?);
    let options = PassOptions { verbose: output.verbose, ..PassOptions::default() };
    let always = PASSES.iter().filter(|it| it.always);
    let passes: Result<Vec<Box<dyn AnyPass>>, clap::Error> = always.map(|it| (it.build)(matches, &options)).collect();
    Ok(Plan { passes: passes?, ..plan_of(input, filter, server, derive.into(), output) })
}
