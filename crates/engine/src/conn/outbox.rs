//! What is owed to one socket and could not be written yet.
//!
//! Why: a slow reader must cost its own connection and nothing else. Who fills it stops at
//! [`crate::limits::BUFFER_BYTES_MAX`]; one piece may stand over that bound.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};

use bytes::Bytes;

use crate::file::{FileWindow, write_before};
use crate::socket::Socket;

/// How many pieces one gather-write takes.
pub(crate) const GATHER_MAX: usize = 64;

/// Pieces in order; of the first, `written` bytes are with the socket already.
#[derive(Default)]
pub(crate) struct Outbox {
    pieces: VecDeque<Piece>,
    written: usize,
    /// Bytes not written yet.
    bytes: usize,
}

/// One after the other.
enum Piece {
    Bytes(Bytes),
    /// Costs no memory of ours: it is written from the file.
    File(Box<FileWindow>),
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Piece::Bytes(bytes) => bytes.len(),
            Piece::File(window) => window.bytes,
        }
    }
}

/// What a flush came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Nothing is owed.
    All,
    /// The socket is full; whether it took anything.
    Blocked { progress: bool },
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.bytes += piece.len();
            self.pieces.push_back(Piece::Bytes(piece));
        }
    }

    pub(crate) fn push_file(&mut self, window: FileWindow) {
        self.bytes += window.bytes;
        self.pieces.push_back(Piece::File(Box::new(window)));
    }

    /// Whether a part of a file is owed: then it cannot be taken out.
    pub(crate) fn has_file(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::File(_)))
    }

    /// Takes what is owed out, as one piece.
    pub(crate) fn take_all(&mut self) -> Bytes {
        debug_assert!(!self.has_file(), "who takes it waits until files are written");
        let mut all = Vec::with_capacity(self.bytes);
        for (at, piece) in self.pieces.drain(..).enumerate() {
            let Piece::Bytes(piece) = piece else { continue };
            all.extend_from_slice(if at == 0 { &piece[self.written..] } else { &piece });
        }
        (self.written, self.bytes) = (0, 0);
        all.into()
    }

    /// Writes what is owed and then `last`; what the socket does not take of `last` is copied and owed.
    pub(crate) fn flush(&mut self, socket: &mut Socket, last: &mut Vec<u8>) -> io::Result<Flushed> {
        let mut progress = false;
        if self.is_empty() {
            match write_all(socket, last)? {
                n if n == last.len() => {
                    last.clear();
                    return Ok(Flushed::All);
                }
                n => {
                    progress = n > 0;
                    self.push(Bytes::copy_from_slice(&last[n..]));
                }
            }
            last.clear();
            return Ok(Flushed::Blocked { progress });
        }
        self.push(Bytes::copy_from_slice(last));
        last.clear();
        while !self.is_empty() {
            match self.write_some(socket) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => {
                    progress = true;
                    self.advance(n);
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(Flushed::Blocked { progress }),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
                    self.load_file(e)?;
                }
                Err(e) => return Err(e),
            }
        }
        Ok(Flushed::All)
    }

    fn write_some(&self, socket: &mut Socket) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); GATHER_MAX];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            let from = if count == 0 { self.written } else { 0 };
            match (piece, count, socket.plain()) {
                (Piece::Bytes(piece), ..) => *slice = IoSlice::new(&piece[from..]),
                (Piece::File(window), 0, Some(socket)) => return window.send(socket, from),
                (Piece::File(_), 0, None) => return Err(ErrorKind::Unsupported.into()),
                (Piece::File(_), _, Some(socket)) => return write_before(socket, &slices[..count]),
                (Piece::File(_), _, None) => break,
            }
            count += 1;
        }
        socket.write_vectored(&slices[..count])
    }

    /// Reads the part of a file that could not be sent from it; if it is none, its error stays.
    fn load_file(&mut self, error: io::Error) -> io::Result<()> {
        match self.pieces.front_mut() {
            Some(Piece::File(window)) => {
                let bytes = window.load()?;
                self.pieces[0] = Piece::Bytes(bytes);
                Ok(())
            }
            _ => Err(error),
        }
    }

    fn advance(&mut self, mut taken: usize) {
        self.bytes -= taken;
        while let Some(first) = self.pieces.front() {
            let left = first.len() - self.written;
            if taken < left {
                self.written += taken;
                return;
            }
            taken -= left;
            self.written = 0;
            self.pieces.pop_front();
        }
    }
}

/// Writes until the socket is full; how many bytes it took.
pub(crate) fn write_all(socket: &mut Socket, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        match socket.write(&bytes[written..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => written += n,
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(written)
}
