//! Server-Sent Events that carry their cursor as `id`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use squall_engine::wire::sse::{Event, encode};
use squall_hub::{Cursor, Message};

use super::{Encode, Encoded, Lost, gap_object};

/// The default style of an SSE door.
pub(crate) struct SseEvents;

impl Encode for SseEvents {
    fn message(&self, message: &Message, cursor: &Cursor, out: &mut Vec<u8>) -> Encoded {
        match std::str::from_utf8(&message.data) {
            Ok(text) => event(None, cursor, text, out),
            // An event stream is UTF-8 by definition.
            Err(_) => event(Some("binary"), cursor, &STANDARD.encode(&message.data), out),
        }
    }

    fn gap(&self, lost: &Lost, out: &mut Vec<u8>) -> Encoded {
        let mut data = Vec::new();
        gap_object(lost, &mut data);
        event(Some("gap"), &lost.resume, &String::from_utf8_lossy(&data), out)
    }
}

fn event(event: Option<&str>, cursor: &Cursor, data: &str, out: &mut Vec<u8>) -> Encoded {
    let id = cursor.to_string();
    match encode(
        &Event {
            event,
            id: Some(&id),
            retry_ms: None,
            data,
        },
        out,
    ) {
        Ok(()) => Encoded::Text,
        Err(error) => {
            debug_assert!(false, "our own names and cursors can be encoded: {error}");
            Encoded::Skip
        }
    }
}
