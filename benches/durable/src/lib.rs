//! Stores beside each other under a durable log's work, the durable log beside what people write by hand, and a loop
//! that kills it.

pub mod kill;
pub mod measure;
pub mod report;
pub mod stores;
pub mod wait;
