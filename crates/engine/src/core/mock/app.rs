//! A small application that does what applications do, wrong things too: which, the first byte of the path says.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;
use squall_wire::ws::check_upgrade;

use super::source::MockTicket;
use crate::body::Body;
use crate::source::{Framing, Park};
use crate::ws::{OnUpgrade, Socket};

/// The largest piece of a body.
pub(super) const PIECE_BYTES_MAX: usize = 200 * 1024;

/// Says of each answer which request it belongs to.
pub(super) const NUMBER: HeaderName = HeaderName::from_static("x-number");

/// What reached the application.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The method of each request, in order.
    pub(super) methods: Vec<Method>,
    /// One of them became a stream, which ends with the next byte of its peer, written or not.
    pub(super) streams: bool,
}

/// The application. It is `Send` as every one must be, but stays on its thread: [`Seen`] is found there.
#[derive(Clone, Debug)]
pub(super) struct MockApp;

thread_local! {
    static SEEN: RefCell<Rc<RefCell<Seen>>> = RefCell::default();
}

impl MockApp {
    pub(super) fn new(seen: &Rc<RefCell<Seen>>) -> Self {
        SEEN.with(|slot| *slot.borrow_mut() = seen.clone());
        MockApp
    }
}

type Answer = Response<MockBody>;

impl tower_service::Service<Request<Body>> for MockApp {
    type Response = Answer;
    type Error = &'static str;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, &'static str>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let kind = request.uri().path().as_bytes().get(1).copied().unwrap_or(b'/');
        let number = SEEN.with(|seen| {
            let seen = seen.borrow();
            let mut seen = seen.borrow_mut();
            seen.methods.push(request.method().clone());
            seen.streams |= kind == b'S';
            seen.methods.len() - 1
        });
        if kind == b'P' {
            panic_on_purpose();
        }
        Box::pin(async move {
            let mut answer = answer(kind, request).await?;
            answer.headers_mut().insert(NUMBER, number.into());
            Ok(answer)
        })
    }
}

/// A panic that no hook hears of: a fuzzer would take it for one that nobody meant.
fn panic_on_purpose() -> ! {
    std::panic::resume_unwind(Box::new("on purpose"))
}

async fn answer(kind: u8, request: Request<Body>) -> Result<Answer, &'static str> {
    Ok(match kind {
        b'e' => echo(request.into_body()).await,
        b's' => stream(&[b"one", b"", b"two"]),
        b'l' => {
            wait(3).await;
            whole(b"later")
        }
        b'n' => pending().await,
        b'p' => {
            wait(1).await;
            panic_on_purpose()
        }
        b'b' => Response::new(MockBody::of([Step::Data(b"secret".to_vec()), Step::Panic])),
        b'B' => Response::new(MockBody::of([
            Step::Later,
            Step::Data(b"secret".to_vec()),
            Step::Panic,
        ])),
        b'f' => return Err("on purpose"),
        b'F' => Response::new(MockBody::of([Step::Data(b"a".to_vec()), Step::Later, Step::Fail])),
        b'i' => {
            // The body is kept unread until the answer is made, and dropped with the future.
            let body = request.into_body();
            wait(1).await;
            drop(body);
            whole(b"ignored")
        }
        b'o' => {
            request.body().set_bytes_max(16);
            echo(request.into_body()).await
        }
        b'G' => Response::new(MockBody::of((0..4).map(|_| Step::Data(vec![b'.'; 50_000])))),
        b'g' => Response::new(MockBody::of([Step::Data(vec![b'.'; PIECE_BYTES_MAX])])),
        b'x' => with_length(3, [Step::Later, Step::Data(b"longer".to_vec())]),
        b'y' => with_length(9, [Step::Data(b"short".to_vec())]),
        b't' => Response::new(MockBody::of([
            Step::Data(b"a".to_vec()),
            Step::Later,
            Step::Trailers,
        ])),
        b'1'..=b'9' => status(u16::from(kind - b'0') * 100 + 4),
        b'0' => status(304),
        b'c' => {
            let mut answer = whole(b"bye");
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(http::header::CONNECTION, close);
            answer
        }
        b'w' => upgrade(&request, None),
        b'W' => upgrade(&request, Some(Framing::WebSocket)),
        b'S' => park(Framing::Stream),
        b'L' => park(Framing::Answer),
        _ => whole(b"hello"),
    })
}

async fn echo(body: Body) -> Answer {
    match body.collect().await {
        Ok(collected) => whole(&collected.to_bytes()),
        Err(_) => status(400),
    }
}

/// Lets others run so many times.
async fn wait(mut times: usize) {
    poll_fn(|cx| {
        if times == 0 {
            return Poll::Ready(());
        }
        times -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn whole(bytes: &[u8]) -> Answer {
    Response::new(MockBody::of([Step::Data(bytes.to_vec())]).sized())
}

fn stream(parts: &[&[u8]]) -> Answer {
    let steps = parts
        .iter()
        .flat_map(|part| [Step::Later, Step::Data(part.to_vec())]);
    Response::new(MockBody::of(steps))
}

fn status(code: u16) -> Answer {
    let mut answer = whole(b"a body");
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or_default();
    answer
}

fn with_length(length: u64, steps: impl IntoIterator<Item = Step>) -> Answer {
    let mut answer = Response::new(MockBody::of(steps));
    answer.headers_mut().insert(CONTENT_LENGTH, length.into());
    answer
}

fn park(framing: Framing) -> Answer {
    let mut answer = Response::new(MockBody::default());
    let ticket = std::sync::Arc::new(MockTicket(framing));
    answer.extensions_mut().insert(Park { framing, ticket });
    answer
}

fn upgrade(request: &Request<Body>, framing: Option<Framing>) -> Answer {
    let accept = match check_upgrade(request.method(), request.version(), request.headers()) {
        Ok(accept) => accept,
        Err(error) => return status(error.status().as_u16()),
    };
    let mut answer = match framing {
        Some(framing) => park(framing),
        None => Response::new(MockBody::default()),
    };
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *answer.headers_mut() = accept.response_fields(None);
    if let Some(offer) = accept.deflate {
        answer.extensions_mut().insert(offer);
    }
    if framing.is_none() {
        answer.extensions_mut().insert(OnUpgrade::new(talk));
    }
    answer
}

async fn talk(mut socket: Socket) {
    while let Some(message) = socket.recv().await {
        match message.len() {
            7 => panic_on_purpose(),
            8 => socket.close(4000, "as you wish"),
            9 => return,
            _ => {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// What a body does when it is polled.
#[derive(Debug)]
pub(super) enum Step {
    Data(Vec<u8>),
    /// Nothing now, but soon.
    Later,
    Trailers,
    Fail,
    Panic,
}

/// A body that does what it was told.
#[derive(Debug, Default)]
pub(super) struct MockBody {
    steps: VecDeque<Step>,
    /// It says how long it is.
    sized: bool,
}

impl MockBody {
    fn of(steps: impl IntoIterator<Item = Step>) -> Self {
        MockBody {
            steps: steps.into_iter().collect(),
            sized: false,
        }
    }

    fn sized(mut self) -> Self {
        self.sized = true;
        self
    }

    fn bytes(&self) -> u64 {
        let length = |step: &Step| match step {
            Step::Data(data) => data.len() as u64,
            _ => 0,
        };
        self.steps.iter().map(length).sum()
    }
}

impl http_body::Body for MockBody {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        Poll::Ready(match self.steps.pop_front() {
            None => None,
            Some(Step::Data(data)) => Some(Ok(Frame::data(data.into()))),
            Some(Step::Later) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(Step::Trailers) => {
                let mut fields = HeaderMap::new();
                fields.insert("x-sum", HeaderValue::from_static("7"));
                Some(Ok(Frame::trailers(fields)))
            }
            Some(Step::Fail) => Some(Err("on purpose")),
            Some(Step::Panic) => panic_on_purpose(),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.sized && self.bytes() == 0
    }

    fn size_hint(&self) -> http_body::SizeHint {
        if self.sized {
            http_body::SizeHint::with_exact(self.bytes())
        } else {
            http_body::SizeHint::default()
        }
    }
}
