//! Connections that each ask for a file again and again.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use super::group::{Group, send};
use super::{Load, Tally, client, wrong};
use crate::served;
use crate::works::Served;

const STATUS_LINE: &[u8] = b"HTTP/1.1 200 OK\r\n";
/// Bytes at the end of each read that are held against the file: all of them would cost more than reading them.
const CHECKED_BYTES: usize = 64;

/// One download after the other on each connection.
#[derive(Debug)]
pub struct Downloads {
    group: Group,
    request: Vec<u8>,
    content: Vec<u8>,
    /// They are all alike, but for the time of day.
    head_bytes: usize,
    waiting: Vec<Waiting>,
    started: bool,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// What has come of the answer.
    bytes: usize,
    since: Instant,
}

impl Downloads {
    /// Opens the connections, and checks the first answer on each as a whole.
    ///
    /// # Errors
    /// When the server does not answer with the file.
    pub fn open(address: SocketAddr, served: Served) -> io::Result<Self> {
        let content = served::content(served);
        let request = client::get_request(address, &format!("/files/{}", served.name));
        let mut sockets = Vec::with_capacity(served.connections);
        let mut head_bytes = 0;
        for _ in 0..served.connections {
            let mut socket = client::connect(address)?;
            let answer = client::exchange(&mut socket, &request)?;
            if answer.status != 200 || answer.body != content {
                return Err(wrong(format!("the file is answered with {}", answer.head)));
            }
            head_bytes = answer.head.len();
            sockets.push(socket);
        }
        let fresh = Waiting {
            bytes: 0,
            since: Instant::now(),
        };
        Ok(Self {
            waiting: vec![fresh; sockets.len()],
            group: Group::new(sockets)?,
            request,
            content,
            head_bytes,
            started: false,
        })
    }

    fn start(&mut self) -> io::Result<()> {
        self.group.rest();
        for index in 0..self.group.len() {
            self.waiting[index].since = Instant::now();
            self.group.send(index, &self.request)?;
        }
        self.started = true;
        Ok(())
    }
}

impl Load for Downloads {
    fn pump(&mut self, until: Instant, tally: &mut Tally) -> io::Result<()> {
        if !self.started {
            self.start()?;
        }
        let Self {
            group,
            request,
            content,
            head_bytes,
            waiting,
            ..
        } = self;
        let whole = *head_bytes + content.len();
        while Instant::now() < until {
            group.turn(until, |socket, index, bytes| {
                let state = &mut waiting[index];
                check(bytes, state.bytes, *head_bytes, content)?;
                state.bytes += bytes.len();
                if state.bytes == whole {
                    let now = Instant::now();
                    tally.units += 1;
                    tally.latency.record_many(now - state.since, 1);
                    *state = Waiting { bytes: 0, since: now };
                    send(socket, request)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// `before`: bytes of the answer that came earlier.
fn check(bytes: &[u8], before: usize, head_bytes: usize, content: &[u8]) -> io::Result<()> {
    if before == 0 && !bytes.starts_with(&STATUS_LINE[..bytes.len().min(STATUS_LINE.len())]) {
        return Err(wrong("an answer does not begin where it should"));
    }
    let end = before + bytes.len();
    if end > head_bytes + content.len() {
        return Err(wrong("more bytes than were asked for"));
    }
    let Some(end) = end.checked_sub(head_bytes) else {
        return Ok(());
    };
    let checked = CHECKED_BYTES.min(bytes.len()).min(end);
    if bytes[bytes.len() - checked..] != content[end - checked..end] {
        return Err(wrong("a piece of the file is not where it should be"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_cut_of_a_right_answer_is_right_and_a_wrong_byte_is_seen() {
        let content: Vec<u8> = (0..50).collect();
        let head = b"HTTP/1.1 200 OK\r\n\r\n";
        let whole = [&head[..], &content].concat();
        for cut in 1..whole.len() {
            let (first, second) = whole.split_at(cut);
            assert!(check(first, 0, head.len(), &content).is_ok(), "{cut}");
            assert!(check(second, cut, head.len(), &content).is_ok(), "{cut}");
        }
        let mut wrong = whole.clone();
        wrong[head.len() + 30] = 99;
        assert!(check(&wrong, 0, head.len(), &content).is_err());
        let longer = [&whole[..], b"x"].concat();
        assert!(check(&longer, 0, head.len(), &content).is_err());
        assert!(check(b"HTTP/1.1 500 ", 0, head.len(), &content).is_err());
    }
}
