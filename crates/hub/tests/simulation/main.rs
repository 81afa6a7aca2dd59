//! A seeded simulation of a hub, its cores and its subscribers: no threads, no clock.
//!
//! After every step, for every subscriber: what it would receive next is the contiguous slice of its topics' merged
//! log that follows what it has received, in order, each message once; or it is told of the gap. No third case.
//! The model is a plain vector of everything that was ever published in this life of the log.

mod model;
mod world;

use model::Rng;
use world::World;

/// Steps of one run.
const STEPS: usize = 300;

fn run(seed: u64) -> world::Seen {
    let mut world = World::new(Rng::new(seed));
    for _ in 0..STEPS {
        world.step();
        world.check_everybody();
    }
    world.settle();
    world.seen
}

#[test]
fn every_subscriber_gets_a_contiguous_slice_or_is_told() {
    let mut seen = world::Seen::default();
    for seed in 1..=80 {
        let run = std::panic::catch_unwind(|| run(seed)).unwrap_or_else(|_| panic!("seed {seed}"));
        seen.add(&run);
    }
    // A simulation that never meets the interesting cases shows nothing.
    let counts = [
        seen.delivered,
        seen.gaps,
        seen.latest,
        seen.closed,
        seen.foreign,
        seen.resumed,
        seen.restored,
    ];
    assert!(counts.iter().all(|count| *count > 30), "{seen:?}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    assert_eq!(run(42), run(42));
}
