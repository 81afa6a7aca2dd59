//! The cookies of one client.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use axum::http::header::SET_COOKIE;

/// Cookies by name: as a browser keeps them for one host, path `/`.
///
/// It is for tests of one site, so it knows no domains and paths; `Secure` ones are sent over plain connections too.
#[derive(Clone, Debug, Default)]
pub struct Jar {
    cookies: BTreeMap<String, String>,
}

impl Jar {
    /// The value of a cookie.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// Puts one in.
    pub fn set(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    /// Takes one out.
    pub fn remove(&mut self, name: &str) {
        self.cookies.remove(name);
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.cookies.clear();
    }

    /// What a response sets and removes.
    pub(super) fn learn(&mut self, headers: &HeaderMap) {
        for field in headers.get_all(SET_COOKIE) {
            let field = field.to_str().expect("a Set-Cookie field is ASCII");
            let mut parts = field.split(';').map(str::trim);
            let (name, value) = parts
                .next()
                .and_then(|pair| pair.split_once('='))
                .expect("name=value");
            if parts.any(|attribute| attribute.eq_ignore_ascii_case("max-age=0")) {
                self.remove(name);
            } else {
                self.set(name, value);
            }
        }
    }

    /// The `Cookie` field, if there are any.
    pub(super) fn field(&self) -> Option<String> {
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if pairs.is_empty() {
            None
        } else {
            Some(pairs.join("; "))
        }
    }
}
