//! The engine.
pub mod source;
pub mod ws;
pub use squall_wire as wire;
