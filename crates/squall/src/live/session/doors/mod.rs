//! The ways in: two-way, two-way in two parts, one-way.

mod api;
mod emulation;
mod open;
mod stream;
mod ws;

use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get, post};
use http::Method;
use http::request::Parts;
use squall_hub::presence::{Presence, PresenceConfig};

use super::config::SessionConfig;
use super::framing::{Carrier, Framing, Transport};
use super::policy::SessionPolicy;
use super::protocol::Form;
use super::shared::{SessionCounts, Shared};
use super::{Order, OrderFor, SessionSpec};
use crate::live::access::Door;
use crate::live::api::Live;
use crate::live::commands::{Command, What};
use crate::live::session::record::ClientId;
use crate::live::style::Style;
use crate::live::ticket::Spec;

/// Mounts every way into sessions of `live`: see [`Sessions::router`].
pub fn router<S: Clone + Send + Sync + 'static>(live: &Live, policy: impl SessionPolicy) -> Router<S> {
    Sessions::new(live, policy).router()
}

/// Sessions of a [`Live`], and the doors to them. Cheap to clone; every clone is the same.
#[derive(Clone)]
pub struct Sessions {
    live: Live,
    pub(super) shared: Arc<Shared>,
    trusted_origins: Vec<String>,
    any_origin: bool,
}

impl Sessions {
    /// Sessions as `policy` allows them.
    ///
    /// # Panics
    /// When `live` has sessions already: they are made at start, once.
    pub fn new(live: &Live, policy: impl SessionPolicy) -> Self {
        Self::with_config(live, SessionConfig::default(), policy)
    }

    /// As [`Sessions::new`], with limits.
    ///
    /// # Panics
    /// As [`Sessions::new`].
    pub fn with_config(live: &Live, config: SessionConfig, policy: impl SessionPolicy) -> Self {
        let presence = PresenceConfig {
            session_topics_max: config.subscriptions_max,
            topic_bytes_max: config.channel_bytes_max,
            ..PresenceConfig::default()
        };
        Self::with_presence(live, config, Presence::new(presence), policy)
    }

    /// As [`Sessions::with_config`], with a list of who is there that others fill, too: other nodes, for one.
    ///
    /// # Panics
    /// As [`Sessions::new`].
    pub fn with_presence(
        live: &Live,
        config: SessionConfig,
        presence: Presence,
        policy: impl SessionPolicy,
    ) -> Self {
        let shared = Arc::new(Shared::new(live, policy, config, presence));
        let set = live.inner.sessions.set(shared.clone());
        assert!(set.is_ok(), "a Live has one policy for sessions, given at start");
        Self {
            live: live.clone(),
            shared,
            trusted_origins: Vec::new(),
            any_origin: false,
        }
    }

    /// Lets pages of `origin` (`https://app.example`) in, beside those of our own host; with their cookies.
    #[must_use]
    pub fn trust_origin(mut self, origin: impl Into<String>) -> Self {
        self.trusted_origins.push(origin.into());
        self
    }

    /// Lets pages of any origin in: only where no cookie says who somebody is.
    #[must_use]
    pub fn any_origin(mut self) -> Self {
        self.any_origin = true;
        self
    }

    /// Every way in, where Centrifugo has it: `/connection/websocket`, `/connection/http_stream`, `/connection/sse` with
    /// `/emulation` for their commands, and the one-way `/connection/uni_websocket`, `/connection/uni_http_stream` and
    /// `/connection/uni_sse`.
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let ways = Ways::new(self);
        let stream = |transport| {
            let (ways, other) = (ways.clone(), ways.clone());
            post(async move |request| stream::posted(&ways, transport, request).await)
                .options(async move |request| open::preflight(&other, request))
        };
        let events = |transport| {
            let (ways, other) = (ways.clone(), ways.clone());
            stream(transport).merge(
                get(async move |request| stream::got(&ways, transport, request).await)
                    .head(async move |request| stream::asked_for_head(&other, request)),
            )
        };
        let ws = |transport| {
            let ways = ways.clone();
            any(async move |request| ws::serve(&ways, transport, request).await)
        };
        let (emulated, preflighted) = (ways.clone(), ways.clone());
        let emulation = post(async move |request| emulation::serve(&emulated, request).await)
            .options(async move |request| open::preflight(&preflighted, request));
        Router::new()
            .route("/connection/websocket", ws(Transport::WebSocket))
            .route("/connection/http_stream", stream(Transport::HttpStream))
            .route("/connection/sse", events(Transport::Sse))
            .route("/emulation", emulation)
            .route("/connection/uni_websocket", ws(Transport::UniWebSocket))
            .route("/connection/uni_http_stream", stream(Transport::UniHttpStream))
            .route("/connection/uni_sse", events(Transport::UniSse))
    }

    /// How many there are, and what happened to them.
    pub fn counts(&self) -> SessionCounts {
        self.shared.counters.read()
    }

    /// Who is where.
    pub fn presence(&self) -> &Presence {
        &self.shared.presence
    }

    /// The limits.
    pub fn config(&self) -> &SessionConfig {
        &self.shared.config
    }

    /// Says something to the sessions of a user, on all cores. It holds for everything that is published afterwards.
    pub(crate) fn order(&self, user: &str, client: Option<ClientId>, what: OrderFor) {
        let order = Order {
            user: user.to_owned(),
            client,
            what,
        };
        self.live.command(Command {
            owner: self.shared.owner(user),
            kind: None,
            what: What::Session(Arc::new(order)),
        });
    }
}

/// What the doors share.
#[derive(Clone)]
struct Ways(Arc<Inner>);

struct Inner {
    live: Live,
    shared: Arc<Shared>,
    trusted_origins: Vec<String>,
    any_origin: bool,
    /// By [`Framing::index`].
    specs: Vec<Arc<Spec>>,
}

impl Ways {
    fn new(sessions: &Sessions) -> Self {
        let specs = Framing::all().map(|framing| Arc::new(spec(&sessions.shared, framing)));
        Self(Arc::new(Inner {
            live: sessions.live.clone(),
            shared: sessions.shared.clone(),
            trusted_origins: sessions.trusted_origins.clone(),
            any_origin: sessions.any_origin,
            specs: specs.collect(),
        }))
    }

    fn spec(&self, framing: Framing) -> Arc<Spec> {
        self.0.specs[usize::from(framing.index())].clone()
    }
}

pub(super) fn spec(shared: &Arc<Shared>, framing: Framing) -> Spec {
    let door = match framing.transport.carrier() {
        Carrier::Ws => Door::Ws,
        Carrier::Stream | Carrier::Events => Door::Sse,
    };
    let mut spec = Spec::new(door, Style(shared.styles.publications(framing)));
    // Sessions have pings of their own.
    spec.heartbeat = bytes::Bytes::new();
    spec.message_bytes_max = shared.config.frame_bytes_max;
    spec.session = Some(SessionSpec {
        shared: shared.clone(),
        framing,
    });
    spec
}

/// JSON unless the query or the offered subprotocol says Protobuf.
fn asked_form(parts: &Parts) -> Form {
    let query = parts.uri.query().unwrap_or_default();
    let is_protobuf = query
        .split('&')
        .any(|pair| pair == "format=protobuf" || pair == "cf_protocol=protobuf");
    if is_protobuf { Form::Protobuf } else { Form::Json }
}

/// Whether it is a request whose answer has no body.
fn is_head(parts: &Parts) -> bool {
    parts.method == Method::HEAD
}
