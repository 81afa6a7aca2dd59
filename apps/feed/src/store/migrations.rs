//! The database's shape, step by step.
//!
//! A step that has landed is never changed: a new one is added. Each runs in one transaction with the row that says so.

use rusqlite::Connection;

use super::error::StoreError;

/// All steps; the number of a step is its place, from 1.
const STEPS: [&str; 1] = [include_str!("migrations/0001_start.sql")];

/// Brings a database to the newest shape. Refuses one that a newer program has written.
pub(super) fn migrate(conn: &mut Connection, now_ms: u64) -> Result<(), StoreError> {
    conn.execute_batch(
        "CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT;
         CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;",
    )?;
    let done: usize = conn.query_row("SELECT COALESCE(MAX(number), 0) FROM migration", [], |row| {
        row.get(0)
    })?;
    if done > STEPS.len() {
        return Err(StoreError::open(format!(
            "The database is of a newer version of this program (step {done}; this one knows {}).",
            STEPS.len()
        )));
    }
    for (index, step) in STEPS.iter().enumerate().skip(done) {
        let tx = conn.transaction()?;
        tx.execute_batch(step)?;
        tx.execute(
            "INSERT INTO migration (number, at_ms) VALUES (?1, ?2)",
            (index + 1, now_ms),
        )?;
        tx.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrating_twice_is_migrating_once_and_newer_is_refused() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, 1).unwrap();
        migrate(&mut conn, 2).unwrap();
        let rows: Vec<(usize, u64)> = conn
            .prepare("SELECT number, at_ms FROM migration")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(rows, [(1, 1)]);
        conn.execute("INSERT INTO migration VALUES (99, 3)", []).unwrap();
        assert!(
            migrate(&mut conn, 4)
                .unwrap_err()
                .to_string()
                .contains("newer version")
        );
    }
}
