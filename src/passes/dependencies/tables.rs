//! Dependencies for people.

use std::cmp::Reverse;

use super::report::{BlastRadius, DependenciesReport, Difference, EdgeReport, ServiceReport};
use crate::model::Name;
use crate::model::semantics::PeerType;
use crate::passes::summary::ms_cell;
use crate::report::{Cell, Column, Json, Report, Section, Table, TheirCalls, words};

/// So many cycles are named; beyond, only a program reads on.
const SENTENCES: usize = 3;

/// As many names as a sentence bears.
const NAMES: usize = 8;

impl Report for DependenciesReport {
    fn json(&self) -> Vec<(&'static str, &dyn Json)> {
        vec![("dependencies", self)]
    }

    fn section(&self) -> Section {
        let mut section = Section {
            title: "Dependencies".to_owned(),
            about: "calls that leave a service; latency and errors are the called side's".to_owned(),
            ..Section::default()
        };
        if self.services.is_empty() {
            section.notes.push("No services.".to_owned());
            return section;
        }
        section.notes.push(self.size());
        let cycles = self.cycles.iter().take(SENTENCES);
        section.notes.extend(cycles.map(|it| format!("{} depend on each other in a cycle", listed(it))));
        let radii = self.blast_radius.as_deref().unwrap_or_default();
        section.notes.extend(radii.iter().map(BlastRadius::sentence));
        section.tables.push(self.edges_table());
        section.tables.push(self.services_table());
        if radii.iter().any(|it| !it.dependents.is_empty()) {
            section.tables.push(self.blast_radius_table(radii));
        }
        if let Some(differences) = &self.check {
            section.tables.push(self.check_table(differences));
        }
        section
    }

    fn compare_calls(&mut self, theirs: &TheirCalls) {
        self.check = Some(self.differences(theirs));
    }

    fn warnings(&self) -> Vec<String> {
        let radii = self.blast_radius.iter().flatten();
        radii
            .filter(|it| !it.is_known)
            .map(|it| format!("--blast-radius: there is no service {}", it.service))
            .collect()
    }
}

impl DependenciesReport {
    fn size(&self) -> String {
        let counted =
            |n: usize, one: &str| format!("{} {one}{}", words::count(n as u64), if n == 1 { "" } else { "s" });
        let n_inferred = self.services.values().filter(|it| !it.instrumented).count();
        let inferred = match n_inferred {
            0 => String::new(),
            n => format!(" ({} known from others' calls only)", words::count(n as u64)),
        };
        let (services, edges) = (counted(self.services.len(), "service"), counted(self.edges.len(), "edge"));
        format!("{services}{inferred}, {edges}, depth {}", words::count(self.depth as u64))
    }

    fn edges_table(&self) -> Table {
        let mut edges: Vec<&EdgeReport> = self.edges.iter().collect();
        edges.sort_by_key(|it| Reverse(it.call_count));
        Table {
            title: Some("Calls".to_owned()),
            columns: vec![
                Column::new("from"),
                Column::new("to"),
                Column::new("calls"),
                Column::ranked("errors", 3),
                Column::ranked("error rate", 2),
                Column::ranked("p50", 4),
                Column::new("p95"),
                Column::ranked("", 1),
            ],
            rows: edges.iter().take(self.options.rows).map(|it| it.row()).collect(),
            total_rows: edges.len(),
            if_empty: "No service calls another.".to_owned(),
        }
    }

    fn services_table(&self) -> Table {
        let mut services: Vec<(&Name, &ServiceReport)> = self.services.iter().collect();
        services.sort_by_key(|(_, it)| Reverse(it.call_count));
        Table {
            title: Some("Services".to_owned()),
            columns: vec![
                Column::new("service"),
                Column::ranked("type", 3),
                Column::new("spans"),
                Column::ranked("entries", 3),
                Column::ranked("errors", 4),
                Column::ranked("error rate", 1),
                Column::ranked("mean", 6),
                Column::new("p95"),
                Column::ranked("total", 7),
                Column::ranked("called by", 2),
                Column::ranked("calls", 2),
            ],
            rows: services.iter().take(self.options.rows).map(|(name, it)| it.row(**name)).collect(),
            total_rows: services.len(),
            ..Table::default()
        }
    }

    fn check_table(&self, differences: &[Difference]) -> Table {
        let row = |it: &Difference| {
            vec![Cell::Name(it.from.clone()), Cell::Name(it.to.clone()), Cell::Count(it.ours), Cell::Count(it.theirs)]
        };
        Table {
            title: Some("Calls that the server counts differently".to_owned()),
            columns: vec![Column::new("from"), Column::new("to"), Column::new("counted here"), Column::new("there")],
            rows: differences.iter().take(self.options.rows).map(row).collect(),
            total_rows: differences.len(),
            if_empty: "The server counts the same calls.".to_owned(),
        }
    }

    fn blast_radius_table(&self, radii: &[BlastRadius]) -> Table {
        let rows: Vec<Vec<Cell>> = radii
            .iter()
            .flat_map(|radius| radius.dependents.iter().map(|it| vec![name(radius.service), name(*it)]))
            .collect();
        Table {
            title: Some("Blast radius".to_owned()),
            columns: vec![Column::new("service"), Column::new("dependent")],
            total_rows: rows.len(),
            rows: rows.into_iter().take(self.options.rows).collect(),
            ..Table::default()
        }
    }
}

impl EdgeReport {
    fn row(&self) -> Vec<Cell> {
        let marks = match (self.is_async, self.inferred) {
            (false, false) => "",
            (true, false) => "async",
            (false, true) => "inferred",
            (true, true) => "async, inferred",
        };
        vec![
            name(self.from),
            name(self.to),
            Cell::Count(self.call_count),
            errors(self.error_count),
            Cell::Percent(self.error_rate),
            ms_cell(self.p50_ms),
            ms_cell(self.p95_ms),
            Cell::Text(marks.to_owned()),
        ]
    }
}

impl ServiceReport {
    fn row(&self, service: Name) -> Vec<Cell> {
        let peer_type = match self.peer_type {
            PeerType::Service => "service",
            PeerType::Database => "database",
            PeerType::Messaging => "messaging",
            PeerType::Http => "http",
        };
        vec![
            name(service),
            Cell::Text(if self.instrumented { peer_type.to_owned() } else { format!("{peer_type}, inferred") }),
            Cell::Count(self.call_count),
            Cell::Count(self.entry_count),
            errors(self.error_count),
            self.error_rate.map_or(Cell::Unknown, Cell::Percent),
            ms_cell(self.avg_duration_ms),
            ms_cell(self.p95_ms),
            ms_cell(self.total_duration_ms),
            Cell::Count(self.fan_in as u64),
            Cell::Count(self.fan_out as u64),
        ]
    }
}

impl BlastRadius {
    fn sentence(&self) -> String {
        let service = self.service;
        match &self.dependents[..] {
            [] if !self.is_known => format!("No service is called {service}"),
            [] => format!("No service depends on {service}"),
            [one] => format!("1 service depends on {service}: {one}"),
            some => {
                format!("{} services depend on {service}, directly or through others", words::count(some.len() as u64))
            }
        }
    }
}

/// `a and b`, `a, b and c`, and of many `a, b and 7 others`.
fn listed(names: &[Name]) -> String {
    let (most, last) = match names {
        [most @ .., last] if names.len() <= NAMES => (most, last.to_string()),
        _ => (&names[..NAMES - 1], format!("{} others", words::count((names.len() + 1 - NAMES) as u64))),
    };
    let most: Vec<&str> = most.iter().map(|it| it.as_str()).collect();
    format!("{} and {last}", most.join(", "))
}

fn name(name: Name) -> Cell {
    Cell::Name(name.to_string())
}

fn errors(n_errors: u64) -> Cell {
    if n_errors > 0 { Cell::Alert(words::count(n_errors)) } else { Cell::Count(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<Name> = ('a'..='z').map(|it| Name::new(&it.to_string())).collect();
        assert_eq!(listed(&names[..2]), "a and b");
        assert_eq!(listed(&names[..8]), "a, b, c, d, e, f, g and h");
        assert_eq!(listed(&names[..9]), "a, b, c, d, e, f, g and 2 others");
    }
}
