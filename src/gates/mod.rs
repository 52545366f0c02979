//! Limits that the user sets, and whether they hold.
//!
//! A [`Gate`] is a limit on a service or an operation. While traces pass by, a [`Meter`] counts what the
//! gates ask of a capture, and nothing else; [`judge()`] holds the gates against it, and those on what
//! changed against a comparison. A gate on something that is not there fails: a name with a typing
//! error would hold for ever.

mod changes;
mod gate;
mod judge;
mod meter;
mod section;

pub use gate::{Gate, PARTS_PER_PERCENT, Quantile, Rule, Target};
pub use judge::{Between, Judgement, judge};
pub use meter::Meter;
pub use section::section;
