//! What topics keep can be changed while the hub runs.

use squall_hub::{Gap, Hub, HubConfig, Retention};

fn hub() -> Hub {
    Hub::new(HubConfig {
        namespaces: vec![("short:".into(), keeps(200))],
        ..HubConfig::default()
    })
}

/// More than the window that every topic has.
fn keeps(messages_max: usize) -> Retention {
    Retention {
        messages_max,
        ..Retention::default()
    }
}

fn publish(hub: &Hub, topic: &str, count: usize, now_ms: u64) {
    for number in 0..count {
        let published = hub.publish(topic, number.to_string(), now_ms).ready();
        published.expect("at once").expect("published");
    }
}

fn held(hub: &Hub, topic: &str) -> usize {
    hub.topic_counts(topic).messages
}

#[test]
fn less_is_kept_at_once_and_more_from_then_on() {
    let hub = hub();
    publish(&hub, "long:a", 500, 0);
    publish(&hub, "short:a", 500, 0);
    assert_eq!((held(&hub, "long:a"), held(&hub, "short:a")), (500, 200));

    hub.retain(keeps(300), vec![("short:".into(), keeps(400))]);
    assert_eq!((held(&hub, "long:a"), held(&hub, "short:a")), (300, 200));
    assert_eq!(hub.counts().messages, 500);
    publish(&hub, "long:a", 500, 0);
    publish(&hub, "short:a", 500, 0);
    publish(&hub, "short:b", 500, 0);
    let counts = ["long:a", "short:a", "short:b"].map(|topic| held(&hub, topic));
    assert_eq!(counts, [300, 400, 400], "topics that there were, and a new one");
    assert_eq!(hub.counts().messages, 1100);
}

#[test]
fn the_longest_prefix_wins_and_a_rule_that_is_gone_no_longer_counts() {
    let hub = hub();
    let namespaces = vec![("a".into(), keeps(200)), ("a:b".into(), keeps(300))];
    hub.retain(keeps(400), namespaces);
    for topic in ["a:bc", "a", "short:a"] {
        publish(&hub, topic, 500, 0);
    }
    assert_eq!(
        ["a:bc", "a", "short:a"].map(|topic| held(&hub, topic)),
        [300, 200, 400]
    );
}

#[test]
fn who_lacks_what_was_evicted_is_told_of_a_gap() {
    let hub = hub();
    publish(&hub, "long:a", 500, 0);
    assert_eq!(hub.read(&["long:a"], 150, 1).expect("held")[0].offset, 151);
    hub.retain(keeps(300), Vec::new());
    assert_eq!(hub.read(&["long:a"], 150, 1), Err(Gap { resume: 200 }));
    assert_eq!(hub.read(&["long:a"], 200, 1).expect("held")[0].offset, 201);
}

#[test]
fn a_shorter_age_counts_for_what_is_there_and_a_longer_one_too() {
    let with_age = |age_ms_max| Retention {
        age_ms_max,
        ..Retention::default()
    };
    let hub = hub();
    hub.retain(with_age(10_000), Vec::new());
    publish(&hub, "a", 1, 0);
    publish(&hub, "b", 1, 4_000);
    hub.retain(with_age(2_000), Vec::new());
    assert_eq!(
        (held(&hub, "a"), held(&hub, "b")),
        (0, 1),
        "4,000 was the last time heard of"
    );
    hub.sweep(6_000);
    assert_eq!(held(&hub, "b"), 1, "at its age");
    hub.sweep(6_001);
    assert_eq!(held(&hub, "b"), 0, "one past it");

    publish(&hub, "a", 1, 7_000);
    hub.retain(with_age(5_000), Vec::new());
    hub.sweep(12_000);
    assert_eq!(held(&hub, "a"), 1);
    hub.sweep(12_001);
    assert_eq!(held(&hub, "a"), 0);
    assert_eq!(hub.counts().messages, 0);
}
