//! DB-27: rows that are not what they should be fail alone, and are named.

use tokenward::{
    domain::error::chain,
    store::port::{RevokeTarget, StoreError},
};

use super::fixture::{Fixture, at, rotate};

on_both_engines! {
    db_27_a_corrupt_user_is_named_and_fails_alone
    db_27_a_corrupt_session_is_named_and_fails_alone
    db_27_a_corrupt_entry_is_named
    an_unclaimed_log_is_no_outage
}

fn corrupt(error: &StoreError) -> String {
    assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
    chain(error)
}

async fn db_27_a_corrupt_user_is_named_and_fails_alone(fixture: &Fixture) {
    let (alice, bob) = (fixture.user("alice").await, fixture.user("bob").await);
    fixture.raw(&format!("UPDATE users SET roles = 'Bad!ROLE' WHERE id = '{alice}'")).await;
    let told = corrupt(&fixture.store.user(alice).await.unwrap_err());
    assert!(told.contains(&format!("users.roles of row {alice}")), "{told}");
    assert!(!told.contains("Bad!ROLE"), "{told}");
    assert!(fixture.store.user(bob).await.unwrap().is_some());
}

async fn db_27_a_corrupt_session_is_named_and_fails_alone(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let (broken, whole) = (fixture.open(user).await, fixture.open(user).await);
    let id = broken.id;
    fixture.raw(&format!("UPDATE sessions SET audience = '' WHERE id = '{id}'")).await;
    let told = corrupt(&fixture.store.rotate(rotate(&broken, 1, at(1))).await.unwrap_err());
    assert!(told.contains(&format!("sessions.audience of row {id}")), "{told}");
    let generation = format!("SELECT generation FROM sessions WHERE id = '{id}'");
    assert_eq!(fixture.number(&generation).await, 1, "the token is not used up");
    super::fixture::advanced(fixture.rotate(&whole, 1, at(1)).await);
}

async fn db_27_a_corrupt_entry_is_named(fixture: &Fixture) {
    fixture.revoke(RevokeTarget::All, at(1)).await.unwrap();
    fixture.raw("UPDATE revocations SET kind = 'galaxy'").await;
    let told = corrupt(&fixture.store.log_after(0, 10).await.unwrap_err());
    assert!(told.contains("revocations.kind of row 1"), "{told}");
}

async fn an_unclaimed_log_is_no_outage(fixture: &Fixture) {
    fixture.raw("DELETE FROM revocation_head").await;
    let request = super::fixture::revoke(RevokeTarget::All, at(1));
    let told = corrupt(&fixture.store.revoke(request).await.unwrap_err());
    assert!(told.contains("revocation_head"), "{told}");
}
