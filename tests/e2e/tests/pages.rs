//! The feed without script: what a browser of 1999, a screen reader or a search engine does with plain requests.

use e2e::agent::{Agent, Reply};
use e2e::feed::{Feed, PASSWORD};

/// Follows redirects of the same site.
fn get(agent: &mut Agent, path: &str) -> Reply {
    let mut reply = agent.get(path).expect("the feed answers");
    for _ in 0..3 {
        let Some(place) = reply
            .head
            .field("location")
            .filter(|_| (300..400).contains(&reply.status()))
        else {
            break;
        };
        let origin = format!("http://{}", agent.addr());
        let place = place.strip_prefix(&origin).unwrap_or(place).to_owned();
        assert!(
            place.starts_with('/') && !place.starts_with("//"),
            "a redirect to {place}"
        );
        reply = agent.get(&place).expect("the feed answers");
    }
    reply
}

/// The path of the first form that goes to a path like this.
fn has_form(page: &Reply, action: &str) -> bool {
    page.text().contains(&format!("action=\"{action}\""))
}

#[test]
fn everything_works_without_script() {
    let feed = Feed::start();
    let mut alice = feed.stranger();
    let front = get(&mut alice, "/");
    assert!(
        front.text().contains("/sign-up"),
        "an empty feed says what to do first"
    );
    let page = get(&mut alice, "/sign-up");
    assert!(has_form(&page, "/sign-up"));
    let reply = alice
        .form("/sign-up", &[("name", "alice"), ("password", PASSWORD)])
        .expect("the feed answers");
    assert_eq!(reply.status(), 303, "{}", reply.text());
    let home = get(&mut alice, "/");
    assert!(has_form(&home, "/posts"), "{}", home.text());

    let text = "Hello <b>world</b> & see https://example.org/a?b=1&c=2 now";
    let reply = alice
        .form("/posts", &[("text", text), ("audience", "public"), ("next", "/")])
        .expect("the feed answers");
    assert_eq!(reply.status(), 303, "{}", reply.text());
    let home = get(&mut alice, "/").text();
    assert!(
        home.contains("Hello &lt;b&gt;world&lt;/b&gt; &amp; see "),
        "{home}"
    );
    assert!(
        home.contains("href=\"https://example.org/a?b=1&amp;c=2\""),
        "{home}"
    );
    assert!(!home.contains("<b>world</b>"));

    let mut bob = feed.sign_up("bob");
    let profile = get(&mut bob, "/@alice");
    assert!(has_form(&profile, "/@alice/follow"), "{}", profile.text());
    assert_eq!(
        bob.form("/@alice/follow", &[])
            .expect("the feed answers")
            .status(),
        303
    );
    assert!(
        get(&mut bob, "/").text().contains("example.org"),
        "bob's home has alice's post"
    );
    assert!(has_form(&get(&mut bob, "/@alice"), "/@alice/unfollow"));
    assert_eq!(
        bob.form("/@alice/unfollow", &[])
            .expect("the feed answers")
            .status(),
        303
    );
    assert!(!get(&mut bob, "/").text().contains("example.org"));

    // The post's own page, and its end.
    let public = get(&mut feed.stranger(), "/public").text();
    let id = public
        .split("data-post=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("a post on the page");
    let post = get(&mut feed.stranger(), &format!("/@alice/{id}"));
    assert_eq!(post.status(), 200);
    assert_eq!(
        bob.form(&format!("/posts/{id}/delete"), &[])
            .expect("the feed answers")
            .status(),
        404
    );
    assert_eq!(
        alice
            .form(&format!("/posts/{id}/delete"), &[])
            .expect("the feed answers")
            .status(),
        303
    );
    assert_eq!(get(&mut feed.stranger(), &format!("/@alice/{id}")).status(), 404);

    assert_eq!(
        alice.form("/sign-out", &[]).expect("the feed answers").status(),
        303
    );
    assert!(!has_form(&get(&mut alice, "/"), "/posts"));
}

#[test]
fn a_wrong_password_and_an_unknown_name_are_one_answer() {
    let feed = Feed::start();
    let alice = feed.sign_up("alice");
    drop(alice);
    let answer = |name: &str| {
        let wrong = [("name", name), ("password", "not the password")];
        let reply = feed
            .stranger()
            .form("/sign-in", &wrong)
            .expect("the feed answers");
        // What was typed is shown again, and a form's token is another each time.
        let masked = reply.text().replace(name, "NAME");
        let masked: String = masked.lines().filter(|line| !line.contains("_xsrf")).collect();
        (reply.status(), masked)
    };
    let (known, unknown) = (answer("alice"), answer("nobody"));
    assert_ne!(known.0, 303);
    assert_eq!(known, unknown);
}

#[test]
fn guessing_passwords_is_limited() {
    let feed = Feed::start();
    drop(feed.sign_up("alice"));
    let mut guesser = feed.stranger();
    let limited = (0..60).any(|number| {
        let guess = format!("guess number {number}");
        let reply = guesser
            .form("/sign-in", &[("name", "alice"), ("password", &guess)])
            .expect("the feed answers");
        assert_ne!(reply.status(), 303);
        reply.status() == 429
    });
    assert!(limited, "sixty guesses in a row were let through");
}

#[test]
fn forms_of_other_sites_do_nothing() {
    let feed = Feed::start();
    let mut alice = feed.sign_up("alice");
    let body = b"text=gotcha&audience=public";
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    for fields in [
        "Sec-Fetch-Site: cross-site\r\nOrigin: http://evil.example\r\n",
        "Sec-Fetch-Site: same-site\r\nOrigin: http://evil.example\r\n",
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
        "",
    ] {
        let reply = alice
            .request("POST", "/posts", &format!("{form}{fields}"), body)
            .expect("the feed answers");
        assert_eq!(reply.status(), 403, "{fields:?}: {}", reply.text());
    }
    assert!(
        !alice
            .get("/")
            .expect("the feed answers")
            .text()
            .contains("gotcha")
    );
}

#[test]
fn the_session_s_cookie_is_kept_from_scripts_and_other_sites() {
    let feed = Feed::start();
    let fields = [("name", "alice"), ("password", PASSWORD)];
    let reply = feed
        .stranger()
        .form("/sign-up", &fields)
        .expect("the feed answers");
    let mut cookies = reply
        .head
        .fields
        .iter()
        .filter(|(name, _)| name == "set-cookie")
        .map(|(_, value)| value);
    let session = cookies
        .find(|cookie| cookie.to_lowercase().contains("httponly"))
        .expect("an HttpOnly cookie");
    let session = session.to_lowercase();
    assert!(
        session.contains("samesite=lax") && session.contains("path=/"),
        "{session}"
    );
}

#[test]
fn the_address_to_go_to_after_signing_in_is_of_this_site() {
    let feed = Feed::start();
    drop(feed.sign_up("alice"));
    for next in [
        "//evil.example",
        "http://evil.example",
        "/\\evil.example",
        "https:evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
    ] {
        let fields = [("name", "alice"), ("password", PASSWORD), ("next", next)];
        let reply = feed
            .stranger()
            .form("/sign-in", &fields)
            .expect("the feed answers");
        let place = reply.head.field("location").unwrap_or_default();
        assert!(
            place.starts_with('/') && !place.contains("evil"),
            "{next:?} leads to {place:?}"
        );
    }
}

/// A value of an attribute as it was meant.
fn unescape(text: &str) -> String {
    text.replace("&#x2f;", "/")
        .replace("&quot;", "\"")
        .replace("&#x27;", "'")
        .replace("&amp;", "&")
}

#[test]
fn pages_neither_skip_nor_repeat_while_posts_go_on() {
    let feed = Feed::start();
    let mut alice = feed.register("alice");
    let mut posted: Vec<String> = (0..60)
        .map(|number| {
            alice
                .post(&format!("number {number}"), "public")
                .expect("acknowledged")
        })
        .collect();
    posted.reverse();
    let mut page = get(&mut feed.stranger(), "/@alice").text();
    let mut seen = Vec::new();
    loop {
        seen.extend(
            page.split("data-post=\"")
                .skip(1)
                .filter_map(|rest| rest.split('"').next())
                .map(str::to_owned),
        );
        alice.post("one more", "public").expect("acknowledged");
        let link = page
            .split("rel=\"next\" href=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let Some(link) = link.map(unescape) else { break };
        let path = if link.starts_with('?') {
            format!("/@alice{link}")
        } else {
            link
        };
        page = get(&mut feed.stranger(), &path).text();
    }
    assert_eq!(seen, posted);
}
