//! A certificate's subject as text.
//!
//! Only what is needed for that is read of the DER: a sequence of sets of pairs (RFC 5280 section 4.1.2.4). The
//! certificate has been verified before, so what cannot be read is left out and harms nobody.

use std::fmt::Write as _;

/// `O=Example,CN=alice` from the contents of a `Name`.
pub(super) fn subject_text(name: &[u8]) -> String {
    let mut text = String::new();
    let mut sets = name;
    while let Some((0x31, set)) = element(&mut sets) {
        let mut pairs = set;
        let mut first = true;
        while let Some((0x30, mut pair)) = element(&mut pairs) {
            let (Some((0x06, kind)), Some((tag, value))) = (element(&mut pair), element(&mut pair)) else {
                return text;
            };
            if !text.is_empty() {
                text.push(if first { ',' } else { '+' });
            }
            first = false;
            push_kind(&mut text, kind);
            text.push('=');
            push_value(&mut text, &decoded(tag, value));
        }
    }
    text
}

/// Takes one element off the front: its tag and its contents.
pub(super) fn element<'a>(der: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let length = match first {
        0..=0x7f => usize::from(first),
        0x81 => {
            let (&length, after) = rest.split_first()?;
            rest = after;
            usize::from(length)
        }
        0x82 => {
            let (length, after) = rest.split_first_chunk::<2>()?;
            rest = after;
            usize::from(u16::from_be_bytes(*length))
        }
        _ => return None,
    };
    let (contents, after) = rest.split_at_checked(length)?;
    *der = after;
    Some((tag, contents))
}

fn push_kind(text: &mut String, kind: &[u8]) {
    let known = match kind {
        [0x55, 0x04, 0x03] => "CN",
        [0x55, 0x04, 0x04] => "SN",
        [0x55, 0x04, 0x05] => "serialNumber",
        [0x55, 0x04, 0x06] => "C",
        [0x55, 0x04, 0x07] => "L",
        [0x55, 0x04, 0x08] => "ST",
        [0x55, 0x04, 0x09] => "STREET",
        [0x55, 0x04, 0x0a] => "O",
        [0x55, 0x04, 0x0b] => "OU",
        [0x55, 0x04, 0x0c] => "title",
        [0x55, 0x04, 0x2a] => "GN",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01] => "emailAddress",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01] => "UID",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19] => "DC",
        _ => return push_oid(text, kind),
    };
    text.push_str(known);
}

/// Numbers with dots, as X.690 section 8.19 packs them.
fn push_oid(text: &mut String, kind: &[u8]) {
    let mut number: u64 = 0;
    let mut is_first = true;
    for byte in kind {
        number = (number << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        if is_first {
            let root = (number / 40).min(2);
            let _ = write!(text, "{root}.{}", number - root * 40);
        } else {
            let _ = write!(text, ".{number}");
        }
        (number, is_first) = (0, false);
    }
}

fn decoded(tag: u8, value: &[u8]) -> String {
    match tag {
        // BMPString.
        0x1e => {
            let units = value
                .chunks_exact(2)
                .map(|two| u16::from_be_bytes([two[0], two[1]]));
            char::decode_utf16(units)
                .map(|c| c.unwrap_or('\u{fffd}'))
                .collect()
        }
        // TeletexString, read as Latin-1, which it is in practice.
        0x14 => value.iter().map(|byte| char::from(*byte)).collect(),
        _ => String::from_utf8_lossy(value).into_owned(),
    }
}

/// Escapes what RFC 4514 section 2.4 says, and control characters, so that no value can pass for another field.
fn push_value(text: &mut String, value: &str) {
    let last = value.chars().count().saturating_sub(1);
    for (at, c) in value.chars().enumerate() {
        match c {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=' => {
                text.push('\\');
                text.push(c);
            }
            '#' | ' ' if at == 0 => {
                text.push('\\');
                text.push(c);
            }
            ' ' if at == last => text.push_str("\\ "),
            c if c.is_control() => {
                let mut utf8 = [0; 4];
                for byte in c.encode_utf8(&mut utf8).bytes() {
                    let _ = write!(text, "\\{byte:02x}");
                }
            }
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A set of one pair: an attribute of `2.5.4` with a UTF-8 value.
    fn pair(kind: u8, tag: u8, value: &[u8]) -> Vec<u8> {
        let mut inner = vec![0x06, 0x03, 0x55, 0x04, kind, tag, value.len() as u8];
        inner.extend_from_slice(value);
        let mut set = vec![0x31, inner.len() as u8 + 2, 0x30, inner.len() as u8];
        set.extend(inner);
        set
    }

    #[test]
    fn fields_stand_in_the_order_of_the_certificate() {
        let name = [pair(0x0a, 0x0c, b"Example"), pair(0x03, 0x13, b"alice")].concat();
        assert_eq!(subject_text(&name), "O=Example,CN=alice");
        assert_eq!(subject_text(b""), "");
    }

    #[test]
    fn a_value_cannot_pass_for_another_field() {
        let name = pair(0x03, 0x0c, b" x,O=Bank\n+\"");
        assert_eq!(subject_text(&name), "CN=\\ x\\,O\\=Bank\\0a\\+\\\"");
    }

    #[test]
    fn unknown_kinds_are_numbers_and_other_alphabets_are_read() {
        assert_eq!(
            subject_text(&pair(0x41, 0x1e, b"\x00h\x20\xac")),
            "2.5.4.65=h\u{20ac}"
        );
        assert_eq!(subject_text(&pair(0x03, 0x14, b"\xe9")), "CN=\u{e9}");
    }

    #[test]
    fn what_ends_too_early_is_left_out() {
        let whole = [pair(0x0a, 0x0c, b"Example"), pair(0x03, 0x13, b"alice")].concat();
        for length in 0..whole.len() {
            let text = subject_text(&whole[..length]);
            assert!(text.is_empty() || text == "O=Example", "{text}");
        }
        assert_eq!(subject_text(&[0x31, 0x84, 0xff, 0xff, 0xff, 0xff]), "");
    }
}
