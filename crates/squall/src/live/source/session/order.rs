//! What the server says to the sessions of a user.

use std::sync::Arc;

use squall_hub::Policy;

use super::State;
use crate::live::session::codes::{Disconnect, Unsubscribed};
use crate::live::session::policy::{Deny, Refreshed, SubscribeOptions};
use crate::live::session::protocol::{Expiry, Push, Subscribe, SubscribeRequest};
use crate::live::session::record::ClientId;

/// One order, and which of the user's sessions it is for.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) user: String,
    /// Only this one.
    pub(crate) client: Option<ClientId>,
    pub(crate) what: OrderFor,
}

#[derive(Debug)]
pub(crate) enum OrderFor {
    /// All but these.
    Disconnect {
        disconnect: Disconnect,
        except: Vec<ClientId>,
    },
    Subscribe {
        request: Box<SubscribeRequest>,
        options: Box<SubscribeOptions>,
    },
    Unsubscribe {
        /// Empty for all.
        channel: String,
        why: Unsubscribed,
    },
    Refresh {
        /// It ends now.
        expired: bool,
        refreshed: Box<Refreshed>,
    },
}

impl State {
    pub(in crate::live::source) fn session_order(&mut self, follower: u32, order: &Order) {
        let Some(caller) = self.session(follower).and_then(|session| session.caller()) else {
            return;
        };
        // Owners are hashes of users.
        if *caller.user != *order.user || order.client.is_some_and(|only| only != caller.client) {
            return;
        }
        let client = caller.client;
        match &order.what {
            OrderFor::Disconnect { disconnect, except } if !except.contains(&client) => {
                self.disconnect(follower, disconnect.clone());
            }
            OrderFor::Disconnect { .. } => (),
            OrderFor::Subscribe { request, options } => self.order_subscribe(follower, request, options),
            OrderFor::Unsubscribe { channel, why } => self.order_unsubscribe(follower, channel, why),
            OrderFor::Refresh { expired: true, .. } => self.disconnect(follower, Disconnect::EXPIRED),
            OrderFor::Refresh { refreshed, .. } => self.order_refresh(follower, refreshed),
        }
    }

    fn order_subscribe(&mut self, follower: u32, request: &SubscribeRequest, options: &SubscribeOptions) {
        let Some(spec) = self.spec_of(follower) else {
            return;
        };
        let topic = self.roster.topic_number(&request.channel);
        let Some(session) = self.session(follower) else {
            return;
        };
        if topic.is_some_and(|topic| session.sub(topic).is_some()) {
            return;
        }
        if session.subs.len() >= spec.shared.config.subscriptions_max {
            return self.disconnect(follower, Disconnect::CHANNEL_LIMIT);
        }
        let options = SubscribeOptions {
            policy: Policy::default(),
            ..options.clone()
        };
        match self.subscribe(follower, &spec, request, options, true) {
            Ok(result) => {
                let push = Push {
                    channel: request.channel.clone(),
                    subscribe: Some(Subscribe {
                        recoverable: result.recoverable,
                        epoch: result.epoch,
                        offset: result.offset,
                        positioned: result.positioned,
                        data: result.data,
                    }),
                    ..Push::default()
                };
                self.push_to(follower, push);
            }
            Err(Deny::Error(error)) => {
                tracing::warn!(channel = request.channel, error = %error.message, "the server could not subscribe a session");
            }
            Err(Deny::Disconnect(disconnect)) => self.disconnect(follower, disconnect),
        }
    }

    fn order_unsubscribe(&mut self, follower: u32, channel: &str, why: &Unsubscribed) {
        let Some(session) = self.session(follower) else {
            return;
        };
        let topics: Vec<u32> = session.subs.iter().map(|sub| sub.topic).collect();
        let names = topics
            .into_iter()
            .map(|topic| self.roster.topic_name_of(topic).clone());
        let names: Vec<Arc<str>> = names
            .filter(|name| channel.is_empty() || **name == *channel)
            .collect();
        for name in names {
            self.end_subscription(follower, &name, why);
        }
    }

    fn order_refresh(&mut self, follower: u32, refreshed: &Refreshed) {
        let Some(spec) = self.spec_of(follower) else {
            return;
        };
        let by_client = self
            .session(follower)
            .is_some_and(|session| session.client_refresh);
        match self.session_lasts(follower, &spec, refreshed) {
            Ok(expiry) => {
                // Only a client that refreshes by itself need know.
                let refresh = if by_client { expiry } else { Expiry::default() };
                let push = Push {
                    refresh: Some(refresh),
                    ..Push::default()
                };
                self.push_to(follower, push);
            }
            Err(_) => self.disconnect(follower, Disconnect::EXPIRED),
        }
    }
}
