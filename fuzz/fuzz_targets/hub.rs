//! Bytes as a program of publishes, appends, sweeps and reads, against a plain model.
#![no_main]

#[path = "../../crates/hub/tests/ops/mod.rs"]
mod ops;

libfuzzer_sys::fuzz_target!(|program: &[u8]| ops::run(program));
