//! Who may name whom: read off the `use` lines, so that the arrows of the house keep pointing one way.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test that fails says where")]

use std::fs;
use std::path::{Path, PathBuf};

/// Each module and those of ours it may name.
const ALLOWED: &[(&str, &[&str])] = &[
    ("model", &["model"]),
    ("stats", &["stats"]),
    ("failure", &[]),
    ("near", &[]),
    ("report", &["report"]),
    ("input", &["input", "model", "failure"]),
    ("fetch", &["fetch", "input", "model", "failure"]),
    ("filter", &["model"]),
    ("passes", &["passes", "model", "stats", "report"]),
    ("render", &["render", "report"]),
    ("pipeline", &["pipeline", "input", "model", "failure"]),
    ("export", &["export", "model"]),
    ("diff", &["diff", "model", "stats", "report"]),
    ("gates", &["gates", "diff", "model", "near", "report", "stats"]),
    ("cli", &["cli", "diff", "export", "failure", "fetch", "filter", "gates", "input", "model", "near", "passes"]),
    (
        "run",
        &[
            "run", "cli", "diff", "export", "failure", "fetch", "filter", "gates", "input", "model", "near", "passes",
            "pipeline", "render", "report",
        ],
    ),
];

fn rust_files(path: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|it| it == "rs") {
            files.push(path);
        }
    }
}

fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap()
}

/// The module names after `crate::` in a file, tests aside.
fn named(text: &str) -> Vec<String> {
    let text = without_tests(text);
    let code: Vec<&str> = text.lines().filter(|it| !it.trim_start().starts_with("//")).collect();
    let mut names = Vec::new();
    for part in code.join("\n").split("crate::").skip(1) {
        let name: String = part.chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect();
        if name.starts_with(char::is_lowercase) {
            names.push(name);
        }
    }
    names
}

#[test]
fn modules_name_only_those_below_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let mut n_checked = 0;
    for file in files {
        let relative = file.strip_prefix(&src).unwrap();
        let top =
            relative.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
        if top == "lib" || top == "main" {
            continue;
        }
        let (_, allowed) =
            ALLOWED.iter().find(|(name, _)| *name == top).unwrap_or_else(|| panic!("{top} is not listed here"));
        for name in named(&fs::read_to_string(&file).unwrap()) {
            assert!(allowed.contains(&name.as_str()), "{} names {name}", relative.display());
            n_checked += 1;
        }
    }
    assert!(n_checked > 50, "the use lines were found");
}

#[test]
fn only_main_knows_the_process() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    for file in files.iter().filter(|it| !it.ends_with("src/main.rs")) {
        let text = fs::read_to_string(file).unwrap();
        let text = without_tests(&text);
        for word in ["io::stdout(", "io::stderr(", "io::stdin(", "process::exit(", "env::var", "SystemTime::now"] {
            assert!(!text.contains(word), "{} reaches for {word}", file.display());
        }
    }
    for file in files.iter().filter(|it| !it.ends_with("render/table.rs")) {
        assert!(!fs::read_to_string(file).unwrap().contains("use tabled"), "{} names tabled", file.display());
    }
}
