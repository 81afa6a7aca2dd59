//! Parts of files as frames of a response's body, which the socket takes from the file itself: their bytes never come
//! into this process.
//!
//! A body that can give such frames puts [`FileFrames`] into its response's extensions. The engine takes them where bytes go to
//! the peer as they are (HTTP/1 in clear), and where the body is still the one that the response was made with, as far
//! as its length says; a layer that changes a body and keeps its length must remove the extension. Everywhere else the
//! body is asked for bytes, as any other.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// A response extension: see the module.
///
/// When [`FileFrames::are_taken`], the body may answer a poll with an empty frame of data after
/// [`FileFrames::give`]: that counts as so many bytes.
#[derive(Clone, Debug)]
pub struct FileFrames(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    len_bytes: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    taken: bool,
    given: Option<FileWindow>,
}

/// Bytes of a file. They should be in the kernel's memory: a core must not wait for a disk.
#[derive(Clone, Debug)]
pub struct FileWindow {
    /// The file, whose own position is not used.
    pub file: Arc<File>,
    /// Where they begin.
    pub at: u64,
    /// How many; not 0.
    pub bytes: usize,
}

impl FileFrames {
    /// For a body of that length, in bytes.
    pub fn new(len_bytes: u64) -> Self {
        let state = Mutex::default();
        Self(Arc::new(Shared { len_bytes, state }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether whoever polls the body takes parts of files.
    pub fn are_taken(&self) -> bool {
        self.lock().taken
    }

    /// The bytes that the next frame, an empty one, stands for.
    pub fn give(&self, window: FileWindow) {
        self.lock().given = Some(window);
    }

    /// From now on they are taken, if the body is the one that they are of.
    pub(crate) fn begin(&self, exact_bytes: Option<u64>) -> bool {
        let same = exact_bytes == Some(self.0.len_bytes);
        self.lock().taken = same;
        same
    }

    pub(crate) fn take(&self) -> Option<FileWindow> {
        self.lock().given.take()
    }
}

impl FileWindow {
    /// Sends what follows its first `sent` bytes; how many bytes the socket took.
    ///
    /// # Errors
    /// What the socket says; `UnexpectedEof` when the file has become shorter.
    pub(crate) fn send(&self, socket: BorrowedFd<'_>, sent: usize) -> io::Result<usize> {
        let taken = send_file(socket, &self.file, self.at + sent as u64, self.bytes - sent)?;
        if taken == 0 {
            tracing::warn!("a file became shorter while it was sent; the connection is closed");
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(taken)
    }

    /// The bytes themselves, for a file or a socket of a kind that this cannot be done with.
    pub(crate) fn load(&self) -> io::Result<Bytes> {
        let mut bytes = vec![0; self.bytes];
        self.file.read_exact_at(&mut bytes, self.at)?;
        Ok(bytes.into())
    }
}

#[cfg(target_os = "linux")]
fn send_file(socket: BorrowedFd<'_>, file: &File, mut at: u64, bytes: usize) -> io::Result<usize> {
    Ok(rustix::fs::sendfile(socket, file, Some(&mut at), bytes)?)
}

#[cfg(not(target_os = "linux"))]
fn send_file(_: BorrowedFd<'_>, _: &File, _: u64, _: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Writes what a part of a file follows at once: the head of an answer needs no packet of its own.
#[cfg(target_os = "linux")]
pub(crate) fn write_before(socket: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
    let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
    Ok(sendmsg(
        socket,
        slices,
        &mut SendAncillaryBuffer::default(),
        flags,
    )?)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn write_before(socket: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    Ok(rustix::io::writev(socket, slices)?)
}
