//! The body of a request that came in a stream of HTTP/2.
//!
//! It is read straight from the h2 crate, on whatever thread its handler runs. What the handler takes is released to
//! the peer's windows; what it does not take stops the peer.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Frame, SizeHint};

use crate::body::{BodyError, BodyErrorKind};

/// What the engine, and layers around the handler, know and say of a body that is arriving.
#[derive(Debug)]
pub(crate) struct Meter {
    bytes_max: AtomicU64,
    received_bytes: AtomicU64,
    /// The reader waits for bytes.
    waiting: AtomicBool,
    /// The reader has waited at all: the moment to send `100 Continue`.
    wanted: AtomicBool,
    /// Somebody looks at its beginning before its limit is known.
    looking: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failed: Option<BodyErrorKind>,
    reader: Option<Waker>,
    /// The stream, to be told that the body is wanted or has failed.
    stream: Option<Waker>,
}

impl Meter {
    pub(in crate::conn) fn new(bytes_max: u64) -> Arc<Self> {
        Arc::new(Meter {
            bytes_max: AtomicU64::new(bytes_max),
            received_bytes: AtomicU64::new(0),
            waiting: AtomicBool::new(false),
            wanted: AtomicBool::new(false),
            looking: AtomicBool::new(false),
            state: Mutex::default(),
        })
    }

    pub(crate) fn set_bytes_max(&self, bytes_max: u64) {
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
    }

    /// See [`crate::BodyControl::look_ahead`].
    pub(crate) fn look_ahead(&self, looking: bool) {
        self.looking.store(looking, Ordering::Relaxed);
    }

    pub(in crate::conn) fn received_bytes(&self) -> u64 {
        self.received_bytes.load(Ordering::Relaxed)
    }

    pub(in crate::conn) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(in crate::conn) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    pub(in crate::conn) fn is_too_large(&self) -> bool {
        self.lock().failed == Some(BodyErrorKind::TooLarge)
    }

    /// Who is woken when the body is wanted or has failed.
    pub(in crate::conn) fn tell(&self, stream: &Waker) {
        let mut state = self.lock();
        if !state.stream.as_ref().is_some_and(|known| known.will_wake(stream)) {
            state.stream = Some(stream.clone());
        }
    }

    /// So many bytes have come; an error if they are too many.
    #[cfg(feature = "http3")]
    pub(in crate::conn) fn receive(&self, bytes: u64) -> Result<(), ()> {
        let received_bytes = self.received_bytes().saturating_add(bytes);
        self.received_bytes.store(received_bytes, Ordering::Relaxed);
        if received_bytes > self.bytes_max.load(Ordering::Relaxed) {
            return Err(());
        }
        Ok(())
    }

    /// Whether what is still to come, as far as it is known, is past the limit.
    #[cfg(feature = "http3")]
    pub(in crate::conn) fn is_hopeless(&self, left_bytes: Option<u64>) -> bool {
        // A declared length is held against the limit when the route behind whoever looks has said it.
        let looking = self.looking.load(Ordering::Relaxed);
        let bytes_max = self.bytes_max.load(Ordering::Relaxed);
        !looking && left_bytes.is_some_and(|left| self.received_bytes().saturating_add(left) > bytes_max)
    }

    /// Ends the reading. The first reason counts.
    pub(in crate::conn) fn fail(&self, kind: BodyErrorKind) {
        let mut state = self.lock();
        state.failed.get_or_insert(kind);
        let wakers = [state.reader.take(), state.stream.take()];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing here can panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the body came to no good end, if that is known.
    #[cfg(feature = "http3")]
    pub(in crate::conn) fn failed(&self) -> Option<BodyErrorKind> {
        self.lock().failed
    }

    /// The reader has something.
    pub(in crate::conn) fn waits_no_more(&self) {
        self.waiting.store(false, Ordering::Relaxed);
    }

    /// The reader waits: whom to wake, and whether that is news to the stream.
    pub(in crate::conn) fn wait(&self, reader: &Waker) {
        self.waiting.store(true, Ordering::Relaxed);
        let first = !self.wanted.swap(true, Ordering::Relaxed);
        let mut state = self.lock();
        state.reader = Some(reader.clone());
        let stream = if first { state.stream.take() } else { None };
        drop(state);
        if let Some(stream) = stream {
            stream.wake();
        }
    }
}

/// A body on its way in.
#[derive(Debug)]
pub(crate) struct Incoming {
    stream: RecvStream,
    meter: Arc<Meter>,
    /// What its length was said to be and has not come yet. The h2 crate holds the peer to it.
    left_bytes: Option<u64>,
    data_over: bool,
}

impl Incoming {
    pub(super) fn new(stream: RecvStream, meter: Arc<Meter>, declared_bytes: Option<u64>) -> Self {
        Incoming {
            stream,
            meter,
            left_bytes: declared_bytes,
            data_over: false,
        }
    }

    pub(crate) fn set_bytes_max(&self, bytes_max: u64) {
        self.meter.set_bytes_max(bytes_max);
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.left_bytes
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    pub(crate) fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let polled = this.poll(cx);
        if polled.is_pending() {
            this.meter.wait(cx.waker());
        } else {
            this.meter.waits_no_more();
        }
        polled
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(kind) = self.meter.lock().failed {
            return Poll::Ready(Some(Err(kind.into())));
        }
        // A declared length is held against the limit when the route behind whoever looks has said it.
        let looking = self.left_bytes.is_some() && self.meter.looking.load(Ordering::Relaxed);
        let bytes_max = match looking {
            true => u64::MAX,
            false => self.meter.bytes_max.load(Ordering::Relaxed),
        };
        let received_bytes = self.meter.received_bytes();
        let hopeless = self
            .left_bytes
            .is_some_and(|left| received_bytes.saturating_add(left) > bytes_max);
        if hopeless {
            return self.failed(BodyErrorKind::TooLarge);
        }
        if !self.data_over {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    let count = data.len();
                    let received_bytes = received_bytes.saturating_add(count as u64);
                    self.meter.received_bytes.store(received_bytes, Ordering::Relaxed);
                    if received_bytes > bytes_max {
                        return self.failed(BodyErrorKind::TooLarge);
                    }
                    if let Some(left) = &mut self.left_bytes {
                        *left = left.saturating_sub(count as u64);
                    }
                    // Fails for a stream that is gone, whose window nobody needs.
                    let _ = self.stream.flow_control().release_capacity(count);
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) => return self.failed(kind_of(&error)),
                None => self.data_over = true,
            }
        }
        match ready!(self.stream.poll_trailers(cx)) {
            Ok(Some(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Ok(None) => Poll::Ready(None),
            Err(error) => self.failed(kind_of(&error)),
        }
    }

    fn failed(&self, kind: BodyErrorKind) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.meter.fail(kind);
        Poll::Ready(Some(Err(kind.into())))
    }
}

/// A peer that broke the rules, or one that went away.
fn kind_of(error: &h2::Error) -> BodyErrorKind {
    if error.is_library() {
        BodyErrorKind::Malformed
    } else {
        BodyErrorKind::Gone
    }
}
