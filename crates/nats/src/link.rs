//! One connection to the cluster, which finds its way to another server by itself.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event};
use tokio::sync::watch;

use crate::ask::Desk;
use crate::config::{Auth, NatsConfig};
use crate::shared::Shared;

/// A connection. It ends only when the servers do not let this node in any more; then another one is made.
pub(crate) struct Link {
    pub(crate) client: Client,
    /// Who asks, and waits for answers.
    pub(crate) desk: Desk,
    connected: watch::Receiver<bool>,
}

/// Why there is no connection.
pub(crate) enum LinkError {
    /// Trying again is of no use: the servers said no, or what is configured cannot be read.
    Denied(String),
    /// Trying again may be of use.
    Away(String),
}

impl Link {
    /// Connects to one of the servers.
    pub(crate) async fn connect(shared: &Arc<Shared>) -> Result<Arc<Self>, LinkError> {
        let config = &shared.config;
        let (says, connected) = watch::channel(false);
        let (addresses, user) = config.addresses();
        let options = options(config, user).await?;
        let heard = shared.clone();
        let says = Arc::new(says);
        let hears = says.clone();
        let options = options.event_callback(move |event| {
            hear(&heard, &hears, &event);
            std::future::ready(())
        });
        let client = options
            .connect(addresses)
            .await
            .map_err(|error| match error.kind() {
                ConnectErrorKind::AuthorizationViolation
                | ConnectErrorKind::Authentication
                | ConnectErrorKind::ServerParse => LinkError::Denied(error.to_string()),
                _ => LinkError::Away(error.to_string()),
            })?;
        says.send_replace(client.connection_state() == State::Connected);
        let desk = Desk::open(client.clone())
            .await
            .map_err(|why| LinkError::Away(why.to_string()))?;
        Ok(Arc::new(Self {
            client,
            desk,
            connected,
        }))
    }

    pub(crate) fn is_connected(&self) -> bool {
        *self.connected.borrow()
    }

    /// Waits until there is a server at the other end.
    pub(crate) async fn connected(&self) {
        let mut connected = self.connected.clone();
        // The sender lives as long as the client's own task: an error is the end of it, and `dead` says so.
        if connected.wait_for(|connected| *connected).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Tries another server: this one does not know of the stream.
    pub(crate) async fn leave(&self) {
        if self.is_connected() {
            let _ = self.client.force_reconnect().await;
        }
    }
}

/// What the client tells of its connection.
fn hear(shared: &Shared, says: &watch::Sender<bool>, event: &Event) {
    match event {
        Event::Connected => {
            says.send_replace(true);
            shared.changes.send_replace(());
        }
        Event::Disconnected | Event::Closed => {
            if says.send_replace(false) {
                shared.counters.disconnects.fetch_add(1, Ordering::Relaxed);
            }
            shared.changes.send_replace(());
            shared.went_away("the connection is lost");
        }
        Event::ServerError(error) => {
            tracing::warn!(%error, "a NATS server reports an error");
            shared.note(&error.to_string());
        }
        Event::LameDuckMode => tracing::info!("a NATS server is about to stop"),
        Event::SlowConsumer(_) => {
            shared.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Event::Draining | Event::ClientError(_) => {}
    }
}

async fn options(config: &NatsConfig, user: Option<(String, String)>) -> Result<ConnectOptions, LinkError> {
    let unreadable =
        |error: std::io::Error| LinkError::Denied(format!("the credentials cannot be read: {error}"));
    let mut options = match (&config.auth, user) {
        (Auth::None, None) => ConnectOptions::new(),
        (Auth::None, Some((user, password))) => ConnectOptions::with_user_and_password(user, password),
        (Auth::Password { user, password }, _) => {
            ConnectOptions::with_user_and_password(user.clone(), password.reveal().to_owned())
        }
        (Auth::Token(token), _) => ConnectOptions::with_token(token.reveal().to_owned()),
        (Auth::Nkey(seed), _) => ConnectOptions::with_nkey(seed.reveal().to_owned()),
        (Auth::Credentials(path), _) => ConnectOptions::with_credentials_file(path)
            .await
            .map_err(unreadable)?,
    };
    options = options
        .name(&config.name)
        .connection_timeout(Duration::from_millis(config.connect_timeout_ms))
        .ping_interval(Duration::from_millis(config.heartbeat_ms))
        .subscription_capacity(config.consume_messages_max)
        .reconnect_delay_callback(reconnect_delay);
    if !config.discover {
        options = options.ignore_discovered_servers();
    }
    if config.tls.required {
        options = options.require_tls(true);
    }
    if config.tls.first {
        options = options.tls_first();
    }
    if let Some(roots) = &config.tls.roots {
        options = options.add_root_certificates(roots.clone());
    }
    if let Some((certificate, key)) = &config.tls.certificate {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    Ok(options)
}

/// Full jitter, so that a thousand nodes do not come back in one moment; the first attempt is made at once.
fn reconnect_delay(attempts: usize) -> Duration {
    const MOST_MS: u64 = 2_000;
    if attempts <= 1 {
        return Duration::ZERO;
    }
    let doubled = u32::try_from(attempts.min(8)).unwrap_or(8);
    let most_ms = (25 << doubled).min(MOST_MS);
    Duration::from_millis(random_number() % most_ms)
}

/// A number that nobody else has.
pub(crate) fn random_number() -> u64 {
    let mut bytes = [0; 8];
    // Without a source of randomness, a number that was drawn from what differs between processes and calls must do:
    // nothing secret hangs on it.
    if getrandom::fill(&mut bytes).is_err() {
        static START: OnceLock<std::time::Instant> = OnceLock::new();
        let nanos = START.get_or_init(std::time::Instant::now).elapsed().as_nanos() as u64;
        return nanos ^ u64::from(std::process::id()) << 32;
    }
    u64::from_le_bytes(bytes)
}
