//! What is for followers stays with followers: pages, API and streams of everybody else never show it.

use e2e::agent::Agent;
use e2e::doors::{Door, Follower, Paths};
use e2e::feed::Feed;
use e2e::sse::Events;

const SECRET: &str = "only-for-followers";
const OWN: &str = "only-for-me";

/// Where a person's posts might be seen, given the person's id and a post's.
fn places(account: &str, post: &str) -> Vec<String> {
    [
        "/",
        "/public",
        "/@alice",
        "/notifications",
        "/api/v1/timelines/public",
        "/api/v1/timelines/home",
        "/api/v1/notifications",
        "/api/v2/search?q=only-for&resolve=true",
        "/api/v2/search?q=only-for&type=statuses",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([
        format!("/@alice/{post}"),
        format!("/@alice/{post}/"),
        format!("/api/v1/statuses/{post}"),
        format!("/api/v1/statuses/{post}/context"),
        format!("/api/v1/statuses?id[]={post}"),
        format!("/api/v1/statuses/{post}/favourited_by"),
        format!("/api/v1/accounts/{account}"),
        format!("/api/v1/accounts/{account}/statuses"),
        format!("/api/v1/accounts/{account}/statuses?exclude_replies=true"),
        format!("/api/v1/accounts/{account}/followers"),
    ])
    .collect()
}

fn check_unseen(name: &str, agent: &mut Agent, places: &[String]) {
    for place in places {
        let reply = agent.get(place).expect("the feed answers");
        assert!(reply.status() < 500, "{name} at {place}: {}", reply.text());
        for secret in [SECRET, OWN] {
            assert!(
                !reply.text().contains(secret),
                "{name} sees {secret} at {place}:\n{}",
                reply.text()
            );
        }
    }
}

#[test]
fn pages_and_api_show_a_followers_post_to_followers_alone() {
    let feed = Feed::start();
    let (mut alice, mut bob) = (feed.register("alice"), feed.register("bob"));
    let (mut dave, mut dave_page) = (feed.register("dave"), feed.sign_in("dave"));
    bob.relate("follow", "alice");
    // Being followed gives no right to see.
    alice.relate("follow", "dave");
    let account = alice.id_of("alice");
    let post = alice.post(SECRET, "private").expect("acknowledged");
    let own = alice.post(OWN, "direct").expect("acknowledged");

    // First of all, who may see it does, so that what follows shows something.
    let seen = bob
        .get(&format!("/api/v1/statuses/{post}"))
        .expect("the feed answers");
    assert_eq!(
        (
            seen.status(),
            seen.json()["visibility"].as_str().map(str::to_owned)
        ),
        (200, Some("private".into()))
    );
    assert!(
        feed.sign_in("bob")
            .get("/")
            .expect("the feed answers")
            .text()
            .contains(SECRET)
    );

    let mut nobody = feed.stranger();
    for id in [&post, &own] {
        for (name, agent) in [
            ("dave's program", &mut dave),
            ("dave's page", &mut dave_page),
            ("nobody", &mut nobody),
        ] {
            check_unseen(name, agent, &places(&account, id));
            // Not there and not to be seen are one answer.
            let there = agent
                .get(&format!("/api/v1/statuses/{id}"))
                .expect("the feed answers");
            let absent = agent.get("/api/v1/statuses/1").expect("the feed answers");
            assert_eq!(
                (there.status(), there.body),
                (absent.status(), absent.body),
                "{name}"
            );
        }
        for action in ["favourite", "unfavourite"] {
            let reply = dave
                .form(&format!("/api/v1/statuses/{id}/{action}"), &[])
                .expect("the feed answers");
            assert_eq!(reply.status(), 404, "{action}: {}", reply.text());
        }
        let answer = [("status", "let me see"), ("in_reply_to_id", id.as_str())];
        let reply = dave.form("/api/v1/statuses", &answer).expect("the feed answers");
        assert!([404, 422].contains(&reply.status()), "{}", reply.text());
    }
    // Followers see what is for followers, and not what is for its author alone.
    assert_eq!(
        bob.get(&format!("/api/v1/statuses/{own}"))
            .expect("the feed answers")
            .status(),
        404
    );

    // The right ends with the following.
    bob.relate("unfollow", "alice");
    check_unseen("bob, who follows no longer", &mut bob, &places(&account, &post));
}

#[test]
fn no_stream_of_a_stranger_carries_a_followers_post() {
    let feed = Feed::start();
    let (mut alice, mut dave) = (feed.register("alice"), feed.register("dave"));
    let (dave_page, nobody) = (feed.sign_in("dave"), feed.stranger());
    let account = alice.id_of("alice");
    let page = |tail: &str| Paths {
        sse: format!("/stream/{tail}"),
        poll: format!("/poll/{tail}"),
        ws: format!("/ws/{tail}"),
    };
    let before = alice.post("before", "public").expect("acknowledged");
    let cursor = nobody.clone().cursor_of("/public");
    // Programs' streams begin when they are opened.
    let mut streams = Vec::new();
    for path in [
        "/api/v1/streaming/public",
        "/api/v1/streaming/public/local",
        "/api/v1/streaming/user",
    ] {
        let stream = dave
            .stream(path, "")
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        streams.push((path, Events::new(stream)));
    }

    alice.post(SECRET, "private").expect("acknowledged");
    alice.post(OWN, "direct").expect("acknowledged");
    let gone = alice.post(SECRET, "private").expect("acknowledged");
    alice
        .request("DELETE", &format!("/api/v1/statuses/{gone}"), "", b"")
        .expect("the feed answers");
    let end = alice.post("the end", "public").expect("acknowledged");
    // Dave's own stream has nothing of Alice's: its end is a post of his own.
    dave.post("dave's end", "public").expect("acknowledged");

    let check = |name: &str, data: &str| {
        assert!(
            !data.contains(SECRET) && !data.contains(OWN) && !data.contains(&gone),
            "{name}: {data}"
        );
        assert!(!data.contains(&before), "{name}: older than its cursor: {data}");
    };
    for (who, agent) in [("dave", &dave_page), ("nobody", &nobody)] {
        for tail in ["public".to_owned(), format!("profile/{account}")] {
            for door in [Door::Sse, Door::Poll, Door::WebSocket] {
                let mut follower = Follower::new(agent.clone(), page(&tail), Some(cursor.clone()));
                let seen = follower.visit(door, |messages| {
                    messages.iter().any(|message| message.data.contains(&end))
                });
                let name = format!("{who} at {tail} over {door:?}");
                assert!(
                    seen.unwrap_or_else(|error| panic!("{name}: {error}")),
                    "{name}: the stream ended"
                );
                follower
                    .messages
                    .iter()
                    .for_each(|message| check(&name, &message.data));
            }
        }
    }
    for (path, events) in &mut streams {
        loop {
            let event = events
                .next_event()
                .expect("the stream goes on")
                .expect("the stream does not end");
            check(path, &event.data);
            if event.data.contains("dave&#39;s end")
                || event.data.contains("dave's end")
                || event.data.contains("dave&#x27;s end")
            {
                break;
            }
        }
    }
}

#[test]
fn home_streams_are_for_the_signed_in() {
    let feed = Feed::start();
    for path in ["/stream/home", "/poll/home?timeout_ms=0"] {
        let reply = feed.stranger().get(path).expect("the feed answers");
        assert!([401, 403].contains(&reply.status()), "{path}: {}", reply.status());
    }
    let error = e2e::ws::Ws::connect(feed.addr(), "/ws/home", &[]).expect_err("no stranger has a home");
    assert!(
        ["status 401", "status 403"].contains(&error.to_string().as_str()),
        "{error}"
    );
}
