-- One-time tokens, which applications deliver to their users: to set a new password, and to show that an
-- identifier is the user's. Kept is the SHA-256 of a token, and the one that counts of each user and use.

CREATE TABLE one_time_tokens (
    digest       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    purpose      TEXT COLLATE "C" NOT NULL,
    user_id      TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- At another version of the user the token is dead; NULL where versions make no difference.
    user_version BIGINT,
    -- The identifier that is to be verified; empty where it is about none.
    kind         TEXT COLLATE "C" NOT NULL,
    canonical    TEXT COLLATE "C" NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    UNIQUE (user_id, purpose, kind)
);

-- For the sweeper.
CREATE INDEX one_time_tokens_by_end ON one_time_tokens (expires_at);

ALTER TABLE user_identifiers ADD COLUMN verified_at BIGINT;
