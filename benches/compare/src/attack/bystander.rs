//! Somebody who asks now and then, and notes how long the answer takes.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::load::client;
use crate::stats::Histogram;

/// Between an answer and the next request.
const PAUSE: Duration = Duration::from_millis(1);

/// Asks `GET /` on one connection, on a thread of its own, until dropped.
#[derive(Debug)]
pub struct Bystander {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    latency: Mutex<Histogram>,
    end: AtomicBool,
}

impl Bystander {
    /// Begins to ask.
    #[must_use]
    pub fn start(address: SocketAddr) -> Self {
        let shared = Arc::new(Shared::default());
        let its = shared.clone();
        Self {
            shared,
            thread: Some(thread::spawn(move || ask(address, &its))),
        }
    }

    /// The latencies since the last call.
    ///
    /// # Errors
    /// When there are none because it was not answered any more.
    pub fn take(&mut self) -> io::Result<Histogram> {
        if self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
            let ended = self.thread.take().and_then(|thread| thread.join().ok());
            let why = ended.and_then(Result::err);
            return Err(why.unwrap_or_else(|| io::Error::other("the bystander has ended")));
        }
        let mut latency = self.shared.latency.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut *latency))
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn ask(address: SocketAddr, shared: &Shared) -> io::Result<()> {
    let mut stream = client::connect(address)?;
    let request = client::get_request(address, "/");
    while !shared.end.load(Ordering::Acquire) {
        let sent = Instant::now();
        let answer = client::exchange(&mut stream, &request)?;
        let latency = sent.elapsed();
        if answer.status != 200 {
            return Err(io::Error::other(format!(
                "the bystander is answered with {}",
                answer.status
            )));
        }
        shared
            .latency
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .record(latency);
        thread::sleep(PAUSE);
    }
    Ok(())
}
