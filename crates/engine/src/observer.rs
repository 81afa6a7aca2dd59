//! A look at a running server, for whoever outlives the call that started it: an endpoint of metrics, a health check.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use crate::core::link::Link;
use crate::listen::Options;
use crate::metrics::Metrics;
use crate::shared::Shared;

/// Sees what a server counts and whether it drains. Cheap to clone; does not keep the server running.
#[derive(Clone)]
pub struct Observer {
    pub(crate) links: Vec<Arc<Link>>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) began: Instant,
    pub(crate) connections_max: usize,
    pub(crate) options: Arc<[Options]>,
}

impl Observer {
    /// As [`crate::Handle::metrics`].
    pub fn metrics(&self) -> Metrics {
        let mut refused = self.shared.accept.refused.tally();
        for link in &self.links {
            refused.add(&link.counts.refused.tally());
        }
        let mut certificates = Vec::new();
        for end in self
            .options
            .iter()
            .filter_map(|options| options.tls.as_ref())
            .flat_map(|tls| tls.ends().to_vec())
        {
            if !certificates.contains(&end) {
                certificates.push(end);
            }
        }
        Metrics {
            uptime: self.began.elapsed(),
            cores: self.links.iter().map(|l| l.counts.snapshot()).collect(),
            open_connections: self.open_connections() as u64,
            connections_max: self.connections_max as u64,
            refused,
            accept_pauses: self.shared.accept.pauses.get(),
            draining: self.shared.bell.is_draining(),
            certificates,
            stalls_by_route: self.stalls_by_route(),
        }
    }

    fn stalls_by_route(&self) -> Vec<(String, u64)> {
        let stalls = self.shared.stalls.lock().unwrap_or_else(PoisonError::into_inner);
        stalls
            .iter()
            .map(|(route, count)| (route.clone(), *count))
            .collect()
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
        self.shared.bell.is_draining()
    }
}
