//! The servers that run, asked with curl: nothing here is fetched by the code under test.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::Value;

/// A server, and what it was loaded with.
#[derive(Clone, Debug, Deserialize)]
pub struct Server {
    /// Its program and version.
    pub name: String,
    pub api: Api,
    /// Where it answers.
    pub url: String,
    /// Traces of services.
    pub loaded: BTreeMap<String, usize>,
    /// What makes the program use this API, if it would not by itself.
    flags: Vec<String>,
}

/// What a server is asked by.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    Legacy,
    V3,
    Zipkin,
}

#[derive(Deserialize)]
struct Addresses {
    servers: Vec<Server>,
}

/// The servers that `tests/backends/run` started, if it did.
pub fn servers() -> Vec<Server> {
    let Some(file) = std::env::var_os("ANALYZE_TRACES_BACKENDS") else {
        println!("SKIPPED: no real servers (tests/backends/run test starts some, ANALYZE_TRACES_BACKENDS names them)");
        return Vec::new();
    };
    let text = std::fs::read_to_string(&file).unwrap();
    serde_json::from_str::<Addresses>(&text).unwrap().servers
}

/// Those that imitate or are Jaeger.
pub fn jaegers() -> impl Iterator<Item = Server> {
    servers().into_iter().filter(|it| it.api != Api::Zipkin)
}

/// A window of time, in microseconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub from_us: i64,
    pub until_us: i64,
}

/// The window up to now.
pub fn last(length: Duration) -> Window {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let us = |it: Duration| i64::try_from(it.as_micros()).unwrap();
    Window { from_us: us(now - length), until_us: us(now) }
}

/// An hour.
pub const HOUR: Duration = Duration::from_secs(3_600);

/// The most that one answer may hold.
const ALL: &str = "20000";

impl Server {
    /// Arguments that make the program fetch from it, and further ones.
    pub fn args<'a>(&'a self, further: &[&'a str]) -> Vec<&'a str> {
        let flags = self.flags.iter().map(String::as_str);
        std::iter::once(self.url.as_str()).chain(flags).chain(further.iter().copied()).collect()
    }

    /// The same for a page below its address.
    pub fn link(&self, path: &str) -> Vec<String> {
        let link = format!("{}{path}", self.url);
        std::iter::once(link).chain(self.flags.iter().cloned()).collect()
    }

    /// The body of an answer, whatever its status.
    pub fn get(&self, path: &str, parameters: &[(&str, &str)]) -> String {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "120", "--get"]).arg(format!("{}{path}", self.url));
        for (name, value) in parameters {
            curl.args(["--data-urlencode", &format!("{name}={value}")]);
        }
        let output = curl.output().unwrap();
        assert!(output.status.success(), "{curl:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// All traces of a service in a window, in one answer.
    pub fn answer(&self, service: &str, window: Window) -> String {
        let Window { from_us, until_us } = window;
        let number = |it: i64| it.to_string();
        let time = |us: i64| jiff::Timestamp::from_microsecond(us).unwrap().to_string();
        match self.api {
            Api::Legacy => {
                let (start, end) = (number(from_us), number(until_us));
                self.get("/api/traces", &[("service", service), ("start", &start), ("end", &end), ("limit", ALL)])
            }
            Api::V3 => {
                // By their present names, and by those that older servers know.
                let parameters = [
                    ("query.serviceName", service),
                    ("query.service_name", service),
                    ("query.startTimeMin", &time(from_us)),
                    ("query.start_time_min", &time(from_us)),
                    ("query.startTimeMax", &time(until_us)),
                    ("query.start_time_max", &time(until_us)),
                    ("query.searchDepth", ALL),
                    ("query.num_traces", ALL),
                ];
                self.get("/api/v3/traces", &parameters)
            }
            Api::Zipkin => {
                let (end, lookback) = (number(until_us / 1_000), number((until_us - from_us) / 1_000));
                let parameters = [("serviceName", service), ("endTs", &end), ("lookback", &lookback), ("limit", ALL)];
                self.get("/api/v2/traces", &parameters)
            }
        }
    }

    /// The same, saved to a file.
    pub fn saved(&self, service: &str, window: Window) -> tempfile::NamedTempFile {
        let file = tempfile::Builder::new().prefix(&self.name.replace('/', "-")).suffix(".json").tempfile().unwrap();
        std::fs::write(file.path(), self.answer(service, window)).unwrap();
        file
    }

    /// When each trace of the same began, by its id.
    pub fn begun(&self, service: &str, window: Window) -> BTreeMap<String, i64> {
        let file = self.saved(service, window);
        let mut begun: BTreeMap<String, i64> = BTreeMap::new();
        for span in spans_of(&[file.path().to_str().unwrap()]) {
            let start_us = span["start_us"].as_i64().unwrap();
            let earliest = begun.entry(span["trace_id"].as_str().unwrap().to_owned()).or_insert(start_us);
            *earliest = (*earliest).min(start_us);
        }
        begun
    }
}

/// A run of the program.
pub fn program(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_analyze-traces")).args(args).output().unwrap()
}

/// What it writes in a run that succeeds.
pub fn written(args: &[&str]) -> String {
    let output = program(args);
    assert!(output.status.success(), "{args:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Its report in a run that succeeds, with everything that it lists.
pub fn report(args: &[&str]) -> Value {
    let all = [args, &["--json", "--top", "0"]].concat();
    serde_json::from_str(&written(&all)).unwrap()
}

/// Normalized spans.
pub fn spans_of(args: &[&str]) -> Vec<Value> {
    let text = written(&[&["export"], args, &["--to", "spans"]].concat());
    text.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
}

/// A report without what tells one source from another of the same traces.
pub fn findings(mut report: Value) -> Value {
    let input = report["input"].as_object_mut().unwrap();
    input.retain(|key, _| ["traces_kept", "skipped", "complete", "incomplete_reasons"].contains(&key.as_str()));
    report
}

/// Where two reports differ: the first few places, with both values.
pub fn differences(found: &Value, expected: &Value) -> Vec<String> {
    let mut all = Vec::new();
    compare("", found, expected, &mut all);
    all.truncate(8);
    all
}

fn compare(path: &str, found: &Value, expected: &Value, all: &mut Vec<String>) {
    match (found, expected) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: std::collections::BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            for key in keys {
                compare(&format!("{path}/{key}"), &found[key], &expected[key], all);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (nth, (left, right)) in left.iter().zip(right).enumerate() {
                compare(&format!("{path}/{nth}"), left, right, all);
            }
        }
        _ if found == expected => {}
        _ => all.push(format!("{path}: {found:.200} and not {expected:.200}")),
    }
}

/// A path in the directory that a test writes to.
pub fn in_directory(directory: &tempfile::TempDir, name: &str) -> String {
    let path: PathBuf = directory.path().join(name);
    path.to_str().unwrap().to_owned()
}
