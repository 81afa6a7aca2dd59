//! kill -9 of the feed while people post: no acknowledged post is lost, and streams go on from their cursors as if
//! nothing had been.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use e2e::DEADLINE;
use e2e::agent::Agent;
use e2e::doors::{Door, Follower, Paths};
use e2e::feed::Feed;
use e2e::proxy::{Mischief, Proxy};
use e2e::rng::Rng;

/// How often the feed crashes.
const CRASHES: usize = 3;
/// People who post at the same time.
const AUTHORS: usize = 3;

/// Posts until told to end. Reports every acknowledged id; a post that was not acknowledged is not posted again.
fn keep_posting(mut author: Agent, name: &str, acknowledged: &Sender<String>, over: &AtomicBool) {
    let mut number = 0;
    while !over.load(Ordering::Relaxed) {
        number += 1;
        // While the feed is down the proxy ends each connection at once.
        if let Ok(id) = author.post(&format!("{name} {number}"), "private") {
            acknowledged.send(id).ok();
        }
    }
}

/// Waits for so many acknowledged posts.
fn wait_for(acknowledged: &Receiver<String>, ids: &mut BTreeSet<u64>, count: u64) {
    for _ in 0..count {
        let id = acknowledged.recv_timeout(DEADLINE).expect("posts go on");
        assert!(
            ids.insert(id.parse().expect("ids are numbers")),
            "{id} was given twice"
        );
    }
}

/// Follows bob's home until told to end and everything `wanted` says has come.
fn keep_following(mut follower: Follower, wanted: &AtomicUsize) -> Follower {
    let end = Instant::now() + DEADLINE * 3;
    let doors = [Door::Sse, Door::WebSocket, Door::Poll];
    for round in 0.. {
        assert!(
            Instant::now() < end,
            "{} of {} in time",
            follower.messages.len(),
            wanted.load(Ordering::Relaxed)
        );
        let enough = |count: usize| count >= wanted.load(Ordering::Relaxed);
        if let Ok(true) = follower.visit(doors[round % doors.len()], |messages| enough(messages.len())) {
            break;
        }
    }
    follower
}

/// Bob, who follows everybody, and the authors.
fn people(feed: &Feed) -> (Agent, Vec<(String, Agent)>) {
    let mut bob = feed.register("bob");
    let author = |number| {
        let name = format!("author{number}");
        let agent = feed.register(&name);
        (name, agent)
    };
    let authors: Vec<(String, Agent)> = (0..AUTHORS).map(author).collect();
    for (name, _) in &authors {
        bob.relate("follow", name);
    }
    (bob, authors)
}

/// The ids of the posts in the order in which they came.
fn ids_of(follower: &Follower) -> Vec<u64> {
    let event =
        |data: &str| -> serde_json::Value { serde_json::from_str(data).expect("the feed sends JSON") };
    follower
        .messages
        .iter()
        .map(|message| id(&event(&message.data)["id"]))
        .collect()
}

fn id(value: &serde_json::Value) -> u64 {
    value
        .as_str()
        .and_then(|id| id.parse().ok())
        .unwrap_or_else(|| panic!("{value} is no id"))
}

#[test]
fn no_acknowledged_post_is_lost_and_streams_go_on_from_their_cursors() {
    let mut feed = Feed::start();
    let (mut bob, authors) = people(&feed);
    let mut page = feed.sign_in("bob");
    let cursor = page.cursor_of("/");
    // Clients keep one address over all lives of the feed.
    let addr = Arc::new(Mutex::new(feed.addr()));
    let upstream = Arc::clone(&addr);
    let well_behaved = Mischief {
        seed: 31,
        cuts_max: 0,
        bytes: 1..2,
        stall_one_in: u64::MAX,
    };
    let proxy = Proxy::start(
        move || *upstream.lock().expect("nobody panics with it"),
        well_behaved,
    );

    let (sender, acknowledged) = channel();
    let over = AtomicBool::new(false);
    let wanted = AtomicUsize::new(usize::MAX);
    let paths = Paths {
        sse: "/stream/home".into(),
        poll: "/poll/home".into(),
        ws: "/ws/home".into(),
    };
    let follower = Follower::new(page.at(proxy.addr()), paths, Some(cursor));
    let mut ids = BTreeSet::new();
    let mut rng = Rng::new(31);
    let followed = std::thread::scope(|scope| {
        for (name, agent) in &authors {
            let (agent, sender, over) = (agent.at(proxy.addr()), sender.clone(), &over);
            scope.spawn(move || keep_posting(agent, name, &sender, over));
        }
        drop(sender);
        let wanted = &wanted;
        let following = scope.spawn(move || keep_following(follower, wanted));
        for _ in 0..CRASHES {
            wait_for(&acknowledged, &mut ids, rng.range(20, 80));
            feed.crash_and_start();
            *addr.lock().expect("nobody panics with it") = feed.addr();
        }
        wait_for(&acknowledged, &mut ids, 50);
        over.store(true, Ordering::Relaxed);
        let rest = acknowledged
            .into_iter()
            .map(|id| id.parse::<u64>().expect("ids are numbers"));
        ids.extend(rest);
        // Nobody posts any more. A post whose answer was lost in a crash may be there too: the database decides.
        bob = bob.at(feed.addr());
        let count = bob.timeline("/api/v1/timelines/home").len();
        // One more, so that a stream that has everything looks again.
        wanted.store(count + 1, Ordering::Relaxed);
        let end = authors[0]
            .1
            .at(feed.addr())
            .post("the end", "private")
            .expect("acknowledged");
        ids.insert(end.parse().expect("ids are numbers"));
        following.join().expect("the stream comes to its end")
    });

    let kept: Vec<u64> = bob
        .timeline("/api/v1/timelines/home")
        .iter()
        .rev()
        .map(|post| id(&post["id"]))
        .collect();
    let lost: Vec<&u64> = ids.iter().filter(|id| !kept.contains(id)).collect();
    assert!(lost.is_empty(), "acknowledged, but not there: {lost:?}");
    assert_eq!(ids_of(&followed), kept, "every post exactly once, in order");
    assert_eq!(followed.gaps, 0);
}
