//! People as clients see them.

use serde::Serialize;

use super::Never;

/// A person's public face.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Account {
    /// The person's number, as decimal text.
    pub(crate) id: String,
    /// The name of `/@name`.
    pub(crate) username: String,
    /// The same: everybody is local.
    pub(crate) acct: String,
    /// What they are called; the username when they chose nothing.
    pub(crate) display_name: String,
    /// Whether followers have to be let in.
    pub(crate) locked: bool,
    /// Whether a program writes here.
    pub(crate) bot: bool,
    /// Whether search and suggestions may show this person.
    pub(crate) discoverable: Option<bool>,
    /// Whether search engines may.
    pub(crate) indexable: bool,
    /// Whether this is a group.
    pub(crate) group: bool,
    /// When they signed up; RFC 3339 with milliseconds and `Z`.
    pub(crate) created_at: String,
    /// About them, as HTML.
    pub(crate) note: String,
    /// Their page.
    pub(crate) url: String,
    /// What names them for ever.
    pub(crate) uri: String,
    /// A picture's address; clients insist on one.
    pub(crate) avatar: String,
    /// The same, not moving.
    pub(crate) avatar_static: String,
    /// A wide picture's address.
    pub(crate) header: String,
    /// The same, not moving.
    pub(crate) header_static: String,
    /// How many follow them.
    pub(crate) followers_count: u64,
    /// How many they follow.
    pub(crate) following_count: u64,
    /// How many status updates they have posted.
    pub(crate) statuses_count: u64,
    /// The day (no time) of their newest status update.
    pub(crate) last_status_at: Option<String>,
    /// Always empty.
    pub(crate) emojis: Vec<Never>,
    /// Name and value pairs; always empty.
    pub(crate) fields: Vec<Never>,
}

/// One's own account, with what only oneself may read.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CredentialAccount {
    /// What everybody sees.
    #[serde(flatten)]
    pub(crate) account: Account,
    /// What one has chosen.
    pub(crate) source: Source,
}

/// The choices behind an account.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Source {
    /// The audience of a post that names none: `public`, `unlisted`, `private` or `direct`.
    pub(crate) privacy: &'static str,
    /// Whether posts are marked as sensitive.
    pub(crate) sensitive: bool,
    /// The language of posts.
    pub(crate) language: Option<String>,
    /// About them, as it was typed.
    pub(crate) note: String,
    /// Name and value pairs; always empty.
    pub(crate) fields: Vec<Never>,
    /// How many wait to be let in.
    pub(crate) follow_requests_count: u64,
}

/// What holds between the viewer and another person.
#[derive(Debug, Clone, Default, Serialize)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "the entity of the API has this many"
)]
pub(crate) struct Relationship {
    /// The other person.
    pub(crate) id: String,
    /// The viewer follows them.
    pub(crate) following: bool,
    /// The viewer sees what they share.
    pub(crate) showing_reblogs: bool,
    /// The viewer is notified of each of their posts.
    pub(crate) notifying: bool,
    /// Only posts in these languages are shown.
    pub(crate) languages: Option<Vec<String>>,
    /// They follow the viewer.
    pub(crate) followed_by: bool,
    /// The viewer blocks them.
    pub(crate) blocking: bool,
    /// They block the viewer.
    pub(crate) blocked_by: bool,
    /// The viewer has muted them.
    pub(crate) muting: bool,
    /// And their notifications.
    pub(crate) muting_notifications: bool,
    /// The viewer has asked to follow them.
    pub(crate) requested: bool,
    /// They have asked to follow the viewer.
    pub(crate) requested_by: bool,
    /// The viewer blocks their server.
    pub(crate) domain_blocking: bool,
    /// The viewer shows them on their own profile.
    pub(crate) endorsed: bool,
    /// The viewer's private note.
    pub(crate) note: String,
}
