//! The comparison's routes on `axum::serve`.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::{Listener, ListenerExt as _};
use axum::{Json, Router, body::Bytes};
use clap::Parser as _;
use futures_util::stream::{self, Stream};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use peers::{Args, Greeting, HELLO, Page, PollQuery};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tower_http::services::ServeDir;

type Room = Arc<peers::Room<Utf8Bytes>>;

fn main() -> std::io::Result<()> {
    let args = Args::parse();
    // One core is served best by the runtime that has no other threads to share with.
    let mut builder = if args.cores == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    builder
        .worker_threads(args.cores)
        .enable_all()
        .build()?
        .block_on(serve(args))
}

async fn serve(args: Args) -> std::io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).await?;
    writeln!(std::io::stdout(), "listening on {}", listener.local_addr()?)?;
    let listener = listener.tap_io(|socket| {
        let _ = socket.set_nodelay(true);
    });
    let mut router = router();
    if let Some(directory) = &args.files {
        router = router.nest_service("/files", ServeDir::new(directory));
    }
    match args.tls() {
        Some(tls) => serve_tls(listener, router, tls).await,
        None => axum::serve(listener, router).await,
    }
}

/// As the framework's example of TLS does it: it serves none itself.
async fn serve_tls(mut listener: impl Listener, router: Router, tls: ServerConfig) -> std::io::Result<()> {
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    loop {
        let (socket, _) = listener.accept().await;
        let (acceptor, router) = (acceptor.clone(), router.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(socket).await else {
                return;
            };
            let service = TowerToHyperService::new(router);
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection_with_upgrades(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn router() -> Router {
    Router::new()
        .route("/", get(|| async { HELLO }))
        .route("/json", get(|| async { Json(Greeting { message: HELLO }) }))
        .route("/echo", post(|body: Bytes| async { body }))
        .route(
            "/ws/echo",
            get(|upgrade: WebSocketUpgrade| async { upgrade.on_upgrade(echo) }),
        )
        .route("/ws/room", get(ws_room))
        .route("/sse/room", get(sse_room))
        .route("/pub/room", post(publish))
        .route("/poll/room", get(poll))
        .with_state(Room::default())
        .merge(rooms())
}

/// Rooms by name, made when somebody first comes to one.
type Rooms = Arc<Mutex<HashMap<String, Room>>>;

fn rooms() -> Router {
    let room = |rooms: Rooms, name: String| {
        rooms
            .lock()
            .expect("no holder panics")
            .entry(name)
            .or_default()
            .clone()
    };
    let enter = move |upgrade: WebSocketUpgrade, State(rooms): State<Rooms>, Path(name): Path<String>| async move {
        let room = room(rooms, name);
        upgrade.on_upgrade(|socket| follow(socket, room))
    };
    let say = move |State(rooms): State<Rooms>, Path(name): Path<String>, text: String| async move {
        room(rooms, name).publish(text.into());
        StatusCode::NO_CONTENT
    };
    Router::new()
        .route("/ws/room/{name}", get(enter))
        .route("/pub/{name}", post(say))
        .with_state(Rooms::default())
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let answered = match message {
            Message::Text(_) | Message::Binary(_) => socket.send(message).await,
            // The library answers pings and the close itself.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => Ok(()),
        };
        if answered.is_err() {
            return;
        }
    }
}

async fn ws_room(upgrade: WebSocketUpgrade, State(room): State<Room>) -> Response {
    upgrade.on_upgrade(|socket| follow(socket, room))
}

/// Two tasks on a split socket, as in the framework's chat example: one that selects between receiving and sending
/// would look for input at every message that it sends, which costs the WebSocket library more than the sending.
async fn follow(socket: WebSocket, room: Room) {
    let mut follower = room.follow();
    let (mut sink, mut stream) = socket.split();
    let sender = tokio::spawn(async move {
        while let Some(entry) = follower.next().await {
            if sink.send(Message::Text(entry.text)).await.is_err() {
                return;
            }
        }
    });
    while let Some(Ok(message)) = stream.next().await {
        if let Message::Text(text) = message {
            room.publish(text);
        }
    }
    sender.abort();
}

async fn sse_room(State(room): State<Room>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(stream::unfold(room.follow(), |mut follower| async {
        let entry = follower.next().await?;
        let event = Event::default()
            .id(entry.offset.to_string())
            .data(entry.text.as_str());
        Some((Ok(event), follower))
    }))
}

async fn publish(State(room): State<Room>, text: String) -> impl IntoResponse {
    room.publish(text.into());
    StatusCode::NO_CONTENT
}

async fn poll(State(room): State<Room>, Query(query): Query<PollQuery>) -> Json<Page> {
    Json(room.poll(&query).await)
}
