//! From a data directory to a running application.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use squall::config::Secret;
use squall::cookies::Keys;
use squall::live::{Hub, HubConfig, Live, LiveConfig, Retention};
use squall::sessions::Sessions;

use crate::app::{App, Parts, Render, Site};
use crate::domain::passwords::Passwords;
use crate::store::{Changes, Store, StoreError};
use crate::stream::{self, Publisher};
use crate::{api, web};

/// Bytes of messages that are held altogether, at most.
const HUB_BYTES_MAX: usize = 64 << 20;
/// Topics that are remembered, at most: those that somebody follows, and the latest that something was said in.
const TOPICS_MAX: usize = 500_000;
/// How often sessions that have ended are swept away.
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);

impl App {
    /// Opens the data directory and starts what runs beside the handlers: writing, reading, publishing, sweeping.
    ///
    /// # Errors
    /// When the directory cannot be used; the text says why.
    pub fn open(directory: &Path, site: Site, passwords: Passwords) -> Result<App, StoreError> {
        let (store, changes) = Store::open(directory)?;
        let keys = keys(directory)?;
        let (hub, live) = stream(&store, &site, changes)?;
        let sessions = Sessions::new(std::sync::Arc::new(store.clone())).secure(site.secure);
        let (open, closed) = channel();
        sweep(sessions.clone(), closed).map_err(|error| thread(&error))?;
        Ok(App::new(Parts {
            site,
            store,
            hub,
            live,
            sessions,
            keys,
            passwords,
            _open: open,
        }))
    }
}

/// The hub with what the store has kept, the doors to it, and the publisher of what comes.
fn stream(store: &Store, site: &Site, changes: Changes) -> Result<(Hub, Live), StoreError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| thread(&error))?;
    let (floor, events) = runtime.block_on(store.retained_events())?;
    let hub = Hub::new(HubConfig {
        epoch: store.epoch(),
        floor,
        retention: Retention {
            messages_max: stream::topic::MESSAGES_MAX,
            bytes_max: HUB_BYTES_MAX,
            age_ms_max: crate::store::Retention::default().age_ms_max,
        },
        bytes_max: HUB_BYTES_MAX,
        topics_max: TOPICS_MAX,
        ..HubConfig::default()
    });
    let mut publisher = Publisher::new(hub.clone(), render(), site.clone());
    publisher.restore(&runtime, store, &events);
    tracing::debug!(events = events.len(), "the stream continues");
    let weak = store.downgrade();
    let limits = LiveConfig {
        // Beside home a program's WebSocket may follow notifications and, under two names, all public posts.
        follower_topics_max: stream::topics::HOME_TOPICS_MAX + 3,
    };
    let asked = weak.clone();
    let live = Live::with_config(hub.clone(), limits, move |ask| {
        stream::of_browser(asked.clone(), ask)
    });
    publisher
        .start(runtime, weak, changes, live.clone())
        .map_err(|error| thread(&error))?;
    Ok((hub, live))
}

/// How pages and programs show what is published.
fn render() -> Render {
    Render {
        post_html: web::post_html,
        post_json: api::status_json,
        notification_html: web::notification_html,
        notification_json: api::notification_json,
    }
}

/// The keys that cookies are signed with, made the first time.
fn keys(directory: &Path) -> Result<Keys, StoreError> {
    let path = directory.join("cookie-secret");
    let secret = Secret::file_or_generate(&path)
        .map_err(|error| StoreError::open(format!("cannot use {}: {error}", path.display())))?;
    Keys::new(1, secret.expose())
        .map_err(|error| StoreError::open(format!("{} is not a secret of ours: {error}", path.display())))
}

/// Removes ended sessions now and then, until the other end of `closed` is gone.
fn sweep(sessions: Sessions, closed: Receiver<()>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    std::thread::Builder::new()
        .name("feed-sweeper".into())
        .spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = closed.recv_timeout(SWEEP_EVERY) {
                if let Err(error) = runtime.block_on(sessions.sweep()) {
                    tracing::warn!(%error, "ended sessions could not be swept away");
                }
            }
        })?;
    Ok(())
}

fn thread(error: &io::Error) -> StoreError {
    StoreError::open(format!("cannot start a thread: {error}"))
}
