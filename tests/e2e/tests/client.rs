//! The browser's client in a real browser: over each transport, through cuts and restarts, each message once and in
//! order, or a gap.

use std::sync::{Arc, Mutex};

use e2e::proxy::{Mischief, Proxy};
use e2e::rng::Rng;
use e2e::webdriver::{Browser, Driver};
use serde_json::json;
use squall::live::session::{ConnectAsk, Connected, Deny, SessionPolicy, SubscribeAsk, SubscribeOptions};
use squall::live::{self, Hub, HubConfig, Live};
use squall::testing::{TestServer, serve_with};
use squall::web::http::StatusCode;
use squall::web::response::Html;
use squall::web::routing::{any, get};
use squall::web::{Router, now_ms};

/// Messages in the test with cuts.
const MESSAGES: usize = 400;
/// Fewer cuts would prove nothing.
const CUTS_MIN: u32 = 10;
const ROOM: &str = "room:1";

const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><title>client</title><link rel="icon" href="data:,">
<script type="module">
import { Squall } from "/squall.js";
const asked = new URLSearchParams(location.search).get("transports");
const transports = asked ? asked.split(",") : undefined;
const live = new Squall({ ...(transports && { transports }), minDelay: 10, maxDelay: 200 });
const room = live.subscribe("room:1", { delta: "fossil" });
Object.assign(window, { live, room, got: [], gaps: 0, times: 0 });
// Whoever waits is woken by what the page shows.
const show = () => (document.body.dataset.said = [got.length, gaps, times]);
room.addEventListener("message", ({ data }) => (got.push(data.number), show()));
room.addEventListener("gap", () => (gaps++, show()));
room.addEventListener("subscribed", () => (times++, show()));
</script>"#;

struct Open;

impl SessionPolicy for Open {
    async fn connect(&self, _: ConnectAsk) -> Result<Connected, Deny> {
        Ok(Connected::anonymous())
    }

    async fn subscribe(&self, _: SubscribeAsk) -> Result<SubscribeOptions, Deny> {
        let options = SubscribeOptions::recoverable();
        Ok(SubscribeOptions {
            delta: true,
            ..options
        })
    }
}

fn hub() -> Hub {
    Hub::new(HubConfig {
        epoch: live::new_epoch(),
        ..HubConfig::default()
    })
}

fn server(hub: &Hub, routes: Router) -> TestServer {
    let live = Live::sessions(hub.clone());
    let router = routes
        .route("/", get(async || Html(PAGE)))
        .route("/squall.js", live::script());
    serve_with(router.merge(sessions(&live)), |server| server.live(&live))
}

fn sessions(live: &Live) -> Router {
    live::router(live, Open)
}

fn say(hub: &Hub, number: usize, words: &str) {
    let always = "the same words each time, so that a delta has something to leave out";
    let data = json!({ "number": number, "always": always, "words": words });
    let said = hub.publish(ROOM, data.to_string(), now_ms()).ready();
    said.expect("at once").expect("published");
}

/// Some that no message had before.
fn words(rng: &mut Rng) -> String {
    (0..150)
        .map(|_| format!("{:x}", rng.range(0, u64::MAX)))
        .collect()
}

/// The numbers that the page was handed, once there are so many.
fn numbers(browser: &Browser, count: usize) -> Vec<usize> {
    browser.wait_for(&format!("got.length >= {count}"));
    let got = browser.script("return got");
    let numbers = got.as_array().expect("a list").iter();
    numbers
        .map(|number| number.as_u64().expect("a number") as usize)
        .collect()
}

fn text(browser: &Browser, expression: &str) -> String {
    let value = browser.script(&format!("return {expression}"));
    value.as_str().expect("a text").to_owned()
}

#[test]
fn through_cuts_each_message_once_and_in_order_over_each_transport() {
    let driver = Driver::start();
    for (seed, transport) in ["websocket", "http_stream", "sse"].into_iter().enumerate() {
        let hub = hub();
        let server = server(&hub, Router::new());
        let addr = server.addr();
        // The page and its script come whole.
        let mischief = Mischief {
            seed: seed as u64,
            cuts_max: 60,
            bytes: 40_000..60_000,
            stall_one_in: 40,
        };
        let proxy = Proxy::start(move || addr, mischief);
        proxy.calm();
        let browser = driver.browser();
        browser.open(&format!("http://{}/?transports={transport}", proxy.addr()));
        browser.wait_for("times === 1");
        let mut rng = Rng::new(seed as u64);
        for number in 0..MESSAGES {
            say(&hub, number, &words(&mut rng));
            if number % 20 == 0 {
                browser.wait_for(&format!("got.length > {}", number.saturating_sub(60)));
            }
        }
        let got = numbers(&browser, MESSAGES);
        assert_eq!(got, (0..MESSAGES).collect::<Vec<_>>(), "{transport}");
        assert_eq!(browser.script("return gaps"), 0, "{transport}");
        assert_eq!(text(&browser, "live.transport"), transport);
        let (cuts, _) = proxy.damage();
        assert!(cuts >= CUTS_MIN, "{transport}: {cuts} cuts");
    }
}

#[test]
fn a_server_that_starts_anew_is_gone_on_with_or_there_is_a_gap() {
    let driver = Driver::start();
    let browser = driver.browser();
    let first_hub = hub();
    let first = server(&first_hub, Router::new());
    let upstream = Arc::new(Mutex::new(first.addr()));
    let at = upstream.clone();
    let calm = Mischief {
        seed: 1,
        cuts_max: 0,
        bytes: 1..2,
        stall_one_in: u64::MAX,
    };
    let proxy = Proxy::start(move || *at.lock().expect("no test panicked"), calm);
    browser.open(&format!("http://{}/", proxy.addr()));
    browser.wait_for("times === 1");
    say(&first_hub, 0, "");
    assert_eq!(numbers(&browser, 1), [0]);

    // The same log in a new process.
    let second = server(&first_hub, Router::new());
    *upstream.lock().expect("no test panicked") = second.addr();
    first.stop();
    say(&first_hub, 1, "");
    browser.wait_for("times === 2");
    say(&first_hub, 2, "");
    assert_eq!(numbers(&browser, 3), [0, 1, 2]);
    assert_eq!(browser.script("return gaps"), 0);

    // A new life of the log.
    let second_hub = hub();
    let third = server(&second_hub, Router::new());
    say(&second_hub, 3, "");
    *upstream.lock().expect("no test panicked") = third.addr();
    second.stop();
    browser.wait_for("times === 3 && gaps === 1");
    say(&second_hub, 4, "");
    assert_eq!(numbers(&browser, 4), [0, 1, 2, 4]);
    assert_eq!(browser.script("return gaps"), 1);
}

#[test]
fn what_works_is_found_and_remembered_and_a_hidden_tab_goes_on() {
    let driver = Driver::start();
    let browser = driver.browser();
    let hub = hub();
    let live = Live::sessions(hub.clone());
    // A proxy that knows nothing of WebSockets.
    let sessions = sessions(&live);
    let router = Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/squall.js", live::script())
        .route("/connection/websocket", any(async || StatusCode::BAD_GATEWAY))
        .fallback_service(sessions);
    let server = serve_with(router, |server| server.live(&live));
    browser.open(&server.url("/"));
    browser.wait_for("times === 1");
    assert_eq!(text(&browser, "live.transport"), "http_stream");
    browser.script("window.attempts = performance.getEntriesByType('resource').length");
    browser.open(&server.url("/"));
    browser.wait_for("times === 1");
    assert_eq!(text(&browser, "live.transport"), "http_stream", "remembered");
    let key = format!("squall:{}", server.url("/"));
    assert_eq!(
        text(&browser, &format!("sessionStorage.getItem({})", json!(key))),
        "http_stream"
    );

    say(&hub, 0, "");
    assert_eq!(numbers(&browser, 1), [0]);
    // In one go: it may be back before it is asked again.
    let offline = browser.script("window.dispatchEvent(new Event('offline')); return live.state");
    assert_eq!(offline, "connecting");
    say(&hub, 1, "");
    browser.script("window.dispatchEvent(new Event('online'))");
    browser.wait_for("times === 2");
    say(&hub, 2, "");
    assert_eq!(numbers(&browser, 3), [0, 1, 2]);
    assert_eq!(browser.script("return gaps"), 0);
}
