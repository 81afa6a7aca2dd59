//! Bytes as a program of sessions that come, go, are lost and expire, against a plain model.
#![no_main]

#[path = "../../crates/hub/tests/presence/ops.rs"]
mod ops;

libfuzzer_sys::fuzz_target!(|program: &[u8]| {
    ops::run(program);
});
