//! Seeded chance: clients come and go through all three doors, their sockets take what they like, topics are followed
//! and ended, the log forgets. Whatever a client reads is the contiguous slice of its topics' log that follows its
//! cursor, each message once, or it is told of the gap; and nothing that was published after a right was ended.

use squall_engine::wire::sse;
use squall_engine::wire::ws::{DecodeLimits, Decoder, Event, Role};
use squall_hub::MESSAGE_OVERHEAD_BYTES;

use super::rig::{ALL, Rig, config};
use crate::live::{Cursor, Door, Grant, HubConfig, LiveConfig, Policy, Retention};

const CLIENTS: usize = 10;
const TOPICS: u64 = 5;
const STEPS: usize = 400;

struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }
}

/// Somebody at the far end of a connection.
struct Client {
    cursor: Cursor,
    /// Its cursor may be of another life: the first thing it reads may be a gap from there.
    foreign: bool,
    door: Door,
    slot: Option<usize>,
    /// (topic, messages up to here are not part of it).
    topics: Vec<(String, u64)>,
    /// Messages of these topics may still come, up to the offset at which they were ended.
    ended: Vec<(String, u64)>,
    events: sse::Parser,
    decoder: Decoder,
    closed: bool,
}

#[derive(Debug, Default)]
struct Seen {
    messages: usize,
    gaps: usize,
    polls: usize,
    switched: usize,
    ended: usize,
}

struct World {
    rng: Rng,
    rig: Rig,
    now_ms: u64,
    log: Vec<(u64, String)>,
    clients: Vec<Client>,
    seen: Seen,
}

fn small() -> HubConfig {
    let bytes_max = 12 * (MESSAGE_OVERHEAD_BYTES + 8);
    HubConfig {
        retention: Retention {
            bytes_max,
            age_ms_max: 1 << 50,
            ..Retention::NONE
        },
        namespaces: vec![(
            "t0".into(),
            Retention {
                bytes_max: 3 * bytes_max,
                age_ms_max: 500,
                ..Retention::NONE
            },
        )],
        ..config()
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let rig = Rig::with(small(), LiveConfig::default());
        let client = || Client {
            cursor: rig.live.hub().cursor(),
            foreign: false,
            door: Door::Sse,
            slot: None,
            topics: Vec::new(),
            ended: Vec::new(),
            events: sse::Parser::new(sse::ParseLimits::default()),
            decoder: Decoder::new(Role::Client),
            closed: false,
        };
        let clients = (0..CLIENTS).map(|_| client()).collect();
        let rng = Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        Self {
            rng,
            rig,
            now_ms: 0,
            log: Vec::new(),
            clients,
            seen: Seen::default(),
        }
    }

    fn topic(&mut self) -> String {
        format!("t{}", self.rng.below(TOPICS))
    }

    fn step(&mut self) {
        let who = self.rng.below(CLIENTS as u64) as usize;
        match self.rng.below(100) {
            0..40 => self.publish(),
            40..52 => self.come(who),
            52..58 => self.go(who),
            58..66 => self.change(who),
            66..67 => self.end(who),
            67..70 => {
                self.now_ms += self.rng.below(300);
                self.rig.live.hub().sweep(self.now_ms);
            }
            70..90 => self.drain(),
            _ => self.pump(who),
        }
    }

    fn publish(&mut self) {
        for _ in 0..=self.rng.below(3) {
            let topic = self.topic();
            let data = format!("{topic} {}", self.log.len());
            let offset = self
                .rig
                .live
                .hub()
                .publish(&topic, data, self.now_ms)
                .ready()
                .unwrap()
                .unwrap()
                .offset;
            self.log.push((offset, topic));
        }
    }

    /// Comes back through any door with the cursor it has; now and then with one that means nothing here.
    fn come(&mut self, who: usize) {
        if self.clients[who].slot.is_some() {
            return;
        }
        let mut topics: Vec<String> = (0..=self.rng.below(3)).map(|_| self.topic()).collect();
        topics.sort();
        topics.dedup();
        let policy = [Policy::Gap, Policy::Gap, Policy::Latest, Policy::Close][self.rng.below(4) as usize];
        let grant = Grant::topics(topics.clone()).owner(who as u64 + 1).policy(policy);
        let client = &mut self.clients[who];
        client.foreign = self.rng.below(12) == 0;
        if client.foreign {
            let ahead = self.rig.live.hub().cursor_at(self.rig.live.hub().head() + 9);
            client.cursor = [ahead, "zz:3".parse().unwrap()][self.rng.below(2) as usize];
        }
        client.topics = topics.into_iter().map(|topic| (topic, 0)).collect();
        client.ended.clear();
        (client.closed, client.decoder) = (false, Decoder::new(Role::Client));
        client.events = sse::Parser::new(sse::ParseLimits::default());
        let door = [Door::Sse, Door::Poll, Door::Ws][self.rng.below(3) as usize];
        self.seen.switched += usize::from(door != client.door);
        client.door = door;
        let uri = format!("/?cursor={}", client.cursor);
        let slot = match door {
            Door::Sse => self.rig.sse(&uri, grant),
            Door::Poll => self.rig.poll(&uri, grant),
            Door::Ws => self.rig.ws(&uri, grant),
        };
        self.clients[who].slot = Some(slot);
        self.pump(who);
    }

    fn go(&mut self, who: usize) {
        if let Some(slot) = self.clients[who].slot.take() {
            self.rig.drop_socket(slot);
        }
    }

    fn change(&mut self, who: usize) {
        let topic = self.topic();
        let head = self.rig.live.hub().head();
        let client = &mut self.clients[who];
        if client.slot.is_none() {
            return;
        }
        if let Some(known) = client.topics.iter().position(|(name, _)| *name == topic) {
            client.topics.swap_remove(known);
            client.ended.push((topic.clone(), head));
            self.rig.live.unfollow(who as u64 + 1, None, &topic);
        } else {
            client.topics.push((topic.clone(), head));
            self.rig.live.follow(who as u64 + 1, None, &topic);
        }
    }

    fn end(&mut self, who: usize) {
        let head = self.rig.live.hub().head();
        self.rig.live.end(who as u64 + 1, None);
        let client = &mut self.clients[who];
        self.seen.ended += usize::from(client.slot.is_some());
        client
            .ended
            .extend(client.topics.drain(..).map(|(topic, _)| (topic, head)));
    }

    fn drain(&mut self) {
        for slot in self.rig.drain() {
            let who = self.clients.iter().position(|client| client.slot == Some(slot));
            // It may be named twice, and gone after the first time.
            if let Some(who) = who {
                self.pump(who);
            }
        }
    }

    fn pump(&mut self, who: usize) {
        let capacity = if self.rng.below(3) == 0 {
            self.rng.below(200) as usize
        } else {
            ALL
        };
        let room = 1 + self.rng.below(8) as usize;
        self.pump_with(who, capacity, room);
    }

    fn pump_with(&mut self, who: usize, capacity: usize, room: usize) {
        let Some(slot) = self.clients[who].slot else {
            return;
        };
        self.rig.pump(slot, capacity, room);
        let socket = self.rig.socket(slot);
        let (mut bytes, closed) = (std::mem::take(&mut socket.received), socket.closed);
        let answer = socket.answer.take();
        match self.clients[who].door {
            Door::Sse => self.read_events(who, &bytes),
            Door::Ws => self.read_frames(who, &mut bytes),
            Door::Poll => assert!(bytes.is_empty()),
        }
        if let Some(answer) = &answer {
            self.read_answer(who, answer);
            self.rig.sockets[slot] = None;
            self.clients[who].slot = None;
        } else if closed {
            self.go(who);
        }
    }

    fn read_events(&mut self, who: usize, bytes: &[u8]) {
        for event in self.clients[who].events.push(bytes).unwrap() {
            let cursor: Cursor = event.last_event_id.parse().unwrap();
            if event.event == "gap" {
                self.gap(who, &serde_json::from_str(&event.data).unwrap());
            } else {
                self.message(who, cursor, &event.data);
            }
        }
        // The first id has no event.
        let client = &mut self.clients[who];
        if let Ok(cursor) = client.events.last_event_id().parse() {
            assert!(client.foreign || client.cursor == cursor);
            if !client.foreign {
                client.cursor = cursor;
            }
        }
    }

    fn read_frames(&mut self, who: usize, bytes: &mut [u8]) {
        let limits = DecodeLimits {
            frame_bytes_max: 1 << 20,
            message_bytes_max: 1 << 20,
            fragments_max: 1,
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let mut decoder = std::mem::replace(&mut self.clients[who].decoder, Decoder::new(Role::Client));
            let (used, event) = decoder.decode(rest, &limits).unwrap();
            let event = event.map(|event| match event {
                Event::Text(text) => Some(text.into_owned()),
                Event::Close(_) => None,
                other => panic!("{other:?}"),
            });
            self.clients[who].decoder = decoder;
            rest = &mut rest[used..];
            match event {
                None => break,
                Some(None) => self.clients[who].closed = true,
                Some(Some(text)) => {
                    assert!(!self.clients[who].closed, "nothing after a close");
                    self.read_object(who, &serde_json::from_str(&text).unwrap());
                }
            }
        }
    }

    fn read_object(&mut self, who: usize, object: &serde_json::Value) {
        if object["gap"].is_object() {
            return self.gap(who, &object["gap"]);
        }
        let cursor = object["cursor"].as_str().unwrap().parse().unwrap();
        self.message(who, cursor, object["data"].as_str().unwrap());
    }

    fn read_answer(&mut self, who: usize, answer: &http::Response<bytes::Bytes>) {
        let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        if answer.status() == 403 {
            return assert!(self.clients[who].topics.is_empty());
        }
        self.seen.polls += 1;
        if body["gap"].is_object() {
            self.gap(who, &body["gap"]);
        }
        for message in body["messages"].as_array().unwrap() {
            self.read_object(who, message);
        }
        let cursor: Cursor = body["cursor"].as_str().unwrap().parse().unwrap();
        self.nothing_is_owed_before(who, cursor.offset + 1);
        assert!(cursor.offset >= self.clients[who].cursor.offset);
        self.clients[who].cursor = cursor;
    }

    fn gap(&mut self, who: usize, gap: &serde_json::Value) {
        let client = &mut self.clients[who];
        let cursor = |name: &str| gap[name].as_str().unwrap().parse::<Cursor>().unwrap();
        assert_eq!(cursor("after"), client.cursor, "the gap begins where we are");
        let resume = cursor("resume");
        assert!(client.foreign || resume.offset > client.cursor.offset);
        client.foreign = false;
        client.cursor = resume;
        self.seen.gaps += 1;
    }

    fn message(&mut self, who: usize, cursor: Cursor, data: &str) {
        let client = &self.clients[who];
        assert!(!client.foreign, "told first");
        assert!(cursor.offset > client.cursor.offset, "each once, in order");
        let (number, (_, topic)) = self
            .log
            .iter()
            .enumerate()
            .find(|(_, (offset, _))| *offset == cursor.offset)
            .expect("was published");
        assert_eq!(data, format!("{topic} {number}"));
        let follows = client
            .topics
            .iter()
            .any(|(name, from)| name == topic && cursor.offset > *from);
        let followed = client
            .ended
            .iter()
            .any(|(name, until)| name == topic && cursor.offset <= *until);
        assert!(follows || followed, "{topic} is not for it");
        self.nothing_is_owed_before(who, cursor.offset);
        self.clients[who].cursor = cursor;
        self.seen.messages += 1;
    }

    fn nothing_is_owed_before(&self, who: usize, offset: u64) {
        let client = &self.clients[who];
        let owed = self.log.iter().find(|(at, topic)| {
            let from = client
                .topics
                .iter()
                .find(|(name, _)| name == topic)
                .map(|(_, from)| *from);
            from.is_some_and(|from| *at > from.max(client.cursor.offset)) && *at < offset
        });
        assert_eq!(owed, None, "client {who} at {}", client.cursor);
    }

    /// Everything that was named is served, every full socket drains: then nobody is owed anything.
    fn settle(&mut self) {
        for _ in 0..4 {
            for slot in self.rig.drain() {
                if let Some(who) = self.clients.iter().position(|client| client.slot == Some(slot)) {
                    self.pump_with(who, ALL, 4);
                }
            }
            for who in 0..CLIENTS {
                let blocked = self.clients[who]
                    .slot
                    .is_some_and(|slot| self.rig.socket(slot).blocked);
                if blocked {
                    self.pump_with(who, ALL, 4);
                }
            }
        }
        for who in 0..CLIENTS {
            if self.clients[who].slot.is_some() {
                self.nothing_is_owed_before(who, u64::MAX);
            }
            self.go(who);
        }
        let counts = self.rig.live.counts();
        assert_eq!((counts.sse, counts.poll, counts.ws), (0, 0, 0));
    }
}

#[test]
fn whatever_the_door_and_the_socket_nothing_is_lost_in_silence() {
    let mut total = Seen::default();
    for seed in 1..=40 {
        let run = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            for _ in 0..STEPS {
                world.step();
            }
            world.settle();
            world.seen
        });
        let seen = run.unwrap_or_else(|_| panic!("seed {seed}"));
        total.messages += seen.messages;
        total.gaps += seen.gaps;
        total.polls += seen.polls;
        total.switched += seen.switched;
        total.ended += seen.ended;
    }
    let counts = [
        total.messages,
        total.gaps,
        total.polls,
        total.switched,
        total.ended,
    ];
    assert!(counts.iter().all(|count| *count > 30), "{total:?}");
}
