//! Connections for which there is no room are told so; those that are open notice nothing.

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use common::{Client, Running, serve_with, wait_until};
use squall_engine::Limits;
use squall_engine::metrics::Refused;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

fn limits() -> Limits {
    Limits {
        drain_timeout: Duration::from_secs(1),
        ..Limits::default()
    }
}

/// A connection that is open and has been answered.
fn greeted(server: &Running) -> Client {
    let mut client = Client::connect(server);
    client.send(GET);
    assert!(client.read_head().starts_with("HTTP/1.1 200 OK\r\n"));
    client.expect("hello");
    client
}

fn refused(server: &Running, why: Refused) -> u64 {
    server.handle().metrics().refused.get(why)
}

#[test]
fn at_the_cap_a_connection_is_answered_503_and_one_that_ends_makes_room() {
    let server = serve_with(
        hello(),
        Limits {
            connections_max: 2,
            retry_after: Duration::from_millis(6001),
            ..limits()
        },
    );
    let mut first = greeted(&server);
    let second = greeted(&server);
    let mut third = Client::connect(&server);
    assert_eq!(
        third.read_to_end(),
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 7\r\nconnection: close\r\n\
         content-type: text/plain; charset=utf-8\r\ncontent-length: 46\r\n\r\n\
         the server has no room for another connection\n"
    );
    assert_eq!(refused(&server, Refused::ConnectionsMax), 1);
    assert_eq!(server.handle().metrics().connections_max, 2);
    // Those who are in notice nothing.
    first.send(GET);
    first.read_head();
    first.expect("hello");
    drop(second);
    wait_until(|| server.handle().open_connections() == 1);
    greeted(&server);
}

#[test]
fn a_refusal_reaches_a_peer_that_has_sent_its_request() {
    let server = serve_with(
        hello(),
        Limits {
            connections_max: 1,
            ..limits()
        },
    );
    let _only = greeted(&server);
    for _ in 0..100 {
        let mut client = Client::connect(&server);
        // Of a peer that is refused already this may fail; its answer is there all the same.
        let _ = client.socket.write_all(GET);
        let answer = client.read_to_end();
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    }
    // More than are kept open for a moment: the work for each is bounded, and none costs a core anything.
    assert_eq!(refused(&server, Refused::ConnectionsMax), 100);
    assert_eq!(server.handle().metrics().total().accepted, 1);
}

#[test]
fn a_flood_past_the_cap_does_not_disturb_who_is_in() {
    let server = serve_with(
        hello(),
        Limits {
            connections_max: 1,
            ..limits()
        },
    );
    let mut only = greeted(&server);
    let address = server.handle().local_addr().unwrap();
    let flood = std::thread::spawn(move || {
        for _ in 0..2000 {
            // Neither read nor written.
            let _ = TcpStream::connect(address);
        }
    });
    while !flood.is_finished() {
        only.send(GET);
        only.read_head();
        only.expect("hello");
    }
    flood.join().unwrap();
    wait_until(|| refused(&server, Refused::ConnectionsMax) == 2000);
}

#[test]
fn the_rate_of_accepting_is_bounded_and_nobody_is_lost() {
    let server = serve_with(
        hello(),
        Limits {
            accept_rate_max: Some(10),
            ..limits()
        },
    );
    let began = std::time::Instant::now();
    // Ten at once, then two that must wait a tenth of a second each.
    let clients: Vec<_> = (0..12).map(|_| greeted(&server)).collect();
    assert!(
        began.elapsed() >= Duration::from_millis(200),
        "{:?}",
        began.elapsed()
    );
    assert!(server.handle().metrics().accept_pauses >= 2);
    assert_eq!(server.handle().metrics().refused.total(), 0);
    drop(clients);
}

#[test]
fn loopback_has_no_share() {
    let server = serve_with(
        hello(),
        Limits {
            connections_per_address_max: 1,
            ..limits()
        },
    );
    let _both = [greeted(&server), greeted(&server)];
}

#[test]
fn who_has_no_share_can_be_chosen() {
    let server = serve_with(
        hello(),
        Limits {
            connections_per_address_max: 1,
            connections_exempt: "192.0.2.0/24".parse().unwrap(),
            ..limits()
        },
    );
    let only = greeted(&server);
    let refusal = Client::connect(&server).read_to_end();
    assert!(refusal.starts_with("HTTP/1.1 503 "), "{refusal}");
    assert_eq!(refused(&server, Refused::PerAddressMax), 1);
    drop(only);
    wait_until(|| server.handle().open_connections() == 0);
    greeted(&server);
}

/// Without a descriptor for the socket nobody could be told anything; one is kept for that.
#[test]
fn without_descriptors_a_peer_is_still_told() {
    if std::env::var_os("SQUALL_TEST_FEW_FILES").is_none() {
        return in_a_process_with_few_files("without_descriptors_a_peer_is_still_told");
    }
    let server = serve_with(hello(), limits());
    let mut first = greeted(&server);
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    socket
        .connect(&server.handle().local_addr().unwrap().into())
        .unwrap();
    let mut client = TcpStream::from(socket);
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert_eq!(refused(&server, Refused::Descriptors), 1);
    // What is open goes on, and when there are descriptors again, so does the rest.
    first.send(GET);
    first.read_head();
    first.expect("hello");
    drop(files);
    greeted(&server);
}

fn in_a_process_with_few_files(test: &str) {
    let program = std::env::current_exe().unwrap();
    let output = std::process::Command::new("sh")
        .args(["-c", "ulimit -n 128 && exec \"$0\" \"$@\""])
        .arg(program)
        .args(["--exact", test, "--nocapture"])
        .env("SQUALL_TEST_FEW_FILES", "1")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
