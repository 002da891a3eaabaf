-- The revocation log. The one row of revocation_head gives out seq: its lock
-- is held until the commit, so seq has the order of the commits and no gaps.

CREATE TABLE revocations (
    seq         INTEGER NOT NULL PRIMARY KEY,
    id          TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    subject     TEXT    NOT NULL,
    min_version INTEGER,
    expires_at  INTEGER,
    at          INTEGER NOT NULL,
    reason      TEXT    NOT NULL,
    actor       TEXT    NOT NULL
) STRICT;

CREATE INDEX revocations_by_subject ON revocations (subject, kind, seq);
CREATE INDEX revocations_by_end ON revocations (expires_at);

CREATE TABLE revocation_head (
    only_row              INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    epoch                 TEXT    NOT NULL,
    seq                   INTEGER NOT NULL,
    version_floor         INTEGER NOT NULL,
    max_access_lifetime_s INTEGER NOT NULL
) STRICT;
