//! Limits of sessions.

/// How sessions behave, and what each may have. Every limit is exact: at it is fine, one past it is refused.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// A ping is sent every so many seconds; 0: never. Default: 25.
    pub ping_interval_s: u32,
    /// A pong must come within so many seconds, fewer than the interval; 0: none is asked for. Default: 8.
    pub pong_timeout_s: u32,
    /// A session must begin within so many seconds after its connection, or is closed with 3502. Default: 10.
    pub connect_timeout_s: u32,
    /// How much longer than its token a session lasts, in seconds, so that a refresh which is on its way arrives.
    /// Default: 25.
    pub expired_close_delay_s: u32,
    /// Most subscriptions of one session, those by the server included; error 106. Default: 128.
    pub subscriptions_max: usize,
    /// Longest name of a channel, in bytes; error 107. The hub's own limit holds as well. Default: 255.
    pub channel_bytes_max: usize,
    /// Largest frame of commands, and largest body of a request, in bytes. A larger one closes a WebSocket with 1009.
    /// Default: 64 KiB.
    pub frame_bytes_max: usize,
    /// Largest message that a client may publish, in bytes; error 107. Default: 64 KiB.
    pub message_bytes_max: usize,
    /// Most commands of one session that wait for the one before them; 3013. Default: 512.
    pub commands_waiting_max: usize,
    /// Most bytes of commands of one session that wait for the one before them; 3013. Default: 256 KiB.
    pub commands_waiting_bytes_max: usize,
    /// Most bytes that may be owed to a session beside what it follows (replies, pushes), in bytes: beyond it its
    /// commands wait, and a push closes it with 3008. Default: 1 MiB.
    pub owed_bytes_max: usize,
    /// Most messages that a subscription recovers; with more missed it is told that it could not. Default: 1,000.
    pub recovery_messages_max: usize,
    /// Most bytes of messages that a subscription recovers. Default: 1 MiB.
    pub recovery_bytes_max: usize,
    /// Most messages of one answer to a history command, whatever was asked for. Default: 1,000.
    pub history_messages_max: usize,
    /// Most bytes of messages of such an answer; it ends before the message that would cross it. Default: 1 MiB.
    pub history_bytes_max: usize,
    /// Most members of one answer to a presence command. Default: 1,000.
    pub presence_members_max: usize,
    /// How many messages a session may publish in a second, over time; error 111. Default: 50.
    pub publish_rate_max: u32,
    /// How many of them may come at once. Default: 100.
    pub publish_burst_max: u32,
    /// Most sessions of one user, on all cores; 3504. Those of nobody in particular are not counted. Default: 256.
    pub user_sessions_max: usize,
    /// What clients are told of the server's version. Default: nothing.
    pub version: String,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            ping_interval_s: 25,
            pong_timeout_s: 8,
            connect_timeout_s: 10,
            expired_close_delay_s: 25,
            subscriptions_max: 128,
            channel_bytes_max: 255,
            frame_bytes_max: 64 << 10,
            message_bytes_max: 64 << 10,
            commands_waiting_max: 512,
            commands_waiting_bytes_max: 256 << 10,
            owed_bytes_max: 1 << 20,
            recovery_messages_max: 1_000,
            recovery_bytes_max: 1 << 20,
            history_messages_max: 1_000,
            history_bytes_max: 1 << 20,
            presence_members_max: 1_000,
            publish_rate_max: 50,
            publish_burst_max: 100,
            user_sessions_max: 256,
            version: String::new(),
        }
    }
}

impl SessionConfig {
    /// The configuration with what makes no sense made sense of.
    pub(crate) fn checked(mut self) -> Self {
        if self.ping_interval_s > 0 {
            self.pong_timeout_s = self.pong_timeout_s.min(self.ping_interval_s.saturating_sub(1));
        } else {
            self.pong_timeout_s = 0;
        }
        self
    }
}
