//! Who may do what: one trait, a method for each decision, each `no` unless it is implemented.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use squall_hub::Policy;

use super::codes::{Disconnect, SessionError};
use super::framing::Transport;
use super::record::ClientId;

/// What an application decides about sessions. Every method may await; what a session says meanwhile waits.
///
/// ```
/// use squall::live::session::{
///     ConnectAsk, Connected, Deny, SessionPolicy, SubscribeAsk, SubscribeOptions,
/// };
///
/// struct Public;
///
/// impl SessionPolicy for Public {
///     async fn connect(&self, _: ConnectAsk) -> Result<Connected, Deny> {
///         Ok(Connected::anonymous())
///     }
///     async fn subscribe(&self, ask: SubscribeAsk) -> Result<SubscribeOptions, Deny> {
///         match ask.channel.starts_with("public:") {
///             true => Ok(SubscribeOptions::recoverable()),
///             false => Err(Deny::permission()),
///         }
///     }
/// }
/// ```
pub trait SessionPolicy: Send + Sync + 'static {
    /// A session wants to begin. Default: closed with [`Disconnect::PERMISSION_DENIED`].
    fn connect(&self, ask: ConnectAsk) -> impl Future<Output = Result<Connected, Deny>> + Send {
        drop(ask);
        async { Err(Disconnect::PERMISSION_DENIED.into()) }
    }

    /// It wants to subscribe. Default: no, 103.
    fn subscribe(&self, ask: SubscribeAsk) -> impl Future<Output = Result<SubscribeOptions, Deny>> + Send {
        drop(ask);
        async { Err(Deny::permission()) }
    }

    /// It wants to publish. Default: no, 103.
    fn publish(&self, ask: PublishAsk) -> impl Future<Output = Result<PublishOptions, Deny>> + Send {
        drop(ask);
        async { Err(Deny::permission()) }
    }

    /// It wants to know who, or how many, are there. Default: no, 103.
    fn presence(&self, ask: ChannelAsk) -> impl Future<Output = Result<(), Deny>> + Send {
        drop(ask);
        async { Err(Deny::permission()) }
    }

    /// It wants to read what was published. Default: no, 103.
    fn history(&self, ask: ChannelAsk) -> impl Future<Output = Result<(), Deny>> + Send {
        drop(ask);
        async { Err(Deny::permission()) }
    }

    /// It calls the application, which answers (in JSON sessions with a JSON value). Default: 104.
    fn rpc(&self, ask: RpcAsk) -> impl Future<Output = Result<Bytes, Deny>> + Send {
        drop(ask);
        async { Err(SessionError::METHOD_NOT_FOUND.into()) }
    }

    /// It says something that is not answered. Default: closed with [`Disconnect::NOT_AVAILABLE`].
    fn message(&self, ask: MessageAsk) -> impl Future<Output = Result<(), Disconnect>> + Send {
        drop(ask);
        async { Err(Disconnect::NOT_AVAILABLE) }
    }

    /// It brings a new token. Default: 108.
    fn refresh(&self, ask: RefreshAsk) -> impl Future<Output = Result<Refreshed, Deny>> + Send {
        drop(ask);
        async { Err(SessionError::NOT_AVAILABLE.into()) }
    }

    /// It brings a new token for a subscription. Default: 108.
    fn sub_refresh(&self, ask: SubRefreshAsk) -> impl Future<Output = Result<Refreshed, Deny>> + Send {
        drop(ask);
        async { Err(SessionError::NOT_AVAILABLE.into()) }
    }

    /// It is gone. Called once for each session that had begun.
    fn disconnected(&self, ask: Gone) -> impl Future<Output = ()> + Send {
        drop(ask);
        async {}
    }
}

/// No, and how that is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deny {
    /// The command is answered with an error.
    Error(SessionError),
    /// The connection is closed.
    Disconnect(Disconnect),
}

impl Deny {
    /// 103: it may not.
    pub fn permission() -> Self {
        Self::Error(SessionError::PERMISSION_DENIED)
    }
}

impl From<SessionError> for Deny {
    fn from(error: SessionError) -> Self {
        Self::Error(error)
    }
}

impl From<Disconnect> for Deny {
    fn from(disconnect: Disconnect) -> Self {
        Self::Disconnect(disconnect)
    }
}

/// A token as it came. Its text is never written to a log by accident: `Debug` does not show it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Token(pub(crate) String);

impl Deref for Token {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() {
            "Token(none)"
        } else {
            "Token(…)"
        })
    }
}

/// What an application keeps for a session.
pub type SessionState = Arc<dyn Any + Send + Sync>;

/// Who has begun a session.
pub struct Caller {
    /// The session's id.
    pub client: ClientId,
    /// Whom it belongs to; empty for nobody in particular.
    pub user: Box<str>,
    /// What others may know of it: JSON for JSON clients.
    pub info: Bytes,
    /// By which way it came.
    pub transport: Transport,
    /// What the application gave it in [`Connected::state`].
    pub state: Option<SessionState>,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("client", &self.client)
            .field("user", &self.user)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

/// A session wants to begin.
#[derive(Debug)]
pub struct ConnectAsk {
    /// The id it will have.
    pub client: ClientId,
    /// What it brings, if anything.
    pub token: Token,
    /// Whatever it wants to say.
    pub data: Bytes,
    /// The client's name: whatever it says.
    pub name: String,
    /// The client's version: whatever it says.
    pub version: String,
    /// What a browser could not send as header fields: whatever it says, to be trusted as little as `data`.
    pub headers: BTreeMap<String, String>,
    /// By which way it comes.
    pub transport: Transport,
    /// The request that opened the connection, with everything that layers put into its extensions: who is signed in,
    /// for one.
    pub request: Arc<Parts>,
}

/// A session may begin.
#[derive(Clone, Default)]
pub struct Connected {
    /// Whom it belongs to; empty for nobody in particular.
    pub user: String,
    /// What others may know of it: JSON for JSON clients.
    pub info: Bytes,
    /// What it is told: JSON for JSON clients.
    pub data: Bytes,
    /// When it ends unless it is refreshed, in seconds since 1970.
    pub expires_at_s: Option<u64>,
    /// Clients refresh it themselves, with a new token, before it ends. Otherwise the application does it.
    pub client_refresh: bool,
    /// What the server subscribes it to.
    pub subscriptions: Vec<(String, SubscribeOptions)>,
    /// Whatever the application wants to keep with it.
    pub state: Option<SessionState>,
}

impl Connected {
    /// As nobody in particular, without an end.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// As this user, without an end.
    pub fn user(user: impl Into<String>) -> Self {
        Self {
            user: user.into(),
            ..Self::default()
        }
    }
}

/// It wants to subscribe.
#[derive(Debug)]
pub struct SubscribeAsk {
    /// Who.
    pub caller: Arc<Caller>,
    /// To what.
    pub channel: String,
    /// What it brings, if anything.
    pub token: Token,
    /// Whatever it wants to say.
    pub data: Bytes,
    /// It asks for a position.
    pub positioned: bool,
    /// It asks to be able to recover.
    pub recoverable: bool,
    /// It asks to be told who comes and goes.
    pub join_leave: bool,
}

/// What is recovered when a client comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recovery {
    /// Everything that it missed.
    #[default]
    Stream,
    /// The newest message alone: for values of which only the latest matters.
    Cache,
}

/// How a subscription is.
#[derive(Clone, Debug, Default)]
pub struct SubscribeOptions {
    /// Its client is told the position, and of gaps.
    pub positioned: bool,
    /// Its client may recover what it missed. Implies `positioned`.
    pub recoverable: bool,
    /// What is recovered.
    pub recovery: Recovery,
    /// It is listed among those who are there.
    pub presence: bool,
    /// It is told when others who are listed come and go.
    pub join_leave: bool,
    /// Deltas may be sent, if its client asks for them.
    pub delta: bool,
    /// Its client may ask for messages with some tags alone.
    pub tags_filter: bool,
    /// What happens when it falls behind what the log holds.
    pub policy: Policy,
    /// What others may know of it in this channel: JSON for JSON clients.
    pub info: Bytes,
    /// What its client is told: JSON for JSON clients.
    pub data: Bytes,
    /// When it ends unless it is refreshed, in seconds since 1970.
    pub expires_at_s: Option<u64>,
    /// Clients refresh it themselves, with a new token, before it ends.
    pub client_refresh: bool,
}

impl SubscribeOptions {
    /// Messages from now on, and no more.
    pub fn plain() -> Self {
        Self::default()
    }

    /// Whoever comes back gets what it missed, or is told that it cannot be had.
    pub fn recoverable() -> Self {
        Self {
            positioned: true,
            recoverable: true,
            ..Self::default()
        }
    }
}

/// It wants to publish.
#[derive(Debug)]
pub struct PublishAsk {
    /// Who.
    pub caller: Arc<Caller>,
    /// Where.
    pub channel: String,
    /// What.
    pub data: Bytes,
    /// It is subscribed there.
    pub subscribed: bool,
    /// What others may know of it there.
    pub chan_info: Bytes,
}

/// How something is published.
#[derive(Clone, Debug, Default)]
pub struct PublishOptions {
    /// Who published it is not told.
    pub anonymous: bool,
    /// Its tags.
    pub tags: Vec<(String, String)>,
    /// Other data instead; `None` publishes what came.
    pub data: Option<Bytes>,
}

/// It wants something of a channel.
#[derive(Debug)]
pub struct ChannelAsk {
    /// Who.
    pub caller: Arc<Caller>,
    /// Which.
    pub channel: String,
    /// It is subscribed there.
    pub subscribed: bool,
}

/// It calls the application.
#[derive(Debug)]
pub struct RpcAsk {
    /// Who.
    pub caller: Arc<Caller>,
    /// What it calls; may be empty.
    pub method: String,
    /// With what.
    pub data: Bytes,
}

/// It says something that is not answered.
#[derive(Debug)]
pub struct MessageAsk {
    /// Who.
    pub caller: Arc<Caller>,
    /// What.
    pub data: Bytes,
}

/// It brings a new token.
#[derive(Debug)]
pub struct RefreshAsk {
    /// Who.
    pub caller: Arc<Caller>,
    /// The token.
    pub token: Token,
}

/// It brings a new token for a subscription.
#[derive(Debug)]
pub struct SubRefreshAsk {
    /// Who.
    pub caller: Arc<Caller>,
    /// Which.
    pub channel: String,
    /// The token.
    pub token: Token,
}

/// What was refreshed.
#[derive(Clone, Debug, Default)]
pub struct Refreshed {
    /// When it ends now, in seconds since 1970; `None` for never.
    pub expires_at_s: Option<u64>,
    /// What others may know of it from now on; `None` leaves that as it is.
    pub info: Option<Bytes>,
}

/// A session is gone.
#[derive(Debug)]
pub struct Gone {
    /// Whose.
    pub caller: Arc<Caller>,
    /// Why; [`Disconnect::CONNECTION_CLOSED`] if nobody here closed it.
    pub disconnect: Disconnect,
    /// What it was subscribed to.
    pub channels: Vec<Arc<str>>,
}
