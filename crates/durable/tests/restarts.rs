//! Many restarts under a seeded mixture of everything: after each, the hub holds what it held.

mod common;

use std::collections::BTreeMap;

use common::{open, wait};
use squall_durable::{Durability, DurableConfig, Life};
use squall_hub::{Answer, Hub, HubConfig, MESSAGE_OVERHEAD_BYTES, Publish, Retention};

const TOPICS: [&str; 6] = ["few:a", "few:b", "old:a", "wide", "memory:a", "small:a"];

fn config() -> DurableConfig {
    let keep = |change: fn(&mut Retention)| {
        let mut retention = Retention::default();
        change(&mut retention);
        retention
    };
    DurableConfig {
        hub: HubConfig {
            namespaces: vec![
                ("few:".into(), keep(|keep| keep.messages_max = 130)),
                ("old:".into(), keep(|keep| keep.age_ms_max = 40)),
                (
                    "small:".into(),
                    keep(|keep| keep.bytes_max = 50 * (MESSAGE_OVERHEAD_BYTES + 20)),
                ),
            ],
            bytes_max: 600 * (MESSAGE_OVERHEAD_BYTES + 20),
            topics_max: 40,
            ..HubConfig::default()
        },
        namespaces: vec![("memory:".into(), Durability::Memory)],
        ..DurableConfig::default()
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % limit
    }
}

/// Data by offset.
type Messages = BTreeMap<u64, Vec<u8>>;

/// What was published to each topic and not withdrawn.
type Model = BTreeMap<String, Messages>;

/// What a hub holds of a topic, and the topic's floor.
fn held(hub: &Hub, topic: &str) -> (u64, Messages) {
    let messages = hub.history(topic, usize::MAX);
    let messages = messages
        .iter()
        .map(|message| (message.offset, message.data.to_vec()));
    (hub.topic_counts(topic).floor, messages.collect())
}

fn act(hub: &Hub, random: &mut Random, now_ms: &mut u64, model: &mut Model) {
    let topic = match random.below(20) {
        // Topics that come and go, more than are remembered.
        0 => format!("t{}", random.below(200)),
        _ => TOPICS[random.below(TOPICS.len() as u64) as usize].to_owned(),
    };
    let messages = model.entry(topic.clone()).or_default();
    *now_ms += random.below(3);
    match random.below(30) {
        0 => {
            let (_, answer) = hub.withdraw_kept(&topic, |message| message.offset.is_multiple_of(7));
            wait(answer).unwrap();
            messages.retain(|offset, _| !offset.is_multiple_of(7));
        }
        1 => hub.sweep(*now_ms),
        2 => {
            let key = random.below(30).to_string();
            let publish = Publish {
                topic: &topic,
                data: key.clone().into(),
                meta: None,
                key: Some(&key),
                now_ms: *now_ms,
            };
            let head = hub.head();
            let offset = wait(hub.publish_with(publish)).unwrap().offset;
            if offset > head {
                messages.insert(offset, key.into_bytes());
            }
        }
        _ => {
            let some = 1 + random.below(20);
            let data: Vec<Vec<u8>> = (0..some)
                .map(|_| vec![b'a' + random.below(26) as u8; random.below(40) as usize])
                .collect();
            let answers: Vec<Answer> = data
                .iter()
                .map(|data| hub.publish(&topic, data.clone(), *now_ms))
                .collect();
            for (answer, data) in answers.into_iter().zip(data) {
                messages.insert(wait(answer).unwrap().offset, data);
            }
        }
    }
}

/// A topic after a restart: everything beyond its floor, and no higher a floor than before.
fn check(hub: &Hub, topic: &str, floor_before: u64, head_before: u64, messages: &Messages, what: &str) {
    let (floor, there) = held(hub, topic);
    if topic.starts_with("memory:") {
        assert!(there.is_empty() && floor >= head_before, "{what}: {topic}");
        return;
    }
    let beyond = messages.range(floor + 1..);
    let beyond: Messages = beyond.map(|(offset, data)| (*offset, data.clone())).collect();
    assert_eq!(there, beyond, "{what}: {topic} beyond {floor}");
    let forgotten = hub.forgotten_floor();
    assert!(
        floor <= floor_before.max(forgotten),
        "{what}: {topic}: floor {floor}, before {floor_before}, forgotten {forgotten}"
    );
}

#[test]
fn a_hub_holds_after_each_restart_what_it_held() {
    for seed in 1..=3_u64 {
        let folder = tempfile::tempdir().unwrap();
        let mut random = Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let mut now_ms = 1_000;
        let mut model = Model::new();
        let (mut hub, _) = open(folder.path(), &config());
        for restart in 0..10 {
            for _ in 0..random.below(60) {
                act(&hub, &mut random, &mut now_ms, &mut model);
            }
            let floors: Vec<u64> = model.keys().map(|topic| hub.topic_counts(topic).floor).collect();
            let (head, epoch) = (hub.head(), hub.epoch());
            drop(hub);
            let (again, loaded) = open(folder.path(), &config());
            let what = format!("seed {seed}, restart {restart}");
            assert_eq!(loaded.life, Life::Resumed, "{what}");
            assert_eq!(again.epoch(), epoch, "{what}");
            assert!(again.head() >= head, "{what}");
            for ((topic, messages), floor) in model.iter().zip(floors) {
                check(&again, topic, floor, head, messages, &what);
            }
            hub = again;
        }
    }
}
