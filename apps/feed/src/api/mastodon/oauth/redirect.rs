//! Where a person is sent back to, with an answer for the program.

use squall::web::http::{HeaderValue, StatusCode, header};
use squall::web::{IntoResponse, Response};

use super::OUT_OF_BAND;

/// Schemes that a browser would run, or that lead nowhere else but into itself.
const FORBIDDEN_SCHEMES: [&str; 7] = [
    "javascript",
    "data",
    "vbscript",
    "file",
    "blob",
    "about",
    "view-source",
];

/// Whether a program may register this URI: absolute, printable ASCII, no fragment (RFC 6749 section 3.1.2), and a
/// scheme that leads to a program (`https:`, `tusky:`), not to a script.
pub(super) fn may_be_registered(uri: &str) -> bool {
    if uri == OUT_OF_BAND {
        return true;
    }
    let Some((scheme, rest)) = uri.split_once(':') else {
        return false;
    };
    let scheme = scheme.to_ascii_lowercase();
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let web = matches!(&*scheme, "http" | "https");
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(letters)
        && !FORBIDDEN_SCHEMES.contains(&&*scheme)
        && uri
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'<' | b'>' | b'"'))
        && if web {
            rest.strip_prefix("//").is_some_and(has_host)
        } else {
            !rest.is_empty()
        }
}

/// Whether an authority follows, and no user name that could be taken for a host.
fn has_host(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '\\']).next().unwrap_or_default();
    !authority.is_empty() && !authority.starts_with(':') && !authority.contains('@') && !rest.contains('\\')
}

/// Where the person goes afterwards, in words: the host, or the scheme of a program that is not a web page.
/// `None`: nowhere, the code is shown.
pub(super) fn place(uri: &str) -> Option<String> {
    if uri == OUT_OF_BAND {
        return None;
    }
    let (scheme, rest) = uri.split_once(':')?;
    let host = rest
        .strip_prefix("//")
        .and_then(|rest| rest.split(['/', '?']).next())
        .filter(|host| !host.is_empty());
    match host {
        Some(host) if matches!(scheme, "http" | "https") => Some(host.to_string()),
        _ => Some(format!("{scheme}:")),
    }
}

/// Sends the browser to a registered URI, with these parameters added to its query.
pub(super) fn to_program(uri: &str, answer: &[(&str, &str)]) -> Response {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(answer)
        .finish();
    let joint = if uri.contains('?') { '&' } else { '?' };
    see_other(&format!("{uri}{joint}{query}"))
}

/// 303: the browser goes there with GET, whatever it came with, and nobody remembers the way (it may hold a code).
pub(super) fn see_other(location: &str) -> Response {
    let Ok(location) = HeaderValue::try_from(location) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let mut response = StatusCode::SEE_OTHER.into_response();
    let fields = response.headers_mut();
    fields.insert(header::LOCATION, location);
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_registered() {
        for uri in [
            OUT_OF_BAND,
            "https://app.example/cb",
            "http://localhost:4000/cb?x=1",
            "http://127.0.0.1",
            "tusky://oauth",
            "com.example.app:/cb",
        ] {
            assert!(may_be_registered(uri), "{uri}");
        }
        for uri in [
            "",
            "/relative",
            "app.example",
            "https://",
            "https:///path",
            "https://:80",
            "https://good.example@evil.example/",
            "https://good.example\\@evil.example/",
            "https://app.example/#part",
            "https://app.example/a b",
            "https://app.example/\r\nSet-Cookie:x",
            "https://é.example/",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "1http://x",
            "tusky:",
        ] {
            assert!(!may_be_registered(uri), "{uri:?}");
        }
    }

    #[test]
    fn the_answer_is_added_to_the_query() {
        let location = |uri: &str| {
            let response = to_program(uri, &[("code", "a/b"), ("state", "x y&z")]);
            assert_eq!(response.status(), 303);
            response.headers()[header::LOCATION].to_str().unwrap().to_string()
        };
        assert_eq!(location("https://a/cb"), "https://a/cb?code=a%2Fb&state=x+y%26z");
        assert_eq!(
            location("https://a/cb?k=1"),
            "https://a/cb?k=1&code=a%2Fb&state=x+y%26z"
        );
    }

    #[test]
    fn places_are_hosts_or_schemes() {
        assert_eq!(place(OUT_OF_BAND), None);
        assert_eq!(place("https://a.example:8/cb").as_deref(), Some("a.example:8"));
        assert_eq!(place("tusky://oauth").as_deref(), Some("tusky:"));
    }
}
