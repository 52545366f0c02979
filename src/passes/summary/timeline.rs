//! Requests over time, in buckets that join exactly whatever the order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ms_cell;
use crate::passes::timestamp::rfc3339;
use crate::report::{Cell, Column, Table};
use crate::stats::{Distribution, ms};

/// At most so many buckets.
const MOST: i64 = 20;

const MS: i64 = 1_000_000;
const S: i64 = 1_000 * MS;
const MIN: i64 = 60 * S;
const H: i64 = 60 * MIN;

/// Widths of which each divides the next; beyond a day they double.
const WIDTHS_NS: [i64; 19] = [
    MS,
    2 * MS,
    10 * MS,
    20 * MS,
    100 * MS,
    200 * MS,
    S,
    2 * S,
    10 * S,
    20 * S,
    MIN,
    2 * MIN,
    10 * MIN,
    20 * MIN,
    H,
    2 * H,
    6 * H,
    12 * H,
    24 * H,
];

fn width_ns(nth: u32) -> i64 {
    let last = WIDTHS_NS.len() as u32 - 1;
    WIDTHS_NS[nth.min(last) as usize] << nth.saturating_sub(last)
}

/// Traces by their start. The width is the smallest that needs at most [`MOST`] buckets: what a part
/// of the traces needs, all need, so it only ever grows, and its growth does not depend on the order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Timeline {
    width: u32,
    buckets: BTreeMap<i64, Bucket>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Bucket {
    n_traces: u64,
    n_failing: u64,
    durations: Distribution,
}

/// An entry of `summary.timeline`.
#[derive(Debug, Serialize)]
pub(super) struct TimelineBucket {
    start: Option<String>,
    end: Option<String>,
    pub(super) traces: u64,
    failing: u64,
    rate_per_s: f64,
    p50_ms: Option<f64>,
    pub(super) p95_ms: Option<f64>,
    #[serde(skip)]
    start_us: i64,
}

impl Timeline {
    pub(super) fn add(&mut self, start_ns: i64, failing: bool, duration_ns: Option<u64>) {
        let bucket = self.buckets.entry(start_ns.div_euclid(width_ns(self.width))).or_default();
        bucket.n_traces += 1;
        bucket.n_failing += u64::from(failing);
        duration_ns.into_iter().for_each(|it| bucket.durations.record(it));
        self.widen();
    }

    pub(super) fn merge(&mut self, mut other: Timeline) {
        let width = self.width.max(other.width);
        self.widen_to(width);
        other.widen_to(width);
        for (at, bucket) in other.buckets {
            self.buckets.entry(at).or_default().merge(bucket);
        }
        self.widen();
    }

    fn widen(&mut self) {
        while let (Some((first, _)), Some((last, _))) = (self.buckets.first_key_value(), self.buckets.last_key_value())
            && last - first >= MOST
        {
            self.widen_to(self.width + 1);
        }
    }

    fn widen_to(&mut self, width: u32) {
        if width == self.width {
            return;
        }
        let factor = width_ns(width) / width_ns(self.width);
        self.width = width;
        for (at, bucket) in std::mem::take(&mut self.buckets) {
            self.buckets.entry(at.div_euclid(factor)).or_default().merge(bucket);
        }
    }

    pub(super) fn finish(mut self) -> Vec<TimelineBucket> {
        let (Some((&first, _)), Some((&last, _))) = (self.buckets.first_key_value(), self.buckets.last_key_value())
        else {
            return Vec::new();
        };
        let width_ns = width_ns(self.width);
        (first..=last)
            .map(|at| {
                let bucket = self.buckets.remove(&at).unwrap_or_default();
                let quantiles = bucket.durations.quantiles_ns(&[0.5, 0.95]);
                TimelineBucket {
                    start: rfc3339(at * width_ns),
                    end: rfc3339((at + 1) * width_ns),
                    traces: bucket.n_traces,
                    failing: bucket.n_failing,
                    rate_per_s: bucket.n_traces as f64 / (width_ns as f64 / S as f64),
                    p50_ms: quantiles.as_ref().map(|it| ms(it[0])),
                    p95_ms: quantiles.as_ref().map(|it| ms(it[1])),
                    start_us: at * width_ns / 1000,
                }
            })
            .collect()
    }
}

impl Bucket {
    fn merge(&mut self, other: Bucket) {
        self.n_traces += other.n_traces;
        self.n_failing += other.n_failing;
        self.durations.merge(other.durations);
    }
}

pub(super) fn table(buckets: &[TimelineBucket]) -> Table {
    let busiest = buckets.iter().map(|it| it.traces).max().unwrap_or(1).max(1);
    let rows = buckets
        .iter()
        .map(|it| {
            vec![
                Cell::TimestampUs(it.start_us),
                Cell::Count(it.traces),
                if it.failing > 0 { Cell::Alert(it.failing.to_string()) } else { Cell::Count(0) },
                ms_cell(it.p50_ms),
                ms_cell(it.p95_ms),
                Cell::Share(it.traces as f64 / busiest as f64 * 100.0),
            ]
        })
        .collect::<Vec<_>>();
    Table {
        title: Some("Over time".to_owned()),
        columns: vec![
            Column::new("from"),
            Column::new("traces"),
            Column::new("failing"),
            Column::ranked("p50", 2),
            Column::new("p95"),
            Column::ranked("of busiest", 3),
        ],
        total_rows: rows.len(),
        rows,
        ..Table::default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_width_divides_the_next() {
        for nth in 0..30 {
            assert_eq!(width_ns(nth + 1) % width_ns(nth), 0, "width {nth}");
        }
    }

    proptest! {
        #[test]
        fn order_and_grouping_cannot_be_seen(starts in prop::collection::vec(0i64..10_000_000_000_000, 1..60), split: prop::sample::Index) {
            let collect = |starts: &[i64]| {
                let mut timeline = Timeline::default();
                starts.iter().for_each(|it| timeline.add(*it, it % 2 == 0, Some(*it as u64)));
                timeline
            };
            let whole = collect(&starts);
            let (one, two) = starts.split_at(split.index(starts.len()));
            let mut joined = collect(two);
            joined.merge(collect(one));
            prop_assert_eq!(postcard::to_stdvec(&whole).unwrap(), postcard::to_stdvec(&joined).unwrap());
            prop_assert!(whole.finish().len() <= MOST as usize);
        }
    }
}
