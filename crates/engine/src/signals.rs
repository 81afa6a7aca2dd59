//! The signals that end a server, as `kill` and a terminal send them.

use std::sync::PoisonError;
use std::time::Duration;

use crate::error::Error;
use crate::server::{Handle, spawn};

/// SIGTERM and SIGINT.
pub struct Signals {
    runtime: tokio::runtime::Runtime,
    term: tokio::signal::unix::Signal,
    int: tokio::signal::unix::Signal,
}

impl Signals {
    /// From now on these signals are ours.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn new() -> Result<Self, Error> {
        use tokio::signal::unix::{SignalKind, signal};
        let failed = |e| Error::io("cannot wait for signals", e);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let _entered = runtime.enter();
        let term = signal(SignalKind::terminate()).map_err(failed)?;
        let int = signal(SignalKind::interrupt()).map_err(failed)?;
        drop(_entered);
        Ok(Signals { runtime, term, int })
    }

    /// Waits for a signal, drains `handle`, and returns when it has ended, or at a second signal. While it drains, the
    /// log says each second what is left.
    ///
    /// # Errors
    /// When a second signal ended the drain, so that the process that gives it back from `main` ends with status 1; and
    /// when the thread that waits for the end cannot be made.
    pub fn wait_then_drain(self, handle: &Handle) -> Result<(), Error> {
        self.wait_then_drain_after(handle, || Duration::ZERO)
    }

    /// As [`Signals::wait_then_drain`]; `announce` is called when the signal has come, and for so long as it says
    /// everything is served as before: time for a load balancer to send elsewhere. Another signal ends that time.
    ///
    /// # Errors
    /// As [`Signals::wait_then_drain`].
    pub fn wait_then_drain_after(
        mut self,
        handle: &Handle,
        announce: impl FnOnce() -> Duration,
    ) -> Result<(), Error> {
        self.wait();
        self.pause(announce());
        tracing::info!(connections = handle.open_connections(), "draining");
        handle.shutdown();
        let (ended, end) = tokio::sync::oneshot::channel();
        let threads = std::mem::take(&mut *handle.threads.lock().unwrap_or_else(PoisonError::into_inner));
        spawn("squall-join".to_owned(), None, move || {
            for thread in threads {
                // A thread that panicked has said so itself.
                let _ = thread.join();
            }
            // Nobody waits any more after a second signal.
            let _ = ended.send(());
        })?;
        let Signals { runtime, term, int } = &mut self;
        let drained = runtime.block_on(async {
            tokio::select! {
                _ = end => true,
                _ = term.recv() => false,
                _ = int.recv() => false,
            }
        });
        if drained {
            return Ok(());
        }
        let cut = handle.open_connections();
        tracing::warn!(connections = cut, "a second signal ends the drain at once");
        Err(Error::new(format!(
            "a second signal ended the drain; {cut} connections were cut"
        )))
    }

    /// Waits for so long, or for a signal.
    fn pause(&mut self, time: Duration) {
        if time.is_zero() {
            return;
        }
        let Signals { runtime, term, int } = self;
        runtime.block_on(async {
            tokio::select! {
                () = tokio::time::sleep(time) => {}
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
        });
    }

    fn wait(&mut self) {
        let Signals { runtime, term, int } = self;
        runtime.block_on(async {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
        });
    }
}
