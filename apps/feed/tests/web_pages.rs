//! Everything around the posts: headers, errors, settings, lists of people, notifications, connected apps.

mod common;
mod web_kit;

use feed::domain::Scopes;
use feed::domain::oauth::NewApp;
use web_kit::Feed;

#[test]
fn every_page_is_safe_as_it_comes() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    for (path, status) in [
        ("/", 200),
        ("/@ann", 200),
        ("/@nobody", 404),
        ("/no/such/page", 404),
        ("/settings", 200),
    ] {
        let answer = ann.get(path).expect(status);
        let policy = answer.header("content-security-policy").to_owned();
        assert!(policy.contains("default-src 'self'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe-inline"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answer.header("cache-control").contains("no-"), "{path}");
        assert!(answer.header("content-type").starts_with("text/html"), "{path}");
        let html = answer.text();
        for inline in [" style=", "<style", " onclick=", "<script>"] {
            assert!(!html.contains(inline), "{path}: {inline}");
        }
    }
}

#[test]
fn nothing_is_taken_for_what_it_is_not() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    for path in [
        "/api/v1/instance",
        "/api/v1/timelines/public",
        "/api/v1/nothing",
        "/api/v1/streaming/health",
        "/poll/home?timeout_ms=0",
        "/avatars/missing.svg",
        "/no/such/page",
        "/oauth/authorize",
    ] {
        let answer = ann.get(path);
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(
            answer
                .header("content-security-policy")
                .contains("frame-ancestors 'none'"),
            "{path}"
        );
    }
    // A form of ours must not be sent as if it came from nowhere.
    assert_eq!(
        ann.get("/oauth/authorize").header("referrer-policy"),
        "same-origin"
    );
}

#[test]
fn an_empty_house_says_what_to_do_first() {
    let feed = Feed::start();
    let page = feed.nobody().page("/");
    assert!(page.contains("Make the first account") && page.contains("href=\"/sign-up\""));
    let ann = feed.person("ann");
    assert!(!feed.nobody().page("/").contains("Make the first account"));
    assert!(ann.page("/").contains("Your home is quiet."));
}

#[test]
fn files_have_addresses_that_change_with_them() {
    let feed = Feed::start();
    let page = feed.nobody().page("/");
    for name in ["app.", "icon.", "icons."] {
        let start = page
            .find(&format!("/static/{name}"))
            .unwrap_or_else(|| panic!("{name} is used"));
        let path: String = page[start..]
            .chars()
            .take_while(|c| !matches!(c, '"' | '#'))
            .collect();
        let answer = feed.nobody().get(&path).expect(200);
        assert!(answer.header("cache-control").contains("immutable"), "{path}");
    }
}

#[test]
fn errors_are_pages_for_people_and_short_for_programs() {
    let feed = Feed::start();
    let missing = feed.nobody().get("/@nobody").expect(404).text();
    assert!(missing.contains("Nothing here") && missing.contains("href=\"/\""));
    let wrong_method = feed.nobody().submit("/public", &[]);
    assert_eq!(wrong_method.status, 405);
    assert!(wrong_method.text().contains("<h1>") && wrong_method.header("allow").contains("GET"));
    let json = feed
        .server
        .client()
        .get("/@nobody")
        .header("accept", "application/json")
        .send();
    assert_eq!(
        json.expect(404).header("content-type"),
        "application/problem+json"
    );
    let number = feed.nobody().get("/public?max_id=x").expect(400);
    assert!(number.text().contains("<h1>"));
    let program = feed
        .server
        .client()
        .get("/no/such/page")
        .header("accept", "*/*")
        .send()
        .expect(404);
    assert!(!program.text().contains('<'));
    assert_eq!(feed.nobody().get("/@ann/not-an-id").status, 404);
}

#[test]
fn names_have_one_address() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    let id = ann.post("here", "public");
    assert_eq!(feed.nobody().get("/@Ann").expect(308).location(), "/@ann");
    feed.person("bob");
    assert_eq!(
        feed.nobody().get(&format!("/@bob/{id}")).expect(308).location(),
        format!("/@ann/{id}")
    );
}

#[test]
fn following_shows_on_both_sides() {
    let feed = Feed::start();
    let (ann, bob) = (feed.person("ann"), feed.person("bob"));
    assert!(bob.page("/@ann").contains("action=\"/@ann/follow\""));
    assert_eq!(bob.submit("/@ann/follow", &[]).expect(303).location(), "/@ann");
    assert!(bob.page("/@ann").contains("action=\"/@ann/unfollow\""));
    assert!(ann.page("/@bob").contains("follows you"));
    assert!(feed.nobody().page("/@ann/followers").contains("href=\"/@bob\""));
    assert!(feed.nobody().page("/@bob/following").contains("href=\"/@ann\""));
    assert!(ann.page("/settings").contains("name=\"name\" value=\"bob\""));
    assert_eq!(bob.submit("/@bob/follow", &[]).status, 422, "not oneself");
    assert_eq!(bob.submit("/@nobody/follow", &[]).status, 404);
    assert_eq!(
        feed.nobody().submit("/@ann/follow", &[]).expect(303).location(),
        "/sign-in"
    );
    bob.submit("/@ann/unfollow", &[]).expect(303);
    assert!(!ann.page("/@bob").contains("follows you"));
}

#[test]
fn settings_are_kept_and_refused_with_their_text() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    let fields = [
        ("display_name", "Ann L."),
        ("bio", "Sails: https://x.example"),
        ("default_audience", "followers"),
    ];
    assert_eq!(
        ann.submit("/settings", &fields).expect(303).location(),
        "/settings?saved=1"
    );
    assert!(ann.page("/settings?saved=1").contains("Saved."));
    let profile = feed.nobody().page("/@ann");
    assert!(profile.contains("Ann L.") && profile.contains("<a href=\"https://x.example\""));
    assert!(
        ann.page("/").contains("<option value=\"followers\" selected>"),
        "the next post starts with it"
    );
    let long = "x".repeat(501);
    let page = ann
        .submit("/settings", &[("display_name", "Other"), ("bio", &long)])
        .expect(422)
        .text();
    assert!(page.contains(&long) && page.contains("value=\"Other\"") && page.contains("id=\"e-bio\""));
    let page = ann
        .submit("/settings", &[("display_name", &"x".repeat(51)), ("bio", "")])
        .expect(422)
        .text();
    assert!(page.contains("id=\"e-display_name\""));
    assert!(
        feed.nobody().page("/@ann").contains("Ann L."),
        "nothing was changed"
    );
}

#[test]
fn notifications_are_new_once() {
    let feed = Feed::start();
    let (ann, bob) = (feed.person("ann"), feed.person("bob"));
    let id = ann.post("likable", "public");
    bob.follow("ann");
    bob.submit(&format!("/@ann/{id}/favourite"), &[]).expect(303);
    bob.post("hello @ann", "public");
    assert!(ann.page("/").contains("data-unread=\"3\""));
    let page = ann.page("/notifications");
    for words in ["follows you now", "likes your post", "wrote to you"] {
        assert!(page.contains(words), "{words}");
    }
    assert_eq!(page.matches("class=\"note unread\"").count(), 3);
    assert!(page.contains("data-live=\"/stream/notifications\""));
    let again = ann.page("/notifications");
    assert_eq!(again.matches("class=\"note unread\"").count(), 0);
    assert!(ann.page("/").contains("data-unread=\"0\""));
    assert!(!bob.page("/notifications").contains("likable"));
}

#[test]
fn an_app_can_be_disconnected() {
    let feed = Feed::start();
    let (ann, bob) = (feed.person("ann"), feed.person("bob"));
    let store = feed.app.store();
    let new = NewApp {
        name: "Kit <1>".into(),
        website: None,
        redirect_uris: vec!["https://kit.example/back".into()],
        scopes: Scopes::parse("read write").unwrap(),
    };
    let (app, _) = feed.wait(store.create_app(new)).unwrap();
    let scopes = |text| Scopes::parse(text).unwrap();
    let person = feed.known("ann").id;
    let (first, _) = feed
        .wait(store.create_token(app.id, Some(person), scopes("read")))
        .unwrap();
    let (second, _) = feed
        .wait(store.create_token(app.id, Some(person), scopes("read write")))
        .unwrap();
    let page = ann.page("/settings");
    assert!(
        page.contains("Kit &lt;1&gt;") && page.contains("may: read, write"),
        "{page}"
    );
    let id = app.id.to_string();
    assert_eq!(
        bob.submit("/settings/apps/revoke", &[("app", &id)]).status,
        404,
        "not somebody else's"
    );
    ann.submit("/settings/apps/revoke", &[("app", &id)]).expect(303);
    for bearer in [first, second] {
        assert!(feed.wait(store.token(&bearer)).unwrap_err().is_missing());
    }
    assert!(!ann.page("/settings").contains("Kit"));
}
