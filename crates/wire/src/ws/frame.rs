//! Frame headers (RFC 6455, section 5.2).

use super::decode::Violation;

/// The largest payload of a control frame (RFC 6455, section 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

/// The first reserved bit, in a frame's first byte.
pub(super) const RSV1: u8 = 0x40;

/// Opcode and lengths, an extended length of eight bytes, a mask of four.
pub(super) const HEADER_BYTES_MAX: usize = 14;

/// Which side of the connection we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Frames that come in must be masked; ours are not.
    Server,
    /// Frames that come in must not be masked; ours are.
    Client,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// The next part of a message.
    Continuation = 0,
    /// A text message, or its first part.
    Text = 1,
    /// A binary message, or its first part.
    Binary = 2,
    /// The last frame of a direction.
    Close = 8,
    /// Asks for a pong with the same payload.
    Ping = 9,
    /// Answers a ping, or is unasked for.
    Pong = 10,
}

impl Opcode {
    pub(super) fn is_control(self) -> bool {
        self as u8 >= 8
    }

    fn parse(bits: u8) -> Option<Opcode> {
        Some(match bits {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return None,
        })
    }
}

/// A frame's header, checked for everything that does not depend on other frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) opcode: Opcode,
    pub(super) fin: bool,
    /// RSV1: the message that begins here is compressed (RFC 7692, section 6).
    pub(super) deflated: bool,
    pub(super) payload_bytes: u64,
    /// All zero for a frame without a mask.
    pub(super) mask: [u8; 4],
}

impl Header {
    /// Reads a header and how long it is, or `None` if there is more to come. Refuses what it can as soon as the
    /// byte that is wrong is there. `may_deflate`: compression was agreed.
    #[inline]
    pub(super) fn parse(
        bytes: &[u8],
        role: Role,
        may_deflate: bool,
    ) -> Result<Option<(Header, usize)>, Violation> {
        let Some((&first, rest)) = bytes.split_first() else {
            return Ok(None);
        };
        // Only of the first frame of a message can RSV1 say anything.
        let begins = matches!(first & 0x0f, 1 | 2);
        let deflated = first & 0x70 == RSV1 && may_deflate && begins;
        if first & 0x70 != 0 && !deflated {
            return Err(Violation::protocol("a reserved bit is set"));
        }
        let opcode = Opcode::parse(first & 0x0f).ok_or(Violation::protocol("a reserved opcode"))?;
        let fin = first & 0x80 != 0;
        if opcode.is_control() && !fin {
            return Err(Violation::protocol("a control frame in fragments"));
        }
        let Some((&second, rest)) = rest.split_first() else {
            return Ok(None);
        };
        let masked = second & 0x80 != 0;
        if masked != (role == Role::Server) {
            return Err(Violation::protocol(if masked {
                "a frame from a server with a mask"
            } else {
                "a frame from a client without a mask"
            }));
        }
        let short = second & 0x7f;
        if opcode.is_control() && usize::from(short) > CONTROL_BYTES_MAX {
            return Err(Violation::protocol("a control frame is too large"));
        }
        let Some((payload_bytes, length_bytes)) = parse_length(short, rest)? else {
            return Ok(None);
        };
        let (mask, mask_bytes) = match (masked, rest.get(length_bytes..length_bytes + 4)) {
            (false, _) => ([0; 4], 0),
            (true, Some(&[a, b, c, d])) => ([a, b, c, d], 4),
            (true, _) => return Ok(None),
        };
        Ok(Some((
            Header {
                opcode,
                fin,
                deflated,
                payload_bytes,
                mask,
            },
            2 + length_bytes + mask_bytes,
        )))
    }
}

/// The payload's length, and how many bytes of `rest` it took. It must be written in the fewest bytes.
#[inline]
fn parse_length(short: u8, rest: &[u8]) -> Result<Option<(u64, usize)>, Violation> {
    let (length, length_bytes, least) = match short {
        126 => match rest.first_chunk() {
            Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 2, 126),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(bytes) => (u64::from_be_bytes(*bytes), 8, 65_536),
            None => return Ok(None),
        },
        short => (u64::from(short), 0, 0),
    };
    if length < least {
        return Err(Violation::protocol("a length that is not in its shortest form"));
    }
    if length > i64::MAX as u64 {
        return Err(Violation::protocol("a length with its highest bit set"));
    }
    Ok(Some((length, length_bytes)))
}
