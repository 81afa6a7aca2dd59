//! Server-sent events: `text/event-stream`, written and read (WHATWG HTML, section 9.2).

mod encode;
mod parse;

pub use encode::{EncodeError, Event, encode, encode_comment};
pub use parse::{ParseLimits, ParsedEvent, Parser, TooLarge};
