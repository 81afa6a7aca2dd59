//! One request of HTTP/3: what it must be, its call, its answer.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use h3::error::{Code, StreamError};
use h3::server::{RequestResolver, RequestStream};
use http::header::CONTENT_LENGTH;
use http::response::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use squall_wire::h1::Reject;

use super::body::Incoming;
use super::pipe::{Next, Outlet, pipe};
use crate::app::App;
use crate::body::{Body, BodyControl};
use crate::conn::answer::{FAILED, poll_body};
use crate::conn::h2::answer::{Length, remove_connection_fields};
use crate::conn::h2::begin::{Wrong, check};
use crate::conn::h2::body::Meter;
use crate::conn::h2::stream::Calling;
use crate::conn::http::Becomes;
use crate::conn::request::{Called, Outcome, Rest, TOO_LARGE};
use crate::core::Core;
use crate::core::clock::Micros;
use crate::metrics::TimedOut;
use crate::socket::Peer;
use crate::source::{Framing, Park};

/// The half of a stream that we send on.
type Sending = RequestStream<h3_quinn::SendStream<Bytes>, Bytes>;

const HANDLER_TOO_SLOW: Reject = Reject {
    status: StatusCode::SERVICE_UNAVAILABLE,
    reason: "the handler did not answer in time",
};

/// What the answer to a request depends on, beside the response.
struct Asked {
    send: Sending,
    peer: Peer,
    head_request: bool,
    began: Micros,
    meter: Arc<Meter>,
}

impl<A: App> Core<A> {
    /// Serves one stream to its end.
    pub(super) async fn h3_request(
        self: Rc<Self>,
        resolver: RequestResolver<h3_quinn::Connection, Bytes>,
        peer: Peer,
    ) {
        let resolved = tokio::time::timeout(self.limits.header_read_timeout, resolver.resolve_request());
        let (request, stream) = match resolved.await {
            Ok(Ok(resolved)) => resolved,
            // The h3 crate has answered what it could not read.
            Ok(Err(error)) => return tracing::debug!(%error, "a request of HTTP/3 could not be read"),
            Err(_) => return self.link.counts.timed_out.add(TimedOut::Head, 1),
        };
        let (mut send, recv) = stream.split();
        let (mut parts, ()) = request.into_parts();
        let wrong = match parts.method {
            // A tunnel, which nobody here can be at the other end of.
            Method::CONNECT => Some(Wrong::Malformed("CONNECT over HTTP/3")),
            _ => check(&mut parts, &self.limits.head).err(),
        };
        if let Some(Wrong::Malformed(reason)) = wrong {
            tracing::debug!(reason, "a malformed request; its stream is reset");
            return send.stop_stream(Code::H3_MESSAGE_ERROR);
        }
        let mut asked = Asked {
            send,
            peer,
            head_request: parts.method == Method::HEAD,
            began: self.clock.turn(),
            meter: Meter::new(self.limits.body.body_bytes_max),
        };
        if let Some(Wrong::Refused(reject)) = wrong {
            return self.h3_refuse(&mut asked, &reject).await;
        }
        let declared_bytes = match declared(&parts.headers) {
            Ok(bytes) => bytes,
            Err(()) => return asked.send.stop_stream(Code::H3_MESSAGE_ERROR),
        };
        let body = match declared_bytes {
            Some(0) => Body::empty(),
            _ => {
                parts
                    .extensions
                    .insert(BodyControl::streamed(asked.meter.clone()));
                let incoming = Incoming::new(recv, asked.meter.clone(), declared_bytes);
                Body::boxed(Box::pin(incoming), asked.meter.clone())
            }
        };
        if self.peer_info {
            parts.extensions.insert(peer);
        }
        let outcome = self.h3_call(Request::from_parts(parts, body)).await;
        let Some(outcome) = outcome else {
            self.link.counts.timed_out.add(TimedOut::Handler, 1);
            return self.h3_refuse(&mut asked, &HANDLER_TOO_SLOW).await;
        };
        if asked.meter.is_too_large() {
            return self.h3_refuse(&mut asked, &TOO_LARGE).await;
        }
        match outcome {
            Some(response) => self.h3_answer(asked, response).await,
            None => self.h3_refuse(&mut asked, &FAILED).await,
        }
    }

    /// What the handler comes to; none if it takes too long.
    async fn h3_call(&self, request: Request<Body>) -> Option<Outcome<A::Body>> {
        let mut calling = match self.call_now(request) {
            Called::Done(outcome) => return Some(outcome),
            Called::Pending(future) => Calling::Begun(future),
            Called::NotReady(later) => Calling::NotReady(later),
        };
        let call = poll_fn(|cx| calling.poll(self, cx));
        tokio::time::timeout(self.limits.handler_timeout, call).await.ok()
    }

    async fn h3_answer(self: &Rc<Self>, mut asked: Asked, response: Response<A::Body>) {
        let (mut parts, body) = response.into_parts();
        match self.becomes(&mut parts) {
            Some(Becomes::Parked(park, _)) if park.framing != Framing::WebSocket => {
                return self.h3_become(asked, parts, park).await;
            }
            Some(_) => return self.h3_refuse(&mut asked, &NO_WEBSOCKETS).await,
            None => {}
        }
        if parts.status.is_informational() {
            tracing::error!(status = %parts.status, "this status is no answer; the answer is 500");
            return self.h3_refuse(&mut asked, &FAILED).await;
        }
        let exact = if body.is_end_stream() {
            Some(0)
        } else {
            body.size_hint().exact()
        };
        let length = self.h2_fields(&mut parts, asked.head_request, exact);
        self.count_answer(parts.status, asked.began);
        if self.h3_head(&mut asked.send, parts).await.is_err() {
            return;
        }
        let left_bytes = match length {
            Length::None => Some(0),
            Length::Exact(bytes) => Some(bytes),
            Length::Unknown => None,
        };
        if length == Length::None
            || self
                .h3_body(&mut asked.send, Box::pin(Some(body)), left_bytes)
                .await
        {
            let _ = self.in_time(asked.send.finish()).await;
        } else {
            // An answer that cannot be completed must not look complete.
            asked.send.stop_stream(Code::H3_INTERNAL_ERROR);
        }
    }

    /// Sends a body; whether all of it was sent.
    async fn h3_body(
        &self,
        send: &mut Sending,
        mut body: Rest<A::Body>,
        mut left_bytes: Option<u64>,
    ) -> bool {
        loop {
            let next = poll_fn(
                |cx| match catch_unwind(AssertUnwindSafe(|| poll_body(&mut body, cx))) {
                    Ok(polled) => polled.map_err(Into::into),
                    Err(_) => Poll::Ready(Some(Err("the response body panicked".into()))),
                },
            );
            let frame = match next.await {
                Some(Ok(frame)) => frame,
                None => return left_bytes.is_none_or(|left| left == 0),
                Some(Err(error)) => {
                    let error: crate::app::BoxError = error;
                    tracing::warn!(%error, "a response body failed on its way; its stream is reset");
                    return false;
                }
            };
            match frame.into_data() {
                Ok(data) => {
                    if let Some(left) = &mut left_bytes {
                        match left.checked_sub(data.len() as u64) {
                            Some(rest) => *left = rest,
                            None => return false,
                        }
                    }
                    if !data.is_empty() && self.in_time(send.send_data(data)).await.is_err() {
                        return false;
                    }
                }
                Err(frame) => {
                    let Ok(mut trailers) = frame.into_trailers() else {
                        continue;
                    };
                    remove_connection_fields(&mut trailers);
                    return self.in_time(send.send_trailers(trailers)).await.is_ok();
                }
            }
        }
    }

    /// The response parks its stream: from here on the core writes, and this task carries.
    async fn h3_become(self: &Rc<Self>, mut asked: Asked, mut parts: Parts, park: Park) {
        parts.headers.remove(CONTENT_LENGTH);
        self.h2_fields(&mut parts, true, None);
        let is_answer = park.framing == Framing::Answer;
        let fields = is_answer.then(|| Box::new(parts.headers.clone()));
        if !is_answer && self.h3_head(&mut asked.send, parts).await.is_err() {
            return;
        }
        let mut outlet = None;
        let id = self.insert_virtual_of(asked.peer, |waker| {
            let (pipe, end) = pipe(&waker, fields);
            outlet = Some(end);
            Box::new(pipe)
        });
        let Some(outlet) = outlet else { return };
        self.guarded(id, || {
            self.become_other(id, self.new_http(), Becomes::Parked(park, None))
        });
        self.carry(&mut asked.send, &outlet).await;
    }

    async fn carry(&self, send: &mut Sending, outlet: &Outlet) {
        loop {
            let sent = match outlet.next().await {
                Next::Head(head) => self.in_time(send.send_response(head)).await,
                Next::Data(bytes) => self.in_time(send.send_data(bytes)).await,
                Next::End => {
                    let _ = self.in_time(send.finish()).await;
                    return;
                }
                Next::Cut => return send.stop_stream(Code::H3_INTERNAL_ERROR),
            };
            if sent.is_err() {
                return;
            }
        }
    }

    async fn h3_head(&self, send: &mut Sending, parts: Parts) -> Result<(), ()> {
        let mut head = Response::new(());
        *head.status_mut() = parts.status;
        *head.headers_mut() = parts.headers;
        self.in_time(send.send_response(head)).await
    }

    /// Answers in the engine's own words.
    async fn h3_refuse(&self, asked: &mut Asked, reject: &Reject) {
        self.link.counts.refused(reject.status);
        let text = Bytes::from(format!("{}\n", reject.reason));
        let response = self.h2_refusal(reject.status, text.len());
        if self.in_time(asked.send.send_response(response)).await.is_err() {
            return;
        }
        if !asked.head_request && self.in_time(asked.send.send_data(text)).await.is_err() {
            return;
        }
        let _ = self.in_time(asked.send.finish()).await;
    }

    /// Sends, but only for as long as a peer may take nothing.
    async fn in_time(&self, sent: impl Future<Output = Result<(), StreamError>>) -> Result<(), ()> {
        match tokio::time::timeout(self.limits.write_stall_timeout, sent).await {
            Ok(sent) => sent.map_err(drop),
            Err(_) => {
                self.link.counts.timed_out.add(TimedOut::WriteStall, 1);
                Err(())
            }
        }
    }
}

const NO_WEBSOCKETS: Reject = Reject {
    status: StatusCode::NOT_IMPLEMENTED,
    reason: "WebSockets are not spoken over HTTP/3 here",
};

/// What `Content-Length` says; an error if that is no one number.
fn declared(fields: &http::HeaderMap) -> Result<Option<u64>, ()> {
    let mut values = fields.get_all(CONTENT_LENGTH).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let is_number = !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit);
    let text = value.to_str().ok().filter(|_| is_number).ok_or(())?;
    match values.next() {
        Some(_) => Err(()),
        None => text.parse().map(Some).map_err(drop),
    }
}
