-- Logins that have failed or are being decided, for each account, each source, and all.
-- The subject is a digest: what was typed is not kept.

CREATE TABLE login_failures (
    kind        TEXT    NOT NULL,
    subject     TEXT    NOT NULL,
    failures    INTEGER NOT NULL,
    pending     INTEGER NOT NULL,
    failed_at   INTEGER NOT NULL,
    reserved_at INTEGER NOT NULL,
    forget_at   INTEGER NOT NULL,
    PRIMARY KEY (kind, subject)
) STRICT;

-- For the sweeper.
CREATE INDEX login_failures_by_end ON login_failures (forget_at);
