//! An error as handlers return it.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use axum::http::header::{HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};

use super::known;

/// Any error, as a cause.
pub(super) type Cause = Box<dyn StdError + Send + Sync>;

/// Why a request is not answered with what it asked for: a status from 400 to 599 and, as far as they are known, the
/// members of problem details (RFC 9457, section 3.1).
///
/// Every error turns into one by `?`. Most become a 500 whose cause is logged and never shown; those of extractors, of
/// request bodies and of [`crate::limits`] become the 4xx that they are.
///
/// What is shown is only what was said with [`detail`](Problem::detail), [`with`](Problem::with) and
/// [`invalid`](Problem::invalid).
///
/// ```
/// use squall::errors::{Problem, ProblemType};
///
/// const OUT_OF_CREDIT: ProblemType =
///     ProblemType::new("https://example.com/probs/out-of-credit", 403, "You do not have enough credit.");
///
/// let problem = Problem::of(&OUT_OF_CREDIT).detail("It costs 50, you have 30.").with("balance", 30);
/// assert!(problem.is(&OUT_OF_CREDIT) && problem.is_forbidden());
/// ```
pub struct Problem(Box<Inner>);

#[derive(Clone, Debug)]
pub(super) struct Inner {
    pub(super) status: StatusCode,
    /// A URI that names the type. None: `about:blank`, the status says it all.
    pub(super) kind: Option<Cow<'static, str>>,
    /// None: the status's phrase.
    pub(super) title: Option<Cow<'static, str>>,
    pub(super) detail: Option<String>,
    pub(super) instance: Option<String>,
    /// Extension members; never one of the five above.
    pub(super) members: Map<String, Value>,
    pub(super) invalid: Vec<Invalid>,
    /// Fields of the response.
    pub(super) fields: HeaderMap,
    /// For the log. Taken out when the problem becomes a response.
    pub(super) cause: Taken,
}

/// A cause is not cloned: whoever clones a problem has it without.
#[derive(Debug, Default)]
pub(super) struct Taken(pub(super) Option<Cause>);

impl Clone for Taken {
    fn clone(&self) -> Self {
        Taken(None)
    }
}

/// One part of a request that is not accepted, as in the example of RFC 9457, section 3.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Invalid {
    pub(super) detail: String,
    pub(super) pointer: String,
}

/// Extension members that a problem may have; more are left out.
pub(super) const MEMBERS_MAX: usize = 32;
/// Invalid parts that are listed; more are left out.
pub(super) const INVALID_MAX: usize = 100;

/// A kind of problem that has a name of its own: a constant of the program that handlers and callers share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProblemType {
    uri: &'static str,
    status: u16,
    title: &'static str,
}

impl ProblemType {
    /// `uri` names it for programs and should lead to its documentation; `title` is the same for every occurrence. A
    /// status outside 400 to 599 becomes 500.
    pub const fn new(uri: &'static str, status: u16, title: &'static str) -> Self {
        Self { uri, status, title }
    }
}

/// A constructor for a common status, and the question for it.
macro_rules! kinds {
    ($($make:ident, $is:ident, $status:ident, $doc:literal;)*) => {
        impl Problem {
            $(
                #[doc = concat!($doc, " (RFC 9110, section 15.5 and 15.6; RFC 6585 for 428 and 429).")]
                pub fn $make() -> Self {
                    Self::new(StatusCode::$status)
                }

                #[doc = concat!("Whether it is: ", $doc, ".")]
                pub fn $is(&self) -> bool {
                    self.0.status == StatusCode::$status
                }
            )*
        }
    };
}

kinds! {
    bad_request, is_bad_request, BAD_REQUEST, "400, the request makes no sense";
    unauthorized, is_unauthorized, UNAUTHORIZED, "401, nobody is signed in; to be sent with [`Problem::challenge`]";
    forbidden, is_forbidden, FORBIDDEN, "403, not for whoever asks";
    not_found, is_not_found, NOT_FOUND, "404, there is no such thing, or it is not for whoever asks";
    not_acceptable, is_not_acceptable, NOT_ACCEPTABLE, "406, not to be had in a form that `Accept` allows";
    conflict, is_conflict, CONFLICT, "409, it does not go together with how things are";
    gone, is_gone, GONE, "410, it was there and will not come back";
    precondition_failed, is_precondition_failed, PRECONDITION_FAILED, "412, things are not as the caller believes";
    content_too_large, is_content_too_large, PAYLOAD_TOO_LARGE, "413, more than is taken";
    unsupported_media_type, is_unsupported_media_type, UNSUPPORTED_MEDIA_TYPE, "415, not in a form that is taken";
    unprocessable, is_unprocessable, UNPROCESSABLE_ENTITY, "422, understood, and not accepted";
    precondition_required, is_precondition_required, PRECONDITION_REQUIRED, "428, say what you believe it is now";
    too_many_requests, is_too_many_requests, TOO_MANY_REQUESTS, "429, too often; see [`Problem::retry_after_s`]";
    internal, is_internal, INTERNAL_SERVER_ERROR, "500, a fault of ours";
    not_implemented, is_not_implemented, NOT_IMPLEMENTED, "501, not something that this server does";
    bad_gateway, is_bad_gateway, BAD_GATEWAY, "502, somebody that we asked failed";
    unavailable, is_unavailable, SERVICE_UNAVAILABLE, "503, not now; see [`Problem::retry_after_s`]";
    gateway_timeout, is_gateway_timeout, GATEWAY_TIMEOUT, "504, somebody that we asked did not answer in time";
}

impl Problem {
    /// A problem that its status says all about. A status that is no error becomes 500.
    pub fn new(status: StatusCode) -> Self {
        let error = status.is_client_error() || status.is_server_error();
        let status = if error {
            status
        } else {
            StatusCode::INTERNAL_SERVER_ERROR
        };
        Self(Box::new(Inner {
            status,
            kind: None,
            title: None,
            detail: None,
            instance: None,
            members: Map::new(),
            invalid: Vec::new(),
            fields: HeaderMap::new(),
            cause: Taken::default(),
        }))
    }

    /// A problem of that type.
    pub fn of(kind: &ProblemType) -> Self {
        let status = StatusCode::from_u16(kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut problem = Self::new(status);
        problem.0.kind = Some(Cow::Borrowed(kind.uri));
        problem.0.title = Some(Cow::Borrowed(kind.title));
        problem
    }

    /// What is wrong this time, for whoever caused it. It is shown: say nothing that is not for them.
    #[must_use]
    pub fn detail(mut self, text: impl Into<String>) -> Self {
        self.0.detail = Some(text.into());
        self
    }

    /// A short summary in place of the status's phrase.
    #[must_use]
    pub fn title(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.0.title = Some(text.into());
        self
    }

    /// A URI that names this one occurrence.
    #[must_use]
    pub fn instance(mut self, uri: impl Into<String>) -> Self {
        self.0.instance = Some(uri.into());
        self
    }

    /// An extension member (RFC 9457, section 3.2). At most 32; the names of the five standard members, and values
    /// that cannot be JSON, are left out.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Serialize) -> Self {
        let standard = [
            "type",
            "title",
            "status",
            "detail",
            "instance",
            "errors",
            "request_id",
        ];
        let members = &mut self.0.members;
        if !standard.contains(&name)
            && members.len() < MEMBERS_MAX
            && let Ok(value) = serde_json::to_value(value)
        {
            members.insert(name.to_owned(), value);
        }
        self
    }

    /// A part of the request that is not accepted: `pointer` says where (a JSON pointer as `#/age`, or the name of a
    /// form's field), `detail` why. They are the member `errors`, as in RFC 9457's example. At most 100.
    #[must_use]
    pub fn invalid(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        if self.0.invalid.len() < INVALID_MAX {
            let (pointer, detail) = (pointer.into(), detail.into());
            self.0.invalid.push(Invalid { detail, pointer });
        }
        self
    }

    /// When to try again, in seconds (`Retry-After`, RFC 9110, section 10.2.3).
    #[must_use]
    pub fn retry_after_s(self, seconds: u64) -> Self {
        self.field(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// How to sign in (`WWW-Authenticate`), which a 401 must say: `Bearer realm="api"`. Text that no field can hold is
    /// left out.
    #[must_use]
    pub fn challenge(self, how: &str) -> Self {
        match HeaderValue::try_from(how) {
            Ok(value) => self.field(WWW_AUTHENTICATE, value),
            Err(_) => self,
        }
    }

    /// A field of the response.
    #[must_use]
    pub fn field(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.fields.insert(name, value);
        self
    }

    /// Why it happened, for the log: never shown. Logged once, with the request's id: as an error for a 5xx, else at
    /// level debug.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<Cause>) -> Self {
        self.0.cause = Taken(Some(cause.into()));
        self
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Whether it is of that type.
    pub fn is(&self, kind: &ProblemType) -> bool {
        self.0.kind.as_deref() == Some(kind.uri)
    }

    /// Whether the caller can do something about it: a 4xx.
    pub fn is_client_error(&self) -> bool {
        self.0.status.is_client_error()
    }

    /// Whether it is our fault, or that of somebody we depend on: a 5xx.
    pub fn is_server_error(&self) -> bool {
        self.0.status.is_server_error()
    }

    pub(super) fn into_inner(self) -> Inner {
        *self.0
    }
}

impl Inner {
    /// The summary that is shown.
    pub(super) fn title(&self) -> &str {
        let phrase = self.status.canonical_reason().unwrap_or("Error");
        self.title.as_deref().unwrap_or(phrase)
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Problem {
    /// What is known to be the caller's fault keeps its status; everything else is a 500 with that cause.
    fn from(error: E) -> Self {
        known::of(&error).unwrap_or_else(|| Self::internal().cause(error))
    }
}

impl fmt::Display for Problem {
    /// Status and summary, and the detail if there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.status.as_u16(), self.0.title())?;
        match &self.0.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
