//! Rotating and revoking keys, as administrators do.

use std::{collections::HashSet, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use tokenward::{
    app::Core,
    domain::{
        audit::Filter,
        error::{AuthError, Refusal},
        id::KeyId,
        token::CompactToken,
    },
    service::{
        Administrator,
        keys::{KeyInfo, KeyPurpose, KeyState, RotateWhen},
        verify::InactiveReason,
    },
    store::port::AuditPage,
};

use crate::{
    on_both_engines,
    support::world::{Engine, World, question},
};

on_both_engines!(
    km_23_a_revoked_key_is_dead_everywhere,
    km_23_a_revoked_refresh_key,
    km_31_rotating_by_hand,
);

/// A world with keys of its own.
async fn world(engine: Engine) -> Option<World> {
    World::with(engine, |settings| settings.keys.dir = Some(settings.data_dir.join("keys"))).await
}

fn operator() -> Administrator {
    Administrator::command_line()
}

fn kid(token: &SecretString) -> KeyId {
    CompactToken::parse(token.expose_secret()).expect("our own form").kid
}

fn shown(core: &Core) -> String {
    String::from_utf8(core.auth.jwks().expect("loaded").json.to_vec()).expect("UTF-8")
}

fn state(core: &Core, kid: &KeyId) -> KeyState {
    let keys = core.auth.keys(&operator());
    keys.iter().find(|key| key.kid == *kid).expect("listed").state
}

/// Out of every JWKS, its tokens dead on every replica and after a restart
/// although the file is still there; the session lives on under the next key.
async fn km_23_a_revoked_key_is_dead_everywhere(engine: Engine) {
    let Some(world) = world(engine).await else { return };
    world.user("alice").await;
    let first = world.login("alice").await.tokens;
    let second = world.refresh(first.refresh_token.as_ref().unwrap()).await.expect("refreshed");
    let old = kid(&first.access_token);
    let asked = world.auth().revoke_key(&old, true, &operator()).await.expect("only asked");
    assert_eq!((asked.seq, asked.signs_now), (0, None), "none stands by");
    assert!(world.verify(&first.access_token).await.reason.is_none());
    assert_eq!(world.auth().keys(&operator()).len(), 2, "nothing was made");

    let replica = world.replica().await;
    let revoked = world.auth().revoke_key(&old, false, &operator()).await.expect("revoked");
    let next = revoked.signs_now.expect("one was made").kid;
    assert_eq!(revoked.key.state, KeyState::Revoked);
    let dead = Some(InactiveReason::KeyRevoked);
    assert_eq!(world.verify(&second.tokens.access_token).await.reason, dead);
    replica.follower(Duration::ZERO).look().await.expect("the log can be read");
    let told = replica.auth.verify(&question(first.access_token.expose_secret())).await;
    assert_eq!(told.expect("a verdict").reason, dead);

    let restarted = world.replica().await;
    for core in [&world.core, &replica, &restarted] {
        assert_eq!(state(core, &old), KeyState::Revoked);
    }
    for core in [&world.core, &restarted] {
        let jwks = shown(core);
        assert!(jwks.contains(next.as_str()) && !jwks.contains(old.as_str()), "{jwks}");
    }
    // It has not looked at the folder yet, and no cache shall keep an empty set.
    assert!(matches!(replica.auth.jwks(), Err(AuthError::Unavailable { .. })));

    // The honest retry gets its successor, whose access token lives.
    let replayed = world.refresh(first.refresh_token.as_ref().unwrap()).await.expect("again");
    assert!(replayed.replayed);
    assert_eq!(kid(&replayed.tokens.access_token), next);
    assert!(world.verify(&replayed.tokens.access_token).await.reason.is_none());
    let same = |token: &Option<SecretString>| token.as_ref().unwrap().expose_secret().to_owned();
    assert_eq!(same(&replayed.tokens.refresh_token), same(&second.tokens.refresh_token));

    let again = world.auth().revoke_key(&old, false, &operator()).await.expect("revoked");
    assert_eq!(again.seq, revoked.seq, "twice is once");
    let page = AuditPage { filter: Filter::default(), before: None, limit: 10 };
    let entries = world.core.store.audit_page(page).await.expect("a page");
    let told: Vec<_> = entries.iter().filter(|entry| entry.action == "REVOKE_KEY").collect();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].detail.as_str(), told[0].actor.as_str()), (old.as_str(), "operator"));
    let unknown = KeyId::parse("nobody").expect("a key id");
    let refused = world.auth().revoke_key(&unknown, false, &operator()).await;
    assert!(matches!(refused, Err(AuthError::NotFound("key"))), "{refused:?}");
}

/// What a stolen refresh key has signed opens nothing; access tokens live on.
async fn km_23_a_revoked_refresh_key(engine: Engine) {
    let Some(world) = world(engine).await else { return };
    world.user("alice").await;
    let tokens = world.login("alice").await.tokens;
    let refresh_token = tokens.refresh_token.as_ref().unwrap();
    world.auth().revoke_key(&kid(refresh_token), false, &operator()).await.expect("revoked");
    let refused = world.refresh(refresh_token).await;
    assert!(matches!(refused, Err(AuthError::Unauthenticated(Refusal::KeyRevoked))), "{refused:?}");
    assert!(world.verify(&tokens.access_token).await.reason.is_none());
    let again = world.login("alice").await.tokens;
    world.refresh(again.refresh_token.as_ref().unwrap()).await.expect("refreshed");
}

/// Keys sign earlier than scheduled, nothing dies, and it is on record.
async fn km_31_rotating_by_hand(engine: Engine) {
    let Some(world) = world(engine).await else { return };
    world.user("alice").await;
    let tokens = world.login("alice").await.tokens;
    let rotate = async |when, dry_run| {
        world.auth().rotate_keys(when, dry_run, &operator()).await.expect("rotated")
    };
    assert!(rotate(RotateWhen::Published, true).await.is_empty(), "none stands by");
    let made = rotate(RotateWhen::Published, false).await;
    let purposes: HashSet<_> = made.iter().map(|key| key.purpose).collect();
    assert_eq!(purposes, HashSet::from(KeyPurpose::ALL));
    let earliest = |keys: &[KeyInfo]| keys.iter().filter_map(|key| key.signs_from).min().unwrap();
    let lead = world.settings.keys.publish_lead.0;
    assert!(earliest(&made).since(world.now()) >= lead);
    assert!(
        made.iter().all(|key| shown(&world.core).contains(key.kid.as_str())
            == (key.purpose == KeyPurpose::Access))
    );

    let dry = rotate(RotateWhen::Immediately, true).await;
    let sooner = rotate(RotateWhen::Immediately, false).await;
    assert_eq!(dry, sooner, "as announced");
    assert_eq!(rotate(RotateWhen::Published, false).await, [], "they sign sooner already");
    world.advance(Duration::from_secs(10)).await;
    assert!(earliest(&sooner) <= world.now());
    let next = world.refresh(tokens.refresh_token.as_ref().unwrap()).await.expect("refreshed");
    assert!(sooner.iter().any(|key| key.kid == kid(&next.tokens.access_token)));
    assert!(sooner.iter().any(|key| key.kid == kid(next.tokens.refresh_token.as_ref().unwrap())));
    assert!(world.verify(&tokens.access_token).await.reason.is_none(), "nothing dies");
    let page = AuditPage { filter: Filter::default(), before: None, limit: 10 };
    let entries = world.core.store.audit_page(page).await.expect("a page");
    let told: Vec<_> = entries.iter().filter(|entry| entry.action == "ROTATE_KEYS").collect();
    assert_eq!(told.len(), 2, "{entries:?}");
    assert!(told[0].detail.contains("access/2027-01-15T08-00-"), "{}", told[0].detail);
}
