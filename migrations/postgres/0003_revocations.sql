-- The revocation log. The one row of revocation_head gives out seq: its lock
-- is held until the commit, so seq has the order of the commits and no gaps.

CREATE TABLE revocations (
    seq         BIGINT NOT NULL PRIMARY KEY,
    id          TEXT COLLATE "C" NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL,
    subject     TEXT COLLATE "C" NOT NULL,
    min_version BIGINT,
    expires_at  BIGINT,
    at          BIGINT NOT NULL,
    reason      TEXT NOT NULL,
    actor       TEXT NOT NULL
);

CREATE INDEX revocations_by_subject ON revocations (subject, kind, seq);
CREATE INDEX revocations_by_end ON revocations (expires_at);

CREATE TABLE revocation_head (
    only_row              BIGINT NOT NULL PRIMARY KEY CHECK (only_row = 1),
    epoch                 TEXT NOT NULL,
    seq                   BIGINT NOT NULL,
    version_floor         BIGINT NOT NULL,
    max_access_lifetime_s BIGINT NOT NULL
);
