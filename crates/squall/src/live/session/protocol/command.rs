//! What clients say: commands, as Centrifugo's `client.proto` names and numbers them.
//!
//! One set of types for both forms. Bytes are an embedded JSON value in JSON, and anything in Protobuf. Fields that we have
//! no use for are not read: both forms allow that.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;
use serde::{Deserialize, Serialize};

use super::raw;
use super::raw::is_default;

/// One command. The first request that is there counts; none at all is a pong.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Command {
    /// Answered with the same; 0 only for what is not answered.
    #[prost(uint32, tag = "1")]
    #[serde(skip_serializing_if = "is_default")]
    pub id: u32,
    /// Begins the session.
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<ConnectRequest>,
    /// Follows a channel.
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscribe: Option<SubscribeRequest>,
    /// Ends that.
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsubscribe: Option<UnsubscribeRequest>,
    /// Publishes into a channel.
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish: Option<PublishRequest>,
    /// Who is there.
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence: Option<PresenceRequest>,
    /// How many are there.
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_stats: Option<PresenceStatsRequest>,
    /// What was published.
    #[prost(message, optional, tag = "10")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<HistoryRequest>,
    /// Asks for an answer, for nothing but that.
    #[prost(message, optional, tag = "11")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ping: Option<Empty>,
    /// Says something to the application; not answered.
    #[prost(message, optional, tag = "12")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send: Option<SendRequest>,
    /// Calls the application.
    #[prost(message, optional, tag = "13")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpc: Option<RpcRequest>,
    /// A new token for the session.
    #[prost(message, optional, tag = "14")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh: Option<RefreshRequest>,
    /// A new token for a subscription.
    #[prost(message, optional, tag = "15")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_refresh: Option<SubRefreshRequest>,
}

/// Begins a session. One-way connections send it alone, without a command around it.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectRequest {
    /// Who it is, as far as a token says.
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "is_default")]
    pub token: String,
    /// Whatever the application wants to know.
    #[prost(bytes = "bytes", tag = "2")]
    #[serde(with = "raw", skip_serializing_if = "is_default")]
    pub data: Bytes,
    /// Where it was in the channels that the server had subscribed it to.
    #[prost(btree_map = "string, message", tag = "3")]
    #[serde(skip_serializing_if = "is_default")]
    pub subs: BTreeMap<String, SubscribeRequest>,
    /// The client's name.
    #[prost(string, tag = "4")]
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// The client's version.
    #[prost(string, tag = "5")]
    #[serde(skip_serializing_if = "is_default")]
    pub version: String,
    /// What a browser could not send as header fields. As trustworthy as `data`.
    #[prost(btree_map = "string, string", tag = "6")]
    #[serde(skip_serializing_if = "is_default")]
    pub headers: BTreeMap<String, String>,
}

/// Follows a channel.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct SubscribeRequest {
    /// Which.
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "is_default")]
    pub channel: String,
    /// That it may, as far as a token says.
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "is_default")]
    pub token: String,
    /// It was there before, and asks for what it missed.
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "is_default")]
    pub recover: bool,
    /// Which life of the log `offset` is of.
    #[prost(string, tag = "6")]
    #[serde(skip_serializing_if = "is_default")]
    pub epoch: String,
    /// The last it has received.
    #[prost(uint64, tag = "7")]
    #[serde(skip_serializing_if = "is_default")]
    pub offset: u64,
    /// Whatever the application wants to know.
    #[prost(bytes = "bytes", tag = "8")]
    #[serde(with = "raw", skip_serializing_if = "is_default")]
    pub data: Bytes,
    /// It asks to be told its position.
    #[prost(bool, tag = "9")]
    #[serde(skip_serializing_if = "is_default")]
    pub positioned: bool,
    /// It asks to be able to recover.
    #[prost(bool, tag = "10")]
    #[serde(skip_serializing_if = "is_default")]
    pub recoverable: bool,
    /// It asks to be told who comes and goes.
    #[prost(bool, tag = "11")]
    #[serde(skip_serializing_if = "is_default")]
    pub join_leave: bool,
    /// The sort of deltas that it understands.
    #[prost(string, tag = "12")]
    #[serde(skip_serializing_if = "is_default")]
    pub delta: String,
    /// It wants only what this picks.
    #[prost(message, optional, tag = "13")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tf: Option<FilterNode>,
    /// [`FLAG_REJECT_UNRECOVERED`] and others.
    #[prost(int64, tag = "14")]
    #[serde(skip_serializing_if = "is_default")]
    pub flag: i64,
    /// Another sort of subscription (maps, polls): there is none here but 0.
    #[prost(int32, tag = "15")]
    #[serde(rename = "type", skip_serializing_if = "is_default")]
    pub kind: i32,
}

/// In [`SubscribeRequest::flag`]: what cannot be recovered is to be refused with error 112.
pub const FLAG_REJECT_UNRECOVERED: i64 = 2;

/// A test of a message's tags, or several.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct FilterNode {
    /// `and`, `or`, `not`; empty for a comparison.
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "is_default")]
    pub op: String,
    /// The tag that is compared.
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "is_default")]
    pub key: String,
    /// How it is compared.
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "is_default")]
    pub cmp: String,
    /// What with.
    #[prost(string, tag = "4")]
    #[serde(skip_serializing_if = "is_default")]
    pub val: String,
    /// What with, for sets.
    #[prost(string, repeated, tag = "5")]
    #[serde(skip_serializing_if = "is_default")]
    pub vals: Vec<String>,
    /// What `and`, `or` and `not` are made of.
    #[prost(message, repeated, tag = "6")]
    #[serde(skip_serializing_if = "is_default")]
    pub nodes: Vec<FilterNode>,
}

impl From<&FilterNode> for crate::live::filter::FilterNode {
    fn from(node: &FilterNode) -> Self {
        Self {
            op: node.op.clone(),
            key: node.key.clone(),
            cmp: node.cmp.clone(),
            val: node.val.clone(),
            vals: node.vals.clone(),
            nodes: node.nodes.iter().map(Into::into).collect(),
        }
    }
}

/// Nothing to say but that.
#[derive(Clone, Copy, PartialEq, Message, Serialize, Deserialize)]
pub struct Empty {}

/// Defines requests that name a channel and nothing else.
macro_rules! names_a_channel {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $name {
            /// Which.
            #[prost(string, tag = "1")]
            #[serde(skip_serializing_if = "is_default")]
            pub channel: String,
        }
    )*};
}

names_a_channel!(
    /// Ends a subscription.
    UnsubscribeRequest,
    /// Asks who is there.
    PresenceRequest,
    /// Asks how many are there.
    PresenceStatsRequest
);

/// Publishes into a channel.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct PublishRequest {
    /// Which.
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "is_default")]
    pub channel: String,
    /// What.
    #[prost(bytes = "bytes", tag = "2")]
    #[serde(with = "raw", skip_serializing_if = "is_default")]
    pub data: Bytes,
    /// Another sort of publication (maps): there is none here but 0.
    #[prost(int32, tag = "3")]
    #[serde(rename = "type", skip_serializing_if = "is_default")]
    pub kind: i32,
}

/// Asks what was published.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct HistoryRequest {
    /// Where.
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "is_default")]
    pub channel: String,
    /// At most so many; 0 asks for the position alone, less than that for all.
    #[prost(int32, tag = "7")]
    #[serde(skip_serializing_if = "is_default")]
    pub limit: i32,
    /// Past this, or before it.
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<StreamPosition>,
    /// The newest first.
    #[prost(bool, tag = "9")]
    #[serde(skip_serializing_if = "is_default")]
    pub reverse: bool,
}

/// A place in a channel.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamPosition {
    /// The offset.
    #[prost(uint64, tag = "1")]
    #[serde(skip_serializing_if = "is_default")]
    pub offset: u64,
    /// Which life of the log it is of.
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "is_default")]
    pub epoch: String,
}

/// Says something to the application.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct SendRequest {
    /// What.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "raw", skip_serializing_if = "is_default")]
    pub data: Bytes,
}

/// Calls the application.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct RpcRequest {
    /// With what.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "raw", skip_serializing_if = "is_default")]
    pub data: Bytes,
    /// For what.
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "is_default")]
    pub method: String,
}

/// A new token for the session.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct RefreshRequest {
    /// The token.
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "is_default")]
    pub token: String,
}

/// A new token for a subscription.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct SubRefreshRequest {
    /// Which.
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "is_default")]
    pub channel: String,
    /// The token.
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "is_default")]
    pub token: String,
    /// Another sort (keyed tracking): there is none here but 0.
    #[prost(int32, tag = "3")]
    #[serde(rename = "type", skip_serializing_if = "is_default")]
    pub kind: i32,
}

/// What `/emulation` is sent: commands of a session whose own connection only goes one way.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct EmulationRequest {
    /// The process that has the session.
    #[prost(string, tag = "1")]
    pub node: String,
    /// The session's secret name.
    #[prost(string, tag = "2")]
    pub session: String,
    /// The commands. In JSON they are text within a string.
    #[prost(bytes = "bytes", tag = "3")]
    #[serde(with = "raw::text")]
    pub data: Bytes,
}
