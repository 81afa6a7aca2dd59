//! JSON text, as much of it as frames need.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `text` as a JSON string.
pub(crate) fn string(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte >= 0x20 && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[start..at]);
        start = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let [high, low] = [byte >> 4, byte & 15].map(|nibble| HEX[usize::from(nibble)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
        }
    }
    out.extend_from_slice(&bytes[start..]);
    out.push(b'"');
}

/// Appends `"data":"…"`, or `"data_base64":"…"` for what is not UTF-8.
pub(crate) fn data_member(data: &[u8], out: &mut Vec<u8>) {
    match std::str::from_utf8(data) {
        Ok(text) => {
            out.extend_from_slice(b"\"data\":");
            string(text, out);
        }
        Err(_) => {
            out.extend_from_slice(b"\"data_base64\":\"");
            out.extend_from_slice(STANDARD.encode(data).as_bytes());
            out.push(b'"');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_what_a_parser_reads_back() {
        let all: String = (0..0x300_u32)
            .filter_map(char::from_u32)
            .chain("\u{2028}🦀".chars())
            .collect();
        for text in ["", "plain", "\"", "a\"b\\c\nd\re\tf\u{1}g\u{1f}", &all] {
            let mut out = Vec::new();
            string(text, &mut out);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }

    #[test]
    fn data_that_is_not_text_is_base64() {
        let mut out = Vec::new();
        data_member(b"\xff\x00", &mut out);
        assert_eq!(out, b"\"data_base64\":\"/wA=\"");
    }
}
