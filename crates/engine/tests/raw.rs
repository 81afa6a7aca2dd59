//! Services of their own on the bare connection.

mod common;

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use axum::Router;
use common::{Client, Running, wait_until};
use squall_engine::{Limits, Listen, Peer, ProxyProtocol, Server, raw};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SHORT: Duration = Duration::from_millis(300);

/// A server whose one listener has this service.
fn serve<F, Fut>(limits: Limits, service: F) -> Running
where
    F: Fn(raw::Stream) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let listen = Listen::parse("127.0.0.1:0").unwrap().raw(service);
    Running::new(
        Server::new(Router::new().into_service())
            .listen(listen)
            .cores(1)
            .limits(limits)
            .start()
            .unwrap(),
    )
}

fn short_drain() -> Limits {
    Limits {
        drain_timeout: Duration::from_secs(1),
        ..Limits::default()
    }
}

async fn echo(mut stream: raw::Stream) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

#[test]
fn what_is_sent_comes_back_and_the_end_is_said() {
    let server = serve(short_drain(), echo);
    let mut client = Client::connect(&server);
    client.send(b"one");
    client.expect("one");
    client.send(b"two");
    client.socket.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.read_to_end(), "two");
    wait_until(|| server.handle().open_connections() == 0);
}

#[test]
fn megabytes_go_both_ways_at_once() {
    let server = serve(short_drain(), echo);
    let client = Client::connect(&server);
    let sent: Vec<u8> = (0..5_000_000_u32).map(|at| (at >> 8) as u8).collect();
    let mut writer = client.socket.try_clone().unwrap();
    let bytes = sent.clone();
    let writing = std::thread::spawn(move || {
        writer.write_all(&bytes).unwrap();
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    (&client.socket).read_to_end(&mut received).unwrap();
    writing.join().unwrap();
    assert!(received == sent);
}

#[test]
fn a_service_may_hand_the_stream_to_any_thread() {
    let server = serve(short_drain(), |stream| async move {
        let peer = stream.peer();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let mut stream = stream;
                let line = format!("{peer:?}\n");
                stream.write_all(line.as_bytes()).await.unwrap();
                echo(stream).await;
            });
        });
        tokio::task::spawn_blocking(move || thread.join().unwrap())
            .await
            .unwrap();
    });
    let mut client = Client::connect(&server);
    let peer = Peer::Tcp(client.socket.local_addr().unwrap());
    client.expect(&format!("{peer:?}\n"));
    client.send(b"hello");
    client.expect("hello");
    client.socket.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.read_to_end(), "");
}

#[test]
fn the_last_bytes_reach_a_peer_that_still_sends() {
    let server = serve(short_drain(), |mut stream| async move {
        stream.write_all(b"enough").await.unwrap();
    });
    let mut client = Client::connect(&server);
    // Nobody reads this: closing at once would be a reset, and could overtake the answer.
    client.send(&[0; 100_000]);
    client.expect("enough");
}

#[test]
fn a_stream_in_which_nothing_moves_is_closed() {
    let (say, said) = mpsc::channel();
    let limits = Limits {
        idle_timeout: SHORT,
        ..short_drain()
    };
    let server = serve(limits, move |mut stream| {
        let say = say.clone();
        async move { say.send(stream.read_u8().await.unwrap_err().kind()).unwrap() }
    });
    let mut client = Client::connect(&server);
    assert_eq!(client.read_to_end(), "");
    let kind = said.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(kind, std::io::ErrorKind::TimedOut);
}

#[test]
fn a_peer_that_reads_nothing_stops_its_service_and_is_closed() {
    let written = Arc::new(AtomicUsize::new(0));
    let counts = written.clone();
    let limits = Limits {
        write_stall_timeout: SHORT,
        ..short_drain()
    };
    let server = serve(limits, move |mut stream| {
        let counts = counts.clone();
        async move {
            stream.set_idle_timeout(None);
            while let Ok(count) = stream.write(&[b'x'; 10_000]).await {
                counts.fetch_add(count, Ordering::SeqCst);
            }
        }
    });
    let client = Client::connect_narrow(&server);
    wait_until(|| written.load(Ordering::SeqCst) > 0);
    wait_until(|| server.handle().open_connections() == 0);
    let total = written.load(Ordering::SeqCst);
    assert!(
        total > 0 && total < 16 * 1024 * 1024,
        "{total} bytes, all of them the kernel's"
    );
    drop(client);
}

#[test]
fn a_drain_is_told_and_waited_for_and_cut_at_its_end() {
    let server = serve(short_drain(), |mut stream| async move {
        stream.write_all(b"?").await.unwrap();
        let mut word = [0; 4];
        let mut leave = stream.draining();
        tokio::select! {
            _ = &mut leave => {}
            _ = stream.read_exact(&mut word) => return,
        }
        stream.write_all(b"bye").await.unwrap();
        if stream.read_exact(&mut word).await.is_ok() {
            stream.write_all(&word).await.unwrap();
        }
    });
    let (mut polite, mut rude) = (Client::connect(&server), Client::connect(&server));
    polite.expect("?");
    rude.expect("?");
    server.handle().shutdown();
    polite.expect("bye");
    rude.expect("bye");
    polite.send(b"done");
    assert_eq!(polite.read_to_end(), "done");
    // The other says nothing, and is cut.
    let mut rest = Vec::new();
    let _ = rude.socket.read_to_end(&mut rest);
    assert_eq!(rest, b"");
    server.handle().join();
}

#[test]
fn a_panic_costs_its_connection() {
    let server = serve(short_drain(), |mut stream| async move {
        assert_ne!(stream.read_u8().await.unwrap(), b'!', "on purpose");
        stream.write_all(b"fine").await.unwrap();
    });
    let mut client = Client::connect(&server);
    client.send(b"!");
    assert_eq!(client.read_to_end(), "");
    let mut client = Client::connect(&server);
    client.send(b".");
    assert_eq!(client.read_to_end(), "fine");
}

#[test]
fn bytes_behind_a_proxys_header_are_the_services() {
    let proxy = ProxyProtocol::required_from("127.0.0.0/8".parse().unwrap());
    let listen = Listen::parse("127.0.0.1:0")
        .unwrap()
        .proxy(proxy)
        .raw(|mut stream| async move {
            let client = stream.proxied().and_then(|said| said.client());
            let mut word = [0; 5];
            stream.read_exact(&mut word).await.unwrap();
            let line = format!("{} {client:?}", String::from_utf8_lossy(&word));
            stream.write_all(line.as_bytes()).await.unwrap();
        });
    let handle = Server::new(Router::new().into_service())
        .listen(listen)
        .cores(1)
        .start();
    let server = Running::new(handle.unwrap());
    let mut client = Client::connect(&server);
    client.send(b"PROXY TCP4 192.0.2.7 192.0.2.8 1000 80\r\nhel");
    client.send(b"lo");
    let said = client.read_to_end();
    assert_eq!(said, "hello Some(Tcp(192.0.2.7:1000))");
}
