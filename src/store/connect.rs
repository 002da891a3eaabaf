//! From a URL to a store that has been checked and migrated.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{Pool, Postgres, Sqlite};

use super::{
    body::SqlStore,
    engine::Engine,
    error::classify,
    port::Store,
    postgres,
    renewal::{self, Renewal, RenewalError, Renewed},
    sqlite,
    step::Bounds,
};
use crate::domain::{audit::Sha256, error::Fault};

/// Bounds on the use of the database; a setting each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// The most connections of this process: to PostgreSQL in all, to SQLite
    /// for reading (it has one writer). Two more follow the revocation log.
    pub max_connections: u32,
    /// How long a step waits for a connection, and a start for the database.
    pub acquire_timeout: Duration,
    /// How long PostgreSQL lets one statement run. On both engines a whole
    /// step may take twice as long; SQLite has no limit for a single one.
    pub statement_timeout: Duration,
    /// How long a statement waits for another transaction.
    pub lock_timeout: Duration,
    /// When PostgreSQL ends a transaction that nobody works on.
    pub idle_in_transaction_timeout: Duration,
    /// Whether an SQLite database that is not there is created.
    pub create: bool,
    /// The most pages that SQLite may let the file grow to; `None` for its
    /// own limit. A quota, which lets tests fill a disk.
    pub max_pages: Option<u32>,
}

/// As in the configuration's defaults.
impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            max_connections: 16,
            acquire_timeout: Duration::from_secs(3),
            statement_timeout: Duration::from_secs(5),
            lock_timeout: Duration::from_secs(3),
            idle_in_transaction_timeout: Duration::from_secs(10),
            create: true,
            max_pages: None,
        }
    }
}

/// Why there is no store. No text here repeats the URL.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL cannot be used.
    #[error("the database URL {0}")]
    InvalidUrl(&'static str),
    /// There is no such file, and none was to be made.
    #[error("there is no database at {}", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The database is out of reach.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Fault),
    /// The database works in a way that would break a promise.
    #[error("the database is not fit for this service: {0}")]
    Unfit(String),
    /// A newer version of this program has migrated the database.
    #[error("the database has migration {version}, which a newer version of this program made")]
    NewerSchema {
        /// The number of the unknown migration.
        version: i64,
    },
    /// A migration failed, or an applied one was altered.
    #[error("the database could not be migrated")]
    Migration(#[source] Fault),
}

/// Opens the database that `url` names (`sqlite:PATH`, `postgres://…`),
/// refuses it when it would lose acknowledged writes, and applies migrations.
/// The digest seals the audit log.
pub async fn connect(
    url: &SecretString,
    options: StoreOptions,
    sha256: Sha256,
) -> Result<Arc<dyn Store>, ConnectError> {
    match Database::parse(url)? {
        Database::Sqlite(path) => Ok(Arc::new(open_sqlite(&path, options, sha256).await?)),
        Database::Postgres(server) => Ok(Arc::new(open_postgres(&server, options, sha256).await?)),
    }
}

async fn open_sqlite(
    path: &sqlite::Path,
    options: StoreOptions,
    sha256: Sha256,
) -> Result<SqlStore<Sqlite>, ConnectError> {
    let Pools { writer, reader, watcher } = sqlite::open(path, options).await?;
    Ok(SqlStore { writer, reader, watcher, bounds: bounds(options, sha256) })
}

async fn open_postgres(
    server: &postgres::Server,
    options: StoreOptions,
    sha256: Sha256,
) -> Result<SqlStore<Postgres>, ConnectError> {
    let Pools { writer, reader, watcher } = postgres::open(server, options).await?;
    Ok(SqlStore { writer, reader, watcher, bounds: bounds(options, sha256) })
}

fn bounds(options: StoreOptions, sha256: Sha256) -> Bounds {
    Bounds { limit: options.statement_timeout.saturating_mul(2), sha256 }
}

/// The connections of a store, by what they are for.
pub(super) struct Pools<DB: Engine> {
    pub(super) writer: Pool<DB>,
    pub(super) reader: Pool<DB>,
    pub(super) watcher: Pool<DB>,
}

/// How many connections follow the log: one for its follower, and one for
/// whoever compares the clocks meanwhile.
pub(super) const WATCHERS: u32 = 2;

/// Applies migrations only, and gives the names of those that were new.
/// [`connect()`] does the same by itself; this is for a role with more rights.
pub async fn migrate(
    url: &SecretString,
    options: StoreOptions,
) -> Result<Vec<&'static str>, ConnectError> {
    match Database::parse(url)? {
        Database::Sqlite(path) => sqlite::migrate(&path, options).await,
        Database::Postgres(server) => postgres::migrate(&server, options).await,
    }
}

/// Opens a database that was restored (migrating it), and makes another one of
/// it than it was: see [`Renewal`].
pub async fn renew(
    url: &SecretString,
    options: StoreOptions,
    sha256: Sha256,
    renewal: Renewal,
) -> Result<Renewed, RenewalError> {
    match Database::parse(url)? {
        Database::Sqlite(path) => {
            renewal::run(open_sqlite(&path, options, sha256).await?, renewal).await
        }
        Database::Postgres(server) => {
            renewal::run(open_postgres(&server, options, sha256).await?, renewal).await
        }
    }
}

/// The file that `url` names; `None` for a database that is no file.
pub fn sqlite_file(url: &SecretString) -> Result<Option<PathBuf>, ConnectError> {
    Ok(match Database::parse(url)? {
        Database::Sqlite(path) => Some(path.into()),
        Database::Postgres(_) => None,
    })
}

/// Copies the embedded database as it stands at one moment to `target`, which
/// must be an empty file. Servers go on writing meanwhile.
pub async fn snapshot(
    file: &Path,
    options: StoreOptions,
    target: &Path,
) -> Result<(), ConnectError> {
    sqlite::snapshot(file, options, target).await
}

/// What failed to open, as this module's error.
pub(super) fn unopened<DB: Engine>(error: sqlx::Error) -> ConnectError {
    let trouble = classify::<DB>(&error);
    ConnectError::Unavailable(Fault::caused_by(format!("opening the database: {trouble}"), error))
}

/// A database by the scheme of its URL.
pub(super) enum Database {
    Sqlite(sqlite::Path),
    Postgres(postgres::Server),
}

impl Database {
    pub(super) fn parse(url: &SecretString) -> Result<Self, ConnectError> {
        let url = url.expose_secret();
        match url.split_once(':') {
            Some(("sqlite", rest)) => sqlite::Path::parse(rest).map(Self::Sqlite),
            Some(("postgres" | "postgresql", _)) => {
                postgres::Server::parse(url).map(Self::Postgres)
            }
            _ => Err(ConnectError::InvalidUrl("must begin with 'sqlite:' or 'postgres://'")),
        }
    }
}
