//! Where a reader is: `epoch:offset`, the same text on every transport.

use std::fmt;
use std::str::FromStr;

/// Longest text of an epoch, in bytes.
pub const EPOCH_BYTES_MAX: usize = 16;

/// Longest text of a cursor, in bytes: an epoch, a colon and the twenty digits of the largest `u64`.
pub const CURSOR_BYTES_MAX: usize = EPOCH_BYTES_MAX + 1 + 20;

/// One life of a log. Offsets of two epochs do not compare.
///
/// Its text is one to sixteen of `0-9a-z`: it goes into URLs, header fields and JSON as it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch {
    /// The text, then zeros.
    text: [u8; EPOCH_BYTES_MAX],
    /// How much of `text` is the text.
    bytes: u8,
}

impl Epoch {
    /// The epoch whose text is `number` in hexadecimal.
    pub fn from_number(number: u64) -> Self {
        let text = format!("{number:x}");
        Self::from_str(&text).expect("sixteen hexadecimal digits at most")
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..usize::from(self.bytes)]).unwrap_or_default()
    }
}

impl FromStr for Epoch {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let fits = (1..=EPOCH_BYTES_MAX).contains(&text.len());
        if !fits || !text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase()) {
            return Err(CursorError(()));
        }
        let mut epoch = Self {
            text: [0; EPOCH_BYTES_MAX],
            bytes: text.len() as u8,
        };
        epoch.text[..text.len()].copy_from_slice(text.as_bytes());
        Ok(epoch)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({self})")
    }
}

/// Everything up to and including `offset` has been received, in the life `epoch` of the log.
///
/// ```
/// use squall_hub::Cursor;
///
/// let cursor: Cursor = "5f3a:17".parse().unwrap();
/// assert_eq!(cursor.offset, 17);
/// assert_eq!(cursor.to_string(), "5f3a:17");
/// assert!("5f3a:+17".parse::<Cursor>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Which life of the log.
    pub epoch: Epoch,
    /// The last offset that was received; 0 before the first.
    pub offset: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.offset)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    /// Strict, so that a cursor has one text only: decimal digits without sign or leading zeros.
    fn from_str(text: &str) -> Result<Self, CursorError> {
        if text.len() > CURSOR_BYTES_MAX {
            return Err(CursorError(()));
        }
        let (epoch, offset) = text.split_once(':').ok_or(CursorError(()))?;
        let plain = offset.bytes().all(|b| b.is_ascii_digit()) && (offset == "0" || !offset.starts_with('0'));
        if !plain {
            return Err(CursorError(()));
        }
        Ok(Self {
            epoch: epoch.parse()?,
            offset: offset.parse().map_err(|_| CursorError(()))?,
        })
    }
}

/// The text is not `epoch:offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CursorError(());

impl fmt::Display for CursorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a cursor: expected `epoch:offset`")
    }
}

impl std::error::Error for CursorError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_has_one_text() {
        for good in ["a:0", "0:1", "zzzzzzzzzzzzzzzz:18446744073709551615"] {
            assert_eq!(good.parse::<Cursor>().unwrap().to_string(), good);
        }
        let bad = [
            "",
            ":",
            "a:",
            ":1",
            "a",
            "a:01",
            "a:-1",
            "a:+1",
            "a: 1",
            "A:1",
            "a:1:2",
            "a:18446744073709551616",
        ];
        for bad in bad {
            assert!(bad.parse::<Cursor>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_epoch_is_bounded() {
        assert!("a".repeat(EPOCH_BYTES_MAX).parse::<Epoch>().is_ok());
        assert!("a".repeat(EPOCH_BYTES_MAX + 1).parse::<Epoch>().is_err());
        assert_eq!(Epoch::from_number(u64::MAX).as_str(), "ffffffffffffffff");
        assert_eq!(Epoch::from_number(0).as_str(), "0");
    }
}
