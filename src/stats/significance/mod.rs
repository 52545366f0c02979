//! Whether two samples differ, by how much, and how sure that is.
//!
//! Durations are not normally distributed: they have long tails, several modes and ties. So locations
//! are compared by ranks ([`mann_whitney()`], [`hodges_lehmann()`]), quantiles by order statistics
//! ([`order_statistic`]), counts exactly ([`fisher`]) or by scores ([`proportion`]), and many tests at
//! once by their false discovery rate ([`benjamini_hochberg()`]).
//!
//! All are pure functions of slices in any order; a slice that is sorted already is not copied. What
//! has no answer (an empty sample, too few values, a level outside 0 to 1) is `None`. Transcendental
//! functions come from `libm` and not from the machine, so that the same samples give the same bytes
//! everywhere. `fixtures/significance.json` has what SciPy, statsmodels and R say.

pub mod benjamini_hochberg;
mod binomial;
mod discrete;
pub mod fisher;
pub mod hodges_lehmann;
pub mod mann_whitney;
pub mod normal;
pub mod order_statistic;
pub mod proportion;

pub use benjamini_hochberg::benjamini_hochberg;
pub use fisher::fisher_exact;
pub use hodges_lehmann::{Shift, hodges_lehmann};
pub use mann_whitney::{MannWhitney, mann_whitney};
pub use order_statistic::quantile_interval;
pub use proportion::{difference_interval, wilson_interval};

/// A confidence interval; both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}
