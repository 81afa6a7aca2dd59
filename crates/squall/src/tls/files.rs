//! Certificates that change while the server runs: files are looked at, and read again when they changed.

use std::ops::Deref;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use squall_engine::tls::Tls;

use super::{TlsConfig, TlsError};

/// TLS from files. Derefs to the [`Tls`] that [`crate::Server::listen_tls`] takes.
///
/// While it, or a clone, lives, its files are looked at every [`TlsConfig::reload_interval_ms`]. What changed is read:
/// new connections get the new certificates, open ones go on. Files that cannot be used are logged once, and what was
/// there before stays.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: TlsConfig,
    tls: Tls,
    seen: Mutex<Seen>,
}

/// What files look like from outside: when each was changed, its length and its place. None for one that is not there.
type Look = Vec<Option<(i64, i64, u64, u64)>>;

#[derive(Debug)]
struct Seen {
    /// When they were last read, whatever came of it.
    read: Look,
    /// A change that the next look must see, too.
    changed: Option<Look>,
}

impl TlsFiles {
    /// Reads the files, and watches them from now on.
    ///
    /// # Errors
    /// A file that cannot be read, or that is not what it should be.
    pub fn open(config: TlsConfig) -> Result<Self, TlsError> {
        let read = look(&config);
        let tls = Tls::new(config.settings()?).map_err(|e| TlsError::new(e.to_string()))?;
        let interval = Duration::from_millis(config.reload_interval_ms);
        let seen = Mutex::new(Seen { read, changed: None });
        let inner = Arc::new(Inner { config, tls, seen });
        if !interval.is_zero() {
            let watched = Arc::downgrade(&inner);
            let logs = tracing::dispatcher::get_default(Clone::clone);
            std::thread::Builder::new()
                .name("squall-tls-watch".to_owned())
                .spawn(move || tracing::dispatcher::with_default(&logs, || watch(&watched, interval)))
                .map_err(|e| TlsError::new(format!("cannot make a thread: {e}")))?;
        }
        Ok(Self { inner })
    }

    /// Reads the files now, changed or not.
    ///
    /// # Errors
    /// As [`TlsFiles::open`]; then nothing changes.
    pub fn reload(&self) -> Result<(), TlsError> {
        let inner = &self.inner;
        let mut seen = inner.seen();
        seen.read = look(&inner.config);
        seen.changed = None;
        inner.load()
    }
}

impl Deref for TlsFiles {
    type Target = Tls;

    fn deref(&self) -> &Tls {
        &self.inner.tls
    }
}

impl Inner {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load(&self) -> Result<(), TlsError> {
        let settings = self.config.settings()?;
        self.tls
            .replace(settings)
            .map_err(|e| TlsError::new(e.to_string()))
    }

    /// Reads what has changed, when it has stopped changing.
    fn look_again(&self) {
        let mut seen = self.seen();
        let now = look(&self.config);
        if now == seen.read {
            seen.changed = None;
            return;
        }
        if seen.changed.as_ref() != Some(&now) {
            seen.changed = Some(now);
            return;
        }
        seen.read = now;
        seen.changed = None;
        match self.load() {
            Ok(()) => tracing::info!(names = ?self.tls.names(), "certificates have changed"),
            Err(error) => tracing::warn!(%error, "new certificates cannot be used; the old ones stay"),
        }
    }
}

fn watch(inner: &Weak<Inner>, interval: Duration) {
    loop {
        std::thread::park_timeout(interval);
        match inner.upgrade() {
            Some(inner) => inner.look_again(),
            None => return,
        }
    }
}

fn look(config: &TlsConfig) -> Look {
    let metas = config.paths().map(|path| std::fs::metadata(path).ok());
    metas
        .map(|meta| meta.map(|m| (m.mtime(), m.mtime_nsec(), m.len(), m.ino())))
        .collect()
}
