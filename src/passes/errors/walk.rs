//! From spans that failed to the one that failed first, and to those that cope.

use std::cmp::Reverse;

use crate::model::{Span, Trace};

/// The span at which the failure of a trace started; `None` where its main root is fine.
///
/// Of the erroring spans that are joined to the root by erroring spans, and have no erroring child:
/// the one that ended first.
pub(super) fn root_cause(trace: &Trace) -> Option<u32> {
    let root = trace.main_root().span;
    if !trace.span(root).error {
        return None;
    }
    let mut cause: Option<u32> = None;
    let mut pending = vec![root];
    while let Some(idx) = pending.pop() {
        let n_pending = pending.len();
        pending.extend(trace.children(idx).filter(|it| trace.span(*it).error));
        let is_last = pending.len() == n_pending;
        if is_last && cause.is_none_or(|it| sooner(trace.span(idx)) < sooner(trace.span(it))) {
            cause = Some(idx);
        }
    }
    cause
}

/// Earlier end, then the canonical order of spans wherever in the tree they are.
fn sooner(span: &Span) -> impl Ord {
    let duration = Reverse(span.duration_ns.unwrap_or(-1));
    (span.end_ns(), span.start_ns, duration, span.id.clone(), span.service, span.operation)
}

/// The spans above one, up to its root.
pub(super) fn above(trace: &Trace, idx: u32) -> impl Iterator<Item = u32> {
    std::iter::successors(trace.span(idx).parent, |it| trace.span(*it).parent)
}

/// The erroring spans whose parents are fine, with these.
pub(super) fn absorbed(trace: &Trace) -> impl Iterator<Item = (&Span, &Span)> {
    let erroring = trace.spans().iter().filter(|it| it.error);
    erroring.filter_map(|it| Some((it, trace.span(it.parent?)))).filter(|(_, by)| !by.error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sketch;

    /// The cause and the spans above it, bottom up.
    fn check(sketch: &str, expected: &[&str]) {
        let trace = sketch::trace(sketch);
        let name = |it: u32| format!("{} {}", trace.span(it).service, trace.span(it).operation);
        let cause = root_cause(&trace);
        let path = cause.into_iter().chain(cause.into_iter().flat_map(|it| above(&trace, it)));
        assert_eq!(path.map(name).collect::<Vec<_>>(), expected);
    }

    fn check_absorbed(sketch: &str, expected: &[&str]) {
        let trace = sketch::trace(sketch);
        let lines = absorbed(&trace).map(|(it, by)| format!("{} by {}", it.operation, by.operation));
        assert_eq!(lines.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_failure_is_followed_down_to_where_it_started() {
        check(
            "
            web GET / 0..100 !
              web call 5..90 client !
                api POST /pay 10..85 !
                  db SELECT 20..30
                  db INSERT 40..80 !
            ",
            &["db INSERT", "api POST /pay", "web call", "web GET /"],
        );
    }

    #[test]
    fn a_root_that_fails_alone_is_its_own_cause() {
        check("web GET / 0..100 !\n  db SELECT 10..20", &["web GET /"]);
    }

    #[test]
    fn nothing_is_a_cause_where_the_main_root_is_fine() {
        check("web GET / 0..100\n  db SELECT 10..20 !", &[]);
        check("web GET / 0..100\nweb other 0..10 !", &[]);
    }

    #[test]
    fn an_error_under_a_fine_span_is_no_cause() {
        check(
            "
            web GET / 0..100 !
              cache get 5..10
                redis GET 6..8 !
              db SELECT 20..90 !
            ",
            &["db SELECT", "web GET /"],
        );
    }

    #[test]
    fn of_several_the_one_that_ended_first_is_the_cause() {
        check(
            "
            web GET / 0..100 !
              db first 10..80 !
              db second 20..70 !
            ",
            &["db second", "web GET /"],
        );
    }

    #[test]
    fn of_equal_ends_the_earlier_start_is_the_cause_wherever_it_is() {
        check(
            "
            web GET / 0..100 !
              a call 1..90 !
                b late 60..80 !
              c call 2..90 !
                d early 50..80 !
            ",
            &["d early", "c call", "web GET /"],
        );
    }

    #[test]
    fn of_equal_times_the_smaller_id_is_the_cause() {
        check("web GET / 0..100 !\n  db one 10..80 !\n  db two 10..80 !", &["db one", "web GET /"]);
    }

    #[test]
    fn each_erroring_span_under_a_fine_one_is_absorbed() {
        check_absorbed(
            "
            web GET / 0..100
              api call 10..50 !
                db SELECT 20..30 !
              cache get 60..70
                redis GET 61..69 !
              web lost 80..90 ! ?ff
            ",
            &["call by GET /", "GET by get"],
        );
    }

    #[test]
    fn an_orphan_is_absorbed_by_nobody() {
        check_absorbed("web GET / 0..100\napi call 10..50 ! ?ff\n  db SELECT 20..30 !", &[]);
    }

    #[test]
    fn a_long_chain_is_walked() {
        let lines: Vec<String> = (0..2_000).map(|it| format!("{}svc op{it} 0..10 !", "  ".repeat(it))).collect();
        let trace = sketch::trace(&lines.join("\n"));
        assert_eq!(root_cause(&trace), Some(1_999));
    }
}
