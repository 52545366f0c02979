//! The program without its process: arguments and standard input in, the report or the error out.

use std::io::{Cursor, sink};

use analyze_traces::cli::{self, Invocation};
use analyze_traces::run::{Interrupts, Surroundings, run};
use serde_json::Value;

/// The JSON report of a run, or the words of its error.
pub fn analyze(args: &[&str], stdin: &[u8]) -> Result<Value, String> {
    printed(invocation(&[&["--json"], args].concat()), stdin).map(|it| serde_json::from_slice(&it).unwrap())
}

/// What is to be run with these arguments.
pub fn invocation(args: &[&str]) -> Invocation {
    cli::parse(["analyze-traces"].iter().chain(args).map(std::ffi::OsString::from)).unwrap()
}

/// What a run prints, or the words of its error.
pub fn printed(invocation: Invocation, stdin: &[u8]) -> Result<Vec<u8>, String> {
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
        interrupts: &Interrupts::default(),
    };
    match run(invocation, &mut surroundings) {
        Ok(_) => Ok(out),
        Err(err) => Err(format!("{err:#}")),
    }
}
