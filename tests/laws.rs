//! The laws of passes, for every one that is registered: they are what makes threads and files give the same bytes.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test that fails says where")]

#[path = "support/sketches.rs"]
mod sketches;

use analyze_traces::cli;
use analyze_traces::model::{Trace, sketch};
use analyze_traces::passes::{AnyPass, PASSES, PassOptions, Registered};
use sketches::Random;

/// Lists uncut, and cut short: keeping the best few has laws of its own.
fn options() -> [PassOptions; 3] {
    [
        PassOptions::default(),
        PassOptions { top: Some(0), examples: 100, verbose: true },
        PassOptions { top: Some(2), examples: 1, verbose: true },
    ]
}

fn fresh(pass: &Registered, options: &PassOptions) -> Box<dyn AnyPass> {
    let args = ["analyze-traces", "--blast-radius", "db", "x.json"];
    let matches = cli::command().try_get_matches_from(args).unwrap();
    (pass.build)(&matches, options).unwrap()
}

fn traces(seed: u64) -> Vec<Trace> {
    let mut random = Random::new(seed);
    (0..random.below(9))
        .map(|nth| {
            let mut draft = sketch::draft(&sketches::sketch(&mut random));
            draft.id = analyze_traces::model::Id::parse(&format!("{:x}", seed * 100 + nth + 1));
            analyze_traces::model::Assembler::default().assemble(draft)
        })
        .collect()
}

fn observed<'a>(empty: &dyn AnyPass, traces: impl IntoIterator<Item = &'a Trace>) -> Box<dyn AnyPass> {
    let mut pass = empty.duplicate();
    traces.into_iter().for_each(|it| pass.observe(it));
    pass
}

fn merged(mut one: Box<dyn AnyPass>, two: Box<dyn AnyPass>) -> Box<dyn AnyPass> {
    one.merge(two);
    one
}

/// Everything that can be seen of a pass: its JSON and its tables.
fn seen(pass: &dyn AnyPass) -> String {
    let report = pass.duplicate().finish();
    let json: Vec<(&str, serde_json::Value)> =
        report.json().into_iter().map(|(key, value)| (key, value.value().unwrap())).collect();
    format!("{json:#?}\n{:#?}", report.section())
}

fn for_each_pass(check: impl Fn(&'static str, &dyn AnyPass, &[Trace], u64)) {
    assert!(PASSES.len() >= 6, "all passes are registered");
    for pass in PASSES {
        for options in options() {
            for seed in 0..60 {
                check(pass.name, &*fresh(pass, &options), &traces(seed), seed);
            }
        }
    }
}

#[test]
fn a_fresh_pass_is_neutral() {
    for_each_pass(|name, empty, traces, seed| {
        let alone = seen(&*observed(empty, traces));
        let left = merged(empty.duplicate(), observed(empty, traces));
        let right = merged(observed(empty, traces), empty.duplicate());
        assert_eq!(seen(&*left), alone, "{name}, seed {seed}: before");
        assert_eq!(seen(&*right), alone, "{name}, seed {seed}: after");
    });
}

#[test]
fn the_order_of_observing_and_merging_cannot_be_seen() {
    for_each_pass(|name, empty, traces, seed| {
        let alone = seen(&*observed(empty, traces));
        assert_eq!(seen(&*observed(empty, traces.iter().rev())), alone, "{name}, seed {seed}: backwards");
        for cut in 0..=traces.len() {
            let (one, two) = traces.split_at(cut);
            let pass = merged(observed(empty, two), observed(empty, one.iter().rev()));
            assert_eq!(seen(&*pass), alone, "{name}, seed {seed}: cut at {cut}");
        }
        let each = traces.iter().map(|it| observed(empty, [it]));
        let pass = each.rev().fold(empty.duplicate(), |sum, it| merged(it, sum));
        assert_eq!(seen(&*pass), alone, "{name}, seed {seed}: one by one");
    });
}

#[test]
fn a_state_written_and_read_back_is_the_same_state() {
    for_each_pass(|name, empty, traces, seed| {
        let (one, two) = traces.split_at(traces.len() / 2);
        let pass = observed(empty, one);
        let state = pass.save().unwrap();
        let mut again = empty.load(&state).unwrap();
        assert_eq!(again.save().unwrap(), state, "{name}, seed {seed}: bytes");
        assert_eq!(seen(&*again), seen(&*pass), "{name}, seed {seed}: report");
        // It goes on as if nothing had happened.
        two.iter().for_each(|it| again.observe(it));
        assert_eq!(seen(&*again), seen(&*observed(empty, traces)), "{name}, seed {seed}: continued");
        let joined = merged(empty.load(&observed(empty, two).save().unwrap()).unwrap(), empty.load(&state).unwrap());
        assert_eq!(seen(&*joined), seen(&*observed(empty, traces)), "{name}, seed {seed}: joined");
    });
}

#[test]
fn a_state_that_was_cut_is_refused() {
    for_each_pass(|_, empty, traces, _| {
        let state = observed(empty, traces).save().unwrap();
        // Not every prefix is nonsense, but none may panic.
        for cut in (0..state.len()).step_by(7) {
            let _ = empty.load(&state[..cut]);
        }
        assert!(empty.load(&state[..state.len() / 2]).is_err() || state.len() < 4);
    });
}
