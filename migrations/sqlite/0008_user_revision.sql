-- Counts the changes of a user by an administrator, so that two of them cannot undo each other's unseen.

ALTER TABLE users ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
