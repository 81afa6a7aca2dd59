//! What a long-poll's answer is made of.

use std::io::Write;

use squall_hub::{Cursor, Message};

use super::{Encode, Encoded, Lost, ws};

/// `{"cursor","topic","data"}`: an element of the answer's `messages`.
pub(crate) struct PollJson;

impl Encode for PollJson {
    fn message(&self, message: &Message, cursor: &Cursor, out: &mut Vec<u8>) -> Encoded {
        ws::object(message, cursor, out);
        Encoded::Text
    }
}

/// Appends `{"after","resume"}`: what every door says of a gap.
pub(crate) fn gap_object(lost: &Lost, out: &mut Vec<u8>) {
    let _ = write!(
        out,
        "{{\"after\":\"{}\",\"resume\":\"{}\"}}",
        lost.after, lost.resume
    );
}
