//! Rooms in which somebody speaks at a steady rate, and sessions that must hear each word once and in order.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::{Dialect, Session, find};
use crate::load::group::{Group, send};
use crate::load::{Load, Tally, client, wrong};

/// What a message begins with; its number follows.
const MARK: &[u8] = b"@#";
/// Digits of the number.
const DIGITS: usize = 12;
const MARKED_BYTES: usize = MARK.len() + DIGITS;
/// Messages of a room whose time is remembered.
const SENT_MAX: usize = 4096;
/// The connection that publishes, over HTTP.
const PUBLISHER: usize = 0;
/// What a stalled session's kernel takes before it is full, in bytes.
const STALLED_BUFFER_BYTES: usize = 4096;

/// Who is there, and how often something is said.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Sessions that listen.
    pub sessions: usize,
    /// Sessions in each room.
    pub room: usize,
    /// Sessions that are open, in the first room, and read nothing.
    pub stalled: usize,
    /// Between two messages, to one room after the other.
    pub every: Duration,
    /// Length of a message's text.
    pub text_bytes: usize,
}

/// How the one who speaks does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// `POST /pub/ROOM`.
    Http,
    /// A session of its own, with the protocol's `publish`.
    Session,
}

/// The sessions, and the one who speaks.
#[derive(Debug)]
pub struct Fan {
    group: Group,
    shape: Shape,
    address: SocketAddr,
    voice: Voice,
    ping: Option<(&'static [u8], Vec<u8>)>,
    rooms: Vec<Room>,
    listeners: Vec<Listener>,
    due: Instant,
    /// The room that is spoken to next.
    next: usize,
    /// Never read; closed with us.
    _stalled: Vec<TcpStream>,
}

#[derive(Debug, Default)]
struct Room {
    /// When each message was sent, by its number modulo [`SENT_MAX`].
    sent: Vec<Instant>,
    published: u64,
}

#[derive(Debug, Default)]
struct Listener {
    room: usize,
    heard: u64,
    /// The end of what was read, if it may be half a mark.
    rest: Vec<u8>,
}

fn room_name(number: usize) -> String {
    format!("r{number}")
}

impl Fan {
    /// Opens all sessions.
    ///
    /// # Errors
    /// When the server does not accept them.
    pub fn open(address: SocketAddr, dialect: Dialect, shape: Shape, voice: Voice) -> io::Result<Self> {
        let room_of = |session: usize| session / shape.room;
        let names: Vec<_> = (0..shape.sessions).map(|at| room_name(room_of(at))).collect();
        let sessions = dialect.open(address, &names, None)?;
        let names: Vec<_> = (0..shape.stalled).map(|_| room_name(0)).collect();
        let stalled = dialect.open(address, &names, None)?;
        let mut sockets = vec![match voice {
            Voice::Http => client::connect(address)?,
            Voice::Session => dialect.open_speaker(address)?,
        }];
        sockets.extend(sessions.into_iter().map(|Session { socket, .. }| socket));
        let stalled = stalled.into_iter().map(|Session { socket, .. }| socket);
        let stalled: Vec<_> = stalled.collect();
        for socket in &stalled {
            socket2::SockRef::from(socket).set_recv_buffer_size(STALLED_BUFFER_BYTES)?;
        }
        let listeners = (0..shape.sessions).map(|at| Listener {
            room: room_of(at),
            ..Listener::default()
        });
        Ok(Self {
            group: Group::new(sockets)?,
            shape,
            address,
            voice,
            ping: dialect.ping_and_pong(),
            rooms: (0..shape.sessions.div_ceil(shape.room))
                .map(|_| Room::default())
                .collect(),
            listeners: listeners.collect(),
            due: Instant::now(),
            next: 0,
            _stalled: stalled,
        })
    }

    fn publish(&mut self) -> io::Result<()> {
        let room = &mut self.rooms[self.next];
        let slot = room.published as usize % SENT_MAX;
        let now = Instant::now();
        if slot < room.sent.len() {
            room.sent[slot] = now;
        } else {
            room.sent.push(now);
        }
        let mut text = format!("\"@#{:0DIGITS$}", room.published);
        text.extend(std::iter::repeat_n(
            '.',
            self.shape.text_bytes.saturating_sub(text.len()),
        ));
        text.push('"');
        room.published += 1;
        let name = room_name(self.next);
        self.next = (self.next + 1) % self.rooms.len();
        match self.voice {
            Voice::Http => {
                let request = format!(
                    "POST /pub/{name} HTTP/1.1\r\nHost: {}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{text}",
                    self.address,
                    text.len()
                );
                self.group.send(PUBLISHER, request.as_bytes())
            }
            Voice::Session => {
                let command = format!("{{\"id\":9,\"publish\":{{\"channel\":\"{name}\",\"data\":{text}}}}}");
                let frame = client::client_text_frame_of(command.as_bytes(), [0; 4]);
                self.group.send(PUBLISHER, &frame)
            }
        }
    }

    /// Messages that were said.
    #[must_use]
    pub fn said(&self) -> u64 {
        self.rooms.iter().map(|room| room.published).sum()
    }

    /// Messages that are said and that somebody has not heard yet.
    #[must_use]
    pub fn unheard(&self) -> u64 {
        let unheard = |listener: &Listener| self.rooms[listener.room].published - listener.heard;
        self.listeners.iter().map(unheard).sum()
    }

    /// Waits until all that was said is heard, or until then.
    ///
    /// # Errors
    /// As [`Load::pump`].
    pub fn settle(&mut self, until: Instant, tally: &mut Tally) -> io::Result<()> {
        while self.unheard() > 0 && Instant::now() < until {
            self.turn(until.min(Instant::now() + Duration::from_millis(50)), tally)?;
        }
        Ok(())
    }

    fn turn(&mut self, until: Instant, tally: &mut Tally) -> io::Result<()> {
        let Self {
            group,
            ping,
            rooms,
            listeners,
            ..
        } = self;
        group.turn(until, |socket, index, bytes| {
            if let Some((ping, pong)) = ping
                && find(bytes, ping).is_some()
            {
                send(socket, pong)?;
            }
            let Some(listener) = index.checked_sub(1) else {
                return check_published(bytes);
            };
            let listener = &mut listeners[listener];
            listener.hear(bytes, &rooms[listener.room], tally)
        })
    }
}

impl Load for Fan {
    fn pump(&mut self, until: Instant, tally: &mut Tally) -> io::Result<()> {
        self.group.rest();
        self.due = self.due.max(Instant::now());
        while Instant::now() < until {
            while Instant::now() >= self.due {
                self.due += self.shape.every;
                self.publish()?;
            }
            self.turn(until.min(self.due), tally)?;
        }
        Ok(())
    }
}

/// All answers to what was published are that it was.
fn check_published(bytes: &[u8]) -> io::Result<()> {
    let refusals: [&[u8]; 3] = [b"HTTP/1.1 4", b"HTTP/1.1 5", b"\"error\""];
    if refusals.iter().any(|refusal| find(bytes, refusal).is_some()) {
        return Err(wrong(format!(
            "nothing is published: {}",
            String::from_utf8_lossy(bytes)
        )));
    }
    Ok(())
}

impl Listener {
    fn hear(&mut self, bytes: &[u8], room: &Room, tally: &mut Tally) -> io::Result<()> {
        let joined;
        let mut bytes = bytes;
        if !self.rest.is_empty() {
            joined = [&std::mem::take(&mut self.rest)[..], bytes].concat();
            bytes = &joined;
        }
        while let Some(at) = find(bytes, MARK) {
            let Some(digits) = bytes.get(at + MARK.len()..at + MARKED_BYTES) else {
                bytes = &bytes[at..];
                break;
            };
            let number = digits.iter().fold(0, |sum: u64, digit| {
                sum * 10 + u64::from(digit.wrapping_sub(b'0'))
            });
            if number != self.heard || number >= room.published {
                return Err(wrong(format!(
                    "message {number} came where {} was due",
                    self.heard
                )));
            }
            self.heard += 1;
            tally.units += 1;
            let sent = room.sent[number as usize % SENT_MAX];
            tally.latency.record(sent.elapsed());
            bytes = &bytes[at + MARKED_BYTES..];
        }
        if bytes.starts_with(MARK) {
            self.rest = bytes.to_vec();
        } else if bytes.last() == MARK.first() {
            self.rest = MARK[..1].to_vec();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_hears_each_number_once_wherever_it_is_cut() {
        let room = Room {
            sent: vec![Instant::now(); 2],
            published: 2,
        };
        let all = b"x@#000000000000..@.@#000000000001..";
        for cut in 0..all.len() {
            let (mut listener, mut tally) = (Listener::default(), Tally::default());
            listener.hear(&all[..cut], &room, &mut tally).unwrap();
            listener.hear(&all[cut..], &room, &mut tally).unwrap();
            assert_eq!((listener.heard, tally.units), (2, 2), "{cut}");
            assert!(listener.hear(all, &room, &mut tally).is_err(), "again");
        }
    }
}
