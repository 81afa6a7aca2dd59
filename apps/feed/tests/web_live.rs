//! What an open page receives: from the cursor it was rendered at, and only what its viewer may see.

mod common;
mod web_kit;

use squall::testing::SseStream;
use web_kit::{Browser, Feed, attribute};

/// Opens the stream of a page as the page's script does.
fn open(browser: &Browser, path: &str) -> SseStream {
    let page = browser.page(path);
    let live = attribute(&page, "data-live").expect("the page is live");
    let cursor = attribute(&page, "data-cursor").expect("it says where its stream starts");
    browser.client.sse(&format!("{live}?cursor={cursor}")).open_sse()
}

/// The next message: what happened, and its HTML or id.
fn next(stream: &mut SseStream) -> (String, String) {
    let event = stream.next_event();
    let data: serde_json::Value = serde_json::from_str(&event.data).expect("JSON");
    let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
    let html = text("html");
    (text("event"), if html.is_empty() { text("id") } else { html })
}

#[test]
fn a_post_arrives_as_the_same_html_that_the_page_has() {
    let feed = Feed::start();
    let (ann, bob) = (feed.person("ann"), feed.person("bob"));
    bob.follow("ann");
    for path in ["/", "/public", "/@ann"] {
        let before = ann.post(&format!("before {path}"), "public");
        let mut stream = open(&bob, path);
        let id = ann.post(&format!("after {path}"), "public");
        let (event, html) = next(&mut stream);
        assert_eq!(event, "update");
        assert!(
            html.contains(&format!("id=\"p-{id}\"")) && html.contains(&format!("after {path}")),
            "{html}"
        );
        assert!(!html.contains(&before), "what the page shows does not come again");
        ann.submit(&format!("/posts/{id}/delete"), &[]).expect(303);
        assert_eq!(next(&mut stream), ("delete".to_owned(), id));
    }
}

#[test]
fn nothing_is_lost_between_the_page_and_its_stream() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    let page = feed.nobody().page("/public");
    let ids: Vec<String> = (0..5)
        .map(|number| ann.post(&format!("meanwhile {number}"), "public"))
        .collect();
    let cursor = attribute(&page, "data-cursor").unwrap();
    let mut stream = feed
        .nobody()
        .client
        .sse(&format!("/stream/public?cursor={cursor}"))
        .open_sse();
    for id in ids {
        assert!(next(&mut stream).1.contains(&format!("id=\"p-{id}\"")));
    }
}

#[test]
fn each_viewer_s_profile_stream_has_what_is_for_them() {
    let feed = Feed::start();
    let (author, follower) = (feed.person("author"), feed.person("follower"));
    follower.follow("author");
    let member = feed.person("member");
    let mut streams = [
        (open(&feed.nobody(), "/@author"), 1),
        (open(&member, "/@author"), 2),
        (open(&follower, "/@author"), 3),
        (open(&author, "/@author"), 4),
    ];
    let audiences = ["public", "members", "followers", "me"];
    for audience in audiences {
        author.post(&format!("text for {audience}."), audience);
    }
    author.post("the end", "public");
    for (stream, reach) in &mut streams {
        for audience in &audiences[..*reach] {
            assert!(
                next(stream).1.contains(&format!("text for {audience}.")),
                "{reach} {audience}"
            );
        }
        assert!(next(stream).1.contains("the end"), "{reach}: nothing more");
    }
}

#[test]
fn unfollowing_ends_what_an_open_home_receives() {
    let feed = Feed::start();
    let (ann, bob, carol) = (feed.person("ann"), feed.person("bob"), feed.person("carol"));
    bob.follow("ann");
    bob.follow("carol");
    let mut home = open(&bob, "/");
    ann.post("one", "followers");
    assert!(next(&mut home).1.contains("one"));
    bob.submit("/@ann/unfollow", &[]).expect(303);
    ann.post("two", "followers");
    ann.post("three", "public");
    carol.post("four", "followers");
    assert!(next(&mut home).1.contains("four"), "nothing of Ann's any more");
    carol
        .submit("/settings/followers/remove", &[("name", "bob")])
        .expect(303);
    carol.post("five", "public");
    bob.post("six", "me");
    assert!(next(&mut home).1.contains("six"), "nor of one who removed him");
}

#[test]
fn a_home_gains_whom_its_person_follows() {
    let feed = Feed::start();
    let (ann, bob) = (feed.person("ann"), feed.person("bob"));
    let mut home = open(&bob, "/");
    ann.post("before", "public");
    bob.follow("ann");
    ann.post("after", "followers");
    assert!(next(&mut home).1.contains("after"));
}

#[test]
fn notifications_arrive_on_home_and_on_their_page() {
    let feed = Feed::start();
    let (ann, bob) = (feed.person("ann"), feed.person("bob"));
    let mut streams = [open(&ann, "/"), open(&ann, "/notifications")];
    bob.follow("ann");
    for stream in &mut streams {
        let (event, html) = next(stream);
        assert_eq!(event, "notification");
        assert!(
            html.starts_with("<li class=\"note unread\"") && html.contains("follows you now"),
            "{html}"
        );
    }
}

#[test]
fn signing_out_ends_what_other_pages_of_the_person_receive() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    let (live, cursor) = {
        let page = ann.page("/");
        (
            attribute(&page, "data-live").unwrap(),
            attribute(&page, "data-cursor").unwrap(),
        )
    };
    let mut home = ann.client.sse(&format!("{live}?cursor={cursor}")).open_sse();
    ann.submit("/sign-out", &[]).expect(303);
    assert!(
        home.until_end().is_empty(),
        "the stream ended, and nothing came on it"
    );
    let refused = ann.client.sse(&format!("{live}?cursor={cursor}")).try_open_sse();
    assert!(matches!(refused, Err(answer) if answer.status >= 400));
}
