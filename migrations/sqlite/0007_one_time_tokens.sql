-- One-time tokens, which applications deliver to their users: to set a new password, and to show that an
-- identifier is the user's. Kept is the SHA-256 of a token, and the one that counts of each user and use.

CREATE TABLE one_time_tokens (
    digest       TEXT    NOT NULL PRIMARY KEY,
    purpose      TEXT    NOT NULL,
    user_id      TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- At another version of the user the token is dead; NULL where versions make no difference.
    user_version INTEGER,
    -- The identifier that is to be verified; empty where it is about none.
    kind         TEXT    NOT NULL,
    canonical    TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    UNIQUE (user_id, purpose, kind)
) STRICT;

-- For the sweeper.
CREATE INDEX one_time_tokens_by_end ON one_time_tokens (expires_at);

ALTER TABLE user_identifiers ADD COLUMN verified_at INTEGER;
