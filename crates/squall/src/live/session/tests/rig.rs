//! A stand-in for the engine, a policy that lets everything, and clients that speak JSON over a WebSocket.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use squall_engine::source::{After, ConnId, Frame, Source};
use squall_engine::wire::ws::{DecodeLimits, Decoder, Event, Role};
use squall_engine::ws::Message;

use crate::live::access::Grant;
use crate::live::session::doors::spec;
use crate::live::session::framing::{Framing, Transport};
use crate::live::session::protocol::Form;
use crate::live::session::{
    ChannelAsk, ConnectAsk, Connected, Deny, Disconnect, Gone, MessageAsk, PublishAsk, PublishOptions,
    RpcAsk, SessionConfig, SessionPolicy, Sessions, SubscribeAsk, SubscribeOptions,
};
use crate::live::ticket::{SessionTicket, Start, Ticket};
use crate::live::{Hub, HubConfig, Live, LiveSource};

/// Lets everything; an rpc `wait` is decided when the test says so.
#[derive(Clone, Default)]
pub(super) struct Open {
    pub(super) gate: Arc<tokio::sync::Notify>,
    pub(super) gone: Arc<Mutex<Vec<(String, u16)>>>,
}

impl SessionPolicy for Open {
    async fn connect(&self, ask: ConnectAsk) -> Result<Connected, Deny> {
        if &*ask.token == "wait" {
            self.gate.notified().await;
        }
        let (user, at) = ask.token.split_once('@').unwrap_or((&ask.token, ""));
        Ok(Connected {
            expires_at_s: at.parse().ok(),
            ..Connected::user(user)
        })
    }
    async fn subscribe(&self, ask: SubscribeAsk) -> Result<SubscribeOptions, Deny> {
        if ask.channel == "wait" {
            self.gate.notified().await;
        }
        Ok(SubscribeOptions::recoverable())
    }
    async fn publish(&self, _: PublishAsk) -> Result<PublishOptions, Deny> {
        Ok(PublishOptions {
            anonymous: true,
            ..PublishOptions::default()
        })
    }
    async fn history(&self, _: ChannelAsk) -> Result<(), Deny> {
        Ok(())
    }
    async fn rpc(&self, ask: RpcAsk) -> Result<Bytes, Deny> {
        if ask.method == "wait" {
            self.gate.notified().await;
        }
        Ok(ask.data)
    }
    async fn message(&self, _: MessageAsk) -> Result<(), Disconnect> {
        Ok(())
    }
    async fn disconnected(&self, ask: Gone) {
        self.gone
            .lock()
            .unwrap()
            .push((ask.caller.user.to_string(), ask.disconnect.code));
    }
}

pub(super) struct Rig {
    pub(super) policy: Open,
    pub(super) live: Live,
    pub(super) sessions: Sessions,
    pub(super) source: LiveSource,
    start: Instant,
    peers: u32,
}

/// One connection, as the engine and its peer know it.
pub(super) struct Peer {
    pub(super) follower: u32,
    position: u64,
    /// Frames that its socket takes in one go; none for a peer that does not read.
    pub(super) reads: bool,
    decoder: Decoder,
    pub(super) closed: bool,
}

impl Rig {
    pub(super) fn new(change: impl FnOnce(&mut SessionConfig)) -> Self {
        let hub = HubConfig {
            epoch: "e".parse().unwrap(),
            ..HubConfig::default()
        };
        Self::with(hub, change)
    }

    pub(super) fn with(hub: HubConfig, change: impl FnOnce(&mut SessionConfig)) -> Self {
        let policy = Open::default();
        let live = Live::sessions(Hub::new(hub));
        let mut config = SessionConfig::default();
        change(&mut config);
        let sessions = Sessions::with_config(&live, config, policy.clone());
        let source = LiveSource::new(&live, || ());
        Self {
            policy,
            live,
            sessions,
            source,
            start: Instant::now(),
            peers: 0,
        }
    }

    /// A connection that has said nothing yet.
    pub(super) fn open(&mut self) -> Peer {
        let framing = Framing {
            form: Form::Json,
            transport: Transport::WebSocket,
        };
        let ticket = Ticket {
            live: self.live.id(),
            spec: Arc::new(spec(&self.sessions.shared, framing)),
            grant: Grant::default(),
            moment: self.live.moment(),
            start: Start::At(0),
            deadline: None,
            session: Some(SessionTicket {
                request: Arc::new(http::Request::new(()).into_parts().0),
                commands: Some(Vec::new()),
                bytes: 0,
            }),
        };
        let conn = ConnId {
            slot: self.peers,
            life: 0,
        };
        self.peers += 1;
        let attached = self.source.attach(conn, &ticket).unwrap();
        Peer {
            follower: attached.follower,
            position: attached.position,
            reads: true,
            decoder: Decoder::new(Role::Client),
            closed: false,
        }
    }

    /// A session of this user; its greeting is read.
    pub(super) fn connected(&mut self, user: &str) -> Peer {
        let mut peer = self.open();
        let said = self.ask(
            &mut peer,
            &format!(r#"{{"id":1,"connect":{{"token":"{user}"}}}}"#),
        );
        assert!(said[0].contains(r#""connect":{"client":""#), "{said:?}");
        peer
    }

    /// Says something, without reading.
    pub(super) fn say(&self, peer: &Peer, text: &str) {
        self.source
            .received(peer.follower, Message::Text(text.to_owned()));
    }

    /// Says something and reads what comes.
    pub(super) fn ask(&self, peer: &mut Peer, text: &str) -> Vec<String> {
        self.say(peer, text);
        self.read(peer)
    }

    pub(super) fn publish(&self, topic: &str, data: &str) -> u64 {
        let answer = self.live.publish(topic, data.to_owned()).ready();
        answer.unwrap().unwrap().offset
    }

    /// Reads all that there is: the text of each message, `close CODE` for a close.
    pub(super) fn read(&self, peer: &mut Peer) -> Vec<String> {
        self.source.drain(&mut Vec::new());
        let mut said = Vec::new();
        while peer.reads && !peer.closed {
            let mut frames: Vec<Frame> = Vec::new();
            let after = self.source.next(peer.follower, peer.position, 8, &mut frames);
            for frame in &frames {
                peer.position = frame.position;
                said.extend(texts(&mut peer.decoder, &frame.bytes));
            }
            if matches!(after, After::Close) {
                peer.closed = true;
                self.source.detach(peer.follower);
            } else if frames.is_empty() {
                break;
            }
        }
        said
    }

    /// So many seconds after the start.
    pub(super) fn tick(&self, seconds: u64) {
        let at = self.start + Duration::from_secs(seconds) + Duration::from_millis(10);
        self.source.tick(at, &mut Vec::new());
    }
}

fn texts(decoder: &mut Decoder, bytes: &[u8]) -> Vec<String> {
    let mut bytes = bytes.to_vec();
    let mut rest = &mut bytes[..];
    let mut all = Vec::new();
    while !rest.is_empty() {
        let (used, event) = decoder.decode(rest, &DecodeLimits::default()).unwrap();
        match event {
            Some(Event::Text(text)) => all.push(text.into_owned()),
            Some(Event::Close(close)) => all.push(format!("close {}", close.unwrap().code)),
            other => panic!("unexpected: {other:?}"),
        }
        rest = &mut rest[used..];
    }
    all
}
