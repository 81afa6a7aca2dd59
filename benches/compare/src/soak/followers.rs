//! Connections that follow a room over SSE and WebSocket, those who poll it, and somebody who speaks in it.
//!
//! What is said are the numbers from 1 on, so a follower knows what it must receive: each number once, in order.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::Ordering;

use super::{Actor, Count, Shared};
use crate::load::client;

/// Acts after which the oldest follower leaves and another comes.
const ACTS_PER_CHANGE: u64 = 20;
/// What a follower may have waiting in part.
const PARTIAL_BYTES_MAX: usize = 64 * 1024;

/// Says the next number.
#[derive(Debug, Default)]
pub struct Publish {
    socket: Option<TcpStream>,
}

impl Actor for Publish {
    fn act(&mut self, shared: &Shared) -> io::Result<()> {
        let mut socket = match self.socket.take() {
            Some(socket) => socket,
            None => client::connect(shared.address)?,
        };
        let number = (shared.published.load(Ordering::Acquire) + 1).to_string();
        let request = format!(
            "POST /pub/room HTTP/1.1\r\nHost: {}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{number}",
            shared.address,
            number.len()
        );
        let answer = client::exchange(&mut socket, request.as_bytes())?;
        if answer.status != 204 {
            return Err(io::Error::other(format!(
                "a number is answered with {}",
                answer.status
            )));
        }
        shared.published.fetch_add(1, Ordering::AcqRel);
        self.socket = Some(socket);
        Ok(())
    }
}

/// How a follower's numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Sse,
    WebSocket,
}

/// Some followers, of whom now and then one leaves without a word and another comes.
#[derive(Debug)]
pub struct Followers {
    door: Door,
    all: VecDeque<Follower>,
    followers_max: usize,
    acts: u64,
}

#[derive(Debug)]
struct Follower {
    socket: TcpStream,
    partial: Vec<u8>,
    /// The number it received last.
    last: Option<u64>,
}

impl Followers {
    /// Streams of events.
    #[must_use]
    pub fn sse(followers_max: usize) -> Self {
        Self::new(Door::Sse, followers_max)
    }

    /// WebSockets.
    #[must_use]
    pub fn websocket(followers_max: usize) -> Self {
        Self::new(Door::WebSocket, followers_max)
    }

    fn new(door: Door, followers_max: usize) -> Self {
        Self {
            door,
            all: VecDeque::new(),
            followers_max,
            acts: 0,
        }
    }
}

impl Actor for Followers {
    fn act(&mut self, shared: &Shared) -> io::Result<()> {
        self.acts += 1;
        if self.acts.is_multiple_of(ACTS_PER_CHANGE) && self.all.len() == self.followers_max {
            self.all.pop_front();
        }
        if self.all.len() < self.followers_max {
            self.all.push_back(Follower::open(shared.address, self.door)?);
        }
        for _ in 0..self.all.len() {
            // One that fails is not put back.
            let Some(mut follower) = self.all.pop_front() else {
                break;
            };
            shared.add(Count::Deliveries, follower.read(self.door)?);
            self.all.push_back(follower);
        }
        Ok(())
    }
}

impl Follower {
    fn open(address: SocketAddr, door: Door) -> io::Result<Self> {
        let (socket, partial) = match door {
            Door::WebSocket => client::open_websocket_with_frames(address, "/ws/room")?,
            Door::Sse => {
                let mut socket = client::connect(address)?;
                let answer = client::exchange(&mut socket, &client::get_request(address, "/sse/room"))?;
                if answer.status != 200 {
                    return Err(io::Error::other(format!("no stream: {}", answer.status)));
                }
                (socket, answer.body)
            }
        };
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            partial,
            last: None,
        })
    }

    /// Reads what is there; how many numbers.
    fn read(&mut self, door: Door) -> io::Result<u64> {
        let mut buffer = [0; 4096];
        let mut numbers = 0;
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(bytes) => self.partial.extend_from_slice(&buffer[..bytes]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(numbers),
                Err(error) => return Err(error),
            }
            while let Some((number, taken)) = match door {
                Door::Sse => next_event(&self.partial),
                Door::WebSocket => self.next_frame()?,
            } {
                self.partial.drain(..taken);
                if let Some(number) = number {
                    if self.last.is_some_and(|last| last + 1 != number) {
                        let last = self.last.unwrap_or_default();
                        return Err(io::Error::other(format!("{number} came after {last}")));
                    }
                    self.last = Some(number);
                    numbers += 1;
                }
            }
            if self.partial.len() > PARTIAL_BYTES_MAX {
                return Err(io::Error::other("a message without end"));
            }
        }
    }

    /// The number in the first frame, if it is one, and the frame's bytes. A ping is answered.
    fn next_frame(&mut self) -> io::Result<Option<(Option<u64>, usize)>> {
        let [first, length, rest @ ..] = &self.partial[..] else {
            return Ok(None);
        };
        let length = usize::from(*length);
        if length >= 126 {
            return Err(io::Error::other("a frame longer than any number"));
        }
        let Some(payload) = rest.get(..length) else {
            return Ok(None);
        };
        match first {
            0x81 => Ok(Some((parse(payload), 2 + length))),
            0x89 if length == 0 => {
                self.socket.write_all(&[0x8a, 0x80, 0, 0, 0, 0])?;
                Ok(Some((None, 2)))
            }
            other => Err(io::Error::other(format!("a frame of kind {other:x}"))),
        }
    }
}

fn parse(bytes: &[u8]) -> Option<u64> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// The number in the first line, if it is one, and the line's bytes.
fn next_event(bytes: &[u8]) -> Option<(Option<u64>, usize)> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let number = bytes[..end]
        .strip_prefix(b"data: ")
        .or(bytes[..end].strip_prefix(b"data:"));
    Some((number.and_then(parse), end + 1))
}

/// Asks what is new, with the cursor of the answer before.
#[derive(Debug, Default)]
pub struct Poll {
    socket: Option<TcpStream>,
    cursor: Option<String>,
}

impl Actor for Poll {
    fn act(&mut self, shared: &Shared) -> io::Result<()> {
        let mut socket = match self.socket.take() {
            Some(socket) => socket,
            None => client::connect(shared.address)?,
        };
        let target = match self.cursor.take() {
            Some(cursor) => format!("/poll/room?cursor={cursor}"),
            None => "/poll/room".to_owned(),
        };
        let answer = client::exchange(&mut socket, &client::get_request(shared.address, &target))?;
        let value: serde_json::Value = serde_json::from_slice(&answer.body)?;
        if answer.status != 200 {
            return Err(io::Error::other(format!(
                "a poll is answered with {}",
                answer.status
            )));
        }
        self.cursor = value["cursor"].as_str().map(str::to_owned);
        self.socket = Some(socket);
        shared.add(Count::Polls, 1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_lines() {
        assert_eq!(next_event(b"data: 12\nid"), Some((Some(12), 9)));
        assert_eq!(next_event(b"data:7\n"), Some((Some(7), 7)));
        assert_eq!(next_event(b"id: a:3\n"), Some((None, 8)));
        assert_eq!(next_event(b"data: 1"), None);
    }
}
