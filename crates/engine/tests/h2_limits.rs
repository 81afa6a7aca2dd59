//! What a connection of HTTP/2 may cost in time: peers that take little, and connections that were used enough.

mod common;
#[path = "common/h2.rs"]
mod h2_client;

use std::time::Duration;

use axum::Router;
use axum::routing;
use common::{Client, serve_with, wait_until};
use h2::Reason;
use h2_client::*;
use squall_engine::Limits;
use squall_engine::metrics::TimedOut;

fn hello() -> Router {
    Router::new().route("/", routing::get(|| async { "hello" }))
}

/// Sends windows of so many bytes for stream 1, one after the other was used, each a moment after the last; how much
/// came until the stream ended, and whether it was reset.
fn sip(client: &mut Client, window_bytes: u32) -> (usize, Option<Reason>) {
    // SETTINGS_INITIAL_WINDOW_SIZE: the answer waits for the first window.
    client.send(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]));
    client.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &get_block("/large")));
    let mut taken = 0;
    client.wait_for(HEADERS);
    loop {
        client.send(&frame(WINDOW_UPDATE, 0, 1, &window_bytes.to_be_bytes()));
        let answer = client.wait_for_one_of(&[DATA, RST_STREAM]);
        if answer.kind == RST_STREAM {
            return (taken, Some(answer.reason()));
        }
        taken += answer.payload.len();
        if answer.flags & END_STREAM != 0 {
            return (taken, None);
        }
        // What a slow peer is: one that lets time pass.
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

#[test]
fn slow_read_a_peer_that_opens_its_window_by_a_byte_is_cut() {
    let app = hello().route("/large", routing::get(|| async { vec![0; 100_000] }));
    let limits = Limits {
        write_stall_timeout: Duration::from_millis(750),
        ..Limits::default()
    };
    let server = serve_with(app, limits);
    let mut client = Client::begin_h2(&server);
    let (taken, reason) = sip(&mut client, 1);
    assert_eq!(reason, Some(Reason::CANCEL));
    assert!(taken > 1, "it did not stall");
    let timed_out = server.handle().metrics().total().timed_out;
    assert_eq!(timed_out.get(TimedOut::WriteRate), 1);
    assert_eq!(timed_out.get(TimedOut::WriteStall), 0);
}

#[test]
fn slow_read_a_peer_whose_windows_are_small_but_enough_gets_all() {
    let app = hello().route("/large", routing::get(|| async { vec![0; 4_000] }));
    let limits = Limits {
        write_stall_timeout: Duration::from_millis(750),
        ..Limits::default()
    };
    let server = serve_with(app, limits);
    let mut client = Client::begin_h2(&server);
    let began = std::time::Instant::now();
    assert_eq!(sip(&mut client, 100), (4_000, None));
    // It took longer than a peer may that takes nothing.
    assert!(began.elapsed() > Duration::from_millis(1750));
}

#[test]
fn the_last_request_that_a_connection_may_have_is_answered_before_it_goes() {
    let limits = Limits {
        requests_per_connection_max: Some(3),
        ..Limits::default()
    };
    let server = serve_with(hello(), limits);
    run(async {
        let (client, ended) = connect_with(&server, &h2::client::Builder::new()).await;
        for at in 1..=3 {
            assert!(client.clone().ready().await.is_ok(), "{at}");
            assert_eq!(get(&client, "/").await.1, "hello");
        }
        ended.await.unwrap().unwrap();
        assert!(client.clone().ready().await.is_err());
    });
    wait_until(|| server.handle().open_connections() == 0);
}
