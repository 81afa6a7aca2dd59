//! A WebSocket that says back what it is told, and a page to try it.
//!
//! Run with: cargo run --release -p examples --example echo [-- ADDRESS]

use squall::assets::Assets;
use squall::web::routing::get;
use squall::web::ws::{Socket, WebSocketUpgrade};
use squall::web::{Html, Router, secure_headers};

const PAGE: &str = r#"<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Echo</title><script src="/static/echo.js" defer></script>
<form><input name="text" aria-label="Text" autofocus autocomplete="off"><button>Send</button></form>
<ol id="said"></ol>
"#;

const SCRIPT: &str = r#"
const form = document.forms[0], said = document.getElementById("said");
const socket = new WebSocket(location.href.replace(/^http/, "ws") + "ws");
socket.onmessage = event => said.appendChild(document.createElement("li")).textContent = event.data;
form.addEventListener("submit", event => {
  event.preventDefault();
  socket.send(form.text.value);
  form.reset();
});
"#;

/// Runs until the peer closes. While one message is sent back the next is not read: a peer that does not listen is not
/// listened to.
async fn echo(mut socket: Socket) {
    while let Some(message) = socket.recv().await {
        if socket.send(message).await.is_err() {
            return;
        }
    }
}

fn main() -> Result<(), squall::Error> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    let router = Router::new()
        .route("/", get(async || Html(PAGE)))
        .route(
            "/ws",
            get(async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(echo)),
        )
        .merge(Assets::embedded(&[("echo.js", SCRIPT.as_bytes())]).router())
        .layer(secure_headers());
    squall::Server::new(router)
        .bind(&address)
        .run_with(|handle| eprintln!("listening on http://{}", handle.local_addrs()[0]))
}
