-- Users, the identifiers they log in with, and clients.
-- Times are microseconds since the Unix epoch; ids are text, compared byte by byte
-- whatever the locale of the database.

CREATE TABLE users (
    id            TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    version       BIGINT NOT NULL CHECK (version >= 1),
    password_hash TEXT,
    display_name  TEXT,
    roles         TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    disabled_at   BIGINT,
    last_login_at BIGINT
);

-- Revoking everything asks for the largest version there is.
CREATE INDEX users_by_version ON users (version);

CREATE TABLE user_identifiers (
    kind      TEXT COLLATE "C" NOT NULL,
    canonical TEXT COLLATE "C" NOT NULL,
    user_id   TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (kind, canonical),
    UNIQUE (user_id, kind)
);

CREATE TABLE clients (
    id          TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    version     BIGINT NOT NULL CHECK (version >= 1),
    disabled_at BIGINT,
    created_at  BIGINT NOT NULL
);

-- Whose database this is; one row.
CREATE TABLE instance (
    only_row               BIGINT NOT NULL PRIMARY KEY CHECK (only_row = 1),
    issuer                 TEXT NOT NULL,
    max_session_lifetime_s BIGINT NOT NULL,
    created_at             BIGINT NOT NULL
);
