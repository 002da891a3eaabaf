//! Opening sessions.

use tokenward::{
    domain::{
        error::Refusal,
        revocation::{Reason, Target},
    },
    store::port::{OpenSession, RevokeTarget, Rotated},
};

use super::{
    counts::Count,
    fixture::{ACCESS_S, Fixture, MARGIN_S, SESSION_S, at, client, new_session, sweep},
};

on_every_store! {
    a_session_is_stored_as_given_and_the_login_is_recorded
    rf_19_a_user_that_changed_since_the_check_is_refused
    the_oldest_sessions_over_the_limit_end_with_log_entries
    dead_sessions_do_not_count
    expired_sessions_go_at_the_next_login
    p7_revoked_sessions_go_once_their_tokens_are_dead
    a_login_lifts_the_user_to_the_version_floor
    ;
    a_disabled_client_is_refused_and_records_no_login
}

async fn refused(fixture: &Fixture, new: tokenward::store::port::NewSession) -> bool {
    matches!(fixture.store.open_session(new).await.unwrap(), OpenSession::Refused)
}

async fn a_session_is_stored_as_given_and_the_login_is_recorded(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let mut new = new_session(user, 1);
    new.session.idle_expires_at = Some(at(60));
    let outcome = fixture.store.open_session(new.clone()).await.unwrap();
    let OpenSession::Opened { session, account, ended } = outcome else { panic!("refused") };
    new.session.client_version = 1;
    assert_eq!(session, new.session);
    assert_eq!(account.last_login_at, Some(at(0)));
    assert_eq!(ended, []);
    let listed = fixture.store.sessions(user, None, 10, at(1)).await.unwrap();
    assert_eq!(listed, [session], "as it comes back from the table");
}

/// LG-33: between the check of the password and the session.
async fn rf_19_a_user_that_changed_since_the_check_is_refused(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    fixture.revoke(RevokeTarget::User(user), at(1)).await.unwrap();
    assert!(refused(fixture, new_session(user, 1)).await, "checked before the revocation");
    assert!(!refused(fixture, new_session(user, 2)).await);
    fixture.disable(user, at(2)).await.unwrap();
    assert!(refused(fixture, new_session(user, 2)).await);
    assert!(refused(fixture, new_session(user, 3)).await, "disabled at every version");
    let login = fixture.store.user(user).await.unwrap().unwrap().last_login_at;
    assert_eq!(login, Some(at(0)), "refused logins are not recorded");
}

async fn a_disabled_client_is_refused_and_records_no_login(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    fixture.raw("UPDATE clients SET disabled_at = 1 WHERE id = 'web'").await;
    assert!(refused(fixture, new_session(user, 1)).await);
    assert_eq!(fixture.store.user(user).await.unwrap().unwrap().last_login_at, None);
}

async fn the_oldest_sessions_over_the_limit_end_with_log_entries(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let mut opened = Vec::new();
    for second in 0..4 {
        let mut new = new_session(user, 1);
        new.session.created_at = at(second);
        opened.push(fixture.open_as(new).await);
    }
    let mut elsewhere = new_session(user, 1);
    elsewhere.session.client_id = client("app");
    let elsewhere = fixture.open_as(elsewhere).await;
    let mut last = new_session(user, 1);
    last.session.created_at = at(10);
    last.max_sessions = 2;
    let outcome = fixture.store.open_session(last).await.unwrap();
    let OpenSession::Opened { session, ended, .. } = outcome else { panic!("refused") };
    assert_eq!(fixture.log().await, ended);
    let told: Vec<_> = ended.iter().map(|e| (e.seq, e.target.clone(), e.reason.clone())).collect();
    let entry = |seq: i64, n: usize| (seq, Target::Session(opened[n].id), Reason::SessionLimit);
    assert_eq!(told, [entry(1, 0), entry(2, 1), entry(3, 2)]);
    assert!(
        ended.iter().all(|e| e.at == at(10) && e.expires_at == Some(at(10 + ACCESS_S + MARGIN_S)))
    );
    let live = fixture.store.sessions(user, None, 10, at(11)).await.unwrap();
    let live: Vec<_> = live.into_iter().map(|live| live.id).collect();
    assert_eq!(live, [session.id, elsewhere.id, opened[3].id]);
    let rotated = fixture.rotate(&opened[0], 1, at(12)).await;
    assert!(matches!(rotated, Rotated::Refused(Refusal::Revoked)));
}

async fn dead_sessions_do_not_count(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let revoked = fixture.open(user).await;
    fixture.revoke(RevokeTarget::Session(revoked.id), at(1)).await.unwrap();
    let mut idle = new_session(user, 1);
    idle.session.idle_expires_at = Some(at(5));
    fixture.open_as(idle).await;
    fixture.open(user).await;
    let mut new = new_session(user, 1);
    new.session.created_at = at(5);
    new.max_sessions = 2;
    let outcome = fixture.store.open_session(new).await.unwrap();
    assert!(matches!(outcome, OpenSession::Opened { ended, .. } if ended.is_empty()));
}

async fn expired_sessions_go_at_the_next_login(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    fixture.open(user).await;
    // A token may be accepted 60 s past its end, and must be revocable then.
    for (second, rows) in [(SESSION_S, 2), (SESSION_S + 59, 3), (SESSION_S + 60, 3)] {
        let mut new = new_session(user, 1);
        new.session.created_at = at(second);
        new.session.expires_at = at(2 * SESSION_S);
        fixture.open_as(new).await;
        assert_eq!(fixture.count(Count::Sessions).await, rows, "{second}");
    }
}

/// At the next login, or by the sweep; not a moment before, so that theft is
/// answered as it always was.
async fn p7_revoked_sessions_go_once_their_tokens_are_dead(fixture: &Fixture) {
    let (alice, bob) = (fixture.user("alice").await, fixture.user("bob").await);
    let (hers, his) = (fixture.open(alice).await, fixture.open(bob).await);
    fixture.rotate(&hers, 1, at(1)).await;
    let stolen = fixture.rotate(&hers, 1, at(100)).await;
    assert!(matches!(stolen, Rotated::Ended { refusal: Refusal::Reused, .. }));
    fixture.revoke(RevokeTarget::Session(his.id), at(100)).await.unwrap();
    let dead = 100 + ACCESS_S + MARGIN_S;
    for (second, rows, refusal) in
        [(dead - 1, 2, Refusal::Revoked), (dead, 1, Refusal::SessionExpired)]
    {
        let mut new = new_session(alice, 1);
        new.session.created_at = at(second);
        fixture.open_as(new).await;
        assert_eq!(fixture.count(Count::RevokedSessions).await, rows, "{second}");
        let again = fixture.rotate(&hers, 1, at(second)).await;
        assert!(matches!(again, Rotated::Refused(found) if found == refusal), "{again:?}");
    }
    fixture.store.sweep(sweep(at(dead - 1), 10)).await.unwrap();
    assert_eq!(fixture.count(Count::RevokedSessions).await, 1);
    fixture.store.sweep(sweep(at(dead), 10)).await.unwrap();
    assert_eq!(fixture.count(Count::RevokedSessions).await, 0);
}

async fn a_login_lifts_the_user_to_the_version_floor(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let old = fixture.open(user).await;
    let entry = fixture.revoke(RevokeTarget::All, at(1)).await.unwrap();
    assert_eq!(entry.target, Target::All { min_version: 2 });
    let new = fixture.open(user).await;
    assert_eq!(new.user_version, 2);
    assert_eq!(fixture.store.user(user).await.unwrap().unwrap().version, 2);
    let rotated = fixture.rotate(&old, 1, at(2)).await;
    assert!(matches!(rotated, Rotated::Refused(Refusal::Revoked)));
    assert!(matches!(fixture.rotate(&new, 1, at(2)).await, Rotated::Advanced { .. }));
    let late = fixture.user("bob").await;
    assert_eq!(fixture.store.user(late).await.unwrap().unwrap().version, 2);
}
