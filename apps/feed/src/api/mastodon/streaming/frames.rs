//! A message of the hub as clients read it on a stream.
//!
//! The payload is what [`crate::stream`] put into the message, taken out as it stands: nothing is parsed twice.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// The part of a hub message that programs read.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    notification: Option<&'a RawValue>,
}

/// An event's name, and its payload: JSON without a line end, or the bare id of what was deleted.
pub(super) struct Told<'a> {
    pub(super) event: &'static str,
    pub(super) payload: Cow<'a, str>,
}

/// What a message tells programs; `None` for what they do not know.
pub(super) fn told(data: &[u8]) -> Option<Told<'_>> {
    let message: Message<'_> = serde_json::from_slice(data).ok()?;
    let (event, payload) = match &*message.event {
        "update" => ("update", Cow::Borrowed(message.status?.get())),
        "notification" => ("notification", Cow::Borrowed(message.notification?.get())),
        "delete" => ("delete", message.id),
        _ => return None,
    };
    // Ours is compact JSON, in which a line end is always escaped. If it ever is not, saying nothing beats breaking the
    // client's parser.
    (!payload.contains(['\n', '\r'])).then_some(Told { event, payload })
}

/// A WebSocket frame's text: the streams, the event, and the payload as a string.
pub(super) fn ws_text(labels: &[String], told: &Told<'_>) -> Option<String> {
    #[derive(serde::Serialize)]
    struct Frame<'a> {
        stream: &'a [String],
        event: &'static str,
        payload: &'a str,
    }
    serde_json::to_string(&Frame {
        stream: labels,
        event: told.event,
        payload: &told.payload,
    })
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_taken_as_they_stand() {
        let update = br#"{"event":"update","id":"7","author":"1","audience":"public","html":"<p>\n","status":{"id":"7","a":[1,"x\ny"]}}"#;
        let update = told(update).unwrap();
        assert_eq!(
            (update.event, &*update.payload),
            ("update", r#"{"id":"7","a":[1,"x\ny"]}"#)
        );
        let delete = told(br#"{"event":"delete","id":"7","author":"1","audience":"me"}"#).unwrap();
        assert_eq!((delete.event, &*delete.payload), ("delete", "7"));
        let note =
            told(br#"{"event":"notification","id":"9","kind":"follow","html":"","notification":{"id":"9"}}"#);
        assert_eq!(&*note.unwrap().payload, r#"{"id":"9"}"#);
    }

    #[test]
    fn what_programs_do_not_know_is_passed_over() {
        for data in [
            "",
            "{}",
            "null",
            r#"{"event":"update","id":"7"}"#,
            r#"{"event":"page","id":"7"}"#,
        ] {
            assert!(told(data.as_bytes()).is_none(), "{data}");
        }
        assert!(told(b"{\"event\":\"update\",\"id\":\"7\",\"status\":{\n}}").is_none());
    }

    #[test]
    fn the_payload_of_a_frame_is_a_string() {
        let data = br#"{"event":"update","id":"7","status":{"id":"7"}}"#;
        assert_eq!(
            ws_text(&["user".into()], &told(data).unwrap()).unwrap(),
            r#"{"stream":["user"],"event":"update","payload":"{\"id\":\"7\"}"}"#
        );
        let delete = br#"{"event":"delete","id":"7"}"#;
        assert_eq!(
            ws_text(&["hashtag".into(), "rust".into()], &told(delete).unwrap()).unwrap(),
            r#"{"stream":["hashtag","rust"],"event":"delete","payload":"7"}"#
        );
    }
}
