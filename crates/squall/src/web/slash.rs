//! `/people/` where the route is `/people`, and the other way round.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;

use super::RouteNames;

/// Redirects `GET` and `HEAD` of a path that no route has to the same path with, or without, a slash at its end, if a
/// route has that. Everything else stays what it is: a `POST` that is redirected would lose what it carries in some
/// clients.
///
/// The redirect (308, with the query) is a path of this server and can lead nowhere else: a path that begins with `//`
/// or `/\`, which browsers take for another host, is never redirected. To be called when all routes are there.
///
/// ```
/// use squall::web::{self, Router, routing::get};
/// let app: Router = web::redirect_slashes(Router::new().route("/people", get(async || "all of them")));
/// # drop(app);
/// ```
pub fn redirect_slashes<S>(router: Router<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let names = Arc::new(RouteNames::of(&router));
    router.layer(from_fn(move |request: Request, next: Next| {
        let names = names.clone();
        async move {
            let asks = matches!(*request.method(), Method::GET | Method::HEAD);
            let location = if asks { other(request.uri(), &names) } else { None };
            match location {
                Some(location) => (StatusCode::PERMANENT_REDIRECT, [(LOCATION, location)]).into_response(),
                None => next.run(request).await,
            }
        }
    }))
}

/// The path with its last slash changed, if a route has that one and none has this one.
fn other(uri: &Uri, names: &RouteNames) -> Option<HeaderValue> {
    let path = uri.path();
    if path == "/" || !is_own(path) || names.of_path(path).is_some() {
        return None;
    }
    let path = match path.strip_suffix('/') {
        Some(bare) => bare.to_owned(),
        None => format!("{path}/"),
    };
    names.of_path(&path)?;
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    HeaderValue::try_from(target).ok()
}

/// Whether a browser takes it for a path of the host that it comes from (WHATWG URL, section 4.4: a backslash counts as
/// a slash, and two of either begin a host). Tabs and line ends, which browsers leave out, cannot be in a target.
fn is_own(path: &str) -> bool {
    let mut bytes = path.bytes();
    bytes.next() == Some(b'/') && !matches!(bytes.next(), Some(b'/' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(target: &str) -> Option<String> {
        let names = RouteNames::new(["/a", "/b/", "/c/{id}", "/d/{*rest}", "/e", "/e/"]);
        let uri: Uri = target.parse().unwrap();
        other(&uri, &names).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_path_leads_to_its_sister_if_there_is_one() {
        for (target, to) in [
            ("/a/", Some("/a")),
            ("/a/?x=1&y=%2f%2f", Some("/a?x=1&y=%2f%2f")),
            ("/b", Some("/b/")),
            ("/c/7/", Some("/c/7")),
            ("/a", None),
            ("/", None),
            ("/x/", None),
            ("/a//", None),
            ("/d/x/y/", None),
            ("/e/", None),
            ("http://evil.com/a/", Some("/a")),
            ("*", None),
        ] {
            assert_eq!(location(target).as_deref(), to, "{target}");
        }
    }

    #[test]
    fn an_open_redirect_by_two_slashes_is_none() {
        let names = RouteNames::new(["/{a}", "/{a}/{b}", "//evil.com", "//evil.com/x"]);
        for path in [
            "//evil.com/",
            "//evil.com/x/",
            "///evil.com/",
            "/\\evil.com/",
            "//",
        ] {
            let uri = Uri::builder().path_and_query(path).build();
            if let Ok(uri) = uri {
                assert_eq!(other(&uri, &names), None, "{path}");
            }
            assert!(!is_own(path), "{path}");
        }
        assert!(
            is_own("/%2f/evil.com/") && is_own("/%5cevil.com/"),
            "escaped, they are no slashes"
        );
    }
}
