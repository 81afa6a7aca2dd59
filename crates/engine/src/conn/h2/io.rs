//! Between the h2 crate and a socket: reads as the poll set allows, writes gathered until the end of a turn.
//!
//! Why writes are gathered: the h2 crate flushes whenever it is polled, which is once for each request that it gives
//! out. Answers of one turn leave in one write, as everywhere in this engine.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::watch::Watch;
use crate::core::link::Link;
use crate::limits::BUFFER_BYTES_MAX;
use crate::socket::Socket;

/// Reads of one connection in one turn.
const READS_MAX: u32 = 8;

/// Bytes that are read at once.
const READ_BYTES: usize = 16 * 1024;

/// The socket of an HTTP/2 connection, and what is on its way to it.
pub(super) struct Wire {
    socket: Socket,
    /// What was read before it was known that this is HTTP/2.
    early: Bytes,
    /// There may be bytes in the socket; without that, a read would be a system call for nothing.
    pub(super) readable: bool,
    /// The socket may take bytes.
    pub(super) writable: bool,
    /// The peer closed its side: a short read does not show that it was the last.
    pub(super) hung_up: bool,
    /// What is left of this turn's reads.
    reads_left: u32,
    /// The turn's reads are used up, and there may be more.
    pub(super) more: bool,
    /// Something was not taken in this turn because so much was owed.
    pub(super) refused: bool,
    /// Written by the h2 crate, and with the socket up to `written_bytes`. Borrowed from the core during a turn.
    out: Vec<u8>,
    written_bytes: usize,
    /// What the socket took in this turn.
    taken_bytes: usize,
    pub(super) watch: Watch,
    /// Where bytes are read to, shared by the connections of a core: the room that the h2 crate has for them would
    /// have to be zeroed before each read.
    scratch: Scratch,
    /// Where bytes are counted.
    link: Arc<Link>,
}

/// What all connections of a core read into.
pub(crate) type Scratch = Rc<RefCell<Vec<u8>>>;

impl Wire {
    pub(super) fn new(
        socket: Socket,
        early: Bytes,
        credits_max: u32,
        scratch: Scratch,
        link: Arc<Link>,
    ) -> Self {
        Wire {
            socket,
            early,
            readable: true,
            writable: true,
            hung_up: false,
            reads_left: 0,
            more: false,
            refused: false,
            out: Vec::new(),
            written_bytes: 0,
            taken_bytes: 0,
            watch: Watch::new(credits_max),
            scratch,
            link,
        }
    }

    /// A turn begins: it may read, and gathers its writes in `out`, which is empty, unless bytes are owed already.
    pub(super) fn begin_turn(&mut self, out: &mut Vec<u8>) {
        self.reads_left = READS_MAX;
        self.taken_bytes = 0;
        self.more = false;
        self.refused = false;
        if self.out.is_empty() {
            std::mem::swap(&mut self.out, out);
        }
    }

    /// Writes what the turn gathered and gives the buffer back. Whether the socket took all, and if not, how much
    /// in this turn.
    pub(super) fn end_turn(&mut self, out: &mut Vec<u8>) -> io::Result<Wrote> {
        let wrote = self.flush()?;
        if self.out.is_empty() {
            let mut spare = std::mem::take(&mut self.out);
            if out.capacity() == 0 {
                std::mem::swap(&mut spare, out);
            }
        }
        Ok(wrote)
    }

    /// Writes until the socket is full.
    fn flush(&mut self) -> io::Result<Wrote> {
        while self.owed_bytes() > 0 {
            if !self.writable {
                return Ok(Wrote::Part {
                    taken_bytes: self.taken_bytes,
                });
            }
            match self.socket.write(&self.out[self.written_bytes..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.taken_bytes += n;
                    self.written_bytes += n;
                    self.link.counts.bytes_out.add(n as u64);
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        self.out.clear();
        self.written_bytes = 0;
        Ok(Wrote::All)
    }

    /// Writes what the socket itself owes. What fails here fails again at the next read.
    pub(super) fn flush_socket(&mut self) {
        let _ = self.socket.flush();
    }

    /// What the socket has not taken.
    pub(super) fn owed_bytes(&self) -> usize {
        self.out.len() - self.written_bytes
    }

    /// So much is owed that nothing more is taken on.
    pub(super) fn is_full(&self) -> bool {
        self.owed_bytes() >= BUFFER_BYTES_MAX
    }

    /// The connection is over; what is left to do is the socket's.
    pub(super) fn take_socket(&mut self) -> Socket {
        self.socket.take()
    }

    fn read(&mut self, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.early.is_empty() {
            let count = self.early.len().min(into.remaining());
            self.watch.see(&self.early[..count]);
            into.put_slice(&self.early[..count]);
            self.early.advance(count);
            return Poll::Ready(Ok(()));
        }
        if !self.readable || self.watch.is_exhausted() {
            return Poll::Pending;
        }
        if self.reads_left == 0 {
            self.more = true;
            return Poll::Pending;
        }
        self.reads_left -= 1;
        let mut scratch = self.scratch.borrow_mut();
        scratch.resize(READ_BYTES, 0);
        let room = into.remaining().min(READ_BYTES);
        loop {
            match self.socket.read(&mut scratch[..room]) {
                Ok(count) => {
                    // A read that did not fill its room has emptied the socket; what comes later has an event of its
                    // own. But not so the peer's end, which was announced with the bytes before it.
                    self.readable = count == 0 || self.hung_up || self.socket.may_have_more(count, room);
                    self.link.counts.bytes_in.add(count as u64);
                    self.watch.see(&scratch[..count]);
                    into.put_slice(&scratch[..count]);
                    return Poll::Ready(Ok(()));
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    self.readable = false;
                    return Poll::Pending;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_full() {
            self.flush()?;
            if self.is_full() {
                self.refused = true;
                return Poll::Pending;
            }
        }
        self.out.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }
}

/// What came of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrote {
    All,
    /// Not all; so much.
    Part {
        taken_bytes: usize,
    },
}

/// What the h2 crate reads and writes. Its wakers are not used: whatever happens to the socket, the connection has a
/// turn, and in it everything is polled.
pub(super) struct Io(pub(super) Rc<RefCell<Wire>>);

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().read(into)
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().write(bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The end of the turn flushes.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What is gathered leaves at the end of the turn, and then the core says its last on the socket.
        Poll::Ready(Ok(()))
    }
}
