//! WebSocket: the handshake, and messages from frames and back (RFC 6455).
//!
//! Extensions are not spoken yet: none is accepted in the handshake, so a reserved bit in a frame is a violation.
//! permessage-deflate (RFC 7692) will be a step between [`Decoder`]'s frames and messages, told by RSV1 of the
//! first frame of a message; [`Decoder`] and [`encode_frame`] are the only places that know of the bit.

mod close;
mod decode;
mod encode;
mod frame;
mod handshake;
mod mask;
mod message;

pub use close::{CLOSE_REASON_BYTES_MAX, CloseFrame, is_close_code};
pub use decode::{DecodeLimits, Decoder, Event, Violation};
pub use encode::{
    close_frame, encode_frame, encode_header, encode_masked_frame, ping_frame, pong_frame, text_frame,
};
pub use frame::{CONTROL_BYTES_MAX, Opcode, Role};
pub use handshake::{
    Accept, HandshakeError, PROTOCOLS_MAX, UpgradeError, accept_key, check_connect, check_response,
    check_upgrade, client_key, encode_client_request,
};
pub use mask::mask;
