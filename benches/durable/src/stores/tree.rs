//! redb: one table, offsets are its keys.

use std::path::Path;

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use super::{Entry, Result, Store};

const MESSAGES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("messages");
const STATE: TableDefinition<'_, u8, u64> = TableDefinition::new("state");

pub(super) struct Redb {
    database: Database,
}

impl Redb {
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let database = Database::create(folder.join("log.redb"))?;
        let tx = database.begin_write()?;
        tx.open_table(MESSAGES)?;
        tx.open_table(STATE)?;
        tx.commit()?;
        Ok(Self { database })
    }
}

impl Store for Redb {
    fn commit(&mut self, new: &[Entry], old: &[u64]) -> Result<()> {
        let tx = self.database.begin_write()?;
        {
            let mut table = tx.open_table(MESSAGES)?;
            for (offset, topic, data) in new {
                let mut value = topic.to_le_bytes().to_vec();
                value.extend_from_slice(data);
                table.insert(offset, value.as_slice())?;
            }
            for offset in old {
                table.remove(offset)?;
            }
            tx.open_table(STATE)?
                .insert(0, new.last().map_or(0, |(offset, ..)| *offset))?;
        }
        tx.commit()?;
        Ok(())
    }

    fn scan(&mut self, each: &mut dyn FnMut(u64, &[u8])) -> Result<()> {
        let tx = self.database.begin_read()?;
        for entry in tx.open_table(MESSAGES)?.iter()? {
            let (offset, value) = entry?;
            each(offset.value(), &value.value()[4..]);
        }
        Ok(())
    }
}
