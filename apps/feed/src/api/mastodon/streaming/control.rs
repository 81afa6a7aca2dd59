//! What clients say on a WebSocket: `{"type":"subscribe","stream":"user"}`.

use serde::Deserialize;
use serde_json::json;

use super::names::Wanted;
use crate::api::mastodon::error::ApiError;

/// The longest message that is read, in bytes.
pub(super) const CONTROL_BYTES_MAX: usize = 4 * 1024;

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Control {
    /// Follow this too.
    Subscribe(Wanted),
    /// And not this any more.
    Unsubscribe(Wanted),
    /// A type that is none of ours: passed over, as Mastodon does.
    Other,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(rename = "type")]
    kind: Option<String>,
    stream: Option<String>,
    tag: Option<String>,
}

impl Control {
    /// Reads one text message.
    ///
    /// # Errors
    /// 400 for what is no JSON object or no stream, 404 for a list; 413 past [`CONTROL_BYTES_MAX`].
    pub(super) fn read(text: &str) -> Result<Self, ApiError> {
        use squall::web::http::StatusCode;
        if text.len() > CONTROL_BYTES_MAX {
            return Err(ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "The message is too long",
            ));
        }
        let raw: Raw =
            serde_json::from_str(text).map_err(|_| ApiError::new(StatusCode::BAD_REQUEST, "Invalid JSON"))?;
        let wanted = || Wanted::read(raw.stream.as_deref().unwrap_or_default(), raw.tag.as_deref());
        match raw.kind.as_deref() {
            Some("subscribe") => Ok(Control::Subscribe(wanted()?)),
            Some("unsubscribe") => Ok(Control::Unsubscribe(wanted()?)),
            _ => Ok(Control::Other),
        }
    }
}

/// A refusal as it is said on the WebSocket, which stays open.
pub(super) fn refusal(error: &ApiError) -> String {
    json!({ "error": error.text(), "status": error.status().as_u16() }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_read() {
        let wanted = |name: &str| Wanted::read(name, Some("x")).unwrap();
        for (text, expected) in [
            (
                r#"{"type":"subscribe","stream":"user"}"#,
                Control::Subscribe(wanted("user")),
            ),
            (
                r#"{"type":"unsubscribe","stream":"public","extra":1}"#,
                Control::Unsubscribe(wanted("public")),
            ),
            (
                r##"{"type":"subscribe","stream":"hashtag","tag":"#X"}"##,
                Control::Subscribe(wanted("hashtag")),
            ),
            (r#"{"type":"pong"}"#, Control::Other),
            ("{}", Control::Other),
        ] {
            assert_eq!(Control::read(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn refusals_name_a_status() {
        for (text, expected) in [
            ("x", r#"{"error":"Invalid JSON","status":400}"#),
            ("[]", r#"{"error":"Invalid JSON","status":400}"#),
            (
                r#"{"type":"subscribe"}"#,
                r#"{"error":"Unknown stream type","status":400}"#,
            ),
            (
                r#"{"type":"subscribe","stream":"list","list":"1"}"#,
                r#"{"error":"Record not found","status":404}"#,
            ),
        ] {
            assert_eq!(refusal(&Control::read(text).unwrap_err()), expected, "{text}");
        }
        let long = |len: usize| format!("{{}}{}", " ".repeat(len - 2));
        assert!(Control::read(&long(CONTROL_BYTES_MAX)).is_ok());
        assert_eq!(
            Control::read(&long(CONTROL_BYTES_MAX + 1)).unwrap_err().status(),
            413
        );
    }
}
