//! Changes of passwords beside everything that could undo them, or that they
//! could undo.

use std::sync::Arc;

use tokenward::{
    domain::{error::Refusal, session::Session},
    store::port::{PasswordChanged, RevokeTarget, Rotated, UserEnding},
};

use super::{
    fixture::{Fixture, advanced, at, end_user, revoke, rotate},
    passwords::{OLD, change, hash, is_revoked, stored_hash},
    races::{RACERS, race, replicas},
};

on_every_store! {
    one_of_32_changes_wins
    rf_18_refreshes_beside_a_change_are_before_it_or_refused
    rf_18_of_a_change_and_a_disabling_no_session_is_left
    rv_20_a_change_beside_a_global_revocation_leaves_nothing_of_before
    lg_52_logins_that_rehash_beside_a_change_do_not_undo_it
}

/// Each from a session of its own, with the right password: the one whose
/// hash is stored is the one that was told so.
async fn one_of_32_changes_wins(fixture: &Fixture) {
    let stores = replicas(fixture).await;
    let user = fixture.user("alice").await;
    let mut sessions = Vec::new();
    for _ in 0..RACERS / 2 {
        sessions.push(fixture.open(user).await);
    }
    let outcomes = race(RACERS, |number| {
        let store = Arc::clone(&stores[number % 2]);
        let request = change(&sessions[number / 2], &format!("new{number}"), at(1));
        async move { store.change_password(request).await.unwrap() }
    })
    .await;
    let mut won = Vec::new();
    for (number, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            PasswordChanged::Changed { session, .. } => won.push((number, session)),
            PasswordChanged::Refused(Refusal::Revoked) => {}
            other => panic!("{other:?}"),
        }
    }
    let [(number, session)] = won.as_slice() else { panic!("{won:?}") };
    assert_eq!(stored_hash(fixture, user).await, format!("new{number}"));
    assert_eq!(
        fixture.store.sessions(user, None, 99, at(2)).await.unwrap(),
        std::slice::from_ref(session)
    );
    assert_eq!(fixture.log().await.len(), 1);
    stores[1].close().await;
}

/// Honest refreshes of the very session, while its password is changed: each
/// comes before the change, or is refused; none ends the session.
async fn rf_18_refreshes_beside_a_change_are_before_it_or_refused(fixture: &Fixture) {
    let stores = replicas(fixture).await;
    for round in 0..5 {
        let user = fixture.user(&format!("user{round}")).await;
        let (session, other) = (fixture.open(user).await, fixture.open(user).await);
        let outcomes = race(RACERS, |number| {
            let store = Arc::clone(&stores[number % 2]);
            let mine = if number % 4 == 3 { other.clone() } else { session.clone() };
            let request = change(&session, "2", at(1));
            async move {
                if number == RACERS / 2 {
                    return Some(store.change_password(request).await.unwrap());
                }
                match store.rotate(rotate(&mine, 1, at(1))).await.unwrap() {
                    Rotated::Advanced { session, .. } | Rotated::Replayed { session, .. } => {
                        assert_eq!((session.user_version, session.generation), (1, 2));
                    }
                    Rotated::Refused(Refusal::Revoked) => {}
                    outcome => panic!("{outcome:?}"),
                }
                None
            }
        })
        .await;
        let changes: Vec<_> = outcomes.into_iter().flatten().collect();
        let [PasswordChanged::Changed { session, .. }] = changes.as_slice() else {
            panic!("{changes:?}")
        };
        for generation in 1..=3 {
            let old = Session { user_version: 1, ..session.clone() };
            assert!(is_revoked(&fixture.rotate(&old, generation, at(1)).await));
            assert!(is_revoked(&fixture.rotate(&other, generation, at(1)).await));
        }
        advanced(fixture.rotate(session, session.generation, at(2)).await);
    }
    stores[1].close().await;
}

async fn rf_18_of_a_change_and_a_disabling_no_session_is_left(fixture: &Fixture) {
    let stores = replicas(fixture).await;
    for round in 0..10 {
        let user = fixture.user(&format!("user{round}")).await;
        let session = fixture.open(user).await;
        let outcomes = race(RACERS, |number| {
            let store = Arc::clone(&stores[number % 2]);
            let request = change(&session, &format!("new{number}"), at(1));
            async move {
                if number == RACERS / 2 {
                    store.end_user(end_user(user, UserEnding::Disable, at(1))).await.unwrap();
                    return None;
                }
                Some(store.change_password(request).await.unwrap())
            }
        })
        .await;
        let version = fixture.store.user(user).await.unwrap().unwrap().version;
        let mut won = 0;
        for outcome in outcomes.into_iter().flatten() {
            match outcome {
                PasswordChanged::Changed { session, .. } => {
                    won += 1;
                    assert!(is_revoked(&fixture.rotate(&session, 2, at(2)).await));
                }
                PasswordChanged::Refused(Refusal::Revoked) => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(won <= 1);
        assert_eq!(version, 2 + won, "the disabling and every change that won");
        assert_eq!(fixture.store.sessions(user, None, 9, at(2)).await.unwrap(), []);
    }
    stores[1].close().await;
}

/// The session that a change takes along was opened before the revocation of
/// everything, so it must not be there after it.
async fn rv_20_a_change_beside_a_global_revocation_leaves_nothing_of_before(fixture: &Fixture) {
    let stores = replicas(fixture).await;
    let mut sessions = Vec::new();
    for number in 0..RACERS {
        let user = fixture.user(&format!("user{number}")).await;
        sessions.push(fixture.open(user).await);
    }
    let outcomes = race(RACERS, |number| {
        let store = Arc::clone(&stores[number % 2]);
        let request = change(&sessions[number], "2", at(1));
        async move {
            if number % 16 == 7 {
                store.revoke(revoke(RevokeTarget::All, at(1))).await.unwrap();
            }
            store.change_password(request).await.unwrap()
        }
    })
    .await;
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let session = match outcome {
            PasswordChanged::Changed { session, .. } => session,
            PasswordChanged::Refused(Refusal::Revoked) => sessions[number].clone(),
            other => panic!("{other:?}"),
        };
        let generation = session.generation;
        assert!(is_revoked(&fixture.rotate(&session, generation, at(2)).await), "{number}");
    }
    stores[1].close().await;
}

async fn lg_52_logins_that_rehash_beside_a_change_do_not_undo_it(fixture: &Fixture) {
    let stores = replicas(fixture).await;
    for round in 0..10 {
        let user = fixture.user(&format!("user{round}")).await;
        let session = fixture.open(user).await;
        race(RACERS, |number| {
            let store = Arc::clone(&stores[number % 2]);
            let mut request = change(&session, "new", at(1));
            async move {
                if number != RACERS / 2 {
                    store.replace_password_hash(user, hash(OLD), hash("remade")).await.unwrap();
                    return;
                }
                let first = store.change_password(request.clone()).await.unwrap();
                if matches!(first, PasswordChanged::Rehashed) {
                    request.checked = hash("remade");
                    let second = store.change_password(request).await.unwrap();
                    assert!(matches!(second, PasswordChanged::Changed { .. }), "{second:?}");
                } else {
                    assert!(matches!(first, PasswordChanged::Changed { .. }), "{first:?}");
                }
            }
        })
        .await;
        assert_eq!(stored_hash(fixture, user).await, "new");
        let late = fixture.store.replace_password_hash(user, hash(OLD), hash("remade")).await;
        assert!(!late.unwrap());
    }
    stores[1].close().await;
}
