//! Annotations as GitHub Actions reads them off a step's output.

use std::io;

use super::{sanitize, units};
use crate::report::bulletin::Alert;

/// GitHub shows ten errors and ten warnings of a step, and fewer are read.
const MOST: usize = 10;

/// Writes an annotation for each of the first alerts; the last one says how many there are besides.
pub fn write(out: &mut dyn io::Write, alerts: &[Alert]) -> io::Result<()> {
    let n_shown = if alerts.len() > MOST { MOST - 1 } else { alerts.len() };
    let (shown, rest) = alerts.split_at(n_shown);
    for it in shown {
        annotation(out, it.is_error, &it.title, &it.message)?;
    }
    if rest.is_empty() {
        return Ok(());
    }
    let more = format!("{} more; the report has them all", units::count(rest.len() as u64));
    annotation(out, rest.iter().any(|it| it.is_error), "analyze-traces", &more)
}

fn annotation(out: &mut dyn io::Write, is_error: bool, title: &str, message: &str) -> io::Result<()> {
    let level = if is_error { "error" } else { "warning" };
    writeln!(out, "::{level} title={}::{}", property(title), data(message))
}

/// What would end the line or begin an escape, as the runner reads it back.
fn data(text: &str) -> String {
    sanitize::line(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The same, and what would end the property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
