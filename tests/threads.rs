//! The same traces give the same bytes, whatever the threads and the order of files.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code, reason = "a test that fails says where")]

#[path = "support/binary.rs"]
mod binary;
#[path = "../benches/throughput/generate.rs"]
mod generate;

use binary::{fixture, run, stdout};

#[test]
fn the_bytes_are_the_same_from_any_number_of_threads() {
    // Several chunks, so that threads have something to share.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("capture.json");
    let mut bytes = Vec::new();
    generate::write_capture(&mut bytes, 12_000_000, 7).unwrap();
    std::fs::write(&path, bytes).unwrap();
    let path = path.to_str().unwrap();
    for flags in [&["--json"][..], &["--json", "--top", "0", "--time-range", "30s"], &["--errors-only"]] {
        let alone = stdout(&[&[path, "--threads", "1"], flags].concat());
        for threads in ["2", "7", "16"] {
            assert!(stdout(&[&[path, "--threads", threads], flags].concat()) == alone, "{threads} threads, {flags:?}");
        }
    }
}

#[test]
fn the_order_of_files_cannot_be_seen() {
    let names = ["checkout-incident.json", "checkout-fixed.json", "shapes/pretty.json", "quirks/several-roots.json"];
    let paths = names.map(fixture);
    let forwards: Vec<&str> = paths.iter().map(String::as_str).collect();
    let backwards: Vec<&str> = forwards.iter().rev().copied().collect();
    let whole = stdout(&[&["--json"], &forwards[..]].concat());
    assert_eq!(stdout(&[&["--json"], &backwards[..]].concat()), whole);
    assert_eq!(stdout(&[&["--json", "--threads", "5"], &backwards[..]].concat()), whole);
}

#[test]
fn the_first_fault_is_reported_whatever_the_threads() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broken.json");
    let mut bytes = Vec::new();
    generate::write_capture(&mut bytes, 8_000_000, 3).unwrap();
    // Two faults, megabytes apart: the second is met first by another thread now and then.
    for at in [3_000_000, 5_000_000] {
        let colon = at + bytes[at..].windows(2).position(|it| it == b"\":").unwrap();
        bytes[colon + 1] = b';';
    }
    std::fs::write(&path, bytes).unwrap();
    let path = path.to_str().unwrap();
    let alone = run(&[path, "--threads", "1"]);
    assert_eq!(alone.status.code(), Some(2));
    for threads in ["2", "3", "8"] {
        for _ in 0..5 {
            assert_eq!(run(&[path, "--threads", threads]), alone, "{threads} threads");
        }
    }
}
