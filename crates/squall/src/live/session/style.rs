//! Publications as sessions get them: encoded once a message and framing, shared by all who follow.

use std::io::Write;

use squall_hub::{Cursor, Message, Meta};

use super::framing::{Carrier, FRAMINGS, Framing};
use super::protocol::{ClientInfo, Form, Publication, Push, Reply, embed, encode};
use crate::live::api::Live;
use crate::live::encode::{Encode, Encoded, json_string};
use crate::live::style::Style;

/// The styles of sessions, registered together: one for each framing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionStyles {
    first: u16,
}

impl SessionStyles {
    pub(crate) fn register(live: &Live) -> Self {
        let all: Vec<Style> = Framing::all()
            .map(|framing| live.style(Publications { framing }))
            .collect();
        debug_assert_eq!(all.len(), FRAMINGS);
        Self { first: all[0].0 }
    }

    pub(crate) fn publications(self, framing: Framing) -> u16 {
        self.first + framing.index()
    }
}

/// Publications in one framing.
struct Publications {
    framing: Framing,
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
                    publication: Some(publication(message)),
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
        embed(&message.data, out);
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

    use squall_hub::Sender;

    use super::*;
    use crate::live::session::framing::Transport;

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
            Publications { framing }.message(&message(), &cursor, &mut by_hand);
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
            Publications { framing }.message(&message, &"e:7".parse().unwrap(), &mut out);
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
}
