//! From a data directory to a running application.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use squall::config::Secret;
use squall::cookies::Keys;
use squall::health::Health;
use squall::live::{Hub, HubConfig, Live, LiveConfig, Retention};
use squall::metrics::{Labels, Meters};
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
/// A store that takes longer than this to say where its log stands is no store to send people to.
const STORE_ANSWERS_WITHIN: Duration = Duration::from_secs(2);

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
        let (meters, health) = (meters(&live), health(&store));
        Ok(App::new(Parts {
            meters,
            health,
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

/// What the site counts beside its requests: who follows, and what happened to them.
fn meters(live: &Live) -> Meters {
    let meters = Meters::new();
    let live = live.clone();
    meters.collect(move |out| {
        let counts = live.counts();
        let followers: [(Labels<'_>, f64); 3] = [
            (&[("door", "sse")], counts.sse as f64),
            (&[("door", "poll")], counts.poll as f64),
            (&[("door", "ws")], counts.ws as f64),
        ];
        out.gauge("feed_followers", "Connections that follow, by door.", &followers);
        let ends: [(Labels<'_>, u64); 4] = [
            (&[("what", "gap")], counts.gaps),
            (&[("what", "closed_behind")], counts.closed_behind),
            (&[("what", "ended")], counts.ended),
            (&[("what", "sent_back")], counts.sent_back),
        ];
        out.counter(
            "feed_follower_events_total",
            "What happened to those who follow.",
            &ends,
        );
    });
    meters
}

/// Ready while the store answers.
fn health(store: &Store) -> Health {
    let store = store.downgrade();
    Health::new().check("store", STORE_ANSWERS_WITHIN, move || {
        let store = store.upgrade();
        async move {
            match store {
                Some(store) => store.cursor().await.map(drop).map_err(|error| error.detail()),
                None => Err("the store is closed".to_owned()),
            }
        }
    })
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
