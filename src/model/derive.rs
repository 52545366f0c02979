//! What follows from a trace's shape and times, worked out once for all passes: self time, main root, critical paths.

use super::attributes::Run;
use super::critical_path::{Paths, Walker};
use super::{Span, Trace};

/// What a child that outlives its parent means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AsyncChildren {
    /// Its parent waited for it until the parent's own end.
    #[default]
    Clip,
    /// Nobody waited for it.
    Ignore,
}

/// The choices that self time, bottlenecks and critical paths share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeriveOptions {
    /// How far one call may reach into the next and still count as before it, in parts per million of
    /// their parent; 0 is not at all.
    pub overlap_tolerance_ppm: u64,
    /// What a child that outlives its parent means.
    pub async_children: AsyncChildren,
    /// Whether servers on other hosts are moved into the call they answer.
    pub skew_correction: bool,
}

impl Default for DeriveOptions {
    fn default() -> DeriveOptions {
        DeriveOptions { overlap_tolerance_ppm: 10_000, async_children: AsyncChildren::Clip, skew_correction: false }
    }
}

pub(super) fn derive(trace: &mut Trace, options: &DeriveOptions, walker: &mut Walker) {
    self_times(&mut trace.spans, options);
    let ends = path_ends(&trace.spans);
    choose_main(trace, &ends);
    let paths = Paths { spans: &trace.spans, ends_ns: &ends, options };
    for root in &mut trace.roots {
        let start = trace.sections.len() as u32;
        walker.walk(&paths, root.span, &mut trace.sections);
        root.sections = Run { start, end: trace.sections.len() as u32 };
    }
}

/// Duration minus the union of the direct blocking children's intervals, clipped to the span.
fn self_times(spans: &mut [Span], options: &DeriveOptions) {
    for idx in 0..spans.len() {
        let span = &spans[idx];
        let Some(duration_ns) = span.duration_ns else { continue };
        let end_ns = span.start_ns + duration_ns;
        let mut covered = 0;
        let mut reached = span.start_ns;
        // Siblings are sorted by start, so one sweep finds the union.
        for child in &spans[span.children.range()] {
            let child_end = child.end_ns();
            let outlives = options.async_children == AsyncChildren::Ignore && child_end > end_ns;
            if !child.blocking || child.duration_ns.is_none() || outlives {
                continue;
            }
            let from = child.start_ns.max(reached);
            let to = child_end.min(end_ns);
            if to > from {
                covered += to - from;
                reached = to;
            }
        }
        spans[idx].self_ns = Some(duration_ns - covered);
    }
}

/// Where each span ends for a path: its end, or the latest end below it if its duration is unknown.
fn path_ends(spans: &[Span]) -> Vec<i64> {
    let mut ends: Vec<i64> = spans.iter().map(Span::end_ns).collect();
    if spans.iter().all(|it| it.duration_ns.is_some()) {
        return ends;
    }
    // Children come after parents, so backwards sees them first.
    let mut latest = ends.clone();
    for (idx, span) in spans.iter().enumerate().rev() {
        if span.duration_ns.is_none() {
            ends[idx] = latest[idx];
        }
        if let Some(parent) = span.parent {
            latest[parent as usize] = latest[parent as usize].max(latest[idx]);
        }
    }
    ends
}

/// The main root is the longest true root, or else the longest orphan.
fn choose_main(trace: &mut Trace, ends: &[i64]) {
    let spans = &trace.spans;
    let length = |it: usize| ends[it] - spans[it].start_ns;
    let longest = |orphan: bool| {
        (0..trace.roots.len())
            .filter(|it| spans[*it].orphan == orphan)
            .reduce(|best, it| if length(it) > length(best) { it } else { best })
    };
    // An orphan is also what a cycle leaves behind: a trace may have no true root at all.
    let main = longest(false).or_else(|| longest(true));
    if let Some(main) = main {
        trace.roots[main].main = true;
        trace.roots[main].partial = spans[main].orphan;
    }
}
