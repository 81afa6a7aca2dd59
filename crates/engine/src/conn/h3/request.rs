//! One request of HTTP/3: what it must be, its call, its answer.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use h3::error::Code;
use h3::server::RequestResolver;
use http::header::{CONTENT_LENGTH, EXPECT};
use http::response::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use squall_wire::h1::Reject;

use super::Client;
use super::body::Incoming;
use super::pipe::{Next, Outlet, pipe};
use super::send::{Gone, Sending};
use crate::app::{App, BoxError};
use crate::body::{Body, BodyControl, BodyErrorKind};
use crate::conn::answer::{FAILED, poll_body};
use crate::conn::attend::InFlight;
use crate::conn::h2::answer::{Length, remove_connection_fields};
use crate::conn::h2::begin::{TOO_MUCH, Wrong, check};
use crate::conn::h2::body::Meter;
use crate::conn::h2::life::{Life, Verdict, Wait};
use crate::conn::h2::stream::{BODY_TOO_SLOW, Calling, HANDLER_TOO_SLOW};
use crate::conn::http::Becomes;
use crate::conn::request::{Called, Outcome, Rest, TOO_LARGE};
use crate::core::Core;
use crate::core::clock::Micros;
use crate::metrics::TimedOut;
use crate::source::{Framing, Park};

/// What the answer to a request depends on, beside the response.
struct Asked {
    send: Sending,
    client: Rc<Client>,
    head_request: bool,
    /// The peer waits for `100 Continue` before it sends the body.
    expects_continue: bool,
    began: Micros,
    meter: Arc<Meter>,
}

/// What a handler that is polled comes to.
enum Step<B> {
    Answered(Outcome<B>),
    /// Its peer is told to go on.
    Continue,
}

impl<A: App> Core<A> {
    /// Serves one stream to its end.
    pub(super) async fn h3_request(
        self: Rc<Self>,
        resolver: RequestResolver<h3_quinn::Connection, Bytes>,
        client: Rc<Client>,
    ) {
        let resolved = tokio::time::timeout(self.limits.header_read_timeout, resolver.resolve_request());
        let (request, stream) = match resolved.await {
            Ok(Ok(resolved)) => resolved,
            // The h3 crate has answered what it could not read.
            Ok(Err(error)) => return tracing::debug!(%error, "a request of HTTP/3 could not be read"),
            Err(_) => return self.link.counts.timed_out.add(TimedOut::Head, 1),
        };
        let (send, recv) = stream.split();
        let (mut parts, ()) = request.into_parts();
        let meter = Meter::new(self.limits.body.body_bytes_max);
        let life = Life::new(Wait::Handler, Some(meter.clone()));
        let mut send = Sending::new(send, life);
        let wrong = match parts.method {
            // A tunnel, which nobody here can be at the other end of.
            Method::CONNECT => Some(Wrong::Malformed("CONNECT over HTTP/3")),
            _ => check(&mut parts, &self.limits.head).err(),
        };
        if let Some(Wrong::Malformed(reason)) = wrong {
            tracing::debug!(reason, "a malformed request; its stream is reset");
            return send.reset(Code::H3_MESSAGE_ERROR);
        }
        let mut asked = Asked {
            send,
            client,
            head_request: parts.method == Method::HEAD,
            expects_continue: false,
            began: self.clock.now(),
            meter,
        };
        if let Some(Wrong::Refused(reject)) = wrong {
            return self.h3_refuse(&mut asked, &reject).await;
        }
        let Ok(declared_bytes) = declared(&parts.headers) else {
            return asked.send.reset(Code::H3_MESSAGE_ERROR);
        };
        let body = match declared_bytes {
            Some(0) => Body::empty(),
            _ => {
                let expect = parts.headers.get(EXPECT);
                asked.expects_continue =
                    expect.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
                parts
                    .extensions
                    .insert(BodyControl::streamed(asked.meter.clone()));
                let incoming = Incoming::new(recv, asked.meter.clone(), declared_bytes);
                Body::boxed(Box::pin(incoming), asked.meter.clone())
            }
        };
        asked.client.tell_of(self.peer_info, &mut parts.extensions);
        if self.has_too_many_handlers() {
            return self.h3_refuse(&mut asked, &TOO_MUCH).await;
        }
        self.h3_call(Request::from_parts(parts, body), asked).await;
    }

    /// Calls the application, and answers. Whatever of the application is polled in it, the watchdog and
    /// [`crate::Deadline`] are told.
    async fn h3_call(self: &Rc<Self>, request: Request<Body>, asked: Asked) {
        let (life, meter) = (asked.send.life.clone(), asked.meter.clone());
        let (called, name) = {
            let attending = self.attend(&request);
            let name = self.link.doing.name();
            let called = self.call_now(request);
            life.handler_timeout.set(attending.asked());
            (called, name)
        };
        let mut served = pin!(self.h3_serve(called, asked));
        poll_fn(|cx| {
            let is_handler = life.wait.get() == Wait::Handler;
            let attending = self.attend_again(&name, is_handler.then(|| self.time_of_stream(&life)));
            let polled = served.as_mut().poll(cx);
            if let Some(timeout) = attending.asked() {
                life.handler_timeout.set(Some(timeout));
            }
            polled
        })
        .await;
        self.link.counts.bytes_in.add(meter.received_bytes());
    }

    async fn h3_serve(self: &Rc<Self>, called: Called<A>, mut asked: Asked) {
        let waited = match called {
            Called::Done(outcome) => Ok(outcome),
            Called::Pending(future) => self.h3_outcome(Calling::Begun(future), &mut asked).await,
            Called::NotReady(later) => self.h3_outcome(Calling::NotReady(later), &mut asked).await,
        };
        // From here on it is the answer that has its time.
        asked.send.life.caught_up();
        let outcome = match waited {
            Ok(outcome) => outcome,
            Err(verdict) => {
                asked.meter.fail(BodyErrorKind::TimedOut);
                let reject = match verdict {
                    Verdict::BodyTooSlow => &BODY_TOO_SLOW,
                    _ => &HANDLER_TOO_SLOW,
                };
                return self.h3_refuse(&mut asked, reject).await;
            }
        };
        if asked.meter.is_too_large() {
            return self.h3_refuse(&mut asked, &TOO_LARGE).await;
        }
        match outcome {
            Some(response) => self.h3_answer(asked, response).await,
            None => self.h3_refuse(&mut asked, &FAILED).await,
        }
    }

    /// What the handler comes to, or which of its times is over.
    async fn h3_outcome(
        self: &Rc<Self>,
        mut calling: Calling<A>,
        asked: &mut Asked,
    ) -> Result<Outcome<A::Body>, Verdict> {
        let _in_flight = InFlight::new(self.clone());
        loop {
            let (meter, expects_continue) = (&asked.meter, asked.expects_continue);
            let step = poll_fn(|cx| {
                meter.tell(cx.waker());
                match calling.poll(self, cx) {
                    Poll::Ready(outcome) => Poll::Ready(Step::Answered(outcome)),
                    // Answered for: whatever it would say is about a body that it did not get.
                    Poll::Pending if meter.is_too_large() => Poll::Ready(Step::Answered(None)),
                    Poll::Pending if expects_continue && meter.is_wanted() => Poll::Ready(Step::Continue),
                    Poll::Pending => Poll::Pending,
                }
            });
            match self.h3_wait(&mut asked.send, step).await? {
                Step::Answered(outcome) => return Ok(outcome),
                Step::Continue => {
                    asked.expects_continue = false;
                    let mut head = Response::new(());
                    *head.status_mut() = StatusCode::CONTINUE;
                    // Fails for a stream that is gone; nobody waits for it then.
                    let _ = self.h3_head(&mut asked.send, head).await;
                    asked.send.life.wait.set(Wait::Handler);
                }
            }
        }
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
        let send = &mut asked.send;
        if self.h3_head(send, head_of(parts)).await.is_err() {
            return;
        }
        let left_bytes = match length {
            Length::None => Some(0),
            Length::Exact(bytes) => Some(bytes),
            Length::Unknown => None,
        };
        let sent = match length {
            Length::None => Ok(true),
            _ => self.h3_body(send, Box::pin(Some(body)), left_bytes).await,
        };
        match sent {
            // What is not finished is reset when it is dropped.
            Ok(true) => drop(self.h3_finish(send).await),
            // An answer that cannot be completed must not look complete.
            Ok(false) => send.reset(Code::H3_INTERNAL_ERROR),
            Err(Gone) => {}
        }
    }

    /// Sends a body; whether it gave all that was promised.
    async fn h3_body(
        &self,
        send: &mut Sending,
        mut body: Rest<A::Body>,
        mut left_bytes: Option<u64>,
    ) -> Result<bool, Gone> {
        loop {
            let life = send.life.clone();
            let next = poll_fn(|cx| {
                let polled = match catch_unwind(AssertUnwindSafe(|| poll_body(&mut body, cx))) {
                    Ok(polled) => polled.map_err(Into::into),
                    Err(_) => Poll::Ready(Some(Err(BoxError::from("the response body panicked")))),
                };
                if polled.is_pending() {
                    life.caught_up();
                }
                polled
            });
            let frame = match self.h3_wait(send, next).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => return Ok(left_bytes.is_none_or(|left| left == 0)),
                Ok(Some(Err(error))) => {
                    tracing::warn!(%error, "a response body failed on its way; its stream is reset");
                    return Ok(false);
                }
                Err(_) => {
                    tracing::warn!(
                        seconds = self.limits.silence_timeout.as_secs(),
                        "a response body yielded nothing for too long; its stream is reset"
                    );
                    return Ok(false);
                }
            };
            match frame.into_data() {
                Ok(data) => {
                    if let Some(left) = &mut left_bytes {
                        match left.checked_sub(data.len() as u64) {
                            Some(rest) => *left = rest,
                            None => return Ok(false),
                        }
                    }
                    self.h3_data(send, data).await?;
                }
                Err(frame) => {
                    let Ok(mut trailers) = frame.into_trailers() else {
                        continue;
                    };
                    if left_bytes.is_some_and(|left| left > 0) {
                        return Ok(false);
                    }
                    remove_connection_fields(&mut trailers);
                    self.h3_trailers(send, trailers).await?;
                    return Ok(true);
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
        if !is_answer {
            self.count_answer(parts.status, asked.began);
            if self.h3_head(&mut asked.send, head_of(parts)).await.is_err() {
                return;
            }
            if asked.head_request {
                return drop(self.h3_finish(&mut asked.send).await);
            }
        }
        let mut outlet = None;
        let id = self.insert_virtual_of(asked.client.peer, |waker| {
            let (pipe, end) = pipe(&waker, fields, asked.head_request);
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
                Next::Head(head) => self.h3_head(send, head).await,
                Next::Data(bytes) => self.h3_data(send, bytes).await,
                Next::End => return drop(self.h3_finish(send).await),
                Next::Cut => return send.reset(Code::H3_INTERNAL_ERROR),
            };
            if sent.is_err() {
                return;
            }
            // What may be silent for how long is the follower's business.
            send.life.caught_up();
        }
    }

    /// Answers in the engine's own words.
    async fn h3_refuse(&self, asked: &mut Asked, reject: &Reject) {
        self.link.counts.refused(reject.status);
        let text = Bytes::from(format!("{}\n", reject.reason));
        let response = self.h2_refusal(reject.status, text.len());
        if self.h3_head(&mut asked.send, response).await.is_err() {
            return;
        }
        if !asked.head_request && self.h3_data(&mut asked.send, text).await.is_err() {
            return;
        }
        drop(self.h3_finish(&mut asked.send).await);
    }
}

fn head_of(parts: Parts) -> Response<()> {
    let mut head = Response::new(());
    *head.status_mut() = parts.status;
    *head.headers_mut() = parts.headers;
    head
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
