//! What a client sent, however it sent it: query, urlencoded form, multipart or JSON, in one extractor.
//!
//! Why: the same endpoint is called in all four ways by clients of today, with arrays as `id[]`, nested names as
//! `source[privacy]`, and booleans in every spelling (`true`, `1`, `True`, `"0"`, `False`, `on`).
//! The body wins over the query. Files in a multipart body are dropped: there is no media.

mod multipart;
mod tree;

use bytes::Bytes;
use serde_json::Value;
use squall::web::Request;
use squall::web::extract::FromRequest;
use squall::web::http::{StatusCode, header};

use super::error::ApiError;

/// The most bytes of a body that is read. Longer ones are answered with 413.
pub(crate) const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The most names (with their values) that one request may have, query and body together.
pub(crate) const PARAMS_MAX: usize = 256;
/// The longest name, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 256;
/// How deep names may nest: `a[b][c]` is three.
pub(crate) const DEPTH_MAX: usize = 4;

/// Everything that came with a request, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Params(Value);

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let query = request.uri().query().unwrap_or_default().to_string();
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let content_type = content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_string();
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|rejected| ApiError::new(rejected.status(), "The body could not be read"))?;
        Params::read(&query, &content_type, body).await
    }
}

impl Params {
    /// Reads a query and a body of the named type. A body of a type that is none of ours counts as a form.
    ///
    /// # Errors
    /// 400 for a body that is not what its type says, or has too many, too long or too deep names; 413 when too long.
    pub(crate) async fn read(query: &str, content_type: &str, body: Bytes) -> Result<Self, ApiError> {
        if body.len() > BODY_BYTES_MAX {
            return Err(ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "The body is too long",
            ));
        }
        let mut tree = tree::Tree::default();
        tree.read_form(query.as_bytes())?;
        let kind = content_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        if body.is_empty() {
            // Some clients send a type and nothing of it.
        } else if kind == "application/json" || kind.ends_with("+json") {
            tree.read_json(&body)?;
        } else if kind == "multipart/form-data" {
            multipart::read(content_type, body, &mut tree).await?;
        } else {
            tree.read_form(&body)?;
        }
        Ok(Params(tree.into_value()))
    }

    /// The text of `name`; numbers and booleans as their text. `None`: absent, `null`, or not a single value.
    #[must_use]
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        as_text(self.0.get(name)?)
    }

    /// Like [`Params::text`], but an empty text is none.
    #[must_use]
    pub(crate) fn filled(&self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.trim().is_empty())
    }

    /// Whether `name` came at all.
    #[must_use]
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !value.is_null())
    }

    /// Whether `name` is set: anything but `false`, `0`, `f`, `off`, `no`, `none`, `null` and nothing.
    #[must_use]
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| {
            !matches!(
                text.trim().to_ascii_lowercase().as_str(),
                "" | "false" | "0" | "f" | "off" | "no" | "none" | "null"
            )
        })
    }

    /// A number.
    #[must_use]
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.trim().parse().ok()
    }

    /// Every value of `name[]`; a single value counts as a list of one, and `a[0]=…&a[1]=…` as a list too.
    #[must_use]
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        match self.0.get(name) {
            Some(Value::Array(values)) => values.iter().filter_map(as_text).collect(),
            Some(Value::Object(values)) => values.values().filter_map(as_text).collect(),
            Some(value) => as_text(value).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// What is nested under `name`: `source[privacy]` is `child("source").text("privacy")`.
    #[must_use]
    pub(crate) fn child(&self, name: &str) -> Params {
        Params(self.0.get(name).cloned().unwrap_or_default())
    }
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(query: &str, content_type: &str, body: &str) -> Result<Params, ApiError> {
        Params::read(query, content_type, Bytes::copy_from_slice(body.as_bytes())).await
    }

    const FORM: &str = "application/x-www-form-urlencoded";

    #[tokio::test]
    async fn the_same_values_come_out_of_all_four_ways() {
        let multipart = "--B\r\nContent-Disposition: form-data; name=\"id[]\"\r\n\r\n1\r\n\
                         --B\r\nContent-Disposition: form-data; name=\"id[]\"\r\n\r\n2\r\n\
                         --B\r\nContent-Disposition: form-data; name=\"source[privacy]\"\r\n\r\nprivate\r\n\
                         --B\r\nContent-Disposition: form-data; name=\"avatar\"; filename=\"a.png\"\r\n\
                         Content-Type: image/png\r\n\r\nxx\r\n--B--\r\n";
        let ways = [
            ("id[]=1&id%5B%5D=2&source[privacy]=private", "", ""),
            ("", FORM, "id[]=1&id[]=2&source%5Bprivacy%5D=private"),
            ("id[]=7", FORM, "id[]=1&id[]=2&source%5Bprivacy%5D=private"),
            (
                "",
                "application/json; charset=utf-8",
                r#"{"id":[1,"2"],"source":{"privacy":"private"}}"#,
            ),
            (
                "id[]=9",
                "application/json",
                r#"{"id":["1","2"],"source":{"privacy":"private"}}"#,
            ),
            ("", "multipart/form-data; boundary=B", multipart),
        ];
        for (query, content_type, body) in ways {
            let params = read(query, content_type, body).await.unwrap();
            assert_eq!(params.list("id"), ["1", "2"], "{content_type} {query}");
            assert_eq!(
                params.child("source").text("privacy").as_deref(),
                Some("private"),
                "{content_type}"
            );
            assert!(!params.has("avatar"));
        }
    }

    #[tokio::test]
    async fn booleans_come_in_every_spelling() {
        for (text, expected) in [
            ("true", true),
            ("1", true),
            ("True", true),
            ("on", true),
            ("t", true),
            ("false", false),
            ("0", false),
            ("False", false),
            ("off", false),
            ("None", false),
            ("", false),
        ] {
            assert_eq!(
                read("", FORM, &format!("x={text}")).await.unwrap().flag("x"),
                expected,
                "{text:?}"
            );
        }
        let json = read(
            "",
            "application/json",
            r#"{"a":true,"b":false,"c":1,"d":null,"e":"0"}"#,
        )
        .await
        .unwrap();
        assert_eq!(
            ["a", "b", "c", "d", "e", "f"].map(|name| json.flag(name)),
            [true, false, true, false, false, false]
        );
    }

    #[tokio::test]
    async fn single_values_lists_and_numbers_are_lenient() {
        let params = read("a=5&b=x&c[0]=p&c[1]=q&d=&e=a+b%20c", "", "").await.unwrap();
        assert_eq!(params.number("a"), Some(5));
        assert_eq!(params.number("b"), None);
        assert_eq!(params.list("b"), ["x"]);
        assert_eq!(params.list("c"), ["p", "q"]);
        assert_eq!(
            (params.text("d").as_deref(), params.filled("d")),
            (Some(""), None)
        );
        assert_eq!(params.text("e").as_deref(), Some("a b c"));
        assert_eq!(params.text("c"), None);
    }

    #[tokio::test]
    async fn what_is_not_what_its_type_says_is_refused() {
        for (content_type, body) in [
            ("application/json", "{"),
            ("application/json", "[1]"),
            ("application/json", "\"x\""),
            ("multipart/form-data; boundary=B", "no boundary"),
            ("multipart/form-data", "--B--"),
        ] {
            let error = read("", content_type, body).await.unwrap_err();
            assert_eq!(error.status(), 400, "{content_type} {body}");
        }
    }

    #[tokio::test]
    async fn names_and_bodies_are_bounded() {
        let many = |count: usize| {
            (0..count)
                .map(|n| format!("p{n}=1"))
                .collect::<Vec<_>>()
                .join("&")
        };
        assert!(read(&many(PARAMS_MAX), "", "").await.is_ok());
        assert_eq!(
            read(&many(PARAMS_MAX + 1), "", "").await.unwrap_err().status(),
            400
        );
        assert_eq!(
            read(&many(PARAMS_MAX), FORM, "x=1").await.unwrap_err().status(),
            400
        );

        let name = "n".repeat(NAME_BYTES_MAX);
        assert!(read("", FORM, &format!("{name}=1")).await.is_ok());
        assert_eq!(
            read("", FORM, &format!("{name}n=1")).await.unwrap_err().status(),
            400
        );

        assert!(read("a[b][c][d]=1", "", "").await.is_ok());
        assert_eq!(read("a[b][c][d][e]=1", "", "").await.unwrap_err().status(), 400);

        let body = format!("x={}", "y".repeat(BODY_BYTES_MAX - 2));
        assert!(read("", FORM, &body).await.is_ok());
        assert_eq!(
            read("", FORM, &format!("{body}y")).await.unwrap_err().status(),
            413
        );
    }
}
