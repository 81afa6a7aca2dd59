//! The one answer to a malformed request.
//!
//! Why a full response and then the close: what follows a request that could not be understood cannot be told
//! from the rest of it, so nothing more of the connection is read (RFC 9112, section 2.2).

use std::error::Error;
use std::fmt;

use http::StatusCode;

use super::response::{status_line, write_decimal};

/// Why a request is refused, and with which status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reject {
    /// 400, 413, 414, 417, 431, 501 or 505.
    pub status: StatusCode,
    /// One short line for the body and the log. Never holds anything that the peer sent.
    pub reason: &'static str,
}

impl Reject {
    pub(crate) const fn new(status: StatusCode, reason: &'static str) -> Reject {
        Reject { status, reason }
    }

    pub(crate) const fn bad(reason: &'static str) -> Reject {
        Reject::new(StatusCode::BAD_REQUEST, reason)
    }

    /// The whole response, after which the connection is to be closed.
    ///
    /// `date` is the value of the `Date` field, as [`imf_fixdate`](crate::date::imf_fixdate) writes it.
    pub fn response(&self, date: &[u8]) -> Vec<u8> {
        let mut out = self.response_to_head(date);
        out.extend_from_slice(self.reason.as_bytes());
        out.push(b'\n');
        out
    }

    /// As [`response`](Reject::response), without the content, which an answer to `HEAD` never has (RFC 9110, section
    /// 9.3.2).
    pub fn response_to_head(&self, date: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(192 + self.reason.len());
        status_line(self.status, &mut out);
        out.extend_from_slice(b"date: ");
        out.extend_from_slice(date);
        out.extend_from_slice(
            b"\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: ",
        );
        write_decimal(self.reason.len() as u64 + 1, &mut out);
        out.extend_from_slice(b"\r\n\r\n");
        out
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "request refused with {}: {}",
            self.status.as_u16(),
            self.reason
        )
    }
}

impl Error for Reject {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_a_full_response() {
        let reject = Reject::bad("no Host field");
        let text = String::from_utf8(reject.response(b"Sun, 06 Nov 1994 08:49:37 GMT")).unwrap();
        assert_eq!(
            text,
            "HTTP/1.1 400 Bad Request\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\nconnection: close\r\n\
             content-type: text/plain; charset=utf-8\r\ncontent-length: 14\r\n\r\nno Host field\n"
        );
        let head = reject.response_to_head(b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(String::from_utf8(head).unwrap() + "no Host field\n", text);
    }
}
