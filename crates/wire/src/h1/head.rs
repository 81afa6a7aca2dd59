//! Request heads: the request line and the fields up to the empty line.

use bytes::Bytes;
use http::header::{HOST, HeaderMap, HeaderValue};
use http::{Method, StatusCode, Uri, Version};

use super::fields::{self, Line};
use super::framing::Framing;
use super::reject::Reject;
use super::target::{self, Target};

/// Limits of a request head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// The whole head with its empty line, in bytes; past it 431. Default 64 KiB.
    pub head_bytes_max: usize,
    /// The target of the request line, in bytes; past it 414. Default 8 KiB. `http::Uri` takes 65,534 at most.
    pub target_bytes_max: usize,
    /// Field lines; past it 431. Default 100.
    pub fields_max: usize,
}

impl Default for HeadLimits {
    fn default() -> HeadLimits {
        HeadLimits {
            head_bytes_max: 64 * 1024,
            target_bytes_max: 8 * 1024,
            fields_max: 100,
        }
    }
}

/// The longest method; past it 501 (RFC 9112, section 3). The longest registered one has 18 bytes.
pub const METHOD_BYTES_MAX: usize = 32;

/// A larger input is searched for the end of its head before any of it is read, so that a head that comes in very
/// many small pieces costs little more than the search for each of them.
const SEARCH_FIRST_BYTES: usize = 4096;

/// How the length of a request's body is known (RFC 9112, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// There is no body.
    None,
    /// `Content-Length`, more than zero.
    Exact(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// A request head. Field values and the target are slices of the input, which they keep alive.
#[derive(Debug)]
pub struct Head {
    /// Any token of at most [`METHOD_BYTES_MAX`] bytes.
    pub method: Method,
    /// Origin-, absolute-, authority- (`CONNECT`) or asterisk-form (`OPTIONS`) as it was sent.
    pub uri: Uri,
    /// HTTP/1.0 or HTTP/1.1. A later minor version counts as HTTP/1.1 (RFC 9110, section 2.5).
    pub version: Version,
    /// All fields. With an absolute-form target `Host` is the target's authority (RFC 9112, section 3.2.2).
    pub headers: HeaderMap,
    /// The body that follows.
    pub body: BodyLength,
    /// May the connection be used again after the response? (RFC 9112, section 9.3)
    pub keep_alive: bool,
    /// Does the peer wait for [`CONTINUE`](super::CONTINUE) before it sends the body? (RFC 9110, section 10.1.1)
    pub expect_continue: bool,
    /// The bytes of the input that were the head, with the empty line. The body begins there.
    pub head_bytes: usize,
}

/// What [`parse_head`] found.
// A head is moved out at once by whoever parses; a box would cost an allocation for each request.
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
pub enum Parsed {
    /// The head is not whole yet. Call again with the same bytes and more.
    Partial,
    /// The head.
    Complete(Head),
}

/// Reads the request head at the front of `input`.
///
/// `spare` is an empty map whose memory is used for the fields: it is taken when the head is complete, and left
/// (empty) otherwise. One empty line before the request line is skipped (RFC 9112, section 2.2).
///
/// # Errors
///
/// After a refusal nothing of the connection can be read any more. The statuses:
///
/// - 400: a bare CR or LF, a folded field line, white space before a colon, a field name that is no token, a
///   control character; a method that is no token, a target of no known form or with bytes that are not visible
///   ASCII, or with a fragment; a missing (1.1), repeated or malformed `Host`; a `Content-Length` that is not one
///   number of plain digits below 2^64, or that is repeated, be the copies equal or not; `Content-Length` together
///   with `Transfer-Encoding`; `Transfer-Encoding` that is repeated, in HTTP/1.0, or whose last coding is not
///   `chunked`, or with `chunked` twice.
/// - 414: a target longer than [`HeadLimits::target_bytes_max`].
/// - 417: an `Expect` other than `100-continue`.
/// - 431: more bytes or fields than [`HeadLimits`] allow.
/// - 501: a method longer than [`METHOD_BYTES_MAX`]; a transfer coding other than `chunked` before the final
///   `chunked` (RFC 9112, section 6.1).
/// - 505: another major version than 1, the preface of HTTP/2 included.
pub fn parse_head(input: &Bytes, limits: &HeadLimits, spare: &mut HeaderMap) -> Result<Parsed, Reject> {
    debug_assert!(spare.is_empty());
    let whole = read(input, limits, spare).and_then(|whole| match whole {
        Some(whole) => check(&whole.line, &whole.framing).map(|body| Some((whole, body))),
        None => Ok(None),
    });
    let (whole, body) = match whole {
        Ok(Some(whole)) => whole,
        Ok(None) => {
            spare.clear();
            return Ok(Parsed::Partial);
        }
        Err(reject) => {
            spare.clear();
            return Err(reject);
        }
    };
    let Whole {
        line,
        framing,
        head_bytes,
    } = whole;
    let is_11 = line.version == Version::HTTP_11;
    if let Some(authority) = line.target.authority {
        let host = HeaderValue::from_maybe_shared(authority).map_err(|_| MALFORMED)?;
        spare.insert(HOST, host);
    }
    Ok(Parsed::Complete(Head {
        method: line.method,
        uri: line.target.uri,
        version: line.version,
        headers: std::mem::take(spare),
        body,
        keep_alive: !framing.close && (is_11 || framing.keep_alive),
        expect_continue: is_11 && framing.expect_continue && body != BodyLength::None,
        head_bytes,
    }))
}

/// All of a head but its fields.
struct Whole {
    line: RequestLine,
    framing: Framing,
    head_bytes: usize,
}

/// Reads the lines of a head, and puts its fields into `fields`; `None` if it is not whole yet.
fn read(input: &Bytes, limits: &HeadLimits, fields: &mut HeaderMap) -> Result<Option<Whole>, Reject> {
    let start = match input.as_ref() {
        [b'\r', b'\n', ..] => 2,
        [] | [b'\r'] => return Ok(None),
        _ => 0,
    };
    let Some(line) = request_line(input, start, limits)? else {
        return partial(input, limits);
    };
    if input.len() > SEARCH_FIRST_BYTES && memchr::memmem::find(input, b"\r\n\r\n").is_none() {
        return partial(input, limits);
    }

    let mut at = line.next;
    let mut framing = Framing::default();
    let mut fields_left = limits.fields_max;
    loop {
        match fields::next_line(input, at)? {
            Line::Partial => return partial(input, limits),
            Line::Field { name, value, next } => {
                if next > limits.head_bytes_max {
                    return Err(HEAD_TOO_LARGE);
                }
                fields_left = fields_left.checked_sub(1).ok_or(fields::TOO_MANY_FIELDS)?;
                let name_bytes = name.1 - name.0;
                let name = fields::parse_name(&input[name.0..name.1])?;
                framing.note(&name, name_bytes, &input[value.0..value.1])?;
                fields::append(input, name, value, fields)?;
                at = next;
            }
            Line::End { next } => {
                if next > limits.head_bytes_max {
                    return Err(HEAD_TOO_LARGE);
                }
                return Ok(Some(Whole {
                    line,
                    framing,
                    head_bytes: next,
                }));
            }
        }
    }
}

const HEAD_TOO_LARGE: Reject = Reject::new(
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    "the head is too large",
);

/// More is needed, if there is room for more.
fn partial(input: &Bytes, limits: &HeadLimits) -> Result<Option<Whole>, Reject> {
    if input.len() >= limits.head_bytes_max {
        Err(HEAD_TOO_LARGE)
    } else {
        Ok(None)
    }
}

struct RequestLine {
    method: Method,
    target: Target,
    version: Version,
    /// Where the first field line begins.
    next: usize,
}

/// Reads `method SP target SP version CRLF`, or gives `None` if the line is not whole yet.
fn request_line(input: &Bytes, start: usize, limits: &HeadLimits) -> Result<Option<RequestLine>, Reject> {
    let rest = &input[start..];
    let Some(length) = memchr::memchr(b'\n', rest) else {
        return partial_request_line(rest, limits).map(|()| None);
    };
    if length == 0 || rest[length - 1] != b'\r' {
        return Err(fields::BARE_LF);
    }
    let line = &rest[..length - 1];
    let Some(method_bytes) = memchr::memchr(b' ', line) else {
        return Err(check_method(line).err().unwrap_or(MALFORMED));
    };
    let method = match &line[..method_bytes] {
        b"GET" => Method::GET,
        method => check_method(method).and_then(|()| Method::from_bytes(method).map_err(|_| MALFORMED))?,
    };

    // The shortest rest is `SP SP HTTP/1.1`: the empty target is refused with the other malformed ones.
    let version_start = line.len().saturating_sub(8);
    let target = line
        .get(method_bytes + 1..version_start.saturating_sub(1))
        .unwrap_or_default();
    if target.len() > limits.target_bytes_max {
        return Err(target::TARGET_TOO_LONG);
    }
    if version_start < method_bytes + 2 || line[version_start - 1] != b' ' {
        return Err(MALFORMED);
    }
    let version = parse_version(&line[version_start..])?;
    let target = target::parse_target(
        &method,
        input,
        start + method_bytes + 1,
        start + version_start - 1,
    )?;
    Ok(Some(RequestLine {
        method,
        target,
        version,
        next: start + length + 1,
    }))
}

const MALFORMED: Reject = Reject::bad("the request line is malformed");

/// A token of bounded length (RFC 9110, section 9.1).
fn check_method(method: &[u8]) -> Result<(), Reject> {
    if method.is_empty()
        || !method
            .iter()
            .take(METHOD_BYTES_MAX + 1)
            .all(|&byte| fields::is_token_byte(byte))
    {
        return Err(Reject::bad("the method is not a token"));
    }
    if method.len() > METHOD_BYTES_MAX {
        return Err(Reject::new(StatusCode::NOT_IMPLEMENTED, "the method is too long"));
    }
    Ok(())
}

/// Refuses at once what no later byte can make good: a peer that speaks another protocol, a target without end.
fn partial_request_line(rest: &[u8], limits: &HeadLimits) -> Result<(), Reject> {
    let Some(method_bytes) = memchr::memchr(b' ', rest) else {
        return match rest {
            [] | [b'\r'] => Ok(()),
            // A CR at the end may be half of a line's end: then the line is refused when it is whole.
            [method @ .., b'\r'] | method => check_method(method),
        };
    };
    check_method(&rest[..method_bytes])?;
    // The target may be followed by ` HTTP/1.1` and CR.
    if rest.len() - method_bytes - 1 > limits.target_bytes_max + 10 {
        return Err(target::TARGET_TOO_LONG);
    }
    Ok(())
}

fn parse_version(version: &[u8]) -> Result<Version, Reject> {
    match version {
        b"HTTP/1.1" => Ok(Version::HTTP_11),
        b"HTTP/1.0" => Ok(Version::HTTP_10),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'..=b'9'] => Ok(Version::HTTP_11),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(Reject::new(
            StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            "only HTTP/1.1 and HTTP/1.0 are spoken here",
        )),
        _ => Err(MALFORMED),
    }
}

/// The rules that need the whole head. Gives the body that they allow.
#[inline]
fn check(line: &RequestLine, framing: &Framing) -> Result<BodyLength, Reject> {
    let is_11 = line.version == Version::HTTP_11;
    if is_11 && !framing.has_host {
        return Err(Reject::bad("no Host field"));
    }
    if framing.chunked && framing.content_length.is_some() {
        return Err(Reject::bad("Content-Length and Transfer-Encoding"));
    }
    if framing.chunked && !is_11 {
        return Err(Reject::bad("Transfer-Encoding in HTTP/1.0"));
    }
    Ok(match framing.content_length {
        _ if framing.chunked => BodyLength::Chunked,
        None | Some(0) => BodyLength::None,
        Some(length) => BodyLength::Exact(length),
    })
}
