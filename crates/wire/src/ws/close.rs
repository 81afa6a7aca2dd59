//! Close frames and their codes (RFC 6455, sections 5.5.1 and 7.4).

use std::borrow::Cow;

use super::decode::Violation;

/// The longest reason that a close frame has room for, in bytes of UTF-8.
pub const CLOSE_REASON_BYTES_MAX: usize = 123;

/// What a close frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame<'a> {
    /// One for which [`is_close_code`] holds.
    pub code: u16,
    /// For people; at most [`CLOSE_REASON_BYTES_MAX`].
    pub reason: Cow<'a, str>,
}

/// May this code stand in a close frame?
///
/// Those that RFC 6455 and its registry define (1000 to 1003, 1007 to 1014), libraries' (3000 to 3999) and
/// applications' (4000 to 4999). Not 1004 (undefined), 1005, 1006 and 1015, which are never sent.
pub fn is_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Reads the payload of a close frame: nothing, or a code and a reason.
pub(super) fn parse_close(payload: &[u8]) -> Result<Option<(u16, &str)>, Violation> {
    match *payload {
        [] => Ok(None),
        [_] => Err(Violation::protocol("a close frame with one byte")),
        [high, low, ref reason @ ..] => {
            let code = u16::from_be_bytes([high, low]);
            if !is_close_code(code) {
                return Err(Violation::protocol("a close code that must not be sent"));
            }
            let reason = std::str::from_utf8(reason).map_err(|_| Violation::NOT_UTF8)?;
            Ok(Some((code, reason)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_at_every_edge() {
        for (code, expect) in [
            (0, false),
            (999, false),
            (1000, true),
            (1003, true),
            (1004, false),
            (1005, false),
            (1006, false),
            (1007, true),
            (1014, true),
            (1015, false),
            (1016, false),
            (2999, false),
            (3000, true),
            (4999, true),
            (5000, false),
            (65535, false),
        ] {
            assert_eq!(is_close_code(code), expect, "{code}");
        }
    }

    #[test]
    fn payloads() {
        assert_eq!(parse_close(b""), Ok(None));
        assert_eq!(parse_close(b"\x03\xe8"), Ok(Some((1000, ""))));
        assert_eq!(parse_close(b"\x03\xe8bye"), Ok(Some((1000, "bye"))));
        assert_eq!(parse_close(b"\x03").unwrap_err().code, 1002);
        assert_eq!(parse_close(b"\x03\xed").unwrap_err().code, 1002);
        assert_eq!(parse_close(b"\x03\xe8\xff").unwrap_err().code, 1007);
        assert_eq!(parse_close(b"\x03\xe8\xe2\x82").unwrap_err().code, 1007);
    }
}
