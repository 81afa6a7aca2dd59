//! The page over real sockets, and the numbers that it and Prometheus are given.

use super::*;
use crate::live::{Hub, HubConfig, Retention, anyone};
use crate::metrics::{Meters, Syntax};
use crate::testing::{TestServer, serve_with};

fn live() -> Live {
    let hub = Hub::new(HubConfig {
        epoch: "e".parse().unwrap(),
        retention: Retention {
            messages_max: 0,
            ..Retention::default()
        },
        ..HubConfig::default()
    });
    Live::new(hub, anyone)
}

fn start(live: &Live, admin: Admin) -> (TestServer, Meters) {
    let meters = Meters::new();
    let router = Router::new()
        .route("/sse", live.sse(["room"]))
        .route("/ws", live.ws(["room"]))
        .merge(admin.router("/admin/live"));
    let server = serve_with(router, |server| server.cores(1).metrics(&meters).live(live));
    (server, meters)
}

fn operators(admin: Admin) -> Admin {
    admin.allow(|parts| parts.headers.get("x-operator").is_some_and(|name| name == "yes"))
}

fn publish(live: &Live, topic: &str, data: &str) {
    live.publish(topic, data.to_owned()).ready().unwrap().unwrap();
}

const PATHS: [&str; 5] = [
    "/admin/live",
    "/admin/live/topic?name=room",
    "/admin/live/tap?name=room",
    "/admin/live/live.css",
    "/admin/live/live.js",
];

#[test]
fn nobody_sees_anything_until_somebody_is_let_in() {
    let live = live();
    publish(&live, "room", "secret");
    for admin in [Admin::new(&live), operators(Admin::new(&live))] {
        let (server, _) = start(&live, admin);
        for path in PATHS {
            let answer = server.client().get(path).header("x-operator", "no").send();
            assert_eq!((answer.status, answer.text()), (404, String::new()), "{path}");
        }
    }
}

#[test]
fn the_page_says_what_there_is_and_not_what_is_said() {
    let live = live();
    let (server, _) = start(&live, operators(Admin::new(&live)));
    let client = server.client().with_header("x-operator", "yes");
    let mut stream = server.client().sse("/sse").open_sse();
    publish(&live, "room", "a secret");
    publish(&live, "<b>&\"'", "x");
    assert_eq!(stream.next_event().data, "a secret");
    let page = client.get("/admin/live").send().expect(200);
    assert_eq!(page.headers["cache-control"], "no-store");
    assert!(
        page.headers["content-security-policy"]
            .to_str()
            .unwrap()
            .starts_with("default-src 'none'")
    );
    let text = page.text();
    assert!(text.contains("SSE 1, WebSocket 0, long-poll 0"), "{text}");
    assert!(
        text.contains("href=\"/admin/live/topic?name=room\">room</a><td class=\"n\">1<td"),
        "{text}"
    );
    assert!(text.contains("&lt;b&gt;&amp;") && !text.contains("<b>"), "{text}");
    let text = client.get("/admin/live?q=roo").send().expect(200).text();
    assert!(
        text.contains(">room</a>") && !text.contains("&lt;b&gt;"),
        "{text}"
    );
    let text = client
        .get("/admin/live/topic?name=room")
        .send()
        .expect(200)
        .text();
    assert!(
        text.contains("<td class=\"n\">8<td") && !text.contains("secret"),
        "{text}"
    );
    let mut tap = client.sse("/admin/live/tap?name=room&cursor=e:0").open_sse();
    let event = tap.next_event().data;
    assert!(event.starts_with("{\"offset\":1,\"at_ms\":"), "{event}");
    assert!(event.ends_with(",\"bytes\":8,\"data\":null}"), "{event}");
}

#[test]
fn data_is_shown_where_that_was_asked_for_and_not_without_end() {
    let live = live();
    let (server, _) = start(&live, operators(Admin::new(&live).show_data()));
    let client = server.client().with_header("x-operator", "yes");
    publish(&live, "room", "<script>");
    publish(&live, "room", &"x".repeat(TAP_BYTES_MAX + 1));
    let text = client
        .get("/admin/live/topic?name=room")
        .send()
        .expect(200)
        .text();
    assert!(
        text.contains("&lt;script&gt;") && !text.contains("<script>"),
        "{text}"
    );
    let mut tap = client.sse("/admin/live/tap?name=room&cursor=e:1").open_sse();
    let event = tap.next_event().data;
    assert!(
        event.ends_with("xx…\"}") && event.len() < TAP_BYTES_MAX + 100,
        "{event}"
    );
    // What the log has lost by now.
    for _ in 0..=Retention::WINDOW_MESSAGES {
        publish(&live, "room", "later");
    }
    let mut tap = client.sse("/admin/live/tap?name=room&cursor=e:1").open_sse();
    assert_eq!(tap.next_event().event, "gap");
}

#[test]
fn more_topics_than_a_page_has_room_for() {
    let live = live();
    let (server, _) = start(&live, operators(Admin::new(&live)));
    let client = server.client().with_header("x-operator", "yes");
    for number in 0..TOPICS_SHOWN_MAX + 1 {
        publish(&live, &format!("t{number:03}"), "x");
    }
    let text = client.get("/admin/live").send().expect(200).text();
    assert!(text.contains(">t049</a>") && !text.contains(">t050</a>"));
    assert!(text.contains("?q=&amp;after=t049\""), "{text}");
    let text = client.get("/admin/live?q=&after=t049").send().expect(200).text();
    assert!(text.contains(">t050</a>") && !text.contains(">t049</a>") && !text.contains("More topics"));
}

#[test]
fn prometheus_is_told_of_followers_lags_recoveries_gaps_and_closes() {
    let live = live();
    let (server, meters) = start(&live, Admin::new(&live));
    let mut stream = server.client().sse("/sse").open_sse();
    for data in ["0", "1"] {
        publish(&live, "room", data);
        assert_eq!(stream.next_event().data, data);
    }
    // Comes back and has missed something; and something that is gone.
    let mut back = server.client().sse("/sse?cursor=e:0").open_sse();
    assert_eq!(back.next_event().data, "0");
    let mut ws = server.client().ws("/ws?cursor=old:1").open_ws();
    assert!(ws.text().contains("gap"));
    let text = meters.render(Syntax::Text);
    for line in [
        "squall_live_followers{door=\"sse\"} 2\n",
        "squall_live_followers{door=\"ws\"} 1\n",
        "squall_live_recoveries_total{outcome=\"whole\"} 1\n",
        "squall_live_recoveries_total{outcome=\"gap\"} 1\n",
        "squall_live_gaps_total 1\n",
        "squall_live_closes_total{code=\"1008\"} 0\n",
        "squall_live_log_messages 2\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    // The one that followed; not those that read what they had missed.
    for name in [
        "squall_live_lag_seconds_count",
        "squall_live_cursor_lag_offsets_count",
    ] {
        let count = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        assert!(["1", "2"].contains(&count.trim()), "{name}{count}");
    }
}
