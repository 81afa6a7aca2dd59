//! Sessions that follow a room each, in the words of each server: opened in groups, and again after a cut.

pub mod fan;
pub mod frames;
pub mod storm;

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use self::frames::Frames;
use super::{client, wrong};
use crate::servers::Kind;

/// Connections that are opened together: enough to keep a server busy, few enough for every backlog.
const TOGETHER: usize = 128;
/// Any mask does.
const MASK: [u8; 4] = [0, 0, 0, 0];

/// What is said on a WebSocket to follow a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Centrifugo's protocol in JSON: a session, with a subscription that can be resumed.
    Centrifugo,
    /// Nothing: the room is in the path, and a message is a text as it is.
    Bare,
    /// Socket.IO 5 on Engine.IO 4.
    SocketIo,
}

/// From where a subscription is taken up again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The life of the log.
    pub epoch: String,
    /// Everything up to here was received.
    pub offset: u64,
}

/// A session that follows its room.
#[derive(Debug)]
pub struct Session {
    /// Its connection.
    pub socket: TcpStream,
    /// Where its subscription stands, where there is such a thing.
    pub position: Position,
    /// What came with the answer to its subscription, or right behind it.
    pub first: Vec<u8>,
}

impl Dialect {
    /// What a server speaks.
    #[must_use]
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::Squall => Self::Centrifugo,
            Kind::SocketIo | Kind::Socketioxide => Self::SocketIo,
            _ => Self::Bare,
        }
    }

    fn target(self, room: &str) -> String {
        match self {
            Self::Centrifugo => "/connection/websocket".to_owned(),
            Self::Bare => format!("/ws/room/{room}"),
            Self::SocketIo => "/socket.io/?EIO=4&transport=websocket".to_owned(),
        }
    }

    /// A ping of the application's level as the server sends it, and the answer; none where there is none.
    #[must_use]
    pub fn ping_and_pong(self) -> Option<(&'static [u8], Vec<u8>)> {
        match self {
            Self::Centrifugo => Some((b"\x81\x02{}", client::client_text_frame(b"{}", MASK))),
            Self::SocketIo => Some((b"\x81\x012", client::client_text_frame(b"3", MASK))),
            Self::Bare => None,
        }
    }

    /// What is said next, given what was heard; `None` when the room is followed.
    fn next_words(self, turn: usize, room: &str, from: Option<&Position>) -> Option<String> {
        match (self, turn) {
            (Self::Centrifugo, 0) => {
                let recover = from.map_or(String::new(), |from| {
                    format!(
                        r#","recover":true,"epoch":"{}","offset":{}"#,
                        from.epoch, from.offset
                    )
                });
                Some(format!(
                    "{{\"id\":1,\"connect\":{{}}}}\n{{\"id\":2,\"subscribe\":{{\"channel\":\"{room}\"{recover}}}}}"
                ))
            }
            // The server speaks first; see `is_answer`.
            (Self::SocketIo, 0) => Some("40".to_owned()),
            (Self::SocketIo, 1) => Some(format!(r#"420["join","{room}"]"#)),
            _ => None,
        }
    }

    /// Whether this is what is waited for before the words of that turn, or at the end of all turns.
    fn is_answer(self, turn: usize, text: &[u8]) -> bool {
        let begins = |begin: &[u8]| text.starts_with(begin);
        match (self, turn) {
            (Self::Centrifugo, 1) => find(text, b"\"subscribe\":").is_some(),
            (Self::SocketIo, 0) => begins(b"0{"),
            (Self::SocketIo, 1) => begins(b"40{"),
            (Self::SocketIo, 2) => begins(b"430"),
            _ => true,
        }
    }

    /// Turns in which the server is waited for before something is said.
    fn waits_before(self, turn: usize) -> bool {
        !matches!((self, turn), (Self::Centrifugo, 0) | (Self::Bare, _))
    }

    /// Opens a session for each of `rooms`, some together; those with a position take it up there.
    ///
    /// # Errors
    /// When the server does not do its part.
    pub fn open(
        self,
        address: SocketAddr,
        rooms: &[String],
        from: Option<&[Position]>,
    ) -> io::Result<Vec<Session>> {
        let mut sessions = Vec::with_capacity(rooms.len());
        for (group, rooms) in rooms.chunks(TOGETHER).enumerate() {
            let begin = group * TOGETHER;
            let from = from.map(|from| &from[begin..begin + rooms.len()]);
            self.open_together(address, rooms, from, &mut sessions)?;
        }
        Ok(sessions)
    }

    /// Opens a session that follows nothing.
    pub(crate) fn open_speaker(self, address: SocketAddr) -> io::Result<TcpStream> {
        let mut socket = client::open_websocket(address, &self.target("speaker"))?;
        socket.write_all(&client::client_text_frame_of(b"{\"id\":1,\"connect\":{}}", MASK))?;
        Ok(socket)
    }

    fn open_together(
        self,
        address: SocketAddr,
        rooms: &[String],
        from: Option<&[Position]>,
        out: &mut Vec<Session>,
    ) -> io::Result<()> {
        let mut sockets = Vec::with_capacity(rooms.len());
        for _ in rooms {
            sockets.push(client::connect(address)?);
        }
        for (socket, room) in sockets.iter_mut().zip(rooms) {
            socket.write_all(client::websocket_request(address, &self.target(room)).as_bytes())?;
        }
        let mut opened = Vec::with_capacity(rooms.len());
        for mut socket in sockets {
            let answer = client::read_answer(&mut socket)?;
            if answer.status != 101 {
                return Err(wrong(format!("no WebSocket: {}", answer.head)));
            }
            opened.push((socket, Frames::new(answer.body)));
        }
        let mut position = Position::default();
        for turn in 0.. {
            if self.waits_before(turn) {
                for (socket, frames) in &mut opened {
                    position = self.wait(turn, socket, frames)?;
                }
            }
            let from = |at: usize| from.map(|from| &from[at]);
            if self.next_words(turn, "", None).is_none() {
                break;
            }
            for (at, (socket, _)) in opened.iter_mut().enumerate() {
                if let Some(words) = self.next_words(turn, &rooms[at], from(at)) {
                    socket.write_all(&client::client_text_frame_of(words.as_bytes(), MASK))?;
                }
            }
        }
        out.extend(opened.into_iter().map(|(socket, frames)| Session {
            socket,
            position: position.clone(),
            first: frames.into_seen(),
        }));
        Ok(())
    }

    fn wait(self, turn: usize, socket: &mut TcpStream, frames: &mut Frames) -> io::Result<Position> {
        let mut bytes = [0; 8192];
        loop {
            while let Some(text) = frames.take()? {
                if find(text, b"\"error\"").is_some() {
                    return Err(wrong(format!("refused: {}", String::from_utf8_lossy(text))));
                }
                if self.is_answer(turn, text) {
                    return Ok(position_in(text));
                }
            }
            match socket.read(&mut bytes)? {
                0 => return Err(wrong("the server closed a session")),
                got => frames.push(&bytes[..got]),
            }
        }
    }
}

/// Where `what` begins in `text`.
pub(crate) fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    // The load must cost less than the server: every byte that comes is searched.
    memchr::memmem::find(text, what)
}

/// The position that an answer to a subscription says, where it says one.
fn position_in(text: &[u8]) -> Position {
    let text = String::from_utf8_lossy(text);
    let after = |name: &str| text.rfind(name).map(|at| &text[at + name.len()..]);
    let epoch = after("\"epoch\":\"").and_then(|rest| rest.split('"').next());
    let offset = after("\"offset\":").map(|rest| rest.chars().take_while(char::is_ascii_digit));
    Position {
        epoch: epoch.unwrap_or_default().to_owned(),
        offset: offset
            .and_then(|digits| digits.collect::<String>().parse().ok())
            .unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_found_in_an_answer() {
        let answer =
            br#"{"id":2,"subscribe":{"recoverable":true,"epoch":"ab1","positioned":true,"offset":42}}"#;
        let want = Position {
            epoch: "ab1".to_owned(),
            offset: 42,
        };
        assert_eq!(position_in(answer), want);
        assert_eq!(position_in(b"430[]"), Position::default());
    }
}
