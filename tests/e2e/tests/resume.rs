//! Streams that are cut at random times while posts go on: in the end every post has come exactly once, in order,
//! over each transport, and with the transport changed at every break.

use std::io;
use std::time::Instant;

use e2e::DEADLINE;
use e2e::agent::Agent;
use e2e::doors::{Door, Follower, Message, Paths};
use e2e::feed::Feed;
use e2e::proxy::{Mischief, Proxy};
use e2e::rng::Rng;
use e2e::room::Room;

/// Posts in each test.
const POSTS: usize = 1500;
/// Fewer cuts would prove nothing.
const CUTS_MIN: u32 = 30;

fn mischief(seed: u64) -> Mischief {
    Mischief {
        seed,
        cuts_max: 60,
        bytes: 100..8_000,
        stall_one_in: 40,
    }
}

/// Follows with one connection after the other until `count` messages have come.
fn follow(follower: &mut Follower, doors: &[Door], seed: u64, count: usize) {
    let mut rng = Rng::new(seed);
    let end = Instant::now() + DEADLINE * 2;
    loop {
        assert!(
            Instant::now() < end,
            "{} of {count} messages in time",
            follower.messages.len()
        );
        let door = doors[usize::try_from(rng.range(0, doors.len() as u64)).expect("a small number")];
        // Now and then it is the follower who leaves.
        let leave = follower.messages.len() + usize::try_from(rng.range(50, 400)).expect("a small number");
        match follower.visit(door, |messages| messages.len() >= count.min(leave)) {
            Ok(_) if follower.messages.len() >= count => return,
            Ok(_) => {}
            Err(error) => check_is_a_cut(&error, door),
        }
    }
}

/// Breaks are what the proxy makes; an answer that is wrong is our fault.
fn check_is_a_cut(error: &io::Error, door: Door) {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, InvalidData, UnexpectedEof};
    let kinds = [BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof];
    // A WebSocket client calls a handshake that was cut off invalid.
    let handshake = error.kind() == InvalidData && error.to_string().contains("andshake");
    assert!(kinds.contains(&error.kind()) || handshake, "{door:?}: {error}");
}

/// A post's text: its number and something of another length each time.
fn text(number: usize, rng: &mut Rng) -> String {
    format!(
        "{number}:{}",
        "x".repeat(usize::try_from(rng.range(0, 300)).expect("a small number"))
    )
}

fn check_exactly_once(messages: &[Message], posts: &[String]) {
    let got: Vec<&str> = messages.iter().map(|message| message.data.as_str()).collect();
    let number = |text: &str| text.split(':').next().unwrap_or_default().to_owned();
    if got != posts {
        let got: Vec<String> = got.iter().map(|text| number(text)).collect();
        panic!("not every post exactly once, in order: {got:?}");
    }
}

/// Everything through these doors of the test server.
fn room_test(doors: &[Door], seed: u64) {
    let room = Room::start(&["--cores", "2"]);
    let addr = room.addr();
    let proxy = Proxy::start(move || addr, mischief(seed));
    let paths = Paths {
        sse: "/sse/room".into(),
        poll: "/poll/room".into(),
        ws: "/ws/room".into(),
    };
    let start = room.publish("before");
    let mut follower = Follower::new(Agent::new(proxy.addr()), paths, Some(start));
    let mut rng = Rng::new(seed);
    let posts: Vec<String> = (0..POSTS).map(|number| text(number, &mut rng)).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for post in &posts {
                room.publish(post);
                proxy.beat();
            }
            proxy.calm();
        });
        follow(&mut follower, doors, seed, POSTS);
    });
    check_exactly_once(&follower.messages, &posts);
    assert_eq!(follower.gaps, 0);
    let (cuts, stalls) = proxy.damage();
    assert!(cuts >= CUTS_MIN && stalls > 0, "{cuts} cuts and {stalls} stalls");
}

#[test]
fn server_sent_events_lose_and_repeat_nothing() {
    room_test(&[Door::Sse], 11);
}

#[test]
fn long_polling_loses_and_repeats_nothing() {
    room_test(&[Door::Poll], 12);
}

#[test]
fn a_websocket_loses_and_repeats_nothing() {
    room_test(&[Door::WebSocket], 13);
}

#[test]
fn nothing_is_lost_or_repeated_when_the_transport_changes_in_between() {
    room_test(&[Door::Sse, Door::Poll, Door::WebSocket], 14);
}

/// The feed's own live stream, as its home page opens it.
fn feed_test(doors: &[Door], posts_count: usize, seed: u64) {
    let feed = Feed::start();
    let (mut alice, mut bob) = (feed.register("alice"), feed.sign_up("bob"));
    assert_eq!(
        bob.form("/@alice/follow", &[])
            .expect("the feed answers")
            .status(),
        303
    );
    let cursor = bob.cursor_of("/");
    let addr = feed.addr();
    let proxy = Proxy::start(
        move || addr,
        Mischief {
            bytes: 500..20_000,
            ..mischief(seed)
        },
    );
    let paths = Paths {
        sse: "/stream/home".into(),
        poll: "/poll/home".into(),
        ws: "/ws/home".into(),
    };
    let mut follower = Follower::new(bob.at(proxy.addr()), paths, Some(cursor));
    let mut ids = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..posts_count {
                let audience = ["public", "unlisted", "private"][number % 3];
                ids.push(
                    alice
                        .post(&format!("post {number}"), audience)
                        .expect("acknowledged"),
                );
                proxy.beat();
            }
            proxy.calm();
        });
        follow(&mut follower, doors, seed, posts_count);
    });
    let got: Vec<String> = follower
        .messages
        .iter()
        .map(|message| id_of_update(&message.data))
        .collect();
    assert_eq!(got, ids);
    assert_eq!(follower.gaps, 0);
    let (cuts, _) = proxy.damage();
    assert!(cuts >= CUTS_MIN, "{cuts} cuts");
}

/// The id of the post in a message of the feed.
fn id_of_update(data: &str) -> String {
    let event: serde_json::Value = serde_json::from_str(data).expect("a message of the feed is JSON");
    assert_eq!(event["event"], "update", "{data}");
    event["id"].as_str().expect("an update has an id").to_owned()
}

#[test]
fn the_feed_s_home_loses_and_repeats_nothing() {
    feed_test(&[Door::Sse], 400, 21);
}

#[test]
fn the_feed_s_home_follows_its_reader_from_transport_to_transport() {
    feed_test(&[Door::Sse, Door::Poll, Door::WebSocket], 400, 22);
}
