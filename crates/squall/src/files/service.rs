//! From a request to the file that it names: at once if all is known, else after a look.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::fs::File;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::response::Response;
use tokio::sync::Semaphore;
use tower_service::Service;

use super::answer::{Decided, Policy, Sending, decide, not_allowed, redirect, short};
use super::beneath::Root;
use super::body::Buffers;
use super::cache::{Cache, OpenFiles};
use super::coding::Coding;
use super::entry::{Stamp, Table};
use super::look::{Look, Looked, Rules, look};
use super::path::{self, Wanted};
use super::{Files, FilesConfig};

/// What all clones share.
pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) policy: Policy,
    pub(super) index: Option<String>,
    pub(super) well_known: bool,
}

pub(super) enum Store {
    Directory(Box<Directory>),
    Embedded(Table),
}

/// A directory, and what is known of it.
pub(super) struct Directory {
    root: Root,
    rules: Rules,
    cache: Cache,
    open: OpenFiles,
    buffers: Arc<Buffers>,
    /// Who may look. A look that nobody waits for any more keeps its place until it is over.
    looks: Arc<Semaphore>,
    fresh_ms: u64,
}

impl Directory {
    pub(super) fn new(root: Root, rules: Rules, config: &FilesConfig) -> Self {
        Self {
            root,
            rules,
            cache: Cache::new(config.entries_max, config.memory_bytes_max),
            open: OpenFiles::new(config.open_files_max, config.hash_bytes_max),
            buffers: Arc::default(),
            looks: Arc::new(Semaphore::new(config.looks_max.clamp(1, Semaphore::MAX_PERMITS))),
            fresh_ms: config.fresh_ms,
        }
    }

    /// The file, without waiting, if it still is what is known of it.
    ///
    /// That of an open one tells whether it was written to, removed or replaced: each changes the time of its inode.
    fn open_now(&self, name: &str, sending: &Sending, coding: Coding) -> Option<Arc<File>> {
        let name = named(name, coding);
        if let Some(file) = self.open.get(&name) {
            if Stamp::of(&file).ok()? == sending.stamp {
                return Some(file);
            }
            self.open.remove(&name);
        }
        let file = Arc::new(self.root.open_now(&name)?);
        let is_it = Stamp::of(&file).ok()? == sending.stamp;
        if is_it {
            self.open.put(&name, &file, sending.stamp.len_bytes);
        }
        is_it.then_some(file)
    }

    fn look(&self, name: &str) -> std::io::Result<Look> {
        // Before the look: what changes during it is seen by the next.
        let now_ms = self.cache.now_ms();
        let old = self.cache.get(name);
        let seen = look(&self.root, name, old.as_deref(), &self.rules)?;
        match &seen {
            Look::File(looked) => {
                looked.entry.set_checked_ms(now_ms);
                self.cache.put(name, looked.entry.clone());
            }
            Look::Directory | Look::Missing => {
                self.cache.remove(name);
                for coding in [Coding::Identity].into_iter().chain(Coding::BESIDE) {
                    self.open.remove(&named(name, coding));
                }
            }
        }
        Ok(seen)
    }
}

/// The name of the file that has a file's bytes in that coding.
fn named(name: &str, coding: Coding) -> Cow<'_, str> {
    match coding {
        Coding::Identity => Cow::Borrowed(name),
        coding => Cow::Owned(format!("{name}{}", coding.suffix())),
    }
}

/// What can be said without waiting.
enum AtOnce {
    Answer(Response),
    /// Someone has to look at the file of that name.
    Look(String),
}

impl Files {
    fn at_once(&self, request: &Parts) -> AtOnce {
        if request.method != Method::GET && request.method != Method::HEAD {
            return AtOnce::Answer(not_allowed());
        }
        let below = request.uri.path().strip_prefix(&*self.mount);
        let Some(wanted) = below.and_then(|path| path::parse(path, self.inner.well_known)) else {
            return AtOnce::Answer(short(StatusCode::NOT_FOUND));
        };
        let Some(name) = self.inner.file_of(wanted) else {
            return AtOnce::Answer(short(StatusCode::NOT_FOUND));
        };
        let known = match &self.inner.store {
            Store::Embedded(table) => return AtOnce::Answer(self.inner.embedded(table, &name, request)),
            Store::Directory(directory) => directory.cache.fresh(&name, directory.fresh_ms),
        };
        match known.and_then(|entry| self.inner.known(&name, &entry, &request.method, &request.headers)) {
            Some(answer) => AtOnce::Answer(answer),
            None => AtOnce::Look(name),
        }
    }

    async fn later(self, name: String, request: Parts) -> Response {
        let Store::Directory(directory) = &self.inner.store else {
            return short(StatusCode::NOT_FOUND);
        };
        let Ok(permit) = directory.looks.clone().acquire_owned().await else {
            return short(StatusCode::SERVICE_UNAVAILABLE);
        };
        // Who was here before may have looked at the same file.
        let known = directory.cache.fresh(&name, directory.fresh_ms);
        let known =
            known.and_then(|entry| self.inner.known(&name, &entry, &request.method, &request.headers));
        if let Some(answer) = known {
            return answer;
        }
        let (inner, of) = (self.inner.clone(), name.clone());
        let looking = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            match &inner.store {
                Store::Directory(directory) => directory.look(&of),
                Store::Embedded(_) => Ok(Look::Missing),
            }
        });
        let seen = looking
            .await
            .unwrap_or_else(|error| Err(std::io::Error::other(error)));
        match seen {
            Ok(Look::File(looked)) => self.inner.seen(&looked, &request, &directory.buffers),
            Ok(Look::Directory) => redirect(path::with_slash(&name, request.uri.query())),
            Ok(Look::Missing) => short(StatusCode::NOT_FOUND),
            Err(error) => {
                tracing::error!(%error, name, "a file cannot be read; the answer is 500");
                short(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

impl Inner {
    /// The name of the file that a URL names.
    fn file_of(&self, wanted: Wanted<'_>) -> Option<String> {
        match (wanted.slash, &self.index) {
            (false, _) => Some(wanted.name.into_owned()),
            (true, None) => None,
            (true, Some(index)) if wanted.name.is_empty() => Some(index.clone()),
            (true, Some(index)) => Some(format!("{}/{index}", wanted.name)),
        }
    }

    fn embedded(&self, table: &Table, name: &str, request: &Parts) -> Response {
        if let Some(entry) = table.get(name) {
            return match decide(entry, &request.method, &request.headers, &self.policy) {
                Decided::Answer(answer) => answer,
                // Embedded files are all in memory.
                Decided::Send(_) => short(StatusCode::NOT_FOUND),
            };
        }
        let page = self.index.as_ref().map(|index| format!("{name}/{index}"));
        match page.filter(|page| table.contains_key(page)) {
            Some(_) => redirect(path::with_slash(name, request.uri.query())),
            None => short(StatusCode::NOT_FOUND),
        }
    }

    /// The answer from what is known. `None`: one has to look.
    fn known(
        &self,
        name: &str,
        entry: &super::Entry,
        method: &Method,
        headers: &HeaderMap,
    ) -> Option<Response> {
        let Store::Directory(directory) = &self.store else {
            return None;
        };
        match decide(entry, method, headers, &self.policy) {
            Decided::Answer(answer) => Some(answer),
            Decided::Send(sending) => {
                let coding = entry.variants[sending.variant].coding;
                let file = directory.open_now(name, &sending, coding)?;
                Some(sending.from(file, &directory.buffers))
            }
        }
    }

    /// The answer from what was just seen.
    fn seen(&self, looked: &Looked, request: &Parts, buffers: &Arc<Buffers>) -> Response {
        match decide(&looked.entry, &request.method, &request.headers, &self.policy) {
            Decided::Answer(answer) => answer,
            Decided::Send(sending) => match &looked.open[sending.variant] {
                Some(file) => sending.from(file.clone(), buffers),
                None => short(StatusCode::NOT_FOUND),
            },
        }
    }
}

impl<B> Service<Request<B>> for Files {
    type Response = Response;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answering {
        let (parts, _) = request.into_parts();
        Answering(match self.at_once(&parts) {
            AtOnce::Answer(answer) => State::Ready(Some(Box::new(answer))),
            AtOnce::Look(name) => State::Later(Box::pin(self.clone().later(name, parts))),
        })
    }
}

/// The answer of [`Files`].
pub struct Answering(State);

enum State {
    Ready(Option<Box<Response>>),
    Later(Pin<Box<dyn Future<Output = Response> + Send>>),
}

impl Future for Answering {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Ready(answer) => match answer.take() {
                Some(answer) => Poll::Ready(Ok(*answer)),
                None => Poll::Pending,
            },
            State::Later(answer) => answer.as_mut().poll(cx).map(Ok),
        }
    }
}

impl fmt::Debug for Answering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering").finish_non_exhaustive()
    }
}
