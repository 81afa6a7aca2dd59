//! Pages of a timeline: `max_id`, `since_id`, `min_id` and `limit` in, a `Link` field (RFC 8288) out.

use squall::web::http::{HeaderMap, HeaderValue, Uri, header};

use super::error::ApiError;
use super::params::Params;
use crate::domain::Paging;

/// How many entries a page has when the client does not say.
pub(crate) const LIMIT_DEFAULT: usize = 20;
/// The most entries of a page of status updates.
pub(crate) const LIMIT_MAX: usize = 40;
/// How many people a page has when the client does not say.
pub(crate) const PEOPLE_LIMIT_DEFAULT: usize = 40;
/// The most entries of a page of people.
pub(crate) const PEOPLE_LIMIT_MAX: usize = 80;

/// Which page of a list of status updates is wanted.
///
/// # Errors
/// 422 for an id that is not a number.
pub(crate) fn of_statuses(params: &Params) -> Result<Paging, ApiError> {
    read(params, LIMIT_DEFAULT, LIMIT_MAX)
}

/// Which page of a list of people is wanted.
///
/// # Errors
/// 422 for an id that is not a number.
pub(crate) fn of_people(params: &Params) -> Result<Paging, ApiError> {
    read(params, PEOPLE_LIMIT_DEFAULT, PEOPLE_LIMIT_MAX)
}

/// Reads the four parameters. A limit above `limit_max` is `limit_max`, one of 0 or nonsense the default.
///
/// # Errors
/// 422 for an id that is not a number.
pub(crate) fn read(params: &Params, limit_default: usize, limit_max: usize) -> Result<Paging, ApiError> {
    let id = |name: &str| match params.filled(name) {
        None => Ok(None),
        Some(text) => parse_id(&text).map(Some).ok_or_else(ApiError::invalid_record),
    };
    Ok(Paging {
        max_id: id("max_id")?,
        since_id: id("since_id")?,
        min_id: id("min_id")?,
        limit: limit(params, limit_default, limit_max),
    })
}

/// The parameter `limit` by itself.
#[must_use]
pub(crate) fn limit(params: &Params, default: usize, max: usize) -> usize {
    match params.number("limit") {
        None | Some(0) => default,
        Some(wanted) => usize::try_from(wanted).unwrap_or(max).min(max),
    }
}

/// A place in a list as clients send it: decimal digits. Not an id that must exist: clients make them out of dates,
/// and some dates are far away.
fn parse_id(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

/// The fields of a page that was answered to a request for `uri`: its `Link`, or none when it is empty.
#[must_use]
pub(crate) fn fields(origin: &str, uri: &Uri, paging: &Paging, ids: &[u64]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    if let (Some(first), Some(last)) = (ids.first(), ids.last()) {
        let keep = kept(uri.query().unwrap_or_default());
        if let Some(value) = link(origin, uri.path(), &keep, (*first, *last), paging.limit) {
            fields.insert(header::LINK, value);
        }
    }
    fields
}

/// The `Link` field for a page whose first entry is `first` and whose last is `last`: `rel="next"` first, because
/// clients look for it at the start, then `rel="prev"`. `None` for a path that no field can hold.
///
/// `path` is the endpoint without a query; `keep` are the client's other parameters, still urlencoded.
fn link(
    origin: &str,
    path: &str,
    keep: &str,
    (first, last): (u64, u64),
    limit: usize,
) -> Option<HeaderValue> {
    let keep = if keep.is_empty() {
        String::new()
    } else {
        format!("{keep}&")
    };
    let value = format!(
        "<{origin}{path}?{keep}limit={limit}&max_id={last}>; rel=\"next\", \
         <{origin}{path}?{keep}limit={limit}&min_id={first}>; rel=\"prev\""
    );
    HeaderValue::try_from(value).ok()
}

/// The parameters of `query` that a page's neighbours keep: all but the four that say where the page is.
fn kept(query: &str) -> String {
    let mut kept = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if !matches!(
            &*name,
            "max_id" | "since_id" | "min_id" | "limit" | "access_token"
        ) {
            kept.append_pair(&name, &value);
        }
    }
    kept.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn page(query: &str) -> Result<Paging, ApiError> {
        of_statuses(&Params::read(query, "", bytes::Bytes::new()).await.unwrap())
    }

    #[tokio::test]
    async fn limits_are_bounded_and_ids_are_numbers() {
        for (query, limit) in [
            ("", 20),
            ("limit=1", 1),
            ("limit=40", 40),
            ("limit=41", 40),
            ("limit=0", 20),
            ("limit=x", 20),
        ] {
            assert_eq!(page(query).await.unwrap().limit, limit, "{query}");
        }
        let read = page("max_id=9&min_id=&since_id=99999999999999999999999")
            .await
            .unwrap();
        assert_eq!(
            (read.max_id, read.min_id, read.since_id),
            (Some(9), None, Some(u64::MAX))
        );
        for query in ["max_id=x", "since_id=-1", "min_id=1%20"] {
            assert_eq!(page(query).await.unwrap_err().status(), 422, "{query}");
        }
    }

    #[test]
    fn next_comes_first_and_other_parameters_stay() {
        let uri: Uri = "/api/v1/timelines/public?local=true&max_id=7&limit=2"
            .parse()
            .unwrap();
        let paging = Paging {
            limit: 2,
            ..Paging::default()
        };
        assert_eq!(
            fields("http://h", &uri, &paging, &[9, 8])[header::LINK],
            "<http://h/api/v1/timelines/public?local=true&limit=2&max_id=8>; rel=\"next\", \
             <http://h/api/v1/timelines/public?local=true&limit=2&min_id=9>; rel=\"prev\""
        );
        assert!(fields("http://h", &uri, &paging, &[]).is_empty());
        assert_eq!(kept("a=%0d%0aX&access_token=s"), "a=%0D%0AX");
    }
}
