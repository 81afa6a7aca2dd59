//! fjall: one keyspace, offsets are its keys, most significant byte first.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{Entry, Result, Store};

pub(super) struct Fjall {
    database: Database,
    messages: Keyspace,
    state: Keyspace,
}

impl Fjall {
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let database = Database::builder(folder.join("fjall")).open()?;
        let messages = database.keyspace("messages", KeyspaceCreateOptions::default)?;
        let state = database.keyspace("state", KeyspaceCreateOptions::default)?;
        Ok(Self {
            database,
            messages,
            state,
        })
    }
}

impl Store for Fjall {
    fn commit(&mut self, new: &[Entry], old: &[u64]) -> Result<()> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for (offset, topic, data) in new {
            let mut value = topic.to_le_bytes().to_vec();
            value.extend_from_slice(data);
            batch.insert(&self.messages, offset.to_be_bytes(), value);
        }
        for offset in old {
            batch.remove(&self.messages, offset.to_be_bytes());
        }
        let head = new.last().map_or(0, |(offset, ..)| *offset);
        batch.insert(&self.state, [0], head.to_be_bytes());
        batch.commit()?;
        Ok(())
    }

    fn scan(&mut self, each: &mut dyn FnMut(u64, &[u8])) -> Result<()> {
        for entry in self.messages.iter() {
            let (key, value) = entry.into_inner()?;
            each(u64::from_be_bytes(key.as_ref().try_into()?), &value[4..]);
        }
        Ok(())
    }
}
