//! Whose database it is.

use std::time::Duration;

use tokenward::{domain::clock::Timestamp, store::port::Claim};

use super::{
    counts::Count,
    fixture::{ACCESS_S, Fixture, ISSUER, SESSION_S, client, instance, new_session},
};

on_every_store! {
    another_issuer_is_told_whose_it_is_and_changes_nothing
    lifetimes_are_only_raised
    new_clients_can_be_used
    p3_everything_is_there_after_a_restart
    two_replicas_claim_at_once
    the_database_clock_is_a_clock
    ;
    no_issuer_fits_every_database_and_claims_none
}

async fn ours(fixture: &Fixture, access_s: u64, session_s: u64) -> (i64, u64, uuid::Uuid) {
    let mut wanted = instance(ISSUER);
    wanted.max_access_lifetime = Duration::from_secs(access_s);
    wanted.max_session_lifetime = Duration::from_secs(session_s);
    match fixture.store.claim(wanted).await.unwrap() {
        Claim::Ours { head, max_session_lifetime } => {
            (head.max_access_lifetime_s, max_session_lifetime.as_secs(), head.epoch)
        }
        Claim::OtherIssuer { issuer } => panic!("{issuer}"),
    }
}

async fn another_issuer_is_told_whose_it_is_and_changes_nothing(fixture: &Fixture) {
    let mut other = instance("https://evil.example.org");
    other.max_access_lifetime = Duration::from_secs(999_999);
    other.clients.push(client("evil"));
    let claim = fixture.store.claim(other).await.unwrap();
    assert_eq!(claim, Claim::OtherIssuer { issuer: ISSUER.to_owned() });
    assert_eq!(fixture.count(Count::Clients).await, 2);
    let (access_s, _, _) = ours(fixture, 1, 1).await;
    assert_eq!(access_s, 900);
}

async fn no_issuer_fits_every_database_and_claims_none(fixture: &Fixture) {
    let mut wanted = instance(ISSUER);
    wanted.issuer = None;
    wanted.clients.push(client("new"));
    let claim = fixture.store.claim(wanted.clone()).await.unwrap();
    assert!(matches!(claim, Claim::Ours { .. }), "{claim:?}");
    assert_eq!(fixture.count(Count::Clients).await, 3);
    // As if no server had ever been here.
    fixture.raw("DELETE FROM instance").await;
    fixture.raw("DELETE FROM revocation_head").await;
    wanted.max_session_lifetime = Duration::from_secs(7);
    let claim = fixture.store.claim(wanted).await.unwrap();
    let Claim::Ours { head, max_session_lifetime } = claim else { panic!("{claim:?}") };
    assert_eq!((head.seq, max_session_lifetime.as_secs()), (0, 7));
    assert_eq!(fixture.number("SELECT COUNT(*) FROM instance").await, 0);
    let all = tokenward::store::port::RevokeTarget::All;
    assert_eq!(fixture.revoke(all, super::fixture::at(1)).await.unwrap().seq, 1);
    // Whichever server comes first makes it its own.
    let first = fixture.store.claim(instance("https://first.example.org")).await.unwrap();
    assert!(matches!(first, Claim::Ours { .. }), "{first:?}");
    let second = fixture.store.claim(instance(ISSUER)).await.unwrap();
    assert!(matches!(second, Claim::OtherIssuer { .. }), "{second:?}");
}

async fn lifetimes_are_only_raised(fixture: &Fixture) {
    let (access_s, session_s, epoch) = ours(fixture, ACCESS_S, SESSION_S).await;
    assert_eq!((access_s, session_s), (900, SESSION_S));
    assert_eq!(ours(fixture, 60, 60).await, (900, SESSION_S, epoch));
    assert_eq!(ours(fixture, 7200, SESSION_S + 1).await, (7200, SESSION_S + 1, epoch));
}

async fn new_clients_can_be_used(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let mut new = new_session(user, 1);
    new.session.client_id = client("late");
    let outcome = fixture.store.open_session(new.clone()).await.unwrap();
    assert!(matches!(outcome, tokenward::store::port::OpenSession::Refused));
    let mut wanted = instance(ISSUER);
    wanted.clients.push(client("late"));
    fixture.store.claim(wanted).await.unwrap();
    assert_eq!(fixture.open_as(new).await.client_id, client("late"));
}

async fn p3_everything_is_there_after_a_restart(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let session = fixture.open(user).await;
    let target = tokenward::store::port::RevokeTarget::Session(session.id);
    let entry = fixture.revoke(target, super::fixture::at(1)).await.unwrap();
    fixture.store.close().await;
    assert!(fixture.store.user(user).await.is_err(), "a closed store does not answer");
    let again = fixture.another_store().await;
    assert!(again.user(user).await.unwrap().is_some());
    assert_eq!(again.log_after(0, 10).await.unwrap(), [entry]);
    again.close().await;
}

async fn two_replicas_claim_at_once(fixture: &Fixture) {
    let other = fixture.another_store().await;
    let claims = (0..16).map(|n| {
        let store = if n % 2 == 0 { &fixture.store } else { &other };
        store.claim(instance(ISSUER))
    });
    let claims = futures_util::future::join_all(claims).await;
    let first = claims[0].as_ref().unwrap().clone();
    assert!(claims.into_iter().all(|claim| claim.unwrap() == first));
    other.close().await;
}

async fn the_database_clock_is_a_clock(fixture: &Fixture) {
    if let Some(time) = fixture.store.database_time().await.unwrap() {
        assert!(time > Timestamp::parse_rfc3339("2020-01-01T00:00:00Z").unwrap());
        assert!(fixture.store.database_time().await.unwrap().unwrap() > time);
    }
}
