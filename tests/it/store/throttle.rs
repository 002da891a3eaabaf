//! Counting logins, from two processes' worth of connections.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokenward::{
    domain::{
        clock::Timestamp,
        throttle::{Admission, Allowance, Ending, Fingerprint, Kind, LEASE, ThrottleRules},
    },
    store::port::{Attempt, Store, Swept},
};

use super::{
    counts::Count,
    fixture::{Fixture, at, end, sweep},
};

const RACERS: u8 = 32;
const RULES: ThrottleRules = ThrottleRules {
    account: Allowance { failures: 5, max_wait: Duration::from_mins(15) },
    source: Some(Allowance { failures: 50, max_wait: Duration::from_mins(5) }),
    global_failures: Some(20),
    forget_after: Duration::from_hours(1),
};

on_every_store! {
    lg_20_of_32_attempts_as_many_begin_as_there_are_places
    lg_26_no_failure_of_a_race_is_lost
    lg_24_what_succeeded_leaves_nothing
    lg_19_an_attempt_without_an_end_has_failed
    lg_36_times_of_a_wrong_clock_are_repaired
    lg_35_forgotten_tallies_are_swept
}

fn attempt(account: u8, now: Timestamp) -> Attempt {
    let (account, source) = (Fingerprint::new([account; 32]), Fingerprint::new([255; 32]));
    Attempt { account: Some(account), source: Some(source), rules: RULES, now }
}

async fn fail(store: &dyn Store, account: u8, now: Timestamp) -> bool {
    let begun = store.begin_attempt(attempt(account, now)).await.unwrap();
    assert_eq!(begun, Admission::Admitted);
    store.end_attempt(end(attempt(account, now), Ending::Failed)).await.unwrap()
}

async fn lg_20_of_32_attempts_as_many_begin_as_there_are_places(fixture: &Fixture) {
    let stores = [Arc::clone(&fixture.store), fixture.another_store().await];
    let task = |n: u8| {
        let store = Arc::clone(&stores[usize::from(n) % 2]);
        tokio::spawn(async move { store.begin_attempt(attempt(1, at(0))).await.unwrap() })
    };
    let begun = join_all((0..RACERS).map(task)).await;
    let begun: Vec<_> = begun.into_iter().map(Result::unwrap).collect();
    let admitted = begun.iter().filter(|begun| **begun == Admission::Admitted).count();
    let busy = begun.iter().filter(|begun| **begun == Admission::Busy(Kind::Account)).count();
    assert_eq!((admitted, busy), (5, 27));
    for _ in 0..5 {
        stores[1].end_attempt(end(attempt(1, at(3)), Ending::Failed)).await.unwrap();
    }
    let wait = stores[0].begin_attempt(attempt(1, at(3))).await.unwrap();
    assert_eq!(wait, Admission::Throttled(Duration::from_secs(1)));
    assert_eq!(stores[0].begin_attempt(attempt(1, at(4))).await.unwrap(), Admission::Admitted);
    stores[1].close().await;
}

/// LG-27: and exactly one of them is the one that makes allowances strict.
async fn lg_26_no_failure_of_a_race_is_lost(fixture: &Fixture) {
    let stores = [Arc::clone(&fixture.store), fixture.another_store().await];
    let race = |n: u8| {
        let store = Arc::clone(&stores[usize::from(n) % 2]);
        tokio::spawn(async move {
            // From 20 failures on the source has ten places, and they are gone.
            match store.begin_attempt(attempt(n, at(0))).await.unwrap() {
                Admission::Admitted => {
                    let strict = store.end_attempt(end(attempt(n, at(0)), Ending::Failed)).await;
                    (1, u32::from(strict.unwrap()))
                }
                _ => (0, 0),
            }
        })
    };
    let ends = join_all((0..RACERS).map(race)).await;
    let (mut failed, mut alarms) = (0, 0);
    for end in ends {
        let (one, alarm) = end.unwrap();
        failed += one;
        alarms += alarm;
    }
    assert!(failed >= 20, "{failed}");
    assert_eq!(alarms, 1);
    for kind in ["account", "source", "global"] {
        assert_eq!(fixture.count(Count::Failures(kind)).await, failed, "{kind}");
    }
    assert_eq!(fixture.count(Count::Pending).await, 0);
    stores[1].close().await;
}

async fn lg_24_what_succeeded_leaves_nothing(fixture: &Fixture) {
    let store = &fixture.store;
    for ending in [Ending::Succeeded, Ending::NotJudged] {
        assert_eq!(store.begin_attempt(attempt(1, at(0))).await.unwrap(), Admission::Admitted);
        assert!(!store.end_attempt(end(attempt(1, at(0)), ending)).await.unwrap());
        assert_eq!(fixture.count(Count::Tallies).await, 0);
    }
    for second in 0..4 {
        fail(store.as_ref(), 1, at(second)).await;
    }
    store.begin_attempt(attempt(1, at(4))).await.unwrap();
    store.end_attempt(end(attempt(1, at(4)), Ending::Succeeded)).await.unwrap();
    assert_eq!(fixture.count(Count::Failures("source")).await, 4, "LG-25: only its own");
    assert_eq!(fixture.count(Count::Failures("account")).await, 0);
}

/// As after `kill -9`.
async fn lg_19_an_attempt_without_an_end_has_failed(fixture: &Fixture) {
    let store = &fixture.store;
    for _ in 0..5 {
        assert_eq!(store.begin_attempt(attempt(1, at(0))).await.unwrap(), Admission::Admitted);
    }
    let due = at(0).plus(LEASE);
    let before = due.minus(Duration::from_micros(1));
    let begun = store.begin_attempt(attempt(1, before)).await.unwrap();
    assert_eq!(begun, Admission::Busy(Kind::Account));
    assert_eq!(store.begin_attempt(attempt(1, due)).await.unwrap(), Admission::Admitted);
    assert!(!store.end_attempt(end(attempt(1, due), Ending::Failed)).await.unwrap());
    let begun = store.begin_attempt(attempt(1, due)).await.unwrap();
    assert_eq!(begun, Admission::Throttled(Duration::from_secs(2)), "six have failed");
}

async fn lg_36_times_of_a_wrong_clock_are_repaired(fixture: &Fixture) {
    let store = &fixture.store;
    for _ in 0..5 {
        fail(store.as_ref(), 1, at(10 * 3_600)).await;
    }
    let begun = store.begin_attempt(attempt(1, at(0))).await.unwrap();
    assert_eq!(begun, Admission::Throttled(Duration::from_secs(1)));
    assert_eq!(store.begin_attempt(attempt(1, at(1))).await.unwrap(), Admission::Admitted);
}

async fn lg_35_forgotten_tallies_are_swept(fixture: &Fixture) {
    for account in 0..5 {
        fail(fixture.store.as_ref(), account, at(account.into())).await;
    }
    let mut swept = Vec::new();
    for now in [at(3_599), at(3_600), at(3_604), at(3_604), at(3_604)] {
        let Swept { rows, .. } = fixture.store.sweep(sweep(now, 3)).await.unwrap();
        swept.push(rows);
    }
    // At 3600 the source, everybody, and the first account.
    assert_eq!(swept, [0, 3, 3, 1, 0]);
}
