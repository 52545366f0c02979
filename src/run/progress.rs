//! How far reading has come, on a terminal.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::input::source::Source;
use crate::render;

/// Shows on a terminal how far long reading has come.
pub(super) struct Progress<'a> {
    err: Mutex<ProgressLine<'a>>,
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
    pub(super) fn new(err: &'a mut (dyn Write + Send), enabled: bool, sources: &[Source]) -> Progress<'a> {
        let line = ProgressLine { err, started: Instant::now(), last: None };
        let total = sources.iter().map(Source::size).sum();
        Progress { err: Mutex::new(line), total, enabled }
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
        let read = render::units::bytes(n_bytes);
        let of = self.total.map_or(String::new(), |it| format!(" of {}", render::units::bytes(it)));
        // Progress that cannot be shown is no reason to stop.
        let _ = write!(line.err, "\r\u{1b}[Kreading: {read}{of}");
        let _ = line.err.flush();
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
