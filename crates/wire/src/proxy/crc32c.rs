//! CRC32c (RFC 4960, appendix B): the Castagnoli polynomial, reflected. A header has some hundred bytes, so a table of
//! 1 KiB is fast enough.

const POLYNOMIAL: u32 = 0x82f6_3b78;

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 {
                (value >> 1) ^ POLYNOMIAL
            } else {
                value >> 1
            };
            bit += 1;
        }
        table[byte] = value;
        byte += 1;
    }
    table
}

/// The checksum of `bytes`, as if the four at `at` were zero (section 2.2.3: the checksum's own place).
pub(super) fn with_zeros_at(bytes: &[u8], at: usize) -> u32 {
    let sum = bytes.iter().enumerate().fold(u32::MAX, |sum, (place, byte)| {
        let byte = if (at..at + 4).contains(&place) { 0 } else { *byte };
        TABLE[usize::from(sum as u8 ^ byte)] ^ (sum >> 8)
    });
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crc32c(bytes: &[u8]) -> u32 {
        with_zeros_at(bytes, bytes.len())
    }

    /// RFC 3720, appendix B.4, and the check value of every catalogue.
    #[test]
    fn known_values() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b""), 0);
    }

    #[test]
    fn its_own_place_counts_as_zeros() {
        assert_eq!(with_zeros_at(b"ab\x01\x02\x03\x04cd", 2), crc32c(b"ab\0\0\0\0cd"));
    }
}
