//! Sessions as their clients see them, without sockets and with a clock that is moved.

mod rig;

use rig::Rig;

use super::Disconnect;
use crate::live::{HubConfig, Retention};

/// Without what is random.
fn masked(text: &str) -> String {
    let Some(at) = text.find(r#""client":""#) else {
        return text.to_owned();
    };
    let at = at + r#""client":""#.len();
    format!("{}*{}", &text[..at], &text[at + 36..])
}

#[test]
fn a_frame_of_commands_is_answered_by_a_frame_of_replies_in_order() {
    let mut rig = Rig::new(|_| ());
    let mut peer = rig.open();
    let said = rig.ask(
        &mut peer,
        concat!(
            r#"{"id":1,"connect":{"token":"ann"}}"#,
            "\n",
            r#"{"id":2,"subscribe":{"channel":"r"}}"#,
            "\n",
            r#"{"id":3,"rpc":{"data":{"a":1}}}"#,
            "\n",
            r#"{"id":4,"ping":{}}"#,
            "\n",
            r#"{"id":5,"presence":{"channel":"r"}}"#
        ),
    );
    assert_eq!(said.len(), 1);
    let lines: Vec<String> = said[0].lines().map(masked).collect();
    assert_eq!(
        lines,
        [
            r#"{"id":1,"connect":{"client":"*","ping":25,"pong":true}}"#,
            r#"{"id":2,"subscribe":{"recoverable":true,"epoch":"e","positioned":true}}"#,
            r#"{"id":3,"rpc":{"data":{"a":1}}}"#,
            r#"{"id":4,"ping":{}}"#,
            r#"{"id":5,"error":{"code":103,"message":"permission denied"}}"#,
        ]
    );
}

#[test]
fn what_is_not_the_protocol_ends_it() {
    for (connected, frame) in [
        (false, "hello"),
        (false, r#"{"id":1,"subscribe":{"channel":"r"}}"#),
        (false, r#"{"connect":{}}"#),
        (false, "{}"),
        (true, r#"{"id":2,"connect":{}}"#),
        (true, r#"{"subscribe":{"channel":"r"}}"#),
        (true, r#"{"id":2}"#),
        (true, r#"{"id":2,"subscribe":{}}"#),
        (true, r#"{"id":2,"refresh":{"token":"t"}}"#),
        (true, "{}"),
        (true, "{}\n\n{}"),
    ] {
        let mut rig = Rig::new(|_| ());
        let mut peer = if connected {
            rig.connected("ann")
        } else {
            rig.open()
        };
        assert_eq!(rig.ask(&mut peer, frame), ["close 3501"], "{frame}");
    }
}

#[test]
fn who_does_not_connect_in_time_is_sent_away() {
    let mut rig = Rig::new(|config| config.ping_interval_s = 0);
    let (mut stale, mut fresh) = (rig.open(), rig.connected("ann"));
    rig.tick(10);
    assert!(rig.read(&mut stale).is_empty());
    rig.tick(11);
    assert_eq!(rig.read(&mut stale), ["close 3502"]);
    assert!(rig.read(&mut fresh).is_empty());
}

#[test]
fn a_ping_comes_in_each_interval_and_wants_a_pong() {
    let mut rig = Rig::new(|_| ());
    let mut peer = rig.connected("ann");
    // Follower 0 has its second in each interval.
    rig.tick(24);
    assert!(rig.read(&mut peer).is_empty());
    rig.tick(25);
    assert_eq!(rig.read(&mut peer), ["{}"]);
    assert!(rig.ask(&mut peer, "{}").is_empty());
    rig.tick(33);
    assert!(rig.read(&mut peer).is_empty());
    rig.tick(50);
    assert_eq!(rig.read(&mut peer), ["{}"]);
    rig.tick(57);
    assert!(rig.read(&mut peer).is_empty());
    rig.tick(58);
    assert_eq!(rig.read(&mut peer), ["close 3012"]);
    assert_eq!(*rig.policy.gone.lock().unwrap(), [("ann".to_owned(), 3012)]);
}

#[test]
fn a_subscription_begins_where_its_reply_ends() {
    let mut rig = Rig::new(|_| ());
    let mut peer = rig.connected("ann");
    for n in 1..=3 {
        rig.publish("r", &n.to_string());
        rig.publish("other", "x");
    }
    rig.say(
        &peer,
        r#"{"id":2,"subscribe":{"channel":"r","recover":true,"epoch":"e","offset":1}}"#,
    );
    // Published after the reply was made, and before it was written.
    rig.publish("r", "4");
    let said = rig.read(&mut peer);
    assert_eq!(
        said,
        [
            concat!(
                r#"{"id":2,"subscribe":{"recoverable":true,"epoch":"e","publications":[{"data":2,"offset":3},"#,
                r#"{"data":3,"offset":5}],"recovered":true,"offset":1,"positioned":true,"was_recovering":true}}"#
            ),
            r#"{"push":{"channel":"r","pub":{"data":4,"offset":7}}}"#,
        ]
    );
    let said = rig.ask(&mut peer, r#"{"id":3,"unsubscribe":{"channel":"r"}}"#);
    assert_eq!(said, [r#"{"id":3,"unsubscribe":{}}"#]);
    rig.publish("r", "5");
    assert!(rig.read(&mut peer).is_empty());
}

#[test]
fn what_cannot_be_recovered_is_said() {
    let small = Retention {
        messages_max: 0,
        bytes_max: 300,
        ..Retention::default()
    };
    let hub = HubConfig {
        epoch: "e".parse().unwrap(),
        retention: small,
        ..HubConfig::default()
    };
    let mut rig = Rig::with(hub, |_| ());
    let mut peer = rig.connected("ann");
    for _ in 0..9 {
        rig.publish("r", "1");
    }
    for (n, since) in [
        r#""epoch":"e","offset":1"#,
        r#""epoch":"another","offset":9"#,
        r#""epoch":"e","offset":10"#,
    ]
    .iter()
    .enumerate()
    {
        let id = 10 + n;
        let ask = format!(r#"{{"id":{id},"subscribe":{{"channel":"r","recover":true,{since}}}}}"#);
        let said = rig.ask(&mut peer, &ask);
        let reply = format!(
            r#"{{"id":{id},"subscribe":{{"recoverable":true,"epoch":"e","offset":9,"positioned":true,"was_recovering":true}}}}"#
        );
        assert_eq!(said, [reply]);
        rig.ask(&mut peer, r#"{"id":99,"unsubscribe":{"channel":"r"}}"#);
        let reject = ask.replace("\"recover\"", "\"flag\":2,\"recover\"");
        let said = rig.ask(&mut peer, &reject);
        assert!(said[0].contains(r#""error":{"code":112,"#), "{said:?}");
    }
}

#[test]
fn a_reader_that_is_too_slow_is_told_which_of_its_channels_has_a_gap() {
    let mut rig = Rig::new(|_| ());
    let mut peer = rig.connected("ann");
    rig.ask(&mut peer, r#"{"id":2,"subscribe":{"channel":"fast"}}"#);
    rig.ask(&mut peer, r#"{"id":3,"subscribe":{"channel":"calm"}}"#);
    let calm = rig.publish("calm", "1");
    for n in 0..1_100 {
        rig.publish("fast", &n.to_string());
    }
    let said = rig.read(&mut peer);
    let both: Vec<String> = said.into_iter().chain(rig.read(&mut peer)).collect();
    assert_eq!(
        both,
        [
            r#"{"push":{"channel":"fast","unsubscribe":{"code":2500,"reason":"insufficient state"}}}"#
                .to_owned(),
            format!(r#"{{"push":{{"channel":"calm","pub":{{"data":1,"offset":{calm}}}}}}}"#),
        ]
    );
    assert_eq!(rig.sessions.counts().gaps, 1);
    let said = rig.ask(
        &mut peer,
        r#"{"id":4,"subscribe":{"channel":"fast","recover":true,"epoch":"e","offset":1}}"#,
    );
    assert!(
        said[0].contains(r#""was_recovering":true"#) && !said[0].contains("recovered\":true"),
        "{said:?}"
    );
}

#[test]
fn every_limit_is_exact() {
    let mut rig = Rig::new(|config| {
        config.subscriptions_max = 2;
        config.channel_bytes_max = 5;
        config.message_bytes_max = 4;
        config.publish_burst_max = 2;
        config.publish_rate_max = 1;
        config.user_sessions_max = 2;
        config.history_messages_max = 2;
    });
    let mut peer = rig.connected("ann");
    let code = |said: &[String]| {
        let reply: serde_json::Value = serde_json::from_str(&said[0]).unwrap();
        reply["error"]["code"].as_u64()
    };
    let mut ask = |command: &str| code(&rig.ask(&mut peer, command));
    assert_eq!(ask(r#"{"id":2,"subscribe":{"channel":"12345"}}"#), None);
    assert_eq!(ask(r#"{"id":2,"subscribe":{"channel":"123456"}}"#), Some(107));
    assert_eq!(
        ask("{\"id\":2,\"subscribe\":{\"channel\":\"\\u0001\"}}"),
        Some(107)
    );
    assert_eq!(ask(r#"{"id":2,"subscribe":{"channel":"12345"}}"#), Some(105));
    assert_eq!(ask(r#"{"id":2,"subscribe":{"channel":"b"}}"#), None);
    assert_eq!(ask(r#"{"id":2,"subscribe":{"channel":"c"}}"#), Some(106));
    assert_eq!(
        ask(r#"{"id":2,"publish":{"channel":"c","data":12345}}"#),
        Some(107)
    );
    assert_eq!(ask(r#"{"id":2,"publish":{"channel":"c","data":1234}}"#), None);
    assert_eq!(ask(r#"{"id":2,"publish":{"channel":"c","data":1234}}"#), None);
    assert_eq!(
        ask(r#"{"id":2,"publish":{"channel":"c","data":1234}}"#),
        Some(111)
    );
    rig.publish("c", "3");
    let said = rig.ask(&mut peer, r#"{"id":2,"history":{"channel":"c","limit":9}}"#);
    assert_eq!(said[0].matches("\"data\"").count(), 2);
    let mut second = rig.connected("ann");
    let mut third = rig.open();
    let connect = r#"{"id":1,"connect":{"token":"ann"}}"#;
    assert_eq!(rig.ask(&mut third, connect), ["close 3504"]);
    rig.sessions.disconnect("ann", None, Disconnect::FORCE_RECONNECT);
    assert_eq!(rig.read(&mut second), ["close 3011"]);
    let mut fourth = rig.open();
    assert!(rig.ask(&mut fourth, connect)[0].contains("client"));
}

#[tokio::test]
async fn commands_wait_for_the_one_before_them_and_not_for_ever() {
    let mut rig = Rig::new(|config| config.commands_waiting_max = 3);
    let mut peer = rig.connected("ann");
    let said = rig.ask(
        &mut peer,
        "{\"id\":2,\"rpc\":{\"method\":\"wait\",\"data\":1}}\n{\"id\":3,\"rpc\":{\"data\":2}}",
    );
    assert!(said.is_empty());
    rig.policy.gate.notify_one();
    while rig.read(&mut peer) != ["{\"id\":2,\"rpc\":{\"data\":1}}\n{\"id\":3,\"rpc\":{\"data\":2}}"] {
        tokio::task::yield_now().await;
    }
    rig.say(&peer, r#"{"id":4,"rpc":{"method":"wait"}}"#);
    for id in 5..8 {
        assert!(
            rig.ask(&mut peer, &format!(r#"{{"id":{id},"rpc":{{}}}}"#))
                .is_empty()
        );
    }
    assert_eq!(rig.ask(&mut peer, r#"{"id":8,"rpc":{}}"#), ["close 3013"]);
}

#[tokio::test]
async fn what_the_server_says_while_it_is_being_decided_holds() {
    let mut rig = Rig::new(|_| ());
    let mut peer = rig.open();
    // Whoever is let in as `wait` is sent away before that.
    assert!(
        rig.ask(&mut peer, r#"{"id":1,"connect":{"token":"wait"}}"#)
            .is_empty()
    );
    tokio::task::yield_now().await;
    rig.sessions
        .disconnect("wait", None, Disconnect::FORCE_NO_RECONNECT);
    rig.policy.gate.notify_one();
    let mut said = Vec::new();
    while !peer.closed {
        tokio::task::yield_now().await;
        said.extend(rig.read(&mut peer));
    }
    assert_eq!(said.last().unwrap(), "close 3503");

    let mut peer = rig.connected("bob");
    rig.say(&peer, r#"{"id":2,"subscribe":{"channel":"wait"}}"#);
    tokio::task::yield_now().await;
    rig.sessions.unsubscribe("bob", None, "wait");
    rig.policy.gate.notify_one();
    let mut said = Vec::new();
    while said.is_empty() {
        tokio::task::yield_now().await;
        said = rig.read(&mut peer);
    }
    let lines: Vec<&str> = said.iter().flat_map(|said| said.lines()).collect();
    assert!(lines[0].starts_with(r#"{"id":2,"subscribe":{"#), "{lines:?}");
    assert!(lines[1].contains(r#""unsubscribe":{"code":2000"#), "{lines:?}");
}

#[test]
fn who_does_not_read_makes_nothing_grow() {
    let mut rig = Rig::new(|config| config.owed_bytes_max = 10_000);
    let mut peer = rig.connected("ann");
    peer.reads = false;
    let data = "x".repeat(1_000);
    let mut asked = 0;
    while asked < 512 {
        rig.ask(&mut peer, &format!(r#"{{"id":2,"rpc":{{"data":"{data}"}}}}"#));
        asked += 1;
        if rig.sessions.counts().commands < asked {
            break;
        }
    }
    // Its answers are not made until it has read those before them.
    assert!((9..14).contains(&asked), "{asked}");
    peer.reads = true;
    let mut replies = 0;
    // Each read makes room for commands that waited for it.
    loop {
        let said = rig.read(&mut peer);
        if said.is_empty() {
            break;
        }
        replies += said.iter().map(|said| said.lines().count() as u64).sum::<u64>();
    }
    assert_eq!(replies, asked);
    // Commands that wait are bounded, too.
    peer.reads = false;
    for _ in 0..400 {
        rig.ask(&mut peer, &format!(r#"{{"id":2,"rpc":{{"data":"{data}"}}}}"#));
    }
    peer.reads = true;
    let mut said = Vec::new();
    while !peer.closed {
        said = rig.read(&mut peer);
    }
    assert_eq!(said.last().unwrap(), "close 3013");
}

#[test]
fn a_session_ends_when_its_token_does() {
    let mut rig = Rig::new(|config| config.ping_interval_s = 0);
    let at = crate::web::now_ms() / 1_000 + 100;
    let mut peer = rig.connected(&format!("ann@{at}"));
    rig.tick(99);
    assert!(rig.read(&mut peer).is_empty());
    rig.tick(103);
    assert_eq!(rig.read(&mut peer), ["close 3005"]);
    let mut late = rig.open();
    let past = crate::web::now_ms() / 1_000 - 1;
    let said = rig.ask(
        &mut late,
        &format!(r#"{{"id":1,"connect":{{"token":"ann@{past}"}}}}"#),
    );
    assert!(said[0].contains(r#""error":{"code":110,"#), "{said:?}");
    assert_eq!(rig.ask(&mut late, r#"{"id":2,"ping":{}}"#), ["close 3501"]);
}

#[test]
fn the_server_goes_away_with_a_word() {
    use squall_engine::source::Source;
    let mut rig = Rig::new(|_| ());
    let mut peer = rig.connected("ann");
    rig.source.shutdown();
    assert_eq!(rig.read(&mut peer), ["close 3001"]);
    let counts = rig.sessions.counts();
    assert_eq!((counts.sessions, counts.closes.get(&3001)), ([0; 6], Some(&1)));
}
