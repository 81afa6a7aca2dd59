//! A page for those who run the server: topics, rates, lag, followers, and what is published right now.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use http::request::Parts;
use http::{HeaderName, StatusCode, header};
use serde::Deserialize;

use super::samples::quantile;
use super::{CURSOR_LAG_BOUNDS, LAG_BOUNDS_MS};
use crate::live::access::Grant;
use crate::live::api::Live;
use crate::live::doors::SseDoor;
use crate::live::encode::{Encode, Encoded, Lost, json_string};
use crate::live::style::Style;
use crate::live::{Cursor, Message, Policy};
use crate::templates::{RenderError, Templates, Value, context};
use crate::web::now_ms;

/// Topics on one page.
pub const TOPICS_SHOWN_MAX: usize = 50;

/// So many bytes of a message's data are shown, if any.
pub const TAP_BYTES_MAX: usize = 512;

/// Messages of a topic that are shown, and looked at for its rate.
const MESSAGES_SHOWN_MAX: usize = 20;
const MESSAGES_RATED_MAX: usize = 100;

/// Over how long a rate is taken, in milliseconds.
const RATE_MS: u64 = 60_000;

const PAGES: [(&str, &str); 3] = [
    ("base.html", include_str!("page/base.html")),
    ("topics.html", include_str!("page/topics.html")),
    ("topic.html", include_str!("page/topic.html")),
];
const STYLE: &str = include_str!("page/live.css");
const SCRIPT: &str = include_str!("page/live.js");

/// Nothing but our own style and script, no frame, no form elsewhere.
const CSP: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; \
                   frame-ancestors 'none'; base-uri 'none'";

/// Who may look: it sees the request with everything that layers have put into its extensions.
type Allow = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;

/// The page. It works without script; with it, a topic's page shows what is published as it is published.
///
/// Nobody may see it until you say who: everybody else gets a 404, as if there were none. What messages say is not shown either,
/// but how many they are, how large and how late.
///
/// ```
/// # use squall::live::{Admin, Hub, HubConfig, Live, anyone};
/// # let live = Live::new(Hub::new(HubConfig::default()), anyone);
/// use squall::web::Router;
///
/// #[derive(Clone)]
/// struct Operator;
///
/// let app: Router = Router::new().merge(
///     Admin::new(&live)
///         .allow(|request| request.extensions.get::<Operator>().is_some())
///         .router("/operators/live"),
/// );
/// ```
#[derive(Clone)]
pub struct Admin {
    live: Live,
    allow: Allow,
    shows_data: bool,
}

impl Admin {
    /// A page about `live` that nobody may see, and that shows no data.
    pub fn new(live: &Live) -> Self {
        Self {
            live: live.clone(),
            allow: Arc::new(|_| false),
            shows_data: false,
        }
    }

    /// Who may see it. Called for every request, so it must not block.
    #[must_use]
    pub fn allow(mut self, allow: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.allow = Arc::new(allow);
        self
    }

    /// Shows what messages say too, the first [`TAP_BYTES_MAX`] bytes: whoever sees the page then reads everybody's.
    #[must_use]
    pub fn show_data(mut self) -> Self {
        self.shows_data = true;
        self
    }

    /// Its routes, below `path` (`/admin/live`).
    ///
    /// # Panics
    /// When `path` does not begin with a slash, or ends in one; or when `live` has as many styles as it can have. At the start,
    /// that is.
    pub fn router<S: Clone + Send + Sync + 'static>(self, path: &str) -> Router<S> {
        assert!(
            path.starts_with('/') && !path.ends_with('/'),
            "the path of the page begins with a slash and does not end in one"
        );
        let tap = self.live.style(Tap {
            shows_data: self.shows_data,
        });
        let templates = Templates::embedded(&PAGES).build();
        let shown = Arc::new(Shown {
            path: path.to_owned(),
            templates: templates.unwrap_or_else(|error| panic!("the page's own templates: {error}")),
            tap,
            admin: self,
        });
        Router::new()
            .route(path, get(topics))
            .route(&format!("{path}/topic"), get(topic))
            .route(&format!("{path}/tap"), get(tapped))
            .route(&format!("{path}/live.css"), get(async || file("text/css", STYLE)))
            .route(
                &format!("{path}/live.js"),
                get(async || file("text/javascript", SCRIPT)),
            )
            .route_layer(from_fn_with_state(shown.clone(), guard))
            .with_state(shown)
    }
}

struct Shown {
    admin: Admin,
    path: String,
    templates: Templates,
    tap: Style,
}

/// Lets nobody in who may not; and lets nobody keep, frame or script what is seen.
async fn guard(State(shown): State<Arc<Shown>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if !(shown.admin.allow)(&parts) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let mut request = Request::from_parts(parts.clone(), body);
    request.extensions_mut().insert(Asked(Arc::new(parts)));
    let mut response = next.run(request).await;
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ] {
        response
            .headers_mut()
            .insert(name, http::HeaderValue::from_static(value));
    }
    response
}

/// The request, for a door.
#[derive(Clone)]
struct Asked(Arc<Parts>);

fn file(kind: &'static str, text: &'static str) -> Response {
    let kind = [(header::CONTENT_TYPE, format!("{kind}; charset=utf-8"))];
    (kind, Body::from(text)).into_response()
}

#[derive(Deserialize)]
struct Which {
    /// What names must have in them.
    #[serde(default)]
    q: String,
    /// The last name of the page before.
    #[serde(default)]
    after: String,
}

async fn topics(
    State(shown): State<Arc<Shown>>,
    Query(which): Query<Which>,
) -> Result<Html<String>, RenderError> {
    let live = &shown.admin.live;
    let names = live
        .hub()
        .topic_names(&which.q, &which.after, TOPICS_SHOWN_MAX + 1);
    let now = now_ms();
    let rows: Vec<Value> = names
        .iter()
        .take(TOPICS_SHOWN_MAX)
        .map(|name| row(&shown, name, now))
        .collect();
    let more = (names.len() > TOPICS_SHOWN_MAX).then(|| names[TOPICS_SHOWN_MAX - 1].to_string());
    let (counts, hub) = (live.counts(), live.hub().counts());
    let (lag, _) = live.inner.samples.lag_ms();
    let (behind, _) = live.inner.samples.cursor_lag();
    let closes: Vec<Value> = live
        .inner
        .counters
        .closes()
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(code, count)| context! { code, count })
        .collect();
    let context = context! {
        path => Value::from_safe_string(shown.path.clone()), q => which.q, rows, more, closes,
        sse => counts.sse, ws => counts.ws, poll => counts.poll,
        gaps => counts.gaps, recovered => counts.recovered, recovered_with_gap => counts.recovered_with_gap,
        topics => hub.topics, messages => hub.messages, bytes => hub.bytes,
        lag_p50 => text(quantile(&lag, &LAG_BOUNDS_MS, 0.5), lag.iter().sum(), " ms"),
        lag_p99 => text(quantile(&lag, &LAG_BOUNDS_MS, 0.99), lag.iter().sum(), " ms"),
        behind_p99 => text(quantile(&behind, &CURSOR_LAG_BOUNDS, 0.99), behind.iter().sum(), ""),
    };
    shown.templates.render("topics.html", context)
}

/// A bound for people.
fn text(bound: Option<u64>, samples: u64, unit: &str) -> String {
    match bound {
        Some(bound) => format!("≤ {bound}{unit}"),
        None if samples == 0 => "–".to_owned(),
        None => "more".to_owned(),
    }
}

fn row(shown: &Shown, name: &str, now_ms: u64) -> Value {
    let hub = shown.admin.live.hub();
    let counts = hub.topic_counts(name);
    let newest = hub.history(name, MESSAGES_RATED_MAX);
    let recent: Vec<u64> = newest
        .iter()
        .map(|message| message.at_ms)
        .filter(|at_ms| now_ms.saturating_sub(*at_ms) < RATE_MS)
        .collect();
    // Of a topic that is faster than that, only its last messages are looked at.
    let over_ms = match recent.iter().min() {
        Some(first) if recent.len() == MESSAGES_RATED_MAX => now_ms.saturating_sub(*first).max(1),
        _ => RATE_MS,
    };
    let rate = recent.len() as f64 * 1000.0 / over_ms as f64;
    let last_at_ms = newest.iter().map(|message| message.at_ms).max();
    context! {
        name, followers => counts.followers, messages => counts.messages, bytes => counts.bytes,
        rate => format!("{rate:.2}"), last_at_ms,
    }
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

async fn topic(
    State(shown): State<Arc<Shown>>,
    Query(Named { name }): Query<Named>,
) -> Result<Html<String>, RenderError> {
    let live = &shown.admin.live;
    // First the cursor: what comes after it comes through the tap.
    let cursor = live.hub().cursor();
    let mut newest = live.hub().history(&name, MESSAGES_SHOWN_MAX);
    newest.retain(|message| message.offset <= cursor.offset);
    newest.sort_by_key(|message| std::cmp::Reverse(message.offset));
    let shows_data = shown.admin.shows_data;
    let rows: Vec<Value> = newest
        .iter()
        .map(|message| {
            let data = shows_data.then(|| shown_data(message));
            context! { offset => message.offset, at_ms => message.at_ms, bytes => message.data.len(), data }
        })
        .collect();
    let context = context! {
        topic => row(&shown, &name, now_ms()),
        path => Value::from_safe_string(shown.path.clone()), name, rows, shows_data, cursor => cursor.to_string(),
    };
    shown.templates.render("topic.html", context)
}

/// What is published to a topic, as it is published. One that is faster than its reader skips, and says so.
async fn tapped(
    State(shown): State<Arc<Shown>>,
    Extension(Asked(parts)): Extension<Asked>,
    Query(Named { name }): Query<Named>,
) -> Response {
    let live = &shown.admin.live;
    let door = SseDoor::new().style(shown.tap);
    let grant = Grant::topics([name]).policy(Policy::Gap);
    live.sse_response(&door, &parts, live.moment(), grant)
}

/// The beginning of a message's data, as text.
fn shown_data(message: &Message) -> String {
    let data = &message.data[..message.data.len().min(TAP_BYTES_MAX)];
    let mut text = String::from_utf8_lossy(data).into_owned();
    if data.len() < message.data.len() {
        text.push('…');
    }
    text
}

/// `{"offset","at_ms","bytes","data"}` as an event; `data` only if it may be seen.
struct Tap {
    shows_data: bool,
}

impl Encode for Tap {
    fn message(&self, message: &Message, cursor: &Cursor, out: &mut Vec<u8>) -> Encoded {
        let (offset, at_ms, bytes) = (message.offset, message.at_ms, message.data.len());
        let head = format!(
            "id: {cursor}\ndata: {{\"offset\":{offset},\"at_ms\":{at_ms},\"bytes\":{bytes},\"data\":"
        );
        out.extend_from_slice(head.as_bytes());
        if self.shows_data {
            json_string(&shown_data(message), out);
        } else {
            out.extend_from_slice(b"null");
        }
        out.extend_from_slice(b"}\n\n");
        Encoded::Text
    }

    fn gap(&self, lost: &Lost, out: &mut Vec<u8>) -> Encoded {
        out.extend_from_slice(
            format!("event: gap\nid: {}\ndata: {}\n\n", lost.resume, lost.after).as_bytes(),
        );
        Encoded::Text
    }
}

#[cfg(test)]
mod tests;
