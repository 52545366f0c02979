//! A capture's collection in a file: what `diff` needs of it, and what it was made of.
//!
//! A line that says what it is, then zstd of the state in postcard's form. Everything in it is sorted
//! or integer, so the same capture gives the same bytes.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use super::Collection;

/// The first line; the number changes when older programs can't read what follows.
const MAGIC: &[u8] = b"analyze-traces baseline 1\n";

/// What the first line of any version begins with.
const MAGIC_OF_ANY: &[u8] = b"analyze-traces baseline ";

/// Written once and read often.
const ZSTD_LEVEL: i32 = 15;

/// What a baseline file holds.
#[derive(Debug, Serialize, Deserialize)]
pub struct Baseline {
    /// The flags that decide which traces there are and how they are read.
    pub conditions: Vec<String>,
    /// The `input` key of the report, as JSON.
    pub input: String,
    /// The `summary` key of the report, as JSON.
    pub summary: String,
    /// What is compared.
    pub collection: Collection,
}

/// Why a baseline can't be read.
#[derive(Debug)]
pub enum Unreadable {
    /// Another version of this program wrote it.
    OtherVersion,
    /// It is damaged, with the words of who found out.
    Damaged(String),
}

/// Whether a file that begins so is a baseline of some version.
pub fn is_baseline(head: &[u8]) -> bool {
    head.starts_with(MAGIC_OF_ANY)
}

/// As much of a file as [`is_baseline`] needs.
pub const HEAD_BYTES: u64 = MAGIC_OF_ANY.len() as u64;

impl Baseline {
    /// Writes the file.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(MAGIC)?;
        let state = postcard::to_stdvec(self).map_err(io::Error::other)?;
        let mut encoder = zstd::stream::write::Encoder::new(out, ZSTD_LEVEL)?;
        encoder.include_checksum(true)?;
        // Samples of the same traces stand far apart.
        encoder.long_distance_matching(true)?;
        encoder.write_all(&state)?;
        encoder.finish()?.flush()
    }

    /// Reads a whole file that holds up to `max_bytes`.
    pub fn read(bytes: &[u8], max_bytes: u64) -> Result<Baseline, Unreadable> {
        let packed = bytes.strip_prefix(MAGIC).ok_or(Unreadable::OtherVersion)?;
        let damaged = |err: &dyn std::fmt::Display| Unreadable::Damaged(err.to_string());
        let mut state = Vec::new();
        let decoder = zstd::stream::read::Decoder::new(packed).map_err(|it| damaged(&it))?;
        decoder.take(max_bytes).read_to_end(&mut state).map_err(|it| damaged(&it))?;
        let (mut baseline, rest): (Baseline, &[u8]) = postcard::take_from_bytes(&state).map_err(|it| damaged(&it))?;
        if !rest.is_empty() {
            return Err(Unreadable::Damaged("there is more in it than there should be".to_owned()));
        }
        if !baseline.collection.is_sound() {
            return Err(Unreadable::Damaged("its numbers do not fit together".to_owned()));
        }
        baseline.collection.settle();
        Ok(baseline)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sketches::many;
    use super::super::{Options, compare};
    use super::*;

    fn baseline() -> Baseline {
        let collection = many(30, |it| {
            let bad = if it % 3 == 0 { " ! error.message=broken" } else { "" };
            format!("web GET / 0..{}{bad}\n  api call 1..{}\n    db SELECT 2..{}", 40 + it, 30 + it, 10 + it % 7)
        });
        Baseline {
            conditions: vec!["--service web".to_owned()],
            input: "{}".to_owned(),
            summary: "{}".to_owned(),
            collection,
        }
    }

    fn written(baseline: &Baseline) -> Vec<u8> {
        let mut bytes = Vec::new();
        baseline.write(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_is_read_back_compares_the_same() {
        let before = baseline();
        let bytes = written(&before);
        assert!(is_baseline(&bytes[..HEAD_BYTES as usize]));
        let read = Baseline::read(&bytes, 1 << 20).unwrap();
        assert_eq!(read.conditions, before.conditions);
        let after = many(40, |it| format!("web GET / 0..{}\n  api call 1..{}", 90 + it, 80 + it));
        let compared = |it: &Baseline| compare(&it.collection, &after, &Options::default());
        assert_eq!(compared(&read), compared(&before));
        assert_eq!(written(&read), bytes);
    }

    #[test]
    fn what_is_damaged_is_refused() {
        let bytes = written(&baseline());
        for cut in 0..bytes.len() {
            assert!(Baseline::read(&bytes[..cut], 1 << 20).is_err(), "cut at {cut}");
        }
        for at in MAGIC.len()..bytes.len() {
            let mut spoilt = bytes.clone();
            spoilt[at] ^= 0x10;
            // The checksum sees what the frame does not; a flag that means nothing may change nothing.
            let _ = Baseline::read(&spoilt, 1 << 20);
        }
        for impossible in [
            |it: &mut Collection| it.operations.values_mut().for_each(|it| it.n_failed = it.n_calls + 1),
            |it: &mut Collection| it.operations.values_mut().for_each(|it| it.n_traces = it.n_calls + 1),
            |it: &mut Collection| it.operations.values_mut().for_each(|it| it.patterns.add(String::new(), u64::MAX)),
            |it: &mut Collection| it.operations.values_mut().for_each(|it| it.calls.record(1, i64::MAX)),
            |it: &mut Collection| it.calls.values_mut().for_each(|it| *it = 31),
            |it: &mut Collection| it.n_traces = 29,
            |it: &mut Collection| it.kinds.clear(),
        ] {
            let mut other = baseline();
            impossible(&mut other.collection);
            assert!(matches!(Baseline::read(&written(&other), 1 << 20), Err(Unreadable::Damaged(_))));
        }
        assert!(matches!(Baseline::read(&bytes, 100), Err(Unreadable::Damaged(_))), "more than is allowed");
        let other = [b"analyze-traces baseline 99\n".as_slice(), &bytes[MAGIC.len()..]].concat();
        assert!(is_baseline(&other) && matches!(Baseline::read(&other, 1 << 20), Err(Unreadable::OtherVersion)));
    }
}
