//! Every format on any bytes. The first line holds words: the format, without which it is detected, and
//! what is checked beside the first run. Whatever follows, a run ends with a report or an error.

#![no_main]
#![allow(dead_code, reason = "what is shared with tests is not all needed here")]

#[path = "../../tests/support/in_process.rs"]
mod in_process;
mod mutation;
#[path = "../../tests/reader_reference/random.rs"]
mod random;

use std::collections::BTreeMap;
use std::sync::Mutex;

use analyze_traces::cli::Invocation;
use in_process::{invocation, printed};
use libfuzzer_sys::{Corpus, fuzz_mutator, fuzz_target, fuzzer_mutate};
use random::Random;
use serde::de::IgnoredAny;

/// What the first line asks for.
#[derive(Default)]
struct Checks<'a> {
    format: Option<&'a str>,
    lenient: bool,
    skew_correction: bool,
    /// Two threads say the same.
    threads: bool,
    /// What is sound is read the same with `--lenient`.
    strictness: bool,
    /// Tables and exports are written as well.
    outputs: bool,
}

impl Checks<'_> {
    fn of(line: &str) -> Option<Checks<'_>> {
        let mut checks = Checks::default();
        for word in line.split_ascii_whitespace() {
            match word {
                "lenient" => checks.lenient = true,
                "skew" => checks.skew_correction = true,
                "threads" => checks.threads = true,
                "strictness" => checks.strictness = true,
                "outputs" => checks.outputs = true,
                _ => checks.format = Some(analyze_traces::input::format_names().find(|it| *it == word)?),
            }
        }
        Some(checks)
    }
}

/// The first line, and what follows it.
fn parted(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().take(80).position(|it| *it == b'\n')?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]))
}

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Some((line, capture)) = parted(bytes) else { return Corpus::Reject };
    let Some(checks) = Checks::of(line) else { return Corpus::Reject };
    check(&checks, capture);
    Corpus::Keep
});

fn check(checks: &Checks<'_>, capture: &[u8]) {
    let mut reading: Vec<&str> = checks.format.iter().flat_map(|it| ["--format", *it]).collect();
    if checks.lenient {
        reading.push("--lenient");
    }
    let mut analysis = reading.clone();
    if checks.skew_correction {
        analysis.push("--skew-correction");
    }
    let report = |more: &[&str]| printed(remembered(&[&analysis, more].concat()), capture);
    let one = report(&["--json", "--threads", "1"]);
    if let Ok(report) = &one {
        serde_json::from_slice::<IgnoredAny>(report).expect("a report is JSON");
    }
    if checks.threads {
        assert_eq!(one, report(&["--json", "--threads", "2"]), "the number of threads shows");
    }
    if checks.strictness && !checks.lenient && one.is_ok() {
        assert_eq!(one, report(&["--json", "--threads", "1", "--lenient"]), "lenient reads sound captures otherwise");
    }
    if checks.outputs {
        let tables = report(&["--threads", "1", "--verbose"]);
        assert_eq!(tables.is_ok(), one.is_ok(), "{tables:?}");
        for target in ["jaeger", "otlp", "zipkin", "spans", "csv"] {
            let args = [&["export", "--to", target, "--threads", "1"][..], &reading].concat();
            let exported = printed(remembered(&args), capture);
            assert_eq!(exported.is_ok(), one.is_ok(), "{exported:?}");
        }
    }
}

/// What these arguments ask for. Reading them again and again would cost more than most captures do.
fn remembered(args: &[&str]) -> Invocation {
    static KNOWN: Mutex<BTreeMap<Vec<String>, Invocation>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().expect("nothing panics while it is held");
    let key: Vec<String> = args.iter().map(ToString::to_string).collect();
    known.entry(key).or_insert_with(|| invocation(args)).clone()
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut random = Random::new(u64::from(seed));
    let Some(line) = parted(&data[..size]).and_then(|it| Checks::of(it.0)) else {
        return fuzzer_mutate(data, size, max_size);
    };
    let options = ["", "", "lenient", "skew"][random.below(4) as usize];
    // Further runs cost more than the first: now and then.
    let further = ["threads", "strictness", "outputs"].get(random.below(32) as usize).unwrap_or(&"");
    let line = format!("{} {options} {further}\n", line.format.unwrap_or(""));
    let capture = parted(&data[..size]).expect("looked at before").1.to_vec();
    let Some(most) = max_size.checked_sub(line.len()).filter(|it| *it >= capture.len()) else { return size };
    let mut buffer = capture.clone();
    buffer.resize(most, 0);
    let n_bytes = mutation::mutate_or_else(&mut buffer, capture.len(), most, &mut random, fuzzer_mutate);
    let changed = [line.as_bytes(), &buffer[..n_bytes]].concat();
    data[..changed.len()].copy_from_slice(&changed);
    changed.len()
});
