//! Who comes in, and with what answer.

use std::time::{Duration, Instant};

use http::StatusCode;
use squall_engine::source::{Framing, Park, Source};

use super::rig::{ALL, Rig, handshake, request};
use crate::live::{Grant, PollDoor, SseDoor, WsDoor};

fn grant() -> Grant {
    Grant::topics(["t"])
}

fn answer(rig: &mut Rig, slot: usize) -> Option<serde_json::Value> {
    rig.turn();
    rig.pump(slot, ALL, 8);
    let response = rig.socket(slot).answer.take()?;
    rig.sockets[slot] = None;
    Some(serde_json::from_slice(response.body()).unwrap())
}

#[test]
fn a_stream_has_the_fields_of_a_stream() {
    let rig = Rig::new();
    let response = rig
        .live
        .sse_response(&SseDoor::new(), &request("/"), rig.live.moment(), grant());
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    assert_eq!(
        response.extensions().get::<Park>().unwrap().framing,
        Framing::Stream
    );
    let mut head = request("/");
    head.method = http::Method::HEAD;
    let response = rig
        .live
        .sse_response(&SseDoor::new(), &head, rig.live.moment(), grant());
    assert!(
        response.extensions().get::<Park>().is_none(),
        "a head alone goes on with nothing"
    );
}

#[test]
fn the_last_event_id_resumes() {
    let mut rig = Rig::new();
    for data in ["1", "2", "3"] {
        rig.publish("t", data);
    }
    let mut parts = request("/?cursor=e:1");
    parts.headers.insert("last-event-id", "e:2".parse().unwrap());
    let door = SseDoor::new().hello("");
    let response = rig.live.sse_response(&door, &parts, rig.live.moment(), grant());
    let slot = rig.park(&response);
    assert_eq!(rig.read(slot), "id: e:3\ndata: 3\n\n");
}

#[test]
fn a_bad_cursor_is_a_problem_at_every_door() {
    let rig = Rig::new();
    let moment = rig.live.moment();
    let responses = [
        rig.live
            .sse_response(&SseDoor::new(), &request("/?cursor=x"), moment, grant()),
        rig.live
            .poll_response(&PollDoor::new(), &request("/?cursor=x"), moment, grant()),
        rig.live
            .ws_response(&WsDoor::new(), &handshake("/?cursor=x"), moment, grant(), None),
        rig.live
            .poll_response(&PollDoor::new(), &request("/?timeout_ms=x"), moment, grant()),
        rig.live
            .sse_response(&SseDoor::new(), &request("/"), moment, Grant::topics([""])),
        rig.live.sse_response(
            &SseDoor::new(),
            &request("/"),
            moment,
            Grant::topics(["t".repeat(256)]),
        ),
    ];
    for response in responses {
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
    let long = Grant::topics(["t".repeat(255)]);
    assert_eq!(
        rig.live
            .sse_response(&SseDoor::new(), &request("/"), moment, long)
            .status(),
        StatusCode::OK
    );
}

#[test]
fn a_handshake_is_answered_and_a_stranger_is_not() {
    let rig = Rig::new();
    let status = |door: &WsDoor, origin: Option<&str>| {
        let mut parts = handshake("/");
        if let Some(origin) = origin {
            parts.headers.insert("origin", origin.parse().unwrap());
        }
        rig.live
            .ws_response(door, &parts, rig.live.moment(), grant(), None)
            .status()
            .as_u16()
    };
    let door = WsDoor::new();
    assert_eq!(status(&door, None), 101);
    assert_eq!(status(&door, Some("http://here")), 101);
    assert_eq!(status(&door, Some("http://there")), 403);
    assert_eq!(status(&door, Some("null")), 403);
    assert_eq!(
        status(&door.clone().trust_origin("http://there"), Some("http://there")),
        101
    );
    assert_eq!(status(&door.clone().any_origin(), Some("null")), 101);
    let plain = rig
        .live
        .ws_response(&door, &request("/"), rig.live.moment(), grant(), None);
    assert_eq!(plain.status(), 426);
    assert_eq!(plain.headers()["upgrade"], "websocket");
}

#[test]
fn a_subprotocol_is_chosen_or_echoed() {
    let rig = Rig::new();
    let chosen = |door: &WsDoor, echo: Option<&str>| {
        let mut parts = handshake("/");
        parts
            .headers
            .insert("sec-websocket-protocol", "a, b".parse().unwrap());
        let response = rig
            .live
            .ws_response(door, &parts, rig.live.moment(), grant(), echo);
        assert_eq!(
            response.headers()["sec-websocket-accept"],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
        response
            .headers()
            .get("sec-websocket-protocol")
            .map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(chosen(&WsDoor::new(), None), None);
    assert_eq!(chosen(&WsDoor::new().protocol("b"), None).as_deref(), Some("b"));
    assert_eq!(chosen(&WsDoor::new(), Some("a")).as_deref(), Some("a"));
    assert_eq!(
        chosen(&WsDoor::new(), Some("c")),
        None,
        "what was not offered cannot be chosen"
    );
}

#[test]
fn a_poll_that_is_behind_is_answered_at_once() {
    let mut rig = Rig::new();
    rig.publish("t", "1");
    rig.publish("t", "2");
    let slot = rig.poll("/?cursor=e:0", grant());
    let message =
        |n: u64| serde_json::json!({"cursor": format!("e:{n}"), "topic": "t", "data": n.to_string()});
    let expected = serde_json::json!({"cursor": "e:2", "messages": [message(1), message(2)], "gap": null});
    assert_eq!(answer(&mut rig, slot), Some(expected));
    assert_eq!(rig.live.counts().poll, 0);
}

#[test]
fn a_poll_waits_for_what_comes_and_no_longer_than_it_said() {
    let mut rig = Rig::new();
    rig.publish("t", "old");
    let slot = rig.poll("/", grant());
    assert_eq!(
        answer(&mut rig, slot),
        None,
        "without a cursor it waits from now on"
    );
    rig.publish("other", "x");
    assert_eq!(answer(&mut rig, slot), None);
    assert_eq!(rig.live.counts().poll, 1);
    rig.publish("t", "new");
    assert_eq!(answer(&mut rig, slot).unwrap()["messages"][0]["data"], "new");
    let now = Instant::now();
    let at_once = rig.poll("/?timeout_ms=0", grant());
    let empty = serde_json::json!({"cursor": "e:3", "messages": [], "gap": null});
    assert_eq!(answer(&mut rig, at_once), Some(empty));
    let (short, usual, long) = (
        rig.poll("/?timeout_ms=5000", grant()),
        rig.poll("/", grant()),
        rig.poll("/?timeout_ms=999999", grant()),
    );
    let mut ended = Vec::new();
    for seconds in [4, 6, 24, 27, 59, 62] {
        let mut ready = Vec::new();
        rig.source.tick(now + Duration::from_secs(seconds), &mut ready);
        for conn in ready {
            ended.push((conn.slot as usize, seconds));
            assert!(answer(&mut rig, conn.slot as usize).is_some());
        }
    }
    assert_eq!(ended, [(short, 6), (usual, 27), (long, 62)]);
}

#[test]
fn an_answer_is_bounded_and_the_next_goes_on() {
    let mut rig = Rig::new();
    for n in 1..=101 {
        rig.publish("t", &n.to_string());
    }
    let slot = rig.poll("/?cursor=e:0", grant());
    let first = answer(&mut rig, slot).unwrap();
    assert_eq!(first["messages"].as_array().unwrap().len(), 100);
    assert_eq!(first["cursor"], "e:100");
    let slot = rig.poll("/?cursor=e:100", grant());
    assert_eq!(answer(&mut rig, slot).unwrap()["messages"][0]["data"], "101");
    for _ in 0..3 {
        rig.publish("t", &"x".repeat(600_000));
    }
    let slot = rig.poll("/?cursor=e:101", grant());
    let big = answer(&mut rig, slot).unwrap();
    assert_eq!(big["messages"].as_array().unwrap().len(), 2);
    assert_eq!(big["cursor"], "e:103");
}

#[test]
fn a_poll_that_was_dropped_leaves_nothing_behind() {
    let mut rig = Rig::new();
    let slot = rig.poll("/", grant());
    rig.pump(slot, ALL, 8);
    rig.drop_socket(slot);
    let mut ready = Vec::new();
    rig.source
        .tick(Instant::now() + Duration::from_secs(100), &mut ready);
    assert!(ready.is_empty());
    assert_eq!(rig.live.counts().poll, 0);
    assert_eq!(rig.live.hub().counts().topics, 0);
}
