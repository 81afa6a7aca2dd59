//! The smaller entities: threads, search results, notifications, settings.

use serde::Serialize;

use super::{Account, Never, Status};

/// What stands around a status update.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Context {
    /// From the root down to what it answers.
    pub(crate) ancestors: Vec<Status>,
    /// Everything below it.
    pub(crate) descendants: Vec<Status>,
}

/// What a search found.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Search {
    /// People.
    pub(crate) accounts: Vec<Account>,
    /// Status updates.
    pub(crate) statuses: Vec<Status>,
    /// Hashtags; always empty.
    pub(crate) hashtags: Vec<Never>,
}

/// Something that happened to the viewer.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Notification {
    /// Sorts by time, as decimal text.
    pub(crate) id: String,
    /// `follow`, `favourite`, `mention`, …
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// When it happened.
    pub(crate) created_at: String,
    /// What newer clients group by.
    pub(crate) group_key: String,
    /// Who did it.
    pub(crate) account: Account,
    /// To which status update.
    pub(crate) status: Option<Status>,
}

/// A status update as it was typed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StatusSource {
    /// The post's number.
    pub(crate) id: String,
    /// What was typed.
    pub(crate) text: String,
    /// The warning that was typed.
    pub(crate) spoiler_text: String,
}

/// What a client's composer and reader start from.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Preferences {
    /// The audience of a post that names none.
    #[serde(rename = "posting:default:visibility")]
    pub(crate) visibility: &'static str,
    /// Whether posts are marked as sensitive.
    #[serde(rename = "posting:default:sensitive")]
    pub(crate) sensitive: bool,
    /// The language of posts.
    #[serde(rename = "posting:default:language")]
    pub(crate) language: Option<String>,
    /// Which pictures are opened unasked.
    #[serde(rename = "reading:expand:media")]
    pub(crate) expand_media: &'static str,
    /// Whether warnings are opened unasked.
    #[serde(rename = "reading:expand:spoilers")]
    pub(crate) expand_spoilers: bool,
}

/// How far somebody has read.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Marker {
    /// The newest thing read.
    pub(crate) last_read_id: String,
    /// Grows with each change.
    pub(crate) version: u64,
    /// When it changed.
    pub(crate) updated_at: String,
}
