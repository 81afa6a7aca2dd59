//! Servers that die, hang and are cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_nats::Client;
use serde_json::Value;
use squall_hub::{Cursor, Hub};
use squall_nats::NatsConfig;

use crate::reader::{Reader, Seen, node, publish, soon};
use crate::servers::Cluster;

/// Who leads the stream, as its servers say.
async fn leader(client: &Client, stream: &str) -> String {
    loop {
        let subject = format!("$JS.API.STREAM.INFO.{stream}");
        let answer = soon(client.request(subject, "".into())).await;
        let info: Value = answer
            .ok()
            .and_then(|answer| serde_json::from_slice(&answer.payload).ok())
            .unwrap_or_default();
        if let Some(leader) = info["cluster"]["leader"]
            .as_str()
            .filter(|leader| !leader.is_empty())
        {
            return leader.to_owned();
        }
    }
}

async fn client(cluster: &Cluster) -> Client {
    let options = async_nats::ConnectOptions::new().ignore_discovered_servers();
    options
        .connect(cluster.addresses())
        .await
        .expect("a plain client")
}

/// Publishes one after the other until it is told to stop; answers what was acknowledged.
async fn publish_on(hub: Hub, name: &'static str, stop: Arc<AtomicBool>) -> Vec<(Cursor, String)> {
    let mut acknowledged = Vec::new();
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let text = format!("{name} {number}");
        number += 1;
        if let Ok(cursor) = soon(hub.publish("t", text.clone(), 0)).await {
            acknowledged.push((cursor, text));
        }
    }
    acknowledged
}

/// Every message once, all that was acknowledged among them, at the place that was said; no gap.
fn check(seen: &[Seen], acknowledged: &[(Cursor, String)], status: &squall_nats::Status) {
    let mut texts: Vec<&str> = seen.iter().map(Seen::text).collect();
    assert!(
        !texts.contains(&"(gap)"),
        "nothing was lost, so nobody is told so: {status:?}"
    );
    for (cursor, text) in acknowledged {
        let at = Seen::Message(*cursor, text.clone());
        assert!(
            seen.contains(&at),
            "{text} was acknowledged at {cursor} and is not there"
        );
    }
    let count = texts.len();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), count, "no message is there twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_and_then_another_server_are_killed_and_nothing_acknowledged_is_lost() {
    let mut cluster = Cluster::start(3);
    let config = cluster.config("kills");
    let (one, first) = node(config.clone()).await;
    let (two, second) = node(config.clone()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers = [("one", &one), ("two", &two)]
        .map(|(name, hub)| tokio::spawn(publish_on(hub.clone(), name, stop.clone())));
    let plain = client(&cluster).await;
    // The stream's leader first: that is a change of leaders. Then another one.
    let first_killed = leader(&plain, "KILLS").await;
    let mut names: Vec<String> = cluster
        .servers
        .iter()
        .map(|server| server.name().to_owned())
        .collect();
    names.sort_by_key(|name| *name != first_killed);
    names.truncate(2);
    for name in names {
        cluster.named(&name).kill();
        publish(&one, "t", format!("one while {name} is dead")).await;
        publish(&two, "t", format!("two while {name} is dead")).await;
        cluster.named(&name).start();
        soon(first.wait_for(|status| status.current)).await;
        soon(second.wait_for(|status| status.current)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(soon(writer).await.expect("it ends"));
    }
    publish(&one, "t", "end").await;
    let seen = Reader::from(&one, "t", 0).until("end").await;
    check(&seen, &acknowledged, &first.status());
    assert_eq!(Reader::from(&two, "t", 0).until("end").await, seen);
    let (three, _node) = node(config).await;
    assert_eq!(three.epoch(), one.epoch(), "the epoch outlives every server");
    assert_eq!(Reader::from(&three, "t", 0).until("end").await, seen);
    assert!(acknowledged.len() > 3, "{}", acknowledged.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_hangs_is_replaced_and_comes_back_without_harm() {
    let mut cluster = Cluster::start(3);
    let config = cluster.config("hangs");
    let (one, first) = node(config.clone()).await;
    let (two, _node) = node(config).await;
    publish(&one, "t", "before").await;
    let plain = client(&cluster).await;
    let name = leader(&plain, "HANGS").await;
    cluster.named(&name).freeze();
    publish(&one, "t", "while it hangs").await;
    publish(&two, "t", "two too").await;
    cluster.named(&name).thaw();
    publish(&two, "t", "after").await;
    for hub in [&one, &two] {
        let seen = Reader::from(hub, "t", 0).until("after").await;
        let texts: Vec<&str> = seen.iter().map(Seen::text).collect();
        assert_eq!(texts, ["before", "while it hangs", "two too", "after"]);
    }
    assert_eq!(first.status().lives, 1, "nothing was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_server_is_cut_off_from_the_others_finds_another_one() {
    let cluster = Cluster::start(3);
    let config = cluster.config("parted");
    // This one knows them all; the others' words are to compare with.
    let (one, first) = node(config.clone()).await;
    let (two, second) = node(NatsConfig {
        servers: vec![cluster.servers[1].address(), cluster.servers[2].address()],
        ..config.clone()
    })
    .await;
    publish(&one, "t", "before").await;
    // Clients reach the first server, and it reaches nobody.
    cluster.servers[0].cut(false, true);
    publish(&two, "t", "while it is alone").await;
    publish(&one, "t", "from the other").await;
    cluster.servers[0].heal();
    soon(first.wait_for(|status| status.current)).await;
    soon(second.wait_for(|status| status.current)).await;
    publish(&two, "t", "after").await;
    let expected = ["before", "while it is alone", "from the other", "after"];
    for hub in [&one, &two] {
        let seen = Reader::from(hub, "t", 0).until("after").await;
        let texts: Vec<&str> = seen.iter().map(Seen::text).collect();
        assert_eq!(texts, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cut_off_catches_up_or_is_told_what_it_missed() {
    let cluster = Cluster::start(1);
    let mut config = cluster.config("cut");
    config.publish_timeout_ms = 500;
    if let Some(settings) = &mut config.create {
        settings.max_messages = 10;
    }
    let (one, first) = node(config.clone()).await;
    let other = client_beside(&cluster).await;
    let say = async |text: String| {
        let answer = soon(other.request("cut.t.t", text.into())).await;
        answer.expect("acknowledged");
    };
    let mut reader = Reader::from(&one, "t", 0);
    say("a".into()).await;
    assert_eq!(reader.next().await.text(), "a");

    cluster.servers[0].cut(true, false);
    soon(first.wait_for(|status| !status.current)).await;
    assert!(soon(one.publish("t", "no", 0)).await.is_err());
    for n in 0..5 {
        say(format!("b{n}")).await;
    }
    cluster.servers[0].heal();
    let seen = reader.messages(5).await;
    assert_eq!(seen[4].text(), "b4", "what was said meanwhile comes, all of it");

    cluster.servers[0].cut(true, false);
    soon(first.wait_for(|status| !status.current)).await;
    for n in 0..25 {
        say(format!("c{n}")).await;
    }
    cluster.servers[0].heal();
    // 31 messages were taken and the last ten are there: 22 to 31.
    assert_eq!(reader.next().await, Seen::Gap(21));
    let seen = reader.messages(10).await;
    assert_eq!((seen[0].text(), seen[9].text()), ("c15", "c24"));
    let status = first.status();
    assert_eq!((status.holes, status.lives), (1, 1), "the same life, with a hole");
}

/// A client that goes around the proxy.
async fn client_beside(cluster: &Cluster) -> Client {
    async_nats::connect(cluster.servers[0].own_address())
        .await
        .expect("a plain client")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_that_is_lost_makes_no_second_message() {
    let cluster = Cluster::start(1);
    let mut config = cluster.config("acks");
    config.attempt_timeout_ms = 300;
    let (one, first) = node(config).await;
    let mut reader = Reader::from(&one, "t", 0);
    publish(&one, "t", "before").await;
    // What the server says from now on is swallowed; what it is told, it hears.
    cluster.servers[0].deafen();
    let answer = one.publish("t", "once", 0);
    let beside = client_beside(&cluster).await;
    // The server has it: its last sequence says so; and it was sent again.
    loop {
        let info = soon(beside.request("$JS.API.STREAM.INFO.ACKS", "".into()))
            .await
            .expect("an answer");
        let info: Value = serde_json::from_slice(&info.payload).expect("JSON");
        if info["state"]["last_seq"] == 2 && first.status().attempts_again > 0 {
            break;
        }
    }
    cluster.servers[0].heal();
    let cursor = soon(answer).await.expect("acknowledged");
    assert_eq!(cursor.offset, 2);
    publish(&one, "t", "after").await;
    let seen = reader.messages(3).await;
    let texts: Vec<&str> = seen.iter().map(Seen::text).collect();
    assert_eq!(texts, ["before", "once", "after"]);
}
