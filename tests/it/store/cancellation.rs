//! The two traps of the drivers: shown to be real on these versions, and
//! closed in the store.

use std::{sync::Arc, time::Duration};

use secrecy::ExposeSecret as _;
use sqlx::{Executor as _, postgres::PgPoolOptions, sqlite::SqlitePoolOptions};
use tokenward::store::{port::RevokeTarget, sql};

use super::fixture::{Fixture, at, revoke};

on_both_engines! {
    rv_39_db_10_callers_that_go_away_lose_no_acknowledged_write
    a_step_is_finished_though_its_caller_is_gone
}

/// Delays that fall on every part of a short transaction.
fn delays(count: u64) -> impl Iterator<Item = Duration> {
    (0..count).map(|number| Duration::from_micros(number * 7 % 1_500))
}

/// Cancels store calls in flight, then checks on a connection of its own that
/// each acknowledged revocation is really there.
async fn rv_39_db_10_callers_that_go_away_lose_no_acknowledged_write(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    for delay in delays(300) {
        let request = revoke(RevokeTarget::User(user), at(1));
        let call = fixture.store.revoke(request);
        let _ = tokio::time::timeout(delay, call).await;
        let sessions = fixture.store.sessions(user, None, 1, at(1));
        let _ = tokio::time::timeout(delay / 2, sessions).await;
    }
    for _ in 0..20 {
        let entry = fixture.revoke(RevokeTarget::User(user), at(2)).await.unwrap();
        let seen = format!("SELECT COUNT(*) FROM revocations WHERE id = '{}'", entry.id);
        assert_eq!(fixture.number(&seen).await, 1, "acknowledged and not there");
        let gapless = "SELECT COUNT(*) FROM revocations";
        assert!(fixture.number(gapless).await >= entry.seq, "a place in the log is lost");
    }
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
    let mut acknowledged = fixture.number("SELECT COUNT(*) FROM naive").await;
    for delay in delays(1_000) {
        let _ = tokio::time::timeout(delay, pool.begin()).await;
        if pool.execute("INSERT INTO naive VALUES (1)").await.is_ok() {
            acknowledged += 1;
            if fixture.number("SELECT COUNT(*) FROM naive").await < acknowledged {
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
