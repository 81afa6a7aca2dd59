//! A chat that shows who is there: a WebSocket is somebody's presence, what is said and who comes and goes are topics.
//!
//! Run with: cargo run --release -p examples --example presence [-- ADDRESS]
//! Then open http://127.0.0.1:8888/?name=ann and http://127.0.0.1:8888/?name=bob.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use squall::assets::Assets;
use squall::live::{self, Hub, HubConfig, Live};
use squall::web::extract::{Query, State};
use squall::web::routing::get;
use squall::web::ws::{Message, Socket, WebSocketUpgrade};
use squall::web::{Html, IntoResponse, Response, Router, StatusCode, secure_headers};

const TEXT_BYTES_MAX: usize = 2_000;

const PAGE: &str = r#"<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Chat</title><meta name="viewport" content="width=device-width">
<script src="/static/presence.js" defer></script>
<p>Here: <output id="here">nobody yet</output></p>
<ol id="room"></ol>
<form><input name="text" aria-label="Text" autofocus required autocomplete="off"><button>Say</button></form>
"#;

const SCRIPT: &str = r#"
const name = new URLSearchParams(location.search).get("name") ?? "somebody";
const here = document.getElementById("here"), room = document.getElementById("room"), form = document.forms[0];
const stream = new EventSource("/sse?topic=room&topic=here");
stream.onmessage = event => {
  const [kind, ...rest] = event.data.split("\n");
  if (kind === "here") here.textContent = rest.join(", ");
  else room.appendChild(document.createElement("li")).textContent = `${kind.slice(4)}: ${rest.join("\n")}`;
};
// The stream first: then it hears of our own coming.
stream.addEventListener("open", () => {
  const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/ws?name=${encodeURIComponent(name)}`);
  form.onsubmit = event => { event.preventDefault(); socket.send(form.text.value); form.reset(); };
}, { once: true });
"#;

/// The topics, and who is here, once for each window.
#[derive(Clone)]
struct Chat(Live, Arc<Mutex<Vec<String>>>);

impl Chat {
    /// Changes who is here and says so: in one step, or two who come at once would be told in the wrong order.
    fn change(&self, change: impl FnOnce(&mut Vec<String>)) {
        let mut here = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut here);
        here.sort();
        let mut names = here.clone();
        names.dedup();
        let names = format!("here\n{}", names.join("\n"));
        self.0.publish("here", names).ready();
    }
}

/// Somebody is here for as long as this is.
struct Here(Chat, String);

impl Drop for Here {
    fn drop(&mut self) {
        self.0.change(|here| {
            let at = here.iter().position(|name| *name == self.1);
            at.map(|at| here.remove(at));
        });
    }
}

async fn talk(mut socket: Socket, here: Here) {
    while let Some(message) = socket.recv().await {
        match message {
            Message::Text(text) if text.len() <= TEXT_BYTES_MAX => {
                let said = format!("say {}\n{text}", here.1);
                here.0.0.publish("room", said).ready();
            }
            _ => return socket.close(1009, "that is too much"),
        }
    }
}

async fn open(
    upgrade: WebSocketUpgrade,
    State(chat): State<Chat>,
    Query(mut query): Query<BTreeMap<String, String>>,
) -> Response {
    let name = query.remove("name").unwrap_or_default();
    if name.is_empty() || name.len() > 30 || name.contains(char::is_control) {
        return (StatusCode::UNPROCESSABLE_ENTITY, "a name has 1 to 30 bytes\n").into_response();
    }
    upgrade.on_upgrade(move |socket| {
        chat.change(|here| here.push(name.clone()));
        talk(socket, Here(chat, name))
    })
}

fn main() -> Result<(), squall::Error> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    let config = HubConfig {
        epoch: live::new_epoch(),
        ..HubConfig::default()
    };
    let live = Live::new(Hub::new(config), live::anyone);
    let chat = Chat(live.clone(), Arc::default());
    let router = Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/ws", get(open))
        .route("/sse", live.sse(["room", "here"]))
        .merge(Assets::embedded(&[("presence.js", SCRIPT.as_bytes())]).router())
        .layer(secure_headers())
        .with_state(chat);
    let server = squall::Server::new(router).bind(&address).live(&live);
    server.run_with(|handle| eprintln!("listening on http://{}", handle.local_addrs()[0]))
}
