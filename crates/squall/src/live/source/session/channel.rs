//! What a session asks of a channel: its history.

use std::sync::Arc;

use squall_hub::{Hub, PageQuery};

use super::job::{Outcome, boxed};
use super::{Done, State};
use crate::live::session::SessionSpec;
use crate::live::session::codes::{Disconnect, SessionError};
use crate::live::session::policy::{Caller, ChannelAsk, Deny};
use crate::live::session::protocol::{HistoryRequest, HistoryResult, Reply};
use crate::live::session::style::publication;

impl State {
    /// Asks whether it may read what was published, and reads it.
    pub(super) fn history(
        &mut self,
        follower: u32,
        spec: &SessionSpec,
        caller: Arc<Caller>,
        request: HistoryRequest,
    ) -> Result<Done, SessionError> {
        let Some(ask) = self.channel_ask(follower, spec, caller, &request.channel)? else {
            return Ok(Done::No(Disconnect::BAD_REQUEST));
        };
        let shared = spec.shared.clone();
        let hub = self.live.hub().clone();
        Ok(Done::Asked(boxed(async move {
            let read = async {
                shared.policy.clone().history(ask).await?;
                let config = &shared.config;
                page(
                    &hub,
                    &request,
                    config.history_messages_max,
                    config.history_bytes_max,
                )
            };
            let read = read.await.map(|history| Reply {
                history: Some(history),
                ..Reply::default()
            });
            Outcome::Reply(Box::new(read))
        })))
    }

    /// What the application is asked about a channel; none if the channel has no name.
    pub(super) fn channel_ask(
        &self,
        follower: u32,
        spec: &SessionSpec,
        caller: Arc<Caller>,
        channel: &str,
    ) -> Result<Option<ChannelAsk>, SessionError> {
        if channel.is_empty() {
            return Ok(None);
        }
        self.check_channel(&spec.shared, channel)?;
        let topic = self.roster.topic_number(channel);
        let session = self.session(follower);
        Ok(Some(ChannelAsk {
            caller,
            channel: channel.to_owned(),
            subscribed: topic
                .is_some_and(|topic| session.is_some_and(|session| session.sub(topic).is_some())),
        }))
    }
}

/// A page of a channel's history, as clients ask for it.
pub(crate) fn page(
    hub: &Hub,
    request: &HistoryRequest,
    messages_max: usize,
    bytes_max: usize,
) -> Result<HistoryResult, Deny> {
    let epoch = hub.epoch();
    if let Some(since) = &request.since {
        let is_ours = since.epoch.is_empty() || since.epoch == epoch.as_str();
        if !is_ours || since.offset > hub.head() {
            return Err(SessionError::UNRECOVERABLE_POSITION.into());
        }
    }
    let query = PageQuery {
        since: request.since.as_ref().map(|since| since.offset),
        max: usize::try_from(request.limit)
            .unwrap_or(messages_max)
            .min(messages_max),
        reverse: request.reverse,
    };
    let page = hub
        .page(&request.channel, query)
        .map_err(|_| Deny::from(SessionError::UNRECOVERABLE_POSITION))?;
    let mut left = bytes_max;
    let fits = page.messages.iter().take_while(|message| {
        let fits = message.cost_bytes() <= left;
        left = left.saturating_sub(message.cost_bytes());
        fits
    });
    Ok(HistoryResult {
        publications: fits.map(publication).collect(),
        epoch: epoch.to_string(),
        offset: page.top,
    })
}
