//! Every format on any bytes: the first byte picks the format (or detection), the second the options.
//! Whatever comes, the run ends with a report or an error, and says the same on one thread and on two.

#![no_main]

use std::io::Cursor;

use analyze_traces::cli;
use analyze_traces::run::{Surroundings, run};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [format, options, capture @ ..] = bytes else { return };
    let names: Vec<&str> = analyze_traces::input::format_names().collect();
    let mut args = vec!["analyze-traces", "--json"];
    // 0 leaves it to detection.
    if let Some(nth) = format.checked_sub(1) {
        args.extend(["--format", names[usize::from(nth) % names.len()]]);
    }
    if options & 1 != 0 {
        args.push("--lenient");
    }
    if options & 2 != 0 {
        args.push("--skew-correction");
    }
    let one = analyze(&args, "1", capture);
    if options & 4 != 0 {
        assert_eq!(one, analyze(&args, "2", capture), "the number of threads shows");
    }
});

fn analyze(args: &[&str], threads: &str, capture: &[u8]) -> Result<Vec<u8>, String> {
    let threads = ["--threads", threads];
    let args = args.iter().chain(&threads).map(std::ffi::OsString::from);
    let invocation = cli::parse(args).expect("the arguments are right");
    let mut out = Vec::new();
    let mut surroundings = Surroundings {
        out: &mut out,
        err: &mut std::io::sink(),
        stdin: Some(Box::new(Cursor::new(capture.to_vec()))),
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
        Ok(_) => Ok(out),
        Err(err) => Err(format!("{err:#}")),
    }
}
