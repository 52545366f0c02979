//! Normalized spans, one JSON object a line: what was understood, whatever the format.

use std::io::{self, Write};

use super::fields::{self, Field};
use super::json::Json;
use super::{Losses, Target, Writer};
use crate::model::Trace;

/// The target.
pub(super) struct Spans;

impl Target for Spans {
    fn name(&self) -> &'static str {
        "spans"
    }

    fn about(&self) -> &'static str {
        "normalized spans, a JSON object a line: the same for every format"
    }

    fn is_lines(&self) -> bool {
        true
    }

    fn writer(&self) -> Box<dyn Writer> {
        Box::new(SpansWriter::default())
    }
}

#[derive(Default)]
struct SpansWriter {
    json: Json,
}

impl Writer for SpansWriter {
    fn begin(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn trace(&mut self, trace: &Trace, losses: &mut Losses, out: &mut dyn Write) -> io::Result<()> {
        fields::count_losses(trace, losses);
        let json = &mut self.json;
        let trace_id = trace.id.to_string();
        for span in trace.spans() {
            json.open(b'{');
            for (name, field) in fields::NAMES.iter().zip(fields::of(trace, &trace_id, span, losses)) {
                json.key(name);
                match field {
                    Field::Null => json.raw("null"),
                    Field::Text(text) => json.text(&text),
                    Field::Integer(number) => json.raw(number),
                    Field::Bool(flag) => json.raw(flag),
                    Field::Json(value) => json.raw(value),
                }
            }
            json.close(b'}');
            json.end_line();
            json.flush_to(out)?;
        }
        Ok(())
    }

    fn end(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}
