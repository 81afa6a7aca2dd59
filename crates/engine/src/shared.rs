//! What all threads of a server share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http::HeaderValue;
use http::header::{ALT_SVC, HeaderMap};

use crate::accept::addresses::Addresses;
use crate::core::link::Link;
use crate::limits::Limits;
use crate::metrics::count::AcceptCounts;
use crate::watch::Bell;

/// One for each server.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) addresses: Addresses,
    /// What the acceptor counts.
    pub(crate) accept: AcceptCounts,
    /// Handlers that have not answered yet.
    pub(crate) handlers_now: AtomicUsize,
    pub(crate) bell: Bell,
    /// Stalls by the pattern of the route whose handler it was, as the watch has seen them.
    pub(crate) stalls: Mutex<BTreeMap<String, u64>>,
    /// Where else the server can be reached: the value of `Alt-Svc` (RFC 7838).
    pub(crate) alt_svc: Option<HeaderValue>,
    links: Vec<Arc<Link>>,
}

impl Shared {
    pub(crate) fn new(limits: &Limits, alt_svc: Option<HeaderValue>, links: Vec<Arc<Link>>) -> Self {
        Shared {
            addresses: Addresses::new(
                limits.connections_per_address_max,
                limits.connections_exempt.clone(),
            ),
            accept: AcceptCounts::default(),
            handlers_now: AtomicUsize::new(0),
            bell: Bell::default(),
            stalls: Mutex::default(),
            alt_svc,
            links,
        }
    }

    /// Connections of all cores.
    pub(crate) fn open_connections(&self) -> usize {
        self.links
            .iter()
            .map(|link| link.open.load(Ordering::Relaxed))
            .sum()
    }

    /// Adds what is said with every answer.
    #[inline]
    pub(crate) fn advertise(&self, fields: &mut HeaderMap) {
        if let Some(alt_svc) = &self.alt_svc
            && !fields.contains_key(ALT_SVC)
        {
            fields.insert(ALT_SVC, alt_svc.clone());
        }
    }
}
