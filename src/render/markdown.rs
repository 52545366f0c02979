//! A report in GitHub's and GitLab's Markdown: the sections of the tables, for a summary or a comment.

use std::io;

use super::columns::{self, Column};
use super::{sanitize, units};
use crate::report::bulletin::Bulletin;
use crate::report::{Cell, Section, Table};

/// Writes the report.
pub fn write(out: &mut dyn io::Write, bulletin: &Bulletin) -> io::Result<()> {
    writeln!(out, "## {}", text(&bulletin.title))?;
    if !bulletin.inputs.is_empty() {
        writeln!(out)?;
    }
    bulletin.inputs.iter().try_for_each(|it| writeln!(out, "* {}", text(it)))?;
    bulletin.sections.iter().try_for_each(|it| section(out, it))
}

fn section(out: &mut dyn io::Write, section: &Section) -> io::Result<()> {
    writeln!(out, "\n### {}", text(&section.title))?;
    if !section.about.is_empty() {
        writeln!(out, "\n{}", text(&section.about))?;
    }
    if !section.notes.is_empty() {
        writeln!(out)?;
    }
    section.notes.iter().try_for_each(|it| writeln!(out, "* {}", text(it)))?;
    section.tables.iter().try_for_each(|it| table(out, it))
}

fn table(out: &mut dyn io::Write, table: &Table) -> io::Result<()> {
    if let Some(title) = &table.title {
        writeln!(out, "\n**{}**", text(title))?;
    }
    if table.rows.is_empty() || table.columns.is_empty() {
        return if table.if_empty.is_empty() { Ok(()) } else { writeln!(out, "\n{}", text(&table.if_empty)) };
    }
    let columns = columns::of(table);
    let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    writeln!(out, "\n{}", line(columns.iter().map(|it| text(&it.heading)).collect()))?;
    let rule = |it: &Column| if it.right { "---:" } else { "---" }.to_owned();
    writeln!(out, "{}", line(columns.iter().map(rule).collect()))?;
    for (nth, row) in table.rows.iter().enumerate() {
        let cell = |(at, column): (usize, &Column)| cell(&column.texts[nth].text, row.get(at));
        writeln!(out, "{}", line(columns.iter().enumerate().map(cell).collect()))?;
    }
    match table.total_rows.saturating_sub(table.rows.len()) {
        0 => Ok(()),
        cut => writeln!(out, "\n… {} more", units::count(cut as u64)),
    }
}

fn cell(shown: &str, cell: Option<&Cell>) -> String {
    match cell {
        _ if shown.is_empty() => String::new(),
        // As code: neither mentions nor emoji nor formulas are looked for in it.
        Some(Cell::Name(_) | Cell::Id(_)) => format!("<code>{}</code>", inline(shown)),
        Some(Cell::Alert(_)) => format!("**{}**", inline(shown)),
        _ => inline(shown),
    }
}

/// A line of its own, in which nothing begins a heading, a list, a quotation or a rule.
fn text(text: &str) -> String {
    let line = sanitize::line(text);
    let n_digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let mut rest = line[n_digits..].chars();
    let marker = rest.next().filter(|it| if n_digits > 0 { ".)".contains(*it) } else { "+-=".contains(*it) });
    match marker {
        Some(marker) => format!("{}{}{}", &line[..n_digits], entity(marker), inline(rest.as_str())),
        None => inline(&line),
    }
}

/// The text with everything as an entity that has a meaning in Markdown, in a table or in HTML.
///
/// An entity has no other meaning wherever it stands; a backslash has one of its own within code, and before
/// the bar of a table each program has its own idea of it.
fn inline(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len() + 16);
    let mut before = ' ';
    for (at, it) in line.char_indices() {
        let after = line[at + it.len_utf8()..].chars().next().unwrap_or(' ');
        let is_special = match it {
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '&' | '|' | '~' | '@' | '$' | '#' => true,
            // Within a word it has no meaning.
            '_' => !before.is_alphanumeric() || !after.is_alphanumeric(),
            // What begins with a scheme becomes a link, and what stands between colons an emoji; a time stays.
            ':' => !after.is_whitespace() && !before.is_ascii_digit(),
            // "www." becomes a link too.
            '.' => before == 'w',
            _ => false,
        };
        if is_special {
            escaped.push_str(&entity(it))
        } else {
            escaped.push(it)
        }
        before = it;
    }
    escaped
}

fn entity(it: char) -> String {
    format!("&#{};", u32::from(it))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

    use super::*;
    use crate::report;

    /// The cells of the only table of a document, as another program reads them.
    fn cells(document: &str) -> Vec<Vec<String>> {
        let mut rows: Vec<Vec<String>> = Vec::new();
        for event in Parser::new_ext(document, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
            match event {
                Event::Start(Tag::TableHead | Tag::TableRow) => rows.push(Vec::new()),
                Event::Start(Tag::TableCell) => rows.last_mut().unwrap().push(String::new()),
                Event::Start(Tag::Table(_)) | Event::End(TagEnd::TableCell | TagEnd::TableHead) => {}
                Event::End(TagEnd::TableRow | TagEnd::Table) => {}
                Event::InlineHtml(tag) => assert!(["<code>", "</code>"].contains(&&*tag), "{tag}"),
                Event::Text(text) => rows.last_mut().unwrap().last_mut().unwrap().push_str(&text),
                other => panic!("{other:?} in {document}"),
            }
        }
        rows
    }

    fn table_of(names: &[&str]) -> String {
        let row = |it: &&str| vec![Cell::Name((*it).to_owned()), Cell::Text((*it).to_owned())];
        let table = Table {
            columns: ["name", "text"].map(report::Column::new).into(),
            rows: names.iter().map(row).collect(),
            total_rows: names.len(),
            ..Table::default()
        };
        let mut out = Vec::new();
        super::table(&mut out, &table).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn plain_names_stay_readable() {
        assert_eq!(
            inline("user-service database_query GET /users/{id} 1.25 10:00:00"),
            "user-service database_query GET /users/{id} 1.25 10:00:00"
        );
        assert_eq!(text("- a"), "&#45; a");
        assert_eq!(text("12. a"), "12&#46; a");
        assert_eq!(text("8 of 100"), "8 of 100");
        assert_eq!(
            inline("http://a |b| www.c _d_ :fire:"),
            "http&#58;//a &#124;b&#124; www&#46;c &#95;d&#95; &#58;fire:"
        );
    }

    #[test]
    fn a_line_begins_nothing() {
        for line in ["# a", "- a", "+ a", "1. a", "2) a", "> a", "---", "===", "* a", "    a", "```", "<b>", "| a |"] {
            let mut parser =
                Parser::new_ext(&text(line), Options::all()).map(|it| format!("{it:?}")).collect::<Vec<_>>();
            parser.retain(|it| !it.starts_with("Text("));
            // Four spaces are code; nothing here writes a line without a list's star before it.
            let expected = if line.starts_with("    ") { "CodeBlock" } else { "Paragraph" };
            assert!(parser.len() == 2 && parser[0].contains(expected), "{line}: {parser:?}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_read_back_as_it_was_shown(
            name in "[ -~\n\u{7f}\u{202e}é]{0,12}",
            word in "[|`*_<>&\\\\a ]{0,8}",
        ) {
            let names = [name.as_str(), word.as_str()];
            let document = table_of(&names);
            let found = cells(&document);
            prop_assert_eq!(found.len(), 3, "{}", document);
            for (row, name) in found[1..].iter().zip(names) {
                let shown = sanitize::line(name);
                for cell in row {
                    prop_assert_eq!(cell.trim(), shown.trim(), "{}", document);
                }
            }
        }
    }
}
