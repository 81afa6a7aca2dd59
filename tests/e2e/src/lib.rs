//! What the end-to-end tests share: real programs, real sockets, real browsers, and a network that misbehaves.
//!
//! Rules for everything in here: no sleeps, no retries, no fixed ports. A test waits for an event, and every wait
//! ends at [`DEADLINE`]. Programs are found by [`program::path`], started on port 0, and killed when dropped.

use std::time::Duration;

pub mod agent;
pub mod body;
pub mod dir;
pub mod doors;
pub mod feed;
pub mod http;
pub mod program;
pub mod proxy;
pub mod rng;
pub mod room;
pub mod sse;
pub mod webdriver;
pub mod ws;

/// How long any single wait may take before the test fails, in the worst case of a loaded machine.
pub const DEADLINE: Duration = Duration::from_secs(60);
