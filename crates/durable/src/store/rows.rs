//! Messages, topics and keys as rows.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, Transaction, params};

use crate::plan::Plan;
use crate::sums;

/// A message.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) offset: u64,
    pub(crate) at_ms: u64,
    pub(crate) topic: Arc<str>,
    /// [`Meta::to_bytes`](squall_hub::Meta::to_bytes).
    pub(crate) meta: Option<Vec<u8>>,
    pub(crate) data: Bytes,
    pub(crate) sum: u64,
}

impl Row {
    pub(crate) fn new(offset: u64, at_ms: u64, topic: Arc<str>, meta: Option<Vec<u8>>, data: Bytes) -> Self {
        let sum = sums::message(offset, at_ms, &topic, meta.as_deref(), &data);
        Self {
            offset,
            at_ms,
            topic,
            meta,
            data,
            sum,
        }
    }
}

/// An idempotency key, and the offset that its message was given.
#[derive(Clone, Debug)]
pub(crate) struct KeyRow {
    pub(crate) offset: u64,
    pub(crate) at_ms: u64,
    pub(crate) topic: Arc<str>,
    pub(crate) key: Arc<str>,
    pub(crate) sum: u64,
}

impl KeyRow {
    pub(crate) fn new(offset: u64, at_ms: u64, topic: Arc<str>, key: Arc<str>) -> Self {
        let sum = sums::key(offset, at_ms, &topic, &key);
        Self {
            offset,
            at_ms,
            topic,
            key,
            sum,
        }
    }
}

pub(super) fn write(tx: &Transaction<'_>, plan: &Plan) -> rusqlite::Result<()> {
    let number = u64::cast_signed;
    let mut insert = tx.prepare_cached("INSERT INTO messages VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    for row in &plan.rows {
        insert.execute(params![
            number(row.offset),
            number(row.at_ms),
            &*row.topic,
            row.meta,
            &*row.data,
            number(row.sum)
        ])?;
    }
    let mut delete = tx.prepare_cached("DELETE FROM messages WHERE seq = ?1")?;
    for offset in plan.removed.keys() {
        exactly_one(delete.execute([number(*offset)])?)?;
    }
    for (name, change) in &plan.topics {
        match change.after {
            Some(floor) => tx
                .prepare_cached("INSERT OR REPLACE INTO topics VALUES (?1, ?2, ?3)")?
                .execute(params![&**name, number(floor), number(sums::topic(name, floor))])?,
            None => tx
                .prepare_cached("DELETE FROM topics WHERE name = ?1")?
                .execute([&**name])?,
        };
    }
    if plan.keys.is_empty() && plan.keys_gone.is_empty() {
        return Ok(());
    }
    let mut insert = tx.prepare_cached("INSERT INTO keys VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for row in &plan.keys {
        insert.execute(params![
            number(row.offset),
            number(row.at_ms),
            &*row.topic,
            &*row.key,
            number(row.sum)
        ])?;
    }
    let mut delete = tx.prepare_cached("DELETE FROM keys WHERE seq = ?1")?;
    for row in &plan.keys_gone {
        exactly_one(delete.execute([number(row.offset)])?)?;
    }
    Ok(())
}

/// What is deleted was there: else this process and the store disagree, and nothing may be written.
fn exactly_one(rows: usize) -> rusqlite::Result<()> {
    match rows {
        1 => Ok(()),
        _ => Err(rusqlite::Error::StatementChangedRows(rows)),
    }
}

/// Why something could not be read.
pub(super) enum ReadError {
    Store(rusqlite::Error),
    Wrong(String),
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error)
    }
}

/// What is stored is what was written.
fn check(what: &str, name: impl std::fmt::Display, stored: i64, computed: u64) -> Result<(), ReadError> {
    match stored.cast_unsigned() == computed {
        true => Ok(()),
        false => Err(ReadError::Wrong(format!("{what} {name} is not what was written"))),
    }
}

pub(super) fn topics(connection: &Connection, mut each: impl FnMut(&str, u64)) -> Result<(), ReadError> {
    let mut all = connection.prepare("SELECT name, floor, sum FROM topics NOT INDEXED")?;
    let mut rows = all.query([])?;
    while let Some(row) = rows.next()? {
        let name = text(row.get_ref(0)?)?;
        let floor = row.get::<_, i64>(1)?.cast_unsigned();
        check("topic", name, row.get(2)?, sums::topic(name, floor))?;
        each(name, floor);
    }
    Ok(())
}

pub(super) fn messages(connection: &Connection, mut each: impl FnMut(Row)) -> Result<(), ReadError> {
    let mut all =
        connection.prepare("SELECT seq, at_ms, topic, meta, data, sum FROM messages ORDER BY seq")?;
    let mut rows = all.query([])?;
    let mut last: Arc<str> = "".into();
    while let Some(row) = rows.next()? {
        let offset = row.get::<_, i64>(0)?.cast_unsigned();
        let at_ms = row.get::<_, i64>(1)?.cast_unsigned();
        let topic = text(row.get_ref(2)?)?;
        if *last != *topic {
            last = topic.into();
        }
        let data = Bytes::copy_from_slice(row.get_ref(4)?.as_blob().map_err(rusqlite::Error::from)?);
        let row_sum = row.get(5)?;
        let row = Row::new(offset, at_ms, last.clone(), row.get(3)?, data);
        check("message", offset, row_sum, row.sum)?;
        each(row);
    }
    Ok(())
}

pub(super) fn keys(connection: &Connection, mut each: impl FnMut(KeyRow)) -> Result<(), ReadError> {
    let mut all = connection.prepare("SELECT seq, at_ms, topic, key, sum FROM keys ORDER BY seq")?;
    let mut rows = all.query([])?;
    while let Some(row) = rows.next()? {
        let offset = row.get::<_, i64>(0)?.cast_unsigned();
        let at_ms = row.get::<_, i64>(1)?.cast_unsigned();
        let (topic, key) = (text(row.get_ref(2)?)?, text(row.get_ref(3)?)?);
        let found = KeyRow::new(offset, at_ms, topic.into(), key.into());
        check("key of", offset, row.get(4)?, found.sum)?;
        each(found);
    }
    Ok(())
}

fn text(value: rusqlite::types::ValueRef<'_>) -> Result<&str, ReadError> {
    value
        .as_str()
        .map_err(|error| ReadError::Store(rusqlite::Error::from(error)))
}
