//! Gates: each flag, each exit status, the file they may stand in.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code, reason = "a test that fails says where")]

#[path = "support/captures.rs"]
mod captures;
#[path = "support/schema.rs"]
mod schema;

use captures::{Workplace, capture};
use serde_json::Value;

/// A shop: calls take 1 to 100 ms in a known order, one in ten fails.
fn shop() -> String {
    capture(100, |nth| {
        let ms = (nth * 37 % 100 + 1) as f64;
        let message = (nth % 10 == 0).then_some("card declined");
        vec![
            ("web", "GET /", 200.0, None),
            ("pay", "POST /pay=now", ms, message),
            ("bank:eu", "charge", ms / 2.0, None),
        ]
    })
}

fn workplace() -> Workplace {
    Workplace::new(&[("shop.json", &shop())])
}

#[test]
fn budgets_hold_up_to_their_limit_in_any_unit() {
    let workplace = workplace();
    for (flag, gate, expected) in [
        ("--max-p95", "pay:POST /pay=now=95ms", None),
        ("--max-p95", "pay:POST /pay=now=95", None),
        ("--max-p95", "pay:POST /pay=now=0.095s", None),
        ("--max-p95", "pay:POST /pay=now=94.999ms", Some(": 6 of 100 calls take longer than 95 ms")),
        ("--max-p95", "web:GET /=1.5s", None),
        ("--max-p50", "pay:POST /pay=now=50ms", None),
        ("--max-p50", "pay:POST /pay=now=49ms", Some(": 51 of 100 calls take longer than 49 ms")),
        ("--max-p99", "pay:POST /pay=now=99ms", None),
        ("--max-p99", "pay:POST /pay=now=98999us", Some(": 2 of 100 calls take longer than 99 ms")),
        ("--max-error-rate", "pay:POST /pay=now=10%", None),
        ("--max-error-rate", "pay:POST /pay=now=9.99%", Some("10 of 100 calls fail (10.0 %)")),
        ("--max-error-rate", "pay=0.5%", Some("10 of 100 requests into pay fail (10.0 %)")),
        ("--max-error-rate", "web=0%", None),
        ("--max-error-rate", r"bank\:eu:charge=1%", None),
        ("--require", "pay:POST /pay=now", None),
        ("--require", r"bank\:eu", None),
        ("--require", "bank:eu", Some("there is no service 'bank'; there is bank:eu")),
    ] {
        let (status, _, said) = workplace.run(&["shop.json", flag, gate]);
        match expected {
            None => assert_eq!((status, said.as_str()), (0, ""), "{flag} {gate}"),
            Some(message) => {
                assert_eq!(status, 1, "{flag} {gate}");
                assert!(said.starts_with(&format!("failed: {flag} {gate}: ")), "{said}");
                assert!(said.contains(message) && said.lines().count() == 1, "{gate}: {said}");
            }
        }
    }
}

#[test]
fn what_is_absent_fails_and_what_is_near_is_named() {
    let workplace = workplace();
    for (flag, gate, message) in [
        ("--max-p95", "pay:POST /pya=now=1h", "pay has no operation 'POST /pya=now'; there is POST /pay=now"),
        ("--max-error-rate", "pai=100%", "there is no service 'pai'; there is pay"),
        ("--require", "inventory:list", "there is no service 'inventory'"),
    ] {
        let (status, _, said) = workplace.run(&["shop.json", flag, gate]);
        assert_eq!((status, said.trim_end()), (1, format!("failed: {flag} {gate}: {message}").as_str()));
    }
    let (status, out, said) = workplace.run(&["shop.json", "--require", "pay", "--service", "nobody", "--no-config"]);
    assert_eq!(status, 1, "{out}{said}");
    assert!(said.contains("failed: --require pay: there is no service 'pay'\n"), "{said}");
}

#[test]
fn what_makes_no_sense_is_an_error_with_a_hint() {
    let workplace = workplace();
    for (args, error) in [
        (["--max-p95", "pay:POST /pay"], "--max-p95 pay:POST /pay: there is no limit"),
        (["--max-p95", "pay=300ms"], "--max-p95 pay=300ms: it names no operation"),
        (["--max-p95", "pay:=300ms"], "--max-p95 pay:=300ms: it names no operation"),
        (["--max-p95", ":GET=300ms"], "--max-p95 :GET=300ms: it names no service"),
        (["--max-p50", "a:b=3 fortnights"], "--max-p50 a:b=3 fortnights: '3 fortnights' is not a duration"),
        (["--max-p99", "a:b=-1ms"], "--max-p99 a:b=-1ms: '-1ms' is not a duration"),
        (["--max-error-rate", "a=0.01"], "--max-error-rate a=0.01: '0.01' is not a percentage"),
        (["--max-error-rate", "a=101%"], "--max-error-rate a=101%: no more than 100 % can fail"),
        (["--max-error-rate", "a=300ms"], "--max-error-rate a=300ms: '300ms' is not a percentage"),
        (["--require", ""], "--require : it names no service"),
        (["--report", "pdf=x"], "--report pdf=x: there is no such report"),
        (["--report", "junit"], "--report junit: it names no file"),
        (["--report", "markdown=-"], "--report markdown=-: standard output is for the results"),
        (["--report", "github=x"], "--report github=x: annotations go to standard error"),
        (["--report", "github"], "--report github tells of gates, and there are none"),
        (["--report", "junit=x.xml"], "--report junit tells of gates, and there are none"),
        (["--config", "nowhere.toml"], "failed to read nowhere.toml: "),
    ] {
        let (status, out, said) = workplace.run(&[&["shop.json"], &args[..]].concat());
        assert_eq!((status, out.as_str()), (2, ""), "{args:?}");
        assert!(said.starts_with(&format!("error: {error}")), "{args:?}: {said}");
        assert!(said.contains("\n\nhint: "), "{args:?}: {said}");
    }
    for args in [["--max-p95-increase", "a:b=10"], ["--max-p95-increase", "a=10%"]] {
        let (status, _, said) = workplace.run(&[&["diff", "shop.json", "shop.json"], &args[..]].concat());
        assert!(status == 2 && said.contains("\n\nhint: write it like --max-p95-increase 'checkout:"), "{said}");
    }
    // What needs two captures is no flag of an analysis.
    let (status, _, said) = workplace.run(&["shop.json", "--forbid-new-edges"]);
    assert!(status == 2 && said.contains("unexpected argument"), "{said}");
}

#[test]
fn gates_are_in_the_json_and_below_the_tables() {
    let workplace = workplace();
    let gates = ["--max-p95", "pay:POST /pay=now=2s", "--require", "pay", "--max-error-rate", "pay=5%"];
    let (status, out, _) = workplace.run(&[&["shop.json", "--json", "--errors"], &gates[..]].concat());
    assert_eq!(status, 1);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(schema::violations(&schema::closed(), &report), [""; 0]);
    let expected = serde_json::json!([
        {"gate": "--require pay", "passed": true, "judged": true, "message": "seen 100 times"},
        {"gate": "--max-p95 pay:POST /pay=now=2s", "passed": true, "judged": true,
         "message": report["gates"][1]["message"]},
        {"gate": "--max-error-rate pay=5%", "passed": false, "judged": true,
         "message": "10 of 100 requests into pay fail (10.0 %)"},
    ]);
    assert_eq!(report["gates"], expected);
    assert!(report["gates"][1]["message"].as_str().unwrap().starts_with("p95 is 95"), "{}", report["gates"][1]);
    let (_, table, _) = workplace.run(&[&["shop.json", "--errors"], &gates[..]].concat());
    let (_, shown) = table.split_once("\nGates  limits that were set\n").unwrap();
    assert!(shown.contains("1 of 3 gates failed"), "{shown}");
    assert!(shown.lines().any(|it| it.contains("--max-error-rate pay=5%") && it.contains("failed")), "{shown}");
    // Without gates neither has anything about them.
    let (_, out, _) = workplace.run(&["shop.json", "--json", "--errors"]);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap().get("gates"), None);
    assert!(!workplace.run(&["shop.json"]).1.contains("Gates"));
}

#[test]
fn gates_are_the_same_whatever_the_threads() {
    let workplace = workplace();
    let run = |threads| {
        let args = ["shop.json", "--json", "--errors", "--max-p95", "pay:POST /pay=now=20ms", "--threads", threads];
        workplace.run(&args)
    };
    assert_eq!(run("1"), run("2"));
    assert_eq!(run("1"), run("7"));
}

const FILE: &str = r#"
# What the shop promises.
require = ["pay"]
fail-on = "never"
forbid-new-edges = true
forbid-new-errors = true
require-data = false

[max-p95]
"pay:POST /pay=now" = "1ms"
"web:GET /" = 1000

[max-error-rate]
"pay" = "50%"

[max-p95-increase]
"pay:POST /pay=now" = "10%"
"#;

fn gates_of(out: &str) -> Vec<(String, bool)> {
    let report: Value = serde_json::from_str(out).unwrap();
    let gates = report["gates"].as_array().unwrap();
    gates.iter().map(|it| (it["gate"].as_str().unwrap().to_owned(), it["passed"].as_bool().unwrap())).collect()
}

#[test]
fn a_file_has_the_same_gates_and_flags_win() {
    let workplace = workplace();
    workplace.write("analyze-traces.toml", FILE);
    let (status, out, _) = workplace.run(&["shop.json", "--json", "--errors"]);
    let gate = |it: &str, passed| (it.to_owned(), passed);
    assert_eq!(status, 1);
    let of_file = [
        gate("--require pay", true),
        gate("--max-p95 pay:POST /pay=now=1ms", false),
        gate("--max-p95 web:GET /=1000", true),
        gate("--max-error-rate pay=50%", true),
    ];
    assert_eq!(gates_of(&out), of_file);
    // The same subject is the flag's, others stay.
    let (status, out, said) =
        workplace.run(&["shop.json", "--json", "--errors", "--max-p95", "pay:POST /pay=now=1s", "-v"]);
    assert_eq!(status, 0);
    assert!(said.contains("gates: read analyze-traces.toml\n"), "{said}");
    let mut expected = of_file.clone();
    expected[1] = gate("--max-p95 pay:POST /pay=now=1s", true);
    assert_eq!(gates_of(&out), expected);
    // Another file instead, or none.
    workplace.write("other.toml", "[max-p50]\n\"web:GET /\" = \"1s\"\n");
    let (status, out, _) = workplace.run(&["shop.json", "--json", "--errors", "--config", "other.toml"]);
    assert_eq!((status, gates_of(&out)), (0, vec![gate("--max-p50 web:GET /=1s", true)]));
    let (status, out, _) = workplace.run(&["shop.json", "--json", "--errors", "--no-config"]);
    assert!(status == 0 && !out.contains("\"gates\""), "{out}");
    // In a comparison what compares holds too.
    let (status, out, _) = workplace.run(&["diff", "shop.json", "shop.json", "--json"]);
    assert_eq!(status, 1);
    assert_eq!(schema::violations(&schema::closed_diff(), &serde_json::from_str(&out).unwrap()), [""; 0]);
    let names: Vec<String> = gates_of(&out).into_iter().map(|it| it.0).collect();
    assert_eq!(names[4..], ["--max-p95-increase pay:POST /pay=now=10%", "--forbid-new-edges", "--forbid-new-errors"]);
}

#[test]
fn what_is_wrong_in_a_file_is_named_with_its_line() {
    let workplace = workplace();
    for (text, error, hint) in [
        ("[max-p59]\n", "line 1: unknown key 'max-p59'", "there is max-p50, max-p95, max-p99"),
        ("\nbudget = 1\n", "line 2: unknown key 'budget'", "the keys are max-p50, "),
        ("max-p95 = \"a:b=1s\"", "line 1: max-p95 is no table of limits", "write a table: [max-p95]"),
        ("[max-p95]\n\n\"a:b\" = true", "line 3: the limit of 'a:b' is no text", "write it as"),
        ("[max-p95]\n\"a:b\" = \"soon\"", "line 2: --max-p95 a:b=soon: 'soon' is not a duration", "write it like"),
        ("[max-error-rate]\na = 0.01", "line 2: --max-error-rate a=0.01: '0.01' is not a percentage", "write it like"),
        ("require = \"pay\"", "line 1: require is no list", "write a list"),
        ("require = [1]", "line 1: require lists what is no text", "write a list"),
        (
            "forbid-new-edges = \"yes\"",
            "line 1: forbid-new-edges is neither true nor false",
            "write forbid-new-edges = true",
        ),
        ("fail-on = \"always\"", "line 1: fail-on is no verdict", "write fail-on"),
        ("a = = 1", "line 1: ", "it is TOML"),
        ("[max-p95]\na = 1\na = 2\n", "line 3: ", "it is TOML"),
        ("[max-p95]\n\"a:b\" = 0x10", "line 2: the limit of 'a:b' is no text", "write it as"),
    ] {
        workplace.write("analyze-traces.toml", text);
        let (status, out, said) = workplace.run(&["shop.json"]);
        assert_eq!((status, out.as_str()), (2, ""), "{text}: {said}");
        assert!(said.starts_with(&format!("error: failed to read analyze-traces.toml: {error}")), "{text}: {said}");
        assert!(said.contains(&format!("\nhint: {hint}")), "{text}: {said}");
    }
    workplace.write("analyze-traces.toml", &"#".repeat((1 << 20) + 1));
    let (status, _, said) = workplace.run(&["shop.json"]);
    assert!(status == 2 && said.contains("it is larger than 1 MiB"), "{said}");
}

/// Traces of one call, as long as the factor says.
fn calls(n: usize, factor: f64) -> String {
    capture(n, |nth| vec![("pay", "POST /pay", (50 + nth * 7 % 13) as f64 * factor, None)])
}

#[test]
fn the_verdict_fails_as_it_was_asked_to() {
    let files =
        [("few", 5, 1.0), ("some", 30, 1.0), ("some-slow", 30, 2.0), ("many", 100, 1.0), ("many-slow", 100, 2.0)];
    let workplace = Workplace::new(&[]);
    files.iter().for_each(|(name, n, factor)| workplace.write(name, &calls(*n, *factor)));
    let budget = ["--max-p95", "pay:POST /pay=1ms"];
    for (before, after, verdict, flags, expected) in [
        ("many", "many", "unchanged", &[][..], 0),
        ("many", "many-slow", "regressed", &[], 1),
        ("many", "many-slow", "regressed", &["--fail-on", "suspect"], 1),
        ("many", "many-slow", "regressed", &["--fail-on", "never"], 0),
        ("many-slow", "many", "improved", &["--fail-on", "suspect"], 0),
        ("some", "some-slow", "suspect", &[], 0),
        ("some", "some-slow", "suspect", &["--fail-on", "regressed"], 0),
        ("some", "some-slow", "suspect", &["--fail-on", "suspect"], 1),
        ("few", "few", "insufficient", &["--fail-on", "suspect"], 0),
        ("few", "few", "insufficient", &["--require-data"], 2),
        ("many", "many", "unchanged", &["--require-data"], 0),
    ] {
        let all = [&["diff", before, after, "--json"], flags].concat();
        let (status, out, said) = workplace.run(&all);
        let report: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(report["verdict"], verdict, "{all:?}");
        assert_eq!(status, expected, "{all:?}: {said}");
        assert_eq!(said.contains("failed: --fail-on "), expected == 1, "{said}");
        assert_eq!(said.contains("error: too few traces"), expected == 2, "{said}");
        // A budget fails all the same, and too little data is no excuse.
        let (status, _, said) = workplace.run(&[&all[..], &budget].concat());
        assert!(status == 1 && said.contains("failed: --max-p95 pay:POST /pay=1ms: p95 is "), "{all:?}: {said}");
    }
    workplace.write("analyze-traces.toml", "fail-on = \"suspect\"\nrequire-data = true\n");
    assert_eq!(workplace.run(&["diff", "some", "some-slow"]).0, 1);
    assert_eq!(workplace.run(&["diff", "some", "some-slow", "--fail-on", "never"]).0, 0);
    assert_eq!(workplace.run(&["diff", "few", "few"]).0, 2);
}

#[test]
fn a_p95_may_grow_by_so_much_and_chance() {
    let workplace = Workplace::new(&[
        ("before", &calls(200, 1.0)),
        ("same", &calls(200, 1.001)),
        ("slow", &calls(200, 1.5)),
        ("few", &calls(30, 3.0)),
        ("other", &capture(200, |_| vec![("pay", "GET /", 1.0, None)])),
    ]);
    let gate = |limit: &str| format!("pay:POST /pay={limit}");
    let judged = |after: &str, limit: &str, more: &[&str]| {
        let gate = gate(limit);
        let args = ["diff", "before", after, "--json", "--fail-on", "never", "--max-p95-increase", &gate];
        let (status, out, _) = workplace.run(&[&args[..], more].concat());
        let report: Value = serde_json::from_str(&out).unwrap();
        let found = &report["gates"][0];
        let bool = |key: &str| found[key].as_bool().unwrap();
        (status, bool("passed"), bool("judged"), found["message"].as_str().unwrap().to_owned())
    };
    assert_eq!(judged("same", "10%", &[]).0, 0);
    let (status, passed, _, message) = judged("slow", "10%", &[]);
    assert!(status == 1 && !passed && message.contains(" or more (200 traces before, 200 after)"), "{message}");
    let (status, passed, _, message) = judged("slow", "60%", &[]);
    assert!(status == 0 && passed && message.contains("which is within the limit"), "{message}");
    let (status, passed, is_judged, message) = judged("few", "10%", &[]);
    assert!(
        status == 0 && passed && !is_judged && message.starts_with("too few comparable traces to tell: p95 went"),
        "{message}"
    );
    assert_eq!(judged("few", "10%", &["--require-data"]).0, 2);
    // More expensive requests of another endpoint make nothing slower.
    let mixed = |n_pages: usize| {
        capture(400, move |nth| {
            let is_page = nth % 10 < n_pages;
            let (root, ms) = if is_page { ("GET /page", 90.0) } else { ("GET /item", 9.0) };
            vec![("web", root, 200.0, None), ("pay", "POST /pay", ms + (nth * 7 % 13) as f64 / 10.0, None)]
        })
    };
    workplace.write("items", &mixed(0));
    workplace.write("pages", &mixed(5));
    workplace.write("more-pages", &mixed(9));
    let limit = gate("10%");
    for before in ["items", "pages"] {
        let args = ["diff", before, "more-pages", "--json", "--fail-on", "never", "--max-p95-increase", &limit];
        let (status, out, _) = workplace.run(&args);
        assert_eq!(status, 0, "{before}: {out}");
    }
    let (status, passed, ..) = judged("other", "10%", &[]);
    assert!(status == 1 && !passed);
    let (status, _, said) =
        workplace.run(&["diff", "other", "before", "--fail-on", "never", "--max-p95-increase", &gate("10%")]);
    assert!(status == 1 && said.contains("does not occur before"), "{said}");
}

#[test]
fn new_calls_and_new_errors_can_be_forbidden() {
    let web = ("web", "GET /", 20.0, None);
    let pay = ("pay", "POST /pay", 10.0, None);
    let failing = |message| ("pay", "POST /pay", 10.0, Some(message));
    let every = move |n: usize, message: &'static str| {
        capture(200, move |nth| vec![web, if nth % n == 0 { failing(message) } else { pay }])
    };
    let workplace = Workplace::new(&[
        ("plain", &capture(200, |_| vec![web, pay])),
        (
            "bank",
            &capture(
                200,
                |nth| if nth % 4 == 0 { vec![web, pay, ("bank", "charge", 5.0, None)] } else { vec![web, pay] },
            ),
        ),
        (
            "rare",
            &capture(200, |nth| if nth == 0 { vec![web, pay, ("bank", "charge", 5.0, None)] } else { vec![web, pay] }),
        ),
        ("declined", &every(10, "card declined")),
        ("expired", &every(10, "card expired")),
        ("once", &every(200, "card expired")),
        (
            "failing-bank",
            &capture(200, |nth| {
                if nth % 4 == 0 { vec![web, pay, ("bank", "charge", 5.0, Some("no money"))] } else { vec![web, pay] }
            }),
        ),
        ("few", &capture(10, |_| vec![web, pay])),
    ]);
    let run = |before, after, flag| {
        let (status, _, said) = workplace.run(&["diff", before, after, "--fail-on", "never", flag]);
        (status, said)
    };
    let fails = |before, after, flag, message: &str| {
        let (status, said) = run(before, after, flag);
        assert_eq!((status, said.as_str()), (1, format!("failed: {flag}: {message}\n").as_str()), "{before} {after}");
    };
    fails("plain", "bank", "--forbid-new-edges", "new: pay → bank");
    assert_eq!(run("plain", "rare", "--forbid-new-edges").0, 0);
    assert_eq!(run("bank", "plain", "--forbid-new-edges").0, 0);
    fails("plain", "declined", "--forbid-new-errors", "new: pay POST /pay: card declined (20 calls)");
    fails("declined", "expired", "--forbid-new-errors", "new: pay POST /pay: card expired (20 calls)");
    fails("plain", "failing-bank", "--forbid-new-errors", "new: bank charge: no money (50 calls)");
    assert_eq!(run("plain", "once", "--forbid-new-errors").0, 0);
    assert_eq!(run("declined", "plain", "--forbid-new-errors").0, 0);
    // What is too rare to be sure is said.
    let (_, out, _) = workplace.run(&["diff", "plain", "rare", "--json", "--forbid-new-edges"]);
    assert!(out.contains("too rare to tell: pay → bank"), "{out}");
    let (_, out, _) = workplace.run(&["diff", "plain", "once", "--json", "--forbid-new-errors"]);
    assert!(out.contains("too rare to tell: pay POST /pay: card expired (1 call)"), "{out}");
    let (status, said) = run("plain", "few", "--forbid-new-errors");
    assert!(status == 0 && said.starts_with("warning: --forbid-new-errors: too few traces to tell"), "{said}");
}

#[test]
fn what_is_before_may_be_a_baseline_but_calls_need_a_capture() {
    let workplace = Workplace::new(&[("a.json", &calls(100, 1.0))]);
    assert_eq!(workplace.run(&["baseline", "a.json", "-o", "a.baseline"]).0, 0);
    let gates = ["--max-p95-increase", "pay:POST /pay=10%", "--max-p95", "pay:POST /pay=1s"];
    let (status, _, said) = workplace.run(&[&["diff", "a.baseline", "a.json"], &gates[..]].concat());
    assert_eq!((status, said.as_str()), (0, ""));
    let (status, _, said) = workplace.run(&[&["diff", "a.json", "a.baseline"], &gates[..]].concat());
    assert_eq!(status, 2);
    assert!(
        said.contains("a.baseline is a baseline, which knows no single calls") && said.contains("\nhint: "),
        "{said}"
    );
    assert_eq!(workplace.run(&["diff", "a.json", "a.baseline", "--forbid-new-edges"]).0, 0);
}

#[test]
fn a_calibration_is_held_to_nothing() {
    let workplace = Workplace::new(&[("a.json", &calls(100, 1.0))]);
    workplace.write("analyze-traces.toml", "[max-p95]\n\"pay:POST /pay\" = \"1ms\"\n");
    assert_eq!(workplace.run(&["diff", "--calibrate", "a.json", "a.json"]).0, 0);
    for flags in [&["--require", "pay"][..], &["--require-data"], &["--fail-on", "never"]] {
        let (status, _, said) = workplace.run(&[&["diff", "--calibrate", "a.json", "a.json"], flags].concat());
        assert!(status == 2 && said.contains("cannot be used with"), "{flags:?}: {said}");
    }
}

/// Runs with a standard output, and maybe a standard error, that nobody reads.
fn unread(workplace: &Workplace, args: &[&str], unheard: bool) -> (Option<i32>, String) {
    use std::process::{Command, Stdio};
    let mut command = Command::new(env!("CARGO_BIN_EXE_analyze-traces"));
    command.args(args).current_dir(workplace.path()).stdin(Stdio::null());
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    command.stdout(closed()).stderr(if unheard { closed() } else { Stdio::piped() });
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn limits_hold_and_reports_are_written_though_nobody_reads_the_tables() {
    let workplace = Workplace::new(&[("a.json", &calls(100, 1.0)), ("b.json", &calls(100, 2.0))]);
    for (args, expected, why) in [
        (&["diff", "a.json", "b.json"][..], 1, "failed: --fail-on regressed: "),
        (&["diff", "a.json", "b.json", "--json"], 1, "failed: --fail-on regressed: "),
        (&["diff", "a.json", "a.json"], 0, ""),
        (&["diff", "a.json", "a.json", "--require", "nobody"], 1, "failed: --require nobody: "),
        (&["b.json", "--max-p95", "pay:POST /pay=1ms"], 1, "failed: --max-p95 "),
        (&["b.json"], 0, ""),
    ] {
        let (status, said) = unread(&workplace, args, false);
        assert_eq!(status, Some(expected), "{args:?}: {said}");
        assert!(if expected == 1 { said.starts_with(why) } else { said.is_empty() }, "{args:?}: {said}");
        assert_eq!(unread(&workplace, args, true).0, Some(expected), "{args:?}");
    }
    let report = ["diff", "a.json", "b.json", "--report", "junit=out.xml"];
    assert_eq!(unread(&workplace, &report, true).0, Some(1));
    assert!(workplace.read("out.xml").ends_with("</testsuites>\n"));
}

#[test]
fn a_report_does_not_replace_the_gates() {
    let text = "[max-p95]\n\"pay:POST /pay=now\" = \"1ms\"\n";
    let workplace = workplace();
    for (name, config) in [("analyze-traces.toml", &[][..]), ("other.toml", &["--config", "other.toml"])] {
        workplace.write(name, text);
        let report = format!("markdown=./{name}");
        for target in [["--report", &report], ["-o", name]] {
            let (status, _, said) = workplace.run(&[&["shop.json"], config, &target].concat());
            assert!(status == 2 && said.contains(&format!("{name}: the gates are in it")), "{target:?}: {said}");
        }
        assert_eq!(workplace.read(name), text);
    }
}

/// A name that is not UTF-8 is shown otherwise than it is, and is the same file all the same.
#[cfg(target_os = "linux")]
#[test]
fn a_report_does_not_replace_a_capture_whatever_its_name() {
    use std::os::unix::ffi::OsStrExt;
    let workplace = Workplace::new(&[]);
    let path = workplace.path().join(std::ffi::OsStr::from_bytes(b"shop\xff.json"));
    std::fs::write(&path, shop()).unwrap();
    std::os::unix::fs::symlink(&path, workplace.path().join("link.json")).unwrap();
    for args in [&["--require", "pay", "--report", "junit=link.json"][..], &["-o", "link.json"]] {
        for command in [&[][..], &["diff"]] {
            let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_analyze-traces"));
            run.args(command).arg(&path).current_dir(workplace.path());
            if !command.is_empty() {
                run.arg(&path);
            }
            let output = run.args(args).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{command:?} {args:?}: {said}");
            assert!(said.contains("failed to write link.json: it is a capture that was read"), "{said}");
        }
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), shop());
}
