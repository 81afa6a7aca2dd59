//! What the channels of one namespace are like.

use serde::{Deserialize, Deserializer};
use squall_hub::{Policy, Retention};

/// What the channels of one namespace are like. As it comes: no history, no presence, and nobody may do anything.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NamespaceOptions {
    /// Most messages that a channel keeps. 0: no history, only the window that every topic has for those who are
    /// connected ([`Retention::NONE`]). Default: 0.
    pub history_messages: usize,
    /// Most bytes that a channel keeps. Default: 4 MiB.
    pub history_bytes: usize,
    /// How old a message gets, in seconds. Default: 5 minutes.
    pub history_age_s: u64,
    /// Whether those who come back get what they missed. Default: off.
    pub recovery: Ability,
    /// What is recovered. Default: everything.
    pub recovery_mode: RecoveryMode,
    /// Whether subscriptions are told their position, and of gaps. Recovery brings it along. Default: off.
    pub positioning: Ability,
    /// Whether it is known who is there. Default: no.
    pub presence: bool,
    /// Whether those who ask for it are told who comes and goes. Needs `presence`. Default: no.
    pub join_leave: bool,
    /// Whether everybody is told who comes and goes. Needs `join_leave`. Default: no.
    pub force_push_join_leave: bool,
    /// Who may subscribe without a token. `subscriber` says nothing here. Default: nobody.
    pub subscribe: Who,
    /// Who may publish. Default: nobody.
    pub publish: Who,
    /// Who may ask who is there, or how many. Default: nobody.
    pub presence_for: Who,
    /// Who may read what was published. Default: nobody.
    pub history_for: Who,
    /// Whether `name#42,43` is for the users 42 and 43, and for nobody else. Default: no.
    pub user_limited: bool,
    /// What happens to a subscription that falls behind what the channel keeps. Default: it is told of a gap.
    pub slow: Slow,
    /// Whether clients may ask for messages as what changed since the one before them (Fossil deltas). Default: no.
    pub delta: bool,
    /// Whether clients may ask for messages with some tags alone. Default: no.
    pub tags_filter: bool,
    /// Largest message that a client may publish, in bytes. The hub's and the session's own limits hold as well.
    /// Default: 64 KiB.
    pub message_bytes_max: usize,
    /// What a client may publish. Default: anything that is not empty.
    pub data: DataFormat,
}

impl Default for NamespaceOptions {
    fn default() -> Self {
        Self {
            history_messages: 0,
            history_bytes: 4 << 20,
            history_age_s: 300,
            recovery: Ability::Off,
            recovery_mode: RecoveryMode::Stream,
            positioning: Ability::Off,
            presence: false,
            join_leave: false,
            force_push_join_leave: false,
            subscribe: Who::default(),
            publish: Who::default(),
            presence_for: Who::default(),
            history_for: Who::default(),
            user_limited: false,
            slow: Slow::Gap,
            delta: false,
            tags_filter: false,
            message_bytes_max: 64 << 10,
            data: DataFormat::Any,
        }
    }
}

impl NamespaceOptions {
    /// What a channel keeps, as the hub has it.
    pub fn retention(&self) -> Retention {
        if self.history_messages == 0 {
            return Retention::NONE;
        }
        Retention {
            messages_max: self.history_messages,
            bytes_max: self.history_bytes,
            age_ms_max: self.history_age_s.saturating_mul(1_000),
        }
    }

    /// Whether there is a history to recover from and to read.
    pub fn has_history(&self) -> bool {
        self.history_messages > 0
    }

    /// What cannot be meant.
    pub(super) fn contradiction(&self) -> Option<&'static str> {
        let needs_history = self.recovery != Ability::Off || self.history_for != Who::default();
        if needs_history && !self.has_history() {
            Some("recovery and history_for need history_messages")
        } else if self.has_history() && (self.history_bytes == 0 || self.history_age_s == 0) {
            Some("a history needs history_bytes and history_age_s")
        } else if self.join_leave && !self.presence {
            Some("join_leave needs presence")
        } else if self.force_push_join_leave && !self.join_leave {
            Some("force_push_join_leave needs join_leave")
        } else if self.presence_for != Who::default() && !self.presence {
            Some("presence_for needs presence")
        } else {
            None
        }
    }
}

/// Whether a subscription has something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ability {
    /// No.
    #[default]
    Off,
    /// If its client asks for it.
    Allow,
    /// Always.
    Force,
}

impl Ability {
    /// Whether a subscription has it whose client asks for it, or does not.
    pub fn is_on(self, asked: bool) -> bool {
        match self {
            Self::Off => false,
            Self::Allow => asked,
            Self::Force => true,
        }
    }
}

/// What is recovered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecoveryMode {
    /// Everything that was missed.
    #[default]
    Stream,
    /// The newest message alone.
    Cache,
}

/// What happens to a subscription that falls behind what its channel keeps: [`Policy`] as configuration writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slow {
    /// It is told of the gap, then gets what there is.
    #[default]
    Gap,
    /// It is told of the gap, then gets the newest message alone.
    Latest,
    /// It is closed, to come back with its position.
    Close,
}

impl From<Slow> for Policy {
    fn from(slow: Slow) -> Self {
        match slow {
            Slow::Gap => Self::Gap,
            Slow::Latest => Self::Latest,
            Slow::Close => Self::Close,
        }
    }
}

/// What clients may publish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataFormat {
    /// Whatever is not empty.
    #[default]
    Any,
    /// A JSON value.
    Json,
    /// A JSON object.
    JsonObject,
    /// Whatever it is, nothing too.
    Binary,
}

impl DataFormat {
    /// Whether data is of this format.
    pub fn allows(self, data: &[u8]) -> bool {
        match self {
            Self::Any => !data.is_empty(),
            Self::Json => serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok(),
            Self::JsonObject => {
                let first = data.iter().find(|byte| !byte.is_ascii_whitespace());
                first == Some(&b'{') && Self::Json.allows(data)
            }
            Self::Binary => true,
        }
    }
}

/// Who may do something: a list of `anonymous`, `client` and `subscriber` in configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// Those whom nobody knows may do what `client` and `subscriber` say, too. Alone it says nothing.
    pub anonymous: bool,
    /// Whoever is connected.
    pub client: bool,
    /// Whoever is subscribed to the channel.
    pub subscriber: bool,
}

impl Who {
    /// Whoever is known.
    pub const CLIENT: Self = Self {
        anonymous: false,
        client: true,
        subscriber: false,
    };
    /// Whoever is known and subscribed.
    pub const SUBSCRIBER: Self = Self {
        anonymous: false,
        client: false,
        subscriber: true,
    };
    /// Whoever is connected, known or not.
    pub const ANYONE: Self = Self {
        anonymous: true,
        client: true,
        subscriber: true,
    };

    /// Whether this user (empty: nobody in particular), subscribed or not, is one of them.
    pub fn includes(self, user: &str, subscribed: bool) -> bool {
        (!user.is_empty() || self.anonymous) && (self.client || (self.subscriber && subscribed))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Anonymous,
    Client,
    Subscriber,
}

impl<'de> Deserialize<'de> for Who {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut who = Self::default();
        for kind in Vec::<Kind>::deserialize(deserializer)? {
            match kind {
                Kind::Anonymous => who.anonymous = true,
                Kind::Client => who.client = true,
                Kind::Subscriber => who.subscriber = true,
            }
        }
        Ok(who)
    }
}
