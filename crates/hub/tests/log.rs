//! The log as literal cases: order, retention, floors, keys, forgetting.

use std::sync::Arc;

use bytes::Bytes;
use squall_hub::{
    AppendError, Hub, HubConfig, KeyWindow, MESSAGE_OVERHEAD_BYTES, META_BYTES_MAX, Meta, OFFSET_MAX,
    Publish, PublishError, Retention,
};

fn hub(change: impl FnOnce(&mut HubConfig)) -> Hub {
    let mut config = HubConfig::default();
    change(&mut config);
    Hub::new(config)
}

fn publish(hub: &Hub, topic: &str, data: &str, now_ms: u64) -> u64 {
    hub.publish(topic, data.to_owned(), now_ms)
        .ready()
        .unwrap()
        .unwrap()
        .offset
}

fn texts(hub: &Hub, topics: &[&str], after: u64, max: usize) -> Result<String, u64> {
    let read = hub.read(topics, after, max).map_err(|gap| gap.resume)?;
    Ok(read
        .iter()
        .map(|m| format!("{}={} ", m.offset, std::str::from_utf8(&m.data).unwrap()))
        .collect())
}

#[test]
fn one_order_over_all_topics() {
    let hub = hub(|_| ());
    for (topic, data) in [("x", "a"), ("y", "b"), ("x", "c"), ("z", "d")] {
        publish(&hub, topic, data, 0);
    }
    assert_eq!(texts(&hub, &["x", "y"], 0, 9), Ok("1=a 2=b 3=c ".into()));
    assert_eq!(texts(&hub, &["x", "y", "x"], 1, 9), Ok("2=b 3=c ".into()));
    assert_eq!(texts(&hub, &["x", "y"], 0, 2), Ok("1=a 2=b ".into()));
    assert_eq!(texts(&hub, &["z", "never"], 0, 9), Ok("4=d ".into()));
    assert_eq!(texts(&hub, &["x"], 99, 9), Ok("".into()));
    assert_eq!(hub.history("x", 1)[0].offset, 3);
    assert_eq!(hub.cursor().to_string(), "0:4");
}

#[test]
fn appended_offsets_must_increase() {
    let hub = hub(|config| config.floor = 10);
    let append = |offset| hub.append("x", offset, Bytes::new(), 0);
    assert_eq!(
        append(10),
        Err(AppendError::NotIncreasing { offset: 10, head: 10 })
    );
    assert_eq!(append(12), Ok(()));
    assert_eq!(
        append(12),
        Err(AppendError::NotIncreasing { offset: 12, head: 12 })
    );
    assert_eq!(append(OFFSET_MAX + 1), Err(AppendError::OffsetTooLarge));
    assert_eq!(append(OFFSET_MAX), Ok(()));
    assert_eq!(
        hub.append_next("x", Bytes::new(), 0),
        Err(AppendError::OffsetTooLarge)
    );
    assert_eq!(
        texts(&hub, &["x"], 9, 9),
        Err(10),
        "what was before the floor is lost"
    );
    assert_eq!(texts(&hub, &["x"], 10, 1), Ok("12= ".into()));
}

#[test]
fn names_and_sizes_are_bounded() {
    let hub = hub(|config| (config.topic_bytes_max, config.message_bytes_max) = (3, 5));
    let answer =
        |topic: &str, data: &'static str| hub.publish(topic, data, 0).ready().unwrap().map(|c| c.offset);
    assert_eq!(answer("abc", "12345"), Ok(1));
    assert_eq!(
        answer("abcd", "1"),
        Err(PublishError::Refused(AppendError::BadTopic))
    );
    assert_eq!(answer("", "1"), Err(PublishError::Refused(AppendError::BadTopic)));
    assert_eq!(
        answer("abc", "123456"),
        Err(PublishError::Refused(AppendError::TooBig))
    );
}

#[test]
fn retention_by_count_keeps_the_live_window() {
    let kept = Retention::WINDOW_MESSAGES as u64;
    for messages_max in [0, Retention::WINDOW_MESSAGES] {
        let hub = hub(|config| config.retention.messages_max = messages_max);
        for _ in 0..kept {
            publish(&hub, "x", "", 0);
        }
        assert_eq!(hub.topic_counts("x").floor, 0);
        publish(&hub, "x", "", 0);
        assert_eq!(hub.topic_counts("x").floor, 1);
        assert_eq!(hub.topic_counts("x").messages as u64, kept);
        assert_eq!(hub.read(&["x"], 0, 9).unwrap_err().resume, 1);
        assert_eq!(hub.read(&["x"], 1, 1).unwrap()[0].offset, 2);
    }
}

#[test]
fn retention_by_bytes_keeps_at_least_the_newest() {
    let cost = MESSAGE_OVERHEAD_BYTES + 1;
    let hub = hub(|config| config.retention.bytes_max = 3 * cost);
    for data in ["a", "b", "c"] {
        publish(&hub, "x", data, 0);
    }
    assert_eq!(hub.topic_counts("x").bytes, 3 * cost);
    publish(&hub, "x", "d", 0);
    assert_eq!(texts(&hub, &["x"], 1, 9), Ok("2=b 3=c 4=d ".into()));
    publish(&hub, "x", &"e".repeat(4 * cost), 0);
    assert_eq!(hub.topic_counts("x").messages, 1);
    assert_eq!(hub.topic_counts("x").floor, 4);
}

#[test]
fn retention_by_age_is_enforced_by_the_sweep() {
    let hub = hub(|config| {
        config.retention.age_ms_max = 100;
        config.namespaces.push((
            "long:".into(),
            Retention {
                age_ms_max: 1_000,
                ..Retention::default()
            },
        ));
        config.namespaces.push((
            "long:not".into(),
            Retention {
                age_ms_max: 10,
                ..Retention::default()
            },
        ));
    });
    publish(&hub, "x", "", 0);
    publish(&hub, "long:", "", 0);
    publish(&hub, "long:not:", "", 0);
    publish(&hub, "x", "", 50);
    hub.sweep(11);
    assert_eq!(hub.topic_counts("long:not:").messages, 0);
    hub.sweep(100);
    assert_eq!(
        hub.topic_counts("x").messages,
        2,
        "a message of exactly the age stays"
    );
    hub.sweep(101);
    assert_eq!(
        (hub.topic_counts("x").messages, hub.topic_counts("x").floor),
        (1, 1)
    );
    hub.sweep(151);
    assert_eq!(
        (hub.topic_counts("x").messages, hub.topic_counts("x").floor),
        (0, 4)
    );
    hub.sweep(5);
    assert_eq!(hub.counts().messages, 1, "time never goes back");
    hub.sweep(1_001);
    assert_eq!(hub.counts().messages, 0);
    assert_eq!(hub.counts().bytes, 0);
}

#[test]
fn the_oldest_of_all_goes_first_when_the_hub_is_full() {
    let hub = hub(|config| config.bytes_max = 3 * MESSAGE_OVERHEAD_BYTES);
    for topic in ["x", "y", "y", "x"] {
        publish(&hub, topic, "", 0);
    }
    assert_eq!(hub.topic_counts("x").floor, 1);
    assert_eq!(hub.topic_counts("y").floor, 0);
    publish(&hub, "z", "", 0);
    assert_eq!(hub.topic_counts("y").floor, 2);
    assert_eq!(hub.counts().bytes, 3 * MESSAGE_OVERHEAD_BYTES);
    assert_eq!(hub.read(&["x", "y"], 1, 9).unwrap_err().resume, 2);
    assert_eq!(texts(&hub, &["x", "y"], 2, 9), Ok("3= 4= ".into()));
}

#[test]
fn a_forgotten_topic_raises_the_floor_of_the_unknown() {
    let hub = hub(|config| config.topics_max = 2);
    publish(&hub, "a", "1", 0);
    publish(&hub, "b", "2", 0);
    assert_eq!(hub.floor(&["never"]), 0);
    publish(&hub, "c", "3", 0);
    assert_eq!(hub.counts().topics, 2);
    assert_eq!(hub.counts().messages, 2);
    assert_eq!(hub.floor(&["a"]), 1);
    assert_eq!(
        hub.floor(&["never"]),
        1,
        "what is unknown may have been forgotten"
    );
    assert_eq!(texts(&hub, &["a"], 0, 9), Err(1));
    assert_eq!(texts(&hub, &["a"], 1, 9), Ok("".into()));
    assert_eq!(texts(&hub, &["b"], 0, 9), Ok("2=2 ".into()));
    assert_eq!(
        texts(&hub, &["c"], 0, 9),
        Err(1),
        "it was unknown when something unknown had been lost"
    );
    assert_eq!(texts(&hub, &["b", "c"], 1, 9), Ok("2=2 3=3 ".into()));
    publish(&hub, "a", "4", 0);
    assert_eq!(
        texts(&hub, &["a"], 0, 9),
        Err(2),
        "known again, with the floor of the unknown"
    );
    assert_eq!(texts(&hub, &["a"], 2, 9), Ok("4=4 ".into()));
}

#[test]
fn many_topics_and_messages_stay_bounded() {
    let hub = hub(|config| {
        config.topics_max = 10;
        config.retention.messages_max = 0;
        config.bytes_max = 1_000 * MESSAGE_OVERHEAD_BYTES;
    });
    for n in 0..20_000_u64 {
        publish(&hub, &format!("t{}", n * n % 37), "", n);
        let counts = hub.counts();
        assert!(counts.topics <= 10 && counts.messages <= 1_000);
    }
}

#[test]
fn the_same_key_is_published_once() {
    let hub = hub(|config| {
        config.keys = KeyWindow {
            keys_max: 10,
            key_bytes_max: 4,
            age_ms_max: 100,
        }
    });
    let once = |topic, key, now_ms| {
        let publish = Publish {
            topic,
            data: Bytes::from_static(b"x"),
            meta: None,
            key: Some(key),
            now_ms,
        };
        hub.publish_with(publish)
            .ready()
            .unwrap()
            .map(|cursor| cursor.offset)
    };
    assert_eq!(once("x", "k", 0), Ok(1));
    assert_eq!(once("x", "k", 100), Ok(1));
    assert_eq!(once("y", "k", 100), Ok(2), "keys are per topic");
    assert_eq!(once("x", "k", 101), Ok(3), "forgotten by age");
    assert_eq!(once("x", "12345", 101), Err(PublishError::BadKey));
    assert_eq!(hub.topic_counts("x").messages, 2);
}

#[test]
fn a_cursor_of_another_life_is_not_an_offset() {
    let hub = hub(|config| config.epoch = "b".parse().unwrap());
    publish(&hub, "x", "", 0);
    let offset = |text: &str| hub.offset_of(&text.parse().unwrap());
    assert_eq!(offset("b:0"), Some(0));
    assert_eq!(offset("b:1"), Some(1));
    assert_eq!(offset("b:2"), None, "beyond the head");
    assert_eq!(offset("a:1"), None, "another epoch");
}

#[test]
fn what_is_withdrawn_is_handed_to_nobody_and_is_no_gap() {
    let hub = hub(|_| ());
    for (topic, data) in [("x", "a"), ("y", "a"), ("x", "b"), ("x", "a")] {
        publish(&hub, topic, data, 0);
    }
    assert_eq!(hub.withdraw("x", |message| message.data == "a"), 2);
    assert_eq!(hub.withdraw("x", |message| message.data == "a"), 0);
    assert_eq!(hub.withdraw("never", |_| true), 0);
    assert_eq!(texts(&hub, &["x", "y"], 0, 9), Ok("2=a 3=b ".into()));
    let counts = hub.topic_counts("x");
    assert_eq!((counts.messages, counts.floor), (1, 0));
    assert_eq!(counts.bytes, MESSAGE_OVERHEAD_BYTES + 1);
    assert_eq!(hub.counts().messages, 2);
    publish(&hub, "x", "c", 0);
    assert_eq!(texts(&hub, &["x"], 3, 9), Ok("5=c ".into()));
}

#[test]
fn a_full_hub_still_evicts_the_oldest_after_withdrawals() {
    let hub = hub(|config| config.bytes_max = 3 * (MESSAGE_OVERHEAD_BYTES + 2));
    for round in 0..1_000 {
        publish(&hub, "x", "a", round);
        hub.withdraw("x", |_| true);
    }
    for data in ["a", "b", "c", "d"] {
        publish(&hub, "y", data, 1_000);
    }
    assert_eq!(texts(&hub, &["y"], 1_001, 9), Ok("1002=b 1003=c 1004=d ".into()));
    assert_eq!(hub.counts().messages, 3);
}

#[test]
fn what_a_message_carries_beside_its_data_is_kept_counted_and_bounded() {
    let hub = Hub::new(HubConfig::default());
    let tagged = |bytes: usize| {
        let meta: Meta = [("t", "x".repeat(bytes))].into_iter().collect();
        Some(Arc::new(meta))
    };
    hub.append_with("x", None, Bytes::new(), tagged(3), 0).unwrap();
    let message = &hub.read(&["x"], 0, 1).unwrap()[0];
    assert_eq!(message.meta.as_ref().unwrap().tag("t"), Some("xxx"));
    let cost = message.cost_bytes();
    assert_eq!(hub.counts().bytes, cost);
    let room = META_BYTES_MAX - (cost - MESSAGE_OVERHEAD_BYTES) + 3;
    assert!(hub.append_with("x", None, Bytes::new(), tagged(room), 0).is_ok());
    assert_eq!(
        hub.append_with("x", None, Bytes::new(), tagged(room + 1), 0),
        Err(AppendError::TooBig)
    );
}

#[test]
fn a_new_life_is_a_gap_for_whoever_was_in_the_old_one() {
    let hub = hub(|_| ());
    for data in ["a", "b", "c"] {
        publish(&hub, "x", data, 0);
    }
    let old = hub.cursor();
    let life: squall_hub::Epoch = "second".parse().unwrap();
    assert_eq!(
        hub.begin(life, 2),
        Err(AppendError::NotIncreasing { offset: 2, head: 3 })
    );
    assert_eq!(hub.begin(life, OFFSET_MAX + 1), Err(AppendError::OffsetTooLarge));
    assert_eq!(hub.cursor(), old, "what was refused changed nothing");
    hub.begin(life, 10).unwrap();

    assert_eq!(hub.cursor().to_string(), "second:10");
    assert_eq!(hub.offset_of(&old), None);
    assert_eq!(texts(&hub, &["x"], 3, 9), Err(10), "who was up to date is told");
    assert_eq!(
        texts(&hub, &["never"], 9, 9),
        Err(10),
        "of topics without messages too"
    );
    assert_eq!(hub.floor(&["x"]), 10);
    assert_eq!((hub.counts().messages, hub.counts().bytes), (0, 0));

    hub.append("x", 12, Bytes::from_static(b"d"), 5).unwrap();
    assert_eq!(texts(&hub, &["x"], 10, 9), Ok("12=d ".into()));
    assert_eq!(texts(&hub, &["x"], 3, 9), Err(10));
    hub.sweep(10_000_000);
    assert_eq!(hub.counts().messages, 0, "what the new life holds ages as ever");
    assert_eq!(hub.floor(&["x"]), 12);
}

#[test]
fn a_hole_in_the_order_is_a_gap_in_the_same_life() {
    let hub = hub(|_| ());
    publish(&hub, "x", "a", 0);
    let cursor = hub.cursor();
    hub.begin(hub.epoch(), 7).unwrap();
    assert_eq!(hub.offset_of(&cursor), Some(1));
    assert_eq!(texts(&hub, &["x"], 1, 9), Err(7));
    assert_eq!(publish(&hub, "x", "b", 0), 8);
    assert_eq!(texts(&hub, &["x"], 7, 9), Ok("8=b ".into()));
    assert_eq!(
        hub.begin(hub.epoch(), 8),
        Ok(()),
        "at the head: only what is held is let go"
    );
    assert_eq!(texts(&hub, &["x"], 8, 9), Ok(String::new()));
}

#[test]
fn a_hub_is_filled_again_with_what_each_topic_had_lost() {
    // As a broker does that kept `kept:`, whose forgotten topics lost messages up to 8, and nothing else.
    let hub = hub(|config| {
        (config.floor, config.floors) = (2, vec![("kept:".into(), 8), ("kept:not:".into(), 10)]);
    });
    assert_eq!(hub.restore("kept:x", 2), Ok(()));
    assert_eq!(hub.restore("kept:y", 7), Ok(()));
    assert_eq!(hub.restore("", 7), Err(AppendError::BadTopic));
    hub.append("kept:x", 3, Bytes::from_static(b"a"), 0).unwrap();
    assert_eq!(hub.restore("kept:x", 9), Ok(()), "too late");
    assert_eq!(
        (hub.advance(10), hub.advance(5), hub.head()),
        (Ok(()), Ok(()), 10)
    );
    assert_eq!(hub.advance(OFFSET_MAX + 1), Err(AppendError::OffsetTooLarge));

    let floor = |topic: &str| hub.floor(&[topic]);
    assert_eq!((floor("kept:z"), floor("kept:not:z"), floor("other")), (8, 10, 2));
    assert_eq!(texts(&hub, &["kept:x"], 2, 9), Ok("3=a ".into()));
    assert_eq!(texts(&hub, &["kept:x"], 1, 9), Err(2));
    assert_eq!(texts(&hub, &["kept:x", "kept:y"], 2, 9), Err(7));
    assert_eq!(publish(&hub, "kept:y", "b", 0), 11);
    assert_eq!(texts(&hub, &["kept:x", "kept:y"], 7, 9), Ok("11=b ".into()));
    assert!(hub.remembers("kept:y") && !hub.remembers("kept:z"));
}

#[test]
fn what_is_lost_is_a_gap() {
    let hub = hub(|_| ());
    for _ in 0..3 {
        publish(&hub, "x", "a", 0);
    }
    assert_eq!(hub.lose("x", 2), Ok(()));
    assert_eq!(texts(&hub, &["x"], 1, 9), Err(2));
    assert_eq!(texts(&hub, &["x"], 2, 9), Ok("3=a ".into()));
    assert_eq!(
        (hub.lose("x", 1), hub.floor(&["x"])),
        (Ok(()), 2),
        "a floor never sinks"
    );
    assert_eq!(
        hub.lose("x", 4),
        Err(AppendError::NotIncreasing { offset: 4, head: 3 })
    );
    assert_eq!(hub.lose("", 1), Err(AppendError::BadTopic));
    assert_eq!(hub.counts().messages, 1);
    assert_eq!(hub.forgotten_floor(), 0);
}

#[test]
fn a_weak_hub_does_not_keep_it() {
    let hub = hub(|_| ());
    let weak = hub.downgrade();
    publish(&weak.upgrade().unwrap(), "x", "a", 0);
    assert_eq!(hub.head(), 1);
    drop(hub);
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_broker_hears_what_was_withdrawn() {
    use squall_hub::{Answer, Broker};
    use std::sync::{Arc, Mutex};

    #[derive(Default)]
    struct Hears(Mutex<Vec<(String, Vec<u64>)>>);
    impl Broker for Hears {
        fn publish(&self, hub: &Hub, publish: Publish<'_>) -> Answer {
            let offset = hub.append_next(publish.topic, publish.data, publish.now_ms);
            Answer::Ready(Ok(hub.cursor_at(offset.unwrap())))
        }
        fn withdrawn(&self, _: &Hub, topic: &str, offsets: &[u64]) -> Answer {
            self.0.lock().unwrap().push((topic.to_owned(), offsets.to_vec()));
            Answer::Ready(Err(PublishError::Busy))
        }
    }
    let broker = Arc::new(Hears::default());
    let hub = Hub::with_broker(HubConfig::default(), broker.clone());
    for data in ["a", "b", "a"] {
        publish(&hub, "x", data, 0);
    }
    let (messages, answer) = hub.withdraw_kept("x", |message| message.data == "a");
    assert_eq!((messages, answer.ready()), (2, Some(Err(PublishError::Busy))));
    assert_eq!(hub.withdraw("x", |message| message.data == "a"), 0);
    let heard = [("x".to_owned(), vec![1, 3]), ("x".to_owned(), vec![])];
    assert_eq!(
        *broker.0.lock().unwrap(),
        heard,
        "it may have some that were evicted"
    );
}
