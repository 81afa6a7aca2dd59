//! A ready-made policy: tokens say who somebody is, namespaces what channels are like.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::codes::{Disconnect, SessionError};
use super::policy::{
    ChannelAsk, ConnectAsk, Connected, Deny, PublishAsk, PublishOptions, Recovery, RefreshAsk, Refreshed,
    SessionPolicy, SubRefreshAsk, SubscribeAsk, SubscribeOptions,
};
use crate::live::namespaces::{Channel, Namespaces, RecoveryMode};
use crate::live::token::{Overrides, SubscriptionOptions, TokenError, Verifier};

/// Sessions as Centrifugo has them without an application's help: a connection token says who somebody is, a
/// subscription token lets into one channel, and [`Namespaces`] say who may do what without.
///
/// To decide more, write a [`SessionPolicy`] of your own that asks this one where it wants to.
///
/// ```
/// use squall::live::namespaces::{Namespaces, NamespacesConfig};
/// use squall::live::session::TokenPolicy;
/// use squall::live::token::{TokenConfig, Verifier};
///
/// let config = TokenConfig { hmac_secret: "a secret of thirty-two bytes, or more".into(), ..TokenConfig::default() };
/// let policy = TokenPolicy::new(Verifier::new(&config)?, Namespaces::new(NamespacesConfig::default())?);
/// # drop(policy);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TokenPolicy {
    verifier: Verifier,
    namespaces: Namespaces,
    anonymous: bool,
}

impl TokenPolicy {
    /// Whoever has a token is let in. Apply the namespaces to the hub as well: [`Namespaces::apply`].
    pub fn new(verifier: Verifier, namespaces: Namespaces) -> Self {
        Self {
            verifier,
            namespaces,
            anonymous: false,
        }
    }

    /// Whoever has none is let in, too, as nobody in particular.
    #[must_use]
    pub fn allow_anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }

    /// What channels are like.
    pub fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    fn channel<'a>(&self, name: &'a str) -> Result<Channel<'a>, Deny> {
        self.namespaces
            .channel(name)
            .map_err(|_| SessionError::UNKNOWN_CHANNEL.into())
    }

    fn subscriptions(
        &self,
        user: &str,
        wanted: BTreeMap<String, SubscriptionOptions>,
    ) -> Result<Vec<(String, SubscribeOptions)>, Deny> {
        let options = wanted.into_iter().map(|(name, said)| {
            let channel = self.channel(&name)?;
            // Nobody asks for them: what is allowed is given.
            let options = options(&channel, user, Asked::ALL, said);
            Ok((name, options))
        });
        options.collect()
    }
}

/// What the client asks for.
#[derive(Clone, Copy)]
struct Asked {
    recoverable: bool,
    positioned: bool,
    join_leave: bool,
}

impl Asked {
    const ALL: Self = Self {
        recoverable: true,
        positioned: true,
        join_leave: true,
    };
}

fn options(channel: &Channel<'_>, user: &str, asked: Asked, said: SubscriptionOptions) -> SubscribeOptions {
    let namespace = channel.options();
    let (recoverable, positioned) = channel.recovers(user, asked.recoverable, asked.positioned);
    let Overrides {
        presence,
        force_push_join_leave,
        force_positioning,
        force_recovery,
        ..
    } = said.overrides;
    // What is not kept cannot be recovered, whatever a token says.
    let recoverable = force_recovery.unwrap_or(recoverable) && namespace.has_history();
    SubscribeOptions {
        positioned: force_positioning.unwrap_or(positioned) || recoverable,
        recoverable,
        recovery: match namespace.recovery_mode {
            RecoveryMode::Stream => Recovery::Stream,
            RecoveryMode::Cache => Recovery::Cache,
        },
        presence: presence.unwrap_or(namespace.presence),
        join_leave: force_push_join_leave
            .unwrap_or_else(|| channel.pushes_join_leave(user, asked.join_leave)),
        delta: namespace.delta,
        tags_filter: namespace.tags_filter,
        policy: namespace.slow.into(),
        info: said.info.unwrap_or_default(),
        data: said.data.unwrap_or_default(),
        ..SubscribeOptions::default()
    }
}

impl SessionPolicy for TokenPolicy {
    async fn connect(&self, ask: ConnectAsk) -> Result<Connected, Deny> {
        if ask.token.is_empty() {
            return match self.anonymous {
                true => Ok(Connected::anonymous()),
                false => Err(Disconnect::BAD_REQUEST.into()),
            };
        }
        let claims = self
            .verifier
            .connection(&ask.token)
            .await
            .map_err(|error| denied(error, Disconnect::INVALID_TOKEN.into()))?;
        Ok(Connected {
            info: claims.info.unwrap_or_default(),
            expires_at_s: claims.expire_at_s,
            client_refresh: claims.expire_at_s.is_some(),
            subscriptions: self.subscriptions(&claims.user, claims.subs)?,
            user: claims.user,
            ..Connected::default()
        })
    }

    async fn subscribe(&self, ask: SubscribeAsk) -> Result<SubscribeOptions, Deny> {
        let channel = self.channel(&ask.channel)?;
        let user = &*ask.caller.user;
        let asked = Asked {
            recoverable: ask.recoverable,
            positioned: ask.positioned,
            join_leave: ask.join_leave,
        };
        if ask.token.is_empty() {
            return match channel.may_subscribe(user) {
                true => Ok(options(&channel, user, asked, SubscriptionOptions::default())),
                false => Err(Deny::permission()),
            };
        }
        let claims = self
            .verifier
            .subscription(&ask.token)
            .await
            .map_err(|error| denied(error, Deny::permission()))?;
        if !claims.permits(&ask.channel, user, &ask.caller.client.to_string()) {
            return Err(Disconnect::INVALID_TOKEN.into());
        }
        Ok(SubscribeOptions {
            expires_at_s: claims.expire_at_s,
            client_refresh: claims.expire_at_s.is_some(),
            ..options(&channel, user, asked, claims.options)
        })
    }

    async fn publish(&self, ask: PublishAsk) -> Result<PublishOptions, Deny> {
        let channel = self.channel(&ask.channel)?;
        if !channel.may_publish(&ask.caller.user, ask.subscribed) {
            return Err(Deny::permission());
        }
        let namespace = channel.options();
        if ask.data.len() > namespace.message_bytes_max || !namespace.data.allows(&ask.data) {
            return Err(SessionError::BAD_REQUEST.into());
        }
        Ok(PublishOptions::default())
    }

    async fn presence(&self, ask: ChannelAsk) -> Result<(), Deny> {
        let channel = self.channel(&ask.channel)?;
        if !channel.options().presence {
            return Err(SessionError::NOT_AVAILABLE.into());
        }
        allowed(channel.may_see_presence(&ask.caller.user, ask.subscribed))
    }

    async fn history(&self, ask: ChannelAsk) -> Result<(), Deny> {
        let channel = self.channel(&ask.channel)?;
        if !channel.options().has_history() {
            return Err(SessionError::NOT_AVAILABLE.into());
        }
        allowed(channel.may_read_history(&ask.caller.user, ask.subscribed))
    }

    async fn rpc(&self, _: super::policy::RpcAsk) -> Result<Bytes, Deny> {
        Err(SessionError::METHOD_NOT_FOUND.into())
    }

    async fn refresh(&self, ask: RefreshAsk) -> Result<Refreshed, Deny> {
        let claims = self.verifier.connection(&ask.token).await.map_err(|error| {
            // An error would make clients leave for good; closed with this they come back with another token.
            match error.is_expired() {
                true => Disconnect::EXPIRED.into(),
                false => denied(error, Disconnect::INVALID_TOKEN.into()),
            }
        })?;
        // Somebody else's token does not make this session somebody else's.
        if *claims.user != *ask.caller.user {
            return Err(Disconnect::INVALID_TOKEN.into());
        }
        Ok(Refreshed {
            expires_at_s: claims.expire_at_s,
            info: claims.info,
        })
    }

    async fn sub_refresh(&self, ask: SubRefreshAsk) -> Result<Refreshed, Deny> {
        let claims = self
            .verifier
            .subscription(&ask.token)
            .await
            .map_err(|error| denied(error, Deny::permission()))?;
        let client = ask.caller.client.to_string();
        if !claims.permits(&ask.channel, &ask.caller.user, &client) {
            return Err(Disconnect::INVALID_TOKEN.into());
        }
        Ok(Refreshed {
            expires_at_s: claims.expire_at_s,
            info: claims.options.info,
        })
    }
}

fn allowed(may: bool) -> Result<(), Deny> {
    may.then_some(()).ok_or_else(Deny::permission)
}

/// How a client is told that its token is not believed.
fn denied(error: TokenError, invalid: Deny) -> Deny {
    if error.is_expired() {
        return SessionError::TOKEN_EXPIRED.into();
    }
    if error.is_temporary() {
        tracing::warn!(%error, "a token could not be looked at");
        return SessionError::INTERNAL.into();
    }
    tracing::debug!(%error, "a token was not believed");
    invalid
}
