//! Publications as sessions get them: encoded once a message and framing, shared by all who follow.

use std::io::Write;

use squall_hub::{Cursor, Hub, Message, Meta};

use super::framing::{Carrier, FRAMINGS, Framing};
use super::protocol::{ClientInfo, Form, Publication, Push, Reply, embed, encode};
use crate::live::api::Live;
use crate::live::delta::{patch, patch_text};
use crate::live::encode::{Encode, Encoded, json_string};
use crate::live::style::Style;

/// Which form publications have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// The data.
    Plain,
    /// For who gets deltas and has nothing to apply one to: the data, in the form that deltas have.
    Whole,
    /// What changed since the message before it; the data where that is no shorter.
    Delta,
}

/// The styles of sessions, registered together: one for each framing and body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionStyles {
    first: u16,
}

impl SessionStyles {
    pub(crate) fn register(live: &Live) -> Self {
        let mut all: Vec<Style> = Vec::new();
        for body in [Body::Plain, Body::Whole, Body::Delta] {
            let hub = live.hub().clone();
            all.extend(Framing::all().map(|framing| {
                let hub = hub.clone();
                live.style(Publications { framing, body, hub })
            }));
        }
        debug_assert_eq!(all.len(), 3 * FRAMINGS);
        Self { first: all[0].0 }
    }

    /// In this form.
    pub(crate) fn of(self, framing: Framing, body: Body) -> u16 {
        self.publications(framing) + body as u16 * FRAMINGS as u16
    }

    pub(crate) fn publications(self, framing: Framing) -> u16 {
        self.first + framing.index()
    }
}

/// Publications in one framing.
struct Publications {
    framing: Framing,
    body: Body,
    /// Where the message before another one is.
    hub: Hub,
}

impl Encode for Publications {
    fn message(&self, message: &Message, _: &Cursor, out: &mut Vec<u8>) -> Encoded {
        match self.framing.form {
            Form::Json => {
                self.json(message, out);
                Encoded::Text
            }
            Form::Protobuf => {
                let push = Push {
                    channel: message.topic.to_string(),
                    publication: Some(self.binary(message)),
                    ..Push::default()
                };
                let reply = Reply {
                    push: Some(push),
                    ..Reply::default()
                };
                encode(Form::Protobuf, &reply, out);
                Encoded::Binary
            }
        }
    }
}

impl Publications {
    /// Written by hand: this is what fan-out is made of.
    fn json(&self, message: &Message, out: &mut Vec<u8>) {
        let transport = self.framing.transport;
        if transport.carrier() == Carrier::Events {
            out.extend_from_slice(b"data: ");
        }
        let one_way = transport.is_one_way();
        out.extend_from_slice(if one_way {
            b"{\"channel\":"
        } else {
            b"{\"push\":{\"channel\":"
        });
        json_string(&message.topic, out);
        out.extend_from_slice(b",\"pub\":{\"data\":");
        match self.body {
            Body::Plain => embed(&message.data, out),
            Body::Whole | Body::Delta => self.text(message, out),
        }
        let _ = write!(out, ",\"offset\":{}", message.offset);
        if let Some(meta) = &message.meta {
            meta_members(meta, out);
        }
        out.extend_from_slice(if one_way { b"}}" } else { b"}}}" });
        match transport.carrier() {
            Carrier::Ws => (),
            Carrier::Stream => out.push(b'\n'),
            Carrier::Events => out.extend_from_slice(b"\n\n"),
        }
    }
}

impl Publications {
    /// The message before this one: what every subscriber that gets this one has received last.
    fn base(&self, message: &Message) -> Option<Message> {
        if self.body != Body::Delta || message.previous == 0 {
            return None;
        }
        let before = self.hub.before(&message.topic, message.offset)?;
        // One that was withdrawn since was received all the same.
        (before.offset == message.previous).then_some(before)
    }

    /// Appends the data, or a delta, as text within a string; with what says that it is one.
    fn text(&self, message: &Message, out: &mut Vec<u8>) {
        let now = embedded(&message.data);
        let patch = self
            .base(message)
            .and_then(|before| patch_text(&embedded(&before.data), &now));
        match patch {
            Some(patch) => {
                json_string(&patch, out);
                out.extend_from_slice(b",\"delta\":true");
            }
            None => json_string(&now, out),
        }
    }

    fn binary(&self, message: &Message) -> Publication {
        let mut publication = publication(message);
        let patched = self
            .base(message)
            .and_then(|before| patch(&before.data, &message.data));
        if let Some(patch) = patched {
            (publication.data, publication.delta) = (patch.into(), true);
        }
        publication
    }
}

/// The JSON text that stands for the data.
fn embedded(data: &[u8]) -> String {
    let mut json = Vec::with_capacity(data.len());
    embed(data, &mut json);
    String::from_utf8_lossy(&json).into_owned()
}

/// A message in a reply to who gets deltas: whole, in the form that deltas have.
pub(crate) fn whole(form: Form, message: &Message) -> Publication {
    let mut publication = publication(message);
    if form == Form::Json {
        let mut text = Vec::new();
        json_string(&embedded(&message.data), &mut text);
        publication.data = text.into();
    }
    publication
}

/// Appends `,"info":{…},"tags":{…}`, as far as they are there.
fn meta_members(meta: &Meta, out: &mut Vec<u8>) {
    if meta.sender.is_some() {
        out.extend_from_slice(b",\"info\":");
        if let Some(info) = info(meta) {
            encode(Form::Json, &info, out);
        }
    }
    for (nth, (name, value)) in meta.tags.iter().enumerate() {
        out.extend_from_slice(if nth == 0 { b",\"tags\":{" } else { b"," });
        json_string(name, out);
        out.push(b':');
        json_string(value, out);
    }
    if !meta.tags.is_empty() {
        out.push(b'}');
    }
}

/// A message as it stands in replies.
pub(crate) fn publication(message: &Message) -> Publication {
    let meta = message.meta.as_deref();
    let tags = meta.map_or(&[][..], |meta| &meta.tags);
    Publication {
        data: message.data.clone(),
        offset: message.offset,
        info: meta.and_then(info),
        tags: tags
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect(),
        delta: false,
    }
}

fn info(meta: &Meta) -> Option<ClientInfo> {
    let sender = meta.sender.as_ref()?;
    Some(ClientInfo {
        user: sender.user.to_string(),
        client: sender.client.to_string(),
        conn_info: sender.conn_info.clone(),
        chan_info: sender.chan_info.clone(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use squall_hub::{HubConfig, Sender};

    use super::*;
    use crate::live::session::framing::Transport;

    fn plain(framing: Framing) -> Publications {
        Publications {
            framing,
            body: Body::Plain,
            hub: Hub::new(HubConfig::default()),
        }
    }

    fn message() -> Message {
        let mut meta: Meta = [("k", "v\""), ("l", "w")].into_iter().collect();
        meta.sender = Some(Sender {
            user: "u".into(),
            client: "c".into(),
            conn_info: b"{\"n\":1}"[..].into(),
            chan_info: bytes::Bytes::new(),
        });
        Message {
            offset: 7,
            previous: 0,
            at_ms: 0,
            topic: "r\"m".into(),
            data: b"{\"a\":\n1}"[..].into(),
            meta: Some(Arc::new(meta)),
        }
    }

    #[test]
    fn what_is_written_by_hand_is_what_the_types_say() {
        let push = Push {
            channel: "r\"m".into(),
            publication: Some(publication(&message())),
            ..Push::default()
        };
        for framing in Framing::all() {
            let mut by_hand = Vec::new();
            let cursor = "e:7".parse().unwrap();
            plain(framing).message(&message(), &cursor, &mut by_hand);
            let text = |bytes: &[u8]| {
                let text = String::from_utf8_lossy(bytes).into_owned();
                text.trim_start_matches("data: ").trim_end().to_owned()
            };
            let mut by_types = Vec::new();
            if framing.transport.is_one_way() {
                encode(framing.form, &push, &mut by_types);
            } else {
                let reply = Reply {
                    push: Some(push.clone()),
                    ..Reply::default()
                };
                encode(framing.form, &reply, &mut by_types);
            }
            if framing.form == Form::Protobuf {
                assert_eq!(by_hand, by_types);
            } else {
                let read = |bytes: &[u8]| serde_json::from_str::<serde_json::Value>(&text(bytes)).unwrap();
                assert_eq!(read(&by_hand), read(&by_types), "{framing:?}");
            }
        }
    }

    #[test]
    fn a_publication_is_one_event_line_or_message() {
        let written = |transport| {
            let framing = Framing {
                form: Form::Json,
                transport,
            };
            let message = Message {
                topic: "r".into(),
                data: b"1"[..].into(),
                meta: None,
                ..message()
            };
            let mut out = Vec::new();
            plain(framing).message(&message, &"e:7".parse().unwrap(), &mut out);
            String::from_utf8(out).unwrap()
        };
        let push = r#"{"push":{"channel":"r","pub":{"data":1,"offset":7}}}"#;
        let alone = r#"{"channel":"r","pub":{"data":1,"offset":7}}"#;
        assert_eq!(written(Transport::WebSocket), push);
        assert_eq!(written(Transport::HttpStream), format!("{push}\n"));
        assert_eq!(written(Transport::Sse), format!("data: {push}\n\n"));
        assert_eq!(written(Transport::UniWebSocket), alone);
        assert_eq!(written(Transport::UniHttpStream), format!("{alone}\n"));
        assert_eq!(written(Transport::UniSse), format!("data: {alone}\n\n"));
    }

    #[test]
    fn a_delta_is_of_the_message_before_and_nothing_else() {
        let hub = Hub::new(HubConfig::default());
        let say = |data: String| hub.publish("r", data, 0).ready().unwrap().unwrap();
        let long = "x".repeat(200);
        for n in 1..=3 {
            say(format!("{{\"n\":{n},\"long\":\"{long}\"}}"));
        }
        let framing = Framing {
            form: Form::Json,
            transport: Transport::WebSocket,
        };
        let body = Body::Delta;
        let style = Publications {
            framing,
            body,
            hub: hub.clone(),
        };
        let written = |offset| {
            let message = hub.slice("r", offset - 1, offset, 1).unwrap().remove(0);
            let mut out = Vec::new();
            style.message(&message, &"e:1".parse().unwrap(), &mut out);
            let push: serde_json::Value = serde_json::from_slice(&out).unwrap();
            push["push"]["pub"].clone()
        };
        assert!(written(1)["delta"].is_null(), "the first is whole");
        let whole = written(1)["data"].as_str().unwrap().to_owned();
        let second = written(2);
        assert_eq!(second["delta"], true);
        let patch = second["data"].as_str().unwrap();
        assert!(patch.len() < 40, "{patch}");
        let applied = crate::live::delta::apply(whole.as_bytes(), patch.as_bytes(), 1_000).unwrap();
        assert_eq!(applied, format!("{{\"n\":2,\"long\":\"{long}\"}}").into_bytes());
        // Those who have received 2 cannot be told what changed since 1.
        hub.withdraw("r", |message| message.offset == 2);
        assert!(written(3)["delta"].is_null());
    }
}
