//! What an event of a socket leads to: which methods of a connection it goes to, and how much of a turn each gets.

use std::io;
use std::rc::Rc;

use crate::app::App;
use crate::core::slab::State;
use crate::core::{Core, Until};
use crate::limits::Tick;

use crate::socket::Socket;
use crate::source::ConnId;
use crate::tls::{TlsSocket, why_failed};

/// Reads of one connection in one turn.
const READS_MAX: usize = 4;

/// What is read at once of a WebSocket that is not within a longer frame: more than a thousand of the smallest frames. A flood of
/// them on many connections makes the others wait for this much of each.
pub(super) const WEBSOCKET_READ_BYTES: usize = 8 * 1024;

impl<A: App> Core<A> {
    /// The socket has bytes, or its end.
    pub(crate) fn readable(self: &Rc<Self>, id: ConnId, buffer: &mut [u8], until: Until) {
        for _ in 0..READS_MAX {
            match self.may_read(id, until) {
                MayRead::Yes => {}
                MayRead::No => return,
                MayRead::Itself => return self.h2_turn(id),
                MayRead::Task => return self.stream_event(id, true, false, until == Until::Blocked),
            }
            let (is_websocket, window) = self.read_window(id, buffer.len());
            let Some((read, more, opened)) = self.read(id, &mut buffer[..window]) else {
                return;
            };
            if let Some(listener) = opened {
                self.begin_service(id, listener);
            }
            match read {
                Ok(0) => return self.ended(id),
                Ok(n) => {
                    self.link.counts.bytes_in.add(n as u64);
                    self.received(id, &mut buffer[..n]);
                    if !more && until == Until::Short {
                        return;
                    }
                    if n == window && is_websocket {
                        // Tiny frames may go on and on: the others first.
                        break;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return self.unreadable(id, &e),
            }
        }
        self.turn_later(id);
    }

    /// The peer's end is announced, and may stand behind what a short read of ciphertext gives.
    pub(super) fn hung_up(&self, id: ConnId) {
        if let Some(conn) = self.conns.borrow_mut().get_mut(id)
            && let Socket::Tls(tls) = &mut conn.socket
        {
            tls.note_hung_up();
        }
    }

    /// Whether it is a WebSocket, or follows something, and how much to read of it at once.
    fn read_window(&self, id: ConnId, bytes_max: usize) -> (bool, usize) {
        match self.conns.borrow_mut().get_mut(id).map(|conn| &conn.state) {
            Some(State::WebSocket(ws)) => {
                let frame = usize::try_from(ws.frame_left_bytes()).unwrap_or(usize::MAX);
                (true, frame.max(WEBSOCKET_READ_BYTES).min(bytes_max))
            }
            Some(State::Follow(_)) => (true, WEBSOCKET_READ_BYTES.min(bytes_max)),
            _ => (false, bytes_max),
        }
    }

    /// One read, whether another may bring more that no event announces, and the listener if it has completed a
    /// handshake. `None`: not now.
    fn read(&self, id: ConnId, buffer: &mut [u8]) -> Option<(io::Result<usize>, bool, Option<u16>)> {
        let mut conns = self.conns.borrow_mut();
        let conn = conns.get_mut(id)?;
        let handshaking = conn.socket.is_handshaking();
        if handshaking {
            let Some(left) = self.handshakes_left.get().checked_sub(1) else {
                drop(conns);
                self.turn_later(id);
                return None;
            };
            self.handshakes_left.set(left);
        }
        let read = conn.socket.read(buffer);
        let opened = match &conn.socket {
            Socket::Tls(tls) if handshaking => self.count_handshake(tls, &read),
            _ => None,
        };
        if opened.is_some() {
            // Its time is over; that of the first request begins.
            conn.deadline = self.after(self.limits.header_read_timeout);
        }
        let more = matches!(read, Ok(n) if conn.socket.may_have_more(n, buffer.len()));
        Some((read, more, opened))
    }

    /// What a read came to that was a step of a handshake. The listener if it is complete.
    fn count_handshake(&self, tls: &TlsSocket, read: &io::Result<usize>) -> Option<u16> {
        let counts = &self.link.counts;
        if let Some(info) = tls.info() {
            counts.shook_hands(info);
            return Some(tls.listener());
        }
        match read {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // Who connects and goes, as those do who look whether a port is open, began none.
            Err(error) if error.kind() == io::ErrorKind::InvalidData || tls.has_begun() => {
                counts.tls_failed.add(why_failed(error), 1);
            }
            _ => {}
        }
        None
    }

    /// A socket that cannot be read from any more.
    fn unreadable(self: &Rc<Self>, id: ConnId, error: &io::Error) {
        let is_quiet = match self.conns.borrow_mut().get_mut(id) {
            Some(conn) => matches!(conn.state, State::Fresh | State::Parked(_)),
            None => return,
        };
        // What was not TLS has been told so, and the telling must not be lost in a reset.
        if is_quiet && error.kind() == io::ErrorKind::InvalidData {
            self.linger(id)
        } else {
            self.close(id)
        }
    }

    /// Until when a new client must have said something whole: its handshake, or the head of a request.
    pub(crate) fn first_deadline(&self, socket: &Socket) -> Tick {
        let timeout = socket.handshake_timeout();
        self.after(timeout.unwrap_or(self.limits.header_read_timeout))
    }

    /// Goes on with what a connection's last turn left.
    pub(super) fn turn(self: &Rc<Self>, id: ConnId, buffer: &mut [u8]) {
        let kind = match self.conns.borrow_mut().get_mut(id) {
            Some(conn) => match &conn.state {
                State::Http(http) if http.has_input() => Kind::Http,
                State::Follow(_) => Kind::Follow,
                State::H2(_) => Kind::H2,
                _ => Kind::WebSocket,
            },
            None => return,
        };
        match kind {
            Kind::Http => self.http_writable(id),
            Kind::Follow => self.pump(id),
            Kind::H2 => return self.h2_turn(id),
            Kind::WebSocket | Kind::ProxyHeader | Kind::Stream | Kind::Gone => {}
        }
        self.readable(id, buffer, Until::Blocked);
    }

    /// What was polled for a connection may come to something now.
    pub(super) fn woken(self: &Rc<Self>, id: ConnId, buffer: &mut [u8]) {
        let is_h2 = match self.conns.borrow_mut().get_mut(id) {
            Some(conn) => matches!(conn.state, State::H2(_)),
            None => return,
        };
        if is_h2 {
            return self.h2_turn(id);
        }
        self.writable(id);
        self.readable(id, buffer, Until::Blocked);
    }

    /// The connection has more to do, after the others had their turn.
    pub(crate) fn turn_later(&self, id: ConnId) {
        self.again.borrow_mut().push(id);
        // The main task may be waiting while one of its handlers' tasks says this.
        self.link.wake();
    }

    /// Whether the connection wants bytes; if not, it remembers that there may be some.
    fn may_read(&self, id: ConnId, until: Until) -> MayRead {
        let mut conns = self.conns.borrow_mut();
        let Some(conn) = conns.get_mut(id) else {
            return MayRead::No;
        };
        let may = match &mut conn.state {
            State::Http(http) => http.may_read(),
            State::WebSocket(ws) => ws.may_read(),
            State::Follow(follow) => follow.may_read(),
            State::Fresh | State::Parked(_) | State::Lingering(_) | State::ProxyHeader(_) => true,
            State::H2(h2) => {
                h2.note_readable(until == Until::Blocked);
                return MayRead::Itself;
            }
            State::Stream(_) => return MayRead::Task,
            State::Taken => false,
        };
        if may { MayRead::Yes } else { MayRead::No }
    }

    pub(crate) fn received(self: &Rc<Self>, id: ConnId, bytes: &mut [u8]) {
        let kind = match self.conns.borrow_mut().get_mut(id) {
            Some(conn) => match &mut conn.state {
                State::Lingering(left) => match left.checked_sub(bytes.len() as u32) {
                    Some(rest) => {
                        *left = rest;
                        return;
                    }
                    None => Kind::Gone,
                },
                State::Fresh | State::Parked(_) | State::Http(_) => Kind::Http,
                State::Follow(_) => Kind::Follow,
                State::WebSocket(_) => Kind::WebSocket,
                State::ProxyHeader(_) => Kind::ProxyHeader,
                State::Stream(_) => Kind::Stream,
                State::H2(_) | State::Taken => return,
            },
            None => return,
        };
        match kind {
            Kind::Http => self.http_received(id, bytes),
            Kind::ProxyHeader => self.proxy_received(id, bytes),
            Kind::Follow => self.follow_received(id, bytes),
            Kind::WebSocket => self.ws_received(id, bytes),
            Kind::Stream => self.stream_received(id, bytes),
            Kind::H2 | Kind::Gone => self.close(id),
        }
    }

    /// The peer will send nothing more.
    fn ended(self: &Rc<Self>, id: ConnId) {
        let is_http = match self.conns.borrow_mut().get_mut(id) {
            Some(conn) => matches!(conn.state, State::Http(_)),
            None => return,
        };
        if is_http {
            self.http_ended(id)
        } else {
            self.close(id)
        }
    }

    /// The socket takes bytes again.
    pub(super) fn writable(self: &Rc<Self>, id: ConnId) {
        if self.flush_ciphertext(id).is_err() {
            return self.close(id);
        }
        let kind = match self.conns.borrow_mut().get_mut(id) {
            Some(conn) => match &conn.state {
                State::Http(http) if http.is_owed() => Kind::Http,
                State::Follow(follow) if follow.is_blocked() => Kind::Follow,
                State::WebSocket(ws) if ws.is_owed() => Kind::WebSocket,
                State::H2(h2) if h2.note_writable() => Kind::H2,
                State::Stream(_) => Kind::Stream,
                _ => return,
            },
            None => return,
        };
        match kind {
            Kind::Http => self.http_writable(id),
            Kind::Follow => self.pump(id),
            Kind::WebSocket => self.flush_socket(id),
            Kind::H2 => self.h2_turn(id),
            Kind::Stream => self.stream_event(id, false, true, false),
            Kind::ProxyHeader | Kind::Gone => {}
        }
    }

    /// Writes the ciphertext that a socket owes. A peer that takes some of it does not stall, although nothing of the
    /// plaintext may count as written yet.
    fn flush_ciphertext(&self, id: ConnId) -> io::Result<()> {
        let mut conns = self.conns.borrow_mut();
        let Some(conn) = conns.get_mut(id) else {
            return Ok(());
        };
        if conn.socket.flush()? {
            let deadline = self.after(self.limits.write_stall_timeout);
            match &mut conn.state {
                State::Http(http) => http.took_some(),
                State::Follow(follow) if follow.is_blocked() => conn.deadline = deadline,
                State::WebSocket(ws) if ws.is_owed() => conn.deadline = deadline,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Who reads from a connection's socket.
enum MayRead {
    Yes,
    No,
    /// It does so itself, in its turn.
    Itself,
    /// Its task.
    Task,
}

/// Which methods a connection's events go to.
enum Kind {
    Http,
    Follow,
    WebSocket,
    ProxyHeader,
    H2,
    Stream,
    Gone,
}
