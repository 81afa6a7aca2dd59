//! What the tests of the API share: a running feed, programs and people.

#![allow(dead_code)] // Each test file uses its own part of this.

use feed::app::{App, Site};
use feed::domain::passwords::Passwords;
use serde_json::{Value, json};
use squall::testing::{Answer, Client, TestServer};

use crate::common::Dir;

/// Where the feed says it is.
pub(crate) const ORIGIN: &str = "http://feed.example";
/// Everybody's password.
pub(crate) const PASSWORD: &str = "correct horse battery";
/// The redirect URI of programs that show the code.
pub(crate) const OUT_OF_BAND: &str = "urn:ietf:wg:oauth:2.0:oob";

/// A running feed with an empty database.
pub(crate) struct Feed {
    // The server first: it must be gone before the directory is.
    pub(crate) server: TestServer,
    pub(crate) app: App,
    _dir: Dir,
}

/// A program: its id and secret.
pub(crate) struct Program {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// A person, and the token of a program that acts for them.
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) token: String,
}

impl Feed {
    pub(crate) fn start() -> Self {
        Self::start_with(|server| server)
    }

    /// With a server that is set up further.
    pub(crate) fn start_with(change: impl FnOnce(squall::Server) -> squall::Server) -> Self {
        let dir = Dir::new();
        let app = App::open(dir.path(), Site::new(ORIGIN).unwrap(), Passwords::cheap()).unwrap();
        let live = app.live().clone();
        let router = feed::router::router(&app);
        let server = squall::testing::serve_with(router, |server| change(server.live(&live)));
        Self {
            server,
            app,
            _dir: dir,
        }
    }

    /// Somebody without cookies.
    pub(crate) fn client(&self) -> Client {
        self.server.client()
    }

    pub(crate) fn get(&self, path: &str, token: Option<&str>) -> Answer {
        let client = self.client();
        let request = client.get(path);
        match token {
            Some(token) => request.bearer(token).send(),
            None => request.send(),
        }
    }

    pub(crate) fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Answer {
        let client = self.client();
        let request = client.post(path).json(body);
        match token {
            Some(token) => request.bearer(token).send(),
            None => request.send(),
        }
    }

    /// The JSON of a good answer.
    pub(crate) fn read(&self, path: &str, token: &str) -> Value {
        good(&self.get(path, Some(token)))
    }

    pub(crate) fn act(&self, path: &str, token: &str, body: &Value) -> Value {
        good(&self.post(path, Some(token), body))
    }

    pub(crate) fn program(&self, scopes: &str, redirect_uri: &str) -> Program {
        let body = json!({ "client_name": "Kit", "redirect_uris": redirect_uri, "scopes": scopes,
                           "website": "https://kit.example" });
        let app = good(&self.post("/api/v1/apps", None, &body));
        Program {
            id: text(&app["client_id"]),
            secret: text(&app["client_secret"]),
        }
    }

    /// The token of a program that acts for itself.
    pub(crate) fn own_token(&self, program: &Program, scopes: &str) -> String {
        let body = json!({ "grant_type": "client_credentials", "client_id": program.id,
                           "client_secret": program.secret, "scope": scopes });
        text(&good(&self.post("/oauth/token", None, &body))["access_token"])
    }

    /// A new person, with a token of these scopes.
    pub(crate) fn person_with(&self, name: &str, scopes: &str) -> Person {
        let program = self.program(scopes, OUT_OF_BAND);
        let own = self.own_token(&program, scopes);
        let body = json!({ "username": name, "email": format!("{name}@example.org"), "password": PASSWORD,
                           "agreement": true });
        let token = text(&good(&self.post("/api/v1/accounts", Some(&own), &body))["access_token"]);
        let id = good(&self.get(&format!("/api/v1/accounts/lookup?acct={name}"), None));
        Person {
            name: name.into(),
            id: text(&id["id"]),
            token,
        }
    }

    pub(crate) fn person(&self, name: &str) -> Person {
        self.person_with(name, "read write follow")
    }

    /// A post's id.
    pub(crate) fn say(&self, person: &Person, text_: &str, visibility: &str) -> String {
        let post = self.act(
            "/api/v1/statuses",
            &person.token,
            &json!({ "status": text_, "visibility": visibility }),
        );
        text(&post["id"])
    }

    pub(crate) fn follow(&self, follower: &Person, followed: &Person) {
        self.act(
            &format!("/api/v1/accounts/{}/follow", followed.id),
            &follower.token,
            &json!({}),
        );
    }
}

/// The JSON of a 200.
pub(crate) fn good(reply: &Answer) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("not a text: {value}"))
        .to_owned()
}

/// The status and the text of a refusal.
pub(crate) fn refusal(reply: &Answer) -> (u16, String) {
    let body: Value = reply.json();
    (reply.status, text(&body["error"]))
}

/// The ids of a list.
pub(crate) fn ids(list: &Value) -> Vec<String> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|entry| text(&entry["id"]))
        .collect()
}
