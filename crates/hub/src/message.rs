//! One entry of the log.

use std::sync::Arc;

use bytes::Bytes;

use crate::meta::Meta;

/// What one message costs beside its data, in bytes, as retention counts it: so that empty messages are bounded too.
pub const MESSAGE_OVERHEAD_BYTES: usize = 96;

/// A published message. Cloning it shares the topic's name and the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its place in the hub's one order.
    pub offset: u64,
    /// The offset of the message before it in its topic; 0 if there was none, or none is remembered.
    pub previous: u64,
    /// When it was published, in milliseconds as the publisher counted.
    pub at_ms: u64,
    /// The topic it was published to.
    pub topic: Arc<str>,
    /// What was published.
    pub data: Bytes,
    /// Its tags, and who sent it; most messages have neither.
    pub meta: Option<Arc<Meta>>,
}

impl Message {
    /// What it counts for in every limit on bytes.
    pub fn cost_bytes(&self) -> usize {
        let meta = self.meta.as_ref().map_or(0, |meta| meta.cost_bytes());
        self.data.len() + meta + MESSAGE_OVERHEAD_BYTES
    }
}
