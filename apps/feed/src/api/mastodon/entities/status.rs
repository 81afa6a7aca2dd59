//! Status updates as clients see them.

use serde::Serialize;

use super::{Account, Never};

/// A status update.
///
/// The same text goes to everybody who may see it on the streams; `viewer` is there only in an answer to one person.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Status {
    /// `ms << 16 | seq` as decimal text: sorts by time.
    pub(crate) id: String,
    /// When it was posted.
    pub(crate) created_at: String,
    /// The post that it answers.
    pub(crate) in_reply_to_id: Option<String>,
    /// Whose post it answers.
    pub(crate) in_reply_to_account_id: Option<String>,
    /// Whether it is hidden behind a warning.
    pub(crate) sensitive: bool,
    /// The warning.
    pub(crate) spoiler_text: String,
    /// `public`, `unlisted`, `private` or `direct`.
    pub(crate) visibility: &'static str,
    /// Its language, when known.
    pub(crate) language: Option<String>,
    /// What names it for ever.
    pub(crate) uri: String,
    /// Its page: exactly two path segments, `/@name/id`.
    pub(crate) url: Option<String>,
    /// How many answer it.
    pub(crate) replies_count: u64,
    /// How many share it.
    pub(crate) reblogs_count: u64,
    /// How many like it.
    pub(crate) favourites_count: u64,
    /// When it was last changed.
    pub(crate) edited_at: Option<String>,
    /// What holds for the viewer; absent without a token and on the streams.
    #[serde(flatten)]
    pub(crate) viewer: Option<ViewerFlags>,
    /// What it says, as HTML.
    pub(crate) content: String,
    /// What it shares.
    pub(crate) reblog: Option<Never>,
    /// The program that posted it.
    pub(crate) application: Option<StatusApplication>,
    /// Who posted it.
    pub(crate) account: Account,
    /// Always empty.
    pub(crate) media_attachments: Vec<Never>,
    /// Who is named in it.
    pub(crate) mentions: Vec<StatusMention>,
    /// Always empty.
    pub(crate) tags: Vec<Never>,
    /// Always empty.
    pub(crate) emojis: Vec<Never>,
    /// Never any.
    pub(crate) card: Option<Never>,
    /// Never any.
    pub(crate) poll: Option<Never>,
    /// What was typed; only in the answer to a deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
}

/// What holds between one viewer and one status update.
#[derive(Debug, Clone, Default, Serialize)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "the entity of the API has this many"
)]
pub(crate) struct ViewerFlags {
    /// The viewer likes it.
    pub(crate) favourited: bool,
    /// The viewer shares it.
    pub(crate) reblogged: bool,
    /// The viewer wants no notifications from it.
    pub(crate) muted: bool,
    /// The viewer keeps it.
    pub(crate) bookmarked: bool,
    /// Only on the viewer's own: it stands on top of their profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pinned: Option<bool>,
    /// Always empty.
    pub(crate) filtered: Vec<Never>,
}

/// The program that posted something.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StatusApplication {
    /// What it calls itself.
    pub(crate) name: String,
    /// Its page.
    pub(crate) website: Option<String>,
}

/// Somebody named in a status update.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StatusMention {
    /// Their number.
    pub(crate) id: String,
    /// Their name.
    pub(crate) username: String,
    /// Their page.
    pub(crate) url: String,
    /// Their name again.
    pub(crate) acct: String,
}
