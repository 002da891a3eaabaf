//! Many at once, from two processes' worth of connections.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tokenward::{
    domain::error::Refusal,
    store::port::{Claim, CreateUser, OpenSession, RevokeTarget, Rotated, Store},
};

use super::{
    counts::Count,
    fixture::{
        Fixture, ISSUER, START, advanced, at, client, instance, new_account, new_session, new_user,
        revoke, rotate, sweep,
    },
};

pub(super) const RACERS: usize = 32;

/// The first `count` places of the log.
fn places(count: usize) -> Vec<i64> {
    (1..).take(count).collect()
}

on_every_store! {
    p4_rf_06_one_of_32_advances_and_the_others_replay
    rf_04_of_32_thieves_one_raises_the_alarm
    one_session_is_left_of_32_logins
    one_of_32_takes_an_identifier
    p2_rf_17_nothing_advances_after_a_revocation_was_answered
    p2_rf_18_nothing_advances_after_a_user_wide_revocation_was_answered
    p1_the_log_is_gapless_in_the_order_of_commits
    rv_20_logins_beside_a_global_revocation_are_before_or_after
    logins_of_one_user_after_a_global_revocation_all_succeed
    sweeping_beside_logins_conflicts_with_nobody
    db_16_steps_that_read_before_they_write_pass_beside_writers
}

/// Two stores, as two replicas have them.
pub(super) async fn replicas(fixture: &Fixture) -> [Arc<dyn Store>; 2] {
    [Arc::clone(&fixture.store), fixture.another_store().await]
}

/// Runs `task` for each racer in a task of its own, and gives their results.
pub(super) async fn race<T, F>(racers: usize, task: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks = (0..racers).map(|number| tokio::spawn(task(number)));
    join_all(tasks).await.into_iter().map(|outcome| outcome.unwrap()).collect()
}

async fn p4_rf_06_one_of_32_advances_and_the_others_replay(fixture: &Fixture) {
    let stores = replicas(fixture).await;
    let session = fixture.open(fixture.user("alice").await).await;
    for generation in 1..=10 {
        let outcomes = race(RACERS, |number| {
            let store = Arc::clone(&stores[number % 2]);
            let request = rotate(&session, generation, at(10));
            async move { store.rotate(request).await.unwrap() }
        })
        .await;
        let mut advanced = 0;
        for outcome in outcomes {
            match outcome {
                Rotated::Advanced { session, .. } => {
                    advanced += 1;
                    assert_eq!(session.generation, generation + 1);
                }
                Rotated::Replayed { session, .. } => {
                    assert_eq!(session.generation, generation + 1);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(advanced, 1, "generation {generation}");
    }
    stores[1].close().await;
}

async fn rf_04_of_32_thieves_one_raises_the_alarm(fixture: &Fixture) {
    let stores = replicas(fixture).await;
    let session = fixture.open(fixture.user("alice").await).await;
    advanced(fixture.rotate(&session, 1, at(1)).await);
    let outcomes = race(RACERS, |number| {
        let store = Arc::clone(&stores[number % 2]);
        let request = rotate(&session, 1, at(1000));
        async move { store.rotate(request).await.unwrap() }
    })
    .await;
    let alarms = outcomes.iter().filter(|outcome| matches!(outcome, Rotated::Ended { .. })).count();
    let rest = |outcome: &&Rotated| matches!(outcome, Rotated::Refused(Refusal::Revoked));
    assert_eq!((alarms, outcomes.iter().filter(rest).count()), (1, RACERS - 1));
    assert_eq!(fixture.log().await.len(), 1);
    stores[1].close().await;
}

async fn one_session_is_left_of_32_logins(fixture: &Fixture) {
    let stores = replicas(fixture).await;
    let user = fixture.user("alice").await;
    let outcomes = race(RACERS, |number| {
        let store = Arc::clone(&stores[number % 2]);
        let mut new = new_session(user, 1);
        new.max_sessions = 1;
        async move { store.open_session(new).await.unwrap() }
    })
    .await;
    let opened = |outcome: &OpenSession| matches!(outcome, OpenSession::Opened { .. });
    assert!(outcomes.iter().all(opened));
    assert_eq!(fixture.store.sessions(user, None, 99, at(1)).await.unwrap().len(), 1);
    let seqs: Vec<_> = fixture.log().await.into_iter().map(|entry| entry.seq).collect();
    assert_eq!(seqs, places(RACERS - 1));
    stores[1].close().await;
}

async fn one_of_32_takes_an_identifier(fixture: &Fixture) {
    let outcomes = race(RACERS, |_| {
        let store = Arc::clone(&fixture.store);
        async move { store.create_user(new_user(new_account("alice"), START)).await.unwrap() }
    })
    .await;
    let created = outcomes.iter().filter(|outcome| **outcome == CreateUser::Created).count();
    assert_eq!(created, 1);
    assert_eq!(fixture.count(Count::Users).await, 1);
}

/// Racers refresh one session, each honestly, while one revokes `target`;
/// none that began after the answer may advance.
async fn nothing_advances_after(
    fixture: &Fixture,
    session: tokenward::domain::session::Session,
    target: RevokeTarget,
) {
    let stores = replicas(fixture).await;
    let answered = Arc::new(AtomicBool::new(false));
    let outcomes = race(RACERS, |number| {
        let (store, answered) = (Arc::clone(&stores[number % 2]), Arc::clone(&answered));
        let (session, target) = (session.clone(), target.clone());
        async move {
            if number == RACERS / 2 {
                store.revoke(revoke(target, at(1))).await.unwrap().unwrap();
                answered.store(true, Ordering::SeqCst);
                return Ok(());
            }
            for generation in 1.. {
                let began_after = answered.load(Ordering::SeqCst);
                match store.rotate(rotate(&session, generation, at(1))).await.unwrap() {
                    Rotated::Advanced { .. } | Rotated::Replayed { .. } if began_after => {
                        return Err(generation);
                    }
                    Rotated::Refused(_) | Rotated::Ended { .. } => break,
                    _ => {}
                }
            }
            Ok(())
        }
    })
    .await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let after = fixture.rotate(&session, 1, at(1)).await;
    assert!(matches!(after, Rotated::Refused(Refusal::Revoked)), "{after:?}");
    stores[1].close().await;
}

async fn p2_rf_17_nothing_advances_after_a_revocation_was_answered(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    for _ in 0..5 {
        let session = fixture.open(user).await;
        let target = RevokeTarget::Session(session.id);
        nothing_advances_after(fixture, session, target).await;
    }
}

async fn p2_rf_18_nothing_advances_after_a_user_wide_revocation_was_answered(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    for version in 1..=5 {
        let session = fixture.open_as(new_session(user, version)).await;
        nothing_advances_after(fixture, session, RevokeTarget::User(user)).await;
    }
}

async fn p1_the_log_is_gapless_in_the_order_of_commits(fixture: &Fixture) {
    let stores = replicas(fixture).await;
    let user = fixture.user("alice").await;
    let mut sessions = Vec::new();
    for _ in 0..RACERS {
        sessions.push(fixture.open(user).await.id);
    }
    let done = Arc::new(AtomicBool::new(false));
    let reader = {
        let (store, done) = (Arc::clone(&stores[1]), Arc::clone(&done));
        tokio::spawn(async move {
            let mut looks = 0;
            while !done.load(Ordering::SeqCst) {
                let seen = store.look(0).await.unwrap().head.seq;
                let log = store.log_after(0, 1_000).await.unwrap();
                let seqs: Vec<_> = log.iter().map(|entry| entry.seq).collect();
                assert_eq!(seqs, places(seqs.len()));
                assert!(seqs.last().copied().unwrap_or(0) >= seen, "head {seen}, log {seqs:?}");
                looks += 1;
                // In memory, nothing else makes it wait.
                tokio::task::yield_now().await;
            }
            looks
        })
    };
    race(RACERS, |number| {
        let (store, session) = (Arc::clone(&stores[number % 2]), sessions[number]);
        async move {
            let answered = store.revoke(revoke(RevokeTarget::Session(session), at(1))).await;
            let seq = answered.unwrap().unwrap().seq;
            store.revoke(revoke(RevokeTarget::User(user), at(1))).await.unwrap();
            assert!(store.look(0).await.unwrap().head.seq > seq);
        }
    })
    .await;
    done.store(true, Ordering::SeqCst);
    assert!(reader.await.unwrap() > 0);
    assert_eq!(fixture.log().await.len(), 2 * RACERS);
    stores[1].close().await;
}

async fn rv_20_logins_beside_a_global_revocation_are_before_or_after(fixture: &Fixture) {
    let stores = replicas(fixture).await;
    let mut users = Vec::new();
    for number in 0..RACERS {
        users.push(fixture.user(&format!("user{number}")).await);
    }
    let outcomes = race(RACERS, |number| {
        let (store, user) = (Arc::clone(&stores[number % 2]), users[number]);
        async move {
            if number % 8 == 0 {
                store.revoke(revoke(RevokeTarget::All, at(1))).await.unwrap();
            }
            store.open_session(new_session(user, 1)).await.unwrap()
        }
    })
    .await;
    let floor = fixture.count(Count::VersionFloor).await;
    for outcome in outcomes {
        let OpenSession::Opened { session, .. } = outcome else { panic!("{outcome:?}") };
        let lives = matches!(fixture.rotate(&session, 1, at(2)).await, Rotated::Advanced { .. });
        assert_eq!(lives, session.user_version >= floor);
    }
    stores[1].close().await;
}

/// Each was checked at the version before the lift, and one of them lifts.
async fn logins_of_one_user_after_a_global_revocation_all_succeed(fixture: &Fixture) {
    let stores = replicas(fixture).await;
    let user = fixture.user("alice").await;
    fixture.revoke(RevokeTarget::All, at(1)).await.unwrap();
    let outcomes = race(RACERS, |number| {
        let store = Arc::clone(&stores[number % 2]);
        async move { store.open_session(new_session(user, 1)).await.unwrap() }
    })
    .await;
    for outcome in outcomes {
        let OpenSession::Opened { session, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(session.user_version, 2);
    }
    fixture.revoke(RevokeTarget::User(user), at(2)).await.unwrap();
    for checked in [1, 2] {
        let late = fixture.store.open_session(new_session(user, checked)).await.unwrap();
        assert!(matches!(late, OpenSession::Refused), "checked at {checked}");
    }
    stores[1].close().await;
}

async fn sweeping_beside_logins_conflicts_with_nobody(fixture: &Fixture) {
    let stores = replicas(fixture).await;
    let user = fixture.user("alice").await;
    for second in 0..60 {
        let mut new = new_session(user, 1);
        new.session.expires_at = at(second);
        fixture.open_as(new).await;
    }
    race(RACERS, |number| {
        let store = Arc::clone(&stores[number % 2]);
        let mut new = new_session(user, 1);
        new.session.created_at = at(1000);
        async move {
            if number % 2 == 0 {
                store.sweep(sweep(at(1000), 7)).await.unwrap();
            } else {
                let opened = store.open_session(new).await.unwrap();
                assert!(matches!(opened, OpenSession::Opened { .. }));
            }
        }
    })
    .await;
    let left = fixture.count(Count::Sessions).await;
    assert_eq!(usize::try_from(left), Ok(RACERS / 2));
    stores[1].close().await;
    tokio::time::timeout(Duration::from_secs(5), fixture.store.user(user)).await.unwrap().unwrap();
}

/// A claim without an issuer reads before it writes. In a deferred transaction
/// on SQLite it would fail with 517 whenever another process has written in
/// between, without waiting at all.
async fn db_16_steps_that_read_before_they_write_pass_beside_writers(fixture: &Fixture) {
    const ROUNDS: usize = 5;
    let stores = replicas(fixture).await;
    race(RACERS, |number| {
        let store = Arc::clone(&stores[number % 2]);
        async move {
            for round in 0..ROUNDS {
                let mut wanted = instance(ISSUER);
                wanted.issuer = None;
                wanted.clients = vec![client(&format!("c{number}-{round}"))];
                let claim = store.claim(wanted).await.unwrap();
                assert!(matches!(claim, Claim::Ours { .. }), "{claim:?}");
                store.revoke(revoke(RevokeTarget::All, at(1))).await.unwrap().unwrap();
            }
        }
    })
    .await;
    let floor = fixture.count(Count::VersionFloor).await;
    assert_eq!(usize::try_from(floor), Ok(RACERS * ROUNDS), "each has raised it once");
    assert_eq!(fixture.log().await.len(), RACERS * ROUNDS);
    stores[1].close().await;
}
