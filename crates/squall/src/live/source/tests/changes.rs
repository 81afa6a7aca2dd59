//! What is said about followers takes effect before what is published next.

use squall_engine::source::{After, Source};
use squall_engine::ws::Message;

use super::rig::{ALL, Rig, config, request};
use crate::live::{COMMANDS_KEPT_MAX, Grant, LiveConfig, SseDoor, WsDoor};

fn grant() -> Grant {
    Grant::topics(["t"]).owner(7).kind(1)
}

#[test]
fn an_end_holds_without_any_wake_up() {
    let mut rig = Rig::new();
    let (ws, sse) = (
        rig.ws("/", grant()),
        rig.sse_by(&SseDoor::new().hello(""), "/", rig.live.moment(), grant()),
    );
    let poll = rig.poll("/", grant());
    let other = rig.ws("/", grant().kind(2));
    rig.live.end(7, Some(1));
    rig.publish("t", "secret");
    for slot in [ws, sse, poll] {
        rig.pump(slot, ALL, 8);
        let received = String::from_utf8_lossy(&rig.socket(slot).received).into_owned();
        assert!(!received.contains("secret"));
    }
    assert!(rig.socket(ws).closed && rig.socket(sse).closed);
    assert_eq!(&rig.socket(ws).received[..4], b"\x88\x07\x03\xf0", "1008");
    assert_eq!(rig.socket(poll).answer.take().unwrap().status(), 403);
    assert!(rig.read(other).contains("secret"));
    assert_eq!(rig.live.counts().ended, 3);
}

#[test]
fn an_end_names_those_that_it_ends() {
    let mut rig = Rig::new();
    let ws = rig.ws("/", grant());
    rig.turn();
    let wakes = rig.wakes.load(std::sync::atomic::Ordering::Relaxed);
    rig.live.end(7, None);
    assert!(rig.wakes.load(std::sync::atomic::Ordering::Relaxed) > wakes);
    assert_eq!(rig.drain(), [ws]);
    rig.live.end(0, None);
    assert!(rig.drain().is_empty(), "nobody's connections belong to nobody");
}

#[test]
fn an_end_between_check_and_connection_ends_it() {
    let mut rig = Rig::new();
    let moment = rig.live.moment();
    rig.live.end(7, None);
    let response = rig
        .live
        .sse_response(&SseDoor::new().hello(""), &request("/"), moment, grant());
    let late = rig.park(&response);
    rig.publish("t", "secret");
    assert_eq!(rig.read(late), "");
    assert!(rig.socket(late).closed);
    let now = rig.ws("/", grant());
    rig.publish("t", "for you");
    assert!(
        rig.read(now).contains("for you"),
        "what was checked after it is not ended by it"
    );
}

#[test]
fn unfollow_and_follow_hold_for_what_comes_after() {
    let mut rig = Rig::new();
    let ws = rig.ws_by(&WsDoor::new().bare(), "/", grant());
    rig.publish("u", "old");
    rig.live.follow(7, Some(1), "u");
    rig.publish("u", "new");
    rig.live.unfollow(7, None, "t");
    rig.publish("t", "secret");
    assert_eq!(rig.read(ws), "\u{fffd}\u{3}new");
    rig.live.unfollow(7, Some(2), "u");
    rig.publish("u", "1");
    rig.live.follow(7, None, "t");
    rig.live.follow(7, None, "t");
    rig.publish("t", "2");
    assert_eq!(rig.read(ws), "\u{fffd}\u{1}1\u{fffd}\u{1}2");
}

#[test]
fn a_follow_is_never_beyond_the_limit_in_silence() {
    let mut rig = Rig::with(
        config(),
        LiveConfig {
            follower_topics_max: 2,
        },
    );
    let ws = rig.ws("/", grant());
    rig.live.follow(7, None, "u");
    assert_eq!(rig.read(ws), "");
    rig.live.follow(7, None, "v");
    assert!(rig.read(ws).contains("come back with your cursor"));
    assert_eq!(rig.live.counts().sent_back, 1);
    let topics = |count: usize| Grant::topics((0..count).map(|n| n.to_string()));
    let status = |grant| {
        rig.live
            .sse_response(&SseDoor::new(), &request("/"), rig.live.moment(), grant)
            .status()
    };
    assert_eq!(status(topics(2)), 200);
    assert_eq!(status(topics(3)), 400);
}

#[test]
fn a_core_that_missed_commands_sends_back_whoever_has_an_owner() {
    let mut rig = Rig::new();
    let (owned, free) = (rig.ws("/", grant()), rig.ws("/", Grant::topics(["t"])));
    let moment = rig.live.moment();
    for _ in 0..COMMANDS_KEPT_MAX {
        rig.live.unfollow(99, None, "t");
    }
    assert_eq!(rig.read(owned), "", "as many as are kept are fine");
    for _ in 0..=COMMANDS_KEPT_MAX {
        rig.live.unfollow(99, None, "t");
    }
    assert!(rig.read(owned).contains("come back"));
    rig.publish("t", "x");
    assert!(rig.read(free).contains("\"x\""));
    let response = rig
        .live
        .sse_response(&SseDoor::new().hello(""), &request("/"), moment, grant());
    let late = rig.park(&response);
    rig.read(late);
    assert!(
        rig.socket(late).closed,
        "nobody knows any more what was ended since its rights were looked at"
    );
}

#[test]
fn a_handle_changes_what_its_connection_follows() {
    let mut rig = Rig::new();
    let (send, receive) = std::sync::mpsc::channel();
    let door = WsDoor::new().bare().on_message(move |incoming| {
        let Message::Text(text) = &incoming.message else {
            return;
        };
        assert_eq!((text.as_str(), incoming.owner, incoming.kind), ("hello", 7, 1));
        send.send(incoming.connection()).unwrap();
    });
    let ws = rig.ws_by(&door, "/", grant());
    let follower = rig.socket(ws).follower;
    rig.source.received(follower, Message::Text("hello".into()));
    let connection = receive.recv().unwrap();
    rig.publish("u", "0");
    connection.follow(rig.live.moment(), "u", None).unwrap();
    connection.send_text("ok").unwrap();
    rig.publish("u", "1");
    assert_eq!(rig.read(ws), "\u{fffd}\u{2}ok\u{fffd}\u{1}1");
    connection.unfollow("u", None).unwrap();
    rig.publish("u", "secret");
    assert_eq!(rig.read(ws), "");
    let moment = rig.live.moment();
    rig.live.unfollow(7, None, "u");
    connection.follow(moment, "u", None).unwrap();
    rig.publish("u", "secret");
    assert_eq!(rig.read(ws), "", "ended since the right was looked at");
    connection.close(4_321, "bye");
    connection.close(4_322, "bye");
    assert_eq!(rig.read(ws), "\u{fffd}\u{5}\u{10}\u{fffd}bye");
    assert!(rig.socket(ws).closed);
    rig.drop_socket(ws);
    let next = rig.ws("/", grant());
    assert_eq!(rig.socket(next).follower, follower, "the same number");
    connection.send_text("not for you").unwrap();
    connection.follow(rig.live.moment(), "u", None).unwrap();
    rig.publish("u", "nor this");
    assert_eq!(rig.read(next), "");
}

#[test]
fn messages_of_a_peer_are_bounded() {
    let mut rig = Rig::new();
    let door = WsDoor::new().message_bytes_max(3);
    let ws = rig.ws_by(&door, "/", grant());
    let follower = rig.socket(ws).follower;
    rig.source.received(follower, Message::Text("123".into()));
    assert_eq!(rig.read(ws), "");
    rig.source.received(follower, Message::Text("1234".into()));
    assert!(rig.read(ws).contains("too big"));
    assert!(rig.socket(ws).closed);
}

#[test]
fn the_server_says_goodbye() {
    let mut rig = Rig::new();
    let (ws, sse, poll) = (
        rig.ws("/", grant()),
        rig.sse("/", grant()),
        rig.poll("/", grant()),
    );
    rig.publish("t", "x");
    rig.source.shutdown();
    for slot in [ws, sse, poll] {
        rig.pump(slot, ALL, 8);
    }
    assert_eq!(&rig.socket(ws).received[..4], b"\x88\x1c\x03\xf4", "1012");
    assert!(rig.socket(ws).closed && rig.socket(sse).closed);
    let answer = rig.socket(poll).answer.take().unwrap();
    assert!(
        answer.body().starts_with(b"{\"cursor\":\"e:1\",\"messages\":[{"),
        "{answer:?}"
    );
    let counts = rig.live.counts();
    assert_eq!((counts.ws, counts.sse, counts.poll), (0, 0, 0));
}

#[test]
fn a_follower_that_is_not_there_is_closed() {
    let rig = Rig::new();
    assert!(matches!(rig.source.next(3, 0, 8, &mut Vec::new()), After::Close));
    rig.source.detach(3);
    assert!(
        rig.source
            .attach(squall_engine::source::ConnId { slot: 0, life: 0 }, &"not ours")
            .is_none()
    );
    let other = Rig::new();
    let response = other
        .live
        .sse_response(&SseDoor::new(), &request("/"), other.live.moment(), grant());
    let park = response
        .extensions()
        .get::<squall_engine::source::Park>()
        .unwrap();
    let conn = squall_engine::source::ConnId { slot: 0, life: 0 };
    assert!(
        rig.source.attach(conn, &*park.ticket).is_none(),
        "a ticket of another"
    );
}
