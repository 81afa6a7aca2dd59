//! Peers that are slow, rude, gone or too many, and a server that is told to end.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use e2e::agent::Agent;
use e2e::http::Wire;
use e2e::room::Room;
use e2e::sse::Events;
use e2e::ws::{Heard, Ws};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// More than a server under any of these attacks has any reason to use, in bytes.
const RESIDENT_BYTES_MAX: u64 = 96 << 20;

fn connect(room: &Room) -> Wire {
    Wire::connect(room.addr()).expect("the server accepts")
}

/// Sends the text byte by byte, again and again, until the server has answered or closed; gives what it said.
fn drip(wire: &mut Wire, text: &str) -> Vec<u8> {
    let pace = Duration::from_millis(100);
    wire.socket()
        .set_read_timeout(Some(pace))
        .expect("a time-out can be set");
    let mut said = vec![0; 1024];
    for byte in text.bytes().cycle().take(600) {
        if wire.send([byte]).is_err() {
            return Vec::new();
        }
        match wire.socket().read(&mut said) {
            Ok(count) => {
                said.truncate(count);
                return said;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return Vec::new(),
        }
    }
    panic!("a minute of single bytes was borne");
}

#[test]
fn a_head_that_comes_byte_by_byte_is_cut_at_the_time_out() {
    let room = Room::start(&["--quick"]);
    let mut wire = connect(&room);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\nX: ").expect("sent");
    let said = drip(&mut wire, "x");
    assert!(
        said.starts_with(b"HTTP/1.1 408 "),
        "{:?}",
        String::from_utf8_lossy(&said)
    );
    // Nothing at all is no better.
    let mut silent = connect(&room);
    let said = silent.rest().expect("it is closed");
    assert!(
        said.is_empty() || said.starts_with(b"HTTP/1.1 408 "),
        "{:?}",
        String::from_utf8_lossy(&said)
    );
}

#[test]
fn a_body_that_does_not_come_is_cut_at_the_time_out() {
    let room = Room::start(&["--quick"]);
    let mut wire = connect(&room);
    wire.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        .expect("sent");
    let said = wire.rest().expect("it is closed");
    assert!(
        said.starts_with(b"HTTP/1.1 408 "),
        "{:?}",
        String::from_utf8_lossy(&said)
    );
}

#[test]
fn an_idle_connection_is_closed_in_silence() {
    let room = Room::start(&["--quick"]);
    let mut wire = connect(&room);
    let (head, _) = wire.exchange(GET).expect("an answer");
    assert_eq!(head.status, 200);
    assert_eq!(wire.rest().expect("it is closed"), b"");
}

#[test]
fn a_handler_that_never_answers_is_answered_for_and_dropped() {
    let room = Room::start(&["--quick"]);
    let mut happenings = room.happenings();
    let (head, _) = connect(&room)
        .exchange("GET /never HTTP/1.1\r\nHost: a\r\n\r\n")
        .expect("an answer");
    assert_eq!(head.status, 503);
    happenings.wait_for(|event| event == "never: dropped");
}

#[test]
fn a_handler_whose_peer_has_gone_is_dropped() {
    let room = Room::start(&[]);
    let mut happenings = room.happenings();
    let mut wire = connect(&room);
    wire.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    happenings.wait_for(|event| event == "never: began");
    drop(wire);
    happenings.wait_for(|event| event == "never: dropped");
}

#[test]
fn a_handler_that_panics_costs_its_own_request_alone() {
    let room = Room::start(&[]);
    let mut other = connect(&room);
    assert_eq!(other.exchange(GET).expect("an answer").0.status, 200);
    let (head, _) = connect(&room)
        .exchange("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n")
        .expect("an answer");
    assert_eq!(head.status, 500);
    assert_eq!(other.exchange(GET).expect("an answer").0.status, 200);
}

#[test]
fn peers_that_ask_for_much_and_read_nothing_are_cut_and_cost_little() {
    let room = Room::start(&["--quick"]);
    let mut happenings = room.happenings();
    let mut readers: Vec<Wire> = (0..40).map(|_| connect(&room)).collect();
    for wire in &mut readers {
        wire.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    }
    for _ in &readers {
        let event = happenings.wait_for(|event| event.starts_with("big: "));
        let taken: u64 = event
            .split(' ')
            .nth(1)
            .and_then(|word| word.parse().ok())
            .expect("a number");
        // What the operating system's buffers hold, and our own.
        assert!(
            taken < 32 << 20,
            "{taken} bytes were taken from a handler for a peer that reads nothing"
        );
    }
    assert!(
        room.resident_bytes() < RESIDENT_BYTES_MAX,
        "{} bytes",
        room.resident_bytes()
    );
    assert_eq!(room.get("/"), "hello");
}

#[test]
fn a_follower_that_reads_nothing_costs_little_and_holds_nobody_up() {
    let room = Room::start(&["--quick"]);
    let mut deaf: Vec<Wire> = (0..10).map(|_| connect(&room)).collect();
    for wire in &mut deaf {
        wire.send("GET /sse/room HTTP/1.1\r\nHost: a\r\n\r\n")
            .expect("sent");
        assert_eq!(wire.head().expect("a head").status, 200);
    }
    let mut keen = Ws::connect(room.addr(), "/ws/room", &[]).expect("it opens");
    let text = "m".repeat(48 * 1024);
    for _ in 0..1000 {
        room.publish(&text);
        assert!(matches!(keen.hear(), Ok(Heard::Text(heard)) if heard.contains(&text)));
    }
    assert!(
        room.resident_bytes() < RESIDENT_BYTES_MAX,
        "{} bytes",
        room.resident_bytes()
    );
    for wire in &mut deaf {
        // It was cut, so what it can read comes to an end, long before all that was published.
        let said = wire.rest().expect("it is closed");
        assert!(said.len() < 1000 * text.len(), "{} bytes", said.len());
    }
}

#[test]
fn accept_survives_running_out_of_files() {
    let room = Room::start_with_files(48);
    let mut wires: Vec<Wire> = (0..96).map(|_| connect(&room)).collect();
    let mut served = 0;
    for (number, wire) in wires.iter_mut().enumerate() {
        // Whoever was refused already may not take it.
        let _ = wire.send(GET);
        let (head, body) = wire
            .response()
            .unwrap_or_else(|error| panic!("connection {number}: {error}"));
        match head.status {
            200 => {
                assert_eq!(body, b"hello", "connection {number}");
                served += 1;
            }
            status => assert_eq!((status, head.field("retry-after")), (503, Some("5")), "{number}"),
        }
    }
    // Some descriptors are not for connections, and the program has its own.
    assert!((1..48).contains(&served), "{served}");
    drop(wires);
    // The server hears of each end for itself.
    let deadline = Instant::now() + Duration::from_secs(20);
    while Agent::new(room.addr()).get("/").expect("an answer").status() != 200 {
        assert!(Instant::now() < deadline, "there is no room again");
    }
}

#[test]
fn a_drain_lets_what_runs_finish_and_tells_everybody_else() {
    let mut room = Room::start(&["--cores", "2"]);
    let mut follower = Ws::connect(room.addr(), "/ws/room", &[]).expect("it opens");
    let mut echo = Ws::connect(room.addr(), "/ws/echo", &[]).expect("it opens");
    echo.send("ping").expect("sent");
    assert!(matches!(echo.hear(), Ok(Heard::Text(text)) if text == "ping"));
    let stream = Agent::new(room.addr()).stream("/sse/room", "").expect("it opens");
    let mut poll = connect(&room);
    poll.send("GET /poll/room?timeout_ms=60000 HTTP/1.1\r\nHost: a\r\n\r\n")
        .expect("sent");
    let mut idle = connect(&room);
    assert_eq!(idle.exchange(GET).expect("an answer").0.status, 200);
    // Half of a request: its handler runs and waits for the rest.
    let mut running = connect(&room);
    running
        .send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        .expect("sent");
    assert_eq!(running.head().expect("an interim head").status, 100);
    running.send("ha").expect("sent");

    room.program().terminate();

    let mut events = Events::new(stream);
    while events.next_event().expect("the stream ends in order").is_some() {}
    for (name, ws) in [("a follower", &mut follower), ("a handler's", &mut echo)] {
        match ws.hear().unwrap_or_else(|error| panic!("{name}: {error}")) {
            Heard::Close(Some(frame)) => {
                let code = u16::from(frame.code);
                assert!([1001, 1012].contains(&code), "{name}: closed with {code}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    assert_eq!(idle.rest().expect("it is closed"), b"");
    let (head, _) = poll.response().expect("the long-poll is answered");
    assert_eq!(head.status, 200);
    drop((follower, echo, poll));
    // The drain has begun, and the request that ran when it began is finished all the same.
    running.send("lf").expect("sent");
    let (head, body) = running.response().expect("an answer");
    assert_eq!((head.status, body.as_slice()), (200, b"half".as_slice()));
    assert!(head.has_token("connection", "close"), "{head:?}");
    assert_eq!(running.rest().expect("it is closed"), b"");

    let status = room.program().wait();
    assert_eq!(status.code(), Some(0), "{}", room.program().errors());
    assert!(Wire::connect(room.addr()).is_err(), "nobody listens any more");
}

#[test]
fn websocket_handshakes_are_checked() {
    let room = Room::start(&[]);
    let good = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let without = |name: &str| {
        let lines = good
            .split_inclusive("\r\n")
            .filter(|line| !line.starts_with(name));
        lines.collect::<String>()
    };
    let host = format!("{}", room.addr());
    let rows = [
        ("as it should be", "GET", good.to_owned(), 101),
        (
            "of the same origin",
            "GET",
            format!("{good}Origin: http://{host}\r\n"),
            101,
        ),
        (
            "of another origin",
            "GET",
            format!("{good}Origin: http://evil.example\r\n"),
            403,
        ),
        ("of a null origin", "GET", format!("{good}Origin: null\r\n"), 403),
        (
            "of an origin that begins alike",
            "GET",
            format!("{good}Origin: http://{host}.evil.example\r\n"),
            403,
        ),
        ("without a key", "GET", without("Sec-WebSocket-Key"), 400),
        (
            "with a short key",
            "GET",
            format!("{}Sec-WebSocket-Key: short\r\n", without("Sec-WebSocket-Key")),
            400,
        ),
        (
            "of an old version",
            "GET",
            format!("{}Sec-WebSocket-Version: 8\r\n", without("Sec-WebSocket-Version")),
            426,
        ),
        (
            "by another method",
            "POST",
            format!("{good}Content-Length: 0\r\n"),
            405,
        ),
    ];
    for door in ["/ws/echo", "/ws/room"] {
        for (name, method, fields, status) in &rows {
            let mut wire = connect(&room);
            wire.send(format!(
                "{method} {door} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"
            ))
            .expect("sent");
            let head = wire
                .head()
                .unwrap_or_else(|error| panic!("{door} {name}: {error}"));
            assert_eq!(head.status, *status, "{door} {name}: {head:?}");
            if *status == 101 {
                assert_eq!(
                    head.field("sec-websocket-accept"),
                    Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
                    "{door} {name}"
                );
            }
        }
    }
}
