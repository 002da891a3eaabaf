//! Changing passwords, and what survives it.

use std::time::Duration;

use tokenward::{
    domain::{
        audit::{Actor, Origin},
        clock::Timestamp,
        error::Refusal,
        id::UserId,
        identifier::Identifier,
        password::PasswordHash,
        revocation::{Reason, Target},
        session::Session,
        throttle::Fingerprint,
    },
    store::port::{
        ChangePassword, OpenSession, PasswordChanged, RevokeTarget, Rotated, SetPassword,
    },
};

use super::fixture::{
    Fixture, START, WINDOW_S, advanced, at, client, context, new_session, origin, unique,
};

on_every_store! {
    vt_09_one_session_survives_a_change_with_its_next_generation
    vt_07_an_old_refresh_token_gets_nothing_and_ends_nothing
    a_session_without_refresh_token_gets_none_and_ends_soon
    a_change_needs_what_was_checked
    a_misused_refresh_token_ends_the_session_here_too
    ad_16_a_disabled_user_changes_nothing
    vt_31_enabling_revives_no_session
    an_operator_sets_a_password
    own_sessions_are_ended_by_their_user_only
    own_sessions_are_ended_once
}

pub(super) const OLD: &str = "$argon2id$1";

pub(super) fn hash(text: &str) -> PasswordHash {
    PasswordHash::new(text.to_owned())
}

/// A change with the session's newest refresh token.
pub(super) fn change(session: &Session, new: &str, now: Timestamp) -> ChangePassword {
    ChangePassword {
        user_id: session.user_id,
        checked: hash(OLD),
        new: hash(new),
        session_id: session.id,
        client_id: session.client_id.clone(),
        user_version: session.user_version,
        generation: Some(session.generation),
        replay_window: Duration::from_secs(WINDOW_S),
        idle: None,
        session_end: None,
        origin: Origin { actor: Actor::User(session.user_id), ..origin() },
        entry_id: unique(),
        now,
    }
}

async fn changed(fixture: &Fixture, change: ChangePassword) -> Session {
    match fixture.store.change_password(change).await.unwrap() {
        PasswordChanged::Changed { session, .. } => session,
        other => panic!("not changed: {other:?}"),
    }
}

async fn refused(fixture: &Fixture, change: ChangePassword) -> Refusal {
    match fixture.store.change_password(change).await.unwrap() {
        PasswordChanged::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

pub(super) async fn stored_hash(fixture: &Fixture, user: UserId) -> String {
    let found = fixture.store.credentials_of(user).await.unwrap().unwrap();
    found.password_hash.unwrap().expose().to_owned()
}

pub(super) fn is_revoked(outcome: &Rotated) -> bool {
    matches!(outcome, Rotated::Refused(Refusal::Revoked))
}

async fn vt_09_one_session_survives_a_change_with_its_next_generation(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let (mine, other) = (fixture.open(user).await, fixture.open(user).await);
    let request =
        ChangePassword { idle: Some(Duration::from_secs(99)), ..change(&mine, "2", at(5)) };
    let entry_id = request.entry_id;
    let outcome = fixture.store.change_password(request).await.unwrap();
    let PasswordChanged::Changed { session, account, revocation } = outcome else {
        panic!("{outcome:?}")
    };
    let expected = Session {
        user_version: 2,
        min_refresh_version: 2,
        generation: 2,
        rotated_at: at(5),
        auth_time: at(5),
        idle_expires_at: Some(at(5 + 99)),
        ..mine
    };
    assert_eq!(session, expected);
    assert_eq!(account.version, 2);
    assert_eq!(revocation.target, Target::User { id: user, min_version: 2 });
    assert_eq!((revocation.id, revocation.at), (entry_id, at(5)));
    assert_eq!(
        (revocation.reason.as_str(), revocation.actor.as_str()),
        ("PASSWORD_CHANGED", "user")
    );
    assert_eq!(fixture.log().await, [revocation]);
    assert_eq!(stored_hash(fixture, user).await, "2");
    assert_eq!(
        fixture.store.sessions(user, None, 9, at(6)).await.unwrap(),
        std::slice::from_ref(&session)
    );
    assert!(is_revoked(&fixture.rotate(&other, 1, at(5)).await));
    // And it goes on from there.
    let next = advanced(fixture.rotate(&session, 2, at(6)).await);
    let replay = fixture.rotate(&session, 2, at(7)).await;
    assert!(matches!(replay, Rotated::Replayed { session, .. } if session == next));
}

/// Inside the replay window and after it: whoever stole it must neither get
/// the tokens of after the change nor end the session that made it.
async fn vt_07_an_old_refresh_token_gets_nothing_and_ends_nothing(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let first = fixture.open(user).await;
    let second = advanced(fixture.rotate(&first, 1, at(1)).await);
    let session = changed(fixture, change(&second, "2", at(2))).await;
    for second in [2, 3, 2 + WINDOW_S, 3 + WINDOW_S, 1_000] {
        for generation in [1, 2, 3, 4] {
            let outcome = fixture.rotate(&first, generation, at(second)).await;
            assert!(is_revoked(&outcome), "{second} s, generation {generation}: {outcome:?}");
        }
    }
    assert_eq!(fixture.log().await.len(), 1, "no alarm");
    advanced(fixture.rotate(&session, 3, at(1_000)).await);
}

async fn a_session_without_refresh_token_gets_none_and_ends_soon(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let session = fixture.open(user).await;
    let request = ChangePassword {
        generation: None,
        session_end: Some(at(900)),
        ..change(&session, "2", at(5))
    };
    let session = changed(fixture, request).await;
    assert_eq!(session.expires_at, at(900));
    let request = ChangePassword {
        checked: hash("2"),
        generation: None,
        session_end: Some(at(1_000)),
        ..change(&session, "3", at(6))
    };
    assert_eq!(changed(fixture, request).await.expires_at, at(900), "never later than before");
}

async fn a_change_needs_what_was_checked(fixture: &Fixture) {
    let (alice, bob) = (fixture.user("alice").await, fixture.user("bob").await);
    let (session, his) = (fixture.open(alice).await, fixture.open(bob).await);
    let good = change(&session, "2", at(1));
    let rehashed = ChangePassword { checked: hash("$argon2id$0"), ..good.clone() };
    let outcome = fixture.store.change_password(rehashed).await.unwrap();
    assert!(matches!(outcome, PasswordChanged::Rehashed), "{outcome:?}");
    for (wrong, refusal) in [
        (ChangePassword { user_version: 0, ..good.clone() }, Refusal::Revoked),
        (ChangePassword { client_id: client("app"), ..good.clone() }, Refusal::ClientMismatch),
        (ChangePassword { session_id: his.id, ..good.clone() }, Refusal::InvalidToken),
        (ChangePassword { now: session.expires_at, ..good.clone() }, Refusal::SessionExpired),
    ] {
        assert_eq!(refused(fixture, wrong).await, refusal);
    }
    assert_eq!(stored_hash(fixture, alice).await, OLD);
    assert_eq!(fixture.log().await, []);
    changed(fixture, good.clone()).await;
    assert_eq!(refused(fixture, good).await, Refusal::Revoked, "once");

    let ended = fixture.open_as(new_session(alice, 2)).await;
    fixture.revoke(RevokeTarget::Session(ended.id), at(2)).await.unwrap();
    let late = ChangePassword { checked: hash("2"), ..change(&ended, "3", at(3)) };
    assert_eq!(refused(fixture, late).await, Refusal::Revoked);
}

async fn a_misused_refresh_token_ends_the_session_here_too(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let first = fixture.open(user).await;
    let second = advanced(fixture.rotate(&first, 1, at(1)).await);
    let late = change(&first, "2", at(2 + WINDOW_S));
    let outcome = fixture.store.change_password(late.clone()).await.unwrap();
    let PasswordChanged::Ended { refusal: Refusal::Reused, revocation } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(revocation.reason, Reason::RefreshReuse);
    assert!(is_revoked(&fixture.rotate(&second, 2, at(40)).await));
    assert_eq!(refused(fixture, late).await, Refusal::Revoked);
    assert_eq!(stored_hash(fixture, user).await, OLD);
    // A moment after its use it is an honest one.
    let first = fixture.open(user).await;
    advanced(fixture.rotate(&first, 1, at(1)).await);
    assert_eq!(changed(fixture, change(&first, "2", at(2))).await.generation, 3);
}

async fn ad_16_a_disabled_user_changes_nothing(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let session = fixture.open(user).await;
    fixture.disable(user, at(1)).await.unwrap();
    assert_eq!(refused(fixture, change(&session, "2", at(2))).await, Refusal::Revoked);
    // Not even one whose version would fit.
    let guess = ChangePassword { user_version: 2, ..change(&session, "2", at(2)) };
    assert_eq!(refused(fixture, guess).await, Refusal::Revoked);
    assert_eq!(stored_hash(fixture, user).await, OLD);
    assert!(fixture.store.user(user).await.unwrap().unwrap().disabled_at.is_some());
}

async fn vt_31_enabling_revives_no_session(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let session = fixture.open(user).await;
    fixture.disable(user, at(1)).await.unwrap();
    for _ in 0..2 {
        assert!(fixture.store.enable_user(user, context(START)).await.unwrap());
        let account = fixture.store.user(user).await.unwrap().unwrap();
        assert_eq!((account.disabled_at, account.version), (None, 2));
    }
    assert!(is_revoked(&fixture.rotate(&session, 1, at(2)).await));
    let late = fixture.store.open_session(new_session(user, 1)).await.unwrap();
    assert!(matches!(late, OpenSession::Refused), "the password was checked before");
    let new = fixture.open_as(new_session(user, 2)).await;
    advanced(fixture.rotate(&new, 1, at(2)).await);
    let again = fixture.disable(user, at(3)).await.unwrap();
    assert_eq!(again.target, Target::User { id: user, min_version: 3 });
    assert!(!fixture.store.enable_user(UserId::new(unique()), context(START)).await.unwrap());
}

async fn an_operator_sets_a_password(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let session = fixture.open(user).await;
    let set = |user_id| SetPassword {
        user_id,
        new: hash("2"),
        counted_by: Fingerprint::new([1; 32]),
        origin: Origin { actor: Actor::Operator, ..origin() },
        entry_id: unique(),
        now: at(1),
    };
    let entry = fixture.store.set_password(set(user)).await.unwrap().unwrap();
    assert_eq!(entry.target, Target::User { id: user, min_version: 2 });
    assert_eq!((entry.reason.as_str(), entry.actor.as_str()), ("PASSWORD_CHANGED", "operator"));
    assert_eq!(fixture.log().await, [entry]);
    assert_eq!(stored_hash(fixture, user).await, "2");
    assert!(is_revoked(&fixture.rotate(&session, 1, at(2)).await));
    let alice = Identifier::parse("alice").unwrap();
    let found = fixture.store.credentials(alice).await.unwrap().unwrap();
    assert_eq!(found.account, fixture.store.credentials_of(user).await.unwrap().unwrap().account);

    let nobody = UserId::new(unique());
    assert_eq!(fixture.store.set_password(set(nobody)).await.unwrap(), None);
    assert!(fixture.store.credentials_of(nobody).await.unwrap().is_none());
    assert_eq!(fixture.log().await.len(), 1, "no place in the log is lost");
}

async fn own_sessions_are_ended_by_their_user_only(fixture: &Fixture) {
    let (alice, bob) = (fixture.user("alice").await, fixture.user("bob").await);
    let session = fixture.open(alice).await;
    let end = |owner| RevokeTarget::OwnSession { id: session.id, owner };
    assert_eq!(fixture.revoke(end(bob), at(1)).await, None);
    assert_eq!(fixture.log().await, []);
    let entry = fixture.revoke(end(alice), at(2)).await.unwrap();
    assert_eq!(entry.target, Target::Session(session.id));
    assert_eq!(fixture.revoke(end(alice), at(3)).await, Some(entry));
    assert_eq!(fixture.revoke(end(bob), at(3)).await, None, "dead or alive");
    assert!(is_revoked(&fixture.rotate(&session, 1, at(4)).await));
}

/// A request that is sent again must not end what was opened in between.
async fn own_sessions_are_ended_once(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let session = fixture.open(user).await;
    let end = || RevokeTarget::OwnSessions { user, version: 1 };
    let entry = fixture.revoke(end(), at(1)).await.unwrap();
    assert_eq!(entry.target, Target::User { id: user, min_version: 2 });
    let new = fixture.open_as(new_session(user, 2)).await;
    assert_eq!(fixture.revoke(end(), at(2)).await, Some(entry));
    assert!(is_revoked(&fixture.rotate(&session, 1, at(3)).await));
    advanced(fixture.rotate(&new, 1, at(3)).await);
    let nobody = RevokeTarget::OwnSessions { user: UserId::new(unique()), version: 1 };
    assert_eq!(fixture.revoke(nobody, at(1)).await, None);
}
