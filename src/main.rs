//! The process: arguments in, exit status out, and the only place that prints errors.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use analyze_traces::cli;
use analyze_traces::failure::Failure;
use analyze_traces::run::{Exit, Interrupts, Surroundings, is_closed_pipe, was_cut_short};

const LIMIT_EXCEEDED: u8 = 1;
const COULD_NOT_RUN: u8 = 2;
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    watch_for_interrupts();
    let invocation = match cli::parse(std::env::args_os()) {
        Ok(invocation) => invocation,
        Err(err) => return usage(&err),
    };
    let outcome = {
        let mut out = io::BufWriter::with_capacity(1 << 16, io::stdout());
        let mut err = Messages(io::stderr());
        let mut surroundings = Surroundings {
            out: &mut out,
            err: &mut err,
            stdin: Some(Box::new(io::stdin())),
            stdin_is_terminal: io::stdin().is_terminal(),
            out_is_terminal: io::stdout().is_terminal(),
            err_is_terminal: io::stderr().is_terminal(),
            terminal_width: terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)),
            no_color: std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty())
                || std::env::var_os("TERM").is_some_and(|it| it == "dumb"),
            now_ns: now_ns(),
            unfinished: &UNFINISHED,
            variable: &|name| std::env::var(name).ok(),
            interrupts: &INTERRUPTS,
        };
        analyze_traces::run::run(invocation, &mut surroundings).and_then(|exit| match out.flush() {
            // What is left nobody reads; what came out stands.
            Err(err) if is_closed_pipe(&err) => Ok(exit),
            flushed => Ok(flushed.map(|()| exit)?),
        })
    };
    FINISHED.store(true, Ordering::SeqCst);
    match outcome {
        Ok(Exit::Success) => ExitCode::SUCCESS,
        Ok(Exit::LimitExceeded) => LIMIT_EXCEEDED.into(),
        Ok(Exit::Incomplete) => COULD_NOT_RUN.into(),
        Ok(Exit::Interrupted) => INTERRUPTED.into(),
        Err(err) if was_cut_short(&err) => ExitCode::SUCCESS,
        Err(err) => report(&err),
    }
}

static FINISHED: AtomicBool = AtomicBool::new(false);
static UNFINISHED: Mutex<Option<PathBuf>> = Mutex::new(None);
static INTERRUPTS: LazyLock<Interrupts> = LazyLock::new(Interrupts::default);

/// Ctrl-C, and `kill` likewise, end the process with the usual status; a report being written to a file is either whole or not there.
#[expect(clippy::exit, reason = "a signal has no other way out")]
fn watch_for_interrupts() {
    // Without a handler the system's own ends the process as well.
    let _ = ctrlc::set_handler(|| {
        if FINISHED.load(Ordering::SeqCst) {
            return;
        }
        let is_second = INTERRUPTS.came.swap(true, Ordering::SeqCst);
        if INTERRUPTS.are_awaited.load(Ordering::SeqCst) && !is_second {
            return;
        }
        // Held until the end: the file cannot be renamed in between.
        let unfinished = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = &*unfinished {
            let _ = std::fs::remove_file(path);
        }
        let _ = writeln!(io::stderr());
        std::process::exit(INTERRUPTED.into());
    });
}

fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Help and version go to standard output, everything else to standard error.
fn usage(err: &clap::Error) -> ExitCode {
    match err.print() {
        Ok(()) if !err.use_stderr() => ExitCode::SUCCESS,
        Err(io) if is_closed_pipe(&io) => ExitCode::SUCCESS,
        _ => COULD_NOT_RUN.into(),
    }
}

/// Standard error: when nobody listens any more, that is no reason to stop.
struct Messages(io::Stderr);

impl Write for Messages {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            Err(err) if is_closed_pipe(&err) => Ok(bytes.len()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn report(err: &anyhow::Error) -> ExitCode {
    let mut stderr = io::stderr().lock();
    let message = analyze_traces::render::sanitize::line(&format!("{err:#}")).into_owned();
    let _ = writeln!(stderr, "error: {message}");
    if let Some(hint) = err.chain().find_map(|it| it.downcast_ref::<Failure>().and_then(Failure::hint)) {
        // It may name what the capture names.
        let _ = writeln!(stderr, "\nhint: {}", analyze_traces::render::sanitize::line(hint));
    }
    COULD_NOT_RUN.into()
}
