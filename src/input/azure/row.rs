//! One row, under whichever names its columns have.

use std::borrow::Cow;

use crate::input::json::Node;
use crate::input::{decimal_ns, rfc3339_ns};

/// What a row is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Request,
    Dependency,
    Exception,
    Other,
}

pub(super) struct Row<'n, 'a> {
    cells: &'n Node<'a>,
}

impl<'n, 'a> Row<'n, 'a> {
    pub(super) fn of(cells: &'n Node<'a>) -> Row<'n, 'a> {
        Row { cells }
    }

    /// The first of these columns that says anything.
    pub(super) fn get(&self, columns: &[&str]) -> &'n Node<'a> {
        let cells = self.cells;
        let said = columns.iter().map(|it| cells.get(it)).find(|it| !it.is_null() && it.as_str() != Some(""));
        said.unwrap_or(&Node::Null)
    }

    pub(super) fn text(&self, columns: &[&str]) -> Option<&'n str> {
        self.get(columns).scalar()
    }

    /// What it is of: its own word, or else the columns that only one kind fills.
    pub(super) fn item(&self) -> Item {
        match self.text(&["itemType", "Type"]).or_else(|| self.text(&["$table"])) {
            Some("request" | "AppRequests" | "requests") => Item::Request,
            Some("dependency" | "AppDependencies" | "dependencies") => Item::Dependency,
            Some("exception" | "AppExceptions" | "exceptions") => Item::Exception,
            Some(_) => Item::Other,
            None if self.text(&["outerMessage", "OuterMessage", "ExceptionType", "outerType"]).is_some() => {
                Item::Exception
            }
            None if self.text(&["DependencyType", "target", "Target", "data", "Data"]).is_some() => Item::Dependency,
            None if self.text(&["type"]).is_some() && self.text(&["success"]).is_some() => Item::Dependency,
            None if self.text(&["success", "Success", "resultCode", "ResultCode"]).is_some() => Item::Request,
            None => Item::Other,
        }
    }

    pub(super) fn parent(&self) -> Option<&'n str> {
        self.text(&["operation_ParentId", "ParentId", "OperationParentId"])
    }

    pub(super) fn time(&self) -> Result<Option<i64>, &'static str> {
        match self.get(&["timestamp", "TimeGenerated"]) {
            Node::Null => Ok(None),
            it => it.as_str().and_then(rfc3339_ns).map(Some).ok_or("a span whose time is none"),
        }
    }

    /// A number of milliseconds, or a timespan.
    pub(super) fn duration_ns(&self) -> Result<Option<i64>, &'static str> {
        match self.get(&["duration", "DurationMs"]) {
            Node::Null => Ok(None),
            it => {
                let ns = it.scalar().and_then(|it| if it.contains(':') { timespan_ns(it) } else { decimal_ns(it, 3) });
                ns.map(Some).ok_or("a span whose duration is not a number")
            }
        }
    }

    /// The status of an answer, where it is a number.
    pub(super) fn code(&self) -> Option<&'n str> {
        self.text(&["resultCode", "ResultCode"]).filter(|it| it.parse::<u32>().is_ok())
    }

    /// `POST /pay`, taken apart.
    pub(super) fn method_and_path(&self) -> (Option<&'n str>, Option<&'n str>) {
        let Some(name) = self.text(&["name", "Name"]) else { return (None, None) };
        let (word, rest) = name.split_once(' ').unwrap_or((name, ""));
        const METHODS: [&str; 9] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT"];
        let method = METHODS.contains(&word).then_some(word);
        (method, Some(rest.trim()).filter(|it| it.starts_with('/')))
    }

    /// The custom dimensions as JSON: an object, or the text of one.
    pub(super) fn properties(&self) -> Cow<'n, str> {
        match self.get(&["customDimensions", "Properties"]) {
            Node::Text(text) => Cow::Borrowed(text),
            other => Cow::Owned(other.to_json()),
        }
    }

    /// The stack trace of the first exception.
    pub(super) fn stack(&self) -> Option<String> {
        let details = match self.get(&["details", "Details"]) {
            Node::Text(text) => Cow::Borrowed(text.as_ref()),
            other => Cow::Owned(other.to_json()),
        };
        let details = Node::parse(&details).ok()?;
        let first = if details.is_list() { details.first() } else { &details };
        if let Some(raw) = first.get("rawStack").filled() {
            return Some(raw.to_owned());
        }
        let frames = first.get("parsedStack").items();
        let line = |frame: &Node<'_>| {
            let of = |key: &str| frame.get(key).scalar();
            let method = of("method").unwrap_or("?");
            match (of("fileName"), of("line")) {
                (Some(file), Some(line)) => format!("at {method} ({file}:{line})"),
                _ => format!("at {method}"),
            }
        };
        (!frames.is_empty()).then(|| frames.iter().map(line).collect::<Vec<_>>().join("\n"))
    }
}

/// `1.02:03:04.5` is a day, two hours, three minutes and 4.5 seconds.
fn timespan_ns(text: &str) -> Option<i64> {
    let (is_negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut parts = text.splitn(3, ':');
    let (days, hours) = match parts.next()?.split_once('.') {
        Some((days, hours)) => (days.parse::<u32>().ok()?, hours),
        None => (0, text.split(':').next()?),
    };
    let hours = i64::from(days) * 24 + i64::from(hours.parse::<u32>().ok()?);
    let minutes = i64::from(parts.next()?.parse::<u32>().ok()?);
    let seconds = decimal_ns(parts.next().filter(|it| it.starts_with(|it: char| it.is_ascii_digit()))?, 0)?;
    let ns = (hours * 60 + minutes).checked_mul(60_000_000_000)?.checked_add(seconds)?;
    Some(if is_negative { -ns } else { ns })
}

/// The database that a type of dependency speaks to, by the name of the conventions.
pub(super) fn database(of_type: &str) -> Option<&'static str> {
    const DATABASES: &[(&str, &str)] = &[
        ("SQL", "microsoft.sql_server"),
        ("mssql", "microsoft.sql_server"),
        ("postgresql", "postgresql"),
        ("mysql", "mysql"),
        ("mariadb", "mariadb"),
        ("sqlite", "sqlite"),
        ("oracle", "oracle.db"),
        ("db2", "ibm.db2"),
        ("redis", "redis"),
        ("mongodb", "mongodb"),
        ("cassandra", "cassandra"),
        ("elasticsearch", "elasticsearch"),
        ("Azure DocumentDB", "azure.cosmosdb"),
        ("Microsoft.DocumentDb", "azure.cosmosdb"),
    ];
    DATABASES.iter().find(|(name, _)| of_type.eq_ignore_ascii_case(name)).map(|(_, system)| *system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timespans_have_days_and_fractions() {
        for (text, ns) in [
            ("00:00:01.2345678", Some(1_234_567_800)),
            ("1.02:03:04.5", Some(93_784_500_000_000)),
            ("-00:01:00", Some(-60_000_000_000)),
            ("01:00", None),
            ("00:00:", None),
            ("a:b:c", None),
            ("00:00:-1", None),
            ("4294967295.4294967295:0:0", None),
        ] {
            assert_eq!(timespan_ns(text), ns, "{text}");
        }
    }

    #[test]
    fn the_columns_that_are_filled_tell_what_a_row_is() {
        for (row, item) in [
            (r#"{"$table":"requests"}"#, Item::Request),
            (r#"{"itemType":"","target":"x"}"#, Item::Dependency),
            (r#"{"type":"HTTP","success":"True"}"#, Item::Dependency),
            (r#"{"success":"True"}"#, Item::Request),
            (r#"{"type":"E","outerMessage":"x"}"#, Item::Exception),
            (r#"{"itemType":"availabilityResult","success":"1"}"#, Item::Other),
            ("{}", Item::Other),
        ] {
            assert_eq!(Row::of(&Node::parse(row).unwrap()).item(), item, "{row}");
        }
    }

    #[test]
    fn a_stack_is_raw_or_parsed() {
        let stack = |text: &str| Row::of(&Node::parse(text).unwrap()).stack();
        assert_eq!(stack(r#"{"details":"[{\"rawStack\":\"at x\"}]"}"#).as_deref(), Some("at x"));
        let parsed =
            r#"{"Details":[{"parsedStack":[{"method":"pay","fileName":"p.js","line":10},{"method":"main"}]}]}"#;
        assert_eq!(stack(parsed).as_deref(), Some("at pay (p.js:10)\nat main"));
        assert_eq!(stack(r#"{"details":"["}"#), None);
    }
}
