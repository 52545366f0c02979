//! Spans, traces and what follows from them; knows no format, no pass and no output.

mod assemble;
pub(crate) mod attributes;
mod critical_path;
mod derive;
mod digest;
mod draft;
mod id;
mod name;
pub mod normalize;
pub mod proxy;
pub mod semantics;
pub mod sketch;
mod trace;

#[cfg(test)]
mod reference;

pub use assemble::Assembler;
pub(crate) use attributes::new_list_number;
pub use attributes::{Attribute, Key, Known, Run, Text, ValueType, Wanted};
pub use derive::{AsyncChildren, DeriveOptions};
pub use draft::{
    Draft, DraftSpan, Event, LinkRules, NoDuration, Process, Reference, UNKNOWN_OPERATION, UNKNOWN_SERVICE,
};
pub(crate) use draft::{DraftMark, longest_written};
pub use id::Id;
pub use name::{Name, NameCache};
pub use trace::{Kind, Repairs, Root, Section, Span, Trace};

/// Starts before this day, 2000-01-01 UTC, are clocks not set rather than times.
pub const PLAUSIBLE_FROM_NS: i64 = 946_684_800_000_000_000;

/// Starts from this day on, 2100-01-01 UTC, are wrong units or clocks rather than times.
pub const PLAUSIBLE_UNTIL_NS: i64 = 4_102_444_800_000_000_000;

/// No start or end is farther than this from 1970 either way (about 146 years), so that any
/// difference of two times fits 64 bits.
pub const FARTHEST_NS: i64 = i64::MAX / 2;

/// Whether a start may be the time something happened.
pub fn is_plausible(start_ns: i64) -> bool {
    (PLAUSIBLE_FROM_NS..PLAUSIBLE_UNTIL_NS).contains(&start_ns)
}
