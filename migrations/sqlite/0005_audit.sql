-- The audit log: who did what, to whom, from where, and how it ended. The one row of audit_head gives out
-- seq and holds the newest digest: its lock is held until the commit, so seq has the order of the commits
-- and no gaps, and each digest seals all entries before it. Absent is the empty text.

CREATE TABLE audit_events (
    seq        INTEGER NOT NULL PRIMARY KEY,
    at         INTEGER NOT NULL,
    action     TEXT    NOT NULL,
    outcome    TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    actor      TEXT    NOT NULL,
    user_id    TEXT    NOT NULL,
    session_id TEXT    NOT NULL,
    client_id  TEXT    NOT NULL,
    source     TEXT    NOT NULL,
    request_id TEXT    NOT NULL,
    detail     TEXT    NOT NULL,
    digest     TEXT    NOT NULL
) STRICT;

-- What is asked for most: all about one user. The rest is found within bounds of time.
CREATE INDEX audit_events_by_user ON audit_events (user_id, seq) WHERE user_id <> '';
CREATE INDEX audit_events_by_session ON audit_events (session_id, seq) WHERE session_id <> '';
CREATE INDEX audit_events_by_time ON audit_events (at);

CREATE TABLE audit_head (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    seq      INTEGER NOT NULL,
    digest   TEXT    NOT NULL
) STRICT;

INSERT INTO audit_head (only_row, seq, digest) VALUES (1, 0, '');

-- The lowest user version whose refresh tokens the session still takes. A change of the password raises it;
-- a change of the user's roles does not, so that the next refresh gives the session what is left to it.
ALTER TABLE sessions ADD COLUMN min_refresh_version INTEGER NOT NULL DEFAULT 0;

-- The newest generation whose repetition has an audit entry: one for each is enough.
ALTER TABLE sessions ADD COLUMN replayed_generation INTEGER NOT NULL DEFAULT 0;
