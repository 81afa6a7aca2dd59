use std::sync::Mutex;

use super::*;
use crate::HubConfig;

#[derive(Default)]
struct Notes(Mutex<Vec<u32>>);

impl Mailbox for Notes {
    fn moved(&self, tag: u32) {
        self.0.lock().unwrap().push(tag);
    }
}

fn roster() -> (Hub, Arc<Notes>, Roster<char>) {
    let hub = Hub::new(HubConfig::default());
    let notes = Arc::new(Notes::default());
    (hub.clone(), notes.clone(), Roster::new(hub, notes))
}

fn join(roster: &mut Roster<char>, owner: u64, data: char) -> u32 {
    roster.join(Join {
        owner,
        kind: 0,
        policy: Policy::Gap,
        data,
    })
}

fn publish(hub: &Hub, topic: &str, data: &'static str) -> u64 {
    hub.publish(topic, data, 0).ready().unwrap().unwrap().offset
}

fn named(roster: &mut Roster<char>, notes: &Notes) -> String {
    let tags = std::mem::take(&mut *notes.0.lock().unwrap());
    let mut names = Vec::new();
    roster.moved(&tags, |_, follower| names.push(follower.data));
    names.sort_unstable();
    names.into_iter().collect()
}

#[test]
fn one_note_until_it_is_taken_and_everybody_named_once() {
    let (hub, notes, mut roster) = roster();
    let a = join(&mut roster, 1, 'a');
    let b = join(&mut roster, 2, 'b');
    roster.follow(a, "room", 0, 0).unwrap();
    roster.follow(a, "other", 0, 0).unwrap();
    roster.follow(b, "room", 0, 0).unwrap();
    for _ in 0..3 {
        publish(&hub, "room", "x");
        publish(&hub, "other", "y");
    }
    assert_eq!(notes.0.lock().unwrap().len(), 2);
    assert_eq!(named(&mut roster, &notes), "ab");
    assert_eq!(named(&mut roster, &notes), "");
    publish(&hub, "other", "y");
    assert_eq!(named(&mut roster, &notes), "a");
}

#[test]
fn leaving_keeps_the_places_of_the_others() {
    let (hub, notes, mut roster) = roster();
    let all: Vec<u32> = ('a'..='f').map(|c| join(&mut roster, 7, c)).collect();
    for number in &all {
        roster.follow(*number, "x", 0, 0).unwrap();
        roster.follow(*number, "y", 0, 0).unwrap();
        roster.follow(*number, "x", 1, 0).unwrap();
    }
    assert_eq!(hub.topic_counts("x").followers, 12);
    assert_eq!(roster.leave(all[0]), Some('a'));
    assert_eq!(roster.leave(all[0]), None);
    assert!(roster.unfollow(all[2], "x", Some(0)));
    assert!(roster.unfollow(all[3], "y", None));
    assert!(!roster.unfollow(all[3], "y", None));
    assert_eq!(roster.leave(all[4]), Some('e'));
    publish(&hub, "y", "1");
    assert_eq!(named(&mut roster, &notes), "bcf");
    publish(&hub, "x", "1");
    assert_eq!(named(&mut roster, &notes), "bcdf");
    let mut owned = roster.owned_by(7).to_vec();
    owned.sort_unstable();
    assert_eq!(owned, [all[1], all[2], all[3], all[5]]);
    for number in owned {
        roster.leave(number);
    }
    assert!(roster.owned_by(7).is_empty() && roster.is_empty());
    assert_eq!(hub.topic_counts("x").followers, 0);
    assert!(roster.watched.local("x").is_none());
}

#[test]
fn a_number_that_is_used_again_has_another_life() {
    let (_, _, mut roster) = roster();
    let first = join(&mut roster, 1, 'a');
    let life = roster.life(first);
    roster.leave(first);
    let second = join(&mut roster, 1, 'b');
    assert_eq!(first, second);
    assert_ne!(roster.life(second), life);
}

#[test]
fn several_topics_are_one_order_and_a_late_follow_begins_late() {
    let (hub, _, mut roster) = roster();
    let a = join(&mut roster, 1, 'a');
    roster.follow(a, "x", 0, 0).unwrap();
    publish(&hub, "x", "1");
    publish(&hub, "y", "2");
    roster.follow(a, "y", 0, hub.head()).unwrap();
    publish(&hub, "y", "3");
    publish(&hub, "x", "4");
    let mut out = Vec::new();
    roster.read(a, 0, hub.head(), 10, &mut out).unwrap();
    let offsets: Vec<u64> = out.iter().map(|(_, message)| message.offset).collect();
    assert_eq!(offsets, [1, 3, 4]);
    out.clear();
    roster.read(a, 0, hub.head(), 2, &mut out).unwrap();
    assert_eq!(out.len(), 2);
    out.clear();
    roster.read(a, 1, 3, 10, &mut out).unwrap();
    assert_eq!(out.len(), 1, "nothing beyond the head that was read before");
}

#[test]
fn a_refused_name_leaves_nothing_behind() {
    let (hub, _, mut roster) = roster();
    let a = join(&mut roster, 1, 'a');
    assert!(roster.follow(a, "", 0, 0).is_err());
    let long = "t".repeat(hub.config().topic_bytes_max);
    assert!(roster.follow(a, &long, 0, 0).is_ok());
    assert!(roster.follow(a, &format!("{long}t"), 0, 0).is_err());
    assert_eq!(roster.get(a).unwrap().subscriptions().len(), 1);
    roster.leave(a);
    assert_eq!(
        hub.counts().topics,
        0,
        "a topic that was only followed is not remembered"
    );
}

#[test]
fn a_follower_can_come_to_belong_to_somebody() {
    let (_, _, mut roster) = roster();
    let [a, b, c] = [(0, 'a'), (7, 'b'), (7, 'c')].map(|(owner, data)| join(&mut roster, owner, data));
    roster.belong(a, 7);
    assert_eq!(roster.owned_by(7), [b, c, a]);
    roster.belong(b, 8);
    assert_eq!((roster.owned_by(7), roster.owned_by(8)), (&[a, c][..], &[b][..]));
    roster.leave(a);
    assert_eq!(roster.owned_by(7), [c]);
}

#[test]
fn what_is_lost_is_known_for_each_topic() {
    let config = HubConfig {
        retention: crate::Retention {
            messages_max: 0,
            bytes_max: 200,
            ..crate::Retention::default()
        },
        ..HubConfig::default()
    };
    let hub = Hub::new(config);
    let mut roster = Roster::new(hub.clone(), Arc::new(Notes::default()));
    let a = join(&mut roster, 1, 'a');
    roster.follow(a, "fast", 3, 0).unwrap();
    roster.follow(a, "calm", 3, 0).unwrap();
    publish(&hub, "calm", "x");
    for _ in 0..5 {
        publish(&hub, "fast", "x");
    }
    let fast = roster.topic_number("fast").unwrap();
    assert_eq!(roster.lost(a, 0), [fast]);
    assert_eq!(&**roster.topic_name_of(fast), "fast");
    assert_eq!((roster.lost(a, 4), roster.newest(fast)), (vec![], 6));
    assert_eq!(roster.followers_of(fast).collect::<Vec<_>>(), [a]);
    roster.restyle(a, fast, 3, 4);
    let styles: Vec<u16> = roster
        .get(a)
        .unwrap()
        .subscriptions()
        .iter()
        .map(|s| s.style)
        .collect();
    assert_eq!(styles, [4, 3]);
}
