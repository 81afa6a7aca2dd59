//! Sessions as a client of Centrifugo has them: connect, subscribe to each topic from where it was, and believe what is said.
//!
//! Each topic is followed for itself, with an offset of its own. What could not be recovered (`recovered: false`) is a gap
//! that was told; the subscription goes on from where its reply says.

use std::io;

use prost::Message as _;
use squall::live::session::protocol::{
    Command, ConnectRequest, EmulationRequest, Form, Publication, Reply, SubscribeRequest, SubscribeResult,
    encode,
};

use crate::doors::{expect, frame, head};
use crate::line::{Damage, Line};
use crate::rng::Rng;
use crate::server;
use crate::subscriber::Subscriber;

/// What carries a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// WebSocket.
    WebSocket,
    /// A response that goes on.
    HttpStream,
    /// Server-Sent Events.
    Sse,
}

/// A reply is shorter.
const REPLY_BYTES_MAX: usize = 64 << 20;

/// One connection's worth of a session.
struct Visit<'v, 'w> {
    way: Way,
    form: Form,
    line: &'v mut Line<'w>,
    subscriber: &'v Subscriber,
    /// The epoch that each topic's offsets are of; `None` while it is not subscribed.
    epochs: Vec<Option<String>>,
    /// The session's secret name and its node.
    session: (String, String),
    /// What a WebSocket's message had beyond the first reply.
    rest: Vec<u8>,
}

/// Follows every topic until the line ends or the subscriber is done.
///
/// # Errors
/// The line was cut, or what came is no answer.
pub async fn visit(
    way: Way,
    protobuf: bool,
    line: &mut Line<'_>,
    subscriber: &Subscriber,
    rng: &mut Rng,
) -> io::Result<()> {
    let mut visit = Visit {
        way,
        form: if protobuf { Form::Protobuf } else { Form::Json },
        line,
        subscriber,
        epochs: vec![None; subscriber.plan.topics.len()],
        session: Default::default(),
        rest: Vec::new(),
    };
    let mut commands = vec![Command {
        id: 1,
        connect: Some(ConnectRequest::default()),
        ..Command::default()
    }];
    // Everything at once, or one after the other. Events begin with a link, which may only connect.
    let at_once = way != Way::Sse && rng.one_in(2);
    if at_once {
        commands.extend((0..visit.epochs.len()).map(|topic| visit.subscribe(topic)));
    }
    visit.open(&visit.written(&commands)).await?;
    while !subscriber.is_done() {
        let bytes = visit.next().await?;
        let reply = visit.reply(&bytes)?;
        if let Some(connect) = &reply.connect {
            visit.session = (connect.session.clone(), connect.node.clone());
            if !at_once {
                let all: Vec<Command> = (0..visit.epochs.len())
                    .map(|topic| visit.subscribe(topic))
                    .collect();
                visit.say(&all).await?;
            }
        }
        visit.heard(reply).await?;
    }
    Ok(())
}

impl Visit<'_, '_> {
    fn nonsense(&self, what: impl std::fmt::Debug) -> io::Error {
        self.subscriber
            .nonsense(format!("{:?} {:?}: {what:?}", self.way, self.form))
    }

    /// The command that follows a topic from where the subscriber is.
    fn subscribe(&self, topic: usize) -> Command {
        let cursor = self.subscriber.cursor(topic);
        let from = cursor.as_deref().and_then(|cursor| cursor.split_once(':'));
        let (epoch, offset) = from.unwrap_or(("", "0"));
        Command {
            id: 2 + topic as u32,
            subscribe: Some(SubscribeRequest {
                channel: server::topic_name(self.subscriber.plan.topics[topic]),
                recover: from.is_some(),
                epoch: epoch.into(),
                offset: offset.parse().unwrap_or(0),
                recoverable: true,
                positioned: true,
                ..SubscribeRequest::default()
            }),
            ..Command::default()
        }
    }

    fn written(&self, commands: &[Command]) -> Vec<u8> {
        let mut out = Vec::new();
        for (nth, command) in commands.iter().enumerate() {
            if nth > 0 && self.form == Form::Json {
                out.push(b'\n');
            }
            encode(self.form, command, &mut out);
        }
        out
    }

    /// Opens the door with these commands.
    async fn open(&mut self, commands: &[u8]) -> io::Result<()> {
        let protobuf = self.form == Form::Protobuf;
        match self.way {
            Way::WebSocket => {
                let protocol = if protobuf {
                    "centrifuge-protobuf"
                } else {
                    "centrifuge-json"
                };
                let request = format!(
                    "GET /connection/websocket HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\n\
                     Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {protocol}\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                );
                self.line.write(request.as_bytes()).await?;
                expect(101, &head(self.line, self.subscriber).await?, self.subscriber)?;
                self.write_frame(commands).await
            }
            Way::HttpStream => {
                let request = posted("/connection/http_stream", protobuf, commands);
                self.line.write(&request).await?;
                expect(200, &head(self.line, self.subscriber).await?, self.subscriber)
            }
            Way::Sse => {
                let query: String = commands.iter().map(|byte| format!("%{byte:02x}")).collect();
                let request = format!("GET /connection/sse?cf_connect={query} HTTP/1.1\r\nHost: t\r\n\r\n");
                self.line.write(request.as_bytes()).await?;
                expect(200, &head(self.line, self.subscriber).await?, self.subscriber)
            }
        }
    }

    /// A WebSocket message, under a mask of zeros: RFC 6455 section 5.3.
    async fn write_frame(&mut self, payload: &[u8]) -> io::Result<()> {
        let opcode = if self.form == Form::Protobuf { 0x82 } else { 0x81 };
        let mut bytes = vec![opcode];
        match payload.len() {
            short @ 0..=125 => bytes.push(0x80 | short as u8),
            long => {
                bytes.push(0x80 | 126);
                bytes.extend_from_slice(&u16::try_from(long).unwrap_or(u16::MAX).to_be_bytes());
            }
        }
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(payload);
        self.line.write(&bytes).await
    }

    /// Says something in a session that has begun: on its line, or beside it.
    async fn say(&mut self, commands: &[Command]) -> io::Result<()> {
        let commands = self.written(commands);
        if self.way == Way::WebSocket {
            return self.write_frame(&commands).await;
        }
        let (session, node) = self.session.clone();
        let request = EmulationRequest {
            node,
            session,
            data: commands.into(),
        };
        let protobuf = self.form == Form::Protobuf;
        let body = if protobuf {
            request.encode_to_vec()
        } else {
            serde_json::to_vec(&request).unwrap_or_default()
        };
        let mut beside = self.line.another(Damage::default()).await?;
        beside.write(&posted("/emulation", protobuf, &body)).await?;
        let head = head(&mut beside, self.subscriber).await?;
        if head.status == 404 {
            // Another server by now: the stream ends.
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        expect(204, &head, self.subscriber)
    }

    /// The bytes of the next reply.
    async fn next(&mut self) -> io::Result<Vec<u8>> {
        match (self.way, self.form) {
            (Way::WebSocket, _) => loop {
                if !self.rest.is_empty() {
                    let mut rest = std::mem::take(&mut self.rest);
                    let Some((taken, reply)) = first_reply(self.form, &rest, true) else {
                        return Err(self.nonsense(rest));
                    };
                    self.rest = rest.split_off(taken);
                    return Ok(reply);
                }
                let (opcode, payload) = frame(self.line, self.subscriber).await?;
                match opcode {
                    1 | 2 => self.rest = payload,
                    8 => return Err(self.closed(&payload)),
                    9 => {}
                    other => return Err(self.nonsense(other)),
                }
            },
            (Way::HttpStream, form) => loop {
                if let Some((taken, reply)) = first_reply(form, self.line.buffer(), false) {
                    self.line.take(taken);
                    return Ok(reply);
                }
                self.grow().await?;
            },
            (Way::Sse, _) => loop {
                let buffer = self.line.buffer();
                let Some(end) = buffer.windows(2).position(|two| two == b"\n\n") else {
                    self.grow().await?;
                    continue;
                };
                let event = buffer[..end].to_vec();
                self.line.take(end + 2);
                if let Some(data) = event.strip_prefix(b"data: ") {
                    return Ok(data.to_vec());
                }
                // A comment, or nothing.
                if !event.iter().all(|byte| b":\n\r".contains(byte)) {
                    return Err(self.nonsense(String::from_utf8_lossy(&event)));
                }
            },
        }
    }

    async fn grow(&mut self) -> io::Result<()> {
        if self.line.buffer().len() > REPLY_BYTES_MAX {
            return Err(self.nonsense("a reply without an end"));
        }
        self.line.more().await
    }

    /// A close frame: some codes say that the client must not come back, which nobody here deserves.
    fn closed(&self, payload: &[u8]) -> io::Error {
        let code = payload
            .first_chunk()
            .map_or(1005, |code| u16::from_be_bytes(*code));
        self.ended(u32::from(code))
    }

    fn ended(&self, code: u32) -> io::Error {
        if (3500..4000).contains(&code) || (4500..5000).contains(&code) {
            return self.nonsense(format!("closed for ever with {code}"));
        }
        io::ErrorKind::UnexpectedEof.into()
    }

    fn reply(&self, bytes: &[u8]) -> io::Result<Reply> {
        let reply = match self.form {
            Form::Json => serde_json::from_slice(bytes).ok(),
            Form::Protobuf => Reply::decode(bytes).ok(),
        };
        reply.ok_or_else(|| self.nonsense(String::from_utf8_lossy(bytes)))
    }

    async fn heard(&mut self, reply: Reply) -> io::Result<()> {
        if let Some(error) = &reply.error {
            if error.temporary {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            return Err(self.nonsense(error));
        }
        if let Some(subscribed) = reply.subscribe {
            return self.subscribed(reply.id as usize - 2, subscribed);
        }
        let Some(push) = reply.push else {
            // A ping, if it is no answer.
            let pong = reply.id == 0 && reply.connect.is_none();
            return if pong {
                self.say(&[Command::default()]).await
            } else {
                Ok(())
            };
        };
        if let Some(disconnect) = push.disconnect {
            return Err(self.ended(disconnect.code));
        }
        let number = server::topic_number(&push.channel);
        let topics = &self.subscriber.plan.topics;
        let Some(topic) = topics.iter().position(|topic| number == Some(*topic)) else {
            return Err(self.nonsense(push));
        };
        if let Some(publication) = push.publication {
            return self.publication(topic, &publication);
        }
        match push.unsubscribe {
            // It could not be kept up to date: it may come back, and is told then.
            Some(unsubscribe) if unsubscribe.code >= 2500 => {
                self.epochs[topic] = None;
                let again = self.subscribe(topic);
                self.say(&[again]).await
            }
            _ => Err(self.nonsense((push.channel, push.unsubscribe))),
        }
    }

    fn subscribed(&mut self, topic: usize, result: SubscribeResult) -> io::Result<()> {
        let place = format!("{}:{}", result.epoch, result.offset);
        let before = self.subscriber.cursor(topic);
        if topic >= self.epochs.len() || result.was_recovering != before.is_some() {
            return Err(self.nonsense(result));
        }
        self.epochs[topic] = Some(result.epoch.clone());
        match before {
            None => self.subscriber.moved(topic, &place)?,
            Some(before) if !result.recovered => self.subscriber.gap(topic, &before, &place, true)?,
            Some(_) => {}
        }
        for publication in &result.publications {
            self.publication(topic, publication)?;
        }
        Ok(())
    }

    fn publication(&self, topic: usize, publication: &Publication) -> io::Result<()> {
        let Some(epoch) = &self.epochs[topic] else {
            return Err(self.nonsense(("before its subscription", topic, publication.offset)));
        };
        let text = match self.form {
            Form::Json => serde_json::from_slice(&publication.data).ok(),
            Form::Protobuf => String::from_utf8(publication.data.to_vec()).ok(),
        };
        let cursor = format!("{epoch}:{}", publication.offset);
        let name = server::topic_name(self.subscriber.plan.topics[topic]);
        let text: String = text.ok_or_else(|| self.nonsense(&publication.data))?;
        self.subscriber.message(topic, &cursor, Some(&name), &text)
    }
}

fn posted(path: &str, protobuf: bool, body: &[u8]) -> Vec<u8> {
    let kind = if protobuf {
        "application/octet-stream"
    } else {
        "application/json"
    };
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: t\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

/// The first reply of what came and how many bytes it takes up. `whole`: there will be no more.
fn first_reply(form: Form, bytes: &[u8], whole: bool) -> Option<(usize, Vec<u8>)> {
    match form {
        Form::Json => match bytes.iter().position(|byte| *byte == b'\n') {
            Some(end) => Some((end + 1, bytes[..end].to_vec())),
            None => whole.then(|| (bytes.len(), bytes.to_vec())),
        },
        Form::Protobuf => {
            let mut rest = bytes;
            let length = prost::decode_length_delimiter(&mut rest).ok()?;
            let reply = rest.get(..length)?.to_vec();
            Some((bytes.len() - rest.len() + length, reply))
        }
    }
}
