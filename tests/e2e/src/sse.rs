//! A reader of event streams, by the WHATWG text, written apart from ours so that each checks the other.

use std::io::{self, BufRead};

use crate::http::bad;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its type; empty is a plain message.
    pub event: String,
    /// Its lines joined.
    pub data: String,
    /// The last event id when it was dispatched.
    pub id: String,
}

/// Events out of bytes that come in pieces of any size.
#[derive(Debug)]
pub struct Events<R> {
    reader: R,
    /// The last event id: kept from event to event.
    id: String,
    /// What the stream said about how soon to come back, in milliseconds.
    pub retry_ms: Option<u64>,
    /// Comment lines so far, which are what heartbeats are.
    pub comments: u64,
}

impl<R: BufRead> Events<R> {
    /// Reads events from the body of a response.
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            id: String::new(),
            retry_ms: None,
            comments: 0,
        }
    }

    /// The next event that has data; `None` when the stream has ended. An event that was cut off is not an event.
    ///
    /// # Errors
    /// The connection broke.
    pub fn next_event(&mut self) -> io::Result<Option<Event>> {
        let mut event = Event::default();
        let mut has_data = false;
        loop {
            // As bytes: the stream may be cut in the middle of a character.
            let mut line = Vec::new();
            self.reader.read_until(b'\n', &mut line)?;
            let Some(line) = line.strip_suffix(b"\n") else {
                return Ok(None);
            };
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let line = str::from_utf8(line).map_err(|_| bad("an event that is not UTF-8"))?;
            if line.is_empty() {
                if has_data {
                    event.id.clone_from(&self.id);
                    return Ok(Some(event));
                }
                event = Event::default();
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" => self.comments += 1,
                "event" => value.clone_into(&mut event.event),
                "id" => value.clone_into(&mut self.id),
                "retry" => self.retry_ms = value.parse().ok().or(self.retry_ms),
                "data" => {
                    if has_data {
                        event.data.push('\n');
                    }
                    event.data.push_str(value);
                    has_data = true;
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_whole_or_absent() {
        let text = ": hello\nretry: 500\n\nid: e:1\ndata: a\ndata: b\n\nevent: gap\ndata: c\n\nid: e:9\ndata: cut off\n";
        let mut events = Events::new(text.as_bytes());
        let first = Event {
            event: String::new(),
            data: "a\nb".into(),
            id: "e:1".into(),
        };
        assert_eq!(events.next_event().unwrap(), Some(first));
        let second = Event {
            event: "gap".into(),
            data: "c".into(),
            id: "e:1".into(),
        };
        assert_eq!(events.next_event().unwrap(), Some(second));
        assert_eq!(events.next_event().unwrap(), None);
        assert_eq!((events.retry_ms, events.comments), (Some(500), 1));
    }
}
