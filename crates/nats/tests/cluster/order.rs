//! One order, on every node.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use squall_hub::{Heard, HubConfig, Meta, Publish, Retention, Sender};
use squall_nats::Node;

use crate::reader::{Reader, Seen, node, publish, soon};
use crate::servers::Cluster;

#[tokio::test(flavor = "multi_thread")]
async fn all_nodes_have_the_same_messages_in_the_same_order_with_the_same_cursors() {
    let cluster = Cluster::shared();
    let config = cluster.config("order");
    let (one, _node) = node(config.clone()).await;
    let (two, _node) = node(config.clone()).await;
    let (three, _node) = node(config).await;
    assert_eq!(one.epoch(), two.epoch());
    let mut readers = [&one, &two, &three].map(|hub| Reader::from(hub, "room:42", 0));

    let mut cursors = Vec::new();
    for round in 0..20 {
        for (name, hub) in [("one", &one), ("two", &two), ("three", &three)] {
            cursors.push(publish(hub, "room:42", format!("{name} {round}")).await);
        }
    }
    let expected = readers[0].messages(60).await;
    for (seen, cursor) in expected.iter().zip(&cursors) {
        assert!(
            matches!(seen, Seen::Message(at, _) if at == cursor),
            "{seen:?} {cursor}"
        );
    }
    assert_eq!(cursors[0].offset, 1, "the offset is the stream's sequence");
    assert_eq!(cursors[59].offset, 60);
    for reader in &mut readers[1..] {
        assert_eq!(reader.messages(60).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_publishers_at_once_lose_nothing_and_one_publishers_order_stays() {
    let cluster = Cluster::shared();
    let config = cluster.config("many");
    let (one, _node) = node(config.clone()).await;
    let (two, _node) = node(config).await;
    let mut reader = Reader::from(&two, "t", 0);
    // Not awaited one by one: they are on their way together.
    let answers: Vec<_> = (0..500)
        .flat_map(|n| {
            [
                one.publish("t", format!("a {n}"), 0),
                two.publish("t", format!("b {n}"), 0),
            ]
        })
        .collect();
    let seen = reader.messages(1_000).await;
    for name in ["a ", "b "] {
        let of_one: Vec<&str> = seen
            .iter()
            .map(Seen::text)
            .filter(|text| text.starts_with(name))
            .collect();
        let expected: Vec<String> = (0..500).map(|n| format!("{name}{n}")).collect();
        assert_eq!(of_one, expected);
    }
    for answer in answers {
        soon(answer).await.expect("acknowledged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_resumes_on_another_node_and_on_one_that_starts_later() {
    let cluster = Cluster::shared();
    let config = cluster.config("resume");
    let (one, _node) = node(config.clone()).await;
    for n in 0..10 {
        publish(&one, "a", format!("a{n}")).await;
        publish(&one, "b", format!("b{n}")).await;
    }
    let mut reader = Reader::from(&one, "a", 0);
    let seen = reader.messages(4).await;
    let Seen::Message(cursor, _) = &seen[3] else {
        unreachable!()
    };
    let (two, _node) = node(config.clone()).await;
    let mut reader = Reader::resume(&two, "a", cursor);
    let texts: Vec<_> = reader.messages(6).await;
    assert_eq!(texts[0].text(), "a4");
    assert_eq!(texts[5].text(), "a9");

    // A node that reads only the last five of the stream says what it cannot have.
    let (three, _node) = node(squall_nats::NatsConfig {
        load_messages_max: 5,
        ..config
    })
    .await;
    let mut reader = Reader::resume(&three, "a", cursor);
    assert_eq!(reader.next().await, Seen::Gap(15));
    assert_eq!(reader.messages(2).await[1].text(), "a9");
    assert_eq!(three.head(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_read_on_the_same_node_at_once_and_with_all_it_carries() {
    let cluster = Cluster::shared();
    let config = cluster.config("meta");
    let (one, _node) = node(config.clone()).await;
    let (two, _node) = node(config).await;
    let mut meta: Meta = [("lang", "fr"), ("size", "3")].into_iter().collect();
    meta.sender = Some(Sender {
        user: "ann".into(),
        client: "c1".into(),
        conn_info: Bytes::from_static(b"\0\xff"),
        chan_info: Bytes::new(),
    });
    let topic = "größe.* >\r\n";
    for n in 0..50 {
        let publish = Publish {
            topic,
            data: Bytes::from(vec![n; 3]),
            meta: Some(Arc::new(meta.clone())),
            key: None,
            now_ms: 0,
        };
        let cursor = soon(one.publish_with(publish)).await.expect("acknowledged");
        let read = one.read(&[topic], cursor.offset - 1, 1).expect("no gap");
        assert_eq!(read[0].data, vec![n; 3]);
    }
    Reader::from(&two, "other", 0);
    let mut reader = Reader::from(&two, "end", 0);
    publish(&one, "end", "end").await;
    reader.messages(1).await;
    let read = two.read(&[topic], 0, 100).expect("no gap");
    assert_eq!(read.len(), 50);
    assert_eq!(read[49].meta.as_deref(), Some(&meta));
    assert!(read[0].at_ms > 1_700_000_000_000, "the stream's own time");
}

#[tokio::test(flavor = "multi_thread")]
async fn words_have_their_place_among_the_messages_on_every_node() {
    let cluster = Cluster::shared();
    let config = cluster.config("words");
    let (one, first) = node(config.clone()).await;
    soon(first.bus().say(Bytes::from_static(b"before")))
        .await
        .expect("said");
    let (two, second) = node(config).await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (ear, hub) = (heard.clone(), two.clone());
    second.bus().hear(Arc::new(move |what| {
        if let Heard::Word(word) = what {
            let read = hub.read(&["t"], 0, 1_000).expect("no gap").len();
            ear.lock()
                .unwrap()
                .push((String::from_utf8_lossy(word).into_owned(), read));
        }
    }));
    for n in 0..20 {
        // Neither is awaited: they are in the order in which they were said.
        drop(one.publish("t", format!("{n}"), 0));
        drop(first.bus().say(Bytes::from(format!("word {n}"))));
    }
    let mut reader = Reader::from(&two, "t", 0);
    reader.messages(20).await;
    soon(second.bus().say(Bytes::from_static(b"last")))
        .await
        .expect("said");
    let expected: Vec<_> = (0..20)
        .map(|n| (format!("word {n}"), n + 1))
        .chain([("last".to_owned(), 20)])
        .collect();
    assert_eq!(*heard.lock().unwrap(), expected);

    let too_long = Bytes::from(vec![0; squall_hub::WORD_BYTES_MAX + 1]);
    assert!(soon(first.bus().say(too_long)).await.is_err());
    let longest = Bytes::from(vec![0; squall_hub::WORD_BYTES_MAX]);
    assert!(soon(first.bus().say(longest)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_hub_does_not_keep_is_a_gap_and_foreign_messages_are_nobodys() {
    let cluster = Cluster::shared();
    let config = cluster.config("keep");
    let (one, _node) = node(config.clone()).await;
    let other = async_nats::connect(cluster.addresses())
        .await
        .expect("a plain client");
    let jetstream = |subject: &'static str, data: Vec<u8>| other.request(subject, data.into());
    // Anybody may publish to a topic's subject; what no topic has is nobody's, and so is what the hub would refuse.
    soon(jetstream("keep.t.room:1", b"plain".to_vec()))
        .await
        .expect("acknowledged");
    soon(jetstream("keep.t.=zz", b"odd".to_vec()))
        .await
        .expect("acknowledged");
    for n in 0..300 {
        drop(one.publish("room:1", format!("{n}"), 0));
    }
    publish(&one, "room:1", "last").await;
    let retention = Retention {
        messages_max: 200,
        ..Retention::default()
    };
    let small = HubConfig {
        retention,
        message_bytes_max: 4,
        ..HubConfig::default()
    };
    let (two, second) = Node::start(config, small).await.expect("it starts");
    let mut reader = Reader::from(&two, "room:1", 0);
    // The first two are not topics' or too long here; of 301 texts, 200 are kept.
    assert_eq!(reader.next().await, Seen::Gap(103));
    assert_eq!(reader.messages(200).await[199].text(), "last");
    assert_eq!(second.status().foreign, 2);
}
