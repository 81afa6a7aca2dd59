//! A whole connection: bytes of a peer, cut and delayed as the program says, through the engine's own code on a socket
//! in memory with short reads, short writes, errors at any call and time that passes at any moment.
//!
//! What must hold is asserted by `squall_engine::mock`.
#![no_main]

libfuzzer_sys::fuzz_target!(|program: &[u8]| {
    let outcome = squall_engine::mock::run(program);
    assert!(outcome.answers <= outcome.requests + 1);
});
