//! A follower that goes through any of the three doors, and takes its cursor from one to the next.

use std::io::{self, ErrorKind};

use serde_json::Value;

use crate::agent::Agent;
use crate::sse::Events;
use crate::ws::{Heard, Ws};

/// How messages are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Server-Sent Events.
    Sse,
    /// Long-polling.
    Poll,
    /// A WebSocket.
    WebSocket,
}

/// The three doors to the same topics: paths without a query.
#[derive(Clone, Debug)]
pub struct Paths {
    /// Where the events are.
    pub sse: String,
    /// Where to ask for messages.
    pub poll: String,
    /// Where the WebSocket is.
    pub ws: String,
}

/// One message, and where the stream stands after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Everything up to here has been received.
    pub cursor: String,
    /// What was published.
    pub data: String,
}

/// One follower over all of its connections.
#[derive(Debug)]
pub struct Follower {
    agent: Agent,
    paths: Paths,
    /// Where to go on; none is from now on.
    pub cursor: Option<String>,
    /// Everything that was handed over, in order.
    pub messages: Vec<Message>,
    /// How often the server said that something is lost.
    pub gaps: u32,
}

impl Follower {
    /// A follower that has received nothing after `cursor`.
    #[must_use]
    pub fn new(agent: Agent, paths: Paths, cursor: Option<String>) -> Self {
        Self {
            agent,
            paths,
            cursor,
            messages: Vec::new(),
            gaps: 0,
        }
    }

    /// Follows through one door until the connection ends, or until `enough` is true of all messages so far.
    /// Gives whether it was enough.
    ///
    /// # Errors
    /// The connection broke. What was whole by then has been taken, and the cursor says so.
    pub fn visit(&mut self, door: Door, enough: impl Fn(&[Message]) -> bool) -> io::Result<bool> {
        if enough(&self.messages) {
            return Ok(true);
        }
        match door {
            Door::Sse => self.visit_sse(enough),
            Door::Poll => self.visit_poll(enough),
            Door::WebSocket => self.visit_ws(enough),
        }
    }

    fn query(&self, path: &str, more: &str) -> String {
        match &self.cursor {
            Some(cursor) => format!("{path}?cursor={cursor}{more}"),
            None => format!("{path}?{}", more.trim_start_matches('&')),
        }
    }

    fn take(&mut self, cursor: String, data: String) {
        self.cursor = Some(cursor.clone());
        self.messages.push(Message { cursor, data });
    }

    fn visit_sse(&mut self, enough: impl Fn(&[Message]) -> bool) -> io::Result<bool> {
        // As a browser does it: the first cursor is in the address, later ones are in the field.
        let field = self
            .cursor
            .as_ref()
            .map(|cursor| format!("Last-Event-ID: {cursor}\r\n"));
        let mut events = Events::new(self.agent.stream(&self.paths.sse, &field.unwrap_or_default())?);
        while let Some(event) = events.next_event()? {
            if event.event == "gap" {
                self.gaps += 1;
                self.cursor = Some(event.id);
                continue;
            }
            self.take(event.id, event.data);
            if enough(&self.messages) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn visit_poll(&mut self, enough: impl Fn(&[Message]) -> bool) -> io::Result<bool> {
        loop {
            let reply = self
                .agent
                .get(&self.query(&self.paths.poll, "&timeout_ms=20000"))?;
            if reply.status() != 200 {
                return Err(io::Error::other(format!("status {}", reply.status())));
            }
            let answer = reply.json();
            self.gaps += u32::from(!answer["gap"].is_null());
            for message in answer["messages"].as_array().into_iter().flatten() {
                self.take(text(&message["cursor"])?, text(&message["data"])?);
            }
            self.cursor = Some(text(&answer["cursor"])?);
            if enough(&self.messages) {
                return Ok(true);
            }
        }
    }

    fn visit_ws(&mut self, enough: impl Fn(&[Message]) -> bool) -> io::Result<bool> {
        let mut ws = Ws::connect(
            self.agent.addr(),
            &self.query(&self.paths.ws, ""),
            &self.agent.fields(),
        )?;
        loop {
            let Heard::Text(frame) = ws.hear()? else {
                return Ok(false);
            };
            let frame: Value = serde_json::from_str(&frame)?;
            if frame.get("gap").is_some() {
                self.gaps += 1;
                self.cursor = Some(text(&frame["cursor"])?);
                continue;
            }
            self.take(text(&frame["cursor"])?, text(&frame["data"])?);
            if enough(&self.messages) {
                return Ok(true);
            }
        }
    }
}

/// A text in JSON.
fn text(value: &Value) -> io::Result<String> {
    let text = value
        .as_str()
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidData, format!("{value} is no text")));
    text.map(str::to_owned)
}
