//! Preconditions of a request, in the order in which they count (RFC 9110, section 13.2.2).

use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use squall_engine::wire::date::imf_fixdate;

use super::etag::{Comparison, Tag};

/// When a representation last changed, to the second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Modified {
    unix_seconds: u64,
    value: HeaderValue,
    /// It is the time of the change: not one that lies in the future and was replaced.
    exact: bool,
}

impl Modified {
    /// A time in the future is told as now (RFC 9110, section 8.8.2.1).
    pub(crate) fn new(time: SystemTime, now: SystemTime) -> Self {
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let unix_seconds = seconds(time.min(now));
        let value = HeaderValue::from_bytes(&imf_fixdate(unix_seconds)).expect("a date is text");
        Self {
            unix_seconds,
            value,
            exact: time <= now,
        }
    }

    /// For the `Last-Modified` field.
    pub(crate) fn value(&self) -> &HeaderValue {
        &self.value
    }
}

/// What the preconditions say to a GET or HEAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Answer it.
    Go,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

/// Evaluates all but `If-Range`.
pub(crate) fn check(headers: &HeaderMap, tag: &Tag, modified: Option<&Modified>) -> Verdict {
    if headers.contains_key(IF_MATCH) {
        if !tag.is_in(headers, IF_MATCH, Comparison::Strong) {
            return Verdict::Failed;
        }
    } else if let (Some(since), Some(modified)) = (date(headers, &IF_UNMODIFIED_SINCE), modified)
        && modified.unix_seconds > since
    {
        return Verdict::Failed;
    }
    if headers.contains_key(IF_NONE_MATCH) {
        if tag.is_in(headers, IF_NONE_MATCH, Comparison::Weak) {
            return Verdict::NotModified;
        }
    } else if let (Some(since), Some(modified)) = (date(headers, &IF_MODIFIED_SINCE), modified)
        && modified.unix_seconds <= since
    {
        return Verdict::NotModified;
    }
    Verdict::Go
}

/// Whether `If-Range` lets a `Range` count (section 13.1.5). True if there is none.
///
/// A date counts only if it is the very one that we sent, and only where a strong tag says that what we have has been
/// so since then: two changes in one second have the same date (section 8.8.2.2).
pub(crate) fn range_counts(headers: &HeaderMap, tag: &Tag, modified: Option<&Modified>) -> bool {
    let mut fields = headers.get_all(IF_RANGE).iter();
    match (fields.next(), fields.next()) {
        (None, _) => true,
        (Some(_), Some(_)) => false,
        (Some(field), None) if field.as_bytes().contains(&b'"') => tag.is_exactly(field.as_bytes()),
        (Some(_), None) => {
            let same = |modified: &Modified| {
                modified.exact && date(headers, &IF_RANGE) == Some(modified.unix_seconds)
            };
            !tag.is_weak() && modified.is_some_and(same)
        }
    }
}

/// The date in a field, in any of the three forms (section 5.6.7). `None`: there is none, several, or one that is
/// malformed; then the field does not count.
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    let mut fields = headers.get_all(name).iter();
    let (field, None) = (fields.next()?, fields.next()) else {
        return None;
    };
    let time = httpdate::parse_http_date(field.to_str().ok()?.trim()).ok()?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}
