//! The analyses, each one file here and one line in [`PASSES`].
//!
//! A pass sees traces one by one, in any order and on any thread; its states merge. Three laws make
//! the report independent of both, and are tested for every pass: a fresh one is neutral under merge,
//! the order of observing and merging cannot be seen, and a state written and read back is the same.

mod bottlenecks;
mod by_operation;
mod critical_path;
mod dependencies;
mod erased;
mod errors;
#[cfg(test)]
mod laws;
mod performance;
mod share;
mod side_by_side;
mod sorted;
mod summary;
mod timestamp;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::{Known, Trace};
use crate::report::Report;

pub use erased::{AnyPass, Build, Registered};
pub(crate) use side_by_side::reports;

/// Every pass, in the order of the report.
pub const PASSES: &[Registered] = &[
    Registered::of::<summary::Summary>(),
    Registered::of::<bottlenecks::Bottlenecks>(),
    Registered::of::<critical_path::CriticalPath>(),
    Registered::of::<errors::Errors>(),
    Registered::of::<dependencies::Dependencies>(),
    Registered::of::<performance::Performance>(),
];

/// What all passes are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassOptions {
    /// Rows of each list; `None` when not typed, `Some(0)` for all.
    pub top: Option<usize>,
    /// Example traces of each row.
    pub examples: usize,
    /// Whether stack traces are shown.
    pub verbose: bool,
}

impl Default for PassOptions {
    fn default() -> PassOptions {
        PassOptions { top: None, examples: 5, verbose: false }
    }
}

impl PassOptions {
    /// How many entries of a list that is cut only on demand are kept.
    pub fn cut(&self) -> Option<usize> {
        self.top.filter(|it| *it > 0)
    }

    /// How many entries of a list that is always cut are kept.
    pub fn always_cut(&self) -> Option<usize> {
        match self.top {
            None => Some(ROWS),
            Some(0) => None,
            top => top,
        }
    }

    /// How many rows a table shows.
    pub fn rows(&self) -> usize {
        self.always_cut().unwrap_or(usize::MAX)
    }
}

/// Rows of each table unless told otherwise.
pub const ROWS: usize = 10;

/// An analysis.
pub trait Pass: Clone + Send + Sync + Serialize + DeserializeOwned + 'static {
    /// The name of its flag; the report names the JSON keys.
    const NAME: &'static str;
    /// One line of help.
    const ABOUT: &'static str;
    /// Whether it runs whatever was asked for.
    const ALWAYS: bool = false;
    /// The attributes it reads, itself or by [`crate::model::semantics`], beyond what every span tree is made of:
    /// others are not kept.
    const READS: &'static [&'static [Known]] = &[];
    /// The flags only it reads.
    type Args: clap::Args;
    /// What it has to say.
    type Report: Report + 'static;

    /// One that has seen nothing.
    fn new(args: &Self::Args, options: &PassOptions) -> Self;

    /// Looks at a trace.
    fn observe(&mut self, trace: &Trace);

    /// Adds what another has seen.
    fn merge(&mut self, other: Self);

    /// Sums up, sorted and ready to show.
    fn finish(self) -> Self::Report;
}
