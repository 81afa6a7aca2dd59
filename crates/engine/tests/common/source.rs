//! A log in memory that connections follow, in all three framings.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use squall_engine::source::{After, Attached, ConnId, Frame, Framing, Park, Source};
use squall_engine::wire::ws::{check_upgrade, close_frame, text_frame};
use squall_engine::ws::check_handshake;
use squall_engine::{CoreWaker, Limits, MakeSource, Message, Server};

use super::Running;

/// What every test of a follower shares with its server.
#[derive(Default)]
pub(crate) struct Log {
    messages: Mutex<Vec<Bytes>>,
    wakers: Mutex<Vec<CoreWaker>>,
    heard: Mutex<Vec<Message>>,
    has_heard: Condvar,
    pub(crate) attached: AtomicUsize,
    pub(crate) detached: AtomicUsize,
    pub(crate) strangers: AtomicUsize,
    draining: AtomicBool,
}

impl Log {
    /// Appends messages, and tells every core.
    pub(crate) fn publish(&self, messages: impl IntoIterator<Item = Bytes>) {
        self.messages.lock().unwrap().extend(messages);
        for waker in self.wakers.lock().unwrap().iter() {
            waker.wake();
        }
    }

    /// Waits until so many messages came in, and takes them.
    pub(crate) fn heard(&self, count: usize) -> Vec<Message> {
        let heard = self.heard.lock().unwrap();
        let wait = Duration::from_secs(20);
        let (mut heard, timeout) = self
            .has_heard
            .wait_timeout_while(heard, wait, |heard| heard.len() < count)
            .unwrap();
        assert!(!timeout.timed_out(), "{} messages heard", heard.len());
        std::mem::take(&mut heard)
    }

    /// How many followers there are now.
    pub(crate) fn following(&self) -> usize {
        self.attached.load(Ordering::SeqCst) - self.detached.load(Ordering::SeqCst)
    }
}

struct Ticket {
    framing: Framing,
    from: u64,
}

struct Follower {
    conn: ConnId,
    framing: Framing,
}

/// The source of one core.
struct LogSource {
    log: Arc<Log>,
    followers: RefCell<HashMap<u32, Follower>>,
    next: RefCell<u32>,
}

impl LogSource {
    fn answer(&self, position: u64) -> Option<Response<Bytes>> {
        let messages = self.log.messages.lock().unwrap();
        let news = &messages[position as usize..];
        if news.is_empty() && !self.log.draining.load(Ordering::SeqCst) {
            return None;
        }
        let mut response = Response::new(news.concat().into());
        for cookie in ["a=1", "b=2"] {
            let value = HeaderValue::from_static(cookie);
            response.headers_mut().append(http::header::SET_COOKIE, value);
        }
        Some(response)
    }

    fn farewell(framing: Framing) -> Bytes {
        match framing {
            Framing::WebSocket => close_frame(1001, "bye"),
            _ => Bytes::from_static(b"bye"),
        }
    }
}

impl Source for LogSource {
    fn attach(&self, conn: ConnId, ticket: &(dyn Any + Send + Sync)) -> Option<Attached> {
        let ticket = ticket.downcast_ref::<Ticket>()?;
        let follower = *self.next.borrow();
        *self.next.borrow_mut() += 1;
        let framing = ticket.framing;
        self.followers
            .borrow_mut()
            .insert(follower, Follower { conn, framing });
        self.log.attached.fetch_add(1, Ordering::SeqCst);
        Some(Attached {
            follower,
            position: ticket.from,
        })
    }

    fn detach(&self, follower: u32) {
        if self.followers.borrow_mut().remove(&follower).is_none() {
            self.log.strangers.fetch_add(1, Ordering::SeqCst);
        }
        self.log.detached.fetch_add(1, Ordering::SeqCst);
    }

    fn drain(&self, ready: &mut Vec<ConnId>) {
        ready.extend(self.followers.borrow().values().map(|f| f.conn));
    }

    fn next(&self, follower: u32, position: u64, room: usize, out: &mut Vec<Frame>) -> After {
        assert_ne!(position, u64::MAX, "on purpose");
        let Some(framing) = self.followers.borrow().get(&follower).map(|f| f.framing) else {
            self.log.strangers.fetch_add(1, Ordering::SeqCst);
            return After::Close;
        };
        if framing == Framing::Answer {
            return match self.answer(position) {
                Some(response) => {
                    self.detach(follower);
                    After::Respond(Box::new(response))
                }
                None => After::Stay,
            };
        }
        let messages = self.log.messages.lock().unwrap();
        let mut at = position;
        for message in messages[position as usize..].iter().take(room) {
            at += 1;
            let bytes = match framing {
                Framing::WebSocket => text_frame(message),
                _ => message.clone(),
            };
            out.push(Frame { bytes, position: at });
        }
        if !self.log.draining.load(Ordering::SeqCst) || out.len() == room {
            return After::Stay;
        }
        out.push(Frame {
            bytes: Self::farewell(framing),
            position: at,
        });
        After::Close
    }

    fn received(&self, follower: u32, message: Message) {
        if !self.followers.borrow().contains_key(&follower) {
            self.log.strangers.fetch_add(1, Ordering::SeqCst);
        }
        assert_ne!(message, Message::Text("panic".to_owned()), "on purpose");
        self.log.heard.lock().unwrap().push(message);
        self.log.has_heard.notify_all();
    }

    fn heartbeat(&self, _: u32) -> Option<Bytes> {
        Some(Bytes::from_static(b":\n"))
    }

    fn tick(&self, _: Instant, _: &mut Vec<ConnId>) {}

    fn shutdown(&self) {
        self.log.draining.store(true, Ordering::SeqCst);
    }
}

/// A response that follows the log from its beginning.
pub(crate) fn park(framing: Framing, headers: &HeaderMap) -> Response {
    park_from(0, framing, headers)
}

/// A response that follows the log; past its end there is a panic.
pub(crate) fn park_from(from: u64, framing: Framing, headers: &HeaderMap) -> Response {
    let mut response = match framing {
        Framing::WebSocket => match check_upgrade(&Method::GET, Version::HTTP_11, headers) {
            Ok(accept) => {
                let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
                *response.headers_mut() = accept.response_fields(None);
                response
            }
            Err(error) => return error.status().into_response(),
        },
        _ => ().into_response(),
    };
    let ticket = Arc::new(Ticket { framing, from });
    response.extensions_mut().insert(Park { framing, ticket });
    response
}

/// A WebSocket that follows the log from its beginning, over whatever version of HTTP.
pub(crate) fn park_handshake(parts: &Parts) -> Response {
    let accept = match check_handshake(parts) {
        Ok(accept) => accept,
        Err(error) => return error.status().into_response(),
    };
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    *response.headers_mut() = accept.response_fields(None);
    let framing = Framing::WebSocket;
    let ticket = Arc::new(Ticket { framing, from: 0 });
    response.extensions_mut().insert(Park { framing, ticket });
    response
}

/// The three doors to the log.
pub(crate) fn doors() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route(
            "/sse",
            get(|h: HeaderMap| async move { park(Framing::Stream, &h) }),
        )
        .route(
            "/poll",
            get(|h: HeaderMap| async move { park(Framing::Answer, &h) }),
        )
        .route(
            "/ws",
            get(|request: Request| async move { park_handshake(&request.into_parts().0) }),
        )
}

/// What each core has to do with the log.
pub(crate) fn source_of(log: &Arc<Log>) -> MakeSource {
    let log = log.clone();
    Arc::new(move |waker| {
        log.wakers.lock().unwrap().push(waker);
        Rc::new(LogSource {
            log: log.clone(),
            followers: RefCell::default(),
            next: RefCell::default(),
        })
    })
}

/// Serves an application whose connections may follow the log.
pub(crate) fn serve_log(app: Router, cores: usize, limits: Limits) -> (Running, Arc<Log>) {
    let log = Arc::new(Log::default());
    let handle = super::common::bind(Server::new(app.into_service()))
        .cores(cores)
        .limits(limits)
        .source(source_of(&log))
        .start()
        .unwrap();
    (Running::new(handle), log)
}
