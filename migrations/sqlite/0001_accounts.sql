-- Users, the identifiers they log in with, and clients.
-- Times are microseconds since the Unix epoch; ids are text.

CREATE TABLE users (
    id            TEXT    NOT NULL PRIMARY KEY,
    version       INTEGER NOT NULL CHECK (version >= 1),
    password_hash TEXT,
    display_name  TEXT,
    roles         TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    disabled_at   INTEGER,
    last_login_at INTEGER
) STRICT;

-- Revoking everything asks for the largest version there is.
CREATE INDEX users_by_version ON users (version);

CREATE TABLE user_identifiers (
    kind      TEXT NOT NULL,
    canonical TEXT NOT NULL,
    user_id   TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (kind, canonical),
    UNIQUE (user_id, kind)
) STRICT;

CREATE TABLE clients (
    id          TEXT    NOT NULL PRIMARY KEY,
    version     INTEGER NOT NULL CHECK (version >= 1),
    disabled_at INTEGER,
    created_at  INTEGER NOT NULL
) STRICT;

-- Whose database this is; one row.
CREATE TABLE instance (
    only_row               INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    issuer                 TEXT    NOT NULL,
    max_session_lifetime_s INTEGER NOT NULL,
    created_at             INTEGER NOT NULL
) STRICT;
