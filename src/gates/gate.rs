//! What may be limited.

use std::fmt;

/// One percent of the unit that shares are limited in, so that `0.5%` is a whole number of it.
pub const PARTS_PER_PERCENT: i64 = 10_000_000;

/// A limit, and how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// As a flag, wherever it was set: `--max-p95 checkout:POST /pay=300ms`.
    pub text: String,
    /// What it asks for.
    pub rule: Rule,
}

/// What a gate asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It occurs.
    Require(Target),
    /// So many percent of its calls take no longer.
    Latency {
        /// Of which operation.
        target: Target,
        /// How many.
        quantile: Quantile,
        /// Than this.
        limit_ns: i64,
    },
    /// No larger share of its calls fails.
    ErrorRate {
        /// Of which operation, or of requests into which service.
        target: Target,
        /// In parts per billion.
        limit_ppb: i64,
    },
    /// Its p95 has surely not grown by more.
    P95Increase {
        /// Of which operation.
        target: Target,
        /// In parts per billion of what it was.
        limit_ppb: i64,
    },
    /// No service calls another that it did not call before.
    NewEdges,
    /// Nothing fails in a way that it did not before.
    NewErrors,
}

/// A service, or one of its operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Which service.
    pub service: String,
    /// Which of its operations, if it is one.
    pub operation: Option<String>,
}

/// A quantile with a flag of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantile {
    /// Half of them.
    P50,
    /// Nineteen in twenty.
    P95,
    /// Ninety-nine in a hundred.
    P99,
}

impl Rule {
    /// What it is about, if that has a name.
    pub fn target(&self) -> Option<&Target> {
        match self {
            Rule::Require(target)
            | Rule::Latency { target, .. }
            | Rule::ErrorRate { target, .. }
            | Rule::P95Increase { target, .. } => Some(target),
            Rule::NewEdges | Rule::NewErrors => None,
        }
    }

    /// Whether it takes two captures.
    pub fn compares(&self) -> bool {
        matches!(self, Rule::P95Increase { .. } | Rule::NewEdges | Rule::NewErrors)
    }

    /// Whether it limits what another limits, maybe otherwise.
    pub fn limits_the_same_as(&self, other: &Rule) -> bool {
        let quantile = |it: &Rule| if let Rule::Latency { quantile, .. } = it { Some(*quantile) } else { None };
        std::mem::discriminant(self) == std::mem::discriminant(other)
            && self.target() == other.target()
            && quantile(self) == quantile(other)
    }
}

impl Quantile {
    /// How many percent of the calls.
    pub fn percent(self) -> u64 {
        match self {
            Quantile::P50 => 50,
            Quantile::P95 => 95,
            Quantile::P99 => 99,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.operation {
            Some(operation) => write!(f, "{} {operation}", self.service),
            None => f.write_str(&self.service),
        }
    }
}
