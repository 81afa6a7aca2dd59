//! A message whose bytes are not all there yet.

use super::decode::{Event, Violation};
use std::borrow::Cow;

/// The first growth of a message's memory. Later ones double it, so that many small fragments cost no more than one
/// large one, and a peer that announces much and sends little is given little.
const FIRST_GROWTH_BYTES: usize = 1024;

/// The data so far, unmasked; text checked up to its last byte.
#[derive(Debug)]
pub(super) enum Message {
    Text(Text),
    Binary(Vec<u8>),
    /// As it came: it is inflated when all of it is there, since an inflater is not a connection's own.
    Deflated(Deflated),
}

/// What has come of a compressed message, and what it is.
#[derive(Debug)]
pub(super) struct Deflated {
    pub(super) is_text: bool,
    pub(super) bytes: Vec<u8>,
}

impl Message {
    /// An empty one.
    pub(super) fn new(is_text: bool) -> Message {
        if is_text {
            Message::Text(Text::default())
        } else {
            Message::Binary(Vec::new())
        }
    }

    /// What is kept of it, in bytes.
    pub(super) fn len(&self) -> usize {
        match self {
            Message::Text(text) => text.checked.len() + usize::from(text.tail_bytes),
            Message::Binary(bytes) => bytes.len(),
            Message::Deflated(deflated) => deflated.bytes.len(),
        }
    }

    /// What is kept of it: one after the other.
    pub(super) fn parts(&self) -> [&[u8]; 2] {
        match self {
            Message::Text(text) => [
                text.checked.as_bytes(),
                &text.tail[..usize::from(text.tail_bytes)],
            ],
            Message::Binary(bytes) => [bytes, &[]],
            Message::Deflated(deflated) => [&deflated.bytes, &[]],
        }
    }

    /// Appends more of the message. `left_bytes` are those that certainly follow and end the message, if known:
    /// memory is not made for more than them.
    pub(super) fn push(&mut self, bytes: &[u8], left_bytes: Option<u64>) -> Result<(), Violation> {
        match self {
            Message::Text(text) => {
                text.checked.reserve_exact(growth(
                    text.checked.len(),
                    text.checked.capacity(),
                    bytes.len() + 3,
                    left_bytes,
                ));
                text.push(bytes)
            }
            Message::Binary(binary) | Message::Deflated(Deflated { bytes: binary, .. }) => {
                binary.reserve_exact(growth(binary.len(), binary.capacity(), bytes.len(), left_bytes));
                binary.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    pub(super) fn finish(self) -> Result<Event<'static>, Violation> {
        match self {
            Message::Text(text) if text.tail_bytes > 0 => Err(Violation::NOT_UTF8),
            Message::Text(text) => Ok(Event::Text(Cow::Owned(text.checked))),
            Message::Binary(bytes) | Message::Deflated(Deflated { bytes, .. }) => {
                Ok(Event::Binary(Cow::Owned(bytes)))
            }
        }
    }
}

/// By how much to grow for `needed` more bytes; zero if there is room.
fn growth(len: usize, capacity: usize, needed: usize, left_bytes: Option<u64>) -> usize {
    if capacity - len >= needed {
        return 0;
    }
    let doubled = len.max(FIRST_GROWTH_BYTES);
    let useful = left_bytes.map_or(doubled, |left| {
        usize::try_from(left).unwrap_or(usize::MAX).saturating_add(needed)
    });
    needed.max(doubled.min(useful))
}

/// Text checked as it comes: the first byte that cannot be UTF-8 is refused, in whichever fragment and however
/// the fragments are cut (RFC 6455, section 8.1).
#[derive(Debug, Default)]
pub(super) struct Text {
    checked: String,
    /// The beginning of a character whose rest is due.
    tail: [u8; 4],
    tail_bytes: u8,
}

impl Text {
    fn push(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        let mut rest = bytes;
        while self.tail_bytes > 0 {
            let Some((&byte, after)) = rest.split_first() else {
                return Ok(());
            };
            rest = after;
            // A tail of three bytes is completed or refused by the fourth, so there is room.
            self.tail[usize::from(self.tail_bytes)] = byte;
            self.tail_bytes += 1;
            match std::str::from_utf8(&self.tail[..usize::from(self.tail_bytes)]) {
                Ok(character) => {
                    self.checked.push_str(character);
                    self.tail_bytes = 0;
                }
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(Violation::NOT_UTF8),
            }
        }
        let (whole, tail) = rest.split_at(rest.len() - unfinished_bytes(rest));
        self.checked
            .push_str(std::str::from_utf8(whole).map_err(|_| Violation::NOT_UTF8)?);
        if !tail.is_empty() {
            // Two bytes may already be wrong together, as in the start of a surrogate.
            if std::str::from_utf8(tail).is_err_and(|error| error.error_len().is_some()) {
                return Err(Violation::NOT_UTF8);
            }
            self.tail[..tail.len()].copy_from_slice(tail);
            self.tail_bytes = tail.len() as u8;
        }
        Ok(())
    }
}

/// How many bytes at the end begin a character that has more bytes: 0 to 3.
fn unfinished_bytes(bytes: &[u8]) -> usize {
    for (back, byte) in bytes.iter().rev().take(3).enumerate() {
        let character_bytes = match byte {
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
            _ => 1,
        };
        return if character_bytes > back + 1 { back + 1 } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(parts: &[&[u8]]) -> Result<String, usize> {
        let mut message = Message::Text(Text::default());
        for (at, part) in parts.iter().enumerate() {
            message.push(part, None).map_err(|_| at)?;
        }
        match message.finish() {
            Ok(Event::Text(text)) => Ok(text.into_owned()),
            _ => Err(parts.len()),
        }
    }

    #[test]
    fn characters_cut_anywhere() {
        let whole = "κόσμε € 𝄞 \u{10ffff}\u{7ff}\u{800}";
        for split in 0..=whole.len() {
            for second in split..=whole.len() {
                let bytes = whole.as_bytes();
                let parts = [&bytes[..split], &bytes[split..second], &bytes[second..]];
                assert_eq!(text(&parts).as_deref(), Ok(whole));
            }
        }
        let bytes: Vec<&[u8]> = whole.as_bytes().chunks(1).collect();
        assert_eq!(text(&bytes).as_deref(), Ok(whole));
    }

    #[test]
    fn refused_at_the_first_wrong_byte() {
        assert_eq!(text(&[b"a", b"\x80"]), Err(1), "a continuation byte alone");
        assert_eq!(text(&[b"\xf4\x90", b"\x80\x80"]), Err(0), "past U+10FFFF");
        assert_eq!(
            text(&[b"\xf4", b"\x90", b"\x80\x80"]),
            Err(1),
            "past U+10FFFF, byte by byte"
        );
        assert_eq!(text(&[b"\xed\xa0"]), Err(0), "a surrogate");
        assert_eq!(text(&[b"\xc0"]), Err(0), "an overlong form");
        assert_eq!(text(&[b"\xe0\x80"]), Err(0), "an overlong form");
        assert_eq!(text(&[b"\xf5"]), Err(0), "no character begins so");
        assert_eq!(text(&[b"\xe2\x82"]), Err(1), "a character that never ends");
        assert_eq!(text(&[b"\xe2\x82", b"a"]), Err(1));
        assert_eq!(text(&[b"\x80\x80\x80\x80"]), Err(0));
    }

    #[test]
    fn memory_follows_what_came_not_what_was_announced() {
        let mut message = Message::Binary(Vec::new());
        message.push(&[0; 10], Some(1 << 40)).unwrap();
        let Message::Binary(bytes) = &message else {
            panic!("binary")
        };
        assert!(bytes.capacity() <= 2 * FIRST_GROWTH_BYTES);
    }

    #[test]
    fn many_small_parts_grow_the_memory_seldom() {
        let mut binary = Message::Binary(Vec::new());
        let mut growths = 0;
        let mut capacity = 0;
        for _ in 0..1_000_000 {
            binary.push(b"x", None).unwrap();
            let Message::Binary(bytes) = &binary else {
                panic!("binary")
            };
            growths += usize::from(bytes.capacity() != capacity);
            capacity = bytes.capacity();
        }
        assert!(growths <= 11, "{growths} growths");
    }
}
