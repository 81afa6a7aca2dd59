//! Response heads and chunks.
//!
//! Why the framing fields are ours: what a handler says about length or connection is used where it can be true and
//! dropped where it cannot, so that no response can be read in two ways (RFC 9112, section 6).

use std::error::Error;
use std::fmt;

use http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderMap, HeaderName, TRANSFER_ENCODING, UPGRADE};
use http::{StatusCode, Version};

use super::body::may_be_trailer;
use super::framing::parse_decimal;

/// The interim response that a peer with `Expect: 100-continue` waits for.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// How long the body of a response is, as far as its producer knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseLength {
    /// So many bytes, zero for no body.
    Exact(u64),
    /// Not known yet. Chunked in HTTP/1.1, until the close in HTTP/1.0; but if the handler set one sound
    /// `Content-Length`, that is believed, and whoever writes the body must hold it to that.
    Unknown,
    /// Until the connection is closed, in HTTP/1.1 too.
    UntilClose,
}

/// Everything that decides what the bytes of a response head are.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    /// The status.
    pub status: StatusCode,
    /// The handler's fields.
    pub headers: &'a HeaderMap,
    /// The length of the handler's body.
    pub length: ResponseLength,
    /// The request's version.
    pub request_version: Version,
    /// Was the method `HEAD`? Then there are GET's fields and no body.
    pub head_request: bool,
    /// May the connection be used again?
    pub keep_alive: bool,
    /// The value for `Date`, 29 bytes, unless the handler set one.
    pub date: &'a [u8],
}

/// How the body of the response must be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// No body: not one byte of it may be written.
    None,
    /// Exactly so many bytes. If the body ends before, the connection must be closed.
    Exact(u64),
    /// [`encode_chunk`], then [`encode_last_chunk`].
    Chunked,
    /// As it is, and then the connection must be closed.
    UntilClose,
}

/// What [`encode_head`] decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// How the body must follow.
    pub framing: BodyFraming,
    /// Does the connection end after this response? The peer was told.
    pub close: bool,
}

/// A response that cannot be written: one of its fields would be read as something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeError {
    name: HeaderName,
}

impl EncodeError {
    /// The field at fault.
    pub fn name(&self) -> &HeaderName {
        &self.name
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the response field {} cannot be sent as it is", self.name)
    }
}

impl Error for EncodeError {}

/// Appends a response head to `out` and says how the body must follow.
///
/// The status line is always of HTTP/1.1 (RFC 9110, section 2.5). Field names are written in lower case. Of the
/// handler's fields
///
/// - `Content-Length` is written only where it is ours or has to be believed: see [`ResponseLength::Unknown`]; to
///   `HEAD` and with 304 it is what GET's would be;
/// - `Transfer-Encoding` is never written;
/// - `Connection` is written with 101; else only its `close` counts, and `upgrade` goes with an `Upgrade` field.
///
/// 1xx, 204 and 304 have no body and (304 aside) no length; 205 has the length 0 (RFC 9110, section 15.3.6).
///
/// # Errors
///
/// [`EncodeError`] if a value holds CR, LF or NUL; `out` is then as it was.
pub fn encode_head(head: &ResponseHead<'_>, out: &mut Vec<u8>) -> Result<Encoded, EncodeError> {
    let start = out.len();
    // One reservation nearly always: a field with its name has seldom more than 64 bytes.
    out.reserve(192 + head.headers.len() * 64);
    status_line(head.status, out);

    let mut seen = Seen::default();
    for (name, value) in head.headers {
        if seen.note(name, value.as_bytes()) && head.status != StatusCode::SWITCHING_PROTOCOLS {
            continue;
        }
        if name == CONTENT_LENGTH || name == TRANSFER_ENCODING {
            continue;
        }
        if !write_field(name, value.as_bytes(), out) {
            out.truncate(start);
            return Err(EncodeError { name: name.clone() });
        }
    }
    if !seen.date {
        out.extend_from_slice(b"date: ");
        out.extend_from_slice(head.date);
        out.extend_from_slice(b"\r\n");
    }
    let framing = write_length(head, &seen, out);
    let close = !head.keep_alive || seen.close || framing == BodyFraming::UntilClose;
    write_connection(head, &seen, close, out);
    out.extend_from_slice(b"\r\n");
    Ok(Encoded { framing, close })
}

/// What the handler's fields say about the message itself.
#[derive(Default)]
struct Seen {
    date: bool,
    upgrade: bool,
    close: bool,
    content_length: Option<u64>,
    /// More than one `Content-Length`, or one that is no number: none of them counts.
    content_length_is_bad: bool,
}

impl Seen {
    /// Takes note of a field. Is it one that we write ourselves?
    #[inline]
    fn note(&mut self, name: &HeaderName, value: &[u8]) -> bool {
        // The length first: it rules out nearly all fields at the cost of one comparison.
        match name.as_str().len() {
            4 if *name == DATE => self.date = true,
            7 if *name == UPGRADE => self.upgrade = true,
            10 if *name == CONNECTION => {
                self.close |= super::fields::list_has_token(value, "close");
                return true;
            }
            14 if *name == CONTENT_LENGTH => {
                let length = parse_decimal(value);
                self.content_length_is_bad |= length.is_none() || self.content_length.is_some();
                self.content_length = length;
                return true;
            }
            17 if *name == TRANSFER_ENCODING => return true,
            _ => {}
        }
        false
    }

    fn handler_length(&self) -> Option<u64> {
        self.content_length.filter(|_| !self.content_length_is_bad)
    }
}

/// Decides the framing (RFC 9112, section 6.3) and writes the field for it.
fn write_length(head: &ResponseHead<'_>, seen: &Seen, out: &mut Vec<u8>) -> BodyFraming {
    let status = head.status;
    if status.is_informational() || status == StatusCode::NO_CONTENT {
        return BodyFraming::None;
    }
    if status == StatusCode::RESET_CONTENT {
        out.extend_from_slice(b"content-length: 0\r\n");
        return BodyFraming::None;
    }
    if head.head_request || status == StatusCode::NOT_MODIFIED {
        // A body of length 0 says nothing here: the handler gave none because none is sent.
        let length = match head.length {
            ResponseLength::Exact(length) if length > 0 && head.head_request => Some(length),
            _ => None,
        };
        if let Some(length) = seen.handler_length().or(length) {
            write_content_length(length, out);
        }
        return BodyFraming::None;
    }
    let exact = match head.length {
        ResponseLength::Exact(length) => Some(length),
        ResponseLength::Unknown => seen.handler_length(),
        ResponseLength::UntilClose => return BodyFraming::UntilClose,
    };
    match exact {
        Some(length) => {
            write_content_length(length, out);
            if length == 0 {
                BodyFraming::None
            } else {
                BodyFraming::Exact(length)
            }
        }
        None if head.request_version == Version::HTTP_11 => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
            BodyFraming::Chunked
        }
        None => BodyFraming::UntilClose,
    }
}

fn write_connection(head: &ResponseHead<'_>, seen: &Seen, close: bool, out: &mut Vec<u8>) {
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return;
    }
    // RFC 9110, section 7.8: whoever sends Upgrade names it in Connection, as with 426.
    let line: &[u8] = match (close, seen.upgrade) {
        (true, true) => b"connection: close, upgrade\r\n",
        (true, false) => b"connection: close\r\n",
        (false, true) => b"connection: upgrade\r\n",
        (false, false) if head.request_version == Version::HTTP_11 => return,
        (false, false) => b"connection: keep-alive\r\n",
    };
    out.extend_from_slice(line);
}

fn write_content_length(length: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"content-length: ");
    write_decimal(length, out);
    out.extend_from_slice(b"\r\n");
}

/// `false` if the value could end its line. `HeaderValue` holds no such bytes unless somebody took care that it
/// does, and this is the last place where it can be noticed.
#[inline]
fn write_field(name: &HeaderName, value: &[u8], out: &mut Vec<u8>) -> bool {
    if memchr::memchr3(b'\r', b'\n', 0, value).is_some() {
        return false;
    }
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
    true
}

/// Appends a chunk of these bytes; nothing if there are none, since an empty chunk would be the last.
pub fn encode_chunk(data: &[u8], out: &mut Vec<u8>) {
    if data.is_empty() {
        return;
    }
    out.reserve(data.len() + 20);
    encode_chunk_start(data.len(), out);
    out.extend_from_slice(data);
    encode_chunk_end(out);
}

/// Appends what goes before `len` bytes of a chunk. `len` must not be zero: that would be the last chunk.
pub fn encode_chunk_start(len: usize, out: &mut Vec<u8>) {
    debug_assert!(len > 0);
    let mut digits = [0u8; 16];
    let mut first = digits.len();
    let mut rest = len;
    loop {
        first -= 1;
        digits[first] = b"0123456789abcdef"[rest & 15];
        rest >>= 4;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
    out.extend_from_slice(b"\r\n");
}

/// Appends what goes after the bytes of a chunk.
pub fn encode_chunk_end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n");
}

/// Appends the last chunk and the trailer section.
///
/// # Errors
///
/// [`EncodeError`] for a value with CR, LF or NUL, and for a field that must not be a trailer (RFC 9110, section
/// 6.5.1); `out` is then as it was.
pub fn encode_last_chunk(trailers: Option<&HeaderMap>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers.into_iter().flatten() {
        if !may_be_trailer(name) || !write_field(name, value.as_bytes(), out) {
            out.truncate(start);
            return Err(EncodeError { name: name.clone() });
        }
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Appends `HTTP/1.1 200 OK` and CRLF.
pub(super) fn status_line(status: StatusCode, out: &mut Vec<u8>) {
    if status == StatusCode::OK {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    // The space stays even where there is no reason (RFC 9112, section 4).
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}

pub(crate) fn write_decimal(number: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut first = digits.len();
    let mut rest = number;
    loop {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `HeaderValue` makes it impossible to get here from outside without `unsafe`.
    #[test]
    fn a_value_that_would_end_its_line_is_not_written() {
        for value in [&b"a\r\nb"[..], b"a\nb", b"a\rb", b"a\0b", b"\n"] {
            let mut out = b"before".to_vec();
            assert!(!write_field(&DATE, value, &mut out));
            assert_eq!(out, b"before");
        }
        let mut out = Vec::new();
        assert!(write_field(&DATE, b"a\tb\xff", &mut out));
        assert_eq!(out, b"date: a\tb\xff\r\n");
    }
}
