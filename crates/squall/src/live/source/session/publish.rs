//! Publish and rpc: what a session says to others, and to the application.

use std::sync::Arc;

use squall_hub::{Meta, Publish, PublishError, Sender};

use super::job::{Outcome, boxed};
use super::{Done, State};
use crate::live::session::SessionSpec;
use crate::live::session::codes::{Disconnect, SessionError};
use crate::live::session::policy::{Caller, Deny, PublishAsk, PublishOptions, RpcAsk};
use crate::live::session::protocol::{Empty, PublishRequest, Reply, RpcRequest, RpcResult};
use crate::live::session::shared::BoxedPolicy;
use crate::web::now_ms;

impl State {
    /// Asks whether it may publish, and publishes.
    pub(super) fn publish(
        &mut self,
        follower: u32,
        spec: &SessionSpec,
        caller: Arc<Caller>,
        request: PublishRequest,
    ) -> Result<Done, SessionError> {
        let config = &spec.shared.config;
        if request.channel.is_empty() {
            return Ok(Done::No(Disconnect::BAD_REQUEST));
        }
        self.check_channel(&spec.shared, &request.channel)?;
        if request.data.is_empty() || request.data.len() > config.message_bytes_max {
            return Err(SessionError::BAD_REQUEST);
        }
        if request.kind != 0 {
            return Err(SessionError::NOT_AVAILABLE);
        }
        let (rate, burst) = (config.publish_rate_max, config.publish_burst_max);
        let topic = self.roster.topic_number(&request.channel);
        let Some(session) = self.session_mut(follower) else {
            return Err(SessionError::INTERNAL);
        };
        if !session.may_publish(rate, burst, now_ms()) {
            return Err(SessionError::TOO_MANY_REQUESTS);
        }
        let sub = topic.and_then(|topic| session.sub(topic));
        let chan_info = sub
            .and_then(|sub| sub.info.as_deref())
            .cloned()
            .unwrap_or_default();
        let ask = PublishAsk {
            caller: caller.clone(),
            channel: request.channel.clone(),
            data: request.data.clone(),
            subscribed: sub.is_some(),
            chan_info: chan_info.clone(),
        };
        let policy = spec.shared.policy.clone();
        let hub = self.live.hub().clone();
        Ok(Done::Asked(boxed(async move {
            let published = async {
                let options = policy.publish(ask).await?;
                let sender = (!options.anonymous).then(|| Sender {
                    user: caller.user.clone(),
                    client: caller.client.to_string().into(),
                    conn_info: caller.info.clone(),
                    chan_info,
                });
                let PublishOptions { tags, data, .. } = options;
                let mut meta: Meta = tags.into_iter().collect();
                meta.sender = sender;
                let is_plain = meta == Meta::default();
                let publish = Publish {
                    topic: &request.channel,
                    data: data.unwrap_or(request.data),
                    meta: (!is_plain).then(|| Arc::new(meta)),
                    key: None,
                    now_ms: now_ms(),
                };
                hub.publish_with(publish).await.map_err(refusal)?;
                Ok(Reply {
                    publish: Some(Empty {}),
                    ..Reply::default()
                })
            };
            Outcome::Reply(Box::new(published.await))
        })))
    }
}

/// How a publisher is told that nothing was published.
fn refusal(error: PublishError) -> Deny {
    match error {
        PublishError::Refused(_) | PublishError::BadKey => SessionError::BAD_REQUEST.into(),
        error => {
            tracing::warn!(%error, "what a session publishes is not published");
            SessionError::INTERNAL.into()
        }
    }
}

/// Calls the application.
pub(super) fn rpc(policy: Arc<dyn BoxedPolicy>, caller: Arc<Caller>, request: RpcRequest) -> Done {
    let ask = RpcAsk {
        caller,
        method: request.method,
        data: request.data,
    };
    Done::Asked(boxed(async move {
        let answered = policy.rpc(ask).await.map(|data| Reply {
            rpc: Some(RpcResult { data }),
            ..Reply::default()
        });
        Outcome::Reply(Box::new(answered))
    }))
}
