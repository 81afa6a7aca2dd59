//! `Set-Cookie` fields that cannot be split and are closed by default.

use std::fmt;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header::SET_COOKIE};
use axum::response::{IntoResponse, IntoResponseParts, Response, ResponseParts};

/// Name and value together, in bytes: what browsers take (RFC 6265 6.1).
pub const COOKIE_BYTES_MAX: usize = 4096;
/// Bytes of a `Path` or `Domain`: what browsers take (RFC 6265bis 5.6).
const ATTRIBUTE_BYTES_MAX: usize = 1024;

/// When a browser sends a cookie with requests that other sites caused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Never.
    Strict,
    /// Only when the person follows a link here. The default.
    Lax,
    /// Always; browsers demand `Secure` with it, so it is set too.
    None,
}

/// Why a cookie cannot be set. Nothing of the refused text is in the message: it may be secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieError {
    /// The name is not a token (RFC 9110 5.6.2).
    Name,
    /// The value has white space, a control character, a non-ASCII one, or one of `" , ; \` (RFC 6265 4.1.1).
    Value,
    /// Path or domain has a control character, a `;` or a space, is not ASCII or is longer than 1,024 bytes.
    Attribute,
    /// Name and value are longer than [`COOKIE_BYTES_MAX`].
    TooLong,
}

impl fmt::Display for CookieError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "a cookie's name must be a token",
            Self::Value => {
                "a cookie's value must be visible ASCII without quotes, commas, semicolons and backslashes"
            }
            Self::Attribute => "a cookie's path or domain must be visible ASCII without semicolons",
            Self::TooLong => "a cookie's name and value are longer than browsers take",
        })
    }
}

impl std::error::Error for CookieError {}

/// A 500: a handler made a cookie of something that is none.
impl IntoResponse for CookieError {
    fn into_response(self) -> Response {
        tracing::error!("{self}");
        (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").into_response()
    }
}

/// A cookie to be set: `HttpOnly`, `SameSite=Lax` and `Path=/` unless told otherwise, and for as long as the browser
/// runs. A response part: give it in a tuple before the body.
///
/// ```
/// use squall::{cookies::SetCookie, web::IntoResponse};
/// async fn remember() -> impl IntoResponse {
///     let cookie = SetCookie::new("theme", "dark").expect("valid").secure(true);
///     (cookie, "remembered")
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetCookie {
    name: String,
    value: String,
    path: String,
    domain: Option<String>,
    max_age_s: Option<u64>,
    same_site: SameSite,
    http_only: bool,
    secure: bool,
}

impl SetCookie {
    /// A cookie with safe defaults. Values that are free text must be encoded first, or signed
    /// ([`super::Keys::sign`]).
    pub fn new(name: &str, value: &str) -> Result<Self, CookieError> {
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return Err(CookieError::Name);
        }
        if !value.bytes().all(is_cookie_octet) {
            return Err(CookieError::Value);
        }
        if name.len() + value.len() > COOKIE_BYTES_MAX {
            return Err(CookieError::TooLong);
        }
        Ok(Self {
            name: name.to_owned(),
            value: value.to_owned(),
            path: "/".to_owned(),
            domain: None,
            max_age_s: None,
            same_site: SameSite::Lax,
            http_only: true,
            // A name with this prefix is refused by browsers without it.
            secure: name.starts_with("__Host-") || name.starts_with("__Secure-"),
        })
    }

    /// Takes the cookie back: empty and expired. Path and domain must be those it was set with.
    pub fn removal(name: &str) -> Result<Self, CookieError> {
        Ok(Self::new(name, "")?.max_age(Duration::ZERO))
    }

    /// How long the browser keeps it; whole seconds, at most 400 days (browsers cut there, RFC 6265bis 5.5).
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age_s = Some(age.as_secs().min(400 * 86_400));
        self
    }

    /// The path that it is sent to and below.
    pub fn path(mut self, path: &str) -> Result<Self, CookieError> {
        self.path = attribute(path)?;
        Ok(self)
    }

    /// The domain that it is sent to, with all its sub-domains. Without: this host alone, which is safer.
    pub fn domain(mut self, domain: &str) -> Result<Self, CookieError> {
        self.domain = Some(attribute(domain)?);
        Ok(self)
    }

    /// When it goes along with what other sites cause.
    #[must_use]
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// `false` lets scripts of the page read it.
    #[must_use]
    pub fn http_only(mut self, http_only: bool) -> Self {
        self.http_only = http_only;
        self
    }

    /// `true`: only over TLS.
    #[must_use]
    pub fn secure(mut self, secure: bool) -> Self {
        self.secure |= secure;
        self
    }

    /// The value of the `Set-Cookie` field.
    pub fn header_value(&self) -> HeaderValue {
        HeaderValue::try_from(self.to_string()).expect("every part was checked")
    }
}

impl fmt::Display for SetCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}; Path={}", self.name, self.value, self.path)?;
        if let Some(domain) = &self.domain {
            write!(f, "; Domain={domain}")?;
        }
        if let Some(age) = self.max_age_s {
            write!(f, "; Max-Age={age}")?;
        }
        if self.http_only {
            f.write_str("; HttpOnly")?;
        }
        if self.secure || self.same_site == SameSite::None {
            f.write_str("; Secure")?;
        }
        write!(f, "; SameSite={:?}", self.same_site)
    }
}

impl IntoResponseParts for SetCookie {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        parts.headers_mut().append(SET_COOKIE, self.header_value());
        Ok(parts)
    }
}

fn attribute(text: &str) -> Result<String, CookieError> {
    let good = !text.is_empty()
        && text.len() <= ATTRIBUTE_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';');
    if good {
        Ok(text.to_owned())
    } else {
        Err(CookieError::Attribute)
    }
}

/// RFC 6265 4.1.1.
fn is_cookie_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\')
}

/// RFC 9110 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_closed() {
        let cookie = SetCookie::new("a", "b").unwrap();
        assert_eq!(cookie.header_value(), "a=b; Path=/; HttpOnly; SameSite=Lax");
        assert_eq!(
            SetCookie::new("__Host-a", "b").unwrap().header_value(),
            "__Host-a=b; Path=/; HttpOnly; Secure; SameSite=Lax"
        );
        assert_eq!(
            SetCookie::removal("a").unwrap().to_string(),
            "a=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
        );
    }

    #[test]
    fn everything_can_be_said() {
        let cookie = SetCookie::new("a", "b=c")
            .unwrap()
            .path("/x")
            .unwrap()
            .domain("example.org")
            .unwrap();
        let cookie = cookie
            .max_age(Duration::from_secs(60))
            .same_site(SameSite::None)
            .http_only(false);
        assert_eq!(
            cookie.to_string(),
            "a=b=c; Path=/x; Domain=example.org; Max-Age=60; Secure; SameSite=None"
        );
        let strict = SetCookie::new("a", "")
            .unwrap()
            .same_site(SameSite::Strict)
            .secure(true);
        assert_eq!(
            strict.to_string(),
            "a=; Path=/; HttpOnly; Secure; SameSite=Strict"
        );
    }

    /// CVE-2026-35536: attributes were not checked.
    #[test]
    fn nothing_can_split_the_field() {
        for bad in ["", "a b", "a;b", "a=b", "a\r\nb", "\u{e9}", "a\0"] {
            assert_eq!(SetCookie::new(bad, "v"), Err(CookieError::Name), "{bad:?}");
        }
        for bad in ["a b", "a;b", "a,b", "a\"b", "a\\b", "a\nb", "\u{7f}", "\u{e9}"] {
            assert_eq!(SetCookie::new("n", bad), Err(CookieError::Value), "{bad:?}");
        }
        for bad in ["", "/;Secure", "/\r\nX: y", "/ ", "/\u{7f}", "/\0", "/\u{e9}"] {
            let cookie = SetCookie::new("n", "v").unwrap();
            assert_eq!(cookie.clone().path(bad), Err(CookieError::Attribute), "{bad:?}");
            assert_eq!(cookie.domain(bad), Err(CookieError::Attribute), "{bad:?}");
        }
    }

    #[test]
    fn length_is_bounded() {
        assert!(SetCookie::new("n", &"v".repeat(COOKIE_BYTES_MAX - 1)).is_ok());
        assert_eq!(
            SetCookie::new("n", &"v".repeat(COOKIE_BYTES_MAX)),
            Err(CookieError::TooLong)
        );
        let cookie = SetCookie::new("n", "v").unwrap();
        assert!(cookie.clone().path(&"/".repeat(ATTRIBUTE_BYTES_MAX)).is_ok());
        assert_eq!(
            cookie.path(&"/".repeat(ATTRIBUTE_BYTES_MAX + 1)),
            Err(CookieError::Attribute)
        );
    }
}
