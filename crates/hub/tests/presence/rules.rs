//! Promises of presence, one by one.

use std::sync::Arc;

use squall_hub::presence::{
    Change, Changes, Entered, Holder, Member, Presence, PresenceConfig, PresenceError, Present, SessionId,
    Stats,
};

fn id(number: u128) -> SessionId {
    SessionId::from_number(number)
}

fn presence() -> Presence {
    Presence::new(PresenceConfig::default())
}

fn with(change: impl FnOnce(&mut PresenceConfig)) -> Presence {
    let mut config = PresenceConfig::default();
    change(&mut config);
    Presence::new(config)
}

#[test]
fn a_reconnect_within_the_grace_is_neither_a_leave_nor_a_join() {
    let presence = presence();
    assert_eq!(
        presence.enter("t", id(1), Member::user("ann"), 0),
        Ok(Entered::Joined)
    );
    presence.take_changes("t");
    assert!(presence.lost(id(1), 1_000));
    presence.sweep(10_999);
    assert_eq!(
        presence.enter("t", id(1), Member::user("ann"), 10_999),
        Ok(Entered::Back)
    );
    presence.sweep(u64::MAX - 1);
    assert_eq!(
        presence.stats("t").sessions,
        1,
        "held until its connection is lost"
    );
    assert_eq!(presence.take_changes("t"), Changes::Each(vec![]));
}

#[test]
fn the_grace_is_exact() {
    let presence = presence();
    presence.enter("t", id(1), Member::user("ann"), 0).unwrap();
    presence.take_changes("t");
    presence.lost(id(1), 1_000);
    assert_eq!(presence.sweep(10_999), 0);
    assert_eq!(presence.sweep(11_000), 1);
    let left = Change::Left(Present {
        session: id(1),
        member: Member::user("ann"),
    });
    assert_eq!(presence.take_changes("t"), Changes::Each(vec![left]));
}

#[test]
fn an_old_connection_that_dies_late_does_not_end_a_session_that_is_back() {
    let presence = presence();
    let holder = |connection| Holder {
        session: id(1),
        connection,
    };
    presence.enter("t", holder(1), Member::user("ann"), 0).unwrap();
    assert_eq!(
        presence.enter("t", holder(2), Member::user("ann"), 500),
        Ok(Entered::Back)
    );
    assert!(!presence.lost(holder(1), 600), "it holds nothing any more");
    assert_eq!(presence.sweep(1 << 40), 0);
    assert!(presence.lost(holder(2), 1 << 40));
    assert_eq!(presence.sweep(1 << 41), 1);
}

#[test]
fn a_session_cannot_be_taken_over_by_another_user() {
    let presence = presence();
    presence.enter("t", id(1), Member::user("ann"), 0).unwrap();
    for topic in ["t", "u"] {
        let answer = presence.enter(topic, id(1), Member::user("eve"), 0);
        assert_eq!(answer, Err(PresenceError::OtherUser));
    }
    assert_eq!(&*presence.member("t", id(1)).unwrap().user, "ann");
}

#[test]
fn what_came_and_went_between_two_ticks_is_not_told() {
    let presence = presence();
    presence.enter("t", id(1), Member::user("ann"), 0).unwrap();
    presence.leave("t", id(1));
    assert!(presence.take_changed(10).is_empty());
    presence.enter("t", id(1), Member::user("ann"), 0).unwrap();
    presence.take_changed(10);
    presence.leave("t", id(1));
    presence.enter("t", id(1), Member::user("ann"), 0).unwrap();
    assert!(presence.take_changed(10).is_empty());
}

#[test]
fn what_is_said_of_a_session_changes_in_all_of_its_topics() {
    let presence = presence();
    let said = |text: &str| Member {
        conn_info: Some(text.as_bytes().into()),
        ..Member::user("ann")
    };
    presence.enter("t", id(1), said("old"), 0).unwrap();
    presence.enter("u", id(1), said("old"), 0).unwrap();
    presence.take_changed(10);
    presence.enter("t", id(1), said("new"), 0).unwrap();
    let update = Change::Updated(Present {
        session: id(1),
        member: said("new"),
    });
    for topic in ["t", "u"] {
        assert_eq!(presence.take_changes(topic), Changes::Each(vec![update.clone()]));
    }
}

#[test]
fn more_changes_than_a_topic_tells_are_many() {
    let presence = with(|config| config.changes_max = 2);
    for number in 1..=2 {
        presence.enter("t", id(number), Member::user("ann"), 0).unwrap();
    }
    assert!(matches!(presence.take_changes("t"), Changes::Each(each) if each.len() == 2));
    for number in 3..=5 {
        presence.enter("t", id(number), Member::user("bob"), 0).unwrap();
    }
    let stats = Stats {
        sessions: 5,
        users: 2,
    };
    assert_eq!(presence.take_changes("t"), Changes::Many(stats));
    assert_eq!(presence.take_changes("t"), Changes::Each(vec![]), "said once");
}

#[test]
fn each_limit_is_exact() {
    let presence = with(|config| {
        config.members_max = 2;
        config.session_topics_max = 3;
        config.topics_max = 4;
        config.topic_bytes_max = 4;
        config.user_bytes_max = 4;
        config.info_bytes_max = 4;
    });
    let enter = |topic: &str, number, member| presence.enter(topic, id(number), member, 0).map(drop);
    let info = |bytes: usize| Some(Arc::from(vec![b'x'; bytes]));
    let with_info = |conn_info, info| Member {
        user: "ann".into(),
        conn_info,
        info,
    };
    assert_eq!(enter("", 1, Member::default()), Err(PresenceError::BadTopic));
    assert_eq!(enter("12345", 1, Member::default()), Err(PresenceError::BadTopic));
    assert_eq!(
        enter("1234", 9, Member::user("12345")),
        Err(PresenceError::UserTooLong)
    );
    assert_eq!(enter("1234", 1, Member::user("1234")), Ok(()));
    assert_eq!(
        enter("1234", 2, with_info(info(5), None)),
        Err(PresenceError::InfoTooBig)
    );
    assert_eq!(
        enter("1234", 2, with_info(None, info(5))),
        Err(PresenceError::InfoTooBig)
    );
    assert_eq!(enter("1234", 2, with_info(info(4), info(4))), Ok(()));
    assert_eq!(
        enter("1234", 3, Member::user("bob")),
        Err(PresenceError::TopicFull)
    );
    assert_eq!(
        enter("1234", 2, Member::user("ann")),
        Ok(()),
        "who is there may say so again"
    );
    assert_eq!(enter("b", 2, Member::user("ann")), Ok(()));
    assert_eq!(enter("c", 2, Member::user("ann")), Ok(()));
    assert_eq!(
        enter("d", 2, Member::user("ann")),
        Err(PresenceError::SessionFull)
    );
    assert_eq!(enter("d", 4, Member::user("bob")), Ok(()));
    assert_eq!(
        enter("e", 4, Member::user("bob")),
        Err(PresenceError::TooManyTopics)
    );
    presence.leave("d", id(4));
    // Once that `d` had anybody is taken back, there is nothing to remember of it.
    assert_eq!(
        enter("e", 4, Member::user("bob")),
        Ok(()),
        "nobody is in `d` any more"
    );
    let temporary = [PresenceError::TopicFull, PresenceError::OutOfBytes];
    assert!(temporary.iter().all(|error| error.is_temporary()));
    assert!(!PresenceError::OtherUser.is_temporary());
}

#[test]
fn bytes_have_a_limit_and_are_given_back() {
    let presence = with(|config| config.bytes_max = 100_000);
    let member = |number: u128| Member {
        info: Some(vec![0; 1_000].into()),
        ..Member::user(format!("user {number}"))
    };
    let fits = (0..1_000)
        .take_while(|number| presence.enter("t", id(*number), member(*number), 0).is_ok())
        .count();
    assert!((50..100).contains(&fits), "{fits}");
    assert!(presence.counts().bytes <= 100_000);
    assert_eq!(
        presence.enter("t", id(5_000), member(5_000), 0),
        Err(PresenceError::OutOfBytes)
    );
    for number in 0..fits as u128 {
        assert_eq!(presence.end(id(number)), 1);
    }
    presence.take_changed(10);
    assert_eq!(presence.counts().bytes, 0);
}

#[test]
fn changes_that_nobody_takes_make_room_for_members() {
    let presence = with(|config| config.bytes_max = 10_000);
    let member = Member {
        info: Some(vec![0; 1_000].into()),
        ..Member::user("ann")
    };
    for number in 0..6 {
        presence.enter("old", id(number), member.clone(), 0).unwrap();
    }
    presence.take_changes("old");
    // Each who left is remembered with what was seen of it, until that is told.
    for number in 0..6 {
        presence.end(id(number));
    }
    assert!(presence.counts().bytes > 6_000);
    for number in 6..12 {
        presence.enter("new", id(number), member.clone(), 0).unwrap();
    }
    assert_eq!(presence.take_changes("old"), Changes::Many(Stats::default()));
}

#[test]
fn who_never_takes_changes_need_not_have_them_noted() {
    let presence = with(|config| {
        config.changes_max = 0;
        config.topics_max = 1;
    });
    for number in 0..10 {
        presence
            .enter(&format!("t{number}"), id(1), Member::user("ann"), 0)
            .unwrap();
        presence.end(id(1));
    }
    assert!(presence.take_changed(10).is_empty());
    assert_eq!(presence.counts().bytes, 0);
}

#[test]
fn who_is_there_all_the_while_is_in_exactly_one_page() {
    let presence = presence();
    for number in (0..100).step_by(2) {
        presence.enter("t", id(number), Member::user("even"), 0).unwrap();
    }
    let (mut seen, mut after, mut coming) = (Vec::new(), None, (0..50).map(|n| (n * 37 % 50) * 2 + 1));
    loop {
        let page = presence.members("t", after, 7);
        seen.extend(page.members.into_iter().map(|present| present.session));
        after = page.next;
        if after.is_none() {
            break;
        }
        // Others come and go meanwhile, before and behind.
        for number in coming.by_ref().take(5) {
            presence.enter("t", id(number), Member::user("odd"), 0).unwrap();
            presence.leave("t", id(((number + 41) % 100) | 1));
        }
    }
    let even: Vec<SessionId> = (0..100).step_by(2).map(id).collect();
    let odd = |session: &SessionId| session.to_bytes()[15] % 2 == 1;
    assert!(seen.is_sorted(), "in order, each once");
    assert_eq!(
        seen.iter()
            .copied()
            .filter(|session| !odd(session))
            .collect::<Vec<_>>(),
        even
    );
}

#[test]
fn many_threads_leave_nobody_behind() {
    let presence = with(|config| config.changes_max = 10);
    std::thread::scope(|scope| {
        for thread in 0..4_u128 {
            let presence = presence.clone();
            scope.spawn(move || {
                for round in 0..500_u128 {
                    let session = id(thread << 64 | round);
                    presence
                        .enter("all", session, Member::user(format!("{thread}")), 0)
                        .unwrap();
                    presence
                        .enter(
                            &format!("own {thread}"),
                            session,
                            Member::user(format!("{thread}")),
                            0,
                        )
                        .unwrap();
                    presence.lost(session, 0);
                    presence.take_changed(3);
                    presence.members("all", None, 10);
                    if round % 50 == 0 {
                        presence.sweep(0);
                    }
                }
            });
        }
    });
    let stats = presence.stats("all");
    assert_eq!((stats.sessions, stats.users), (2_000, 4));
    assert_eq!(presence.sweep(1 << 40), 4_000);
    presence.take_changed(100);
    assert_eq!(presence.counts(), squall_hub::presence::PresenceCounts::default());
}
