//! A socket in memory: what arrives and what is taken is what the script says.

use std::io::{self, ErrorKind, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::Response;

use super::script::Faults;
use crate::socket::Virtual;

/// Streams of one connection that may have records of their own: those of HTTP/2.
pub(super) const STREAMS_MAX: usize = 256;

/// Both ends of it.
#[derive(Clone, Debug)]
pub(super) struct Wire(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    faults: Faults,
    calls: u32,
    input: Vec<u8>,
    /// The peer sends nothing after `input`.
    ended: bool,
    reset: bool,
    /// A read found nothing more: whoever waits needs an event.
    drained: bool,
    room: usize,
    output: Vec<u8>,
    /// The server said that nothing more comes.
    finished: bool,
}

impl Wire {
    pub(super) fn new(faults: Faults) -> Self {
        let room = if faults.is_full { 0 } else { usize::MAX };
        Wire(Arc::new(Mutex::new(State {
            faults,
            room,
            ..State::default()
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn send(&self, bytes: &[u8]) {
        let mut state = self.lock();
        if !state.ended {
            state.input.extend_from_slice(bytes);
        }
    }

    pub(super) fn end(&self) {
        self.lock().ended = true;
    }

    pub(super) fn reset(&self) {
        self.lock().reset = true;
    }

    pub(super) fn give_room(&self, bytes: usize) {
        let mut state = self.lock();
        state.room = state.room.saturating_add(bytes);
    }

    /// From now on the socket takes everything at once.
    pub(super) fn open_wide(&self) {
        let mut state = self.lock();
        state.room = usize::MAX;
        state.faults.write_bytes_max = None;
        state.faults.is_full = false;
    }

    /// Whether a short read left something, so that a real socket would have announced more.
    pub(super) fn has_more(&self) -> bool {
        let mut state = self.lock();
        std::mem::take(&mut state.drained) && !state.input.is_empty()
    }

    #[cfg(test)]
    pub(super) fn unread_bytes(&self) -> usize {
        self.lock().input.len()
    }

    pub(super) fn take_output(&self) -> Vec<u8> {
        std::mem::take(&mut self.lock().output)
    }
}

impl State {
    fn call(&mut self) -> io::Result<()> {
        self.calls += 1;
        if self.reset || self.faults.fails_at == Some(self.calls) {
            self.reset = true;
            return Err(ErrorKind::ConnectionReset.into());
        }
        match self.faults.interrupts {
            Some(every) if self.calls.is_multiple_of(every) => Err(ErrorKind::Interrupted.into()),
            _ => Ok(()),
        }
    }
}

impl Virtual for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.lock();
        state.call()?;
        let most = state.faults.read_bytes_max.unwrap_or(usize::MAX);
        let count = state.input.len().min(buffer.len()).min(most);
        if count == 0 {
            return if state.ended {
                Ok(0)
            } else {
                Err(ErrorKind::WouldBlock.into())
            };
        }
        buffer[..count].copy_from_slice(&state.input[..count]);
        state.input.drain(..count);
        // A read that does not fill the buffer says to the core that there was no more.
        state.drained = count < buffer.len();
        Ok(count)
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.lock();
        state.call()?;
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        assert!(!state.finished || offered == 0, "bytes after the end");
        let most = state.faults.write_bytes_max.unwrap_or(usize::MAX);
        let count = offered.min(state.room).min(most);
        if count == 0 && offered > 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let mut left = count;
        for slice in slices {
            let part = slice.len().min(left);
            state.output.extend_from_slice(&slice[..part]);
            left -= part;
        }
        if count < offered {
            // A short write has filled the socket: an event tells when it takes more.
            state.room = 0;
        } else if state.room != usize::MAX {
            state.room -= count;
        }
        Ok(count)
    }

    fn is_stream(&self) -> bool {
        false
    }

    fn finish(&mut self) {
        self.lock().finished = true;
    }

    fn respond(&mut self, _: Response<Bytes>) -> io::Result<Bytes> {
        // For streams of HTTP/2 alone.
        Err(ErrorKind::Unsupported.into())
    }
}
