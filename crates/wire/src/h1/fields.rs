//! Field lines, in heads and in trailers alike (RFC 9112, section 5).
//!
//! A line ends with CRLF and nothing else: a recipient may take a bare LF for an end (RFC 9112, section 2.2), but
//! one that does beside one that does not is how requests are smuggled.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::reject::Reject;

/// What stands at a place where a field line may begin.
pub(super) enum Line {
    /// The line is not whole yet.
    Partial,
    /// The empty line. What follows it begins at `next`.
    End { next: usize },
    /// A field line, already checked for its shape; its value has no white space around it.
    Field {
        name: (usize, usize),
        value: (usize, usize),
        next: usize,
    },
}

/// Finds the line that begins at `at`.
///
/// Says nothing about control characters in the value: [`append`] does, so that it is looked at once.
#[inline]
pub(super) fn next_line(input: &[u8], at: usize) -> Result<Line, Reject> {
    let rest = &input[at..];
    let Some(length) = memchr::memchr(b'\n', rest) else {
        return partial_line(rest);
    };
    if length == 0 || rest[length - 1] != b'\r' {
        return Err(BARE_LF);
    }
    let line = &rest[..length - 1];
    let next = at + length + 1;
    if line.is_empty() {
        return Ok(Line::End { next });
    }
    if matches!(line[0], b' ' | b'\t') {
        return Err(Reject::bad("a field line is folded"));
    }
    let colon = match usual_name_bytes(line) {
        Some(bytes) => bytes,
        None => match memchr::memchr(b':', line) {
            Some(colon) => colon,
            None => return Err(Reject::bad("a field line has no colon")),
        },
    };
    let (mut from, mut to) = (colon + 1, line.len());
    while from < to && matches!(line[from], b' ' | b'\t') {
        from += 1;
    }
    while to > from && matches!(line[to - 1], b' ' | b'\t') {
        to -= 1;
    }
    Ok(Line::Field {
        name: (at, at + colon),
        value: (at + from, at + to),
        next,
    })
}

/// What can be refused of a line whose end is not there yet: a peer that waits for an answer to it must get one.
fn partial_line(rest: &[u8]) -> Result<Line, Reject> {
    if matches!(rest.first(), Some(b' ' | b'\t')) {
        return Err(Reject::bad("a field line is folded"));
    }
    match memchr::memchr2(b'\r', 0, rest) {
        Some(place) if place + 1 < rest.len() || rest[place] == 0 => {
            Err(Reject::bad("a field line holds a control character"))
        }
        _ => Ok(Line::Partial),
    }
}

/// Checks a field's value and appends the field. The value is a slice of `input`, not a copy.
#[inline]
pub(super) fn append(
    input: &Bytes,
    name: HeaderName,
    value: (usize, usize),
    fields: &mut HeaderMap,
) -> Result<(), Reject> {
    // `HeaderValue` takes HTAB, SP, VCHAR and obs-text, so CR, NUL and the other controls are refused by it.
    let value = HeaderValue::from_maybe_shared(input.slice(value.0..value.1))
        .map_err(|_| Reject::bad("a field value holds a control character"))?;
    fields.try_append(name, value).map_err(|_| TOO_MANY_FIELDS)?;
    Ok(())
}

/// A token (RFC 9110, section 5.6.2), in any case: white space before the colon is refused by this too.
#[inline]
pub(super) fn parse_name(name: &[u8]) -> Result<HeaderName, Reject> {
    if let Some(name) = usual_name(name) {
        return Ok(name);
    }
    HeaderName::from_bytes(name).map_err(|_| Reject::bad("a field name is not a token"))
}

/// Without the optional white space around it (RFC 9110, section 5.6.3): SP and HTAB, and nothing else that programs
/// take for white space.
pub(super) fn trim_ows(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// A byte of a token (RFC 9110, section 5.6.2).
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The length of the name, if it is one of the most usual: spares the search for its colon.
#[inline]
fn usual_name_bytes(line: &[u8]) -> Option<usize> {
    let rest = &line[1..];
    match line[0] {
        b'H' | b'h' if rest.starts_with(b"ost:") => Some(4),
        b'A' | b'a' if rest.starts_with(b"ccept:") => Some(6),
        b'U' if rest.starts_with(b"ser-Agent:") => Some(10),
        b'u' if rest.starts_with(b"ser-agent:") => Some(10),
        b'C' | b'c' if rest.starts_with(b"ookie:") => Some(6),
        b'C' | b'c' if rest.starts_with(b"onnection:") => Some(10),
        _ => None,
    }
}

/// The names that nearly every request has, as browsers and libraries spell them: a comparison or two instead of
/// a look at every byte. What is not here is only slower.
#[inline]
fn usual_name(name: &[u8]) -> Option<HeaderName> {
    Some(match name {
        b"Host" | b"host" => header::HOST,
        b"Accept" | b"accept" => header::ACCEPT,
        b"Cookie" | b"cookie" => header::COOKIE,
        b"Connection" | b"connection" => header::CONNECTION,
        b"User-Agent" | b"user-agent" => header::USER_AGENT,
        b"Content-Type" | b"content-type" => header::CONTENT_TYPE,
        b"Content-Length" | b"content-length" => header::CONTENT_LENGTH,
        b"Accept-Encoding" | b"accept-encoding" => header::ACCEPT_ENCODING,
        b"Accept-Language" | b"accept-language" => header::ACCEPT_LANGUAGE,
        _ => return None,
    })
}

pub(super) const BARE_LF: Reject = Reject::bad("a line ends with a bare LF");
pub(super) const TOO_MANY_FIELDS: Reject = Reject::new(
    http::StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    "too many fields",
);

/// Does a list of tokens, such as the values of `Connection`, name this one, in any case?
///
/// ```
/// use http::HeaderValue;
/// let values = [HeaderValue::from_static("keep-alive, Upgrade")];
/// assert!(squall_wire::h1::has_token(values.iter(), "upgrade"));
/// assert!(!squall_wire::h1::has_token(values.iter(), "close"));
/// ```
pub fn has_token<'a>(values: impl IntoIterator<Item = &'a HeaderValue>, token: &str) -> bool {
    values
        .into_iter()
        .any(|value| list_has_token(value.as_bytes(), token))
}

pub(super) fn list_has_token(list: &[u8], token: &str) -> bool {
    if !list.contains(&b',') {
        return list.trim_ascii().eq_ignore_ascii_case(token.as_bytes());
    }
    list.split(|&byte| byte == b',')
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}
