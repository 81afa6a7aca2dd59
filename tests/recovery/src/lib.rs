//! Subscribers whose connections are cut, stalled and split, on servers that end and begin again: in the end the record
//! of each is a contiguous slice of its topics' log, in order, each message once, or it was told of a gap exactly where
//! the log had lost something.
//!
//! One [`run`] is decided by its seed: who follows what, over which door, after how many bytes which connection is cut, for
//! how many publications which one is not read, after which publication the server ends and what the next one still has.
//! All of that is counted in bytes and messages and never in time. What the seed can't decide is what sockets and threads
//! decide; so a seed that fails may need to be run some times to fail again, and what was broken is printed in full.
//!
//! HTTP, WebSocket and events are read by the few lines in [`mod@line`] and [`doors`] and not by the code that is checked; only
//! what sessions say is taken apart with the protocol's own types.

pub mod check;
pub mod doors;
pub mod line;
pub mod record;
pub mod rng;
pub mod run;
pub mod server;
pub mod sessions;
pub mod subscriber;
pub mod truth;
pub mod world;
