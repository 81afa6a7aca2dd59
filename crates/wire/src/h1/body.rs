//! Request bodies: by `Content-Length`, or chunked (RFC 9112, sections 6 and 7).

use bytes::{Buf, Bytes};
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName};

use super::fields::{self, Line};
use super::head::BodyLength;
use super::reject::Reject;

/// Limits of a request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// Data bytes of the body; past it 413. Default 2 MiB.
    pub body_bytes_max: u64,
    /// One chunk's size and extensions, without the line's end, in bytes; past it 400. Default 256.
    pub chunk_line_bytes_max: usize,
    /// All chunk extensions of one body together, in bytes; past it 400. Default 16 KiB. Without it very small
    /// chunks with long extensions make a small body cost much (RFC 9112, section 7.1.1).
    pub extension_bytes_max: usize,
    /// The trailer section with its empty line, in bytes; past it 431. Default 8 KiB.
    pub trailer_bytes_max: usize,
    /// Field lines in the trailer section; past it 431. Default 32.
    pub trailer_fields_max: usize,
}

impl Default for BodyLimits {
    fn default() -> BodyLimits {
        BodyLimits {
            body_bytes_max: 2 * 1024 * 1024,
            chunk_line_bytes_max: 256,
            extension_bytes_max: 16 * 1024,
            trailer_bytes_max: 8 * 1024,
            trailer_fields_max: 32,
        }
    }
}

/// The most digits of a chunk's size, leading zeros included: what fits 64 bits.
const CHUNK_SIZE_DIGITS_MAX: u8 = 16;

/// What [`BodyDecoder::decode`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// All input was taken and more is needed.
    More,
    /// Some of the body, never empty: a slice of the input.
    Data(Bytes),
    /// The fields after the last chunk, if there were any. What follows is [`Piece::End`].
    Trailers(HeaderMap),
    /// The body is whole. The rest of the input belongs to the next request.
    End,
}

/// Takes a body off a connection's bytes.
///
/// Holds none of the body: a chunk's size is read digit by digit, and only a trailer section is kept until it is
/// whole.
#[derive(Debug)]
pub struct BodyDecoder {
    state: State,
    /// Data bytes still allowed. For [`State::Exact`] those after the body.
    allowed_bytes: u64,
    /// Data bytes that were given out or belong to a chunk (or body) that has begun.
    counted_bytes: u64,
    chunk_line_bytes_max: usize,
    extension_bytes_left: usize,
    trailer_bytes_max: usize,
    trailer_fields_max: usize,
    trailer: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Exact {
        left_bytes: u64,
    },
    /// In a chunk's size. `digits` counts them.
    ChunkSize {
        size: u64,
        digits: u8,
    },
    /// In white space after the size, where only an extension may follow.
    ChunkSpace {
        size: u64,
        line_bytes: usize,
    },
    /// In extensions, which are ignored.
    ChunkExtension {
        size: u64,
        line_bytes: usize,
    },
    /// The LF of a chunk's line is due.
    ChunkLineEnd {
        size: u64,
    },
    ChunkData {
        left_bytes: u64,
    },
    /// The CR after a chunk's data is due.
    ChunkDataCr,
    /// The LF after a chunk's data is due.
    ChunkDataLf,
    Trailer,
    Done,
}

impl BodyDecoder {
    /// A decoder for the body that a head announced.
    ///
    /// # Errors
    ///
    /// 413 at once if `Content-Length` is past [`BodyLimits::body_bytes_max`].
    pub fn new(length: BodyLength, limits: &BodyLimits) -> Result<BodyDecoder, Reject> {
        let (state, counted_bytes) = match length {
            BodyLength::None | BodyLength::Exact(0) => (State::Done, 0),
            BodyLength::Exact(bytes) => (State::Exact { left_bytes: bytes }, bytes),
            BodyLength::Chunked => (State::ChunkSize { size: 0, digits: 0 }, 0),
        };
        if counted_bytes > limits.body_bytes_max {
            return Err(TOO_LARGE);
        }
        Ok(BodyDecoder {
            state,
            allowed_bytes: limits.body_bytes_max,
            counted_bytes,
            chunk_line_bytes_max: limits.chunk_line_bytes_max,
            extension_bytes_left: limits.extension_bytes_max,
            trailer_bytes_max: limits.trailer_bytes_max,
            trailer_fields_max: limits.trailer_fields_max,
            trailer: Vec::new(),
        })
    }

    /// Has the whole body been taken?
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Sets another limit for the body's bytes, those already taken included: for a route with a limit of its own.
    /// If the body is past it, the next [`decode`](BodyDecoder::decode) says so.
    pub fn set_body_bytes_max(&mut self, body_bytes_max: u64) {
        self.allowed_bytes = body_bytes_max;
    }

    /// Takes the next piece off the front of `input`. To be called until it gives [`Piece::More`] or [`Piece::End`].
    ///
    /// # Errors
    ///
    /// 413 past the limit for the body; 431 past those for trailers; 400 for a malformed chunk size, a missing
    /// CRLF, a control character in an extension, and for a trailer field that is malformed or must not be one
    /// (RFC 9110, section 6.5.1). After an error the decoder is not to be called again.
    pub fn decode(&mut self, input: &mut Bytes) -> Result<Piece, Reject> {
        if self.counted_bytes > self.allowed_bytes {
            return Err(TOO_LARGE);
        }
        loop {
            match self.state {
                State::Done => return Ok(Piece::End),
                _ if input.is_empty() => return Ok(Piece::More),
                State::Exact { left_bytes } => {
                    let (data, left_bytes) = take(input, left_bytes);
                    self.state = if left_bytes == 0 {
                        State::Done
                    } else {
                        State::Exact { left_bytes }
                    };
                    return Ok(Piece::Data(data));
                }
                State::ChunkData { left_bytes } => {
                    let (data, left_bytes) = take(input, left_bytes);
                    self.state = if left_bytes == 0 {
                        State::ChunkDataCr
                    } else {
                        State::ChunkData { left_bytes }
                    };
                    return Ok(Piece::Data(data));
                }
                State::Trailer => match self.trailer(input)? {
                    Some(trailers) if trailers.is_empty() => self.state = State::Done,
                    Some(trailers) => {
                        self.state = State::Done;
                        return Ok(Piece::Trailers(trailers));
                    }
                    None => return Ok(Piece::More),
                },
                state => {
                    let byte = input.get_u8();
                    self.state = self.step(state, byte)?;
                }
            }
        }
    }

    /// One byte of what is between the data of two chunks.
    fn step(&mut self, state: State, byte: u8) -> Result<State, Reject> {
        Ok(match (state, byte) {
            (State::ChunkSize { size, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                if digits == CHUNK_SIZE_DIGITS_MAX {
                    return Err(Reject::bad("a chunk size has too many digits"));
                }
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                State::ChunkSize {
                    size: size << 4 | u64::from(digit),
                    digits: digits + 1,
                }
            }
            (State::ChunkSize { digits: 0, .. }, _) => {
                return Err(Reject::bad("a chunk size is not a number"));
            }
            (State::ChunkSize { size, .. } | State::ChunkExtension { size, .. }, b'\r') => {
                State::ChunkLineEnd { size }
            }
            (State::ChunkSize { size, digits }, b' ' | b'\t' | b';') => {
                self.extension(size, usize::from(digits), byte)?
            }
            (State::ChunkSpace { size, line_bytes }, b' ' | b'\t' | b';') => {
                self.extension(size, line_bytes, byte)?
            }
            (State::ChunkExtension { size, line_bytes }, b'\t' | b' '..=b'~' | 0x80..) => {
                self.extension(size, line_bytes, b';')?
            }
            (State::ChunkLineEnd { size: 0 }, b'\n') => State::Trailer,
            (State::ChunkLineEnd { size }, b'\n') => self.begin_chunk(size)?,
            (State::ChunkDataCr, b'\r') => State::ChunkDataLf,
            (State::ChunkDataLf, b'\n') => State::ChunkSize { size: 0, digits: 0 },
            _ => return Err(Reject::bad("a chunk is malformed")),
        })
    }

    /// Counts one byte after a chunk's size. `byte` decides whether an extension has begun.
    fn extension(&mut self, size: u64, line_bytes: usize, byte: u8) -> Result<State, Reject> {
        if line_bytes >= self.chunk_line_bytes_max || self.extension_bytes_left == 0 {
            return Err(Reject::bad("a chunk extension is too long"));
        }
        self.extension_bytes_left -= 1;
        let line_bytes = line_bytes + 1;
        Ok(match byte {
            b';' => State::ChunkExtension { size, line_bytes },
            _ => State::ChunkSpace { size, line_bytes },
        })
    }

    fn begin_chunk(&mut self, size: u64) -> Result<State, Reject> {
        self.counted_bytes = self.counted_bytes.checked_add(size).ok_or(TOO_LARGE)?;
        if self.counted_bytes > self.allowed_bytes {
            return Err(TOO_LARGE);
        }
        Ok(State::ChunkData { left_bytes: size })
    }

    /// Collects lines until the empty one, then reads them; `None` if more input is needed.
    fn trailer(&mut self, input: &mut Bytes) -> Result<Option<HeaderMap>, Reject> {
        // Nearly every chunked body ends here.
        if self.trailer.is_empty() && input.starts_with(b"\r\n") {
            input.advance(2);
            return Ok(Some(HeaderMap::new()));
        }
        while let Some(length) = memchr::memchr(b'\n', input) {
            self.collect(input, length + 1)?;
            if !self.trailer.ends_with(b"\r\n") {
                return Err(fields::BARE_LF);
            }
            if self.trailer == b"\r\n" || self.trailer.ends_with(b"\n\r\n") {
                let trailer = Bytes::from(std::mem::take(&mut self.trailer));
                return parse_trailer(&trailer, self.trailer_fields_max).map(Some);
            }
        }
        self.collect(input, input.len())?;
        if self.trailer.len() >= self.trailer_bytes_max {
            return Err(TRAILER_TOO_LARGE);
        }
        Ok(None)
    }

    fn collect(&mut self, input: &mut Bytes, bytes: usize) -> Result<(), Reject> {
        if self.trailer.len() + bytes > self.trailer_bytes_max {
            return Err(TRAILER_TOO_LARGE);
        }
        self.trailer.extend_from_slice(&input[..bytes]);
        input.advance(bytes);
        Ok(())
    }
}

const TOO_LARGE: Reject = Reject::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large");
const TRAILER_TOO_LARGE: Reject = Reject::new(
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    "the trailer section is too large",
);

/// At most `left_bytes` off the front of `input`, and how many are left then.
fn take(input: &mut Bytes, left_bytes: u64) -> (Bytes, u64) {
    let bytes = usize::try_from(left_bytes).map_or(input.len(), |left| left.min(input.len()));
    (input.split_to(bytes), left_bytes - bytes as u64)
}

fn parse_trailer(trailer: &Bytes, fields_max: usize) -> Result<HeaderMap, Reject> {
    let mut trailers = HeaderMap::new();
    let mut at = 0;
    loop {
        match fields::next_line(trailer, at)? {
            Line::End { .. } => return Ok(trailers),
            Line::Partial => return Err(Reject::bad("the trailer section is malformed")),
            Line::Field { name, value, next } => {
                if trailers.len() >= fields_max {
                    return Err(fields::TOO_MANY_FIELDS);
                }
                let name = fields::parse_name(&trailer[name.0..name.1])?;
                if !may_be_trailer(&name) {
                    return Err(Reject::bad("a field that must not be a trailer"));
                }
                fields::append(trailer, name, value, &mut trailers)?;
                at = next;
            }
        }
    }
}

/// Fields that are needed before the body, so that one after it could only deceive: framing, routing, request
/// modifiers, authentication, and what describes the content (RFC 9110, section 6.5.1).
pub(super) fn may_be_trailer(name: &HeaderName) -> bool {
    const FORBIDDEN: [HeaderName; 25] = [
        header::TRANSFER_ENCODING,
        header::CONTENT_LENGTH,
        header::HOST,
        header::CONNECTION,
        header::UPGRADE,
        header::TE,
        header::TRAILER,
        header::EXPECT,
        header::MAX_FORWARDS,
        header::CACHE_CONTROL,
        header::PRAGMA,
        header::RANGE,
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_UNMODIFIED_SINCE,
        header::IF_RANGE,
        header::AUTHORIZATION,
        header::PROXY_AUTHORIZATION,
        header::COOKIE,
        header::SET_COOKIE,
        header::CONTENT_ENCODING,
        header::CONTENT_TYPE,
        header::CONTENT_RANGE,
        header::LOCATION,
    ];
    !FORBIDDEN.contains(name)
}
