//! Connections that each send some GETs at once and wait for all the answers.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use super::group::{Group, send};
use super::{Load, Tally, client, wrong};

pub(crate) const HELLO: &[u8] = b"Hello, World!";
const STATUS_LINE: &[u8] = b"HTTP/1.1 200 OK\r\n";

/// One request after the other, or several pipelined, on each connection.
#[derive(Debug)]
pub struct Gets {
    group: Group,
    /// As many requests as are sent at once.
    burst: Vec<u8>,
    depth: u64,
    /// Length of one response: they are all alike, but for the time of day.
    response_bytes: usize,
    waiting: Vec<Waiting>,
    started: bool,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// What has come of the answers to the last burst.
    bytes: usize,
    since: Instant,
}

impl Gets {
    /// Opens `connections` and learns what the answer looks like.
    ///
    /// # Errors
    /// When the server does not answer `GET /` as it should.
    pub fn open(address: SocketAddr, connections: usize, depth: usize) -> io::Result<Self> {
        let request = client::get_request(address, "/");
        let mut sockets = Vec::with_capacity(connections);
        let mut response_bytes = 0;
        for _ in 0..connections {
            let mut socket = client::connect(address)?;
            response_bytes = check_hello(&client::exchange(&mut socket, &request)?)?;
            sockets.push(socket);
        }
        let waiting = vec![
            Waiting {
                bytes: 0,
                since: Instant::now()
            };
            connections
        ];
        Ok(Self {
            group: Group::new(sockets)?,
            burst: request.repeat(depth),
            depth: depth as u64,
            response_bytes,
            waiting,
            started: false,
        })
    }

    fn start(&mut self) -> io::Result<()> {
        self.group.rest();
        for index in 0..self.group.len() {
            self.waiting[index].since = Instant::now();
            self.group.send(index, &self.burst)?;
        }
        self.started = true;
        Ok(())
    }
}

impl Load for Gets {
    fn pump(&mut self, until: Instant, tally: &mut Tally) -> io::Result<()> {
        if !self.started {
            self.start()?;
        }
        let Self {
            group,
            burst,
            depth,
            response_bytes,
            waiting,
            ..
        } = self;
        let whole = *response_bytes * burst_len(*depth);
        while Instant::now() < until {
            group.turn(until, |socket, index, bytes| {
                let state = &mut waiting[index];
                check(bytes, state.bytes, *response_bytes)?;
                state.bytes += bytes.len();
                if state.bytes > whole {
                    return Err(wrong("more answers than requests"));
                }
                if state.bytes == whole {
                    let now = Instant::now();
                    tally.units += *depth;
                    tally.latency.record_many(now - state.since, *depth);
                    *state = Waiting { bytes: 0, since: now };
                    send(socket, burst)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

fn burst_len(depth: u64) -> usize {
    usize::try_from(depth).unwrap_or(usize::MAX)
}

/// Checks `GET /`'s answer; returns the length of the whole response.
pub(crate) fn check_hello(answer: &client::Answer) -> io::Result<usize> {
    let is_text =
        client::field(&answer.head, "content-type").is_some_and(|kind| kind.starts_with("text/plain"));
    if answer.status != 200 || answer.body != HELLO || !is_text {
        return Err(wrong(format!("GET / is answered with {}", answer.head)));
    }
    Ok(answer.head.len() + answer.body.len())
}

/// Every response that begins in these bytes begins with its status line, and those that end in them end with the body.
/// `before`: bytes of the burst's answers that came earlier.
fn check(bytes: &[u8], before: usize, response_bytes: usize) -> io::Result<()> {
    let into = before % response_bytes;
    let mut at = if into == 0 { 0 } else { response_bytes - into };
    while at < bytes.len() {
        let head = &bytes[at..bytes.len().min(at + STATUS_LINE.len())];
        if !STATUS_LINE.starts_with(head) {
            return Err(wrong("an answer does not begin where it should"));
        }
        at += response_bytes;
        if at <= bytes.len() && !bytes[..at].ends_with(HELLO) {
            return Err(wrong("an answer does not end as it should"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!";

    #[test]
    fn any_cut_of_right_answers_is_right() {
        let two = RESPONSE.repeat(2);
        for cut in 0..=two.len() {
            let (first, second) = two.split_at(cut);
            assert!(check(first, 0, RESPONSE.len()).is_ok(), "{cut}");
            assert!(check(second, cut, RESPONSE.len()).is_ok(), "{cut}");
        }
    }

    #[test]
    fn a_wrong_status_or_body_or_length_is_seen() {
        let length = RESPONSE.len();
        let mut other = RESPONSE.to_vec();
        other[9] = b'5';
        assert!(check(&other, 0, length).is_err());
        let mut other = RESPONSE.to_vec();
        other[length - 1] = b'?';
        assert!(check(&other, 0, length).is_err());
        let mut longer = RESPONSE.to_vec();
        longer.push(b' ');
        assert!(check(&longer, 0, length).is_err());
    }
}
