//! The audit log: written with what it tells, in order, sealed.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokenward::{
    crypto::digest::sha256,
    domain::{
        audit::{Action, Entry, Event, Filter},
        clock::Timestamp,
        throttle::{Allowance, Ending, Fingerprint, ThrottleRules},
    },
    store::port::{
        Attempt, AuditPage, EndAttempt, NewSession, RevokeTarget, Sweep, UserEnding, UserQuery,
    },
};

use super::fixture::{
    Fixture, START, at, context, end_user, new_account, new_session, new_user, origin, revoke,
    rotate,
};

on_every_store! {
    lo_10_entries_are_in_order_without_gaps_and_sealed
    lg_56_a_login_has_one_entry
    each_act_has_its_entry_and_a_repetition_none
    a_replay_is_recorded_once_for_each_generation
    entries_are_found_by_what_they_say
    old_entries_are_swept_and_the_seal_goes_on
    ;
    lo_10_what_is_altered_shows
    lo_11_ad_27_no_entry_no_change
}

async fn all(fixture: &Fixture) -> Vec<Entry> {
    fixture.store.audit_after(0, 10_000).await.unwrap()
}

async fn actions(fixture: &Fixture) -> Vec<String> {
    let entries = all(fixture).await;
    let show = |e: &Entry| format!("{} {} {}", e.action, e.outcome, e.reason).trim().to_owned();
    entries.iter().map(show).collect()
}

/// The place of the first entry that does not follow the one before.
fn broken_at(entries: &[Entry]) -> Option<i64> {
    let mut previous = String::new();
    for (place, entry) in (1..).zip(entries) {
        if entry.seq != place || entry.digest != entry.seal(&previous, sha256) {
            return Some(place);
        }
        previous.clone_from(&entry.digest);
    }
    None
}

/// Thirty-two at a time, on two processes.
async fn lo_10_entries_are_in_order_without_gaps_and_sealed(fixture: &Fixture) {
    let stores = [Arc::clone(&fixture.store), fixture.another_store().await];
    let records = (0..64).map(|n| {
        let store = Arc::clone(&stores[n % 2]);
        let event = Event::new(Action::Login, &origin(), at(1)).detail(format!("d{n}"));
        async move { store.record(event).await.unwrap() }
    });
    join_all(records).await;
    let entries = all(fixture).await;
    assert_eq!((entries.len(), broken_at(&entries)), (64, None));
    let (seq, digest) = fixture.store.audit_head().await.unwrap();
    assert_eq!((seq, &digest), (64, &entries[63].digest));
    stores[1].close().await;
}

async fn lo_10_what_is_altered_shows(fixture: &Fixture) {
    for _ in 0..5 {
        fixture.store.record(Event::new(Action::Login, &origin(), at(1))).await.unwrap();
    }
    fixture.raw("UPDATE audit_events SET detail = 'x' WHERE seq = 3").await;
    assert_eq!(broken_at(&all(fixture).await), Some(3));
    fixture.raw("UPDATE audit_events SET detail = '' WHERE seq = 3").await;
    assert_eq!(broken_at(&all(fixture).await), None);
    fixture.raw("DELETE FROM audit_events WHERE seq = 4").await;
    assert_eq!(broken_at(&all(fixture).await), Some(4));
}

async fn lg_56_a_login_has_one_entry(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let session = fixture.open(user).await;
    let refused = NewSession { checked_version: 9, ..new_session(user, 1) };
    fixture.store.open_session(refused).await.unwrap();
    let allowance = Allowance { failures: 5, max_wait: Duration::from_mins(1) };
    let rules = ThrottleRules {
        account: allowance,
        source: None,
        global_failures: None,
        forget_after: Duration::from_hours(1),
    };
    for ending in [Ending::Failed, Ending::Succeeded, Ending::Abandoned, Ending::NotJudged] {
        let attempt =
            Attempt { account: Some(Fingerprint::new([1; 32])), source: None, rules, now: at(2) };
        fixture.store.begin_attempt(attempt.clone()).await.unwrap();
        let failure = Event::new(Action::Login, &origin(), at(2)).refused(format!("{ending:?}"));
        let end = EndAttempt { attempt, ending, failure: Some(failure) };
        fixture.store.end_attempt(end).await.unwrap();
    }
    assert_eq!(
        actions(fixture).await,
        [
            "CREATE_USER SUCCEEDED",
            "LOGIN SUCCEEDED",
            "LOGIN REFUSED CHANGED_MEANWHILE",
            "LOGIN REFUSED Failed",
            "LOGIN REFUSED Abandoned",
        ]
    );
    let entry = &all(fixture).await[1];
    assert_eq!((&entry.user, &entry.session), (&user.to_string(), &session.id.to_string()));
    assert_eq!(entry.client, "web");
}

/// Without the table nothing is done: the change and its entry are one.
async fn lo_11_ad_27_no_entry_no_change(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let session = fixture.open(user).await;
    let gone = fixture.user("gone").await;
    fixture.disable(gone, at(1)).await;
    let before = fixture.log().await.len();
    fixture.raw("ALTER TABLE audit_events RENAME TO audit_gone").await;
    let store = &fixture.store;
    store.create_user(new_user(new_account("bob"), START)).await.expect_err("no entry");
    store.create_users(vec![new_account("carol")], context(START)).await.expect_err("no entry");
    store.open_session(new_session(user, 1)).await.expect_err("no entry");
    store.enable_user(gone, context(START)).await.expect_err("no entry");
    let revoke = revoke(RevokeTarget::Session(session.id), at(1));
    store.revoke(revoke).await.expect_err("no entry");
    for ending in [UserEnding::Disable, UserEnding::Delete] {
        store.end_user(end_user(user, ending, at(1))).await.expect_err("no entry");
    }
    fixture.raw("ALTER TABLE audit_gone RENAME TO audit_events").await;
    assert_eq!(fixture.log().await.len(), before);
    assert_eq!(store.users(UserQuery::all(None, 10)).await.unwrap().len(), 2);
    assert_eq!(store.sessions(user, None, 10, at(1)).await.unwrap().len(), 1);
}

async fn each_act_has_its_entry_and_a_repetition_none(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let session = fixture.open(user).await;
    for _ in 0..2 {
        fixture.revoke(RevokeTarget::Session(session.id), at(1)).await;
        fixture.disable(user, at(1)).await;
    }
    fixture.store.enable_user(user, context(at(2))).await.unwrap();
    fixture.store.enable_user(user, context(at(2))).await.unwrap();
    fixture.revoke(RevokeTarget::All, at(3)).await;
    fixture
        .store
        .create_users(vec![new_account("a"), new_account("A")], context(at(4)))
        .await
        .unwrap();
    assert_eq!(
        actions(fixture).await,
        [
            "CREATE_USER SUCCEEDED",
            "LOGIN SUCCEEDED",
            "REVOKE_SESSION SUCCEEDED LOGOUT",
            "DISABLE_USER SUCCEEDED",
            "ENABLE_USER SUCCEEDED",
            "REVOKE_ALL SUCCEEDED LOGOUT",
            "IMPORT_USER SUCCEEDED",
        ]
    );
    assert_eq!(broken_at(&all(fixture).await), None);
}

/// The table does not grow with traffic: neither by refreshes, nor by whoever
/// repeats one as often as they can.
async fn a_replay_is_recorded_once_for_each_generation(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let session = fixture.open(user).await;
    let before = all(fixture).await.len();
    for generation in 1..=3 {
        for _ in 0..4 {
            fixture.store.rotate(rotate(&session, generation, at(1))).await.unwrap();
        }
    }
    let entries = &all(fixture).await[before..];
    assert_eq!(entries.len(), 3);
    for entry in entries {
        assert_eq!((entry.action.as_str(), entry.reason.as_str()), ("REFRESH", "REPLAY"));
    }
    fixture.store.rotate(rotate(&session, 1, at(2))).await.unwrap();
    fixture.store.rotate(rotate(&session, 1, at(2))).await.unwrap();
    let entries = &all(fixture).await[before + 3..];
    assert_eq!(entries.len(), 1, "the alarm is raised once");
    assert_eq!(
        (entries[0].outcome.as_str(), entries[0].reason.as_str()),
        ("REFUSED", "REFRESH_REUSE")
    );
}

async fn entries_are_found_by_what_they_say(fixture: &Fixture) {
    let (alice, bob) = (fixture.user("alice").await, fixture.user("bob").await);
    let session = fixture.open(alice).await;
    fixture.open(bob).await;
    fixture.revoke(RevokeTarget::Session(session.id), at(9)).await;
    let find = async |filter: Filter, before, limit| {
        let page = AuditPage { filter, before, limit };
        let found = fixture.store.audit_page(page).await.unwrap();
        found.into_iter().map(|entry| entry.seq).collect::<Vec<_>>()
    };
    let any = Filter::default;
    assert_eq!(find(any(), None, 10).await, [5, 4, 3, 2, 1]);
    assert_eq!(find(any(), Some(4), 2).await, [3, 2]);
    assert_eq!(find(Filter { user: alice.to_string(), ..any() }, None, 10).await, [3, 1]);
    assert_eq!(find(Filter { session: session.id.to_string(), ..any() }, None, 10).await, [5, 3]);
    assert_eq!(find(Filter { action: "LOGIN".to_owned(), ..any() }, None, 10).await, [4, 3]);
    assert_eq!(find(Filter { client: "web".to_owned(), ..any() }, None, 10).await, [4, 3]);
    assert_eq!(find(Filter { actor: "token".to_owned(), ..any() }, Some(2), 10).await, [1]);
    assert_eq!(find(Filter { outcome: "REFUSED".to_owned(), ..any() }, None, 10).await, [0_i64; 0]);
    assert_eq!(find(Filter { since: Some(at(9)), ..any() }, None, 10).await, [5]);
    assert_eq!(find(Filter { until: Some(at(9)), ..any() }, None, 10).await, [4, 3, 2, 1]);
    let like = Filter { user: "%".to_owned(), ..any() };
    assert_eq!(find(like, None, 10).await, [0_i64; 0], "texts are compared, not matched");
}

async fn old_entries_are_swept_and_the_seal_goes_on(fixture: &Fixture) {
    let record = async |now: Timestamp| {
        fixture.store.record(Event::new(Action::Login, &origin(), now)).await.unwrap();
    };
    for second in 0..6 {
        record(at(second)).await;
    }
    let sweep = |limit| Sweep { now: at(9), audit_before: at(4), limit };
    assert!(fixture.store.sweep(sweep(3)).await.unwrap().more, "no more than three at a time");
    fixture.store.sweep(sweep(3)).await.unwrap();
    record(at(9)).await;
    let left = all(fixture).await;
    assert_eq!(left.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [5, 6, 7]);
    for pair in left.windows(2) {
        assert_eq!(pair[1].digest, pair[1].seal(&pair[0].digest, sha256));
    }
}
