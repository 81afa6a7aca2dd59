//! Refusing what another site makes a browser send.
//!
//! A page on another site can make a browser post to ours with our cookies. Browsers of today say so
//! (`Sec-Fetch-Site`, W3C Fetch Metadata), older ones name the page's `Origin`; where neither is said, a token that only our pages
//! know must come along. Checked for every method but GET, HEAD, OPTIONS and TRACE.
//!
//! The token comes in a field of the head (`X-XSRFToken`), or in a form: anywhere in one that is urlencoded, and as the
//! **first part** of one with files (`multipart/form-data`), which is not read further before the handler reads it. In the
//! address it is not looked for: addresses stand in logs and in `Referer`.
//!
//! ```
//! use squall::web::{Router, Html, routing::get};
//! use squall::xsrf::{Xsrf, XsrfToken};
//!
//! async fn form(token: XsrfToken) -> Html<String> {
//!     Html(format!(r#"<form method="post">{}<button>Post</button></form>"#, token.field_html()))
//! }
//! let app: Router = Router::new().route("/", get(form).post(async || "posted")).layer(Xsrf::new());
//! ```

mod check;
mod layer;
mod multipart;
mod token;

use std::sync::Arc;

use axum::http::request::Parts;

pub use check::{Refused, bearer_without_cookies};
pub use layer::XsrfService;
pub use token::{XsrfToken, XsrfTokenMissing};

/// Bytes of a form that is searched for its token; a longer one is answered 413. Only for requests that need a token.
pub const FORM_BYTES_MAX: usize = 256 * 1024;

/// Bytes of a form with files that are read for its token: it is the first part, or it is not found.
pub const FIRST_PART_BYTES_MAX: usize = 16 * 1024;

/// The form field and the cookie.
pub(crate) const NAME: &str = "_xsrf";

type Predicate = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;

/// The layer: what is checked, and what is not.
#[derive(Clone)]
pub struct Xsrf {
    rules: Arc<Rules>,
}

#[derive(Clone, Default)]
struct Rules {
    secure: bool,
    exempt: Vec<Predicate>,
    trusted_origins: Vec<String>,
}

impl Default for Xsrf {
    fn default() -> Self {
        Self::new()
    }
}

impl Xsrf {
    /// Everything is checked.
    pub fn new() -> Self {
        Self {
            rules: Arc::default(),
        }
    }

    /// `true` for a site on TLS: the token's cookie is `Secure` and its name begins with `__Host-`.
    #[must_use]
    pub fn secure(self, secure: bool) -> Self {
        self.with(|rules| rules.secure = secure)
    }

    /// Requests whose path begins so are not checked. Only for paths where cookies sign nobody in.
    #[must_use]
    pub fn exempt_path(self, prefix: &'static str) -> Self {
        self.exempt(move |parts| parts.uri.path().starts_with(prefix))
    }

    /// Requests of which this is true are not checked; [`bearer_without_cookies`] is a good one.
    #[must_use]
    pub fn exempt(self, predicate: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.with(|rules| rules.exempt.push(Arc::new(predicate)))
    }

    /// Another origin (`https://example.org`, as browsers write it) whose pages may post here.
    #[must_use]
    pub fn trust_origin(self, origin: impl Into<String>) -> Self {
        let origin = origin.into();
        self.with(|rules| rules.trusted_origins.push(origin))
    }

    fn with(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(Arc::make_mut(&mut self.rules));
        self
    }
}

#[cfg(test)]
mod tests;
