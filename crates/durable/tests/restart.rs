//! What is acknowledged is there after a restart: messages, offsets, epoch, floors, keys, what was withdrawn.

mod common;

use std::sync::Arc;

use common::{open, publish, publish_all, reopen, texts, wait};
use squall_durable::{Durability, DurableBroker, DurableConfig, Life};
use squall_hub::{
    Answer, AppendError, HubConfig, KeyWindow, MESSAGE_OVERHEAD_BYTES, Meta, Publish, PublishError, Retention,
};

fn config(change: impl FnOnce(&mut HubConfig)) -> DurableConfig {
    let mut config = DurableConfig::default();
    change(&mut config.hub);
    config
}

#[test]
fn a_log_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let config = DurableConfig::default();
    let (hub, loaded) = open(folder.path(), &config);
    assert_eq!((loaded.life, loaded.messages), (Life::New, 0));
    let epoch = hub.epoch();
    for (topic, data) in [("x", "a"), ("y", "b"), ("x", "c")] {
        publish(&hub, topic, data, 1_000);
    }
    let cursor = hub.cursor();
    assert_eq!(cursor.offset, 3);
    drop(hub);

    let (hub, loaded) = open(folder.path(), &config);
    assert_eq!(
        (loaded.life, loaded.messages, loaded.topics),
        (Life::Resumed, 3, 2)
    );
    assert_eq!((hub.epoch(), hub.cursor()), (epoch, cursor));
    assert_eq!(texts(&hub, &["x", "y"], 0), Ok("1=a 2=b 3=c ".into()));
    assert_eq!(texts(&hub, &["x"], 1), Ok("3=c ".into()));
    assert_eq!(hub.history("x", 1)[0].at_ms, 1_000);
    assert_eq!(publish(&hub, "y", "d", 2_000), 4);
    assert_eq!(loaded.log.counts().messages, 4);
    drop(hub);
    assert_eq!(
        texts(&reopen(folder.path(), &config), &["y"], 0),
        Ok("2=b 4=d ".into())
    );
}

#[test]
fn what_is_not_awaited_happens_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let config = DurableConfig::default();
    let (hub, _) = open(folder.path(), &config);
    for number in 0..100 {
        drop(hub.publish("x", number.to_string(), 0));
    }
    drop(hub);
    assert_eq!(reopen(folder.path(), &config).topic_counts("x").messages, 100);
}

#[test]
fn tags_and_senders_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let config = DurableConfig::default();
    let (hub, _) = open(folder.path(), &config);
    let meta = Meta {
        tags: vec![("a".into(), "b".into())],
        ..Meta::default()
    };
    let publish = Publish {
        topic: "x",
        data: "1".into(),
        meta: Some(Arc::new(meta.clone())),
        key: None,
        now_ms: 0,
    };
    wait(hub.publish_with(publish)).unwrap();
    drop(hub);
    let hub = reopen(folder.path(), &config);
    assert_eq!(hub.history("x", 1)[0].meta.as_deref(), Some(&meta));
}

#[test]
fn floors_are_of_each_topic() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(|hub| hub.retention.messages_max = 0);
    let (hub, _) = open(folder.path(), &config);
    publish(&hub, "quiet", "a", 0);
    let window = Retention::WINDOW_MESSAGES as u32;
    publish_all(&hub, "busy", 0..3 * window);
    let floor = hub.topic_counts("busy").floor;
    assert_eq!(floor, 1 + 2 * u64::from(window));
    drop(hub);

    let hub = reopen(folder.path(), &config);
    assert_eq!(hub.topic_counts("busy").floor, floor);
    assert_eq!(hub.topic_counts("busy").messages, window as usize);
    assert_eq!(
        texts(&hub, &["quiet"], 0),
        Ok("1=a ".into()),
        "another topic's floor is no gap here"
    );
    assert_eq!(texts(&hub, &["never"], 0), Ok("".into()));
    assert_eq!(texts(&hub, &["busy"], floor - 1), Err(floor));
}

#[test]
fn what_the_hub_evicts_is_deleted_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let cost = MESSAGE_OVERHEAD_BYTES + 1;
    let config = config(|hub| {
        hub.retention.messages_max = 200;
        hub.namespaces = vec![
            (
                "bytes:".into(),
                Retention {
                    bytes_max: 150 * cost,
                    ..Retention::default()
                },
            ),
            (
                "age:".into(),
                Retention {
                    age_ms_max: 100,
                    ..Retention::default()
                },
            ),
        ];
    });
    let (hub, loaded) = open(folder.path(), &config);
    for topic in ["count:", "bytes:", "age:"] {
        for round in 0..20 {
            // What is published together is looked at together.
            let answers: Vec<Answer> = (0..50).map(|_| hub.publish(topic, "x", round)).collect();
            for answer in answers {
                wait(answer).unwrap();
            }
        }
    }
    let messages = loaded.log.counts().messages;
    assert!(
        (1_350..1_350 + 3 * 64 + 100).contains(&messages),
        "{messages} messages are on disk"
    );
    hub.sweep(1_000);
    assert_eq!(hub.topic_counts("age:").messages, 0);
    // The next pass finds it; nothing is published.
    while loaded.log.counts().messages > 350 {
        std::thread::yield_now();
    }
    drop(hub);
    let (hub, loaded) = open(folder.path(), &config);
    assert_eq!(loaded.messages, 350);
    let counts = ["count:", "bytes:", "age:"].map(|topic| hub.topic_counts(topic));
    assert_eq!(counts.map(|counts| counts.messages), [200, 150, 0]);
    assert_eq!(counts.map(|counts| counts.floor), [800, 1_850, 3_000]);
}

#[test]
fn topics_that_the_hub_forgets_are_forgotten_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(|hub| hub.topics_max = 10);
    let (hub, loaded) = open(folder.path(), &config);
    for number in 0..50 {
        publish(&hub, &format!("t{number}"), "x", 0);
    }
    while loaded.log.counts().topics > 10 {
        std::thread::yield_now();
    }
    let floor = hub.forgotten_floor();
    assert_eq!(floor, 40);
    drop(hub);
    let hub = reopen(folder.path(), &config);
    assert_eq!(hub.counts().topics, 10);
    assert_eq!(hub.floor(&["t1"]), floor, "what was forgotten is a gap");
    assert_eq!(texts(&hub, &["t49"], 49), Ok("50=x ".into()));
}

#[test]
fn a_pass_over_many_topics_ends() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(|hub| hub.retention.age_ms_max = 10);
    let (hub, loaded) = open(folder.path(), &config);
    let answers: Vec<Answer> = (0..10_000)
        .map(|number| hub.publish(&format!("t{number}"), "x", 0))
        .collect();
    for answer in answers {
        wait(answer).unwrap();
    }
    hub.sweep(1_000);
    while loaded.log.counts().messages > 0 {
        std::thread::yield_now();
    }
    // In steps of 512, and then no more.
    let commits = loaded.log.counts().commits;
    assert!((20..60).contains(&commits), "{commits} commits");
    drop(hub);
    let hub = reopen(folder.path(), &config);
    assert_eq!(hub.floor(&["t17"]), 18);
}

#[test]
fn keys_survive_within_their_window() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(|hub| {
        hub.keys = KeyWindow {
            keys_max: 3,
            key_bytes_max: 4,
            age_ms_max: 100,
        };
    });
    let once = |hub: &squall_hub::Hub, topic: &str, key: &str, now_ms| {
        let publish = Publish {
            topic,
            data: "x".into(),
            meta: None,
            key: Some(key),
            now_ms,
        };
        wait(hub.publish_with(publish)).map(|cursor| cursor.offset)
    };
    let (hub, _) = open(folder.path(), &config);
    assert_eq!(once(&hub, "x", "a", 0), Ok(1));
    assert_eq!(once(&hub, "x", "a", 0), Ok(1));
    assert_eq!(once(&hub, "y", "a", 50), Ok(2), "keys are of topics");
    assert_eq!(once(&hub, "x", "12345", 0), Err(PublishError::BadKey));
    drop(hub);

    let hub = reopen(folder.path(), &config);
    assert_eq!(once(&hub, "x", "a", 100), Ok(1));
    assert_eq!(once(&hub, "x", "a", 101), Ok(3), "one past its age");
    drop(hub);

    let hub = reopen(folder.path(), &config);
    assert_eq!(once(&hub, "x", "a", 102), Ok(3));
    assert_eq!(
        (once(&hub, "x", "b", 103), once(&hub, "x", "c", 103)),
        (Ok(4), Ok(5))
    );
    assert_eq!(once(&hub, "y", "a", 103), Ok(6), "one too many");
    assert_eq!(hub.topic_counts("x").messages, 4);
}

#[test]
fn the_same_key_twice_at_once_is_one_message() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, _) = open(folder.path(), &DurableConfig::default());
    let answers: Vec<Answer> = (0..100)
        .map(|_| {
            hub.publish_with(Publish {
                topic: "x",
                data: "x".into(),
                meta: None,
                key: Some("k"),
                now_ms: 0,
            })
        })
        .collect();
    for answer in answers {
        assert_eq!(wait(answer).unwrap().offset, 1);
    }
    assert_eq!(hub.topic_counts("x").messages, 1);
}

#[test]
fn what_is_withdrawn_does_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let config = DurableConfig::default();
    let (hub, loaded) = open(folder.path(), &config);
    for data in ["a", "b", "a", "c"] {
        publish(&hub, "x", data, 0);
    }
    let (count, answer) = hub.withdraw_kept("x", |message| message.data == "a");
    assert_eq!(count, 2);
    wait(answer).unwrap();
    assert_eq!(loaded.log.counts().messages, 2);
    // Not awaited: it happens all the same.
    assert_eq!(hub.withdraw("x", |message| message.data == "c"), 1);
    drop(hub);
    let hub = reopen(folder.path(), &config);
    assert_eq!(texts(&hub, &["x"], 0), Ok("2=b ".into()), "and it is no gap");
    assert_eq!(publish(&hub, "x", "d", 0), 5, "no offset is given twice");
}

#[test]
fn topics_in_memory_share_the_order_and_say_what_they_lost() {
    let folder = tempfile::tempdir().unwrap();
    let config = DurableConfig {
        namespaces: vec![("cursor:".into(), Durability::Memory)],
        ..DurableConfig::default()
    };
    let (hub, _) = open(folder.path(), &config);
    let answer = hub.publish("cursor:1", "a", 0);
    assert_eq!(
        answer.ready().unwrap().unwrap().offset,
        1,
        "at once: nobody waits for the disk"
    );
    assert_eq!(publish(&hub, "room", "b", 0), 2);
    assert_eq!(publish(&hub, "cursor:1", "c", 0), 3);
    assert_eq!(texts(&hub, &["room", "cursor:1"], 0), Ok("1=a 2=b 3=c ".into()));
    drop(hub);

    let hub = reopen(folder.path(), &config);
    assert!(hub.head() >= 3, "no offset is given twice");
    assert_eq!(
        texts(&hub, &["room"], 0),
        Ok("2=b ".into()),
        "what is on disk has no gap"
    );
    assert_eq!(texts(&hub, &["room"], 3), Ok("".into()));
    assert_eq!(texts(&hub, &["cursor:1"], 3), Err(hub.head()), "what is not, has");
    assert_eq!(texts(&hub, &["cursor:2"], 3), Err(hub.head()));
    let next = publish(&hub, "cursor:1", "d", 0);
    assert_eq!(texts(&hub, &["cursor:1"], next - 1), Ok(format!("{next}=d ")));
}

#[test]
fn memory_and_disk_are_appended_in_one_order_by_many() {
    let folder = tempfile::tempdir().unwrap();
    let config = DurableConfig {
        namespaces: vec![("m".into(), Durability::Memory)],
        ..DurableConfig::default()
    };
    let (hub, _) = open(folder.path(), &config);
    let threads: Vec<_> = (0..4)
        .map(|number| {
            let hub = hub.clone();
            std::thread::spawn(move || {
                let topic = format!("{}{number}", if number % 2 == 0 { "m" } else { "d" });
                let mut last = 0;
                for text in 0..300 {
                    let offset = publish(&hub, &topic, &text.to_string(), 0);
                    assert!(offset > last);
                    last = offset;
                }
                topic
            })
        })
        .collect();
    for thread in threads {
        let topic = thread.join().unwrap();
        let said: Vec<String> = hub
            .history(&topic, 999)
            .iter()
            .map(|message| String::from_utf8_lossy(&message.data).into_owned())
            .collect();
        assert_eq!(said, (0..300).map(|text| text.to_string()).collect::<Vec<_>>());
    }
}

#[test]
fn other_rules_are_a_gap_where_they_may_hide_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = DurableConfig {
        durability: Durability::Memory,
        namespaces: vec![("room".into(), Durability::Disk)],
        ..DurableConfig::default()
    };
    let (hub, _) = open(folder.path(), &config);
    publish(&hub, "room", "a", 0);
    publish(&hub, "other", "b", 0);
    drop(hub);
    config.durability = Durability::Disk;
    let hub = reopen(folder.path(), &config);
    assert_eq!(texts(&hub, &["room"], 0), Ok("1=a ".into()));
    assert_eq!(texts(&hub, &["other"], 0), Err(hub.head()));
    publish(&hub, "other", "c", 0);
    drop(hub);
    config.namespaces[0].1 = Durability::Memory;
    let (hub, loaded) = open(folder.path(), &config);
    assert_eq!(
        texts(&hub, &["room"], 0),
        Err(hub.head()),
        "what is to be in memory alone is not filled again"
    );
    while loaded.log.counts().messages > 1 {
        std::thread::yield_now();
    }
    drop(hub);
    config.namespaces[0].1 = Durability::Disk;
    let hub = reopen(folder.path(), &config);
    assert_eq!(texts(&hub, &["room"], 0), Err(hub.head()));
}

#[test]
fn a_store_is_opened_once() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, _) = open(folder.path(), &DurableConfig::default());
    let error = DurableBroker::open(folder.path(), DurableConfig::default())
        .err()
        .unwrap();
    assert!(error.is_in_use(), "{error}");
    assert!(!error.to_string().contains('\n'));
    drop(hub);
    reopen(folder.path(), &DurableConfig::default());
}

#[test]
fn what_cannot_be_published_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(|hub| (hub.topic_bytes_max, hub.message_bytes_max) = (3, 5));
    let (hub, _) = open(folder.path(), &config);
    let refused = |topic: &str, data: &'static str| hub.publish(topic, data, 0).ready().unwrap().unwrap_err();
    assert_eq!(refused("abcd", "1"), AppendError::BadTopic.into());
    assert_eq!(refused("", "1"), AppendError::BadTopic.into());
    assert_eq!(refused("abc", "123456"), AppendError::TooBig.into());
    assert_eq!(publish(&hub, "abc", "12345", 0), 1);
}

#[test]
fn too_many_that_wait_are_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let config = DurableConfig {
        queue_messages_max: 8,
        group_messages_max: 4,
        ..DurableConfig::default()
    };
    let (hub, _) = open(folder.path(), &config);
    let mut busy = 0;
    let mut answers = Vec::new();
    for number in 0..2_000 {
        match hub.publish("x", number.to_string(), 0) {
            Answer::Ready(result) => {
                assert_eq!(result, Err(PublishError::Busy));
                busy += 1;
            }
            later => answers.push(later),
        }
    }
    assert!(busy > 0);
    let let_in = answers.len();
    for answer in answers {
        wait(answer).unwrap();
    }
    assert_eq!(hub.head(), let_in as u64);
}

#[test]
fn lower_limits_on_messages_are_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = DurableConfig::default();
    let (hub, _) = open(folder.path(), &config);
    for data in ["a", "bbbbb", "c"] {
        publish(&hub, "x", data, 0);
    }
    drop(hub);
    config.hub.message_bytes_max = 4;
    let hub = reopen(folder.path(), &config);
    assert_eq!(texts(&hub, &["x"], 1), Err(2));
    assert_eq!(texts(&hub, &["x"], 2), Ok("3=c ".into()));
}
