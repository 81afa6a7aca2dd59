//! As much of Mastodon's API as is needed to make people and posts.

use std::io;
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::load::client;

/// A program that uses the API.
#[derive(Debug)]
pub struct Api {
    address: SocketAddr,
    stream: TcpStream,
}

/// Somebody who has signed up.
#[derive(Clone, Debug)]
pub struct Person {
    /// What the API knows them by.
    pub id: String,
    /// What they prove with that it's them.
    pub token: String,
}

const SCOPES: &str = "read write follow";
const PASSWORD: &str = "correct horse battery staple";

impl Api {
    /// Connects to the feed.
    ///
    /// # Errors
    /// When it does not accept.
    pub fn new(address: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            address,
            stream: client::connect(address)?,
        })
    }

    /// Registers a program and gets a token that may make people.
    ///
    /// # Errors
    /// When the feed refuses.
    pub fn register(&mut self) -> io::Result<String> {
        let redirect = ("redirect_uris", "urn:ietf:wg:oauth:2.0:oob");
        let app = self.post(
            "/api/v1/apps",
            None,
            &[("client_name", "bench"), redirect, ("scopes", SCOPES)],
        )?;
        let (id, secret) = (text(&app, "client_id")?, text(&app, "client_secret")?);
        let grant = ("grant_type", "client_credentials");
        let asked = [
            grant,
            ("client_id", &id),
            ("client_secret", &secret),
            ("scope", SCOPES),
        ];
        text(&self.post("/oauth/token", None, &asked)?, "access_token")
    }

    /// Signs somebody up.
    ///
    /// # Errors
    /// When the feed refuses.
    pub fn sign_up(&mut self, app_token: &str, name: &str) -> io::Result<Person> {
        let email = format!("{name}@example.org");
        let who = [("username", name), ("email", &email), ("password", PASSWORD)];
        let form: Vec<_> = who
            .into_iter()
            .chain([("agreement", "true"), ("locale", "en")])
            .collect();
        let token = text(
            &self.post("/api/v1/accounts", Some(app_token), &form)?,
            "access_token",
        )?;
        let me = self.get("/api/v1/accounts/verify_credentials", &token)?;
        Ok(Person {
            id: text(&me, "id")?,
            token,
        })
    }

    /// `person` follows `other` from now on.
    ///
    /// # Errors
    /// When the feed refuses.
    pub fn follow(&mut self, person: &Person, other: &Person) -> io::Result<()> {
        self.post(
            &format!("/api/v1/accounts/{}/follow", other.id),
            Some(&person.token),
            &[],
        )
        .map(drop)
    }

    /// `person` posts.
    ///
    /// # Errors
    /// When the feed refuses.
    pub fn publish(&mut self, person: &Person, status: &str) -> io::Result<()> {
        let form = [("status", status), ("visibility", "public")];
        self.post("/api/v1/statuses", Some(&person.token), &form)
            .map(drop)
    }

    fn get(&mut self, path: &str, token: &str) -> io::Result<Value> {
        self.ask("GET", path, Some(token), "")
    }

    fn post(&mut self, path: &str, token: Option<&str>, form: &[(&str, &str)]) -> io::Result<Value> {
        let pairs: Vec<_> = form
            .iter()
            .map(|(name, value)| format!("{name}={}", percent(value)))
            .collect();
        self.ask("POST", path, token, &pairs.join("&"))
    }

    fn ask(&mut self, method: &str, path: &str, token: Option<&str>, body: &str) -> io::Result<Value> {
        let authorization = token
            .map(|token| format!("Authorization: Bearer {token}\r\n"))
            .unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{authorization}\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let answer = client::exchange(&mut self.stream, request.as_bytes())?;
        let said = String::from_utf8_lossy(&answer.body);
        if answer.status != 200 {
            return Err(io::Error::other(format!(
                "{method} {path} is answered with {}: {said}",
                answer.status
            )));
        }
        Ok(serde_json::from_str(&said)?)
    }
}

/// The request that opens a stream.
#[must_use]
pub fn stream_request(address: SocketAddr, path: &str, token: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Accept: text/event-stream\r\n\r\n"
    )
    .into_bytes()
}

fn text(value: &Value, name: &str) -> io::Result<String> {
    let text = value[name].as_str().map(str::to_owned);
    text.ok_or_else(|| io::Error::other(format!("the answer has no {name}: {value}")))
}

fn percent(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_encoded() {
        assert_eq!(percent("a b&é"), "a%20b%26%C3%A9");
    }

    #[test]
    fn a_missing_key_is_said() {
        let error = text(&serde_json::json!({"a": 1}), "id").unwrap_err().to_string();
        assert!(error.contains("no id") && error.contains("\"a\""), "{error}");
    }
}
