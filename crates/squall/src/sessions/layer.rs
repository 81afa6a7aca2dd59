//! Loads the session before a handler and writes what it changed after.

use std::task::{Context, Poll};

use axum::extract::Request;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::handle::{Change, encode};
use super::{ID_BYTES, Key, Record, Session, Sessions, StoreError, TOUCH_EVERY_MS};
use crate::BoxFuture;
use crate::cookies::{Cookies, SetCookie};

/// See [`Sessions::layer`].
#[derive(Clone)]
pub struct SessionLayer {
    sessions: Sessions,
}

impl SessionLayer {
    pub(super) fn new(sessions: Sessions) -> Self {
        Self { sessions }
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> SessionService<S> {
        SessionService {
            inner,
            sessions: self.sessions.clone(),
        }
    }
}

/// What [`SessionLayer`] wraps a service in.
#[derive(Clone)]
pub struct SessionService<S> {
    inner: S,
    sessions: Sessions,
}

impl<S> Service<Request> for SessionService<S>
where
    S: Service<Request, Response = Response> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        // The clone goes into the future; the one that was polled ready must be the one that is called.
        let unready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, unready);
        let sessions = self.sessions.clone();
        Box::pin(async move {
            let session = match sessions.load(request.headers()).await {
                Ok(session) => session,
                Err(error) => return Ok(error.into_response()),
            };
            request.extensions_mut().insert(session.clone());
            let mut response = inner.call(request).await?;
            match sessions.write(&session).await {
                Ok(Some(cookie)) => drop(response.headers_mut().append(SET_COOKIE, cookie)),
                Ok(None) => {}
                Err(error) => response = error.into_response(),
            }
            Ok(response)
        })
    }
}

impl Sessions {
    async fn load(&self, headers: &HeaderMap) -> Result<Session, StoreError> {
        let cookies = Cookies::parse(headers);
        let Some(id) = cookies.get(&self.cookie()).filter(|id| id.len() == 2 * ID_BYTES) else {
            return Ok(Session::new(None));
        };
        let key = Key::of_id(id);
        let record = self.inner.store.load(&key).await?;
        let now_ms = self.now_ms();
        match record {
            Some(record) if self.is_live(&record, now_ms) => Ok(Session::new(Some(record))),
            Some(_) => {
                self.inner.store.remove(&key).await?;
                Ok(Session::new(None))
            }
            None => Ok(Session::new(None)),
        }
    }

    /// Writes what changed; gives the cookie to be set, if any.
    async fn write(&self, session: &Session) -> Result<Option<HeaderValue>, StoreError> {
        let now_ms = self.now_ms();
        let (loaded, owner, data, change) = {
            let state = session.state();
            (
                state.loaded.clone(),
                state.owner,
                encode(&state.data),
                state.change,
            )
        };
        match (change, loaded) {
            (Change::Keep, None) => Ok(None),
            (Change::Keep, Some(record)) if now_ms.saturating_sub(record.seen_ms) < TOUCH_EVERY_MS => {
                Ok(None)
            }
            (Change::Keep | Change::Write, Some(record)) => {
                self.inner
                    .store
                    .update(Record {
                        owner,
                        data,
                        seen_ms: now_ms,
                        ..record
                    })
                    .await?;
                Ok(None)
            }
            (Change::End, loaded) => {
                if let Some(record) = &loaded {
                    self.inner.store.remove(&record.key).await?;
                }
                Ok(loaded.map(|_| self.removal_cookie()))
            }
            (Change::Renew, Some(record)) => {
                let old = record.key;
                let still_there = self
                    .inner
                    .store
                    .update(Record {
                        owner,
                        data: data.clone(),
                        ..record
                    })
                    .await?;
                if still_there {
                    self.replace(Some(old), owner, data).await
                } else {
                    Ok(Some(self.removal_cookie()))
                }
            }
            (Change::Replace | Change::Renew | Change::Write, loaded) => {
                self.replace(loaded.map(|record| record.key), owner, data).await
            }
        }
    }

    /// A new session, then the end of the old one: whoever is cut off in between still has one of them.
    async fn replace(
        &self,
        old: Option<Key>,
        owner: Option<u64>,
        data: String,
    ) -> Result<Option<HeaderValue>, StoreError> {
        let id = crate::hex(&crate::random_bytes::<ID_BYTES>());
        let now_ms = self.now_ms();
        let record = Record {
            key: Key::of_id(&id),
            owner,
            created_ms: now_ms,
            seen_ms: now_ms,
            data,
        };
        self.inner.store.insert(record).await?;
        if let Some(old) = old {
            self.inner.store.remove(&old).await?;
        }
        Ok(Some(self.id_cookie(&id)))
    }

    fn id_cookie(&self, id: &str) -> HeaderValue {
        let cookie = SetCookie::new(&self.cookie(), id).expect("the name was checked, the id is hexadecimal");
        let age = std::time::Duration::from_millis(self.inner.absolute_ms);
        cookie.secure(self.inner.secure).max_age(age).header_value()
    }

    fn removal_cookie(&self) -> HeaderValue {
        let cookie = SetCookie::removal(&self.cookie()).expect("the name was checked");
        cookie.secure(self.inner.secure).header_value()
    }
}
