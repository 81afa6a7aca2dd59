//! Finding posts by their words.

use rusqlite::Connection;

use super::{Result, Store, posts};
use crate::domain::{Paging, PersonId, PostId, PostView};

/// Words of a query that are looked for, at most.
const WORDS_MAX: usize = 8;
/// Characters of a query, at most; the rest is not looked at.
const QUERY_CHARS_MAX: usize = 200;
/// Matches that are looked at for one page, at most: most of them may be for others' eyes only.
const CANDIDATES_MAX: usize = 2_000;
/// Matches that are read at a time.
const CANDIDATES_AT_ONCE: usize = 100;

impl Store {
    /// Posts that have all the words of `query` (the last as a beginning) and that `viewer` may see, newest first.
    pub async fn search_posts(
        &self,
        viewer: Option<PersonId>,
        query: &str,
        paging: Paging,
    ) -> Result<Vec<PostView>> {
        let Some(terms) = terms(query) else {
            return Ok(Vec::new());
        };
        self.read(move |conn| {
            let window = paging.window();
            let mut found = Vec::new();
            let mut below = window.below;
            let mut looked_at = 0;
            while found.len() < window.limit && looked_at < CANDIDATES_MAX {
                let ids = candidates(conn, &terms, window.above, below)?;
                let Some(last) = ids.last() else { break };
                looked_at += ids.len();
                below = last.get();
                found.extend(posts::posts(conn, viewer, ids)?);
            }
            found.truncate(window.limit);
            Ok(found)
        })
        .await
    }
}

fn candidates(conn: &Connection, terms: &str, above: u64, below: u64) -> Result<Vec<PostId>> {
    let sql = "SELECT rowid FROM post_text WHERE post_text MATCH ?1 AND rowid > ?2 AND rowid < ?3
               ORDER BY rowid DESC LIMIT ?4";
    let mut statement = conn.prepare_cached(sql)?;
    let ids = statement.query_map((terms, above, below, CANDIDATES_AT_ONCE), |row| row.get(0))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}

/// The query in FTS5's language: each word quoted, so that nothing in it is an operator.
fn terms(query: &str) -> Option<String> {
    let query: String = query.chars().take(QUERY_CHARS_MAX).collect();
    let words: Vec<String> = query
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(WORDS_MAX)
        .map(|word| format!("\"{word}\""))
        .collect();
    (!words.is_empty()).then(|| format!("{}*", words.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::terms;

    #[test]
    fn nothing_in_a_query_is_an_operator() {
        assert_eq!(terms("hello wor").as_deref(), Some("\"hello\" \"wor\"*"));
        assert_eq!(
            terms("a\" OR text:b* NEAR(").as_deref(),
            Some("\"a\" \"OR\" \"text\" \"b\" \"NEAR\"*")
        );
        assert_eq!(terms(" \"*^ "), None);
        assert_eq!(terms(&"w ".repeat(9)).unwrap().matches("\"w\"").count(), 8);
    }
}
