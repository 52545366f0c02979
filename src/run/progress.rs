//! How far reading has come, on a terminal.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::input::source::Source;
use crate::render;

/// Shows on a terminal how far long reading has come.
pub(super) struct Progress<'a> {
    err: Mutex<ProgressLine<'a>>,
    sources: &'a [Source],
    total: Option<u64>,
    enabled: bool,
}

struct ProgressLine<'a> {
    err: &'a mut (dyn Write + Send),
    started: Instant,
    last: Option<Instant>,
}

/// Short work shows nothing.
const QUIET: Duration = Duration::from_millis(500);
const BETWEEN: Duration = Duration::from_millis(100);

impl<'a> Progress<'a> {
    /// One that shows something only if it is `enabled`.
    pub(super) fn new(err: &'a mut (dyn Write + Send), enabled: bool, sources: &'a [Source]) -> Progress<'a> {
        let line = ProgressLine { err, started: Instant::now(), last: None };
        let total = sources.iter().map(Source::size).sum();
        Progress { err: Mutex::new(line), sources, total, enabled }
    }

    /// Shows how much has been read, now and then.
    pub(super) fn show(&self, n_bytes: u64) {
        if !self.enabled {
            return;
        }
        let mut line = self.err.lock().unwrap_or_else(PoisonError::into_inner);
        if line.started.elapsed() < QUIET || line.last.is_some_and(|it| it.elapsed() < BETWEEN) {
            return;
        }
        line.last = Some(Instant::now());
        let fetched: Vec<String> =
            self.sources.iter().filter_map(Source::feed).filter_map(|it| it.progress()).collect();
        let text = if fetched.is_empty() {
            let of = self.total.map_or(String::new(), |it| format!(" of {}", render::units::bytes(it)));
            format!("reading: {}{of}", render::units::bytes(n_bytes))
        } else {
            fetched.join("; ")
        };
        // Progress that cannot be shown is no reason to stop.
        let _ = write!(line.err, "\r\u{1b}[K{text}");
        let _ = line.err.flush();
    }

    /// Does something, and shows how far it has come also while there is nothing to read.
    pub(super) fn ticking<T>(&self, work: impl FnOnce() -> T) -> T {
        if !self.enabled || self.sources.iter().filter_map(Source::feed).all(|it| it.progress().is_none()) {
            return work();
        }
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let ticker = scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    std::thread::park_timeout(BETWEEN);
                    self.show(0);
                }
            });
            let outcome = work();
            is_done.store(true, Ordering::Relaxed);
            ticker.thread().unpark();
            outcome
        })
    }

    /// Takes away what was shown.
    pub(super) fn clear(self) {
        let line = self.err.into_inner().unwrap_or_else(PoisonError::into_inner);
        if line.last.is_some() {
            let _ = write!(line.err, "\r\u{1b}[K");
            let _ = line.err.flush();
        }
    }
}
