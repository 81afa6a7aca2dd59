//! People as clients see them.

use serde::Serialize;

use super::Never;

/// A person's public face.
#[derive(Debug, Clone, Serialize)]
pub struct Account {
    /// The person's number, as decimal text.
    pub id: String,
    /// The name of `/@name`.
    pub username: String,
    /// The same: everybody is local.
    pub acct: String,
    /// What they are called; the username when they chose nothing.
    pub display_name: String,
    /// Whether followers have to be let in.
    pub locked: bool,
    /// Whether a program writes here.
    pub bot: bool,
    /// Whether search and suggestions may show this person.
    pub discoverable: Option<bool>,
    /// Whether search engines may.
    pub indexable: bool,
    /// Whether this is a group.
    pub group: bool,
    /// When they signed up; RFC 3339 with milliseconds and `Z`.
    pub created_at: String,
    /// About them, as HTML.
    pub note: String,
    /// Their page.
    pub url: String,
    /// What names them for ever.
    pub uri: String,
    /// A picture's address; clients insist on one.
    pub avatar: String,
    /// The same, not moving.
    pub avatar_static: String,
    /// A wide picture's address.
    pub header: String,
    /// The same, not moving.
    pub header_static: String,
    /// How many follow them.
    pub followers_count: u64,
    /// How many they follow.
    pub following_count: u64,
    /// How many status updates they have posted.
    pub statuses_count: u64,
    /// The day (no time) of their newest status update.
    pub last_status_at: Option<String>,
    /// Always empty.
    pub emojis: Vec<Never>,
    /// Name and value pairs; always empty.
    pub fields: Vec<Never>,
}

/// One's own account, with what only oneself may read.
#[derive(Debug, Clone, Serialize)]
pub struct CredentialAccount {
    /// What everybody sees.
    #[serde(flatten)]
    pub account: Account,
    /// What one has chosen.
    pub source: Source,
}

/// The choices behind an account.
#[derive(Debug, Clone, Serialize)]
pub struct Source {
    /// The audience of a post that names none: `public`, `unlisted`, `private` or `direct`.
    pub privacy: &'static str,
    /// Whether posts are marked as sensitive.
    pub sensitive: bool,
    /// The language of posts.
    pub language: Option<String>,
    /// About them, as it was typed.
    pub note: String,
    /// Name and value pairs; always empty.
    pub fields: Vec<Never>,
    /// How many wait to be let in.
    pub follow_requests_count: u64,
}

/// What holds between the viewer and another person.
#[derive(Debug, Clone, Default, Serialize)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "the entity of the API has this many"
)]
pub struct Relationship {
    /// The other person.
    pub id: String,
    /// The viewer follows them.
    pub following: bool,
    /// The viewer sees what they share.
    pub showing_reblogs: bool,
    /// The viewer is notified of each of their posts.
    pub notifying: bool,
    /// Only posts in these languages are shown.
    pub languages: Option<Vec<String>>,
    /// They follow the viewer.
    pub followed_by: bool,
    /// The viewer blocks them.
    pub blocking: bool,
    /// They block the viewer.
    pub blocked_by: bool,
    /// The viewer has muted them.
    pub muting: bool,
    /// And their notifications.
    pub muting_notifications: bool,
    /// The viewer has asked to follow them.
    pub requested: bool,
    /// They have asked to follow the viewer.
    pub requested_by: bool,
    /// The viewer blocks their server.
    pub domain_blocking: bool,
    /// The viewer shows them on their own profile.
    pub endorsed: bool,
    /// The viewer's private note.
    pub note: String,
}
