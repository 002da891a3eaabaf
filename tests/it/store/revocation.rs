//! Revoking.

use std::collections::BTreeSet;

use tokenward::{
    domain::{
        error::Refusal,
        id::{SessionId, UserId},
        revocation::{Reason, Target},
    },
    store::port::{OpenSession, RevokeTarget, Rotated},
};

use super::{
    counts::Count,
    fixture::{ACCESS_S, Fixture, MARGIN_S, at, client, new_session, revoke, sweep, unique},
};

on_every_store! {
    rv_03_a_session
    rv_07_of_fifty_sessions_one_ends_at_a_time
    rv_09_twice_gives_the_entry_in_force
    rv_04_a_user
    a_user_is_disabled_once
    rv_06_a_client
    rv_05_everybody
    a_user_revoked_below_the_floor_lands_above_it
    what_does_not_exist_cannot_be_revoked
    the_entry_in_force_outlives_the_log
}

async fn is_dead(fixture: &Fixture, session: &tokenward::domain::session::Session) -> bool {
    let rotated = fixture.rotate(session, session.generation, at(50)).await;
    matches!(rotated, Rotated::Refused(Refusal::Revoked))
}

async fn rv_03_a_session(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let (session, other) = (fixture.open(user).await, fixture.open(user).await);
    let request = revoke(RevokeTarget::Session(session.id), at(7));
    let entry = fixture.store.revoke(request.clone()).await.unwrap().unwrap();
    assert_eq!((entry.seq, entry.id, entry.at), (1, request.entry_id, at(7)));
    assert_eq!(entry.target, Target::Session(session.id));
    assert_eq!((entry.reason.clone(), entry.actor.as_str()), (Reason::Logout, "token"));
    assert_eq!(entry.expires_at, Some(at(7 + ACCESS_S + MARGIN_S)));
    assert_eq!(fixture.log().await, [entry]);
    assert!(is_dead(fixture, &session).await);
    assert!(!is_dead(fixture, &other).await);
}

async fn rv_07_of_fifty_sessions_one_ends_at_a_time(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let mut left = BTreeSet::new();
    for _ in 0..50 {
        left.insert(fixture.open(user).await.id);
    }
    for id in left.clone() {
        fixture.revoke(RevokeTarget::Session(id), at(1)).await.unwrap();
        left.remove(&id);
        let live = fixture.store.sessions(user, None, 99, at(2)).await.unwrap();
        assert_eq!(live.iter().map(|session| session.id).collect::<BTreeSet<_>>(), left);
    }
}

async fn rv_09_twice_gives_the_entry_in_force(fixture: &Fixture) {
    let session = fixture.open(fixture.user("alice").await).await;
    let first = fixture.revoke(RevokeTarget::Session(session.id), at(1)).await;
    let mut second = revoke(RevokeTarget::Session(session.id), at(2));
    second.reason = Reason::Operator;
    assert_eq!(fixture.store.revoke(second).await.unwrap(), first);
    assert_eq!(fixture.log().await.len(), 1);
}

/// Of a session, as long as the session itself; of a user, for ever.
async fn the_entry_in_force_outlives_the_log(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let session = fixture.open(user).await;
    let first = fixture.revoke(RevokeTarget::Session(session.id), at(1)).await.unwrap();
    let disabled = fixture.disable(user, at(2)).await.unwrap();
    fixture.revoke(RevokeTarget::All, at(3)).await.unwrap();
    fixture.lose_entries_before(3).await;
    let again = fixture.revoke(RevokeTarget::Session(session.id), at(600)).await.unwrap();
    assert_eq!((again.target, again.at, again.reason), (first.target, first.at, first.reason));
    assert_eq!((again.seq, again.expires_at), (3, first.expires_at));
    fixture.store.sweep(sweep(at(5_000), 100)).await.unwrap();
    assert_eq!(fixture.revoke(RevokeTarget::Session(session.id), at(6_000)).await, None);
    let again = fixture.disable(user, at(6_000)).await.unwrap();
    assert_eq!((again.target, again.at), (disabled.target, disabled.at));
}

async fn rv_04_a_user(fixture: &Fixture) {
    let (alice, bob) = (fixture.user("alice").await, fixture.user("bob").await);
    let (hers, his) = (fixture.open(alice).await, fixture.open(bob).await);
    let entry = fixture.revoke(RevokeTarget::User(alice), at(1)).await.unwrap();
    assert_eq!(entry.target, Target::User { id: alice, min_version: 2 });
    assert!(is_dead(fixture, &hers).await);
    assert!(!is_dead(fixture, &his).await);
    let new = fixture.open_as(new_session(alice, 2)).await;
    assert!(!is_dead(fixture, &new).await);
    let entry = fixture.revoke(RevokeTarget::User(alice), at(2)).await.unwrap();
    assert_eq!(entry.target, Target::User { id: alice, min_version: 3 });
}

async fn a_user_is_disabled_once(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let session = fixture.open(user).await;
    let first = fixture.disable(user, at(1)).await;
    assert_eq!(fixture.disable(user, at(2)).await, first);
    let account = fixture.store.user(user).await.unwrap().unwrap();
    assert_eq!((account.version, account.disabled_at), (2, Some(at(1))));
    assert!(is_dead(fixture, &session).await);
    assert_eq!(fixture.log().await.len(), 1);
}

async fn rv_06_a_client(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let web = fixture.open(user).await;
    let mut app = new_session(user, 1);
    app.session.client_id = client("app");
    let app = fixture.open_as(app).await;
    let entry = fixture.revoke(RevokeTarget::Client(client("web")), at(1)).await.unwrap();
    assert_eq!(entry.target, Target::Client { id: client("web"), min_version: 2 });
    assert!(is_dead(fixture, &web).await);
    assert!(!is_dead(fixture, &app).await);
    let new = fixture.open(user).await;
    assert_eq!(new.client_version, 2);
    assert!(!is_dead(fixture, &new).await);
}

/// RV-19: whatever there is, it is one entry and no row of a session.
async fn rv_05_everybody(fixture: &Fixture) {
    let (alice, bob) = (fixture.user("alice").await, fixture.user("bob").await);
    for second in 1..=4 {
        fixture.revoke(RevokeTarget::User(bob), at(second)).await.unwrap();
    }
    let (hers, his) = (fixture.open(alice).await, fixture.open_as(new_session(bob, 5)).await);
    let entry = fixture.revoke(RevokeTarget::All, at(5)).await.unwrap();
    assert_eq!((entry.seq, &entry.target), (5, &Target::All { min_version: 6 }));
    assert_eq!(fixture.log().await.last(), Some(&entry));
    assert_eq!(fixture.count(Count::RevokedSessions).await, 0);
    assert!(is_dead(fixture, &hers).await);
    assert!(is_dead(fixture, &his).await);
    let entry = fixture.revoke(RevokeTarget::All, at(6)).await.unwrap();
    assert_eq!(entry.target, Target::All { min_version: 7 });
    let new = fixture.open(alice).await;
    assert_eq!(new.user_version, 7);
    assert!(!is_dead(fixture, &new).await);
}

/// A login that was checked before it must not pass as merely lifted.
async fn a_user_revoked_below_the_floor_lands_above_it(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    fixture.revoke(RevokeTarget::All, at(1)).await.unwrap();
    let entry = fixture.revoke(RevokeTarget::User(user), at(2)).await.unwrap();
    assert_eq!(entry.target, Target::User { id: user, min_version: 3 });
    let late = fixture.store.open_session(new_session(user, 1)).await.unwrap();
    assert!(matches!(late, OpenSession::Refused));
}

async fn what_does_not_exist_cannot_be_revoked(fixture: &Fixture) {
    for target in [
        RevokeTarget::Session(SessionId::new(unique())),
        RevokeTarget::User(UserId::new(unique())),
        RevokeTarget::Client(client("nobody")),
    ] {
        assert_eq!(fixture.revoke(target, at(1)).await, None);
    }
    assert_eq!(fixture.disable(UserId::new(unique()), at(1)).await, None);
    assert_eq!(fixture.log().await, []);
    assert_eq!(fixture.store.look(0).await.unwrap().head.seq, 0, "no place in the log is lost");
}
