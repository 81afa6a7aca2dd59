//! What is written, and that it is made once.

use squall_engine::source::{After, Source};

use super::rig::{ALL, Rig};
use crate::live::{Cursor, Encoded, Grant, Message, SseDoor, Style, WsDoor};

#[test]
fn a_stream_begins_with_a_cursor_and_goes_on_with_events() {
    let mut rig = Rig::new();
    rig.publish("room", "before");
    let slot = rig.sse("/", Grant::topics(["room"]));
    let first = rig.read(slot);
    let (retry, rest) = first.split_once('\n').unwrap();
    let retry_ms: u64 = retry.strip_prefix("retry: ").unwrap().parse().unwrap();
    assert!((2_000..=3_000).contains(&retry_ms));
    assert_eq!(rest, "id: e:1\n\n", "no `data:`, so no event");
    rig.publish("room", "two\nlines");
    rig.publish("other", "not for us");
    rig.publish("room", "");
    assert_eq!(
        rig.read(slot),
        "id: e:2\ndata: two\ndata: lines\n\nid: e:4\ndata: \n\n"
    );
    let follower = rig.socket(slot).follower;
    assert_eq!(rig.source.heartbeat(follower).unwrap(), ":\n\n");
}

#[test]
fn a_stream_looks_as_its_door_says() {
    let mut rig = Rig::new();
    let style = rig
        .live
        .style(|message: &Message, _: &Cursor, out: &mut Vec<u8>| {
            out.extend_from_slice(b"event: update\ndata: ");
            out.extend_from_slice(&message.data);
            out.extend_from_slice(b"\n\n");
            Encoded::Text
        });
    let door = SseDoor::new().style(style).hello(":)\n").heartbeat(":thump\n");
    let slot = rig.sse_by(&door, "/", rig.live.moment(), Grant::topics(["room"]));
    rig.publish("room", "1");
    assert_eq!(rig.read(slot), ":)\nevent: update\ndata: 1\n\n");
    let follower = rig.socket(slot).follower;
    assert_eq!(rig.source.heartbeat(follower).unwrap(), ":thump\n");
    let quiet = rig.sse_by(
        &SseDoor::new().hello(""),
        "/",
        rig.live.moment(),
        Grant::topics(["room"]),
    );
    assert_eq!(rig.read(quiet), "");
}

#[test]
fn a_websocket_has_cursor_topic_and_data_or_the_data_alone() {
    let mut rig = Rig::new();
    let full = rig.ws("/", Grant::topics(["a\"b"]));
    let bare = rig.ws_by(&WsDoor::new().bare(), "/", Grant::topics(["a\"b"]));
    rig.publish("a\"b", "x\ny");
    assert_eq!(
        rig.read(full),
        "\u{fffd}-{\"cursor\":\"e:1\",\"topic\":\"a\\\"b\",\"data\":\"x\\ny\"}"
    );
    assert_eq!(rig.socket(bare).received, b"\x81\x03x\ny");
}

#[test]
fn data_that_is_no_text_is_base64_where_it_must_be() {
    let mut rig = Rig::new();
    let sse = rig.sse_by(
        &SseDoor::new().hello(""),
        "/",
        rig.live.moment(),
        Grant::topics(["t"]),
    );
    let ws = rig.ws("/", Grant::topics(["t"]));
    let bare = rig.ws_by(&WsDoor::new().bare(), "/", Grant::topics(["t"]));
    rig.live.publish("t", vec![0xff]).ready().unwrap().unwrap();
    assert_eq!(rig.read(sse), "id: e:1\nevent: binary\ndata: /w==\n\n");
    assert!(rig.read(ws).ends_with("\"data_base64\":\"/w==\"}"));
    assert_eq!(rig.socket(bare).received, b"\x82\x01\xff");
}

#[test]
fn all_who_are_at_the_same_place_share_the_same_bytes() {
    let mut rig = Rig::new();
    let slots: Vec<usize> = (0..3).map(|_| rig.ws("/", Grant::topics(["room"]))).collect();
    rig.publish("room", "1");
    rig.publish("room", "2");
    let mut seen = Vec::new();
    for slot in rig.drain() {
        let socket = rig.socket(slot);
        let (follower, position) = (socket.follower, socket.position);
        let mut out = Vec::new();
        assert!(matches!(
            rig.source.next(follower, position, 8, &mut out),
            After::Stay
        ));
        assert_eq!(out.len(), 1, "small frames are joined");
        seen.push(out[0].bytes.as_ptr());
    }
    assert_eq!(seen.len(), slots.len());
    assert!(seen.iter().all(|bytes| *bytes == seen[0]));
}

#[test]
fn big_frames_are_not_joined_and_room_is_kept() {
    let mut rig = Rig::new();
    let slot = rig.ws_by(&WsDoor::new().bare(), "/", Grant::topics(["room"]));
    let sizes = [10, 3_000, 10, 10, 3_000, 4_080, 10, 2_000, 2_000, 2_000];
    for size in sizes {
        rig.publish("room", &"x".repeat(size));
    }
    let socket = rig.socket(slot);
    let (follower, position) = (socket.follower, socket.position);
    for room in 1..=sizes.len() {
        let mut out = Vec::new();
        rig.source.next(follower, position, room, &mut out);
        assert!(out.len() <= room);
        assert!(out.iter().all(|frame| frame.bytes.len() <= 4_096));
    }
    for room in 1..=3 {
        rig.socket(slot).received.clear();
        rig.socket(slot).position = position;
        rig.pump(slot, ALL, room);
        let headers: usize = sizes.iter().map(|size| if *size > 125 { 4 } else { 2 }).sum();
        assert_eq!(
            rig.socket(slot).received.len(),
            sizes.iter().sum::<usize>() + headers,
            "room {room}"
        );
    }
}

#[test]
fn the_same_topic_in_two_styles_is_two_frames() {
    let mut rig = Rig::new();
    let named = |name: &'static str| {
        move |message: &Message, _: &Cursor, out: &mut Vec<u8>| {
            out.extend_from_slice(format!("{name}:").as_bytes());
            out.extend_from_slice(&message.data);
            Encoded::Text
        }
    };
    let (user, public) = (rig.live.style(named("user")), rig.live.style(named("public")));
    let grant = Grant::default()
        .topic_as("t", user)
        .topic_as("t", public)
        .topic_as("u", public);
    let slot = rig.ws_by(&WsDoor::new(), "/", grant);
    rig.publish("t", "1");
    rig.publish("u", "2");
    assert_eq!(
        rig.read(slot),
        "\u{fffd}\u{6}user:1\u{fffd}\u{8}public:1\u{fffd}\u{8}public:2"
    );
}

#[test]
fn what_a_style_skips_is_received_all_the_same() {
    let mut rig = Rig::new();
    let odd = rig
        .live
        .style(|message: &Message, _: &Cursor, out: &mut Vec<u8>| {
            if message.data.last().is_some_and(|last| last % 2 == 0) {
                return Encoded::Skip;
            }
            out.extend_from_slice(&message.data);
            Encoded::Text
        });
    let slot = rig.ws_by(&WsDoor::new().style(odd), "/", Grant::topics(["t"]));
    rig.publish("t", "1");
    rig.publish("t", "2");
    assert_eq!(rig.read(slot), "\u{fffd}\u{1}1");
    for _ in 0..5_000 {
        rig.publish("t", "4");
        if rig.live.hub().head().is_multiple_of(100) {
            assert_eq!(rig.read(slot), "", "nothing to say, and nothing lost");
        }
    }
    rig.publish("t", "5");
    assert_eq!(rig.read(slot), "\u{fffd}\u{1}5");
    assert_eq!(rig.live.counts().gaps + rig.live.counts().closed_behind, 0);
}

#[test]
fn a_style_that_nobody_registered_frames_nothing() {
    let mut rig = Rig::new();
    let slot = rig.ws_by(&WsDoor::new().style(Style(999)), "/", Grant::topics(["t"]));
    rig.publish("t", "1");
    assert_eq!(rig.read(slot), "");
}
