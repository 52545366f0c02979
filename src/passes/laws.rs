//! The three laws, for the unit tests of one pass: over all orders and groupings of a few traces.

use super::{Pass, PassOptions};
use crate::model::{Assembler, DeriveOptions, Id, Trace, sketch};
use crate::report::Report;

/// The traces of these sketches, each with an id of its own.
pub(super) fn traces(sketches: &[&str]) -> Vec<Trace> {
    let number = |it: usize| Id::parse(&format!("{:032x}", it + 1));
    let drafts =
        sketches.iter().enumerate().map(|(nth, it)| crate::model::Draft { id: number(nth), ..sketch::draft(it) });
    drafts.map(|it| Assembler::new(DeriveOptions::default()).assemble(it)).collect()
}

/// What a fresh pass says after these traces.
pub(super) fn observed<P: Pass>(fresh: &P, sketches: &[&str]) -> P::Report {
    let mut pass = fresh.clone();
    traces(sketches).iter().for_each(|it| pass.observe(it));
    pass.finish()
}

/// Checks that a fresh pass is neutral, that no order or grouping of these traces can be seen, and
/// that states survive being written.
pub(super) fn check<P: Pass>(args: &P::Args, sketches: &[&str]) {
    let fresh = P::new(args, &PassOptions { examples: 2, ..PassOptions::default() });
    let traces = traces(sketches);
    let mut whole = fresh.clone();
    traces.iter().for_each(|it| whole.observe(it));
    let expected = bytes(&whole);
    for order in orders(traces.len()) {
        // Bit n of `cuts`: whether a new group begins before the trace after the nth.
        for cuts in 0..1u32 << (traces.len() - 1) {
            let mut merged = fresh.clone();
            let mut group = fresh.clone();
            for (nth, idx) in order.iter().enumerate() {
                group.observe(&traces[*idx]);
                if cuts >> nth & 1 == 1 {
                    let full = std::mem::replace(&mut group, fresh.clone());
                    // Every other group is joined from the other side.
                    if nth % 2 == 0 { merged.merge(full) } else { merged = joined(full, merged) }
                }
            }
            merged.merge(group);
            assert!(bytes(&merged) == expected, "{order:?} cut at {cuts:b}");
        }
    }
    assert!(bytes(&joined(fresh.clone(), whole.clone())) == expected, "a fresh one is neutral before");
    assert!(bytes(&joined(whole.clone(), fresh.clone())) == expected, "a fresh one is neutral after");
    let mut read = read_back(&whole);
    assert!(bytes(&read) == expected, "what is read back is the same");
    read.observe(&traces[0]);
    whole.observe(&traces[0]);
    assert!(bytes(&read) == bytes(&whole), "what is read back goes on the same");
    assert_eq!(json(whole), json(read));
}

fn joined<P: Pass>(mut left: P, right: P) -> P {
    left.merge(right);
    left
}

fn bytes<P: Pass>(pass: &P) -> Vec<u8> {
    postcard::to_stdvec(pass).unwrap()
}

fn read_back<P: Pass>(pass: &P) -> P {
    postcard::from_bytes(&bytes(pass)).unwrap()
}

/// What a pass says, as it is written.
fn json<P: Pass>(pass: P) -> serde_json::Value {
    let report = pass.finish();
    let keys = report.json().into_iter().map(|(key, value)| (key.to_owned(), value.value().unwrap()));
    keys.collect::<serde_json::Map<_, _>>().into()
}

fn orders(n: usize) -> Vec<Vec<usize>> {
    let Some(last) = n.checked_sub(1) else {
        return vec![vec![]];
    };
    let longer = |shorter: Vec<usize>| {
        (0..=last).map(move |at| {
            let mut order = shorter.clone();
            order.insert(at, last);
            order
        })
    };
    orders(last).into_iter().flat_map(longer).collect()
}
