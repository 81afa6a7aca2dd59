//! Presence against the plainest model of it, from seeds; and its limits, races and promises one by one.

mod ops;
mod rules;

use proptest::prelude::*;

/// xorshift64*: the same on every machine.
fn program(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 56) as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

#[test]
fn presence_is_what_the_model_says() {
    let mut seen = Vec::new();
    for seed in 1..=60 {
        let run = std::panic::catch_unwind(|| ops::run(&program(seed, 2_000)));
        seen.push(run.unwrap_or_else(|_| panic!("seed {seed}")));
    }
    // A simulation that never meets the interesting cases shows nothing.
    let count = |of: fn(&ops::Seen) -> usize| seen.iter().map(of).sum::<usize>();
    let counts = [
        count(|seen| seen.joined),
        count(|seen| seen.back),
        count(|seen| seen.expired),
        count(|seen| seen.refused),
        count(|seen| seen.too_many_topics),
        count(|seen| seen.out_of_bytes),
        count(|seen| seen.each),
        count(|seen| seen.many),
        count(|seen| seen.stale_lost),
    ];
    assert!(counts.iter().all(|count| *count > 30), "{counts:?}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    assert_eq!(ops::run(&program(42, 2_000)), ops::run(&program(42, 2_000)));
}

proptest! {
    #[test]
    fn any_program_keeps_the_word(program in proptest::collection::vec(any::<u8>(), 0..400)) {
        ops::run(&program);
    }
}
