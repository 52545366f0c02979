//! Summaries that merge exactly: whatever the order of recording and merging, the bytes are the same.
//! And what it takes to compare two samples: [`robust`] summaries and tests of [`significance`].

mod ascending;
pub mod distribution;
pub mod histogram;
pub mod limited;
pub mod robust;
pub mod rounding;
pub mod significance;
pub mod top;

pub use distribution::{Distribution, DurationStats};
pub use histogram::Histogram;
pub use limited::{Limited, Merge};
pub use rounding::{ms, ms_rounded, percent};
pub use top::Top;
