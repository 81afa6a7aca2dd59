//! Fossil's numbers and its checksum.

/// Digits in the order of the characters: `0-9A-Z_a-z~`.
const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";

/// Writes a number: most significant digit first, no zeros in front.
pub(super) fn put(out: &mut Vec<u8>, number: u32) {
    let digits = digits(number);
    for place in (0..digits).rev() {
        out.push(DIGITS[(number >> (6 * place)) as usize & 63]);
    }
}

/// How many digits the number has when written.
pub(super) fn digits(number: u32) -> u32 {
    (u32::BITS - number.leading_zeros()).div_ceil(6).max(1)
}

/// A number off the front of `rest`; `None` if there is no digit or it does not fit 32 bits.
pub(super) fn take(rest: &mut &[u8]) -> Option<u32> {
    let length = rest.iter().take_while(|byte| value(**byte).is_some()).count();
    let (number, after) = rest.split_at(length);
    *rest = after;
    let digit = |sum: u32, byte: &u8| sum.checked_mul(64)?.checked_add(value(*byte)?);
    if number.is_empty() {
        return None;
    }
    number.iter().try_fold(0, digit)
}

fn value(byte: u8) -> Option<u32> {
    let value = match byte {
        b'0'..=b'9' => byte - b'0',
        b'A'..=b'Z' => byte - b'A' + 10,
        b'_' => 36,
        b'a'..=b'z' => byte - b'a' + 37,
        b'~' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

/// The sum of all big-endian 32-bit words, the last one filled up with zeros.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let words = bytes.chunks_exact(4);
    let mut last = [0; 4];
    last[..words.remainder().len()].copy_from_slice(words.remainder());
    words
        .map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
        .fold(u32::from_be_bytes(last), u32::wrapping_add)
}
