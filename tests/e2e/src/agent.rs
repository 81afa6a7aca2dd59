//! A client with a memory for cookies: what a browser is without its window.

use std::io::{self, BufReader};
use std::net::{SocketAddr, TcpStream};

use crate::body::Body;
use crate::http::{Head, Wire};

/// One person's client.
#[derive(Clone, Debug)]
pub struct Agent {
    addr: SocketAddr,
    cookies: Vec<(String, String)>,
    /// Sent as `Authorization: Bearer …` with every request.
    pub bearer: Option<String>,
}

/// A whole response.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status and fields.
    pub head: Head,
    /// All of the body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none; the text is in the message.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }
}

impl Agent {
    /// A client of the server at `addr`, signed in nowhere.
    #[must_use]
    pub fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            cookies: Vec::new(),
            bearer: None,
        }
    }

    /// The same client against another address: a proxy, or the server after a restart.
    #[must_use]
    pub fn at(&self, addr: SocketAddr) -> Self {
        Self { addr, ..self.clone() }
    }

    /// Where requests go.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The `Cookie` and `Authorization` fields as they are sent.
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = Vec::new();
        if !self.cookies.is_empty() {
            let pairs: Vec<_> = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            fields.push(("cookie", pairs.join("; ")));
        }
        if let Some(token) = &self.bearer {
            fields.push(("authorization", format!("Bearer {token}")));
        }
        fields
    }

    /// GET.
    ///
    /// # Errors
    /// The connection breaks or the answer is no HTTP.
    pub fn get(&mut self, path: &str) -> io::Result<Reply> {
        self.request("GET", path, "", b"")
    }

    /// POST of form fields, as a page of the same origin sends them.
    ///
    /// # Errors
    /// As [`Agent::get`].
    pub fn form(&mut self, path: &str, fields: &[(&str, &str)]) -> io::Result<Reply> {
        let pairs: Vec<_> = fields
            .iter()
            .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
            .collect();
        let more = format!(
            "Content-Type: application/x-www-form-urlencoded\r\nOrigin: http://{}\r\nSec-Fetch-Site: same-origin\r\n",
            self.addr
        );
        self.request("POST", path, &more, pairs.join("&").as_bytes())
    }

    /// A request with any method and body; `more` are whole field lines.
    ///
    /// # Errors
    /// As [`Agent::get`].
    pub fn request(&mut self, method: &str, path: &str, more: &str, body: &[u8]) -> io::Result<Reply> {
        let mut wire = Wire::connect(self.addr)?;
        let length = match method {
            "GET" => String::new(),
            _ => format!("Content-Length: {}\r\n", body.len()),
        };
        let head = self.head(method, path, &format!("Connection: close\r\n{length}{more}"));
        wire.send([head.as_bytes(), body].concat())?;
        let (head, body) = wire.response()?;
        self.remember(&head);
        Ok(Reply { head, body })
    }

    /// Opens a response that streams.
    ///
    /// # Errors
    /// The connection breaks, or the status is not 200: then the status is in the error's text.
    pub fn stream(&mut self, path: &str, more: &str) -> io::Result<BufReader<Body<BufReader<TcpStream>>>> {
        let mut wire = Wire::connect(self.addr)?;
        wire.send(self.head("GET", path, &format!("Accept: text/event-stream\r\n{more}")))?;
        let head = wire.head()?;
        if head.status != 200 {
            return Err(io::Error::other(format!("status {}", head.status)));
        }
        Ok(BufReader::new(Body::new(wire.into_reader(), &head, false)?))
    }

    fn head(&self, method: &str, path: &str, more: &str) -> String {
        let own: String = self
            .fields()
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{own}{more}\r\n",
            self.addr
        )
    }

    fn remember(&mut self, head: &Head) {
        for (_, line) in head.fields.iter().filter(|(name, _)| name == "set-cookie") {
            let pair = line.split(';').next().unwrap_or_default();
            let Some((name, value)) = pair.split_once('=') else {
                continue;
            };
            self.cookies.retain(|(known, _)| known != name.trim());
            let gone = line.to_ascii_lowercase().contains("max-age=0");
            if !gone {
                self.cookies
                    .push((name.trim().to_owned(), value.trim().to_owned()));
            }
        }
    }
}

/// Percent-encodes everything that is not unreserved (RFC 3986 section 2.3).
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
