//! Peers that leave in the middle of something, each in another way; the reset on close is that of
//! [`client::connect`].

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;

use super::{Actor, Count, Shared};
use crate::load::client;

/// Bytes of a large response that are read before its peer leaves.
const READ_BYTES: usize = 256 * 1024;

/// Leaves; every time at another moment.
#[derive(Debug, Default)]
pub struct Abort {
    round: usize,
}

impl Actor for Abort {
    fn act(&mut self, shared: &Shared) -> io::Result<()> {
        self.round += 1;
        let address = shared.address;
        let mut socket = client::connect(address)?;
        match self.round % 9 {
            0 => {} // Not a byte.
            1 => socket.write_all(b"GET / HTT")?,
            2 => socket.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX: y")?,
            3 => socket
                .write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhalf a body")?,
            4 => socket.write_all(
                b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf",
            )?,
            5 => {
                socket.write_all(&client::get_request(address, "/large"))?;
                socket.read_exact(&mut vec![0; READ_BYTES])?;
            }
            6 => {
                // Half a frame of a WebSocket.
                let mut socket = client::open_websocket(address, "/ws/echo")?;
                socket.write_all(&[0x81, 0xfe, 0x10])?;
            }
            7 => {
                // Refused, and its answer not read.
                socket.write_all(b"BAD REQUEST\r\n\r\n")?;
            }
            _ => {
                // Only the sending side is closed; the server ends the rest.
                socket.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n")?;
                socket.shutdown(Shutdown::Write)?;
                socket.read_to_end(&mut Vec::new())?;
            }
        }
        drop(socket);
        shared.add(Count::Aborts, 1);
        Ok(())
    }
}
