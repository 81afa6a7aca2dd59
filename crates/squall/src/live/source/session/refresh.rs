//! Refresh: a session or a subscription lasts longer.

use std::sync::Arc;

use bytes::Bytes;

use super::connect::expiry_delay;
use super::job::{Outcome, boxed};
use super::{Done, State};
use crate::live::session::SessionSpec;
use crate::live::session::codes::{Disconnect, SessionError};
use crate::live::session::policy::{Caller, Deny, RefreshAsk, Refreshed, SubRefreshAsk, Token};
use crate::live::session::protocol::{Expiry, RefreshRequest, RefreshResult, Reply, SubRefreshRequest};
use crate::live::session::record::{Phase, SubTraits};
use crate::web::now_ms;

impl State {
    pub(super) fn ask_refresh(
        &mut self,
        follower: u32,
        spec: &SessionSpec,
        caller: Arc<Caller>,
        request: RefreshRequest,
    ) -> Result<Done, SessionError> {
        let by_client = self
            .session(follower)
            .is_some_and(|session| session.client_refresh);
        if request.token.is_empty() || !by_client {
            return Ok(Done::No(Disconnect::BAD_REQUEST));
        }
        let ask = RefreshAsk {
            caller,
            token: Token(request.token),
        };
        let policy = spec.shared.policy.clone();
        Ok(Done::Asked(boxed(async move {
            Outcome::Refresh(policy.refresh(ask).await)
        })))
    }

    pub(super) fn refresh_decided(
        &mut self,
        follower: u32,
        spec: &SessionSpec,
        id: u32,
        result: Result<Refreshed, Deny>,
    ) -> Result<Reply, Deny> {
        let refreshed = result?;
        let expiry = self.session_lasts(follower, spec, &refreshed)?;
        let caller = self.session(follower).and_then(|session| session.caller());
        let refresh = RefreshResult {
            client: caller.map(|caller| caller.client.to_string()).unwrap_or_default(),
            version: spec.shared.config.version.clone(),
            expires: expiry.expires,
            ttl: expiry.ttl,
        };
        Ok(Reply {
            id,
            refresh: Some(refresh),
            ..Reply::default()
        })
    }

    /// The session lasts until then.
    pub(super) fn session_lasts(
        &mut self,
        follower: u32,
        spec: &SessionSpec,
        refreshed: &Refreshed,
    ) -> Result<Expiry, Deny> {
        let expiry = expiry_of(refreshed)?;
        let Some(session) = self.session_mut(follower) else {
            return Err(SessionError::INTERNAL.into());
        };
        session.expires_at_s = refreshed.expires_at_s.unwrap_or(0);
        let by_client = session.client_refresh;
        if let (Some(info), Phase::Connected(caller)) = (&refreshed.info, &mut session.phase) {
            *caller = Arc::new(with_info(caller, info.clone()));
        }
        if expiry.expires {
            let delay = expiry_delay(spec, by_client);
            self.session_due_in(follower, u64::from(expiry.ttl) + delay);
        }
        Ok(expiry)
    }

    pub(super) fn ask_sub_refresh(
        &mut self,
        follower: u32,
        spec: &SessionSpec,
        caller: Arc<Caller>,
        request: SubRefreshRequest,
    ) -> Result<Done, SessionError> {
        if request.channel.is_empty() {
            return Ok(Done::No(Disconnect::BAD_REQUEST));
        }
        let topic = self.roster.topic_number(&request.channel);
        let session = self.session(follower);
        let sub = topic.and_then(|topic| session.and_then(|session| session.sub(topic)));
        let Some(sub) = sub else {
            return Err(SessionError::PERMISSION_DENIED);
        };
        if request.kind != 0 {
            return Err(SessionError::NOT_AVAILABLE);
        }
        if !sub.traits.has(SubTraits::CLIENT_REFRESH) {
            return Ok(Done::No(Disconnect::BAD_REQUEST));
        }
        if request.token.is_empty() {
            return Err(SessionError::BAD_REQUEST);
        }
        let ask = SubRefreshAsk {
            caller,
            channel: request.channel.clone(),
            token: Token(request.token),
        };
        let policy = spec.shared.policy.clone();
        let channel = request.channel;
        Ok(Done::Asked(boxed(async move {
            Outcome::SubRefresh(channel, policy.sub_refresh(ask).await)
        })))
    }

    pub(super) fn sub_refresh_decided(
        &mut self,
        follower: u32,
        spec: &SessionSpec,
        id: u32,
        channel: &str,
        result: Result<Refreshed, Deny>,
    ) -> Result<Reply, Deny> {
        let refreshed = result?;
        let expiry = expiry_of(&refreshed)?;
        let topic = self.roster.topic_number(channel);
        let session = self.session_mut(follower);
        let sub = topic.and_then(|topic| session.and_then(|session| session.sub_mut(topic)));
        // It may have ended meanwhile.
        let Some(sub) = sub else {
            return Err(Deny::permission());
        };
        sub.expires_at_s = refreshed.expires_at_s.unwrap_or(0);
        if let Some(info) = refreshed.info {
            sub.info = Some(Box::new(info));
        }
        if expiry.expires {
            self.session_due_in(follower, u64::from(expiry.ttl) + expiry_delay(spec, true));
        }
        Ok(Reply {
            id,
            sub_refresh: Some(expiry),
            ..Reply::default()
        })
    }
}

/// How long that is from now.
fn expiry_of(refreshed: &Refreshed) -> Result<Expiry, Deny> {
    let Some(at_s) = refreshed.expires_at_s else {
        return Ok(Expiry::default());
    };
    let now_s = now_ms() / 1_000;
    if at_s <= now_s {
        return Err(SessionError::EXPIRED.into());
    }
    Ok(Expiry {
        expires: true,
        ttl: u32::try_from(at_s - now_s).unwrap_or(u32::MAX),
    })
}

fn with_info(caller: &Caller, info: Bytes) -> Caller {
    Caller {
        client: caller.client,
        user: caller.user.clone(),
        info,
        transport: caller.transport,
        state: caller.state.clone(),
    }
}
