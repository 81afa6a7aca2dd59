//! How a program gets to act for a person, step by step, and everything that can be wrong on the way.

mod api_kit;
mod common;

use api_kit::{Feed, OUT_OF_BAND, Program, good, refusal, text};
use serde_json::{Value, json};
use squall::testing::{Answer, Client};

const CALLBACK: &str = "https://client.example/callback";
/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A browser in which `name`, a new person, is signed in.
fn browser(feed: &Feed, name: &str) -> Client {
    let client = feed.client().browser().with_header("accept", "text/html");
    let _ = client
        .post("/sign-up")
        .form(&[("name", name), ("password", api_kit::PASSWORD)])
        .send()
        .expect(303);
    client
}

fn encoded(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// The hidden fields of the consent page.
fn hidden(page: &str) -> Vec<(String, String)> {
    let form = page
        .split("action=\"/oauth/authorize\"")
        .nth(1)
        .expect("a form")
        .split("</form>")
        .next()
        .unwrap();
    let field = |input: &str| {
        let part = |name: &str| {
            input
                .split(&format!(" {name}=\""))
                .nth(1)
                .map(|rest| rest.split('"').next().unwrap())
        };
        Some((
            part("name")?.to_owned(),
            part("value")?.replace("&#x2f;", "/").replace("&amp;", "&"),
        ))
    };
    form.split("<input").skip(1).filter_map(field).collect()
}

/// Goes to the page, and answers what it asks.
fn decide(client: &Client, fields: &[(&str, &str)], decision: &str) -> Answer {
    let page = client
        .get(&format!("/oauth/authorize?{}", encoded(fields)))
        .send()
        .expect(200)
        .text();
    let mut fields = hidden(&page);
    fields.push(("decision".into(), decision.into()));
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    client.post("/oauth/authorize").form(&fields).send()
}

fn request<'a>(program: &'a Program, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![
        ("response_type", "code"),
        ("client_id", &*program.id),
        ("redirect_uri", CALLBACK),
    ];
    fields.extend(more);
    fields
}

fn query_of(location: &str) -> Vec<(String, String)> {
    let query = location.split_once('?').expect("a query").1;
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn value(location: &str, name: &str) -> String {
    query_of(location)
        .into_iter()
        .find(|(key, _)| key == name)
        .expect(name)
        .1
}

fn redeem(feed: &Feed, program: &Program, code: &str, more: &[(&str, &str)]) -> Answer {
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
    ];
    fields.extend([("client_id", &*program.id), ("client_secret", &*program.secret)]);
    for (name, value) in more {
        fields.retain(|(known, _)| known != name);
        fields.push((name, value));
    }
    feed.client().post("/oauth/token").form(&fields).send()
}

#[test]
fn from_the_question_to_the_token_and_its_end() {
    let feed = Feed::start();
    let program = feed.program("read write:statuses", CALLBACK);
    let ann = browser(&feed, "ann");
    let fields = request(&program, &[("scope", "read"), ("state", "a b/c&d")]);
    let answer = decide(&ann, &fields, "allow");
    assert_eq!(answer.status, 303);
    let location = answer.location();
    assert!(
        location.starts_with("https://client.example/callback?code="),
        "{location}"
    );
    assert_eq!(value(location, "state"), "a b/c&d");
    assert_eq!(
        (answer.header("cache-control"), answer.header("referrer-policy")),
        ("no-store", "no-referrer")
    );

    let token = good(&redeem(&feed, &program, &value(location, "code"), &[]));
    assert_eq!(
        (&token["scope"], &token["token_type"]),
        (&json!("read"), &json!("Bearer"))
    );
    let bearer = text(&token["access_token"]);
    assert_eq!(
        feed.read("/api/v1/accounts/verify_credentials", &bearer)["username"],
        "ann"
    );
    assert_eq!(
        feed.post("/api/v1/statuses", Some(&bearer), &json!({ "status": "x" }))
            .status,
        403
    );
    assert_eq!(feed.read("/oauth/userinfo", &bearer)["preferred_username"], "ann");

    let other = feed.program("read", CALLBACK);
    let revoke = |program: &Program, secret: &str, token: &str| {
        let fields = [
            ("client_id", &*program.id),
            ("client_secret", secret),
            ("token", token),
        ];
        feed.client().post("/oauth/revoke").form(&fields).send()
    };
    assert_eq!(
        refusal(&revoke(&program, "wrong", &bearer)),
        (403, "unauthorized_client".into())
    );
    assert_eq!(
        revoke(&other, &other.secret, &bearer).status,
        200,
        "unknown to that program, and left alone"
    );
    assert_eq!(feed.get("/api/v1/timelines/home", Some(&bearer)).status, 200);
    assert_eq!(good(&revoke(&program, &program.secret, &bearer)), json!({}));
    assert_eq!(feed.get("/api/v1/timelines/home", Some(&bearer)).status, 401);
    assert_eq!(
        revoke(&program, &program.secret, &bearer).status,
        200,
        "again is no error"
    );
}

#[test]
fn a_code_works_once_and_its_second_use_ends_the_token() {
    let feed = Feed::start();
    let program = feed.program("read", CALLBACK);
    let ann = browser(&feed, "ann");
    let code = value(decide(&ann, &request(&program, &[]), "allow").location(), "code");
    let bearer = text(&good(&redeem(&feed, &program, &code, &[]))["access_token"]);
    assert_eq!(
        refusal(&redeem(&feed, &program, &code, &[])),
        (400, "invalid_grant".into())
    );
    assert_eq!(feed.get("/api/v1/timelines/home", Some(&bearer)).status, 401);
}

#[test]
fn codes_are_bound_to_program_place_and_verifier() {
    let feed = Feed::start();
    let (program, other) = (feed.program("read", CALLBACK), feed.program("read", CALLBACK));
    let ann = browser(&feed, "ann");
    let plain = request(&program, &[]);
    let with_key = request(
        &program,
        &[("code_challenge", CHALLENGE), ("code_challenge_method", "S256")],
    );
    let code = |fields: &[(&str, &str)]| value(decide(&ann, fields, "allow").location(), "code");
    let bad = (400, "invalid_grant".to_owned());
    assert_eq!(refusal(&redeem(&feed, &other, &code(&plain), &[])), bad);
    assert_eq!(
        refusal(&redeem(
            &feed,
            &program,
            &code(&plain),
            &[("redirect_uri", OUT_OF_BAND)]
        )),
        bad
    );
    assert_eq!(refusal(&redeem(&feed, &program, "nothing", &[])), bad);
    assert_eq!(refusal(&redeem(&feed, &program, &code(&with_key), &[])), bad);
    assert_eq!(
        refusal(&redeem(
            &feed,
            &program,
            &code(&with_key),
            &[("code_verifier", CHALLENGE)]
        )),
        bad
    );
    assert_eq!(
        refusal(&redeem(
            &feed,
            &program,
            &code(&plain),
            &[("code_verifier", VERIFIER)]
        )),
        bad
    );
    assert_eq!(
        redeem(&feed, &program, &code(&with_key), &[("code_verifier", VERIFIER)]).status,
        200
    );
}

#[test]
fn what_is_wrong_with_a_token_request_is_named() {
    let feed = Feed::start();
    let program = feed.program("read", OUT_OF_BAND);
    let ask = |body: Value| refusal(&feed.post("/oauth/token", None, &body));
    let (id, secret) = (&program.id, &program.secret);
    assert_eq!(ask(json!({})), (400, "invalid_request".into()));
    assert_eq!(
        ask(
            json!({ "grant_type": "password", "client_id": id, "client_secret": secret, "username": "a",
                           "password": "b" })
        ),
        (400, "unsupported_grant_type".into())
    );
    assert_eq!(
        ask(json!({ "grant_type": "client_credentials" })),
        (401, "invalid_client".into())
    );
    assert_eq!(
        ask(json!({ "grant_type": "client_credentials", "client_id": id, "client_secret": "x" })),
        (401, "invalid_client".into())
    );
    assert_eq!(
        ask(json!({ "grant_type": "client_credentials", "client_id": "x", "client_secret": secret })),
        (401, "invalid_client".into())
    );
    assert_eq!(
        ask(
            json!({ "grant_type": "client_credentials", "client_id": id, "client_secret": secret,
                           "scope": "write" })
        ),
        (400, "invalid_scope".into())
    );
    assert_eq!(
        ask(json!({ "grant_type": "authorization_code", "client_id": id, "client_secret": secret })),
        (400, "invalid_request".into())
    );
    let basic = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"))
    };
    let client = feed.client();
    let answer = client
        .post("/oauth/token")
        .header("authorization", &format!("Basic {basic}"));
    assert_eq!(
        answer.form(&[("grant_type", "client_credentials")]).send().status,
        200
    );
}

#[test]
fn nobody_is_sent_where_the_program_did_not_say() {
    let feed = Feed::start();
    let program = feed.program("read", CALLBACK);
    let ann = browser(&feed, "ann");
    for place in [
        "https://evil.example/",
        "https://client.example/callback/",
        "https://client.example/callback?x",
        "",
    ] {
        let mut fields = request(&program, &[]);
        fields.retain(|(name, _)| *name != "redirect_uri");
        fields.push(("redirect_uri", place));
        let answer = ann.get(&format!("/oauth/authorize?{}", encoded(&fields))).send();
        assert_eq!((answer.status, answer.location()), (400, ""), "{place}");
        let answer = ann.post("/oauth/authorize").form(&fields).send();
        assert_eq!((answer.status, answer.location()), (400, ""), "{place}");
    }
    let unknown = [
        ("response_type", "code"),
        ("client_id", "nobody"),
        ("redirect_uri", CALLBACK),
    ];
    let answer = ann.get(&format!("/oauth/authorize?{}", encoded(&unknown))).send();
    assert_eq!((answer.status, answer.location()), (400, ""));
}

#[test]
fn errors_and_refusals_go_back_to_the_program() {
    let feed = Feed::start();
    let program = feed.program("read", CALLBACK);
    let ann = browser(&feed, "ann");
    for (more, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("scope", "write"), "invalid_scope"),
        (("scope", "nonsense"), "invalid_scope"),
        (("code_challenge", CHALLENGE), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
    ] {
        let mut fields = request(&program, &[("state", "s")]);
        fields.retain(|(name, _)| *name != more.0);
        fields.push(more);
        let answer = ann.get(&format!("/oauth/authorize?{}", encoded(&fields))).send();
        assert_eq!(answer.status, 303, "{error}");
        assert_eq!(
            (
                value(answer.location(), "error"),
                value(answer.location(), "state")
            ),
            (error.into(), "s".into())
        );
    }
    let denied = decide(&ann, &request(&program, &[("state", "s")]), "deny");
    assert_eq!(value(denied.location(), "error"), "access_denied");
    assert_eq!(value(denied.location(), "state"), "s");
}

#[test]
fn who_is_not_signed_in_signs_in_and_comes_back() {
    let feed = Feed::start();
    let program = feed.program("read", CALLBACK);
    let _ = browser(&feed, "ann");
    let state = "s".repeat(200);
    let more = [
        ("state", &*state),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let question = format!("/oauth/authorize?{}", encoded(&request(&program, &more)));
    let client = feed.client().browser().with_header("accept", "text/html");
    let answer = client.get(&question).send();
    assert_eq!(answer.status, 303);
    assert_eq!(value(answer.location(), "next"), question);
    let fields = [
        ("name", "ann"),
        ("password", api_kit::PASSWORD),
        ("next", &question),
    ];
    let answer = client.post("/sign-in").form(&fields).send();
    assert_eq!((answer.status, answer.location()), (303, &*question));
    assert_eq!(client.get(&question).send().status, 200);
}

#[test]
fn the_page_is_for_the_person_it_names_and_for_no_frame() {
    let feed = Feed::start();
    let program = feed.program("read write", CALLBACK);
    let (ann, bob) = (browser(&feed, "ann"), browser(&feed, "bob"));
    let question = format!(
        "/oauth/authorize/?{}",
        encoded(&request(&program, &[("scope", "read write")]))
    );
    let page = ann.get(&question).send().expect(200);
    for word in [
        "Kit",
        "@ann",
        "client.example",
        "read everything that you may read",
    ] {
        assert!(page.text().contains(word), "{word}");
    }
    assert!(
        page.header("content-security-policy")
            .contains("frame-ancestors 'none'")
    );
    assert_eq!(
        (page.header("x-frame-options"), page.header("cache-control")),
        ("DENY", "no-store")
    );

    // Bob signs in on the same browser while the page is open: he has not been asked.
    let mut fields = hidden(&page.text());
    fields.push(("decision".into(), "allow".into()));
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    let asked_again = bob.post("/oauth/authorize").form(&fields).send();
    assert_eq!(asked_again.status, 200);
    assert!(asked_again.text().contains("@bob"));

    // A form from elsewhere, without the page's own token.
    let fields: Vec<_> = fields.into_iter().filter(|(name, _)| *name != "_xsrf").collect();
    let forged = ann.clone().with_header("sec-fetch-site", "cross-site");
    assert_eq!(forged.post("/oauth/authorize").form(&fields).send().status, 403);
}

#[test]
fn out_of_band_the_code_is_shown() {
    let feed = Feed::start();
    let program = feed.program("read", OUT_OF_BAND);
    let ann = browser(&feed, "ann");
    let fields = [
        ("response_type", "code"),
        ("client_id", &*program.id),
        ("redirect_uri", OUT_OF_BAND),
        ("scope", "read"),
    ];
    let answer = decide(&ann, &fields, "allow");
    assert_eq!((answer.status, answer.location()), (200, ""));
    let page = answer.text();
    let code = page
        .split("id=\"code\"")
        .nth(1)
        .unwrap()
        .split(['>', '<'])
        .nth(1)
        .unwrap();
    assert_eq!(
        redeem(&feed, &program, code, &[("redirect_uri", OUT_OF_BAND)]).status,
        200
    );
    assert_eq!(decide(&ann, &fields, "deny").status, 400);
}

#[test]
fn programs_are_looked_at_before_they_are_registered() {
    let feed = Feed::start();
    let register = |body: Value| feed.post("/api/v1/apps", None, &body).status;
    assert_eq!(
        register(json!({ "client_name": "", "redirect_uris": OUT_OF_BAND })),
        422
    );
    assert_eq!(register(json!({ "client_name": "a" })), 422);
    assert_eq!(
        register(json!({ "client_name": "a", "redirect_uris": "javascript:alert(1)" })),
        422
    );
    assert_eq!(
        register(json!({ "client_name": "a", "redirect_uris": "https://a/#x" })),
        422
    );
    assert_eq!(
        register(json!({ "client_name": "a", "redirect_uris": OUT_OF_BAND, "scopes": "admin" })),
        422
    );
    assert_eq!(
        register(json!({ "client_name": "a", "redirect_uris": format!("{OUT_OF_BAND}\nhttps://a/cb") })),
        200
    );
}
