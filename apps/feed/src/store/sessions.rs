//! Who is signed in: the store behind `squall::sessions`.

use rusqlite::OptionalExtension;
use squall::BoxFuture;
use squall::sessions::{Key, Record, StoreError};

use super::Store;

type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

impl squall::sessions::Store for Store {
    fn load<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Record>> {
        let key = *key;
        Box::pin(async move {
            let found = self.read(move |conn| {
                let sql = "SELECT owner, created_ms, seen_ms, data FROM session WHERE key = ?1";
                Ok(conn
                    .prepare_cached(sql)?
                    .query_row([key.0], |row| {
                        Ok(Record {
                            key,
                            owner: row.get(0)?,
                            created_ms: row.get(1)?,
                            seen_ms: row.get(2)?,
                            data: row.get(3)?,
                        })
                    })
                    .optional()?)
            });
            found.await.map_err(StoreError::new)
        })
    }

    fn insert<'a>(&'a self, record: Record) -> Answer<'a, ()> {
        Box::pin(async move {
            let done = self.write(move |tx| {
                tx.conn
                    .prepare_cached(
                        "INSERT INTO session (key, owner, created_ms, seen_ms, data) VALUES (?1, ?2, ?3, ?4, ?5)",
                    )?
                    .execute((record.key.0, record.owner, record.created_ms, record.seen_ms, &record.data))?;
                Ok(())
            });
            done.await.map_err(StoreError::new)
        })
    }

    fn update<'a>(&'a self, record: Record) -> Answer<'a, bool> {
        Box::pin(async move {
            let done = self.write(move |tx| {
                let changed = tx
                    .conn
                    .prepare_cached("UPDATE session SET owner = ?2, seen_ms = ?3, data = ?4 WHERE key = ?1")?
                    .execute((record.key.0, record.owner, record.seen_ms, &record.data))?;
                Ok(changed > 0)
            });
            done.await.map_err(StoreError::new)
        })
    }

    fn remove<'a>(&'a self, key: &'a Key) -> Answer<'a, ()> {
        let key = *key;
        Box::pin(async move {
            let done = self.write(move |tx| {
                tx.conn
                    .prepare_cached("DELETE FROM session WHERE key = ?1")?
                    .execute([key.0])?;
                Ok(())
            });
            done.await.map_err(StoreError::new)
        })
    }

    fn remove_owner<'a>(&'a self, owner: u64, except: Option<Key>) -> Answer<'a, u64> {
        Box::pin(async move {
            let done = self.write(move |tx| {
                let removed = tx
                    .conn
                    .prepare_cached("DELETE FROM session WHERE owner = ?1 AND key IS NOT ?2")?
                    .execute((owner, except.map(|key| key.0)))?;
                Ok(removed as u64)
            });
            done.await.map_err(StoreError::new)
        })
    }

    fn remove_expired<'a>(&'a self, created_before_ms: u64, seen_before_ms: u64) -> Answer<'a, u64> {
        Box::pin(async move {
            let done = self.write(move |tx| {
                let removed = tx
                    .conn
                    .prepare_cached("DELETE FROM session WHERE created_ms < ?1 OR seen_ms < ?2")?
                    .execute((created_before_ms, seen_before_ms))?;
                Ok(removed as u64)
            });
            done.await.map_err(StoreError::new)
        })
    }
}
