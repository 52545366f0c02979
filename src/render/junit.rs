//! A report in the XML that JUnit began and every CI system reads.

use std::collections::HashSet;
use std::io;

use super::sanitize;
use crate::report::bulletin::{Bulletin, Case, CaseResult};

/// Writes the report: one suite, a case for everything that passes or fails.
///
/// What was found stands as text within `<failure>`, as GitLab shows nothing else of it; no two cases have the
/// same class and name, as it drops all but one of them.
pub fn write(out: &mut dyn io::Write, bulletin: &Bulletin) -> io::Result<()> {
    let count = |result| bulletin.cases.iter().filter(|it| it.result == result).count();
    let (n, failed, skipped) = (bulletin.cases.len(), count(CaseResult::Failed), count(CaseResult::Skipped));
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(out, r#"<testsuites tests="{n}" failures="{failed}" errors="0" skipped="{skipped}">"#)?;
    write!(out, r#"  <testsuite name="analyze-traces" tests="{n}" failures="{failed}" errors="0" "#)?;
    writeln!(out, r#"skipped="{skipped}" time="0">"#)?;
    let mut taken = HashSet::new();
    for it in &bulletin.cases {
        let class = escaped(&it.class);
        let name = unique(&class, escaped(&it.name), &mut taken);
        case(out, it, &class, &name)?;
    }
    let mut lines = vec![bulletin.title.as_str()];
    lines.extend(bulletin.inputs.iter().map(String::as_str));
    lines.extend(bulletin.sections.iter().flat_map(|it| &it.notes).map(String::as_str));
    let lines: Vec<String> = lines.into_iter().map(escaped).collect();
    writeln!(out, "    <system-out>{}</system-out>\n  </testsuite>\n</testsuites>", lines.join("\n"))
}

fn case(out: &mut dyn io::Write, case: &Case, class: &str, name: &str) -> io::Result<()> {
    write!(out, r#"    <testcase classname="{class}" name="{name}" time="0""#)?;
    let text = escaped(&case.text);
    match case.result {
        CaseResult::Passed if text.is_empty() => writeln!(out, "/>"),
        CaseResult::Passed => writeln!(out, ">\n      <system-out>{text}</system-out>\n    </testcase>"),
        CaseResult::Failed => {
            writeln!(out, ">\n      <failure type=\"{class}\">{text}</failure>\n    </testcase>")
        }
        CaseResult::Skipped => writeln!(out, ">\n      <skipped message=\"{text}\"/>\n    </testcase>"),
    }
}

/// The name, with a number where the class has one alike already.
fn unique(class: &str, name: String, taken: &mut HashSet<(String, String)>) -> String {
    let mut found = name.clone();
    let mut nth = 1;
    while !taken.insert((class.to_owned(), found.clone())) {
        nth += 1;
        found = format!("{name} ({nth})");
    }
    found
}

/// The text on one line, as XML has it in texts and attributes. XML 1.0 knows neither control characters, not even
/// as entities, nor the last two of the first plane.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for it in sanitize::line(text).chars() {
        match it {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => escaped.extend(it.escape_default()),
            _ => escaped.push(it),
        }
    }
    escaped
}
