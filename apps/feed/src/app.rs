//! What every handler shares.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use squall::cookies::Keys;
use squall::health::Health;
use squall::limits::{Attempts, AttemptsConfig};
use squall::live::{Hub, Live};
use squall::metrics::Meters;
use squall::sessions::Sessions;

use crate::domain::names::NAME_CHARS_MAX;
use crate::domain::passwords::{self, Passwords};
use crate::domain::{NotificationView, Person, PersonId, PostId, PostView};
use crate::store::{Store, StoreError};

/// Sign-in attempts for one name before the next must wait; they come back one by one.
const ATTEMPTS_PER_NAME: AttemptsConfig = AttemptsConfig {
    burst: 10,
    refill_ms: 60_000,
    keys_max: 100_000,
};
/// Sign-in attempts from one address before the next must wait; they come back one by one.
const ATTEMPTS_PER_ADDRESS: AttemptsConfig = AttemptsConfig {
    burst: 100,
    refill_ms: 6_000,
    keys_max: 100_000,
};

/// Sign-ups from one address before the next must wait: a house, a school, a test.
const SIGN_UPS_PER_ADDRESS: AttemptsConfig = AttemptsConfig {
    burst: 1_000,
    refill_ms: 300,
    keys_max: 100_000,
};

/// Where the site is, as people and programs address it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Scheme and authority, without a slash at the end: `http://127.0.0.1:8888`.
    pub origin: String,
    /// The authority alone: `127.0.0.1:8888`.
    pub host: String,
    /// Whether it is reached by https.
    pub secure: bool,
}

impl Site {
    /// A site from its origin; `None` if that is not `http://` or `https://` and an authority and nothing more.
    pub fn new(origin: &str) -> Option<Self> {
        let origin = origin.strip_suffix('/').unwrap_or(origin);
        let (secure, host) = match (origin.strip_prefix("http://"), origin.strip_prefix("https://")) {
            (Some(host), _) => (false, host),
            (_, Some(host)) => (true, host),
            _ => return None,
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
        let fits = !host.is_empty() && host.len() <= 255 && host.chars().all(plain);
        fits.then(|| Self {
            origin: origin.to_owned(),
            host: host.to_owned(),
            secure,
        })
    }

    /// The address of a person's page.
    pub fn profile_url(&self, name: &str) -> String {
        format!("{}/@{name}", self.origin)
    }

    /// The address of a post's page.
    pub fn post_url(&self, name: &str, id: PostId) -> String {
        format!("{}/@{name}/{id}", self.origin)
    }
}

/// How posts and notifications are shown in the stream's messages: once for each event, for everybody alike.
#[derive(Clone, Copy)]
pub struct Render {
    /// A post as a fragment of a page.
    pub post_html: fn(&Site, &PostView) -> String,
    /// A post as programs receive it.
    pub post_json: fn(&Site, &PostView) -> serde_json::Value,
    /// A notification as a fragment of a page.
    pub notification_html: fn(&Site, &NotificationView) -> String,
    /// A notification as programs receive it.
    pub notification_json: fn(&Site, &NotificationView) -> serde_json::Value,
}

/// What every handler shares. Cheap to clone; the store is closed when the last clone is gone.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

/// What an [`App`] is made of.
pub(crate) struct Parts {
    pub(crate) site: Site,
    pub(crate) store: Store,
    pub(crate) hub: Hub,
    pub(crate) live: Live,
    pub(crate) sessions: Sessions,
    pub(crate) keys: Keys,
    pub(crate) passwords: Passwords,
    pub(crate) meters: Meters,
    pub(crate) health: Health,
    /// Dropped with the application: tells the sweeper to end.
    pub(crate) _open: Sender<()>,
}

struct Inner {
    parts: Parts,
    per_name: Attempts,
    per_address: Attempts,
    sign_ups: Attempts,
}

/// Why nobody was signed in.
#[derive(Debug)]
pub enum SignInError {
    /// No such person, or not the password: nobody is told which.
    Refused,
    /// Too many attempts.
    TooMany {
        /// How long until the next, in milliseconds.
        wait_ms: u64,
    },
    /// The store has a problem.
    Store(StoreError),
}

impl fmt::Display for SignInError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SignInError::Refused => f.write_str("Name and password do not belong together."),
            SignInError::TooMany { wait_ms } => {
                write!(
                    f,
                    "Too many attempts. Please wait {} seconds.",
                    wait_ms.div_ceil(1_000)
                )
            }
            SignInError::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SignInError {}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        let (per_name, per_address) = (
            Attempts::new(ATTEMPTS_PER_NAME),
            Attempts::new(ATTEMPTS_PER_ADDRESS),
        );
        Self {
            inner: Arc::new(Inner {
                parts,
                per_name,
                per_address,
                sign_ups: Attempts::new(SIGN_UPS_PER_ADDRESS),
            }),
        }
    }

    /// The topics and their log.
    pub fn hub(&self) -> &Hub {
        &self.inner.parts.hub
    }

    /// What is measured.
    pub fn meters(&self) -> &Meters {
        &self.inner.parts.meters
    }

    /// Whether the site may be asked.
    pub fn health(&self) -> &Health {
        &self.inner.parts.health
    }

    /// The doors to the topics.
    pub fn live(&self) -> &Live {
        &self.inner.parts.live
    }

    /// Where the site is.
    pub fn site(&self) -> &Site {
        &self.inner.parts.site
    }

    /// Everything that is kept.
    pub fn store(&self) -> &Store {
        &self.inner.parts.store
    }

    /// Who is signed in on which browser.
    pub fn sessions(&self) -> &Sessions {
        &self.inner.parts.sessions
    }

    /// The keys that cookies are signed with.
    pub fn keys(&self) -> &Keys {
        &self.inner.parts.keys
    }

    /// Counts a sign-up from this address, to be asked before [`App::sign_up`] where anybody may ask.
    ///
    /// # Errors
    /// How long to wait, past 1,000 at once and one each 300 ms.
    pub fn may_sign_up(&self, address: IpAddr) -> Result<(), squall::limits::Wait> {
        self.inner.sign_ups.take(&network(address), now_ms())
    }

    /// Makes a person with this name and password, if the rules allow both and the name is free.
    pub async fn sign_up(&self, name: &str, password: &str) -> Result<Person, StoreError> {
        crate::domain::names::check(name)?;
        passwords::check(password)?;
        let hash = self
            .inner
            .parts
            .passwords
            .hash(password.to_owned())
            .await
            .map_err(|_| StoreError::busy())?;
        self.inner.parts.store.create_person(name, hash).await
    }

    /// The person with this name and password.
    ///
    /// An unknown name and a wrong password get the same answer after the same work, and attempts are limited both for
    /// the name (whether or not anybody has it) and for the address they come from.
    pub async fn sign_in(&self, name: &str, password: &str, address: IpAddr) -> Result<Person, SignInError> {
        let now_ms = now_ms();
        // Attempts are counted by what was typed, whether or not it is a name; cut off, so that no long text is kept.
        let counted: String = name
            .chars()
            .take(NAME_CHARS_MAX)
            .flat_map(char::to_lowercase)
            .collect();
        let address = network(address);
        let too_many = |wait: squall::limits::Wait| SignInError::TooMany { wait_ms: wait.ms };
        self.inner.per_address.take(&address, now_ms).map_err(too_many)?;
        self.inner.per_name.take(&counted, now_ms).map_err(too_many)?;
        let known = self
            .inner
            .parts
            .store
            .credentials(name)
            .await
            .map_err(SignInError::Store)?;
        let (id, hash) = known.map_or((None, None), |(id, hash)| (Some(id), Some(hash)));
        let verified = self.inner.parts.passwords.verify(hash, password.to_owned()).await;
        let verified = verified.map_err(|_| SignInError::Store(StoreError::busy()))?;
        let Some(id) = id.filter(|_| verified) else {
            return Err(SignInError::Refused);
        };
        self.inner.per_name.forgive(&counted);
        // Many people may share an address, and none of them guesses.
        self.inner.per_address.give_back(&address);
        self.person_signed_in(id).await
    }

    async fn person_signed_in(&self, id: PersonId) -> Result<Person, SignInError> {
        self.inner
            .parts
            .store
            .person(id)
            .await
            .map_err(SignInError::Store)
    }
}

/// What attempts are counted by: an IPv4 address, or the /64 network that one subscriber of IPv6 has to choose from.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// The time, in milliseconds since 1970.
pub fn now_ms() -> u64 {
    squall::web::now_ms()
}
