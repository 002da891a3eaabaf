//! What a verifier does while it is cut off, and afterwards.

use std::{sync::Arc, time::Duration};

use tokenward::{
    client::{InactiveReason, OnStale, Options, Verifier},
    config::Settings,
    crypto::generate::{self, KeyBits},
};

use super::{
    access, any, endpoint, options, ready, reason, relay::Relay, revoke, until, usual, verifier,
    world,
};
use crate::{
    on_both_engines,
    support::{
        determinism::ManualClock,
        served::{PATIENCE, Served},
        world::{Engine, World},
    },
};

on_both_engines!(
    nothing_is_judged_before_everything_is_told,
    an_outage_is_outlived_for_the_budget_and_no_longer,
    a_log_that_was_replaced_is_told_anew,
);

async fn nothing_is_judged_before_everything_is_told(engine: Engine) {
    let Some(world) = World::before_its_first_look(engine, usual).await else { return };
    world.user("alice").await;
    let login = world.login("alice").await;
    let served = world.serve_without_log().await;
    let verifier = verifier(&served);
    assert_eq!(reason(verifier.verify(access(&login), &any())), "NOT_READY");
    assert!(!verifier.is_ready());
    assert_eq!((verifier.staleness(), verifier.revocation_seq()), (None, None));
    served.show_log().await;
    ready(&verifier).await;
    assert_eq!(verifier.verify(access(&login), &any()).unwrap().reason, None);
    served.stop().await;
}

/// A verifier behind a relay, with a clock of its own.
async fn cut_off(
    served: &Served,
    change: impl FnOnce(&mut Options),
) -> (Verifier, Relay, Arc<ManualClock>) {
    let relay = Relay::new(served.grpc).await;
    let clock = Arc::new(ManualClock::new());
    let mut options = options(clock.clone());
    change(&mut options);
    let verifier = Verifier::new(endpoint(relay.address), options);
    ready(&verifier).await;
    (verifier, relay, clock)
}

async fn an_outage_is_outlived_for_the_budget_and_no_longer(engine: Engine) {
    let Some(world) = world(engine).await else { return };
    world.user("alice").await;
    let (one, two, three) =
        (world.login("alice").await, world.login("alice").await, world.login("alice").await);
    let served = world.serve().await;
    let first = revoke(&served, &one).await;
    let (verifier, relay, clock) = cut_off(&served, |_| {}).await;
    let open = |options: &mut Options| options.on_stale = OnStale::FailOpen;
    let (careless, other_relay, other_clock) = cut_off(&served, open).await;
    for verifier in [&verifier, &careless] {
        verifier.caught_up(first, PATIENCE).await.expect("told");
    }

    relay.cut();
    other_relay.cut();
    let second = revoke(&served, &two).await;
    for (verifier, clock) in [(&verifier, &clock), (&careless, &other_clock)] {
        assert_eq!(verifier.verify(access(&two), &any()).unwrap().reason, None, "not told yet");
        clock.advance(Duration::from_mins(1));
        let verdict = verifier.verify(access(&three), &any()).unwrap();
        assert_eq!((verdict.reason, verdict.staleness), (None, Duration::from_mins(1)));
        clock.advance(Duration::from_micros(1));
    }
    assert_eq!(reason(verifier.verify(access(&three), &any())), "REVOCATIONS_STALE");
    assert!(!verifier.is_ready());
    let verdict = careless.verify(access(&three), &any()).unwrap();
    assert!(verdict.reason.is_none() && verdict.staleness > Duration::from_mins(1));

    // What the server has forgotten meanwhile would be missing from a snapshot.
    // It has read the second one back by then, or it would miss the first, too.
    let near = super::verifier(&served);
    near.caught_up(second, PATIENCE).await.expect("told");
    served.raw(&format!("DELETE FROM revocations WHERE seq = {first}")).await;
    relay.lay(served.grpc);
    ready(&verifier).await;
    verifier.caught_up(second, PATIENCE).await.expect("told");
    for (login, dead) in [(&one, true), (&two, true), (&three, false)] {
        let verdict = verifier.verify(access(login), &any()).unwrap();
        assert_eq!(verdict.reason.is_some(), dead);
    }
    let (newcomer, ..) = cut_off(&served, |_| {}).await;
    assert_eq!(newcomer.verify(access(&one), &any()).unwrap().reason, None, "it is missing");
    served.stop().await;
}

async fn a_log_that_was_replaced_is_told_anew(engine: Engine) {
    let Some(world) = world(engine).await else { return };
    world.user("alice").await;
    let login = world.login("alice").await;
    let served = world.serve().await;
    let verifier = verifier(&served);
    ready(&verifier).await;
    let seq = revoke(&served, &login).await;
    verifier.caught_up(seq, PATIENCE).await.expect("told");
    assert!(verifier.verify(access(&login), &any()).unwrap().reason.is_some());
    served
        .raw(
            "DELETE FROM revocations; \
             UPDATE revocation_head SET epoch = '018f3a5e-7c1b-4d2e-8f3a-1b2c3d4e5f60', seq = 0",
        )
        .await;
    until(&verifier, access(&login), |verdict| verdict.reason.is_none()).await;
    assert_eq!(verifier.revocation_seq(), Some(0));
    served.stop().await;
}

/// Keys that none of the others has.
fn own_keys(settings: &mut Settings) {
    usual(settings);
    let keys = settings.data_dir.join("keys");
    for purpose in ["access", "refresh"] {
        let folder = keys.join(purpose);
        std::fs::create_dir_all(&folder).unwrap();
        generate::generate(&folder, "own.pem", KeyBits::Rsa2048).unwrap();
    }
    settings.keys.dir = Some(keys);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_known_is_fetched() {
    let old = world(Engine::Sqlite).await.unwrap();
    old.user("alice").await;
    let before = old.login("alice").await;
    let new = World::with(Engine::Sqlite, own_keys).await.unwrap();
    new.user("alice").await;
    let after = new.login("alice").await;
    let (old, new) = (old.serve().await, new.serve().await);
    // Nothing but a missing key makes it fetch keys.
    let at_once = |options: &mut Options| {
        options.keys_max_age = Duration::from_hours(1);
        options.keys_rest = Duration::ZERO;
    };
    let (verifier, relay, _) = cut_off(&old, at_once).await;
    assert_eq!(verifier.check(access(&before), &any()).await.unwrap().reason, None);
    let unknown = verifier.check(access(&after), &any()).await.unwrap();
    assert_eq!(unknown.reason, Some(InactiveReason::Invalid), "the server has no such key");

    relay.lay(new.grpc);
    until(&verifier, access(&after), |verdict| verdict.reason.is_none()).await;
    let gone = verifier.check(access(&before), &any()).await.unwrap();
    assert_eq!(gone.reason, Some(InactiveReason::Invalid), "the key has left the set");

    relay.cut();
    let unjudged = async {
        while verifier.check(access(&before), &any()).await.is_ok() {}
        reason(verifier.check(access(&before), &any()).await)
    };
    let unjudged = tokio::time::timeout(PATIENCE, unjudged).await.expect("an answer");
    assert_eq!(unjudged, "NOT_READY", "whose the key is, nobody can say now");
    assert_eq!(verifier.check(access(&after), &any()).await.unwrap().reason, None);
    old.stop().await;
    new.stop().await;
}
