//! Bringing a database to the schema of this program; forward only.

use sqlx::{
    SqlSafeStr as _,
    migrate::{AppliedMigration, Migrate, MigrateError, Migration, MigrationType, Migrator},
};

use super::connect::ConnectError;
use crate::domain::error::Fault;

/// Where sqlx notes what has been applied.
const TABLE: &str = "_sqlx_migrations";

macro_rules! scripts {
    ($engine:literal: $($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../migrations/", $engine, "/", $name, ".sql")))),*]
    };
}

/// The scripts of one engine in their order, each with its name.
pub(super) type Scripts = &'static [(&'static str, &'static str)];

pub(super) const SQLITE: Scripts = scripts!(
    "sqlite": "0001_accounts" "0002_sessions" "0003_revocations" "0004_login_failures" "0005_audit"
    "0006_clients" "0007_one_time_tokens" "0008_user_revision"
);

pub(super) const POSTGRES: Scripts = scripts!(
    "postgres": "0001_accounts" "0002_sessions" "0003_revocations" "0004_login_failures" "0005_audit"
    "0006_clients" "0007_one_time_tokens" "0008_user_revision"
);

/// The names of all migrations, the same for both engines, oldest first.
pub fn migrations() -> impl Iterator<Item = &'static str> {
    SQLITE.iter().map(|(name, _)| *name)
}

/// Whether there is nothing to apply.
pub(super) async fn is_complete<C: Migrate>(
    connection: &mut C,
    scripts: Scripts,
) -> Result<bool, ConnectError> {
    let applied = applied(connection).await?;
    let migrator = Migrator::with_migrations(resolved(scripts));
    let is_applied = |new: &Migration| {
        applied.iter().any(|old| old.version == new.version && old.checksum == new.checksum)
    };
    Ok(applied.len() == scripts.len() && migrator.iter().all(is_applied))
}

/// Applies what has not been applied yet, and gives its names. When there is
/// nothing to apply, nothing is written: a role without the right to create
/// tables can run the service.
///
/// sqlx's own advisory lock keeps replicas apart on PostgreSQL. After an
/// error that lock may still be held: the connection must then be closed.
/// SQLite has no such locks: there the caller holds a transaction that writes.
pub(super) async fn apply<C: Migrate>(
    connection: &mut C,
    scripts: Scripts,
) -> Result<Vec<&'static str>, ConnectError> {
    if is_complete(connection, scripts).await? {
        return Ok(Vec::new());
    }
    let applied = applied(connection).await?;
    let migrator = Migrator::with_migrations(resolved(scripts));
    migrator.run_direct(None, connection, false).await.map_err(refused)?;
    Ok(unapplied(&applied, scripts))
}

/// What has not been applied yet, found without applying it. A schema that
/// this program does not know is an error, as it is when migrating.
pub(super) async fn missing<C: Migrate>(
    connection: &mut C,
    scripts: Scripts,
) -> Result<Vec<&'static str>, ConnectError> {
    let applied = applied(connection).await?;
    let known = resolved(scripts);
    for old in &applied {
        match known.iter().find(|new| new.version == old.version) {
            None => return Err(refused(MigrateError::VersionMissing(old.version))),
            Some(new) if new.checksum != old.checksum => {
                return Err(refused(MigrateError::VersionMismatch(old.version)));
            }
            Some(_) => {}
        }
    }
    Ok(unapplied(&applied, scripts))
}

fn unapplied(applied: &[AppliedMigration], scripts: Scripts) -> Vec<&'static str> {
    let before = |version: i64| applied.iter().any(|old| old.version == version);
    let new = (1..).zip(scripts).filter(|(version, _)| !before(*version));
    new.map(|(_, (name, _))| *name).collect()
}

async fn applied<C: Migrate>(connection: &mut C) -> Result<Vec<AppliedMigration>, ConnectError> {
    match connection.list_applied_migrations(TABLE).await {
        Err(error) if is_no_such_table(&error) => Ok(Vec::new()),
        applied => applied.map_err(|error| {
            ConnectError::Unavailable(Fault::caused_by("reading what has been migrated", error))
        }),
    }
}

/// PostgreSQL has a code for it (`undefined_table`), SQLite only words.
fn is_no_such_table(error: &MigrateError) -> bool {
    let MigrateError::Execute(sqlx::Error::Database(error)) = error else { return false };
    error.code().as_deref() == Some("42P01")
        || error.message().strip_prefix("no such table: ") == Some(TABLE)
}

/// The number of a script is its place in the list.
fn resolved(scripts: Scripts) -> Vec<Migration> {
    let migration = |(version, (name, text)): (i64, &(&'static str, &'static str))| {
        let kind = MigrationType::Simple;
        Migration::new(version, (*name).into(), kind, text.into_sql_str(), false)
    };
    (1..).zip(scripts).map(migration).collect()
}

fn refused(error: MigrateError) -> ConnectError {
    match error {
        MigrateError::VersionMissing(version) => ConnectError::NewerSchema { version },
        error => ConnectError::Migration(Fault::caused_by("migrating the database", error)),
    }
}
