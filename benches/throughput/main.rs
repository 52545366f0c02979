//! How fast captures are read and analyzed, and in how much memory.
//!
//! `cargo bench` generates captures of 100 MB and 1 GB below `target/bench` (`-- --large` adds one of
//! 4 GB), runs each task in a process of its own so that its peak memory can be told, several times
//! in turn, and prints medians. `-- --write FILE MEGABYTES [compact|pretty|shuffled]` only generates;
//! with `huge` the number is that of thousands of spans in one trace, with `tiny` of thousands of
//! traces of one span. `-- --task serde FILE` reads a capture through serde_json, for `benches/compare.sh`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it prints what it measured")]

mod generate;
mod serde_peer;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use analyze_traces::cli::{self, Invocation};
use analyze_traces::run::{Surroundings, run};
use generate::Shape;

/// Every task is run this often; the median is shown.
const RUNS: usize = 5;
const SEED: u64 = 42;
const MB: u64 = 1_000_000;

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    match args.first().map(String::as_str) {
        Some("--task") => task(&args[1..]),
        Some("--write") => {
            let n = args[2].parse::<u64>().map_err(io::Error::other)?;
            write_capture(Path::new(&args[1]), n, args.get(3).map_or("compact", String::as_str))
        }
        _ => compare(args.iter().any(|it| it == "--large")),
    }
}

fn write_capture(path: &Path, n: u64, shape: &str) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let made = match shape {
        "compact" => generate::write_capture(&mut out, n * MB, SEED),
        "pretty" => generate::write_capture_as(&mut out, n * MB, SEED, Shape::Pretty),
        "shuffled" => generate::write_capture_as(&mut out, n * MB, SEED, Shape::ShuffledKeys),
        "huge" => generate::write_one_huge_trace(&mut out, n * 1_000),
        "tiny" => generate::write_tiny_traces(&mut out, n * 1_000),
        _ => Err(io::Error::other(format!("no shape is called {shape}"))),
    }?;
    out.flush()?;
    let (traces, spans) = (made.traces, made.spans);
    eprintln!("{}: {} MB, {traces} traces, {spans} spans", path.display(), made.bytes / MB);
    Ok(())
}

/// The file of this name, made once.
fn made_once(name: &str, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&directory)?;
    let path = directory.join(name);
    if !path.exists() {
        let unfinished = directory.join(format!("unfinished-{name}"));
        make(&unfinished)?;
        std::fs::rename(&unfinished, &path)?;
    }
    Ok(path)
}

/// The capture of this size.
fn capture(megabytes: u64) -> io::Result<PathBuf> {
    made_once(&format!("compact-{megabytes}.json"), |it| write_capture(it, megabytes, "compact"))
}

/// The capture of 100 MB in another form.
fn capture_as(form: &str, name: &str) -> io::Result<PathBuf> {
    let jaeger = capture(100)?;
    made_once(name, |path| {
        let mut command = Command::new(std::env::current_exe()?);
        let status = command.args(["--task", "export", "--to", form, "-o"]).arg(path).arg(jaeger).status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("the export to {form} failed"))) }
    })
}

/// Something to measure: a name, flags, and whether passes run at all.
type Task = (&'static str, &'static [&'static str]);

const PASSES: [Task; 7] = [
    ("reading alone", &["--no-passes"]),
    ("+ summary, bottlenecks", &["--bottlenecks"]),
    ("+ summary, critical path", &["--critical-path"]),
    ("+ summary, errors", &["--errors"]),
    ("+ summary, dependencies", &["--dependencies"]),
    ("+ summary, performance", &["--performance"]),
    ("whole default run", &[]),
];

fn compare(large: bool) -> io::Result<()> {
    println!("machine: {}", machine());
    println!("{:<28} {:<8} {:>8} {:>8} {:>10} {:>12}", "task", "format", "MB", "threads", "MB/s", "peak MiB");
    let (reading, whole) = (PASSES[0], PASSES[6]);
    let mut plans: Vec<(&str, PathBuf, usize, Vec<Task>)> = vec![
        ("jaeger", capture(100)?, 1, PASSES.to_vec()),
        ("otlp", capture_as("otlp", "otlp-100.jsonl")?, 1, vec![reading, whole]),
        ("zipkin", capture_as("zipkin", "zipkin-100.json")?, 1, vec![reading, whole]),
        ("jaeger", capture(1_000)?, 1, vec![whole]),
        ("jaeger", capture(1_000)?, 2, vec![whole]),
    ];
    if large {
        plans.push(("jaeger", capture(4_000)?, 2, vec![whole]));
    }
    for (format, path, threads, tasks) in plans {
        let mut measured = vec![Vec::new(); tasks.len()];
        // In turn, so that a slow moment of the machine hits all alike.
        for _ in 0..RUNS {
            for (nth, (_, flags)) in tasks.iter().enumerate() {
                measured[nth].push(measure(&path, threads, flags)?);
            }
        }
        let bytes = path.metadata()?.len();
        for ((name, _), runs) in tasks.iter().zip(&mut measured) {
            let seconds = median(runs.iter().map(|it| it.0).collect());
            let peak_mib = runs.iter().map(|it| it.1).max().unwrap_or(0) / 1024;
            let rate = bytes as f64 / 1e6 / seconds;
            println!("{name:<28} {format:<8} {:>8} {threads:>8} {rate:>10.0} {peak_mib:>12}", bytes / MB);
        }
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Seconds and peak memory in KiB of one run in a process of its own.
fn measure(path: &Path, threads: usize, flags: &[&str]) -> io::Result<(f64, u64)> {
    let output = Command::new(std::env::current_exe()?)
        .arg("--task")
        .arg(path)
        .args(["--threads", &threads.to_string(), "--json"])
        .args(flags)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = text.split_whitespace();
    let mut next =
        || numbers.next().ok_or_else(|| io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    let seconds = next()?.parse().map_err(io::Error::other)?;
    Ok((seconds, next()?.parse().map_err(io::Error::other)?))
}

/// In the process of its own: run, then print seconds and peak KiB; or read as the peer does, and print its answers.
fn task(args: &[String]) -> io::Result<()> {
    if let [name, path] = args
        && name == "serde"
    {
        return serde_peer::answer(Path::new(path), io::stdout().lock());
    }
    let started = Instant::now();
    let no_passes = args.iter().any(|it| it == "--no-passes");
    let args = args.iter().filter(|it| *it != "--no-passes").map(OsString::from);
    let invocation = cli::parse(std::iter::once("analyze-traces".into()).chain(args)).map_err(io::Error::other)?;
    let invocation = match invocation {
        Invocation::Analyze(mut plan) if no_passes => {
            plan.passes.clear();
            Invocation::Analyze(plan)
        }
        other => other,
    };
    let mut surroundings = Surroundings {
        out: &mut io::sink(),
        err: &mut io::sink(),
        stdin: None,
        stdin_is_terminal: true,
        out_is_terminal: false,
        err_is_terminal: false,
        terminal_width: None,
        no_color: true,
        now_ns: 0,
        unfinished: &Mutex::default(),
        variable: &|_| None,
        interrupts: &analyze_traces::run::Interrupts::default(),
    };
    run(invocation, &mut surroundings).map_err(io::Error::other)?;
    println!("{} {}", started.elapsed().as_secs_f64(), peak_kib());
    Ok(())
}

/// The most memory this process ever held; 0 where the system does not tell.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
    line.and_then(|it| it.split_whitespace().next()).and_then(|it| it.parse().ok()).unwrap_or(0)
}

fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info
        .lines()
        .find_map(|it| it.strip_prefix("model name"))
        .map_or("unknown", |it| it.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{name}, {cores} cores")
}
