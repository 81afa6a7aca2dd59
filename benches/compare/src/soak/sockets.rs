//! WebSockets that send and get back, and are closed and opened again.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

use super::{Actor, Count, Shared};
use crate::load::client;

/// Messages on a WebSocket before it is closed and another takes its place.
const MESSAGES_MAX: u64 = 200;
/// Any mask does.
const MASK: [u8; 4] = [7, 77, 177, 27];

/// Some WebSockets of which one after the other says something.
#[derive(Debug)]
pub struct Echo {
    sockets: Vec<Option<TcpStream>>,
    said: u64,
}

impl Echo {
    /// So many.
    #[must_use]
    pub fn new(sockets: usize) -> Self {
        Self {
            sockets: (0..sockets).map(|_| None).collect(),
            said: 0,
        }
    }
}

impl Actor for Echo {
    fn act(&mut self, shared: &Shared) -> io::Result<()> {
        let place = (self.said % self.sockets.len() as u64) as usize;
        self.said += 1;
        let mut socket = match self.sockets[place].take() {
            Some(socket) => socket,
            None => client::open_websocket(shared.address, "/ws/echo")?,
        };
        let text = format!("message {}", self.said);
        socket.write_all(&client::client_text_frame(text.as_bytes(), MASK))?;
        expect(&mut socket, &client::server_text_frame(text.as_bytes()))?;
        shared.add(Count::Echoes, 1);
        if (self.said / self.sockets.len() as u64).is_multiple_of(MESSAGES_MAX) {
            // The close, its answer, and the end of the connection.
            socket.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8])?;
            expect(&mut socket, &[0x88, 0x02, 0x03, 0xe8])?;
            let mut rest = Vec::new();
            socket.read_to_end(&mut rest)?;
            if !rest.is_empty() {
                return Err(io::Error::other("bytes after the close"));
            }
        } else {
            self.sockets[place] = Some(socket);
        }
        Ok(())
    }
}

fn expect(socket: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    let mut got = vec![0; bytes.len()];
    socket.read_exact(&mut got)?;
    if got == bytes {
        Ok(())
    } else {
        Err(io::Error::other("another frame came than was due"))
    }
}
