//! Deltas beside those of the `fossil-delta` package, and against it.

use proptest::prelude::*;

use super::{DELTA_BYTES_MAX, DeltaError, apply, patch, patch_text};

/// Name, source, target and the delta that version 2.0.0 of the npm package `fossil-delta` makes of them.
fn vectors() -> Vec<[String; 4]> {
    serde_json::from_str(include_str!("vectors.json")).expect("rows of texts")
}

#[test]
fn what_the_package_makes_can_be_applied() {
    for [name, source, target, delta] in vectors() {
        let made = apply(source.as_bytes(), delta.as_bytes(), target.len());
        assert_eq!(made.as_deref(), Ok(target.as_bytes()), "{name}");
    }
}

#[test]
fn what_we_make_is_what_the_package_makes_where_it_is_smaller() {
    let mut smaller = 0;
    for [name, source, target, delta] in vectors() {
        let expected = (delta.len() < target.len()).then_some(delta);
        smaller += usize::from(expected.is_some());
        assert_eq!(patch_text(&source, &target), expected, "{name}");
    }
    assert!(
        smaller > 25,
        "the rows mostly have something in common: {smaller}"
    );
}

#[test]
fn what_is_no_delta_is_refused() {
    let source = b"0123456789abcdef0123456789abcdef";
    let cases: &[(&[u8], DeltaError)] = &[
        (b"", DeltaError::Malformed),
        (b"\n", DeltaError::Malformed),
        (b"4", DeltaError::Malformed),
        (b"4:", DeltaError::Malformed),
        (b"4\n", DeltaError::Malformed),
        (b"4\n4", DeltaError::Malformed),
        (b"4\n4:012", DeltaError::Malformed),
        (b"4\n4:0123", DeltaError::Malformed),
        (b"4\n4?0123", DeltaError::Malformed),
        (b"4\n5:01234", DeltaError::Malformed),
        (b"4\n3:0120;", DeltaError::Malformed),
        (b"4\n4@0", DeltaError::Malformed),
        (b"4\n4@,", DeltaError::Malformed),
        (b"4\n4@0;", DeltaError::Malformed),
        (b"4\n4@U,0;", DeltaError::OtherSource),
        (b"4\n4@~~~~~,0;", DeltaError::OtherSource),
        (b"4\n4@0,0;", DeltaError::OtherSource),
        (b"4\n4:01231;", DeltaError::OtherSource),
        (b"X\n", DeltaError::TooLarge),
        (b"~~~~~\n", DeltaError::TooLarge),
        (b"~~~~~~\n", DeltaError::Malformed),
        (b"0\n0;x", DeltaError::Malformed),
    ];
    for (delta, error) in cases {
        let text = String::from_utf8_lossy(delta);
        assert_eq!(apply(source, delta, 32), Err(*error), "{text}");
    }
    assert_eq!(apply(source, b"0\n0;", 0).as_deref(), Ok(&b""[..]));
}

#[test]
fn the_target_is_as_large_as_was_allowed_and_no_larger() {
    let source = b"the very same text, twice over and over";
    let delta = patch(source, source).expect("smaller");
    assert_eq!(apply(source, &delta, source.len()).as_deref(), Ok(&source[..]));
    assert_eq!(apply(source, &delta, source.len() - 1), Err(DeltaError::TooLarge));
}

#[test]
fn no_delta_where_it_would_not_be_smaller_or_too_much_work() {
    assert_eq!(patch(b"", b""), None);
    assert_eq!(patch(b"abc", b"abd"), None);
    let limit = vec![b'a'; DELTA_BYTES_MAX];
    assert!(patch(&limit, &limit).is_some());
    let past = vec![b'a'; DELTA_BYTES_MAX + 1];
    assert_eq!(patch(&past, b"a"), None);
    assert_eq!(patch(b"a", &past), None);
}

#[test]
fn a_text_that_is_made_to_be_slow_is_given_up() {
    // Every block of the source has the same hash as every place of the target, and none is a match that pays.
    let source: Vec<u8> = b"aaaaaaaaaaaabccb".repeat(20_000);
    let target: Vec<u8> = b"aaaaaaaaaaaacbbc".repeat(20_000);
    assert_eq!(patch(&source, &target), None);
}

#[test]
fn text_deltas_do_not_cut_characters() {
    let source = format!("{}ä{}", "0123456789".repeat(4), "abcdefghij".repeat(4));
    let target = source.replace('ä', "ö");
    let bytes = patch(source.as_bytes(), target.as_bytes()).expect("smaller");
    assert!(
        std::str::from_utf8(&bytes).is_err(),
        "ä and ö share their first byte"
    );
    assert_eq!(patch_text(&source, &target), None);
    assert!(patch_text(&source, &source).is_some());
}

/// Texts that have much in common: the second is the first with parts changed, left out and moved.
fn related() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let source = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..600),
        proptest::collection::vec(b'a'..b'd', 0..600),
    ];
    let parts = proptest::collection::vec((any::<u16>(), any::<u8>(), "[ab]{0,20}"), 0..8);
    (source, parts).prop_map(|(source, parts)| {
        let mut target = Vec::new();
        for (from, length, literal) in parts {
            let from = usize::from(from) % (source.len() + 1);
            let end = (from + usize::from(length)).min(source.len());
            target.extend_from_slice(&source[from..end]);
            target.extend_from_slice(literal.as_bytes());
        }
        (source, target)
    })
}

proptest! {
    #[test]
    fn what_is_made_can_be_applied((source, target) in related()) {
        if let Some(delta) = patch(&source, &target) {
            prop_assert!(delta.len() < target.len());
            let made = apply(&source, &delta, target.len());
            prop_assert_eq!(made, Ok(target));
        }
    }

    #[test]
    fn whatever_comes_is_answered(source: Vec<u8>, delta: Vec<u8>) {
        if let Ok(target) = apply(&source, &delta, 512) {
            prop_assert!(target.len() <= 512);
        }
    }
}
