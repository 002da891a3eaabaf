//! The two traps of the drivers: shown to be real on these versions, and
//! closed in the store.

use std::{pin::pin, sync::Arc, time::Duration};

use secrecy::ExposeSecret as _;
use sqlx::{
    Connection as _, Executor as _, PgConnection, Row as _, SqliteConnection,
    postgres::PgPoolOptions, sqlite::SqlitePoolOptions,
};
use tokenward::{
    crypto::digest::sha256,
    domain::id::UserId,
    store::{
        StoreOptions, connect,
        port::{RevokeTarget, Store},
        sql,
    },
};
use tokio::sync::Mutex;

use super::fixture::{Fixture, at, revoke};

on_both_engines! {
    rv_39_db_10_callers_that_go_away_lose_no_acknowledged_write
}

/// Polls a call at most so many times, then goes away. Timers are too coarse:
/// a whole transaction takes less than their millisecond.
async fn give_up_after<F: Future>(polls: usize, call: F) {
    let mut call = pin!(call);
    for _ in 0..polls {
        if futures_util::poll!(&mut call).is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Numbers of polls that end on every part of a short transaction.
fn patience(count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(|number| number % 150)
}

/// Goes away from store calls in flight, at any point of them.
async fn hammer(fixture: &Fixture, user: UserId) {
    for polls in patience(600) {
        let call = fixture.store.revoke(revoke(RevokeTarget::User(user), at(1)));
        give_up_after(polls, call).await;
        give_up_after(polls, fixture.store.sessions(user, None, 1, at(1))).await;
    }
}

/// Each revocation that is acknowledged afterwards is there for others too,
/// and none of the cancelled ones has left a hole in the log.
async fn rv_39_db_10_callers_that_go_away_lose_no_acknowledged_write(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    hammer(fixture, user).await;
    for _ in 0..20 {
        let entry = fixture.revoke(RevokeTarget::User(user), at(2)).await.unwrap();
        let seen = format!("SELECT COUNT(*) FROM revocations WHERE id = '{}'", entry.id);
        assert_eq!(fixture.number(&seen).await, 1, "acknowledged and not there");
        let entries = fixture.number("SELECT COUNT(*) FROM revocations").await;
        assert!(entries >= entry.seq, "a place in the log is lost");
    }
}

/// DB-12: cancelled callers leave no connection inside a transaction.
#[tokio::test(flavor = "multi_thread")]
async fn db_12_callers_that_go_away_leave_no_transaction_open() {
    let Some(fixture) = Fixture::postgres("db_12_no_transaction_open").await else { return };
    let user = fixture.user("alice").await;
    hammer(&fixture, user).await;
    let open = "SELECT COUNT(*) FROM pg_stat_activity \
                WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    // Steps whose callers are gone are still under way for a moment; the
    // server itself ends a forgotten transaction only after ten seconds.
    let none_open = async { while fixture.number(open).await > 0 {} };
    tokio::time::timeout(Duration::from_secs(5), none_open).await.expect("no transaction is open");
    fixture.finish().await;
}

/// One connection to write on, and all the time to wait for it.
async fn narrow(fixture: &Fixture) -> Arc<dyn Store> {
    let options = StoreOptions {
        max_connections: 1,
        statement_timeout: Duration::from_secs(20),
        lock_timeout: Duration::from_secs(20),
        acquire_timeout: Duration::from_secs(20),
        ..Default::default()
    };
    connect(&fixture.url, options, sha256).await.unwrap()
}

/// Callers leave: one inside its transaction, whose step is finished, and many
/// that still wait for the connection, who take no part any more. Each step
/// asks for a connection in a task that is started by the first poll, and this
/// runtime runs tasks in their order.
async fn many_callers_leave(
    fixture: &Fixture,
    lock: impl AsyncFnOnce(),
    unlock: impl AsyncFnOnce(),
) {
    let user = fixture.user("alice").await;
    let store = narrow(fixture).await;
    // The connection is given back by a task; the next call waits for that.
    store.revoke(revoke(RevokeTarget::User(user), at(1))).await.unwrap();
    let begun = store.user(user).await.unwrap().unwrap().version;
    lock().await;
    let call = || Box::pin(store.revoke(revoke(RevokeTarget::User(user), at(2))));
    let mut inside = call();
    assert!(futures_util::poll!(&mut inside).is_pending());
    // While it is locked nobody behind it gets a connection.
    let behind = tokio::time::timeout(Duration::from_millis(200), call()).await;
    assert!(behind.is_err(), "not locked");
    drop(inside);
    for _ in 0..50 {
        let mut waiting = call();
        assert!(futures_util::poll!(&mut waiting).is_pending());
    }
    let (last, ()) = tokio::join!(call(), unlock());
    assert_eq!(last.unwrap().unwrap().seq, 3, "the first, the one inside, and the last");
    assert_eq!(store.user(user).await.unwrap().unwrap().version, begun + 2);
    store.close().await;
}

#[tokio::test]
async fn p7_sqlite_finishes_begun_steps_and_forgets_waiting_ones() {
    let fixture = Fixture::sqlite().await;
    let other = SqliteConnection::connect(fixture.url.expose_secret()).await.unwrap();
    let other = Mutex::new(other);
    let run = async |sql: &'static str| {
        other.lock().await.execute(sql).await.unwrap();
    };
    many_callers_leave(&fixture, || run("BEGIN IMMEDIATE"), || run("ROLLBACK")).await;
    fixture.finish().await;
}

#[tokio::test]
async fn p7_postgres_finishes_begun_steps_and_forgets_waiting_ones() {
    let test = "p7_postgres_finishes_begun_steps_and_forgets_waiting_ones";
    let Some(fixture) = Fixture::postgres(test).await else { return };
    let other = PgConnection::connect(fixture.url.expose_secret()).await.unwrap();
    let other = Mutex::new(other);
    let run = async |sql: &'static str| {
        other.lock().await.execute(sql).await.unwrap();
    };
    let lock = || run("BEGIN; UPDATE users SET version = version");
    many_callers_leave(&fixture, lock, || run("ROLLBACK")).await;
    fixture.finish().await;
}

/// Cancels `BEGIN` on a pool of one, again and again, and writes after each.
/// True when a write was acknowledged that nobody else can see.
async fn loses_writes(fixture: &Fixture, options: PgPoolOptions) -> bool {
    fixture.raw("CREATE TABLE IF NOT EXISTS naive (n BIGINT)").await;
    let pool = options.max_connections(1).connect(fixture.url.expose_secret()).await.unwrap();
    let mut other = PgConnection::connect(fixture.url.expose_secret()).await.unwrap();
    let mut acknowledged = 0;
    for polls in patience(1_000) {
        give_up_after(polls, pool.begin()).await;
        if pool.execute("INSERT INTO naive VALUES (1)").await.is_ok() {
            acknowledged += 1;
            let seen = other.fetch_one("SELECT COUNT(*) FROM naive").await.unwrap();
            if seen.get::<i64, _>(0) < acknowledged {
                return true;
            }
        }
    }
    pool.close().await;
    false
}

/// DB-10: used as it comes, the driver acknowledges writes and loses them; the
/// store's hook alone already prevents it. When the first half fails, the
/// driver was repaired and the hook can go.
#[tokio::test(flavor = "multi_thread")]
async fn db_10_db_13_the_hook_keeps_what_a_naive_pool_loses() {
    let Some(fixture) = Fixture::postgres("db_10_db_13_naive_pool").await else { return };
    assert!(loses_writes(&fixture, PgPoolOptions::new()).await);
    fixture.raw("DROP TABLE IF EXISTS naive").await;
    let hooked = PgPoolOptions::new().test_before_acquire(false).before_acquire(|connection, _| {
        let undo = connection.execute(sql::POSTGRES_LEAVE_TRANSACTION);
        Box::pin(async move { undo.await.map(|_| true) })
    });
    assert!(!loses_writes(&fixture, hooked).await);
    fixture.finish().await;
}

/// DB-16: a deferred transaction that reads before it writes fails at once
/// with `SQLITE_BUSY_SNAPSHOT`, however long it may wait; one that takes the
/// write lock first does not.
#[tokio::test]
async fn db_16_sqlite_needs_begin_immediate() {
    let fixture = Fixture::sqlite().await;
    let pool = SqlitePoolOptions::new().max_connections(2).connect(fixture.url.expose_secret());
    let pool = pool.await.unwrap();
    let bump = "UPDATE revocation_head SET version_floor = version_floor + 1";
    let mut deferred = pool.begin().await.unwrap();
    deferred.fetch_one("SELECT version_floor FROM revocation_head").await.unwrap();
    pool.execute(bump).await.unwrap();
    let error = deferred.execute(bump).await.unwrap_err();
    let code = error.as_database_error().unwrap().code();
    assert_eq!(code.as_deref(), Some("517"));
    deferred.rollback().await.unwrap();
    let mut immediate = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    immediate.fetch_one("SELECT version_floor FROM revocation_head").await.unwrap();
    immediate.execute(bump).await.unwrap();
    immediate.commit().await.unwrap();
    pool.close().await;
    fixture.finish().await;
}
