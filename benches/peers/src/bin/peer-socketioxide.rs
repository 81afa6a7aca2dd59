//! The comparison's live rooms on socketioxide: a client that emits "join" with a name is in that room.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use clap::Parser as _;
use peers::{Args, HELLO};
use socketioxide::extract::{AckSender, Data, SocketRef};
use socketioxide::{SocketIo, TransportType};
use tokio::net::TcpListener;

fn main() -> std::io::Result<()> {
    let args = Args::parse();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(serve(args))
}

async fn serve(args: Args) -> std::io::Result<()> {
    let (layer, io) = SocketIo::builder()
        .transports([TransportType::Websocket])
        .ping_interval(Duration::from_secs(600))
        .build_layer();
    io.ns("/", async |socket: SocketRef| {
        socket.on(
            "join",
            async |socket: SocketRef, Data(room): Data<String>, ack: AckSender| {
                socket.join(room);
                let _ = ack.send(&());
            },
        );
    });
    let router = Router::new()
        .route("/", get(async || HELLO))
        .route("/pub/{name}", post(publish))
        .with_state(io)
        .layer(layer);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).await?;
    writeln!(std::io::stdout(), "listening on {}", listener.local_addr()?)?;
    let listener = listener.tap_io(|socket| {
        let _ = socket.set_nodelay(true);
    });
    axum::serve(listener, router).await
}

async fn publish(State(io): State<SocketIo>, Path(room): Path<String>, text: String) -> StatusCode {
    let text = text.trim_matches('"').to_owned();
    match io.to(room).emit("m", &text).await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
