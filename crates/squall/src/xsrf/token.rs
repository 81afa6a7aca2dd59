//! The token: random bytes in a cookie, and the same bytes under a fresh mask in every page.
//!
//! The mask keeps a compressing connection from leaking the token bit by bit (BREACH): no two pages hold the same
//! text. Layout: hex of 16 mask bytes, then hex of 16 token bytes XOR mask.

use std::sync::{Arc, OnceLock};

use axum::extract::FromRequestParts;
use axum::http::{HeaderValue, StatusCode, request::Parts};
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::NAME;
use crate::cookies::{Cookies, SetCookie};

const TOKEN_BYTES: usize = 16;
/// The cookie lives as long as browsers let a session's cookie live at most: losing it only costs a reload.
const COOKIE_AGE: std::time::Duration = std::time::Duration::from_secs(400 * 86_400);

/// The token of this visitor, for the forms of a page: an extractor.
///
/// Its cookie is set only if a page reads the token.
#[derive(Clone, Debug)]
pub struct XsrfToken {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    secure: bool,
    /// What the request's cookie says.
    sent: Option<[u8; TOKEN_BYTES]>,
    /// Made when a page reads the token and the request had none.
    made: OnceLock<[u8; TOKEN_BYTES]>,
}

impl XsrfToken {
    pub(super) fn of_request(cookies: &Cookies, secure: bool) -> Self {
        let sent = cookies.get(&cookie_name(secure)).and_then(decode::<TOKEN_BYTES>);
        Self {
            shared: Arc::new(Shared {
                secure,
                sent,
                made: OnceLock::new(),
            }),
        }
    }

    /// The text for a form field `_xsrf` or the field `X-XSRFToken`; another one at each call.
    pub fn value(&self) -> String {
        let token = self
            .shared
            .sent
            .unwrap_or_else(|| *self.shared.made.get_or_init(crate::random_bytes));
        let mask = crate::random_bytes::<TOKEN_BYTES>();
        let masked: Vec<u8> = token.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
        crate::hex(&mask) + &crate::hex(&masked)
    }

    /// A hidden form field with the token; safe HTML.
    pub fn field_html(&self) -> String {
        format!(r#"<input type="hidden" name="{NAME}" value="{}">"#, self.value())
    }

    /// Whether `text` is this visitor's token, under whatever mask.
    pub(super) fn accepts(&self, text: &str) -> bool {
        let (Some(token), Some(both)) = (self.shared.sent, decode::<{ 2 * TOKEN_BYTES }>(text)) else {
            return false;
        };
        let (mask, masked) = both.split_at(TOKEN_BYTES);
        let unmasked: Vec<u8> = masked.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
        bool::from(unmasked.ct_eq(&token))
    }

    /// The cookie to be set, if a page read a token that the browser does not have yet.
    pub(super) fn new_cookie(&self) -> Option<HeaderValue> {
        let made = self.shared.made.get()?;
        let cookie =
            SetCookie::new(&cookie_name(self.shared.secure), &crate::hex(made)).expect("hexadecimal");
        Some(
            cookie
                .secure(self.shared.secure)
                .max_age(COOKIE_AGE)
                .header_value(),
        )
    }
}

impl<S: Send + Sync> FromRequestParts<S> for XsrfToken {
    type Rejection = XsrfTokenMissing;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, XsrfTokenMissing> {
        parts
            .extensions
            .get::<XsrfToken>()
            .cloned()
            .ok_or(XsrfTokenMissing)
    }
}

/// A handler asks for the token and its route has no [`super::Xsrf`] layer: 500.
#[derive(Clone, Copy, Debug)]
pub struct XsrfTokenMissing;

impl IntoResponse for XsrfTokenMissing {
    fn into_response(self) -> Response {
        tracing::error!("a handler asked for the XSRF token, and its route has no Xsrf layer");
        (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").into_response()
    }
}

fn cookie_name(secure: bool) -> String {
    if secure {
        format!("__Host-{NAME}")
    } else {
        NAME.to_owned()
    }
}

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let nibble = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|value| u8::try_from(value).ok())
    };
    if text.len() != 2 * N {
        return None;
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(out)
}
