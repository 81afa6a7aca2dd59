//! Which route a path belongs to, asked only by whoever wants to know.
//!
//! axum can note the pattern in every request (its feature `matched-path`), which costs every request a look-up, a map
//! entry and allocations, needed or not. Here a request costs nothing: the patterns are read once, when the server is
//! made, and a path is matched when a line of the log, a counter or the watchdog asks.

use std::fmt;
use std::sync::Arc;

use axum::Router;

/// Routes that are told apart; the paths of any more have no name. What counts by route is bounded by it.
pub const ROUTES_MAX: usize = 1000;

/// The patterns of a router's routes. Cheap to clone.
///
/// ```
/// use squall::web::{Router, RouteNames, routing::get};
/// let router: Router = Router::new()
///     .route("/users/{id}", get(async || "one"))
///     .nest("/admin", Router::new().route("/log", get(async || "all")));
/// let names = RouteNames::of(&router);
/// assert_eq!(names.of_path("/users/7"), Some("/users/{id}"));
/// assert_eq!(names.of_path("/admin/log"), Some("/admin/log"));
/// assert_eq!(names.of_path("/users/7/x"), None);
/// ```
#[derive(Clone, Default)]
pub struct RouteNames {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    tree: matchit::Router<usize>,
    patterns: Vec<String>,
}

/// What axum calls the rest of a path that a nested service takes.
const NEST_TAIL: &str = "{*__private__axum_nest_tail_param}";

impl RouteNames {
    /// The routes that a router has now, those of routers nested in it among them.
    ///
    /// axum shows them in its `Debug` text only, so that is what is read. Should another version of axum write it in
    /// another way, there are no names, and nothing else is lost; [`RouteNames::new`] gives them by hand.
    pub fn of<S>(router: &Router<S>) -> Self {
        Self::new(shown(&format!("{router:?}")))
    }

    /// Routes of these patterns, as axum writes them: `/users/{id}`, `/files/{*path}`. What is no pattern, or is in the
    /// way of another, is left out, and so is what comes after the first [`ROUTES_MAX`].
    pub fn new<P: Into<String>>(patterns: impl IntoIterator<Item = P>) -> Self {
        let mut inner = Inner::default();
        for pattern in patterns.into_iter().take(ROUTES_MAX) {
            let pattern = pattern.into();
            if inner.tree.insert(pattern.as_str(), inner.patterns.len()).is_ok() {
                inner.patterns.push(pattern.replace(NEST_TAIL, "{*rest}"));
            }
        }
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The pattern of the route that this path (without query) leads to.
    pub fn of_path(&self, path: &str) -> Option<&str> {
        self.number_of(path).and_then(|number| self.pattern(number))
    }

    /// Which of the patterns, counted from 0, this path leads to.
    pub(crate) fn number_of(&self, path: &str) -> Option<usize> {
        self.inner.tree.at(path).ok().map(|found| *found.value)
    }

    /// The pattern of that number.
    pub(crate) fn pattern(&self, number: usize) -> Option<&str> {
        self.inner.patterns.get(number).map(String::as_str)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.inner.patterns.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.inner.patterns.is_empty()
    }
}

impl fmt::Debug for RouteNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RouteNames").field(&self.inner.patterns).finish()
    }
}

/// The patterns in the `Debug` text of an axum router: the first `Node { paths: {RouteId(1): "/", …} }` is that of its
/// routes, the second that of its fallbacks.
fn shown(text: &str) -> Vec<String> {
    let Some((_, map)) = text.split_once("node: Node { paths: {") else {
        return Vec::new();
    };
    let mut patterns = Vec::new();
    let mut rest = map;
    while let Some(after) = rest.strip_prefix("RouteId(") {
        let Some((number, after)) = after.split_once("): \"") else {
            break;
        };
        let Some((pattern, after)) = unquoted(after) else {
            break;
        };
        let Ok(number) = number.parse::<u32>() else { break };
        patterns.push((number, pattern));
        rest = after.trim_start_matches([',', ' ']);
    }
    // The map has no order; the routes were numbered in that of their making.
    patterns.sort_unstable();
    patterns.into_iter().map(|(_, pattern)| pattern).collect()
}

/// The text up to the quote that ends it, and what follows; `None` if it is not a text as Rust shows it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((out, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                plain @ ('"' | '\\' | '\'') => out.push(plain),
                // A control character in a pattern: no path can have one.
                _ => return None,
            },
            other => out.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use axum::routing::{any, get, post};

    use super::*;

    /// Fails when axum writes its routers in another way.
    #[test]
    fn the_routes_of_a_router_are_found_in_what_axum_shows() {
        let inner = Router::<()>::new()
            .route("/", get(async || ""))
            .route("/log/{day}", get(async || ""));
        let router = Router::<()>::new()
            .route("/", get(async || ""))
            .route("/users/{id}", get(async || "").post(async || ""))
            .route("/files/{*path}", any(async || ""))
            .route("/a\"b\\c", post(async || ""))
            .nest("/admin", inner.clone())
            .merge(Router::new().route("/merged", get(async || "")))
            .nest_service("/old", inner)
            .fallback(async || "")
            .layer(axum::middleware::map_request(
                async |request: axum::extract::Request| request,
            ));
        let names = RouteNames::of(&router);
        for (path, pattern) in [
            ("/", Some("/")),
            ("/users/7", Some("/users/{id}")),
            ("/users/", None),
            ("/users/7/x", None),
            ("/files/a/b.txt", Some("/files/{*path}")),
            ("/a\"b\\c", Some("/a\"b\\c")),
            ("/admin", Some("/admin")),
            ("/admin/log/1", Some("/admin/log/{day}")),
            ("/merged", Some("/merged")),
            ("/old/log/1", Some("/old/{*rest}")),
            ("/old", Some("/old")),
            ("/nowhere", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(names.of_path(path), pattern, "{path}");
        }
        let stated: Router<()> = router.with_state(());
        assert_eq!(RouteNames::of(&stated).len(), names.len());
        assert!(RouteNames::of(&Router::<()>::new()).is_empty());
    }

    #[test]
    fn what_is_not_understood_is_no_name() {
        for text in [
            "",
            "node: Node { paths: {",
            "node: Node { paths: {RouteId(x): \"/\"}",
            "node: Node { paths: {RouteId(1): \"/a",
        ] {
            assert!(shown(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn routes_are_bounded() {
        let names = RouteNames::new((0..ROUTES_MAX + 1).map(|n| format!("/{n}")));
        assert_eq!(names.len(), ROUTES_MAX);
        assert_eq!(names.of_path("/999"), Some("/999"));
        assert_eq!(names.of_path("/1000"), None);
    }
}
