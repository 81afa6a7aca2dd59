//! Status updates as clients see them.

use serde::Serialize;

use super::{Account, Never};

/// A status update.
///
/// The same text goes to everybody who may see it on the streams; `viewer` is there only in an answer to one person.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// `ms << 16 | seq` as decimal text: sorts by time.
    pub id: String,
    /// When it was posted.
    pub created_at: String,
    /// The post that it answers.
    pub in_reply_to_id: Option<String>,
    /// Whose post it answers.
    pub in_reply_to_account_id: Option<String>,
    /// Whether it is hidden behind a warning.
    pub sensitive: bool,
    /// The warning.
    pub spoiler_text: String,
    /// `public`, `unlisted`, `private` or `direct`.
    pub visibility: &'static str,
    /// Its language, when known.
    pub language: Option<String>,
    /// What names it for ever.
    pub uri: String,
    /// Its page: exactly two path segments, `/@name/id`.
    pub url: Option<String>,
    /// How many answer it.
    pub replies_count: u64,
    /// How many share it.
    pub reblogs_count: u64,
    /// How many like it.
    pub favourites_count: u64,
    /// When it was last changed.
    pub edited_at: Option<String>,
    /// What holds for the viewer; absent without a token and on the streams.
    #[serde(flatten)]
    pub viewer: Option<ViewerFlags>,
    /// What it says, as HTML.
    pub content: String,
    /// What it shares.
    pub reblog: Option<Never>,
    /// The program that posted it.
    pub application: Option<StatusApplication>,
    /// Who posted it.
    pub account: Account,
    /// Always empty.
    pub media_attachments: Vec<Never>,
    /// Who is named in it.
    pub mentions: Vec<StatusMention>,
    /// Always empty.
    pub tags: Vec<Never>,
    /// Always empty.
    pub emojis: Vec<Never>,
    /// Never any.
    pub card: Option<Never>,
    /// Never any.
    pub poll: Option<Never>,
    /// What was typed; only in the answer to a deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What holds between one viewer and one status update.
#[derive(Debug, Clone, Default, Serialize)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "the entity of the API has this many"
)]
pub struct ViewerFlags {
    /// The viewer likes it.
    pub favourited: bool,
    /// The viewer shares it.
    pub reblogged: bool,
    /// The viewer wants no notifications from it.
    pub muted: bool,
    /// The viewer keeps it.
    pub bookmarked: bool,
    /// Only on the viewer's own: it stands on top of their profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<bool>,
    /// Always empty.
    pub filtered: Vec<Never>,
}

/// The program that posted something.
#[derive(Debug, Clone, Serialize)]
pub struct StatusApplication {
    /// What it calls itself.
    pub name: String,
    /// Its page.
    pub website: Option<String>,
}

/// Somebody named in a status update.
#[derive(Debug, Clone, Serialize)]
pub struct StatusMention {
    /// Their number.
    pub id: String,
    /// Their name.
    pub username: String,
    /// Their page.
    pub url: String,
    /// Their name again.
    pub acct: String,
}
