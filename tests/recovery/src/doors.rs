//! The doors as a client sees them: HTTP, events and WebSocket frames, read by the few lines that it takes.

use std::io;

use serde_json::Value;

use crate::line::Line;
use crate::rng::Rng;
use crate::server;
use crate::sessions::{self, Way};
use crate::subscriber::Subscriber;

/// A way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Server-Sent Events.
    Sse,
    /// Long-polling.
    Poll,
    /// WebSocket.
    Ws,
    /// A session in the protocol of Centrifugo's clients; in Protobuf or else in JSON.
    Session(Way, bool),
}

/// Those of the hub's own words.
pub const PLAIN: [Door; 3] = [Door::Sse, Door::Poll, Door::Ws];

/// Those of sessions. Events are text.
pub const SESSIONS: [Door; 5] = [
    Door::Session(Way::WebSocket, false),
    Door::Session(Way::WebSocket, true),
    Door::Session(Way::HttpStream, false),
    Door::Session(Way::HttpStream, true),
    Door::Session(Way::Sse, false),
];

/// A head is shorter.
const HEAD_BYTES_MAX: usize = 8 << 10;

/// Follows through this door until the line ends or the subscriber is done.
///
/// # Errors
/// The line was cut, or what came is no answer.
pub async fn visit(
    door: Door,
    line: &mut Line<'_>,
    subscriber: &Subscriber,
    rng: &mut Rng,
) -> io::Result<()> {
    match door {
        Door::Sse => sse(line, subscriber).await,
        Door::Poll => poll(line, subscriber).await,
        Door::Ws => ws(line, subscriber).await,
        Door::Session(way, protobuf) => sessions::visit(way, protobuf, line, subscriber, rng).await,
    }
}

/// The request's target: topics, policy, cursor.
fn target(path: &str, subscriber: &Subscriber) -> String {
    let mut target = format!(
        "{path}?policy={}",
        if subscriber.plan.latest { "latest" } else { "gap" }
    );
    for topic in &subscriber.plan.topics {
        target += &format!("&topic={}", server::topic_name(*topic));
    }
    if let Some(cursor) = subscriber.cursor(0) {
        target += &format!("&cursor={cursor}");
    }
    target
}

/// What an answer's head says.
pub(crate) struct Head {
    pub(crate) status: u16,
    content_length: Option<usize>,
}

pub(crate) async fn head(line: &mut Line<'_>, subscriber: &Subscriber) -> io::Result<Head> {
    let end = loop {
        if let Some(at) = line.buffer().windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if line.buffer().len() > HEAD_BYTES_MAX {
            return Err(subscriber.nonsense("a head without an end".into()));
        }
        line.more().await?;
    };
    let text = String::from_utf8_lossy(&line.buffer()[..end]).into_owned();
    line.take(end);
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|first| first.strip_prefix("HTTP/1.1 "));
    let Some(status) = status.and_then(|rest| rest.get(..3)?.parse().ok()) else {
        return Err(subscriber.nonsense(format!("a head {text:?}")));
    };
    let length = lines.find_map(|field| {
        let (name, value) = field.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    Ok(Head {
        status,
        content_length: length,
    })
}

/// Checks a status. A server that is about to end may say 503, one that waits for a request in pieces may tire of it (408);
/// anything else is wrong.
pub(crate) fn expect(status: u16, head: &Head, subscriber: &Subscriber) -> io::Result<()> {
    match head.status {
        known if known == status => Ok(()),
        408 | 503 => Err(io::ErrorKind::ConnectionAborted.into()),
        other => Err(subscriber.nonsense(format!("an answer {other} to {:?}", subscriber.cursor(0)))),
    }
}

async fn sse(line: &mut Line<'_>, subscriber: &Subscriber) -> io::Result<()> {
    let target = target("/sse", subscriber);
    let request = format!("GET {target} HTTP/1.1\r\nHost: t\r\nAccept: text/event-stream\r\n\r\n");
    line.write(request.as_bytes()).await?;
    expect(200, &head(line, subscriber).await?, subscriber)?;
    // The event in the making: only a blank line makes it one.
    let (mut id, mut event, mut data) = (None::<String>, String::new(), None::<String>);
    while !subscriber.is_done() {
        let Some(end) = line.buffer().iter().position(|byte| *byte == b'\n') else {
            line.more().await?;
            continue;
        };
        let text = String::from_utf8_lossy(&line.buffer()[..end]).into_owned();
        line.take(end + 1);
        if !text.is_empty() {
            let (field, value) = text.split_once(':').unwrap_or((&text, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => id = Some(value.to_owned()),
                "event" => value.clone_into(&mut event),
                "data" => data = Some(value.to_owned()),
                _ => {}
            }
            continue;
        }
        match (id.take(), data.take(), event.as_str()) {
            (Some(id), None, _) => subscriber.moved(0, &id)?,
            (Some(id), Some(data), "") => subscriber.message(0, &id, None, &data)?,
            (Some(id), Some(data), "gap") => gap(subscriber, &id, &json(subscriber, data.as_bytes())?)?,
            (None, None, _) => {}
            other => return Err(subscriber.nonsense(format!("an event {other:?}"))),
        }
        event.clear();
    }
    Ok(())
}

async fn poll(line: &mut Line<'_>, subscriber: &Subscriber) -> io::Result<()> {
    while !subscriber.is_done() {
        let target = target("/poll", subscriber);
        let request = format!("GET {target}&timeout_ms=20000 HTTP/1.1\r\nHost: t\r\n\r\n");
        line.write(request.as_bytes()).await?;
        let head = head(line, subscriber).await?;
        expect(200, &head, subscriber)?;
        let length = head.content_length.unwrap_or(0);
        while line.buffer().len() < length {
            line.more().await?;
        }
        let answer = json(subscriber, &line.buffer()[..length])?;
        line.take(length);
        let cursor = text(subscriber, &answer, "cursor")?;
        // What was lost comes before what is left.
        if !answer["gap"].is_null() {
            let resume = text(subscriber, &answer["gap"], "resume")?.to_owned();
            gap(subscriber, &resume, &answer["gap"])?;
        }
        for message in answer["messages"].as_array().into_iter().flatten() {
            object(subscriber, message)?;
        }
        subscriber.moved(0, cursor)?;
    }
    Ok(())
}

async fn ws(line: &mut Line<'_>, subscriber: &Subscriber) -> io::Result<()> {
    let target = target("/ws", subscriber);
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    line.write(request.as_bytes()).await?;
    expect(101, &head(line, subscriber).await?, subscriber)?;
    while !subscriber.is_done() {
        let (opcode, payload) = frame(line, subscriber).await?;
        match opcode {
            1 => {
                let object = json(subscriber, &payload)?;
                if object["gap"].is_null() {
                    self::object(subscriber, &object)?;
                } else {
                    gap(subscriber, text(subscriber, &object, "cursor")?, &object["gap"])?;
                }
            }
            8 => return Err(io::ErrorKind::UnexpectedEof.into()),
            9 => {
                // A pong, under the mask of zeros.
                let mut pong = vec![0x8a, 0x80 | payload.len() as u8, 0, 0, 0, 0];
                pong.extend_from_slice(&payload);
                line.write(&pong).await?;
            }
            other => return Err(subscriber.nonsense(format!("a frame with opcode {other}"))),
        }
    }
    Ok(())
}

/// The next frame, RFC 6455 section 5.2: final, unmasked.
pub(crate) async fn frame(line: &mut Line<'_>, subscriber: &Subscriber) -> io::Result<(u8, Vec<u8>)> {
    loop {
        let bytes = line.buffer();
        let length = match bytes {
            [_, short @ 0..=125, ..] => Some((2, usize::from(*short))),
            [_, 126, a, b, ..] => Some((4, usize::from(u16::from_be_bytes([*a, *b])))),
            [_, 127, rest @ ..] if rest.len() >= 8 => {
                let length = rest[..8].try_into().map(u64::from_be_bytes).unwrap_or(u64::MAX);
                Some((10, usize::try_from(length).unwrap_or(usize::MAX)))
            }
            [first, second, ..] if *second > 127 => {
                return Err(subscriber.nonsense(format!("a masked frame {first:#x}")));
            }
            _ => None,
        };
        if let Some((start, length)) = length {
            let first = bytes[0];
            if first & 0xf0 != 0x80 || length > 16 << 20 {
                return Err(subscriber.nonsense(format!("a frame {first:#x} of {length} bytes")));
            }
            if bytes.len() >= start + length {
                let payload = bytes[start..start + length].to_vec();
                line.take(start + length);
                return Ok((first & 0x0f, payload));
            }
        }
        line.more().await?;
    }
}

fn json(subscriber: &Subscriber, bytes: &[u8]) -> io::Result<Value> {
    let what = || format!("no JSON: {:?}", String::from_utf8_lossy(bytes));
    serde_json::from_slice(bytes).map_err(|_| subscriber.nonsense(what()))
}

fn text<'a>(subscriber: &Subscriber, object: &'a Value, name: &str) -> io::Result<&'a str> {
    let text = object[name].as_str();
    text.ok_or_else(|| subscriber.nonsense(format!("no {name}: {object}")))
}

fn object(subscriber: &Subscriber, object: &Value) -> io::Result<()> {
    let [cursor, topic, data] = ["cursor", "topic", "data"].map(|name| text(subscriber, object, name));
    subscriber.message(0, cursor?, Some(topic?), data?)
}

fn gap(subscriber: &Subscriber, cursor: &str, gap: &Value) -> io::Result<()> {
    let (after, resume) = (text(subscriber, gap, "after")?, text(subscriber, gap, "resume")?);
    if cursor != resume {
        return Err(subscriber.nonsense(format!("a gap at {cursor}: {gap}")));
    }
    subscriber.gap(0, after, resume, false)
}
