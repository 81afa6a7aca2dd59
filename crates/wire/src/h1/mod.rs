//! HTTP/1.1 and HTTP/1.0 messages as a server sees them (RFC 9110 and RFC 9112).

mod body;
mod fields;
mod framing;
mod head;
mod reject;
mod response;
mod target;

pub use body::{BodyDecoder, BodyLimits, Piece};
pub use fields::has_token;
pub use head::{BodyLength, Head, HeadLimits, METHOD_BYTES_MAX, Parsed, parse_head};
pub use reject::Reject;
pub use response::{
    BodyFraming, CONTINUE, EncodeError, Encoded, ResponseHead, ResponseLength, encode_chunk,
    encode_chunk_end, encode_chunk_start, encode_head, encode_last_chunk,
};

pub use target::is_authority;

pub(crate) use response::write_decimal;
