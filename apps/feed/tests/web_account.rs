//! Signing up, in and out by the forms of the site.

mod common;
mod web_kit;

use squall::testing::Answer;
use web_kit::{Feed, PASSWORD, attribute};

fn sign_in(feed: &Feed, name: &str, password: &str) -> Answer {
    feed.nobody()
        .submit("/sign-in", &[("name", name), ("password", password)])
}

#[test]
fn a_person_signs_up_out_and_in_again() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    assert!(ann.page("/").contains("data-person=\"ann\""));
    assert_eq!(ann.submit("/sign-out", &[]).expect(303).location(), "/");
    assert!(!ann.page("/").contains("data-person"));
    assert_eq!(
        ann.get("/settings").expect(303).location(),
        "/sign-in?next=%2Fsettings"
    );
    let back = ann.submit(
        "/sign-in",
        &[("name", "Ann"), ("password", PASSWORD), ("next", "/settings")],
    );
    assert_eq!(back.expect(303).location(), "/settings");
    assert!(ann.page("/settings").contains("data-person=\"ann\""));
    assert_eq!(
        ann.get("/sign-in?next=/public").expect(303).location(),
        "/public",
        "nothing to do there any more"
    );
}

#[test]
fn sign_ups_from_one_address_are_limited() {
    let feed = Feed::start();
    feed.person("ann");
    let here = [127, 0, 0, 1].into();
    assert_eq!(feed.app.may_sign_up([192, 0, 2, 1].into()), Ok(()));
    let taken = (0..1_000).filter(|_| feed.app.may_sign_up(here).is_ok()).count();
    assert!(taken >= 999, "one was taken by ann");
    // One comes back each 300 ms, perhaps right before the form arrives.
    let refused = (0..100).find_map(|number| {
        while feed.app.may_sign_up(here).is_ok() {}
        let name = format!("bob{number}");
        let answer = feed
            .nobody()
            .submit("/sign-up", &[("name", &name), ("password", PASSWORD)]);
        (answer.status == 429).then_some(answer)
    });
    let refused = refused.expect("a sign-up too many");
    assert_eq!(refused.header("retry-after"), "1");
    assert!(refused.text().contains("Too many sign-ups"));
    assert_eq!(feed.app.may_sign_up([192, 0, 2, 1].into()), Ok(()));
}

#[test]
fn the_session_cookie_is_kept_from_scripts_and_other_sites() {
    let feed = Feed::start();
    let answer = feed
        .nobody()
        .submit("/sign-up", &[("name", "ann"), ("password", PASSWORD)]);
    let cookies: Vec<_> = answer
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|c| c.to_str().unwrap())
        .collect();
    let session = cookies
        .iter()
        .find(|cookie| cookie.contains("HttpOnly"))
        .expect("a session cookie");
    assert!(session.contains("SameSite=Lax"), "{session}");
    assert!(
        !session.contains("Secure"),
        "the site of this test is plain http: {session}"
    );
}

#[test]
fn what_was_typed_stays_and_the_reason_is_tied_to_its_field() {
    let feed = Feed::start();
    feed.person("ann");
    let taken = feed
        .nobody()
        .submit("/sign-up", &[("name", "ann"), ("password", PASSWORD)])
        .expect(422)
        .text();
    assert!(taken.contains("value=\"ann\""), "{taken}");
    assert!(taken.contains("That name is taken."));
    assert!(taken.contains("aria-invalid=\"true\"") && taken.contains("aria-describedby=\"e-name h-name\""));
    assert!(taken.contains("id=\"e-name\""));
    let short = feed
        .nobody()
        .submit("/sign-up", &[("name", "bob"), ("password", "short")])
        .expect(422)
        .text();
    assert!(short.contains("id=\"e-password\"") && short.contains("value=\"bob\""));
    assert!(
        !short.contains("value=\"short\""),
        "a password is never sent back"
    );
    let bad = feed
        .nobody()
        .submit("/sign-up", &[("name", "b\"><script>"), ("password", PASSWORD)])
        .expect(422)
        .text();
    assert!(bad.contains("id=\"e-name\"") && !bad.contains("\"><script>"));
}

#[test]
fn an_unknown_name_and_a_wrong_password_look_the_same() {
    let feed = Feed::start();
    feed.person("ann");
    let strip = |answer: Answer| {
        let page = answer.text();
        let token = attribute(&page, "name=\"_xsrf\" value").expect("a token");
        (answer.status, page.replace(&token, ""))
    };
    let unknown = strip(sign_in(&feed, "bob", PASSWORD));
    let (status, wrong) = strip(sign_in(&feed, "ann", "not the password"));
    assert_eq!(status, 422);
    assert_eq!(unknown, (status, wrong.replace("value=\"ann\"", "value=\"bob\"")));
}

#[test]
fn attempts_for_one_name_are_limited_whoever_has_it() {
    let feed = Feed::start();
    feed.person("ann");
    for name in ["ann", "nobody-has-this".get(..12).unwrap()] {
        let statuses: Vec<u16> = (0..12)
            .map(|_| sign_in(&feed, name, "wrong password").status)
            .collect();
        assert_eq!(statuses[..10], [422; 10], "{name}");
        assert_eq!(statuses[10..], [429; 2], "{name}");
    }
    let answer = sign_in(&feed, "ann", PASSWORD).expect(429);
    assert!(answer.header("retry-after").parse::<u64>().unwrap() <= 60);
    assert!(answer.text().contains("Too many attempts."));
}

#[test]
fn after_signing_in_one_stays_on_this_site() {
    let feed = Feed::start();
    feed.person("ann");
    let hostile = [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
    ];
    for next in hostile {
        let fields = [("name", "ann"), ("password", PASSWORD), ("next", next)];
        assert_eq!(
            feed.nobody().submit("/sign-in", &fields).expect(303).location(),
            "/",
            "{next:?}"
        );
        let query: String = next.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let page = feed.nobody().page(&format!("/sign-in?next={query}"));
        assert!(
            !page.contains("evil.example") && !page.contains("javascript:"),
            "{next:?}"
        );
    }
    let ann = feed.person("ann2");
    let back = ann.submit(
        "/posts",
        &[("text", "x"), ("audience", "me"), ("next", "//evil.example")],
    );
    assert_eq!(back.expect(303).location(), "/");
}

#[test]
fn a_form_needs_its_token_or_the_browser_s_word() {
    let feed = Feed::start();
    feed.person("ann");
    let old = feed.server.client().with_header("accept", "text/html");
    let fields = [("name", "ann"), ("password", PASSWORD)];
    let refused = old.post("/sign-in").form(&fields).send().expect(403);
    assert!(refused.text().contains("<h1>"), "a page, for people");
    let page = old.get("/sign-in").send().text();
    let token = attribute(&page, "name=\"_xsrf\" value").expect("every form has one");
    let with_token = [("name", "ann"), ("password", PASSWORD), ("_xsrf", token.as_str())];
    old.post("/sign-in").form(&with_token).send().expect(303);
    for site in ["cross-site", "same-site"] {
        let answer = old
            .post("/posts")
            .header("sec-fetch-site", site)
            .form(&[("text", "x"), ("_xsrf", &token)])
            .send();
        assert_eq!(answer.status, 403, "{site}");
    }
    old.post("/sign-out")
        .header("origin", "http://evil.example")
        .form(&[])
        .send()
        .expect(403);
    assert!(
        old.get("/").send().text().contains("data-person=\"ann\""),
        "still signed in"
    );
}

#[test]
fn every_form_of_every_page_has_a_token() {
    let feed = Feed::start();
    let (ann, bob) = (feed.person("ann"), feed.person("bob"));
    bob.follow("ann");
    let id = ann.post("hello @bob", "public");
    bob.submit(&format!("/@ann/{id}/favourite"), &[]).expect(303);
    let post = format!("/@ann/{id}");
    let paths = [
        "/",
        "/public",
        "/@ann",
        "/@bob",
        &post,
        "/notifications",
        "/settings",
        "/@ann/followers",
        "/sign-up",
    ];
    for (who, browser) in [("ann", &ann), ("nobody", &feed.nobody())] {
        for path in paths {
            let answer = browser.get(path);
            if answer.status == 303 {
                continue;
            }
            let page = answer.expect(200).text();
            let forms = page.matches("method=\"post\"").count();
            assert_eq!(page.matches("name=\"_xsrf\"").count(), forms, "{who} {path}");
            assert!(
                !page.contains("value=\"\"><input type=\"hidden\" name=\"next\""),
                "{who} {path}"
            );
        }
    }
}
