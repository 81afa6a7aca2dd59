//! One WebSocket publishes, thousands receive; the next message leaves when one of those in flight is with everybody.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use super::group::Group;
use super::{Load, Tally, client, wrong};

/// Different messages, so that a lost or repeated one is seen.
const MESSAGES: usize = 64;
/// Length of each message's text, in bytes.
const TEXT_BYTES: usize = 48;
/// Length of the frame in which it is received.
const FRAME_BYTES: usize = TEXT_BYTES + 2;

/// The connection that publishes: it receives like all others.
const PUBLISHER: usize = 0;

/// A full room.
#[derive(Debug)]
pub struct Fanout {
    group: Group,
    /// Each message as the publisher sends it.
    asks: Vec<Vec<u8>>,
    /// All messages in order, as each connection must receive them, again and again.
    stream: Vec<u8>,
    /// How many bytes each connection has received.
    received: Vec<u64>,
    flight: Flight,
}

/// The messages in flight, each in the slot of its number.
#[derive(Debug)]
struct Flight {
    slots: Vec<Slot>,
    /// Messages that everybody has. They complete in order, as each connection receives in order.
    completed: u64,
    published: u64,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Connections that don't have it yet.
    missing: usize,
    since: Instant,
}

impl Fanout {
    /// Opens `followers` to `/ws/room`, the publisher among them; `in_flight` messages are under way at any time.
    ///
    /// # Errors
    /// When the server does not accept them.
    pub fn open(address: SocketAddr, followers: usize, in_flight: usize) -> io::Result<Self> {
        let open = |_| client::open_websocket(address, "/ws/room");
        let group = Group::new((0..followers).map(open).collect::<io::Result<_>>()?)?;
        let texts = (0..MESSAGES).map(|number| format!("message {number:0width$}", width = TEXT_BYTES - 8));
        let texts: Vec<_> = texts.map(String::into_bytes).collect();
        let slot = Slot {
            missing: 0,
            since: Instant::now(),
        };
        Ok(Self {
            group,
            asks: texts
                .iter()
                .map(|text| client::client_text_frame(text, [1, 2, 3, 4]))
                .collect(),
            stream: texts
                .iter()
                .flat_map(|text| client::server_text_frame(text))
                .collect(),
            received: vec![0; followers],
            flight: Flight {
                slots: vec![slot; in_flight],
                completed: 0,
                published: 0,
            },
        })
    }

    /// Publishes until as many are in flight as may be; all in one write.
    fn publish(&mut self) -> io::Result<()> {
        let flight = &mut self.flight;
        let mut bytes = Vec::new();
        while flight.published < flight.completed + flight.slots.len() as u64 {
            let slot = flight.published as usize % flight.slots.len();
            flight.slots[slot] = Slot {
                missing: self.received.len(),
                since: Instant::now(),
            };
            bytes.extend_from_slice(&self.asks[flight.published as usize % MESSAGES]);
            flight.published += 1;
        }
        if bytes.is_empty() {
            Ok(())
        } else {
            self.group.send(PUBLISHER, &bytes)
        }
    }
}

impl Load for Fanout {
    fn pump(&mut self, until: Instant, tally: &mut Tally) -> io::Result<()> {
        self.group.rest();
        while Instant::now() < until {
            self.publish()?;
            let Self {
                group,
                stream,
                received,
                flight,
                ..
            } = self;
            group.turn(until, |_, index, bytes| {
                let before = received[index];
                let after = before + bytes.len() as u64;
                check(bytes, before, stream)?;
                received[index] = after;
                flight.arrived(before / FRAME_BYTES as u64, after / FRAME_BYTES as u64, tally)
            })?;
        }
        Ok(())
    }
}

impl Flight {
    /// A connection had the messages before `from`, and has those before `to` now.
    fn arrived(&mut self, from: u64, to: u64, tally: &mut Tally) -> io::Result<()> {
        if to > self.published {
            return Err(wrong("a message came that was not sent"));
        }
        let now = Instant::now();
        for message in from..to {
            let slots = self.slots.len();
            let slot = &mut self.slots[message as usize % slots];
            slot.missing -= 1;
            tally.latency.record(now - slot.since);
            if slot.missing == 0 {
                debug_assert_eq!(message, self.completed, "they complete in order");
                self.completed += 1;
            }
        }
        tally.units += to - from;
        Ok(())
    }
}

/// `bytes` are what comes after the first `before` of the endless repetition of `stream`.
fn check(mut bytes: &[u8], before: u64, stream: &[u8]) -> io::Result<()> {
    let mut at = (before % stream.len() as u64) as usize;
    while !bytes.is_empty() {
        let run = bytes.len().min(stream.len() - at);
        if bytes[..run] != stream[at..at + run] {
            return Err(wrong("a message is not as it was sent, or not in its order"));
        }
        bytes = &bytes[run..];
        at = 0;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_repeats() {
        assert!(check(b"cabcab", 2, b"abc").is_ok());
        assert!(check(b"cabcab", 5, b"abc").is_ok());
        assert!(check(b"cabbab", 2, b"abc").is_err());
    }

    #[test]
    fn a_message_completes_when_everybody_has_it() {
        let slot = Slot {
            missing: 2,
            since: Instant::now(),
        };
        let mut flight = Flight {
            slots: vec![slot; 2],
            completed: 0,
            published: 2,
        };
        let mut tally = Tally::default();
        assert!(flight.arrived(0, 2, &mut tally).is_ok());
        assert_eq!((flight.completed, tally.units), (0, 2));
        assert!(flight.arrived(0, 1, &mut tally).is_ok());
        assert_eq!((flight.completed, tally.units), (1, 3));
        assert!(flight.arrived(1, 3, &mut tally).is_err(), "nobody sent a third");
    }
}
