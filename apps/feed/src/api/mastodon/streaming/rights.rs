//! Which topics a stream is made of, for whom.

use squall::live::{Grant, Style};

use super::names::{Name, Wanted};
use crate::api::mastodon::auth::Auth;
use crate::api::mastodon::error::ApiError;
use crate::app::App;
use crate::domain::PersonId;
use crate::stream::{Page, kinds, topic, topics};

/// The topics of a stream for the holder of this token, after [`Wanted::check`].
pub(super) async fn topics_of(app: &App, auth: &Auth, wanted: &Wanted) -> Result<Vec<String>, ApiError> {
    let page = match wanted.name {
        Name::User => Page::Home,
        Name::UserNotification => Page::Notifications,
        Name::Public | Name::PublicLocal => Page::Public,
        Name::Quiet => return Ok(Vec::new()),
    };
    let viewer = person(auth);
    let mut found = topics(app.store(), viewer, page).await?;
    // The stream of home tells what happens to oneself too, but only to programs that may read that.
    if let (Name::User, Some(viewer)) = (wanted.name, viewer)
        && auth.person("read:notifications").is_err()
    {
        let told = topic::notifications(viewer);
        found.retain(|topic| *topic != told);
    }
    Ok(found)
}

/// For whom the program acts.
pub(super) fn person(auth: &Auth) -> Option<PersonId> {
    auth.token().ok().and_then(|token| token.person)
}

/// What a connection belongs to: following and unfollowing reach only [`kinds::API_USER`].
pub(super) fn kind(name: Name) -> u32 {
    match name {
        Name::User => kinds::API_USER,
        Name::UserNotification => kinds::API_NOTIFICATIONS,
        Name::Public | Name::PublicLocal | Name::Quiet => kinds::API_PUBLIC,
    }
}

/// Topics in a style, as the holder of this token. Without a style nothing is ever told, so nothing is followed.
pub(super) fn grant(auth: &Auth, topics: Vec<String>, style: Option<Style>, kind: u32) -> Grant {
    let owner = person(auth).map_or(0, PersonId::get);
    let grant = Grant::topics(Vec::<String>::new()).owner(owner).kind(kind);
    match style {
        None => grant,
        Some(style) => topics
            .into_iter()
            .fold(grant, |grant, topic| grant.topic_as(topic, style)),
    }
}
