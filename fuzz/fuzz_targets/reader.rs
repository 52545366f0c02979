//! The reader of Jaeger's JSON against a plain one made of serde_json, on any bytes: both find the same
//! spans, or both find the text broken.

#![no_main]
#![allow(dead_code, reason = "what is shared with tests is not all needed here")]

#[path = "../../tests/reader_reference/captures.rs"]
mod captures;
mod layout;
mod mutation;
#[path = "../../tests/reader_reference/random.rs"]
mod random;

use analyze_traces::input::plain::check_jaeger;
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use random::Random;

fuzz_target!(|bytes: &[u8]| check_jaeger(bytes));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut random = Random::new(u64::from(seed));
    if random.one_in(8) {
        // Another capture altogether, as an exporter lays it out, and maybe a little off.
        let mut text = layout::capture(&mut random).into_bytes();
        for _ in 0..random.below(4) {
            mutation::mutate(&mut text, &mut random);
        }
        if text.len() <= max_size {
            data[..text.len()].copy_from_slice(&text);
            return text.len();
        }
    }
    mutation::mutate_or_else(data, size, max_size, &mut random, fuzzer_mutate)
});
