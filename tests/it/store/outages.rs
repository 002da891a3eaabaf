//! Databases that are busy, read-only, or gone for a while.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};
use tokenward::store::{
    StoreOptions, connect,
    port::{RevokeTarget, StoreError},
};

use super::fixture::{Fixture, at, revoke};

fn short() -> StoreOptions {
    StoreOptions {
        max_connections: 2,
        acquire_timeout: Duration::from_millis(300),
        statement_timeout: Duration::from_millis(200),
        lock_timeout: Duration::from_millis(100),
        idle_in_transaction_timeout: Duration::from_millis(200),
    }
}

/// DB-17: another process holds the write lock; reading goes on.
#[tokio::test]
async fn db_17_a_locked_sqlite_is_unavailable_and_recovers() {
    let fixture = Fixture::sqlite().await;
    let user = fixture.user("alice").await;
    let store = connect(&fixture.url, short()).await.unwrap();
    let mut other = SqliteConnection::connect(fixture.url.expose_secret()).await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let call = store.revoke(revoke(RevokeTarget::User(user), at(1)));
    let answer = tokio::time::timeout(Duration::from_secs(5), call).await.unwrap();
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    assert!(store.user(user).await.unwrap().is_some());
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(
        store.revoke(revoke(RevokeTarget::User(user), at(2))).await.unwrap().unwrap().seq,
        1
    );
    store.close().await;
    fixture.finish().await;
}

/// DB-34: another transaction holds the row; the server's own limits end the
/// wait, and the other transaction too.
#[tokio::test]
async fn db_34_a_locked_row_is_unavailable_and_recovers() {
    let test = "db_34_a_locked_row_is_unavailable_and_recovers";
    let Some(fixture) = Fixture::postgres(test).await else { return };
    let user = fixture.user("alice").await;
    let store = connect(&fixture.url, short()).await.unwrap();
    let mut other = PgConnection::connect(fixture.url.expose_secret()).await.unwrap();
    other.execute("BEGIN; UPDATE users SET version = version").await.unwrap();
    let answer = store.revoke(revoke(RevokeTarget::User(user), at(1))).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(
        store.revoke(revoke(RevokeTarget::User(user), at(2))).await.unwrap().unwrap().seq,
        1
    );
    store.close().await;
    fixture.finish().await;
}

/// DB-08, DB-09: every connection is ended by the server; the next calls open
/// new ones by themselves.
#[tokio::test]
async fn db_08_ended_connections_are_replaced() {
    let Some(fixture) = Fixture::postgres("db_08_ended_connections_are_replaced").await else {
        return;
    };
    let user = fixture.user("alice").await;
    for second in 1..=10 {
        fixture
            .raw(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await;
        let entry = fixture.revoke(RevokeTarget::User(user), at(second)).await.unwrap();
        let there = format!("SELECT COUNT(*) FROM revocations WHERE id = '{}'", entry.id);
        assert_eq!(fixture.number(&there).await, 1);
    }
    fixture.finish().await;
}

/// DB-22, DB-33: a start writes nothing when there is nothing to migrate, and
/// a database that takes no writes is an outage, not a defect.
#[tokio::test]
async fn db_22_a_read_only_postgres_serves_reads() {
    let Some(fixture) = Fixture::postgres("db_22_a_read_only_postgres_serves_reads").await else {
        return;
    };
    let user = fixture.user("alice").await;
    fixture.alter_database("SET default_transaction_read_only = on").await;
    let store = connect(&fixture.url, short()).await.unwrap();
    assert!(store.user(user).await.unwrap().is_some());
    let answer = store.revoke(revoke(RevokeTarget::User(user), at(1))).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    store.close().await;
    fixture.finish().await;
}

/// DB-06: no connection is free; the caller is told in time.
#[tokio::test]
async fn db_06_an_exhausted_pool_is_unavailable() {
    let Some(fixture) = Fixture::postgres("db_06_an_exhausted_pool").await else { return };
    let user = fixture.user("alice").await;
    let options = StoreOptions {
        lock_timeout: Duration::from_secs(20),
        statement_timeout: Duration::from_secs(20),
        ..short()
    };
    let store = connect(&fixture.url, options).await.unwrap();
    let mut other = PgConnection::connect(fixture.url.expose_secret()).await.unwrap();
    other.execute("BEGIN; UPDATE users SET version = version").await.unwrap();
    let mut stuck = Vec::new();
    for _ in 0..options.max_connections {
        let store = std::sync::Arc::clone(&store);
        let request = revoke(RevokeTarget::User(user), at(1));
        stuck.push(tokio::spawn(async move { store.revoke(request).await }));
    }
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
                   AND wait_event_type = 'Lock'";
    while fixture.number(waiting).await < i64::from(options.max_connections) {
        tokio::task::yield_now().await;
    }
    let answer = store.user(user).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    other.execute("ROLLBACK").await.unwrap();
    for call in stuck {
        assert!(call.await.unwrap().unwrap().is_some(), "those that had one go on");
    }
    store.close().await;
    fixture.finish().await;
}

/// The network goes silent in the middle: the step is given up, its
/// connection closed, and the pool has room for a new one.
#[tokio::test]
async fn a_server_that_falls_silent_does_not_keep_the_pool() {
    let Some(fixture) = Fixture::postgres("a_server_that_falls_silent").await else { return };
    let user = fixture.user("alice").await;
    let store = connect(&fixture.url, short()).await.unwrap();
    assert!(store.user(user).await.unwrap().is_some());
    // Stopped, a backend neither answers nor minds its own time limits.
    let backends = "SELECT CAST(MAX(pid) AS BIGINT) FROM pg_stat_activity WHERE \
                    datname = current_database() AND application_name = 'tokenward' \
                    AND query LIKE '%FROM users u WHERE u.id%'";
    let pid = rustix::process::Pid::from_raw(fixture.number(backends).await.try_into().unwrap());
    rustix::process::kill_process(pid.unwrap(), rustix::process::Signal::STOP).unwrap();
    let call = tokio::time::timeout(Duration::from_secs(5), store.user(user)).await;
    let answer = match call.expect("bounded by the step's own limit") {
        Err(StoreError::Unavailable(_)) => store.user(user).await,
        answer => answer,
    };
    rustix::process::kill_process(pid.unwrap(), rustix::process::Signal::CONT).unwrap();
    assert!(answer.unwrap().is_some(), "a new connection was opened");
    store.close().await;
    fixture.finish().await;
}
