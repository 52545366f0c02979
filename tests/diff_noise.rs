//! How often a comparison cries wolf, and how often it finds a wolf: random halves of generated captures.
//!
//! Every seed makes a capture of requests with 40 operations, cuts it into two random halves and lets
//! each half drift: every operation's own time is multiplied by e^(0.03·N(0, 1)), once a side. In the
//! second scenario one operation's own time is 1.5 times as long afterwards as well.
//!
//! `cargo test` runs a few seeds. The figures of `docs/diff.md` are those of
//! `ANALYZE_TRACES_SEEDS=200 cargo test --release --test diff_noise -- --nocapture`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test says what went wrong by panicking"
)]

use analyze_traces::diff::{Collection, Collector, Comparison, Metric, Options, Verdict, compare};
use analyze_traces::model::{Assembler, Draft, Id, Name, sketch};

/// Operations that answer a request, each with two of its own: 1 + 13 + 26 = 40.
const N_SERVICES: usize = 13;
const N_OPERATIONS: usize = 1 + 3 * N_SERVICES;

/// The spread of an operation's speed from run to run.
const DRIFT: f64 = 0.03;

const SLOWER: f64 = 1.5;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    /// e^(σ·N(0, 1)): most services.
    Lognormal(f64),
    /// Four in five at 1, one in five at 5, each lognormal with σ = 0.2: a cache that misses.
    Bimodal,
    /// u^(-1/2.5): a heavy tail.
    Pareto,
}

const SHAPES: [(&str, Shape); 4] = [
    ("lognormal 0.3", Shape::Lognormal(0.3)),
    ("lognormal 0.8", Shape::Lognormal(0.8)),
    ("bimodal", Shape::Bimodal),
    ("Pareto", Shape::Pareto),
];

/// splitmix64, and normal values by Box and Muller.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// More than 0, at most 1.
    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }
}

impl Shape {
    fn draw(self, random: &mut Random) -> f64 {
        match self {
            Shape::Lognormal(sigma) => (sigma * random.normal()).exp(),
            Shape::Bimodal => {
                let mode = if random.unit() < 0.8 { 1.0 } else { 5.0 };
                mode * (0.2 * random.normal()).exp()
            }
            Shape::Pareto => random.unit().powf(-1.0 / 2.5),
        }
    }
}

/// A request whose times are still to be filled in: the gateway, then each service and its two operations.
fn template() -> Draft {
    let mut text = String::from("gateway GET / 0..1 server\n");
    for nth in 0..N_SERVICES {
        text.push_str(&format!("  service-{nth} serve 0..1 server\n"));
        text.push_str(&format!("    service-{nth} query 0..1 client\n    service-{nth} render 0..1\n"));
    }
    sketch::draft(&text)
}

/// The usual own time of each operation in nanoseconds: 5 to 50 ms, unlike each other.
fn usual_ns(nth: usize) -> f64 {
    5e6 * 10f64.powf((nth * 17 % N_OPERATIONS) as f64 / N_OPERATIONS as f64)
}

/// Fills in a request: everything one after the other, and each operation's own time before its calls.
fn fill(draft: &mut Draft, own_ns: &[i64]) {
    let mut at = sketch::EPOCH_NS;
    let start = at;
    at += own_ns[0];
    for nth in 0..N_SERVICES {
        let first = 1 + 3 * nth;
        let began = at;
        at += own_ns[first];
        for leaf in [first + 1, first + 2] {
            draft.spans[leaf].start_ns = Some(at);
            draft.spans[leaf].duration_ns = Ok(own_ns[leaf]);
            at += own_ns[leaf];
        }
        draft.spans[first].start_ns = Some(began);
        draft.spans[first].duration_ns = Ok(at - began);
    }
    draft.spans[0].start_ns = Some(start);
    draft.spans[0].duration_ns = Ok(at - start);
}

fn collect(requests: &[Vec<f64>], factors: &[f64], random: &mut Random) -> Collection {
    let template = template();
    let mut collector = Collector::default();
    let mut assembler = Assembler::default();
    for request in requests {
        let own_ns: Vec<i64> = request.iter().zip(factors).map(|(ns, factor)| (ns * factor) as i64).collect();
        let mut draft = template.clone();
        draft.id = Id::parse(&format!("{:016x}{:016x}", random.next(), random.next()));
        fill(&mut draft, &own_ns);
        collector.observe(&assembler.assemble(draft));
    }
    collector.finish()
}

/// Compares random halves of one capture; `slower` names the operation that is.
fn halves(seed: u64, shape: Shape, n: usize, slower: Option<usize>) -> Comparison {
    let mut random = Random(seed.wrapping_mul(0xD1B5_4A32_D192_ED03));
    let request = |random: &mut Random| (0..N_OPERATIONS).map(|it| usual_ns(it) * shape.draw(random)).collect();
    let mut capture: Vec<Vec<f64>> = (0..2 * n).map(|_| request(&mut random)).collect();
    for at in (1..capture.len()).rev() {
        capture.swap(at, (random.next() % (at as u64 + 1)) as usize);
    }
    let drift = |random: &mut Random| (0..N_OPERATIONS).map(|_| (DRIFT * random.normal()).exp()).collect::<Vec<f64>>();
    let (before_factors, mut after_factors) = (drift(&mut random), drift(&mut random));
    if let Some(slower) = slower {
        after_factors[slower] *= SLOWER;
    }
    let (one, other) = capture.split_at(n);
    let before = collect(one, &before_factors, &mut random);
    let after = collect(other, &after_factors, &mut random);
    compare(&before, &after, &Options::default())
}

/// The names of the nth operation.
fn names(nth: usize) -> (Name, Name) {
    match nth.checked_sub(1) {
        None => (Name::new("gateway"), Name::new("GET /")),
        Some(rest) => {
            let service = format!("service-{}", rest / 3);
            (Name::new(&service), Name::new(["serve", "query", "render"][rest % 3]))
        }
    }
}

/// The operations that are said to be slower by themselves.
fn causes(comparison: &Comparison) -> Vec<(Name, Name)> {
    let regressed = comparison.changes.iter().filter(|it| it.verdict == Verdict::Regressed && it.cause);
    let mut causes: Vec<_> = regressed.filter_map(|it| Some((it.service, it.operation?))).collect();
    causes.sort();
    causes.dedup();
    causes
}

fn seeds(few: u64) -> u64 {
    std::env::var("ANALYZE_TRACES_SEEDS").map_or(few, |it| it.parse().unwrap())
}

fn sizes(few: &[usize]) -> Vec<usize> {
    if std::env::var_os("ANALYZE_TRACES_SEEDS").is_some() { vec![100, 300, 3_000] } else { few.to_vec() }
}

#[test]
fn equal_captures_are_hardly_ever_a_regression() {
    let seeds = seeds(6);
    for n in sizes(&[100]) {
        let mut line = format!("alike, n = {n}: regressed / not unchanged");
        let (mut all, mut wrong) = (0, 0);
        for (name, shape) in SHAPES {
            let runs: Vec<Comparison> = (0..seeds).map(|seed| halves(seed + 1, shape, n, None)).collect();
            let n_regressed = runs.iter().filter(|it| it.verdict == Verdict::Regressed).count();
            let n_changed = runs.iter().filter(|it| it.verdict != Verdict::Unchanged).count();
            line.push_str(&format!("; {name}: {n_regressed} / {n_changed} of {seeds}"));
            (all, wrong) = (all + seeds, wrong + n_regressed as u64);
        }
        println!("{line}; together {:.2} %", wrong as f64 * 100.0 / all as f64);
        assert!(wrong * 100 <= all, "n = {n}: {wrong} of {all} runs");
    }
}

#[test]
fn a_slow_operation_is_found_and_named() {
    let seeds = seeds(6);
    for n in sizes(&[100]) {
        let mut line = format!("1.5 times as slow, n = {n}: found / named alone");
        let (mut all, mut right) = (0, 0);
        for (name, shape) in SHAPES {
            let (mut n_found, mut n_named, mut n_first) = (0u64, 0u64, 0u64);
            for seed in 0..seeds {
                let slower = (Random(seed + 77).next() % N_OPERATIONS as u64) as usize;
                let comparison = halves(seed + 1_000_001, shape, n, Some(slower));
                let causes = causes(&comparison);
                n_found += u64::from(causes.contains(&names(slower)));
                n_named += u64::from(causes == [names(slower)]);
                n_first += u64::from(comparison.suspects.first().is_some_and(|it| it.service == names(slower).0));
            }
            line.push_str(&format!("; {name}: {n_found} / {n_named} (first suspect {n_first}) of {seeds}"));
            (all, right) = (all + seeds, right + n_named);
        }
        println!("{line}; together {:.1} %", right as f64 * 100.0 / all as f64);
        // Few seeds swing more than many.
        let least = if seeds >= 100 { 83 } else { 65 };
        assert!(right * 100 >= least * all, "n = {n}: {right} of {all} runs");
    }
}

#[test]
fn only_the_tail_is_found_too() {
    let mut random = Random(5);
    let requests: Vec<Vec<f64>> = (0..600)
        .map(|_| (0..N_OPERATIONS).map(|it| usual_ns(it) * Shape::Lognormal(0.3).draw(&mut random)).collect())
        .collect();
    let (one, other) = requests.split_at(300);
    let mut slow = other.to_vec();
    let slower = 5;
    slow.iter_mut().step_by(8).for_each(|it| it[slower] *= 20.0);
    let factors = [1.0; N_OPERATIONS];
    let (before, after) = (collect(one, &factors, &mut random), collect(&slow, &factors, &mut random));
    let comparison = compare(&before, &after, &Options::default());
    assert_eq!(comparison.verdict, Verdict::Regressed);
    assert_eq!(causes(&comparison), [names(slower)]);
    let first = &comparison.changes[0];
    assert!(first.metric == Metric::Tail && first.quantile.is_some(), "{first:?}");
}
