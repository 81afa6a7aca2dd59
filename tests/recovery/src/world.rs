//! What the actors of one run share.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::line::Lines;
use crate::truth::Truth;

/// How many publications there were when there will be no more: every stall is over then.
pub const ALL_PUBLISHED: u64 = u64::MAX;

/// Shared by everybody.
#[derive(Debug)]
pub struct World {
    truth: Mutex<Truth>,
    /// Where each node listens; `None` while it is down.
    pub nodes: watch::Sender<Vec<Option<SocketAddr>>>,
    /// How many messages were published: what stalls and late comers wait for.
    pub published: watch::Sender<u64>,
    /// How many messages were received by anybody: what publishers wait for.
    pub received: watch::Sender<u64>,
    /// How lines misbehave, and how often they did.
    pub lines: Lines,
    /// Cursors that were turned away because they could not be kept to: none should be.
    pub refused: AtomicU64,
}

impl World {
    /// With so many nodes, all down.
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        Self {
            truth: Mutex::default(),
            nodes: watch::Sender::new(vec![None; nodes]),
            published: watch::Sender::new(0),
            received: watch::Sender::new(0),
            lines: Lines::default(),
            refused: AtomicU64::new(0),
        }
    }

    /// What was published.
    pub fn truth(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there will be no more publications, and no more mischief.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        *self.published.borrow() == ALL_PUBLISHED
    }

    /// Waits until so many messages were published, or all were.
    pub async fn wait_published(&self, count: u64) {
        let mut published = self.published.subscribe();
        let _ = published.wait_for(|now| *now >= count).await;
    }

    /// Waits until some node is up, from this one on, and gives its address.
    pub async fn addr(&self, node: usize) -> SocketAddr {
        let mut nodes = self.nodes.subscribe();
        let up = |nodes: &Vec<Option<SocketAddr>>| {
            let turned = nodes.iter().cycle().skip(node).take(nodes.len());
            turned.flatten().next().copied()
        };
        loop {
            if let Some(addr) = up(&nodes.borrow_and_update()) {
                return addr;
            }
            if nodes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Somebody received so many messages.
    pub fn received(&self, count: u64) {
        self.received.send_modify(|received| *received += count);
    }

    /// Counts one.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
