//! What handlers and doors of this crate do over HTTP/2, by the h2 crate's client.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::SendRequest;
use h2::ext::Protocol;
use http::{HeaderValue, Request as HttpRequest, Response as HttpResponse};
use squall::live::{self, Hub, HubConfig, Live};
use squall::testing::{TestServer, serve_with};
use squall::web::extract::ConnectInfo;
use squall::web::routing::get;
use squall::web::ws::WebSocketUpgrade;
use squall::web::{Response, Router};
use squall_engine::wire::ws::{Opcode, encode_masked_frame, text_frame};

async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|mut socket| async move {
        while let Some(message) = socket.recv().await {
            if socket.send(message).await.is_err() {
                return;
            }
        }
    })
}

fn start() -> (Live, TestServer) {
    let hub = Hub::new(HubConfig {
        epoch: live::new_epoch(),
        ..HubConfig::default()
    });
    let live = Live::new(hub, live::anyone);
    let router = Router::new()
        .route(
            "/",
            get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }),
        )
        .route("/echo", get(echo))
        .route("/sse", live.sse(["room"]))
        .route("/poll", live.poll(["room"]))
        .route("/ws", live.ws(["room"]));
    let server = serve_with(router, |server| server.cores(1).live(&live));
    (live, server)
}

fn run<F: Future>(client: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(20), client)
            .await
            .unwrap()
    })
}

/// A client, and its own address.
async fn connect(server: &TestServer) -> (SendRequest<Bytes>, String) {
    let socket = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let (client, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(connection);
    (client.ready().await.unwrap(), address)
}

async fn ask(client: &SendRequest<Bytes>, path: &str) -> HttpResponse<RecvStream> {
    let request = HttpRequest::get(format!("http://example.org{path}"))
        .body(())
        .unwrap();
    let mut client = client.clone().ready().await.unwrap();
    client.send_request(request, true).unwrap().0.await.unwrap()
}

/// Reads until this has come.
async fn read_to(body: &mut RecvStream, end: &str) -> String {
    let mut text = String::new();
    while !text.contains(end) {
        let data = body.data().await.expect("it ended too early").unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        text.push_str(std::str::from_utf8(&data).unwrap());
    }
    text
}

fn handshake(path: &str, origin: Option<&'static str>) -> HttpRequest<()> {
    let mut request = HttpRequest::connect(format!("http://example.org{path}"))
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13")
        .body(())
        .unwrap();
    if let Some(origin) = origin {
        request
            .headers_mut()
            .insert("origin", HeaderValue::from_static(origin));
    }
    request
}

fn following(live: &Live) -> usize {
    let counts = live.counts();
    counts.sse + counts.poll + counts.ws
}

#[test]
fn handlers_see_the_peer() {
    let (_live, server) = start();
    run(async {
        let (client, address) = connect(&server).await;
        let mut answer = ask(&client, "/").await.into_body();
        assert_eq!(read_to(&mut answer, &address).await, address);
    });
}

#[test]
fn the_doors_of_live_are_open() {
    let (live, server) = start();
    run(async {
        let (client, _) = connect(&server).await;
        let events = ask(&client, "/sse").await;
        assert_eq!(events.headers()["content-type"], "text/event-stream");
        let mut events = events.into_body();
        let begun = read_to(&mut events, "id:").await;
        assert!(begun.contains("retry:"), "{begun}");
        let poll = client.clone();
        let poll = tokio::spawn(async move { ask(&poll, "/poll").await });
        let mut socket = client.clone().ready().await.unwrap();
        let (answer, _send) = socket.send_request(handshake("/ws", None), false).unwrap();
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 200);
        let mut frames = answer.into_body();
        while following(&live) < 3 {
            tokio::task::yield_now().await;
        }
        live.publish("room", "to all of them").ready().unwrap().unwrap();
        read_to(&mut events, "to all of them").await;
        read_to(&mut poll.await.unwrap().into_body(), "to all of them").await;
        // The first two bytes of a frame are not text.
        let data = frames.data().await.unwrap().unwrap();
        assert!(
            String::from_utf8_lossy(&data).contains("to all of them"),
            "{data:?}"
        );
    });
}

#[test]
fn the_extractor_of_websockets_takes_them_from_our_own_pages() {
    let (_live, server) = start();
    run(async {
        let (mut client, _) = connect(&server).await;
        for path in ["/echo", "/ws"] {
            client = client.ready().await.unwrap();
            let refused = handshake(path, Some("https://evil.example"));
            let (answer, _send) = client.send_request(refused, false).unwrap();
            assert_eq!(answer.await.unwrap().status(), 403, "{path}");
        }
        client = client.ready().await.unwrap();
        let ours = handshake("/echo", Some("http://example.org"));
        let (answer, mut send) = client.send_request(ours, false).unwrap();
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 200);
        let mut frame = Vec::new();
        encode_masked_frame(Opcode::Text, true, b"over here", [1, 2, 3, 4], &mut frame);
        send.reserve_capacity(frame.len());
        poll_fn(|cx| send.poll_capacity(cx)).await.unwrap().unwrap();
        send.send_data(frame.into(), false).unwrap();
        let back = answer.into_body().data().await.unwrap().unwrap();
        assert_eq!(back, text_frame(b"over here"));
    });
}
