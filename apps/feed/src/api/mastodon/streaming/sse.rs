//! `/api/v1/streaming/…` over Server-Sent Events.
//!
//! The first bytes are `:)`, a quiet stream says `:thump`, and there is no `id:`, because one client loses events that
//! have one. Who sends `Last-Event-ID`, `?resume=` or `?cursor=` gets ids and goes on where they were.

use squall::live::{Grant, Moment, SseDoor};
use squall::web::extract::State;
use squall::web::http::Uri;
use squall::web::http::request::Parts;
use squall::web::{Extension, Request, Response};

use super::names::Wanted;
use super::styles::Styles;
use super::{Streams, rights};
use crate::api::mastodon::auth::Auth;
use crate::api::mastodon::error::ApiError;
use crate::domain::PersonId;

/// The doors.
#[derive(Clone)]
pub(super) struct Doors {
    plain: SseDoor,
    with_ids: SseDoor,
}

impl Doors {
    pub(super) fn new(styles: &Styles) -> Self {
        Doors {
            plain: SseDoor::new()
                .style(styles.sse)
                .hello(":)\n")
                .heartbeat(":thump\n"),
            // Its first event is an empty one with the id of the beginning: who loses the stream before anything has
            // happened can resume all the same.
            with_ids: SseDoor::new().style(styles.sse_with_ids).heartbeat(":thump\n"),
        }
    }
}

/// Opens the stream that the path names: `/api/v1/streaming/public/local` is `public:local`.
pub(super) async fn open(
    State(streams): State<Streams>,
    Extension(moment): Extension<Moment>,
    auth: Auth,
    request: Request,
) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    let asked = Asked::read(&parts);
    let wanted = Wanted::read(&asked.name, asked.tag.as_deref())?;
    wanted.check(&auth)?;
    let topics = rights::topics_of(&streams.app, &auth, &wanted).await?;
    let owner = rights::person(&auth).map_or(0, PersonId::get);
    let grant = Grant::topics(topics).owner(owner).kind(rights::kind(wanted.name));
    let door = if asked.resume {
        &streams.sse.with_ids
    } else {
        &streams.sse.plain
    };
    if let Some(uri) = asked.cursor.and_then(|cursor| with_cursor(&cursor)) {
        parts.uri = uri;
    }
    Ok(streams.app.live().sse_response(door, &parts, moment, grant))
}

/// What the request says.
struct Asked {
    name: String,
    tag: Option<String>,
    /// Whether ids are wanted.
    resume: bool,
    /// A cursor in `?resume=`: the same as in `?cursor=`.
    cursor: Option<String>,
}

impl Asked {
    fn read(parts: &Parts) -> Self {
        let path = parts.uri.path().trim_end_matches('/');
        let mut name = path
            .strip_prefix("/api/v1/streaming/")
            .unwrap_or_default()
            .replace('/', ":");
        let mut asked = Asked {
            name: String::new(),
            tag: None,
            resume: parts.headers.contains_key("last-event-id"),
            cursor: None,
        };
        for (key, value) in form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            match &*key {
                "tag" => asked.tag = Some(value.into_owned()),
                "only_media" if matches!(&*value, "true" | "1" | "True") && name.starts_with("public") => {
                    name.push_str(":media");
                }
                "cursor" => asked.resume = true,
                "resume" => {
                    asked.resume = true;
                    asked.cursor = Some(value.into_owned()).filter(|value| value.contains(':'));
                }
                _ => {}
            }
        }
        Asked { name, ..asked }
    }
}

fn with_cursor(cursor: &str) -> Option<Uri> {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("cursor", cursor)
        .finish();
    format!("/?{query}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall::web::Body;

    fn read(uri: &str, last_event_id: Option<&str>) -> (String, bool, Option<String>) {
        let mut request = Request::get(uri);
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let asked = Asked::read(&request.body(Body::empty()).unwrap().into_parts().0);
        (asked.name, asked.resume, asked.cursor)
    }

    #[test]
    fn paths_name_streams() {
        for (path, name) in [
            ("/api/v1/streaming/user", "user"),
            ("/api/v1/streaming/user/notification/", "user:notification"),
            ("/api/v1/streaming/public/local?only_media=false", "public:local"),
            ("/api/v1/streaming/public?only_media=true", "public:media"),
        ] {
            assert_eq!(read(path, None), (name.into(), false, None), "{path}");
        }
    }

    #[test]
    fn ids_are_given_when_asked_for() {
        let user = |query: &str, id: Option<&str>| read(&format!("/api/v1/streaming/user{query}"), id);
        assert_eq!(user("?resume=1", None), ("user".into(), true, None));
        assert_eq!(
            user("?resume=ab%3A7", None),
            ("user".into(), true, Some("ab:7".into()))
        );
        assert_eq!(user("?cursor=ab:7", None), ("user".into(), true, None));
        assert_eq!(user("", Some("ab:7")), ("user".into(), true, None));
        assert_eq!(with_cursor("ab:7").unwrap(), "/?cursor=ab%3A7");
    }
}
