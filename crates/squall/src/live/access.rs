//! Who may follow what: the question, the answer, and the refusal.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};

use squall_hub::Policy;

use super::encode::json_string;
use super::style::Style;

/// Which door somebody came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// Server-Sent Events.
    Sse,
    /// Long-polling.
    Poll,
    /// WebSocket.
    Ws,
}

/// Somebody asks to follow topics.
#[derive(Debug)]
pub struct Ask {
    /// What is asked for: the topics of the route, or the repeated `topic` of the query.
    pub topics: Vec<String>,
    /// By which door.
    pub door: Door,
    /// The request, with everything that layers put into its extensions (who is signed in, for one).
    pub parts: Parts,
}

/// What somebody may follow, and as whom.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    pub(crate) topics: Vec<(String, Option<Style>)>,
    pub(crate) owner: u64,
    pub(crate) kind: u32,
    pub(crate) policy: Policy,
}

impl Grant {
    /// These topics, in the door's own style. They need not be the ones that were asked for.
    pub fn topics<T: Into<String>>(topics: impl IntoIterator<Item = T>) -> Self {
        let topics = topics.into_iter().map(|topic| (topic.into(), None)).collect();
        Self {
            topics,
            ..Self::default()
        }
    }

    /// One more topic, in a style of its own: the same message can be framed with the name of its stream.
    #[must_use]
    pub fn topic_as(mut self, topic: impl Into<String>, style: Style) -> Self {
        self.topics.push((topic.into(), Some(style)));
        self
    }

    /// Whom the connection belongs to (a person's number), so that it can be ended from the server. Default: 0, nobody.
    #[must_use]
    pub fn owner(mut self, owner: u64) -> Self {
        self.owner = owner;
        self
    }

    /// What it belongs to within its owner (a number of the session or the token, a sort of stream). Default: 0.
    #[must_use]
    pub fn kind(mut self, kind: u32) -> Self {
        self.kind = kind;
        self
    }

    /// What happens when it does not read for so long that the log forgets what is next. Default: [`Policy::Gap`].
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }
}

/// Lets anyone follow what the route names: for topics that are public.
///
/// ```
/// # use squall::live::{self, Hub, HubConfig, Live};
/// let live = Live::new(Hub::new(HubConfig::default()), live::anyone);
/// ```
pub async fn anyone(ask: Ask) -> Result<Grant, Refusal> {
    Ok(Grant::topics(ask.topics))
}

/// A moment before rights were looked at; see [`Live::moment`](super::Live::moment).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(pub(crate) u64);

/// Why somebody may not follow, as a response: a problem in JSON (RFC 9457), or any other.
#[derive(Debug)]
pub struct Refusal(Box<Response>);

impl Refusal {
    /// 401: nobody is signed in.
    pub fn unauthorized() -> Self {
        Self::problem(StatusCode::UNAUTHORIZED, "Sign in first.")
    }

    /// 403: whoever is signed in may not follow this.
    pub fn forbidden() -> Self {
        Self::problem(StatusCode::FORBIDDEN, "You may not follow this.")
    }

    /// 404: there is no such thing, or nobody may know.
    pub fn not_found() -> Self {
        Self::problem(StatusCode::NOT_FOUND, "There is nothing to follow here.")
    }

    /// Any status, with a sentence for who reads it.
    pub fn problem(status: StatusCode, detail: &str) -> Self {
        Self(Box::new(problem(status, detail)))
    }
}

impl From<Response> for Refusal {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        *self.0
    }
}

/// A problem as RFC 9457 writes it.
fn problem(status: StatusCode, detail: &str) -> Response {
    let mut body = format!("{{\"status\":{},\"title\":", status.as_u16()).into_bytes();
    json_string(status.canonical_reason().unwrap_or("Error"), &mut body);
    body.extend_from_slice(b",\"detail\":");
    json_string(detail, &mut body);
    body.push(b'}');
    let mut response = (status, body).into_response();
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Which topics a door is for.
#[derive(Clone)]
pub struct Topics(Kind);

type FromRequest = dyn Fn(&Parts) -> Vec<String> + Send + Sync;

#[derive(Clone)]
enum Kind {
    Fixed(Vec<String>),
    Query,
    With(Arc<FromRequest>),
}

impl Topics {
    /// Whatever the query asks for: `?topic=room&topic=news`.
    pub fn query() -> Self {
        Self(Kind::Query)
    }

    /// Made from the request, from its path for example.
    pub fn with(topics: impl Fn(&Parts) -> Vec<String> + Send + Sync + 'static) -> Self {
        Self(Kind::With(Arc::new(topics)))
    }

    pub(crate) fn of(&self, parts: &Parts, query: &super::doors::Query) -> Vec<String> {
        match &self.0 {
            Kind::Fixed(topics) => topics.clone(),
            Kind::Query => query.topics.clone(),
            Kind::With(topics) => topics(parts),
        }
    }
}

impl<const N: usize> From<[&str; N]> for Topics {
    fn from(topics: [&str; N]) -> Self {
        Self(Kind::Fixed(topics.map(str::to_owned).to_vec()))
    }
}

impl From<Vec<String>> for Topics {
    fn from(topics: Vec<String>) -> Self {
        Self(Kind::Fixed(topics))
    }
}
