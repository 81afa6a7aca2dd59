//! What the query of a door says.

use std::borrow::Cow;

use http::request::Parts;
use squall_hub::Cursor;

/// Topics, cursor and time-out, as far as they are there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) topics: Vec<String>,
    pub(crate) cursor: Option<Cursor>,
    pub(crate) timeout_ms: Option<u64>,
}

/// One sentence for whoever wrote the request.
pub(crate) type Bad = &'static str;

const BAD_CURSOR: Bad = "The cursor is not `epoch:offset`.";

impl Query {
    /// Reads the query. `Last-Event-ID`, where it counts, is newer than a cursor in the URL: a browser reconnects
    /// to the URL that the page once had.
    pub(crate) fn read(parts: &Parts, last_event_id: bool) -> Result<Self, Bad> {
        let mut query = Self::default();
        for pair in parts.uri.query().unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "topic" => query
                    .topics
                    .push(decode(value).ok_or("A topic is not UTF-8.")?.into_owned()),
                "cursor" => query.cursor = cursor(&decode(value).ok_or(BAD_CURSOR)?)?,
                "timeout_ms" => {
                    query.timeout_ms = Some(value.parse().map_err(|_| "timeout_ms is not a number.")?)
                }
                _ => {}
            }
        }
        if last_event_id && let Some(id) = parts.headers.get("last-event-id") {
            query.cursor = cursor(id.to_str().map_err(|_| BAD_CURSOR)?)?.or(query.cursor);
        }
        Ok(query)
    }
}

/// Empty is none: a client that has no cursor yet may still have the parameter.
fn cursor(text: &str) -> Result<Option<Cursor>, Bad> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| BAD_CURSOR)
}

/// Percent and plus, decoded. `None` when that is not UTF-8.
fn decode(value: &str) -> Option<Cow<'_, str>> {
    if !value.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Some(Cow::Borrowed(value));
    }
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'+' => out.push(b' '),
            b'%' => match tail {
                [high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    out.push(digit(*high) << 4 | digit(*low));
                    rest = tail;
                }
                _ => out.push(b'%'),
            },
            other => out.push(*other),
        }
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

fn digit(byte: u8) -> u8 {
    char::from(byte).to_digit(16).unwrap_or_default() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(uri: &str, id: Option<&str>) -> Result<Query, Bad> {
        let mut request = http::Request::get(uri);
        if let Some(id) = id {
            request = request.header("last-event-id", id);
        }
        Query::read(&request.body(()).unwrap().into_parts().0, true)
    }

    #[test]
    fn everything_is_optional() {
        assert_eq!(read("/", None), Ok(Query::default()));
        assert_eq!(read("/?cursor=&x=%zz", None), Ok(Query::default()));
        let query = read("/?topic=a%3Ab+c&topic=d&cursor=ab%3A7&timeout_ms=5", None).unwrap();
        assert_eq!(query.topics, ["a:b c", "d"]);
        assert_eq!(query.cursor, Some("ab:7".parse().unwrap()));
        assert_eq!(query.timeout_ms, Some(5));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for uri in [
            "/?cursor=7",
            "/?cursor=a:b",
            "/?cursor=%ff",
            "/?timeout_ms=",
            "/?timeout_ms=-1",
            "/?topic=%ff",
        ] {
            assert!(read(uri, None).is_err(), "{uri}");
        }
    }

    #[test]
    fn the_last_event_id_is_newer_than_the_url() {
        assert_eq!(
            read("/?cursor=a:1", Some("a:2")).unwrap().cursor,
            Some("a:2".parse().unwrap())
        );
        assert_eq!(
            read("/?cursor=a:1", Some("")).unwrap().cursor,
            Some("a:1".parse().unwrap())
        );
        assert!(read("/?cursor=a:1", Some("x")).is_err());
    }
}
