//! The answer on a stream of HTTP/2: its head, its body at the pace of the peer's windows, its trailers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderName, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT,
    TRANSFER_ENCODING, UPGRADE,
};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::Frame;
use squall_wire::h1::Reject;

use super::body::Meter;
use super::gate::Gate;
use super::life::{Life, Wait};
use crate::app::{App, BoxError};
use crate::conn::answer::{FAILED, UPGRADE_WITH_BODY, is_ended, poll_body};
use crate::conn::http::Becomes;
use crate::conn::request::{Outcome, Rest, TOO_LARGE};
use crate::core::Core;
use crate::core::clock::Micros;
use crate::limits::BUFFER_BYTES_MAX;
use crate::source::Framing;

/// Bytes of one answer in one turn, as in HTTP/1.
const TURN_BYTES_MAX: usize = 4 * BUFFER_BYTES_MAX;

/// What a frame counts at least, so that many tiny ones are bounded too.
const FRAME_COST_BYTES: usize = 256;

/// What is left of a request once its handler has been called.
pub(super) struct Asked {
    pub(super) respond: SendResponse<Bytes>,
    pub(super) head_request: bool,
    /// The peer waits for `100 Continue` before it sends the body.
    pub(super) expects_continue: bool,
    /// When it began, in the core's time.
    pub(super) began: Micros,
    /// The request's body, if there is one.
    pub(super) meter: Option<Arc<Meter>>,
    /// The stream of a WebSocket handshake (RFC 8441), which has no body but goes on.
    pub(super) tunnel: Option<RecvStream>,
}

/// What came of beginning an answer.
pub(super) enum Answered<B> {
    /// All of it is with the h2 crate, or the stream was reset.
    Over,
    /// Its body goes on.
    Rest(Sending<B>),
    /// The stream becomes something else: nothing is sent yet.
    Becomes(Box<(Asked, Parts, Becomes)>),
}

impl<A: App> Core<A> {
    /// Begins the answer: sends its head, and as much of its body as is there and the windows allow.
    pub(super) fn h2_answer(
        &self,
        gate: &Gate,
        mut asked: Asked,
        outcome: Outcome<A::Body>,
    ) -> Answered<A::Body> {
        if asked.meter.as_ref().is_some_and(|meter| meter.is_too_large()) {
            return self.h2_refuse(asked, &TOO_LARGE);
        }
        let Some(response) = outcome else {
            return self.h2_refuse(asked, &FAILED);
        };
        let (mut parts, body) = response.into_parts();
        if !parts.extensions.is_empty()
            && let Some(becomes) = self.becomes(&mut parts)
        {
            return self.check_becomes(asked, parts, becomes);
        }
        if parts.status.is_informational() {
            tracing::error!(status = %parts.status, "this status is no answer; the answer is 500");
            return self.h2_refuse(asked, &FAILED);
        }
        let first = match First::of(self, body) {
            Ok(first) => first,
            Err(error) => {
                tracing::error!(%error, "a response body failed before its first byte; the answer is 500");
                return self.h2_refuse(asked, &FAILED);
            }
        };
        let length = self.h2_fields(&mut parts, asked.head_request, first.length_bytes);
        let over = length == Length::None || (first.ended && first.frame.is_none());
        self.count_answer(parts.status, asked.began);
        let mut response = Response::new(());
        *response.status_mut() = parts.status;
        *response.headers_mut() = parts.headers;
        let send = match asked.respond.send_response(response, over) {
            Ok(send) => send,
            Err(error) => {
                tracing::debug!(%error, "an answer could not be sent; its stream is gone");
                return Answered::Over;
            }
        };
        if over {
            return Answered::Over;
        }
        let left_bytes = if let Length::Exact(bytes) = length {
            Some(bytes)
        } else {
            None
        };
        let mut sending = Sending::new(send, first.body, left_bytes, first.ended);
        if let Some(frame) = first.frame {
            sending.take(frame);
        }
        // What cannot be sent now is polled again by a task, so nobody needs to be woken by this poll.
        match sending.poll(gate, None, &mut Context::from_waker(Waker::noop())) {
            Poll::Ready(()) => {
                self.spares.bodies.keep(sending.body);
                Answered::Over
            }
            Poll::Pending => Answered::Rest(sending),
        }
    }

    /// Answers in the engine's own words.
    pub(super) fn h2_refuse<B>(&self, mut asked: Asked, reject: &Reject) -> Answered<B> {
        self.link.counts.refused(reject.status);
        let text = format!("{}\n", reject.reason);
        let response = self.h2_refusal(reject.status, text.len());
        // A stream that is gone needs no answer. The text is so short that it may wait for a window in the h2 crate.
        if let Ok(mut send) = asked.respond.send_response(response, asked.head_request)
            && !asked.head_request
        {
            let _ = send.send_data(text.into(), true);
        }
        Answered::Over
    }

    /// The head of an answer in the engine's own words.
    pub(in crate::conn) fn h2_refusal(&self, status: StatusCode, text_bytes: usize) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = status;
        let fields = response.headers_mut();
        fields.insert(DATE, self.h2_date());
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let retry_after_s = self.limits.retry_after.as_millis().div_ceil(1000) as u64;
            fields.insert(RETRY_AFTER, retry_after_s.into());
        }
        fields.insert(CONTENT_LENGTH, text_bytes.into());
        fields.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        response
    }

    fn check_becomes(&self, asked: Asked, parts: Parts, becomes: Becomes) -> Answered<A::Body> {
        let needs_tunnel = match &becomes {
            Becomes::Parked(park, _) => park.framing == Framing::WebSocket,
            Becomes::WebSocket(..) => true,
        };
        if needs_tunnel && parts.status != StatusCode::SWITCHING_PROTOCOLS {
            tracing::error!(status = %parts.status, "an upgrade must be answered with 101; the answer is 500");
            return self.h2_refuse(asked, &FAILED);
        }
        if needs_tunnel && asked.tunnel.is_none() {
            return self.h2_refuse(asked, &UPGRADE_WITH_BODY);
        }
        Answered::Becomes(Box::new((asked, parts, becomes)))
    }

    /// Makes a handler's fields those of HTTP/2, with the length and the date. Says how long the body is.
    pub(in crate::conn) fn h2_fields(
        &self,
        parts: &mut Parts,
        head_request: bool,
        length_bytes: Option<u64>,
    ) -> Length {
        let fields = &mut parts.headers;
        remove_connection_fields(fields);
        self.shared.advertise(fields);
        if !fields.contains_key(DATE) {
            fields.insert(DATE, self.h2_date());
        }
        let declared_bytes = declared(fields);
        match parts.status {
            StatusCode::NO_CONTENT => {
                fields.remove(CONTENT_LENGTH);
                return Length::None;
            }
            StatusCode::RESET_CONTENT => {
                fields.insert(CONTENT_LENGTH, 0.into());
                return Length::None;
            }
            _ => {}
        }
        if head_request || parts.status == StatusCode::NOT_MODIFIED {
            // A body of length 0 says nothing here: the handler gave none because none is sent.
            match declared_bytes.or(length_bytes.filter(|bytes| *bytes > 0 && head_request)) {
                Some(bytes) => fields.insert(CONTENT_LENGTH, bytes.into()),
                None => fields.remove(CONTENT_LENGTH),
            };
            return Length::None;
        }
        match length_bytes.or(declared_bytes) {
            Some(bytes) => {
                if declared_bytes != Some(bytes) {
                    fields.insert(CONTENT_LENGTH, bytes.into());
                }
                Length::Exact(bytes)
            }
            None => {
                fields.remove(CONTENT_LENGTH);
                Length::Unknown
            }
        }
    }
}

/// How long the body of an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::conn) enum Length {
    /// There is none.
    None,
    Exact(u64),
    Unknown,
}

/// A body, with its first frame if its length is not known and that frame is there.
struct First<B> {
    body: Rest<B>,
    frame: Option<Frame<Bytes>>,
    ended: bool,
    length_bytes: Option<u64>,
}

impl<B> First<B>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
{
    fn of<A: App<Body = B>>(core: &Core<A>, body: B) -> Result<Self, BoxError> {
        let exact = body.size_hint().exact();
        let mut ended = body.is_end_stream();
        let mut body = core.spares.bodies.put(body);
        let mut frame = None;
        if !ended && exact.is_none() {
            match poll_caught(&mut body, &mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Some(Ok(first))) => {
                    ended = first.is_data() && is_ended(&body);
                    frame = Some(first);
                }
                Poll::Ready(None) => ended = true,
                Poll::Ready(Some(Err(error))) => return Err(error),
                Poll::Pending => {}
            }
        }
        let length_bytes = match (&frame, ended) {
            (Some(frame), true) => Some(frame.data_ref().map_or(0, Bytes::len) as u64),
            (None, true) => Some(exact.unwrap_or(0)),
            (_, false) => exact,
        };
        Ok(First {
            body,
            frame,
            ended,
            length_bytes,
        })
    }
}

/// The body of an answer on its way out.
pub(super) struct Sending<B> {
    pub(super) send: SendStream<Bytes>,
    body: Rest<B>,
    /// Taken from the body, and not yet with the h2 crate.
    piece: Bytes,
    trailers: Option<HeaderMap>,
    /// The body has given all that it has.
    ended: bool,
    /// Bytes of a declared length that are still to come from the body.
    left_bytes: Option<u64>,
}

impl<B> Sending<B>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
{
    fn new(send: SendStream<Bytes>, body: Rest<B>, left_bytes: Option<u64>, ended: bool) -> Self {
        Sending {
            send,
            body,
            piece: Bytes::new(),
            trailers: None,
            ended,
            left_bytes,
        }
    }

    /// Sends until the body ends or has nothing, or the peer may be sent nothing.
    pub(super) fn poll(&mut self, gate: &Gate, life: Option<&Life>, cx: &mut Context<'_>) -> Poll<()> {
        let waits_to_write = || {
            if let Some(life) = life {
                life.wait.set(Wait::Write);
            }
        };
        let mut turn_bytes = 0;
        loop {
            if !self.piece.is_empty() {
                if gate.is_shut(cx.waker()) {
                    waits_to_write();
                    return Poll::Pending;
                }
                match self.poll_room(cx) {
                    Poll::Ready(Some(room)) => {
                        let part = self.piece.split_to(room.min(self.piece.len()));
                        let last = self.piece.is_empty() && self.ended && self.trailers.is_none();
                        if last && self.left_bytes.is_some_and(|left| left > 0) {
                            return self.cut("the body is shorter than its Content-Length");
                        }
                        turn_bytes += part.len().max(FRAME_COST_BYTES);
                        gate.pass(part.len());
                        if let Some(life) = life {
                            life.sent(part.len());
                        }
                        if self.send.send_data(part, last).is_err() || last {
                            return Poll::Ready(());
                        }
                        continue;
                    }
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => {
                        waits_to_write();
                        return Poll::Pending;
                    }
                }
            }
            if self.ended {
                return self.end();
            }
            if turn_bytes >= TURN_BYTES_MAX {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match poll_caught(&mut self.body, cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.take(frame);
                    if self.left_bytes == Some(0) && !self.ended && is_ended(&self.body) {
                        self.ended = true;
                    }
                }
                Poll::Ready(None) => self.ended = true,
                Poll::Ready(Some(Err(error))) => return self.cut(&*error),
                Poll::Pending => {
                    if let Some(life) = life {
                        life.caught_up();
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// How many bytes of `piece` the peer's windows take; none when the stream is gone.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        self.send.reserve_capacity(self.piece.len());
        loop {
            match self.send.capacity() {
                0 => {}
                room => return Poll::Ready(Some(room)),
            }
            match self.send.poll_capacity(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn take(&mut self, frame: Frame<Bytes>) {
        match frame.into_data() {
            Ok(data) => {
                if let Some(left) = self.left_bytes {
                    match left.checked_sub(data.len() as u64) {
                        Some(left) => self.left_bytes = Some(left),
                        None => {
                            // What was promised is sent, and then the stream is reset: see `end`.
                            self.ended = true;
                            self.left_bytes = Some(u64::MAX);
                            return;
                        }
                    }
                }
                self.piece = data;
            }
            Err(frame) => {
                self.trailers = frame.into_trailers().ok();
                self.ended = true;
            }
        }
    }

    /// The body has ended and all of it is sent.
    fn end(&mut self) -> Poll<()> {
        match self.left_bytes {
            Some(u64::MAX) => return self.cut("the body is longer than its Content-Length"),
            Some(1..) => return self.cut("the body is shorter than its Content-Length"),
            _ => {}
        }
        // Fails for a stream that is gone, or for trailers that may not be sent; the latter resets the stream.
        let sent = match self.trailers.take() {
            Some(mut trailers) => {
                remove_connection_fields(&mut trailers);
                self.send.send_trailers(trailers)
            }
            None => self.send.send_data(Bytes::new(), true),
        };
        if sent.is_err() {
            self.send.send_reset(Reason::INTERNAL_ERROR);
        }
        Poll::Ready(())
    }

    /// An answer that cannot be completed must not look complete.
    fn cut<E: std::fmt::Display + ?Sized>(&mut self, error: &E) -> Poll<()> {
        tracing::warn!(%error, "a response body failed on its way; its stream is reset");
        self.send.send_reset(Reason::INTERNAL_ERROR);
        Poll::Ready(())
    }
}

/// A frame of a body, its end, or why there is none. A body that panics must not take its core down.
fn poll_caught<B>(body: &mut Rest<B>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
{
    match catch_unwind(AssertUnwindSafe(|| poll_body(body, cx))) {
        Ok(polled) => polled.map_err(Into::into),
        Err(_) => Poll::Ready(Some(Err("the response body panicked".into()))),
    }
}

/// The one sound `Content-Length` that the handler set.
fn declared(fields: &HeaderMap) -> Option<u64> {
    let mut values = fields.get_all(CONTENT_LENGTH).iter();
    let value = values.next()?;
    let is_number = value.as_bytes().iter().all(u8::is_ascii_digit);
    let bytes = value.to_str().ok().filter(|_| is_number)?.parse().ok()?;
    values.next().is_none().then_some(bytes)
}

/// Removes what speaks of an HTTP/1 connection, and would make an HTTP/2 message malformed (RFC 9113 section 8.2.2).
pub(in crate::conn) fn remove_connection_fields(fields: &mut HeaderMap) {
    // The length first: it rules out nearly all fields at the cost of one comparison.
    let is_of_connection = |name: &HeaderName| match name.as_str().len() {
        7 => *name == UPGRADE,
        10 => *name == CONNECTION || name == "keep-alive",
        16 => name == "proxy-connection",
        17 => *name == TRANSFER_ENCODING,
        20 => *name == SEC_WEBSOCKET_ACCEPT,
        _ => false,
    };
    while let Some(name) = fields.keys().find(|name| is_of_connection(name)).cloned() {
        fields.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_the_connection_go() {
        let mut fields = HeaderMap::new();
        for name in [
            "connection",
            "keep-alive",
            "proxy-connection",
            "transfer-encoding",
            "upgrade",
            "x-kept",
            "sec-websocket-accept",
        ] {
            fields.append(HeaderName::from_static(name), HeaderValue::from_static("a"));
        }
        fields.append(CONNECTION, HeaderValue::from_static("b"));
        remove_connection_fields(&mut fields);
        assert_eq!(fields.keys().collect::<Vec<_>>(), ["x-kept"]);
    }

    #[test]
    fn only_one_sound_length_counts() {
        let of = |values: &[&'static str]| {
            let mut fields = HeaderMap::new();
            for value in values {
                fields.append(CONTENT_LENGTH, HeaderValue::from_static(value));
            }
            declared(&fields)
        };
        assert_eq!(of(&["12"]), Some(12));
        for values in [&["12", "12"][..], &["+12"], &["1 2"], &[""], &["0x10"], &[]] {
            assert_eq!(of(values), None, "{values:?}");
        }
    }
}
