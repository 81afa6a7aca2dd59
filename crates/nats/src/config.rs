//! How a node finds its cluster, and what it may cost.

use std::fmt;
use std::path::PathBuf;

use crate::subject::is_prefix;

/// How a node is set up. Everything has a default but the servers.
#[derive(Clone)]
pub struct NatsConfig {
    /// Addresses: `nats://host:port` or `tls://host:port`; one is tried after the other. A user and a password in one
    /// are taken as [`Auth::Password`] for all of them. Default: none.
    pub servers: Vec<String>,
    /// Also connect to servers of the cluster that are not in `servers` but that these name. Default: true.
    pub discover: bool,
    /// How the node proves who it is. Default: not at all.
    pub auth: Auth,
    /// How the servers prove who they are. Default: TLS if the server asks for it, with the system's roots.
    pub tls: Tls,
    /// What the servers call this connection in their logs and lists. Default: `squall`.
    pub name: String,
    /// The stream's name. Default: `SQUALL`.
    pub stream: String,
    /// First tokens of all subjects: messages go to `PREFIX.t.TOPIC`, words of the [`Bus`](squall_hub::Bus) to `PREFIX.w`.
    /// Default: `squall`.
    pub prefix: String,
    /// How the stream is made when there is none; `None`: then the node does not start. A stream that is there is used as
    /// it is. Default: [`StreamSettings::default`].
    pub create: Option<StreamSettings>,
    /// How many of the stream's newest messages are read at the start, at most. What the hub's retention does not allow is
    /// let go again. Default: 100,000.
    pub load_messages_max: u64,
    /// How long a publish may take, with all its attempts, in milliseconds. Beyond it the answer is
    /// [`TimedOut`](squall_hub::PublishError::TimedOut) or [`Unavailable`](squall_hub::PublishError::Unavailable).
    /// Default: 5,000.
    pub publish_timeout_ms: u64,
    /// How long one attempt waits for its acknowledgement before the same message is sent again (which the stream's
    /// duplicate window makes no second message), in milliseconds. Default: 1,000.
    pub attempt_timeout_ms: u64,
    /// How many messages may be on their way at once; beyond it publishing is refused with
    /// [`Busy`](squall_hub::PublishError::Busy). Default: 4,096.
    pub publishes_max: usize,
    /// How many bytes of data they may have together, in KiB begun. Default: 64 MiB.
    pub publish_kib_max: u32,
    /// How often the stream says that it is there when nothing is published, in milliseconds. After three without a sign
    /// the consumer is made anew. The connection itself is given up after about as long. Default: 1,000.
    pub heartbeat_ms: u64,
    /// How often a node looks whether the stream is still the one that it was, in milliseconds. Default: 5,000.
    pub check_ms: u64,
    /// How long a connection to one server may take, in milliseconds. Default: 2,000.
    pub connect_timeout_ms: u64,
    /// How long a question to JetStream may take, in milliseconds. Default: 2,000.
    pub request_timeout_ms: u64,
    /// How long [`Node::start`](crate::Node::start) may take, in milliseconds. Default: 30,000.
    pub start_timeout_ms: u64,
    /// How many messages may wait in this process between the connection and the hub. One past it is dropped there, seen to
    /// be missing, and read from the stream again. Default: 262,144.
    pub consume_messages_max: usize,
}

/// How a stream is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// On how many servers each message is kept: 1, 3 or 5. Default: 1, which is all that a single server can do;
    /// a cluster wants 3.
    pub replicas: usize,
    /// Where. Default: on disk.
    pub storage: Storage,
    /// How long, in milliseconds; 0 is for ever. Default: one day.
    pub max_age_ms: u64,
    /// How many bytes together; -1 is no limit. The oldest go first. Default: 1 GiB.
    pub max_bytes: i64,
    /// How many messages; -1 is no limit. The oldest go first. Default: -1.
    pub max_messages: i64,
    /// How long the stream remembers idempotency keys and what else makes a retry no second message, in milliseconds. Servers
    /// remember each message's id in memory (some 100 bytes) for as long. Default: two minutes.
    pub duplicate_window_ms: u64,
}

/// Where a stream is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// On the servers' disks.
    #[default]
    File,
    /// In the servers' memory.
    Memory,
}

/// How a node proves who it is.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// It does not.
    #[default]
    None,
    /// By name and password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// By a token.
    Token(Secret),
    /// By an nkey: its seed (`SU...`).
    Nkey(Secret),
    /// By a credentials file as `nsc` writes it: a JWT and the seed of its nkey.
    Credentials(PathBuf),
}

/// How the connection is kept private.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// No connection without TLS. Default: false, unless an address says `tls://`.
    pub required: bool,
    /// TLS from the first byte, for servers with `handshake_first`. Default: false.
    pub first: bool,
    /// A file of PEM certificates that servers' certificates must come from, instead of the system's roots.
    pub roots: Option<PathBuf>,
    /// This node's own certificate and key, PEM files.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// Something that no log and no debug output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps it.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Self::new(secret)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Default for NatsConfig {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            discover: true,
            auth: Auth::None,
            tls: Tls::default(),
            name: "squall".into(),
            stream: "SQUALL".into(),
            prefix: "squall".into(),
            create: Some(StreamSettings::default()),
            load_messages_max: 100_000,
            publish_timeout_ms: 5_000,
            attempt_timeout_ms: 1_000,
            publishes_max: 4_096,
            publish_kib_max: 64 << 10,
            heartbeat_ms: 1_000,
            check_ms: 5_000,
            connect_timeout_ms: 2_000,
            request_timeout_ms: 2_000,
            start_timeout_ms: 30_000,
            consume_messages_max: 256 << 10,
        }
    }
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self {
            replicas: 1,
            storage: Storage::File,
            max_age_ms: 86_400_000,
            max_bytes: 1 << 30,
            max_messages: -1,
            duplicate_window_ms: 120_000,
        }
    }
}

impl fmt::Debug for NatsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<_> = self
            .servers
            .iter()
            .map(|server| split_user(server).map_or("(not an address)".into(), |(plain, _)| plain))
            .collect();
        f.debug_struct("NatsConfig")
            .field("servers", &servers)
            .field("auth", &self.auth)
            .field("tls", &self.tls)
            .field("name", &self.name)
            .field("stream", &self.stream)
            .field("prefix", &self.prefix)
            .field("create", &self.create)
            .finish_non_exhaustive()
    }
}

impl NatsConfig {
    /// What is wrong with it, if anything.
    pub(crate) fn wrong(&self) -> Option<String> {
        if self.servers.is_empty() {
            return Some("no servers are named".into());
        }
        if self.servers.iter().any(|server| split_user(server).is_none()) {
            return Some("a server's address is not nats://host:port or tls://host:port".into());
        }
        let name_fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if self.stream.is_empty() || self.stream.len() > 200 || !self.stream.bytes().all(name_fits) {
            return Some(format!(
                "{:?} is no stream's name: 1 to 200 of A-Z a-z 0-9 - _",
                self.stream
            ));
        }
        if !is_prefix(&self.prefix) {
            return Some(format!(
                "{:?} is no prefix: tokens of A-Z a-z 0-9 - _ with dots between, 200 bytes at most",
                self.prefix
            ));
        }
        let times = [
            ("publish_timeout_ms", self.publish_timeout_ms),
            ("attempt_timeout_ms", self.attempt_timeout_ms),
            ("heartbeat_ms", self.heartbeat_ms),
            ("check_ms", self.check_ms),
            ("connect_timeout_ms", self.connect_timeout_ms),
            ("request_timeout_ms", self.request_timeout_ms),
            ("start_timeout_ms", self.start_timeout_ms),
        ];
        // A day is more than anybody wants to wait.
        let odd = times.iter().find(|(_, ms)| !(1..=86_400_000).contains(ms));
        if let Some((name, _)) = odd {
            return Some(format!("{name} is not within 1 and 86,400,000"));
        }
        // Servers take nothing below.
        if self.heartbeat_ms < 100 {
            return Some("heartbeat_ms is below 100".into());
        }
        let none = self.publishes_max == 0 || self.publish_kib_max == 0 || self.consume_messages_max == 0;
        let many = self.publishes_max > 1 << 20 || self.consume_messages_max > 1 << 24;
        (none || many).then(|| "a limit is 0 or absurd".into())
    }

    /// The addresses, and the user and password that one of them had.
    pub(crate) fn addresses(&self) -> (Vec<String>, Option<(String, String)>) {
        let mut found = None;
        let plain = self.servers.iter().filter_map(|server| {
            let (plain, user) = split_user(server)?;
            found = found.take().or(user);
            Some(plain)
        });
        (plain.collect(), found)
    }
}

/// Takes `user:password@` out of an address, so that it is in no log; `None` for what is no address.
fn split_user(server: &str) -> Option<(String, Option<(String, String)>)> {
    let (scheme, rest) = server.split_once("://").unwrap_or(("nats", server));
    if !matches!(scheme, "nats" | "tls") || rest.is_empty() || rest.contains(['/', ' ', '?', '#']) {
        return None;
    }
    let Some((user, host)) = rest.rsplit_once('@') else {
        return Some((format!("{scheme}://{rest}"), None));
    };
    let (user, password) = user.split_once(':')?;
    Some((
        format!("{scheme}://{host}"),
        Some((user.to_owned(), password.to_owned())),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(server: &str) -> NatsConfig {
        NatsConfig {
            servers: vec![server.into()],
            ..NatsConfig::default()
        }
    }

    #[test]
    fn secrets_are_in_no_debug_output() {
        let mut config = config("nats://ann:hunter2@host:4222");
        for auth in [
            Auth::Password {
                user: "ann".into(),
                password: "hunter2".into(),
            },
            Auth::Token("hunter2".into()),
            Auth::Nkey("hunter2".into()),
        ] {
            config.auth = auth;
            let shown = format!("{config:?}");
            assert!(
                !shown.contains("hunter2") && shown.contains("nats://host:4222"),
                "{shown}"
            );
        }
    }

    #[test]
    fn an_address_with_a_password_is_used_without_it() {
        let (plain, user) = config("tls://ann:p@ss@host:4222").addresses();
        assert_eq!(plain, ["tls://host:4222"]);
        assert_eq!(user, Some(("ann".into(), "p@ss".into())));
        assert_eq!(config("host:1").addresses().0, ["nats://host:1"]);
    }

    #[test]
    fn what_cannot_work_is_said_before_anything_is_tried() {
        assert_eq!(config("nats://host:1").wrong(), None);
        for bad in ["", "http://host", "nats://", "nats://ho st", "nats://user@host"] {
            assert!(config(bad).wrong().is_some(), "{bad:?}");
        }
        assert!(NatsConfig::default().wrong().is_some());
        let with = |change: &dyn Fn(&mut NatsConfig)| {
            let mut config = config("nats://host:1");
            change(&mut config);
            config.wrong()
        };
        assert!(with(&|c| c.stream = "A.B".into()).is_some());
        assert!(with(&|c| c.stream = "A".repeat(200)).is_none());
        assert!(with(&|c| c.stream = "A".repeat(201)).is_some());
        assert!(with(&|c| c.prefix = "a.*".into()).is_some());
        assert!(with(&|c| c.heartbeat_ms = 99).is_some());
        assert!(with(&|c| c.heartbeat_ms = 100).is_none());
        assert!(with(&|c| c.publishes_max = 0).is_some());
        assert!(with(&|c| c.check_ms = 0).is_some());
    }
}
