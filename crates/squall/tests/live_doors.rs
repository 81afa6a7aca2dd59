//! The three doors over real sockets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use squall::live::{
    self, Ask, CLOSE_BEHIND, CLOSE_ENDED, CLOSE_RESTART, Connection, Grant, Hub, HubConfig, Live, Refusal,
    Retention, Topics, WsDoor, WsMessage,
};
use squall::testing::{Client, TestServer, WsEvent, serve_with};
use squall::web::middleware::map_request;
use squall::web::{Request, Router};

fn live(retention: Retention) -> Live {
    let hub = Hub::new(HubConfig {
        epoch: live::new_epoch(),
        retention,
        ..HubConfig::default()
    });
    Live::new(hub, rights)
}

/// `?as=7` is somebody's whole identity here. Nobody may follow `secret`.
async fn rights(ask: Ask) -> Result<Grant, Refusal> {
    if ask.topics.iter().any(|topic| topic == "secret") {
        return Err(Refusal::forbidden());
    }
    let query = ask.parts.uri.query().unwrap_or_default();
    let owner = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("as="))
        .and_then(|number| number.parse().ok());
    Ok(Grant::topics(ask.topics).owner(owner.unwrap_or(0)))
}

fn serve(live: &Live, cores: usize) -> TestServer {
    let router = Router::new()
        .route("/sse", live.sse(["room"]))
        .route("/poll", live.poll(["room"]))
        .route("/ws", live.ws(["room"]))
        .route("/bare", live.ws_with(WsDoor::new().bare(), ["room"]))
        .route("/any", live.poll(Topics::query()));
    serve_with(router, |server| server.cores(cores).live(live))
}

fn start() -> (Live, TestServer) {
    let live = live(Retention::default());
    let server = serve(&live, 1);
    (live, server)
}

fn publish(live: &Live, data: impl ToString) {
    live.publish("room", data.to_string()).ready().unwrap().unwrap();
}

fn data(text: &str) -> String {
    let object: serde_json::Value = serde_json::from_str(text).unwrap();
    object["data"].as_str().unwrap().to_owned()
}

#[test]
fn what_ended_after_the_moment_of_a_layer_stays_ended() {
    let live = live(Retention::default());
    let of_layer = live.clone();
    // As if somebody signed out right after a layer had found them signed in.
    let meanwhile = move |mut request: Request| {
        request.extensions_mut().insert(of_layer.moment());
        of_layer.end(7, None);
        std::future::ready(request)
    };
    let router = Router::new()
        .route("/sse", live.sse(["room"]))
        .layer(map_request(meanwhile));
    let server = serve_with(router, |server| server.cores(1).live(&live));
    let mut others = server.client().sse("/sse?as=8").open_sse();
    server.client().sse("/sse?as=7").open_sse().until_end();
    publish(&live, "still here");
    assert_eq!(others.next_event().data, "still here");
}

#[test]
fn what_is_published_comes_through_every_door() {
    let (live, server) = start();
    let client = server.client();
    let mut sse = client.sse("/sse").open_sse();
    let (mut ws, mut bare) = (client.ws("/ws").open_ws(), client.ws("/bare").open_ws());
    let before = live.hub().cursor();
    publish(&live, "hello");
    let cursor = live.hub().cursor().to_string();
    let event = sse.next_event();
    assert_eq!(
        (event.data.as_str(), event.last_event_id.as_str()),
        ("hello", cursor.as_str())
    );
    assert_eq!(data(&ws.text()), "hello");
    assert_eq!(bare.text(), "hello");
    let poll = client.poll("/poll", Some(&before.to_string()));
    assert_eq!(
        poll.messages,
        [serde_json::json!({"cursor": cursor, "topic": "room", "data": "hello"})]
    );
    assert_eq!(
        (poll.cursor.as_str(), &poll.body["gap"]),
        (cursor.as_str(), &serde_json::Value::Null)
    );
    let counts = live.counts();
    assert_eq!((counts.sse, counts.ws, counts.poll), (1, 2, 0));
}

/// What one door gives, the next takes: sse, poll, ws, and around again.
#[test]
fn a_cursor_goes_from_door_to_door_and_nothing_is_lost_or_doubled() {
    let (live, server) = start();
    let client = server.client();
    let mut cursor = live.hub().cursor().to_string();
    let mut seen = Vec::new();
    for round in 0..30 {
        for n in 0..round % 7 + 1 {
            publish(&live, format!("{round}.{n}"));
        }
        seen.extend(read_some(&client, round % 3, round % 4 + 1, &mut cursor));
    }
    while cursor != live.hub().cursor().to_string() {
        seen.extend(read_some(&client, 1, 0, &mut cursor));
    }
    let all: Vec<String> = (0..30)
        .flat_map(|round| (0..round % 7 + 1).map(move |n| format!("{round}.{n}")))
        .collect();
    assert_eq!(seen, all);
}

/// Reads at most `count` messages through a door (a poll: what comes), then goes away.
fn read_some(client: &Client, door: usize, count: usize, cursor: &mut String) -> Vec<String> {
    let mut seen = Vec::new();
    match door {
        0 => {
            let mut sse = client.sse("/sse").header("last-event-id", cursor).open_sse();
            for _ in 0..count {
                let Some(event) = sse.try_next(Duration::from_millis(50)) else {
                    break;
                };
                seen.push(event.data);
                *cursor = event.last_event_id;
            }
        }
        1 => {
            let poll = client.poll("/poll?timeout_ms=0", Some(cursor));
            seen.extend(
                poll.messages
                    .iter()
                    .map(|message| message["data"].as_str().unwrap().to_owned()),
            );
            *cursor = poll.cursor;
        }
        _ => {
            let mut ws = client.ws(&format!("/ws?cursor={cursor}")).open_ws();
            for _ in 0..count {
                let Some(WsEvent::Text(text)) = ws.try_recv(Duration::from_millis(50)) else {
                    break;
                };
                let object: serde_json::Value = serde_json::from_str(&text).unwrap();
                seen.push(object["data"].as_str().unwrap().to_owned());
                *cursor = object["cursor"].as_str().unwrap().to_owned();
            }
        }
    }
    seen
}

#[test]
fn a_poll_that_waits_is_answered_when_something_comes_and_the_connection_goes_on() {
    let (live, server) = start();
    let mut conn = server.raw();
    let cursor = live.hub().cursor();
    for n in 0..3 {
        let at = live.hub().cursor();
        let request = format!(
            "GET /poll?cursor={at} HTTP/1.1\r\nHost: {}\r\n\r\n",
            server.addr()
        );
        conn.write(request.as_bytes());
        while live.counts().poll == 0 {
            std::thread::yield_now();
        }
        publish(&live, n);
        let answer = String::from_utf8(conn.read_until(b"\"gap\":null}")).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(
            answer
                .to_ascii_lowercase()
                .contains("content-type: application/json\r\n"),
            "{answer}"
        );
        assert!(answer.contains(&format!("\"data\":\"{n}\"")), "{answer}");
    }
    assert_eq!(cursor.offset + 3, live.hub().head());
}

#[test]
fn a_right_that_ends_ends_what_is_open() {
    for cores in [1, 3] {
        let live = live(Retention::default());
        let server = serve(&live, cores);
        let client = server.client();
        let mut mine: Vec<_> = (0..6).map(|_| client.ws("/ws?as=7").open_ws()).collect();
        let mut others: Vec<_> = (0..6).map(|_| client.ws("/ws?as=8").open_ws()).collect();
        let mut stream = client.sse("/sse?as=7").open_sse();
        publish(&live, "before");
        live.end(7, None);
        publish(&live, "after");
        for ws in &mut mine {
            let first = ws.recv();
            let close = match &first {
                // It may have been on its way before the right ended.
                WsEvent::Text(text) => {
                    assert_eq!(data(text), "before");
                    ws.recv()
                }
                _ => first,
            };
            assert!(
                matches!(&close, WsEvent::Close(Some((CLOSE_ENDED, _)))),
                "{close:?}"
            );
        }
        for ws in &mut others {
            assert_eq!([data(&ws.text()), data(&ws.text())], ["before", "after"]);
        }
        assert!(stream.until_end().iter().all(|event| event.data == "before"));
        assert_eq!(live.counts().ended, 7);
    }
}

#[test]
fn follow_and_unfollow_hold_on_open_connections() {
    let (live, server) = start();
    let mut ws = server.client().ws("/bare?as=7").open_ws();
    live.unfollow(7, None, "room");
    publish(&live, "not any more");
    live.follow(7, None, "news");
    live.publish("news", "news").ready().unwrap().unwrap();
    live.follow(7, None, "room");
    publish(&live, "again");
    assert_eq!([ws.text(), ws.text()], ["news", "again"]);
}

#[test]
fn a_gap_is_said_through_every_door() {
    let live = live(Retention {
        messages_max: 0,
        ..Retention::default()
    });
    let server = serve(&live, 1);
    let client = server.client();
    let old = live.hub().cursor().to_string();
    for n in 0..=Retention::WINDOW_MESSAGES {
        publish(&live, n);
    }
    let resume = live.hub().cursor_at(1).to_string();
    let gap = serde_json::json!({"after": old, "resume": resume});
    let mut sse = client.sse(&format!("/sse?cursor={old}")).open_sse();
    let event = sse.next_event();
    assert_eq!(
        (event.event.as_str(), event.last_event_id.as_str()),
        ("gap", resume.as_str())
    );
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&event.data).unwrap(),
        gap
    );
    assert_eq!(sse.next_event().data, "1");
    let mut ws = client.ws(&format!("/ws?cursor={old}")).open_ws();
    let told: serde_json::Value = serde_json::from_str(&ws.text()).unwrap();
    assert_eq!(told, serde_json::json!({"cursor": resume, "gap": gap}));
    assert_eq!(data(&ws.text()), "1");
    let poll = client.poll("/poll", Some(&old));
    assert_eq!(
        (&poll.body["gap"], &poll.messages[0]["data"]),
        (&gap, &serde_json::json!("1"))
    );
    let mut bare = client.ws(&format!("/bare?cursor={old}")).open_ws();
    let close = bare.recv();
    assert!(
        matches!(&close, WsEvent::Close(Some((CLOSE_BEHIND, _)))),
        "{close:?}"
    );
}

/// Nothing is read for a while, far more is published than the sockets hold and the log keeps.
#[test]
fn a_slow_reader_loses_nothing_in_silence_and_costs_nothing() {
    let live = live(Retention {
        messages_max: 200,
        ..Retention::default()
    });
    let server = serve(&live, 1);
    let client = server.client();
    let mut slow = client
        .ws(&format!("/ws?cursor={}", live.hub().cursor()))
        .open_ws();
    let mut fast = client.ws("/bare").open_ws();
    let filler = "x".repeat(20_000);
    for n in 0..2_000 {
        publish(&live, format!("{n} {filler}"));
        assert!(
            fast.text().starts_with(&format!("{n} ")),
            "the fast one is not slowed down"
        );
    }
    let (mut position, mut gaps) = (0, 0);
    while position < 2_000 {
        let object: serde_json::Value = serde_json::from_str(&slow.text()).unwrap();
        let offset = |text: &serde_json::Value| -> u64 {
            text.as_str().unwrap().split_once(':').unwrap().1.parse().unwrap()
        };
        let at = offset(&object["cursor"]);
        if object["gap"].is_object() {
            assert_eq!(offset(&object["gap"]["after"]), position);
            gaps += 1;
        } else {
            assert_eq!(at, position + 1, "contiguous, each once");
        }
        position = at;
    }
    assert!(gaps > 0, "what the sockets held was less than what was published");
    assert!(live.hub().counts().messages <= 201);
}

#[test]
fn what_is_refused_says_why() {
    let (_live, server) = start();
    let client = server.client();
    for (target, status) in [
        ("/sse?cursor=nonsense", 400),
        ("/poll?cursor=nonsense", 400),
        ("/poll?timeout_ms=soon", 400),
        ("/any?topic=secret", 403),
        ("/any?topic=", 400),
        ("/ws", 426),
    ] {
        let answer = client.get(target).send();
        assert_eq!(answer.status, status, "{target}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.json::<serde_json::Value>()["status"], status);
    }
    let answer = client
        .ws("/ws")
        .header("origin", "http://elsewhere.example")
        .try_open_ws()
        .err()
        .unwrap();
    assert_eq!(answer.status, 403);
    let own = format!("http://{}", server.addr());
    client.ws("/ws").header("origin", &own).open_ws();
    let head = client.head("/sse").send();
    assert_eq!(
        (head.status, head.header("content-type")),
        (200, "text/event-stream")
    );
    let empty = client.poll("/any?topic=room&topic=other&timeout_ms=0", None);
    assert!(empty.messages.is_empty());
}

#[test]
fn messages_of_a_peer_reach_the_application_and_its_answers_the_peer() {
    let live = live(Retention::default());
    let (publisher, kept) = (live.clone(), Arc::new(Mutex::new(None::<Connection>)));
    let keep = kept.clone();
    let door = WsDoor::new()
        .bare()
        .message_bytes_max(1_000)
        .on_message(move |incoming| {
            let connection = incoming.connection();
            let WsMessage::Text(text) = incoming.message else {
                return;
            };
            match text.as_str() {
                "join" => connection.follow(publisher.moment(), "news", None).unwrap(),
                "ping" => connection.send_text("pong").unwrap(),
                _ => drop(publisher.publish("room", text).ready()),
            }
            *keep.lock().unwrap() = Some(connection);
        });
    let router = Router::new().route("/ws", live.ws_with(door, ["room"]));
    let server = serve_with(router, |server| server.live(&live));
    let client = server.client();
    let (mut one, mut other) = (client.ws("/ws").open_ws(), client.ws("/ws").open_ws());
    one.send_text("hi all");
    assert_eq!([one.text(), other.text()], ["hi all", "hi all"]);
    other.send_text("ping");
    assert_eq!(other.text(), "pong");
    other.send_text("join");
    other.send_text("ping");
    assert_eq!(other.text(), "pong");
    live.publish("news", "news").ready().unwrap().unwrap();
    assert_eq!(other.text(), "news");
    kept.lock().unwrap().take().unwrap().close(4_999, "enough");
    assert_eq!(other.recv(), WsEvent::Close(Some((4_999, "enough".into()))));
    one.send_text(&"x".repeat(1_000));
    assert_eq!(one.text().len(), 1_000);
    one.send_text(&"x".repeat(1_001));
    assert!(matches!(one.recv(), WsEvent::Close(Some((1_009, _)))));
}

#[test]
fn everybody_is_told_when_the_server_goes() {
    let (live, server) = start();
    let client = server.client();
    let mut sse = client.sse("/sse").open_sse();
    let mut ws = client.ws("/ws").open_ws();
    let mut poll = server.raw();
    poll.write(format!("GET /poll HTTP/1.1\r\nHost: {}\r\n\r\n", server.addr()).as_bytes());
    while live.counts().poll == 0 {
        std::thread::yield_now();
    }
    server.stop();
    assert!(matches!(ws.recv(), WsEvent::Close(Some((CLOSE_RESTART, _)))));
    assert!(sse.until_end().is_empty());
    let answer = String::from_utf8(poll.read_to_end()).unwrap();
    assert!(answer.contains("\"messages\":[],\"gap\":null}"), "{answer}");
}

#[test]
fn many_followers_on_several_cores_all_get_everything() {
    let live = live(Retention::default());
    let server = serve(&live, 2);
    let client = server.client();
    let mut all: Vec<_> = (0..60).map(|_| client.ws("/bare").open_ws()).collect();
    std::thread::scope(|scope| {
        for half in 0..2 {
            let live = &live;
            scope.spawn(move || (0..50).for_each(|n| publish(live, format!("{half} {n}"))));
        }
    });
    let first: Vec<String> = (0..100).map(|_| all[0].text()).collect();
    for half in ["0 ", "1 "] {
        let numbers = first
            .iter()
            .filter_map(|text| text.strip_prefix(half))
            .map(|n| n.parse::<u32>().unwrap());
        assert!(numbers.eq(0..50), "in the order of its publisher");
    }
    for ws in &mut all[1..] {
        let texts: Vec<String> = (0..100).map(|_| ws.text()).collect();
        assert_eq!(texts, first, "the same order for everybody");
    }
    drop(all);
    while live.counts().ws > 0 {
        std::thread::yield_now();
    }
    assert_eq!(live.hub().topic_counts("room").followers, 0);
}
