//! `/api/v1/streaming` over WebSocket: many streams on one connection.
//!
//! A connection has no task. A message that comes in starts one, which ends when it is dealt with; the messages of one
//! connection are dealt with one after the other.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use squall::live::{CLOSE_ENDED, Connection, Incoming, Moment, WsDoor, WsMessage};
use squall::web::extract::State;
use squall::web::{Extension, Request, Response};

use super::control::{CONTROL_BYTES_MAX, Control, refusal};
use super::names::{Name, Wanted};
use super::{Streams, rights};
use crate::api::mastodon::auth::{self, Auth};
use crate::api::mastodon::error::ApiError;

/// How many streams one connection may follow.
pub(super) const STREAMS_MAX: usize = 32;
/// How many messages of one connection may wait to be dealt with. Past it the connection is closed.
pub(super) const WAITING_MAX: usize = 64;

/// What is known of one connection beside what it follows.
struct Mux {
    streams: Streams,
    auth: Auth,
    state: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    /// What was said and not yet dealt with. Invariant: at most [`WAITING_MAX`].
    waiting: VecDeque<Result<Control, ApiError>>,
    /// Whether a task is dealing with it.
    busy: bool,
    /// What is followed. Invariant: at most [`STREAMS_MAX`].
    followed: Vec<Wanted>,
}

/// Opens the connection; `?stream=` is followed from the beginning.
pub(super) async fn open(
    State(streams): State<Streams>,
    Extension(moment): Extension<Moment>,
    auth: Auth,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    if matches!(auth, Auth::Invalid) {
        return Err(ApiError::bad_token());
    }
    let field = |wanted: &str| {
        let query = parts.uri.query().unwrap_or_default().as_bytes();
        form_urlencoded::parse(query)
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.into_owned())
    };
    let first = match field("stream").filter(|name| !name.is_empty()) {
        None => None,
        Some(name) => Some(Wanted::read(&name, field("tag").as_deref())?),
    };
    let (mut topics, mut style) = (Vec::new(), None);
    if let Some(wanted) = &first {
        wanted.check(&auth)?;
        topics = rights::topics_of(&streams.app, &auth, wanted).await?;
        style = streams.styles.ws(wanted.name);
    }
    let kind = rights::kind(first.as_ref().map_or(Name::Quiet, |wanted| wanted.name));
    let grant = rights::grant(&auth, topics, style, kind);
    // The protocol is the token, if it came that way; a browser insists on reading it back.
    let in_protocol = auth::bearer(&parts.headers).is_none() && field("access_token").is_none();
    let protocol = auth::offered_protocol(&parts.headers)
        .filter(|_| in_protocol)
        .map(str::to_string);
    let state = Mutex::new(Progress {
        followed: first.into_iter().collect(),
        ..Progress::default()
    });
    let mux = Arc::new(Mux {
        streams: streams.clone(),
        auth,
        state,
    });
    // What is granted later without a style of its own is part of home.
    let mut door = WsDoor::new().any_origin().message_bytes_max(CONTROL_BYTES_MAX);
    if let Some(style) = streams.styles.ws(Name::User) {
        door = door.style(style);
    }
    let door = door.on_message(move |incoming| received(&mux, incoming));
    Ok(streams
        .app
        .live()
        .ws_response(&door, &parts, moment, grant, protocol.as_deref()))
}

/// Notes what was said, and starts a task unless there is one.
fn received(mux: &Arc<Mux>, incoming: Incoming<'_>) {
    let connection = incoming.connection();
    let said = match &incoming.message {
        WsMessage::Text(text) => Control::read(text),
        WsMessage::Binary(data) => Control::read(&String::from_utf8_lossy(data)),
    };
    let mut state = mux.state();
    if state.waiting.len() == WAITING_MAX {
        connection.close(CLOSE_ENDED, "too much at once");
        return;
    }
    state.waiting.push_back(said);
    if !std::mem::replace(&mut state.busy, true) {
        let mux = mux.clone();
        tokio::spawn(async move { mux.work(&connection).await });
    }
}

impl Mux {
    fn state(&self) -> MutexGuard<'_, Progress> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next thing to deal with; without one, the task is over.
    fn next(&self) -> Option<Result<Control, ApiError>> {
        let mut state = self.state();
        let next = state.waiting.pop_front();
        state.busy = next.is_some();
        next
    }

    async fn work(&self, connection: &Connection) {
        while let Some(said) = self.next() {
            let done = match said {
                Ok(Control::Subscribe(wanted)) => self.subscribe(connection, wanted).await,
                Ok(Control::Unsubscribe(wanted)) => self.unsubscribe(connection, &wanted),
                Ok(Control::Other) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = done
                && connection.send_text(&refusal(&error)).is_err()
            {
                connection.close(CLOSE_ENDED, "nothing is read");
                return;
            }
        }
    }

    async fn subscribe(&self, connection: &Connection, wanted: Wanted) -> Result<(), ApiError> {
        wanted.check(&self.auth)?;
        {
            let state = self.state();
            if state.followed.contains(&wanted) {
                return Ok(());
            }
            if state.followed.len() >= STREAMS_MAX {
                return Err(ApiError::too_many());
            }
        }
        let moment = self.streams.app.live().moment();
        let topics = rights::topics_of(&self.streams.app, &self.auth, &wanted).await?;
        let style = self.streams.styles.ws(wanted.name);
        let grant = rights::grant(&self.auth, topics, style, self.kind_with(Some(&wanted)));
        connection.add(moment, grant).map_err(|_| ApiError::too_many())?;
        self.state().followed.push(wanted);
        Ok(())
    }

    fn unsubscribe(&self, connection: &Connection, wanted: &Wanted) -> Result<(), ApiError> {
        self.state().followed.retain(|followed| followed != wanted);
        match self.streams.styles.ws(wanted.name) {
            None => Ok(()),
            Some(style) => connection
                .remove(style, self.kind_with(None))
                .map_err(|_| ApiError::too_many()),
        }
    }

    /// What the connection belongs to when it follows `more` too: as soon as home is part of it, home's kind.
    fn kind_with(&self, more: Option<&Wanted>) -> u32 {
        let state = self.state();
        let mut names = state.followed.iter().chain(more).map(|wanted| wanted.name);
        let home = names.any(|name| name == Name::User);
        rights::kind(if home { Name::User } else { Name::Quiet })
    }
}
