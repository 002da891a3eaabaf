//! What must survive: users, sessions, the revocation log. One body of SQL
//! serves SQLite and PostgreSQL.

pub mod port;
