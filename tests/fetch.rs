//! Fetching from servers, good and bad ones, through the real binary.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code, reason = "a test that fails says where")]

#[path = "support/server.rs"]
mod server;
#[path = "support/trace_store.rs"]
mod trace_store;

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use server::{Asked, Reply, Server};
use trace_store::{
    HOUR, START_US, Stored, envelope, error, jaeger, jaeger_v3, not_found, reply, tempo, traces, zipkin,
};

const BINARY: &str = env!("CARGO_BIN_EXE_analyze-traces");

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in
        ["ANALYZE_TRACES_TOKEN", "ANALYZE_TRACES_PASSWORD", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
    {
        command.env_remove(name);
    }
    command
}

fn run(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The report of a run with this exit status.
fn json_of(args: &[&str], status: i32) -> Value {
    let output = run(&[args, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(status), "{args:?}: {}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn document(all: &[Stored]) -> Value {
    envelope(all.iter().map(Stored::jaeger).collect())
}

/// All but where it came from.
fn without_input(mut report: Value) -> Value {
    report.as_object_mut().unwrap().remove("input");
    report
}

fn file_with(directory: &tempfile::TempDir, name: &str, value: &Value) -> String {
    let path = directory.path().join(name);
    std::fs::write(&path, value.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

fn checkout(url: &str) -> Vec<&str> {
    vec![url, "--service", "checkout", "--time-range", HOUR]
}

#[test]
fn all_of_a_window_comes_and_means_the_same_as_in_a_file() {
    let all = traces(4_000);
    let directory = tempfile::tempdir().unwrap();
    let file = file_with(&directory, "all.json", &document(&all));
    let stored = all.clone();
    let server = Server::start(move |asked| jaeger(&stored, asked));
    for extra in [&[][..], &["--errors-only"], &["--min-duration", "100ms", "--operation", "op1"]] {
        let fetched = json_of(&[&checkout(&server.url), extra].concat(), 0);
        let read = json_of(&[&checkout(&file), extra].concat(), 0);
        let input = &fetched["input"];
        assert_eq!((&input["complete"], &input["incomplete_reasons"]), (&json!(true), &json!([])));
        assert_eq!(input["traces_kept"], read["input"]["traces_kept"]);
        let repaired = input["repaired"].as_object().unwrap();
        assert!(repaired.values().all(|it| *it == 0), "overlapping slices are no repair: {repaired:?}");
        assert_eq!(without_input(fetched), without_input(read), "{extra:?}");
    }
    let searches = server.log().into_iter().filter(|it| it.query.contains_key("service")).collect::<Vec<_>>();
    assert!(searches.iter().all(|it| it.number("limit") <= 100));
    // What the server means by these is another thing.
    let never = ["minDuration", "maxDuration", "tags", "tag", "lookback"];
    assert!(searches.iter().all(|it| never.iter().all(|name| !it.query.contains_key(*name))));
    assert!(searches.iter().any(|it| it.query.get("operation").is_some_and(|it| it == "op1")));
    let all_services = json_of(&[&server.url, "--all-services", "--time-range", HOUR, "--errors"], 0);
    assert_eq!(all_services["input"]["traces_read"], 4_000);
}

#[test]
fn every_api_gives_the_same_traces() {
    let all = traces(700);
    let n_checkout = all.iter().filter(|it| it.service == "checkout").count();
    let expected = |file: Value| {
        let directory = tempfile::tempdir().unwrap();
        without_input(json_of(&checkout(&file_with(&directory, "x.json", &file)), 0))
    };
    let as_otlp = json!({"resourceSpans": all.iter().flat_map(Stored::otlp).collect::<Vec<_>>()});
    let as_zipkin = json!(all.iter().map(Stored::zipkin).collect::<Vec<_>>());
    type Handler = Box<dyn Fn(&Asked) -> Reply + Send + Sync>;
    let stored = || all.clone();
    let (a, b, c, d, e) = (stored(), stored(), stored(), stored(), stored());
    let handlers: Vec<(&str, &Value, Handler)> = vec![
        ("jaeger-v3", &as_otlp, Box::new(move |asked| jaeger_v3(&a, asked))),
        ("zipkin", &as_zipkin, Box::new(move |asked| zipkin(&b, asked))),
        ("tempo", &as_otlp, Box::new(move |asked| tempo(&c, asked, false))),
        ("tempo", &as_otlp, Box::new(move |asked| tempo(&d, asked, true))),
        // The rest of the older API without its search.
        (
            "jaeger-v3",
            &as_otlp,
            Box::new(move |asked| match asked.path.as_str() {
                "/api/traces" => not_found(),
                path if path.starts_with("/api/v3") => jaeger_v3(&e, asked),
                _ => jaeger(&e, asked),
            }),
        ),
    ];
    for (format, file, handler) in handlers {
        let server = Server::start(handler);
        let report = json_of(&checkout(&server.url), 0);
        let input = &report["input"];
        assert_eq!(input["sources"][0]["format"], format);
        assert_eq!(
            (&input["traces_kept"], &input["complete"]),
            (&json!(n_checkout), &json!(true)),
            "{format}: {input}"
        );
        assert!(input["repaired"].as_object().unwrap().values().all(|it| *it == 0), "{format}: {input}");
        assert_eq!(without_input(report), expected(file.clone()), "{format}");
    }
}

#[test]
fn a_window_without_traces_is_an_empty_report_for_every_api() {
    let store: fn(&[Stored], &Asked) -> Reply = jaeger;
    for handler in [store, jaeger_v3, zipkin, |all, asked| tempo(all, asked, false)] {
        let all = traces(5);
        let server = Server::start(move |asked| handler(&all, asked));
        let early = "2020-01-01..2020-01-02";
        let report = json_of(&[&server.url, "--service", "checkout", "--time-range", early], 0);
        assert_eq!((&report["summary"]["trace_count"], &report["input"]["complete"]), (&json!(0), &json!(true)));
        let output = run(&[&server.url, "--service", "chekout", "--time-range", early]);
        assert_eq!(output.status.code(), Some(0));
        assert!(said(&output).contains("knows no service 'chekout'; there is checkout"), "{}", said(&output));
        let output = run(&[&server.url, "--service", "checkout", "--time-range", early, "--fail-empty"]);
        assert_eq!(output.status.code(), Some(2));
    }
}

#[test]
fn a_jaeger_wants_to_know_whose_traces() {
    let all = traces(5);
    let server = Server::start(move |asked| jaeger(&all, asked));
    let output = run(&[&server.url]);
    assert_eq!(output.status.code(), Some(2));
    for words in ["it has checkout, frontend, payment", "--service NAME", "--all-services", &server.url] {
        assert!(said(&output).contains(words), "{}", said(&output));
    }
    // Zipkin and Tempo search all.
    let all = traces(30);
    let server = Server::start(move |asked| zipkin(&all, asked));
    assert_eq!(json_of(&[&server.url, "--time-range", HOUR], 0)["input"]["traces_kept"], 30);
}

#[test]
fn without_a_range_it_is_the_last_hour() {
    let now_us = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as i64;
    let mut all = traces(3);
    for (stored, minutes) in all.iter_mut().zip([5, 50, 70]) {
        stored.service = "checkout";
        stored.start_us = now_us - minutes * 60_000_000;
    }
    let server = Server::start(move |asked| jaeger(&all, asked));
    let kept = |args: &[&str]| {
        json_of(&[&[server.url.as_str(), "--service", "checkout"], args].concat(), 0)["input"]["traces_kept"].clone()
    };
    assert_eq!(
        (kept(&[]), kept(&["--time-range", "10m"]), kept(&["--time-range", "2h"])),
        (json!(2), json!(1), json!(3))
    );
}

#[test]
fn what_is_pasted_is_fetched() {
    let all = traces(1_500);
    let one = all[7].clone();
    let stored = all.clone();
    let server = Server::start(move |asked| {
        let mut asked = asked.clone();
        match asked.path.strip_prefix("/base") {
            Some(path) => asked.path = path.to_owned(),
            None => return Reply::ok("<!doctype html><title>Jaeger UI</title>"),
        }
        match asked.path.as_str() {
            "/files/traces.json" => reply(&document(&stored[..3])),
            _ => jaeger(&stored, &asked),
        }
    });
    let base = format!("{}/base", server.url);
    let count = |url: &str, args: &[&str]| json_of(&[&[url], args].concat(), 0)["input"]["traces_kept"].clone();
    let id = format!("{:x}", one.id);
    for link in
        [format!("{base}/trace/{id}?uiFind=x"), format!("{base}/api/traces/{id}"), format!("{base}/trace/{id}...{id}")]
    {
        assert_eq!(count(&link, &[]), 1, "{link}");
    }
    assert_eq!(count(&base, &["--trace-id", &id]), 1);
    let is_wanted = |it: &&Stored| it.service == "payment" && it.operation == "op1" && it.failed;
    let (from, until) = (START_US, START_US + 1_800_000_000);
    let n = all.iter().filter(is_wanted).filter(|it| (from..until).contains(&it.start_us)).count();
    let tags = "%7B%22error%22%3A%22true%22%7D";
    let search = format!(
        "{base}/search?end={until}&limit=20&lookback=custom&maxDuration&minDuration&operation=op1&service=payment&start={from}&tags={tags}"
    );
    assert!(n > 2);
    assert_eq!(count(&search, &[]), n, "{search}");
    let back = format!("{base}/search?end={until}&lookback=30m&operation=op1&service=payment&tags={tags}");
    assert_eq!(count(&back, &[]), n, "resolved here: servers ignore it");
    assert_eq!(count(&format!("{base}/files/traces.json?signature=abc"), &[]), 3);
    let report = json_of(&[&format!("{base}/files/traces.json?signature=abc")], 0);
    assert_eq!(report["input"]["sources"][0]["name"], format!("{base}/files/traces.json"));

    for (link, words) in [
        (format!("{base}/trace/{:x}", 0xdead_u32), "failed to find trace dead"),
        (format!("{base}/files/none.json"), "HTTP 404"),
        ("http://127.0.0.1:3000/explore?schemaVersion=1&panes=x".to_owned(), "a page of Grafana"),
        (server.url.clone(), "base path"),
        ("http://".to_owned(), "it is no address"),
    ] {
        let output = run(&[&link]);
        assert_eq!(output.status.code(), Some(2), "{link}: {}", said(&output));
        assert!(said(&output).contains(words) && said(&output).contains("hint: "), "{link}: {}", said(&output));
        assert!(output.stdout.is_empty());
    }
}

/// A store in which everything is well but one thing.
fn with_fault(fault: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Server {
    let all = traces(300);
    Server::start(move |asked| fault(asked).unwrap_or_else(|| jaeger(&all, asked)))
}

fn is_search(asked: &Asked) -> bool {
    asked.path == "/api/traces" && asked.query.contains_key("service")
}

#[test]
fn what_a_server_refuses_is_an_error_in_its_own_words() {
    let cases: Vec<(Reply, &[&str])> = vec![
        (Reply::new(401, "missing tenant header\n"), &["HTTP 401 Unauthorized: missing tenant header", "--tenant"]),
        (
            Reply::new(403, "<html><title>Forbidden by proxy</title>"),
            &["HTTP 403", "Forbidden by proxy", "credentials"],
        ),
        (Reply::ok("<!doctype html><title>Sign in</title>"), &["Sign in", "base path"]),
        (Reply::ok(""), &["empty"]),
        (Reply::ok("{\"data\":[{\"traceID\":\"1\",\"spans\":["), &["ends early"]),
        (error(500, "json: unsupported value: NaN"), &["HTTP 500", "json: unsupported value: NaN"]),
        (Reply::new(400, "{\"errors\":[{\"code\":400,\"msg\":\"bad start\"}]}"), &["HTTP 400 Bad Request: bad start"]),
        (Reply::new(302, "").with("location", "/login"), &["HTTP 404"]),
        (Reply::new(302, "").with("location", "/api/traces?service=checkout"), &["redirects"]),
    ];
    for (bad, words) in cases {
        let shown = format!("{bad:?}");
        let server = with_fault(move |asked| is_search(asked).then(|| bad.clone()));
        let output = run(&[&checkout(&server.url)[..], &["--timeout", "5s"]].concat());
        assert_eq!(output.status.code(), Some(2), "{shown}: {}", said(&output));
        assert!(
            said(&output).contains(&format!("{}/", server.url)) && said(&output).contains("hint: "),
            "{}",
            said(&output)
        );
        for word in words {
            assert!(said(&output).contains(word), "{shown}: {}", said(&output));
        }
        assert!(output.stdout.is_empty(), "{shown}");
    }
    let output = run(&["jaeger:16686", "--service", "x"]);
    assert!(said(&output).contains("hint: the address of a server begins with http://"), "{}", said(&output));
    let output = run(&["http://127.0.0.1:9", "--service", "x"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("connection refused") && said(&output).contains("16686"), "{}", said(&output));
}

#[test]
fn what_passes_is_tried_again() {
    for nth_fault in 0..5 {
        let n = AtomicUsize::new(0);
        let server = with_fault(move |asked| {
            let is_time = is_search(asked) && n.fetch_add(1, Ordering::Relaxed) % 4 == 1;
            is_time.then(|| match nth_fault {
                0 => Reply::new(429, "slow down").with("retry-after", "0"),
                1 => Reply::new(503, "").with("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT"),
                2 => Reply { cut_at: Some(9), ..Reply::ok("{\"data\":[],\"total\":0}") },
                3 => Reply { hang_up: true, ..Reply::ok("") },
                _ => Reply::new(502, "<html>bad gateway"),
            })
        });
        let report = json_of(&checkout(&server.url), 0);
        assert_eq!(
            (&report["input"]["traces_kept"], &report["input"]["complete"]),
            (&json!(240), &json!(true)),
            "{nth_fault}"
        );
    }
}

#[test]
fn a_server_says_how_long_to_wait() {
    let asked_at = std::sync::Mutex::new(Vec::new());
    let server = with_fault(move |asked| {
        if !is_search(asked) {
            return None;
        }
        let mut asked_at = asked_at.lock().unwrap();
        asked_at.push(Instant::now());
        match asked_at.as_slice() {
            [_] => Some(Reply::new(429, "").with("retry-after", "1")),
            [first, second] if *second - *first < Duration::from_secs(1) => Some(error(400, "too early")),
            _ => None,
        }
    });
    assert_eq!(json_of(&checkout(&server.url), 0)["input"]["traces_kept"], 240);
    let server = with_fault(|asked| is_search(asked).then(|| Reply::new(429, "quota").with("retry-after", "86400")));
    let output = run(&checkout(&server.url));
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("HTTP 429 Too Many Requests: quota"), "{}", said(&output));
}

#[test]
fn nothing_hangs_beyond_the_timeout() {
    let slow = Reply { trickle: Duration::from_millis(400), ..Reply::ok("{\"data\":[]}".repeat(100)) };
    let silent = Reply { delay: Duration::from_secs(30), ..Reply::ok("{}") };
    for reply in [slow, silent] {
        let server = with_fault(move |asked| is_search(asked).then(|| reply.clone()));
        let started = Instant::now();
        let output = run(&[&checkout(&server.url)[..], &["--timeout", "500ms"]].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(
            said(&output).contains("no whole answer within 0.5 s") && said(&output).contains("--timeout"),
            "{}",
            said(&output)
        );
        // Not a measurement: without a timeout it would be minutes.
        assert!(started.elapsed() < Duration::from_secs(25));
    }
}

#[test]
fn a_poisoned_trace_costs_an_instant_and_is_said() {
    let all = traces(300);
    let poison = all.iter().find(|it| it.service == "checkout").unwrap().clone();
    let expected =
        all.iter().filter(|it| it.service == "checkout" && it.start_us / 10_000 != poison.start_us / 10_000).count();
    let server = with_fault(move |asked| {
        let is_met = (asked.number("start")..=asked.number("end")).contains(&(poison.start_us + 50));
        (is_search(asked) && is_met).then(|| error(500, "json: unsupported value: NaN"))
    });
    let args = checkout(&server.url);
    let output = run(&args);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(
        stdout(&output).starts_with("incomplete: ") && stdout(&output).contains("unsupported value: NaN"),
        "{}",
        stdout(&output)
    );
    assert!(
        said(&output).contains("did not give all its traces") && said(&output).contains("--partial"),
        "{}",
        said(&output)
    );
    for (extra, status) in [(&[][..], 2), (&["--partial"], 0)] {
        let report = json_of(&[&args, extra].concat(), status);
        assert_eq!(report["input"]["complete"], false);
        assert!(report["input"]["traces_kept"].as_u64().unwrap() as usize >= expected);
        assert!(report["input"]["incomplete_reasons"][0].as_str().unwrap().contains("could not be fetched: HTTP 500"));
    }
}

#[test]
fn a_server_that_dies_leaves_a_gap() {
    let n = AtomicUsize::new(0);
    let server = with_fault(move |asked| {
        (is_search(asked) && n.fetch_add(1, Ordering::Relaxed) > 6).then(|| Reply::new(401, "the token has expired"))
    });
    let report = json_of(&checkout(&server.url), 2);
    let kept = report["input"]["traces_kept"].as_u64().unwrap();
    assert!(kept > 0 && kept < 240, "{kept}");
    assert!(report["input"]["incomplete_reasons"].to_string().contains("the token has expired"));
}

#[test]
fn limits_of_the_store_are_kept_to() {
    // As Jaeger's memory store answers a limit above what it may hold.
    let server = with_fault(|asked| {
        (is_search(asked) && asked.number("limit") > 30)
            .then(|| error(500, "search depth must be greater than 0 and less than max traces"))
    });
    assert_eq!(json_of(&checkout(&server.url), 0)["input"]["traces_kept"], 240);
    // As those who give what they like.
    let all = traces(300);
    let server = Server::start(move |asked| {
        let mut asked = asked.clone();
        if let Some(limit) = asked.query.get_mut("limit") {
            *limit = limit.parse::<usize>().unwrap().min(20).to_string();
        }
        jaeger(&all, &asked)
    });
    assert_eq!(json_of(&checkout(&server.url), 0)["input"]["traces_kept"], 240);
    let report = json_of(&[&checkout(&server.url)[..], &["--page-size", "7"]].concat(), 0);
    assert_eq!(report["input"]["traces_kept"], 240);
}

#[test]
fn a_limit_of_the_user_is_no_fault() {
    let server = with_fault(|_| None);
    let report = json_of(&[&checkout(&server.url)[..], &["--limit", "10"]].concat(), 0);
    assert_eq!((&report["input"]["traces_kept"], &report["input"]["complete"]), (&json!(10), &json!(false)));
    assert!(report["input"]["incomplete_reasons"][0].as_str().unwrap().contains("stopped at 10 traces by --limit"));
    let report = json_of(&[&checkout(&server.url)[..], &["--limit", "240"]].concat(), 0);
    assert_eq!(
        (&report["input"]["traces_kept"], &report["input"]["complete"]),
        (&json!(240), &json!(true)),
        "there are no more"
    );
}

#[test]
fn answers_come_in_every_wrapping() {
    for encoding in ["gzip", "deflate", "zstd"] {
        let all = traces(50);
        let server = Server::start(move |asked| {
            assert!(asked.headers["accept-encoding"].contains(encoding));
            let mut reply = jaeger(&all, asked);
            reply.body = match encoding {
                "gzip" => {
                    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                    packed.write_all(&reply.body).unwrap();
                    packed.finish().unwrap()
                }
                "deflate" => {
                    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
                    packed.write_all(&reply.body).unwrap();
                    packed.finish().unwrap()
                }
                _ => zstd::encode_all(&reply.body[..], 1).unwrap(),
            };
            reply.headers.clear();
            reply.with("content-encoding", encoding)
        });
        assert_eq!(json_of(&checkout(&server.url), 0)["input"]["traces_kept"], 40, "{encoding}");
    }
    // Several answers in one body.
    let all = traces(50);
    let server = Server::start(move |asked| {
        if asked.path != "/api/v3/traces" {
            return jaeger_v3(&all, asked);
        }
        let each = |it: &Stored| json!({"result": {"resourceSpans": it.otlp()}}).to_string();
        let of_service: Vec<String> = all.iter().filter(|it| it.service == "checkout").map(each).collect();
        Reply::ok(of_service.join("\n"))
    });
    assert_eq!(json_of(&checkout(&server.url), 0)["input"]["traces_kept"], 40);
}

#[test]
fn traces_that_grow_while_they_are_fetched_are_whole() {
    let all = traces(30);
    let n = AtomicUsize::new(0);
    let server = Server::start(move |asked| {
        let mut answer = jaeger(&all, asked);
        if is_search(asked) && n.fetch_add(1, Ordering::Relaxed) == 0 {
            let mut cut: Value = serde_json::from_slice(&answer.body).unwrap();
            for trace in cut["data"].as_array_mut().unwrap() {
                trace["spans"].as_array_mut().unwrap().truncate(1);
            }
            answer.body = cut.to_string().into_bytes();
        }
        answer
    });
    let report = json_of(&checkout(&server.url), 0);
    assert_eq!((&report["summary"]["trace_count"], &report["summary"]["span_count"]), (&json!(24), &json!(48)));
    assert!(report["input"]["repaired"].as_object().unwrap().values().all(|it| *it == 0), "{}", report["input"]);
}

const TOKEN: &str = "t0p-s3cret-value";

#[test]
fn secrets_reach_the_server_and_nobody_else() {
    let elsewhere = Server::start(|_| Reply::new(404, "nothing here"));
    let there = elsewhere.url.clone();
    let directory = tempfile::tempdir().unwrap();
    let token_file = directory.path().join("token");
    std::fs::write(&token_file, format!("{TOKEN}\n")).unwrap();
    let headers_file = directory.path().join("headers");
    std::fs::write(&headers_file, format!("X-Api-Key: {TOKEN}\nX-Other: 1\n")).unwrap();
    let headers_file = format!("@{}", headers_file.display());
    let basic = "Basic dXNlcjp0MHAtczNjcmV0LXZhbHVl";
    let bearer = format!("Bearer {TOKEN}");
    let by_header = format!("Authorization: {bearer}");
    // How it is given, and what the server should see.
    type Way<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], bool, &'a str, &'a str);
    let ways: [Way<'_>; 6] = [
        (&[], &[("ANALYZE_TRACES_TOKEN", TOKEN)], false, "authorization", &bearer),
        (&["--token-file", token_file.to_str().unwrap()], &[], false, "authorization", &bearer),
        (&["--user", "user"], &[("ANALYZE_TRACES_PASSWORD", TOKEN)], false, "authorization", basic),
        (&["--header", &by_header], &[], false, "authorization", &bearer),
        (&["--header", &headers_file], &[], false, "x-api-key", TOKEN),
        (&[], &[("ANALYZE_TRACES_TOKEN", "less")], true, "authorization", basic),
    ];
    for (args, variables, in_address, header, value) in ways {
        for mode in 0..6 {
            let (there, seen) = (there.clone(), (header.to_owned(), value.to_owned()));
            let server = with_fault(move |asked| {
                let given = asked.headers.get(&seen.0).cloned().unwrap_or_default();
                if given != seen.1 {
                    return Some(Reply::new(401, format!("I do not know '{given}'")));
                }
                match mode {
                    // What is told to nobody is repeated by the server.
                    1 if is_search(asked) => Some(error(403, &format!("{given} may not, nor may {TOKEN}"))),
                    2 if is_search(asked) => Some(Reply::ok(format!("<title>{given}</title>"))),
                    3 if is_search(asked) => {
                        Some(Reply::new(302, "").with("location", &format!("{there}/login?from={}", asked.path)))
                    }
                    4 if is_search(asked) => Some(Reply::ok(format!("not {given} JSON"))),
                    _ => None,
                }
            });
            let url = if in_address {
                server.url.replace("http://", &format!("http://user:{TOKEN}@"))
            } else {
                server.url.clone()
            };
            let file = directory.path().join("report");
            let mut all = checkout(&url);
            all.extend(args);
            all.extend(["-v", "--timeout", "3s"]);
            match mode {
                0 => all.push("--json"),
                5 => all.extend(["-o", file.to_str().unwrap()]),
                _ => {}
            }
            let mut command = command(&all);
            command.envs(variables.iter().copied());
            let output = command.output().unwrap();
            let mut printed = format!("{}{}", stdout(&output), said(&output));
            if mode == 5 {
                printed.push_str(&std::fs::read_to_string(&file).unwrap());
            }
            let is_well = mode == 0 || mode == 5;
            assert_eq!(output.status.code(), Some(if is_well { 0 } else { 2 }), "{header} {mode}: {printed}");
            for secret in [TOKEN, "dXNlcjp0MHAtczNjcmV0LXZhbHVl"] {
                assert!(!printed.contains(secret), "{header} {mode}: {printed}");
            }
        }
    }
    let strayed = elsewhere.log();
    assert!(strayed.len() >= 6, "redirects were followed");
    for asked in strayed {
        assert!(!format!("{asked:?}").contains(TOKEN) && !asked.headers.contains_key("authorization"), "{asked:?}");
    }
}

#[test]
fn secrets_in_bad_options_are_not_repeated() {
    for args in [
        &["http://user:t0p-s3cret-value@", "--service", "x"][..],
        &["http://user:t0p-s3cret-value@h:99999", "--service", "x"],
        &["http://127.0.0.1:9", "--header", "t0p-s3cret-value"],
        &["http://user:t0p-s3cret-value@127.0.0.1:9/trace/1", "-v"],
        &["http://user:t0p-s3cret-value@127.0.0.1:9/a.json?t0p-s3cret-value", "-v"],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(!said(&output).contains(TOKEN), "{}", said(&output));
    }
}

#[test]
fn tenants_and_redirects_on_one_server() {
    let all = traces(50);
    let server = Server::start(move |asked| {
        if asked.headers.get("x-tenant").is_none_or(|it| it != "acme") {
            return Reply::new(401, "unknown tenant");
        }
        match asked.path.strip_prefix("/moved") {
            Some(path) => {
                let mut asked = asked.clone();
                asked.path = path.to_owned();
                jaeger(&all, &asked)
            }
            None => {
                let mut target = url::Url::parse("http://x").unwrap().join(&format!("/moved{}", asked.path)).unwrap();
                target.query_pairs_mut().extend_pairs(&asked.query);
                Reply::new(307, "").with("location", &target.as_str()["http://x".len()..])
            }
        }
    });
    let report = json_of(&[&checkout(&server.url)[..], &["--tenant", "acme"]].concat(), 0);
    assert_eq!(report["input"]["traces_kept"], 40);
    let report = json_of(&[&checkout(&server.url)[..], &["-H", "X-Tenant: acme"]].concat(), 0);
    assert_eq!(report["input"]["traces_kept"], 40);
    let output = run(&[&checkout(&server.url)[..], &["--tenant", "other"]].concat());
    assert!(said(&output).contains("unknown tenant") && said(&output).contains("--tenant"), "{}", said(&output));
}

#[test]
fn calls_are_compared_with_the_servers_count() {
    let server = with_fault(|_| None);
    let args = [&server.url, "--all-services", "--time-range", HOUR, "--dependencies", "--check"];
    let report = json_of(&args, 0);
    assert_eq!(
        report["dependencies"]["check"],
        json!([
            {"from": "frontend", "to": "checkout", "ours": 240, "theirs": 241},
            {"from": "frontend", "to": "gone", "ours": 0, "theirs": 3}
        ])
    );
    let asked = server.log().into_iter().find(|it| it.path == "/api/dependencies").unwrap();
    assert!((3_600_000..3_600_010).contains(&asked.number("lookback")));
    assert!((0..10).contains(&(asked.number("endTs") - (START_US / 1_000 + 3_600_000))));
    let shown = stdout(&run(&args));
    assert!(shown.contains("Calls that the server counts differently") && shown.contains("gone"), "{shown}");
    // Of one service only what is known of it.
    let report = json_of(&[&server.url, "--service", "payment", "--time-range", HOUR, "--dependencies", "--check"], 0);
    assert_eq!(report["dependencies"]["check"], json!([]));
    let output = run(&["--check", "--dependencies", &format!("{}/x.json", env!("CARGO_MANIFEST_DIR"))]);
    assert_eq!(output.status.code(), Some(2));
    let output = run(&[&server.url, "--check", "--errors", "--service", "payment"]);
    assert!(said(&output).contains("--check needs --dependencies"), "{}", said(&output));
}

#[test]
fn fetch_writes_any_form_while_it_arrives() {
    let all = traces(500);
    let stored = all.clone();
    let server = Server::start(move |asked| jaeger(&stored, asked));
    let directory = tempfile::tempdir().unwrap();
    let expected = json_of(&checkout(&file_with(&directory, "all.json", &document(&all))), 0);
    for (form, name) in [("jaeger", "a.json.gz"), ("otlp", "a.jsonl"), ("zipkin", "a.json"), ("spans", "b.jsonl.zst")] {
        let path = directory.path().join(name).to_str().unwrap().to_owned();
        let output = run(&[&["fetch"][..], &checkout(&server.url), &["--to", form, "-o", &path]].concat());
        assert_eq!(output.status.code(), Some(0), "{form}: {}", said(&output));
        let read = json_of(&checkout(&path), 0);
        assert_eq!(read["input"]["traces_kept"], 400, "{form}");
        assert_eq!(read["summary"]["error_rate"], expected["summary"]["error_rate"], "{form}");
    }
    let output = run(&[&["export"][..], &checkout(&server.url), &["--to", "csv"]].concat());
    assert_eq!(stdout(&output).lines().count(), 1 + 2 * 400);
    assert_eq!(
        left_in(directory.path()),
        ["a.json", "a.json.gz", "a.jsonl", "all.json", "b.jsonl.zst"],
        "nothing is left over"
    );
}

fn left_in(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(directory).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn gaps_are_marked_in_the_file() {
    let n = AtomicUsize::new(0);
    let server = with_fault(move |asked| {
        (is_search(asked) && n.fetch_add(1, Ordering::Relaxed) > 6).then(|| Reply::new(401, "the token has expired"))
    });
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.json").to_str().unwrap().to_owned();
    let output = run(&[&["fetch"][..], &checkout(&server.url), &["-o", &path]].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("the token has expired"), "{}", said(&output));
    let report = json_of(&[&path], 0);
    assert_eq!(report["input"]["complete"], false);
    assert!(report["input"]["traces_read"].as_u64().unwrap() > 0);
    assert!(report["input"]["sources"][0]["warnings"].to_string().contains("the token has expired"));
}

#[test]
fn lines_are_appended_once() {
    let all = traces(400);
    let server = Server::start(move |asked| jaeger(&all, asked));
    let directory = tempfile::tempdir().unwrap();
    for (form, name) in [("spans", "a.jsonl"), ("otlp", "b.jsonl"), ("spans", "c.jsonl.gz")] {
        let path = directory.path().join(name).to_str().unwrap().to_owned();
        let append = |range: &str| {
            let args =
                ["fetch", &server.url, "--all-services", "--time-range", range, "--to", form, "-o", &path, "--append"];
            let output = run(&args);
            assert_eq!(output.status.code(), Some(0), "{form}: {}", said(&output));
            said(&output)
        };
        append("2026-01-01T00:00:00Z..2026-01-01T00:40:00Z");
        if name == "a.jsonl" {
            // Somebody was stopped while writing.
            std::fs::OpenOptions::new()
                .append(true)
                .open(&path)
                .unwrap()
                .write_all(b"{\"trace_id\":\"77\",\"sp")
                .unwrap();
        }
        let said = append("2026-01-01T00:20:00Z..2026-01-01T01:00:00Z");
        assert!(said.contains("traces that the file holds already"), "{said}");
        let report = json_of(&[&path], 0);
        assert_eq!(
            (&report["summary"]["trace_count"], &report["summary"]["span_count"]),
            (&json!(400), &json!(800)),
            "{form}"
        );
        assert!(report["input"]["repaired"].as_object().unwrap().values().all(|it| *it == 0), "{form}");
    }
    let path = directory.path().join("a.jsonl").to_str().unwrap().to_owned();
    let document = directory.path().join("d.json").to_str().unwrap().to_owned();
    for (args, words) in [
        (&["--to", "jaeger", "-o", &document][..], "is one document"),
        (&["--to", "otlp", "-o", &path], "it is spans, not otlp"),
        (&["--to", "spans"], "there is no file"),
    ] {
        let output = run(&[&["fetch", &server.url, "--all-services", "--time-range", HOUR, "--append"], args].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(said(&output).contains(words), "{}", said(&output));
    }
}

#[cfg(unix)]
fn interrupt(child: &Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_has_come() {
    let n = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&n);
    let server = with_fault(move |asked| {
        // Slower and slower.
        let is_late = is_search(asked) && counted.fetch_add(1, Ordering::Relaxed) > 8;
        is_late.then(|| Reply { delay: Duration::from_millis(300), ..error(503, "busy") })
    });
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.json").to_str().unwrap().to_owned();
    let child = command(&[&["fetch"][..], &checkout(&server.url), &["-o", &path]].concat()).spawn().unwrap();
    while n.load(Ordering::Relaxed) < 10 {
        std::thread::sleep(Duration::from_millis(10));
    }
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
    assert_eq!(left_in(directory.path()), ["a.json"]);
    let report = json_of(&[&path], 0);
    assert_eq!(report["input"]["complete"], false);
    assert!(report["input"]["traces_read"].as_u64().unwrap() > 0);
    assert!(report["input"]["sources"][0]["warnings"].to_string().contains("stopped before all was fetched"));
}

#[test]
fn a_proxy_of_the_environment_is_used() {
    let all = traces(50);
    let proxy = Server::start(move |asked| {
        assert_eq!(asked.headers["host"], "jaeger.test:16686");
        jaeger(&all, asked)
    });
    let output = command(&checkout("http://jaeger.test:16686")).env("http_proxy", &proxy.url).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let output = command(&checkout("http://jaeger.invalid:16686"))
        .env("http_proxy", &proxy.url)
        .env("NO_PROXY", "jaeger.invalid")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("the host is not known"), "{}", said(&output));
}
