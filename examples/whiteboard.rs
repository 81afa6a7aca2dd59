//! A whiteboard: everybody draws on it, and sees where the others point. What was drawn stays; where somebody points does not.
//!
//! Run with: cargo run --release -p examples --example whiteboard [-- ADDRESS]
//! Then open http://127.0.0.1:8888/ in two browsers, and draw.

use squall::assets::Assets;
use squall::live::{self, Hub, HubConfig, Incoming, Live, Retention, WsDoor, WsMessage};
use squall::web::extract::State;
use squall::web::routing::get;
use squall::web::{Html, Router, secure_headers};

/// Lines that the board keeps; the oldest fade first.
const LINES_MAX: usize = 20_000;
const WORDS_BYTES_MAX: usize = 60;

const PAGE: &str = r#"<!doctype html>
<html lang="en" data-cursor="CURSOR"><meta charset="utf-8"><title>Whiteboard</title>
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/static/board.css">
<script src="/static/board.js" defer></script>
<canvas width="1000" height="600" aria-label="A board to draw on with mouse, pen or finger"></canvas>
<noscript>Drawing needs script.</noscript>
"#;

const STYLE: &str = "body { margin: 0; background: #ddd } canvas { display: block; margin: 1em auto; background: #fff; max-width: 100%; \
touch-action: none; cursor: crosshair } i { position: absolute; width: 12px; height: 12px; border-radius: 50%; pointer-events: none }";

const SCRIPT: &str = r#"
const canvas = document.querySelector("canvas"), pen = canvas.getContext("2d"), others = new Map();
const me = Math.floor(Math.random() * 1e7), color = id => `hsl(${id * 137 % 360} 80% 40%)`;
let cursor = document.documentElement.dataset.cursor, socket, from;
function connect() {
  socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/ws?cursor=${encodeURIComponent(cursor)}`);
  socket.onclose = () => setTimeout(connect, 500 + Math.random() * 1000);
  socket.onmessage = event => {
    const message = JSON.parse(event.data);
    cursor = message.cursor;
    if (message.gap) return;
    const [kind, id, ...at] = message.data.split(" ").map((word, n) => n ? Number(word) : word);
    if (kind === "line") draw(id, ...at); else if (id !== me) point(id, ...at);
  };
}
function draw(id, x, y, x2, y2) {
  pen.strokeStyle = color(id); pen.lineWidth = 3; pen.beginPath(); pen.moveTo(x, y); pen.lineTo(x2, y2); pen.stroke();
}
function point(id, x, y) {
  if (!others.has(id)) others.set(id, document.body.appendChild(document.createElement("i")));
  const mark = others.get(id), box = canvas.getBoundingClientRect(), scale = box.width / canvas.width;
  mark.style.background = color(id);
  mark.style.left = `${box.left + scrollX + x * scale}px`;
  mark.style.top = `${box.top + scrollY + y * scale}px`;
}
canvas.onpointermove = event => {
  const box = canvas.getBoundingClientRect(), scale = canvas.width / box.width;
  const at = [event.clientX - box.left, event.clientY - box.top].map(n => Math.max(0, Math.round(n * scale)));
  if (socket?.readyState !== WebSocket.OPEN) return;
  if (event.buttons && from) socket.send(`line ${me} ${from.join(" ")} ${at.join(" ")}`);
  else socket.send(`here ${me} ${at.join(" ")}`);
  from = event.buttons ? at : undefined;
};
connect();
"#;

/// What somebody says is for all, if it is `line ID X Y X Y` or `here ID X Y`. Anything else closes their connection.
fn said(live: &Live, incoming: &Incoming<'_>) {
    let topic = match &incoming.message {
        WsMessage::Text(text) if text.len() <= WORDS_BYTES_MAX => {
            let mut words = text.split(' ');
            let kind = words.next();
            let numbers: Vec<_> = words.map(str::parse::<u32>).collect();
            match (kind, numbers.len(), numbers.iter().all(Result::is_ok)) {
                (Some("line"), 5, true) => Some(("lines", text)),
                (Some("here"), 3, true) => Some(("here", text)),
                _ => None,
            }
        }
        _ => None,
    };
    match topic {
        Some((topic, text)) => drop(live.publish(topic, text.clone()).ready()),
        None => incoming
            .connection()
            .close(4000, "line ID X Y X Y, or here ID X Y"),
    }
}

/// The page begins before the oldest line that is kept, so the socket brings all of them.
async fn page(State(live): State<Live>) -> Html<String> {
    let hub = live.hub();
    let oldest = hub.cursor_at(hub.floor(&["lines", "here"]));
    Html(PAGE.replace("CURSOR", &oldest.to_string()))
}

fn main() -> Result<(), squall::Error> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    let lines = Retention {
        messages_max: LINES_MAX,
        bytes_max: 8 << 20,
        ..Retention::default()
    };
    let config = HubConfig {
        epoch: live::new_epoch(),
        retention: lines,
        ..HubConfig::default()
    };
    let live = Live::new(Hub::new(config), live::anyone);
    let publisher = live.clone();
    let door = WsDoor::new().on_message(move |incoming| said(&publisher, &incoming));
    let router = Router::new()
        .route("/", get(page))
        .route("/ws", live.ws_with(door, ["lines", "here"]))
        .merge(Assets::embedded(&[("board.js", SCRIPT.as_bytes()), ("board.css", STYLE.as_bytes())]).router())
        .layer(secure_headers())
        .with_state(live.clone());
    let server = squall::Server::new(router).bind(&address).live(&live);
    server.run_with(|handle| eprintln!("listening on http://{}", handle.local_addrs()[0]))
}
