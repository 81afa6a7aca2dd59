//! The body of a request: all there at once, or arriving, with back-pressure to the peer.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use crate::conn::h2::body::{Incoming, Meter};
use crate::core::link::{Link, Note};
use crate::limits::BUFFER_BYTES_MAX;
use crate::source::ConnId;

/// A request body. `Send`, so that handlers may read it on any thread.
///
/// A body that is dropped unread is thrown away by the engine, up to a bound; past it the connection is closed.
#[derive(Debug)]
pub struct Body(Kind);

/// A body of whatever origin.
#[cfg(feature = "http3")]
pub(crate) trait Boxed:
    http_body::Body<Data = Bytes, Error = BodyError> + std::fmt::Debug + Send
{
}

#[derive(Debug)]
enum Kind {
    Empty,
    Full(Bytes, Option<Arc<Whole>>),
    Arriving(Arc<Channel>),
    Streamed(Box<Incoming>),
    /// From wherever else, with the limit that `Meter` knows.
    #[cfg(feature = "http3")]
    Boxed(Pin<Box<dyn Boxed>>, Arc<Meter>),
}

impl Body {
    /// No body.
    pub fn empty() -> Self {
        Body(Kind::Empty)
    }

    /// A body that is there already.
    pub fn full(bytes: Bytes) -> Self {
        Body(if bytes.is_empty() {
            Kind::Empty
        } else {
            Kind::Full(bytes, None)
        })
    }

    /// A body that came with its head, and whose limit may still be lowered. Not empty.
    pub(crate) fn whole(bytes: Bytes, whole: Arc<Whole>) -> Self {
        Body(Kind::Full(bytes, Some(whole)))
    }

    pub(crate) fn arriving(channel: Arc<Channel>) -> Self {
        Body(Kind::Arriving(channel))
    }

    pub(crate) fn streamed(incoming: Incoming) -> Self {
        Body(Kind::Streamed(Box::new(incoming)))
    }

    #[cfg(feature = "http3")]
    pub(crate) fn boxed(body: Pin<Box<dyn Boxed>>, meter: Arc<Meter>) -> Self {
        Body(Kind::Boxed(body, meter))
    }

    /// Changes, for this request, how many bytes its body may have. Takes effect for what has not been read yet; past
    /// it the body ends with an error, and the answer is 413 whatever the handler says.
    pub fn set_bytes_max(&self, bytes_max: u64) {
        match &self.0 {
            Kind::Arriving(channel) => channel.set_bytes_max(bytes_max),
            Kind::Full(_, Some(whole)) => whole.set_bytes_max(bytes_max),
            Kind::Streamed(incoming) => incoming.set_bytes_max(bytes_max),
            #[cfg(feature = "http3")]
            Kind::Boxed(_, meter) => meter.set_bytes_max(bytes_max),
            Kind::Full(_, None) | Kind::Empty => {}
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Kind::Empty => Poll::Ready(None),
            Kind::Full(bytes, whole) => {
                let bytes = std::mem::take(bytes);
                let allowed = whole.as_ref().is_none_or(|whole| whole.allows(bytes.len()));
                self.0 = Kind::Empty;
                Poll::Ready(Some(if allowed {
                    Ok(Frame::data(bytes))
                } else {
                    Err(BodyErrorKind::TooLarge.into())
                }))
            }
            Kind::Arriving(channel) => channel.poll(cx),
            Kind::Streamed(incoming) => Pin::new(&mut **incoming).poll_frame(cx),
            #[cfg(feature = "http3")]
            Kind::Boxed(body, _) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Full(..) => false,
            Kind::Streamed(incoming) => incoming.is_end_stream(),
            #[cfg(feature = "http3")]
            Kind::Boxed(body, _) => body.is_end_stream(),
            Kind::Arriving(channel) => {
                let state = channel.lock();
                state.chunks.is_empty() && state.trailers.is_none() && matches!(state.end, Some(Ok(())))
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes, _) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Streamed(incoming) => incoming.size_hint(),
            #[cfg(feature = "http3")]
            Kind::Boxed(body, _) => body.size_hint(),
            Kind::Arriving(channel) => match channel.lock().remaining {
                Some(bytes) => SizeHint::with_exact(bytes),
                None => SizeHint::default(),
            },
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Kind::Arriving(channel) = &self.0 {
            channel.abandon();
        }
    }
}

/// Why a request body ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyError {
    kind: BodyErrorKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyErrorKind {
    TooLarge,
    Malformed,
    TimedOut,
    Gone,
}

impl From<BodyErrorKind> for BodyError {
    fn from(kind: BodyErrorKind) -> Self {
        BodyError { kind }
    }
}

impl BodyError {
    /// The body has more bytes than its limit: 413.
    pub fn is_too_large(&self) -> bool {
        self.kind == BodyErrorKind::TooLarge
    }

    /// The peer closed before the end.
    pub fn is_gone(&self) -> bool {
        self.kind == BodyErrorKind::Gone
    }

    /// The body did not arrive in time: 408.
    pub fn is_timed_out(&self) -> bool {
        self.kind == BodyErrorKind::TimedOut
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            BodyErrorKind::TooLarge => "the request body is larger than its limit",
            BodyErrorKind::Malformed => "the request body is malformed",
            BodyErrorKind::TimedOut => "the request body did not arrive in time",
            BodyErrorKind::Gone => "the peer closed before the end of the request body",
        })
    }
}

impl std::error::Error for BodyError {}

/// What may still be said about a body that came whole with its head.
#[derive(Debug)]
pub(crate) struct Whole {
    bytes_max: AtomicU64,
    /// It was read, and had more bytes than that.
    refused: AtomicBool,
}

impl Whole {
    /// For a body that is within its server's limit.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Whole {
            bytes_max: AtomicU64::new(u64::MAX),
            refused: AtomicBool::new(false),
        })
    }

    fn set_bytes_max(&self, bytes_max: u64) {
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
    }

    fn allows(&self, bytes: usize) -> bool {
        let allowed = bytes as u64 <= self.bytes_max.load(Ordering::Relaxed);
        self.refused.fetch_or(!allowed, Ordering::Release);
        allowed
    }
}

/// Where the core learns, when the answer is there, that the handler asked for a body past its limit.
#[derive(Debug)]
pub(crate) enum Judge {
    Whole(Arc<Whole>),
    /// It has arrived to its end.
    Arrived(Arc<Channel>),
}

impl Judge {
    pub(crate) fn has_refused(&self) -> bool {
        match self {
            Judge::Whole(whole) => whole.refused.load(Ordering::Acquire),
            Judge::Arrived(channel) => channel.has_refused(),
        }
    }
}

/// Between the core, which receives the body, and the handler, which reads it.
#[derive(Debug)]
pub(crate) struct Channel {
    state: Mutex<State>,
    link: Arc<Link>,
    conn: ConnId,
}

#[derive(Debug, Default)]
struct State {
    chunks: VecDeque<Bytes>,
    /// What `chunks` cost, see [`cost`].
    bytes: usize,
    trailers: Option<HeaderMap>,
    end: Option<Result<(), BodyErrorKind>>,
    reader: Option<Waker>,
    /// Bytes of a Content-Length that the handler has not been given yet.
    remaining: Option<u64>,
    /// Set by the handler.
    bytes_max: Option<u64>,
    /// The core has not heard of `bytes_max` yet.
    bytes_max_is_new: bool,
    /// What the handler was given.
    given_bytes: u64,
    /// The handler asked for more than `bytes_max`.
    refused: bool,
    look: Look,
    /// The core stopped reading the socket until the handler takes something.
    paused: bool,
    /// The handler waits for bytes: the moment to send `100 Continue`.
    wanted: bool,
    abandoned: bool,
}

/// Whether somebody looks at the beginning of a body before its limit is known: see [`BodyControl::look_ahead`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nobody did.
    #[default]
    Never,
    Now,
    /// Nothing is read or refused before the handler asks anew.
    Over,
}

/// What the core does next after it gave the channel something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Go on reading.
    More,
    /// The handler is behind: a [`Note::Resume`] comes when it has caught up.
    Pause,
    /// Nobody reads it any more.
    Abandoned,
}

impl Channel {
    pub(crate) fn new(link: Arc<Link>, conn: ConnId, remaining: Option<u64>) -> Arc<Self> {
        let state = State {
            remaining,
            ..State::default()
        };
        Arc::new(Channel {
            state: Mutex::new(state),
            link,
            conn,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the queue whole: nothing here can panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, bytes: Bytes) -> Pace {
        let mut state = self.lock();
        if state.abandoned {
            return Pace::Abandoned;
        }
        state.bytes += cost(&bytes);
        state.chunks.push_back(bytes);
        let reader = state.reader.take();
        state.paused = state.bytes >= BUFFER_BYTES_MAX;
        let pace = if state.paused { Pace::Pause } else { Pace::More };
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        pace
    }

    pub(crate) fn end(&self, trailers: Option<HeaderMap>) {
        self.finish(Ok(()), trailers);
    }

    pub(crate) fn fail(&self, kind: BodyErrorKind) {
        self.finish(Err(kind), None);
    }

    fn finish(&self, end: Result<(), BodyErrorKind>, trailers: Option<HeaderMap>) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.end = Some(end);
            state.trailers = trailers;
        }
        // Nothing more comes for which the reader would have to make room.
        state.paused = false;
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn set_bytes_max(&self, bytes_max: u64) {
        let mut state = self.lock();
        state.bytes_max = Some(bytes_max);
        state.bytes_max_is_new = true;
    }

    /// The limit that the handler asked for since the last call.
    pub(crate) fn take_bytes_max(&self) -> Option<u64> {
        let mut state = self.lock();
        std::mem::take(&mut state.bytes_max_is_new)
            .then_some(state.bytes_max)
            .flatten()
    }

    /// The limit that the handler asked for.
    pub(crate) fn peek_bytes_max(&self) -> Option<u64> {
        self.lock().bytes_max
    }

    /// Whether the handler was refused what it asked for, for being past its own limit.
    pub(crate) fn has_refused(&self) -> bool {
        self.lock().refused
    }

    pub(crate) fn look(&self) -> Look {
        self.lock().look
    }

    fn set_look(&self, look: Look) {
        let mut state = self.lock();
        state.look = look;
        // Whoever looked does not read on; the handler will say when it wants to.
        state.wanted = false;
    }

    /// Whether the handler is waiting for body bytes.
    pub(crate) fn is_wanted(&self) -> bool {
        self.lock().wanted
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.lock().paused
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.lock().abandoned
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut state = self.lock();
        if let Some(bytes) = state.chunks.pop_front() {
            state.bytes -= cost(&bytes);
            state.given_bytes += bytes.len() as u64;
            if state.bytes_max.is_some_and(|max| state.given_bytes > max) {
                return Poll::Ready(Some(Err(self.refuse(state))));
            }
            if let Some(remaining) = &mut state.remaining {
                *remaining = remaining.saturating_sub(bytes.len() as u64);
            }
            let resume = state.paused && state.bytes < BUFFER_BYTES_MAX / 2;
            state.paused &= !resume;
            drop(state);
            if resume {
                self.link.note(Note::Resume(self.conn));
            }
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if let Some(trailers) = state.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        match state.end {
            Some(Ok(())) => Poll::Ready(None),
            Some(Err(kind)) => Poll::Ready(Some(Err(kind.into()))),
            None => {
                state.reader = Some(cx.waker().clone());
                let first = !std::mem::replace(&mut state.wanted, true);
                drop(state);
                if first {
                    // Tells the core that a `100 Continue` is due, if the peer waits for one.
                    self.link.note(Note::Resume(self.conn));
                }
                Poll::Pending
            }
        }
    }

    /// More is here than the handler allows.
    fn refuse(&self, mut state: MutexGuard<'_, State>) -> BodyError {
        state.chunks.clear();
        state.bytes = 0;
        state.refused = true;
        state.trailers = None;
        let was_over = state.end.replace(Err(BodyErrorKind::TooLarge)).is_some();
        state.paused = false;
        drop(state);
        if !was_over {
            self.link.note(Note::Resume(self.conn));
        }
        BodyErrorKind::TooLarge.into()
    }

    fn abandon(&self) {
        let mut state = self.lock();
        state.abandoned = true;
        state.chunks.clear();
        state.bytes = 0;
        let over = state.end.is_some();
        state.paused = false;
        drop(state);
        if !over {
            self.link.note(Note::Resume(self.conn));
        }
    }
}

/// What a piece that waits for its reader counts: its bytes, and about what its record and its allocation take, or
/// a body in drops would cost many times its bytes.
fn cost(piece: &Bytes) -> usize {
    const PIECE_COST_BYTES: usize = 64;
    piece.len() + PIECE_COST_BYTES
}

/// A request extension, there when a request has a body: lets a layer change the limit of its route.
#[derive(Clone, Debug)]
pub struct BodyControl(Controlled);

#[derive(Clone, Debug)]
enum Controlled {
    Whole(Arc<Whole>),
    Arriving(Arc<Channel>),
    Streamed(Arc<Meter>),
}

impl BodyControl {
    pub(crate) fn of_whole(whole: Arc<Whole>) -> Self {
        BodyControl(Controlled::Whole(whole))
    }

    pub(crate) fn new(channel: Arc<Channel>) -> Self {
        BodyControl(Controlled::Arriving(channel))
    }

    pub(crate) fn streamed(meter: Arc<Meter>) -> Self {
        BodyControl(Controlled::Streamed(meter))
    }

    /// As [`Body::set_bytes_max`].
    pub fn set_bytes_max(&self, bytes_max: u64) {
        match &self.0 {
            Controlled::Whole(whole) => whole.set_bytes_max(bytes_max),
            Controlled::Arriving(channel) => channel.set_bytes_max(bytes_max),
            Controlled::Streamed(meter) => meter.set_bytes_max(bytes_max),
        }
    }

    /// For a layer that must see how a body begins, while only the route behind it knows how long it may be. From
    /// `true` to `false` the body can be read though its declared length is past the limit; then nothing is read or
    /// refused until somebody asks for more of it, so the route can still say its limit.
    ///
    /// Whoever looks bounds what it reads: 64 KiB may wait besides.
    pub fn look_ahead(&self, looking: bool) {
        match &self.0 {
            Controlled::Arriving(channel) => channel.set_look(if looking { Look::Now } else { Look::Over }),
            Controlled::Streamed(meter) => meter.look_ahead(looking),
            Controlled::Whole(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_in_drops_costs_no_more_than_the_limit() {
        let id = ConnId { slot: 0, life: 0 };
        let channel = Channel::new(Arc::new(Link::default()), id, None);
        let mut count = 0;
        while channel.push(Bytes::from_static(b"x")) == Pace::More {
            count += 1;
        }
        assert_eq!(count, BUFFER_BYTES_MAX.div_ceil(65) - 1);
        let mut body = Body::arriving(channel.clone());
        let mut cx = Context::from_waker(Waker::noop());
        while http_body::Body::poll_frame(Pin::new(&mut body), &mut cx).is_ready() {}
        assert!(!channel.is_paused());
        assert_eq!(channel.lock().bytes, 0);
    }
}
