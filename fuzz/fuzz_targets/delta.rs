//! Fossil deltas: whatever comes is applied or refused within bounds, and what we make of two texts makes the second
//! of the first.
#![no_main]

use libfuzzer_sys::fuzz_target;
use squall_wire::delta::{apply, patch};

const TARGET_BYTES_MAX: usize = 4096;

fuzz_target!(|data: &[u8]| {
    let Some((&cut, rest)) = data.split_first() else {
        return;
    };
    let (source, second) = rest.split_at(rest.len() * usize::from(cut) / 256);
    if let Ok(target) = apply(source, second, TARGET_BYTES_MAX) {
        assert!(target.len() <= TARGET_BYTES_MAX);
    }
    if let Some(delta) = patch(source, second) {
        assert!(delta.len() < second.len());
        assert_eq!(apply(source, &delta, second.len()).as_deref(), Ok(second));
    }
});
