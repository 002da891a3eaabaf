//! The two traps of the drivers: shown to be real on these versions, and
//! closed in the store.

use std::{pin::pin, sync::Arc, time::Duration};

use secrecy::ExposeSecret as _;
use sqlx::{
    Connection as _, Executor as _, PgConnection, Row as _, postgres::PgPoolOptions,
    sqlite::SqlitePoolOptions,
};
use tokenward::{
    domain::id::UserId,
    store::{port::RevokeTarget, sql},
};

use super::fixture::{Fixture, at, revoke};

on_both_engines! {
    rv_39_db_10_callers_that_go_away_lose_no_acknowledged_write
    a_step_is_finished_though_its_caller_is_gone
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

async fn a_step_is_finished_though_its_caller_is_gone(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let store = Arc::clone(&fixture.store);
    let mut call = Box::pin(store.revoke(revoke(RevokeTarget::User(user), at(1))));
    // Polled once: the step has begun. Then its caller goes away.
    assert!(futures_util::poll!(&mut call).is_pending());
    drop(call);
    let finished = async {
        while fixture.log().await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), finished).await.expect("the step is finished");
    assert_eq!(fixture.store.user(user).await.unwrap().unwrap().version, 2);
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
