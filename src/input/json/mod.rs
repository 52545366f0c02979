//! JSON as bytes: a strict pull parser, and a scanner that finds where values end.

mod blocks;
mod cursor;
mod layout;
mod node;
mod pattern;
mod scan;
mod simd;

pub(crate) use blocks::{BlockText, Blocks};
pub(crate) use cursor::{Cursor, Fault, Problem, Value, nonempty_text_of, text_of};
pub(crate) use layout::Layout;
pub(crate) use node::Node;
pub(crate) use pattern::{Pattern, Patterns};
pub(crate) use scan::Scanner;
pub(crate) use simd::{decimal, hexadecimal};
