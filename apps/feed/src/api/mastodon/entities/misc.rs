//! The smaller entities: threads, search results, notifications, settings.

use serde::Serialize;

use super::{Account, Never, Status};

/// What stands around a status update.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Context {
    /// From the root down to what it answers.
    pub ancestors: Vec<Status>,
    /// Everything below it.
    pub descendants: Vec<Status>,
}

/// What a search found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Search {
    /// People.
    pub accounts: Vec<Account>,
    /// Status updates.
    pub statuses: Vec<Status>,
    /// Hashtags; always empty.
    pub hashtags: Vec<Never>,
}

/// Something that happened to the viewer.
#[derive(Debug, Clone, Serialize)]
pub struct Notification {
    /// Sorts by time, as decimal text.
    pub id: String,
    /// `follow`, `favourite`, `mention`, …
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// When it happened.
    pub created_at: String,
    /// What newer clients group by.
    pub group_key: String,
    /// Who did it.
    pub account: Account,
    /// To which status update.
    pub status: Option<Status>,
}

/// A status update as it was typed.
#[derive(Debug, Clone, Serialize)]
pub struct StatusSource {
    /// The post's number.
    pub id: String,
    /// What was typed.
    pub text: String,
    /// The warning that was typed.
    pub spoiler_text: String,
}

/// What a client's composer and reader start from.
#[derive(Debug, Clone, Serialize)]
pub struct Preferences {
    /// The audience of a post that names none.
    #[serde(rename = "posting:default:visibility")]
    pub visibility: &'static str,
    /// Whether posts are marked as sensitive.
    #[serde(rename = "posting:default:sensitive")]
    pub sensitive: bool,
    /// The language of posts.
    #[serde(rename = "posting:default:language")]
    pub language: Option<String>,
    /// Which pictures are opened unasked.
    #[serde(rename = "reading:expand:media")]
    pub expand_media: &'static str,
    /// Whether warnings are opened unasked.
    #[serde(rename = "reading:expand:spoilers")]
    pub expand_spoilers: bool,
}

/// How far somebody has read.
#[derive(Debug, Clone, Serialize)]
pub struct Marker {
    /// The newest thing read.
    pub last_read_id: String,
    /// Grows with each change.
    pub version: u64,
    /// When it changed.
    pub updated_at: String,
}
