//! Reading, setting and signing cookies.
//!
//! Why our own: a server meets cookies that it never set, and one of them must not hide the others; and Tornado's
//! signed values stay readable, so that a site can move without signing everybody out.
//! Not here: who is signed in ([`crate::sessions`]).

mod parse;
mod set;
mod signed;

pub use parse::{COOKIE_VALUE_BYTES_MAX, COOKIES_MAX, Cookies};
pub use set::{COOKIE_BYTES_MAX, CookieError, SameSite, SetCookie};
pub use signed::{KeyError, Keys, SIGNED_BYTES_MAX, SIGNED_FUTURE_S_MAX};
