//! The README's promises: its two commands, its flags, its exit codes.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code, reason = "a test that fails says where")]

#[path = "support/binary.rs"]
mod binary;

use binary::stdout;

fn text(name: &str) -> String {
    std::fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The commands of the first console block.
fn opening_commands() -> Vec<String> {
    let readme = text("README.md");
    let block = readme.split("```").nth(1).unwrap();
    block.lines().filter_map(|it| it.strip_prefix("$ ")).map(str::to_owned).collect()
}

#[test]
fn the_first_command_prints_the_bottleneck() {
    let commands = opening_commands();
    let args = commands[0].strip_prefix("cargo run --release -- ").unwrap();
    let report = stdout(&args.split(' ').collect::<Vec<_>>());
    assert!(report.contains("Requests wait longest on user-service database_query"), "{report}");
    assert!(report.contains("8 of 100 traces contain an error (8.0 %); in 5 the request itself failed (5.0 %)"));
    // What the README says it tells is what it tells.
    let readme = text("README.md").split_whitespace().collect::<Vec<_>>().join(" ");
    let report = report.split_whitespace().collect::<Vec<_>>().join(" ");
    for sentence in [
        "8 of 100 traces contain an error (8.0 %); in 5 the request itself failed (5.0 %)",
        "Requests wait longest on user-service database_query: 71.7 % of their time on average, up to 82.0 %",
        "Failures start in recommendation-service GET /recommendations: recommendation model timed out after ? ms (5 of 5 failed requests), and pass through gateway",
    ] {
        assert!(readme.contains(sentence), "README: {sentence}");
        assert!(report.contains(sentence), "report: {sentence}");
    }
}

#[test]
fn the_second_command_is_what_ci_runs() {
    assert_eq!(opening_commands()[1], "cargo test");
    assert!(text(".ci/run").contains("\ncargo test --locked\n"));
}

#[test]
fn every_flag_is_in_the_readme_and_the_other_way_round() {
    let readme = text("README.md");
    let command = analyze_traces::cli::command();
    let of_subcommands = command.get_subcommands().flat_map(|it| it.get_arguments());
    for arg in command.get_arguments().chain(of_subcommands) {
        let Some(long) = arg.get_long() else { continue };
        let is_there = readme.contains(&format!("--{long}")) || matches!(long, "help" | "version");
        assert!(is_there || long == "output" && readme.contains("-o FILE"), "--{long} is not in the README");
    }
    let known: Vec<String> = command
        .get_subcommands()
        .flat_map(|it| it.get_arguments())
        .chain(command.get_arguments())
        .filter_map(|it| it.get_long())
        .map(|it| format!("--{it}"))
        .collect();
    for word in readme
        .split(|it: char| !(it.is_ascii_alphanumeric() || it == '-'))
        .filter(|it| it.starts_with("--") && !it.starts_with("---"))
    {
        let of_others = ["--", "--release", "--path", "--open", "--large"];
        assert!(of_others.contains(&word) || known.iter().any(|it| it == word), "the README names {word}");
    }
}

#[test]
fn the_schema_names_this_version_of_the_json() {
    let schema: serde_json::Value = serde_json::from_str(&text("docs/schema.json")).unwrap();
    assert_eq!(schema["properties"]["schema_version"]["const"], serde_json::json!(1));
}

#[test]
fn shells_and_man_get_what_they_need() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(stdout(&["completions", shell]).contains("analyze-traces"), "{shell}");
    }
    let page = stdout(&["man"]);
    assert!(page.contains(".TH analyze-traces") && page.contains("bottleneck"), "{}", &page[..200]);
}
