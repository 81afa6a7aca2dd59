//! A look at a running server, for whoever outlives the call that started it: an endpoint of metrics, a health check.

use std::sync::Arc;
use std::time::Instant;

use crate::core::link::Link;
use crate::metrics::Metrics;
use crate::metrics::count::AcceptCounts;

/// Sees what a server counts and whether it drains. Cheap to clone; does not keep the server running.
#[derive(Clone)]
pub struct Observer {
    pub(crate) links: Vec<Arc<Link>>,
    pub(crate) accept_counts: Arc<AcceptCounts>,
    pub(crate) began: Instant,
    pub(crate) connections_max: usize,
}

impl Observer {
    /// As [`crate::Handle::metrics`].
    pub fn metrics(&self) -> Metrics {
        Metrics {
            uptime: self.began.elapsed(),
            cores: self.links.iter().map(|l| l.counts.snapshot()).collect(),
            open_connections: self.open_connections() as u64,
            connections_max: self.connections_max as u64,
            refused: self.accept_counts.refused.tally(),
            accept_pauses: self.accept_counts.pauses.get(),
            ..Metrics::default()
        }
    }

    /// As [`crate::Handle::open_connections`].
    pub fn open_connections(&self) -> usize {
        self.links
            .iter()
            .map(|l| l.open.load(std::sync::atomic::Ordering::Relaxed))
            .sum()
    }

    /// Whether the server takes nothing new and finishes what it has.
    pub fn is_draining(&self) -> bool {
        self.metrics().draining
    }
}
