//! Connections that there is no room for: told so, and gone.
//!
//! Why an answer and not a silent close: a load balancer tries another server, a client knows when to come back. It is
//! prepared, is written straight from here and costs no record of a core. What is kept is bounded: [`KEPT_MAX`]
//! sockets for [`KEPT_FOR`], so that what the peer has sent does not turn our close into a reset that overtakes it.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::metrics::{Label, Refused};
use crate::shared::Shared;
use crate::socket::Socket;

/// Sockets of refused peers that are open for a moment more.
const KEPT_MAX: usize = 64;

/// For how long.
const KEPT_FOR: Duration = Duration::from_secs(1);

/// What is read away of one of them, at most, each time.
const READ_BYTES_MAX: usize = 16 * 1024;

/// A refusal is worth a line in the log, a thousand of them are not worth more.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Refuses connections.
pub(crate) struct Shed {
    shared: Arc<Shared>,
    retry_after_s: u64,
    kept: VecDeque<(Instant, Socket)>,
    /// A descriptor that is given up so that a peer can be refused when there is no other.
    reserve: Option<File>,
    logged: Option<Instant>,
}

impl Shed {
    pub(crate) fn new(shared: Arc<Shared>, retry_after: Duration) -> io::Result<Self> {
        Ok(Shed {
            shared,
            retry_after_s: retry_after.as_millis().div_ceil(1000) as u64,
            kept: VecDeque::new(),
            reserve: Some(reserve()?),
            logged: None,
        })
    }

    /// Refuses a connection. `clear`: what is written reaches the peer as HTTP/1.
    pub(crate) fn refuse(&mut self, mut socket: Socket, why: Refused, clear: bool, now: Instant) {
        self.note(why, now);
        if !clear {
            return;
        }
        let reason = match why {
            Refused::PerAddressMax => "too many connections from this address",
            _ => "the server has no room for another connection",
        };
        let answer = answer(reason, self.retry_after_s);
        // A new socket has room for this; one that does not take it has lost its peer already.
        if socket.write(answer.as_bytes()).is_err() {
            return;
        }
        socket.shutdown_write();
        read_away(&mut socket);
        if why == Refused::Descriptors {
            return;
        }
        if self.kept.len() >= KEPT_MAX {
            self.drop_first();
        }
        self.kept.push_back((now + KEPT_FOR, socket));
    }

    /// There is no descriptor. Makes one free for the next `accept`: whether that worked, and whether the connection
    /// that it brings can stay.
    pub(crate) fn make_room(&mut self) -> Room {
        if !self.kept.is_empty() {
            while !self.kept.is_empty() {
                self.drop_first();
            }
            return Room::Enough;
        }
        match self.reserve.take() {
            Some(_) => Room::ForRefusal,
            None => Room::None,
        }
    }

    /// Takes the reserve back after a refusal.
    pub(crate) fn restore(&mut self) {
        if self.reserve.is_none() {
            // If another thread was faster, the next refusal has to wait.
            self.reserve = reserve().ok();
        }
    }

    /// Closes those whose moment is over; when the next one's is.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<Duration> {
        while self.kept.front().is_some_and(|(until, _)| *until <= now) {
            self.drop_first();
        }
        self.kept.front().map(|(until, _)| *until - now)
    }

    fn drop_first(&mut self) {
        if let Some((_, mut socket)) = self.kept.pop_front() {
            read_away(&mut socket);
        }
    }

    fn note(&mut self, why: Refused, now: Instant) {
        self.shared.accept.refused.add(why, 1);
        if self.logged.is_none_or(|logged| now - logged >= LOG_INTERVAL) {
            self.logged = Some(now);
            let refused = self.shared.accept.refused.tally().total();
            tracing::warn!(
                why = why.name(),
                refused,
                "connections are refused: there is no room for them"
            );
        }
    }
}

/// What came of making room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// For a connection.
    Enough,
    /// For one that is refused at once.
    ForRefusal,
    /// None.
    None,
}

fn reserve() -> io::Result<File> {
    File::open("/dev/null")
}

/// Unread bytes would make the close a reset.
fn read_away(socket: &mut Socket) {
    let mut buffer = [0; 4096];
    for _ in 0..READ_BYTES_MAX / 4096 {
        if !matches!(socket.read(&mut buffer), Ok(1..)) {
            return;
        }
    }
}

/// Without `Date`, which a 5xx may leave out (RFC 9110 section 6.6.1).
fn answer(reason: &str, retry_after_s: u64) -> String {
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: {retry_after_s}\r\nconnection: close\r\n\
         content-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\r\n{reason}\n",
        reason.len() + 1
    )
}
