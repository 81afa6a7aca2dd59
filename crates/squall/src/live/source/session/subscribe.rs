//! Subscribe and unsubscribe: what a session follows, and what it recovers.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use squall_hub::{Message, Policy};

use super::job::{Outcome, SubscribeOutcome, boxed};
use super::{Done, State};
use crate::live::filter::Filter;
use crate::live::session::SessionSpec;
use crate::live::session::codes::{Disconnect, SessionError, Unsubscribed};
use crate::live::session::policy::{Caller, Deny, Recovery, SubscribeAsk, SubscribeOptions, Token};
use crate::live::session::protocol::{
    Empty, FLAG_REJECT_UNRECOVERED, Push, Reply, SubscribeRequest, SubscribeResult, Unsubscribe,
};
use crate::live::session::record::{Sub, SubTraits};
use crate::live::session::shared::count;
use crate::live::session::style::{self, Body};
use crate::web::now_ms;

/// The sort of deltas that there is.
const DELTA: &str = "fossil";

impl State {
    /// Asks whether it may subscribe.
    pub(super) fn ask_subscribe(
        &mut self,
        follower: u32,
        spec: &SessionSpec,
        caller: Arc<Caller>,
        mut request: SubscribeRequest,
    ) -> Result<Done, SessionError> {
        if request.channel.is_empty() {
            return Ok(Done::No(Disconnect::BAD_REQUEST));
        }
        self.check_channel(&spec.shared, &request.channel)?;
        if request.kind != 0 {
            return Err(SessionError::NOT_AVAILABLE);
        }
        self.check_room(follower, spec, &request.channel)?;
        let ask = SubscribeAsk {
            caller,
            channel: request.channel.clone(),
            token: Token(std::mem::take(&mut request.token)),
            data: std::mem::take(&mut request.data),
            positioned: request.positioned,
            recoverable: request.recoverable,
            join_leave: request.join_leave,
        };
        let policy = spec.shared.policy.clone();
        let moment = self.live.moment();
        Ok(Done::Asked(boxed(async move {
            let result = policy.subscribe(ask).await;
            Outcome::Subscribe(Box::new(SubscribeOutcome {
                request,
                moment,
                result,
            }))
        })))
    }

    /// Whether there may be one more subscription, to this.
    fn check_room(&self, follower: u32, spec: &SessionSpec, channel: &str) -> Result<(), SessionError> {
        let Some(session) = self.session(follower) else {
            return Err(SessionError::INTERNAL);
        };
        let number = self.roster.topic_number(channel);
        if number.is_some_and(|number| session.sub(number).is_some()) {
            return Err(SessionError::ALREADY_SUBSCRIBED);
        }
        if session.subs.len() >= spec.shared.config.subscriptions_max {
            return Err(SessionError::LIMIT_EXCEEDED);
        }
        Ok(())
    }

    pub(super) fn subscribe_decided(
        &mut self,
        follower: u32,
        spec: &SessionSpec,
        id: u32,
        outcome: SubscribeOutcome,
    ) -> Result<Reply, Deny> {
        let SubscribeOutcome { request, result, .. } = outcome;
        // The server may have subscribed it meanwhile.
        self.check_room(follower, spec, &request.channel)?;
        let result = self.subscribe(follower, spec, &request, result?, false)?;
        Ok(Reply {
            id,
            subscribe: Some(result),
            ..Reply::default()
        })
    }

    /// Subscribes. What is answered and what follows is one contiguous slice of the log: the answer goes up to the head
    /// of this moment, and the roster goes on exactly there.
    pub(super) fn subscribe(
        &mut self,
        follower: u32,
        spec: &SessionSpec,
        request: &SubscribeRequest,
        options: SubscribeOptions,
        by_server: bool,
    ) -> Result<SubscribeResult, Deny> {
        let channel = request.channel.as_str();
        if channel.is_empty() {
            return Err(SessionError::BAD_REQUEST.into());
        }
        self.check_channel(&spec.shared, channel)?;
        let now_s = now_ms() / 1_000;
        if options.expires_at_s.is_some_and(|at_s| at_s <= now_s) {
            return Err(SessionError::EXPIRED.into());
        }
        let filter = match &request.tf {
            Some(_) if !options.tags_filter => return Err(SessionError::BAD_REQUEST.into()),
            Some(node) => Some(Filter::new(node.into()).map_err(|_| SessionError::BAD_REQUEST)?),
            None => None,
        };
        // Watched first: what is forgotten from now on is known to be.
        let upto = self.live.hub().head();
        // A filter leaves out what deltas would be of.
        let delta = options.delta && request.delta == DELTA && filter.is_none();
        let body = if delta { Body::Whole } else { Body::Plain };
        let style = spec.shared.styles.of(spec.framing, body);
        self.roster
            .follow(follower, channel, style, upto)
            .map_err(|_| SessionError::BAD_REQUEST)?;
        self.changed();
        let mut result = SubscribeResult {
            data: options.data.clone(),
            was_recovering: request.recover && options.recoverable,
            delta,
            ..SubscribeResult::default()
        };
        if options.positioned || options.recoverable {
            let cursor = self.live.hub().cursor_at(upto);
            (result.positioned, result.recoverable) = (true, options.recoverable);
            (result.epoch, result.offset) = (cursor.epoch.to_string(), upto);
        }
        if result.was_recovering {
            self.recover(follower, spec, request, &options, upto, &mut result)?;
            if let Some(filter) = &filter {
                result.publications.retain(|publication| {
                    filter.matches(|tag| publication.tags.get(tag).map(String::as_str))
                });
            }
        }
        if let Some(at_s) = options.expires_at_s {
            if options.client_refresh {
                result.expires = true;
                result.ttl = u32::try_from(at_s - now_s).unwrap_or(u32::MAX);
            }
            let delay = super::connect::expiry_delay(spec, options.client_refresh);
            self.session_due_in(follower, at_s - now_s + delay);
        }
        self.enter(follower, spec, channel, &options)?;
        self.remember(follower, spec, channel, &options, by_server, filter);
        if delta {
            self.deltas_come(follower, spec, channel, !result.publications.is_empty());
        }
        Ok(result)
    }

    /// The session's own record of a subscription that the roster has.
    fn remember(
        &mut self,
        follower: u32,
        spec: &SessionSpec,
        channel: &str,
        options: &SubscribeOptions,
        by_server: bool,
        filter: Option<Filter>,
    ) {
        let Some(topic) = self.roster.topic_number(channel) else {
            return;
        };
        let sub = Sub {
            topic,
            traits: SubTraits::default()
                .with(SubTraits::BY_SERVER, by_server)
                .with(SubTraits::PRESENCE, options.presence)
                .with(SubTraits::HEARS_JOINS, options.join_leave)
                .with(SubTraits::CLIENT_REFRESH, options.client_refresh)
                .with(SubTraits::CLOSES, options.policy == Policy::Close),
            expires_at_s: options.expires_at_s.unwrap_or(0),
            info: (!options.info.is_empty()).then(|| Box::new(options.info.clone())),
            filter,
        };
        if let Some(session) = self.session_mut(follower) {
            if session.subs.is_empty() {
                session.subs.reserve_exact(1);
            }
            session.add(sub);
        }
        spec.shared.counters.subscriptions.fetch_add(1, Ordering::Relaxed);
        // What was published since `upto` made no note here.
        if let Some(record) = self.roster.get(follower) {
            self.named.push(record.data.id);
        }
    }

    /// The subscription gets deltas: at once if it has got a message, otherwise after its first.
    fn deltas_come(&mut self, follower: u32, spec: &SessionSpec, channel: &str, has_base: bool) {
        let Some(topic) = self.roster.topic_number(channel) else {
            return;
        };
        if has_base {
            return self.send_deltas(follower, spec, topic);
        }
        if let Some(sub) = self
            .session_mut(follower)
            .and_then(|session| session.sub_mut(topic))
        {
            sub.traits = sub.traits.with(SubTraits::DELTA_NEXT, true);
        }
    }

    fn send_deltas(&mut self, follower: u32, spec: &SessionSpec, topic: u32) {
        let styles = spec.shared.styles;
        let (from, to) = (
            styles.of(spec.framing, Body::Whole),
            styles.of(spec.framing, Body::Delta),
        );
        self.roster.restyle(follower, topic, from, to);
    }

    /// Subscriptions that have got their first message get deltas from here on. Everything up to `after` was received.
    pub(super) fn first_messages(&mut self, follower: u32, after: u64) {
        let waits = |sub: &&mut Sub| sub.traits.has(SubTraits::DELTA_NEXT);
        let Some(session) = self.session_mut(follower) else {
            return;
        };
        if !session.subs.iter_mut().any(|sub| waits(&sub)) {
            return;
        }
        let topics: Vec<u32> = session
            .subs
            .iter_mut()
            .filter(waits)
            .map(|sub| sub.topic)
            .collect();
        let Some(spec) = self.spec_of(follower) else {
            return;
        };
        for topic in topics {
            let Some(record) = self.roster.get(follower) else {
                return;
            };
            let from = record
                .subscriptions()
                .iter()
                .find(|s| s.topic == topic)
                .map_or(u64::MAX, |s| s.from);
            let name = self.roster.topic_name_of(topic);
            let last = self.live.hub().before(name, after.saturating_add(1));
            if last.is_none_or(|last| last.offset <= from) {
                continue;
            }
            self.send_deltas(follower, &spec, topic);
            if let Some(sub) = self
                .session_mut(follower)
                .and_then(|session| session.sub_mut(topic))
            {
                sub.traits = sub.traits.without(SubTraits::DELTA_NEXT);
            }
        }
    }

    fn recover(
        &mut self,
        follower: u32,
        spec: &SessionSpec,
        request: &SubscribeRequest,
        options: &SubscribeOptions,
        upto: u64,
        result: &mut SubscribeResult,
    ) -> Result<(), Deny> {
        let recovered = match options.recovery {
            Recovery::Stream => self.missed(spec, request, upto),
            Recovery::Cache => Some(self.newest(request, upto)),
        };
        let counters = &spec.shared.counters;
        let Some(messages) = recovered else {
            count(&counters.unrecovered);
            if request.flag & FLAG_REJECT_UNRECOVERED != 0 {
                self.roster.unfollow(follower, &request.channel, None);
                return Err(SessionError::UNRECOVERABLE_POSITION.into());
            }
            return Ok(());
        };
        count(&counters.recovered);
        result.recovered = true;
        // Clients move their position by each of the publications.
        result.offset = request.offset;
        if options.recovery == Recovery::Cache {
            result.offset = messages.last().map_or(upto, |message| message.offset);
        }
        let form = spec.framing.form;
        let written = |message| match result.delta {
            true => style::whole(form, message),
            false => style::publication(message),
        };
        result.publications = messages.iter().map(written).collect();
        Ok(())
    }

    /// Everything that it missed; `None` if that is not kept any more, or too much.
    fn missed(&self, spec: &SessionSpec, request: &SubscribeRequest, upto: u64) -> Option<Vec<Message>> {
        let hub = self.live.hub();
        let is_ours = request.epoch.is_empty() || request.epoch == hub.epoch().as_str();
        if !is_ours || request.offset > upto {
            return None;
        }
        let config = &spec.shared.config;
        let most = config.recovery_messages_max;
        let messages = hub
            .slice(&request.channel, request.offset, upto, most.saturating_add(1))
            .ok()?;
        let bytes: usize = messages.iter().map(Message::cost_bytes).sum();
        (messages.len() <= most && bytes <= config.recovery_bytes_max).then_some(messages)
    }

    /// The newest message, unless its client has it.
    fn newest(&self, request: &SubscribeRequest, upto: u64) -> Vec<Message> {
        let hub = self.live.hub();
        let is_known = |message: &Message| {
            request.epoch == hub.epoch().as_str()
                && request.offset >= message.offset
                && request.offset <= upto
        };
        let mut newest = hub.history(&request.channel, 1);
        newest.retain(|message| message.offset <= upto && !is_known(message));
        newest
    }

    /// Its client wants no more.
    pub(super) fn unsubscribe(
        &mut self,
        follower: u32,
        spec: &SessionSpec,
        id: u32,
        channel: &str,
    ) -> Result<Done, SessionError> {
        if channel.is_empty() {
            return Ok(Done::No(Disconnect::BAD_REQUEST));
        }
        self.forget_subscription(follower, channel);
        let reply = Reply {
            id,
            unsubscribe: Some(Empty {}),
            ..Reply::default()
        };
        Ok(self.answer(follower, spec.framing, reply))
    }

    /// The server ends a subscription, and says so.
    pub(super) fn end_subscription(&mut self, follower: u32, channel: &Arc<str>, why: &Unsubscribed) {
        if !self.forget_subscription(follower, channel) {
            return;
        }
        let push = Push {
            channel: channel.to_string(),
            unsubscribe: Some(Unsubscribe {
                code: why.code,
                reason: why.reason.to_string(),
            }),
            ..Push::default()
        };
        self.push_to(follower, push);
    }

    /// Whether there was such a subscription.
    fn forget_subscription(&mut self, follower: u32, channel: &str) -> bool {
        let Some(topic) = self.roster.topic_number(channel) else {
            return false;
        };
        let Some(spec) = self.spec_of(follower) else {
            return false;
        };
        let Some(session) = self.session_mut(follower) else {
            return false;
        };
        let Some(sub) = session.remove(topic) else {
            return false;
        };
        if let Some(caller) = session.caller() {
            Self::exit(&spec.shared.presence, caller, channel, &sub);
        }
        spec.shared.counters.subscriptions.fetch_sub(1, Ordering::Relaxed);
        self.roster.unfollow(follower, channel, None);
        self.changed();
        true
    }

    /// Messages past `reached` may be lost for the session: it is told, each subscription for itself.
    pub(in crate::live::source) fn session_lost(&mut self, follower: u32, reached: u64) {
        let Some(spec) = self.spec_of(follower) else {
            return;
        };
        for topic in self.roster.lost(follower, reached) {
            count(&spec.shared.counters.gaps);
            let name = self.roster.topic_name_of(topic).clone();
            let sub = self.session(follower).and_then(|session| session.sub(topic));
            // Who cannot subscribe again by itself comes back as a whole.
            let by_itself = sub.is_some_and(|sub| {
                !sub.traits.has(SubTraits::BY_SERVER) && !sub.traits.has(SubTraits::CLOSES)
            });
            if !by_itself || spec.framing.transport.is_one_way() {
                return self.disconnect(follower, Disconnect::INSUFFICIENT_STATE);
            }
            self.end_subscription(follower, &name, &Unsubscribed::INSUFFICIENT);
        }
    }
}
