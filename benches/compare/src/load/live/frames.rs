//! Frames as a server sends them: unmasked, whole messages.

use std::io;

use crate::load::wrong;

/// Bytes of a WebSocket, cut into frames.
#[derive(Debug)]
pub struct Frames {
    bytes: Vec<u8>,
    /// Where the next frame begins.
    at: usize,
    /// Where the last one began.
    last: usize,
}

impl Frames {
    /// Beginning with these.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            at: 0,
            last: 0,
        }
    }

    /// More of them.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The payload of the next frame, if it is there as a whole.
    ///
    /// # Errors
    /// When it is a close, or nothing that a server may send.
    pub fn take(&mut self) -> io::Result<Option<&[u8]>> {
        let rest = &self.bytes[self.at..];
        let [first, second, ..] = *rest else {
            return Ok(None);
        };
        if first & 0x0f == 8 || second & 0x80 != 0 {
            return Err(wrong("a close, or a masked frame"));
        }
        let (header, payload) = match (second, rest.get(2..4), rest.get(2..10)) {
            (126, Some(&[high, low]), _) => (4, u64::from(u16::from_be_bytes([high, low]))),
            (127, _, Some(long)) => (10, long.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))),
            (126 | 127, ..) => return Ok(None),
            (short, ..) => (2, u64::from(short)),
        };
        let end = header + usize::try_from(payload).map_err(|_| wrong("a frame without end"))?;
        if rest.len() < end {
            return Ok(None);
        }
        self.last = self.at;
        self.at += end;
        Ok(Some(&self.bytes[self.last + header..self.at]))
    }

    /// The last frame that was taken and all that came after it.
    #[must_use]
    pub fn into_seen(mut self) -> Vec<u8> {
        self.bytes.split_off(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut_where_they_end() {
        let mut frames = Frames::new(b"\x81\x01".to_vec());
        assert_eq!(frames.take().unwrap(), None);
        let long = [&[0x81, 126, 0, 200][..], &[b'x'; 200]].concat();
        frames.push(&[b"a\x82\x02bc", &long[..150]].concat());
        assert_eq!(frames.take().unwrap(), Some(&b"a"[..]));
        assert_eq!(frames.take().unwrap(), Some(&b"bc"[..]));
        assert_eq!(frames.take().unwrap(), None);
        frames.push(&long[150..]);
        assert_eq!(frames.take().unwrap().map(<[u8]>::len), Some(200));
        frames.push(b"tail");
        assert_eq!(frames.into_seen(), [&long[..], b"tail"].concat());
        assert!(Frames::new(b"\x88\x00".to_vec()).take().is_err());
    }
}
