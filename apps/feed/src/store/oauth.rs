//! Third-party programs, authorization codes, access tokens. Of every secret only a hash is kept.

use rusqlite::{Connection, OptionalExtension, Params, Row};
use subtle::ConstantTimeEq;

use super::events::Change;
use super::rows::parsed;
use super::{Result, Store, StoreError, Tx};
use crate::domain::oauth::{CODE_AGE_MS_MAX, NewApp, NewCode};
use crate::domain::posts::Refused;
use crate::domain::{AppId, ClientApp, PersonId, Scopes, TokenId, TokenInfo, secrets};

/// How long a program that never got a token is remembered, in milliseconds.
const UNUSED_APP_AGE_MS_MAX: u64 = 24 * 60 * 60 * 1_000;

/// RFC 6749 section 5.2 `invalid_grant`: one answer, whatever is wrong with a code.
const BAD_CODE: Refused = Refused(
    "The provided authorization grant is invalid, expired, revoked, does not match the redirection URI used in the \
     authorization request, or was issued to another client.",
);

impl Store {
    /// Registers a program. The second value is its secret, which is not kept.
    pub async fn create_app(&self, new: NewApp) -> Result<(ClientApp, String)> {
        let new = new.checked()?;
        self.write(move |tx| {
            forget_unused_apps(tx)?;
            let (client_id, secret) = (secrets::random_secret(), secrets::random_secret());
            let id = tx.draw(AppId::new);
            tx.conn
                .prepare_cached(
                    "INSERT INTO app (id, client_id, secret_hash, name, website, redirect_uris, scopes)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute((
                    id,
                    &client_id,
                    secrets::hash(&secret),
                    &new.name,
                    &new.website,
                    new.redirect_uris.join("\n"),
                    new.scopes.to_string(),
                ))?;
            Ok((app(tx.conn, &client_id)?.0, secret))
        })
        .await
    }

    /// The program that names itself so.
    pub async fn app_by_client_id(&self, client_id: &str) -> Result<ClientApp> {
        let client_id = client_id.to_owned();
        self.read(move |conn| Ok(app(conn, &client_id)?.0)).await
    }

    /// The program with this id.
    pub async fn app_by_id(&self, id: AppId) -> Result<ClientApp> {
        self.read(move |conn| {
            let client_id: String = conn
                .prepare_cached("SELECT client_id FROM app WHERE id = ?1")?
                .query_row([id], |row| row.get(0))?;
            Ok(app(conn, &client_id)?.0)
        })
        .await
    }

    /// The program, if the secret is its own; missing if it is not, or if there is no such program.
    pub async fn authenticate_app(&self, client_id: &str, secret: &str) -> Result<ClientApp> {
        let (client_id, given) = (client_id.to_owned(), secrets::hash(secret));
        self.read(move |conn| {
            let (app, kept) = app(conn, &client_id)?;
            if bool::from(kept.ct_eq(&given[..])) {
                Ok(app)
            } else {
                Err(StoreError::missing())
            }
        })
        .await
    }

    /// Makes an authorization code: good for ten minutes and for one use.
    pub async fn create_code(&self, new: NewCode) -> Result<String> {
        self.write(move |tx| {
            tx.conn
                .prepare_cached("DELETE FROM code WHERE expires_ms <= ?1")?
                .execute([tx.now_ms])?;
            let code = secrets::random_secret();
            tx.conn
                .prepare_cached(
                    "INSERT INTO code (hash, app_id, person_id, redirect_uri, scopes, challenge, expires_ms)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute((
                    secrets::hash(&code),
                    new.app,
                    new.person,
                    &new.redirect_uri,
                    new.scopes.to_string(),
                    &new.challenge,
                    tx.now_ms + CODE_AGE_MS_MAX,
                ))?;
            Ok(code)
        })
        .await
    }

    /// Makes an access token out of a code. Refused alike whatever is wrong.
    ///
    /// A code that comes a second time may have been stolen, so the token that it gave is revoked (RFC 6749 section
    /// 4.1.2). With a challenge the verifier must be there and fit; without one there must be none (RFC 9700 section
    /// 2.1.1, against downgrade).
    pub async fn redeem_code(
        &self,
        app: AppId,
        code: &str,
        redirect_uri: &str,
        verifier: Option<&str>,
    ) -> Result<(String, TokenInfo)> {
        let hash = secrets::hash(code);
        let redirect_uri = redirect_uri.to_owned();
        let challenge = verifier.map(secrets::pkce_challenge);
        let redeemed = self
            .write(move |tx| {
                let Some(kept) = kept_code(tx.conn, &hash)? else {
                    return Ok(None);
                };
                if kept.app != app {
                    return Ok(None);
                }
                if kept.used {
                    revoke(tx, "code_hash = ?1", [hash])?;
                    return Ok(None);
                }
                let fits = kept.expires_ms > tx.now_ms
                    && kept.redirect_uri == redirect_uri
                    && kept.challenge == challenge;
                if !fits {
                    return Ok(None);
                }
                tx.conn
                    .prepare_cached("UPDATE code SET used = 1 WHERE hash = ?1")?
                    .execute([hash])?;
                issue(tx, app, Some(kept.person), &kept.scopes, Some(&hash)).map(Some)
            })
            .await?;
        // Refused only here: an error within the write would undo the revocation.
        redeemed.ok_or_else(|| BAD_CODE.into())
    }

    /// Makes an access token: for the program itself, or for a person.
    pub async fn create_token(
        &self,
        app: AppId,
        person: Option<PersonId>,
        scopes: Scopes,
    ) -> Result<(String, TokenInfo)> {
        self.write(move |tx| issue(tx, app, person, &scopes, None)).await
    }

    /// What a bearer token stands for; missing if it is unknown or revoked.
    pub async fn token(&self, bearer: &str) -> Result<TokenInfo> {
        let hash = secrets::hash(bearer);
        self.read(move |conn| token(conn, &hash)).await
    }

    /// Revokes a token of this program. One that is unknown or another program's is left alone, and that is no error
    /// (RFC 7009 section 2.2).
    pub async fn revoke_token(&self, app: AppId, bearer: &str) -> Result<()> {
        let hash = secrets::hash(bearer);
        self.write(move |tx| match token(tx.conn, &hash) {
            Ok(info) if info.app == app => revoke(tx, "hash = ?1", [hash]),
            Ok(_) => Ok(()),
            Err(error) if error.is_missing() => Ok(()),
            Err(error) => Err(error),
        })
        .await
    }
}

/// A code as it is kept.
struct KeptCode {
    app: AppId,
    person: PersonId,
    redirect_uri: String,
    scopes: Scopes,
    challenge: Option<String>,
    expires_ms: u64,
    used: bool,
}

fn kept_code(conn: &Connection, hash: &[u8; 32]) -> Result<Option<KeptCode>> {
    let sql = "SELECT app_id, person_id, redirect_uri, scopes, challenge, expires_ms, used FROM code WHERE hash = ?1";
    Ok(conn
        .prepare_cached(sql)?
        .query_row([hash], |row| {
            Ok(KeptCode {
                app: row.get(0)?,
                person: row.get(1)?,
                redirect_uri: row.get(2)?,
                scopes: scopes(row, 3)?,
                challenge: row.get(4)?,
                expires_ms: row.get(5)?,
                used: row.get(6)?,
            })
        })
        .optional()?)
}

fn issue(
    tx: &mut Tx<'_>,
    app: AppId,
    person: Option<PersonId>,
    scopes: &Scopes,
    code: Option<&[u8; 32]>,
) -> Result<(String, TokenInfo)> {
    let bearer = secrets::random_secret();
    let id = tx.draw(TokenId::new);
    let hash = secrets::hash(&bearer);
    tx.conn
        .prepare_cached(
            "INSERT INTO token (id, hash, app_id, person_id, scopes, code_hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute((id, hash, app, person, scopes.to_string(), code))?;
    Ok((bearer, token(tx.conn, &hash)?))
}

/// Revokes the tokens for which `condition` on `values` is true, and ends the streams that they may have opened.
fn revoke(tx: &mut Tx<'_>, condition: &'static str, values: impl Params) -> Result<()> {
    let sql = format!("DELETE FROM token WHERE {condition} RETURNING person_id");
    let mut statement = tx.conn.prepare_cached(&sql)?;
    let people = statement
        .query_map(values, |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<Option<PersonId>>>>()?;
    let mut people: Vec<PersonId> = people.into_iter().flatten().collect();
    people.dedup();
    tx.changes
        .extend(people.into_iter().map(|person| Change::Revoked { person }));
    Ok(())
}

fn token(conn: &Connection, hash: &[u8; 32]) -> Result<TokenInfo> {
    let sql = "SELECT id, app_id, person_id, scopes FROM token WHERE hash = ?1";
    Ok(conn.prepare_cached(sql)?.query_row([hash], |row| {
        let id: TokenId = row.get(0)?;
        Ok(TokenInfo {
            id,
            app: row.get(1)?,
            person: row.get(2)?,
            scopes: scopes(row, 3)?,
            created_at_ms: id.made_at_ms(),
        })
    })?)
}

/// A program and the hash of its secret.
fn app(conn: &Connection, client_id: &str) -> Result<(ClientApp, Vec<u8>)> {
    let sql = "SELECT id, client_id, name, website, redirect_uris, scopes, secret_hash FROM app WHERE client_id = ?1";
    Ok(conn.prepare_cached(sql)?.query_row([client_id], |row| {
        let id: AppId = row.get(0)?;
        let redirect_uris: String = row.get(4)?;
        let app = ClientApp {
            id,
            client_id: row.get(1)?,
            name: row.get(2)?,
            website: row.get(3)?,
            redirect_uris: redirect_uris.lines().map(str::to_owned).collect(),
            scopes: scopes(row, 5)?,
            created_at_ms: id.made_at_ms(),
        };
        Ok((app, row.get(6)?))
    })?)
}

fn scopes(row: &Row<'_>, at: usize) -> rusqlite::Result<Scopes> {
    let text: String = row.get(at)?;
    parsed(at, Scopes::parse(&text))
}

/// Anybody may register programs, so those that nobody used within a day go.
fn forget_unused_apps(tx: &Tx<'_>) -> Result<()> {
    let before = tx.now_ms.saturating_sub(UNUSED_APP_AGE_MS_MAX) << 16;
    tx.conn
        .prepare_cached(
            "DELETE FROM app WHERE id IN (
                 SELECT id FROM app WHERE id < ?1 AND NOT EXISTS (SELECT 1 FROM token WHERE app_id = app.id)
                     AND NOT EXISTS (SELECT 1 FROM post WHERE app_id = app.id) LIMIT 100)",
        )?
        .execute([before])?;
    Ok(())
}
