//! What open pages receive: exactly what their viewers may see, from a page's cursor on, over every door.

mod common;
#[path = "common/running.rs"]
mod running;

use std::collections::BTreeMap;

use common::Dir;
use feed::domain::{Audience, NewPost, Paging, PersonId};
use running::{Running, wait};
use serde_json::Value;
use squall::testing::{Client, SseStream};

/// Texts of posts up to (not with) the first that says `end`.
fn texts_until(stream: &mut SseStream, end: &str) -> Vec<String> {
    let mut texts = Vec::new();
    loop {
        let event = stream.next_event();
        let message: Value = serde_json::from_str(&event.data).unwrap();
        assert_ne!(event.event, "gap");
        let text = match message["event"].as_str().unwrap() {
            "update" => plain(&message),
            "delete" => format!("deleted {}", message["id"].as_str().unwrap()),
            "notification" => format!("told of {}", message["kind"].as_str().unwrap()),
            other => panic!("{other}"),
        };
        if text == end {
            return texts;
        }
        texts.push(text);
    }
}

/// The text of an update: its status is the post as programs receive it, a paragraph.
fn plain(message: &Value) -> String {
    let content = message["status"]["content"].as_str().unwrap();
    content.replace("<p>", "").replace("</p>", "")
}

fn open(client: &Client, path: &str) -> SseStream {
    client.sse(path).open_sse()
}

#[test]
fn each_page_receives_what_its_viewer_may_see() {
    let feed = Running::new();
    let (ada, ada_client) = feed.person("ada");
    let (bob, bob_client) = feed.person("bob");
    let (_, carl_client) = feed.person("carl");
    wait(feed.app.store().follow(bob, ada)).unwrap();
    let from = feed.cursor();
    let profile = format!("/stream/profile/{ada}?cursor={from}");
    let home = format!("/stream/home?cursor={from}");
    let public = format!("/stream/public?cursor={from}");
    let nobody = feed.server.client();
    let mut streams = [
        (
            open(&ada_client, &home),
            vec!["1 public", "2 members", "3 followers", "4 me"],
        ),
        (
            open(&bob_client, &home),
            vec!["1 public", "2 members", "3 followers"],
        ),
        (
            open(&ada_client, &profile),
            vec!["1 public", "2 members", "3 followers", "4 me"],
        ),
        (
            open(&bob_client, &profile),
            vec!["1 public", "2 members", "3 followers"],
        ),
        (open(&carl_client, &profile), vec!["1 public", "2 members"]),
        (open(&nobody, &profile), vec!["1 public"]),
        (open(&nobody, &public), vec!["1 public"]),
        (open(&bob_client, &public), vec!["1 public"]),
    ];
    for (number, audience) in Audience::ALL.into_iter().enumerate() {
        feed.post(ada, &format!("{} {audience}", number + 1), audience);
    }
    feed.post(ada, "end", Audience::Public);
    for (number, (stream, expected)) in streams.iter_mut().enumerate() {
        assert_eq!(texts_until(stream, "end"), *expected, "stream {number}");
    }
    assert_eq!(nobody.get("/stream/home").send().status, 401);
    assert_eq!(nobody.get("/stream/notifications").send().status, 401);
    assert_eq!(nobody.get("/stream/profile/1").send().status, 401);
    assert_eq!(bob_client.get("/stream/profile/1").send().status, 404);
}

#[test]
fn an_open_page_gains_and_loses_with_the_following() {
    let feed = Running::new();
    let (ada, _) = feed.person("ada");
    let (bob, bob_client) = feed.person("bob");
    let store = feed.app.store();
    let from = feed.cursor();
    let mut home = open(&bob_client, &format!("/stream/home?cursor={from}"));
    feed.post(ada, "before", Audience::Followers);
    wait(store.follow(bob, ada)).unwrap();
    feed.post(ada, "while following", Audience::Followers);
    let mut profile = open(
        &bob_client,
        &format!("/stream/profile/{ada}?cursor={}", feed.cursor()),
    );
    feed.post(ada, "on both", Audience::Followers);
    // Received before the following ends: what is on its way then may or may not arrive.
    assert_eq!(texts_until(&mut home, "on both"), ["while following"]);
    assert_eq!(texts_until(&mut profile, "on both"), [""; 0]);
    wait(store.unfollow(bob, ada)).unwrap();
    feed.post(ada, "after", Audience::Followers);
    feed.post(ada, "after, members", Audience::Members);
    feed.post(bob, "end", Audience::Me);
    assert_eq!(texts_until(&mut home, "end"), [""; 0]);
    assert_eq!(texts_until(&mut profile, "after, members"), [""; 0]);

    wait(store.follow(bob, ada)).unwrap();
    feed.post(ada, "again", Audience::Followers);
    assert_eq!(texts_until(&mut home, "again"), [""; 0]);
    wait(store.remove_follower(ada, bob)).unwrap();
    feed.post(ada, "removed", Audience::Followers);
    feed.post(bob, "end 2", Audience::Me);
    assert_eq!(texts_until(&mut home, "end 2"), [""; 0]);
}

#[test]
fn a_profile_page_that_gains_starts_anew_from_its_cursor() {
    let feed = Running::new();
    let (ada, _) = feed.person("ada");
    let (bob, bob_client) = feed.person("bob");
    let path = format!("/stream/profile/{ada}");
    let mut profile = open(&bob_client, &format!("{path}?cursor={}", feed.cursor()));
    feed.post(ada, "one", Audience::Members);
    feed.post(ada, "hidden", Audience::Followers);
    assert_eq!(texts_until(&mut profile, "one"), [""; 0]);
    let last = profile.last_event_id().to_owned();
    wait(feed.app.store().follow(bob, ada)).unwrap();
    profile.until_end();
    feed.post(ada, "two", Audience::Followers);
    feed.post(ada, "end", Audience::Public);
    let mut profile = bob_client.sse(&path).header("last-event-id", &last).open_sse();
    assert_eq!(texts_until(&mut profile, "end"), ["hidden", "two"]);
}

#[test]
fn notifications_and_deletions_arrive() {
    let feed = Running::new();
    let (ada, ada_client) = feed.person("ada");
    let (bob, _) = feed.person("bob");
    let store = feed.app.store();
    let mut home = open(&ada_client, &format!("/stream/home?cursor={}", feed.cursor()));
    wait(store.follow(bob, ada)).unwrap();
    let post = feed.post(ada, "post", Audience::Followers);
    wait(store.set_favourite(bob, post.id, true)).unwrap();
    wait(store.delete_post(ada, post.id)).unwrap();
    feed.post(ada, "end", Audience::Me);
    let expected = [
        "told of follow",
        "post",
        "told of favourite",
        &format!("deleted {}", post.id),
    ];
    let got = texts_until(&mut home, "end");
    // What is deleted right after it was said may be gone before it is shown: then it never appears.
    assert!(
        got.iter().all(|text| expected.contains(&text.as_str())),
        "{got:?}"
    );
    assert_eq!(
        (got.first().unwrap().as_str(), got.last().unwrap().as_str()),
        (expected[0], expected[3])
    );
}

/// What a poll from `cursor` brings, up to all that was said so far: texts, and where it ended.
fn poll_all(feed: &Running, client: &Client, path: &str, cursor: &str) -> (Vec<String>, String) {
    // A post is answered when it is kept, which is a moment before it is published; this waits for that.
    feed.cursor();
    let (mut texts, mut cursor) = (Vec::new(), cursor.to_owned());
    loop {
        let answer = client
            .get(&format!("{path}?cursor={cursor}&timeout_ms=0"))
            .send()
            .expect(200);
        let answer: Value = answer.json();
        assert!(answer["gap"].is_null(), "{answer}");
        cursor = answer["cursor"].as_str().unwrap().to_owned();
        let messages = answer["messages"].as_array().unwrap();
        if messages.is_empty() {
            return (texts, cursor);
        }
        for message in messages {
            let data = match &message["data"] {
                Value::String(text) => serde_json::from_str(text).unwrap(),
                data => data.clone(),
            };
            if data["event"] == "update" {
                texts.push(plain(&data));
            }
        }
    }
}

/// All that a poll from `cursor` brings, as it travels, without waiting for anything.
fn poll_raw(client: &Client, path: &str, cursor: &str) -> String {
    let path = format!("{path}?cursor={cursor}&timeout_ms=0");
    client.get(&path).send().expect(200).text()
}

#[test]
fn what_is_deleted_comes_back_with_no_cursor() {
    let feed = Running::new();
    let (ada, client) = feed.person("ada");
    let (bob, bob_client) = feed.person("bob");
    wait(feed.app.store().follow(bob, ada)).unwrap();
    let from = feed.cursor();
    for audience in [Audience::Public, Audience::Followers] {
        let post = feed.post(ada, "regretted @bob", audience);
        feed.post(ada, "kept", audience);
        wait(feed.app.store().set_favourite(bob, post.id, true)).unwrap();
        feed.cursor();
        for (client, path) in [(&client, "/poll/home"), (&bob_client, "/poll/notifications")] {
            assert!(poll_raw(client, path, &from).contains("regretted"), "{path}");
        }
        wait(feed.app.store().delete_post(ada, post.id)).unwrap();
        for client in [&client, &bob_client] {
            for path in ["/poll/home", "/poll/public", "/poll/notifications"] {
                let got = poll_raw(client, path, &from);
                assert!(!got.contains("regretted"), "{path}: {got}");
                assert!(got.contains("kept") || path != "/poll/home");
            }
        }
    }
}

#[test]
fn what_a_former_follower_was_told_comes_back_with_no_cursor() {
    let feed = Running::new();
    let (ada, _) = feed.person("ada");
    let (bob, bob_client) = feed.person("bob");
    let store = feed.app.store();
    for by_author in [true, false] {
        wait(store.follow(bob, ada)).unwrap();
        let from = feed.cursor();
        feed.post(ada, "hush @bob", Audience::Followers);
        feed.post(ada, "aloud @bob", Audience::Members);
        feed.cursor();
        for path in ["/poll/home", "/poll/notifications"] {
            assert!(poll_raw(&bob_client, path, &from).contains("hush"), "{path}");
        }
        if by_author {
            wait(store.remove_follower(ada, bob)).unwrap();
        } else {
            wait(store.unfollow(bob, ada)).unwrap();
        }
        for path in ["/poll/home", "/poll/notifications"] {
            let got = poll_raw(&bob_client, path, &from);
            assert!(!got.contains("hush"), "{path}: {got}");
            assert!(got.contains("aloud"), "{path}: {got}");
        }
    }
}

#[test]
fn cursors_survive_a_restart() {
    let feed = Running::new();
    let (ada, client) = feed.person("ada");
    let from = feed.cursor();
    for number in 0..5 {
        feed.post(ada, &format!("{number}"), Audience::ALL[number % 4]);
    }
    let (before, middle) = poll_all(&feed, &client, "/poll/home", &from);
    assert_eq!(before, ["0", "1", "2", "3", "4"]);
    // The session is kept too: the same cookie works after the restart.
    let cookie = client.jar().get("sid").unwrap().to_owned();
    let feed = feed.restarted();
    let client = feed.server.client().browser();
    client.jar().set("sid", &cookie);
    assert_eq!(poll_all(&feed, &client, "/poll/home", &from).0, before);
    assert_eq!(poll_all(&feed, &client, "/poll/home", &middle).0, [""; 0]);
    feed.post(ada, "after", Audience::Followers);
    assert_eq!(poll_all(&feed, &client, "/poll/home", &middle).0, ["after"]);
}

#[test]
fn a_cursor_beyond_what_is_gone_is_no_gap() {
    // The last events have nothing to say any more, but their offsets were given out.
    let feed = Running::new();
    let (ada, client) = feed.person("ada");
    let (bob, _) = feed.person("bob");
    let post = feed.post(ada, "post", Audience::Public);
    wait(feed.app.store().set_favourite(bob, post.id, true)).unwrap();
    wait(feed.app.store().clear_notifications(ada)).unwrap();
    let from = feed.cursor();
    let cookie = client.jar().get("sid").unwrap().to_owned();
    let feed = feed.restarted();
    let client = feed.server.client().browser();
    client.jar().set("sid", &cookie);
    assert_eq!(poll_all(&feed, &client, "/poll/home", &from), (Vec::new(), from));
}

#[test]
fn a_page_and_its_stream_join_without_gap_or_repeat() {
    let feed = Running::new();
    let (ada, client) = feed.person("ada");
    let (bob, _) = feed.person("bob");
    wait(feed.app.store().follow(ada, bob)).unwrap();
    let writers: Vec<_> = [ada, bob]
        .map(|author| std::thread::spawn(writer(&feed, author)))
        .into();
    let mut pages = Vec::new();
    while pages.len() < 10 {
        let snapshot = wait(feed.app.store().home(ada, Paging::newest(80))).unwrap();
        pages.push((
            snapshot
                .value
                .iter()
                .map(|post| post.text.clone())
                .collect::<Vec<_>>(),
            snapshot.cursor,
        ));
    }
    for writer in writers {
        writer.join().unwrap();
    }
    for (page, cursor) in pages {
        let (streamed, _) = poll_all(&feed, &client, "/poll/home", &cursor.to_string());
        let mut count = BTreeMap::new();
        page.iter()
            .chain(&streamed)
            .for_each(|text| *count.entry(text.as_str()).or_insert(0) += 1);
        assert!(count.values().all(|times| *times == 1), "nothing twice");
        // Sixty posts in all fit a page, so page and stream together are everything.
        assert_eq!(count.len(), 60, "nothing missing");
    }
}

fn writer(feed: &Running, author: PersonId) -> impl FnOnce() + Send + 'static {
    let store = feed.app.store().clone();
    move || {
        for number in 0..30 {
            let new = NewPost::new(author, format!("{author} {number}"), Audience::Followers);
            wait(store.create_post(new)).unwrap();
        }
    }
}

#[test]
fn a_dropped_application_lets_go_of_its_data() {
    let feed = Running::new();
    let (ada, _) = feed.person("ada");
    feed.post(ada, "kept", Audience::Public);
    let Running { server, app, dir } = feed;
    server.stop();
    drop((server, app));
    let feed = Running::on(dir);
    let kept = wait(feed.app.store().public(None, Paging::default()))
        .unwrap()
        .value;
    assert_eq!(kept[0].text, "kept");
    drop(feed);
    drop(Dir::new());
}
