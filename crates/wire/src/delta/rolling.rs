//! The hash of 16 bytes that moves along a text one byte at a time.

/// Bytes that one hash covers. Also the length of the source's blocks.
pub(super) const BLOCK_BYTES: usize = 16;

/// The sum of the bytes, and the sum of the bytes weighted by how far they are from the end.
pub(super) struct Rolling {
    sum: u16,
    weighted: u16,
    window: [u8; BLOCK_BYTES],
    /// Where the oldest byte of the window is.
    oldest: usize,
}

impl Rolling {
    /// Over the first [`BLOCK_BYTES`] of `bytes`, of which there must be as many.
    pub(super) fn new(bytes: &[u8]) -> Self {
        let mut window = [0; BLOCK_BYTES];
        window.copy_from_slice(&bytes[..BLOCK_BYTES]);
        let mut rolling = Self {
            sum: 0,
            weighted: 0,
            window,
            oldest: 0,
        };
        for byte in window {
            rolling.sum = rolling.sum.wrapping_add(u16::from(byte));
            rolling.weighted = rolling.weighted.wrapping_add(rolling.sum);
        }
        rolling
    }

    /// One byte on.
    pub(super) fn roll(&mut self, byte: u8) {
        let old = std::mem::replace(&mut self.window[self.oldest], byte);
        self.oldest = (self.oldest + 1) % BLOCK_BYTES;
        self.sum = self
            .sum
            .wrapping_sub(u16::from(old))
            .wrapping_add(u16::from(byte));
        let gone = u16::from(old).wrapping_mul(BLOCK_BYTES as u16);
        self.weighted = self.weighted.wrapping_sub(gone).wrapping_add(self.sum);
    }

    pub(super) fn hash(&self) -> u32 {
        u32::from(self.weighted) << 16 | u32::from(self.sum)
    }
}
