//! The body of an answer: bytes, and parts of a file read as the peer takes them.
//!
//! What the kernel has in memory is read in place, without a thread and without waiting; what it has not is read on the
//! blocking pool. So a slow disk holds no core, and a slow reader no thread: a download has one piece of [`PIECE_BYTES`] in
//! its hands, at most two. Where the engine lets us ([`FileFrames`]) what is in memory is not even read: the socket takes it
//! from the file.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use http_body::{Frame, SizeHint};
use rustix::io::Errno;
use squall_engine::{FileFrames, FileWindow};
use tokio::task::JoinHandle;

use super::entry::Stamp;
use super::ranges::Span;
use super::sys;

/// Bytes of a file read at a time.
pub(crate) const PIECE_BYTES: usize = 128 * 1024;
/// Bytes of a file that are handed to a socket at a time, where it takes them from the file itself.
const WINDOW_BYTES: usize = 256 * 1024;
/// Where one looks whether a window is in memory: the kernel reads ahead in larger steps.
const PROBE_BYTES: u64 = 128 * 1024;
/// Buffers that are kept for the next piece.
const BUFFERS_KEPT_MAX: usize = 8;

/// One after the other.
#[derive(Debug)]
pub(crate) enum Piece {
    Bytes(Bytes),
    /// Of the file.
    Span(Span),
}

/// A body that is made of pieces.
#[derive(Debug)]
pub(crate) struct Pieces {
    pieces: VecDeque<Piece>,
    left_bytes: u64,
    reader: Option<Reader>,
    /// There, if parts of the file may be given as such.
    frames: Option<FileFrames>,
}

impl Pieces {
    /// `reader`: there, if one of the pieces is of a file.
    pub(crate) fn new(pieces: VecDeque<Piece>, reader: Option<Reader>) -> Self {
        let len = |piece: &Piece| match piece {
            Piece::Bytes(bytes) => bytes.len() as u64,
            Piece::Span(span) => span.len(),
        };
        let left_bytes = pieces.iter().map(len).sum();
        Self {
            pieces,
            left_bytes,
            reader,
            frames: None,
        }
    }

    /// Offers the engine parts of the file. The answer must have the same extension.
    pub(crate) fn offer(&mut self) -> FileFrames {
        self.frames.insert(FileFrames::new(self.left_bytes)).clone()
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let bytes = match (self.pieces.front_mut(), &mut self.reader) {
            (None, _) => return Poll::Ready(None),
            (Some(Piece::Bytes(bytes)), _) => {
                let bytes = std::mem::take(bytes);
                self.pieces.pop_front();
                bytes
            }
            (Some(Piece::Span(span)), Some(reader)) => {
                if let Some(frames) = self.frames.as_ref().filter(|frames| frames.are_taken())
                    && let Some(window) = reader.window(*span)?
                {
                    span.from += window.bytes as u64;
                    self.left_bytes -= window.bytes as u64;
                    if span.from == span.to {
                        self.pieces.pop_front();
                    }
                    frames.give(window);
                    return Poll::Ready(Some(Ok(Bytes::new())));
                }
                let bytes = ready!(reader.poll_read(*span, cx))?;
                span.from += bytes.len() as u64;
                if span.from == span.to {
                    self.pieces.pop_front();
                }
                bytes
            }
            (Some(Piece::Span(_)), None) => {
                return Poll::Ready(Some(Err(io::Error::other("a part of no file"))));
            }
        };
        self.left_bytes -= bytes.len() as u64;
        Poll::Ready(Some(Ok(bytes)))
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        let polled = ready!(this.poll_piece(cx));
        if matches!(polled, Some(Err(_))) {
            this.pieces.clear();
        }
        Poll::Ready(polled.map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left_bytes == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left_bytes)
    }
}

/// Reads an open file, in order.
#[derive(Debug)]
pub(crate) struct Reader {
    source: Source,
    /// The read that is under way on the blocking pool.
    job: Option<JoinHandle<io::Result<Bytes>>>,
    /// Its file system does not say what is in memory: everything is read on the pool, a piece ahead.
    pool_only: bool,
    /// Nothing was read of it since it was held against its stamp.
    fresh: bool,
}

#[derive(Clone, Debug)]
struct Source {
    file: Arc<File>,
    /// What it must still be, where the answer's tag says that the bytes are what they were.
    stamp: Option<Stamp>,
    buffers: Arc<Buffers>,
}

impl Reader {
    pub(crate) fn new(file: Arc<File>, stamp: Option<Stamp>, buffers: Arc<Buffers>) -> Self {
        Self {
            source: Source { file, stamp, buffers },
            job: None,
            pool_only: false,
            fresh: true,
        }
    }

    /// The beginning of `span`, if it is in the kernel's memory, as far as a few looks can tell.
    fn window(&mut self, span: Span) -> io::Result<Option<FileWindow>> {
        if self.job.is_some() || self.pool_only {
            return Ok(None);
        }
        let bytes = span.len().min(WINDOW_BYTES as u64);
        let last = span.from + bytes - 1;
        let mut byte = [0];
        let mut at = span.from;
        loop {
            match sys::read_now(&self.source.file, &mut byte, at) {
                Ok(1) => {}
                // What it is instead is for `poll_read` to find out.
                _ => return Ok(None),
            }
            if at == last {
                break;
            }
            at = last.min(at + PROBE_BYTES);
        }
        if !std::mem::replace(&mut self.fresh, false) {
            self.source.check()?;
        }
        let file = self.source.file.clone();
        let (at, bytes) = (span.from, bytes as usize);
        Ok(Some(FileWindow { file, at, bytes }))
    }

    /// The next bytes of `span`: at least one.
    fn poll_read(&mut self, span: Span, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if self.job.is_none() && !self.pool_only {
            match self.source.read_now(span) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Unsupported => self.pool_only = true,
                read => return Poll::Ready(read),
            }
        }
        let source = &self.source;
        let job = self.job.get_or_insert_with(|| source.start(span));
        let bytes = ready!(Pin::new(job).poll(cx)).map_err(io::Error::other)??;
        self.job = None;
        let rest = Span {
            from: span.from + bytes.len() as u64,
            to: span.to,
        };
        if self.pool_only && rest.from < rest.to {
            self.job = Some(self.source.start(rest));
        }
        Poll::Ready(Ok(bytes))
    }
}

impl Source {
    fn start(&self, span: Span) -> JoinHandle<io::Result<Bytes>> {
        let source = self.clone();
        tokio::task::spawn_blocking(move || source.read(span))
    }

    /// Reads on a thread that may wait.
    fn read(&self, span: Span) -> io::Result<Bytes> {
        let mut buffer = self.buffers.take();
        let want = want(span);
        loop {
            match self.file.read_at(&mut buffer[..want], span.from) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return self.checked(buffer, read?),
            }
        }
    }

    /// Reads what is in memory. `WouldBlock`: nothing of it is. `Unsupported`: that is not known.
    fn read_now(&self, span: Span) -> io::Result<Bytes> {
        let mut buffer = self.buffers.take();
        match sys::read_now(&self.file, &mut buffer[..want(span)], span.from) {
            Ok(read) => self.checked(buffer, read),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Err(io::ErrorKind::Unsupported.into()),
            Err(Errno::INTR) => Err(io::ErrorKind::WouldBlock.into()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// What was read, if it is of the file that was promised. An error ends the connection: the length is told already,
    /// and other bytes under the same tag would be put together with these.
    fn checked(&self, buffer: Vec<u8>, read: usize) -> io::Result<Bytes> {
        let piece = Held {
            buffer,
            len: read,
            home: self.buffers.clone(),
        };
        if read == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "a file became shorter while it was sent",
            ));
        }
        self.check()?;
        Ok(Bytes::from_owner(piece))
    }

    fn check(&self) -> io::Result<()> {
        match &self.stamp {
            Some(stamp) if !Stamp::of(&self.file)?.has_content_of(stamp) => {
                Err(io::Error::other("a file changed while it was sent"))
            }
            _ => Ok(()),
        }
    }
}

fn want(span: Span) -> usize {
    usize::try_from(span.len()).map_or(PIECE_BYTES, |bytes| bytes.min(PIECE_BYTES))
}

/// Buffers of [`PIECE_BYTES`] that are used again.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    fn take(&self) -> Vec<u8> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(|| vec![0; PIECE_BYTES])
    }

    fn give(&self, buffer: Vec<u8>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < BUFFERS_KEPT_MAX {
            kept.push(buffer);
        }
    }
}

/// A buffer that is out, and comes back.
struct Held {
    buffer: Vec<u8>,
    len: usize,
    home: Arc<Buffers>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.len]
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.home.give(std::mem::take(&mut self.buffer));
    }
}
