//! From messages to bytes.
//!
//! A server's frames are the same for all who read them, so a message is encoded once and shared.

use bytes::Bytes;

use super::close::{CLOSE_REASON_BYTES_MAX, is_close_code};
use super::frame::{CONTROL_BYTES_MAX, HEADER_BYTES_MAX, Opcode, RSV1};
use super::mask::mask;

/// Appends one whole frame of a server: final, without a mask.
///
/// The payload of a control frame is cut at [`CONTROL_BYTES_MAX`]. Text must be UTF-8.
pub fn encode_frame(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    let payload = allowed(opcode, payload);
    out.reserve(payload.len() + HEADER_BYTES_MAX);
    encode_header(opcode, true, payload.len() as u64, out);
    out.extend_from_slice(payload);
}

/// Appends the header of a server's frame, whose payload the caller writes: for large payloads and for fragments.
pub fn encode_header(opcode: Opcode, fin: bool, payload_bytes: u64, out: &mut Vec<u8>) {
    header(first(opcode, fin), payload_bytes, 0, out);
}

/// Appends one whole frame of a server whose message was made small by a [`Deflater`](super::Deflater). Only where that was
/// agreed, and only for text and binary messages.
pub fn encode_deflated_frame(opcode: Opcode, deflated: &[u8], out: &mut Vec<u8>) {
    debug_assert!(matches!(opcode, Opcode::Text | Opcode::Binary));
    out.reserve(deflated.len() + HEADER_BYTES_MAX);
    header(first(opcode, true) | RSV1, deflated.len() as u64, 0, out);
    out.extend_from_slice(deflated);
}

/// Appends one frame of a client, masked with `key`, which must be new and hard to guess for each frame.
///
/// The payload of a control frame is cut at [`CONTROL_BYTES_MAX`].
pub fn encode_masked_frame(opcode: Opcode, fin: bool, payload: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    masked(first(opcode, fin), allowed(opcode, payload), key, out);
}

/// As [`encode_masked_frame`], for a message that was made small by a [`Deflater`](super::Deflater). Only its first frame
/// says so: those that continue it are made by [`encode_masked_frame`].
pub fn encode_masked_deflated_frame(
    opcode: Opcode,
    fin: bool,
    deflated: &[u8],
    key: [u8; 4],
    out: &mut Vec<u8>,
) {
    debug_assert!(matches!(opcode, Opcode::Text | Opcode::Binary));
    masked(first(opcode, fin) | RSV1, deflated, key, out);
}

fn masked(first: u8, payload: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    out.reserve(payload.len() + HEADER_BYTES_MAX);
    header(first, payload.len() as u64, 0x80, out);
    out.extend_from_slice(&key);
    let start = out.len();
    out.extend_from_slice(payload);
    mask(&mut out[start..], key);
}

fn first(opcode: Opcode, fin: bool) -> u8 {
    opcode as u8 | if fin { 0x80 } else { 0 }
}

fn header(first: u8, payload_bytes: u64, mask_bit: u8, out: &mut Vec<u8>) {
    match payload_bytes {
        0..=125 => out.extend_from_slice(&[first, payload_bytes as u8 | mask_bit]),
        126..=65_535 => {
            let [a, b] = (payload_bytes as u16).to_be_bytes();
            out.extend_from_slice(&[first, 126 | mask_bit, a, b]);
        }
        _ => {
            out.extend_from_slice(&[first, 127 | mask_bit]);
            out.extend_from_slice(&payload_bytes.to_be_bytes());
        }
    }
}

fn allowed(opcode: Opcode, payload: &[u8]) -> &[u8] {
    if opcode.is_control() {
        &payload[..payload.len().min(CONTROL_BYTES_MAX)]
    } else {
        payload
    }
}

/// A text message as a server's frame. `text` must be UTF-8: it is not checked again here.
pub fn text_frame(text: &[u8]) -> Bytes {
    frame(Opcode::Text, text)
}

/// A ping as a server's frame. The payload is cut at [`CONTROL_BYTES_MAX`].
pub fn ping_frame(payload: &[u8]) -> Bytes {
    frame(Opcode::Ping, payload)
}

/// A pong as a server's frame. The payload is cut at [`CONTROL_BYTES_MAX`].
pub fn pong_frame(payload: &[u8]) -> Bytes {
    frame(Opcode::Pong, payload)
}

/// A close as a server's frame.
///
/// The reason is cut before the first character that has no room in [`CLOSE_REASON_BYTES_MAX`]. A code that must not
/// be sent (see [`is_close_code`]) is sent as 1011: whoever chose it has a fault.
pub fn close_frame(code: u16, reason: &str) -> Bytes {
    let code = if is_close_code(code) { code } else { 1011 };
    let reason = &reason[..reason.floor_char_boundary(CLOSE_REASON_BYTES_MAX)];
    let mut payload = Vec::with_capacity(2 + reason.len());
    payload.extend_from_slice(&code.to_be_bytes());
    payload.extend_from_slice(reason.as_bytes());
    frame(Opcode::Close, &payload)
}

fn frame(opcode: Opcode, payload: &[u8]) -> Bytes {
    let mut out = Vec::new();
    encode_frame(opcode, payload, &mut out);
    out.into()
}
