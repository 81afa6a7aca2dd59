//! Fossil deltas: a message said as what changed since the one before it.
//!
//! Topics whose messages resemble each other (a score board, a document, a position) cost a fraction of the bytes. The
//! format is Fossil SCM's (`https://fossil-scm.org/home/doc/trunk/www/delta_format.wiki`), which Centrifugo's clients
//! negotiate as `"fossil"`. What we make is byte for byte what the `fossil-delta` package makes, and every client
//! that applies its deltas applies ours.
//!
//! A delta is text: `<size>\n`, then commands `<count>@<offset>,` (copy from the source) and `<count>:<bytes>` (take
//! these), then `<checksum>;`. Numbers are in base 64 with Fossil's own digits.

mod apply;
mod create;
mod number;
mod rolling;
#[cfg(test)]
mod tests;

pub use apply::{DeltaError, apply};
pub use create::{DELTA_BYTES_MAX, patch, patch_text};
