//! Who may follow which page: what `squall::live` asks when a page comes to one of its doors.

use squall::live::{Ask, Grant, Refusal, Topics};
use squall::sessions::Session;
use squall::web::StatusCode;

use super::kinds;
use super::topics::{Page, topics};
use crate::domain::PersonId;
use crate::store::{Store, StoreError, WeakStore};

impl Page {
    /// What the routes of the streams call it: `home`, `public`, `notifications`, `profile/ID`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.split_once('/') {
            None => match name {
                "home" => Some(Page::Home),
                "public" => Some(Page::Public),
                "notifications" => Some(Page::Notifications),
                _ => None,
            },
            Some(("profile", id)) => id.parse().ok().map(Page::Profile),
            Some(_) => None,
        }
    }

    /// The kind of a browser's stream of this page.
    pub fn kind(self) -> u32 {
        match self {
            Page::Home => kinds::HOME,
            Page::Profile(_) => kinds::PROFILE,
            Page::Public => kinds::PUBLIC,
            Page::Notifications => kinds::NOTIFICATIONS,
        }
    }
}

/// The page that a stream's path names after its door: `/stream/home` is `home`, `/ws/profile/7` is `profile/7`.
pub fn page_of_path() -> Topics {
    Topics::with(|parts| {
        let path = parts.uri.path();
        path.split('/')
            .nth(1)
            .map(|door| path[door.len() + 2..].to_owned())
            .into_iter()
            .collect()
    })
}

/// Answers for a browser: whoever its session says is signed in.
pub(crate) async fn of_browser(store: WeakStore, ask: Ask) -> Result<Grant, Refusal> {
    let store = store.upgrade().ok_or_else(too_busy)?;
    let page = ask
        .topics
        .first()
        .and_then(|name| Page::from_name(name))
        .ok_or_else(Refusal::not_found)?;
    let session = ask.parts.extensions.get::<Session>();
    let viewer = session.and_then(Session::owner).and_then(PersonId::new);
    grant(&store, viewer, page, page.kind()).await
}

/// What `viewer` may follow of a page, as a stream of this kind.
///
/// Ask for a [`squall::live::Moment`] before this is called when a connection that is already open is given the topics.
pub async fn grant(store: &Store, viewer: Option<PersonId>, page: Page, kind: u32) -> Result<Grant, Refusal> {
    let topics = match topics(store, viewer, page).await {
        Ok(topics) => topics,
        Err(error) => return Err(refusal(&error, viewer)),
    };
    Ok(Grant::topics(topics)
        .owner(viewer.map_or(0, PersonId::get))
        .kind(kind))
}

fn refusal(error: &StoreError, viewer: Option<PersonId>) -> Refusal {
    if error.is_missing() && viewer.is_none() {
        return Refusal::unauthorized();
    }
    if error.is_missing() {
        return Refusal::not_found();
    }
    if error.is_internal() {
        tracing::error!(
            error = error.detail(),
            "what somebody may follow could not be read"
        );
    }
    too_busy()
}

fn too_busy() -> Refusal {
    Refusal::problem(StatusCode::SERVICE_UNAVAILABLE, "Please try again in a moment.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_names() {
        let ada = PersonId::new(7).unwrap();
        assert_eq!(Page::from_name("home"), Some(Page::Home));
        assert_eq!(Page::from_name("profile/7"), Some(Page::Profile(ada)));
        for bad in [
            "",
            "profile",
            "profile/",
            "profile/x",
            "profile/7/8",
            "home/7",
            "p:7:me",
            "Home",
        ] {
            assert_eq!(Page::from_name(bad), None, "{bad:?}");
        }
    }
}
