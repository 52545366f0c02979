//! The `input` key: what was read, what was left out, what was mended.

use serde::{Deserialize, Serialize};

use crate::filter::Filter;
use crate::input::source::Source;
use crate::model::Repairs;
use crate::pipeline::{BROKEN_PIECE, Tally};
use crate::render::units;

/// What was read, and how well.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct InputReport {
    pub(super) sources: Vec<SourceReport>,
    pub(super) complete: bool,
    pub(super) incomplete_reasons: Vec<String>,
    pub(super) traces_read: u64,
    pub(super) traces_kept: u64,
    pub(super) filters: Vec<FilterReport>,
    pub(super) skipped: Vec<SkipReport>,
    pub(super) repaired: Repairs,
    #[serde(skip)]
    pub(super) without_traces: Vec<String>,
    #[serde(skip)]
    pub(super) read_twice: bool,
    #[serde(skip)]
    pub(super) n_spans: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SourceReport {
    pub(super) name: String,
    pub(super) format: String,
    pub(super) bytes: u64,
    pub(super) traces: u64,
    pub(super) spans: u64,
    pub(super) warnings: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FilterReport {
    pub(super) filter: String,
    pub(super) kept: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SkipReport {
    pub(super) reason: String,
    pub(super) count: u64,
    pub(super) example: String,
}

impl InputReport {
    /// What was skipped beyond the pieces that [`InputReport::incomplete_reasons`] tells of, a line each.
    pub(super) fn skip_lines(&self) -> impl Iterator<Item = String> {
        let others = self.skipped.iter().filter(|it| it.reason != BROKEN_PIECE);
        others.map(|it| format!("skipped {} × {} (first: {})", units::count(it.count), it.reason, it.example))
    }

    /// `kept`: how many traces passed each filter, then how many passed all.
    pub(super) fn new(sources: &[Source], tally: &Tally, filter: &Filter, kept: &[u64]) -> InputReport {
        let mut incomplete_reasons = tally.incomplete.clone();
        incomplete_reasons.sort();
        let mut skipped: Vec<SkipReport> = tally
            .skips
            .iter()
            .map(|(reason, count, source, place)| SkipReport {
                reason: reason.to_owned(),
                count,
                example: format!("{}:{}:{}", sources[source].name, place.line, place.column()),
            })
            .collect();
        if let Some(first) = tally.without_traces.first() {
            let (reason, count) = ("a file without traces".to_owned(), tally.without_traces.len() as u64);
            skipped.push(SkipReport { reason, count, example: first.clone() });
        }
        InputReport {
            sources: tally
                .sources
                .iter()
                .map(|(idx, it)| SourceReport {
                    name: sources[*idx].name.clone(),
                    format: it.format.clone(),
                    bytes: it.n_bytes,
                    traces: it.n_traces,
                    spans: it.n_spans,
                    warnings: it.warnings.clone(),
                })
                .collect(),
            complete: incomplete_reasons.is_empty(),
            incomplete_reasons,
            traces_read: tally.n_traces,
            traces_kept: kept.last().copied().unwrap_or(0),
            filters: filter
                .names()
                .into_iter()
                .zip(kept)
                .map(|(filter, kept)| FilterReport { filter, kept: *kept })
                .collect(),
            skipped,
            repaired: tally.repairs,
            without_traces: tally.without_traces.clone(),
            read_twice: tally.read_twice,
            n_spans: tally.n_spans,
        }
    }
}
