//! Centrifugo's client protocol: types, and the two forms they have on the wire.
//!
//! - JSON: commands in lines, replies in lines; the application's data is embedded as it is.
//! - Protobuf: each command and reply after its length (a varint).
//!
//! Field names and numbers are those of `client.proto` of github.com/centrifugal/protocol.
//! Not here: sockets, sessions, what a command does.

mod command;
mod raw;
mod reply;

use std::fmt;

use prost::Message;
use serde::Serialize;

pub use command::*;
pub(crate) use raw::embed;
pub use reply::*;

/// Most commands in one frame.
pub const COMMANDS_MAX: usize = 512;

/// How a session's commands and replies are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// Text, in lines.
    Json,
    /// Binary, each message after its length.
    Protobuf,
}

/// What came is no frame of commands, or one with too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a frame of commands")
    }
}

impl std::error::Error for Malformed {}

/// Reads the commands of one frame: at least one, at most [`COMMANDS_MAX`].
///
/// ```
/// use squall::live::session::protocol::{Form, decode_commands};
///
/// let commands = decode_commands(Form::Json, b"{\"id\":1,\"connect\":{}}\n{\"id\":2,\"rpc\":{\"data\":[1]}}").unwrap();
/// assert_eq!(commands[1].rpc.as_ref().unwrap().data, "[1]");
/// ```
///
/// # Errors
/// [`Malformed`], whatever is wrong with whichever of them.
pub fn decode_commands(form: Form, frame: &[u8]) -> Result<Vec<Command>, Malformed> {
    let mut commands = Vec::new();
    let mut push = |command| {
        commands.push(command);
        (commands.len() <= COMMANDS_MAX).then_some(()).ok_or(Malformed)
    };
    match form {
        Form::Json => {
            let lines = frame.strip_suffix(b"\n").unwrap_or(frame);
            for line in lines.split(|byte| *byte == b'\n') {
                push(decode_json(line)?)?;
            }
        }
        Form::Protobuf => {
            let mut rest = frame;
            while !rest.is_empty() {
                push(Command::decode_length_delimited(&mut rest).map_err(|_| Malformed)?)?;
            }
        }
    }
    if commands.is_empty() {
        return Err(Malformed);
    }
    Ok(commands)
}

/// Reads one JSON object, and nothing after it.
pub(crate) fn decode_json<T: for<'de> serde::Deserialize<'de>>(json: &[u8]) -> Result<T, Malformed> {
    // A list of values would do as well, if it were not asked for an object.
    if !json.trim_ascii_start().starts_with(b"{") {
        return Err(Malformed);
    }
    serde_json::from_slice(json).map_err(|_| Malformed)
}

/// Appends one message: JSON without a line break, Protobuf after its length.
pub fn encode<T: Message + Serialize>(form: Form, message: &T, out: &mut Vec<u8>) {
    match form {
        Form::Json => {
            let before = out.len();
            if let Err(error) = serde_json::to_writer(&mut *out, message) {
                debug_assert!(false, "our own messages can be written: {error}");
                out.truncate(before);
            }
        }
        Form::Protobuf => {
            let room = message.encode_length_delimited(out);
            debug_assert!(room.is_ok(), "a vector grows");
        }
    }
}

#[cfg(test)]
mod tests;
