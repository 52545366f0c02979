//! What a pass has to say, as plain data: how it looks is the renderer's business.

pub mod bulletin;
pub mod json;
pub mod words;

pub use json::Json;

/// One part of the report: a typed result for programs and tables for people.
pub trait Report: Send {
    /// The keys this report fills in the JSON object, in the order they are written.
    fn json(&self) -> Vec<(&'static str, &dyn Json)>;

    /// The same for eyes.
    fn section(&self) -> Section;

    /// Compares with what a server says of the calls between services, if it is about those.
    fn compare_calls(&mut self, theirs: &TheirCalls) {
        let _ = theirs;
    }

    /// What the section says and a reader of the JSON must not miss.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What a server says of the calls between services.
#[derive(Clone, Debug, Default)]
pub struct TheirCalls {
    /// Caller, called, how often.
    pub calls: Vec<(String, String, u64)>,
    /// Only calls from or to these were looked at; none is all.
    pub services: Vec<String>,
}

/// What a person reads of one pass.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// The heading, such as `Bottlenecks`.
    pub title: String,
    /// What the heading means, in one short line, shown dimmed beside or below it.
    pub about: String,
    /// Sentences before the tables: the answer in words.
    pub notes: Vec<String>,
    /// The tables, most important first.
    pub tables: Vec<Table>,
    /// Flags that show more of what matters most here: the next thing worth typing.
    pub next: Option<Vec<String>>,
}

/// Rows under named columns.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// A heading of its own, where a section has several tables.
    pub title: Option<String>,
    /// What stands in each row.
    pub columns: Vec<Column>,
    /// As many cells a row as there are columns.
    pub rows: Vec<Vec<Cell>>,
    /// How many rows there would be if none were cut.
    pub total_rows: usize,
    /// What is said instead when there are no rows.
    pub if_empty: String,
}

/// A heading and how dearly it is held.
#[derive(Clone, Debug)]
pub struct Column {
    /// The heading, in small letters; units are added by the renderer. Where all of a table's are
    /// empty it has no header.
    pub name: &'static str,
    /// Where room is short the columns with the largest number go first; 0 always stays.
    pub rank: u8,
}

/// A value with its meaning, so that one renderer can choose unit, rounding and alignment.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Words: left-aligned, cut at the end when there is no room.
    Text(String),
    /// A name out of a trace: left-aligned, cut in the middle, control characters escaped.
    Name(String),
    /// A trace or span id: never cut.
    Id(String),
    /// A number of things.
    Count(u64),
    /// A duration in nanoseconds; one unit is chosen for the whole column.
    DurationNs(i64),
    /// 0 to 100.
    Percent(f64),
    /// 0 to 100, drawn as a bar as well where there is room.
    Share(f64),
    /// Microseconds since the epoch, shown in UTC.
    TimestampUs(i64),
    /// Something that went wrong: shown red on a terminal.
    Alert(String),
    /// Not known: shown as a dash.
    Unknown,
}

impl Column {
    /// A column that always stays.
    pub fn new(name: &'static str) -> Column {
        Column { name, rank: 0 }
    }

    /// A column that gives way: the larger `rank`, the sooner.
    pub fn ranked(name: &'static str, rank: u8) -> Column {
        Column { name, rank }
    }
}
