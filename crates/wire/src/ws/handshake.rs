//! The opening handshake, both ways (RFC 6455, section 4).

use std::error::Error;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, StatusCode, Version};
use sha1::{Digest, Sha1};

use super::deflate::{Deflate, DeflateOffer, DeflateRequest, offered};
use crate::h1::has_token;

/// The most subprotocols that a client may offer; past it 400.
pub const PROTOCOLS_MAX: usize = 32;

/// Clients exist that leave bits set after the last of the 16 bytes; they say nothing.
const KEY_BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// The value of `Sec-WebSocket-Accept` for a value of `Sec-WebSocket-Key`.
///
/// ```
/// assert_eq!(&squall_wire::ws::accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
pub fn accept_key(key: &[u8]) -> [u8; 28] {
    let digest = Sha1::new()
        .chain_update(key)
        .chain_update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
        .finalize();
    let mut accept = [0; 28];
    // 20 bytes are 28 characters.
    let _ = STANDARD.encode_slice(digest, &mut accept);
    accept
}

/// A handshake that may be answered with 101.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accept {
    /// The value of `Sec-WebSocket-Accept`. None over HTTP/2, where there is no key either.
    pub accept: Option<[u8; 28]>,
    /// The subprotocols that the client offers, most wanted first; at most [`PROTOCOLS_MAX`], all different.
    pub protocols: Vec<String>,
    /// The client's offer to compress, if it made one that can be accepted (RFC 7692). Whoever likes to puts it into the
    /// response's extensions, and the engine agrees by its limits.
    pub deflate: Option<DeflateOffer>,
}

impl Accept {
    /// The first of the client's subprotocols that is one of ours.
    pub fn select(&self, ours: &[&str]) -> Option<&str> {
        self.protocols
            .iter()
            .map(String::as_str)
            .find(|offered| ours.contains(offered))
    }

    /// The fields of the 101, or over HTTP/2 of the 200. `protocol` must be one of [`protocols`](Accept::protocols); another is left out, since
    /// the client would have to fail the connection for it.
    pub fn response_fields(&self, protocol: Option<&str>) -> HeaderMap {
        let mut fields = HeaderMap::with_capacity(4);
        if let Some(accept) = &self.accept {
            fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
            fields.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            if let Ok(accept) = HeaderValue::from_bytes(accept) {
                fields.insert(SEC_WEBSOCKET_ACCEPT, accept);
            }
        }
        let offered = protocol.filter(|protocol| self.protocols.iter().any(|offered| offered == protocol));
        if let Some(Ok(protocol)) = offered.map(HeaderValue::from_str) {
            fields.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        fields
    }
}

/// A request that is no handshake for us, and how to answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpgradeError {
    status: StatusCode,
    reason: &'static str,
    field: Option<(&'static str, &'static str)>,
}

impl UpgradeError {
    const fn bad(reason: &'static str) -> UpgradeError {
        UpgradeError {
            status: StatusCode::BAD_REQUEST,
            reason,
            field: None,
        }
    }

    /// 400, 405 or 426.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// One short line for the body and the log.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// The fields that go with the status: `Allow` with 405, `Upgrade` or `Sec-WebSocket-Version` with 426.
    pub fn fields(&self) -> HeaderMap {
        let mut fields = HeaderMap::new();
        if let Some((name, value)) = self.field {
            fields.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        if self.status == StatusCode::UPGRADE_REQUIRED {
            fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
            fields.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        }
        fields
    }
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no websocket handshake ({}): {}",
            self.status.as_u16(),
            self.reason
        )
    }
}

impl Error for UpgradeError {}

/// Checks a client's opening handshake (RFC 6455, section 4.2.1).
///
/// Whether its `Origin` is welcome is not asked here.
///
/// # Errors
///
/// - 405 with `Allow` for another method than GET;
/// - 426 with `Upgrade` for a request without `Upgrade: websocket`, and with `Sec-WebSocket-Version: 13` for another
///   version;
/// - 400 for HTTP/1.0, a `Connection` without `upgrade`, a missing, repeated or malformed key or version, a body,
///   and malformed, repeated or too many subprotocols.
///
/// A bad offer of an extension is no error: it is declined.
pub fn check_upgrade(method: &Method, version: Version, headers: &HeaderMap) -> Result<Accept, UpgradeError> {
    if *method != Method::GET {
        return Err(UpgradeError {
            status: StatusCode::METHOD_NOT_ALLOWED,
            reason: "a websocket handshake is a GET",
            field: Some(("allow", "GET")),
        });
    }
    if version != Version::HTTP_11 {
        return Err(UpgradeError::bad("a websocket handshake is of HTTP/1.1"));
    }
    if !has_token(headers.get_all(UPGRADE), "websocket") {
        return Err(UpgradeError {
            status: StatusCode::UPGRADE_REQUIRED,
            reason: "a websocket handshake is expected here",
            field: None,
        });
    }
    if !has_token(headers.get_all(CONNECTION), "upgrade") {
        return Err(UpgradeError::bad("Connection does not name upgrade"));
    }
    // A body would be read as frames.
    let has_length = headers
        .get_all(CONTENT_LENGTH)
        .iter()
        .any(|length| length.as_bytes() != b"0");
    if has_length || headers.contains_key(TRANSFER_ENCODING) {
        return Err(UpgradeError::bad("a websocket handshake has no body"));
    }
    check_version(headers)?;
    let key = single(headers, SEC_WEBSOCKET_KEY)?.ok_or(UpgradeError::bad("no Sec-WebSocket-Key"))?;
    if !is_key(key.as_bytes()) {
        return Err(UpgradeError::bad("Sec-WebSocket-Key is malformed"));
    }
    Ok(Accept {
        accept: Some(accept_key(key.as_bytes())),
        protocols: protocols(headers)?,
        deflate: offered(headers),
    })
}

/// Checks a client's opening handshake over HTTP/2 or HTTP/3 (RFC 8441, section 5): an extended CONNECT whose
/// `:protocol` is `websocket`, which is for the caller to know.
///
/// # Errors
///
/// As [`check_upgrade`], as far as the version and the subprotocols go; nothing else is asked.
pub fn check_connect(headers: &HeaderMap) -> Result<Accept, UpgradeError> {
    check_version(headers)?;
    Ok(Accept {
        accept: None,
        protocols: protocols(headers)?,
        deflate: offered(headers),
    })
}

fn check_version(headers: &HeaderMap) -> Result<(), UpgradeError> {
    match single(headers, SEC_WEBSOCKET_VERSION)? {
        Some(version) if version.as_bytes() == b"13" => Ok(()),
        Some(_) => Err(UpgradeError {
            status: StatusCode::UPGRADE_REQUIRED,
            reason: "unknown version of the websocket protocol",
            field: Some(("sec-websocket-version", "13")),
        }),
        None => Err(UpgradeError::bad("no Sec-WebSocket-Version")),
    }
}

/// The value of a field that must not be repeated.
fn single(headers: &HeaderMap, name: HeaderName) -> Result<Option<&HeaderValue>, UpgradeError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(UpgradeError::bad("a field of the handshake is repeated")),
        (value, None) => Ok(value),
    }
}

/// 16 bytes in base64.
fn is_key(key: &[u8]) -> bool {
    let mut bytes = [0; 18];
    key.len() == 24 && KEY_BASE64.decode_slice(key, &mut bytes) == Ok(16)
}

fn protocols(headers: &HeaderMap) -> Result<Vec<String>, UpgradeError> {
    let mut protocols: Vec<String> = Vec::new();
    for value in headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
        for item in value.as_bytes().split(|&byte| byte == b',') {
            let item = item.trim_ascii();
            let is_token = !item.is_empty() && HeaderName::from_bytes(item).is_ok();
            let Some(item) = std::str::from_utf8(item).ok().filter(|_| is_token) else {
                return Err(UpgradeError::bad("a subprotocol is not a token"));
            };
            if protocols.len() == PROTOCOLS_MAX {
                return Err(UpgradeError::bad("too many subprotocols"));
            }
            if protocols.iter().any(|known| known == item) {
                return Err(UpgradeError::bad("a subprotocol is repeated"));
            }
            protocols.push(item.to_owned());
        }
    }
    Ok(protocols)
}

/// The value of `Sec-WebSocket-Key` for 16 bytes that nobody can guess.
pub fn client_key(random: [u8; 16]) -> [u8; 24] {
    let mut key = [0; 24];
    // 16 bytes are 24 characters.
    let _ = STANDARD.encode_slice(random, &mut key);
    key
}

/// Appends a client's opening handshake. `fields` are those of the application, such as `Origin`, `Cookie` and
/// `Sec-WebSocket-Protocol`; `target` and `host` must be sound, as those of an [`http::Uri`] are.
pub fn encode_client_request(
    target: &str,
    host: &str,
    key: &[u8; 24],
    fields: &HeaderMap,
    out: &mut Vec<u8>,
) {
    for part in [
        b"GET ",
        target.as_bytes(),
        b" HTTP/1.1\r\nhost: ",
        host.as_bytes(),
    ] {
        out.extend_from_slice(part);
    }
    out.extend_from_slice(
        b"\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: ",
    );
    out.extend_from_slice(key);
    out.extend_from_slice(b"\r\n");
    for (name, value) in fields {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Why a server's answer opens no WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandshakeError {
    reason: &'static str,
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the websocket handshake failed: {}", self.reason)
    }
}

impl Error for HandshakeError {}

/// Checks a server's answer to [`encode_client_request`] (RFC 6455, section 4.1) and gives the subprotocol it chose.
///
/// # Errors
///
/// Any status but 101, a missing or wrong `Upgrade`, `Connection` or `Sec-WebSocket-Accept`, an extension (none was
/// offered), and a subprotocol that is not one of `offered`.
pub fn check_response<'a>(
    status: StatusCode,
    headers: &'a HeaderMap,
    key: &[u8; 24],
    offered: &[&str],
) -> Result<Option<&'a str>, HandshakeError> {
    if headers.contains_key(SEC_WEBSOCKET_EXTENSIONS) {
        return Err(HandshakeError {
            reason: "an extension that was not offered",
        });
    }
    check_answer(status, headers, key, offered)
}

/// As [`check_response`], to a request that offered to compress; gives the subprotocol and what was agreed.
///
/// # Errors
///
/// As there; the only extension may be the one that was asked for, within what was asked (RFC 7692, section 7.1).
pub fn check_deflate_response<'a>(
    status: StatusCode,
    headers: &'a HeaderMap,
    key: &[u8; 24],
    offered: &[&str],
    request: &DeflateRequest,
) -> Result<(Option<&'a str>, Option<Deflate>), HandshakeError> {
    let protocol = check_answer(status, headers, key, offered)?;
    let deflate = request
        .check(headers)
        .map_err(|reason| HandshakeError { reason })?;
    Ok((protocol, deflate))
}

fn check_answer<'a>(
    status: StatusCode,
    headers: &'a HeaderMap,
    key: &[u8; 24],
    offered: &[&str],
) -> Result<Option<&'a str>, HandshakeError> {
    let fail = |reason| Err(HandshakeError { reason });
    if status != StatusCode::SWITCHING_PROTOCOLS {
        return fail("the status is not 101");
    }
    if !has_token(headers.get_all(UPGRADE), "websocket") || !has_token(headers.get_all(CONNECTION), "upgrade")
    {
        return fail("the answer is no upgrade to websocket");
    }
    if headers.get(SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes) != Some(&accept_key(key)) {
        return fail("Sec-WebSocket-Accept is not the answer to our key");
    }
    match headers.get(SEC_WEBSOCKET_PROTOCOL).map(HeaderValue::to_str) {
        None => Ok(None),
        Some(Ok(chosen)) if offered.contains(&chosen) => Ok(Some(chosen)),
        Some(_) => fail("a subprotocol that was not offered"),
    }
}
