//! Opening SQLite: one file, one writer, readers beside it.

use std::{
    fs::{OpenOptions, Permissions},
    io::ErrorKind,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{self, PathBuf},
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, Connection as _, Sqlite, SqliteConnection, SqlitePool,
    sqlite::{
        SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions,
        SqliteSynchronous,
    },
};

use tokio::time::{Instant, sleep};

use super::{
    connect::{ConnectError, Pools, StoreOptions, WATCHERS, unopened},
    engine::Engine as _,
    migrate::{self, SQLITE},
};
use crate::domain::error::Fault;

/// Read and written by its owner only: it holds password hashes. SQLite gives
/// the files beside it (`-wal`, `-shm`) the same mode.
const FILE_MODE: u32 = 0o600;

/// Between two attempts to migrate a database that another process has locked.
const MIGRATE_PAUSE: Duration = Duration::from_millis(20);

/// The path of a database file.
pub(super) struct Path(PathBuf);

impl Path {
    /// Takes what follows `sqlite:`, with or without two slashes.
    pub(super) fn parse(rest: &str) -> Result<Self, ConnectError> {
        let path = rest.strip_prefix("//").unwrap_or(rest);
        if path.is_empty() || path == ":memory:" || path.starts_with("file:") {
            return Err(ConnectError::InvalidUrl(
                "must name a file: a database in memory forgets what was revoked",
            ));
        }
        if path.contains('?') {
            return Err(ConnectError::InvalidUrl("must be 'sqlite:PATH', without parameters"));
        }
        Ok(Self(PathBuf::from(path)))
    }
}

impl AsRef<path::Path> for Path {
    fn as_ref(&self) -> &path::Path {
        &self.0
    }
}

impl From<Path> for PathBuf {
    fn from(path: Path) -> Self {
        path.0
    }
}

/// One connection that writes, and those that read.
pub(super) async fn open(
    path: &Path,
    options: StoreOptions,
) -> Result<Pools<Sqlite>, ConnectError> {
    migrate(path, options).await?;
    warn_of_readers(path);
    let file = file(path, options);
    let read_only = file.clone().read_only(true);
    Ok(Pools {
        writer: pool(options, 1, file).await?,
        reader: pool(options, options.max_connections.max(1), read_only.clone()).await?,
        watcher: pool(options, WATCHERS, read_only).await?,
    })
}

/// Creates the file if there is none and there may be one, and applies
/// migrations.
pub(super) async fn migrate(
    path: &Path,
    options: StoreOptions,
) -> Result<Vec<&'static str>, ConnectError> {
    if options.create {
        create(path)?;
    } else if !path.0.exists() {
        return Err(ConnectError::Missing { path: path.0.clone() });
    }
    let start = Instant::now();
    loop {
        match try_migrate(path, options).await {
            // Two that turn a new file into WAL mode at once do not wait for
            // each other: SQLite tells one of them at once that it is locked.
            Err(ConnectError::Unavailable(_)) if start.elapsed() < options.acquire_timeout => {
                sleep(MIGRATE_PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

/// All migrations are one transaction that begins as a writer: of those that
/// migrate at the same time one does, and the others wait and find it done.
async fn try_migrate(
    path: &Path,
    options: StoreOptions,
) -> Result<Vec<&'static str>, ConnectError> {
    let mut connection = file(path, options).connect().await.map_err(unopened::<Sqlite>)?;
    check(&mut connection).await?;
    let mut applied = Vec::new();
    if !migrate::is_complete(&mut connection, SQLITE).await? {
        let begun = connection.begin_with(Sqlite::BEGIN_WRITE).await;
        let mut transaction = begun.map_err(unopened::<Sqlite>)?;
        applied = migrate::apply(&mut *transaction, SQLITE).await?;
        transaction.commit().await.map_err(unopened::<Sqlite>)?;
    }
    connection.close().await.map_err(unopened::<Sqlite>)?;
    Ok(applied)
}

/// A connection that can change nothing, not even the mode of the file.
pub(super) async fn look(
    path: &path::Path,
    options: StoreOptions,
) -> Result<SqliteConnection, ConnectError> {
    if !path.exists() {
        return Err(ConnectError::Missing { path: path.to_owned() });
    }
    let file = SqliteConnectOptions::new().filename(path).read_only(true);
    let file = file.busy_timeout(options.lock_timeout).pragma("trusted_schema", "OFF");
    file.connect().await.map_err(unopened::<Sqlite>)
}

/// Copies the database, as one reading transaction sees it.
pub(super) async fn snapshot(
    from: &path::Path,
    options: StoreOptions,
    to: &path::Path,
) -> Result<(), ConnectError> {
    let to = to.to_str().ok_or_else(|| {
        ConnectError::Unavailable(Fault::from("the name of the copy is not UTF-8"))
    })?;
    let mut connection = look(from, options).await?;
    let copy = sqlx::query("VACUUM INTO $1").bind(to).execute(&mut connection).await;
    copy.map_err(|error| {
        ConnectError::Unavailable(Fault::caused_by("copying the database", error))
    })?;
    connection.close().await.map_err(unopened::<Sqlite>)
}

fn file(path: &Path, options: StoreOptions) -> SqliteConnectOptions {
    let file = SqliteConnectOptions::new()
        .filename(&path.0)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(options.lock_timeout)
        .pragma("trusted_schema", "OFF");
    match options.max_pages {
        Some(pages) => file.pragma("max_page_count", pages.to_string()),
        None => file,
    }
}

/// The connections need no test before use, and live as long as the process
/// unless a write fails on one: its successor is checked like the first.
async fn pool(
    options: StoreOptions,
    max_connections: u32,
    file: SqliteConnectOptions,
) -> Result<SqlitePool, ConnectError> {
    let pool = SqlitePoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(options.acquire_timeout)
        .test_before_acquire(false)
        .idle_timeout(None::<Duration>)
        .max_lifetime(None::<Duration>)
        .after_connect(|connection, _| {
            let unfit = |error| sqlx::Error::Configuration(Box::new(error));
            Box::pin(async move { check(connection).await.map_err(unfit) })
        });
    pool.connect_with(file).await.map_err(unopened::<Sqlite>)
}

/// Creates the file with its mode, whatever the umask; an existing file
/// keeps its own.
fn create(path: &Path) -> Result<(), ConnectError> {
    let failed =
        |error| ConnectError::Unavailable(Fault::caused_by("creating the database file", error));
    match OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&path.0) {
        Ok(file) => file.set_permissions(Permissions::from_mode(FILE_MODE)).map_err(failed),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

/// Password hashes are for nobody else to read.
fn warn_of_readers(path: &Path) {
    let mode = path.0.metadata().map_or(0, |file| file.permissions().mode() & 0o777);
    if mode & 0o044 != 0 {
        let (file, mode) = (path.0.display(), format!("{mode:o}"));
        tracing::warn!(%file, mode, "the database file can be read by others: chmod it to 600");
    }
}

/// What keeps acknowledged writes safe, and how SQLite must answer when
/// asked for it. 2 is `synchronous=FULL`: in WAL mode, NORMAL loses commits
/// on a power cut.
const PROMISED: [(&str, &str, &str); 4] = [
    ("journal_mode", "PRAGMA journal_mode", "wal"),
    ("synchronous", "PRAGMA synchronous", "2"),
    ("foreign_keys", "PRAGMA foreign_keys", "1"),
    ("trusted_schema", "PRAGMA trusted_schema", "0"),
];

async fn check(connection: &mut SqliteConnection) -> Result<(), ConnectError> {
    for (name, statement, wanted) in PROMISED {
        let found = pragma(connection, name, statement).await?;
        if found != wanted {
            return Err(ConnectError::Unfit(format!("SQLite has {name}={found}, not {wanted}")));
        }
    }
    Ok(())
}

async fn pragma(
    connection: &mut SqliteConnection,
    name: &str,
    statement: &'static str,
) -> Result<String, ConnectError> {
    let rows = Sqlite::fetch(connection, statement, SqliteArguments::default()).await;
    let rows = rows.map_err(unopened::<Sqlite>)?;
    let silent = || ConnectError::Unfit(format!("SQLite does not tell its {name}"));
    let row = rows.first().ok_or_else(silent)?;
    let number = || Sqlite::int(row, name).ok().flatten().map(|number| number.to_string());
    number().or_else(|| Sqlite::text(row, name).ok().flatten()).ok_or_else(silent)
}
