//! What callers say. Fields that are missing or `null` have their type's default; those that are not known are passed
//! over.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::ApiError;
use crate::live::token::Overrides;

fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// JSON as it came, `null` too.
fn raw<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::deserialize(deserializer).map(Some)
}

/// JSON, or any bytes in base64: `data` and `b64data`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Payload {
    #[serde(deserialize_with = "raw")]
    data: Option<Box<RawValue>>,
    #[serde(deserialize_with = "or_default")]
    b64data: String,
}

impl Payload {
    /// The bytes if there are any, else the JSON; empty if there is neither.
    ///
    /// # Errors
    /// [`ApiError::BAD_REQUEST`] when it is no base64.
    pub fn data(&self) -> Result<Bytes, ApiError> {
        either(self.data.as_deref(), &self.b64data)
    }
}

fn either(json: Option<&RawValue>, base64: &str) -> Result<Bytes, ApiError> {
    if base64.is_empty() {
        return Ok(json.map_or_else(Bytes::new, |json| Bytes::copy_from_slice(json.get().as_bytes())));
    }
    STANDARD
        .decode(base64)
        .map(Bytes::from)
        .map_err(|_| ApiError::BAD_REQUEST)
}

/// How something is published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PublishOptions {
    /// It is for those who are connected alone.
    #[serde(deserialize_with = "or_default")]
    pub skip_history: bool,
    /// Its tags.
    #[serde(deserialize_with = "or_default")]
    pub tags: BTreeMap<String, String>,
    /// Publishing again with the same key publishes nothing and answers the same. Empty: none.
    #[serde(deserialize_with = "or_default")]
    pub idempotency_key: String,
    /// Those who asked for it get what changed since the message before it.
    #[serde(deserialize_with = "or_default")]
    pub delta: bool,
    /// Its version: what has not a higher one than the last is not published. 0: none.
    #[serde(deserialize_with = "or_default")]
    pub version: u64,
    /// Versions of another epoch do not compare.
    #[serde(deserialize_with = "or_default")]
    pub version_epoch: String,
}

/// `publish`.
#[derive(Clone, Debug, Default)]
pub struct PublishRequest {
    /// Where; not empty.
    pub channel: String,
    /// What.
    pub payload: Payload,
    /// How.
    pub options: PublishOptions,
}

/// `broadcast`: to several channels at once.
#[derive(Clone, Debug, Default)]
pub struct BroadcastRequest {
    /// Where; neither empty nor with an empty one.
    pub channels: Vec<String>,
    /// What.
    pub payload: Payload,
    /// How.
    pub options: PublishOptions,
}

/// The fields of both, flat as they come: `serde(flatten)` would not let raw JSON through.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Flat {
    #[serde(deserialize_with = "or_default")]
    channel: String,
    #[serde(deserialize_with = "or_default")]
    channels: Vec<String>,
    #[serde(deserialize_with = "raw")]
    data: Option<Box<RawValue>>,
    #[serde(deserialize_with = "or_default")]
    b64data: String,
    #[serde(deserialize_with = "or_default")]
    skip_history: bool,
    #[serde(deserialize_with = "or_default")]
    tags: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    idempotency_key: String,
    #[serde(deserialize_with = "or_default")]
    delta: bool,
    #[serde(deserialize_with = "or_default")]
    version: u64,
    #[serde(deserialize_with = "or_default")]
    version_epoch: String,
}

impl Flat {
    fn parts(self) -> (String, Vec<String>, Payload, PublishOptions) {
        let payload = Payload {
            data: self.data,
            b64data: self.b64data,
        };
        let options = PublishOptions {
            skip_history: self.skip_history,
            tags: self.tags,
            idempotency_key: self.idempotency_key,
            delta: self.delta,
            version: self.version,
            version_epoch: self.version_epoch,
        };
        (self.channel, self.channels, payload, options)
    }
}

impl<'de> Deserialize<'de> for PublishRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (channel, _, payload, options) = Flat::deserialize(deserializer)?.parts();
        Ok(Self {
            channel,
            payload,
            options,
        })
    }
}

impl<'de> Deserialize<'de> for BroadcastRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (_, channels, payload, options) = Flat::deserialize(deserializer)?.parts();
        Ok(Self {
            channels,
            payload,
            options,
        })
    }
}

/// A place in a channel's messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Position {
    /// Everything up to here.
    pub offset: u64,
    /// In this life of the log.
    pub epoch: String,
}

/// `subscribe`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SubscribeRequest {
    /// Whose sessions.
    #[serde(deserialize_with = "or_default")]
    pub user: String,
    /// To what; not empty.
    #[serde(deserialize_with = "or_default")]
    pub channel: String,
    /// This one session alone. Empty: all of the user's.
    #[serde(deserialize_with = "or_default")]
    pub client: String,
    /// This one session alone, by its secret name. Empty: all of the user's.
    #[serde(deserialize_with = "or_default")]
    pub session: String,
    /// Until when, in seconds since the Unix epoch. 0: without end.
    #[serde(deserialize_with = "or_default")]
    pub expire_at: u64,
    #[serde(deserialize_with = "raw")]
    info: Option<Box<RawValue>>,
    #[serde(deserialize_with = "or_default")]
    b64info: String,
    #[serde(deserialize_with = "raw")]
    data: Option<Box<RawValue>>,
    #[serde(deserialize_with = "or_default")]
    b64data: String,
    /// What came after this is sent, too.
    pub recover_since: Option<Position>,
    #[serde(rename = "override")]
    overrides: Option<RawOverrides>,
}

impl SubscribeRequest {
    /// What others see of it in this channel; empty if nothing.
    ///
    /// # Errors
    /// [`ApiError::BAD_REQUEST`] when it is no base64.
    pub fn info(&self) -> Result<Bytes, ApiError> {
        either(self.info.as_deref(), &self.b64info)
    }

    /// What its client is told; empty if nothing.
    ///
    /// # Errors
    /// [`ApiError::BAD_REQUEST`] when it is no base64.
    pub fn data(&self) -> Result<Bytes, ApiError> {
        either(self.data.as_deref(), &self.b64data)
    }

    /// Where it is to be otherwise than the channel's namespace has it.
    pub fn overrides(&self) -> Overrides {
        let raw = self.overrides.clone().unwrap_or_default();
        let value = |raw: Option<RawBool>| raw.map(|raw| raw.value);
        Overrides {
            presence: value(raw.presence),
            join_leave: value(raw.join_leave),
            force_push_join_leave: value(raw.force_push_join_leave),
            force_positioning: value(raw.force_positioning),
            force_recovery: value(raw.force_recovery),
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct RawOverrides {
    presence: Option<RawBool>,
    join_leave: Option<RawBool>,
    force_push_join_leave: Option<RawBool>,
    force_positioning: Option<RawBool>,
    force_recovery: Option<RawBool>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct RawBool {
    value: bool,
}

/// `unsubscribe`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct UnsubscribeRequest {
    /// Whose sessions.
    #[serde(deserialize_with = "or_default")]
    pub user: String,
    /// From what; not empty.
    #[serde(deserialize_with = "or_default")]
    pub channel: String,
    /// This one session alone. Empty: all of the user's.
    #[serde(deserialize_with = "or_default")]
    pub client: String,
    /// This one session alone, by its secret name. Empty: all of the user's.
    #[serde(deserialize_with = "or_default")]
    pub session: String,
}

/// What a session is told when it is closed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct DisconnectReason {
    /// The number.
    pub code: u16,
    /// For who reads it.
    pub reason: String,
}

/// `disconnect`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct DisconnectRequest {
    /// Whose sessions.
    #[serde(deserialize_with = "or_default")]
    pub user: String,
    /// What they are told. Default: 3503, `force disconnect`: they do not come back by themselves.
    pub disconnect: Option<DisconnectReason>,
    /// This one session alone. Empty: all of the user's.
    #[serde(deserialize_with = "or_default")]
    pub client: String,
    /// This one session alone, by its secret name. Empty: all of the user's.
    #[serde(deserialize_with = "or_default")]
    pub session: String,
    /// Sessions that stay.
    #[serde(deserialize_with = "or_default")]
    pub whitelist: Vec<String>,
}

/// `refresh`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RefreshRequest {
    /// Whose sessions.
    #[serde(deserialize_with = "or_default")]
    pub user: String,
    /// This one session alone. Empty: all of the user's.
    #[serde(deserialize_with = "or_default")]
    pub client: String,
    /// This one session alone, by its secret name. Empty: all of the user's.
    #[serde(deserialize_with = "or_default")]
    pub session: String,
    /// They have expired and are closed.
    #[serde(deserialize_with = "or_default")]
    pub expired: bool,
    /// Until when they are good from now on, in seconds since the Unix epoch. 0: without end.
    #[serde(deserialize_with = "or_default")]
    pub expire_at: u64,
}

/// `history`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HistoryRequest {
    /// Of what; not empty.
    #[serde(deserialize_with = "or_default")]
    pub channel: String,
    /// Most messages: 0 only answers the position, -1 means as many as may be.
    #[serde(deserialize_with = "or_default")]
    pub limit: i32,
    /// From here on.
    pub since: Option<Position>,
    /// The newest first.
    #[serde(deserialize_with = "or_default")]
    pub reverse: bool,
}

/// `channels`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ChannelsRequest {
    /// Those whose names fit it: `*` stands for any text, `?` for a character. Empty: all.
    #[serde(deserialize_with = "or_default")]
    pub pattern: String,
}

/// `rpc`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RpcRequest {
    /// What is called; not empty.
    #[serde(deserialize_with = "or_default")]
    pub method: String,
    /// With what.
    #[serde(deserialize_with = "raw")]
    pub params: Option<Box<RawValue>>,
}

/// `presence`, `presence_stats`, `history_remove`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ChannelRequest {
    #[serde(deserialize_with = "or_default")]
    pub(super) channel: String,
}
