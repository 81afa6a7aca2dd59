//! A copy of a few bytes in one allocation.
//!
//! Why: a request's fields are slices of what was read. `Bytes` that are copied from a slice allocate a second time
//! when they are first shared, and are freed twice; most requests are small enough to stand beside their count.

use bytes::Bytes;

/// Bytes of the smaller block, and of the larger.
const SMALL_BYTES: usize = 248;
const MEDIUM_BYTES: usize = 1016;

/// The bytes, and how many of them count.
struct Block<const N: usize> {
    bytes: [u8; N],
    count: usize,
}

impl<const N: usize> Block<N> {
    #[inline]
    fn copied(from: &[u8]) -> Bytes {
        let mut bytes = [0; N];
        bytes[..from.len()].copy_from_slice(from);
        Bytes::from_owner(Block {
            bytes,
            count: from.len(),
        })
    }
}

impl<const N: usize> AsRef<[u8]> for Block<N> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.count]
    }
}

/// As `Bytes::copy_from_slice`, cheaper when it is shared afterwards.
pub(crate) fn copied(from: &[u8]) -> Bytes {
    if from.len() <= SMALL_BYTES {
        Block::<SMALL_BYTES>::copied(from)
    } else if from.len() <= MEDIUM_BYTES {
        Block::<MEDIUM_BYTES>::copied(from)
    } else {
        Bytes::copy_from_slice(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_copied_whole() {
        for bytes in [0, 1, SMALL_BYTES, SMALL_BYTES + 1, MEDIUM_BYTES, MEDIUM_BYTES + 1] {
            let from: Vec<u8> = (0..bytes).map(|i| i as u8).collect();
            assert_eq!(copied(&from), from);
            assert_eq!(copied(&from).slice(bytes / 2..), from[bytes / 2..]);
        }
    }
}
