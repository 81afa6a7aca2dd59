//! How replies and pushes of a session become bytes of its connection.

use bytes::Bytes;
use squall_engine::wire::ws::{Opcode, encode_header};

use super::codes::Disconnect;
use super::protocol::{DisconnectPush, Form, Push, Reply, encode};

/// What carries a session's replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Carrier {
    /// A WebSocket: JSON lines or delimited Protobuf within its messages.
    Ws,
    /// The body of a response: JSON lines or delimited Protobuf.
    Stream,
    /// Server-Sent Events, one a reply.
    Events,
}

/// By which way a session came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// WebSocket.
    WebSocket,
    /// A response that goes on, with commands sent beside it.
    HttpStream,
    /// Server-Sent Events, with commands sent beside them.
    Sse,
    /// WebSocket on which only the server speaks.
    UniWebSocket,
    /// A response that goes on, alone.
    UniHttpStream,
    /// Server-Sent Events alone.
    UniSse,
}

impl Transport {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::WebSocket,
        Self::HttpStream,
        Self::Sse,
        Self::UniWebSocket,
        Self::UniHttpStream,
        Self::UniSse,
    ];

    /// Its name, as Centrifugo has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::HttpStream => "http_stream",
            Self::Sse => "sse",
            Self::UniWebSocket => "uni_websocket",
            Self::UniHttpStream => "uni_http_stream",
            Self::UniSse => "uni_sse",
        }
    }

    /// Whether clients send commands.
    pub fn is_one_way(self) -> bool {
        matches!(self, Self::UniWebSocket | Self::UniHttpStream | Self::UniSse)
    }

    /// Whether commands come by requests of their own.
    pub(crate) fn is_emulated(self) -> bool {
        matches!(self, Self::HttpStream | Self::Sse)
    }

    pub(crate) fn carrier(self) -> Carrier {
        match self {
            Self::WebSocket | Self::UniWebSocket => Carrier::Ws,
            Self::HttpStream | Self::UniHttpStream => Carrier::Stream,
            Self::Sse | Self::UniSse => Carrier::Events,
        }
    }
}

/// Form and transport of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Framing {
    pub(crate) form: Form,
    pub(crate) transport: Transport,
}

/// How many framings there are: six transports in JSON, two in Protobuf.
pub(crate) const FRAMINGS: usize = 8;

impl Framing {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let json = Transport::ALL.map(|transport| Self {
            form: Form::Json,
            transport,
        });
        let protobuf = [Transport::WebSocket, Transport::HttpStream].map(|transport| Self {
            form: Form::Protobuf,
            transport,
        });
        json.into_iter().chain(protobuf)
    }

    /// Its place in [`Framing::all`].
    pub(crate) fn index(self) -> u16 {
        match self.form {
            Form::Json => self.transport as u16,
            Form::Protobuf if self.transport == Transport::WebSocket => 6,
            Form::Protobuf => 7,
        }
    }

    /// Appends one message between its delimiters, all but a WebSocket's own.
    pub(crate) fn delimit(self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        if self.form == Form::Protobuf {
            return write(out);
        }
        match self.transport.carrier() {
            // A one-way client reads one value a message: each is a frame already.
            Carrier::Ws if self.transport.is_one_way() => {
                let mut payload = Vec::new();
                write(&mut payload);
                out.extend_from_slice(&ws_frame(Opcode::Text, &payload));
            }
            Carrier::Ws => {
                if !out.is_empty() {
                    out.push(b'\n');
                }
                write(out);
            }
            Carrier::Stream => {
                write(out);
                out.push(b'\n');
            }
            Carrier::Events => {
                out.extend_from_slice(b"data: ");
                write(out);
                out.extend_from_slice(b"\n\n");
            }
        }
    }

    pub(crate) fn reply(self, reply: &Reply, out: &mut Vec<u8>) {
        self.delimit(out, |out| encode(self.form, reply, out));
    }

    /// Appends a push, within a reply or alone.
    pub(crate) fn push(self, push: Push, out: &mut Vec<u8>) {
        if self.transport.is_one_way() {
            return self.delimit(out, |out| encode(self.form, &push, out));
        }
        let reply = Reply {
            push: Some(push),
            ..Reply::default()
        };
        self.reply(&reply, out);
    }

    /// Makes what was appended a frame.
    pub(crate) fn frame(self, payload: &[u8]) -> Bytes {
        if self.transport != Transport::WebSocket {
            return Bytes::copy_from_slice(payload);
        }
        match self.form {
            Form::Json => ws_frame(Opcode::Text, payload),
            Form::Protobuf => ws_frame(Opcode::Binary, payload),
        }
    }

    /// The last words but for a WebSocket's close frame: those who have none are told by a push.
    pub(crate) fn farewell(self, disconnect: &Disconnect) -> Option<Bytes> {
        if self.transport == Transport::WebSocket {
            return None;
        }
        let push = Push {
            disconnect: Some(DisconnectPush {
                code: u32::from(disconnect.code),
                reason: disconnect.reason.to_string(),
            }),
            ..Push::default()
        };
        let mut out = Vec::new();
        self.push(push, &mut out);
        Some(self.frame(&out))
    }
}

fn ws_frame(opcode: Opcode, payload: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(payload.len() + 10);
    encode_header(opcode, true, payload.len() as u64, &mut frame);
    frame.extend_from_slice(payload);
    frame.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(id: u32) -> Reply {
        Reply {
            id,
            ..Reply::default()
        }
    }

    #[test]
    fn every_framing_has_its_own_index() {
        assert!(Framing::all().map(Framing::index).eq(0..FRAMINGS as u16));
    }

    #[test]
    fn two_replies_in_every_framing() {
        let expected: [&[u8]; FRAMINGS] = [
            b"\x81\x11{\"id\":1}\n{\"id\":2}",
            b"{\"id\":1}\n{\"id\":2}\n",
            b"data: {\"id\":1}\n\ndata: {\"id\":2}\n\n",
            b"\x81\x08{\"id\":1}\x81\x08{\"id\":2}",
            b"{\"id\":1}\n{\"id\":2}\n",
            b"data: {\"id\":1}\n\ndata: {\"id\":2}\n\n",
            b"\x82\x06\x02\x08\x01\x02\x08\x02",
            b"\x02\x08\x01\x02\x08\x02",
        ];
        for (framing, expected) in Framing::all().zip(expected) {
            let mut out = Vec::new();
            framing.reply(&reply(1), &mut out);
            framing.reply(&reply(2), &mut out);
            assert_eq!(framing.frame(&out), expected, "{framing:?}");
        }
    }

    #[test]
    fn one_way_pushes_stand_alone_and_the_others_within_a_reply() {
        let words = |transport| {
            let framing = Framing {
                form: Form::Json,
                transport,
            };
            framing.farewell(&Disconnect::SHUTDOWN)
        };
        assert_eq!(words(Transport::WebSocket), None);
        assert_eq!(
            words(Transport::HttpStream).unwrap(),
            &b"{\"push\":{\"disconnect\":{\"code\":3001,\"reason\":\"shutdown\"}}}\n"[..]
        );
        assert_eq!(
            words(Transport::UniSse).unwrap(),
            &b"data: {\"disconnect\":{\"code\":3001,\"reason\":\"shutdown\"}}\n\n"[..]
        );
    }
}
