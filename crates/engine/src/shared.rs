//! What all threads of a server share.

use std::sync::atomic::AtomicUsize;

use crate::accept::addresses::Addresses;
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
}

impl Shared {
    pub(crate) fn new(limits: &Limits) -> Self {
        Shared {
            addresses: Addresses::new(limits.connections_per_address_max),
            accept: AcceptCounts::default(),
            handlers_now: AtomicUsize::new(0),
            bell: Bell::default(),
        }
    }
}
