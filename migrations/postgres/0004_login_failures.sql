-- Logins that have failed or are being decided, for each account, each source, and all.
-- The subject is a digest: what was typed is not kept.

CREATE TABLE login_failures (
    kind        TEXT COLLATE "C" NOT NULL,
    subject     TEXT COLLATE "C" NOT NULL,
    failures    BIGINT NOT NULL,
    pending     BIGINT NOT NULL,
    failed_at   BIGINT NOT NULL,
    reserved_at BIGINT NOT NULL,
    forget_at   BIGINT NOT NULL,
    PRIMARY KEY (kind, subject)
);

-- For the sweeper.
CREATE INDEX login_failures_by_end ON login_failures (forget_at);
