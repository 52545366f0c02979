//! The program without its process: arguments and standard input in, the report or the error out.

use std::io::{Cursor, sink};

use analyze_traces::cli;
use analyze_traces::run::{Surroundings, run};
use serde_json::Value;

/// The JSON report of a run, or the words of its error.
pub fn analyze(args: &[&str], stdin: &[u8]) -> Result<Value, String> {
    let args = ["analyze-traces", "--json"].iter().chain(args).map(std::ffi::OsString::from);
    let invocation = cli::parse(args).unwrap();
    let mut out = Vec::new();
    let mut surroundings = Surroundings {
        out: &mut out,
        err: &mut sink(),
        stdin: Some(Box::new(Cursor::new(stdin.to_vec()))),
        stdin_is_terminal: false,
        out_is_terminal: false,
        err_is_terminal: false,
        terminal_width: None,
        no_color: true,
        now_ns: 0,
        unfinished: &std::sync::Mutex::default(),
        variable: &|_| None,
        interrupts: &analyze_traces::run::Interrupts::default(),
    };
    match run(invocation, &mut surroundings) {
        Ok(_) => Ok(serde_json::from_slice(&out).unwrap()),
        Err(err) => Err(format!("{err:#}")),
    }
}
