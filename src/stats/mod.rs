//! Summaries that merge exactly: whatever the order of recording and merging, the bytes are the same.

pub mod distribution;
pub mod histogram;
pub mod rounding;
pub mod top;

pub use distribution::{Distribution, DurationStats};
pub use histogram::Histogram;
pub use rounding::{ms, ms_rounded, percent};
pub use top::Top;
