//! The normalized spans as comma-separated values, quoted as RFC 4180 has it, lines ended by LF.
//!
//! What stands in a trace is written as it is: a name that begins with `=` is a formula to a
//! spreadsheet that takes it for one.

use std::io::{self, Write};

use super::fields::{self, Field};
use super::{Losses, Target, Writer};
use crate::model::Trace;

/// The target.
pub(super) struct Csv;

impl Target for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn about(&self) -> &'static str {
        "the columns of `spans` as CSV with a header; attributes as JSON text"
    }

    fn writer(&self) -> Box<dyn Writer> {
        Box::new(CsvWriter)
    }
}

struct CsvWriter;

impl Writer for CsvWriter {
    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", fields::NAMES.join(","))
    }

    fn trace(&mut self, trace: &Trace, losses: &mut Losses, out: &mut dyn Write) -> io::Result<()> {
        fields::count_losses(trace, losses);
        let trace_id = trace.id.to_string();
        for span in trace.spans() {
            let row = fields::of(trace, &trace_id, span, losses).map(|field| match field {
                Field::Null => String::new(),
                Field::Text(text) | Field::Json(text) => quoted(text),
                Field::Integer(number) => number.to_string(),
                Field::Bool(flag) => flag.to_string(),
            });
            writeln!(out, "{}", row.join(","))?;
        }
        Ok(())
    }

    fn end(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// A value in quotes if it would be taken apart.
fn quoted(text: String) -> String {
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_would_be_taken_apart_is_quoted() {
        for (text, written) in
            [("GET /", "GET /"), ("a,b", "\"a,b\""), ("say \"hi\"", "\"say \"\"hi\"\"\""), ("=1", "=1")]
        {
            assert_eq!(quoted(text.to_owned()), written);
        }
        assert_eq!(quoted("two\nlines".to_owned()), "\"two\nlines\"");
    }
}
