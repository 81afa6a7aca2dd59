//! WebSocket messages: with their cursor, or bare.

use std::io::Write;

use squall_hub::{Cursor, Message};

use super::{Encode, Encoded, Lost, data_member, gap_object, json_string};

/// `{"cursor","topic","data"}`: the default style of a WebSocket door.
pub(crate) struct WsJson;

impl Encode for WsJson {
    fn message(&self, message: &Message, cursor: &Cursor, out: &mut Vec<u8>) -> Encoded {
        object(message, cursor, out);
        Encoded::Text
    }

    fn gap(&self, lost: &Lost, out: &mut Vec<u8>) -> Encoded {
        let _ = write!(out, "{{\"cursor\":\"{}\",\"gap\":", lost.resume);
        gap_object(lost, out);
        out.push(b'}');
        Encoded::Text
    }
}

/// Appends `{"cursor","topic","data"}`.
pub(super) fn object(message: &Message, cursor: &Cursor, out: &mut Vec<u8>) {
    let _ = write!(out, "{{\"cursor\":\"{cursor}\",\"topic\":");
    json_string(&message.topic, out);
    out.push(b',');
    data_member(&message.data, out);
    out.push(b'}');
}

/// The data alone. There is no room for a gap in it.
pub(crate) struct WsBare;

impl Encode for WsBare {
    fn message(&self, message: &Message, _: &Cursor, out: &mut Vec<u8>) -> Encoded {
        out.extend_from_slice(&message.data);
        if std::str::from_utf8(&message.data).is_ok() {
            Encoded::Text
        } else {
            Encoded::Binary
        }
    }
}
