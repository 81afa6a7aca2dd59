//! Which topics a viewer's page follows: the one place where it is decided.

use super::topic;
use crate::domain::people::FOLLOWING_MAX;
use crate::domain::{Audience, PersonId, Standing};
use crate::store::{Store, StoreError};

/// Topics of the largest home: three for each person followed, four of one's own, and what one is told.
pub const HOME_TOPICS_MAX: usize = 3 * FOLLOWING_MAX as usize + 5;

/// A page, or a program's stream like it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// A person's home: their own posts, those of whom they follow, and what they are told.
    Home,
    /// One person's posts.
    Profile(PersonId),
    /// All public posts.
    Public,
    /// What a person is told.
    Notifications,
}

/// The topics that `viewer`'s page may follow, by the follow graph as it is now.
///
/// # Errors
/// Missing: a page that needs somebody signed in, for nobody; or a profile of nobody.
pub async fn topics(store: &Store, viewer: Option<PersonId>, page: Page) -> Result<Vec<String>, StoreError> {
    match (page, viewer) {
        (Page::Public, _) => Ok(vec![topic::PUBLIC.to_owned()]),
        (Page::Profile(author), viewer) => {
            let standing = store.standing(viewer, author).await?;
            Ok(of_author(standing, author).collect())
        }
        (Page::Home | Page::Notifications, None) => Err(StoreError::missing()),
        (Page::Notifications, Some(viewer)) => Ok(vec![topic::notifications(viewer)]),
        (Page::Home, Some(viewer)) => {
            let mut topics = vec![topic::notifications(viewer)];
            topics.extend(of_author(Standing::Author, viewer));
            for author in store.following_ids(viewer).await? {
                topics.extend(of_author(Standing::Follower, author));
            }
            Ok(topics)
        }
    }
}

/// The topics of an author that somebody with this standing may follow.
pub fn of_author(standing: Standing, author: PersonId) -> impl Iterator<Item = String> {
    standing
        .audiences()
        .map(move |audience| topic::posts(author, audience))
}

/// The topic of an author that only followers (and the author) may follow: what a profile page loses when its viewer
/// does not follow any more.
pub fn followers_only(author: PersonId) -> String {
    topic::posts(author, Audience::Followers)
}
