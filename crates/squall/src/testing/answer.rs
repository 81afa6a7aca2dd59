//! Responses as a client reads them.

use std::time::Instant;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde::de::DeserializeOwned;
use squall_engine::wire::h1::{BodyDecoder, BodyLength, BodyLimits, Piece};

use super::PATIENCE;
use super::raw::{Fill, RawConn};

/// A response that has arrived whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The fields.
    pub headers: HeaderMap,
    /// The body, its chunks put together.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    ///
    /// # Panics
    /// When it is not UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("the body is UTF-8")
    }

    /// The body, read as JSON.
    ///
    /// # Panics
    /// When it is not, or not of that type.
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    /// The first value of a field; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Where a redirect leads; empty when it is none.
    pub fn location(&self) -> &str {
        self.header("location")
    }

    /// The answer itself, if it has that status.
    ///
    /// # Panics
    /// With the body, when it has another one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }
}

/// Reads a head; informational ones (1xx but 101) are passed over.
pub(super) fn read_head(conn: &mut RawConn) -> (u16, HeaderMap) {
    loop {
        let head = conn.read_until(b"\r\n\r\n");
        let head = String::from_utf8(head).expect("a head is text");
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let status = status_line
            .strip_prefix("HTTP/1.1 ")
            .or_else(|| status_line.strip_prefix("HTTP/1.0 "));
        let status = status.and_then(|rest| rest.get(..3)?.parse().ok());
        let status: u16 = status.unwrap_or_else(|| panic!("no status line: {status_line:?}"));
        let mut headers = HeaderMap::new();
        for line in lines.filter(|line| !line.is_empty()) {
            let (name, value) = line
                .split_once(':')
                .unwrap_or_else(|| panic!("no field: {line:?}"));
            let name = HeaderName::try_from(name).unwrap_or_else(|_| panic!("no field name: {line:?}"));
            headers.append(name, HeaderValue::try_from(value.trim()).expect("a field value"));
        }
        if status == 101 || status >= 200 {
            return (status, headers);
        }
    }
}

/// Takes a body off a connection, however its length is said.
pub(super) struct BodyReader {
    how: How,
}

enum How {
    Framed(BodyDecoder),
    UntilClose,
}

/// What [`BodyReader::read`] found.
pub(super) enum Part {
    Data(Vec<u8>),
    End,
    /// Nothing came in time.
    TimedOut,
}

impl BodyReader {
    pub(super) fn new(method: &str, status: u16, headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let length = text("content-length").map(|digits| digits.parse().expect("a length"));
        let chunked = text("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
        let none = method == "HEAD" || status < 200 || matches!(status, 204 | 304);
        let length = match (none, chunked, length) {
            (true, ..) => BodyLength::None,
            (false, true, _) => BodyLength::Chunked,
            (false, false, Some(bytes)) => BodyLength::Exact(bytes),
            (false, false, None) => return Self { how: How::UntilClose },
        };
        let limits = BodyLimits {
            body_bytes_max: u64::MAX,
            ..BodyLimits::default()
        };
        Self {
            how: How::Framed(BodyDecoder::new(length, &limits).expect("no limit")),
        }
    }

    /// The next part of the body.
    ///
    /// # Panics
    /// When the framing is broken, or the peer closes in the middle.
    pub(super) fn read(&mut self, conn: &mut RawConn, deadline: Instant) -> Part {
        loop {
            if let How::Framed(decoder) = &mut self.how {
                let mut input = Bytes::from(std::mem::take(&mut conn.buffer));
                let piece = decoder
                    .decode(&mut input)
                    .unwrap_or_else(|reject| panic!("a broken body: {}", reject.reason));
                conn.buffer = input.into();
                match piece {
                    Piece::Data(data) => return Part::Data(data.into()),
                    Piece::End => return Part::End,
                    Piece::Trailers(_) => continue,
                    Piece::More => {}
                }
            } else if !conn.buffer.is_empty() {
                return Part::Data(std::mem::take(&mut conn.buffer));
            }
            match (conn.fill(deadline), &self.how) {
                (Fill::Data, _) => {}
                (Fill::TimedOut, _) => return Part::TimedOut,
                (Fill::Closed, How::UntilClose) => return Part::End,
                (Fill::Closed, How::Framed(_)) => panic!("the peer closed within a body"),
            }
        }
    }
}

/// A whole response, with its body.
pub(super) fn read_answer(conn: &mut RawConn, method: &str) -> Answer {
    let (status, headers) = read_head(conn);
    read_rest(conn, method, status, headers)
}

/// The body of a response whose head has been read.
pub(super) fn read_rest(conn: &mut RawConn, method: &str, status: u16, headers: HeaderMap) -> Answer {
    let mut reader = BodyReader::new(method, status, &headers);
    let deadline = Instant::now() + PATIENCE;
    let mut body = Vec::new();
    loop {
        match reader.read(conn, deadline) {
            Part::Data(data) => body.extend(data),
            Part::End => {
                return Answer {
                    status,
                    headers,
                    body,
                };
            }
            Part::TimedOut => panic!(
                "the body did not end; it began {:?}",
                String::from_utf8_lossy(&body)
            ),
        }
    }
}
