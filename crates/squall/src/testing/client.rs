//! A small HTTP/1.1 client with a cookie jar.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Serialize;
use squall_engine::wire::ws::DeflateRequest;

use super::answer::{Answer, read_answer, read_head, read_rest};
use super::raw::RawConn;
use super::{Jar, PollAnswer, SseStream, WsClient};

/// A client of one server. Clones share the cookies.
#[derive(Clone, Debug)]
pub struct Client {
    addr: SocketAddr,
    jar: Arc<Mutex<Jar>>,
    defaults: HeaderMap,
}

impl Client {
    /// A client without cookies.
    pub fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            jar: Arc::default(),
            defaults: HeaderMap::new(),
        }
    }

    /// Sends this field with every request.
    ///
    /// # Panics
    /// When it is no field.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        set(&mut self.defaults, name, value);
        self
    }

    /// Says with every request what a browser says of a page's own requests, so that forms need no token.
    #[must_use]
    pub fn browser(self) -> Self {
        self.with_header("sec-fetch-site", "same-origin")
    }

    /// Its cookies, to look at and to change.
    pub fn jar(&self) -> MutexGuard<'_, Jar> {
        self.jar.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where its server listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// A `GET` of a path with its query.
    pub fn get(&self, target: &str) -> RequestBuilder<'_> {
        self.request("GET", target)
    }

    /// A `HEAD`.
    pub fn head(&self, target: &str) -> RequestBuilder<'_> {
        self.request("HEAD", target)
    }

    /// A `POST`.
    pub fn post(&self, target: &str) -> RequestBuilder<'_> {
        self.request("POST", target)
    }

    /// A `PUT`.
    pub fn put(&self, target: &str) -> RequestBuilder<'_> {
        self.request("PUT", target)
    }

    /// A `DELETE`.
    pub fn delete(&self, target: &str) -> RequestBuilder<'_> {
        self.request("DELETE", target)
    }

    /// Any method.
    pub fn request(&self, method: &str, target: &str) -> RequestBuilder<'_> {
        let headers = self.defaults.clone();
        RequestBuilder {
            client: self,
            method: method.to_owned(),
            target: target.to_owned(),
            headers,
            body: Vec::new(),
            deflate: None,
        }
    }

    /// A stream of server-sent events; to be opened with [`RequestBuilder::open_sse`].
    pub fn sse(&self, target: &str) -> RequestBuilder<'_> {
        self.get(target).header("accept", "text/event-stream")
    }

    /// A WebSocket; to be opened with [`RequestBuilder::open_ws`].
    pub fn ws(&self, target: &str) -> RequestBuilder<'_> {
        self.get(target)
    }

    /// One long-poll from a cursor on; `target` may have a query of its own.
    pub fn poll(&self, target: &str, cursor: Option<&str>) -> PollAnswer {
        let joint = if target.contains('?') { '&' } else { '?' };
        let cursor = cursor
            .map(|cursor| format!("{joint}cursor={}", encode(cursor)))
            .unwrap_or_default();
        PollAnswer::read(&self.get(&format!("{target}{cursor}")).send())
    }
}

/// A request about to be sent.
#[derive(Debug)]
pub struct RequestBuilder<'c> {
    client: &'c Client,
    method: String,
    target: String,
    headers: HeaderMap,
    body: Vec<u8>,
    deflate: Option<DeflateRequest>,
}

impl RequestBuilder<'_> {
    /// Sets a field; the empty value takes it away.
    ///
    /// # Panics
    /// When it is no field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        set(&mut self.headers, name, value);
        self
    }

    /// Signs the request with a Bearer token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// A body of that type.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// A form, as browsers send it.
    #[must_use]
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let pair = |(name, value): &(&str, &str)| format!("{}={}", encode(name), encode(value));
        let text = fields.iter().map(pair).collect::<Vec<_>>().join("&");
        self.body("application/x-www-form-urlencoded", text)
    }

    /// A JSON body.
    ///
    /// # Panics
    /// When the value cannot be JSON.
    #[must_use]
    pub fn json(self, value: &impl Serialize) -> Self {
        let text = serde_json::to_vec(value).expect("JSON");
        self.body("application/json", text)
    }

    /// Sends it and waits for the answer. Redirects are answers.
    ///
    /// # Panics
    /// When no whole answer comes in [`super::PATIENCE`].
    pub fn send(self) -> Answer {
        let mut conn = self.write("close");
        let answer = read_answer(&mut conn, &self.method);
        self.client.jar().learn(&answer.headers);
        answer
    }

    /// Sends it and gives the open connection: for answers that are long in coming.
    pub fn start(self) -> RawConn {
        self.write("close")
    }

    /// Opens a stream of server-sent events.
    ///
    /// # Panics
    /// When the answer is none; see [`RequestBuilder::try_open_sse`].
    #[track_caller]
    pub fn open_sse(self) -> SseStream {
        let shown = self.target.clone();
        self.try_open_sse()
            .unwrap_or_else(|answer| panic!("{shown} is no event stream: {answer:?}"))
    }

    /// Opens a stream of server-sent events, or gives the answer that is none.
    ///
    /// # Errors
    /// Any other answer.
    #[expect(clippy::result_large_err, reason = "the answer is what a test looks at")]
    pub fn try_open_sse(self) -> Result<SseStream, Answer> {
        let mut conn = self.write("keep-alive");
        let (status, headers) = read_head(&mut conn);
        let kind = headers
            .get(header::CONTENT_TYPE)
            .map(HeaderValue::as_bytes)
            .unwrap_or_default();
        if status == 200 && kind.starts_with(b"text/event-stream") {
            return Ok(SseStream::new(conn, headers));
        }
        Err(read_rest(&mut conn, &self.method, status, headers))
    }

    /// Offers to compress the messages of a WebSocket (RFC 7692).
    #[must_use]
    pub fn compressed(mut self, request: DeflateRequest) -> Self {
        let field = request.field();
        set(
            &mut self.headers,
            "sec-websocket-extensions",
            field.to_str().unwrap_or_default(),
        );
        self.deflate = Some(request);
        self
    }

    /// Opens a WebSocket.
    ///
    /// # Panics
    /// When it is refused; see [`RequestBuilder::try_open_ws`].
    #[track_caller]
    pub fn open_ws(self) -> WsClient {
        let shown = self.target.clone();
        self.try_open_ws()
            .unwrap_or_else(|answer| panic!("{shown} is no WebSocket: {answer:?}"))
    }

    /// Opens a WebSocket, or gives the answer that refuses it.
    ///
    /// # Errors
    /// Any other answer than 101.
    #[expect(clippy::result_large_err, reason = "the answer is what a test looks at")]
    pub fn try_open_ws(self) -> Result<WsClient, Answer> {
        WsClient::open(
            self.client.addr,
            &self.target,
            &self.fields(),
            self.deflate.as_ref(),
        )
    }

    fn fields(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        if let Some(cookies) = self
            .client
            .jar()
            .field()
            .filter(|_| !headers.contains_key(header::COOKIE))
        {
            set(&mut headers, "cookie", &cookies);
        }
        headers
    }

    fn write(&self, connection: &str) -> RawConn {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let mut fields = self.fields();
        for (name, value) in [
            ("host", self.client.addr.to_string()),
            ("connection", connection.to_owned()),
        ] {
            if !fields.contains_key(name) {
                set(&mut fields, name, &value);
            }
        }
        if !self.body.is_empty() || matches!(self.method.as_str(), "POST" | "PUT" | "PATCH") {
            set(&mut fields, "content-length", &self.body.len().to_string());
        }
        for (name, value) in &fields {
            head.push_str(&format!(
                "{name}: {}\r\n",
                value.to_str().expect("test fields are text")
            ));
        }
        let mut conn = RawConn::connect(self.client.addr);
        conn.write(&[head.as_bytes(), b"\r\n", &self.body].concat());
        conn
    }
}

fn set(headers: &mut HeaderMap, name: &str, value: &str) {
    let name = HeaderName::try_from(name).expect("a field's name");
    if value.is_empty() {
        headers.remove(name);
    } else {
        headers.insert(name, HeaderValue::try_from(value).expect("a field's value"));
    }
}

/// Percent-encoding of all but unreserved characters (RFC 3986 2.3).
fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
