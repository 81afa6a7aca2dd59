//! Messages made small (RFC 7692, section 7.2.1).

use flate2::{Compress, Compression, FlushCompress};

use super::{WINDOW_BITS_MAX, WINDOW_BITS_MIN};

/// What every flush ends with, and no message carries (RFC 7692, section 7.2.1): an empty block without compression.
pub(super) const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// An empty message: the start of such a block, whose rest is the tail (RFC 7692, section 7.2.3.6).
const EMPTY: u8 = 0x00;

/// Makes messages small. Some 300 KiB, whatever passes through it.
pub struct Deflater {
    zlib: Compress,
}

impl std::fmt::Debug for Deflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deflater").finish_non_exhaustive()
    }
}

impl Deflater {
    /// With a level of 1 to 9 and a window of 9 to 15 bits; others count as the nearest.
    pub fn new(level: u8, window_bits: u8) -> Deflater {
        let level = Compression::new(u32::from(level.clamp(1, 9)));
        let window_bits = window_bits.clamp(WINDOW_BITS_MIN, WINDOW_BITS_MAX);
        Deflater {
            zlib: Compress::new_with_window_bits(level, false, window_bits),
        }
    }

    /// Forgets all earlier messages: the next refers to none.
    pub fn reset(&mut self) {
        self.zlib.reset();
    }

    /// Appends the compressed payload of a message. It refers to what was compressed since the last
    /// [`reset`](Deflater::reset), so the peer must have received that.
    ///
    /// ```
    /// # use squall_wire::ws::Deflater;
    /// let mut deflater = Deflater::new(6, 15);
    /// let mut out = Vec::new();
    /// deflater.deflate(b"Hello", &mut out);
    /// // RFC 7692, section 7.2.3.1.
    /// assert_eq!(out, [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
    /// ```
    pub fn deflate(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        if payload.is_empty() {
            out.push(EMPTY);
            return;
        }
        let mut rest = payload;
        loop {
            // Text becomes a third or less; what does not gets more room as it goes.
            out.reserve((rest.len() / 2).max(64));
            let taken_before = self.zlib.total_in();
            let result = self.zlib.compress_vec(rest, out, FlushCompress::Sync);
            let taken = (self.zlib.total_in() - taken_before) as usize;
            rest = &rest[taken.min(rest.len())..];
            // A flush is over when it leaves room.
            if result.is_err() || (rest.is_empty() && out.len() < out.capacity()) {
                break;
            }
        }
        debug_assert!(rest.is_empty() && out[start..].ends_with(&TAIL));
        out.truncate((out.len() - TAIL.len()).max(start));
    }
}
