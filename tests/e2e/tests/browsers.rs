//! People with real browsers: two windows see each other's posts the moment they are made, and only those they may.

use e2e::feed::{Feed, PASSWORD};
use e2e::webdriver::{Browser, Driver};

/// Makes an account in a browser and ends on its home page.
fn sign_up(browser: &Browser, feed: &Feed, name: &str) {
    browser.open(&feed.url("/sign-up"));
    browser.fill("input[name=name]", name);
    browser.fill("input[name=password]", PASSWORD);
    browser.click("main form button.primary");
    browser.wait_for(&format!(
        "document.body.dataset.person === '{name}' && document.querySelector('#compose')"
    ));
}

/// Writes a post on the page that is open and waits until it is shown there.
fn post(browser: &Browser, text: &str, audience: &str) {
    browser.click(&format!(
        "#compose select[name=audience] option[value={audience}]"
    ));
    browser.fill("#compose textarea[name=text]", text);
    browser.click("#compose button.primary");
    shows(browser, text);
}

fn follow(browser: &Browser, feed: &Feed, name: &str) {
    browser.open(&feed.url(&format!("/@{name}")));
    browser.click(&format!("form[action='/@{name}/follow'] button"));
    browser.wait_for(&format!(
        "document.querySelector(\"form[action='/@{name}/unfollow']\")"
    ));
}

/// An expression that is true when the list of posts holds one with this text.
fn listed(text: &str) -> String {
    format!(
        "[...document.querySelectorAll('.posts .post')].some((post) => post.textContent.includes('{text}'))"
    )
}

fn shows(browser: &Browser, text: &str) {
    browser.wait_for(&listed(text));
}

/// Leaves a mark that a reload would wipe out.
fn mark(browser: &Browser) {
    browser.script("window.unreloaded = true");
}

fn is_marked(browser: &Browser) -> bool {
    browser
        .script("return window.unreloaded === true")
        .as_bool()
        .unwrap_or(false)
}

fn has(browser: &Browser, text: &str) -> bool {
    browser
        .script("return document.documentElement.outerHTML")
        .as_str()
        .is_some_and(|html| html.contains(text))
}

#[test]
fn a_post_in_one_browser_appears_in_the_other_without_reload() {
    let feed = Feed::start();
    let driver = Driver::start();
    let (alice, bob) = (driver.browser(), driver.browser());
    sign_up(&alice, &feed, "alice");
    sign_up(&bob, &feed, "bob");
    follow(&bob, &feed, "alice");
    follow(&alice, &feed, "bob");
    bob.open(&feed.url("/"));
    alice.open(&feed.url("/"));
    mark(&bob);
    mark(&alice);

    for round in 0..3 {
        post(&alice, &format!("from alice {round}"), "followers");
        shows(&bob, &format!("from alice {round}"));
        post(&bob, &format!("from bob {round}"), "public");
        shows(&alice, &format!("from bob {round}"));
    }
    assert!(is_marked(&alice) && is_marked(&bob), "a page was loaded anew");
    let twice = "return document.querySelectorAll('.posts .post').length";
    assert_eq!(
        (alice.script(twice).as_u64(), bob.script(twice).as_u64()),
        (Some(6), Some(6)),
        "each post once"
    );
    assert_eq!(
        (alice.complaints(), bob.complaints()),
        (vec![], vec![]),
        "the pages' scripts and policies are in order"
    );
}

#[test]
fn what_is_new_waits_while_one_reads_further_down() {
    let feed = Feed::start();
    let mut alice = feed.register("alice");
    for number in 0..20 {
        alice
            .post(&format!("old {number}"), "public")
            .expect("acknowledged");
    }
    let driver = Driver::start();
    let bob = driver.browser();
    sign_up(&bob, &feed, "bob");
    follow(&bob, &feed, "alice");
    bob.open(&feed.url("/"));
    shows(&bob, "old 19");
    bob.script("window.scrollTo(0, document.body.scrollHeight)");
    bob.wait_for("document.querySelector('.posts').getBoundingClientRect().top < 0");

    alice.post("new first", "public").expect("acknowledged");
    alice.post("new second", "public").expect("acknowledged");
    bob.wait_for("!document.querySelector('.fresh').hidden && document.querySelector('.fresh').innerText.includes('2 new')");
    assert!(!has(&bob, "new first"), "it waits");
    bob.script("document.querySelector('.fresh').click()");
    shows(&bob, "new first");
    shows(&bob, "new second");
    let order = "return [...document.querySelectorAll('.posts .post .text')].slice(0, 3).map((text) => text.innerText)";
    let order = bob.script(order);
    assert_eq!(order, serde_json::json!(["new second", "new first", "old 19"]));
}

#[test]
fn an_open_page_stops_receiving_when_its_reader_unfollows() {
    let feed = Feed::start();
    let (mut alice, mut carol) = (feed.register("alice"), feed.register("carol"));
    let driver = Driver::start();
    let bob = driver.browser();
    sign_up(&bob, &feed, "bob");
    follow(&bob, &feed, "alice");
    follow(&bob, &feed, "carol");
    bob.open(&feed.url("/"));
    alice.post("while followed", "private").expect("acknowledged");
    shows(&bob, "while followed");

    let unfollowed = feed
        .sign_in("bob")
        .form("/@alice/unfollow", &[])
        .expect("the feed answers");
    assert_eq!(unfollowed.status(), 303);
    alice.post("no longer for bob", "private").expect("acknowledged");
    alice.post("nor this", "public").expect("acknowledged");
    // The stream is in order: when this is there, what came before it would be there too.
    carol.post("the end", "public").expect("acknowledged");
    shows(&bob, "the end");
    assert!(!has(&bob, "no longer for bob") && !has(&bob, "nor this"));
}

#[test]
fn a_stranger_s_page_never_shows_what_is_for_followers() {
    let feed = Feed::start();
    let mut alice = feed.register("alice");
    alice.post("secret before", "private").expect("acknowledged");
    let driver = Driver::start();
    let (dave, nobody) = (driver.browser(), driver.browser());
    sign_up(&dave, &feed, "dave");
    for path in ["/@alice", "/public", "/"] {
        dave.open(&feed.url(path));
        nobody.open(&feed.url(path));
        alice
            .post(&format!("secret while {path}"), "private")
            .expect("acknowledged");
        alice
            .post(&format!("mine alone {path}"), "direct")
            .expect("acknowledged");
        alice
            .post(&format!("seen on {path}"), "public")
            .expect("acknowledged");
        let mut pages = vec![&nobody];
        // Dave follows nobody: his home has nothing of Alice's to wait for.
        pages.extend((path != "/").then_some(&dave));
        for page in pages {
            shows(page, &format!("seen on {path}"));
        }
        for page in [&nobody, &dave] {
            assert!(
                !has(page, "secret") && !has(page, "mine alone"),
                "{path}: {}",
                page.text()
            );
        }
    }
}

#[test]
fn an_empty_feed_says_what_to_do_first() {
    let feed = Feed::start();
    let driver = Driver::start();
    let browser = driver.browser();
    browser.open(&feed.url("/"));
    browser.wait_for("document.querySelector('a[href=\"/sign-up\"]')");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
