//! Using refresh tokens.

use std::time::Duration;

use tokenward::{
    domain::{
        error::Refusal,
        policy::Rotation,
        revocation::{Reason, Target},
    },
    store::port::Rotated,
};

use super::fixture::{Fixture, SESSION_S, WINDOW_S, advanced, at, client, new_session, rotate};

on_every_store! {
    p4_a_token_advances_and_then_replays_the_same_successor
    rf_01_rf_04_theft_ends_the_session_once
    rf_10_the_replay_window_is_exact
    rf_13_absolute_expiry_is_exact
    rf_15_idle_expiry_is_exact_and_starts_again
    rf_26_disabled_users_are_refused_without_alarm
    rf_30_another_client_does_not_use_the_token_up
    rf_43_a_clock_set_back_revives_nothing
    a_rolled_back_database_is_noticed
    without_rotation_nothing_moves_but_the_idle_end
    an_unknown_session_has_expired
}

fn refusal(rotated: Rotated) -> Refusal {
    match rotated {
        Rotated::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

async fn p4_a_token_advances_and_then_replays_the_same_successor(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let session = fixture.open(user).await;
    let second = advanced(fixture.rotate(&session, 1, at(100)).await);
    assert_eq!((second.generation, second.rotated_at), (2, at(100)));
    let expected = tokenward::domain::session::Session {
        generation: 2,
        rotated_at: at(100),
        ..session.clone()
    };
    assert_eq!(second, expected, "nothing else moves");
    let again = fixture.rotate(&session, 1, at(110)).await;
    let Rotated::Replayed { session: again, account } = again else { panic!("{again:?}") };
    assert_eq!((again, account.id), (second, user));
    assert_eq!(advanced(fixture.rotate(&session, 2, at(120)).await).generation, 3);
}

async fn rf_01_rf_04_theft_ends_the_session_once(fixture: &Fixture) {
    let session = fixture.open(fixture.user("alice").await).await;
    advanced(fixture.rotate(&session, 1, at(1)).await);
    advanced(fixture.rotate(&session, 2, at(2)).await);
    let request = rotate(&session, 1, at(3));
    let entry_id = request.entry_id;
    let theft = fixture.store.rotate(request).await.unwrap();
    let Rotated::Ended { refusal: Refusal::Reused, revocation } = theft else {
        panic!("{theft:?}")
    };
    assert_eq!((revocation.seq, revocation.id), (1, entry_id));
    assert_eq!(revocation.target, Target::Session(session.id));
    assert_eq!(revocation.reason, Reason::RefreshReuse);
    assert_eq!(refusal(fixture.rotate(&session, 1, at(4)).await), Refusal::Revoked);
    assert_eq!(refusal(fixture.rotate(&session, 3, at(4)).await), Refusal::Revoked);
    assert_eq!(fixture.log().await, [revocation], "the alarm is raised once");
}

async fn rf_10_the_replay_window_is_exact(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let session = fixture.open(user).await;
    advanced(fixture.rotate(&session, 1, at(0)).await);
    let inside = fixture.rotate(&session, 1, at(WINDOW_S)).await;
    assert!(matches!(inside, Rotated::Replayed { .. }), "{inside:?}");
    let late = at(WINDOW_S).plus(Duration::from_micros(1));
    let outside = fixture.rotate(&session, 1, late).await;
    assert!(matches!(outside, Rotated::Ended { refusal: Refusal::Reused, .. }), "{outside:?}");
}

async fn rf_13_absolute_expiry_is_exact(fixture: &Fixture) {
    let session = fixture.open(fixture.user("alice").await).await;
    let end = at(SESSION_S);
    let over = fixture.rotate(&session, 1, end).await;
    assert_eq!(refusal(over), Refusal::SessionExpired);
    advanced(fixture.rotate(&session, 1, end.minus(Duration::from_micros(1))).await);
    assert_eq!(fixture.log().await, []);
}

async fn rf_15_idle_expiry_is_exact_and_starts_again(fixture: &Fixture) {
    let mut new = new_session(fixture.user("alice").await, 1);
    new.session.idle_expires_at = Some(at(100));
    let session = fixture.open_as(new).await;
    assert_eq!(refusal(fixture.rotate(&session, 1, at(100)).await), Refusal::SessionExpired);
    let mut request = rotate(&session, 1, at(99));
    request.idle = Some(Duration::from_secs(50));
    let rotated = advanced(fixture.store.rotate(request).await.unwrap());
    assert_eq!(rotated.idle_expires_at, Some(at(149)));
    assert_eq!(refusal(fixture.rotate(&session, 2, at(149)).await), Refusal::SessionExpired);
    let rotated = advanced(fixture.rotate(&session, 2, at(148)).await);
    assert_eq!(rotated.idle_expires_at, None, "the limit was taken away");
}

async fn rf_26_disabled_users_are_refused_without_alarm(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let session = fixture.open(user).await;
    advanced(fixture.rotate(&session, 1, at(1)).await);
    fixture.disable(user, at(2)).await.unwrap();
    for generation in [1, 2, 3] {
        let rotated = fixture.rotate(&session, generation, at(3)).await;
        assert_eq!(refusal(rotated), Refusal::Revoked, "{generation}");
    }
    assert_eq!(fixture.log().await.len(), 1);
}

async fn rf_30_another_client_does_not_use_the_token_up(fixture: &Fixture) {
    let session = fixture.open(fixture.user("alice").await).await;
    let mut request = rotate(&session, 1, at(1));
    request.presented.client_id = client("app");
    let rotated = fixture.store.rotate(request).await.unwrap();
    assert_eq!(refusal(rotated), Refusal::ClientMismatch);
    advanced(fixture.rotate(&session, 1, at(2)).await);
}

/// TM-02.
async fn rf_43_a_clock_set_back_revives_nothing(fixture: &Fixture) {
    let session = fixture.open(fixture.user("alice").await).await;
    advanced(fixture.rotate(&session, 1, at(7200)).await);
    advanced(fixture.rotate(&session, 2, at(7201)).await);
    let back = fixture.rotate(&session, 1, at(3600)).await;
    assert!(matches!(back, Rotated::Ended { refusal: Refusal::Reused, .. }), "{back:?}");
}

async fn a_rolled_back_database_is_noticed(fixture: &Fixture) {
    let session = fixture.open(fixture.user("alice").await).await;
    let ahead = fixture.rotate(&session, 2, at(1)).await;
    let Rotated::Ended { refusal, revocation } = ahead else { panic!("{ahead:?}") };
    assert_eq!(refusal, Refusal::RolledBack);
    assert_eq!(revocation.reason, Reason::DatabaseRolledBack);
}

async fn without_rotation_nothing_moves_but_the_idle_end(fixture: &Fixture) {
    let session = fixture.open(fixture.user("alice").await).await;
    for second in [10, 20, 4000] {
        let mut request = rotate(&session, 1, at(second));
        request.rotation = Rotation::Off;
        request.idle = Some(Duration::from_secs(5000));
        let rotated = advanced(fixture.store.rotate(request).await.unwrap());
        assert_eq!((rotated.generation, rotated.rotated_at), (1, session.rotated_at));
        assert_eq!(rotated.idle_expires_at, Some(at(second + 5000)));
    }
}

async fn an_unknown_session_has_expired(fixture: &Fixture) {
    let never_opened = new_session(fixture.user("alice").await, 1).session;
    let rotated = fixture.rotate(&never_opened, 1, at(1)).await;
    assert_eq!(refusal(rotated), Refusal::SessionExpired);
}
