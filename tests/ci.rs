//! What CI systems are told: reports as others read them, and the commands of `docs/ci.md`.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code, reason = "a test that fails says where")]

#[path = "support/captures.rs"]
mod captures;

use std::collections::HashSet;

use captures::{Workplace, capture};

/// Names that mean something in every form there is.
const EVIL: &str = "a|b<c>&\"'`*_%25\r\n::error::x\u{1b}[31m]]>@you";

/// The same as people see it.
const SHOWN: &str = "a|b<c>&\"'`*_%25\\r\\n::error::x\\u{1b}[31m]]>@you";

fn evil(n: usize, ms: f64, message: Option<&'static str>) -> String {
    capture(n, |nth| vec![(EVIL, "GET /a|b", ms + nth as f64 / 100.0, message), ("pay", EVIL, ms / 2.0, message)])
}

fn workplace() -> Workplace {
    Workplace::new(&[("before.json", &evil(100, 20.0, None)), ("after.json", &evil(100, 50.0, Some(EVIL)))])
}

/// A gate on the evil operation, as it is typed.
fn gate(limit: &str) -> String {
    format!("pay:{EVIL}={limit}")
}

#[test]
fn junit_is_xml_with_the_text_within_the_failure() {
    let workplace = workplace();
    let (gate, tight) = (gate("1ms"), gate("10s"));
    let gates = ["--max-p95", &gate, "--max-p99", &tight, "--max-p95", &gate];
    let args = [&["diff", "before.json", "after.json", "--report", "junit=out.xml"], &gates[..]].concat();
    assert_eq!(workplace.run(&args).0, 1);
    let text = workplace.read("out.xml");
    let document = roxmltree::Document::parse(&text).unwrap();
    let suite = document.descendants().find(|it| it.has_tag_name("testsuite")).unwrap();
    let cases: Vec<roxmltree::Node<'_, '_>> = suite.children().filter(|it| it.has_tag_name("testcase")).collect();
    let names: HashSet<(&str, &str)> =
        cases.iter().map(|it| (it.attribute("classname").unwrap(), it.attribute("name").unwrap())).collect();
    assert_eq!(names.len(), cases.len(), "no two cases have the same name");
    let failures: Vec<&roxmltree::Node<'_, '_>> =
        cases.iter().filter(|it| it.children().any(|it| it.has_tag_name("failure"))).collect();
    let count = |name: &str| suite.attribute(name).unwrap().parse::<usize>().unwrap();
    assert_eq!((count("tests"), count("failures")), (cases.len(), failures.len()));
    // The same gate typed twice is one.
    assert_eq!(cases.iter().filter(|it| it.attribute("classname") == Some("gates")).count(), 2);
    assert_eq!(failures[0].attribute("name").unwrap(), format!("--max-p95 pay:{SHOWN}=1ms"));
    for it in failures {
        let failure = it.children().find(|it| it.has_tag_name("failure")).unwrap();
        assert!(failure.text().unwrap().len() > 10, "{failure:?}");
    }
    assert!(cases.iter().any(|it| it.attribute("classname") == Some("diff.duration")));
}

#[test]
fn markdown_tables_keep_their_shape() {
    let workplace = workplace();
    let gate = gate("1ms");
    let args = ["diff", "before.json", "after.json", "--report", "markdown=out.md", "--max-p95", &gate];
    assert_eq!(workplace.run(&args).0, 1);
    let text = workplace.read("out.md");
    let options = pulldown_cmark::Options::ENABLE_TABLES;
    let mut columns = 0;
    let mut cells = 0;
    let mut shown = String::new();
    let mut n_rows = 0;
    for event in pulldown_cmark::Parser::new_ext(&text, options) {
        use pulldown_cmark::{Event, Tag, TagEnd};
        match event {
            Event::Start(Tag::Table(alignments)) => columns = alignments.len(),
            Event::Start(Tag::TableRow | Tag::TableHead) => cells = 0,
            Event::Start(Tag::TableCell) => cells += 1,
            Event::End(TagEnd::TableRow | TagEnd::TableHead) => {
                assert_eq!(cells, columns);
                n_rows += 1;
            }
            Event::Text(it) => shown.push_str(&it),
            Event::InlineHtml(tag) => assert!(["<code>", "</code>"].contains(&&*tag), "{tag}"),
            Event::Html(tag) => panic!("{tag}"),
            Event::Start(Tag::Link { .. } | Tag::Emphasis | Tag::CodeBlock(_)) => panic!("{event:?}"),
            _ => {}
        }
    }
    assert!(n_rows > 8 && shown.contains(&format!("--max-p95 pay:{SHOWN}=1ms")), "{n_rows}: {shown}");
    assert!(text.starts_with("## analyze-traces diff: regressed\n"), "{text}");
}

#[test]
fn annotations_are_a_line_each_and_few() {
    let workplace = workplace();
    let gate = gate("1ms");
    let args = ["diff", "before.json", "after.json", "--report", "github", "--max-p95", &gate];
    let (status, out, said) = workplace.run(&args);
    assert!(status == 1 && !out.contains("::error title"), "{out}");
    let annotations: Vec<&str> = said.lines().filter(|it| it.starts_with("::")).collect();
    let first = annotations[0];
    let title = "--max-p95 pay%3Aa|b<c>&\"'`*_%2525\\r\\n%3A%3Aerror%3A%3Ax\\u{1b}[31m]]>@you=1ms";
    assert!(first.starts_with(&format!("::error title={title}::p95 is 25")), "{first}");
    assert!(annotations.iter().any(|it| it.starts_with("::error title=Regressed::")), "{said}");
    assert!(annotations.last().unwrap().starts_with("::warning title=Most suspicious::"), "{said}");
    assert!(!said.contains('\u{1b}'), "{said}");
    // Many gates are not as many annotations.
    let gates: Vec<String> = (1..=30).map(|it| format!("pay:{EVIL}={it}us")).collect();
    let mut args = vec!["after.json", "--report", "github"];
    gates.iter().for_each(|it| args.extend(["--max-p50", it]));
    let (status, _, said) = workplace.run(&args);
    let annotations: Vec<&str> = said.lines().filter(|it| it.starts_with("::")).collect();
    assert_eq!((status, annotations.len()), (1, 10));
    assert!(annotations[9].contains("21 more"), "{}", annotations[9]);
    assert_eq!(said.lines().filter(|it| it.starts_with("failed: ")).count(), 30);
}

#[test]
fn reports_are_whole_or_not_there_and_the_same_every_time() {
    let workplace = workplace();
    let run = |threads: &str, prefix: &str| {
        let reports = [format!("junit={prefix}.xml"), format!("markdown={prefix}.md")];
        let args = [
            "diff",
            "before.json",
            "after.json",
            "--threads",
            threads,
            "--report",
            &reports[0],
            "--report",
            &reports[1],
        ];
        assert_eq!(workplace.run(&args).0, 1);
        (workplace.read(&format!("{prefix}.xml")), workplace.read(&format!("{prefix}.md")))
    };
    assert_eq!(run("1", "one"), run("7", "seven"));
    for (report, more, error) in [
        ("junit=nowhere/out.xml", &[][..], "failed to write nowhere/out.xml: "),
        ("junit=after.json", &[], "failed to write after.json: it is a capture that was read"),
        ("junit=out", &["--report", "markdown=./out"], "failed to write ./out: it is to hold another report too"),
        ("markdown=out", &["-o", "out"], "failed to write out: it is to hold another report too"),
    ] {
        let args = [&["before.json", "after.json", "--require", "pay", "--report", report], more].concat();
        let (status, _, said) = workplace.run(&args);
        assert!(status == 2 && said.contains(&format!("error: {error}")), "{report}: {said}");
        assert!(!workplace.path().join("out").exists());
    }
    let names: Vec<String> = std::fs::read_dir(workplace.path())
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .filter(|it| it.starts_with(".analyze-traces"))
        .collect();
    assert_eq!(names, [""; 0]);
}

#[test]
fn an_analysis_reports_its_gates_and_tables() {
    let workplace = workplace();
    let reports = ["--report", "junit=out.xml", "--report", "markdown=out.md"];
    let (status, ..) = workplace.run(&[&["after.json", "--require", "pay", "--performance"], &reports[..]].concat());
    assert_eq!(status, 0);
    assert!(workplace.read("out.xml").contains(r#"tests="1" failures="0""#));
    let text = workplace.read("out.md");
    assert!(text.contains("### Gates") && text.contains("### Performance"), "{text}");
    // Markdown has something to say without gates too.
    assert_eq!(workplace.run(&["after.json", "--report", "markdown=out.md"]).0, 0);
}

/// The code blocks of `docs/ci.md` in a language.
fn blocks(language: &str) -> Vec<String> {
    let path = format!("{}/docs/ci.md", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let begin = format!("```{language}\n");
    text.split(&begin).skip(1).map(|it| it.split("```").next().unwrap().to_owned()).collect()
}

/// The scripts of a workflow: what stands below `run: |`, or in the list below `script:`.
fn scripts(yaml: &str) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let lines: Vec<&str> = yaml.lines().collect();
    let mut scripts = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let body = lines[at + 1..].iter().take_while(|it| indent(it) > indent(line));
        if line.trim_end().ends_with("run: |") {
            scripts.push(body.map(|it| format!("{}\n", it.trim())).collect());
        } else if line.trim() == "script:" {
            scripts.extend(body.map(|it| it.trim().strip_prefix("- ").unwrap().to_owned()));
        }
    }
    scripts
}

/// Runs a script as CI does, with a `curl` that fetches a fixture and a load test that does nothing.
#[cfg(unix)]
fn run_script(workplace: &Workplace, script: &str, fetched: &str) -> (i32, String) {
    use std::os::unix::fs::PermissionsExt;
    let bin = workplace.path().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let fixture = format!("{}/fixtures/{fetched}", env!("CARGO_MANIFEST_DIR"));
    for (path, text) in [
        (bin.join("curl"), format!("#!/bin/sh\n[ \"$1 $2\" = '-sSf -o' ] && cp '{fixture}' \"$3\"\n")),
        (workplace.path().join("load-test.sh"), "#!/bin/sh\n".to_owned()),
    ] {
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_analyze-traces")).parent().unwrap();
    let path = format!("{}:{}:{}", bin.display(), program.display(), std::env::var("PATH").unwrap());
    let output = std::process::Command::new("sh")
        .args(["-e", "-c", script])
        .current_dir(workplace.path())
        .env("PATH", path)
        .env("GITHUB_STEP_SUMMARY", workplace.path().join("summary.md"))
        .output()
        .unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[cfg(unix)]
#[test]
fn the_commands_of_the_document_run() {
    let [github, gitlab] = &blocks("yaml")[..] else { panic!("two workflows") };
    let (github, gitlab) = (scripts(github), scripts(gitlab));
    assert_eq!((github.len(), gitlab.len()), (4, 4));
    let [fetch, hold, compare, make] = &github[..] else { panic!("{github:?}") };
    let workplace = Workplace::new(&[("analyze-traces.toml", &blocks("toml")[0])]);
    // On the main branch all is well.
    for script in [fetch, hold, make] {
        assert_eq!(run_script(&workplace, script, "checkout-fixed.json"), (0, String::new()), "{script}");
    }
    assert!(workplace.read("summary.md").contains("No limit is exceeded (4 gates)"));
    assert_eq!(run_script(&workplace, compare, "checkout-fixed.json"), (0, String::new()), "{compare}");
    // Then somebody breaks it.
    assert_eq!(run_script(&workplace, fetch, "checkout-incident.json").0, 0);
    let (status, said) = run_script(&workplace, hold, "");
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("failed: --max-p95 gateway:POST /checkout=400ms: p95 is 1.73 s: 100 of 100 calls"), "{said}");
    assert!(
        said.contains("::error title=--max-error-rate gateway=1%25::5 of 100 requests into gateway fail"),
        "{said}"
    );
    let (status, said) = run_script(&workplace, compare, "");
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("failed: --fail-on regressed: the verdict is regressed"), "{said}");
    assert!(workplace.read("summary.md").starts_with("## analyze-traces diff: regressed\n"));
    // GitLab runs every line by itself and stops at the first that fails.
    let statuses: Vec<i32> = gitlab.iter().map(|it| run_script(&workplace, it, "checkout-incident.json").0).collect();
    assert_eq!(statuses, [0, 0, 1, 1]);
    assert!(workplace.read("gates.xml").contains("<failure") && workplace.read("comparison.xml").contains("<failure"));
    serde_json::from_str::<serde_json::Value>(&workplace.read("comparison.json")).unwrap();
}

#[test]
fn the_document_names_every_gate_and_every_key() {
    let path = format!("{}/docs/ci.md", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let command = analyze_traces::cli::command();
    let diff = command.find_subcommand("diff").unwrap();
    let gates: Vec<&str> = diff
        .get_arguments()
        .filter(|it| it.get_help_heading() == Some("Gates"))
        .filter_map(|it| it.get_long())
        .collect();
    assert_eq!(gates.len(), 13, "{gates:?}");
    for name in gates {
        assert!(text.contains(&format!("--{name}")), "--{name}");
    }
}
