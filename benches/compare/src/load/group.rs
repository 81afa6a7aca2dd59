//! Many sockets, one poll set, one buffer.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream as Blocking;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::wrong;

/// A server that sends nothing at all for so long has failed.
const STALL: Duration = Duration::from_secs(10);
const EVENTS_PER_TURN: usize = 1024;
/// Larger than anything that is in flight on one connection, so that one read empties a socket.
const BUFFER_BYTES: usize = 64 * 1024;

/// The sockets of a load. Each is known by its index.
#[derive(Debug)]
pub struct Group {
    poll: Poll,
    events: Events,
    sockets: Vec<TcpStream>,
    buffer: Box<[u8]>,
    last_event: Instant,
}

impl Group {
    /// Watches these sockets.
    ///
    /// # Errors
    /// When the poll set can't take them.
    pub fn new(sockets: Vec<Blocking>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut watched = Vec::with_capacity(sockets.len());
        for (index, socket) in sockets.into_iter().enumerate() {
            socket.set_nonblocking(true)?;
            let mut socket = TcpStream::from_std(socket);
            poll.registry()
                .register(&mut socket, Token(index), Interest::READABLE)?;
            watched.push(socket);
        }
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS_PER_TURN),
            sockets: watched,
            buffer: vec![0; BUFFER_BYTES].into(),
            last_event: Instant::now(),
        })
    }

    /// How many sockets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// Sends `bytes` on one socket.
    ///
    /// # Errors
    /// When the socket does not take them whole: what a load has in flight fits every socket's buffer.
    pub fn send(&self, index: usize, bytes: &[u8]) -> io::Result<()> {
        send(&self.sockets[index], bytes)
    }

    /// Waits, at most until then, for bytes to read, and hands all there are to `on_bytes` with their socket and its index.
    ///
    /// # Errors
    /// When a connection ends or the server stalls; and what `on_bytes` fails with.
    pub fn turn(
        &mut self,
        until: Instant,
        mut on_bytes: impl FnMut(&TcpStream, usize, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let now = Instant::now();
        if now.duration_since(self.last_event) > STALL {
            return Err(wrong("the server has sent nothing for 10 seconds"));
        }
        match self.poll.poll(
            &mut self.events,
            Some(until.saturating_duration_since(now).min(STALL)),
        ) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        if !self.events.is_empty() {
            self.last_event = Instant::now();
        }
        for event in &self.events {
            let index = event.token().0;
            let mut socket = &self.sockets[index];
            loop {
                match socket.read(&mut self.buffer) {
                    Ok(0) => return Err(wrong("the server closed a connection")),
                    Ok(bytes) => {
                        on_bytes(socket, index, &self.buffer[..bytes])?;
                        // A read that does not fill the buffer has emptied the socket; what comes later is a new event.
                        if bytes < BUFFER_BYTES {
                            break;
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Call before the first turn after a pause that the server is not to blame for.
    pub fn rest(&mut self) {
        self.last_event = Instant::now();
    }
}

/// Sends `bytes` whole.
///
/// # Errors
/// As [`Group::send`].
pub fn send(mut socket: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    if socket.write(bytes)? < bytes.len() {
        return Err(wrong("a socket's buffer is full"));
    }
    Ok(())
}
