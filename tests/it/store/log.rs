//! Reading and sweeping the log.

use std::time::Duration;

use tokenward::{
    domain::{
        clock::Timestamp,
        id::KeyId,
        revocation::{Reason, Target},
    },
    store::port::{RevokeTarget, Swept},
};

use super::fixture::{ACCESS_S, Fixture, MARGIN_S, SESSION_S, at, new_session, sweep};

on_every_store! {
    a_look_gives_the_head_and_the_known_entry
    entries_come_in_order_and_in_pages
    rv_34_the_sweep_keeps_what_can_still_kill
    the_sweep_is_bounded
    entries_live_as_long_as_the_longest_token_ever
    rv_34_a_slow_clock_does_not_shorten_the_life_of_an_entry
    ;
    the_sweep_never_takes_the_newest_entry_nor_keys
}

async fn a_look_gives_the_head_and_the_known_entry(fixture: &Fixture) {
    let look = fixture.store.look(0).await.unwrap();
    assert_eq!((look.head.seq, look.known_id), (0, None));
    assert_eq!(look.head.max_access_lifetime_s, 900);
    let entry = fixture.revoke(RevokeTarget::All, at(1)).await.unwrap();
    let next = fixture.store.look(1).await.unwrap();
    assert_eq!((next.head.seq, next.known_id), (1, Some(entry.id)));
    assert_eq!(next.head.epoch, look.head.epoch);
    assert_eq!(fixture.store.look(2).await.unwrap().known_id, None);
}

async fn entries_come_in_order_and_in_pages(fixture: &Fixture) {
    for second in 1..=5 {
        fixture.revoke(RevokeTarget::All, at(second)).await.unwrap();
    }
    let seqs = |entries: Vec<tokenward::domain::revocation::Revocation>| {
        entries.into_iter().map(|entry| entry.seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs(fixture.store.log_after(0, 2).await.unwrap()), [1, 2]);
    assert_eq!(seqs(fixture.store.log_after(2, 9).await.unwrap()), [3, 4, 5]);
    assert_eq!(seqs(fixture.store.log_after(5, 9).await.unwrap()), [0_i64; 0]);
}

async fn rv_34_the_sweep_keeps_what_can_still_kill(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let session = fixture.open(user).await;
    fixture.revoke(RevokeTarget::Session(session.id), at(0)).await.unwrap();
    fixture.revoke(RevokeTarget::All, at(1)).await.unwrap();
    let dead = ACCESS_S + MARGIN_S;
    assert_eq!(fixture.store.sweep(sweep(at(dead - 1), 10)).await.unwrap().rows, 0);
    assert_eq!(
        fixture.store.sweep(sweep(at(dead), 10)).await.unwrap().rows,
        2,
        "entry and session"
    );
    fixture.open(user).await;
    assert_eq!(fixture.store.sweep(sweep(at(SESSION_S + 59), 10)).await.unwrap().rows, 0);
    assert_eq!(
        fixture.store.sweep(sweep(at(SESSION_S + 60), 10)).await.unwrap().rows,
        1,
        "the session"
    );
}

async fn the_sweep_never_takes_the_newest_entry_nor_keys(fixture: &Fixture) {
    fixture
        .raw(
            "INSERT INTO revocations (seq, id, kind, subject, at, reason, actor) VALUES \
             (1, '00000000-0000-4000-8000-000000000001', 'key', 'k1', 1, 'NEW_WORD', 'operator')",
        )
        .await;
    fixture.raw("UPDATE revocation_head SET seq = 1").await;
    fixture.revoke(RevokeTarget::All, at(1)).await.unwrap();
    fixture.revoke(RevokeTarget::All, at(2)).await.unwrap();
    assert_eq!(fixture.store.sweep(sweep(at(SESSION_S), 10)).await.unwrap().rows, 1);
    let left = fixture.log().await;
    assert_eq!(left.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(left[0].target, Target::Key(KeyId::parse("k1").unwrap()));
    assert_eq!(left[0].reason, Reason::Other("NEW_WORD".to_owned()));
    assert_eq!(left[0].expires_at, None);
}

async fn the_sweep_is_bounded(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    for _ in 0..5 {
        fixture.open(user).await;
    }
    for second in 0..6 {
        fixture.revoke(RevokeTarget::All, at(second)).await.unwrap();
    }
    let late = at(2 * SESSION_S);
    let mut swept = Vec::new();
    for _ in 0..4 {
        let Swept { rows, more } = fixture.store.sweep(sweep(late, 2)).await.unwrap();
        swept.push((rows, more));
    }
    assert_eq!(swept, [(4, true), (4, true), (2, false), (0, false)]);
}

async fn entries_live_as_long_as_the_longest_token_ever(fixture: &Fixture) {
    let mut wanted = super::fixture::instance(super::fixture::ISSUER);
    wanted.max_access_lifetime = Duration::from_hours(2);
    fixture.store.claim(wanted.clone()).await.unwrap();
    wanted.max_access_lifetime = Duration::from_mins(1);
    fixture.store.claim(wanted).await.unwrap();
    let session = fixture.open_as(new_session(fixture.user("alice").await, 1)).await;
    let entry = fixture.revoke(RevokeTarget::Session(session.id), at(0)).await.unwrap();
    assert_eq!(entry.expires_at, Some(at(7200 + MARGIN_S)));
}

/// The revoking process is years behind; the database is not.
async fn rv_34_a_slow_clock_does_not_shorten_the_life_of_an_entry(fixture: &Fixture) {
    let long_ago = Timestamp::parse_rfc3339("2001-01-01T00:00:00Z").unwrap();
    let before = fixture.store.database_time().await.unwrap();
    let entry = fixture.revoke(RevokeTarget::All, long_ago).await.unwrap();
    let life = Duration::from_secs(ACCESS_S + MARGIN_S);
    assert_eq!(entry.at, long_ago, "told as it was given");
    assert!(entry.expires_at.unwrap() >= before.unwrap_or(long_ago).plus(life));
    assert_eq!(fixture.log().await, [entry]);
}
