//! What the server says to sessions: by functions, and by the API over HTTP.

use std::collections::BTreeMap;

use squall_hub::{Publish, PublishError};

use super::Sessions;
use crate::live::Meta;
use crate::live::server_api::{
    ApiError, ChannelInfo, ChannelsRequest, ChannelsResult, ClientInfo, DisconnectRequest, HistoryRequest,
    HistoryResult, InfoResult, NodeResult, PresenceResult, PresenceStatsResult, Publication, PublishRequest,
    PublishResult, RefreshRequest, ServerApi, SubscribeRequest, UnsubscribeRequest,
};
use crate::live::session::OrderFor;
use crate::live::session::codes::{Disconnect, SessionError, Unsubscribed};
use crate::live::session::policy::{Deny, Refreshed, SubscribeOptions};
use crate::live::session::protocol;
use crate::live::session::record::ClientId;
use crate::live::session::shared::Shared;
use crate::live::source::session::{members, page};
use crate::web::now_ms;

/// Most channels in an answer of `channels`.
const CHANNELS_MAX: usize = 10_000;

impl Sessions {
    /// Closes the sessions of a user, or one of them.
    ///
    /// Like the others it holds, on every core, for everything that is published after this call returns; also for
    /// sessions that are just being let in.
    pub fn disconnect(&self, user: &str, client: Option<ClientId>, disconnect: Disconnect) {
        let except = Vec::new();
        self.order(user, client, OrderFor::Disconnect { disconnect, except });
    }

    /// Subscribes the sessions of a user, or one of them, that are there now.
    pub fn subscribe(&self, user: &str, client: Option<ClientId>, channel: &str, options: SubscribeOptions) {
        let request = protocol::SubscribeRequest {
            channel: channel.to_owned(),
            ..protocol::SubscribeRequest::default()
        };
        let (request, options) = (Box::new(request), Box::new(options));
        self.order(user, client, OrderFor::Subscribe { request, options });
    }

    /// Ends a subscription of the sessions of a user, or of one of them; or all of them, if `channel` is empty.
    pub fn unsubscribe(&self, user: &str, client: Option<ClientId>, channel: &str) {
        let (channel, why) = (channel.to_owned(), Unsubscribed::SERVER);
        self.order(user, client, OrderFor::Unsubscribe { channel, why });
    }

    /// Lets the sessions of a user, or one of them, go on for longer.
    pub fn refresh(&self, user: &str, client: Option<ClientId>, refreshed: Refreshed) {
        let refreshed = Box::new(refreshed);
        self.order(
            user,
            client,
            OrderFor::Refresh {
                expired: false,
                refreshed,
            },
        );
    }
}

/// The API over HTTP, answered by the sessions of this process: mount it with
/// [`server_api::router`](crate::live::server_api::router).
impl ServerApi for Sessions {
    async fn publish(&self, ask: PublishRequest) -> Result<PublishResult, ApiError> {
        let data = ask.payload.data()?;
        if data.is_empty() {
            return Err(ApiError::BAD_REQUEST);
        }
        let meta: Meta = ask.options.tags.into_iter().collect();
        let publish = Publish {
            topic: &ask.channel,
            data,
            meta: (!meta.tags.is_empty()).then(|| meta.into()),
            key: Some(ask.options.idempotency_key.as_str()).filter(|key| !key.is_empty()),
            now_ms: now_ms(),
        };
        let cursor = self.live.hub().publish_with(publish).await.map_err(refusal)?;
        Ok(PublishResult {
            offset: cursor.offset,
            epoch: cursor.epoch.to_string(),
        })
    }

    async fn subscribe(&self, ask: SubscribeRequest) -> Result<(), ApiError> {
        let overrides = ask.overrides();
        let options = SubscribeOptions {
            positioned: overrides.force_positioning.unwrap_or(false),
            recoverable: overrides.force_recovery.unwrap_or(false),
            presence: overrides.presence.unwrap_or(false),
            join_leave: overrides.force_push_join_leave.unwrap_or(false),
            info: ask.info()?,
            data: ask.data()?,
            expires_at_s: (ask.expire_at > 0).then_some(ask.expire_at),
            ..SubscribeOptions::default()
        };
        let since = ask.recover_since.unwrap_or_default();
        let request = protocol::SubscribeRequest {
            channel: ask.channel,
            recover: !since.epoch.is_empty() || since.offset > 0,
            offset: since.offset,
            epoch: since.epoch,
            ..protocol::SubscribeRequest::default()
        };
        let what = OrderFor::Subscribe {
            request: Box::new(request),
            options: Box::new(options),
        };
        self.order(&ask.user, client(&ask.client)?, what);
        Ok(())
    }

    async fn unsubscribe(&self, ask: UnsubscribeRequest) -> Result<(), ApiError> {
        Sessions::unsubscribe(self, &ask.user, client(&ask.client)?, &ask.channel);
        Ok(())
    }

    async fn disconnect(&self, ask: DisconnectRequest) -> Result<(), ApiError> {
        let disconnect = match ask.disconnect {
            Some(said) if (3_000..5_000).contains(&said.code) => Disconnect::new(said.code, said.reason),
            Some(said) if said.code > 0 => return Err(ApiError::BAD_REQUEST),
            _ => Disconnect::FORCE_NO_RECONNECT,
        };
        let except = ask
            .whitelist
            .iter()
            .filter_map(|client| client.parse().ok())
            .collect();
        let what = OrderFor::Disconnect { disconnect, except };
        self.order(&ask.user, client(&ask.client)?, what);
        Ok(())
    }

    async fn refresh(&self, ask: RefreshRequest) -> Result<(), ApiError> {
        let what = OrderFor::Refresh {
            expired: ask.expired,
            refreshed: Box::new(Refreshed {
                expires_at_s: (ask.expire_at > 0).then_some(ask.expire_at),
                info: None,
            }),
        };
        self.order(&ask.user, client(&ask.client)?, what);
        Ok(())
    }

    async fn presence(&self, channel: String) -> Result<PresenceResult, ApiError> {
        let Shared { presence, config, .. } = &*self.shared;
        let members = members(presence, &channel, config.presence_members_max);
        let presence = members
            .into_iter()
            .map(|(client, info)| (client, known(info)))
            .collect();
        Ok(PresenceResult { presence })
    }

    async fn presence_stats(&self, channel: String) -> Result<PresenceStatsResult, ApiError> {
        let stats = self.shared.presence.stats(&channel);
        Ok(PresenceStatsResult {
            num_clients: stats.sessions as u64,
            num_users: stats.users as u64,
        })
    }

    async fn history(&self, ask: HistoryRequest) -> Result<HistoryResult, ApiError> {
        let config = &self.shared.config;
        let request = protocol::HistoryRequest {
            channel: ask.channel,
            limit: ask.limit,
            since: ask.since.map(|since| protocol::StreamPosition {
                offset: since.offset,
                epoch: since.epoch,
            }),
            reverse: ask.reverse,
        };
        let hub = self.live.hub();
        let page = page(
            hub,
            &request,
            config.history_messages_max,
            config.history_bytes_max,
        )
        .map_err(|deny| match deny {
            Deny::Error(error) if error == SessionError::UNRECOVERABLE_POSITION => {
                ApiError::UNRECOVERABLE_POSITION
            }
            _ => ApiError::INTERNAL,
        })?;
        let publications = page.publications.into_iter().map(|publication| Publication {
            data: publication.data,
            info: publication.info.map(known),
            offset: publication.offset,
            tags: publication.tags,
        });
        Ok(HistoryResult {
            publications: publications.collect(),
            epoch: page.epoch,
            offset: page.offset,
        })
    }

    async fn history_remove(&self, channel: String) -> Result<(), ApiError> {
        self.live.hub().withdraw(&channel, |_| true);
        Ok(())
    }

    async fn channels(&self, ask: ChannelsRequest) -> Result<ChannelsResult, ApiError> {
        let followed = self
            .live
            .hub()
            .followed(|name| matches(&ask.pattern, name), CHANNELS_MAX);
        let channels: BTreeMap<String, ChannelInfo> = followed
            .into_iter()
            .map(|(name, followers)| {
                let info = ChannelInfo {
                    num_clients: followers as u64,
                };
                (name.to_string(), info)
            })
            .collect();
        Ok(ChannelsResult { channels })
    }

    async fn info(&self) -> Result<InfoResult, ApiError> {
        let counts = self.counts();
        let channels = self.live.hub().followed(|_| true, usize::MAX).len();
        let node = NodeResult {
            uid: self.shared.node.clone(),
            name: self.shared.node.clone(),
            version: self.shared.config.version.clone(),
            num_clients: counts.sessions.iter().sum::<usize>() as u64,
            num_users: self.shared.users_known() as u64,
            num_channels: channels as u64,
            uptime: self.shared.started.elapsed().as_secs(),
            num_subs: counts.subscriptions as u64,
        };
        Ok(InfoResult { nodes: vec![node] })
    }
}

/// Which session is meant; none is all of the user's.
fn client(text: &str) -> Result<Option<ClientId>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| ApiError::BAD_REQUEST)
}

fn known(info: protocol::ClientInfo) -> ClientInfo {
    ClientInfo {
        user: info.user,
        client: info.client,
        conn_info: info.conn_info,
        chan_info: info.chan_info,
    }
}

fn refusal(error: PublishError) -> ApiError {
    match error {
        PublishError::Refused(_) | PublishError::BadKey => ApiError::BAD_REQUEST,
        _ => ApiError::INTERNAL,
    }
}

/// Whether a name fits a pattern, in which `*` stands for anything; an empty one fits all.
fn matches(pattern: &str, name: &str) -> bool {
    if pattern.is_empty() {
        return true;
    }
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, fits) in [
            ("", "room", true),
            ("*", "room", true),
            ("room", "room", true),
            ("room", "rooms", false),
            ("ro*", "room", true),
            ("*om", "room", true),
            ("r*m", "room", true),
            ("r*x*m", "room", false),
            ("r*o*o*m", "room", true),
            ("room*room", "room", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
