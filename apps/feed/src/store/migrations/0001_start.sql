-- Ids are `milliseconds << 16 | sequence` (domain::ids); times are milliseconds since 1970.
CREATE TABLE person (
    id               INTEGER PRIMARY KEY,
    name             TEXT    NOT NULL UNIQUE,           -- lower case: unique whatever the case
    password_hash    TEXT    NOT NULL,                  -- argon2id, PHC text
    display_name     TEXT    NOT NULL DEFAULT '',
    bio              TEXT    NOT NULL DEFAULT '',
    default_audience INTEGER NOT NULL DEFAULT 0,
    posts_count      INTEGER NOT NULL DEFAULT 0,        -- those for nobody else not counted
    followers_count  INTEGER NOT NULL DEFAULT 0,
    following_count  INTEGER NOT NULL DEFAULT 0,
    last_post_at_ms  INTEGER,                           -- of public posts
    read_up_to       INTEGER NOT NULL DEFAULT 0         -- newest notification that was read
) STRICT;
CREATE INDEX person_display_name ON person (display_name COLLATE NOCASE);
CREATE INDEX person_last_post ON person (last_post_at_ms) WHERE last_post_at_ms IS NOT NULL;

-- How many rows there are: counting them all would cost more the more there are.
CREATE TABLE tally (name TEXT PRIMARY KEY, rows INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO tally VALUES ('person', 0), ('post', 0);
CREATE TRIGGER person_counted AFTER INSERT ON person BEGIN
    UPDATE tally SET rows = rows + 1 WHERE name = 'person';
END;
CREATE TRIGGER person_uncounted AFTER DELETE ON person BEGIN
    UPDATE tally SET rows = rows - 1 WHERE name = 'person';
END;

CREATE TABLE follow (
    id          INTEGER PRIMARY KEY,
    follower_id INTEGER NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    followee_id INTEGER NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    UNIQUE (follower_id, followee_id)
) STRICT;
CREATE INDEX follow_follower ON follow (follower_id, id);
CREATE INDEX follow_followee ON follow (followee_id, id);

CREATE TABLE app (
    id            INTEGER PRIMARY KEY,
    client_id     TEXT NOT NULL UNIQUE,
    secret_hash   BLOB NOT NULL,                        -- SHA-256
    name          TEXT NOT NULL,
    website       TEXT,
    redirect_uris TEXT NOT NULL,                        -- one a line
    scopes        TEXT NOT NULL
) STRICT;

CREATE TABLE post (
    id               INTEGER PRIMARY KEY,
    seq              INTEGER NOT NULL,                  -- event.seq of its announcement
    author_id        INTEGER NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    text             TEXT    NOT NULL,
    audience         INTEGER NOT NULL CHECK (audience BETWEEN 0 AND 3),
    reply_post_id    INTEGER,                           -- stays when the answered post goes
    reply_author_id  INTEGER,
    app_id           INTEGER REFERENCES app (id) ON DELETE SET NULL,
    favourites_count INTEGER NOT NULL DEFAULT 0,
    replies_count    INTEGER NOT NULL DEFAULT 0         -- public ones
) STRICT;
CREATE INDEX post_author ON post (author_id, id);
CREATE INDEX post_shared ON post (author_id, id) WHERE audience < 3;
CREATE INDEX post_public ON post (id) WHERE audience = 0;
CREATE INDEX post_reply ON post (reply_post_id, id) WHERE reply_post_id IS NOT NULL;
CREATE INDEX post_app ON post (app_id) WHERE app_id IS NOT NULL;

CREATE VIRTUAL TABLE post_text USING fts5 (text, content='post', content_rowid='id', tokenize='unicode61');
CREATE TRIGGER post_text_insert AFTER INSERT ON post BEGIN
    INSERT INTO post_text (rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER post_text_delete AFTER DELETE ON post BEGIN
    INSERT INTO post_text (post_text, rowid, text) VALUES ('delete', old.id, old.text);
END;

CREATE TRIGGER post_counted AFTER INSERT ON post BEGIN
    UPDATE tally SET rows = rows + 1 WHERE name = 'post';
END;
CREATE TRIGGER post_uncounted AFTER DELETE ON post BEGIN
    UPDATE tally SET rows = rows - 1 WHERE name = 'post';
END;

CREATE TABLE mention (
    post_id   INTEGER NOT NULL REFERENCES post (id) ON DELETE CASCADE,
    person_id INTEGER NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    PRIMARY KEY (post_id, person_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE favourite (
    id        INTEGER PRIMARY KEY,
    post_id   INTEGER NOT NULL REFERENCES post (id) ON DELETE CASCADE,
    person_id INTEGER NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    UNIQUE (post_id, person_id)
) STRICT;
CREATE INDEX favourite_list ON favourite (post_id, id);

CREATE TABLE notification (
    id        INTEGER PRIMARY KEY,
    person_id INTEGER NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    kind      INTEGER NOT NULL,
    actor_id  INTEGER NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    post_id   INTEGER REFERENCES post (id) ON DELETE CASCADE,
    dismissed INTEGER NOT NULL DEFAULT 0                -- kept, so that doing it again does not tell again
) STRICT;
CREATE UNIQUE INDEX notification_once ON notification (person_id, kind, actor_id, COALESCE(post_id, 0));
CREATE INDEX notification_list ON notification (person_id, id);
CREATE INDEX notification_post ON notification (post_id) WHERE post_id IS NOT NULL;

CREATE TABLE idempotency (
    person_id INTEGER NOT NULL,
    key       TEXT    NOT NULL,
    post_id   INTEGER NOT NULL REFERENCES post (id) ON DELETE CASCADE,
    at_ms     INTEGER NOT NULL,
    PRIMARY KEY (person_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_age ON idempotency (at_ms);
CREATE INDEX idempotency_post ON idempotency (post_id);

-- What changed, in commit order: the log behind the hub. AUTOINCREMENT: a number is never used twice.
CREATE TABLE event (
    seq             INTEGER PRIMARY KEY AUTOINCREMENT,
    topic           TEXT    NOT NULL,
    kind            INTEGER NOT NULL,                   -- 0 update, 1 delete, 2 notification
    post_id         INTEGER,
    author_id       INTEGER,
    audience        INTEGER,
    notification_id INTEGER,
    at_ms           INTEGER NOT NULL
) STRICT;
CREATE INDEX event_post ON event (post_id) WHERE post_id IS NOT NULL;
CREATE INDEX event_notification ON event (notification_id) WHERE notification_id IS NOT NULL;

CREATE TABLE code (
    hash         BLOB    PRIMARY KEY,                   -- SHA-256
    app_id       INTEGER NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    person_id    INTEGER NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    redirect_uri TEXT    NOT NULL,
    scopes       TEXT    NOT NULL,
    challenge    TEXT,
    expires_ms   INTEGER NOT NULL,
    used         INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX code_age ON code (expires_ms);
CREATE INDEX code_app ON code (app_id);

CREATE TABLE token (
    id        INTEGER PRIMARY KEY,
    hash      BLOB    NOT NULL UNIQUE,                  -- SHA-256
    app_id    INTEGER NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    person_id INTEGER REFERENCES person (id) ON DELETE CASCADE,
    scopes    TEXT    NOT NULL,
    code_hash BLOB                                      -- the code it came from
) STRICT;
CREATE INDEX token_app ON token (app_id);
CREATE INDEX token_person ON token (person_id, app_id) WHERE person_id IS NOT NULL;
CREATE INDEX token_code ON token (code_hash) WHERE code_hash IS NOT NULL;

CREATE TABLE session (
    key        BLOB    PRIMARY KEY,                     -- SHA-256 of the id
    owner      INTEGER,
    created_ms INTEGER NOT NULL,
    seen_ms    INTEGER NOT NULL,
    data       TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_owner ON session (owner) WHERE owner IS NOT NULL;
CREATE INDEX session_seen ON session (seen_ms);
