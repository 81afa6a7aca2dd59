//! From a method's name and a body to an answer.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::requests::ChannelRequest;
use super::results::Outcome;
use super::{
    ApiError, BATCH_COMMANDS_MAX, BROADCAST_CHANNELS_MAX, BroadcastRequest, BroadcastResult, PublishRequest,
    ServerApi,
};

/// The body is not what the method takes.
pub(super) struct NotJson;

/// An answer: JSON, and the error's number if it is one.
pub(super) struct Called {
    pub(super) json: Vec<u8>,
    pub(super) error: Option<u32>,
}

/// What one method answered, before it is put into words.
type Answered = Result<Result<Box<RawValue>, ApiError>, NotJson>;

/// `None`: there is no such method.
pub(super) async fn call<A: ServerApi>(
    api: &A,
    method: &str,
    body: &[u8],
) -> Option<Result<Called, NotJson>> {
    // A method without a need for words may come without any.
    let body = if body.is_empty() { b"{}" } else { body };
    if method == "batch" {
        return Some(batch(api, body).await);
    }
    let answered = one(api, method, body).await?;
    Some(answered.map(|outcome| {
        let error = outcome.as_ref().err().map(|error| error.code);
        Called {
            json: words(&Outcome(outcome)),
            error,
        }
    }))
}

/// One method but `batch`.
async fn one<A: ServerApi>(api: &A, method: &str, body: &[u8]) -> Option<Answered> {
    // Each arm: read the request, check it, call, put the result into words.
    macro_rules! method {
        ($request:ty, |$ask:ident| $check:expr, $call:expr) => {
            match read::<$request>(body) {
                Err(not_json) => Err(not_json),
                Ok($ask) if $check => Ok($call.await.and_then(|result| raw(&result))),
                Ok(_) => Ok(Err(ApiError::BAD_REQUEST)),
            }
        };
    }
    #[derive(Serialize)]
    struct Nothing {}
    let nothing = |()| Nothing {};
    Some(match method {
        "publish" => method!(PublishRequest, |ask| !ask.channel.is_empty(), api.publish(ask)),
        "broadcast" => method!(BroadcastRequest, |ask| is_broadcast(&ask), broadcast(api, ask)),
        "subscribe" => method!(super::SubscribeRequest, |ask| !ask.channel.is_empty(), async {
            api.subscribe(ask).await.map(nothing)
        }),
        "unsubscribe" => method!(super::UnsubscribeRequest, |ask| !ask.channel.is_empty(), async {
            api.unsubscribe(ask).await.map(nothing)
        }),
        "disconnect" => method!(super::DisconnectRequest, |_ask| true, async {
            api.disconnect(_ask).await.map(nothing)
        }),
        "refresh" => method!(super::RefreshRequest, |_ask| true, async {
            api.refresh(_ask).await.map(nothing)
        }),
        "presence" => method!(
            ChannelRequest,
            |ask| !ask.channel.is_empty(),
            api.presence(ask.channel)
        ),
        "presence_stats" => {
            method!(
                ChannelRequest,
                |ask| !ask.channel.is_empty(),
                api.presence_stats(ask.channel)
            )
        }
        "history" => method!(
            super::HistoryRequest,
            |ask| !ask.channel.is_empty(),
            api.history(ask)
        ),
        "history_remove" => method!(ChannelRequest, |ask| !ask.channel.is_empty(), async {
            api.history_remove(ask.channel).await.map(nothing)
        }),
        "channels" => method!(super::ChannelsRequest, |_ask| true, api.channels(_ask)),
        "info" => method!(serde::de::IgnoredAny, |_ask| true, api.info()),
        "rpc" => method!(super::RpcRequest, |ask| !ask.method.is_empty(), api.rpc(ask)),
        _ => return None,
    })
}

fn is_broadcast(ask: &BroadcastRequest) -> bool {
    (1..=BROADCAST_CHANNELS_MAX).contains(&ask.channels.len())
        && ask.channels.iter().all(|channel| !channel.is_empty())
}

/// Publishes to each channel, in their order. Each has its own answer.
async fn broadcast<A: ServerApi>(api: &A, ask: BroadcastRequest) -> Result<BroadcastResult, ApiError> {
    let mut responses = Vec::with_capacity(ask.channels.len());
    for channel in ask.channels {
        let ask = PublishRequest {
            channel,
            payload: ask.payload.clone(),
            options: ask.options.clone(),
        };
        responses.push(Outcome(api.publish(ask).await));
    }
    Ok(BroadcastResult { responses })
}

#[derive(Deserialize)]
struct Batch {
    #[serde(default)]
    commands: Vec<BTreeMap<String, Box<RawValue>>>,
}

/// The commands one after the other. `parallel` is a hint that is not taken: nothing here waits for long.
async fn batch<A: ServerApi>(api: &A, body: &[u8]) -> Result<Called, NotJson> {
    let batch: Batch = read(body)?;
    let mut replies: Vec<BTreeMap<String, Box<RawValue>>> = Vec::new();
    if batch.commands.len() > BATCH_COMMANDS_MAX {
        let error = ApiError::BAD_REQUEST;
        return Ok(Called {
            error: Some(error.code),
            json: words(&Outcome::<()>(Err(error))),
        });
    }
    for command in &batch.commands {
        // One method a command; what else it has is not known to us.
        let mut known = None;
        for (method, body) in command {
            if let Some(answered) = one(api, method, body.get().as_bytes()).await {
                known = Some((method.clone(), answered));
                break;
            }
        }
        let (name, json) = match known {
            Some((method, Ok(Ok(result)))) => (method, Ok(result)),
            Some((_, Ok(Err(error)))) => ("error".to_owned(), raw(&error)),
            Some((_, Err(NotJson))) => return Err(NotJson),
            None => ("error".to_owned(), raw(&ApiError::NOT_FOUND)),
        };
        replies.extend(json.map(|json| BTreeMap::from([(name, json)])));
    }
    Ok(Called {
        json: words(&BTreeMap::from([("replies", replies)])),
        error: None,
    })
}

/// An object: serde would read an array's values as the fields in their order.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, NotJson> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(NotJson);
    }
    serde_json::from_slice(body).map_err(|_| NotJson)
}

fn raw<T: Serialize>(value: &T) -> Result<Box<RawValue>, ApiError> {
    to_raw_value(value).map_err(|_| ApiError::INTERNAL)
}

/// Values of ours can always be written.
fn words<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
