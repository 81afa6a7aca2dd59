//! Writing, answering, marking and deleting posts; paging through them.

mod common;
mod web_kit;

use web_kit::{Feed, attribute, posts_of, readable};

#[test]
fn writing_comes_back_to_the_page_and_shows_the_post() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    let fields = [
        ("text", "Hello,\r\nworld"),
        ("audience", "followers"),
        ("next", "/"),
    ];
    assert_eq!(ann.submit("/posts", &fields).expect(303).location(), "/");
    let home = ann.page("/");
    assert!(home.contains("Hello,<br>\nworld"), "{home}");
    assert!(home.contains("#followers\""), "its audience is shown");
    assert!(home.contains("<time datetime=\"20"));
}

#[test]
fn sending_the_same_form_twice_makes_one_post() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    let once = attribute(&ann.page("/"), "name=\"once\" value").unwrap();
    for _ in 0..2 {
        ann.submit(
            "/posts",
            &[("text", "only once"), ("audience", "public"), ("once", &once)],
        )
        .expect(303);
    }
    assert_eq!(posts_of(&ann.page("/")).len(), 1);
}

#[test]
fn a_refused_post_keeps_its_text_and_says_why() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    let at = "ä".repeat(3_000);
    ann.submit("/posts", &[("text", &at), ("audience", "public")])
        .expect(303);
    let past = format!("{at}ä");
    let page = ann
        .submit("/posts", &[("text", &past), ("audience", "me"), ("next", "/")])
        .expect(422)
        .text();
    assert!(page.contains(&format!(">{past}</textarea>")));
    assert!(page.contains("A post has at most 3,000 characters."));
    assert!(page.contains("<option value=\"me\" selected>"));
    assert!(page.contains("aria-invalid=\"true\"") && page.contains("id=\"compose-error\""));
    let json = ann
        .fetch("/posts", &[("text", " "), ("audience", "public")])
        .expect(422);
    assert_eq!(
        json.json::<serde_json::Value>()["error"],
        "A post needs some text."
    );
    ann.submit("/posts", &[("text", "x"), ("audience", "everyone")])
        .expect(422);
    ann.submit("/posts", &[("text", "x")]).expect(422);
    assert_eq!(posts_of(&ann.page("/")).len(), 1);
}

#[test]
fn a_form_at_the_limit_and_one_past() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    let limit = feed::web::FORM_BYTES_MAX;
    let rest = "text=x&audience=public&filler=";
    let body = |bytes: usize| format!("{rest}{}", "a".repeat(bytes - rest.len())).into_bytes();
    let send = |bytes| {
        ann.client
            .post("/posts")
            .body("application/x-www-form-urlencoded", body(bytes))
            .send()
    };
    assert_eq!(send(limit).status, 303);
    assert_eq!(send(limit + 1).status, 413);
}

#[test]
fn hostile_text_and_names_stay_text() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    let hostile = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;</textarea></article>";
    ann.submit(
        "/settings",
        &[("display_name", "<b onclick=x>\"Ann\"</b>"), ("bio", hostile)],
    )
    .expect(303);
    let id = ann.post(
        &format!("{hostile} javascript:alert(1) https://x.example/\"onmouseover=\"alert(3)"),
        "public",
    );
    let pages = [
        "/",
        "/public",
        "/@ann",
        "/settings",
        "/@ann/followers",
        &format!("/@ann/{id}"),
    ];
    for path in pages {
        let page = ann.page(path);
        for forbidden in [
            "<script>alert",
            "<img",
            "<b onclick",
            "href=\"javascript",
            "\"onmouseover",
        ] {
            assert!(!page.contains(forbidden), "{path}: {forbidden}");
        }
    }
    assert!(ann.page("/public").contains("&lt;script&gt;"));
    let fragment = ann
        .fetch("/posts", &[("text", hostile), ("audience", "me")])
        .expect(201)
        .json::<serde_json::Value>();
    let html = fragment["html"].as_str().unwrap();
    assert!(
        !html.contains("<script") && !html.contains("<img") && !html.contains("<b onclick"),
        "{html}"
    );
}

#[test]
fn links_and_names_can_be_clicked() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    feed.person("bob");
    ann.post("see https://example.org/a?b=1&c=2, @bob and @nobody", "public");
    let page = feed.nobody().page("/public");
    assert!(page.contains(
        "<a href=\"https://example.org/a?b=1&amp;c=2\" rel=\"nofollow noopener ugc\">https://example.org/a?b=1&amp;c=2</a>,"
    ));
    assert!(page.contains("<a class=\"mention\" href=\"/@bob\">@bob</a> and @nobody"));
}

#[test]
fn a_fragment_is_the_same_for_everybody() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    let made = ann
        .fetch("/posts", &[("text", "mine"), ("audience", "public")])
        .expect(201)
        .json::<serde_json::Value>();
    let html = made["html"].as_str().unwrap();
    assert!(
        html.starts_with("<article") && html.ends_with("</article>"),
        "{html}"
    );
    assert!(
        !html.contains("<form") && !html.contains("_xsrf") && html.contains("data-author=\"ann\""),
        "{html}"
    );
    let id = made["id"].as_str().unwrap();
    let own = ann.page(&format!("/@ann/{id}"));
    assert!(own.contains(&format!("action=\"/posts/{id}/delete\"")));
    assert!(own.contains(&format!("action=\"/@ann/{id}/favourite\"")));
    let strangers = feed.nobody().page(&format!("/@ann/{id}"));
    assert!(!strangers.contains("/delete") && !strangers.contains("/favourite"));
    assert!(
        feed.nobody().page("/public").contains(&readable(html)),
        "the page is made of it"
    );
}

#[test]
fn answers_stand_below_what_they_answer() {
    let feed = Feed::start();
    let (ann, bob) = (feed.person("ann"), feed.person("bob"));
    let id = ann.post("the question", "public");
    let path = format!("/@ann/{id}");
    let page = bob.page(&path);
    assert!(page.contains(&format!("name=\"in_reply_to\" value=\"{id}\"")));
    let fields = [
        ("text", "the answer"),
        ("audience", "public"),
        ("in_reply_to", id.as_str()),
        ("next", path.as_str()),
    ];
    let back = bob.submit("/posts", &fields).expect(303);
    assert!(
        back.location().starts_with(&format!("{path}#p-")),
        "{}",
        back.location()
    );
    let page = ann.page(&path);
    assert_eq!(posts_of(&page).len(), 2);
    assert!(page.contains("1 reply"));
    let answer = posts_of(&page).remove(1);
    let page = ann.page(&format!("/@bob/{answer}"));
    assert_eq!(
        posts_of(&page),
        [id.clone(), answer],
        "what is answered stands above"
    );
    assert!(page.contains(&format!("href=\"/posts/{id}\"")), "and is linked");
    let too_long = "x".repeat(3_001);
    let fields = [
        ("text", too_long.as_str()),
        ("audience", "public"),
        ("in_reply_to", id.as_str()),
        ("next", path.as_str()),
    ];
    let refused = bob.submit("/posts", &fields).expect(422).text();
    assert!(refused.contains("the question") && refused.contains(&format!(">{too_long}</textarea>")));
}

#[test]
fn favourites_are_counted_once_each() {
    let feed = Feed::start();
    let (ann, bob) = (feed.person("ann"), feed.person("bob"));
    let id = ann.post("likable", "public");
    let path = format!("/@ann/{id}");
    for _ in 0..2 {
        let next = format!("/public#p-{id}");
        assert_eq!(
            bob.submit(&format!("{path}/favourite"), &[("next", &next)])
                .expect(303)
                .location(),
            next
        );
    }
    let page = bob.page("/public");
    assert!(page.contains("aria-pressed=\"true\"") && page.contains(&format!("{path}/unfavourite")));
    assert!(ann.page("/public").contains("aria-pressed=\"false\""));
    let json = bob
        .fetch(&format!("{path}/unfavourite"), &[])
        .expect(200)
        .json::<serde_json::Value>();
    assert_eq!(json, serde_json::json!({ "favourited": false, "favourites": 0 }));
}

#[test]
fn a_deleted_post_is_gone_everywhere() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    let (first, second) = (ann.post("first", "public"), ann.post("second", "public"));
    let path = format!("/@ann/{first}");
    let back = ann
        .submit(&format!("/posts/{first}/delete"), &[("next", &path)])
        .expect(303);
    assert_eq!(back.location(), "/@ann", "its own page is no place to go back to");
    for page in ["/", "/public", "/@ann"] {
        assert_eq!(posts_of(&ann.page(page)), std::slice::from_ref(&second), "{page}");
    }
    assert_eq!(ann.get(&path).status, 404);
    let json = ann
        .fetch(&format!("/posts/{second}/delete"), &[])
        .expect(200)
        .json::<serde_json::Value>();
    assert_eq!(json["id"], second);
    assert_eq!(ann.submit(&format!("/posts/{second}/delete"), &[]).status, 404);
}

#[test]
fn older_pages_neither_skip_nor_repeat_while_others_write() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    let mut written: Vec<String> = (0..45)
        .map(|number| ann.post(&format!("post {number}"), "public"))
        .collect();
    written.reverse();
    for start in ["/", "/public", "/@ann"] {
        let mut read = Vec::new();
        let mut path = start.to_owned();
        loop {
            let page = ann.page(&path);
            let posts = posts_of(&page);
            assert!(posts.len() <= 20);
            assert_eq!(
                page.contains("data-live="),
                path == start,
                "only the newest page is live: {path}"
            );
            read.extend(posts);
            // What comes meanwhile belongs to the newest page.
            ann.post("meanwhile", "me");
            let Some(next) = attribute(&page, "rel=\"next\" href") else {
                break;
            };
            path = next;
        }
        read.retain(|id| written.contains(id));
        assert_eq!(
            read,
            if start == "/public" {
                written.clone()
            } else {
                read_in_order(&written, &read)
            },
            "{start}"
        );
        assert_eq!(read.len(), 45, "{start}");
    }
    assert_eq!(ann.get("/?max_id=no-number").status, 400);
}

/// The written ones that were read, in the order written: all of them, if none was skipped or repeated.
fn read_in_order(written: &[String], read: &[String]) -> Vec<String> {
    written.iter().filter(|id| read.contains(id)).cloned().collect()
}

#[test]
fn who_answers_is_told_if_it_would_not_be_seen() {
    let feed = Feed::start();
    let (ann, bob) = (feed.person("ann"), feed.person("bob"));
    bob.follow("ann");
    let path = format!("/@ann/{}", ann.post("for followers", "followers"));
    assert!(bob.page(&path).contains("@ann does not follow you"));
    ann.follow("bob");
    assert!(!bob.page(&path).contains("does not follow you"));
    assert!(!ann.page(&path).contains("does not follow you"));
}
