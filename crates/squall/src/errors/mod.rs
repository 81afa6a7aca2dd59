//! What is answered when something goes wrong: problem details for programs, pages for people.
//!
//! A handler returns [`Problem`] and uses `?` on whatever fails. What the caller did wrong says so; what we did wrong is
//! a 500 that says nothing, and its cause goes to the log, once, with the request's id, which the answer shows too.
//!
//! ```
//! use squall::errors::{self, Problem};
//! use squall::web::{Json, Router, extract::Path, routing::get};
//!
//! async fn user(Path(id): Path<u64>) -> Result<Json<String>, Problem> {
//!     if id == 0 {
//!         return Err(Problem::not_found().detail("There is no user 0."));
//!     }
//!     let name = std::fs::read_to_string(format!("/nowhere/{id}"))?; // 500; the path stays in the log
//!     Ok(Json(name))
//! }
//!
//! let app: Router = Router::new()
//!     .route("/users/{id}", get(user))
//!     .layer(errors::pages());
//! # drop(app);
//! ```
//!
//! The layer decides by the request's `Accept` field (RFC 9110, section 12.5.1) how an error looks:
//!
//! | `Accept` | [`pages()`] | [`api()`] |
//! |---|---|---|
//! | a browser's | a page | a page |
//! | `application/json`, `application/problem+json` | problem details (RFC 9457) | problem details |
//! | `*/*` (curl), or none | plain text | problem details |
//!
//! It does the same for errors that come as bare text: those of extractors (`Json`, `Query`, `Form`, `Path`), of other
//! layers, of routing (404, 405). A bare text of a 5xx may hold anything, so it is logged and not shown. Answers that
//! have a content type of their own are left alone. A handler that panics is a 500 like any other.
//!
//! What the engine itself refuses (a malformed request, one that arrives too slowly) never reaches an application: it
//! is answered with one line of text, and the connection is closed.

mod accept;
mod known;
mod layer;
mod page;
mod problem;
mod render;

pub use layer::{Pages, PagesFuture, PagesService, api, pages};
pub use page::ErrorPage;
pub use problem::{Problem, ProblemType};

/// What a handler returns: `Result<T>` with a [`Problem`].
pub type Result<T, E = Problem> = std::result::Result<T, E>;

#[cfg(test)]
mod tests;
