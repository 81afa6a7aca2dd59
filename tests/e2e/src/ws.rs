//! A WebSocket client, of another hand's making (tungstenite).

use std::io;
use std::net::{SocketAddr, TcpStream};

use tungstenite::client::IntoClientRequest;
use tungstenite::protocol::CloseFrame;
use tungstenite::{Error, HandshakeError, Message, WebSocket};

use crate::DEADLINE;

/// A connection after its handshake.
#[derive(Debug)]
pub struct Ws {
    socket: WebSocket<TcpStream>,
}

/// What came.
#[derive(Debug)]
pub enum Heard {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// The other side closes, with its reason if it gave one.
    Close(Option<CloseFrame>),
}

impl Ws {
    /// Connects and shakes hands. `fields` are added to the request.
    ///
    /// # Errors
    /// The connection breaks, or the answer is no 101: then the status is in the error's text.
    ///
    /// # Panics
    /// When `path` or `fields` can't stand in a request.
    pub fn connect(addr: SocketAddr, path: &str, fields: &[(&'static str, String)]) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, DEADLINE)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        let mut request = format!("ws://{addr}{path}")
            .into_client_request()
            .expect("a good address");
        for (name, value) in fields {
            request
                .headers_mut()
                .insert(*name, value.parse().expect("a good field value"));
        }
        match tungstenite::client(request, stream) {
            Ok((socket, _)) => Ok(Self { socket }),
            Err(HandshakeError::Failure(error)) => Err(io_error(error)),
            Err(HandshakeError::Interrupted(_)) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// The connection broke.
    pub fn send(&mut self, text: &str) -> io::Result<()> {
        self.socket.send(Message::text(text)).map_err(io_error)
    }

    /// Sends a ping.
    ///
    /// # Errors
    /// The connection broke.
    pub fn ping(&mut self, payload: &'static [u8]) -> io::Result<()> {
        self.socket.send(Message::Ping(payload.into())).map_err(io_error)
    }

    /// Waits for the next message; pings are answered on the way.
    ///
    /// # Errors
    /// The connection broke, or the other side broke the protocol.
    pub fn hear(&mut self) -> io::Result<Heard> {
        loop {
            match self.socket.read().map_err(io_error)? {
                Message::Text(text) => return Ok(Heard::Text(text.as_str().to_owned())),
                Message::Binary(bytes) => return Ok(Heard::Binary(bytes.to_vec())),
                Message::Close(frame) => return Ok(Heard::Close(frame)),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    /// The socket, for what this type has no method for.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        self.socket.get_ref()
    }
}

fn io_error(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        Error::ConnectionClosed | Error::AlreadyClosed => io::ErrorKind::UnexpectedEof.into(),
        Error::Http(response) => io::Error::other(format!("status {}", response.status().as_u16())),
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}
