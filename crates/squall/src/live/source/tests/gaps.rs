//! Those whose messages are not there any more.

use super::rig::{ALL, Rig, config, request};
use crate::live::{
    Cursor, Encoded, Grant, HubConfig, LiveConfig, Message, Policy, Retention, SseDoor, WsDoor,
};

/// Keeps the live window alone.
fn short() -> HubConfig {
    HubConfig {
        retention: Retention {
            age_ms_max: u64::MAX,
            ..Retention::NONE
        },
        ..config()
    }
}

const KEPT: u64 = Retention::WINDOW_MESSAGES as u64;

fn rig() -> Rig {
    Rig::with(short(), LiveConfig::default())
}

fn publish_many(rig: &Rig, count: u64) {
    for _ in 0..count {
        rig.publish("t", "x");
    }
}

#[test]
fn a_laggard_is_told_and_gets_what_is_left() {
    let mut rig = rig();
    let sse = rig.sse_by(
        &SseDoor::new().hello(""),
        "/",
        rig.live.moment(),
        Grant::topics(["t"]),
    );
    let ws = rig.ws("/", Grant::topics(["t"]));
    publish_many(&rig, KEPT + 1);
    let text = rig.read(sse);
    assert!(
        text.starts_with("id: e:1\nevent: gap\ndata: {\"after\":\"e:0\",\"resume\":\"e:1\"}\n\nid: e:2\n"),
        "{text}"
    );
    assert_eq!(text.matches("data: x\n").count() as u64, KEPT);
    let text = rig.read(ws);
    assert!(
        text.contains("{\"cursor\":\"e:1\",\"gap\":{\"after\":\"e:0\",\"resume\":\"e:1\"}}"),
        "{text}"
    );
    assert_eq!(text.matches("\"data\":\"x\"").count() as u64, KEPT);
    assert_eq!(rig.live.counts().gaps, 2);
}

#[test]
fn exactly_what_is_kept_is_no_gap() {
    let mut rig = rig();
    let ws = rig.ws("/", Grant::topics(["t"]));
    publish_many(&rig, KEPT);
    assert_eq!(rig.read(ws).matches("\"data\":\"x\"").count() as u64, KEPT);
    assert_eq!(rig.live.counts().gaps, 0);
}

#[test]
fn whoever_wants_the_latest_gets_the_latest() {
    let mut rig = rig();
    let ws = rig.ws("/", Grant::topics(["t"]).policy(Policy::Latest));
    publish_many(&rig, 2 * KEPT);
    let text = rig.read(ws);
    assert!(
        text.contains(&format!("\"resume\":\"e:{}\"", 2 * KEPT - 1)),
        "{text}"
    );
    assert_eq!(text.matches("\"data\":\"x\"").count(), 1);
}

#[test]
fn whoever_wants_to_be_closed_is_closed_and_may_come_back() {
    let mut rig = rig();
    let grant = || Grant::topics(["t"]).policy(Policy::Close);
    let (ws, sse) = (rig.ws("/", grant()), rig.sse("/", grant()));
    publish_many(&rig, KEPT + 1);
    assert!(rig.read(ws).contains("behind: come back with your cursor"));
    assert!(rig.socket(ws).closed);
    rig.read(sse);
    assert!(rig.socket(sse).closed);
    assert_eq!(rig.live.counts().closed_behind, 2);
    assert_eq!((rig.live.counts().ws, rig.live.counts().sse), (0, 0));
    let back = rig.ws("/?cursor=e:0", grant());
    assert!(
        rig.read(back).contains("\"after\":\"e:0\",\"resume\":\"e:1\""),
        "told, or it would come back forever"
    );
    assert!(!rig.socket(back).closed);
}

#[test]
fn a_cursor_of_another_life_is_a_gap_at_every_door() {
    let mut rig = rig();
    publish_many(&rig, KEPT + 5);
    for cursor in ["other:3", "e:9999"] {
        let uri = format!("/?cursor={cursor}");
        let sse = rig.sse(&uri, Grant::topics(["t"]));
        let text = rig.read(sse);
        let retry = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("retry: "))
            .unwrap_or_default();
        let told = format!(
            "retry: {retry}\n\nid: e:5\nevent: gap\ndata: {{\"after\":\"{cursor}\",\"resume\":\"e:5\"}}\n\nid: e:6\n"
        );
        assert!(text.starts_with(&told), "{text}");
        let ws = rig.ws(&uri, Grant::topics(["t"]));
        assert!(
            rig.read(ws)
                .contains(&format!("\"gap\":{{\"after\":\"{cursor}\",\"resume\":\"e:5\"}}"))
        );
        let poll = rig.poll(&uri, Grant::topics(["t"]));
        rig.pump(poll, ALL, 8);
        let answer = rig.socket(poll).answer.take().unwrap();
        let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(body["gap"]["after"], cursor);
        assert_eq!(body["gap"]["resume"], "e:5");
        assert_eq!(body["messages"][0]["cursor"], "e:6");
        assert_eq!(body["messages"].as_array().unwrap().len(), 100);
        assert_eq!(body["cursor"], "e:105");
    }
}

#[test]
fn who_has_no_words_for_a_gap_is_closed_or_refused() {
    let mut rig = rig();
    let bare = rig.ws_by(&WsDoor::new().bare(), "/", Grant::topics(["t"]));
    publish_many(&rig, KEPT + 1);
    assert!(rig.read(bare).contains("behind"));
    let late = rig.ws_by(&WsDoor::new().bare(), "/?cursor=e:0", Grant::topics(["t"]));
    assert!(rig.read(late).contains("behind"));
    let style = rig
        .live
        .style(|_: &Message, _: &Cursor, _: &mut Vec<u8>| Encoded::Skip);
    let door = SseDoor::new().style(style);
    let response = |uri| {
        rig.live
            .sse_response(&door, &request(uri), rig.live.moment(), Grant::topics(["t"]))
            .status()
    };
    assert_eq!(response("/?cursor=e:0"), 410);
    assert_eq!(response("/?cursor=x:1"), 410);
    assert_eq!(response("/?cursor=e:1"), 200);
    assert_eq!(response("/"), 200);
}

#[test]
fn a_gap_that_a_full_socket_did_not_take_is_told_again() {
    let mut rig = rig();
    let ws = rig.ws("/", Grant::topics(["t"]));
    publish_many(&rig, KEPT + 1);
    rig.pump(ws, 0, 8);
    assert!(rig.socket(ws).received.is_empty());
    publish_many(&rig, 10);
    let text = rig.read(ws);
    assert_eq!(text.matches("\"gap\"").count(), 1);
    assert!(text.contains("\"after\":\"e:0\",\"resume\":\"e:11\""), "{text}");
    assert_eq!(text.matches("\"data\":\"x\"").count() as u64, KEPT);
}
