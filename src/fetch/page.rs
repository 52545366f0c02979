//! A server's answer cut into traces, each as it was written.
//!
//! Only what tells traces and their copies apart is looked at; what spans mean is for the formats to
//! say, which read the traces again.

mod jaeger;
mod otlp;
mod zipkin;

use std::hash::{Hash, Hasher};

use foldhash::quality::FoldHasher;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::Id;

pub(super) use jaeger::read as jaeger;
pub(super) use otlp::{Wrapper, read as otlp};
pub(super) use zipkin::{read as zipkin, read_trace as zipkin_trace};

/// The traces of one answer.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// What was found, also what is not among `traces` because it was had before.
    pub(super) keys: Vec<u128>,
    pub(super) traces: Vec<FoundTrace>,
    /// Why there may be more than this, in the server's words.
    pub(super) incomplete: Vec<String>,
}

/// One trace, or what an answer has of it.
#[derive(Debug)]
pub(super) struct FoundTrace {
    pub(super) key: u128,
    /// Of what it holds, whatever the order.
    pub(super) fingerprint: u64,
    pub(super) n_spans: u64,
    /// A JSON value on its own, in a format that can be read.
    pub(super) text: String,
}

impl Page {
    fn push(&mut self, trace: FoundTrace) {
        self.keys.push(trace.key);
        self.traces.push(trace);
    }
}

/// What kept a body from being read.
pub(super) type Problem = String;

const SEED: u64 = 0x7261_6365;

/// What stands for a trace id.
pub(super) fn key_of(id: &str) -> u128 {
    Id::parse(id).map_or(0, |it| it.compact())
}

/// What stands for a trace whose id can't be told.
fn key_of_text(text: &str) -> u128 {
    u128::from(hash_of(&text)) | (1 << 127)
}

fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = FoldHasher::with_seed(SEED, foldhash::SharedSeed::global_fixed());
    value.hash(&mut hasher);
    hasher.finish()
}

/// The text of a member as it is written, or nothing.
fn raw(value: Option<&RawValue>) -> &str {
    value.map_or("", RawValue::get)
}

/// A member that should be a text.
fn text(value: Option<&RawValue>) -> Option<String> {
    value.and_then(|it| serde_json::from_str(it.get()).ok())
}

/// All values of a body, one after the other.
fn values<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<Vec<T>, Problem> {
    let text = std::str::from_utf8(body).map_err(|_| "the answer is not UTF-8".to_owned())?;
    let values: Result<Vec<T>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
    values.map_err(|err| {
        if err.is_eof() { "the answer ends early".to_owned() } else { format!("the answer makes no sense ({err})") }
    })
}

#[cfg(test)]
mod tests;
