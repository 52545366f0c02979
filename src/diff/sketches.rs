//! Captures of sketches, for the tests of this module.

use super::{Collection, Collector};
use crate::model::{Assembler, Draft, Id, Trace, sketch};

/// The traces of these sketches, each with an id of its own.
pub(super) fn traces<T: AsRef<str>>(sketches: impl IntoIterator<Item = T>) -> Vec<Trace> {
    let number = |it: usize| Id::parse(&format!("{:032x}", (it + 1) * 7919));
    let drafts = sketches.into_iter().enumerate();
    let drafts = drafts.map(|(nth, it)| Draft { id: number(nth), ..sketch::draft(it.as_ref()) });
    drafts.map(|it| Assembler::default().assemble(it)).collect()
}

/// What is collected of these sketches.
pub(super) fn collect<T: AsRef<str>>(sketches: impl IntoIterator<Item = T>) -> Collection {
    let mut collector = Collector::default();
    traces(sketches).iter().for_each(|it| collector.observe(it));
    collector.finish()
}

/// `n` sketches, made of their number.
pub(super) fn many(n: usize, sketch: impl Fn(usize) -> String) -> Collection {
    collect((0..n).map(sketch))
}
