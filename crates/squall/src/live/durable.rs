//! Durable topics in one line.

use std::path::Path;

use squall_durable::{DurableBroker, DurableConfig, OpenError};
use squall_hub::Hub;

/// A hub whose topics are kept in the folder `path`: what is acknowledged is on the disk, and whoever comes back after a
/// restart, a crash or a kill with a cursor misses nothing. With the limits of [`DurableConfig::default`];
/// [`DurableBroker::open`] takes others, and topics that are to be in memory alone.
///
/// ```no_run
/// use squall::live::{self, Live};
///
/// let live = Live::new(live::durable("data/live")?, live::anyone);
/// # Ok::<(), squall::live::OpenError>(())
/// ```
///
/// Says in the log what was found. An error, on one line, when the store is open elsewhere, damaged, or cannot be made.
/// Blocks while it is read: to be called at start.
pub fn durable(path: impl AsRef<Path>) -> Result<Hub, OpenError> {
    let (hub, loaded) = DurableBroker::open(path.as_ref(), DurableConfig::default())?;
    tracing::info!(
        path = %path.as_ref().display(),
        life = ?loaded.life,
        messages = loaded.messages,
        topics = loaded.topics,
        time_ms = loaded.time.as_millis(),
        "the durable log is open"
    );
    Ok(hub)
}
