//! Whether the program lives (`/healthz`), and whether it may be asked (`/readyz`).
//!
//! Liveness is always cheap: it says only that a core answers. Who restarts a program because its database is slow makes
//! things worse, so the checks belong to readiness alone. Readiness is no before the server has started and from the
//! moment it begins to drain, so that a load balancer stops sending before anything is closed
//! ([`crate::Server::drain_delay`]).
//!
//! ```
//! use std::time::Duration;
//! use squall::health::Health;
//! use squall::web::Router;
//!
//! let health = Health::new().check("store", Duration::from_secs(1), async || {
//!     // A short question to whatever requests need.
//!     Ok::<(), std::io::Error>(())
//! });
//! let app: Router = Router::new().merge(health.routes());
//! let server = squall::Server::new(app).health(&health).drain_delay(Duration::from_secs(5));
//! # drop(server);
//! ```

use std::fmt::Display;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

use crate::BoxFuture;

/// How long an answer of the checks is good: however often somebody asks, the checks run no more often than this.
pub const CHECKS_INTERVAL: Duration = Duration::from_secs(1);

/// Says whether the program lives and may be asked. Cheap to clone; clones are the same.
#[derive(Clone)]
pub struct Health {
    checks: Arc<[Check]>,
    shared: Arc<Shared>,
}

#[derive(Clone)]
struct Check {
    name: &'static str,
    timeout: Duration,
    ask: Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>,
}

#[derive(Default)]
struct Shared {
    started: AtomicBool,
    draining: AtomicBool,
    observer: OnceLock<squall_engine::Observer>,
    last: Mutex<Option<Last>>,
}

/// What the checks said.
struct Last {
    at: Instant,
    checks: Map<String, Value>,
    /// Of each check, whether it succeeded: what changes is logged.
    fine: Vec<bool>,
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl Health {
    /// Without checks.
    pub fn new() -> Self {
        Self {
            checks: Arc::new([]),
            shared: Arc::default(),
        }
    }

    /// Ready only while this check succeeds, within that time. All checks run at once, at most once each
    /// [`CHECKS_INTERVAL`]; callers that come meanwhile wait for the same answer. Why a check failed goes to the log, when
    /// it begins to, and not to callers.
    #[must_use]
    pub fn check<F, Fut, E>(mut self, name: &'static str, timeout: Duration, ask: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    {
        let ask = move || -> BoxFuture<'static, Result<(), String>> {
            let asked = ask();
            Box::pin(async move { asked.await.map_err(|error| error.to_string()) })
        };
        let check = Check {
            name,
            timeout,
            ask: Arc::new(ask),
        };
        self.checks = self.checks.iter().cloned().chain([check]).collect();
        self
    }

    /// `GET /healthz` and `GET /readyz`, each a small JSON object: 200, or 503 when the program is not ready.
    pub fn routes<S>(&self) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        let health = self.clone();
        Router::new()
            .route("/healthz", get(async || answer(StatusCode::OK, "ok", Map::new())))
            .route("/readyz", get(async move || health.readiness().await))
    }

    /// The program has started: [`crate::Server::health`] says so by itself.
    pub fn started(&self) {
        self.shared.started.store(true, Ordering::Relaxed);
    }

    /// From now on the program is not ready any more: [`crate::Server::health`] says so by itself when the server drains.
    pub fn drain(&self) {
        self.shared.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the program would say that it is ready, were all checks to succeed.
    pub fn is_up(&self) -> bool {
        self.state().is_none()
    }

    /// Follows this server.
    pub(crate) fn observe(&self, observer: squall_engine::Observer) {
        // A second server does not make the first one's state another.
        let _ = self.shared.observer.set(observer);
        self.started();
    }

    /// Why the program is not ready, whatever the checks say.
    fn state(&self) -> Option<&'static str> {
        let drains = self
            .shared
            .observer
            .get()
            .is_some_and(squall_engine::Observer::is_draining);
        if drains || self.shared.draining.load(Ordering::Relaxed) {
            Some("draining")
        } else if !self.shared.started.load(Ordering::Relaxed) {
            Some("starting")
        } else {
            None
        }
    }

    async fn readiness(&self) -> Response {
        // Whoever drains does not ask its database once more.
        if let Some(state) = self.state() {
            return answer(StatusCode::SERVICE_UNAVAILABLE, state, Map::new());
        }
        let mut last = self.shared.last.lock().await;
        let known = match last.take() {
            Some(known) if known.at.elapsed() < CHECKS_INTERVAL => known,
            before => self.ask(before).await,
        };
        let checks = known.checks.clone();
        let fine = known.fine.iter().all(|fine| *fine);
        *last = Some(known);
        drop(last);
        if fine {
            answer(StatusCode::OK, "ok", checks)
        } else {
            answer(StatusCode::SERVICE_UNAVAILABLE, "failing", checks)
        }
    }

    /// Runs all checks at once.
    async fn ask(&self, before: Option<Last>) -> Last {
        let running = self.checks.iter().map(|check| async {
            let began = Instant::now();
            let result = match tokio::time::timeout(check.timeout, (check.ask)()).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(why)) => Err(("failed", why)),
                Err(_) => Err(("timed_out", format!("no answer in {:?}", check.timeout))),
            };
            (check.name, result, began.elapsed())
        });
        let results = all(running).await;
        let mut checks = Map::new();
        let mut fine = Vec::new();
        for (at, (name, result, took)) in results.into_iter().enumerate() {
            let was_fine = before.as_ref().is_none_or(|before| before.fine[at]);
            let status = match &result {
                Ok(()) => "ok",
                Err((status, _)) => status,
            };
            match result {
                Err((_, why)) if was_fine => {
                    let why = crate::log::one_line(&why);
                    tracing::warn!(check = name, why, "a check of readiness fails");
                }
                Ok(()) if !was_fine => tracing::info!(check = name, "a check of readiness succeeds again"),
                _ => {}
            }
            let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            checks.insert(name.to_owned(), json!({ "status": status, "ms": millis }));
            fine.push(status == "ok");
        }
        Last {
            at: Instant::now(),
            checks,
            fine,
        }
    }
}

/// Waits for all of them, all at once, in this task.
async fn all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures
        .into_iter()
        .map(|future| (Box::pin(future), None))
        .collect();
    std::future::poll_fn(|context| {
        let mut waiting = false;
        for (future, output) in &mut running {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => waiting = true,
                }
            }
        }
        if waiting {
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(())
        }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}

fn answer(status: StatusCode, state: &str, checks: Map<String, Value>) -> Response {
    let mut body = json!({ "status": state });
    if !checks.is_empty() {
        body["checks"] = Value::Object(checks);
    }
    (status, [(CACHE_CONTROL, "no-store")], axum::Json(body)).into_response()
}

#[cfg(test)]
mod tests;
