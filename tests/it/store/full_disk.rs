//! Writes that the disk has no room for, and what comes after them.

use std::sync::Arc;

use secrecy::ExposeSecret as _;
use sqlx::{Row as _, SqlitePool};
use tokenward::{
    crypto::digest::sha256,
    store::{
        StoreOptions, connect,
        port::{CreateUser, RevokeTarget, Store, StoreError, UserQuery},
    },
};

use super::fixture::{Fixture, START, at, new_account, new_user, revoke};

/// A store that is out of room after a few users, and the users it has.
async fn filled(fixture: &Fixture) -> (Arc<dyn Store>, i64) {
    let pages = fixture.number("PRAGMA page_count").await + 4;
    let options = StoreOptions { max_pages: u32::try_from(pages).ok(), ..Default::default() };
    let store = connect(&fixture.url, options, sha256).await.unwrap();
    for number in 0..1_000 {
        match store.create_user(new_user(new_account(&format!("user{number}")), START)).await {
            Ok(created) => assert_eq!(created, CreateUser::Created),
            Err(error) => {
                assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
                return (store, number);
            }
        }
    }
    panic!("1000 users had room in {pages} pages");
}

/// DB-21: a write that has no room is an outage, nothing that was acknowledged
/// is lost, and once there is room the same store writes again.
#[tokio::test]
async fn db_21_a_full_disk_is_unavailable_and_recovers() {
    let fixture = Fixture::sqlite().await;
    // Room that can be made later.
    fixture.raw("CREATE TABLE ballast (bytes BLOB)").await;
    fixture.raw("INSERT INTO ballast VALUES (zeroblob(200000))").await;
    let (store, users) = filled(&fixture).await;
    for number in 0..5 {
        let more = (0..50)
            .map(|n| store.create_user(new_user(new_account(&format!("x{number}y{n}")), START)));
        let answers = futures_util::future::join_all(more).await;
        let refused = answers.into_iter().filter_map(Result::err).collect::<Vec<_>>();
        assert!(!refused.is_empty(), "there is no room");
        assert!(refused.iter().all(|error| matches!(error, StoreError::Unavailable(_))));
    }
    let kept = store.users(UserQuery::all(None, 5_000)).await.unwrap();
    assert!(i64::try_from(kept.len()).unwrap() >= users, "acknowledged and lost");
    fixture.raw("DELETE FROM ballast").await;
    for number in 0..20 {
        let answer =
            store.create_user(new_user(new_account(&format!("late{number}")), START)).await;
        assert_eq!(answer.unwrap(), CreateUser::Created);
    }
    assert_eq!(integrity(&fixture).await, "ok");
    store.close().await;
    fixture.finish().await;
}

async fn integrity(fixture: &Fixture) -> String {
    let pool = SqlitePool::connect(fixture.url.expose_secret()).await.unwrap();
    sqlx::query("PRAGMA integrity_check").fetch_one(&pool).await.unwrap().get(0)
}

/// What SQLite does after an I/O error too: it ends the transaction itself,
/// and neither the statement's error nor sqlx's count of it says so.
#[tokio::test]
async fn db_21_a_transaction_that_sqlite_ended_itself_stops_nothing() {
    let fixture = Fixture::sqlite().await;
    let user = fixture.user("alice").await;
    fixture
        .raw(
            "CREATE TRIGGER trouble BEFORE INSERT ON revocations \
             BEGIN SELECT RAISE(ROLLBACK, 'as if the disk failed'); END",
        )
        .await;
    for second in 1..=3 {
        let request = revoke(RevokeTarget::User(user), at(second));
        fixture.store.revoke(request).await.unwrap_err();
    }
    fixture.raw("DROP TRIGGER trouble").await;
    let entry = fixture.revoke(RevokeTarget::User(user), at(4)).await.unwrap();
    assert_eq!(entry.seq, 1, "the failed ones are undone");
    fixture.finish().await;
}

/// RV-30: whichever statement of a revocation fails, nothing of it has
/// happened, and nobody is told that it has.
#[tokio::test]
async fn rv_30_a_revocation_that_fails_anywhere_has_not_happened() {
    let fixture = Fixture::sqlite().await;
    let session = fixture.open(fixture.user("alice").await).await;
    let target = || RevokeTarget::Session(session.id);
    for statement in [
        "UPDATE ON sessions",
        "UPDATE ON revocation_head",
        "INSERT ON revocations",
        "INSERT ON audit_events",
        "UPDATE ON audit_head",
    ] {
        fixture
            .raw(&format!(
                "CREATE TRIGGER trouble BEFORE {statement} \
                 BEGIN SELECT RAISE(ABORT, 'as if the disk failed'); END"
            ))
            .await;
        fixture.store.revoke(revoke(target(), at(1))).await.expect_err(statement);
        fixture.raw("DROP TRIGGER trouble").await;
        assert_eq!(fixture.log().await, [], "{statement}");
        let marked = "SELECT COUNT(*) FROM sessions WHERE revoked_at IS NOT NULL";
        assert_eq!(fixture.number(marked).await, 0, "{statement}");
    }
    assert_eq!(fixture.revoke(target(), at(2)).await.unwrap().seq, 1);
    fixture.finish().await;
}
