//! The answer to a request: its head, its body at the pace of the peer, its end.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::{Body as _, Frame};
use squall_wire::h1::{
    BodyFraming, Encoded, Reject, ResponseHead, ResponseLength, encode_chunk_end, encode_chunk_start,
    encode_head, encode_last_chunk,
};
use squall_wire::ws::Deflate;

use crate::app::{App, BoxError};
use crate::body::BodyErrorKind;
use crate::conn::http::{Becomes, Exchange, Http, UNMEASURED};
use crate::conn::request::{Outcome, Rest, TOO_LARGE};
use crate::core::Core;
use crate::file::{FileFrames, FileWindow};
use crate::limits::BUFFER_BYTES_MAX;
use crate::metrics::Rejected;
use crate::source::{ConnId, Framing, Park};
use crate::ws::OnUpgrade;

/// A piece of a body up to this size is copied beside the head; a longer one is written from where it is.
const COPY_BYTES_MAX: usize = 16 * 1024;

/// Bytes of one answer in one turn: a body that is always ready, and a peer that reads fast, leave room for others.
const TURN_BYTES_MAX: usize = 4 * BUFFER_BYTES_MAX;

/// What a frame counts at least, so that many tiny ones are bounded too.
const FRAME_COST_BYTES: usize = 256;

/// What is answered when there is no answer.
pub(crate) const FAILED: Reject = Reject {
    status: StatusCode::INTERNAL_SERVER_ERROR,
    reason: "the server could not answer this request",
};

/// A handler's success would be read as the beginning of a tunnel (RFC 9110, section 9.3.6).
const NO_TUNNEL: Reject = Reject {
    status: StatusCode::NOT_IMPLEMENTED,
    reason: "no tunnel is made here",
};

/// Its bytes would be taken for frames.
pub(crate) const UPGRADE_WITH_BODY: Reject = Reject {
    status: StatusCode::BAD_REQUEST,
    reason: "a request with a body cannot become a WebSocket",
};

impl<A: App> Core<A> {
    /// Answers while the request is being served; what cannot be written at once becomes a task.
    pub(crate) fn answer_in_place(self: &Rc<Self>, id: ConnId, http: &mut Http, outcome: Outcome<A::Body>) {
        let Some(rest) = self.answer(id, http, outcome) else {
            return;
        };
        let core = self.clone();
        let task = self.spawn_for(id, async move {
            let guard = TaskGuard { core: &core, id };
            core.stream(id, rest).await;
            std::mem::forget(guard);
        });
        if let Some(exchange) = &mut http.exchange {
            exchange.task = Some(task);
        }
    }

    /// Answers from the handler's task; gives back what is left to stream.
    pub(crate) fn answer_later(
        self: &Rc<Self>,
        id: ConnId,
        outcome: Outcome<A::Body>,
    ) -> Option<Rest<A::Body>> {
        let mut http = self.take_http(id)?;
        let rest = self.answer(id, &mut http, outcome);
        self.serve(id, http);
        rest
    }

    /// Encodes the head and as much of the body as is there.
    fn answer(&self, id: ConnId, http: &mut Http, outcome: Outcome<A::Body>) -> Option<Rest<A::Body>> {
        let exchange = http.exchange.as_ref()?;
        let tunnel = exchange.tunnel;
        if exchange.has_refused() {
            // Whatever a handler makes of a body that ended with an error, the peer is told why.
            self.refuse(http, &TOO_LARGE);
            return None;
        }
        let Some(response) = outcome else {
            self.refuse(http, &FAILED);
            return None;
        };
        let (mut parts, body) = response.into_parts();
        if self.is_other(http, &mut parts, tunnel) {
            return None;
        }
        let exact = body.size_hint().exact();
        self.take_files(id, http, &mut parts, exact);
        let mut ended = body.is_end_stream();
        let mut body = self.spares.bodies.put(body);
        let mut first = None;
        if !ended && exact.is_none() {
            match self.poll_now(&mut body) {
                Poll::Ready(Some(Ok(frame))) => {
                    ended = is_ended(&body) && frame.is_data();
                    first = Some(frame);
                }
                Poll::Ready(None) => ended = true,
                Poll::Ready(Some(Err(_))) if http.exchange.as_ref().is_some_and(Exchange::has_refused) => {
                    self.refuse(http, &TOO_LARGE);
                    return None;
                }
                Poll::Ready(Some(Err(error))) => {
                    tracing::error!(%error, "a response body failed before its first byte; the answer is 500");
                    self.refuse(http, &FAILED);
                    return None;
                }
                Poll::Pending => {}
            }
        }
        let length = match (&first, ended, exact) {
            (Some(frame), true, _) => ResponseLength::Exact(frame.data_ref().map_or(0, Bytes::len) as u64),
            (None, true, exact) => ResponseLength::Exact(exact.unwrap_or(0)),
            (_, false, Some(bytes)) => ResponseLength::Exact(bytes),
            (_, false, None) => ResponseLength::Unknown,
        };
        self.shared.advertise(&mut parts.headers);
        if !self.encode_answer(http, &parts, length) {
            return None;
        }
        self.spare(parts.headers);
        if http
            .exchange
            .as_ref()
            .is_some_and(|e| e.framing == Some(BodyFraming::None))
        {
            self.end_answer(http, None);
            return None;
        }
        let trailers = match first {
            Some(frame) => self.push_frame(http, frame),
            None => None,
        };
        if ended || trailers.is_some() {
            self.end_answer(http, trailers);
            return None;
        }
        match self.fill(http, &mut body) {
            Filled::More => Some(body),
            Filled::Over => {
                self.spares.bodies.keep(body);
                None
            }
        }
    }

    /// One frame if it is there. What is not gets polled again by a task, so nobody needs to be woken by this poll.
    ///
    /// A body that panics here must not take its core down; in a task of its own it would not.
    fn poll_now(&self, body: &mut Rest<A::Body>) -> Polled {
        let poll = || poll_body(body, &mut Context::from_waker(Waker::noop()));
        match catch_unwind(AssertUnwindSafe(poll)) {
            Ok(polled) => polled.map_err(Into::into),
            Err(_) => {
                self.link.counts.panics.add(1);
                Poll::Ready(Some(Err("the response body panicked".into())))
            }
        }
    }

    /// Whether the response is no answer with a body: then what it is instead has been seen to.
    fn is_other(&self, http: &mut Http, parts: &mut Parts, tunnel: bool) -> bool {
        if tunnel && parts.status.is_success() {
            self.refuse(http, &NO_TUNNEL);
            return true;
        }
        if !parts.extensions.is_empty() {
            match self.becomes(parts) {
                Some(Becomes::Parked(park, deflate)) => {
                    self.answer_parked(http, parts, park, deflate);
                    return true;
                }
                Some(Becomes::WebSocket(upgrade, deflate)) => {
                    self.answer_upgrade(http, parts, upgrade, deflate);
                    return true;
                }
                None => {}
            }
        }
        // 1xx ends no request; 600 and more mean nothing (RFC 9110, section 15).
        let is_answer = (200..600).contains(&parts.status.as_u16());
        if !is_answer {
            tracing::error!(status = %parts.status, "this status is no answer; the answer is 500");
            self.refuse(http, &FAILED);
        }
        !is_answer
    }

    /// Takes parts of files from the body, if it has such, and the socket can.
    fn take_files(&self, id: ConnId, http: &mut Http, parts: &mut Parts, exact: Option<u64>) {
        if parts.extensions.is_empty() {
            return;
        }
        let is_plain = |id| {
            let mut conns = self.conns.borrow_mut();
            conns
                .get_mut(id)
                .is_some_and(|conn| conn.socket.plain().is_some())
        };
        if let Some(files) = parts.extensions.remove::<FileFrames>()
            && let Some(exchange) = &mut http.exchange
            && is_plain(id)
            && files.begin(exact)
        {
            exchange.files = Some(files);
        }
    }

    /// Takes what the body has right now.
    fn fill(&self, http: &mut Http, body: &mut Rest<A::Body>) -> Filled {
        while http.outbox.bytes() + self.out.borrow().len() < BUFFER_BYTES_MAX {
            match self.poll_now(body) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Some(trailers) = self.push_frame(http, frame) {
                        self.end_answer(http, Some(trailers));
                        return Filled::Over;
                    }
                    let Some(exchange) = &http.exchange else {
                        return Filled::Over;
                    };
                    if exchange.is_written() && is_ended(body) {
                        self.end_answer(http, None);
                        return Filled::Over;
                    }
                }
                Poll::Ready(None) => {
                    self.end_answer(http, None);
                    return Filled::Over;
                }
                Poll::Ready(Some(Err(error))) => {
                    self.cut_answer(http, error);
                    return Filled::Over;
                }
                Poll::Pending => break,
            }
        }
        Filled::More
    }

    /// Writes the rest of an answer at the pace of its peer.
    pub(crate) async fn stream(self: &Rc<Self>, id: ConnId, mut body: Rest<A::Body>) {
        poll_fn(|cx| self.poll_stream(id, &mut body, cx)).await;
    }

    fn poll_stream(self: &Rc<Self>, id: ConnId, body: &mut Rest<A::Body>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(mut http) = self.take_http(id) else {
            return Poll::Ready(());
        };
        let mut turn_bytes = 0;
        loop {
            if turn_bytes >= TURN_BYTES_MAX {
                cx.waker().wake_by_ref();
                self.settle(id, http);
                return Poll::Pending;
            }
            if http
                .exchange
                .as_ref()
                .is_none_or(|e| e.framing.is_none() || e.answered)
            {
                self.serve(id, http);
                return Poll::Ready(());
            }
            if http.outbox.bytes() + self.out.borrow().len() >= BUFFER_BYTES_MAX {
                if self.flush(id, &mut http).is_err() {
                    self.put_http(id, http);
                    self.close(id);
                    return Poll::Ready(());
                }
                if http.outbox.bytes() >= BUFFER_BYTES_MAX {
                    http.room = Some(cx.waker().clone());
                    self.settle(id, http);
                    return Poll::Pending;
                }
            }
            match poll_body(body, cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let before = http.outbox.bytes();
                    let data_bytes = frame.data_ref().map_or(0, Bytes::len);
                    if let Some(trailers) = self.push_frame(&mut http, frame) {
                        self.end_answer(&mut http, Some(trailers));
                    }
                    let owed_bytes = http.outbox.bytes().saturating_sub(before);
                    turn_bytes += data_bytes.max(owed_bytes).max(FRAME_COST_BYTES);
                }
                Poll::Ready(None) => self.end_answer(&mut http, None),
                Poll::Ready(Some(Err(error))) => self.cut_answer(&mut http, &*error.into()),
                Poll::Pending => {
                    self.settle(id, http);
                    return Poll::Pending;
                }
            }
        }
    }

    /// Writes the head; whether that could be done.
    fn encode_answer(&self, http: &mut Http, parts: &Parts, length: ResponseLength) -> bool {
        let Some(exchange) = &mut http.exchange else {
            return false;
        };
        // A peer that was never told to go on may send its body, or may not: nothing after it can be understood.
        if exchange.expects_continue && exchange.body.is_some() {
            exchange.keep_alive = false;
        }
        exchange.keep_alive &= self.draining.get().is_none();
        let date = self.clock.date();
        let head = ResponseHead {
            status: parts.status,
            headers: &parts.headers,
            length,
            request_version: exchange.version,
            head_request: exchange.head_request,
            keep_alive: exchange.keep_alive,
            date: &date,
        };
        let mut out = self.out.borrow_mut();
        let before = out.len();
        match encode_head(&head, &mut out) {
            Ok(Encoded { framing, close }) => {
                exchange.left_bytes = if let BodyFraming::Exact(bytes) = framing {
                    bytes
                } else {
                    0
                };
                // What the peer was told, be it for the handler, holds for us too.
                exchange.keep_alive = !close;
                exchange.framing = Some(framing);
                let began = exchange.began;
                drop(out);
                self.count_answer(parts.status, began);
                true
            }
            Err(error) => {
                out.truncate(before);
                drop(out);
                tracing::error!(%error, "a response head could not be encoded; the answer is 500");
                self.refuse(http, &FAILED);
                false
            }
        }
    }

    /// Appends one frame of the body; trailers are given back.
    fn push_frame(&self, http: &mut Http, frame: Frame<Bytes>) -> Option<HeaderMap> {
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => return frame.into_trailers().ok(),
        };
        let exchange = http.exchange.as_mut()?;
        if data.is_empty() {
            if let Some(window) = exchange.files.as_ref().and_then(FileFrames::take) {
                self.push_window(http, window);
            }
            return None;
        }
        let chunked = match exchange.framing {
            Some(BodyFraming::Exact(_)) => match exchange.left_bytes.checked_sub(data.len() as u64) {
                Some(left) => {
                    exchange.left_bytes = left;
                    false
                }
                None => {
                    self.cut_answer(http, "the body is longer than its Content-Length");
                    return None;
                }
            },
            Some(BodyFraming::Chunked) => true,
            Some(BodyFraming::UntilClose) => false,
            Some(BodyFraming::None) | None => return None,
        };
        let mut out = self.out.borrow_mut();
        if chunked {
            encode_chunk_start(data.len(), &mut out);
        }
        if data.len() <= COPY_BYTES_MAX {
            out.extend_from_slice(&data);
        } else {
            http.outbox.push(Bytes::copy_from_slice(&out));
            out.clear();
            http.outbox.push(data);
        }
        if chunked {
            encode_chunk_end(&mut out);
        }
        None
    }

    /// Appends a part of a file. Only a body with a length gives such.
    fn push_window(&self, http: &mut Http, window: FileWindow) {
        let Some(exchange) = &mut http.exchange else {
            return;
        };
        match exchange.left_bytes.checked_sub(window.bytes as u64) {
            Some(left) if window.bytes > 0 => exchange.left_bytes = left,
            _ => return self.cut_answer(http, "the body is longer than its Content-Length"),
        }
        let mut out = self.out.borrow_mut();
        http.outbox.push(Bytes::copy_from_slice(&out));
        out.clear();
        http.outbox.push_file(window);
    }

    /// The body's end: the exchange is over, unless its request is still arriving.
    fn end_answer(&self, http: &mut Http, trailers: Option<HeaderMap>) {
        let Some(exchange) = &mut http.exchange else {
            return;
        };
        if exchange.left_bytes > 0 && exchange.framing != Some(BodyFraming::None) {
            return self.cut_answer(http, "the body is shorter than its Content-Length");
        }
        if exchange.framing == Some(BodyFraming::Chunked) {
            let mut out = self.out.borrow_mut();
            if let Err(error) = encode_last_chunk(trailers.as_ref(), &mut out) {
                tracing::warn!(%error, "response trailers could not be encoded; they are left out");
                // Without trailers there is nothing that could fail.
                let _ = encode_last_chunk(None, &mut out);
            }
        }
        exchange.answered = true;
        exchange.task = None;
        if let Some(body) = &exchange.body {
            // What still comes is thrown away. Whoever kept the body must not take what it has for all there is.
            body.channel.fail(BodyErrorKind::Gone);
        }
        if exchange.body.is_some() && !exchange.expects_continue {
            return; // `feed_body` throws the rest away, and then ends the exchange.
        }
        if exchange.body.is_some() {
            http.linger = true;
        }
        self.end_exchange(http);
    }

    /// The next request may come, or the connection closes.
    pub(crate) fn end_exchange(&self, http: &mut Http) {
        if let Some(exchange) = http.exchange.take()
            && !exchange.keep_alive
        {
            http.closing = true;
            http.linger |= !http.input.is_empty();
            http.input = Bytes::new();
        }
    }

    /// An answer that cannot be completed must not look complete: the connection ends where it is.
    fn cut_answer(&self, http: &mut Http, error: impl std::fmt::Display) {
        tracing::warn!(%error, "a response body failed on its way; the connection is closed");
        http.exchange = None;
        http.closing = true;
        http.cut = true;
        http.input = Bytes::new();
    }

    /// Keeps a header map for the next request.
    fn spare(&self, mut headers: HeaderMap) {
        headers.clear();
        let mut spare = self.spare_headers.borrow_mut();
        if spare.capacity() < headers.capacity() && headers.capacity() <= 64 {
            *spare = headers;
        }
    }

    /// A response that parks its connection.
    fn answer_parked(&self, http: &mut Http, parts: &Parts, park: Park, deflate: Option<Deflate>) {
        let length = match park.framing {
            Framing::Answer => {
                http.parked_headers = Some(Box::new(parts.headers.clone()));
                if let Some(exchange) = &mut http.exchange {
                    exchange.began = UNMEASURED;
                }
                http.becomes = Some(Becomes::Parked(park, None));
                return;
            }
            Framing::Stream => ResponseLength::UntilClose,
            Framing::WebSocket => ResponseLength::Exact(0),
        };
        let stream = park.framing == Framing::Stream;
        if !stream && is_arriving(http) {
            return self.refuse(http, &UPGRADE_WITH_BODY);
        }
        if !self.encode_answer(http, parts, length) {
            return;
        }
        let head_only = http
            .exchange
            .as_ref()
            .is_some_and(|e| e.framing == Some(BodyFraming::None));
        http.exchange = None;
        if stream && head_only {
            // HEAD of a stream: its head, and that is all.
            http.closing = true;
            return;
        }
        http.becomes = Some(Becomes::Parked(park, deflate));
    }

    /// The `101` of a WebSocket that has a handler.
    fn answer_upgrade(&self, http: &mut Http, parts: &Parts, upgrade: OnUpgrade, deflate: Option<Deflate>) {
        if parts.status != StatusCode::SWITCHING_PROTOCOLS {
            tracing::error!(status = %parts.status, "an upgrade must be answered with 101; the answer is 500");
            return self.refuse(http, &FAILED);
        }
        if is_arriving(http) {
            return self.refuse(http, &UPGRADE_WITH_BODY);
        }
        if self.encode_answer(http, parts, ResponseLength::Exact(0)) {
            http.exchange = None;
            http.becomes = Some(Becomes::WebSocket(upgrade, deflate));
        }
    }

    /// The answer of a parked long-poll is there: it is an ordinary exchange again.
    pub(crate) fn answer_polled(self: &Rc<Self>, id: ConnId, mut http: Box<Http>, response: Response<Bytes>) {
        let (mut parts, body) = response.into_parts();
        if let Some(mut headers) = http.parked_headers.take() {
            // A name's first value replaces, the others are appended.
            headers.extend(parts.headers);
            parts.headers = *headers;
        }
        if self.encode_answer(&mut http, &parts, ResponseLength::Exact(body.len() as u64)) {
            self.push_frame(&mut http, Frame::data(body));
            if let Some(exchange) = &mut http.exchange
                && exchange.framing == Some(BodyFraming::None)
            {
                exchange.left_bytes = 0;
            }
            self.end_answer(&mut http, None);
        }
        self.feed_body(id, &mut http);
        // Not `serve`: polls that are pipelined and answered at once would each be a call inside the other.
        self.settle(id, http);
    }

    /// There are as many handlers as there may be. The connection stays: its peer may come back on it.
    pub(crate) fn answer_full(&self, http: &mut Http) {
        const REASON: &[u8] = b"the server has too much to do\n";
        let retry_after_s = self.limits.retry_after.as_millis().div_ceil(1000);
        let response = Response::builder()
            .status(StatusCode::SERVICE_UNAVAILABLE)
            .header(RETRY_AFTER, HeaderValue::from(retry_after_s as u64))
            .header(CONTENT_TYPE, "text/plain; charset=utf-8")
            .body(());
        let Ok((parts, ())) = response.map(Response::into_parts) else {
            return self.refuse(http, &FAILED);
        };
        self.link.counts.rejected.add(Rejected::Unavailable, 1);
        if self.encode_answer(http, &parts, ResponseLength::Exact(REASON.len() as u64)) {
            self.push_frame(http, Frame::data(Bytes::from_static(REASON)));
            self.end_answer(http, None);
        }
    }

    /// A handler or a body panicked in its task.
    pub(crate) fn task_panicked(self: &Rc<Self>, id: ConnId) {
        self.link.counts.panics.add(1);
        tracing::error!("a handler panicked");
        // What was encoded for this connection must not reach another.
        self.out.borrow_mut().clear();
        match self.take_http(id) {
            Some(mut http) if http.exchange.as_ref().is_some_and(|e| e.framing.is_none()) => {
                self.refuse(&mut http, &FAILED);
                self.settle(id, http);
            }
            Some(mut http) => {
                http.exchange = None;
                self.put_http(id, http);
                self.abandon(id);
                self.close(id);
            }
            None => self.close(id),
        }
    }
}

/// Answers for a task that ends by a panic. Forgotten when the task ends as it should; the connection of a cancelled
/// task is gone or answered already.
pub(crate) struct TaskGuard<'a, A: App> {
    pub(crate) core: &'a Rc<Core<A>>,
    pub(crate) id: ConnId,
}

impl<A: App> Drop for TaskGuard<'_, A> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.core.task_panicked(self.id);
        }
    }
}

/// Whether there is, or may be, a request body that nobody has read to its end.
fn is_arriving(http: &Http) -> bool {
    http.linger || http.exchange.as_ref().is_some_and(|e| e.body.is_some())
}

/// Whether a body has more to come.
enum Filled {
    More,
    Over,
}

/// A frame of a body, its end, or why there is none.
type Polled = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

/// What polling a body comes to.
pub(crate) type Framed<B> =
    Option<Result<Frame<<B as http_body::Body>::Data>, <B as http_body::Body>::Error>>;

/// Polls a body in a reused box. It is there until its box is given back.
pub(crate) fn poll_body<B: http_body::Body>(body: &mut Rest<B>, cx: &mut Context<'_>) -> Poll<Framed<B>> {
    match body.as_mut().as_pin_mut() {
        Some(body) => body.poll_frame(cx),
        None => Poll::Ready(None),
    }
}

pub(crate) fn is_ended<B: http_body::Body>(body: &Rest<B>) -> bool {
    body.as_ref().as_pin_ref().is_none_or(|body| body.is_end_stream())
}
