//! The beginning of a request: its body, its extensions, the call.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use http::{Extensions, Request, Response, StatusCode};
use squall_wire::h1::{BodyDecoder, BodyLength, BodyLimits, CONTINUE, Head, Piece, Reject};

use crate::app::App;
use crate::body::{Body, BodyControl, BodyErrorKind, Channel, Judge, Look, Whole};
use crate::conn::answer::TaskGuard;
use crate::conn::attend::InFlight;
use crate::conn::feed::{Fed, feed};
use crate::conn::http::{Exchange, Http, Incoming, Wait};
use crate::core::slab::State;
use crate::core::{Core, Until};
use crate::source::ConnId;

/// What a handler comes to: a response, or that there is none (its service failed or panicked; logged already).
pub(crate) type Outcome<B> = Option<Response<B>>;

impl<A: App> Core<A> {
    /// Calls the application with a request whose head is complete, and polls it once, in place.
    pub(crate) fn begin(self: &Rc<Self>, id: ConnId, http: &mut Http, head: Head) {
        // What follows a CONNECT could be meant for a tunnel: it is never read as a request.
        let tunnel = head.method == http::Method::CONNECT;
        let last = http.requests >= self.requests_max;
        let keep_alive = head.keep_alive && !tunnel && !last && self.draining.get().is_none();
        // Its time-outs begin with it; only the time of a peer that takes nothing goes on.
        if http.wait != Wait::Write {
            http.wait = Wait::Nothing;
        }
        http.exchange = Some(Exchange {
            version: head.version,
            head_request: head.method == http::Method::HEAD,
            tunnel,
            keep_alive,
            expects_continue: head.expect_continue,
            body: None,
            judge: None,
            task: None,
            framing: None,
            left_bytes: 0,
            files: None,
            answered: false,
            began: self.clock.turn(),
            handler_timeout: None,
        });
        let body = match self.begin_body(id, http, head.body) {
            Ok(body) => body,
            Err(reject) => return self.refuse(http, &reject),
        };
        if self.has_too_many_handlers() {
            return self.answer_full(http);
        }
        let mut request = Request::new(body);
        *request.method_mut() = head.method;
        *request.uri_mut() = head.uri;
        *request.version_mut() = head.version;
        *request.headers_mut() = head.headers;
        self.tell_of_peer(id, request.extensions_mut());
        if let Some(control) = http.exchange.as_ref().and_then(Exchange::body_control) {
            request.extensions_mut().insert(control);
        }
        self.call(id, http, request);
    }

    /// Says whose request it is.
    pub(crate) fn tell_of_peer(&self, id: ConnId, extensions: &mut Extensions) {
        let mut conns = self.conns.borrow_mut();
        let Some(conn) = conns.get_mut(id) else {
            return;
        };
        if self.peer_info {
            extensions.insert(conn.peer.peer());
            if let Some(proxied) = conn.peer.proxied() {
                extensions.insert(proxied.clone());
            }
        }
        if let Some(info) = conn.socket.tls_info() {
            extensions.insert(info.clone());
        }
    }

    fn call(self: &Rc<Self>, id: ConnId, http: &mut Http, request: Request<Body>) {
        let attending = self.attend(&request);
        match self.call_now(request) {
            Called::Done(outcome) => self.answer_in_place(id, http, outcome),
            Called::Pending(mut future) => {
                if let Some(exchange) = &mut http.exchange {
                    exchange.handler_timeout = attending.asked();
                }
                self.finish_later(id, http, poll_fn(move |cx| poll_boxed(&mut future, cx)));
            }
            Called::NotReady(later) => self.call_later(id, http, *later),
        }
    }

    /// Calls the application and polls what it gives once, in place.
    pub(crate) fn call_now(&self, request: Request<Body>) -> Called<A> {
        let mut cx = Context::from_waker(Waker::noop());
        let called = catch_unwind(AssertUnwindSafe(|| {
            let mut app = self.app.borrow_mut();
            match app.poll_ready(&mut cx) {
                Poll::Ready(Ok(())) => Ok(self.spares.futures.put(app.call(request))),
                Poll::Ready(Err(error)) => Err(Called::Done(failed::<A>(&*error.into()))),
                Poll::Pending => Err(Called::NotReady(Box::new((app.clone(), request)))),
            }
        }));
        let mut future = match called {
            Ok(Ok(future)) => future,
            Ok(Err(called)) => return called,
            Err(_) => return Called::Done(self.panicked()),
        };
        match catch_unwind(AssertUnwindSafe(|| poll_boxed(&mut future, &mut cx))) {
            Ok(Poll::Ready(Ok(response))) => {
                self.spares.futures.keep(future);
                Called::Done(Some(response))
            }
            Ok(Poll::Ready(Err(error))) => Called::Done(failed::<A>(&*error.into())),
            Ok(Poll::Pending) => Called::Pending(future),
            Err(_) => Called::Done(self.panicked()),
        }
    }

    pub(crate) fn panicked(&self) -> Outcome<A::Body> {
        self.link.counts.panics.add(1);
        tracing::error!("a handler panicked; the answer is 500");
        None
    }

    fn call_later(self: &Rc<Self>, id: ConnId, http: &mut Http, (mut app, request): (A, Request<Body>)) {
        self.finish_later(id, http, async move {
            poll_fn(|cx| app.poll_ready(cx)).await?;
            app.call(request).await
        });
    }

    fn finish_later<F>(self: &Rc<Self>, id: ConnId, http: &mut Http, future: F)
    where
        F: Future<Output = Result<Response<A::Body>, A::Error>> + 'static,
    {
        let core = self.clone();
        let in_flight = InFlight::new(self.clone());
        let task = self.spawn_for(id, async move {
            let guard = TaskGuard { core: &core, id };
            let outcome = match future.await {
                Ok(response) => Some(response),
                Err(error) => failed::<A>(&*error.into()),
            };
            drop(in_flight);
            let rest = core.answer_later(id, outcome);
            if let Some(rest) = rest {
                core.stream(id, rest).await;
            }
            std::mem::forget(guard);
        });
        if let Some(exchange) = &mut http.exchange {
            exchange.task = Some(task);
        }
    }

    /// Prepares the body. One that is there whole needs no channel.
    fn begin_body(self: &Rc<Self>, id: ConnId, http: &mut Http, length: BodyLength) -> Result<Body, Reject> {
        let declared_bytes = match length {
            BodyLength::None | BodyLength::Exact(0) => return Ok(Body::empty()),
            BodyLength::Exact(bytes) => Some(bytes),
            BodyLength::Chunked => None,
        };
        let bytes_max = self.limits.body.body_bytes_max;
        if let Some(bytes) = declared_bytes
            && bytes <= bytes_max
            && bytes <= http.input.len() as u64
        {
            let whole = http.input.split_to(bytes as usize);
            return Ok(judged(http, whole));
        }
        // The declared length is held against the limit when the handler asks for the body: it may change the limit.
        let limits = BodyLimits {
            body_bytes_max: u64::MAX,
            ..self.limits.body
        };
        let mut decoder = BodyDecoder::new(length, &limits)?;
        if declared_bytes.is_none() {
            decoder.set_body_bytes_max(bytes_max);
            if http.input.len() as u64 <= bytes_max
                && let Some(bytes) =
                    whole_chunked(BodyDecoder::new(length, &self.limits.body)?, &mut http.input)?
            {
                return Ok(judged(http, bytes));
            }
        }
        let channel = Channel::new(self.link.clone(), id, declared_bytes);
        let held = declared_bytes.is_none_or(|bytes| bytes > bytes_max);
        let body = Body::arriving(channel.clone());
        let incoming = Incoming {
            decoder,
            channel,
            declared_bytes,
            bytes_max,
            received_bytes: 0,
            discarded_bytes: 0,
            held,
        };
        if let Some(exchange) = &mut http.exchange {
            exchange.body = Some(incoming);
        }
        Ok(body)
    }

    /// Gives the handler what has arrived of the body.
    pub(crate) fn feed_body(self: &Rc<Self>, _id: ConnId, http: &mut Http) {
        let Some(exchange) = &mut http.exchange else {
            return;
        };
        let Some(body) = &mut exchange.body else { return };
        let look = body.channel.look();
        // Only a body that would be refused unread is held again.
        body.held |= look == Look::Over && body.declared_bytes.is_some_and(|bytes| bytes > body.bytes_max);
        if body.held && !exchange.answered && !body.channel.is_wanted() && !body.channel.is_abandoned() {
            return;
        }
        if let Some(bytes_max) = body.channel.take_bytes_max() {
            body.bytes_max = bytes_max;
            if body.declared_bytes.is_none() {
                body.decoder.set_body_bytes_max(bytes_max);
            }
        }
        body.held = false;
        let discard = exchange.answered || body.channel.is_abandoned();
        if !discard && look != Look::Now && body.declared_bytes.is_some_and(|bytes| bytes > body.bytes_max) {
            return self.body_refused(http, &TOO_LARGE);
        }
        match feed(body, &mut http.input, discard) {
            Fed::Waiting => {}
            Fed::Done => {
                exchange.judge = exchange
                    .body
                    .take()
                    .map(|body| Judge::Arrived(body.channel.clone()));
                if exchange.answered {
                    self.end_exchange(http);
                }
            }
            Fed::Refused(reject) => self.body_refused(http, &reject),
            Fed::TooMuchToDiscard => {
                exchange.body = None;
                exchange.keep_alive = false;
                http.linger = true;
                if exchange.answered {
                    self.end_exchange(http);
                }
            }
        }
    }

    /// A body that cannot be taken: ends the handler's reading, and answers in its place if it has not begun.
    fn body_refused(&self, http: &mut Http, reject: &Reject) {
        let Some(exchange) = &http.exchange else {
            return;
        };
        let too_large = reject.status == StatusCode::PAYLOAD_TOO_LARGE;
        let kind = if too_large {
            BodyErrorKind::TooLarge
        } else {
            BodyErrorKind::Malformed
        };
        if let Some(body) = &exchange.body {
            body.channel.fail(kind);
        }
        if let Some(task) = &exchange.task {
            task.abort();
        }
        if exchange.framing.is_none() {
            self.refuse(http, reject);
        } else {
            // Half an answer is out: only the end of the connection can say that the rest will not come.
            http.exchange = None;
            http.closing = true;
            http.linger = true;
            http.input = Bytes::new();
        }
    }

    /// The reader of a body began to wait, caught up, or went away.
    pub(crate) fn resume_body(self: &Rc<Self>, id: ConnId, buffer: &mut [u8]) {
        let is_http = match self.conns.borrow_mut().get_mut(id) {
            Some(conn) => matches!(conn.state, State::Http(_)),
            None => false,
        };
        if !is_http {
            return;
        }
        let Some(mut http) = self.take_http(id) else {
            return;
        };
        if let Some(exchange) = &mut http.exchange
            && exchange.expects_continue
            && exchange.framing.is_none()
            && exchange
                .body
                .as_ref()
                .is_some_and(|b| b.channel.is_wanted() && !b.is_hopeless())
        {
            exchange.expects_continue = false;
            self.out.borrow_mut().extend_from_slice(CONTINUE);
        }
        self.serve(id, http);
        self.readable(id, buffer, Until::Blocked);
    }
}

impl Incoming {
    /// Whether the declared length is past the limit already.
    fn is_hopeless(&self) -> bool {
        let bytes_max = self.channel.peek_bytes_max().unwrap_or(self.bytes_max);
        self.channel.look() != Look::Now && self.declared_bytes.is_some_and(|bytes| bytes > bytes_max)
    }
}

impl Exchange {
    /// What layers may change the body's limit through.
    fn body_control(&self) -> Option<BodyControl> {
        match (&self.body, &self.judge) {
            (Some(body), _) => Some(BodyControl::new(body.channel.clone())),
            (None, Some(Judge::Whole(whole))) => Some(BodyControl::of_whole(whole.clone())),
            (None, _) => None,
        }
    }
}

pub(crate) const TOO_LARGE: Reject = Reject {
    status: StatusCode::PAYLOAD_TOO_LARGE,
    reason: "the request body is larger than its limit",
};

/// A body that is there whole, within the server's limit; its route may have a lower one.
fn judged(http: &mut Http, bytes: Bytes) -> Body {
    if bytes.is_empty() {
        return Body::empty();
    }
    let whole = Whole::new();
    if let Some(exchange) = &mut http.exchange {
        exchange.judge = Some(Judge::Whole(whole.clone()));
    }
    Body::whole(bytes, whole)
}

/// A chunked body that is in `input` to its end, without trailers; otherwise nothing is used up.
fn whole_chunked(mut trial: BodyDecoder, input: &mut Bytes) -> Result<Option<Bytes>, Reject> {
    // Cheap sign that the end is not there; also spares the work below for long bodies.
    if !input.windows(5).any(|w| w == b"0\r\n\r\n") {
        return Ok(None);
    }
    let mut rest = input.clone();
    let mut whole = BytesMut::new();
    loop {
        match trial.decode(&mut rest) {
            Ok(Piece::Data(bytes)) => whole.extend_from_slice(&bytes),
            Ok(Piece::More | Piece::Trailers(_)) => return Ok(None),
            // The handler may allow more: see `Incoming::held`.
            Err(reject) if reject.status == StatusCode::PAYLOAD_TOO_LARGE => return Ok(None),
            Err(reject) => return Err(reject),
            Ok(Piece::End) => {
                *input = rest;
                return Ok(Some(whole.freeze()));
            }
        }
    }
}

/// What a call came to at once.
// Moved out by whoever calls; a box would cost an allocation for each request.
#[allow(clippy::large_enum_variant)]
pub(crate) enum Called<A: App> {
    Done(Outcome<A::Body>),
    Pending(Rest<A::Future>),
    /// The service takes no call now.
    NotReady(Box<(A, Request<Body>)>),
}

pub(crate) fn failed<A: App>(error: &(dyn std::error::Error + Send + Sync)) -> Outcome<A::Body> {
    tracing::error!(%error, "the service failed; the answer is 500");
    None
}

/// Polls a future in a reused box. It is there until its box is given back.
pub(crate) fn poll_boxed<F: Future>(future: &mut Rest<F>, cx: &mut Context<'_>) -> Poll<F::Output> {
    match future.as_mut().as_pin_mut() {
        Some(future) => future.poll(cx),
        None => Poll::Pending,
    }
}

/// A future or a body that is not at its end.
///
/// In a box that is used again: see [`crate::core::Spares`].
pub(crate) type Rest<B> = Pin<Box<Option<B>>>;
