//! A connection as bytes: for what no client library would send.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::PATIENCE;

/// Bytes asked of the system at a time.
const READ_BYTES: usize = 64 * 1024;

/// A TCP connection whose reads wait for [`PATIENCE`] at most.
#[derive(Debug)]
pub struct RawConn {
    stream: TcpStream,
    /// What has arrived and was not taken.
    pub(super) buffer: Vec<u8>,
    closed: bool,
}

/// What one read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    Data,
    Closed,
    TimedOut,
}

impl RawConn {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens there.
    pub fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&addr, PATIENCE)
            .unwrap_or_else(|error| panic!("cannot connect to {addr}: {error}"));
        stream.set_nodelay(true).expect("a socket option");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket option");
        Self {
            stream,
            buffer: Vec::new(),
            closed: false,
        }
    }

    /// Sends all of it. A peer that has closed already is no error: what it said before can be read.
    ///
    /// # Panics
    /// When the peer takes nothing for [`PATIENCE`].
    pub fn write(&mut self, bytes: &[u8]) {
        match self.stream.write_all(bytes) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("the peer took nothing for {PATIENCE:?}")
            }
            _ => {}
        }
    }

    /// What has arrived up to and with `needle`.
    ///
    /// # Panics
    /// When it does not come in [`PATIENCE`], or the peer closes before.
    pub fn read_until(&mut self, needle: &[u8]) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self
                .buffer
                .windows(needle.len())
                .position(|window| window == needle)
            {
                return self.take(at + needle.len());
            }
            let fill = self.fill(deadline);
            assert!(
                fill == Fill::Data,
                "waited for {:?}, got {fill:?} after {:?}",
                needle.escape_ascii().to_string(),
                self.buffer.escape_ascii().to_string()
            );
        }
    }

    /// Exactly so many bytes.
    ///
    /// # Panics
    /// When they do not come in [`PATIENCE`], or the peer closes before.
    pub fn read_exact(&mut self, bytes: usize) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        while self.buffer.len() < bytes {
            let fill = self.fill(deadline);
            assert!(
                fill == Fill::Data,
                "waited for {bytes} bytes, got {fill:?} after {}",
                self.buffer.len()
            );
        }
        self.take(bytes)
    }

    /// All that comes until the peer closes.
    ///
    /// # Panics
    /// When it does not close in [`PATIENCE`].
    pub fn read_to_end(&mut self) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.fill(deadline) {
                Fill::Data => {}
                Fill::Closed => return std::mem::take(&mut self.buffer),
                Fill::TimedOut => panic!(
                    "the peer did not close; it said {:?}",
                    self.buffer.escape_ascii().to_string()
                ),
            }
        }
    }

    /// Whether the peer closes within that time; what it says before is kept.
    pub fn closes_within(&mut self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        loop {
            match self.fill(deadline) {
                Fill::Data => {}
                Fill::Closed => return true,
                Fill::TimedOut => return false,
            }
        }
    }

    /// Says that nothing more will be sent; reading goes on.
    pub fn finish(&self) {
        // Fails only when the connection is gone, which is what is wanted.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The socket itself, for what is not foreseen here.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(super) fn take(&mut self, bytes: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(bytes);
        std::mem::replace(&mut self.buffer, rest)
    }

    /// One read into the buffer.
    pub(super) fn fill(&mut self, deadline: Instant) -> Fill {
        if self.closed {
            return Fill::Closed;
        }
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Fill::TimedOut;
            }
            self.stream.set_read_timeout(Some(left)).expect("a socket option");
            let mut chunk = [0; READ_BYTES];
            match self.stream.read(&mut chunk) {
                Ok(0) => self.closed = true,
                Ok(bytes) => {
                    self.buffer.extend_from_slice(&chunk[..bytes]);
                    return Fill::Data;
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => continue,
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Fill::TimedOut,
                    // A reset is a close, to a test that asks whether there was one.
                    _ => self.closed = true,
                },
            }
            if self.closed {
                return Fill::Closed;
            }
        }
    }
}
