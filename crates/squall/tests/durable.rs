//! Followers of all doors resume from a durable log when the server is started again.
#![cfg(feature = "durable")]

use std::path::Path;

use squall::live::{self, Answer, DurableBroker, DurableConfig, Life, Live};
use squall::testing::{TestServer, serve_with};
use squall::web::Router;

fn start(folder: &Path) -> (Live, TestServer) {
    let live = Live::new(live::durable(folder).unwrap(), live::anyone);
    let router = Router::new()
        .route("/sse", live.sse(["room", "hall"]))
        .route("/poll", live.poll(["room", "hall"]))
        .route("/ws", live.ws(["room", "hall"]));
    let server = serve_with(router, |server| server.cores(2).live(&live));
    (live, server)
}

/// Publishes some numbers, in turn to two topics, and waits until all are on the disk. Answers the last cursor.
fn publish(live: &Live, numbers: std::ops::Range<u32>) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let topic = |number: u32| if number.is_multiple_of(3) { "hall" } else { "room" };
    let answers: Vec<Answer> = numbers
        .map(|number| live.publish(topic(number), number.to_string()))
        .collect();
    let cursors = answers
        .into_iter()
        .map(|answer| runtime.block_on(answer).unwrap().to_string());
    cursors.last().unwrap()
}

fn data(text: &str) -> u32 {
    let object: serde_json::Value = serde_json::from_str(text).unwrap();
    object["data"].as_str().unwrap().parse().unwrap()
}

#[test]
fn followers_of_all_doors_resume_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut from = 0;
    let mut cursor = None::<String>;
    // What is published in one life is read in the next, and so is what comes live.
    for _ in 0..4 {
        let (live, server) = start(folder.path());
        let client = server.client();
        let missed = if cursor.is_none() { 0 } else { 200 };
        let after = cursor.take().unwrap_or_else(|| live.hub().cursor().to_string());
        let mut sse = client.sse(&format!("/sse?cursor={after}")).open_sse();
        let mut ws = client.ws(&format!("/ws?cursor={after}")).open_ws();
        let last = publish(&live, from + missed..from + missed + 100);
        for number in from..from + missed + 100 {
            assert_eq!(sse.next_event().data, number.to_string());
            assert_eq!(data(&ws.text()), number);
        }
        let polled = client.poll("/poll", Some(&after));
        assert_eq!(
            polled.messages.len() as u32,
            (missed + 100).min(live::POLL_MESSAGES_MAX as u32)
        );
        from += missed + 100;
        cursor = Some(last);
        // Nobody reads these.
        publish(&live, from..from + 200);
        drop(server);
    }
    let (hub, loaded) = DurableBroker::open(folder.path(), DurableConfig::default()).unwrap();
    assert_eq!(loaded.life, Life::Resumed);
    assert_eq!(hub.head(), u64::from(from) + 200);
}
