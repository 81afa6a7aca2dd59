//! From events to bytes.

use std::error::Error;
use std::fmt;

/// One event to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event<'a> {
    /// The type that listeners ask for; `message` if there is none.
    pub event: Option<&'a str>,
    /// What a client that reconnects says in `Last-Event-ID`. The empty one makes it forget the last.
    pub id: Option<&'a str>,
    /// How long the client is to wait before it reconnects, in milliseconds.
    pub retry_ms: Option<u64>,
    /// Any text. CRLF, CR and LF all arrive as LF: the format has no other.
    pub data: &'a str,
}

/// A type or an id that would end its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodeError {
    field: &'static str,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} of a server-sent event holds CR, LF or NUL", self.field)
    }
}

impl Error for EncodeError {}

/// Appends one event with the empty line that dispatches it.
///
/// ```
/// use squall_wire::sse::{Event, encode};
/// let mut out = Vec::new();
/// encode(&Event { id: Some("7:42"), data: "two\nlines", ..Event::default() }, &mut out).unwrap();
/// assert_eq!(out, b"id: 7:42\ndata: two\ndata: lines\n\n");
/// ```
///
/// # Errors
///
/// [`EncodeError`] if `event` or `id` holds CR, LF or NUL; `out` is then as it was.
pub fn encode(event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    for (field, text) in [("event", event.event), ("id", event.id)] {
        if text.is_some_and(|text| memchr::memchr3(b'\r', b'\n', 0, text.as_bytes()).is_some()) {
            return Err(EncodeError { field });
        }
    }
    out.reserve(event.data.len() + 64);
    if let Some(id) = event.id {
        line(b"id: ", id.as_bytes(), out);
    }
    if let Some(name) = event.event {
        line(b"event: ", name.as_bytes(), out);
    }
    if let Some(retry_ms) = event.retry_ms {
        out.extend_from_slice(b"retry: ");
        crate::h1::write_decimal(retry_ms, out);
        out.push(b'\n');
    }
    lines(b"data: ", event.data.as_bytes(), out);
    out.push(b'\n');
    Ok(())
}

/// Appends a comment, which clients ignore: a heartbeat that keeps the connection from being taken for dead.
pub fn encode_comment(text: &str, out: &mut Vec<u8>) {
    lines(b": ", text.as_bytes(), out);
    out.push(b'\n');
}

/// One line for each line of `text`, at least one.
fn lines(prefix: &[u8], text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(end) = memchr::memchr2(b'\r', b'\n', rest) {
        line(prefix, &rest[..end], out);
        let end_bytes = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = &rest[end + end_bytes..];
    }
    line(prefix, rest, out);
}

/// The space of `prefix` is taken off by the reader, so that of a value that begins with one is not.
fn line(prefix: &[u8], text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(prefix);
    out.extend_from_slice(text);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(event: Event<'_>, expect: &str) {
        let mut out = b"before".to_vec();
        encode(&event, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), format!("before{expect}"));
    }

    #[test]
    fn events() {
        check(
            Event {
                data: "x",
                ..Event::default()
            },
            "data: x\n\n",
        );
        check(Event::default(), "data: \n\n");
        check(
            Event {
                data: " x",
                ..Event::default()
            },
            "data:  x\n\n",
        );
        check(
            Event {
                data: "a\r\nb\rc\nd\n",
                ..Event::default()
            },
            "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n",
        );
        check(
            Event {
                data: "a\n\rb",
                ..Event::default()
            },
            "data: a\ndata: \ndata: b\n\n",
        );
        check(
            Event {
                event: Some("gap"),
                id: Some("e:1"),
                retry_ms: Some(1500),
                data: "{}",
            },
            "id: e:1\nevent: gap\nretry: 1500\ndata: {}\n\n",
        );
    }

    #[test]
    fn what_would_end_its_line_is_refused() {
        for text in ["a\nb", "a\rb", "a\0b", "\n"] {
            for event in [
                Event {
                    event: Some(text),
                    ..Event::default()
                },
                Event {
                    id: Some(text),
                    ..Event::default()
                },
            ] {
                let mut out = b"before".to_vec();
                assert!(encode(&event, &mut out).is_err());
                assert_eq!(out, b"before");
            }
        }
    }

    #[test]
    fn a_comment_stays_one() {
        let mut out = Vec::new();
        encode_comment("a\ndata: b", &mut out);
        assert_eq!(out, b": a\n: data: b\n\n");
    }
}
