//! What callers are answered, field by field as Centrifugo writes it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::ApiError;

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// `publish`: where it is in the log. All empty when nothing is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PublishResult {
    /// Its offset.
    #[serde(skip_serializing_if = "is_zero")]
    pub offset: u64,
    /// The life of the log.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub epoch: String,
}

/// What became of one call: `{"result":…}` or `{"error":…}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome<T>(pub Result<T, ApiError>);

impl<T: Serialize> Serialize for Outcome<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match &self.0 {
            Ok(result) => map.serialize_entry("result", result)?,
            Err(error) => map.serialize_entry("error", error)?,
        }
        map.end()
    }
}

/// `broadcast`: one for each channel, in their order.
#[derive(Clone, Debug, Default, Serialize)]
pub struct BroadcastResult {
    /// What became of each.
    pub responses: Vec<Outcome<PublishResult>>,
}

/// `presence`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PresenceResult {
    /// Who is there, by the session's id.
    pub presence: BTreeMap<String, ClientInfo>,
}

/// What others may know of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClientInfo {
    /// Whose it is.
    pub user: String,
    /// Its id.
    pub client: String,
    /// What it is everywhere; left out if it is not JSON.
    #[serde(skip_serializing_if = "is_not_json", serialize_with = "as_json")]
    pub conn_info: Bytes,
    /// What it is in this channel; left out if it is not JSON.
    #[serde(skip_serializing_if = "is_not_json", serialize_with = "as_json")]
    pub chan_info: Bytes,
}

fn json(bytes: &[u8]) -> Option<&RawValue> {
    serde_json::from_slice(bytes).ok()
}

fn is_not_json(bytes: &Bytes) -> bool {
    json(bytes).is_none()
}

fn as_json<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    json(bytes).serialize(serializer)
}

/// `presence_stats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PresenceStatsResult {
    /// How many sessions.
    pub num_clients: u64,
    /// How many users.
    pub num_users: u64,
}

/// `history`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct HistoryResult {
    /// The messages.
    pub publications: Vec<Publication>,
    /// The life of the log.
    pub epoch: String,
    /// The channel's position.
    pub offset: u64,
}

/// A message. Data that is not JSON is in `b64data` instead of `data`, which Centrifugo does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publication {
    /// What was published.
    pub data: Bytes,
    /// Who published it, if that was a client.
    pub info: Option<ClientInfo>,
    /// Its offset.
    pub offset: u64,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl Serialize for Publication {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match json(&self.data) {
            Some(json) => map.serialize_entry("data", json)?,
            None if self.data.is_empty() => {}
            None => map.serialize_entry("b64data", &STANDARD.encode(&self.data))?,
        }
        if let Some(info) = &self.info {
            map.serialize_entry("info", info)?;
        }
        if self.offset > 0 {
            map.serialize_entry("offset", &self.offset)?;
        }
        if !self.tags.is_empty() {
            map.serialize_entry("tags", &self.tags)?;
        }
        map.end()
    }
}

/// `channels`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ChannelsResult {
    /// The channels by name.
    pub channels: BTreeMap<String, ChannelInfo>,
}

/// How a channel is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChannelInfo {
    /// How many sessions are subscribed.
    #[serde(skip_serializing_if = "is_zero")]
    pub num_clients: u64,
}

/// `info`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct InfoResult {
    /// The processes that serve.
    pub nodes: Vec<NodeResult>,
}

/// A process that serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NodeResult {
    /// Its id.
    pub uid: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// How many sessions.
    pub num_clients: u64,
    /// How many users.
    pub num_users: u64,
    /// How many channels somebody is subscribed to.
    pub num_channels: u64,
    /// For how many seconds it has run.
    #[serde(skip_serializing_if = "is_zero")]
    pub uptime: u64,
    /// How many subscriptions.
    pub num_subs: u64,
}

/// `rpc`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RpcResult {
    /// What the application answered; left out if it is not JSON.
    #[serde(skip_serializing_if = "is_not_json", serialize_with = "as_json")]
    pub data: Bytes,
}
