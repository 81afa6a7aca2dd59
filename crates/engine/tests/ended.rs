//! A peer's end that comes in the same segment as its last bytes is seen.

mod common;

use std::net::Shutdown;
use std::sync::mpsc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use common::{Client, serve};

#[test]
fn an_end_behind_the_bytes_of_a_request_cancels_its_handler() {
    struct Guard(mpsc::Sender<()>);
    impl Drop for Guard {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let (dropped, is_dropped) = mpsc::channel();
    let handler = move || async move {
        let _guard = Guard(dropped);
        std::future::pending::<&'static str>().await
    };
    let server = serve(Router::new().route("/", get(handler)));
    let mut client = Client::connect(&server);
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.socket.shutdown(Shutdown::Write).unwrap();
    is_dropped.recv_timeout(Duration::from_secs(20)).unwrap();
}

#[test]
fn an_answer_that_is_there_at_once_reaches_a_peer_that_only_reads_on() {
    let server = serve(Router::new().route("/", get(|| async { "there" })));
    for _ in 0..200 {
        let mut client = Client::connect(&server);
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        client.socket.shutdown(Shutdown::Write).unwrap();
        assert!(client.read_to_end().ends_with("there"));
    }
}
