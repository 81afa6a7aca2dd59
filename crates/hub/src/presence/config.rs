//! What presence keeps, for how long, and why it refuses.

use std::fmt;

/// How a [`Presence`](super::Presence) is set up. Every limit is exact: at it is fine, one past it is refused.
#[derive(Clone, Debug)]
pub struct PresenceConfig {
    /// How long a session whose connection was [lost](super::Presence::lost) stays a member, in milliseconds: whoever
    /// is back before is neither told as a leave nor as a join. Default: 10,000.
    pub grace_ms: u64,
    /// How long a member stays without a [renewal](super::Presence::renew), in milliseconds. Default: `u64::MAX`, for
    /// ever: whoever holds connections knows when they end. Set it where nobody would say so.
    pub lease_ms: u64,
    /// Most sessions of one topic that enter on this node. Default: 1,000,000.
    pub members_max: usize,
    /// Most topics that one session is in. Default: 128.
    pub session_topics_max: usize,
    /// Most topics that somebody is in, or that have changes nobody took. Default: 100,000.
    pub topics_max: usize,
    /// Longest name of a topic, in bytes. Default: 255.
    pub topic_bytes_max: usize,
    /// Longest name of a user, in bytes. Default: 255.
    pub user_bytes_max: usize,
    /// Longest [`Member::info`](super::Member::info) and [`Member::conn_info`](super::Member::conn_info), each, in bytes.
    /// Default: 4 KiB.
    pub info_bytes_max: usize,
    /// What everything together may hold, in bytes, replicas of other nodes included; as [`Presence::counts`] counts,
    /// which is about what the process's memory grows by. Default: 256 MiB.
    ///
    /// [`Presence::counts`]: super::Presence::counts
    pub bytes_max: usize,
    /// Most net changes of a topic between two ticks that are told one by one; beyond it the topic says
    /// [`Changes::Many`](super::Changes::Many). 0: changes are not noted at all, for who never takes them. Default: 256.
    pub changes_max: usize,
    /// Most members in one page; who asks for more gets this many. Default: 1,000.
    pub page_max: usize,
    /// Whose members these are, in a cluster. Default: `None`, alone: nothing is noted for others.
    pub origin: Option<super::replica::Origin>,
    /// Another node that was not heard of for this long is gone, with all its members, in milliseconds. Default: 15,000.
    pub node_timeout_ms: u64,
}

impl Default for PresenceConfig {
    fn default() -> Self {
        Self {
            grace_ms: 10_000,
            lease_ms: u64::MAX,
            members_max: 1_000_000,
            session_topics_max: 128,
            topics_max: 100_000,
            topic_bytes_max: 255,
            user_bytes_max: 255,
            info_bytes_max: 4 << 10,
            bytes_max: 256 << 20,
            changes_max: 256,
            page_max: 1_000,
            origin: None,
            node_timeout_ms: 15_000,
        }
    }
}

/// Why somebody did not become a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PresenceError {
    /// The topic's name is empty or longer than `topic_bytes_max`.
    BadTopic,
    /// The user's name is longer than `user_bytes_max`.
    UserTooLong,
    /// `info` or `conn_info` is larger than `info_bytes_max`.
    InfoTooBig,
    /// The session belongs to another user.
    OtherUser,
    /// The topic has `members_max` sessions.
    TopicFull,
    /// The session is in `session_topics_max` topics.
    SessionFull,
    /// There are `topics_max` topics already that somebody is in, or that have changes which nobody took.
    TooManyTopics,
    /// `bytes_max` is reached.
    OutOfBytes,
}

impl PresenceError {
    /// Whether the same may be possible later: something is full, nothing is wrong with what was said.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::TopicFull | Self::SessionFull | Self::TooManyTopics | Self::OutOfBytes
        )
    }
}

impl fmt::Display for PresenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadTopic => "the topic's name is empty or too long",
            Self::UserTooLong => "the user's name is too long",
            Self::InfoTooBig => "the info of a member is too big",
            Self::OtherUser => "the session belongs to another user",
            Self::TopicFull => "the topic has as many members as it may",
            Self::SessionFull => "the session is in as many topics as it may",
            Self::TooManyTopics => "somebody is in as many topics as there may be",
            Self::OutOfBytes => "presence holds as many bytes as it may",
        })
    }
}

impl std::error::Error for PresenceError {}
