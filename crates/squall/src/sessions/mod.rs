//! Who is signed in, and a few things remembered about a visit, kept on the server.
//!
//! The browser has a random id in an `HttpOnly` cookie; the [`Store`] has a record under the id's SHA-256, so that
//! a copy of the store signs nobody in. A record lives until it is idle for too long or too old. Signing in makes a
//! new id (an id planted before it is worth nothing), and any session can be ended from the server.
//!
//! A visitor gets no cookie and no record until something is to be remembered.
//!
//! ```
//! use squall::sessions::{MemoryStore, Session, Sessions};
//! use squall::web::{Router, routing::{get, post}};
//! use std::sync::Arc;
//!
//! let sessions = Sessions::new(Arc::new(MemoryStore::new(10_000)));
//! let app: Router = Router::new()
//!     .route("/sign-in", post(async |session: Session| session.sign_in(7)))
//!     .route("/me", get(async |session: Session| format!("{:?}", session.owner())))
//!     .layer(sessions.layer());
//! ```

mod handle;
mod layer;
mod memory;
mod store;

use std::sync::Arc;
use std::time::Duration;

pub use handle::{DATA_BYTES_MAX, DataTooLarge, Session, SessionMissing};
pub use layer::{SessionLayer, SessionService};
pub use memory::MemoryStore;
pub use store::{Key, KeyParseError, Record, Store, StoreError};

/// Random bytes in an id: 256 bits, of which guessing finds none.
const ID_BYTES: usize = 32;
/// The `seen` time of a record is written at most this often, in milliseconds: reading a page is not a write.
const TOUCH_EVERY_MS: u64 = 60_000;

/// The sessions of a site: what is stored where, and for how long. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    store: Arc<dyn Store>,
    cookie: String,
    secure: bool,
    idle_ms: u64,
    absolute_ms: u64,
    clock: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl Sessions {
    /// Sessions in that store: cookie `sid`, 30 days idle, a year altogether.
    pub fn new(store: Arc<dyn Store>) -> Self {
        let day_ms = 86_400_000;
        let inner = Inner {
            store,
            cookie: "sid".to_owned(),
            secure: false,
            idle_ms: 30 * day_ms,
            absolute_ms: 365 * day_ms,
            clock: Arc::new(crate::web::now_ms),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The name of the cookie.
    ///
    /// # Panics
    /// When it is not a token (RFC 6265 4.1.1).
    #[must_use]
    pub fn cookie_name(self, name: &str) -> Self {
        crate::cookies::SetCookie::new(name, "").expect("a cookie's name");
        self.with(|inner| inner.cookie = name.to_owned())
    }

    /// `true` for a site on TLS: the cookie is `Secure` and its name begins with `__Host-`, so that no other host,
    /// and nobody on the way, can plant one.
    #[must_use]
    pub fn secure(self, secure: bool) -> Self {
        self.with(|inner| inner.secure = secure)
    }

    /// How long a session lives without a request.
    #[must_use]
    pub fn idle(self, idle: Duration) -> Self {
        self.with(|inner| inner.idle_ms = millis(idle))
    }

    /// How long a session lives at all.
    #[must_use]
    pub fn absolute(self, absolute: Duration) -> Self {
        self.with(|inner| inner.absolute_ms = millis(absolute))
    }

    /// Another clock, in milliseconds since the Unix epoch: for tests.
    #[must_use]
    pub fn clock(self, clock: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        self.with(|inner| inner.clock = Arc::new(clock))
    }

    /// The layer that gives handlers their [`Session`].
    pub fn layer(&self) -> SessionLayer {
        SessionLayer::new(self.clone())
    }

    /// Ends one session, wherever it is.
    pub async fn revoke(&self, key: &Key) -> Result<(), StoreError> {
        self.inner.store.remove(key).await
    }

    /// Ends all sessions of somebody, except one if asked; says how many.
    pub async fn revoke_all(&self, owner: u64, except: Option<Key>) -> Result<u64, StoreError> {
        self.inner.store.remove_owner(owner, except).await
    }

    /// Removes what has expired from the store; says how many. For a job that runs now and then: an expired record
    /// is not believed, swept or not.
    pub async fn sweep(&self) -> Result<u64, StoreError> {
        let now = self.now_ms();
        let created = now.saturating_sub(self.inner.absolute_ms);
        self.inner
            .store
            .remove_expired(created, now.saturating_sub(self.inner.idle_ms))
            .await
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.inner));
        self
    }

    fn now_ms(&self) -> u64 {
        (self.inner.clock)()
    }

    fn cookie(&self) -> String {
        let prefix = if self.inner.secure { "__Host-" } else { "" };
        format!("{prefix}{}", self.inner.cookie)
    }

    fn is_live(&self, record: &Record, now_ms: u64) -> bool {
        now_ms.saturating_sub(record.created_ms) < self.inner.absolute_ms
            && now_ms.saturating_sub(record.seen_ms) < self.inner.idle_ms
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
