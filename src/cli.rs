//! The command line: what may be typed, and what it means.

mod config;
mod diff;
mod gates;
mod parse;
mod server;

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::export::TARGETS;
use crate::filter::{Bound, Filter, TagFilter, TimeRange};
use crate::input::SplitOptions;
use crate::model::{AsyncChildren, DeriveOptions, Id};
use crate::passes::{AnyPass, PASSES, PassOptions};
pub use diff::{DiffPlan, FailOn};
pub use gates::{ConfigFile, GatePlan, Limits, ReportTarget, USUAL_CONFIG_FILE};
pub use parse::{TimeSpec, bound, time_range};
pub use server::ServerArgs;

/// What was asked for.
#[derive(Clone)]
pub enum Invocation {
    /// Analyze captures.
    Analyze(Box<Plan>),
    /// Write traces in another form.
    Export(Box<ExportPlan>),
    /// Compare two captures.
    Diff(Box<DiffPlan>),
    /// Keep what a comparison needs of a capture.
    Baseline(Box<Plan>),
    /// Print which formats can be read, as text or JSON.
    ListFormats {
        /// JSON instead of text.
        json: bool,
    },
    /// Print what a shell needs to complete commands.
    Completions(clap_complete::Shell),
    /// Print the manual page.
    Man,
}

/// An analysis as it was asked for.
#[derive(Clone)]
pub struct Plan {
    /// Files, directories, patterns, `-`, addresses. Names of files need not be UTF-8.
    pub inputs: Vec<OsString>,
    /// How servers are asked.
    pub server: ServerArgs,
    /// How many threads parse.
    pub threads: NonZeroUsize,
    /// How streams are cut.
    pub split: SplitOptions,
    /// The largest text that a compressed source may hold.
    pub max_decompressed: u64,
    /// Whether no traces are an error.
    pub fail_empty: bool,
    /// Which traces are kept; the time range comes from `time_range`.
    pub filter: Filter,
    /// When traces start, still to be counted back from something.
    pub time_range: Option<TimeFilter>,
    /// How traces are derived.
    pub derive: DeriveOptions,
    /// Compare the calls between services with the server's own count.
    pub check: bool,
    /// The passes to run, in the order of the report.
    pub passes: Vec<Box<dyn AnyPass>>,
    /// Their names.
    pub pass_names: Vec<&'static str>,
    /// What it is held to.
    pub gates: GatePlan,
    /// Where and how it is written.
    pub output: Output,
}

/// An export as it was asked for.
#[derive(Clone)]
pub struct ExportPlan {
    /// What is read and kept; no passes.
    pub plan: Plan,
    /// What is written, by its index.
    pub target: usize,
    /// Go on with a file of lines.
    pub append: bool,
}

/// `--time-range` and `--now`.
#[derive(Clone)]
pub struct TimeFilter {
    /// The range.
    pub spec: TimeSpec,
    /// As typed.
    pub typed: String,
    /// What a length counts back from: nothing typed is the newest trace, `Some(None)` the clock.
    pub now: Option<Option<i64>>,
}

/// Where and how the report is written.
#[derive(Clone)]
pub struct Output {
    /// JSON instead of tables.
    pub json: bool,
    /// A file instead of standard output.
    pub file: Option<PathBuf>,
    /// When colors are used.
    pub color: ColorWhen,
    /// Columns; the terminal's if not typed.
    pub width: Option<usize>,
    /// Explain on standard error what was decided.
    pub verbose: bool,
}

/// When colors are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum AsyncWhen {
    /// The parent waited for it until its own end
    Clip,
    /// Nobody waited for it
    Ignore,
}

const AFTER_HELP: &str = "\
Without any of --bottlenecks, --critical-path, --errors, --dependencies and --performance
all of them are shown; the summary always is.

Exit status:
  0    it ran (also when the output was closed early, or no trace was left)
  1    it ran, and a limit you set was exceeded (a gate, or what diff finds)
  2    it could not run: usage, unreadable input, no traces with --fail-empty,
       a --trace-id that is nowhere, a server that did not give all (but --partial)
  130  stopped by Ctrl-C or kill

Examples:
  analyze-traces traces.json
  analyze-traces traces.json --service checkout --errors-only --time-range 1h
  analyze-traces http://jaeger:16686 --service checkout --time-range 1h --errors-only
  analyze-traces traces.json --max-p95 'checkout:POST /pay=300ms' --max-error-rate checkout=1%
  kubectl logs exporter | analyze-traces - --bottlenecks --json | jq .bottlenecks[0]";

#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
struct InputArgs {
    /// Captures: files, directories, patterns, - for standard input, addresses of servers
    ///
    /// Directories are searched for captures, other files in them are passed over. Without any,
    /// standard input is read if it is not a terminal. An address is that of a Jaeger, Zipkin or
    /// Tempo (http://jaeger:16686, with a base path if there is one), of a trace or search there as
    /// a browser shows it, or of a file.
    #[arg(value_name = "INPUT")]
    inputs: Vec<OsString>,

    /// The format of the inputs, where telling it by the bytes fails
    #[arg(long, value_name = "NAME", value_parser = parse::format, hide_possible_values = true)]
    format: Option<usize>,

    /// Print every format that can be read and how to export it, then stop
    #[arg(long, conflicts_with = "output")]
    list_formats: bool,

    /// Report what is intact of a broken capture, and how much was lost
    #[arg(long)]
    lenient: bool,

    /// Refuse a single trace larger than this; units: K, M, G (powers of 1024)
    #[arg(long, value_name = "SIZE", default_value = "2G", value_parser = parse::size)]
    max_trace_bytes: u64,

    /// Refuse a compressed file that holds more than this; units as above, and T
    #[arg(long, value_name = "SIZE", default_value = "1T", value_parser = parse::size)]
    max_decompressed: u64,

    /// How many threads parse and analyze [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,

    /// Exit with status 2 if no trace is left
    #[arg(long)]
    fail_empty: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Filter")]
struct FilterArgs {
    /// Keep traces with a span of this service (repeated: any of them)
    #[arg(long, value_name = "SERVICE")]
    service: Vec<String>,

    /// Keep traces with a span of this operation, of that service if both are given (repeated: any)
    #[arg(long, value_name = "OPERATION")]
    operation: Vec<String>,

    /// Keep traces with a span that has key=value or key, or without any that has key!=value (repeated: all)
    ///
    /// The span's own attributes and its process's count. Together with --service and --operation
    /// one and the same span has to meet all.
    #[arg(long, value_name = "TAG", value_parser = parse::tag)]
    tag: Vec<TagFilter>,

    /// Keep this trace (repeated: any of them); exit with status 2 if it is nowhere
    #[arg(long, value_name = "ID", value_parser = parse::id)]
    trace_id: Vec<Id>,

    /// Keep traces with this root, as service:operation or service (repeated: any); `\:` is a colon
    #[arg(long, value_name = "ROOT", value_parser = parse::root)]
    root: Vec<(String, Option<String>)>,

    /// Keep traces that took at least this long: 250 (ms), 1.5s, 1m30s
    #[arg(long, value_name = "DURATION", value_parser = parse::bound)]
    min_duration: Option<Bound>,

    /// Keep traces that took at most this long
    #[arg(long, value_name = "DURATION", value_parser = parse::bound)]
    max_duration: Option<Bound>,

    /// Another name for --min-duration
    #[arg(long, value_name = "MS", value_parser = parse::bound)]
    latency_threshold: Option<Bound>,

    /// Keep traces that contain an error
    #[arg(long)]
    errors_only: bool,

    /// Keep traces that start in this range: 1h, 30m, 2d, or START..END
    ///
    /// A length counts back from the newest trace start (see --now), for servers from the clock (1h
    /// if nothing is said). START and END are RFC 3339
    /// (2026-01-31T10:00:00Z), dates or numbers since the epoch; either may be left out; END is
    /// not included. All times are UTC.
    #[arg(long, value_name = "RANGE", value_parser = parse::time_range)]
    time_range: Option<(TimeSpec, String)>,

    /// Count --time-range back from the clock, or from this moment, instead of the newest trace
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, value_parser = parse::moment_ns, requires = "time_range")]
    now: Option<Option<i64>>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Analysis")]
struct AnalysisArgs {
    /// Rows of each table and list (0: all) [default: 10 in tables; in JSON only the critical paths are cut]
    #[arg(long, value_name = "N")]
    top: Option<usize>,

    /// Example traces of each row
    #[arg(long, value_name = "N", default_value_t = 5)]
    examples: usize,

    #[command(flatten)]
    derive: DeriveArgs,

    /// Compare the calls between services with the server's own count, and list what differs
    #[arg(long, help_heading = "Server")]
    check: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Analysis")]
struct DeriveArgs {
    /// How far a call may reach into the next and still count as before it, in percent of their parent
    #[arg(long, value_name = "PERCENT", default_value = "1", value_parser = parse::percent_ppm)]
    overlap_tolerance: u64,

    /// What a child that outlives its parent means
    #[arg(long, value_name = "HOW", value_enum, default_value_t = AsyncWhen::Clip)]
    async_children: AsyncWhen,

    /// Move servers whose clock is off into the calls they answer
    #[arg(long)]
    skew_correction: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct OutputArgs {
    /// Write JSON (docs/schema.json): pretty on a terminal, compact in a pipe or file
    #[arg(long)]
    json: bool,

    /// Write to this file, all at once or not at all
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// When to use colors; NO_COLOR is respected
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = ColorWhen::Auto)]
    color: ColorWhen,

    /// Columns of the tables [default: the terminal's; in a pipe nothing is cut]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(20..))]
    width: Option<u16>,

    /// Explain on standard error what was decided, and show stack traces of errors
    #[arg(short, long)]
    verbose: bool,
}

const EXPORT_AFTER_HELP: &str = "\
Traces are written whole, as they were understood: ids that were told apart by a suffix,
parents as they were found. What a form has no place for is counted on standard error.
Traces come in the order of the input, those with differing copies or scattered spans
last; the bytes are the same every time.

What comes from a server is written as it arrives. Stopped by Ctrl-C, the file is closed with
what there is (--to jaeger says so in its `errors`); a second Ctrl-C leaves nothing.

Exit status as for analyze-traces: without traces it is an empty document and 0.

Examples:
  analyze-traces export traces.json --errors-only -o failed.json
  analyze-traces export traces/ --service checkout --to otlp -o checkout.jsonl.gz
  analyze-traces fetch http://jaeger:16686 --service checkout --time-range 1d -o checkout.json.gz
  analyze-traces export traces.json --to csv | head -3";

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct ExportArgs {
    /// What to write
    #[arg(long, value_name = "FORM", default_value = TARGETS[0].name(), value_parser = targets())]
    to: usize,

    /// Write to this file, all at once or not at all; compressed if it ends in .gz or .zst
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Go on with the file, which holds otlp or spans: traces already in it are left out
    #[arg(long)]
    append: bool,

    /// Move servers whose clock is off into the calls they answer
    #[arg(long)]
    skew_correction: bool,

    /// Explain on standard error what was decided
    #[arg(short, long)]
    verbose: bool,
}

/// The names of the targets; gives the index of one.
fn targets() -> impl TypedValueParser<Value = usize> {
    PossibleValuesParser::new(TARGETS.iter().map(|it| PossibleValue::new(it.name()).help(it.about())))
        .map(|name| TARGETS.iter().position(|it| it.name() == name).unwrap_or(0))
}

fn export_command() -> Command {
    let command = Command::new("export")
        .visible_alias("fetch")
        .about("Write the traces that are kept as Jaeger, OTLP or Zipkin JSON, normalized spans or CSV")
        .after_help(EXPORT_AFTER_HELP);
    let command = ServerArgs::augment_args(FilterArgs::augment_args(InputArgs::augment_args(command)));
    ExportArgs::augment_args(command)
}

/// Everything that may be typed.
pub fn command() -> Command {
    let command = Command::new("analyze-traces")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Why is it slow, what fails first, who calls whom: answers from exported traces")
        .after_help(AFTER_HELP)
        .subcommand_negates_reqs(true)
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true);
    let command = ServerArgs::augment_args(FilterArgs::augment_args(InputArgs::augment_args(command)));
    let mut command = command.next_help_heading("Analysis");
    for pass in PASSES.iter().filter(|it| !it.always) {
        command = command.arg(Arg::new(pass.name).long(pass.name).action(ArgAction::SetTrue).help(pass.about));
    }
    let mut command = AnalysisArgs::augment_args(command);
    for pass in PASSES {
        command = (pass.augment)(command);
    }
    OutputArgs::augment_args(gates::GateArgs::augment_args(command))
        .subcommand(diff::diff_command())
        .subcommand(diff::baseline_command())
        .subcommand(export_command())
        .subcommand(
            Command::new("completions").about("Print what a shell needs to complete commands").arg(
                Arg::new("shell")
                    .value_name("SHELL")
                    .required(true)
                    .value_parser(clap::value_parser!(clap_complete::Shell)),
            ),
        )
        .subcommand(Command::new("man").about("Print the manual page"))
}

/// Reads the command line.
pub fn parse(args: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Invocation, clap::Error> {
    let mut matches = command().try_get_matches_from(args)?;
    match matches.remove_subcommand() {
        Some((name, mut sub)) if name == "completions" => {
            let shell = sub.remove_one::<clap_complete::Shell>("shell").expect("clap asks for it");
            Ok(Invocation::Completions(shell))
        }
        Some((_, sub)) if sub.try_get_one::<bool>("list_formats").ok().flatten() == Some(&true) => {
            let json = sub.try_get_one::<bool>("json").ok().flatten() == Some(&true);
            Ok(Invocation::ListFormats { json })
        }
        Some((name, sub)) if name == "diff" => Ok(Invocation::Diff(Box::new(diff::diff_plan(&sub)?))),
        Some((name, sub)) if name == "baseline" => Ok(Invocation::Baseline(Box::new(diff::baseline_plan(&sub)?))),
        Some((name, sub)) if name == "export" => Ok(Invocation::Export(Box::new(export_plan(&sub)?))),
        Some(_) => Ok(Invocation::Man),
        None if matches.get_flag("list_formats") => Ok(Invocation::ListFormats { json: matches.get_flag("json") }),
        None => Ok(Invocation::Analyze(Box::new(plan(&matches)?))),
    }
}

fn plan(matches: &ArgMatches) -> Result<Plan, clap::Error> {
    let input = InputArgs::from_arg_matches(matches)?;
    let filter = FilterArgs::from_arg_matches(matches)?;
    let server = ServerArgs::from_arg_matches(matches)?;
    let analysis = AnalysisArgs::from_arg_matches(matches)?;
    let output = OutputArgs::from_arg_matches(matches)?;
    let options = PassOptions { top: analysis.top, examples: analysis.examples, verbose: output.verbose };
    let asked = |name: &str| PASSES.iter().any(|it| it.name == name && !it.always) && matches.get_flag(name);
    let all = !PASSES.iter().any(|it| asked(it.name));
    let mut passes = Vec::new();
    let mut pass_names = Vec::new();
    for pass in PASSES.iter().filter(|it| it.always || all || asked(it.name)) {
        passes.push((pass.build)(matches, &options)?);
        pass_names.push(pass.name);
    }
    let check = analysis.check;
    if check && !pass_names.contains(&"dependencies") {
        return Err(command().error(clap::error::ErrorKind::MissingRequiredArgument, "--check needs --dependencies"));
    }
    let gates = gates::gate_plan(matches)?;
    let plan = plan_of(input, filter, server, analysis.derive.into(), output.into());
    Ok(Plan { check, passes, pass_names, gates, ..plan })
}

impl From<DeriveArgs> for DeriveOptions {
    fn from(args: DeriveArgs) -> DeriveOptions {
        DeriveOptions {
            overlap_tolerance_ppm: args.overlap_tolerance,
            async_children: match args.async_children {
                AsyncWhen::Clip => AsyncChildren::Clip,
                AsyncWhen::Ignore => AsyncChildren::Ignore,
            },
            skew_correction: args.skew_correction,
        }
    }
}

impl From<OutputArgs> for Output {
    fn from(args: OutputArgs) -> Output {
        Output {
            json: args.json,
            file: file_of(args.output),
            color: args.color,
            width: args.width.map(usize::from),
            verbose: args.verbose,
        }
    }
}

fn export_plan(matches: &ArgMatches) -> Result<ExportPlan, clap::Error> {
    let export = ExportArgs::from_arg_matches(matches)?;
    let derive = DeriveOptions { skew_correction: export.skew_correction, ..DeriveOptions::default() };
    let file = file_of(export.output);
    let output = Output { json: false, file, color: ColorWhen::Never, width: None, verbose: export.verbose };
    let (input, filter) = (InputArgs::from_arg_matches(matches)?, FilterArgs::from_arg_matches(matches)?);
    let server = ServerArgs::from_arg_matches(matches)?;
    Ok(ExportPlan { plan: plan_of(input, filter, server, derive, output), target: export.to, append: export.append })
}

/// As everywhere, - is the standard stream.
fn file_of(typed: Option<PathBuf>) -> Option<PathBuf> {
    typed.filter(|it| it.as_os_str() != "-")
}

/// A plan without passes.
fn plan_of(input: InputArgs, filter: FilterArgs, server: ServerArgs, derive: DeriveOptions, output: Output) -> Plan {
    let max_element_bytes = input.max_trace_bytes;
    Plan {
        inputs: input.inputs,
        server,
        threads: input.threads.unwrap_or_else(|| std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)),
        split: SplitOptions { lenient: input.lenient, max_element_bytes, format: input.format },
        max_decompressed: input.max_decompressed,
        fail_empty: input.fail_empty,
        time_range: filter.time_range.map(|(spec, typed)| TimeFilter { spec, typed, now: filter.now }),
        filter: Filter {
            services: filter.service,
            operations: filter.operation,
            tags: filter.tag,
            trace_ids: filter.trace_id,
            roots: filter.root,
            min_duration_ns: filter.min_duration,
            max_duration_ns: filter.max_duration,
            latency_threshold_ns: filter.latency_threshold,
            errors_only: filter.errors_only,
            time_range: None,
        },
        derive,
        check: false,
        passes: Vec::new(),
        pass_names: Vec::new(),
        gates: GatePlan::default(),
        output,
    }
}

impl Plan {
    /// Whether its time range counts back from the newest trace.
    pub fn needs_newest(&self) -> bool {
        self.time_range.as_ref().is_some_and(|it| it.now.is_none() && matches!(it.spec, TimeSpec::Back(_)))
    }

    /// Makes the time range a filter, once it is known what it counts back from.
    pub fn resolve_time_range(&mut self, clock_ns: i64, newest_ns: i64) {
        self.filter.time_range = self.time_range.as_ref().map(|range| {
            let from = range.now.map_or(newest_ns, |moment| moment.unwrap_or(clock_ns));
            (range.resolve(from), range.typed.clone())
        });
    }
}

impl TimeFilter {
    /// The range, once it is known what it counts back from.
    pub fn resolve(&self, newest_ns: i64) -> TimeRange {
        match self.spec {
            // The newest start itself belongs to the last hour.
            TimeSpec::Back(length_ns) => {
                TimeRange { from_ns: newest_ns.saturating_sub(length_ns), until_ns: newest_ns.saturating_add(1) }
            }
            TimeSpec::Between(from_ns, until_ns) => {
                TimeRange { from_ns: from_ns.unwrap_or(i64::MIN), until_ns: until_ns.unwrap_or(i64::MAX) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        command().debug_assert();
    }

    fn plan_of(args: &[&str]) -> Plan {
        let args = std::iter::once("analyze-traces").chain(args.iter().copied()).map(Into::into);
        match parse(args).unwrap() {
            Invocation::Analyze(plan) => *plan,
            _ => panic!("an analysis"),
        }
    }

    #[test]
    fn no_pass_flag_is_all_passes() {
        assert_eq!(plan_of(&["x.json"]).passes.len(), PASSES.len());
        assert_eq!(plan_of(&["x.json", "--errors"]).pass_names, ["summary", "errors"]);
    }

    #[test]
    fn now_may_stand_alone_or_name_a_moment() {
        assert!(plan_of(&["--time-range", "1h", "x.json"]).time_range.is_some_and(|it| it.now.is_none()));
        assert!(plan_of(&["--time-range", "1h", "--now", "x.json"]).time_range.is_some_and(|it| it.now == Some(None)));
        let plan = plan_of(&["--time-range", "1h", "--now=1970-01-01T00:00:01Z", "x.json"]);
        assert_eq!(plan.time_range.map(|it| it.now), Some(Some(Some(1_000_000_000))));
        assert_eq!(plan.inputs, ["x.json"]);
    }
}
