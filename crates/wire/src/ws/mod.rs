//! WebSocket: the handshake, and messages from frames and back (RFC 6455).
//!
//! One extension is spoken, permessage-deflate (RFC 7692): a step between [`Decoder`]'s frames and messages, told by RSV1
//! of the first frame of a message. Where it was not agreed, a reserved bit is a violation.

mod close;
mod decode;
mod deflate;
mod encode;
mod frame;
mod handshake;
mod mask;
mod message;

pub use close::{CLOSE_REASON_BYTES_MAX, CloseFrame, is_close_code};
pub use decode::{DecodeLimits, Decoder, Event, Violation};
pub use deflate::{
    Deflate, DeflateLimits, DeflateOffer, DeflateRequest, Deflater, History, Inflate, Inflater,
    WINDOW_BITS_MAX, WINDOW_BITS_MIN,
};
pub use encode::{
    close_frame, encode_deflated_frame, encode_frame, encode_header, encode_masked_deflated_frame,
    encode_masked_frame, ping_frame, pong_frame, text_frame,
};
pub use frame::{CONTROL_BYTES_MAX, Opcode, Role};
pub use handshake::{
    Accept, HandshakeError, PROTOCOLS_MAX, UpgradeError, accept_key, check_connect, check_deflate_response,
    check_response, check_upgrade, client_key, encode_client_request,
};
pub use mask::mask;
