//! What a person is told about.

use super::ids::{NotificationId, PersonId};
use super::people::Person;
use super::posts::PostView;

/// Why somebody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum NotificationKind {
    /// Somebody follows them now.
    Follow = 0,
    /// Somebody marked a post of theirs as a favourite.
    Favourite = 1,
    /// A post names them, or answers one of theirs.
    Mention = 2,
}

impl NotificationKind {
    /// All kinds.
    pub const ALL: [NotificationKind; 3] = [
        NotificationKind::Follow,
        NotificationKind::Favourite,
        NotificationKind::Mention,
    ];

    /// The word that our pages and Mastodon's API use.
    pub fn word(self) -> &'static str {
        match self {
            NotificationKind::Follow => "follow",
            NotificationKind::Favourite => "favourite",
            NotificationKind::Mention => "mention",
        }
    }

    /// The kind called `word`.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// The kind with this number in the database.
    pub fn from_number(number: i64) -> Option<Self> {
        usize::try_from(number)
            .ok()
            .and_then(|index| Self::ALL.get(index).copied())
    }
}

/// A notification as its person sees it.
#[derive(Clone, Debug)]
pub struct NotificationView {
    /// The id; notifications are listed by it, newest first.
    pub id: NotificationId,
    /// Whom it is for.
    pub person: PersonId,
    /// Why.
    pub kind: NotificationKind,
    /// When, in milliseconds since 1970.
    pub created_at_ms: u64,
    /// Who did it.
    pub actor: Person,
    /// The post it is about, as its person sees it.
    pub post: Option<PostView>,
}
