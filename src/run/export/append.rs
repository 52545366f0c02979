//! Going on with a file of lines: what it holds already, and its bytes.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::Context;

use crate::cli::Plan;
use crate::export::Target;
use crate::failure::Failure;
use crate::input::{SplitOptions, source};
use crate::model::{Trace, Wanted};
use crate::pipeline::{self, Consumer, Reading};

/// The traces of a file that is to be continued, by their compact ids; none if it is not there.
pub(super) fn ids_in(path: &Path, target: &dyn Target, plan: &Plan) -> anyhow::Result<HashSet<u128>> {
    if !target.is_lines() {
        let what = format!("failed to append to {}: --to {} is one document", path.display(), target.name());
        return Err(Failure::with_hint(what, "lines can be continued: --to otlp or --to spans").into());
    }
    if path.metadata().map_or(0, |it| it.len()) == 0 {
        return Ok(HashSet::new());
    }
    let failed = || format!("failed to append to {}", path.display());
    let sources = source::find(&[path.into()], || Box::new(io::empty())).with_context(failed)?;
    let reading = Reading {
        sources: &sources,
        threads: plan.threads,
        // What was cut short is not copied.
        split: SplitOptions { lenient: true, ..plan.split },
        max_decompressed: plan.max_decompressed,
        wanted: Wanted::with([]).into(),
        derive: plan.derive,
        may_guess: true,
        progress: &|_| {},
    };
    let (parts, tally) = pipeline::read(&reading, &Ids::default).with_context(failed)?;
    if let Some(other) = tally.sources.values().find(|it| it.format != target.name()) {
        let what = format!("failed to append to {}: it is {}, not {}", path.display(), other.format, target.name());
        return Err(Failure::with_hint(what, "name another file, or say which form with --to").into());
    }
    Ok(parts.into_iter().flat_map(|it| it.0).collect())
}

#[derive(Default)]
struct Ids(HashSet<u128>);

impl Consumer for Ids {
    fn trace(&mut self, trace: &Trace) {
        self.0.insert(trace.id.compact());
    }
}

/// Copies a file, without a last line that was cut short: what follows must not be glued to it.
pub(super) fn copy(path: &Path, out: &mut dyn Write) -> io::Result<()> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(err) => return Err(err),
    };
    // Compressed, another member follows.
    if path.extension().is_some_and(|it| it.eq_ignore_ascii_case("gz") || it.eq_ignore_ascii_case("zst")) {
        io::copy(&mut file, out)?;
        return Ok(());
    }
    let mut line = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n_read = file.read(&mut buffer)?;
        if n_read == 0 {
            break;
        }
        match memchr::memrchr(b'\n', &buffer[..n_read]) {
            Some(last) => {
                out.write_all(&line)?;
                out.write_all(&buffer[..=last])?;
                line.clear();
                line.extend_from_slice(&buffer[last + 1..n_read]);
            }
            None => line.extend_from_slice(&buffer[..n_read]),
        }
    }
    if serde_json::from_slice::<serde::de::IgnoredAny>(&line).is_ok() {
        out.write_all(&line)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_are_copied() {
        let directory = tempfile::tempdir().unwrap();
        let copied = |text: &str| {
            let path = directory.path().join("x.jsonl");
            std::fs::write(&path, text).unwrap();
            let mut out = Vec::new();
            copy(&path, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(copied(""), "");
        assert_eq!(copied("{\"a\":1}\n{\"b\":2}\n"), "{\"a\":1}\n{\"b\":2}\n");
        assert_eq!(copied("{\"a\":1}\n{\"b\":2}"), "{\"a\":1}\n{\"b\":2}\n");
        assert_eq!(copied("{\"a\":1}\n{\"b\":"), "{\"a\":1}\n");
        let long = format!("{{\"a\":\"{}\"}}\n", "x".repeat(200_000));
        assert_eq!(copied(&format!("{long}{}", &long[..150_000])), long);
        let mut out = Vec::new();
        copy(&directory.path().join("none"), &mut out).unwrap();
        assert!(out.is_empty());
    }
}
