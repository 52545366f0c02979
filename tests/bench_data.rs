//! The benchmark's generator keeps its promises.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test that fails says where")]
#![allow(dead_code, reason = "the benchmark uses what these tests do not")]

#[path = "../benches/throughput/generate.rs"]
mod generate;

use generate::*;

fn capture(target_bytes: u64, seed: u64, shape: Shape) -> (Vec<u8>, Generated) {
    let mut bytes = Vec::new();
    let generated = write_capture_as(&mut bytes, target_bytes, seed, shape).unwrap();
    (bytes, generated)
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for shape in [Shape::Compact, Shape::Pretty, Shape::ShuffledKeys] {
        assert!(capture(2_000_000, 7, shape) == capture(2_000_000, 7, shape));
        assert!(capture(2_000_000, 7, shape).0 != capture(2_000_000, 8, shape).0);
    }
}

#[test]
fn bytes_are_counted_and_reach_the_target() {
    for shape in [Shape::Compact, Shape::Pretty, Shape::ShuffledKeys] {
        let (bytes, generated) = capture(3_000_000, 1, shape);
        assert_eq!(bytes.len() as u64, generated.bytes);
        assert!((3_000_000..3_400_000).contains(&generated.bytes));
        assert!((10 * generated.traces..=100 * generated.traces).contains(&generated.spans));
    }
}

#[test]
fn a_span_takes_about_1200_bytes() {
    for seed in 0..5 {
        let (_, generated) = capture(20_000_000, seed, Shape::Compact);
        let each = generated.bytes as f64 / generated.spans as f64;
        assert!((1_150.0..1_250.0).contains(&each), "{each}");
    }
}

#[test]
fn shapes_hold_the_same_traces() {
    let (compact, generated) = capture(200_000, 3, Shape::Compact);
    let (shuffled, _) = capture(200_000, 3, Shape::ShuffledKeys);
    // The same bytes in another order.
    let count = |bytes: &[u8]| {
        let mut counts = [0_u64; 256];
        for &byte in bytes {
            counts[usize::from(byte)] += 1;
        }
        counts
    };
    assert!(compact != shuffled);
    assert_eq!(count(&compact), count(&shuffled));
    let (pretty, of_pretty) = capture(400_000, 3, Shape::Pretty);
    let squeezed: Vec<u8> = pretty.into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let both = squeezed.len().min(compact.len()) / 2;
    let compact: Vec<u8> = compact.into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect();
    assert!(squeezed[..both] == compact[..both]);
    assert!(of_pretty.traces > 0 && generated.traces > 0);
}

#[test]
fn huge_and_tiny_traces_have_what_was_asked_for() {
    let mut bytes = Vec::new();
    for n_spans in [0, 1, 2, 50_000] {
        let generated = write_one_huge_trace(&mut bytes, n_spans).unwrap();
        assert_eq!((generated.traces, generated.spans), (n_spans.min(1), n_spans));
    }
    let generated = write_tiny_traces(&mut bytes, 5_000).unwrap();
    assert_eq!((generated.traces, generated.spans), (5_000, 5_000));
}
