//! The critical path of a root: at every moment, the one span the root was waiting on.
//!
//! The walk goes backwards from the root's end: the child that ended last is what the parent waited
//! for, then the child that had ended when that one started, and so on; what is left is the
//! parent's own. This is the idea of Jaeger's user interface and of Uber's CRISP. It differs from
//! Jaeger in counting calls that touch (`end <= start`), in giving orphans a path, and in being
//! independent of the order of spans; from CRISP in keeping intervals instead of lists of spans, so
//! that no time is counted twice: the sections of a root tile it.

use super::derive::{AsyncChildren, DeriveOptions};
use super::{Section, Span};

/// What the walk reads.
pub(super) struct Paths<'a> {
    pub(super) spans: &'a [Span],
    /// Ends, known or assumed.
    pub(super) ends_ns: &'a [i64],
    pub(super) options: &'a DeriveOptions,
}

/// The memory of a walk, used again for the next.
#[derive(Debug, Default)]
pub(super) struct Walker {
    frames: Vec<Frame>,
    /// The children of the spans on the stack: a frame's own are the last ones when it is on top.
    children: Vec<Child>,
    /// Their starts, ascending.
    starts: Vec<i64>,
}

/// A child with something left inside its parent's window.
#[derive(Clone, Copy, Debug)]
struct Child {
    span: u32,
    start_ns: i64,
    end_ns: i64,
}

/// A span being walked.
#[derive(Debug)]
struct Frame {
    span: u32,
    window_ns: (i64, i64),
    /// Everything from here to the window's end is accounted for.
    upto_ns: i64,
    /// The first of its children in the walker's lists.
    base: usize,
    /// The next child to look at.
    next: usize,
    /// The interval of the child accepted last.
    accepted: Option<(i64, i64)>,
}

impl Walker {
    /// Appends the sections of a root, earliest first.
    pub(super) fn walk(&mut self, paths: &Paths<'_>, root: u32, sections: &mut Vec<Section>) {
        let first = sections.len();
        let window_ns = (paths.spans[root as usize].start_ns, paths.ends_ns[root as usize]);
        self.enter(paths, root, window_ns);
        while let Some(frame) = self.frames.last_mut() {
            match next_child(frame, &self.children, &self.starts, paths.options) {
                Some(child) => {
                    emit(sections, first, frame.span, child.end_ns, frame.upto_ns);
                    frame.upto_ns = child.start_ns;
                    if paths.spans[child.span as usize].children.range().is_empty() {
                        emit(sections, first, child.span, child.start_ns, child.end_ns);
                    } else {
                        self.enter(paths, child.span, (child.start_ns, child.end_ns));
                    }
                }
                None => {
                    emit(sections, first, frame.span, frame.window_ns.0, frame.upto_ns);
                    self.children.truncate(frame.base);
                    self.starts.truncate(frame.base);
                    self.frames.pop();
                }
            }
        }
        sections[first..].reverse();
        debug_assert!(tiles(&sections[first..], window_ns), "the sections of a root tile it");
    }

    /// Puts a span on the stack, with the children that have something left inside the window.
    fn enter(&mut self, paths: &Paths<'_>, span: u32, window_ns: (i64, i64)) {
        let base = self.children.len();
        for idx in paths.spans[span as usize].children.range() {
            let child = &paths.spans[idx];
            let end_ns = paths.ends_ns[idx];
            let outlives =
                paths.options.async_children == AsyncChildren::Ignore && end_ns > paths.ends_ns[span as usize];
            if !child.blocking || outlives {
                continue;
            }
            let (start_ns, end_ns) = (child.start_ns.max(window_ns.0), end_ns.min(window_ns.1));
            // An instant holds no time and must not hide its neighbours.
            if start_ns < end_ns {
                self.children.push(Child { span: idx as u32, start_ns, end_ns });
                // Siblings come in order of their starts, and the window keeps that order.
                self.starts.push(start_ns);
            }
        }
        // Last ended first; equal ends in canonical order, which is that of the indices.
        let latest_first = |it: &Child| (std::cmp::Reverse(it.end_ns), it.span);
        self.children[base..].sort_unstable_by_key(latest_first);
        self.frames.push(Frame { span, window_ns, upto_ns: window_ns.1, base, next: base, accepted: None });
    }
}

/// The next child on the path of the span on top of the stack.
fn next_child(frame: &mut Frame, children: &[Child], starts: &[i64], options: &DeriveOptions) -> Option<Child> {
    while let Some(&child) = children.get(frame.next) {
        let position = frame.next;
        frame.next += 1;
        if child.end_ns <= frame.upto_ns {
            frame.accepted = Some((child.start_ns, child.end_ns));
            return Some(child);
        }
        if let Some(last) = frame.accepted
            && slightly_overlaps(frame, position, last, children, starts, options)
        {
            // What reaches into the next call is cut off, for the child and all below it.
            frame.accepted = Some((child.start_ns, last.0));
            return Some(Child { end_ns: last.0, ..child });
        }
    }
    None
}

/// Whether a child was over before the accepted one, but for a sliver that clocks explain.
fn slightly_overlaps(
    frame: &Frame,
    position: usize,
    (last_start, last_end): (i64, i64),
    children: &[Child],
    starts: &[i64],
    options: &DeriveOptions,
) -> bool {
    let child = children[position];
    if child.start_ns >= last_start || child.end_ns >= last_end {
        return false;
    }
    let parent_ns = i128::from(frame.window_ns.1 - frame.window_ns.0);
    let overlap_ns = i128::from(child.end_ns - last_start);
    if overlap_ns * 1_000_000 >= i128::from(options.overlap_tolerance_ppm) * parent_ns {
        return false;
    }
    // No third boundary in the sliver: only the accepted child starts there, only this child ends there.
    let starts = &starts[frame.base..];
    let n_starts = starts.partition_point(|it| *it <= child.end_ns) - starts.partition_point(|it| *it < last_start);
    let ends_there = |it: &Child| it.end_ns >= last_start && it.end_ns <= child.end_ns;
    // Sorted by end: another end in the sliver would stand right beside this one.
    let other_end = children.get(position + 1).is_some_and(ends_there)
        || (position > frame.base && ends_there(&children[position - 1]));
    n_starts == 1 && !other_end
}

/// Adds a section before the ones already there, joined with the last if it goes on.
fn emit(sections: &mut Vec<Section>, first: usize, span: u32, start_ns: i64, end_ns: i64) {
    if start_ns >= end_ns {
        return;
    }
    if let Some(last) = sections[first..].last_mut()
        && last.span == span
        && last.start_ns == end_ns
    {
        last.start_ns = start_ns;
        return;
    }
    sections.push(Section { span, start_ns, end_ns });
}

fn tiles(sections: &[Section], window_ns: (i64, i64)) -> bool {
    let mut at = window_ns.0;
    for section in sections {
        if section.start_ns != at || section.end_ns <= at {
            return false;
        }
        at = section.end_ns;
    }
    at == window_ns.1.max(window_ns.0)
}
