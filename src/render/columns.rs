//! What the cells of a table say: numbers as texts, one unit a column, names made safe.

use std::borrow::Cow;
use std::iter;

use super::{cut, sanitize, scale::Scale, units};
use crate::report::{self, Cell, Table};

/// A column as texts, before anybody asks how much room there is.
pub(super) struct Column {
    pub(super) name: &'static str,
    /// The name and the unit.
    pub(super) heading: String,
    pub(super) texts: Vec<Text>,
    /// Numbers end where the numbers below them end.
    pub(super) right: bool,
    /// The larger, the sooner the column gives way; 0 never does.
    pub(super) rank: u8,
    /// One a row where bars may be drawn as well.
    pub(super) shares: Option<Vec<Option<f64>>>,
}

/// The text of a cell and what may be done to it.
pub(super) struct Text {
    pub(super) text: String,
    pub(super) alert: bool,
    cut: Cut,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    Middle,
    End,
    /// A number or an id says something else when a part is missing.
    Never,
}

/// The columns of a table, in its order. A row that is too short is filled with what is not known.
pub(super) fn of(table: &Table) -> Vec<Column> {
    let column = |idx| table.rows.iter().map(move |row| row.get(idx).unwrap_or(&Cell::Unknown));
    let columns: Vec<Vec<&Cell>> = (0..table.columns.len()).map(|idx| column(idx).collect()).collect();
    let durations = columns.iter().filter(|it| durations_only(it)).map(|it| durations(it));
    let mut scales = Scale::of_neighbors(&durations.collect::<Vec<_>>()).into_iter();
    let mut shown = Vec::with_capacity(columns.len());
    for (column, cells) in iter::zip(&table.columns, &columns) {
        let scale = if durations_only(cells) { scales.next() } else { None };
        shown.push(Column::new(column, cells, scale));
    }
    shown
}

impl Column {
    fn new(column: &report::Column, cells: &[&Cell], scale: Option<Scale>) -> Column {
        let known = || cells.iter().filter(|it| !matches!(it, Cell::Unknown));
        let any = known().next().is_some();
        let times = any && known().all(|it| matches!(it, Cell::TimestampUs(_)));
        let shares: Vec<Option<f64>> = cells.iter().map(|it| share(it)).collect();
        let decimals = units::percent_decimals(shares.iter().flatten().copied());
        let heading = match &scale {
            Some(scale) => format!("{} {}", column.name, scale.unit()),
            None if times => format!("{} UTC", column.name),
            None => column.name.to_owned(),
        };
        let text = |cell: &&Cell| match cell {
            Cell::Text(text) => Text::new(sanitize::line(text), Cut::End),
            Cell::Alert(text) => Text { alert: true, ..Text::new(sanitize::line(text), Cut::End) },
            Cell::Name(name) => Text::new(sanitize::line(name), Cut::Middle),
            Cell::Id(id) => Text::new(sanitize::line(id), Cut::Never),
            Cell::Count(n) => Text::new(units::count(*n), Cut::Never),
            Cell::DurationNs(ns) => {
                let text = scale.map_or_else(|| units::duration(*ns), |it| it.show(*ns));
                Text::new(text, Cut::Never)
            }
            Cell::Percent(share) | Cell::Share(share) => Text::new(units::percent_with(*share, decimals), Cut::Never),
            Cell::TimestampUs(us) => {
                let zone = if times { "" } else { " UTC" };
                Text::new(format!("{}{zone}", units::timestamp(*us)), Cut::Never)
            }
            Cell::Unknown => Text::new(units::UNKNOWN, Cut::Never),
        };
        Column {
            name: column.name,
            heading: heading.trim_start().to_owned(),
            texts: cells.iter().map(text).collect(),
            right: any && known().all(|it| is_number(it)),
            rank: column.rank,
            shares: (any && known().all(|it| matches!(it, Cell::Share(_)))).then_some(shares),
        }
    }

    /// The room in which nothing is cut.
    pub(super) fn natural(&self) -> usize {
        let texts = self.texts.iter().map(|it| cut::width(&it.text));
        texts.chain([cut::width(&self.heading)]).max().unwrap_or(0)
    }

    /// The room without which a number or an id would be cut.
    pub(super) fn firm(&self) -> usize {
        let firm = self.texts.iter().filter(|it| it.cut == Cut::Never);
        let widths = firm.clone().map(|it| cut::width(&it.text));
        // Beside numbers the heading says which they are; above texts it may be cut like them.
        let is_firm = firm.count() == self.texts.len();
        let heading = if is_firm { cut::width(&self.heading) } else { 0 };
        widths.max().unwrap_or(0).max(heading)
    }
}

impl Text {
    fn new<'a>(text: impl Into<Cow<'a, str>>, cut: Cut) -> Text {
        Text { text: text.into().into_owned(), alert: false, cut }
    }

    /// The text in at most so many columns of the terminal.
    pub(super) fn fitted(&self, width: usize) -> String {
        match self.cut {
            Cut::Middle => cut::middle(&self.text, width),
            Cut::End | Cut::Never => cut::end(&self.text, width),
        }
    }
}

/// Whether a column holds durations and nothing else, and so has one unit.
fn durations_only(cells: &[&Cell]) -> bool {
    let mut known = cells.iter().filter(|it| !matches!(it, Cell::Unknown)).peekable();
    known.peek().is_some() && known.all(|it| matches!(it, Cell::DurationNs(_)))
}

fn durations(cells: &[&Cell]) -> Vec<i64> {
    let duration = |it: &&Cell| {
        if let Cell::DurationNs(ns) = it { Some(*ns) } else { None }
    };
    cells.iter().filter_map(duration).collect()
}

fn share(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Percent(share) | Cell::Share(share) => Some(*share),
        _ => None,
    }
}

fn is_number(cell: &Cell) -> bool {
    match cell {
        Cell::Count(_) | Cell::DurationNs(_) | Cell::Percent(_) | Cell::Share(_) => true,
        // An alarming number among numbers stays in line with them.
        Cell::Alert(text) => text.chars().all(|it| it.is_ascii_digit() || ".,%<>- ".contains(it)),
        Cell::Text(_) | Cell::Name(_) | Cell::Id(_) | Cell::TimestampUs(_) | Cell::Unknown => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &'static str, cells: Vec<Cell>) -> Column {
        let table = Table {
            columns: vec![report::Column::new(name)],
            rows: cells.into_iter().map(|it| vec![it]).collect(),
            ..Table::default()
        };
        of(&table).remove(0)
    }

    #[track_caller]
    fn check(name: &'static str, cells: Vec<Cell>, right: bool, shown: &[&str]) {
        let column = column(name, cells);
        let texts = column.texts.iter().map(|it| it.text.as_str());
        assert_eq!(iter::once(column.heading.as_str()).chain(texts).collect::<Vec<_>>(), shown);
        assert_eq!(column.right, right);
    }

    #[test]
    fn the_unit_of_durations_is_in_the_heading() {
        let cells = vec![Cell::DurationNs(1_500_000), Cell::Unknown, Cell::DurationNs(12_000_000)];
        check("p95", cells, true, &["p95 ms", "1.5", "–", "12.0"]);
    }

    #[test]
    fn unlike_cells_carry_their_units_themselves() {
        let cells = vec![Cell::DurationNs(1_500_000), Cell::TimestampUs(0), Cell::Text("a\nb".to_owned())];
        check("value", cells, false, &["value", "1.5 ms", "1970-01-01 00:00:00.000 UTC", r"a\nb"]);
    }

    #[test]
    fn times_say_utc_once() {
        let cells = vec![Cell::TimestampUs(0), Cell::Unknown];
        check("first seen", cells, false, &["first seen UTC", "1970-01-01 00:00:00.000", "–"]);
    }

    #[test]
    fn an_alarming_number_stays_among_numbers() {
        check(
            "errors",
            vec![Cell::Count(1_000), Cell::Alert("1,000,000".to_owned())],
            true,
            &["errors", "1,000", "1,000,000"],
        );
        check("code", vec![Cell::Count(1), Cell::Alert("timeout".to_owned())], false, &["code", "1", "timeout"]);
    }

    #[test]
    fn short_rows_are_filled() {
        let table = Table {
            columns: vec![report::Column::new("a"), report::Column::new("b")],
            rows: vec![vec![Cell::Count(1)], vec![Cell::Count(1), Cell::Count(2), Cell::Count(3)]],
            ..Table::default()
        };
        let columns = of(&table);
        assert_eq!(columns.len(), 2);
        assert_eq!(columns[1].texts[0].text, "–");
    }
}
