//! A key set that somebody publishes: fetched when needed, kept, fetched anew.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::TokenError;
use super::config::JwksConfig;
use super::fetch::Target;
use super::jwks::KeySet;
use super::jws::{Algorithm, Jws};
use crate::tcp::ClientTls;

/// The set at one URL.
pub(super) struct Remote {
    shared: Arc<Shared>,
}

struct Shared {
    target: Target,
    age_max: Duration,
    stale_max: Duration,
    refresh_min: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The last set that was had, and when.
    set: Option<(Arc<KeySet>, Instant)>,
    /// When it was last asked for, with or without success.
    asked_at: Option<Instant>,
    /// Closed when the request that is under way has ended.
    flight: Option<watch::Receiver<()>>,
}

impl Remote {
    pub(super) fn new(config: &JwksConfig, tls: ClientTls) -> Result<Option<Self>, &'static str> {
        if config.url.is_empty() {
            return Ok(None);
        }
        let timeout = Duration::from_millis(config.timeout_ms);
        let shared = Shared {
            target: Target::new(&config.url, tls, timeout, config.bytes_max)?,
            age_max: Duration::from_secs(config.age_s_max),
            stale_max: Duration::from_secs(config.stale_s_max.max(config.age_s_max)),
            refresh_min: Duration::from_secs(config.refresh_s_min.max(1)),
            state: Mutex::default(),
        };
        Ok(Some(Self {
            shared: Arc::new(shared),
        }))
    }

    /// Secrets are not published.
    pub(super) fn may_have(&self, algorithm: Algorithm) -> bool {
        !matches!(algorithm, Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512)
    }

    /// A set that has the token's key, if there is one now.
    ///
    /// # Errors
    /// `Invalid` when a set that was asked for since the token came has not the key; `Unavailable` when none could be
    /// asked for, so that a client whose key is very new is not sent away for good.
    pub(super) async fn set_with(&self, jws: &Jws<'_>) -> Result<Arc<KeySet>, TokenError> {
        let flight = {
            let mut state = self.shared.state();
            let now = Instant::now();
            let found = state.usable(jws, now, self.shared.stale_max);
            if let (Some(set), true) = (&found, state.is_fresh(now, self.shared.age_max)) {
                return Ok(set.clone());
            }
            let flight = self.shared.fly(&mut state, now);
            // An older set will do while a new one is on its way.
            if let Some(set) = found {
                return Ok(set);
            }
            flight
        };
        let Some(mut flight) = flight else {
            return Err(TokenError::Unavailable(
                "its key is not known, and keys were asked for just now",
            ));
        };
        // The sender says nothing and goes away when the request has ended, which it does in a bounded time.
        while flight.changed().await.is_ok() {}
        let state = self.shared.state();
        let now = Instant::now();
        if let Some(set) = state.usable(jws, now, self.shared.stale_max) {
            return Ok(set);
        }
        let had = state
            .set
            .as_ref()
            .is_some_and(|(_, at)| state.asked_at.is_some_and(|asked| *at >= asked));
        Err(if had {
            TokenError::Invalid("its key is not in the key set")
        } else {
            TokenError::Unavailable("the key set cannot be had")
        })
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request that is under way; a new one if there is none and there may be one.
    ///
    /// It is a task of its own, so it goes on when the client whose token began it goes away: otherwise whoever
    /// connects and hangs up could use up the one request that there may be.
    fn fly(self: &Arc<Self>, state: &mut State, now: Instant) -> Option<watch::Receiver<()>> {
        // Taken out by the request itself; one whose runtime went away with it cannot.
        if let Some(flight) = state
            .flight
            .as_ref()
            .filter(|flight| flight.has_changed().is_ok())
        {
            return Some(flight.clone());
        }
        let too_soon = state
            .asked_at
            .is_some_and(|at| now.duration_since(at) < self.refresh_min);
        let runtime = tokio::runtime::Handle::try_current().ok().filter(|_| !too_soon)?;
        let (ended, flight) = watch::channel(());
        state.asked_at = Some(now);
        state.flight = Some(flight.clone());
        let shared = self.clone();
        runtime.spawn(async move {
            let fetched = shared.target.fetch().await;
            let parsed = fetched.and_then(|json| KeySet::parse(&json).map_err(str::to_owned));
            let mut state = shared.state();
            match parsed {
                Ok(set) => state.set = Some((Arc::new(set), Instant::now())),
                Err(error) => tracing::warn!(url = %shared.target, %error, "a key set cannot be had"),
            }
            state.flight = None;
            drop(ended);
        });
        Some(flight)
    }
}

impl State {
    fn is_fresh(&self, now: Instant, age_max: Duration) -> bool {
        self.set
            .as_ref()
            .is_some_and(|(_, at)| now.duration_since(*at) < age_max)
    }

    /// The set, if it has the token's key and is not too old for anything.
    fn usable(&self, jws: &Jws<'_>, now: Instant, stale_max: Duration) -> Option<Arc<KeySet>> {
        let (set, at) = self.set.as_ref()?;
        let usable = now.duration_since(*at) < stale_max && set.find(jws).is_some();
        usable.then(|| set.clone())
    }
}
