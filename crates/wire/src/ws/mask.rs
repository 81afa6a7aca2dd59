//! Masking (RFC 6455, section 5.3).

/// Masks or unmasks in place: the same operation both ways. `key` applies from the first byte on.
///
/// Works on eight bytes at a time, which the compiler turns into whatever vector width there is.
pub fn mask(bytes: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip([a, b, c, d, a, b, c]) {
        *byte ^= key;
    }
}

/// The key as it applies `bytes` later.
pub(super) fn advance(key: [u8; 4], bytes: usize) -> [u8; 4] {
    let mut key = key;
    key.rotate_left(bytes % 4);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        // RFC 6455, section 5.7: a masked "Hello".
        let mut bytes = *b"\x7f\x9f\x4d\x51\x58";
        mask(&mut bytes, [0x37, 0xfa, 0x21, 0x3d]);
        assert_eq!(&bytes, b"Hello");
    }

    #[test]
    fn every_length_and_every_split_like_byte_by_byte() {
        let key = [0x12, 0x34, 0x56, 0x78];
        for length in 0..40usize {
            let plain: Vec<u8> = (0..length as u8).collect();
            let expect: Vec<u8> = plain
                .iter()
                .enumerate()
                .map(|(at, byte)| byte ^ key[at % 4])
                .collect();
            for split in 0..=length {
                let mut bytes = plain.clone();
                let (first, second) = bytes.split_at_mut(split);
                mask(first, key);
                mask(second, advance(key, split));
                assert_eq!(bytes, expect, "length {length}, split at {split}");
            }
        }
    }
}
