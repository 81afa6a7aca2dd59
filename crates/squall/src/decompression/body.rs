//! A body that is undone while it is read.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use bytes::{Buf, BytesMut};
use http_body::Frame;

use super::decoder::{Broken, Decoder};
use super::{Decompression, RATIO_FLOOR_BYTES};

/// Bytes that are made at a time.
const PIECE_BYTES: usize = 16 * 1024;

/// Bytes that are made before the core's other work has its turn.
const TURN_BYTES: usize = 64 * 1024;

/// Why a compressed body ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecompressionError(Fault);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Fault {
    Malformed = 1,
    Truncated,
    TooLarge,
    Bomb,
}

impl DecompressionError {
    /// It becomes more bytes than it may: 413. Otherwise it is not of its coding: 400.
    pub fn is_too_large(&self) -> bool {
        matches!(self.0, Fault::TooLarge | Fault::Bomb)
    }
}

impl fmt::Display for DecompressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Fault::Malformed => "the request body is not of the coding that it says",
            Fault::Truncated => "the compressed request body ends too early",
            Fault::TooLarge => "the request body, decompressed, is larger than its limit",
            Fault::Bomb => "the request body grows more than its limit when it is decompressed",
        })
    }
}

impl std::error::Error for DecompressionError {}

/// Where the layer learns of the fault of a body.
#[derive(Clone, Debug, Default)]
pub(super) struct Note(Arc<AtomicU8>);

impl Note {
    fn set(&self, fault: Fault) {
        self.0.store(fault as u8, Ordering::Release);
    }

    pub(super) fn get(&self) -> Option<DecompressionError> {
        let all = [Fault::Malformed, Fault::Truncated, Fault::TooLarge, Fault::Bomb];
        let noted = self.0.load(Ordering::Acquire);
        all.into_iter()
            .find(|fault| *fault as u8 == noted)
            .map(DecompressionError)
    }
}

/// A body behind a decoder. Holds one piece of it, and what the decoder needs to look back.
pub(super) struct Undone {
    body: Body,
    decoder: Decoder,
    input: Bytes,
    state: State,
    limits: Decompression,
    taken_bytes: u64,
    made_bytes: u64,
    turn_bytes: usize,
    note: Note,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Coded,
    /// The coded stream has ended; the body must do so too.
    Ending,
    Over,
}

impl Undone {
    pub(super) fn new(body: Body, decoder: Decoder, limits: Decompression, note: Note) -> Self {
        Undone {
            body,
            decoder,
            input: Bytes::new(),
            state: State::Coded,
            limits,
            taken_bytes: 0,
            made_bytes: 0,
            turn_bytes: 0,
            note,
        }
    }

    fn fail(&mut self, fault: Fault) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.state = State::Over;
        self.input = Bytes::new();
        self.note.set(fault);
        Poll::Ready(Some(Err(axum::Error::new(DecompressionError(fault)))))
    }

    /// Some of what comes out of the input; empty if nothing does without more of it.
    fn make(&mut self) -> Result<Bytes, Fault> {
        let mut output = BytesMut::zeroed(PIECE_BYTES);
        let mut made = 0;
        while made == 0 && self.state == State::Coded {
            let step = self.decoder.step(&self.input, &mut output);
            let step = step.map_err(|Broken| Fault::Malformed)?;
            self.input.advance(step.taken);
            self.taken_bytes += step.taken as u64;
            made = step.made;
            if step.ended {
                self.state = State::Ending;
            } else if made == 0 && step.taken == 0 {
                break;
            }
        }
        self.made_bytes += made as u64;
        self.turn_bytes += made;
        if self.made_bytes > self.limits.bytes_max {
            return Err(Fault::TooLarge);
        }
        let most = self.taken_bytes.max(1).saturating_mul(self.limits.ratio_max);
        if self.made_bytes > most.max(RATIO_FLOOR_BYTES) {
            return Err(Fault::Bomb);
        }
        if made < PIECE_BYTES / 2 {
            // A body that comes out in drops must not hold a whole buffer for each.
            return Ok(Bytes::copy_from_slice(&output[..made]));
        }
        output.truncate(made);
        Ok(output.freeze())
    }
}

impl HttpBody for Undone {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        loop {
            if self.state == State::Over {
                return Poll::Ready(None);
            }
            if self.turn_bytes >= TURN_BYTES {
                self.turn_bytes = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.state == State::Coded {
                match self.make() {
                    Ok(data) if !data.is_empty() => return Poll::Ready(Some(Ok(Frame::data(data)))),
                    Ok(_) => {}
                    Err(fault) => return self.fail(fault),
                }
            }
            // A second stream after the first would be read by some and not by others.
            if self.state == State::Ending && !self.input.is_empty() {
                return self.fail(Fault::Malformed);
            }
            // The decoder wants more, and what it left it has looked at: it must not be given to it for ever.
            if !self.input.is_empty() {
                return self.fail(Fault::Malformed);
            }
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Err(error))) => {
                    self.state = State::Over;
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.input = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                Poll::Ready(None) if self.state == State::Ending => self.state = State::Over,
                Poll::Ready(None) => return self.fail(Fault::Truncated),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.state == State::Over
    }
}
