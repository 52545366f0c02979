//! Gates for people.

use super::judge::Judgement;
use crate::report::{Cell, Column, Section, Table, words};

/// The section about gates; `None` without any.
pub fn section(judgements: &[Judgement]) -> Option<Section> {
    if judgements.is_empty() {
        return None;
    }
    let n_failed = judgements.iter().filter(|it| !it.passed).count();
    let n = words::some(judgements.len() as u64, "gate", "gates");
    let note = match n_failed {
        0 => format!("No limit is exceeded ({n})"),
        failed => format!("{} of {n} failed", words::count(failed as u64)),
    };
    let row = |it: &Judgement| {
        let result = match (it.passed, it.judged) {
            (false, _) => Cell::Alert("failed".to_owned()),
            (true, true) => Cell::Text("passed".to_owned()),
            (true, false) => Cell::Text("not judged".to_owned()),
        };
        vec![Cell::Name(it.gate.clone()), result, Cell::Text(it.message.clone())]
    };
    Some(Section {
        title: "Gates".to_owned(),
        about: "limits that were set".to_owned(),
        notes: vec![note],
        tables: vec![Table {
            columns: ["gate", "result", "found"].map(Column::new).into(),
            rows: judgements.iter().map(row).collect(),
            total_rows: judgements.len(),
            ..Table::default()
        }],
        ..Section::default()
    })
}
