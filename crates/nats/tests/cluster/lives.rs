//! Streams that are lost, made anew, or lose messages: always told.

use async_nats::Client;
use serde_json::{Value, json};
use squall_nats::{NatsConfig, StartError, Storage};

use crate::reader::{Reader, Seen, node, publish, soon};
use crate::servers::Cluster;

async fn api(client: &Client, what: &str, body: Value) -> Value {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let answer = soon(client.request(format!("$JS.API.{what}"), body.into()));
    serde_json::from_slice(&answer.await.expect("an answer").payload).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_made_anew_is_a_new_epoch_and_a_gap_for_everybody() {
    let cluster = Cluster::shared();
    let config = cluster.config("anew");
    let (one, first) = node(config.clone()).await;
    let (two, second) = node(config.clone()).await;
    for n in 0..5 {
        publish(&one, "t", format!("old {n}")).await;
    }
    let mut readers = [&one, &two].map(|hub| Reader::from(hub, "t", 0));
    for reader in &mut readers {
        reader.messages(5).await;
    }
    let old = one.cursor();
    let client = async_nats::connect(cluster.addresses())
        .await
        .expect("a plain client");
    let deleted = api(&client, "STREAM.DELETE.ANEW", Value::Null).await;
    assert_eq!(deleted["success"], true, "{deleted}");

    // Whoever notices first makes it; both see the same new life.
    let new = publish(&one, "t", "new").await;
    soon(second.wait_for(|status| status.epoch == Some(new.epoch))).await;
    assert_ne!(new.epoch, old.epoch);
    assert!(new.offset > old.offset, "offsets never go back");
    for reader in &mut readers {
        let floor = 1 << 32;
        assert_eq!(reader.next().await, Seen::Gap(floor));
        assert_eq!(reader.next().await, Seen::Message(new, "new".into()));
    }
    assert_eq!(one.offset_of(&old), None);
    let (three, _node) = node(config).await;
    assert_eq!(three.cursor(), new, "a node that starts now is in that life too");
    let mut reader = Reader::resume(&three, "t", &old);
    assert_eq!(reader.next().await, Seen::Gap(1 << 32));
    assert_eq!(reader.next().await.text(), "new");
    assert_eq!(first.status().lives, 2);
    let info = api(&client, "STREAM.INFO.ANEW", Value::Null).await;
    let description = info["config"]["description"].as_str().expect("one");
    assert!(description.ends_with(" squall-life=1"), "{description}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_lost_messages_is_a_new_epoch_even_if_it_has_the_same_name_and_age() {
    // Kept by one server in memory: when that server starts anew, the cluster gives the stream back, empty.
    let mut cluster = Cluster::start(3);
    let mut config = cluster.config("loses");
    if let Some(settings) = &mut config.create {
        settings.storage = Storage::Memory;
        settings.replicas = 1;
    }
    let (one, first) = node(config.clone()).await;
    let (two, second) = node(config).await;
    for n in 0..9 {
        publish(&one, "t", format!("old {n}")).await;
    }
    let mut readers = [&one, &two].map(|hub| Reader::from(hub, "t", 0));
    for reader in &mut readers {
        reader.messages(9).await;
    }
    let old = one.cursor();
    let client = async_nats::ConnectOptions::new()
        .ignore_discovered_servers()
        .connect(cluster.addresses())
        .await
        .expect("a plain client");
    let info = api(&client, "STREAM.INFO.LOSES", Value::Null).await;
    let holder = info["cluster"]["leader"].as_str().expect("a leader").to_owned();
    cluster.named(&holder).kill();
    cluster.named(&holder).start();

    let new = publish(&two, "t", "new").await;
    soon(first.wait_for(|status| status.epoch == Some(new.epoch))).await;
    soon(second.wait_for(|status| status.epoch == Some(new.epoch))).await;
    let info = api(&client, "STREAM.INFO.LOSES", Value::Null).await;
    assert_ne!(new.epoch, old.epoch, "{new} {info}");
    for reader in &mut readers {
        let seen = reader.until("new").await;
        assert!(matches!(seen[0], Seen::Gap(_)), "{seen:?}");
        assert_eq!(seen.last(), Some(&Seen::Message(new, "new".into())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_stream_no_longer_has_is_a_gap_in_the_same_life() {
    let cluster = Cluster::shared();
    let config = cluster.config("purged");
    let (one, first) = node(config.clone()).await;
    for n in 0..6 {
        publish(&one, "t", format!("{n}")).await;
    }
    let client = async_nats::connect(cluster.addresses())
        .await
        .expect("a plain client");
    api(&client, "STREAM.PURGE.PURGED", json!({ "keep": 2 })).await;
    // A node that was there has everything; one that starts now has what there is, and says so.
    let mut reader = Reader::from(&one, "t", 0);
    reader.messages(6).await;
    let (two, _node) = node(config.clone()).await;
    assert_eq!(two.epoch(), one.epoch());
    let mut late = Reader::from(&two, "t", 3);
    assert_eq!(late.next().await, Seen::Gap(4));
    assert_eq!(late.messages(2).await[0].text(), "4");

    api(&client, "STREAM.PURGE.PURGED", Value::Null).await;
    let cursor = publish(&two, "t", "after").await;
    assert_eq!(cursor.offset, 7);
    for reader in [&mut reader, &mut late] {
        assert_eq!(reader.messages(1).await[0].text(), "after", "nothing was missed");
    }
    let (three, _node) = node(config).await;
    assert_eq!(three.floor(&["t"]), 6);
    assert_eq!(first.status().holes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_does_not_fit_is_refused_at_the_start() {
    let cluster = Cluster::shared();
    let missing = NatsConfig {
        create: None,
        ..cluster.config("missing")
    };
    let refused = soon(squall_nats::Node::start(missing, Default::default())).await;
    let Err(StartError::Stream(why)) = refused else {
        panic!("{refused:?}");
    };
    assert!(why.contains("no stream MISSING"), "{why}");

    let client = async_nats::connect(cluster.addresses())
        .await
        .expect("a plain client");
    for (name, body) in [
        (
            "NARROW",
            json!({ "name": "NARROW", "subjects": ["narrow.t.*"], "retention": "limits" }),
        ),
        (
            "QUEUE",
            json!({ "name": "QUEUE", "subjects": ["queue.>"], "retention": "workqueue" }),
        ),
    ] {
        let made = api(&client, &format!("STREAM.CREATE.{name}"), body).await;
        assert!(made["error"].is_null(), "{made}");
        let config = cluster.config(&name.to_lowercase());
        let refused = soon(squall_nats::Node::start(config, Default::default())).await;
        assert!(matches!(refused, Err(StartError::Stream(_))), "{refused:?}");
    }
    // One that takes more than is needed, with a description of its own, is used as it is.
    let body = json!({ "name": "WIDE", "subjects": ["wide.>"], "description": "the shop's" });
    api(&client, "STREAM.CREATE.WIDE", body).await;
    let (hub, _node) = node(cluster.config("wide")).await;
    assert_eq!(publish(&hub, "t", "x").await.offset, 1);
}
