//! The slicer against model stores: everything found, in a bounded number of requests.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// One trace: an id, and when the spans of the service begin.
type Trace = (u128, Vec<i64>);

/// How a store answers.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// The newest stored, bounds included.
    Memory,
    /// Index rows, three for each trace asked for, of which one trace may have many; bounds excluded; any order.
    Cassandra,
    /// Whole milliseconds, the newest by their last span.
    Elasticsearch,
    /// Never more than so many, whatever is asked for.
    Capped(usize),
    /// Any subset of what there is, but something if there is anything.
    Forgetful,
}

const UNIT: i64 = 1_000;

fn rules(page_size: usize) -> Rules {
    Rules { unit_us: UNIT, margin_us: UNIT, page_size, largest_page: 4_096 }
}

fn search(kind: Kind, traces: &[Trace], request: Request) -> Vec<u128> {
    let Request { from_us: from, until_us: until, limit, .. } = request;
    let ms = |us: i64| us.div_euclid(1_000);
    let starts_in = |at: i64| match kind {
        Kind::Cassandra => from < at && at < until,
        Kind::Elasticsearch => ms(from) <= ms(at) && ms(at) <= ms(until),
        Kind::Memory | Kind::Capped(_) | Kind::Forgetful => from <= at && at <= until,
    };
    let mut found: Vec<u128> = match kind {
        Kind::Cassandra => {
            let rows = traces.iter().flat_map(|(id, starts)| starts.iter().map(move |at| (*at, *id)));
            let mut rows: Vec<(i64, u128)> = rows.filter(|it| starts_in(it.0)).collect();
            rows.sort_unstable_by(|a, b| b.cmp(a));
            rows.truncate(3 * limit);
            let ids: BTreeSet<u128> = rows.into_iter().map(|it| it.1).collect();
            // By no order that means anything.
            let mut ids: Vec<u128> = ids.into_iter().collect();
            ids.sort_by_key(|it| it.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 1_009);
            ids
        }
        Kind::Elasticsearch => {
            let last = |starts: &[i64]| starts.iter().copied().filter(|it| starts_in(*it)).max();
            let mut found: Vec<(i64, u128)> =
                traces.iter().filter_map(|(id, starts)| Some((last(starts)?, *id))).collect();
            found.sort_unstable_by(|a, b| b.cmp(a));
            found.into_iter().map(|it| it.1).collect()
        }
        // The order of storage is not that of time.
        Kind::Memory | Kind::Capped(_) | Kind::Forgetful => {
            traces.iter().rev().filter(|it| it.1.iter().any(|at| starts_in(*at))).map(|it| it.0).collect()
        }
    };
    if matches!(kind, Kind::Forgetful) {
        let salt = (from ^ until) as u128;
        let first = found.first().copied();
        found.retain(|it| !(it ^ salt).wrapping_mul(0x9e37_79b9).is_multiple_of(3) || Some(*it) == first);
    }
    let most = if let Kind::Capped(most) = kind { most.min(limit) } else { limit };
    found.truncate(most);
    found
}

/// Everything the slicer finds, and what it asked.
fn fetch(
    traces: &[Trace],
    window: (i64, i64),
    rules: Rules,
    kind: Kind,
    concurrency: usize,
) -> (BTreeSet<u128>, Slicer) {
    let mut slicer = Slicer::new(window.0, window.1, rules);
    let mut found = BTreeSet::new();
    let mut under_way = Vec::new();
    loop {
        while under_way.len() < concurrency {
            match slicer.next() {
                Some(request) => under_way.push(request),
                None => break,
            }
        }
        if under_way.is_empty() {
            break;
        }
        // Answers come in any order.
        let request = under_way.swap_remove(under_way.len() / 2);
        let keys = search(kind, traces, request);
        found.extend(keys.iter().copied());
        slicer.answer(request, Outcome::Page(keys));
    }
    assert!(slicer.is_done());
    (found, slicer)
}

fn within(traces: &[Trace], window: (i64, i64)) -> BTreeSet<u128> {
    traces.iter().filter(|it| it.1.iter().any(|at| (window.0..window.1).contains(at))).map(|it| it.0).collect()
}

fn traces(n: usize, window_us: i64) -> impl Strategy<Value = Vec<Trace>> {
    let starts = prop::collection::vec(0..window_us, 1..6);
    // Some at the very same moment.
    let starts = prop_oneof![4 => starts, 1 => Just(vec![window_us / 3])];
    prop::collection::vec(starts, 0..n)
        .prop_map(|all| all.into_iter().enumerate().map(|(id, starts)| (id as u128 + 1, starts)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn everything_is_found_in_every_store(
        traces in traces(300, 600_000),
        page_size in 1usize..40,
        concurrency in 1usize..6,
        start in 0i64..1_000,
    ) {
        let traces: Vec<Trace> = traces.into_iter().map(|(id, at)| (id, at.iter().map(|it| it + start).collect())).collect();
        let window = (start, start + 600_000);
        for kind in [Kind::Memory, Kind::Cassandra, Kind::Elasticsearch, Kind::Capped(page_size.div_ceil(2))] {
            let (found, slicer) = fetch(&traces, window, rules(page_size), kind, concurrency);
            let expected = within(&traces, window);
            // A cap below what begins within one millisecond can't be got around.
            if !matches!(kind, Kind::Capped(_)) {
                prop_assert!(found.is_superset(&expected), "{kind:?}: {} of {}", found.len(), expected.len());
                prop_assert_eq!(slicer.gaps(), vec![]);
            }
            // A binary tree to the depth of the window for each page, and as much again for doubts.
            let n_pages = traces.iter().map(|it| it.1.len()).sum::<usize>() / page_size + 1;
            let depth = 600f64.log2().ceil() as usize + 14;
            let most = 12 * (n_pages * depth).min(6 * traces.len() * depth + 3);
            prop_assert!(slicer.n_requests().0 <= most.max(3), "{kind:?}: {} > {most}", slicer.n_requests().0);
        }
    }

    #[test]
    fn a_store_that_caps_is_found_out(spread in prop::collection::btree_set(0i64..600, 0..250), cap in 10usize..30) {
        // At most one each millisecond, and three are asked for at once with the margins.
        let traces: Vec<Trace> = spread.iter().map(|ms| (*ms as u128 + 1, vec![ms * 1_000])).collect();
        let (found, _) = fetch(&traces, (0, 600_000), rules(100), Kind::Capped(cap), 4);
        prop_assert_eq!(found, within(&traces, (0, 600_000)));
    }

    #[test]
    fn failing_instants_cost_only_themselves(
        traces in traces(120, 600_000),
        poisoned in prop::collection::btree_set(0i64..600_000, 0..4),
        concurrency in 1usize..5,
    ) {
        let window = (0, 600_000);
        let mut slicer = Slicer::new(window.0, window.1, rules(20));
        let mut found = BTreeSet::new();
        let mut under_way = Vec::new();
        loop {
            under_way.extend(std::iter::from_fn(|| slicer.next()).take(concurrency));
            let Some(request) = under_way.pop() else { break };
            let outcome = if poisoned.iter().any(|it| (request.from_us..=request.until_us).contains(it)) {
                Outcome::Failed { why: "unsupported value: NaN".to_owned(), is_about_limit: false, weight: 1 }
            } else {
                let keys = search(Kind::Memory, &traces, request);
                found.extend(keys.iter().copied());
                Outcome::Page(keys)
            };
            slicer.answer(request, outcome);
        }
        let gaps = slicer.gaps();
        prop_assert_eq!(gaps.is_empty(), poisoned.is_empty());
        for gap in &gaps {
            let near = |it: &&i64| (gap.from_us - 2 * UNIT..gap.until_us + 2 * UNIT).contains(*it);
            prop_assert!(poisoned.iter().any(|it| near(&it)), "{gap:?} {poisoned:?}");
            prop_assert!(gap.until_us - gap.from_us <= 5 * UNIT * poisoned.len() as i64, "{gap:?}");
        }
        let in_gap = |at: &i64| gaps.iter().any(|it| (it.from_us..it.until_us).contains(at));
        for (id, starts) in &traces {
            prop_assert!(found.contains(id) || starts.iter().all(in_gap), "{id}: {starts:?} {gaps:?}");
        }
    }
}

#[test]
fn one_quiet_service_is_asked_for_three_times() {
    let hour = 3_600_000_000;
    let traces = [(1, vec![5_000]), (2, vec![hour - 1])];
    let (found, slicer) = fetch(&traces, (0, hour), rules(100), Kind::Memory, 4);
    assert_eq!((found.len(), slicer.n_requests().0), (2, 3));
    let (_, slicer) = fetch(&[], (0, hour), rules(100), Kind::Memory, 4);
    assert_eq!(slicer.n_requests().0, 3, "an empty window is doubted too");
    let (_, slicer) = fetch(&[], (5, 5), rules(100), Kind::Memory, 4);
    assert_eq!(slicer.n_requests().0, 0);
}

#[test]
fn forgotten_traces_are_found_while_the_store_shows_any_sign() {
    let traces: Vec<Trace> = (0..200).map(|it| (it as u128 + 1, vec![it * 3_000])).collect();
    let (found, _) = fetch(&traces, (0, 600_000), rules(100), Kind::Forgetful, 2);
    assert!(found.len() > 190, "{}", found.len());
}

#[test]
fn more_in_one_instant_than_a_page_may_hold_is_a_gap() {
    let traces: Vec<Trace> = (0..5_000).map(|it| (it as u128, vec![300_000])).collect();
    let (found, slicer) = fetch(&traces, (0, 600_000), rules(100), Kind::Memory, 1);
    assert_eq!(found.len(), 4_096);
    let gaps = slicer.gaps();
    assert!(gaps.len() <= 3 && gaps[0].why.contains("more than 4096"), "{gaps:?}");
}

#[test]
fn a_limit_that_the_store_names_is_kept_to() {
    // As Jaeger's memory store: more than it may hold is an error.
    let traces: Vec<Trace> = (0..400).map(|it| (it as u128 + 1, vec![it * 1_000])).collect();
    let mut slicer = Slicer::new(0, 600_000, rules(100));
    let mut n_refused = BTreeMap::<usize, usize>::new();
    let mut found = BTreeSet::new();
    while let Some(request) = slicer.next() {
        if request.limit > 30 {
            *n_refused.entry(request.limit).or_default() += 1;
            let why = "search depth must be greater than 0 and less than max traces".to_owned();
            slicer.answer(request, Outcome::Failed { why, is_about_limit: true, weight: 1 });
            continue;
        }
        let keys = search(Kind::Memory, &traces, request);
        found.extend(keys.iter().copied());
        slicer.answer(request, Outcome::Page(keys));
    }
    assert_eq!((found.len(), slicer.gaps()), (400, vec![]));
    assert_eq!((n_refused.get(&100), n_refused.get(&50)), (Some(&1), Some(&1)), "{n_refused:?}");
}

#[test]
fn a_server_that_only_fails_is_left_alone() {
    let mut slicer = Slicer::new(0, 3_600_000_000, rules(100));
    let mut n = 0;
    while let Some(request) = slicer.next() {
        n += 1;
        slicer.answer(request, Outcome::Failed { why: "HTTP 500".to_owned(), is_about_limit: false, weight: 1 });
    }
    assert!(n <= 64, "{n}");
    let gaps = slicer.gaps();
    assert_eq!((gaps.len(), gaps[0].from_us, gaps[0].until_us), (1, 0, 3_600_000_000));
}

#[test]
fn what_is_abandoned_is_a_gap() {
    let traces: Vec<Trace> = (0..1_000).map(|it| (it as u128 + 1, vec![it * 600])).collect();
    let mut slicer = Slicer::new(0, 600_000, rules(10));
    let mut had: Vec<(i64, i64)> = Vec::new();
    for _ in 0..5 {
        let request = slicer.next().unwrap();
        let keys = search(Kind::Memory, &traces, request);
        had.push((request.from_us, request.until_us));
        slicer.answer(request, Outcome::Page(keys));
    }
    let last = slicer.next().unwrap();
    slicer.abandon("HTTP 401");
    assert!(slicer.next().is_none() && !slicer.is_done());
    slicer.answer(last, Outcome::Page(search(Kind::Memory, &traces, last)));
    assert!(slicer.is_done());
    let gaps = slicer.gaps();
    assert_eq!((gaps[0].from_us, gaps[gaps.len() - 1].until_us), (0, 600_000), "{gaps:?}");
}

#[test]
fn a_server_that_does_not_look_at_the_time_is_found_out() {
    let traces: Vec<Trace> = (0..300).map(|it| (it as u128 + 1, vec![it * 1_000])).collect();
    for n in [40, 300] {
        let mut slicer = Slicer::new(0, 3_600_000_000, rules(100));
        let mut n_requests = 0;
        while let Some(request) = slicer.next() {
            n_requests += 1;
            let keys = traces.iter().take(n.min(request.limit)).map(|it| it.0).collect();
            slicer.answer(request, Outcome::Page(keys));
        }
        assert!(n_requests < 200, "{n_requests}");
        assert_eq!(slicer.gaps().is_empty(), n < 100, "{:?}", slicer.gaps());
    }
}
