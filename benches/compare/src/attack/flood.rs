//! Many attackers on one thread: what each sends next, at which pace, whether it reads, and how its end looks.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::{Outcome, Watch};

/// Between two looks at the server, which read all of its maps.
const LOOK: Duration = Duration::from_millis(100);
/// Between two rounds in which nothing could be done.
const REST: Duration = Duration::from_millis(2);
/// What is kept of what the server says: its last words.
const WORDS_BYTES_MAX: usize = 4096;
/// Bytes that an attacker writes before the next one has its turn.
const BURST_BYTES_MAX: usize = 256 * 1024;

/// What an attack does.
pub struct Plan {
    /// Connections.
    pub attackers: usize,
    /// Opens one; what the protocol wants first is done.
    pub open: fn(SocketAddr) -> io::Result<TcpStream>,
    /// The bytes after the first so many; none when there is nothing more to send.
    pub next: Box<dyn Fn(u64) -> Vec<u8>>,
    /// Between two pieces of one attacker; zero for as fast as the server takes them.
    pub pace: Duration,
    /// Bytes after which an attacker only waits.
    pub bytes_max: u64,
    /// Whether it reads what it is answered.
    pub reads: bool,
    /// What the last words of the server say: a status, a code.
    pub last_words: fn(&[u8]) -> String,
}

/// How the attackers ended: last words, and of how many.
pub type Ends = BTreeMap<String, usize>;

struct Attacker {
    socket: TcpStream,
    sent_bytes: u64,
    /// What the socket did not take.
    pending: Vec<u8>,
    due: Instant,
    words: Vec<u8>,
}

/// Attacks until all attackers have been let go, or patience ends.
///
/// # Errors
/// When the connections can't be opened, or the server is gone.
pub fn attack(plan: &Plan, address: SocketAddr, pid: u32, patience: Duration) -> io::Result<(Outcome, Ends)> {
    let mut watch = Watch::start(pid, plan.attackers)?;
    let mut ends = Ends::new();
    let mut attackers = Vec::with_capacity(plan.attackers);
    for number in 0..plan.attackers {
        let socket = (plan.open)(address)?;
        socket.set_nonblocking(true)?;
        // Those who keep a pace are spread over it.
        let share = number as f64 / plan.attackers as f64;
        attackers.push(Attacker {
            socket,
            sent_bytes: 0,
            pending: Vec::new(),
            due: Instant::now() + plan.pace.mul_f64(share),
            words: Vec::new(),
        });
    }
    let mut look = Instant::now();
    while watch.elapsed() < patience && !attackers.is_empty() {
        let now = Instant::now();
        let mut busy = false;
        let mut at = 0;
        while at < attackers.len() {
            match attackers[at].turn(plan, now) {
                Ok(did) => {
                    busy |= did;
                    at += 1;
                }
                Err(error) => {
                    let words = attackers.swap_remove(at).words;
                    *ends.entry(name(plan, &words, &error)).or_default() += 1;
                    watch.gone(attackers.len());
                }
            }
            if look.elapsed() >= LOOK {
                look = Instant::now();
                if watch.look()? {
                    // Those who do not read do not learn of their end.
                    *ends.entry("closed".to_owned()).or_default() += attackers.len();
                    return Ok((watch.outcome(), ends));
                }
            }
        }
        if !busy {
            thread::sleep(REST);
        }
    }
    if !attackers.is_empty() {
        *ends.entry("still connected".to_owned()).or_default() += attackers.len();
    }
    Ok((watch.outcome(), ends))
}

fn name(plan: &Plan, words: &[u8], error: &io::Error) -> String {
    let said = if plan.reads {
        (plan.last_words)(words)
    } else {
        String::new()
    };
    match (said.is_empty(), error.kind()) {
        (false, _) => said,
        (true, io::ErrorKind::UnexpectedEof) => "closed".to_owned(),
        (true, _) => "reset".to_owned(),
    }
}

impl Attacker {
    /// Reads and writes what can be read and written. An error is its end.
    fn turn(&mut self, plan: &Plan, now: Instant) -> io::Result<bool> {
        let mut busy = false;
        if plan.reads {
            busy |= self.read()?;
        }
        if self.pending.is_empty() && now >= self.due && self.sent_bytes < plan.bytes_max {
            self.pending = (plan.next)(self.sent_bytes);
            self.due = now + plan.pace;
        }
        let mut burst = 0;
        while !self.pending.is_empty() && burst < BURST_BYTES_MAX {
            match self.socket.write(&self.pending) {
                Ok(bytes) => {
                    busy = true;
                    burst += bytes;
                    self.sent_bytes += bytes as u64;
                    self.pending.drain(..bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    // Its last words may be there still.
                    let _ = self.read();
                    return Err(error);
                }
            }
            if self.pending.is_empty() && plan.pace.is_zero() && self.sent_bytes < plan.bytes_max {
                self.pending = (plan.next)(self.sent_bytes);
            }
        }
        Ok(busy)
    }

    fn read(&mut self) -> io::Result<bool> {
        let mut piece = [0; 16 * 1024];
        match self.socket.read(&mut piece) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(bytes) => {
                self.words.extend_from_slice(&piece[..bytes]);
                let extra = self.words.len().saturating_sub(WORDS_BYTES_MAX);
                self.words.drain(..extra);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The status of the last answer.
#[must_use]
pub fn last_status(words: &[u8]) -> String {
    let text = String::from_utf8_lossy(words);
    let status = text
        .rsplit("HTTP/1.1 ")
        .next()
        .filter(|_| text.contains("HTTP/1.1 "));
    status.map_or_else(String::new, |rest| rest.chars().take(3).collect())
}

/// The code of the last close frame of a WebSocket.
#[must_use]
pub fn last_close_code(words: &[u8]) -> String {
    let close = words
        .windows(4)
        .rev()
        .find(|frame| frame[0] == 0x88 && frame[1] >= 2 && frame[1] < 126);
    close.map_or_else(String::new, |frame| {
        format!("close {}", u16::from_be_bytes([frame[2], frame[3]]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words() {
        assert_eq!(
            last_status(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 408 Request Timeout\r\n\r\n"),
            "408"
        );
        assert_eq!(last_status(b""), "");
        assert_eq!(last_close_code(b"\x81\x01a\x88\x02\x03\xf1"), "close 1009");
        assert_eq!(last_close_code(b"\x81\x01a"), "");
    }
}
