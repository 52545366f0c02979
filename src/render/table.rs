//! Sections and tables for people; the only file that names `tabled`.

use std::io;

use tabled::builder::Builder;
use tabled::settings::object::{Cell, Columns, Rows};
use tabled::settings::style::HorizontalLine;
use tabled::settings::{Alignment, Color, Padding, Style};

use super::columns::{self, Column};
use super::fit::{self, Wish};
use super::{Ink, Look, bar, cut, sanitize, units};
use crate::report::{Section, Table};

/// Sentences longer than that lose the eye on its way back, however wide the terminal is.
const LONGEST_LINE: usize = 100;

/// Room for a bar: less says nothing, more says no more.
const BAR: std::ops::RangeInclusive<usize> = 8..=20;

/// Writes all sections, with a blank line between them.
pub fn sections(out: &mut dyn io::Write, sections: &[Section], look: &Look) -> io::Result<()> {
    for (idx, it) in sections.iter().enumerate() {
        if idx > 0 {
            writeln!(out)?;
        }
        section(out, it, look)?;
    }
    Ok(())
}

/// Writes one section: what it is about, the answer in words, the tables.
pub fn section(out: &mut dyn io::Write, section: &Section, look: &Look) -> io::Result<()> {
    heading(out, section, look)?;
    section.notes.iter().try_for_each(|it| plain(out, it, look))?;
    let mut is_first = section.title.is_empty() && section.about.is_empty() && section.notes.is_empty();
    for it in &section.tables {
        // The sentence of an empty table reads on from the notes; all else is set apart.
        if !is_first && (it.title.is_some() || !it.rows.is_empty()) {
            writeln!(out)?;
        }
        is_first = false;
        table(out, it, look)?;
    }
    Ok(())
}

/// The title, underlined so that it is found without colors too, with what it means beside it where
/// there is room and else below.
fn heading(out: &mut dyn io::Write, section: &Section, look: &Look) -> io::Result<()> {
    let title = wrapped(&section.title, look);
    let about = wrapped(&section.about, look);
    let longest = title.iter().map(|it| cut::width(it)).max();
    let line: Vec<String> = longest.map(|it| "═".repeat(it)).into_iter().collect();
    if let ([title], [about]) = (&title[..], &about[..])
        && look.width.is_none_or(|room| cut::width(title) + fit::GAP + cut::width(about) <= room)
    {
        let gap = " ".repeat(fit::GAP);
        writeln!(out, "{}{gap}{}", look.paint(Ink::Bold, title), look.paint(Ink::Dim, about))?;
        painted(out, &line, Ink::Dim, look)
    } else {
        painted(out, &title, Ink::Bold, look)?;
        painted(out, &line, Ink::Dim, look)?;
        painted(out, &about, Ink::Dim, look)
    }
}

fn table(out: &mut dyn io::Write, table: &Table, look: &Look) -> io::Result<()> {
    if let Some(title) = &table.title {
        painted(out, &wrapped(title, look), Ink::Bold, look)?;
    }
    if table.rows.is_empty() || table.columns.is_empty() {
        return plain(out, &table.if_empty, look);
    }
    let columns = columns::of(table);
    let layout = Layout::of(&columns, look);
    layout.write(out, look)?;
    let cut_rows = table.total_rows.saturating_sub(table.rows.len());
    if cut_rows > 0 {
        let more = format!("… {} more (--top 0 shows all)", units::count(cut_rows as u64));
        painted(out, &wrapped(&more, look), Ink::Dim, look)?;
    }
    if let Some(gone) = layout.gone() {
        painted(out, &wrapped(&gone, look), Ink::Dim, look)?;
    }
    Ok(())
}

/// Text from anywhere, made safe and broken into lines that fit.
fn wrapped(text: &str, look: &Look) -> Vec<String> {
    let text = sanitize::line(text);
    match look.width {
        Some(room) => cut::wrap(&text, room.min(LONGEST_LINE)),
        None if text.is_empty() => Vec::new(),
        None => vec![text.into_owned()],
    }
}

fn plain(out: &mut dyn io::Write, text: &str, look: &Look) -> io::Result<()> {
    wrapped(text, look).iter().try_for_each(|it| writeln!(out, "{it}"))
}

fn painted(out: &mut dyn io::Write, lines: &[String], ink: Ink, look: &Look) -> io::Result<()> {
    lines.iter().try_for_each(|it| writeln!(out, "{}", look.paint(ink, it)))
}

/// The columns that have room, and how much.
struct Layout<'a> {
    placed: Vec<Placed<'a>>,
    gone: Vec<&'static str>,
    /// The width at which nothing is gone or cut.
    natural: usize,
}

struct Placed<'a> {
    column: &'a Column,
    width: usize,
    /// Columns for a bar behind the text, 0 for none.
    bar: usize,
}

impl<'a> Layout<'a> {
    fn of(columns: &'a [Column], look: &Look) -> Layout<'a> {
        let wish = |it: &Column| Wish { natural: it.natural(), firm: it.firm(), rank: it.rank };
        let wishes: Vec<Wish> = columns.iter().map(wish).collect();
        let natural = wishes.iter().map(|it| it.natural).sum::<usize>() + fit::gaps(columns.len());
        let room = look.width.unwrap_or(natural).max(1);
        let bar = bar_width(columns, room.saturating_sub(natural));
        let mut layout = Layout { placed: Vec::new(), gone: Vec::new(), natural };
        for (column, width) in columns.iter().zip(fit::fit(&wishes, room)) {
            match width {
                Some(width) => {
                    let bar = if column.shares.is_some() { bar } else { 0 };
                    layout.placed.push(Placed { column, width, bar });
                }
                None => layout.gone.push(column.name),
            }
        }
        layout
    }

    fn write(&self, out: &mut dyn io::Write, look: &Look) -> io::Result<()> {
        let has_headings = self.placed.iter().any(|it| !it.column.heading.is_empty());
        let n_rows = self.placed.first().map_or(0, |it| it.column.texts.len());
        let mut builder = Builder::with_capacity(n_rows + 1, self.placed.len());
        if has_headings {
            builder.push_record(self.placed.iter().map(Placed::heading));
        }
        for row in 0..n_rows {
            builder.push_record(self.placed.iter().map(|it| it.cell(row)));
        }
        let mut grid = builder.build();
        grid.with(Style::empty()).with(Padding::new(0, fit::GAP, 0, 0));
        grid.modify(Columns::last(), Padding::zero());
        for (idx, it) in self.placed.iter().enumerate() {
            if it.column.right && it.bar == 0 {
                grid.modify(Columns::one(idx), Alignment::right());
            }
        }
        if has_headings {
            grid.with(Style::empty().horizontals([(1, HorizontalLine::new('─'))]));
        }
        if look.color {
            self.color(&mut grid, has_headings);
        }
        for (at, line) in grid.to_string().lines().enumerate() {
            let is_rule = has_headings && at == 1;
            let line = if is_rule { look.paint(Ink::Dim, line) } else { line.trim_end().into() };
            writeln!(out, "{line}")?;
        }
        Ok(())
    }

    /// `tabled` puts codes around a text after it has measured it, so colors move nothing.
    fn color(&self, grid: &mut tabled::Table, has_headings: bool) {
        let red = color(Ink::Red);
        for (idx, it) in self.placed.iter().enumerate() {
            let alerts = it.column.texts.iter().enumerate().filter(|(_, text)| text.alert);
            for (row, _) in alerts {
                grid.modify(Cell::new(row + usize::from(has_headings), idx), red.clone());
            }
        }
        if has_headings {
            grid.modify(Rows::first(), color(Ink::Bold));
        }
    }

    /// Says which columns had to go, and what would bring them back.
    fn gone(&self) -> Option<String> {
        let names = self.gone.join(", ");
        (!self.gone.is_empty()).then(|| format!("… no room for {names} (--width {} shows all)", self.natural))
    }
}

impl Placed<'_> {
    fn heading(&self) -> String {
        let heading = cut::end(&self.column.heading, self.width);
        if self.bar == 0 { heading } else { cut::pad_left(&heading, self.width) }
    }

    fn cell(&self, row: usize) -> String {
        let text = self.column.texts[row].fitted(self.width);
        let share = self.column.shares.as_ref().and_then(|it| it[row]);
        match share {
            _ if self.bar == 0 => text,
            Some(share) => format!("{} {}", cut::pad_left(&text, self.width), bar::bar(share, self.bar)),
            None => cut::pad_left(&text, self.width),
        }
    }
}

/// What each column of shares gets of the room nobody needs, 0 if that is too little.
fn bar_width(columns: &[Column], spare: usize) -> usize {
    let n_shares = columns.iter().filter(|it| it.shares.is_some()).count();
    // One is for the space before the bar.
    let each = spare.checked_div(n_shares).unwrap_or(0).saturating_sub(1).min(*BAR.end());
    if BAR.contains(&each) { each } else { 0 }
}

fn color(ink: Ink) -> Color {
    let (on, off) = ink.codes();
    Color::new(on, off)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::super::sample;
    use super::*;
    use crate::report::{self, Cell};

    fn shown(these: &[Section], look: &Look) -> String {
        let mut out = Vec::new();
        sections(&mut out, these, look).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// `GOLDEN=overwrite cargo test` writes what is shown now; read the diff.
    #[track_caller]
    fn check(name: &str, width: Option<usize>) {
        let look = Look { width, color: false };
        let shown = shown(&sample::sections(), &look);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/render/golden").join(name);
        if std::env::var_os("GOLDEN").is_some_and(|it| it == "overwrite") {
            std::fs::write(&path, &shown).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap();
        assert!(shown == golden, "{} has changed, this is shown now:\n{shown}", path.display());
    }

    #[test]
    fn on_80_columns() {
        check("80.txt", Some(80));
    }

    #[test]
    fn on_120_columns() {
        check("120.txt", Some(120));
    }

    #[test]
    fn on_200_columns() {
        check("200.txt", Some(200));
    }

    #[test]
    fn in_a_pipe_nothing_is_cut() {
        check("pipe.txt", None);
    }

    fn small() -> Section {
        Section {
            title: "Errors".to_owned(),
            about: "what failed".to_owned(),
            notes: vec!["1 trace failed.".to_owned()],
            tables: vec![Table {
                title: Some("Root causes".to_owned()),
                columns: vec![
                    report::Column::new("service"),
                    report::Column::new("count"),
                    report::Column::new("message"),
                ],
                rows: vec![
                    vec![Cell::Name("web".to_owned()), Cell::Count(1_000), Cell::Alert("time\nout".to_owned())],
                    vec![Cell::Name("inventory".to_owned()), Cell::Unknown, Cell::Text("fine".to_owned())],
                ],
                total_rows: 4,
                if_empty: String::new(),
            }],
            next: None,
        }
    }

    #[test]
    fn plain() {
        let look = Look { width: Some(80), color: false };
        assert_eq!(
            shown(&[small()], &look),
            "\
Errors  what failed
══════
1 trace failed.

Root causes
service    count  message
───────────────────────────
web        1,000  time\\nout
inventory      –  fine
… 2 more (--top 0 shows all)
"
        );
    }

    #[test]
    fn colors_move_nothing() {
        let plain = shown(&[small()], &Look { width: Some(80), color: false });
        let colored = shown(&[small()], &Look { width: Some(80), color: true });
        assert_eq!(without_colors(&colored), plain);
        assert!(colored.starts_with("\u{1b}[1mErrors\u{1b}[22m  \u{1b}[2mwhat failed\u{1b}[22m\n"));
        assert!(colored.contains("\u{1b}[1mservice\u{1b}[22m    \u{1b}[1mcount\u{1b}[22m"));
        assert!(colored.contains("\u{1b}[31mtime\\nout\u{1b}[39m\n"));
    }

    #[test]
    fn an_empty_table_says_so() {
        let empty = Table {
            if_empty: "No trace failed.".to_owned(),
            columns: vec![report::Column::new("service")],
            ..Table::default()
        };
        let section = Section { title: "Errors".to_owned(), tables: vec![empty], ..Section::default() };
        assert_eq!(shown(&[section], &Look::default()), "Errors\n══════\nNo trace failed.\n");
    }

    #[test]
    fn a_table_without_headings_is_a_list() {
        let list = Table {
            columns: vec![report::Column::new(""), report::Column::new("")],
            rows: vec![
                vec![Cell::Text("traces".to_owned()), Cell::Count(9)],
                vec![Cell::Text("p95".to_owned()), Cell::Count(10)],
            ],
            total_rows: 2,
            ..Table::default()
        };
        let section = Section { tables: vec![list], ..Section::default() };
        assert_eq!(shown(&[section], &Look::default()), "traces   9\np95     10\n");
    }

    #[test]
    fn a_closed_pipe_is_an_error() {
        let full: &mut [u8] = &mut [0; 8];
        let mut full = io::Cursor::new(full);
        assert!(sections(&mut full, &sample::sections(), &Look::default()).is_err());
    }

    fn without_colors(text: &str) -> String {
        let mut parts = text.split("\u{1b}[");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |plain, it| plain + it.split_once('m').map_or("", |(_, rest)| rest))
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![any::<String>(), "[a-z/{}. ]{0,60}", "[支払い💳e\u{301}\u{644}\u{627}🇩🇪👍🏽❤\u{fe0f}\u{1b}\n]{0,30}",]
    }

    fn cell(kind: u8) -> BoxedStrategy<Cell> {
        match kind {
            0 => text().prop_map(Cell::Text).boxed(),
            1 => text().prop_map(Cell::Name).boxed(),
            2 => text().prop_map(Cell::Id).boxed(),
            3 => any::<u64>().prop_map(Cell::Count).boxed(),
            4 => (any::<i64>(), 0u32..60).prop_map(|(ns, small)| Cell::DurationNs(ns >> small)).boxed(),
            5 => any::<f64>().prop_map(Cell::Percent).boxed(),
            6 => (-10.0..110.0).prop_map(Cell::Share).boxed(),
            7 => any::<i64>().prop_map(Cell::TimestampUs).boxed(),
            8 => text().prop_map(Cell::Alert).boxed(),
            9 => Just(Cell::Unknown).boxed(),
            _ => (0u8..10).prop_flat_map(cell).boxed(),
        }
    }

    fn table() -> impl Strategy<Value = Table> {
        const NAMES: [&str; 5] = ["", "p99", "service", "operation", "支払い share of the total"];
        let column = (0..NAMES.len(), 0u8..4, 0u8..11);
        (prop::collection::vec(column, 0..13), 0usize..6).prop_flat_map(|(columns, n_rows)| {
            let row: Vec<_> = columns.iter().map(|&(_, _, kind)| cell(kind)).collect();
            let columns: Vec<_> =
                columns.iter().map(|&(name, rank, _)| report::Column::ranked(NAMES[name], rank)).collect();
            let rows = prop::collection::vec(row, n_rows);
            (rows, any::<usize>(), prop::option::of(text()), text()).prop_map(
                move |(rows, total_rows, title, if_empty)| Table {
                    title,
                    columns: columns.clone(),
                    rows,
                    total_rows,
                    if_empty,
                },
            )
        })
    }

    fn any_section() -> impl Strategy<Value = Section> {
        let tables = prop::collection::vec(table(), 0..3);
        let notes = prop::collection::vec(text(), 0..3);
        (text(), text(), notes, tables).prop_map(|(title, about, notes, tables)| Section {
            title,
            about,
            notes,
            tables,
            next: None,
        })
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal(section in any_section(), width in 1usize..220) {
            let shown = shown(&[section], &Look { width: Some(width), color: false });
            for line in shown.lines() {
                prop_assert!(cut::width(line) <= width, "{} > {width}: {line:?}", cut::width(line));
                prop_assert!(!line.contains(char::is_control));
            }
        }

        #[test]
        fn colors_never_move_anything(section in any_section(), width in prop::option::of(20usize..220)) {
            let plain = shown(std::slice::from_ref(&section), &Look { width, color: false });
            let colored = shown(&[section], &Look { width, color: true });
            let colored = without_colors(&colored);
            // A red text may end in spaces, which are cut off where nothing stands behind them.
            let colored: Vec<&str> = colored.lines().map(str::trim_end).collect();
            prop_assert_eq!(colored, plain.lines().map(str::trim_end).collect::<Vec<_>>());
        }
    }
}
