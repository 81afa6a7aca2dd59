//! A stand-in for the engine: it asks, writes what its sockets take, and drops the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::request::Parts;
use squall_engine::source::{After, ConnId, Frame, Park, Source};

use crate::live::{
    Grant, Hub, HubConfig, Live, LiveConfig, LiveSource, Moment, PollDoor, SseDoor, WsDoor, anyone,
};

/// "Whatever comes": more than any test writes.
pub(super) const ALL: usize = usize::MAX / 2;

pub(super) struct Rig {
    pub(super) live: Live,
    pub(super) source: LiveSource,
    pub(super) wakes: Arc<AtomicUsize>,
    pub(super) sockets: Vec<Option<Socket>>,
}

/// One connection, as the engine knows it.
pub(super) struct Socket {
    pub(super) follower: u32,
    pub(super) position: u64,
    /// What its peer has received.
    pub(super) received: Vec<u8>,
    /// The unwritten rest of a half-written frame.
    rest: Vec<u8>,
    /// It did not take everything: the engine waits until it is writable.
    pub(super) blocked: bool,
    pub(super) closing: bool,
    pub(super) closed: bool,
    pub(super) answer: Option<http::Response<bytes::Bytes>>,
}

pub(super) fn config() -> HubConfig {
    HubConfig {
        epoch: "e".parse().unwrap(),
        ..HubConfig::default()
    }
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with(config(), LiveConfig::default())
    }

    pub(super) fn with(hub: HubConfig, live: LiveConfig) -> Self {
        let live = Live::with_config(Hub::new(hub), live, anyone);
        let wakes = Arc::new(AtomicUsize::new(0));
        let counted = wakes.clone();
        let source = LiveSource::new(&live, move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        Self {
            live,
            source,
            wakes,
            sockets: Vec::new(),
        }
    }

    pub(super) fn publish(&self, topic: &str, data: &str) -> u64 {
        self.live
            .publish(topic, data.to_owned())
            .ready()
            .unwrap()
            .unwrap()
            .offset
    }

    pub(super) fn sse(&mut self, uri: &str, grant: Grant) -> usize {
        self.sse_by(&SseDoor::new(), uri, self.live.moment(), grant)
    }

    pub(super) fn sse_by(&mut self, door: &SseDoor, uri: &str, moment: Moment, grant: Grant) -> usize {
        let response = self.live.sse_response(door, &request(uri), moment, grant);
        self.park(&response)
    }

    pub(super) fn ws(&mut self, uri: &str, grant: Grant) -> usize {
        self.ws_by(&WsDoor::new(), uri, grant)
    }

    pub(super) fn ws_by(&mut self, door: &WsDoor, uri: &str, grant: Grant) -> usize {
        let response = self
            .live
            .ws_response(door, &handshake(uri), self.live.moment(), grant, None);
        self.park(&response)
    }

    pub(super) fn poll(&mut self, uri: &str, grant: Grant) -> usize {
        let response = self
            .live
            .poll_response(&PollDoor::new(), &request(uri), self.live.moment(), grant);
        self.park(&response)
    }

    /// Parks a connection as the response says, without asking for it yet.
    pub(super) fn park(&mut self, response: &axum::response::Response) -> usize {
        let park = response
            .extensions()
            .get::<Park>()
            .unwrap_or_else(|| panic!("refused: {response:?}"));
        let slot = self.sockets.iter().position(Option::is_none).unwrap_or_else(|| {
            self.sockets.push(None);
            self.sockets.len() - 1
        });
        let conn = ConnId {
            slot: slot as u32,
            life: 0,
        };
        let attached = self.source.attach(conn, &*park.ticket).expect("a ticket of ours");
        self.sockets[slot] = Some(Socket {
            follower: attached.follower,
            position: attached.position,
            received: Vec::new(),
            rest: Vec::new(),
            blocked: false,
            closing: false,
            closed: false,
            answer: None,
        });
        slot
    }

    pub(super) fn socket(&mut self, slot: usize) -> &mut Socket {
        self.sockets[slot].as_mut().unwrap()
    }

    /// The connection is gone.
    pub(super) fn drop_socket(&mut self, slot: usize) {
        if let Some(socket) = self.sockets[slot].take()
            && !socket.closed
            && socket.answer.is_none()
        {
            self.source.detach(socket.follower);
        }
    }

    /// Asks for every connection that the source names.
    pub(super) fn drain(&mut self) -> Vec<usize> {
        let mut ready = Vec::new();
        self.source.drain(&mut ready);
        ready
            .into_iter()
            .map(|conn| conn.slot as usize)
            .filter(|slot| self.sockets[*slot].is_some())
            .collect()
    }

    /// Drains, and writes everything to everybody who is named.
    pub(super) fn turn(&mut self) {
        for slot in self.drain() {
            self.pump(slot, ALL, 64);
        }
    }

    /// What the peer of a connection has received since it was asked last, after everything that is next was written.
    pub(super) fn read(&mut self, slot: usize) -> String {
        self.turn();
        self.pump(slot, ALL, 64);
        let received = std::mem::take(&mut self.socket(slot).received);
        String::from_utf8_lossy(&received).into_owned()
    }

    /// Writes at most `capacity` bytes of what is next, asking for `room` frames at a time, as the engine does.
    pub(super) fn pump(&mut self, slot: usize, mut capacity: usize, room: usize) {
        let Some(socket) = self.sockets[slot]
            .as_mut()
            .filter(|socket| !socket.closed && socket.answer.is_none())
        else {
            return;
        };
        socket.blocked = !socket.flush(&mut capacity);
        while !socket.blocked && !socket.closing {
            let mut frames = Vec::new();
            let after = self
                .source
                .next(socket.follower, socket.position, room, &mut frames);
            assert!(
                frames.len() <= room || matches!(after, After::Close),
                "more than there is room for"
            );
            match after {
                After::Respond(response) => return socket.answer = Some(*response),
                After::Close => socket.closing = true,
                After::Stay => {}
            }
            let (asked, all) = (frames.len(), socket.write(&frames, &mut capacity));
            if !all {
                socket.blocked = true;
                return;
            }
            if asked < room {
                break;
            }
        }
        if socket.closing && !socket.blocked {
            socket.closed = true;
            self.source.detach(socket.follower);
        }
    }
}

impl Socket {
    fn flush(&mut self, capacity: &mut usize) -> bool {
        let taken = self.rest.len().min(*capacity);
        self.received.extend(self.rest.drain(..taken));
        *capacity -= taken;
        self.rest.is_empty()
    }

    /// Writes frames; whether all of them were taken. Those that were not even begun are dropped, and a close with them.
    fn write(&mut self, frames: &[Frame], capacity: &mut usize) -> bool {
        for (at, frame) in frames.iter().enumerate() {
            assert!(!frame.bytes.is_empty(), "an empty frame is never taken");
            assert!(frame.position >= self.position, "positions never decrease");
            if *capacity == 0 {
                self.closing = false;
                return false;
            }
            self.position = frame.position;
            self.rest = frame.bytes.to_vec();
            if !self.flush(capacity) {
                self.closing &= at + 1 == frames.len();
                return false;
            }
        }
        true
    }
}

pub(super) fn request(uri: &str) -> Parts {
    http::Request::get(uri).body(()).unwrap().into_parts().0
}

pub(super) fn handshake(uri: &str) -> Parts {
    let request = http::Request::get(uri)
        .header("host", "here")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    request.body(()).unwrap().into_parts().0
}
