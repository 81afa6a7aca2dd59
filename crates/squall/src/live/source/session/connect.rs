//! Connect: a session begins.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::job::{ConnectOutcome, Outcome, boxed};
use super::{Done, State};
use crate::live::session::codes::{Disconnect, SessionError};
use crate::live::session::policy::{Caller, ConnectAsk, Connected, Deny, Token};
use crate::live::session::protocol::{ConnectRequest, ConnectResult, Push, Reply, SubscribeRequest};
use crate::live::session::record::{ClientId, Phase};
use crate::live::session::shared::Place;
use crate::live::session::{SessionSpec, SubscribeOptions};
use crate::web::now_ms;

impl State {
    /// Asks whether the session may begin.
    pub(super) fn connect(
        &mut self,
        follower: u32,
        spec: &SessionSpec,
        id: u32,
        request: ConnectRequest,
    ) -> Done {
        let Some(session) = self.session(follower) else {
            return Done::Yes;
        };
        let Phase::Opening(opened) = &session.phase else {
            return Done::No(Disconnect::BAD_REQUEST);
        };
        if id == 0 {
            return Done::No(Disconnect::BAD_REQUEST);
        }
        let client = ClientId::random();
        let mut request = request;
        let ask = ConnectAsk {
            client,
            token: Token(std::mem::take(&mut request.token)),
            data: std::mem::take(&mut request.data),
            name: std::mem::take(&mut request.name),
            version: std::mem::take(&mut request.version),
            headers: std::mem::take(&mut request.headers),
            transport: spec.framing.transport,
            request: opened.clone(),
        };
        let policy = spec.shared.policy.clone();
        let moment = self.live.moment();
        Done::Asked(boxed(async move {
            let result = policy.connect(ask).await;
            Outcome::Connect(Box::new(ConnectOutcome {
                client,
                request,
                moment,
                result,
            }))
        }))
    }

    pub(super) fn connect_decided(
        &mut self,
        follower: u32,
        spec: &SessionSpec,
        id: u32,
        outcome: ConnectOutcome,
    ) {
        let ConnectOutcome {
            client,
            request,
            moment,
            result,
        } = outcome;
        let begun =
            result.and_then(|connected| self.begin_session(follower, spec, client, connected, &request));
        match begun {
            Ok(result) => self.greet_session(follower, spec, id, result),
            Err(Deny::Disconnect(disconnect)) => return self.disconnect(follower, disconnect),
            Err(Deny::Error(error)) => return self.refuse_session(follower, spec, id, &error),
        }
        // Whatever was said about the user since the application was asked holds for this session too.
        self.replay(follower, moment);
        self.session_goes_on(follower);
    }

    /// A two-way client is told why, and decides what to do; a one-way client only knows ends.
    fn refuse_session(&mut self, follower: u32, spec: &SessionSpec, id: u32, error: &SessionError) {
        if let Some(session) = self.session_mut(follower) {
            session.phase = Phase::Refused;
        }
        if spec.framing.transport.is_one_way() {
            return self.disconnect(follower, disconnect_for(error));
        }
        self.refuse(follower, spec.framing, id, error);
        self.session_goes_on(follower);
    }

    fn begin_session(
        &mut self,
        follower: u32,
        spec: &SessionSpec,
        client: ClientId,
        connected: Connected,
        request: &ConnectRequest,
    ) -> Result<ConnectResult, Deny> {
        let shared = &spec.shared;
        let now_s = now_ms() / 1_000;
        let ttl_s = match connected.expires_at_s {
            Some(at_s) if at_s <= now_s => return Err(SessionError::EXPIRED.into()),
            Some(at_s) => Some(at_s - now_s),
            None => None,
        };
        if connected.subscriptions.len() > shared.config.subscriptions_max {
            return Err(Disconnect::CHANNEL_LIMIT.into());
        }
        let owner = shared.owner(&connected.user);
        if !connected.user.is_empty() && !shared.user_came(owner) {
            return Err(Disconnect::CONNECTION_LIMIT.into());
        }
        let caller = Arc::new(Caller {
            client,
            user: connected.user.into(),
            info: connected.info,
            transport: spec.framing.transport,
            state: connected.state,
        });
        shared.counters.came(spec.framing.transport);
        self.roster.belong(follower, owner);
        if let Some(session) = self.session_mut(follower) {
            session.phase = Phase::Connected(caller);
            session.expires_at_s = connected.expires_at_s.unwrap_or(0);
            session.client_refresh = connected.client_refresh;
        }
        if let Some(ttl_s) = ttl_s {
            self.session_due_in(follower, ttl_s + expiry_delay(spec, connected.client_refresh));
        }
        let subs = self.subscribe_at_once(follower, spec, connected.subscriptions, &request.subs)?;
        let mut result = ConnectResult {
            client: client.to_string(),
            version: shared.config.version.clone(),
            data: connected.data,
            subs,
            ping: shared.config.ping_interval_s,
            pong: shared.config.pong_timeout_s > 0 && !spec.framing.transport.is_one_way(),
            ..ConnectResult::default()
        };
        if connected.client_refresh
            && let Some(ttl_s) = ttl_s
        {
            (result.expires, result.ttl) = (true, u32::try_from(ttl_s).unwrap_or(u32::MAX));
        }
        if spec.framing.transport.is_emulated() {
            let place = Place {
                core: self.mailbox.number,
                follower,
                life: self.roster.life(follower),
            };
            (result.session, result.node) = (shared.name(place), shared.node.clone());
        }
        Ok(result)
    }

    /// What the server subscribes a session to, with what its client remembers of before.
    fn subscribe_at_once(
        &mut self,
        follower: u32,
        spec: &SessionSpec,
        wanted: Vec<(String, SubscribeOptions)>,
        before: &BTreeMap<String, SubscribeRequest>,
    ) -> Result<BTreeMap<String, crate::live::session::protocol::SubscribeResult>, Deny> {
        let mut subs = BTreeMap::new();
        for (channel, options) in wanted {
            let known = before.get(&channel).cloned().unwrap_or_default();
            let request = SubscribeRequest {
                channel: channel.clone(),
                ..known
            };
            let result = self.subscribe(follower, spec, &request, options, true)?;
            subs.insert(channel, result);
        }
        Ok(subs)
    }

    fn greet_session(&mut self, follower: u32, spec: &SessionSpec, id: u32, result: ConnectResult) {
        let framing = spec.framing;
        if framing.transport.is_one_way() {
            let push = Push {
                connect: Some(result),
                ..Push::default()
            };
            return self.say_to(follower, |out| framing.push(push, out));
        }
        let reply = Reply {
            id,
            connect: Some(result),
            ..Reply::default()
        };
        self.answer(follower, framing, reply);
    }
}

/// Clients refresh when the time is over: their new token is on its way then.
pub(super) fn expiry_delay(spec: &SessionSpec, client_refresh: bool) -> u64 {
    if client_refresh {
        u64::from(spec.shared.config.expired_close_delay_s)
    } else {
        0
    }
}

/// How a client without replies is told of an error.
fn disconnect_for(error: &SessionError) -> Disconnect {
    match error.code {
        101 => Disconnect::INVALID_TOKEN,
        103 => Disconnect::PERMISSION_DENIED,
        109 | 110 => Disconnect::EXPIRED,
        107 => Disconnect::BAD_REQUEST,
        108 => Disconnect::NOT_AVAILABLE,
        111 => Disconnect::TOO_MANY_REQUESTS,
        _ => Disconnect::SERVER_ERROR,
    }
}
