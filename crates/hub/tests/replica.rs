//! Three nodes that tell each other of their members over a net that loses, delays, repeats and cuts: when it is calm
//! again, all see the same members, and the changes that each has told add up to what it sees.

use std::collections::{BTreeMap, BTreeSet};

use squall_hub::presence::replica::{Applied, Origin, Wire};
use squall_hub::presence::{
    Change, Changes, Member, Presence, PresenceConfig, PresenceCounts, PresenceError, Present, SessionId,
};

const NODES: usize = 3;
const TOPICS: [&str; 3] = ["a", "b", "c"];
const SESSIONS: u64 = 40;
const TIMEOUT_MS: u64 = 1_000;

struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// What somebody who listens to one node's ticks believes.
type Told = BTreeMap<String, BTreeMap<SessionId, Member>>;

struct Net {
    rng: Rng,
    now_ms: u64,
    lives: u64,
    nodes: Vec<Presence>,
    told: Vec<Told>,
    /// (to whom, bytes), in no order that counts.
    under_way: Vec<(usize, Vec<u8>)>,
    calm: bool,
    seen: Seen,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    done: usize,
    known: usize,
    missing: usize,
    asked: usize,
    lost: usize,
    many: usize,
    restarts: usize,
    gone: usize,
    moved: usize,
}

fn node(number: usize, life: u64) -> Presence {
    Presence::new(PresenceConfig {
        origin: Some(Origin {
            node: number as u64 + 1,
            life,
        }),
        grace_ms: 100,
        changes_max: 8,
        node_timeout_ms: TIMEOUT_MS,
        ..PresenceConfig::default()
    })
}

impl Net {
    fn new(seed: u64) -> Self {
        Self {
            rng: Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            now_ms: 0,
            lives: 0,
            nodes: (0..NODES).map(|number| node(number, 0)).collect(),
            told: vec![Told::new(); NODES],
            under_way: Vec::new(),
            calm: false,
            seen: Seen::default(),
        }
    }

    fn send(&mut self, from: usize, wire: &Wire) {
        for to in (0..NODES).filter(|to| *to != from) {
            self.under_way.push((to, wire.encode()));
        }
    }

    fn step(&mut self) {
        let who = self.rng.below(NODES as u64) as usize;
        match self.rng.below(100) {
            0..35 => self.somebody_acts(who),
            35..50 => self.tell(who),
            50..55 => self.send(who, &Wire::Digest(self.nodes[who].digest())),
            55..88 => self.deliver(),
            88..96 => self.time_passes(),
            96..99 => self.tick(who),
            _ => self.restart(who),
        }
    }

    fn somebody_acts(&mut self, who: usize) {
        let session = SessionId::from_number(u128::from(self.rng.below(SESSIONS)));
        let topic = TOPICS[self.rng.below(3) as usize];
        let now_ms = self.now_ms;
        match self.rng.below(10) {
            0..6 => {
                // A session that changed nodes is on two of them for a while; now and then with other words.
                let text = [&b"x"[..], b"y"][usize::from(self.rng.one_in(8))];
                let member = Member {
                    info: Some(text.into()),
                    ..Member::user(format!("user {}", session.to_bytes()[15] % 7))
                };
                let elsewhere = (0..NODES).any(|n| n != who && !self.nodes[n].topics(session).is_empty());
                self.seen.moved += usize::from(elsewhere);
                self.nodes[who].enter(topic, session, member, now_ms).unwrap();
            }
            6 => drop(self.nodes[who].leave(topic, session)),
            7 => drop(self.nodes[who].end(session)),
            _ => drop(self.nodes[who].lost(session, now_ms)),
        }
    }

    fn tell(&mut self, who: usize) {
        let updates = self.nodes[who].take_updates(1 + self.rng.below(20) as usize);
        for update in updates {
            self.send(who, &Wire::Update(update));
        }
    }

    fn deliver(&mut self) {
        if self.under_way.is_empty() {
            return;
        }
        let which = self.rng.below(self.under_way.len() as u64) as usize;
        let repeated = !self.calm && self.rng.one_in(5);
        let (to, bytes) = if repeated {
            self.under_way[which].clone()
        } else {
            self.under_way.swap_remove(which)
        };
        if !self.calm && self.rng.one_in(6) {
            self.seen.lost += 1;
            return;
        }
        match Wire::decode(&bytes).unwrap() {
            Wire::Update(update) => match self.nodes[to].apply(&update, self.now_ms).unwrap() {
                Applied::Done => self.seen.done += 1,
                Applied::Known => self.seen.known += 1,
                Applied::Missing(ask) => {
                    self.seen.missing += 1;
                    self.send(to, &Wire::Ask(ask));
                }
            },
            Wire::Digest(digest) => {
                if let Some(ask) = self.nodes[to].compare(&digest, self.now_ms).unwrap() {
                    self.seen.asked += 1;
                    self.send(to, &Wire::Ask(ask));
                }
            }
            Wire::Ask(ask) => {
                for update in self.nodes[to].answer(&ask) {
                    self.send(to, &Wire::Update(update));
                }
            }
        }
    }

    fn time_passes(&mut self) {
        self.now_ms += self.rng.below(120);
        for who in 0..NODES {
            let known = self.nodes[who].nodes().len();
            self.nodes[who].sweep(self.now_ms);
            self.seen.gone += known - self.nodes[who].nodes().len();
        }
    }

    /// Hears what changed on a node, and believes it.
    fn tick(&mut self, who: usize) {
        for (topic, changes) in self.nodes[who].take_changed(usize::MAX) {
            let told = self.told[who].entry(topic.to_string()).or_default();
            let Changes::Each(each) = changes else {
                self.seen.many += 1;
                *told = members(&self.nodes[who], &topic);
                continue;
            };
            for change in each {
                let before = match change {
                    Change::Joined(Present { session, member }) => {
                        assert_eq!(told.insert(session, member), None, "nobody joins twice");
                        continue;
                    }
                    Change::Updated(Present { session, member }) => told.insert(session, member),
                    Change::Left(Present { session, .. }) => told.remove(&session),
                };
                assert!(before.is_some(), "nobody leaves who was not there");
            }
        }
        for topic in TOPICS {
            let told = self.told[who].get(topic).cloned().unwrap_or_default();
            assert_eq!(told, members(&self.nodes[who], topic), "node {who}, {topic}");
        }
    }

    /// A node ends without a word; another life of it begins, with nobody.
    fn restart(&mut self, who: usize) {
        if self.rng.one_in(3) {
            self.lives += 1;
            self.nodes[who] = node(who, self.lives);
            self.told[who] = Told::new();
            self.seen.restarts += 1;
        }
    }

    /// The net is calm for long enough.
    fn settle(&mut self) {
        self.calm = true;
        for _ in 0..4 {
            self.now_ms += 200;
            for who in 0..NODES {
                self.nodes[who].sweep(self.now_ms);
                for update in self.nodes[who].take_updates(usize::MAX) {
                    self.send(who, &Wire::Update(update));
                }
                self.send(who, &Wire::Digest(self.nodes[who].digest()));
            }
            while !self.under_way.is_empty() {
                self.deliver();
            }
        }
        for who in 0..NODES {
            self.nodes[who].sweep(self.now_ms);
            self.tick(who);
        }
    }
}

fn members(node: &Presence, topic: &str) -> BTreeMap<SessionId, Member> {
    let page = node.members(topic, None, 1_000);
    assert_eq!(page.next, None);
    let stats = node.stats(topic);
    assert_eq!(stats.sessions, page.members.len());
    let users: BTreeSet<_> = page.members.iter().map(|present| &present.member.user).collect();
    assert_eq!(stats.users, users.len());
    page.members
        .into_iter()
        .map(|present| (present.session, present.member))
        .collect()
}

fn run(seed: u64) -> Seen {
    let mut net = Net::new(seed);
    for _ in 0..1_500 {
        net.step();
    }
    net.settle();
    for topic in TOPICS {
        // Who is there is the same everywhere. What is seen of a session that is on two nodes at once may differ.
        let there: Vec<Vec<SessionId>> = net
            .nodes
            .iter()
            .map(|node| members(node, topic).into_keys().collect())
            .collect();
        assert!(
            there.windows(2).all(|pair| pair[0] == pair[1]),
            "{topic}: {there:?}"
        );
        let own: BTreeSet<SessionId> = (0..u128::from(SESSIONS))
            .map(SessionId::from_number)
            .filter(|session| {
                net.nodes
                    .iter()
                    .any(|node| node.topics(*session).iter().any(|own| **own == *topic))
            })
            .collect();
        assert!(
            there[0].iter().eq(&own),
            "{topic}: those that their nodes say are there"
        );
    }
    // When two nodes are gone, what is left is the third's own.
    for gone in [2, 3] {
        assert!(net.nodes[0].node_gone(gone));
    }
    net.nodes[0].sweep(net.now_ms);
    net.tick(0);
    let sessions: Vec<SessionId> = (0..u128::from(SESSIONS)).map(SessionId::from_number).collect();
    for session in sessions {
        net.nodes[0].end(session);
    }
    net.tick(0);
    assert_eq!(net.nodes[0].counts(), PresenceCounts::default());
    net.seen
}

#[test]
fn three_nodes_agree_when_the_net_is_calm_whatever_happened() {
    let mut all = Vec::new();
    for seed in 1..=60 {
        let run = std::panic::catch_unwind(|| run(seed)).unwrap_or_else(|_| panic!("seed {seed}"));
        all.push(run);
    }
    let count = |of: fn(&Seen) -> usize| all.iter().map(of).sum::<usize>();
    let counts = [
        count(|seen| seen.done),
        count(|seen| seen.known),
        count(|seen| seen.missing),
        count(|seen| seen.asked),
        count(|seen| seen.lost),
        count(|seen| seen.many),
        count(|seen| seen.restarts),
        count(|seen| seen.gone),
        count(|seen| seen.moved),
    ];
    assert!(counts.iter().all(|count| *count > 30), "{counts:?}");
    assert_eq!(run(7), run(7), "the same seed is the same run");
}

fn pair() -> (Presence, Presence) {
    (node(0, 1), node(1, 1))
}

fn exchange(from: &Presence, to: &Presence) {
    for update in from.take_updates(usize::MAX) {
        to.apply(&update, 0).unwrap();
    }
}

#[test]
fn a_session_that_changes_nodes_is_neither_a_leave_nor_a_join() {
    let (one, two) = pair();
    let session = SessionId::from_number(1);
    one.enter("t", session, Member::user("ann"), 0).unwrap();
    exchange(&one, &two);
    two.take_changed(10);
    one.lost(session, 0);
    two.enter("t", session, Member::user("ann"), 50).unwrap();
    exchange(&two, &one);
    assert_eq!(one.sweep(100), 1);
    exchange(&one, &two);
    assert!(two.take_changed(10).is_empty());
    assert_eq!(one.stats("t").sessions, 1, "there, on the other node");
    assert_eq!(two.stats("t").sessions, 1);
}

#[test]
fn a_node_that_is_gone_ends_in_one_step_and_its_topics_say_many() {
    let (one, two) = pair();
    for number in 0..5_000_u128 {
        let session = SessionId::from_number(number);
        one.enter("t", session, Member::user("ann"), 0).unwrap();
    }
    exchange(&one, &two);
    two.enter("t", SessionId::from_number(1 << 64), Member::user("bob"), 0)
        .unwrap();
    two.take_changed(10);
    assert!(two.node_gone(1));
    assert!(!two.node_gone(1));
    assert_eq!(two.sweep(0), 5_000);
    let changed = two.take_changed(10);
    assert!(
        matches!(&changed[..], [(_, Changes::Many(stats))] if stats.sessions == 1),
        "{changed:?}"
    );
    assert_eq!(two.counts().nodes, 0);
}

#[test]
fn a_node_is_gone_when_it_was_not_heard_of_for_its_time() {
    let (one, two) = pair();
    one.enter("t", SessionId::from_number(1), Member::user("ann"), 0)
        .unwrap();
    exchange(&one, &two);
    two.compare(&one.digest(), 500).unwrap();
    assert_eq!(two.sweep(500 + TIMEOUT_MS - 1), 0);
    assert_eq!(two.sweep(500 + TIMEOUT_MS), 1);
    // It was only cut off: it is heard again, and asked for what it has.
    let ask = two.compare(&one.digest(), 2_000).unwrap().unwrap();
    for update in one.answer(&ask) {
        assert_eq!(two.apply(&update, 2_000), Ok(Applied::Done));
    }
    assert_eq!(two.stats("t").sessions, 1);
}

#[test]
fn what_an_earlier_life_said_is_not_believed() {
    let (one, two) = pair();
    one.enter("t", SessionId::from_number(1), Member::user("ann"), 0)
        .unwrap();
    let old = one.take_updates(usize::MAX);
    let reborn = node(0, 2);
    assert_eq!(two.compare(&reborn.digest(), 0), Ok(None));
    assert_eq!(two.apply(&old[0], 0), Ok(Applied::Known));
    assert_eq!(two.compare(&one.digest(), 0), Ok(None));
    assert_eq!(two.stats("t").sessions, 0);
    // What the old life left goes with the sweep after the new one was heard.
    let (one, two) = pair();
    one.enter("t", SessionId::from_number(1), Member::user("ann"), 0)
        .unwrap();
    exchange(&one, &two);
    two.compare(&reborn.digest(), 0).unwrap();
    assert_eq!(two.sweep(0), 1);
}

#[test]
fn a_node_does_not_listen_to_itself_and_answers_for_itself_alone() {
    let (one, two) = pair();
    one.enter("t", SessionId::from_number(1), Member::user("ann"), 0)
        .unwrap();
    let updates = one.take_updates(usize::MAX);
    assert_eq!(one.apply(&updates[0], 0), Ok(Applied::Known));
    assert_eq!(one.compare(&one.digest(), 0), Ok(None));
    let ask = two.compare(&one.digest(), 0).unwrap().unwrap();
    assert!(two.answer(&ask).is_empty());
    assert_eq!(one.answer(&ask).len(), 1);
}

#[test]
fn replicas_have_the_same_limit_of_bytes_and_are_asked_for_again() {
    let one = node(0, 1);
    let two = Presence::new(PresenceConfig {
        bytes_max: 30_000,
        origin: Some(Origin { node: 2, life: 1 }),
        ..PresenceConfig::default()
    });
    for number in 0..500_u128 {
        let session = SessionId::from_number(number);
        one.enter("t", session, Member::user(format!("{number}")), 0)
            .unwrap();
    }
    let full = one
        .take_updates(usize::MAX)
        .iter()
        .filter(|update| two.apply(update, 0).is_err())
        .count();
    assert!(full > 0);
    assert!(two.counts().bytes <= 30_000);
    assert_eq!(
        two.compare(&one.digest(), 0).unwrap().unwrap().buckets.len(),
        full
    );
    assert_eq!(
        two.apply(
            &one.answer(&two.compare(&one.digest(), 0).unwrap().unwrap())[0],
            0
        ),
        Err(PresenceError::OutOfBytes)
    );
}
