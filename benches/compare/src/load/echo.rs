//! WebSockets that each send one or several texts, wait for them to come back, and send the next.

use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Instant;

use super::group::{Group, send};
use super::{Load, Tally, client, wrong};

/// Lengths of the texts, in bytes.
const TEXT_BYTES: RangeInclusive<usize> = 32..=64;

/// Ping-pong on each connection.
#[derive(Debug)]
pub struct Echo {
    group: Group,
    texts: Vec<Text>,
    /// Messages in one of `texts`.
    depth: u64,
    waiting: Vec<Waiting>,
    started: bool,
}

/// Texts that are sent at once, as we send them and as they must come back.
#[derive(Debug)]
struct Text {
    ask: Vec<u8>,
    answer: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// Which text is under way.
    text: usize,
    /// What has come back of it.
    bytes: usize,
    since: Instant,
}

impl Echo {
    /// Opens `connections` to `/ws/echo`, with `depth` messages in flight on each.
    ///
    /// # Errors
    /// When the server does not accept them.
    pub fn open(address: SocketAddr, connections: usize, depth: usize) -> io::Result<Self> {
        let open = |_| client::open_websocket(address, "/ws/echo");
        let group = Group::new((0..connections).map(open).collect::<io::Result<_>>()?)?;
        let texts: Vec<_> = TEXT_BYTES.map(|bytes| Text::new(bytes, depth)).collect();
        let since = Instant::now();
        let waiting = (0..connections)
            .map(|i| Waiting {
                text: i % texts.len(),
                bytes: 0,
                since,
            })
            .collect();
        Ok(Self {
            group,
            texts,
            depth: depth as u64,
            waiting,
            started: false,
        })
    }

    fn start(&mut self) -> io::Result<()> {
        self.group.rest();
        for (index, state) in self.waiting.iter_mut().enumerate() {
            state.since = Instant::now();
            self.group.send(index, &self.texts[state.text].ask)?;
        }
        self.started = true;
        Ok(())
    }
}

impl Text {
    fn new(bytes: usize, depth: usize) -> Self {
        let text: Vec<u8> = (b'a'..=b'z').cycle().skip(bytes).take(bytes).collect();
        // A mask is there to be random; the work of taking it off is the same for any.
        let mask = [bytes as u8, 0x5a, 0xc3, 0x96];
        Self {
            ask: client::client_text_frame(&text, mask).repeat(depth),
            answer: client::server_text_frame(&text).repeat(depth),
        }
    }
}

impl Load for Echo {
    fn pump(&mut self, until: Instant, tally: &mut Tally) -> io::Result<()> {
        if !self.started {
            self.start()?;
        }
        let Self {
            group,
            texts,
            depth,
            waiting,
            ..
        } = self;
        while Instant::now() < until {
            group.turn(until, |socket, index, bytes| {
                let state = &mut waiting[index];
                let answer = &texts[state.text].answer;
                let come = state.bytes + bytes.len();
                if answer.get(state.bytes..come) != Some(bytes) {
                    return Err(wrong("what came back is not what was sent"));
                }
                state.bytes = come;
                if come == answer.len() {
                    let now = Instant::now();
                    tally.units += *depth;
                    tally.latency.record(now - state.since);
                    let text = (state.text + 1) % texts.len();
                    *state = Waiting {
                        text,
                        bytes: 0,
                        since: now,
                    };
                    send(socket, &texts[text].ask)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}
