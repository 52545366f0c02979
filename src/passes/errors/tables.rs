//! Errors for people: sentences that answer first, then the tables behind them.

use std::cmp::Reverse;

use super::report::{AbsorbedReport, ErrorsReport, ExampleReport, PatternReport, RootCauseReport, ServiceReport};
use crate::model::Name;
use crate::report::{Cell, Column, Json, Report, Section, Table, words};
use crate::stats::percent;

/// So many causes, and so many that absorb, are said in words; the tables have them all.
const SENTENCES: usize = 3;

/// As much of a message as a sentence bears.
const MESSAGE_CHARS: usize = 120;

impl Report for ErrorsReport {
    fn json(&self) -> Vec<(&'static str, &dyn Json)> {
        vec![("errors", self)]
    }

    fn section(&self) -> Section {
        let mut section = Section {
            title: "Errors".to_owned(),
            about: "what fails, where failures start, and who absorbs them".to_owned(),
            ..Section::default()
        };
        if self.failing_traces == 0 {
            section.notes.push(match self.total_traces {
                0 => "No traces.".to_owned(),
                1 => "The trace contains no error.".to_owned(),
                n => format!("None of {} traces contains an error.", words::count(n)),
            });
            return section;
        }
        section.notes.push(self.rates());
        section.notes.extend(self.root_causes.iter().take(SENTENCES).map(|it| self.cause(it)));
        section.notes.extend(self.absorbed.iter().take(SENTENCES).map(AbsorbedReport::sentence));
        if self.n_detached > 0 {
            let n = words::count(self.n_detached);
            let s = if self.n_detached == 1 { "" } else { "s" };
            section.notes.push(format!("In {n} trace{s} a span whose caller is not in the capture failed"));
        }
        section.notes.extend(self.stacks());
        if let Some(worst) = self.root_causes.first()
            && !self.options.verbose
        {
            let typed = ["--service", worst.service.as_str(), "--operation", worst.operation.as_str()];
            section.next = Some(typed.into_iter().chain(["--errors", "--verbose"]).map(str::to_owned).collect());
        }
        section.tables = vec![self.causes_table(), self.absorbed_table(), self.patterns_table(), self.services_table()];
        section
    }
}

impl ErrorsReport {
    fn rates(&self) -> String {
        format!(
            "{} of {} traces contain an error ({}); in {} the request itself failed ({})",
            words::count(self.failing_traces),
            words::count(self.total_traces),
            words::percent(percent(self.failing_traces, self.total_traces)),
            words::count(self.n_failed),
            words::percent(percent(self.n_failed, self.total_traces)),
        )
    }

    fn cause(&self, cause: &RootCauseReport) -> String {
        let RootCauseReport { service, operation, traces, failed_callers, .. } = cause;
        let (traces, n_failed) = (words::count(*traces), words::count(self.n_failed));
        let through = match &failed_callers[..] {
            [] => String::new(),
            callers => format!(", and pass through {}", listed(callers)),
        };
        let message = message(cause.error_message.as_deref());
        format!("Failures start in {service} {operation}{message} ({traces} of {n_failed} failed requests){through}")
    }

    /// The stack trace of one example of each pattern shown, line by line.
    fn stacks(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for pattern in self.patterns.iter().take(self.options.rows) {
            let Some((example, stack)) = pattern.examples.iter().find_map(with_stack) else {
                continue;
            };
            let PatternReport { service, operation, .. } = pattern;
            let (trace, span) = (&example.trace_id, &example.span_id);
            notes.push(format!("Stack trace of {service} {operation} (trace {trace}, span {span}):"));
            // A tab would be shown as an escape.
            notes.extend(stack.lines().map(|it| it.replace('\t', "    ")));
        }
        notes
    }

    fn causes_table(&self) -> Table {
        let rows = self.root_causes.iter().take(self.options.rows).map(|it| {
            vec![
                name(it.service),
                name(it.operation),
                alert(it.error_message.as_deref()),
                Cell::Count(it.traces),
                Cell::Share(it.share_percent),
                Cell::Text(it.failed_callers.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(", ")),
            ]
        });
        Table {
            title: Some("Root causes".to_owned()),
            columns: vec![
                Column::new("service"),
                Column::new("operation"),
                Column::new("message"),
                Column::new("traces"),
                Column::ranked("of failed", 2),
                Column::ranked("failed callers", 1),
            ],
            rows: rows.collect(),
            total_rows: self.root_causes_total,
            if_empty: "No request failed.".to_owned(),
        }
    }

    fn absorbed_table(&self) -> Table {
        let rows = self.absorbed.iter().take(self.options.rows).map(|it| {
            vec![
                name(it.service),
                name(it.operation),
                alert(it.error_message.as_deref()),
                name(it.by_service),
                name(it.by_operation),
                Cell::Count(it.count),
                Cell::Count(it.traces),
            ]
        });
        Table {
            title: Some("Absorbed by the caller".to_owned()),
            columns: vec![
                Column::new("service"),
                Column::new("operation"),
                Column::new("message"),
                Column::new("by service"),
                Column::ranked("by operation", 1),
                Column::new("errors"),
                Column::ranked("traces", 2),
            ],
            rows: rows.collect(),
            total_rows: self.absorbed_total,
            if_empty: "No error was absorbed by its caller.".to_owned(),
        }
    }

    fn patterns_table(&self) -> Table {
        Table {
            title: Some("Patterns".to_owned()),
            columns: vec![
                Column::new("service"),
                Column::new("operation"),
                Column::new("message"),
                Column::ranked("type", 4),
                Column::ranked("code", 3),
                Column::new("errors"),
                Column::ranked("traces", 2),
                Column::ranked("of failing", 1),
                Column::ranked("first seen", 5),
                Column::ranked("last seen", 6),
                Column::ranked("example trace", 7),
            ],
            rows: self.patterns.iter().take(self.options.rows).map(PatternReport::row).collect(),
            total_rows: self.patterns_total,
            ..Table::default()
        }
    }

    fn services_table(&self) -> Table {
        let mut services: Vec<(&Name, &ServiceReport)> = self.errors_by_service.iter().collect();
        services.sort_by_key(|(_, it)| Reverse(it.count));
        let rows =
            services.iter().take(self.options.rows).map(|(service, it)| vec![name(**service), Cell::Count(it.count)]);
        Table {
            title: Some("By service".to_owned()),
            columns: vec![Column::new("service"), Column::new("errors")],
            rows: rows.collect(),
            total_rows: services.len(),
            ..Table::default()
        }
    }
}

impl PatternReport {
    fn row(&self) -> Vec<Cell> {
        let text = |text: &Option<String>| text.clone().map_or(Cell::Unknown, Cell::Text);
        vec![
            name(self.service),
            name(self.operation),
            alert(self.error_message.as_deref()),
            text(&self.error_type),
            text(&self.code),
            Cell::Count(self.count),
            Cell::Count(self.traces),
            Cell::Percent(self.percentage),
            Cell::TimestampUs(self.first_ns.div_euclid(1_000)),
            Cell::TimestampUs(self.last_ns.div_euclid(1_000)),
            self.examples.first().map_or(Cell::Unknown, |it| Cell::Id(it.trace_id.to_string())),
        ]
    }
}

impl AbsorbedReport {
    fn sentence(&self) -> String {
        let AbsorbedReport { service, operation, by_service, by_operation, .. } = self;
        let of = if service == by_service { "its own".to_owned() } else { service.to_string() };
        let message = message(self.error_message.as_deref());
        let times = match (self.count, self.traces) {
            (1, _) => "once".to_owned(),
            (n, 1) => format!("{} times in 1 trace", words::count(n)),
            (n, traces) => format!("{} times in {} traces", words::count(n), words::count(traces)),
        };
        format!("{by_service} {by_operation} absorbs failures of {of} {operation}{message} ({times})")
    }
}

fn with_stack(example: &ExampleReport) -> Option<(&ExampleReport, &str)> {
    Some((example, example.stack.as_ref()?.as_deref()?))
}

/// `: connection refused`, or nothing.
fn message(message: Option<&str>) -> String {
    let Some(line) = message.and_then(|it| it.lines().find(|it| !it.trim().is_empty())) else {
        return String::new();
    };
    let line = line.trim();
    match line.char_indices().nth(MESSAGE_CHARS) {
        Some((end, _)) => format!(": {}…", line[..end].trim_end()),
        None => format!(": {line}"),
    }
}

/// `a`, `a and b`, `a, b and c`.
fn listed(names: &[Name]) -> String {
    match names {
        [] => String::new(),
        [one] => one.to_string(),
        [most @ .., last] => format!("{} and {last}", most.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(", ")),
    }
}

fn name(name: Name) -> Cell {
    Cell::Name(name.to_string())
}

fn alert(message: Option<&str>) -> Cell {
    message.map_or(Cell::Unknown, |it| Cell::Alert(it.to_owned()))
}
