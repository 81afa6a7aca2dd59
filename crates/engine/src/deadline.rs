//! How long the handler that runs has left.
//!
//! Why no request extension: it would cost every request an allocation for a few handlers that ask. The engine says it
//! to whoever asks while the handler is polled, for the price of a store.

use std::cell::Cell;
use std::time::{Duration, Instant};

thread_local! {
    static CURRENT: Cell<Option<Current>> = const { Cell::new(None) };
}

/// The request whose handler is being polled on this thread.
#[derive(Clone, Copy)]
struct Current {
    began: Instant,
    timeout: Duration,
    /// The handler asked for another time-out.
    asked: Option<Duration>,
}

/// The moment at which the engine answers 503 in a handler's place: [`crate::Limits::handler_timeout`] after its
/// request (with its body, if it arrives late) was there. Exact to a [`crate::SWEEP_INTERVAL`], which it may be late.
///
/// ```
/// # async fn ask(_: std::time::Duration) {}
/// # async fn handler() {
/// use squall_engine::Deadline;
///
/// // Whom we ask must not take longer than we have.
/// let left = Deadline::current().map_or(std::time::Duration::MAX, |deadline| deadline.left());
/// ask(left).await;
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// That of the request whose handler this is. None anywhere else: in a task of its own, on another thread, in the
    /// handler of a WebSocket, in a body that is being streamed.
    pub fn current() -> Option<Deadline> {
        let current = CURRENT.get()?;
        let timeout = current.asked.unwrap_or(current.timeout);
        current.began.checked_add(timeout).map(Deadline)
    }

    /// Gives the handler that runs another time-out, longer or shorter, in place of [`crate::Limits::handler_timeout`].
    /// For one route, call it first thing in its handler or in a layer around it. Whether there was a handler to give it
    /// to: see [`Deadline::current`].
    pub fn set_timeout(timeout: Duration) -> bool {
        let current = CURRENT.get();
        CURRENT.set(current.map(|current| Current {
            asked: Some(timeout),
            ..current
        }));
        current.is_some()
    }

    /// When it is.
    pub fn at(self) -> Instant {
        self.0
    }

    /// How long until then; zero when it has passed.
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// Until it is dropped, a handler is being polled on this thread.
pub(crate) struct Polled {
    before: Option<Current>,
}

/// A handler is polled whose time-out began then.
pub(crate) fn polled(began: Instant, timeout: Duration) -> Polled {
    let current = Current {
        began,
        timeout,
        asked: None,
    };
    Polled {
        before: CURRENT.replace(Some(current)),
    }
}

/// What is polled is no handler that would have a deadline.
pub(crate) fn not_polled() -> Polled {
    Polled {
        before: CURRENT.take(),
    }
}

impl Polled {
    /// The time-out that the handler asked for.
    pub(crate) fn asked(&self) -> Option<Duration> {
        CURRENT.get()?.asked
    }
}

impl Drop for Polled {
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_there_while_a_handler_is_polled() {
        let began = Instant::now();
        assert_eq!(Deadline::current(), None);
        assert!(!Deadline::set_timeout(Duration::ZERO));
        let outer = polled(began, Duration::from_secs(60));
        assert_eq!(Deadline::current().unwrap().at(), began + Duration::from_secs(60));
        {
            let inner = polled(began, Duration::from_secs(1));
            assert!(Deadline::set_timeout(Duration::from_secs(5)));
            assert_eq!(inner.asked(), Some(Duration::from_secs(5)));
            assert_eq!(Deadline::current().unwrap().at(), began + Duration::from_secs(5));
        }
        {
            let _body = not_polled();
            assert_eq!(Deadline::current(), None);
        }
        assert_eq!(outer.asked(), None);
        assert!(Deadline::current().unwrap().left() > Duration::from_secs(50));
        drop(outer);
        assert_eq!(Deadline::current(), None);
    }
}
