//! The programs that may act for a person, as the person sees and ends them.

use super::events::Change;
use super::{Result, Store, StoreError};
use crate::domain::{AppId, PersonId, TokenId};

/// Programs listed for one person, at most; the newest.
pub const CONNECTED_APPS_MAX: usize = 100;

/// A program that holds at least one access token of a person.
#[derive(Clone, Debug)]
pub struct ConnectedApp {
    /// The program.
    pub id: AppId,
    /// What it calls itself.
    pub name: String,
    /// What it may do, all its tokens together.
    pub scopes: Vec<String>,
    /// When it got the first of them, in milliseconds since 1970.
    pub since_ms: u64,
}

impl Store {
    /// The programs that may act for this person, the newest first, at most [`CONNECTED_APPS_MAX`].
    pub async fn connected_apps(&self, person: PersonId) -> Result<Vec<ConnectedApp>> {
        self.read(move |conn| {
            let sql = "SELECT app.id, app.name, GROUP_CONCAT(DISTINCT token.scopes), MIN(token.id)
                       FROM token JOIN app ON app.id = token.app_id
                       WHERE token.person_id = ?1 GROUP BY app.id ORDER BY app.id DESC LIMIT ?2";
            let mut statement = conn.prepare_cached(sql)?;
            let rows = statement.query_map((person, CONNECTED_APPS_MAX), |row| {
                let scopes: String = row.get(2)?;
                let first: TokenId = row.get(3)?;
                Ok(ConnectedApp {
                    id: row.get(0)?,
                    name: row.get(1)?,
                    scopes: words(&scopes),
                    since_ms: first.made_at_ms(),
                })
            })?;
            Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?)
        })
        .await
    }

    /// Revokes every token and code that this program has of this person, and ends the streams opened with them.
    /// Missing if it has none.
    pub async fn disconnect_app(&self, person: PersonId, app: AppId) -> Result<()> {
        self.write(move |tx| {
            let sql = "DELETE FROM code WHERE app_id = ?1 AND person_id = ?2";
            tx.conn.prepare_cached(sql)?.execute((app, person))?;
            let sql = "DELETE FROM token WHERE app_id = ?1 AND person_id = ?2";
            if tx.conn.prepare_cached(sql)?.execute((app, person))? == 0 {
                return Err(StoreError::missing());
            }
            tx.changes.push(Change::Revoked { person });
            Ok(())
        })
        .await
    }
}

/// The distinct words of lists of scopes, in order.
fn words(lists: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in lists.split([' ', ',']).filter(|word| !word.is_empty()) {
        if !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    words
}
