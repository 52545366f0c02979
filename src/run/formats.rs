//! `--list-formats`: what can be read, and how to come by it.

use std::io::{self, Write};

use serde::Serialize;

use crate::input::formats;

#[derive(Serialize)]
struct Entry {
    name: &'static str,
    about: &'static str,
    export: &'static str,
}

pub(super) fn write(out: &mut dyn Write, json: bool, pretty: bool) -> io::Result<()> {
    let entries: Vec<Entry> = formats().map(|it| Entry { name: it.name, about: it.about, export: it.export }).collect();
    if json {
        let text = if pretty { serde_json::to_string_pretty(&entries) } else { serde_json::to_string(&entries) };
        return writeln!(out, "{}", text?);
    }
    let width = entries.iter().map(|it| it.name.len()).max().unwrap_or(0);
    for Entry { name, about, export } in entries {
        writeln!(out, "{name:width$}  {about}\n{:width$}  {export}", "")?;
    }
    Ok(())
}
