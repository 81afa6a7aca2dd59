//! Any sequence of operations leaves a hub whose reads are contiguous, or say that they are not.

mod ops;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn reads_are_contiguous_or_gaps(program in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        ops::run(&program);
    }

    #[test]
    fn cursors_survive_their_text(epoch in "[0-9a-z]{1,16}", offset in any::<u64>()) {
        let cursor = squall_hub::Cursor { epoch: epoch.parse().unwrap(), offset };
        prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        prop_assert!(cursor.to_string().len() <= squall_hub::CURSOR_BYTES_MAX);
    }

    #[test]
    fn any_text_is_a_cursor_or_refused(text in "\\PC{0,50}") {
        if let Ok(cursor) = text.parse::<squall_hub::Cursor>() {
            prop_assert_eq!(cursor.to_string(), text);
        }
    }
}
