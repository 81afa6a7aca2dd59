//! Fossil deltas: a message said as what changed since the one before it. See [`squall_engine::wire::delta`].

pub use squall_engine::wire::delta::{DELTA_BYTES_MAX, DeltaError, apply, patch, patch_text};
