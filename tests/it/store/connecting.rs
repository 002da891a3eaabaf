//! Opening databases, and refusing those that are not fit.

use std::{
    fs::{self, Permissions},
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    sync::Mutex,
    time::Duration,
};

use futures_util::future::join_all;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokenward::{
    crypto::digest::sha256,
    domain::error::chain,
    store::{ConnectError, StoreOptions, connect, migrate, migrations},
};

use super::fixture::{Fixture, instance};
use crate::support::postgres as server;

on_both_engines! {
    migrating_twice_changes_nothing
    a_newer_database_is_refused
    an_altered_migration_is_refused
}

async fn open(url: &str) -> Result<(), ConnectError> {
    let options =
        StoreOptions { acquire_timeout: Duration::from_millis(500), ..Default::default() };
    connect(&SecretString::from(url), options, sha256).await.map(drop)
}

async fn migrating_twice_changes_nothing(fixture: &Fixture) {
    assert_eq!(migrate(&fixture.url, StoreOptions::default()).await.unwrap(), [""; 0]);
}

async fn a_newer_database_is_refused(fixture: &Fixture) {
    fixture
        .raw(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             SELECT 99, 'tomorrow', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1",
        )
        .await;
    let error = open(fixture.url.expose_secret()).await.unwrap_err();
    assert!(matches!(error, ConnectError::NewerSchema { version: 99 }), "{error:?}");
}

async fn an_altered_migration_is_refused(fixture: &Fixture) {
    let other = "(SELECT checksum FROM _sqlx_migrations WHERE version = 1)";
    fixture.raw(&format!("UPDATE _sqlx_migrations SET checksum = {other} WHERE version = 2")).await;
    let error = open(fixture.url.expose_secret()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Migration(_)), "{error:?}");
}

/// DB-28: replicas that start together on an empty database.
async fn opened_together(url: &str) {
    let url = SecretString::from(url);
    let stores = join_all((0..8).map(|_| {
        let url = url.clone();
        tokio::spawn(async move { connect(&url, StoreOptions::default(), sha256).await.unwrap() })
    }));
    for store in stores.await {
        let store = store.unwrap();
        store.claim(instance(super::fixture::ISSUER)).await.unwrap();
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn db_28_sqlite_is_migrated_by_many_at_once() {
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        opened_together(&format!("sqlite:{}", folder.path().join("db").display())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn db_28_postgres_is_migrated_by_many_at_once() {
    let test = "db_28_postgres_is_migrated_by_many_at_once";
    let Some(url) = server::fresh_database(test).await else { return };
    opened_together(&url).await;
    server::drop_database(&url).await;
}

/// A table that cannot be read for now is not one that is not there.
#[tokio::test]
async fn a_locked_list_of_migrations_is_an_outage() {
    let Some(fixture) = Fixture::postgres("a_locked_list_of_migrations").await else { return };
    fixture.alter_database("SET lock_timeout = 100").await;
    let mut other = PgConnection::connect(fixture.url.expose_secret()).await.unwrap();
    other.execute("BEGIN; LOCK TABLE _sqlx_migrations IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let error = open(fixture.url.expose_secret()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unavailable(_)), "{error:?}");
    assert!(chain(&error).contains("what has been migrated"), "{error:?}");
    other.execute("ROLLBACK").await.unwrap();
    open(fixture.url.expose_secret()).await.unwrap();
    fixture.finish().await;
}

#[tokio::test]
async fn a_database_that_others_can_read_is_warned_of() {
    let fixture = Fixture::sqlite().await;
    let path = fixture.url.expose_secret().strip_prefix("sqlite:").unwrap();
    for (mode, warned) in [(0o600, false), (0o640, true), (0o604, true)] {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let told = told_while(open(fixture.url.expose_secret())).await;
        assert_eq!(told.contains(&format!("mode=\"{mode:o}\"")), warned, "{told}");
    }
    fixture.finish().await;
}

/// What is logged while `opening` runs on this thread.
async fn told_while(opening: impl Future<Output = Result<(), ConnectError>>) -> String {
    let (mut read, write) = std::io::pipe().unwrap();
    let log = tracing_subscriber::fmt().with_ansi(false).with_writer(Mutex::new(write)).finish();
    {
        let _guard = tracing::subscriber::set_default(log);
        opening.await.unwrap();
    }
    let mut told = String::new();
    read.read_to_string(&mut told).unwrap();
    told
}

#[tokio::test]
async fn migrate_names_what_it_applied() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("db").display()).into();
    let applied = migrate(&url, StoreOptions::default()).await.unwrap();
    assert_eq!(applied, migrations().collect::<Vec<_>>());
}

/// RV-29, DB-18: read back from the file, and the same for every process after
/// us.
#[tokio::test]
async fn db_18_sqlite_is_durable_and_private() {
    let fixture = Fixture::sqlite().await;
    fixture.user("alice").await;
    let path = fixture.url.expose_secret().strip_prefix("sqlite:").unwrap().to_owned();
    for file in [path.clone(), format!("{path}-wal"), format!("{path}-shm")] {
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    // The journal mode is a property of the file: 2 in its header is WAL.
    assert_eq!(fs::read(&path).unwrap()[18..20], [2, 2]);
    fixture.finish().await;
}

/// RV-32.
#[tokio::test]
async fn db_23_postgres_that_loses_commits_is_refused() {
    let test = "db_23_postgres_that_loses_commits_is_refused";
    let Some(fixture) = Fixture::postgres(test).await else { return };
    fixture.alter_database("SET synchronous_commit = off").await;
    let error = open(fixture.url.expose_secret()).await.unwrap_err();
    let ConnectError::Unfit(told) = error else { panic!("{error:?}") };
    assert!(told.contains("synchronous_commit=off"), "{told}");
    fixture.alter_database("SET synchronous_commit = on").await;
    open(fixture.url.expose_secret()).await.unwrap();
    fixture.finish().await;
}

#[tokio::test]
async fn urls_that_cannot_be_used_say_why() {
    for (url, why) in [
        ("", "must begin with"),
        ("mysql://root:hunter2@db/x", "must begin with"),
        ("tokenward.db", "must begin with"),
        ("sqlite:", "must name a file"),
        ("sqlite::memory:", "must name a file"),
        ("sqlite://:memory:", "must name a file"),
        ("sqlite:file:x", "must name a file"),
        ("sqlite:x?mode=memory", "without parameters"),
        ("postgres://u:hunter2/@db:5432/x", "must be 'postgres://"),
        ("postgres://u:p@db/x?sslmode=hunter2", "must be 'postgres://"),
    ] {
        let error = open(url).await.unwrap_err();
        assert!(matches!(error, ConnectError::InvalidUrl(_)), "{url}: {error:?}");
        let told = chain(&error);
        assert!(told.contains(why), "{url}: {told}");
        assert!(!told.contains("hunter2") && !format!("{error:?}").contains("hunter2"), "{told}");
    }
}

/// P8: the password is in no message, whatever goes wrong.
#[tokio::test]
async fn p8_an_unreachable_postgres_is_told_soon_and_without_its_password() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("postgres://user:hunter2@{free}/db");
    let answer = tokio::time::timeout(Duration::from_secs(5), open(&url)).await;
    let error = answer.expect("within a few times the limit").unwrap_err();
    assert!(matches!(error, ConnectError::Unavailable(_)), "{error:?}");
    assert!(!chain(&error).contains("hunter2") && !format!("{error:?}").contains("hunter2"));
}

/// A listener that takes connections and never says a word.
#[tokio::test]
async fn a_silent_postgres_is_given_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://user@{}/db?sslmode=disable", silent.local_addr().unwrap());
    let answer = tokio::time::timeout(Duration::from_secs(5), open(&url)).await;
    assert!(matches!(answer, Ok(Err(ConnectError::Unavailable(_)))), "{answer:?}");
}

#[tokio::test]
async fn a_database_that_must_be_there_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let url = SecretString::from(format!("sqlite:{}", path.display()));
    let there = StoreOptions { create: false, ..Default::default() };
    let error = connect(&url, there, sha256).await.err().unwrap();
    assert_eq!(error.to_string(), format!("there is no database at {}", path.display()));
    assert!(matches!(error, ConnectError::Missing { path: told } if told == path));
    assert!(matches!(migrate(&url, there).await, Err(ConnectError::Missing { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is made");
    migrate(&url, StoreOptions::default()).await.unwrap();
    connect(&url, there, sha256).await.unwrap().close().await;
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_no_place_for_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/missing/db", folder.path().display());
    let error = open(&url).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unavailable(_)), "{error:?}");
}
