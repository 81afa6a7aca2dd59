//! The session of one request, as handlers see it. What they change is written by the layer after they answered.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::{StatusCode, request::Parts};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Key, Record};

/// Bytes that a session's data may take as JSON.
pub const DATA_BYTES_MAX: usize = 4096;

/// The session of this request: an extractor, and an extension of the request for code that has its parts.
///
/// All clones are the same session. Changes are written when the handler has answered; when that fails, the answer
/// is a 500 and nothing is promised to the browser.
#[derive(Clone)]
pub struct Session {
    state: Arc<Mutex<State>>,
}

/// What is known of the session, and what the handler wants.
pub(super) struct State {
    /// The record that the request's cookie named, if it was there and alive.
    pub(super) loaded: Option<Record>,
    pub(super) owner: Option<u64>,
    pub(super) data: Map<String, Value>,
    pub(super) change: Change,
}

/// What the layer has to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// Nothing.
    Keep,
    /// The same session with other data.
    Write,
    /// The same session under a new id, if it was not ended in the meantime.
    Renew,
    /// A new session in the place of this one.
    Replace,
    /// No session any more.
    End,
}

impl Session {
    pub(super) fn new(loaded: Option<Record>) -> Self {
        let owner = loaded.as_ref().and_then(|record| record.owner);
        let data = loaded
            .as_ref()
            .and_then(|record| serde_json::from_str(&record.data).ok())
            .unwrap_or_default();
        Self {
            state: Arc::new(Mutex::new(State {
                loaded,
                owner,
                data,
                change: Change::Keep,
            })),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is signed in.
    pub fn owner(&self) -> Option<u64> {
        self.state().owner
    }

    /// The session's key in the store, if it had one when the request came.
    pub fn key(&self) -> Option<Key> {
        self.state().loaded.as_ref().map(|record| record.key)
    }

    /// When it began, in milliseconds since the Unix epoch, if it had when the request came.
    pub fn created_ms(&self) -> Option<u64> {
        self.state().loaded.as_ref().map(|record| record.created_ms)
    }

    /// Somebody has proved who they are: the session is theirs from now on, under a new id, with nothing of what was
    /// in it before (it may have been somebody else's).
    pub fn sign_in(&self, owner: u64) {
        let mut state = self.state();
        state.owner = Some(owner);
        state.data = Map::new();
        state.change = Change::Replace;
    }

    /// Ends the session: record and cookie are removed.
    pub fn sign_out(&self) {
        let mut state = self.state();
        state.owner = None;
        state.data = Map::new();
        state.change = Change::End;
    }

    /// A new id for the same session, whose life starts anew: when rights grow (a password was confirmed).
    pub fn rotate(&self) {
        let mut state = self.state();
        if matches!(state.change, Change::Keep | Change::Write) {
            state.change = Change::Renew;
        }
    }

    /// What is remembered under that name, if it is of that type.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.state()
            .data
            .get(name)
            .and_then(|value| T::deserialize(value).ok())
    }

    /// Remembers something. Fails, and changes nothing, when all data together pass [`DATA_BYTES_MAX`] or the value
    /// is not JSON.
    pub fn set<T: Serialize + ?Sized>(&self, name: &str, value: &T) -> Result<(), DataTooLarge> {
        let value = serde_json::to_value(value).map_err(|_| DataTooLarge)?;
        let mut state = self.state();
        let before = state.data.insert(name.to_owned(), value);
        if encode(&state.data).len() > DATA_BYTES_MAX {
            match before {
                Some(value) => state.data.insert(name.to_owned(), value),
                None => state.data.remove(name),
            };
            return Err(DataTooLarge);
        }
        state.mark_written();
        Ok(())
    }

    /// Forgets something.
    pub fn remove(&self, name: &str) {
        let mut state = self.state();
        if state.data.remove(name).is_some() {
            state.mark_written();
        }
    }
}

impl State {
    fn mark_written(&mut self) {
        self.change = match self.change {
            Change::Keep => Change::Write,
            // What is set after a sign-out belongs to a new session.
            Change::End => Change::Replace,
            other => other,
        };
    }
}

pub(super) fn encode(data: &Map<String, Value>) -> String {
    serde_json::to_string(data).expect("JSON values are JSON")
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Session")
            .field("owner", &state.owner)
            .field("change", &state.change)
            .finish_non_exhaustive()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = SessionMissing;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, SessionMissing> {
        parts.extensions.get::<Session>().cloned().ok_or(SessionMissing)
    }
}

/// A handler asks for a [`Session`] and its route has no session layer: 500.
#[derive(Clone, Copy, Debug)]
pub struct SessionMissing;

impl IntoResponse for SessionMissing {
    fn into_response(self) -> Response {
        tracing::error!("a handler asked for the session, and its route has no session layer");
        (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").into_response()
    }
}

/// More than [`DATA_BYTES_MAX`] bytes of session data, or not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataTooLarge;

impl fmt::Display for DataTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a session's data must be JSON of at most {DATA_BYTES_MAX} bytes"
        )
    }
}

impl std::error::Error for DataTooLarge {}

impl IntoResponse for DataTooLarge {
    fn into_response(self) -> Response {
        tracing::error!("{self}");
        (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").into_response()
    }
}
