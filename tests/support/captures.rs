//! Small captures in Jaeger's form, written by the test that reads them.

use serde_json::{Value, json};

/// A span: service, operation, milliseconds, and the message it failed with.
pub type Call<'a> = (&'a str, &'a str, f64, Option<&'a str>);

/// A capture of so many traces; each call is made by the one before it.
pub fn capture<'a>(n: usize, calls: impl Fn(usize) -> Vec<Call<'a>>) -> String {
    let traces: Vec<Value> = (0..n).map(|nth| trace(nth, &calls(nth))).collect();
    json!({ "data": traces }).to_string()
}

fn trace(nth: usize, calls: &[Call<'_>]) -> Value {
    let trace_id = format!("{:032x}", nth + 1);
    let start_us = 1_793_527_200_000_000u64 + nth as u64 * 1_000_000;
    let mut processes = serde_json::Map::new();
    let mut spans = Vec::new();
    for (at, (service, operation, ms, message)) in calls.iter().enumerate() {
        processes.insert(format!("p{at}"), json!({ "serviceName": service }));
        let mut references = Vec::new();
        if at > 0 {
            references.push(json!({ "refType": "CHILD_OF", "traceID": trace_id, "spanID": format!("{at:016x}") }));
        }
        let mut tags = Vec::new();
        if let Some(message) = message {
            tags.push(json!({ "key": "error", "type": "bool", "value": true }));
            tags.push(json!({ "key": "error.message", "type": "string", "value": message }));
        }
        spans.push(json!({
            "traceID": trace_id, "spanID": format!("{:016x}", at + 1), "operationName": operation,
            "references": references, "startTime": start_us, "duration": (ms * 1e3) as u64,
            "tags": tags, "logs": [], "processID": format!("p{at}"),
        }));
    }
    json!({ "traceID": trace_id, "spans": spans, "processes": processes })
}

/// A directory with captures, in which the program runs.
pub struct Workplace {
    directory: tempfile::TempDir,
}

impl Workplace {
    pub fn new(files: &[(&str, &str)]) -> Workplace {
        let workplace = Workplace { directory: tempfile::tempdir().unwrap() };
        files.iter().for_each(|(name, text)| workplace.write(name, text));
        workplace
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.directory.path().join(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory.path().join(name)).unwrap()
    }

    pub fn path(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// The status, standard output and standard error of a run.
    pub fn run(&self, args: &[&str]) -> (i32, String, String) {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_analyze-traces"))
            .args(args)
            .current_dir(self.directory.path())
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}
