//! A client of server-sent events.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use squall_engine::wire::sse::{ParseLimits, Parser};

use super::answer::{BodyReader, Part};
use super::raw::RawConn;
use super::{PATIENCE, SseEvent};

/// An open stream of events.
pub struct SseStream {
    conn: RawConn,
    headers: HeaderMap,
    body: BodyReader,
    parser: Parser,
    ready: VecDeque<SseEvent>,
    ended: bool,
}

impl SseStream {
    pub(super) fn new(conn: RawConn, headers: HeaderMap) -> Self {
        let body = BodyReader::new("GET", 200, &headers);
        let parser = Parser::new(ParseLimits::default());
        Self {
            conn,
            headers,
            body,
            parser,
            ready: VecDeque::new(),
            ended: false,
        }
    }

    /// The fields of the response.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The next event.
    ///
    /// # Panics
    /// When none comes in [`PATIENCE`], or the stream ends.
    #[track_caller]
    pub fn next_event(&mut self) -> SseEvent {
        match self.try_next(PATIENCE) {
            Some(event) => event,
            None if self.ended => panic!("the event stream has ended"),
            None => panic!("no event came in {PATIENCE:?}"),
        }
    }

    /// The next event, if one comes in that time and the stream does not end.
    pub fn try_next(&mut self, time: Duration) -> Option<SseEvent> {
        let deadline = Instant::now() + time;
        while self.ready.is_empty() && !self.ended {
            match self.body.read(&mut self.conn, deadline) {
                Part::Data(data) => self
                    .ready
                    .extend(self.parser.push(&data).expect("events within limits")),
                Part::End => self.ended = true,
                Part::TimedOut => return None,
            }
        }
        self.ready.pop_front()
    }

    /// What a browser would say in `Last-Event-ID`: where to go on.
    pub fn last_event_id(&self) -> &str {
        self.parser.last_event_id()
    }

    /// How long a browser would wait before it comes back, if the server said so.
    pub fn retry_ms(&self) -> Option<u64> {
        self.parser.retry_ms()
    }

    /// The events that come until the server ends the stream.
    ///
    /// # Panics
    /// When it does not in [`PATIENCE`].
    #[track_caller]
    pub fn until_end(&mut self) -> Vec<SseEvent> {
        let deadline = Instant::now() + PATIENCE;
        let mut events = Vec::new();
        while let Some(event) = self.try_next(deadline.saturating_duration_since(Instant::now())) {
            events.push(event);
        }
        assert!(self.ended, "the event stream did not end in {PATIENCE:?}");
        events
    }
}
