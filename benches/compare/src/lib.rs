//! Runs servers beside each other under the same load and says what each cost.
//!
//! Works on Linux: costs are read from `/proc`. The server under test is pinned to one core, the load to another.
//! The load generator checks every byte count and content that it can afford to, so that a server that is
//! fast because it is wrong fails its run.

pub mod attack;
pub mod child;
pub mod load;
pub mod measure;
pub mod metric;
pub mod procfs;
pub mod report;
pub mod served;
pub mod servers;
pub mod soak;
pub mod spread;
pub mod stats;
pub mod streams;
pub mod svg;
pub mod targets;
pub mod works;
