//! From a message to what a client reads.
//!
//! A message is encoded once for each style on each core, on first need, and shared by all who follow.

mod json;
mod poll;
mod sse;
mod ws;

use squall_hub::{Cursor, Message};

pub(crate) use json::{data_member, string as json_string};
pub(crate) use poll::PollJson;
pub(crate) use poll::gap_object;
pub(crate) use sse::SseEvents;
pub(crate) use ws::{WsBare, WsJson};

/// Frames messages in an application's own way. A closure like [`Encode::message`] is one.
///
/// On a WebSocket door what is written to `out` is the payload of one message; on an SSE door it is written to the
/// stream as it is, so it must be whole events with their blank lines; on a poll door it is an element of a JSON array.
///
/// ```
/// use squall::live::{Cursor, Encode, Encoded, Message};
///
/// fn with_name(message: &Message, _: &Cursor, out: &mut Vec<u8>) -> Encoded {
///     out.extend_from_slice(b"news: ");
///     out.extend_from_slice(&message.data);
///     Encoded::Text
/// }
/// fn is_encode(_: impl Encode) {}
/// is_encode(with_name);
/// ```
pub trait Encode: Send + Sync + 'static {
    /// Appends what a client reads for `message`. `cursor` is what it hands back to go on after it.
    fn message(&self, message: &Message, cursor: &Cursor, out: &mut Vec<u8>) -> Encoded;

    /// Appends what a client reads when messages may be lost. [`Encoded::Skip`], the default, means that this
    /// style has no words for it: the connection is closed instead, so that a loss is never silent.
    fn gap(&self, lost: &Lost, out: &mut Vec<u8>) -> Encoded {
        let _ = (lost, out);
        Encoded::Skip
    }
}

impl<F> Encode for F
where
    F: Fn(&Message, &Cursor, &mut Vec<u8>) -> Encoded + Send + Sync + 'static,
{
    fn message(&self, message: &Message, cursor: &Cursor, out: &mut Vec<u8>) -> Encoded {
        self(message, cursor, out)
    }
}

/// What [`Encode`] has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoded {
    /// Nothing: this message is not for this style.
    Skip,
    /// UTF-8.
    Text,
    /// Anything; only a WebSocket tells it from text.
    Binary,
}

/// Messages between the two cursors may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The last thing that the client has received. Of another epoch, if its cursor was.
    pub after: Cursor,
    /// Where it goes on.
    pub resume: Cursor,
}
