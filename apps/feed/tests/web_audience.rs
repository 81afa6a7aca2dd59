//! Who sees what on the pages: every audience, every kind of viewer, every page.

mod common;
mod web_kit;

use web_kit::{Browser, Feed};

const AUDIENCES: [&str; 4] = ["public", "members", "followers", "me"];

struct Scene {
    feed: Feed,
    /// A viewer, and how many of [`AUDIENCES`] it belongs to.
    viewers: Vec<(&'static str, Browser, usize)>,
    /// The posts of the author, as in [`AUDIENCES`].
    ids: Vec<String>,
}

fn scene() -> Scene {
    let feed = Feed::start();
    let author = feed.person("author");
    let follower = feed.person("follower");
    follower.follow("author");
    // Being followed by the author gives no right.
    let followed = feed.person("followed");
    author.follow("followed");
    let ids = AUDIENCES
        .map(|audience| author.post(&format!("text for {audience}."), audience))
        .to_vec();
    let viewers = vec![
        ("nobody", feed.nobody(), 1),
        ("member", feed.person("member"), 2),
        ("followed", followed, 2),
        ("follower", follower, 3),
        ("author", author, 4),
    ];
    Scene { feed, viewers, ids }
}

#[test]
fn a_profile_shows_each_viewer_what_is_for_them() {
    let scene = scene();
    for (who, viewer, reach) in &scene.viewers {
        let page = viewer.page("/@author");
        for (place, audience) in AUDIENCES.iter().enumerate() {
            let shown = page.contains(&format!("text for {audience}."));
            assert_eq!(shown, place < *reach, "{who} {audience}");
        }
    }
}

#[test]
fn a_post_that_is_not_for_the_viewer_is_as_if_it_did_not_exist() {
    let scene = scene();
    for (who, viewer, reach) in &scene.viewers {
        for (place, id) in scene.ids.iter().enumerate() {
            let status = if place < *reach { 200 } else { 404 };
            assert_eq!(
                viewer.get(&format!("/@author/{id}")).status,
                status,
                "{who} {place}"
            );
            let by_id = viewer.get(&format!("/posts/{id}"));
            assert_eq!(
                by_id.status,
                if place < *reach { 303 } else { 404 },
                "{who} {place}"
            );
        }
        let hidden = viewer.get(&format!("/@author/{}", scene.ids[3]));
        let missing = viewer.get("/@author/123456");
        if *reach < 4 {
            assert_eq!(hidden.text(), missing.text(), "{who}: nothing tells them apart");
        }
    }
}

#[test]
fn the_public_stream_and_other_people_s_homes_have_only_what_they_may() {
    let scene = scene();
    for (who, viewer, _) in &scene.viewers {
        let page = viewer.page("/public");
        assert!(page.contains("text for public."), "{who}");
        for hidden in &AUDIENCES[1..] {
            assert!(!page.contains(&format!("text for {hidden}.")), "{who} {hidden}");
        }
    }
    let home_of = |name: &str| {
        let (_, viewer, _) = scene.viewers.iter().find(|(who, ..)| *who == name).unwrap();
        viewer.page("/")
    };
    for (who, count) in [
        ("nobody", 1),
        ("member", 0),
        ("followed", 0),
        ("follower", 3),
        ("author", 4),
    ] {
        assert_eq!(home_of(who).matches("text for").count(), count, "{who}");
    }
}

#[test]
fn what_one_may_not_see_one_may_not_touch() {
    let scene = scene();
    for (who, viewer, reach) in scene.viewers.iter().filter(|(who, ..)| *who != "nobody") {
        for (place, id) in scene.ids.iter().enumerate() {
            let may = place < *reach;
            let mark = viewer.submit(&format!("/@author/{id}/favourite"), &[("next", "/")]);
            assert_eq!(mark.status, if may { 303 } else { 404 }, "{who} {place}");
            let fields = [
                ("text", "an answer"),
                ("audience", "me"),
                ("in_reply_to", id.as_str()),
            ];
            assert_eq!(
                viewer.submit("/posts", &fields).status,
                if may { 303 } else { 404 },
                "{who} {place}"
            );
            if *who != "author" {
                assert_eq!(
                    viewer.submit(&format!("/posts/{id}/delete"), &[]).status,
                    404,
                    "{who} {place}"
                );
            }
        }
    }
    for id in &scene.ids {
        let nobody = scene
            .feed
            .nobody()
            .submit(&format!("/posts/{id}/delete"), &[])
            .expect(303);
        assert_eq!(nobody.location(), "/sign-in");
    }
}

#[test]
fn a_right_that_ends_takes_the_posts_off_the_pages() {
    let scene = scene();
    let (_, follower, _) = &scene.viewers[3];
    let (_, author, _) = &scene.viewers[4];
    follower.submit("/@author/unfollow", &[]).expect(303);
    assert!(!follower.page("/").contains("text for"));
    assert!(!follower.page("/@author").contains("text for followers."));
    follower.follow("author");
    assert!(follower.page("/").contains("text for followers."));
    author
        .submit("/settings/followers/remove", &[("name", "follower")])
        .expect(303);
    assert!(!follower.page("/").contains("text for"));
    assert!(!follower.page("/@author").contains("text for followers."));
    assert!(!author.page("/@author/followers").contains("@follower<"));
}
