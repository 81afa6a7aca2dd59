//! The streams, byte by byte.

mod api_kit;
mod common;

use std::time::Duration;

use api_kit::{Feed, Person, refusal};
use serde_json::{Value, json};
use squall::testing::{SseStream, WsClient, WsEvent};

fn sse(feed: &Feed, path: &str, token: &str) -> SseStream {
    feed.client()
        .sse(&format!("/api/v1/streaming/{path}"))
        .bearer(token)
        .open_sse()
}

fn ws(feed: &Feed, query: &str, token: &str) -> WsClient {
    feed.client()
        .ws(&format!("/api/v1/streaming?access_token={token}{query}"))
        .open_ws()
}

/// Asks for nonsense: its refusal comes after everything that was asked for before it is in force.
fn settle(socket: &mut WsClient) {
    socket.send_text(r#"{"type":"subscribe","stream":"nonsense"}"#);
    assert_eq!(socket.text(), r#"{"error":"Unknown stream type","status":400}"#);
}

/// Stream, event and the id in the payload of a frame.
fn frame(socket: &mut WsClient) -> (String, String, String) {
    let frame: Value = serde_json::from_str(&socket.text()).unwrap();
    let payload: Value = serde_json::from_str(frame["payload"].as_str().unwrap()).unwrap();
    let id = payload["id"]
        .as_str()
        .map_or_else(|| payload.to_string(), str::to_owned);
    (frame["stream"].to_string(), api_kit::text(&frame["event"]), id)
}

#[test]
fn the_bytes_of_a_stream_are_what_the_strictest_client_reads() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    let client = feed.client();
    let mut conn = client
        .get("/api/v1/streaming/user")
        .bearer(&ann.token)
        .header("accept-encoding", "gzip, br")
        .start();
    let head = String::from_utf8(conn.read_until(b"\r\n\r\n"))
        .unwrap()
        .to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    assert!(head.contains("cache-control: no-store"), "{head}");
    assert!(!head.contains("content-encoding"), "{head}");
    conn.read_until(b":)\n");
    let id = feed.say(&ann, "hello", "private");
    let event = String::from_utf8(conn.read_until(b"\n\n")).unwrap();
    let event = &event[event.find("event: ").unwrap()..];
    assert!(
        !event.contains('\r') || event.lines().all(|line| !line.starts_with("id")),
        "{event:?}"
    );
    assert!(event.starts_with("event: update\ndata: {"), "{event:?}");
    assert!(event.contains(&format!("\"id\":\"{id}\"")));
    let _ = client
        .delete(&format!("/api/v1/statuses/{id}"))
        .bearer(&ann.token)
        .send()
        .expect(200);
    let event = String::from_utf8(conn.read_until(b"\n\n")).unwrap();
    assert!(
        event.contains(&format!("event: delete\ndata: {id}\n\n")),
        "{event:?}"
    );
}

#[test]
fn a_quiet_stream_says_so() {
    let limits = squall::Limits {
        heartbeat_interval: Duration::from_millis(20),
        drain_timeout: Duration::from_millis(250),
        ..squall::Limits::default()
    };
    let feed = Feed::start_with(|server| server.limits(limits));
    let ann = feed.person("ann");
    for path in ["user", "hashtag?tag=x", "user?resume=1"] {
        let client = feed.client();
        let mut conn = client
            .get(&format!("/api/v1/streaming/{path}"))
            .bearer(&ann.token)
            .start();
        conn.read_until(b":thump\n");
    }
}

#[test]
fn ids_come_only_when_asked_for_and_resuming_misses_nothing() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    let mut plain = sse(&feed, "user", &ann.token);
    let mut with_ids = sse(&feed, "user?resume=1", &ann.token);
    feed.say(&ann, "one", "public");
    plain.next_event();
    assert_eq!(plain.last_event_id(), "");
    with_ids.next_event();
    let cursor = with_ids.last_event_id().to_owned();
    drop(with_ids);
    let two = feed.say(&ann, "two", "private");
    let three = feed.say(&ann, "three", "direct");
    let client = feed.client();
    let ways = [
        client
            .sse("/api/v1/streaming/user")
            .header("last-event-id", &cursor),
        client.sse(&format!("/api/v1/streaming/user?resume={cursor}")),
        client.sse(&format!("/api/v1/streaming/user/?cursor={cursor}")),
    ];
    for way in ways {
        let mut stream = way.bearer(&ann.token).open_sse();
        for id in [&two, &three] {
            let event = stream.next_event();
            assert!(event.data.contains(&format!("\"id\":\"{id}\"")), "{event:?}");
        }
    }
    let foreign = client
        .sse("/api/v1/streaming/user?cursor=zz:1")
        .bearer(&ann.token)
        .open_sse()
        .next_event();
    assert_eq!(
        foreign.event, "gap",
        "a cursor of another life is never passed over in silence"
    );
}

#[test]
fn one_socket_many_streams() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    let mut socket = ws(&feed, "&stream=public", &ann.token);
    socket.send_text(r#"{"type":"subscribe","stream":"user"}"#);
    socket.send_text(r#"{"type":"subscribe","stream":"public:local"}"#);
    socket.send_text(r#"{"type":"subscribe","stream":"public:local"}"#);
    socket.send_text(r##"{"type":"subscribe","stream":"hashtag","tag":"#x"}"##);
    settle(&mut socket);
    let id = feed.say(&ann, "all", "public");
    let mut frames = [frame(&mut socket), frame(&mut socket), frame(&mut socket)];
    frames.sort();
    assert_eq!(
        frames,
        ["public", "public:local", "user"].map(|name| (format!("[\"{name}\"]"), "update".into(), id.clone()))
    );
    socket.send_text(r#"{"type":"unsubscribe","stream":"public"}"#);
    socket.send_text(r#"{"type":"unsubscribe","stream":"public:local"}"#);
    settle(&mut socket);
    let second = feed.say(&ann, "one", "public");
    assert_eq!(frame(&mut socket), ("[\"user\"]".into(), "update".into(), second));
    settle(&mut socket);
}

#[test]
fn following_begins_and_ends_where_home_is_followed_and_nowhere_else() {
    let feed = Feed::start();
    let (ann, bob) = (feed.person("ann"), feed.person("bob"));
    let mut stream = sse(&feed, "user", &ann.token);
    let mut home = ws(&feed, "", &ann.token);
    home.send_text(r#"{"type":"subscribe","stream":"user"}"#);
    settle(&mut home);
    let mut public = ws(&feed, "&stream=public", &ann.token);
    feed.say(&bob, "before", "private");
    feed.follow(&ann, &bob);
    let mut both_hear = |id: &str| {
        let event = stream.next_event();
        assert!(event.data.contains(&format!("\"id\":\"{id}\"")), "{event:?}");
        assert_eq!(
            frame(&mut home),
            ("[\"user\"]".into(), "update".into(), id.into())
        );
    };
    // Heard before the unfollowing: what is still on its way then need not arrive.
    both_hear(&feed.say(&bob, "during", "private"));
    feed.act(
        &format!("/api/v1/accounts/{}/unfollow", bob.id),
        &ann.token,
        &json!({}),
    );
    feed.say(&bob, "after", "private");
    let last = feed.say(&ann, "last", "public");
    both_hear(&last);
    assert_eq!(frame(&mut public), ("[\"public\"]".into(), "update".into(), last));
    // Home is given up: what one follows from now on is not part of this connection.
    home.send_text(r#"{"type":"unsubscribe","stream":"user"}"#);
    settle(&mut home);
    feed.follow(&ann, &bob);
    feed.say(&bob, "unheard", "private");
    settle(&mut home);
}

#[test]
fn what_is_not_for_a_viewer_is_on_none_of_the_streams() {
    let feed = Feed::start();
    let (author, follower, member) = (
        feed.person("author"),
        feed.person("follower"),
        feed.person("member"),
    );
    feed.follow(&follower, &author);
    let open = |person: &Person| {
        ["user", "public", "public/local", "user/notification"].map(|path| sse(&feed, path, &person.token))
    };
    let mut of_member = open(&member);
    let mut of_follower = sse(&feed, "user", &follower.token);
    let mut of_nobody = feed.client().sse("/api/v1/streaming/public").open_sse();
    let mut socket = ws(&feed, "&stream=user", &member.token);
    for stream in ["public", "public:local", "user:notification", "direct"] {
        socket.send_text(&json!({ "type": "subscribe", "stream": stream }).to_string());
    }
    settle(&mut socket);
    feed.say(&author, "hush @member", "direct");
    let private = feed.say(&author, "hush @member", "private");
    let unlisted = feed.say(&author, "for members", "unlisted");
    let public = feed.say(&author, "for all", "public");
    let own = feed.say(&member, "mine", "direct");
    let holds = |data: &str, id: &str| assert!(data.contains(&format!("\"id\":\"{id}\"")), "{data}");
    holds(&of_member[0].next_event().data, &own);
    holds(&of_member[1].next_event().data, &public);
    holds(&of_member[2].next_event().data, &public);
    holds(&of_nobody.next_event().data, &public);
    for id in [&private, &unlisted, &public] {
        holds(&of_follower.next_event().data, id);
    }
    let mut frames = [frame(&mut socket), frame(&mut socket), frame(&mut socket)];
    frames.sort();
    assert_eq!(
        frames.map(|(stream, _, id)| (stream, id)),
        [
            ("[\"public\"]".into(), public.clone()),
            ("[\"public:local\"]".into(), public),
            ("[\"user\"]".into(), own),
        ]
    );
    settle(&mut socket);
    feed.follow(&follower, &member);
    let told = of_member[3].next_event();
    assert_eq!(
        (&*told.event, told.data.contains("\"type\":\"follow\"")),
        ("notification", true)
    );
}

#[test]
fn home_tells_what_happens_to_oneself_only_to_programs_that_may_read_it() {
    let feed = Feed::start();
    let (reader, bob) = (
        feed.person_with("reader", "read:statuses write"),
        feed.person("bob"),
    );
    let mut stream = sse(&feed, "user", &reader.token);
    let mut socket = ws(&feed, "&stream=user", &reader.token);
    socket.send_text(r#"{"type":"subscribe","stream":"user:notification"}"#);
    assert_eq!(
        socket.text(),
        r#"{"error":"This action is outside the authorized scopes","status":403}"#
    );
    feed.follow(&bob, &reader);
    let id = feed.say(&reader, "mine", "direct");
    let event = stream.next_event();
    assert_eq!((&*event.event, event.data.contains(&id)), ("update", true));
    assert_eq!(frame(&mut socket), ("[\"user\"]".into(), "update".into(), id));
}

#[test]
fn tokens_come_in_three_ways_and_bad_ones_are_refused() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    let client = feed.client();
    let mut sockets = [
        client
            .ws("/api/v1/streaming?stream=user")
            .bearer(&ann.token)
            .open_ws(),
        client
            .ws(&format!(
                "/api/v1/streaming/?stream=user&access_token={}",
                ann.token
            ))
            .open_ws(),
        client
            .ws("/api/v1/streaming?stream=user")
            .header("sec-websocket-protocol", &ann.token)
            .open_ws(),
    ];
    let echoed = |socket: &WsClient| socket.headers().get("sec-websocket-protocol").cloned();
    assert_eq!(echoed(&sockets[0]), None);
    assert_eq!(echoed(&sockets[2]).unwrap(), ann.token.as_str());
    let id = feed.say(&ann, "x", "direct");
    for socket in &mut sockets {
        assert_eq!(frame(socket).2, id);
    }
    for request in [
        client.ws("/api/v1/streaming?stream=user"),
        client.ws("/api/v1/streaming").bearer("wrong"),
        client.ws("/api/v1/streaming?stream=public&access_token=wrong"),
        client
            .ws("/api/v1/streaming?stream=public")
            .header("sec-websocket-protocol", "wrong"),
    ] {
        assert_eq!(request.try_open_ws().err().map(|answer| answer.status), Some(401));
    }
    let refused = |path: &str| refusal(&feed.get(&format!("/api/v1/streaming/{path}"), Some(&ann.token)));
    assert_eq!(refused("hashtag"), (400, "Missing tag name parameter".into()));
    assert_eq!(refused("list?list=1"), (404, "Record not found".into()));
    assert_eq!(refused("nonsense"), (404, "Record not found".into()));
    assert_eq!(feed.get("/api/v1/streaming/user", None).status, 401);
    assert_eq!(feed.get("/api/v1/streaming/health", None).text(), "OK");
    let _quiet = sse(&feed, "hashtag?tag=rust", &ann.token);
}

#[test]
fn a_revoked_token_ends_its_streams() {
    let feed = Feed::start();
    let program = feed.program("read write", api_kit::OUT_OF_BAND);
    let own = feed.own_token(&program, "read write");
    let body = json!({ "username": "ann", "email": "a@b", "password": api_kit::PASSWORD, "agreement": true });
    let token = api_kit::text(&feed.act("/api/v1/accounts", &own, &body)["access_token"]);
    let mut streams = ["user", "user/notification", "public"].map(|path| sse(&feed, path, &token));
    let mut sockets = [ws(&feed, "", &token), ws(&feed, "&stream=user", &token)];
    let fields = json!({ "client_id": program.id, "client_secret": program.secret, "token": token });
    assert_eq!(feed.post("/oauth/revoke", None, &fields).status, 200);
    for stream in &mut streams {
        assert!(stream.until_end().is_empty());
    }
    for socket in &mut sockets {
        assert!(matches!(socket.recv(), WsEvent::Close(..)));
    }
}

#[test]
fn messages_and_streams_of_a_connection_are_bounded() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    let mut socket = ws(&feed, "", &ann.token);
    let padded = |bytes: usize| format!("{{}}{}", " ".repeat(bytes - 2));
    socket.send_text(&padded(4 * 1024));
    settle(&mut socket);
    for number in 0..32 {
        socket.send_text(
            &json!({ "type": "subscribe", "stream": "hashtag", "tag": number.to_string() }).to_string(),
        );
    }
    settle(&mut socket);
    socket.send_text(r#"{"type":"subscribe","stream":"public"}"#);
    assert_eq!(socket.text(), r#"{"error":"Too many requests","status":429}"#);
    socket.send_text(r#"{"type":"unsubscribe","stream":"hashtag","tag":"7"}"#);
    socket.send_text(r#"{"type":"subscribe","stream":"public"}"#);
    settle(&mut socket);
    let id = feed.say(&ann, "x", "public");
    assert_eq!(frame(&mut socket).2, id);
    socket.send_text(&padded(4 * 1024 + 1));
    assert!(matches!(socket.recv(), WsEvent::Close(..)));
}

#[test]
fn who_follows_many_has_one_stream_of_all() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    let others: Vec<Person> = (0..30).map(|number| feed.person(&format!("p{number}"))).collect();
    others.iter().for_each(|other| feed.follow(&ann, other));
    let mut socket = ws(&feed, "", &ann.token);
    socket.send_text(r#"{"type":"subscribe","stream":"user"}"#);
    settle(&mut socket);
    for other in &others {
        let id = feed.say(other, "x", "private");
        assert_eq!(frame(&mut socket).2, id);
    }
}
