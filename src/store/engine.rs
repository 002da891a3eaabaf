//! What differs between the two engines, and nothing else.

use std::{fmt, pin::Pin};

use sqlx::{
    Arguments as _, Database, Executor as _, Postgres, Row as _, Sqlite,
    error::{BoxDynError, DatabaseError},
};

use super::param::Param;

/// A future in a box, as sqlx's hooks and our steps return it.
pub(super) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A database engine. The methods that move values in and out are the same
/// text for both; they stand here so that the bounds which sqlx asks for do
/// not have to stand on every function of the store.
pub(super) trait Engine: Database {
    /// Begins a transaction that writes. On SQLite it takes the write lock at
    /// once: one that reads first and locks later fails with
    /// `SQLITE_BUSY_SNAPSHOT` (517), which waiting does not cure.
    const BEGIN_WRITE: &'static str;

    /// Asks for the server's clock, in microseconds; `None` when the database
    /// runs on this machine's clock.
    const DATABASE_TIME: Option<&'static str>;

    /// What the error says about trying again.
    fn classify(error: &dyn DatabaseError) -> Trouble;

    /// Adds one argument of a statement.
    fn add(arguments: &mut Self::Arguments, param: Param) -> Result<(), BoxDynError>;

    /// A whole number of a row.
    fn int(row: &Self::Row, column: &str) -> Result<Option<i64>, sqlx::Error>;

    /// A text of a row.
    fn text(row: &Self::Row, column: &str) -> Result<Option<String>, sqlx::Error>;

    /// Runs a statement to its end.
    fn fetch<'c>(
        connection: &'c mut Self::Connection,
        sql: &'static str,
        arguments: Self::Arguments,
    ) -> BoxFuture<'c, Result<Vec<Self::Row>, sqlx::Error>>;
}

/// What a failed statement means for the step that ran it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Another transaction was in the way; this one is rolled back, and may
    /// be tried again at once.
    Conflict,
    /// The database is out of reach, busy, full or read-only.
    Outage,
    /// The statement or a row is not what it should be.
    Defect,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Conflict => "a conflict with another transaction",
            Self::Outage => "an outage",
            Self::Defect => "a defect",
        })
    }
}

macro_rules! moves_values {
    () => {
        fn add(arguments: &mut Self::Arguments, param: Param) -> Result<(), BoxDynError> {
            match param {
                Param::Int(value) => arguments.add(value),
                Param::Text(value) => arguments.add(value),
            }
        }

        fn int(row: &Self::Row, column: &str) -> Result<Option<i64>, sqlx::Error> {
            row.try_get(column)
        }

        fn text(row: &Self::Row, column: &str) -> Result<Option<String>, sqlx::Error> {
            row.try_get(column)
        }

        fn fetch<'c>(
            connection: &'c mut Self::Connection,
            sql: &'static str,
            arguments: Self::Arguments,
        ) -> BoxFuture<'c, Result<Vec<Self::Row>, sqlx::Error>> {
            connection.fetch_all(sqlx::query_with(sql, arguments))
        }
    };
}

impl Engine for Sqlite {
    const BEGIN_WRITE: &'static str = "BEGIN IMMEDIATE";
    const DATABASE_TIME: Option<&'static str> = None;

    /// By the primary result code (<https://sqlite.org/rescode.html>).
    fn classify(error: &dyn DatabaseError) -> Trouble {
        let code = error.code().and_then(|code| code.parse::<u32>().ok());
        match code.map(|extended| extended & 0xff) {
            // BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, FULL, CANTOPEN, PROTOCOL
            Some(5..=10 | 13..=15) => Trouble::Outage,
            _ => Trouble::Defect,
        }
    }

    moves_values!();
}

impl Engine for Postgres {
    const BEGIN_WRITE: &'static str = "BEGIN";
    const DATABASE_TIME: Option<&'static str> = Some(super::sql::POSTGRES_TIME);

    /// By the SQLSTATE
    /// (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
    fn classify(error: &dyn DatabaseError) -> Trouble {
        let code = error.code().unwrap_or_default();
        match (code.as_ref(), code.get(..2).unwrap_or_default()) {
            // serialization_failure, deadlock_detected
            ("40001" | "40P01", _) => Trouble::Conflict,
            // read_only_sql_transaction, idle_in_transaction_session_timeout,
            // lock_not_available; connection, credentials, resources,
            // operator, system
            ("25006" | "25P03" | "55P03", _) | (_, "08" | "28" | "53" | "57" | "58") => {
                Trouble::Outage
            }
            _ => Trouble::Defect,
        }
    }

    moves_values!();
}
