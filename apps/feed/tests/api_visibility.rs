//! Who may see what, through every door of the API: one table.

mod api_kit;
mod common;

use api_kit::{Feed, Person, ids, refusal, text};
use serde_json::json;

const NOT_FOUND: (u16, &str) = (404, "Record not found");

/// Visibility, and whether nobody in particular, a member, a follower and the author may see it.
const TABLE: [(&str, [bool; 4]); 4] = [
    ("public", [true, true, true, true]),
    ("unlisted", [false, true, true, true]),
    ("private", [false, false, true, true]),
    ("direct", [false, false, false, true]),
];

struct Cast {
    feed: Feed,
    member: Person,
    follower: Person,
    author: Person,
}

impl Cast {
    fn new() -> Self {
        let feed = Feed::start();
        let (member, follower, author) = (
            feed.person("member"),
            feed.person("follower"),
            feed.person("author"),
        );
        feed.follow(&follower, &author);
        Cast {
            feed,
            member,
            follower,
            author,
        }
    }

    fn viewers(&self) -> [Option<&str>; 4] {
        [
            None,
            Some(&self.member.token),
            Some(&self.follower.token),
            Some(&self.author.token),
        ]
    }
}

#[test]
fn a_post_is_there_for_its_audience_and_for_nobody_else() {
    let cast = Cast::new();
    for (visibility, expected) in TABLE {
        let id = cast.feed.say(&cast.author, "a word", visibility);
        for (viewer, sees) in cast.viewers().into_iter().zip(expected) {
            for path in [
                format!("/api/v1/statuses/{id}"),
                format!("/api/v1/statuses/{id}/context"),
                format!("/api/v1/statuses/{id}/favourited_by"),
                format!("/api/v1/statuses/{id}/reblogged_by"),
                format!("/api/v1/statuses/{id}/history"),
            ] {
                let reply = cast.feed.get(&path, viewer);
                if sees {
                    assert_eq!(reply.status, 200, "{visibility} {path}");
                } else {
                    assert_eq!(
                        refusal(&reply),
                        (NOT_FOUND.0, NOT_FOUND.1.into()),
                        "{visibility} {path}"
                    );
                }
            }
            let list = api_kit::good(&cast.feed.get(&format!("/api/v1/statuses?id[]={id}"), viewer));
            assert_eq!(ids(&list).len(), usize::from(sees), "{visibility}");
        }
    }
}

#[test]
fn lists_and_searches_hold_what_the_viewer_may_see() {
    let cast = Cast::new();
    let posts: Vec<String> = TABLE
        .iter()
        .map(|(visibility, _)| cast.feed.say(&cast.author, "quokka", visibility))
        .collect();
    for (place, viewer) in cast.viewers().into_iter().enumerate() {
        let mut expected: Vec<String> = posts
            .iter()
            .zip(TABLE)
            .filter(|(_, (_, sees))| sees[place])
            .map(|(id, _)| id.clone())
            .collect();
        expected.reverse();
        let profile = cast
            .feed
            .get(&format!("/api/v1/accounts/{}/statuses", cast.author.id), viewer);
        assert_eq!(ids(&api_kit::good(&profile)), expected, "profile for {place}");
        let found = api_kit::good(&cast.feed.get("/api/v2/search?q=quokka&type=statuses", viewer));
        assert_eq!(ids(&found["statuses"]), expected, "search for {place}");
        let public = api_kit::good(&cast.feed.get("/api/v1/timelines/public", viewer));
        assert_eq!(ids(&public), [posts[0].clone()], "public for {place}");
    }
    let home = |person: &Person| ids(&cast.feed.read("/api/v1/timelines/home", &person.token));
    assert!(home(&cast.member).is_empty());
    assert_eq!(home(&cast.follower).len(), 3);
    assert_eq!(home(&cast.author).len(), 4);
}

#[test]
fn nobody_acts_on_what_they_may_not_see() {
    let cast = Cast::new();
    let id = cast.feed.say(&cast.author, "for followers", "private");
    for path in [
        format!("/api/v1/statuses/{id}/favourite"),
        format!("/api/v1/statuses/{id}/unfavourite"),
    ] {
        let reply = cast.feed.post(&path, Some(&cast.member.token), &json!({}));
        assert_eq!(refusal(&reply), (NOT_FOUND.0, NOT_FOUND.1.into()), "{path}");
    }
    let answer = json!({ "status": "what?", "in_reply_to_id": id });
    let reply = cast
        .feed
        .post("/api/v1/statuses", Some(&cast.member.token), &answer);
    assert_eq!(reply.status, 404);
    // What one can see and did not write is as good as not there for deleting.
    let client = cast.feed.client();
    let reply = client
        .delete(&format!("/api/v1/statuses/{id}"))
        .bearer(&cast.follower.token)
        .send();
    assert_eq!(refusal(&reply), (NOT_FOUND.0, NOT_FOUND.1.into()));
    assert_eq!(
        cast.feed
            .get(&format!("/api/v1/statuses/{id}"), Some(&cast.author.token))
            .status,
        200
    );
}

#[test]
fn what_hangs_below_a_public_post_stays_hidden_too() {
    let cast = Cast::new();
    let root = cast.feed.say(&cast.author, "root", "public");
    let answer = json!({ "status": "hush @member", "in_reply_to_id": root, "visibility": "private" });
    let hidden = text(&cast.feed.act("/api/v1/statuses", &cast.author.token, &answer)["id"]);
    for (viewer, sees) in cast.viewers().into_iter().zip([false, false, true, true]) {
        let context = api_kit::good(&cast.feed.get(&format!("/api/v1/statuses/{root}/context"), viewer));
        assert_eq!(ids(&context["descendants"]).contains(&hidden), sees);
        let shown = api_kit::good(&cast.feed.get(&format!("/api/v1/statuses/{root}"), viewer));
        assert_eq!(shown["replies_count"], 0, "nor is it counted");
    }
    assert_eq!(
        cast.feed.read("/api/v1/notifications", &cast.member.token),
        json!([]),
        "nor is anybody told of it"
    );
}

#[test]
fn who_stops_following_stops_seeing() {
    let cast = Cast::new();
    let id = cast.feed.say(&cast.author, "for followers", "private");
    let path = format!("/api/v1/statuses/{id}");
    assert_eq!(cast.feed.get(&path, Some(&cast.follower.token)).status, 200);
    let away = format!("/api/v1/accounts/{}/remove_from_followers", cast.follower.id);
    let left = cast.feed.act(&away, &cast.author.token, &json!({}));
    assert_eq!(left["followed_by"], false);
    assert_eq!(cast.feed.get(&path, Some(&cast.follower.token)).status, 404);
    assert_eq!(
        cast.feed.read("/api/v1/timelines/home", &cast.follower.token),
        json!([])
    );
}

#[test]
fn what_one_may_not_see_any_more_is_neither_listed_nor_counted() {
    let cast = Cast::new();
    let (follower, author) = (&cast.follower, &cast.author);
    cast.feed.say(author, "aloud @follower", "public");
    for _ in 0..2 {
        cast.feed.say(author, "hush @follower", "private");
    }
    let unread = || {
        cast.feed
            .read("/api/v1/notifications/unread_count", &follower.token)["count"]
            .clone()
    };
    assert_eq!(unread(), 3);
    let away = format!("/api/v1/accounts/{}/remove_from_followers", follower.id);
    cast.feed.act(&away, &author.token, &json!({}));
    assert_eq!(unread(), 1);
    // A page is as full as it can be, or clients would take it for the last.
    let page = cast.feed.read("/api/v1/notifications?limit=1", &follower.token);
    assert_eq!(page[0]["status"]["visibility"], "public", "{page}");
}
