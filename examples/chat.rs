//! A chat room: a page that works without script and is live with it, and three doors to the same topic.
//!
//! Run with: cargo run --release -p examples --example chat [-- ADDRESS]
//! Then open http://127.0.0.1:8888/ in two browsers.

use std::collections::HashMap;
use std::error::Error;

use squall::assets::Assets;
use squall::live::{self, Hub, HubConfig, Live};
use squall::templates::{RenderError, Templates, context};
use squall::web::extract::State;
use squall::web::routing::{get, post};
use squall::web::{Form, Html, Redirect, Router, StatusCode, secure_headers};
use squall::xsrf::{Xsrf, XsrfToken};

const ROOM: &str = "room";
const TEXT_BYTES_MAX: usize = 2000;
const LINES_MAX: usize = 200;

const PAGE: &str = r#"<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Chat</title>
<meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="{{ static_url('chat.css') }}">
<script src="{{ static_url('chat.js') }}" defer></script>
<ol id="room" data-cursor="{{ cursor }}">{% for line in lines %}<li>{{ line }}</li>{% endfor %}</ol>
<form method="post" action="/say">{{ xsrf | safe }}
<input name="text" aria-label="Text" maxlength="500" autofocus required autocomplete="off"><button>Say</button></form>
"#;

const STYLE: &str = "body { font: 1em sans-serif; max-width: 40em; margin: 2em auto } input { width: 75% }";

const SCRIPT: &str = r#"
const room = document.getElementById("room"), form = document.forms[0];
const stream = new EventSource("/sse/room?cursor=" + encodeURIComponent(room.dataset.cursor));
stream.onmessage = event => {
  const line = room.appendChild(document.createElement("li"));
  line.textContent = event.data;
  line.scrollIntoView();
};
stream.addEventListener("gap", () => location.reload());
form.addEventListener("submit", event => {
  event.preventDefault();
  fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual" });
  form.reset();
});
"#;

#[derive(Clone)]
struct Chat {
    live: Live,
    templates: Templates,
}

/// What was said so far, and the cursor that it was read at: the stream goes on from exactly there.
async fn page(State(chat): State<Chat>, xsrf: XsrfToken) -> Result<Html<String>, RenderError> {
    let cursor = chat.live.hub().cursor();
    let history = chat.live.hub().history(ROOM, LINES_MAX);
    let said = history.iter().filter(|message| message.offset <= cursor.offset);
    let lines: Vec<String> = said
        .map(|message| String::from_utf8_lossy(&message.data).into_owned())
        .collect();
    let context = context! { cursor => cursor.to_string(), lines, xsrf => xsrf.field_html() };
    chat.templates.render("chat.html", context)
}

async fn say(
    State(chat): State<Chat>,
    Form(form): Form<HashMap<String, String>>,
) -> Result<Redirect, StatusCode> {
    let text = form.get("text").map(|text| text.trim()).unwrap_or_default();
    if text.is_empty() || text.len() > TEXT_BYTES_MAX {
        return Err(StatusCode::UNPROCESSABLE_ENTITY);
    }
    match chat.live.publish(ROOM, text.to_owned()).await {
        Ok(_) => Ok(Redirect::to("/")),
        Err(_) => Err(StatusCode::SERVICE_UNAVAILABLE),
    }
}

fn router(live: &Live) -> Result<Router, Box<dyn Error>> {
    let assets = Assets::embedded(&[("chat.js", SCRIPT.as_bytes()), ("chat.css", STYLE.as_bytes())]);
    let templates = Templates::embedded(&[("chat.html", PAGE)])
        .assets(&assets)
        .build()?;
    Ok(Router::new()
        .route("/", get(page))
        .route("/say", post(say))
        .route("/sse/room", live.sse([ROOM]))
        .route("/poll/room", live.poll([ROOM]))
        .route("/ws/room", live.ws([ROOM]))
        .merge(assets.router())
        .layer(Xsrf::new())
        .layer(secure_headers())
        .layer(squall::log::access())
        .with_state(Chat {
            live: live.clone(),
            templates,
        }))
}

fn main() -> Result<(), Box<dyn Error>> {
    squall::log::init(&squall::log::Options::default())?;
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    let hub = Hub::new(HubConfig {
        epoch: live::new_epoch(),
        ..HubConfig::default()
    });
    let live = Live::new(hub, live::anyone);
    let server = squall::Server::new(router(&live)?).bind(&address).live(&live);
    server.run_with(|handle| eprintln!("listening on http://{}", handle.local_addrs()[0]))?;
    Ok(())
}
