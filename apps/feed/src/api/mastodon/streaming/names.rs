//! What can be followed, as clients name it: `user`, `public:local`, `hashtag` with a tag …

use std::fmt;

use squall::web::http::StatusCode;

use crate::api::mastodon::auth::Auth;
use crate::api::mastodon::error::ApiError;

/// The longest hashtag that is followed, in bytes.
pub(super) const TAG_BYTES_MAX: usize = 200;

/// One stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Name {
    /// Home and notifications.
    User = 0,
    /// Notifications alone.
    UserNotification,
    /// All public posts.
    Public,
    /// The same: everybody is local.
    PublicLocal,
    /// What can be followed, and in which nothing happens on this server: `public:remote`, media, hashtags, direct.
    Quiet,
}

/// A stream and how the client called it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) name: Name,
    /// `user`, or `hashtag` and its tag: what stands in `stream` of each frame.
    pub(super) labels: Vec<String>,
}

impl Wanted {
    /// Reads a name and its parameter.
    ///
    /// # Errors
    /// 400 for what is no stream, and for a hashtag stream without a tag; 404 for a list, because there are none.
    pub(super) fn read(name: &str, tag: Option<&str>) -> Result<Self, ApiError> {
        let quiet = |labels| {
            Ok(Wanted {
                name: Name::Quiet,
                labels,
            })
        };
        let known = match name {
            "user" => Name::User,
            "user:notification" => Name::UserNotification,
            "public" => Name::Public,
            "public:local" => Name::PublicLocal,
            "public:remote" | "public:media" | "public:local:media" | "public:remote:media" | "direct" => {
                Name::Quiet
            }
            "hashtag" | "hashtag:local" => {
                let tag = tag.map(|tag| tag.trim_start_matches('#').to_lowercase());
                return match tag.filter(|tag| !tag.is_empty() && tag.len() <= TAG_BYTES_MAX) {
                    Some(tag) => quiet(vec![name.to_string(), tag]),
                    None => Err(ApiError::new(
                        StatusCode::BAD_REQUEST,
                        "Missing tag name parameter",
                    )),
                };
            }
            "list" => return Err(ApiError::not_found()),
            _ => return Err(ApiError::new(StatusCode::BAD_REQUEST, "Unknown stream type")),
        };
        Ok(Wanted {
            name: known,
            labels: vec![name.to_string()],
        })
    }

    /// Whether `auth` may follow it. The streams of everything public are for everybody.
    ///
    /// # Errors
    /// 401, 403, 422.
    pub(super) fn check(&self, auth: &Auth) -> Result<(), ApiError> {
        let needed = match (self.name, &*self.labels[0]) {
            (Name::User, _) | (Name::Quiet, "direct") => "read:statuses",
            (Name::UserNotification, _) => "read:notifications",
            (Name::Public | Name::PublicLocal | Name::Quiet, _) => {
                return match auth {
                    // Who shows a token that is none should learn of it, not get less than was asked for.
                    Auth::Invalid => Err(ApiError::bad_token()),
                    Auth::Anonymous => Ok(()),
                    Auth::Token(_) => auth.viewer("read:statuses").map(|_| ()),
                };
            }
        };
        auth.person(needed).map(|_| ())
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.labels.join(":"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        let labels = |name: &str, tag: Option<&str>| Wanted::read(name, tag).unwrap().labels;
        assert_eq!(labels("user", None), ["user"]);
        assert_eq!(labels("public:local", None), ["public:local"]);
        assert_eq!(labels("hashtag", Some("#Rust")), ["hashtag", "rust"]);
        assert_eq!(Wanted::read("public:remote", None).unwrap().name, Name::Quiet);
    }

    #[test]
    fn what_is_no_stream_is_refused() {
        let status = |name: &str, tag: Option<&str>| Wanted::read(name, tag).unwrap_err().status().as_u16();
        assert_eq!(status("", None), 400);
        assert_eq!(status("users", None), 400);
        assert_eq!(status("hashtag", None), 400);
        assert_eq!(status("hashtag", Some("#")), 400);
        assert_eq!(status("list", None), 404);
        let tag = "x".repeat(TAG_BYTES_MAX);
        assert!(Wanted::read("hashtag", Some(&tag)).is_ok());
        assert_eq!(status("hashtag", Some(&format!("{tag}x"))), 400);
    }
}
