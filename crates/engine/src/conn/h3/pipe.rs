//! A stream of HTTP/3 that became a stream of events or a long-poll: a record of the slab with this in place of its
//! socket, and a task that carries what is written to the stream.
//!
//! Why a task: the h3 crate sends by futures. What waits in between is bounded.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Response, StatusCode};

use crate::conn::h2::answer::remove_connection_fields;
use crate::core::waker::ConnWaker;
use crate::limits::BUFFER_BYTES_MAX;
use crate::socket::Virtual;

/// What the core writes to.
#[derive(Debug)]
pub(super) struct Pipe {
    shared: Arc<Shared>,
    conn_waker: Arc<ConnWaker>,
    /// The fields of a long-poll whose head is not sent.
    fields: Option<Box<HeaderMap>>,
    /// The answer's body is not sent: it is to HEAD.
    head_request: bool,
}

/// What the task reads from.
pub(super) struct Outlet {
    shared: Arc<Shared>,
    conn_waker: Arc<ConnWaker>,
}

#[derive(Debug, Default)]
struct Shared(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    head: Option<Response<()>>,
    bytes: BytesMut,
    /// Nothing more will be written.
    finished: bool,
    /// The core has closed the record.
    closed: bool,
    /// The stream is gone.
    gone: bool,
    /// The core could not write, and is told when it can.
    full: bool,
    task: Option<Waker>,
}

/// What is to be sent next.
pub(super) enum Next {
    Head(Response<()>),
    Data(Bytes),
    /// All is sent.
    End,
    /// The core has given up: the stream must not look complete.
    Cut,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing here can panic half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The two ends. With `fields` it is a long-poll, whose head comes with its answer.
pub(super) fn pipe(
    conn_waker: &Arc<ConnWaker>,
    fields: Option<Box<HeaderMap>>,
    head_request: bool,
) -> (Pipe, Outlet) {
    let shared = Arc::new(Shared::default());
    let pipe = Pipe {
        shared: shared.clone(),
        conn_waker: conn_waker.clone(),
        fields,
        head_request,
    };
    let outlet = Outlet {
        shared,
        conn_waker: conn_waker.clone(),
    };
    (pipe, outlet)
}

impl State {
    fn wake_task(&mut self) -> Option<Waker> {
        self.task.take()
    }
}

impl Virtual for Pipe {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.conn_waker.heard();
        let kind = match self.shared.lock().gone {
            true => ErrorKind::ConnectionReset,
            false => ErrorKind::WouldBlock,
        };
        Err(kind.into())
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.conn_waker.heard();
        let mut state = self.shared.lock();
        if state.gone {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let mut written = 0;
        for slice in slices {
            let room = BUFFER_BYTES_MAX.saturating_sub(state.bytes.len());
            let count = slice.len().min(room);
            state.bytes.extend_from_slice(&slice[..count]);
            written += count;
            if count < slice.len() {
                state.full = true;
                break;
            }
        }
        let task = state.wake_task();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
        if written == 0 && slices.iter().any(|slice| !slice.is_empty()) {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(written)
    }

    fn finish(&mut self) {
        let mut state = self.shared.lock();
        state.finished = true;
        let task = state.wake_task();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
    }

    fn respond(&mut self, response: Response<Bytes>) -> io::Result<Bytes> {
        let Some(mut fields) = self.fields.take() else {
            return Err(ErrorKind::BrokenPipe.into());
        };
        let (parts, body) = response.into_parts();
        // A name's first value replaces, the others are appended.
        fields.extend(parts.headers);
        remove_connection_fields(&mut fields);
        let bodiless = matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if !bodiless {
            fields.insert(CONTENT_LENGTH, body.len().into());
        }
        let body = if bodiless || self.head_request {
            Bytes::new()
        } else {
            body
        };
        let mut head = Response::new(());
        *head.status_mut() = parts.status;
        *head.headers_mut() = *fields;
        let mut state = self.shared.lock();
        state.head = Some(head);
        let task = state.wake_task();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
        Ok(body)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        let task = state.wake_task();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl Outlet {
    pub(super) async fn next(&self) -> Next {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Next> {
        let mut state = self.shared.lock();
        if let Some(head) = state.head.take() {
            return Poll::Ready(Next::Head(head));
        }
        if !state.bytes.is_empty() {
            let bytes = state.bytes.split().freeze();
            let was_full = std::mem::take(&mut state.full);
            drop(state);
            if was_full {
                self.tell();
            }
            return Poll::Ready(Next::Data(bytes));
        }
        if state.finished {
            return Poll::Ready(Next::End);
        }
        if state.closed {
            return Poll::Ready(Next::Cut);
        }
        state.task = Some(cx.waker().clone());
        Poll::Pending
    }

    fn tell(&self) {
        Waker::from(self.conn_waker.clone()).wake();
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        // However the task ends, nobody takes anything any more.
        self.shared.lock().gone = true;
        self.tell();
    }
}
