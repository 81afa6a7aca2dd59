//! The wire: encodings, slashes, pages, scopes, limits, cross-origin rules.

mod api_kit;
mod common;

use api_kit::{Feed, ORIGIN, good, ids, refusal, text};
use serde_json::{Value, json};

#[test]
fn every_encoding_and_a_slash_at_the_end() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    let client = feed.client();
    let multipart = "--B\r\nContent-Disposition: form-data; name=\"status\"\r\n\r\nsaid\r\n\
                     --B\r\nContent-Disposition: form-data; name=\"visibility\"\r\n\r\nprivate\r\n--B--\r\n";
    let replies = [
        client
            .post("/api/v1/statuses")
            .bearer(&ann.token)
            .form(&[("status", "said"), ("visibility", "private")])
            .send(),
        client
            .post("/api/v1/statuses/")
            .bearer(&ann.token)
            .json(&json!({"status": "said", "visibility": "private"}))
            .send(),
        client
            .post("/api/v1/statuses")
            .bearer(&ann.token)
            .body("multipart/form-data; boundary=B", multipart)
            .send(),
        client
            .post("/api/v1/statuses?status=said&visibility=private")
            .bearer(&ann.token)
            .send(),
    ];
    for reply in replies {
        let post = good(&reply);
        assert_eq!(
            (&post["content"], &post["visibility"]),
            (&json!("<p>said</p>"), &json!("private"))
        );
    }
    for path in [
        "/api/v1/instance/",
        "/api/v2/instance/",
        "/api/v1/timelines/home/",
        "/api/v1/accounts/verify_credentials/",
    ] {
        assert_eq!(feed.get(path, Some(&ann.token)).status, 200, "{path}");
    }
}

#[test]
fn pages_link_to_their_neighbours_and_empty_ones_to_nothing() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    let posts: Vec<String> = (0..3)
        .map(|number| feed.say(&ann, &format!("number {number}"), "public"))
        .collect();
    let reply = feed.get("/api/v1/timelines/public?limit=2&local=true", None);
    let url = format!("{ORIGIN}/api/v1/timelines/public");
    assert_eq!(
        reply.header("link"),
        format!(
            "<{url}?local=true&limit=2&max_id={}>; rel=\"next\", <{url}?local=true&limit=2&min_id={}>; rel=\"prev\"",
            posts[1], posts[2]
        )
    );
    let older = feed.get(&format!("/api/v1/timelines/public?max_id={}", posts[1]), None);
    assert_eq!(ids(&good(&older)), [posts[0].clone()]);
    let above = feed.get(
        &format!("/api/v1/timelines/public?min_id={}&limit=1", posts[0]),
        None,
    );
    assert_eq!(ids(&good(&above)), [posts[1].clone()]);
    let since = feed.get(
        &format!("/api/v1/timelines/public?since_id={}&limit=1", posts[0]),
        None,
    );
    assert_eq!(ids(&good(&since)), [posts[2].clone()]);
    let empty = feed.get(&format!("/api/v1/timelines/public?max_id={}", posts[0]), None);
    assert_eq!((good(&empty), empty.header("link")), (json!([]), ""));
    assert_eq!(
        refusal(&feed.get("/api/v1/timelines/public?max_id=x", None)),
        (422, "Record invalid".into())
    );
}

#[test]
fn people_are_paged_by_when_they_followed() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    let others: Vec<_> = (0..3).map(|number| feed.person(&format!("p{number}"))).collect();
    others.iter().for_each(|other| feed.follow(other, &ann));
    let path = format!("/api/v1/accounts/{}/followers?limit=2", ann.id);
    let reply = feed.get(&path, None);
    assert_eq!(ids(&good(&reply)), [others[2].id.clone(), others[1].id.clone()]);
    let link = reply.header("link").to_owned();
    let next = link
        .split(['<', '>'])
        .nth(1)
        .unwrap()
        .strip_prefix(ORIGIN)
        .unwrap()
        .to_owned();
    assert_eq!(ids(&good(&feed.get(&next, None))), [others[0].id.clone()]);
}

#[test]
fn scopes_are_enforced_and_programs_are_nobody() {
    let feed = Feed::start();
    let reader = feed.person_with("reader", "read:statuses write:accounts");
    let outside = (403, "This action is outside the authorized scopes".to_owned());
    assert_eq!(
        feed.get("/api/v1/timelines/home", Some(&reader.token)).status,
        200
    );
    assert_eq!(
        refusal(&feed.get("/api/v1/notifications", Some(&reader.token))),
        outside
    );
    assert_eq!(
        refusal(&feed.get("/api/v1/accounts/verify_credentials", Some(&reader.token))),
        outside
    );
    assert_eq!(
        refusal(&feed.post("/api/v1/statuses", Some(&reader.token), &json!({"status": "x"}))),
        outside
    );
    assert_eq!(
        refusal(&feed.get("/api/v1/streaming/user/notification", Some(&reader.token))),
        outside
    );

    let program = feed.program("read", api_kit::OUT_OF_BAND);
    let own = feed.own_token(&program, "read");
    let nobody = (422, "This method requires an authenticated user".to_owned());
    assert_eq!(refusal(&feed.get("/api/v1/timelines/home", Some(&own))), nobody);
    assert_eq!(feed.get("/api/v1/timelines/public", Some(&own)).status, 200);
    assert_eq!(
        refusal(&feed.post("/api/v1/accounts", Some(&own), &json!({}))),
        outside
    );

    let invalid = (401, "The access token is invalid".to_owned());
    for token in [None, Some("wrong")] {
        let reply = feed.get("/api/v1/timelines/home", token);
        assert_eq!(refusal(&reply), invalid);
        assert!(reply.header("www-authenticate").starts_with("Bearer"));
    }
    assert_eq!(
        refusal(&feed.get("/api/v1/timelines/public", Some("wrong"))),
        invalid
    );
}

#[test]
fn a_person_cannot_make_people() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    let body = json!({ "username": "bob", "email": "b@c", "password": api_kit::PASSWORD, "agreement": true });
    assert_eq!(feed.post("/api/v1/accounts", Some(&ann.token), &body).status, 403);
    assert_eq!(feed.post("/api/v1/accounts", None, &body).status, 401);
}

#[test]
fn what_is_wrong_is_said() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    let say = |body: Value| refusal(&feed.post("/api/v1/statuses", Some(&ann.token), &body)).0;
    assert_eq!(say(json!({ "status": "" })), 422);
    assert_eq!(say(json!({ "status": "x".repeat(3001) })), 422);
    assert_eq!(say(json!({ "status": "x", "visibility": "everyone" })), 422);
    assert_eq!(say(json!({ "status": "x", "in_reply_to_id": "1" })), 404);
    assert_eq!(say(json!({ "status": "x", "in_reply_to_id": "y" })), 404);
    assert_eq!(say(json!({ "status": "x", "media_ids": ["1"] })), 422);
    assert_eq!(say(json!({ "status": "x", "poll": { "options": ["a"] } })), 422);
    let bad_date = feed.post(
        "/api/v1/statuses",
        Some(&ann.token),
        &json!({ "status": "x", "scheduled_at": "soon" }),
    );
    assert_eq!(refusal(&bad_date), (422, "Record invalid".into()));
    feed.say(&ann, &"x".repeat(3000), "public");
    for path in [
        "/api/v1/nothing",
        "/api/v1/accounts/x",
        "/api/v1/accounts/12345",
        "/api/v1/statuses/x",
        "/api/v9/x",
    ] {
        assert_eq!(
            refusal(&feed.get(path, None)),
            (404, "Record not found".into()),
            "{path}"
        );
    }
    let follow_oneself = feed.post(
        &format!("/api/v1/accounts/{}/follow", ann.id),
        Some(&ann.token),
        &json!({}),
    );
    assert_eq!(refusal(&follow_oneself).0, 422);
}

#[test]
fn the_same_key_answers_with_the_same_post() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    let say = |key: &str| {
        let client = feed.client();
        let request = client
            .post("/api/v1/statuses")
            .bearer(&ann.token)
            .header("idempotency-key", key);
        text(&good(&request.form(&[("status", "once")]).send())["id"])
    };
    let first = say("k");
    assert_eq!(say("k"), first);
    assert_ne!(say("l"), first);
}

#[test]
fn pages_of_other_origins_may_call() {
    let feed = Feed::start();
    let client = feed.client();
    let preflight = client
        .request("OPTIONS", "/api/v1/statuses")
        .header("origin", "https://client.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,idempotency-key")
        .send();
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), "*");
    assert!(
        preflight
            .header("access-control-allow-methods")
            .contains("DELETE")
    );
    assert!(
        preflight
            .header("access-control-allow-headers")
            .contains("Idempotency-Key")
    );
    for path in [
        "/api/v1/instance",
        "/nodeinfo/2.0",
        "/.well-known/nodeinfo",
        "/oauth/token",
        "/api/v1/nothing",
    ] {
        let reply = client.get(path).header("origin", "https://client.example").send();
        assert_eq!(reply.header("access-control-allow-origin"), "*", "{path}");
        assert!(
            reply.header("access-control-expose-headers").contains("Link"),
            "{path}"
        );
        assert_eq!(reply.header("access-control-allow-credentials"), "", "{path}");
    }
    let page = client
        .get("/oauth/authorize")
        .header("origin", "https://client.example")
        .send();
    assert_eq!(
        page.header("access-control-allow-origin"),
        "",
        "the consent page is for nobody's script"
    );
}

#[test]
fn limits_are_told_with_every_answer() {
    let feed = Feed::start();
    let left =
        |reply: &squall::testing::Answer| reply.header("x-ratelimit-remaining").parse::<u32>().unwrap();
    let (first, second) = (
        feed.get("/api/v1/instance", None),
        feed.get("/api/v1/instance", None),
    );
    assert_eq!(left(&first), left(&second) + 1);
    let reset = first.header("x-ratelimit-reset");
    assert!(reset.ends_with('Z') && reset.len() == 24, "{reset}");
    assert_eq!(first.header("x-ratelimit-limit"), "7500");
}
