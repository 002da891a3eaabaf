//! Listing sessions.

use tokenward::store::port::RevokeTarget;

use super::fixture::{Fixture, at, new_session};

on_every_store! {
    live_sessions_are_listed_newest_first_in_pages
    what_a_version_ended_is_not_listed
}

async fn live_sessions_are_listed_newest_first_in_pages(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let stranger = fixture.user("bob").await;
    fixture.open(stranger).await;
    let mut opened = Vec::new();
    for _ in 0..5 {
        opened.push(fixture.open(user).await);
    }
    fixture.revoke(RevokeTarget::Session(opened[2].id), at(1)).await.unwrap();
    let mut idle = new_session(user, 1);
    idle.session.idle_expires_at = Some(at(9));
    let idle = fixture.open_as(idle).await;
    let ids = |sessions: Vec<tokenward::domain::session::Session>| {
        sessions.into_iter().map(|session| session.id).collect::<Vec<_>>()
    };
    let page = |before, limit, second| fixture.store.sessions(user, before, limit, at(second));
    assert_eq!(ids(page(None, 2, 8).await.unwrap()), [idle.id, opened[4].id]);
    assert_eq!(ids(page(None, 2, 9).await.unwrap()), [opened[4].id, opened[3].id]);
    let rest = ids(page(Some(opened[3].id), 10, 9).await.unwrap());
    assert_eq!(rest, [opened[1].id, opened[0].id]);
}

async fn what_a_version_ended_is_not_listed(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    fixture.open(user).await;
    let listed = || async { fixture.store.sessions(user, None, 9, at(1)).await.unwrap().len() };
    assert_eq!(listed().await, 1);
    fixture.revoke(RevokeTarget::User(user), at(1)).await.unwrap();
    assert_eq!(listed().await, 0);
    fixture.open_as(new_session(user, 2)).await;
    assert_eq!(listed().await, 1);
    fixture.revoke(RevokeTarget::All, at(1)).await.unwrap();
    assert_eq!(listed().await, 0);
}
