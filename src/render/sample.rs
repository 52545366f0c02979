//! Sections with all that is hard to show, for the goldens and `examples/demo.rs`.

use crate::report::{Cell, Column, Section, Table};

/// One of each kind of table.
pub(super) fn sections() -> Vec<Section> {
    vec![summary(), bottlenecks(), errors(), performance(), one_column()]
}

const MS: i64 = 1_000_000;

fn name(text: &str) -> Cell {
    Cell::Name(text.to_owned())
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn summary() -> Section {
    let row = |key: &str, value: Cell| vec![text(key), value];
    Section {
        title: "Summary".into(),
        about: "jaeger capture of 2026-11-01 10:00:00.123 to 10:42:11.000 UTC".into(),
        notes: vec![
            "8 of 100 traces failed (8.0 %), 12 contain an error; p95 is 1.25 s, and 71.2 % of the time requests waited on user-service database_query.".into(),
            "3 spans without an id were skipped, for example a.json.gz:1:5321.".into(),
        ],
        tables: vec![Table {
            columns: vec![Column::new(""), Column::new("")],
            rows: vec![
                row("traces", Cell::Count(12_345)),
                row("median", Cell::DurationNs(250 * MS)),
                row("p99", Cell::DurationNs(1_250 * MS)),
                row("failed", Cell::Percent(8.0)),
                row("from", Cell::TimestampUs(1_793_527_200_123_000)),
            ],
            total_rows: 5,
            ..Table::default()
        }], next: None }
}

fn bottlenecks() -> Section {
    let row = |service: &str, operation: &str, kind: &str, waited: i64, share: f64, traces: u64| {
        vec![
            name(service),
            name(operation),
            text(kind),
            Cell::DurationNs(waited),
            Cell::Share(share),
            Cell::Count(traces),
            Cell::Id("4bf92f3577b34da6a3ce929d0e0e4736".into()),
        ]
    };
    Section {
        title: "Bottlenecks".into(),
        about: "operations that requests waited on, most waited time first".into(),
        notes: vec![],
        tables: vec![Table {
            columns: vec![
                Column::new("service"),
                Column::new("operation"),
                Column::ranked("kind", 3),
                Column::new("waited"),
                Column::new("share"),
                Column::ranked("traces", 1),
                Column::ranked("example", 2),
            ],
            rows: vec![
                row("user-service", "database_query", "client", 16_200 * MS, 71.2, 1_234),
                row(
                    "checkout",
                    "POST /api/v1/tenants/{tenant}/orders/{order}/payments/{payment}/capture",
                    "server",
                    3_210 * MS,
                    14.1,
                    87,
                ),
                row("支払いサービス", "決済を確定する 💳", "client", 940 * MS, 4.1, 12),
                row("cafe\u{301}", "e\u{301}te\u{301} \u{1b}[31mnot red\u{1b}[0m", "internal", 120 * MS, 0.04, 3),
            ],
            total_rows: 16,
            ..Table::default()
        }],
        next: None,
    }
}

fn errors() -> Section {
    let row = |service: &str, operation: &str, message: &str, code: &str, traces: u64, share: f64| {
        vec![
            name(service),
            name(operation),
            Cell::Alert(message.to_owned()),
            text(code),
            Cell::Count(traces),
            Cell::Percent(share),
            Cell::TimestampUs(1_793_527_200_123_000),
        ]
    };
    Section {
        title: "Errors".into(),
        about: "8 of 100 traces failed".into(),
        notes: vec!["All failures start in payment-service.".into()],
        tables: vec![
            Table {
                title: Some("Root causes".into()),
                columns: vec![
                    Column::new("service"),
                    Column::new("operation"),
                    Column::new("message"),
                    Column::ranked("code", 1),
                    Column::new("traces"),
                    Column::ranked("of failing", 3),
                    Column::ranked("first seen", 2),
                ],
                rows: vec![
                    row(
                        "payment-service",
                        "charge_card",
                        "deadline exceeded after ? waiting for connection from pool payments-primary",
                        "504",
                        5,
                        62.5,
                    ),
                    row("inventory", "SELECT stock", "connection refused", "UNAVAILABLE", 3, 37.5),
                ],
                total_rows: 2,
                ..Table::default()
            },
            Table {
                title: Some("Absorbed".into()),
                columns: vec![Column::new("service")],
                if_empty: "No error was absorbed by its caller.".into(),
                ..Table::default()
            },
        ],
        next: None,
    }
}

fn performance() -> Section {
    let row = |service: &str, operation: &str, kind: &str, count: u64, errors: u64, scale: i64| {
        let errors = if errors > 0 { Cell::Alert(errors.to_string()) } else { Cell::Count(0) };
        let mut row = vec![name(service), name(operation), text(kind), Cell::Count(count), errors];
        row.extend([11, 9, 20, 31, 77, 120].map(|it| Cell::DurationNs(it * scale)));
        row.push(Cell::DurationNs(11 * scale * count as i64));
        row
    };
    Section {
        title: "Performance".into(),
        about: "how long operations take, the most total time first".into(),
        notes: vec![],
        tables: vec![Table {
            columns: vec![
                Column::new("service"),
                Column::new("operation"),
                Column::ranked("kind", 7),
                Column::new("count"),
                Column::ranked("errors", 1),
                Column::ranked("mean", 3),
                Column::new("p50"),
                Column::ranked("p90", 6),
                Column::new("p95"),
                Column::ranked("p99", 2),
                Column::ranked("max", 4),
                Column::ranked("total", 5),
            ],
            rows: vec![
                row("frontend", "GET /dispatch", "server", 120_345, 12, 8 * MS),
                row("route", "/GetShortestRoute", "server", 900, 0, 4 * MS),
                row("driver", "/driver.DriverService/FindNearest", "client", 90, 3, 3 * MS + 120_000),
                row("redis-manual", "GetDriver", "client", 12_000, 0, MS / 50),
            ],
            total_rows: 4,
            ..Table::default()
        }],
        next: None,
    }
}

fn one_column() -> Section {
    Section {
        title: "Critical paths".into(),
        about: "what the longest traces waited for, one call after the other".into(),
        tables: vec![Table {
            columns: vec![Column::new("path")],
            rows: vec![vec![name(
                "gateway GET /checkout > user-service database_query > very-long-service-name.namespace.svc.cluster.local POST /api/v1/tenants/{tenant}/orders/{order}/payments/{payment}/capture > db SELECT",
            )]],
            total_rows: 1,
            ..Table::default()
        }],
        ..Section::default()
    }
}
