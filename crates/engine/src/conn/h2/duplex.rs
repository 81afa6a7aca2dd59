//! A stream of HTTP/2 that became a WebSocket, a stream of events or a long-poll: a record of the slab like any
//! other connection, with this in place of its socket.

use std::io::{self, ErrorKind, IoSlice};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::header::CONTENT_LENGTH;
use http::response::Parts;
use http::{HeaderMap, Response, StatusCode};

use super::answer::{Asked, remove_connection_fields};
use super::gate::Gate;
use super::life::Streams;
use crate::app::App;
use crate::conn::http::Becomes;
use crate::core::Core;
use crate::core::slab::{Conn, State};
use crate::core::waker::ConnWaker;
use crate::limits::NEVER;
use crate::socket::{Peer, Socket, Virtual};
use crate::source::{ConnId, Framing};

/// One stream, as a socket.
pub(super) struct Duplex {
    side: Side,
    /// What the peer sends, if that is of interest: a WebSocket's frames.
    recv: Option<RecvStream>,
    /// Received, and not read yet.
    unread: Bytes,
    /// The answer's body is not sent: it is to HEAD.
    head_request: bool,
    gate: Arc<Gate>,
    waker: Waker,
    conn_waker: Arc<ConnWaker>,
}

/// Our side of the stream.
enum Side {
    /// A long-poll that waits for its answer, whose head will have these fields.
    Waiting(SendResponse<Bytes>, Box<HeaderMap>),
    Open(SendStream<Bytes>),
    /// All is said.
    Finished(SendStream<Bytes>),
    /// A long-poll whose whole answer was its head.
    Over,
}

impl std::fmt::Debug for Duplex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Duplex").finish_non_exhaustive()
    }
}

impl Drop for Duplex {
    fn drop(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        let is_cut = match &mut self.side {
            Side::Waiting(..) | Side::Open(_) => true,
            Side::Finished(send) => matches!(send.poll_reset(&mut cx), Poll::Ready(Ok(_))),
            Side::Over => false,
        };
        if is_cut {
            self.gate.note_cut();
        }
    }
}

impl Virtual for Duplex {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.conn_waker.heard();
        let mut cx = Context::from_waker(&self.waker);
        let Some(recv) = &mut self.recv else {
            // Nothing is expected but that the peer has enough of it.
            let reset = match &mut self.side {
                Side::Waiting(respond, _) => respond.poll_reset(&mut cx).is_ready(),
                Side::Open(send) | Side::Finished(send) => send.poll_reset(&mut cx).is_ready(),
                Side::Over => true,
            };
            let kind = if reset {
                ErrorKind::ConnectionReset
            } else {
                ErrorKind::WouldBlock
            };
            return Err(kind.into());
        };
        while self.unread.is_empty() {
            match recv.poll_data(&mut cx) {
                Poll::Ready(Some(Ok(data))) => self.unread = data,
                Poll::Ready(Some(Err(_))) => return Err(ErrorKind::ConnectionReset.into()),
                Poll::Ready(None) => return Ok(0),
                Poll::Pending => return Err(ErrorKind::WouldBlock.into()),
            }
        }
        let count = self.unread.len().min(buffer.len());
        self.unread.copy_to_slice(&mut buffer[..count]);
        // Fails for a stream that is gone, whose window nobody needs.
        let _ = recv.flow_control().release_capacity(count);
        Ok(count)
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.conn_waker.heard();
        let Side::Open(send) = &mut self.side else {
            return Err(ErrorKind::BrokenPipe.into());
        };
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        let mut cx = Context::from_waker(&self.waker);
        let mut written = 0;
        // Until all is taken or nothing is: whoever gets a short write waits to be told, as with a socket.
        while written < total {
            if self.gate.is_shut(&self.waker) {
                break;
            }
            send.reserve_capacity(total - written);
            let room = match send.capacity() {
                0 => match send.poll_capacity(&mut cx) {
                    Poll::Ready(Some(Ok(room))) => room,
                    Poll::Ready(Some(Err(_)) | None) => return Err(ErrorKind::ConnectionReset.into()),
                    Poll::Pending => break,
                },
                room => room,
            };
            let part = gather(slices, written, room.min(total - written));
            let count = part.len();
            self.gate.pass(count);
            if send.send_data(part, false).is_err() {
                return Err(ErrorKind::ConnectionReset.into());
            }
            written += count;
        }
        if written == 0 && total > 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(written)
    }

    fn finish(&mut self) {
        self.side = match std::mem::replace(&mut self.side, Side::Over) {
            Side::Open(mut send) => {
                // Fails for a stream that is gone.
                let _ = send.send_data(Bytes::new(), true);
                Side::Finished(send)
            }
            side => side,
        };
    }

    fn respond(&mut self, response: Response<Bytes>) -> io::Result<Bytes> {
        let Side::Waiting(mut respond, mut fields) = std::mem::replace(&mut self.side, Side::Over) else {
            return Err(ErrorKind::BrokenPipe.into());
        };
        let (parts, body) = response.into_parts();
        // A name's first value replaces, the others are appended.
        fields.extend(parts.headers);
        remove_connection_fields(&mut fields);
        let mut head = Response::new(());
        *head.status_mut() = parts.status;
        *head.headers_mut() = *fields;
        let bodiless = matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if !bodiless {
            head.headers_mut().insert(CONTENT_LENGTH, body.len().into());
        }
        let body = if bodiless || self.head_request {
            Bytes::new()
        } else {
            body
        };
        match respond.send_response(head, body.is_empty()) {
            Ok(send) if !body.is_empty() => self.side = Side::Open(send),
            Ok(_) => {}
            Err(_) => return Err(ErrorKind::ConnectionReset.into()),
        }
        Ok(body)
    }
}

/// So many bytes from `from` on, as one piece: one DATA frame, or as few as the peer's frames allow.
fn gather(slices: &[IoSlice<'_>], mut from: usize, mut bytes: usize) -> Bytes {
    let mut piece = BytesMut::with_capacity(bytes);
    for slice in slices {
        if bytes == 0 {
            break;
        }
        let skipped = from.min(slice.len());
        from -= skipped;
        let rest = &slice[skipped..];
        let taken = bytes.min(rest.len());
        piece.extend_from_slice(&rest[..taken]);
        bytes -= taken;
    }
    piece.freeze()
}

impl<A: App> Core<A> {
    /// A response turns its stream into a connection of another kind.
    pub(super) fn h2_become(
        self: &Rc<Self>,
        parent: ConnId,
        streams: &Rc<Streams>,
        (mut asked, mut parts, becomes): (Asked, Parts, Becomes),
    ) {
        // It goes on for as long as it goes on.
        parts.headers.remove(CONTENT_LENGTH);
        self.h2_fields(&mut parts, true, None);
        let is_answer = matches!(&becomes, Becomes::Parked(park, _) if park.framing == Framing::Answer);
        let side = if is_answer {
            Side::Waiting(asked.respond, Box::new(parts.headers))
        } else {
            let is_tunnel = parts.status == StatusCode::SWITCHING_PROTOCOLS;
            let mut head = Response::new(());
            // RFC 8441 section 5: the 101 of HTTP/1.1 is a 200 here.
            *head.status_mut() = if is_tunnel { StatusCode::OK } else { parts.status };
            *head.headers_mut() = parts.headers;
            match asked.respond.send_response(head, asked.head_request) {
                Ok(_) if asked.head_request => return,
                Ok(send) => Side::Open(send),
                Err(error) => {
                    return tracing::debug!(%error, "a stream was gone before its answer");
                }
            }
        };
        let Some(id) = self.insert_virtual(parent, |waker| {
            Box::new(Duplex {
                side,
                recv: asked.tunnel,
                unread: Bytes::new(),
                head_request: asked.head_request,
                gate: streams.gate.clone(),
                waker: waker.clone().into(),
                conn_waker: waker,
            })
        }) else {
            return;
        };
        self.guarded(id, || {
            self.become_other(id, self.new_http(), becomes);
            // Looks at the stream once, so that it knows whom to tell.
            self.turn_later(id);
        });
    }

    /// A record whose socket is within another connection, its parent, and has the parent's peer.
    fn insert_virtual(
        &self,
        parent: ConnId,
        make: impl FnOnce(Arc<ConnWaker>) -> Box<dyn Virtual>,
    ) -> Option<ConnId> {
        let peer = self.conns.borrow_mut().get_mut(parent)?.peer.peer();
        Some(self.insert_virtual_of(peer, make))
    }

    /// A record whose socket is within something that has no record.
    pub(in crate::conn) fn insert_virtual_of(
        &self,
        peer: Peer,
        make: impl FnOnce(Arc<ConnWaker>) -> Box<dyn Virtual>,
    ) -> ConnId {
        let mut conns = self.conns.borrow_mut();
        let id = conns.next_id();
        let conn = Conn {
            socket: Socket::Virtual(Box::new(make(ConnWaker::new(self.link.clone(), id)))),
            peer: peer.into(),
            life: id.life,
            deadline: NEVER,
            state: State::Taken,
        };
        conns.insert(id, conn);
        id
    }
}
