//! What can be seen of topics and those who follow: numbers for Prometheus, and a page for people.
//!
//! Nothing here walks over connections. What they are served is sampled where it happens, so one that only waits costs nothing.

mod admin;
mod metrics;
mod samples;

pub use admin::{Admin, TAP_BYTES_MAX, TOPICS_SHOWN_MAX};
pub use samples::{CURSOR_LAG_BOUNDS, LAG_BOUNDS_MS};
pub(super) use samples::{Samples, Sampling};
