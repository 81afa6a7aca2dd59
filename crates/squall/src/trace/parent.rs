//! The field `traceparent` (W3C Trace Context, section 3.2).

use std::fmt;
use std::str::FromStr;

/// What `traceparent` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace; never all zeros.
    pub trace_id: [u8; 16],
    /// The caller's part of it; never all zeros.
    pub parent_id: [u8; 8],
    /// Whether the caller may have recorded it: the only flag that is defined.
    pub sampled: bool,
}

/// It is no `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseTraceError;

impl fmt::Display for ParseTraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a traceparent as W3C Trace Context defines it")
    }
}

impl std::error::Error for ParseTraceError {}

/// Bytes of version 00, which later versions begin with.
const BYTES: usize = 55;

impl FromStr for TraceParent {
    type Err = ParseTraceError;

    /// Version 00 to the letter; of a later version its beginning, which has the same form (section 4.3).
    fn from_str(text: &str) -> Result<Self, ParseTraceError> {
        let bytes = text.as_bytes();
        if bytes.len() < BYTES || [2, 35, 52].iter().any(|&at| bytes[at] != b'-') {
            return Err(ParseTraceError);
        }
        let [version] = hex(&bytes[..2])?;
        let end = match version {
            0 => bytes.len() == BYTES,
            0xff => false,
            _ => bytes.len() == BYTES || bytes[BYTES] == b'-',
        };
        let (trace_id, parent_id) = (hex(&bytes[3..35])?, hex(&bytes[36..52])?);
        let [flags] = hex(&bytes[53..BYTES])?;
        if !end || trace_id == [0; 16] || parent_id == [0; 8] {
            return Err(ParseTraceError);
        }
        Ok(Self {
            trace_id,
            parent_id,
            sampled: flags & 1 == 1,
        })
    }
}

/// Lower-case digits only: others are not allowed (section 3.2.2).
fn hex<const N: usize>(digits: &[u8]) -> Result<[u8; N], ParseTraceError> {
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        for digit in pair {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return Err(ParseTraceError),
            };
            *byte = *byte << 4 | value;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_00_is_read_to_the_letter() {
        let parsed: TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
            .parse()
            .unwrap();
        assert_eq!(parsed.trace_id[..3], [0x0a, 0xf7, 0x65]);
        assert_eq!(parsed.parent_id[5..], [0x20, 0x33, 0x31]);
        assert!(!parsed.sampled);
        for (flags, sampled) in [("01", true), ("02", false), ("ff", true), ("fe", false)] {
            let text = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
            assert_eq!(text.parse::<TraceParent>().unwrap().sampled, sampled, "{flags}");
        }
    }

    #[test]
    fn what_the_specification_forbids_is_none() {
        for text in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-001",
            " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0A",
            "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
            "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
            "0x-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c8031é-b7ad6b7169203331-01",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
        ] {
            assert_eq!(text.parse::<TraceParent>(), Err(ParseTraceError), "{text:?}");
        }
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        for end in ["", "-", "-what-the-future-will-be-like"] {
            let text = format!("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01{end}");
            assert!(text.parse::<TraceParent>().unwrap().sampled, "{text}");
        }
    }
}
