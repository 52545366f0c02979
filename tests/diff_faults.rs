//! Labelled faults in a real system: the service into which each was injected ranks first.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    dead_code,
    reason = "a test says what went wrong by panicking"
)]

#[path = "support/binary.rs"]
mod binary;

use std::path::PathBuf;

/// Where the captures are, if they are anywhere: `ANALYZE_TRACES_NEZHA`, or beside the repository.
fn directory() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/nezha");
    let directory = std::env::var_os("ANALYZE_TRACES_NEZHA").map_or_else(beside, PathBuf::from);
    if directory.is_dir() {
        return Some(directory);
    }
    println!("SKIPPED: there is no {} (ANALYZE_TRACES_NEZHA says where the captures are)", directory.display());
    None
}

/// The suspects of one fault with their scores, most suspicious first.
fn suspects(case: &std::path::Path) -> Vec<(String, f64)> {
    let side = |name: &str| case.join(name).to_str().unwrap().to_owned();
    let args = ["diff", &side("before.json.gz"), &side("after.json.gz"), "--json", "--fail-on", "never"];
    let report: serde_json::Value = serde_json::from_str(&binary::stdout(&args)).unwrap();
    let suspects = report["suspects"].as_array().unwrap();
    suspects.iter().map(|it| (it["service"].as_str().unwrap().to_owned(), it["score"].as_f64().unwrap())).collect()
}

#[test]
fn the_service_at_fault_is_the_first_suspect() {
    let Some(directory) = directory() else { return };
    let truth = std::fs::read_to_string(directory.join("truth.tsv")).unwrap();
    let rows: Vec<Vec<&str>> = truth.lines().skip(1).map(|it| it.split('\t').collect()).collect();
    // Of the other kinds there is no trace in the times.
    let is_slow = |kind: &str| kind.starts_with("cpu_") || kind == "network_delay";
    let rows: Vec<&Vec<&str>> = rows.iter().filter(|it| is_slow(it[2])).collect();
    assert_eq!(rows.len(), 17);
    let mut wrong = Vec::new();
    println!("{:<46} {:>9}  {:<22} score  next", "fault", "rank", "first suspect");
    for row in rows {
        let suspects = suspects(&directory.join(row[0]));
        let rank = suspects.iter().position(|it| it.0 == row[1]).map(|it| it + 1);
        let next = suspects.get(1).map_or(0.0, |it| it.1);
        println!("{:<46} {:>9}  {:<22} {:.1}  {next:.1}", row[0], format!("{rank:?}"), suspects[0].0, suspects[0].1);
        if rank != Some(1) {
            wrong.push(row[0]);
        }
    }
    assert!(wrong.is_empty(), "not ranked first: {wrong:?}");
}
