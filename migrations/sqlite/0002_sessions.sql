-- One row per login. A refresh moves the generation and adds no row.

CREATE TABLE sessions (
    id              TEXT    NOT NULL PRIMARY KEY,
    user_id         TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    user_version    INTEGER NOT NULL,
    client_id       TEXT    NOT NULL REFERENCES clients (id),
    client_version  INTEGER NOT NULL,
    generation      INTEGER NOT NULL CHECK (generation >= 1),
    rotated_at      INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    idle_expires_at INTEGER,
    auth_time       INTEGER NOT NULL,
    amr             TEXT    NOT NULL,
    scope           TEXT    NOT NULL,
    audience        TEXT    NOT NULL,
    label           TEXT    NOT NULL,
    ip              TEXT    NOT NULL,
    user_agent      TEXT    NOT NULL,
    revoked_at      INTEGER,
    revoke_reason   TEXT,
    CHECK ((revoked_at IS NULL) = (revoke_reason IS NULL))
) STRICT;

-- However many sessions of a user were revoked lately, the live ones are found at once.
-- Each session stands in one of these two.
CREATE INDEX sessions_live ON sessions (user_id, id) WHERE revoked_at IS NULL;
CREATE INDEX sessions_revoked ON sessions (user_id, revoked_at) WHERE revoked_at IS NOT NULL;
-- For the sweeper.
CREATE INDEX sessions_by_end ON sessions (expires_at);
CREATE INDEX sessions_by_revocation ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;
