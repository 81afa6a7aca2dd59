//! What all sessions of a `Live` have in common.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use squall_hub::presence::Presence;

use super::codes::Disconnect;
use super::config::SessionConfig;
use super::framing::Transport;
use super::policy::*;
use super::style::SessionStyles;
use crate::BoxFuture;
use crate::live::api::Live;

/// A policy whose answers are boxed, so that it need not be named.
pub(crate) trait BoxedPolicy: Send + Sync {
    fn connect(self: Arc<Self>, ask: ConnectAsk) -> BoxFuture<'static, Result<Connected, Deny>>;
    fn subscribe(self: Arc<Self>, ask: SubscribeAsk) -> BoxFuture<'static, Result<SubscribeOptions, Deny>>;
    fn publish(self: Arc<Self>, ask: PublishAsk) -> BoxFuture<'static, Result<PublishOptions, Deny>>;
    fn presence(self: Arc<Self>, ask: ChannelAsk) -> BoxFuture<'static, Result<(), Deny>>;
    fn history(self: Arc<Self>, ask: ChannelAsk) -> BoxFuture<'static, Result<(), Deny>>;
    fn rpc(self: Arc<Self>, ask: RpcAsk) -> BoxFuture<'static, Result<Bytes, Deny>>;
    fn message(self: Arc<Self>, ask: MessageAsk) -> BoxFuture<'static, Result<(), Disconnect>>;
    fn refresh(self: Arc<Self>, ask: RefreshAsk) -> BoxFuture<'static, Result<Refreshed, Deny>>;
    fn sub_refresh(self: Arc<Self>, ask: SubRefreshAsk) -> BoxFuture<'static, Result<Refreshed, Deny>>;
    fn disconnected(self: Arc<Self>, ask: Gone) -> BoxFuture<'static, ()>;
}

/// Boxes each method; nothing of the application runs before the future is polled.
macro_rules! boxed {
    ($($method:ident($ask:ty) -> $answer:ty;)*) => {
        impl<P: SessionPolicy> BoxedPolicy for P {
            $(fn $method(self: Arc<Self>, ask: $ask) -> BoxFuture<'static, $answer> {
                Box::pin(async move { SessionPolicy::$method(&*self, ask).await })
            })*
        }
    };
}

boxed! {
    connect(ConnectAsk) -> Result<Connected, Deny>;
    subscribe(SubscribeAsk) -> Result<SubscribeOptions, Deny>;
    publish(PublishAsk) -> Result<PublishOptions, Deny>;
    presence(ChannelAsk) -> Result<(), Deny>;
    history(ChannelAsk) -> Result<(), Deny>;
    rpc(RpcAsk) -> Result<Bytes, Deny>;
    message(MessageAsk) -> Result<(), Disconnect>;
    refresh(RefreshAsk) -> Result<Refreshed, Deny>;
    sub_refresh(SubRefreshAsk) -> Result<Refreshed, Deny>;
    disconnected(Gone) -> ();
}

/// Policy, limits and counts of sessions.
pub(crate) struct Shared {
    pub(crate) policy: Arc<dyn BoxedPolicy>,
    pub(crate) config: SessionConfig,
    pub(crate) styles: SessionStyles,
    /// Names this process to `/emulation`.
    pub(crate) node: String,
    /// What the secret names of sessions are made with.
    key: [u8; 32],
    /// Users become owners of followers by this.
    hash: RandomState,
    /// How many sessions each user has.
    users: Mutex<HashMap<u64, u32>>,
    /// Who is where.
    pub(crate) presence: Presence,
    pub(crate) started: Instant,
    pub(crate) counters: Counters,
}

/// Which follower of which core a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) core: u32,
    pub(crate) follower: u32,
    pub(crate) life: u32,
}

/// How much of a secret name is its proof, in bytes.
const PROOF_BYTES: usize = 16;

impl Shared {
    pub(crate) fn new(
        live: &Live,
        policy: impl SessionPolicy,
        config: SessionConfig,
        presence: Presence,
    ) -> Self {
        Self {
            policy: Arc::new(policy),
            config: config.checked(),
            styles: SessionStyles::register(live),
            node: crate::hex(&crate::random_bytes::<8>()),
            key: crate::random_bytes(),
            hash: RandomState::new(),
            users: Mutex::default(),
            presence,
            started: Instant::now(),
            counters: Counters::default(),
        }
    }

    /// Whom a user's sessions belong to, as followers. The highest bit keeps them apart from an application's own
    /// numbers.
    pub(crate) fn owner(&self, user: &str) -> u64 {
        self.hash.hash_one(user) | 1 << 63
    }

    /// One more session of the user; `false` if there are as many as there may be.
    pub(crate) fn user_came(&self, owner: u64) -> bool {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let count = users.entry(owner).or_default();
        let fits = (*count as usize) < self.config.user_sessions_max;
        if fits {
            *count += 1;
        } else if *count == 0 {
            users.remove(&owner);
        }
        fits
    }

    /// How many users have a session.
    pub(crate) fn users_known(&self) -> usize {
        self.users.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(crate) fn user_left(&self, owner: u64) {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = users.get_mut(&owner) {
            *count -= 1;
            if *count == 0 {
                users.remove(&owner);
            }
        }
    }

    /// The secret name of a session: its place, and a proof that we gave it.
    pub(crate) fn name(&self, place: Place) -> String {
        let mut bytes = Vec::with_capacity(12 + PROOF_BYTES);
        for number in [place.core, place.follower, place.life] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        let proof = self.proof(&bytes).finalize().into_bytes();
        bytes.extend_from_slice(&proof[..PROOF_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The place that a secret name is of; `None` if it is none of ours.
    pub(crate) fn place(&self, name: &str) -> Option<Place> {
        let bytes = URL_SAFE_NO_PAD.decode(name).ok()?;
        let (place, proof) = bytes.split_at_checked(12)?;
        if proof.len() != PROOF_BYTES {
            return None;
        }
        self.proof(place).verify_truncated_left(proof).ok()?;
        let number = |at: usize| place[at..at + 4].try_into().map(u32::from_be_bytes).ok();
        Some(Place {
            core: number(0)?,
            follower: number(4)?,
            life: number(8)?,
        })
    }

    fn proof(&self, place: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key of any length");
        mac.update(place);
        mac
    }
}

/// How many sessions there are, and what happened to sessions since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionCounts {
    /// Sessions that have begun, in the order of [`Transport::ALL`].
    pub sessions: [usize; 6],
    /// Their subscriptions.
    pub subscriptions: usize,
    /// Subscriptions that asked to recover, and got everything.
    pub recovered: u64,
    /// Subscriptions that asked to recover, and could not.
    pub unrecovered: u64,
    /// Subscriptions that fell behind what the log holds, and were told.
    pub gaps: u64,
    /// Commands that came.
    pub commands: u64,
    /// Sessions that were closed, by their code; 3000 if not by us.
    pub closes: BTreeMap<u16, u64>,
}

#[derive(Default)]
pub(crate) struct Counters {
    sessions: [AtomicUsize; 6],
    pub(crate) subscriptions: AtomicUsize,
    pub(crate) recovered: AtomicU64,
    pub(crate) unrecovered: AtomicU64,
    pub(crate) gaps: AtomicU64,
    pub(crate) commands: AtomicU64,
    /// At most as many codes as we and the application have.
    closes: Mutex<BTreeMap<u16, u64>>,
}

impl Counters {
    pub(crate) fn came(&self, transport: Transport) {
        self.sessions[transport as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn left(&self, transport: Transport) {
        self.sessions[transport as usize].fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn closed(&self, code: u16) {
        *self
            .closes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(code)
            .or_default() += 1;
    }

    pub(crate) fn read(&self) -> SessionCounts {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SessionCounts {
            sessions: std::array::from_fn(|at| self.sessions[at].load(Ordering::Relaxed)),
            subscriptions: self.subscriptions.load(Ordering::Relaxed),
            recovered: count(&self.recovered),
            unrecovered: count(&self.unrecovered),
            gaps: count(&self.gaps),
            commands: count(&self.commands),
            closes: self.closes.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use squall_hub::presence::PresenceConfig;

    use super::*;
    use crate::live::{Hub, HubConfig, anyone};

    struct Nobody;

    impl SessionPolicy for Nobody {}

    fn shared(config: SessionConfig) -> Shared {
        let live = Live::new(Hub::new(HubConfig::default()), anyone);
        Shared::new(&live, Nobody, config, Presence::new(PresenceConfig::default()))
    }

    #[test]
    fn a_secret_name_says_where_and_cannot_be_guessed() {
        let shared = shared(SessionConfig::default());
        let place = Place {
            core: 1,
            follower: 70_000,
            life: 3,
        };
        let name = shared.name(place);
        assert_eq!(shared.place(&name), Some(place));
        let other = self::shared(SessionConfig::default());
        assert_eq!(other.place(&name), None, "another process");
        for bad in ["", "AAAA", &name[..name.len() - 2], &format!("B{}", &name[1..])] {
            assert_eq!(shared.place(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_user_has_so_many_sessions() {
        let config = SessionConfig {
            user_sessions_max: 2,
            ..SessionConfig::default()
        };
        let shared = shared(config);
        let (one, other) = (shared.owner("one"), shared.owner("other"));
        assert!(shared.user_came(one) && shared.user_came(one));
        assert!(!shared.user_came(one), "one past");
        assert!(shared.user_came(other));
        shared.user_left(one);
        assert!(shared.user_came(one));
        for owner in [one, one, other] {
            shared.user_left(owner);
        }
        assert!(shared.users.lock().unwrap().is_empty());
    }
}
