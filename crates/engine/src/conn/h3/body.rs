//! The body of a request that comes in a stream of HTTP/3, as its handler reads it. What it does not take stops the
//! peer: its bytes stay within QUIC's windows.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::server::RequestStream;
use http_body::{Body, Frame, SizeHint};

use crate::body::{BodyError, BodyErrorKind, Boxed};
use crate::conn::h2::body::Meter;

/// The half of a stream that we receive on.
pub(super) type Receiving = RequestStream<h3_quinn::RecvStream, Bytes>;

/// A body on its way in.
pub(super) struct Incoming {
    stream: Receiving,
    meter: Arc<Meter>,
    /// What its length was said to be, and has not come yet.
    left_bytes: Option<u64>,
    data_over: bool,
    over: bool,
    /// A read is under way.
    reading: bool,
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").finish_non_exhaustive()
    }
}

impl Incoming {
    pub(super) fn new(stream: Receiving, meter: Arc<Meter>, declared_bytes: Option<u64>) -> Self {
        Incoming {
            stream,
            meter,
            left_bytes: declared_bytes,
            data_over: false,
            over: false,
            reading: false,
        }
    }

    fn failed(&mut self, kind: BodyErrorKind) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.over = true;
        self.meter.fail(kind);
        Poll::Ready(Some(Err(kind.into())))
    }

    fn took(&mut self, bytes: Bytes) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let count = bytes.len() as u64;
        if self.meter.receive(count).is_err() {
            return self.failed(BodyErrorKind::TooLarge);
        }
        if let Some(left) = &mut self.left_bytes {
            // RFC 9114 section 4.1.2: a body of another length than it said is malformed.
            match left.checked_sub(count) {
                Some(rest) => *left = rest,
                None => return self.failed(BodyErrorKind::Malformed),
            }
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}

impl Boxed for Incoming {}

impl Body for Incoming {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.over {
            return Poll::Ready(None);
        }
        if let Some(kind) = this.meter.failed() {
            return this.failed(kind);
        }
        let polled = this.poll(cx);
        this.reading = polled.is_pending();
        if this.reading {
            this.meter.wait(cx.waker());
        } else {
            this.meter.waits_no_more();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.over
    }

    fn size_hint(&self) -> SizeHint {
        self.left_bytes
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // h3-quinn 0.0.10 panics when a stream is stopped whose read is under way; quinn stops it by itself then, with the
        // code 0.
        if !self.over && !self.reading {
            // RFC 9114 section 4.1.1: what still comes is not wanted, and that is no error.
            self.stream.stop_sending(Code::H3_NO_ERROR);
        }
    }
}

impl Incoming {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.meter.is_hopeless(self.left_bytes) {
            return self.failed(BodyErrorKind::TooLarge);
        }
        if !self.data_over {
            let polled = match ready!(self.stream.poll_recv_data(cx)) {
                Ok(Some(mut piece)) => Ok(Some(piece.copy_to_bytes(piece.remaining()))),
                Ok(None) => Ok(None),
                Err(_) => Err(()),
            };
            match polled {
                Ok(Some(bytes)) => return self.took(bytes),
                Ok(None) => self.data_over = true,
                Err(()) => return self.failed(BodyErrorKind::Gone),
            }
            if self.left_bytes.is_some_and(|left| left > 0) {
                return self.failed(BodyErrorKind::Malformed);
            }
        }
        let trailers = ready!(self.stream.poll_recv_trailers(cx));
        self.over = true;
        match trailers {
            Ok(Some(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Ok(None) => Poll::Ready(None),
            Err(_) => self.failed(BodyErrorKind::Malformed),
        }
    }
}
