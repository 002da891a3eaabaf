//! Databases that are busy, read-only, or gone for a while.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};
use tokenward::{
    crypto::digest::sha256,
    store::{
        StoreOptions, connect,
        port::{RevokeTarget, StoreError},
    },
};

use super::fixture::{Fixture, at, revoke};
use crate::support::proxy::Proxy;

/// How many connections wait for a lock.
const WAITING: &str = "SELECT COUNT(*) FROM pg_stat_activity \
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";

fn short() -> StoreOptions {
    StoreOptions {
        max_connections: 2,
        acquire_timeout: Duration::from_millis(300),
        statement_timeout: Duration::from_millis(200),
        lock_timeout: Duration::from_millis(100),
        idle_in_transaction_timeout: Duration::from_millis(200),
        ..Default::default()
    }
}

/// RV-31, DB-17: another process holds the write lock; reading goes on. That an
/// outage is never a bad password (LG-50) the table of `wire` asks of every
/// call.
#[tokio::test]
async fn db_17_a_locked_sqlite_is_unavailable_and_recovers() {
    let fixture = Fixture::sqlite().await;
    let user = fixture.user("alice").await;
    let store = connect(&fixture.url, short(), sha256).await.unwrap();
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
    let store = connect(&fixture.url, short(), sha256).await.unwrap();
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
    let store = connect(&fixture.url, short(), sha256).await.unwrap();
    assert!(store.user(user).await.unwrap().is_some());
    let answer = store.revoke(revoke(RevokeTarget::User(user), at(1))).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    store.close().await;
    fixture.finish().await;
}

/// DB-06: no connection is free; the caller is told in time, and what was
/// revoked is still seen at once.
#[tokio::test]
async fn db_06_an_exhausted_pool_is_unavailable() {
    let Some(fixture) = Fixture::postgres("db_06_an_exhausted_pool").await else { return };
    let user = fixture.user("alice").await;
    let options = StoreOptions {
        lock_timeout: Duration::from_secs(20),
        statement_timeout: Duration::from_secs(20),
        ..short()
    };
    let store = connect(&fixture.url, options, sha256).await.unwrap();
    let mut other = PgConnection::connect(fixture.url.expose_secret()).await.unwrap();
    other.execute("BEGIN; UPDATE users SET version = version").await.unwrap();
    let mut stuck = Vec::new();
    for _ in 0..options.max_connections {
        let store = std::sync::Arc::clone(&store);
        let request = revoke(RevokeTarget::User(user), at(1));
        stuck.push(tokio::spawn(async move { store.revoke(request).await }));
    }
    while fixture.number(WAITING).await < i64::from(options.max_connections) {
        tokio::task::yield_now().await;
    }
    let (head, log) = tokio::join!(store.look(0), store.log_after(0, 9));
    assert_eq!((head.unwrap().head.seq, log.unwrap().len()), (0, 0));
    assert!(store.database_time().await.unwrap().is_some());
    let answer = store.user(user).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    other.execute("ROLLBACK").await.unwrap();
    for call in stuck {
        assert!(call.await.unwrap().unwrap().is_some(), "those that had one go on");
    }
    store.close().await;
    fixture.finish().await;
}

/// VT-30: the network falls silent in the middle of a step: the step is given
/// up, its connection is closed, and its place in the pool is free again.
#[tokio::test]
async fn a_network_that_falls_silent_does_not_keep_the_pool() {
    let Some(fixture) = Fixture::postgres("a_network_that_falls_silent").await else { return };
    let user = fixture.user("alice").await;
    let proxy = Proxy::start(fixture.url.expose_secret()).await;
    let limit = Duration::from_millis(400);
    let options = StoreOptions { max_connections: 1, statement_timeout: limit, ..short() };
    let options = StoreOptions { lock_timeout: 10 * limit, ..options };
    let store = connect(&proxy.url.clone().into(), options, sha256).await.unwrap();
    let mut other = PgConnection::connect(fixture.url.expose_secret()).await.unwrap();
    other.execute("BEGIN; UPDATE users SET version = version").await.unwrap();
    let call = store.revoke(revoke(RevokeTarget::User(user), at(1)));
    let silence = async {
        while fixture.number(WAITING).await == 0 {}
        proxy.silence();
    };
    let both = async { tokio::join!(call, silence).0 };
    let answer = tokio::time::timeout(Duration::from_secs(5), both).await.expect("bounded");
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    assert!(store.user(user).await.unwrap().is_some(), "on a new connection");
    // And on a connection that nobody uses, or that is just given back.
    proxy.silence();
    let recovered = async { while store.user(user).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(5), recovered).await.expect("on a new connection");
    store.close().await;
    fixture.finish().await;
}
