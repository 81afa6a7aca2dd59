//! Ten seeds of the recovery checker; `check-recovery` runs as many as one likes.

use recovery::run::{Report, Size, run};

#[test]
fn every_record_is_a_contiguous_slice_or_has_an_announced_gap() {
    let size = Size {
        subscribers: 40,
        messages: 1_000,
        ..Size::default()
    };
    let mut all = Report::default();
    for seed in 1..=10 {
        let report = run(seed, size).unwrap_or_else(|breach| panic!("{breach}"));
        all.messages += report.messages;
        all.gaps += report.gaps - report.new_lives;
        all.new_lives += report.new_lives;
        all.cuts += report.cuts;
        all.stalls += report.stalls;
    }
    // A checker that never meets the interesting cases shows nothing.
    assert!(
        all.messages > 100_000 && all.cuts > 1_000 && all.stalls > 100,
        "{all}"
    );
    assert!(all.gaps > 20 && all.new_lives > 100, "{all}");
}

#[test]
fn one_message_that_one_subscriber_never_got_is_found() {
    let size = Size {
        subscribers: 5,
        messages: 200,
        forgets: Some(7),
        ..Size::default()
    };
    let breach = run(1, size).expect_err("a message is missing");
    assert!(breach.starts_with("seed 1, subscriber 0,"), "{breach}");
    assert!(breach.contains("was skipped"), "{breach}");
}
