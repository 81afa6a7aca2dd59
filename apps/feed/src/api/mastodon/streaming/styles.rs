//! How the streams frame what happens. Each style is encoded once per message and shared by all who follow in it.

use squall::live::{Cursor, Encode, Encoded, Live, Lost, Message, Style};

use super::frames::{told, ws_text};
use super::names::Name;

/// The styles of this server, registered once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Styles {
    /// `event:` and `data:`, nothing else: one client insists on exactly that.
    pub(super) sse: Style,
    /// The same with `id:`, for clients that asked to resume.
    pub(super) sse_with_ids: Style,
    /// WebSocket frames of each stream, by [`Name`].
    ws: [Style; 4],
}

impl Styles {
    /// Registers them.
    pub(super) fn new(live: &Live) -> Self {
        let ws = ["user", "user:notification", "public", "public:local"].map(|label| {
            live.style(WsFrames {
                labels: vec![label.to_string()],
            })
        });
        Styles {
            sse: live.style(SseEvents),
            sse_with_ids: live.style(SseEventsWithIds),
            ws,
        }
    }

    /// How a WebSocket is told of this stream; `None` where nothing is ever told.
    pub(super) fn ws(&self, name: Name) -> Option<Style> {
        self.ws.get(name as usize).copied()
    }
}

/// Events without ids. A gap has no words here, so a connection that fell behind is closed and comes back.
struct SseEvents;

impl Encode for SseEvents {
    fn message(&self, message: &Message, _: &Cursor, out: &mut Vec<u8>) -> Encoded {
        event(message, "", out)
    }
}

/// Events with ids, and a gap said aloud.
struct SseEventsWithIds;

impl Encode for SseEventsWithIds {
    fn message(&self, message: &Message, cursor: &Cursor, out: &mut Vec<u8>) -> Encoded {
        event(message, &format!("id: {cursor}\n"), out)
    }

    fn gap(&self, lost: &Lost, out: &mut Vec<u8>) -> Encoded {
        let Lost { after, resume } = lost;
        let text =
            format!("event: gap\nid: {resume}\ndata: {{\"after\":\"{after}\",\"resume\":\"{resume}\"}}\n\n");
        out.extend_from_slice(text.as_bytes());
        Encoded::Text
    }
}

fn event(message: &Message, id: &str, out: &mut Vec<u8>) -> Encoded {
    let Some(told) = told(&message.data) else {
        return Encoded::Skip;
    };
    for part in ["event: ", told.event, "\n", id, "data: ", &told.payload, "\n\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    Encoded::Text
}

/// `{"stream":["user"],"event":"update","payload":"…"}`.
struct WsFrames {
    labels: Vec<String>,
}

impl Encode for WsFrames {
    fn message(&self, message: &Message, _: &Cursor, out: &mut Vec<u8>) -> Encoded {
        match told(&message.data).and_then(|told| ws_text(&self.labels, &told)) {
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                Encoded::Text
            }
            None => Encoded::Skip,
        }
    }
}
