//! Stock prices, ten times a second. Who cannot read that fast gets the newest and no queue: policy `Latest`.
//!
//! Run with: cargo run --release -p examples --example ticker [-- ADDRESS]

use std::fmt::Write as _;
use std::thread;
use std::time::Duration;

use squall::assets::Assets;
use squall::live::{self, Ask, Grant, Hub, HubConfig, Live, Policy, Refusal, Retention};
use squall::web::extract::State;
use squall::web::routing::get;
use squall::web::{Html, Router, secure_headers};

const SYMBOLS: [&str; 5] = ["ACME", "GLOBEX", "HOOLI", "INITECH", "UMBRELLA"];
const TICK: Duration = Duration::from_millis(100);

const PAGE: &str = r#"<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Ticker</title><meta name="viewport" content="width=device-width">
<script src="/static/ticker.js" defer></script><noscript><meta http-equiv="refresh" content="5"></noscript>
<table><caption>Prices</caption><thead><tr><th scope="col">Symbol<th scope="col">Price</tr></thead>
<tbody>ROWS</tbody></table><p id="state" role="status"></p>
"#;

const SCRIPT: &str = r#"
const state = document.getElementById("state"), stream = new EventSource("/sse");
stream.onmessage = event => {
  for (const pair of event.data.split(" ")) {
    const [symbol, price] = pair.split("=");
    document.getElementById(symbol).textContent = price;
  }
  state.textContent = "";
};
stream.addEventListener("gap", () => { state.textContent = "Some prices were skipped; this is the newest."; });
stream.onerror = () => { state.textContent = "Not connected; trying again."; };
"#;

/// Everybody may follow, and is told the newest alone when they fall behind.
async fn latest(ask: Ask) -> Result<Grant, Refusal> {
    Ok(Grant::topics(ask.topics).policy(Policy::Latest))
}

/// A market of its own: each price moves by some cents at a tick. All of them are one message, so the newest one says
/// everything.
fn trade(live: &Live) {
    let mut prices = [12_000_i64, 4_550, 31_025, 1_275, 6_660];
    let mut noise: u64 = 0x9e37_79b9_7f4a_7c15;
    loop {
        let mut all = String::new();
        for (symbol, price) in SYMBOLS.iter().zip(&mut prices) {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            *price = (*price + (noise % 41) as i64 - 20).max(100);
            let space = if all.is_empty() { "" } else { " " };
            let _ = write!(all, "{space}{symbol}={}.{:02}", *price / 100, *price % 100);
        }
        live.publish("prices", all).ready();
        thread::sleep(TICK);
    }
}

/// The newest prices, for those without script too.
async fn page(State(live): State<Live>) -> Html<String> {
    let newest = live.hub().history("prices", 1);
    let prices = newest
        .last()
        .map(|message| String::from_utf8_lossy(&message.data).into_owned());
    let rows: String = prices
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|pair| pair.split_once('='))
        .map(|(symbol, price)| format!("<tr><th scope=\"row\">{symbol}<td id=\"{symbol}\">{price}</tr>"))
        .collect();
    Html(PAGE.replace("ROWS", &rows))
}

fn main() -> Result<(), squall::Error> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    // Old prices are of no use to anybody.
    let few = Retention {
        messages_max: 10,
        ..Retention::default()
    };
    let config = HubConfig {
        epoch: live::new_epoch(),
        retention: few,
        ..HubConfig::default()
    };
    let live = Live::new(Hub::new(config), latest);
    let router = Router::new()
        .route("/", get(page))
        .route("/sse", live.sse(["prices"]))
        .merge(Assets::embedded(&[("ticker.js", SCRIPT.as_bytes())]).router())
        .layer(secure_headers())
        .with_state(live.clone());
    let market = live.clone();
    thread::spawn(move || trade(&market));
    let server = squall::Server::new(router).bind(&address).live(&live);
    server.run_with(|handle| eprintln!("listening on http://{}", handle.local_addrs()[0]))
}
