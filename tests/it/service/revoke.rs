//! `Revoke`: in force here when it answers, elsewhere a look later.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use secrecy::ExposeSecret;
use tokenward::{
    domain::{
        error::{AuthError, Refusal},
        id::{ClientId, SessionId},
        token::CompactToken,
    },
    service::{
        Administrator, Caller,
        index::Needs,
        profile::ProfileRequest,
        update_user::UpdateUserRequest,
        verify::{InactiveReason, Question},
    },
    store::port::RevokeTarget,
};
use tokio::sync::Barrier;
use uuid::Uuid;

use crate::{
    on_both_engines,
    support::{
        beside,
        world::{Engine, World, question},
    },
};

on_both_engines!(
    p1_revoked_is_dead_when_the_answer_is_there,
    p1_another_replica_knows_after_its_next_look,
    rv_any_token_of_the_session_ends_it,
    rv_garbage_is_answered_alike_and_changes_nothing,
    rv_revoking_twice_is_revoking_once,
    rv_22_every_kind_of_revocation_kills_its_set_only,
    p1_a_session_that_is_gone_is_dead_only_where_its_end_is_known,
    p1_ending_all_own_sessions_is_not_said_of_those_that_live_on,
    vt_22_a_cold_start_knows_what_was_revoked_before,
    vt_31_a_new_login_does_not_revive_an_old_session,
    vt_03_a_revoked_key_kills_what_it_signed_on_every_replica,
    vt_28_rv_26_nothing_passes_that_began_after_the_answer,
);

async fn is_dead(world: &World, token: &secrecy::SecretString) -> bool {
    matches!(world.verify(token).await.reason, Some(InactiveReason::Revoked(_)))
}

/// RV-23.
async fn p1_revoked_is_dead_when_the_answer_is_there(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    for _ in 0..20 {
        let tokens = world.login("alice").await.tokens;
        assert_eq!(world.verify(&tokens.access_token).await.reason, None);
        // No look at the log in between.
        world
            .auth()
            .revoke_token(tokens.access_token.expose_secret(), &Caller::default())
            .await
            .unwrap();
        assert!(is_dead(&world, &tokens.access_token).await);
        let again = world.refresh(tokens.refresh_token.as_ref().unwrap()).await;
        assert!(matches!(again, Err(AuthError::Unauthenticated(Refusal::Revoked))));
    }
}

/// RV-24.
async fn p1_another_replica_knows_after_its_next_look(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let replica = world.replica().await;
    world.user("alice").await;
    let tokens = world.login("alice").await.tokens;
    let token = tokens.access_token.expose_secret().to_owned();
    let seq = world.auth().revoke_token(&token, &Caller::default()).await.unwrap();

    let verdict = replica.auth.verify(&question(&token)).await.unwrap();
    assert_eq!(verdict.reason, None, "it has not looked yet");
    assert!(verdict.revocation_seq < seq);

    // Read your writes: asked for that number, it waits for a look.
    let needs = Needs { min_revocation_seq: seq, max_staleness: None };
    let demanding = Question { needs, ..question(&token) };
    let (verdict, ()) = tokio::join!(replica.auth.verify(&demanding), async {
        replica.follower(Duration::from_millis(100)).look().await.unwrap();
    });
    let verdict = verdict.unwrap();
    assert!(matches!(verdict.reason, Some(InactiveReason::Revoked(_))));
    assert!(verdict.revocation_seq >= seq);
}

/// RV-01, RV-02, RV-15, RV-17.
async fn rv_any_token_of_the_session_ends_it(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    let old = world.login("alice").await.tokens;
    let new = world.refresh(old.refresh_token.as_ref().unwrap()).await.unwrap().tokens;
    // An expired access token of an earlier generation will do.
    world.advance(Duration::from_mins(20)).await;
    let new = world.refresh(new.refresh_token.as_ref().unwrap()).await.unwrap().tokens;
    assert_eq!(world.verify(&old.access_token).await.reason, Some(InactiveReason::Expired));
    world.auth().revoke_token(old.access_token.expose_secret(), &Caller::default()).await.unwrap();
    assert!(is_dead(&world, &new.access_token).await);

    let other = world.login("alice").await.tokens;
    world
        .auth()
        .revoke_token(other.refresh_token.unwrap().expose_secret(), &Caller::default())
        .await
        .unwrap();
    assert!(is_dead(&world, &other.access_token).await);
}

/// RV-10, RV-14.
async fn rv_garbage_is_answered_alike_and_changes_nothing(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    let tokens = world.login("alice").await.tokens;
    let token = tokens.access_token.expose_secret();
    // A real session id under a signature that is not ours is no kill switch.
    let mut forged = token.to_owned();
    let last = if forged.ends_with("AA") { "BB" } else { "AA" };
    forged.replace_range(forged.len() - 40..forged.len() - 38, last);
    for garbage in ["x", "a.b.c", &forged] {
        world.auth().revoke_token(garbage, &Caller::default()).await.expect("no oracle");
    }
    assert_eq!(world.verify(&tokens.access_token).await.reason, None);
    let empty = world.auth().revoke_token("", &Caller::default()).await;
    assert!(matches!(empty, Err(AuthError::InvalidArgument(_))));
}

async fn rv_revoking_twice_is_revoking_once(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    let tokens = world.login("alice").await.tokens;
    let token = tokens.access_token.expose_secret();
    let first = world.auth().revoke_token(token, &Caller::default()).await.unwrap();
    let second = world.auth().revoke_token(token, &Caller::default()).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(world.core.store.log_after(0, 10).await.unwrap().len(), 1);
}

/// VT-16, RV-21, TM-07: the clock stands, so that only versions can decide.
async fn rv_22_every_kind_of_revocation_kills_its_set_only(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let alice = world.user("alice").await;
    world.user("bob").await;
    let revoke = async |target| {
        world.auth().revoke(target, &Administrator::command_line()).await.expect("revoked")
    };

    let (one, two) = (world.login("alice").await, world.login("alice").await);
    let bob = world.login("bob").await;
    revoke(RevokeTarget::Session(one.session_id)).await.unwrap();
    assert!(is_dead(&world, &one.tokens.access_token).await);
    assert!(!is_dead(&world, &two.tokens.access_token).await);

    revoke(RevokeTarget::User(alice)).await.unwrap();
    assert!(is_dead(&world, &two.tokens.access_token).await);
    assert!(!is_dead(&world, &bob.tokens.access_token).await);

    revoke(RevokeTarget::Client(ClientId::parse("default").unwrap())).await.unwrap();
    assert!(is_dead(&world, &bob.tokens.access_token).await);
    let after_client = world.login("bob").await;
    assert!(!is_dead(&world, &after_client.tokens.access_token).await);

    revoke(RevokeTarget::All).await.unwrap();
    assert!(is_dead(&world, &after_client.tokens.access_token).await);
    let dead = world.refresh(after_client.tokens.refresh_token.as_ref().unwrap()).await;
    assert!(matches!(dead, Err(AuthError::Unauthenticated(Refusal::Revoked))));
    for name in ["alice", "bob"] {
        let after_all = world.login(name).await;
        assert!(!is_dead(&world, &after_all.tokens.access_token).await);
        assert!(world.refresh(after_all.tokens.refresh_token.as_ref().unwrap()).await.is_ok());
    }

    let nobody = RevokeTarget::Session(SessionId::new(Uuid::from_u128(9)));
    assert_eq!(revoke(nobody).await, None);
}

async fn vt_22_a_cold_start_knows_what_was_revoked_before(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    let tokens = world.login("alice").await.tokens;
    let token = tokens.access_token.expose_secret().to_owned();
    world.auth().revoke_token(&token, &Caller::default()).await.unwrap();

    let fresh = world.replica_without_look().await;
    let early = fresh.auth.verify(&question(&token)).await;
    assert!(
        matches!(early, Err(AuthError::Unavailable { .. })),
        "not ready before the log is read"
    );
    fresh.follower(Duration::from_millis(100)).look().await.unwrap();
    let verdict = fresh.auth.verify(&question(&token)).await.unwrap();
    assert!(matches!(verdict.reason, Some(InactiveReason::Revoked(_))));
}

async fn vt_31_a_new_login_does_not_revive_an_old_session(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    let old = world.login("alice").await.tokens;
    world.auth().revoke_token(old.access_token.expose_secret(), &Caller::default()).await.unwrap();
    world.login("alice").await;
    world.look().await;
    assert!(is_dead(&world, &old.access_token).await);
}

async fn vt_03_a_revoked_key_kills_what_it_signed_on_every_replica(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let replica = world.replica().await;
    world.user("alice").await;
    let token = world.login("alice").await.tokens.access_token.expose_secret().to_owned();
    let kid = CompactToken::parse(&token).unwrap().kid;
    let entry = format!(
        "INSERT INTO revocations (seq, id, kind, subject, at, reason, actor) VALUES \
         (1, '00000000-0000-4000-8000-000000000001', 'key', '{kid}', 1, 'OPERATOR', 'operator')"
    );
    let url = world.settings.database_url();
    beside::run(url.expose(), &entry).await;
    beside::run(url.expose(), "UPDATE revocation_head SET seq = 1").await;
    world.look().await;
    replica.follower(Duration::from_millis(100)).look().await.unwrap();
    for auth in [world.auth(), &replica.auth] {
        let verdict = auth.verify(&question(&token)).await.unwrap();
        assert_eq!(verdict.reason, Some(InactiveReason::KeyRevoked));
    }
}

/// Thieves verify and refresh without a pause while the victim revokes.
async fn vt_28_rv_26_nothing_passes_that_began_after_the_answer(engine: Engine) {
    const THIEVES: usize = 4;
    let Some(world) = World::new(engine).await else { return };
    let world = Arc::new(world);
    world.user("alice").await;
    for _ in 0..10 {
        let tokens = world.login("alice").await.tokens;
        let answered = Arc::new(AtomicBool::new(false));
        let started = Arc::new(Barrier::new(THIEVES + 1));
        let thieves = (0..THIEVES).map(|_| {
            let (world, tokens) = (Arc::clone(&world), tokens.clone());
            let (answered, started) = (Arc::clone(&answered), Arc::clone(&started));
            tokio::spawn(async move {
                started.wait().await;
                loop {
                    let began_after = answered.load(Ordering::SeqCst);
                    let passes = world.verify(&tokens.access_token).await.reason.is_none();
                    let refreshed = world.refresh(tokens.refresh_token.as_ref().unwrap()).await;
                    if began_after {
                        return passes || refreshed.is_ok();
                    }
                }
            })
        });
        let thieves: Vec<_> = thieves.collect();
        started.wait().await;
        let token = tokens.access_token.expose_secret();
        world.auth().revoke_token(token, &Caller::default()).await.unwrap();
        answered.store(true, Ordering::SeqCst);
        for thief in thieves {
            assert!(!thief.await.unwrap(), "something passed");
        }
    }
}

/// The simulation found it: the user is deleted on one replica, and another
/// one, which has not read so, is asked to revoke the token.
async fn p1_a_session_that_is_gone_is_dead_only_where_its_end_is_known(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let user = world.user("alice").await;
    let token = world.login("alice").await.tokens.access_token;
    let other = world.replica().await;
    world.auth().delete_user(user, &Administrator::command_line()).await.expect("deleted");
    world.clock.advance(Duration::from_millis(1));
    let caller = Caller::default();
    let answer = other.auth.revoke_token(token.expose_secret(), &caller).await;
    assert!(matches!(answer, Err(AuthError::Unavailable { .. })), "{answer:?}");
    other.follower(Duration::from_millis(100)).look().await.expect("the log can be read");
    other.auth.revoke_token(token.expose_secret(), &caller).await.expect("revoked");
    let verdict = other.auth.verify(&question(token.expose_secret())).await.expect("a verdict");
    assert!(matches!(verdict.reason, Some(InactiveReason::Revoked(_))), "{:?}", verdict.reason);
}

/// The simulation found it: roles went a moment ago, and the sessions have gone
/// along to the user's next version.
async fn p1_ending_all_own_sessions_is_not_said_of_those_that_live_on(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let user = world.user("alice").await;
    let tokens = world.login("alice").await.tokens;
    let claims = world.auth().authenticate(Some(tokens.access_token.expose_secret())).await;
    let request = UpdateUserRequest {
        id: user,
        fields: vec!["roles".to_owned()],
        profile: ProfileRequest::default(),
        revision: None,
    };
    let admin = Administrator::command_line();
    world.auth().update_user(request, &admin).await.expect("fewer roles");
    let (claims, id) = (claims.expect("active before"), user.to_string());
    let answer = world.auth().revoke_own_sessions(&claims, &id, &Caller::default()).await;
    assert!(matches!(answer, Err(AuthError::Unauthenticated(Refusal::Revoked))), "{answer:?}");
    let refreshed = world.refresh(&tokens.refresh_token.expect("a refresh token")).await;
    refreshed.expect("the session lives on, as was said");
}
