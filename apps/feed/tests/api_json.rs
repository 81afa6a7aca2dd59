//! The JSON that strict clients insist on, key by key.

mod api_kit;
mod common;

use api_kit::{Feed, ORIGIN, good, text};
use serde_json::{Value, json};

/// The value with everything that differs from run to run replaced: ids, dates, and the server's address.
fn settled(value: &Value) -> Value {
    match value {
        Value::String(text) if text.len() >= 15 && text.bytes().all(|b| b.is_ascii_digit()) => json!("ID"),
        Value::String(text) if is_moment(text) => json!("MOMENT"),
        Value::String(text) if is_day(text) => json!("DAY"),
        Value::String(text) => {
            let text = text.replace(ORIGIN, "ORIGIN");
            let end = text.rfind('/').map_or(0, |at| at + 1);
            let digits = text.len() > end + 14 && text[end..].bytes().all(|b| b.is_ascii_digit());
            if digits {
                json!(format!("{}ID", &text[..end]))
            } else {
                json!(text)
            }
        }
        Value::Array(list) => list.iter().map(settled).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), settled(value)))
            .collect(),
        other => other.clone(),
    }
}

/// `2026-01-02T03:04:05.678Z`, exactly.
fn is_moment(text: &str) -> bool {
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    shape == "0000-00-00T00:00:00.000Z"
}

fn is_day(text: &str) -> bool {
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    shape == "0000-00-00"
}

fn account(name: &str, counts: [u64; 3], last: Value) -> Value {
    json!({
        "id": "ID", "username": name, "acct": name, "display_name": name, "locked": false, "bot": false,
        "discoverable": true, "indexable": false, "group": false, "created_at": "MOMENT", "note": "",
        "url": format!("ORIGIN/@{name}"), "uri": format!("ORIGIN/@{name}"),
        "avatar": "ORIGIN/avatars/missing.svg", "avatar_static": "ORIGIN/avatars/missing.svg",
        "header": "ORIGIN/headers/missing.svg", "header_static": "ORIGIN/headers/missing.svg",
        "followers_count": counts[0], "following_count": counts[1], "statuses_count": counts[2],
        "last_status_at": last, "emojis": [], "fields": [],
    })
}

fn status(name: &str, own: bool) -> Value {
    let mut status = json!({
        "id": "ID", "created_at": "MOMENT", "in_reply_to_id": null, "in_reply_to_account_id": null,
        "sensitive": false, "spoiler_text": "", "visibility": "public", "language": null,
        "uri": format!("ORIGIN/@{name}/ID"), "url": format!("ORIGIN/@{name}/ID"),
        "replies_count": 0, "reblogs_count": 0, "favourites_count": 0, "edited_at": null,
        "favourited": false, "reblogged": false, "muted": false, "bookmarked": false, "filtered": [],
        "content": "<p>Hello &amp; welcome</p>", "reblog": null,
        "application": { "name": "Kit", "website": "https://kit.example" },
        "account": account(name, [0, 0, 1], json!("DAY")),
        "media_attachments": [], "mentions": [], "tags": [], "emojis": [], "card": null, "poll": null,
    });
    if own {
        status["pinned"] = json!(false);
    }
    status
}

#[test]
fn a_status_for_its_author_for_others_and_for_nobody() {
    let feed = Feed::start();
    let (ann, bob) = (feed.person("ann"), feed.person("bob"));
    let made = feed.act(
        "/api/v1/statuses",
        &ann.token,
        &json!({ "status": "Hello & welcome", "visibility": "public" }),
    );
    assert_eq!(settled(&made), status("ann", true));
    let path = format!("/api/v1/statuses/{}", text(&made["id"]));
    assert_eq!(settled(&feed.read(&path, &bob.token)), status("ann", false));
    let mut bare = status("ann", false);
    for key in ["favourited", "reblogged", "muted", "bookmarked", "filtered"] {
        bare.as_object_mut().unwrap().remove(key);
    }
    assert_eq!(settled(&good(&feed.get(&path, None))), bare);

    let client = feed.client();
    let gone = good(&client.delete(&path).bearer(&ann.token).send());
    assert_eq!(gone["text"], "Hello & welcome");
}

#[test]
fn people_and_oneself() {
    let feed = Feed::start();
    let ann = feed.person("ann");
    let path = format!("/api/v1/accounts/{}", ann.id);
    assert_eq!(
        settled(&good(&feed.get(&path, None))),
        account("ann", [0, 0, 0], Value::Null)
    );
    let mut oneself = account("ann", [0, 0, 0], Value::Null);
    oneself["source"] = json!({ "privacy": "public", "sensitive": false, "language": null, "note": "", "fields": [],
                                "follow_requests_count": 0 });
    let found = feed.read("/api/v1/accounts/verify_credentials", &ann.token);
    assert_eq!(settled(&found), oneself);
    assert_eq!(
        feed.read("/api/v1/preferences", &ann.token),
        json!({ "posting:default:visibility": "public", "posting:default:sensitive": false,
                "posting:default:language": null, "reading:expand:media": "default",
                "reading:expand:spoilers": false })
    );
}

#[test]
fn relationships_and_notifications() {
    let feed = Feed::start();
    let (ann, bob) = (feed.person("ann"), feed.person("bob"));
    feed.follow(&bob, &ann);
    let relationship = |following: bool, followed_by: bool| {
        json!({ "id": "ID", "following": following, "showing_reblogs": following, "notifying": false,
                "languages": null, "followed_by": followed_by, "blocking": false, "blocked_by": false, "muting": false,
                "muting_notifications": false, "requested": false, "requested_by": false, "domain_blocking": false,
                "endorsed": false, "note": "" })
    };
    let seen = feed.read(
        &format!("/api/v1/accounts/relationships?id[]={}", ann.id),
        &bob.token,
    );
    assert_eq!(settled(&seen), json!([relationship(true, false)]));
    let seen = feed.read(
        &format!("/api/v1/accounts/relationships?id={}", bob.id),
        &ann.token,
    );
    assert_eq!(settled(&seen), json!([relationship(false, true)]));

    let told = feed.read("/api/v1/notifications", &ann.token);
    let id = text(&told[0]["id"]);
    let mut told = settled(&told);
    assert_eq!(told[0]["group_key"].take(), json!(format!("ungrouped-{id}")));
    assert_eq!(
        told,
        json!([{ "id": "ID", "type": "follow", "created_at": "MOMENT", "group_key": null,
                 "account": account("bob", [0, 1, 0], Value::Null), "status": null }])
    );
    assert_eq!(
        feed.read("/api/v1/notifications/unread_count", &ann.token),
        json!({ "count": 1 })
    );
    let mark = json!({ "notifications": { "last_read_id": id } });
    assert_eq!(
        feed.act("/api/v1/markers", &ann.token, &mark)["notifications"]["last_read_id"],
        json!(id)
    );
    assert_eq!(
        feed.read("/api/v1/notifications/unread_count", &ann.token),
        json!({ "count": 0 })
    );
}

#[test]
fn programs_and_tokens() {
    let feed = Feed::start();
    let body =
        json!({ "client_name": "Kit", "redirect_uris": ["https://a/cb", "kit://b"], "scopes": "read write" });
    let mut app = good(&feed.post("/api/v1/apps", None, &body));
    for secret in ["client_id", "client_secret"] {
        assert_eq!(text(&app[secret].take()).len(), 43);
    }
    assert_eq!(
        settled(&app),
        json!({ "id": "ID", "name": "Kit", "website": null, "scopes": ["read", "write"],
                "redirect_uri": "https://a/cb\nkit://b", "redirect_uris": ["https://a/cb", "kit://b"],
                "vapid_key": "", "client_id": null, "client_secret": null, "client_secret_expires_at": 0 })
    );
    let program = feed.program("read", api_kit::OUT_OF_BAND);
    let body = json!({ "grant_type": "client_credentials", "client_id": program.id, "client_secret": program.secret });
    let reply = feed.post("/oauth/token", None, &body);
    assert_eq!(reply.header("cache-control"), "no-store");
    let mut token = good(&reply);
    let bearer = text(&token["access_token"].take());
    assert!(token["created_at"].take().as_u64().unwrap() > 1_700_000_000);
    assert_eq!(
        token,
        json!({ "access_token": null, "token_type": "Bearer", "scope": "read", "created_at": null })
    );
    let seen = feed.read("/api/v1/apps/verify_credentials", &bearer);
    assert_eq!((&seen["name"], seen.get("client_secret")), (&json!("Kit"), None));
}

#[test]
fn the_instance() {
    let feed = Feed::start();
    let v1 = good(&feed.get("/api/v1/instance", None));
    let version = text(&v1["version"]);
    assert!(
        version.starts_with("4.2.0 (compatible; Squall Feed "),
        "{version}"
    );
    for key in [
        "uri",
        "title",
        "short_description",
        "description",
        "email",
        "version",
        "urls",
        "stats",
        "thumbnail",
        "languages",
        "registrations",
        "approval_required",
        "invites_enabled",
        "configuration",
        "contact_account",
        "rules",
    ] {
        assert!(v1.get(key).is_some(), "v1 {key}");
    }
    assert_eq!(v1["configuration"]["statuses"]["max_characters"], 3000);
    let v2 = good(&feed.get("/api/v2/instance", None));
    for key in [
        "domain",
        "title",
        "version",
        "source_url",
        "description",
        "usage",
        "thumbnail",
        "icon",
        "languages",
        "configuration",
        "registrations",
        "contact",
        "rules",
        "api_versions",
    ] {
        assert!(v2.get(key).is_some(), "v2 {key}");
    }
    let links = good(&feed.get("/.well-known/nodeinfo", None));
    let nodeinfo = text(&links["links"][0]["href"]);
    assert_eq!(nodeinfo, format!("{ORIGIN}/nodeinfo/2.0"));
    assert_eq!(
        good(&feed.get("/nodeinfo/2.0", None))["software"]["name"],
        "squall-feed"
    );
    assert_eq!(
        feed.get("/.well-known/oauth-authorization-server", None).status,
        404
    );
}
