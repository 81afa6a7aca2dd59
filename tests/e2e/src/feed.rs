//! The feed, as a real program with data of its own, and people in it.

use std::io;
use std::net::SocketAddr;
use std::process::Command;

use serde_json::{Value, json};

use crate::agent::Agent;
use crate::dir::TempDir;
use crate::program::{self, Program};

/// Everybody's password.
pub const PASSWORD: &str = "correct horse battery";

/// A running feed.
#[derive(Debug)]
pub struct Feed {
    program: Program,
    addr: SocketAddr,
    data: TempDir,
}

impl Feed {
    /// Starts the feed with an empty database.
    ///
    /// # Panics
    /// When it does not start in time.
    #[must_use]
    pub fn start() -> Self {
        let data = TempDir::new("feed");
        let (program, addr) = serve(&data);
        Self { program, addr, data }
    }

    /// Where it listens: another port after each start.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The program, to be signalled.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// A crash and a new start on the same data.
    ///
    /// # Panics
    /// When it does not start in time.
    pub fn crash_and_start(&mut self) {
        self.program.kill();
        (self.program, self.addr) = serve(&self.data);
    }

    /// The address of a page.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// Somebody who is not signed in.
    #[must_use]
    pub fn stranger(&self) -> Agent {
        Agent::new(self.addr)
    }

    /// A new account, made and signed in through the pages.
    ///
    /// # Panics
    /// When that does not go well.
    #[must_use]
    pub fn sign_up(&self, name: &str) -> Agent {
        let mut agent = self.stranger();
        let reply = agent.form("/sign-up", &[("name", name), ("password", PASSWORD)]);
        let reply = reply.expect("the feed answers");
        assert_eq!(reply.status(), 303, "sign-up of {name}: {}", reply.text());
        agent
    }

    /// Somebody with an account, signed in through the pages once more.
    ///
    /// # Panics
    /// When that does not go well.
    #[must_use]
    pub fn sign_in(&self, name: &str) -> Agent {
        let mut agent = self.stranger();
        let reply = agent.form("/sign-in", &[("name", name), ("password", PASSWORD)]);
        let reply = reply.expect("the feed answers");
        assert_eq!(reply.status(), 303, "sign-in of {name}: {}", reply.text());
        agent
    }

    /// A new account made by a program, through the API alone; its agent carries the token.
    ///
    /// # Panics
    /// When that does not go well.
    #[must_use]
    pub fn register(&self, name: &str) -> Agent {
        let scopes = "read write follow";
        let mut agent = self.stranger();
        let app = [
            ("client_name", "e2e"),
            ("redirect_uris", "urn:ietf:wg:oauth:2.0:oob"),
            ("scopes", scopes),
        ];
        let app = answer(agent.form("/api/v1/apps", &app));
        let wanted = [
            ("grant_type", "client_credentials"),
            ("client_id", app["client_id"].as_str().expect("a client id")),
            (
                "client_secret",
                app["client_secret"].as_str().expect("a client secret"),
            ),
            ("scope", scopes),
        ];
        agent.bearer = token(&answer(agent.form("/oauth/token", &wanted)));
        let email = format!("{name}@example.org");
        let account = [
            ("username", name),
            ("email", &email),
            ("password", PASSWORD),
            ("agreement", "true"),
            ("locale", "en"),
        ];
        agent.bearer = token(&answer(agent.form("/api/v1/accounts", &account)));
        agent
    }
}

fn serve(data: &TempDir) -> (Program, SocketAddr) {
    let mut command = Command::new(program::path("feed"));
    command
        .args(["--listen", "127.0.0.1:0", "--data"])
        .arg(data.path())
        .current_dir(data.path());
    Program::serve(&mut command)
}

fn token(value: &Value) -> Option<String> {
    Some(
        value["access_token"]
            .as_str()
            .unwrap_or_else(|| panic!("no token in {value}"))
            .to_owned(),
    )
}

/// The JSON of an answer that is good.
fn answer(reply: io::Result<crate::agent::Reply>) -> Value {
    let reply = reply.expect("the feed answers");
    assert_eq!(reply.status(), 200, "{}", reply.text());
    reply.json()
}

/// What a page of posts says of itself.
impl Agent {
    /// The cursor that a page was rendered at: where its stream begins.
    ///
    /// # Panics
    /// When the page has none.
    pub fn cursor_of(&mut self, page: &str) -> String {
        let html = self.get(page).expect("the feed answers").text();
        let cursor = html
            .split("data-cursor=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        cursor
            .unwrap_or_else(|| panic!("{page} carries no cursor:\n{html}"))
            .to_owned()
    }
}

/// What people do, through the API; their agent carries a token.
impl Agent {
    /// Posts; gives the id when the feed has acknowledged it.
    ///
    /// # Errors
    /// No acknowledgement came: the post may or may not be there.
    pub fn post(&mut self, text: &str, visibility: &str) -> io::Result<String> {
        let body = json!({"status": text, "visibility": visibility}).to_string();
        let reply = self.request(
            "POST",
            "/api/v1/statuses",
            "Content-Type: application/json\r\n",
            body.as_bytes(),
        )?;
        match (reply.status(), reply.json()["id"].as_str()) {
            (200, Some(id)) => Ok(id.to_owned()),
            _ => Err(io::Error::other(reply.text())),
        }
    }

    /// The id of an account.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn id_of(&mut self, name: &str) -> String {
        let reply = answer(self.get(&format!("/api/v1/accounts/lookup?acct={name}")));
        reply["id"].as_str().expect("an account has an id").to_owned()
    }

    /// Follows (`follow`) or stops following (`unfollow`).
    ///
    /// # Panics
    /// When the feed does not do it.
    pub fn relate(&mut self, how: &str, name: &str) {
        let path = format!("/api/v1/accounts/{}/{how}", self.id_of(name));
        let relationship = answer(self.form(&path, &[]));
        assert_eq!(relationship["following"], json!(how == "follow"), "{how} {name}");
    }

    /// Every post of a timeline, newest first, page by page.
    ///
    /// # Panics
    /// When the feed does not answer.
    pub fn timeline(&mut self, path: &str) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let max = all
                .last()
                .map(|post| format!("&max_id={}", post["id"].as_str().unwrap_or_default()));
            let page = answer(self.get(&format!("{path}?limit=40{}", max.unwrap_or_default())));
            let page = page.as_array().expect("a timeline is a list").clone();
            if page.is_empty() {
                return all;
            }
            all.extend(page);
        }
    }
}
