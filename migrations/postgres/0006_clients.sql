-- Clients that administrators make. Their rows in `clients` are like those of configured clients, so that sessions
-- and versions are the same for both; only they have settings here. A deleted one leaves its row in `clients`,
-- disabled: whoever has its id next goes on with its versions.

CREATE TABLE client_settings (
    client_id             TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES clients (id),
    etag                  TEXT NOT NULL,
    display_name          TEXT NOT NULL,
    audience              TEXT NOT NULL,
    scope                 TEXT NOT NULL,
    default_scope         TEXT NOT NULL,
    access_lifetime_s     BIGINT NOT NULL,
    session_lifetime_s    BIGINT NOT NULL,
    idle_lifetime_s       BIGINT,
    rotation              BIGINT NOT NULL CHECK (rotation IN (0, 1)),
    max_sessions_per_user BIGINT NOT NULL CHECK (max_sessions_per_user >= 1),
    allow_login           BIGINT NOT NULL CHECK (allow_login IN (0, 1)),
    jwks                  TEXT,
    created_at            BIGINT NOT NULL,
    updated_at            BIGINT NOT NULL
);

-- What is kept of secrets: digests of 256 random bits each. At most two of a client; the current one has no end.
CREATE TABLE client_secrets (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    client_id  TEXT COLLATE "C" NOT NULL REFERENCES client_settings (client_id) ON DELETE CASCADE,
    digest     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);

CREATE INDEX client_secrets_by_client ON client_secrets (client_id, created_at);

-- Assertions that were used, until they are over. They stay when their client is deleted: the next one of its id
-- may have the same key.
CREATE TABLE client_assertions (
    client_id  TEXT COLLATE "C" NOT NULL,
    digest     TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (client_id, digest)
);

-- For the sweeper.
CREATE INDEX client_assertions_by_end ON client_assertions (expires_at);
