//! The smallest blocking HTTP and WebSocket client: for opening connections, not for measuring.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::wrong;

/// How long any single read or write may take.
pub const IO_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest response that is read.
const RESPONSE_BYTES_MAX: usize = 16 << 20;
/// Any 16 bytes in base64 will do: the server's answer to it is not checked here.
const WS_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A response, whole.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Everything up to and including the empty line.
    pub head: String,
    /// The body; if the head names no length, what came with the head.
    pub body: Vec<u8>,
}

/// Opens a connection that is reset when dropped, so that thousands of them leave no TIME-WAIT behind.
///
/// # Errors
/// When the server does not accept.
pub fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, IO_TIMEOUT)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(IO_TIMEOUT))?;
    stream.set_write_timeout(Some(IO_TIMEOUT))?;
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    Ok(stream)
}

/// The bytes of a plain GET.
#[must_use]
pub fn get_request(address: SocketAddr, target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: bench-compare\r\nAccept: */*\r\n\r\n")
        .into_bytes()
}

/// Sends `request` and reads one response.
///
/// # Errors
/// When the connection fails or what comes is no HTTP response.
pub fn exchange(stream: &mut TcpStream, request: &[u8]) -> io::Result<Answer> {
    stream.write_all(request)?;
    read_answer(stream)
}

/// Reads one response; what comes behind its head, if it names no length, is its body.
///
/// # Errors
/// As [`exchange`].
pub fn read_answer(stream: &mut TcpStream) -> io::Result<Answer> {
    let mut bytes = Vec::with_capacity(1024);
    let head_bytes = loop {
        if let Some(end) = find_head_end(&bytes) {
            break end;
        }
        read_more(stream, &mut bytes)?;
    };
    let head = std::str::from_utf8(&bytes[..head_bytes])
        .map_err(|_| wrong("the head is not text"))?
        .to_owned();
    let status = head
        .get(9..12)
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| wrong("no status"))?;
    if let Some(length) = field(&head, "content-length").and_then(|value| value.parse::<usize>().ok()) {
        while bytes.len() < head_bytes.saturating_add(length) {
            read_more(stream, &mut bytes)?;
        }
    }
    Ok(Answer {
        status,
        head,
        body: bytes.split_off(head_bytes),
    })
}

/// The value of a field of `head`; `name` in lower case.
#[must_use]
pub fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then(|| value.trim()))
}

/// Opens a WebSocket.
///
/// # Errors
/// When the server does not switch protocols, or sends more than its head at once.
pub fn open_websocket(address: SocketAddr, target: &str) -> io::Result<TcpStream> {
    let (stream, first) = open_websocket_with_frames(address, target)?;
    if !first.is_empty() {
        return Err(wrong(format!("frames already behind the answer at {target}")));
    }
    Ok(stream)
}

/// Opens a WebSocket on which the server may speak at once; with what it has said behind its answer.
///
/// # Errors
/// When the server does not switch protocols.
pub fn open_websocket_with_frames(address: SocketAddr, target: &str) -> io::Result<(TcpStream, Vec<u8>)> {
    let mut stream = connect(address)?;
    let answer = exchange(&mut stream, websocket_request(address, target).as_bytes())?;
    if answer.status != 101 {
        return Err(wrong(format!(
            "no WebSocket at {target}: {}",
            answer.head.lines().next().unwrap_or("")
        )));
    }
    Ok((stream, answer.body))
}

/// What opens a WebSocket.
#[must_use]
pub fn websocket_request(address: SocketAddr, target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {WS_KEY}\r\n\r\n"
    )
}

/// A whole text frame as a client sends it, of any length up to 64 KiB.
#[must_use]
pub fn client_text_frame_of(text: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let Some(length) = u16::try_from(text.len()).ok().filter(|length| *length > 125) else {
        return client_text_frame(text, mask);
    };
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&mask);
    frame.extend(text.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// A whole text frame as a client sends it; `text` is shorter than 126 bytes.
#[must_use]
pub fn client_text_frame(text: &[u8], mask: [u8; 4]) -> Vec<u8> {
    debug_assert!(text.len() < 126, "longer ones need another length");
    let mut frame = vec![0x81, 0x80 | text.len() as u8];
    frame.extend_from_slice(&mask);
    frame.extend(text.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// A whole text frame as a server sends it; `text` is shorter than 126 bytes.
#[must_use]
pub fn server_text_frame(text: &[u8]) -> Vec<u8> {
    debug_assert!(text.len() < 126, "longer ones need another length");
    let mut frame = vec![0x81, text.len() as u8];
    frame.extend_from_slice(text);
    frame
}

fn find_head_end(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map(|at| at + 4)
}

fn read_more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut piece = [0; 4096];
    let got = stream.read(&mut piece)?;
    if got == 0 {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the server closed the connection",
        ));
    }
    bytes.extend_from_slice(&piece[..got]);
    if bytes.len() > RESPONSE_BYTES_MAX {
        return Err(wrong("the response is too large"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_as_in_rfc_6455_section_5_7() {
        let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(client_text_frame(b"Hello", [0x37, 0xfa, 0x21, 0x3d]), masked);
        assert_eq!(
            server_text_frame(b"Hello"),
            [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]
        );
    }

    #[test]
    fn fields_are_found_in_any_case() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n";
        assert_eq!(field(head, "content-length"), Some("13"));
        assert_eq!(field(head, "date"), None);
        assert_eq!(find_head_end(head.as_bytes()), Some(head.len()));
    }
}
