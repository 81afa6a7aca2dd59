//! Opening: the store is read and checked, and the hub filled again.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use squall_hub::{Epoch, Hub, HubConfig, Meta};

use crate::broker::{DurableBroker, DurableLog, Shared};
use crate::config::{Durability, DurableConfig, IfDamaged, Rules};
use crate::error::OpenError;
use crate::index::Index;
use crate::keys::Keys;
use crate::queue::Queue;
use crate::store::{self, Found, Store};
use crate::writer::{RESERVE, Writer};

/// How the log goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Life {
    /// The store is new: a new epoch.
    New,
    /// Everything that was acknowledged is there: the same epoch, and every cursor is good.
    Resumed,
    /// Commits that there were are missing, or their witness is: what is there is kept, in a new epoch, and whoever comes
    /// back with a cursor is told of a gap.
    EndLost,
    /// The store was damaged and moved aside, as [`IfDamaged::BeginAnew`] says: a new epoch.
    BegunAnew,
}

/// What was found when a durable hub was opened.
#[derive(Clone)]
pub struct Loaded {
    /// How the log goes on.
    pub life: Life,
    /// Messages that were read from the disk; the hub keeps of them what its limits allow.
    pub messages: usize,
    /// Topics that were read from the disk.
    pub topics: usize,
    /// How long it took.
    pub time: Duration,
    /// To be asked later.
    pub log: DurableLog,
}

impl DurableBroker {
    /// Opens or makes the store in the folder `path`, and gives a hub that is filled with what it holds.
    ///
    /// Everything that was acknowledged in an earlier life of the process is in the hub, as far as its limits allow, with
    /// the same epoch and offsets and with the floors that the topics had. See [`Life`] for when that cannot be, and
    /// [`OpenError`]. Blocks while the store is read: about a second for a million messages.
    ///
    /// The store is closed when the last clone of the hub is dropped.
    pub fn open(path: impl AsRef<Path>, config: DurableConfig) -> Result<(Hub, Loaded), OpenError> {
        let path = path.as_ref();
        match open(path, &config) {
            Err(error) if error.is_damaged() && config.if_damaged == IfDamaged::BeginAnew => {
                tracing::error!(%error, "a durable log is moved aside and begun anew");
                store::move_aside(path)?;
                let (hub, loaded) = open(path, &config)?;
                let life = Life::BegunAnew;
                Ok((hub, Loaded { life, ..loaded }))
            }
            other => other,
        }
    }
}

fn open(path: &Path, config: &DurableConfig) -> Result<(Hub, Loaded), OpenError> {
    let started = Instant::now();
    let rules = config.rules();
    let (mut store, found) = store::open(path, new_epoch(path)?, &rules.text())?;
    let head = settle(path, &mut store, found, &rules)?;
    let queue = Queue::new(config.queue_messages_max.max(1), config.queue_bytes_max);
    let shared = Arc::new(Shared::new(queue, rules, head, store.state.reserved));
    let broker = Arc::new(DurableBroker {
        shared: shared.clone(),
        thread: Mutex::default(),
    });
    let hub = Hub::with_broker(
        hub_config(&config.hub, &store, &shared.rules, head),
        broker.clone(),
    );
    let (index, keys) = fill(path, &store, &hub, &shared.rules)?;
    let floors = hub.advance(head);
    floors.map_err(|error| OpenError::damaged(path, error.to_string()))?;
    for (topic, offset) in &index.refused {
        // Limits on messages were lowered since it was published.
        let _ = hub.lose(topic, *offset);
    }
    let loaded = Loaded {
        life: match found {
            Found::Nothing => Life::New,
            Found::Whole => Life::Resumed,
            Found::EndLost { .. } => Life::EndLost,
        },
        messages: index.index.messages(),
        topics: index.index.topics(),
        time: started.elapsed(),
        log: DurableLog {
            shared: shared.clone(),
        },
    };
    shared.loaded(&index.index);
    let writer = Writer {
        shared,
        store,
        index: index.index,
        keys,
        hub: hub.downgrade(),
        group_messages_max: config.group_messages_max,
        owed: BTreeMap::new(),
        keys_in_memory: Keys::new(config.hub.keys),
    };
    let thread = std::thread::Builder::new()
        .name("squall-durable".into())
        .spawn(move || writer.run())
        .map_err(|error| OpenError::io(path, error))?;
    broker.set_thread(thread);
    Ok((hub, loaded))
}

/// An epoch that no log had before.
fn new_epoch(path: &Path) -> Result<Epoch, OpenError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|error| OpenError::io(path, std::io::Error::other(error.to_string())))?;
    // 2^53 is plenty, and a cursor stays short.
    Ok(Epoch::from_number(u64::from_le_bytes(bytes) >> 11))
}

/// Decides where the order goes on, and writes it down if that is not where it was.
fn settle(path: &Path, store: &mut Store, found: Found, rules: &Rules) -> Result<u64, OpenError> {
    let before = store.state.clone();
    let mut state = before.clone();
    let lost = match found {
        Found::EndLost { head, commit } => {
            state.epoch = new_epoch(path)?;
            state.commit = commit;
            head
        }
        Found::Nothing | Found::Whole => 0,
    };
    let head = state.head.max(state.reserved).max(lost);
    let text = rules.text();
    if state.rules != text {
        // What was in memory alone is lost, whatever it is to be from now on.
        state.unknown_floor = head;
        state.rules = text;
    }
    state.head = head;
    state.reserved = if rules.any_in_memory() { head + RESERVE } else { 0 };
    if state != before {
        let put = store.put_state(|current| *current = state);
        put.map_err(|error| OpenError::io(path, std::io::Error::other(error.to_string())))?;
    }
    Ok(head)
}

fn hub_config(given: &HubConfig, store: &Store, rules: &Rules, head: u64) -> HubConfig {
    let floors = rules.all().map(|(prefix, durability)| {
        let floor = match durability {
            Durability::Disk => store.state.unknown_floor,
            Durability::Memory => head,
        };
        (prefix.to_owned(), floor)
    });
    HubConfig {
        epoch: store.state.epoch,
        floor: 0,
        floors: floors.collect(),
        ..given.clone()
    }
}

/// What is on disk, and which of it the hub did not take.
struct Filled {
    index: Index,
    refused: Vec<(Arc<str>, u64)>,
}

fn fill(path: &Path, store: &Store, hub: &Hub, rules: &Rules) -> Result<(Filled, Keys), OpenError> {
    let index = RefCell::new(Index::default());
    let mut refused = Vec::new();
    let mut keys = Keys::new(hub.config().keys);
    store.read(
        path,
        |topic, floor| {
            index.borrow_mut().add_topic(topic.into(), floor);
            if rules.of(topic) == Durability::Disk {
                // A name that is too long now is refused with its messages.
                let _ = hub.restore(topic, floor);
            }
        },
        |row| {
            index.borrow_mut().add_message(&row.topic, row.offset, row.sum);
            if rules.of(&row.topic) == Durability::Memory {
                return;
            }
            let meta = row.meta.as_deref().and_then(Meta::from_bytes).map(Arc::new);
            let appended = hub.append_with(&row.topic, Some(row.offset), row.data, meta, row.at_ms);
            if appended.is_err() {
                refused.push((row.topic, row.offset));
            }
        },
        |key| keys.remember(key),
    )?;
    let index = index.into_inner();
    Ok((Filled { index, refused }, keys))
}
