//! The beginning of a request on a stream of HTTP/2: what it must be, its body, its extensions, the call.

use std::rc::Rc;

use bytes::Bytes;
use h2::ext::Protocol;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::header::{CONTENT_LENGTH, COOKIE, EXPECT, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use squall_wire::h1::{HeadLimits, Reject, is_authority};

use super::answer::{Answered, Asked};
use super::body::{Incoming, Meter};
use super::life::Streams;
use super::stream::{Calling, Doing};
use crate::app::App;
use crate::body::{Body, BodyControl};
use crate::conn::request::Called;
use crate::core::Core;
use crate::source::ConnId;
use crate::ws::Extended;

/// What is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::conn) enum Wrong {
    /// It is no message of HTTP/2: the stream is reset (RFC 9113 section 8.1.1).
    Malformed(&'static str),
    /// It is one, and is refused.
    Refused(Reject),
}

const TARGET_TOO_LONG: Reject = Reject {
    status: StatusCode::URI_TOO_LONG,
    reason: "the target is too long",
};

pub(in crate::conn) const TOO_MUCH: Reject = Reject {
    status: StatusCode::SERVICE_UNAVAILABLE,
    reason: "the server has too much to do",
};

const TOO_MANY_FIELDS: Reject = Reject {
    status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    reason: "there are too many fields",
};

const UNKNOWN_PROTOCOL: Reject = Reject {
    status: StatusCode::NOT_IMPLEMENTED,
    reason: "of the protocols over CONNECT, only websocket is spoken here",
};

impl<A: App> Core<A> {
    /// Calls the application with a request, and polls it once, in place.
    pub(super) fn h2_begin(
        self: &Rc<Self>,
        id: ConnId,
        streams: &Rc<Streams>,
        request: Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
    ) {
        let (mut parts, recv) = request.into_parts();
        let wrong = check(&mut parts, &self.limits.head).err();
        if let Some(Wrong::Malformed(reason)) = wrong {
            tracing::debug!(reason, "a malformed request; its stream is reset");
            return respond.send_reset(Reason::PROTOCOL_ERROR);
        }
        let mut asked = Asked {
            respond,
            head_request: parts.method == Method::HEAD,
            expects_continue: false,
            began: self.clock.turn(),
            meter: None,
            tunnel: None,
        };
        if let Some(Wrong::Refused(reject)) = wrong {
            self.h2_refuse::<A::Body>(asked, &reject);
            return;
        }
        let body = match parts.extensions.remove::<Protocol>() {
            Some(protocol) if protocol.as_str() == "websocket" => {
                // To the application it is the handshake that it knows: a GET that asks to become a WebSocket.
                parts.method = Method::GET;
                parts.extensions.insert(Extended(()));
                asked.tunnel = Some(recv);
                Body::empty()
            }
            Some(_) => {
                self.h2_refuse::<A::Body>(asked, &UNKNOWN_PROTOCOL);
                return;
            }
            None => self.h2_body(&mut parts, &mut asked, recv),
        };
        self.tell_of_peer(id, &mut parts.extensions);
        if self.has_too_many_handlers() {
            self.h2_refuse::<A::Body>(asked, &TOO_MUCH);
            return;
        }
        let request = Request::from_parts(parts, body);
        let attending = self.attend(&request);
        let calling = match self.call_now(request) {
            Called::Done(outcome) => {
                return match self.h2_answer(&streams.gate, asked, outcome) {
                    Answered::Over => {}
                    Answered::Rest(sending) => {
                        self.h2_spawn(id, streams, None, Doing::Sending(sending));
                    }
                    Answered::Becomes(becomes) => self.h2_become(id, streams, *becomes),
                };
            }
            Called::Pending(future) => Calling::Begun(future),
            Called::NotReady(later) => Calling::NotReady(later),
        };
        let meter = asked.meter.clone();
        let life = self.h2_spawn(id, streams, meter, Doing::Calling(calling, Some(asked)));
        life.handler_timeout.set(attending.asked());
    }

    fn h2_body(&self, parts: &mut Parts, asked: &mut Asked, recv: RecvStream) -> Body {
        if recv.is_end_stream() {
            return Body::empty();
        }
        // The h2 crate has checked that it is a number, and holds the peer to it.
        let declared_bytes = parts
            .headers
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let meter = Meter::new(self.limits.body.body_bytes_max);
        asked.expects_continue = parts
            .headers
            .get(EXPECT)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        asked.meter = Some(meter.clone());
        parts.extensions.insert(BodyControl::streamed(meter.clone()));
        Body::streamed(Incoming::new(recv, meter, declared_bytes))
    }
}

/// Holds a request to RFC 9113 section 8.3.1 where the h2 crate does not, and makes it what applications expect:
/// with a `Host`, and with one `Cookie`.
pub(in crate::conn) fn check(parts: &mut Parts, limits: &HeadLimits) -> Result<(), Wrong> {
    if parts.headers.len() > limits.fields_max {
        return Err(Wrong::Refused(TOO_MANY_FIELDS));
    }
    let target_bytes = parts
        .uri
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    if target_bytes > limits.target_bytes_max {
        return Err(Wrong::Refused(TARGET_TOO_LONG));
    }
    let is_connect = parts.method == Method::CONNECT;
    let is_extended = parts.extensions.get::<Protocol>().is_some();
    let path = parts.uri.path();
    let is_asterisk = path == "*" && parts.method == Method::OPTIONS;
    if (!is_connect || is_extended) && !path.starts_with('/') && !is_asterisk {
        return Err(Wrong::Malformed("the path does not begin with a slash"));
    }
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    if authority.is_some_and(|authority| !is_authority(authority.as_bytes())) {
        return Err(Wrong::Malformed("the authority is no host and port"));
    }
    let host = single(&parts.headers)?;
    match (authority, host) {
        (Some(authority), None) => {
            let host = HeaderValue::from_str(authority);
            let host = host.map_err(|_| Wrong::Malformed("the authority is no field value"))?;
            parts.headers.insert(HOST, host);
        }
        (Some(authority), Some(host)) => {
            // Whoever routes by one of them must see the same as whoever routes by the other.
            if !host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()) {
                return Err(Wrong::Malformed("the authority and Host differ"));
            }
        }
        (None, Some(host)) => {
            if !is_authority(host.as_bytes()) {
                return Err(Wrong::Malformed("Host is no host and port"));
            }
        }
        (None, None) => return Err(Wrong::Malformed("neither authority nor Host")),
    }
    join_cookies(&mut parts.headers);
    Ok(())
}

fn single(fields: &HeaderMap) -> Result<Option<&HeaderValue>, Wrong> {
    let mut values = fields.get_all(HOST).iter();
    let first = values.next();
    match values.next() {
        Some(_) => Err(Wrong::Malformed("more than one Host")),
        None => Ok(first),
    }
}

/// Browsers send each cookie in a field of its own, so that they compress better; handlers expect one field
/// (RFC 9113 section 8.2.3).
fn join_cookies(fields: &mut HeaderMap) {
    let mut values = fields.get_all(COOKIE).iter();
    let Some(first) = values.next() else { return };
    let Some(second) = values.next() else { return };
    let mut joined = first.as_bytes().to_vec();
    for value in std::iter::once(second).chain(values) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(value.as_bytes());
    }
    // Made of sound values, so it is one.
    if let Ok(joined) = HeaderValue::from_maybe_shared(Bytes::from(joined)) {
        fields.insert(COOKIE, joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, uri: &str, fields: &[(&'static str, &'static str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn checked(uri: &str, fields: &[(&'static str, &'static str)]) -> Result<HeaderMap, Wrong> {
        let mut parts = request("GET", uri, fields);
        check(&mut parts, &HeadLimits::default()).map(|()| parts.headers)
    }

    #[test]
    fn the_authority_is_the_host() {
        let fields = checked("http://example.org:81/a", &[]).unwrap();
        assert_eq!(fields[HOST], "example.org:81");
        assert!(checked("http://Example.org/", &[("host", "eXample.org")]).is_ok());
        assert!(checked("/", &[("host", "example.org")]).is_ok());
        for (uri, fields) in [
            ("http://example.org/", &[("host", "example.com")][..]),
            (
                "http://example.org/",
                &[("host", "example.org"), ("host", "example.org")],
            ),
            ("http://user@example.org/", &[]),
            ("/", &[("host", "a,b")]),
            ("/", &[]),
        ] {
            assert!(
                matches!(checked(uri, fields), Err(Wrong::Malformed(_))),
                "{uri} {fields:?}"
            );
        }
    }

    #[test]
    fn an_asterisk_is_for_options_alone() {
        let limits = HeadLimits::default();
        let host = [("host", "example.org")];
        assert!(check(&mut request("OPTIONS", "*", &host), &limits).is_ok());
        assert!(check(&mut request("GET", "*", &host), &limits).is_err());
    }

    #[test]
    fn heads_have_the_limits_of_http_1() {
        let limits = HeadLimits {
            target_bytes_max: 4,
            fields_max: 2,
            ..HeadLimits::default()
        };
        let host = ("host", "a");
        assert!(check(&mut request("GET", "/123", &[host, ("b", "1")]), &limits).is_ok());
        let long = check(&mut request("GET", "/1234", &[host]), &limits);
        assert_eq!(long, Err(Wrong::Refused(TARGET_TOO_LONG)));
        let many = check(&mut request("GET", "/", &[host, ("b", "1"), ("c", "1")]), &limits);
        assert_eq!(many, Err(Wrong::Refused(TOO_MANY_FIELDS)));
    }

    #[test]
    fn cookies_are_joined() {
        let fields = [
            ("host", "a"),
            ("cookie", "a=1"),
            ("cookie", "b=2"),
            ("cookie", "c=3"),
        ];
        let fields = checked("/", &fields).unwrap();
        assert_eq!(
            fields.get_all(COOKIE).iter().collect::<Vec<_>>(),
            ["a=1; b=2; c=3"]
        );
    }
}
