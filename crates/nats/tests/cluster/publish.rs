//! Publishing: keys, limits, and what is answered when nobody answers.

use bytes::Bytes;
use squall_hub::{AppendError, Cursor, Hub, Publish, PublishError};
use squall_nats::NatsConfig;

use crate::reader::{Reader, node, nothing_but, publish, soon};
use crate::servers::Cluster;

async fn publish_once(hub: &Hub, topic: &str, data: &str, key: &str) -> Result<Cursor, PublishError> {
    let publish = Publish {
        topic,
        data: Bytes::copy_from_slice(data.as_bytes()),
        meta: None,
        key: Some(key),
        now_ms: 0,
    };
    soon(hub.publish_with(publish)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_is_published_once_whatever_the_node() {
    let cluster = Cluster::shared();
    let config = cluster.config("keys");
    let (one, first) = node(config.clone()).await;
    let (two, _node) = node(config).await;
    let cursor = publish_once(&one, "a", "x", "k 1").await.unwrap();
    assert_eq!(publish_once(&one, "a", "y", "k 1").await, Ok(cursor));
    assert_eq!(publish_once(&two, "a", "z", "k 1").await, Ok(cursor));
    let other = publish_once(&two, "b", "other topic", "k 1").await.unwrap();
    assert_ne!(other, cursor);
    assert_eq!(first.status().duplicates, 1);
    assert_eq!(publish_once(&one, "a", "y", "").await, Err(PublishError::BadKey));
    assert_eq!(
        publish_once(&one, "a", "y", &"k".repeat(129)).await,
        Err(PublishError::BadKey)
    );
    let longest = (".".repeat(255), ".".repeat(128));
    publish_once(&one, &longest.0, "long", &longest.1).await.unwrap();
    let mut reader = Reader::from(&two, "a", 0);
    assert_eq!(reader.messages(1).await[0].text(), "x");
    publish(&one, "a", "end").await;
    nothing_but(&mut reader, "end").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_published_is_refused_before_it_is_sent() {
    let cluster = Cluster::shared();
    let (hub, node) = node(cluster.config("limits")).await;
    let refused = |topic: String, data: Vec<u8>| soon(hub.publish(&topic, data, 0));
    let bad_topic = Err(PublishError::Refused(AppendError::BadTopic));
    let too_big = Err(PublishError::Refused(AppendError::TooBig));
    assert_eq!(refused(String::new(), vec![]).await, bad_topic);
    assert_eq!(refused("t".repeat(256), vec![]).await, bad_topic);
    assert_eq!(refused("t".into(), vec![0; (1 << 20) + 1]).await, too_big);
    // Within the hub's limit, but with its headers beyond what the servers take (1 MiB): they would hang up.
    assert_eq!(refused("t".into(), vec![0; 1 << 20]).await, too_big);
    assert!(refused("t".into(), vec![0; (1 << 20) - 200]).await.is_ok());
    assert!(refused("t".repeat(255), vec![]).await.is_ok());
    assert_eq!(node.status().published, 2);
    assert_eq!(node.status().disconnects, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_on_their_way_are_refused_and_room_comes_back() {
    let cluster = Cluster::start(1);
    let (hub, node) = node(NatsConfig {
        publishes_max: 4,
        publish_kib_max: 100,
        ..cluster.config("busy")
    })
    .await;
    cluster.servers[0].freeze();
    let mut answers: Vec<_> = (0..4).map(|n| hub.publish("t", format!("{n}"), 0)).collect();
    assert_eq!(
        soon(hub.publish("t", "one past", 0)).await,
        Err(PublishError::Busy)
    );
    assert_eq!(node.status().in_flight, 4);
    cluster.servers[0].thaw();
    for answer in answers.drain(..) {
        soon(answer).await.expect("acknowledged");
    }
    cluster.servers[0].freeze();
    let large = hub.publish("t", vec![0; 99 << 10], 0);
    let small = hub.publish("t", vec![0; 1], 0);
    assert_eq!(
        soon(hub.publish("t", vec![0; 1], 0)).await,
        Err(PublishError::Busy)
    );
    cluster.servers[0].thaw();
    soon(large).await.expect("acknowledged");
    soon(small).await.expect("acknowledged");
    // More than everything together may be alone.
    soon(hub.publish("t", vec![0; 200 << 10], 0))
        .await
        .expect("acknowledged");
    assert_eq!(node.status().busy, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_cluster_publishing_says_so_in_time_and_reading_goes_on() {
    let mut cluster = Cluster::start(1);
    let (hub, node) = node(NatsConfig {
        publish_timeout_ms: 400,
        attempt_timeout_ms: 200,
        ..cluster.config("away")
    })
    .await;
    let cursor = publish(&hub, "t", "kept").await;
    cluster.servers[0].freeze();
    // It was sent to somebody who may still read it.
    assert_eq!(
        soon(hub.publish("t", "perhaps", 0)).await,
        Err(PublishError::TimedOut)
    );
    cluster.servers[0].kill();
    soon(node.wait_for(|status| !status.connected)).await;
    let gone = soon(hub.publish("t", "never", 0)).await;
    assert!(matches!(gone, Err(PublishError::Unavailable(_))), "{gone:?}");
    let status = node.status();
    assert!(!status.current && status.loaded, "{status:?}");
    assert!(status.check().unwrap_err().contains("not up to date"));
    assert_eq!((status.timed_out, status.unavailable), (1, 1));
    let mut reader = Reader::from(&hub, "t", 0);
    assert_eq!(reader.messages(1).await[0].text(), "kept");

    cluster.servers[0].start();
    soon(node.wait_for(|status| status.current)).await;
    let after = publish(&hub, "t", "after").await;
    assert_eq!(after.epoch, cursor.epoch, "its files were there: the same life");
    assert_eq!(reader.until("after").await.last().unwrap().text(), "after");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_finishes_what_is_on_its_way() {
    let cluster = Cluster::shared();
    let config = cluster.config("stop");
    let (one, first) = node(config.clone()).await;
    let (two, _node) = node(config).await;
    let mut reader = Reader::from(&two, "t", 0);
    let answers: Vec<_> = (0..50).map(|n| one.publish("t", format!("{n}"), 0)).collect();
    soon(first.stop()).await;
    let mut done = 0;
    for answer in answers {
        done += usize::from(soon(answer).await.is_ok());
    }
    assert_eq!(done, 50);
    reader.messages(50).await;
    let late = soon(one.publish("t", "late", 0)).await;
    assert!(matches!(late, Err(PublishError::Unavailable(_))), "{late:?}");
}
